/* Directories: slots of 32 bytes, a file's long name in as many as it takes, before the short one. A long name counts
 * only if all its parts are there, in order, and belong to the short name behind them. */
#include "internal.h"

#define TRIES_MAX 99u

static const uint8_t places[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};

uint32_t start_of_entry(const struct fat *fs, const uint8_t *entry)
{
	return get16(entry + EN_START) | (fs->bits == 32 ? (uint32_t)get16(entry + EN_START_HI) << 16 : 0);
}

int slot_at(struct fat *fs, uint64_t position, struct buffer **sector, uint8_t **slot)
{
	int result = cache_get(&fs->cache, position * SLOT_BYTES / fs->sector_bytes, false, sector);
	if (result >= 0)
		*slot = (*sector)->data + position * SLOT_BYTES % fs->sector_bytes;
	return result;
}

/* Where slot SLOT of DIRECTORY is; 0: it has not so many. */
int slot_position(struct fat *fs, struct node *directory, uint32_t slot, uint64_t *position)
{
	uint32_t per_cluster = fs->cluster_bytes / SLOT_BYTES, cluster;
	*position = 0;
	if (slot >= DIRECTORY_SLOTS)
		return E_OK;
	if (directory->number == FAT_ROOT && fs->bits != 32) {
		if (slot < fs->root_sectors * (fs->sector_bytes / SLOT_BYTES))
			*position = (uint64_t)fs->root_start * fs->sector_bytes / SLOT_BYTES + slot;
		return E_OK;
	}
	int result = node_cluster(fs, directory, slot / per_cluster, &cluster, 0, 0);
	if (result >= 0 && cluster)
		*position = cluster_sector(fs, cluster) * fs->sector_bytes / SLOT_BYTES + slot % per_cluster;
	return result;
}

/* The bytes of slot SLOT; POSITION 0: the end. */
static int slot_read(struct fat *fs, struct node *directory, uint32_t slot, uint8_t bytes[SLOT_BYTES],
                     uint64_t *position)
{
	struct buffer *sector;
	uint8_t *at;
	int result = slot_position(fs, directory, slot, position);
	if (result < 0 || !*position)
		return result;
	result = slot_at(fs, *position, &sector, &at);
	if (result < 0)
		return result;
	memcpy(bytes, at, SLOT_BYTES);
	buffer_release(sector);
	return E_OK;
}

/* The parts of a long name that were seen last. */
struct parts {
	uint16_t units[LONG_SLOTS * 13];
	unsigned count, expected; /* parts; the number of the next, 0: whole */
	uint8_t checksum;
	uint32_t first_slot;
};

static void part_add(struct parts *parts, const uint8_t *bytes, uint32_t slot)
{
	unsigned number = bytes[0] & 0x3f;
	if (bytes[0] & 0x40) {
		parts->count = number && number <= LONG_SLOTS ? number : 0;
		parts->expected = parts->count;
		parts->checksum = bytes[13];
		parts->first_slot = slot;
	}
	if (!parts->count || number != parts->expected || bytes[13] != parts->checksum) {
		parts->count = 0;
		return;
	}
	for (unsigned i = 0; i < 13; i++)
		parts->units[(number - 1) * 13 + i] = get16(bytes + places[i]);
	parts->expected--;
}

static bool parts_take(const struct parts *parts, const uint8_t *entry, struct name *name)
{
	if (!parts->count || parts->expected || parts->checksum != short_checksum(entry))
		return false;
	name->count = 0;
	for (unsigned i = 0; i < parts->count * 13 && parts->units[i]; i++) {
		if (name->count == NAME_UNITS)
			return false;
		name->units[name->count++] = parts->units[i];
	}
	return name->count != 0;
}

int fat_directory_next(struct fat *fs, struct node *directory, uint32_t slot, struct found *found)
{
	struct parts parts = {0};
	for (;; slot++) {
		int result = slot_read(fs, directory, slot, found->entry, &found->position);
		if (result < 0)
			return result;
		if (!found->position || !found->entry[0])
			return 0;
		bool is_long_part = (found->entry[EN_ATTRIBUTES] & 0x3f) == ATTRIBUTE_LONG;
		if (found->entry[0] != 0xe5 && is_long_part) {
			part_add(&parts, found->entry, slot);
		} else if (found->entry[0] == 0xe5 || found->entry[0] == '.' ||
		           found->entry[EN_ATTRIBUTES] & ATTRIBUTE_VOLUME) {
			parts.count = 0; /* free; "." and ".."; the volume's label */
		} else {
			bool is_long = parts_take(&parts, found->entry, &found->name);
			name_of_short(found->entry, &found->short_name);
			if (!is_long)
				found->name = found->short_name;
			found->first_slot = is_long ? parts.first_slot : slot;
			found->slots = slot - found->first_slot + 1;
			found->next_slot = slot + 1;
			return 1;
		}
	}
}

