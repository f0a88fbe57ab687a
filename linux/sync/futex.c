/* futex(2): waiting on words of guest memory, robust lists (get_robust_list(2)), a basic form of PI locks.
 *
 * A waiter is on its task's native stack and in a hash bucket by key: the mm and address, or for shared
 * mappings the memory object and offset. Checking the word and queueing happen under the bucket's lock, as
 * does every wake. A waiter always takes itself off its bucket under that lock, so that nobody touches it
 * after it has gone.
 */
#include "internal.h"
#include "task/turn.h"

#define BUCKETS 256u

enum {
	FUTEX_WAIT = 0,
	FUTEX_WAKE = 1,
	FUTEX_REQUEUE = 3,
	FUTEX_CMP_REQUEUE = 4,
	FUTEX_WAKE_OP = 5,
	FUTEX_LOCK_PI = 6,
	FUTEX_UNLOCK_PI = 7,
	FUTEX_TRYLOCK_PI = 8,
	FUTEX_WAIT_BITSET = 9,
	FUTEX_WAKE_BITSET = 10,
	FUTEX_LOCK_PI2 = 13,
	FUTEX_32 = 2, /* of futex_waitv: the size */
	FUTEX_PRIVATE = 128,
	FUTEX_CLOCK_REALTIME = 256,
};
#define FUTEX_WAITERS    0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK   0x3fffffffu
#define ROBUST_MAX       2048

struct waiter {
	struct list link;
	struct task *task;
	uint64_t key[2];
	uint32_t bitset;
	struct bucket *bucket; /* where it is; changed by requeue, under both locks */
	bool woken;
	bool pi;
	int32_t owner;    /* pi: thread id of who has the lock, of the first PID namespace */
	uint64_t address; /* pi: of the word, in the waiter's memory */
};

static uint32_t
    pi_waiting; /* how many wait for a PI lock: when a task ends, mostly none has to be looked for */

static struct bucket {
	struct lock lock;
	struct list waiters;
} buckets[BUCKETS];

static struct bucket *bucket_of(const uint64_t key[2])
{
	uint64_t hash = (key[0] ^ (key[1] >> 2)) * 0x9e3779b97f4a7c15ull;
	return &buckets[hash >> 56];
}

void futex_init(void)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		lock_init(&buckets[i].lock, LOCK_FUTEX);
		list_init(&buckets[i].waiters);
	}
}

static void lock_both(struct bucket *a, struct bucket *b)
{
	lock_acquire(a < b ? &a->lock : &b->lock);
	if (a != b)
		lock_acquire(a < b ? &b->lock : &a->lock);
}

static void unlock_both(struct bucket *a, struct bucket *b)
{
	lock_release(&a->lock);
	if (a != b)
		lock_release(&b->lock);
}

static void enqueue(struct waiter *waiter, struct bucket *bucket)
{
	__atomic_store_n(&waiter->bucket, bucket, __ATOMIC_RELEASE);
	list_append(&bucket->waiters, &waiter->link);
}

/* Takes WAITER off its bucket, which a requeue may change meanwhile. */
static void dequeue(struct waiter *waiter)
{
	for (;;) {
		struct bucket *bucket = __atomic_load_n(&waiter->bucket, __ATOMIC_ACQUIRE);
		lock_acquire(&bucket->lock);
		bool same = bucket == waiter->bucket;
		if (same)
			list_remove(&waiter->link);
		lock_release(&bucket->lock);
		if (same)
			break;
	}
}

/* Sleeps until WAITER, which is queued, is woken, and takes it off its bucket. 0, or why the sleep ended. */
static int sleep_queued(struct waiter *waiter, uint64_t deadline)
{
	int result = 0;
	while (!result) {
		wait_prepare();
		if (__atomic_load_n(&waiter->woken, __ATOMIC_ACQUIRE)) {
			wait_unprepare();
			break;
		}
		result = wait_sleep_prepared(deadline);
	}
	dequeue(waiter);
	return waiter->woken ? 0 : result;
}

