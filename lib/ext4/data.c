/* Contents of files. Data goes to and from the disk as it is; only what is less than a block is put together here.
 * New blocks are written before the transaction that gives them to the file is committed. */
#include "internal.h"

#include <stdlib.h>

#define RUN_BLOCKS 2048u /* that one step of a write gives to a file */

static int file_get(struct ext4 *fs, uint64_t node, struct inode *inode)
{
	int result = inode_get(fs, node, inode);
	if (result < 0)
		return result;
	uint32_t type = inode_mode(inode) & MODE_TYPE;
	if (type == MODE_FILE)
		return E_OK;
	inode_put(inode);
	return type == MODE_DIRECTORY ? FILE_E_IS_DIRECTORY : E_ARGUMENT;
}

static int changeable(struct ext4 *fs, const struct inode *inode)
{
	uint32_t flags = get32(inode->raw + IN_FLAGS);
	(void)fs;
	if (flags & INODE_IMMUTABLE)
		return E_RIGHTS;
	return flags & INODE_EXTENTS ? E_OK : FILE_E_SUPPORT;
}

/* Bytes [SKIP, SKIP + BYTES) from block PHYSICAL on. */
static int read_bytes(struct ext4 *fs, uint64_t physical, uint32_t skip, uint8_t *to, size_t bytes)
{
	int result = E_OK;
	physical += skip / fs->block_bytes;
	skip %= fs->block_bytes;
	while (bytes && result >= 0) {
		size_t part = bytes;
		if (skip || bytes < fs->block_bytes) {
			part = fs->block_bytes - skip < bytes ? fs->block_bytes - skip : bytes;
			result = filesystem_read(&fs->fs, physical * fs->block_bytes, fs->scratch,
			                         fs->block_bytes);
			if (result >= 0)
				memcpy(to, fs->scratch + skip, part);
			physical++;
			skip = 0;
		} else {
			part = bytes / fs->block_bytes * fs->block_bytes;
			result = filesystem_read(&fs->fs, physical * fs->block_bytes, to, part);
			physical += part / fs->block_bytes;
		}
		to += part;
		bytes -= part;
	}
	return result;
}

int64_t ext4_read(struct filesystem *base, uint64_t node, uint64_t offset, void *buffer, size_t bytes)
{
	struct ext4 *fs = ext4_of(base);
	struct inode inode;
	uint8_t *to = buffer;
	size_t done = 0;
	int64_t result = file_get(fs, node, &inode);
	if (result < 0)
		return result;
	uint64_t size = inode_size(&inode);
	size_t wanted = offset >= size ? 0 : size - offset < bytes ? (size_t)(size - offset) : bytes;
	while (done < wanted && result >= 0) {
		uint64_t at = offset + done;
		uint64_t logical = at / fs->block_bytes;
		uint32_t skip = (uint32_t)(at % fs->block_bytes);
		struct extent extent = {0};
		if (logical <= LOGICAL_MAX)
			result = extent_find(fs, &inode, (uint32_t)logical, &extent);
		if (result < 0)
			break;
		uint64_t part = wanted - done;
		bool hole = !extent.count || extent.logical > logical;
		uint64_t end = hole ? extent.count ? (uint64_t)extent.logical * fs->block_bytes : UINT64_MAX
		                    : ((uint64_t)extent.logical + extent.count) * fs->block_bytes;
		if (end - at < part)
			part = end - at;
		if (hole || extent.unwritten)
			memset(to + done, 0, part);
		else
			result = read_bytes(fs, extent.physical, skip, to + done, part);
		done += part;
	}
	inode_put(&inode);
	return result < 0 ? result : (int64_t)done;
}

/* ---- Writing ---- */

/* Bytes to [AT, + BYTES) of the file, where EXTENT has its blocks; those that are NEW hold nothing yet. */
static int write_bytes(struct ext4 *fs, const struct extent *extent, uint64_t at, const uint8_t *from,
                       size_t bytes, bool new)
{
	uint64_t physical = extent->physical + (at / fs->block_bytes - extent->logical);
	uint32_t skip = (uint32_t)(at % fs->block_bytes);
	int result = E_OK;
	while (bytes && result >= 0) {
		size_t part = bytes;
		if (skip || bytes < fs->block_bytes) {
			part = fs->block_bytes - skip < bytes ? fs->block_bytes - skip : bytes;
			if (new)
				memset(fs->scratch, 0, fs->block_bytes);
			else
				result = filesystem_read(&fs->fs, physical * fs->block_bytes, fs->scratch,
				                         fs->block_bytes);
			memcpy(fs->scratch + skip, from, part);
			if (result >= 0)
				result = filesystem_write(&fs->fs, physical * fs->block_bytes, fs->scratch,
				                          fs->block_bytes);
			physical++;
			skip = 0;
		} else {
			part = bytes / fs->block_bytes * fs->block_bytes;
			result = filesystem_write(&fs->fs, physical * fs->block_bytes, from, part);
			physical += part / fs->block_bytes;
		}
		from += part;
		bytes -= part;
	}
	fs->changed = true;
	return result;
}

