/* See page_set.h. */
#include "mm/page_set.h"
#include "alloc.h"

#define BUCKETS 1024u
#define WORDS   (PAGE_SET_CHUNK / 64u)

struct page_chunk {
	struct page_chunk *next;
	uint64_t number; /* of its first page, by PAGE_SET_CHUNK */
	uint64_t bits[WORDS];
};

static struct page_chunk **bucket_of(const struct page_set *set, uint64_t number)
{
	return &set->buckets[number * 0x9e3779b97f4a7c15ull >> 54];
}

static struct page_chunk *find(const struct page_set *set, uint64_t number)
{
	struct page_chunk *chunk = set->buckets ? *bucket_of(set, number) : 0;
	while (chunk && chunk->number != number)
		chunk = chunk->next;
	return chunk;
}

bool page_set_has(const struct page_set *set, uint64_t page)
{
	const struct page_chunk *chunk = find(set, page / PAGE_SET_CHUNK);
	uint64_t bit = page % PAGE_SET_CHUNK;
	return chunk && (chunk->bits[bit / 64] >> (bit % 64) & 1);
}

bool page_set_add(struct page_set *set, uint64_t page)
{
	uint64_t number = page / PAGE_SET_CHUNK, bit = page % PAGE_SET_CHUNK;
	struct page_chunk *chunk = find(set, number);
	if (!set->buckets && !(set->buckets = heap_allocate(BUCKETS * sizeof(void *))))
		return false;
	if (!chunk) {
		chunk = heap_allocate(sizeof(*chunk));
		if (!chunk)
			return false;
		struct page_chunk **bucket = bucket_of(set, number);
		chunk->number = number;
		chunk->next = *bucket;
		*bucket = chunk;
		set->chunk_count++;
	}
	chunk->bits[bit / 64] |= 1ull << (bit % 64);
	return true;
}

/* Takes what of [first, end) is in *LINK's chunk out of it, and the chunk where nothing is left. True: it is gone. */
static bool remove_from(struct page_set *set, struct page_chunk **link, uint64_t first, uint64_t end)
{
	struct page_chunk *chunk = *link;
	uint64_t start = chunk->number * PAGE_SET_CHUNK, left = 0;
	for (uint64_t bit = 0; bit < PAGE_SET_CHUNK; bit++)
		if (start + bit >= first && start + bit < end)
			chunk->bits[bit / 64] &= ~(1ull << (bit % 64));
	for (unsigned i = 0; i < WORDS; i++)
		left |= chunk->bits[i];
	if (left)
		return false;
	*link = chunk->next;
	heap_free(chunk);
	set->chunk_count--;
	return true;
}

/* Of one bucket. */
static void remove_chained(struct page_set *set, struct page_chunk **link, uint64_t first, uint64_t end)
{
	while (*link) {
		uint64_t start = (*link)->number * PAGE_SET_CHUNK;
		bool meets = start < end && start + PAGE_SET_CHUNK > first;
		if (!meets || !remove_from(set, link, first, end))
			link = &(*link)->next;
	}
}

void page_set_remove(struct page_set *set, uint64_t first, uint64_t end)
{
	if (!set->buckets || first >= end)
		return;
	uint64_t low = first / PAGE_SET_CHUNK, high = (end - 1) / PAGE_SET_CHUNK;
	if (high - low < BUCKETS)
		for (uint64_t number = low; number <= high; number++)
			remove_chained(set, bucket_of(set, number), first, end);
	else
		for (unsigned i = 0; i < BUCKETS; i++)
			remove_chained(set, &set->buckets[i], first, end);
	if (!set->chunk_count) {
		heap_free(set->buckets);
		set->buckets = 0;
	}
}

void page_set_deinit(struct page_set *set)
{
	page_set_remove(set, 0, UINT64_MAX);
}
