/*
 * Contents. Up to 1,024 bytes lie in the tree; else extents map blocks of the file to blocks of the store.
 * Blocks that one file alone has are written in place (the store's commit makes that atomic); shared ones are
 * copied on write.
 */
#include "internal.h"

#define TYPE_MASK 0170000u
#define TYPE_DIR  0040000u
#define TYPE_FILE 0100000u
#define B         HOLONFS_BLOCK

struct map {
	uint64_t block, count; /* block 0: a hole */
	bool unwritten;
};

static int map_at(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t most, struct map *map)
{
	struct extent_disk extent;
	struct item item;
	*map = (struct map){.count = most};
	int found = item_previous(fs, make_key(number, ITEM_EXTENT, at), &item);
	if (found < 0)
		return found;
	if (found && key_is(item.key, number, ITEM_EXTENT)) {
		uint64_t first = key_offset(item.key);
		if (item.size != sizeof(extent))
			return -EUCLEAN;
		memcpy(&extent, item.data, sizeof(extent));
		if (!extent.count || !blocks_are_data(fs, extent.block, extent.count))
			return -EUCLEAN;
		if (at < first + extent.count) {
			uint64_t rest = first + extent.count - at;
			*map = (struct map){extent.block + (at - first), rest < most ? rest : most,
			                    extent.flags & EXTENT_UNWRITTEN};
			return 0;
		}
	}
	found = item_next(fs, make_key(number, ITEM_EXTENT, at), &item);
	if (found > 0 && key_is(item.key, number, ITEM_EXTENT) && key_offset(item.key) - at < most)
		map->count = key_offset(item.key) - at;
	/* A tree out of order could say that nothing follows here: no caller would get any further. */
	return found < 0 ? found : map->count ? 0 : -EUCLEAN;
}

static int put_extent(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t block, uint64_t count,
                      uint32_t flags)
{
	struct extent_disk extent = {block, (uint32_t)count, flags};
	struct extent_disk before;
	struct item item;
	if (!count)
		return 0;
	int found = at ? item_previous(fs, make_key(number, ITEM_EXTENT, at - 1), &item) : 0;
	if (found < 0)
		return found;
	if (found && key_is(item.key, number, ITEM_EXTENT) && item.size == sizeof(before)) {
		memcpy(&before, item.data, sizeof(before));
		if (key_offset(item.key) + before.count == at && before.block + before.count == block &&
		    before.flags == flags && blocks_are_data(fs, before.block, before.count + count)) {
			before.count += (uint32_t)count;
			return item_put(fs, item.key, &before, sizeof(before));
		}
	}
	return item_put(fs, make_key(number, ITEM_EXTENT, at), &extent, sizeof(extent));
}

/* Takes [AT, + COUNT) out of the map, cutting extents at its ends. RELEASE: the blocks are given up. *REMOVED
 * counts them. */
static int detach(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t count, bool release,
                  uint64_t *removed)
{
	uint64_t end = count > OFFSET_MASK - at ? OFFSET_MASK : at + count;
	*removed = 0;
	for (;;) {
		struct item item;
		struct extent_disk extent;
		int found = item_previous(fs, make_key(number, ITEM_EXTENT, end - 1), &item);
		if (found < 0)
			return found;
		if (!found || !key_is(item.key, number, ITEM_EXTENT))
			return 0;
		uint64_t first = key_offset(item.key);
		if (item.size != sizeof(extent))
			return -EUCLEAN;
		memcpy(&extent, item.data, sizeof(extent));
		uint64_t last = first + extent.count;
		if (last <= at)
			return 0;
		if (!blocks_are_data(fs, extent.block, extent.count))
			return -EUCLEAN;
		uint64_t cut_first = first > at ? first : at;
		uint64_t cut_last = last < end ? last : end;
		TRY(item_remove(fs, item.key));
		if (cut_last < last) {
			struct extent_disk right = {extent.block + (cut_last - first),
			                            (uint32_t)(last - cut_last), extent.flags};
			TRY(item_put(fs, make_key(number, ITEM_EXTENT, cut_last), &right, sizeof(right)));
		}
		if (first < cut_first) {
			struct extent_disk left = {extent.block, (uint32_t)(cut_first - first), extent.flags};
			TRY(item_put(fs, item.key, &left, sizeof(left)));
		}
		if (release)
			TRY(blocks_release(fs, extent.block + (cut_first - first), cut_last - cut_first));
		*removed += cut_last - cut_first;
		if (cut_first == at)
			return 0;
		end = cut_first;
	}
}

