/* aio(7): io_setup(2) and its kind.
 *
 * As on Linux a read or write is done by whom submits it, who may sleep in it; what is left behind are polls, and reads and
 * writes of disks, which go on by themselves (fs/block_transfer.h), and end as jobs of the task that submitted them: in
 * its memory, by itself while it waits for events. A context's ring of events is mapped by its program, which may take
 * events out by itself; its address is the context's name. What is read of it is not believed. Polls are looked at by a worker of the personality when their files wake it.
 */
#include "async.h"
#include "../fs/block_transfer.h"
#include "../fs/io.h"
#include "../fs/open.h"
#include "../mm/area.h"

#define RING_MAGIC   0xa10a10a1u
#define RING_HEADER  32u
#define EVENTS_MAX   65536u /* of all contexts: fs.aio-max-nr */
#define CONTEXTS_MAX 1024u  /* of one address space */
#define POLL_HOOKS   4u

struct ring_header {
	uint32_t id, count, head, tail, magic, compatible, incompatible, header_bytes;
};
_Static_assert(sizeof(struct ring_header) == RING_HEADER, "struct aio_ring");

struct event {
	uint64_t data, object;
	int64_t result, result2;
};

struct iocb {
	uint64_t data;
	uint32_t key, rw_flags;
	uint16_t opcode;
	int16_t priority;
	uint32_t fd;
	uint64_t buffer, bytes;
	int64_t offset;
	uint64_t reserved;
	uint32_t flags, result_fd;
};
_Static_assert(sizeof(struct iocb) == 64, "struct iocb");

enum { AIO_PREAD, AIO_PWRITE, AIO_FSYNC, AIO_FDSYNC, AIO_POLL = 5, AIO_PREADV = 7, AIO_PWRITEV = 8 };
enum { TRANSFER_BEGUN = 1 };
enum { FLAG_RESULT_FD = 1, FLAG_PRIORITY = 2 };

struct aio_context {
	struct aio_context *next; /* of its mm */
	uint32_t references;
	uint64_t address, bytes;
	struct memory_object *object;
	struct ring_header *ring; /* mapped here */
	uint32_t count, tail, poll_count;
	uint32_t transfer_count; /* under way */
	bool dead;
	struct wait_queue wait;
	struct list polls;
};

struct aio_poll {
	struct list link, ready; /* of its context; of those that were woken */
	struct aio_context *context;
	struct file *file, *eventfd;
	uint64_t data, object;
	uint32_t events, hook_count;
	bool failed;
	struct poll_table table;
	struct aio_hook {
		struct wait_entry entry;
		struct aio_poll *poll;
	} hooks[POLL_HOOKS];
};

/* A read or write of a disk that is under way. */
struct aio_transfer {
	struct async_job job;
	struct block_transfer device;
	struct aio_context *context;
	struct file *file, *eventfd;
	uint64_t data, object, buffer, bytes;
	bool over; /* at the device, and nobody ends it yet */
};

static uint32_t events_total;
static struct lock woken_lock = LOCK_INIT(LOCK_ASYNC); /* guards `woken` */
static struct list woken = LIST_INIT(woken);
static struct task *worker;

/* ---- Events ---- */

static uint32_t held(const struct aio_context *context)
{
	uint32_t head = __atomic_load_n(&context->ring->head, __ATOMIC_ACQUIRE) % context->count;
	return (context->tail + context->count - head) % context->count;
}

static void event_put(struct aio_context *context, uint64_t data, uint64_t object, int64_t result)
{
	struct event event = {data, object, result, 0};
	char *events = (char *)context->ring + RING_HEADER;
	if (context->dead)
		return;
	memcpy(events + (size_t)context->tail * sizeof(event), &event, sizeof(event));
	context->tail = (context->tail + 1) % context->count;
	__atomic_store_n(&context->ring->tail, context->tail, __ATOMIC_RELEASE);
	wake_all(&context->wait, POLLIN);
}

/* ---- Contexts ---- */

