/* Rows of single system calls: files, memory, signals, select and epoll. */
#define _GNU_SOURCE
#include "bench.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BIG = 65536, PAGE = 4096, PAGES = 256, WATCHED = 100 };

static int file, poller, watched[WATCHED][2];
static char buffer[BIG];
static volatile sig_atomic_t delivered;

static void null_call(long n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void open_file(void)
{
	file = open("/tmp/bench-file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	MUST(file >= 0);
	MUST(write(file, buffer, BIG) == BIG);
}

static void close_file(void)
{
	close(file);
	unlink("/tmp/bench-file");
}

static void read_byte(long n)
{
	while (n--)
		MUST(pread(file, buffer, 1, 0) == 1);
}

static void write_byte(long n)
{
	while (n--)
		MUST(pwrite(file, buffer, 1, 0) == 1);
}

static void read_big(long n)
{
	while (n--)
		MUST(pread(file, buffer, BIG, 0) == BIG);
}

static void write_big(long n)
{
	while (n--)
		MUST(pwrite(file, buffer, BIG, 0) == BIG);
}

static void map_touch(long n)
{
	while (n--) {
		char *pages =
		    mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		MUST(pages != MAP_FAILED);
		for (int i = 0; i < PAGES; i++)
			pages[i * PAGE] = 1;
		munmap(pages, PAGES * PAGE);
	}
}

static void handler(int number)
{
	(void)number;
	delivered++;
}

static void install(long n)
{
	struct sigaction action = {.sa_handler = handler};
	while (n--)
		MUST(!sigaction(SIGUSR1, &action, NULL));
}

static void install_once(void)
{
	install(1);
}

static void deliver(long n)
{
	pid_t me = getpid();
	sig_atomic_t before = delivered;
	for (long i = 0; i < n; i++)
		kill(me, SIGUSR1);
	MUST(delivered == before + n);
}

static void open_pipes(void)
{
	poller = epoll_create1(0);
	MUST(poller >= 0);
	for (int i = 0; i < WATCHED; i++) {
		MUST(!pipe(watched[i]));
		struct epoll_event wish = {.events = EPOLLIN, .data.fd = watched[i][0]};
		MUST(!epoll_ctl(poller, EPOLL_CTL_ADD, watched[i][0], &wish));
	}
	MUST(write(watched[WATCHED - 1][1], "x", 1) == 1);
}

static void close_pipes(void)
{
	close(poller);
	for (int i = 0; i < WATCHED; i++) {
		close(watched[i][0]);
		close(watched[i][1]);
	}
}

static void select_all(long n)
{
	while (n--) {
		fd_set set;
		struct timeval none = {0};
		FD_ZERO(&set);
		for (int i = 0; i < WATCHED; i++)
			FD_SET(watched[i][0], &set);
		MUST(select(watched[WATCHED - 1][0] + 1, &set, NULL, NULL, &none) == 1);
	}
}

static void epoll_all(long n)
{
	struct epoll_event events[WATCHED];
	while (n--)
		MUST(epoll_wait(poller, events, WATCHED, 0) == 1);
}

static void create_delete(long n)
{
	while (n--) {
		int made = open("/tmp/bench-new", O_RDWR | O_CREAT | O_EXCL, 0600);
		MUST(made >= 0);
		close(made);
		MUST(!unlink("/tmp/bench-new"));
	}
}

const struct row call_rows[] = {
    {"null call (getppid)", NULL, null_call, NULL, 20000, 1, 5},
    {"read 1 B", open_file, read_byte, close_file, 20000, 1, 5},
    {"write 1 B", open_file, write_byte, close_file, 20000, 1, 5},
    {"read 64 KiB", open_file, read_big, close_file, 500, 1, 5},
    {"write 64 KiB", open_file, write_big, close_file, 500, 1, 5},
    {"map and touch, per page", NULL, map_touch, NULL, 20, PAGES, 5},
    {"signal install", NULL, install, NULL, 10000, 1, 5},
    {"signal delivery", install_once, deliver, NULL, 5000, 1, 5},
    {"select, 100 descriptors", open_pipes, select_all, close_pipes, 1000, 1, 5},
    {"epoll, 100 descriptors", open_pipes, epoll_all, close_pipes, 5000, 1, 5},
    {"file create and delete", NULL, create_delete, NULL, 2000, 1, 5},
    {0},
};