/* New blocks for LOGICAL on, at most COUNT. */
static int extend(struct ext4 *fs, struct inode *inode, uint32_t logical, uint32_t count, bool unwritten,
                  struct extent *made)
{
	struct range got;
	uint32_t limit = unwritten ? UNWRITTEN_BLOCKS : RUN_BLOCKS;
	int result =
	    blocks_allocate(fs, extent_goal(fs, inode, logical), count < limit ? count : limit, &got);
	if (result < 0)
		return result;
	*made = (struct extent){logical, (uint32_t)got.count, got.first, unwritten};
	result = extent_insert(fs, inode, made);
	if (result < 0) {
		/* No room for the tree to grow: what was taken goes back. */
		if (blocks_free(fs, got.first, (uint32_t)got.count, false) < 0)
			return FILE_E_IO;
		return result;
	}
	inode_add_blocks(fs, inode, (int64_t)got.count);
	inode_changed(fs, inode);
	return E_OK;
}

/* One step: from AT on, as far as one extent reaches. How many bytes. */
static int64_t write_step(struct ext4 *fs, struct inode *inode, uint64_t at, const uint8_t *from,
                          size_t bytes)
{
	struct extent extent;
	uint32_t logical = (uint32_t)(at / fs->block_bytes);
	uint64_t last = (at + bytes - 1) / fs->block_bytes;
	int result = transaction_room(fs);
	if (result >= 0)
		result = extent_find(fs, inode, logical, &extent);
	if (result < 0)
		return result;
	bool new = !extent.count || extent.logical > logical;
	if (new) {
		uint64_t end = extent.count && extent.logical <= last ? extent.logical : last + 1;
		result = extend(fs, inode, logical, (uint32_t)(end - logical), false, &extent);
		if (result < 0)
			return result;
	}
	uint64_t end = ((uint64_t)extent.logical + extent.count) * fs->block_bytes;
	size_t part = end - at < bytes ? (size_t)(end - at) : bytes;
	result = write_bytes(fs, &extent, at, from, part, new || extent.unwritten);
	if (result >= 0 && extent.unwritten) {
		extent.count = (uint32_t)((at + part - 1) / fs->block_bytes - logical + 1);
		result = extent_convert(fs, inode, &extent);
	}
	if (result < 0)
		return result;
	if (at + part > inode_size(inode)) {
		inode_set_size(fs, inode, at + part);
		inode_changed(fs, inode);
	}
	return (int64_t)part;
}

/* What of the last block lies behind the size is zero on the disk too, so that a file that grows shows no old bytes. */
static int clear_tail(struct ext4 *fs, struct inode *inode, uint64_t size)
{
	struct extent extent;
	uint32_t skip = (uint32_t)(size % fs->block_bytes);
	if (!skip || size / fs->block_bytes > LOGICAL_MAX)
		return E_OK;
	int result = extent_find(fs, inode, (uint32_t)(size / fs->block_bytes), &extent);
	if (result < 0 || !extent.count || extent.unwritten || extent.logical != size / fs->block_bytes)
		return result;
	result = filesystem_read(&fs->fs, extent.physical * fs->block_bytes, fs->scratch, fs->block_bytes);
	if (result < 0)
		return result;
	memset(fs->scratch + skip, 0, fs->block_bytes - skip);
	fs->changed = true;
	return filesystem_write(&fs->fs, extent.physical * fs->block_bytes, fs->scratch, fs->block_bytes);
}

static uint64_t size_max(const struct ext4 *fs)
{
	uint64_t most = (uint64_t)LOGICAL_MAX * fs->block_bytes;
	return most < FILE_SIZE_MAX ? most : FILE_SIZE_MAX;
}

int64_t ext4_write(struct filesystem *base, uint64_t node, uint64_t offset, const void *buffer, size_t bytes)
{
	struct ext4 *fs = ext4_of(base);
	struct inode inode;
	size_t done = 0;
	if (fs->fs.read_only)
		return fs->fs.failed ? FILE_E_IO : FILE_E_READ_ONLY;
	if (offset > size_max(fs) || bytes > size_max(fs) - offset)
		return FILE_E_TOO_BIG;
	int64_t result = file_get(fs, node, &inode);
	if (result < 0)
		return result;
	result = changeable(fs, &inode);
	if (result >= 0 && offset > inode_size(&inode))
		result = clear_tail(fs, &inode, inode_size(&inode));
	bool again = true;
	while (result >= 0 && done < bytes) {
		result = write_step(fs, &inode, offset + done, (const uint8_t *)buffer + done, bytes - done);
		if (result == FILE_E_NO_SPACE && fs->freed_count && again) {
			/* What was freed last is there after a commit. */
			result = transaction_commit(fs);
			again = false;
			continue;
		}
		if (result > 0)
			done += (size_t)result;
	}
	if (done) {
		int stamped = transaction_room(fs);
		if (stamped >= 0) {
			inode_stamp(fs, &inode, true);
			inode_changed(fs, &inode);
		}
	}
	inode_put(&inode);
	return result < 0 && !done ? result : (int64_t)done;
}

