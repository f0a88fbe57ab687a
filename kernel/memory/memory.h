/* Memory objects and the frames under them.
 *
 * A memory object is a radix tree of entries by page number. Frames are shared copy-on-write by reference
 * count: a clone shares the resident frames, and a frame with more than one reference is never mapped
 * writable. Writers of a shared frame get a copy; the last one gets the frame itself. No chains of shadow
 * objects: the cost of a clone is the number of resident pages, in slices.
 *
 * Who pays for a frame: the owner unit of the object that first allocated it, the frame's payer, once,
 * however many objects of that owner share it (payer_references counts their entries). Each entry of an
 * object of another owner is charged to that owner as well (ENTRY_PAID), so nobody's memory hangs on
 * another's quota.
 *
 * Each frame of RAM has a struct frame. Frames are zeroed before they are handed out again (by the idle loop
 * where it can, else at allocation).
 */
#pragma once

#include <holon/syscall.h>
#include "object.h"

struct cpu;
struct handoff;
struct space;

typedef uint64_t physical_t; /* a physical address */

#define FRAME_SHARED 1ull                /* in counts: one reference */
#define FRAME_DEVICE (1u << 16)          /* in pins: one of a device */
#define FRAME_PAYER  (1ull << 32 | 1ull) /* one reference, of the payer's */

struct frame {
	union {
		volatile uint64_t counts; /* both, for one atomic operation */
		struct {
			/* Entries of memory objects that hold it; 0: free or kernel-owned. */
			volatile uint32_t references;
			volatile uint32_t payer_references; /* of them, those of the payer's objects */
		};
	};
	union {
		struct unit *payer;
		struct frame *next; /* free lists */
	};
	volatile uint32_t pins; /* thread pages, guest states; or FRAME_DEVICE each: devices' (pin.h) */
	volatile uint32_t
	    own_pins; /* of them, those of the payer itself: while there are any, it goes on paying */
};

/* Takes over all RAM from 1 MiB on that HANDOFF calls free (what lies below is the architecture's): places
 * the array of struct frame there. The first thing called; needs only the direct map. */
void memory_init(const struct handoff *handoff);
/* Adds the ranges of kind LOADER to RAM and to the first unit's quota, when nothing of the loader's is in use any more, and takes
 * from that what the caches of so many CPUS may hold back. */
void memory_init_loader(uint32_t cpus);
/* One zeroed frame, or 0 (not within quota). The caller has charged for it. */
physical_t frame_allocate(void);
physical_t
frame_allocate_dirty(void);        /* contents: whatever; must be overwritten whole before anyone sees it */
void frame_free(physical_t frame); /* kernel-owned: was not shared */
/* Frames to be freed together: linked through frame->next. */
struct frame_batch {
	struct frame *first, *last;
	uint64_t count;
};
void frame_free_batch(struct frame_batch *batch);
/* frames_check.c, for check_debug: always true. CLEAN: it was zeroed. */
bool frame_poison(struct frame *frame);
bool frame_poison_batch(struct frame_batch *batch);
bool frame_unpoison(struct frame *frame, bool clean);
bool frame_is_free(physical_t frame);
extern struct frame *frame_table; /* frames.c: by frame number */
static inline struct frame *frame_of(physical_t frame)
{
	return frame_table + (frame >> 12);
}
/* A CPU's, of either kind: what one program takes comes from what the last one left in its cache. */
#define FRAME_CACHE_MAX 256u
uint64_t frame_free_bytes(void);
uint64_t frame_total_bytes(void);
/* Any page of [base, base + bytes) is RAM the kernel manages, or a boot module: no device. */
bool memory_is_ram(physical_t base, uint64_t bytes);
/* All of it is one boot module's, whose frames clones may share. */
bool memory_is_module(physical_t base, uint64_t bytes);
/* Zeroes all RAM that was ever handed out, in use or not: the machine's end. Nothing generic works
 * afterwards. */
