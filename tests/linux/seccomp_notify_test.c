/* seccomp_unotify(2): a supervisor reads calls, answers them, lets them run, adds descriptors; what comes in between; hostile requests. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define fails(call, number) ((call) == -1 && errno == (number))

static int install(int number, unsigned flags)
{
	struct sock_filter program[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog all = {sizeof(program) / sizeof(*program), program};
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &all);
}

static void pass(int by, int fd)
{
	char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	sendmsg(by, &message, 0);
}

static int take(int by)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	int fd = -1;
	struct iovec part = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	if (recvmsg(by, &message, 0) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return fd;
}

/* A child whose getppid is supervised by the descriptor that comes back; it runs BODY, whose value is its exit status. */
static pid_t supervised(int (*body)(void), unsigned flags, int *listener)
{
	int pair[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		int fd = install(SYS_getppid, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags);
		pass(pair[1], fd);
		close(fd);
		close(pair[0]);
		close(pair[1]);
		_exit(body());
	}
	close(pair[1]);
	*listener = take(pair[0]);
	close(pair[0]);
	return child;
}

static int wait_for(pid_t child)
{
	int status;
	waitpid(child, &status, 0);
	return status;
}

static int receive(int listener, struct seccomp_notif *call)
{
	memset(call, 0, sizeof(*call));
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, call);
}

static int respond(int listener, uint64_t id, int64_t value, int error, unsigned flags)
{
	struct seccomp_notif_resp response = {.id = id, .val = value, .error = error, .flags = flags};
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static pid_t parent;

static int three_calls(void)
{
	long first = syscall(SYS_getppid, 11, 22, 33, 44, 55, 66), second = syscall(SYS_getppid);
	int error = errno;
	return first == 4711 && second == -1 && error == EDOM && syscall(SYS_getppid) == parent ? 0 : 1;
}

static void test_calls(void)
{
	struct seccomp_notif call;
	int listener;
	pid_t child = supervised(three_calls, 0, &listener);
	check("a descriptor", listener >= 0 && fcntl(listener, F_GETFD) >= 0);
	struct pollfd poll_fd = {.fd = listener, .events = POLLIN | POLLOUT};
	check("a call comes", poll(&poll_fd, 1, 5000) == 1 && poll_fd.revents == POLLIN);
	struct seccomp_notif dirty = {.flags = 1};
	check("what is not zero", fails(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &dirty), EINVAL));
	check("no address", fails(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, 0), EFAULT));
	check("received", !receive(listener, &call) && call.pid == (unsigned)child && !call.flags);
	check("what it is", call.data.nr == SYS_getppid && call.data.arch == 0xc000003e &&
	                        call.data.instruction_pointer && call.data.args[0] == 11 &&
	                        call.data.args[5] == 66);
	check("to be answered", poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLOUT);
	check("valid", !ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call.id));
	uint64_t other = call.id + 1;
	check("not valid", fails(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &other), ENOENT));
	check("an answer to nothing", fails(respond(listener, other, 0, 0, 0), ENOENT));
	check("flags of no meaning", fails(respond(listener, call.id, 0, 0, 8), EINVAL));
	check("to go on with a value",
	      fails(respond(listener, call.id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), EINVAL));
	check("an unknown request", fails(ioctl(listener, _IO('!', 77), 0), EINVAL));
	check("a value", !respond(listener, call.id, 4711, 0, 0));
	check("only once",
	      respond(listener, call.id, 4711, 0, 0) == -1 && (errno == ENOENT || errno == EINPROGRESS));
	check("an error", !receive(listener, &call) && !respond(listener, call.id, 0, -EDOM, 0));
	check("the call itself", !receive(listener, &call) &&
	                             !respond(listener, call.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
	check("all as they should be", exited(wait_for(child), 0));
	check("nobody is left", poll(&poll_fd, 1, 5000) == 1 && (poll_fd.revents & POLLHUP));
	close(listener);
}

static int descriptors(void)
{
	char byte = 0;
	int fd = (int)syscall(SYS_getppid), second = (int)syscall(SYS_getppid);
	int good = second == 77 && fcntl(40, F_GETFD) == FD_CLOEXEC && read(40, &byte, 1) == 1 && byte == 'a';
	return good && fd >= 0 && fcntl(fd, F_GETFD) == 0 && read(fd, &byte, 1) == 1 && byte == 'b' ? 0 : 1;
}

static void test_descriptors(void)
{
	struct seccomp_notif call;
	int listener, pipes[2];
	pid_t child = supervised(descriptors, 0, &listener);
	check("pipe", !pipe(pipes) && write(pipes[1], "ab", 2) == 2);
	struct seccomp_notif_addfd add = {.id = 1, .srcfd = (unsigned)pipes[0]};
	check("to nobody", fails(ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add), ENOENT));
	check("received", !receive(listener, &call));
	add.id = call.id;
	add.srcfd = 9999;
	check("nothing", fails(ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EBADF));
	add.srcfd = (unsigned)pipes[0];
	add.newfd = 5;
	check("a number without its flag", fails(ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EINVAL));
	add.newfd = 0;
	add.flags = 64;
	check("flags of no meaning", fails(ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EINVAL));
	add.flags = SECCOMP_ADDFD_FLAG_SEND;
	int given = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	check("given and answered", given >= 0);
	check("the next call", !receive(listener, &call));
	add = (struct seccomp_notif_addfd){.id = call.id,
	                                   .flags = SECCOMP_ADDFD_FLAG_SETFD,
	                                   .srcfd = (unsigned)pipes[0],
	                                   .newfd = 40,
	                                   .newfd_flags = O_CLOEXEC};
	check("at a number", ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) == 40);
	check("answered after it", !respond(listener, call.id, 77, 0, 0));
	check("both are there", exited(wait_for(child), 0));
	close(listener);
	close(pipes[0]);
	close(pipes[1]);
}

