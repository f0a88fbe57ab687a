/*
 * Recursive length prefix (RLP), Ethereum's canonical serialisation (yellow paper, appendix B). The reader
 * takes only the canonical form: shortest lengths, single bytes below 0x80 as themselves; it never recurses
 * and never reads outside the bytes it was given.
 */
#ifndef LEDGER_RLP_H
#define LEDGER_RLP_H

#include "num/types.h"

/* What is left to read of a list's content, or of a whole input. */
struct rlp_reader {
	const uint8_t *next;
	const uint8_t *end;
};

static inline struct rlp_reader rlp_reader(const uint8_t *bytes, size_t length)
{
	return (struct rlp_reader){bytes, bytes + length};
}

static inline bool rlp_at_end(const struct rlp_reader *reader)
{
	return reader->next == reader->end;
}

/* Each takes one item; false (and the reader unchanged) when it is not of that form. */
bool rlp_read_bytes(struct rlp_reader *reader, const uint8_t **bytes, size_t *length);
bool rlp_read_list(struct rlp_reader *reader, struct rlp_reader *content);
bool rlp_read_exact(struct rlp_reader *reader, uint8_t *out,
                    size_t length);                              /* a string of just this length */
bool rlp_read_u256(struct rlp_reader *reader, struct u256 *out); /* no leading zeros */
bool rlp_read_u64(struct rlp_reader *reader, uint64_t *out);
/* Any item, with its header: its bytes are [*item, *item + *length). */
bool rlp_read_raw(struct rlp_reader *reader, const uint8_t **item, size_t *length, bool *is_list);

/* A growing output. Zero-initialised is empty; rlp_free() gives its memory back. */
struct rlp_writer {
	uint8_t *bytes;
	size_t length;
	size_t room;
};

void rlp_free(struct rlp_writer *writer);
void rlp_put_raw(struct rlp_writer *writer, const void *bytes, size_t length); /* already encoded */
void rlp_put_bytes(struct rlp_writer *writer, const void *bytes, size_t length);
void rlp_put_u64(struct rlp_writer *writer, uint64_t value);
void rlp_put_u256(struct rlp_writer *writer, const struct u256 *value);
/* A list is begun, its items put, and ended: the header is set in at the end. */
size_t rlp_begin_list(struct rlp_writer *writer);
void rlp_end_list(struct rlp_writer *writer, size_t begun);

/* Writes the header of a string or list of `length` content bytes; returns its size, at most 9. */
unsigned rlp_header(uint8_t out[9], size_t length, bool is_list);

#endif
