/*
 * Scrubbing in steps, so that a container can be used meanwhile: each goes down anew from the root of the map (of each volume in turn,
 * then of the catalogue and the counts) to the first key that was not reached yet, and reads some blocks on every leg.
 *
 * Trees change between steps. What was written since the beginning went to every leg and need not be read; what was moved
 * to another key before the walk came there was written, too. Nodes that are changed and only in memory are passed through.
 */
#include <stdio.h>
#include "internal.h"

enum part { VOLUMES, CATALOGUE, COUNTS, OVER };

struct vdisk_scrub {
	enum part part;
	uint64_t volume; /* the number of the one that is walked, in VOLUMES */
	bool within;     /* it has been begun */
	uint64_t next;   /* the first key that was not reached */
	unsigned left;   /* of this step */
	char where[VDISK_NAME_MAX + 16];
	/* A bit for each block that had a place at the beginning: it was read, a node with all that is below it; snapshots share. A block that
	 * is used again loses it. NULL: what is shared is read for each of them. */
	uint64_t seen_blocks;
	uint8_t *seen;
};

int vdisk_scrub_begin(struct vdisk *disk)
{
	vdisk_scrub_end(disk);
	TRY(legs_begin(disk));
	struct vdisk_scrub *scrub = calloc(1, sizeof(*scrub));
	if (!scrub)
		return VDISK_NO_MEMORY;
	scrub->seen_blocks = disk->end;
	scrub->seen = calloc(1, disk->end / 8 + 1);
	disk->scrub = scrub;
	return VDISK_OK;
}

void vdisk_scrub_end(struct vdisk *disk)
{
	if (disk->scrub)
		free(disk->scrub->seen);
	free(disk->scrub);
	disk->scrub = NULL;
}

void scrub_forget(struct vdisk *disk, uint64_t place)
{
	struct vdisk_scrub *scrub = disk->scrub;
	if (scrub && scrub->seen && place < scrub->seen_blocks)
		scrub->seen[place / 8] &= (uint8_t) ~(1u << place % 8);
}

static bool was_seen(const struct vdisk_scrub *scrub, uint64_t place)
{
	return scrub->seen && place < scrub->seen_blocks && scrub->seen[place / 8] >> place % 8 & 1;
}

static void see(struct vdisk_scrub *scrub, uint64_t place)
{
	if (scrub->seen && place < scrub->seen_blocks)
		scrub->seen[place / 8] |= (uint8_t)(1u << place % 8);
}

static void block_check(struct vdisk *disk, const struct tree *tree, const struct entry *entry,
                        struct vdisk_report *report)
{
	struct vdisk_scrub *scrub = disk->scrub;
	uint8_t block[VDISK_BLOCK];
	uint64_t place = entry->place & PLACE_MASK;
	scrub->left--;
	if (place_is_sane(disk, place) && was_seen(scrub, place))
		return;
	if (place_is_sane(disk, place) && open_everywhere(disk, report, scrub->where, entry, tree->data_kind,
	                                                  entry->key, block) == VDISK_OK) {
		report->data_blocks++;
		see(scrub, place);
		return;
	}
	block_is_lost(report, scrub->where, entry);
}

/* The node that ENTRY names, to COPY: from every leg, past the cache, unless it is in memory alone. */
static int node_check(struct vdisk *disk, const struct tree *tree, const struct entry *entry, unsigned level,
                      struct vdisk_report *report, struct node_disk *copy)
{
	struct node *node;
	if (!place_is_sane(disk, entry->place & PLACE_MASK))
		return VDISK_DAMAGED;
	if (!node_is_dirty(disk, entry)) {
		TRY(open_everywhere(disk, report, disk->scrub->where, entry, tree->node_kind, level, copy));
		return node_makes_sense(copy, level) ? VDISK_OK : VDISK_DAMAGED;
	}
	TRY(node_get(disk, tree, entry, level, &node));
	*copy = node->disk;
	return VDISK_OK;
}

/* What is at or below ENTRY, whose keys go up to LAST, from scrub->next on, as far as the step goes: 1 where that is not all. Recursion is as deep as the tree
 * is high. */
