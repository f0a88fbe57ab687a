/* io_uring(7), by its system calls alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include "check.h"

struct ring {
	int fd;
	struct io_uring_params params;
	char *rings;
	struct io_uring_sqe *sqes;
	unsigned queued;
};

static int enter(int fd, unsigned submit, unsigned least, unsigned flags, void *argument, size_t bytes)
{
	return (int)syscall(SYS_io_uring_enter, fd, submit, least, flags, argument, bytes);
}

static int reg(const struct ring *ring, unsigned opcode, const void *argument, unsigned count)
{
	return (int)syscall(SYS_io_uring_register, ring->fd, opcode, argument, count);
}

static int ring_open(struct ring *ring, unsigned entries, unsigned flags, unsigned cq)
{
	memset(ring, 0, sizeof(*ring));
	ring->params.flags = flags;
	ring->params.cq_entries = cq;
	ring->fd = (int)syscall(SYS_io_uring_setup, entries, &ring->params);
	if (ring->fd < 0)
		return -1;
	const struct io_uring_params *p = &ring->params;
	size_t cqe = flags & IORING_SETUP_CQE32 ? 32 : 16;
	size_t sq = p->sq_off.array + p->sq_entries * 4;
	size_t all = p->cq_off.cqes + p->cq_entries * cqe;
	ring->rings = mmap(0, sq > all ? sq : all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
	                   ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(0, p->sq_entries * (flags & IORING_SETUP_SQE128 ? 128 : 64), PROT_READ | PROT_WRITE,
	                  MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	return ring->rings == MAP_FAILED || ring->sqes == MAP_FAILED ? -1 : 0;
}

static void ring_close(struct ring *ring)
{
	const struct io_uring_params *p = &ring->params;
	munmap(ring->sqes, p->sq_entries * 64);
	munmap(ring->rings, p->sq_off.array + p->sq_entries * 4);
	close(ring->fd);
}

#define word(ring, at) ((unsigned *)((ring)->rings + (at)))

static struct io_uring_sqe *sqe_get(struct ring *ring, int opcode, int fd, uint64_t address, unsigned length,
                                    uint64_t offset, uint64_t data)
{
	unsigned *tail = word(ring, ring->params.sq_off.tail);
	unsigned at = *tail & (ring->params.sq_entries - 1);
	struct io_uring_sqe *sqe = &ring->sqes[at];
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = (uint8_t)opcode;
	sqe->fd = fd;
	sqe->addr = address;
	sqe->len = length;
	sqe->off = offset;
	sqe->user_data = data;
	word(ring, ring->params.sq_off.array)[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	ring->queued++;
	return sqe;
}

static int submit(struct ring *ring, unsigned least)
{
	unsigned count = ring->queued;
	ring->queued = 0;
	return enter(ring->fd, count, least, least ? IORING_ENTER_GETEVENTS : 0, 0, 0);
}

static unsigned ready(const struct ring *ring)
{
	return __atomic_load_n(word(ring, ring->params.cq_off.tail), __ATOMIC_ACQUIRE) -
	       *word(ring, ring->params.cq_off.head);
}

/* The next completion, waited for at most 20 seconds. */
static struct io_uring_cqe next(struct ring *ring)
{
	struct __kernel_timespec time = {.tv_sec = 20};
	struct io_uring_getevents_arg argument = {.ts = (uint64_t)&time};
	struct io_uring_cqe none = {.user_data = ~0ull, .res = -9999};
	if (!ready(ring))
		enter(ring->fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument,
		      sizeof(argument));
	if (!ready(ring))
		return none;
	unsigned *head = word(ring, ring->params.cq_off.head);
	struct io_uring_cqe cqe;
	size_t bytes = ring->params.flags & IORING_SETUP_CQE32 ? 32 : 16;
	memcpy(&cqe, ring->rings + ring->params.cq_off.cqes + (*head & (ring->params.cq_entries - 1)) * bytes,
	       16);
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return cqe;
}

/* Submits what is queued and tells whether the next completion is (DATA, RESULT). */
static int completes(struct ring *ring, uint64_t data, int result)
{
	if (ring->queued)
		submit(ring, 0);
	struct io_uring_cqe cqe = next(ring);
	if (cqe.user_data != data || cqe.res != result)
		printf("# completion %llu: %d, flags %x\n", (unsigned long long)cqe.user_data, cqe.res,
		       cqe.flags);
	return cqe.user_data == data && cqe.res == result;
}

static void setting_up(void)
{
	struct ring ring;
	struct io_uring_params params = {0};
	check("setup", ring_open(&ring, 5, 0, 0) == 0);
	check("entries are a power of two", ring.params.sq_entries == 8 && ring.params.cq_entries == 16);
	check("one mapping of both rings", ring.params.features & IORING_FEAT_SINGLE_MMAP);
	check("offsets", ring.params.sq_off.tail == 64 && ring.params.cq_off.head == 128 &&
	                     ring.params.cq_off.cqes == 320);
	check("masks", *word(&ring, ring.params.sq_off.ring_mask) == 7 &&
	                   *word(&ring, ring.params.cq_off.ring_mask) == 15);
	check("the descriptor is closed by exec", fcntl(ring.fd, F_GETFD) == FD_CLOEXEC);
	check("no read", read(ring.fd, &params, 1) == -1 && errno == EINVAL);
	ring_close(&ring);
	check("no entries", syscall(SYS_io_uring_setup, 0, &params) == -1 && errno == EINVAL);
	check("too many", syscall(SYS_io_uring_setup, 32769, &params) == -1 && errno == EINVAL);
	params.flags = 1u << 31;
	check("unknown flags", syscall(SYS_io_uring_setup, 4, &params) == -1 && errno == EINVAL);
	params.flags = IORING_SETUP_CQSIZE;
	params.cq_entries = 2;
	check("a completion queue that is too small",
	      syscall(SYS_io_uring_setup, 4, &params) == -1 && errno == EINVAL);
	params.flags = 0;
	params.resv[1] = 1;
	check("reserved words", syscall(SYS_io_uring_setup, 4, &params) == -1 && errno == EINVAL);
	check("a bad address", syscall(SYS_io_uring_setup, 4, 8) == -1 && errno == EFAULT);
	check("clamped",
	      ring_open(&ring, 100000, IORING_SETUP_CLAMP, 0) == 0 && ring.params.sq_entries == 32768);
	ring_close(&ring);
	check("sizes of completion queues",
	      ring_open(&ring, 4, IORING_SETUP_CQSIZE, 60) == 0 && ring.params.cq_entries == 64);
	ring_close(&ring);
	check("single issuer",
	      ring_open(&ring, 4,
	                IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	                0) == 0);
	ring_close(&ring);
	check("deferred work wants one", ring_open(&ring, 4, 1u << 13, 0) == -1 && errno == EINVAL);
	check("enter wants a ring", enter(0, 0, 0, 0, 0, 0) == -1 && errno == EOPNOTSUPP);
	check("enter wants a descriptor", enter(-1, 0, 0, 0, 0, 0) == -1 && errno == EBADF);
	check("enter knows its flags", enter(0, 0, 0, 1u << 20, 0, 0) == -1 && errno == EINVAL);
}

