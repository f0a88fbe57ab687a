/* The serial ports, 16550s at the PC's addresses.
 *
 * The loader's own log port is COM2, so that COM1 can be the console and carry nothing else; a machine with
 * only COM1 gets its log there. Where the system's log goes, the command line says.
 */
#include "../../loader/loader.h"
#include "io.h"

enum { COM1 = 0x3f8, COM2 = 0x2f8 };
enum { DATA, INTERRUPTS, FIFO, LINE, MODEM, LINE_STATUS, MODEM_STATUS, SCRATCH };
enum { LINE_8N1 = 3, LINE_DIVISOR = 0x80, MODEM_READY = 3, STATUS_EMPTY = 0x20, STATUS_ALL_EMPTY = 0x40 };

static uint16_t log_port;

static bool port_present(uint16_t port)
{
	out8(port + SCRATCH, 0x5a);
	if (in8(port + SCRATCH) != 0x5a)
		return false;
	out8(port + SCRATCH, 0xa5);
	return in8(port + SCRATCH) == 0xa5;
}

static void port_set_up(uint16_t port)
{
	out8(port + INTERRUPTS, 0);
	out8(port + LINE, LINE_DIVISOR);
	out8(port + DATA, 1); /* 115200 baud */
	out8(port + INTERRUPTS, 0);
	out8(port + LINE, LINE_8N1);
	out8(port + FIFO, 7);
	out8(port + MODEM, MODEM_READY);
}

void serial_init(void)
{
	log_port = port_present(COM2) ? COM2 : port_present(COM1) ? COM1 : 0;
	if (log_port)
		port_set_up(log_port);
}

uint64_t serial_choose(const char *command_line)
{
	uint16_t port = has_option(command_line, "log=com2") ? COM2 : COM1;
	if (has_option(command_line, "log=none") || !port_present(port))
		return 0;
	if (port != log_port)
		port_set_up(port);
	return port;
}

/* A port that never empties must not hold up the boot. */
static void wait_for(uint8_t status)
{
	for (int i = 0; i < 100000 && !(in8(log_port + LINE_STATUS) & status); i++)
		;
}

void serial_put(char c)
{
	if (!log_port)
		return;
	wait_for(STATUS_EMPTY);
	out8(log_port + DATA, (uint8_t)c);
}

void serial_drain(void)
{
	if (log_port)
		wait_for(STATUS_ALL_EMPTY);
}
