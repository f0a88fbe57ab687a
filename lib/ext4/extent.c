/* Which blocks a file has (chapter "The Contents of inode.i_block"): extent trees; maps of ext2 and ext3 are read only.
 *
 * A tree is at most TREE_DEPTH_MAX deep, and each level says how deep it is, so that no walk has a loop. Every node is
 * checked at each visit: a hostile disk may have it as something else too. */
#include "internal.h"

#define NODE_MAGIC 0xf30au
#define ROOT_BYTES 60u
#define MAP_STEPS  65536u /* missing parts of an old map that one call passes over */

struct level {
	struct buffer *buffer; /* 0: in the inode */
	uint8_t *node;
	int at; /* the entry gone through; in a leaf -1 where all are behind */
};

struct path {
	struct level levels[TREE_DEPTH_MAX + 1];
	unsigned depth;
};

static unsigned entries(const uint8_t *node)
{
	return get16(node + 2);
}

static unsigned most(const uint8_t *node)
{
	return get16(node + 4);
}

static uint8_t *entry(uint8_t *node, unsigned at)
{
	return node + 12 + 12 * (size_t)at;
}

static struct extent extent_of(const uint8_t *raw)
{
	uint32_t count = get16(raw + 4);
	struct extent extent = {.logical = get32(raw),
	                        .physical = get32(raw + 8) | (uint64_t)get16(raw + 6) << 32};
	extent.unwritten = count > EXTENT_BLOCKS;
	extent.count = extent.unwritten ? count - EXTENT_BLOCKS : count;
	return extent;
}

static void extent_store(uint8_t *raw, const struct extent *extent)
{
	put32(raw, extent->logical);
	put16(raw + 4, (uint16_t)(extent->count + (extent->unwritten ? EXTENT_BLOCKS : 0)));
	put16(raw + 6, (uint16_t)(extent->physical >> 32));
	put32(raw + 8, (uint32_t)extent->physical);
}

static uint64_t child_of(const uint8_t *raw)
{
	return get32(raw + 4) | (uint64_t)get16(raw + 8) << 32;
}

static void index_store(uint8_t *raw, uint32_t logical, uint64_t child)
{
	put32(raw, logical);
	put32(raw + 4, (uint32_t)child);
	put16(raw + 8, (uint16_t)(child >> 32));
	put16(raw + 10, 0);
}

static void node_init(uint8_t *node, uint32_t bytes, unsigned depth)
{
	memset(node, 0, bytes);
	put16(node, NODE_MAGIC);
	put16(node + 4, (uint16_t)((bytes - 12) / 12));
	put16(node + 6, (uint16_t)depth);
}

void extents_init(struct inode *inode)
{
	node_init(inode->raw + IN_BLOCK, ROOT_BYTES, 0);
	put32(inode->raw + IN_FLAGS, get32(inode->raw + IN_FLAGS) | INODE_EXTENTS);
}

static uint32_t node_checksum(const struct inode *inode, const uint8_t *node)
{
	return crc32c(inode->seed, node, 12 + 12 * (size_t)most(node));
}

static void path_put(struct path *path)
{
	for (unsigned i = 0; i <= path->depth; i++)
		buffer_release(path->levels[i].buffer);
	path->depth = 0;
	path->levels[0].buffer = 0;
}

static bool node_is_right(const uint8_t *node, uint32_t bytes, unsigned depth)
{
	return get16(node) == NODE_MAGIC && get16(node + 6) == depth && most(node) &&
	       most(node) <= (bytes - 12) / 12 && entries(node) <= most(node) &&
	       (depth == 0 || entries(node));
}

