/* Key files as text, to paste: base64 between two lines that say what it is. Reading takes either form.
 *
 * A key file ends with a check of itself, so damage by a mail program is found. What stands around the text, spaces at line
 * ends and another line length do not count; everything else does.
 */
#define _GNU_SOURCE
#include "tool.h"

#include <string.h>

#define LINE 64

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char begin[] = "-----BEGIN HOLON ", end[] = "-----END HOLON ", dashes[] = "-----";

static const char *kind_name(uint8_t kind)
{
	return kind == KEY_PUBLIC ? "PUBLIC KEY" : kind == KEY_SECRET ? "SECRET KEY" : "PROTECTED SECRET KEY";
}

size_t text_encode(const uint8_t *file, size_t size, char out[TEXT_MAX])
{
	const char *kind = kind_name(file[9]);
	size_t at = (size_t)snprintf(out, TEXT_MAX, "%s%s%s\n", begin, kind, dashes);
	size_t column = 0;
	for (size_t i = 0; i < size; i += 3) {
		uint32_t group = (uint32_t)file[i] << 16;
		group |= i + 1 < size ? (uint32_t)file[i + 1] << 8 : 0;
		group |= i + 2 < size ? file[i + 2] : 0;
		for (unsigned digit = 0; digit < 4; digit++)
			out[at++] = i + digit > size ? '=' : alphabet[group >> (18 - 6 * digit) & 63];
		column += 4;
		if (column == LINE || i + 3 >= size) {
			out[at++] = '\n';
			column = 0;
		}
	}
	return at + (size_t)snprintf(out + at, TEXT_MAX - at, "%s%s%s\n", end, kind, dashes);
}

static int digit_of(char c)
{
	const char *found = c ? strchr(alphabet, c) : NULL;
	return found ? (int)(found - alphabet) : -1;
}

/* Decodes base64 up to STOP; the number of bytes, or 0: it is none, or more than ROOM. */
static size_t decode(const char *text, const char *stop, uint8_t *out, size_t room)
{
	uint32_t group = 0;
	unsigned digits = 0, padding = 0;
	size_t size = 0;
	for (; text < stop; text++) {
		if (*text == '\n' || *text == '\r' || *text == ' ' || *text == '\t')
			continue;
		int digit = *text == '=' ? 0 : digit_of(*text);
		if (digit < 0 || (padding && *text != '='))
			return 0;
		padding += *text == '=';
		group = group << 6 | (uint32_t)digit;
		if (++digits % 4)
			continue;
		if (padding > 2 || size + 3 - padding > room)
			return 0;
		for (unsigned i = 0; i < 3 - padding; i++)
			out[size++] = (uint8_t)(group >> (16 - 8 * i));
		/* One text for one file: the bits that no byte has are zero. */
		if (padding && group & ((1u << 8 * padding) - 1))
			return 0;
		group = 0;
	}
	return digits % 4 ? 0 : size;
}

/* Whether a line goes on from AT with NAME, dashes and nothing else. */
static bool line_says(const char *at, const char *stop, const char *name)
{
	size_t length = strlen(name), whole = length + sizeof dashes - 1;
	if ((size_t)(stop - at) < whole || memcmp(at, name, length) != 0 ||
	    memcmp(at + length, dashes, sizeof dashes - 1) != 0)
		return false;
	return at + whole == stop || (at[whole] && strchr(" \t\r\n", at[whole]));
}

bool text_decode(const char *text, size_t length, uint8_t *out, size_t room, size_t *size)
{
	const char *first = memmem(text, length, begin, sizeof begin - 1);
	if (!first)
		return false;
	*size = 0;
	const char *kind = first + sizeof begin - 1, *stop = text + length;
	const char *body = memchr(kind, '\n', (size_t)(stop - kind));
	const char *last = body ? memmem(body, (size_t)(stop - body), end, sizeof end - 1) : NULL;
	if (!last)
		return true;
	size_t got = decode(body, last, out, room);
	if (got <= KEYFILE_HEADER_SIZE)
		return true;
	if (!line_says(kind, stop, kind_name(out[9])) ||
	    !line_says(last + sizeof end - 1, stop, kind_name(out[9])))
		return true;
	*size = got;
	return true;
}
