/* What a program may try against the system below it: each of these once ended, or held up, a whole
 * sub-kernel. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---- A descriptor is closed while another thread's call on it sleeps ---- */

static int lock_fd, lock_result;
static volatile int lock_waiting;

static void *lock_thread(void *unused)
{
	(void)unused;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	lock_waiting = 1;
	lock_result = fcntl(lock_fd, F_SETLKW, &lock) ? errno : 0;
	return 0;
}

static void test_lock_of_closed_file(void)
{
	int good = 1, strangers = 0;
	for (int round = 0; round < 5; round++) {
		int first = open("/tmp/hostile-lock", O_RDWR | O_CREAT, 0666), ready[2], go[2];
		lock_fd = open("/tmp/hostile-lock", O_RDWR);
		unlink("/tmp/hostile-lock");
		pipe(ready);
		pipe(go);
		pid_t child = fork();
		if (!child) {
			char byte;
			struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
			close(lock_fd);
			fcntl(first, F_SETLK, &lock);
			write(ready[1], "x", 1);
			read(go[0], &byte, 1);
			close(first);
			for (int i = 0; i < 8; i++) {
				char name[32];
				snprintf(name, sizeof(name), "/tmp/hostile-%d", i);
				int fd = open(name, O_RDWR | O_CREAT, 0666);
				pause_ms(5);
				lock.l_type = F_WRLCK;
				fcntl(fd, F_GETLK, &lock);
				strangers += lock.l_type != F_UNLCK;
				unlink(name);
			}
			_exit(strangers);
		}
		close(first);
		char byte;
		read(ready[0], &byte, 1);
		lock_waiting = 0;
		pthread_t thread;
		pthread_create(&thread, 0, lock_thread, 0);
		while (!lock_waiting)
			pause_ms(1);
		pause_ms(20);
		close(lock_fd);
		write(go[1], "x", 1);
		int status;
		waitpid(child, &status, 0);
		pthread_join(thread, 0);
		good &= lock_result == EBADF && exited(status, 0);
		close(ready[0]);
		close(ready[1]);
		close(go[0]);
		close(go[1]);
	}
	check("lock-of-closed-file", good);
}

static int read_pipe[2];
static volatile long read_result = 1;

static void *read_thread(void *unused)
{
	char byte;
	(void)unused;
	read_result = read(read_pipe[0], &byte, 1);
	return 0;
}

static void test_read_of_closed_file(void)
{
	pthread_t thread;
	pipe(read_pipe);
	pthread_create(&thread, 0, read_thread, 0);
	pause_ms(20);
	close(read_pipe[0]);
	for (int i = 0; i < 50; i++) {
		int other[2];
		pipe(other);
		close(other[0]);
		close(other[1]);
	}
	write(read_pipe[1], "x", 1);
	pthread_join(thread, 0);
	check("read-of-closed-file", read_result == 1);
	close(read_pipe[1]);
}

/* ---- Areas of memory at chosen addresses, and as many as there may be ---- */

static void test_areas(void)
{
	const uint64_t base = 0x10000000000ull;
	int good = 1;
	for (uint64_t i = 0; i < 3000 && good; i++)
		good = mmap((void *)(base + i * 8192), 4096, PROT_READ,
		            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED;
	for (uint64_t i = 3000; i-- > 1 && good;)
		good = !munmap((void *)(base + i * 8192), 4096);
	check("ascending-areas", good && !munmap((void *)base, 4096));
	int status = in_child({
		uint64_t count = 0;
		while (count < 70000 &&
		       mmap((void *)(base + count * 8192), 4096, PROT_NONE,
		            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED)
			count++;
		_exit(count < 66000 && count > 60000 && errno == ENOMEM);
	});
	check("areas-are-limited", exited(status, 1));
}

/* ---- A mapping of a program's file beyond its end ---- */

static sigjmp_buf jump;

static void on_bus(int signal)
{
	siglongjmp(jump, signal);
}

static void test_file_end(void)
{
	struct stat stat;
	int fd = open("/proc/self/exe", O_RDONLY);
	if (fd < 0 || fstat(fd, &stat))
		return;
	signal(SIGBUS, on_bus);
	off_t end = (stat.st_size + 4095) & ~4095l;
	int signalled = 0;
	for (off_t at = end; at < end + (8 << 20); at += 1 << 20) {
		volatile char *page = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, at);
		if (page == MAP_FAILED)
			continue;
		if (sigsetjmp(jump, 1) == 0)
			(void)page[0];
		else
			signalled++;
	}
	check("mapping-behind-the-end", signalled == 8);
	signal(SIGBUS, SIG_DFL);
	check("mapping-below-zero",
	      mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, -4096l) == MAP_FAILED && errno == EOVERFLOW);
	close(fd);
}

/* ---- Epolls that watch epolls ---- */

#define WIDTH 60

