/*
 * The B+-tree of items. Leaves have slots that rise by key, with their bytes in a heap from the block's end
 * down; inner nodes have children, the slot's key being the smallest that may lie below. Full nodes are split
 * on the way down, so that a change never goes back up; nodes that become small are joined with a neighbour.
 */
#include "internal.h"

static struct node *node_of(struct buffer *buffer)
{
	return (struct node *)(void *)buffer->bytes;
}

/* What comes from disk is judged once, when it is read. */
bool node_is_sane(const struct node *node, unsigned level)
{
	if (node->magic != NODE_MAGIC || node->level != level || node->count > INNER_SLOTS ||
	    (level && !node->count))
		return false;
	unsigned slots_end = NODE_HEADER + node->count * (unsigned)sizeof(struct slot);
	if (!level && (node->heap < slots_end || node->heap > HOLONFS_BLOCK))
		return false;
	for (unsigned i = 0; i < node->count; i++) {
		const struct slot *slot = &node->slots[i];
		if (i && key_compare(node->slots[i - 1].key, slot->key) >= 0)
			return false;
		if (!level &&
		    (slot->at < node->heap || slot->size > ITEM_MAX || slot->at + slot->size > HOLONFS_BLOCK))
			return false;
	}
	return true;
}

static int get_node(struct holonfs *fs, uint64_t block, unsigned level, struct buffer **buffer)
{
	TRY(cache_get(fs, block, buffer));
	if (!(*buffer)->checked && !node_is_sane(node_of(*buffer), level))
		return fs_interrupt(fs, -EUCLEAN);
	(*buffer)->checked = true;
	bool right = node_of(*buffer)->magic == NODE_MAGIC && node_of(*buffer)->level == level;
	return right ? 0 : fs_interrupt(fs, -EUCLEAN);
}

