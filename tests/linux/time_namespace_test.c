/* Time namespaces: time_namespaces(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include "check.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#define fails(call, number) ((long)(call) == -1 && errno == (number))
#define OFFSETS             "/proc/self/timens_offsets"
#define MONOTONIC_ADDED     1000000ll
#define BOOTTIME_ADDED      2000000ll

static const char *text_of(const char *path)
{
	static char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long count = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[count < 0 ? 0 : count] = 0;
	return text;
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long count = fd < 0 ? -1 : write(fd, text, strlen(text));
	int error = errno;
	close(fd);
	errno = error;
	return count == (long)strlen(text) ? 0 : -1;
}

static ino_t inode(const char *name)
{
	char path[64];
	struct stat status;
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &status) ? 0 : status.st_ino;
}

static long long seconds(clockid_t clock)
{
	struct timespec time = {0};
	clock_gettime(clock, &time);
	return time.tv_sec;
}

static long long seconds_by_call(clockid_t clock)
{
	struct timespec time = {0};
	syscall(SYS_clock_gettime, clock, &time);
	return time.tv_sec;
}

static long long base[16]; /* as the first namespace has them */

static void take_bases(void)
{
	for (clockid_t clock = 0; clock < 8; clock++)
		base[clock] = seconds_by_call(clock);
}

static int near(long long value, long long wanted)
{
	return value >= wanted && value < wanted + 30;
}

/* 0: all clocks are ADDED and BOOT_ADDED later than the first namespace's. */
static int clocks_wrong(long long added, long long boot_added)
{
	static const clockid_t monotonic[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE};
	for (unsigned i = 0; i < 3; i++) {
		clockid_t clock = monotonic[i];
		if (!near(seconds(clock), base[clock] + added) ||
		    !near(seconds_by_call(clock), base[clock] + added))
			return 1 + clock;
	}
	if (!near(seconds(CLOCK_BOOTTIME), base[CLOCK_BOOTTIME] + boot_added) ||
	    !near(seconds_by_call(CLOCK_BOOTTIME), base[CLOCK_BOOTTIME] + boot_added))
		return 20;
	return near(seconds(CLOCK_REALTIME), base[CLOCK_REALTIME]) ? 0 : 21;
}

static struct timespec later(clockid_t clock, long ms)
{
	struct timespec time;
	clock_gettime(clock, &time);
	time.tv_nsec += ms * 1000000;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

static int passed(struct timespec end)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec);
}

/* Deadlines in the namespace: each is waited for, and not for long. */
static int deadlines_wrong(void)
{
	struct timespec end = later(CLOCK_MONOTONIC, 50);
	alarm(20);
	if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, 0) || !passed(end))
		return 1;
	end = later(CLOCK_BOOTTIME, 50);
	struct timespec also = later(CLOCK_MONOTONIC, 50);
	if (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &end, 0) || !passed(also))
		return 2;
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t count;
	struct itimerspec setting = {.it_value = end = later(CLOCK_MONOTONIC, 50)};
	if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &setting, 0) || timerfd_gettime(fd, &setting) ||
	    setting.it_value.tv_sec || read(fd, &count, 8) != 8 || !passed(end))
		return 3;
	uint32_t word = 0;
	end = later(CLOCK_MONOTONIC, 50);
	if (!fails(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &end, 0, ~0u), ETIMEDOUT) || !passed(end))
		return 4;
	timer_t timer;
	sigset_t alarms;
	int signal = 0;
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGUSR1);
	sigprocmask(SIG_BLOCK, &alarms, 0);
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	setting = (struct itimerspec){.it_value = end = later(CLOCK_MONOTONIC, 50)};
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, TIMER_ABSTIME, &setting, 0) || sigwait(&alarms, &signal) ||
	    signal != SIGUSR1 || !passed(end))
		return 5;
	struct timespec past = {1, 0};
	if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, 0))
		return 6;
	alarm(0);
	return 0;
}

