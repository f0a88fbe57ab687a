/* Power cuts: a sequence of changes on an image that mkfs made is logged, write by write and flush by flush. Then the power is cut
 * at each flush, and between: of what was written since the last flush a random part is on the disk, by sectors. Each time the
 * image mounts, what was synced is there, and the tools of e2fsprogs and dosfstools find it whole (of some: they are slow).
 *
 * crash_test [SEED [ROUNDS]] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "image.h"

#define FILES    24u
#define STEPS    160u
#define DATA_MAX 60000u
#define CUTS     160u /* of one sequence */
#define CHECKED  12u  /* of them, by other tools */

static const struct {
	const char *name, *kind, *make;
	uint64_t bytes;
} kinds[] = {
    {"ext4", "ext4", "mkfs.ext4 -q -F -b 1024 -N 512", 8u << 20},
    {"ext4 without checksums", "ext4", "mkfs.ext4 -q -F -b 1024 -N 512 -O ^metadata_csum,^64bit", 8u << 20},
    {"ext4 of 4k blocks", "ext4", "mkfs.ext4 -q -F -b 4096 -N 512", 16u << 20},
    {"FAT12", "fat", "mkfs.fat -F 12 -s 4", 6u << 20},
    {"FAT16", "fat", "mkfs.fat -F 16 -s 1", 6u << 20},
    {"FAT32", "fat", "mkfs.fat -F 32 -s 1", 40u << 20},
};

/* A file's contents are its number and version, over and over: they tell what they are. */
struct state {
	uint32_t version[FILES]; /* 0: none */
	uint32_t size[FILES];
};

/* What was true when a sync returned: everything before that point of the log is durable. */
struct synced {
	size_t log_count;
	struct state state;
};

static struct filesystem_options options = {
    .now_ns = image_now, .report = image_report, .cache_bytes = 256u << 10};
static uint8_t data[DATA_MAX], got[DATA_MAX];
static uint64_t seed;
static unsigned failures;

static uint32_t chance(uint32_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 11) % limit;
}

static void fill(uint32_t file, uint32_t version, uint32_t size)
{
	for (uint32_t i = 0; i + 8 <= size + 8 && i < DATA_MAX; i += 8) {
		uint32_t words[2] = {file * 0x9e3779b1u + version, i};
		memcpy(data + i, words, i + 8 <= DATA_MAX ? 8 : DATA_MAX - i);
	}
}

static int mount_image(bool ext4, struct filesystem **fs, const struct disk *disk)
{
	return ext4 ? ext4_mount(fs, disk, &options) : fat_mount(fs, disk, &options);
}

static void name_of(uint32_t file, char name[40])
{
	snprintf(name, 40, file % 3 ? "file-%u" : "A longer name for file number %u", file);
}

/* ---- The sequence ---- */

/* Writes a new version of FILE as programs do that must not lose the old: into another, which then takes its name. */
static int replace(struct filesystem *fs, uint32_t file, uint32_t version, uint32_t size)
{
	const struct filesystem_operations *calls = fs->operations;
	struct file_attributes made;
	char name[40];
	name_of(file, name);
	int result = calls->create(fs, fs->root, "new", 0100644, 0, 0, 0, 0, &made);
	if (result < 0)
		return result;
	fill(file, version, size);
	int64_t wrote = size ? calls->write(fs, made.node, 0, data, size) : 0;
	if (wrote != size)
		return calls->unlink(fs, fs->root, "new", false) < 0 ? -1 : FILE_E_NO_SPACE;
	return calls->rename(fs, fs->root, "new", fs->root, name, 0);
}

