/* perf_event_open(2): software counters.
 *
 * A counter is a file. What it counts of one task is a part of it, which hangs on the task, too: with `inherit` each task that a
 * counted one makes gets a part of its own, and the counter's value is the sum of its parts and of those that have ended. Of a
 * processor a counter has one part and no task. Parts of one task whose counters are a group follow the leader's: they count
 * while that does.
 *
 * Nothing is counted here: a part remembers how far the task's own numbers (CPU time, sleeps, moves, faults) were when it began
 * to count. The substrate gives a page at its first touch without telling anybody, so page faults are those that the personality
 * saw and the pages by which private memory has grown between two looks: an estimate, of threads that share memory each gets all
 * of it. There are no samples, and no records in the ring: only its first page tells something.
 */
#include "event/perf.h"
#include "../internal.h"
#include "../proc/proc.h"

enum { TYPE_SOFTWARE = 1 };
enum {
	CPU_CLOCK,
	TASK_CLOCK,
	PAGE_FAULTS,
	CONTEXT_SWITCHES,
	CPU_MIGRATIONS,
	PAGE_FAULTS_MINOR,
	PAGE_FAULTS_MAJOR,
	ALIGNMENT_FAULTS,
	EMULATION_FAULTS,
	DUMMY,
	BPF_OUTPUT,
};
enum { FLAG_NO_GROUP = 1, FLAG_OUTPUT = 2, FLAG_CGROUP = 4, FLAG_CLOEXEC = 8, FLAGS_ALL = 15 };
enum {
	FORMAT_ENABLED = 1,
	FORMAT_RUNNING = 2,
	FORMAT_ID = 4,
	FORMAT_GROUP = 8,
	FORMAT_LOST = 16,
	FORMATS_ALL = 31
};
enum {
	ATTR_DISABLED = 1 << 0,
	ATTR_INHERIT = 1 << 1,
	ATTR_PINNED = 1 << 2,
	ATTR_EXCLUSIVE = 1 << 3,
	ATTR_EXCLUDE_USER = 1 << 4,
	ATTR_EXCLUDE_KERNEL = 1 << 5,
	ATTR_FREQUENCY = 1 << 10,
	ATTR_ENABLE_ON_EXEC = 1 << 12,
	ATTR_USE_CLOCK = 1 << 25,
	ATTR_NAMESPACES = 1 << 28,
};
#define ATTR_AUX_OUTPUT     (1ull << 31)
#define ATTR_INHERIT_THREAD (1ull << 35)
#define ATTR_REMOVE_ON_EXEC (1ull << 36)
#define ATTR_SIGTRAP        (1ull << 37)
#define ATTR_RESERVED       (~0ull << 38)

#define SAMPLE_TYPES_ALL        ((1ull << 25) - 1)
#define SAMPLE_BRANCH_STACK     (1ull << 11)
#define SAMPLE_WEIGHTS          (1ull << 14 | 1ull << 24) /* either */
#define SAMPLE_RATE_MAX         100000
#define CAP_PERFMON             38
#define PARTS_MAX               16384u /* of all counters */
#define RING_PAGES_UNPRIVILEGED 129u
#define RING_PAGES_MAX          4097u

struct attributes_perf {
	uint32_t type, size;
	uint64_t config, sample_period, sample_type, read_format, flags;
	uint32_t wakeup, breakpoint_type;
	uint64_t config1, config2, branch_type, registers_user;
	uint32_t stack_user;
	int32_t clock;
	uint64_t registers_interrupt;
	uint32_t aux_watermark;
	uint16_t stack_max, reserved2;
	uint32_t aux_sample_bytes, reserved3;
	uint64_t signal_data;
};
_Static_assert(sizeof(struct attributes_perf) == 128, "perf_event_attr of Linux 6.1");
#define ATTRIBUTES_MIN 64u

