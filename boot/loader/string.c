/* Memory functions for the freestanding loader. The x86 string instructions are the smallest form and quick
 * enough: firmware or fw_cfg moves the large contents. */
#include "string.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	void *destination = to;
	size_t words = size / sizeof(long);
	size_t rest = size % sizeof(long);
#ifdef __x86_64__
	__asm__ volatile("rep movsq" : "+D"(destination), "+S"(from), "+c"(words) : : "memory");
#else
	__asm__ volatile("rep movsl" : "+D"(destination), "+S"(from), "+c"(words) : : "memory");
#endif
	__asm__ volatile("rep movsb" : "+D"(destination), "+S"(from), "+c"(rest) : : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	unsigned char *t = to;
	const unsigned char *f = from;
	if (t <= f || t >= f + size)
		return memcpy(to, from, size);
	while (size--)
		t[size] = f[size];
	return to;
}

void *memset(void *to, int value, size_t size)
{
	void *destination = to;
	__asm__ volatile("rep stosb" : "+D"(destination), "+c"(size) : "a"(value) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const unsigned char *x = a, *y = b;
	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *text)
{
	size_t length = 0;
	while (text[length])
		length++;
	return length;
}

int strncmp(const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i] || !a[i])
			return (unsigned char)a[i] - (unsigned char)b[i];
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, (size_t)-1);
}
