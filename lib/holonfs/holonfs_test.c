/*
 * Tests of holonfs on a vdisk in memory: operations one by one, random contents against a model (as fsx
 * does), random trees against a model (as fsstress does), each with crashes in between: after one, the file
 * system is as it was at the last sync, and its check finds nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include "internal.h"
#include "store_vdisk.h"
#include "vdisk/file_backend.h"
#include "vdisk/memory_backend.h"

#define DEVICE (96u << 20)

static int failures;
static struct memory_device device;
static struct vdisk_backend leg;
static struct vdisk *disk;
static struct holonfs *fs;
static int64_t now = 1000;
static uint64_t random_state = 7;

static void check(const char *name, bool right)
{
	printf(right ? "ok holonfs: %s\n" : "not ok holonfs: %s - see the check of this name\n", name);
	failures += !right;
}

static int64_t tick(void)
{
	return now += 1000;
}

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) % below);
}

static bool open_all(bool create, uint64_t blocks)
{
	static const struct vdisk_credentials none;
	struct vdisk_create wanted = {.blocks = blocks, .factors = {VDISK_FACTOR_OPEN}};
	struct vdisk_config config = {
	    .legs = &leg, .leg_count = 1, .random = host_random, .now_ns = tick, .cache_bytes = 1u << 20};
	int status =
	    create ? vdisk_create(&disk, &config, &wanted, &none) : vdisk_open(&disk, &config, &none);
	if (status < 0)
		return false;
	struct store store = store_vdisk(disk);
	if (create && holonfs_format(&store, "test", 0, 0, 0, host_random, tick) < 0)
		return false;
	return holonfs_mount(&fs, &store, tick, 1u << 20) == 0;
}

static bool make(uint64_t blocks)
{
	free(device.bytes);
	leg = memory_backend(&device, DEVICE, false);
	return open_all(true, blocks);
}

/* Power is cut: what was not synced is gone. */
static bool crash(void)
{
	holonfs_abandon(fs);
	vdisk_abandon(disk);
	return open_all(false, 0);
}

static void end(void)
{
	holonfs_abandon(fs);
	vdisk_abandon(disk);
	fs = NULL;
	disk = NULL;
}

static void print_finding(void *context, const char *text)
{
	(void)context;
	printf("# %s\n", text);
}

static bool is_sound(void)
{
	struct holonfs_report report = {.finding = print_finding, .unpack = true};
	int status = holonfs_check(fs, false, &report);
	return status == 0 && !report.damaged && !report.different;
}

static uint64_t create(uint64_t directory, const char *name, uint32_t mode)
{
	struct holonfs_attributes made;
	return holonfs_create(fs, directory, name, mode, 022, 5, 6, 0, &made) == 0 ? made.inode : 0;
}

static bool exists(uint64_t directory, const char *name, uint64_t inode)
{
	struct holonfs_attributes found;
	return holonfs_lookup(fs, directory, name, &found) == 0 && (!inode || found.inode == inode);
}

static void test_names(void)
{
	struct holonfs_attributes attributes;
	char longest[HOLONFS_NAME_MAX + 2];
	memset(longest, 'n', sizeof(longest));
	longest[HOLONFS_NAME_MAX] = 0;
	make(1u << 18);
	uint64_t a = create(HOLONFS_ROOT, "a", 0040777);
	uint64_t b = create(a, "b", 0040777);
	uint64_t f = create(b, "f", 0100666);
	check("create applies the umask", holonfs_get(fs, f, &attributes) == 0 &&
	                                      attributes.mode == 0100644 && attributes.uid == 5 &&
	                                      attributes.gid == 6);
	check("a name is taken once", !create(a, "b", 0100644));
	check("names of 255 bytes", create(a, longest, 0100644) && exists(a, longest, 0));
	longest[HOLONFS_NAME_MAX] = 'n';
	longest[HOLONFS_NAME_MAX + 1] = 0;
	check("names of 256 bytes, empty ones, dots and slashes are refused",
	      holonfs_create(fs, a, longest, 0100644, 0, 0, 0, 0, &attributes) == -ENAMETOOLONG &&
	          !create(a, "", 0100644) && !create(a, "..", 0100644) && !create(a, "x/y", 0100644));
	check("hard links", holonfs_link(fs, f, a, "g", &attributes) == 0 && attributes.links == 2 &&
	                        holonfs_link(fs, a, b, "loop", &attributes) == -EPERM);
	check("a directory does not go below itself",
	      holonfs_rename(fs, HOLONFS_ROOT, "a", b, "x", 0) == -EINVAL);
	check("rename replaces", holonfs_rename(fs, b, "f", a, "g", 0) == 0 && exists(b, "f", f));
	uint64_t h = create(a, "h", 0100600);
	check("rename of different files", holonfs_rename(fs, a, "h", b, "f", 0) == 0 && exists(b, "f", h) &&
	                                       !exists(a, "h", 0) && holonfs_get(fs, f, &attributes) == 0 &&
	                                       attributes.links == 1);
	check("exclusive rename", holonfs_rename(fs, b, "f", a, "g", HOLONFS_RENAME_EXCLUSIVE) == -EEXIST);
	check("exchange", holonfs_rename(fs, HOLONFS_ROOT, "a", b, "f", HOLONFS_RENAME_EXCHANGE) == -EINVAL &&
	                      holonfs_rename(fs, a, "g", b, "f", HOLONFS_RENAME_EXCHANGE) == 0 &&
	                      exists(a, "g", h) && exists(b, "f", f));
	check("whiteout", holonfs_rename(fs, a, "g", a, "moved", HOLONFS_RENAME_WHITEOUT) == 0 &&
	                      holonfs_lookup(fs, a, "g", &attributes) == 0 && attributes.mode == 0020000);
	check("removing", holonfs_rmdir(fs, HOLONFS_ROOT, "a") == -ENOTEMPTY &&
	                      holonfs_unlink(fs, a, "b") == -EISDIR &&
	                      holonfs_rmdir(fs, b, "f") == -ENOTDIR && holonfs_unlink(fs, b, "f") == 0 &&
	                      holonfs_get(fs, f, &attributes) == -ESTALE && holonfs_rmdir(fs, a, "b") == 0);
	char target[HOLONFS_SYMLINK_MAX + 1];
	char got[HOLONFS_SYMLINK_MAX + 1];
	memset(target, 't', HOLONFS_SYMLINK_MAX);
	target[HOLONFS_SYMLINK_MAX] = 0;
	check("symbolic links of 4,095 bytes",
	      holonfs_symlink(fs, a, "link", target, 0, 0, &attributes) == 0 &&
	          holonfs_read_link(fs, attributes.inode, got, sizeof(got)) == HOLONFS_SYMLINK_MAX &&
	          memcmp(got, target, HOLONFS_SYMLINK_MAX) == 0);
	check("set-group directories hand their group on",
	      (b = create(a, "s", 0042777)) &&
	          holonfs_set(fs, b, HOLONFS_SET_MODE | HOLONFS_SET_GID,
	                      &(struct holonfs_attributes){.mode = 02777, .gid = 77}, &attributes) == 0 &&
	          (f = create(b, "below", 0040755)) && holonfs_get(fs, f, &attributes) == 0 &&
	          attributes.gid == 77 && (attributes.mode & 02000));
	check("all of it is sound", is_sound() && holonfs_sync(fs) == 0 && crash() && is_sound());
	end();
}

