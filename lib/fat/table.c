/* The file allocation table: chains of clusters. A chain may be wrong in any way (out of the disk, in a loop, shared):
 * each step is checked, and no walk is longer than what the file or the table can have. */
#include "internal.h"

#include <stdlib.h>

#define COUNT_BYTES (64u << 10)

bool cluster_valid(const struct fat *fs, uint32_t cluster)
{
	return cluster >= 2 && cluster - 2 < fs->clusters;
}

/* Byte AT of the table, in its sector. */
static int table_byte(struct fat *fs, uint64_t at, struct buffer **sector, uint8_t **byte)
{
	int result = cache_get(&fs->cache, fs->table_start + at / fs->sector_bytes, false, sector);
	if (result >= 0)
		*byte = (*sector)->data + at % fs->sector_bytes;
	return result;
}

/* An entry of 12 bits may lie in two sectors: it is moved byte by byte. */
static int entry12(struct fat *fs, uint32_t cluster, bool write, uint32_t *value)
{
	uint32_t shift = cluster & 1 ? 4 : 0, mask = 0xfffu << shift, raw = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct buffer *sector;
		uint8_t *byte;
		int result = table_byte(fs, (uint64_t)cluster * 3 / 2 + i, &sector, &byte);
		if (result < 0)
			return result;
		if (write) {
			uint8_t part = (uint8_t)(mask >> 8 * i);
			*byte = (uint8_t)((*byte & ~part) | ((*value << shift >> 8 * i) & part));
			sector->kind = KIND_TABLE;
			buffer_dirty(&fs->cache, sector);
		}
		raw |= (uint32_t)*byte << 8 * i;
		buffer_release(sector);
	}
	if (!write)
		*value = (raw & mask) >> shift;
	return E_OK;
}

static int entry(struct fat *fs, uint32_t cluster, bool write, uint32_t *value)
{
	struct buffer *sector;
	uint8_t *at;
	if (fs->bits == 12)
		return entry12(fs, cluster, write, value);
	int result = table_byte(fs, (uint64_t)cluster * fs->bits / 8, &sector, &at);
	if (result < 0)
		return result;
	if (!write) {
		*value = fs->bits == 16 ? get16(at) : get32(at) & 0x0fffffff;
	} else {
		if (fs->bits == 16)
			put16(at, (uint16_t)*value);
		else
			put32(at, (get32(at) & 0xf0000000) | (*value & 0x0fffffff));
		sector->kind = KIND_TABLE;
		buffer_dirty(&fs->cache, sector);
	}
	buffer_release(sector);
	return E_OK;
}

int table_set(struct fat *fs, uint32_t cluster, uint32_t value)
{
	return entry(fs, cluster, true, &value);
}

int table_next(struct fat *fs, uint32_t cluster, uint32_t *next)
{
	uint32_t last = fs->bits == 32 ? 0x0ffffff8 : (1u << fs->bits) - 8;
	int result = cluster_valid(fs, cluster) ? entry(fs, cluster, false, next) : FILE_E_IO;
	if (result < 0)
		return result;
	if (*next >= last)
		*next = 0;
	else if (!cluster_valid(fs, *next))
		return filesystem_damaged(&fs->fs,
		                          "fat: the chain of cluster %u leads to %u, which cannot be",
		                          (unsigned)cluster, (unsigned)*next);
	return E_OK;
}

int cluster_allocate(struct fat *fs, uint32_t last, uint32_t *cluster)
{
	uint32_t at = last ? last + 1 : fs->next_free;
	if (fs->full)
		return FILE_E_NO_SPACE;
	for (uint32_t tries = 0; tries < fs->clusters; tries++, at++) {
		uint32_t value;
		if (!cluster_valid(fs, at))
			at = 2;
		/* Only the place right behind is better than where free ones were last. */
		if (last && tries == 1 && cluster_valid(fs, fs->next_free))
			at = fs->next_free;
		int result = entry(fs, at, false, &value);
		if (result >= 0 && value)
			continue;
		if (result >= 0)
			result = table_set(fs, at, TABLE_LAST);
		if (result >= 0 && last)
			result = table_set(fs, last, at);
		if (result < 0)
			return result;
		fs->next_free = at + 1;
		fs->free_count -= fs->free_count != 0;
		*cluster = at;
		return E_OK;
	}
	fs->full = true;
	return FILE_E_NO_SPACE;
}

