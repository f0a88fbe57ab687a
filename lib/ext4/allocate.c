/* Blocks and inodes given out and taken back. A block that is freed is given out again only when the transaction
 * that freed it is committed: until then a crash would find its old owner. */
#include "internal.h"

bool blocks_valid(const struct ext4 *fs, uint64_t first, uint64_t count)
{
	return first > fs->first_block && count && count <= fs->blocks && first <= fs->blocks - count;
}

/* The first bit of BITMAP from FROM on, before END, that is VALUE; or END. */
static uint32_t next_bit(const uint8_t *bitmap, uint32_t from, uint32_t end, bool value)
{
	while (from < end) {
		if (from % 64 == 0 && end - from >= 64) {
			uint64_t word = get64(bitmap + from / 8);
			word = value ? word : ~word;
			if (word)
				return from + (uint32_t)__builtin_ctzll(word);
			from += 64;
			continue;
		}
		if ((bitmap[from / 8] >> from % 8 & 1) == value)
			return from;
		from++;
	}
	return end;
}

/* The part of [FIRST, + COUNT) before what was freed in the running transaction; where it begins with that, *SKIP
 * is where to go on. */
static uint64_t without_freed(const struct ext4 *fs, uint64_t first, uint64_t count, uint64_t *skip)
{
	*skip = 0;
	for (size_t i = 0; i < fs->freed_count; i++) {
		const struct range *freed = &fs->freed[i];
		if (first >= freed->first + freed->count || freed->first >= first + count)
			continue;
		if (freed->first <= first) {
			*skip = freed->first + freed->count;
			return 0;
		}
		count = freed->first - first;
	}
	return count;
}

/* A run of free blocks of GROUP from bit FROM on; count 0: none. */
static struct range find_run(const struct ext4 *fs, const struct group *group, const uint8_t *bitmap,
                             uint32_t from, uint32_t wanted)
{
	uint32_t end = group_blocks(fs, group->number);
	uint64_t start = group_first(fs, group->number);
	struct range best = {0};
	for (unsigned tries = 0; tries < 64 && from < end;) {
		uint32_t first = next_bit(bitmap, from, end, false);
		if (first >= end)
			break;
		uint32_t most = end - first < wanted ? end : first + wanted;
		uint32_t last = next_bit(bitmap, first, most, true);
		uint64_t skip;
		uint64_t count = without_freed(fs, start + first, last - first, &skip);
		if (!count) {
			from = skip - start < end ? (uint32_t)(skip - start) : end;
			continue;
		}
		if (count > best.count)
			best = (struct range){start + first, count};
		if (best.count >= wanted || (tries && best.count >= 64))
			break;
		from = first + (uint32_t)count;
		tries++;
	}
	return best;
}

static int take(struct ext4 *fs, struct group *group, struct buffer *bitmap, const struct range *run)
{
	uint32_t left = group_count(fs, group, GD_FREE_BLOCKS, GD_FREE_BLOCKS_HI);
	uint64_t start = group_first(fs, group->number);
	if (left < run->count || fs->free_blocks < run->count)
		return filesystem_damaged(&fs->fs, "ext4: group %u has more free blocks than it says",
		                          (unsigned)group->number);
	for (uint64_t bit = run->first - start; bit < run->first - start + run->count; bit++)
		bitmap->data[bit / 8] |= (uint8_t)(1u << bit % 8);
	group_set_count(fs, group, GD_FREE_BLOCKS, GD_FREE_BLOCKS_HI, left - (uint32_t)run->count);
	bitmap_changed(fs, group, false, bitmap);
	group_changed(fs, group);
	fs->free_blocks -= run->count;
	fs->counts_changed = true;
	return E_OK;
}

