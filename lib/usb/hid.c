/* See hid.h. */
#include "hid.h"

#include <text.h>

#define STACK_MAX  4u
#define USAGES_MAX 16u
#define COUNT_MAX  (HID_REPORT_BYTES * 8)
#define KEYS_SANE  4u /* keys below tell of errors (HID Usage Tables, 10) */

enum page { PAGE_DESKTOP = 1, PAGE_KEYBOARD = 7, PAGE_BUTTON = 9 };
enum desktop { DESKTOP_X = 0x30, DESKTOP_Y = 0x31, DESKTOP_WHEEL = 0x38 };
enum item_type { ITEM_MAIN = 0, ITEM_GLOBAL = 1, ITEM_LOCAL = 2 };
/* 6.2.2.5, 6.2.2.7, 6.2.2.8 */
enum main_tag { MAIN_INPUT = 8 };
enum global_tag {
	GLOBAL_PAGE = 0,
	GLOBAL_LOGICAL_LOW = 1,
	GLOBAL_LOGICAL_HIGH = 2,
	GLOBAL_SIZE = 7,
	GLOBAL_REPORT = 8,
	GLOBAL_COUNT = 9,
	GLOBAL_PUSH = 10,
	GLOBAL_POP = 11
};
enum local_tag { LOCAL_USAGE = 0, LOCAL_LOW = 1, LOCAL_HIGH = 2 };
enum input_flag { FLAG_CONSTANT = 1, FLAG_VARIABLE = 2, FLAG_RELATIVE = 4 };
#define ITEM_LONG 0xfeu

struct global {
	uint32_t page, bits, count;
	uint8_t report;
	int32_t low, high;
	uint32_t high_unsigned;
};

struct parser {
	struct hid *hid;
	struct global now, stack[STACK_MAX];
	unsigned depth;
	uint32_t usages[USAGES_MAX]; /* page above, usage below */
	unsigned usage_count;
	uint32_t usage_low, usage_high;
	bool ranged;
	struct {
		uint8_t report;
		uint32_t bit; /* the next */
	} reports[HID_REPORTS_MAX];
	unsigned report_count;
};

/* The usage of the INDEXth value; 0: none. The last one goes on (6.2.2.8). */
static uint32_t usage_of(const struct parser *parser, uint32_t index)
{
	if (parser->ranged)
		return index <= parser->usage_high - parser->usage_low ? parser->usage_low + index
		                                                       : parser->usage_high;
	if (!parser->usage_count)
		return 0;
	return parser->usages[index < parser->usage_count ? index : parser->usage_count - 1];
}

static void field_add(struct parser *parser, struct hid_field field, uint32_t bit)
{
	struct hid *hid = parser->hid;

	if (hid->field_count == HID_FIELDS_MAX)
		return;
	field.report = parser->now.report;
	field.bits = (uint8_t)parser->now.bits;
	field.bit = (uint16_t)bit;
	field.low = parser->now.low;
	/* A maximum that is below the minimum was meant without sign, as many devices have it. */
	field.high = parser->now.high < parser->now.low && parser->now.high_unsigned <= INT32_MAX
	                 ? (int32_t)parser->now.high_unsigned
	                 : parser->now.high;
	field.is_signed = field.low < 0;
	hid->fields[hid->field_count++] = field;
}

/* One value of a variable field. */
static void variable_add(struct parser *parser, uint32_t usage, uint32_t bit, bool relative)
{
	uint16_t number = (uint16_t)usage;
	struct hid_field field = {.count = 1, .usage = number, .relative = relative};

	switch (usage >> 16) {
	case PAGE_KEYBOARD:
		field.kind = HID_KEY;
		if (number >= KEYS_SANE && number < HID_KEYS)
			field_add(parser, field, bit);
		break;
	case PAGE_BUTTON:
		field.kind = HID_BUTTON;
		if (number && number <= HID_BUTTONS_MAX)
			field_add(parser, field, bit);
		break;
	case PAGE_DESKTOP:
		field.kind = HID_AXIS;
		field.usage = number == DESKTOP_X ? INPUT_X : number == DESKTOP_Y ? INPUT_Y : INPUT_WHEEL;
		if (number == DESKTOP_X || number == DESKTOP_Y || number == DESKTOP_WHEEL)
			field_add(parser, field, bit);
		break;
	default:
		break;
	}
}

/* Where the report that is described goes on; 0: there are too many. */
static uint32_t *report_bit(struct parser *parser)
{
	for (unsigned i = 0; i < parser->report_count; i++)
		if (parser->reports[i].report == parser->now.report)
			return &parser->reports[i].bit;
	if (parser->report_count == HID_REPORTS_MAX)
		return 0;
	parser->reports[parser->report_count].report = parser->now.report;
	parser->reports[parser->report_count].bit = 0;
	return &parser->reports[parser->report_count++].bit;
}

