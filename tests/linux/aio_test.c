/* aio(7), and calls of its neighbourhood: futex_waitv(2), process_madvise(2), process_mrelease(2), pkey_mprotect(2), syslog(2). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "check.h"

static aio_context_t context;
static struct io_event event;

static int setup(unsigned count, aio_context_t *to)
{
	return (int)syscall(SYS_io_setup, count, to);
}

static int submit(struct iocb *iocb)
{
	return (int)syscall(SYS_io_submit, context, 1, &iocb);
}

static int take(long least, int ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};
	memset(&event, 0, sizeof(event));
	return (int)syscall(SYS_io_getevents, context, least, 1, &event, &time);
}

static struct iocb command(unsigned opcode, int fd, const void *buffer, size_t bytes, long offset)
{
	return (struct iocb){.aio_data = 77,
	                     .aio_lio_opcode = (uint16_t)opcode,
	                     .aio_fildes = (unsigned)fd,
	                     .aio_buf = (uint64_t)buffer,
	                     .aio_nbytes = bytes,
	                     .aio_offset = offset};
}

static int done(struct iocb *iocb, long result)
{
	return submit(iocb) == 1 && take(1, 10000) == 1 && event.data == 77 && event.obj == (uint64_t)iocb &&
	       event.res == result;
}

static void files(void)
{
	char text[16] = "";
	aio_context_t other = 5;
	check("a context that is there already", setup(4, &other) == -1 && errno == EINVAL);
	other = 0;
	check("none wanted", setup(0, &other) == -1 && errno == EINVAL);
	check("setup", setup(8, &context) == 0 && context);
	const unsigned *ring = (void *)context;
	check("its ring is there", ring[4] == 0xa10a10a1 && ring[7] == 32);
	int fd = open("/tmp/aio", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct iocb iocb = command(IOCB_CMD_PWRITE, fd, "hello", 5, 0);
	check("write", done(&iocb, 5));
	iocb = command(IOCB_CMD_PREAD, fd, text, 16, 1);
	check("read", done(&iocb, 4) && !memcmp(text, "ello", 4));
	iocb.aio_flags = 2; /* IOCB_FLAG_IOPRIO */
	iocb.aio_reqprio = 2 << 13 | 7;
	check("a priority", done(&iocb, 4));
	iocb.aio_reqprio = (short)(4u << 13);
	check("a bad priority", submit(&iocb) == -1 && errno == EINVAL);
	struct iovec vector[2] = {{text, 2}, {text + 8, 8}};
	iocb = command(IOCB_CMD_PREADV, fd, vector, 2, 0);
	check("readv", done(&iocb, 5) && !memcmp(text + 8, "llo", 3));
	iocb = command(IOCB_CMD_PWRITEV, fd, vector, 1, 5);
	check("writev", done(&iocb, 2));
	iocb = command(IOCB_CMD_FSYNC, fd, 0, 0, 0);
	check("fsync", done(&iocb, 0));
	iocb = command(IOCB_CMD_FDSYNC, fd, 0, 0, 0);
	check("fdsync", done(&iocb, 0));
	iocb = command(IOCB_CMD_PREAD, 999, text, 4, 0);
	check("no file", submit(&iocb) == -1 && errno == EBADF);
	iocb = command(40, fd, text, 4, 0);
	check("no operation", submit(&iocb) == -1 && errno == EINVAL);
	iocb = command(IOCB_CMD_PREAD, fd, text, 4, 0);
	iocb.aio_reserved2 = 1;
	check("reserved words", submit(&iocb) == -1 && errno == EINVAL);
	check("a bad list", syscall(SYS_io_submit, context, 1, 8) == -1 && errno == EFAULT);
	check("no context", syscall(SYS_io_submit, context + 4096, 1, 8) == -1 && errno == EINVAL);
	iocb = command(IOCB_CMD_PREAD, fd, (void *)8, 4, 0);
	check("a bad buffer",
	      submit(&iocb) == 1 ? take(1, 1000) == 1 && event.res == -EFAULT : errno == EFAULT);
	int counter = eventfd(0, EFD_NONBLOCK);
	uint64_t count = 0;
	iocb = command(IOCB_CMD_PREAD, fd, text, 4, 0);
	iocb.aio_flags = IOCB_FLAG_RESFD;
	iocb.aio_resfd = (unsigned)counter;
	check("an eventfd counts", done(&iocb, 4) && read(counter, &count, 8) == 8 && count == 1);
	iocb.aio_resfd = (unsigned)fd;
	check("which it must be", submit(&iocb) == -1 && errno == EINVAL);
	check("nothing is left", take(0, 0) == 0 && take(1, 10) == 0);
	close(counter);
	close(fd);
}

static void polls(void)
{
	int pipes[2];
	pipe(pipes);
	struct iocb iocb = command(IOCB_CMD_POLL, pipes[0], (void *)POLLIN, 0, 0);
	check("a poll waits", submit(&iocb) == 1 && take(0, 0) == 0);
	write(pipes[1], "a", 1);
	check("and ends", take(1, 20000) == 1 && (event.res & POLLIN) && event.obj == (uint64_t)&iocb);
	check("at once", done(&iocb, POLLIN));
	char text[4];
	read(pipes[0], text, 4);
	check("waits again", submit(&iocb) == 1);
	long result = syscall(SYS_io_cancel, context, &iocb, &event);
	check("is cancelled", result == -1 && errno == EINPROGRESS && take(1, 20000) == 1);
	check("once", syscall(SYS_io_cancel, context, &iocb, &event) == -1 && errno == EINVAL);
	submit(&iocb);
	check("a context goes with its polls", syscall(SYS_io_destroy, context) == 0);
	check("once", syscall(SYS_io_destroy, context) == -1 && errno == EINVAL);
	write(pipes[1], "a", 1);
	context = 0;
	int status = in_child(setup(4, &context); submit(&iocb); _exit(3));
	check("exit with a poll", exited(status, 3));
	close(pipes[0]);
	close(pipes[1]);
}

