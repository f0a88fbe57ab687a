/* The file is entries, each a size of four bytes and its content. */
#include "ledger/ordered/transparency_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/dag/blob.h"
#include "trust/transparency.h"

#define LEVELS         40
#define RECORD_KIND_AT 8 /* lib/trust/record.h; kinds are small numbers */

struct level {
	uint8_t (*hashes)[LOG_HASH];
	uint64_t count, room;
};

struct transparency_log {
	pthread_mutex_t lock;
	char *name;
	int fd;
	uint64_t bytes;
	struct level levels[LEVELS]; /* [k]: of the full subtrees of 2^k leaves */
	uint64_t *offsets;           /* of the entries */
	uint8_t *kinds;              /* and their records' kinds; as many */
	uint64_t offset_room;
	uint64_t *table; /* leaf hash -> index + 1, open addressing */
	uint64_t table_size;
};

static uint64_t slot_of(const struct transparency_log *log, const uint8_t leaf[LOG_HASH])
{
	return load_le64(leaf) & (log->table_size - 1);
}

/* False: an equal entry is in already. The first of equal ones stands for all. */
static bool table_put(struct transparency_log *log, uint64_t index)
{
	const uint8_t *leaf = log->levels[0].hashes[index];
	uint64_t slot = slot_of(log, leaf);
	while (log->table[slot]) {
		if (!memcmp(log->levels[0].hashes[log->table[slot] - 1], leaf, LOG_HASH))
			return false;
		slot = (slot + 1) & (log->table_size - 1);
	}
	log->table[slot] = index + 1;
	return true;
}

static void level_push(struct level *level, const uint8_t hash[LOG_HASH])
{
	if (level->count == level->room) {
		uint64_t room = level->room ? 2 * level->room : 16;
		uint8_t(*hashes)[LOG_HASH] = ledger_allocate(room, LOG_HASH);
		if (level->count)
			memcpy(hashes, level->hashes, level->count * LOG_HASH);
		free(level->hashes);
		level->hashes = hashes;
		level->room = room;
	}
	memcpy(level->hashes[level->count++], hash, LOG_HASH);
}

/* Takes an entry in, whose content begins at `offset` of the file. */
static void add_leaf(struct transparency_log *log, const uint8_t *entry, size_t size, uint64_t offset)
{
	uint8_t hash[LOG_HASH];
	uint64_t index = log->levels[0].count;
	transparency_leaf(hash, entry, size);
	level_push(&log->levels[0], hash);
	for (unsigned k = 0; k + 1 < LEVELS && log->levels[k].count % 2 == 0; k++) {
		const struct level *level = &log->levels[k];
		transparency_node(hash, level->hashes[level->count - 2], level->hashes[level->count - 1]);
		level_push(&log->levels[k + 1], hash);
	}
	if (index == log->offset_room) {
		uint64_t room = log->offset_room ? 2 * log->offset_room : 16;
		uint64_t *offsets = ledger_allocate(room, sizeof(*offsets));
		uint8_t *kinds = ledger_allocate(room, 1);
		if (index) {
			memcpy(offsets, log->offsets, index * sizeof(*offsets));
			memcpy(kinds, log->kinds, index);
		}
		free(log->offsets);
		free(log->kinds);
		log->offsets = offsets;
		log->kinds = kinds;
		log->offset_room = room;
	}
	log->offsets[index] = offset;
	if (2 * (index + 1) > log->table_size) {
		free(log->table);
		log->table_size = log->table_size ? 2 * log->table_size : 64;
		log->table = ledger_allocate(log->table_size, sizeof(*log->table));
		for (uint64_t i = 0; i < index; i++)
			(void)table_put(log, i);
	}
	/* What is published once more is not the newest of its kind again. */
	log->kinds[index] = table_put(log, index) && size > RECORD_KIND_AT ? entry[RECORD_KIND_AT] : 0;
}

static void forget(struct transparency_log *log)
{
	for (unsigned k = 0; k < LEVELS; k++) {
		free(log->levels[k].hashes);
		log->levels[k] = (struct level){0};
	}
	free(log->offsets);
	free(log->kinds);
	free(log->table);
	log->offsets = log->table = NULL;
	log->kinds = NULL;
	log->offset_room = log->table_size = log->bytes = 0;
}

