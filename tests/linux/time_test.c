/* Clocks, sleeping, interval timers, POSIX timers, limits, random numbers, ids. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
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

/* ---- User and system time ---- */

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double cpu_seconds(clockid_t clock)
{
	struct timespec time = {0};
	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Uses the processor until 0.4 s of CPU time are over: in system calls that do much, or in none. */
static void work(int in_calls)
{
	static char buffer[1 << 16];
	int zero = open("/dev/zero", O_RDONLY);
	double end = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) + 0.4;
	while (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) < end)
		for (int i = 0; i < (in_calls ? 16 : 100000); i++) {
			if (in_calls)
				read(zero, buffer, sizeof(buffer));
			else
				__asm__ volatile("");
		}
	close(zero);
}

static int times_of_stat(const char *path, unsigned long times[4])
{
	char text[1024] = {0};
	int file = open(path, O_RDONLY);
	ssize_t bytes = read(file, text, sizeof(text) - 1);
	close(file);
	const char *rest = bytes > 0 ? strrchr(text, ')') : 0;
	return rest && sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
	                      &times[0], &times[1], &times[2], &times[3]) == 4;
}

static void *work_in_thread(void *unused)
{
	work(0);
	return unused;
}

static void test_cpu_times(void)
{
	struct rusage before, usage, child;
	unsigned long stat[4];
	for (int in_calls = 0; in_calls < 2; in_calls++) {
		/* A machine that is itself held up counts that time to whatever it was doing: one run of several is enough. */
		int good = 0, all_there = 1;
		for (int run = 0; run < 10 && !good; run++) {
			getrusage(RUSAGE_SELF, &before);
			work(in_calls);
			getrusage(RUSAGE_SELF, &usage);
			double user = seconds_of(usage.ru_utime) - seconds_of(before.ru_utime);
			double system = seconds_of(usage.ru_stime) - seconds_of(before.ru_stime);
			good = in_calls ? system > user : user > 2 * system;
			all_there &= user + system > 0.35;
		}
		check(in_calls ? "calls-are-system-time" : "loops-are-user-time", good);
		check(in_calls ? "calls-time-is-all-there" : "loops-time-is-all-there", all_there);
	}
	double both = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime),
	       clock = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
	check("user-and-system-are-the-clock's", both <= clock + 0.02 && both > clock - 0.1);
	struct tms tms;
	times(&tms);
	check("times-as-getrusage", tms.tms_utime + tms.tms_stime >= (long)(both * 100) - 2 &&
	                                tms.tms_stime > 10 && tms.tms_utime > 10);
	check("stat-as-getrusage", times_of_stat("/proc/self/stat", stat) &&
	                               stat[0] + stat[1] >= (unsigned long)(both * 100) - 2 && stat[1] > 10 &&
	                               stat[0] > 10);

	pthread_t thread;
	getrusage(RUSAGE_THREAD, &before);
	pthread_create(&thread, 0, work_in_thread, 0);
	pthread_join(thread, 0);
	getrusage(RUSAGE_THREAD, &usage);
	check("thread-usage-is-its-own", seconds_of(usage.ru_utime) - seconds_of(before.ru_utime) < 0.2);
	struct rusage all;
	getrusage(RUSAGE_SELF, &all);
	check("ended-thread-stays-in-process", seconds_of(all.ru_utime) - seconds_of(usage.ru_utime) > 0.3);

	/* Four at once where one processor is allowed: each is told what it used, not how long it took. */
	pid_t children[4];
	struct timespec start, end;
	clock_gettime(CLOCK_MONOTONIC, &start);
	getrusage(RUSAGE_CHILDREN, &before);
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	fflush(stdout);
	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (!children[i]) {
			sched_setaffinity(0, sizeof(set), &set);
			work(i & 1);
			_exit(0);
		}
	}
	double sum = 0;
	for (int i = 0; i < 4; i++) {
		wait4(children[i], 0, 0, &child);
		sum += seconds_of(child.ru_utime) + seconds_of(child.ru_stime);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	double real = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	check("children-together-not-above-real-time", sum > 1.4 && sum <= real * 1.05 + 0.1);
	getrusage(RUSAGE_CHILDREN, &usage);
	double told = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime) - seconds_of(before.ru_utime) -
	              seconds_of(before.ru_stime);
	check("usage-of-children",
	      told > sum - 0.01 && told < sum + 0.01 && seconds_of(usage.ru_stime) > 0.05);
	check("stat-of-children",
	      times_of_stat("/proc/self/stat", stat) && stat[2] + stat[3] + 2 >= (unsigned long)(told * 100));

	/* The interval timer of user time counts no calls. */
	struct itimerval timer = {{0, 0}, {1000, 0}}, left, off = {0};
	double virtual = 0, profiled = 0;
	for (int run = 0; run < 10 && !(profiled > 0.35 && virtual < profiled - 0.15); run++) {
		setitimer(ITIMER_VIRTUAL, &timer, 0);
		setitimer(ITIMER_PROF, &timer, 0);
		work(1);
		getitimer(ITIMER_VIRTUAL, &left);
		virtual = 1000 - seconds_of(left.it_value);
		getitimer(ITIMER_PROF, &left);
		profiled = 1000 - seconds_of(left.it_value);
		setitimer(ITIMER_VIRTUAL, &off, 0);
		setitimer(ITIMER_PROF, &off, 0);
	}
	check("itimer-virtual-counts-user-time", profiled > 0.35 && virtual < profiled - 0.15);

	/* A clock of another process; it does not go on when that is stopped. */
	pid_t other = fork();
	if (!other)
		for (;;)
			;
	clockid_t id;
	check("getcpuclockid", clock_getcpuclockid(other, &id) == 0);
	while (cpu_seconds(id) < 0.1)
		pause_ms(5);
	kill(other, SIGSTOP);
	int status;
	waitpid(other, &status, WUNTRACED);
	pause_ms(20);
	double stopped = cpu_seconds(id);
	pause_ms(50);
	check("stopped-uses-nothing", cpu_seconds(id) == stopped && stopped >= 0.1);
	kill(other, SIGKILL);
	waitpid(other, 0, 0);
	struct timespec gone;
	check("clock-of-gone-process", clock_gettime(id, &gone) == -1 && errno == EINVAL);
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
	test_cpu_times();
	test_limits();
	test_random();
	test_ids();
	return check_failures != 0;
}