static int uncharge(struct holonfs *fs, struct inode_disk *inode, uint64_t blocks)
{
	inode->blocks -= blocks < inode->blocks ? blocks : inode->blocks;
	return quota_charge(fs, inode, -(int64_t)blocks, 0);
}

static int remove_blocks(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at,
                         uint64_t count)
{
	uint64_t removed;
	TRY(detach(fs, number, at, count, true, &removed));
	return uncharge(fs, inode, removed);
}

/* Where the block behind the file's block before AT is: a good place to go on. */
static int find_goal(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t *goal)
{
	struct map map;
	*goal = fs->cursor;
	if (!at)
		return 0;
	TRY(map_at(fs, number, at - 1, 1, &map));
	if (map.block)
		*goal = map.block + 1;
	return 0;
}

/* Room for up to *COUNT blocks at AT, in one piece, charged to the file. */
static int obtain(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at, uint64_t *block,
                  uint64_t *count)
{
	uint64_t goal;
	uint64_t wanted = *count;
	TRY(blocks_check(fs, 0));
	TRY(find_goal(fs, number, at, &goal));
	TRY(blocks_allocate(fs, goal, wanted, block, count));
	int status = quota_charge(fs, inode, (int64_t)*count, 0);
	if (status < 0) {
		TRY(blocks_release(fs, *block, *count));
		return status;
	}
	fs->cursor = *block + *count;
	inode->blocks += *count;
	return 0;
}

static int store_write(struct holonfs *fs, uint64_t block, uint64_t count, const void *data)
{
	int status = fs->store.write(fs->store.context, block, count, data);
	if (status < 0)
		fs->failed = status;
	return status;
}

/* Writes whole blocks. */
static int write_blocks(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at,
                        uint64_t count, const uint8_t *data)
{
	while (count) {
		struct map map;
		uint64_t removed;
		bool shared = false;
		TRY(map_at(fs, number, at, count, &map));
		uint64_t part = map.count;
		if (map.block)
			TRY(blocks_are_shared(fs, map.block, part, &shared, &part));
		if (!map.block || shared) {
			uint64_t block;
			TRY(obtain(fs, number, inode, at, &block, &part));
			TRY(store_write(fs, block, part, data));
			if (shared)
				TRY(remove_blocks(fs, number, inode, at, part));
			TRY(put_extent(fs, number, at, block, part, 0));
		} else {
			TRY(store_write(fs, map.block, part, data));
			if (map.unwritten) {
				TRY(detach(fs, number, at, part, false, &removed));
				TRY(put_extent(fs, number, at, map.block, part, 0));
			}
		}
		at += part;
		count -= part;
		data += part * B;
	}
	return 0;
}

static int read_blocks(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t count, uint8_t *data)
{
	while (count) {
		struct map map;
		TRY(map_at(fs, number, at, count, &map));
		if (map.block && !map.unwritten)
			TRY(fs->store.read(fs->store.context, map.block, map.count, data));
		else
			memset(data, 0, map.count * B);
		at += map.count;
		count -= map.count;
		data += map.count * B;
	}
	return 0;
}

/* Writes SIZE bytes at OFFSET of a file whose contents are in blocks; DATA NULL: zeroes, and holes stay
 * holes. */
