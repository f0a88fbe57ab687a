/* Control groups, version 2: cgroups(7), clone3(2), cgroup_namespaces(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include "check.h"

#define ROOT                "/sys/fs/cgroup"
#define BASE                ROOT "/t"
#define fails(call, number) ((long)(call) == -1 && errno == (number))
#define LIMIT_MS            20000

/* All of PATH in static memory; "" where it cannot be read. */
static const char *text_of(const char *path)
{
	static char text[4][16384];
	static int turn;
	char *own = text[turn++ & 3];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long count = fd < 0 ? -1 : read(fd, own, sizeof(text[0]) - 1);
	int error = errno;
	close(fd);
	errno = error;
	own[count < 0 ? 0 : count] = 0;
	return own;
}

/* 0, or -1 with errno. */
static int put(const char *path, const char *format, ...)
{
	char line[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	long count = write(fd, line, strlen(line));
	int error = errno;
	close(fd);
	errno = error;
	return count < 0 ? -1 : 0;
}

static int says(const char *path, const char *text)
{
	return strcmp(text_of(path), text) == 0;
}

/* The number behind KEY in the lines of PATH, -1: there is none. */
static long long value(const char *path, const char *key)
{
	const char *at = text_of(path);
	size_t length = strlen(key);
	for (; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : 0)
		if (strncmp(at, key, length) == 0 && at[length] == ' ')
			return atoll(at + length + 1);
	return -1;
}

#define until(condition)                                                                                     \
	({                                                                                                   \
		int until_left = LIMIT_MS;                                                                   \
		while (!(condition) && until_left-- > 0)                                                     \
			pause_ms(1);                                                                         \
		until_left > 0;                                                                              \
	})

static void on_signal(int signal)
{
	(void)signal;
	_exit(7);
}

/* A child that waits for signals, in the group of PATH. */
static pid_t sleeper(const char *path)
{
	pid_t child = fork();
	if (!child)
		for (;;)
			pause();
	if (path && put(path, "%d", child))
		printf("# %s: %s\n", path, strerror(errno));
	return child;
}

static int ends(pid_t child)
{
	int status = 0;
	return waitpid(child, &status, 0) == child ? status : -1;
}

static int killed_by(pid_t child, int signal)
{
	int status = ends(child);
	return killed(status, signal);
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	ends(child);
}

static void tree(void)
{
	struct statfs status;
	struct stat one;
	check("is-mounted", statfs(ROOT, &status) == 0 && status.f_type == 0x63677270);
	check("known", strstr(text_of("/proc/filesystems"), "nodev\tcgroup2\n") != 0);
	check("proc-cgroups",
	      strncmp(text_of("/proc/cgroups"), "#subsys_name\thierarchy\tnum_cgroups\tenabled\n", 43) == 0 &&
	          strstr(text_of("/proc/cgroups"), "\npids\t0\t"));
	check("own", says("/proc/self/cgroup", "0::/\n"));
	check("mkdir", mkdir(BASE, 0755) == 0 && fails(mkdir(BASE, 0755), EEXIST));
	check("stat", stat(BASE, &one) == 0 && S_ISDIR(one.st_mode) && (one.st_mode & 07777) == 0755 &&
	                  stat(BASE "/cgroup.procs", &one) == 0 && one.st_mode == (S_IFREG | 0644) &&
	                  stat(BASE "/cgroup.events", &one) == 0 && one.st_mode == (S_IFREG | 0444) &&
	                  stat(BASE "/cgroup.kill", &one) == 0 && one.st_mode == (S_IFREG | 0200));
	check("no-files-made", fails(open(BASE "/x", O_CREAT | O_WRONLY, 0644), EACCES) &&
	                           fails(unlink(BASE "/cgroup.procs"), EPERM) &&
	                           fails(rename(BASE, ROOT "/u"), EPERM) &&
	                           fails(symlink("x", BASE "/l"), EPERM) &&
	                           fails(link(BASE "/cgroup.procs", BASE "/l"), EPERM));
	check("no-newline", fails(mkdir(ROOT "/a\nb", 0755), EINVAL));
	check("type",
	      says(BASE "/cgroup.type", "domain\n") && fails(open(ROOT "/cgroup.type", O_RDONLY), ENOENT));
	check("events", says(BASE "/cgroup.events", "populated 0\nfrozen 0\n"));
	char byte;
	check("not-made-for-that",
	      fails(read(open(BASE "/cgroup.kill", O_RDONLY | O_CLOEXEC), &byte, 1), EINVAL) &&
	          fails(put(BASE "/cgroup.controllers", "x"), EINVAL));
	check("limits",
	      says(BASE "/cgroup.max.depth", "max\n") && says(BASE "/cgroup.max.descendants", "max\n") &&
	          put(BASE "/cgroup.max.depth", "0") == 0 && fails(mkdir(BASE "/a", 0755), EAGAIN) &&
	          put(BASE "/cgroup.max.depth", "1\n") == 0 && mkdir(BASE "/a", 0755) == 0 &&
	          fails(mkdir(BASE "/a/b", 0755), EAGAIN));
	check("limits-wrong", fails(put(BASE "/cgroup.max.depth", "x"), EINVAL) &&
	                          fails(put(BASE "/cgroup.max.depth", "-1"), ERANGE));
	check("descendants", put(BASE "/cgroup.max.depth", "max") == 0 &&
	                         put(BASE "/cgroup.max.descendants", "2") == 0 &&
	                         mkdir(BASE "/a/b", 0755) == 0 && fails(mkdir(BASE "/a/b/c", 0755), EAGAIN) &&
	                         value(BASE "/cgroup.stat", "nr_descendants") == 2 &&
	                         put(BASE "/cgroup.max.descendants", "max") == 0);
	check("rmdir", fails(rmdir(BASE "/a"), EBUSY) && rmdir(BASE "/a/b") == 0 && rmdir(BASE "/a") == 0 &&
	                   fails(rmdir(BASE "/a"), ENOENT));
	int fd = open(BASE "/cgroup.procs", O_RDWR);
	mkdir(BASE "/a", 0755);
	int below = open(BASE "/a/cgroup.procs", O_RDWR);
	rmdir(BASE "/a");
	char text[16];
	check("gone", fails(read(below, text, 16), ENODEV) && fails(write(below, "0", 1), ENODEV) &&
	                  read(fd, text, 16) == 0);
	close(below);
	close(fd);
}

static void members(void)
{
	char text[64];
	mkdir(BASE "/a", 0755);
	mkdir(BASE "/b", 0755);
	int events = open(BASE "/cgroup.events", O_RDONLY);
	struct pollfd poll_events = {.fd = events, .events = POLLPRI};
	int notify = inotify_init1(IN_NONBLOCK);
	inotify_add_watch(notify, BASE "/cgroup.events", IN_MODIFY);
	read(events, text, sizeof(text));
	check("no-event", poll(&poll_events, 1, 0) == 0 && fails(read(notify, text, sizeof(text)), EAGAIN));
	pid_t child = sleeper(BASE "/a/cgroup.procs");
	snprintf(text, sizeof(text), "%d\n", child);
	check("moved", says(BASE "/a/cgroup.procs", text) && says(BASE "/a/cgroup.threads", text) &&
	                   says(BASE "/cgroup.procs", ""));
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/cgroup", child);
	check("proc-pid", says(path, "0::/t/a\n"));
	check("populated", value(BASE "/a/cgroup.events", "populated") == 1 &&
	                       value(BASE "/cgroup.events", "populated") == 1 &&
	                       value(BASE "/b/cgroup.events", "populated") == 0);
	check("poll", poll(&poll_events, 1, LIMIT_MS) == 1 &&
	                  (poll_events.revents & (POLLPRI | POLLERR)) == (POLLPRI | POLLERR));
	lseek(events, 0, SEEK_SET);
	read(events, text, sizeof(text));
	check("poll-once", poll(&poll_events, 1, 0) == 0);
	struct inotify_event event;
	check("inotify", read(notify, &event, sizeof(event)) == sizeof(event) && event.mask == IN_MODIFY);
	check("busy", fails(rmdir(BASE "/a"), EBUSY));
	check("wrong-pids", fails(put(BASE "/a/cgroup.procs", "x"), EINVAL) &&
	                        fails(put(BASE "/a/cgroup.procs", "-1"), EINVAL) &&
	                        fails(put(BASE "/a/cgroup.procs", "4000000"), ESRCH));
	check("to-b", put(BASE "/b/cgroup.procs", "%d\n", child) == 0 && says(path, "0::/t/b\n") &&
	                  value(BASE "/a/cgroup.events", "populated") == 0);
	kill(child, SIGKILL);
	check("empty-at-its-end", until(value(BASE "/b/cgroup.events", "populated") == 0));
	check("poll-end", poll(&poll_events, 1, LIMIT_MS) == 1);
	check("zombie", says(path, "0::/t/b\n") && says(BASE "/b/cgroup.procs", ""));
	check("rmdir-with-zombie", rmdir(BASE "/b") == 0 && says(path, "0::/t/b (deleted)\n"));
	ends(child);
	close(notify);
	close(events);
	/* A child begins where its parent is. */
	mkdir(BASE "/b", 0755);
	int status = in_child(put(BASE "/b/cgroup.procs", "0"); pid_t own = fork();
	                      if (!own) _exit(says("/proc/self/cgroup", "0::/t/b\n") ? 0 : 1);
	                      _exit(WEXITSTATUS(ends(own))));
	check("inherited", exited(status, 0));
}

static void *other_thread(void *argument)
{
	(void)argument;
	for (;;)
		pause();
	return 0;
}

static void threads(void)
{
	int status = in_child(
	    pthread_t thread; pthread_create(&thread, 0, other_thread, 0); put(BASE "/a/cgroup.procs", "0");
	    const char *list = text_of(BASE "/a/cgroup.threads"); const char *second = strchr(list, '\n');
	    _exit(second && second[1] && strchr(second + 1, '\n') &&
	                  atoi(text_of(BASE "/a/cgroup.procs")) == getpid() &&
	                  fails(put(BASE "/b/cgroup.threads", "%d", atoi(second + 1)), EOPNOTSUPP) &&
	                  put(BASE "/a/cgroup.threads", "%d", atoi(second + 1)) == 0
	              ? 0
	              : 1));
	check("threads-together", exited(status, 0));
}

static void controllers(void)
{
	check("all", strstr(text_of(ROOT "/cgroup.controllers"), "cpu") &&
	                 strstr(text_of(ROOT "/cgroup.controllers"), "memory") &&
	                 strstr(text_of(ROOT "/cgroup.controllers"), "pids"));
	check("none", says(BASE "/cgroup.controllers", "") && says(BASE "/cgroup.subtree_control", "") &&
	                  fails(open(BASE "/pids.max", O_RDONLY), ENOENT));
	check("not-available", fails(put(BASE "/cgroup.subtree_control", "+pids"), ENOENT));
	check("not-known", fails(put(ROOT "/cgroup.subtree_control", "+nonsense"), EINVAL) &&
	                       fails(put(ROOT "/cgroup.subtree_control", "pids"), EINVAL));
	check("enable", put(ROOT "/cgroup.subtree_control", "+pids +memory +cpu") == 0 &&
	                    says(BASE "/cgroup.controllers", "cpu memory pids\n"));
	check("files", access(BASE "/pids.max", W_OK) == 0 && access(BASE "/memory.max", W_OK) == 0 &&
	                   access(BASE "/cpu.max", W_OK) == 0 && access(ROOT "/pids.max", F_OK) == -1);
	check("below", put(BASE "/cgroup.subtree_control", "+pids +memory") == 0 &&
	                   put(BASE "/cgroup.subtree_control", "+cpu -memory") == 0 &&
	                   says(BASE "/cgroup.subtree_control", "cpu pids\n") &&
	                   says(BASE "/a/cgroup.controllers", "cpu pids\n") &&
	                   fails(put(BASE "/a/cgroup.subtree_control", "+memory"), ENOENT) &&
	                   put(BASE "/cgroup.subtree_control", "+memory") == 0);
	/* Who has a control open has it no more once the controller is taken away. */
	mkdir(BASE "/c", 0755);
	int limits[] = {open(BASE "/c/cpu.max", O_RDWR), open(BASE "/c/memory.max", O_RDWR),
	                open(BASE "/c/pids.max", O_RDWR), open(BASE "/c/memory.max", O_PATH)};
	put(BASE "/cgroup.subtree_control", "-cpu -memory -pids");
	int stale = 0;
	for (int i = 0; i < 3; i++) {
		char byte;
		stale +=
		    fails(write(limits[i], "10000", 5), ENODEV) && fails(read(limits[i], &byte, 1), ENODEV);
	}
	char again[64];
	snprintf(again, sizeof(again), "/proc/self/fd/%d", limits[3]);
	check("taken-away", stale == 3 && fails(open(again, O_RDWR), ENODEV) && rmdir(BASE "/c") == 0);
	for (int i = 0; i < 4; i++)
		close(limits[i]);
	check("given-again", put(BASE "/cgroup.subtree_control", "+cpu +memory +pids") == 0 &&
	                         says(BASE "/a/cpu.max", "max 100000\n"));
	check("in-use", fails(put(ROOT "/cgroup.subtree_control", "-pids"), EBUSY));
	pid_t child = sleeper(0);
	check("no-inner-processes", fails(put(BASE "/cgroup.procs", "%d", child), EBUSY) &&
	                                put(BASE "/a/cgroup.procs", "%d", child) == 0 &&
	                                fails(put(BASE "/a/cgroup.subtree_control", "+memory"), EBUSY));
	end(child);
}

static void pids(void)
{
	check("pids-first", says(BASE "/a/pids.max", "max\n") && says(BASE "/a/pids.current", "0\n"));
	check("pids-wrong",
	      fails(put(BASE "/a/pids.max", "-1"), EINVAL) && fails(put(BASE "/a/pids.max", "x"), EINVAL));
	put(BASE "/a/pids.max", "2");
	check("pids-max", says(BASE "/a/pids.max", "2\n"));
	int status = in_child(put(BASE "/a/cgroup.procs", "0"); pid_t one = fork();
	                      if (!one) for (;;) pause(); int refused = fork() == -1 && errno == EAGAIN;
	                      int said = says(BASE "/a/pids.current", "2\n"); kill(one, SIGKILL);
	                      int still = until(value(BASE "/a/cgroup.events", "populated") == 1); ends(one);
	                      pid_t again = fork(); if (!again) _exit(0); ends(again);
	                      _exit(refused && said && still && again > 0 ? 0 : 1));
	check("pids-refused", exited(status, 0));
	check("pids-events", value(BASE "/a/pids.events", "max") == 1);
	check("pids-above", put(BASE "/a/pids.max", "max") == 0 && put(BASE "/pids.max", "1") == 0 &&
	                        exited(in_child(put(BASE "/a/cgroup.procs", "0");
	                                        _exit(fork() == -1 && errno == EAGAIN ? 0 : 1)),
	                               0) &&
	                        put(BASE "/pids.max", "max") == 0);
	/* Who is moved comes in, whatever the limit. */
	put(BASE "/a/pids.max", "0");
	pid_t child = sleeper(BASE "/a/cgroup.procs");
	check("pids-moved", says(BASE "/a/pids.current", "1\n") && says(BASE "/pids.current", "1\n"));
	end(child);
	put(BASE "/a/pids.max", "max");
	check("pids-none", says(BASE "/a/pids.current", "0\n"));
}

static long long ticks(pid_t child)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/stat", child);
	const char *at = strrchr(text_of(path), ')');
	long long user = 0, system = 0;
	if (at)
		sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &user, &system);
	return user + system;
}

