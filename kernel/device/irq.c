/* Interrupts as events: an interrupt masks its line, signals the bound event and waits for SYS_IRQ_ACK. */
#include <calls.h>
#include <event.h>
#include <irq.h>
#include "sched.h"

static struct irq *slots[IRQ_SLOTS];
static struct lock slots_lock; /* and the interrupt controllers' registers */

void kernel_interrupt_irq(unsigned slot)
{
	struct irq *irq;
	struct event *event = 0;
	uint64_t bits = 0;

	lock_take(&slots_lock);
	irq = slots[slot];
	if (irq) {
		arch_irq_mask(&irq->source);
		irq->pending = true;
		event = (struct event *)cap_target(&irq->event);
		bits = irq->bits;
	}
	lock_release(&slots_lock);
	if (event)
		event_signal(event, bits);
}

int64_t sys_irq_create(struct call *call, struct object *system, uint64_t number, uint64_t flags)
{
	struct irq *irq;
	uint32_t slot;
	int64_t result;

	if (flags & ~(uint64_t)(IRQ_LEVEL | IRQ_ACTIVE_LOW))
		return E_ARGUMENT;
	irq = (struct irq *)object_create(call->self->unit, OBJECT_IRQ, sizeof *irq, &result);
	if (!irq)
		return result;
	irq->slot = IRQ_SLOTS;
	lock_take(&slots_lock);
	for (slot = 0; slot < IRQ_SLOTS && slots[slot]; slot++)
		;
	result = slot == IRQ_SLOTS
	             ? E_BUSY
	             : arch_irq_attach(&irq->source, slot, number, (uint32_t)flags, &call->second);
	if (!result) {
		slots[slot] = irq;
		irq->slot = slot;
	}
	lock_release(&slots_lock);
	if (!result)
		return call_result_object(call, &irq->object, RIGHT_ALL);
	object_release(&irq->object);
	return result;
}

int64_t sys_irq_bind(struct call *call, struct irq *irq, struct event *event, uint64_t bits)
{
	const struct cap_view *view = &call->caps[1];
	int64_t error;

	if (!bits || (view->badge && bits & ~view->badge))
		return E_ARGUMENT;
	/* Against another bind, and the end of it. */
	lock_take(&slots_lock);
	error = irq->bound || irq->slot == IRQ_SLOTS ? E_STATE : cap_attach(&irq->event, view, 0, 0);
	if (!error) {
		irq->bits = bits;
		irq->bound = true;
		arch_irq_unmask(&irq->source);
	}
	lock_release(&slots_lock);
	return error;
}

int64_t sys_irq_ack(struct call *call, struct irq *irq)
{
	if (!irq->bound)
		return E_STATE;
	lock_take(&slots_lock);
	if (irq->pending && irq->slot < IRQ_SLOTS) {
		irq->pending = false;
		arch_irq_unmask(&irq->source);
	}
	lock_release(&slots_lock);
	return E_OK;
}

bool irq_teardown(struct object *object)
{
	struct irq *irq = (struct irq *)object;

	lock_take(&slots_lock);
	if (irq->slot < IRQ_SLOTS) {
		arch_irq_detach(&irq->source);
		slots[irq->slot] = 0;
		irq->slot = IRQ_SLOTS;
	}
	lock_release(&slots_lock);
	if (irq->bound)
		cap_detach(&irq->event);
	irq->bound = false;
	return true;
}
