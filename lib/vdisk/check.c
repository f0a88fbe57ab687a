/*
 * Check and scrub: one walk over everything that the superblock reaches, counting references, and a
 * comparison with the counts on disk. A subtree that several maps share is walked once. Scrub also reads
 * every block on every leg.
 */
#include <stdarg.h>
#include <stdio.h>
#include "internal.h"

struct check {
	struct vdisk *disk;
	struct vdisk_report *report;
	uint16_t *counts;
	bool data, all_legs;
	char where[VDISK_NAME_MAX + 32];
};

void report_finding(struct vdisk_report *report, const char *format, ...)
{
	char text[256];
	va_list arguments;
	if (!report->finding)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	report->finding(report->context, text);
}

void block_is_lost(struct vdisk_report *report, const char *where, const struct entry *entry)
{
	report->damaged++;
	report_finding(report, "%s: block %llu (at %llu) is lost: no leg has it undamaged", where,
	               (unsigned long long)entry->key, (unsigned long long)(entry->place & PLACE_MASK));
}

void node_is_lost(struct vdisk_report *report, const char *where, const struct entry *entry, uint64_t first,
                  uint64_t last)
{
	report->damaged++;
	char end[32];
	snprintf(end, sizeof(end), last == UINT64_MAX ? "the end" : "%llu", (unsigned long long)last);
	report_finding(report, "%s: the map node at %llu is lost, and with it blocks %llu to %s", where,
	               (unsigned long long)(entry->place & PLACE_MASK), (unsigned long long)first, end);
}

bool place_is_sane(const struct vdisk *disk, uint64_t place)
{
	return place >= FIRST_FREE_BLOCK && place < disk->end;
}

static bool count_reference(struct check *check, uint64_t place)
{
	if (!place_is_sane(check->disk, place)) {
		report_finding(check->report, "%s: a reference to block %llu, where nothing can be",
		               check->where, (unsigned long long)place);
		check->report->damaged++;
		return false;
	}
	if (check->counts[place] < UINT16_MAX)
		check->counts[place]++;
	return check->counts[place] == 1;
}

int open_everywhere(struct vdisk *disk, struct vdisk_report *report, const char *where,
                    const struct entry *entry, enum block_kind kind, uint64_t key, void *out)
{
	uint8_t sealed[VDISK_BLOCK];
	uint8_t good[VDISK_BLOCK];
	uint64_t place = entry->place & PLACE_MASK;
	unsigned bad = 0;
	bool have = false;
	bool opened = false; /* the last that was tried: OUT has it */
	for (unsigned i = 0; i < disk->leg_count; i++) {
		if (disk->legs[i].failed)
			continue;
		opened = leg_read(disk, i, place, sealed, 1) == VDISK_OK &&
		         cipher_open(disk, entry, kind, key, sealed, out);
		if (opened) {
			memcpy(good, sealed, sizeof(good));
			have = true;
		} else {
			bad |= 1u << i;
		}
	}
	if (!have)
		return VDISK_DAMAGED;
	for (unsigned i = 0; i < disk->leg_count; i++) {
		const struct vdisk_backend *backend = &disk->legs[i].backend;
		if (!(bad >> i & 1))
			continue;
		report_finding(report, "%s: block %llu was damaged on leg %u%s", where,
		               (unsigned long long)place, i + 1, disk->read_only ? "" : " and is repaired");
		if (disk->read_only)
			continue;
		if (backend->write(backend->context, place * VDISK_BLOCK, good, VDISK_BLOCK) < 0) {
			disk->legs[i].failed = true; /* and the block is good elsewhere */
			continue;
		}
		report->healed++;
		disk->healed++;
	}
	return opened || cipher_open(disk, entry, kind, key, good, out) ? VDISK_OK : VDISK_DAMAGED;
}

static int check_block(struct check *check, const struct entry *entry, enum block_kind kind, uint64_t key,
                       void *out)
{
	int status = check->all_legs
	                 ? open_everywhere(check->disk, check->report, check->where, entry, kind, key, out)
	                 : legs_open(check->disk, entry, kind, key, out);
	if (check->report->progress && ((check->report->nodes + check->report->data_blocks) & 1023) == 0)
		check->report->progress(check->report->context,
		                        check->report->nodes + check->report->data_blocks, check->disk->used);
	return status;
}

static void check_leaf_block(struct check *check, const struct tree *tree, const struct entry *entry)
{
	uint8_t block[VDISK_BLOCK];
	bool map = tree->data_kind == KIND_DATA;
	if (!count_reference(check, entry->place & PLACE_MASK) || (map && !check->data && !check->all_legs))
		return;
	/* The record of the open volume and dirty pages are written at the checkpoint, which was made before.
	 */
	if (check_block(check, entry, tree->data_kind, entry->key, block) < 0)
		block_is_lost(check->report, check->where, entry);
	else
		check->report->data_blocks++;
}

static void check_node(struct check *check, const struct tree *tree, const struct entry *entry,
                       unsigned level, uint64_t first, uint64_t last)
{
	struct node *node = NULL;
	struct node_disk *copy;
	if (!count_reference(check, entry->place & PLACE_MASK))
		return;
	copy = malloc(sizeof(*copy));
	int status = copy ? VDISK_OK : VDISK_NO_MEMORY;
	node_trim(check->disk);
	if (status == VDISK_OK && check->all_legs)
		status = check_block(check, entry, tree->node_kind, level, copy);
	if (status == VDISK_OK)
		status = node_get(check->disk, tree, entry, level, &node);
	if (status < 0 || !node) {
		node_is_lost(check->report, check->where, entry, first, last);
		free(copy);
		return;
	}
	check->report->nodes++;
	*copy = node->disk; /* the cache may drop the node below */
	for (unsigned i = 0; i < copy->count; i++) {
		uint64_t key = copy->entries[i].key;
		if (key > last || (i && key < first)) {
			check->report->damaged++;
			report_finding(
			    check->report, "%s: the map node at %llu has key %llu outside %llu to %llu",
			    check->where, (unsigned long long)(entry->place & PLACE_MASK),
			    (unsigned long long)key, (unsigned long long)first, (unsigned long long)last);
		} else if (!level) {
			check_leaf_block(check, tree, &copy->entries[i]);
		} else {
			check_node(check, tree, &copy->entries[i], level - 1, key,
			           i + 1 < copy->count ? copy->entries[i + 1].key - 1 : last);
		}
	}
	memset(copy, 0, sizeof(*copy));
	free(copy);
}

