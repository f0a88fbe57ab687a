/* Inodes (chapter "Index Nodes"): attributes, and life: an inode without a name that somebody uses, or that is being
 * cut, is on the list of orphans, so that what a crash leaves half done is finished at the next mount. */
#include "internal.h"

#include <stdlib.h>

#define NS_SECONDS_MAX     INT64_C(9223372035) /* in 2262 nanoseconds no longer fit */
#define ORPHAN_BLOCK_MAGIC 0x0b10ca04u

static uint32_t inode_checksum(const struct ext4 *fs, const struct inode *inode)
{
	const uint8_t zero[2] = {0};
	uint32_t crc = crc32c(inode->seed, inode->raw, IN_CHECKSUM);
	crc = crc32c(crc, zero, 2);
	crc = crc32c(crc, inode->raw + IN_CHECKSUM + 2, 128 - IN_CHECKSUM - 2);
	if (fs->inode_bytes == 128)
		return crc;
	crc = crc32c(crc, inode->raw + 128, IN_CHECKSUM_HI - 128);
	if (inode_has_extra(fs, inode, IN_CHECKSUM_HI + 2))
		crc = crc32c(crc, zero, 2);
	else
		crc = crc32c(crc, inode->raw + IN_CHECKSUM_HI, 2);
	return crc32c(crc, inode->raw + IN_CHECKSUM_HI + 2, fs->inode_bytes - IN_CHECKSUM_HI - 2);
}

static void seed_make(const struct ext4 *fs, struct inode *inode)
{
	uint8_t number[4];
	put32(number, inode->number);
	inode->seed = crc32c(crc32c(fs->seed, number, 4), inode->raw + IN_GENERATION, 4);
}

bool inode_has_extra(const struct ext4 *fs, const struct inode *inode, unsigned end)
{
	return fs->inode_bytes > 128 && end <= 128u + get16(inode->raw + IN_EXTRA) && end <= fs->inode_bytes;
}

int inode_load(struct ext4 *fs, uint64_t number, bool fresh, struct inode *inode)
{
	struct group group;
	if (!number || number > fs->inodes)
		return filesystem_damaged(&fs->fs, "ext4: something names inode %llu, which cannot be",
		                          (unsigned long long)number);
	uint32_t index = (uint32_t)(number - 1) % fs->inodes_per_group;
	uint32_t per_block = fs->block_bytes / fs->inode_bytes;
	int result = group_get(fs, (uint32_t)(number - 1) / fs->inodes_per_group, &group);
	if (result < 0)
		return result;
	uint64_t block = group_block(fs, &group, GD_INODE_TABLE) + index / per_block;
	group_put(&group);
	result = cache_get(&fs->cache, block, false, &inode->buffer);
	if (result < 0)
		return result;
	inode->raw = inode->buffer->data + (size_t)(index % per_block) * fs->inode_bytes;
	inode->number = (uint32_t)number;
	if (fresh) {
		uint32_t generation = get32(inode->raw + IN_GENERATION) + 1;
		memset(inode->raw, 0, fs->inode_bytes);
		put32(inode->raw + IN_GENERATION, generation);
		if (fs->inode_bytes > 128) {
			uint16_t extra = get16(fs->super + SB_WANT_EXTRA);
			put16(inode->raw + IN_EXTRA,
			      extra < 4 || extra > fs->inode_bytes - 128 || extra % 4 ? 28 : extra);
		}
	}
	seed_make(fs, inode);
	const char *wrong = 0;
	if (fs->inode_bytes > 128 &&
	    (get16(inode->raw + IN_EXTRA) > fs->inode_bytes - 128u || get16(inode->raw + IN_EXTRA) % 4))
		wrong = "has an impossible size";
	if (!fresh && fs->checksums) {
		uint32_t crc = get16(inode->raw + IN_CHECKSUM);
		uint32_t mask = 0xffff;
		if (inode_has_extra(fs, inode, IN_CHECKSUM_HI + 2)) {
			crc |= (uint32_t)get16(inode->raw + IN_CHECKSUM_HI) << 16;
			mask = ~0u;
		}
		if (crc != (inode_checksum(fs, inode) & mask))
			wrong = "fails its checksum";
	}
	if (!wrong)
		return E_OK;
	inode_put(inode);
	return filesystem_damaged(&fs->fs, "ext4: inode %u %s", (unsigned)number, wrong);
}