/* The last entry that does not begin behind LOGICAL; -1: all do. */
static int search(uint8_t *node, uint32_t logical)
{
	int low = 0, high = (int)entries(node);
	while (low < high) {
		int middle = (low + high) / 2;
		if (get32(entry(node, (unsigned)middle)) <= logical)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

/* Goes to the leaf for LOGICAL. The path is to be put, but after an error. */
static int path_find(struct ext4 *fs, const struct inode *inode, uint32_t logical, struct path *path)
{
	uint8_t *node = inode->raw + IN_BLOCK;
	unsigned depth = get16(node + 6);
	*path = (struct path){.levels = {{.node = node}}};
	if (depth > TREE_DEPTH_MAX || !node_is_right(node, ROOT_BYTES, depth))
		return filesystem_damaged(&fs->fs, "ext4: the extents of inode %u make no sense",
		                          (unsigned)inode->number);
	for (unsigned i = 0; i < depth; i++) {
		struct level *level = &path->levels[i];
		struct level *below = &path->levels[i + 1];
		level->at = search(level->node, logical);
		if (level->at < 0)
			level->at = 0;
		uint64_t block = child_of(entry(level->node, (unsigned)level->at));
		int result = blocks_valid(fs, block, 1)
		                 ? cache_get(&fs->cache, block, false, &below->buffer)
		                 : filesystem_damaged(
		                       &fs->fs, "ext4: a node of extents of inode %u lies out of the disk",
		                       (unsigned)inode->number);
		if (result >= 0) {
			path->depth = i + 1;
			below->node = below->buffer->data;
			bool right = node_is_right(below->node, fs->block_bytes, depth - i - 1);
			if (right && !below->buffer->checked && fs->checksums)
				right = 12 + 12 * (size_t)most(below->node) + 4 <= fs->block_bytes &&
				        get32(below->node + 12 + 12 * (size_t)most(below->node)) ==
				            node_checksum(inode, below->node);
			if (!right)
				result = filesystem_damaged(&fs->fs,
				                            "ext4: a node of extents of inode %u makes no "
				                            "sense or fails its checksum",
				                            (unsigned)inode->number);
			else
				below->buffer->checked = true;
		}
		if (result < 0) {
			path_put(path);
			return result;
		}
	}
	path->levels[depth].at = search(path->levels[depth].node, logical);
	return E_OK;
}

static void level_changed(struct ext4 *fs, struct inode *inode, struct level *level)
{
	if (!level->buffer) {
		inode_changed(fs, inode);
		return;
	}
	size_t end = 12 + 12 * (size_t)most(level->node);
	if (fs->checksums && end + 4 <= fs->block_bytes)
		put32(level->node + end, node_checksum(inode, level->node));
	transaction_add(fs, level->buffer);
}

/* The keys above a leaf whose first entry has changed. */
static void path_fix(struct ext4 *fs, struct inode *inode, struct path *path)
{
	for (unsigned i = path->depth; i > 0; i--) {
		struct level *above = &path->levels[i - 1];
		uint8_t *key = entry(above->node, (unsigned)above->at);
		if (!entries(path->levels[i].node) || get32(key) == get32(entry(path->levels[i].node, 0)))
			return;
		put32(key, get32(entry(path->levels[i].node, 0)));
		level_changed(fs, inode, above);
		if (above->at)
			return;
	}
}

/* ---- Finding ---- */

/* Block LOGICAL by the map of ext2; *RUN is for how many blocks the answer holds (0: a missing part of that size). */
static int map_block(struct ext4 *fs, const struct inode *inode, uint64_t logical, uint64_t *physical,
                     uint64_t *run)
{
	const uint64_t per = fs->block_bytes / 4;
	const uint8_t *slot = inode->raw + IN_BLOCK;
	struct buffer *block = 0;
	uint64_t span = 1;
	unsigned levels = 0;
	if (logical < 12) {
		slot += 4 * logical;
	} else {
		logical -= 12;
		for (levels = 1, span = per; levels < 4 && logical >= span; levels++) {
			logical -= span;
			span *= per;
		}
		if (levels > 3) {
			*physical = 0;
			*run = UINT64_MAX;
			return E_OK;
		}
		slot += 4 * (11 + (size_t)levels);
	}
	*physical = get32(slot);
	*run = levels ? span - logical : 1;
	while (levels-- && *physical) {
		buffer_release(block);
		if (!blocks_valid(fs, *physical, 1))
			return filesystem_damaged(&fs->fs,
			                          "ext4: the block map of inode %u leads out of the disk",
			                          (unsigned)inode->number);
		int result = cache_get(&fs->cache, *physical, false, &block);
		if (result < 0)
			return result;
		span /= per;
		*physical = get32(block->data + 4 * (logical / span));
		logical %= span;
		*run = span - logical;
	}
	if (*physical && !blocks_valid(fs, *physical, 1))
		*physical = 0, *run = 0;
	buffer_release(block);
	return *run ? E_OK
	            : filesystem_damaged(&fs->fs, "ext4: the block map of inode %u leads out of the disk",
	                                 (unsigned)inode->number);
}

static int map_find(struct ext4 *fs, const struct inode *inode, uint32_t logical, struct extent *found)
{
	uint64_t end = (inode_size(inode) + fs->block_bytes - 1) / fs->block_bytes;
	uint64_t at = logical;
	for (unsigned steps = 0; at < end && at <= LOGICAL_MAX; steps++) {
		uint64_t physical, run;
		int result = steps < MAP_STEPS ? map_block(fs, inode, at, &physical, &run) : FILE_E_IO;
		if (result < 0)
			return result;
		if (found->count && (!physical || physical != found->physical + found->count ||
		                     found->count == EXTENT_BLOCKS))
			return E_OK;
		if (physical) {
			if (!found->count)
				*found = (struct extent){.logical = (uint32_t)at, .physical = physical};
			found->count++;
			run = 1;
		}
		at = run < end - at ? at + run : end;
	}
	return E_OK;
}

int extent_find(struct ext4 *fs, const struct inode *inode, uint32_t logical, struct extent *found)
{
	uint32_t wanted = logical;
	*found = (struct extent){0};
	if (!(get32(inode->raw + IN_FLAGS) & INODE_EXTENTS))
		return map_find(fs, inode, logical, found);
	/* At most twice: the leaf that should have it, and the next. */
	for (unsigned tries = 0; tries < 2; tries++) {
		struct path path;
		uint64_t next = UINT64_MAX;
		int result = path_find(fs, inode, wanted, &path);
		if (result < 0)
			return result;
		struct level *leaf = &path.levels[path.depth];
		struct extent extent = {0};
		if (leaf->at >= 0)
			extent = extent_of(entry(leaf->node, (unsigned)leaf->at));
		if ((leaf->at < 0 || extent.logical + (uint64_t)extent.count <= logical) &&
		    (unsigned)(leaf->at + 1) < entries(leaf->node))
			extent = extent_of(entry(leaf->node, (unsigned)(leaf->at + 1)));
		for (unsigned i = path.depth; i-- > 0 && next == UINT64_MAX;)
			if ((unsigned)path.levels[i].at + 1 < entries(path.levels[i].node))
				next = get32(entry(path.levels[i].node, (unsigned)path.levels[i].at + 1));
		path_put(&path);
		if (extent.count && extent.logical + (uint64_t)extent.count > logical) {
			if (!blocks_valid(fs, extent.physical, extent.count) ||
			    extent.logical + (uint64_t)extent.count > UINT32_MAX)
				return filesystem_damaged(&fs->fs,
				                          "ext4: an extent of inode %u lies out of the disk",
				                          (unsigned)inode->number);
			uint32_t skip = extent.logical < logical ? logical - extent.logical : 0;
			*found = (struct extent){extent.logical + skip, extent.count - skip,
			                         extent.physical + skip, extent.unwritten};
			return E_OK;
		}
		if (next == UINT64_MAX || next <= wanted)
			return E_OK;
		wanted = (uint32_t)next;
	}
	return E_OK;
}

uint64_t extent_goal(struct ext4 *fs, const struct inode *inode, uint32_t logical)
{
	struct path path;
	uint64_t goal = 0;
	if (get32(inode->raw + IN_FLAGS) & INODE_EXTENTS && path_find(fs, inode, logical, &path) >= 0) {
		const struct level *leaf = &path.levels[path.depth];
		if (leaf->at >= 0) {
			struct extent extent = extent_of(entry(leaf->node, (unsigned)leaf->at));
			goal = extent.physical + (logical - extent.logical);
		} else if (leaf->buffer) {
			goal = leaf->buffer->block;
		}
		path_put(&path);
	}
	/* A file that has nothing begins in its own group. */
	if (!blocks_valid(fs, goal, 1)) {
		uint32_t number = (inode->number - 1) / fs->inodes_per_group;
		uint64_t first = group_first(fs, number);
		goal = fs->next_block >= first && fs->next_block < first + fs->blocks_per_group
		           ? fs->next_block
		           : first + 1;
	}
	return goal;
}

/* ---- Room in the tree ---- */

static void insert_at(uint8_t *node, unsigned at)
{
	memmove(entry(node, at + 1), entry(node, at), 12 * (size_t)(entries(node) - at));
	put16(node + 2, (uint16_t)(entries(node) + 1));
}

static void remove_at(uint8_t *node, unsigned at)
{
	memmove(entry(node, at), entry(node, at + 1), 12 * (size_t)(entries(node) - at - 1));
	put16(node + 2, (uint16_t)(entries(node) - 1));
}

static int node_create(struct ext4 *fs, struct inode *inode, uint64_t goal, unsigned depth,
                       struct level *made)
{
	struct range got;
	int result = blocks_allocate(fs, goal, 1, &got);
	if (result < 0)
		return result;
	result = cache_get(&fs->cache, got.first, true, &made->buffer);
	if (result < 0)
		return result;
	made->node = made->buffer->data;
	node_init(made->node, fs->block_bytes, depth);
	inode_add_blocks(fs, inode, 1);
	inode_changed(fs, inode);
	return E_OK;
}

/* The root's entries move to a block of their own. */
static int grow(struct ext4 *fs, struct inode *inode, struct path *path)
{
	uint8_t *root = path->levels[0].node;
	unsigned depth = get16(root + 6);
	struct level made = {0};
	if (depth >= TREE_DEPTH_MAX)
		return FILE_E_NO_SPACE;
	int result = node_create(fs, inode, extent_goal(fs, inode, 0), depth, &made);
	if (result < 0)
		return result;
	unsigned count = entries(root);
	memcpy(entry(made.node, 0), entry(root, 0), 12 * (size_t)count);
	put16(made.node + 2, (uint16_t)count);
	uint32_t first = get32(entry(root, 0));
	node_init(root, ROOT_BYTES, depth + 1);
	put16(root + 2, 1);
	index_store(entry(root, 0), first, made.buffer->block);
	level_changed(fs, inode, &made);
	inode_changed(fs, inode);
	buffer_release(made.buffer);
	return E_OK;
}

/* The node at level I, which is full, gives half of its entries to a new one; the one above has room. */
static int split(struct ext4 *fs, struct inode *inode, struct path *path, unsigned i)
{
	struct level *level = &path->levels[i];
	struct level *above = &path->levels[i - 1];
	struct level made = {0};
	unsigned count = entries(level->node), kept = count / 2;
	/* Files mostly grow at their end: what is there stays together. */
	if ((unsigned)(level->at + 1) >= count && i == path->depth)
		kept = count - 2;
	int result = node_create(fs, inode, level->buffer->block, get16(level->node + 6), &made);
	if (result < 0)
		return result;
	memcpy(entry(made.node, 0), entry(level->node, kept), 12 * (size_t)(count - kept));
	put16(made.node + 2, (uint16_t)(count - kept));
	put16(level->node + 2, (uint16_t)kept);
	insert_at(above->node, (unsigned)above->at + 1);
	index_store(entry(above->node, (unsigned)above->at + 1), get32(entry(made.node, 0)),
	            made.buffer->block);
	level_changed(fs, inode, &made);
	level_changed(fs, inode, level);
	level_changed(fs, inode, above);
	buffer_release(made.buffer);
	return E_OK;
}

/* The path for LOGICAL with room for NEED entries in its leaf. */
static int path_make_room(struct ext4 *fs, struct inode *inode, uint32_t logical, unsigned need,
                          struct path *path)
{
	for (unsigned tries = 0; tries < 3 * TREE_DEPTH_MAX; tries++) {
		int result = path_find(fs, inode, logical, path);
		if (result < 0)
			return result;
		const uint8_t *leaf = path->levels[path->depth].node;
		if (entries(leaf) + need <= most(leaf))
			return E_OK;
		unsigned full = path->depth;
		while (full > 0 && entries(path->levels[full - 1].node) == most(path->levels[full - 1].node))
			full--;
		result = full ? split(fs, inode, path, full) : grow(fs, inode, path);
		path_put(path);
		if (result < 0)
			return result;
	}
	return filesystem_damaged(&fs->fs, "ext4: there is no room in the extents of inode %u",
	                          (unsigned)inode->number);
}

/* ---- Changing ---- */

static bool joins(const struct extent *left, const struct extent *right)
{
	uint32_t limit = left->unwritten ? UNWRITTEN_BLOCKS : EXTENT_BLOCKS;
	return left->unwritten == right->unwritten &&
	       left->logical + (uint64_t)left->count == right->logical &&
	       left->physical + left->count == right->physical && left->count <= limit &&
	       right->count <= limit - left->count;
}

/* Joins the entry AT with its neighbours in the leaf. */
static void join(uint8_t *node, unsigned at)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned left = i ? at - 1 : at;
		if ((i && !at) || left + 1 >= entries(node))
			continue;
		struct extent first = extent_of(entry(node, left));
		struct extent second = extent_of(entry(node, left + 1));
		if (!joins(&first, &second))
			continue;
		first.count += second.count;
		extent_store(entry(node, left), &first);
		remove_at(node, left + 1);
	}
}

