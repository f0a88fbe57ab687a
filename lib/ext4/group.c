/* Group descriptors and bitmaps (chapters "Block Group Descriptors", "Block and inode Bitmaps"). */
#include "internal.h"

uint64_t group_first(const struct ext4 *fs, uint32_t number)
{
	return fs->first_block + (uint64_t)number * fs->blocks_per_group;
}

uint32_t group_blocks(const struct ext4 *fs, uint32_t number)
{
	uint64_t left = fs->blocks - group_first(fs, number);
	return left < fs->blocks_per_group ? (uint32_t)left : fs->blocks_per_group;
}

static bool is_power_of(uint32_t number, uint32_t base)
{
	while (number > 1 && number % base == 0)
		number /= base;
	return number == 1;
}

bool group_has_super(const struct ext4 *fs, uint32_t number)
{
	if (number == 0)
		return true;
	if (fs->compat & COMPAT_SPARSE_SUPER2)
		return number == get32(fs->super + SB_BACKUP_GROUPS) ||
		       number == get32(fs->super + SB_BACKUP_GROUPS + 4);
	if (number == 1 || !(fs->ro_compat & RO_SPARSE_SUPER))
		return true;
	return number & 1 && (is_power_of(number, 3) || is_power_of(number, 5) || is_power_of(number, 7));
}

static uint32_t descriptors_per_block(const struct ext4 *fs)
{
	return fs->block_bytes / fs->desc_bytes;
}

static bool in_meta_group(const struct ext4 *fs, uint32_t number)
{
	return fs->incompat & INCOMPAT_META_BG &&
	       number / descriptors_per_block(fs) >= get32(fs->super + SB_FIRST_META_BG);
}

static uint32_t checksum(const struct ext4 *fs, const struct group *group)
{
	const uint8_t zero[2] = {0};
	uint8_t number[4];
	put32(number, group->number);
	if (fs->checksums) {
		uint32_t crc = crc32c(fs->seed, number, 4);
		crc = crc32c(crc, group->raw, GD_CHECKSUM);
		crc = crc32c(crc, zero, 2);
		return crc32c(crc, group->raw + GD_CHECKSUM + 2, fs->desc_bytes - GD_CHECKSUM - 2) & 0xffff;
	}
	uint16_t crc = crc16(0xffff, fs->super + SB_UUID, 16);
	crc = crc16(crc, number, 4);
	crc = crc16(crc, group->raw, GD_CHECKSUM);
	return crc16(crc, group->raw + GD_CHECKSUM + 2, fs->desc_bytes - GD_CHECKSUM - 2);
}

int group_get(struct ext4 *fs, uint32_t number, struct group *group)
{
	uint32_t per_block = descriptors_per_block(fs);
	uint64_t block = fs->first_block + 1 + number / per_block;
	if (in_meta_group(fs, number)) {
		uint32_t first = number / per_block * per_block;
		block = group_first(fs, first) + group_has_super(fs, first);
	}
	group->number = number;
	int result = cache_get(&fs->cache, block, false, &group->buffer);
	if (result < 0)
		return result;
	group->raw = group->buffer->data + (size_t)(number % per_block) * fs->desc_bytes;
	uint64_t table_blocks = (uint64_t)fs->inodes_per_group * fs->inode_bytes / fs->block_bytes;
	const char *wrong = 0;
	if ((fs->checksums || fs->group_checksums) && get16(group->raw + GD_CHECKSUM) != checksum(fs, group))
		wrong = "fails its checksum";
	else if (!blocks_valid(fs, group_block(fs, group, GD_BLOCK_BITMAP), 1) ||
	         !blocks_valid(fs, group_block(fs, group, GD_INODE_BITMAP), 1) ||
	         !blocks_valid(fs, group_block(fs, group, GD_INODE_TABLE), table_blocks))
		wrong = "points out of the disk";
	if (!wrong)
		return E_OK;
	group_put(group);
	return filesystem_damaged(&fs->fs, "ext4: the descriptor of group %u %s", (unsigned)number, wrong);
}

void group_put(struct group *group)
{
	buffer_release(group->buffer);
	group->buffer = 0;
}

void group_changed(struct ext4 *fs, struct group *group)
{
	if (fs->checksums || fs->group_checksums)
		put16(group->raw + GD_CHECKSUM, (uint16_t)checksum(fs, group));
	transaction_add(fs, group->buffer);
}

uint64_t group_block(const struct ext4 *fs, const struct group *group, unsigned field)
{
	uint64_t high = fs->desc_bytes >= 64 ? get32(group->raw + GD_HI + field) : 0;
	return get32(group->raw + field) | high << 32;
}

uint32_t group_count(const struct ext4 *fs, const struct group *group, unsigned field, unsigned high)
{
	return get16(group->raw + field) |
	       (fs->desc_bytes >= 64 ? (uint32_t)get16(group->raw + high) << 16 : 0);
}

void group_set_count(const struct ext4 *fs, struct group *group, unsigned field, unsigned high,
                     uint32_t count)
{
	put16(group->raw + field, (uint16_t)count);
	if (fs->desc_bytes >= 64)
		put16(group->raw + high, (uint16_t)(count >> 16));
}

int groups_count(struct ext4 *fs)
{
	fs->free_blocks = fs->free_inodes = 0;
	for (uint32_t number = 0; number < fs->groups; number++) {
		struct group group;
		int result = group_get(fs, number, &group);
		if (result < 0)
			return result;
		uint32_t blocks = group_count(fs, &group, GD_FREE_BLOCKS, GD_FREE_BLOCKS_HI);
		uint32_t inodes = group_count(fs, &group, GD_FREE_INODES, GD_FREE_INODES_HI);
		group_put(&group);
		if (blocks > fs->blocks_per_group || inodes > fs->inodes_per_group)
			return filesystem_damaged(
			    &fs->fs, "ext4: group %u says that more is free than it has", (unsigned)number);
		fs->free_blocks += blocks;
		fs->free_inodes += inodes;
	}
	return E_OK;
}

