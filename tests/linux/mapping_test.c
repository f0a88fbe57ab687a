/* Mappings and what becomes of them: mmap(2), madvise(2), mremap(2), mincore(2), mlock(2), truncate(2) under mappings, also
 * while they are forked; file times; holes; partial copies; PI locks whose owner ends (futex(2)); scheduling as kept (sched(7)); terminals in packet mode.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include "check.h"

#define fails(call, number) ((long)(call) == -1 && errno == (number))
#define PAGE                4096

static sigjmp_buf back;
static void on_fault(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}
static int faults(volatile char *at)
{
	return sigsetjmp(back, 1) ? 1 : (*at, 0);
}

static void truncation(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	static char block[40 * PAGE];
	memset(block, 1, sizeof(block));
	signal(SIGBUS, on_fault);
	for (int pages = 4; pages <= 40;
	     pages += 36) { /* small private mappings are made in another way than large ones */
		size_t bytes = (size_t)pages * PAGE;
		ftruncate(fd, 0);
		pwrite(fd, block, bytes, 0);
		char *map = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		map[0] = map[PAGE] = 9;
		ftruncate(fd, PAGE);
		check("written-page-stays-before-end", map[0] == 9 && map[1] == 1);
		check("written-page-gone", faults(map + PAGE));
		check("clean-page-gone", faults(map + 2 * PAGE));
		int gone = 0;
		for (int i = 0; i < 20; i++)
			gone += faults(map + 2 * PAGE);
		check("touched-again-and-again", gone == 20);
		ftruncate(fd, (off_t)bytes);
		check("grown-again", map[PAGE] == 0 && map[2 * PAGE] == 0);
		map[PAGE] = 7;
		check("private-again", map[PAGE] == 7 && pread(fd, block + 1, 1, PAGE) == 1 && block[1] == 0);
		block[1] = 1;
		munmap(map, bytes);
	}
	ftruncate(fd, 0);
	ftruncate(fd, 4 * PAGE);
	char *shared = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(shared, 5, 4 * PAGE);
	check("remove", madvise(shared + PAGE, PAGE, MADV_REMOVE) == 0);
	check("hole", lseek(fd, 0, SEEK_HOLE) == PAGE && lseek(fd, PAGE, SEEK_DATA) == 2 * PAGE);
	check("hole-at-end",
	      lseek(fd, 2 * PAGE, SEEK_HOLE) == 4 * PAGE && fails(lseek(fd, 4 * PAGE, SEEK_DATA), ENXIO));
	check("removed", shared[PAGE] == 0 && shared[2 * PAGE] == 5);
	struct timespec old[2] = {{1, 0}, {1, 0}};
	struct stat found;
	char *writer = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	futimens(fd, old);
	writer[3] = 3;
	msync(writer, PAGE, MS_SYNC);
	check("write-through-mapping-sets-times", fstat(fd, &found) == 0 && found.st_mtime != 1);
	futimens(fd, old);
	read(fd, block, 1);
	check("read-sets-access-time", fstat(fd, &found) == 0 && found.st_atime != 1 && found.st_mtime == 1);
}

struct meeting {
	int start, cut, stop;
};

static void await(const int *word, int value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value)
		sched_yield();
}

/* Cuts the file at some time while the other process forks: somewhat later in each round. */
static void cutter(int fd, struct meeting *meeting, long step_ns)
{
	for (int round = 1;; round++) {
		struct timespec now, start;
		await(&meeting->start, round);
		if (meeting->stop)
			_exit(0);
		clock_gettime(CLOCK_MONOTONIC, &start);
		do
			clock_gettime(CLOCK_MONOTONIC, &now);
		while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec <
		       round * step_ns);
		ftruncate(fd, PAGE);
		__atomic_store_n(&meeting->cut, round, __ATOMIC_RELEASE);
	}
}

/* A file is cut while a process that maps it, below many other areas, forks: whether the copy is older or not, what
 * lies behind the end is gone from both. */