int blocks_allocate(struct ext4 *fs, uint64_t goal, uint32_t wanted, struct range *got)
{
	if (!blocks_valid(fs, goal, 1))
		goal = blocks_valid(fs, fs->next_block, 1) ? fs->next_block : fs->first_block + 1;
	uint32_t first = (uint32_t)((goal - fs->first_block) / fs->blocks_per_group);
	uint32_t from = (uint32_t)((goal - fs->first_block) % fs->blocks_per_group);
	if (!fs->free_blocks)
		return FILE_E_NO_SPACE;
	/* The goal's group is looked at twice: from the goal on, and in the end whole. */
	for (uint64_t i = 0; i <= fs->groups; i++) {
		struct group group;
		struct buffer *bitmap;
		int result = group_get(fs, (uint32_t)((first + i) % fs->groups), &group);
		if (result < 0)
			return result;
		if (!group_count(fs, &group, GD_FREE_BLOCKS, GD_FREE_BLOCKS_HI)) {
			group_put(&group);
			continue;
		}
		result = bitmap_get(fs, &group, false, &bitmap);
		if (result >= 0) {
			*got = find_run(fs, &group, bitmap->data, i ? 0 : from, wanted);
			if (got->count)
				result = take(fs, &group, bitmap, got);
			buffer_release(bitmap);
		}
		group_put(&group);
		if (result < 0)
			return result;
		if (got->count) {
			fs->next_block = got->first + got->count;
			return E_OK;
		}
	}
	return FILE_E_NO_SPACE;
}

static int free_in_group(struct ext4 *fs, uint32_t number, uint32_t first, uint32_t count)
{
	struct group group;
	struct buffer *bitmap;
	int result = group_get(fs, number, &group);
	if (result < 0)
		return result;
	result = bitmap_get(fs, &group, false, &bitmap);
	if (result >= 0) {
		uint32_t left = group_count(fs, &group, GD_FREE_BLOCKS, GD_FREE_BLOCKS_HI);
		if (next_bit(bitmap->data, first, first + count, false) < first + count ||
		    count > fs->blocks_per_group - left) {
			result = filesystem_damaged(
			    &fs->fs, "ext4: blocks that are free already are freed in group %u",
			    (unsigned)number);
		} else {
			for (uint32_t bit = first; bit < first + count; bit++)
				bitmap->data[bit / 8] &= (uint8_t) ~(1u << bit % 8);
			group_set_count(fs, &group, GD_FREE_BLOCKS, GD_FREE_BLOCKS_HI, left + count);
			bitmap_changed(fs, &group, false, bitmap);
			group_changed(fs, &group);
			fs->free_blocks += count;
			fs->counts_changed = true;
		}
		buffer_release(bitmap);
	}
	group_put(&group);
	return result;
}

/* Where the file system's own tables are, nothing of a file's can be. */
static bool is_table(struct ext4 *fs, uint64_t first, uint32_t count)
{
	uint32_t number = (uint32_t)((first - fs->first_block) / fs->blocks_per_group);
	uint64_t table = (uint64_t)fs->inodes_per_group * fs->inode_bytes / fs->block_bytes;
	struct group group;
	if (group_get(fs, number, &group) < 0)
		return true;
	uint64_t starts[3] = {group_block(fs, &group, GD_BLOCK_BITMAP),
	                      group_block(fs, &group, GD_INODE_BITMAP),
	                      group_block(fs, &group, GD_INODE_TABLE)};
	group_put(&group);
	for (unsigned i = 0; i < 3; i++)
		if (first < starts[i] + (i == 2 ? table : 1) && starts[i] < first + count)
			return true;
	return false;
}

int blocks_free(struct ext4 *fs, uint64_t first, uint32_t count, bool metadata)
{
	if (!blocks_valid(fs, first, count) || is_table(fs, first, count))
		return filesystem_damaged(&fs->fs, "ext4: block %llu cannot be a file's",
		                          (unsigned long long)first);
	if (fs->freed_count == FREED_MAX) /* a step frees few ranges, and transaction_room commits before */
		return FILE_E_IO;
	fs->freed[fs->freed_count++] = (struct range){first, count};
	for (uint32_t i = 0; i < count && metadata; i++) {
		cache_drop(&fs->cache, first + i);
		int result = transaction_revoke(fs, first + i);
		if (result < 0)
			return result;
	}
	while (count) {
		uint32_t number = (uint32_t)((first - fs->first_block) / fs->blocks_per_group);
		uint32_t bit = (uint32_t)((first - fs->first_block) % fs->blocks_per_group);
		uint32_t part = group_blocks(fs, number) - bit;
		part = part < count ? part : count;
		int result = free_in_group(fs, number, bit, part);
		if (result < 0)
			return result;
		first += part;
		count -= part;
	}
	return E_OK;
}

/* ---- Inodes ---- */

