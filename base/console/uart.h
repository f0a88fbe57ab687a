/* 16550 UART (PC16550D data sheet, National Semiconductor 1995). Interrupt driven; a missing chip is noticed.
 */
#pragma once

#include <holon.h>

struct uart {
	handle_t ports;
	uint16_t base;
	bool present;
	uint8_t interrupts; /* those that are on; transmit: the FIFO was full */
};

/* 115,200 baud, 8N1, FIFOs on. */
void uart_init(struct uart *uart, handle_t ports, uint16_t base);
/* Bytes received, at most SIZE. */
uint32_t uart_read(struct uart *uart, uint8_t *buffer, uint32_t size);
/* Bytes taken: those that fit the FIFO now. When fewer than SIZE, the transmit interrupt tells when to go on.
 */
uint32_t uart_write(struct uart *uart, const uint8_t *buffer, uint32_t size);
/* Whether arriving bytes interrupt: to be off while they are left in the FIFO. */
void uart_listen(struct uart *uart, bool on);
/* True while the interrupt line is up. The line is edge-triggered: only when it has been seen down after all
 * work is there sure to be an interrupt for what comes next. */
bool uart_pending(struct uart *uart);
/* True once the last byte has left the shift register. */
bool uart_idle(struct uart *uart);