static void simple(void)
{
	struct ring ring;
	ring_open(&ring, 8, 0, 0);
	for (unsigned i = 0; i < 5; i++)
		sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 100 + i);
	check("five at once", submit(&ring, 5) == 5 && ready(&ring) == 5);
	int good = 1;
	for (unsigned i = 0; i < 5; i++)
		good &= completes(&ring, 100 + i, 0);
	check("in their order", good);
	sqe_get(&ring, 200, -1, 0, 0, 0, 1);
	check("an unknown operation", completes(&ring, 1, -EINVAL));
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 2)->flags = 0x80;
	check("unknown flags of an entry", completes(&ring, 2, -EINVAL));
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 3)->ioprio = 1;
	check("a priority where there is none", completes(&ring, 3, -EINVAL));
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 3)->personality = 9;
	check("an unknown personality", completes(&ring, 3, -EINVAL));
	word(&ring, ring.params.sq_off.array)[*word(&ring, ring.params.sq_off.tail) & 7] = 77;
	++*word(&ring, ring.params.sq_off.tail);
	check("an index outside",
	      enter(ring.fd, 1, 0, 0, 0, 0) == 0 && *word(&ring, ring.params.sq_off.dropped) == 1);
	for (unsigned i = 0; i < 20; i++) {
		sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, i);
		submit(&ring, 0);
	}
	check("completions beyond the queue are told",
	      *word(&ring, ring.params.sq_off.flags) & IORING_SQ_CQ_OVERFLOW);
	good = ready(&ring) == 16;
	for (unsigned i = 0; i < 16; i++)
		good &= completes(&ring, i, 0);
	enter(ring.fd, 0, 0, IORING_ENTER_GETEVENTS, 0, 0);
	good &= ready(&ring) == 4 && !(*word(&ring, ring.params.sq_off.flags) & IORING_SQ_CQ_OVERFLOW);
	for (unsigned i = 16; i < 20; i++)
		good &= completes(&ring, i, 0);
	check("and kept", good);
	struct pollfd poll_ring = {ring.fd, POLLIN | POLLOUT, 0};
	check("a ring is polled", poll(&poll_ring, 1, 0) == 1 && poll_ring.revents == POLLOUT);
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 5);
	submit(&ring, 0);
	check("with a completion", poll(&poll_ring, 1, 0) == 1 && poll_ring.revents == (POLLIN | POLLOUT));
	completes(&ring, 5, 0);
	ring_close(&ring);
	check("wide completions", ring_open(&ring, 4, IORING_SETUP_CQE32 | IORING_SETUP_SQE128, 0) == 0);
	ring_close(&ring);
}

static void reading(void)
{
	struct ring ring;
	char text[64] = "", more[64] = "";
	ring_open(&ring, 8, 0, 0);
	int fd = open("/tmp/uring", O_RDWR | O_CREAT | O_TRUNC, 0600);
	sqe_get(&ring, IORING_OP_WRITE, fd, (uint64_t) "hello world", 11, 0, 1);
	check("write", completes(&ring, 1, 11));
	sqe_get(&ring, IORING_OP_READ, fd, (uint64_t)text, 64, 6, 2);
	check("read", completes(&ring, 2, 5) && !memcmp(text, "world", 5));
	sqe_get(&ring, IORING_OP_READ, fd, (uint64_t)text, 5, (uint64_t)-1, 3);
	check("at the file's own place", completes(&ring, 3, 5) && lseek(fd, 0, SEEK_CUR) == 5);
	struct iovec vector[2] = {{text, 3}, {more, 8}};
	sqe_get(&ring, IORING_OP_READV, fd, (uint64_t)vector, 2, 0, 4);
	check("readv", completes(&ring, 4, 11) && !memcmp(more, "lo world", 8));
	vector[0] = (struct iovec){"ab", 2};
	vector[1] = (struct iovec){"cd", 2};
	sqe_get(&ring, IORING_OP_WRITEV, fd, (uint64_t)vector, 2, 2, 5);
	check("writev", completes(&ring, 5, 4));
	sqe_get(&ring, IORING_OP_READ, fd, 8, 4, 0, 6);
	check("a bad buffer", completes(&ring, 6, -EFAULT));
	sqe_get(&ring, IORING_OP_READ, fd, (uint64_t)text, 4, 0, 6)->ioprio = 4 << 13;
	check("a bad priority", completes(&ring, 6, -EINVAL));
	sqe_get(&ring, IORING_OP_READ, fd, (uint64_t)text, 4, 0, 6)->ioprio = 1;
	check("a level of no class", completes(&ring, 6, -EINVAL));
	sqe_get(&ring, IORING_OP_READ, fd, (uint64_t)text, 4, 0, 6)->ioprio = 2 << 13 | 7;
	check("a priority", completes(&ring, 6, 4));
	check("ioprio_set", syscall(SYS_ioprio_set, 1, 0, 4 << 13) == -1 && errno == EINVAL &&
	                        syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 7) == 0 &&
	                        syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 7));
	sqe_get(&ring, IORING_OP_READV, fd, 8, 2, 0, 6);
	check("a bad vector", completes(&ring, 6, -EFAULT));
	sqe_get(&ring, IORING_OP_READ, 999, (uint64_t)text, 4, 0, 6);
	check("a bad descriptor", completes(&ring, 6, -EBADF));
	sqe_get(&ring, IORING_OP_READ, fd, (uint64_t)text, 4, (uint64_t)-5, 6);
	check("a bad offset", completes(&ring, 6, -EINVAL));
	sqe_get(&ring, IORING_OP_FSYNC, fd, 0, 0, 0, 7);
	check("fsync", completes(&ring, 7, 0));
	sqe_get(&ring, IORING_OP_FALLOCATE, fd, 100, 0, 0, 8);
	struct stat stat;
	check("fallocate", completes(&ring, 8, 0) && !fstat(fd, &stat) && stat.st_size == 100);
	sqe_get(&ring, IORING_OP_FADVISE, fd, 0, 0, 0, 9)->fadvise_advice = POSIX_FADV_WILLNEED;
	check("fadvise", completes(&ring, 9, 0));
	sqe_get(&ring, IORING_OP_SYNC_FILE_RANGE, fd, 0, 0, 0, 9);
	check("sync_file_range", completes(&ring, 9, 0));
	char *fixed = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec buffers[2] = {{fixed, 8192}, {text, 64}};
	check("fixed buffers", reg(&ring, IORING_REGISTER_BUFFERS, buffers, 2) == 0);
	check("once", reg(&ring, IORING_REGISTER_BUFFERS, buffers, 2) == -1 && errno == EBUSY);
	sqe_get(&ring, IORING_OP_READ_FIXED, fd, (uint64_t)fixed + 100, 5, 0, 10);
	check("read into one", completes(&ring, 10, 5) && !memcmp(fixed + 100, "heabc", 5));
	sqe_get(&ring, IORING_OP_WRITE_FIXED, fd, (uint64_t)fixed + 100, 5, 50, 11);
	check("write from one", completes(&ring, 11, 5));
	sqe_get(&ring, IORING_OP_READ_FIXED, fd, (uint64_t)fixed + 8190, 5, 0, 10);
	check("beyond it", completes(&ring, 10, -EFAULT));
	sqe_get(&ring, IORING_OP_READ_FIXED, fd, (uint64_t)fixed, 5, 0, 10)->buf_index = 7;
	check("no such buffer", completes(&ring, 10, -EFAULT));
	check("given back", reg(&ring, IORING_UNREGISTER_BUFFERS, 0, 0) == 0 &&
	                        reg(&ring, IORING_UNREGISTER_BUFFERS, 0, 0) == -1 && errno == ENXIO);
	close(fd);
	ring_close(&ring);
}

