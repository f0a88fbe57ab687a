/* Unix sockets: streams, datagrams, packets, names, descriptors and credentials that are passed. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int pair[2];

static void open_pair(int type)
{
	if (socketpair(AF_UNIX, type, 0, pair))
		perror("socketpair");
}

static void close_pair(void)
{
	close(pair[0]);
	close(pair[1]);
}

static socklen_t name(struct sockaddr_un *address, const char *path, int abstract)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	strcpy(address->sun_path + abstract, path);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

static int poll_now(int fd, short events)
{
	struct pollfd poller = {fd, events, 0};
	return poll(&poller, 1, 0) < 0 ? -1 : poller.revents;
}

static void test_stream(void)
{
	char buffer[64];
	static char big[1 << 20];
	int count;
	open_pair(SOCK_STREAM);
	check("stream-write", write(pair[0], "hello", 5) == 5 && write(pair[0], " you", 4) == 4);
	check("stream-fionread", ioctl(pair[1], FIONREAD, &count) == 0 && count == 9);
	check("stream-peek", recv(pair[1], buffer, 5, MSG_PEEK) == 5 && !memcmp(buffer, "hello", 5));
	check("stream-joins", read(pair[1], buffer, sizeof(buffer)) == 9 && !memcmp(buffer, "hello you", 9));
	check("stream-empty", recv(pair[1], buffer, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	check("stream-poll", poll_now(pair[1], POLLIN | POLLOUT) == POLLOUT);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	ssize_t filled = 0, done;
	while ((done = write(pair[0], big, 4096)) > 0)
		filled += done;
	check("stream-fills", done == -1 && errno == EAGAIN && filled >= 65536);
	check("stream-full-poll", (poll_now(pair[0], POLLOUT) & POLLOUT) == 0);
	fcntl(pair[0], F_SETFL, 0);
	ssize_t drained = 0;
	while (drained < filled && (done = read(pair[1], big, sizeof(big))) > 0)
		drained += done;
	check("stream-drains", drained == filled && poll_now(pair[0], POLLOUT) == POLLOUT);
	pid_t child = fork();
	if (!child) {
		for (unsigned i = 0; i < sizeof(big); i++)
			big[i] = (char)(i * 7 >> 3);
		_exit(write(pair[0], big, sizeof(big)) == sizeof(big) ? 0 : 1);
	}
	close(pair[0]);
	size_t got = recv(pair[1], big, sizeof(big), MSG_WAITALL);
	int right = got == sizeof(big);
	for (unsigned i = 0; i < got; i++)
		right &= big[i] == (char)(i * 7 >> 3);
	int status;
	waitpid(child, &status, 0);
	check("stream-megabyte", right && exited(status, 0));
	check("stream-end", read(pair[1], buffer, 1) == 0);
	check("stream-hang-up", (poll_now(pair[1], POLLIN | POLLRDHUP) & (POLLHUP | POLLRDHUP | POLLIN)) ==
	                            (POLLHUP | POLLRDHUP | POLLIN));
	check("stream-epipe", send(pair[1], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	check("stream-sigpipe", killed(in_child(write(pair[1], "x", 1)), SIGPIPE));
	close(pair[1]);
	open_pair(SOCK_STREAM);
	write(pair[0], "lost", 4);
	close(pair[1]);
	check("stream-reset", read(pair[0], buffer, 1) == -1 && errno == ECONNRESET);
	close(pair[0]);
	open_pair(SOCK_STREAM);
	write(pair[0], "last", 4);
	check("shutdown-write", shutdown(pair[0], SHUT_WR) == 0 && read(pair[1], buffer, 9) == 4 &&
	                            read(pair[1], buffer, 9) == 0 && write(pair[1], "back", 4) == 4 &&
	                            read(pair[0], buffer, 9) == 4);
	close_pair();
	struct timeval time = {0, 50000};
	open_pair(SOCK_STREAM);
	check("receive-timeout", !setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) &&
	                             read(pair[0], buffer, 1) == -1 && errno == EAGAIN);
	close_pair();
}

static void test_packets(void)
{
	char buffer[64];
	struct iovec part = {buffer, 3};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int count;
	for (int i = 0; i < 2; i++) {
		const char *kind[] = {"datagram", "packet"};
		char text[64];
		open_pair(i ? SOCK_SEQPACKET : SOCK_DGRAM);
		write(pair[0], "first", 5);
		write(pair[0], "", 0);
		write(pair[0], "third", 5);
		snprintf(text, sizeof(text), "%s-truncated", kind[i]);
		check(text, recvmsg(pair[1], &message, 0) == 3 && (message.msg_flags & MSG_TRUNC));
		snprintf(text, sizeof(text), "%s-empty", kind[i]);
		check(text, recv(pair[1], buffer, 64, 0) == 0);
		snprintf(text, sizeof(text), "%s-real-length", kind[i]);
		check(text, recv(pair[1], buffer, 1, MSG_TRUNC | MSG_PEEK) == 5 &&
		                !ioctl(pair[1], FIONREAD, &count) && count == 5 &&
		                recv(pair[1], buffer, 64, 0) == 5 && !memcmp(buffer, "third", 5));
		static char huge[1 << 20];
		snprintf(text, sizeof(text), "%s-too-long", kind[i]);
		check(text, send(pair[0], huge, sizeof(huge), 0) == -1 && errno == EMSGSIZE);
		close_pair();
	}
	open_pair(SOCK_SEQPACKET);
	close(pair[1]);
	check("packet-end", read(pair[0], buffer, 1) == 0);
	close(pair[0]);
	struct sockaddr_un a, b, from;
	int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0);
	socklen_t a_size = name(&a, "holon-a", 1), b_size = name(&b, "holon-b", 1), size = sizeof(from);
	check("abstract-bind",
	      bind(x, (void *)&a, a_size) == 0 && bind(y, (void *)&a, a_size) == -1 && errno == EADDRINUSE);
	check("datagram-nobody", sendto(x, "x", 1, 0, (void *)&b, b_size) == -1 && errno == ECONNREFUSED);
	bind(y, (void *)&b, b_size);
	check("datagram-to", sendto(x, "to b", 4, 0, (void *)&b, b_size) == 4 &&
	                         recvfrom(y, buffer, 64, 0, (void *)&from, &size) == 4 && size == a_size &&
	                         !memcmp(&from, &a, a_size));
	check("datagram-connect", connect(y, (void *)&a, a_size) == 0 && write(y, "ok", 2) == 2 &&
	                              read(x, buffer, 64) == 2 && getpeername(y, (void *)&from, &size) == 0);
	close(x);
	check("datagram-refused", write(y, "x", 1) == -1 && errno == ECONNREFUSED);
	close(y);
	struct mmsghdr many[3] = {{{0}, 0}};
	open_pair(SOCK_DGRAM);
	for (int i = 0; i < 3; i++) {
		many[i].msg_hdr.msg_iov = &part;
		many[i].msg_hdr.msg_iovlen = 1;
	}
	check("sendmmsg", sendmmsg(pair[0], many, 3, 0) == 3 && many[2].msg_len == 3);
	check("recvmmsg", recvmmsg(pair[1], many, 3, MSG_WAITFORONE, 0) == 3 &&
	                      recvmmsg(pair[1], many, 3, MSG_DONTWAIT, 0) == -1 && errno == EAGAIN);
	close_pair();
}

static void test_names(void)
{
	struct sockaddr_un address, seen;
	socklen_t bytes = name(&address, "/tmp/holon.socket", 0), size = sizeof(seen);
	struct stat stat_of;
	char buffer[16];
	unlink(address.sun_path);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    client = socket(AF_UNIX, SOCK_STREAM, 0);
	check("connect-missing", connect(client, (void *)&address, bytes) == -1 && errno == ENOENT);
	check("bind-path", bind(listener, (void *)&address, bytes) == 0 &&
	                       !stat(address.sun_path, &stat_of) && S_ISSOCK(stat_of.st_mode));
	check("open-socket-file", open(address.sun_path, O_RDWR) == -1 && errno == ENXIO);
	check("connect-not-listening",
	      connect(client, (void *)&address, bytes) == -1 && errno == ECONNREFUSED);
	check("listen", listen(listener, 1) == 0);
	check("accept-would-block",
	      fcntl(listener, F_SETFL, O_NONBLOCK) == 0 && accept(listener, 0, 0) == -1 && errno == EAGAIN);
	check("connect", connect(client, (void *)&address, bytes) == 0 && write(client, "early", 5) == 5);
	check("connect-twice", connect(client, (void *)&address, bytes) == -1 && errno == EISCONN);
	check("listener-poll", poll_now(listener, POLLIN) == POLLIN);
	int server = accept4(listener, (void *)&seen, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	check("accept", server >= 0 && size == 2 && fcntl(server, F_GETFD) == FD_CLOEXEC &&
	                    (fcntl(server, F_GETFL) & O_NONBLOCK) && read(server, buffer, 16) == 5);
	size = sizeof(seen);
	check("getpeername", !getpeername(client, (void *)&seen, &size) && size == bytes &&
	                         !strcmp(seen.sun_path, address.sun_path));
	struct ucred peer;
	size = sizeof(peer);
	check("peercred", !getsockopt(server, SOL_SOCKET, SO_PEERCRED, &peer, &size) &&
	                      peer.pid == getpid() && peer.uid == geteuid());
	int kind = 0, accepting = 0;
	size = sizeof(kind);
	getsockopt(listener, SOL_SOCKET, SO_TYPE, &kind, &size);
	getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &size);
	check("getsockopt", kind == SOCK_STREAM && accepting == 1);
	close(server);
	close(client);
	int waiting[8], made = 0;
	for (int i = 0; i < 8; i++) {
		waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		made += connect(waiting[i], (void *)&address, bytes) == 0;
	}
	check("backlog", made == 2 && errno == EAGAIN);
	close(listener);
	check("listener-gone", read(waiting[0], buffer, 1) == -1 && errno == ECONNRESET);
	for (int i = 0; i < 8; i++)
		close(waiting[i]);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	check("name-outlives", connect(client, (void *)&address, bytes) == -1 && errno == ECONNREFUSED);
	close(client);
	unlink(address.sun_path);
	check("unknown-family", socket(AF_APPLETALK, SOCK_STREAM, 77) == -1);
	check("bad-type", socket(AF_UNIX, 9, 0) == -1 && socket(AF_UNIX, SOCK_STREAM, 5) == -1);
	check("not-a-socket", send(0, "x", 1, 0) == -1 && errno == ENOTSOCK);
	check("bad-pointer", connect(-1, (void *)8, 10) == -1 && errno == EBADF);
}

static ssize_t send_files(int socket, const int *files, int count, const char *text)
{
	char control[CMSG_SPACE(sizeof(int) * 300)] = {0};
	struct iovec part = {(char *)text, strlen(text)};
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
	memcpy(CMSG_DATA(header), files, sizeof(int) * (size_t)count);
	return sendmsg(socket, &message, 0);
}

/* Receives into ROOM; returns the bytes, the descriptors in *COUNT, credentials in *CREDENTIALS. */
static ssize_t receive_files(int socket, int *files, int *count, struct ucred *credentials, int *flags)
{
	char control[512];
	static char text[256];
	struct iovec part = {text, sizeof(text)};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t done = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	*count = 0;
	*flags = message.msg_flags;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); done >= 0 && header;
	     header = CMSG_NXTHDR(&message, header)) {
		if (header->cmsg_type == SCM_RIGHTS) {
			*count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(files, CMSG_DATA(header), sizeof(int) * (size_t)*count);
		} else if (header->cmsg_type == SCM_CREDENTIALS && credentials) {
			memcpy(credentials, CMSG_DATA(header), sizeof(*credentials));
		}
	}
	return done;
}

