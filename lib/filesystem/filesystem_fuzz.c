/* Fuzzes file systems: small images that mkfs made, with files, directories with an index, links, attributes and a journal that
 * was not replayed, get patches from the input. Then each is mounted, walked, read and changed. Nothing may crash, hang, or touch
 * memory that is not its own; time is bounded by what the disk was asked for. -DEXT4 or not tells which. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "image.h"

#define IMAGES    3u
#define BYTES_MAX (4u << 20)
#define ASKED_MAX 400000u /* reads and writes of one input */
#define NAMES     40u

#ifdef EXT4
static const char *const commands[IMAGES] = {
    "mkfs.ext4 -q -F -b 1024 -N 256 -J size=1 -O ^metadata_csum,^64bit,^resize_inode",
    "mkfs.ext4 -q -F -b 1024 -N 256 -J size=1 -O ^metadata_csum,^64bit,^resize_inode",
    "mkfs.ext4 -q -F -b 4096 -N 256 -O ^metadata_csum,^has_journal,^extent,^64bit"};
static const uint64_t sizes[IMAGES] = {4u << 20, 4u << 20, 2u << 20};
#define UNIT  1024u
#define MOUNT ext4_mount
#else
static const char *const commands[IMAGES] = {"mkfs.fat -F 12 -s 1", "mkfs.fat -F 16 -s 1 -r 64",
                                             "mkfs.fat -F 32 -s 1 -R 2"};
static const uint64_t sizes[IMAGES] = {512u << 10, 3u << 20, 4u << 20};
#define UNIT  512u
#define MOUNT fat_mount
#endif

static uint8_t base[IMAGES][BYTES_MAX], memory[BYTES_MAX], buffer[70000];
/* Units of each image that hold anything: patches go there. */
static uint32_t units[IMAGES][BYTES_MAX / UNIT], unit_count[IMAGES];
static const struct filesystem_options options = {
    .now_ns = image_now, .cache_bytes = 64u << 10, .file_mask = 022};

/* Files of all kinds; then it is left as it is, or unmounted. */
static void fill(struct filesystem *fs, bool leave)
{
	const struct filesystem_operations *calls = fs->operations;
	struct file_attributes directory, made;
	char name[80];
	if (calls->create(fs, fs->root, "directory", 0040755, 0, 0, 0, 0, &directory) < 0)
		return;
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "a-name-that-takes-some-room-%u", i);
		if (calls->create(fs, i % 5 ? directory.node : fs->root, name, i % 9 ? 0100644 : 0040755, 0,
		                  0, 0, 0, &made) < 0)
			break;
		if (i % 9 && i % 4 == 0)
			(void)(calls->write(fs, made.node, i % 8 ? 0 : 3000, buffer, i * 40) < 0);
		if (calls->xattr_set)
			(void)(calls->xattr_set(fs, made.node, "user.a", buffer, i * 3, 0) < 0);
	}
	(void)(calls->create(fs, fs->root, "link", 0120777, 0, 0, 0, "target", &made) < 0);
	memset(name, 't', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	(void)(calls->create(fs, fs->root, "long link", 0120777, 0, 0, 0, name, &made) < 0);
	if (calls->sync(fs, 0, false) < 0)
		abort();
	if (!leave && calls->unmount(fs) < 0)
		abort();
}

static void make(unsigned i)
{
	char path[] = "/tmp/filesystem-fuzz-XXXXXX", line[300];
	int file = mkstemp(path);
	struct image image;
	struct filesystem *fs;
	struct disk disk;
	snprintf(line, sizeof(line), "%s %s >/dev/null 2>&1", commands[i], path);
	if (file < 0 || ftruncate(file, (off_t)sizes[i]) < 0 || system(line) != 0 ||
	    pread(file, base[i], sizes[i], 0) != (ssize_t)sizes[i]) {
		fprintf(stderr, "cannot make an image: %s\n", line);
		exit(1);
	}
	close(file);
	remove(path);
	image_memory(&image, base[i], sizes[i], &disk);
	if (MOUNT(&fs, &disk, &options) < 0)
		abort();
	/* One that is left is not freed: what it has in memory is not on the disk. */
	static struct filesystem *left[IMAGES];
	left[i] = fs;
	fill(fs, i == 1);
	for (uint32_t unit = 0; unit < sizes[i] / UNIT; unit++)
		for (uint32_t at = 0; at < UNIT; at++)
			if (base[i][(uint64_t)unit * UNIT + at]) {
				units[i][unit_count[i]++] = unit;
				break;
			}
}

