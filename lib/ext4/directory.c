/* Entries of directories (chapter "Directory Entries"): each block is a chain of entries that fills it, and ends, where
 * metadata has checksums, in one that holds the block's. Every entry is checked before it is followed. */
#include "internal.h"

#define TAIL_BYTES 12u
#define TAIL_TYPE  0xdeu

uint32_t directory_room(const struct ext4 *fs)
{
	return fs->block_bytes - (fs->checksums ? TAIL_BYTES : 0);
}

uint32_t entry_length(const struct ext4 *fs, const uint8_t *entry)
{
	return fs->incompat & INCOMPAT_FILETYPE ? entry[6] : get16(entry + 6);
}

static uint8_t entry_type(const struct ext4 *fs, const uint8_t *entry)
{
	return fs->incompat & INCOMPAT_FILETYPE ? entry[7] : 0;
}

static const uint32_t types[8] = {0,          MODE_FILE, MODE_DIRECTORY, MODE_CHARACTER,
                                  MODE_BLOCK, MODE_FIFO, MODE_SOCKET,    MODE_SYMLINK};

uint32_t mode_of_type(uint8_t type)
{
	return type < 8 ? types[type] : 0;
}

uint8_t type_of_mode(uint32_t mode)
{
	for (uint8_t type = 1; type < 8; type++)
		if (types[type] == (mode & MODE_TYPE))
			return type;
	return 0;
}

static uint32_t needed(size_t length)
{
	return (uint32_t)((8 + length + 3) & ~(size_t)3);
}

/* The bytes of the entry at OFFSET, or 0 where it makes no sense. */
static uint32_t entry_bytes(const struct ext4 *fs, const uint8_t *block, uint32_t offset)
{
	uint32_t end = directory_room(fs);
	const uint8_t *entry = block + offset;
	if (offset + 8 > end)
		return 0;
	uint32_t bytes = get16(entry + 4);
	if (bytes < 8 || bytes % 4 || bytes > end - offset)
		return 0;
	return get32(entry) && needed(entry_length(fs, entry)) > bytes ? 0 : bytes;
}

/* Whether a block of an indexed directory is part of the index: an entry without a file fills it all. */
static bool is_index(const struct ext4 *fs, const struct inode *directory, uint32_t logical,
                     const uint8_t *block)
{
	return get32(directory->raw + IN_FLAGS) & INODE_INDEX &&
	       (!logical || (!get32(block) && get16(block + 4) == fs->block_bytes));
}

static uint32_t leaf_checksum(const struct ext4 *fs, const struct inode *directory, const uint8_t *block)
{
	return crc32c(directory->seed, block, fs->block_bytes - TAIL_BYTES);
}

/* That of an index: its entries as far as they are used, and the tail with a checksum of zero. 0 where it makes no
 * sense. */
static bool index_checksum(const struct ext4 *fs, const struct inode *directory, uint32_t logical,
                           const uint8_t *block, uint32_t *crc, uint32_t *at)
{
	const uint8_t zero[4] = {0};
	uint32_t start = logical ? 8 : 32;
	uint32_t limit = get16(block + start);
	uint32_t count = get16(block + start + 2);
	if (count > limit || start + limit * 8 + 8 > fs->block_bytes)
		return false;
	*at = start + limit * 8 + 4;
	*crc = crc32c(directory->seed, block, start + count * 8);
	*crc = crc32c(crc32c(*crc, block + *at - 4, 4), zero, 4);
	return true;
}

static bool checksum_is_right(const struct ext4 *fs, const struct inode *directory, uint32_t logical,
                              const uint8_t *block)
{
	uint32_t crc, at;
	if (!fs->checksums)
		return true;
	if (is_index(fs, directory, logical, block))
		return index_checksum(fs, directory, logical, block, &crc, &at) && get32(block + at) == crc;
	at = fs->block_bytes - 4;
	return block[at - 1] == TAIL_TYPE && get32(block + at) == leaf_checksum(fs, directory, block);
}

void directory_changed(struct ext4 *fs, const struct inode *directory, struct buffer *block)
{
	uint8_t *tail = block->data + fs->block_bytes - TAIL_BYTES;
	if (fs->checksums) {
		memset(tail, 0, TAIL_BYTES);
		put16(tail + 4, TAIL_BYTES);
		tail[7] = TAIL_TYPE;
		put32(tail + 8, leaf_checksum(fs, directory, block->data));
	}
	transaction_add(fs, block);
}

void index_changed(struct ext4 *fs, const struct inode *directory, uint32_t logical, struct buffer *block)
{
	uint32_t crc, at;
	if (fs->checksums && index_checksum(fs, directory, logical, block->data, &crc, &at))
		put32(block->data + at, crc);
	transaction_add(fs, block);
}

