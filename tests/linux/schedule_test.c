/* Who runs, and how much, by policy and nice value: sched(7), getpriority(2), the inheritance of PI locks: futex(2). All on one
 * processor, and measured by what programs got done. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "check.h"

#ifndef SCHED_IDLE
#define SCHED_IDLE 5
#endif

/* Shared with the children: what each has done. */
static volatile struct shared {
	unsigned long done[4];
	unsigned lock, go;
} * shared;

static void to_one_processor(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int policy(int policy, int priority)
{
	struct sched_param param = {.sched_priority = priority};
	return sched_setscheduler(0, policy, &param);
}

static void work(int index)
{
	for (;;)
		shared->done[index]++;
}

static pid_t start(int index, int how, int priority, int nice_value)
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		policy(how, priority);
		if (nice_value)
			setpriority(PRIO_PROCESS, 0, nice_value);
		work(index);
	}
	return child;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
}

/* Two that work beside each other until both together have done enough; what the second did, in thousandths of the first. */
static unsigned long beside(int policy1, int priority1, int nice1, int policy2, int priority2, int nice2)
{
	memset((void *)shared, 0, sizeof(*shared));
	pid_t first = start(0, policy1, priority1, nice1);
	pid_t second = start(1, policy2, priority2, nice2);
	for (int i = 0; i < 8; i++)
		pause_ms(100);
	kill(first, SIGKILL); /* both before either is waited for: one may be kept from ending by the other */
	kill(second, SIGKILL);
	waitpid(first, 0, 0);
	waitpid(second, 0, 0);
	unsigned long part = shared->done[1] * 1000 / (shared->done[0] ? shared->done[0] : 1);
	printf("# %d/%d/%d beside %d/%d/%d: %lu thousandths\n", policy2, priority2, nice2, policy1, priority1,
	       nice1, part);
	return part;
}

static void shares(void)
{
	unsigned long part = beside(SCHED_OTHER, 0, 0, SCHED_OTHER, 0, 0);
	check("equal", part > 500 && part < 2000);
	check("nice-19", beside(SCHED_OTHER, 0, 0, SCHED_OTHER, 0, 19) < 125);
	part = beside(SCHED_OTHER, 0, 0, SCHED_OTHER, 0, 5);
	check("nice-5", part > 120 && part < 700);
	check("nice-minus-10", beside(SCHED_OTHER, 0, -10, SCHED_OTHER, 0, 0) < 300);
	check("both-nice", (part = beside(SCHED_OTHER, 0, 19, SCHED_OTHER, 0, 19)) > 400 && part < 2500);
	check("idle", beside(SCHED_OTHER, 0, 0, SCHED_IDLE, 0, 0) < 125);
}

static void real_time(void)
{
	check("fifo-before-other", beside(SCHED_FIFO, 10, 0, SCHED_OTHER, 0, 0) < 250);
	check("rr-before-other", beside(SCHED_RR, 10, 0, SCHED_OTHER, 0, 0) < 250);
	check("higher-before-lower", beside(SCHED_FIFO, 20, 0, SCHED_FIFO, 10, 0) < 20);
	check("higher-before-lower-later", beside(SCHED_RR, 10, 0, SCHED_RR, 20, 0) > 3000);
	/* The second comes from a higher priority, which brings it to the front. */
	check("fifo-lowered-first", beside(SCHED_FIFO, 10, 0, SCHED_FIFO, 10, 0) > 20000);
	unsigned long part = beside(SCHED_RR, 10, 0, SCHED_RR, 10, 0);
	check("rr-in-turn", part > 300 && part < 3500);
	check("not-for-ever", shared->done[0] > 0);
	/* Who asks for a change of another, and of one that runs. */
	memset((void *)shared, 0, sizeof(*shared));
	pid_t first = start(0, SCHED_FIFO, 10, 0), second = start(1, SCHED_OTHER, 0, 0);
	pause_ms(300);
	struct sched_param param = {.sched_priority = 20};
	unsigned long before = shared->done[1];
	check("raise-another", sched_setscheduler(second, SCHED_FIFO, &param) == 0);
	pause_ms(300);
	unsigned long lower = shared->done[0];
	pause_ms(300);
	check("raised",
	      shared->done[1] > before + 100 && shared->done[0] - lower < (shared->done[1] - before) / 10);
	end(second);
	lower = shared->done[0];
	pause_ms(200);
	check("goes-on-when-it-ends", shared->done[0] > lower);
	end(first);
}

/* A thread of low priority has a lock that one of the highest wants; one in between works all the time. Without inheritance it
 * would do twenty times as much meanwhile. */