static uint32_t words[3];

static void *waker(void *argument)
{
	pause_ms(50);
	__atomic_store_n(&words[1], 1, __ATOMIC_SEQ_CST);
	/* Again and again: it may not wait yet. */
	while (!__atomic_load_n(&words[2], __ATOMIC_SEQ_CST)) {
		syscall(SYS_futex, &words[1], FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
		pause_ms(5);
	}
	return argument;
}

static void futexes(void)
{
	struct futex_waitv waits[3];
	pthread_t thread;
	for (int i = 0; i < 3; i++)
		waits[i] = (struct futex_waitv){
		    .val = 0, .uaddr = (uint64_t)&words[i], .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG};
	pthread_create(&thread, 0, waker, 0);
	long woken = syscall(SYS_futex_waitv, waits, 2, 0, 0, 0);
	check("one of several words", woken == 1 || (woken == -1 && errno == EAGAIN));
	words[2] = 1;
	pthread_join(thread, 0);
	check("another value", syscall(SYS_futex_waitv, waits, 3, 0, 0, 0) == -1 && errno == EAGAIN);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	check("a time",
	      syscall(SYS_futex_waitv, waits, 1, 0, &now, CLOCK_MONOTONIC) == -1 && errno == ETIMEDOUT);
	check("no clock", syscall(SYS_futex_waitv, waits, 1, 0, &now, 7) == -1 && errno == EINVAL);
	check("too many", syscall(SYS_futex_waitv, waits, 129, 0, 0, 0) == -1 && errno == EINVAL);
	check("none", syscall(SYS_futex_waitv, waits, 0, 0, 0, 0) == -1 && errno == EINVAL);
	waits[0].flags = 1;
	check("a size", syscall(SYS_futex_waitv, waits, 1, 0, 0, 0) == -1 && errno == EINVAL);
}

static void processes(void)
{
	char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec range = {page, 8192};
	pid_t child = fork();
	if (!child)
		pause();
	int fd = (int)syscall(SYS_pidfd_open, child, 0);
	check("advice for another", syscall(SYS_process_madvise, fd, &range, 1, MADV_COLD, 0) == 8192);
	check("of a kind",
	      syscall(SYS_process_madvise, fd, &range, 1, MADV_DONTNEED, 0) == -1 && errno == EINVAL);
	check("without flags",
	      syscall(SYS_process_madvise, fd, &range, 1, MADV_COLD, 1) == -1 && errno == EINVAL);
	check("for a process",
	      syscall(SYS_process_madvise, -1, &range, 1, MADV_COLD, 0) == -1 && errno == EBADF);
	check("memory of one that lives", syscall(SYS_process_mrelease, fd, 0) == -1 && errno == EINVAL);
	kill(child, SIGKILL);
	int status;
	waitpid(child, &status, 0);
	check("of one that is gone", syscall(SYS_process_mrelease, fd, 0) == -1 && errno == ESRCH);
	check("keys know no flags", syscall(SYS_pkey_alloc, 1, 0) == -1 && errno == EINVAL);
	check("the key of none", syscall(SYS_pkey_mprotect, page, 4096, PROT_READ, -1) == 0);
	check("an unknown key",
	      syscall(SYS_pkey_mprotect, page, 4096, PROT_READ, 99) == -1 && errno == EINVAL);
	check("nor to free", syscall(SYS_pkey_free, 99) == -1 && errno == EINVAL);
	close(fd);
	char *text = malloc(1 << 20);
	int size = klogctl(10, 0, 0), got = klogctl(3, text, 1 << 20);
	check("the log's size", size > 0 && got >= 0 && got <= size);
	check("no action", klogctl(11, 0, 0) == -1 && errno == EINVAL);
	check("no room", klogctl(3, 0, 0) == -1 && errno == EINVAL);
	check("a level", klogctl(8, 0, 0) == -1 && errno == EINVAL);
	FILE *messages = fopen("/dev/kmsg", "w");
	if (messages) {
		fputs("aio_test was here\n", messages);
		fclose(messages);
		got = klogctl(3, text, (1 << 20) - 1);
		text[got > 0 ? got : 0] = 0;
		check("a line of it", strstr(text, "aio_test was here"));
		check("as the log has them", text[0] == '<' && text[got - 1] == '\n');
		check("cleared", klogctl(5, 0, 0) == 0 && klogctl(3, text, 1 << 20) == 0);
	}
	free(text);
}

/* A child has none of its parent's contexts, and its end leaves them alone. */
static void contexts_of_forks(void)
{
	struct io_event got;
	int fd = open("/tmp/aio", O_RDWR | O_CREAT | O_TRUNC, 0600);
	check("not the child's",
	      exited(
	          in_child(_exit(syscall(SYS_io_getevents, context, 0, 1, &got, 0) == -1 && errno == EINVAL)),
	          1));
	check("not the child's to end",
	      exited(in_child(_exit(syscall(SYS_io_destroy, context) == -1 && errno == EINVAL)), 1));
	for (int i = 0; i < 20; i++)
		in_child(_exit(0));
	struct iocb write_it = command(IOCB_CMD_PWRITE, fd, "abc", 3, 0);
	check("the parent's after children", done(&write_it, 3));
	close(fd);
}

int main(void)
{
	files();
	contexts_of_forks();
	polls();
	futexes();
	processes();
	return check_failures != 0;
}
