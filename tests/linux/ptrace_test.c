/* ptrace(2): who may trace, what stops a tracee and how it is reported, what a tracer may read and change. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include "check.h"

#define fails(call, number) ((call) == -1 && errno == (number))
#define EVENT(event)        (SIGTRAP | (event) << 8)

static int ended(int status, int code)
{
	return exited(status, code);
}

static int ended_by(int status, int signal)
{
	return killed(status, signal);
}

static int stopped(int status, int code)
{
	return WIFSTOPPED(status) && status >> 8 == code;
}

static long pt(int request, pid_t pid, uintptr_t address, uintptr_t data)
{
	errno = 0;
	return syscall(SYS_ptrace, (long)request, (long)pid, address, data);
}

static int wait_for(pid_t pid)
{
	int status = -1;
	if (waitpid(pid, &status, __WALL) != pid)
		return -1;
	return status;
}

/* A child that is traced, in its first stop (SIGSTOP), and goes on with FUNCTION. */
static pid_t traced(void (*function)(void), unsigned options)
{
	pid_t pid = fork();
	if (!pid) {
		pt(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		function();
		_exit(7);
	}
	int status = wait_for(pid);
	if (!stopped(status, SIGSTOP))
		return -1;
	if (options)
		pt(PTRACE_SETOPTIONS, pid, 0, options);
	return pid;
}

/* Lets PID go with REQUEST and SIGNAL, and waits for what becomes of it. */
static int resume(int request, pid_t pid, int signal)
{
	if (pt(request, pid, 0, (uintptr_t)signal))
		return -1;
	return wait_for(pid);
}

static void nothing(void)
{
}

static volatile long word = 0x1122334455667788;
static const long read_only = 0x0123456789abcdef;

static void call_getppid(void)
{
	long answer = syscall(SYS_getppid);
	_exit(answer == 4242 ? 11 : answer == getppid() ? 12 : 13);
}

static void basics(void)
{
	pid_t pid = traced(call_getppid, PTRACE_O_TRACESYSGOOD);
	long seen = 0;
	siginfo_t info;
	check("traceme-stop", pid > 0);
	check("peek", !pt(PTRACE_PEEKDATA, pid, (uintptr_t)&word, (uintptr_t)&seen) && seen == word);
	check("poke", !pt(PTRACE_POKEDATA, pid, (uintptr_t)&word, 99) &&
	                  !pt(PTRACE_PEEKDATA, pid, (uintptr_t)&word, (uintptr_t)&seen) && seen == 99);
	check("poke-read-only", !pt(PTRACE_POKETEXT, pid, (uintptr_t)&read_only, 5) &&
	                            !pt(PTRACE_PEEKTEXT, pid, (uintptr_t)&read_only, (uintptr_t)&seen) &&
	                            seen == 5 && *(volatile const long *)&read_only == 0x0123456789abcdef);
	check("peek-nowhere", fails(pt(PTRACE_PEEKDATA, pid, 8, (uintptr_t)&seen), EIO));
	check("siginfo", !pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info) && info.si_signo == SIGSTOP &&
	                     info.si_code == SI_TKILL && info.si_pid == pid);
	/* Entry and exit of system calls. */
	int status;
	struct user_regs_struct registers;
	struct __ptrace_syscall_info call;
	do {
		status = resume(PTRACE_SYSCALL, pid, 0);
		pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&registers);
	} while (stopped(status, SIGTRAP | 0x80) && registers.orig_rax != SYS_getppid);
	check("entry", stopped(status, SIGTRAP | 0x80) && registers.orig_rax == SYS_getppid &&
	                   (long)registers.rax == -ENOSYS);
	long size = pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof(call), (uintptr_t)&call);
	check("entry-info", size == 80 && call.op == PTRACE_SYSCALL_INFO_ENTRY &&
	                        call.entry.nr == SYS_getppid && call.arch == AUDIT_ARCH_X86_64 &&
	                        call.instruction_pointer == registers.rip &&
	                        call.stack_pointer == registers.rsp);
	unsigned long message = 0;
	check("entry-message", !pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&message) && message == 1);
	status = resume(PTRACE_SYSCALL, pid, 0);
	size = pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof(call), (uintptr_t)&call);
	check("exit-info", stopped(status, SIGTRAP | 0x80) && size == 33 &&
	                       call.op == PTRACE_SYSCALL_INFO_EXIT && call.exit.rval == getpid() &&
	                       !call.exit.is_error);
	pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&registers);
	registers.rax = 4242;
	check("setregs", !pt(PTRACE_SETREGS, pid, 0, (uintptr_t)&registers));
	status = resume(PTRACE_CONT, pid, 0);
	check("changed-result", ended(status, 11));
}