int chain_free_later(struct fat *fs, uint32_t last, uint32_t first)
{
	if (!first)
		return E_OK;
	if (fs->freed_count == fs->freed_room) {
		size_t room = fs->freed_room ? fs->freed_room * 2 : 64;
		struct freed *grown = realloc(fs->freed, room * sizeof(*grown));
		if (!grown)
			return FILESYSTEM_E_NO_MEMORY;
		fs->freed = grown;
		fs->freed_room = room;
	}
	fs->freed[fs->freed_count++] = (struct freed){last, first};
	fs->changed = true;
	return E_OK;
}

/* A loop, or a cluster that two chains have, ends where what is freed already begins. */
static int chain_free(struct fat *fs, uint32_t cluster)
{
	while (cluster) {
		uint32_t next;
		int result = table_next(fs, cluster, &next);
		if (result >= 0)
			result = table_set(fs, cluster, 0);
		if (result >= 0 && cache_pressed(&fs->cache))
			result = cache_write(&fs->cache, KIND_TABLE);
		if (result < 0)
			return result;
		if (fs->free_count < fs->clusters)
			fs->free_count++;
		cluster = next;
	}
	return E_OK;
}

int chains_free(struct fat *fs)
{
	for (size_t i = 0; i < fs->freed_count; i++) {
		const struct freed *freed = &fs->freed[i];
		int result = freed->last ? table_set(fs, freed->last, TABLE_LAST) : E_OK;
		if (result >= 0)
			result = chain_free(fs, freed->first);
		if (result < 0)
			return result;
		if (freed->first < fs->next_free)
			fs->next_free = freed->first;
	}
	fs->freed_count = 0;
	fs->full = false;
	while (fs->cut_nodes) {
		struct node *node = fs->cut_nodes;
		fs->cut_nodes = node->next_cut;
		node->cut = 0;
		node->listed = false;
		node_release(fs, node); /* which may note a chain for the next sync */
	}
	return E_OK;
}

/* Counts what is free, in large pieces: the table of a large disk is large. What is changed in the cache is written
 * first. */
int table_count_free(struct fat *fs)
{
	uint8_t *part = malloc(COUNT_BYTES);
	uint64_t bytes = ((uint64_t)fs->clusters + 2) * fs->bits / 8;
	int result = part ? E_OK : FILESYSTEM_E_NO_MEMORY;
	uint32_t free_count = 0;
	if (fs->bits == 12) {
		for (uint32_t cluster = 2; cluster < fs->clusters + 2 && result >= 0; cluster++) {
			uint32_t value = 1;
			result = entry(fs, cluster, false, &value);
			free_count += result >= 0 && !value;
		}
		bytes = 0;
	}
	for (uint64_t at = 0; at < bytes && result >= 0; at += COUNT_BYTES) {
		uint64_t rest = (uint64_t)fs->table_sectors * fs->sector_bytes - at;
		size_t size = rest < COUNT_BYTES ? (size_t)rest : COUNT_BYTES;
		result =
		    filesystem_read(&fs->fs, (uint64_t)fs->table_start * fs->sector_bytes + at, part, size);
		for (size_t i = 0; i < size && result >= 0; i += fs->bits / 8) {
			uint64_t cluster = (at + i) * 8 / fs->bits;
			if (cluster >= 2 && cluster < (uint64_t)fs->clusters + 2)
				free_count +=
				    fs->bits == 16 ? !get16(part + i) : !(get32(part + i) & 0x0fffffff);
		}
	}
	free(part);
	if (result >= 0) {
		fs->free_count = free_count;
		fs->free_known = true;
	}
	return result;
}