static void test_open_unlinked(void)
{
	struct holonfs_attributes attributes;
	char byte = 0;
	make(1u << 18);
	uint64_t f = create(HOLONFS_ROOT, "f", 0100644);
	holonfs_write(fs, f, 0, "x", 1);
	holonfs_use(fs, f);
	check("a file without a name lives while it is used", holonfs_unlink(fs, HOLONFS_ROOT, "f") == 0 &&
	                                                          holonfs_read(fs, f, 0, &byte, 1) == 1 &&
	                                                          byte == 'x' && is_sound());
	holonfs_sync(fs);
	crash();
	check("and is deleted by the next mount", holonfs_get(fs, f, &attributes) == -ESTALE && is_sound());
	check("a file made without a name",
	      holonfs_create_unnamed(fs, HOLONFS_ROOT, 0644, 0, 0, 0, &attributes) == 0);
	holonfs_use(fs, attributes.inode);
	f = attributes.inode;
	check("may get one", holonfs_link(fs, f, HOLONFS_ROOT, "named", &attributes) == 0 &&
	                         attributes.links == 1 && holonfs_forget(fs, f, 1) == 0 &&
	                         exists(HOLONFS_ROOT, "named", f) && is_sound());
	end();
}

/* ---- Large directories ---- */

static void test_large_directory(unsigned count)
{
	struct holonfs_entry entry;
	char name[32];
	bool good = make(1u << 20);
	for (unsigned i = 0; good && i < count; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		good = create(HOLONFS_ROOT, name, 0100644) != 0 && holonfs_relieve(fs) == 0;
	}
	uint8_t *seen = calloc(1, count);
	uint64_t cookie = 0;
	unsigned total = 0;
	int found = 0;
	for (; good && (found = holonfs_list(fs, HOLONFS_ROOT, cookie, &entry)) > 0; total++) {
		unsigned number = (unsigned)strtoul(entry.name + 5, NULL, 10);
		good = number < count && !seen[number]++;
		cookie = entry.cookie;
		/* Every tenth entry goes while the directory is read: the rest is still given once each. */
		if (good && number % 10 == 0)
			good = holonfs_unlink(fs, HOLONFS_ROOT, entry.name) == 0 && holonfs_relieve(fs) == 0;
	}
	snprintf(name, sizeof(name), "a directory of %u", count);
	check(name, good && found == 0 && total == count && is_sound());
	free(seen);
	end();
}

/* ---- Contents against a model ---- */

#define FILE_BYTES 400000u

static uint8_t wanted[2][FILE_BYTES], saved[2][FILE_BYTES];
static uint64_t sizes[2], saved_sizes[2];

static bool same_contents(const uint64_t *inodes)
{
	static uint8_t got[FILE_BYTES];
	struct holonfs_attributes attributes;
	for (unsigned i = 0; i < 2; i++)
		if (holonfs_get(fs, inodes[i], &attributes) < 0 || attributes.size != sizes[i] ||
		    holonfs_read(fs, inodes[i], 0, got, FILE_BYTES) != (int64_t)sizes[i] ||
		    memcmp(got, wanted[i], sizes[i]) != 0)
			return false;
	return true;
}

static bool write_some(uint64_t inode, unsigned which)
{
	static uint8_t data[70000];
	uint32_t size = 1 + (draw(4) ? draw(5000) : draw(sizeof(data) - 1));
	uint32_t offset = draw(2) ? draw(FILE_BYTES - size)
	                          : (uint32_t)(sizes[which] < FILE_BYTES - size ? sizes[which] : 0);
	bool compressible = draw(2);
	for (uint32_t i = 0; i < size; i++)
		data[i] = compressible && i % 64 ? (uint8_t)(i / 64) : (uint8_t)draw(256);
	memcpy(wanted[which] + offset, data, size);
	if (offset + size > sizes[which])
		sizes[which] = offset + size;
	return holonfs_write(fs, inode, offset, data, size) == size;
}

static bool truncate_some(uint64_t inode, unsigned which)
{
	uint32_t size = draw(5) ? draw(FILE_BYTES) : draw(2000);
	if (size < sizes[which])
		memset(wanted[which] + size, 0, sizes[which] - size);
	sizes[which] = size;
	return holonfs_truncate(fs, inode, size) == 0;
}

