/* Interrupts and exceptions, from the entry code to the generic part. An exception in the kernel is its end.
 */
#include <bytes.h>
#include <log.h>
#include "x86.h"

void trap_user(struct thread *thread);
void trap_kernel(struct arch_registers *frame);
void trap_paranoid(struct arch_registers *frame);

/* By vector, for a panic's first line. */
static const char exception_names[] =
    "#DE #DB NMI #BP #OF #BR #UD #NM #DF --- #TS #NP #SS #GP #PF --- #MF #AC #MC #XM #VE #CP";

/* True if VECTOR was an interrupt of a device, timer or other CPU, and was served. */
static bool trap_external(uint64_t vector)
{
	if (vector == VECTOR_TIMER) {
		apic_end_of_interrupt();
		kernel_interrupt_timer();
	} else if (vector == VECTOR_IPI) {
		apic_end_of_interrupt();
		kernel_interrupt_ipi();
	} else if (vector <= VECTOR_IRQ && vector > VECTOR_IRQ - IRQ_SLOTS) {
		kernel_interrupt_irq(VECTOR_IRQ - (unsigned)vector); /* masks, where that is needed, first */
		apic_end_of_interrupt();
	} else {
		return vector >= 32; /* spurious: no end of interrupt */
	}
	return true;
}

void trap_user(struct thread *thread)
{
	uint64_t vector = thread->registers.vector;

	if (vector == VECTOR_PAGE_FAULT)
		kernel_page_fault(thread, cr2_read(), thread->registers.error);
	else if (trap_external(vector))
		return;
	else if (vector == VECTOR_NO_VECTOR && thread->vector)
		vector_trap(thread);
	else
		kernel_exception(thread, vector, thread->registers.error);
}

static void print_registers(const struct arch_registers *r)
{
	log_print("address %lx cr3 %lx\n", cr2_read(), cr3_read());
	log_print("rip %016lx rsp %016lx flags %lx cs %lx\n", r->rip, r->rsp, r->rflags, r->cs);
	log_print("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	log_print("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
	log_print("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
	log_print("r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14, r->r15);
}

static _Noreturn void trap_fatal(const struct arch_registers *r)
{
	char name[4] = "IRQ";

	if (r->vector * 4 < sizeof exception_names)
		memcpy(name, exception_names + r->vector * 4, 3);
	arch_panic_begin();
	log_print("\n%s in the kernel: error %lx\n", name, r->error);
	if (log_addresses)
		print_registers(r);
	backtrace_from(r->rip, r->rsp);
	panic("%s", name);
}

void trap_kernel(struct arch_registers *frame)
{
	if (cpu_self()->current || frame->vector < 32)
		trap_fatal(frame);
	if (!trap_external(frame->vector))
		trap_fatal(frame);
}

/* NMI, double fault, machine check: any context. An NMI is how apic_stop_others does it. */
void trap_paranoid(struct arch_registers *frame)
{
	if (frame->vector == VECTOR_NMI) {
		apic_obey_stop();
		log_print("NMI ignored\n");
		return;
	}
	trap_fatal(frame);
}
