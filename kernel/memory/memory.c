/* Memory objects: their pages, who shares and who pays for them.
 *
 * An entry of the radix tree is the one thing that holds a frame (but for pins). Rules, all under
 * memory->lock:
 *   - a frame is mapped writable only if this entry is its only reference and is marked ENTRY_DIRTY;
 *   - what leaves the tree is first unmapped everywhere, then, after the lock is released and all CPUs have
 * flushed, released (memory_settle, or the end of a slice);
 *   - a pinned frame never gains a second reference: clones copy it.
 */
#include "bytes.h"
#include "calls.h"
#include "memory.h"
#include "space.h"
#include "thread.h"
#include "unit.h"

#define TEAR_PAGES  43u
#define WAKE_SLICE  4u
#define WAKE_PASSES 0xfffffu
#define SKIP_PAGES  256u /* without an entry, that a slice passes over before it starts */

/* Orders the end of a pinned frame's entry against its last unpin. */
static struct lock pin_lock;

static void frame_hold(struct frame *frame, struct unit *payer)
{
	frame->counts = FRAME_PAYER;
	frame->payer = payer;
}

/* Drops the one reference to FRAME, which is, or was a moment ago, pinned: who comes last, this or
 * memory_unpin, frees it. True: its payer has pinned it and goes on paying. */
static bool drop_pinned(struct frame *frame, physical_t address)
{
	bool pinned, kept;

	lock_take(&pin_lock);
	frame->counts = 0;
	pinned = frame->pins;
	kept = frame->own_pins;
	lock_release(&pin_lock);
	if (!pinned)
		frame_free(address);
	return kept;
}

/* Drops what ENTRY, which is in no tree and no page table any more, holds; returns the bytes that its owner
 * is to be uncharged. A frame that becomes free goes to BATCH. */
static inline uint64_t entry_drop(uint64_t entry, struct frame_batch *batch)
{
	struct frame *frame = frame_of(ENTRY_FRAME(entry));
	uint64_t counts, bytes = entry & ENTRY_FREE ? 0 : PAGE_SIZE_BYTES;

	/* Nobody can pin it any more, nor, if this is the only reference, take another. */
	if (__builtin_expect(frame->pins, 0)) {
		return drop_pinned(frame, ENTRY_FRAME(entry)) ? 0 : bytes;
	}
	if (frame->references == 1) {
		frame->counts = 0;
	} else {
		counts = __atomic_sub_fetch(&frame->counts,
		                            entry & (ENTRY_PAID | ENTRY_FREE) ? FRAME_SHARED : FRAME_PAYER,
		                            __ATOMIC_ACQ_REL);
		/* The payer pays until the last of its own entries goes. */
		if (!(entry & ENTRY_PAID) && counts >> 32)
			bytes = 0;
		if ((uint32_t)counts)
			return bytes;
	}
	frame->next = batch->first;
	if (!batch->first)
		batch->last = frame;
	batch->first = frame;
	batch->count++;
	return bytes;
}

static void release_entries(struct unit *owner, const uint64_t *entries, uint64_t count)
{
	struct frame_batch batch = {0, 0, 0};
	uint64_t bytes = 0;

	for (uint64_t i = 0; i < count; i++)
		bytes += entry_drop(entries[i], &batch);
	frame_free_batch(&batch);
	if (bytes)
		unit_uncharge(owner, bytes);
}

/* A new frame charged to OWNER, with one reference; 0: quota. */
static physical_t frame_buy(struct unit *owner, bool zeroed)
{
	physical_t frame = unit_frame(owner, zeroed);

	if (frame)
		frame_hold(frame_of(frame), owner);
	return frame;
}

struct memory *memory_create(struct unit *owner, uint32_t kind, uint64_t pages, int64_t *error)
{
	struct memory *memory = (struct memory *)object_create(owner, OBJECT_MEMORY, sizeof(*memory), error);

