/* The one interface between the kernel's generic part and a processor architecture.
 *
 * kernel/arch/ARCH implements it; kernel/sim implements it for tests on a build machine. The architecture's
 * own types come from arch_types.h in its folder: struct arch_registers (saved user registers of a thread:
 * all of them), struct arch_cpu (per-CPU data of its own), struct arch_vector_state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <arch_types.h>

struct cpu;
struct thread;
struct space;
struct guest_state;
struct handoff;
struct clock_params;
struct thread_state;

/* ---- CPUs ---- */
struct cpu *arch_cpu_self(void);
/* Brings up the others; each ends in kernel_secondary(cpu). Nothing of the loader's is in use afterwards. */
void arch_cpus_start(struct handoff *handoff);
void arch_ipi(struct cpu *cpu); /* makes it enter the kernel and serve its mailbox and shootdowns */
void arch_pause(void);
/* INDEX where it is below COUNT, else 0, without a branch: not even a processor that runs ahead of the check of INDEX, which
 * comes after, uses it with a larger one. */
uint64_t arch_index(uint64_t index, uint64_t count);
bool arch_interrupt_pending(void); /* for preemption points: any interrupt waiting for this CPU */
_Noreturn void
arch_idle(struct cpu *cpu); /* interrupts on, halt; interrupts re-enter the kernel on the CPU's stack */
_Noreturn void
arch_leave(struct cpu *cpu); /* to cpu->current's user mode (or guest), or to idle where it is 0 */

/* ---- Time ---- */
uint64_t arch_clock_ns(void);              /* monotonic since boot, alike on all CPUs */
void arch_timer_set(uint64_t deadline_ns); /* one-shot on this CPU; UINT64_MAX = off; past = at once */
void arch_clock_params(struct clock_params *params);

/* ---- Threads ---- */
void arch_thread_init(struct thread *thread, uint64_t entry, uint64_t stack, const uint64_t argument[3]);
/* Argument INDEX (0..5) of the system call that THREAD is in; valid until a result is set. */
uint64_t arch_argument(const struct thread *thread, unsigned index);
/* Result registers of a thread that is in the kernel: first (status) and second result of a system call. */
void arch_set_status(struct thread *thread, int64_t status);
void arch_set_result(struct thread *thread, int64_t status, uint64_t second);
/* Copies the eight message words between saved registers; delivers badge and info: see abi/holon/syscall.h.
 */
void arch_message_copy(struct thread *to, const struct thread *from);
void arch_message_deliver(struct thread *to, int64_t status, uint64_t badge, uint64_t info);
void arch_message_word_set(struct thread *thread, unsigned index, uint64_t value);
/* Rewinds THREAD's program counter so that its system call runs again (sliced operations); no result may have
 * been set. */
void arch_syscall_restart(struct thread *thread);
/* Redirects THREAD to its fault entry; pc etc. are already recorded. */
void arch_redirect(struct thread *thread, uint64_t pc);
void arch_thread_state_get(struct thread *thread, struct thread_state *state);
bool arch_thread_state_set(struct thread *thread,
                           const struct thread_state *state);             /* false: harmful values */
bool arch_thread_set_base(struct thread *thread, bool gs, uint64_t base); /* false: not a user address */
/* Called by the scheduler when CPU goes from PREVIOUS to NEXT (either may be 0): vector state, FS/GS bases,
 * space. */
void arch_switch(struct cpu *cpu, struct thread *previous, struct thread *next);
uint32_t arch_vector_bytes(void);
void arch_vector_init(struct arch_vector_state *vector); /* zeroed */

/* ---- Guests ---- */
/* Validates THREAD's guest state and arranges for arch_leave to enter the guest; false: state is harmful. */
bool arch_guest_enter(struct thread *thread);
/* THREAD is in the kernel from its guest: stores the guest's registers in the state page with REASON and
 * arranges for arch_leave to return from guest_enter. The system-call case has an assembly fast path that
 * does the same. */
