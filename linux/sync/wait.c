/* Sleeping, wait queues, workers.
 *
 * A task's own event only ever means "look again": what happened is in its fields. WOKEN is set by whoever
 * wakes it, SLEEPING tells whether that needs the event.
 */
#include "internal.h"
#include "time/account.h"
#include "task/turn.h"

#define EVENT_WAKE 1ull

void wait_prepare(void)
{
	struct task *task = current_task();
	__atomic_store_n(&task->woken, false, __ATOMIC_RELAXED);
	__atomic_store_n(&task->sleeping, true, __ATOMIC_SEQ_CST);
}

void wait_unprepare(void)
{
	__atomic_store_n(&current_task()->sleeping, false, __ATOMIC_RELAXED);
}

/* Sleeps until woken, until DEADLINE, or until work in INTERRUPTS comes. */
static int sleep_until(struct task *task, uint64_t deadline, uint32_t interrupts)
{
	struct thread_area *area = task->area;
	int64_t result = E_OK;
	account_asleep(task);
	turn_asleep(area);
	enum common_mode mode = common_give();
	while (!__atomic_load_n(&task->woken, __ATOMIC_SEQ_CST) && !(task->work & interrupts)) {
		result = event_wait(area->event, deadline, 0);
		if (result == E_TIMEOUT)
			break;
	}
	account_ready(task);
	turn_awake(area);
	common_take(mode);
	wait_unprepare();
	task->voluntary_switches++;
	if (task->woken)
		return 0;
	return result == E_TIMEOUT ? -ETIMEDOUT : 0;
}

int wait_sleep_prepared(uint64_t deadline)
{
	struct task *task = current_task();
	uint32_t interrupts =
	    TASK_WORK_SIGNAL | TASK_WORK_EXIT | TASK_WORK_STOP | TASK_WORK_TRAP | TASK_WORK_FREEZE;
	if (task->no_sleep) {
		task->would_sleep = true;
		wait_unprepare();
		return -EAGAIN;
	}
	if (!task->process)
		return sleep_until(task, deadline, 0);
	if (signal_pending()) {
		wait_unprepare();
		return -ERESTARTSYS;
	}
	/* The flag may be set without a signal: for a temporary mask, or because another thread took it. */
	__atomic_fetch_and(&task->work, ~(uint32_t)TASK_WORK_SIGNAL, __ATOMIC_SEQ_CST);
	int result = sleep_until(task, deadline, interrupts);
	bool woken = task->woken;
	if (task->restore_blocked)
		task_kick(task, TASK_WORK_SIGNAL);
	return !woken && signal_pending() ? -ERESTARTSYS : result;
}

int wait_sleep(uint64_t deadline)
{
	wait_prepare();
	return wait_sleep_prepared(deadline);
}

int wait_sleep_killable(uint64_t deadline)
{
	struct task *task = current_task();
	if (task->work & TASK_WORK_EXIT)
		return -EINTR;
	wait_prepare();
	int result = sleep_until(task, deadline, TASK_WORK_EXIT);
	if (result == 0 && !task->woken && (task->work & TASK_WORK_EXIT))
		return -EINTR;
	return result;
}

void wait_sleep_always(void)
{
	wait_prepare();
	(void)sleep_until(current_task(), DEADLINE_NEVER, 0);
}

bool task_wake(struct task *task)
{
	if (__atomic_exchange_n(&task->woken, true, __ATOMIC_SEQ_CST))
		return false;
	bool sleeps = __atomic_load_n(&task->sleeping, __ATOMIC_SEQ_CST);
	if (sleeps)
		event_signal(task->area->event, EVENT_WAKE);
	return sleeps;
}

static void entry_init(struct wait_entry *entry, bool exclusive)
{
	entry->task = current_task();
	entry->wake = 0;
	entry->events = 0;
	entry->exclusive = exclusive;
}

void wait_begin(struct wait_entry *entry, struct wait_queue *queue)
{
	entry_init(entry, false);
	list_push(&queue->entries, &entry->link);
}

void wait_begin_exclusive(struct wait_entry *entry, struct wait_queue *queue)
{
	entry_init(entry, true);
	list_append(&queue->entries, &entry->link);
}

void wait_queue_close(struct wait_queue *queue)
{
	while (!list_empty(&queue->entries))
		list_remove(queue->entries.next);
}

static void wake(struct wait_queue *queue, uint32_t events, bool one)
{
	struct wait_entry *entry, *next;
	list_for_each_safe(entry, next, &queue->entries, link)
	{
		if (entry->events && events && !(entry->events & events))
			continue;
		bool took = true;
		if (entry->wake)
			took = entry->wake(entry, events);
		else
			took = task_wake(entry->task) || !entry->exclusive;
		if (one && entry->exclusive && took)
			break;
	}
}

void wake_all_slow(struct wait_queue *queue, uint32_t events)
{
	wake(queue, events, false);
}

void wake_one_slow(struct wait_queue *queue, uint32_t events)
{
	wake(queue, events, true);
}

/* ---- Workers ---- */

struct worker {
	void (*function)(void *argument);
	void *argument;
};

static void worker_main(void *argument)
{
	struct worker worker = *(struct worker *)argument;
	personality_lock();
	heap_free(argument);
	worker.function(worker.argument);
	linux_log("linux: worker %s returned\n", current_task()->name);
	for (;;)
		worker_wait(DEADLINE_NEVER);
}

struct task *worker_create(const char *name, void (*function)(void *argument), void *argument)
{
	struct worker *worker = heap_allocate(sizeof(*worker));
	struct task *task = heap_allocate(sizeof(*task));
	struct thread_area *area =
	    worker && task ? thread_take(current_page(), ~0ull, current_area()->cpu) : 0;
	if (!area) {
		heap_free(worker);
		heap_free(task);
		return 0;
	}
	worker->function = function;
	worker->argument = argument;
	text_copy(task->name, sizeof(task->name), name);
	thread_run(area, task, worker_main, worker);
	return task;
}

void worker_end(void)
{
	account_asleep(current_task());
	heap_free(current_task());
	thread_idle();
}

uint64_t worker_wait(uint64_t deadline)
{
	return worker_wait_for(current_area()->event, deadline);
}

uint64_t worker_pace(uint64_t began, uint64_t next)
{
	uint64_t now = clock_monotonic(), least = now + 9 * (now - began);
	return next > least ? next : least;
}

uint64_t worker_wait_for(handle_t event, uint64_t deadline)
{
	uint64_t bits = 0;
	personality_unlock();
	account_asleep(current_task());
	(void)event_wait(event, deadline, &bits);
	account_ready(current_task());
	personality_lock();
	return bits;
}

uint64_t worker_event(struct task *worker)
{
	return worker->area->event;
}
