/* The log port: a 16550 at COM1, or at COM2 with "log=com2"; nothing with "log=none" or where no port
 * answers. */
#include <bytes.h>
#include "x86.h"

static uint16_t port;

static bool option(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (; *text; text++)
		if (strncmp(text, word, length) == 0 && (text[length] == 0 || text[length] == ' '))
			return true;
	return false;
}

void serial_init(const char *command_line)
{
	port = option(command_line, "log=com2") ? 0x2f8 : 0x3f8;
	if (option(command_line, "log=none")) {
		port = 0;
		return;
	}
	out8(port + 1, 0);    /* no interrupts */
	out8(port + 3, 0x80); /* 115,200 baud */
	out8(port, 1);
	out8(port + 1, 0);
	out8(port + 3, 3); /* 8 bits, no parity, 1 stop bit */
	out8(port + 2, 7); /* queues on and empty */
	out8(port + 4, 3); /* DTR, RTS */
	if (in8(port + 3) != 3)
		port = 0;
}

void arch_log_char(char c)
{
	if (!port)
		return;
	for (unsigned tries = 0; !(in8(port + 5) & 0x20) && tries < 100000; tries++)
		arch_pause();
	out8(port, (uint8_t)c);
}

uint32_t arch_port_in(uint16_t number, unsigned width)
{
	return width == 1 ? in8(number) : width == 2 ? in16(number) : in32(number);
}

void arch_port_out(uint16_t number, unsigned width, uint32_t value)
{
	if (width == 1)
		out8(number, (uint8_t)value);
	else if (width == 2)
		out16(number, (uint16_t)value);
	else
		out32(number, value);
}