static int write_range(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t offset,
                       const uint8_t *data, size_t size, size_t *done)
{
	uint8_t block[B];
	for (*done = 0; *done < size;) {
		uint64_t at = (offset + *done) / B;
		unsigned skip = (offset + *done) % B;
		size_t rest = size - *done;
		if (!skip && rest >= B && data) {
			size_t part = rest / B * B;
			part = part > 64 * B ? 64 * B : part;
			TRY(write_blocks(fs, number, inode, at, part / B, data + *done));
			*done += part;
			continue;
		}
		size_t part = B - skip < rest ? B - skip : rest;
		struct map map;
		TRY(map_at(fs, number, at, 1, &map));
		if (data || (map.block && !map.unwritten)) {
			TRY(read_blocks(fs, number, at, 1, block));
			if (data)
				memcpy(block + skip, data + *done, part);
			else
				memset(block + skip, 0, part);
			TRY(write_blocks(fs, number, inode, at, 1, block));
		}
		*done += part;
	}
	return 0;
}

/* ---- Contents in the tree ---- */

static int read_inline(struct holonfs *fs, uint64_t number, uint8_t bytes[INLINE_MAX])
{
	struct item item;
	memset(bytes, 0, INLINE_MAX);
	int found = item_find(fs, make_key(number, ITEM_INLINE, 0), &item);
	if (found > 0 && item.size > INLINE_MAX)
		return -EUCLEAN;
	if (found > 0)
		memcpy(bytes, item.data, item.size);
	return found < 0 ? found : 0;
}

/* Contents move from the tree to blocks. */
static int leave_inline(struct holonfs *fs, uint64_t number, struct inode_disk *inode)
{
	uint8_t bytes[INLINE_MAX];
	size_t done;
	if (!(inode->flags & INODE_INLINE))
		return 0;
	TRY(read_inline(fs, number, bytes));
	TRY(blocks_check(fs, 1));
	TRY(item_remove(fs, make_key(number, ITEM_INLINE, 0)));
	inode->flags &= ~INODE_INLINE;
	return inode->size ? write_range(fs, number, inode, 0, bytes,
	                                 inode->size < INLINE_MAX ? inode->size : INLINE_MAX, &done)
	                   : 0;
}

static int open_file(struct holonfs *fs, uint64_t number, struct inode_disk *inode)
{
	TRY(inode_read(fs, number, inode));
	uint32_t type = inode->mode & TYPE_MASK;
	if (type != TYPE_FILE)
		return type == TYPE_DIR ? -EISDIR : -EINVAL;
	return (inode->flags & INODE_INLINE) && inode->size > INLINE_MAX ? -EUCLEAN : 0;
}

int64_t holonfs_read(struct holonfs *fs, uint64_t number, uint64_t offset, void *buffer, size_t size)
{
	struct inode_disk inode;
	uint8_t bytes[B];
	uint8_t *out = buffer;
	TRY(inode_begin(fs, false));
	TRY(open_file(fs, number, &inode));
	if (offset >= inode.size)
		return 0;
	if (size > inode.size - offset)
		size = (size_t)(inode.size - offset);
	if (inode.flags & INODE_INLINE) {
		TRY(read_inline(fs, number, bytes));
		memcpy(buffer, bytes + offset, size);
		return (int64_t)size;
	}
	for (size_t done = 0; done < size;) {
		uint64_t at = (offset + done) / B;
		unsigned skip = (offset + done) % B;
		size_t part = size - done;
		if (!skip && part >= B) {
			part = part / B * B;
			TRY(read_blocks(fs, number, at, part / B, out + done));
		} else {
			part = B - skip < part ? B - skip : part;
			TRY(read_blocks(fs, number, at, 1, bytes));
			memcpy(out + done, bytes + skip, part);
		}
		done += part;
	}
	return (int64_t)size;
}