static void call_left_out(void)
{
	_exit(syscall(SYS_getppid) == -ENOSYS || errno == ENOSYS ? 21 : 22);
}

static void registers(void)
{
	pid_t pid = traced(call_left_out, PTRACE_O_TRACESYSGOOD);
	struct user_regs_struct one = {0}, two = {0};
	struct user_fpregs_struct fp;
	struct iovec vector = {&two, sizeof(two)};
	char state[16384] __attribute__((aligned(64)));
	pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&one);
	check("getregset", !pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&vector) &&
	                       vector.iov_len == sizeof(two) && !memcmp(&one, &two, sizeof(one)));
	check("segments", one.cs == 0x33 && one.ss == 0x2b && one.fs_base);
	vector.iov_len = 40;
	check("regset-part",
	      !pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&vector) && vector.iov_len == 40);
	vector.iov_len = 41;
	check("regset-odd", fails(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&vector), EINVAL));
	vector.iov_len = 64;
	check("regset-unknown", fails(pt(PTRACE_GETREGSET, pid, 0x777, (uintptr_t)&vector), EINVAL));
	long value = 0;
	check("peekuser", !pt(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), (uintptr_t)&value) &&
	                      (unsigned long)value == one.rip);
	check("peekuser-odd", fails(pt(PTRACE_PEEKUSER, pid, 3, (uintptr_t)&value), EIO));
	check("peekuser-beyond", fails(pt(PTRACE_PEEKUSER, pid, 1024, (uintptr_t)&value), EIO));
	check("pokeuser", !pt(PTRACE_POKEUSER, pid, offsetof(struct user, regs.r15), 77) &&
	                      !pt(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.r15), (uintptr_t)&value) &&
	                      value == 77);
	pt(PTRACE_POKEUSER, pid, offsetof(struct user, regs.r15), one.r15);
	check("segment-refused", fails(pt(PTRACE_POKEUSER, pid, offsetof(struct user, regs.cs), 0x10), EIO));
	check("base-refused",
	      fails(pt(PTRACE_POKEUSER, pid, offsetof(struct user, regs.fs_base), ~0ul), EIO));
	check("getfpregs", !pt(PTRACE_GETFPREGS, pid, 0, (uintptr_t)&fp) && fp.cwd == 0x37f);
	fp.xmm_space[0] = 0x12345678;
	check("setfpregs", !pt(PTRACE_SETFPREGS, pid, 0, (uintptr_t)&fp));
	vector = (struct iovec){state, sizeof(state)};
	long got = pt(PTRACE_GETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&vector);
	check("xstate", (got == 0 && vector.iov_len >= 576 && *(unsigned *)(state + 160) == 0x12345678) ||
	                    (got == -1 && errno == ENODEV));
	check("xstate-set", got ? 1 : !pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&vector));
	memset(state + 512, 0xff, 64);
	check("xstate-bad",
	      got ? 1 : fails(pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&vector), EINVAL));
	/* A call left out. */
	int status;
	do {
		status = resume(PTRACE_SYSCALL, pid, 0);
		pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&one);
	} while (stopped(status, SIGTRAP | 0x80) && one.orig_rax != SYS_getppid);
	check("pokeuser-number", !pt(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), -1));
	status = resume(PTRACE_SYSCALL, pid, 0);
	pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&one);
	check("left-out-exit", stopped(status, SIGTRAP | 0x80) && (long)one.rax == -ENOSYS);
	check("left-out", ended(resume(PTRACE_CONT, pid, 0), 21));
}

static volatile int handled;
static void on_signal(int signal)
{
	handled = signal;
}