static bool allocate_some(uint64_t inode, unsigned which)
{
	uint32_t size = 1 + draw(50000);
	uint32_t offset = draw(FILE_BYTES - size);
	uint32_t end_ = offset + size;
	switch (draw(5)) {
	case 0:
		if (end_ > sizes[which])
			sizes[which] = end_;
		return holonfs_allocate(fs, inode, 0, offset, size) == 0;
	case 1:
		if (offset < sizes[which])
			memset(wanted[which] + offset, 0,
			       (end_ < sizes[which] ? end_ : sizes[which]) - offset);
		return holonfs_allocate(fs, inode, HOLONFS_ALLOCATE_PUNCH | HOLONFS_ALLOCATE_KEEP_SIZE,
		                        offset, size) == 0;
	case 2:
		memset(wanted[which] + offset, 0, size);
		if (end_ > sizes[which])
			sizes[which] = end_;
		return holonfs_allocate(fs, inode, HOLONFS_ALLOCATE_ZERO, offset, size) == 0;
	case 3:
		offset = offset / 4096 * 4096;
		size = (1 + draw(5)) * 4096;
		if (offset + size >= sizes[which])
			return true;
		memmove(wanted[which] + offset, wanted[which] + offset + size, sizes[which] - offset - size);
		memset(wanted[which] + sizes[which] - size, 0, size);
		sizes[which] -= size;
		return holonfs_allocate(fs, inode, HOLONFS_ALLOCATE_COLLAPSE, offset, size) == 0;
	default:
		offset = offset / 4096 * 4096;
		size = (1 + draw(5)) * 4096;
		if (offset >= sizes[which] || sizes[which] + size > FILE_BYTES)
			return true;
		memmove(wanted[which] + offset + size, wanted[which] + offset, sizes[which] - offset);
		memset(wanted[which] + offset, 0, size);
		sizes[which] += size;
		return holonfs_allocate(fs, inode, HOLONFS_ALLOCATE_INSERT, offset, size) == 0;
	}
}

static bool share_some(const uint64_t *inodes)
{
	unsigned from = draw(2);
	uint32_t from_offset = draw(60) * 4096;
	uint32_t to_offset = draw(60) * 4096;
	uint32_t size = (1 + draw(30)) * 4096;
	if (from_offset + size > sizes[from])
		return true;
	memcpy(wanted[!from] + to_offset, wanted[from] + from_offset, size);
	if (to_offset + size > sizes[!from])
		sizes[!from] = to_offset + size;
	return holonfs_share(fs, inodes[from], from_offset, inodes[!from], to_offset, size) == size;
}

static bool compress(uint64_t inode)
{
	struct holonfs_attributes set = {.flags = HOLONFS_FLAG_COMPRESS};
	return holonfs_set(fs, inode, HOLONFS_SET_FLAGS, &set, &set) == 0;
}

static void test_contents(unsigned rounds, bool compressed)
{
	uint64_t inodes[2];
	bool good = make(1u << 18);
	inodes[0] = create(HOLONFS_ROOT, "one", 0100644);
	inodes[1] = create(HOLONFS_ROOT, "two", 0100644);
	good = good && (!compressed || (compress(inodes[0]) && compress(inodes[1])));
	memset(wanted, 0, sizeof(wanted));
	sizes[0] = sizes[1] = saved_sizes[0] = saved_sizes[1] = 0;
	good = good && holonfs_sync(fs) == 0;
	memcpy(saved, wanted, sizeof(saved));
	for (unsigned round = 0; good && round < rounds; round++) {
		unsigned which = draw(2);
		uint32_t what = draw(100);
		if (what < 50)
			good = write_some(inodes[which], which);
		else if (what < 60)
			good = truncate_some(inodes[which], which);
		else if (what < 80)
			good = allocate_some(inodes[which], which);
		else if (what < 88)
			good = share_some(inodes);
		else if (what < 95) {
			good = holonfs_sync(fs) == 0;
			memcpy(saved, wanted, sizeof(saved));
			memcpy(saved_sizes, sizes, sizeof(sizes));
		} else if (what < 97) {
			good = crash();
			memcpy(wanted, saved, sizeof(saved));
			memcpy(sizes, saved_sizes, sizeof(sizes));
			for (unsigned i = 0; i < 2; i++)
				memset(wanted[i] + sizes[i], 0, FILE_BYTES - sizes[i]);
		}
		if (good && what >= 90)
			good = same_contents(inodes) && is_sound();
		if (!good)
			printf("# round %u kind %u\n", round, what);
	}
	check(compressed ? "compressed random contents equal the model, with holes, sharing and crashes"
	                 : "random contents equal the model, with holes, sharing and crashes",
	      good && same_contents(inodes) && is_sound());
	check("holes are found",
	      holonfs_truncate(fs, inodes[0], 0) == 0 && holonfs_truncate(fs, inodes[0], 1u << 20) == 0 &&
	          holonfs_write(fs, inodes[0], 500000, "x", 1) == 1 &&
	          holonfs_seek(fs, inodes[0], 0, false) == 500000 / 4096 * 4096 &&
	          holonfs_seek(fs, inodes[0], 500000, true) == (500000 / 4096 + 1) * 4096 &&
	          holonfs_seek(fs, inodes[0], 600000, false) == -ENXIO);
	check("files of 16 TB", holonfs_write(fs, inodes[0], HOLONFS_SIZE_MAX - 3, "end", 3) == 3 &&
	                            holonfs_write(fs, inodes[0], HOLONFS_SIZE_MAX - 2, "end", 3) == -EFBIG &&
	                            is_sound());
	end();
}

/* ---- Compression ---- */

#define PACKED_BYTES (1u << 20)

static struct holonfs_report packed_report(void)
{
	struct holonfs_report report = {.finding = print_finding, .unpack = true};
	if (holonfs_check(fs, false, &report) < 0)
		report.damaged++;
	return report;
}

/* Lines that have something in common, as a log has. */
static void fill_text(uint8_t *text, size_t size)
{
	for (size_t at = 0; at < size; at += 64) {
		char line[65];
		snprintf(line, sizeof(line), "%08u something happened to object %08x, which is well %9u\n",
		         (unsigned)(at / 64), draw(1u << 30), draw(1000));
		memcpy(text + at, line, 64);
	}
}