static void change(struct filesystem *fs, uint64_t directory, const struct filesystem_entry *entry,
                   unsigned i)
{
	const struct filesystem_operations *calls = fs->operations;
	struct file_attributes now;
	switch (i % 9) {
	case 0:
		(void)(calls->write(fs, entry->node, i * 700, buffer, 5000) < 0);
		break;
	case 1:
		(void)(calls->unlink(fs, directory, entry->name, (entry->mode & 0170000) == 0040000) < 0);
		break;
	case 2:
		(void)(calls->rename(fs, directory, entry->name, fs->root, "link", 0) < 0);
		break;
	case 3:
		(void)(calls->resize(fs, entry->node, i % 2 ? 10 : 20000) < 0);
		break;
	case 4:
		if (calls->allocate)
			(void)(calls->allocate(fs, entry->node, i % 2 ? 0 : 3, 2000, 9000) < 0);
		break;
	case 5:
		if (calls->xattr_set)
			(void)(calls->xattr_set(fs, entry->node, "user.new", buffer, i * 8, 0) < 0);
		break;
	case 6:
		(void)(calls->create(fs, directory, "a name that is new here", i % 2 ? 0100644 : 0040755, 0,
		                     0, 0, 0, &now) < 0);
		break;
	default:
		break;
	}
}

static void walk(struct filesystem *fs, uint64_t directory, unsigned depth)
{
	const struct filesystem_operations *calls = fs->operations;
	static struct filesystem_entry entries[4];
	struct filesystem_entry *entry = &entries[depth];
	struct file_attributes found;
	uint64_t cookie = 0, parent;
	(void)(calls->parent(fs, directory, &parent) < 0);
	for (unsigned i = 0; i < 60 && calls->list(fs, directory, cookie, entry) == 1; i++) {
		cookie = entry->cookie;
		if (calls->lookup(fs, directory, entry->name, &found) < 0)
			continue;
		struct filesystem_entry kept = *entry;
		kept.node = found.node;
		bool used = calls->use(fs, found.node) >= 0;
		(void)(calls->read(fs, found.node, i * 100, buffer, sizeof(buffer)) < 0);
		if (calls->read_link)
			(void)(calls->read_link(fs, found.node, (char *)buffer) < 0);
		if (calls->seek)
			(void)(calls->seek(fs, found.node, 100, i & 1) < 0);
		if (calls->xattr_list) {
			(void)(calls->xattr_list(fs, found.node, (char *)buffer, sizeof(buffer)) < 0);
			(void)(calls->xattr_get(fs, found.node, "user.a", buffer, sizeof(buffer)) < 0);
		}
		if (depth < 2 && (found.mode & 0170000) == 0040000)
			walk(fs, found.node, depth + 1);
		change(fs, directory, &kept, i + depth);
		if (used)
			calls->forget(fs, found.node);
		(void)(calls->relieve(fs) < 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	struct file_statistics statistics;
	struct image image;
	struct filesystem *fs;
	struct disk disk;
	for (unsigned i = 0; i < IMAGES && !made; i++)
		make(i);
	made = true;
	if (!size)
		return 0;
	unsigned which = data[0] % IMAGES;
	memcpy(memory, base[which], sizes[which]);
	data++;
	size--;
	/* Patches: where (a unit, an offset in it), how long, bytes. */
	while (size > 5) {
		size_t length = data[4] & 63;
		uint32_t unit = units[which][(data[0] | (uint32_t)data[1] << 8) % unit_count[which]];
		uint64_t at = (uint64_t)unit * UNIT + (data[2] | (uint64_t)data[3] << 8) % UNIT;
		length = length < size - 5 ? length : size - 5;
		length = length < sizes[which] - at ? length : (size_t)(sizes[which] - at);
		memcpy(memory + at, data + 5, length);
		data += 5 + length;
		size -= 5 + length;
	}
	image_memory(&image, memory, sizes[which], &disk);
	if (MOUNT(&fs, &disk, &options) >= 0) {
		(void)(fs->operations->statistics(fs, fs->root, &statistics) < 0);
		walk(fs, fs->root, 0);
		(void)(fs->operations->sync(fs, 0, false) < 0);
		(void)(fs->operations->unmount(fs) < 0);
	}
	if (image.operations > ASKED_MAX)
		abort(); /* it took too long */
	image_close(&image);
	return 0;
}
