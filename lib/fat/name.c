/* Names of FAT: long ones are UTF-16, short ones 8.3 in code page 437; two are the same whatever the case of their
 * letters (Latin, Greek and Cyrillic are folded). */
#include "internal.h"

/* Code page 437 from 0x80 on. */
static const uint16_t code_page[128] = {
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee,
    0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6,
    0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa,
    0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593, 0x2502,
    0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510, 0x2514,
    0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550,
    0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c,
    0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4,
    0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320,
    0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};

/* One character of UTF-8, checked: its length, or 0. */
static unsigned utf8_take(const uint8_t *at, uint32_t *character)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned bytes = *at < 0x80                  ? 1
	                 : *at >= 0xf0 && *at < 0xf8 ? 4
	                 : *at >= 0xe0 && *at < 0xf0 ? 3
	                 : *at >= 0xc0 && *at < 0xe0 ? 2
	                                             : 0;
	if (!bytes)
		return 0;
	*character = bytes == 1 ? *at : *at & (0x7fu >> bytes);
	for (unsigned i = 1; i < bytes; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | (at[i] & 0x3f);
	}
	return *character >= least[bytes] && *character <= 0x10ffff &&
	               (*character < 0xd800 || *character > 0xdfff)
	           ? bytes
	           : 0;
}

int name_from_text(const char *text, struct name *name)
{
	const uint8_t *at = (const uint8_t *)text;
	name->count = 0;
	while (*at) {
		uint32_t character;
		unsigned bytes = utf8_take(at, &character);
		if (!bytes || character < 32 || (character < 128 && strchr("\"*/:<>?\\|", (int)character)))
			return E_ARGUMENT;
		unsigned units = character > 0xffff ? 2 : 1;
		if (name->count + units > NAME_UNITS)
			return FILE_E_NAME_TOO_LONG;
		if (units == 2) {
			name->units[name->count++] = (uint16_t)(0xd800 + ((character - 0x10000) >> 10));
			character = 0xdc00 + ((character - 0x10000) & 0x3ff);
		}
		name->units[name->count++] = (uint16_t)character;
		at += bytes;
	}
	/* Dots and spaces at the end are no part of a name. */
	while (name->count && (name->units[name->count - 1] == '.' || name->units[name->count - 1] == ' '))
		name->count--;
	return name->count ? E_OK : E_ARGUMENT;
}

void name_to_text(const struct name *name, char text[FILE_NAME_MAX + 1])
{
	size_t at = 0;
	for (uint32_t i = 0; i < name->count; i++) {
		uint32_t character = name->units[i];
		if (character >= 0xd800 && character < 0xdc00 && i + 1 < name->count &&
		    name->units[i + 1] >= 0xdc00 && name->units[i + 1] < 0xe000)
			character = 0x10000 + ((character - 0xd800) << 10) + (name->units[++i] - 0xdc00u);
		else if (character < 32 || character == '/' || (character >= 0xd800 && character < 0xe000))
			character = '_';
		unsigned bytes = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
		if (at + bytes > FILE_NAME_MAX)
			break;
		if (bytes == 1) {
			text[at++] = (char)character;
			continue;
		}
		text[at++] = (char)((0xf00u >> bytes & 0xff) | character >> 6 * (bytes - 1));
		for (unsigned k = bytes - 1; k-- > 0;)
			text[at++] = (char)(0x80 | (character >> 6 * k & 0x3f));
	}
	text[at] = 0;
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || !*text)
		memcpy(text, "_", 2);
}

static uint16_t fold(uint16_t unit)
{
	if ((unit >= 'a' && unit <= 'z') || (unit >= 0xe0 && unit <= 0xfe && unit != 0xf7) ||
	    (unit >= 0x3b1 && unit <= 0x3c9 && unit != 0x3c2) || (unit >= 0x430 && unit <= 0x44f))
		return (uint16_t)(unit - 32);
	return unit >= 0x450 && unit <= 0x45f ? (uint16_t)(unit - 80) : unit;
}

bool names_same(const struct name *a, const struct name *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (fold(a->units[i]) != fold(b->units[i]))
			return false;
	return true;
}

/* ---- Short names ---- */