int extent_insert(struct ext4 *fs, struct inode *inode, const struct extent *new)
{
	struct path path;
	int result = path_find(fs, inode, new->logical, &path);
	if (result < 0)
		return result;
	struct level *leaf = &path.levels[path.depth];
	if (leaf->at >= 0) { /* mostly it only makes the last one longer */
		struct extent last = extent_of(entry(leaf->node, (unsigned)leaf->at));
		if (joins(&last, new)) {
			last.count += new->count;
			extent_store(entry(leaf->node, (unsigned)leaf->at), &last);
			join(leaf->node, (unsigned)leaf->at);
			level_changed(fs, inode, leaf);
			path_put(&path);
			return E_OK;
		}
	}
	path_put(&path);
	result = path_make_room(fs, inode, new->logical, 1, &path);
	if (result < 0)
		return result;
	leaf = &path.levels[path.depth];
	unsigned at = (unsigned)(leaf->at + 1);
	insert_at(leaf->node, at);
	extent_store(entry(leaf->node, at), new);
	join(leaf->node, at);
	level_changed(fs, inode, leaf);
	path_fix(fs, inode, &path);
	path_put(&path);
	return E_OK;
}

/* What is left of the tree after the leaf of PATH lost an entry: empty nodes go, and a root with one small leaf takes
 * its entries. */
