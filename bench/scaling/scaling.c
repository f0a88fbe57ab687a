/* How calls scale: WORKERS processes, each on its own processor and with its own objects, repeat one
 * operation for a while; prints operations a second of all of them.
 *
 * scaling WORKERS MILLISECONDS [ROW]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 16

static struct {
	_Atomic int ready, go, stop;
	_Atomic long done[WORKERS_MAX][8]; /* a cache line each */
} * shared;

static int self;
static int fd, ends[2];
static char name[64], buffer[4096];
static unsigned word;

static void make_file(void)
{
	snprintf(name, sizeof(name), "/tmp/scaling-%d", self);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, buffer, sizeof(buffer)) != sizeof(buffer))
		_exit(1);
}
static void make_pipe(void)
{
	if (pipe(ends))
		_exit(1);
}
static void make_sockets(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		_exit(1);
}
static int row_getpid(void)
{
	return syscall(SYS_getpid) <= 0;
}
static int row_read(void)
{
	return pread(fd, buffer, 512, 0) != 512;
}
static int row_write(void)
{
	return pwrite(fd, buffer, 512, 0) != 512;
}
static int row_pipe(void)
{
	return write(ends[1], buffer, 512) != 512 || read(ends[0], buffer, 512) != 512;
}
static int row_futex(void)
{
	return syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0) != 0;
}
static int row_map(void)
{
	char *page = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return 1;
	for (int i = 0; i < 4; i++)
		page[i * 4096] = 1;
	return munmap(page, 16384);
}
static int row_stat(void)
{
	struct stat stat_of;
	return stat(name, &stat_of);
}
static int row_open(void)
{
	int opened = open(name, O_RDONLY);
	return opened < 0 || close(opened);
}
static int row_fork(void)
{
	pid_t child = fork();
	if (!child)
		_exit(0);
	return waitpid(child, 0, 0) != child;
}
static int row_exec(void)
{
	pid_t child = vfork();
	if (!child) {
		execl("/proc/self/exe", "scaling", "exit", (char *)0);
		_exit(1);
	}
	int status;
	return waitpid(child, &status, 0) != child || status;
}

static const struct {
	const char *name;
	void (*prepare)(void);
	int (*operation)(void);
} rows[] = {
    {"getpid", 0, row_getpid},     {"read", make_file, row_read}, {"write", make_file, row_write},
    {"pipe", make_pipe, row_pipe}, {"futex", 0, row_futex},       {"map-and-fault", 0, row_map},
    {"stat", make_file, row_stat}, {"open", make_file, row_open}, {"unix-socket", make_sockets, row_pipe},
    {"fork", 0, row_fork},         {"exec", 0, row_exec},
};

static void worker(int row)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(self % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
	if (rows[row].prepare)
		rows[row].prepare();
	for (int i = 0; i < 20; i++)
		if (rows[row].operation())
			_exit(1);
	shared->ready++;
	while (!shared->go)
		sched_yield();
	long done = 0;
	while (!shared->stop) {
		if (rows[row].operation())
			_exit(1);
		shared->done[self][0] = ++done;
	}
	if (name[0])
		unlink(name);
	_exit(0);
}

static long long now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* Operations a second of WORKERS together; -1: something failed. */
static double measure(int row, int workers, long milliseconds)
{
	int bad = 0;
	memset(shared, 0, sizeof(*shared));
	for (self = 0; self < workers; self++) {
		fflush(stdout);
		pid_t pid = fork();
		if (!pid)
			worker(row);
		bad |= pid < 0;
	}
	struct timespec pause = {0, 1000000};
	while (!bad && shared->ready < workers)
		nanosleep(&pause, 0);
	long long begin = now_ns();
	shared->go = 1;
	pause = (struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000};
	nanosleep(&pause, 0);
	double done = 0;
	for (int i = 0; i < workers; i++)
		done += (double)shared->done[i][0];
	double seconds = (double)(now_ns() - begin) / 1e9;
	shared->stop = 1;
	int status;
	while (wait(&status) > 0)
		bad |= status;
	return bad ? -1 : done / seconds;
}

int main(int count, char **words)
{
	if (count == 2 && !strcmp(words[1], "exit"))
		return 0;
	int workers = count > 1 ? atoi(words[1]) : 1;
	long milliseconds = count > 2 ? atol(words[2]) : 300;
	if (workers < 1 || workers > WORKERS_MAX || milliseconds < 1)
		return 2;
	shared = mmap(0, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (count > 3 && strcmp(words[3], rows[i].name))
			continue;
		double one = measure((int)i, 1, milliseconds), all = measure((int)i, workers, milliseconds);
		printf("%s %.0f %.0f %.3f\n", rows[i].name, one, all, one > 0 ? all / one : -1);
		fflush(stdout);
	}
	return 0;
}
