/*
 * Volumes: the catalogue maps a number to a record with a map of its own. A snapshot or clone is one more
 * record with the same map root, whose count rises; from then on each side copies what it changes. Deleting
 * goes from the map's end in steps that are committed one by one.
 */
#include "internal.h"

#define DELETE_STEP 4096u /* blocks */

void map_init(struct tree *tree)
{
	tree_init(tree, KIND_MAP_NODE, KIND_DATA);
}

static int read_record(struct vdisk *disk, const struct entry *entry, struct volume_disk *record)
{
	uint8_t plain[VDISK_BLOCK];
	TRY(legs_open(disk, entry, KIND_VOLUME, entry->key, plain));
	memcpy(record, plain, sizeof(*record));
	if (record->number != entry->key || record->name[VDISK_NAME_MAX] || record->blocks > VDISK_BLOCKS_MAX)
		return VDISK_DAMAGED;
	return VDISK_OK;
}

int volume_by_number(struct vdisk *disk, uint64_t number, struct volume_disk *record)
{
	struct entry entry;
	TRY(tree_find(disk, &disk->catalogue, number, &entry));
	if (!entry.place)
		return VDISK_DAMAGED;
	return read_record(disk, &entry, record);
}

int volume_next(struct vdisk *disk, uint64_t after, struct volume_disk *record)
{
	struct entry entry;
	size_t count;
	if (after == UINT64_MAX)
		return VDISK_NOT_FOUND;
	TRY(tree_range(disk, &disk->catalogue, after + 1, UINT64_MAX, &entry, 1, &count));
	if (!count)
		return VDISK_NOT_FOUND;
	if (entry.key == disk->volume.number) { /* its record on disk is behind */
		*record = disk->volume;
		tree_store(&disk->map, &record->map);
		return VDISK_OK;
	}
	return read_record(disk, &entry, record);
}

int volume_find(struct vdisk *disk, const char *name, struct volume_disk *record)
{
	int status;
	for (uint64_t number = 0; (status = volume_next(disk, number, record)) == VDISK_OK;
	     number = record->number)
		if (!(record->flags & VOLUME_DELETING) && strcmp(record->name, name) == 0)
			return VDISK_OK;
	return status;
}

int volume_open(struct vdisk *disk, const struct volume_disk *record)
{
	disk->volume = *record;
	return tree_load(&disk->map, &record->map);
}

int volume_put(struct vdisk *disk, const struct volume_disk *record)
{
	struct entry entry = {.key = record->number};
	struct entry old;
	uint8_t plain[VDISK_BLOCK] = {0};
	uint8_t sealed[VDISK_BLOCK];
	memcpy(plain, record, sizeof(*record));
	TRY(space_allocate(disk, &entry.place));
	cipher_seal(disk, &entry, KIND_VOLUME, entry.key, plain, sealed);
	TRY(legs_write(disk, entry.place & PLACE_MASK, sealed, 1));
	TRY(tree_set(disk, &disk->catalogue, &entry, &old));
	disk->changed = true;
	return old.place ? space_drop(disk, old.place & PLACE_MASK) : VDISK_OK;
}

int volume_check_name(struct vdisk *disk, const char *name)
{
	struct volume_disk record;
	size_t length = strnlen(name, VDISK_NAME_MAX + 1);
	if (!length || length > VDISK_NAME_MAX)
		return VDISK_RANGE;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == '/' || name[i] == 127)
			return VDISK_RANGE;
	int status = volume_find(disk, name, &record);
	return status == VDISK_NOT_FOUND ? VDISK_OK : status == VDISK_OK ? VDISK_EXISTS : status;
}

static void describe(const struct volume_disk *record, struct vdisk_volume *volume)
{
	*volume = (struct vdisk_volume){
	    .number = record->number,
	    .parent = record->parent,
	    .blocks = record->blocks,
	    .mapped = record->mapped,
	    .created_ns = record->created_ns,
	    .read_only = record->flags & VOLUME_READ_ONLY,
	    .deleting = record->flags & VOLUME_DELETING,
	};
	memcpy(volume->id, record->id, sizeof(volume->id));
	memcpy(volume->name, record->name, sizeof(volume->name));
}

int vdisk_volume_next(struct vdisk *disk, uint64_t after, struct vdisk_volume *volume)
{
	struct volume_disk record;
	TRY(volume_next(disk, after, &record));
	describe(&record, volume);
	return VDISK_OK;
}

int vdisk_volume_find(struct vdisk *disk, const char *name, struct vdisk_volume *volume)
{
	struct volume_disk record;
	TRY(volume_find(disk, name, &record));
	describe(&record, volume);
	return VDISK_OK;
}

/* What changes the catalogue begins and ends with a checkpoint, so that roots are sealed and the log has
 * nothing in it. */
static int begin(struct vdisk *disk)
{
	TRY(begin_change(disk));
	TRY(checkpoint(disk));
	return space_reserve_growth(disk, 16);
}

/* A new record NAME with the map of FROM. */
static int copy_volume(struct vdisk *disk, const struct volume_disk *from, const char *name, uint32_t flags)
{
	struct volume_disk record = *from;
	record.number = disk->next_volume++;
	record.parent = from->number;
	record.flags = flags;
	record.created_ns = disk->now_ns ? disk->now_ns() : 0;
	memset(record.name, 0, sizeof(record.name));
	memcpy(record.name, name, strnlen(name, VDISK_NAME_MAX));
	if (disk->random(record.id, sizeof(record.id)) < 0)
		return VDISK_IO;
	if (record.map.height)
		TRY(space_add(disk, record.map.root.place & PLACE_MASK));
	TRY(volume_put(disk, &record));
	rekey_recheck(disk);
	return checkpoint(disk);
}