/* Bytes between the old end and OFFSET in the old last block are zero already: cutting a file zeroes them. */
int64_t holonfs_write(struct holonfs *fs, uint64_t number, uint64_t offset, const void *buffer, size_t size)
{
	struct inode_disk inode;
	uint8_t bytes[INLINE_MAX];
	size_t done = 0;
	TRY(inode_begin(fs, true));
	TRY(open_file(fs, number, &inode));
	if (offset > HOLONFS_SIZE_MAX || size > HOLONFS_SIZE_MAX - offset)
		return -EFBIG;
	if (!size)
		return 0;
	uint64_t end = offset + size;
	int status = 0;
	if ((inode.flags & INODE_INLINE) && end <= INLINE_MAX) {
		uint64_t length = end > inode.size ? end : inode.size;
		TRY(read_inline(fs, number, bytes));
		memcpy(bytes + offset, buffer, size);
		TRY(item_put(fs, make_key(number, ITEM_INLINE, 0), bytes, (unsigned)length));
		done = size;
	} else {
		TRY(leave_inline(fs, number, &inode));
		status = write_range(fs, number, &inode, offset, buffer, size, &done);
	}
	if (done && offset + done > inode.size)
		inode.size = offset + done;
	inode.modified_ns = inode.changed_ns = fs->clock();
	int written = inode_write(fs, number, &inode);
	if (written < 0)
		return written;
	return done ? (int64_t)done : status;
}

int data_cut(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t size)
{
	size_t done;
	uint32_t type = inode->mode & TYPE_MASK;
	if (inode->flags & INODE_INLINE) {
		uint8_t bytes[INLINE_MAX];
		if (!size) {
			for (unsigned piece = 0; piece * INLINE_MAX <= HOLONFS_SYMLINK_MAX; piece++)
				TRY(item_remove(fs, make_key(number, ITEM_INLINE, piece)));
			return 0;
		}
		if (size >= inode->size)
			return 0;
		TRY(read_inline(fs, number, bytes));
		return item_put(fs, make_key(number, ITEM_INLINE, 0), bytes, (unsigned)size);
	}
	if (type != TYPE_FILE)
		return 0;
	TRY(remove_blocks(fs, number, inode, (size + B - 1) / B, OFFSET_MASK));
	if (size % B && size < inode->size)
		TRY(write_range(fs, number, inode, size, NULL, B - size % B, &done));
	return 0;
}

int holonfs_truncate(struct holonfs *fs, uint64_t number, uint64_t size)
{
	struct inode_disk inode;
	int status = inode_begin(fs, true);
	if (status < 0 && status != -ENOSPC) /* cutting must work on a full file system */
		return status;
	TRY(open_file(fs, number, &inode));
	if (size > HOLONFS_SIZE_MAX)
		return -EFBIG;
	if (size > inode.size)
		TRY(status);
	if (size < inode.size)
		TRY(data_cut(fs, number, &inode, size));
	else if ((inode.flags & INODE_INLINE) && size > INLINE_MAX)
		TRY(leave_inline(fs, number, &inode));
	else if ((inode.flags & INODE_INLINE) && size > inode.size) {
		uint8_t bytes[INLINE_MAX];
		TRY(read_inline(fs, number, bytes));
		TRY(item_put(fs, make_key(number, ITEM_INLINE, 0), bytes, (unsigned)size));
	}
	inode.size = size;
	inode.modified_ns = inode.changed_ns = fs->clock();
	return inode_write(fs, number, &inode);
}

/* ---- fallocate ---- */

static int punch(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t offset, uint64_t end)
{
	uint64_t first = (offset + B - 1) / B;
	uint64_t last = end / B;
	size_t done;
	if (first > last)
		return write_range(fs, number, inode, offset, NULL, (size_t)(end - offset), &done);
	TRY(write_range(fs, number, inode, offset, NULL, (size_t)(first * B - offset), &done));
	if (last > first)
		TRY(remove_blocks(fs, number, inode, first, last - first));
	return write_range(fs, number, inode, last * B, NULL, (size_t)(end - last * B), &done);
}