/* The first page of the ring, as far as it is written here: struct perf_event_mmap_page. */
struct ring_page {
	uint32_t version, compatible, lock, index;
	int64_t offset;
	uint64_t time_enabled, time_running, capabilities;
	uint16_t width, time_shift;
	uint32_t time_multiplier;
	uint64_t time_offset, time_zero;
	uint32_t size, reserved1;
	uint64_t time_cycles, time_mask;
	uint8_t reserved[928];
	uint64_t data_head, data_tail, data_offset, data_size;
};
_Static_assert(__builtin_offsetof(struct ring_page, data_head) == 1024, "perf_event_mmap_page");
#define RING_CAPABILITIES 2u /* bit 0 of old means nothing: neither rdpmc nor rdtsc tells anything */
#define RING_TOLD         96u

struct perf_event;

struct part {
	struct list of_event, of_task; /* the latter self-linked of a processor's */
	struct list followers, follower_link;
	struct perf_event *event;
	struct part *leader; /* of the group, in the same task: itself */
	struct part *twin;   /* while a child is made: its part */
	struct task *task;   /* 0: a processor is counted */
	bool enabled, counting, on_exec;
	uint64_t base, base_time; /* what was counted up to them is in the two below */
	uint64_t value, time;
};

struct perf_event {
	struct list all_link, parts;
	struct list members, member_link; /* of a group: at its leader */
	struct perf_event *leader;
	struct part *first;       /* of the task that it was opened for; 0: that has ended */
	const struct task *owner; /* who opened it; 0: has ended */
	uint64_t flags, read_format;
	uint32_t config;
	int32_t cpu;              /* -1: a task's */
	uint64_t id, value, time; /* its first part's, once that has ended */
	uint64_t gone, gone_time; /* of inherited parts that have ended */
	struct wait_queue wait;
	struct memory_object *ring;
	struct ring_page *page;
	uint32_t ring_pages, ring_lock;
};

static struct list events = LIST_INIT(events);
static uint32_t part_count;
static const struct file_ops perf_ops;

/* ---- Parts ---- */

static uint64_t faults_of(const struct task *task)
{
	struct memory_info info;
	uint64_t pages = 0;
	if (task->mm && memory_info(current_page(), task->mm->heap->handle, &info) >= 0)
		pages = info.resident_bytes / PAGE_SIZE_BYTES;
	return task->minor_faults + pages;
}

static bool counts_faults(const struct perf_event *event)
{
	return event->config == PAGE_FAULTS || event->config == PAGE_FAULTS_MINOR;
}

static uint64_t time_now(const struct part *part)
{
	return part->task ? task_cpu_ns(part->task) : clock_monotonic();
}

/* How far what PART counts is by now. */
static uint64_t number_now(const struct part *part)
{
	const struct perf_event *event = part->event;
	switch (event->config) {
	case CPU_CLOCK:
	case TASK_CLOCK:
		return time_now(part);
	case PAGE_FAULTS:
	case PAGE_FAULTS_MINOR:
		return event->flags & ATTR_EXCLUDE_USER ? 0 : faults_of(part->task);
	case PAGE_FAULTS_MAJOR:
		return event->flags & ATTR_EXCLUDE_USER ? 0 : part->task->major_faults;
	case CONTEXT_SWITCHES: /* both happen in the kernel */
		return event->flags & ATTR_EXCLUDE_KERNEL ? 0 : part->task->voluntary_switches;
	case CPU_MIGRATIONS:
		return event->flags & ATTR_EXCLUDE_KERNEL ? 0 : part->task->migrations;
	default:
		return 0;
	}
}

static void settle(struct part *part)
{
	if (!part->counting)
		return;
	uint64_t now = number_now(part), time = time_now(part);
	part->value += now > part->base ? now - part->base : 0;
	part->time += time > part->base_time ? time - part->base_time : 0;
	part->base = now;
	part->base_time = time;
}

static void follow_leader(struct part *part)
{
	bool counting = part->enabled && part->leader->enabled;
	settle(part);
	if (counting && !part->counting) {
		part->base = number_now(part);
		part->base_time = time_now(part);
	}
	part->counting = counting;
}

