/* The index of a directory (chapter "Hash Tree Directories"): its root is block 0, which an older reader takes for "."
 * and ".."; below it at most two levels of index (three with large_dir), then blocks of entries, each with the names of
 * a range of hashes. An entry of the index has the first hash of its block; the lowest bit says that the block before
 * has names of that hash too. */
#include "internal.h"

#include <stdlib.h>

#define LEVELS_MAX 4u
#define ROOT_START 32u
#define NODE_START 8u
#define BLOCK_MASK 0x0fffffffu
#define SPLITS_MAX 8u

struct frame {
	struct buffer *buffer;
	uint32_t logical;
	uint8_t *entries; /* of eight bytes: hash, block; the first has limit and count for its hash */
	unsigned at;
};

struct index {
	struct frame frames[LEVELS_MAX];
	unsigned depth; /* frames */
	uint32_t hash;
};

static unsigned count_of(const struct frame *frame)
{
	return get16(frame->entries + 2);
}

static unsigned limit_of(const struct frame *frame)
{
	return get16(frame->entries);
}

static uint32_t hash_at(const struct frame *frame, unsigned at)
{
	return at ? get32(frame->entries + 8 * (size_t)at) : 0;
}

static uint32_t block_at(const struct frame *frame, unsigned at)
{
	return get32(frame->entries + 8 * (size_t)at + 4) & BLOCK_MASK;
}

static unsigned expected_limit(const struct ext4 *fs, uint32_t start)
{
	return (fs->block_bytes - start - (fs->checksums ? 8 : 0)) / 8;
}

static void index_put(struct index *index)
{
	for (unsigned i = 0; i < index->depth; i++)
		buffer_release(index->frames[i].buffer);
	index->depth = 0;
}

static int damaged(struct ext4 *fs, const struct inode *directory)
{
	return filesystem_damaged(&fs->fs, "ext4: the index of directory %u makes no sense",
	                          (unsigned)directory->number);
}

static int frame_get(struct ext4 *fs, const struct inode *directory, uint32_t logical, struct index *index)
{
	struct frame *frame = &index->frames[index->depth];
	uint32_t start = index->depth ? NODE_START : ROOT_START;
	int result = directory_block(fs, directory, logical, false, &frame->buffer);
	if (result < 0)
		return result == FILE_E_NOT_FOUND ? damaged(fs, directory) : result;
	index->depth++;
	frame->logical = logical;
	frame->entries = frame->buffer->data + start;
	frame->at = 0;
	return limit_of(frame) == expected_limit(fs, start) && count_of(frame) &&
	               count_of(frame) <= limit_of(frame)
	           ? E_OK
	           : damaged(fs, directory);
}

static unsigned hash_version(const struct ext4 *fs, const uint8_t *root)
{
	unsigned version = root[28];
	return version < 3 && get32(fs->super + SB_FLAGS) & 2 ? version + 3 : version;
}

/* Goes down to the last level of the index for the hash of NAME. To be put, also after an error. */
static int index_find(struct ext4 *fs, const struct inode *directory, const char *name, size_t length,
                      struct index *index)
{
	*index = (struct index){0};
	int result = frame_get(fs, directory, 0, index);
	if (result < 0)
		return result;
	const uint8_t *root = index->frames[0].buffer->data;
	unsigned levels = root[30];
	if (get16(root + 4) != 12 || root[29] != 8 || levels >= LEVELS_MAX - 1 ||
	    !name_hash(fs->super + SB_HASH_SEED, hash_version(fs, root), name, length, &index->hash))
		return damaged(fs, directory);
	for (unsigned i = 0;; i++) {
		struct frame *frame = &index->frames[i];
		unsigned low = 1, high = count_of(frame);
		while (low < high) {
			unsigned middle = (low + high) / 2;
			if (hash_at(frame, middle) <= index->hash)
				low = middle + 1;
			else
				high = middle;
		}
		frame->at = low - 1;
		if (i == levels)
			return E_OK;
		result = frame_get(fs, directory, block_at(frame, frame->at), index);
		if (result < 0)
			return result;
	}
}

