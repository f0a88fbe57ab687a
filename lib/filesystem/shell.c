/* Works on a file system in a file of the build host, for tests: filesystem-shell [-r] [-s SECTOR] TYPE FILE, with one
 * command a line on standard input. Each answers "ok" with what it gives, or "error N". Contents come and go as files of
 * the host. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "image.h"

#define PART (1u << 20)

static struct filesystem *fs;
static const struct filesystem_operations *calls;
static uint8_t buffer[PART];

/* The node of the directory of PATH, and its last name. */
static int walk(char *path, uint64_t *directory, const char **name)
{
	struct file_attributes found;
	*directory = fs->root;
	while (*path == '/')
		path++;
	for (char *slash; (slash = strchr(path, '/')); path = slash + 1) {
		*slash = 0;
		int result = calls->lookup(fs, *directory, path, &found);
		if (result < 0)
			return result;
		*directory = found.node;
	}
	*name = path;
	return 0;
}

static int find(const char *path, struct file_attributes *found)
{
	char copy[8192];
	uint64_t directory;
	const char *name;
	snprintf(copy, sizeof(copy), "%s", path);
	int result = walk(copy, &directory, &name);
	if (result < 0)
		return result;
	return *name ? calls->lookup(fs, directory, name, found) : calls->get(fs, directory, found);
}

static int list(const char *path)
{
	struct file_attributes found;
	struct filesystem_entry entry;
	int result = find(path, &found);
	uint64_t cookie = 0;
	while (result >= 0 && (result = calls->list(fs, found.node, cookie, &entry)) == 1) {
		printf("%o %s\n", entry.mode, entry.name);
		cookie = entry.cookie;
	}
	return result;
}

static int put(const char *path, const char *from, uint64_t offset)
{
	struct file_attributes found;
	FILE *file = fopen(from, "rb");
	int64_t result = file ? find(path, &found) : -1;
	size_t got;
	while (result >= 0 && (got = fread(buffer, 1, PART, file)) > 0) {
		result = calls->write(fs, found.node, offset, buffer, got);
		if (result >= 0 && (size_t)result < got)
			result = FILE_E_NO_SPACE;
		offset += got;
	}
	if (file)
		fclose(file);
	return result < 0 ? (int)result : 0;
}

static int get(const char *path, const char *to)
{
	struct file_attributes found;
	int64_t result = find(path, &found);
	FILE *file = fopen(to, "wb");
	for (uint64_t at = 0; file && result >= 0 && at < found.size; at += (uint64_t)result) {
		result = calls->read(fs, found.node, at, buffer, PART);
		if (result <= 0 || fwrite(buffer, 1, (size_t)result, file) != (size_t)result)
			break;
	}
	if (file)
		fclose(file);
	return result < 0 ? (int)result : file ? 0 : -1;
}

static int make(const char *path, uint32_t mode, uint64_t device, const char *target)
{
	char copy[8192];
	uint64_t directory;
	const char *name;
	struct file_attributes made;
	snprintf(copy, sizeof(copy), "%s", path);
	int result = walk(copy, &directory, &name);
	return result < 0 ? result : calls->create(fs, directory, name, mode, 0, 0, device, target, &made);
}

static int remove_name(const char *path, bool is_directory)
{
	char copy[8192];
	uint64_t directory;
	const char *name;
	snprintf(copy, sizeof(copy), "%s", path);
	int result = walk(copy, &directory, &name);
	return result < 0 ? result : calls->unlink(fs, directory, name, is_directory);
}

static int two(const char *from, const char *to, bool link, uint32_t flags)
{
	char copies[2][8192];
	uint64_t directories[2];
	const char *names[2];
	struct file_attributes found;
	snprintf(copies[0], sizeof(copies[0]), "%s", from);
	snprintf(copies[1], sizeof(copies[1]), "%s", to);
	int result = walk(copies[0], &directories[0], &names[0]);
	if (result >= 0)
		result = walk(copies[1], &directories[1], &names[1]);
	if (result < 0)
		return result;
	if (!link)
		return calls->rename(fs, directories[0], names[0], directories[1], names[1], flags);
	if (!calls->link)
		return E_RIGHTS;
	result = calls->lookup(fs, directories[0], names[0], &found);
	return result < 0 ? result : calls->link(fs, found.node, directories[1], names[1], &found);
}

static int stat_print(const char *path)
{
	struct file_attributes found;
	int result = find(path, &found);
	if (result >= 0)
		printf("%o %u %u %u %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRIx64 "\n", found.mode,
		       found.links, found.uid, found.gid, found.size, found.bytes_used, found.modified_ns,
		       found.device);
	return result;
}

static int set(const char *path, uint32_t valid, uint64_t first, uint64_t second)
{
	struct file_attributes found, wanted = {.mode = (uint32_t)first,
	                                        .uid = (uint32_t)first,
	                                        .gid = (uint32_t)second,
	                                        .modified_ns = (int64_t)first,
	                                        .accessed_ns = (int64_t)first};
	int result = find(path, &found);
	return result < 0 ? result : calls->set(fs, found.node, valid, &wanted, &found);
}

static int attribute(const char *path, const char *name, const char *value)
{
	struct file_attributes found;
	int64_t result = find(path, &found);
	if (result < 0)
		return (int)result;
	if (value && strcmp(value, "-") == 0)
		return calls->xattr_remove(fs, found.node, name);
	if (value)
		return calls->xattr_set(fs, found.node, name, value, strlen(value), 0);
	result = calls->xattr_get(fs, found.node, name, buffer, PART);
	if (result >= 0)
		printf("%.*s\n", (int)result, (const char *)buffer);
	return result < 0 ? (int)result : 0;
}

