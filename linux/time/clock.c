/* Clocks from the processor's counter, and the timer tree with its worker. */
#include "internal.h"
#include "time/account.h"

static struct clock_params params;
static uint64_t realtime_offset;

void clock_init(const struct clock_params *from, uint64_t realtime_base)
{
	params = *from;
	realtime_offset = realtime_base;
}

uint64_t clock_monotonic(void)
{
	/* The substrate counts by the same counter, whether or not the processor promises that it is even. */
	if (!params.multiplier)
		return clock_ns();
	unsigned __int128 product =
	    (unsigned __int128)(processor_counter() - params.tsc_base) * params.multiplier;
	return (uint64_t)(product >> params.shift) + params.ns_base;
}

uint64_t clock_realtime(void)
{
	return clock_monotonic() + realtime_offset;
}

uint64_t clock_realtime_offset(void)
{
	return realtime_offset;
}

const struct clock_params *clock_parameters(void)
{
	return &params;
}

void clock_set_realtime(uint64_t ns)
{
	realtime_offset = ns - clock_monotonic();
	vdso_update();
}

struct linux_timespec clock_realtime_timespec(void)
{
	return timespec_of(clock_realtime());
}

/* Negative clock ids name the CPU clock of a process or thread: ~id << 3 | kind. */
enum { CPU_CLOCK_USER = 1, CPU_CLOCK_NONE = 3 };

/* KEPT: it names a task by its number of the first PID namespace. */
static int cpu_clock_read(int32_t clock, uint64_t *ns, bool kept)
{
	int32_t id = ~(clock >> 3);
	if ((clock & 3) == CPU_CLOCK_NONE)
		return -EINVAL;
	bool user = (clock & 3) == CPU_CLOCK_USER;
	if (clock & 4) {
		struct task *task = !id ? current_task() : kept ? task_by_id(id) : task_find(id);
		if (!task)
			return -EINVAL;
		*ns = user ? task_times(task).user_ns : task_cpu_ns(task);
		return 0;
	}
	struct process *process = !id ? current_task()->process : kept ? process_by_id(id) : process_find(id);
	if (!process)
		return -EINVAL;
	*ns = user ? process_times(process).user_ns : process_cpu_ns(process);
	return 0;
}

int clock_read(int32_t clock, uint64_t *ns)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*ns = clock_realtime();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*ns = time_shifted(clock_monotonic(), time_offset(clock));
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = process_cpu_ns(current_task()->process);
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = task_cpu_ns(current_task());
		return 0;
	default:
		return clock < 0 ? cpu_clock_read(clock, ns, false) : -EINVAL;
	}
}

int32_t clock_keep(int32_t clock)
{
	int32_t id = ~(clock >> 3);
	return clock < 0 && id > 0 ? (int32_t)(~(uint32_t)pid_named(id) << 3 | ((uint32_t)clock & 7)) : clock;
}

int clock_read_kept(int32_t clock, uint64_t *ns)
{
	return clock < 0 ? cpu_clock_read(clock, ns, true) : clock_read(clock, ns);
}

int clock_deadline(int32_t clock, uint64_t ns, uint64_t *deadline)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*deadline = ns == UINT64_MAX       ? DEADLINE_NEVER
		            : ns > realtime_offset ? ns - realtime_offset
		                                   : 1;
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		if (ns != UINT64_MAX)
			ns = time_shifted(ns, -time_offset(clock));
		*deadline = ns ? ns : 1;
		return 0;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_REALTIME_COARSE:
		return -EOPNOTSUPP; /* clocks to read alone */
	default:
		return -EINVAL;
	}
}

int timespec_ns(const struct linux_timespec *time, uint64_t *ns)
{
	if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= (int64_t)NS_PER_SECOND)
		return -EINVAL;
	if ((uint64_t)time->tv_sec > INT64_MAX / NS_PER_SECOND - 1)
		*ns = INT64_MAX;
	else
		*ns = (uint64_t)time->tv_sec * NS_PER_SECOND + (uint64_t)time->tv_nsec;
	return 0;
}

int get_user_timespec(uint64_t address, uint64_t *ns)
{
	struct linux_timespec time;
	if (!address) {
		*ns = UINT64_MAX;
		return 0;
	}
	if (copy_from_user(&time, address, sizeof(time)))
		return -EFAULT;
	return timespec_ns(&time, ns);
}

int put_user_timespec(uint64_t address, uint64_t ns)
{
	struct linux_timespec time = timespec_of(ns);
	return copy_to_user(address, &time, sizeof(time));
}

/* ---- Timers: a pairing heap by deadline ----
 * left: first child; right: next sibling; parent: previous sibling, or the parent of a first child. */

static struct timer *heap_root;
static struct task *timer_worker;
static uint64_t worker_deadline; /* until which the worker sleeps; 0 while it runs */

static struct timer *heap_meld(struct timer *a, struct timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->deadline < a->deadline) {
		struct timer *swap = a;
		a = b;
		b = swap;
	}
	b->right = a->left;
	if (b->right)
		b->right->parent = b;
	b->parent = a;
	a->left = b;
	a->right = a->parent = 0;
	return a;
}

static struct timer *heap_merge_pairs(struct timer *first)
{
	struct timer *pairs = 0, *result = 0;
	while (first) {
		struct timer *second = first->right, *next = second ? second->right : 0;
		first->right = first->parent = 0;
		if (second)
			second->right = second->parent = 0;
		struct timer *pair = heap_meld(first, second);
		pair->right = pairs;
		pairs = pair;
		first = next;
	}
	while (pairs) {
		struct timer *next = pairs->right;
		pairs->right = 0;
		result = heap_meld(result, pairs);
		pairs = next;
	}
	return result;
}

static void heap_delete(struct timer *timer)
{
	struct timer *children = heap_merge_pairs(timer->left);
	if (timer == heap_root) {
		heap_root = children;
	} else {
		if (timer->parent->left == timer)
			timer->parent->left = timer->right;
		else
			timer->parent->right = timer->right;
		if (timer->right)
			timer->right->parent = timer->parent;
		heap_root = heap_meld(heap_root, children);
	}
	if (heap_root)
		heap_root->parent = heap_root->right = 0;
	timer->left = timer->right = timer->parent = 0;
}

void timer_set(struct timer *timer, uint64_t deadline)
{
	timer_cancel(timer);
	timer->deadline = deadline;
	timer->left = timer->right = timer->parent = 0;
	timer->armed = true;
	heap_root = heap_meld(heap_root, timer);
	if (timer_worker && worker_deadline && deadline < worker_deadline)
		event_signal(worker_event(timer_worker), 1);
}

void timer_cancel(struct timer *timer)
{
	if (timer->armed) {
		heap_delete(timer);
		timer->armed = false;
	}
}

static void timers_run(void *argument)
{
	(void)argument;
	for (;;) {
		uint64_t now = clock_monotonic();
		while (heap_root && heap_root->deadline <= now) {
			struct timer *timer = heap_root;
			timer_cancel(timer);
			timer->expire(timer);
		}
		worker_deadline = heap_root ? heap_root->deadline : DEADLINE_NEVER;
		worker_wait(worker_deadline);
		worker_deadline = 0;
	}
}

void timers_start(void)
{
	timer_worker = worker_create("timers", timers_run, 0);
}