/* On to the next leaf, where it may have names of the same hash. 1: there is one. */
static int index_next(struct ext4 *fs, const struct inode *directory, struct index *index)
{
	unsigned i = index->depth;
	unsigned depth = index->depth;
	while (i > 0 && index->frames[i - 1].at + 1 >= count_of(&index->frames[i - 1]))
		i--;
	if (!i)
		return 0;
	struct frame *frame = &index->frames[i - 1];
	if ((hash_at(frame, frame->at + 1) & ~1u) != index->hash)
		return 0;
	frame->at++;
	while (index->depth > i)
		buffer_release(index->frames[--index->depth].buffer);
	while (index->depth < depth) {
		const struct frame *last = &index->frames[index->depth - 1];
		int result = frame_get(fs, directory, block_at(last, last->at), index);
		if (result < 0)
			return result;
	}
	return 1;
}

int htree_find(struct ext4 *fs, const struct inode *directory, const char *name, size_t length,
               struct place *place)
{
	struct index index;
	struct buffer *block;
	/* "." and ".." are in the root. */
	if (length <= 2 && name[0] == '.' && name[length - 1] == '.') {
		int result = directory_block(fs, directory, 0, false, &block);
		if (result < 0)
			return result;
		const uint8_t *entry = block->data + (length == 2 ? 12 : 0);
		*place = (struct place){
		    .buffer = block, .offset = length == 2 ? 12 : 0, .inode = get32(entry), .type = 2};
		return E_OK;
	}
	int result = index_find(fs, directory, name, length, &index);
	uint64_t blocks = inode_size(directory) / fs->block_bytes;
	for (uint64_t tries = 0; result >= 0 && tries < blocks; tries++) {
		const struct frame *last = &index.frames[index.depth - 1];
		place->logical = block_at(last, last->at);
		result = directory_block(fs, directory, place->logical, true, &block);
		if (result == FILE_E_NOT_FOUND)
			result = damaged(fs, directory);
		if (result < 0)
			break;
		result = directory_find_in(fs, block, name, length, place);
		if (result >= 0)
			place->buffer = block;
		else
			buffer_release(block);
		if (result != FILE_E_NOT_FOUND)
			break;
		int next = index_next(fs, directory, &index);
		if (next <= 0) {
			result = next < 0 ? next : FILE_E_NOT_FOUND;
			break;
		}
		result = 0;
	}
	index_put(&index);
	return result;
}

/* ---- Changing ---- */

/* Enters (HASH, BLOCK) behind where FRAME is. */
static void frame_insert(struct ext4 *fs, const struct inode *directory, struct frame *frame, uint32_t hash,
                         uint32_t block)
{
	uint8_t *to = frame->entries + 8 * (size_t)(frame->at + 1);
	unsigned count = count_of(frame);
	memmove(to + 8, to, 8 * (size_t)(count - frame->at - 1));
	put32(to, hash);
	put32(to + 4, block);
	put16(frame->entries + 2, (uint16_t)(count + 1));
	index_changed(fs, directory, frame->logical, frame->buffer);
}

static int node_create(struct ext4 *fs, struct inode *directory, const uint8_t *entries, unsigned count,
                       uint32_t *logical)
{
	struct buffer *block;
	int result = directory_append(fs, directory, logical, &block);
	if (result < 0)
		return result;
	put16(block->data + 4, (uint16_t)fs->block_bytes);
	memcpy(block->data + NODE_START, entries, 8 * (size_t)count);
	put16(block->data + NODE_START, (uint16_t)expected_limit(fs, NODE_START));
	put16(block->data + NODE_START + 2, (uint16_t)count);
	index_changed(fs, directory, *logical, block);
	buffer_release(block);
	return E_OK;
}

/* The last level has room for one more: nothing is done, and 0. Else one full node is split, or a level added: 1, find
 * the place again. */