static char state_of(pid_t child)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/stat", child);
	const char *at = strrchr(text_of(path), ')');
	return at ? at[2] : '?';
}

static pid_t spinner(const char *path)
{
	pid_t child = fork();
	if (!child) {
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(0, &one);
		sched_setaffinity(0, sizeof(one), &one);
		for (volatile uint64_t i = 0;; i++)
			;
	}
	put(path, "%d", child);
	return child;
}

static int first_frozen(void)
{
	unshare(CLONE_NEWPID);
	pid_t first = fork();
	if (!first) {
		pthread_t thread;
		sigset_t term;
		pthread_create(&thread, 0, other_thread, 0);
		sigemptyset(&term);
		sigaddset(&term, SIGTERM);
		sigprocmask(SIG_BLOCK, &term, 0);
		put(BASE "/a/cgroup.procs", "0");
		for (;;)
			pause();
	}
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/cgroup", first);
	until(says(path, "0::/t/a\n"));
	put(BASE "/a/cgroup.freeze", "1");
	until(value(BASE "/a/cgroup.events", "frozen") == 1);
	kill(first, SIGTERM);
	put(BASE "/a/cgroup.freeze", "0");
	pause_ms(20);
	int stays = waitpid(first, 0, WNOHANG) == 0;
	kill(first, SIGKILL);
	return stays && killed_by(first, SIGKILL) ? 0 : 1;
}

