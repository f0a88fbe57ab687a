/* Mounting ext4: which features are understood, and how it is left (chapter "Super Block"). What is not known is
 * refused where it changes the meaning of what is read, and mounted read-only where it changes only what a writer
 * has to keep. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#define MAGIC       0xef53
#define STATE_CLEAN 1u
#define KNOWN_INCOMPAT                                                                                       \
	(INCOMPAT_FILETYPE | INCOMPAT_RECOVER | INCOMPAT_META_BG | INCOMPAT_EXTENTS | INCOMPAT_64BIT |       \
	 INCOMPAT_FLEX_BG | INCOMPAT_CSUM_SEED | INCOMPAT_LARGEDIR)
#define KNOWN_RO                                                                                             \
	(RO_SPARSE_SUPER | RO_LARGE_FILE | RO_HUGE_FILE | RO_GDT_CSUM | RO_DIR_NLINK | RO_EXTRA_ISIZE |      \
	 RO_METADATA_CSUM | RO_ORPHAN_PRESENT)

/* Features by their bit, for messages. */
static const char *const incompat_names[32] = {
    "compression", "filetype",    "needs_recovery", "journal_dev", "meta_bg", 0,         "extents",
    "64bit",       "mmp",         "flex_bg",        "ea_inode",    0,         "dirdata", "metadata_csum_seed",
    "large_dir",   "inline_data", "encrypt",        "casefold"};
static const char *const ro_names[32] = {
    "sparse_super", "large_file",   "btree_dir",     "huge_file", "uninit_bg",     "dir_nlink",
    "extra_isize",  "has_snapshot", "quota",         "bigalloc",  "metadata_csum", "replica",
    "read-only",    "project",      "shared_blocks", "verity",    "orphan_present"};

static void name_features(char *text, size_t room, uint32_t bits, const char *const names[32])
{
	size_t at = 0;
	text[0] = 0;
	for (unsigned bit = 0; bit < 32 && at < room; bit++)
		if (bits >> bit & 1)
			at += names[bit] ? (size_t)snprintf(text + at, room - at, " %s", names[bit])
			                 : (size_t)snprintf(text + at, room - at, " bit %u", bit);
}

void super_checksum(struct ext4 *fs)
{
	if (fs->checksums)
		put32(fs->super + SB_CHECKSUM, crc32c(~0u, fs->super, SB_CHECKSUM));
}

static int refuse(struct ext4 *fs, const char *why)
{
	filesystem_report(&fs->fs, "ext4: %s", why);
	return FILESYSTEM_E_FORMAT;
}

