/* Signals: handlers, masks, siginfo, queueing, alternate stacks, restarting, faults. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <ucontext.h>

static volatile sig_atomic_t count, last_signal, last_code, last_value;
static volatile pid_t last_pid;
static void *volatile last_address;

static void simple(int signal)
{
	count++;
	last_signal = signal;
}

static void detailed(int signal, siginfo_t *info, void *context)
{
	(void)context;
	count++;
	last_signal = signal;
	last_code = info->si_code;
	last_pid = info->si_pid;
	last_address = info->si_addr;
	last_value = info->si_value.sival_int;
}

static void install(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
	sigaction(signal, &action, 0);
}

static void test_handlers(void)
{
	signal(SIGUSR1, simple);
	count = 0;
	raise(SIGUSR1);
	check("handler-runs", count == 1 && last_signal == SIGUSR1);
	install(SIGUSR2, detailed, 0);
	kill(getpid(), SIGUSR2);
	check("siginfo-user", count == 2 && last_code == SI_USER && last_pid == getpid());
	double a = 1.5, b = 2.25;
	volatile double sum = 0;
	for (int i = 0; i < 50; i++) {
		sum += a * b;
		raise(SIGUSR1);
	}
	check("vector-state-survives", sum == 50 * 1.5 * 2.25);
	install(SIGUSR2, detailed, (int)SA_RESETHAND);
	kill(getpid(), SIGUSR2);
	struct sigaction now;
	sigaction(SIGUSR2, 0, &now);
	check("resethand", now.sa_handler == SIG_DFL);
	check("sigkill-cannot-be-caught", signal(SIGKILL, simple) == SIG_ERR && errno == EINVAL);
}

static void test_masks(void)
{
	sigset_t set, old, pending;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	count = 0;
	raise(SIGUSR1);
	raise(SIGUSR1);
	sigpending(&pending);
	check("blocked-stays-pending", count == 0 && sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_SETMASK, &old, 0);
	check("standard-signal-once", count == 1);
	sigprocmask(SIG_BLOCK, &set, &old);
	count = 0;
	raise(SIGUSR1);
	sigset_t none;
	sigemptyset(&none);
	check("sigsuspend", sigsuspend(&none) == -1 && errno == EINTR && count == 1);
	sigprocmask(0, 0, &none);
	check("sigsuspend-restores-mask", sigismember(&none, SIGUSR1));
	struct timespec soon = {0, 20000000};
	siginfo_t info;
	check("sigtimedwait-timeout", sigtimedwait(&set, &info, &soon) == -1 && errno == EAGAIN);
	raise(SIGUSR1);
	check("sigtimedwait-takes", sigtimedwait(&set, &info, &soon) == SIGUSR1 && count == 1);
	pid_t parent = getpid(), pid = fork();
	if (!pid) {
		pause_ms(30);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	check("sigwaitinfo-wakes", sigwaitinfo(&set, &info) == SIGUSR1 && info.si_pid == pid);
	waitpid(pid, 0, 0);
	sigprocmask(SIG_SETMASK, &old, 0);
}

static int order[8], order_count;

static void record(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	if (order_count < 8)
		order[order_count++] = info->si_value.sival_int;
}

static void test_realtime(void)
{
	sigset_t set, old;
	int signal = SIGRTMIN + 1;
	install(signal, record, 0);
	sigemptyset(&set);
	sigaddset(&set, signal);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (int i = 0; i < 4; i++)
		sigqueue(getpid(), signal, (union sigval){.sival_int = 10 + i});
	sigprocmask(SIG_SETMASK, &old, 0);
	check("realtime-queued-in-order",
	      order_count == 4 && order[0] == 10 && order[1] == 11 && order[2] == 12 && order[3] == 13);
}

static sigjmp_buf jump;

static void jump_out(int signal, siginfo_t *info, void *context)
{
	detailed(signal, info, context);
	siglongjmp(jump, 1);
}

static greg_t told_selectors;

static void skip(int signal, siginfo_t *info, void *context)
{
	ucontext_t *user = context;
	detailed(signal, info, context);
	user->uc_mcontext.gregs[REG_RIP] += 2;
	user->uc_mcontext.gregs[REG_RAX] = 1234;
	told_selectors = user->uc_mcontext.gregs[REG_CSGSFS] & 0xffff;
}

static void test_faults(void)
{
	install(SIGSEGV, jump_out, 0);
	if (!sigsetjmp(jump, 1))
		*(volatile int *)8 = 1;
	check("segv-unmapped",
	      last_signal == SIGSEGV && last_code == SEGV_MAPERR && last_address == (void *)8);
	char *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!sigsetjmp(jump, 1))
		*(volatile char *)(page + 5) = 1;
	check("segv-protected",
	      last_signal == SIGSEGV && last_code == SEGV_ACCERR && last_address == page + 5);
	install(SIGFPE, jump_out, 0);
	if (!sigsetjmp(jump, 1))
		__asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; idiv %%ecx" ::
		                     : "eax", "ecx", "edx");
	check("fpe", last_signal == SIGFPE && last_code == FPE_INTDIV);
	install(SIGILL, skip, 0);
	long value = 0;
	__asm__ volatile("ud2" : "=a"(value) : "a"(0l) : "memory");
	check("handler-edits-context", last_signal == SIGILL && value == 1234);
	unsigned short code;
	__asm__("mov %%cs, %0" : "=r"(code));
	check("code-selector-told", told_selectors == code && code == 0x33); /* Wine compares them */
	install(SIGTRAP, detailed, 0);
	__asm__ volatile("int3");
	check("trap", last_signal == SIGTRAP);
	signal(SIGSEGV, SIG_DFL);
	int status = in_child(*(volatile int *)16 = 1);
	check("segv-default-kills", killed(status, SIGSEGV));
	status = in_child({
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, 0);
		*(volatile int *)16 = 1;
	});
	check("blocked-segv-kills", killed(status, SIGSEGV));
	munmap(page, 4096);
}

