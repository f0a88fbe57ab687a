/* See bare.h. Compiled without vector registers, like everything that is linked with it in the loader's test.
 */
#include "bare.h"

#define SYS_READ       0
#define SYS_EXIT       60
#define SYS_ARCH_PRCTL 158
#define ARCH_SET_FS    0x1002

void _start(void);
void bare_start(void);

static long system_call(long number, long a, long b, long c)
{
	long result;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c)
	                 : "rcx", "r11", "memory");
	return result;
}

/* The stack is aligned at process entry; the call makes it what a function expects. */
__asm__(".globl _start\n_start: call bare_start\n");

void bare_start(void)
{
	bare_exit(bare_main());
}

size_t bare_read(void *out, size_t room)
{
	size_t filled = 0;
	while (filled < room) {
		long got = system_call(SYS_READ, 0, (long)((uint8_t *)out + filled), (long)(room - filled));
		if (got <= 0)
			break;
		filled += (size_t)got;
	}
	return filled;
}

_Noreturn void bare_exit(int status)
{
	for (;;)
		system_call(SYS_EXIT, status, 0, 0);
}

void bare_thread_pointer(void)
{
	static uint64_t block[32];
	system_call(SYS_ARCH_PRCTL, ARCH_SET_FS, (long)block, 0);
}

/* Loops that the compiler must not turn into calls of themselves. */
__attribute__((no_builtin)) void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}

__attribute__((no_builtin)) void *memmove(void *to, const void *from, size_t length)
{
	uint8_t *out = to;
	const uint8_t *in = from;
	if (out < in)
		return memcpy(to, from, length);
	while (length--)
		out[length] = in[length];
	return to;
}

__attribute__((no_builtin)) void *memset(void *to, int byte, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)to)[i] = (uint8_t)byte;
	return to;
}

__attribute__((no_builtin)) int memcmp(const void *a, const void *b, size_t length)
{
	const uint8_t *left = a, *right = b;
	for (size_t i = 0; i < length; i++)
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	return 0;
}
