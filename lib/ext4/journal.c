/* The journal (chapter "Journal (jbd2)"): finding it, and replaying what its last user committed.
 *
 * All that is replayed is gathered first, then written once, each block as the last transaction had it. Bounds: a
 * journal has at most JOURNAL_MAX blocks, each is read at most twice, and what is remembered is at most one record
 * a block of it, and REVOKED_MAX revoked blocks. */
#include "internal.h"

#include <stdlib.h>

#define JOURNAL_INODE_MAX 8u
#define JOURNAL_MAX       (1u << 20) /* blocks */
#define JOURNAL_MIN       512u
#define MAP_MAX           4096u
#define REVOKED_MAX       (1u << 18)
#define JMAGIC            0xc03b3998u

enum { J_DESCRIPTOR = 1, J_COMMIT = 2, J_SUPER1 = 3, J_SUPER2 = 4, J_REVOKE = 5 };
enum {
	J_MAGIC = 0,
	J_TYPE = 4,
	J_SEQUENCE = 8,
	JS_BLOCK = 0xc,
	JS_LENGTH = 0x10,
	JS_FIRST = 0x14,
	JS_SEQUENCE = 0x18,
	JS_START = 0x1c,
	JS_ERROR = 0x20,
	JS_COMPAT = 0x24,
	JS_INCOMPAT = 0x28,
	JS_UUID = 0x30,
	JS_CHECKSUM_TYPE = 0x50,
	JS_FAST = 0x54,
	JS_CHECKSUM = 0xfc
};
enum {
	JC_CHECKSUM = 1,
	JI_REVOKE = 1,
	JI_64BIT = 2,
	JI_ASYNC = 4,
	JI_CSUM2 = 8,
	JI_CSUM3 = 0x10,
	JI_FAST = 0x20
};
enum { TAG_ESCAPE = 1, TAG_SAME_UUID = 2, TAG_LAST = 8 };

/* A block that the journal holds, or (index 0) one that was revoked. */
struct record {
	uint64_t block;
	uint32_t sequence, index;
	bool escaped;
};

struct replay {
	struct ext4 *fs;
	struct record *blocks, *revoked;
	size_t block_count, block_room, revoked_count, revoked_room;
	uint8_t *block; /* the one being looked at */
	uint8_t *data;
};

uint64_t journal_block(const struct journal *journal, uint32_t index)
{
	for (size_t i = 0; journal->map && i < journal->map_count; i++) {
		if (index < journal->map[i].count)
			return journal->map[i].first + index;
		index -= (uint32_t)journal->map[i].count;
	}
	return 0;
}

uint32_t journal_tag_bytes(const struct journal *journal)
{
	if (journal->checksum_v3)
		return 16;
	return 8 + (journal->checksum_v2 ? 2 : 0) + (journal->wide ? 4 : 0);
}

/* The checksum of BLOCK with the field at FIELD as zero. */
uint32_t journal_checksum(const struct journal *journal, const uint8_t *block, uint32_t bytes, uint32_t field)
{
	const uint8_t zero[4] = {0};
	uint32_t crc = crc32c(journal->seed, block, field);
	crc = crc32c(crc, zero, 4);
	return crc32c(crc, block + field + 4, bytes - field - 4);
}

static int map_load(struct ext4 *fs, struct inode *inode, uint32_t length)
{
	struct journal *journal = &fs->journal;
	uint32_t at = 0;
	struct range *map = malloc(MAP_MAX * sizeof(*map));
	if (!map)
		return FILESYSTEM_E_NO_MEMORY;
	journal->map = map;
	while (at < length) {
		struct extent extent;
		int result = extent_find(fs, inode, at, &extent);
		if (result < 0)
			return result;
		if (!extent.count || extent.logical != at || journal->map_count == MAP_MAX)
			return filesystem_damaged(&fs->fs, "ext4: the journal has holes, or too many pieces");
		struct range *last = journal->map_count ? &map[journal->map_count - 1] : 0;
		if (last && last->first + last->count == extent.physical)
			last->count += extent.count;
		else
			map[journal->map_count++] = (struct range){extent.physical, extent.count};
		at += extent.count;
	}
	return E_OK;
}

