/* Address ranges of the native half: see ranges.h. */
#include "ranges.h"

#include <text.h>

void ranges_init(struct ranges *ranges, uint64_t start, uint64_t end)
{
	ranges->count = 1;
	ranges->free[0].start = start;
	ranges->free[0].end = end;
}

static void ranges_delete(struct ranges *ranges, uint32_t at)
{
	ranges->count--;
	memmove(&ranges->free[at], &ranges->free[at + 1], (ranges->count - at) * sizeof(ranges->free[0]));
}

static int ranges_insert(struct ranges *ranges, uint32_t at, uint64_t start, uint64_t end)
{
	if (ranges->count == RANGES_MAX)
		return 0;
	memmove(&ranges->free[at + 1], &ranges->free[at], (ranges->count - at) * sizeof(ranges->free[0]));
	ranges->count++;
	ranges->free[at].start = start;
	ranges->free[at].end = end;
	return 1;
}

uint64_t ranges_take(struct ranges *ranges, uint64_t bytes, uint64_t alignment)
{
	for (uint32_t i = 0; i < ranges->count; i++) {
		uint64_t start = (ranges->free[i].start + alignment - 1) & ~(alignment - 1);
		uint64_t end = ranges->free[i].end;
		if (start < ranges->free[i].start || start > end || end - start < bytes)
			continue;
		uint64_t before = ranges->free[i].start;
		ranges->free[i].start = start + bytes;
		if (ranges->free[i].start == end)
			ranges_delete(ranges, i);
		if (before != start && !ranges_insert(ranges, i, before, start))
			return start; /* what lay before is lost */
		return start;
	}
	return 0;
}

void ranges_put(struct ranges *ranges, uint64_t start, uint64_t bytes)
{
	uint32_t low = 0, high = ranges->count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (ranges->free[middle].start < start)
			low = middle + 1;
		else
			high = middle;
	}
	uint64_t end = start + bytes;
	int joins_next = low < ranges->count && ranges->free[low].start == end;
	if (low > 0 && ranges->free[low - 1].end == start) {
		ranges->free[low - 1].end = joins_next ? ranges->free[low].end : end;
		if (joins_next)
			ranges_delete(ranges, low);
	} else if (joins_next) {
		ranges->free[low].start = start;
	} else {
		ranges_insert(ranges, low, start, end);
	}
}