static bool same_key(const uint64_t a[2], const uint64_t b[2])
{
	return a[0] == b[0] && a[1] == b[1];
}

static int get_key(uint64_t address, bool shared, uint64_t key[2])
{
	if (address & 3)
		return -EINVAL;
	if (!user_range(address, 4))
		return -EFAULT;
	return mm_key(current_task()->mm, address, shared, key);
}

static void waiter_wake(struct waiter *waiter)
{
	list_remove(&waiter->link);
	__atomic_store_n(&waiter->woken, true, __ATOMIC_RELEASE);
	task_wake(waiter->task);
}

/* With the bucket's lock held. */
static int wake_in(struct bucket *bucket, const uint64_t key[2], int count, uint32_t bitset)
{
	struct waiter *waiter, *next;
	int woken = 0;
	list_for_each_safe(waiter, next, &bucket->waiters, link)
	{
		if (woken >= count)
			break;
		if (same_key(waiter->key, key) && (waiter->bitset & bitset) && !waiter->pi) {
			waiter_wake(waiter);
			woken++;
		}
	}
	return woken;
}

static int wake_key(const uint64_t key[2], int count, uint32_t bitset)
{
	struct bucket *bucket = bucket_of(key);
	lock_acquire(&bucket->lock);
	int woken = wake_in(bucket, key, count, bitset);
	lock_release(&bucket->lock);
	return woken;
}

int64_t futex_wake(uint64_t address, int count, uint32_t bitset, bool shared)
{
	uint64_t key[2];
	int error = get_key(address, shared, key);
	if (error)
		return error;
	return bitset ? wake_key(key, count, bitset) : -EINVAL;
}

static int64_t wait_restart(struct task *task);

static int64_t futex_wait(uint64_t address, uint32_t expected, uint64_t deadline, uint32_t bitset,
                          bool shared, bool relative)
{
	struct task *task = current_task();
	struct waiter waiter = {.task = task, .bitset = bitset};
	uint32_t value;
	if (!bitset)
		return -EINVAL;
	int error = get_key(address, shared, waiter.key);
	if (error)
		return error;
	struct bucket *bucket = bucket_of(waiter.key);
	lock_acquire(&bucket->lock);
	if (get_user_u32(&value, address))
		error = -EFAULT;
	else if (value != expected)
		error = -EAGAIN;
	else
		enqueue(&waiter, bucket);
	lock_release(&bucket->lock);
	if (error)
		return error;
	int result = sleep_queued(&waiter, deadline);
	if (!result)
		return 0;
	if (result == -ETIMEDOUT)
		return -ETIMEDOUT;
	if (deadline == DEADLINE_NEVER)
		return -ERESTARTSYS;
	if (!relative)
		return -ERESTARTSYS;
	task->restart = wait_restart;
	task->restart_data[0] = address;
	task->restart_data[1] = expected;
	task->restart_data[2] = deadline;
	task->restart_data[3] = bitset;
	task->restart_data[4] = shared;
	return -ERESTART_RESTARTBLOCK;
}

/* ---- Waiting for several: futex_waitv(2) ---- */

#define WAITV_MAX 128u

struct waitv {
	uint64_t value, address;
	uint32_t flags, reserved;
};

/* Queues a waiter for each of COUNT words; how many are. *ERROR: why it is not all. The common lock is held alone. */
static uint32_t waitv_queue(struct waiter *waiters, uint64_t address, uint32_t count, int *error)
{
	uint32_t done = 0;
	for (; done < count; done++) {
		struct waiter *waiter = &waiters[done];
		struct waitv each;
		uint32_t value;
		*error = -EFAULT;
		if (copy_from_user(&each, address + done * sizeof(each), sizeof(each)))
			break;
		*error = -EINVAL;
		if (each.reserved || (each.flags & ~(uint32_t)FUTEX_PRIVATE) != FUTEX_32)
			break;
		*waiter = (struct waiter){.task = current_task(), .bitset = ~0u};
		*error = get_key(each.address, !(each.flags & FUTEX_PRIVATE), waiter->key);
		if (*error)
			break;
		*error = get_user_u32(&value, each.address);
		if (!*error && value != (uint32_t)each.value)
			*error = -EAGAIN;
		if (*error)
			break;
		struct bucket *bucket = bucket_of(waiter->key);
		lock_acquire(&bucket->lock);
		enqueue(waiter, bucket);
		lock_release(&bucket->lock);
	}
	return done;
}