/* Takes the geometry from the superblock, so that no later arithmetic can overflow. */
static int geometry(struct ext4 *fs, const uint8_t *super)
{
	uint32_t log = get32(super + SB_LOG_BLOCK);
	if (log > 2)
		return refuse(fs, "its blocks are larger than 4096 bytes");
	fs->block_bytes = 1024u << log;
	if (fs->block_bytes < fs->fs.disk.sector_bytes)
		return refuse(fs, "its blocks are smaller than the disk's sectors");
	fs->blocks = get32(super + SB_BLOCKS);
	fs->desc_bytes = 32;
	if (fs->incompat & INCOMPAT_64BIT) {
		fs->blocks |= (uint64_t)get32(super + SB_BLOCKS_HI) << 32;
		fs->desc_bytes = get16(super + SB_DESC_SIZE);
		if (fs->desc_bytes < 64 || fs->desc_bytes > fs->block_bytes ||
		    fs->desc_bytes & (fs->desc_bytes - 1))
			return refuse(fs, "its group descriptors have an impossible size");
	}
	fs->first_block = get32(super + SB_FIRST_BLOCK);
	fs->blocks_per_group = get32(super + SB_BLOCKS_PER_GROUP);
	fs->inodes_per_group = get32(super + SB_INODES_PER_GROUP);
	fs->inodes = get32(super + SB_INODES);
	bool old = get32(super + SB_REVISION) == 0;
	fs->inode_bytes = old ? 128 : get16(super + SB_INODE_SIZE);
	fs->first_inode = old ? 11 : get32(super + SB_FIRST_INODE);
	if (fs->inode_bytes < 128 || fs->inode_bytes > fs->block_bytes ||
	    fs->inode_bytes & (fs->inode_bytes - 1) || fs->first_block != (fs->block_bytes == 1024) ||
	    get32(super + SB_LOG_CLUSTER) != log || !fs->blocks_per_group ||
	    fs->blocks_per_group > fs->block_bytes * 8 || fs->blocks_per_group % 8 || !fs->inodes_per_group ||
	    fs->inodes_per_group > fs->block_bytes * 8 ||
	    fs->inodes_per_group % (fs->block_bytes / fs->inode_bytes) || fs->inodes_per_group % 8 ||
	    fs->first_inode < 11 || fs->first_inode > fs->inodes_per_group ||
	    fs->blocks <= fs->first_block + 8)
		return refuse(fs, "its superblock makes no sense");
	if (fs->blocks > fs->fs.disk.bytes / fs->block_bytes)
		return refuse(fs, "it is larger than the disk");
	uint64_t groups = (fs->blocks - fs->first_block + fs->blocks_per_group - 1) / fs->blocks_per_group;
	if (groups > UINT32_MAX / fs->inodes_per_group || fs->inodes != groups * fs->inodes_per_group)
		return refuse(fs, "its numbers of groups and inodes contradict each other");
	fs->groups = (uint32_t)groups;
	return E_OK;
}

static int features(struct ext4 *fs, const uint8_t *super)
{
	char text[160];
	bool old = get32(super + SB_REVISION) == 0;
	fs->compat = old ? 0 : get32(super + SB_COMPAT);
	fs->incompat = old ? 0 : get32(super + SB_INCOMPAT);
	fs->ro_compat = old ? 0 : get32(super + SB_RO_COMPAT);
	uint32_t unknown = fs->incompat & ~(uint32_t)KNOWN_INCOMPAT;
	if (unknown) {
		name_features(text, sizeof(text), unknown, incompat_names);
		filesystem_report(&fs->fs, "ext4: it has features that are not supported:%s", text);
		return FILESYSTEM_E_FORMAT;
	}
	unknown = fs->ro_compat & ~(uint32_t)KNOWN_RO;
	if (unknown && !fs->fs.read_only) {
		name_features(text, sizeof(text), unknown, ro_names);
		filesystem_report(&fs->fs, "ext4: mounted read-only, for features that cannot be written:%s",
		                  text);
		fs->fs.read_only = true;
	}
	if (!(fs->incompat & INCOMPAT_EXTENTS) && !fs->fs.read_only) {
		filesystem_report(&fs->fs, "ext4: mounted read-only: its files have no extents (ext2, ext3)");
		fs->fs.read_only = true;
	}
	fs->checksums = fs->ro_compat & RO_METADATA_CSUM;
	fs->group_checksums = !fs->checksums && fs->ro_compat & RO_GDT_CSUM;
	if (fs->checksums && super[SB_CHECKSUM_TYPE] != 1)
		return refuse(fs, "its superblock names a checksum that is not known");
	fs->seed = fs->incompat & INCOMPAT_CSUM_SEED ? get32(super + SB_CHECKSUM_SEED)
	                                             : crc32c(~0u, super + SB_UUID, 16);
	return E_OK;
}

/* Fields that say what the file system is; the others say how it is. */
static const struct {
	uint16_t at, bytes;
} lasting[] = {{SB_INODES, 8},        {SB_FIRST_BLOCK, 24},  {SB_MAGIC, 2},         {SB_REVISION, 4},
               {SB_FIRST_INODE, 6},   {SB_UUID, 16},         {SB_RESERVED_GDT, 2},  {SB_JOURNAL_INODE, 4},
               {SB_HASH_SEED, 17},    {SB_DESC_SIZE, 2},     {SB_FIRST_META_BG, 4}, {SB_BLOCKS_HI, 4},
               {SB_CHECKSUM_TYPE, 1}, {SB_BACKUP_GROUPS, 8}, {SB_CHECKSUM_SEED, 4}, {SB_ORPHAN_FILE, 4}};

