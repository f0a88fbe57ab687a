/* Interrupt controllers: each CPU's local APIC (x2APIC where there is one, else memory-mapped), the I/O
 * APICs, message interrupts; the old 8259 pair stays masked. SDM 3A, chapter 11; 82093AA data sheet.
 *
 * A delivery slot is one vector. An edge-triggered source stays unmasked: masking it would lose edges. A
 * level-triggered one is masked when it fires, until the driver acknowledges.
 */
#include <log.h>
#include "x86.h"

#define APIC_ID        0x20
#define APIC_TPR       0x80
#define APIC_EOI       0xb0
#define APIC_SPURIOUS  0xf0
#define APIC_IRR       0x200
#define APIC_ICR       0x300
#define APIC_ICR_HIGH  0x310
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_ERROR 0x370
#define APIC_INITIAL   0x380
#define APIC_DIVIDE    0x3e0

#define LVT_MASKED       (1u << 16)
#define LVT_TSC_DEADLINE (2u << 17)
#define IRR_COUNT        8
#define ICR_NMI          (4u << 8)
#define ICR_PENDING      (1u << 12)
#define ICR_ASSERT       (1u << 14)
#define ICR_ALL_OTHERS   (3u << 18)

#define REDIRECTION_MASKED (1u << 16)
#define REDIRECTION_LEVEL  (1u << 15)
#define REDIRECTION_LOW    (1u << 13)

static bool x2apic;
static volatile uint32_t *local;

static uint32_t irr_registers = 1; /* how many registers of IRR, from the last down, may have bits */

static uint32_t apic_read(uint32_t reg)
{
	return x2apic ? (uint32_t)msr_read(MSR_X2APIC + (reg >> 4)) : local[reg >> 2];
}

static void apic_write(uint32_t reg, uint32_t value)
{
	if (x2apic)
		msr_write(MSR_X2APIC + (reg >> 4), value);
	else
		local[reg >> 2] = value;
}

static void apic_command(uint32_t destination, uint32_t command)
{
	if (x2apic) {
		__asm__ volatile("mfence; lfence" ::
		                     : "memory"); /* WRMSR here does not order earlier stores */
		msr_write(MSR_X2APIC + (APIC_ICR >> 4), (uint64_t)destination << 32 | command);
		return;
	}
	local[APIC_ICR_HIGH >> 2] = destination << 24;
	local[APIC_ICR >> 2] = command;
	while (local[APIC_ICR >> 2] & ICR_PENDING)
		arch_pause();
}

void apic_end_of_interrupt(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_init_secondary(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE) | 1 << 11;

	msr_write(MSR_APIC_BASE, base);
	if (x2apic)
		msr_write(MSR_APIC_BASE, base | 1 << 10);
	cpu_self()->arch.apic_id = apic_read(APIC_ID) >> (x2apic ? 0 : 24);
	apic_write(APIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_LVT_LINT1, ICR_NMI);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	apic_write(APIC_DIVIDE, 3); /* by 16 */
	apic_write(APIC_LVT_TIMER, (has(HANDOFF_X86_TSC_DEADLINE) ? LVT_TSC_DEADLINE : 0) | VECTOR_TIMER);
}

static volatile uint32_t *registers_of(uint32_t controller)
{
	return (volatile uint32_t *)(HANDOFF_REGISTERS((uint64_t)kernel_start) +
	                             controller * PAGE_SIZE_BYTES +
	                             machine.controllers[controller].base % PAGE_SIZE_BYTES);
}

void apic_init(void)
{
	x2apic = has(HANDOFF_X86_X2APIC);
	local = registers_of(0);
	apic_init_secondary();
}

/* ---- I/O APICs ---- */

/* Registers 0x10 + 2 * PIN and the next: the redirection entry of PIN. One without a vector is free. */
static uint32_t ioapic_read(volatile uint32_t *ioapic, uint32_t reg)
{
	ioapic[0] = reg;
	return ioapic[4];
}

static void ioapic_write(volatile uint32_t *ioapic, uint32_t reg, uint32_t value)
{
	ioapic[0] = reg;
	ioapic[4] = value;
}

/* ---- Interrupts of devices ---- */