static bool reads_as(uint64_t inode, const uint8_t *data, size_t size)
{
	static uint8_t got[PACKED_BYTES];
	return holonfs_read(fs, inode, 0, got, size) == (int64_t)size && memcmp(got, data, size) == 0;
}

static void test_compression(void)
{
	static uint8_t text[PACKED_BYTES];
	static uint8_t noise[PACKED_BYTES];
	struct holonfs_statistics before;
	struct holonfs_statistics after;
	struct holonfs_attributes attributes;
	fill_text(text, sizeof(text));
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)draw(256);
	make(1u << 18);
	check("a file system without compressed contents is of version 1", fs->super.version == 1);
	uint64_t d = create(HOLONFS_ROOT, "d", 0040755);
	bool good = compress(d);
	uint64_t f = create(d, "text", 0100644);
	holonfs_get_statistics(fs, &before);
	good = good && holonfs_write(fs, f, 0, text, sizeof(text)) == sizeof(text);
	holonfs_get_statistics(fs, &after);
	struct holonfs_report report = packed_report();
	check("text takes less room, in a directory that compresses",
	      good && reads_as(f, text, sizeof(text)) &&
	          before.blocks_free - after.blocks_free < PACKED_BYTES / HOLONFS_BLOCK * 3 / 4 &&
	          report.packed_blocks == PACKED_BYTES / HOLONFS_BLOCK &&
	          report.stored_blocks < report.packed_blocks * 3 / 4 && !report.damaged &&
	          !report.different);
	check("st_blocks is of the contents",
	      holonfs_get(fs, f, &attributes) == 0 && attributes.blocks == PACKED_BYTES / HOLONFS_BLOCK);
	check("and it is of version 2 now", fs->super.version == 2 && fs->super.features == FEATURE_LZ4);
	f = create(d, "noise", 0100644);
	good = holonfs_write(fs, f, 0, noise, sizeof(noise)) == sizeof(noise);
	report = packed_report();
	check("what does not compress is stored as it is",
	      good && reads_as(f, noise, sizeof(noise)) &&
	          report.packed_blocks == PACKED_BYTES / HOLONFS_BLOCK);
	f = create(d, "pieces", 0100644);
	for (size_t at = 0; good && at < sizeof(text);) {
		size_t part = 1 + draw(9000);
		part = part < sizeof(text) - at ? part : sizeof(text) - at;
		good = holonfs_write(fs, f, at, text + at, part) == (int64_t)part;
		at += part;
	}
	report = packed_report();
	check("what is appended in pieces is compressed when it fills a run",
	      good && reads_as(f, text, sizeof(text)) &&
	          report.packed_blocks == 2 * (PACKED_BYTES / HOLONFS_BLOCK));
	/* Every block of the file is written again, one here and one there, then cut from both ends. */
	for (unsigned i = 0; good && i < PACKED_BYTES / HOLONFS_BLOCK; i++) {
		unsigned block = i * 37 % (PACKED_BYTES / HOLONFS_BLOCK);
		memcpy(text + block * HOLONFS_BLOCK, noise + block * HOLONFS_BLOCK, HOLONFS_BLOCK);
		good = holonfs_write(fs, f, block * HOLONFS_BLOCK, noise + block * HOLONFS_BLOCK,
		                     HOLONFS_BLOCK) == HOLONFS_BLOCK;
		if (i % 50 == 0)
			good = good && reads_as(f, text, sizeof(text)) && is_sound();
	}
	report = packed_report();
	check("blocks that are written again leave their run, which goes with the last",
	      good && reads_as(f, text, sizeof(text)) && is_sound() &&
	          report.packed_blocks == PACKED_BYTES / HOLONFS_BLOCK);
	check("all of it is there after a crash",
	      holonfs_sync(fs) == 0 && crash() && reads_as(f, text, sizeof(text)) && is_sound());
	holonfs_get_statistics(fs, &before);
	check("and gives its room back",
	      holonfs_unlink(fs, d, "pieces") == 0 && holonfs_unlink(fs, d, "noise") == 0 &&
	          holonfs_unlink(fs, d, "text") == 0 && is_sound() && packed_report().packed_blocks == 0);
	end();
}

/* What is on the disk says: the method, the lengths. Each is bounded before anything is unpacked. */
static void test_hostile_compression(void)
{
	static uint8_t text[PACK_BLOCKS * HOLONFS_BLOCK];
	static const uint8_t rubbish[HOLONFS_BLOCK] = {0xff, 0xff, 0xff, 0xff};
	static uint8_t got[sizeof(text)];
	struct extent extent = {.total = 0};
	struct item item;
	fill_text(text, sizeof(text));
	make(1u << 18);
	compress(HOLONFS_ROOT);
	uint64_t f = create(HOLONFS_ROOT, "f", 0100644);
	bool good = holonfs_write(fs, f, 0, text, sizeof(text)) == sizeof(text) &&
	            item_find(fs, make_key(f, ITEM_EXTENT, 0), &item) == 1 &&
	            extent_load(fs, &item, &extent) == 0 && extent.total == PACK_BLOCKS;
	struct extent unknown = extent;
	unknown.disk.flags = 8;
	good = good && item_put(fs, make_key(f, ITEM_EXTENT, 0), &unknown, sizeof(unknown)) == 0;
	check("contents of an unknown kind are refused as such",
	      good && holonfs_read(fs, f, 0, got, sizeof(got)) == -EPROTONOSUPPORT &&
	          packed_report().damaged == 1);
	struct extent wrong[] = {extent, extent, extent, extent, extent, extent};
	wrong[0].total = PACK_BLOCKS + 1;
	wrong[1].first = 1;
	wrong[2].bytes = PACK_BLOCKS * HOLONFS_BLOCK;
	wrong[3].bytes = 0;
	wrong[4].disk.flags |= EXTENT_UNWRITTEN;
	wrong[5].disk.block = fs->super.blocks - 1;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		good = good && item_put(fs, make_key(f, ITEM_EXTENT, 0), &wrong[i], sizeof(extent)) == 0 &&
		       holonfs_read(fs, f, 0, got, sizeof(got)) == -EUCLEAN;
	check("lengths that cannot be are damage", good);
	good = item_put(fs, make_key(f, ITEM_EXTENT, 0), &extent, sizeof(extent)) == 0 &&
	       holonfs_read(fs, f, 0, got, sizeof(got)) == sizeof(got) &&
	       fs->store.write(fs->store.context, extent.disk.block, 1, rubbish) == 0;
	check("what does not unpack is damage, and the check finds it",
	      good && holonfs_read(fs, f, 0, got, sizeof(got)) == -EUCLEAN && packed_report().damaged == 1);
	fs->super.features = 1u << 20;
	fs->super_dirty = true;
	struct store store = store_vdisk(disk);
	struct holonfs *other;
	check("a feature that is not known is not mounted",
	      holonfs_sync(fs) == 0 && holonfs_mount(&other, &store, tick, 0) == -EPROTONOSUPPORT);
	end();
}