static int reserve(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at, uint64_t end)
{
	if (blocks_free_count(fs) < OPERATION_BLOCKS)
		return -ENOSPC;
	while (at < end) {
		struct map map;
		TRY(map_at(fs, number, at, end - at, &map));
		if (!map.block) {
			TRY(obtain(fs, number, inode, at, &map.block, &map.count));
			TRY(put_extent(fs, number, at, map.block, map.count, EXTENT_UNWRITTEN));
		}
		at += map.count;
	}
	return 0;
}

/* Moves the extents at or behind FROM by DISTANCE blocks, up from the last on, down from the first on. */
static int shift(struct holonfs *fs, uint64_t number, uint64_t from, int64_t distance)
{
	uint64_t limit = UINT64_MAX;
	uint64_t at = from;
	for (;;) {
		struct item item;
		struct extent_disk extent;
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
		if (item.size != sizeof(extent))
			return -EUCLEAN;
		memcpy(&extent, item.data, sizeof(extent));
		TRY(item_remove(fs, item.key));
		TRY(item_put(fs, make_key(number, ITEM_EXTENT, first + (uint64_t)distance), &extent,
		             sizeof(extent)));
		at = first + extent.count;
		if (distance > 0) {
			if (!first)
				return 0;
			limit = first - 1;
		}
	}
}

/* Cuts the extent that covers block AT in two there. */
static int split_extent(struct holonfs *fs, uint64_t number, uint64_t at)
{
	struct map map;
	uint64_t removed;
	TRY(map_at(fs, number, at, UINT32_MAX, &map));
	if (!map.block)
		return 0;
	struct extent_disk right = {map.block, (uint32_t)map.count, map.unwritten ? EXTENT_UNWRITTEN : 0};
	TRY(detach(fs, number, at, map.count, false, &removed));
	return item_put(fs, make_key(number, ITEM_EXTENT, at), &right, sizeof(right));
}

static int move_range(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint32_t mode,
                      uint64_t offset, uint64_t size)
{
	if (offset % B || size % B)
		return -EINVAL;
	if (mode == HOLONFS_ALLOCATE_COLLAPSE) {
		if (offset + size >= inode->size)
			return -EINVAL;
		TRY(remove_blocks(fs, number, inode, offset / B, size / B));
		TRY(shift(fs, number, (offset + size) / B, -(int64_t)(size / B)));
		inode->size -= size;
		return 0;
	}
	if (offset >= inode->size)
		return -EINVAL;
	if (inode->size > HOLONFS_SIZE_MAX - size)
		return -EFBIG;
	TRY(split_extent(fs, number, offset / B));
	TRY(shift(fs, number, offset / B, (int64_t)(size / B)));
	inode->size += size;
	return 0;
}

int holonfs_allocate(struct holonfs *fs, uint64_t number, uint32_t mode, uint64_t offset, uint64_t size)
{
	struct inode_disk inode;
	bool keep = mode & HOLONFS_ALLOCATE_KEEP_SIZE;
	uint32_t kind = mode & ~HOLONFS_ALLOCATE_KEEP_SIZE;
	bool takes = kind != HOLONFS_ALLOCATE_PUNCH && kind != HOLONFS_ALLOCATE_COLLAPSE;
	int status = inode_begin(fs, true);
	if (status < 0 && (status != -ENOSPC || takes))
		return status;
	TRY(open_file(fs, number, &inode));
	if (!size || (kind == HOLONFS_ALLOCATE_PUNCH && !keep))
		return -EINVAL;
	if (offset > HOLONFS_SIZE_MAX || size > HOLONFS_SIZE_MAX - offset)
		return -EFBIG;
	TRY(leave_inline(fs, number, &inode));
	uint64_t end = offset + size;
	switch (kind) {
	case 0:
		status = reserve(fs, number, &inode, offset / B, (end + B - 1) / B);
		break;
	case HOLONFS_ALLOCATE_PUNCH:
		status = punch(fs, number, &inode, offset, end);
		break;
	case HOLONFS_ALLOCATE_ZERO:
		status = punch(fs, number, &inode, offset, end);
		if (status == 0)
			status = reserve(fs, number, &inode, offset / B, (end + B - 1) / B);
		break;
	case HOLONFS_ALLOCATE_COLLAPSE:
	case HOLONFS_ALLOCATE_INSERT:
		status = keep ? -EINVAL : move_range(fs, number, &inode, kind, offset, size);
		keep = true;
		break;
	default:
		status = -EOPNOTSUPP;
	}
	if (status == 0 && !keep && kind != HOLONFS_ALLOCATE_PUNCH && end > inode.size)
		inode.size = end;
	if (status == 0)
		inode.modified_ns = inode.changed_ns = fs->clock();
	TRY(inode_write(fs, number, &inode));
	return status;
}