static void part_enable(struct part *part, bool on)
{
	struct part *follower;
	part->enabled = on;
	follow_leader(part);
	list_for_each(follower, &part->followers, follower_link) follow_leader(follower);
}

static void set_leader(struct part *part, struct part *leader)
{
	list_remove(&part->follower_link);
	part->leader = leader;
	if (leader != part)
		list_append(&leader->followers, &part->follower_link);
	follow_leader(part);
}

static struct part *part_create(struct perf_event *event, struct task *task, struct part *leader,
                                bool enabled)
{
	struct part *part = part_count < PARTS_MAX ? heap_allocate(sizeof(*part)) : 0;
	if (!part)
		return 0;
	part_count++;
	list_init(&part->of_task);
	list_init(&part->followers);
	list_init(&part->follower_link);
	part->event = event;
	part->task = task;
	part->enabled = enabled;
	list_append(&event->parts, &part->of_event);
	if (task)
		list_append(&task->counters, &part->of_task);
	set_leader(part, leader ? leader : part);
	return part;
}

/* What PART has counted is its event's. */
static void part_end(struct part *part)
{
	struct perf_event *event = part->event;
	settle(part);
	while (!list_empty(&part->followers)) {
		struct part *follower = list_first(&part->followers, struct part, follower_link);
		set_leader(follower, follower);
	}
	list_remove(&part->follower_link);
	list_remove(&part->of_event);
	list_remove(&part->of_task);
	if (event->first == part) {
		event->value += part->value;
		event->time += part->time;
		event->first = 0;
	} else {
		event->gone += part->value;
		event->gone_time += part->time;
	}
	if (list_empty(&event->parts))
		wake_all(&event->wait, POLLHUP);
	part_count--;
	heap_free(part);
}

/* ---- Of tasks ---- */

void perf_settle_slow(struct task *task)
{
	struct part *part;
	list_for_each(part, &task->counters, of_task) settle(part);
}

void perf_rebase_slow(struct task *task)
{
	struct part *part;
	list_for_each(part, &task->counters, of_task) if (counts_faults(part->event)) part->base =
	    number_now(part);
}

/* All at the same moment, so that none counts on after its leader. */
static void end_all(struct task *task)
{
	struct part *part;
	perf_settle(task);
	list_for_each(part, &task->counters, of_task) part->counting = part->enabled = false;
	while (!list_empty(&task->counters))
		part_end(list_first(&task->counters, struct part, of_task));
}

void perf_task_end(struct task *task)
{
	struct perf_event *event;
	end_all(task);
	if (!task->owns_counters)
		return;
	list_for_each(event, &events, all_link) if (event->owner == task) event->owner = 0;
}

void perf_exec_slow(struct task *task)
{
	struct part *part, *next;
	/* Nobody learns by counters what a program does that has got rights. */
	if (task->process->dumpable_off) {
		end_all(task);
		return;
	}
	list_for_each_safe(part, next, &task->counters, of_task)
	{
		if (part->event->flags & ATTR_REMOVE_ON_EXEC) {
			part_end(part);
		} else if (part->on_exec) {
			part->on_exec = false;
			part_enable(part, true);
		}
	}
}

bool perf_inherit_slow(struct task *child, struct task *parent, bool thread)
{
	struct part *part;
	list_for_each(part, &parent->counters, of_task)
	{
		struct perf_event *event = part->event;
		part->twin = 0;
		if (!(event->flags & ATTR_INHERIT) || (!thread && (event->flags & ATTR_INHERIT_THREAD)))
			continue;
		/* A leader's part is older than its followers'. */
		part->twin =
		    part_create(event, child, part->leader == part ? 0 : part->leader->twin, part->enabled);
		if (!part->twin)
			return false;
		part->twin->on_exec = part->on_exec;
	}
	return true;
}

/* ---- Events ---- */

struct reading {
	uint64_t value, time;
};

static struct reading event_read(const struct perf_event *event)
{
	struct reading sum = {event->value + event->gone, event->time + event->gone_time};
	struct part *part;
	list_for_each(part, &event->parts, of_event)
	{
		settle(part);
		sum.value += part->value;
		sum.time += part->time;
	}
	return sum;
}