static int attributes(const char *path)
{
	struct file_attributes found;
	int64_t result = find(path, &found);
	if (result >= 0)
		result = calls->xattr_list(fs, found.node, (char *)buffer, PART);
	for (int64_t at = 0; at < result; at += (int64_t)strlen((char *)buffer + at) + 1)
		printf("%s\n", (char *)buffer + at);
	return result < 0 ? (int)result : 0;
}

static int command(char **words, unsigned count)
{
	const char *first = words[1] ? words[1] : "", *second = words[2] ? words[2] : "";
	const char *name = words[0];
	struct file_attributes found;
	uint64_t numbers[2] = {count > 2 ? strtoull(second, 0, 0) : 0,
	                       count > 3 ? strtoull(words[3], 0, 0) : 0};
	if (strcmp(name, "ls") == 0)
		return list(first);
	if (strcmp(name, "put") == 0)
		return put(first, second, numbers[1]);
	if (strcmp(name, "get") == 0)
		return get(first, second);
	if (strcmp(name, "create") == 0)
		return make(first, 0100644, 0, 0);
	if (strcmp(name, "mkdir") == 0)
		return make(first, 0040755, 0, 0);
	if (strcmp(name, "mknod") == 0)
		return make(first, (uint32_t)numbers[0], numbers[1], 0);
	if (strcmp(name, "symlink") == 0)
		return make(first, 0120777, 0, second);
	if (strcmp(name, "readlink") == 0) {
		int result = find(first, &found);
		if (result >= 0)
			result = calls->read_link(fs, found.node, (char *)buffer);
		if (result >= 0)
			printf("%.*s\n", result, (char *)buffer);
		return result;
	}
	if (strcmp(name, "rm") == 0)
		return remove_name(first, false);
	if (strcmp(name, "rmdir") == 0)
		return remove_name(first, true);
	if (strcmp(name, "mv") == 0)
		return two(first, second, false, (uint32_t)numbers[1]);
	if (strcmp(name, "ln") == 0)
		return two(first, second, true, 0);
	if (strcmp(name, "stat") == 0)
		return stat_print(first);
	if (strcmp(name, "chmod") == 0)
		return set(first, FILE_SET_MODE, numbers[0], 0);
	if (strcmp(name, "chown") == 0)
		return set(first, FILE_SET_UID | FILE_SET_GID, numbers[0], numbers[1]);
	if (strcmp(name, "touch") == 0)
		return set(first, FILE_SET_MODIFIED | FILE_SET_ACCESSED, numbers[0], 0);
	if (strcmp(name, "setattr") == 0)
		return attribute(first, second, count > 3 ? words[3] : "");
	if (strcmp(name, "getattr") == 0)
		return attribute(first, second, 0);
	if (strcmp(name, "attrs") == 0)
		return attributes(first);
	if (strcmp(name, "truncate") == 0 || strcmp(name, "allocate") == 0 || strcmp(name, "seek") == 0 ||
	    strcmp(name, "use") == 0 || strcmp(name, "forget") == 0) {
		int64_t result = find(first, &found);
		if (result < 0)
			return (int)result;
		if (*name == 't')
			return calls->resize(fs, found.node, numbers[0]);
		if (*name == 'u')
			return calls->use(fs, found.node);
		if (*name == 'a')
			return calls->allocate(fs, found.node,
			                       words[4] ? (uint32_t)strtoul(words[4], 0, 0) : 0, numbers[0],
			                       numbers[1]);
		if (*name == 's')
			printf("%" PRId64 "\n", calls->seek(fs, found.node, numbers[0], numbers[1]));
		return 0;
	}
	if (strcmp(name, "sync") == 0)
		return calls->sync(fs, 0, false);
	if (strcmp(name, "die") == 0) {
		fflush(stdout);
		_exit(0);
	}
	if (strcmp(name, "free") == 0) {
		struct file_statistics now;
		int result = calls->statistics(fs, fs->root, &now);
		printf("%" PRIu64 " %" PRIu64 "\n", now.blocks_free, now.nodes_free);
		return result;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct filesystem_options options = {.now_ns = image_now,
	                                     .report = image_report,
	                                     .report_context = stderr,
	                                     .cache_bytes = 1u << 20,
	                                     .file_mask = 0022,
	                                     .directory_mask = 0022};
	struct image image;
	struct disk disk;
	char line[16384];
	uint32_t sector = 512;
	int option;
	while ((option = getopt(argc, argv, "rRs:")) > 0) {
		if (option == 's')
			sector = (uint32_t)atoi(optarg);
		options.read_only |= option == 'r';
	}
	if (argc - optind != 2 || !image_open(&image, argv[optind + 1], options.read_only, sector, &disk)) {
		fprintf(stderr, "usage: filesystem-shell [-r] [-s SECTOR] fat|ext4 FILE\n");
		return 2;
	}
	int result = strcmp(argv[optind], "ext4") == 0 ? ext4_mount(&fs, &disk, &options)
	                                               : fat_mount(&fs, &disk, &options);
	printf(result < 0 ? "error %d\n" : "ok\n", result);
	fflush(stdout);
	if (result < 0)
		return 1;
	calls = fs->operations;
	while (fgets(line, sizeof(line), stdin)) {
		char *words[8] = {0};
		unsigned count = 0;
		line[strcspn(line, "\n")] = 0;
		for (char *word = strtok(line, "\t"); word && count < 7; word = strtok(0, "\t"))
			words[count++] = word;
		if (!count)
			continue;
		result = command(words, count);
		if (result >= 0)
			result = calls->relieve(fs);
		printf(result < 0 ? "error %d\n" : "ok\n", result);
		fflush(stdout);
	}
	result = calls->unmount(fs);
	image_close(&image);
	return result < 0;
}
