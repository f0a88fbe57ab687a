/* Details that cost other implementations of the Linux ABI most in real projects' tests (gVisor's published list), one by one. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#define BASE "/tmp/details"

/* The kernel writes nothing of a struct pollfd but revents: the rest may lie where nothing can be written. */
static void test_poll(void)
{
	char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pollfd *ask = (struct pollfd *)(pages + 4096 - offsetof(struct pollfd, revents));
	int pair[2];
	pipe(pair);
	write(pair[1], "x", 1);
	ask->fd = pair[0];
	ask->events = POLLIN;
	mprotect(pages, 4096, PROT_READ);
	check("poll-writes-revents-alone", poll(ask, 1, 0) == 1 && ask->revents == POLLIN);
	mprotect(pages, 4096, PROT_READ | PROT_WRITE);
	ask->fd = -1;
	ask->revents = 77;
	check("poll-of-none-clears-revents",
	      poll(ask, 1, 0) == 0 && ask->revents == 0 && ask->fd == -1 && ask->events == POLLIN);
	close(pair[0]);
	close(pair[1]);
	munmap(pages, 8192);
}

static uint32_t told(int fd)
{
	char text[512];
	uint32_t sum = 0;
	ssize_t length = read(fd, text, sizeof(text));
	for (ssize_t at = 0; at < length;) {
		const struct inotify_event *event = (const void *)(text + at);
		sum |= event->mask;
		at += (ssize_t)sizeof(*event) + event->len;
	}
	return sum;
}

static void test_inotify(void)
{
	int fd = inotify_init1(IN_NONBLOCK), file = open(BASE, O_RDWR | O_CREAT | O_TRUNC, 0644);
	write(file, "text", 4);
	inotify_add_watch(fd, BASE, IN_MODIFY);
	close(open(BASE, O_WRONLY | O_TRUNC));
	check("truncating-open-modifies", told(fd) == IN_MODIFY);
	close(open(BASE, O_WRONLY));
	check("plain-open-does-not", told(fd) == 0);
	ftruncate(file, 2);
	check("truncation-modifies", told(fd) == IN_MODIFY);
	close(file);
	close(fd);
}

static int readable(int fd)
{
	int count = -1;
	return ioctl(fd, FIONREAD, &count) ? -1 : count;
}

/* A pty in raw mode: its master, its other end. */
static void pty(int pair[2])
{
	struct termios raw;
	pair[0] = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(pair[0]);
	unlockpt(pair[0]);
	pair[1] = open(ptsname(pair[0]), O_RDWR | O_NOCTTY);
	tcgetattr(pair[1], &raw);
	cfmakeraw(&raw);
	tcsetattr(pair[1], TCSANOW, &raw);
}

static void test_flush(void)
{
	int pair[2];
	char bytes[8];
	pty(pair);
	write(pair[0], "abc", 3); /* input of the terminal */
	for (int i = 0; i < 100 && readable(pair[1]) != 3; i++)
		pause_ms(10);
	check("flush-output-keeps-input", ioctl(pair[1], TCFLSH, TCOFLUSH) == 0 && readable(pair[1]) == 3);
	check("flush-input", ioctl(pair[1], TCFLSH, TCIFLUSH) == 0 && readable(pair[1]) == 0);
	check("flush-what", ioctl(pair[1], TCFLSH, 3) == -1 && errno == EINVAL);
	/* Draining sends nothing and loses nothing. */
	write(pair[1], "out", 3);
	check("break-1-drains", ioctl(pair[1], TCSBRK, 1) == 0 && read(pair[0], bytes, sizeof(bytes)) == 3);
	check("break-0", ioctl(pair[1], TCSBRK, 0) == 0);
	close(pair[0]);
	close(pair[1]);
}