	if (!memory)
		return 0;
	memory->kind = kind;
	memory->pages = pages;
	memory->height = radix_height(pages);
	list_init(&memory->wanting);
	list_append(&memory->wanting, &memory->told);
	list_init(&memory->mappings);
	return memory;
}

bool memory_has_frames(const struct memory *memory)
{
	return memory->kind == MEMORY_ANONYMOUS || memory->kind == MEMORY_PAGER;
}

/* The entry at PLACE gets a frame of its own; the shared one is left to UNSETTLED. */
static int64_t break_sharing(struct memory *memory, uint64_t page, uint64_t *place,
                             struct unsettled *unsettled)
{
	struct unit *owner = memory->object.owner;
	uint64_t entry;
	physical_t copy;

	/* Other mappings of this object still show the shared frame; so, until settled, do other CPUs. One
	 * that holds a translation from before the frame was shared may even write to it. */
	if (!memory_unmap(memory, page, page + 1, false, &unsettled->flush))
		return CALL_RESTART;
	copy = frame_buy(owner, false);
	if (!copy)
		return E_QUOTA_MEMORY;
	entry = *place;
	memcpy(frame_map(copy), frame_map(ENTRY_FRAME(entry)), PAGE_SIZE_BYTES);
	*place = copy;
	unsettled->owner = owner;
	unsettled->entry = entry;
	return E_OK;
}

void memory_settle(struct unsettled *unsettled)
{
	flush_finish(&unsettled->flush);
	if (unsettled->entry)
		release_entries(unsettled->owner, &unsettled->entry, 1);
}

int64_t memory_frame(struct memory *memory, uint64_t page, bool write, physical_t *frame, uint64_t **place,
                     struct unsettled *unsettled)
{
	int64_t status;

	if (memory->object.dead)
		return E_HANDLE;
	if (page >= memory->pages)
		return E_ARGUMENT;
	*place = 0;
	if (!memory_has_frames(memory)) {
		*frame = memory->device_base + page * PAGE_SIZE_BYTES;
		return E_OK;
	}
	*place = radix_find(memory, page);
	if (!*place || !**place) {
		if (memory->kind == MEMORY_PAGER)
			return E_FAULT;
		if (!*place && !(*place = radix_make(memory, page, &status)))
			return status;
		**place = frame_buy(memory->object.owner, true);
		if (!**place)
			return E_QUOTA_MEMORY;
		radix_count(memory, *place, 1);
		memory->resident++;
	} else if (write && !memory_there(memory, *place, true)) {
		return E_FAULT;
	} else if (write && frame_of(ENTRY_FRAME(**place))->references != 1) {
		status = break_sharing(memory, page, *place, unsettled);
		if (status < 0)
			return status;
	}
	if (write)
		**place |= ENTRY_DIRTY;
	*frame = ENTRY_FRAME(**place);
	return E_OK;
}

int64_t memory_pin(struct memory *memory, uint64_t page, struct unit *unit, physical_t *frame)
{
	struct unsettled unsettled;
	uint64_t *place;
	int64_t status;

	bool device = !unit, own = device || memory->object.owner == unit;

	if (!own && !unit_charge(unit, PAGE_SIZE_BYTES))
		return E_QUOTA_MEMORY;
	unsettled_init(&unsettled);
	lock_take(&memory->lock);
	status =
	    memory_has_frames(memory) ? memory_frame(memory, page, true, frame, &place, &unsettled) : E_FAULT;
	/* A thread's page is no device's, so that only what the payer pays for ever passes to another. */
	if (status == E_OK &&
	    (device ? frame_of(*frame)->pins % FRAME_DEVICE : frame_of(*frame)->pins / FRAME_DEVICE))
		status = E_FAULT;
	if (status == E_OK) {
		/* The object's alone, so its owner's to pay as any page of its own. */
		*place &= ~ENTRY_PAID;
		frame_hold(frame_of(*frame), memory->object.owner);
		lock_take(&pin_lock);
		frame_of(*frame)->pins += device ? FRAME_DEVICE : 1;
		frame_of(*frame)->own_pins += own;
		lock_release(&pin_lock);
	}
	lock_release(&memory->lock);
	memory_settle(&unsettled);
	if (status < 0 && !own)
		unit_uncharge(unit, PAGE_SIZE_BYTES);
	return status;
}