/* The index of a word that was woken, or -1. */
static int waitv_woken(const struct waiter *waiters, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (__atomic_load_n(&waiters[i].woken, __ATOMIC_ACQUIRE))
			return (int)i;
	return -1;
}

static int64_t waitv_sleep(const struct waiter *waiters, uint32_t count, uint64_t deadline)
{
	int woken = -1, result = 0;
	while (!result) {
		wait_prepare();
		woken = waitv_woken(waiters, count);
		if (woken >= 0) {
			wait_unprepare();
			break;
		}
		result = wait_sleep_prepared(deadline);
	}
	woken = woken < 0 ? waitv_woken(waiters, count) : woken;
	return woken < 0 ? result : woken;
}

SYSCALL_HANDLER(futex_waitv, uint64_t address, uint32_t count, uint32_t flags, uint64_t time, int32_t clock)
{
	uint64_t deadline = DEADLINE_NEVER, ns;
	int error = 0;
	if (flags || !count || count > WAITV_MAX || !address)
		return -EINVAL;
	if (time) {
		if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
			return -EINVAL;
		error = get_user_timespec(time, &ns);
		if (!error)
			error = clock_deadline(clock, ns, &deadline);
		if (error)
			return error;
	}
	struct waiter *waiters = heap_allocate(count * sizeof(*waiters));
	if (!waiters)
		return -ENOMEM;
	uint32_t queued = waitv_queue(waiters, address, count, &error);
	int64_t result = queued == count ? waitv_sleep(waiters, count, deadline) : error;
	for (uint32_t i = 0; i < queued; i++)
		dequeue(&waiters[i]);
	heap_free(waiters);
	return result;
}

static int64_t wait_restart(struct task *task)
{
	const uint64_t *data = task->restart_data;
	return futex_wait(data[0], (uint32_t)data[1], data[2], (uint32_t)data[3], data[4], true);
}

/* EXPECTED: the word must have this value; 0: it may have any. */
static int64_t requeue(uint64_t address, int wake_count, int64_t move_count, uint64_t address2, bool shared,
                       const uint32_t *expected)
{
	uint64_t from[2], to[2];
	uint32_t seen = 0;
	int error = get_key(address, shared, from);
	if (!error)
		error = get_key(address2, shared, to);
	if (error)
		return error;
	struct bucket *source = bucket_of(from), *target = bucket_of(to);
	lock_both(source, target);
	if (expected && get_user_u32(&seen, address))
		error = -EFAULT;
	else if (expected && seen != *expected)
		error = -EAGAIN;
	int64_t done = error ? 0 : wake_in(source, from, wake_count, ~0u);
	struct waiter *waiter, *next;
	list_for_each_safe(waiter, next, &source->waiters, link)
	{
		if (error || move_count <= 0)
			break;
		if (!same_key(waiter->key, from) || waiter->pi)
			continue;
		if (!same_key(from, to)) {
			list_remove(&waiter->link);
			memcpy(waiter->key, to, sizeof(to));
			enqueue(waiter, target);
		}
		move_count--;
		done++;
	}
	unlock_both(source, target);
	return error ? error : done;
}

/* FUTEX_WAKE_OP: changes the second word as OP says, wakes on the first, and on the second if its old value
 * compares. */