static void files(void)
{
	struct ring ring;
	char text[8];
	ring_open(&ring, 8, 0, 0);
	int fds[4] = {-1, open("/dev/zero", O_RDONLY), -1, open("/dev/null", O_RDWR)};
	check("fixed files", reg(&ring, IORING_REGISTER_FILES, fds, 4) == 0);
	memset(text, 1, 8);
	sqe_get(&ring, IORING_OP_READ, 1, (uint64_t)text, 8, 0, 1)->flags = IOSQE_FIXED_FILE;
	check("are read", completes(&ring, 1, 8) && !text[7]);
	sqe_get(&ring, IORING_OP_READ, 0, (uint64_t)text, 8, 0, 1)->flags = IOSQE_FIXED_FILE;
	check("a free slot", completes(&ring, 1, -EBADF));
	sqe_get(&ring, IORING_OP_READ, 4, (uint64_t)text, 8, 0, 1)->flags = IOSQE_FIXED_FILE;
	check("no slot", completes(&ring, 1, -EBADF));
	struct io_uring_files_update update = {.offset = 0, .fds = (uint64_t)&fds[1]};
	check("update", reg(&ring, IORING_REGISTER_FILES_UPDATE, &update, 1) == 1);
	sqe_get(&ring, IORING_OP_FILES_UPDATE, -1, (uint64_t)&fds[1], 1, 2, 2);
	check("by an operation", completes(&ring, 2, 1));
	struct io_uring_sqe *sqe = sqe_get(&ring, IORING_OP_CLOSE, 0, 0, 0, 0, 3);
	sqe->file_index = 3;
	check("close of a slot", completes(&ring, 3, 0));
	sqe = sqe_get(&ring, IORING_OP_OPENAT, AT_FDCWD, (uint64_t) "/dev/zero", 0, 0, 4);
	sqe->file_index = 3;
	check("open into a slot", completes(&ring, 4, 0));
	sqe_get(&ring, IORING_OP_READ, 2, (uint64_t)text, 8, 0, 5)->flags = IOSQE_FIXED_FILE;
	check("which is read", completes(&ring, 5, 8));
	sqe = sqe_get(&ring, IORING_OP_OPENAT, AT_FDCWD, (uint64_t) "/dev/zero", 0, 0, 4);
	sqe->file_index = 9;
	check("open into none", completes(&ring, 4, -EINVAL));
	check("given back", reg(&ring, IORING_UNREGISTER_FILES, 0, 0) == 0);
	check("a ring is none of them",
	      reg(&ring, IORING_REGISTER_FILES, &ring.fd, 1) == -1 && errno == EBADF);
	struct io_uring_rsrc_register sparse = {.nr = 4, .flags = IORING_RSRC_REGISTER_SPARSE};
	check("sparse", reg(&ring, IORING_REGISTER_FILES2, &sparse, sizeof(sparse)) == 0);
	for (int i = 0; i < 5; i++) {
		sqe = sqe_get(&ring, IORING_OP_SOCKET, AF_UNIX, 0, 0, SOCK_STREAM, 6);
		sqe->file_index = IORING_FILE_INDEX_ALLOC;
	}
	submit(&ring, 0);
	int good = 1;
	for (int i = 0; i < 5; i++)
		good &= completes(&ring, 6, i < 4 ? i : -ENFILE);
	check("slots are found", good);
	/* A slot is no descriptor: what close(2) does to locks does not happen, and no descriptor need be free. */
	struct flock lock = {.l_type = F_WRLCK};
	int locked = open("/tmp/uring.l", O_RDWR | O_CREAT, 0600);
	check("a lock", fcntl(locked, F_SETLK, &lock) == 0);
	sqe = sqe_get(&ring, IORING_OP_OPENAT, AT_FDCWD, (uint64_t) "/tmp/uring.l", 0, 0, 7);
	sqe->file_index = 2;
	check("a locked file into a slot", completes(&ring, 7, 0));
	sqe_get(&ring, IORING_OP_CLOSE, 0, 0, 0, 0, 8)->file_index = 2;
	check("and out of it", completes(&ring, 8, 0));
	int place = locked; /* which becomes the slot's number */
	sqe_get(&ring, IORING_OP_FILES_UPDATE, -1, (uint64_t)&place, 1, IORING_FILE_INDEX_ALLOC, 9);
	struct rlimit limit, few;
	getrlimit(RLIMIT_NOFILE, &limit);
	few = (struct rlimit){0, limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &few);
	check("with no descriptor left", completes(&ring, 9, 1) && place == 1);
	setrlimit(RLIMIT_NOFILE, &limit);
	int status = in_child(_exit(fcntl(locked, F_SETLK, &lock) == -1));
	check("stays locked", exited(status, 1));
	struct ring second;
	ring_open(&second, 8, 0, 0);
	reg(&second, IORING_REGISTER_FILES2, &sparse, sizeof(sparse));
	sqe = sqe_get(&ring, IORING_OP_MSG_RING, second.fd, IORING_MSG_SEND_FD, 123, 456, 10);
	sqe->addr3 = 0;
	sqe->file_index = 3;
	check("sent to another ring", completes(&ring, 10, 0) && completes(&second, 456, 123));
	sqe_get(&ring, IORING_OP_MSG_RING, second.fd, IORING_MSG_SEND_FD, 0, 0, 11);
	check("into no slot", completes(&ring, 11, -EINVAL));
	ring_close(&second);
	close(locked);
	unlink("/tmp/uring.l");
	ring_close(&ring);
	close(fds[1]);
	close(fds[3]);
}

