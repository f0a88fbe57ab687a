/* Locks that spin for a moment and then sleep, and the common lock: see include/lock.h.
 *
 * Who has to sleep is on a list by the lock's address (a parking place), and sleeps on its own thread's
 * event, which only ever means "look again". Sharing the common lock is counted in a word for each processor,
 * so that those who share it do not disturb one another; who wants it alone sets its word and waits until the
 * counts are zero.
 */
#include <processor.h>
#include "internal.h"
#include "time/account.h"

#define PLACES     64u
#define SPINS      200u /* tries before sleeping: about what a holder needs */
#define SLOT_BYTES 64u

struct lock_waits lock_waits[LOCK_RANKS] = {
    [LOCK_COMMON] = {.name = "common"},    [LOCK_POSITION] = {.name = "position"},
    [LOCK_OBJECT] = {.name = "object"},    [LOCK_NAMES] = {.name = "names"},
    [LOCK_STACK] = {.name = "stack"},      [LOCK_FUTEX] = {.name = "futex"},
    [LOCK_MM] = {.name = "address space"}, [LOCK_ROOM] = {.name = "room"},
    [LOCK_EPOLL] = {.name = "epoll"},      [LOCK_ASYNC] = {.name = "async"},
    [LOCK_RANDOM] = {.name = "random"},    [LOCK_PRESSURE] = {.name = "pressure"},
    [LOCK_HEAP] = {.name = "heap"},        [LOCK_LOG] = {.name = "log"},
    [LOCK_BUFFER] = {.name = "buffer"},    [LOCK_CHANGE] = {.name = "change"},
};

/* ---- Parking ---- */

struct parked {
	struct list link;
	const uint32_t *word;
	handle_t event;
	bool woken;
};

static struct place {
	uint32_t spin;
	struct list parked;
} places[PLACES];

/* The bits of the thread's own event that come while it waits for a lock were meant for another sleep. */
#define LOCK_BIT (1ull << 62)

static uint64_t wait_bits(handle_t event)
{
	uint64_t bits = 0;
	struct thread_area *area = current_area();
	bool counted = area->ready; /* not where it is on its way to the pool, without a task */
	if (counted)
		account_asleep(area->task);
	(void)event_wait(event, DEADLINE_NEVER, &bits);
	if (counted)
		account_ready(area->task);
	return bits & ~LOCK_BIT;
}

static void give_bits_back(handle_t event, uint64_t bits)
{
	if (bits)
		event_signal(event, bits);
}

static struct place *place_enter(const uint32_t *word)
{
	struct place *place = &places[((uintptr_t)word >> 3) * 0x9e3779b97f4a7c15ull >> 58];
	/* Held for a few instructions; its holder may lose the processor in them. */
	for (unsigned tries = 1; __atomic_exchange_n(&place->spin, 1, __ATOMIC_ACQUIRE); tries++) {
		if (machine.cpu_count == 1 || tries % 64 == 0)
			thread_yield();
		else
			processor_pause();
	}
	if (!place->parked.next)
		list_init(&place->parked);
	return place;
}

static void place_leave(struct place *place)
{
	__atomic_store_n(&place->spin, 0, __ATOMIC_RELEASE);
}

/* Sleeps while *WORD is 2, or was 1 and is made 2 here; until a wake-up. */
static void park(uint32_t *word)
{
	struct parked self = {.word = word, .event = current_area()->event};
	uint64_t other = 0;
	struct place *place = place_enter(word);
	uint32_t seen = 1;
	if (!__atomic_compare_exchange_n(word, &seen, 2, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE) &&
	    seen == 0) {
		place_leave(place);
		return;
	}
	list_append(&place->parked, &self.link);
	place_leave(place);
	while (!__atomic_load_n(&self.woken, __ATOMIC_ACQUIRE))
		other |= wait_bits(self.event);
	give_bits_back(self.event, other);
}

/* Wakes the first who waits for *WORD. Each wake-up passes one turn on: who takes the word leaves 2 in it,
 * and wakes the next when it lets go; who shares wakes the next at once; who finds it taken leaves 2 in it
 * for its holder. */
static void unpark(const uint32_t *word)
{
	struct place *place = place_enter(word);
	struct parked *parked;
	handle_t event = 0;
	list_for_each(parked, &place->parked, link)
	{
		if (parked->word != word)
			continue;
		event = parked->event;
		list_remove(&parked->link);
		__atomic_store_n(&parked->woken, true, __ATOMIC_RELEASE); /* it may be gone from here on */
		break;
	}
	place_leave(place); /* before the signal: who wakes may want it at once */
	if (event)
		event_signal(event, LOCK_BIT);
}

static void waited(enum lock_rank rank, uint64_t since, bool slept)
{
	struct lock_waits *waits = &lock_waits[rank];
	__atomic_fetch_add(&waits->count, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&waits->sleeps, slept, __ATOMIC_RELAXED);
	__atomic_fetch_add(&waits->ns, clock_monotonic() - since, __ATOMIC_RELAXED);
}

