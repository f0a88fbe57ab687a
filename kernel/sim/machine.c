/* The simulated machine: the architecture interface for the host library.
 *
 * RAM is one anonymous mapping; physical address 0 is its first byte. Page tables have the shape of x86_64's.
 * Each CPU has a small TLB that programs' accesses go through, so that a forgotten flush shows: machine_check
 * compares every TLB entry with the tables. CPUs do not run by themselves: an IPI makes the sender act as the
 * receiver for a moment; or each runs on a stack of its own (host_run), and stops for the others where it
 * waits for them and at marked points inside of a kernel entry.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <sanitizer/common_interface_defs.h>
#include <holon/handoff.h>
#include "dispatch.h"
#include "log.h"
#include "machine.h"
#include "ram.h"
#include "system.h"

#define WINDOW_SLOT (NATIVE_BASE >> 39)

uint64_t host_direct_map;
physical_t host_module_base;
unsigned host_preempt_every;
uint64_t host_restarts;

static struct cpu *acting;
static uint64_t now_ns = 1;

/* ---- CPUs that stop in the midst of a kernel entry ---- */

#define FIBER_BYTES (256u << 10)

static struct fiber {
	ucontext_t context;
	void *stack;
	bool inside;
} fibers[CPU_MAX];
static struct {
	ucontext_t context;
	const void *stack;
	size_t bytes;
} driver;
static struct fiber *running;
static void (*fiber_entry)(unsigned index);
unsigned host_stop_every;
bool host_stop_at_locks, host_stop_at_unlocks;

/* ---- CPUs and time ---- */

struct cpu *arch_cpu_self(void)
{
	return acting;
}

static void serve_ipi(struct cpu *cpu)
{
	struct cpu *sender = acting;

	if (!cpu->arch.ipi || cpu->arch.in_ipi ||
	    (fibers[cpu->index].inside && running != &fibers[cpu->index]))
		return;
	cpu->arch.ipi = false;
	cpu->arch.in_ipi = true;
	acting = cpu;
	kernel_interrupt_ipi();
	flush_serve(cpu);
	acting = sender;
	cpu->arch.in_ipi = false;
}

void arch_ipi(struct cpu *cpu)
{
	cpu->arch.ipi = true;
}

static void fiber_stop(bool done)
{
	struct fiber *self = running;
	void *fake = 0;

	running = 0;
	__sanitizer_start_switch_fiber(done ? 0 : &fake, driver.stack, driver.bytes);
	swapcontext(&self->context, &driver.context);
	__sanitizer_finish_switch_fiber(fake, &driver.stack, &driver.bytes);
}

static void fiber_main(void)
{
	__sanitizer_finish_switch_fiber(0, &driver.stack, &driver.bytes);
	fiber_entry((unsigned)(running - fibers));
	running->inside = false;
	fiber_stop(true);
}

bool host_inside(unsigned index)
{
	return fibers[index].inside;
}

bool host_run(unsigned index, void (*entry)(unsigned index))
{
	struct fiber *fiber = &fibers[index];
	void *fake;

	if (!fiber->inside) {
		if (!fiber->stack)
			fiber->stack = malloc(FIBER_BYTES);
		getcontext(&fiber->context);
		fiber->context.uc_stack.ss_sp = fiber->stack;
		fiber->context.uc_stack.ss_size = FIBER_BYTES;
		makecontext(&fiber->context, fiber_main, 0);
		fiber->inside = true;
		fiber_entry = entry;
	}
	acting = cpus[index];
	running = fiber;
	__sanitizer_start_switch_fiber(&fake, fiber->stack, FIBER_BYTES);
	swapcontext(&driver.context, &fiber->context);
	__sanitizer_finish_switch_fiber(fake, 0, 0);
	return fiber->inside;
}

void host_finish(void (*entry)(unsigned index))
{
	bool inside;

	do {
		inside = false;
		for (unsigned i = 0; i < cpu_count; i++)
			if (host_inside(i))
				inside |= host_run(i, entry);
			else
				host_cpu(i); /* serves those that wait for it */
	} while (inside);
}