static int step(struct filesystem *fs, struct state *now, uint32_t number)
{
	const struct filesystem_operations *calls = fs->operations;
	struct file_attributes found;
	char name[40];
	uint32_t file = chance(FILES), what = chance(10);
	int result;
	name_of(file, name);
	if (what < 6 || !now->version[file]) {
		uint32_t size = chance(4) ? chance(6000) : chance(DATA_MAX);
		result = replace(fs, file, number + 1, size);
		if (result == FILE_E_NO_SPACE)
			return 0;
		now->version[file] = number + 1;
		now->size[file] = size;
		return result;
	}
	if (what < 8) {
		result = calls->unlink(fs, fs->root, name, false);
		now->version[file] = 0;
		return result;
	}
	/* Other names come and go, in a directory of their own. */
	result = calls->lookup(fs, fs->root, "directory", &found);
	if (result == FILE_E_NOT_FOUND)
		return calls->create(fs, fs->root, "directory", 0040755, 0, 0, 0, 0, &found);
	snprintf(name, sizeof(name), "a name in it, number %u", chance(200));
	int made = result < 0 ? result : calls->create(fs, found.node, name, 0100644, 0, 0, 0, 0, &found);
	if (made == FILE_E_EXISTS) {
		result = calls->lookup(fs, fs->root, "directory", &found);
		return result < 0 ? result : calls->unlink(fs, found.node, name, false);
	}
	return made == FILE_E_NO_SPACE ? 0 : made;
}

/* ---- The check ---- */

/* FILE of FS is version AFTER's or a later one; where it was changed behind the sync, any that it had since, or none. */
static bool file_is_right(struct filesystem *fs, uint32_t file, const struct state *synced,
                          const struct state *states, uint32_t count, char *why)
{
	const struct filesystem_operations *calls = fs->operations;
	struct file_attributes found;
	char name[40];
	bool may_be_gone = !synced->version[file];
	name_of(file, name);
	int64_t result = calls->lookup(fs, fs->root, name, &found);
	for (uint32_t i = 0; i < count; i++)
		may_be_gone |= !states[i].version[file];
	if (result == FILE_E_NOT_FOUND) {
		snprintf(why, 200, "%s, version %u, is gone", name, synced->version[file]);
		return may_be_gone;
	}
	if (result >= 0)
		result = found.size > DATA_MAX ? -1 : calls->read(fs, found.node, 0, got, (size_t)found.size);
	if (result < 0 || (uint64_t)result != found.size) {
		snprintf(why, 200, "%s cannot be read: %" PRId64, name, result);
		return false;
	}
	for (uint32_t i = 0; i <= count; i++) {
		const struct state *state = i ? &states[i - 1] : synced;
		if (!state->version[file] || state->size[file] != found.size)
			continue;
		fill(file, state->version[file], state->size[file]);
		if (memcmp(data, got, (size_t)found.size) == 0)
			return true;
	}
	snprintf(why, 200, "%s has %" PRIu64 " bytes that it never had (synced: version %u, %u bytes)", name,
	         found.size, synced->version[file], synced->size[file]);
	return false;
}

/* What other tools say: e2fsck replays a journal first. */
static bool tools_agree(bool ext4, const uint8_t *memory, uint64_t bytes, char *why)
{
	char path[] = "/tmp/crash-test-XXXXXX", command[500];
	int file = mkstemp(path);
	bool good = file >= 0 && write(file, memory, bytes) == (ssize_t)bytes;
	snprintf(command, sizeof(command),
	         ext4 ? "(e2fsck -E journal_only -y %s && e2fsck -fn %s) >%s.out 2>&1"
	              : "fsck.fat -n %s >%s.out 2>&1",
	         path, path, path);
	/* What a crash may leave on FAT: clusters that nobody has, longer chains, the mark of use; and in the midst of a rename a
	 * file with both names, one of them "new". Nothing else may be shared, cut off or broken. */
	if (!ext4)
		snprintf(command, sizeof(command),
		         "fsck.fat -n %s >%s.out 2>&1; ! grep -qE 'bad|loop|starts|free "
		         "cluster\\.|Orphan|invalid|Duplicate' %s.out && "
		         "! grep -B2 'share clusters' %s.out | grep '^/' | paste - - | grep -vi '^/new ' ",
		         path, path, path, path);
	good = good && system(command) == 0;
	if (!good) {
		snprintf(why, 200, "other tools find fault: see %s and %s.out", path, path);
	} else {
		remove(path);
		snprintf(command, sizeof(command), "%s.out", path);
		remove(command);
	}
	if (file >= 0)
		close(file);
	return good;
}

/* The disk when the power goes after COUNT entries of the log: all before the last flush, and of what is behind it by sectors
 * what happens to be there. A disk that LIES has not done its last flushes, so many. */