/* ---- Attributes ---- */

static void test_xattrs(void)
{
	static uint8_t value[HOLONFS_XATTR_MAX];
	static uint8_t got[HOLONFS_XATTR_MAX];
	char name[40];
	struct holonfs_attributes attributes;
	make(1u << 18);
	uint64_t f = create(HOLONFS_ROOT, "f", 0100644);
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)draw(256);
	bool good = true;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user.%u", i);
		good = good && holonfs_xattr_set(fs, f, name, value, i * 100, 0) == 0;
	}
	check("a hundred attributes", good && holonfs_xattr_list(fs, f, NULL, 0) == 10 * 7 + 90 * 8);
	check("a value of 64 KiB",
	      holonfs_xattr_set(fs, f, "user.5", value, sizeof(value), 2) == 0 &&
	          holonfs_xattr_get(fs, f, "user.5", got, sizeof(got)) == sizeof(value) &&
	          memcmp(got, value, sizeof(value)) == 0);
	check("replaced by a short one", holonfs_xattr_set(fs, f, "user.5", "s", 1, 0) == 0 &&
	                                     holonfs_xattr_get(fs, f, "user.5", got, sizeof(got)) == 1);
	check("too large, there already, not there",
	      holonfs_xattr_set(fs, f, "user.x", value, sizeof(value) + 1, 0) == -E2BIG &&
	          holonfs_xattr_set(fs, f, "user.5", "", 0, 1) == -EEXIST &&
	          holonfs_xattr_set(fs, f, "user.new", "", 0, 2) == -ENODATA &&
	          holonfs_xattr_get(fs, f, "user.99", got, 10) == -ERANGE &&
	          holonfs_xattr_remove(fs, f, "user.none") == -ENODATA);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user.%u", i);
		good = good && holonfs_xattr_remove(fs, f, name) == 0;
	}
	check("removed again", good && holonfs_xattr_list(fs, f, NULL, 0) == 0 && is_sound());
	struct __attribute__((packed)) {
		uint32_t version;
		struct {
			uint16_t tag, permissions;
			uint32_t id;
		} entries[5];
	} acl = {2, {{1, 7, 0}, {2, 6, 1000}, {4, 5, 0}, {16, 7, 0}, {32, 0, 0}}};
	uint64_t d = create(HOLONFS_ROOT, "d", 0040755);
	check("a default ACL is inherited and cut by the mode",
	      holonfs_xattr_set(fs, d, "system.posix_acl_default", &acl, sizeof(acl), 0) == 0 &&
	          (f = create(d, "f", 0100666)) && holonfs_get(fs, f, &attributes) == 0 &&
	          attributes.mode == 0100660 &&
	          holonfs_xattr_get(fs, f, "system.posix_acl_access", got, sizeof(got)) == sizeof(acl));
	check("the access ACL follows the mode",
	      holonfs_set(fs, f, HOLONFS_SET_MODE, &(struct holonfs_attributes){.mode = 0640}, &attributes) ==
	              0 &&
	          holonfs_xattr_get(fs, f, "system.posix_acl_access", got, sizeof(got)) == sizeof(acl) &&
	          got[30] == 4);
	end();
}

/* ---- Full, quotas, trees ---- */

static void test_full(void)
{
	static uint8_t data[65536];
	struct holonfs_attributes attributes;
	make(2000);
	uint64_t f = create(HOLONFS_ROOT, "f", 0100644);
	uint64_t offset = 0;
	int64_t status;
	while ((status = holonfs_write(fs, f, offset, data, sizeof(data))) > 0) {
		offset += (uint64_t)status;
		holonfs_relieve(fs);
	}
	check("a full file system says so", status == -ENOSPC && offset > 1900u * 4096 - 300000);
	check("what is there stays", is_sound() && holonfs_sync(fs) == 0 &&
	                                 holonfs_get(fs, f, &attributes) == 0 && attributes.size == offset);
	check("deleting works when full", holonfs_unlink(fs, HOLONFS_ROOT, "f") == 0 && is_sound());
	f = create(HOLONFS_ROOT, "f", 0100644);
	check("reserving all of it leaves room for names",
	      holonfs_allocate(fs, f, 0, 0, 2000 * HOLONFS_BLOCK) == -ENOSPC && is_sound() &&
	          blocks_free_count(fs) > OPERATION_BLOCKS - 4 && holonfs_truncate(fs, f, 0) == 0 &&
	          is_sound());
	uint64_t d = create(HOLONFS_ROOT, "d", 0040755);
	check("a quota on a subtree", holonfs_set_quota(fs, d, 10, 3) == 0);
	uint64_t e = create(d, "e", 0040755);
	f = create(e, "f", 0100644);
	check("counts inodes", holonfs_create(fs, e, "g", 0100644, 0, 0, 0, 0, &attributes) == -EDQUOT);
	check("and blocks", holonfs_write(fs, f, 0, data, 40960) == 40960 &&
	                        holonfs_write(fs, f, 40960, data, 4096) == -EDQUOT);
	check("gives them back",
	      holonfs_truncate(fs, f, 0) == 0 && holonfs_write(fs, f, 0, data, 40960) == 40960);
	check("and keeps directories in",
	      holonfs_rename(fs, d, "e", HOLONFS_ROOT, "out", 0) == -EXDEV && is_sound());
	end();
}