static int64_t wake_op(uint64_t address, int count, int count2, uint64_t address2, uint32_t op, bool shared)
{
	uint32_t kind = op >> 28 & 7, compare = op >> 24 & 15, old, seen;
	int32_t argument = (int32_t)(op << 8) >> 20, compare_argument = (int32_t)(op << 20) >> 20;
	if (op >> 31)
		argument = (int32_t)(1u << (argument & 31));
	if ((address | address2) & 3)
		return -EINVAL;
	do {
		uint32_t new;
		if (get_user_u32(&old, address2))
			return -EFAULT;
		switch (kind) {
		case 0:
			new = (uint32_t)argument;
			break;
		case 1:
			new = old + (uint32_t)argument;
			break;
		case 2:
			new = old | (uint32_t)argument;
			break;
		case 3:
			new = old & ~(uint32_t)argument;
			break;
		case 4:
			new = old ^ (uint32_t)argument;
			break;
		default:
			return -ENOSYS;
		}
		if (user_compare_exchange_u32(address2, old, new, &seen))
			return -EFAULT;
	} while (seen != old);
	int32_t was = (int32_t)old;
	bool matches;
	switch (compare) {
	case 0:
		matches = was == compare_argument;
		break;
	case 1:
		matches = was != compare_argument;
		break;
	case 2:
		matches = was < compare_argument;
		break;
	case 3:
		matches = was <= compare_argument;
		break;
	case 4:
		matches = was > compare_argument;
		break;
	case 5:
		matches = was >= compare_argument;
		break;
	default:
		return -ENOSYS;
	}
	int64_t woken = futex_wake(address, count, ~0u, shared);
	if (woken < 0 || !matches)
		return woken;
	int64_t more = futex_wake(address2, count2, ~0u, shared);
	return more < 0 ? more : woken + more;
}

/* ---- PI locks: the kernel hands a lock to who has waited longest of the highest priority; when its owner's thread ends,
 * marked with FUTEX_OWNER_DIED. The owner counts as of the priority of who waits, until it gives a lock back: with several
 * locks it loses what was lent for the others, too. ---- */

/* Does somebody wait for KEY as for no lock? With the bucket's lock held. */
static bool plain_waits(const struct bucket *bucket, const uint64_t key[2])
{
	const struct waiter *waiter;
	list_for_each(waiter, &bucket->waiters, link)
	{
		if (!waiter->pi && same_key(waiter->key, key))
			return true;
	}
	return false;
}

static int64_t lock_pi(uint64_t address, uint64_t deadline, bool try, bool shared)
{
	struct task *task = current_task();
	struct waiter waiter = {.task = task, .bitset = ~0u, .pi = true, .address = address};
	uint32_t tid = (uint32_t)task->number, value, seen;
	int error = get_key(address, shared, waiter.key);
	if (error)
		return error;
	struct bucket *bucket = bucket_of(waiter.key);
	bool taken = false;
	lock_acquire(&bucket->lock);
	for (;;) {
		if (get_user_u32(&value, address)) {
			error = -EFAULT;
			break;
		}
		bool free = !(value & FUTEX_TID_MASK);
		if ((value & FUTEX_TID_MASK) == tid)
			error = -EDEADLK;
		else if (plain_waits(bucket, waiter.key))
			error = -EINVAL;
		else if (!free && !task_find((int32_t)(value & FUTEX_TID_MASK)))
			error = -ESRCH;
		else if (!free && try)
			error = -EAGAIN;
		if (error)
			break;
		uint32_t new = free ? tid | (value & ~FUTEX_TID_MASK) : value | FUTEX_WAITERS;
		if (user_compare_exchange_u32(address, value, new, &seen)) {
			error = -EFAULT;
			break;
		}
		if (seen != value)
			continue;
		taken = free;
		break;
	}
	if (!error && !taken) {
		waiter.owner = pid_named((int32_t)(value & FUTEX_TID_MASK));
		__atomic_fetch_add(&pi_waiting, 1, __ATOMIC_SEQ_CST);
		enqueue(&waiter, bucket);
		struct task *owner = turn_level(task) ? task_find((int32_t)(value & FUTEX_TID_MASK)) : 0;
		if (owner)
			turn_lend(owner, turn_level(task));
	}
	lock_release(&bucket->lock);
	if (error || taken)
		return error;
	int result = sleep_queued(&waiter, deadline);
	__atomic_fetch_sub(&pi_waiting, 1, __ATOMIC_SEQ_CST);
	return !result || result == -ETIMEDOUT ? result : -ERESTARTNOINTR;
}

