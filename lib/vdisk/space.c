/*
 * Which blocks are in use: a reference count for each, in pages of 2,048 that are themselves blocks in a map.
 *
 * A block without references may still be needed: by the last checkpoint, should the next never become
 * durable (committed), or by the log records since (held). Both bits live beside the page while it is dirty.
 * Blocks allocated since the last flush (fresh) were never part of a durable state and may be used again at
 * once.
 */
#include "internal.h"

#define DISCARD_MIN 16u /* shorter runs are not worth a discard */

static bool bit(const uint64_t *map, unsigned at)
{
	return map[at / 64] >> (at % 64) & 1;
}

static void bit_set(uint64_t *map, unsigned at, bool value)
{
	uint64_t mask = UINT64_C(1) << (at % 64);
	map[at / 64] = value ? map[at / 64] | mask : map[at / 64] & ~mask;
}

static struct page **bucket(struct vdisk *disk, uint64_t number)
{
	return &disk->pages[(number * 0x9e3779b97f4a7c15ull >> 40) & (disk->page_buckets - 1)];
}

static void age_remove(struct vdisk *disk, struct page *page)
{
	if (page->older)
		page->older->newer = page->newer;
	else
		disk->page_oldest = page->newer;
	if (page->newer)
		page->newer->older = page->older;
	else
		disk->page_newest = page->older;
	page->older = page->newer = NULL;
}

static void age_add(struct vdisk *disk, struct page *page)
{
	page->older = disk->page_newest;
	page->newer = NULL;
	if (disk->page_newest)
		disk->page_newest->newer = page;
	else
		disk->page_oldest = page;
	disk->page_newest = page;
}

static int page_get(struct vdisk *disk, uint64_t number, struct page **result)
{
	struct entry entry;
	for (struct page *page = *bucket(disk, number); page; page = page->hash_next)
		if (page->number == number) {
			if (!page->dirty && disk->page_newest != page) {
				age_remove(disk, page);
				age_add(disk, page);
			}
			*result = page;
			return VDISK_OK;
		}
	TRY(tree_find(disk, &disk->counts, number, &entry));
	struct page *page = calloc(1, sizeof(*page));
	if (!page)
		return VDISK_NO_MEMORY;
	if (entry.place) {
		int status = legs_open(disk, &entry, KIND_COUNTS, number, page->counts);
		if (status < 0) {
			free(page);
			return status;
		}
	}
	page->number = number;
	page->hash_next = *bucket(disk, number);
	*bucket(disk, number) = page;
	disk->page_count++;
	age_add(disk, page);
	*result = page;
	return VDISK_OK;
}

static int page_change(struct vdisk *disk, uint64_t place, struct page **page)
{
	TRY(page_get(disk, place / COUNTS_PER_PAGE, page));
	if ((*page)->dirty)
		return VDISK_OK;
	for (unsigned i = 0; i < COUNTS_PER_PAGE; i++)
		bit_set((*page)->committed, i, (*page)->counts[i] != 0);
	age_remove(disk, *page);
	(*page)->dirty = true;
	(*page)->newer = disk->unplaced;
	disk->unplaced = *page;
	disk->dirty_pages++;
	return VDISK_OK;
}

static bool usable(const struct page *page, unsigned at)
{
	if (page->counts[at])
		return false;
	if (!page->dirty) /* nothing pins what is free in a clean page */
		return true;
	return (!bit(page->committed, at) || SEEDED(BUG_COMMITTED_REUSED)) &&
	       (!bit(page->held, at) || SEEDED(BUG_HELD_REUSED));
}

static int take(struct vdisk *disk, uint64_t place)
{
	struct page *page;
	unsigned at = place % COUNTS_PER_PAGE;
	TRY(page_change(disk, place, &page));
	page->counts[at] = 1;
	bit_set(page->fresh, at, true);
	disk->used++;
	return VDISK_OK;
}