static bool super_is_right(const uint8_t *super)
{
	return get32(super + SB_CHECKSUM) == crc32c(~0u, super, SB_CHECKSUM);
}

/* The superblock lies in two sectors, of which a power cut may have written one. What is used of it before the journal
 * is replayed are lasting fields: they are believed where a copy in another group has the same. What has no copy (one
 * group alone) is believed as far as descriptors, inodes and the journal, whose checksums depend on it, are right. */
static int super_check(struct ext4 *fs, const uint8_t *super)
{
	if (!fs->checksums || super_is_right(super))
		return E_OK;
	uint32_t group = fs->compat & COMPAT_SPARSE_SUPER2 ? get32(super + SB_BACKUP_GROUPS) : 1;
	if (group && group < fs->groups) {
		uint8_t *copy = malloc(fs->block_bytes);
		int result = copy ? filesystem_read(&fs->fs, group_first(fs, group) * fs->block_bytes, copy,
		                                    fs->block_bytes)
		                  : FILESYSTEM_E_NO_MEMORY;
		bool same = result >= 0 && super_is_right(copy);
		for (unsigned i = 0; i < sizeof(lasting) / sizeof(*lasting) && same; i++)
			same = memcmp(super + lasting[i].at, copy + lasting[i].at, lasting[i].bytes) == 0;
		free(copy);
		if (result >= 0 && !same)
			return refuse(fs, "its superblock fails its checksum, and is not what its copy is");
		if (result < 0)
			return result;
	}
	filesystem_report(&fs->fs, "ext4: its superblock was half written when the power went");
	return E_OK;
}

static void destroy(struct ext4 *fs)
{
	buffer_release(fs->super_buffer);
	journal_close(fs);
	cache_destroy(&fs->cache);
	free(fs->uses.list);
	free(fs->revoked);
	free(fs->scratch);
	free(fs);
}

static int super_load(struct ext4 *fs)
{
	uint64_t at = 1024 / fs->block_bytes;
	int result = cache_get(&fs->cache, at, false, &fs->super_buffer);
	if (result >= 0)
		fs->super = fs->super_buffer->data + 1024 % fs->block_bytes;
	return result;
}

static int start(struct ext4 *fs)
{
	uint8_t *super = malloc(4096);
	int result = super ? E_OK : FILESYSTEM_E_NO_MEMORY;
	if (result >= 0)
		result =
		    fs->fs.disk.bytes < 8192 ? FILESYSTEM_E_FORMAT : filesystem_read(&fs->fs, 0, super, 4096);
	if (result >= 0 && get16(super + 1024 + SB_MAGIC) != MAGIC) {
		filesystem_report(&fs->fs, "ext4: there is none on this disk");
		result = FILESYSTEM_E_FORMAT;
	}
	if (result >= 0)
		result = features(fs, super + 1024);
	if (result >= 0)
		result = geometry(fs, super + 1024);
	if (result >= 0)
		result = super_check(fs, super + 1024);
	free(super);
	if (result >= 0)
		result = cache_init(&fs->cache, &fs->fs, fs->block_bytes, fs->fs.options.cache_bytes);
	if (result >= 0 && !(fs->scratch = malloc(fs->block_bytes)))
		result = FILESYSTEM_E_NO_MEMORY;
	if (result >= 0)
		result = super_load(fs);
	if (result >= 0)
		result = journal_open(fs);
	if (result > 0) {
		/* The journal was replayed: what was read before may be old. */
		bool read_only = fs->fs.disk.read_only || fs->fs.options.read_only;
		buffer_release(fs->super_buffer);
		fs->super_buffer = 0;
		cache_destroy(&fs->cache);
		fs->fs.read_only = read_only;
		result = cache_init(&fs->cache, &fs->fs, fs->block_bytes, fs->fs.options.cache_bytes);
		if (result >= 0)
			result = super_load(fs);
		if (result >= 0)
			result = features(fs, fs->super);
		uint32_t block_bytes = fs->block_bytes;
		if (result >= 0)
			result = geometry(fs, fs->super);
		if (result >= 0 && block_bytes != fs->block_bytes)
			result = FILE_E_IO;
	}
	return result < 0 ? result : groups_count(fs);
}

