/* Memory and string functions for the kernel itself. memcpy and memset are the architecture's. */
#include <stdint.h>
#include <bytes.h>

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

int strncmp(const char *left, const char *right, size_t limit)
{
	for (; limit && *left && *left == *right; limit--, left++, right++)
		;
	return limit ? (uint8_t)*left - (uint8_t)*right : 0;
}
