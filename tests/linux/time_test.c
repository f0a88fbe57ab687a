/* Clocks, sleeping, interval timers, POSIX timers, limits, random numbers, ids. */
#define _GNU_SOURCE
#include "check.h"
#include <sched.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>

static int64_t now_ms(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static volatile sig_atomic_t fired;
static volatile int fired_value;

static void fire(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	fired++;
	fired_value = info->si_value.sival_int;
}

static void test_clocks(void)
{
	struct timespec a, b;
	int forward = 1;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 20000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &b);
		forward &= b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec);
		a = b;
	}
	check("monotonic-never-back", forward);
	struct timespec raw;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &raw);
	clock_gettime(CLOCK_MONOTONIC, &b);
	int64_t apart = (b.tv_sec - raw.tv_sec) * 1000000000 + b.tv_nsec - raw.tv_nsec;
	check("library-and-system-call-agree", apart >= 0 && apart < 100000000);
	check("clock-bad-id", clock_gettime(77, &a) == -1 && errno == EINVAL);
	check("clock-getres", clock_getres(CLOCK_MONOTONIC, &a) == 0 && a.tv_sec == 0);
	int64_t start = now_ms(CLOCK_MONOTONIC), cpu = now_ms(CLOCK_PROCESS_CPUTIME_ID);
	pause_ms(50);
	int64_t took = now_ms(CLOCK_MONOTONIC) - start;
	check("nanosleep-50-ms", took >= 50 && took < 500);
	check("sleep-uses-no-cpu", now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu < 40);
	clock_gettime(CLOCK_MONOTONIC, &a);
	a.tv_nsec += 30000000;
	if (a.tv_nsec >= 1000000000) {
		a.tv_nsec -= 1000000000;
		a.tv_sec++;
	}
	start = now_ms(CLOCK_MONOTONIC);
	check("absolute-sleep", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &a, 0) == 0 &&
	                            now_ms(CLOCK_MONOTONIC) - start >= 29);
	a.tv_nsec = 1000000000;
	check("nanosleep-bad-time", nanosleep(&a, 0) == -1 && errno == EINVAL);
	struct tms tms;
	check("times", times(&tms) != (clock_t)-1);
}

