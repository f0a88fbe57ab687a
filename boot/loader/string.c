/* Memory and string functions for the freestanding loader; memcpy and memset are the architecture's. */
#include "string.h"

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

int memcmp(const void *a, const void *b, size_t size)
{
	const unsigned char *x = a, *y = b;
	/*@ loop invariant i <= size;
	    loop assigns i;
	    loop variant size - i;
	*/
	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
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

int strncmp(const char *a, const char *b, size_t size)
{
	/*@ loop invariant i <= size;
	    loop invariant is_text(a + i) && is_text(b + i);
	    loop assigns i;
	    loop variant size - i;
	*/
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i] || !a[i])
			return (unsigned char)a[i] - (unsigned char)b[i];
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, (size_t)-1);
}