static void page_update(struct perf_event *event)
{
	struct ring_page *page = event->page;
	if (!page)
		return;
	struct reading now = event_read(event);
	__atomic_store_n(&page->lock, ++event->ring_lock, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	page->offset = (int64_t)now.value;
	page->time_enabled = page->time_running = now.time;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&page->lock, ++event->ring_lock, __ATOMIC_RELEASE);
}

static void event_enable(struct perf_event *event, bool on)
{
	struct part *part;
	list_for_each(part, &event->parts, of_event) part_enable(part, on);
	page_update(event);
}

void perf_switch_owned(const struct task *task, bool on)
{
	struct perf_event *event;
	list_for_each(event, &events, all_link) if (event->owner == task) event_enable(event, on);
}

static void event_reset(struct perf_event *event, bool on)
{
	struct part *part;
	(void)on;
	event->value = 0;
	list_for_each(part, &event->parts, of_event)
	{
		settle(part);
		part->value = 0;
	}
	page_update(event);
}

static void event_destroy(struct perf_event *event)
{
	while (!list_empty(&event->parts))
		part_end(list_first(&event->parts, struct part, of_event));
	while (!list_empty(&event->members)) {
		struct perf_event *member = list_first(&event->members, struct perf_event, member_link);
		list_remove(&member->member_link);
		member->leader = member;
	}
	list_remove(&event->member_link);
	list_remove(&event->all_link);
	if (event->page)
		memory_object_unmap(event->page, PAGE_SIZE_BYTES);
	if (event->ring)
		memory_object_release(event->ring);
	heap_free(event);
}

/* ---- The file ---- */

static void perf_release(struct file *file)
{
	event_destroy(file->private);
}

static uint32_t format_words(uint64_t format)
{
	return 1 + !!(format & FORMAT_ID) + !!(format & FORMAT_LOST);
}

static int64_t put_values(const struct perf_event *event, uint64_t format, struct io *io)
{
	struct reading now = event_read(event);
	uint64_t words[5];
	uint32_t count = 0;
	words[count++] = now.value;
	if (!(format & FORMAT_GROUP)) {
		if (format & FORMAT_ENABLED)
			words[count++] = now.time;
		if (format & FORMAT_RUNNING)
			words[count++] = now.time;
	}
	if (format & FORMAT_ID)
		words[count++] = event->id;
	if (format & FORMAT_LOST)
		words[count++] = 0;
	int64_t put = io_put(io, words, count * sizeof(words[0]));
	return put == 8 * (int64_t)count ? put : -EFAULT;
}

static int64_t read_group(const struct perf_event *leader, uint64_t format, struct io *io)
{
	const struct perf_event *member;
	uint64_t head[3] = {1};
	uint32_t count = 1;
	struct reading now = event_read(leader);
	list_for_each(member, &leader->members, member_link) head[0]++;
	if (format & FORMAT_ENABLED)
		head[count++] = now.time;
	if (format & FORMAT_RUNNING)
		head[count++] = now.time;
	uint64_t bytes = 8 * (count + head[0] * format_words(format));
	if (io->remaining < bytes)
		return -ENOSPC;
	if (io_put(io, head, 8 * count) != 8 * (int64_t)count || put_values(leader, format, io) < 0)
		return -EFAULT;
	list_for_each(member, &leader->members,
	              member_link) if (put_values(member, format, io) < 0) return -EFAULT;
	return (int64_t)bytes;
}

static int64_t perf_read(struct file *file, struct io *io, int64_t *position)
{
	struct perf_event *event = file->private;
	uint64_t format = event->read_format;
	uint32_t bytes =
	    8 * (format_words(format) + !!(format & FORMAT_ENABLED) + !!(format & FORMAT_RUNNING));
	(void)position;
	page_update(event);
	if (format & FORMAT_GROUP)
		return read_group(event->leader, format, io);
	return io->remaining < bytes ? -ENOSPC : put_values(event, format, io);
}