void memory_unpin(physical_t address, struct unit *unit)
{
	struct frame *frame = frame_of(address);
	uint32_t weight = unit ? 1 : FRAME_DEVICE;
	bool last, own, pays;

	lock_take(&pin_lock);
	own = !unit || frame->payer == unit;
	unit = unit ? unit : frame->payer;
	frame->own_pins -= own;
	pays = !own || (!frame->own_pins && !frame->references);
	/* Read before: without a pin, entry_drop frees it without this lock. */
	last = frame->pins == weight && !frame->references;
	__atomic_store_n(&frame->pins, frame->pins - weight, __ATOMIC_RELEASE);
	lock_release(&pin_lock);
	if (last)
		frame_free(address);
	if (pays)
		unit_uncharge(unit, PAGE_SIZE_BYTES);
}

bool memory_pin_pass(physical_t address, struct unit *from, struct unit *to)
{
	struct frame *frame = frame_of(address);
	bool passed;

	lock_take(&pin_lock);
	passed = frame->payer == from;
	if (passed)
		frame->payer = to;
	lock_release(&pin_lock);
	return passed;
}

/* Takes the entries of [PAGE, END), all in one lowest node, which exists; returns how many there were. */
static uint64_t take_entries(struct memory *memory, uint64_t page, uint64_t end, uint64_t *entries)
{
	uint64_t taken = 0;
	uint64_t *place = radix_find(memory, page);

	for (; page < end; page++, place++) {
		if (!*place)
			continue;
		entries[taken++] = *place;
		*place = 0;
	}
	memory->resident -= taken;
	if (!radix_count(memory, place - 1, -(int64_t)taken))
		radix_drop_leaf(memory, page - 1);
	return taken;
}

/* The first page of [PAGE, END) that may have an entry, and *STOP: as far as the search, or one lowest node,
 * reaches. memory->lock held. */
static uint64_t next_used(struct memory *memory, uint64_t page, uint64_t end, uint64_t *stop)
{
	*stop = end;
	page = memory->resident ? radix_next(memory, page, end) : end;
	if (page == end)
		return end;
	*stop = least(least(end, (page | 511) + 1), page + SKIP_PAGES);
	return radix_used(memory, page, *stop);
}

uint64_t memory_discard_slice(struct memory *memory, uint64_t first, uint64_t end)
{
	struct flush flush;
	uint64_t entries[UNMAP_PAGES];
	uint64_t count = 0, stop;

	flush_init(&flush);
	lock_take(&memory->lock);
	if (!memory_has_frames(memory) || memory->object.dead) {
		lock_release(&memory->lock);
		return end;
	}
	first = next_used(memory, first, end, &stop);
	if (first < stop) {
		stop = least(stop, first + UNMAP_PAGES);
		if (memory_unmap(memory, first, stop, false, &flush))
			count = take_entries(memory, first, stop, entries);
		else
			stop = first;
	}
	lock_release(&memory->lock);
	flush_finish(&flush);
	release_entries(memory->object.owner, entries, count);
	return stop;
}

static void lock_pair(struct memory *a, struct memory *b)
{
	lock_take(a < b ? &a->lock : &b->lock);
	if (a != b)
		lock_take(a < b ? &b->lock : &a->lock);
}

static void unlock_pair(struct memory *a, struct memory *b)
{
	lock_release(&a->lock);
	if (a != b)
		lock_release(&b->lock);
}