/* 6.2.2.5 */
static bool input_add(struct parser *parser, uint32_t flags)
{
	const struct global *now = &parser->now;
	uint32_t *bit = report_bit(parser);

	if (!bit || now->count > COUNT_MAX || now->bits > COUNT_MAX ||
	    now->count * now->bits > HID_REPORT_BYTES * 8 - *bit)
		return false;
	uint32_t first = *bit;
	*bit += now->count * now->bits;
	if (flags & FLAG_CONSTANT || !now->bits || now->bits > 32 || !now->count)
		return true;
	if (flags & FLAG_VARIABLE) {
		for (uint32_t i = 0; i < now->count; i++)
			variable_add(parser, usage_of(parser, i), first + i * now->bits,
			             flags & FLAG_RELATIVE);
		return true;
	}
	if (usage_of(parser, 0) >> 16 == PAGE_KEYBOARD)
		field_add(parser,
		          (struct hid_field){.kind = HID_KEYS_PRESSED,
		                             .count = (uint16_t)now->count,
		                             .usage = (uint16_t)usage_of(parser, 0)},
		          first);
	return true;
}

static bool global_take(struct parser *parser, unsigned tag, uint32_t value, int32_t with_sign)
{
	struct global *now = &parser->now;

	switch (tag) {
	case GLOBAL_PAGE:
		now->page = value & 0xffff;
		break;
	case GLOBAL_LOGICAL_LOW:
		now->low = with_sign;
		break;
	case GLOBAL_LOGICAL_HIGH:
		now->high = with_sign;
		now->high_unsigned = value;
		break;
	case GLOBAL_SIZE:
		now->bits = value;
		break;
	case GLOBAL_REPORT:
		if (!value || value > 255)
			return false;
		now->report = (uint8_t)value;
		parser->hid->numbered = true;
		break;
	case GLOBAL_COUNT:
		now->count = value;
		break;
	case GLOBAL_PUSH:
		if (parser->depth == STACK_MAX)
			return false;
		parser->stack[parser->depth++] = *now;
		break;
	case GLOBAL_POP:
		if (!parser->depth)
			return false;
		*now = parser->stack[--parser->depth];
		break;
	default:
		break;
	}
	return true;
}

static void local_take(struct parser *parser, unsigned tag, uint32_t value, unsigned size)
{
	uint32_t usage = size == 4 ? value : parser->now.page << 16 | (value & 0xffff);

	switch (tag) {
	case LOCAL_USAGE:
		if (parser->usage_count < USAGES_MAX)
			parser->usages[parser->usage_count++] = usage;
		break;
	case LOCAL_LOW:
		parser->usage_low = usage;
		break;
	case LOCAL_HIGH:
		parser->usage_high = usage;
		parser->ranged = usage >= parser->usage_low && usage >> 16 == parser->usage_low >> 16;
		break;
	default:
		break;
	}
}

static bool item_take(struct parser *parser, uint8_t prefix, const uint8_t *data, unsigned size)
{
	unsigned type = prefix >> 2 & 3, tag = prefix >> 4;
	uint32_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)data[i] << (8 * i);
	int32_t with_sign = size == 1 ? (int8_t)value : size == 2 ? (int16_t)value : (int32_t)value;
	if (type == ITEM_GLOBAL)
		return global_take(parser, tag, value, with_sign);
	if (type == ITEM_LOCAL) {
		local_take(parser, tag, value, size);
		return true;
	}
	bool good = type != ITEM_MAIN || tag != MAIN_INPUT || input_add(parser, value);
	parser->usage_count = 0;
	parser->ranged = false;
	return good;
}

bool hid_describe(struct hid *hid, const uint8_t *data, size_t bytes)
{
	static const unsigned sizes[] = {0, 1, 2, 4}; /* 6.2.2.2 */
	struct parser parser = {.hid = hid};

	*hid = (struct hid){.places = {-1, -1, -1}};
	if (bytes > HID_DESCRIPTOR_MAX)
		return false;
	for (size_t at = 0; at < bytes;) {
		uint8_t prefix = data[at++];
		size_t size = sizes[prefix & 3];

		if (prefix == ITEM_LONG) { /* 6.2.2.3: for nothing that is known */
			if (bytes - at < 2)
				return false;
			size = 2u + data[at];
		}
		if (size > bytes - at ||
		    (prefix != ITEM_LONG && !item_take(&parser, prefix, data + at, (unsigned)size)))
			return false;
		at += size;
	}
	return hid->field_count;
}

/* ---- Reports ---- */

static uint32_t bits_at(const uint8_t *data, uint32_t bit, unsigned bits)
{
	uint64_t value = 0;
	unsigned skip = bit % 8;

	for (unsigned i = 0; i * 8 < skip + bits; i++)
		value |= (uint64_t)data[bit / 8 + i] << (8 * i);
	return (uint32_t)(value >> skip & ((1ull << bits) - 1));
}

static int32_t value_of(const struct hid_field *field, const uint8_t *data, unsigned index)
{
	uint32_t value = bits_at(data, field->bit + index * field->bits, field->bits);

	if (field->is_signed && field->bits < 32 && value >> (field->bits - 1) & 1)
		value |= ~0u << field->bits;
	return (int32_t)value;
}