static void raise_signals(void)
{
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	raise(SIGUSR1);
	if (handled)
		_exit(1);
	raise(SIGUSR1);
	if (handled != SIGUSR2)
		_exit(2);
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	raise(SIGTERM);
	_exit(3);
}

static void signals(void)
{
	pid_t pid = traced(raise_signals, 0);
	int status = resume(PTRACE_CONT, pid, 0);
	siginfo_t info;
	check("signal-stop", stopped(status, SIGUSR1));
	status = resume(PTRACE_CONT, pid, 0);
	check("signal-suppressed", stopped(status, SIGUSR1));
	status = resume(PTRACE_CONT, pid, SIGUSR2);
	check("signal-ignored-seen", stopped(status, SIGUSR1));
	pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info);
	info.si_value.sival_int = 5;
	check("setsiginfo", !pt(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&info));
	status = resume(PTRACE_CONT, pid, SIGUSR1);
	check("signal-default", stopped(status, SIGTERM));
	check("bad-signal", fails(pt(PTRACE_CONT, pid, 0, 100), EIO));
	unsigned long mask = 0;
	check("getsigmask", !pt(PTRACE_GETSIGMASK, pid, 8, (uintptr_t)&mask) && mask == 0);
	mask = 1ul << (SIGHUP - 1) | 1ul << (SIGKILL - 1);
	check("setsigmask", !pt(PTRACE_SETSIGMASK, pid, 8, (uintptr_t)&mask) &&
	                        !pt(PTRACE_GETSIGMASK, pid, 8, (uintptr_t)&mask) &&
	                        mask == 1ul << (SIGHUP - 1));
	check("sigmask-size", fails(pt(PTRACE_GETSIGMASK, pid, 4, (uintptr_t)&mask), EINVAL));
	kill(pid, SIGHUP);
	struct __ptrace_peeksiginfo_args want = {.off = 0, .flags = PTRACE_PEEKSIGINFO_SHARED, .nr = 4};
	siginfo_t pending[4];
	check("peeksiginfo", pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&want, (uintptr_t)pending) == 1 &&
	                         pending[0].si_signo == SIGHUP && pending[0].si_pid == getpid());
	check("killed-by-signal", ended_by(resume(PTRACE_CONT, pid, SIGTERM), SIGTERM));
}

static void count_steps(void)
{
	__asm__ volatile("nop\nnop\nnop\nnop\nnop\nnop");
	syscall(SYS_getppid);
	syscall(SYS_exit_group, 31);
}

static void steps(void)
{
	pid_t pid = traced(count_steps, 0);
	struct user_regs_struct before, after;
	int status = 0, nops = 0, calls = 0, flags = 0, bound = 0;
	siginfo_t info = {0};
	for (; bound < 100000; bound++) {
		pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&before);
		long code = 0;
		pt(PTRACE_PEEKTEXT, pid, before.rip, (uintptr_t)&code);
		status = resume(PTRACE_SINGLESTEP, pid, 0);
		if (!stopped(status, SIGTRAP))
			break;
		pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&after);
		pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info);
		flags |= after.eflags & 0x100;
		if ((code & 0xff) == 0x90 && after.rip == before.rip + 1 && info.si_code == TRAP_TRACE)
			nops++;
		if ((code & 0xffff) == 0x050f && after.rip == before.rip + 2)
			calls++;
	}
	check("step", nops >= 6);
	check("step-calls", calls >= 1);
	check("step-flag-hidden", !flags);
	check("step-end", ended(status, 31));
}

static void hit_breakpoint(void)
{
	__asm__ volatile("int3");
	_exit(41);
}

static void breakpoint(void)
{
	pid_t pid = traced(hit_breakpoint, 0);
	siginfo_t info = {0};
	int status = resume(PTRACE_CONT, pid, 0);
	pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info);
	check("breakpoint", stopped(status, SIGTRAP) && info.si_code == SI_KERNEL);
	check("breakpoint-on", ended(resume(PTRACE_CONT, pid, 0), 41));
}

static volatile long watched;
static void write_watched(void)
{
	for (volatile int i = 0; i < 50; i++)
		;
	watched = 1;
	watched = 2;
	_exit((int)watched + 50);
}