static void names(void)
{
	struct ring ring;
	struct statx statx_of;
	char value[8] = "";
	ring_open(&ring, 8, 0, 0);
	sqe_get(&ring, IORING_OP_MKDIRAT, AT_FDCWD, (uint64_t) "/tmp/uring.d", 0700, 0, 1);
	check("mkdirat", completes(&ring, 1, 0));
	struct io_uring_sqe *sqe =
	    sqe_get(&ring, IORING_OP_OPENAT, AT_FDCWD, (uint64_t) "/tmp/uring.d/a", 0600, 0, 2);
	sqe->open_flags = O_CREAT | O_WRONLY;
	submit(&ring, 0);
	struct io_uring_cqe cqe = next(&ring);
	check("openat", cqe.res >= 0 && fcntl(cqe.res, F_GETFL) >= 0);
	sqe_get(&ring, IORING_OP_CLOSE, cqe.res, 0, 0, 0, 3);
	check("close", completes(&ring, 3, 0) && fcntl(cqe.res, F_GETFL) == -1);
	sqe_get(&ring, IORING_OP_CLOSE, ring.fd, 0, 0, 0, 3);
	check("not of a ring", completes(&ring, 3, -EBADF));
	struct {
		uint64_t flags, mode, resolve;
	} how = {O_RDONLY, 0, 0};
	sqe_get(&ring, IORING_OP_OPENAT2, AT_FDCWD, (uint64_t) "/tmp/uring.d/b", sizeof(how), (uint64_t)&how,
	        4);
	check("openat2", completes(&ring, 4, -ENOENT));
	sqe_get(&ring, IORING_OP_STATX, AT_FDCWD, (uint64_t) "/tmp/uring.d/a", STATX_ALL, (uint64_t)&statx_of,
	        5);
	check("statx", completes(&ring, 5, 0) && (statx_of.stx_mode & 0777) == 0600);
	sqe_get(&ring, IORING_OP_LINKAT, AT_FDCWD, (uint64_t) "/tmp/uring.d/a", (unsigned)AT_FDCWD,
	        (uint64_t) "/tmp/uring.d/b", 6);
	check("linkat", completes(&ring, 6, 0) && !access("/tmp/uring.d/b", F_OK));
	sqe_get(&ring, IORING_OP_RENAMEAT, AT_FDCWD, (uint64_t) "/tmp/uring.d/b", (unsigned)AT_FDCWD,
	        (uint64_t) "/tmp/uring.d/c", 7);
	check("renameat", completes(&ring, 7, 0) && !access("/tmp/uring.d/c", F_OK));
	sqe_get(&ring, IORING_OP_SYMLINKAT, AT_FDCWD, (uint64_t) "c", 0, (uint64_t) "/tmp/uring.d/l", 8);
	check("symlinkat", completes(&ring, 8, 0) && readlink("/tmp/uring.d/l", value, 8) == 1);
	sqe = sqe_get(&ring, IORING_OP_SETXATTR, 0, (uint64_t) "trusted.u", 3, (uint64_t) "val", 9);
	sqe->addr3 = (uint64_t) "/tmp/uring.d/a";
	check("setxattr", completes(&ring, 9, 0) && getxattr("/tmp/uring.d/a", "trusted.u", value, 8) == 3);
	sqe = sqe_get(&ring, IORING_OP_GETXATTR, 0, (uint64_t) "trusted.u", 8, (uint64_t)value, 10);
	sqe->addr3 = (uint64_t) "/tmp/uring.d/a";
	check("getxattr", completes(&ring, 10, 3));
	const char *gone[] = {"a", "c", "l"};
	for (int i = 0; i < 3; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/tmp/uring.d/%s", gone[i]);
		sqe_get(&ring, IORING_OP_UNLINKAT, AT_FDCWD, (uint64_t)path, 0, 0, 11);
		check("unlinkat", completes(&ring, 11, 0));
	}
	sqe_get(&ring, IORING_OP_UNLINKAT, AT_FDCWD, (uint64_t) "/tmp/uring.d", 0, 0, 12)->unlink_flags =
	    AT_REMOVEDIR;
	check("of a directory", completes(&ring, 12, 0));
	sqe_get(&ring, IORING_OP_OPENAT, AT_FDCWD, 8, 0, 0, 13);
	check("a bad name", completes(&ring, 13, -EFAULT));
	/* What an entry points to is its program's again after the submission. */
	char path[32] = "/dev/null";
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 14)->flags = IOSQE_IO_LINK;
	sqe = sqe_get(&ring, IORING_OP_OPENAT, AT_FDCWD, (uint64_t)path, 0, 0, 15);
	sqe->flags = IOSQE_ASYNC;
	submit(&ring, 0);
	memset(path, 'x', 31);
	check("names are copied", completes(&ring, 14, 0));
	cqe = next(&ring);
	check("before they are used", cqe.user_data == 15 && cqe.res >= 0);
	close(cqe.res);
	ring_close(&ring);
}

