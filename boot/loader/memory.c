/* The memory map: an ordered array that every change rewrites around the changed range. At most 256 ranges,
 * so the linear work does not matter. */
#include "memory.h"

#include "loader.h"

/* Larger wins where firmware's reports overlap. */
/*@ assigns \nothing;
    ensures 0 <= \result <= 6;
*/
static int strictness(uint32_t kind)
{
	switch (kind) {
	case HANDOFF_MEMORY_FREE:
		return 0;
	case HANDOFF_MEMORY_LOADER:
		return 1;
	case HANDOFF_MEMORY_ACPI:
		return 2;
	case HANDOFF_MEMORY_ACPI_NVS:
		return 3;
	case HANDOFF_MEMORY_MMIO:
		return 4;
	case HANDOFF_MEMORY_RESERVED:
		return 5;
	default:
		return 6;
	}
}

/*@ requires \valid_read(range);
    assigns \nothing;
    ensures range->base + range->size <= UINT64_MAX ==> \result == range->base + range->size;
*/
static uint64_t range_end(const struct handoff_memory *range)
{
	return range->base + range->size;
}

/*@ requires \valid(map) && map_good(map) && index < map->count;
    assigns *map;
    ensures map_good(map) && map->count == \old(map->count) - 1;
*/
static void remove_at(struct memory_map *map, uint32_t index)
{
	uint32_t last = --map->count;
	/*@ loop invariant index <= last;
	    loop assigns index, map->ranges[0 .. HANDOFF_MEMORY_MAX - 1];
	    loop variant last - index;
	*/
	for (; index < last; index++)
		map->ranges[index] = map->ranges[index + 1];
}

/*@ requires \valid(map) && map_good(map) && index <= map->count && map->count < HANDOFF_MEMORY_MAX;
    assigns *map;
    ensures map_good(map) && map->count == \old(map->count) + 1;
*/
static void insert_at(struct memory_map *map, uint32_t index, struct handoff_memory range)
{
	/*@ loop invariant index <= i <= map->count;
	    loop assigns i, map->ranges[0 .. HANDOFF_MEMORY_MAX - 1];
	    loop variant i;
	*/
	for (uint32_t i = map->count; i > index; i--)
		map->ranges[i] = map->ranges[i - 1];
	map->ranges[index] = range;
	map->count++;
}

/* Puts a range that overlaps none at its place and merges it with its neighbours. */
/*@ requires \valid(map) && map_good(map);
    assigns *map;
    ensures map_good(map);
*/
static void insert(struct memory_map *map, uint64_t base, uint64_t end, uint32_t kind)
{
	if (base >= end)
		return;
	uint32_t index = 0;
	/*@ loop invariant index <= map->count;
	    loop assigns index;
	    loop variant map->count - index;
	*/
	while (index < map->count && map->ranges[index].base < base)
		index++;
	if (index > 0 && map->ranges[index - 1].kind == kind && range_end(&map->ranges[index - 1]) == base) {
		index--;
		map->ranges[index].size = end - map->ranges[index].base;
	} else if (index < map->count && map->ranges[index].kind == kind && map->ranges[index].base == end) {
		map->ranges[index].base = base;
		map->ranges[index].size += end - base;
		return;
	} else if (map->count == HANDOFF_MEMORY_MAX) {
		map->overflow = true;
		return;
	} else {
		insert_at(map, index,
		          (struct handoff_memory){.base = base, .size = end - base, .kind = kind});
	}
	if (index + 1 < map->count && map->ranges[index + 1].kind == kind &&
	    map->ranges[index + 1].base == range_end(&map->ranges[index])) {
		map->ranges[index].size += map->ranges[index + 1].size;
		remove_at(map, index + 1);
	}
}

void memory_claim(struct memory_map *map, uint64_t base, uint64_t size, enum handoff_memory_kind kind)
{
	uint64_t end = base + size;
	/*@ loop invariant i <= map->count && map_good(map);
	    loop assigns i, *map;
	*/
	for (uint32_t i = 0; i < map->count;) {
		struct handoff_memory old = map->ranges[i];
		if (range_end(&old) <= base || old.base >= end) {
			i++;
			continue;
		}
		remove_at(map, i);
		insert(map, old.base, base, old.kind);
		insert(map, end, range_end(&old), old.kind);
		i = 0;
	}
	insert(map, base, end, kind);
}

void memory_add(struct memory_map *map, uint64_t base, uint64_t size, enum handoff_memory_kind kind)
{
	const uint64_t limit = 1ull << 52; /* no x86-64 CPU has more physical address bits */
	if (!size || base >= limit)
		return;
	uint64_t end = size > limit - base ? limit : base + size;
	if (kind == HANDOFF_MEMORY_FREE) {
		base = page_up(base);
		end &= ~(PAGE_SIZE - 1);
	} else {
		base &= ~(PAGE_SIZE - 1);
		end = page_up(end);
	}
	/* Walk the new range and let the stricter of old and new stand in each stretch. */
	/*@ loop invariant map_good(map);
	    loop assigns base, *map;
	*/
	while (base < end) {
		uint64_t next = end;
		uint32_t wins = kind;
		/*@ loop invariant i <= map->count && next == end && wins == kind;
		    loop assigns i;
		    loop variant map->count - i;
		*/
		for (uint32_t i = 0; i < map->count; i++) {
			const struct handoff_memory *old = &map->ranges[i];
			if (old->base <= base && base < range_end(old)) {
				next = range_end(old) < end ? range_end(old) : end;
				if (strictness(old->kind) > strictness(kind))
					wins = old->kind;
				break;
			}
			if (old->base > base) {
				next = old->base < end ? old->base : end;
				break;
			}
		}
		memory_claim(map, base, next - base, wins);
		base = next;
	}
}

uint64_t memory_allocate(struct memory_map *map, uint64_t size, uint64_t align, uint64_t low, uint64_t high,
                         enum handoff_memory_kind kind)
{
	size = page_up(size);
	/*@ loop invariant i <= map->count;
	    loop assigns i;
	    loop variant map->count - i;
	*/
	for (uint32_t i = 0; i < map->count; i++) {
		const struct handoff_memory *range = &map->ranges[i];
		if (range->kind != HANDOFF_MEMORY_FREE)
			continue;
		uint64_t base = range->base < low ? low : range->base;
		base = (base + align - 1) & ~(align - 1);
		uint64_t end = range_end(range) < high ? range_end(range) : high;
		if (base < end && end - base >= size) {
			memory_claim(map, base, size, kind);
			return base;
		}
	}
	return 0;
}

uint64_t memory_end(const struct memory_map *map)
{
	uint64_t end = 0;
	/*@ loop invariant i <= map->count;
	    loop assigns i, end;
	    loop variant map->count - i;
	*/
	for (uint32_t i = 0; i < map->count; i++)
		switch (map->ranges[i].kind) {
		case HANDOFF_MEMORY_RESERVED:
		case HANDOFF_MEMORY_MMIO:
			break;
		default:
			end = range_end(&map->ranges[i]);
		}
	return end;
}
