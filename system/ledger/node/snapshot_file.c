/*
 * A snapshot's file: the application's part, then what the node keeps itself: the log's entries, the core, and a trailer of fixed size from
 * which the rest is found: digests (core 32, log size 8, log bytes 8, log root 32), application's root 32, core's size 4, magic 8.
 */
#include "ledger/node/snapshot_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char trailer_magic[8] = {'H', 'S', 'n', 'a', 'p', 'e', 'n', '1'};

static bool file_sink(void *context, const uint8_t *data, size_t size)
{
	return fwrite(data, 1, size, context) == size;
}

bool snapshot_write_trailer(struct snapshot_holder *holder, const struct snapshot_parts *parts, FILE *out)
{
	uint8_t trailer[SNAPSHOT_TRAILER];
	memcpy(trailer, parts->digests.core, 32);
	store_le64(trailer + 32, parts->digests.log_size);
	store_le64(trailer + 40, parts->digests.log_bytes);
	memcpy(trailer + 48, parts->digests.log_root, 32);
	memcpy(trailer + 80, parts->application_root, LEDGER_ROOT_SIZE);
	store_le32(trailer + 112, parts->core->size);
	memcpy(trailer + 116, trailer_magic, 8);
	return transparency_log_copy(ordered_log(holder->ordered), parts->digests.log_bytes, out) &&
	       fwrite(parts->core->data, 1, parts->core->size, out) == parts->core->size &&
	       fwrite(trailer, 1, SNAPSHOT_TRAILER, out) == SNAPSHOT_TRAILER;
}

bool snapshot_write(struct snapshot_holder *holder, const char *file, const struct snapshot_parts *parts)
{
	FILE *out = fopen(file, "w");
	bool good = out && holder->application->snapshot(holder->state, file_sink, out) &&
	            snapshot_write_trailer(holder, parts, out);
	if (out && fclose(out))
		good = false;
	if (!good)
		unlink(file);
	return good;
}

void snapshot_trailer_digests(const uint8_t trailer[SNAPSHOT_TRAILER], struct ordered_digests *digests)
{
	memcpy(digests->core, trailer, 32);
	digests->log_size = load_le64(trailer + 32);
	digests->log_bytes = load_le64(trailer + 40);
	memcpy(digests->log_root, trailer + 48, 32);
}

/* What the node keeps, from a snapshot that may be anything; and the application's root, which together with it must give the
 * root that was signed. NULL: it does not. */
static struct ordered_fresh *trailer_read(struct ordered *ordered, FILE *in,
                                          const uint8_t root[LEDGER_ROOT_SIZE], uint8_t *application_root)
{
	uint8_t trailer[SNAPSHOT_TRAILER], computed[LEDGER_ROOT_SIZE], core[8192];
	struct ordered_digests digests;
	struct ordered_fresh *fresh = NULL;
	if (fseek(in, 0, SEEK_END) || ftell(in) < SNAPSHOT_TRAILER ||
	    fseek(in, -SNAPSHOT_TRAILER, SEEK_END) ||
	    fread(trailer, 1, SNAPSHOT_TRAILER, in) != SNAPSHOT_TRAILER ||
	    memcmp(trailer + 116, trailer_magic, 8) != 0)
		return NULL;
	uint64_t whole = (uint64_t)ftell(in) - SNAPSHOT_TRAILER;
	snapshot_trailer_digests(trailer, &digests);
	memcpy(application_root, trailer + 80, LEDGER_ROOT_SIZE);
	uint32_t core_size = load_le32(trailer + 112);
	ordered_state_root(&digests, application_root, computed);
	if (memcmp(computed, root, sizeof(computed)) != 0 || core_size > sizeof(core) || core_size > whole ||
	    digests.log_bytes > whole - core_size)
		return NULL;
	if (!fseek(in, (long)(whole - core_size), SEEK_SET) && fread(core, 1, core_size, in) == core_size &&
	    !fseek(in, (long)(whole - core_size - digests.log_bytes), SEEK_SET))
		fresh = ordered_prepare(ordered, core, core_size, in, &digests);
	return fresh;
}