static void watchpoint(void)
{
	pid_t pid = traced(write_watched, 0);
	long value = 0, status_register = 0;
	check("debug-address",
	      !pt(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]), (uintptr_t)&watched));
	check("debug-native", pt(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[1]), ~0ul) == -1);
	check("debug-control",
	      !pt(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 1 | 1 << 16 | 2 << 18));
	int status = resume(PTRACE_CONT, pid, 0);
	pt(PTRACE_PEEKDATA, pid, (uintptr_t)&watched, (uintptr_t)&value);
	pt(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[6]), (uintptr_t)&status_register);
	check("watch-first", stopped(status, SIGTRAP) && value == 1 && (status_register & 1));
	status = resume(PTRACE_CONT, pid, 0);
	pt(PTRACE_PEEKDATA, pid, (uintptr_t)&watched, (uintptr_t)&value);
	check("watch-second", stopped(status, SIGTRAP) && value == 2);
	pt(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 0);
	check("watch-end", ended(resume(PTRACE_CONT, pid, 0), 52));
}

static void fork_twice(void)
{
	int status = in_child(_exit(5));
	pid_t pid = vfork();
	if (!pid)
		_exit(6);
	waitpid(pid, 0, 0);
	_exit(ended(status, 5) ? 61 : 62);
}

static void events(void)
{
	pid_t pid = traced(fork_twice, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE |
	                                   PTRACE_O_TRACEEXIT);
	int status = resume(PTRACE_CONT, pid, 0);
	unsigned long child = 0, same = 0;
	check("event-fork", stopped(status, EVENT(PTRACE_EVENT_FORK)) &&
	                        !pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&child) && child > 1);
	status = wait_for((pid_t)child);
	check("child-stop", stopped(status, SIGSTOP));
	pt(PTRACE_CONT, pid, 0, 0);
	status = resume(PTRACE_CONT, (pid_t)child, 0);
	check("child-exit-event", stopped(status, EVENT(PTRACE_EVENT_EXIT)) &&
	                              !pt(PTRACE_GETEVENTMSG, (pid_t)child, 0, (uintptr_t)&same) &&
	                              same == 5 << 8);
	check("child-exit", ended(resume(PTRACE_CONT, (pid_t)child, 0), 5));
	/* The real parent hears of the end after its tracer. */
	status = wait_for(pid);
	check("parent-sigchld", stopped(status, SIGCHLD));
	status = resume(PTRACE_CONT, pid, SIGCHLD);
	check("event-vfork", stopped(status, EVENT(PTRACE_EVENT_VFORK)));
	pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&child);
	wait_for((pid_t)child);
	pt(PTRACE_CONT, (pid_t)child, 0, 0);
	wait_for((pid_t)child);
	pt(PTRACE_CONT, pid, 0, 0);
	pt(PTRACE_CONT, (pid_t)child, 0, 0);
	check("vfork-child", ended(wait_for((pid_t)child), 6));
	int done = 0;
	for (status = wait_for(pid); WIFSTOPPED(status);
	     status = resume(PTRACE_CONT, pid, WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status)))
		done |= stopped(status, EVENT(PTRACE_EVENT_VFORK_DONE)) ? 1
		        : stopped(status, EVENT(PTRACE_EVENT_EXIT))     ? 2
		                                                        : 0;
	check("events-rest", done == 3 && ended(status, 61));
}

static void run_self(void)
{
	char *arguments[] = {"ptrace_test", "exit", 0};
	execv("/proc/self/exe", arguments);
	_exit(1);
}

static void execs(void)
{
	pid_t pid = traced(run_self, 0);
	int status = resume(PTRACE_CONT, pid, 0);
	check("exec-trap", stopped(status, SIGTRAP));
	check("exec-end", ended(resume(PTRACE_CONT, pid, 0), 71));
	pid = traced(run_self, PTRACE_O_TRACEEXEC);
	status = resume(PTRACE_CONT, pid, 0);
	unsigned long old = 0;
	pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&old);
	check("exec-event", stopped(status, EVENT(PTRACE_EVENT_EXEC)) && old == (unsigned long)pid);
	check("exec-event-end", ended(resume(PTRACE_CONT, pid, 0), 71));
}

