/* Units: isolation and accounting.
 *
 * A quota is carved from the parent's once, at creation; a charge touches one word. All memory a unit uses is
 * charged in whole frames: pages of its memory objects, page tables, capability pages, and the slabs of its
 * own heap, from which its kernel objects come. So nothing of one unit shares a frame with another, and all
 * of it returns when it dies.
 */
#pragma once

#include <holon/syscall.h>
#include "object.h"

/* Capability table: directory of pages of 64 slots, the first of which is the page's header; grows by pages.
 */
#define CAP_PAGE_SLOTS 64u
#define CAP_DIRECTORY  512u
#define CAPS_MAX       (CAP_DIRECTORY * (CAP_PAGE_SLOTS - 1)) /* 32,256 capabilities a unit */
#define UNIT_DEPTH_MAX 128u
#define HEAP_CLASSES   12u

/* Why a unit's threads do not run: it or a unit above it is frozen; it has ended and some are yet to die. */
enum unit_hold { UNIT_FROZEN = 1, UNIT_HELD = 2 };

struct unit {
	struct object object; /* owner: the parent */
	struct lock lock;     /* threads, lifecycle, cpu shares */
	struct lock life_lock, heap_lock,
	    slot_lock;         /* innermost: object lists; heap; free capability slots */
	struct lock reap_lock; /* only ever tried: who works on graves */
	uint64_t id;
	struct unit *parent;
	uint32_t depth;
	uint32_t state;                /* enum unit_state */
	struct list children, sibling; /* guarded by the unit tree lock */
	struct list objects;           /* live objects this unit owns */
	struct reaper {
		struct lock lock;   /* only ever tried: who works on doomed */
		struct list doomed; /* to be torn down, in order */
	} reapers[CPU_MAX];         /* by the CPU that doomed them */
	uint32_t doomed_count;      /* in all of them */
	struct list torn;           /* torn down, still referenced */
	struct list graveyard;      /* unreferenced, to be freed when no CPU can know them any more */
	uint32_t grave_count;       /* in it */
	struct list buried[2];      /* what is on its way from there: reap.c */
	uint64_t grave_ticket;      /* for what came into these last */
	struct list pins;           /* struct pin.payer_node, guarded by pin.c */
	struct list threads;        /* all threads of this unit: thread.unit_node, guarded by lock */
	uint32_t live_threads;      /* of them, not dead */
	uint32_t thread_reviews;    /* threads still to be told that the unit ended */
	uint8_t destroy_phase;
	volatile uint64_t memory_used; /* bytes; atomic add, refused above memory_quota */
	volatile uint64_t memory_quota;
	uint64_t memory_children;    /* of memory_used, carved out for children */
	volatile uint32_t caps_used; /* slots in use, reserved, or carved out for children */
	volatile uint32_t caps_quota;
	uint32_t caps_children;
	uint64_t lacked_memory, lacked_caps;
	struct cap **directory;          /* one page of pointers to pages of slots */
	uint32_t cap_free;               /* first slot's index that was given back; 0 none */
	uint32_t cap_pages;              /* pages that exist */
	uint32_t cap_fresh;              /* the next slot that was never used, as an index */
	uint32_t cap_free_count;         /* slots free, of which */
	uint32_t cap_reserved;           /* are promised */
	struct list slabs[HEAP_CLASSES]; /* with free places, by size class */
	uint32_t slab_count;             /* all slabs, frames charged to it for its heap */
	uint32_t priority_max, best_effort_max, cpu_share, flags;
	uint32_t cpu_share_used[CPU_MAX];     /* by admitted budgets and children; guarded by lock */
	volatile uint32_t frozen;             /* enum unit_hold: while not 0, its threads do not run */
	bool frozen_self;                     /* by unit_freeze on itself */
	uint32_t walk_visited, walk_finished; /* unit tree walks: which one was here last, and below */
	int64_t exit_status;
	struct fault_record fault;
	struct cap event; /* internal: the parent's notification */
	uint64_t event_bits;
	volatile uint64_t cpu_time;
	char name[32];
};

extern struct unit root_unit;  /* owns all memory at boot; the steward's */
extern bool unit_dma_confined; /* for unit_info: SYSTEM_CONFINED */

