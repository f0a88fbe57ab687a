/* Interrupts as events, and I/O ports. */
#pragma once

#include "arch.h"
#include "object.h"

#define IRQ_SLOTS 128u

struct irq {
	struct object object;
	uint32_t slot;
	bool pending, bound;    /* pending: masked since it fired, until SYS_IRQ_ACK */
	struct arch_irq source; /* the architecture's: where it comes from */
	struct cap event;       /* internal */
	uint64_t bits;
};

struct ioport {
	struct object object;
	uint32_t base, count;
};