/* A marked point: a CPU may stop here for others to act. */
static void point(void)
{
	if (running && host_stop_every && (unsigned)rand() % host_stop_every == 0)
		fiber_stop(false);
}

void host_point(void)
{
	if (host_stop_at_locks)
		point();
}

void host_unlock_point(void)
{
	if (host_stop_at_unlocks)
		point();
}

uint64_t arch_index(uint64_t index, uint64_t count)
{
	return index < count ? index : 0;
}

void arch_pause(void)
{
	if (running) {
		fiber_stop(false);
		return;
	}
	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i] != acting)
			serve_ipi(cpus[i]);
}

bool arch_interrupt_pending(void)
{
	static unsigned count;

	return host_preempt_every && ++count % host_preempt_every == 0;
}

void host_cpu(unsigned index)
{
	if (!running)
		arch_pause();
	acting = cpus[index];
	serve_ipi(acting);
}

uint64_t arch_clock_ns(void)
{
	return now_ns;
}

uint64_t host_time_ns(void)
{
	return now_ns;
}

void host_advance(uint64_t ns)
{
	now_ns += ns;
}

void arch_timer_set(uint64_t deadline_ns)
{
	(void)deadline_ns;
}

void arch_clock_params(struct clock_params *params)
{
	memset(params, 0, sizeof(*params));
}

/* ---- Threads ---- */

void arch_thread_init(struct thread *thread, uint64_t entry, uint64_t stack, const uint64_t argument[3])
{
	memset(&thread->registers, 0, sizeof(thread->registers));
	thread->registers.pc = entry;
	thread->registers.sp = stack;
	memcpy(thread->registers.arguments, argument, 3 * sizeof(uint64_t));
}

uint64_t arch_argument(const struct thread *thread, unsigned index)
{
	point();
	return thread->registers.arguments[index];
}

void arch_set_status(struct thread *thread, int64_t status)
{
	thread->registers.status = status;
}

void arch_set_result(struct thread *thread, int64_t status, uint64_t second)
{
	thread->registers.status = status;
	thread->registers.second = second;
}

void arch_message_copy(struct thread *to, const struct thread *from)
{
	memcpy(to->registers.words, from->registers.words, sizeof(to->registers.words));
}

void arch_message_deliver(struct thread *to, int64_t status, uint64_t badge, uint64_t info)
{
	to->registers.status = status;
	to->registers.badge = badge;
	to->registers.info = info;
}

void arch_message_word_set(struct thread *thread, unsigned index, uint64_t value)
{
	thread->registers.words[index] = value;
}

void arch_syscall_restart(struct thread *thread)
{
	thread->registers.restarted = true;
}

void arch_redirect(struct thread *thread, uint64_t pc)
{
	thread->registers.pc = pc;
}

uint64_t arch_thread_pc(const struct thread *thread)
{
	return thread->registers.pc;
}

void arch_thread_state_get(struct thread *thread, struct thread_state *state)
{
	state->pc = thread->registers.pc;
	state->registers[7] = thread->registers.sp;
}

bool arch_thread_state_set(struct thread *thread, const struct thread_state *state)
{
	if (state->pc >= USER_END)
		return false;
	thread->registers.pc = state->pc;
	point();
	thread->registers.sp = state->registers[7];
	return true;
}

bool arch_thread_set_base(struct thread *thread, bool gs, uint64_t base)
{
	if (base >= USER_END)
		return false;
	*(gs ? &thread->registers.gs_base : &thread->registers.fs_base) = base;
	return true;
}

void arch_switch(struct cpu *cpu, struct thread *previous, struct thread *next)
{
	point();
	(void)cpu;
	(void)previous;
	if (next)
		arch_space_load(next->guest_space ? next->guest_space : next->space, false);
}

uint32_t arch_vector_bytes(void)
{
	return sizeof(struct arch_vector_state);
}

void arch_vector_init(struct arch_vector_state *vector)
{
	memset(vector, 0, sizeof(*vector));
}

bool arch_guest_enter(struct thread *thread)
{
	point();
	thread->in_guest = thread->guest->rip < USER_END;
	return thread->in_guest;
}

