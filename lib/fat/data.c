/* Contents of files. FAT knows no holes: a file that grows over a gap is filled with zeroes. */
#include "internal.h"

#include <stdlib.h>

#define ZERO_BYTES (64u << 10)

static int file_get(struct fat *fs, uint64_t number, struct node **node)
{
	int result = node_get(fs, number, node);
	return result < 0 ? result : (*node)->attributes & ATTRIBUTE_DIRECTORY ? FILE_E_IS_DIRECTORY : E_OK;
}

/* Bytes of a sector in part: read, and with WRITE written. */
static int part_move(struct fat *fs, uint64_t offset, uint8_t *data, size_t bytes, bool write)
{
	uint32_t skip = (uint32_t)(offset % fs->sector_bytes);
	int result = filesystem_read(&fs->fs, offset - skip, fs->scratch, fs->sector_bytes);
	if (result < 0)
		return result;
	if (!write) {
		memcpy(data, fs->scratch + skip, bytes);
		return E_OK;
	}
	memcpy(fs->scratch + skip, data, bytes);
	return filesystem_write(&fs->fs, offset - skip, fs->scratch, fs->sector_bytes);
}

static int bytes_move(struct fat *fs, uint64_t offset, uint8_t *data, size_t bytes, bool write)
{
	int result = E_OK;
	while (bytes && result >= 0) {
		uint32_t skip = (uint32_t)(offset % fs->sector_bytes);
		size_t part = bytes;
		if (skip || bytes < fs->sector_bytes) {
			part = fs->sector_bytes - skip < bytes ? fs->sector_bytes - skip : bytes;
			result = part_move(fs, offset, data, part, write);
		} else {
			part = bytes / fs->sector_bytes * fs->sector_bytes;
			result = write ? filesystem_write(&fs->fs, offset, data, part)
			               : filesystem_read(&fs->fs, offset, data, part);
		}
		offset += part;
		data += part;
		bytes -= part;
	}
	return result;
}

/* Where byte AT of NODE is on the disk, and for how many bytes, at most LIMIT, the clusters are neighbours. */
static int extent_of(struct fat *fs, struct node *node, uint64_t at, uint64_t limit, uint64_t *offset,
                     uint64_t *bytes)
{
	uint32_t index = (uint32_t)(at / fs->cluster_bytes), skip = (uint32_t)(at % fs->cluster_bytes),
	         cluster;
	int result = node_cluster(fs, node, index, &cluster, 0, 0);
	if (result < 0)
		return result;
	if (!cluster)
		return filesystem_damaged(&fs->fs, "fat: a file is longer than its chain of clusters");
	*offset = cluster_sector(fs, cluster) * fs->sector_bytes + skip;
	*bytes = fs->cluster_bytes - skip;
	while (*bytes < limit) {
		uint32_t next;
		result = table_next(fs, cluster, &next);
		if (result < 0)
			return result;
		if (next != cluster + 1)
			break;
		cluster = next;
		*bytes += fs->cluster_bytes;
	}
	*bytes = *bytes < limit ? *bytes : limit;
	return E_OK;
}

static int range_move(struct fat *fs, struct node *node, uint64_t at, uint8_t *data, size_t bytes, bool write)
{
	int result = E_OK;
	while (bytes && result >= 0) {
		uint64_t offset, part;
		result = extent_of(fs, node, at, bytes, &offset, &part);
		if (result < 0)
			break;
		result = bytes_move(fs, offset, data, (size_t)part, write);
		at += part;
		data += part;
		bytes -= (size_t)part;
	}
	return result;
}

int64_t fat_read(struct filesystem *base, uint64_t number, uint64_t offset, void *buffer, size_t bytes)
{
	struct fat *fs = fat_of(base);
	struct node *node;
	int result = file_get(fs, number, &node);
	if (result < 0)
		return result;
	size_t wanted = offset >= node->size          ? 0
	                : node->size - offset < bytes ? (size_t)(node->size - offset)
	                                              : bytes;
	result = range_move(fs, node, offset, buffer, wanted, false);
	return result < 0 ? result : (int64_t)wanted;
}

/* NODE's chain has room for SIZE bytes, or for as many as there is room for: FILE_E_NO_SPACE. */
static int chain_extend(struct fat *fs, struct node *node, uint64_t size)
{
	uint32_t wanted = (uint32_t)((size + fs->cluster_bytes - 1) / fs->cluster_bytes), cluster, last,
	         count;
	int result = E_OK;
	if (!wanted)
		return E_OK;
	result = node_cluster(fs, node, wanted - 1, &cluster, &last, &count);
	if (result >= 0 && node->cut) { /* behind its size there is what a sync frees, and another end */
		result = fat_sync(&fs->fs, 0, false);
		fs->changed = true;
		node_forget_chain(node);
		if (result >= 0)
			result = node_cluster(fs, node, wanted - 1, &cluster, &last, &count);
	}
	if (result < 0 || cluster)
		return result;
	while (count < wanted) {
		result = cluster_allocate(fs, last, &cluster);
		if (result == FILE_E_NO_SPACE && fs->freed_count) {
			result = fat_sync(&fs->fs, 0, false); /* what was freed last is free then */
			fs->changed = true;
			if (result >= 0)
				result = cluster_allocate(fs, last, &cluster);
		}
		if (result >= 0 && cache_pressed(&fs->cache))
			result = cache_write(&fs->cache, KIND_TABLE);
		if (result < 0)
			return result;
		if (!last) {
			node->start = cluster;
			node_forget_chain(node);
		}
		last = cluster;
		count++;
	}
	return E_OK;
}