int inode_get(struct ext4 *fs, uint64_t number, struct inode *inode)
{
	if (number != EXT4_ROOT && number < fs->first_inode)
		return number
		           ? filesystem_damaged(&fs->fs, "ext4: a name leads to inode %u, which is reserved",
		                                (unsigned)number)
		           : FILE_E_STALE;
	int result = inode_load(fs, number, false, inode);
	if (result < 0)
		return result;
	uint32_t flags = get32(inode->raw + IN_FLAGS);
	if (!inode_mode(inode) || (!get16(inode->raw + IN_LINKS) && !use_count(fs, inode->number)))
		result = FILE_E_STALE;
	else if (flags & (INODE_INLINE | INODE_EA))
		result = filesystem_damaged(&fs->fs,
		                            "ext4: inode %u is of a kind that the superblock does not know",
		                            (unsigned)number);
	if (result < 0)
		inode_put(inode);
	return result;
}

void inode_put(struct inode *inode)
{
	buffer_release(inode->buffer);
	inode->buffer = 0;
}

void inode_changed(struct ext4 *fs, struct inode *inode)
{
	if (fs->checksums) {
		uint32_t crc = inode_checksum(fs, inode);
		put16(inode->raw + IN_CHECKSUM, (uint16_t)crc);
		if (inode_has_extra(fs, inode, IN_CHECKSUM_HI + 2))
			put16(inode->raw + IN_CHECKSUM_HI, (uint16_t)(crc >> 16));
	}
	transaction_add(fs, inode->buffer);
}

uint32_t inode_mode(const struct inode *inode)
{
	return get16(inode->raw + IN_MODE);
}

uint64_t inode_size(const struct inode *inode)
{
	return get32(inode->raw + IN_SIZE) | (uint64_t)get32(inode->raw + IN_SIZE_HI) << 32;
}

void inode_set_size(struct ext4 *fs, struct inode *inode, uint64_t size)
{
	put32(inode->raw + IN_SIZE, (uint32_t)size);
	put32(inode->raw + IN_SIZE_HI, (uint32_t)(size >> 32));
	if (size > INT32_MAX && !(fs->ro_compat & RO_LARGE_FILE)) {
		fs->ro_compat |= RO_LARGE_FILE;
		put32(fs->super + SB_RO_COMPAT, fs->ro_compat);
		fs->counts_changed = true;
	}
}

uint64_t inode_acl(const struct inode *inode)
{
	return get32(inode->raw + IN_ACL) | (uint64_t)get16(inode->raw + IN_ACL_HI) << 32;
}

void inode_set_acl(struct inode *inode, uint64_t block)
{
	put32(inode->raw + IN_ACL, (uint32_t)block);
	put16(inode->raw + IN_ACL_HI, (uint16_t)(block >> 32));
}

/* In units of 512 bytes. */
static uint64_t sectors_of(const struct ext4 *fs, const struct inode *inode)
{
	uint64_t count = get32(inode->raw + IN_BLOCKS);
	if (fs->ro_compat & RO_HUGE_FILE) {
		count |= (uint64_t)get16(inode->raw + IN_BLOCKS_HI) << 32;
		if (get32(inode->raw + IN_FLAGS) & INODE_HUGE)
			count *= fs->block_bytes / 512;
	}
	return count;
}

void inode_add_blocks(struct ext4 *fs, struct inode *inode, int64_t blocks)
{
	uint64_t count = sectors_of(fs, inode);
	uint64_t change = (uint64_t)(blocks < 0 ? -blocks : blocks) * (fs->block_bytes / 512);
	count = blocks >= 0 ? count + change : count > change ? count - change : 0;
	uint32_t flags = get32(inode->raw + IN_FLAGS);
	if (fs->ro_compat & RO_HUGE_FILE && count >> 48) {
		count /= fs->block_bytes / 512;
		flags |= INODE_HUGE;
	} else {
		flags &= ~(uint32_t)INODE_HUGE;
	}
	put32(inode->raw + IN_FLAGS, flags);
	put32(inode->raw + IN_BLOCKS, (uint32_t)count);
	put16(inode->raw + IN_BLOCKS_HI, (uint16_t)(count >> 32));
}