static void set(uint32_t *words, uint32_t bit, bool on)
{
	words[bit / 32] = (words[bit / 32] & ~(1u << bit % 32)) | (uint32_t)on << bit % 32;
}

/* The keys that an array says are pressed; of its range all others are not. False: it tells of an error, and so of no keys. */
static bool array_take(const struct hid_field *field, const uint8_t *data, uint32_t keys[HID_KEYS / 32])
{
	int64_t range = (int64_t)field->high - field->low;

	for (unsigned i = 0; i < field->count; i++) {
		uint32_t value = bits_at(data, field->bit + i * field->bits, field->bits);
		int64_t key = field->usage + ((int64_t)value - field->low);
		if (key > 0 && key < KEYS_SANE)
			return false;
	}
	for (int64_t key = KEYS_SANE; key < HID_KEYS; key++)
		if (key >= field->usage && key <= field->usage + range)
			set(keys, (uint32_t)key, false);
	for (unsigned i = 0; i < field->count; i++) {
		uint32_t value = bits_at(data, field->bit + i * field->bits, field->bits);
		int64_t key = field->usage + ((int64_t)value - field->low);
		if ((int64_t)value >= field->low && (int64_t)value <= field->high && key >= KEYS_SANE &&
		    key < HID_KEYS)
			set(keys, (uint32_t)key, true);
	}
	return true;
}

static void axis_take(struct hid *hid, const struct hid_field *field, int32_t value, hid_emit *emit,
                      void *context)
{
	struct input_event event = {.type = INPUT_MOVE, .code = field->usage, .value = value};

	if (!field->relative) {
		int64_t range = (int64_t)field->high - field->low;
		if (range <= 0 || value < field->low || value > field->high)
			return; /* 5.10: no value */
		event.type = INPUT_PLACE;
		event.value = (int32_t)(((int64_t)value - field->low) * INPUT_PLACE_MAX / range);
		if (event.value == hid->places[field->usage])
			return;
		hid->places[field->usage] = event.value;
	} else if (!value) {
		return;
	}
	emit(context, &event);
}

/* What differs is told: first what was let go. */
static void tell(uint16_t type, uint32_t *old, const uint32_t *new, unsigned words, unsigned first,
                 hid_emit *emit, void *context)
{
	for (int pressed = 0; pressed < 2; pressed++)
		for (unsigned i = 0; i < words; i++)
			for (uint32_t bits = (old[i] ^ new[i]) & (pressed ? new[i] : old[i]); bits;
			     bits &= bits - 1)
				emit(context,
				     &(struct input_event){
				         .type = type,
				         .code = (uint16_t)(i * 32 + (unsigned)__builtin_ctz(bits) + first),
				         .value = pressed});
	for (unsigned i = 0; i < words; i++)
		old[i] = new[i];
}

void hid_report(struct hid *hid, const uint8_t *data, size_t bytes, hid_emit *emit, void *context)
{
	uint32_t keys[HID_KEYS / 32], buttons = hid->buttons;
	uint8_t report = 0;

	if (hid->numbered) {
		if (!bytes)
			return;
		report = *data++;
		bytes--;
	}
	memcpy(keys, hid->keys, sizeof(keys));
	/* Arrays first: their range may hold keys that have bits of their own. */
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < hid->field_count; i++) {
			const struct hid_field *field = &hid->fields[i];

			if (field->report != report || (field->kind == HID_KEYS_PRESSED) != !pass ||
			    field->bit + (uint32_t)field->bits * field->count > bytes * 8)
				continue;
			if (field->kind == HID_KEYS_PRESSED) {
				if (!array_take(field, data, keys))
					return;
			} else if (field->kind == HID_KEY) {
				set(keys, field->usage, value_of(field, data, 0));
			} else if (field->kind == HID_BUTTON) {
				set(&buttons, field->usage - 1u, value_of(field, data, 0));
			}
		}
	tell(INPUT_KEY, hid->keys, keys, HID_KEYS / 32, 0, emit, context);
	/* A pointer is where it was pressed before it is pressed. */
	for (unsigned i = 0; i < hid->field_count; i++) {
		const struct hid_field *field = &hid->fields[i];
		if (field->kind == HID_AXIS && field->report == report &&
		    field->bit + (uint32_t)field->bits <= bytes * 8)
			axis_take(hid, field, value_of(field, data, 0), emit, context);
	}
	tell(INPUT_BUTTON, &hid->buttons, &buttons, 1, 1, emit, context);
}

void hid_release(struct hid *hid, hid_emit *emit, void *context)
{
	static const uint32_t none[HID_KEYS / 32];

	tell(INPUT_KEY, hid->keys, none, HID_KEYS / 32, 0, emit, context);
	tell(INPUT_BUTTON, &hid->buttons, none, 1, 1, emit, context);
}