/* ---- Sizes and room ---- */

/* Frees the blocks of [FIRST, END), step by step. */
static int remove_blocks(struct ext4 *fs, struct inode *inode, uint64_t first, uint64_t end)
{
	int result = first > LOGICAL_MAX ? 0 : 1;
	while (result > 0) {
		result = transaction_room(fs);
		if (result >= 0)
			result = extent_remove(fs, inode, (uint32_t)first, end);
	}
	return result;
}

int data_truncate(struct ext4 *fs, struct inode *inode, uint64_t size)
{
	uint32_t type = inode_mode(inode) & MODE_TYPE;
	if (type != MODE_FILE && type != MODE_DIRECTORY &&
	    (type != MODE_SYMLINK || !(get32(inode->raw + IN_FLAGS) & INODE_EXTENTS)))
		return E_OK; /* it has no blocks */
	int result = transaction_room(fs);
	if (result < 0)
		return result;
	inode_set_size(fs, inode, size);
	inode_changed(fs, inode);
	if (type == MODE_DIRECTORY) {
		/* Its blocks are metadata: a replay shall not write them over what comes there. */
		for (uint64_t at = 0; at <= LOGICAL_MAX && result >= 0;) {
			struct extent extent;
			result = extent_find(fs, inode, (uint32_t)at, &extent);
			if (result < 0 || !extent.count)
				break;
			for (uint32_t i = 0; i < extent.count && result >= 0; i++) {
				cache_drop(&fs->cache, extent.physical + i);
				result = transaction_room(fs);
				if (result >= 0)
					result = transaction_revoke(fs, extent.physical + i);
			}
			at = (uint64_t)extent.logical + extent.count;
		}
		if (result < 0)
			return result;
	}
	return remove_blocks(fs, inode, (size + fs->block_bytes - 1) / fs->block_bytes, UINT64_MAX);
}

int ext4_resize(struct filesystem *base, uint64_t node, uint64_t size)
{
	struct ext4 *fs = ext4_of(base);
	struct inode inode;
	if (size > size_max(fs))
		return FILE_E_TOO_BIG;
	int result = file_get(fs, node, &inode);
	if (result < 0)
		return result;
	uint64_t now = inode_size(&inode);
	bool orphan = false;
	result = size == now ? E_OK : changeable(fs, &inode);
	if (result >= 0)
		result = transaction_room(fs);
	if (result >= 0)
		result = clear_tail(fs, &inode, size < now ? size : now);
	if (result >= 0 && size < now) {
		/* It takes several steps: until they are done it is among the orphans. One without a name is there. */
		orphan = get16(inode.raw + IN_LINKS) != 0;
		if (orphan)
			result = orphan_add(fs, &inode);
		if (result >= 0)
			result = data_truncate(fs, &inode, size);
		if (result >= 0)
			result = transaction_room(fs);
		if (result >= 0 && orphan)
			result = orphan_remove(fs, &inode);
	} else if (result >= 0) {
		inode_set_size(fs, &inode, size);
	}
	if (result >= 0) {
		inode_stamp(fs, &inode, true);
		inode_changed(fs, &inode);
	}
	inode_put(&inode);
	return result;
}

/* Room that reads as zero for [FIRST, END) of the file's blocks, where it has none. */
static int reserve_blocks(struct ext4 *fs, struct inode *inode, uint64_t first, uint64_t end)
{
	while (first < end) {
		struct extent extent;
		int result = transaction_room(fs);
		if (result >= 0)
			result = extent_find(fs, inode, (uint32_t)first, &extent);
		if (result < 0)
			return result;
		if (extent.count && extent.logical == first) {
			first += extent.count;
			continue;
		}
		uint64_t until = extent.count && extent.logical < end ? extent.logical : end;
		uint32_t count =
		    until - first < UNWRITTEN_BLOCKS ? (uint32_t)(until - first) : UNWRITTEN_BLOCKS;
		result = extend(fs, inode, (uint32_t)first, count, true, &extent);
		if (result == FILE_E_NO_SPACE && fs->freed_count) {
			result = transaction_commit(fs);
			extent.count = 0;
		}
		if (result < 0)
			return result;
		first += extent.count;
	}
	return E_OK;
}