/* Reads entries up to `bytes`. False: they do not end there. */
static bool load(struct transparency_log *log, uint64_t bytes)
{
	static const size_t most = TRANSPARENCY_ENTRY_MAX;
	uint8_t *entry = malloc(most), size[4];
	bool good = entry != NULL;
	while (good && log->bytes < bytes) {
		uint32_t length;
		good = pread(log->fd, size, 4, (off_t)log->bytes) == 4 &&
		       (length = load_le32(size)) <= most && log->bytes + 4 + length <= bytes &&
		       pread(log->fd, entry, length, (off_t)log->bytes + 4) == (ssize_t)length;
		if (good) {
			add_leaf(log, entry, length, log->bytes + 4);
			log->bytes += 4 + (uint64_t)length;
		}
	}
	free(entry);
	return good;
}

struct transparency_log *transparency_log_open(const char *file, uint64_t bytes)
{
	struct transparency_log *log = ledger_allocate(1, sizeof(*log));
	pthread_mutex_init(&log->lock, NULL);
	log->name = strdup(file);
	log->fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (log->fd < 0 || !log->name || !load(log, bytes) || ftruncate(log->fd, (off_t)bytes)) {
		fprintf(stderr, "holon-ledger: the transparency log %s is damaged or cannot be read: %s\n",
		        file, strerror(errno));
		transparency_log_close(log);
		return NULL;
	}
	return log;
}

void transparency_log_close(struct transparency_log *log)
{
	if (!log)
		return;
	forget(log);
	if (log->fd >= 0)
		close(log->fd);
	pthread_mutex_destroy(&log->lock);
	free(log->name);
	free(log);
}

bool transparency_log_append(struct transparency_log *log, const uint8_t *entry, size_t size)
{
	uint8_t length[4];
	store_le32(length, (uint32_t)size);
	if (pwrite(log->fd, length, 4, (off_t)log->bytes) != 4 ||
	    pwrite(log->fd, entry, size, (off_t)log->bytes + 4) != (ssize_t)size)
		return false;
	pthread_mutex_lock(&log->lock);
	add_leaf(log, entry, size, log->bytes + 4);
	log->bytes += 4 + (uint64_t)size;
	pthread_mutex_unlock(&log->lock);
	return true;
}

bool transparency_log_sync(struct transparency_log *log)
{
	return !fdatasync(log->fd);
}

uint64_t transparency_log_size(struct transparency_log *log)
{
	pthread_mutex_lock(&log->lock);
	uint64_t size = log->levels[0].count;
	pthread_mutex_unlock(&log->lock);
	return size;
}

uint64_t transparency_log_bytes(struct transparency_log *log)
{
	pthread_mutex_lock(&log->lock);
	uint64_t bytes = log->bytes;
	pthread_mutex_unlock(&log->lock);
	return bytes;
}

/* The hash over leaves [start, start + size), `start` being a multiple of the largest power of two up to `size`: full subtrees
 * from the right, joined. */
static void range_hash(const struct transparency_log *log, uint64_t start, uint64_t size,
                       uint8_t out[LOG_HASH])
{
	bool some = false;
	for (unsigned k = 0; size; k++) {
		if (!(size >> k & 1))
			continue;
		uint64_t full = (uint64_t)1 << k;
		size -= full;
		const uint8_t *hash = log->levels[k].hashes[(start + size) >> k];
		if (some)
			transparency_node(out, hash, out);
		else
			memcpy(out, hash, LOG_HASH);
		some = true;
	}
}

void transparency_log_root(struct transparency_log *log, uint64_t size, uint8_t root[LOG_HASH])
{
	memset(root, 0, LOG_HASH);
	pthread_mutex_lock(&log->lock);
	if (size <= log->levels[0].count)
		range_hash(log, 0, size, root);
	pthread_mutex_unlock(&log->lock);
}

bool transparency_log_find(struct transparency_log *log, const uint8_t leaf[LOG_HASH], uint64_t size,
                           uint64_t *index)
{
	bool found = false;
	pthread_mutex_lock(&log->lock);
	for (uint64_t slot = log->table_size ? slot_of(log, leaf) : 0;
	     !found && log->table_size && log->table[slot]; slot = (slot + 1) & (log->table_size - 1)) {
		*index = log->table[slot] - 1;
		found = !memcmp(log->levels[0].hashes[*index], leaf, LOG_HASH);
	}
	pthread_mutex_unlock(&log->lock);
	return found && *index < size;
}

