/* Threads, futexes, robust lists, thread-directed signals, exec and exit of threaded processes. */
#define _GNU_SOURCE
#include "check.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/syscall.h>

static long futex(void *address, int op, uint32_t value, void *time, void *address2, uint32_t value3)
{
	return syscall(SYS_futex, address, op, value, time, address2, value3);
}

static int counter;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread int thread_local_value = 3;

static void *add(void *argument)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
		if (i % 500 == 0)
			sched_yield();
	}
	thread_local_value += (int)(intptr_t)argument;
	return (void *)(intptr_t)thread_local_value;
}

static void test_threads(void)
{
	pthread_t threads[8];
	intptr_t sum = 0;
	for (intptr_t i = 0; i < 8; i++)
		pthread_create(&threads[i], 0, add, (void *)i);
	for (int i = 0; i < 8; i++) {
		void *result;
		pthread_join(threads[i], &result);
		sum += (intptr_t)result;
	}
	check("mutex-counts", counter == 16000);
	check("thread-local-storage", sum == 8 * 3 + 28 && thread_local_value == 3);
	int created = 0;
	for (int i = 0; i < 300; i++) {
		pthread_t thread;
		if (pthread_create(&thread, 0, add, 0) == 0 && pthread_join(thread, 0) == 0)
			created++;
		counter = 0;
	}
	check("many-threads-in-a-row", created == 300);
}

static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn;

static void *ping(void *argument)
{
	int mine = (int)(intptr_t)argument;
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 500; i++) {
		while (turn != mine)
			pthread_cond_wait(&condition, &mutex);
		turn = !mine;
		pthread_cond_broadcast(&condition);
	}
	pthread_mutex_unlock(&mutex);
	return 0;
}

static void test_conditions(void)
{
	pthread_t thread;
	pthread_create(&thread, 0, ping, (void *)1);
	ping(0);
	pthread_join(thread, 0);
	check("condition-ping-pong", turn == 0);
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 20000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&mutex);
	check("condition-timeout", pthread_cond_timedwait(&condition, &mutex, &until) == ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
}

static uint32_t words[2];

static void *waiter(void *argument)
{
	uint32_t bits = (uint32_t)(uintptr_t)argument;
	return (void *)futex(&words[0], FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, 0, 0, bits);
}

static void test_futex(void)
{
	struct timespec soon = {0, 20000000};
	check("futex-value-differs", futex(&words[0], FUTEX_WAIT, 5, 0, 0, 0) == -1 && errno == EAGAIN);
	check("futex-timeout", futex(&words[0], FUTEX_WAIT, 0, &soon, 0, 0) == -1 && errno == ETIMEDOUT);
	check("futex-bad-address", futex((void *)8, FUTEX_WAIT, 0, 0, 0, 0) == -1 && errno == EFAULT);
	check("futex-unaligned", futex((char *)words + 1, FUTEX_WAKE, 1, 0, 0, 0) == -1 && errno == EINVAL);
	pthread_t threads[4];
	for (intptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], 0, waiter, (void *)(intptr_t)(1 << i));
	long matched = 0, moved = 0;
	for (int i = 0; i < 500 && !matched; i++) {
		pause_ms(10);
		matched = futex(&words[0], FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, INT_MAX, 0, 0, 4);
	}
	check("futex-bitset-wakes-matching", matched == 1);
	pthread_join(threads[2], 0);
	/* One is woken and the others move, however late they begin to wait. */
	for (int i = 0; i < 500 && moved < 3; i++) {
		pause_ms(10);
		moved += futex(&words[0], FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, moved == 0, (void *)10l,
		               &words[1], 0);
	}
	check("futex-cmp-requeue", moved == 3);
	check("futex-wake-requeued", futex(&words[1], FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 10, 0, 0, 0) == 2);
	for (int i = 0; i < 4; i++)
		if (i != 2)
			pthread_join(threads[i], 0);
	words[1] = 7;
	check("futex-wake-op", futex(&words[0], FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, (void *)1l, &words[1],
	                             FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 7)) == 0 &&
	                           words[1] == 10);
	uint32_t *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	if (!pid)
		_exit(futex(shared, FUTEX_WAIT, 0, 0, 0, 0) == 0 ? 5 : 6);
	int woken = 0, status;
	for (int i = 0; i < 100 && !woken; i++) {
		pause_ms(10);
		woken = (int)futex(shared, FUTEX_WAKE, 1, 0, 0, 0);
	}
	waitpid(pid, &status, 0);
	check("futex-shared-between-processes", woken == 1 && exited(status, 5));
	munmap(shared, 4096);
}

static void test_mutex_kinds(void)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t *robust = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(robust, &attributes);
	int status = in_child({
		pthread_mutex_lock(robust);
		_exit(0);
	});
	check("robust-owner-died", exited(status, 0) && pthread_mutex_lock(robust) == EOWNERDEAD);
	pthread_mutex_consistent(robust);
	check("robust-consistent", pthread_mutex_unlock(robust) == 0 && pthread_mutex_lock(robust) == 0);
	pthread_mutex_t inherit;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&inherit, &attributes);
	check("pi-lock", pthread_mutex_lock(&inherit) == 0 && pthread_mutex_lock(&inherit) == EDEADLK &&
	                     pthread_mutex_unlock(&inherit) == 0);
}

static volatile pid_t handler_thread;

static void note(int signal)
{
	(void)signal;
	handler_thread = (pid_t)syscall(SYS_gettid);
}

static volatile pid_t target;

static void *spin(void *argument)
{
	(void)argument;
	target = (pid_t)syscall(SYS_gettid);
	while (!handler_thread)
		;
	return 0;
}

static void *sleep_long(void *argument)
{
	(void)argument;
	target = (pid_t)syscall(SYS_gettid);
	pause_ms(60000);
	return 0;
}

static void *exit_process(void *argument)
{
	(void)argument;
	_exit(17);
}

static void *exec_program(void *argument)
{
	execl(argument, argument, "exec-child", "threaded", (char *)0);
	_exit(98);
}

static void test_signals_and_exit(const char *self)
{
	pthread_t thread;
	signal(SIGUSR1, note);
	pthread_create(&thread, 0, spin, 0);
	while (!target)
		sched_yield();
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, 0);
	check("signal-to-running-thread", handler_thread == target);
	int status = in_child({
		pthread_t other;
		target = 0;
		pthread_create(&other, 0, sleep_long, 0);
		while (!target)
			sched_yield();
		_exit(16);
	});
	check("exit-group-ends-sleepers", exited(status, 16));
	status = in_child({
		pthread_t other;
		pthread_create(&other, 0, exit_process, 0);
		pause_ms(60000);
	});
	check("exit-group-from-thread", exited(status, 17));
	status = in_child({
		pthread_t other;
		pthread_create(&other, 0, exec_program, (void *)self);
		pause_ms(60000);
	});
	check("exec-from-thread", exited(status, 42));
	status = in_child({
		pthread_t other;
		pthread_create(&other, 0, sleep_long, 0);
		*(volatile int *)8 = 0;
	});
	check("fault-kills-all-threads", killed(status, SIGSEGV));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "exec-child"))
		return getpid() == syscall(SYS_gettid) ? 42 : 43;
	test_threads();
	test_conditions();
	test_futex();
	test_mutex_kinds();
	test_signals_and_exit(argv[0]);
	return check_failures != 0;
}