static char *volatile handler_stack;
static char alternate[65536];

static void on_stack(int signal, siginfo_t *info, void *context)
{
	char here;
	handler_stack = &here;
	detailed(signal, info, context);
}

static int recurse(int depth)
{
	volatile char block[4096];
	block[0] = (char)depth;
	return depth > 1 << 20 ? 0 : recurse(depth + 1) + block[0];
}

static void overflow(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	(void)context;
	_exit(21);
}

static void test_altstack(void)
{
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, now;
	check("sigaltstack", sigaltstack(&stack, 0) == 0);
	install(SIGUSR1, on_stack, SA_ONSTACK);
	raise(SIGUSR1);
	check("handler-on-altstack",
	      handler_stack >= alternate && handler_stack < alternate + sizeof(alternate));
	check("altstack-query", sigaltstack(0, &now) == 0 && now.ss_sp == alternate && now.ss_flags == 0);
	int status = in_child({
		install(SIGSEGV, overflow, SA_ONSTACK);
		recurse(0);
	});
	check("stack-overflow-on-altstack", exited(status, 21));
}

static void test_restart(void)
{
	int pipes[2];
	char byte;
	if (pipe(pipes))
		return;
	struct sigaction action = {.sa_handler = simple, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &action, 0);
	pid_t parent = getpid(), pid = fork();
	if (!pid) {
		pause_ms(30);
		kill(parent, SIGALRM);
		pause_ms(30);
		write(pipes[1], "r", 1);
		_exit(0);
	}
	count = 0;
	ssize_t got = read(pipes[0], &byte, 1);
	check("read-restarts", got == 1 && byte == 'r' && count == 1);
	waitpid(pid, 0, 0);
	action.sa_flags = 0;
	sigaction(SIGALRM, &action, 0);
	pid = fork();
	if (!pid) {
		pause_ms(30);
		kill(parent, SIGALRM);
		_exit(0);
	}
	got = read(pipes[0], &byte, 1);
	check("read-interrupted", got == -1 && errno == EINTR);
	waitpid(pid, 0, 0);
	pid = fork();
	if (!pid) {
		pause_ms(20);
		kill(parent, SIGALRM);
		_exit(0);
	}
	struct timespec minute = {60, 0}, left = {0, 0};
	check("nanosleep-interrupted", nanosleep(&minute, &left) == -1 && errno == EINTR && left.tv_nsec > 0);
	waitpid(pid, 0, 0);
	pid = fork();
	if (!pid) {
		pause_ms(20);
		kill(parent, SIGSTOP);
		_exit(0);
	}
	waitpid(pid, 0, 0);
	int status = in_child({
		pid_t self = getpid();
		pid_t helper = fork();
		if (!helper) {
			pause_ms(20);
			kill(self, SIGSTOP);
			pause_ms(20);
			kill(self, SIGCONT);
			_exit(0);
		}
		struct timespec start, end;
		clock_gettime(CLOCK_MONOTONIC, &start);
		struct timespec time = {0, 150000000};
		int result = nanosleep(&time, 0);
		clock_gettime(CLOCK_MONOTONIC, &end);
		long ms = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
		_exit(result == 0 && ms >= 149 ? 0 : 1);
	});
	check("sleep-continues-after-stop", exited(status, 0));
	close(pipes[0]);
	int sigpipe = in_child({
		signal(SIGPIPE, SIG_DFL);
		write(pipes[1], "x", 1);
	});
	check("sigpipe", killed(sigpipe, SIGPIPE));
	signal(SIGPIPE, SIG_IGN);
	check("epipe", write(pipes[1], "x", 1) == -1 && errno == EPIPE);
	close(pipes[1]);
}