static int64_t attach_line(struct arch_irq *irq, unsigned slot, uint64_t number, uint32_t flags)
{
	bool level = flags & IRQ_LEVEL, low = flags & IRQ_ACTIVE_LOW;

	/* Numbers below 16 are ISA interrupts, unless they are asked for as level: then they mean global
	 * ones. */
	if (number < HANDOFF_LINE_MAX && !level) {
		const struct handoff_line *line = &machine.lines[number];

		low |= line->active_low;
		level = line->level;
		number = line->global;
	}
	for (uint32_t i = 0; i < machine.controller_count; i++) {
		const struct handoff_controller *controller = &machine.controllers[i];
		volatile uint32_t *ioapic = registers_of(i);
		uint32_t pin = (uint32_t)number - controller->first;

		if (controller->kind != HANDOFF_CONTROLLER_IO_APIC || number < controller->first ||
		    number - controller->first >= controller->count)
			continue;
		if (ioapic_read(ioapic, 0x10 + 2 * pin) & 0xff)
			return E_EXISTS;
		*irq = (struct arch_irq){ioapic, pin,
		                         (VECTOR_IRQ - slot) | (level ? REDIRECTION_LEVEL : 0) |
		                             (low ? REDIRECTION_LOW : 0)};
		ioapic_write(ioapic, 0x10 + 2 * pin, irq->low | REDIRECTION_MASKED);
		ioapic_write(ioapic, 0x11 + 2 * pin, cpu_self()->arch.apic_id << 24);
		return E_OK;
	}
	return E_NOT_FOUND;
}

int64_t arch_irq_attach(struct arch_irq *irq, unsigned slot, uint64_t number, uint32_t flags, uint64_t *msi)
{
	int64_t result = E_OK;

	if (number != IRQ_MSI)
		result = attach_line(irq, slot, number, flags);
	else
		*msi = (uint64_t)(VECTOR_IRQ - slot) << 32 | 0xfee00000u |
		       (cpu_self()->arch.apic_id & 0xff) << 12;
	if (result == E_OK && IRR_COUNT - (VECTOR_IRQ - slot) / 32 > irr_registers)
		irr_registers = IRR_COUNT - (VECTOR_IRQ - slot) / 32;
	return result;
}

static void line_set(const struct arch_irq *irq, uint32_t low)
{
	if (irq->ioapic)
		ioapic_write(irq->ioapic, 0x10 + 2 * irq->pin, low);
}

void arch_irq_detach(const struct arch_irq *irq)
{
	line_set(irq, REDIRECTION_MASKED);
}

void arch_irq_mask(const struct arch_irq *irq)
{
	if (irq->low & REDIRECTION_LEVEL)
		line_set(irq, irq->low | REDIRECTION_MASKED);
}

void arch_irq_unmask(const struct arch_irq *irq)
{
	line_set(irq, irq->low);
}

bool arch_interrupt_pending(void)
{
	uint32_t bits = 0;

	for (uint32_t i = 1; i <= irr_registers; i++)
		bits |= apic_read(APIC_IRR + (IRR_COUNT - i) * 0x10);
	return bits != 0;
}

/* ---- Other CPUs ---- */

void arch_ipi(struct cpu *cpu)
{
	apic_command(cpu->arch.apic_id, ICR_ASSERT | VECTOR_IPI);
}

static struct cpu *volatile stopper;
static volatile uint32_t stopped;

void apic_obey_stop(void)
{
	if (!stopper || stopper == cpu_self())
		return;
	__atomic_fetch_add(&stopped, 1, __ATOMIC_SEQ_CST);
	arch_halt();
}

void apic_stop_others(void)
{
	struct cpu *none = 0;

	if (!__atomic_compare_exchange_n(&stopper, &none, cpu_self(), false, __ATOMIC_SEQ_CST,
	                                 __ATOMIC_SEQ_CST) ||
	    cpu_count < 2)
		return;
	apic_command(0, ICR_ALL_OTHERS | ICR_ASSERT | ICR_NMI);
	for (unsigned tries = 0; stopped < cpu_count - 1 && tries < 1000000; tries++)
		arch_pause();
}

/* ---- The timer ---- */

void arch_timer_set(uint64_t deadline_ns)
{
	if (has(HANDOFF_X86_TSC_DEADLINE)) {
		msr_write(MSR_TSC_DEADLINE, deadline_ns == UINT64_MAX ? 0 : clock_tsc_at(deadline_ns));
		return;
	}
	uint64_t ticks = 0;

	if (deadline_ns != UINT64_MAX) {
		uint64_t now = arch_clock_ns();
		uint64_t delta = deadline_ns > now ? deadline_ns - now : 0;
		unsigned __int128 product = (unsigned __int128)delta * machine.timer_ratio >> 32;

		ticks = product >= UINT32_MAX ? UINT32_MAX : (uint64_t)product + 1;
	}
	apic_write(APIC_INITIAL, (uint32_t)ticks);
}