static void *idle(void *argument)
{
	pause();
	return argument;
}

static int two_calls_of_two_threads(void)
{
	pthread_t thread;
	pthread_create(&thread, 0, idle, 0);
	return syscall(SYS_getppid) == 1 && syscall(SYS_getppid) == 2 ? 0 : 1;
}

/* However many files come to one number during one call: all but the last are closed. */
static void test_many_descriptors(void)
{
	enum { MANY = 16 };
	struct seccomp_notif call;
	int listener, pipes[MANY][2], given = 0, closed = 0;
	pid_t child = supervised(two_calls_of_two_threads, 0, &listener);
	receive(listener, &call);
	for (int i = 0; i < MANY; i++) {
		pipe2(pipes[i], O_NONBLOCK | O_CLOEXEC);
		struct seccomp_notif_addfd add = {.id = call.id,
		                                  .flags = SECCOMP_ADDFD_FLAG_SETFD,
		                                  .srcfd = (unsigned)pipes[i][1],
		                                  .newfd = 60};
		given += ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) == 60;
		close(pipes[i][1]);
	}
	respond(listener, call.id, 1, 0, 0);
	receive(listener, &call);
	for (int i = 0; i < MANY; i++) {
		char byte;
		closed += read(pipes[i][0], &byte, 1) == 0;
		close(pipes[i][0]);
	}
	check("many at one number", given == MANY && closed == MANY - 1);
	respond(listener, call.id, 2, 0, 0);
	check("and both calls went on", exited(wait_for(child), 0));
	close(listener);
}

static int one_call(void)
{
	return syscall(SYS_getppid) == -1 && errno == ENOSYS ? 0 : 1;
}

static void on_alarm(int signal)
{
	(void)signal;
}

static int interrupted(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	sigaction(SIGUSR1, &action, 0);
	return syscall(SYS_getppid) == -1 && errno == EINTR ? 0 : 1;
}

static int restarted(void)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	sigaction(SIGUSR1, &action, 0);
	return syscall(SYS_getppid) == 5 ? 0 : 1;
}

static int forks(void)
{
	pid_t child = fork();
	if (!child)
		_exit(syscall(SYS_getppid) == 8 ? 0 : 1);
	int status = wait_for(child);
	return exited(status, 0) ? 0 : 1;
}

