/* String functions without vector registers: byte loops where strings are short, REP MOVS/STOS where they are
 * not. */
#include "text.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	void *result = to;
	size_t words = size / 8;
	size_t rest = size % 8;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
	return result;
}

void *memmove(void *to, const void *from, size_t size)
{
	if ((uintptr_t)to - (uintptr_t)from >= size)
		return memcpy(to, from, size);
	char *target = (char *)to + size;
	const char *source = (const char *)from + size;
	while (size--)
		*--target = *--source;
	return to;
}

void *memset(void *to, int value, size_t size)
{
	void *result = to;
	uint64_t pattern = (uint8_t)value * 0x0101010101010101ull;
	size_t words = size / 8;
	size_t rest = size % 8;
	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
	return result;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *left = a;
	const uint8_t *right = b;
	for (size_t i = 0; i < size; i++)
		if (left[i] != right[i])
			return left[i] - right[i];
	return 0;
}

void *memchr(const void *text, int value, size_t size)
{
	const uint8_t *byte = text;
	for (size_t i = 0; i < size; i++)
		if (byte[i] == (uint8_t)value)
			return (void *)(uintptr_t)(byte + i);
	return 0;
}

size_t strlen(const char *text)
{
	size_t length = 0;
	while (text[length])
		length++;
	return length;
}

size_t strnlen(const char *text, size_t size)
{
	size_t length = 0;
	while (length < size && text[length])
		length++;
	return length;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i] || !a[i])
			return (uint8_t)a[i] - (uint8_t)b[i];
	return 0;
}

char *strchr(const char *text, int value)
{
	for (;; text++) {
		if (*text == (char)value)
			return (char *)(uintptr_t)text;
		if (!*text)
			return 0;
	}
}

char *strrchr(const char *text, int value)
{
	const char *found = 0;
	for (;; text++) {
		if (*text == (char)value)
			found = text;
		if (!*text)
			return (char *)(uintptr_t)found;
	}
}

bool text_copy(char *to, size_t size, const char *text)
{
	size_t length = strnlen(text, size);
	bool whole = length < size;
	if (!whole)
		length = size - 1;
	memcpy(to, text, length);
	to[length] = 0;
	return whole;
}