static void waiting(void)
{
	struct ring ring;
	int pipes[2];
	char text[16] = "";
	ring_open(&ring, 8, 0, 0);
	pipe(pipes);
	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 16, 0, 1);
	check("a read that waits", submit(&ring, 0) == 1 && ready(&ring) == 0);
	write(pipes[1], "abc", 3);
	check("ends with what comes", completes(&ring, 1, 3) && !memcmp(text, "abc", 3));
	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 16, 0, 2)->rw_flags = RWF_NOWAIT;
	check("a pipe does not promise not to wait", completes(&ring, 2, -EOPNOTSUPP));
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 16, 0, 2);
	submit(&ring, 0);
	write(pipes[1], "n", 1);
	check("O_NONBLOCK is for others", completes(&ring, 2, 1));
	fcntl(pipes[0], F_SETFL, 0);
	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 16, 0, 3)->flags = IOSQE_ASYNC;
	submit(&ring, 0);
	write(pipes[1], "de", 2);
	check("IOSQE_ASYNC", completes(&ring, 3, 2));
	/* Nobody is in the kernel for it when it completes. */
	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 16, 0, 4);
	submit(&ring, 0);
	write(pipes[1], "f", 1);
	for (int i = 0; i < 2000 && !ready(&ring); i++)
		pause_ms(10);
	check("completes by itself", ready(&ring) == 1 && completes(&ring, 4, 1));

	sqe_get(&ring, IORING_OP_POLL_ADD, pipes[0], 0, 0, 0, 5)->poll32_events = POLLIN;
	submit(&ring, 0);
	check("a poll waits", ready(&ring) == 0);
	write(pipes[1], "g", 1);
	check("and ends", completes(&ring, 5, POLLIN));
	sqe_get(&ring, IORING_OP_POLL_ADD, pipes[0], 0, 0, 0, 6)->poll32_events = POLLIN;
	check("at once", completes(&ring, 6, POLLIN));
	read(pipes[0], text, 16);
	sqe_get(&ring, IORING_OP_POLL_ADD, pipes[0], 0, IORING_POLL_ADD_MULTI, 0, 7)->poll32_events = POLLIN;
	submit(&ring, 0);
	int good = 1;
	for (int i = 0; i < 3; i++) {
		write(pipes[1], "h", 1);
		struct io_uring_cqe cqe = next(&ring);
		good &= cqe.user_data == 7 && cqe.res == POLLIN && (cqe.flags & IORING_CQE_F_MORE);
		read(pipes[0], text, 16);
	}
	check("many times", good);
	sqe_get(&ring, IORING_OP_POLL_REMOVE, -1, 7, 0, 0, 8);
	submit(&ring, 0);
	struct io_uring_cqe one = next(&ring), two = next(&ring);
	if (one.user_data == 8) {
		struct io_uring_cqe other = one;
		one = two;
		two = other;
	}
	check("until it is removed", one.user_data == 7 && one.res == -ECANCELED &&
	                                 !(one.flags & IORING_CQE_F_MORE) && two.res == 0);
	sqe_get(&ring, IORING_OP_POLL_REMOVE, -1, 7, 0, 0, 8);
	check("once", completes(&ring, 8, -ENOENT));

	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 16, 0, 9);
	submit(&ring, 0);
	sqe_get(&ring, IORING_OP_ASYNC_CANCEL, -1, 9, 0, 0, 10);
	submit(&ring, 0);
	one = next(&ring);
	two = next(&ring);
	check("a read is cancelled", (one.user_data == 9 ? one : two).res == -ECANCELED &&
	                                 (one.user_data == 10 ? one : two).res == 0);
	sqe_get(&ring, IORING_OP_ASYNC_CANCEL, -1, 9, 0, 0, 10);
	check("which then is not there", completes(&ring, 10, -ENOENT));
	for (int i = 0; i < 3; i++)
		sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 16, 0, 11);
	submit(&ring, 0);
	sqe_get(&ring, IORING_OP_ASYNC_CANCEL, pipes[0], 0, 0, 0, 12)->cancel_flags =
	    IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
	submit(&ring, 0);
	good = 0;
	for (int i = 0; i < 4; i++) {
		one = next(&ring);
		good += one.user_data == 11 ? one.res == -ECANCELED : one.res == 3;
	}
	check("all of a file", good == 4);
	int event = eventfd(0, EFD_NONBLOCK);
	uint64_t count = 0;
	check("an eventfd", reg(&ring, IORING_REGISTER_EVENTFD, &event, 1) == 0);
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 13);
	submit(&ring, 0);
	check("counts completions", read(event, &count, 8) == 8 && count == 1 && completes(&ring, 13, 0));
	check("is given back", reg(&ring, IORING_UNREGISTER_EVENTFD, 0, 0) == 0);
	close(event);
	ring_close(&ring);
	close(pipes[0]);
	close(pipes[1]);
}

static void chains(void)
{
	struct ring ring;
	int pipes[2];
	char text[16];
	ring_open(&ring, 16, 0, 0);
	pipe(pipes);
	sqe_get(&ring, IORING_OP_WRITE, pipes[1], (uint64_t) "abcd", 4, 0, 1)->flags = IOSQE_IO_LINK;
	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 4, 0, 2)->flags = IOSQE_IO_LINK;
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&ring, 0);
	check("a chain", completes(&ring, 1, 4) && completes(&ring, 2, 4) && completes(&ring, 3, 0));
	sqe_get(&ring, IORING_OP_READ, 999, (uint64_t)text, 4, 0, 1)->flags = IOSQE_IO_LINK;
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 2)->flags = IOSQE_IO_LINK;
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&ring, 0);
	check("a broken one", completes(&ring, 1, -EBADF) && completes(&ring, 2, -ECANCELED) &&
	                          completes(&ring, 3, -ECANCELED));
	sqe_get(&ring, IORING_OP_READ, 999, (uint64_t)text, 4, 0, 1)->flags = IOSQE_IO_HARDLINK;
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 2);
	submit(&ring, 0);
	check("a hard one", completes(&ring, 1, -EBADF) && completes(&ring, 2, 0));
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = IOSQE_IO_LINK;
	sqe_get(&ring, 222, -1, 0, 0, 0, 2)->flags = IOSQE_IO_LINK;
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&ring, 0);
	check("a wrong entry breaks its chain", completes(&ring, 1, -ECANCELED) &&
	                                            completes(&ring, 2, -EINVAL) &&
	                                            completes(&ring, 3, -ECANCELED));
	write(pipes[1], "ab", 2);
	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 4, 0, 1)->flags = IOSQE_IO_LINK;
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 2);
	submit(&ring, 0);
	check("a short read breaks it", completes(&ring, 1, 2) && completes(&ring, 2, -ECANCELED));
	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 4, 0, 1)->flags = IOSQE_IO_LINK;
	struct __kernel_timespec time = {.tv_nsec = 20000000};
	sqe_get(&ring, IORING_OP_LINK_TIMEOUT, -1, (uint64_t)&time, 1, 0, 2);
	submit(&ring, 0);
	struct io_uring_cqe one = next(&ring), two = next(&ring);
	check("a limit in time", (one.user_data == 1 ? one : two).res == -ECANCELED &&
	                             (one.user_data == 2 ? one : two).res == -ETIME);
	time.tv_sec = 1000;
	sqe_get(&ring, IORING_OP_WRITE, pipes[1], (uint64_t) "abcd", 4, 0, 1)->flags = IOSQE_IO_LINK;
	sqe_get(&ring, IORING_OP_LINK_TIMEOUT, -1, (uint64_t)&time, 1, 0, 2);
	submit(&ring, 0);
	check("that was not needed", completes(&ring, 1, 4) && completes(&ring, 2, -ECANCELED));
	sqe_get(&ring, IORING_OP_LINK_TIMEOUT, -1, (uint64_t)&time, 1, 0, 2);
	check("that limits nothing", completes(&ring, 2, -EINVAL));
	read(pipes[0], text, 16);
	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 4, 0, 1);
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 2)->flags = IOSQE_IO_DRAIN;
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&ring, 0);
	check("a drain waits", ready(&ring) == 0);
	write(pipes[1], "abcd", 4);
	int first = completes(&ring, 1, 4);
	one = next(&ring);
	two = next(&ring);
	check("for all before it", first && !one.res && !two.res && one.user_data + two.user_data == 5);
	ring_close(&ring);
	ring_open(&ring, 16, 0, 0);
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = IOSQE_CQE_SKIP_SUCCESS;
	sqe_get(&ring, IORING_OP_READ, 999, 0, 0, 0, 2)->flags = IOSQE_CQE_SKIP_SUCCESS;
	submit(&ring, 0);
	check("completions that are not wanted", completes(&ring, 2, -EBADF) && !ready(&ring));
	/* The submission ends at the first wrong entry. */
	sqe_get(&ring, 222, -1, 0, 0, 0, 1);
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 2);
	check("a wrong entry ends a submission", submit(&ring, 0) == 1);
	completes(&ring, 1, -EINVAL);
	ring.queued = 1;
	check("which goes on then", completes(&ring, 2, 0));
	ring_close(&ring);
	close(pipes[0]);
	close(pipes[1]);
}

