/* Address spaces: mappings of memory objects, and the page tables made from them on demand.
 *
 * A native space has mappings in the native window only. A guest space has mappings everywhere else in the lower half
 * and two roots: `guest_root`, which the guest runs on, and `native_root`, which adds the personality's native window
 * (one shared top-level entry) and on which the personality runs while this guest space is chosen. Both share all
 * lower tables.
 *
 * Page tables are a cache of the mappings: any fault can rebuild them. They are charged to the space's owner.
 */
#pragma once

#include "memory.h"

/* A mapping: one region of one space onto one memory object. In the space's tree by address. */
struct mapping {
	struct mapping *left, *right; /* balanced tree by start (treap) */
	uint32_t balance;
	uint32_t flags; /* MAP_READ|WRITE|EXECUTE */
	uint64_t start, end;  /* addresses, page aligned, [start, end) */
	uint64_t offset_page; /* page of memory at start */
	struct space *space;
	struct memory *memory;
	struct list memory_node; /* memory->mappings, guarded by memory->lock */
};

struct space {
	struct object object;
	struct lock lock;
	uint32_t kind; /* enum space_kind */
	struct space *native; /* guest spaces: the personality's space */
	struct mapping *root; /* tree of mappings */
	physical_t native_root, guest_root; /* top-level tables */
	volatile uint32_t active_cpus; /* bit a CPU that may hold translations */
};

enum space_fault { SPACE_FAULT_RESOLVED, SPACE_FAULT_PAGER, SPACE_FAULT_ACCESS, SPACE_FAULT_MEMORY };

/* Resolves a page fault at ADDRESS: demand zero, copy on write, missing table entry; maps up to 15 resident neighbours.
 * SPACE_FAULT_PAGER: *MEMORY and *PAGE say what must be asked for. */
enum space_fault space_resolve(struct space *space, uint64_t address, bool write, bool execute, struct memory **memory,
			       uint64_t *page);
/* Removes write permission from, or removes, all translations of pages [first, first+count) of MEMORY in every space.
 * memory->lock held; shoots down other CPUs' translations before it returns false work: see space.c. Bounded slices by
 * the caller. */
void space_unmap_memory(struct memory *memory, uint64_t first, uint64_t count, bool only_write);
void space_destroy(struct space *space);