static void context_put(struct aio_context *context)
{
	if (--context->references)
		return;
	if (context->ring)
		memory_object_unmap(context->ring, context->bytes);
	if (context->object)
		memory_object_release(context->object);
	events_total -= context->count;
	heap_free(context);
}

static struct aio_context *context_find(uint64_t address)
{
	for (struct aio_context *context = current_task()->mm->aio; context; context = context->next)
		if (context->address == address)
			return context;
	return 0;
}

static void poll_free(struct aio_poll *poll)
{
	while (poll->hook_count)
		list_remove(&poll->hooks[--poll->hook_count].entry.link);
	lock_acquire(&woken_lock);
	list_remove(&poll->ready);
	lock_release(&woken_lock);
	list_remove(&poll->link);
	poll->context->poll_count--;
	file_release(poll->file);
	if (poll->eventfd)
		file_release(poll->eventfd);
	context_put(poll->context);
	heap_free(poll);
}

static void poll_end(struct aio_poll *poll, uint32_t events)
{
	event_put(poll->context, poll->data, poll->object, events);
	if (poll->eventfd)
		(void)eventfd_add(poll->eventfd, 1);
	poll_free(poll);
}

static void context_kill(struct aio_context *context)
{
	context->dead = true;
	context->references++;
	while (!list_empty(&context->polls))
		poll_end(list_first(&context->polls, struct aio_poll, link), 0);
	wake_all(&context->wait, POLLIN);
	context_put(context);
	context_put(context); /* the mm's */
}

void aio_mm_end(struct mm *mm)
{
	while (mm->aio) {
		struct aio_context *context = mm->aio;
		mm->aio = context->next;
		context_kill(context);
	}
}

/* The ring of CONTEXT in the current program's memory. */
static int64_t context_map(struct aio_context *context)
{
	struct mm *mm = current_task()->mm;
	uint64_t at = mm_place(mm, context->bytes, mm->mmap_top);
	if (!at)
		return -ENOMEM;
	int error = mm_map(mm, at, context->bytes, AREA_READ | AREA_WRITE | AREA_SHARED | AREA_MAY_WRITE,
	                   memory_object_reference(context->object), 0, 0, 0);
	if (error) {
		memory_object_release(context->object);
		return error;
	}
	context->address = at;
	return 0;
}

static bool ring_make(struct aio_context *context)
{
	context->object = memory_object_create(context->bytes);
	context->ring = context->object ? memory_object_map(context->object, 0, context->bytes, true) : 0;
	for (uint64_t at = 0; context->ring && at < context->bytes; at += PAGE_SIZE_BYTES)
		if (probe_write((uint64_t)context->ring + at))
			return false;
	if (context->ring)
		*context->ring = (struct ring_header){.count = context->count,
		                                      .magic = RING_MAGIC,
		                                      .compatible = 1,
		                                      .header_bytes = RING_HEADER};
	return context->ring;
}

SYSCALL_HANDLER(io_setup, uint32_t count, uint64_t address)
{
	struct mm *mm = current_task()->mm;
	uint64_t there;
	uint32_t contexts = 0;
	if (get_user_u64(&there, address))
		return -EFAULT;
	if (there || !count || count > 0x10000000)
		return -EINVAL;
	for (const struct aio_context *each = mm->aio; each; each = each->next)
		contexts++;
	/* A ring is never quite full, and as on Linux there is room for twice as many. */
	if (count > EVENTS_MAX / 2 - 2 || contexts == CONTEXTS_MAX)
		return -EAGAIN;
	uint64_t bytes = page_up(RING_HEADER + (2ull * count + 2) * sizeof(struct event));
	uint32_t slots = (uint32_t)((bytes - RING_HEADER) / sizeof(struct event));
	if (slots > EVENTS_MAX - events_total)
		return -EAGAIN;
	struct aio_context *context = heap_allocate(sizeof(*context));
	if (!context)
		return -ENOMEM;
	context->references = 1;
	context->bytes = bytes;
	context->count = slots;
	events_total += slots;
	wait_queue_init(&context->wait);
	list_init(&context->polls);
	int64_t error = ring_make(context) ? context_map(context) : -ENOMEM;
	if (!error && put_user_u64(address, context->address)) {
		(void)mm_unmap(mm, context->address, context->bytes);
		error = -EFAULT;
	}
	if (error) {
		context_put(context);
		return error;
	}
	context->next = mm->aio;
	mm->aio = context;
	return 0;
}