int64_t holonfs_seek(struct holonfs *fs, uint64_t number, uint64_t offset, bool hole)
{
	struct inode_disk inode;
	TRY(inode_begin(fs, false));
	TRY(open_file(fs, number, &inode));
	if (offset >= inode.size)
		return -ENXIO;
	if (inode.flags & INODE_INLINE)
		return (int64_t)(hole ? inode.size : offset);
	while (offset < inode.size) {
		struct map map;
		TRY(map_at(fs, number, offset / B, (inode.size + B - 1) / B - offset / B, &map));
		if ((map.block && !map.unwritten) != hole)
			return (int64_t)offset;
		offset = (offset / B + map.count) * B;
	}
	return hole ? (int64_t)inode.size : -ENXIO;
}

/* ---- Sharing ---- */

static int share_part(struct holonfs *fs, uint64_t from, uint64_t from_at, uint64_t to,
                      struct inode_disk *inode, uint64_t to_at, uint64_t *count)
{
	struct map map;
	TRY(map_at(fs, from, from_at, *count, &map));
	*count = map.count;
	if (map.block) {
		TRY(blocks_check(fs, 0));
		TRY(quota_charge(fs, inode, (int64_t)map.count, 0));
		TRY(blocks_share(fs, map.block, map.count));
	}
	TRY(remove_blocks(fs, to, inode, to_at, map.count));
	if (!map.block)
		return 0;
	inode->blocks += map.count;
	return put_extent(fs, to, to_at, map.block, map.count, map.unwritten ? EXTENT_UNWRITTEN : 0);
}

int64_t holonfs_share(struct holonfs *fs, uint64_t from, uint64_t from_offset, uint64_t to,
                      uint64_t to_offset, uint64_t size)
{
	struct inode_disk source;
	struct inode_disk target;
	TRY(inode_begin(fs, true));
	TRY(open_file(fs, from, &source));
	TRY(open_file(fs, to, &target));
	if (from_offset >= source.size)
		return 0;
	if (!size || size > source.size - from_offset)
		size = source.size - from_offset;
	bool to_end = from_offset + size == source.size;
	if (from_offset % B || to_offset % B || (size % B && (!to_end || to_offset + size < target.size)))
		return -EINVAL;
	if (to_offset > HOLONFS_SIZE_MAX - size)
		return -EFBIG;
	if (from == to && from_offset < to_offset + size && to_offset < from_offset + size)
		return -EINVAL;
	TRY(leave_inline(fs, from, &source));
	TRY(inode_write(fs, from, &source));
	TRY(open_file(fs, to, &target));
	TRY(leave_inline(fs, to, &target));
	uint64_t blocks = (size + B - 1) / B;
	int status = 0;
	uint64_t done = 0;
	while (done < blocks && status == 0) {
		uint64_t part = blocks - done;
		status =
		    share_part(fs, from, from_offset / B + done, to, &target, to_offset / B + done, &part);
		if (status == 0)
			done += part;
	}
	uint64_t bytes = done * B < size ? done * B : size;
	if (bytes && to_offset + bytes > target.size)
		target.size = to_offset + bytes;
	target.modified_ns = target.changed_ns = fs->clock();
	TRY(inode_write(fs, to, &target));
	return bytes ? (int64_t)bytes : status;
}