static void test_passing(void)
{
	int pipe_fds[2], files[256], count, flags;
	char buffer[16];
	struct ucred credentials = {0, 0, 0};
	for (int i = 0; i < 2; i++) {
		open_pair(i ? SOCK_STREAM : SOCK_DGRAM);
		pipe(pipe_fds);
		check(i ? "stream-passes" : "datagram-passes",
		      send_files(pair[0], &pipe_fds[1], 1, "file") == 4 &&
		          receive_files(pair[1], files, &count, 0, &flags) == 4 && count == 1 &&
		          fcntl(files[0], F_GETFD) == FD_CLOEXEC && write(files[0], "via", 3) == 3 &&
		          read(pipe_fds[0], buffer, 16) == 3);
		close(files[0]);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		close_pair();
	}
	open_pair(SOCK_STREAM);
	pipe(pipe_fds);
	write(pair[0], "before", 6);
	send_files(pair[0], pipe_fds, 2, "with");
	write(pair[0], "after", 5);
	ssize_t first = receive_files(pair[1], files, &count, 0, &flags);
	int none = count;
	ssize_t second = receive_files(pair[1], files, &count, 0, &flags);
	check("files-stay-with-bytes", (first == 6 && none == 0 && second == 4 && count == 2) ||
	                                   (first == 10 && none == 2 && second == 5));
	close_pair();
	open_pair(SOCK_STREAM);
	send_files(pair[0], &pipe_fds[1], 1, "x");
	close(pipe_fds[1]);
	for (int i = 0; i < count; i++)
		close(files[i]);
	check("plain-read-drops", read(pair[1], buffer, 1) == 1 && read(pipe_fds[0], buffer, 1) == 0);
	close(pipe_fds[0]);
	int bad = 999;
	check("bad-descriptor", send_files(pair[0], &bad, 1, "x") == -1 && errno == EBADF);
	for (int i = 0; i < 254; i++)
		files[i] = 0;
	check("too-many-files", send_files(pair[0], files, 254, "x") == -1 && errno == EINVAL);
	close_pair();
	int on = 1;
	open_pair(SOCK_STREAM);
	setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	pid_t child = fork();
	if (!child)
		_exit(write(pair[0], "me", 2) != 2);
	waitpid(child, 0, 0);
	check("credentials", receive_files(pair[1], files, &count, &credentials, &flags) == 2 &&
	                         credentials.pid == child && credentials.uid == geteuid());
	close_pair();
	/* A socket in its own queue, and two in one another's, are given back: their other ends see the end.
	 */
	pipe(pipe_fds);
	open_pair(SOCK_STREAM);
	int both[3] = {pair[0], pair[1], pipe_fds[1]};
	send_files(pair[0], both, 3, "x");
	send_files(pair[1], both, 3, "x");
	close_pair();
	close(pipe_fds[1]);
	/* Linux may collect late: any close of a unix socket makes it look. */
	open_pair(SOCK_STREAM);
	close_pair();
	struct pollfd poller = {pipe_fds[0], POLLIN, 0};
	check("cycle-collected", poll(&poller, 1, 3000) == 1 && read(pipe_fds[0], buffer, 1) == 0);
	close(pipe_fds[0]);
	/* A chain of sockets, each in the queue of the next. */
	int before[2];
	open_pair(SOCK_DGRAM);
	for (int i = 0; i < 2000; i++) {
		before[0] = pair[0];
		before[1] = pair[1];
		open_pair(SOCK_DGRAM);
		if (send_files(pair[0], before, 2, "x") != 1)
			break;
		close(before[0]);
		close(before[1]);
	}
	close_pair();
	check("long-chain", socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	close_pair();
}

int main(void)
{
	test_stream();
	test_packets();
	test_names();
	test_passing();
	return check_failures != 0;
}
