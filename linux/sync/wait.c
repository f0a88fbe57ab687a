/* The personality lock, sleeping, wait queues, workers.
 *
 * The lock is a word: 0 free, 1 held, 2 held with waiters, who wait for one event that carries a bit over
 * when the waker comes first. A task's own event only ever means "look again": what happened is in its
 * fields, which the lock guards.
 */
#include "internal.h"

volatile uint32_t personality_lock_word;
handle_t personality_lock_event;

#define EVENT_WAKE 1ull

void personality_lock_slow(void)
{
	while (__atomic_exchange_n(&personality_lock_word, 2, __ATOMIC_ACQUIRE) != 0)
		(void)event_wait(personality_lock_event, DEADLINE_NEVER, 0);
}

void personality_lock_wake(void)
{
	event_signal(personality_lock_event, EVENT_WAKE);
}

void personality_lock(void)
{
	uint32_t expected = 0;
	if (!__atomic_compare_exchange_n(&personality_lock_word, &expected, 1, false, __ATOMIC_ACQUIRE,
	                                 __ATOMIC_RELAXED))
		personality_lock_slow();
}

void personality_unlock(void)
{
	if (__atomic_exchange_n(&personality_lock_word, 0, __ATOMIC_RELEASE) != 1)
		personality_lock_wake();
}

/* Sleeps until woken, until DEADLINE, or until work in INTERRUPTS comes. */
static int sleep_until(struct task *task, uint64_t deadline, uint32_t interrupts)
{
	struct thread_area *area = task->area;
	int64_t result = E_OK;
	task->sleep_start_ns = clock_monotonic();
	task->woken = false;
	task->sleeping = true;
	personality_unlock();
	while (!*(volatile bool *)&task->woken && !(task->work & interrupts)) {
		result = event_wait(area->event, deadline, 0);
		if (result == E_TIMEOUT)
			break;
	}
	personality_lock();
	task->sleeping = false;
	task->slept_ns += clock_monotonic() - task->sleep_start_ns;
	task->voluntary_switches++;
	if (task->woken)
		return 0;
	return result == E_TIMEOUT ? -ETIMEDOUT : 0;
}

int wait_sleep(uint64_t deadline)
{
	struct task *task = current_task();
	uint32_t interrupts = TASK_WORK_SIGNAL | TASK_WORK_EXIT | TASK_WORK_STOP;
	if (!task->process)
		return sleep_until(task, deadline, 0);
	if (signal_pending())
		return -ERESTARTSYS;
	/* The flag may be set without a signal: for a temporary mask, or because another thread took it. */
	__atomic_fetch_and(&task->work, ~(uint32_t)TASK_WORK_SIGNAL, __ATOMIC_SEQ_CST);
	int result = sleep_until(task, deadline, interrupts);
	bool woken = task->woken;
	if (task->restore_blocked)
		task_kick(task, TASK_WORK_SIGNAL);
	return !woken && signal_pending() ? -ERESTARTSYS : result;
}

int wait_sleep_killable(uint64_t deadline)
{
	struct task *task = current_task();
	if (task->work & TASK_WORK_EXIT)
		return -EINTR;
	int result = sleep_until(task, deadline, TASK_WORK_EXIT);
	if (result == 0 && !task->woken && (task->work & TASK_WORK_EXIT))
		return -EINTR;
	return result;
}

void task_wake(struct task *task)
{
	if (task->sleeping && !task->woken) {
		task->woken = true;
		event_signal(task->area->event, EVENT_WAKE);
	}
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
		else if (entry->task->sleeping && !entry->task->woken)
			task_wake(entry->task);
		else
			took = !entry->exclusive;
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
	struct thread_area *area = worker && task ? thread_take(current_page(), ~0ull) : 0;
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

uint64_t worker_wait(uint64_t deadline)
{
	uint64_t bits = 0;
	handle_t event = current_area()->event;
	personality_unlock();
	(void)event_wait(event, deadline, &bits);
	personality_lock();
	return bits;
}

uint64_t worker_event(struct task *worker)
{
	return worker->area->event;
}
