/* io_uring_setup(2), io_uring_enter(2): a ring's memory, its completions, waiting for them. */
#include "uring.h"
#include "../mm/area.h"

#define ENTRIES_MAX    32768u
#define CQ_ENTRIES_MAX 65536u
#define OVERFLOW_MAX   65536u /* completions kept for a ring whose queue is full */

/* Where things are in the rings' memory. */
enum {
	SQ_HEAD = 0,
	SQ_TAIL = 64,
	CQ_HEAD = 128,
	CQ_TAIL = 192,
	SQ_MASK = 256,
	CQ_MASK = 260,
	SQ_ENTRIES = 264,
	CQ_ENTRIES = 268,
	SQ_DROPPED = 272,
	SQ_FLAGS = 276,
	CQ_FLAGS = 280,
	CQ_OVERFLOW = 284,
	CQES = 320
};
enum { SQ_CQ_OVERFLOW = 2 };      /* in SQ_FLAGS */
enum { CQ_EVENTFD_DISABLED = 1 }; /* in CQ_FLAGS */
enum { MAP_SQ_RING = 0, MAP_CQ_RING = 0x8000000, MAP_SQES = 0x10000000 };
enum { FEATURES = 0x1fff };

struct setup {
	uint32_t sq_entries, cq_entries, flags, thread_cpu, thread_idle, features, wq_fd, reserved[3];
	struct {
		uint32_t head, tail, mask, entries, flags, dropped, array, reserved1;
		uint64_t reserved2;
	} sq;
	struct {
		uint32_t head, tail, mask, entries, overflow, cqes, flags, reserved1;
		uint64_t reserved2;
	} cq;
};
_Static_assert(sizeof(struct setup) == 120, "struct io_uring_params");

static uint32_t ring_load(const struct uring *ring, uint32_t at)
{
	return __atomic_load_n((uint32_t *)(ring->rings + at), __ATOMIC_ACQUIRE);
}

static void ring_store(const struct uring *ring, uint32_t at, uint32_t value)
{
	__atomic_store_n((uint32_t *)(ring->rings + at), value, __ATOMIC_RELEASE);
}

/* ---- Completions ---- */

static uint32_t available(const struct uring *ring)
{
	return ring->cq_tail - ring_load(ring, CQ_HEAD);
}

/* False: the queue is full. */
static bool cqe_put(struct uring *ring, uint64_t user_data, int32_t result, uint32_t flags)
{
	if (available(ring) >= ring->cq_entries)
		return false;
	uint32_t bytes = ring->flags & SETUP_CQE32 ? 32 : 16;
	char *cqe = ring->rings + CQES + (size_t)(ring->cq_tail & (ring->cq_entries - 1)) * bytes;
	memset(cqe, 0, bytes);
	memcpy(cqe, &user_data, 8);
	memcpy(cqe + 8, &result, 4);
	memcpy(cqe + 12, &flags, 4);
	ring_store(ring, CQ_TAIL, ++ring->cq_tail);
	return true;
}

static void overflow_flush(struct uring *ring)
{
	if (list_empty(&ring->overflow))
		return;
	while (!list_empty(&ring->overflow)) {
		struct uring_overflow *kept = list_first(&ring->overflow, struct uring_overflow, link);
		if (!cqe_put(ring, kept->user_data, kept->result, kept->flags))
			return;
		list_remove(&kept->link);
		heap_free(kept);
		ring->overflow_count--;
	}
	ring_store(ring, SQ_FLAGS, ring_load(ring, SQ_FLAGS) & ~(uint32_t)SQ_CQ_OVERFLOW);
	wake_all(&ring->wait, POLLIN);
}

static void overflow_keep(struct uring *ring, uint64_t user_data, int32_t result, uint32_t flags)
{
	struct uring_overflow *kept = ring->overflow_count < OVERFLOW_MAX ? heap_allocate(sizeof(*kept)) : 0;
	if (!kept) {
		ring_store(ring, CQ_OVERFLOW, ++ring->cq_overflow);
		return;
	}
	*kept = (struct uring_overflow){.user_data = user_data, .result = result, .flags = flags};
	if (list_empty(&ring->overflow))
		ring_store(ring, SQ_FLAGS, ring_load(ring, SQ_FLAGS) | SQ_CQ_OVERFLOW);
	list_append(&ring->overflow, &kept->link);
	ring->overflow_count++;
}

