/*
 * The B+-tree: all maps of a container. Leaves hold entries by key; an inner node's entry has the smallest
 * key that its child may hold. Changes go down from the root copying each node on the way (node_shadow), full
 * nodes are split before they are entered, so that no change ever has to go back up. Nodes that become small
 * are joined with a neighbour.
 */
#include "internal.h"

void tree_init(struct tree *tree, enum block_kind node_kind, enum block_kind data_kind)
{
	*tree = (struct tree){.node_kind = (uint8_t)node_kind, .data_kind = (uint8_t)data_kind};
}

int tree_load(struct tree *tree, const struct tree_disk *from)
{
	tree->root = from->root;
	tree->height = from->height;
	bool empty = !from->height;
	uint64_t place = from->root.place & PLACE_MASK;
	return from->height > TREE_HEIGHT_MAX || (empty ? place != 0 : place < FIRST_FREE_BLOCK)
	           ? VDISK_DAMAGED
	           : VDISK_OK;
}

void tree_store(const struct tree *tree, struct tree_disk *to)
{
	memset(to, 0, sizeof(*to));
	to->root = tree->root;
	to->height = tree->height;
}

/* The last entry with a key not above KEY, or 0. Keys rise by one at least, so it is no further from the first than KEY is; where
 * none is missing it is there, which spares the search. */
