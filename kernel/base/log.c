/* The kernel log: formatting, and lines out of the architecture's log port.
 *
 * A line is formatted into a buffer on the stack and written under one lock, so that lines of several CPUs do
 * not mix. A panic does not take the lock: the CPU that holds it may be the one that is stuck.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <arch.h>
#include <bytes.h>
#include <lock.h>
#include <log.h>

#define LINE_MAX 256

static struct lock log_lock;

struct output {
	char *buffer;
	size_t size, length;
};

static void put(struct output *out, char c)
{
	if (out->length + 1 < out->size)
		out->buffer[out->length] = c;
	out->length++;
}

static void put_padded(struct output *out, const char *text, size_t length, unsigned width, bool left,
                       char pad)
{
	size_t fill = width > length ? width - length : 0;

	for (; !left && fill; fill--)
		put(out, pad);
	while (length--)
		put(out, *text++);
	for (; fill; fill--)
		put(out, ' ');
}

static void put_number(struct output *out, uint64_t value, unsigned base, bool negative, unsigned width,
                       bool left, char pad)
{
	char digits[24];
	size_t at = sizeof digits;

	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	if (negative && pad == '0') {
		put(out, '-');
		width -= width ? 1 : 0;
	} else if (negative) {
		digits[--at] = '-';
	}
	put_padded(out, digits + at, sizeof digits - at, width, left, pad);
}

static void put_conversion(struct output *out, const char **format, va_list *arguments)
{
	bool left = false;
	char pad = ' ';
	unsigned width = 0, longs = 0;
	const char *f = *format;

	for (; *f == '-' || *f == '0'; f++) {
		left |= *f == '-';
		pad = *f == '0' ? '0' : pad;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		width = width * 10 + (unsigned)(*f - '0');
	for (; *f == 'l' || *f == 'z'; f++)
		longs++;
	switch (*f) {
	case 'c':
		put(out, (char)va_arg(*arguments, int));
		break;
	case 's': {
		const char *text = va_arg(*arguments, const char *);

		text = text ? text : "(none)";
		put_padded(out, text, strlen(text), width, left, ' ');
		break;
	}
	case 'd':
	case 'i': {
		int64_t value = longs ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);

		put_number(out, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0, width, left,
		           pad);
		break;
	}
	case 'u':
	case 'x': {
		uint64_t value = longs ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);

		put_number(out, value, *f == 'x' ? 16 : 10, false, width, left, pad);
		break;
	}
	case 'p':
		put_number(out, (uintptr_t)va_arg(*arguments, void *), 16, false, 16, false, '0');
		break;
	case 0:
		f--; /* a format that ends in % */
		break;
	default:
		put(out, *f);
	}
	*format = f + 1;
}

/* As vsnprintf: the length the whole text has; writes at most SIZE - 1 characters and a NUL. */
static size_t format_arguments(char *buffer, size_t size, const char *format, va_list arguments)
{
	struct output out = {buffer, size, 0};
	va_list list;

	va_copy(list, arguments);
	while (*format) {
		if (*format != '%') {
			put(&out, *format++);
			continue;
		}
		format++;
		put_conversion(&out, &format, &list);
	}
	va_end(list);
	if (size)
		buffer[out.length < size ? out.length : size - 1] = 0;
	return out.length;
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

void log_print(const char *format, ...)
{
	char line[LINE_MAX];
	va_list arguments;

	va_start(arguments, format);
	size_t length = format_arguments(line, sizeof line, format, arguments);

	va_end(arguments);
	log_write(line, length < sizeof line ? length : sizeof line - 1);
}

void log_print_panic(const char *format, ...)
{
	char line[LINE_MAX];
	va_list arguments;

	va_start(arguments, format);
	size_t length = format_arguments(line, sizeof line, format, arguments);

	va_end(arguments);
	write_unlocked(line, length < sizeof line ? length : sizeof line - 1);
}

void panic(const char *format, ...)
{
	static volatile bool panicking;
	char line[LINE_MAX];
	va_list arguments;

	if (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST))
		arch_halt();
	va_start(arguments, format);
	size_t length = format_arguments(line, sizeof line, format, arguments);

	va_end(arguments);
	arch_panic_begin();
	write_unlocked("\npanic: ", 8);
	write_unlocked(line, length < sizeof line ? length : sizeof line - 1);
	write_unlocked("\n", 1);
	arch_backtrace();
	arch_halt();
}

/* What the compiler calls when a function's stack guard was overwritten. */
_Noreturn void __stack_chk_fail(void);
void __stack_chk_fail(void)
{
	panic("a stack guard was overwritten");
}