static void test_life(void)
{
	struct seccomp_notif call;
	int listener;
	pid_t child = supervised(one_call, 0, &listener);
	struct pollfd poll_fd = {.fd = listener, .events = POLLIN};
	poll(&poll_fd, 1, 5000);
	close(listener);
	check("closed while a call waits", exited(wait_for(child), 0));
	child = supervised(one_call, 0, &listener);
	receive(listener, &call);
	close(listener);
	check("closed after it was received", exited(wait_for(child), 0));
	child = supervised(interrupted, 0, &listener);
	receive(listener, &call);
	kill(child, SIGUSR1);
	check("interrupted", exited(wait_for(child), 0));
	check("it is void", fails(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call.id), ENOENT) &&
	                        fails(respond(listener, call.id, 0, 0, 0), ENOENT));
	close(listener);
	child = supervised(restarted, 0, &listener);
	receive(listener, &call);
	kill(child, SIGUSR1);
	uint64_t first = call.id;
	check("begun anew", !receive(listener, &call) && call.id != first &&
	                        !respond(listener, call.id, 5, 0, 0) && exited(wait_for(child), 0));
	close(listener);
	child = supervised(restarted, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &listener);
	receive(listener, &call);
	kill(child, SIGUSR1);
	pause_ms(20);
	check("not interrupted", !respond(listener, call.id, 5, 0, 0) && exited(wait_for(child), 0));
	close(listener);
	child = supervised(one_call, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &listener);
	receive(listener, &call);
	kill(child, SIGKILL);
	check("killed",
	      killed(wait_for(child), SIGKILL) && fails(respond(listener, call.id, 0, 0, 0), ENOENT));
	close(listener);
	child = supervised(forks, 0, &listener);
	check("a child's call", !receive(listener, &call) && call.pid != (unsigned)child &&
	                            !respond(listener, call.id, 8, 0, 0) && exited(wait_for(child), 0));
	close(listener);
}

static void test_rules(void)
{
	struct seccomp_notif_sizes sizes = {0};
	unsigned action = SECCOMP_RET_USER_NOTIF;
	check("sizes", !syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) &&
	                   sizes.seccomp_notif == sizeof(struct seccomp_notif) &&
	                   sizes.seccomp_notif_resp == sizeof(struct seccomp_notif_resp) &&
	                   sizes.seccomp_data == sizeof(struct seccomp_data));
	check("known", !syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	int status = in_child(
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	    if (!fails(install(SYS_getppid, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC),
	               EINVAL)) _exit(1);
	    if (!fails(install(SYS_getppid, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV), EINVAL)) _exit(2);
	    if (install(SYS_getppid, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
	                                 SECCOMP_FILTER_FLAG_TSYNC_ESRCH) < 0) _exit(3);
	    if (!fails(install(SYS_getuid, SECCOMP_FILTER_FLAG_NEW_LISTENER), EBUSY)) _exit(4);
	    if (install(SYS_getegid, 0)) _exit(5); _exit(fails(syscall(SYS_getegid), ENOSYS) ? 0 : 6));
	check("rules", exited(status, 0));
}

/* Children are killed and interrupted at any moment while one supervisor answers them. */
static int many_calls(void)
{
	for (int i = 0; i < 100000; i++)
		syscall(SYS_getppid);
	return 0;
}

static void test_races(void)
{
	int answered = 0;
	for (int round = 0; round < 30; round++) {
		struct seccomp_notif call;
		int listener;
		pid_t child =
		    supervised(many_calls, round & 1 ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0, &listener);
		for (int i = 0; i < 20 + round; i++) {
			if (receive(listener, &call))
				break;
			struct seccomp_notif_addfd add = {
			    .id = call.id, .srcfd = 1, .flags = SECCOMP_ADDFD_FLAG_SETFD, .newfd = 50};
			if (i % 5 == 4)
				ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
			if (i == 18)
				kill(child, SIGKILL);
			answered += !respond(listener, call.id, 1, 0, 0);
			if (i >= 18)
				break;
		}
		if (round % 3 == 0)
			close(listener);
		kill(child, SIGKILL);
		wait_for(child);
		if (round % 3)
			close(listener);
	}
	check("races", answered >= 30 * 18);
}

int main(void)
{
	parent = getpid();
	test_calls();
	test_descriptors();
	test_many_descriptors();
	test_life();
	test_rules();
	test_races();
	return check_failures != 0;
}