static uint64_t chain_room(struct fat *fs, struct node *node)
{
	uint32_t cluster, last, count;
	if (node_cluster(fs, node, UINT32_MAX / fs->cluster_bytes + 1, &cluster, &last, &count) < 0)
		return 0;
	return (uint64_t)count * fs->cluster_bytes;
}

static int zero_fill(struct fat *fs, struct node *node, uint64_t from, uint64_t to)
{
	uint8_t *zeroes = calloc(1, ZERO_BYTES);
	int result = zeroes ? E_OK : FILESYSTEM_E_NO_MEMORY;
	while (from < to && result >= 0) {
		size_t part = to - from < ZERO_BYTES ? (size_t)(to - from) : ZERO_BYTES;
		result = range_move(fs, node, from, zeroes, part, true);
		from += part;
	}
	free(zeroes);
	return result;
}

int64_t fat_write(struct filesystem *base, uint64_t number, uint64_t offset, const void *buffer, size_t bytes)
{
	struct fat *fs = fat_of(base);
	struct node *node;
	if (offset > SIZE_MAX_FAT || bytes > SIZE_MAX_FAT - offset)
		return FILE_E_TOO_BIG;
	int result = file_get(fs, number, &node);
	if (result >= 0)
		result = fat_begin(fs);
	if (result < 0 || !bytes)
		return result;
	uint64_t end = offset + bytes, size = node->size;
	if (end > size)
		result = chain_extend(fs, node, end);
	if (result == FILE_E_NO_SPACE) {
		uint64_t room = chain_room(fs, node);
		if (room > offset) {
			end = room < end ? room : end;
			result = E_OK;
		} else if (size < (uint64_t)SIZE_MAX_FAT && node->start) {
			(void)(node_store(fs, node) <
			       0); /* what was taken stays the file's, and is found by a cut */
		}
	}
	if (result >= 0 && offset > size)
		result = zero_fill(fs, node, size, offset);
	/* The buffer is only read where it is written to the disk. */
	if (result >= 0)
		result =
		    range_move(fs, node, offset, (uint8_t *)(uintptr_t)buffer, (size_t)(end - offset), true);
	fs->data_written = true;
	if (result < 0)
		return result;
	if (end > size)
		node->size = (uint32_t)end;
	node->modified_ns = fs->fs.options.now_ns();
	node->attributes |= ATTRIBUTE_ARCHIVE;
	result = node_store(fs, node);
	return result < 0 ? result : (int64_t)(end - offset);
}

/* Cuts NODE's chain to SIZE: the rest is freed when nothing on the disk says that the file has it. */
static int chain_cut(struct fat *fs, struct node *node, uint64_t size)
{
	uint32_t kept = (uint32_t)((size + fs->cluster_bytes - 1) / fs->cluster_bytes), last = 0,
	         first = node->start;
	if (kept) {
		int result = node_cluster(fs, node, kept - 1, &last, 0, 0);
		if (result >= 0 && last)
			result = table_next(fs, last, &first);
		if (result < 0)
			return result;
		if (!last)
			return filesystem_damaged(&fs->fs,
			                          "fat: a file is longer than its chain of clusters");
		if (last == node->cut)
			return E_OK; /* it ends there already, at the next sync */
		if (first && !node->listed) {
			node->listed = true;
			node->next_cut = fs->cut_nodes;
			fs->cut_nodes = node;
			node_reference(fs, node);
		}
		node->cut = first ? last : node->cut;
	} else {
		node->start = 0;
		node->cut = 0;
	}
	node_forget_chain(node);
	return chain_free_later(fs, last, first);
}

int fat_resize(struct filesystem *base, uint64_t number, uint64_t size)
{
	struct fat *fs = fat_of(base);
	struct node *node;
	if (size > SIZE_MAX_FAT)
		return FILE_E_TOO_BIG;
	int result = file_get(fs, number, &node);
	if (result >= 0)
		result = fat_begin(fs);
	if (result < 0)
		return result;
	uint64_t old = node->size;
	if (size > old) {
		result = chain_extend(fs, node, size);
		if (result >= 0)
			result = zero_fill(fs, node, old, size);
		if (result < 0) { /* nothing has changed but that the chain may be longer */
			uint64_t room = chain_room(fs, node);
			if (room > old + fs->cluster_bytes && !fs->fs.read_only &&
			    chain_cut(fs, node, old) < 0)
				return FILE_E_IO;
			(void)(node_store(fs, node) < 0);
			return result;
		}
	} else if (size < old) {
		result = chain_cut(fs, node, size);
		if (result < 0)
			return result;
	}
	node->size = (uint32_t)size;
	node->modified_ns = fs->fs.options.now_ns();
	return node_store(fs, node);
}