/* Who waits for KEY and has the lock next; MORE: others wait, too, and learn that. With the bucket's lock held. */
static struct waiter *next_owner(struct bucket *bucket, const uint64_t key[2], bool *more)
{
	struct waiter *first = 0, *waiter;
	*more = false;
	list_for_each(waiter, &bucket->waiters, link)
	{
		if (!waiter->pi || !same_key(waiter->key, key))
			continue;
		*more = first != 0;
		if (!first || turn_level(waiter->task) > turn_level(first->task))
			first = waiter;
	}
	if (!first)
		return 0;
	list_for_each(waiter, &bucket->waiters, link)
	{
		if (waiter->pi && same_key(waiter->key, key))
			waiter->owner = first->task->tid;
	}
	return first;
}

static int64_t unlock_pi(uint64_t address, bool shared)
{
	uint64_t key[2];
	uint32_t value, seen;
	/* As on Linux, whose lock it is counts before anything else. */
	if (get_user_u32(&value, address))
		return -EFAULT;
	if ((value & FUTEX_TID_MASK) != (uint32_t)current_task()->number)
		return -EPERM;
	int error = get_key(address, shared, key);
	if (error)
		return error;
	struct bucket *bucket = bucket_of(key);
	lock_acquire(&bucket->lock);
	for (;;) {
		if (get_user_u32(&value, address)) {
			error = -EFAULT;
			break;
		}
		if ((value & FUTEX_TID_MASK) != (uint32_t)current_task()->number) {
			error = -EPERM;
			break;
		}
		bool more;
		struct waiter *first = next_owner(bucket, key, &more);
		uint32_t new = first ? (uint32_t)first->task->number | (more ? FUTEX_WAITERS : 0) : 0;
		if (user_compare_exchange_u32(address, value, new, &seen)) {
			error = -EFAULT;
			break;
		}
		if (seen != value)
			continue;
		if (first)
			waiter_wake(first);
		break;
	}
	lock_release(&bucket->lock);
	turn_lend(current_task(), 0);
	return error;
}

/* TASK ends: the PI locks that others wait for and it has go to them. The common lock is held alone, so that nobody
 * else changes a waiter; the word is the waiter's, whose memory may be another process's. */
static void pi_exit(const struct task *task)
{
	int32_t tid = task->tid;
	for (unsigned i = 0; i < BUCKETS && __atomic_load_n(&pi_waiting, __ATOMIC_SEQ_CST); i++) {
		struct bucket *bucket = &buckets[i];
		struct waiter *waiter, *found;
		do {
			found = 0;
			lock_acquire(&bucket->lock);
			list_for_each(waiter, &bucket->waiters, link)
			{
				if (waiter->pi && waiter->owner == tid && waiter->task->mm) {
					found = waiter;
					break;
				}
			}
			if (found) {
				bool more;
				struct waiter *first = next_owner(bucket, found->key, &more);
				uint32_t word = (uint32_t)first->task->number | FUTEX_OWNER_DIED |
				                (more ? FUTEX_WAITERS : 0);
				if (mm_access(first->task->mm, first->address, &word, 4, MM_WRITE) != 4)
					linux_log("linux: the word of a PI lock of thread %d is gone\n", tid);
				waiter_wake(first);
			}
			lock_release(&bucket->lock);
		} while (found);
	}
}

static int futex_deadline(uint32_t op, uint64_t address, uint64_t *deadline)
{
	uint32_t command = op & 127;
	uint64_t ns;
	*deadline = DEADLINE_NEVER;
	int error = get_user_timespec(address, &ns);
	if (error || !address)
		return error;
	if (command == FUTEX_WAIT) {
		*deadline = clock_monotonic() + ns;
		return 0;
	}
	bool realtime = command == FUTEX_LOCK_PI || (op & FUTEX_CLOCK_REALTIME);
	return clock_deadline(realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, ns, deadline);
}

