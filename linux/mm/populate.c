/* Bringing pages before they are touched: MAP_POPULATE, mlock(2) and its family, MADV_POPULATE_*. The substrate gives a page at its
 * first touch, so that is what happens here. Who asks for much waits for it; others get the common lock in between. */
#include "internal.h"
#include "mm/area.h"

#define LOOK_PAGES 64u  /* between looks at the areas, which others may change */
#define TURN_PAGES 512u /* between turns of the common lock */

/* How a page of AREA is to be touched: AREA_WRITE, AREA_READ, or 0: not at all. */
static uint32_t way_of(const struct area *area, enum populate how)
{
	/* What another program brings comes when it is wanted; of private copies of files only the file's pages come. */
	if (area->userfault || (area->flags & AREA_VDSO))
		return 0;
	if (how == POPULATE_WRITE || how == POPULATE_READ)
		return how == POPULATE_WRITE ? AREA_WRITE : AREA_READ;
	if (how == POPULATE_LOCKED_ALL && (area->flags & (AREA_STACK | AREA_GROWS_DOWN)))
		return 0; /* all of it is mapped here, where Linux has what was touched */
	return !area->file && (area->flags & AREA_WRITE) ? AREA_WRITE : area->flags & AREA_READ;
}

static bool touch_once(uint64_t at, uint32_t way)
{
	uint32_t word;
	current_task()->pressed = false;
	return !(way == AREA_WRITE ? probe_write(at) : user_load32(&word, at));
}

/* What cannot be resolved beside others, or lacks a page, is tried alone, and when somebody has gone. */
static int64_t touch(uint64_t at, uint32_t way)
{
	struct task *task = current_task();
	if (touch_once(at, way))
		return 0;
	if (!task->pressed)
		return -EFAULT;
	enum common_mode before = common_alone();
	bool done = touch_once(at, way) || (task->pressed && pressure_relieve(true) && touch_once(at, way));
	common_back(before);
	return done ? 0 : -ENOMEM;
}

int64_t mm_populate(struct mm *mm, uint64_t start, uint64_t end, enum populate how)
{
	uint64_t pages = 0;
	for (uint64_t at = start; at < end;) {
		lock_acquire(&mm->lock);
		const struct area *area = mm_find(mm, at);
		uint64_t from = !area || area->start > end ? end : area->start > at ? area->start : at;
		uint64_t to = area && area->end < end ? area->end : end;
		uint32_t way = area && from < end ? way_of(area, how) : 0;
		lock_release(&mm->lock);
		if (way && to - from > LOOK_PAGES * PAGE_SIZE_BYTES)
			to = from + LOOK_PAGES * PAGE_SIZE_BYTES;
		for (at = way ? from : to; at < to; at += PAGE_SIZE_BYTES, pages++) {
			int64_t error = touch(at, way);
			if (error)
				return error;
		}
		if (current_task()->work & TASK_WORK_EXIT)
			return -EINTR;
		if (pages >= TURN_PAGES) {
			pages = 0;
			common_take(common_give());
		}
	}
	return 0;
}