void uring_post(struct uring *ring, uint64_t user_data, int64_t result, uint32_t flags, bool async)
{
	if (!list_empty(&ring->overflow) || !cqe_put(ring, user_data, (int32_t)result, flags))
		overflow_keep(ring, user_data, (int32_t)result, flags);
	wake_all(&ring->wait, POLLIN);
	if (ring->eventfd && (async || !ring->eventfd_async) &&
	    !(ring_load(ring, CQ_FLAGS) & CQ_EVENTFD_DISABLED))
		(void)eventfd_add(ring->eventfd, 1);
}

/* ---- Life ---- */

void uring_reference(struct uring *ring)
{
	ring->references++;
}

void uring_release(struct uring *ring)
{
	if (--ring->references)
		return;
	while (!list_empty(&ring->overflow)) {
		struct uring_overflow *kept = list_first(&ring->overflow, struct uring_overflow, link);
		list_remove(&kept->link);
		heap_free(kept);
	}
	if (ring->rings)
		memory_object_unmap(ring->rings, ring->rings_bytes);
	if (ring->sqes)
		memory_object_unmap(ring->sqes, ring->sqes_bytes);
	if (ring->rings_object)
		memory_object_release(ring->rings_object);
	if (ring->sqes_object)
		memory_object_release(ring->sqes_object);
	heap_free(ring);
}

static void ring_file_release(struct file *file)
{
	struct uring *ring = file->private;
	ring->closing = true;
	wait_queue_close(&ring->wait);
	uring_cancel_all(ring);
	uring_resources_free(ring);
	uring_release(ring);
}

/* Zeroed memory of BYTES, all of it there, mapped here too. */
static bool ring_memory(uint64_t bytes, struct memory_object **object, char **mapped)
{
	*object = memory_object_create(bytes);
	*mapped = *object ? memory_object_map(*object, 0, bytes, true) : 0;
	if (!*mapped)
		return false;
	for (uint64_t at = 0; at < bytes; at += PAGE_SIZE_BYTES)
		if (probe_write((uint64_t)*mapped + at))
			return false;
	return true;
}

static struct uring *ring_create(const struct setup *setup)
{
	struct uring *ring = heap_allocate(sizeof(*ring));
	if (!ring)
		return 0;
	ring->references = 1;
	ring->flags = setup->flags;
	ring->sq_entries = setup->sq_entries;
	ring->cq_entries = setup->cq_entries;
	wait_queue_init(&ring->wait);
	list_init(&ring->requests);
	list_init(&ring->deferred);
	list_init(&ring->counting);
	list_init(&ring->overflow);
	list_init(&ring->lenders);
	ring->sq_array = (CQES + ring->cq_entries * (ring->flags & SETUP_CQE32 ? 32 : 16) + 63) & ~63u;
	ring->rings_bytes = page_up(ring->sq_array + ring->sq_entries * 4);
	ring->sqes_bytes = page_up((uint64_t)ring->sq_entries * (ring->flags & SETUP_SQE128 ? 128 : 64));
	if (!ring_memory(ring->rings_bytes, &ring->rings_object, &ring->rings) ||
	    !ring_memory(ring->sqes_bytes, &ring->sqes_object, &ring->sqes)) {
		uring_release(ring);
		return 0;
	}
	ring_store(ring, SQ_MASK, ring->sq_entries - 1);
	ring_store(ring, CQ_MASK, ring->cq_entries - 1);
	ring_store(ring, SQ_ENTRIES, ring->sq_entries);
	ring_store(ring, CQ_ENTRIES, ring->cq_entries);
	return ring;
}

/* ---- The file ---- */

static int64_t ring_mmap(struct file *file, struct mmap_request *request)
{
	const struct uring *ring = file->private;
	bool sqes = request->offset == MAP_SQES;
	if (!request->shared || (!sqes && request->offset != MAP_SQ_RING && request->offset != MAP_CQ_RING))
		return -EINVAL;
	if (request->bytes > (sqes ? ring->sqes_bytes : ring->rings_bytes))
		return -EINVAL;
	request->object = memory_object_reference(sqes ? ring->sqes_object : ring->rings_object);
	request->object_offset = 0;
	return 0;
}

static uint32_t ring_poll(struct file *file, struct poll_table *table)
{
	const struct uring *ring = file->private;
	poll_wait(table, &((struct uring *)file->private)->wait);
	bool full = ring_load(ring, SQ_TAIL) - ring->sq_head == ring->sq_entries;
	bool some = available(ring) || !list_empty(&ring->overflow);
	return (full ? 0 : POLLOUT | POLLWRNORM) | (some ? POLLIN | POLLRDNORM : 0);
}