static void times(void)
{
	struct ring ring;
	ring_open(&ring, 8, 0, 0);
	struct __kernel_timespec time = {.tv_nsec = 10000000}, later = {.tv_sec = 1000};
	sqe_get(&ring, IORING_OP_TIMEOUT, -1, (uint64_t)&time, 1, 0, 1);
	check("a time-out", completes(&ring, 1, -ETIME));
	sqe_get(&ring, IORING_OP_TIMEOUT, -1, (uint64_t)&later, 1, 2, 2);
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 3);
	submit(&ring, 0);
	int good = completes(&ring, 3, 0) && !ready(&ring);
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 4);
	check("for two completions", completes(&ring, 4, 0) && completes(&ring, 2, 0) && good);
	sqe_get(&ring, IORING_OP_TIMEOUT, -1, (uint64_t)&later, 1, 0, 5);
	sqe_get(&ring, IORING_OP_TIMEOUT_REMOVE, -1, 5, 0, 0, 6);
	submit(&ring, 0);
	struct io_uring_cqe one = next(&ring), two = next(&ring);
	check("removed", (one.user_data == 5 ? one : two).res == -ECANCELED &&
	                     (one.user_data == 6 ? one : two).res == 0);
	sqe_get(&ring, IORING_OP_TIMEOUT_REMOVE, -1, 5, 0, 0, 6);
	check("once", completes(&ring, 6, -ENOENT));
	sqe_get(&ring, IORING_OP_TIMEOUT, -1, (uint64_t)&later, 1, 0, 7);
	sqe_get(&ring, IORING_OP_TIMEOUT_REMOVE, -1, 7, 0, (uint64_t)&time, 8)->timeout_flags =
	    IORING_TIMEOUT_UPDATE;
	submit(&ring, 0);
	check("changed", completes(&ring, 8, 0) && completes(&ring, 7, -ETIME));
	time.tv_nsec = -1;
	sqe_get(&ring, IORING_OP_TIMEOUT, -1, (uint64_t)&time, 1, 0, 9);
	check("not a time", completes(&ring, 9, -EINVAL));
	time.tv_nsec = 1000000;
	sqe_get(&ring, IORING_OP_TIMEOUT, -1, (uint64_t)&time, 2, 0, 9);
	check("one of them only", completes(&ring, 9, -EINVAL));
	struct io_uring_sqe *sqe = sqe_get(&ring, IORING_OP_TIMEOUT, -1, (uint64_t)&time, 1, 0, 10);
	sqe->timeout_flags = IORING_TIMEOUT_ETIME_SUCCESS;
	sqe->flags = IOSQE_IO_LINK;
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 11);
	submit(&ring, 0);
	check("whose end is no failure", completes(&ring, 10, -ETIME) && completes(&ring, 11, 0));
	struct io_uring_getevents_arg argument = {.ts = (uint64_t)&time};
	check("waiting with a limit", enter(ring.fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
	                                    &argument, sizeof(argument)) == -1 &&
	                                  errno == ETIME);
	check("of the right size",
	      enter(ring.fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, 5) == -1 &&
	          errno == EINVAL);
	ring_close(&ring);
}

