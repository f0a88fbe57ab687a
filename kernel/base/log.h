/* The kernel's log and its last words.
 *
 * Lines go to the serial port that the command line names, through arch_log_char; one CPU writes a line at a
 * time.
 */
#pragma once

#include <stddef.h>

/* Formats as printf does, 256 characters at most; knows %c %s %d %u %x with l, ll and z, numbers with a width that is
 * filled with zeros (%016lx). */
void log_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Writes BYTES of TEXT as they are. */
void log_write(const char *text, size_t bytes);

/* As log_print, without the lock: for the last words only. */
void log_print_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Stops all CPUs with a message, the registers known and a backtrace. For broken invariants of the kernel
 * alone: nothing a user program does may lead here. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Checks an invariant: in debug kernels always, otherwise only where the check is cheap and the harm great.
 */
#define check(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			panic("%s:%d: %s", __FILE__, __LINE__, #condition);                                  \
	} while (0)
#ifdef KERNEL_DEBUG
#define check_debug(condition) check(condition)
#else
#define check_debug(condition) ((void)sizeof(condition))
#endif