void arch_guest_exit(struct thread *thread, uint64_t reason, uint64_t vector, uint64_t error,
                     uint64_t address);

/* ---- Page tables ---- */
/* Flags are MAP_READ|WRITE|EXECUTE (abi) plus these. */
#define ARCH_MAP_DEVICE        0x100
#define ARCH_MAP_WRITE_COMBINE 0x200
/* Top-level tables: unit_frame; a GUEST space shares space->native's window in its native_root. False: quota;
 * arch_space_deinit_slice frees what there is. */
bool arch_space_init(struct space *space);
/* Frees the tables, at most one upper-level table scanned a call; true when all are gone. No CPU has them
 * loaded. */
bool arch_space_deinit_slice(struct space *space);
/* The lowest-level table that covers ADDRESS: an array of 512 entries, one a page, indexed by (address >> 12)
 * & 511. 0 where there is none, or (MAKE) where the quota lacks a page for it: unit_frame. MAKE:
 * space->lock held; else nothing need be held: tables are never freed while the space lives. Generic code
 * edits the entries itself, with the inline functions of arch_types.h (0 is an absent entry): uint64_t
 * arch_entry(uint64_t frame, uint32_t flags)   a user translation bool arch_entry_writable(uint64_t entry)
 *   uint64_t arch_entry_read_only(uint64_t entry)         the same without write permission
 *   uint64_t arch_entry_frame(uint64_t entry)             its physical address */
uint64_t *arch_space_leaf(struct space *space, uint64_t address, bool make);
/* First address >= ADDRESS, < END whose lowest-level table exists: lets callers skip holes. END when none.
 * After SPACE_NEXT_STEPS tables that do not exist it is where it has come to. */
#define SPACE_NEXT_STEPS 24u
uint64_t arch_space_next(struct space *space, uint64_t address, uint64_t end);
/* Loads SPACE (a guest space: GUEST chooses between its two roots) on this CPU; 0, or a space whose object is
 * dead: the kernel's own tables. Sets this CPU's bit in active_cpus of the space (and of its native space)
 * before, with a full fence between, and clears it in those of the space that was loaded after. */
void arch_space_load(struct space *space, bool guest);
void arch_tlb_flush_page(uint64_t address);
void arch_tlb_flush_all(void);

/* ---- Interrupts and ports ---- */
/* Routes a global interrupt (E_EXISTS: that is another's) or a message, *MSI, to this CPU as
 * kernel_interrupt_irq(SLOT), and fills in IRQ, zeroed before, by which the others find it. Masked until
 * arch_irq_unmask. One lock of the caller's is held for all four. */
int64_t arch_irq_attach(struct arch_irq *irq, unsigned slot, uint64_t number, uint32_t flags, uint64_t *msi);
void arch_irq_detach(const struct arch_irq *irq); /* masks it */
void arch_irq_mask(const struct arch_irq *irq);   /* where that loses none: level-triggered ones */
void arch_irq_unmask(const struct arch_irq *irq);
uint32_t arch_port_in(uint16_t port, unsigned width);
void arch_port_out(uint16_t port, unsigned width, uint32_t value);

/* ---- The machine ---- */
void arch_log_char(char c);
_Noreturn void arch_power_off(void);
_Noreturn void arch_reboot(void);
_Noreturn void arch_halt(void);
void arch_backtrace(void);
void arch_panic_begin(void); /* stops the other CPUs */
void arch_panic_end(void);   /* wipes memory */

/* Called by the architecture, implemented in the generic part. */
_Noreturn void
kernel_main(struct handoff *handoff); /* on the first CPU, own page tables and stack in place */
_Noreturn void kernel_secondary(struct cpu *cpu);
void kernel_syscall(struct thread *thread, uint64_t number); /* registers are saved in thread->registers */
void kernel_interrupt_irq(unsigned slot);
void kernel_interrupt_timer(void);
void kernel_interrupt_ipi(void);
void kernel_page_fault(struct thread *thread, uint64_t address, uint64_t error);
void kernel_exception(struct thread *thread, uint64_t vector, uint64_t error);
