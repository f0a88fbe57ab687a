/* Wait queues, sleeping and polling.
 *
 * A wake-up is never lost because a sleep begins before its condition is looked at: wait_prepare, then the
 * condition, under the lock that guards it, then the sleep, which ends at once where a wake-up has come
 * meanwhile. Who holds the common lock alone may do without wait_prepare: nobody changes anything until it
 * sleeps.
 *
 * A struct wait_entry on a queue either wakes a task or calls back (epoll). Wakers pass the poll events that
 * became true (EPOLLIN...; 0 = all), so that an entry may ignore others. A queue is guarded by its owner's
 * lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "linux_abi.h"
#include "list.h"
#include "lock.h"

struct task;

struct wait_queue {
	struct list entries;
};

struct wait_entry {
	struct list link;  /* self-linked while on no queue */
	struct task *task; /* woken, when wake is 0 */
	/* Called instead of waking a task. Returns true when it consumed a wake-up (counts against wake_one).
	 */
	bool (*wake)(struct wait_entry *entry, uint32_t events);
	uint32_t events; /* interest; 0 = any */
	bool exclusive;  /* wake_one stops after it; other entries are always woken */
};

#define WAIT_QUEUE_INIT(name)                                                                                \
	{                                                                                                    \
		LIST_INIT((name).entries)                                                                    \
	}
static inline void wait_queue_init(struct wait_queue *queue)
{
	list_init(&queue->entries);
}

/* Puts the current task's ENTRY on QUEUE. wait_end may be called whether or not it is still there. */
void wait_begin(struct wait_entry *entry, struct wait_queue *queue);
void wait_begin_exclusive(struct wait_entry *entry, struct wait_queue *queue);
static inline void wait_end(struct wait_entry *entry)
{
	list_remove(&entry->link);
}
/* QUEUE goes, and whoever is on it stays off it: for queues that do not live as long as the files polled
 * through them. */
void wait_queue_close(struct wait_queue *queue);
/* Sleeps until woken, the common lock given up meanwhile; it is held alone here. 0: woken (check the
 * condition again); -ETIMEDOUT: DEADLINE passed (absolute monotonic ns, DEADLINE_NEVER); -ERESTARTSYS: a
 * signal is pending, or the task must die; -EAGAIN: it makes this call for a request and must not sleep (task->no_sleep).
 * Spurious wake-ups happen. */
int wait_sleep(uint64_t deadline) __attribute__((warn_unused_result));
/* As wait_sleep, but only a fatal kill ends it (-EINTR): for short waits that Linux does not let signals end.
 */
int wait_sleep_killable(uint64_t deadline) __attribute__((warn_unused_result));
/* Sleeps until woken, whatever comes: for threads of a process that has ended already. */
void wait_sleep_always(void);
/* Sleeps until a signal is pending or somebody wakes the task. */
static inline int wait_sleep_signal(void)
{
	return wait_sleep(UINT64_MAX);
}
/* From here on a wake-up of the current task ends its next wait_sleep_prepared. That sleeps however the
 * common lock is held, with no other; or, where the condition is true already, wait_unprepare takes its
 * place. */
void wait_prepare(void);
void wait_unprepare(void);
int wait_sleep_prepared(uint64_t deadline) __attribute__((warn_unused_result));
/* Wakes all entries interested in EVENTS; or all but at most one exclusive one. Safe on an empty queue: two
 * instructions. */
void wake_all_slow(struct wait_queue *queue, uint32_t events);
void wake_one_slow(struct wait_queue *queue, uint32_t events);
static inline void wake_all(struct wait_queue *queue, uint32_t events)
{
	if (!list_empty(&queue->entries))
		wake_all_slow(queue, events);
}
static inline void wake_one(struct wait_queue *queue, uint32_t events)
{
	if (!list_empty(&queue->entries))
		wake_one_slow(queue, events);
}
/* Ends TASK's sleep, if it sleeps or is about to: true when nobody else has already. */
bool task_wake(struct task *task);

/* The same with LOCK, which guards QUEUE and CONDITION, held before and after and given up for the sleep. */
#define wait_event_locked(queue, lock, condition, deadline)                                                  \
	({                                                                                                   \
		int wait_result_ = 0;                                                                        \
		if (!(condition)) {                                                                          \
			struct wait_entry wait_entry_;                                                       \
			wait_begin(&wait_entry_, queue);                                                     \
			for (;;) {                                                                           \
				wait_prepare();                                                              \
				bool wait_done_ = (condition);                                               \
				if (wait_done_)                                                              \
					wait_result_ = 0;                                                    \
				if (wait_done_ || wait_result_)                                              \
					break;                                                               \
				lock_release(lock);                                                          \
				wait_result_ = wait_sleep_prepared(deadline);                                \
				lock_acquire(lock);                                                          \
			}                                                                                    \
			wait_unprepare();                                                                    \
			wait_end(&wait_entry_);                                                              \
		}                                                                                            \
		wait_result_;                                                                                \
	})

/* Waits until CONDITION, an expression, with the common lock held alone. Value: 0, -ETIMEDOUT or
 * -ERESTARTSYS. */
#define wait_event(queue, condition, deadline)                                                               \
	({                                                                                                   \
		int wait_result_ = 0;                                                                        \
		if (!(condition)) {                                                                          \
			struct wait_entry wait_entry_;                                                       \
			wait_begin(&wait_entry_, queue);                                                     \
			do                                                                                   \
				wait_result_ = wait_sleep(deadline);                                         \
			while (!wait_result_ && !(condition));                                               \
			wait_end(&wait_entry_);                                                              \
			if (wait_result_ && (condition))                                                     \
				wait_result_ = 0;                                                            \
		}                                                                                            \
		wait_result_;                                                                                \
	})

/* ---- Polling ----
 * A file's poll operation returns the events that are true now and calls poll_wait for every queue that is
 * woken when that changes; TABLE is 0 when the caller only asks. poll, select and epoll each have their own
 * kind of table. */
struct poll_table {
	void (*add)(struct poll_table *table, struct wait_queue *queue);
};
static inline void poll_wait(struct poll_table *table, struct wait_queue *queue)
{
	if (table)
		table->add(table, queue);
}

/* ---- Workers: native threads of the personality without a guest ----
 * FUNCTION starts with the common lock held alone and never returns. worker_wait drops it until somebody
 * signals the worker's event (or DEADLINE passes) and returns the event's bits. Give worker_event's handle to
 * whoever shall signal it. */
struct task *worker_create(const char *name, void (*function)(void *argument), void *argument);
/* The current worker is done; its thread goes back to the pool. Lock held alone; dropped here. */
_Noreturn void worker_end(void);
uint64_t worker_wait(uint64_t deadline);
/* When a worker that began its round at BEGAN and wants the next at NEXT is to begin it: later where the round took long, so that
 * what others give it to look at costs a tenth of a processor, and of the common lock, and no more. */
uint64_t worker_pace(uint64_t began, uint64_t next);
/* The same with another event that is the worker's own. */
uint64_t worker_wait_for(handle_t event, uint64_t deadline);
uint64_t worker_event(struct task *worker);
