/* The kernel log: formatting, and lines out of the architecture's log port.
 *
 * A line is formatted into a buffer on the stack and written under one lock, so that lines of several CPUs do
 * not mix. A panic does not take the lock: the CPU that holds it may be the one that is stuck.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <arch.h>
#include <lock.h>
#include <log.h>

#define LINE_MAX 256

static struct lock log_lock;

struct line {
	char text[LINE_MAX];
	size_t length;
};

static void put(struct line *line, char c)
{
	if (line->length < LINE_MAX)
		line->text[line->length++] = c;
}

static void put_number(struct line *line, uint64_t value, unsigned base, unsigned width)
{
	char digits[20];
	unsigned count = 0;

	do
		digits[count++] = "0123456789abcdef"[value % base];
	while (value /= base);
	for (; width > count; width--)
		put(line, '0');
	while (count)
		put(line, digits[--count]);
}

static void format_line(struct line *line, const char *format, va_list arguments)
{
	for (; *format; format++) {
		unsigned width = 0, longs = 0;
		uint64_t value;

		if (*format != '%') {
			put(line, *format);
			continue;
		}
		while (*++format >= '0' && *format <= '9')
			width = width * 10 + (unsigned)(*format - '0');
		for (; *format == 'l' || *format == 'z'; format++)
			longs++;
		if (*format == 's') {
			for (const char *text = va_arg(arguments, const char *); *text; text++)
				put(line, *text);
			continue;
		}
		value = longs ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
		if (*format == 'c') {
			put(line, (char)value);
			continue;
		}
		if (*format == 'd' && (longs ? (int64_t)value : (int)value) < 0) {
			put(line, '-');
			value = longs ? -value : -(unsigned)value;
		}
		put_number(line, value, *format == 'x' ? 16 : 10, width);
	}
}

static void write_unlocked(const char *text, size_t bytes)
{
	while (bytes--) {
		if (*text == '\n')
			arch_log_char('\r');
		arch_log_char(*text++);
	}
}

void log_write(const char *text, size_t bytes)
{
	lock_take(&log_lock);
	write_unlocked(text, bytes);
	lock_release(&log_lock);
}

/* Formats in place of a call's arguments, and writes by WRITE. */
#define PRINT(write)                                                                                         \
	struct line line;                                                                                    \
	va_list arguments;                                                                                   \
                                                                                                             \
	line.length = 0;                                                                                     \
	va_start(arguments, format);                                                                         \
	format_line(&line, format, arguments);                                                               \
	va_end(arguments);                                                                                   \
	write(line.text, line.length)

void log_print(const char *format, ...)
{
	PRINT(log_write);
}

void log_print_panic(const char *format, ...)
{
	PRINT(write_unlocked);
}

void panic(const char *format, ...)
{
	static volatile bool panicking;

	if (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST))
		arch_halt();
	arch_panic_begin();
	log_print_panic("\npanic: ");
	PRINT(write_unlocked);
	log_print_panic("\n");
	arch_backtrace();
	arch_panic_end();
	arch_halt();
}

/* What the compiler calls when a function's stack guard was overwritten. */
_Noreturn void __stack_chk_fail(void);
void __stack_chk_fail(void)
{
	panic("a stack guard was overwritten");
}
