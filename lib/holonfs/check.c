/*
 * The check: walks the whole tree once in key order, judges every item, and counts names, links and blocks
 * anew. Repairing only sets counts: links, bits of free room, the totals. Nothing that can be reached is ever
 * removed, and nothing is changed below damage, where counting is not possible.
 *
 * Memory: a bit for each block of the store, and 16 bytes for each inode.
 */
#include <stdarg.h>
#include <stdio.h>
#include "internal.h"

struct seen_inode {
	uint64_t number;
	uint32_t names, subdirectories;
};

struct seen_quota {
	uint64_t directory, blocks, inodes;
};

struct check {
	struct holonfs *fs;
	struct holonfs_report *report;
	uint8_t *used;             /* a bit a block */
	struct seen_inode *inodes; /* by number, as the tree has them */
	size_t count, room;
	struct seen_quota *quotas; /* by directory */
	size_t quota_count, quota_room;
	uint64_t blocks, shared;
};

static void finding(struct check *check, bool damage, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void finding(struct check *check, bool damage, const char *format, ...)
{
	char text[512];
	va_list arguments;
	if (damage)
		check->report->damaged++;
	else
		check->report->different++;
	if (!check->report->finding)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	check->report->finding(check->report->context, text);
}

/* The walks go by inode, from the first to the last that was ever given. */
enum pass { WALK_NODES, COLLECT, JUDGE_ITEMS, JUDGE_LINKS, PASSES };

static void went(struct check *check, enum pass pass, uint64_t inode)
{
	uint64_t inodes = check->fs->super.next_inode;
	if (check->report->progress)
		check->report->progress(check->report->context,
		                        pass * inodes + (inode < inodes ? inode : inodes), PASSES * inodes);
}

/* Marks blocks as used; SHARED ones may be met again. */
static void mark(struct check *check, uint64_t block, uint64_t count, uint64_t inode)
{
	for (uint64_t i = block; i < block + count; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8);
		if (check->used[i / 8] & bit) {
			bool shared = false;
			uint64_t same;
			if (inode)
				(void)(blocks_are_shared(check->fs, i, 1, &shared, &same) < 0);
			if (!shared)
				finding(check, true, "block %llu is used twice, once by inode %llu",
				        (unsigned long long)i, (unsigned long long)inode);
			continue;
		}
		check->used[i / 8] |= bit;
		check->blocks++;
	}
}

/* Nodes: structure, bounds, each once. */
static void walk_nodes(struct check *check, uint64_t block, unsigned level, struct key low, struct key high)
{
	struct buffer *buffer;
	if (!blocks_are_data(check->fs, block, 1) || (check->used[block / 8] >> block % 8 & 1)) {
		finding(check, true, "a tree node at block %llu, where none can be",
		        (unsigned long long)block);
		return;
	}
	int status = cache_get(check->fs, block, &buffer);
	const struct node *node = status < 0 ? NULL : (const struct node *)(const void *)buffer->bytes;
	if (!node || !node_is_sane(node, level)) {
		finding(check, true, "the tree node at block %llu cannot be read or makes no sense",
		        (unsigned long long)block);
		return;
	}
	mark(check, block, 1, 0);
	check->report->nodes++;
	went(check, WALK_NODES, low.inode);
	if (node->count && (key_compare(node->slots[0].key, low) < 0 ||
	                    key_compare(node->slots[node->count - 1].key, high) > 0))
		finding(check, true, "the tree node at block %llu has keys out of its range",
		        (unsigned long long)block);
	if (!level)
		return;
	struct node *copy = malloc(HOLONFS_BLOCK); /* the cache may drop it below */
	if (!copy)
		return;
	memcpy(copy, node, HOLONFS_BLOCK);
	(void)(cache_trim(check->fs) < 0); /* its failure shows in what is read next */
	for (unsigned i = 0; i < copy->count; i++) {
		struct key last = i + 1u < copy->count ? copy->slots[i + 1].key : high;
		walk_nodes(check, copy->slots[i].child, level - 1, copy->slots[i].key, last);
	}
	free(copy);
}

