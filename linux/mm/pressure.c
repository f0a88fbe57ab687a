/* When memory runs short: what may still be taken, and who has to go.
 *
 * Files and new tasks leave a margin to the programs that run. Pages are promised before they are there, as
 * on Linux, so a program may find the quota used up at its next touch of memory: then the process that uses
 * most is killed, of equals the newest, and so on until the touch succeeds. The first process is
 * never chosen. A reserve is for those who cannot wait until a victim has gone: calls in the middle of a copy
 * to their program's memory.
 */
#include "mm/area.h"

#define RESERVE_PAGES    16u
#define MARGIN_MIN       (1ull << 20)
#define MARGIN_MAX       (16ull << 20)
#define CREDIT_MAX       (1ull << 20) /* taken before the quota is looked at again */
#define TASK_BYTES       32768u       /* what a task costs the personality even when it is idle, about */
#define TASKS_MIN        64u
#define TASKS_MAX        16384u
#define TASKS_FIRST      16u /* more for the first process */
#define PATIENCE_NS      (NS_PER_SECOND / 2)
#define WEIGHT_NS        NS_PER_SECOND /* for so long a process's weight is not looked at again */
#define WAITING_VICTIM   8u            /* one victim more for so many that wait */
#define OOM_ADJUST_NEVER (-1000)
#define OOM_ADJUST_CLASS 125 /* of oom_score_adj: as much as twice the memory */

static void *reserve;
static struct wait_queue relieved = WAIT_QUEUE_INIT(relieved);
static uint32_t waiting, dying; /* tasks that wait for memory; processes killed for it that have not gone */
static uint64_t dying_since;
static uint32_t tasks_max = TASKS_MIN;

extern char program_data_start[], program_data_end[];

bool pressure_init(struct thread_page *page)
{
	struct unit_info info;
	/* Variables too must be there before the quota is used up. */
	for (const char *at = program_data_start; at < program_data_end; at += PAGE_SIZE_BYTES)
		if (probe_write((uint64_t)at))
			return false;
	if (unit_info(page, machine.unit, &info) >= 0 && info.memory_quota / 8 / TASK_BYTES > TASKS_MIN)
		tasks_max = (uint32_t)(info.memory_quota / 8 / TASK_BYTES);
	if (tasks_max > TASKS_MAX)
		tasks_max = TASKS_MAX;
	reserve = pages_allocate(RESERVE_PAGES);
	return reserve;
}

uint32_t pressure_task_limit(void)
{
	return tasks_max;
}

bool pressure_task_allowed(void)
{
	if (current_task()->process == init_process)
		return task_count() < tasks_max + TASKS_FIRST;
	return task_count() < tasks_max && pressure_allowance(TASK_BYTES) == TASK_BYTES;
}

static struct lock pressure_lock = LOCK_INIT(LOCK_PRESSURE);

static uint64_t allowance(uint64_t bytes)
{
	static uint64_t credit; /* of the last look at the quota */
	if (bytes <= credit) {
		credit -= bytes;
		return bytes;
	}
	struct unit_info info;
	credit = 0;
	if (unit_info(current_page(), machine.unit, &info) < 0)
		return bytes;
	uint64_t margin = info.memory_quota / 16;
	if (margin < MARGIN_MIN)
		margin = MARGIN_MIN < info.memory_quota / 4 ? MARGIN_MIN : info.memory_quota / 4;
	if (margin > MARGIN_MAX)
		margin = MARGIN_MAX;
	uint64_t free =
	    info.memory_quota > info.memory_used + margin ? info.memory_quota - info.memory_used - margin : 0;
	if (free < bytes)
		return free;
	credit = (free - bytes) / 4;
	if (credit > CREDIT_MAX)
		credit = CREDIT_MAX;
	return bytes;
}

uint64_t pressure_allowance(uint64_t bytes)
{
	lock_acquire(&pressure_lock);
	uint64_t allowed = allowance(bytes);
	lock_release(&pressure_lock);
	return allowed;
}

/* ---- The choice ---- */

static uint64_t resident(handle_t memory)
{
	struct memory_info info;
	return memory_info(current_page(), memory, &info) < 0 ? 0 : info.resident_bytes;
}

static uint64_t fair(handle_t memory)
{
	struct memory_info info;
	return memory_info(current_page(), memory, &info) < 0 ? 0
	                                                      : info.resident_bytes - info.shared_bytes / 2;
}

