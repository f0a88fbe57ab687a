/* 16550 UART (PC16550D data sheet, National Semiconductor 1995). Interrupt driven; a missing chip is noticed.
 */
#pragma once

#include <holon.h>

struct uart {
	handle_t ports;
	uint16_t base;
	bool present;
	bool sending; /* the transmit interrupt is on: the FIFO was full */
};

/* 115,200 baud, 8N1, FIFOs on. */
void uart_init(struct uart *uart, handle_t ports, uint16_t base);
/* Bytes received, at most SIZE. */
uint32_t uart_read(struct uart *uart, uint8_t *buffer, uint32_t size);
/* Bytes taken: those that fit the FIFO now. When fewer than SIZE, the transmit interrupt tells when to go on.
 */
uint32_t uart_write(struct uart *uart, const uint8_t *buffer, uint32_t size);
/* True once the last byte has left the shift register. */
bool uart_idle(struct uart *uart);