/* ---- Times ---- */

void inode_set_time(struct ext4 *fs, struct inode *inode, unsigned field, unsigned extra, int64_t ns)
{
	int64_t seconds = ns / 1000000000 - (ns % 1000000000 < 0);
	bool wide = inode_has_extra(fs, inode, extra + 4);
	if (seconds < INT32_MIN)
		seconds = INT32_MIN;
	if (seconds > (wide ? (INT64_C(3) << 32) + INT32_MAX : INT32_MAX))
		seconds = wide ? (INT64_C(3) << 32) + INT32_MAX : INT32_MAX;
	if (field != IN_CRTIME || wide)
		put32(inode->raw + field, (uint32_t)seconds);
	/* Two bits of epoch above the 32 signed ones, thirty of nanoseconds. */
	if (wide)
		put32(inode->raw + extra,
		      (uint32_t)((seconds - (int32_t)seconds) >> 32 & 3) |
		          (uint32_t)(ns - (ns / 1000000000 - (ns % 1000000000 < 0)) * 1000000000) << 2);
}

static int64_t time_of(const struct ext4 *fs, const struct inode *inode, unsigned field, unsigned extra)
{
	int64_t seconds = (int32_t)get32(inode->raw + field);
	if (!inode_has_extra(fs, inode, extra + 4))
		return seconds * 1000000000;
	uint32_t more = get32(inode->raw + extra);
	seconds += (int64_t)(more & 3) << 32;
	if (seconds > NS_SECONDS_MAX)
		seconds = NS_SECONDS_MAX;
	return seconds * 1000000000 + (more >> 2) % 1000000000;
}

void inode_stamp(struct ext4 *fs, struct inode *inode, bool modified)
{
	int64_t now = fs->fs.options.now_ns();
	inode_set_time(fs, inode, IN_CTIME, IN_CTIME_EXTRA, now);
	if (modified)
		inode_set_time(fs, inode, IN_MTIME, IN_MTIME_EXTRA, now);
}

static uint64_t device_of(const struct inode *inode)
{
	uint32_t type = inode_mode(inode) & MODE_TYPE;
	uint32_t old = get32(inode->raw + IN_BLOCK);
	uint32_t new = get32(inode->raw + IN_BLOCK + 4);
	if (type != MODE_CHARACTER && type != MODE_BLOCK)
		return 0;
	if (old)
		return (uint64_t)(old >> 8 & 255) << 32 | (old & 255);
	return (uint64_t)(new >> 8 & 0xfff) << 32 | (new & 255) | (new >> 12 & 0xfff00);
}

void inode_attributes(struct ext4 *fs, const struct inode *inode, struct file_attributes *to)
{
	uint32_t flags = get32(inode->raw + IN_FLAGS);
	*to = (struct file_attributes){
	    .node = inode->number,
	    .size = inode_size(inode),
	    .bytes_used = sectors_of(fs, inode) * 512,
	    .accessed_ns = time_of(fs, inode, IN_ATIME, IN_ATIME_EXTRA),
	    .modified_ns = time_of(fs, inode, IN_MTIME, IN_MTIME_EXTRA),
	    .changed_ns = time_of(fs, inode, IN_CTIME, IN_CTIME_EXTRA),
	    .device = device_of(inode),
	    .mode = inode_mode(inode),
	    .links = get16(inode->raw + IN_LINKS),
	    .uid = get16(inode->raw + IN_UID) | (uint32_t)get16(inode->raw + IN_UID_HI) << 16,
	    .gid = get16(inode->raw + IN_GID) | (uint32_t)get16(inode->raw + IN_GID_HI) << 16,
	    .flags = (flags & INODE_IMMUTABLE ? FILE_FLAG_IMMUTABLE : 0) |
	             (flags & INODE_APPEND ? FILE_FLAG_APPEND : 0),
	    .generation = get32(inode->raw + IN_GENERATION)};
	if (inode_has_extra(fs, inode, IN_CRTIME_EXTRA + 4))
		to->created_ns = time_of(fs, inode, IN_CRTIME, IN_CRTIME_EXTRA);
	if (to->size > FILE_SIZE_MAX)
		to->size = FILE_SIZE_MAX;
}

