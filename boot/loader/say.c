/* Messages: to the screen through the platform, and to a serial port as the machine's log.
 */
#include "loader.h"

static bool quiet;
static char line[512];
static uint32_t line_length;

/* A line goes out as a whole, first to the screen: firmware may copy its screen to the same port. */
static void put(char c)
{
	if (line_length < sizeof(line))
		line[line_length++] = c;
	if (c != '\n')
		return;
	for (uint32_t i = 0; i < line_length; i++)
		platform_put(line[i]);
	for (uint32_t i = 0; i < line_length; i++) {
		if (line[i] == '\n')
			serial_put('\r');
		serial_put(line[i]);
	}
	line_length = 0;
}

static void put_text(void (*to)(char), const char *text)
{
	while (*text)
		to(*text++);
}

static void put_number(void (*to)(char), uint32_t value, uint32_t base)
{
	char digits[12];
	int count = 0;
	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (count)
		to(digits[--count]);
}

void say_format(void (*to)(char), const char *format, va_list arguments)
{
	for (; *format; format++) {
		if (*format != '%' || !format[1]) {
			to(*format);
			continue;
		}
		switch (*++format) {
		case 's':
			put_text(to, va_arg(arguments, const char *));
			break;
		case 'u':
			put_number(to, va_arg(arguments, uint32_t), 10);
			break;
		case 'x':
			put_number(to, va_arg(arguments, uint32_t), 16);
			break;
		case 'm': {
			uint64_t bytes = va_arg(arguments, uint64_t);
			bool large = bytes >= 10ull << 20;
			put_number(to, (uint32_t)(bytes >> (large ? 20 : 10)), 10);
			put_text(to, large ? " MiB" : " KiB");
			break;
		}
		default:
			to(*format);
		}
	}
}

void say_quiet(bool value)
{
	quiet = value;
}

void say_progress(const char *text)
{
	while (!quiet && *text)
		platform_put(*text++);
}

void say(const char *format, ...)
{
	if (quiet)
		return;
	va_list arguments;
	va_start(arguments, format);
	say_format(put, format, arguments);
	va_end(arguments);
	put('\n');
}

_Noreturn void fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	put_text(put, "\nHolon cannot start: ");
	say_format(put, format, arguments);
	put('\n');
	va_end(arguments);
	platform_stop();
}
