/* Interrupts as events, and I/O ports. */
#pragma once

#include "object.h"

struct event;

#define IRQ_SLOTS 128u

struct irq {
	struct object object;
	struct lock lock;
	uint32_t slot;
	bool pending;        /* masked since it fired, until SYS_IRQ_ACK */
	struct event *event; /* counted reference, or 0 */
	uint64_t bits;
};

struct ioport {
	struct object object;
	uint32_t base, count;
};

void irq_destroy(struct irq *irq);
