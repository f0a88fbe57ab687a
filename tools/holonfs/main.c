/* holonfs: command line; formatting, mounting, checking, snapshots. On a plain file or device the store is a
 * vdisk that needs no key. */
#define _GNU_SOURCE
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "../holon-vdisk/progress.h"
#include "holonfs/store_vdisk.h"

static const char usage[] =
    "holonfs: a file system that is copied on write, checksummed and consistent after every crash.\n\n"
    "  mkfs FILE [--size S] [--label L] [--compress] [KEY]\n"
    "                                                make one: on a new file (200G unless S is said; it "
    "takes "
    "what is in it),\n"
    "                                                a device, or (with KEY) in a vdisk that exists;\n"
    "                                                --compress: all files, else those of directories with "
    "chattr +c\n"
    "  mount FILE DIR [-f] [-o OPTIONS] [KEY]        mount it by FUSE; -f: stay in the foreground\n"
    "      OPTIONS by commas: ro, allow_other, default_permissions (always on), dev, suid, snapshot=NAME,\n"
    "      writeback (the kernel gathers small writes; a full file system is then noticed late, at fsync)\n"
    "  check FILE [--json] [--data] [--repair] [KEY] verify it; --data reads all contents, --repair sets "
    "wrong counts right\n"
    "  snapshot FILE|DIR [NAME] [KEY]                keep it as it is now (DIR: while it is mounted); "
    "without NAME: list\n"
    "  rollback FILE NAME [--yes] [KEY]              make it what a snapshot is\n"
    "  delete FILE NAME [--yes] [KEY]                delete a snapshot\n"
    "  grow FILE|DIR --size S [KEY]                  make it larger (DIR: while it is mounted)\n"
    "  debug FILE [INODE] [KEY]                      show the superblock, or an inode\n\n"
    "KEY: --key-file K or --passphrase-fd N, where FILE is an encrypted vdisk (holon-vdisk create).\n"
    "Exit status: 0 good, 1 repaired or different, 2 damaged or the device failed, 3 usage. See "
    "docs/holonfs.md.\n";