/* ---- Who uses what ---- */

uint64_t use_count(const struct ext4 *fs, uint32_t inode)
{
	const struct node_use *use = uses_find(&fs->uses, inode);
	return use ? use->count : 0;
}

int ext4_use(struct filesystem *base, uint64_t node)
{
	struct node_use *use = uses_take(&ext4_of(base)->uses, node);
	if (!use)
		return FILESYSTEM_E_NO_MEMORY;
	use->count++;
	return E_OK;
}

/* ---- Orphans ---- */

/* The list goes through the superblock and IN_DTIME of each. */
int orphan_add(struct ext4 *fs, struct inode *inode)
{
	put32(inode->raw + IN_DTIME, get32(fs->super + SB_LAST_ORPHAN));
	put32(fs->super + SB_LAST_ORPHAN, inode->number);
	super_checksum(fs);
	transaction_add(fs, fs->super_buffer);
	inode_changed(fs, inode);
	return E_OK;
}

int orphan_remove(struct ext4 *fs, struct inode *inode)
{
	uint32_t next = get32(inode->raw + IN_DTIME);
	uint32_t at = get32(fs->super + SB_LAST_ORPHAN);
	put32(inode->raw + IN_DTIME, 0);
	if (at == inode->number) {
		put32(fs->super + SB_LAST_ORPHAN, next);
		super_checksum(fs);
		transaction_add(fs, fs->super_buffer);
		inode_changed(fs, inode);
		return E_OK;
	}
	for (uint32_t tries = 0; at && tries < fs->inodes; tries++) {
		struct inode before;
		int result = inode_load(fs, at, false, &before);
		if (result < 0)
			return result;
		at = get32(before.raw + IN_DTIME);
		if (at == inode->number) {
			put32(before.raw + IN_DTIME, next);
			inode_changed(fs, &before);
		}
		inode_put(&before);
		if (at == inode->number)
			break;
	}
	inode_changed(fs, inode);
	return E_OK;
}

/* INODE, an orphan without a name or a user, goes. */
static int destroy(struct ext4 *fs, struct inode *inode)
{
	bool is_directory = (inode_mode(inode) & MODE_TYPE) == MODE_DIRECTORY;
	int result = data_truncate(fs, inode, 0);
	if (result >= 0)
		result = transaction_room(fs);
	if (result >= 0)
		result = xattr_free(fs, inode);
	if (result >= 0)
		result = orphan_remove(fs, inode);
	if (result < 0)
		return result;
	put32(inode->raw + IN_DTIME, (uint32_t)(fs->fs.options.now_ns() / 1000000000));
	put16(inode->raw + IN_MODE, 0);
	inode_changed(fs, inode);
	return inode_free(fs, inode->number, is_directory);
}

int inode_drop(struct ext4 *fs, struct inode *inode)
{
	int result = orphan_add(fs, inode);
	if (result >= 0 && !use_count(fs, inode->number))
		result = destroy(fs, inode);
	return result;
}

void ext4_forget(struct filesystem *base, uint64_t node)
{
	struct ext4 *fs = ext4_of(base);
	struct node_use *use = uses_find(&fs->uses, node);
	struct inode inode;
	if (!use || --use->count)
		return;
	uses_remove(&fs->uses, use);
	if (fs->fs.read_only || inode_load(fs, node, false, &inode) < 0)
		return;
	/* What fails here is an orphan still, and goes at the next mount. */
	if (!get16(inode.raw + IN_LINKS) && inode_mode(&inode))
		(void)(transaction_room(fs) < 0 || destroy(fs, &inode) < 0);
	inode_put(&inode);
}