static void ring_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:[io_uring]");
}

const struct file_ops uring_ops = {
    .mmap = ring_mmap, .poll = ring_poll, .release = ring_file_release, .describe = ring_describe};

/* ---- Setting up ---- */

static uint32_t power_of_two(uint32_t value)
{
	return value <= 1 ? 1 : 1u << (32 - __builtin_clz(value - 1));
}

static int64_t setup_flags(uint32_t flags)
{
	const uint32_t known = 2 * SETUP_DEFER_TASKRUN - 1;
	const uint32_t cooperative = SETUP_COOP_TASKRUN | SETUP_TASKRUN_FLAG | SETUP_DEFER_TASKRUN;
	if ((flags & ~known) || ((flags & SETUP_SQ_AFF) && !(flags & SETUP_SQPOLL)))
		return -EINVAL;
	if ((flags & SETUP_SQPOLL) && (flags & cooperative))
		return -EINVAL;
	if ((flags & SETUP_TASKRUN_FLAG) && !(flags & (SETUP_COOP_TASKRUN | SETUP_DEFER_TASKRUN)))
		return -EINVAL;
	if ((flags & SETUP_DEFER_TASKRUN) && !(flags & SETUP_SINGLE_ISSUER))
		return -EINVAL;
	return flags & SETUP_SQPOLL ? -EINVAL : 0; /* no thread polls submission queues here */
}

static int64_t setup_entries(struct setup *setup, uint32_t entries)
{
	bool clamp = setup->flags & SETUP_CLAMP;
	if (!entries || (entries > ENTRIES_MAX && !clamp))
		return -EINVAL;
	setup->sq_entries = power_of_two(entries < ENTRIES_MAX ? entries : ENTRIES_MAX);
	uint32_t wanted = setup->cq_entries;
	setup->cq_entries = 2 * setup->sq_entries;
	if (!(setup->flags & SETUP_CQSIZE))
		return 0;
	if (!wanted || (wanted > CQ_ENTRIES_MAX && !clamp))
		return -EINVAL;
	setup->cq_entries = power_of_two(wanted < CQ_ENTRIES_MAX ? wanted : CQ_ENTRIES_MAX);
	return setup->cq_entries < setup->sq_entries ? -EINVAL : 0;
}

static int64_t attach(const struct setup *setup)
{
	const struct file *file = setup->flags & SETUP_ATTACH_WQ ? file_of((int)setup->wq_fd) : 0;
	if (!(setup->flags & SETUP_ATTACH_WQ))
		return 0;
	return !file ? -ENXIO : file->ops == &uring_ops ? 0 : -EINVAL;
}

static void setup_offsets(struct setup *setup, const struct uring *ring)
{
	setup->features = FEATURES;
	setup->sq.head = SQ_HEAD;
	setup->sq.tail = SQ_TAIL;
	setup->sq.mask = SQ_MASK;
	setup->sq.entries = SQ_ENTRIES;
	setup->sq.flags = SQ_FLAGS;
	setup->sq.dropped = SQ_DROPPED;
	setup->sq.array = ring->sq_array;
	setup->cq.head = CQ_HEAD;
	setup->cq.tail = CQ_TAIL;
	setup->cq.mask = CQ_MASK;
	setup->cq.entries = CQ_ENTRIES;
	setup->cq.overflow = CQ_OVERFLOW;
	setup->cq.cqes = CQES;
	setup->cq.flags = CQ_FLAGS;
}

SYSCALL_HANDLER(io_uring_setup, uint32_t entries, uint64_t address)
{
	struct setup setup;
	if (copy_from_user(&setup, address, sizeof(setup)))
		return -EFAULT;
	if (setup.reserved[0] || setup.reserved[1] || setup.reserved[2])
		return -EINVAL;
	int64_t error = setup_flags(setup.flags);
	if (!error)
		error = setup_entries(&setup, entries);
	if (!error)
		error = attach(&setup);
	if (error)
		return error;
	struct uring *ring = ring_create(&setup);
	if (!ring)
		return -ENOMEM;
	if ((setup.flags & SETUP_SINGLE_ISSUER) && !(setup.flags & SETUP_DISABLED))
		ring->issuer = current_task()->tid;
	memset(&setup.sq, 0, sizeof(setup.sq));
	memset(&setup.cq, 0, sizeof(setup.cq));
	setup_offsets(&setup, ring);
	struct file *file = file_create(&uring_ops, O_RDWR, ring);
	if (!file) {
		uring_release(ring);
		return -ENOMEM;
	}
	if (copy_to_user(address, &setup, sizeof(setup))) {
		file_release(file);
		return -EFAULT;
	}
	return file_give(file, true);
}

