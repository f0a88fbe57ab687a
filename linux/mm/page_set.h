/* A set of pages by number, kept as bitmaps of 2 MiB each in a hash table: what is not in it costs nothing. It is empty when it
 * is zeroed. Its owner's lock guards it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SET_CHUNK 512u /* pages of a bitmap */

struct page_chunk;
struct page_set {
	struct page_chunk **buckets; /* 0 while it is empty */
	uint64_t chunk_count;
};

bool page_set_has(const struct page_set *set, uint64_t page);
/* False: memory lacks. */
bool page_set_add(struct page_set *set, uint64_t page) __attribute__((warn_unused_result));
/* Takes the pages of [first, end) out. */
void page_set_remove(struct page_set *set, uint64_t first, uint64_t end);
void page_set_deinit(struct page_set *set);