void memory_wipe(void);
/* Idle loop: zeroes one free frame; false when there is nothing to do. */
bool frame_zero_one(void);
static inline void *frame_map(physical_t frame); /* the direct map's address */
static inline physical_t frame_unmap(const void *address);

/* Kinds the kernel makes itself: physical RAM or firmware memory, cached, read-only by its capability; never
 * freed. */
#define MEMORY_PHYSICAL 16

/* Radix entries of resident pages; 0 is absent. */
#define ENTRY_PAID         1ull             /* charged to the object's owner by itself */
#define ENTRY_FREE         2ull             /* charged to nobody: a boot module's frame */
#define ENTRY_MARK(mark)   (4ull << (mark)) /* enum dirty_mark: written since its last memory_dirty */
#define ENTRY_DIRTY        (ENTRY_MARK(DIRTY_WRITEBACK) | ENTRY_MARK(DIRTY_MIGRATION))
#define ENTRY_MAPPED       16ull /* page tables may show it */
#define ENTRY_WRITABLE     32ull /* and let it be written */
#define ENTRY_FRAME(entry) ((entry) & ~0xfffull)

#define MEMORY_PAGES_MAX (1ull << 36) /* 256 TiB */
#define MEMORY_DEPTH_MAX 8u           /* clones of clones of device memory */

/* In thread->wanted_page: to write to. */
#define WANTED_WRITE (1ull << 63)

/* The removal of pages [FIRST, END) from all mappings of an object, or (ONLY_WRITE) of the right to write
 * them. It goes through the list of mappings a slice at a time, whoever needs the object goes on with it, and
 * meanwhile no fault shows these pages. */
struct unmapping {
	uint64_t first, end;
	bool active, only_write;
	uint32_t left;     /* mappings to be passed, from the head of the list; those passed go to its end */
	uint32_t flushing; /* slices, of this or an earlier one, whose translations CPUs may hold still */
	uint32_t waited;   /* faults that found it done */
};

/* The waking of threads that wait for pages [FIRST, END) of an object, a slice at a time, by whoever needs it done. */
struct waking {
	uint64_t first, end;
	uint32_t pass; /* its number, of 20 bits, never 0: thread->pager_pass of those it has passed */
	uint8_t answer;
	bool active;
};

struct memory {
	struct object object;
	struct lock lock;
	uint32_t kind;    /* enum memory_kind, or MEMORY_PHYSICAL */
	uint32_t height;  /* levels of 512-entry nodes; 0: root is the entry of page 0 itself */
	bool asks_writes; /* pager objects: PAGER_WRITES */
	uint8_t depth;    /* how often a clone of device memory is one of a clone */
	uint64_t tracked; /* ENTRY_MARKs without which a page is not mapped writable */
	uint64_t pages;
	uint64_t resident;
	uint64_t root; /* entry, or address of the top node */
	physical_t device_base;
	/* Internal: the pager's event; of a clone of device memory the whole, on whose leash it is. */
	struct cap bound;
	/* Pager objects: threads waiting for a page (queue_node), first those that the pager was told of, then TOLD,
	 * a node of the list, then the others. */
	struct list wanting, told;
	struct waking waking;
	struct list mappings; /* struct mapping.memory_node: reverse map */
	uint32_t mapping_count;
	struct unmapping unmapping;
	/* A clone under way: what it is a clone of. */
	struct object *source;
	uint64_t source_page;
	uint64_t torn_page;  /* teardown: no page is left below; once there is none, no node */
	struct label *label; /* 0 or on the owner's heap */
};

/* A memory object of PAGES pages with one reference (the creator's). *ERROR as object_create. */
struct memory *memory_create(struct unit *owner, uint32_t kind, uint64_t pages, int64_t *error);
/* Translations to be forgotten by all CPUs that may hold them, collected under locks, done after their
 * release. */
