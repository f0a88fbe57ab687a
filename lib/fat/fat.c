/* Mounting FAT, and the order in which it is written. See internal.h. */
#include "internal.h"

#include <stdlib.h>

#define MARK_IN_USE 1u /* in the boot sector: it was not unmounted */

uint64_t cluster_sector(const struct fat *fs, uint32_t cluster)
{
	return fs->data_start + (uint64_t)(cluster - 2) * fs->cluster_sectors;
}

static int refuse(struct fat *fs, const char *why)
{
	filesystem_report(&fs->fs, "fat: %s", why);
	return FILESYSTEM_E_FORMAT;
}

/* What the boot sector says; all sums fit 64 bits, and what is kept 32. */
static int geometry(struct fat *fs, const uint8_t *boot)
{
	uint32_t sector = get16(boot + 11), per_cluster = boot[13], reserved = get16(boot + 14),
	         tables = boot[16];
	uint32_t root_entries = get16(boot + 17);
	uint64_t total = get16(boot + 19) ? get16(boot + 19) : get32(boot + 32);
	uint64_t table = get16(boot + 22) ? get16(boot + 22) : get32(boot + 36);
	bool wide = !get16(boot + 22);
	if (get16(boot + 510) != 0xaa55 || sector < 512 || sector > 4096 || sector & (sector - 1) ||
	    !per_cluster || per_cluster & (per_cluster - 1) || !reserved || !tables || tables > 4 || !table)
		return refuse(fs, "there is no FAT file system on this disk");
	if (sector < fs->fs.disk.sector_bytes)
		return refuse(fs, "its sectors are smaller than the disk's");
	fs->sector_bytes = sector;
	fs->cluster_sectors = per_cluster;
	fs->cluster_bytes = per_cluster * sector;
	fs->root_sectors = (uint32_t)(((uint64_t)root_entries * SLOT_BYTES + sector - 1) / sector);
	uint64_t root = reserved + tables * table;
	uint64_t data = root + fs->root_sectors;
	if (fs->cluster_bytes > 256u << 10 || data >= total || total > fs->fs.disk.bytes / sector ||
	    data > UINT32_MAX)
		return refuse(fs, "its boot sector makes no sense, or it is larger than the disk");
	uint64_t clusters = (total - data) / per_cluster;
	fs->bits = clusters < 4085 ? 12 : clusters < 65525 ? 16 : 32;
	if (wide)
		fs->bits = 32; /* whatever the count: the boot sector has FAT32's form */
	if ((fs->bits == 32) != wide || (wide && (root_entries || get16(boot + 42))) ||
	    (!wide && !root_entries) || clusters > 0x0ffffff5 || !clusters)
		return refuse(fs, "its boot sector contradicts itself");
	if ((clusters + 2) * fs->bits > table * sector * 8)
		return refuse(fs, "its table is too small");
	fs->clusters = (uint32_t)clusters;
	fs->table_start = reserved;
	fs->table_sectors = (uint32_t)table;
	fs->root_start = (uint32_t)root;
	fs->data_start = (uint32_t)data;
	fs->cache.copied_kind = KIND_TABLE;
	fs->cache.copies = tables;
	fs->cache.copies_apart = table;
	if (wide) {
		uint32_t flags = get16(boot + 40);
		if (flags & 0x80) { /* one table alone is kept */
			if ((flags & 15) >= tables)
				return refuse(fs, "its boot sector names a table that is not there");
			fs->table_start += (flags & 15) * fs->table_sectors;
			fs->cache.copies = 1;
		}
		uint32_t info = get16(boot + 48);
		fs->info_sector = info && info < reserved ? info : 0;
	}
	memcpy(fs->identity, boot + (wide ? 67 : 39), 4);
	return E_OK;
}

/* What the information sector says is believed where it can be, as other systems do. */
static int info_load(struct fat *fs)
{
	fs->next_free = 2;
	if (!fs->info_sector)
		return E_OK;
	int result = filesystem_read(&fs->fs, (uint64_t)fs->info_sector * fs->sector_bytes, fs->scratch,
	                             fs->sector_bytes);
	if (result < 0)
		return result;
	if (get32(fs->scratch) != 0x41615252 || get32(fs->scratch + 484) != 0x61417272) {
		fs->info_sector = 0;
		return E_OK;
	}
	fs->free_count = get32(fs->scratch + 488);
	fs->free_known = fs->free_count <= fs->clusters;
	if (cluster_valid(fs, get32(fs->scratch + 492)))
		fs->next_free = get32(fs->scratch + 492);
	return E_OK;
}

