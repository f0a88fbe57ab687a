/*
 * Extents: which blocks of the store hold which blocks of a file. Three kinds: written in place; reserved and not
 * yet written; and packed, which is up to PACK_BLOCKS blocks of a file compressed together.
 *
 * What a packed extent stores is never changed. Cutting it only changes which of its blocks it shows; where that
 * leaves two pieces, both refer to what is stored (blocks.c counts them), and the last one gives it up. So
 * compressed contents are copied on write, as shared ones are. What counts for quotas and st_blocks is blocks of
 * the file, compressed or not: nobody exceeds a quota by changing what compresses well to what does not.
 */
#include "internal.h"

#define B HOLONFS_BLOCK

uint64_t extent_stored(const struct extent *extent)
{
	return extent->disk.flags & EXTENT_LZ4 ? (extent->bytes + B - 1) / B : extent->disk.count;
}

int extent_load(const struct holonfs *fs, const struct item *item, struct extent *extent)
{
	memset(extent, 0, sizeof(*extent));
	if (item->size != sizeof(extent->disk) && item->size != sizeof(*extent))
		return -EUCLEAN;
	memcpy(extent, item->data, item->size);
	uint32_t flags = extent->disk.flags;
	if (flags & ~(EXTENT_UNWRITTEN | EXTENT_LZ4))
		return -EPROTONOSUPPORT;
	bool packed = flags & EXTENT_LZ4;
	if (packed != (item->size == sizeof(*extent)) || !extent->disk.count)
		return -EUCLEAN;
	if (packed && (flags != EXTENT_LZ4 || extent->total < 2 || extent->total > PACK_BLOCKS ||
	               extent->first > extent->total || extent->disk.count > extent->total - extent->first ||
	               !extent->bytes || extent->bytes > (extent->total - 1u) * B))
		return -EUCLEAN;
	return blocks_are_data(fs, extent->disk.block, extent_stored(extent)) ? 0 : -EUCLEAN;
}

/* EXTENT without its first SKIP blocks, COUNT long. */
static struct extent cut(const struct extent *extent, uint64_t skip, uint64_t count)
{
	struct extent piece = *extent;
	if (extent->disk.flags & EXTENT_LZ4)
		piece.first = (uint16_t)(extent->first + skip);
	else
		piece.disk.block += skip;
	piece.disk.count = (uint32_t)count;
	return piece;
}

static int put(struct holonfs *fs, uint64_t number, uint64_t at, const struct extent *extent)
{
	unsigned size = extent->disk.flags & EXTENT_LZ4 ? sizeof(*extent) : sizeof(extent->disk);
	return item_put(fs, make_key(number, ITEM_EXTENT, at), extent, size);
}

int map_at(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t most, struct map *map)
{
	struct extent extent;
	struct item item;
	*map = (struct map){.count = most};
	int found = item_previous(fs, make_key(number, ITEM_EXTENT, at), &item);
	if (found < 0)
		return found;
	if (found && key_is(item.key, number, ITEM_EXTENT)) {
		uint64_t first = key_offset(item.key);
		TRY(extent_load(fs, &item, &extent));
		if (at < first + extent.disk.count) {
			uint64_t rest = first + extent.disk.count - at;
			map->count = rest < most ? rest : most;
			map->extent = cut(&extent, at - first, map->count);
			map->block = map->extent.disk.block;
			map->unwritten = extent.disk.flags & EXTENT_UNWRITTEN;
			map->packed = extent.disk.flags & EXTENT_LZ4;
			return 0;
		}
	}
	found = item_next(fs, make_key(number, ITEM_EXTENT, at), &item);
	if (found > 0 && key_is(item.key, number, ITEM_EXTENT) && key_offset(item.key) - at < most)
		map->count = key_offset(item.key) - at;
	/* A tree out of order could say that nothing follows here: no caller would get any further. */
	return found < 0 ? found : map->count ? 0 : -EUCLEAN;
}

