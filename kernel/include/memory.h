/* Memory objects and the frames under them.
 *
 * A memory object is a radix tree of frames by page number, charged to its owner (nodes and frames). Frames have a
 * reference count: a copy-on-write clone shares them, and a frame with more than one reference is never mapped writable.
 * Writers of a shared frame get a copy; the last one gets the frame itself. No chains of shadow objects: the cost of a
 * clone is the number of resident pages, in slices.
 *
 * Each frame of RAM has a struct frame. Freed frames are zeroed before they are handed out again (by the idle loop where
 * it can, else at allocation).
 */
#pragma once

#include <holon/syscall.h>
#include "object.h"

typedef uint64_t physical_t; /* a physical address */

struct frame {
	volatile uint32_t references; /* memory objects that hold it; 0 = free or kernel-owned */
	uint16_t pins;                /* thread pages, guest states */
	uint16_t flags;
	struct frame *next;           /* free lists */
};

/* One zeroed frame, or 0 (cannot happen within quota but for fragmentation reserve). Caller has charged for it. */
physical_t frame_allocate(void);
void frame_reference(physical_t frame);
/* Drops one reference; the last one frees it. */
void frame_release(physical_t frame);
struct frame *frame_of(physical_t frame);
void *frame_map(physical_t frame); /* the direct map's address */
uint64_t frame_free_bytes(void);
/* Kernel heap for objects: power-of-two and a few odd sizes up to 4096 from slabs of frames; zeroed. The caller charges. */
void *kernel_allocate(uint32_t bytes);
void kernel_free(void *pointer, uint32_t bytes);

struct memory {
	struct object object;
	struct lock lock;
	uint32_t kind; /* enum memory_kind */
	uint64_t pages;
	volatile uint64_t resident;
	void *tree; /* radix root; height grows with pages */
	uint32_t height;
	physical_t device_base;
	struct object *pager_event;
	struct list wanting;  /* pager objects: threads waiting for a page */
	struct list mappings; /* struct mapping.memory_node: reverse map */
	struct label label;
};

/* The frame of PAGE for reading, or for writing (then private to this object: copies or allocates as needed, charged to
 * the owner). Returns E_OK with *FRAME, E_QUOTA_MEMORY, E_ARGUMENT beyond the end, or E_FAULT when a pager must be asked.
 * *FRAME 0 for a read of a never-written anonymous page is not returned: a zero frame is entered. memory.lock held. */
int64_t memory_frame(struct memory *memory, uint64_t page, bool write, physical_t *frame);
/* Pins PAGE of MEMORY as a writable private frame for kernel use (thread page, guest state). */
int64_t memory_pin(struct memory *memory, uint64_t page, physical_t *frame);
void memory_unpin(physical_t frame);
void memory_destroy(struct memory *memory);