static int index_make_room(struct ext4 *fs, struct inode *directory, struct index *index)
{
	unsigned full = index->depth;
	uint32_t logical;
	while (full > 0 && count_of(&index->frames[full - 1]) == limit_of(&index->frames[full - 1]))
		full--;
	if (full == index->depth)
		return 0;
	struct frame *frame = &index->frames[full];
	unsigned count = count_of(frame);
	if (full > 0) { /* the frame above has room */
		unsigned kept = count / 2;
		uint32_t hash = hash_at(frame, kept);
		int result =
		    node_create(fs, directory, frame->entries + 8 * (size_t)kept, count - kept, &logical);
		if (result < 0)
			return result;
		put16(frame->entries + 2, (uint16_t)kept);
		index_changed(fs, directory, frame->logical, frame->buffer);
		frame_insert(fs, directory, &index->frames[full - 1], hash, logical);
		return 1;
	}
	uint8_t *root = frame->buffer->data;
	unsigned most = fs->incompat & INCOMPAT_LARGEDIR ? 2 : 1;
	if (root[30] >= most)
		return FILE_E_NO_SPACE;
	int result = node_create(fs, directory, frame->entries, count, &logical);
	if (result < 0)
		return result;
	put16(frame->entries + 2, 1);
	put32(frame->entries + 4, logical);
	root[30]++;
	index_changed(fs, directory, 0, frame->buffer);
	return 1;
}

struct hashed {
	uint32_t hash;
	uint16_t offset, bytes; /* what the entry needs */
};

static int by_hash(const void *a, const void *b)
{
	const struct hashed *left = a;
	const struct hashed *right = b;
	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return (int)left->offset - (int)right->offset;
}

/* The entries LIST of the block FROM, one after the other, into TO; the last has the rest. */
static void fill(struct ext4 *fs, uint8_t *to, const uint8_t *from, const struct hashed *list, unsigned count)
{
	uint32_t at = 0, end = directory_room(fs);
	memset(to, 0, fs->block_bytes);
	for (unsigned i = 0; i < count; i++) {
		memcpy(to + at, from + list[i].offset, list[i].bytes);
		put16(to + at + 4, i + 1 == count ? (uint16_t)(end - at) : list[i].bytes);
		at += list[i].bytes;
	}
	if (!count)
		put16(to + 4, (uint16_t)end);
}

/* The leaf BLOCK, which INDEX leads to, gives the upper half of its hashes to a new one. */
static int leaf_split(struct ext4 *fs, struct inode *directory, struct index *index, struct buffer *block)
{
	const uint32_t end = directory_room(fs);
	unsigned version = hash_version(fs, index->frames[0].buffer->data);
	struct hashed *list = malloc(fs->block_bytes / 8 * sizeof(*list));
	uint8_t *copy = malloc(fs->block_bytes);
	struct buffer *made = 0;
	unsigned count = 0;
	uint32_t total = 0, logical;
	int result = list && copy ? E_OK : FILESYSTEM_E_NO_MEMORY;
	for (uint32_t offset = 0; offset < end && result >= 0;) {
		const uint8_t *entry = block->data + offset;
		uint32_t bytes = get16(entry + 4);
		uint32_t length = entry_length(fs, entry);
		if (bytes < 8 || bytes % 4 || bytes > end - offset || (get32(entry) && length + 8 > bytes)) {
			result = damaged(fs, directory);
			break;
		}
		if (get32(entry)) {
			struct hashed *each = &list[count++];
			each->offset = (uint16_t)offset;
			each->bytes = (uint16_t)((8 + length + 3) & ~3u);
			total += each->bytes;
			if (!name_hash(fs->super + SB_HASH_SEED, version, (const char *)entry + 8, length,
			               &each->hash))
				result = damaged(fs, directory);
		}
		offset += bytes;
	}
	if (result >= 0 && count < 2)
		result = damaged(fs, directory);
	if (result >= 0)
		result = directory_append(fs, directory, &logical, &made);
	if (result >= 0) {
		unsigned kept = 0;
		records_sort(list, count, sizeof(*list), by_hash);
		for (uint32_t half = 0; kept < count - 1 && (!kept || half + list[kept].bytes <= total / 2);
		     kept++)
			half += list[kept].bytes;
		uint32_t hash = list[kept].hash;
		bool continued = hash == list[kept - 1].hash;
		memcpy(copy, block->data, fs->block_bytes);
		fill(fs, made->data, copy, list + kept, count - kept);
		fill(fs, block->data, copy, list, kept);
		directory_changed(fs, directory, made);
		directory_changed(fs, directory, block);
		frame_insert(fs, directory, &index->frames[index->depth - 1], hash + continued, logical);
	}
	buffer_release(made);
	free(list);
	free(copy);
	return result;
}

