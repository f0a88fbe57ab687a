/* Formatting, mounting, syncing. The superblock is block 0 of the store, written with every sync that changed
 * it. */
#include "internal.h"

static const char magic[8] = "HolonFS\0";
_Static_assert(sizeof(struct super_disk) <= HOLONFS_BLOCK, "the superblock fits a block");

static int write_super(const struct store *store, const struct super_disk *super)
{
	uint8_t block[HOLONFS_BLOCK] = {0};
	memcpy(block, super, sizeof(*super));
	return store->write(store->context, 0, 1, block);
}

static int set_up(struct holonfs *fs, const struct store *store, holonfs_clock clock, size_t cache_bytes)
{
	fs->store = *store;
	fs->clock = clock;
	fs->buffer_limit = (cache_bytes ? cache_bytes : 16u << 20) / sizeof(struct buffer);
	if (fs->buffer_limit < 256)
		fs->buffer_limit = 256;
	fs->bucket_count = 256;
	while (fs->bucket_count < fs->buffer_limit)
		fs->bucket_count *= 2;
	fs->buffers = calloc(fs->bucket_count, sizeof(struct buffer *));
	fs->scratch = malloc(HOLONFS_BLOCK);
	return fs->buffers && fs->scratch ? 0 : -ENOMEM;
}

void holonfs_abandon(struct holonfs *fs)
{
	if (!fs)
		return;
	for (unsigned i = 0; i < USE_BUCKETS; i++)
		while (fs->uses[i]) {
			struct use *next = fs->uses[i]->next;
			free(fs->uses[i]);
			fs->uses[i] = next;
		}
	if (fs->buffers)
		cache_free(fs);
	pack_free(fs);
	free(fs->scratch);
	free(fs);
}

static int format(struct holonfs *fs, const char *label, uint32_t flags, uint32_t uid, uint32_t gid,
                  holonfs_random random)
{
	struct super_disk *super = &fs->super;
	struct buffer *root;
	struct inode_disk inode = {.mode = 0040755,
	                           .links = 2,
	                           .parent = HOLONFS_ROOT,
	                           .uid = uid,
	                           .gid = gid,
	                           .flags = flags & INODE_FLAGS};
	uint64_t count;
	memcpy(super->magic, magic, sizeof(magic));
	super->version = 1;
	super->blocks = fs->store.blocks;
	super->next_inode = HOLONFS_ROOT + 1;
	super->inodes = 1;
	size_t length = label ? strlen(label) : 0;
	memcpy(super->label, label ? label : "",
	       length < sizeof(super->label) ? length : sizeof(super->label) - 1);
	if (random(super->id, sizeof(super->id)) < 0 || random(super->name_key, sizeof(super->name_key)) < 0)
		return -EIO;
	TRY(blocks_allocate(fs, 2, 1, &super->root, &count));
	TRY(cache_new(fs, super->root, &root));
	struct node *node = (struct node *)(void *)root->bytes;
	node->magic = NODE_MAGIC;
	node->heap = HOLONFS_BLOCK;
	super->height = 1;
	inode.accessed_ns = inode.modified_ns = inode.changed_ns = inode.created_ns = fs->clock();
	TRY(inode_write(fs, HOLONFS_ROOT, &inode));
	super_change(fs);
	return holonfs_sync(fs);
}

int holonfs_format(const struct store *store, const char *label, uint32_t flags, uint32_t uid, uint32_t gid,
                   holonfs_random random, holonfs_clock clock)
{
	struct holonfs *fs = calloc(1, sizeof(*fs));
	if (!fs)
		return -ENOMEM;
	int status = store->blocks < 128 ? -ENOSPC : set_up(fs, store, clock, 0);
	if (status == 0)
		status = fs->store.discard(fs->store.context, 0, fs->store.blocks);
	if (status == 0)
		status = format(fs, label, flags, uid, gid, random);
	holonfs_abandon(fs);
	return status;
}

void features_change(struct holonfs *fs, uint64_t set, uint64_t clear)
{
	uint64_t features = (fs->super.features | set) & ~clear;
	fs->super_dirty = fs->super_dirty || features != fs->super.features;
	fs->super.features = features;
	fs->super.version = features ? 2 : 1;
}