static int walk(struct vdisk *disk, const struct tree *tree, const struct entry *entry, unsigned level,
                uint64_t last, struct vdisk_report *report)
{
	struct vdisk_scrub *scrub = disk->scrub;
	uint64_t place = entry->place & PLACE_MASK;
	if (!was_seen(scrub, place)) {
		struct node_disk *copy = malloc(sizeof(*copy));
		int status = copy ? VDISK_OK : VDISK_NO_MEMORY;
		bool lost = copy && node_check(disk, tree, entry, level, report, copy) < 0;
		unsigned count = copy && !lost ? copy->count : 0;
		unsigned i;
		for (i = 0; i < count && status == VDISK_OK && scrub->left; i++) {
			const struct entry *at = &copy->entries[i];
			uint64_t end = i + 1 < count ? copy->entries[i + 1].key - 1 : last;
			if (end < scrub->next || (!level && at->key < scrub->next))
				continue;
			if (level) {
				status = walk(disk, tree, at, level - 1, end, report);
				continue;
			}
			block_check(disk, tree, at, report);
			scrub->next = at->key + (at->key != UINT64_MAX);
		}
		if (copy)
			memset(copy, 0, sizeof(*copy)); /* secrets */
		free(copy);
		if (status != VDISK_OK || i < count)
			return status < 0 ? status : 1;
		if (lost) {
			node_is_lost(report, scrub->where, entry, scrub->next, last);
		} else if (!node_is_dirty(disk, entry)) {
			report->nodes++;
			see(scrub, place);
		}
	}
	scrub->next = last + 1;
	return VDISK_OK;
}

/* The rest of TREE, as far as the step goes: 1 where that is not all. */
static int walk_tree(struct vdisk *disk, const struct tree *tree, struct vdisk_report *report)
{
	int status = tree->height ? walk(disk, tree, &tree->root, tree->height - 1u, UINT64_MAX, report) : 0;
	if (status == VDISK_OK)
		disk->scrub->next = 0;
	return status;
}

static int walk_volume(struct vdisk *disk, struct vdisk_report *report)
{
	struct vdisk_scrub *scrub = disk->scrub;
	struct volume_disk record;
	struct tree map;
	uint64_t after = scrub->within ? scrub->volume - 1 : scrub->volume;
	int status = volume_next(disk, after, &record);
	if (status != VDISK_OK) {
		if (status != VDISK_NOT_FOUND) {
			report->damaged++;
			report_finding(report, "the catalogue of volumes cannot be read to its end: %s",
			               vdisk_status_text(status));
		}
		scrub->part = CATALOGUE;
		scrub->next = 0;
		return VDISK_OK;
	}
	if (!scrub->within || record.number != scrub->volume) /* the next; or it was deleted meanwhile */
		scrub->next = 0;
	scrub->volume = record.number;
	scrub->within = true;
	snprintf(scrub->where, sizeof(scrub->where), "volume '%s'", record.name);
	map_init(&map);
	if (tree_load(&map, &record.map) < 0) {
		report->damaged++;
		report_finding(report, "%s: its record makes no sense", scrub->where);
	} else {
		status = walk_tree(disk, &map, report);
		TRY(status);
	}
	scrub->within = status == 1;
	scrub->left -= scrub->left != 0;
	return VDISK_OK;
}

int vdisk_scrub_step(struct vdisk *disk, unsigned most, struct vdisk_report *report)
{
	struct vdisk_scrub *scrub = disk->scrub;
	if (disk->broken)
		return disk->broken;
	if (!scrub)
		return 0;
	node_trim(disk);
	for (scrub->left = most ? most : 1; scrub->left && scrub->part != OVER;) {
		if (scrub->part == VOLUMES) {
			TRY(walk_volume(disk, report));
			continue;
		}
		bool catalogue = scrub->part == CATALOGUE;
		snprintf(scrub->where, sizeof(scrub->where), catalogue ? "catalogue" : "reference counts");
		int status = walk_tree(disk, catalogue ? &disk->catalogue : &disk->counts, report);
		TRY(status);
		if (status == VDISK_OK)
			scrub->part = catalogue ? COUNTS : OVER;
	}
	if (scrub->part != OVER)
		return 1;
	legs_filled(disk);
	vdisk_scrub_end(disk);
	return 0;
}
