/*
 * Rekeying: a new master key, a new volume key, and every block sealed anew, so that who copied the old keys can
 * open nothing of what the device holds afterwards. It goes step by step, each a commit; a step that was cut off
 * goes on after the next opening, and the container can be used in between.
 *
 *   1. The header gets slots for the new master key alone, and the old master key sealed under the new one: the
 *      superblocks still need it.
 *   2. A checkpoint seals the superblocks under the new master key, draws a new volume key and keeps the old one. A
 *      bit of each entry's place says which of the two its block is sealed under (KEY_BIT).
 *   3. Blocks of the maps, records of volumes, then pages of counts, are written again, which seals all nodes above
 *      them anew.
 *   4. When a walk over all finds nothing that needs the old volume key, a checkpoint forgets it; then the header
 *      forgets the old master key. Where something is found, step 3 begins again.
 *
 * Volumes share blocks and leaves of maps. A window of WINDOW blocks is done in each volume before the next one, and
 * what became of a shared block or leaf is remembered for the other volumes, so that it stays shared. That is in
 * memory alone: what a window shares is written once for each volume where steps were cut off in it. Inner nodes
 * (a 7,000th of the blocks) are each volume's own afterwards.
 */
#include <sodium.h>
#include "internal.h"

#define WINDOW      512u  /* blocks */
#define MOVED_MAX   8192u /* more are not remembered: then they are shared no more */
#define MOVED_HEADS 2048u
#define ALL_WINDOWS (UINT64_C(1) << 62)

/* A block or leaf at FROM that others refer to, too: its contents are at TO now. */
struct moved {
	uint64_t from; /* 0: forgotten */
	struct entry to;
	uint64_t last; /* no volume refers to it for a block behind this one */
	uint32_t next_from, next_to;
};

struct rekey {
	uint32_t count;
	uint32_t by_from[MOVED_HEADS], by_to[MOVED_HEADS]; /* 1 and more: an index, plus one */
	struct moved moved[MOVED_MAX];
	/* The walk of step 4, as far as it came. */
	enum { VERIFY_VOLUMES, VERIFY_CATALOGUE, VERIFY_COUNTS, VERIFIED } verified;
	uint64_t volume, next;
	uint8_t data[STAGE_BLOCKS * VDISK_BLOCK];
};

bool rekey_is_old(const struct vdisk *disk, const struct entry *entry)
{
	return disk->rekeying && !(entry->place & KEY_BIT) != !disk->key_number;
}

/* ---- What became of shared blocks ---- */

static uint32_t *head(uint32_t heads[MOVED_HEADS], uint64_t place)
{
	return &heads[(place * 0x9e3779b97f4a7c15ull >> 40) % MOVED_HEADS];
}

static void link_moved(struct rekey *rekey, uint32_t at)
{
	struct moved *moved = &rekey->moved[at];
	uint32_t *from = head(rekey->by_from, moved->from);
	uint32_t *to = head(rekey->by_to, moved->to.place & PLACE_MASK);
	moved->next_from = *from;
	moved->next_to = *to;
	*from = *to = at + 1;
}

static void remember(struct rekey *rekey, uint64_t from, const struct entry *to, uint64_t last)
{
	if (rekey->count == MOVED_MAX)
		return;
	rekey->moved[rekey->count] = (struct moved){.from = from, .to = *to, .last = last};
	link_moved(rekey, rekey->count++);
}

void rekey_forget(struct vdisk *disk, uint64_t place)
{
	struct rekey *rekey = disk->rekey;
	if (!rekey || !rekey->count || SEEDED(BUG_REKEY_TAKES_REUSED))
		return;
	for (uint32_t at = *head(rekey->by_to, place); at; at = rekey->moved[at - 1].next_to)
		if ((rekey->moved[at - 1].to.place & PLACE_MASK) == place)
			rekey->moved[at - 1].from = 0;
	for (uint32_t at = *head(rekey->by_from, place); at; at = rekey->moved[at - 1].next_from)
		if (rekey->moved[at - 1].from == place)
			rekey->moved[at - 1].from = 0;
}

/* What is for no block from FIRST on is forgotten. */
static void forget_before(struct rekey *rekey, uint64_t first)
{
	uint32_t kept = 0;
	memset(rekey->by_from, 0, sizeof(rekey->by_from));
	memset(rekey->by_to, 0, sizeof(rekey->by_to));
	for (uint32_t i = 0; i < rekey->count; i++) {
		if (!rekey->moved[i].from || rekey->moved[i].last < first)
			continue;
		rekey->moved[kept] = rekey->moved[i];
		link_moved(rekey, kept++);
	}
	sodium_memzero(&rekey->moved[kept], (rekey->count - kept) * sizeof(rekey->moved[0]));
	rekey->count = kept;
}

