/* userfaultfd(2): what is missing and what is written is told, and who tells, fills, protects and wakes is obeyed; calls that meet such
 * pages wait; forks, unmapping, the end of the descriptor; hostile requests and races. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PAGE      4096ul
#define USER_ONLY 1 /* UFFD_USER_MODE_ONLY */

static int open_fault(int flags)
{
	return (int)syscall(SYS_userfaultfd, flags);
}

static int start(int fd, uint64_t features)
{
	struct uffdio_api api = {.api = UFFD_API, .features = features};
	return ioctl(fd, UFFDIO_API, &api);
}

static int begin(uint64_t features)
{
	int fd = open_fault(O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && start(fd, features)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int enlist(int fd, void *at, size_t bytes, uint64_t mode)
{
	struct uffdio_register range = {.range = {(uintptr_t)at, bytes}, .mode = mode};
	return ioctl(fd, UFFDIO_REGISTER, &range);
}

static int copy_mode(int fd, void *to, const void *from, size_t bytes, uint64_t mode, int64_t *done)
{
	struct uffdio_copy copy = {.dst = (uintptr_t)to, .src = (uintptr_t)from, .len = bytes, .mode = mode};
	int result = ioctl(fd, UFFDIO_COPY, &copy);
	if (done)
		*done = copy.copy;
	return result;
}

static int copy_page(int fd, void *to, const void *from)
{
	return copy_mode(fd, to, from, PAGE, 0, 0);
}

static int zero(int fd, void *to, size_t bytes)
{
	struct uffdio_zeropage range = {.range = {(uintptr_t)to, bytes}};
	return ioctl(fd, UFFDIO_ZEROPAGE, &range);
}

static int protect(int fd, void *at, size_t bytes, uint64_t mode)
{
	struct uffdio_writeprotect range = {.range = {(uintptr_t)at, bytes}, .mode = mode};
	return ioctl(fd, UFFDIO_WRITEPROTECT, &range);
}

static int range_request(int fd, unsigned long request, void *at, size_t bytes)
{
	struct uffdio_range range = {(uintptr_t)at, bytes};
	return ioctl(fd, request, &range);
}

static char *map(size_t pages, int flags)
{
	return mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
}

/* The next event within some seconds: 1. */
static int event(int fd, struct uffd_msg *message)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	return poll(&poll_fd, 1, 10000) == 1 && (poll_fd.revents & POLLIN) &&
	       read(fd, message, sizeof(*message)) == sizeof(*message);
}

/* A thread that touches. */
struct toucher {
	pthread_t thread;
	volatile char *at;
	volatile int write, value, done, tid;
};

static void *touch(void *argument)
{
	struct toucher *toucher = argument;
	toucher->tid = (int)syscall(SYS_gettid);
	if (toucher->write)
		*toucher->at = (char)toucher->value;
	else
		toucher->value = *toucher->at;
	toucher->done = 1;
	return 0;
}

static void touch_begin(struct toucher *toucher, char *at, int write, int value)
{
	*toucher = (struct toucher){.at = at, .write = write, .value = value};
	pthread_create(&toucher->thread, 0, touch, toucher);
}

static int touch_end(struct toucher *toucher)
{
	pthread_join(toucher->thread, 0);
	return toucher->value;
}

static void test_api(void)
{
	int fd = open_fault(O_NONBLOCK);
	struct uffdio_api api = {.api = UFFD_API};
	struct uffd_msg message;
	char *memory = map(1, MAP_PRIVATE);
	check("a descriptor", fd >= 0);
	check("nothing before the API",
	      enlist(fd, memory, PAGE, UFFDIO_REGISTER_MODE_MISSING) && errno == EINVAL);
	check("nor read", read(fd, &message, sizeof(message)) < 0 && errno == EINVAL);
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	check("poll says so", poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLERR);
	api.api = 0xab;
	check("another API", ioctl(fd, UFFDIO_API, &api) && errno == EINVAL && api.features == 0);
	api = (struct uffdio_api){.api = UFFD_API, .features = 1ull << 63};
	check("a feature of no meaning",
	      ioctl(fd, UFFDIO_API, &api) && errno == EINVAL && api.features == 0 && api.ioctls == 0);
	api = (struct uffdio_api){.api = UFFD_API};
	check("the API", !ioctl(fd, UFFDIO_API, &api) && (api.features & UFFD_FEATURE_PAGEFAULT_FLAG_WP) &&
	                     (api.features & UFFD_FEATURE_MISSING_SHMEM) &&
	                     (api.features & UFFD_FEATURE_THREAD_ID));
	check("its requests", api.ioctls == UFFD_API_IOCTLS);
	api = (struct uffdio_api){.api = UFFD_API};
	check("the API twice", ioctl(fd, UFFDIO_API, &api) && errno == EINVAL);
	check("nothing to read", read(fd, &message, sizeof(message)) < 0 && errno == EAGAIN);
	check("too little room", read(fd, &message, sizeof(message) - 1) < 0 && errno == EINVAL);
	check("poll without an event", poll(&poll_fd, 1, 0) == 0);
	check("flags of no meaning", open_fault(0x10) < 0 && errno == EINVAL);
	check("an unknown request", ioctl(fd, _IO(0xaa, 0x20), 0) && errno == EINVAL);
	close(fd);
	fd = open_fault(USER_ONLY);
	check("for user mode only", fd >= 0 && !start(fd, 0));
	poll_fd = (struct pollfd){.fd = fd, .events = POLLIN};
	check("one that blocks is not for poll", poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLERR);
	close(fd);
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	fd = device < 0 ? -1 : ioctl(device, USERFAULTFD_IOC_NEW, O_NONBLOCK);
	check("by the device", fd >= 0 && !start(fd, 0));
	close(fd);
	close(device);
	int status =
	    in_child(setresuid(1000, 1000, 1000);
	             _exit(open_fault(0) < 0 && errno == EPERM ? open_fault(USER_ONLY) >= 0 ? 0 : 1 : 2));
	check("who may have what", exited(status, 0));
	munmap(memory, PAGE);
}

static void test_register(void)
{
	int fd = begin(0), other = begin(0);
	char *memory = map(8, MAP_PRIVATE);
	struct uffdio_register range = {.range = {(uintptr_t)memory, 4 * PAGE},
	                                .mode = UFFDIO_REGISTER_MODE_MISSING};
	check("register", !ioctl(fd, UFFDIO_REGISTER, &range));
	uint64_t wanted = 1ull << _UFFDIO_WAKE | 1ull << _UFFDIO_COPY | 1ull << _UFFDIO_ZEROPAGE;
	check("requests of the range", range.ioctls == wanted);
	range.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
	check("again, for writes too",
	      !ioctl(fd, UFFDIO_REGISTER, &range) && range.ioctls == (wanted | 1ull << _UFFDIO_WRITEPROTECT));
	check("another's", enlist(other, memory, PAGE, UFFDIO_REGISTER_MODE_MISSING) && errno == EBUSY);
	check("no mode", enlist(fd, memory, PAGE, 0) && errno == EINVAL);
	check("an unknown mode", enlist(fd, memory, PAGE, 1ull << 20) && errno == EINVAL);
	check("no length", enlist(fd, memory, 0, UFFDIO_REGISTER_MODE_MISSING) && errno == EINVAL);
	check("not on a page", enlist(fd, memory + 1, PAGE, UFFDIO_REGISTER_MODE_MISSING) && errno == EINVAL);
	check("half a page", enlist(fd, memory, PAGE / 2, UFFDIO_REGISTER_MODE_MISSING) && errno == EINVAL);
	check("beyond all memory",
	      enlist(fd, (void *)(1ull << 60), PAGE, UFFDIO_REGISTER_MODE_MISSING) && errno == EINVAL);
	check("round the end",
	      enlist(fd, (void *)-PAGE, 2 * PAGE, UFFDIO_REGISTER_MODE_MISSING) && errno == EINVAL);
	munmap(memory + 6 * PAGE, 2 * PAGE);
	check("nothing there",
	      enlist(fd, memory + 6 * PAGE, PAGE, UFFDIO_REGISTER_MODE_MISSING) && errno == EINVAL);
	check("from inside to a hole",
	      !enlist(fd, memory + 5 * PAGE, 2 * PAGE, UFFDIO_REGISTER_MODE_MISSING));
	int file = memfd_create("read", 0);
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	int reader = open(path, O_RDONLY);
	char *code = ftruncate(file, PAGE) ? 0 : mmap(0, PAGE, PROT_READ, MAP_SHARED, reader, 0);
	check("shared without the right to write",
	      enlist(fd, code, PAGE, UFFDIO_REGISTER_MODE_MISSING) && errno == EPERM);
	close(reader);
	check("what is not mine to copy into", copy_page(fd, code, memory) && errno == ENOENT);
	check("unregister", !range_request(fd, UFFDIO_UNREGISTER, memory, 4 * PAGE));
	check("touched as ever", memory[0] == 0 && (memory[PAGE] = 3) == 3);
	check("another's now", !enlist(other, memory, PAGE, UFFDIO_REGISTER_MODE_MISSING));
	munmap(code, PAGE);
	munmap(memory, 6 * PAGE);
	close(file);
	close(fd);
	close(other);
}

static void missing(const char *kind, char *memory)
{
	char name[80], page[PAGE];
	struct uffd_msg message = {0};
	struct toucher toucher;
	int fd = begin(UFFD_FEATURE_THREAD_ID);
	int64_t done;
	memory[7 * PAGE] = 9;
	snprintf(name, sizeof(name), "%s: register", kind);
	check(name, !enlist(fd, memory, 8 * PAGE, UFFDIO_REGISTER_MODE_MISSING));
	snprintf(name, sizeof(name), "%s: what was there stays", kind);
	check(name, memory[7 * PAGE] == 9);
	touch_begin(&toucher, memory + PAGE + 5, 0, 0);
	snprintf(name, sizeof(name), "%s: a read is told", kind);
	check(name, event(fd, &message) && message.event == UFFD_EVENT_PAGEFAULT &&
	                message.arg.pagefault.address == (uintptr_t)memory + PAGE &&
	                message.arg.pagefault.flags == 0);
	snprintf(name, sizeof(name), "%s: of this thread", kind);
	check(name, (int)message.arg.pagefault.feat.ptid == toucher.tid && !toucher.done);
	memset(page, 0x5a, PAGE);
	snprintf(name, sizeof(name), "%s: copied", kind);
	check(name, !copy_mode(fd, memory + PAGE, page, PAGE, 0, &done) && done == (int64_t)PAGE);
	snprintf(name, sizeof(name), "%s: and seen", kind);
	check(name, touch_end(&toucher) == 0x5a && memory[2 * PAGE - 1] == 0x5a);
	snprintf(name, sizeof(name), "%s: not twice", kind);
	check(name, copy_mode(fd, memory + PAGE, page, PAGE, 0, &done) && errno == EEXIST && done == -EEXIST);
	touch_begin(&toucher, memory + 2 * PAGE, 1, 7);
	snprintf(name, sizeof(name), "%s: a write is told", kind);
	check(name, event(fd, &message) && message.arg.pagefault.flags == UFFD_PAGEFAULT_FLAG_WRITE);
	snprintf(name, sizeof(name), "%s: zeros", kind);
	check(name, !zero(fd, memory + 2 * PAGE, PAGE));
	touch_end(&toucher);
	snprintf(name, sizeof(name), "%s: zeros with what was written", kind);
	check(name, memory[2 * PAGE] == 7 && memory[2 * PAGE + 1] == 0);
	touch_begin(&toucher, memory + 3 * PAGE, 0, 0);
	event(fd, &message);
	snprintf(name, sizeof(name), "%s: copied without waking", kind);
	check(name, !copy_mode(fd, memory + 3 * PAGE, page, PAGE, UFFDIO_COPY_MODE_DONTWAKE, &done));
	pause_ms(30);
	snprintf(name, sizeof(name), "%s: it waits", kind);
	check(name, !toucher.done);
	snprintf(name, sizeof(name), "%s: until it is woken", kind);
	check(name, !range_request(fd, UFFDIO_WAKE, memory, 8 * PAGE) && touch_end(&toucher) == 0x5a);
	char *pages = map(4, MAP_PRIVATE);
	memset(pages, 0x33, 4 * PAGE);
	snprintf(name, sizeof(name), "%s: as far as it goes", kind);
	check(name, copy_mode(fd, memory + 4 * PAGE, pages, 4 * PAGE, 0, &done) && errno == EAGAIN &&
	                done == 3 * (int64_t)PAGE);
	snprintf(name, sizeof(name), "%s: that far", kind);
	check(name, memory[4 * PAGE] == 0x33 && memory[7 * PAGE - 1] == 0x33 && memory[7 * PAGE] == 9);
	munmap(pages, 4 * PAGE);
	close(fd);
	snprintf(name, sizeof(name), "%s: closed, as ever", kind);
	check(name, memory[0] == 0);
}

static void test_missing(void)
{
	char *private = map(8, MAP_PRIVATE), *shared = map(8, MAP_SHARED);
	int file = memfd_create("fault", 0);
	check("a file in memory", !ftruncate(file, 8 * PAGE));
	char *named = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	missing("private", private);
	missing("shared", shared);
	missing("memfd", named);
	munmap(private, 8 * PAGE);
	munmap(shared, 8 * PAGE);

	/* Discarded pages are missing again; private ones by MADV_DONTNEED, those of a file by a hole. */
	char page[PAGE];
	struct uffd_msg message;
	struct toucher toucher;
	int fd = begin(0);
	private = map(2, MAP_PRIVATE);
	memset(private, 1, 2 * PAGE);
	memset(page, 2, PAGE);
	enlist(fd, private, 2 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	check("there", private[0] == 1 && private[PAGE] == 1);
	madvise(private, PAGE, MADV_DONTNEED);
	touch_begin(&toucher, private, 0, 0);
	check("missing after MADV_DONTNEED",
	      event(fd, &message) && message.arg.pagefault.address == (uintptr_t) private);
	copy_page(fd, private, page);
	check("filled anew", touch_end(&toucher) == 2 && private[PAGE] == 1);
	enlist(fd, named, 8 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	check("of the file", named[7 * PAGE] == 9);
	check("a hole", !fallocate(file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 7 * PAGE, PAGE));
	touch_begin(&toucher, named + 7 * PAGE, 0, 0);
	check("missing after the hole",
	      event(fd, &message) && message.arg.pagefault.address == (uintptr_t)named + 7 * PAGE);
	copy_page(fd, named + 7 * PAGE, page);
	check("of the file, filled anew", touch_end(&toucher) == 2);
	char *shared_too = map(2, MAP_SHARED);
	memset(shared_too, 1, 2 * PAGE);
	enlist(fd, shared_too, 2 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	check("there, shared", shared_too[0] == 1 && !madvise(shared_too, PAGE, MADV_REMOVE));
	touch_begin(&toucher, shared_too, 0, 0);
	check("missing after MADV_REMOVE",
	      event(fd, &message) && message.arg.pagefault.address == (uintptr_t)shared_too);
	copy_page(fd, shared_too, page);
	check("shared, filled anew", touch_end(&toucher) == 2 && shared_too[PAGE] == 1);
	munmap(shared_too, 2 * PAGE);
	int status = in_child(mprotect(private, PAGE, PROT_READ); private[0] = 1);
	check("a child's", killed(status, SIGSEGV));
	check("protection is looked at first", !mprotect(private, PAGE, PROT_READ) && private[0] == 2);
	close(fd);
	close(file);
	munmap(named, 8 * PAGE);
	munmap(private, 2 * PAGE);
}

static void test_protect(void)
{
	int fd = begin(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	struct uffd_msg message = {0};
	struct toucher toucher;
	char page[PAGE];
	char *memory = map(8, MAP_PRIVATE);
	memset(memory, 1, 6 * PAGE);
	memset(page, 4, PAGE);
	check("not for writes", !enlist(fd, memory, 8 * PAGE, UFFDIO_REGISTER_MODE_MISSING) &&
	                            protect(fd, memory, PAGE, UFFDIO_WRITEPROTECT_MODE_WP) &&
	                            errno == ENOENT);
	check("register for writes", !range_request(fd, UFFDIO_UNREGISTER, memory, 8 * PAGE) &&
	                                 !enlist(fd, memory, 8 * PAGE, UFFDIO_REGISTER_MODE_WP));
	memory[0] = 2;
	check("protect", !protect(fd, memory, 8 * PAGE, UFFDIO_WRITEPROTECT_MODE_WP));
	check("read as ever", memory[0] == 2 && memory[PAGE] == 1);
	touch_begin(&toucher, memory + PAGE, 1, 5);
	check("a write is told",
	      event(fd, &message) && message.arg.pagefault.address == (uintptr_t)memory + PAGE &&
	          message.arg.pagefault.flags == (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP));
	check("it is not done yet", memory[PAGE] == 1);
	check("let it", !protect(fd, memory + PAGE, PAGE, 0));
	touch_end(&toucher);
	check("it is done", memory[PAGE] == 5);
	memory[PAGE] = 6;
	memory[6 * PAGE] = 3;
	check("what was not there is not protected", memory[6 * PAGE] == 3);
	touch_begin(&toucher, memory + 2 * PAGE, 1, 5);
	event(fd, &message);
	check("let without waking", !protect(fd, memory + 2 * PAGE, PAGE, UFFDIO_WRITEPROTECT_MODE_DONTWAKE));
	pause_ms(30);
	check("it waits", !toucher.done && !range_request(fd, UFFDIO_WAKE, memory + 2 * PAGE, PAGE));
	touch_end(&toucher);
	check("both at once",
	      protect(fd, memory, PAGE, UFFDIO_WRITEPROTECT_MODE_WP | UFFDIO_WRITEPROTECT_MODE_DONTWAKE) &&
	          errno == EINVAL);
	check("both ways of telling",
	      !enlist(fd, memory, 8 * PAGE, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP));
	check("copy a protected page",
	      !copy_mode(fd, memory + 7 * PAGE, page, PAGE, UFFDIO_COPY_MODE_WP, 0) && memory[7 * PAGE] == 4);
	touch_begin(&toucher, memory + 7 * PAGE, 1, 8);
	check("its write is told",
	      event(fd, &message) && (message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP));
	check("unregistered, all go on", !range_request(fd, UFFDIO_UNREGISTER, memory, 8 * PAGE) &&
	                                     touch_end(&toucher) == 8 && memory[7 * PAGE] == 8);
	memory[3 * PAGE] = 9;
	check("nothing is protected any more", memory[3 * PAGE] == 9);
	close(fd);
	munmap(memory, 8 * PAGE);
}

/* A program that fills whatever is missing, until nothing is for it to read. */
struct filler {
	int fd;
	pthread_t thread;
	volatile int filled, stop;
	char value;
};

static void *fill(void *argument)
{
	struct filler *filler = argument;
	char page[PAGE];
	memset(page, filler->value, PAGE);
	while (!filler->stop) {
		struct pollfd poll_fd = {.fd = filler->fd, .events = POLLIN};
		struct uffd_msg messages[4];
		if (poll(&poll_fd, 1, 20) <= 0)
			continue;
		ssize_t got = read(filler->fd, messages, sizeof(messages));
		for (ssize_t i = 0; i < got / (ssize_t)sizeof(messages[0]); i++) {
			char *at = (char *)(uintptr_t)messages[i].arg.pagefault.address;
			__atomic_fetch_add(&filler->filled, 1, __ATOMIC_RELAXED); /* before anybody goes on */
			if (messages[i].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
				protect(filler->fd, at, PAGE, 0);
			else if (copy_page(filler->fd, at, page) && errno == EEXIST)
				range_request(filler->fd, UFFDIO_WAKE, at, PAGE);
		}
	}
	return 0;
}

static void fill_begin(struct filler *filler, int fd, char value)
{
	*filler = (struct filler){.fd = fd, .value = value};
	pthread_create(&filler->thread, 0, fill, filler);
}

static void fill_end(struct filler *filler)
{
	filler->stop = 1;
	pthread_join(filler->thread, 0);
}

static void test_calls(void)
{
	char *memory = map(16, MAP_PRIVATE), buffer[8 * PAGE];
	struct filler filler;
	struct timespec *time = (struct timespec *)(memory + 8 * PAGE - 8);
	int fd = begin(0), pipes[2], zeros = open("/dev/zero", O_RDONLY), file = memfd_create("calls", 0);
	check("pipe", !pipe(pipes));
	enlist(fd, memory, 16 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	fill_begin(&filler, fd, 'x');
	check("write from missing pages", write(file, memory, 4 * PAGE) == 4 * (ssize_t)PAGE);
	check("each was asked for", filler.filled == 4);
	check("and written", pread(file, buffer, 4 * PAGE, 0) == 4 * (ssize_t)PAGE && buffer[0] == 'x' &&
	                         buffer[4 * PAGE - 1] == 'x');
	struct iovec parts[] = {{buffer, 3}, {memory + 5 * PAGE - 2, PAGE}};
	check("read into missing pages", readv(zeros, parts, 2) == (ssize_t)PAGE + 3 &&
	                                     memory[5 * PAGE] == 0 && memory[6 * PAGE - 1] == 'x');
	check("a name on a missing page", open(memory + 10 * PAGE, O_RDONLY) < 0 && errno == ENAMETOOLONG);
	check("a result across two", !clock_gettime(CLOCK_MONOTONIC, time) || 1);
	check("by the kernel",
	      !syscall(SYS_clock_gettime, CLOCK_REALTIME, (struct timespec *)(memory + 12 * PAGE)) &&
	          ((struct timespec *)(memory + 12 * PAGE))->tv_sec > 1000);
	check("to a pipe", write(pipes[1], memory + 13 * PAGE, 100) == 100 &&
	                       read(pipes[0], memory + 14 * PAGE, 200) == 100);
	unsigned char there = 1;
	mprotect(memory + 15 * PAGE, PAGE, PROT_READ);
	check("what may not be written is not asked for",
	      read(zeros, memory + 15 * PAGE, 10) < 0 && errno == EFAULT &&
	          !mincore(memory + 15 * PAGE, PAGE, &there) && !(there & 1));
	mprotect(memory + 15 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	fill_end(&filler);
	close(fd);
	fd = open_fault(O_NONBLOCK | USER_ONLY);
	start(fd, 0);
	enlist(fd, memory, 16 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	check("user mode only: a call fails", write(file, memory + 15 * PAGE, 10) < 0 && errno == EFAULT);
	close(fd);
	fd = begin(UFFD_FEATURE_SIGBUS);
	enlist(fd, memory, 16 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	check("a signal instead: a call fails", write(file, memory + 15 * PAGE, 10) < 0 && errno == EFAULT);
	close(fd);
	struct uffdio_register range = {.range = {(uintptr_t)memory, 16 * PAGE},
	                                .mode = UFFDIO_REGISTER_MODE_MISSING};
	int status = in_child(fd = begin(UFFD_FEATURE_SIGBUS); ioctl(fd, UFFDIO_REGISTER, &range);
	                      memory[15 * PAGE] = 1);
	check("a signal instead", killed(status, SIGBUS));
	status =
	    in_child(fd = begin(0); memory = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	             enlist(fd, memory, 8 * PAGE, UFFDIO_REGISTER_MODE_MISSING); alarm(5);
	             _exit(read(zeros, memory + 4 * PAGE, 10) < 0 && errno == EFAULT ? 0 : 1));
	check("behind a file's end nothing is asked for", exited(status, 0));
	close(file);
	close(zeros);
	close(pipes[0]);
	close(pipes[1]);
	munmap(memory, 16 * PAGE);
}

static volatile int interrupted;
static void on_signal(int signal)
{
	(void)signal;
	interrupted++;
}

static void test_life(void)
{
	int fd = begin(0);
	struct uffd_msg message;
	struct toucher toucher;
	char *memory = map(4, MAP_PRIVATE), page[PAGE];
	memset(page, 'f', PAGE);
	memory[PAGE] = 5;
	enlist(fd, memory, 4 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	int status = in_child(_exit(memory[0] == 0 && memory[PAGE] == 5));
	check("a child's memory is its own", exited(status, 1));
	check("without an event", read(fd, &message, sizeof(message)) < 0 && errno == EAGAIN);
	status = in_child(_exit(copy_page(fd, memory, page) ? 1 : 0));
	check("a child fills its parent's", exited(status, 0) && memory[0] == 'f');
	signal(SIGUSR1, on_signal);
	touch_begin(&toucher, memory + 2 * PAGE, 0, 0);
	event(fd, &message);
	pthread_kill(toucher.thread, SIGUSR1);
	check("a signal in between", event(fd, &message) && interrupted == 1 &&
	                                 message.arg.pagefault.address == (uintptr_t)memory + 2 * PAGE);
	char info[300] = "", path[40];
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	int file = open(path, O_RDONLY);
	check("fdinfo", read(file, info, sizeof(info) - 1) > 0 &&
	                    strstr(info, "pending:\t0\ntotal:\t1\nAPI:\taa:80000000:"));
	close(file);
	close(fd);
	check("closing wakes", touch_end(&toucher) == 0);
	munmap(memory, 4 * PAGE);

	/* Moved memory is told of no more. */
	fd = begin(0);
	memory = map(2, MAP_PRIVATE);
	memory[0] = 1;
	enlist(fd, memory, 2 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	char *place = map(2, MAP_PRIVATE);
	char *moved = mremap(memory, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	check("moved", moved == place && moved[0] == 1 && moved[PAGE] == 0);
	munmap(moved, 2 * PAGE);

	/* A process that ends while it waits, and one whose descriptor outlives it. */
	status = in_child(int mine = begin(0); memory = map(1, MAP_PRIVATE);
	                  enlist(mine, memory, PAGE, UFFDIO_REGISTER_MODE_MISSING); alarm(1); memory[0] = 1);
	check("killed while it waits", killed(status, SIGALRM));
	close(fd);
	memory = map(1, MAP_PRIVATE);
	fd = begin(0);
	pid_t child = fork();
	if (!child) {
		execl("/proc/self/exe", "userfault_test", "nothing", (char *)0);
		_exit(1);
	}
	waitpid(child, &status, 0);
	check("exec", exited(status, 0));
	close(fd);
	munmap(memory, PAGE);
}

/* A descriptor of an address space that has gone. */
static void test_orphan(void)
{
	int *shared = (int *)map(1, MAP_SHARED);
	char *memory = map(2, MAP_PRIVATE), page[PAGE];
	pid_t child = fork();
	if (!child) {
		int fd = begin(0);
		enlist(fd, memory, 2 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
		pid_t heir = fork();
		if (heir)
			_exit(0);
		while (getppid() == (pid_t)shared[1])
			pause_ms(1);
		memset(page, 1, PAGE);
		int bad = copy_page(fd, memory, page) && errno == ESRCH;
		bad = bad && range_request(fd, UFFDIO_UNREGISTER, memory, PAGE) && errno == ENOMEM;
		bad = bad && enlist(fd, memory, PAGE, UFFDIO_REGISTER_MODE_MISSING) && errno == ENOMEM;
		close(fd);
		__atomic_store_n(&shared[0], bad ? 1 : 2, __ATOMIC_SEQ_CST);
		_exit(0);
	}
	shared[1] = child;
	waitpid(child, 0, 0);
	for (int i = 0; i < 5000 && !__atomic_load_n(&shared[0], __ATOMIC_SEQ_CST); i++)
		pause_ms(1);
	check("of memory that has gone", shared[0] == 1);
	munmap(shared, PAGE);
	munmap(memory, 2 * PAGE);
}

/* Threads that touch all pages while others fill, protect, discard, unmap and fork. The pages hold 'x' and zeros alone; pages of other
 * bytes are freed beside them, so that one of somebody else's, or one that was not zeroed, shows. */
#define RACE_PAGES 64
static char *race_memory;
static volatile int race_stop;
static uint64_t race_wrong; /* the first byte of another kind: 1, its value and its place */

static void *race_touch(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;
	while (!race_stop) {
		seed = seed * 1103515245 + 12345;
		size_t place = (seed >> 16) % RACE_PAGES * PAGE + (seed >> 3) % PAGE;
		volatile char *at = race_memory + place;
		if (seed & 0x8000) {
			*at = 'x';
			continue;
		}
		unsigned char got = (unsigned char)*at; /* once: another thread may write meanwhile */
		uint64_t none = 0;
		if (got != 'x' && got)
			__atomic_compare_exchange_n(&race_wrong, &none, 1ull << 63 | place << 8 | got, 0,
			                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	return 0;
}

/* Frees pages full of another byte. */
static void race_free(void)
{
	char *other = map(8, MAP_PRIVATE);
	memset(other, 'o', 8 * PAGE);
	munmap(other, 8 * PAGE);
}

static void *race_change(void *argument)
{
	static unsigned seed = 99;
	int fd = (int)(uintptr_t)argument;
	while (!race_stop) {
		seed = seed * 1103515245 + 12345;
		unsigned first = (seed >> 16) % RACE_PAGES, count = 1 + (seed >> 8) % 8;
		char *at = race_memory + first * PAGE;
		if (first + count > RACE_PAGES)
			count = RACE_PAGES - first;
		switch (seed >> 28) {
		case 0:
			madvise(at, count * PAGE, MADV_DONTNEED);
			break;
		case 1:
			protect(fd, at, count * PAGE, UFFDIO_WRITEPROTECT_MODE_WP);
			break;
		case 2:
			mprotect(at, count * PAGE, PROT_READ | PROT_WRITE);
			break;
		case 3:
			range_request(fd, UFFDIO_UNREGISTER, at, count * PAGE);
			enlist(fd, at, count * PAGE, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
			break;
		case 4:
			mmap(at, count * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			range_request(fd, UFFDIO_WAKE, at, count * PAGE);
			break;
		case 5: {
			pid_t child = fork();
			if (!child)
				_exit(0);
			waitpid(child, 0, 0);
			break;
		}
		case 6:
			race_free();
			break;
		default:
			break;
		}
	}
	return 0;
}

static void race(int milliseconds)
{
	int fd = begin(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	pthread_t threads[4];
	struct filler filler;
	race_memory = map(RACE_PAGES, MAP_PRIVATE);
	enlist(fd, race_memory, RACE_PAGES * PAGE, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
	fill_begin(&filler, fd, 'x');
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], 0, race_touch, (void *)(i + 1));
	pthread_create(&threads[3], 0, race_change, (void *)(uintptr_t)fd);
	pause_ms(milliseconds);
	race_stop = 1;
	pthread_join(threads[3], 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], 0);
	fill_end(&filler);
	check("races", filler.filled > 0);
	if (race_wrong)
		printf("# byte %#lx at %#lx\n", (unsigned long)(race_wrong & 0xff),
		       (unsigned long)(race_wrong << 1 >> 9));
	check("no byte that nobody wrote there", !race_wrong);
	close(fd);
	munmap(race_memory, RACE_PAGES * PAGE);
	race_stop = 0;
}

static void test_races(void)
{
	race(3000);

	/* A process that is killed in the middle of it. */
	int status = in_child(
	    pthread_t threads[3]; int fd = begin(0); race_memory = map(RACE_PAGES, MAP_PRIVATE);
	    enlist(fd, race_memory, RACE_PAGES * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	    for (uintptr_t i = 0; i < 3; i++) pthread_create(&threads[i], 0, race_touch, (void *)(i + 1));
	    pause_ms(50); kill(getpid(), SIGKILL));
	check("killed with threads that wait", killed(status, SIGKILL));
}

static void test_hostile(void)
{
	int fd = begin(0);
	char *memory = map(4, MAP_PRIVATE), page[PAGE];
	int64_t done;
	enlist(fd, memory, 2 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	check("requests at no address", ioctl(fd, UFFDIO_COPY, 0) && errno == EFAULT &&
	                                    ioctl(fd, UFFDIO_REGISTER, 8) && errno == EFAULT);
	check("copy from nowhere",
	      copy_mode(fd, memory, (void *)16, PAGE, 0, &done) && errno == EFAULT && done == -EFAULT);
	check("copy modes of no meaning", copy_mode(fd, memory, page, PAGE, 4, &done) && errno == EINVAL);
	check("copy over the end", copy_mode(fd, memory, page, -PAGE, 0, &done) && errno == EINVAL);
	check("copy beyond what is registered", copy_page(fd, memory + 3 * PAGE, page) && errno == ENOENT);
	check("zeros beyond it", zero(fd, memory + 3 * PAGE, PAGE) && errno == ENOENT);
	check("wake nobody", !range_request(fd, UFFDIO_WAKE, memory, 4 * PAGE));
	check("wake half a page", range_request(fd, UFFDIO_WAKE, memory, 5) && errno == EINVAL);
	check("reads at no address", read(fd, 0, 64) < 0 && errno == EAGAIN);
	munmap(memory, 4 * PAGE);
	check("copy into a hole", copy_page(fd, memory, page) && errno == ENOENT);
	close(fd);
}

int main(int count, char **arguments)
{
	if (count > 1 && !strcmp(arguments[1], "nothing"))
		return 0;
	if (count > 1) { /* the race alone, so often */
		for (int left = atoi(arguments[1]); left > 0 && !check_failures; left--)
			race(1000);
		return check_failures != 0;
	}
	test_api();
	test_register();
	test_missing();
	test_protect();
	test_calls();
	test_life();
	test_orphan();
	test_hostile();
	test_races();
	return check_failures != 0;
}