static void truncation_beside_forks(void)
{
	enum { ROUNDS = 60, PAGES = 40, AREAS = 400 };
	struct meeting *meeting = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct timespec before, after;
	int fd = open("c", O_RDWR | O_CREAT | O_TRUNC, 0600), kept = 0, gone = 0, others = 0;
	static char block[PAGES * PAGE];
	memset(block, 1, sizeof(block));
	char *map =
	    mmap((void *)0x10000000, sizeof(block), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
	char *many = mmap(0, AREAS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < AREAS; i += 2) {
		many[i * PAGE] = (char)i;
		mprotect(many + i * PAGE, PAGE, PROT_READ);
	}
	clock_gettime(CLOCK_MONOTONIC, &before);
	bool forks = exited(in_child(_exit(0)), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	long fork_ns = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
	signal(SIGBUS, on_fault);
	pid_t other = fork();
	if (!other)
		cutter(fd, meeting, fork_ns / ROUNDS + 1);
	for (int round = 1; round <= ROUNDS; round++) {
		pwrite(fd, block, sizeof(block), 0);
		map[0] = map[20 * PAGE] = 9;
		__atomic_store_n(&meeting->start, round, __ATOMIC_RELEASE);
		int status = in_child({
			await(&meeting->cut, round);
			int good = map[0] == 9 && many[(AREAS - 2) * PAGE] == (char)(AREAS - 2);
			_exit(faults(map + 20 * PAGE) && faults(map + 30 * PAGE) ? good : 2 + good);
		});
		others += WIFEXITED(status);
		kept += WIFEXITED(status) && (WEXITSTATUS(status) & 1);
		gone += WIFEXITED(status) && WEXITSTATUS(status) < 2 && faults(map + 20 * PAGE);
	}
	meeting->stop = 1;
	__atomic_store_n(&meeting->start, ROUNDS + 1, __ATOMIC_RELEASE);
	waitpid(other, 0, 0);
	check("forks-beside-truncation", forks && others == ROUNDS);
	check("forks-beside-truncation-keep-the-rest", kept == ROUNDS);
	check("forks-beside-truncation-lose-the-end", gone == ROUNDS);
}

/* A private mapping that is longer than its file, written to, and cut behind the file's end. */
static void fork_behind_the_end(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat found;
	fstat(fd, &found);
	size_t bytes = ((size_t)found.st_size + PAGE - 1) & ~(size_t)(PAGE - 1);
	char *map = mmap(0, bytes + 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	signal(SIGBUS, on_fault);
	map[0] = 9;
	mprotect(map + bytes + PAGE, PAGE, PROT_READ);
	int status = in_child(_exit(map[0] == 9 && map[1] == 'E' && faults(map + bytes) &&
	                            faults(map + bytes + PAGE) && faults(map + bytes + 2 * PAGE)));
	check("fork-behind-the-end-of-a-file", exited(status, 1));
	check("behind-the-end-of-a-file", faults(map + bytes + PAGE) && munmap(map, bytes + 3 * PAGE) == 0);
}

static void placing(void)
{
	char *low =
	    mmap((void *)0x100000000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	check("32bit-with-hint", low != MAP_FAILED && (unsigned long)low >> 31 == 0);
	char *area = mmap(0, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *top = area + (1 << 20) - PAGE;
	mmap(top, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1,
	     0);
	munmap(area, (1 << 20) - PAGE);
	for (char *at = top; at > top - 16 * PAGE; at -= PAGE)
		at[-8] = 1;
	check("grows-down", top[-8] == 1);
	check("huge",
	      mmap(0, 1 << 21, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) == MAP_FAILED);
	char *map = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char there[4];
	map[PAGE] = 1;
	check("mincore",
	      mincore(map, 4 * PAGE, there) == 0 && !(there[0] & 1) && (there[1] & 1) && !(there[3] & 1));
	check("advice-unknown",
	      fails(madvise(map, PAGE, 5), EINVAL) && fails(madvise(map, PAGE, 99), EINVAL));
	mlock(map, PAGE);
	check("advice-locked", fails(madvise(map, PAGE, MADV_DONTNEED), EINVAL));
	char *shared = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *twice = mremap(shared, 0, 2 * PAGE, MREMAP_MAYMOVE);
	check("mapped-twice", twice != MAP_FAILED && twice != shared && (shared[5] = 4) && twice[5] == 4);
	munmap(map + 2 * PAGE, PAGE);
	int fd = open("p", O_RDWR | O_CREAT | O_TRUNC, 0600), good = 1;
	for (int bytes = 1; bytes < 20; bytes++) {
		ftruncate(fd, 0);
		good &= pwrite(fd, map + 2 * PAGE - bytes, 100, 0) == bytes;
		ftruncate(fd, 100);
		good &= pread(fd, map + 2 * PAGE - bytes, 100, 0) == bytes;
	}
	check("partial-copies", good);
}

static unsigned word;
static volatile int held;
static void *owner(void *unused)
{
	(void)unused;
	syscall(SYS_futex, &word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
	held = 1;
	while (!(__atomic_load_n(&word, __ATOMIC_ACQUIRE) & FUTEX_WAITERS))
		pause_ms(1);
	return 0;
}

static void owner_ends(void)
{
	pthread_t thread;
	alarm(20);
	pthread_create(&thread, 0, owner, 0);
	while (!held)
		pause_ms(1);
	check("pi-owner-ends", syscall(SYS_futex, &word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0) == 0);
	check("pi-owner-died",
	      (word & FUTEX_TID_MASK) == (unsigned)syscall(SYS_gettid) && (word & FUTEX_OWNER_DIED));
	check("pi-unlock", syscall(SYS_futex, &word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0) == 0);
}

static void scheduling(void)
{
	struct sched_param parameter = {10};
	pid_t child = fork();
	if (!child) {
		setpgid(0, 0);
		pause();
	}
	setpgid(child, child);
	check("nice-of-group", setpriority(PRIO_PGRP, (id_t)child, 5) == 0 &&
	                           getpriority(PRIO_PROCESS, (id_t)child) == 5 &&
	                           getpriority(PRIO_PROCESS, 0) == 0);
	check("nice-of-nobody", fails(setpriority(PRIO_USER, 54321, 5), ESRCH));
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
	check("fifo",
	      sched_setscheduler(0, SCHED_FIFO, &parameter) == 0 && sched_getscheduler(0) == SCHED_FIFO);
	check("fifo-inherited", exited(in_child(_exit(sched_getscheduler(0))), SCHED_FIFO));
	sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameter);
	check("reset-on-fork", exited(in_child(_exit(sched_getscheduler(0))), SCHED_OTHER));
	parameter.sched_priority = 100;
	check("priority-too-high", fails(sched_setscheduler(0, SCHED_RR, &parameter), EINVAL));
}

static void terminals(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), on = 1;
	char buffer[64], speeds[44];
	struct pollfd poll_of = {master, POLLPRI, 0};
	struct epoll_event event = {.events = EPOLLIN};
	grantpt(master);
	unlockpt(master);
	int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	check("packet-mode", ioctl(master, TIOCPKT, &on) == 0 && write(slave, "hi", 2) == 2 &&
	                         read(master, buffer, 64) == 3 && buffer[0] == 0 && buffer[1] == 'h');
	tcflow(slave, TCOOFF);
	check("packet-stop",
	      poll(&poll_of, 1, 0) == 1 && read(master, buffer, 64) == 1 && buffer[0] == TIOCPKT_STOP);
	tcflow(slave, TCOON);
	check("packet-start", read(master, buffer, 64) == 1 && buffer[0] == TIOCPKT_START);
	check("termios2",
	      ioctl(slave, 0x802c542a, speeds) == 0 && *(unsigned *)(void *)(speeds + 36) == 38400);
	int epoll = epoll_create1(0);
	epoll_ctl(epoll, EPOLL_CTL_ADD, master, &event);
	if (!fork()) {
		pause_ms(100);
		_exit(0);
	}
	close(slave);
	check("slave-closed-while-waiting",
	      epoll_wait(epoll, &event, 1, 10000) == 1 && (event.events & EPOLLHUP));
}

int main(void)
{
	char directory[] = "/dev/shm/mapXXXXXX";
	if (!mkdtemp(directory) || chdir(directory))
		return 1;
	int status = in_child(truncation(); _exit(check_failures != 0));
	status |= in_child(truncation_beside_forks(); _exit(check_failures != 0));
	status |= in_child(fork_behind_the_end(); _exit(check_failures != 0));
	status |= in_child(placing(); _exit(check_failures != 0));
	status |= in_child(owner_ends(); _exit(check_failures != 0));
	status |= in_child(scheduling(); _exit(check_failures != 0));
	status |= in_child(terminals(); _exit(check_failures != 0));
	return status != 0;
}
