/* Messages: to the screen through the platform, and to a serial port as the machine's log.
 *
 * The log port is COM2, so that COM1 can be the console and carry nothing else; a machine with only COM1 gets
 * its log there.
 */
#include <stdarg.h>

#include "io.h"
#include "loader.h"

enum { COM1 = 0x3f8, COM2 = 0x2f8 };
enum { DATA, INTERRUPTS, FIFO, LINE, MODEM, LINE_STATUS, MODEM_STATUS, SCRATCH };
enum { LINE_8N1 = 3, LINE_DIVISOR = 0x80, MODEM_READY = 3, STATUS_EMPTY = 0x20 };

static uint16_t log_port;
static bool quiet;
static char line[512];
static uint32_t line_length;

static bool port_present(uint16_t port)
{
	out8(port + SCRATCH, 0x5a);
	if (in8(port + SCRATCH) != 0x5a)
		return false;
	out8(port + SCRATCH, 0xa5);
	return in8(port + SCRATCH) == 0xa5;
}

void serial_init(void)
{
	log_port = port_present(COM2) ? COM2 : port_present(COM1) ? COM1 : 0;
	if (!log_port)
		return;
	out8(log_port + INTERRUPTS, 0);
	out8(log_port + LINE, LINE_DIVISOR);
	out8(log_port + DATA, 1); /* 115200 baud */
	out8(log_port + INTERRUPTS, 0);
	out8(log_port + LINE, LINE_8N1);
	out8(log_port + FIFO, 7);
	out8(log_port + MODEM, MODEM_READY);
}

void serial_put(char c)
{
	if (!log_port)
		return;
	/* A port that never empties must not hold up the boot. */
	for (int i = 0; i < 100000 && !(in8(log_port + LINE_STATUS) & STATUS_EMPTY); i++)
		;
	out8(log_port + DATA, (uint8_t)c);
}

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

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_number(uint32_t value, uint32_t base)
{
	char digits[12];
	int count = 0;
	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (count)
		put(digits[--count]);
}

static void put_format(const char *format, va_list arguments)
{
	for (; *format; format++) {
		if (*format != '%' || !format[1]) {
			put(*format);
			continue;
		}
		switch (*++format) {
		case 's':
			put_text(va_arg(arguments, const char *));
			break;
		case 'u':
			put_number(va_arg(arguments, uint32_t), 10);
			break;
		case 'x':
			put_number(va_arg(arguments, uint32_t), 16);
			break;
		case 'm': {
			uint64_t bytes = va_arg(arguments, uint64_t);
			bool large = bytes >= 10ull << 20;
			put_number((uint32_t)(bytes >> (large ? 20 : 10)), 10);
			put_text(large ? " MiB" : " KiB");
			break;
		}
		default:
			put(*format);
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
	put_format(format, arguments);
	va_end(arguments);
	put('\n');
}

_Noreturn void fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	put_text("\nHolon cannot start: ");
	put_format(format, arguments);
	put('\n');
	va_end(arguments);
	platform_stop();
}
