/* Interrupts as events: an interrupt masks its line, signals the bound event and waits for SYS_IRQ_ACK. */
#include <calls.h>
#include <event.h>
#include <irq.h>
#include "../sched/sched.h"

static struct irq *slots[IRQ_SLOTS];
static struct lock slots_lock;

void kernel_interrupt_irq(unsigned slot)
{
	struct irq *irq;
	struct event *event = 0;
	uint64_t bits = 0;

	arch_irq_mask(slot);
	lock_take(&slots_lock);
	irq = slots[slot];
	if (irq) {
		irq->pending = true;
		event = (struct event *)cap_target(&irq->event);
		bits = irq->bits;
	}
	lock_release(&slots_lock);
	if (event)
		event_signal(event, bits);
}

int64_t sys_irq_create(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view cap;
	struct irq *irq;
	uint32_t slot;
	int64_t result = cap_lookup(self->unit, args[0], OBJECT_SYSTEM, RIGHT_IRQ, &cap);

	if (result)
		return result;
	if (args[2] & ~(uint64_t)(IRQ_LEVEL | IRQ_ACTIVE_LOW))
		return E_ARGUMENT;
	irq = (struct irq *)object_create(self->unit, OBJECT_IRQ, sizeof *irq, &result);
	if (!irq)
		return result;
	irq->slot = IRQ_SLOTS;
	lock_take(&slots_lock);
	for (slot = 0; slot < IRQ_SLOTS && slots[slot]; slot++)
		;
	result = slot == IRQ_SLOTS ? E_BUSY : arch_irq_attach(args[1], (uint32_t)args[2], slot, second);
	if (!result) {
		slots[slot] = irq;
		irq->slot = slot;
	}
	lock_release(&slots_lock);
	if (!result)
		result = cap_insert(self->unit, &irq->object, RIGHT_ALL, 0, 0);
	object_release(&irq->object); /* where it failed: the end of it, and of the slot */
	return result;
}

int64_t sys_irq_bind(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view cap, event;
	struct irq *irq;
	int64_t error = cap_lookup(self->unit, args[0], OBJECT_IRQ, RIGHT_MANAGE, &cap);

	(void)second;
	if (!error)
		error = cap_lookup(self->unit, args[1], OBJECT_EVENT, RIGHT_SIGNAL, &event);
	if (error)
		return error;
	irq = (struct irq *)cap.object;
	if (!args[2] || (event.badge && args[2] & ~event.badge))
		return E_ARGUMENT;
	/* Against another bind, and the end of it. */
	lock_take(&slots_lock);
	error = irq->bound || irq->slot == IRQ_SLOTS ? E_STATE : cap_attach(&irq->event, &event);
	if (!error) {
		irq->bits = args[2];
		irq->bound = true;
		arch_irq_unmask(irq->slot);
	}
	lock_release(&slots_lock);
	return error;
}

int64_t sys_irq_ack(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view cap;
	struct irq *irq;
	int64_t error = cap_lookup(self->unit, args[0], OBJECT_IRQ, RIGHT_MANAGE, &cap);

	(void)second;
	if (error)
		return error;
	irq = (struct irq *)cap.object;
	if (!irq->bound)
		return E_STATE;
	lock_take(&slots_lock);
	if (irq->pending && irq->slot < IRQ_SLOTS) {
		irq->pending = false;
		arch_irq_unmask(irq->slot);
	}
	lock_release(&slots_lock);
	return E_OK;
}

bool irq_teardown(struct object *object)
{
	struct irq *irq = (struct irq *)object;

	lock_take(&slots_lock);
	if (irq->slot < IRQ_SLOTS) {
		arch_irq_mask(irq->slot);
		arch_irq_detach(irq->slot);
		slots[irq->slot] = 0;
		irq->slot = IRQ_SLOTS;
	}
	lock_release(&slots_lock);
	if (irq->bound)
		cap_detach(&irq->event);
	irq->bound = false;
	return true;
}