static int shrink(struct ext4 *fs, struct inode *inode, struct path *path)
{
	int result = E_OK;
	unsigned i = path->depth;
	while (i > 0 && !entries(path->levels[i].node) && result >= 0) {
		uint64_t block = path->levels[i].buffer->block;
		buffer_release(path->levels[i].buffer);
		path->levels[i].buffer = 0;
		remove_at(path->levels[i - 1].node, (unsigned)path->levels[i - 1].at);
		level_changed(fs, inode, &path->levels[i - 1]);
		inode_add_blocks(fs, inode, -1);
		inode_changed(fs, inode);
		result = blocks_free(fs, block, 1, true);
		i--;
	}
	if (result < 0)
		return result;
	uint8_t *root = path->levels[0].node;
	if (!entries(root) && get16(root + 6)) {
		node_init(root, ROOT_BYTES, 0);
		inode_changed(fs, inode);
		return E_OK;
	}
	if (i < path->depth) { /* the first of what is left may be another */
		if (path->levels[i].at == 0) {
			struct path above = *path;
			above.depth = i;
			path_fix(fs, inode, &above);
		}
		return E_OK;
	}
	path_fix(fs, inode, path);
	struct level *leaf = &path->levels[path->depth];
	if (path->depth == 1 && entries(root) == 1 && entries(leaf->node) <= (ROOT_BYTES - 12) / 12) {
		uint64_t block = leaf->buffer->block;
		unsigned count = entries(leaf->node);
		node_init(root, ROOT_BYTES, 0);
		memcpy(entry(root, 0), entry(leaf->node, 0), 12 * (size_t)count);
		put16(root + 2, (uint16_t)count);
		buffer_release(leaf->buffer);
		leaf->buffer = 0;
		inode_add_blocks(fs, inode, -1);
		inode_changed(fs, inode);
		return blocks_free(fs, block, 1, true);
	}
	return E_OK;
}