int fat_directory_find(struct fat *fs, struct node *directory, const struct name *name, struct found *found)
{
	uint32_t slot = 0;
	int result;
	while ((result = fat_directory_next(fs, directory, slot, found)) == 1) {
		if (names_same(&found->name, name) || names_same(&found->short_name, name))
			return E_OK;
		slot = found->next_slot;
	}
	return result < 0 ? result : FILE_E_NOT_FOUND;
}

int fat_directory_is_empty(struct fat *fs, struct node *directory)
{
	static struct found found;
	int result = fat_directory_next(fs, directory, 0, &found);
	return result < 0 ? result : !result;
}

/* ---- Changing ---- */

/* A cluster of zeroes, on the disk before anything leads to it. */
static int cluster_clear(struct fat *fs, uint32_t cluster)
{
	uint64_t first = cluster_sector(fs, cluster);
	int result = E_OK;
	memset(fs->scratch, 0, fs->sector_bytes);
	for (uint32_t i = 0; i < fs->cluster_sectors && result >= 0; i++) {
		cache_drop(&fs->cache, first + i);
		result =
		    filesystem_write(&fs->fs, (first + i) * fs->sector_bytes, fs->scratch, fs->sector_bytes);
	}
	fs->new_directories = true;
	return result;
}

static int directory_grow(struct fat *fs, struct node *directory)
{
	uint32_t cluster, last, count, made;
	if (directory->number == FAT_ROOT && fs->bits != 32)
		return FILE_E_NO_SPACE;
	int result = node_cluster(fs, directory, DIRECTORY_SLOTS, &cluster, &last, &count);
	if (result < 0)
		return result;
	if (!last || (uint64_t)count * fs->cluster_bytes >= (uint64_t)DIRECTORY_SLOTS * SLOT_BYTES)
		return FILE_E_NO_SPACE;
	result = cluster_allocate(fs, 0, &made);
	if (result >= 0)
		result = cluster_clear(fs, made);
	return result < 0 ? result : table_set(fs, last, made);
}

/* COUNT free slots in a row; the directory grows where it must. */
static int slots_find(struct fat *fs, struct node *directory, uint32_t count, uint32_t *first)
{
	uint32_t run = 0;
	for (uint32_t slot = 0; slot < DIRECTORY_SLOTS; slot++) {
		uint8_t bytes[SLOT_BYTES];
		uint64_t position;
		int result = slot_read(fs, directory, slot, bytes, &position);
		if (result >= 0 && !position) {
			result = directory_grow(fs, directory);
			if (result >= 0)
				result = slot_read(fs, directory, slot, bytes, &position);
			if (result >= 0 && !position)
				result = FILE_E_NO_SPACE;
		}
		if (result < 0)
			return result;
		run = !bytes[0] || bytes[0] == 0xe5 ? run + 1 : 0;
		if (run == count) {
			*first = slot + 1 - count;
			return E_OK;
		}
	}
	return FILE_E_NO_SPACE;
}

static int slot_write(struct fat *fs, struct node *directory, uint32_t slot, const uint8_t bytes[SLOT_BYTES],
                      uint64_t *position)
{
	struct buffer *sector;
	uint8_t *at;
	int result = slot_position(fs, directory, slot, position);
	if (result < 0 || !*position)
		return result < 0 ? result : FILE_E_IO;
	result = slot_at(fs, *position, &sector, &at);
	if (result < 0)
		return result;
	memcpy(at, bytes, SLOT_BYTES);
	sector->kind = KIND_DIRECTORY;
	buffer_dirty(&fs->cache, sector);
	buffer_release(sector);
	return E_OK;
}

