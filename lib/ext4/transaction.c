/* The running transaction, and its commit to the journal (chapter "Journal (jbd2)"), with data ordered: what was
 * written to new blocks is on the disk before the commit that gives them to a file.
 *
 * A commit writes descriptors, copies of all blocks that were changed, and what was revoked; flushes; writes the
 * commit block; flushes. The blocks go to their places later (transaction_checkpoint), at the latest when half of
 * the journal is used: a transaction takes less than the other half. Without a journal a commit writes the blocks to
 * their places. */
#include "internal.h"

#include <stdlib.h>

#define JMAGIC      0xc03b3998u
#define REVOKED_MAX 2048u
enum { J_DESCRIPTOR = 1, J_COMMIT = 2, J_REVOKE = 5, TAG_ESCAPE = 1, TAG_SAME_UUID = 2, TAG_LAST = 8 };

static uint32_t transaction_max(const struct ext4 *fs)
{
	uint32_t most = fs->cache.limit / 2;
	if (fs->journal.present && fs->journal.length / 4 < most)
		most = fs->journal.length / 4;
	return most;
}

int transaction_room(struct ext4 *fs)
{
	if (fs->fs.read_only)
		return fs->fs.failed ? FILE_E_IO : FILE_E_READ_ONLY;
	int result = super_begin_writing(fs);
	/* A log that begins at the head, and is empty: what comes there first is replayed. */
	if (result >= 0 && fs->journal.present && fs->journal.clean)
		result = journal_write_super(fs, fs->journal.head, fs->journal.sequence);
	if (result >= 0 &&
	    (fs->held + STEP_BLOCKS > transaction_max(fs) || fs->freed_count + 16 > FREED_MAX ||
	     fs->revoked_count + STEP_BLOCKS > REVOKED_MAX))
		result = transaction_commit(fs);
	if (result >= 0 && cache_pressed(&fs->cache))
		result = transaction_checkpoint(fs);
	return result;
}

void transaction_add(struct ext4 *fs, struct buffer *buffer)
{
	fs->changed = true;
	if (fs->journal.present && !buffer->held) {
		buffer->held = true;
		fs->held++;
	}
	buffer_dirty(&fs->cache, buffer);
}

int transaction_revoke(struct ext4 *fs, uint64_t block)
{
	if (!fs->journal.present)
		return E_OK;
	if (fs->revoked_count == fs->revoked_room) {
		size_t room = fs->revoked_room ? fs->revoked_room * 2 : 64;
		uint64_t *grown = realloc(fs->revoked, room * sizeof(*grown));
		if (!grown)
			return FILESYSTEM_E_NO_MEMORY;
		fs->revoked = grown;
		fs->revoked_room = room;
	}
	fs->revoked[fs->revoked_count++] = block;
	return E_OK;
}

/* ---- The log ---- */

/* Blocks that go to the log, put together as long as they are neighbours. */
struct writer {
	struct ext4 *fs;
	uint64_t first; /* of what is put together, on the disk */
	size_t count;
	int result;
};

static void writer_flush(struct writer *writer)
{
	struct ext4 *fs = writer->fs;
	if (writer->count && writer->result >= 0)
		writer->result = filesystem_write(&fs->fs, writer->first * fs->block_bytes, fs->cache.run,
		                                  writer->count * fs->block_bytes);
	writer->count = 0;
}

/* Where the next block of the log is put. */
static uint8_t *writer_next(struct writer *writer)
{
	struct ext4 *fs = writer->fs;
	struct journal *journal = &fs->journal;
	uint64_t block = journal_block(journal, journal->head);
	if (writer->count &&
	    (block != writer->first + writer->count || writer->count == CACHE_RUN_BYTES / fs->block_bytes))
		writer_flush(writer);
	if (!writer->count)
		writer->first = block;
	journal->head =
	    journal->head + 1 < journal->first + journal->length ? journal->head + 1 : journal->first;
	journal->used++;
	return fs->cache.run + writer->count++ * fs->block_bytes;
}

static void header(struct ext4 *fs, uint8_t *block, uint32_t type)
{
	memset(block, 0, fs->block_bytes);
	put32_big(block, JMAGIC);
	put32_big(block + 4, type);
	put32_big(block + 8, fs->journal.sequence);
}

static bool has_tail(const struct journal *journal)
{
	return journal->checksum_v2 || journal->checksum_v3;
}

static void tail(struct ext4 *fs, uint8_t *block)
{
	uint32_t at = fs->block_bytes - 4;
	if (has_tail(&fs->journal))
		put32_big(block + at, journal_checksum(&fs->journal, block, fs->block_bytes, at));
}