int extent_remove(struct ext4 *fs, struct inode *inode, uint32_t first, uint64_t end)
{
	struct extent found;
	struct path path;
	if (!(get32(inode->raw + IN_FLAGS) & INODE_EXTENTS)) {
		filesystem_report(&fs->fs, "ext4: inode %u has no extents and cannot be changed",
		                  (unsigned)inode->number);
		return FILE_E_SUPPORT;
	}
	int result = extent_find(fs, inode, first, &found);
	if (result < 0 || !found.count || found.logical >= end)
		return result;
	result = path_make_room(fs, inode, found.logical, 0, &path);
	if (result < 0)
		return result;
	struct level *leaf = &path.levels[path.depth];
	struct extent whole = leaf->at < 0 ? found : extent_of(entry(leaf->node, (unsigned)leaf->at));
	uint32_t last = whole.logical + whole.count;
	bool middle = whole.logical < found.logical && last > end;
	if (middle) {
		path_put(&path);
		result = path_make_room(fs, inode, found.logical, 1, &path);
		if (result < 0)
			return result;
		leaf = &path.levels[path.depth];
	}
	if (leaf->at < 0) {
		path_put(&path);
		return filesystem_damaged(&fs->fs, "ext4: the extents of inode %u are out of order",
		                          (unsigned)inode->number);
	}
	unsigned at = (unsigned)leaf->at;
	uint32_t until = end < last ? (uint32_t)end : last;
	struct extent left = whole, right = whole;
	left.count = found.logical - whole.logical;
	right.logical = until;
	right.count = last - until;
	right.physical += until - whole.logical;
	if (middle) {
		extent_store(entry(leaf->node, at), &left);
		insert_at(leaf->node, at + 1);
		extent_store(entry(leaf->node, at + 1), &right);
	} else if (left.count || right.count) {
		extent_store(entry(leaf->node, at), left.count ? &left : &right);
	} else {
		remove_at(leaf->node, at);
	}
	level_changed(fs, inode, leaf);
	inode_add_blocks(fs, inode, -(int64_t)(until - found.logical));
	inode_changed(fs, inode);
	result = blocks_free(fs, found.physical, until - found.logical, false);
	if (result >= 0)
		result = shrink(fs, inode, &path);
	path_put(&path);
	return result < 0 ? result : 1;
}

