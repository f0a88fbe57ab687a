/* fork, vfork, wait, exit, process groups, sessions, orphans. */
#define _GNU_SOURCE
#include "check.h"
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static int shared_value = 1;

static void test_fork(void)
{
	volatile int local = 5;
	int status = in_child({
		local = 6;
		shared_value = 2;
		_exit(local + shared_value);
	});
	check("fork-child-sees-own-copy", exited(status, 8));
	check("fork-parent-unchanged", local == 5 && shared_value == 1);
	size_t bytes = 4 << 20;
	unsigned char *big = malloc(bytes);
	memset(big, 7, bytes);
	status = in_child({
		for (size_t i = 0; i < bytes; i += 4096)
			if (big[i] != 7)
				_exit(1);
		memset(big, 8, bytes);
		_exit(0);
	});
	int same = 1;
	for (size_t i = 0; i < bytes; i += 512)
		same &= big[i] == 7;
	check("fork-copies-large-memory", exited(status, 0) && same);
	free(big);
	int pipes[2];
	char byte = 0;
	check("pipe", pipe(pipes) == 0);
	status = in_child({
		close(pipes[0]);
		write(pipes[1], "x", 1);
		_exit(0);
	});
	check("fork-shares-descriptors", read(pipes[0], &byte, 1) == 1 && byte == 'x' && exited(status, 0));
	close(pipes[0]);
	close(pipes[1]);
	int grandchild_status = in_child({
		int inner = in_child(_exit(3));
		_exit(exited(inner, 3) ? 4 : 5);
	});
	check("fork-in-child", exited(grandchild_status, 4));
}

static int vfork_flag;

static void test_vfork(void)
{
	vfork_flag = 0;
	pid_t pid = vfork();
	if (pid == 0) {
		vfork_flag = 1;
		_exit(7);
	}
	int status;
	check("vfork-parent-waits", vfork_flag == 1);
	check("vfork-status", waitpid(pid, &status, 0) == pid && exited(status, 7));
}