/* A tree of FILES files, DEEP directories one in the other, with names from outside. */
static bool plant(uint64_t top, unsigned files, unsigned deep)
{
	static const uint8_t block[HOLONFS_BLOCK] = {1};
	char name[16];
	uint64_t directory = top;
	for (unsigned level = 0; level < deep; level++) {
		for (unsigned i = 0; i < files / deep; i++) {
			snprintf(name, sizeof(name), "f%u", i);
			uint64_t f = create(directory, name, 0100644);
			if (!f || holonfs_write(fs, f, 0, block, sizeof(block)) != sizeof(block))
				return false;
		}
		directory = level + 1 < deep ? create(directory, "d", 0040755) : directory;
		if (!directory)
			return false;
	}
	return true;
}

static bool count_on(void)
{
	int status;
	while ((status = holonfs_continue(fs)) > 0)
		if (holonfs_relieve(fs) < 0)
			return false;
	return status == 0;
}

static void test_late_quota(void)
{
	static const uint8_t block[HOLONFS_BLOCK] = {1};
	uint64_t limits[2];
	uint64_t used[2];
	struct holonfs_attributes attributes;
	make(1u << 18);
	uint64_t d = create(HOLONFS_ROOT, "d", 0040755);
	bool good = plant(d, 300, 10) && holonfs_sync(fs) == 0;
	check("a quota on a directory that is not empty is there at once",
	      good && holonfs_set_quota(fs, d, 305, 1000) == 0 &&
	          holonfs_get_quota(fs, d, limits, used) == 1 && used[1] == 1 && fs->super.version == 2 &&
	          is_sound());
	for (unsigned i = 0; i < 5; i++)
		good = good && holonfs_continue(fs) == 1;
	check("counts step by step", good && holonfs_get_quota(fs, d, limits, used) == 1 && used[1] > 10 &&
	                                 used[1] < 300 && is_sound());
	/* The last directory is not charged yet; the first one is. */
	uint64_t last = d;
	while (holonfs_lookup(fs, last, "d", &attributes) == 0)
		last = attributes.inode;
	check("keeps names where they are meanwhile",
	      holonfs_rename(fs, last, "f0", d, "moved", 0) == -EXDEV &&
	          holonfs_rename(fs, d, "f29", HOLONFS_ROOT, "out", 0) == -EXDEV);
	uint64_t f = create(HOLONFS_ROOT, "outside", 0100644);
	check("takes in what is renamed in its directories, in front of where it counts",
	      f && holonfs_rename(fs, HOLONFS_ROOT, "outside", last, "in", 0) == 0 &&
	          holonfs_rename(fs, d, "d", d, "e", 0) == 0 && is_sound());
	good = holonfs_sync(fs) == 0;
	for (unsigned i = 0; i < 20; i++)
		good = good && holonfs_continue(fs) == 1;
	good = good && crash() && is_sound();
	check("goes on after a crash, and is exact in the end",
	      good && count_on() && holonfs_get_quota(fs, d, limits, used) == 1 && used[0] == 300 &&
	          used[1] == 1 + 9 + 300 + 1 && fs->super.version == 1 && is_sound());
	f = create(last, "more", 0100644);
	check("and limits", holonfs_write(fs, f, 0, block, sizeof(block)) == sizeof(block) &&
	                        holonfs_write(fs, f, 8192, block, sizeof(block)) == sizeof(block) &&
	                        holonfs_write(fs, f, 16384, block, sizeof(block)) == sizeof(block) &&
	                        holonfs_write(fs, f, 24576, block, sizeof(block)) == sizeof(block) &&
	                        holonfs_write(fs, f, 32768, block, sizeof(block)) == sizeof(block) &&
	                        holonfs_write(fs, f, 40960, block, sizeof(block)) == -EDQUOT);
	check("more than the limit allows can be there, and nothing is added",
	      holonfs_set_quota(fs, d, 5, 0) == 0 &&
	          holonfs_write(fs, f, 1u << 20, block, sizeof(block)) == -EDQUOT &&
	          holonfs_unlink(fs, last, "more") == 0 && is_sound());
	uint64_t outer = create(HOLONFS_ROOT, "outer", 0040755);
	good = plant(outer, 20, 2) && holonfs_lookup(fs, outer, "d", &attributes) == 0 &&
	       holonfs_set_quota(fs, attributes.inode, 100, 100) == 0 && count_on() &&
	       holonfs_set_quota(fs, outer, 100, 100) == 0 && count_on();
	check("a quota below keeps what it has",
	      good && holonfs_get_quota(fs, outer, limits, used) == 1 && used[1] == 11 && used[0] == 10 &&
	          holonfs_get_quota(fs, attributes.inode, limits, used) == 1 && used[1] == 11 && is_sound());
	check("a directory may go while it is counted",
	      (d = create(HOLONFS_ROOT, "gone", 0040755)) && create(d, "f", 0100644) &&
	          holonfs_set_quota(fs, d, 1, 1) == 0 && holonfs_unlink(fs, d, "f") == 0 &&
	          holonfs_rmdir(fs, HOLONFS_ROOT, "gone") == 0 && is_sound() && count_on() && is_sound());
	end();
}

#define TREE_NAMES 12u

/* A tree of files whose contents are their own name's seed, driven at random, compared after each crash by
 * walking both. */
struct model_node {
	uint64_t parent, inode; /* inode 0: not there */
	char name[8];
	bool directory;
};

#define MODEL_NODES 400u
static struct model_node nodes[MODEL_NODES], saved_nodes[MODEL_NODES];