static void inheritance(void)
{
	memset((void *)shared, 0, sizeof(*shared));
	fflush(stdout);
	pid_t low = fork();
	if (low == 0) {
		policy(SCHED_OTHER, 0);
		syscall(SYS_futex, &shared->lock, FUTEX_LOCK_PI, 0, 0, 0, 0);
		shared->go = 1;
		while (shared->go != 2)
			;
		for (unsigned long i = 0; i < 5000000; i++)
			shared->done[0]++;
		syscall(SYS_futex, &shared->lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
		work(2);
	}
	while (!shared->go)
		pause_ms(5);
	pid_t middle = start(1, SCHED_FIFO, 10, 0);
	while (!shared->done[1])
		pause_ms(5);
	pid_t high = fork();
	if (high == 0) {
		policy(SCHED_FIFO, 20);
		shared->done[3] = shared->done[1];
		shared->go = 2;
		int got = (int)syscall(SYS_futex, &shared->lock, FUTEX_LOCK_PI, 0, 0, 0, 0) == 0;
		_exit(got && shared->done[0] == 5000000 && shared->done[1] - shared->done[3] < 25000000 ? 0
		                                                                                        : 1);
	}
	int status = -1;
	waitpid(high, &status, 0);
	printf("# the owner did %lu, who was between %lu\n", shared->done[0],
	       shared->done[1] - shared->done[3]);
	check("pi-inheritance", exited(status, 0));
	unsigned long after = shared->done[2];
	pause_ms(300);
	check("pi-given-back", shared->done[2] - after < shared->done[1] - shared->done[3]);
	end(middle);
	end(low);
}

static void numbers(void)
{
	struct sched_param param = {.sched_priority = 10};
	struct timespec interval = {9, 9};
	check("fifo-without-priority", policy(SCHED_FIFO, 0) == -1 && errno == EINVAL);
	check("other-with-priority", policy(SCHED_OTHER, 1) == -1 && errno == EINVAL);
	check("limit-refuses", exited(in_child(struct rlimit none = {0, 0}; setrlimit(RLIMIT_RTPRIO, &none);
	                                       setresuid(1000, 1000, 1000);
	                                       _exit(policy(SCHED_FIFO, 1) == -1 && errno == EPERM)),
	                              1));
	check("limit-allows", exited(in_child(struct rlimit some = {5, 5}; setrlimit(RLIMIT_RTPRIO, &some);
	                                      setresuid(1000, 1000, 1000); _exit(
	                                          policy(SCHED_FIFO, 5) == 0 && policy(SCHED_FIFO, 6) == -1)),
	                             1));
	check("nice-limit", exited(in_child(struct rlimit some = {15, 15}; setrlimit(RLIMIT_NICE, &some);
	                                    setresuid(1000, 1000, 1000); setpriority(PRIO_PROCESS, 0, 10);
	                                    _exit(setpriority(PRIO_PROCESS, 0, 5) == 0 &&
	                                          setpriority(PRIO_PROCESS, 0, 4) == -1)),
	                           1));
	check("rr-interval",
	      exited(in_child(policy(SCHED_RR, 10); _exit(sched_rr_get_interval(0, &interval) == 0 &&
	                                                  interval.tv_sec == 0 && interval.tv_nsec > 0)),
	             1));
	check("yield",
	      exited(in_child(sched_setscheduler(0, SCHED_FIFO, &param); _exit(sched_yield() == 0)), 1));
}

/* Changes of policy, nice value, processor, and kills, all at once. */
static void storm(void)
{
	enum { CHILDREN = 12 };
	pid_t children[CHILDREN];
	memset((void *)shared, 0, sizeof(*shared));
	fflush(stdout);
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i])
			continue;
		srand((unsigned)i);
		for (;;) {
			cpu_set_t set;
			CPU_ZERO(&set);
			CPU_SET(rand() % 2, &set);
			switch (rand() % 7) {
			case 0:
				policy(SCHED_FIFO, 1 + rand() % 40);
				break;
			case 1:
				policy(SCHED_RR, 1 + rand() % 40);
				break;
			case 2:
				policy(rand() % 2 ? SCHED_OTHER : SCHED_IDLE, 0);
				break;
			case 3:
				setpriority(PRIO_PROCESS, (id_t)children[rand() % (i + 1)], rand() % 40 - 20);
				break;
			case 4:
				sched_setaffinity(0, sizeof(set), &set);
				break;
			case 5:
				sched_yield();
				break;
			default:
				if (fork() == 0)
					_exit(0);
				while (waitpid(-1, 0, WNOHANG) > 0)
					;
			}
			for (int spin = rand() % 100000; spin; spin--)
				shared->done[0]++;
		}
	}
	for (int i = 0; i < 20; i++)
		pause_ms(100);
	for (int i = 0; i < CHILDREN; i++)
		kill(children[i], SIGKILL);
	int gone = 0;
	for (int i = 0; i < CHILDREN; i++)
		gone += waitpid(children[i], 0, 0) == children[i];
	check("storm", gone == CHILDREN && shared->done[0] > 0);
}

/* Many at once, so that some are run by threads that were another processor's; and one whose processor another chooses. */
static void processors(void)
{
	cpu_set_t set;
	int wrong = 0, status;
	fflush(stdout);
	for (int i = 0; i < 20; i++) {
		if (fork() == 0) {
			int first = sched_getcpu();
			pause_ms(50);
			_exit(first || sched_getcpu());
		}
	}
	while (wait(&status) > 0)
		wrong += status != 0;
	check("children-stay", wrong == 0);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	CPU_ZERO(&set);
	CPU_SET(1, &set);
	pid_t child = fork();
	if (child == 0) {
		while (sched_getcpu() != 1)
			;
		_exit(0);
	}
	check("another-is-moved", sched_setaffinity(child, sizeof(set), &set) == 0 &&
	                              waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
	shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	to_one_processor();
	numbers();
	processors();
	/* It starts and ends what is measured: before all of it. */
	if (policy(SCHED_FIFO, 50)) {
		check("real-time", 0);
		return 1;
	}
	shares();
	real_time();
	inheritance();
	storm();
	return check_failures != 0;
}