/* One that the last user left: cut where it was being cut, gone where it has no name. */
static int orphan_finish(struct ext4 *fs, uint32_t number, bool listed)
{
	struct inode inode;
	int result = transaction_room(fs);
	if (result >= 0)
		result = number < fs->first_inode
		             ? filesystem_damaged(&fs->fs, "ext4: inode %u is no orphan", (unsigned)number)
		             : inode_load(fs, number, false, &inode);
	if (result < 0)
		return result;
	uint32_t type = inode_mode(&inode) & MODE_TYPE;
	if (!type) {
		result = filesystem_damaged(&fs->fs, "ext4: orphan %u is not in use", (unsigned)number);
	} else if (get16(inode.raw + IN_LINKS)) {
		if (type == MODE_FILE)
			result = data_truncate(fs, &inode, inode_size(&inode));
		if (result >= 0)
			result = transaction_room(fs);
		if (result >= 0 && listed)
			result = orphan_remove(fs, &inode);
	} else {
		if (!listed) /* destroy() takes it from the list */
			result = orphan_add(fs, &inode);
		if (result >= 0)
			result = destroy(fs, &inode);
	}
	inode_put(&inode);
	return result;
}

/* The file of orphans (feature orphan_file): blocks of inode numbers. */
static int orphan_file_finish(struct ext4 *fs, uint32_t *count)
{
	struct inode file;
	int result = inode_load(fs, get32(fs->super + SB_ORPHAN_FILE), false, &file);
	if (result < 0)
		return result;
	uint64_t blocks = inode_size(&file) / fs->block_bytes;
	for (uint32_t logical = 0; logical < blocks && result >= 0;) {
		struct extent extent;
		struct buffer *block;
		result = extent_find(fs, &file, logical, &extent);
		if (result < 0 || !extent.count)
			break;
		logical = extent.logical + 1;
		result = cache_get(&fs->cache, extent.physical, false, &block);
		if (result < 0)
			break;
		uint32_t end = fs->block_bytes - 8;
		uint8_t number[8];
		put64(number, extent.physical);
		if (get32(block->data + end) != ORPHAN_BLOCK_MAGIC ||
		    (fs->checksums &&
		     get32(block->data + end + 4) != crc32c(crc32c(file.seed, number, 8), block->data, end)))
			result = filesystem_damaged(&fs->fs, "ext4: the file of orphans makes no sense");
		for (uint32_t at = 0; at < end && result >= 0; at += 4) {
			uint32_t orphan = get32(block->data + at);
			if (!orphan)
				continue;
			result = orphan_finish(fs, orphan, false);
			(*count)++;
			if (result < 0)
				break;
			put32(block->data + at, 0);
			if (fs->checksums)
				put32(block->data + end + 4,
				      crc32c(crc32c(file.seed, number, 8), block->data, end));
			transaction_add(fs, block);
		}
		buffer_release(block);
	}
	inode_put(&file);
	return result;
}

int orphans_finish(struct ext4 *fs)
{
	uint32_t count = 0;
	int result = E_OK;
	if (!get32(fs->super + SB_LAST_ORPHAN) && !(fs->ro_compat & RO_ORPHAN_PRESENT))
		return E_OK;
	if (fs->ro_compat & RO_ORPHAN_PRESENT && fs->compat & COMPAT_ORPHAN_FILE)
		result = orphan_file_finish(fs, &count);
	while (result >= 0 && get32(fs->super + SB_LAST_ORPHAN)) {
		uint32_t number = get32(fs->super + SB_LAST_ORPHAN);
		if (count++ > fs->inodes)
			return filesystem_damaged(&fs->fs, "ext4: the list of orphans has no end");
		result = orphan_finish(fs, number, true);
		if (result >= 0 && get32(fs->super + SB_LAST_ORPHAN) == number)
			return filesystem_damaged(&fs->fs, "ext4: orphan %u stands behind itself",
			                          (unsigned)number);
	}
	if (result < 0)
		return result;
	if (fs->ro_compat & RO_ORPHAN_PRESENT) {
		fs->ro_compat &= ~(uint32_t)RO_ORPHAN_PRESENT;
		put32(fs->super + SB_RO_COMPAT, fs->ro_compat);
		super_checksum(fs);
		transaction_add(fs, fs->super_buffer);
	}
	filesystem_report(&fs->fs, "ext4: %u files that were being removed or cut are finished",
	                  (unsigned)count);
	return transaction_commit(fs);
}
