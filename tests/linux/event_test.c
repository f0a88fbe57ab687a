/* poll, select, epoll, eventfd, timerfd, signalfd, inotify. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

static int fds[2];
static char buffer[4096];

static void test_poll(void)
{
	pipe(fds);
	struct pollfd both[3] = {{fds[0], POLLIN, 0}, {fds[1], POLLOUT, 0}, {-1, POLLIN, 0}};
	check("poll", poll(both, 3, 0) == 1 && both[1].revents == POLLOUT && !both[0].revents);
	both[1].fd = 77;
	check("poll-bad", poll(both, 2, 0) == 1 && both[1].revents == POLLNVAL);
	check("poll-timeout", poll(both, 1, 20) == 0);
	check("poll-pointer", poll((void *)8, 1, 0) == -1 && errno == EFAULT);
	pid_t child = fork();
	if (!child) {
		pause_ms(30);
		_exit(write(fds[1], "x", 1) != 1);
	}
	check("poll-wakes", poll(both, 1, 5000) == 1 && both[0].revents == POLLIN);
	waitpid(child, 0, 0);
	fd_set set, out;
	FD_ZERO(&set);
	FD_SET(fds[0], &set);
	FD_SET(0, &set);
	FD_CLR(0, &set);
	struct timeval time = {1, 0};
	FD_ZERO(&out);
	FD_SET(fds[1], &out);
	check("select", select(fds[1] + 1, &set, &out, 0, &time) == 2 && FD_ISSET(fds[0], &set) &&
	                    FD_ISSET(fds[1], &out));
	read(fds[0], buffer, 1);
	time = (struct timeval){0, 20000};
	check("select-timeout", select(fds[0] + 1, &set, 0, 0, &time) == 0 && !FD_ISSET(fds[0], &set) &&
	                            time.tv_sec == 0 && time.tv_usec == 0);
	FD_ZERO(&set);
	FD_SET(99, &set);
	check("select-bad", select(100, &set, 0, 0, &time) == -1 && errno == EBADF);
	int many[100][2];
	struct pollfd all[100];
	for (int i = 0; i < 100; i++) {
		pipe(many[i]);
		all[i] = (struct pollfd){many[i][0], POLLIN, 0};
	}
	write(many[63][1], "x", 1);
	check("poll-hundred", poll(all, 100, 1000) == 1 && all[63].revents == POLLIN);
	read(many[63][0], buffer, 1);
	check("poll-hundred-none", poll(all, 100, 10) == 0);
	for (int i = 0; i < 100; i++) {
		close(many[i][0]);
		close(many[i][1]);
	}
	close(fds[0]);
	close(fds[1]);
}

static int add(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void test_epoll(void)
{
	struct epoll_event got[8], event;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	pipe(fds);
	check("epoll-add",
	      add(epoll, fds[0], EPOLLIN) == 0 && add(epoll, fds[0], EPOLLIN) == -1 && errno == EEXIST);
	check("epoll-none", epoll_wait(epoll, got, 8, 0) == 0);
	write(fds[1], "xy", 2);
	check("epoll-level", epoll_wait(epoll, got, 8, 0) == 1 && got[0].events == EPOLLIN &&
	                         got[0].data.fd == fds[0] && epoll_wait(epoll, got, 8, 0) == 1);
	event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.u64 = 0x123456789abcdef};
	epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &event);
	check("epoll-edge", epoll_wait(epoll, got, 8, 0) == 1 && got[0].data.u64 == 0x123456789abcdef &&
	                        epoll_wait(epoll, got, 8, 0) == 0);
	write(fds[1], "z", 1);
	check("epoll-edge-again", epoll_wait(epoll, got, 8, 0) == 1 && epoll_wait(epoll, got, 8, 0) == 0);
	event.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &event);
	check("epoll-oneshot", epoll_wait(epoll, got, 8, 0) == 1 && (write(fds[1], "q", 1), 1) &&
	                           epoll_wait(epoll, got, 8, 0) == 0);
	epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &event);
	check("epoll-rearmed", epoll_wait(epoll, got, 8, 0) == 1);
	check("epoll-errors", add(epoll, epoll, EPOLLIN) == -1 && errno == EINVAL &&
	                          add(epoll, 999, EPOLLIN) == -1 && errno == EBADF &&
	                          epoll_ctl(epoll, EPOLL_CTL_DEL, fds[1], 0) == -1 && errno == ENOENT &&
	                          epoll_wait(epoll, got, 0, 0) == -1 && errno == EINVAL &&
	                          epoll_wait(fds[0], got, 1, 0) == -1 && errno == EINVAL);
	int file = open("/tmp/event-file", O_CREAT | O_RDWR, 0600);
	check("epoll-regular-file", add(epoll, file, EPOLLIN) == -1 && errno == EPERM);
	close(file);
	int outer = epoll_create1(0);
	event.events = EPOLLIN;
	epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &event);
	check("epoll-nested", add(outer, epoll, EPOLLIN) == 0 && epoll_wait(outer, got, 8, 0) == 1 &&
	                          got[0].data.fd == epoll);
	check("epoll-cycle", add(epoll, outer, EPOLLIN) == -1 && errno == ELOOP);
	read(fds[0], buffer, 100);
	check("epoll-nested-none", epoll_wait(outer, got, 8, 0) == 0);
	pid_t child = fork();
	if (!child) {
		pause_ms(30);
		_exit(write(fds[1], "x", 1) != 1);
	}
	check("epoll-nested-wakes", epoll_wait(outer, got, 8, 5000) == 1);
	waitpid(child, 0, 0);
	int copy = dup(fds[0]);
	close(fds[0]);
	check("epoll-follows-description", epoll_wait(epoll, got, 8, 0) == 1);
	close(copy);
	check("epoll-closed", epoll_wait(epoll, got, 8, 0) == 0);
	close(fds[1]);
	close(outer);
	close(epoll);
	/* EPOLLEXCLUSIVE: one event, at least one waiter, and nobody waits for ever. */
	int event_fd = eventfd(0, EFD_NONBLOCK), woken = 0, status;
	pid_t waiters[3];
	for (int i = 0; i < 3; i++) {
		waiters[i] = fork();
		if (!waiters[i]) {
			int own = epoll_create1(0);
			add(own, event_fd, EPOLLIN | EPOLLEXCLUSIVE);
			_exit(epoll_wait(own, got, 8, 400) == 1);
		}
	}
	pause_ms(100);
	uint64_t one = 1;
	write(event_fd, &one, 8);
	for (int i = 0; i < 3; i++) {
		waitpid(waiters[i], &status, 0);
		woken += WEXITSTATUS(status);
	}
	check("epoll-exclusive", woken >= 1);
	close(event_fd);
}

