/* aio(7) on the disk that the argument names, with O_DIRECT: what is under way ends well, whoever takes the events, ends, or is killed meanwhile.
 * Writes from 32 MiB on. Says "disk_aio_check: N of N" at its end, and before it what is wrong. Runs on Linux, too. */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 4096, MANY = 100, BATCH = 32, AREA = 32 << 20 };

static const char *path;
static int disk, good, tried;
static uint8_t *memory;
static struct iocb iocbs[MANY];

static void check(const char *name, int right)
{
	tried++;
	good += right != 0;
	if (!right)
		printf("disk_aio_check: not so: %s (errno %d)\n", name, errno);
}

static aio_context_t context_make(unsigned count)
{
	aio_context_t context = 0;
	if (syscall(SYS_io_setup, count, &context))
		perror("io_setup");
	return context;
}

static void fill(uint8_t *at, unsigned block, uint32_t salt)
{
	for (uint32_t i = 0; i < BLOCK / 4; i++)
		((uint32_t *)(void *)at)[i] = (block * 1024 + i) * 2654435761u + salt;
}

static int filled(const uint8_t *at, unsigned block, uint32_t salt)
{
	uint8_t wanted[BLOCK];
	fill(wanted, block, salt);
	return memcmp(at, wanted, BLOCK) == 0;
}

static int all_filled(unsigned count, uint32_t salt)
{
	for (unsigned i = 0; i < count; i++)
		if (!filled(memory + (size_t)i * BLOCK, i, salt))
			return 0;
	return 1;
}

/* COUNT blocks, each of its own; how many were taken. With an eventfd where it is none of -1. */
static long submit(aio_context_t context, int write, unsigned count, int event)
{
	struct iocb *list[MANY];
	for (unsigned i = 0; i < count; i++) {
		iocbs[i] = (struct iocb){.aio_data = i,
		                         .aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		                         .aio_fildes = (uint32_t)disk,
		                         .aio_buf = (uintptr_t)memory + (size_t)i * BLOCK,
		                         .aio_nbytes = BLOCK,
		                         .aio_offset = AREA + (int64_t)i * BLOCK,
		                         .aio_flags = event < 0 ? 0 : IOCB_FLAG_RESFD,
		                         .aio_resfd = event < 0 ? 0 : (uint32_t)event};
		list[i] = &iocbs[i];
	}
	return syscall(SYS_io_submit, context, (long)count, list);
}

/* COUNT events, each whole, of different requests. */
static int whole(aio_context_t context, unsigned count)
{
	struct io_event events[MANY];
	uint8_t seen[MANY] = {0};
	unsigned taken = 0;
	while (taken < count) {
		long more = syscall(SYS_io_getevents, context, 1L, (long)(count - taken), events, NULL);
		if (more <= 0)
			return 0;
		for (long i = 0; i < more; i++) {
			if (events[i].res != BLOCK || events[i].data >= count || seen[events[i].data]++)
				return 0;
			taken++;
		}
	}
	return 1;
}

static void write_all(uint32_t salt)
{
	aio_context_t context = context_make(MANY);
	for (unsigned i = 0; i < MANY; i++)
		fill(memory + (size_t)i * BLOCK, i, salt);
	check("writes", submit(context, 1, MANY, -1) == MANY && whole(context, MANY));
	memset(memory, 0, (size_t)MANY * BLOCK);
	check("more reads than a disk has room for at a time",
	      submit(context, 0, MANY, -1) == MANY && whole(context, MANY) && all_filled(MANY, salt));
	memset(memory, 0, (size_t)MANY * BLOCK);
	int right = 1;
	for (unsigned i = 0; i < BATCH; i++)
		right = right && submit(context, 0, 1, -1) == 1 && whole(context, 1);
	check("and one after the other", right && all_filled(1, salt));
	syscall(SYS_io_destroy, context);
}

/* Who looks at the ring alone is told by an eventfd, and then the data is there. */
static void by_eventfd(uint32_t salt)
{
	aio_context_t context = context_make(MANY);
	int event = eventfd(0, 0);
	uint64_t told = 0, more;
	memset(memory, 0, (size_t)MANY * BLOCK);
	int right = submit(context, 0, BATCH, event) == BATCH;
	while (right && told < BATCH && read(event, &more, sizeof(more)) == sizeof(more))
		told += more;
	check("an eventfd tells when the data is there", right && told == BATCH && all_filled(BATCH, salt));
	check("and the events are in the ring",
	      ((volatile uint32_t *)context)[3] - ((volatile uint32_t *)context)[2] == BATCH);
	close(event);
	syscall(SYS_io_destroy, context);
}