SYSCALL_HANDLER(futex, uint64_t address, uint32_t op, uint32_t value, uint64_t time, uint64_t address2,
                uint32_t value3)
{
	bool shared = !(op & FUTEX_PRIVATE);
	uint32_t command = op & 127;
	uint64_t deadline = DEADLINE_NEVER;
	if (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI ||
	    command == FUTEX_LOCK_PI2) {
		int error = futex_deadline(op, time, &deadline);
		if (error)
			return error;
	}
	if ((op & FUTEX_CLOCK_REALTIME) && command != FUTEX_WAIT_BITSET && command != FUTEX_LOCK_PI2)
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAIT:
		return futex_wait(address, value, deadline, ~0u, shared, true);
	case FUTEX_WAIT_BITSET:
		return futex_wait(address, value, deadline, value3, shared, false);
	case FUTEX_WAKE:
		return futex_wake(address, (int)value, ~0u, shared);
	case FUTEX_WAKE_BITSET:
		return futex_wake(address, (int)value, value3, shared);
	case FUTEX_CMP_REQUEUE:
	case FUTEX_REQUEUE:
		if ((int)value < 0 || (int32_t)time < 0)
			return -EINVAL;
		return requeue(address, (int)value, (int32_t)time, address2, shared,
		               command == FUTEX_CMP_REQUEUE ? &value3 : 0);
	case FUTEX_WAKE_OP:
		return wake_op(address, (int)value, (int)time, address2, value3, shared);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return lock_pi(address, deadline, false, shared);
	case FUTEX_TRYLOCK_PI:
		return lock_pi(address, DEADLINE_NEVER, true, shared);
	case FUTEX_UNLOCK_PI:
		return unlock_pi(address, shared);
	default:
		return -ENOSYS;
	}
}

/* ---- Robust lists ---- */

SYSCALL_HANDLER(set_robust_list, uint64_t head, uint64_t bytes)
{
	if (bytes != 24)
		return -EINVAL;
	current_task()->robust_list = head;
	return 0;
}

SYSCALL_HANDLER(get_robust_list, int pid, uint64_t head_address, uint64_t bytes_address)
{
	struct task *task = pid ? task_find(pid) : current_task();
	if (!task)
		return -ESRCH;
	if (!process_permitted(task->process))
		return -EPERM;
	return put_user_u64(head_address, task->robust_list) || put_user_u64(bytes_address, 24) ? -EFAULT : 0;
}

/* The owner of the lock at ADDRESS dies: marks it and wakes one waiter. */
static void robust_release(const struct task *task, uint64_t address, bool pending)
{
	uint32_t value, seen;
	if ((address & 3) || get_user_u32(&value, address))
		return;
	if (pending && !value) {
		(void)futex_wake(address, 1, ~0u, true);
		return;
	}
	while ((value & FUTEX_TID_MASK) == (uint32_t)task->number) {
		if (user_compare_exchange_u32(address, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED,
		                              &seen))
			return;
		if (seen != value) {
			value = seen;
			continue;
		}
		if (value & FUTEX_WAITERS)
			(void)futex_wake(address, 1, ~0u, true);
		return;
	}
}

static void robust_exit(struct task *task)
{
	uint64_t head = task->robust_list, entry, offset, pending;
	task->robust_list = 0;
	if (!head || get_user_u64(&entry, head) || get_user_u64(&offset, head + 8) ||
	    get_user_u64(&pending, head + 16))
		return;
	for (int i = 0; i < ROBUST_MAX && (entry & ~1ull) != head; i++) {
		uint64_t next;
		bool failed = get_user_u64(&next, entry & ~1ull);
		if ((entry & ~1ull) != (pending & ~1ull))
			robust_release(task, (entry & ~1ull) + offset, false);
		if (failed)
			break;
		entry = next;
	}
	if (pending & ~1ull)
		robust_release(task, (pending & ~1ull) + offset, true);
}

void futex_exit(struct task *task)
{
	robust_exit(task);
	if (__atomic_load_n(&pi_waiting, __ATOMIC_SEQ_CST))
		pi_exit(task);
}
