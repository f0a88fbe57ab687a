/* Locks, and the order in which they are taken.
 *
 * The *common lock* guards what changes rarely: the process tree, signals, names and mounts, descriptor
 * tables. A system call holds it shared or alone, as linux/syscalls.tbl says ("shared", "-"). Who holds it
 * alone needs no other lock. Who shares it may change only what has a lock of its own, and takes that: locks
 * of owners, in the order of enum lock_rank, each for a short time and never while it sleeps. Nothing waits
 * for the common lock alone while it shares it: common_alone gives the share up first, so that nothing
 * learned before holds afterwards but references.
 *
 * Fork copies its own address space with LOCK_MM alone, without the common lock: so that lock is taken by all who change
 * another's areas, those that hold the common lock alone too. Exec fills an address space that nobody else knows without
 * the common lock.
 *
 * A wait queue is guarded by its owner's lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "list.h"

enum lock_rank {
	LOCK_NONE,
	LOCK_COMMON,   /* shared or alone */
	LOCK_POSITION, /* of an open file that several tasks share */
	LOCK_OBJECT,   /* pipes, eventfds, regular files' data */
	LOCK_NAMES,    /* references of open files to their names, while the common lock is shared */
	LOCK_STACK,    /* the TCP/IP stack, and the queues of its sockets: net/stack.h */
	LOCK_FUTEX,    /* a bucket; two in the order of their addresses */
	LOCK_MM,       /* areas of an address space */
	LOCK_ROOM,     /* what file services have promised room for: fs/backing.h */
	LOCK_EPOLL,    /* the ready list; several in a row from an epoll to those that watch it */
	LOCK_ASYNC,    /* jobs that may go on: async/async.h */
	LOCK_RANDOM,   /* the generator */
	LOCK_PRESSURE, /* what is left of the memory quota */
	LOCK_HEAP,
	LOCK_LOG,
	LOCK_BUFFER, /* of a session of a file service; held over a call of it, also without the common lock, for which its holder
	                does not wait. It stands outside the order: its holder takes no other, but LOCK_MM with the common lock held alone */
	LOCK_CHANGE, /* the order of changes in a file service: fs/backing.h. It stands before the common lock, which its
	                holder gives up and takes again; nobody waits for it with the common lock held */
	LOCK_RANKS,
};

/* How often and how long locks of a rank were waited for. */
struct lock_waits {
	const char *name;
	uint64_t count, sleeps, ns;
};
extern struct lock_waits lock_waits[LOCK_RANKS];

struct lock {
	uint32_t word; /* 0 free, 1 held, 2 held and somebody may wait */
	uint32_t rank;
#ifdef LINUX_DEBUG
	const void *owner; /* thread area */
#endif
};
#define LOCK_INIT(rank_)                                                                                     \
	{                                                                                                    \
		.rank = (rank_)                                                                              \
	}
static inline void lock_init(struct lock *lock, enum lock_rank rank)
{
	*lock = (struct lock)LOCK_INIT(rank);
}

void lock_acquire_slow(struct lock *lock);
void lock_release_slow(struct lock *lock);
/* The debug build's: end the personality where the order is broken (lock_debug.c). */
#ifdef LINUX_DEBUG
void lock_check_wanted(const struct lock *lock);
void lock_check_taken(struct lock *lock);
void lock_check_released(struct lock *lock);
/* The current thread is about to give the common lock up, or to leave its call: it holds no other. */
void lock_check_none(const char *when);
/* From here on current_area() is valid. */
void lock_checks_start(void);
#else
static inline void lock_checks_start(void)
{
}
static inline void lock_check_wanted(const struct lock *lock)
{
	(void)lock;
}
static inline void lock_check_taken(struct lock *lock)
{
	(void)lock;
}
static inline void lock_check_released(struct lock *lock)
{
	(void)lock;
}
static inline void lock_check_none(const char *when)
{
	(void)when;
}
#endif

static inline void lock_acquire(struct lock *lock)
{
	uint32_t expected = 0;
	lock_check_wanted(lock);
	if (!__atomic_compare_exchange_n(&lock->word, &expected, 1, false, __ATOMIC_ACQUIRE,
	                                 __ATOMIC_RELAXED))
		lock_acquire_slow(lock);
	lock_check_taken(lock);
}

/* Takes it where it is free. */
static inline bool lock_try(struct lock *lock)
{
	uint32_t expected = 0;
	if (!__atomic_compare_exchange_n(&lock->word, &expected, 1, false, __ATOMIC_ACQUIRE,
	                                 __ATOMIC_RELAXED))
		return false;
	lock_check_taken(lock);
	return true;
}

static inline void lock_release(struct lock *lock)
{
	lock_check_released(lock);
	if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) != 1)
		lock_release_slow(lock);
}

/* ---- The common lock ---- */

enum common_mode { COMMON_NOT, COMMON_SHARED, COMMON_ALONE };

/* Threads of one processor that share it; a cache line each. */
struct common_slot {
	uint32_t shared, padding[15];
};

void common_shared(void);
void common_shared_end(void);
void personality_lock(void); /* alone */
void personality_unlock(void);
/* How the current thread holds it. */
enum common_mode common_mode(void);
/* The current thread, which holds it either way but no other lock, holds it alone until common_back, which
 * gives the mode before. In between nothing of before holds but references. */
enum common_mode common_alone(void);
void common_back(enum common_mode before);
/* Gives it up for a sleep; common_take takes it as before. */
enum common_mode common_give(void);
void common_take(enum common_mode before);