enum snapshot_result snapshot_install(struct snapshot_holder *holder, const char *file, uint64_t index,
                                      const uint8_t root[LEDGER_ROOT_SIZE])
{
	struct ledger_applied expected = {.index = index};
	FILE *in = fopen(file, "r");
	struct ordered_fresh *fresh = in ? trailer_read(holder->ordered, in, root, expected.root) : NULL;
	if (in)
		fclose(in);
	if (!fresh)
		return SNAPSHOT_BAD;
	bool restored = holder->application->restore(holder->state, file, &expected);
	bool adopted = ordered_adopt(holder->ordered, fresh, restored ? index : 0);
	return restored && adopted ? SNAPSHOT_DONE : restored ? SNAPSHOT_TORN : SNAPSHOT_BAD;
}

static bool directory_sync(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && !fsync(fd);
	if (fd >= 0)
		close(fd);
	return good;
}

bool snapshot_keep(const char *file, uint64_t index, const uint8_t root[LEDGER_ROOT_SIZE],
                   char kept[SNAPSHOT_NAME])
{
	char hex[2 * LEDGER_ROOT_SIZE + 1], directory[SNAPSHOT_NAME];
	for (unsigned i = 0; i < LEDGER_ROOT_SIZE; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", root[i]);
	snprintf(kept, SNAPSHOT_NAME, "%s-%lu-%s", file, index, hex);
	snprintf(directory, sizeof(directory), "%s", file);
	*strrchr(directory, '/') = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0 && !fsync(fd);
	if (fd >= 0)
		close(fd);
	good = good && !rename(file, kept) && directory_sync(directory);
	if (!good) {
		unlink(file);
		unlink(kept);
	}
	return good;
}

/* The parts of a name that snapshot_keep made; false for others. */
static bool name_parse(const char *name, uint64_t *index, uint8_t root[LEDGER_ROOT_SIZE])
{
	char *end;
	if (strncmp(name, "restore-", 8) != 0 || name[8] < '0' || name[8] > '9')
		return false;
	errno = 0;
	*index = strtoull(name + 8, &end, 10);
	if (errno || *end != '-' || strlen(end + 1) != 2 * LEDGER_ROOT_SIZE)
		return false;
	for (unsigned i = 0; i < LEDGER_ROOT_SIZE; i++) {
		char pair[3] = {end[1 + 2 * i], end[2 + 2 * i], 0}, *after;
		root[i] = (uint8_t)strtoul(pair, &after, 16);
		if (after != pair + 2)
			return false;
	}
	return true;
}

/*
 * One that the application has gone beyond is over and done with: only its removal was lost. So is one whose
 * state is whole. Where the application alone has it, the rest must follow.
 */
static bool recover_one(struct snapshot_holder *holder, const char *file, uint64_t index,
                        const uint8_t root[LEDGER_ROOT_SIZE])
{
	struct ledger_applied applied;
	struct ordered_digests digests;
	uint8_t whole[LEDGER_ROOT_SIZE];
	if (!holder->application->applied(holder->state, &applied))
		return false;
	ordered_digests(holder->ordered, index, &digests);
	ordered_state_root(&digests, applied.root, whole);
	bool torn = applied.index == index && memcmp(whole, root, sizeof(whole)) != 0;
	if (applied.index < index || torn) {
		enum snapshot_result result = snapshot_install(holder, file, index, root);
		if (result == SNAPSHOT_TORN || (torn && result == SNAPSHOT_BAD)) {
			fprintf(stderr,
			        "holon-ledger: the snapshot %s is half installed and cannot be completed; is "
			        "the disk full?\n",
			        file);
			return false;
		}
	}
	unlink(file);
	return true;
}

bool snapshot_recover(struct snapshot_holder *holder, const char *directory)
{
	DIR *folder = opendir(directory);
	bool good = folder;
	for (struct dirent *entry; good && (entry = readdir(folder));) {
		char file[SNAPSHOT_NAME];
		uint8_t root[LEDGER_ROOT_SIZE];
		uint64_t index;
		if (name_parse(entry->d_name, &index, root) &&
		    snprintf(file, sizeof(file), "%s/%s", directory, entry->d_name) < (int)sizeof(file))
			good = recover_one(holder, file, index, root);
	}
	if (folder)
		closedir(folder);
	return good;
}