void arch_guest_exit(struct thread *thread, uint64_t reason, uint64_t vector, uint64_t error,
                     uint64_t address)
{
	thread->guest->exit = reason;
	thread->guest->vector = vector;
	thread->guest->error = error;
	thread->guest->address = address;
	thread->in_guest = false;
	arch_set_result(thread, (int64_t)reason, 0);
}

/* ---- Page tables ---- */

static uint64_t *table_of(uint64_t entry)
{
	return frame_map(entry & ~0xfffull);
}

static unsigned slot_of(uint64_t address, unsigned level)
{
	return address >> (12 + 9 * (level - 1)) & 511;
}

bool arch_space_init(struct space *space)
{
	struct unit *owner = space->object.owner;
	uint64_t window;

	space->native_root = unit_frame(owner, true);
	if (!space->native_root)
		return false;
	if (space->kind == SPACE_GUEST) {
		table_of(space->native_root)[WINDOW_SLOT] = table_of(space->native->native_root)[WINDOW_SLOT];
		space->guest_root = unit_frame(owner, true);
		return space->guest_root;
	}
	window = unit_frame(owner, true);
	if (window)
		table_of(space->native_root)[WINDOW_SLOT] = window | 1;
	return window;
}

static bool free_below(struct space *space, uint64_t *table, unsigned level, unsigned *budget)
{
	for (unsigned i = 0; i < 512; i++) {
		if (!table[i] || (level == 4 && i == WINDOW_SLOT && space->kind == SPACE_GUEST))
			continue;
		if (level > 2 && !free_below(space, table_of(table[i]), level - 1, budget))
			return false;
		if (!*budget)
			return false;
		--*budget;
		unit_frame_free(space->object.owner, table[i] & ~0xfffull);
		table[i] = 0;
	}
	return true;
}

bool arch_space_deinit_slice(struct space *space)
{
	unsigned budget = 8;

	if (!free_below(space, table_of(space->native_root), 4, &budget))
		return false;
	unit_frame_free(space->object.owner, space->native_root);
	if (space->guest_root)
		unit_frame_free(space->object.owner, space->guest_root);
	space->native_root = space->guest_root = 0;
	return true;
}

uint64_t *arch_space_leaf(struct space *space, uint64_t address, bool make)
{
	uint64_t *table = table_of(space->native_root);

	for (unsigned level = 4; level > 1; level--) {
		uint64_t *entry = &table[slot_of(address, level)];

		if (!*entry) {
			uint64_t frame = make ? unit_frame(space->object.owner, true) : 0;

			if (!frame)
				return 0;
			*entry = frame | 1;
		}
		table = table_of(*entry);
	}
	return table;
}

uint64_t arch_space_next(struct space *space, uint64_t address, uint64_t end)
{
	for (unsigned steps = 0; address < end && steps < SPACE_NEXT_STEPS; steps++) {
		uint64_t *table = table_of(space->native_root), step;
		unsigned level = 4;

		for (; level > 1 && table[slot_of(address, level)]; level--)
			table = table_of(table[slot_of(address, level)]);
		if (level == 1)
			return address;
		step = 1ull << (12 + 9 * (level - 1));
		address = (address & -step) + step;
	}
	return address < end ? address : end;
}

void arch_space_load(struct space *space, bool guest)
{
	struct cpu *cpu = acting;
	struct space *old = cpu->space_loaded;
	uint32_t bit = 1u << cpu->index;

	if (space && space->object.dead)
		space = 0;
	cpu->arch.loaded_guest = guest;
	if (space == old)
		return;
	if (old) {
		old->active_cpus &= ~bit;
		if (old->native)
			old->native->active_cpus &= ~bit;
	}
	if (space) {
		space->active_cpus |= bit;
		if (space->native)
			space->native->active_cpus |= bit;
	}
	cpu->space_loaded = space;
	arch_tlb_flush_all();
}

void arch_tlb_flush_page(uint64_t address)
{
	struct host_tlb *tlb = &acting->arch.tlb[address / PAGE_SIZE_BYTES % HOST_TLB_SIZE];

	if (tlb->page == address)
		memset(tlb, 0, sizeof(*tlb));
}

