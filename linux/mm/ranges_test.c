/* Tests of the address-range allocator against a map of pages. */
#include "ranges.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 4096u

static bool used[PAGES];

int main(void)
{
	static struct ranges ranges;
	struct {
		uint64_t start, bytes;
	} held[64] = {{0, 0}};
	unsigned seed = 1;
	bool overlap = false, misaligned = false, missed = false;
	ranges_init(&ranges, 4096, (uint64_t)PAGES * 4096 + 4096);
	for (int step = 0; step < 200000; step++) {
		seed = seed * 1103515245 + 12345;
		unsigned slot = seed >> 10 & 63;
		if (held[slot].bytes) {
			ranges_put(&ranges, held[slot].start, held[slot].bytes);
			memset(used + held[slot].start / 4096 - 1, 0, held[slot].bytes / 4096);
			held[slot].bytes = 0;
			continue;
		}
		uint64_t pages = 1 + (seed >> 16) % 200, alignment = 4096ull << (seed >> 24 & 7);
		uint64_t start = ranges_take(&ranges, pages * 4096, alignment);
		if (!start) {
			/* Refusal is right only where no aligned run of free pages is long enough. */
			for (uint64_t at = 0; at + pages <= PAGES; at++) {
				uint64_t free = 0;
				if ((at + 1) * 4096 % alignment)
					continue;
				while (free < pages && !used[at + free])
					free++;
				missed |= free == pages;
			}
			continue;
		}
		misaligned |= start % alignment != 0;
		for (uint64_t i = 0; i < pages; i++) {
			overlap |= used[start / 4096 - 1 + i];
			used[start / 4096 - 1 + i] = true;
		}
		held[slot].start = start;
		held[slot].bytes = pages * 4096;
	}
	for (int slot = 0; slot < 64; slot++)
		if (held[slot].bytes)
			ranges_put(&ranges, held[slot].start, held[slot].bytes);
	printf(overlap ? "not ok no-overlap - a page was given twice\n" : "ok no-overlap\n");
	printf(misaligned ? "not ok aligned - an address was not\n" : "ok aligned\n");
	printf(missed ? "not ok complete - a request was refused although there was room\n"
	              : "ok complete\n");
	bool whole =
	    ranges.count == 1 && ranges.free[0].start == 4096 && ranges.free[0].end == (PAGES + 1) * 4096ull;
	printf(whole ? "ok joined\n" : "not ok joined - the free ranges did not join up again\n");
	return overlap || misaligned || missed || !whole;
}