static void test_wait(void)
{
	int status;
	check("wait-no-children", waitpid(-1, &status, 0) == -1 && errno == ECHILD);
	pid_t pid = fork();
	if (!pid) {
		pause_ms(60);
		_exit(0);
	}
	check("wait-nohang", waitpid(pid, &status, WNOHANG) == 0);
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	check("waitid-nowait", waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0 &&
	                           info.si_pid == pid && info.si_code == CLD_EXITED && info.si_status == 0 &&
	                           info.si_signo == SIGCHLD);
	check("wait-after-nowait", waitpid(pid, &status, 0) == pid && exited(status, 0));
	status = in_child(raise(SIGKILL));
	check("wait-killed", killed(status, SIGKILL));
	status = in_child({
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		abort();
	});
	check("wait-aborted", killed(status, SIGABRT));
	pid = fork();
	if (!pid) {
		raise(SIGSTOP);
		pause_ms(100); /* an exit would hide that it went on */
		_exit(11);
	}
	check("wait-stopped",
	      waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	kill(pid, SIGCONT);
	check("wait-continued", waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
	check("wait-after-continue", waitpid(pid, &status, 0) == pid && exited(status, 11));
	struct rusage usage;
	pid = fork();
	if (!pid)
		_exit(0);
	check("wait4-usage", wait4(pid, &status, 0, &usage) == pid);
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (!pid)
		_exit(0);
	check("wait-ignored-sigchld", waitpid(pid, &status, 0) == -1 && errno == ECHILD);
	signal(SIGCHLD, SIG_DFL);
}

static void test_groups(void)
{
	int status = in_child({
		if (setpgid(0, 0) || getpgrp() != getpid())
			_exit(1);
		pid_t inner = fork();
		if (!inner) {
			pause();
			_exit(0);
		}
		if (getpgid(inner) != getpid())
			_exit(2);
		pid_t other = fork();
		if (!other) {
			setpgid(0, 0);
			pause_ms(20);
			_exit(5);
		}
		setpgid(other, other);
		signal(SIGTERM, SIG_IGN);
		kill(0, SIGTERM);
		int inner_status;
		if (waitpid(inner, &inner_status, 0) != inner || !killed(inner_status, SIGTERM))
			_exit(3);
		if (waitpid(-other, &inner_status, 0) != other || !exited(inner_status, 5))
			_exit(4);
		_exit(0);
	});
	check("process-groups", exited(status, 0));
	status = in_child({
		if (setsid() != getpid() || getsid(0) != getpid() || getpgrp() != getpid())
			_exit(1);
		_exit(setsid() == -1 && errno == EPERM ? 0 : 2);
	});
	check("setsid", exited(status, 0));
	check("kill-missing", kill(99999, 0) == -1 && errno == ESRCH);
}

static void test_orphans(void)
{
	check("subreaper", prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	int pipes[2];
	pid_t seen = 0;
	if (pipe(pipes))
		return;
	int status = in_child({
		pid_t first = getpid(), inner = fork();
		if (!inner) {
			while (getppid() == first)
				pause_ms(1);
			pid_t parent = getppid();
			write(pipes[1], &parent, sizeof(parent));
			_exit(6);
		}
		_exit(0);
	});
	check("orphan-parent-exits", exited(status, 0));
	check("orphan-adopted", read(pipes[0], &seen, sizeof(seen)) == sizeof(seen) && seen == getpid());
	check("orphan-reaped-by-subreaper", waitpid(-1, &status, 0) > 0 && exited(status, 6));
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

static void test_many(void)
{
	int count = 0, status;
	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();
		if (!pid)
			_exit(i);
		count += pid > 0;
	}
	int seen = 0, sum = 0;
	while (waitpid(-1, &status, 0) > 0) {
		seen++;
		sum += WEXITSTATUS(status);
	}
	check("many-children", count == 60 && seen == 60 && sum == 59 * 60 / 2);
}

static void test_pidfd(void)
{
	pid_t pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	check("pidfd-open", fd >= 0);
	check("pidfd-signal", syscall(SYS_pidfd_send_signal, fd, SIGTERM, 0, 0) == 0);
	siginfo_t info;
	check("pidfd-wait",
	      waitid(3 /* P_PIDFD */, (id_t)fd, &info, WEXITED) == 0 && info.si_status == SIGTERM);
	close(fd);
}

/* clone3(2) with numbers: the number, or -1. */
static long clone_as(const int *numbers, unsigned long count, unsigned long flags)
{
	struct {
		unsigned long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
		    numbers, count, cgroup;
	} args = {.flags = flags, .exit_signal = SIGCHLD, .numbers = (unsigned long)numbers, .count = count};
	fflush(stdout);
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(getpid() == numbers[0] && (int)syscall(SYS_gettid) == numbers[0] ? 7 : 8);
	return pid;
}

static int refuses(int error, const int *numbers, unsigned long count, unsigned long flags)
{
	long pid = clone_as(numbers, count, flags);
	if (pid > 0)
		waitpid((pid_t)pid, 0, 0);
	return pid == -1 && errno == error;
}

static void test_numbers(void)
{
	int wanted = 20000, status, many[33] = {1, 20001};
	while (kill(wanted, 0) == 0)
		wanted++;
	const int one[] = {wanted}, zero[] = {0}, below[] = {-1}, beyond[] = {1 << 23}, own[] = {getpid()};
	for (int i = 0; i < 2; i++) {
		check("number-given", clone_as(one, 1, 0) == wanted);
		check("number-used", refuses(EEXIST, one, 1, 0)); /* it waits for its parent still */
		check("number-seen", waitpid(wanted, &status, 0) == wanted && exited(status, 7));
	}
	check("number-own", refuses(EEXIST, own, 1, 0));
	check("number-zero", refuses(EINVAL, zero, 1, 0));
	check("number-negative", refuses(EINVAL, below, 1, 0));
	check("number-too-large", refuses(EINVAL, beyond, 1, 0));
	check("numbers-of-too-many", refuses(EINVAL, many, 33, 0) && refuses(EINVAL, many, 32, 0));
	check("numbers-without-count", refuses(EINVAL, one, 0, 0));
	check("count-without-numbers", refuses(EINVAL, 0, 1, 0));
	check("numbers-nowhere", refuses(EFAULT, (const int *)64, 1, 0));
	check("first-of-a-namespace", refuses(EINVAL, one, 1, CLONE_NEWPID));
	many[1] = wanted;
	check("numbers-of-both", clone_as(many, 2, CLONE_NEWPID) == wanted &&
	                             waitpid(wanted, &status, 0) == wanted && exited(status, 7));
	check("number-used-outside", refuses(EEXIST, (const int[]){1, getpid()}, 2, CLONE_NEWPID));
	check("number-inside-alone", (status = (int)clone_as(many, 1, CLONE_NEWPID)) > 0 && status != 1 &&
	                                 waitpid(status, &status, 0) > 0 && exited(status, 7));
	status = in_child({
		if (setresuid(1000, 1000, 1000))
			_exit(1);
		_exit(refuses(EPERM, one, 1, 0) && refuses(EPERM, own, 1, 0) && refuses(EINVAL, zero, 1, 0)
		          ? 0
		          : 2);
	});
	check("number-without-capability", exited(status, 0));
}

static uint64_t lane(void)
{
	uint64_t value;
	__asm__ volatile("movq %%xmm13, %0" : "=r"(value));
	return value;
}

/* A child begins with its parent's vector registers and rounding, whatever thread it gets, and changes its own alone. */
static void test_vector(void)
{
	enum { ROUNDS = 40 };
	int good = 0;
	unsigned before, after;
	__asm__ volatile("stmxcsr %0" : "=m"(before));
	for (uint64_t i = 0; i < ROUNDS; i++) {
		unsigned rounding = (before & ~0x6000u) | (unsigned)(i % 4) << 13, seen;
		uint64_t value = i * 0x0101010101010101ull;
		fflush(stdout);
		__asm__ volatile("ldmxcsr %0; movq %1, %%xmm13" : : "m"(rounding), "r"(value) : "xmm13");
		long pid = syscall(SYS_fork);
		__asm__ volatile("stmxcsr %0" : "=m"(seen));
		int same = lane() == value && seen == rounding;
		if (!pid) {
			__asm__ volatile("ldmxcsr %0; movq %1, %%xmm13"
			                 :
			                 : "m"(before), "r"(~value)
			                 : "xmm13");
			syscall(SYS_exit_group, same ? 7 : 8);
		}
		int status = -1;
		syscall(SYS_wait4, pid, &status, 0, 0);
		good += same && exited(status, 7) && lane() == value;
	}
	__asm__ volatile("stmxcsr %0; ldmxcsr %1" : "=m"(after) : "m"(before));
	check("child-begins-with-its-parents-vector-state", good == ROUNDS);
	check("parent-keeps-its-own", (after & 0x6000) == ((ROUNDS - 1) % 4) << 13);
}

int main(void)
{
	test_fork();
	test_vector();
	test_vfork();
	test_wait();
	test_groups();
	test_orphans();
	test_many();
	test_pidfd();
	test_numbers();
	return check_failures != 0;
}