/* ---- Bitmaps ---- */

static void set_bits(uint8_t *bitmap, uint32_t first, uint32_t end)
{
	for (uint32_t bit = first; bit < end; bit++) {
		if (bit % 8 == 0 && end - bit >= 8) {
			bitmap[bit / 8] = 0xff;
			bit += 7;
			continue;
		}
		bitmap[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
}

/* Marks [FIRST, + COUNT) of the disk's blocks, as far as they are GROUP's. */
static void mark(const struct ext4 *fs, const struct group *group, uint8_t *bitmap, uint64_t first,
                 uint64_t count)
{
	uint64_t start = group_first(fs, group->number);
	uint64_t end = start + group_blocks(fs, group->number);
	uint64_t last = first + count < end ? first + count : end;
	first = first > start ? first : start;
	if (first < last)
		set_bits(bitmap, (uint32_t)(first - start), (uint32_t)(last - start));
}

/* The blocks of a group that nobody has used yet: its own tables alone are taken. */
static void fresh_blocks(const struct ext4 *fs, const struct group *group, uint8_t *bitmap)
{
	uint64_t start = group_first(fs, group->number);
	uint64_t taken = group_has_super(fs, group->number);
	uint32_t per_block = descriptors_per_block(fs);
	if (in_meta_group(fs, group->number)) {
		uint32_t place =
		    group->number % per_block; /* descriptors are in the first, second and last */
		taken += place == 0 || place == 1 || place == per_block - 1;
	} else if (taken) {
		uint64_t all = ((uint64_t)fs->groups + per_block - 1) / per_block;
		uint64_t before = fs->incompat & INCOMPAT_META_BG ? get32(fs->super + SB_FIRST_META_BG) : all;
		taken += (before < all ? before : all) + get16(fs->super + SB_RESERVED_GDT);
	}
	mark(fs, group, bitmap, start, taken);
	mark(fs, group, bitmap, group_block(fs, group, GD_BLOCK_BITMAP), 1);
	mark(fs, group, bitmap, group_block(fs, group, GD_INODE_BITMAP), 1);
	mark(fs, group, bitmap, group_block(fs, group, GD_INODE_TABLE),
	     (uint64_t)fs->inodes_per_group * fs->inode_bytes / fs->block_bytes);
	set_bits(bitmap, group_blocks(fs, group->number), fs->block_bytes * 8);
}

static uint32_t bitmap_checksum(const struct ext4 *fs, const struct buffer *bitmap, bool inodes)
{
	uint32_t crc =
	    crc32c(fs->seed, bitmap->data, (inodes ? fs->inodes_per_group : fs->blocks_per_group) / 8);
	return fs->desc_bytes >= 64 ? crc : crc & 0xffff;
}

int bitmap_get(struct ext4 *fs, struct group *group, bool inodes, struct buffer **bitmap)
{
	unsigned flag = inodes ? GROUP_INODE_UNINIT : GROUP_BLOCK_UNINIT;
	bool fresh = (fs->checksums || fs->group_checksums) && get16(group->raw + GD_FLAGS) & flag;
	uint64_t block = group_block(fs, group, inodes ? GD_INODE_BITMAP : GD_BLOCK_BITMAP);
	struct buffer *there = fresh ? cache_peek(&fs->cache, block) : 0;
	if (there && there->checked) {
		*bitmap = there; /* made before, and not used since */
		return E_OK;
	}
	buffer_release(there);
	int result = cache_get(&fs->cache, block, fresh, bitmap);
	if (result < 0)
		return result;
	if (fresh && inodes)
		set_bits((*bitmap)->data, fs->inodes_per_group, fs->block_bytes * 8);
	else if (fresh)
		fresh_blocks(fs, group, (*bitmap)->data);
	if (fresh || (*bitmap)->checked)
		return E_OK;
	if (fs->checksums) {
		uint32_t wanted = inodes ? group_count(fs, group, GD_INODE_CSUM, GD_INODE_CSUM_HI)
		                         : group_count(fs, group, GD_BLOCK_CSUM, GD_BLOCK_CSUM_HI);
		if (bitmap_checksum(fs, *bitmap, inodes) != wanted) {
			buffer_release(*bitmap);
			return filesystem_damaged(&fs->fs, "ext4: a bitmap of group %u fails its checksum",
			                          (unsigned)group->number);
		}
	}
	(*bitmap)->checked = true;
	return E_OK;
}

void bitmap_changed(struct ext4 *fs, struct group *group, bool inodes, struct buffer *bitmap)
{
	uint16_t flags = get16(group->raw + GD_FLAGS);
	if (fs->checksums || fs->group_checksums)
		put16(group->raw + GD_FLAGS,
		      flags & (uint16_t) ~(inodes ? GROUP_INODE_UNINIT : GROUP_BLOCK_UNINIT));
	if (fs->checksums) {
		uint32_t crc = bitmap_checksum(fs, bitmap, inodes);
		if (inodes)
			group_set_count(fs, group, GD_INODE_CSUM, GD_INODE_CSUM_HI, crc);
		else
			group_set_count(fs, group, GD_BLOCK_CSUM, GD_BLOCK_CSUM_HI, crc);
	}
	transaction_add(fs, bitmap);
}