static pthread_barrier_t barrier;
static void *thread_exec(void *argument)
{
	pthread_barrier_wait(&barrier);
	if (argument)
		run_self();
	for (;;)
		pause();
}
static void threads_exec(void)
{
	pthread_t other;
	pthread_barrier_init(&barrier, 0, 3);
	pthread_create(&other, 0, thread_exec, 0);
	pthread_create(&other, 0, thread_exec, &barrier);
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
}

static void *thread_short(void *argument)
{
	return argument;
}
static void threads_end(void)
{
	pthread_t one;
	pthread_create(&one, 0, thread_short, 0);
	pthread_join(one, 0);
	_exit(81);
}

static void threads(void)
{
	pid_t pid = traced(threads_end, PTRACE_O_TRACECLONE);
	int status = resume(PTRACE_CONT, pid, 0);
	unsigned long tid = 0;
	check("event-clone", stopped(status, EVENT(PTRACE_EVENT_CLONE)) &&
	                         !pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&tid) &&
	                         tid != (unsigned long)pid);
	status = wait_for((pid_t)tid);
	check("thread-stop", stopped(status, SIGSTOP));
	pt(PTRACE_CONT, pid, 0, 0);
	status = resume(PTRACE_CONT, (pid_t)tid, 0); /* the leader may end all before the thread has gone */
	check("thread-exit", ended(status, 0) || ended(status, 81));
	check("thread-gone", fails(waitpid((pid_t)tid, &status, __WALL), ECHILD));
	check("threads-end", ended(wait_for(pid), 81));
	/* exec by a thread that is not the leader: it gets the leader's number. */
	pid = traced(threads_exec, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
	pt(PTRACE_CONT, pid, 0, 0);
	int execs = 0, clones = 0, ends = 0;
	unsigned long old = 0;
	for (;;) {
		pid_t got = waitpid(-1, &status, __WALL);
		if (got < 0)
			break;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			ends++;
			if (got == pid)
				break;
			continue;
		}
		clones += stopped(status, EVENT(PTRACE_EVENT_CLONE));
		if (stopped(status, EVENT(PTRACE_EVENT_EXEC))) {
			execs += got == pid;
			pt(PTRACE_GETEVENTMSG, got, 0, (uintptr_t)&old);
		}
		pt(PTRACE_CONT, got, 0, 0);
	}
	check("thread-exec", clones == 2 && execs == 1 && old && old != (unsigned long)pid &&
	                         ended(status, 71) && ends >= 2);
}

static void wait_long(void)
{
	for (;;)
		pause();
}

static void group_stop(void)
{
	pid_t pid = fork();
	int status;
	if (!pid)
		wait_long();
	check("seize", !pt(PTRACE_SEIZE, pid, 0, 0));
	check("seize-twice", fails(pt(PTRACE_SEIZE, pid, 0, 0), EPERM));
	check("running-refused", fails(pt(PTRACE_CONT, pid, 0, 0), ESRCH));
	check("interrupt", !pt(PTRACE_INTERRUPT, pid, 0, 0));
	status = wait_for(pid);
	check("interrupt-stop", stopped(status, EVENT(PTRACE_EVENT_STOP)));
	check("listen-refused-later", !pt(PTRACE_CONT, pid, 0, 0));
	kill(pid, SIGSTOP);
	check("stop-signal", stopped(wait_for(pid), SIGSTOP));
	status = resume(PTRACE_CONT, pid, SIGSTOP);
	check("group-stop", stopped(status, SIGSTOP | PTRACE_EVENT_STOP << 8));
	check("listen", !pt(PTRACE_LISTEN, pid, 0, 0));
	check("listening", fails(pt(PTRACE_CONT, pid, 0, 0), ESRCH));
	kill(pid, SIGCONT);
	status = wait_for(pid);
	check("continued", stopped(status, EVENT(PTRACE_EVENT_STOP)));
	status = resume(PTRACE_CONT, pid, 0);
	check("sigcont", stopped(status, SIGCONT));
	check("detach", !pt(PTRACE_DETACH, pid, 0, 0));
	check("detached", fails(pt(PTRACE_INTERRUPT, pid, 0, 0), ESRCH));
	kill(pid, SIGKILL);
	check("killed-after", ended_by(wait_for(pid), SIGKILL));
	/* Without SEIZE, a group stop has no information of its own. */
	pid = traced(wait_long, 0);
	siginfo_t info;
	check("stop-injected", stopped(resume(PTRACE_CONT, pid, SIGSTOP), SIGSTOP));
	check("group-no-info", fails(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info), EINVAL));
	check("kill", !pt(PTRACE_KILL, pid, 0, 0));
	check("kill-end", ended_by(wait_for(pid), SIGKILL));
}

