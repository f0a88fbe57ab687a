/* Records: see record.h. */
#include "record.h"
#include <crypto/util.h>

static const uint8_t magic[8] = {'H', 'o', 'l', 'o', 'n', 'R', 'e', 'c'};

static uint32_t load(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

static void store(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned index = 0; index < bytes; index++, value >>= 8)
		at[index] = (uint8_t)value;
}

const char *record_error_text(enum record_error error)
{
	static const char *const texts[] = {
	    [RECORD_OK] = "good",
	    [RECORD_SHORT] = "it is cut off, or longer than it says",
	    [RECORD_FOREIGN] = "it is not a record of the kind that is wanted",
	    [RECORD_FIELD] = "a field is unknown, out of order or there twice",
	    [RECORD_MISSING] = "a field is missing",
	    [RECORD_VALUE] = "a value is out of its bounds",
	    [RECORD_TOO_LARGE] = "it is too large",
	};

	return (unsigned)error < sizeof(texts) / sizeof(texts[0]) ? texts[error] : "unknown error";
}

/* ---- Reading ---- */

uint64_t record_number(const struct field *field)
{
	return (uint64_t)load(field->bytes + 4, 4) << 32 | load(field->bytes, 4);
}

bool record_next(const struct field *list, uint32_t *at, struct field *item)
{
	uint32_t count;

	if (!list->bytes || list->count - *at < 2)
		return false;
	count = load(list->bytes + *at, 2);
	if (count > list->count - *at - 2)
		return false;
	*item = (struct field){list->bytes + *at + 2, count};
	*at += 2 + count;
	return true;
}

static bool is_text(const uint8_t *bytes, uint32_t count)
{
	for (uint32_t index = 0; index < count; index++)
		if (bytes[index] < ' ' || bytes[index] > '~')
			return false;
	return true;
}

/* The order of byte strings: by bytes, a prefix first. */
static int compare(const struct field *a, const struct field *b)
{
	uint32_t common = a->count < b->count ? a->count : b->count;
	int order = memcmp(a->bytes, b->bytes, common);

	return order ? order : (a->count > b->count) - (a->count < b->count);
}

static bool list_good(const struct field *field, const struct record_rule *rule)
{
	struct field last = {0, 0}, item;
	uint32_t at = 0, items = 0;

	while (at < field->count) {
		if (field->count - at < 2)
			return false;
		item = (struct field){field->bytes + at + 2, load(field->bytes + at, 2)};
		at += 2;
		if (item.count > field->count - at || ++items > rule->most)
			return false;
		if (rule->form == FORM_ITEMS
		        ? item.count != rule->least
		        : !item.count || item.count > 255 || !is_text(item.bytes, item.count))
			return false;
		if (last.bytes && compare(&last, &item) >= 0)
			return false;
		last = item;
		at += item.count;
	}
	return true;
}

static bool value_good(const struct field *field, const struct record_rule *rule)
{
	switch (rule->form) {
	case FORM_NUMBER:
		return field->count == 8;
	case FORM_BYTES:
		return field->count >= rule->least && field->count <= rule->most;
	case FORM_TEXT:
		return field->count >= rule->least && field->count <= rule->most &&
		       is_text(field->bytes, field->count);
	default:
		return list_good(field, rule);
	}
}

size_t record_size(const uint8_t *bytes, size_t count)
{
	uint32_t fields;

	if (count < RECORD_HEADER_BYTES || memcmp(bytes, magic, sizeof(magic)) != 0)
		return 0;
	fields = load(bytes + 12, 4);
	if (fields > RECORD_BYTES_MAX - RECORD_HEADER_BYTES || fields > count - RECORD_HEADER_BYTES)
		return 0;
	return RECORD_HEADER_BYTES + fields;
}

enum record_error record_read(const uint8_t *bytes, size_t count, enum record_kind kind,
                              const struct record_rule *rules, unsigned rule_count, struct field *fields)
{
	unsigned rule = 0;
	size_t at = RECORD_HEADER_BYTES;

	for (unsigned index = 0; index < rule_count; index++)
		fields[index] = (struct field){0, 0};
	if (count < RECORD_HEADER_BYTES)
		return RECORD_SHORT;
	if (memcmp(bytes, magic, sizeof(magic)) != 0 || load(bytes + 8, 4) != (uint32_t)kind)
		return RECORD_FOREIGN;
	if (record_size(bytes, count) != count)
		return RECORD_SHORT;
	while (at < count) {
		uint32_t tag, length;

		if (count - at < 6)
			return RECORD_SHORT;
		tag = load(bytes + at, 2);
		length = load(bytes + at + 2, 4);
		at += 6;
		if (length > count - at)
			return RECORD_SHORT;
		while (rule < rule_count && rules[rule].tag < tag) {
			if (!rules[rule].optional)
				return RECORD_MISSING;
			rule++;
		}
		if (rule == rule_count || rules[rule].tag != tag)
			return RECORD_FIELD;
		fields[rule] = (struct field){bytes + at, length};
		if (!value_good(&fields[rule], &rules[rule]))
			return RECORD_VALUE;
		rule++;
		at += length;
	}
	for (; rule < rule_count; rule++)
		if (!rules[rule].optional)
			return RECORD_MISSING;
	return RECORD_OK;
}

/* ---- Writing ---- */

static uint8_t *take(struct record_writer *writer, size_t count)
{
	uint8_t *at = writer->bytes + writer->count;

	if (writer->error || count > writer->room - writer->count ||
	    writer->count + count > RECORD_BYTES_MAX) {
		if (!writer->error)
			writer->error = RECORD_TOO_LARGE;
		return NULL;
	}
	writer->count += count;
	return at;
}

void record_begin(struct record_writer *writer, uint8_t *bytes, size_t room, enum record_kind kind)
{
	uint8_t *header;

	*writer = (struct record_writer){.bytes = bytes, .room = room};
	header = take(writer, RECORD_HEADER_BYTES);
	if (!header)
		return;
	memcpy(header, magic, sizeof(magic));
	store(header + 8, (uint64_t)kind, 4);
}

void record_put(struct record_writer *writer, uint16_t tag, const void *value, uint32_t count)
{
	uint8_t *at = take(writer, 6 + (size_t)count);

	if (!at)
		return;
	store(at, tag, 2);
	store(at + 2, count, 4);
	if (count)
		memcpy(at + 6, value, count);
}

void record_put_number(struct record_writer *writer, uint16_t tag, uint64_t value)
{
	uint8_t bytes[8];

	store(bytes, value, 8);
	record_put(writer, tag, bytes, 8);
}

void record_list_begin(struct record_writer *writer, uint16_t tag)
{
	uint8_t *at = take(writer, 6);

	if (!at)
		return;
	store(at, tag, 2);
	writer->list = writer->count;
}

void record_list_add(struct record_writer *writer, const void *item, uint16_t count)
{
	uint8_t *at = take(writer, 2 + (size_t)count);

	if (!at)
		return;
	store(at, count, 2);
	memcpy(at + 2, item, count);
}

void record_list_end(struct record_writer *writer)
{
	if (!writer->error)
		store(writer->bytes + writer->list - 4, writer->count - writer->list, 4);
}

size_t record_end(struct record_writer *writer, enum record_error *error)
{
	*error = writer->error;
	if (writer->error)
		return 0;
	store(writer->bytes + 12, writer->count - RECORD_HEADER_BYTES, 4);
	return writer->count;
}
