/* Address spaces: mappings of memory objects, and the page tables made from them on demand.
 *
 * A native space has mappings in the native window only. A guest space has mappings everywhere else in the lower half
 * and two roots: `guest_root`, which the guest runs on, and `native_root`, which adds the personality's native window
 * (one shared top-level entry) and on which the personality runs while this guest space is chosen. Both share all
 * lower tables.
 *
 * Page tables are a cache of the mappings: any fault can rebuild them. They are charged to the space's owner and live as
 * long as the space. Locks: the tree of mappings and the making of tables under space->lock; the translations of one
 * memory object's pages, in whatever space, under memory->lock alone, so that a memory object can take its pages back
 * from all spaces without their locks. A mapping's fields change under both.
 */
#pragma once

#include "memory.h"

/* A mapping: one region of one space onto one memory object. In the space's tree by address. */
struct mapping {
	struct mapping *left, *right; /* treap by start, heap by priority */
	uint32_t priority;
	uint16_t flags;     /* MAP_READ|WRITE|EXECUTE */
	uint16_t rights;    /* most that protect may give: MAP_* by the capability it was made with */
	uint64_t start, end; /* addresses, page aligned, [start, end) */
	uint64_t page;       /* of memory, at start */
	struct space *space;
	struct memory *memory;   /* counted reference */
	struct list memory_node; /* memory->mappings, guarded by memory->lock */
};

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
};

enum space_fault { SPACE_FAULT_RESOLVED, SPACE_FAULT_PAGER, SPACE_FAULT_ACCESS, SPACE_FAULT_MEMORY };

/* Resolves a page fault at ADDRESS: demand zero, copy on write, missing table entry; maps up to 15 resident neighbours.
 * SPACE_FAULT_PAGER: *MEMORY and *PAGE say what must be asked for. SPACE_FAULT_MEMORY: the quota lacks a page. */
enum space_fault space_resolve(struct space *space, uint64_t address, bool write, bool execute, struct memory **memory,
			       uint64_t *page);
struct space *space_create(struct unit *owner, enum space_kind kind, struct space *native, int64_t *error);
/* Maps as sys_space_map; RIGHTS: RIGHT_READ|WRITE|EXECUTE of the capability to MEMORY. Range must be free. */
int64_t space_map(struct space *space, uint64_t address, struct memory *memory, uint64_t page, uint64_t pages,
		  uint32_t flags, uint16_t rights);

/* Translations to be forgotten by all CPUs that may hold them, collected under locks, done after their release. */
struct flush {
	uint32_t cpus;  /* bit a CPU */
	uint32_t count; /* pages; above FLUSH_PAGES: everything */
	uint64_t pages[16];
};
#define FLUSH_PAGES 16
void flush_add(struct flush *flush, struct space *space, uint64_t address);
/* Flushes here and waits for the other CPUs. No lock held. */
void flush_finish(struct flush *flush);
/* IPI, and while waiting for others: does what other CPUs asked of this one. */
void flush_serve(struct cpu *cpu);
/* Removes (or ONLY_WRITE: narrows) all translations of pages [first, end) of MEMORY in every space. memory->lock held. */
void memory_unmap(struct memory *memory, uint64_t first, uint64_t end, bool only_write, struct flush *flush);
