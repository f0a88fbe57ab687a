/* The heap of a unit: its kernel objects, in slabs of one frame each, charged frame by frame.
 *
 * A slab belongs to one unit and one size class. Places are zeroed when they are handed out. At most one
 * empty slab a class is kept, the last of its list; a unit whose objects are all gone can so be brought back
 * to zero frames (heap_trim).
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

/* The empty slab of LIST, or 0. */
static struct slab *slab_empty(const struct list *list)
{
	struct slab *last = container_of(list->previous, struct slab, node);

	return list_empty(list) || last->used ? 0 : last;
}

static void slab_destroy(struct slab *slab)
{
	struct unit *unit = slab->unit;

	list_remove(&slab->node);
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
	list_append(&unit->slabs[class], &slab->node);
	unit->slab_count++;
	return slab;
}

void heap_trim(struct unit *unit)
{
	lock_take(&unit->heap_lock);
	for (unsigned class = 0; class < HEAP_CLASSES; class ++)
		if (slab_empty(&unit->slabs[class]))
			slab_destroy(slab_empty(&unit->slabs[class]));
	lock_release(&unit->heap_lock);
}

void *unit_allocate(struct unit *unit, uint32_t bytes)
{
	uint32_t class = class_of(bytes);
	struct slab *slab;
	void *place;

	lock_take(&unit->heap_lock);
	slab = container_of(unit->slabs[class].next, struct slab, node);
	if (list_empty(&unit->slabs[class]))
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
		list_remove(&slab->node);
	lock_release(&unit->heap_lock);
	return place;
}

void unit_free(void *pointer)
{
	struct slab *slab = slab_of(pointer);
	struct list *slabs;
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
	slabs = &unit->slabs[slab->class];
	if (slab->used-- == slab->places)
		list_prepend(slabs, &slab->node);
	if (!slab->used) {
		list_remove(&slab->node);
		if (slab_empty(slabs))
			slab_destroy(slab);
		else
			list_append(slabs, &slab->node);
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
	list_remove(&slab->node);
	from->slab_count--;
	lock_release(&from->heap_lock);
	lock_take(&to->heap_lock);
	slab->unit = to;
	to->slab_count++;
	if (slab->used != slab->places)
		list_prepend(&to->slabs[slab->class], &slab->node);
	lock_release(&to->heap_lock);
	return true;
}