static void *submit_and_end(void *context)
{
	return (void *)(intptr_t)submit((aio_context_t)context, 0, BATCH, -1);
}

static void by_thread(uint32_t salt)
{
	aio_context_t context = context_make(MANY);
	pthread_t thread;
	void *count = 0;
	memset(memory, 0, (size_t)MANY * BLOCK);
	check("what a thread that has ended submitted is done",
	      pthread_create(&thread, NULL, submit_and_end, (void *)context) == 0 &&
	          pthread_join(thread, &count) == 0 && (intptr_t)count == BATCH && whole(context, BATCH) &&
	          all_filled(BATCH, salt));
	syscall(SYS_io_destroy, context);
}

static void destroyed(uint32_t salt)
{
	aio_context_t context = context_make(MANY);
	memset(memory, 0, (size_t)MANY * BLOCK);
	int right = submit(context, 0, BATCH, -1) == BATCH;
	check("a context ends when all in it is done",
	      syscall(SYS_io_destroy, context) == 0 && right && all_filled(BATCH, salt));
}

/* A child that writes and ends in the midst of it: by itself, by exec or by a signal. */
static void child(const char *name, int how, uint32_t salt)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		aio_context_t context = context_make(MANY);
		for (unsigned i = 0; i < BATCH; i++)
			fill(memory + (size_t)i * BLOCK, i, salt);
		if (submit(context, 1, BATCH, -1) != BATCH)
			_exit(1);
		if (how == 1)
			execl("/proc/self/exe", "disk_aio_check", NULL);
		if (how == 2)
			kill(getpid(), SIGKILL);
		_exit(0);
	}
	check(name, waitpid(pid, &status, 0) == pid && (how == 2 ? WIFSIGNALED(status) : status == 0));
	memset(memory, 0, (size_t)MANY * BLOCK);
	check("and all is written then",
	      pread(disk, memory, (size_t)BATCH * BLOCK, AREA) == BATCH * BLOCK && all_filled(BATCH, salt));
}

/* Killed at any moment, while it takes events or destroys the context: whatever becomes of its requests, the next one's go well. */
static void killed(void)
{
	for (unsigned i = 0; i < 40; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			aio_context_t context = context_make(MANY);
			struct io_event events[MANY];
			for (;;)
				if (submit(context, 0, BATCH, -1) > 0 && i % 2)
					syscall(SYS_io_getevents, context, 1L, (long)MANY, events, NULL);
				else if (syscall(SYS_io_destroy, context) == 0)
					context = context_make(MANY);
		}
		usleep(3000 * (i % 7));
		kill(pid, SIGKILL);
		check("a program that is killed ends", waitpid(pid, NULL, 0) == pid);
	}
}

static void refused(void)
{
	aio_context_t context = context_make(MANY);
	uint8_t *closed = mmap(NULL, BLOCK, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iocb iocb = {.aio_lio_opcode = IOCB_CMD_PREAD,
	                    .aio_fildes = (uint32_t)disk,
	                    .aio_buf = (uintptr_t)closed,
	                    .aio_nbytes = BLOCK,
	                    .aio_offset = AREA};
	struct iocb *list[1] = {&iocb};
	struct io_event event;
	int right = syscall(SYS_io_submit, context, 1L, list) == 1 &&
	            syscall(SYS_io_getevents, context, 1L, 1L, &event, NULL) == 1;
	check("memory that cannot be written is EFAULT", right && event.res == -EFAULT);
	iocb.aio_buf = (uintptr_t)memory;
	iocb.aio_offset = lseek(disk, 0, SEEK_END);
	right = syscall(SYS_io_submit, context, 1L, list) == 1 &&
	        syscall(SYS_io_getevents, context, 1L, 1L, &event, NULL) == 1;
	check("at the disk's end there is nothing", right && event.res == 0);
	syscall(SYS_io_destroy, context);
}

int main(int count, char **arguments)
{
	if (count < 2)
		return 0; /* the child's exec */
	path = arguments[1];
	disk = open(path, O_RDWR | O_DIRECT);
	memory = mmap(NULL, (size_t)MANY * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (disk < 0 || memory == MAP_FAILED) {
		perror(path);
		return 1;
	}
	write_all(1);
	by_eventfd(1);
	by_thread(1);
	destroyed(1);
	child("a child ends in the midst", 0, 2);
	child("a child becomes another program in the midst", 1, 3);
	child("a child is killed in the midst", 2, 4);
	killed();
	refused();
	write_all(5);
	printf("disk_aio_check: %d of %d\n", good, tried);
	return good != tried;
}