static void destroy(struct fat *fs)
{
	nodes_destroy(fs);
	cache_destroy(&fs->cache);
	free(fs->freed);
	free(fs->scratch);
	free(fs);
}

static int start(struct fat *fs)
{
	uint8_t *boot = malloc(4096);
	int result = boot ? E_OK : FILESYSTEM_E_NO_MEMORY;
	if (result >= 0)
		result =
		    fs->fs.disk.bytes < 4096 ? FILESYSTEM_E_FORMAT : filesystem_read(&fs->fs, 0, boot, 4096);
	if (result >= 0)
		result = geometry(fs, boot);
	bool dirty = result >= 0 && boot[fs->bits == 32 ? 65 : 37] & MARK_IN_USE;
	uint32_t root = result >= 0 && fs->bits == 32 ? get32(boot + 44) : 0;
	free(boot);
	struct cache kept = fs->cache;
	if (result >= 0)
		result = cache_init(&fs->cache, &fs->fs, fs->sector_bytes, fs->fs.options.cache_bytes);
	fs->cache.copied_kind = kept.copied_kind;
	fs->cache.copies = kept.copies;
	fs->cache.copies_apart = kept.copies_apart;
	if (result >= 0 && !(fs->scratch = malloc(fs->sector_bytes)))
		result = FILESYSTEM_E_NO_MEMORY;
	if (result >= 0 && root && !cluster_valid(fs, root))
		result = refuse(fs, "its root directory lies out of the disk");
	if (result >= 0)
		result = nodes_init(fs);
	if (result < 0)
		return result;
	fs->root->start = root;
	result = info_load(fs);
	if (result >= 0 && fs->bits != 32)
		result = table_count_free(fs);
	if (result < 0 || !dirty || fs->fs.read_only)
		return result;
	filesystem_report(&fs->fs, "fat: it was not unmounted; fsck finds clusters that nobody has");
	fs->was_in_use = true;
	return fat_recover(fs);
}

int fat_mount(struct filesystem **out, const struct disk *disk, const struct filesystem_options *options)
{
	struct fat *fs = calloc(1, sizeof(*fs));
	*out = 0;
	if (!fs)
		return FILESYSTEM_E_NO_MEMORY;
	fs->fs.operations = &fat_operations;
	fs->fs.disk = *disk;
	fs->fs.options = *options;
	fs->fs.root = FAT_ROOT;
	fs->fs.read_only = disk->read_only || options->read_only;
	int result = start(fs);
	if (result < 0) {
		destroy(fs);
		return result;
	}
	*out = &fs->fs;
	return E_OK;
}

/* ---- Writing in order ---- */

static int mark_in_use(struct fat *fs, bool in_use)
{
	uint32_t at = fs->bits == 32 ? 65 : 37;
	int result = filesystem_read(&fs->fs, 0, fs->scratch, fs->sector_bytes);
	if (result < 0)
		return result;
	uint8_t now = (uint8_t)(in_use ? fs->scratch[at] | MARK_IN_USE : fs->scratch[at] & ~MARK_IN_USE);
	if (now == fs->scratch[at])
		return E_OK;
	fs->scratch[at] = now;
	result = filesystem_write(&fs->fs, 0, fs->scratch, fs->sector_bytes);
	return result < 0 ? result : filesystem_flush(&fs->fs);
}

int fat_begin(struct fat *fs)
{
	if (fs->fs.read_only)
		return fs->fs.failed ? FILE_E_IO : FILE_E_READ_ONLY;
	if (!fs->writing) {
		int result = mark_in_use(fs, true);
		if (result < 0)
			return result;
		fs->writing = true;
	}
	fs->changed = true;
	return E_OK;
}

static int info_store(struct fat *fs)
{
	struct buffer *sector;
	if (!fs->info_sector)
		return E_OK;
	int result = cache_get(&fs->cache, fs->info_sector, false, &sector);
	if (result < 0)
		return result;
	put32(sector->data + 488, fs->free_known ? fs->free_count : UINT32_MAX);
	put32(sector->data + 492, fs->next_free);
	sector->kind = KIND_OTHER;
	buffer_dirty(&fs->cache, sector);
	buffer_release(sector);
	return cache_write(&fs->cache, KIND_OTHER);
}