static void sockets(void)
{
	struct ring ring;
	int pair[2];
	char text[64] = "", other[64] = "";
	ring_open(&ring, 16, 0, 0);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	sqe_get(&ring, IORING_OP_RECV, pair[0], (uint64_t)text, 64, 0, 1);
	submit(&ring, 0);
	sqe_get(&ring, IORING_OP_SEND, pair[1], (uint64_t) "hello", 5, 0, 2);
	submit(&ring, 0);
	struct io_uring_cqe one = next(&ring), two = next(&ring);
	check("send and recv", one.res == 5 && two.res == 5 && !memcmp(text, "hello", 5));
	sqe_get(&ring, IORING_OP_RECV, pair[0], (uint64_t)text, 8, 0, 3)->msg_flags = MSG_WAITALL;
	submit(&ring, 0);
	write(pair[1], "1234", 4);
	enter(ring.fd, 0, 0, IORING_ENTER_GETEVENTS, 0, 0);
	int early = ready(&ring) != 0;
	write(pair[1], "5678", 4);
	check("all of it", completes(&ring, 3, 8) && !early && !memcmp(text, "12345678", 8));
	struct iovec out[2] = {{"ab", 2}, {"cde", 3}}, in[2] = {{text, 3}, {other, 60}};
	struct msghdr to = {.msg_iov = out, .msg_iovlen = 2}, from = {.msg_iov = in, .msg_iovlen = 2};
	sqe_get(&ring, IORING_OP_RECVMSG, pair[0], (uint64_t)&from, 1, 0, 4);
	submit(&ring, 0);
	memset(in, 0, sizeof(in)); /* it has been copied */
	from.msg_flags = 99;
	sqe_get(&ring, IORING_OP_SENDMSG, pair[1], (uint64_t)&to, 1, 0, 5);
	submit(&ring, 0);
	one = next(&ring);
	two = next(&ring);
	check("sendmsg and recvmsg",
	      one.res == 5 && two.res == 5 && !memcmp(other, "de", 2) && !from.msg_flags);
	sqe_get(&ring, IORING_OP_SHUTDOWN, pair[1], 0, SHUT_WR, 0, 6);
	check("shutdown", completes(&ring, 6, 0));
	sqe_get(&ring, IORING_OP_RECV, pair[0], (uint64_t)text, 8, 0, 7);
	check("the end", completes(&ring, 7, 0));
	sqe_get(&ring, IORING_OP_SEND, pair[1], (uint64_t) "x", 1, 0, 8);
	check("a broken one, without a signal", completes(&ring, 8, -EPIPE));
	sqe_get(&ring, IORING_OP_SEND, 1, (uint64_t) "x", 1, 0, 8)->fd = ring.fd;
	check("not a socket", completes(&ring, 8, -ENOTSOCK));
	close(pair[0]);
	close(pair[1]);

	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "/tmp/uring.s"};
	unlink(name.sun_path);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(listener, (struct sockaddr *)&name, sizeof(name));
	listen(listener, 8);
	sqe_get(&ring, IORING_OP_ACCEPT, listener, 0, 0, 0, 1)->ioprio = IORING_ACCEPT_MULTISHOT;
	submit(&ring, 0);
	int good = 1;
	for (int i = 0; i < 3; i++) {
		int each = socket(AF_UNIX, SOCK_STREAM, 0);
		sqe_get(&ring, IORING_OP_CONNECT, each, (uint64_t)&name, 0, sizeof(name), 2);
		submit(&ring, 0);
		for (int j = 0; j < 2; j++) {
			one = next(&ring);
			if (one.user_data == 1) {
				good &= one.res >= 0 && (one.flags & IORING_CQE_F_MORE);
				close(one.res);
			} else {
				good &= one.user_data == 2 && one.res == 0;
			}
		}
		close(each);
	}
	check("connections one after the other", good);
	close(client);
	close(listener);
	sqe_get(&ring, IORING_OP_ASYNC_CANCEL, -1, 1, 0, 0, 3);
	submit(&ring, 0);
	one = next(&ring);
	two = next(&ring);
	check("until it is cancelled", (one.user_data == 1 ? one : two).res == -ECANCELED);
	unlink(name.sun_path);

	listener = socket(AF_INET, SOCK_STREAM, 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, peer;
	socklen_t length = sizeof(address);
	bind(listener, (struct sockaddr *)&address, sizeof(address));
	getsockname(listener, (struct sockaddr *)&address, &length);
	listen(listener, 4);
	length = sizeof(peer);
	sqe_get(&ring, IORING_OP_ACCEPT, listener, (uint64_t)&peer, 0, (uint64_t)&length, 1);
	sqe_get(&ring, IORING_OP_CONNECT, client, (uint64_t)&address, 0, sizeof(address), 2);
	submit(&ring, 0);
	one = next(&ring);
	two = next(&ring);
	int served = (one.user_data == 1 ? one : two).res;
	check("TCP", served >= 0 && (one.user_data == 2 ? one : two).res == 0 &&
	                 peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	sqe_get(&ring, IORING_OP_RECV, served, (uint64_t)text, 64, 0, 3);
	sqe_get(&ring, IORING_OP_SEND, client, (uint64_t) "tcp", 3, 0, 4);
	submit(&ring, 0);
	one = next(&ring);
	two = next(&ring);
	check("carries bytes", one.res == 3 && two.res == 3 && !memcmp(text, "tcp", 3));
	close(served);
	close(client);
	close(listener);
	ring_close(&ring);
}

static void lending(void)
{
	struct ring ring;
	int pair[2];
	static char buffers[4][32];
	ring_open(&ring, 8, 0, 0);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	struct io_uring_sqe *sqe = sqe_get(&ring, IORING_OP_PROVIDE_BUFFERS, 3, (uint64_t)buffers, 32, 10, 1);
	sqe->buf_group = 5;
	check("buffers are lent", completes(&ring, 1, 0));
	write(pair[1], "one", 3);
	sqe = sqe_get(&ring, IORING_OP_RECV, pair[0], 0, 32, 0, 2);
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = 5;
	submit(&ring, 0);
	struct io_uring_cqe cqe = next(&ring);
	check("and used",
	      cqe.res == 3 && cqe.flags == (IORING_CQE_F_BUFFER | 10 << 16) && !memcmp(buffers[0], "one", 3));
	sqe = sqe_get(&ring, IORING_OP_RECV, pair[0], 0, 0, 0, 3);
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->buf_group = 5;
	submit(&ring, 0);
	int good = 1;
	for (unsigned i = 0; i < 2; i++) {
		write(pair[1], "more", 4);
		cqe = next(&ring);
		good &=
		    cqe.res == 4 && cqe.flags == (IORING_CQE_F_BUFFER | IORING_CQE_F_MORE | (11 + i) << 16);
	}
	check("one after the other", good);
	write(pair[1], "more", 4);
	check("until there is none", completes(&ring, 3, -ENOBUFS));
	sqe = sqe_get(&ring, IORING_OP_REMOVE_BUFFERS, 9, 0, 0, 0, 4);
	sqe->buf_group = 5;
	check("none is left", completes(&ring, 4, 0));
	sqe = sqe_get(&ring, IORING_OP_REMOVE_BUFFERS, 9, 0, 0, 0, 4);
	sqe->buf_group = 700;
	check("an unknown group", completes(&ring, 4, -ENOENT));
	struct io_uring_buf_ring *lent =
	    mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)lent, .ring_entries = 4, .bgid = 7};
	check("a ring of buffers", reg(&ring, IORING_REGISTER_PBUF_RING, &registration, 1) == 0);
	for (unsigned i = 0; i < 2; i++) {
		lent->bufs[i].addr = (uint64_t)buffers[i];
		lent->bufs[i].len = 32;
		lent->bufs[i].bid = (uint16_t)(20 + i);
	}
	__atomic_store_n(&lent->tail, 2, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < 2; i++) {
		sqe = sqe_get(&ring, IORING_OP_RECV, pair[0], 0, 0, 0, 5);
		sqe->flags = IOSQE_BUFFER_SELECT;
		sqe->buf_group = 7;
		submit(&ring, 0);
		if (i)
			write(pair[1], "later", 5);
		cqe = next(&ring);
		good &= cqe.res == (i ? 5 : 4) && cqe.flags == (IORING_CQE_F_BUFFER | (20 + i) << 16);
	}
	check("is used", good);
	sqe = sqe_get(&ring, IORING_OP_RECV, pair[0], 0, 0, 0, 5);
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = 7;
	check("until it is empty", completes(&ring, 5, -ENOBUFS));
	check("is given back", reg(&ring, IORING_UNREGISTER_PBUF_RING, &registration, 1) == 0);
	close(pair[0]);
	close(pair[1]);
	ring_close(&ring);
}

