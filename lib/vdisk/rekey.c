/*
 * Rekeying: a new master key, a new volume key, and every block sealed anew, so that who copied the old keys can
 * open nothing of what the device holds afterwards. It goes step by step, each a commit; a step that was cut off
 * goes on after the next opening, and the container can be used in between.
 *
 *   1. The header gets slots for the new master key alone, and the old master key sealed under the new one: the
 *      superblocks still need it.
 *   2. A checkpoint seals the superblocks under the new master key, draws a new volume key and keeps the old one. A
 *      bit of each entry's place says which of the two its block is sealed under (KEY_BIT).
 *   3. Blocks of the map, then pages of counts, are written again, which seals all nodes above them anew.
 *   4. When nothing is left that needs the old volume key, a checkpoint forgets it; then the header forgets the
 *      old master key.
 *
 * A block that snapshots share has several entries, which would all have to change at once: a container with other
 * volumes is refused.
 */
#include <sodium.h>
#include "internal.h"

static bool is_old(const struct vdisk *disk, const struct entry *entry)
{
	return !(entry->place & KEY_BIT) != !disk->key_number;
}

/* ---- Begin ---- */

static int draw_key(struct vdisk *disk)
{
	unsigned next = !disk->key_number;
	if (disk->random(disk->volume_keys[next], VDISK_KEY_SIZE) < 0)
		return VDISK_IO;
	disk->key_number = next;
	disk->rekeying = true;
	disk->rekeyed = false;
	disk->rekey_next = disk->rekey_page = 0;
	disk->must_checkpoint = true;
	return vdisk_commit(disk);
}

int vdisk_rekey_begin(struct vdisk *disk, const enum vdisk_factor factors[2],
                      const struct vdisk_credentials *credentials, const struct vdisk_cost *cost,
                      const char *label, char *words)
{
	TRY(begin_change(disk));
	if (vdisk_is_rekeying(disk))
		return VDISK_BUSY;
	TRY(volume_is_alone(disk));
	TRY(space_reserve(disk, 16));
	/* The superblock must not say that the rekeying which now begins is over. */
	disk->rekeyed = false;
	disk->must_checkpoint = true;
	TRY(vdisk_commit(disk));
	TRY(header_rekey(disk, factors, credentials, cost, label, words));
	return mark_broken(disk, draw_key(disk));
}

bool vdisk_is_rekeying(const struct vdisk *disk)
{
	return disk->rekeying || disk->has_old_master;
}

/* ---- Steps ---- */

/* Writes up to COUNT blocks again, of which the first is at ENTRIES[0]. *DONE: how many. */
static int move_run(struct vdisk *disk, const struct entry *entries, size_t count, size_t *done)
{
	static uint8_t data[STAGE_BLOCKS * VDISK_BLOCK];
	size_t run = 1;
	while (run < count && entries[run].key == entries[0].key + run)
		run++;
	int status = vdisk_read(disk, entries[0].key, run, data);
	if (status == VDISK_OK)
		status = vdisk_write(disk, entries[0].key, run, data);
	sodium_memzero(data, run * VDISK_BLOCK);
	*done = run;
	return status;
}

/* Some blocks of the map from rekey_next on are written again. *ANY: there were some. */
static int move_blocks(struct vdisk *disk, unsigned most, bool *any)
{
	struct entry entries[STAGE_BLOCKS];
	size_t found;
	*any = false;
	if (SEEDED(BUG_REKEY_FORGETS_BLOCKS))
		return VDISK_OK;
	for (size_t seen = 0, moved = 0; seen < most; seen += found) {
		size_t want = most - seen < STAGE_BLOCKS ? most - seen : STAGE_BLOCKS;
		TRY(tree_range(disk, &disk->map, disk->rekey_next, UINT64_MAX, entries, want, &found));
		if (!found)
			break;
		*any = true;
		for (size_t i = 0, run; i < found; i += run) {
			run = 1;
			if (!is_old(disk, &entries[i]))
				continue;
			int status = move_run(disk, entries + i, found - i, &run);
			if (status == VDISK_NO_SPACE && moved) /* the commit gives room back */
				return VDISK_OK;
			TRY(status);
			moved += run;
		}
		disk->rekey_next = entries[found - 1].key + 1;
	}
	return VDISK_OK;
}

