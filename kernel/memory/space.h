/* Address spaces: mappings of memory objects, and the page tables made from them on demand.
 *
 * A native space has mappings in the native window only. A guest space has mappings everywhere else in the
 * lower half and two roots: `guest_root`, which the guest runs on, and `native_root`, which adds the
 * personality's native window (one shared top-level entry) and on which the personality runs while this guest
 * space is chosen. Both share all lower tables.
 *
 * Page tables are a cache of the mappings: any fault can rebuild them. They are charged to the space's owner
 * and live as long as the space. Locks: the tree of mappings and the making of tables under space->lock; the
 * translations of one memory object's pages, in whatever space, under memory->lock alone, so that a memory
 * object can take its pages back from all spaces without their locks. A mapping's fields change under both.
 */
#pragma once

#include "cpu.h"
#include "memory.h"

/* A mapping: one region of one space onto one memory object. In the space's tree by address. It is an internal
 * capability, derived from the one it was made with: the object lives as long, protect gives no more rights than
 * it has, and who revokes takes it back. */
struct mapping {
	union {
		struct cap cap; /* CAP_MAPPING */
		struct {
			struct memory *memory; /* its object */
			struct space *space;   /* its badge */
		};
	};
	struct mapping *left, *right; /* treap by start, heap by priority */
	uint32_t priority;
	uint32_t flags;          /* MAP_READ|WRITE|EXECUTE */
	uint64_t start, end;     /* addresses, page aligned, [start, end) */
	uint64_t page;           /* of memory, at start */
	struct list memory_node; /* memory->mappings, guarded by memory->lock */
};
_Static_assert(sizeof(struct mapping) == 128 &&
                   offsetof(struct mapping, memory) == offsetof(struct cap, object) &&
                   offsetof(struct mapping, space) == offsetof(struct cap, badge),
               "a mapping is two cache lines");

struct space {
	struct object object;
	struct lock lock;
	uint32_t kind;                      /* enum space_kind */
	struct space *native;               /* guest spaces: the personality's space; counted reference */
	struct mapping *root;               /* tree of mappings */
	struct mapping *recent;             /* where the last fault was */
	physical_t native_root, guest_root; /* top-level tables */
	volatile uint32_t active_cpus;      /* bit a CPU that may hold translations */
	uint64_t mapping_count;
	uint64_t torn_address; /* teardown: no table is left below */
};

enum space_fault { SPACE_FAULT_RESOLVED, SPACE_FAULT_PAGER, SPACE_FAULT_ACCESS, SPACE_FAULT_MEMORY };

/* Resolves a page fault at ADDRESS: demand zero, copy on write, missing table entry; maps up to 15 resident
 * neighbours. SPACE_FAULT_PAGER: *MEMORY and *PAGE say what must be asked for. SPACE_FAULT_MEMORY: the quota
 * lacks a page. */
enum space_fault space_resolve(struct space *space, uint64_t address, bool write, bool execute,
                               struct memory **memory, uint64_t *page);
struct space *space_create(struct unit *owner, enum space_kind kind, struct space *native, int64_t *error);
/* cap_unmap_first: removes a slice of the mapping that revocation of VIEW has come to. No lock held. */
void space_unmap_first(const struct cap_view *view);

/* One slice of each; E_OK when done, CALL_RESTART, or an error. *PROGRESS: bytes of the range that are done.
 * VIEW: the memory and the capability it is mapped with; none: the kernel's own doing, with the view's rights. No
 * lock held. */
int64_t space_map_slice(struct space *space, uint64_t address, const struct cap_view *view, uint64_t page,
                        uint64_t pages, uint32_t flags, uint64_t *progress);
/* Enters what is resident of the few pages from ADDRESS on; returns the bytes done. */
uint64_t space_populate(struct space *space, uint64_t address, uint64_t end);
int64_t space_unmap_slice(struct space *space, uint64_t address, uint64_t end);
int64_t space_protect_slice(struct space *space, uint64_t address, uint64_t end, uint32_t flags,
                            uint64_t *progress);

/* Removes, or (ONLY_WRITE) narrows, the translations of [START, END) of SPACE. Here and below the lock of the memory
 * object that is shown there is held. */
void space_clear(struct space *space, uint64_t start, uint64_t end, bool only_write, struct flush *flush);
/* No page of MEMORY is free for others before FLUSH, of translations of it, is done. */
static inline void flush_count(struct memory *memory, struct flush *flush)
{
	if (flush->memory || !(flush->cpus & ~(1u << cpu_self()->index)))
		return;
	flush->memory = memory;
	memory->unmapping.flushing++;
}
/* A fault on MEMORY goes on with an unmapping first: its own page may be one of those. What is done it leaves
 * to who began it for some time, so that faults that come without end do not undo all that one does. */
void memory_unmap_help(struct memory *memory, struct flush *flush);
/* Whether a read of PAGE of MEMORY shall get what a write wants. */
bool memory_write_follows(struct memory *memory, uint64_t page);
static inline unsigned leaf_index(uint64_t address)
{
	return address >> 12 & 511;
}

/* The tree of mappings (mapping.c); space->lock held. */
struct mapping *mapping_find(struct space *space, uint64_t address); /* that holds ADDRESS, or 0 */
struct mapping *mapping_after(struct space *space,
                              uint64_t address); /* the first that ends above ADDRESS, or 0 */
void mapping_insert(struct space *space, struct mapping *mapping);
void mapping_remove(struct space *space, struct mapping *mapping);

#define SPACE_SLICE_PAGES    48u /* translations a slice clears at most, roughly */
#define SPACE_SLICE_MAPPINGS 8u
#define MAPPING_PAGES        24u /* as much work as a mapping's end */