int extent_put(struct holonfs *fs, uint64_t number, uint64_t at, const struct extent *extent)
{
	struct extent before;
	struct item item;
	const struct extent_disk *disk = &extent->disk;
	if (!disk->count)
		return 0;
	bool packed = disk->flags & EXTENT_LZ4;
	int found = at && !packed ? item_previous(fs, make_key(number, ITEM_EXTENT, at - 1), &item) : 0;
	if (found < 0)
		return found;
	if (found && key_is(item.key, number, ITEM_EXTENT)) {
		TRY(extent_load(fs, &item, &before));
		if (key_offset(item.key) + before.disk.count == at &&
		    before.disk.block + before.disk.count == disk->block &&
		    before.disk.flags == disk->flags &&
		    blocks_are_data(fs, before.disk.block, (uint64_t)before.disk.count + disk->count)) {
			before.disk.count += disk->count;
			return put(fs, number, key_offset(item.key), &before);
		}
	}
	return put(fs, number, at, extent);
}

static int put_plain(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t block, uint64_t count,
                     uint32_t flags)
{
	const struct extent extent = {.disk = {block, (uint32_t)count, flags}};
	return extent_put(fs, number, at, &extent);
}

/* The references to what a packed extent stores, when LEFT and RIGHT of it stay and the caller KEEPS the middle. */
static int settle_packed(struct holonfs *fs, const struct extent *extent, bool left, bool right, bool keeps)
{
	unsigned holders = (unsigned)left + right + keeps;
	if (!holders)
		return blocks_release(fs, extent->disk.block, extent_stored(extent));
	while (--holders)
		TRY(blocks_share(fs, extent->disk.block, extent_stored(extent)));
	return 0;
}

/* Takes [AT, + COUNT) out of the map, cutting extents at its ends. RELEASE: the blocks are given up, else they
 * are the caller's now. *REMOVED counts blocks of the file. */
static int detach(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t count, bool release,
                  uint64_t *removed)
{
	uint64_t end = count > OFFSET_MASK - at ? OFFSET_MASK : at + count;
	*removed = 0;
	for (;;) {
		struct item item;
		struct extent extent;
		int found = item_previous(fs, make_key(number, ITEM_EXTENT, end - 1), &item);
		if (found < 0)
			return found;
		if (!found || !key_is(item.key, number, ITEM_EXTENT))
			return 0;
		uint64_t first = key_offset(item.key);
		TRY(extent_load(fs, &item, &extent));
		uint64_t last = first + extent.disk.count;
		if (last <= at)
			return 0;
		uint64_t cut_first = first > at ? first : at;
		uint64_t cut_last = last < end ? last : end;
		bool packed = extent.disk.flags & EXTENT_LZ4;
		if (packed)
			TRY(settle_packed(fs, &extent, first < cut_first, cut_last < last, !release));
		TRY(item_remove(fs, make_key(number, ITEM_EXTENT, first)));
		if (cut_last < last) {
			struct extent right = cut(&extent, cut_last - first, last - cut_last);
			TRY(put(fs, number, cut_last, &right));
		}
		if (first < cut_first) {
			struct extent left = cut(&extent, 0, cut_first - first);
			TRY(put(fs, number, first, &left));
		}
		if (release && !packed)
			TRY(blocks_release(fs, extent.disk.block + (cut_first - first),
			                   cut_last - cut_first));
		*removed += cut_last - cut_first;
		if (cut_first == at)
			return 0;
		end = cut_first;
	}
}

int extents_remove(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at, uint64_t count)
{
	uint64_t removed;
	TRY(detach(fs, number, at, count, true, &removed));
	inode->blocks -= removed < inode->blocks ? removed : inode->blocks;
	return quota_charge(fs, inode, -(int64_t)removed, 0);
}

/* Room for up to *COUNT blocks in one piece, behind the file's block before AT if possible. What the tree may need to name them
 * stays free. */
static int find_room(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t *block, uint64_t *count)
{
	struct map map = {0};
	uint64_t goal = fs->cursor;
	uint64_t free_blocks = blocks_free_count(fs);
	if (free_blocks <= OPERATION_BLOCKS)
		return -ENOSPC;
	if (*count > free_blocks - OPERATION_BLOCKS)
		*count = free_blocks - OPERATION_BLOCKS;
	if (at)
		TRY(map_at(fs, number, at - 1, 1, &map));
	if (map.block)
		goal = map.block + (map.packed ? extent_stored(&map.extent) : 1);
	TRY(blocks_allocate(fs, goal, *count, block, count));
	fs->cursor = *block + *count;
	return 0;
}