static int uptime_wrong(void)
{
	struct sysinfo info;
	if (!near(atoll(text_of("/proc/uptime")), base[CLOCK_BOOTTIME] + BOOTTIME_ADDED) || sysinfo(&info) ||
	    !near(info.uptime, base[CLOCK_BOOTTIME] + BOOTTIME_ADDED))
		return 1;
	/* A process that starts now starts at this boot time. */
	const char *at = strrchr(text_of("/proc/self/stat"), ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	long long start = at ? atoll(at + 1) / sysconf(_SC_CLK_TCK) : 0;
	return start > base[CLOCK_BOOTTIME] + BOOTTIME_ADDED - 30 &&
	               start < base[CLOCK_BOOTTIME] + BOOTTIME_ADDED + 30
	           ? 0
	           : 2;
}

static void report(const char *name, int status)
{
	check(name, exited(status, 0));
	if (status)
		printf("# %s: step %d\n", name, WEXITSTATUS(status));
}

static void *idle(void *argument)
{
	pause();
	return argument;
}

static void *nothing(void *argument)
{
	return argument;
}

/* The whole, in a process that may change its namespaces. */
static int all(void)
{
	take_bases();
	check("first", strcmp(text_of(OFFSETS),
	                      "monotonic           0         0\nboottime            0         0\n") == 0);
	check("first-stays", fails(put(OFFSETS, "monotonic 1 0\n"), EACCES));
	ino_t first = inode("time");
	check("same", first && first == inode("time_for_children"));
	check("unshare",
	      unshare(CLONE_NEWTIME) == 0 && inode("time") == first && inode("time_for_children") != first);
	check("wrong", fails(put(OFFSETS, "nonsense 1 0\n"), EINVAL) &&
	                   fails(put(OFFSETS, "monotonic x 0\n"), EINVAL) &&
	                   fails(put(OFFSETS, "monotonic 1\n"), EINVAL) &&
	                   fails(put(OFFSETS, "monotonic 1 1000000000\n"), EINVAL));
	check("range", fails(put(OFFSETS, "monotonic -100000000 0\n"), ERANGE) &&
	                   fails(put(OFFSETS, "boottime 9000000000 0\n"), ERANGE));
	check("write", put(OFFSETS, "monotonic 5 0\nboottime 2000000 0\n") == 0 &&
	                   put(OFFSETS, "1 1000000 500\n") == 0);
	check("read", strcmp(text_of(OFFSETS),
	                     "monotonic     1000000       500\nboottime      2000000         0\n") == 0);
	report("parent-unchanged", in_child(_exit(0)) | (clocks_wrong(0, 0) << 8));
	ino_t inner = inode("time_for_children");
	report("child", in_child(_exit(inode("time") == inner && inode("time_for_children") == inner
	                                   ? clocks_wrong(MONOTONIC_ADDED, BOOTTIME_ADDED)
	                                   : 99)));
	report("grandchild",
	       in_child(int status = in_child(_exit(clocks_wrong(MONOTONIC_ADDED, BOOTTIME_ADDED)));
	                _exit(WEXITSTATUS(status))));
	report("deadlines", in_child(_exit(deadlines_wrong())));
	report("uptime", in_child(_exit(uptime_wrong())));
	check("entered", fails(put(OFFSETS, "monotonic 6 0\n"), EACCES));
	report("thread-in-it", in_child(pthread_t thread; int made = pthread_create(&thread, 0, nothing, 0);
	                                _exit(made || pthread_join(thread, 0) ? 1 : 0)));
	report("executed", in_child(execl("/proc/self/exe", "time", "clocks", (char *)0); _exit(98)));
	struct clone_args args = {.flags = CLONE_NEWTIME, .exit_signal = SIGCHLD};
	long child = syscall(SYS_clone3, &args, sizeof(args));
	if (!child)
		_exit(inode("time") != inner && inode("time") != first
		          ? clocks_wrong(MONOTONIC_ADDED, BOOTTIME_ADDED)
		          : 97);
	int status = -1;
	waitpid((pid_t)child, &status, 0);
	report("clone3", status);
	/* With negative offsets, not below 0. */
	report(
	    "back",
	    in_child(if (unshare(CLONE_NEWTIME) || put(OFFSETS, "monotonic -1 0\nboottime 0 0\n")) _exit(1);
	             take_bases();
	             int inside = in_child(_exit(
	                 seconds(CLOCK_MONOTONIC) <= base[CLOCK_MONOTONIC] - MONOTONIC_ADDED + 30 ? 0 : 2));
	             _exit(WEXITSTATUS(inside))));
	int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	report("setns-with-threads", in_child(pthread_t thread; pthread_create(&thread, 0, idle, 0);
	                                      _exit(fails(setns(fd, CLONE_NEWTIME), EUSERS) ? 0 : 1)));
	report("setns-with-memory-of-others",
	       in_child(pid_t own = vfork(); if (!own) _exit(fails(setns(fd, CLONE_NEWTIME), EUSERS) ? 0 : 1);
	                int inside = -1; waitpid(own, &inside, 0); _exit(WEXITSTATUS(inside))));
	check("setns-other-type", fails(setns(fd, CLONE_NEWUTS), EINVAL));
	int old = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	check("setns", setns(fd, CLONE_NEWTIME) == 0 && inode("time") == inner &&
	                   clocks_wrong(MONOTONIC_ADDED, BOOTTIME_ADDED) == 0);
	check("setns-back", setns(old, 0) == 0 && inode("time") == first &&
	                        inode("time_for_children") == first && clocks_wrong(0, 0) == 0);
	report("others",
	       in_child(if (setgid(1000) || setuid(1000)) _exit(1);
	                _exit(fails(unshare(CLONE_NEWTIME), EPERM) && fails(setns(fd, 0), EPERM) ? 0 : 2)));
	report("own-user",
	       in_child(
	           if (setgid(1000) || setuid(1000) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) ||
	               unshare(CLONE_NEWUSER | CLONE_NEWTIME)) _exit(1);
	           _exit(put(OFFSETS, "monotonic 1000000 0\nboottime 2000000 0\n")
	                     ? 2
	                     : WEXITSTATUS(in_child(_exit(clocks_wrong(MONOTONIC_ADDED, BOOTTIME_ADDED)))))));
	return check_failures != 0;
}

int main(int count, char **arguments)
{
	if (count > 1) { /* executed: the first namespace's clocks are these less what was added */
		long long monotonic = seconds_by_call(CLOCK_MONOTONIC);
		return seconds(CLOCK_MONOTONIC) >= MONOTONIC_ADDED && monotonic >= MONOTONIC_ADDED &&
		               !strcmp(arguments[1], "clocks")
		           ? 0
		           : 1;
	}
	return all();
}
