/*
 * What Debian's static libsodium, BearSSL and libargon2 want from a C library beyond newlib's functions, for
 * native units. They were compiled against glibc with hardening: checked copies, stack protector, threads.
 *
 * Everything is weak, so a real definition wins. Linked before the archives, in this order: libargon2,
 * libsodium, libbearssl (libsodium carries an Argon2 with the same symbol names; the order decides).
 * libsodium's own versions of the sodium_ functions live in an object that needs mmap, mlock and getrandom;
 * these keep it out of the link. sodium_init() is not called, so libsodium stays with its portable code. A
 * unit must have its thread pointer set up before it calls any of this: on x86_64 the stack protector reads a
 * word 0x28 behind it.
 */
#include "util.h"

#include <stdarg.h>

#define WEAK __attribute__((weak))

_Noreturn void abort(void);
_Noreturn void sodium_misuse(void);
_Noreturn void __stack_chk_fail(void);
void sodium_memzero(void *memory, size_t length);
int sodium_memcmp(const void *a, const void *b, size_t length);
int sodium_is_zero(const unsigned char *bytes, size_t length);
void randombytes_buf(void *out, size_t length);
void *__memcpy_chk(void *to, const void *from, size_t length, size_t room);
int __sprintf_chk(char *out, int flag, size_t room, const char *format, ...);
int pthread_create(void *thread, const void *attributes, void *(*start)(void *), void *argument);
int pthread_join(void *thread, void **result);
_Noreturn void pthread_exit(void *result);

WEAK _Noreturn void abort(void)
{
	__builtin_trap();
}

/* Called where the caller broke the library's contract; our wrappers check first. */
WEAK _Noreturn void sodium_misuse(void)
{
	abort();
}

WEAK _Noreturn void __stack_chk_fail(void)
{
	abort();
}

WEAK void sodium_memzero(void *memory, size_t length)
{
	crypto_wipe(memory, length);
}

WEAK int sodium_memcmp(const void *a, const void *b, size_t length)
{
	return crypto_equal(a, b, length) ? 0 : -1;
}

/* In constant time; 1 if all bytes are zero. */
WEAK int sodium_is_zero(const unsigned char *bytes, size_t length)
{
	uint32_t any = 0;
	for (size_t i = 0; i < length; i++)
		any |= bytes[i];
	return (int)(1 & ((crypto_barrier32(any) - 1) >> 8));
}

/* Randomness comes from our callers: no wrapper uses a function that draws its own. */
WEAK void randombytes_buf(void *out, size_t length)
{
	(void)out;
	(void)length;
	abort();
}

WEAK void *__memcpy_chk(void *to, const void *from, size_t length, size_t room)
{
	if (length > room)
		abort();
	return memcpy(to, from, length);
}

/* libargon2's text encoding, which nothing here calls. */
WEAK int __sprintf_chk(char *out, int flag, size_t room, const char *format, ...)
{
	(void)out;
	(void)flag;
	(void)room;
	(void)format;
	abort();
}

/* libargon2 starts threads only when asked for more than one; argon2id() asks for one. */
WEAK int pthread_create(void *thread, const void *attributes, void *(*start)(void *), void *argument)
{
	(void)thread;
	(void)attributes;
	(void)start;
	(void)argument;
	return -1;
}

WEAK int pthread_join(void *thread, void **result)
{
	(void)thread;
	(void)result;
	return -1;
}

WEAK _Noreturn void pthread_exit(void *result)
{
	(void)result;
	abort();
}
