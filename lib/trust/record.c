/* Records: see record.h. */
#include "record.h"
#include <crypto/util.h>

static const uint8_t magic[8] = {'H', 'o', 'l', 'o', 'n', 'R', 'e', 'c'};

/*@ requires bytes <= 4 && \valid_read(at + (0 .. bytes - 1));
    assigns \nothing;
    ensures bytes <= 2 ==> \result <= 0xffff;
*/
static uint32_t load(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	/*@ loop invariant bytes <= \at(bytes, Pre);
	    loop invariant \at(bytes, Pre) <= 2 && bytes == \at(bytes, Pre) ==> value == 0;
	    loop invariant \at(bytes, Pre) <= 2 && bytes == \at(bytes, Pre) - 1 ==> value <= 0xff;
	    loop invariant \at(bytes, Pre) <= 2 && bytes == \at(bytes, Pre) - 2 ==> value <= 0xffff;
	    loop assigns bytes, value;
	    loop variant bytes;
	*/
	while (bytes--)
		value = value * 256 + at[bytes];
	return value;
}

/*@ requires bytes <= 8 && \valid(at + (0 .. bytes - 1));
    assigns at[0 .. bytes - 1];
*/
static void store(uint8_t *at, uint64_t value, unsigned bytes)
{
	/*@ loop invariant index <= bytes;
	    loop assigns index, value, at[0 .. bytes - 1];
	    loop variant bytes - index;
	*/
	for (unsigned index = 0; index < bytes; index++, value >>= 8)
		at[index] = (uint8_t)value;
}

/*@ assigns \nothing; */
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

/*@ requires \valid_read(field) && \valid_read(field->bytes + (0 .. 7));
    assigns \nothing;
*/
uint64_t record_number(const struct field *field)
{
	return (uint64_t)load(field->bytes + 4, 4) << 32 | load(field->bytes, 4);
}

/*@ requires \valid_read(list) && \valid(at) && \valid(item) && \separated(at, item, list);
    requires list->bytes != \null ==> \valid_read(list->bytes + (0 .. list->count - 1)) && *at <= list->count;
    assigns *at, *item;
    ensures \result ==> \old(*at) < *at <= list->count && item->count <= 0xffff &&
      item->bytes == list->bytes + (*at - item->count) && \valid_read(item->bytes + (0 .. item->count - 1));
    ensures !\result ==> *at == \old(*at);
*/
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

/*@ requires \valid_read(bytes + (0 .. count - 1));
    assigns \nothing;
    ensures \result <==> \forall integer i; 0 <= i < count ==> ' ' <= bytes[i] <= '~';
*/
static bool is_text(const uint8_t *bytes, uint32_t count)
{
	/*@ loop invariant index <= count;
	    loop invariant \forall integer i; 0 <= i < index ==> ' ' <= bytes[i] <= '~';
	    loop assigns index;
	    loop variant count - index;
	*/
	for (uint32_t index = 0; index < count; index++)
		if (bytes[index] < ' ' || bytes[index] > '~')
			return false;
	return true;
}

/* The order of byte strings: by bytes, a prefix first. */
/*@ requires \valid_read(a) && \valid_read(b);
    requires \valid_read(a->bytes + (0 .. a->count - 1)) && \valid_read(b->bytes + (0 .. b->count - 1));
    assigns \nothing;
*/
static int compare(const struct field *a, const struct field *b)
{
	uint32_t common = a->count < b->count ? a->count : b->count;
	int order = memcmp(a->bytes, b->bytes, common);

	return order ? order : (a->count > b->count) - (a->count < b->count);
}