/* A free inode of GROUP is taken; 0: it has none. */
static int take_inode(struct ext4 *fs, struct group *group, bool is_directory, uint32_t *number)
{
	struct buffer *bitmap;
	uint32_t left = group_count(fs, group, GD_FREE_INODES, GD_FREE_INODES_HI);
	int result = left ? bitmap_get(fs, group, true, &bitmap) : E_OK;
	if (!left || result < 0)
		return result;
	uint32_t reserved = group->number ? 0 : fs->first_inode - 1;
	uint32_t bit = next_bit(bitmap->data, reserved, fs->inodes_per_group, false);
	if (bit < fs->inodes_per_group) {
		bitmap->data[bit / 8] |= (uint8_t)(1u << bit % 8);
		group_set_count(fs, group, GD_FREE_INODES, GD_FREE_INODES_HI, left - 1);
		if (is_directory)
			group_set_count(fs, group, GD_DIRECTORIES, GD_DIRECTORIES_HI,
			                group_count(fs, group, GD_DIRECTORIES, GD_DIRECTORIES_HI) + 1);
		if (fs->checksums || fs->group_checksums) {
			uint32_t used =
			    fs->inodes_per_group - group_count(fs, group, GD_UNUSED, GD_UNUSED_HI);
			if (get16(group->raw + GD_FLAGS) & GROUP_INODE_UNINIT)
				used = 0;
			if (bit >= used)
				group_set_count(fs, group, GD_UNUSED, GD_UNUSED_HI,
				                fs->inodes_per_group - bit - 1);
		}
		bitmap_changed(fs, group, true, bitmap);
		group_changed(fs, group);
		fs->free_inodes -= fs->free_inodes != 0;
		fs->counts_changed = true;
		*number = group->number * fs->inodes_per_group + bit + 1;
		result = 1;
	}
	buffer_release(bitmap);
	return result;
}

/* Directories spread over the groups that have the room of the average, files stay with their directory. */
int inode_allocate(struct ext4 *fs, uint32_t directory, bool is_directory, uint32_t *number)
{
	uint32_t first = (directory - 1) / fs->inodes_per_group;
	uint64_t average = fs->free_inodes / fs->groups;
	if (!fs->free_inodes)
		return FILE_E_NO_SPACE;
	for (unsigned pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < fs->groups; i++) {
			struct group group;
			uint32_t at =
			    is_directory && directory == EXT4_ROOT ? fs->last_group + 1 + i : first + i;
			int result = group_get(fs, at % fs->groups, &group);
			if (result < 0)
				return result;
			if (pass || !is_directory ||
			    (group_count(fs, &group, GD_FREE_INODES, GD_FREE_INODES_HI) >= average &&
			     group_count(fs, &group, GD_FREE_BLOCKS, GD_FREE_BLOCKS_HI) > 64))
				result = take_inode(fs, &group, is_directory, number);
			group_put(&group);
			if (result < 0)
				return result;
			if (result) {
				if (is_directory)
					fs->last_group = (*number - 1) / fs->inodes_per_group;
				return E_OK;
			}
		}
	}
	return FILE_E_NO_SPACE;
}

int inode_free(struct ext4 *fs, uint32_t number, bool is_directory)
{
	struct group group;
	struct buffer *bitmap;
	uint32_t bit = (number - 1) % fs->inodes_per_group;
	int result = group_get(fs, (number - 1) / fs->inodes_per_group, &group);
	if (result < 0)
		return result;
	result = bitmap_get(fs, &group, true, &bitmap);
	if (result >= 0) {
		uint32_t left = group_count(fs, &group, GD_FREE_INODES, GD_FREE_INODES_HI);
		uint32_t directories = group_count(fs, &group, GD_DIRECTORIES, GD_DIRECTORIES_HI);
		if (!(bitmap->data[bit / 8] >> bit % 8 & 1) || left >= fs->inodes_per_group) {
			result =
			    filesystem_damaged(&fs->fs, "ext4: inode %u is free already", (unsigned)number);
		} else {
			bitmap->data[bit / 8] &= (uint8_t) ~(1u << bit % 8);
			group_set_count(fs, &group, GD_FREE_INODES, GD_FREE_INODES_HI, left + 1);
			if (is_directory)
				group_set_count(fs, &group, GD_DIRECTORIES, GD_DIRECTORIES_HI,
				                directories - (directories != 0));
			bitmap_changed(fs, &group, true, bitmap);
			group_changed(fs, &group);
			fs->free_inodes++;
			fs->counts_changed = true;
		}
		buffer_release(bitmap);
	}
	group_put(&group);
	return result;
}