static void test_timers(void)
{
	struct sigaction action = {.sa_sigaction = fire, .sa_flags = SA_SIGINFO};
	sigaction(SIGALRM, &action, 0);
	sigaction(SIGRTMIN, &action, 0);
	struct itimerval once = {.it_value = {0, 20000}}, left;
	setitimer(ITIMER_REAL, &once, 0);
	getitimer(ITIMER_REAL, &left);
	check("getitimer", left.it_value.tv_usec > 0 && left.it_value.tv_usec <= 20000);
	pause();
	check("setitimer-fires", fired == 1);
	struct itimerval every = {.it_value = {0, 10000}, .it_interval = {0, 10000}}, none = {0};
	fired = 0;
	setitimer(ITIMER_REAL, &every, 0);
	for (int i = 0; i < 200 && fired < 3; i++)
		pause_ms(10);
	setitimer(ITIMER_REAL, &none, 0);
	check("setitimer-repeats", fired >= 3);
	check("alarm-cancel", alarm(100) == 0 && alarm(0) == 100);
	timer_t timer;
	struct sigevent event = {
	    .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77};
	check("timer-create", timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	struct itimerspec spec = {.it_value = {0, 20000000}}, now;
	fired = 0;
	timer_settime(timer, 0, &spec, 0);
	check("timer-gettime", timer_gettime(timer, &now) == 0 && now.it_value.tv_nsec > 0);
	pause();
	check("timer-fires-with-value", fired == 1 && fired_value == 77);
	check("timer-delete", timer_delete(timer) == 0 && timer_gettime(timer, &now) == -1);
}

static void spin_until(volatile sig_atomic_t *count, int wanted)
{
	time_t end = time(0) + 20;
	while (*count < wanted && time(0) < end)
		;
}

static volatile sig_atomic_t cpu_signals;
static void on_cpu_signal(int signal)
{
	(void)signal;
	cpu_signals++;
}

static void test_cpu_timers(void)
{
	struct itimerval every = {{0, 5000}, {0, 5000}}, none = {0}, old;
	signal(SIGPROF, on_cpu_signal);
	signal(SIGVTALRM, on_cpu_signal);
	check("setitimer-prof", setitimer(ITIMER_PROF, &every, 0) == 0);
	spin_until(&cpu_signals, 3);
	check("itimer-prof-again-and-again", cpu_signals >= 3);
	check("getitimer-prof", getitimer(ITIMER_PROF, &old) == 0 && old.it_interval.tv_usec == 5000 &&
	                            old.it_value.tv_sec == 0 && old.it_value.tv_usec > 0);
	check("setitimer-off", setitimer(ITIMER_PROF, &none, 0) == 0 && getitimer(ITIMER_PROF, &old) == 0 &&
	                           old.it_value.tv_usec == 0);
	cpu_signals = 0;
	setitimer(ITIMER_VIRTUAL, &every, 0);
	spin_until(&cpu_signals, 1);
	setitimer(ITIMER_VIRTUAL, &none, 0);
	check("itimer-virtual", cpu_signals >= 1);
	cpu_signals = 0;
	every.it_value = (struct timeval){0, 100000};
	setitimer(ITIMER_PROF, &every, 0);
	struct timespec sleep = {0, 300000000};
	nanosleep(&sleep, 0);
	check("itimer-prof-not-while-asleep", cpu_signals == 0);
	setitimer(ITIMER_PROF, &none, 0);

	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
	struct itimerspec once = {.it_value = {0, 20000000}}, left;
	timer_t timer;
	clockid_t own;
	clock_getcpuclockid(0, &own);
	const clockid_t clocks[] = {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, own};
	static const char *const names[] = {"timer-process-cpu", "timer-thread-cpu", "timer-own-cpu"};
	for (int i = 0; i < 3; i++) {
		cpu_signals = 0;
		if (timer_create(clocks[i], &event, &timer) == 0 && timer_settime(timer, 0, &once, 0) == 0)
			spin_until(&cpu_signals, 1);
		check(names[i], cpu_signals == 1 && timer_gettime(timer, &left) == 0 &&
		                    left.it_value.tv_nsec == 0 && timer_delete(timer) == 0);
	}

	int status = in_child({
		struct rlimit limit = {1, 3};
		setrlimit(RLIMIT_CPU, &limit);
		for (;;)
			;
	});
	check("limit-cpu-soft", killed(status, SIGXCPU));
	status = in_child({
		struct rlimit limit = {1, 2};
		signal(SIGXCPU, SIG_IGN);
		setrlimit(RLIMIT_CPU, &limit);
		for (;;)
			;
	});
	check("limit-cpu-hard", killed(status, SIGKILL));
	status = in_child({
		struct rlimit limit = {64 << 20, 64 << 20};
		setrlimit(RLIMIT_AS, &limit);
		void *start = sbrk(0);
		if (sbrk(128 << 20) != (void *)-1 || sbrk(0) != start)
			_exit(1);
		_exit(mmap(0, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 0
		                                                                                      : 2);
	});
	check("limit-address-space", exited(status, 0));
}

static void test_limits(void)
{
	struct rlimit limit;
	check("getrlimit", getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= 256);
	limit.rlim_cur = 20;
	check("setrlimit-nofile", setrlimit(RLIMIT_NOFILE, &limit) == 0);
	int last = 0, fd;
	while ((fd = dup(0)) >= 0)
		last = fd;
	check("descriptor-limit", errno == EMFILE && last == 19);
	while (last > 2)
		close(last--);
	limit.rlim_cur = limit.rlim_max + 1;
	check("setrlimit-above-maximum",
	      limit.rlim_max == RLIM_INFINITY || (setrlimit(RLIMIT_NOFILE, &limit) == -1 && errno == EINVAL));
	struct rusage usage;
	check("getrusage", getrusage(RUSAGE_SELF, &usage) == 0);
	struct sysinfo info;
	check("sysinfo", sysinfo(&info) == 0 && info.totalram > 1 << 20 && info.procs >= 1);
	cpu_set_t set;
	check("getaffinity", sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) >= 1);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	check("setaffinity", sched_setaffinity(0, sizeof(set), &set) == 0 && sched_getcpu() == 0);
	errno = 0;
	check("getpriority", getpriority(PRIO_PROCESS, 0) == 0 && errno == 0);
}

static void test_random(void)
{
	unsigned char a[64] = {0}, b[64] = {0};
	check("getrandom", getrandom(a, 64, 0) == 64 && getrandom(b, 64, 0) == 64 && memcmp(a, b, 64));
	check("getrandom-fault", syscall(SYS_getrandom, (void *)8, 16, 0) == -1 && errno == EFAULT);
	check("unknown-call", syscall(460 + 2000) == -1 && errno == ENOSYS);
}

static void test_ids(void)
{
	uid_t r, e, s;
	check("getresuid", getresuid(&r, &e, &s) == 0 && r == getuid() && e == geteuid());
	if (getuid())
		return;
	int status = in_child({
		gid_t groups[3] = {5, 6, 7};
		gid_t got[3];
		if (setgroups(3, groups) || getgroups(3, got) != 3 || got[2] != 7)
			_exit(1);
		if (setresgid(100, 100, 100) || setresuid(1000, 1000, 1000))
			_exit(2);
		if (getuid() != 1000 || getegid() != 100)
			_exit(3);
		_exit(setuid(0) == -1 && errno == EPERM && setgroups(0, 0) == -1 ? 0 : 4);
	});
	check("drop-root", exited(status, 0));
}

int main(void)
{
	test_clocks();
	test_timers();
	test_cpu_timers();
	test_limits();
	test_random();
	test_ids();
	return check_failures != 0;
}