/* What CLONE enters for SOURCE's ENTRY where it is not simply one more of the payer's; 0: quota. Both locks
 * held. */
static uint64_t entry_share(struct memory *clone, uint64_t entry)
{
	struct frame *frame = frame_of(ENTRY_FRAME(entry));
	struct unit *owner = clone->object.owner;
	uint64_t shared = ENTRY_FRAME(entry);

	if (frame->pins) {
		physical_t copy = frame_buy(owner, false);

		if (copy)
			memcpy(frame_map(copy), frame_map(shared), PAGE_SIZE_BYTES);
		return copy;
	}
	if (entry & ENTRY_FREE)
		shared |= ENTRY_FREE;
	else if (unit_charge(owner, PAGE_SIZE_BYTES))
		shared |= ENTRY_PAID;
	else
		return 0;
	__atomic_add_fetch(&frame->counts, FRAME_SHARED, __ATOMIC_RELAXED);
	return shared;
}

/* Shares the COUNT entries from FROM on, all in one node, with those from TO on; returns how many were
 * passed: fewer when the quota lacks a page (*STATUS) or after a whole page had to be copied. */
static uint64_t share_entries(struct memory *clone, const uint64_t *from, uint64_t *to, uint64_t count,
                              bool same_owner, int64_t *status)
{
	uint64_t resident = 0, i;
	bool copied = false;

	for (i = 0; i < count && !copied; i++) {
		uint64_t entry = from[i], shared = ENTRY_FRAME(entry);
		struct frame *frame = frame_of(shared);

		if (!entry)
			continue;
		copied = frame->pins;
		if (__builtin_expect(same_owner && !copied && !(entry & (ENTRY_PAID | ENTRY_FREE)), 1)) {
			__atomic_add_fetch(&frame->counts, FRAME_PAYER, __ATOMIC_RELAXED);
		} else if (!(shared = entry_share(clone, entry))) {
			*status = E_QUOTA_MEMORY;
			break;
		}
		to[i] = shared;
		resident++;
	}
	clone->resident += resident;
	radix_count(clone, to, (int64_t)resident);
	return i;
}

/* COUNT entries of a boot module's range. */
static uint64_t share_module(struct memory *clone, struct memory *source, uint64_t page, uint64_t *to,
                             uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		to[i] = entry_share(clone, (source->device_base + (page + i) * PAGE_SIZE_BYTES) | ENTRY_FREE);
	clone->resident += count;
	radix_count(clone, to, (int64_t)count);
	return count;
}

int64_t memory_clone_slice(struct memory *clone, struct memory *source, uint64_t source_page,
                           uint64_t *progress)
{
	bool module = source->kind == MEMORY_PHYSICAL;
	uint64_t page, stop, count, *to, end = source_page + clone->pages;
	int64_t status = E_OK;
	struct flush flush;

	flush_init(&flush);
	lock_pair(clone, source);
	if (clone->object.dead || source->object.dead) {
		unlock_pair(clone, source);
		return E_HANDLE;
	}
	if (end > source->pages)
		end = source->pages > source_page ? source->pages : source_page;
	page = source_page + *progress;
	stop = end;
	if (!module)
		page = next_used(source, page, end, &stop);
	if (page < stop) {
		/* As far as one lowest node of each reaches, and less than a slice: making a node takes its
		 * part. */
		count = least(least(end - page, UNMAP_PAGES / 2 + 1),
		              least(512 - page % 512, 512 - (page - source_page) % 512));
		to = radix_find(clone, page - source_page);
		if (!to && page == source_page + *progress)
			(void)radix_make(clone, page - source_page, &status);
		if (!to || (!module && !memory_unmap(source, page, page + count, true, &flush)))
			status =
			    status ? status : CALL_RESTART; /* the search, nodes, or unmapping: a slice */
		else if (module)
			page += share_module(clone, source, page, to, count);
		else
			page += share_entries(clone, radix_find(source, page), to, count,
			                      source->object.owner == clone->object.owner, &status);
	}
	unlock_pair(clone, source);
	flush_finish(&flush);
	*progress = page - source_page;
	return status < 0 ? status : page < end ? CALL_RESTART : E_OK;
}