static int read_super(struct holonfs *fs)
{
	uint8_t block[HOLONFS_BLOCK];
	TRY(fs->store.read(fs->store.context, 0, 1, block));
	struct super_disk *super = &fs->super;
	memcpy(super, block, sizeof(*super));
	if (memcmp(super->magic, magic, sizeof(magic)) != 0)
		return -EMEDIUMTYPE;
	if (super->version != 1 && (super->version != 2 || super->features & ~(uint64_t)FEATURES_KNOWN))
		return -EPROTONOSUPPORT;
	if (super->blocks > fs->store.blocks || super->blocks < 128 || !super->height ||
	    super->height > TREE_HEIGHT_MAX || !blocks_are_data(fs, super->root, 1) ||
	    super->used > super->blocks || super->next_inode <= HOLONFS_ROOT ||
	    super->label[sizeof(super->label) - 1])
		return -EUCLEAN;
	return 0;
}

/* Files that were open without a name when power went. */
static int delete_orphans(struct holonfs *fs)
{
	struct item item;
	int found;
	while ((found = item_next(fs, make_key(0, ITEM_ORPHAN, 0), &item)) > 0 &&
	       key_is(item.key, 0, ITEM_ORPHAN)) {
		uint64_t number = key_offset(item.key);
		int status = inode_delete(fs, number);
		if (status == -ESTALE)
			status = item_remove(fs, make_key(0, ITEM_ORPHAN, number));
		if (status < 0)
			return status;
		TRY(holonfs_relieve(fs));
	}
	return found < 0 ? found : 0;
}

int holonfs_mount(struct holonfs **result, const struct store *store, holonfs_clock clock, size_t cache_bytes)
{
	struct holonfs *fs = calloc(1, sizeof(*fs));
	*result = NULL;
	if (!fs)
		return -ENOMEM;
	int status = set_up(fs, store, clock, cache_bytes);
	if (status == 0)
		status = read_super(fs);
	if (status == 0)
		fs->adopting = fs->super.features & FEATURE_ADOPTING;
	if (status == 0 && !store->read_only)
		status = delete_orphans(fs);
	if (status < 0)
		holonfs_abandon(fs);
	else
		*result = fs;
	return status;
}

int fs_fail(struct holonfs *fs, int status)
{
	if (!fs->failed && fs->store.give_up)
		fs->store.give_up(fs->store.context);
	return fs->failed = status;
}

int fs_interrupt(struct holonfs *fs, int status)
{
	return fs->changing ? fs_fail(fs, status) : status;
}

int holonfs_sync(struct holonfs *fs)
{
	if (fs->failed)
		return fs->failed;
	if (fs->store.read_only)
		return 0;
	TRY(cache_write(fs));
	int status = 0;
	if (fs->super_dirty)
		status = write_super(&fs->store, &fs->super);
	if (status == 0)
		status = fs->store.flush(fs->store.context);
	if (status < 0)
		return fs_fail(fs, status);
	fs->super_dirty = false;
	return 0;
}

int holonfs_relieve(struct holonfs *fs)
{
	if (fs->failed)
		return fs->failed;
	if (!fs->store.read_only && (fs->dirty_count > fs->buffer_limit / 2 ||
	                             (fs->store.is_pressed && fs->store.is_pressed(fs->store.context))))
		TRY(holonfs_sync(fs));
	if (fs->adopting && !fs->store.read_only) {
		int status = holonfs_continue(fs);
		/* No room: later. Damage: what is left is not counted, and the check says why. */
		fs->adopting = fs->adopting && (status >= 0 || status == -ENOSPC);
	}
	if (fs->undiscarded_end) {
		int status = blocks_discard_again(fs);
		if (status < 0 && status != -ENOSPC)
			return status;
	}
	return cache_trim(fs);
}

int holonfs_unmount(struct holonfs *fs)
{
	int status = holonfs_sync(fs);
	holonfs_abandon(fs);
	return status;
}

int holonfs_grow(struct holonfs *fs, uint64_t blocks)
{
	TRY(inode_begin(fs, true));
	if (blocks < fs->super.blocks)
		return -EINVAL;
	fs->store.blocks = blocks;
	fs->super.blocks = blocks;
	super_change(fs);
	return holonfs_sync(fs);
}

void holonfs_get_statistics(const struct holonfs *fs, struct holonfs_statistics *statistics)
{
	uint64_t free_blocks = blocks_free_count(fs);
	*statistics = (struct holonfs_statistics){
	    .blocks = fs->super.blocks,
	    .blocks_free = free_blocks > OPERATION_BLOCKS ? free_blocks - OPERATION_BLOCKS : 0,
	    .inodes = fs->super.inodes,
	    .unwritten = fs->dirty_count,
	};
	memcpy(statistics->id, fs->super.id, sizeof(statistics->id));
	memcpy(statistics->label, fs->super.label, sizeof(statistics->label));
}