int ext4_mount(struct filesystem **out, const struct disk *disk, const struct filesystem_options *options)
{
	struct ext4 *fs = calloc(1, sizeof(*fs));
	struct inode root;
	*out = 0;
	if (!fs)
		return FILESYSTEM_E_NO_MEMORY;
	fs->fs.operations = &ext4_operations;
	fs->fs.disk = *disk;
	fs->fs.options = *options;
	fs->fs.root = EXT4_ROOT;
	fs->fs.read_only = disk->read_only || options->read_only;
	int result = start(fs);
	if (result >= 0 && !fs->fs.read_only && !(get16(fs->super + SB_STATE) & STATE_CLEAN) &&
	    !fs->journal.present)
		filesystem_report(&fs->fs, "ext4: it was not unmounted and has no journal: check it (fsck)");
	if (result >= 0 && !fs->fs.read_only)
		result = orphans_finish(fs);
	if (result >= 0)
		result = inode_get(fs, EXT4_ROOT, &root);
	if (result >= 0) {
		if ((inode_mode(&root) & MODE_TYPE) != MODE_DIRECTORY)
			result = FILE_E_IO;
		inode_put(&root);
	}
	if (result < 0) {
		destroy(fs);
		return result;
	}
	*out = &fs->fs;
	return E_OK;
}

int super_begin_writing(struct ext4 *fs)
{
	if (fs->writing)
		return E_OK;
	uint16_t state = get16(fs->super + SB_STATE);
	uint32_t now = (uint32_t)(fs->fs.options.now_ns() / 1000000000);
	put16(fs->super + SB_STATE, fs->journal.present ? state : state & ~STATE_CLEAN);
	if (fs->journal.present)
		put32(fs->super + SB_INCOMPAT, fs->incompat | INCOMPAT_RECOVER);
	put32(fs->super + SB_MTIME, now);
	super_checksum(fs);
	/* The superblock goes straight to its place: what it says must hold before the first transaction. */
	buffer_dirty(&fs->cache, fs->super_buffer);
	int result = cache_write(&fs->cache, -1);
	if (result >= 0)
		result = filesystem_flush(&fs->fs);
	if (result >= 0)
		fs->writing = true;
	return result;
}

int ext4_unmount(struct filesystem *base)
{
	struct ext4 *fs = ext4_of(base);
	int result = E_OK;
	if (fs->writing) {
		result = transaction_checkpoint(fs);
		if (result >= 0 && fs->journal.present && !fs->fs.read_only)
			result = journal_write_super(fs, 0, fs->journal.sequence);
		if (result >= 0 && !fs->fs.read_only) {
			put32(fs->super + SB_INCOMPAT, fs->incompat & ~(uint32_t)INCOMPAT_RECOVER);
			put16(fs->super + SB_STATE,
			      get16(fs->super + SB_STATE) | (fs->journal.present ? 0 : STATE_CLEAN));
			put32(fs->super + SB_WTIME, (uint32_t)(fs->fs.options.now_ns() / 1000000000));
			super_checksum(fs);
			buffer_dirty(&fs->cache, fs->super_buffer);
			result = cache_write(&fs->cache, -1);
			if (result >= 0)
				result = filesystem_flush(&fs->fs);
		}
	}
	destroy(fs);
	return result;
}