static void test_epoll_nesting(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int row[8], good = 1;
	for (int i = 0; i < 8; i++)
		row[i] = epoll_create1(0);
	for (int i = 0; i < 4; i++)
		good &= epoll_ctl(row[i + 1], EPOLL_CTL_ADD, row[i], &event) == 0;
	check("epoll-five-levels", good);
	check("epoll-six-levels", epoll_ctl(row[5], EPOLL_CTL_ADD, row[4], &event) == -1 && errno == ELOOP);
	check("epoll-six-levels-below",
	      epoll_ctl(row[0], EPOLL_CTL_ADD, row[5], &event) == -1 && errno == ELOOP);
	check("epoll-circle", epoll_ctl(row[0], EPOLL_CTL_ADD, row[2], &event) == -1 && errno == ELOOP);
	check("epoll-itself", epoll_ctl(row[0], EPOLL_CTL_ADD, row[0], &event) == -1 && errno == EINVAL);
	epoll_ctl(row[4], EPOLL_CTL_DEL, row[3], 0);
	check("epoll-levels-fall", epoll_ctl(row[5], EPOLL_CTL_ADD, row[3], &event) == 0);
	int fds[2], ways = 0;
	pipe(fds);
	epoll_ctl(row[6], EPOLL_CTL_ADD, fds[0], &event);
	for (; ways < 600 && epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, row[6], &event) == 0; ways++)
		;
	check("epoll-ways", ways == 500 && errno == EINVAL);
	check("epoll-wakes-through-levels", write(fds[1], "x", 1) == 1);
	event.events = EPOLLIN | EPOLLEXCLUSIVE;
	check("epoll-exclusive-epoll",
	      epoll_ctl(row[7], EPOLL_CTL_ADD, row[0], &event) == -1 && errno == EINVAL);
}

static void test_epoll_mesh(void)
{
	static int mesh[3][WIDTH];
	struct epoll_event event = {.events = EPOLLIN};
	int good = 1;
	for (int level = 0; level < 3; level++)
		for (int i = 0; i < WIDTH; i++)
			good &= (mesh[level][i] = epoll_create1(0)) >= 0;
	for (int level = 1; level < 3; level++)
		for (int i = 0; i < WIDTH; i++)
			for (int k = 0; k < WIDTH; k++)
				good &= !epoll_ctl(mesh[level][i], EPOLL_CTL_ADD, mesh[level - 1][k], &event);
	int top = epoll_create1(0), over = epoll_create1(0);
	for (int i = 0; i < WIDTH; i++)
		good &= !epoll_ctl(top, EPOLL_CTL_ADD, mesh[2][i], &event);
	check("epoll-mesh", good && !epoll_ctl(over, EPOLL_CTL_ADD, top, &event));
}

/* The queue of a signalfd belongs to the process that added it, which may end first. */
static void test_signalfd_outlives(void)
{
	int epoll = epoll_create1(0), pair[2];
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	int status = in_child({
		sigset_t set;
		struct epoll_event event = {.events = EPOLLIN};
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		int fd = signalfd(-1, &set, 0);
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
		char control[CMSG_SPACE(sizeof(int))] = {0};
		char byte = 'x';
		struct iovec part = {&byte, 1};
		struct msghdr message = {.msg_iov = &part,
		                         .msg_iovlen = 1,
		                         .msg_control = control,
		                         .msg_controllen = sizeof(control)};
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
		sendmsg(pair[0], &message, 0);
		_exit(0);
	});
	struct epoll_event event;
	for (int i = 0; i < 20; i++)
		in_child(_exit(0));
	check("signalfd-outlives-its-process", exited(status, 0) && epoll_wait(epoll, &event, 1, 0) == 0);
	close(pair[0]);
	close(pair[1]);
	close(epoll);
}

/* ---- Sockets that only messages hold ---- */

static void send_fd(int to, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
	struct iovec part = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	sendmsg(to, &message, MSG_DONTWAIT);
}

static long memory_available(void)
{
	long kilobytes = -1;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "r");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "MemAvailable: %ld kB", &kilobytes);
	if (file)
		fclose(file);
	return kilobytes;
}

/* Rings of sockets in one another's queues, full of data, whose processes end without another word. */
static void test_garbage(void)
{
	static char bytes[60000];
	long before = memory_available(), after = 0;
	for (int round = 0; round < 40; round++) {
		in_child({
			for (int i = 0; i < 8; i++) {
				int a[2], b[2];
				socketpair(AF_UNIX, SOCK_STREAM, 0, a);
				socketpair(AF_UNIX, SOCK_STREAM, 0, b);
				send(a[0], bytes, sizeof(bytes), MSG_DONTWAIT);
				send(b[0], bytes, sizeof(bytes), MSG_DONTWAIT);
				send_fd(a[0], b[1]);
				send_fd(b[0], a[1]);
				send_fd(a[0], a[1]);
			}
			_exit(0);
		});
	}
	for (int wait = 0; wait < 50; wait++) {
		after = memory_available();
		if (after > before - 8192)
			break;
		pause_ms(100);
	}
	check("garbage-sockets-go", after > before - 8192);
}

static void test_deep_directories(void)
{
	int depth = 0, removed = 0, up, next;
	mkdir("/tmp/hostile-deep", 0777);
	if (chdir("/tmp/hostile-deep"))
		return;
	while (depth < 3000 && !mkdir("d", 0777) && !chdir("d"))
		depth++;
	up = open("..", O_RDONLY | O_DIRECTORY);
	while (removed < depth && !unlinkat(up, "d", AT_REMOVEDIR)) {
		removed++;
		next = openat(up, "..", O_RDONLY | O_DIRECTORY);
		close(up);
		up = next;
	}
	close(up);
	check("deep-directories", chdir("/") == 0 && depth == 3000 && removed == depth);
	rmdir("/tmp/hostile-deep");
}

int main(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	setrlimit(RLIMIT_NOFILE, &limit);
	test_lock_of_closed_file();
	test_read_of_closed_file();
	test_areas();
	test_file_end();
	test_epoll_nesting();
	test_epoll_mesh();
	test_signalfd_outlives();
	test_garbage();
	test_deep_directories();
	return check_failures != 0;
}