/* With ISIG ^C is a signal and no input; without it, input and no signal. */
static void test_isig(void)
{
	for (int on = 0; on < 2; on++) {
		int pair[2];
		pty(pair);
		int status = in_child({
			struct termios settings;
			char byte = 0;
			setsid();
			ioctl(pair[1], TIOCSCTTY, 0);
			tcgetattr(pair[1], &settings);
			if (on)
				settings.c_lflag |= ISIG;
			tcsetattr(pair[1], TCSANOW, &settings);
			write(pair[0], "\3", 1);
			alarm(5);
			_exit(read(pair[1], &byte, 1) == 1 && byte == 3 ? 5 : 6);
		});
		check(on ? "isig-signals" : "isig-off-is-input",
		      on ? killed(status, SIGINT) : exited(status, 5));
		close(pair[0]);
		close(pair[1]);
	}
}

/* When the last descriptor of the master goes, the session that the terminal controls is hung up. */
static void test_hangup(void)
{
	int pair[2], ready[2];
	char byte;
	pty(pair);
	pipe(ready);
	pid_t child = fork();
	if (!child) {
		setsid();
		ioctl(pair[1], TIOCSCTTY, 0);
		close(pair[0]);
		write(ready[1], "x", 1);
		alarm(5);
		pause();
		_exit(0);
	}
	read(ready[0], &byte, 1);
	close(pair[0]);
	int status = 0;
	waitpid(child, &status, 0);
	check("master-close-hangs-up", killed(status, SIGHUP));
	errno = 0;
	check("hung-up-reads-nothing", read(pair[1], &byte, 1) <= 0 && (!errno || errno == EIO));
	close(pair[1]);
	close(ready[0]);
	close(ready[1]);
}

static void test_clone(void)
{
	int from = open(BASE, O_RDWR | O_CREAT | O_TRUNC, 0644),
	    to = open(BASE ".2", O_RDWR | O_CREAT | O_TRUNC, 0644);
	write(from, "text", 4);
	int result = ioctl(to, FICLONE, from); /* this machine's file system may be able to */
	check("clone-is-not-supported", (result == -1 && errno == EOPNOTSUPP) || getenv("ON_LINUX"));
	check("clone-of-nothing", ioctl(to, FICLONE, 99) == -1 && errno == EBADF);
	close(from);
	close(to);
	unlink(BASE ".2");
}

static long number_of(const char *path)
{
	char text[32] = {0};
	int fd = open(path, O_RDONLY);
	ssize_t length = read(fd, text, sizeof(text) - 1);
	close(fd);
	return length > 0 ? strtol(text, 0, 10) : -1;
}

static void test_pipe_size(void)
{
	long most = number_of("/proc/sys/fs/pipe-max-size");
	int pair[2];
	pipe(pair);
	check("pipe-max-size", most >= 65536);
	check("pipe-as-large",
	      fcntl(pair[0], F_SETPIPE_SZ, most) == most && fcntl(pair[1], F_GETPIPE_SZ) == most);
	int status = in_child({
		setresuid(1000, 1000, 1000);
		_exit(fcntl(pair[0], F_SETPIPE_SZ, most * 2) == -1 && errno == EPERM ? 0 : 1);
	});
	check("pipe-larger-takes-rights", exited(status, 0));
	close(pair[0]);
	close(pair[1]);
}

static void test_fdinfo(void)
{
	char path[64], text[512] = {0};
	int fd = open(BASE, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	write(fd, "position", 8);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	int info = open(path, O_RDONLY);
	read(info, text, sizeof(text) - 1);
	const char *flags = strstr(text, "flags:");
	check("fdinfo-position",
	      strncmp(text, "pos:\t", 5) == 0 && strtol(text + 5, 0, 10) == lseek(fd, 0, SEEK_CUR));
	check("fdinfo-flags", flags && (strtol(flags + 6, 0, 8) & (O_APPEND | O_CLOEXEC | O_ACCMODE)) ==
	                                   (O_APPEND | O_CLOEXEC | O_RDWR));
	check("fdinfo-mount", strstr(text, "mnt_id:") != 0);
	close(info);
	close(fd);
	unlink(BASE);
}

int main(void)
{
	alarm(50);
	test_poll();
	test_inotify();
	test_flush();
	test_isig();
	test_hangup();
	test_clone();
	test_pipe_size();
	test_fdinfo();
	return check_failures != 0;
}
