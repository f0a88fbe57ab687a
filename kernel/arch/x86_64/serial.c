/* The log port: a 16550 that the loader chose and set up; and the ports of user space's drivers. */
#include "x86.h"

void arch_log_char(char c)
{
	uint16_t port = (uint16_t)machine.log_base;

	if (machine.log != HANDOFF_LOG_16550_PORT)
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
