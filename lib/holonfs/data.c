/*
 * Contents. Up to 1,024 bytes lie in the tree; else extents (extents.c) map blocks of the file to blocks of the
 * store. Blocks that one file alone has are written in place (the store's commit makes that atomic); shared and
 * compressed ones are copied on write.
 */
#include "internal.h"

#define TYPE_MASK 0170000u
#define TYPE_DIR  0040000u
#define TYPE_FILE 0100000u
#define B         HOLONFS_BLOCK

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
			TRY(extents_write(fs, number, inode, at, part / B, data + *done));
			*done += part;
			continue;
		}
		size_t part = B - skip < rest ? B - skip : rest;
		struct map map;
		TRY(map_at(fs, number, at, 1, &map));
		if (data || (map.block && !map.unwritten)) {
			TRY(extents_read(fs, number, at, 1, block));
			if (data)
				memcpy(block + skip, data + *done, part);
			else
				memset(block + skip, 0, part);
			TRY(extents_write(fs, number, inode, at, 1, block));
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
			TRY(extents_read(fs, number, at, part / B, out + done));
		} else {
			part = B - skip < part ? B - skip : part;
			TRY(extents_read(fs, number, at, 1, bytes));
			memcpy(out + done, bytes + skip, part);
		}
		done += part;
	}
	return (int64_t)size;
}

/* What was appended to a file in small pieces is compressed once it fills as many blocks as go together. */
static int pack_appended(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t offset,
                         uint64_t end)
{
	uint64_t most = (uint64_t)PACK_BLOCKS * B;
	uint64_t first = offset / most * most;
	return offset > first && end >= first + most ? extents_pack(fs, number, inode, first / B) : 0;
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
		/* The bytes are written either way: what cannot be compressed now stays as it is. */
		if ((inode.flags & HOLONFS_FLAG_COMPRESS) && offset >= inode.size && status == 0)
			status = pack_appended(fs, number, &inode, offset, offset + done);
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
	/* First what may fail for want of room: a block that is shared or compressed is copied. */
	if (size % B && size < inode->size)
		TRY(write_range(fs, number, inode, size, NULL, B - size % B, &done));
	return extents_remove(fs, number, inode, (size + B - 1) / B, OFFSET_MASK);
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
	if (size <= inode.size) /* what was reserved behind the end goes, too */
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
		TRY(extents_remove(fs, number, inode, first, last - first));
	return write_range(fs, number, inode, last * B, NULL, (size_t)(end - last * B), &done);
}

static int move_range(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint32_t mode,
                      uint64_t offset, uint64_t size)
{
	if (offset % B || size % B)
		return -EINVAL;
	if (mode == HOLONFS_ALLOCATE_COLLAPSE) {
		if (offset + size >= inode->size)
			return -EINVAL;
		TRY(extents_remove(fs, number, inode, offset / B, size / B));
		TRY(extents_shift(fs, number, (offset + size) / B, -(int64_t)(size / B)));
		inode->size -= size;
		return 0;
	}
	if (offset >= inode->size)
		return -EINVAL;
	if (inode->size > HOLONFS_SIZE_MAX - size)
		return -EFBIG;
	TRY(extents_split(fs, number, offset / B));
	TRY(extents_shift(fs, number, offset / B, (int64_t)(size / B)));
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
		status = extents_reserve(fs, number, &inode, offset / B, (end + B - 1) / B);
		break;
	case HOLONFS_ALLOCATE_PUNCH:
		status = punch(fs, number, &inode, offset, end);
		break;
	case HOLONFS_ALLOCATE_ZERO:
		status = punch(fs, number, &inode, offset, end);
		if (status == 0)
			status = extents_reserve(fs, number, &inode, offset / B, (end + B - 1) / B);
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
		    extents_share(fs, from, from_offset / B + done, to, &target, to_offset / B + done, &part);
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