static void cut(const struct image *image, size_t count, uint8_t *memory, unsigned lies, bool whole_super)
{
	size_t flushed = count;
	for (unsigned i = 0; i <= lies; i++)
		while (flushed > 0 && image->log[--flushed].data)
			;
	unsigned some = chance(3); /* none, all, or part of them */
	for (size_t i = 0; i < count; i++) {
		const struct image_write *write = &image->log[i];
		bool there = false;
		for (uint64_t at = 0; write->data && at < write->bytes; at += 512) {
			/* ext4's superblock has no copy that a checker would take in place of half a one. */
			if (!(whole_super && write->offset + at == 1536 && at))
				there = i < flushed || some == 1 || (some == 2 && chance(2));
			if (there)
				memcpy(memory + write->offset + at, write->data + at, 512);
		}
	}
}

static void report(const char *name, const char *what, bool good, const char *why)
{
	printf(good ? "ok crash %s: %s\n" : "not ok crash %s: %s - %s\n", name, what, why);
	fflush(stdout);
	failures += !good;
}

static bool made_by(const char *command, uint8_t *memory, uint64_t bytes)
{
	char path[] = "/tmp/crash-make-XXXXXX", line[300];
	int file = mkstemp(path);
	snprintf(line, sizeof(line), "%s %s >/dev/null 2>&1", command, path);
	bool good = file >= 0 && ftruncate(file, (off_t)bytes) == 0 && system(line) == 0 &&
	            pread(file, memory, bytes, 0) == (ssize_t)bytes;
	if (file >= 0)
		close(file);
	remove(path);
	return good;
}

/* A second power cut, on MEMORY as it is while FS is mounted: what was changed and synced since the first one is there. */
static bool survives_again(bool ext4, struct filesystem *fs, const uint8_t *memory, uint64_t bytes, char *why)
{
	struct state now = {0};
	struct image crashed;
	struct filesystem *again;
	struct disk disk;
	static uint8_t *copy;
	uint32_t changed[5];
	free(copy);
	copy = malloc(bytes);
	int64_t result = copy ? fs->operations->sync(fs, 0, false) : FILESYSTEM_E_NO_MEMORY;
	for (uint32_t i = 0; i < 5 && result >= 0; i++) {
		changed[i] = chance(FILES);
		now.version[changed[i]] = 100000 + i;
		now.size[changed[i]] = 3000;
		result = replace(fs, changed[i], 100000 + i, 3000);
	}
	if (result == FILE_E_NO_SPACE)
		return true;
	if (result >= 0)
		result = fs->operations->sync(fs, 0, false);
	if (result >= 0) {
		memcpy(copy, memory, bytes);
		image_memory(&crashed, copy, bytes, &disk);
		result = mount_image(ext4, &again, &disk);
	}
	snprintf(why, 200, "writing after it, or a second cut, gives %d", (int)result);
	bool good = result >= 0;
	for (uint32_t i = 0; i < 5 && good; i++)
		good = file_is_right(again, changed[i], &now, 0, 0, why);
	if (result >= 0) {
		good &= again->operations->unmount(again) >= 0;
		image_close(&crashed);
	}
	return good;
}

/* One cut after COUNT entries: what was synced before is there; and a second cut, behind changes after the first one, loses nothing (of some: a copy of the disk takes time). */
static bool survives(bool ext4, const struct image *image, const uint8_t *base, size_t count,
                     const struct synced *synced, size_t synced_count, const struct state *states,
                     const size_t *state_at, uint32_t state_count, bool check, unsigned lies, char *why)
{
	static uint8_t *memory;
	const struct state *before = 0;
	struct image crashed;
	struct filesystem *fs;
	struct disk disk;
	uint32_t first = 0, last = 0;
	for (size_t i = 0; i < synced_count; i++)
		if (synced[i].log_count <= count)
			before = &synced[i].state;
	/* The states that the disk may show: from the sync on, up to the step during which the power went. */
	size_t synced_at = 0;
	for (size_t i = 0; i < synced_count; i++)
		if (synced[i].log_count <= count)
			synced_at = synced[i].log_count;
	while (first < state_count && state_at[first] < synced_at)
		first++;
	for (last = first; last < state_count && (!last || state_at[last - 1] <= count);)
		last++;
	free(memory);
	memory = malloc(image->bytes);
	if (!memory || !before)
		return before == 0;
	memcpy(memory, base, image->bytes);
	cut(image, count, memory, lies, check);
	if (check && !tools_agree(ext4, memory, image->bytes, why))
		return false;
	image_memory(&crashed, memory, image->bytes, &disk);
	int result = mount_image(ext4, &fs, &disk);
	if (result < 0) {
		snprintf(why, 200, "it does not mount: %d", result);
		return false;
	}
	bool good = true;
	for (uint32_t file = 0; file < FILES && good; file++)
		good = file_is_right(fs, file, before, states + first, last - first, why);
	fs->operations->unlink(fs, fs->root, "new", false); /* it need not be there */
	if (good && chance(4) == 0)
		good = survives_again(ext4, fs, memory, image->bytes, why);
	result = fs->operations->unmount(fs);
	if (good && result < 0) {
		snprintf(why, 200, "it does not unmount: %d", result);
		good = false;
	}
	if (good && check && ext4)
		good = tools_agree(ext4, memory, image->bytes, why);
	image_close(&crashed);
	return good;
}