/* Zeroes [AT, END), which is within one block. */
static int zero_part(struct ext4 *fs, struct inode *inode, uint64_t at, uint64_t end)
{
	struct extent extent;
	uint64_t logical = at / fs->block_bytes;
	if (at >= end)
		return E_OK;
	int result = extent_find(fs, inode, (uint32_t)logical, &extent);
	if (result < 0 || !extent.count || extent.logical != logical || extent.unwritten)
		return result;
	result = filesystem_read(&fs->fs, extent.physical * fs->block_bytes, fs->scratch, fs->block_bytes);
	if (result < 0)
		return result;
	memset(fs->scratch + at % fs->block_bytes, 0, (size_t)(end - at));
	fs->changed = true;
	return filesystem_write(&fs->fs, extent.physical * fs->block_bytes, fs->scratch, fs->block_bytes);
}

static int punch(struct ext4 *fs, struct inode *inode, uint64_t offset, uint64_t end)
{
	uint64_t first = (offset + fs->block_bytes - 1) / fs->block_bytes;
	uint64_t last = end / fs->block_bytes;
	int result;
	if (first > last) /* within one block */
		return zero_part(fs, inode, offset, end);
	result = zero_part(fs, inode, offset, first * fs->block_bytes);
	if (result >= 0)
		result = zero_part(fs, inode, last * fs->block_bytes, end);
	return result >= 0 && first < last ? remove_blocks(fs, inode, first, last) : result;
}

int ext4_allocate(struct filesystem *base, uint64_t node, uint32_t mode, uint64_t offset, uint64_t bytes)
{
	struct ext4 *fs = ext4_of(base);
	struct inode inode;
	uint32_t kind = mode & ~(uint32_t)FILE_ALLOCATE_KEEP_SIZE;
	if (!bytes || (kind == FILE_ALLOCATE_PUNCH && !(mode & FILE_ALLOCATE_KEEP_SIZE)))
		return E_ARGUMENT;
	if (kind != FILE_ALLOCATE_RESERVE && kind != FILE_ALLOCATE_PUNCH && kind != FILE_ALLOCATE_ZERO)
		return FILE_E_SUPPORT;
	if (offset > size_max(fs) || bytes > size_max(fs) - offset)
		return FILE_E_TOO_BIG;
	int result = file_get(fs, node, &inode);
	if (result < 0)
		return result;
	result = changeable(fs, &inode);
	if (result >= 0)
		result = transaction_room(fs);
	uint64_t end = offset + bytes;
	if (result >= 0 && end > inode_size(&inode))
		result = clear_tail(fs, &inode, inode_size(&inode));
	if (result >= 0 && kind != FILE_ALLOCATE_RESERVE)
		result = punch(fs, &inode, offset, end);
	if (result >= 0 && kind != FILE_ALLOCATE_PUNCH)
		result = reserve_blocks(fs, &inode, offset / fs->block_bytes,
		                        (end + fs->block_bytes - 1) / fs->block_bytes);
	if (result >= 0)
		result = transaction_room(fs);
	if (result >= 0) {
		if (!(mode & FILE_ALLOCATE_KEEP_SIZE) && end > inode_size(&inode))
			inode_set_size(fs, &inode, end);
		inode_stamp(fs, &inode, true);
		inode_changed(fs, &inode);
	}
	inode_put(&inode);
	return result;
}

int64_t ext4_seek(struct filesystem *base, uint64_t node, uint64_t offset, bool hole)
{
	struct ext4 *fs = ext4_of(base);
	struct inode inode;
	int64_t result = file_get(fs, node, &inode);
	if (result < 0)
		return result;
	uint64_t size = inode_size(&inode), at = offset;
	result = E_NOT_FOUND;
	while (at < size) {
		struct extent extent = {0};
		uint64_t logical = at / fs->block_bytes;
		int found =
		    logical > LOGICAL_MAX ? E_OK : extent_find(fs, &inode, (uint32_t)logical, &extent);
		if (found < 0) {
			result = found;
			break;
		}
		uint64_t start = extent.count ? (uint64_t)extent.logical * fs->block_bytes : size;
		bool here = extent.count && extent.logical <= logical && !extent.unwritten;
		if (here != hole) {
			result = (int64_t)at;
			break;
		}
		/* On to where it changes. */
		at = here || (extent.count && extent.logical <= logical)
		         ? ((uint64_t)extent.logical + extent.count) * fs->block_bytes
		         : start;
	}
	if (result == E_NOT_FOUND && hole && offset < size)
		result = (int64_t)size;
	inode_put(&inode);
	return result;
}