int directory_block(struct ext4 *fs, const struct inode *directory, uint32_t logical, bool leaf,
                    struct buffer **block)
{
	struct extent extent;
	*block = 0;
	int result = extent_find(fs, directory, logical, &extent);
	if (result >= 0 && (!extent.count || extent.logical != logical || extent.unwritten))
		result = FILE_E_NOT_FOUND;
	if (result >= 0)
		result = cache_get(&fs->cache, extent.physical, false, block);
	if (result < 0)
		return result;
	if (!(*block)->checked && !checksum_is_right(fs, directory, logical, (*block)->data)) {
		buffer_release(*block);
		*block = 0;
		return filesystem_damaged(&fs->fs, "ext4: block %u of directory %u fails its checksum",
		                          (unsigned)logical, (unsigned)directory->number);
	}
	(*block)->checked = true;
	if (leaf && is_index(fs, directory, logical, (*block)->data)) {
		buffer_release(*block);
		*block = 0;
		return FILE_E_NOT_FOUND;
	}
	return E_OK;
}

static uint32_t blocks_of(const struct ext4 *fs, const struct inode *directory)
{
	uint64_t blocks = inode_size(directory) / fs->block_bytes;
	return blocks > LOGICAL_MAX ? LOGICAL_MAX : (uint32_t)blocks;
}

int directory_append(struct ext4 *fs, struct inode *directory, uint32_t *logical, struct buffer **block)
{
	struct range got;
	uint32_t at = blocks_of(fs, directory);
	if (!(get32(directory->raw + IN_FLAGS) & INODE_EXTENTS))
		return FILE_E_SUPPORT;
	int result = blocks_allocate(fs, extent_goal(fs, directory, at), 1, &got);
	if (result < 0)
		return result;
	const struct extent extent = {at, 1, got.first, false};
	result = extent_insert(fs, directory, &extent);
	if (result < 0)
		return blocks_free(fs, got.first, 1, true) < 0 ? FILE_E_IO : result;
	result = cache_get(&fs->cache, got.first, true, block);
	if (result < 0)
		return result;
	inode_add_blocks(fs, directory, 1);
	inode_set_size(fs, directory, ((uint64_t)at + 1) * fs->block_bytes);
	inode_changed(fs, directory);
	*logical = at;
	return E_OK;
}

/* ---- Finding ---- */

static int damaged(struct ext4 *fs, const struct buffer *block)
{
	return filesystem_damaged(&fs->fs, "ext4: the directory block %llu makes no sense",
	                          (unsigned long long)block->block);
}

int directory_find_in(struct ext4 *fs, struct buffer *block, const char *name, size_t length,
                      struct place *place)
{
	uint32_t previous = 0;
	for (uint32_t offset = 0; offset < directory_room(fs);) {
		const uint8_t *entry = block->data + offset;
		uint32_t bytes = entry_bytes(fs, block->data, offset);
		if (!bytes)
			return damaged(fs, block);
		if (get32(entry) && entry_length(fs, entry) == length &&
		    memcmp(entry + 8, name, length) == 0) {
			place->offset = offset;
			place->previous = previous;
			place->inode = get32(entry);
			place->type = entry_type(fs, entry);
			return E_OK;
		}
		previous = offset;
		offset += bytes;
	}
	return FILE_E_NOT_FOUND;
}

int directory_find(struct ext4 *fs, const struct inode *directory, const char *name, struct place *place)
{
	size_t length = strlen(name);
	*place = (struct place){0};
	if (length > FILE_NAME_MAX)
		return FILE_E_NAME_TOO_LONG;
	if (get32(directory->raw + IN_FLAGS) & INODE_INDEX)
		return htree_find(fs, directory, name, length, place);
	for (uint32_t logical = 0; logical < blocks_of(fs, directory); logical++) {
		int result = directory_block(fs, directory, logical, true, &place->buffer);
		if (result == FILE_E_NOT_FOUND)
			continue;
		if (result >= 0)
			result = directory_find_in(fs, place->buffer, name, length, place);
		if (result != FILE_E_NOT_FOUND) {
			place->logical = logical;
			if (result < 0) {
				buffer_release(place->buffer);
				place->buffer = 0;
			}
			return result;
		}
		buffer_release(place->buffer);
		place->buffer = 0;
	}
	return FILE_E_NOT_FOUND;
}

/* ---- Changing ---- */

int directory_enter(struct ext4 *fs, const struct inode *directory, struct buffer *block, const char *name,
                    size_t length, uint32_t inode, uint8_t type)
{
	uint32_t wanted = needed(length);
	for (uint32_t offset = 0; offset < directory_room(fs);) {
		uint8_t *entry = block->data + offset;
		uint32_t bytes = entry_bytes(fs, block->data, offset);
		if (!bytes)
			return damaged(fs, block);
		uint32_t used = get32(entry) ? needed(entry_length(fs, entry)) : 0;
		if (bytes - used >= wanted) {
			if (used) {
				put16(entry + 4, (uint16_t)used);
				entry += used;
				put16(entry + 4, (uint16_t)(bytes - used));
			}
			put32(entry, inode);
			put16(entry + 6, (uint16_t)length);
			if (fs->incompat & INCOMPAT_FILETYPE)
				entry[7] = type;
			memcpy(entry + 8, name, length);
			directory_changed(fs, directory, block);
			return E_OK;
		}
		offset += bytes;
	}
	return FILE_E_NO_SPACE;
}