/* Likewise for a hole: charged to the file. */
static int fill_hole(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at,
                     uint64_t *block, uint64_t *count)
{
	TRY(find_room(fs, number, at, block, count));
	int status = quota_charge(fs, inode, (int64_t)*count, 0);
	if (status < 0) {
		TRY(blocks_release(fs, *block, *count));
		return status;
	}
	inode->blocks += *count;
	return 0;
}

int extents_reserve(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at, uint64_t end)
{
	if (blocks_free_count(fs) < OPERATION_BLOCKS)
		return -ENOSPC;
	while (at < end) {
		struct map map;
		TRY(map_at(fs, number, at, end - at, &map));
		if (!map.block) {
			TRY(fill_hole(fs, number, inode, at, &map.block, &map.count));
			TRY(put_plain(fs, number, at, map.block, map.count, EXTENT_UNWRITTEN));
		}
		at += map.count;
	}
	return 0;
}

int extents_shift(struct holonfs *fs, uint64_t number, uint64_t from, int64_t distance)
{
	uint64_t limit = UINT64_MAX;
	uint64_t at = from;
	for (;;) {
		struct item item;
		struct extent extent;
		int found = distance < 0 ? item_next(fs, make_key(number, ITEM_EXTENT, at), &item)
		                         : item_previous(fs,
		                                         make_key(number, ITEM_EXTENT,
		                                                  limit == UINT64_MAX ? OFFSET_MASK : limit),
		                                         &item);
		if (found < 0)
			return found;
		if (!found || !key_is(item.key, number, ITEM_EXTENT) || key_offset(item.key) < from)
			return 0;
		uint64_t first = key_offset(item.key);
		TRY(extent_load(fs, &item, &extent));
		TRY(item_remove(fs, make_key(number, ITEM_EXTENT, first)));
		TRY(put(fs, number, first + (uint64_t)distance, &extent));
		at = first + extent.disk.count;
		if (distance > 0) {
			if (!first)
				return 0;
			limit = first - 1;
		}
	}
}

int extents_split(struct holonfs *fs, uint64_t number, uint64_t at)
{
	struct map map;
	uint64_t removed;
	TRY(map_at(fs, number, at, UINT32_MAX, &map));
	if (!map.block)
		return 0;
	TRY(detach(fs, number, at, map.count, false, &removed));
	return put(fs, number, at, &map.extent);
}

/* ---- Contents ---- */

static int store_write(struct holonfs *fs, uint64_t block, uint64_t count, const void *data)
{
	int status = fs->store.write(fs->store.context, block, count, data);
	return status < 0 ? fs_fail(fs, status) : status;
}

/* What MAP has moves to new blocks, with other contents: nothing is charged. */
static int write_anew(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t *count, const uint8_t *data)
{
	uint64_t block;
	uint64_t removed;
	TRY(find_room(fs, number, at, &block, count));
	TRY(store_write(fs, block, *count, data));
	TRY(detach(fs, number, at, *count, true, &removed));
	return put_plain(fs, number, at, block, *count, 0);
}

static int write_plain(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at,
                       uint64_t count, const uint8_t *data)
{
	while (count) {
		struct map map;
		uint64_t removed;
		bool shared = false;
		TRY(map_at(fs, number, at, count, &map));
		uint64_t part = map.count;
		if (map.block && !map.packed)
			TRY(blocks_are_shared(fs, map.block, part, &shared, &part));
		if (!map.block) {
			uint64_t block;
			TRY(fill_hole(fs, number, inode, at, &block, &part));
			TRY(store_write(fs, block, part, data));
			TRY(put_plain(fs, number, at, block, part, 0));
		} else if (map.packed || shared) {
			TRY(write_anew(fs, number, at, &part, data));
		} else {
			TRY(store_write(fs, map.block, part, data));
			if (map.unwritten) {
				TRY(detach(fs, number, at, part, false, &removed));
				TRY(put_plain(fs, number, at, map.block, part, 0));
			}
		}
		at += part;
		count -= part;
		data += part * B;
	}
	return 0;
}