/* Takes *WORD, which was found held. Of little use with one processor: its holder does not run. */
static void word_acquire(uint32_t *word, enum lock_rank rank)
{
	uint64_t since = clock_monotonic();
	for (unsigned spins = machine.cpu_count > 1 ? SPINS : 0; spins; spins--) {
		uint32_t expected = 0;
		if (!__atomic_load_n(word, __ATOMIC_RELAXED) &&
		    __atomic_compare_exchange_n(word, &expected, 1, false, __ATOMIC_ACQUIRE,
		                                __ATOMIC_RELAXED)) {
			waited(rank, since, false);
			return;
		}
		processor_pause();
	}
	while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0)
		park(word);
	waited(rank, since, true);
}

void lock_acquire_slow(struct lock *lock)
{
	word_acquire(&lock->word, (enum lock_rank)lock->rank);
}

void lock_release_slow(struct lock *lock)
{
	unpark(&lock->word);
}

/* ---- The common lock ---- */

uint32_t common_word; /* held alone: 1, or 2 with others waiting */
uint32_t common_slot_count = 1;
struct common_slot common_slots[CPU_MAX] __attribute__((aligned(SLOT_BYTES)));
static handle_t drain_event; /* of who holds the word and waits until nobody shares */

_Static_assert(sizeof(struct common_slot) == SLOT_BYTES, "guest.S steps through the slots");

static void drain_wake(void)
{
	handle_t event = __atomic_load_n(&drain_event, __ATOMIC_SEQ_CST);
	if (event)
		event_signal(event, LOCK_BIT);
}

void common_shared_slow(void)
{
	struct common_slot *slot = current_area()->common_slot;
	uint64_t since = clock_monotonic();
	bool slept = false;
	do {
		__atomic_sub_fetch(&slot->shared, 1, __ATOMIC_SEQ_CST);
		drain_wake();
		unsigned spins = machine.cpu_count > 1 ? SPINS : 0;
		while (__atomic_load_n(&common_word, __ATOMIC_RELAXED) && spins--)
			processor_pause();
		while (__atomic_load_n(&common_word, __ATOMIC_RELAXED)) {
			slept = true;
			park(&common_word);
		}
		__atomic_add_fetch(&slot->shared, 1, __ATOMIC_SEQ_CST);
	} while (__atomic_load_n(&common_word, __ATOMIC_SEQ_CST));
	if (slept)
		unpark(&common_word);
	waited(LOCK_COMMON, since, slept);
}

void common_shared(void)
{
	__atomic_add_fetch(&current_area()->common_slot->shared, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&common_word, __ATOMIC_SEQ_CST))
		common_shared_slow();
	current_area()->common_mode = COMMON_SHARED;
}

void common_shared_wake(void)
{
	drain_wake();
}

void common_shared_end(void)
{
	current_area()->common_mode = COMMON_NOT;
	__atomic_sub_fetch(&current_area()->common_slot->shared, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&common_word, __ATOMIC_SEQ_CST))
		drain_wake();
}

static bool anybody_shares(void)
{
	for (uint32_t cpu = 0; cpu < common_slot_count; cpu++)
		if (__atomic_load_n(&common_slots[cpu].shared, __ATOMIC_SEQ_CST))
			return true;
	return false;
}

/* The word is the current thread's; others may share the lock still. */
void common_drain(void)
{
	uint64_t since = clock_monotonic();
	for (unsigned spins = machine.cpu_count > 1 ? SPINS : 0; spins; spins--) {
		if (!anybody_shares()) {
			waited(LOCK_COMMON, since, false);
			return;
		}
		processor_pause();
	}
	handle_t event = current_area()->event;
	__atomic_store_n(&drain_event, event, __ATOMIC_SEQ_CST);
	uint64_t other = 0;
	while (anybody_shares())
		other |= wait_bits(event);
	__atomic_store_n(&drain_event, 0, __ATOMIC_SEQ_CST);
	give_bits_back(event, other);
	waited(LOCK_COMMON, since, true);
}

void common_alone_slow(void)
{
	word_acquire(&common_word, LOCK_COMMON);
	if (anybody_shares())
		common_drain();
}

void common_alone_wake(void)
{
	unpark(&common_word);
}

void personality_lock(void)
{
	uint32_t expected = 0;
	if (!__atomic_compare_exchange_n(&common_word, &expected, 1, false, __ATOMIC_SEQ_CST,
	                                 __ATOMIC_RELAXED))
		common_alone_slow();
	else if (anybody_shares())
		common_drain();
	current_area()->common_mode = COMMON_ALONE;
}

void personality_unlock(void)
{
	current_area()->common_mode = COMMON_NOT;
	if (__atomic_exchange_n(&common_word, 0, __ATOMIC_SEQ_CST) != 1)
		common_alone_wake();
}

enum common_mode common_mode(void)
{
	return (enum common_mode)current_area()->common_mode;
}

enum common_mode common_give(void)
{
	enum common_mode mode = common_mode();
	lock_check_none("sleeps");
	if (mode == COMMON_SHARED)
		common_shared_end();
	else if (mode == COMMON_ALONE)
		personality_unlock();
	return mode;
}

void common_take(enum common_mode before)
{
	if (before == COMMON_SHARED)
		common_shared();
	else if (before == COMMON_ALONE)
		personality_lock();
}

enum common_mode common_alone(void)
{
	enum common_mode mode = common_mode();
	if (mode == COMMON_SHARED) {
		common_give();
		personality_lock();
	}
	return mode;
}

void common_back(enum common_mode before)
{
	if (before == COMMON_SHARED) {
		personality_unlock();
		common_shared();
	}
}