static void test_counters(void)
{
	uint64_t value = 5;
	int fd = eventfd(3, EFD_NONBLOCK);
	check("eventfd", write(fd, &value, 8) == 8 && read(fd, &value, 8) == 8 && value == 8 &&
	                     read(fd, &value, 8) == -1 && errno == EAGAIN);
	value = UINT64_MAX - 1;
	check("eventfd-full", write(fd, &value, 8) == 8 && (value = 1, write(fd, &value, 8)) == -1 &&
	                          errno == EAGAIN && (value = UINT64_MAX, write(fd, &value, 8)) == -1 &&
	                          errno == EINVAL && write(fd, &value, 4) == -1);
	close(fd);
	fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	check("eventfd-semaphore", read(fd, &value, 8) == 8 && value == 1 && read(fd, &value, 8) == 8 &&
	                               read(fd, &value, 8) == -1);
	close(fd);
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec time = {{0, 20000000}, {0, 20000000}}, now;
	check("timerfd-unset", read(fd, &value, 8) == -1 && errno == EAGAIN);
	timerfd_settime(fd, 0, &time, 0);
	check("timerfd-gettime", timerfd_gettime(fd, &now) == 0 && now.it_interval.tv_nsec == 20000000 &&
	                             now.it_value.tv_nsec > 0);
	struct pollfd poller = {fd, POLLIN, 0};
	check("timerfd-poll", poll(&poller, 1, 2000) == 1);
	pause_ms(60);
	check("timerfd-counts", read(fd, &value, 8) == 8 && value >= 2);
	time = (struct itimerspec){{0, 0}, {0, 0}};
	check("timerfd-stops", timerfd_settime(fd, 0, &time, 0) == 0 && poll(&poller, 1, 50) == 0);
	clock_gettime(CLOCK_MONOTONIC, &time.it_value);
	check("timerfd-past", timerfd_settime(fd, TFD_TIMER_ABSTIME, &time, 0) == 0 &&
	                          poll(&poller, 1, 1000) == 1 && read(fd, &value, 8) == 8 && value == 1);
	close(fd);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, 0);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	struct signalfd_siginfo info;
	check("signalfd-none", read(fd, &info, sizeof(info)) == -1 && errno == EAGAIN);
	kill(getpid(), SIGUSR1);
	poller.fd = fd;
	check("signalfd", poll(&poller, 1, 1000) == 1 && read(fd, &info, sizeof(info)) == sizeof(info) &&
	                      info.ssi_signo == SIGUSR1 && info.ssi_pid == (uint32_t)getpid());
	pid_t child = fork();
	if (!child)
		_exit(9);
	check("signalfd-child",
	      poll(&poller, 1, 2000) == 1 && read(fd, &info, sizeof(info)) == sizeof(info) &&
	          info.ssi_signo == SIGCHLD && info.ssi_pid == (uint32_t)child && info.ssi_status == 9);
	waitpid(child, 0, 0);
	close(fd);
	sigprocmask(SIG_UNBLOCK, &set, 0);
}