static void others(void)
{
	struct ring ring, second;
	int pipes[2], into[2];
	char text[16] = "";
	ring_open(&ring, 8, 0, 0);
	ring_open(&second, 8, 0, 0);
	pipe(pipes);
	pipe(into);
	write(pipes[1], "splice", 6);
	struct io_uring_sqe *sqe = sqe_get(&ring, IORING_OP_TEE, into[1], 0, 6, 0, 1);
	sqe->splice_fd_in = pipes[0];
	check("tee", completes(&ring, 1, 6) && read(into[0], text, 16) == 6);
	sqe = sqe_get(&ring, IORING_OP_SPLICE, into[1], (uint64_t)-1, 6, (uint64_t)-1, 1);
	sqe->splice_fd_in = pipes[0];
	check("splice", completes(&ring, 1, 6) && read(into[0], text, 16) == 6 && !memcmp(text, "splice", 6));
	sqe = sqe_get(&ring, IORING_OP_SPLICE, into[1], (uint64_t)-1, 6, (uint64_t)-1, 2);
	sqe->splice_fd_in = pipes[0];
	submit(&ring, 0);
	pause_ms(20);
	int early = ready(&ring) != 0;
	write(pipes[1], "waited", 6);
	check("splice waits", completes(&ring, 2, 6) && !early);
	int epoll = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 77}, got = {0};
	sqe_get(&ring, IORING_OP_EPOLL_CTL, epoll, (uint64_t)&event, EPOLL_CTL_ADD, (uint64_t)into[0], 3);
	check("epoll_ctl",
	      completes(&ring, 3, 0) && epoll_wait(epoll, &got, 1, 0) == 1 && got.data.u64 == 77);
	close(epoll);
	sqe_get(&ring, IORING_OP_MSG_RING, second.fd, 0, 123, 456, 4);
	check("a message", completes(&ring, 4, 0) && completes(&second, 456, 123));
	sqe_get(&ring, IORING_OP_MSG_RING, pipes[0], 0, 123, 456, 4);
	check("to no ring", completes(&ring, 4, -EBADFD));
	char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*page = 1;
	sqe_get(&ring, IORING_OP_MADVISE, -1, (uint64_t)page, 4096, 0, 5)->fadvise_advice = MADV_DONTNEED;
	check("madvise", completes(&ring, 5, 0) && *page == 0);
	union {
		struct io_uring_probe probe;
		char room[sizeof(struct io_uring_probe) + 64 * sizeof(struct io_uring_probe_op)];
	} asked;
	memset(&asked, 0, sizeof(asked));
	check("probe", reg(&ring, IORING_REGISTER_PROBE, &asked, 64) == 0 &&
	                   asked.probe.last_op >= IORING_OP_SOCKET &&
	                   (asked.probe.ops[IORING_OP_READV].flags & IO_URING_OP_SUPPORTED));
	int personality = reg(&ring, IORING_REGISTER_PERSONALITY, 0, 0);
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 6)->personality = (uint16_t)personality;
	check("a personality", personality > 0 && completes(&ring, 6, 0) &&
	                           reg(&ring, IORING_UNREGISTER_PERSONALITY, 0, (unsigned)personality) == 0);
	struct io_uring_rsrc_update index = {.offset = ~0u, .data = (uint64_t)ring.fd};
	check("a ring by index", reg(&ring, IORING_REGISTER_RING_FDS, &index, 1) == 1);
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 7);
	ring.queued = 0;
	check("is entered", enter((int)index.offset, 1, 1,
	                          IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, 0, 0) == 1 &&
	                        completes(&ring, 7, 0));
	check("unknown registrations", reg(&ring, 9999, 0, 0) == -1 && errno == EINVAL);
	ring_close(&ring);
	ring_close(&second);
	ring_open(&ring, 8, IORING_SETUP_R_DISABLED, 0);
	check("disabled", enter(ring.fd, 0, 0, 0, 0, 0) == -1 && errno == EBADFD);
	struct io_uring_restriction allow[2] = {
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP},
	    {.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_ENABLE_RINGS}};
	check("restricted", reg(&ring, IORING_REGISTER_RESTRICTIONS, allow, 2) == 0);
	check("enabled", reg(&ring, IORING_REGISTER_ENABLE_RINGS, 0, 0) == 0);
	sqe_get(&ring, IORING_OP_NOP, -1, 0, 0, 0, 1);
	check("what is allowed", completes(&ring, 1, 0));
	sqe_get(&ring, IORING_OP_READ, 0, 0, 0, 0, 2);
	check("what is not", completes(&ring, 2, -EACCES));
	check("nor that", reg(&ring, IORING_REGISTER_PROBE, &asked, 0) == -1 && errno == EACCES);
	ring_close(&ring);
	for (int i = 0; i < 2; i++) {
		close(pipes[i]);
		close(into[i]);
	}
}

static void *thread_leaves(void *argument)
{
	struct ring *ring = argument;
	submit(ring, 0);
	return 0;
}

static void leave(int pipe_end, char *text)
{
	struct ring ring;
	ring_open(&ring, 8, 0, 0);
	for (int i = 0; i < 4; i++)
		sqe_get(&ring, IORING_OP_READ, pipe_end, (uint64_t)text, 16, 0, 1)->flags =
		    i & 1 ? IOSQE_ASYNC : 0;
	struct __kernel_timespec later = {.tv_sec = 1000};
	sqe_get(&ring, IORING_OP_TIMEOUT, -1, (uint64_t)&later, 1, 0, 2);
	struct io_uring_sqe *sqe = sqe_get(&ring, IORING_OP_SPLICE, 1, (uint64_t)-1, 6, (uint64_t)-1, 2);
	sqe->splice_fd_in = pipe_end;
	submit(&ring, 0);
}

static void ends(void)
{
	int pipes[2];
	static char text[16];
	pipe(pipes);
	int status = in_child(leave(pipes[0], text); _exit(7));
	check("exit with requests", exited(status, 7));
	status = in_child(leave(pipes[0], text); execl("/bin/true", "true", (char *)0);
	                  execl("/proc/self/exe", "ends", (char *)0));
	check("exec with requests", exited(status, 0));
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		leave(pipes[0], text);
		write(pipes[1], "", 0);
		pause();
	}
	pause_ms(50);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	check("killed with requests", killed(status, SIGKILL));
	struct ring ring;
	ring_open(&ring, 8, 0, 0);
	sqe_get(&ring, IORING_OP_READ, pipes[0], (uint64_t)text, 16, 0, 1);
	pthread_t thread;
	pthread_create(&thread, 0, thread_leaves, &ring);
	pthread_join(thread, 0);
	write(pipes[1], "x", 1);
	check("a thread's requests end with it", completes(&ring, 1, -ECANCELED));
	ring_close(&ring);
	close(pipes[0]);
	close(pipes[1]);
}

/* Reads of a pipe whose end a request closes meanwhile. The call goes on with the file, or is begun anew without it, as on Linux. */
static void closing(void)
{
	int data[2];
	int trigger[2];
	int status = 0;
	char byte = 0;
	struct ring ring;
	if (pipe(data) || pipe(trigger) || ring_open(&ring, 8, 0, 0)) {
		check("pipes and a ring", 0);
		return;
	}
	struct io_uring_sqe *sqe = sqe_get(&ring, IORING_OP_POLL_ADD, trigger[0], 0, 0, 0, 1);
	sqe->poll32_events = POLLIN;
	sqe->flags = IOSQE_IO_LINK;
	sqe_get(&ring, IORING_OP_CLOSE, data[0], 0, 0, 0, 2);
	submit(&ring, 0);
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		signal(SIGPIPE, SIG_IGN);
		close(data[0]);
		pause_ms(50);
		write(trigger[1], "x", 1);
		for (int tries = 0; ready(&ring) < 2 && tries < 5000; tries++)
			pause_ms(1);
		write(data[1], "x", 1);
		_exit(0);
	}
	close(data[1]);
	ssize_t got = read(data[0], &byte, 1);
	check("a call keeps the file that a request closes", got == 1 || (got < 0 && errno == EBADF));
	waitpid(child, &status, 0);
	check("which was closed", completes(&ring, 1, POLLIN) && completes(&ring, 2, 0));
	ring_close(&ring);
	close(trigger[0]);
	close(trigger[1]);
}

int main(int argc, char **argv)
{
	(void)argc;
	if (!strcmp(argv[0], "ends")) /* by exec, below */
		return 0;
	setting_up();
	simple();
	reading();
	files();
	names();
	waiting();
	chains();
	times();
	sockets();
	lending();
	others();
	closing();
	ends();
	return check_failures != 0;
}