/* Where what is at PLACE has gone, if it is still there; else NULL. */
static const struct entry *find_moved(struct vdisk *disk, uint64_t place)
{
	struct rekey *rekey = disk->rekey;
	for (uint32_t at = *head(rekey->by_from, place); at; at = rekey->moved[at - 1].next_from) {
		const struct moved *moved = &rekey->moved[at - 1];
		unsigned count;
		if (moved->from == place &&
		    (space_count(disk, moved->to.place & PLACE_MASK, &count) == VDISK_OK ||
		     SEEDED(BUG_REKEY_TAKES_REUSED)))
			return &moved->to;
	}
	return NULL;
}

static int need_memory(struct vdisk *disk)
{
	if (!disk->rekey)
		disk->rekey = calloc(1, sizeof(*disk->rekey));
	return disk->rekey ? VDISK_OK : VDISK_NO_MEMORY;
}

void rekey_recheck(struct vdisk *disk)
{
	if (disk->rekey)
		disk->rekey->verified = disk->rekey->volume = disk->rekey->next = 0;
}

void rekey_end(struct vdisk *disk)
{
	if (disk->rekey)
		sodium_memzero(disk->rekey, sizeof(*disk->rekey));
	free(disk->rekey);
	disk->rekey = NULL;
}

/* ---- Begin ---- */

static void from_the_beginning(struct vdisk *disk)
{
	disk->rekey_next = disk->rekey_page = disk->rekey_volume = 0;
	rekey_recheck(disk);
}