static void check_tree(struct check *check, const struct tree *tree, const char *where)
{
	snprintf(check->where, sizeof(check->where), "%s", where);
	if (tree->height)
		check_node(check, tree, &tree->root, tree->height - 1u, 0, UINT64_MAX);
}

static int compare(struct check *check, bool repair)
{
	struct vdisk *disk = check->disk;
	uint64_t end = disk->end;
	for (uint64_t place = 0; place < end; place++) {
		unsigned count = 0;
		int status = space_count(disk, place, &count);
		if (status < 0 && count)
			return status;
		if (status == VDISK_IO)
			return status;
		if (place % COUNTS_PER_PAGE == 0)
			space_trim(disk);
		if (count == check->counts[place])
			continue;
		if (count > check->counts[place])
			check->report->leaked++;
		else
			check->report->missing++;
		if (repair) {
			TRY(space_set(disk, place, check->counts[place]));
			check->report->repaired++;
			disk->changed = true;
		}
	}
	if (check->report->leaked)
		report_finding(check->report, "%llu blocks are counted as used and are not%s",
		               (unsigned long long)check->report->leaked, repair ? ": given back" : "");
	if (check->report->missing)
		report_finding(check->report, "%llu blocks are used more often than counted%s",
		               (unsigned long long)check->report->missing, repair ? ": counted" : "");
	return VDISK_OK;
}

static int walk_volumes(struct check *check)
{
	struct volume_disk record;
	int status;
	for (uint64_t number = 0; (status = volume_next(check->disk, number, &record)) == VDISK_OK;
	     number = record.number) {
		struct tree map;
		char where[VDISK_NAME_MAX + 16];
		map_init(&map);
		snprintf(where, sizeof(where), "volume '%s'", record.name);
		if (tree_load(&map, &record.map) < 0) {
			check->report->damaged++;
			report_finding(check->report, "%s: its record makes no sense", where);
			continue;
		}
		check_tree(check, &map, where);
	}
	if (status != VDISK_NOT_FOUND) {
		check->report->damaged++;
		report_finding(check->report, "the catalogue of volumes cannot be read to its end: %s",
		               vdisk_status_text(status));
	}
	return VDISK_OK;
}

static int walk_all(struct check *check, bool repair)
{
	struct vdisk *disk = check->disk;
	for (uint64_t place = 0; place < FIRST_FREE_BLOCK; place++)
		check->counts[place] = 1;
	for (size_t i = 0; i < disk->log_count; i++)
		count_reference(check, disk->log_blocks[i]);
	TRY(walk_volumes(check));
	check_tree(check, &disk->catalogue, "catalogue");
	check_tree(check, &disk->counts, "reference counts");
	/* Below a damaged node nothing was counted: then counts are not judged. */
	return check->report->damaged ? VDISK_OK : compare(check, repair);
}

static int run(struct vdisk *disk, bool data, bool all_legs, bool repair, struct vdisk_report *report)
{
	struct check check = {.disk = disk, .report = report, .data = data, .all_legs = all_legs};
	if (!disk->read_only && disk->changed)
		TRY(checkpoint(disk));
	check.counts = calloc(disk->end + 1, sizeof(uint16_t));
	if (!check.counts)
		return VDISK_NO_MEMORY;
	int status = walk_all(&check, repair && !disk->read_only);
	free(check.counts);
	if (status == VDISK_OK && !disk->read_only && report->repaired)
		status = vdisk_commit(disk);
	return status;
}

/* Header and superblock are there twice on every leg. Writing them anew is legs_begin()'s. */
static void check_copies(struct vdisk *disk, bool mends, struct vdisk_report *report)
{
	for (unsigned leg = 0; leg < disk->leg_count; leg++)
		for (unsigned copy = 0; copy < 4; copy++) {
			bool header = copy < 2;
			if (disk->legs[leg].failed || !disk->legs[leg].in_era ||
			    (header ? header_copy_is_good(disk, leg, copy)
			            : super_copy_is_good(disk, leg, copy - 2)))
				continue;
			report->copies++;
			report_finding(report, "%s: copy %u of 2 was damaged on leg %u%s",
			               header ? "header" : "superblock", copy % 2 + 1, leg + 1,
			               mends ? " and is written anew" : "");
		}
}

int vdisk_check(struct vdisk *disk, bool data, bool repair, struct vdisk_report *report)
{
	repair = repair && !disk->read_only;
	check_copies(disk, repair, report);
	if (repair && report->copies) {
		TRY(legs_begin(disk));
		report->repaired += report->copies;
	}
	if (repair)
		TRY(begin_change(disk));
	return run(disk, data, false, repair, report);
}

int vdisk_scrub(struct vdisk *disk, struct vdisk_report *report)
{
	check_copies(disk, !disk->read_only, report);
	TRY(legs_begin(disk));
	report->healed += disk->read_only ? 0 : report->copies;
	TRY(run(disk, true, true, false, report));
	legs_filled(disk);
	return VDISK_OK;
}