static void nested(int signal)
{
	static int depth;
	count++;
	if (signal == SIGUSR1 && depth++ == 0) {
		raise(SIGUSR2); /* not blocked: runs inside */
		raise(SIGUSR1); /* blocked until this handler returns */
		last_value = count;
	}
}

static void test_nesting(void)
{
	signal(SIGUSR1, nested);
	signal(SIGUSR2, nested);
	count = 0;
	raise(SIGUSR1);
	check("handlers-nest", count == 3 && last_value == 2);
}

static volatile sig_atomic_t waits;

static void *wait_on_futex(void *unused)
{
	static unsigned word;
	struct timespec patience = {.tv_nsec = 300000000};
	while (!waits)
		usleep(1000);
	errno = 0;
	long result = syscall(SYS_futex, &word, 128 /* FUTEX_WAIT | FUTEX_PRIVATE */, 0, &patience, 0, 0);
	check("another-thread-sees-no-restart-code", result == -1 && (errno == EINTR || errno == ETIMEDOUT));
	return unused;
}

/* A signal for the process waits until its first thread can take it. A second thread that begins to wait meanwhile may
 * be interrupted by it, but must not see how calls are restarted. The first thread is in vfork, which no signal ends. */
static void test_shared(void)
{
	pthread_t thread;
	signal(SIGUSR1, simple);
	count = 0;
	if (pthread_create(&thread, 0, wait_on_futex, 0)) {
		check("another-thread-sees-no-restart-code", 0);
		return;
	}
	pid_t pid = vfork();
	if (!pid) {
		struct timespec child = {.tv_nsec = 100000000};
		kill(getppid(), SIGUSR1);
		waits = 1; /* the memory is the parent's, too */
		nanosleep(&child, 0);
		_exit(0);
	}
	pthread_join(thread, 0);
	int status;
	check("shared-signal-runs-once", waitpid(pid, &status, 0) == pid && count == 1);
}

int main(void)
{
	test_shared();
	test_handlers();
	test_masks();
	test_realtime();
	test_faults();
	test_altstack();
	/* The stop of the parent in test_restart needs a parent that continues it. */
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		test_restart();
		fflush(stdout);
		_exit(check_failures != 0);
	}
	int status;
	while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status))
		kill(pid, SIGCONT);
	check("restart-group", exited(status, 0));
	test_nesting();
	return check_failures != 0;
}