SYSCALL_HANDLER(io_destroy, uint64_t address)
{
	struct mm *mm = current_task()->mm;
	struct aio_context **at = &mm->aio;
	while (*at && (*at)->address != address)
		at = &(*at)->next;
	struct aio_context *context = *at;
	if (!context)
		return -EINVAL;
	*at = context->next;
	/* It may have mapped something else there. */
	const struct area *area = mm_find(mm, address);
	if (area && area->start <= address && area->object == context->object)
		(void)mm_unmap(mm, address, context->bytes);
	context->references++;
	context_kill(context);
	struct async_group *group = current_task()->async;
	struct wait_entry entry;
	wait_begin(&entry, &context->wait);
	if (group)
		async_attend(group);
	while (context->transfer_count) { /* into the program's memory: not behind its back */
		if (group && async_waits(group))
			async_run(group);
		else
			wait_sleep_always();
	}
	if (group)
		async_leave(group);
	wait_end(&entry);
	context_put(context);
	return 0;
}

/* ---- Polls ---- */

static void woken_run(void)
{
	for (;;) {
		lock_acquire(&woken_lock);
		struct aio_poll *poll = list_empty(&woken) ? 0 : list_first(&woken, struct aio_poll, ready);
		if (poll)
			list_remove(&poll->ready);
		lock_release(&woken_lock);
		if (!poll)
			return;
		uint32_t there = poll->file->ops->poll(poll->file, 0) & poll->events;
		if (there)
			poll_end(poll, there);
	}
}

static void worker_main(void *argument)
{
	(void)argument;
	for (;;) {
		woken_run();
		(void)worker_wait(DEADLINE_NEVER);
	}
}

static bool poll_wake(struct wait_entry *entry, uint32_t events)
{
	struct aio_poll *poll = container_of(entry, struct aio_hook, entry)->poll;
	if (events && !(events & poll->events))
		return false;
	lock_acquire(&woken_lock);
	if (list_empty(&poll->ready))
		list_append(&woken, &poll->ready);
	lock_release(&woken_lock);
	event_signal((handle_t)worker_event(worker), 1);
	return false;
}

static void poll_hook(struct poll_table *table, struct wait_queue *queue)
{
	struct aio_poll *poll = container_of(table, struct aio_poll, table);
	if (poll->hook_count == POLL_HOOKS) {
		poll->failed = true;
		return;
	}
	struct aio_hook *hook = &poll->hooks[poll->hook_count++];
	hook->poll = poll;
	hook->entry = (struct wait_entry){.wake = poll_wake};
	list_append(&queue->entries, &hook->entry.link);
}

static int64_t poll_submit(struct aio_context *context, const struct iocb *iocb, uint64_t object,
                           struct file *file, struct file *eventfd)
{
	if (iocb->buffer > UINT16_MAX || iocb->offset || iocb->bytes || iocb->rw_flags)
		return -EINVAL;
	if (!file->ops->poll)
		return -EINVAL;
	if (!worker && !(worker = worker_create("aio", worker_main, 0)))
		return -EAGAIN;
	struct aio_poll *poll = heap_allocate(sizeof(*poll));
	if (!poll)
		return -EAGAIN;
	poll->context = context;
	context->references++;
	poll->file = file_reference(file);
	poll->eventfd = eventfd ? file_reference(eventfd) : 0;
	poll->data = iocb->data;
	poll->object = object;
	poll->events = (uint32_t)iocb->buffer | POLLERR | POLLHUP;
	poll->table.add = poll_hook;
	list_init(&poll->ready);
	list_append(&context->polls, &poll->link);
	context->poll_count++;
	uint32_t there = file->ops->poll(file, &poll->table) & poll->events;
	if (poll->failed) {
		poll_free(poll);
		return -EINVAL;
	}
	if (there)
		poll_end(poll, there);
	return 0;
}

