/* Work that a system call leaves behind: io_uring(7), aio(7).
 *
 * Each task that leaves some has a group: what its jobs are, and threads that do them in its name, with its memory, its
 * descriptors and its rights. The group's first thread, and the task itself while it waits for completions, run jobs that
 * may go on (`again`) and never sleep in them; further threads, bounded in number, run those that have to sleep (`blocking`).
 * A group ends with its task or with exec: everything in it is cancelled, and the task waits until its threads have gone.
 *
 * All of it is guarded by the common lock, held alone, but for the list of jobs that may go on: whoever wakes a file's
 * queues adds to that, under async_lock.
 */
#pragma once

#include "../internal.h"

struct async_group;
struct async_worker;

struct async_job {
	struct list group_link; /* in the group's jobs */
	struct list link;       /* in `again` or `blocking`, or empty */
	struct async_group *group;
	struct async_worker *worker; /* that runs it and may sleep in it */
	/* Runs in a task of the group's, which may SLEEP in it or not (task->no_sleep). */
	void (*run)(struct async_job *job, bool sleep);
	/* Ends it; true: it is gone. Not called while a thread runs it. */
	bool (*cancel)(struct async_job *job);
};

/* The group of the current task, made at the first need; 0: no memory. */
struct async_group *async_group(void);
void async_add(struct async_group *group, struct async_job *job);
/* JOB is in no group any more. */
void async_remove(struct async_job *job);
/* From here on somebody runs what async_again brings. False: there is no thread to be had. */
bool async_ready(struct async_group *group);
/* JOB may go on. May be called with the common lock held in whatever way, and the lock of a wait queue. */
void async_again(struct async_job *job);
/* The same, and somebody is made where nobody would run it; false: that cannot be. The common lock is held alone. */
bool async_soon(struct async_job *job);
/* JOB has to sleep: a further thread runs it. False: none is to be had. */
bool async_block(struct async_job *job);
/* Takes JOB off the lists. Where a thread runs it, its sleep is ended. */
void async_stop(struct async_job *job);
/* Runs what may go on, in the current task, whose group it is; not all, where the task is to end. */
void async_run(struct async_group *group);
/* There is something that may go on: who attends does not sleep. */
bool async_waits(struct async_group *group);
/* In between the current task, whose group it is, runs its jobs itself: it calls async_run whenever it wakes. */
void async_attend(struct async_group *group);
void async_leave(struct async_group *group);
/* The current task ends, or its program does. */
void async_task_end(void);
bool async_ending(const struct async_group *group);

/* The rings that its task has registered for itself: ASYNC_RINGS of them. */
#define ASYNC_RINGS 16u
struct file **async_rings(struct async_group *group);

/* MM goes: its contexts of aio(7) do. */
void aio_mm_end(struct mm *mm);

/* Adds to the counter of an eventfd, as far as that goes (event/eventfd.c). False: FILE is none. */
bool eventfd_add(struct file *file, uint64_t value);