static int super_check(struct ext4 *fs)
{
	struct journal *journal = &fs->journal;
	const uint8_t *super = journal->super;
	const char *wrong = 0;
	uint32_t length = get32_big(super + JS_LENGTH);
	if (get32_big(super + J_MAGIC) != JMAGIC || get32_big(super + J_TYPE) != J_SUPER2 ||
	    get32_big(super + JS_BLOCK) != fs->block_bytes)
		wrong = "the journal's superblock makes no sense";
	journal->incompat = get32_big(super + JS_INCOMPAT);
	if (!wrong &&
	    journal->incompat & ~(uint32_t)(JI_REVOKE | JI_64BIT | JI_ASYNC | JI_CSUM2 | JI_CSUM3 | JI_FAST))
		wrong = "the journal has features that are not supported";
	journal->checksum_v3 = journal->incompat & JI_CSUM3;
	journal->checksum_v2 = !journal->checksum_v3 && journal->incompat & JI_CSUM2;
	journal->checksum_v1 = get32_big(super + JS_COMPAT) & JC_CHECKSUM;
	journal->wide = journal->incompat & JI_64BIT;
	if (journal->checksum_v3 || journal->checksum_v2) {
		struct journal plain = {.seed = ~0u};
		if (!wrong &&
		    (super[JS_CHECKSUM_TYPE] != 4 ||
		     get32_big(super + JS_CHECKSUM) != journal_checksum(&plain, super, 1024, JS_CHECKSUM)))
			wrong = "the journal's superblock fails its checksum";
		journal->seed = crc32c(~0u, super + JS_UUID, 16);
	}
	uint32_t fast = get32_big(super + JS_FAST);
	if (journal->incompat & JI_FAST)
		length = length > (fast ? fast : 256) ? length - (fast ? fast : 256) : 0;
	journal->first = get32_big(super + JS_FIRST);
	journal->sequence = get32_big(super + JS_SEQUENCE);
	if (!wrong && (!journal->first || length > JOURNAL_MAX || length < JOURNAL_MIN ||
	               journal->first > length - JOURNAL_MIN / 2 || get32_big(super + JS_START) >= length))
		wrong = "the journal's size makes no sense";
	if (wrong)
		return filesystem_damaged(&fs->fs, "ext4: %s", wrong);
	journal->length = length - journal->first;
	journal->head = journal->first;
	journal->clean = get32_big(super + JS_START) == 0;
	return E_OK;
}

/* ---- Replay ---- */

static int read_block(struct replay *replay, uint32_t index, uint8_t *to)
{
	const struct ext4 *fs = replay->fs;
	uint64_t block = journal_block(&fs->journal, index);
	if (!block)
		return FILE_E_IO;
	return filesystem_read(&replay->fs->fs, block * fs->block_bytes, to, fs->block_bytes);
}

static int record_add(struct record **records, size_t *count, size_t *room, size_t most,
                      const struct record *record)
{
	if (*count == *room) {
		size_t wanted = *room ? *room * 2 : 256;
		struct record *grown = *count >= most ? 0 : realloc(*records, wanted * sizeof(*grown));
		if (!grown)
			return FILESYSTEM_E_NO_MEMORY;
		*records = grown;
		*room = wanted;
	}
	(*records)[(*count)++] = *record;
	return E_OK;
}

static bool has_tail(const struct journal *journal)
{
	return journal->checksum_v2 || journal->checksum_v3;
}

static bool tail_is_right(const struct ext4 *fs, const uint8_t *block)
{
	uint32_t at = fs->block_bytes - 4;
	return !has_tail(&fs->journal) ||
	       get32_big(block + at) == journal_checksum(&fs->journal, block, fs->block_bytes, at);
}

static uint32_t next_index(const struct journal *journal, uint32_t index)
{
	return index + 1 < journal->first + journal->length ? index + 1 : journal->first;
}

/* The tags of the descriptor in BLOCK, which stands at *INDEX: each is noted where NOTE. *INDEX goes to the last of
 * its blocks; how many they are, or an error. */
static int descriptor(struct replay *replay, uint32_t sequence, uint32_t *index, bool note)
{
	const struct journal *journal = &replay->fs->journal;
	const uint32_t tag_bytes = journal_tag_bytes(journal);
	const uint32_t end = replay->fs->block_bytes - (has_tail(journal) ? 4 : 0);
	int count = 0;
	for (uint32_t at = 12; at + tag_bytes <= end;) {
		const uint8_t *tag = replay->block + at;
		uint32_t flags = journal->checksum_v3 ? get32_big(tag + 4) : get16_big(tag + 6);
		uint64_t block = get32_big(tag);
		if (journal->wide)
			block |= (uint64_t)get32_big(tag + 8) << 32;
		*index = next_index(journal, *index);
		count++;
		struct record record = {
		    .block = block, .sequence = sequence, .index = *index, .escaped = flags & TAG_ESCAPE};
		if (note) {
			if (block >= replay->fs->blocks)
				return filesystem_damaged(&replay->fs->fs,
				                          "ext4: the journal names a block beyond the end");
			if (has_tail(journal)) {
				uint8_t number[4];
				int result = read_block(replay, *index, replay->data);
				put32_big(number, sequence);
				uint32_t crc = crc32c(crc32c(journal->seed, number, 4), replay->data,
				                      replay->fs->block_bytes);
				if (result < 0)
					return result;
				if (journal->checksum_v3 ? crc != get32_big(tag + 12)
				                         : (uint16_t)crc != get16_big(tag + 4))
					return filesystem_damaged(
					    &replay->fs->fs,
					    "ext4: a block in the journal fails its checksum");
			}
			int result = record_add(&replay->blocks, &replay->block_count, &replay->block_room,
			                        JOURNAL_MAX, &record);
			if (result < 0)
				return result;
		}
		at += tag_bytes + (flags & TAG_SAME_UUID ? 0 : 16);
		if (flags & TAG_LAST)
			break;
	}
	return count;
}