SYSCALL_HANDLER(io_cancel, uint64_t address, uint64_t object, uint64_t result)
{
	struct aio_context *context = context_find(address);
	struct aio_poll *poll;
	uint32_t key;
	(void)result;
	if (get_user_u32(&key, object + offsetof(struct iocb, key)))
		return -EFAULT;
	if (key || !context)
		return -EINVAL;
	list_for_each(poll, &context->polls, link)
	{
		if (poll->object == object) {
			poll_end(poll, 0);
			return -EINPROGRESS; /* an event tells */
		}
	}
	return -EINVAL;
}

/* ---- Submitting ---- */

static void transfer_end(struct aio_transfer *transfer)
{
	struct aio_context *context = transfer->context;
	struct linux_iovec one;
	struct io io;
	transfer->over = false; /* a fault may give the lock up: nobody else ends it */
	io_init_user(&io, &one, transfer->buffer, transfer->bytes);
	int64_t result = block_transfer_finish(&transfer->device, &io);
	async_remove(&transfer->job);
	context->transfer_count--;
	event_put(context, transfer->data, transfer->object, result);
	if (context->dead)
		wake_all(&context->wait, POLLIN); /* io_destroy waits */
	if (transfer->eventfd) {
		(void)eventfd_add(transfer->eventfd, 1);
		file_release(transfer->eventfd);
	}
	file_release(transfer->file);
	context_put(context);
	heap_free(transfer);
}

static void transfer_run(struct async_job *job, bool sleep)
{
	(void)sleep;
	transfer_end(container_of(job, struct aio_transfer, job));
}

/* The task ends: as on Linux it waits for the device. */
static bool transfer_cancel(struct async_job *job)
{
	struct aio_transfer *transfer = container_of(job, struct aio_transfer, job);
	if (!transfer->over)
		return false;
	transfer_end(transfer);
	return true;
}

static void transfer_done(struct block_transfer *device)
{
	struct aio_transfer *transfer = container_of(device, struct aio_transfer, device);
	transfer->over = true;
	async_again(&transfer->job);
}

/* Begins what goes on by itself. False: it is to be done here. */
static bool transfer_begin(struct aio_context *context, const struct iocb *iocb, uint64_t object,
                           struct file *file, struct file *eventfd)
{
	struct async_group *group = file->vnode && S_ISBLK(file->vnode->mode) ? async_group() : 0;
	struct aio_transfer *transfer = group && async_ready(group) ? heap_allocate(sizeof(*transfer)) : 0;
	struct linux_iovec one;
	struct io io;
	if (!transfer)
		return false;
	transfer->context = context;
	transfer->data = iocb->data;
	transfer->object = object;
	transfer->buffer = iocb->buffer;
	transfer->bytes = iocb->bytes;
	transfer->device.done = transfer_done;
	transfer->job.run = transfer_run;
	transfer->job.cancel = transfer_cancel;
	io_init_user(&io, &one, iocb->buffer, iocb->bytes);
	io.flags = io_flags_of(iocb->rw_flags);
	async_add(group, &transfer->job); /* before the device can be done with it, */
	context->transfer_count++;        /* and the context may end */
	if (block_transfer_begin(file, &io, iocb->offset, iocb->opcode == AIO_PWRITE, &transfer->device)) {
		async_remove(&transfer->job);
		context->transfer_count--;
		if (context->dead)
			wake_all(&context->wait, POLLIN);
		heap_free(transfer);
		return false;
	}
	transfer->file = file_reference(file);
	transfer->eventfd = eventfd ? file_reference(eventfd) : 0;
	context->references++;
	return true;
}