static uint32_t perf_poll(struct file *file, struct poll_table *table)
{
	struct perf_event *event = file->private;
	poll_wait(table, &event->wait);
	return list_empty(&event->parts) || !event->ring ? POLLHUP : 0;
}

/* FUNCTION for EVENT, or with FLAG_GROUP for its group. */
static int64_t for_group(struct perf_event *event, uint64_t argument,
                         void (*function)(struct perf_event *event, bool on), bool on)
{
	struct perf_event *member;
	if (!(argument & 1)) {
		function(event, on);
		return 0;
	}
	event = event->leader;
	function(event, on);
	list_for_each(member, &event->members, member_link) function(member, on);
	return 0;
}

static bool is_of(const struct perf_event *event, const struct task *task, int32_t cpu)
{
	return event->cpu == cpu && (cpu >= 0 || (event->first && event->first->task == task));
}

/* Its records, which there are none of, go to the ring of OUTPUT. */
static int64_t set_output(const struct perf_event *event, const struct perf_event *output)
{
	bool same = (event->cpu >= 0 || event->first) &&
	            is_of(output, event->first ? event->first->task : 0, event->cpu);
	return same && output != event && output->ring && !event->ring ? 0 : -EINVAL;
}

static int64_t request_output(const struct perf_event *event, int fd)
{
	const struct file *file = file_of(fd);
	if (fd == -1)
		return 0;
	return file && file->ops == &perf_ops ? set_output(event, file->private) : -EBADF;
}

static int64_t perf_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	struct perf_event *event = file->private;
	uint32_t word;
	switch (command) {
	case 0x2400: /* PERF_EVENT_IOC_ENABLE, DISABLE, RESET */
		return for_group(event, argument, event_enable, true);
	case 0x2401:
		return for_group(event, argument, event_enable, false);
	case 0x2403:
		return for_group(event, argument, event_reset, false);
	case 0x2405: /* SET_OUTPUT */
		return request_output(event, (int)argument);
	case 0x80082407: /* ID */
		return put_user_u64(argument, event->id);
	case 0x40082406: /* SET_FILTER: of tracepoints */
		return copy_from_user(&word, argument, 1) ? -EFAULT : -EINVAL;
	case 0x40042409: /* PAUSE_OUTPUT */
		return event->ring ? 0 : -EINVAL;
	case 0x4008240b: /* MODIFY_ATTRIBUTES: of breakpoints */
		if (get_user_u32(&word, argument))
			return -EFAULT;
		return word != TYPE_SOFTWARE ? -EINVAL : -EOPNOTSUPP;
	case 0x40082404: /* PERIOD: of what samples */
		return copy_from_user(&word, argument, 1) ? -EFAULT : -EINVAL;
	case 0x40042408: /* SET_BPF */
		return file_of((int)argument) ? -EINVAL : -EBADF;
	case 0x2402:     /* REFRESH: likewise */
	case 0xc008240a: /* QUERY_BPF */
		return -EINVAL;
	default:
		return -ENOTTY;
	}
}

static bool ring_create(struct perf_event *event, uint64_t bytes)
{
	event->ring = memory_object_create(bytes);
	event->page = event->ring ? memory_object_map(event->ring, 0, PAGE_SIZE_BYTES, true) : 0;
	if (event->page && !probe_write((uint64_t)event->page)) {
		event->ring_pages = (uint32_t)(bytes / PAGE_SIZE_BYTES);
		event->page->capabilities = RING_CAPABILITIES;
		event->page->size = RING_TOLD;
		event->page->data_offset = PAGE_SIZE_BYTES;
		event->page->data_size = bytes - PAGE_SIZE_BYTES;
		return true;
	}
	if (event->page)
		memory_object_unmap(event->page, PAGE_SIZE_BYTES);
	if (event->ring)
		memory_object_release(event->ring);
	event->page = 0;
	event->ring = 0;
	return false;
}