/* Searches from the cursor on, over at most PAGES pages; *PLACE 0: nothing found. */
static int search(struct vdisk *disk, uint64_t pages, uint64_t *place)
{
	*place = 0;
	for (uint64_t visited = 0; visited <= pages; visited++) {
		struct page *page;
		if (disk->cursor >= disk->end || disk->cursor < FIRST_FREE_BLOCK)
			disk->cursor = FIRST_FREE_BLOCK;
		TRY(page_get(disk, disk->cursor / COUNTS_PER_PAGE, &page));
		unsigned at = disk->cursor % COUNTS_PER_PAGE;
		for (; at < COUNTS_PER_PAGE && disk->cursor < disk->end; at++, disk->cursor++)
			if (usable(page, at)) {
				*place = disk->cursor++;
				return VDISK_OK;
			}
	}
	return VDISK_OK;
}

int space_allocate(struct vdisk *disk, uint64_t *place)
{
	uint64_t free_below = disk->end - disk->used - disk->pinned;
	bool may_extend = !disk->limit || disk->end < disk->limit;
	*place = 0;
	if (!may_extend || (!disk->extend_left && free_below > 256 + disk->end / 32)) {
		uint64_t all = disk->end / COUNTS_PER_PAGE + 1;
		TRY(search(disk, may_extend && all > 16 ? 16 : all, place));
		if (!*place && may_extend)
			disk->extend_left = COUNTS_PER_PAGE;
	}
	if (!*place) {
		if (!may_extend)
			return VDISK_NO_SPACE;
		*place = disk->end++;
		disk->extend_left -= disk->extend_left != 0;
	}
	scrub_forget(disk, *place);
	rekey_forget(disk, *place);
	return take(disk, *place);
}

int space_hold(struct vdisk *disk, uint64_t place)
{
	struct page *page;
	if (place < FIRST_FREE_BLOCK || place > PLACE_MASK || (disk->limit && place >= disk->limit))
		return VDISK_DAMAGED;
	TRY(page_change(disk, place, &page));
	unsigned at = place % COUNTS_PER_PAGE;
	if (!bit(page->held, at) && !page->counts[at]) {
		bit_set(page->held, at, true);
		page->has_held = true;
		disk->pinned++;
	}
	if (place >= disk->end)
		disk->end = place + 1;
	return VDISK_OK;
}

int space_claim(struct vdisk *disk, uint64_t place)
{
	struct page *page;
	unsigned at = place % COUNTS_PER_PAGE;
	TRY(page_change(disk, place, &page));
	if (page->counts[at])
		return VDISK_DAMAGED;
	if (bit(page->held, at)) {
		bit_set(page->held, at, false);
		disk->pinned--;
	}
	page->counts[at] = 1;
	disk->used++;
	return VDISK_OK;
}

int space_add(struct vdisk *disk, uint64_t place)
{
	struct page *page;
	TRY(page_change(disk, place, &page));
	uint16_t *count = &page->counts[place % COUNTS_PER_PAGE];
	if (!*count)
		return VDISK_DAMAGED;
	if (*count >= COUNT_MAX)
		return VDISK_LIMIT;
	++*count;
	return VDISK_OK;
}

int space_drop(struct vdisk *disk, uint64_t place)
{
	struct page *page;
	unsigned at = place % COUNTS_PER_PAGE;
	TRY(page_change(disk, place, &page));
	if (!page->counts[at])
		return VDISK_DAMAGED;
	if (--page->counts[at])
		return VDISK_OK;
	disk->used--;
	if (bit(page->fresh, at)) {
		bit_set(page->fresh, at, false);
	} else {
		bit_set(page->held, at, true);
		page->has_held = true;
		disk->pinned++;
		if (SEEDED(BUG_COMMITTED_REUSED))
			disk->cursor = place;
	}
	return VDISK_OK;
}

int space_count(struct vdisk *disk, uint64_t place, unsigned *count)
{
	struct page *page;
	TRY(page_get(disk, place / COUNTS_PER_PAGE, &page));
	*count = page->counts[place % COUNTS_PER_PAGE];
	return *count ? VDISK_OK : VDISK_DAMAGED;
}

int space_set(struct vdisk *disk, uint64_t place, unsigned count)
{
	struct page *page;
	TRY(page_change(disk, place, &page));
	uint16_t *old = &page->counts[place % COUNTS_PER_PAGE];
	if (count && !*old)
		disk->used++;
	else if (!count && *old)
		disk->used--;
	*old = (uint16_t)count;
	return VDISK_OK;
}