static int revocations(struct replay *replay, uint32_t sequence)
{
	const struct journal *journal = &replay->fs->journal;
	uint32_t end = get32_big(replay->block + 12);
	uint32_t each = journal->wide ? 8 : 4;
	if (end > replay->fs->block_bytes)
		return filesystem_damaged(&replay->fs->fs, "ext4: the journal revokes more than it can");
	for (uint32_t at = 16; at + each <= end; at += each) {
		uint64_t block = get32_big(replay->block + at);
		if (journal->wide)
			block = block << 32 | get32_big(replay->block + at + 4);
		struct record record = {.block = block, .sequence = sequence};
		int result = record_add(&replay->revoked, &replay->revoked_count, &replay->revoked_room,
		                        REVOKED_MAX, &record);
		if (result < 0)
			return result;
	}
	return E_OK;
}

/* Goes through the log from its tail on, up to the transaction END (with NOTE, when that is known). Gives the
 * sequence behind the last whole transaction. */
static int walk(struct replay *replay, bool note, uint32_t end, uint32_t *behind)
{
	const struct journal *journal = &replay->fs->journal;
	uint32_t sequence = journal->sequence;
	uint32_t index = get32_big(journal->super + JS_START);
	*behind = sequence;
	for (uint32_t walked = 0; walked < journal->length && (!note || sequence != end);) {
		int result = read_block(replay, index, replay->block);
		if (result < 0)
			return result;
		uint32_t type = get32_big(replay->block + J_TYPE);
		if (get32_big(replay->block + J_MAGIC) != JMAGIC ||
		    get32_big(replay->block + J_SEQUENCE) != sequence)
			break;
		if (type == J_DESCRIPTOR) {
			if (!tail_is_right(replay->fs, replay->block))
				break;
			result = descriptor(replay, sequence, &index, note);
			if (result < 0)
				return result;
			walked += (uint32_t)result;
		} else if (type == J_REVOKE) {
			if (!tail_is_right(replay->fs, replay->block))
				break;
			result = note ? revocations(replay, sequence) : E_OK;
			if (result < 0)
				return result;
		} else if (type == J_COMMIT) {
			if (has_tail(journal) &&
			    get32_big(replay->block + 16) !=
			        journal_checksum(journal, replay->block, replay->fs->block_bytes, 16))
				break;
			*behind = ++sequence;
		} else {
			break;
		}
		index = next_index(journal, index);
		walked++;
	}
	return E_OK;
}

static int by_block_and_age(const void *a, const void *b)
{
	const struct record *left = a;
	const struct record *right = b;
	if (left->block != right->block)
		return left->block < right->block ? -1 : 1;
	int32_t age = (int32_t)(left->sequence - right->sequence);
	return age ? (age < 0 ? -1 : 1) : 0;
}

/* Writes of each block the last that was not revoked later. */
static int write_all(struct replay *replay)
{
	struct ext4 *fs = replay->fs;
	size_t revoked = 0;
	records_sort(replay->blocks, replay->block_count, sizeof(struct record), by_block_and_age);
	records_sort(replay->revoked, replay->revoked_count, sizeof(struct record), by_block_and_age);
	for (size_t i = 0; i < replay->block_count; i++) {
		const struct record *record = &replay->blocks[i];
		if (i + 1 < replay->block_count && record[1].block == record->block)
			continue;
		while (revoked < replay->revoked_count && replay->revoked[revoked].block < record->block)
			revoked++;
		size_t last = revoked;
		while (last + 1 < replay->revoked_count && replay->revoked[last + 1].block == record->block)
			last++;
		if (last < replay->revoked_count && replay->revoked[last].block == record->block &&
		    (int32_t)(replay->revoked[last].sequence - record->sequence) >= 0)
			continue;
		int result = read_block(replay, record->index, replay->data);
		if (result < 0)
			return result;
		if (record->escaped)
			put32_big(replay->data, JMAGIC);
		result =
		    filesystem_write(&fs->fs, record->block * fs->block_bytes, replay->data, fs->block_bytes);
		if (result < 0)
			return result;
	}
	return filesystem_flush(&fs->fs);
}

