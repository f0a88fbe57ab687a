/*
 * Fuzzes what holonfs reads: a small valid file system in memory, below which no checksum is (as a store that
 * lies), with patches from the input laid over it. Then it is mounted, walked, read, changed, checked and
 * repaired. Nothing may crash, hang, or touch memory that is not its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include "internal.h"

#define BLOCKS 256u
#include "fuzz_image.h"

static int64_t fixed_clock(void)
{
	return 1;
}

static void make_base(void)
{
	static uint8_t data[20 * HOLONFS_BLOCK];
	struct holonfs_attributes made;
	struct holonfs *fs;
	char name[40];
	if (holonfs_format(&store, "fuzz", HOLONFS_FLAG_COMPRESS, 0, 0, fixed_random, fixed_clock) < 0 ||
	    holonfs_mount(&fs, &store, fixed_clock, 0) < 0)
		abort();
	for (unsigned i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "a-name-that-takes-some-room-%u", i);
		if (holonfs_create(fs, HOLONFS_ROOT, name, i % 4 ? 0100644 : 0040755, 0, 0, 0, 0, &made) < 0)
			abort();
		if (i % 4 && holonfs_write(fs, made.inode, i * 100, data, i * 50) < 0)
			abort();
		if (holonfs_xattr_set(fs, made.inode, "user.a", data, i * 10, 0) < 0)
			abort();
	}
	/* A quota that has yet to count most of it. */
	if (holonfs_set_quota(fs, HOLONFS_ROOT, 1000, 1000) < 0 || holonfs_continue(fs) <= 0)
		abort();
	/* Two runs that are compressed, one of them in two pieces. */
	if (holonfs_create(fs, HOLONFS_ROOT, "packed", 0100644, 0, 0, 0, 0, &made) < 0 ||
	    holonfs_write(fs, made.inode, 0, data, sizeof(data)) < 0 ||
	    holonfs_write(fs, made.inode, 5000, "middle", 6) < 0)
		abort();
	if (holonfs_symlink(fs, HOLONFS_ROOT, "link", "target", 0, 0, &made) < 0 || holonfs_unmount(fs) < 0)
		abort();
	memcpy(base, image, sizeof(base));
}

static void walk(struct holonfs *fs)
{
	static uint8_t buffer[3 * HOLONFS_BLOCK];
	struct holonfs_entry entry;
	struct holonfs_attributes attributes;
	uint64_t cookie = 0;
	for (unsigned i = 0; i < 100 && holonfs_list(fs, HOLONFS_ROOT, cookie, &entry) > 0; i++) {
		cookie = entry.cookie;
		if (holonfs_lookup(fs, HOLONFS_ROOT, entry.name, &attributes) < 0)
			continue;
		(void)(holonfs_read(fs, entry.inode, 100, buffer, sizeof(buffer)) < 0);
		(void)(holonfs_read_link(fs, entry.inode, (char *)buffer, sizeof(buffer)) < 0);
		(void)(holonfs_xattr_list(fs, entry.inode, (char *)buffer, sizeof(buffer)) < 0);
		(void)(holonfs_xattr_get(fs, entry.inode, "user.a", buffer, sizeof(buffer)) < 0);
		if (i % 7 == 0)
			(void)(holonfs_write(fs, entry.inode, i * 1000, buffer, 5000) < 0);
		if (i % 7 == 1)
			(void)(holonfs_unlink(fs, HOLONFS_ROOT, entry.name) < 0);
		if (i % 7 == 2)
			(void)(holonfs_rename(fs, HOLONFS_ROOT, entry.name, HOLONFS_ROOT, "link", 0) < 0);
		if (i % 7 == 3)
			(void)(holonfs_truncate(fs, entry.inode, 10) < 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	struct holonfs_report report = {.unpack = true};
	struct holonfs *fs;
	if (!made)
		make_base();
	made = true;
	memcpy(image, base, sizeof(image));
	/* Patches: block, offset (2 bytes), length, bytes. */
	while (size > 4) {
		size_t length = data[3];
		unsigned at = (data[1] | data[2] << 8) % HOLONFS_BLOCK;
		if (length > size - 4)
			length = size - 4;
		if (length > HOLONFS_BLOCK - at)
			length = HOLONFS_BLOCK - at;
		memcpy(&image[data[0]][at], data + 4, length);
		data += 4 + length;
		size -= 4 + length;
	}
	if (holonfs_mount(&fs, &store, fixed_clock, 0) < 0)
		return 0;
	(void)(holonfs_check(fs, false, &report) < 0);
	for (unsigned i = 0; i < 20 && holonfs_continue(fs) > 0; i++)
		;
	walk(fs);
	(void)(holonfs_check(fs, true, &report) < 0);
	(void)(holonfs_unmount(fs) < 0);
	return 0;
}
