/* Hexadecimal text to bytes and numbers, and back. */
#include "num/hex.h"

#include <stdio.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

long hex_decode(uint8_t *out, size_t room, const char *text)
{
	if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X'))
		return -1;
	text += 2;
	size_t count = 0;
	for (; *text; text += 2, count++) {
		const int high = digit(text[0]);
		if (high < 0)
			return -1;
		const int low = digit(text[1]);
		if (low < 0 || count == room)
			return -1;
		out[count] = (uint8_t)(high << 4 | low);
	}
	return (long)count;
}

bool hex_to_u256(struct u256 *out, const char *text)
{
	struct u256 value = U256_ZERO;
	if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X') || !text[2])
		return false;
	unsigned count = 0;
	for (text += 2; *text; text++, count++) {
		const int next = digit(*text);
		if (next < 0 || count == 64)
			return false;
		u256_shift_left(&value, &value, 4);
		value.w[0] |= (uint64_t)next;
	}
	*out = value;
	return true;
}

bool hex_to_u64(uint64_t *out, const char *text)
{
	struct u256 value;
	if (!hex_to_u256(&value, text) || !u256_fits64(&value))
		return false;
	*out = value.w[0];
	return true;
}

char *hex_encode(char *out, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	char *next = out;
	*next++ = '0';
	*next++ = 'x';
	for (size_t i = 0; i < length; i++) {
		*next++ = digits[bytes[i] >> 4];
		*next++ = digits[bytes[i] & 15];
	}
	*next = 0;
	return out;
}

char *hex_from_u256(char *out, const struct u256 *value)
{
	uint8_t bytes[32];
	char text[67];
	u256_store(bytes, value);
	hex_encode(text, bytes, 32);
	const char *first = text + 2;
	while (*first == '0' && first[1])
		first++;
	snprintf(out, 67, "0x%s", first);
	return out;
}

char *hex_from_u64(char *out, uint64_t value)
{
	snprintf(out, 19, "0x%llx", (unsigned long long)value);
	return out;
}
