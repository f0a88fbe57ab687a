/* memcpy and memset: x86's string instructions are the smallest form and quick enough, since firmware or fw_cfg moves the
 * large contents. */
#include "../../loader/string.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	void *destination = to;
	size_t words = size / sizeof(size_t); /* not of a long: under UEFI that has 32 bits */
	size_t rest = size % sizeof(size_t);
#ifdef __x86_64__
	__asm__ volatile("rep movsq" : "+D"(destination), "+S"(from), "+c"(words) : : "memory");
#else
	__asm__ volatile("rep movsl" : "+D"(destination), "+S"(from), "+c"(words) : : "memory");
#endif
	__asm__ volatile("rep movsb" : "+D"(destination), "+S"(from), "+c"(rest) : : "memory");
	return to;
}

void *memset(void *to, int value, size_t size)
{
	void *destination = to;
	__asm__ volatile("rep stosb" : "+D"(destination), "+c"(size) : "a"(value) : "memory");
	return to;
}
