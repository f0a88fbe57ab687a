/* Memory and string functions for the kernel itself; the string instructions are short and, on any CPU of the
 * last fifteen years, fast for the sizes that occur here (messages, pages). */
#include <stdint.h>
#include <bytes.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	void *result = to;

#ifdef __x86_64__
	size_t words = bytes >> 3;

	bytes &= 7;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
#else
	volatile uint8_t *out = to;
	const uint8_t *in = from;

	while (bytes--)
		*out++ = *in++;
#endif
	return result;
}

void *memmove(void *to, const void *from, size_t bytes)
{
	uint8_t *out = to;
	const uint8_t *in = from;

	if (out <= in || out >= in + bytes)
		return memcpy(to, from, bytes);
	while (bytes--)
		((volatile uint8_t *)out)[bytes] = in[bytes];
	return to;
}

void *memset(void *to, int value, size_t bytes)
{
	void *result = to;

#ifdef __x86_64__
	uint64_t pattern = 0x0101010101010101ull * (uint8_t)value;
	size_t words = bytes >> 3;

	bytes &= 7;
	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(pattern) : "memory");
#else
	volatile uint8_t *out = to;

	while (bytes--)
		*out++ = (uint8_t)value;
#endif
	return result;
}

int memcmp(const void *left, const void *right, size_t bytes)
{
	const uint8_t *a = left, *b = right;

	for (; bytes; bytes--, a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}

size_t strlen(const char *text)
{
	const volatile char *end = text;

	while (*end)
		end++;
	return (size_t)(end - text);
}

int strcmp(const char *left, const char *right)
{
	for (; *left && *left == *right; left++, right++)
		;
	return (uint8_t)*left - (uint8_t)*right;
}

int strncmp(const char *left, const char *right, size_t limit)
{
	for (; limit && *left && *left == *right; limit--, left++, right++)
		;
	return limit ? (uint8_t)*left - (uint8_t)*right : 0;
}