static int64_t perf_mmap(struct file *file, struct mmap_request *request)
{
	struct perf_event *event = file->private;
	uint64_t pages = request->bytes / PAGE_SIZE_BYTES;
	if ((event->cpu < 0 && (event->flags & ATTR_INHERIT)) || !request->shared || request->offset ||
	    ((pages - 1) & (pages - 2) && pages > 1))
		return -EINVAL;
	if (event->ring && event->ring_pages != pages)
		return -EINVAL;
	if (pages > RING_PAGES_UNPRIVILEGED && !capable(CAP_IPC_LOCK))
		return -EPERM;
	if (pages > RING_PAGES_MAX || (!event->ring && !ring_create(event, request->bytes)))
		return -ENOMEM;
	page_update(event);
	request->object = memory_object_reference(event->ring);
	request->object_offset = 0;
	return 0;
}

static void perf_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:[perf_event]");
}

static const struct file_ops perf_ops = {
    .read = perf_read,
    .poll = perf_poll,
    .ioctl = perf_ioctl,
    .mmap = perf_mmap,
    .release = perf_release,
    .describe = perf_describe,
};

/* ---- perf_event_open ---- */

static int attributes_take(struct attributes_perf *attributes, uint64_t address)
{
	uint32_t size;
	int error = -E2BIG;
	if (get_user_u32(&size, address + 4))
		return -EFAULT;
	size = size ? size : ATTRIBUTES_MIN;
	memset(attributes, 0, sizeof(*attributes));
	if (size >= ATTRIBUTES_MIN && size <= PAGE_SIZE_BYTES) {
		if (copy_from_user(attributes, address,
		                   size < sizeof(*attributes) ? size : sizeof(*attributes)))
			return -EFAULT;
		error = user_rest_zero(address + sizeof(*attributes), address + size);
	}
	if (error == -E2BIG && put_user_u32(address + 4, sizeof(*attributes)))
		return -EFAULT;
	if (error)
		return error;
	uint64_t flags = attributes->flags;
	if ((flags & ATTR_RESERVED) || attributes->reserved2 || attributes->reserved3 ||
	    (attributes->sample_type & ~SAMPLE_TYPES_ALL) ||
	    (attributes->read_format & ~(uint64_t)FORMATS_ALL) ||
	    (attributes->sample_type & SAMPLE_WEIGHTS) == SAMPLE_WEIGHTS)
		return -EINVAL;
	if ((!(flags & ATTR_INHERIT) && (flags & ATTR_INHERIT_THREAD)) ||
	    ((flags & ATTR_REMOVE_ON_EXEC) && (flags & ATTR_ENABLE_ON_EXEC)) ||
	    ((flags & ATTR_SIGTRAP) && !(flags & ATTR_REMOVE_ON_EXEC)))
		return -EINVAL;
	if (flags & ATTR_FREQUENCY)
		return attributes->sample_period > SAMPLE_RATE_MAX ? -EINVAL : 0;
	return attributes->sample_period >> 63 ? -EINVAL : 0;
}

static bool may_watch(void)
{
	return capable(CAP_PERFMON) || capable(CAP_SYS_ADMIN);
}

/* What cannot be counted here, or not as ATTRIBUTES ask. */
static int kind_check(const struct attributes_perf *attributes, bool task)
{
	if (attributes->type != TYPE_SOFTWARE || attributes->config > BPF_OUTPUT)
		return -ENOENT;
	bool of_tasks = attributes->config >= PAGE_FAULTS && attributes->config <= PAGE_FAULTS_MAJOR;
	if ((attributes->sample_type & SAMPLE_BRANCH_STACK) || attributes->sample_period ||
	    (attributes->flags & ATTR_AUX_OUTPUT) || (!task && of_tasks))
		return -EOPNOTSUPP;
	int32_t clock = attributes->clock;
	bool known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
	             clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
	return (attributes->flags & ATTR_USE_CLOCK) && !known ? -EINVAL : 0;
}

