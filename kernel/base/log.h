/* The kernel's log and its last words. Lines go to the serial port that the command line names, through arch_log_char. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Writes TEXT, at most BYTES characters, up to the end of its line, which no other CPU's breaks into, and returns how many those were. A
 * line begins with MARK, up to eight letters (the first in the lowest byte), and a colon, if that is not 0; control characters are then
 * question marks. An unfinished line with another mark is ended first. */
size_t log_write(uint64_t mark, const char *text, size_t bytes);

/* Formats as printf does: knows %c %s %d %u %x with l, ll and z, numbers with a width that is filled with zeros (%016lx). Takes no
 * lock: while one CPU runs alone, and for the last words, when the CPU that holds the lock may be the one that is stuck. */
void log_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

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