static int replay_journal(struct ext4 *fs)
{
	struct replay replay = {.fs = fs, .block = malloc(fs->block_bytes), .data = malloc(fs->block_bytes)};
	uint32_t behind = 0, again;
	int result = replay.block && replay.data ? E_OK : FILESYSTEM_E_NO_MEMORY;
	if (result >= 0)
		result = walk(&replay, false, 0, &behind);
	if (result >= 0)
		result = walk(&replay, true, behind, &again);
	if (result >= 0)
		result = write_all(&replay);
	if (result >= 0) {
		filesystem_report(&fs->fs,
		                  "ext4: it was not unmounted: %u transactions of the journal replayed",
		                  (unsigned)(behind - fs->journal.sequence));
		result = journal_write_super(fs, 0, behind + 1);
	}
	free(replay.block);
	free(replay.data);
	free(replay.blocks);
	free(replay.revoked);
	return result < 0 ? result : 1;
}

/* ---- Opening ---- */

int journal_write_super(struct ext4 *fs, uint32_t start, uint32_t sequence)
{
	struct journal *journal = &fs->journal;
	uint8_t *super = journal->super;
	struct journal plain = {.seed = ~0u};
	uint64_t block = journal_block(journal, 0);
	put32_big(super + JS_START, start);
	put32_big(super + JS_SEQUENCE, sequence);
	put32_big(super + JS_COMPAT, get32_big(super + JS_COMPAT) & ~(uint32_t)JC_CHECKSUM);
	put32_big(super + JS_INCOMPAT, (journal->incompat | JI_REVOKE) & ~(uint32_t)(JI_FAST | JI_ASYNC));
	if (has_tail(journal))
		put32_big(super + JS_CHECKSUM, journal_checksum(&plain, super, 1024, JS_CHECKSUM));
	journal->sequence = sequence;
	int result = filesystem_read(&fs->fs, block * fs->block_bytes, fs->scratch, fs->block_bytes);
	if (result < 0)
		return result;
	memcpy(fs->scratch, super, 1024);
	result = filesystem_write(&fs->fs, block * fs->block_bytes, fs->scratch, fs->block_bytes);
	if (result >= 0)
		result = filesystem_flush(&fs->fs);
	if (result >= 0)
		journal->clean = !start;
	return result;
}

static int load(struct ext4 *fs, struct inode *inode)
{
	struct journal *journal = &fs->journal;
	struct extent first;
	int result = extent_find(fs, inode, 0, &first);
	if (result >= 0 && (!first.count || first.logical))
		result = filesystem_damaged(&fs->fs, "ext4: the journal is empty");
	if (result >= 0)
		result =
		    filesystem_read(&fs->fs, first.physical * fs->block_bytes, fs->scratch, fs->block_bytes);
	if (result < 0)
		return result;
	memcpy(journal->super, fs->scratch, sizeof(journal->super));
	result = super_check(fs);
	if (result >= 0 && inode_size(inode) / fs->block_bytes < journal->first + (uint64_t)journal->length)
		result = filesystem_damaged(&fs->fs, "ext4: the journal is shorter than it says");
	return result < 0 ? result : map_load(fs, inode, journal->first + journal->length);
}

int journal_open(struct ext4 *fs)
{
	struct inode inode;
	uint32_t number = get32(fs->super + SB_JOURNAL_INODE);
	bool recover = fs->incompat & INCOMPAT_RECOVER;
	if (!(fs->compat & COMPAT_HAS_JOURNAL)) {
		if (recover)
			return filesystem_damaged(&fs->fs, "ext4: it needs a replay and has no journal");
		return E_OK;
	}
	if (number != JOURNAL_INODE_MAX) {
		filesystem_report(&fs->fs, "ext4: its journal is on another disk, which is not supported");
		return FILESYSTEM_E_FORMAT;
	}
	int result = inode_load(fs, number, false, &inode);
	if (result < 0)
		return result;
	result = load(fs, &inode);
	inode_put(&inode);
	if (result < 0)
		return result;
	fs->journal.present = true;
	if (fs->journal.incompat & JI_FAST && recover) {
		filesystem_report(&fs->fs, "ext4: its journal has fast commits to be replayed, which is not "
		                           "supported: e2fsck does it");
		return FILESYSTEM_E_FORMAT;
	}
	if (fs->journal.clean)
		return E_OK;
	if (fs->fs.disk.read_only) {
		filesystem_report(&fs->fs, "ext4: its journal must be replayed, and the disk is read-only");
		return FILE_E_READ_ONLY;
	}
	if (fs->journal.checksum_v1 && fs->journal.incompat & JI_ASYNC) {
		filesystem_report(&fs->fs, "ext4: its journal was committed asynchronously, which is not "
		                           "supported: e2fsck replays it");
		return FILESYSTEM_E_FORMAT;
	}
	return replay_journal(fs);
}

void journal_close(struct ext4 *fs)
{
	free(fs->journal.map);
	fs->journal.map = 0;
	fs->journal.map_count = 0;
}
