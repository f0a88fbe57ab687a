/* TCP, UDP and raw sockets over the loopback: socket(2) and its relatives, tcp(7), udp(7), ip(7). */
#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage name;
	socklen_t bytes = sizeof(name);
	getsockname(fd, (void *)&name, &bytes);
	return ntohs(name.ss_family == AF_INET ? ((struct sockaddr_in *)&name)->sin_port
	                                       : ((struct sockaddr_in6 *)&name)->sin6_port);
}

static int listener(int backlog)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = loopback(0);
	bind(fd, (void *)&address, sizeof(address));
	listen(fd, backlog);
	return fd;
}

static int connect_to(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = loopback(port);
	if (connect(fd, (void *)&address, sizeof(address)) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int pair[2];
static void open_pair(void)
{
	int server = listener(1);
	pair[0] = connect_to(port_of(server));
	pair[1] = accept(server, 0, 0);
	close(server);
}
static void close_pair(void)
{
	close(pair[0]);
	close(pair[1]);
}

static void test_stream(void)
{
	char buffer[64];
	struct sockaddr_in name;
	socklen_t bytes = sizeof(name);
	int server = listener(5);
	check("listen", server >= 0 && port_of(server) != 0);
	int client = connect_to(port_of(server));
	check("connect", client >= 0);
	memset(&name, 0, sizeof(name));
	int accepted = accept4(server, (void *)&name, &bytes, SOCK_CLOEXEC);
	check("accept", accepted >= 0 && bytes == sizeof(name) && name.sin_family == AF_INET &&
	                    ntohs(name.sin_port) == port_of(client));
	check("accept-cloexec", fcntl(accepted, F_GETFD) == FD_CLOEXEC);
	bytes = sizeof(name);
	check("getpeername", getpeername(client, (void *)&name, &bytes) == 0 &&
	                         ntohs(name.sin_port) == port_of(server) &&
	                         name.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	check("send", send(client, "hello", 5, 0) == 5);
	check("peek", recv(accepted, buffer, 64, MSG_PEEK) == 5 && memcmp(buffer, "hello", 5) == 0);
	int waiting = 0;
	check("fionread", ioctl(accepted, FIONREAD, &waiting) == 0 && waiting == 5);
	check("recv", recv(accepted, buffer, 64, 0) == 5 && memcmp(buffer, "hello", 5) == 0);
	check("dontwait", recv(accepted, buffer, 64, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	check("write-back", write(accepted, "back", 4) == 4 && read(client, buffer, 64) == 4);
	check("trunc-discards", send(client, "discard", 7, 0) == 7 && recv(accepted, 0, 64, MSG_TRUNC) == 7 &&
	                            recv(accepted, buffer, 64, MSG_DONTWAIT) == -1);
	check("connected-again", connect(client, (void *)&name, sizeof(name)) == -1 && errno == EISCONN);
	check("accept-on-connected", accept(client, 0, 0) == -1 && errno == EINVAL);
	check("bad-buffer", recv(accepted, (void *)8, 4, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	check("bad-send", send(client, (void *)8, 4, 0) == -1 && errno == EFAULT);
	send(client, "x", 1, 0);
	check("bad-receive", recv(accepted, (void *)8, 4, 0) == -1 && errno == EFAULT);
	check("kept-after-fault", recv(accepted, buffer, 4, 0) == 1 && buffer[0] == 'x');
	shutdown(client, SHUT_WR);
	check("end", recv(accepted, buffer, 64, 0) == 0);
	check("half-open", send(accepted, "late", 4, 0) == 4 && recv(client, buffer, 64, 0) == 4);
	check("write-after-shutdown", send(client, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	check("sigpipe", killed(in_child(send(client, "x", 1, 0)), SIGPIPE));
	close(accepted);
	check("end-back", recv(client, buffer, 64, 0) == 0);
	close(client);
	close(server);
}

static void test_errors(void)
{
	int server = listener(1), fd = socket(AF_INET, SOCK_STREAM, 0);
	uint16_t port = port_of(server);
	struct sockaddr_in address = loopback(port);
	check("in-use", bind(fd, (void *)&address, sizeof(address)) == -1 && errno == EADDRINUSE);
	check("short-address", bind(fd, (void *)&address, 8) == -1 && errno == EINVAL);
	address.sin_addr.s_addr = htonl(0xcb007101);
	check("not-mine", bind(fd, (void *)&address, sizeof(address)) == -1 && errno == EADDRNOTAVAIL);
	address.sin_family = AF_UNIX;
	check("wrong-family", bind(fd, (void *)&address, sizeof(address)) == -1 && errno == EAFNOSUPPORT);
	check("not-listening", accept(fd, 0, 0) == -1 && errno == EINVAL);
	check("not-connected", send(fd, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	check("not-connected-receive", recv(fd, &port, 1, 0) == -1 && errno == ENOTCONN);
	check("not-connected-shutdown", shutdown(fd, SHUT_RDWR) == -1 && errno == ENOTCONN);
	socklen_t bytes = sizeof(address);
	check("no-peer", getpeername(fd, (void *)&address, &bytes) == -1 && errno == ENOTCONN);
	close(fd);
	close(server);
	check("refused", connect_to(port) == -1 && errno == ECONNREFUSED);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	address = loopback(port);
	connect(fd, (void *)&address, sizeof(address));
	check("refused-again", connect(fd, (void *)&address, sizeof(address)) == -1 && errno == ECONNREFUSED);
	server = socket(AF_INET, SOCK_STREAM, 0);
	int on = 1;
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	bind(server, (void *)&address, sizeof(address));
	listen(server, 1);
	check("second-try", connect(fd, (void *)&address, sizeof(address)) == 0);
	close(server);
	close(fd);
	check("types", socket(AF_INET, SOCK_SEQPACKET, 0) == -1 && errno == ESOCKTNOSUPPORT);
	check("protocols", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP) == -1 && errno == EPROTONOSUPPORT);
	check("pairs", socketpair(AF_INET, SOCK_STREAM, 0, pair) == -1 && errno == EOPNOTSUPP);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	check("datagram-listen", listen(fd, 1) == -1 && errno == EOPNOTSUPP);
	check("datagram-accept", accept(fd, 0, 0) == -1 && errno == EOPNOTSUPP);
	check("datagram-nowhere", send(fd, "x", 1, 0) == -1 && errno == EDESTADDRREQ);
	close(fd);
	open_pair();
	struct linger now = {1, 0};
	setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(pair[0]);
	char byte;
	check("reset", recv(pair[1], &byte, 1, 0) == -1 && errno == ECONNRESET);
	check("reset-once", recv(pair[1], &byte, 1, 0) == 0);
	close(pair[1]);
	open_pair();
	send(pair[0], "unread", 6, 0);
	pause_ms(20);
	close(pair[1]);
	pause_ms(20);
	check("unread-resets", recv(pair[0], &byte, 1, 0) == -1 && errno == ECONNRESET);
	close(pair[0]);
}

static void test_nonblocking(void)
{
	int server = listener(8), on = 1, error = -1;
	socklen_t bytes = sizeof(error);
	struct sockaddr_in address = loopback(port_of(server));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	check("in-progress", connect(fd, (void *)&address, sizeof(address)) == -1 && errno == EINPROGRESS);
	struct pollfd wait = {fd, POLLOUT, 0};
	check("connect-poll", poll(&wait, 1, 5000) == 1 && (wait.revents & POLLOUT));
	check("connect-error", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error == 0);
	ioctl(server, FIONBIO, &on);
	int accepted = accept(server, 0, 0);
	check("accept-nonblocking", accepted >= 0);
	check("accept-again", accept(server, 0, 0) == -1 && errno == EAGAIN);
	static char block[65536];
	long sent = 0;
	ssize_t done;
	while ((done = write(fd, block, sizeof(block))) > 0)
		sent += done;
	check("fills", done == -1 && errno == EAGAIN && sent > 65536);
	wait.revents = 0;
	check("full-not-writable", poll(&wait, 1, 0) == 0);
	long got = 0;
	while (got < sent && (done = read(accepted, block, sizeof(block))) > 0)
		got += done;
	check("drains", got == sent);
	check("writable-again", poll(&wait, 1, 5000) == 1 && wait.revents == POLLOUT);
	close(fd);
	close(accepted);
	close(server);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	connect(fd, (void *)&address, sizeof(address));
	wait = (struct pollfd){fd, POLLOUT, 0};
	check("refused-poll", poll(&wait, 1, 5000) == 1 && (wait.revents & (POLLERR | POLLHUP)));
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	check("refused-error", error == ECONNREFUSED);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	check("refused-error-once", error == 0);
	close(fd);
}

static void test_epoll(void)
{
	struct epoll_event event = {EPOLLIN | EPOLLET | EPOLLRDHUP, {.fd = 0}}, out[4];
	char buffer[8];
	int epoll = epoll_create1(0);
	open_pair();
	epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event);
	check("epoll-none", epoll_wait(epoll, out, 4, 0) == 0);
	send(pair[1], "ab", 2, 0);
	check("epoll-edge", epoll_wait(epoll, out, 4, 5000) == 1 && out[0].events == EPOLLIN);
	check("epoll-edge-once", epoll_wait(epoll, out, 4, 0) == 0);
	recv(pair[0], buffer, 1, 0);
	check("epoll-edge-still", epoll_wait(epoll, out, 4, 0) == 0);
	send(pair[1], "c", 1, 0);
	check("epoll-edge-again", epoll_wait(epoll, out, 4, 5000) == 1);
	event.events = EPOLLIN | EPOLLOUT;
	epoll_ctl(epoll, EPOLL_CTL_MOD, pair[0], &event);
	check("epoll-level", epoll_wait(epoll, out, 4, 0) == 1 && out[0].events == (EPOLLIN | EPOLLOUT) &&
	                         epoll_wait(epoll, out, 4, 0) == 1);
	shutdown(pair[1], SHUT_WR);
	event.events = EPOLLIN | EPOLLRDHUP;
	epoll_ctl(epoll, EPOLL_CTL_MOD, pair[0], &event);
	check("epoll-read-hangup",
	      epoll_wait(epoll, out, 4, 5000) == 1 && out[0].events == (EPOLLIN | EPOLLRDHUP));
	close(pair[1]);
	shutdown(pair[0], SHUT_WR);
	pause_ms(50);
	check("epoll-hangup", epoll_wait(epoll, out, 4, 5000) == 1 && (out[0].events & EPOLLHUP));
	close(pair[0]);
	check("epoll-closed", epoll_wait(epoll, out, 4, 0) == 0);
	int server = listener(4);
	event.events = EPOLLIN;
	epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event);
	int client = connect_to(port_of(server));
	check("epoll-listener", epoll_wait(epoll, out, 4, 5000) == 1 && out[0].events == EPOLLIN);
	close(client);
	close(server);
	close(epoll);
	fd_set set;
	struct timeval none = {0, 0};
	open_pair();
	FD_ZERO(&set);
	FD_SET(pair[0], &set);
	check("select-none", select(pair[0] + 1, &set, 0, 0, &none) == 0);
	send(pair[1], "s", 1, 0);
	FD_SET(pair[0], &set);
	check("select", select(pair[0] + 1, &set, 0, 0, 0) == 1 && FD_ISSET(pair[0], &set));
	close_pair();
}

#define BULK (8 << 20)

static void *bulk_writer(void *fd)
{
	static unsigned char block[50000];
	long sent = 0;
	while (sent < BULK) {
		long part = BULK - sent < (long)sizeof(block) ? BULK - sent : (long)sizeof(block);
		for (long i = 0; i < part; i++)
			block[i] = (unsigned char)((sent + i) * 2654435761u >> 13);
		ssize_t done = send((int)(long)fd, block, (size_t)part, 0);
		if (done <= 0)
			return (void *)1;
		sent += done;
	}
	shutdown((int)(long)fd, SHUT_WR);
	return 0;
}

static void test_bulk(void)
{
	static unsigned char block[70000];
	pthread_t thread;
	void *failed;
	long got = 0, wrong = 0;
	ssize_t done;
	open_pair();
	pthread_create(&thread, 0, bulk_writer, (void *)(long)pair[0]);
	while ((done = recv(pair[1], block, sizeof(block), 0)) > 0) {
		for (ssize_t i = 0; i < done; i++)
			wrong += block[i] != (unsigned char)((got + i) * 2654435761u >> 13);
		got += done;
	}
	pthread_join(thread, &failed);
	check("bulk", !failed && got == BULK && done == 0);
	check("bulk-intact", !wrong);
	close_pair();
	open_pair();
	pthread_create(&thread, 0, bulk_writer, (void *)(long)pair[0]);
	got = 0;
	while ((done = recv(pair[1], block, sizeof(block), MSG_WAITALL)) == sizeof(block))
		got += done;
	check("waitall", got + done == BULK);
	pthread_join(thread, &failed);
	close_pair();
	FILE *file = tmpfile();
	for (int i = 0; i < 300000; i++)
		putc(i * 7, file);
	fflush(file);
	open_pair();
	off_t offset = 0;
	got = 0;
	pid_t child = fork();
	if (!child) {
		while (offset < 300000)
			if (sendfile(pair[0], fileno(file), &offset, 300000 - (size_t)offset) <= 0)
				_exit(1);
		_exit(0);
	}
	close(pair[0]);
	while ((done = recv(pair[1], block, sizeof(block), 0)) > 0) {
		for (ssize_t i = 0; i < done; i++)
			wrong += block[i] != (unsigned char)((got + i) * 7);
		got += done;
	}
	check("sendfile", got == 300000 && !wrong);
	int status;
	waitpid(child, &status, 0);
	close(pair[1]);
	fclose(file);
}

static void on_signal(int signal)
{
	(void)signal;
}

static void test_waiting(void)
{
	char byte;
	struct timeval timeout = {0, 50000};
	open_pair();
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	check("timeout", recv(pair[0], &byte, 1, 0) == -1 && errno == EAGAIN);
	timeout.tv_usec = 0;
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	struct sigaction action = {.sa_handler = on_signal};
	struct itimerval alarm = {{0, 0}, {0, 50000}};
	sigaction(SIGALRM, &action, 0);
	setitimer(ITIMER_REAL, &alarm, 0);
	check("interrupted", recv(pair[0], &byte, 1, 0) == -1 && errno == EINTR);
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, 0);
	setitimer(ITIMER_REAL, &alarm, 0);
	pid_t child = fork();
	if (!child) {
		pause_ms(200);
		send(pair[1], "r", 1, 0);
		_exit(0);
	}
	check("restarted", recv(pair[0], &byte, 1, 0) == 1 && byte == 'r');
	waitpid(child, 0, 0);
	child = fork();
	if (!child) {
		pause_ms(50);
		shutdown(pair[0], SHUT_RD);
		_exit(0);
	}
	check("shutdown-wakes", recv(pair[0], &byte, 1, 0) == 0);
	waitpid(child, 0, 0);
	close_pair();
	int server = listener(1);
	setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 50000}, sizeof(timeout));
	check("accept-timeout", accept(server, 0, 0) == -1 && errno == EAGAIN);
	setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 0}, sizeof(timeout));
	child = fork();
	if (!child) {
		pause_ms(50);
		shutdown(server, SHUT_RD);
		_exit(0);
	}
	check("shutdown-wakes-accept", accept(server, 0, 0) == -1 && errno == EINVAL);
	waitpid(child, 0, 0);
	close(server);
	open_pair();
	int low = 4;
	setsockopt(pair[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
	send(pair[1], "123", 3, 0);
	struct pollfd wait = {pair[0], POLLIN, 0};
	check("low-water", poll(&wait, 1, 50) == 0);
	send(pair[1], "4", 1, 0);
	check("low-water-reached", poll(&wait, 1, 5000) == 1);
	close_pair();
}

static void test_datagrams(void)
{
	char buffer[64];
	struct sockaddr_in address = loopback(0), from;
	socklen_t bytes = sizeof(from);
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
	bind(a, (void *)&address, sizeof(address));
	address.sin_port = htons(port_of(a));
	check("sendto", sendto(b, "datagram", 8, 0, (void *)&address, sizeof(address)) == 8);
	check("bound-by-send", port_of(b) != 0);
	check("recvfrom", recvfrom(a, buffer, 64, 0, (void *)&from, &bytes) == 8 && bytes == sizeof(from) &&
	                      ntohs(from.sin_port) == port_of(b));
	sendto(b, "long one", 8, 0, (void *)&address, sizeof(address));
	struct iovec parts[2] = {{buffer, 2}, {buffer + 10, 3}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2, .msg_name = &from, .msg_namelen = 64};
	check("truncated", recvmsg(a, &message, 0) == 5 && (message.msg_flags & MSG_TRUNC) &&
	                       memcmp(buffer, "lo", 2) == 0 && memcmp(buffer + 10, "ng ", 3) == 0 &&
	                       message.msg_namelen == sizeof(from));
	sendto(b, "", 0, 0, (void *)&address, sizeof(address));
	check("empty", recv(a, buffer, 64, 0) == 0);
	sendto(b, "0123456789", 10, 0, (void *)&address, sizeof(address));
	check("whole-length", recv(a, buffer, 4, MSG_TRUNC | MSG_PEEK) == 10 && recv(a, buffer, 4, 0) == 4);
	check("nothing-left", recv(a, buffer, 4, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	check("udp-connect", connect(b, (void *)&address, sizeof(address)) == 0 && send(b, "c", 1, 0) == 1 &&
	                         recv(a, buffer, 64, 0) == 1);
	static char large[65508];
	check("largest", send(b, large, 65507, 0) == 65507 && recv(a, large, sizeof(large), 0) == 65507);
	check("too-large", send(b, large, 65508, 0) == -1 && errno == EMSGSIZE);
	close(a);
	send(b, "x", 1, 0);
	pause_ms(20);
	check("udp-refused", recv(b, buffer, 1, MSG_DONTWAIT) == -1 && errno == ECONNREFUSED);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	check("udp-disconnect", connect(b, &none, sizeof(none)) == 0 &&
	                            getpeername(b, (void *)&from, &bytes) == -1 && errno == ENOTCONN);
	close(b);
	a = socket(AF_INET, SOCK_DGRAM, 0);
	int on = 1;
	setsockopt(a, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	setsockopt(a, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
	setsockopt(a, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
	address = loopback(0);
	bind(a, (void *)&address, sizeof(address));
	address.sin_port = htons(port_of(a));
	b = socket(AF_INET, SOCK_DGRAM, 0);
	sendto(b, "info", 4, 0, (void *)&address, sizeof(address));
	char control[256];
	struct msghdr with = {
	    .msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control)};
	int ttl = 0, interface = 0, stamp = 0;
	check("recvmsg-control", recvmsg(a, &with, 0) == 4);
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&with); header; header = CMSG_NXTHDR(&with, header)) {
		if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_TTL)
			ttl = *(int *)CMSG_DATA(header);
		else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO)
			interface = ((struct in_pktinfo *)CMSG_DATA(header))->ipi_ifindex;
		else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SO_TIMESTAMP)
			stamp = ((struct timeval *)CMSG_DATA(header))->tv_sec > 0;
	}
	check("control", ttl == 64 && interface == 1 && stamp);
	struct mmsghdr many[3] = {0};
	struct iovec each[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}};
	for (int i = 0; i < 3; i++)
		many[i].msg_hdr = (struct msghdr){.msg_iov = &each[i],
		                                  .msg_iovlen = 1,
		                                  .msg_name = &address,
		                                  .msg_namelen = sizeof(address)};
	check("sendmmsg", sendmmsg(b, many, 3, 0) == 3 && many[2].msg_len == 3);
	char in[3][8];
	for (int i = 0; i < 3; i++) {
		each[i] = (struct iovec){in[i], 8};
		many[i].msg_hdr = (struct msghdr){.msg_iov = &each[i], .msg_iovlen = 1};
	}
	check("recvmmsg", recvmmsg(a, many, 3, MSG_DONTWAIT, 0) == 3 && many[1].msg_len == 2);
	close(a);
	close(b);
}

static void test_ipv6(void)
{
	char buffer[8];
	int server = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT}, peer;
	socklen_t bytes = sizeof(peer);
	if (server < 0 && errno == EAFNOSUPPORT)
		return;
	check("bind6", bind(server, (void *)&address, sizeof(address)) == 0 && listen(server, 2) == 0);
	address.sin6_port = htons(port_of(server));
	address.sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	int client = socket(AF_INET6, SOCK_STREAM, 0);
	if (connect(client, (void *)&address, sizeof(address)) == 0) {
		int accepted = accept(server, (void *)&peer, &bytes);
		check("accept6", accepted >= 0 && bytes == sizeof(peer) &&
		                     memcmp(&peer.sin6_addr, &address.sin6_addr, 16) == 0);
		check("data6", send(client, "six", 3, 0) == 3 && recv(accepted, buffer, 8, 0) == 3);
		close(accepted);
	}
	close(client);
	client = connect_to(port_of(server));
	bytes = sizeof(peer);
	int accepted = accept(server, (void *)&peer, &bytes);
	check("dual-stack", accepted >= 0 && IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr));
	close(client);
	close(accepted);
	close(server);
	/* Port 0 connects a datagram socket, too: getaddrinfo without a name asks so for the own address, and dies of another answer. */
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_in any = {.sin_family = AF_INET};
	int asks = socket(AF_INET6, SOCK_DGRAM, 0);
	address.sin6_port = 0;
	bytes = sizeof(peer);
	check("datagrams-to-port-0", connect(asks, (void *)&address, sizeof(address)) == 0 &&
	                                 getsockname(asks, (void *)&peer, &bytes) == 0 &&
	                                 !memcmp(&peer.sin6_addr, &address.sin6_addr, 16));
	check("datagrams-to-no-address",
	      connect(asks, &none, sizeof(none)) == 0 && connect(asks, (void *)&any, sizeof(any)) == 0 &&
	          getsockname(asks, (void *)&peer, &bytes) == 0 && IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr) &&
	          peer.sin6_addr.s6_addr[12] == 127);
	check("disconnect-forgets-mapped", connect(asks, &none, sizeof(none)) == 0 &&
	                                       getsockname(asks, (void *)&peer, &bytes) == 0 &&
	                                       IN6_IS_ADDR_UNSPECIFIED(&peer.sin6_addr));
	close(asks);
}

