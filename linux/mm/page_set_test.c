/* Sets of pages against plain bits: single pages, ranges within and over bitmaps, and what is left when they are empty. */
#include "mm/page_set.h"
#include "alloc.h"

#include <stdio.h>
#include <stdlib.h>

#define SPAN 8192u

static uint64_t allocated;
static unsigned failures;
static uint64_t seed = 0x7654321;

void *heap_allocate(size_t bytes)
{
	allocated++;
	return calloc(1, bytes);
}

void heap_free(void *pointer)
{
	allocated -= pointer != 0;
	free(pointer);
}

static uint64_t random_below(uint64_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % limit;
}

static void check(bool good, const char *name)
{
	printf("%s %s\n", good ? "ok" : "not ok", name);
	failures += !good;
}

/* Random steps on pages from BASE on. */
static bool as_plain_bits(uint64_t base)
{
	static bool plain[SPAN];
	struct page_set set = {0};
	bool same = true;
	for (unsigned i = 0; i < SPAN; i++)
		plain[i] = false;
	for (unsigned step = 0; step < 4000; step++) {
		uint64_t page = random_below(SPAN);
		if (random_below(8)) {
			same &= page_set_add(&set, base + page);
			plain[page] = true;
		} else {
			uint64_t end = page + random_below(random_below(2) ? 3 : SPAN - page + 1);
			page_set_remove(&set, base + page, base + end);
			for (uint64_t i = page; i < end && i < SPAN; i++)
				plain[i] = false;
		}
		uint64_t look = random_below(SPAN);
		same &= page_set_has(&set, base + look) == plain[look];
	}
	for (unsigned i = 0; i < SPAN; i++)
		same &= page_set_has(&set, base + i) == plain[i];
	page_set_deinit(&set);
	return same;
}

int main(void)
{
	struct page_set set = {0};
	check(as_plain_bits(0) && as_plain_bits(511) && as_plain_bits(1ull << 35), "as plain bits");
	check(allocated == 0, "nothing is left of an empty set");
	bool added = true;
	for (uint64_t i = 0; i < 3000; i++)
		added &= page_set_add(&set, i * PAGE_SET_CHUNK);
	check(added && set.chunk_count == 3000, "a bitmap each");
	page_set_remove(&set, 1, 1ull << 36);
	check(set.chunk_count == 1 && page_set_has(&set, 0), "a range larger than the table");
	page_set_remove(&set, 0, 1);
	check(!set.buckets && allocated == 0, "the last page frees the table");
	return failures != 0;
}