/* ---- Submitting ---- */

/* One entry into *SQE; false: there is none where the guest says. */
static bool sqe_take(struct uring *ring, struct uring_sqe *sqe)
{
	uint32_t at = ring->sq_head++ & (ring->sq_entries - 1);
	uint32_t index = ring_load(ring, ring->sq_array + at * 4);
	ring_store(ring, SQ_HEAD, ring->sq_head);
	if (index >= ring->sq_entries) {
		ring_store(ring, SQ_DROPPED, ++ring->sq_dropped);
		return false;
	}
	memcpy(sqe, ring->sqes + (size_t)index * (ring->flags & SETUP_SQE128 ? 128 : 64), sizeof(*sqe));
	__asm__ volatile("" : : "r"(sqe) : "memory"); /* what is checked below is this copy */
	return true;
}

bool uring_next(struct uring *ring, struct uring_sqe *sqe)
{
	return ring_load(ring, SQ_TAIL) != ring->sq_head && sqe_take(ring, sqe);
}

/* ---- Entering ---- */

enum {
	ENTER_GETEVENTS = 1,
	ENTER_SQ_WAKEUP = 2,
	ENTER_SQ_WAIT = 4,
	ENTER_EXT_ARG = 8,
	ENTER_REGISTERED_RING = 16,
	ENTER_FLAGS = 31
};

struct wait_argument {
	uint64_t mask;
	uint32_t mask_bytes, pad;
	uint64_t time;
};

static int64_t wait_completions(struct uring *ring, struct async_group *group, uint32_t least,
                                uint64_t deadline)
{
	struct wait_entry entry;
	int64_t result = 0;
	wait_begin(&entry, &ring->wait);
	for (;;) {
		async_run(group);
		overflow_flush(ring);
		if (available(ring) >= least) {
			result = 0;
			break;
		}
		if (!list_empty(&ring->overflow))
			result = -EBUSY;
		if (result)
			break;
		int slept = wait_sleep(deadline);
		result = slept == -ETIMEDOUT ? -ETIME : slept ? -EINTR : 0;
	}
	wait_end(&entry);
	return result;
}

static int64_t get_events(struct uring *ring, struct async_group *group, uint32_t least, uint32_t flags,
                          uint64_t argument, uint64_t bytes)
{
	struct wait_argument wait = {.mask = argument, .mask_bytes = (uint32_t)bytes};
	uint64_t deadline = DEADLINE_NEVER;
	if (flags & ENTER_EXT_ARG) {
		if (bytes != sizeof(wait))
			return -EINVAL;
		if (copy_from_user(&wait, argument, sizeof(wait)))
			return -EFAULT;
		if (wait.pad)
			return -EINVAL;
	}
	if (wait.time) {
		uint64_t ns;
		int error = get_user_timespec(wait.time, &ns);
		if (error)
			return error;
		deadline = clock_monotonic() + ns;
	}
	if (least > ring->cq_entries)
		least = ring->cq_entries;
	int error = wait.mask ? signal_temporary_mask(wait.mask, wait.mask_bytes) : 0;
	return error ? error : wait_completions(ring, group, least, deadline);
}

static int64_t enter(struct uring *ring, uint32_t count, uint32_t least, uint32_t flags, uint64_t argument,
                     uint64_t bytes)
{
	struct async_group *group = async_group();
	int64_t result = 0, waited = 0;
	if (ring->flags & SETUP_DISABLED)
		return -EBADFD;
	if (ring->issuer && ring->issuer != current_task()->tid)
		return -EEXIST;
	if (!group)
		return -ENOMEM;
	async_attend(group);
	if (count)
		result = uring_submit(ring, count);
	if (result == count && (flags & ENTER_GETEVENTS))
		waited = get_events(ring, group, least, flags, argument, bytes);
	async_leave(group);
	return result ? result : waited;
}

SYSCALL_HANDLER(io_uring_enter, int fd, uint32_t count, uint32_t least, uint32_t flags, uint64_t argument,
                uint64_t bytes)
{
	struct file *file;
	int64_t result;
	if (flags & ~(uint32_t)ENTER_FLAGS)
		return -EINVAL;
	struct uring *ring = uring_of(fd, flags & ENTER_REGISTERED_RING, &file, &result);
	if (!ring)
		return result;
	result = enter(ring, count, least, flags, argument, bytes);
	file_release(file);
	return result;
}
