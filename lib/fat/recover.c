/* What a crash in the midst of a rename leaves: a file with two names, which share its clusters. When a disk was not
 * unmounted, all entries are walked once; of two that begin at one cluster the older goes. Which that is, two bits of
 * each entry say that count renames (RENAME_BITS): the new name has one more than the old.
 *
 * Bounds: RECORDS_MAX entries, DIRECTORIES_MAX directories; with more, fsck is asked for. */
#include "internal.h"

#include <stdlib.h>

#define RECORDS_MAX     (1u << 18)
#define DIRECTORIES_MAX (1u << 16)

struct record {
	uint32_t start, directory; /* clusters; directory 0: the root */
	uint16_t first_slot;
	uint8_t slots, renames;
};

struct walk {
	struct record *records;
	uint32_t *directories; /* that are still to be walked, and those that were */
	uint32_t record_count, record_room, directory_count, directory_room;
};

static bool room(void **list, uint32_t count, uint32_t *have, size_t bytes, uint32_t most)
{
	if (count < *have)
		return true;
	uint32_t wanted = *have ? *have * 2 : 256;
	void *grown = count >= most ? 0 : realloc(*list, wanted * bytes);
	if (!grown)
		return false;
	*list = grown;
	*have = wanted;
	return true;
}

/* A directory as far as slots need one. */
static struct node directory_of(const struct fat *fs, uint32_t start)
{
	return (struct node){.number = start ? UINT64_MAX : FAT_ROOT,
	                     .start = start ? start : fs->root->start,
	                     .attributes = ATTRIBUTE_DIRECTORY};
}

static int walk_directory(struct fat *fs, struct walk *walk, uint32_t start)
{
	static struct found found;
	struct node directory = directory_of(fs, start);
	uint32_t slot = 0;
	int result;
	while ((result = fat_directory_next(fs, &directory, slot, &found)) == 1) {
		uint32_t first = start_of_entry(fs, found.entry);
		slot = found.next_slot;
		if (!cluster_valid(fs, first))
			continue;
		if (!room((void **)&walk->records, walk->record_count, &walk->record_room,
		          sizeof(struct record), RECORDS_MAX) ||
		    !room((void **)&walk->directories, walk->directory_count, &walk->directory_room,
		          sizeof(uint32_t), DIRECTORIES_MAX))
			return FILESYSTEM_E_NO_MEMORY;
		walk->records[walk->record_count++] =
		    (struct record){.start = first,
		                    .directory = start,
		                    .first_slot = (uint16_t)found.first_slot,
		                    .slots = (uint8_t)found.slots,
		                    .renames = (found.entry[EN_CASE] & RENAME_BITS) / RENAME_ONE};
		if (found.entry[EN_ATTRIBUTES] & ATTRIBUTE_DIRECTORY)
			walk->directories[walk->directory_count++] = first;
	}
	return result;
}

static int by_start(const void *a, const void *b)
{
	const struct record *left = a;
	const struct record *right = b;
	return left->start < right->start ? -1 : left->start > right->start;
}

/* Of neighbours that begin at one cluster all but one go; what they lead to stays. */
static int older_remove(struct fat *fs, struct walk *walk, uint32_t *removed)
{
	records_sort(walk->records, walk->record_count, sizeof(struct record), by_start);
	for (uint32_t i = 1; i < walk->record_count; i++) {
		struct record *first = &walk->records[i - 1];
		struct record *second = &walk->records[i];
		if (first->start != second->start)
			continue;
		if (((first->renames - second->renames) & 3) == 1) {
			struct record kept = *first;
			*first = *second;
			*second = kept;
		}
		struct node directory = directory_of(fs, first->directory);
		int result = fat_directory_remove(fs, &directory, first->first_slot, first->slots);
		if (result < 0)
			return result;
		(*removed)++;
	}
	return E_OK;
}

int fat_recover(struct fat *fs)
{
	struct walk walk = {0};
	uint32_t removed = 0;
	int result = walk_directory(fs, &walk, 0);
	for (uint32_t i = 0; i < walk.directory_count && result >= 0; i++)
		result = walk_directory(fs, &walk, walk.directories[i]);
	if (result >= 0)
		result = older_remove(fs, &walk, &removed);
	if (result == FILESYSTEM_E_NO_MEMORY) {
		filesystem_report(&fs->fs, "fat: it was not unmounted, and has too many files to be looked "
		                           "through: check it (fsck)");
		result = E_OK;
	}
	if (removed)
		filesystem_report(&fs->fs, "fat: %u names that files had before a rename are gone",
		                  (unsigned)removed);
	fs->changed |= removed != 0;
	free(walk.records);
	free(walk.directories);
	return result;
}