static struct seen_inode *find_inode(struct check *check, uint64_t number)
{
	size_t low = 0;
	size_t high = check->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (check->inodes[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < check->count && check->inodes[low].number == number ? &check->inodes[low] : NULL;
}

/* Calls EACH for every item, in order. EACH must not change the tree. */
static int each_item(struct check *check, enum pass pass,
                     int (*each)(struct check *check, const struct item *item))
{
	struct key key = {0, 0};
	for (;;) {
		struct item item;
		int found = item_next(check->fs, key, &item);
		if (found <= 0)
			return found;
		key = item.key;
		key.rest++;
		TRY(each(check, &item));
		TRY(cache_trim(check->fs));
		went(check, pass, key.inode);
	}
}

static int collect_inode(struct check *check, const struct item *item)
{
	if (item->key.rest >> 56 != ITEM_INODE)
		return 0;
	if (check->count == check->room) {
		size_t room = check->room * 2 + 1024;
		struct seen_inode *more = realloc(check->inodes, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		check->inodes = more;
		check->room = room;
	}
	check->inodes[check->count++] = (struct seen_inode){.number = item->key.inode};
	if (item->size != sizeof(struct inode_disk))
		finding(check, true, "inode %llu has a wrong size", (unsigned long long)item->key.inode);
	return 0;
}

static void judge_entries(struct check *check, const struct item *item)
{
	const uint8_t *bytes = item->data;
	unsigned at = 0;
	while (at < item->size) {
		uint64_t child;
		if (at + 10 > item->size || !bytes[at + 9] || at + 10u + bytes[at + 9] > item->size) {
			finding(check, true, "directory %llu has an entry that makes no sense",
			        (unsigned long long)item->key.inode);
			return;
		}
		memcpy(&child, bytes + at, 8);
		struct seen_inode *inode = find_inode(check, child);
		struct seen_inode *directory = find_inode(check, item->key.inode);
		if (!inode)
			finding(check, true, "'%.*s' in directory %llu has no inode", (int)bytes[at + 9],
			        (const char *)bytes + at + 10, (unsigned long long)item->key.inode);
		else
			inode->names++;
		if (directory)
			directory->subdirectories += bytes[at + 8] == 4;
		at += 10u + bytes[at + 9];
	}
}

static void judge_extent(struct check *check, const struct item *item)
{
	static uint8_t unpacked[PACK_BLOCKS * HOLONFS_BLOCK];
	struct holonfs *fs = check->fs;
	struct extent extent;
	unsigned long long inode = item->key.inode;
	unsigned long long at = key_offset(item->key);
	int status = extent_load(fs, item, &extent);
	check->report->extents++;
	if (status < 0) {
		finding(check, true,
		        status == -EPROTONOSUPPORT
		            ? "inode %llu has at block %llu contents of a kind that is not known here"
		            : "inode %llu has at block %llu an extent that makes no sense",
		        inode, at);
		return;
	}
	mark(check, extent.disk.block, extent_stored(&extent), item->key.inode);
	if (!(extent.disk.flags & EXTENT_LZ4))
		return;
	check->report->packed_blocks += extent.disk.count;
	check->report->stored_blocks += extent_stored(&extent);
	if (!(fs->super.features & FEATURE_LZ4))
		finding(check, true, "inode %llu is compressed, which the superblock does not say", inode);
	if (check->report->unpack && pack_open(fs, &extent, unpacked) < 0)
		finding(check, true, "inode %llu cannot be unpacked from block %llu on", inode, at);
}

static int collect_quota(struct check *check, const struct item *item)
{
	if (check->quota_count == check->quota_room) {
		size_t room = check->quota_room * 2 + 64;
		struct seen_quota *more = realloc(check->quotas, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		check->quotas = more;
		check->quota_room = room;
	}
	check->quotas[check->quota_count++] = (struct seen_quota){.directory = key_offset(item->key)};
	if (item->size != sizeof(struct quota_disk))
		finding(check, true, "the quota of directory %llu has a wrong size",
		        (unsigned long long)key_offset(item->key));
	return 0;
}

static int judge_item(struct check *check, const struct item *item)
{
	unsigned type = (unsigned)(item->key.rest >> 56);
	if (item->key.inode && type != ITEM_INODE && !find_inode(check, item->key.inode)) {
		finding(check, true, "an item of kind %u belongs to inode %llu, which is not there", type,
		        (unsigned long long)item->key.inode);
		return 0;
	}
	switch (type) {
	case ITEM_ENTRY:
		judge_entries(check, item);
		break;
	case ITEM_EXTENT:
		judge_extent(check, item);
		break;
	case ITEM_SHARED:
		check->shared++;
		break;
	case ITEM_QUOTA:
		return collect_quota(check, item);
	case ITEM_ADOPT:
		if (!(check->fs->super.features & FEATURE_ADOPTING))
			finding(check, false, "a quota goes on counting, which the superblock does not say");
		break;
	case ITEM_INODE:
	case ITEM_XATTR:
	case ITEM_INLINE:
	case ITEM_ORPHAN:
		break;
	default:
		finding(check, true, "an item of unknown kind %u", type);
	}
	return 0;
}

static void count_quota(struct check *check, const struct inode_disk *inode)
{
	size_t low = 0;
	size_t high = check->quota_count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (check->quotas[middle].directory < inode->quota)
			low = middle + 1;
		else
			high = middle;
	}
	/* A file without a name may outlive the directory that limited it. */
	if (low == check->quota_count || check->quotas[low].directory != inode->quota)
		return;
	check->quotas[low].blocks += inode->blocks;
	check->quotas[low].inodes++;
}

static int judge_quotas(struct check *check, bool repair)
{
	for (size_t i = 0; i < check->quota_count; i++) {
		const struct seen_quota *seen = &check->quotas[i];
		struct key key = make_key(0, ITEM_QUOTA, seen->directory);
		struct quota_disk quota;
		struct item item;
		int found = item_find(check->fs, key, &item);
		if (found <= 0 || item.size != sizeof(quota))
			return found < 0 ? found : -EUCLEAN;
		memcpy(&quota, item.data, sizeof(quota));
		if (quota.blocks == seen->blocks && quota.inodes == seen->inodes)
			continue;
		finding(
		    check, false,
		    "the quota of directory %llu counts %llu blocks and %llu inodes, and there are %llu and "
		    "%llu",
		    (unsigned long long)seen->directory, (unsigned long long)quota.blocks,
		    (unsigned long long)quota.inodes, (unsigned long long)seen->blocks,
		    (unsigned long long)seen->inodes);
		if (!repair)
			continue;
		quota.blocks = seen->blocks;
		quota.inodes = seen->inodes;
		TRY(item_put(check->fs, key, &quota, sizeof(quota)));
		check->report->repaired++;
	}
	return 0;
}

static int judge_links(struct check *check, bool repair)
{
	for (size_t i = 0; i < check->count; i++) {
		struct seen_inode *seen = &check->inodes[i];
		struct inode_disk inode;
		struct item item;
		went(check, JUDGE_LINKS, seen->number);
		if (inode_read(check->fs, seen->number, &inode) < 0)
			continue; /* said above */
		if (inode.quota)
			count_quota(check, &inode);
		bool directory = (inode.mode & 0170000) == 0040000;
		check->report->inodes++;
		check->report->directories += directory;
		bool root = seen->number == HOLONFS_ROOT;
		uint32_t links =
		    directory ? (seen->names || root ? 2 + seen->subdirectories : 0) : seen->names;
		if (directory && seen->names > 1)
			finding(check, true, "directory %llu has %u names", (unsigned long long)seen->number,
			        seen->names);
		if (inode.links != links) {
			finding(check, false, "inode %llu says %u links and has %u",
			        (unsigned long long)seen->number, inode.links, links);
			if (repair && links) {
				inode.links = links;
				TRY(inode_write(check->fs, seen->number, &inode));
				check->report->repaired++;
			}
		}
		if (!links && item_find(check->fs, make_key(0, ITEM_ORPHAN, seen->number), &item) == 0)
			finding(check, false, "inode %llu has no name and nobody who deletes it",
			        (unsigned long long)seen->number);
		TRY(cache_trim(check->fs));
	}
	return 0;
}

static int judge_space(struct check *check, bool repair)
{
	struct holonfs *fs = check->fs;
	uint64_t wrong = 0;
	for (uint64_t first = 0; first < fs->super.blocks; first += GROUP_BLOCKS) {
		struct buffer *buffer;
		uint64_t end =
		    fs->super.blocks - first < GROUP_BLOCKS ? fs->super.blocks : first + GROUP_BLOCKS;
		TRY(cache_get(fs, first + (first == 0), &buffer));
		for (uint64_t block = first + (first ? 1 : 2); block < end; block++) {
			uint8_t bit = (uint8_t)(1u << block % 8);
			uint8_t *byte = &buffer->bytes[block % GROUP_BLOCKS / 8];
			if (!((*byte ^ check->used[block / 8]) & bit))
				continue;
			wrong++;
			if (repair) {
				*byte ^= bit;
				cache_dirty(fs, buffer);
			}
		}
		TRY(cache_trim(fs));
	}
	if (wrong)
		finding(check, false, "%llu blocks are marked wrongly as free or used",
		        (unsigned long long)wrong);
	bool totals = fs->super.used != check->blocks || fs->super.inodes != check->count ||
	              fs->super.shared != check->shared;
	if (totals)
		finding(check, false, "the superblock's totals are wrong");
	if (repair && (wrong || totals)) {
		fs->super.used = check->blocks;
		fs->super.inodes = check->count;
		fs->super.shared = check->shared;
		super_change(fs);
		check->report->repaired++;
	}
	return 0;
}

static int run(struct check *check, bool repair)
{
	struct holonfs *fs = check->fs;
	walk_nodes(check, fs->super.root, fs->super.height - 1u, (struct key){0, 0},
	           (struct key){UINT64_MAX, UINT64_MAX});
	if (check->report->damaged)
		return 0; /* what hangs below cannot be counted */
	TRY(each_item(check, COLLECT, collect_inode));
	if (!find_inode(check, HOLONFS_ROOT))
		finding(check, true, "the root directory is not there");
	TRY(each_item(check, JUDGE_ITEMS, judge_item));
	if (check->report->damaged)
		return 0;
	TRY(judge_links(check, repair));
	TRY(judge_quotas(check, repair));
	return judge_space(check, repair);
}

int holonfs_check(struct holonfs *fs, bool repair, struct holonfs_report *report)
{
	struct check check = {.fs = fs, .report = report};
	TRY(inode_begin(fs, false));
	if (repair && fs->store.read_only)
		return -EROFS;
	check.used = calloc(1, fs->super.blocks / 8 + 1);
	if (!check.used)
		return -ENOMEM;
	int status = run(&check, repair);
	free(check.used);
	free(check.inodes);
	free(check.quotas);
	if (status == 0 && report->repaired)
		status = holonfs_sync(fs);
	return status;
}