static void attach(void)
{
	int fds[2], status;
	char byte, line[4096], path[64];
	pipe(fds);
	pid_t pid = fork();
	if (!pid) {
		char c;
		read(fds[0], &c, 1); /* goes on after the attach */
		_exit(c == 'x' ? 91 : 92);
	}
	pause_ms(30);
	check("attach", !pt(PTRACE_ATTACH, pid, 0, 0));
	status = wait_for(pid);
	check("attach-stop", stopped(status, SIGSTOP));
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	int fd = open(path, O_RDONLY);
	line[read(fd, line, sizeof(line) - 1)] = 0;
	close(fd);
	char *tracer = strstr(line, "TracerPid:");
	check("tracer-pid", tracer && atoi(tracer + 10) == getpid());
	check("tracing-stop", strstr(line, "t (tracing stop)") != 0);
	struct user_regs_struct registers;
	pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&registers);
	check("attach-in-call", registers.orig_rax == SYS_read && (long)registers.rax == -512);
	/* /proc/PID/mem */
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	int mem = open(path, O_RDWR);
	long value = 0, wanted = 1234;
	check("mem-read", pread(mem, &value, 8, (off_t)(uintptr_t)&word) == 8 && value == word);
	check("mem-write", pwrite(mem, &wanted, 8, (off_t)(uintptr_t)&read_only) == 8 &&
	                       pread(mem, &value, 8, (off_t)(uintptr_t)&read_only) == 8 && value == 1234);
	check("mem-nowhere", fails(pread(mem, &value, 8, 16), EIO));
	check("detach-signal-bad", fails(pt(PTRACE_DETACH, pid, 0, 1000), EIO));
	check("detach-on", !pt(PTRACE_DETACH, pid, 0, 0));
	byte = 'x';
	write(fds[1], &byte, 1);
	check("call-restarted", ended(wait_for(pid), 91));
	check("mem-dead", pread(mem, &value, 8, (off_t)(uintptr_t)&word) == 0);
	close(mem);
	close(fds[0]);
	close(fds[1]);
}

static void permissions(void)
{
	check("nobody", fails(pt(PTRACE_ATTACH, 999999, 0, 0), ESRCH));
	check("self", fails(pt(PTRACE_ATTACH, getpid(), 0, 0), EPERM));
	check("bad-options", fails(pt(PTRACE_SEIZE, getpid(), 0, 0x40000000), EIO));
	pid_t pid = traced(nothing, 0);
	check("options-bad", fails(pt(PTRACE_SETOPTIONS, pid, 0, 0x40000000), EINVAL));
	check("request-bad", fails(pt(0x5555, pid, 0, 0), EIO));
	check("interrupt-unseized", fails(pt(PTRACE_INTERRUPT, pid, 0, 0), EIO));
	check("listen-unseized", fails(pt(PTRACE_LISTEN, pid, 0, 0), EIO));
	int status = in_child(_exit(fails(pt(PTRACE_CONT, pid, 0, 0), ESRCH) ? 3 : 4));
	check("not-tracer", ended(status, 3));
	check("end", ended(resume(PTRACE_CONT, pid, 0), 7));
	if (getuid())
		return;
	pid = fork();
	if (!pid)
		wait_long();
	status = in_child({
		setgid(65534);
		setuid(65534);
		_exit(fails(pt(PTRACE_ATTACH, pid, 0, 0), EPERM) ? 3 : 4);
	});
	check("other-user", ended(status, 3));
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
}