static int draw_key(struct vdisk *disk)
{
	unsigned next = !disk->key_number;
	if (disk->random(disk->volume_keys[next], VDISK_KEY_SIZE) < 0)
		return VDISK_IO;
	disk->key_number = next;
	disk->rekeying = true;
	disk->rekeyed = false;
	from_the_beginning(disk);
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

/* ---- Blocks ---- */

/* How far a step goes. */
struct step {
	uint64_t left; /* blocks, about */
	bool any;      /* something was written */
	bool full;     /* there is no room for more, before a commit at least */
};

/* What a leaf has for OLD, in NEW: a reference to each block under the new key. SHARED: other volumes have the leaf, too. */
static int renew_entries(struct vdisk *disk, const struct entry *old, struct entry *new, size_t count,
                         bool shared)
{
	struct rekey *rekey = disk->rekey;
	for (size_t i = 0, run; i < count; i += run) {
		const struct entry *to =
		    rekey_is_old(disk, &old[i]) ? find_moved(disk, old[i].place & PLACE_MASK) : &old[i];
		run = 1;
		if (to) {
			new[i] = *to;
			TRY(space_add(disk, to->place & PLACE_MASK));
			continue;
		}
		while (i + run < count && run < STAGE_BLOCKS && rekey_is_old(disk, &old[i + run]) &&
		       !find_moved(disk, old[i + run].place & PLACE_MASK))
			run++;
		TRY(read_entries(disk, old + i, run, rekey->data));
		memcpy(new + i, old + i, run * sizeof(*new));
		TRY(write_entries(disk, new + i, run, rekey->data));
		for (size_t at = i; at < i + run; at++) {
			unsigned references;
			TRY(space_count(disk, old[at].place & PLACE_MASK, &references));
			if (shared || references > 1)
				remember(rekey, old[at].place & PLACE_MASK, &new[at], old[at].key);
		}
	}
	return VDISK_OK;
}

/* The shared leaf at LEAF, whose contents are NODE, gets a twin under the new key in this map. */
static int renew_shared_leaf(struct vdisk *disk, struct tree *map, const struct leaf *leaf,
                             const struct node_disk *node)
{
	struct node *twin;
	struct entry reference = {0};
	const struct entry *last = &node->entries[node->count - 1];
	TRY(node_create(disk, 0, &twin));
	TRY(renew_entries(disk, node->entries, twin->disk.entries, node->count, true));
	twin->disk.count = node->count;
	reference.place = twin->place;
	/* Sealed at once: a node that is only in memory has one reference. */
	TRY(node_write(disk, map, &reference, 0));
	TRY(tree_leaf_replace(disk, map, node->entries[0].key, &reference));
	remember(disk->rekey, leaf->reference.place & PLACE_MASK, &reference, last->key);
	return space_drop(disk, leaf->reference.place & PLACE_MASK);
}

/* The leaf's twin takes its place; NODE is what the leaf has. */
static int take_twin(struct vdisk *disk, struct tree *map, const struct leaf *leaf,
                     const struct node_disk *node, const struct entry *twin)
{
	uint64_t place = leaf->reference.place & PLACE_MASK;
	struct entry reference = *twin;
	unsigned references;
	TRY(space_add(disk, reference.place & PLACE_MASK));
	TRY(tree_leaf_replace(disk, map, node->entries[0].key, &reference));
	TRY(space_count(disk, place, &references));
	for (unsigned i = 0; references == 1 && i < node->count;
	     i++) /* it goes, and with it what it refers to */
		TRY(space_drop(disk, node->entries[i].place & PLACE_MASK));
	return space_drop(disk, place);
}

/* Some old blocks of a leaf that this map alone has, from the FIRST on. */
static int renew_own_leaf(struct vdisk *disk, struct tree *map, const struct entry *first, size_t count)
{
	struct entry new[STAGE_BLOCKS];
	struct entry before;
	TRY(renew_entries(disk, first, new, count, false));
	for (size_t i = 0; i < count; i++) {
		TRY(tree_set(disk, map, &new[i], &before));
		TRY(space_drop(disk, first[i].place & PLACE_MASK));
	}
	return VDISK_OK;
}

/* Blocks KEY to LAST of a map, as far as one leaf has them; *NEXT is behind what was done. */
static int renew_leaf(struct vdisk *disk, struct tree *map, uint64_t key, uint64_t last, struct step *step,
                      uint64_t *next)
{
	struct leaf leaf;
	struct node *node;
	struct node_disk copy;
	unsigned old = 0;
	TRY(tree_leaf(disk, map, key, &leaf));
	TRY(node_get(disk, map, &leaf.reference, 0, &node));
	copy = node->disk;
	unsigned first = copy.count;
	unsigned behind = 0; /* of the old ones that are wanted */
	for (unsigned i = 0; i < copy.count; i++) {
		if (!rekey_is_old(disk, &copy.entries[i]))
			continue;
		old++;
		if (copy.entries[i].key < key || copy.entries[i].key > last)
			continue;
		first = first < i ? first : i;
		behind = i + 1;
	}
	const struct entry *twin = find_moved(disk, leaf.reference.place & PLACE_MASK);
	*next = leaf.end;
	step->left--;
	if (!twin && (leaf.shared ? !old : first == copy.count))
		return VDISK_OK;
	uint64_t copied = leaf.shared ? NODE_ENTRIES * (uint64_t)map->height
	                              : 0; /* counts of shared inner nodes' entries */
	if (space_reserve(disk, old + copied + 2u * map->height + 4) < 0) {
		step->full = true;
		*next = key;
		return VDISK_OK;
	}
	step->any = true;
	if (twin)
		return take_twin(disk, map, &leaf, &copy, twin);
	unsigned most = step->left < STAGE_BLOCKS ? (unsigned)step->left + 1 : STAGE_BLOCKS;
	step->left -= step->left < old ? step->left : old;
	if (leaf.shared)
		return renew_shared_leaf(disk, map, &leaf, &copy);
	unsigned count = 0; /* a run of old ones */
	while (first + count < behind && count < most && rekey_is_old(disk, &copy.entries[first + count]))
		count++;
	if (first + count < behind)
		*next = copy.entries[first + count].key;
	return renew_own_leaf(disk, map, copy.entries + first, count);
}

/* The part of a window that a volume has, from rekey_next on. */
static int renew_window(struct vdisk *disk, struct tree *map, uint64_t last, struct step *step)
{
	while (disk->rekey_next <= last && step->left && !step->full) {
		struct entry entry;
		size_t found;
		uint64_t next;
		node_trim(disk);
		TRY(tree_range(disk, map, disk->rekey_next, last, &entry, 1, &found));
		if (!found)
			disk->rekey_next = last + 1;
		if (!found)
			break;
		TRY(renew_leaf(disk, map, entry.key, last, step, &next));
		disk->rekey_next = next <= last ? next : last + 1;
		if (step->any && vdisk_wants_commit(disk))
			step->left = 0;
	}
	return VDISK_OK;
}

static int renew_volume(struct vdisk *disk, struct volume_disk *record, uint64_t last, struct step *step)
{
	struct step here = {.left = step->left};
	struct tree map;
	bool open = record->number == disk->volume.number;
	map_init(&map);
	if (!open)
		TRY(tree_load(&map, &record->map));
	TRY(renew_window(disk, open ? &disk->map : &map, last, &here));
	step->left = here.left;
	step->full = here.full;
	step->any = step->any || here.any;
	if (open || !here.any)
		return VDISK_OK;
	TRY(node_write_tree(disk, &map)); /* the record names a sealed root */
	tree_store(&map, &record->map);
	return volume_put(disk, record);
}

/* The first window from FIRST on in which a volume has something. */
static int find_window(struct vdisk *disk, uint64_t first, uint64_t *window)
{
	struct volume_disk record;
	int status;
	*window = ALL_WINDOWS;
	for (uint64_t number = 0; (status = volume_next(disk, number, &record)) == VDISK_OK;
	     number = record.number) {
		struct tree map;
		struct entry entry;
		size_t found;
		map_init(&map);
		TRY(tree_load(&map, &record.map));
		TRY(tree_range(disk, &map, first, UINT64_MAX, &entry, 1, &found));
		if (found && entry.key < *window)
			*window = entry.key - entry.key % WINDOW;
		node_trim(disk);
	}
	return status == VDISK_NOT_FOUND ? VDISK_OK : status;
}

static int renew_blocks(struct vdisk *disk, struct step *step)
{
	struct volume_disk record;
	while (step->left && !step->full && disk->rekey_next < ALL_WINDOWS) {
		uint64_t window = disk->rekey_next - disk->rekey_next % WINDOW;
		uint64_t last = window + WINDOW - 1;
		int status = volume_next(disk, disk->rekey_volume ? disk->rekey_volume - 1 : 0, &record);
		if (status == VDISK_NOT_FOUND) {
			TRY(find_window(disk, window + WINDOW, &disk->rekey_next));
			disk->rekey_volume = 0;
			forget_before(disk->rekey, disk->rekey_next);
			step->left--;
			continue;
		}
		TRY(status);
		if (record.number != disk->rekey_volume) {
			disk->rekey_volume = record.number;
			disk->rekey_next = window;
		}
		if (!SEEDED(BUG_REKEY_FORGETS_BLOCKS) &&
		    !(SEEDED(BUG_REKEY_FORGETS_SNAPSHOTS) && record.number != disk->volume.number))
			TRY(renew_volume(disk, &record, last, step));
		else
			disk->rekey_next = last + 1;
		if (disk->rekey_next <= last)
			continue;
		disk->rekey_next = window;
		disk->rekey_volume = record.number + 1;
		step->left -= step->left != 0;
	}
	return VDISK_OK;
}

/* ---- Records of volumes, pages of counts ---- */

static int renew_records(struct vdisk *disk, struct step *step)
{
	struct volume_disk record = {.number = 0};
	while (step->left) {
		struct entry entry;
		int status = volume_next(disk, record.number, &record);
		if (status == VDISK_NOT_FOUND)
			break;
		TRY(status);
		TRY(tree_find(disk, &disk->catalogue, record.number, &entry));
		if (record.number == disk->volume.number || !rekey_is_old(disk, &entry))
			continue;
		if (space_reserve(disk, 4) < 0) {
			step->full = true;
			return VDISK_OK;
		}
		TRY(volume_put(disk, &record));
		step->any = true;
		step->left--;
	}
	return VDISK_OK;
}

static int renew_pages(struct vdisk *disk, struct step *step)
{
	struct entry entries[STAGE_BLOCKS];
	size_t found;
	size_t want = step->left < STAGE_BLOCKS ? step->left : STAGE_BLOCKS;
	TRY(tree_range(disk, &disk->counts, disk->rekey_page, UINT64_MAX, entries, want, &found));
	for (size_t i = 0; i < found; i++)
		TRY(space_touch(disk, entries[i].key));
	if (found)
		disk->rekey_page = entries[found - 1].key + 1;
	step->any = found != 0;
	return VDISK_OK;
}

/* ---- The walk over all ---- */

/* TREE from rekey->next on: 1 where there is more, 0 at its end. *OLD: something needs the old key. */
static int verify_tree(struct vdisk *disk, const struct tree *tree, struct step *step, bool *old)
{
	struct rekey *rekey = disk->rekey;
	while (tree->height && !*old && rekey->next != UINT64_MAX) {
		struct leaf leaf;
		struct node *node;
		if (!step->left)
			return 1;
		step->left--;
		node_trim(disk);
		TRY(tree_leaf(disk, tree, rekey->next, &leaf));
		TRY(node_get(disk, tree, &leaf.reference, 0, &node));
		*old = leaf.old;
		for (unsigned i = 0; i < node->disk.count; i++)
			*old = *old || rekey_is_old(disk, &node->disk.entries[i]);
		rekey->next = leaf.end;
	}
	rekey->next = 0;
	return 0;
}

static int verify_volume(struct vdisk *disk, struct step *step, bool *old)
{
	struct rekey *rekey = disk->rekey;
	struct volume_disk record;
	struct tree map;
	int status = volume_next(disk, rekey->volume ? rekey->volume - 1 : 0, &record);
	if (status == VDISK_NOT_FOUND) {
		rekey->verified = VERIFY_CATALOGUE;
		rekey->next = 0;
		return VDISK_OK;
	}
	TRY(status);
	if (record.number != rekey->volume) /* the next, or the one before is gone */
		rekey->next = 0;
	rekey->volume = record.number;
	map_init(&map);
	TRY(tree_load(&map, &record.map));
	step->left -= step->left != 0;
	if (!(SEEDED(BUG_REKEY_FORGETS_SNAPSHOTS) && record.number != disk->volume.number))
		status = verify_tree(disk, &map, step, old);
	TRY(status);
	if (!status)
		rekey->volume = record.number + 1;
	return VDISK_OK;
}

static int verify(struct vdisk *disk, struct step *step, bool *old)
{
	struct rekey *rekey = disk->rekey;
	while (rekey->verified != VERIFIED && step->left && !*old) {
		if (rekey->verified == VERIFY_VOLUMES) {
			TRY(verify_volume(disk, step, old));
			continue;
		}
		bool catalogue = rekey->verified == VERIFY_CATALOGUE;
		int more = verify_tree(disk, catalogue ? &disk->catalogue : &disk->counts, step, old);
		TRY(more);
		if (!more)
			rekey->verified = catalogue ? VERIFY_COUNTS : VERIFIED;
	}
	return VDISK_OK;
}

/* Some of the walk; at its end the old volume key goes. */
static int finish(struct vdisk *disk, struct step *step)
{
	bool old = false;
	TRY(vdisk_commit(disk)); /* what is not written is not sealed at all */
	if (!SEEDED(BUG_REKEY_FORGETS_BLOCKS)) {
		TRY(verify(disk, step, &old));
		if (old)
			from_the_beginning(disk);
		if (old || disk->rekey->verified != VERIFIED)
			return VDISK_OK;
	}
	memcpy(disk->volume_keys[!disk->key_number], disk->volume_keys[disk->key_number], VDISK_KEY_SIZE);
	disk->rekeying = false;
	disk->rekeyed = true;
	disk->must_checkpoint = true;
	rekey_end(disk);
	return mark_broken(disk, vdisk_commit(disk));
}

/* ---- Steps ---- */

static int renew(struct vdisk *disk, struct step *step)
{
	TRY(mark_broken(disk, renew_blocks(disk, step)));
	if (disk->rekey_next < ALL_WINDOWS || step->any)
		return VDISK_OK;
	TRY(mark_broken(disk, renew_records(disk, step)));
	return step->any || step->full ? VDISK_OK : renew_pages(disk, step);
}

int vdisk_rekey_step(struct vdisk *disk, unsigned most)
{
	struct step step = {.left = most ? most : 1};
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
	TRY(need_memory(disk));
	int status = vdisk_delete_step(disk, most); /* what goes needs no new keys */
	if (status)
		return status;
	TRY(renew(disk, &step));
	if (step.full && !step.any && !disk->pinned)
		return VDISK_NO_SPACE;
	if (disk->rekey_next >= ALL_WINDOWS && !step.any && !step.full) {
		TRY(finish(disk, &step));
		return 1;
	}
	disk->changed = true; /* how far it came */
	TRY(vdisk_commit(disk));
	return 1;
}

void vdisk_rekey_progress(const struct vdisk *disk, uint64_t *done, uint64_t *total)
{
	*total = disk->volume.blocks;
	*done = disk->rekeyed || disk->rekey_next > *total ? *total : disk->rekey_next;
}