/* The last slot with a key not above KEY, or 0. */
static unsigned position(const struct node *node, struct key key)
{
	unsigned low = 0;
	unsigned high = node->count;
	while (high - low > 1) {
		unsigned middle = (low + high) / 2;
		if (key_compare(node->slots[middle].key, key) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

struct path {
	struct buffer *buffers[TREE_HEIGHT_MAX];
	unsigned at[TREE_HEIGHT_MAX];
};

static int descend(struct holonfs *fs, struct key key, struct path *path)
{
	uint64_t block = fs->super.root;
	*path = (struct path){{NULL}, {0}};
	for (unsigned level = fs->super.height; level-- > 0;) {
		TRY(get_node(fs, block, level, &path->buffers[level]));
		const struct node *node = node_of(path->buffers[level]);
		path->at[level] = position(node, key);
		if (level)
			block = node->slots[path->at[level]].child;
	}
	return path->buffers[0] ? 0 : -EUCLEAN;
}

static void take(struct buffer *buffer, unsigned at, struct item *item)
{
	const struct slot *slot = &node_of(buffer)->slots[at];
	*item = (struct item){slot->key, buffer->bytes + slot->at, slot->size};
}

int item_find(struct holonfs *fs, struct key key, struct item *item)
{
	struct path path;
	TRY(descend(fs, key, &path));
	const struct node *leaf = node_of(path.buffers[0]);
	if (!leaf->count || key_compare(leaf->slots[path.at[0]].key, key) != 0)
		return 0;
	take(path.buffers[0], path.at[0], item);
	return 1;
}

/* To the leaf right (or left) of the path's. 1 moved, 0 there is none. */
static int step(struct holonfs *fs, struct path *path, bool right)
{
	unsigned level = 1;
	while (level < fs->super.height &&
	       (right ? path->at[level] + 1 >= node_of(path->buffers[level])->count : !path->at[level]))
		level++;
	if (level >= fs->super.height)
		return 0;
	path->at[level] += right ? 1 : -1u;
	while (level > 0) {
		uint64_t child = node_of(path->buffers[level])->slots[path->at[level]].child;
		level--;
		TRY(get_node(fs, child, level, &path->buffers[level]));
		unsigned count = node_of(path->buffers[level])->count;
		path->at[level] = right || !count ? 0 : count - 1;
	}
	return 1;
}

int item_next(struct holonfs *fs, struct key key, struct item *item)
{
	struct path path;
	TRY(descend(fs, key, &path));
	for (;;) {
		const struct node *leaf = node_of(path.buffers[0]);
		while (path.at[0] < leaf->count && key_compare(leaf->slots[path.at[0]].key, key) < 0)
			path.at[0]++;
		if (path.at[0] < leaf->count) {
			take(path.buffers[0], path.at[0], item);
			return 1;
		}
		int moved = step(fs, &path, true);
		if (moved <= 0)
			return moved;
	}
}

int item_previous(struct holonfs *fs, struct key key, struct item *item)
{
	struct path path;
	TRY(descend(fs, key, &path));
	for (;;) {
		const struct node *leaf = node_of(path.buffers[0]);
		if (leaf->count && key_compare(leaf->slots[path.at[0]].key, key) <= 0) {
			take(path.buffers[0], path.at[0], item);
			return 1;
		}
		int moved = step(fs, &path, false);
		if (moved <= 0)
			return moved;
	}
}

static unsigned room(const struct node *node)
{
	return node->heap - NODE_HEADER - node->count * (unsigned)sizeof(struct slot);
}

static unsigned item_bytes(const struct node *node)
{
	unsigned bytes = 0;
	for (unsigned i = 0; i < node->count; i++)
		bytes += node->slots[i].size;
	return bytes;
}

/* Rebuilds LEAF from slots FIRST..FIRST+COUNT of SOURCE (a copy), behind what it has. */
static void append_items(struct node *leaf, const struct node *source, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		const struct slot *slot = &source->slots[i];
		leaf->heap = (uint16_t)(leaf->heap - slot->size);
		memcpy((uint8_t *)leaf + leaf->heap, (const uint8_t *)source + slot->at, slot->size);
		leaf->slots[leaf->count] = *slot;
		leaf->slots[leaf->count++].at = leaf->heap;
	}
}

static void reset_leaf(struct node *leaf)
{
	memset(leaf, 0, HOLONFS_BLOCK);
	leaf->magic = NODE_MAGIC;
	leaf->heap = HOLONFS_BLOCK;
}

static void compact(struct holonfs *fs, struct node *leaf)
{
	struct node *copy = (struct node *)(void *)fs->scratch;
	memcpy(copy, leaf, HOLONFS_BLOCK);
	reset_leaf(leaf);
	append_items(leaf, copy, 0, copy->count);
}

static int new_node(struct holonfs *fs, unsigned level, struct buffer **buffer)
{
	uint64_t block;
	uint64_t count;
	TRY(blocks_allocate(fs, fs->node_cursor, 1, &block, &count));
	fs->node_cursor = block + 1;
	TRY(cache_new(fs, block, buffer));
	reset_leaf(node_of(*buffer));
	node_of(*buffer)->level = (uint8_t)level;
	return 0;
}

static int drop_node(struct holonfs *fs, struct buffer *buffer)
{
	uint64_t block = buffer->block;
	cache_drop(fs, block);
	return blocks_release(fs, block, 1);
}

/* Splits CHILD, slot AT of PARENT. KEY is about to be put: keys that come in rising order leave full nodes
 * behind. */
static int split(struct holonfs *fs, struct buffer *parent, unsigned at, struct buffer *child, struct key key)
{
	struct buffer *right;
	struct node *left = node_of(child);
	unsigned keep = left->count / 2;
	TRY(new_node(fs, left->level, &right));
	if (left->level) {
		if (key_compare(key, left->slots[left->count - 1].key) > 0)
			keep = left->count - 1u;
		struct node *node = node_of(right);
		node->count = (uint16_t)(left->count - keep);
		memcpy(node->slots, left->slots + keep, node->count * sizeof(struct slot));
		memset(left->slots + keep, 0, node->count * sizeof(struct slot));
		left->count = (uint16_t)keep;
	} else {
		struct node *copy = (struct node *)(void *)fs->scratch;
		memcpy(copy, left, HOLONFS_BLOCK);
		unsigned half = 0;
		unsigned total = item_bytes(copy) + copy->count * (unsigned)sizeof(struct slot);
		if (key_compare(key, copy->slots[copy->count - 1].key) > 0) {
			keep = copy->count - 1u;
		} else {
			for (keep = 0; keep + 1u < copy->count && half < total / 2; keep++)
				half += copy->slots[keep].size + (unsigned)sizeof(struct slot);
			keep = keep ? keep : 1;
		}
		reset_leaf(left);
		append_items(left, copy, 0, keep);
		append_items(node_of(right), copy, keep, copy->count - keep);
	}
	cache_dirty(fs, child);
	struct node *above = node_of(parent);
	memmove(&above->slots[at + 2], &above->slots[at + 1], (above->count - at - 1) * sizeof(struct slot));
	above->slots[at + 1] = (struct slot){.key = node_of(right)->slots[0].key, .child = right->block};
	above->count++;
	cache_dirty(fs, parent);
	return 0;
}

static int grow_root(struct holonfs *fs)
{
	struct buffer *root;
	if (fs->super.height >= TREE_HEIGHT_MAX)
		return -ENOSPC;
	TRY(new_node(fs, fs->super.height, &root));
	node_of(root)->count = 1;
	node_of(root)->slots[0] = (struct slot){.child = fs->super.root};
	fs->super.root = root->block;
	fs->super.height++;
	super_change(fs);
	return 0;
}

/* Whether a child must be split before one item of SIZE can go below or into it. */
static bool is_full(struct holonfs *fs, struct buffer *buffer, unsigned size)
{
	struct node *node = node_of(buffer);
	if (node->level)
		return node->count >= INNER_SLOTS;
	unsigned need = size + (unsigned)sizeof(struct slot);
	if (room(node) >= need)
		return false;
	if (HOLONFS_BLOCK - NODE_HEADER - node->count * sizeof(struct slot) - item_bytes(node) < need)
		return true;
	compact(fs, node);
	cache_dirty(fs, buffer);
	return false;
}

static void remove_slot(struct node *node, unsigned at)
{
	memmove(&node->slots[at], &node->slots[at + 1], (node->count - at - 1u) * sizeof(struct slot));
	node->count--;
	memset(&node->slots[node->count], 0, sizeof(struct slot));
}

static void insert_item(struct node *leaf, struct key key, const void *data, unsigned size)
{
	unsigned at = leaf->count ? position(leaf, key) : 0;
	if (leaf->count && key_compare(leaf->slots[at].key, key) < 0)
		at++;
	memmove(&leaf->slots[at + 1], &leaf->slots[at], (leaf->count - at) * sizeof(struct slot));
	leaf->heap = (uint16_t)(leaf->heap - size);
	leaf->slots[at] = (struct slot){.key = key};
	leaf->slots[at].at = leaf->heap;
	leaf->slots[at].size = (uint16_t)size;
	leaf->count++;
	memcpy((uint8_t *)leaf + leaf->heap, data, size);
}

int item_put(struct holonfs *fs, struct key key, const void *data, unsigned size)
{
	struct path path;
	uint8_t copy[ITEM_MAX];
	if (size > ITEM_MAX)
		return -EINVAL;
	TRY(descend(fs, key, &path));
	struct node *leaf = node_of(path.buffers[0]);
	if (leaf->count && key_compare(leaf->slots[path.at[0]].key, key) == 0) {
		struct slot *slot = &leaf->slots[path.at[0]];
		cache_dirty(fs, path.buffers[0]);
		if (slot->size == size) {
			memmove((uint8_t *)leaf + slot->at, data, size);
			return 0;
		}
		memcpy(copy, data, size); /* DATA may lie in the node */
		data = copy;
		remove_slot(leaf, path.at[0]);
	}
	for (unsigned tries = 0; tries < 3; tries++) {
		struct buffer *buffer;
		TRY(get_node(fs, fs->super.root, fs->super.height - 1u, &buffer));
		if (is_full(fs, buffer, size)) {
			struct buffer *child = buffer;
			TRY(grow_root(fs));
			TRY(get_node(fs, fs->super.root, fs->super.height - 1u, &buffer));
			TRY(split(fs, buffer, 0, child, key));
		}
		while (node_of(buffer)->level) {
			struct node *node = node_of(buffer);
			unsigned at = position(node, key);
			struct buffer *child;
			if (key_compare(key, node->slots[at].key) <
			    0) { /* the first child's bound goes down */
				node->slots[at].key = key;
				cache_dirty(fs, buffer);
			}
			TRY(get_node(fs, node->slots[at].child, node->level - 1u, &child));
			if (is_full(fs, child, size)) {
				TRY(split(fs, buffer, at, child, key));
				if (key_compare(key, node->slots[at + 1].key) >= 0)
					TRY(get_node(fs, node->slots[at + 1].child, node->level - 1u,
					             &child));
			}
			buffer = child;
		}
		if (is_full(fs, buffer, size))
			continue; /* one large item beside large ones: once more */
		cache_dirty(fs, buffer);
		insert_item(node_of(buffer), key, data, size);
		return 0;
	}
	return -EUCLEAN;
}

/* Joins child AT of PARENT with a neighbour when both fit well into one. */
static int join(struct holonfs *fs, struct buffer *parent, unsigned at)
{
	struct node *above = node_of(parent);
	struct buffer *left;
	struct buffer *right;
	at -= at != 0;
	if (above->count < 2)
		return 0;
	TRY(get_node(fs, above->slots[at].child, above->level - 1u, &left));
	TRY(get_node(fs, above->slots[at + 1].child, above->level - 1u, &right));
	struct node *a = node_of(left);
	struct node *b = node_of(right);
	if (a->level) {
		if (a->count + b->count > INNER_SLOTS * 3 / 4)
			return 0;
		memcpy(a->slots + a->count, b->slots, b->count * sizeof(struct slot));
		a->count = (uint16_t)(a->count + b->count);
	} else {
		unsigned bytes =
		    item_bytes(a) + item_bytes(b) + (a->count + b->count) * (unsigned)sizeof(struct slot);
		if (bytes > HOLONFS_BLOCK * 3 / 4)
			return 0;
		compact(fs, a);
		append_items(a, b, 0, b->count);
	}
	cache_dirty(fs, left);
	remove_slot(above, at + 1);
	cache_dirty(fs, parent);
	return drop_node(fs, right);
}

int item_remove(struct holonfs *fs, struct key key)
{
	struct path path;
	TRY(descend(fs, key, &path));
	struct node *leaf = node_of(path.buffers[0]);
	if (!leaf->count || key_compare(leaf->slots[path.at[0]].key, key) != 0)
		return 0;
	remove_slot(leaf, path.at[0]);
	if (!leaf->count)
		leaf->heap = HOLONFS_BLOCK;
	cache_dirty(fs, path.buffers[0]);
	unsigned level = 0;
	while (level + 1u < fs->super.height && !node_of(path.buffers[level])->count) {
		remove_slot(node_of(path.buffers[level + 1]), path.at[level + 1]);
		cache_dirty(fs, path.buffers[level + 1]);
		TRY(drop_node(fs, path.buffers[level]));
		level++;
	}
	struct node *node = node_of(path.buffers[level]);
	bool small = node->level ? node->count < INNER_SLOTS / 4
	                         : item_bytes(node) + node->count * sizeof(struct slot) < HOLONFS_BLOCK / 4;
	if (level + 1u < fs->super.height && small)
		TRY(join(fs, path.buffers[level + 1], path.at[level + 1]));
	while (fs->super.height > 1) {
		struct buffer *root;
		TRY(cache_get(fs, fs->super.root, &root));
		node = node_of(root);
		if (node->count > 1)
			break;
		if (!node->count) { /* nothing is left: the root becomes an empty leaf */
			reset_leaf(node);
			fs->super.height = 1;
			cache_dirty(fs, root);
		} else {
			fs->super.root = node->slots[0].child;
			fs->super.height--;
			TRY(drop_node(fs, root));
		}
		super_change(fs);
	}
	return 1;
}