int vdisk_snapshot(struct vdisk *disk, const char *name)
{
	struct volume_disk open;
	TRY(volume_check_name(disk, name));
	TRY(begin(disk));
	open = disk->volume;
	tree_store(&disk->map, &open.map);
	return mark_broken(disk, copy_volume(disk, &open, name, VOLUME_READ_ONLY));
}

int vdisk_clone(struct vdisk *disk, const char *from, const char *name)
{
	struct volume_disk record;
	TRY(volume_check_name(disk, name));
	TRY(begin(disk));
	TRY(volume_find(disk, from, &record));
	TRY(cipher_reseed(disk));
	return mark_broken(disk, copy_volume(disk, &record, name, 0));
}

/* Drops up to *BUDGET blocks or subtrees from the end of a map. */
static int release_some(struct vdisk *disk, struct tree *tree, size_t *budget)
{
	while (tree->height && *budget) {
		struct node *path[TREE_HEIGHT_MAX];
		struct entry *reference = &tree->root;
		unsigned level = tree->height;
		unsigned count;
		TRY(space_count(disk, reference->place & PLACE_MASK, &count));
		--*budget;
		if (count > 1) {
			TRY(space_drop(disk, reference->place & PLACE_MASK));
			tree->height = 0;
			tree->root = (struct entry){0};
			return VDISK_OK;
		}
		while (level-- > 0) {
			TRY(node_get(disk, tree, reference, level, &path[level]));
			TRY(node_shadow(disk, tree, reference, &path[level]));
			struct node_disk *node = &path[level]->disk;
			reference = &node->entries[node->count - 1];
			TRY(space_count(disk, reference->place & PLACE_MASK, &count));
			if (!level || count > 1) {
				TRY(space_drop(disk, reference->place & PLACE_MASK));
				memset(reference, 0, sizeof(*reference));
				node->count--;
				break;
			}
		}
		for (; level < tree->height && !path[level]->disk.count; level++) {
			TRY(node_drop(disk, path[level]));
			if (level + 1u == tree->height) {
				tree->height = 0;
				tree->root = (struct entry){0};
				break;
			}
			struct node_disk *parent = &path[level + 1]->disk;
			memset(&parent->entries[--parent->count], 0, sizeof(struct entry));
		}
	}
	return VDISK_OK;
}

/* Some of a volume's blocks go, or, where there are none, its record. */
static int delete_some(struct vdisk *disk, struct volume_disk *record, size_t budget)
{
	struct tree map;
	size_t removed;
	map_init(&map);
	TRY(tree_load(&map, &record->map));
	if (map.height) {
		TRY(release_some(disk, &map, &budget));
		/* The root must be sealed before the record can name it. */
		TRY(node_write_tree(disk, &map));
		tree_store(&map, &record->map);
		TRY(volume_put(disk, record));
	} else {
		TRY(tree_remove(disk, &disk->catalogue, record->number, record->number, &removed));
		disk->changed = true;
	}
	return checkpoint(disk);
}

int vdisk_delete_step(struct vdisk *disk, unsigned most)
{
	struct volume_disk record = {.number = 0};
	do {
		int status = volume_next(disk, record.number, &record);
		if (status < 0)
			return status == VDISK_NOT_FOUND ? VDISK_OK : status;
	} while (!(record.flags & VOLUME_DELETING));
	TRY(begin_change(disk));
	TRY(checkpoint(disk));
	TRY(mark_broken(disk, delete_some(disk, &record, most ? most : 1)));
	return 1;
}

static int delete_leftovers(struct vdisk *disk)
{
	int status;
	while ((status = vdisk_delete_step(disk, DELETE_STEP)) > 0)
		;
	return status;
}

int vdisk_volume_delete_begin(struct vdisk *disk, const char *name)
{
	struct volume_disk record;
	/* Without asking for room: it is how one gets some. */
	TRY(begin_change(disk));
	TRY(checkpoint(disk));
	TRY(volume_find(disk, name, &record));
	if (record.number == disk->volume.number || record.number == 1)
		return VDISK_BUSY;
	record.flags |= VOLUME_DELETING;
	TRY(mark_broken(disk, volume_put(disk, &record)));
	return checkpoint(disk);
}

int vdisk_volume_delete(struct vdisk *disk, const char *name)
{
	TRY(vdisk_volume_delete_begin(disk, name));
	return delete_leftovers(disk);
}

int vdisk_rollback_begin(struct vdisk *disk, const char *from)
{
	struct volume_disk snapshot;
	struct volume_disk old;
	TRY(begin(disk));
	TRY(volume_find(disk, from, &snapshot));
	if (snapshot.number == disk->volume.number || !(snapshot.flags & VOLUME_READ_ONLY))
		return VDISK_RANGE;
	/* The map of today moves to a record that is deleted afterwards; both changes are one commit. */
	old = disk->volume;
	tree_store(&disk->map, &old.map);
	old.number = disk->next_volume++;
	old.flags = VOLUME_DELETING;
	TRY(mark_broken(disk, volume_put(disk, &old)));
	if (snapshot.map.height)
		TRY(mark_broken(disk, space_add(disk, snapshot.map.root.place & PLACE_MASK)));
	TRY(tree_load(&disk->map, &snapshot.map));
	disk->volume.blocks = snapshot.blocks;
	disk->volume.mapped = snapshot.mapped;
	disk->volume.flags &= ~VOLUME_RECEIVING;
	disk->changed = true;
	rekey_recheck(disk);
	return checkpoint(disk);
}

int vdisk_rollback(struct vdisk *disk, const char *from)
{
	TRY(vdisk_rollback_begin(disk, from));
	return delete_leftovers(disk);
}