static unsigned position(const struct node_disk *node, uint64_t key)
{
	unsigned low = 0;
	unsigned high = node->count;
	uint64_t most = key - node->entries[0].key;
	if (key >= node->entries[0].key && most < high) {
		if (node->entries[most].key == key)
			return (unsigned)most;
		high = (unsigned)most + 1;
	}
	while (high - low > 1) {
		unsigned middle = (low + high) / 2;
		if (node->entries[middle].key <= key)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int tree_find(struct vdisk *disk, const struct tree *tree, uint64_t key, struct entry *found)
{
	size_t count;
	found->place = 0;
	TRY(tree_range(disk, tree, key, key, found, 1, &count));
	if (!count)
		found->place = 0;
	return VDISK_OK;
}

int tree_range(struct vdisk *disk, const struct tree *tree, uint64_t key, uint64_t last, struct entry *found,
               size_t room, size_t *count)
{
	*count = 0;
	while (tree->height && *count < room && key <= last) {
		const struct entry *reference = &tree->root;
		uint64_t next = UINT64_MAX; /* the smallest key right of the leaf */
		struct node *node = NULL;
		for (unsigned level = tree->height; level-- > 0;) {
			TRY(node_get(disk, tree, reference, level, &node));
			if (!level)
				break;
			unsigned at = position(&node->disk, key);
			if (at + 1u < node->disk.count)
				next = node->disk.entries[at + 1].key;
			reference = &node->disk.entries[at];
		}
		const struct node_disk *leaf = &node->disk;
		unsigned at = position(leaf, key);
		at += leaf->entries[at].key < key;
		for (; at < leaf->count && leaf->entries[at].key <= last && *count < room; at++)
			found[(*count)++] = leaf->entries[at];
		if (at < leaf->count || next == UINT64_MAX)
			break;
		key = next;
	}
	return VDISK_OK;
}

int tree_leaf(struct vdisk *disk, const struct tree *tree, uint64_t key, struct leaf *leaf)
{
	*leaf = (struct leaf){.reference = tree->root, .end = UINT64_MAX};
	for (unsigned level = tree->height; level-- > 0;) {
		struct node *node;
		unsigned count;
		TRY(node_get(disk, tree, &leaf->reference, level, &node));
		TRY(space_count(disk, leaf->reference.place & PLACE_MASK, &count));
		leaf->shared = leaf->shared || count > 1;
		leaf->old = leaf->old || (!node->dirty && rekey_is_old(disk, &leaf->reference));
		if (!level)
			break;
		unsigned at = position(&node->disk, key);
		if (at + 1u < node->disk.count)
			leaf->end = node->disk.entries[at + 1].key;
		leaf->reference = node->disk.entries[at];
	}
	return VDISK_OK;
}

int tree_leaf_replace(struct vdisk *disk, struct tree *tree, uint64_t key, const struct entry *reference)
{
	struct entry *at = &tree->root;
	for (unsigned level = tree->height; level-- > 1;) {
		struct node *node;
		TRY(node_get(disk, tree, at, level, &node));
		TRY(node_shadow(disk, tree, at, &node));
		at = &node->disk.entries[position(&node->disk, key)];
	}
	uint64_t bound = at->key;
	*at = *reference;
	at->key = bound;
	return VDISK_OK;
}

static void insert_at(struct node_disk *node, unsigned at, const struct entry *entry)
{
	memmove(&node->entries[at + 1], &node->entries[at], (node->count - at) * sizeof(*entry));
	node->entries[at] = *entry;
	node->count++;
}

/* Splits the full child at AT of PARENT. Keys that come in rising order leave full nodes behind. */
static int split(struct vdisk *disk, struct node *parent, unsigned at, struct node *child, uint64_t key)
{
	struct node *right;
	TRY(node_create(disk, child->disk.level, &right));
	unsigned keep = key > child->disk.entries[NODE_ENTRIES - 1].key ? NODE_ENTRIES - 1 : NODE_ENTRIES / 2;
	right->disk.count = (uint16_t)(NODE_ENTRIES - keep);
	memcpy(right->disk.entries, child->disk.entries + keep, right->disk.count * sizeof(struct entry));
	memset(child->disk.entries + keep, 0, right->disk.count * sizeof(struct entry));
	child->disk.count = (uint16_t)keep;
	struct entry reference = {.key = right->disk.entries[0].key, .place = right->place};
	insert_at(&parent->disk, at + 1, &reference);
	return VDISK_OK;
}

static int grow_root(struct vdisk *disk, struct tree *tree)
{
	struct node *root;
	if (tree->height >= TREE_HEIGHT_MAX)
		return VDISK_LIMIT;
	TRY(node_create(disk, tree->height, &root));
	if (tree->height) {
		root->disk.entries[0] = tree->root;
		root->disk.entries[0].key = 0;
		root->disk.count = 1;
	}
	tree->root = (struct entry){.place = root->place};
	tree->height++;
	return VDISK_OK;
}

int tree_set(struct vdisk *disk, struct tree *tree, const struct entry *entry, struct entry *old)
{
	struct node *node;
	struct entry *reference = &tree->root;
	old->place = 0;
	if (!tree->height)
		TRY(grow_root(disk, tree));
	TRY(node_get(disk, tree, reference, tree->height - 1u, &node));
	TRY(node_shadow(disk, tree, reference, &node));
	if (node->disk.count == NODE_ENTRIES) {
		struct node *child = node;
		TRY(grow_root(disk, tree));
		TRY(node_get(disk, tree, reference, tree->height - 1u, &node));
		TRY(split(disk, node, 0, child, entry->key));
	}
	while (node->disk.level) {
		unsigned at = position(&node->disk, entry->key);
		struct node *child;
		if (entry->key < node->disk.entries[at].key) /* the first child's bound goes down */
			node->disk.entries[at].key = entry->key;
		TRY(node_get(disk, tree, &node->disk.entries[at], node->disk.level - 1u, &child));
		TRY(node_shadow(disk, tree, &node->disk.entries[at], &child));
		if (child->disk.count == NODE_ENTRIES) {
			TRY(split(disk, node, at, child, entry->key));
			if (entry->key >= node->disk.entries[at + 1].key)
				TRY(node_get(disk, tree, &node->disk.entries[at + 1], node->disk.level - 1u,
				             &child));
		}
		node = child;
	}
	unsigned at = node->disk.count ? position(&node->disk, entry->key) : 0;
	if (node->disk.count && node->disk.entries[at].key == entry->key) {
		*old = node->disk.entries[at];
		node->disk.entries[at] = *entry;
		return VDISK_OK;
	}
	if (node->disk.count && node->disk.entries[at].key < entry->key)
		at++;
	insert_at(&node->disk, at, entry);
	return VDISK_OK;
}

int tree_amend(struct vdisk *disk, struct tree *tree, const struct entry *entry)
{
	const struct entry *reference = &tree->root;
	struct node *node = NULL;
	for (unsigned level = tree->height; level-- > 0;) {
		TRY(node_get(disk, tree, reference, level, &node));
		if (level)
			reference = &node->disk.entries[position(&node->disk, entry->key)];
	}
	if (!node || !node->dirty)
		return VDISK_DAMAGED;
	struct entry *found = &node->disk.entries[position(&node->disk, entry->key)];
	if (found->key != entry->key)
		return VDISK_DAMAGED;
	*found = *entry;
	return VDISK_OK;
}

static void remove_at(struct node_disk *node, unsigned at, unsigned count)
{
	memmove(&node->entries[at], &node->entries[at + count],
	        (node->count - at - count) * sizeof(node->entries[0]));
	node->count = (uint16_t)(node->count - count);
	memset(&node->entries[node->count], 0, count * sizeof(node->entries[0])); /* no old secrets */
}

/* Joins the small child at AT with a neighbour when both fit well into one node. */
static int join(struct vdisk *disk, const struct tree *tree, struct node *parent, unsigned at)
{
	unsigned left_at = at ? at - 1 : at;
	struct node *left;
	struct node *right;
	if (parent->disk.count < 2)
		return VDISK_OK;
	TRY(node_get(disk, tree, &parent->disk.entries[left_at], parent->disk.level - 1u, &left));
	TRY(node_get(disk, tree, &parent->disk.entries[left_at + 1], parent->disk.level - 1u, &right));
	if (left->disk.count + right->disk.count > NODE_ENTRIES * 3 / 4)
		return VDISK_OK;
	TRY(node_shadow(disk, tree, &parent->disk.entries[left_at], &left));
	TRY(node_shadow(disk, tree, &parent->disk.entries[left_at + 1], &right));
	memcpy(left->disk.entries + left->disk.count, right->disk.entries,
	       right->disk.count * sizeof(struct entry));
	left->disk.count = (uint16_t)(left->disk.count + right->disk.count);
	remove_at(&parent->disk, left_at + 1, 1);
	return node_drop(disk, right);
}

int tree_remove(struct vdisk *disk, struct tree *tree, uint64_t first, uint64_t last, size_t *removed)
{
	struct node *path[TREE_HEIGHT_MAX];
	unsigned at[TREE_HEIGHT_MAX] = {0};
	struct entry one;
	size_t found;
	*removed = 0;
	TRY(tree_range(disk, tree, first, last, &one, 1, &found));
	if (!found || !tree->height)
		return VDISK_OK;
	first = one.key;
	struct entry *reference = &tree->root;
	for (unsigned level = tree->height; level-- > 0;) {
		TRY(node_get(disk, tree, reference, level, &path[level]));
		TRY(node_shadow(disk, tree, reference, &path[level]));
		at[level] = position(&path[level]->disk, first);
		reference = &path[level]->disk.entries[at[level]];
	}
	struct node_disk *leaf = &path[0]->disk;
	unsigned count = 0;
	while (at[0] + count < leaf->count && leaf->entries[at[0] + count].key <= last) {
		TRY(space_drop(disk, leaf->entries[at[0] + count].place & PLACE_MASK));
		count++;
	}
	remove_at(leaf, at[0], count);
	*removed = count;
	unsigned level = 0;
	while (level + 1u < tree->height && !path[level]->disk.count) { /* an empty node leaves its parent */
		remove_at(&path[level + 1]->disk, at[level + 1], 1);
		TRY(node_drop(disk, path[level]));
		level++;
	}
	if (level + 1u < tree->height && path[level]->disk.count < NODE_ENTRIES / 4)
		TRY(join(disk, tree, path[level + 1], at[level + 1]));
	for (;;) { /* a root with one child, or without entries, is none */
		struct node *root;
		if (!tree->height)
			return VDISK_OK;
		TRY(node_get(disk, tree, &tree->root, tree->height - 1u, &root));
		if (root->disk.count > 1 || (root->disk.count == 1 && !root->disk.level))
			return VDISK_OK;
		TRY(node_shadow(disk, tree, &tree->root, &root));
		struct entry child = {0};
		if (root->disk.count)
			child = root->disk.entries[0];
		tree->height = (uint8_t)(root->disk.count ? tree->height - 1 : 0);
		tree->root = child;
		TRY(node_drop(disk, root));
	}
}