static int group_check(const struct perf_event *leader, const struct attributes_perf *attributes,
                       const struct task *task, int cpu)
{
	bool led = leader->leader == leader && is_of(leader, task, cpu);
	return led && !(attributes->flags & (ATTR_EXCLUSIVE | ATTR_PINNED)) ? 0 : -EINVAL;
}

static int64_t event_open(const struct attributes_perf *attributes, struct task *task, int cpu,
                          struct perf_event *leader, bool close_on_exec)
{
	static uint64_t last_id;
	struct perf_event *event = heap_allocate(sizeof(*event));
	if (!event)
		return -ENOMEM;
	list_init(&event->parts);
	list_init(&event->members);
	list_init(&event->member_link);
	wait_queue_init(&event->wait);
	event->leader = event;
	event->owner = current_task();
	current_task()->owns_counters = true;
	event->flags = attributes->flags;
	event->read_format = attributes->read_format;
	event->config = (uint32_t)attributes->config;
	event->cpu = cpu;
	event->id = ++last_id;
	list_append(&events, &event->all_link);
	event->first = part_create(event, task, leader ? leader->first : 0, !(event->flags & ATTR_DISABLED));
	struct file *file = event->first ? file_create(&perf_ops, O_RDWR, event) : 0;
	if (!file) {
		event_destroy(event);
		return -ENOMEM;
	}
	event->first->on_exec = event->flags & ATTR_ENABLE_ON_EXEC;
	if (leader) {
		event->leader = leader;
		list_append(&leader->members, &event->member_link);
	}
	return file_give(file, close_on_exec);
}

SYSCALL_HANDLER(perf_event_open, uint64_t address, int pid, int cpu, int group_fd, uint64_t flags)
{
	struct attributes_perf attributes;
	if (flags & ~(uint64_t)FLAGS_ALL)
		return -EINVAL;
	if (sysctl_perf_paranoid.value > 2 && !may_watch())
		return -EACCES;
	int error = attributes_take(&attributes, address);
	if (error)
		return error;
	if (((!(attributes.flags & ATTR_EXCLUDE_KERNEL) && sysctl_perf_paranoid.value > 1) ||
	     (attributes.flags & ATTR_NAMESPACES)) &&
	    !may_watch())
		return -EACCES;
	if (flags & FLAG_CGROUP) /* counters of control groups: there are none */
		return pid == -1 || cpu == -1 ? -EINVAL : -EOPNOTSUPP;
	struct perf_event *leader = 0, *output = 0;
	if (group_fd != -1) {
		const struct file *file = file_of(group_fd);
		if (!file || file->ops != &perf_ops)
			return -EBADF;
		leader = flags & FLAG_NO_GROUP ? 0 : file->private;
		output = flags & FLAG_OUTPUT ? file->private : 0;
	}
	struct task *task = 0;
	if (pid != -1) {
		task = pid ? task_find(pid) : current_task();
		if (!task || task->exiting)
			return -ESRCH;
		if (leader && ((leader->flags ^ attributes.flags) & ATTR_INHERIT))
			return -EINVAL;
		if (task->process != current_task()->process && !may_watch() &&
		    !process_may_trace(task->process))
			return -EACCES;
	}
	if ((cpu < 0 || (uint32_t)cpu >= machine.cpu_count) && (!task || cpu != -1))
		return -EINVAL;
	if ((attributes.flags & ATTR_SIGTRAP) && !task)
		return -EINVAL;
	error = kind_check(&attributes, task);
	if (error)
		return error;
	if (!task && sysctl_perf_paranoid.value > 0 && !may_watch())
		return -EACCES;
	/* A task's counters are its own, whatever processor it is on. */
	if (task && cpu >= 0 && machine.cpu_count > 1)
		return -EOPNOTSUPP;
	cpu = task ? -1 : cpu;
	error = leader ? group_check(leader, &attributes, task, cpu) : 0;
	if (!error && output && !(output->ring && is_of(output, task, cpu)))
		error = -EINVAL;
	return error ? error : event_open(&attributes, task, cpu, leader, flags & FLAG_CLOEXEC);
}