static uint16_t from_code_page(uint8_t byte, bool lower)
{
	if (byte >= 128)
		return code_page[byte - 128];
	return lower && byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

/* Windows and Linux keep in two bits whether the base and the extension are to be shown in small letters. */
void name_of_short(const uint8_t *entry, struct name *name)
{
	unsigned base = 8, extension = 3;
	name->count = 0;
	while (base && entry[base - 1] == ' ')
		base--;
	while (extension && entry[8 + extension - 1] == ' ')
		extension--;
	for (unsigned i = 0; i < base; i++) /* 0xe5 means that the entry is free: 0x05 stands for it */
		name->units[name->count++] =
		    from_code_page(!i && entry[0] == 5 ? 0xe5 : entry[i], entry[EN_CASE] & CASE_BASE);
	if (extension)
		name->units[name->count++] = '.';
	for (unsigned i = 0; i < extension; i++)
		name->units[name->count++] = from_code_page(entry[8 + i], entry[EN_CASE] & CASE_EXTENSION);
}

uint8_t short_checksum(const uint8_t *short_name)
{
	uint8_t sum = 0;
	for (unsigned i = 0; i < 11; i++)
		sum = (uint8_t)((sum << 7 | sum >> 1) + short_name[i]);
	return sum;
}

static bool is_short_character(uint16_t unit)
{
	return unit > 32 && unit < 127 && !strchr("\"*+,./:;<=>?[\\]|", unit);
}

bool name_fits_short(const struct name *name, uint8_t short_name[11], uint8_t *case_bits)
{
	unsigned at = 0, end = 8;
	bool small = false, capital = false;
	memset(short_name, ' ', 11);
	*case_bits = 0;
	for (uint32_t i = 0; i <= name->count; i++) {
		uint16_t unit = i < name->count ? name->units[i] : 0;
		if (unit == '.' || i == name->count) {
			if (small && capital)
				return false;
			*case_bits |= small ? end == 8 ? CASE_BASE : CASE_EXTENSION : 0;
			if (i == name->count)
				return true;
			if (end == 11 || !i)
				return false;
			at = 8;
			end = 11;
			small = capital = false;
			continue;
		}
		if (at == end || !is_short_character(unit))
			return false;
		small |= unit >= 'a' && unit <= 'z';
		capital |= unit >= 'A' && unit <= 'Z';
		short_name[at++] = (uint8_t)(unit >= 'a' && unit <= 'z' ? unit - 32 : unit);
	}
	return true;
}

void name_base(const struct name *name, uint8_t short_name[11])
{
	uint32_t dot = name->count;
	unsigned at = 0;
	for (uint32_t i = 1; i < name->count; i++)
		if (name->units[i] == '.')
			dot = i;
	memset(short_name, ' ', 11);
	for (uint32_t i = 0; i < name->count; i++) {
		uint16_t unit = name->units[i];
		if (i == dot) {
			at = 8;
			continue;
		}
		if (at == (i < dot ? 6u : 11u) || unit == ' ' || unit == '.')
			continue;
		short_name[at++] =
		    is_short_character(unit) ? (uint8_t)(unit >= 'a' && unit <= 'z' ? unit - 32 : unit) : '_';
	}
	if (short_name[0] == ' ')
		short_name[0] = '_';
}

/* ~1 to ~9 behind the base; then two characters of it, four of the name's own digits, and ~1 to ~9 again. */
void name_number(const struct name *name, const uint8_t base[11], unsigned number, uint8_t short_name[11])
{
	unsigned length = 0, kept = number < 9 ? 6 : 2;
	uint32_t hash = 2166136261u + number / 9;
	while (length < kept && base[length] != ' ')
		length++;
	memcpy(short_name, base, 11);
	memset(short_name + length, ' ', 8 - length);
	for (uint32_t i = 0; i < name->count; i++)
		hash = (hash ^ name->units[i]) * 16777619u;
	for (unsigned i = 0; i < 4 && number >= 9; i++)
		short_name[length++] = (uint8_t) "0123456789ABCDEF"[hash >> 4 * i & 15];
	short_name[length++] = '~';
	short_name[length] = (uint8_t)('1' + number % 9);
}
