/*
 * Free room: every 32,768 blocks begin with a bitmap of themselves (bit set: in use; the superblock and the
 * bitmap count as used). A bitmap that was never written reads as zeroes, which is an empty group. Blocks
 * that several files share have a count in the tree.
 */
#include "internal.h"

/* The group's bitmap; its own bits are set when it is first used. */
static int bitmap_get(struct holonfs *fs, uint64_t group, struct buffer **buffer)
{
	uint64_t block = group * GROUP_BLOCKS + (group == 0);
	TRY(cache_get(fs, block, buffer));
	(*buffer)->checked = true;
	uint8_t own = group ? 1 : 3;
	(*buffer)->bytes[0] |= own; /* not dirty for that alone */
	return 0;
}

uint64_t blocks_free_count(const struct holonfs *fs)
{
	uint64_t own = (fs->super.blocks + GROUP_BLOCKS - 1) / GROUP_BLOCKS + 1;
	uint64_t taken = fs->super.used + own;
	return taken < fs->super.blocks ? fs->super.blocks - taken : 0;
}

int blocks_check(struct holonfs *fs, uint64_t blocks)
{
	return blocks_free_count(fs) < blocks + OPERATION_BLOCKS ? -ENOSPC : 0;
}

bool blocks_are_data(const struct holonfs *fs, uint64_t block, uint64_t count)
{
	uint64_t in_group = block % GROUP_BLOCKS;
	uint64_t first = block < GROUP_BLOCKS ? 2 : 1;
	return count && block < fs->super.blocks && count <= fs->super.blocks - block && in_group >= first &&
	       count <= GROUP_BLOCKS - in_group;
}

static bool is_set(const uint8_t *bits, unsigned at)
{
	return bits[at / 8] >> (at % 8) & 1;
}

/* The first free bit from AT on below END, or END. */
static unsigned find_free(const uint8_t *bits, unsigned at, unsigned end)
{
	while (at < end) {
		uint64_t word;
		if (at % 64 == 0 && at + 64 <= end) {
			memcpy(&word, bits + at / 8, 8);
			if (word == UINT64_MAX) {
				at += 64;
				continue;
			}
		}
		if (!is_set(bits, at))
			return at;
		at++;
	}
	return end;
}

int blocks_allocate(struct holonfs *fs, uint64_t goal, uint64_t wanted, uint64_t *block, uint64_t *count)
{
	uint64_t groups = (fs->super.blocks + GROUP_BLOCKS - 1) / GROUP_BLOCKS;
	if (goal >= fs->super.blocks)
		goal = 0;
	unsigned from = goal % GROUP_BLOCKS;
	/* The goal's group from the goal on, then all others from their start, then the goal's whole. */
	for (uint64_t i = 0; i <= groups; i++, from = 0) {
		uint64_t group = (goal / GROUP_BLOCKS + i) % groups;
		uint64_t first = group * GROUP_BLOCKS;
		unsigned end = (unsigned)(fs->super.blocks - first < GROUP_BLOCKS ? fs->super.blocks - first
		                                                                  : GROUP_BLOCKS);
		struct buffer *buffer;
		TRY(bitmap_get(fs, group, &buffer));
		unsigned at = find_free(buffer->bytes, from, end);
		if (at == end)
			continue;
		unsigned run = 0;
		while (at + run < end && run < wanted && !is_set(buffer->bytes, at + run)) {
			buffer->bytes[(at + run) / 8] |= (uint8_t)(1u << (at + run) % 8);
			run++;
		}
		cache_dirty(fs, buffer);
		fs->super.used += run;
		super_change(fs);
		*block = first + at;
		*count = run;
		return 0;
	}
	return -ENOSPC;
}

static int free_blocks(struct holonfs *fs, uint64_t block, uint64_t count)
{
	struct buffer *buffer;
	if (!blocks_are_data(fs, block, count))
		return -EUCLEAN;
	TRY(bitmap_get(fs, block / GROUP_BLOCKS, &buffer));
	for (uint64_t i = 0; i < count; i++) {
		unsigned at = (unsigned)((block + i) % GROUP_BLOCKS);
		if (!is_set(buffer->bytes, at))
			return -EUCLEAN;
		buffer->bytes[at / 8] &= (uint8_t) ~(1u << at % 8);
	}
	cache_dirty(fs, buffer);
	pack_forget(fs, block, count);
	fs->super.used -= count;
	super_change(fs);
	int status = fs->store.discard(fs->store.context, block, count);
	if (status == -ENOSPC) { /* they are free all the same; what is in them goes later */
		uint64_t group = block / GROUP_BLOCKS;
		if (!fs->undiscarded_end || group < fs->undiscarded_first)
			fs->undiscarded_first = group;
		if (group >= fs->undiscarded_end)
			fs->undiscarded_end = group + 1;
		return 0;
	}
	return status < 0 ? fs_fail(fs, status) : 0;
}