/*@ requires \valid_read(field) && \valid_read(rule) && \valid_read(field->bytes + (0 .. field->count - 1));
    assigns \nothing;
*/
static bool list_good(const struct field *field, const struct record_rule *rule)
{
	struct field last = {0, 0}, item;
	uint32_t at = 0, items = 0;

	/*@ loop invariant at <= field->count && items <= at && items <= rule->most;
	    loop invariant last.bytes != \null ==> \valid_read(last.bytes + (0 .. last.count - 1));
	    loop assigns at, items, last, item;
	    loop variant field->count - at;
	*/
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

/*@ requires \valid_read(field) && \valid_read(rule) && \valid_read(field->bytes + (0 .. field->count - 1));
    assigns \nothing;
    ensures \result && rule->form == FORM_NUMBER ==> field->count == 8;
    ensures \result && (rule->form == FORM_BYTES || rule->form == FORM_TEXT) ==>
      rule->least <= field->count <= rule->most;
*/
static bool value_good(const struct field *field, const struct record_rule *rule)
{
	if (rule->form == FORM_NUMBER)
		return field->count == 8;
	if (rule->form != FORM_BYTES && rule->form != FORM_TEXT)
		return list_good(field, rule);
	return field->count >= rule->least && field->count <= rule->most &&
	       (rule->form == FORM_BYTES || is_text(field->bytes, field->count));
}

/*@ requires \valid_read(bytes + (0 .. count - 1));
    assigns \nothing;
    ensures \result == 0 || RECORD_HEADER_BYTES <= \result <= count && \result <= RECORD_BYTES_MAX;
*/
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

/*@ requires \valid_read(bytes + (0 .. count - 1)) && \valid_read(rules + (0 .. rule_count - 1));
    requires \valid(fields + (0 .. rule_count - 1));
    requires \separated(fields + (0 .. rule_count - 1), bytes + (0 .. count - 1), rules + (0 .. rule_count - 1));
    assigns fields[0 .. rule_count - 1];
    ensures \result == RECORD_OK ==> fields_good(bytes, count, rules, fields, rule_count);
*/
enum record_error record_read(const uint8_t *bytes, size_t count, enum record_kind kind,
                              const struct record_rule *rules, unsigned rule_count, struct field *fields)
{
	unsigned rule = 0;
	size_t at = RECORD_HEADER_BYTES;

	/*@ loop invariant index <= rule_count;
	    loop invariant \forall integer i; 0 <= i < index ==> fields[i].bytes == \null;
	    loop assigns index, fields[0 .. rule_count - 1];
	    loop variant rule_count - index;
	*/
	for (unsigned index = 0; index < rule_count; index++)
		fields[index] = (struct field){0, 0};
	if (count < RECORD_HEADER_BYTES)
		return RECORD_SHORT;
	if (memcmp(bytes, magic, sizeof(magic)) != 0 || load(bytes + 8, 4) != (uint32_t)kind)
		return RECORD_FOREIGN;
	if (record_size(bytes, count) != count)
		return RECORD_SHORT;
	/*@ loop invariant RECORD_HEADER_BYTES <= at <= count && rule <= rule_count;
	    loop invariant fields_good(bytes, count, rules, fields, rule);
	    loop invariant \forall integer i; rule <= i < rule_count ==> fields[i].bytes == \null;
	    loop assigns at, rule, fields[0 .. rule_count - 1];
	    loop variant count - at;
	*/
	while (at < count) {
		uint32_t tag, length;

		if (count - at < 6)
			return RECORD_SHORT;
		tag = load(bytes + at, 2);
		length = load(bytes + at + 2, 4);
		at += 6;
		if (length > count - at)
			return RECORD_SHORT;
		/*@ loop invariant \at(rule, LoopEntry) <= rule <= rule_count;
		    loop invariant fields_good(bytes, count, rules, fields, rule);
		    loop assigns rule;
		    loop variant rule_count - rule;
		*/
		while (rule < rule_count && rules[rule].tag < tag) {
			if (!rules[rule].optional)
				return RECORD_MISSING;
			rule++;
		}
		if (rule == rule_count || rules[rule].tag != tag)
			return RECORD_FIELD;
		/*@ assert \forall integer i; rule <= i < rule_count ==> fields[i].bytes == \null; */
		fields[rule] = (struct field){bytes + at, length};
		/*@ assert \forall integer i; rule < i < rule_count ==> fields[i].bytes == \null; */
		if (!value_good(&fields[rule], &rules[rule]))
			return RECORD_VALUE;
		rule++;
		at += length;
	}
	/*@ loop invariant rule <= rule_count;
	    loop invariant fields_good(bytes, count, rules, fields, rule);
	    loop assigns rule;
	    loop variant rule_count - rule;
	*/
	for (; rule < rule_count; rule++)
		if (!rules[rule].optional)
			return RECORD_MISSING;
	return RECORD_OK;
}

/* ---- Writing ---- */

/*@ requires writer_good(writer) && 0 < count;
    assigns writer->count, writer->error;
    ensures writer_good(writer);
    ensures \result == \null ==> writer->error != RECORD_OK && writer->count == \old(writer->count);
    ensures \result != \null ==> writer->error == RECORD_OK && writer->count == \old(writer->count) + count &&
      \result == writer->bytes + \old(writer->count) && \valid(\result + (0 .. count - 1));
*/
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

/*@ requires \valid(writer) && \valid(bytes + (0 .. room - 1)) && \separated(writer, bytes + (0 .. room - 1));
    assigns *writer, bytes[0 .. RECORD_HEADER_BYTES - 1];
    ensures writer_good(writer) && writer->list == 0;
*/
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

/*@ requires writer_good(writer) && \valid_read((uint8_t *)value + (0 .. count - 1));
    requires \separated((uint8_t *)value + (0 .. count - 1), writer->bytes + (0 .. writer->room - 1));
    requires \separated((uint8_t *)value + (0 .. count - 1), writer);
    assigns writer->count, writer->error, writer->bytes[0 .. writer->room - 1];
    ensures writer_good(writer);
*/
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

/*@ requires writer_good(writer);
    assigns writer->count, writer->error, writer->bytes[0 .. writer->room - 1];
    ensures writer_good(writer);
*/
void record_put_number(struct record_writer *writer, uint16_t tag, uint64_t value)
{
	uint8_t bytes[8];

	store(bytes, value, 8);
	record_put(writer, tag, bytes, 8);
}

/*@ requires writer_good(writer);
    assigns writer->count, writer->error, writer->list, writer->bytes[0 .. writer->room - 1];
    ensures writer_good(writer);
    ensures writer->error == RECORD_OK ==> 4 <= writer->list <= writer->count;
*/
void record_list_begin(struct record_writer *writer, uint16_t tag)
{
	uint8_t *at = take(writer, 6);

	if (!at)
		return;
	store(at, tag, 2);
	writer->list = writer->count;
}

/*@ requires writer_good(writer) && \valid_read((uint8_t *)item + (0 .. count - 1));
    requires \separated((uint8_t *)item + (0 .. count - 1), writer->bytes + (0 .. writer->room - 1));
    requires \separated((uint8_t *)item + (0 .. count - 1), writer);
    assigns writer->count, writer->error, writer->bytes[0 .. writer->room - 1];
    ensures writer_good(writer);
*/
void record_list_add(struct record_writer *writer, const void *item, uint16_t count)
{
	uint8_t *at = take(writer, 2 + (size_t)count);

	if (!at)
		return;
	store(at, count, 2);
	memcpy(at + 2, item, count);
}

/*@ requires writer_good(writer) && (writer->error == RECORD_OK ==> 4 <= writer->list <= writer->count);
    assigns writer->bytes[0 .. writer->room - 1];
    ensures writer_good(writer);
*/
void record_list_end(struct record_writer *writer)
{
	if (!writer->error)
		store(writer->bytes + writer->list - 4, writer->count - writer->list, 4);
}

/*@ requires writer_good(writer) && \valid(error) && \separated(error, writer);
    requires writer->error == RECORD_OK ==> RECORD_HEADER_BYTES <= writer->count;
    requires \separated(error, writer->bytes + (0 .. writer->room - 1));
    assigns *error, writer->bytes[0 .. writer->room - 1];
    ensures *error == writer->error && \result <= writer->room;
*/
size_t record_end(struct record_writer *writer, enum record_error *error)
{
	*error = writer->error;
	if (writer->error)
		return 0;
	store(writer->bytes + 12, writer->count - RECORD_HEADER_BYTES, 4);
	return writer->count;
}