static struct model_node *model_find(uint64_t parent, const char *name)
{
	for (unsigned i = 0; i < MODEL_NODES; i++)
		if (nodes[i].inode && nodes[i].parent == parent && !strcmp(nodes[i].name, name))
			return &nodes[i];
	return NULL;
}

static bool model_empty(uint64_t directory)
{
	for (unsigned i = 0; i < MODEL_NODES; i++)
		if (nodes[i].inode && nodes[i].parent == directory)
			return false;
	return true;
}

static uint64_t random_directory(void)
{
	for (unsigned tries = 0; tries < 20; tries++) {
		const struct model_node *node = &nodes[draw(MODEL_NODES)];
		if (node->inode && node->directory)
			return node->inode;
	}
	return HOLONFS_ROOT;
}

static bool model_above(uint64_t above, uint64_t directory)
{
	while (directory != HOLONFS_ROOT) {
		if (directory == above)
			return true;
		for (unsigned i = 0; i < MODEL_NODES; i++)
			if (nodes[i].inode == directory) {
				directory = nodes[i].parent;
				break;
			}
	}
	return false;
}

static bool tree_step(void)
{
	uint64_t from = random_directory();
	uint64_t to = random_directory();
	char name[8];
	char other[8];
	snprintf(name, sizeof(name), "n%u", draw(TREE_NAMES));
	snprintf(other, sizeof(other), "n%u", draw(TREE_NAMES));
	struct model_node *node = model_find(from, name);
	uint32_t what = draw(10);
	if (what < 4) {
		bool directory = draw(3) == 0;
		struct model_node *room = NULL;
		for (unsigned i = 0; i < MODEL_NODES && !room; i++)
			room = nodes[i].inode ? NULL : &nodes[i];
		if (!room)
			return true;
		uint64_t made = create(from, name, directory ? 0040755 : 0100644);
		if (node)
			return !made;
		*room = (struct model_node){.parent = from, .inode = made, .directory = directory};
		memcpy(room->name, name, sizeof(name));
		return made && (directory || holonfs_write(fs, made, 0, &made, sizeof(made)) == sizeof(made));
	}
	if (what < 6) {
		int status = draw(2) ? holonfs_unlink(fs, from, name) : holonfs_rmdir(fs, from, name);
		bool removed = status == 0;
		if (!node)
			return status == -ENOENT;
		if (removed && node->directory && !model_empty(node->inode))
			return false;
		if (removed)
			node->inode = 0;
		return true;
	}
	struct model_node *target = model_find(to, other);
	uint32_t flags = draw(3) == 0 ? HOLONFS_RENAME_EXCHANGE : draw(3) == 0 ? HOLONFS_RENAME_EXCLUSIVE : 0;
	int status = holonfs_rename(fs, from, name, to, other, flags);
	if (!node)
		return status == -ENOENT;
	bool loops = (node->directory && model_above(node->inode, to)) ||
	             (flags == HOLONFS_RENAME_EXCHANGE && target && target->directory &&
	              model_above(target->inode, from));
	if (status < 0)
		return loops ||
		       (target &&
		        (flags == HOLONFS_RENAME_EXCLUSIVE || target->directory != node->directory ||
		         (target->directory && !model_empty(target->inode)))) ||
		       (!target && flags == HOLONFS_RENAME_EXCHANGE);
	if (loops)
		return false;
	if (target == node)
		return true;
	if (flags == HOLONFS_RENAME_EXCHANGE) {
		uint64_t inode = node->inode;
		bool directory = node->directory;
		node->inode = target->inode;
		node->directory = target->directory;
		target->inode = inode;
		target->directory = directory;
		return true;
	}
	if (target)
		target->inode = 0;
	node->parent = to;
	memcpy(node->name, other, sizeof(other));
	return true;
}

static bool tree_matches(void)
{
	unsigned entries = 0;
	unsigned expected = 0;
	for (unsigned i = 0; i < MODEL_NODES; i++) {
		uint64_t content = 0;
		if (!nodes[i].inode)
			continue;
		expected++;
		if (!exists(nodes[i].parent, nodes[i].name, nodes[i].inode))
			return false;
		if (!nodes[i].directory &&
		    (holonfs_read(fs, nodes[i].inode, 0, &content, 8) != 8 || content != nodes[i].inode))
			return false;
	}
	for (unsigned i = 0; i <= MODEL_NODES; i++) {
		struct holonfs_entry entry;
		uint64_t directory = i == MODEL_NODES     ? HOLONFS_ROOT
		                     : nodes[i].directory ? nodes[i].inode
		                                          : 0;
		for (uint64_t cookie = 0; directory && holonfs_list(fs, directory, cookie, &entry) > 0;
		     cookie = entry.cookie)
			entries++;
	}
	return entries == expected;
}

static void test_tree(unsigned rounds)
{
	bool good = make(1u << 18);
	memset(nodes, 0, sizeof(nodes));
	memset(saved_nodes, 0, sizeof(saved_nodes));
	for (unsigned round = 0; good && round < rounds; round++) {
		good = tree_step() && holonfs_relieve(fs) == 0;
		if (good && draw(50) == 0) {
			good = holonfs_sync(fs) == 0;
			memcpy(saved_nodes, nodes, sizeof(nodes));
		}
		if (good && draw(400) == 0) {
			good = holonfs_sync(fs) == 0;
			memcpy(saved_nodes, nodes, sizeof(nodes));
			for (unsigned i = draw(30); good && i > 0; i--)
				good = tree_step();
			good = good && crash();
			memcpy(nodes, saved_nodes, sizeof(nodes));
			good = good && tree_matches() && is_sound();
		}
		if (!good)
			printf("# round %u\n", round);
	}
	check("a random tree equals its model, with crashes", good && tree_matches() && is_sound());
	end();
}

/* Damage below the store's checksums cannot be had by accident; a wrong count can, by a bug. The check finds
 * and repairs it. */
