/* What Debian's static libraries (libsodium, libbearssl, libargon2) ask of a C library, beyond newlib. They are
 * built for Linux: their errno, their checked string functions, their source of randomness are here. What only
 * parts of theirs use that this service does not (locked memory, files, threads) fails.
 */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include "vault.h"

int *__errno_location(void);
void __explicit_bzero_chk(void *to, size_t bytes, size_t room);
void *__memcpy_chk(void *to, const void *from, size_t bytes, size_t room);
void *__memset_chk(void *to, int value, size_t bytes, size_t room);
void *__memmove_chk(void *to, const void *from, size_t bytes, size_t room);
_Noreturn void __stack_chk_fail(void);
_Noreturn void __assert_fail(const char *what, const char *file, unsigned line, const char *function);
_Noreturn void __chk_fail(void);
ssize_t getrandom(void *buffer, size_t bytes, unsigned flags);
long sysconf(int name);

int *__errno_location(void)
{
	return &errno;
}

_Noreturn static void die(const char *why)
{
	log_print(service.log, service.page, "vault: %s\n", why);
	unit_exit(1);
}

_Noreturn void __chk_fail(void)
{
	die("a buffer of a library is too small");
}

_Noreturn void __stack_chk_fail(void)
{
	die("a library has overrun its stack");
}

_Noreturn void __assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
	log_print(service.log, service.page, "vault: %s:%u: %s: %s\n", file, line, function, what);
	unit_exit(1);
}

void __explicit_bzero_chk(void *to, size_t bytes, size_t room)
{
	if (bytes > room)
		__chk_fail();
	explicit_bzero(to, bytes);
}

void *__memcpy_chk(void *to, const void *from, size_t bytes, size_t room)
{
	if (bytes > room)
		__chk_fail();
	return memcpy(to, from, bytes);
}

void *__memset_chk(void *to, int value, size_t bytes, size_t room)
{
	if (bytes > room)
		__chk_fail();
	return memset(to, value, bytes);
}

void *__memmove_chk(void *to, const void *from, size_t bytes, size_t room)
{
	if (bytes > room)
		__chk_fail();
	return memmove(to, from, bytes);
}

ssize_t getrandom(void *buffer, size_t bytes, unsigned flags)
{
	(void)flags;
	if (entropy_get(buffer, bytes) < 0) {
		errno = ENOSYS;
		return -1;
	}
	return (ssize_t)bytes;
}

/* Asked for the size of a page alone. */
long sysconf(int name)
{
	(void)name;
	return (long)PAGE_SIZE_BYTES;
}

/* Of whatever arguments; a pointer where mmap is asked. */
#define REFUSE(name)                                                                                         \
	intptr_t name(void);                                                                                 \
	intptr_t name(void)                                                                                  \
	{                                                                                                    \
		errno = ENOSYS;                                                                              \
		return -1;                                                                                   \
	}
REFUSE(mmap)
REFUSE(munmap)
REFUSE(mlock)
REFUSE(munlock)
REFUSE(mprotect)
REFUSE(madvise)
REFUSE(poll)
REFUSE(pthread_create)
REFUSE(pthread_join)

#undef open
#undef fcntl
int refuse_open(const char *path, int flags, ...) __asm__("open");
int refuse_open(const char *path, int flags, ...)
{
	(void)path, (void)flags;
	errno = ENOENT;
	return -1;
}

int refuse_fcntl(int file, int command, ...) __asm__("fcntl");
int refuse_fcntl(int file, int command, ...)
{
	(void)file, (void)command;
	errno = EBADF;
	return -1;
}

intptr_t refuse_file(void) __asm__("close");
intptr_t refuse_file(void)
{
	errno = EBADF;
	return -1;
}
intptr_t refuse_fstat(void) __asm__("fstat");
intptr_t refuse_fstat(void)
{
	return refuse_file();
}
intptr_t refuse_read(void) __asm__("read");
intptr_t refuse_read(void)
{
	return refuse_file();
}

_Noreturn void pthread_exit(void *value);
_Noreturn void pthread_exit(void *value)
{
	(void)value;
	die("a library ends a thread");
}

/* One thread: nothing to keep others from. */
int pthread_mutex_lock(void *mutex);
int pthread_mutex_lock(void *mutex)
{
	(void)mutex;
	return 0;
}
int pthread_mutex_unlock(void *mutex);
int pthread_mutex_unlock(void *mutex)
{
	(void)mutex;
	return 0;
}
