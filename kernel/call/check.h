/* Invariant checkers, one an object type: for host tests and debug kernels. Each panics with what it found.
 * Nothing else may run in the kernel meanwhile. */
#pragma once

#include "memory.h"
#include "space.h"
#include "unit.h"

/* The derivation tree of OBJECT: links, rights that only shrink, badges kept, no more references than
 * counted. */
void cap_check(const struct object *object);
/* The table of UNIT: free and used slots add up to pages and quota. */
void table_check(struct unit *unit);
/* MEMORY's tree, entry flags and reverse map. ENTRY, where not 0, is called with each entry; nodes are
 * counted in *NODES. */
void memory_check(struct memory *memory, void (*entry)(struct memory *memory, uint64_t page, uint64_t entry),
                  uint64_t *nodes);
/* SPACE's mappings, and that its page tables show nothing else. *MAPPINGS: how many. */
void space_check(struct space *space, uint64_t *mappings);
/* UNIT's lists and quotas. */
void unit_check(struct unit *unit);
