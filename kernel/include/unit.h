/* Units: isolation and accounting. A quota is carved from the parent's once, at creation; a charge touches one word. */
#pragma once

#include <holon/syscall.h>
#include "object.h"

/* Capability table: directory of pages of 56 slots; grows by pages charged to the unit. */
#define CAPS_PER_PAGE   56u
#define CAP_DIRECTORY   512u /* 28,672 capabilities a unit */

struct unit {
	struct object object;
	struct lock lock; /* table growth and free list, lists below, lifecycle */
	uint64_t id;
	struct unit *parent;
	struct list children, sibling; /* guarded by the parent's lock */
	struct list objects;           /* all objects this unit owns */
	struct list threads;           /* all threads of this unit: thread.unit_node */
	volatile uint64_t memory_used; /* bytes; atomic add, refused above memory_quota */
	uint64_t memory_quota, memory_children;
	volatile uint32_t caps_used;
	uint32_t caps_quota, caps_children;
	uint64_t lacked_memory, lacked_caps;
	struct cap **directory; /* one page of pointers to pages of slots */
	uint32_t cap_free;      /* first free slot index + 1; 0 none */
	uint32_t cap_slots;     /* slots in existing pages */
	uint32_t priority_max, cpu_share, flags;
	uint32_t cpu_share_used[CPU_MAX];
	volatile uint32_t frozen; /* count: own and inherited freezes */
	uint32_t state;           /* enum unit_state */
	int64_t exit_status;
	struct fault_record fault;
	struct object *event; /* parent's notification; may be 0 */
	uint64_t event_bits;
	volatile uint64_t cpu_time;
	uint32_t live_threads;
	char name[32];
};

extern struct unit root_unit; /* owns all memory at boot; the steward's */

/* Charges BYTES to UNIT: true, or false with unit->lacked_memory set. One atomic add on one word. */
bool unit_charge(struct unit *unit, uint64_t bytes);
void unit_uncharge(struct unit *unit, uint64_t bytes);
/* Ends UNIT: STATE UNIT_STOPPED or UNIT_FAILED; stops its threads, tells the parent's event. The unit object stays for
 * unit_info until it is destroyed. Bounded: threads of other CPUs are told by mailbox. */
void unit_end(struct unit *unit, enum unit_state state, int64_t status, const struct fault_record *fault);
/* Destroys UNIT's subtree, a slice at a time; true when all is gone. The first slice kills every capability and stops
 * every thread of the unit itself. Called again (restarted system call) until true. */
bool unit_destroy_slice(struct unit *unit);