int extents_read(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t count, uint8_t *data)
{
	while (count) {
		struct map map;
		TRY(map_at(fs, number, at, count, &map));
		if (map.packed)
			TRY(pack_open(fs, &map.extent, data));
		else if (map.block && !map.unwritten)
			TRY(fs->store.read(fs->store.context, map.block, map.count, data));
		else
			memset(data, 0, map.count * B);
		at += map.count;
		count -= map.count;
		data += map.count * B;
	}
	return 0;
}

/* Stores COUNT blocks of DATA compressed. 1 done, 0 not worth it or no room for it: to be written plainly. */
static int write_packed(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at,
                        uint64_t count, const uint8_t *data)
{
	struct extent extent = {.disk = {.count = (uint32_t)count, .flags = EXTENT_LZ4},
	                        .total = (uint16_t)count};
	const uint8_t *stored;
	uint64_t room;
	uint64_t mapped = 0;
	struct map map;
	TRY(pack_seal(fs, data, count, &stored, &extent.bytes));
	if (!extent.bytes)
		return 0;
	for (uint64_t i = 0; i < count; i += map.count) {
		TRY(map_at(fs, number, at + i, count - i, &map));
		mapped += map.block ? map.count : 0;
	}
	uint64_t blocks = room = extent_stored(&extent);
	int status = find_room(fs, number, at, &extent.disk.block, &room);
	if (status < 0)
		return status == -ENOSPC ? 0 : status;
	status = room < blocks ? -ENOSPC : quota_charge(fs, inode, (int64_t)(count - mapped), 0);
	if (status < 0) {
		TRY(blocks_release(fs, extent.disk.block, room));
		return status == -ENOSPC || status == -EDQUOT ? 0 : status;
	}
	TRY(store_write(fs, extent.disk.block, blocks, stored));
	TRY(detach(fs, number, at, count, true, &mapped));
	inode->blocks += count - mapped;
	features_change(fs, FEATURE_LZ4, 0);
	TRY(put(fs, number, at, &extent));
	return 1;
}

int extents_write(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at, uint64_t count,
                  const uint8_t *data)
{
	while (count) {
		uint64_t part = count;
		int packed = 0;
		if (inode->flags & HOLONFS_FLAG_COMPRESS) {
			uint64_t to_end = PACK_BLOCKS - at % PACK_BLOCKS;
			part = count < to_end ? count : to_end;
			if (part >= PACK_MIN)
				packed = write_packed(fs, number, inode, at, part, data);
			TRY(packed);
		}
		if (!packed)
			TRY(write_plain(fs, number, inode, at, part, data));
		at += part;
		count -= part;
		data += part * B;
	}
	return 0;
}

int extents_pack(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at)
{
	uint8_t *data;
	struct map map;
	for (uint64_t i = 0; i < PACK_BLOCKS; i += map.count) {
		TRY(map_at(fs, number, at + i, PACK_BLOCKS - i, &map));
		if (!map.block || map.unwritten || (map.packed && map.count == PACK_BLOCKS))
			return 0;
	}
	TRY(pack_cluster(fs, &data));
	TRY(extents_read(fs, number, at, PACK_BLOCKS, data));
	int packed = write_packed(fs, number, inode, at, PACK_BLOCKS, data);
	return packed < 0 ? packed : 0;
}

int extents_share(struct holonfs *fs, uint64_t from, uint64_t from_at, uint64_t to, struct inode_disk *inode,
                  uint64_t to_at, uint64_t *count)
{
	struct map map;
	TRY(map_at(fs, from, from_at, *count, &map));
	*count = map.count;
	if (map.block) {
		TRY(blocks_check(fs, 0));
		TRY(quota_charge(fs, inode, (int64_t)map.count, 0));
		TRY(blocks_share(fs, map.block, extent_stored(&map.extent)));
	}
	TRY(extents_remove(fs, to, inode, to_at, map.count));
	if (!map.block)
		return 0;
	inode->blocks += map.count;
	return extent_put(fs, to, to_at, &map.extent);
}