/* ENTRY, out of SOURCE's tree, as an entry of MEMORY's: moves the charge. 0: quota, nothing changed. Locks
 * held. */
static uint64_t entry_move(struct memory *memory, struct memory *source, uint64_t entry)
{
	struct unit *to = memory->object.owner, *from = source->object.owner;
	struct frame *frame = frame_of(ENTRY_FRAME(entry));
	uint64_t counts;

	entry &= ~(ENTRY_DIRTY | ENTRY_MAPPED | ENTRY_WRITABLE);
	if (entry & ENTRY_FREE || to == from)
		return entry;
	if (!unit_charge(to, PAGE_SIZE_BYTES))
		return 0;
	if (frame->references == 1) {
		frame_hold(frame, to);
		unit_uncharge(from, PAGE_SIZE_BYTES);
		return ENTRY_FRAME(entry);
	}
	/* The reference stays, but is no longer one of the payer's. */
	counts = entry & ENTRY_PAID
	             ? 0
	             : __atomic_sub_fetch(&frame->counts, FRAME_PAYER - FRAME_SHARED, __ATOMIC_ACQ_REL);
	if (!(counts >> 32))
		unit_uncharge(from, PAGE_SIZE_BYTES);
	return ENTRY_FRAME(entry) | ENTRY_PAID;
}

int64_t memory_supply_slice(struct memory *memory, uint64_t page, struct memory *source, uint64_t source_page,
                            uint64_t count, uint64_t *moved)
{
	struct flush flush;
	int64_t status = E_OK;
	uint64_t done = 0;

	*moved = 0;
	flush_init(&flush);
	lock_pair(memory, source);
	if (memory->object.dead || source->object.dead)
		status = E_HANDLE;
	else if (page + count > memory->pages || source_page + count > source->pages)
		status = E_ARGUMENT;
	for (; status == E_OK && done < count; done++) {
		uint64_t *from = radix_find(source, source_page + done);
		uint64_t *to = radix_make(memory, page + done, &status);
		bool there = from && *from;
		uint64_t entry = 0;

		if (to && *to)
			continue; /* supplied before, perhaps written since: stays */
		if (there && frame_of(ENTRY_FRAME(*from))->pins)
			status = E_STATE;
		else if (there &&
		         !memory_unmap(source, source_page + done, source_page + done + 1, false, &flush))
			status = CALL_RESTART;
		else if (to)
			entry =
			    there ? entry_move(memory, source, *from) : frame_buy(memory->object.owner, true);
		if (!entry) {
			status = status ? status : E_QUOTA_MEMORY;
			break;
		}
		if (there) {
			*from = 0;
			radix_count(source, from, -1);
			source->resident--;
		}
		*to = entry;
		radix_count(memory, to, 1);
		memory->resident++;
		++*moved;
	}
	unlock_pair(memory, source);
	flush_finish(&flush);
	return status;
}

/* The first waiter that WAKING has not passed, of those that the pager was told of or of the others; 0: none. */
static struct thread *waiter_next(struct memory *memory)
{
	struct list *nodes[] = {memory->wanting.next, memory->told.next};

	for (unsigned i = 0; i < 2; i++) {
		struct thread *thread = container_of(nodes[i], struct thread, queue_node);

		if (nodes[i] != &memory->told && nodes[i] != &memory->wanting &&
		    thread->pager_pass != memory->waking.pass)
			return thread;
	}
	return 0;
}