/* 0: an event tells the result; TRANSFER_BEGUN: one will. */
static int64_t transfer_submit(struct aio_context *context, const struct iocb *iocb, uint64_t object,
                               struct file *file, struct file *eventfd)
{
	bool write = iocb->opcode == AIO_PWRITE || iocb->opcode == AIO_PWRITEV;
	bool vector = iocb->opcode == AIO_PREADV || iocb->opcode == AIO_PWRITEV;
	struct linux_iovec few[8], *segments = few;
	struct io io;
	int64_t position = iocb->offset;
	int wrong = iocb->flags & FLAG_PRIORITY ? io_priority_check((uint16_t)iocb->priority) : 0;
	if (wrong)
		return wrong;
	if (iocb->rw_flags & ~(uint32_t)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND))
		return -EOPNOTSUPP;
	if (write ? !file_writable(file) : !file_readable(file))
		return -EBADF;
	if (!(write ? file->ops->write : file->ops->read))
		return -EINVAL;
	if (!vector && iocb->bytes <= BLOCK_TRANSFER_BYTES && user_range(iocb->buffer, iocb->bytes) &&
	    transfer_begin(context, iocb, object, file, eventfd))
		return TRANSFER_BEGUN;
	if (vector) {
		int64_t error = iovec_from_user(&segments, iocb->buffer, iocb->bytes, few, 8);
		if (error)
			return error;
		io_init_vector(&io, segments, (uint32_t)iocb->bytes);
	} else {
		uint64_t bytes = iocb->bytes < IO_MAX ? iocb->bytes : IO_MAX;
		if (!user_range(iocb->buffer, bytes))
			return -EFAULT;
		io_init_user(&io, few, iocb->buffer, bytes);
	}
	io.flags = io_flags_of(iocb->rw_flags);
	int64_t result = position < 0 && file->ops->seekable ? -EINVAL
	                 : write ? write_through(file, io.flags, do_write(file, &io, &position))
	                         : do_read(file, &io, &position);
	if (segments != few)
		heap_free(segments);
	if (result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND)
		result = -EINTR;
	event_put(context, iocb->data, object, result);
	return 0;
}

static int64_t sync_submit(struct aio_context *context, const struct iocb *iocb, uint64_t object,
                           struct file *file)
{
	if (iocb->buffer || iocb->offset || iocb->bytes || iocb->rw_flags || !file->ops->sync)
		return -EINVAL;
	event_put(context, iocb->data, object, file->ops->sync(file, iocb->opcode == AIO_FDSYNC));
	return 0;
}

static int64_t submit_to(struct aio_context *context, const struct iocb *iocb, uint64_t object,
                         struct file *file, struct file *eventfd)
{
	int64_t error;
	switch (iocb->opcode) {
	case AIO_PREAD:
	case AIO_PWRITE:
	case AIO_PREADV:
	case AIO_PWRITEV:
		error = transfer_submit(context, iocb, object, file, eventfd);
		if (error == TRANSFER_BEGUN)
			return 0;
		break;
	case AIO_FSYNC:
	case AIO_FDSYNC:
		error = sync_submit(context, iocb, object, file);
		break;
	case AIO_POLL:
		return poll_submit(context, iocb, object, file, eventfd);
	default:
		return -EINVAL;
	}
	if (!error && eventfd)
		(void)eventfd_add(eventfd, 1);
	return error;
}

static struct file *file_named(uint32_t fd)
{
	struct file *file = fd > INT32_MAX ? 0 : file_get((int)fd);
	if (!file || !(file->flags & O_PATH))
		return file;
	file_release(file);
	return 0;
}

static int64_t submit_one(struct aio_context *context, uint64_t object)
{
	struct iocb iocb;
	if (copy_from_user(&iocb, object, sizeof(iocb)))
		return -EFAULT;
	if (iocb.reserved || (int64_t)iocb.bytes < 0)
		return -EINVAL;
	/* Each of the polls and transfers will need room, too. */
	if (held(context) + context->poll_count + context->transfer_count + 1 >= context->count)
		return -EAGAIN;
	struct file *file = file_named(iocb.fd), *eventfd = 0;
	int64_t error = file ? 0 : -EBADF;
	if (!error && (iocb.flags & FLAG_RESULT_FD)) {
		eventfd = file_named(iocb.result_fd);
		error = !eventfd ? -EBADF : eventfd_add(eventfd, 0) ? 0 : -EINVAL;
	}
	if (!error && put_user_u32(object + offsetof(struct iocb, key), 0))
		error = -EFAULT;
	if (!error)
		error = submit_to(context, &iocb, object, file, eventfd);
	if (file)
		file_release(file);
	if (eventfd)
		file_release(eventfd);
	return error;
}

