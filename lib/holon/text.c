/* String functions without vector registers: byte loops where strings are short, the architecture's ways to copy and fill
 * where they are not. */
#include "text.h"

#include <native_arch.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	processor_copy(to, from, size);
	return to;
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
	processor_fill(to, (uint8_t)value, size);
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *left = a;
	const uint8_t *right = b;
	/*@ loop invariant i <= size;
	    loop assigns i;
	    loop variant size - i;
	*/
	for (size_t i = 0; i < size; i++)
		if (left[i] != right[i])
			return left[i] - right[i];
	return 0;
}

void *memchr(const void *text, int value, size_t size)
{
	const uint8_t *byte = text;
	/*@ loop invariant i <= size;
	    loop assigns i;
	    loop variant size - i;
	*/
	for (size_t i = 0; i < size; i++)
		if (byte[i] == (uint8_t)value)
			return (void *)(uintptr_t)(byte + i);
	return 0;
}

size_t strlen(const char *text)
{
	size_t length = 0;
	/*@ loop invariant \forall integer i; 0 <= i < length ==> text[i] != 0;
	    loop invariant \valid_read(text + (0 .. length)) && length < 0x7fffffffffffffff;
	    loop assigns length;
	*/
	while (text[length])
		length++;
	return length;
}

size_t strnlen(const char *text, size_t size)
{
	size_t length = 0;
	/*@ loop invariant \forall integer i; 0 <= i < length ==> text[i] != 0;
	    loop invariant length <= size && (length == 0 || \valid_read(text + (0 .. length - 1)));
	    loop assigns length;
	    loop variant size - length;
	*/
	while (length < size && text[length])
		length++;
	return length;
}

int strcmp(const char *a, const char *b)
{
	/*@ loop invariant is_text(a) && is_text(b);
	    loop assigns a, b;
	*/
	while (*a && *a == *b)
		a++, b++;
	return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t size)
{
	/*@ loop invariant i <= size;
	    loop invariant is_text(a + i) && is_text(b + i);
	    loop assigns i;
	    loop variant size - i;
	*/
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i] || !a[i])
			return (uint8_t)a[i] - (uint8_t)b[i];
	return 0;
}

char *strchr(const char *text, int value)
{
	/*@ loop invariant is_text(text);
	    loop assigns text;
	*/
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
	/*@ loop invariant is_text(text);
	    loop assigns text, found;
	*/
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