int htree_add(struct ext4 *fs, struct inode *directory, const char *name, size_t length, uint32_t inode,
              uint8_t type)
{
	for (unsigned tries = 0; tries < SPLITS_MAX; tries++) {
		struct index index;
		struct buffer *block = 0;
		int result = index_find(fs, directory, name, length, &index);
		if (result >= 0) {
			const struct frame *last = &index.frames[index.depth - 1];
			result = directory_block(fs, directory, block_at(last, last->at), true, &block);
			if (result == FILE_E_NOT_FOUND)
				result = damaged(fs, directory);
		}
		if (result >= 0)
			result = directory_enter(fs, directory, block, name, length, inode, type);
		bool full = block && result == FILE_E_NO_SPACE;
		if (full) {
			result = index_make_room(fs, directory, &index);
			if (result == 0)
				result = leaf_split(fs, directory, &index, block);
		}
		buffer_release(block);
		index_put(&index);
		if (result < 0 || !full)
			return result;
	}
	return damaged(fs, directory);
}

int htree_make(struct ext4 *fs, struct inode *directory)
{
	const uint32_t end = directory_room(fs);
	struct buffer *root, *leaf;
	uint32_t logical;
	int result = directory_block(fs, directory, 0, true, &root);
	if (result < 0)
		return result;
	uint32_t first = get16(root->data + 4), parent = get32(root->data + 12);
	uint32_t second = first == 12 ? get16(root->data + 16) : 0;
	uint32_t rest = first + second;
	if (first != 12 || second < 12 || rest >= end)
		result = damaged(fs, directory);
	if (result >= 0)
		result = directory_append(fs, directory, &logical, &leaf);
	if (result < 0) {
		buffer_release(root);
		return result;
	}
	/* What stood behind ".." moves; the last entry gets the room that becomes free. */
	memcpy(leaf->data, root->data + rest, end - rest);
	for (uint32_t at = 0; at < end - rest;) {
		uint32_t bytes = get16(leaf->data + at + 4);
		if (bytes < 8 || bytes > end - rest - at) {
			result = damaged(fs, directory);
			break;
		}
		if (at + bytes == end - rest)
			put16(leaf->data + at + 4, (uint16_t)(end - at));
		at += bytes;
	}
	if (result >= 0) {
		directory_changed(fs, directory, leaf);
		memset(root->data + 12, 0, fs->block_bytes - 12);
		put32(root->data + 12, parent);
		put16(root->data + 16, (uint16_t)(fs->block_bytes - 12));
		put16(root->data + 18, 2);
		if (fs->incompat & INCOMPAT_FILETYPE)
			root->data[19] = 2;
		root->data[20] = root->data[21] = '.';
		root->data[28] = fs->super[SB_HASH_VERSION] <= 2 ? fs->super[SB_HASH_VERSION] : 1;
		root->data[29] = 8;
		put16(root->data + ROOT_START, (uint16_t)expected_limit(fs, ROOT_START));
		put16(root->data + ROOT_START + 2, 1);
		put32(root->data + ROOT_START + 4, logical);
		put32(directory->raw + IN_FLAGS, get32(directory->raw + IN_FLAGS) | INODE_INDEX);
		inode_changed(fs, directory);
		index_changed(fs, directory, 0, root);
	}
	buffer_release(leaf);
	buffer_release(root);
	return result;
}