static void exit_kill(void)
{
	int fds[2];
	pid_t tracee = 0;
	pipe(fds);
	pid_t tracer = fork();
	if (!tracer) {
		pid_t pid = traced(wait_long, PTRACE_O_EXITKILL);
		write(fds[1], &pid, sizeof(pid));
		_exit(0);
	}
	read(fds[0], &tracee, sizeof(tracee));
	waitpid(tracer, 0, 0);
	int gone = 0;
	for (int i = 0; i < 500 && !gone; i++) {
		gone = kill(tracee, 0) && errno == ESRCH;
		if (!gone) /* it may be ours to reap */
			waitpid(tracee, 0, WNOHANG);
		char path[64], line[256] = "";
		snprintf(path, sizeof(path), "/proc/%d/stat", tracee);
		int fd = open(path, O_RDONLY);
		if (fd >= 0)
			read(fd, line, sizeof(line) - 1);
		close(fd);
		gone |= strstr(line, ") Z ") != 0;
		pause_ms(10);
	}
	check("exitkill", gone);
	close(fds[0]);
	close(fds[1]);
}

static void filtered(void)
{
	struct sock_filter program[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 37),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog all = {4, program};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all);
	_exit(syscall(SYS_getppid) == 555 ? 101 : 102);
}

static void seccomp_trace(void)
{
	pid_t pid = traced(filtered, PTRACE_O_TRACESECCOMP);
	int status = resume(PTRACE_CONT, pid, 0);
	unsigned long message = 0;
	pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&message);
	check("seccomp-event", stopped(status, EVENT(PTRACE_EVENT_SECCOMP)) && message == 37);
	struct __ptrace_syscall_info call = {0};
	check("seccomp-info", pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof(call), (uintptr_t)&call) == 84 &&
	                          call.op == PTRACE_SYSCALL_INFO_SECCOMP && call.seccomp.ret_data == 37 &&
	                          call.seccomp.nr == SYS_getppid);
	struct user_regs_struct registers;
	pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&registers);
	registers.orig_rax = (unsigned long)-1;
	registers.rax = 555;
	pt(PTRACE_SETREGS, pid, 0, (uintptr_t)&registers);
	check("seccomp-answered", ended(resume(PTRACE_CONT, pid, 0), 101));
	pid = traced(filtered, 0);
	check("seccomp-nobody", ended(resume(PTRACE_CONT, pid, 0), 102));
}

static void waiting(void)
{
	siginfo_t info = {0};
	pid_t pid = traced(nothing, 0);
	check("no-report-twice", waitpid(pid, 0, WNOHANG | __WALL) == 0);
	pt(PTRACE_CONT, pid, 0, 0);
	check("waitid", !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) && info.si_code == CLD_EXITED &&
	                    info.si_status == 7);
	check("wait-again", ended(wait_for(pid), 7));
	pid = fork();
	if (!pid) {
		pt(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGUSR1);
		_exit(0);
	}
	check("waitid-trapped", !waitid(P_PID, (id_t)pid, &info, WSTOPPED) && info.si_code == CLD_TRAPPED &&
	                            info.si_status == SIGUSR1);
	check("waitid-end", ended(resume(PTRACE_CONT, pid, 0), 0));
	/* A tracer that is not the parent, and ends. */
	int fds[2];
	char byte;
	pipe(fds);
	pid = fork();
	if (!pid) {
		read(fds[0], &byte, 1);
		_exit(17);
	}
	int status = in_child({
		if (pt(PTRACE_ATTACH, pid, 0, 0) || !stopped(wait_for(pid), SIGSTOP))
			_exit(1);
		pt(PTRACE_CONT, pid, 0, 0);
		_exit(2);
	});
	write(fds[1], "x", 1);
	check("tracer-gone", ended(status, 2) && ended(wait_for(pid), 17));
	close(fds[0]);
	close(fds[1]);
}

int main(int count, char **arguments)
{
	if (count > 1 && !strcmp(arguments[1], "exit"))
		_exit(71);
	basics();
	registers();
	signals();
	steps();
	breakpoint();
	watchpoint();
	events();
	execs();
	threads();
	group_stop();
	attach();
	permissions();
	exit_kill();
	seccomp_trace();
	waiting();
	return check_failures != 0;
}
