/*
 * Map nodes in memory: a cache by place, copy on write of one node, and writing out what is dirty.
 *
 * A node that is changed gets its new place at once, and its parent's entry points there from then on; secret
 * and tag follow when it is sealed, children before parents. Dirty nodes stay in memory until the checkpoint;
 * clean ones are dropped by age, those that were used since they were last looked at once more spared (a find
 * touches no other node), only by node_trim(), so that pointers stay good within an operation.
 */
#include "internal.h"

static size_t bucket(const struct vdisk *disk, uint64_t place)
{
	return (place * 0x9e3779b97f4a7c15ull >> 40) & (disk->node_buckets - 1);
}

static struct node *lookup(struct vdisk *disk, uint64_t place)
{
	struct node *node = disk->nodes[bucket(disk, place)];
	while (node && node->place != place)
		node = node->hash_next;
	return node;
}

static void age_remove(struct vdisk *disk, struct node *node)
{
	if (node->older)
		node->older->newer = node->newer;
	else
		disk->node_oldest = node->newer;
	if (node->newer)
		node->newer->older = node->older;
	else
		disk->node_newest = node->older;
	node->older = node->newer = NULL;
}

static void age_add(struct vdisk *disk, struct node *node)
{
	node->older = disk->node_newest;
	node->newer = NULL;
	if (disk->node_newest)
		disk->node_newest->newer = node;
	else
		disk->node_oldest = node;
	disk->node_newest = node;
}

static void hash_add(struct vdisk *disk, struct node *node)
{
	struct node **head = &disk->nodes[bucket(disk, node->place)];
	node->hash_next = *head;
	*head = node;
}

static void hash_remove(struct vdisk *disk, struct node *node)
{
	struct node **link = &disk->nodes[bucket(disk, node->place)];
	while (*link != node)
		link = &(*link)->hash_next;
	*link = node->hash_next;
}

static struct node *new_node(struct vdisk *disk, uint64_t place, bool dirty)
{
	struct node *node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->place = place;
	node->dirty = dirty;
	hash_add(disk, node);
	disk->node_count++;
	if (dirty)
		disk->dirty_nodes++;
	else
		age_add(disk, node);
	return node;
}

static void forget(struct vdisk *disk, struct node *node)
{
	hash_remove(disk, node);
	if (node->dirty)
		disk->dirty_nodes--;
	else
		age_remove(disk, node);
	disk->node_count--;
	memset(&node->disk, 0, sizeof(node->disk)); /* secrets */
	free(node);
}

/* What was authenticated was still written by some program: judge it before use. */
bool node_makes_sense(const struct node_disk *node, unsigned level)
{
	if (!node->count || node->count > NODE_ENTRIES || node->level != level)
		return false;
	for (unsigned i = 0; i < node->count; i++)
		if ((node->entries[i].place & PLACE_MASK) < FIRST_FREE_BLOCK ||
		    (i && node->entries[i - 1].key >= node->entries[i].key))
			return false;
	return true;
}

int node_get(struct vdisk *disk, const struct tree *tree, const struct entry *entry, unsigned level,
             struct node **node)
{
	uint64_t place = entry->place & PLACE_MASK;
	*node = lookup(disk, place);
	if (*node) {
		if ((*node)->disk.level != level)
			return VDISK_DAMAGED;
		(*node)->used = true;
		return VDISK_OK;
	}
	struct node_disk read;
	TRY(legs_open(disk, entry, tree->node_kind, level, &read));
	if (!node_makes_sense(&read, level))
		return VDISK_DAMAGED;
	*node = new_node(disk, place, false);
	if (!*node)
		return VDISK_NO_MEMORY;
	(*node)->disk = read;
	return VDISK_OK;
}

bool node_is_dirty(struct vdisk *disk, const struct entry *entry)
{
	const struct node *node = lookup(disk, entry->place & PLACE_MASK);
	return node && node->dirty;
}

int node_create(struct vdisk *disk, unsigned level, struct node **node)
{
	uint64_t place;
	TRY(space_allocate(disk, &place));
	struct node *stale = lookup(disk, place); /* of a block that was freed */
	if (stale)
		forget(disk, stale);
	*node = new_node(disk, place, true);
	if (!*node)
		return VDISK_NO_MEMORY;
	(*node)->disk.level = (uint8_t)level;
	return VDISK_OK;
}

int node_shadow(struct vdisk *disk, const struct tree *tree, struct entry *reference, struct node **node)
{
	struct node *old = *node;
	unsigned count;
	uint64_t place;
	(void)tree;
	if (old->dirty)
		return VDISK_OK;
	TRY(space_count(disk, old->place, &count));
	if (count > 1) {
		struct node *copy;
		TRY(node_create(disk, old->disk.level, &copy));
		copy->disk = old->disk;
		for (unsigned i = 0; i < copy->disk.count; i++)
			TRY(space_add(disk, copy->disk.entries[i].place & PLACE_MASK));
		TRY(space_drop(disk, old->place));
		*node = copy;
		reference->place = copy->place;
		return VDISK_OK;
	}
	TRY(space_allocate(disk, &place));
	struct node *stale = lookup(disk, place);
	if (stale)
		forget(disk, stale);
	TRY(space_drop(disk, old->place));
	hash_remove(disk, old);
	age_remove(disk, old);
	old->place = place;
	old->dirty = true;
	disk->dirty_nodes++;
	hash_add(disk, old);
	reference->place = place;
	return VDISK_OK;
}

int node_drop(struct vdisk *disk, struct node *node)
{
	uint64_t place = node->place;
	forget(disk, node);
	return space_drop(disk, place);
}

int node_write(struct vdisk *disk, const struct tree *tree, struct entry *reference, unsigned level)
{
	struct node *node = lookup(disk, reference->place & PLACE_MASK);
	uint8_t sealed[VDISK_BLOCK];
	if (!node || !node->dirty)
		return VDISK_OK;
	/* Where counts are wrong, a block that is in use may have been taken for another node. */
	if (node->disk.level != level)
		return VDISK_DAMAGED;
	/* Recursion is as deep as the tree is high. */
	for (unsigned i = 0; level && i < node->disk.count; i++)
		TRY(node_write(disk, tree, &node->disk.entries[i], level - 1));
	reference->place = node->place;
	cipher_seal(disk, reference, tree->node_kind, node->disk.level, &node->disk, sealed);
	TRY(legs_write(disk, node->place, sealed, 1));
	node->dirty = false;
	disk->dirty_nodes--;
	age_add(disk, node);
	return VDISK_OK;
}

int node_write_tree(struct vdisk *disk, struct tree *tree)
{
	return tree->height ? node_write(disk, tree, &tree->root, tree->height - 1u) : VDISK_OK;
}

void node_trim(struct vdisk *disk)
{
	size_t keep = disk->cache_limit / sizeof(struct node);
	while (disk->node_oldest && disk->node_count > keep) {
		struct node *node = disk->node_oldest;
		if (!node->used) {
			forget(disk, node);
			continue;
		}
		node->used = false;
		age_remove(disk, node);
		age_add(disk, node);
	}
}

void node_free_all(struct vdisk *disk)
{
	for (size_t i = 0; disk->nodes && i < disk->node_buckets; i++)
		for (struct node *node = disk->nodes[i], *next; node; node = next) {
			next = node->hash_next;
			memset(&node->disk, 0, sizeof(node->disk));
			free(node);
		}
	free(disk->nodes);
	disk->nodes = NULL;
}
