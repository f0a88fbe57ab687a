/* Votes, the log's place in the state, and their file. */
#include "ledger/ordered/ordered.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/blake3.h"
#include "trust/transparency.h"

#define HISTORY                                                                                              \
	1024 /* changes whose digests are remembered: how far the application may be behind after a crash */
#define HISTORY_SIZE (8 + 32 + 8 + 8 + 32)
#define CORE_SIZE    (1 + 8 + DAG_MAX_VALIDATORS * 16 + 24)

static const char magic[8] = {'H', 'O', 'r', 'd', 'e', 'r', 'd', '1'};

struct vote {
	uint64_t epoch, members;
};

struct core {
	struct vote votes[DAG_MAX_VALIDATORS];
	uint64_t ended_index, ended_epoch, ended_members; /* the last epoch that ended; index 0: none has */
};

struct change {
	uint64_t index;
	struct ordered_digests digests;
};

struct ordered {
	char directory[256];
	uint64_t known;
	uint64_t index; /* of the last commit taken */
	struct core core;
	struct transparency_log *log;
	struct change history[HISTORY]; /* oldest first */
	unsigned history_count;
};

/* ---- the core's encoding ---- */

static void core_encode(const struct core *core, uint8_t out[CORE_SIZE])
{
	uint64_t ended[3] = {core->ended_index, core->ended_epoch, core->ended_members};
	*out++ = 1;
	store_le64(out, DAG_MAX_VALIDATORS);
	out += 8;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++, out += 16) {
		store_le64(out, core->votes[i].epoch);
		store_le64(out + 8, core->votes[i].members);
	}
	for (unsigned i = 0; i < 3; i++, out += 8)
		store_le64(out, ended[i]);
}

static bool core_decode(const uint8_t *in, size_t size, struct core *out)
{
	if (size != CORE_SIZE || in[0] != 1 || load_le64(in + 1) != DAG_MAX_VALIDATORS)
		return false;
	in += 9;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++, in += 16)
		out->votes[i] = (struct vote){load_le64(in), load_le64(in + 8)};
	out->ended_index = load_le64(in);
	out->ended_epoch = load_le64(in + 8);
	out->ended_members = load_le64(in + 16);
	return true;
}

static bool core_digest(const uint8_t *core, size_t size, uint8_t digest[32])
{
	static const char context[] = "Holon ledger v1: ordered core";
	struct core decoded;
	struct blake3 hash;
	if (!core_decode(core, size, &decoded))
		return false;
	blake3_init_derive_key(&hash, context, sizeof(context) - 1);
	blake3_update(&hash, core, size);
	blake3_final(&hash, digest, 32);
	return true;
}

static void change_note(struct ordered *ordered, uint64_t index)
{
	uint8_t core[CORE_SIZE];
	if (ordered->history_count == HISTORY) {
		ordered->history_count--;
		memmove(ordered->history, ordered->history + 1, (HISTORY - 1) * sizeof(ordered->history[0]));
	}
	struct change *change = &ordered->history[ordered->history_count++];
	change->index = index;
	core_encode(&ordered->core, core);
	(void)core_digest(core, sizeof(core), change->digests.core);
	change->digests.log_size = transparency_log_size(ordered->log);
	change->digests.log_bytes = transparency_log_bytes(ordered->log);
	transparency_log_root(ordered->log, change->digests.log_size, change->digests.log_root);
}

/* ---- the file: magic, core, changes 4, changes, checksum ---- */

