/* The areas of an mm. */
#pragma once

#include "internal.h"
#include "mm/area_tree.h"

#define HEAP_OBJECT_BYTES (1ull << 48)
#define MOVED_OFFSET_BASE (1ull << 47)

void area_insert(struct mm *mm, struct area *area);
void area_remove(struct mm *mm, struct area *area);
/* The area with the highest start below ADDRESS; 0 when there is none. */
struct area *area_before(struct mm *mm, uint64_t address);
/* Makes [start, end) begin and end on area borders. 0 or -ENOMEM. */
int area_split_range(struct mm *mm, uint64_t start, uint64_t end);
/* Joins AREA with its neighbours where they continue each other. */
void area_join(struct mm *mm, struct area *area);
/* One mapping of FILE more, or (-1u) less: vnode->maps. */
void area_maps(struct file *file, uint32_t more);
struct area *area_copy(const struct area *area);
void area_free(struct area *area);
/* Enters AREA, or the part [start, end) of it, into the substrate's space with its present protection. */
int area_enter(struct mm *mm, struct area *area, uint64_t start, uint64_t end, bool replace);
/* Of an area that is clean: the page at ADDRESS may be written; none of them. */
int area_page_writable(struct mm *mm, struct area *area, uint64_t address);
void area_clean(struct mm *mm, struct area *area);
/* The page at ADDRESS of an area with a userfault, which area_enter leaves out; WRITABLE: as far as its protection goes. */
int area_enter_page(struct mm *mm, struct area *area, uint64_t address, bool writable);
/* Which of the COUNT pages of AREA from AT on are there, a byte each (mm/calls.c). */
void area_residency(const struct mm *mm, const struct area *area, uint64_t at, uint64_t count,
                    uint8_t *there);
/* How many pages of [offset, offset + bytes) of OBJECT are there; negative: that cannot be told now. */
int64_t memory_object_pages(const struct memory_object *object, uint64_t offset, uint64_t bytes);
/* Gives a private file area its own copy-on-write pages. */
int area_make_private(struct mm *mm, struct area *area);
/* Offset in the heap object for a new area at ADDRESS. */
uint64_t heap_offset(struct mm *mm, uint64_t address, uint64_t bytes);
int mm_protect(struct mm *mm, uint64_t start, uint64_t bytes, uint32_t protection);

static inline uint64_t page_up(uint64_t value)
{
	return (value + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
}
static inline bool page_aligned(uint64_t value)
{
	return !(value & (PAGE_SIZE_BYTES - 1));
}
/* Heap memory or a private clone: its pages belong to this mm alone. */
static inline bool area_owns_pages(const struct area *area)
{
	return !(area->flags & (AREA_SHARED | AREA_PRIVATE_FILE | AREA_VDSO));
}

/* Touches the pages of [START, END) of the current task: as they allow (POPULATE_LOCKED_ALL: but no stacks), or all of them for
 * reading or writing. 0, -ENOMEM, -EFAULT, or -EINTR: the task ends. mm->lock is not held. */
enum populate { POPULATE_ALLOWED, POPULATE_LOCKED_ALL, POPULATE_READ, POPULATE_WRITE };
int64_t mm_populate(struct mm *mm, uint64_t start, uint64_t end, enum populate how);
