/* Wait queues, sleeping and polling.
 *
 * One lock guards all Linux state: the personality lock. It is held whenever code here runs, dropped while a
 * task runs its guest and while it sleeps (wait_sleep). A condition checked under the lock is therefore still
 * true when the sleep begins, and no wake-up is lost: wakers hold the lock too.
 *
 * A struct wait_entry on a queue either wakes a task or calls back (epoll). Wakers pass the poll events that
 * became true (EPOLLIN...; 0 = all), so that an entry may ignore others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "linux_abi.h"
#include "list.h"

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
/* Sleeps with the lock dropped until woken. 0: woken (check the condition again); -ETIMEDOUT: DEADLINE passed
 * (absolute monotonic ns, DEADLINE_NEVER); -ERESTARTSYS: a signal is pending, or the task must die. Spurious
 * wake-ups happen. */
int wait_sleep(uint64_t deadline) __attribute__((warn_unused_result));
/* As wait_sleep, but only a fatal kill ends it (-EINTR): for short waits that Linux does not let signals end.
 */
int wait_sleep_killable(uint64_t deadline) __attribute__((warn_unused_result));
/* Sleeps until a signal is pending or somebody wakes the task. */
static inline int wait_sleep_signal(void)
{
	return wait_sleep(UINT64_MAX);
}
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
/* Ends TASK's sleep, if it sleeps. */
void task_wake(struct task *task);

/* Waits until CONDITION (an expression, evaluated under the lock). Value: 0, -ETIMEDOUT or -ERESTARTSYS. */
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

/* ---- The personality lock ---- */
void personality_lock(void);
void personality_unlock(void);

/* ---- Workers: native threads of the personality without a guest ----
 * FUNCTION starts with the lock held and never returns. worker_wait drops the lock until somebody signals the
 * worker's event (or DEADLINE passes) and returns the event's bits. Give worker_event's handle to whoever
 * shall signal it. */
struct task *worker_create(const char *name, void (*function)(void *argument), void *argument);
uint64_t worker_wait(uint64_t deadline);
uint64_t worker_event(struct task *worker);
