/* Records: the one canonical encoding of everything that Holon signs.
 *
 *   "HolonRec" || kind (4 bytes) || bytes of the fields (4 bytes) || fields
 *   field: tag (2 bytes) || length (4 bytes) || value
 *
 * Numbers are little-endian. Tags rise strictly, so a record has one order and no field twice; which tags a kind has,
 * and how long each may be, is a table, and nothing else is accepted. A list is one field whose value is a sequence of
 * items, each with its length (2 bytes) in front. So equal contents have equal bytes, and every byte is covered by the
 * signature over the record.
 *
 * Reading allocates nothing and copies nothing: a field points into the record, which must stay. No libc is needed but
 * memcmp and memcpy, so the loader can read records too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORD_HEADER_BYTES = 16, RECORD_FIELDS_MAX = 16, RECORD_BYTES_MAX = 65536 };

enum record_kind {
	RECORD_KEY_LIST = 1,
	RECORD_CERTIFICATE = 2,
	RECORD_CAPSULE = 3,
	RECORD_REVOCATIONS = 4,
	RECORD_BOOT = 5,
	RECORD_QUOTE = 6,
	RECORD_TPM_QUOTE = 7
};

enum record_form {
	FORM_NUMBER, /* 8 bytes */
	FORM_BYTES,  /* LEAST to MOST bytes */
	FORM_TEXT,   /* the same; ASCII from ' ' to '~' */
	FORM_LIST,   /* at most MOST items of text, each 1 to 255 bytes, in strictly rising order */
	FORM_ITEMS,  /* at most MOST items of exactly LEAST bytes, in strictly rising order */
};

/* A row of a kind's table; rows stand in the order of their tags. */
struct record_rule {
	uint16_t tag;
	uint8_t form; /* enum record_form */
	bool optional;
	uint32_t least, most;
};

struct field {
	const uint8_t *bytes; /* 0: it is not there */
	uint32_t count;
};

enum record_error {
	RECORD_OK = 0,
	RECORD_SHORT,     /* cut off, or longer than it says */
	RECORD_FOREIGN,   /* not a record, or of another kind */
	RECORD_FIELD,     /* a field that the kind does not have, out of order, or twice */
	RECORD_MISSING,   /* a field that it must have is not there */
	RECORD_VALUE,     /* a value out of its form or bounds */
	RECORD_TOO_LARGE, /* writing: it does not fit */
};

/*@ predicate fields_good(uint8_t *bytes, integer count, struct record_rule *rules, struct field *fields, integer rule) =
      \forall integer i; 0 <= i < rule ==>
        fields[i].bytes == \null ||
        (\valid_read(fields[i].bytes + (0 .. fields[i].count - 1)) &&
         (rules[i].form == FORM_NUMBER ==> fields[i].count == 8));
*/
const char *record_error_text(enum record_error error);

/* Reads the record of KIND at BYTES, which must be exactly COUNT bytes long, by the COUNT_RULES rules RULES.
 * FIELDS[i] is the field of rule i. */
enum record_error record_read(const uint8_t *bytes, size_t count, enum record_kind kind,
                              const struct record_rule *rules, unsigned rule_count, struct field *fields);
uint64_t record_number(const struct field *field);
/* The list's item at *AT (0 to begin with), which moves on; false at the end, and for a field that is not there. */
bool record_next(const struct field *list, uint32_t *at, struct field *item);
/* How many bytes the record at BYTES has by its own header; 0 when COUNT bytes cannot hold one. */
size_t record_size(const uint8_t *bytes, size_t count);

/* Writing: fields in the order of their tags. What goes wrong is remembered and told at the end. */
struct record_writer {
	uint8_t *bytes;
	size_t room, count;
	size_t list; /* where the value of the list under way begins */
	enum record_error error;
};
/*@ predicate writer_good(struct record_writer *writer) =
      \valid(writer) && \valid(writer->bytes + (0 .. writer->room - 1)) &&
      \separated(writer, writer->bytes + (0 .. writer->room - 1)) &&
      writer->count <= writer->room && writer->count <= RECORD_BYTES_MAX;
*/
void record_begin(struct record_writer *writer, uint8_t *bytes, size_t room, enum record_kind kind);
void record_put(struct record_writer *writer, uint16_t tag, const void *value, uint32_t count);
void record_put_number(struct record_writer *writer, uint16_t tag, uint64_t value);
/* Items must rise. */
void record_list_begin(struct record_writer *writer, uint16_t tag);
void record_list_add(struct record_writer *writer, const void *item, uint16_t count);
void record_list_end(struct record_writer *writer);
/* The record's size, or 0 and *ERROR. */
size_t record_end(struct record_writer *writer, enum record_error *error);
