/* Rows of processes and threads: pipes between them, context switches, fork, exec, futexes. */
#define _GNU_SOURCE
#include "bench.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RING_MAX = 16, END = 'e' };

static int ring[RING_MAX][2], members;
static pid_t children[RING_MAX];

/* Member i waits for the token in pipe i and passes it on to the next; the measuring process is member 0. */
static void ring_start(int count)
{
	members = count;
	for (int i = 0; i < count; i++)
		MUST(!pipe(ring[i]));
	for (int i = 1; i < count; i++) {
		children[i] = fork();
		MUST(children[i] >= 0);
		if (children[i])
			continue;
		char token;
		while (read(ring[i][0], &token, 1) == 1 && write(ring[(i + 1) % count][1], &token, 1) == 1 &&
		       token != END)
			;
		_exit(0);
	}
}

static void ring_turn(char token)
{
	MUST(write(ring[1][1], &token, 1) == 1);
	MUST(read(ring[0][0], &token, 1) == 1);
}

static void ring_run(long n)
{
	while (n--)
		ring_turn('t');
}

static void ring_stop(void)
{
	ring_turn(END);
	for (int i = 1; i < members; i++)
		waitpid(children[i], NULL, 0);
	for (int i = 0; i < members; i++) {
		close(ring[i][0]);
		close(ring[i][1]);
	}
}

static void ring_of_2(void)
{
	ring_start(2);
}

static void ring_of_16(void)
{
	ring_start(16);
}

static void reap(pid_t child)
{
	int status;
	MUST(waitpid(child, &status, 0) == child && !status);
}

static void fork_exit(long n)
{
	while (n--) {
		pid_t child = fork();
		MUST(child >= 0);
		if (!child)
			_exit(0);
		reap(child);
	}
}

static void fork_exec(long n)
{
	while (n--) {
		pid_t child = fork();
		MUST(child >= 0);
		if (!child) {
			execl(self, self, "--exit", NULL);
			_exit(127);
		}
		reap(child);
	}
}

static void *nothing(void *unused)
{
	return unused;
}

static void thread_join(long n)
{
	while (n--) {
		pthread_t thread;
		MUST(!pthread_create(&thread, NULL, nothing, NULL));
		pthread_join(thread, NULL);
	}
}

/* Two threads hand a turn back and forth: each sleeps on the word until it names it. */
static atomic_int turn;
static pthread_t partner;

static void turn_wait(int mine)
{
	int seen;
	while ((seen = atomic_load(&turn)) != mine && seen != END)
		syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, seen, NULL);
}

static void turn_give(int to)
{
	atomic_store(&turn, to);
	syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1);
}

static void *partner_main(void *unused)
{
	for (turn_wait(1); atomic_load(&turn) != END; turn_wait(1))
		turn_give(0);
	return unused;
}

static void partner_start(void)
{
	atomic_store(&turn, 0);
	MUST(!pthread_create(&partner, NULL, partner_main, NULL));
}

static void partner_run(long n)
{
	while (n--) {
		turn_give(1);
		turn_wait(0);
	}
}

static void partner_stop(void)
{
	turn_give(END);
	pthread_join(partner, NULL);
}

const struct row process_rows[] = {
    {"pipe ping-pong, round trip", ring_of_2, ring_run, ring_stop, 2000, 1, 5},
    {"context switch, 2 processes", ring_of_2, ring_run, ring_stop, 2000, 2, 5},
    {"context switch, 16 processes", ring_of_16, ring_run, ring_stop, 300, 16, 5},
    {"futex wake, round trip", partner_start, partner_run, partner_stop, 2000, 1, 5},
    {"fork and exit", NULL, fork_exit, NULL, 100, 1, 5},
    {"fork and exec", NULL, fork_exec, NULL, 50, 1, 5},
    {"thread create and join", NULL, thread_join, NULL, 200, 1, 5},
    {0},
};
