/* See uart.h. */
#include "uart.h"

enum uart_register {
	DATA = 0,
	INTERRUPT_ENABLE = 1,
	INTERRUPT_IDENTIFICATION = 2, /* read */
	FIFO_CONTROL = 2,             /* written */
	LINE_CONTROL = 3,
	MODEM_CONTROL = 4,
	LINE_STATUS = 5,
	SCRATCH = 7
};

#define RECEIVE_INTERRUPT  0x01
#define TRANSMIT_INTERRUPT 0x02
#define NONE_PENDING       0x01
#define DATA_READY         0x01
#define HOLDING_EMPTY      0x20
#define ALL_EMPTY          0x40
#define FIFO_BYTES         16

static uint8_t in(struct uart *uart, enum uart_register index)
{
	return (uint8_t)ioport_in(uart->ports, (uint16_t)(uart->base + index), 1);
}

static void out(struct uart *uart, enum uart_register index, uint8_t value)
{
	ioport_out(uart->ports, (uint16_t)(uart->base + index), 1, value);
}

static void interrupts(struct uart *uart, uint8_t bits)
{
	if (uart->present && bits != uart->interrupts)
		out(uart, INTERRUPT_ENABLE, bits);
	uart->interrupts = bits;
}

void uart_init(struct uart *uart, handle_t ports, uint16_t base)
{
	uart->ports = ports;
	uart->base = base;
	uart->interrupts = 0;
	out(uart, SCRATCH, 0x5a);
	uart->present = in(uart, SCRATCH) == 0x5a;
	if (!uart->present)
		return;
	out(uart, INTERRUPT_ENABLE, 0);
	out(uart, LINE_CONTROL, 0x80); /* divisor latch */
	out(uart, DATA, 1);
	out(uart, INTERRUPT_ENABLE, 0);
	out(uart, LINE_CONTROL, 0x03);
	out(uart, FIFO_CONTROL, 0xc1);  /* on; interrupt at 14 bytes or a pause; what has arrived stays */
	out(uart, MODEM_CONTROL, 0x0b); /* DTR, RTS, OUT2 (lets interrupts out on a PC) */
	interrupts(uart, RECEIVE_INTERRUPT);
}

uint32_t uart_read(struct uart *uart, uint8_t *buffer, uint32_t size)
{
	uint32_t count = 0;
	while (uart->present && count < size && (in(uart, LINE_STATUS) & DATA_READY))
		buffer[count++] = in(uart, DATA);
	return count;
}

uint32_t uart_write(struct uart *uart, const uint8_t *buffer, uint32_t size)
{
	uint32_t count = 0;
	if (!uart->present)
		return size; /* nobody listens */
	while (count < size && (in(uart, LINE_STATUS) & HOLDING_EMPTY))
		for (unsigned i = 0; i < FIFO_BYTES && count < size; i++)
			out(uart, DATA, buffer[count++]);
	interrupts(uart, (uart->interrupts & RECEIVE_INTERRUPT) | (count < size ? TRANSMIT_INTERRUPT : 0));
	return count;
}

void uart_listen(struct uart *uart, bool on)
{
	interrupts(uart, (uart->interrupts & TRANSMIT_INTERRUPT) | (on ? RECEIVE_INTERRUPT : 0));
}

bool uart_pending(struct uart *uart)
{
	return uart->present && !(in(uart, INTERRUPT_IDENTIFICATION) & NONE_PENDING);
}

bool uart_idle(struct uart *uart)
{
	return !uart->present || (in(uart, LINE_STATUS) & ALL_EMPTY);
}