int fat_sync(struct filesystem *base, uint64_t node, bool data_only)
{
	struct fat *fs = fat_of(base);
	int result = E_OK;
	(void)node, (void)data_only;
	if (!fs->changed)
		return E_OK;
	if (fs->fs.read_only)
		return FILE_E_IO;
	/* Clusters that directories grew by are empty on the disk before the table leads to them. */
	if (fs->new_directories)
		result = filesystem_flush(&fs->fs);
	if (result >= 0)
		result = cache_write(&fs->cache, KIND_TABLE);
	if (result >= 0)
		result = filesystem_flush(&fs->fs);
	if (result >= 0)
		result = cache_write(&fs->cache, KIND_DIRECTORY);
	if (result >= 0)
		result = filesystem_flush(&fs->fs);
	if (result >= 0 && fs->freed_count) {
		result = chains_free(fs);
		if (result >= 0)
			result = cache_write(&fs->cache, KIND_TABLE);
	}
	if (result >= 0)
		result = info_store(fs);
	if (result < 0)
		return result;
	fs->changed = fs->freed_count != 0;
	fs->new_directories = fs->data_written = false;
	return E_OK;
}

static int fat_unmount(struct filesystem *base)
{
	struct fat *fs = fat_of(base);
	int result = E_OK;
	if (fs->writing || (fs->changed && !fs->fs.read_only)) {
		result = fat_sync(base, 0, false);
		if (result >= 0) /* what the first let go of */
			result = fat_sync(base, 0, false);
		if (result >= 0)
			result = filesystem_flush(base);
		if (result >= 0 &&
		    !fs->was_in_use) /* only fsck takes away a mark that was there, as on other systems */
			result = mark_in_use(fs, false);
	}
	destroy(fs);
	return result;
}

static int fat_relieve(struct filesystem *base)
{
	struct fat *fs = fat_of(base);
	return !fs->fs.read_only && (cache_pressed(&fs->cache) || fs->freed_count > 4096)
	           ? fat_sync(base, 0, false)
	           : E_OK;
}

static int fat_statistics(struct filesystem *base, uint64_t node, struct file_statistics *statistics)
{
	struct fat *fs = fat_of(base);
	int result = fs->free_known ? E_OK : table_count_free(fs);
	(void)node; /* there are no quotas */
	if (result < 0)
		return result;
	*statistics = (struct file_statistics){.block_bytes = fs->cluster_bytes,
	                                       .blocks = fs->clusters,
	                                       .blocks_free = fs->free_count,
	                                       .nodes_free = UINT64_MAX,
	                                       .name_max = FILE_NAME_MAX,
	                                       .flags = fs->fs.read_only ? FILE_STATISTICS_READ_ONLY : 0};
	memcpy(statistics->identity, fs->identity, sizeof(fs->identity));
	return E_OK;
}

int fat_lookup(struct filesystem *fs, uint64_t directory, const char *name, struct file_attributes *found);
int fat_get(struct filesystem *fs, uint64_t number, struct file_attributes *found);
int fat_set(struct filesystem *fs, uint64_t number, uint32_t valid, const struct file_attributes *wanted,
            struct file_attributes *now);
int fat_create(struct filesystem *fs, uint64_t directory, const char *name, uint32_t mode, uint32_t uid,
               uint32_t gid, uint64_t device, const char *target, struct file_attributes *made);
int fat_unlink(struct filesystem *fs, uint64_t directory, const char *name, bool is_directory);
int fat_rename(struct filesystem *fs, uint64_t from_directory, const char *from, uint64_t to_directory,
               const char *to, uint32_t flags);
int fat_list(struct filesystem *fs, uint64_t directory, uint64_t cookie, struct filesystem_entry *entry);
int fat_parent(struct filesystem *fs, uint64_t directory, uint64_t *parent);

const struct filesystem_operations fat_operations = {
    .name = "vfat",
    .unmount = fat_unmount,
    .sync = fat_sync,
    .relieve = fat_relieve,
    .use = fat_use,
    .forget = fat_forget,
    .statistics = fat_statistics,
    .lookup = fat_lookup,
    .get = fat_get,
    .set = fat_set,
    .create = fat_create,
    .unlink = fat_unlink,
    .rename = fat_rename,
    .list = fat_list,
    .parent = fat_parent,
    .read = fat_read,
    .write = fat_write,
    .resize = fat_resize,
};