/* The device is full before the file system is. */
static void test_full_device(void)
{
	static uint8_t data[16 * HOLONFS_BLOCK];
	const size_t size = sizeof(data);
	free(device.bytes);
	leg = memory_backend(&device, 8u << 20, true);
	bool good = open_all(true, 1u << 16);
	uint64_t f = good ? create(HOLONFS_ROOT, "f", 0100644) : 0;
	for (unsigned part = 0; part < 56 && good; part++)
		good = holonfs_write(fs, f, part * size, data, size) == (int64_t)size;
	good = good && holonfs_sync(fs) == 0 && crash();
	for (unsigned round = 0; round < 2000 && good; round++)
		good = holonfs_write(fs, f, draw(56) * size, data, size) == (int64_t)size &&
		       holonfs_relieve(fs) == 0 && (round % 64 || holonfs_sync(fs) == 0);
	check("what is there is written again and synced for ever", good && is_sound());
	memset(data, 1, size);
	good = good && holonfs_sync(fs) == 0;
	for (unsigned part = 0; part < 56 && good; part += 3)
		good = holonfs_write(fs, f, part * size, data, size) == (int64_t)size;
	int64_t status = size;
	for (unsigned i = 0; i < 1000 && status == (int64_t)size; i++) {
		char name[16];
		snprintf(name, sizeof(name), "more%u", i);
		uint64_t more = create(HOLONFS_ROOT, name, 0100644);
		status = holonfs_write(fs, more, 0, data, size);
	}
	check("a full device is an error", status == -ENOSPC && holonfs_unmount(fs) == -ENOSPC);
	(void)(vdisk_close(disk) < 0);
	fs = NULL;
	disk = NULL;
	good = good && open_all(false, 0);
	check("behind which nothing is committed in part",
	      good && is_sound() && holonfs_read(fs, f, 0, data, size) == (int64_t)size && !data[0] &&
	          !exists(HOLONFS_ROOT, "more0", 0));
	end();
}

static unsigned reads_left;

static int failing_read(void *context, uint64_t block, uint64_t count, void *buffer)
{
	return reads_left-- ? vdisk_errno(vdisk_read(context, block, count, buffer)) : -EIO;
}

static int refused_discard(void *context, uint64_t block, uint64_t count)
{
	(void)context, (void)block, (void)count;
	return -ENOSPC;
}

/* A block that cannot be read, in the middle of an operation: the operation is done whole, or not at all, or it is the last. */
static void test_interrupted(void)
{
	static uint8_t value[HOLONFS_XATTR_MAX];
	unsigned ended = 0;
	bool good = make(1u << 18);
	uint64_t f = create(HOLONFS_ROOT, "f", 0100644);
	good =
	    good && holonfs_xattr_set(fs, f, "user.a", value, sizeof(value), 0) == 0 && holonfs_sync(fs) == 0;
	int status = -EIO;
	for (unsigned reads = 0; good && status < 0; reads++) {
		good = crash();
		reads_left = reads;
		fs->store.read = failing_read;
		status = holonfs_unlink(fs, HOLONFS_ROOT, "f");
		reads_left = UINT32_MAX;
		ended += fs->failed != 0;
		if (status < 0)
			good = good && (fs->failed || (is_sound() && holonfs_sync(fs) == 0)) && crash() &&
			       is_sound() && exists(HOLONFS_ROOT, "f", f);
	}
	check("no operation is committed in part when a block cannot be read", good && ended > 5);
	end();
}

static void test_refused_discard(void)
{
	static uint8_t data[64 * HOLONFS_BLOCK];
	struct vdisk_info before;
	struct vdisk_info after;
	make(1u << 18);
	uint64_t f = create(HOLONFS_ROOT, "f", 0100644);
	holonfs_write(fs, f, 0, data, sizeof(data));
	vdisk_get_info(disk, &before);
	int (*discard)(void *, uint64_t, uint64_t) = fs->store.discard;
	fs->store.discard = refused_discard;
	check("a file is deleted where the store has no room for it",
	      holonfs_unlink(fs, HOLONFS_ROOT, "f") == 0 && is_sound() && holonfs_relieve(fs) == 0);
	vdisk_get_info(disk, &after);
	check("but not what was in it", after.mapped >= before.mapped);
	fs->store.discard = discard;
	check("which goes when there is room",
	      holonfs_relieve(fs) == 0 && is_sound() && !fs->undiscarded_end);
	vdisk_get_info(disk, &after);
	check("all of it", after.mapped + 64 <= before.mapped);
	end();
}

static void test_repair(void)
{
	struct holonfs_report report = {0};
	struct inode_disk inode;
	make(1u << 18);
	uint64_t f = create(HOLONFS_ROOT, "f", 0100644);
	inode_read(fs, f, &inode);
	inode.links = 7;
	inode_write(fs, f, &inode);
	fs->super.used += 5;
	check("the check finds wrong counts",
	      holonfs_check(fs, false, &report) == 0 && report.different == 2 && !report.damaged);
	report = (struct holonfs_report){0};
	check("and repairs them",
	      holonfs_check(fs, true, &report) == 0 && report.repaired == 2 && is_sound());
	item_remove(fs, make_key(f, ITEM_INODE, 0));
	report = (struct holonfs_report){0};
	check("a name without an inode is damage, and is not touched",
	      holonfs_check(fs, true, &report) == 0 && report.damaged && !report.repaired);
	end();
}

int main(void)
{
	bool soak = getenv("HOLON_SOAK") != NULL;
	test_names();
	test_open_unlinked();
	test_large_directory(soak ? 1000000 : 20000);
	test_contents(soak ? 100000 : 2000, false);
	test_contents(soak ? 100000 : 2000, true);
	test_compression();
	test_hostile_compression();
	test_xattrs();
	test_full();
	test_full_device();
	test_interrupted();
	test_refused_discard();
	test_late_quota();
	test_tree(soak ? 500000 : 10000);
	test_repair();
	free(device.bytes);
	return failures != 0;
}
