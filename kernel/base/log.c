/* The kernel log: formatting, and lines out of the architecture's log port. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <arch.h>
#include <lock.h>
#include <log.h>

static struct lock log_lock;
static uint64_t log_mark; /* of the last line */
static bool log_within;   /* that line has no end yet */

static void put(char c)
{
	log_within = c != '\n';
	if (!log_within)
		arch_log_char('\r');
	arch_log_char(c);
}

static void put_number(uint64_t value, unsigned base, unsigned width)
{
	char digits[20];
	unsigned count = 0;

	do
		digits[count++] = "0123456789abcdef"[value % base];
	while (value /= base);
	for (; width > count; width--)
		put('0');
	while (count)
		put(digits[--count]);
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_format(const char *format, va_list arguments)
{
	for (; *format; format++) {
		unsigned width = 0, longs = 0;
		uint64_t value;

		if (*format != '%') {
			put(*format);
			continue;
		}
		while (*++format >= '0' && *format <= '9')
			width = width * 10 + (unsigned)(*format - '0');
		for (; *format == 'l' || *format == 'z'; format++)
			longs++;
		if (*format == 's') {
			put_text(va_arg(arguments, const char *));
			continue;
		}
		value = longs ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
		if (*format == 'c') {
			put((char)value);
			continue;
		}
		if (*format == 'd' && (longs ? (int64_t)value : (int)value) < 0) {
			put('-');
			value = longs ? -value : -(unsigned)value;
		}
		put_number(value, *format == 'x' ? 16 : 10, width);
	}
}

size_t log_write(uint64_t mark, const char *text, size_t bytes)
{
	size_t done = 0;

	lock_take(&log_lock);
	if (log_within && mark != log_mark)
		put('\n');
	log_mark = mark;
	if (mark && !log_within) {
		for (uint64_t rest = mark; rest; rest >>= 8)
			put((char)rest);
		put_text(": ");
	}
	while (done < bytes && (!done || log_within)) {
		char c = text[done++]; /* once: programs may change it meanwhile */

		put(mark && (unsigned char)c < ' ' && c != '\n' ? '?' : c);
	}
	lock_release(&log_lock);
	return done;
}

void log_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_format(format, arguments);
	va_end(arguments);
}

void panic(const char *format, ...)
{
	static volatile bool panicking;
	va_list arguments;

	if (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST))
		arch_halt();
	arch_panic_begin();
	log_print("\npanic: ");
	va_start(arguments, format);
	put_format(format, arguments);
	va_end(arguments);
	log_print("\n");
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