int space_reserve(struct vdisk *disk, uint64_t blocks)
{
	if (!disk->limit)
		return VDISK_OK;
	/* Each block may dirty one page more, which needs a block and one of the map over it at the next
	 * checkpoint. */
	uint64_t pages = disk->dirty_pages + blocks;
	uint64_t all_pages = disk->limit / COUNTS_PER_PAGE + 1;
	if (pages > all_pages)
		pages = all_pages;
	uint64_t need =
	    blocks + 2 * pages + blocks / 40 + 4u * disk->map.height + 4u * disk->counts.height + 64;
	return disk->limit - disk->used < disk->pinned + need ? VDISK_NO_SPACE : VDISK_OK;
}

int space_reserve_growth(struct vdisk *disk, uint64_t blocks)
{
	return space_reserve(disk, blocks + (disk->limit ? 2 * (disk->limit / COUNTS_PER_PAGE) : 0));
}

int space_touch(struct vdisk *disk, uint64_t page)
{
	struct page *touched;
	return page_change(disk, page * COUNTS_PER_PAGE, &touched);
}

int space_place_pages(struct vdisk *disk)
{
	while (disk->unplaced) { /* placing one may dirty others, each at most once */
		struct page *page = disk->unplaced;
		struct entry old;
		disk->unplaced = page->newer;
		page->newer = disk->placed;
		disk->placed = page;
		TRY(space_allocate(disk, &page->place));
		struct entry entry = {.key = page->number, .place = page->place};
		TRY(tree_set(disk, &disk->counts, &entry, &old));
		if (old.place)
			TRY(space_drop(disk, old.place & PLACE_MASK));
	}
	return VDISK_OK;
}

int space_write_pages(struct vdisk *disk)
{
	uint8_t sealed[VDISK_BLOCK];
	for (struct page *page = disk->placed; page; page = page->newer) {
		struct entry entry = {.key = page->number, .place = page->place};
		cipher_seal(disk, &entry, KIND_COUNTS, page->number, page->counts, sealed);
		TRY(legs_write(disk, page->place, sealed, 1));
		TRY(tree_amend(disk, &disk->counts, &entry));
	}
	return VDISK_OK;
}

void space_flushed(struct vdisk *disk)
{
	for (struct page *page = disk->unplaced; page; page = page->newer) {
		memset(page->fresh, 0, sizeof(page->fresh));
		if (!page->has_held)
			continue;
		for (unsigned i = 0; i < COUNTS_PER_PAGE / 64; i++)
			disk->pinned -= (unsigned)__builtin_popcountll(page->held[i] & ~page->committed[i]);
		memset(page->held, 0, sizeof(page->held));
		page->has_held = false;
	}
}

void space_committed(struct vdisk *disk)
{
	while (disk->placed) {
		struct page *page = disk->placed;
		unsigned run = 0;
		disk->placed = page->newer;
		for (unsigned i = 0; i <= COUNTS_PER_PAGE; i++) {
			if (i < COUNTS_PER_PAGE && !page->counts[i] && bit(page->committed, i)) {
				run++;
				continue;
			}
			if (run >= DISCARD_MIN)
				legs_discard(disk, page->number * COUNTS_PER_PAGE + i - run, run);
			run = 0;
		}
		memset(page->committed, 0, sizeof(page->committed));
		memset(page->held, 0, sizeof(page->held));
		memset(page->fresh, 0, sizeof(page->fresh));
		page->dirty = page->has_held = false;
		disk->dirty_pages--;
		age_add(disk, page);
	}
	disk->pinned = 0;
}

void space_trim(struct vdisk *disk)
{
	size_t keep = disk->cache_limit / 4 / sizeof(struct page);
	while (disk->page_oldest && disk->page_count > keep) {
		struct page *page = disk->page_oldest;
		struct page **link = bucket(disk, page->number);
		while (*link != page)
			link = &(*link)->hash_next;
		*link = page->hash_next;
		age_remove(disk, page);
		disk->page_count--;
		free(page);
	}
}

void space_free_all(struct vdisk *disk)
{
	for (size_t i = 0; disk->pages && i < disk->page_buckets; i++)
		while (disk->pages[i]) {
			struct page *next = disk->pages[i]->hash_next;
			free(disk->pages[i]);
			disk->pages[i] = next;
		}
	free(disk->pages);
	disk->pages = NULL;
}