void arch_tlb_flush_all(void)
{
	memset(acting->arch.tlb, 0, sizeof(acting->arch.tlb));
}

/* ---- Programs' accesses ---- */

static bool user_access(struct space *space, uint64_t address, bool write, bool execute, uint64_t **word,
                        enum space_fault *fault)
{
	uint64_t page = address & ~(PAGE_SIZE_BYTES - 1);
	struct host_tlb *tlb = &acting->arch.tlb[page / PAGE_SIZE_BYTES % HOST_TLB_SIZE];
	uint64_t need = 1 | (write ? 2 : 0) | (execute ? 4 : 0);

	arch_space_load(space, false);
	for (unsigned attempt = 0; attempt < 1000; attempt++) { /* some do a slice of work first */
		struct memory *memory;
		uint64_t *leaf, wanted;

		if (tlb->page == page && tlb->space == space && (tlb->entry & need) == need) {
			if (frame_is_free(tlb->entry & ~0xfffull))
				panic("CPU %u reaches %lx, which is free, by an old translation of %lx",
				      acting->index, tlb->entry, page);
			*word = (uint64_t *)((char *)frame_map(tlb->entry & ~0xfffull) + (address & 0xff8));
			return true;
		}
		leaf = arch_space_leaf(space, page, false);
		if (leaf && (leaf[slot_of(page, 1)] & need) == need) {
			*tlb = (struct host_tlb){page, leaf[slot_of(page, 1)], space};
			continue;
		}
		memset(tlb, 0, sizeof(*tlb)); /* a page fault forgets its page */
		*fault = space_resolve(space, address, write, execute, &memory, &wanted);
		if (*fault != SPACE_FAULT_RESOLVED)
			return false;
		/* Back in the program, where interrupts are taken; perhaps another CPU has to go on first. */
		serve_ipi(acting);
		if (attempt > 20)
			arch_pause();
	}
	fprintf(stderr, "a resolved fault at %llx comes again and again\n", (unsigned long long)address);
	abort();
}

bool user_read(struct space *space, uint64_t address, uint64_t *value, enum space_fault *fault)
{
	uint64_t *word;

	if (!user_access(space, address, false, false, &word, fault))
		return false;
	*value = *word;
	return true;
}

bool user_write(struct space *space, uint64_t address, uint64_t value, enum space_fault *fault)
{
	uint64_t *word;

	if (!user_access(space, address, true, false, &word, fault))
		return false;
	*word = value;
	return true;
}

bool user_execute(struct space *space, uint64_t address, enum space_fault *fault)
{
	uint64_t *word;

	return user_access(space, address, false, true, &word, fault);
}

/* ---- Devices, log, ends ---- */

struct host_line host_lines[HOST_LINES];

int64_t arch_irq_attach(struct arch_irq *irq, unsigned slot, uint64_t number, uint32_t flags, uint64_t *msi)
{
	if (number >= 64 && number != IRQ_MSI)
		return E_ARGUMENT;
	irq->slot = slot;
	*msi = (uint64_t)slot << 32;
	host_lines[slot] = (struct host_line){.attached = true, .number = number, .flags = flags};
	return E_OK;
}

void arch_irq_detach(const struct arch_irq *irq)
{
	host_lines[irq->slot].attached = host_lines[irq->slot].open = false;
}

void arch_irq_mask(const struct arch_irq *irq)
{
	host_lines[irq->slot].open = false;
}

void arch_irq_unmask(const struct arch_irq *irq)
{
	host_lines[irq->slot].open = true;
}

uint32_t arch_port_in(uint16_t port, unsigned width)
{
	return port * width;
}

struct host_write host_written;

void arch_port_out(uint16_t port, unsigned width, uint32_t value)
{
	host_written = (struct host_write){port, width, value, host_written.count + 1};
}

void arch_log_char(char c)
{
	fputc(c, stderr);
}

void arch_panic_end(void)
{
}

void arch_panic_begin(void)
{
}

void arch_backtrace(void)
{
}

void arch_halt(void)
{
	abort();
}