#define FLUSH_PAGES 16
struct flush {
	struct memory *memory; /* counts this in its unmapping.flushing; 0 none */
	uint32_t cpus;         /* bit a CPU */
	uint32_t count;        /* pages; above FLUSH_PAGES: everything */
	uint64_t pages[FLUSH_PAGES];
};
static inline void flush_init(struct flush *flush)
{
	flush->memory = 0;
	flush->cpus = flush->count = 0;
}
void flush_add(struct flush *flush, struct space *space, uint64_t address);
void flush_all(struct flush *flush);
/* Flushes here and waits for the other CPUs. No lock held. */
static inline void flush_finish(struct flush *flush)
{
	if (flush->cpus || flush->memory)
		flush_all(flush);
}
/* IPI, and while waiting for others: does what other CPUs asked of this one. */
void flush_serve(struct cpu *cpu);
/* Removes (or ONLY_WRITE: narrows) all translations of pages [first, end) of MEMORY, at most UNMAP_PAGES of
 * one lowest node, in every space. True: none is left while the lock is held, but on the
 * CPUs of FLUSH. False: that was a slice; flush_finish after the lock's release, and the same again.
 * memory->lock held. */
#define UNMAP_PAGES 28u
bool memory_unmap(struct memory *memory, uint64_t first, uint64_t end, bool only_write, struct flush *flush);

/* What memory_frame leaves to be done once the locks are released: memory_settle. */
struct unsettled {
	struct flush flush;
	struct unit *owner;
	uint64_t entry; /* replaced by a copy: released after the flush; 0 none */
};
static inline void unsettled_init(struct unsettled *unsettled)
{
	flush_init(&unsettled->flush);
	unsettled->entry = 0;
}
void memory_settle(struct unsettled *unsettled);

/* The frame of PAGE for reading, or for writing (then private to this object: copies or allocates as needed,
 * charged to the owner). E_OK with *FRAME, E_QUOTA_MEMORY, E_ARGUMENT beyond the end, E_HANDLE when the
 * object is dead, E_FAULT when a pager must be asked, or CALL_RESTART: settle and ask again. A never-written
 * anonymous page is allocated. *PLACE: its radix entry, or 0 for kinds without. UNSETTLED is the caller's,
 * initialised. memory->lock held. */
int64_t memory_frame(struct memory *memory, uint64_t page, bool write, physical_t *frame, uint64_t **place,
                     struct unsettled *unsettled);
bool memory_has_frames(const struct memory *memory); /* anonymous or pager: made of radix entries */
/* Whether the page of ENTRY may be mapped writable as it is, or, MARK, for a write now; if so, marks it
 * dirty. memory->lock held. */
static inline bool memory_entry_writable(struct memory *memory, uint64_t *entry, bool mark)
{
	if (frame_of(ENTRY_FRAME(*entry))->references != 1)
		return false;
	if (memory->tracked & ~*entry && !mark)
		return false;
	*entry |= ENTRY_DIRTY | ENTRY_WRITABLE;
	return true;
}
/* Whether ENTRY (0: none) is there for a read, or a write, as far as a pager is concerned. memory->lock held. */
static inline bool memory_there(const struct memory *memory, const uint64_t *entry, bool write)
{
	return entry && *entry && (!write || !memory->asks_writes || *entry & ENTRY_MARK(DIRTY_WRITEBACK));
}
/* Pins PAGE of MEMORY as a writable private frame for kernel use (thread page, guest state): it stays
 * allocated, whatever becomes of the object, until memory_unpin, and is paid as long: by UNIT, which is
 * charged for it where the object is another's. E_FAULT for kinds without frames, CALL_RESTART where a slice was done first. UNIT 0: for a device, paid by the
 * object's owner; one page is never pinned for both. Takes memory->lock. */
int64_t memory_pin(struct memory *memory, uint64_t page, struct unit *unit, physical_t *frame);
void memory_unpin(physical_t frame, struct unit *unit);
/* A frame pinned for a device, which FROM pays for, is TO's to pay from now on; false: it was not FROM's. */
bool memory_pin_pass(physical_t frame, struct unit *from, struct unit *to);
/* Removes resident pages from [first, end): unmapped, flushed, released; a slice. Returns the page reached.
 * No lock held. */