_Noreturn void fail(int status, const char *format, ...)
{
	va_list arguments;
	progress_end();
	fputs("holonfs: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(status);
}

#define SIZE_DEFAULT (UINT64_C(200) << 30) /* of a file that is new: thin */

static uint64_t parse_size(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	if (unit)
		end++;
	if (unit && *end == 'i')
		end++;
	if (unit && *end == 'B')
		end++;
	if (errno || end == text || *end || text[0] == '-' || number > UINT64_MAX >> shift)
		fail(EXIT_WRONG, "'%s' is not a size: give bytes, or a number with K, M, G or T", text);
	return (uint64_t)number << shift;
}

/* ---- The store ---- */

struct opened {
	struct file_backend file;
	struct vdisk_backend leg;
	struct vdisk *disk;
	struct vdisk_credentials credentials;
	char *passphrase;
	uint8_t *key_file;
	bool exists; /* FILE was there and not empty */
	uint64_t bytes;
};

static void read_credentials(struct opened *opened, const struct options *options)
{
	struct vdisk_credentials *credentials = &opened->credentials;
	if (options->passphrase_fd >= 0) {
		opened->passphrase = calloc(1, 4097);
		size_t length = 0;
		while (opened->passphrase && length < 4096 &&
		       read(options->passphrase_fd, opened->passphrase + length, 1) == 1 &&
		       opened->passphrase[length] != '\n')
			length++;
		if (!length)
			fail(EXIT_WRONG, "file descriptor %d gives no passphrase", options->passphrase_fd);
		opened->passphrase[length] = 0;
		credentials->passphrase = opened->passphrase;
		credentials->passphrase_bytes = length;
	}
	if (options->key_file) {
		FILE *file = fopen(options->key_file, "rb");
		opened->key_file = malloc(65536);
		if (!file || !opened->key_file)
			fail(EXIT_WRONG, "%s: %s", options->key_file, strerror(errno));
		credentials->key_file = opened->key_file;
		credentials->key_file_bytes = fread(opened->key_file, 1, 65536, file);
		fclose(file);
	}
}

static void open_file(struct opened *opened, const struct options *options, bool writes, bool create)
{
	const char *name = options->arguments[0];
	struct stat status;
	memset(opened, 0, sizeof(*opened));
	int fd = open(name, (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	if (fd < 0)
		fail(EXIT_WRONG, "%s: %s", name, strerror(errno));
	if (flock(fd, (writes ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
		fail(EXIT_WRONG, "%s: in use (mounted?)", name);
	int result = file_backend_init(&opened->file, fd, &opened->leg);
	if (result < 0 || fstat(fd, &status) < 0)
		fail(EXIT_WRONG, "%s: %s", name,
		     result == -EINVAL ? "neither a file nor a block device" : strerror(errno));
	opened->bytes = opened->leg.limit ? opened->leg.limit : (uint64_t)status.st_size;
	opened->exists = opened->bytes != 0;
	read_credentials(opened, options);
}

_Noreturn static void fail_vdisk(int status, const struct options *options)
{
	bool wrong = status == VDISK_KEY || status == VDISK_RANGE || status == VDISK_EXISTS ||
	             status == VDISK_NOT_FOUND || status == VDISK_BUSY || status == VDISK_VERSION ||
	             status == VDISK_LIMIT;
	const char *advice = status == VDISK_KEY      ? " (give --key-file or --passphrase-fd)"
	                     : status == VDISK_FORMAT ? ", so it has no holonfs ('mkfs' makes one)"
	                                              : "";
	fail(wrong ? EXIT_WRONG : EXIT_DAMAGED, "%s: %s%s", options->arguments[0], vdisk_status_text(status),
	     advice);
}

static void open_disk(struct opened *opened, const struct options *options, bool writes)
{
	open_file(opened, options, writes, false);
	struct vdisk_config config = {.legs = &opened->leg,
	                              .leg_count = 1,
	                              .random = host_random,
	                              .now_ns = host_now_ns,
	                              .cache_bytes = 64u << 20,
	                              .read_only = !writes,
	                              .volume = options->volume};
	int status = vdisk_open(&opened->disk, &config, &opened->credentials);
	if (status < 0)
		fail_vdisk(status, options);
}

static void close_disk(struct opened *opened, const struct options *options)
{
	int status = vdisk_close(opened->disk);
	if (opened->passphrase)
		explicit_bzero(opened->passphrase, opened->credentials.passphrase_bytes);
	if (opened->key_file)
		explicit_bzero(opened->key_file, opened->credentials.key_file_bytes);
	free(opened->passphrase);
	free(opened->key_file);
	if (file_backend_close(&opened->file) < 0 && status == VDISK_OK)
		status = VDISK_IO;
	if (status < 0)
		fail_vdisk(status, options);
}

_Noreturn static void fail_errno(int status, const struct options *options)
{
	switch (status) {
	case -EMEDIUMTYPE:
		fail(EXIT_DAMAGED, "%s: there is no holonfs in it ('mkfs' makes one)", options->arguments[0]);
	case -EPROTONOSUPPORT:
		fail(EXIT_WRONG, "%s: made by a version that this program does not know",
		     options->arguments[0]);
	case -EUCLEAN:
		fail(EXIT_DAMAGED, "%s: damaged ('check' says where)", options->arguments[0]);
	default:
		fail(EXIT_DAMAGED, "%s: %s", options->arguments[0], strerror(-status));
	}
}

static struct holonfs *mount_disk(struct opened *opened, const struct options *options)
{
	struct store store = store_vdisk(opened->disk);
	struct holonfs *fs;
	int status = holonfs_mount(&fs, &store, host_now_ns, 64u << 20);
	if (status < 0)
		fail_errno(status, options);
	return fs;
}

/* ---- mkfs ---- */

static void refuse_used(struct opened *opened, const struct options *options)
{
	uint8_t first[65536];
	if (opened->leg.read(opened->leg.context, 0, first, sizeof(first)) < 0)
		fail(EXIT_DAMAGED, "%s: cannot be read", options->arguments[0]);
	for (size_t i = 0; i < sizeof(first); i++)
		if (first[i]) {
			if (!options->yes)
				fail(EXIT_WRONG,
				     "%s is not empty: everything on it would be lost. Say --yes to do it.",
				     options->arguments[0]);
			break;
		}
}

/* Room for maps, counts, the log, and blocks that wait for a commit, where the container cannot grow. */
static uint64_t usable(uint64_t bytes)
{
	uint64_t kept = bytes / 16 + (4u << 20);
	return bytes > kept + (1u << 20) ? bytes - kept : 0;
}

static int run_mkfs(const struct options *options)
{
	struct opened opened;
	struct vdisk_slot_info slots[8];
	uint8_t id[VDISK_ID_SIZE];
	unsigned count;
	uint64_t size = options->size ? parse_size(options->size) : 0;
	open_file(&opened, options, true, true);
	bool keyed = opened.credentials.passphrase || opened.credentials.key_file;
	int status = opened.exists ? vdisk_probe(&opened.leg, slots, 8, &count, id) : VDISK_FORMAT;
	if (keyed) {
		if (status < 0)
			fail(EXIT_WRONG, "%s: not a vdisk: make it with holon-vdisk create first",
			     options->arguments[0]);
		(void)(file_backend_close(&opened.file) < 0); /* nothing was written */
		open_disk(&opened, options, true);
		uint64_t next;
		if (vdisk_next_mapped(opened.disk, 0, &next) == VDISK_OK &&
		    next < vdisk_blocks(opened.disk) && !options->yes)
			fail(EXIT_WRONG,
			     "%s is not empty: everything in it would be lost. Say --yes to do it.",
			     options->arguments[0]);
	} else {
		refuse_used(&opened, options);
		uint64_t most = opened.exists ? usable(opened.bytes) : UINT64_MAX;
		if (!size)
			size = opened.exists ? most : SIZE_DEFAULT;
		if (opened.leg.limit && size > most)
			fail(EXIT_WRONG, "%s: has room for %llu bytes", options->arguments[0],
			     (unsigned long long)most);
		if (!opened.leg.limit &&
		    (ftruncate(opened.file.fd, 0) < 0 ||
		     ftruncate(opened.file.fd, (off_t)opened.bytes) < 0) &&
		    errno != EPERM)
			fail(EXIT_DAMAGED, "%s: %s", options->arguments[0], strerror(errno));
		struct vdisk_create create = {
		    .blocks = size / HOLONFS_BLOCK, .factors = {VDISK_FACTOR_OPEN}, .label = "holonfs"};
		struct vdisk_config config = {.legs = &opened.leg,
		                              .leg_count = 1,
		                              .random = host_random,
		                              .now_ns = host_now_ns,
		                              .cache_bytes = 64u << 20};
		if (create.blocks < 128)
			fail(EXIT_WRONG, "%s: too small for a file system", options->arguments[0]);
		status = vdisk_create(&opened.disk, &config, &create, &opened.credentials);
		if (status < 0)
			fail_vdisk(status, options);
	}
	struct store store = store_vdisk(opened.disk);
	status = holonfs_format(&store, options->label, options->compress ? HOLONFS_FLAG_COMPRESS : 0,
	                        getuid(), getgid(), host_random, host_now_ns);
	if (status < 0)
		fail_errno(status, options);
	close_disk(&opened, options);
	return EXIT_GOOD;
}

/* ---- mount, and what is asked of a mounted file system ---- */

struct mounted {
	struct vdisk *disk;
	struct holonfs *fs;
};

static int grow_mounted(void *context, uint64_t bytes)
{
	const struct mounted *mounted = context;
	uint64_t blocks = bytes / HOLONFS_BLOCK;
	if (blocks < vdisk_blocks(mounted->disk))
		return -EINVAL;
	int status = holonfs_sync(mounted->fs);
	if (status == 0)
		status = vdisk_errno(vdisk_resize(mounted->disk, blocks));
	return status == 0 ? holonfs_grow(mounted->fs, blocks) : status;
}

static int snapshot_mounted(void *context, const char *name)
{
	const struct mounted *mounted = context;
	int status = holonfs_sync(mounted->fs);
	if (status < 0)
		return status;
	status = vdisk_snapshot(mounted->disk, name);
	return status == VDISK_EXISTS ? -EEXIST : vdisk_errno(status);
}

static int run_mount(const struct options *options)
{
	struct opened opened;
	if (options->argument_count != 2)
		fail(EXIT_WRONG, "mount FILE DIR");
	open_disk(&opened, options, !options->read_only);
	struct mounted mounted = {opened.disk, mount_disk(&opened, options)};
	struct control control = {&mounted, grow_mounted, snapshot_mounted};
	int status = serve_mount(mounted.fs, &control, options, vdisk_is_read_only(opened.disk));
	int ended = holonfs_unmount(mounted.fs);
	close_disk(&opened, options);
	if (status < 0 || ended < 0)
		fail_errno(status < 0 ? status : ended, options);
	return EXIT_GOOD;
}

static bool is_directory(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int ask_mounted(const struct options *options, const char *name, const char *value)
{
	const char *directory = options->arguments[0];
	if (setxattr(directory, name, value, strlen(value), 0) < 0)
		fail(errno == ENOTSUP || errno == EIO ? EXIT_DAMAGED : EXIT_WRONG, "%s: %s", directory,
		     strerror(errno));
	return EXIT_GOOD;
}

/* ---- check ---- */

static bool first_finding = true;

static void print_finding(const struct options *options, const char *where, const char *text)
{
	progress_end();
	if (!options->json) {
		printf("%s%s\n", where, text);
		return;
	}
	printf("%s\"%s", first_finding ? "" : ", ", where);
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	putchar('"');
	first_finding = false;
}

static void store_finding(void *context, const char *text)
{
	print_finding(context, "store: ", text);
}

static void fs_finding(void *context, const char *text)
{
	print_finding(context, "", text);
}

static void store_progress(void *context, uint64_t done, uint64_t total)
{
	(void)context;
	progress("checking blocks", done, total);
}

static void fs_progress(void *context, uint64_t done, uint64_t total)
{
	(void)context;
	progress("checking files", done, total);
}

static int run_check(const struct options *options)
{
	struct opened opened;
	struct vdisk_report below = {
	    .context = (void *)(uintptr_t)options, .finding = store_finding, .progress = store_progress};
	struct holonfs_report report = {.context = (void *)(uintptr_t)options,
	                                .finding = fs_finding,
	                                .progress = fs_progress,
	                                .unpack = options->data};
	struct holonfs *fs = NULL;
	open_file(&opened, options, options->repair, false);
	struct vdisk_config config = {.legs = &opened.leg,
	                              .leg_count = 1,
	                              .random = host_random,
	                              .now_ns = host_now_ns,
	                              .cache_bytes = 64u << 20,
	                              .read_only = !options->repair,
	                              .volume = options->volume};
	int status = vdisk_open(&opened.disk, &config, &opened.credentials);
	if (status == VDISK_KEY || status == VDISK_VERSION || status == VDISK_NOT_FOUND)
		fail_vdisk(status, options);
	if (options->json)
		printf("{\"format\": \"holonfs\", \"findings\": [");
	if (status == VDISK_OK)
		status = vdisk_check(opened.disk, options->data, options->repair, &below);
	if (status < 0)
		print_finding(options, "store: ", vdisk_status_text(status));
	if (status == VDISK_OK && !below.damaged) {
		struct store store = store_vdisk(opened.disk);
		status = holonfs_mount(&fs, &store, host_now_ns, 64u << 20);
		if (status == 0)
			status = holonfs_check(fs, options->repair, &report);
		if (status < 0)
			print_finding(options, "",
			              status == -EMEDIUMTYPE ? "there is no holonfs in it"
			              : status == -EUCLEAN   ? "something cannot be read or makes no sense"
			                                     : strerror(-status));
	}
	progress_end();
	bool damaged = status < 0 || below.damaged || report.damaged;
	bool different = below.leaked || below.missing || below.copies || report.different || report.repaired;
	unsigned long long all_damaged = report.damaged + below.damaged;
	unsigned long long all_different = report.different + below.leaked + below.missing + below.copies;
	unsigned long long all_repaired = report.repaired + below.repaired;
	const char *verdict = damaged ? "damaged" : different ? "different" : "good";
	if (options->json)
		printf("], \"inodes\": %llu, \"directories\": %llu, \"extents\": %llu, \"compressed\": "
		       "%llu, \"compressed_to\": %llu, \"blocks_read\": %llu, \"damaged\": %llu, "
		       "\"different\": %llu, \"repaired\": %llu, \"status\": \"%s\"}\n",
		       (unsigned long long)report.inodes, (unsigned long long)report.directories,
		       (unsigned long long)report.extents,
		       (unsigned long long)report.packed_blocks * HOLONFS_BLOCK,
		       (unsigned long long)report.stored_blocks * HOLONFS_BLOCK,
		       (unsigned long long)below.data_blocks, all_damaged, all_different, all_repaired,
		       verdict);
	else
		printf("%llu inodes, %llu of them directories: %s\n", (unsigned long long)report.inodes,
		       (unsigned long long)report.directories, verdict);
	if (fs && options->repair && !damaged)
		(void)(holonfs_sync(fs) < 0);
	holonfs_abandon(fs);
	if (opened.disk && damaged)
		vdisk_abandon(opened.disk);
	else if (opened.disk)
		close_disk(&opened, options);
	return damaged ? EXIT_DAMAGED : different ? EXIT_DIFFERENT : EXIT_GOOD;
}

/* ---- snapshots, growth, debug ---- */

static int run_snapshot(const struct options *options)
{
	struct opened opened;
	struct vdisk_volume volume;
	bool list = options->argument_count == 1;
	if (!list && is_directory(options->arguments[0]))
		return ask_mounted(options, CONTROL_SNAPSHOT, options->arguments[1]);
	open_disk(&opened, options, !list);
	int status = list ? VDISK_OK : vdisk_snapshot(opened.disk, options->arguments[1]);
	for (uint64_t number = 0; list && vdisk_volume_next(opened.disk, number, &volume) == VDISK_OK;
	     number = volume.number)
		if (volume.read_only && !volume.deleting)
			printf("%s\n", volume.name);
	if (status < 0)
		fail_vdisk(status, options);
	close_disk(&opened, options);
	return EXIT_GOOD;
}

static int change_volume(const struct options *options, int (*change)(struct vdisk *disk, const char *name),
                         const char *loss)
{
	struct opened opened;
	if (options->argument_count != 2)
		fail(EXIT_WRONG, "FILE and the snapshot's NAME are needed");
	if (!options->yes)
		fail(EXIT_WRONG, "%s will be lost. Say --yes to do it.", loss);
	open_disk(&opened, options, true);
	int status = change(opened.disk, options->arguments[1]);
	if (status < 0)
		fail_vdisk(status, options);
	close_disk(&opened, options);
	return EXIT_GOOD;
}

static int run_rollback(const struct options *options)
{
	return change_volume(options, vdisk_rollback, "What was written since that snapshot");
}

static int run_delete(const struct options *options)
{
	return change_volume(options, vdisk_volume_delete, "That snapshot");
}

static int run_grow(const struct options *options)
{
	struct opened opened;
	if (!options->size)
		fail(EXIT_WRONG, "--size is missing");
	uint64_t blocks = parse_size(options->size) / HOLONFS_BLOCK;
	if (is_directory(options->arguments[0])) {
		char bytes[32];
		snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)blocks * HOLONFS_BLOCK);
		return ask_mounted(options, CONTROL_SIZE, bytes);
	}
	open_disk(&opened, options, true);
	if (blocks < vdisk_blocks(opened.disk))
		fail(EXIT_WRONG, "%s: a file system does not shrink", options->arguments[0]);
	int status = vdisk_resize(opened.disk, blocks);
	if (status < 0)
		fail_vdisk(status, options);
	struct holonfs *fs = mount_disk(&opened, options);
	status = holonfs_grow(fs, blocks);
	if (status == 0)
		status = holonfs_unmount(fs);
	if (status < 0)
		fail_errno(status, options);
	close_disk(&opened, options);
	return EXIT_GOOD;
}

static int run_debug(const struct options *options)
{
	struct opened opened;
	struct holonfs_statistics statistics;
	struct holonfs_attributes attributes;
	struct vdisk_info info;
	open_disk(&opened, options, false);
	struct holonfs *fs = mount_disk(&opened, options);
	if (options->argument_count == 1) {
		holonfs_get_statistics(fs, &statistics);
		vdisk_get_info(opened.disk, &info);
		printf("label %s\nblocks %llu\nfree %llu\ninodes %llu\ncontainer blocks %llu\ncontainer used "
		       "%llu\ncommit %llu\n"
		       "log records found %u\n",
		       statistics.label, (unsigned long long)statistics.blocks,
		       (unsigned long long)statistics.blocks_free, (unsigned long long)statistics.inodes,
		       (unsigned long long)info.container_blocks, (unsigned long long)info.used_blocks,
		       (unsigned long long)info.generation, info.replayed);
	} else {
		uint64_t number = parse_size(options->arguments[1]);
		int status = holonfs_get(fs, number, &attributes);
		if (status < 0)
			fail_errno(status, options);
		printf(
		    "inode %llu\nmode %o\nlinks %u\nowner %u:%u\nsize %llu\nblocks %llu\nmodified %lld ns\n",
		    (unsigned long long)number, attributes.mode, attributes.links, attributes.uid,
		    attributes.gid, (unsigned long long)attributes.size,
		    (unsigned long long)attributes.blocks, (long long)attributes.modified_ns);
	}
	holonfs_abandon(fs);
	close_disk(&opened, options);
	return EXIT_GOOD;
}

/* ---- Command line ---- */

enum {
	OPT_SIZE = 256,
	OPT_LABEL,
	OPT_KEY_FILE,
	OPT_PASSPHRASE_FD,
	OPT_JSON,
	OPT_YES,
	OPT_REPAIR,
	OPT_DATA,
	OPT_COMPRESS,
	OPT_HELP
};

static const struct option long_options[] = {
    {"size", required_argument, NULL, OPT_SIZE},
    {"label", required_argument, NULL, OPT_LABEL},
    {"key-file", required_argument, NULL, OPT_KEY_FILE},
    {"passphrase-fd", required_argument, NULL, OPT_PASSPHRASE_FD},
    {"json", no_argument, NULL, OPT_JSON},
    {"yes", no_argument, NULL, OPT_YES},
    {"repair", no_argument, NULL, OPT_REPAIR},
    {"data", no_argument, NULL, OPT_DATA},
    {"compress", no_argument, NULL, OPT_COMPRESS},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* Options that are ours are taken out, the rest is for FUSE. */
static void mount_options(struct options *options, char *list)
{
	for (char *next, *word = strtok_r(list, ",", &next); word; word = strtok_r(NULL, ",", &next)) {
		size_t used = strlen(options->fuse_options);
		if (!strcmp(word, "ro")) {
			options->read_only = true;
		} else if (!strcmp(word, "writeback")) {
			options->writeback = true;
		} else if (!strncmp(word, "snapshot=", 9)) {
			options->volume = word + 9;
			options->read_only = true;
		} else if (strcmp(word, "default_permissions") != 0 && strcmp(word, "rw") != 0 &&
		           strcmp(word, "defaults") != 0) {
			if (used + strlen(word) + 2 > sizeof(options->fuse_options))
				fail(EXIT_WRONG, "too many mount options");
			if (used)
				options->fuse_options[used++] = ',';
			memcpy(options->fuse_options + used, word, strlen(word) + 1);
		}
	}
}

static void parse(struct options *options, int argc, char **argv)
{
	int option;
	*options = (struct options){.passphrase_fd = -1};
	while ((option = getopt_long(argc, argv, "fo:", long_options, NULL)) != -1) {
		switch (option) {
		case 'f':
			options->foreground = true;
			break;
		case 'o':
			mount_options(options, optarg);
			break;
		case OPT_SIZE:
			options->size = optarg;
			break;
		case OPT_LABEL:
			options->label = optarg;
			break;
		case OPT_KEY_FILE:
			options->key_file = optarg;
			break;
		case OPT_PASSPHRASE_FD:
			options->passphrase_fd = (int)strtol(optarg, NULL, 10);
			break;
		case OPT_JSON:
			options->json = true;
			break;
		case OPT_YES:
			options->yes = true;
			break;
		case OPT_REPAIR:
			options->repair = true;
			break;
		case OPT_DATA:
			options->data = true;
			break;
		case OPT_COMPRESS:
			options->compress = true;
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			exit(EXIT_GOOD);
		default:
			fail(EXIT_WRONG, "try 'holonfs --help'");
		}
	}
	for (; optind < argc; optind++) {
		if (options->argument_count == 2)
			fail(EXIT_WRONG, "too many arguments; try 'holonfs --help'");
		options->arguments[options->argument_count++] = argv[optind];
	}
	if (!options->argument_count)
		fail(EXIT_WRONG, "FILE is missing; try 'holonfs --help'");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct options *options);
	} commands[] = {
	    {"mkfs", run_mkfs},         {"mount", run_mount},       {"check", run_check},
	    {"snapshot", run_snapshot}, {"rollback", run_rollback}, {"delete", run_delete},
	    {"grow", run_grow},         {"debug", run_debug},
	};
	struct options options;
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* keys stay out of core files */
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		fputs(usage, argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_WRONG : EXIT_GOOD;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(argv[1], commands[i].name)) {
			parse(&options, argc - 1, argv + 1);
			return commands[i].run(&options);
		}
	fail(EXIT_WRONG, "there is no command '%s'; try 'holonfs --help'", argv[1]);
}