static bool state_write(const struct ordered *ordered)
{
	char name[300], fresh[310];
	size_t size = sizeof(magic) + CORE_SIZE + 4 + (size_t)ordered->history_count * HISTORY_SIZE;
	uint8_t *bytes = ledger_allocate(1, size + BLAKE3_SIZE), *at = bytes;
	memcpy(at, magic, sizeof(magic));
	core_encode(&ordered->core, at + sizeof(magic));
	at += sizeof(magic) + CORE_SIZE;
	store_le32(at, ordered->history_count);
	at += 4;
	for (unsigned i = 0; i < ordered->history_count; i++, at += HISTORY_SIZE) {
		const struct change *change = &ordered->history[i];
		store_le64(at, change->index);
		memcpy(at + 8, change->digests.core, 32);
		store_le64(at + 40, change->digests.log_size);
		store_le64(at + 48, change->digests.log_bytes);
		memcpy(at + 56, change->digests.log_root, 32);
	}
	blake3_hash(bytes + size, bytes, size);
	snprintf(name, sizeof(name), "%s/ordered", ordered->directory);
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good = fd >= 0 && write(fd, bytes, size + BLAKE3_SIZE) == (ssize_t)(size + BLAKE3_SIZE) &&
	            !fdatasync(fd);
	if (fd >= 0)
		good = !close(fd) && good;
	free(bytes);
	good = good && !rename(fresh, name);
	/* The rename, too, must survive: the folder is synced. */
	int folder = good ? open(ordered->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	good = folder >= 0 && !fsync(folder);
	if (folder >= 0)
		close(folder);
	return good;
}

static bool state_parse(struct ordered *ordered, const uint8_t *bytes, size_t size)
{
	uint8_t check[BLAKE3_SIZE];
	size_t head = sizeof(magic) + CORE_SIZE + 4;
	if (size < head + BLAKE3_SIZE || memcmp(bytes, magic, sizeof(magic)) != 0)
		return false;
	size -= BLAKE3_SIZE;
	blake3_hash(check, bytes, size);
	uint32_t count = load_le32(bytes + head - 4);
	if (memcmp(check, bytes + size, sizeof(check)) != 0 || !count || count > HISTORY ||
	    size != head + (size_t)count * HISTORY_SIZE ||
	    !core_decode(bytes + sizeof(magic), CORE_SIZE, &ordered->core))
		return false;
	const uint8_t *at = bytes + head;
	for (uint32_t i = 0; i < count; i++, at += HISTORY_SIZE) {
		struct change *change = &ordered->history[i];
		change->index = load_le64(at);
		memcpy(change->digests.core, at + 8, 32);
		change->digests.log_size = load_le64(at + 40);
		change->digests.log_bytes = load_le64(at + 48);
		memcpy(change->digests.log_root, at + 56, 32);
	}
	ordered->history_count = count;
	ordered->index = ordered->history[count - 1].index;
	return true;
}

/* Of a folder without the file nothing was ever ordered. */
static bool state_read(struct ordered *ordered)
{
	char name[300];
	size_t most = sizeof(magic) + CORE_SIZE + 4 + (size_t)HISTORY * HISTORY_SIZE + BLAKE3_SIZE + 1;
	snprintf(name, sizeof(name), "%s/ordered", ordered->directory);
	FILE *in = fopen(name, "rb");
	if (!in)
		return errno == ENOENT;
	uint8_t *bytes = ledger_allocate(1, most);
	size_t got = fread(bytes, 1, most, in);
	fclose(in);
	bool good = state_parse(ordered, bytes, got);
	free(bytes);
	if (!good)
		fprintf(stderr, "holon-ledger: %s is damaged\n", name);
	return good;
}

struct ordered *ordered_open(const char *directory, uint64_t known)
{
	struct ordered *ordered = ledger_allocate(1, sizeof(*ordered));
	char name[300];
	ordered->known = known;
	snprintf(ordered->directory, sizeof(ordered->directory), "%s", directory);
	snprintf(name, sizeof(name), "%s/transparency", directory);
	bool good = state_read(ordered);
	uint64_t bytes =
	    ordered->history_count ? ordered->history[ordered->history_count - 1].digests.log_bytes : 0;
	ordered->log = good ? transparency_log_open(name, bytes) : NULL;
	if (!ordered->log) {
		free(ordered);
		return NULL;
	}
	if (!ordered->history_count)
		change_note(ordered, 0);
	return ordered;
}

void ordered_close(struct ordered *ordered)
{
	if (!ordered)
		return;
	transparency_log_close(ordered->log);
	free(ordered);
}

/* ---- payloads ---- */

static bool vote_take(struct ordered *ordered, const uint8_t *payload, unsigned author,
                      const struct dag_commit *commit, uint64_t members)
{
	uint64_t epoch = load_le64(payload + 1), wanted = load_le64(payload + 9);
	struct core *core = &ordered->core;
	bool over = core->ended_index && core->ended_epoch >= commit->epoch;
	if (over || epoch != commit->epoch || !(members >> author & 1) || !wanted ||
	    (wanted & ~ordered->known) ||
	    (core->votes[author].epoch == epoch && core->votes[author].members == wanted))
		return false;
	core->votes[author] = (struct vote){epoch, wanted};
	unsigned count = 0;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		count +=
		    (members >> i & 1) && core->votes[i].epoch == epoch && core->votes[i].members == wanted;
	if (count >= committee_quorum(set_size(members))) {
		memset(core->votes, 0, sizeof(core->votes));
		core->ended_index = commit->index;
		core->ended_epoch = epoch;
		core->ended_members = wanted;
	}
	return true;
}

enum taken {
	TAKEN_NOTHING,
	TAKEN_SOME,
	TAKEN_FAILED,
};

static enum taken payload_take(struct ordered *ordered, const uint8_t *payload, uint32_t size,
                               unsigned author, const struct dag_effect *effect, uint64_t members)
{
	if (payload[0] == ORDERED_VOTE && size == ORDERED_VOTE_SIZE && author < DAG_MAX_VALIDATORS)
		return vote_take(ordered, payload, author, effect->commit, members) ? TAKEN_SOME
		                                                                    : TAKEN_NOTHING;
	if (payload[0] == ORDERED_ENTRY && transparency_entry(payload + 1, size - 1))
		return transparency_log_append(ordered->log, payload + 1, size - 1) ? TAKEN_SOME
		                                                                    : TAKEN_FAILED;
	return TAKEN_NOTHING;
}

bool ordered_commit(struct ordered *ordered, const struct dag_effect *effect, bool special, uint64_t members)
{
	if (effect->index <= ordered->index)
		return true;
	struct core before = ordered->core;
	uint64_t log_bytes = transparency_log_bytes(ordered->log);
	enum taken taken = TAKEN_NOTHING;
	for (unsigned i = 0; special && i < effect->batch_count && taken != TAKEN_FAILED; i++) {
		struct batch_view view;
		const struct blob *blob = effect->batches[i].blob;
		wire_batch_again(blob->data, blob->size, &view);
		const uint8_t *at = view.payloads, *payload;
		uint32_t size;
		while (taken != TAKEN_FAILED && (payload = wire_payload(&view, &at, &size))) {
			enum taken one = payload[0] == ORDERED_VOTE || payload[0] == ORDERED_ENTRY
			                     ? payload_take(ordered, payload, size, effect->batches[i].author,
			                                    effect, members)
			                     : TAKEN_NOTHING;
			taken = one > taken ? one : taken;
		}
	}
	bool good = taken != TAKEN_FAILED;
	if (taken == TAKEN_SOME) {
		change_note(ordered, effect->index);
		good = transparency_log_sync(ordered->log) && state_write(ordered);
		ordered->history_count -= !good;
	}
	if (good) {
		ordered->index = effect->index;
		return true;
	}
	ordered->core = before;
	if (!transparency_log_cut(ordered->log, log_bytes)) {
		fprintf(stderr, "holon-ledger: the transparency log cannot be read again\n");
		abort();
	}
	return false;
}

bool ordered_ends(const struct ordered *ordered, uint64_t index, uint64_t *members)
{
	*members = ordered->core.ended_members;
	return index && ordered->core.ended_index == index;
}

bool ordered_drops(const struct ordered *ordered, const struct dag_commit *commit)
{
	return ordered->core.ended_index && commit->epoch <= ordered->core.ended_epoch &&
	       commit->index > ordered->core.ended_index;
}

void ordered_digests(const struct ordered *ordered, uint64_t index, struct ordered_digests *out)
{
	unsigned i = ordered->history_count - 1;
	while (i && ordered->history[i].index > index)
		i--;
	*out = ordered->history[i].digests;
}

void ordered_state_root(const struct ordered_digests *digests, const uint8_t application_root[32],
                        uint8_t root[32])
{
	transparency_state_root(root, application_root, digests->core, digests->log_size, digests->log_root);
}

struct transparency_log *ordered_log(struct ordered *ordered)
{
	return ordered->log;
}

struct blob *ordered_encode(const struct ordered *ordered)
{
	struct blob *blob = blob_create(CORE_SIZE);
	core_encode(&ordered->core, blob->data);
	return blob;
}

struct ordered_fresh {
	struct core core;
	struct transparency_log *log;
};

struct ordered_fresh *ordered_prepare(struct ordered *ordered, const uint8_t *core, size_t core_size,
                                      FILE *in, const struct ordered_digests *digests)
{
	struct ordered_fresh *fresh = ledger_allocate(1, sizeof(*fresh));
	char name[300];
	uint8_t digest[32], root[LOG_HASH], part[65536];
	bool good = core_decode(core, core_size, &fresh->core) && core_digest(core, core_size, digest) &&
	            !memcmp(digest, digests->core, 32);
	snprintf(name, sizeof(name), "%s/transparency.new", ordered->directory);
	FILE *out = good ? fopen(name, "wb") : NULL;
	for (uint64_t left = digests->log_bytes; out && good && left;) {
		size_t wanted = left < sizeof(part) ? (size_t)left : sizeof(part);
		good = fread(part, 1, wanted, in) == wanted && fwrite(part, 1, wanted, out) == wanted;
		left -= wanted;
	}
	if (!out || fclose(out))
		good = false;
	if (good)
		fresh->log = transparency_log_open(name, digests->log_bytes);
	if (fresh->log) {
		transparency_log_root(fresh->log, digests->log_size, root);
		good = transparency_log_size(fresh->log) == digests->log_size &&
		       !memcmp(root, digests->log_root, LOG_HASH);
	}
	if (good && fresh->log)
		return fresh;
	(void)ordered_adopt(ordered, fresh, 0);
	return NULL;
}

bool ordered_adopt(struct ordered *ordered, struct ordered_fresh *fresh, uint64_t index)
{
	bool good = index && transparency_log_become(ordered->log, fresh->log);
	if (!index)
		transparency_log_close(fresh->log);
	if (good) {
		ordered->core = fresh->core;
		ordered->history_count = 0;
		change_note(ordered, index);
		ordered->index = index;
		good = state_write(ordered);
	}
	free(fresh);
	return good;
}