/* The sum of ONE over the memory that is MM's own. The parts of an area that was split have one object: of neighbours it counts
 * once. */
static uint64_t sum_of(struct mm *mm, uint64_t (*one)(handle_t memory))
{
	uint64_t bytes = one(mm->heap->handle);
	const struct memory_object *last = 0;
	for (struct area *area = mm_find(mm, 0); area; area = mm_next(mm, area)) {
		if (!area->object || area->object == last || !area_owns_pages(area))
			continue;
		last = area->object;
		bytes += one(last->handle);
	}
	return bytes;
}

uint64_t pressure_resident(struct mm *mm)
{
	return sum_of(mm, fair);
}

/* Of a process that may be killed: 1 and up, a step for each doubling of its memory. Otherwise 0. */
static int weight(struct process *process, uint64_t now)
{
	struct task *task;
	struct mm *mm = 0;
	if (process == init_process || process->exiting || process->oom_adjust <= OOM_ADJUST_NEVER)
		return 0;
	list_for_each(task, &process->threads, thread_link) mm = task->mm ? task->mm : mm;
	if (!mm)
		return 0;
	if (process->weight && now < process->weighed_ns + WEIGHT_NS)
		return process->weight;
	uint64_t bytes = sum_of(mm, resident);
	int class = 64 - __builtin_clzll(bytes / MARGIN_MIN | 1) + process->oom_adjust / OOM_ADJUST_CLASS;
	process->weight = class < 1 ? 1 : class;
	process->weighed_ns = now;
	return process->weight;
}

/* Kills the heaviest, of equals the newest; more of them where many wait. */
static void choose(void)
{
	uint64_t now = clock_monotonic();
	dying_since = now; /* also where all are dying already: they are waited for once more */
	for (uint32_t count = 0; count <= waiting / WAITING_VICTIM; count++) {
		struct process *chosen = 0;
		int heaviest = 1;
		for (struct process *each = process_next(0); each; each = process_next(each)) {
			int own = weight(each, now);
			if (own >= heaviest) {
				heaviest = own;
				chosen = each;
			}
		}
		if (!chosen)
			return;
		if (!count)
			linux_log("linux: out of memory: %s (process %d) is killed\n", chosen->leader->name,
			          chosen->pid);
		chosen->dying = true;
		dying++;
		signal_end_process(chosen, SIGKILL);
	}
}

void pressure_process_ended(const struct process *process)
{
	if (!process->dying || --dying)
		return;
	if (!reserve)
		reserve = pages_allocate(RESERVE_PAGES);
	wake_all(&relieved, 0);
}

/* Gives the reserve back; false: it has been given already. */
static bool reserve_give(void)
{
	void *pages = __atomic_exchange_n(&reserve, 0, __ATOMIC_ACQ_REL);
	pages_free(pages, RESERVE_PAGES);
	return pages;
}

/* A program may touch one address again and again with good reason, where a file shrinks and grows. The page's bytes may be
 * just those that are being copied. */
static bool pages_lack(void)
{
	struct thread_page *page = current_page();
	struct unit_info info;
	uint8_t kept[sizeof(info)];
	memcpy(kept, page->bytes, sizeof(kept));
	bool known = unit_info(page, machine.unit, &info) >= 0;
	memcpy(page->bytes, kept, sizeof(kept));
	return !known || info.memory_used + RESERVE_PAGES * PAGE_SIZE_BYTES > info.memory_quota;
}

bool pressure_relieve(bool may_wait)
{
	if (!pages_lack())
		return true;
	const struct process *self = current_task()->process;
	/* Who does not hold the common lock alone, in the middle of a copy, cannot kill anybody: the next who fails
	 * alone does. */
	if (common_mode() != COMMON_ALONE) {
		current_task()->pressed = true;
		return reserve_give();
	}
	if (self->exiting)
		return false;
	/* Something may hold a victim up: after a while there is another one. */
	if (!dying || clock_monotonic() > dying_since + PATIENCE_NS)
		choose();
	if (!dying || self->exiting)
		return false;
	if (may_wait) {
		struct wait_entry entry;
		waiting++;
		wait_begin(&entry, &relieved);
		(void)wait_sleep_killable(dying_since + PATIENCE_NS);
		wait_end(&entry);
		waiting--;
		return true;
	}
	return reserve_give();
}