static void freezer(void)
{
	check("freeze-first", says(BASE "/a/cgroup.freeze", "0\n") &&
	                          fails(put(BASE "/a/cgroup.freeze", "2"), ERANGE) &&
	                          fails(put(BASE "/a/cgroup.freeze", "x"), EINVAL));
	pid_t busy = spinner(BASE "/a/cgroup.procs");
	pid_t asleep = sleeper(BASE "/a/cgroup.procs");
	check("freeze", put(BASE "/a/cgroup.freeze", "1") == 0 &&
	                    until(value(BASE "/a/cgroup.events", "frozen") == 1) &&
	                    value(BASE "/cgroup.events", "frozen") == 0);
	long long before = ticks(busy);
	pause_ms(150);
	check("frozen", ticks(busy) == before);
	check("thaw", put(BASE "/a/cgroup.freeze", "0") == 0 &&
	                  until(value(BASE "/a/cgroup.events", "frozen") == 0) &&
	                  until(ticks(busy) > before));
	check("freeze-above",
	      put(BASE "/cgroup.freeze", "1") == 0 && until(value(BASE "/cgroup.events", "frozen") == 1) &&
	          value(BASE "/a/cgroup.events", "frozen") == 1 && says(BASE "/a/cgroup.freeze", "0\n"));
	pid_t late = sleeper(BASE "/a/cgroup.procs");
	check("frozen-again", until(value(BASE "/cgroup.events", "frozen") == 1));
	check("out-of-frozen", put(ROOT "/cgroup.procs", "%d", busy) == 0 && (before = ticks(busy), 1) &&
	                           until(ticks(busy) > before));
	end(busy);
	kill(late, SIGUSR1);
	pause_ms(20);
	check("no-signals", waitpid(late, 0, WNOHANG) == 0);
	check("killed-when-frozen", kill(asleep, SIGKILL) == 0 && killed_by(asleep, SIGKILL));
	pid_t last = sleeper(BASE "/a/cgroup.procs");
	until(value(BASE "/cgroup.events", "frozen") == 1);
	check("ended-when-frozen", kill(last, SIGTERM) == 0 && killed_by(last, SIGTERM));
	put(BASE "/cgroup.freeze", "0");
	int status = ends(late);
	check("signal-later", exited(status, 7));
	/* The first of a PID namespace stays, though one of its threads would take the signal. */
	status = in_child(_exit(first_frozen()));
	check("first-is-not-ended-when-frozen", exited(status, 0));
	/* Stopped ones are frozen as they are, and stay stopped. */
	pid_t stopped = sleeper(BASE "/a/cgroup.procs");
	kill(stopped, SIGSTOP);
	waitpid(stopped, 0, WUNTRACED);
	check("stopped-is-frozen",
	      put(BASE "/a/cgroup.freeze", "1") == 0 && until(value(BASE "/a/cgroup.events", "frozen") == 1));
	put(BASE "/a/cgroup.freeze", "0");
	pause_ms(20);
	check("stays-stopped", state_of(stopped) == 'T');
	end(stopped);
	stopped = sleeper(0);
	kill(stopped, SIGSTOP);
	waitpid(stopped, 0, WUNTRACED);
	put(BASE "/a/cgroup.freeze", "1");
	check("stopped-elsewhere", put(BASE "/a/cgroup.procs", "%d", stopped) == 0 &&
	                               until(value(BASE "/a/cgroup.events", "frozen") == 1));
	put(BASE "/a/cgroup.freeze", "0");
	end(stopped);
	/* A sleep goes on where it was. */
	status = in_child(
	    put(BASE "/a/cgroup.procs", "0"); struct timespec start; struct timespec now;
	    clock_gettime(CLOCK_MONOTONIC, &start); pid_t other = fork(); if (!other) {
		    put(ROOT "/cgroup.procs", "0");
		    pause_ms(30);
		    put(BASE "/a/cgroup.freeze", "1");
		    pause_ms(30);
		    put(BASE "/a/cgroup.freeze", "0");
		    _exit(0);
	    } struct timespec wanted = {0, 200000000};
	    int result = nanosleep(&wanted, 0); clock_gettime(CLOCK_MONOTONIC, &now); _exit(
	        !result && (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 >= 199
	            ? 0
	            : 1));
	check("sleep-goes-on", exited(status, 0));
}

static void killing(void)
{
	pid_t one = sleeper(BASE "/a/cgroup.procs"), two = sleeper(BASE "/b/cgroup.procs");
	check("kill-wrong",
	      fails(put(BASE "/cgroup.kill", "0"), ERANGE) && fails(put(BASE "/cgroup.kill", "x"), EINVAL));
	put(BASE "/a/cgroup.freeze", "1");
	check("kill",
	      put(BASE "/cgroup.kill", "1") == 0 && killed_by(one, SIGKILL) && killed_by(two, SIGKILL));
	put(BASE "/a/cgroup.freeze", "0");
}

static long new_in(int group, uint64_t more)
{
	struct clone_args args = {
	    .flags = CLONE_INTO_CGROUP | more, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
	return syscall(SYS_clone3, &args, sizeof(args));
}

static void clones(void)
{
	int group = open(BASE "/a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long child = new_in(group, 0);
	if (!child)
		_exit(says("/proc/self/cgroup", "0::/t/a\n") ? 0 : 1);
	int status = child > 0 ? ends((pid_t)child) : -1;
	check("clone3", exited(status, 0));
	check("clone3-inner", fails(new_in(open(BASE, O_PATH), 0), EBUSY));
	check("clone3-wrong", fails(new_in(open("/", O_PATH), 0), EBADF) && fails(new_in(-1, 0), EINVAL) &&
	                          fails(new_in(999, 0), EBADF));
	put(BASE "/a/pids.max", "0");
	check("clone3-limit", fails(new_in(group, 0), EAGAIN));
	put(BASE "/a/pids.max", "max");
	mkdir(BASE "/c", 0755);
	int gone = open(BASE "/c", O_PATH | O_CLOEXEC);
	rmdir(BASE "/c");
	check("clone3-gone", fails(new_in(gone, 0), ENOENT));
	close(gone);
	close(group);
}

static void cpu(void)
{
	check("cpu-first", says(BASE "/a/cpu.max", "max 100000\n") && says(BASE "/a/cpu.weight", "100\n") &&
	                       says(BASE "/a/cpu.weight.nice", "0\n"));
	check("cpu-wrong", fails(put(BASE "/a/cpu.max", "x"), EINVAL) &&
	                       fails(put(BASE "/a/cpu.max", "10 100000"), EINVAL) &&
	                       fails(put(BASE "/a/cpu.max", "10000 10"), EINVAL) &&
	                       fails(put(BASE "/a/cpu.max", "10000 2000000"), EINVAL) &&
	                       fails(put(BASE "/a/cpu.weight", "0"), ERANGE) &&
	                       fails(put(BASE "/a/cpu.weight", "10001"), ERANGE) &&
	                       fails(put(BASE "/a/cpu.weight.nice", "20"), ERANGE));
	check("cpu-weight-nice",
	      put(BASE "/a/cpu.weight.nice", "-5") == 0 && says(BASE "/a/cpu.weight", "305\n") &&
	          says(BASE "/a/cpu.weight.nice", "-5\n") && put(BASE "/a/cpu.weight", "100") == 0);
	check("cpu-max", put(BASE "/a/cpu.max", "20000") == 0 && says(BASE "/a/cpu.max", "20000 100000\n") &&
	                     put(BASE "/a/cpu.max", "max 50000") == 0 &&
	                     says(BASE "/a/cpu.max", "max 50000\n"));
	/* A fifth of a processor. */
	put(BASE "/a/cpu.max", "20000 100000");
	struct timespec start, now;
	long long before = value(BASE "/a/cpu.stat", "usage_usec");
	pid_t busy = spinner(BASE "/a/cgroup.procs");
	clock_gettime(CLOCK_MONOTONIC, &start);
	pause_ms(1500);
	long long used = value(BASE "/a/cpu.stat", "usage_usec") - before;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long long passed = (now.tv_sec - start.tv_sec) * 1000000ll + (now.tv_nsec - start.tv_nsec) / 1000;
	check("throttled", used < passed * 35 / 100);
	printf("# a fifth: %lld of %lld us\n", used, passed);
	check("not-starved", used > passed * 5 / 100);
	check("throttle-counted",
	      value(BASE "/a/cpu.stat", "nr_throttled") > 3 &&
	          value(BASE "/a/cpu.stat", "nr_periods") >= value(BASE "/a/cpu.stat", "nr_throttled") &&
	          value(BASE "/a/cpu.stat", "throttled_usec") > passed / 3);
	check("above-counts-it", value(BASE "/cpu.stat", "usage_usec") >= used);
	check("moved-out", put(ROOT "/cgroup.procs", "%d", busy) == 0);
	long long base = ticks(busy);
	check("runs-free", until(ticks(busy) > base + 20));
	put(BASE "/a/cpu.max", "max 100000");
	end(busy);
	check("stat-stays", value(BASE "/a/cpu.stat", "usage_usec") >= before + used &&
	                        value(BASE "/a/cpu.stat", "user_usec") > 0);
	/* Groups compete, however many threads they have. */
	put(BASE "/b/cpu.weight", "300");
	pid_t few = spinner(BASE "/b/cgroup.procs");
	pid_t many[3];
	for (int i = 0; i < 3; i++)
		many[i] = spinner(BASE "/a/cgroup.procs");
	pause_ms(300);
	long long a = value(BASE "/a/cpu.stat", "usage_usec"), b = value(BASE "/b/cpu.stat", "usage_usec");
	pause_ms(2500);
	a = value(BASE "/a/cpu.stat", "usage_usec") - a;
	b = value(BASE "/b/cpu.stat", "usage_usec") - b;
	printf("# weights 100 and 300: %lld and %lld us\n", a, b);
	check("weights", b > a * 3 / 2 && b < a * 6);
	end(few);
	for (int i = 0; i < 3; i++)
		end(many[i]);
	put(BASE "/b/cpu.weight", "100");
}

/* Touches MEGABYTES and then waits. */
static pid_t eater(const char *path, size_t megabytes)
{
	pid_t child = fork();
	if (!child) {
		put(path, "0");
		size_t bytes = megabytes << 20;
		char *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; i < bytes; i += 4096) {
			memory[i] = 1;
			if (!(i & 0x3ffff))
				pause_ms(1);
		}
		for (;;)
			pause();
	}
	return child;
}

/* A mapped file's COUNT pages, all written, whose pages differ in their protection: as many areas of one object. */
static void map_many(size_t count)
{
	char name[] = "/tmp/cgroup-XXXXXX";
	size_t bytes = count * 4096;
	int fd = mkstemp(name);
	unlink(name);
	char *memory = ftruncate(fd, (off_t)bytes)
	                   ? MAP_FAILED
	                   : mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		_exit(1);
	memset(memory, 1, bytes);
	for (size_t i = 0; i < count; i += 2)
		if (mprotect(memory + i * 4096, 4096, PROT_READ))
			_exit(2);
}

static void memory_of_parts(void)
{
	int ready[2];
	char byte;
	pipe(ready);
	pid_t child = fork();
	if (!child) {
		put(BASE "/a/cgroup.procs", "0");
		map_many(1024);
		write(ready[1], "", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	long long had = read(ready[0], &byte, 1) == 1 ? atoll(text_of(BASE "/a/memory.current")) : -1;
	check("memory-parts-once", had >= 4 << 20 && had < 64 << 20);
	printf("# %lld bytes in parts\n", had);
	end(child);
	close(ready[0]);
}

/* To look at thousands of objects, as a fork makes them of parts, costs a tenth of a processor. */
static void memory_of_thousands(void)
{
	int ready[2];
	char byte;
	pipe(ready);
	put(BASE "/a/memory.max", "900M");
	pid_t child = fork();
	if (!child) {
		put(BASE "/a/cgroup.procs", "0");
		map_many(8000);
		pid_t own = fork();
		if (!own)
			write(ready[1], "", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	check("memory-thousands", read(ready[0], &byte, 1) == 1);
	struct timespec start, now;
	long long used = value(ROOT "/cpu.stat", "usage_usec");
	clock_gettime(CLOCK_MONOTONIC, &start);
	pause_ms(1500);
	used = value(ROOT "/cpu.stat", "usage_usec") - used;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long long passed = (now.tv_sec - start.tv_sec) * 1000000ll + (now.tv_nsec - start.tv_nsec) / 1000;
	printf("# looks at thousands: %lld of %lld us\n", used, passed);
	check("memory-looks-cost-little", used < passed / 5);
	put(BASE "/a/cgroup.kill", "1");
	ends(child);
	until(value(BASE "/a/cgroup.events", "populated") == 0);
	put(BASE "/a/memory.max", "max");
	close(ready[0]);
}

static void memory(void)
{
	check("memory-first", says(BASE "/a/memory.max", "max\n") && says(BASE "/a/memory.high", "max\n") &&
	                          says(BASE "/a/memory.low", "0\n") &&
	                          says(BASE "/a/memory.oom.group", "0\n") &&
	                          fails(open(ROOT "/memory.max", O_RDONLY), ENOENT));
	check("memory-numbers",
	      put(BASE "/a/memory.max", "1M") == 0 && says(BASE "/a/memory.max", "1048576\n") &&
	          put(BASE "/a/memory.max", "5000\n") == 0 && says(BASE "/a/memory.max", "4096\n") &&
	          fails(put(BASE "/a/memory.max", "x"), EINVAL) && put(BASE "/a/memory.max", "max") == 0);
	pid_t child = eater(BASE "/a/cgroup.procs", 20);
	check("memory-current", until(atoll(text_of(BASE "/a/memory.current")) > 20 << 20) &&
	                            atoll(text_of(BASE "/a/memory.current")) < 40 << 20 &&
	                            atoll(text_of(BASE "/memory.current")) >= 20 << 20 &&
	                            value(BASE "/a/memory.stat", "anon") >= 20 << 20);
	end(child);
	check("memory-goes", until(atoll(text_of(BASE "/a/memory.current")) < 10 << 20));
	put(BASE "/a/memory.max", "30M");
	put(BASE "/a/memory.swap.max", "0");
	pid_t small = eater(BASE "/a/cgroup.procs", 4);
	child = eater(BASE "/a/cgroup.procs", 120);
	pid_t outside = eater(BASE "/b/cgroup.procs", 60);
	check("memory-oom", killed_by(child, SIGKILL));
	check("memory-others-live", waitpid(small, 0, WNOHANG) == 0 && waitpid(outside, 0, WNOHANG) == 0);
	check("memory-events", value(BASE "/a/memory.events", "oom_kill") == 1 &&
	                           value(BASE "/a/memory.events", "oom") >= 1 &&
	                           value(BASE "/a/memory.events", "max") >= 1 &&
	                           value(BASE "/memory.events", "oom_kill") == 1 &&
	                           value(BASE "/memory.events.local", "oom_kill") == 0 &&
	                           value(BASE "/b/memory.events", "oom_kill") == 0);
	check("memory-peak", atoll(text_of(BASE "/a/memory.peak")) > 20 << 20 &&
	                         atoll(text_of(BASE "/a/memory.peak")) <= 30 << 20);
	end(small);
	end(outside);
	put(BASE "/a/memory.oom.group", "1");
	small = eater(BASE "/a/cgroup.procs", 4);
	child = eater(BASE "/a/cgroup.procs", 120);
	check("memory-oom-group", killed_by(child, SIGKILL) && killed_by(small, SIGKILL));
	put(BASE "/a/memory.oom.group", "0");
	put(BASE "/a/memory.max", "max");
	check("memory-swap",
	      says(BASE "/a/memory.swap.max", "0\n") && says(BASE "/a/memory.swap.current", "0\n"));
}

static int namespace_steps(void)
{
	if (put(BASE "/a/cgroup.procs", "0") || unshare(CLONE_NEWCGROUP | CLONE_NEWNS))
		return 1;
	if (!says("/proc/self/cgroup", "0::/\n"))
		return 2;
	mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
	if (mount("none", "/tmp", "cgroup2", 0, 0))
		return 3;
	if (atoi(text_of("/tmp/cgroup.procs")) != getpid() || access("/tmp/cgroup.type", F_OK))
		return 4;
	if (mkdir("/tmp/inner", 0755) || put("/tmp/inner/cgroup.procs", "0"))
		return 5;
	if (!says("/proc/self/cgroup", "0::/inner\n") || access(BASE "/a/inner", F_OK))
		return 6;
	if (put(ROOT "/cgroup.procs", "0") || !says("/proc/self/cgroup", "0::/../..\n"))
		return 7;
	return rmdir("/tmp/inner") ? 8 : 0;
}

static void namespaces(void)
{
	int status = in_child(_exit(namespace_steps()));
	check("namespace", exited(status, 0));
	if (status)
		printf("# step %d\n", WEXITSTATUS(status));
}

static int delegated(void)
{
	setgid(1000);
	setuid(1000);
	if (mkdir(BASE "/a/x", 0755) || mkdir(BASE "/a/y", 0755))
		return 1;
	pid_t child = sleeper(0);
	if (!fails(put(BASE "/a/x/cgroup.procs", "%d", child), EACCES)) /* from outside what is its own */
		return 2;
	if (put(BASE "/a/x/cgroup.procs", "0") == 0)
		return 3;
	end(child);
	if (!fails(put(BASE "/a/pids.max", "10"), EACCES) || !fails(mkdir(BASE "/z", 0755), EACCES))
		return 4;
	return 0;
}

static int delegated_inside(void)
{
	if (put(BASE "/a/x/cgroup.procs", "0"))
		return 1;
	setgid(1000);
	setuid(1000);
	pid_t child = sleeper(0);
	if (put(BASE "/a/y/cgroup.procs", "%d", child)) /* what is above both is its own */
		return 2;
	if (!fails(put(BASE "/b/cgroup.procs", "%d", child), EACCES))
		return 3;
	end(child);
	/* So may be where a child begins, but only in a group to which he may write. */
	if (!fails(new_in(open(BASE "/a/root", O_PATH), 0), EACCES))
		return 4;
	long made = new_in(open(BASE "/a/y", O_PATH), 0);
	if (!made)
		_exit(0);
	return made > 0 && ends((pid_t)made) == 0 ? 0 : 5;
}

/* With nsdelegate a namespace's root is the limit of what may be moved, also for whom a descriptor is given to. */
static int delegated_by_namespace(void)
{
	int first = open("/proc/self/ns/cgroup", O_RDONLY | O_CLOEXEC);
	if (put(BASE "/a/cgroup.procs", "0") || unshare(CLONE_NEWCGROUP))
		return 1;
	int fd = open(BASE "/b/cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || !fails(write(fd, "0", 1), ENOENT))
		return 2;
	if (setns(first, CLONE_NEWCGROUP) || !fails(write(fd, "0", 1), ENOENT))
		return 3;
	return put(BASE "/b/cgroup.procs", "0") ? 4 : 0;
}

static void delegation(void)
{
	check("chown", chown(BASE "/a", 1000, 1000) == 0 && chown(BASE "/a/cgroup.procs", 1000, 1000) == 0 &&
	                   chown(BASE "/a/cgroup.subtree_control", 1000, 1000) == 0);
	struct stat one;
	check("chown-stays", stat(BASE "/a/cgroup.procs", &one) == 0 && one.st_uid == 1000 &&
	                         one.st_gid == 1000 && chmod(BASE "/a/cgroup.procs", 0664) == 0 &&
	                         stat(BASE "/a/cgroup.procs", &one) == 0 && (one.st_mode & 0777) == 0664);
	int status = in_child(_exit(delegated()));
	check("delegated", exited(status, 0));
	if (status)
		printf("# step %d\n", WEXITSTATUS(status));
	check("owner-of-new", stat(BASE "/a/x/cgroup.procs", &one) == 0 && one.st_uid == 1000);
	mkdir(BASE "/a/root", 0755);
	status = in_child(_exit(delegated_inside()));
	check("delegated-inside", exited(status, 0));
	if (status)
		printf("# step %d\n", WEXITSTATUS(status));
	/* Who has it opened decides. */
	int fd = -1, pair[2];
	status =
	    in_child(setgid(1000); setuid(1000); _exit(open(BASE "/b/cgroup.procs", O_WRONLY) == -1 ? 0 : 1));
	check("cannot-open", exited(status, 0));
	chmod(BASE "/b/cgroup.procs", 0666);
	seteuid(1000);
	fd = open(BASE "/b/cgroup.procs", O_WRONLY);
	seteuid(0);
	check("opener-decides", pipe(pair) == 0 && fd >= 0 && fails(write(fd, "0", 1), EACCES));
	close(fd);
	rmdir(BASE "/a/root");
	rmdir(BASE "/a/x");
	rmdir(BASE "/a/y");
	const unsigned long flags = MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	check("nsdelegate", mount("none", ROOT, 0, flags, "nsdelegate") == 0);
	status = in_child(_exit(delegated_by_namespace()));
	check("delegated-by-namespace", exited(status, 0));
	if (status)
		printf("# step %d\n", WEXITSTATUS(status));
	check("no-nsdelegate", mount("none", ROOT, 0, flags, "") == 0);
}

int main(void)
{
	struct statfs status;
	if (getenv("ON_LINUX")) /* the groups of a machine that others use are not for tests */
		return 0;
	if (statfs(ROOT, &status) || status.f_type != 0x63677270)
		mount("none", ROOT, "cgroup2", 0, 0);
	signal(SIGUSR1, on_signal);
	tree();
	members();
	threads();
	controllers();
	pids();
	freezer();
	killing();
	clones();
	cpu();
	memory();
	memory_of_parts();
	memory_of_thousands();
	namespaces();
	delegation();
	check("clean-up", rmdir(BASE "/a") == 0 && rmdir(BASE "/b") == 0 && rmdir(BASE) == 0);
	put(ROOT "/cgroup.subtree_control", "-pids -memory -cpu");
	return check_failures != 0;
}