int blocks_discard_again(struct holonfs *fs)
{
	struct buffer *buffer;
	uint64_t start = fs->undiscarded_first * GROUP_BLOCKS;
	uint64_t left = fs->super.blocks - start;
	unsigned end = left < GROUP_BLOCKS ? (unsigned)left : GROUP_BLOCKS;
	unsigned run;
	TRY(inode_begin(fs, false));
	TRY(bitmap_get(fs, fs->undiscarded_first, &buffer));
	for (unsigned at = find_free(buffer->bytes, 0, end); at < end;
	     at = find_free(buffer->bytes, at + run, end)) {
		for (run = 1; at + run < end && !is_set(buffer->bytes, at + run);)
			run++;
		int status = fs->store.discard(fs->store.context, start + at, run);
		if (status < 0)
			return status == -ENOSPC ? status : fs_fail(fs, status);
	}
	if (++fs->undiscarded_first == fs->undiscarded_end)
		fs->undiscarded_first = fs->undiscarded_end = 0;
	return 0;
}

/* ---- Shared blocks ---- */

static int shared_at(struct holonfs *fs, uint64_t block, uint64_t *first, struct shared_disk *shared)
{
	struct item item;
	if (!fs->super.shared)
		return 0;
	int found = item_previous(fs, make_key(0, ITEM_SHARED, block), &item);
	if (found <= 0 || !key_is(item.key, 0, ITEM_SHARED))
		return found < 0 ? found : 0;
	if (item.size != sizeof(*shared))
		return -EUCLEAN;
	memcpy(shared, item.data, sizeof(*shared));
	*first = key_offset(item.key);
	return block < *first + shared->count;
}

int blocks_are_shared(struct holonfs *fs, uint64_t block, uint64_t count, bool *is_shared, uint64_t *same)
{
	struct shared_disk shared;
	struct item item;
	uint64_t first;
	*is_shared = false;
	*same = count;
	if (!fs->super.shared)
		return 0;
	int found = shared_at(fs, block, &first, &shared);
	if (found < 0)
		return found;
	if (found) {
		*is_shared = true;
		if (first + shared.count - block < count)
			*same = first + shared.count - block;
		return 0;
	}
	found = item_next(fs, make_key(0, ITEM_SHARED, block), &item);
	if (found > 0 && key_is(item.key, 0, ITEM_SHARED) && key_offset(item.key) - block < count)
		*same = key_offset(item.key) - block;
	return found < 0 ? found : 0;
}

static int put_shared(struct holonfs *fs, uint64_t block, uint64_t count, uint64_t more)
{
	struct shared_disk shared = {(uint32_t)count, (uint32_t)more};
	if (!count || !more)
		return 0;
	fs->super.shared++;
	super_change(fs);
	return item_put(fs, make_key(0, ITEM_SHARED, block), &shared, sizeof(shared));
}

/* Changes the references of [BLOCK, + COUNT), which lie in one shared item from FIRST on, by CHANGE. */
static int change_shared(struct holonfs *fs, uint64_t first, struct shared_disk shared, uint64_t block,
                         uint64_t count, int change)
{
	if (shared.more + (int64_t)change < 0 || shared.more > 1u << 30)
		return -EMLINK;
	TRY(item_remove(fs, make_key(0, ITEM_SHARED, first)));
	fs->super.shared--;
	super_change(fs);
	TRY(put_shared(fs, first, block - first, shared.more));
	TRY(put_shared(fs, block, count, shared.more + (uint64_t)(int64_t)change));
	return put_shared(fs, block + count, first + shared.count - block - count, shared.more);
}

int blocks_release(struct holonfs *fs, uint64_t block, uint64_t count)
{
	while (count) {
		struct shared_disk shared = {0};
		bool is_shared;
		uint64_t same;
		uint64_t first = block;
		TRY(blocks_are_shared(fs, block, count, &is_shared, &same));
		if (is_shared) {
			TRY(shared_at(fs, block, &first, &shared));
			TRY(change_shared(fs, first, shared, block, same, -1));
		} else {
			TRY(free_blocks(fs, block, same));
		}
		block += same;
		count -= same;
	}
	return 0;
}

int blocks_share(struct holonfs *fs, uint64_t block, uint64_t count)
{
	while (count) {
		struct shared_disk shared = {0};
		bool is_shared;
		uint64_t same;
		uint64_t first = block;
		TRY(blocks_are_shared(fs, block, count, &is_shared, &same));
		if (is_shared) {
			TRY(shared_at(fs, block, &first, &shared));
			TRY(change_shared(fs, first, shared, block, same, 1));
		} else {
			TRY(put_shared(fs, block, same, 1));
		}
		block += same;
		count -= same;
	}
	return 0;
}