SYSCALL_HANDLER(io_submit, uint64_t address, int64_t count, uint64_t list)
{
	struct aio_context *context = context_find(address);
	int64_t done = 0, error = 0;
	if (count < 0 || !context)
		return -EINVAL;
	context->references++;
	if (count > context->count)
		count = context->count;
	for (; done < count && !context->dead; done++) {
		uint64_t object;
		error = get_user_u64(&object, list + (uint64_t)done * 8);
		if (!error)
			error = submit_one(context, object);
		if (error || (current_task()->work & TASK_WORK_EXIT))
			break;
	}
	context_put(context);
	return done ? done : error;
}

/* ---- Waiting ---- */

/* Takes up to COUNT events out, into memory at ADDRESS. */
static int64_t events_take(struct aio_context *context, int64_t count, uint64_t address)
{
	int64_t done = 0;
	uint32_t head = __atomic_load_n(&context->ring->head, __ATOMIC_ACQUIRE) % context->count;
	while (done < count && head != context->tail) {
		struct event event;
		memcpy(&event, (char *)context->ring + RING_HEADER + (size_t)head * sizeof(event),
		       sizeof(event));
		if (copy_to_user(address + (uint64_t)done * sizeof(event), &event, sizeof(event)))
			return done ? done : -EFAULT;
		head = (head + 1) % context->count;
		done++;
		__atomic_store_n(&context->ring->head, head, __ATOMIC_RELEASE);
	}
	return done;
}

static int64_t get_events(uint64_t address, int64_t least, int64_t count, uint64_t events, uint64_t timeout)
{
	uint64_t ns, deadline = DEADLINE_NEVER;
	int error = get_user_timespec(timeout, &ns);
	if (error)
		return error;
	struct aio_context *context = context_find(address);
	if (!context || least < 0 || count < 0 || least > count)
		return -EINVAL;
	if (timeout)
		deadline = clock_monotonic() + ns;
	context->references++;
	struct wait_entry entry;
	struct async_group *group = current_task()->async;
	if (group) {
		async_attend(group);
		async_run(group);
	}
	wait_begin(&entry, &context->wait);
	int64_t done = events_take(context, count, events);
	while (done >= 0 && done < least && !context->dead) {
		/* Taking events may have given the lock up. */
		int slept = group && async_waits(group) ? 0 : wait_sleep(deadline);
		if (group)
			async_run(group);
		int64_t more =
		    events_take(context, count - done, events + (uint64_t)done * sizeof(struct event));
		done = more >= 0 ? done + more : done ? done : more;
		if (slept || more < 0) {
			if (!done && slept && slept != -ETIMEDOUT)
				done = -EINTR;
			break;
		}
	}
	if (!done && least && context->dead)
		done = -EINVAL;
	wait_end(&entry);
	if (group)
		async_leave(group);
	context_put(context);
	return done;
}

SYSCALL_HANDLER(io_getevents, uint64_t address, int64_t least, int64_t count, uint64_t events,
                uint64_t timeout)
{
	return get_events(address, least, count, events, timeout);
}

SYSCALL_HANDLER(io_pgetevents, uint64_t address, int64_t least, int64_t count, uint64_t events,
                uint64_t timeout, uint64_t signals)
{
	uint64_t mask[2] = {0, 0}; /* its address, its size */
	if (signals && copy_from_user(mask, signals, sizeof(mask)))
		return -EFAULT;
	int error = mask[0] ? signal_temporary_mask(mask[0], mask[1]) : 0;
	return error ? error : get_events(address, least, count, events, timeout);
}
