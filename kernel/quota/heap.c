/* The heap of a unit: its kernel objects, in slabs of one frame each, charged frame by frame.
 *
 * A slab belongs to one unit and one size class. Places are zeroed when they are handed out. At most one
 * empty slab a class is kept; a unit whose objects are all gone can so be brought back to zero frames
 * (heap_trim).
 */
#include "bytes.h"
#include "heap.h"
#include "log.h"
#include "memory.h"
#include "unit.h"

#define SLAB_BYTES 4032u

static const uint16_t class_bytes[HEAP_CLASSES] = {64,  128, 192, 256,  320,  448,
                                                   576, 768, 960, 1344, 1984, 4032};

/* By size in units of 64 bytes, rounded up. */
static const uint8_t class_by_lines[64] = {
    [2] = 1,         [3] = 2,         [4] = 3,         [5] = 4,          [6 ... 7] = 5,   [8 ... 9] = 6,
    [10 ... 12] = 7, [13 ... 15] = 8, [16 ... 21] = 9, [22 ... 31] = 10, [32 ... 63] = 11};

static uint32_t class_of(uint32_t bytes)
{
	check(bytes <= SLAB_BYTES);
	return class_by_lines[(bytes + 63) / 64];
}

static struct slab *slab_of(void *pointer)
{
	return (struct slab *)((uintptr_t)pointer & ~4095ull);
}

/* An empty slab is always the first of its list, so there is at most one. */
static void slab_link(struct slab *slab)
{
	struct slab *first = slab->unit->slabs[slab->class];
	struct slab *after = slab->used && first && !first->used ? first : 0;
	struct slab **link = after ? &after->next : &slab->unit->slabs[slab->class];

	slab->previous = after;
	slab->next = *link;
	if (*link)
		(*link)->previous = slab;
	*link = slab;
}

static void slab_unlink(struct slab *slab)
{
	if (slab->previous)
		slab->previous->next = slab->next;
	else
		slab->unit->slabs[slab->class] = slab->next;
	if (slab->next)
		slab->next->previous = slab->previous;
}

static void slab_destroy(struct slab *slab)
{
	struct unit *unit = slab->unit;

	slab_unlink(slab);
	unit->slab_count--;
	unit_frame_free(unit, frame_unmap(slab));
}

static struct slab *slab_create(struct unit *unit, uint32_t class)
{
	physical_t frame = unit_frame(unit, true);
	struct slab *slab;

	if (!frame)
		return 0;
	slab = frame_map(frame);
	slab->unit = unit;
	slab->class = (uint16_t) class;
	slab->places = (uint16_t)(SLAB_BYTES / class_bytes[class]);
	slab_link(slab);
	unit->slab_count++;
	return slab;
}

void heap_trim(struct unit *unit)
{
	lock_take(&unit->heap_lock);
	for (unsigned class = 0; class < HEAP_CLASSES; class ++)
		if (unit->slabs[class] && !unit->slabs[class]->used)
			slab_destroy(unit->slabs[class]);
	lock_release(&unit->heap_lock);
}

void *unit_allocate(struct unit *unit, uint32_t bytes)
{
	uint32_t class = class_of(bytes);
	struct slab *slab;
	void *place;

	lock_take(&unit->heap_lock);
	slab = unit->slabs[class];
	if (!slab)
		slab = slab_create(unit, class);
	if (!slab) {
		lock_release(&unit->heap_lock);
		return 0;
	}
	place = slab->free;
	if (place) {
		slab->free = *(void **)place;
		memset(place, 0, class_bytes[class]);
	} else {
		place = (char *)slab + sizeof(struct slab) + (uint32_t)slab->fresh++ * class_bytes[class];
	}
	/* Full slabs are in no list; the freeing of a place brings them back. */
	if (++slab->used == slab->places)
		slab_unlink(slab);
	lock_release(&unit->heap_lock);
	return place;
}

void unit_free(void *pointer)
{
	struct slab *slab = slab_of(pointer);
	struct unit *unit;

	for (;;) { /* a dead unit's slab may just be handed to its parent */
		unit = slab->unit;
		lock_take(&unit->heap_lock);
		if (slab->unit == unit)
			break;
		lock_release(&unit->heap_lock);
	}
	*(void **)pointer = slab->free;
	slab->free = pointer;
	if (slab->used == slab->places)
		slab_link(slab);
	if (!--slab->used) {
		struct slab *first = unit->slabs[slab->class];

		if (first != slab && !first->used) {
			slab_destroy(slab);
		} else {
			slab_unlink(slab);
			slab_link(slab);
		}
	}
	lock_release(&unit->heap_lock);
}

bool heap_adopt(struct unit *to, void *pointer)
{
	struct slab *slab = slab_of(pointer);
	struct unit *from = slab->unit;

	if (from == to)
		return false;
	lock_take(&from->heap_lock);
	if (slab->used != slab->places)
		slab_unlink(slab);
	from->slab_count--;
	lock_release(&from->heap_lock);
	lock_take(&to->heap_lock);
	slab->unit = to;
	to->slab_count++;
	if (slab->used != slab->places)
		slab_link(slab);
	lock_release(&to->heap_lock);
	return true;
}