int extent_convert(struct ext4 *fs, struct inode *inode, const struct extent *written)
{
	struct path path;
	int result = path_make_room(fs, inode, written->logical, 2, &path);
	if (result < 0)
		return result;
	struct level *leaf = &path.levels[path.depth];
	struct extent whole =
	    leaf->at < 0 ? (struct extent){0} : extent_of(entry(leaf->node, (unsigned)leaf->at));
	uint64_t end = whole.logical + (uint64_t)whole.count;
	if (!whole.unwritten || written->logical < whole.logical ||
	    written->logical + (uint64_t)written->count > end) {
		path_put(&path);
		return filesystem_damaged(&fs->fs, "ext4: the extents of inode %u are out of order",
		                          (unsigned)inode->number);
	}
	unsigned at = (unsigned)leaf->at;
	struct extent left = whole, right = whole, middle = *written;
	middle.unwritten = false;
	middle.physical = whole.physical + (written->logical - whole.logical);
	left.count = written->logical - whole.logical;
	right.logical = written->logical + written->count;
	right.count = (uint32_t)(end - right.logical);
	right.physical += right.logical - whole.logical;
	if (left.count) {
		extent_store(entry(leaf->node, at), &left);
		insert_at(leaf->node, ++at);
	}
	extent_store(entry(leaf->node, at), &middle);
	if (right.count) {
		insert_at(leaf->node, at + 1);
		extent_store(entry(leaf->node, at + 1), &right);
	}
	join(leaf->node, at);
	level_changed(fs, inode, leaf);
	path_fix(fs, inode, &path);
	path_put(&path);
	return E_OK;
}