/* A descriptor for as many of LIST as it has room for, and they themselves: how many. */
static size_t write_blocks(struct writer *writer, struct buffer **list, size_t count, uint8_t *descriptor)
{
	struct ext4 *fs = writer->fs;
	const struct journal *journal = &fs->journal;
	const uint32_t tag_bytes = journal_tag_bytes(journal);
	const uint32_t end = fs->block_bytes - (has_tail(journal) ? 4 : 0);
	uint32_t at = 12;
	size_t fits = (end - 12 - 16) / tag_bytes;
	fits = fits < count ? fits : count;
	header(fs, descriptor, J_DESCRIPTOR);
	for (size_t i = 0; i < fits; i++) {
		const uint8_t *data = list[i]->data;
		uint8_t first[4], number[4];
		bool escaped = get32_big(data) == JMAGIC;
		uint32_t flags =
		    (escaped ? TAG_ESCAPE : 0) | (i ? TAG_SAME_UUID : 0) | (i + 1 == fits ? TAG_LAST : 0);
		uint8_t *tag = descriptor + at;
		put32(first, escaped ? 0 : get32(data));
		put32_big(number, journal->sequence);
		put32_big(tag, (uint32_t)list[i]->block);
		if (journal->wide)
			put32_big(tag + 8, (uint32_t)(list[i]->block >> 32));
		uint32_t crc = 0;
		if (has_tail(journal)) {
			crc = crc32c(crc32c(journal->seed, number, 4), first, 4);
			crc = crc32c(crc, data + 4, fs->block_bytes - 4);
		}
		if (journal->checksum_v3) {
			put32_big(tag + 4, flags);
			put32_big(tag + 12, crc);
		} else {
			put16_big(tag + 4, (uint16_t)crc);
			put16_big(tag + 6, (uint16_t)flags);
		}
		at += tag_bytes;
		if (!i) {
			memcpy(descriptor + at, journal->super + 0x30, 16);
			at += 16;
		}
	}
	tail(fs, descriptor);
	memcpy(writer_next(writer), descriptor, fs->block_bytes);
	for (size_t i = 0; i < fits; i++) {
		uint8_t *to = writer_next(writer);
		memcpy(to, list[i]->data, fs->block_bytes);
		if (get32_big(to) == JMAGIC)
			put32(to, 0);
	}
	return fits;
}

static void write_revoked(struct writer *writer)
{
	struct ext4 *fs = writer->fs;
	const uint32_t each = fs->journal.wide ? 8 : 4;
	const uint32_t end = fs->block_bytes - (has_tail(&fs->journal) ? 4 : 0);
	for (size_t i = 0; i < fs->revoked_count;) {
		uint8_t *block = writer_next(writer);
		uint32_t at = 16;
		header(fs, block, J_REVOKE);
		for (; i < fs->revoked_count && at + each <= end; i++, at += each) {
			if (fs->journal.wide)
				put32_big(block + at, (uint32_t)(fs->revoked[i] >> 32));
			put32_big(block + at + each - 4, (uint32_t)fs->revoked[i]);
		}
		put32_big(block + 12, at);
		tail(fs, block);
	}
}

static int write_commit(struct writer *writer)
{
	struct ext4 *fs = writer->fs;
	int64_t now = fs->fs.options.now_ns();
	uint8_t *block = writer_next(writer);
	header(fs, block, J_COMMIT);
	put32_big(block + 0x30, (uint32_t)((uint64_t)(now / 1000000000) >> 32));
	put32_big(block + 0x34, (uint32_t)(now / 1000000000));
	put32_big(block + 0x38, (uint32_t)(now % 1000000000));
	if (has_tail(&fs->journal))
		put32_big(block + 0x10, journal_checksum(&fs->journal, block, fs->block_bytes, 0x10));
	writer_flush(writer);
	return writer->result < 0 ? writer->result : filesystem_flush(&fs->fs);
}

static int log_write(struct ext4 *fs, struct buffer **list, size_t count)
{
	struct writer writer = {.fs = fs};
	write_revoked(&writer);
	for (size_t at = 0; at < count;)
		at += write_blocks(&writer, list + at, count - at, fs->scratch);
	writer_flush(&writer);
	if (writer.result < 0)
		return writer.result;
	int result = filesystem_flush(&fs->fs);
	return result < 0 ? result : write_commit(&writer);
}

/* ---- Commit and checkpoint ---- */

static void counts_store(struct ext4 *fs)
{
	put32(fs->super + SB_FREE_BLOCKS, (uint32_t)fs->free_blocks);
	if (fs->incompat & INCOMPAT_64BIT)
		put32(fs->super + SB_FREE_BLOCKS_HI, (uint32_t)(fs->free_blocks >> 32));
	put32(fs->super + SB_FREE_INODES, (uint32_t)fs->free_inodes);
	put32(fs->super + SB_WTIME, (uint32_t)(fs->fs.options.now_ns() / 1000000000));
	super_checksum(fs);
	transaction_add(fs, fs->super_buffer);
	fs->counts_changed = false;
}

int transaction_commit(struct ext4 *fs)
{
	int result;
	if (!fs->changed)
		return E_OK;
	if (fs->fs.read_only)
		return FILE_E_IO; /* damage was found: what is half done is not made durable */
	if (fs->counts_changed)
		counts_store(fs);
	if (!fs->journal.present) {
		result = filesystem_flush(&fs->fs); /* data first */
		if (result >= 0)
			result = cache_write(&fs->cache, -1);
		if (result >= 0)
			result = filesystem_flush(&fs->fs);
	} else if (!fs->held && !fs->revoked_count) {
		result = filesystem_flush(&fs->fs);
	} else {
		struct buffer **list = malloc((fs->held + 1) * sizeof(void *));
		if (!list)
			return FILESYSTEM_E_NO_MEMORY;
		size_t count = cache_held(&fs->cache, list, fs->held + 1);
		result = log_write(fs, list, count);
		for (size_t i = 0; i < count && result >= 0; i++)
			list[i]->held = false;
		free(list);
		if (result >= 0) {
			fs->held = 0;
			fs->journal.sequence++;
		}
	}
	if (result < 0)
		return result;
	fs->changed = false;
	fs->freed_count = 0;
	fs->revoked_count = 0;
	return fs->journal.present && fs->journal.used > fs->journal.length / 2 ? transaction_checkpoint(fs)
	                                                                        : E_OK;
}

int transaction_checkpoint(struct ext4 *fs)
{
	int result = transaction_commit(fs);
	if (result >= 0)
		result = cache_write(&fs->cache, -1);
	if (result >= 0)
		result = filesystem_flush(&fs->fs);
	if (result >= 0 && fs->journal.present && !fs->journal.clean) {
		result = journal_write_super(fs, fs->journal.head, fs->journal.sequence);
		if (result >= 0)
			fs->journal.used = 0;
	}
	return result;
}