static void round_of(unsigned kind)
{
	static struct state states[STEPS + 1];
	static size_t state_at[STEPS + 1];
	static struct synced synced[STEPS + 1];
	bool ext4 = strcmp(kinds[kind].kind, "ext4") == 0;
	uint64_t bytes = kinds[kind].bytes;
	uint8_t *base = malloc(bytes), *memory = malloc(bytes);
	struct state now = {0};
	struct image image;
	struct filesystem *fs;
	struct disk disk;
	char why[200] = "";
	size_t synced_count = 0;
	uint32_t steps = 0;
	if (!base || !memory || !made_by(kinds[kind].make, base, bytes)) {
		report(kinds[kind].name, "mkfs", false, kinds[kind].make);
		return;
	}
	memcpy(memory, base, bytes);
	image_memory(&image, memory, bytes, &disk);
	image.logging = true;
	int result = mount_image(ext4, &fs, &disk);
	for (; steps < STEPS && result >= 0; steps++) {
		result = step(fs, &now, steps);
		states[steps] = now;
		state_at[steps] = image.log_count;
		if (result >= 0 && chance(4) == 0) {
			result = fs->operations->sync(fs, 0, false);
			synced[synced_count++] = (struct synced){image.log_count, now};
		}
		if (result >= 0)
			result = fs->operations->relieve(fs);
	}
	if (result >= 0)
		result = fs->operations->unmount(fs);
	snprintf(why, sizeof(why), "step %u gives %d", steps, result);
	report(kinds[kind].name, "a sequence of changes", result >= 0, why);
	unsigned cuts = 0;
	bool good = result >= 0;
	for (; cuts < CUTS && good; cuts++) {
		/* Each flush in turn, and places between. */
		size_t count = chance((uint32_t)image.log_count) + 1;
		if (cuts % 2)
			while (count < image.log_count && image.log[count].data)
				count++;
		good = survives(ext4, &image, base, count, synced, synced_count, states, state_at, STEPS,
		                cuts % (CUTS / CHECKED) == 0, 0, why);
	}
	snprintf((char *)got, sizeof(got), "%u power cuts in %zu writes and flushes", cuts, image.log_count);
	report(kinds[kind].name, (const char *)got, good, why);
	/* The check can fail: a disk that says that it flushed, and did not, is found out. */
	bool noticed = false;
	for (unsigned i = 0; i < CUTS && good && !noticed; i++) {
		size_t count = chance((uint32_t)image.log_count) + 1;
		options.report_context = 0;
		noticed = !survives(ext4, &image, base, count, synced, synced_count, states, state_at, STEPS,
		                    false, 12, why);
	}
	report(kinds[kind].name, "a disk that lies about its flushes is found out", noticed || !good,
	       "nothing was missed");
	image_close(&image);
	free(base);
	free(memory);
}

int main(int argc, char **argv)
{
	uint64_t given = argc > 1 ? strtoull(argv[1], 0, 0) : (uint64_t)time(0) << 20 ^ (uint64_t)getpid();
	unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
	printf("# seed %" PRIu64 ": crash_test %" PRIu64 " repeats it\n", given, given);
	seed = given | 1;
	for (unsigned i = 0; i < rounds; i++)
		for (unsigned kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++)
			round_of(kind);
	return failures != 0;
}