/* A block with one entry, without a file, that fills it. */
static void block_clear(struct ext4 *fs, struct buffer *block)
{
	memset(block->data, 0, fs->block_bytes);
	put16(block->data + 4, (uint16_t)directory_room(fs));
}

int directory_add(struct ext4 *fs, struct inode *directory, const char *name, uint32_t inode, uint32_t mode)
{
	size_t length = strlen(name);
	uint8_t type = type_of_mode(mode);
	struct buffer *block;
	uint32_t count = blocks_of(fs, directory);
	if (get32(directory->raw + IN_FLAGS) & INODE_INDEX)
		return htree_add(fs, directory, name, length, inode, type);
	for (uint32_t logical = 0; logical < count; logical++) {
		int result = directory_block(fs, directory, logical, true, &block);
		if (result == FILE_E_NOT_FOUND)
			continue;
		if (result >= 0)
			result = directory_enter(fs, directory, block, name, length, inode, type);
		buffer_release(block);
		if (result != FILE_E_NO_SPACE)
			return result;
	}
	if (count == 1 && fs->compat & COMPAT_DIR_INDEX) {
		int result = htree_make(fs, directory);
		return result < 0 ? result : htree_add(fs, directory, name, length, inode, type);
	}
	uint32_t logical;
	int result = directory_append(fs, directory, &logical, &block);
	if (result < 0)
		return result;
	block_clear(fs, block);
	result = directory_enter(fs, directory, block, name, length, inode, type);
	buffer_release(block);
	return result;
}

void directory_remove(struct ext4 *fs, const struct inode *directory, struct place *place)
{
	uint8_t *entry = place->buffer->data + place->offset;
	uint16_t bytes = get16(entry + 4);
	memset(entry, 0, bytes); /* the name, too */
	put16(entry + 4, bytes);
	if (place->previous != place->offset) {
		uint8_t *before = place->buffer->data + place->previous;
		put16(before + 4, (uint16_t)(get16(before + 4) + bytes));
	}
	directory_changed(fs, directory, place->buffer);
}

void directory_replace(struct ext4 *fs, const struct inode *directory, struct place *place, uint32_t inode,
                       uint32_t mode)
{
	uint8_t *entry = place->buffer->data + place->offset;
	put32(entry, inode);
	if (fs->incompat & INCOMPAT_FILETYPE)
		entry[7] = type_of_mode(mode);
	if (is_index(fs, directory, place->logical, place->buffer->data))
		index_changed(fs, directory, place->logical, place->buffer);
	else
		directory_changed(fs, directory, place->buffer);
}

int directory_make(struct ext4 *fs, struct inode *directory, uint32_t parent)
{
	struct buffer *block;
	uint32_t logical;
	int result = directory_append(fs, directory, &logical, &block);
	if (result < 0)
		return result;
	block_clear(fs, block);
	result = directory_enter(fs, directory, block, ".", 1, directory->number, 2);
	if (result >= 0)
		result = directory_enter(fs, directory, block, "..", 2, parent, 2);
	buffer_release(block);
	return result;
}

/* ---- Listing ---- */

static bool is_dots(const struct ext4 *fs, const uint8_t *entry)
{
	uint32_t length = entry_length(fs, entry);
	return length && length <= 2 && entry[8] == '.' && entry[7 + length] == '.';
}

static bool name_is_possible(const uint8_t *name, uint32_t length)
{
	return length && length <= FILE_NAME_MAX && !memchr(name, '/', length) && !memchr(name, 0, length);
}

/* The first entry at or behind byte COOKIE: where an entry was removed, that place may now be within another. */
int directory_list(struct ext4 *fs, const struct inode *directory, uint64_t cookie,
                   struct filesystem_entry *found)
{
	uint32_t end = blocks_of(fs, directory);
	for (uint64_t logical = cookie / fs->block_bytes; logical < end; logical++) {
		struct buffer *block;
		int result = directory_block(fs, directory, (uint32_t)logical, true, &block);
		if (result == FILE_E_NOT_FOUND)
			continue;
		if (result < 0)
			return result;
		for (uint32_t offset = 0; offset < directory_room(fs);) {
			const uint8_t *entry = block->data + offset;
			uint32_t bytes = entry_bytes(fs, block->data, offset);
			if (!bytes) {
				result = damaged(fs, block);
				break;
			}
			uint32_t length = entry_length(fs, entry);
			if (get32(entry) && logical * fs->block_bytes + offset >= cookie &&
			    !is_dots(fs, entry)) {
				if (!name_is_possible(entry + 8, length)) {
					result = damaged(fs, block);
					break;
				}
				found->node = get32(entry);
				found->cookie = logical * fs->block_bytes + offset + bytes;
				found->mode = mode_of_type(entry_type(fs, entry));
				memcpy(found->name, entry + 8, length);
				found->name[length] = 0;
				result = 1;
				break;
			}
			offset += bytes;
		}
		buffer_release(block);
		if (result)
			return result;
	}
	return 0;
}

int directory_is_empty(struct ext4 *fs, const struct inode *directory)
{
	struct filesystem_entry entry;
	int result = directory_list(fs, directory, 0, &entry);
	return result < 0 ? result : !result;
}