static void test_options(void)
{
	int value = 0;
	socklen_t bytes = sizeof(value);
	open_pair();
	struct {
		const char *name;
		int level, option, set, get;
	} options[] = {
	    {"nodelay", IPPROTO_TCP, TCP_NODELAY, 1, 1},
	    {"keepalive", SOL_SOCKET, SO_KEEPALIVE, 1, 1},
	    {"keepidle", IPPROTO_TCP, TCP_KEEPIDLE, 77, 77},
	    {"keepintvl", IPPROTO_TCP, TCP_KEEPINTVL, 7, 7},
	    {"keepcnt", IPPROTO_TCP, TCP_KEEPCNT, 3, 3},
	    {"user-timeout", IPPROTO_TCP, TCP_USER_TIMEOUT, 9, 9},
	    {"reuseaddr", SOL_SOCKET, SO_REUSEADDR, 1, 1},
	    {"reuseport", SOL_SOCKET, SO_REUSEPORT, 1, 1},
	    {"rcvbuf", SOL_SOCKET, SO_RCVBUF, 50000, 100000},
	    {"sndbuf", SOL_SOCKET, SO_SNDBUF, 50000, 100000},
	    {"ttl", IPPROTO_IP, IP_TTL, 33, 33},
	    {"tos", IPPROTO_IP, IP_TOS, 16, 16},
	    {"cork", IPPROTO_TCP, TCP_CORK, 1, 1},
	    {"quickack", IPPROTO_TCP, TCP_QUICKACK, 1, 1},
	    {"recverr", IPPROTO_IP, IP_RECVERR, 1, 1},
	    {"oobinline", SOL_SOCKET, SO_OOBINLINE, 1, 1},
	    {"priority", SOL_SOCKET, SO_PRIORITY, 3, 3},
	};
	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int set = setsockopt(pair[0], options[i].level, options[i].option, &options[i].set, 4);
		value = -1;
		int get = getsockopt(pair[0], options[i].level, options[i].option, &value, &bytes);
		check(options[i].name, set == 0 && get == 0 && value == options[i].get);
	}
	check("type", getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &value, &bytes) == 0 && value == SOCK_STREAM);
	check("domain", getsockopt(pair[0], SOL_SOCKET, SO_DOMAIN, &value, &bytes) == 0 && value == AF_INET);
	check("protocol",
	      getsockopt(pair[0], SOL_SOCKET, SO_PROTOCOL, &value, &bytes) == 0 && value == IPPROTO_TCP);
	struct tcp_info information;
	bytes = sizeof(information);
	check("tcp-info", getsockopt(pair[0], IPPROTO_TCP, TCP_INFO, &information, &bytes) == 0 &&
	                      information.tcpi_state == TCP_ESTABLISHED);
	check("unknown-option",
	      setsockopt(pair[0], SOL_SOCKET, 9999, &value, 4) == -1 && errno == ENOPROTOOPT);
	check("short-option",
	      setsockopt(pair[0], SOL_SOCKET, SO_KEEPALIVE, &value, 1) == -1 && errno == EINVAL);
	close_pair();
	/* Two sockets share a port only where both say so. */
	struct sockaddr_in address = loopback(0);
	int a = socket(AF_INET, SOCK_STREAM, 0), b = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	setsockopt(a, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	bind(a, (void *)&address, sizeof(address));
	listen(a, 1);
	address.sin_port = htons(port_of(a));
	check("port-taken", bind(b, (void *)&address, sizeof(address)) == -1 && errno == EADDRINUSE);
	setsockopt(b, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	check("port-shared", bind(b, (void *)&address, sizeof(address)) == 0 && listen(b, 1) == 0);
	close(a);
	close(b);
	/* A port with connections that are over may be listened on again with SO_REUSEADDR. */
	a = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	address.sin_port = 0;
	bind(a, (void *)&address, sizeof(address));
	listen(a, 1);
	address.sin_port = htons(port_of(a));
	int client = connect_to(port_of(a)), server = accept(a, 0, 0);
	close(a);
	close(server);
	close(client);
	a = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check("listen-again", bind(a, (void *)&address, sizeof(address)) == 0 && listen(a, 1) == 0);
	close(a);
}

static void test_sharing(void)
{
	char buffer[8];
	open_pair();
	int copy = dup(pair[0]);
	close(pair[0]);
	check("dup-lives", send(copy, "dup", 3, 0) == 3 && recv(pair[1], buffer, 8, 0) == 3);
	int status = in_child(_exit(send(copy, "kid", 3, 0) == 3 ? 0 : 1));
	check("fork-lives", exited(status, 0) && recv(pair[1], buffer, 8, 0) == 3);
	check("not-ended", recv(pair[1], buffer, 8, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	close(copy);
	check("ended", recv(pair[1], buffer, 8, 0) == 0);
	close(pair[1]);
	/* A listener that goes resets those nobody accepted. */
	int server = listener(4), client = connect_to(port_of(server));
	close(server);
	pause_ms(20);
	check("not-accepted", recv(client, buffer, 8, 0) == -1 && errno == ECONNRESET);
	close(client);
}

#define CONNECTIONS 200

static void test_many(void)
{
	int server = listener(CONNECTIONS), clients[CONNECTIONS], servers[CONNECTIONS], good = 0;
	int epoll = epoll_create1(0);
	for (int i = 0; i < CONNECTIONS; i++) {
		clients[i] = connect_to(port_of(server));
		servers[i] = accept(server, 0, 0);
		struct epoll_event event = {EPOLLIN, {.fd = i}};
		epoll_ctl(epoll, EPOLL_CTL_ADD, servers[i], &event);
	}
	for (int i = 0; i < CONNECTIONS; i += 3)
		send(clients[i], "m", 1, 0);
	struct epoll_event out[CONNECTIONS];
	int ready = epoll_wait(epoll, out, CONNECTIONS, 5000);
	for (int i = 0; i < ready; i++)
		good += out[i].data.fd % 3 == 0;
	check("many", good == (CONNECTIONS + 2) / 3);
	for (int i = 0; i < CONNECTIONS; i++) {
		close(clients[i]);
		close(servers[i]);
	}
	close(server);
	close(epoll);
}

int main(void)
{
	alarm(50);
	test_stream();
	test_errors();
	test_nonblocking();
	test_epoll();
	test_bulk();
	test_waiting();
	alarm(50);
	test_datagrams();
	test_ipv6();
	test_options();
	test_sharing();
	test_many();
	return check_failures != 0;
}