/* Makes root_unit the owner of all free frames (memory_init_loader takes the reserve for CPUs' caches from that) and of CAPS_MAX
 * capabilities. After this whoever takes a frame charges it. */
void unit_root_init(void);
/* Charges BYTES to UNIT: true, or false with unit->lacked_memory set. One atomic add on one word. */
bool unit_charge(struct unit *unit, uint64_t bytes);
void unit_uncharge(struct unit *unit, uint64_t bytes);
/* The same for COUNT capabilities, and unit->lacked_caps. */
bool unit_charge_caps(struct unit *unit, uint32_t count);
void unit_uncharge_caps(struct unit *unit, uint32_t count);
/* Changes by CHANGE ppm what is taken of UNIT's share of each CPU from FIRST on, before END; false, and nothing
 * is changed, where one has not as much left. Takes unit->lock. */
bool unit_charge_share(struct unit *unit, uint32_t first, uint32_t end, int64_t change);
/* A frame that UNIT pays for, zeroed or to be overwritten whole before anyone sees it; 0: not within the quota. */
uint64_t unit_frame(struct unit *unit, bool zeroed);
void unit_frame_free(struct unit *unit, uint64_t frame);
/* UNIT is ANCESTOR or below it. At most UNIT_DEPTH_MAX steps. */
bool unit_within(const struct unit *unit, const struct unit *ancestor);
/* A thread that is made or dies: the unit's list and count. UNIT_CREATED becomes RUNNING with the first.
 * False when the unit is dead or has ended. */
bool unit_thread_add(struct unit *unit, struct list *unit_node);
bool unit_thread_remove(struct unit *unit, struct list *unit_node); /* true: no other is left */
/* Ends UNIT: STATE UNIT_STOPPED or UNIT_FAILED; no thread of it reaches user mode again (a few are killed
 * now, the others when they next want to run or the unit is destroyed), tells the parent's event. The unit
 * object stays for unit_info until it is destroyed. Nothing if it has ended already. FAULT may be 0. Bounded.
 */
void unit_end(struct unit *unit, enum unit_state state, int64_t status, const struct fault_record *fault);
/* Destroys UNIT's subtree, a slice at a time; true when all is gone but the struct itself, which is doomed.
 * The first slices mark every unit of the subtree dead and kill its threads. Called again (restarted system
 * call) until true. */
bool unit_destroy_slice(struct unit *unit);
/* Works off UNIT's doomed objects, first those that this CPU doomed, then what others left lying, until none is
 * left (true), preemption is pending, or the first ones wait for another CPU. What another CPU works on it leaves
 * to that. Called once a kernel exit. No lock held. */
bool unit_reap(struct unit *unit);
/* How many objects may wait in a graveyard for a reason to bury them. */
extern uint32_t graves_kept;
static inline bool unit_has_doomed(struct unit *unit)
{
	return unit->doomed_count || unit->grave_count > graves_kept;
}

/* UNIT's heap: zeroed memory in size classes up to 4,032 bytes, aligned to 64. 0: quota. BYTES as allocated.
 */
void *unit_allocate(struct unit *unit, uint32_t bytes);
void unit_free(void *pointer);
/* The first object in LIST, one of UNIT's; 0: it is empty. */
struct object *object_first(struct unit *unit, struct list *list);
/* A dead unit whose objects are all torn down: hands one that is still referenced to PARENT, with its slab.
 * True when none is left, and no grave has come. */
bool object_adopt_slice(struct unit *unit, struct unit *parent);

/* Freezes (FREEZE) or thaws UNIT and what is below it, a slice; *PROGRESS as in calls.h. True when done. */
bool unit_freeze_slice(struct unit *unit, bool freeze, uint64_t *progress);
/* Makes a child of PARENT as SPEC says; EVENT: 0 or the notification. The caller holds its one reference. */
struct unit *unit_create(struct unit *parent, const struct unit_spec *spec, const struct cap_view *event,
                         int64_t *error);
/* Moves quota from UNIT's parent to it: whole or, with an error, not at all. */
int64_t unit_extend(struct unit *unit, uint64_t bytes, uint32_t caps);