/* The next inotify event of FD as "mask:name". */
static const char *next(int fd)
{
	static char events[4096], text[64];
	static size_t have, at;
	if (at == have) {
		ssize_t done = read(fd, events, sizeof(events));
		have = done > 0 ? (size_t)done : 0;
		at = 0;
		if (!have)
			return "none";
	}
	struct inotify_event *event = (void *)(events + at);
	at += sizeof(*event) + event->len;
	snprintf(text, sizeof(text), "%x:%s", event->mask, event->len ? event->name : "");
	return text;
}

static void test_inotify(void)
{
	char directory[] = "/tmp/event-XXXXXX";
	mkdtemp(directory);
	chdir(directory);
	int fd = inotify_init1(IN_NONBLOCK);
	int watch = inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE | IN_MOVE | IN_MODIFY | IN_CLOSE_WRITE);
	check("inotify-none", watch > 0 && !strcmp(next(fd), "none"));
	int file = open("new", O_CREAT | O_WRONLY, 0600);
	check("inotify-create", !strcmp(next(fd), "100:new"));
	write(file, "x", 1);
	check("inotify-modify", !strcmp(next(fd), "2:new"));
	close(file);
	check("inotify-close", !strcmp(next(fd), "8:new"));
	rename("new", "old");
	check("inotify-move", !strcmp(next(fd), "40:new") && !strcmp(next(fd), "80:old"));
	unlink("old");
	check("inotify-delete", !strcmp(next(fd), "200:old"));
	mkdir("sub", 0700);
	check("inotify-directory", !strcmp(next(fd), "40000100:sub"));
	check("inotify-remove", inotify_rm_watch(fd, watch) == 0 && !strcmp(next(fd), "8000:") &&
	                            inotify_rm_watch(fd, watch) == -1 && errno == EINVAL);
	rmdir("sub");
	check("inotify-silent", !strcmp(next(fd), "none"));
	check("inotify-errors", inotify_add_watch(fd, "missing", IN_CREATE) == -1 && errno == ENOENT &&
	                            inotify_add_watch(fd, ".", 0) == -1 && errno == EINVAL);
	mkdir("sub", 0700);
	int mounted = mount("none", "sub", "tmpfs", 0, 0);
	close(open("sub/file", O_CREAT | O_WRONLY, 0600));
	inotify_add_watch(fd, "sub/file", IN_MODIFY);
	inotify_add_watch(fd, "sub", IN_CREATE);
	check("inotify-unmount", mounted == 0 && umount("sub") == 0 && !strncmp(next(fd), "2000:", 5) &&
	                             !strcmp(next(fd), "8000:") && !strncmp(next(fd), "2000:", 5) &&
	                             !strcmp(next(fd), "8000:") && !strcmp(next(fd), "none"));
	close(fd);
}

int main(void)
{
	test_poll();
	test_epoll();
	test_counters();
	test_inotify();
	return check_failures != 0;
}