/* A short name that no entry of DIRECTORY has. */
static int short_choose(struct fat *fs, struct node *directory, const struct name *name,
                        uint8_t short_name[11])
{
	static struct found found;
	uint8_t base[11];
	name_base(name, base);
	for (unsigned number = 0; number < TRIES_MAX; number += 9) {
		uint32_t taken = 0, slot = 0;
		int result;
		/* One walk tells which of nine are taken. */
		while ((result = fat_directory_next(fs, directory, slot, &found)) == 1) {
			slot = found.next_slot;
			for (unsigned i = 0; i < 9; i++) {
				name_number(name, base, number + i, short_name);
				if (memcmp(found.entry, short_name, 11) == 0)
					taken |= 1u << i;
			}
		}
		if (result < 0)
			return result;
		for (unsigned i = 0; i < 9; i++) {
			name_number(name, base, number + i, short_name);
			if (!(taken >> i & 1))
				return E_OK;
		}
	}
	return FILE_E_NO_SPACE;
}

int fat_directory_add(struct fat *fs, struct node *directory, const struct name *name,
                      uint8_t entry[SLOT_BYTES], struct found *made)
{
	uint8_t bits = 0;
	uint32_t parts = 0, first = 0;
	if (!name_fits_short(name, entry, &bits)) {
		int result = short_choose(fs, directory, name, entry);
		if (result < 0)
			return result;
		bits = 0;
		parts = (name->count + 12) / 13;
	}
	entry[EN_CASE] = (uint8_t)(bits | (entry[EN_CASE] & RENAME_BITS));
	int result = slots_find(fs, directory, parts + 1, &first);
	for (uint32_t i = 0; i < parts && result >= 0; i++) {
		uint8_t bytes[SLOT_BYTES] = {0};
		uint32_t number = parts - i;
		bytes[0] = (uint8_t)(number | (i ? 0 : 0x40));
		bytes[EN_ATTRIBUTES] = ATTRIBUTE_LONG;
		bytes[13] = short_checksum(entry);
		for (uint32_t k = 0; k < 13; k++) {
			uint32_t at = (number - 1) * 13 + k;
			put16(bytes + places[k], at < name->count    ? name->units[at]
			                         : at == name->count ? 0
			                                             : 0xffff);
		}
		result = slot_write(fs, directory, first + i, bytes, &made->position);
	}
	if (result >= 0)
		result = slot_write(fs, directory, first + parts, entry, &made->position);
	made->first_slot = first;
	made->slots = parts + 1;
	memcpy(made->entry, entry, SLOT_BYTES);
	return result;
}

int fat_directory_remove(struct fat *fs, struct node *directory, uint32_t first_slot, uint32_t slots)
{
	/* The short one first: without it the others mean nothing. */
	for (uint32_t i = slots; i-- > 0;) {
		uint8_t bytes[SLOT_BYTES] = {0};
		uint64_t position;
		int result = slot_read(fs, directory, first_slot + i, bytes, &position);
		bytes[0] = 0xe5;
		if (result >= 0)
			result = slot_write(fs, directory, first_slot + i, bytes, &position);
		if (result < 0)
			return result;
	}
	return E_OK;
}

static void dots(struct fat *fs, uint8_t *entry, unsigned count, uint32_t start)
{
	int64_t now = fs->fs.options.now_ns();
	struct node node = {.attributes = ATTRIBUTE_DIRECTORY,
	                    .start = start,
	                    .created_ns = now,
	                    .modified_ns = now,
	                    .accessed_ns = now};
	memset(entry, ' ', 11);
	memset(entry, '.', count);
	entry_fill(fs, entry, &node);
}

/* ".." of a directory in the root leads to 0, also on FAT32. */
static uint32_t start_for_dots(const struct node *parent)
{
	return parent->number == FAT_ROOT ? 0 : parent->start;
}

int fat_directory_make(struct fat *fs, struct node *parent, uint32_t cluster)
{
	int result = cluster_clear(fs, cluster);
	if (result < 0)
		return result;
	memset(fs->scratch, 0, fs->sector_bytes);
	dots(fs, fs->scratch, 1, cluster);
	dots(fs, fs->scratch + SLOT_BYTES, 2, start_for_dots(parent));
	return filesystem_write(&fs->fs, cluster_sector(fs, cluster) * fs->sector_bytes, fs->scratch,
	                        fs->sector_bytes);
}

int fat_directory_set_parent(struct fat *fs, struct node *directory, const struct node *parent)
{
	uint8_t bytes[SLOT_BYTES];
	uint64_t position;
	int result = slot_read(fs, directory, 1, bytes, &position);
	if (result < 0 || !position || memcmp(bytes, "..      ", 8) != 0)
		return result;
	put16(bytes + EN_START, (uint16_t)start_for_dots(parent));
	if (fs->bits == 32)
		put16(bytes + EN_START_HI, (uint16_t)(start_for_dots(parent) >> 16));
	return slot_write(fs, directory, 1, bytes, &position);
}