/* Goes on with MEMORY's waking; who is to wake goes to WOKEN, others to the back of their part of the queue. */
static void wake_slice(struct memory *memory, struct list *woken)
{
	struct waking *w = &memory->waking;

	for (unsigned i = 0; i < WAKE_SLICE && w->active; i++) {
		struct thread *thread = waiter_next(memory);
		bool told = thread && &thread->queue_node == memory->wanting.next;
		uint64_t word, page;

		w->active = thread;
		if (!thread)
			return;
		word = thread->wait;
		page = thread->wanted_page & ~WANTED_WRITE;
		thread->pager_pass = w->pass;
		list_remove(&thread->queue_node);
		if (page < w->first || page >= w->end ||
		    (w->answer == PAGER_FULL && !(thread->wanted_page & WANTED_WRITE))) {
			list_append(told ? &memory->told : &memory->wanting, &thread->queue_node);
		} else if (WAIT_STATE(word) == THREAD_PAGER && wait_claim(thread, word)) {
			thread->pager_answer = w->answer;
			list_append(woken, &thread->queue_node);
		}
	}
}

bool memory_wake(struct memory *memory, uint64_t first, uint64_t end, enum pager_answer answer,
                 uint64_t *pass)
{
	struct waking *w = &memory->waking;
	struct list woken;
	bool done;

	list_init(&woken);
	lock_take(&memory->lock);
	if (!*pass && !w->active) {
		*w = (struct waking){first, end, w->pass % WAKE_PASSES + 1, (uint8_t)answer, true};
		*pass = w->pass;
	}
	wake_slice(memory, &woken); /* this one, or another's that is under way */
	done = *pass && (*pass != w->pass || !w->active);
	lock_release(&memory->lock);
	while (!list_empty(&woken)) {
		struct thread *thread = container_of(woken.next, struct thread, queue_node);

		list_remove(woken.next);
		sched_wake(thread);
	}
	return done;
}

/* The pages of a dead object. Its mappings went with its capabilities, some perhaps not yet with what CPUs hold of
 * them; whoever found it alive has left its lock once this has it. */
static bool tear_pages(struct memory *memory)
{
	struct frame_batch batch = {0, 0, 0};
	uint64_t bytes = 0, left, page, stop, *place;
	bool flushing;

	lock_take(&memory->lock);
	flushing = memory->unmapping.flushing;
	lock_release(&memory->lock);
	if (flushing)
		return false;
	if (!memory->resident)
		return radix_free_slice(memory);
	page = next_used(memory, memory->torn_page, 1ull << (9 * memory->height), &stop);
	if (page >> 9 != memory->torn_page >> 9) { /* a search through another node is a slice of its own */
		memory->torn_page = page;
		return false;
	}
	stop = least(stop, page + TEAR_PAGES);
	left = memory->resident;
	for (place = radix_find(memory, page); page < stop && left; page++, place++) {
		if (!*place)
			continue;
		bytes += entry_drop(*place, &batch);
		*place = 0;
		left--;
	}
	memory->resident = left;
	memory->torn_page = left ? page : 0; /* then the nodes, from the first one on */
	frame_free_batch(&batch);
	if (bytes)
		unit_uncharge(memory->object.owner, bytes);
	/* A tree of several nodes is work for slices of its own. */
	return !left && memory->height < 2 && radix_free_slice(memory);
}

bool memory_teardown(struct object *object)
{
	struct memory *memory = container_of(object, struct memory, object);
	struct label *label;
	uint64_t pass = 0;

	cap_detach(&memory->bound);
	if (memory->source) {
		object_release(memory->source);
		memory->source = 0;
	}
	if (memory->wanting.next != memory->wanting.previous)
		return memory_wake(memory, 0, UINT64_MAX, PAGER_ALLOW, &pass) && false;
	if (memory_has_frames(memory) && !tear_pages(memory))
		return false;
	lock_take(&memory->lock);
	label = memory->label; /* whoever found the object alive may still copy it */
	memory->label = 0;
	lock_release(&memory->lock);
	if (label)
		unit_free(label);
	return true;
}