uint64_t memory_discard_slice(struct memory *memory, uint64_t first, uint64_t end);
/* Copies entries of SOURCE to CLONE (same size as the range) from page *PROGRESS on, a slice. E_OK when done,
 * CALL_RESTART, E_HANDLE when one of them died, or E_QUOTA_MEMORY. No lock held. */
int64_t memory_clone_slice(struct memory *clone, struct memory *source, uint64_t source_page,
                           uint64_t *progress);
/* Moves pages of SOURCE into absent places of the pager object MEMORY, a slice of COUNT pages; *MOVED: how many were absent. */
int64_t memory_supply_slice(struct memory *memory, uint64_t page, struct memory *source, uint64_t source_page,
                            uint64_t count, uint64_t *moved);
/* Gives the threads that wait for pages [first, end) of a pager object their ANSWER and wakes them, a slice; true when all were
 * passed. *PASS: 0 at first, then this one's number. Takes memory->lock. */
bool memory_wake(struct memory *memory, uint64_t first, uint64_t end, enum pager_answer answer,
                 uint64_t *pass);

static inline uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}
/* Page numbers of the byte range of a call; false: unaligned, empty or beyond what an object may have. */
/*@ requires \valid(first) && \valid(count) && \separated(first, count);
    assigns *first, *count;
    ensures \result ==> *first * PAGE_SIZE_BYTES == offset && *count * PAGE_SIZE_BYTES == bytes;
    ensures \result ==> 0 < *count && *first + *count <= MEMORY_PAGES_MAX;
    ensures !\result ==> offset % PAGE_SIZE_BYTES != 0 || bytes % PAGE_SIZE_BYTES != 0 || bytes == 0 ||
      (offset + bytes) / PAGE_SIZE_BYTES > MEMORY_PAGES_MAX;
*/
bool page_range(uint64_t offset, uint64_t bytes, uint64_t *first, uint64_t *count);

/* Radix tree (radix.c); memory->lock held. */
/*@ assigns \nothing;
    ensures \result <= 4;
    ensures \result < 4 ==> pages <= 1 << (9 * \result);
    ensures \result > 0 ==> pages > 1 << (9 * (\result - 1));
*/
uint32_t radix_height(uint64_t pages);
/* To the height for PAGES. E_OK, E_QUOTA_MEMORY, or CALL_RESTART: several nodes were made, a slice. */
int64_t radix_grow(struct memory *memory, uint64_t pages);
uint64_t *radix_find(struct memory *memory, uint64_t page); /* the place of PAGE's entry; 0: no node there */
/* The same, making nodes; 0: *STATUS as of radix_grow. */
uint64_t *radix_make(struct memory *memory, uint64_t page, int64_t *status);
/* The first page >= PAGE and < END, or END, that there is a lowest node for; or how far a search through one node has come. */
uint64_t radix_next(struct memory *memory, uint64_t page, uint64_t end);
/* The first page of [PAGE, END) with an entry, or END; the range is not empty and all in one lowest node. */
uint64_t radix_used(struct memory *memory, uint64_t page, uint64_t end);
void radix_drop_leaf(struct memory *memory,
                     uint64_t page); /* frees the lowest node of PAGE, which is empty */
/* Frees a node of an empty tree, or looks for one from torn_page on; true when none is left. */
bool radix_free_slice(struct memory *memory);

#include <arch_types.h>
static inline void *frame_map(physical_t frame)
{
	return (void *)(frame + ARCH_DIRECT_MAP);
}
static inline physical_t frame_unmap(const void *address)
{
	return (physical_t)address - ARCH_DIRECT_MAP;
}
static inline uint32_t radix_count(struct memory *memory, const uint64_t *place, int64_t change)
{
	struct frame *node = frame_of(frame_unmap((const void *)((uint64_t)place & ~(PAGE_SIZE_BYTES - 1))));

	return memory->height ? node->references += (uint32_t)change : 1;
}