bool transparency_log_newest(struct transparency_log *log, uint8_t kind, uint64_t before, uint64_t *index)
{
	pthread_mutex_lock(&log->lock);
	if (before > log->levels[0].count)
		before = log->levels[0].count;
	const uint8_t *found = before ? memrchr(log->kinds, kind, before) : NULL;
	if (found)
		*index = (uint64_t)(found - log->kinds);
	pthread_mutex_unlock(&log->lock);
	return found != NULL;
}

unsigned transparency_log_path(struct transparency_log *log, uint64_t index, uint64_t size,
                               uint8_t path[LOG_PATH][LOG_HASH])
{
	uint8_t down[LOG_PATH][LOG_HASH];
	unsigned count = 0;
	uint64_t start = 0;
	pthread_mutex_lock(&log->lock);
	if (size > log->levels[0].count || index >= size)
		size = 0;
	/* From the root down: the hash of the half that the leaf is not in. */
	while (size > 1 && count < LOG_PATH) {
		uint64_t left = (uint64_t)1 << (63 - (unsigned)__builtin_clzll(size - 1));
		if (index - start < left) {
			range_hash(log, start + left, size - left, down[count++]);
			size = left;
		} else {
			range_hash(log, start, left, down[count++]);
			start += left;
			size -= left;
		}
	}
	pthread_mutex_unlock(&log->lock);
	for (unsigned i = 0; i < count; i++)
		memcpy(path[i], down[count - 1 - i], LOG_HASH);
	return count;
}

uint8_t *transparency_log_entry(struct transparency_log *log, uint64_t index, size_t *size)
{
	pthread_mutex_lock(&log->lock);
	bool known = index < log->levels[0].count;
	uint64_t offset = known ? log->offsets[index] : 0;
	pthread_mutex_unlock(&log->lock);
	uint8_t length[4], *entry = NULL;
	if (!known || pread(log->fd, length, 4, (off_t)offset - 4) != 4)
		return NULL;
	*size = load_le32(length);
	entry = *size <= TRANSPARENCY_ENTRY_MAX ? malloc(*size + 1) : NULL;
	if (entry && pread(log->fd, entry, *size, (off_t)offset) != (ssize_t)*size) {
		free(entry);
		entry = NULL;
	}
	return entry;
}

bool transparency_log_copy(struct transparency_log *log, uint64_t bytes, FILE *out)
{
	uint8_t part[65536];
	for (uint64_t at = 0; at < bytes;) {
		size_t wanted = bytes - at < sizeof(part) ? (size_t)(bytes - at) : sizeof(part);
		ssize_t got = pread(log->fd, part, wanted, (off_t)at);
		if (got <= 0 || fwrite(part, 1, (size_t)got, out) != (size_t)got)
			return false;
		at += (uint64_t)got;
	}
	return true;
}

bool transparency_log_cut(struct transparency_log *log, uint64_t bytes)
{
	pthread_mutex_lock(&log->lock);
	forget(log);
	bool good = load(log, bytes) && !ftruncate(log->fd, (off_t)bytes);
	pthread_mutex_unlock(&log->lock);
	return good;
}

bool transparency_log_become(struct transparency_log *log, struct transparency_log *other)
{
	bool good = !fdatasync(other->fd) && !rename(other->name, log->name);
	pthread_mutex_lock(&log->lock);
	if (good) {
		struct transparency_log mine = *log;
		log->fd = other->fd;
		log->bytes = other->bytes;
		memcpy(log->levels, other->levels, sizeof(log->levels));
		log->offsets = other->offsets;
		log->kinds = other->kinds;
		log->offset_room = other->offset_room;
		log->table = other->table;
		log->table_size = other->table_size;
		other->fd = mine.fd;
		memcpy(other->levels, mine.levels, sizeof(other->levels));
		other->offsets = mine.offsets;
		other->kinds = mine.kinds;
		other->table = mine.table;
	}
	pthread_mutex_unlock(&log->lock);
	transparency_log_close(other);
	return good;
}