static int move_pages(struct vdisk *disk, unsigned most, bool *any)
{
	struct entry entries[STAGE_BLOCKS];
	size_t found;
	size_t want = most < STAGE_BLOCKS ? most : STAGE_BLOCKS;
	TRY(tree_range(disk, &disk->counts, disk->rekey_page, UINT64_MAX, entries, want, &found));
	*any = found != 0;
	for (size_t i = 0; i < found; i++)
		TRY(space_touch(disk, entries[i].key));
	if (found)
		disk->rekey_page = entries[found - 1].key + 1;
	return VDISK_OK;
}

/* Whether anything at or below an entry needs the old key. Recursion is as deep as the tree is high. */
static int needs_old(struct vdisk *disk, const struct tree *tree, const struct entry *entry, unsigned level)
{
	struct node *node;
	struct node_disk *copy;
	int status = VDISK_OK;
	if (is_old(disk, entry))
		return 1;
	TRY(node_get(disk, tree, entry, level, &node));
	copy = malloc(sizeof(*copy)); /* the cache may drop the node below */
	if (!copy)
		return VDISK_NO_MEMORY;
	*copy = node->disk;
	node_trim(disk);
	for (unsigned i = 0; i < copy->count && status == VDISK_OK; i++)
		status = level ? needs_old(disk, tree, &copy->entries[i], level - 1)
		               : is_old(disk, &copy->entries[i]);
	sodium_memzero(copy, sizeof(*copy));
	free(copy);
	return status;
}

static int finish(struct vdisk *disk)
{
	const struct tree *trees[] = {&disk->map, &disk->counts, &disk->catalogue};
	TRY(vdisk_commit(disk)); /* what is not written is not sealed at all */
	for (unsigned i = SEEDED(BUG_REKEY_FORGETS_BLOCKS) ? 3 : 0; i < 3; i++) {
		const struct tree *tree = trees[i];
		int old = tree->height ? needs_old(disk, tree, &tree->root, tree->height - 1u) : 0;
		if (old)
			return old < 0 ? old : VDISK_DAMAGED; /* and the old key stays */
	}
	memcpy(disk->volume_keys[!disk->key_number], disk->volume_keys[disk->key_number], VDISK_KEY_SIZE);
	disk->rekeying = false;
	disk->rekeyed = true;
	disk->must_checkpoint = true;
	return mark_broken(disk, vdisk_commit(disk));
}

int vdisk_rekey_step(struct vdisk *disk, unsigned most)
{
	bool any = false;
	TRY(begin_change(disk));
	if (!vdisk_is_rekeying(disk))
		return 0;
	if (!disk->rekeying && disk->rekeyed) {
		TRY(vdisk_commit(disk));
		TRY(mark_broken(disk, header_rekeyed(disk)));
		return 0;
	}
	if (!disk->rekeying) { /* it was cut off behind its first step */
		TRY(mark_broken(disk, draw_key(disk)));
		return 1;
	}
	TRY(move_blocks(disk, most, &any));
	if (!any)
		TRY(move_pages(disk, most, &any));
	if (!any) {
		TRY(finish(disk));
		return 1;
	}
	disk->changed = true;
	TRY(vdisk_commit(disk));
	return 1;
}

void vdisk_rekey_progress(const struct vdisk *disk, uint64_t *done, uint64_t *total)
{
	*total = disk->volume.blocks;
	*done = disk->rekeyed || disk->rekey_next > *total ? *total : disk->rekey_next;
}