void arch_power_off(void)
{
	exit(0);
}

void arch_reboot(void)
{
	exit(0);
}

void arch_idle(struct cpu *cpu)
{
	(void)cpu;
	abort();
}

void arch_leave(struct cpu *cpu)
{
	(void)cpu;
	abort();
}

/* ---- Booting ---- */

void host_boot(unsigned megabytes, unsigned count)
{
	static struct handoff handoff;
	uint64_t bytes = (uint64_t)megabytes << 20, module = HOST_MODULE_PAGES * PAGE_SIZE_BYTES;
	char *ram = ram_create(bytes);

	host_direct_map = (uint64_t)ram;
	/* What RAM holds at power-on is anything but zero. */
	memset(ram + bytes / 2, 0xa5, bytes / 2);
	cpu_count = count;
	for (unsigned i = 0; i < count; i++) {
		cpus[i] = calloc(1, sizeof(struct cpu));
		cpus[i]->index = i;
		cpus[i]->online = 1;
		cpus[i]->self = cpus[i];
	}
	acting = cpus[0];
	host_module_base = bytes - module;
	handoff.memory_count = 4;
	handoff.memory[0] = (struct handoff_memory){0, 1 << 20, HANDOFF_MEMORY_FREE, 0, 0};
	handoff.memory[1] = (struct handoff_memory){1 << 20, bytes - (3 << 20), HANDOFF_MEMORY_FREE, 0, 0};
	handoff.memory[2] =
	    (struct handoff_memory){bytes - (2 << 20), (2 << 20) - module, HANDOFF_MEMORY_LOADER, 0, 0};
	handoff.memory[3] = (struct handoff_memory){host_module_base, module, HANDOFF_MEMORY_MODULE, 0, 0};
	for (uint64_t i = 0; i < module; i += PAGE_SIZE_BYTES)
		*(uint64_t *)frame_map(host_module_base + i) = i / PAGE_SIZE_BYTES + 1;
	objects_init();
	memory_init(&handoff);
	for (unsigned i = 0; i < count; i++)
		sched_init(cpus[i]);
	unit_root_init();
	memory_init_loader(count);
}

/* ---- Actors ---- */

void actor_init(struct actor *actor, struct unit *unit)
{
	memset(actor, 0, sizeof(*actor));
	actor->thread = calloc(1, sizeof(struct thread));
	actor->page = calloc(1, sizeof(struct thread_page));
	actor->thread->unit = unit;
	actor->thread->page = actor->page;
}

void actor_deinit(struct actor *actor)
{
	thread_build(actor->thread, 0);
	free(actor->thread);
	free(actor->page);
}

int64_t call_once(struct actor *actor, enum syscall_number number, const uint64_t args[6])
{
	struct thread *self = actor->thread;
	struct call run = {.self = self};
	int64_t result;

	memcpy(self->registers.arguments, args, sizeof(self->registers.arguments));
	acting->reschedule = false; /* nobody is scheduled here */
	result = call_run(&run, number);
	actor->second = run.second;
	host_restarts += result == CALL_RESTART;
	if (unit_has_doomed(self->unit))
		unit_reap(self->unit);
	serve_ipi(acting);
	arch_pause();
	return result;
}

int64_t call(struct actor *actor, enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
             uint64_t e, uint64_t f)
{
	const uint64_t args[6] = {a, b, c, d, e, f};
	int64_t result;
	unsigned runs = 0;

	do {
		result = call_once(actor, number, args);
		if (++runs > 10000000) {
			fprintf(stderr, "system call %d never ends\n", number);
			abort();
		}
	} while (result == CALL_RESTART);
	/* The call returns when what it ended is worked off: see call_finish in syscall.c. */
	for (runs = 0;
	     runs < 100000 && unit_has_doomed(actor->thread->unit) && !unit_reap(actor->thread->unit); runs++)
		arch_pause();
	return result;
}

struct object *object_at(struct unit *unit, handle_t handle)
{
	struct cap_view view;

	return cap_lookup_dead(unit, handle, OBJECT_NONE, 0, &view) == E_OK ? view.object : 0;
}
