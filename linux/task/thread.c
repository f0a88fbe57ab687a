/* Native threads under tasks: made in batches, kept in a pool with their stacks, reused.
 *
 * Each has an aligned area: the control page with struct thread_area, an unmapped guard page, the stack, the
 * thread page and the guest state page. Areas of a batch lie in one memory object. A thread in use has all
 * its pages: the quota may be used up at any moment, and the personality cannot go on where its stack ends.
 * Idle threads beyond a few give most of theirs back. A thread belongs to the CPU of the budget it was last
 * given.
 */
#include "internal.h"
#include "layout.inc"
#include "task/rseq.h"
#include "task/turn.h"
#include "time/account.h"

#define BATCH       8u
#define IDLE_STACKS 16u /* idle threads that keep their stacks, so that a fork costs no page work */
#define AREA_STACK  8192u

struct machine machine;
static struct thread_area *idle[CPU_MAX];
static uint32_t thread_total, idle_stacks;
static void *vector_initial;

static void thread_loop(struct thread_area *area);

/* Runs once on a fresh native thread. */
static void thread_start_first(struct thread_area *area)
{
	if (thread_set(0, THREAD_SET_FAULT_ENTRY, (uint64_t)fault_entry) < 0 ||
	    guest_bind(area->memory, area->memory_offset + AREA_STATE) < 0)
		unit_exit(E_STATE);
	thread_loop(area);
}

/* Waits for work, does it, never returns; the stack is empty here. */
static void thread_loop(struct thread_area *area)
{
	while (!__atomic_load_n(&area->start, __ATOMIC_ACQUIRE))
		(void)event_wait(area->event, DEADLINE_NEVER, 0);
	thread_rebind();
	void (*start)(void *) = area->start;
	area->start = 0;
	start(area->argument);
	unit_exit(E_STATE);
}

static bool area_create(struct thread_page *page, uint64_t address, handle_t memory, uint64_t offset)
{
	struct thread_area *area = (struct thread_area *)address;
	if (space_map(machine.space, address, memory, offset, 4096, MAP_READ | MAP_WRITE) < 0)
		return false;
	if (space_map(machine.space, address + AREA_STACK, memory, offset + AREA_STACK,
	              TASK_AREA_BYTES - AREA_STACK, MAP_READ | MAP_WRITE) < 0 ||
	    probe_write(address) || probe_write(address + AREA_STACK_TOP - 8) ||
	    probe_write(address + AREA_STACK_TOP - 4104) || probe_write(address + AREA_STATE))
		goto unmap;
	int64_t event = event_create();
	if (event < 0)
		goto unmap;
	uint32_t cpu = thread_total % machine.cpu_count;
	struct thread_spec spec = {.entry = (uint64_t)thread_first,
	                           .stack = address + AREA_STACK_TOP,
	                           .argument = {address, (uint64_t)thread_start_first},
	                           .budget = machine.budgets[cpu],
	                           .page_address = address + AREA_STACK_TOP};
	text_copy(spec.name, sizeof(spec.name), "task");
	area->memory = memory;
	area->memory_offset = offset;
	area->cpu = area->bound = cpu;
	area->common_slot = &common_slots[cpu];
	area->event = (handle_t)event;
	int64_t thread =
	    thread_create(page, machine.unit, machine.space, memory, offset + AREA_STACK_TOP, &spec);
	if (thread < 0 || thread_start((handle_t)thread) < 0) {
		cap_delete((handle_t)event);
		goto unmap;
	}
	area->thread = (handle_t)thread;
	area->next = idle[cpu];
	idle[cpu] = area;
	thread_total++;
	return true;
unmap:
	space_unmap(machine.space, address, TASK_AREA_BYTES);
	return false;
}

static bool batch_create(struct thread_page *page)
{
	int64_t memory = memory_create(MEMORY_ANONYMOUS, BATCH * TASK_AREA_BYTES, 0, 0);
	if (memory < 0)
		return false;
	uint64_t base = window_take(BATCH * TASK_AREA_BYTES, TASK_AREA_BYTES);
	uint32_t made = 0;
	while (base && made < BATCH &&
	       area_create(page, base + made * TASK_AREA_BYTES, (handle_t)memory, made * TASK_AREA_BYTES))
		made++;
	if (!made) {
		if (base)
			window_put(base, BATCH * TASK_AREA_BYTES);
		cap_delete((handle_t)memory);
	}
	return made > 0;
}

/* Gives AREA all of its stack; false when the quota lacks it. */
static bool stack_fill(struct thread_area *area)
{
	if (area->prepared) {
		idle_stacks--;
		return true;
	}
	for (uint64_t at = AREA_STACK; at < AREA_STACK_TOP; at += PAGE_SIZE_BYTES)
		if (probe_write((uint64_t)area + at))
			return false;
	area->prepared = true;
	return true;
}

/* AREA is the current thread's and goes to the pool: what lies below the page in use and the next goes back
 * where enough others are ready. */
static void stack_trim(struct thread_area *area)
{
	uint64_t end = ((uint64_t)__builtin_frame_address(0) & ~(PAGE_SIZE_BYTES - 1)) - PAGE_SIZE_BYTES;
	if (idle_stacks < IDLE_STACKS) {
		idle_stacks++;
		return;
	}
	area->prepared = false;
	memory_discard(area->memory, area->memory_offset + AREA_STACK, end - (uint64_t)area - AREA_STACK);
}

struct thread_area *thread_take(struct thread_page *page, uint64_t affinity, uint32_t near)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		uint32_t best = near;
		for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++)
			if ((affinity >> cpu & 1) &&
			    (!(affinity >> best & 1) || account_ready_on(cpu) < account_ready_on(best)))
				best = cpu;
		uint32_t from = best;
		for (uint32_t i = 0; i < machine.cpu_count && !idle[from]; i++)
			from = (from + 1) % machine.cpu_count;
		struct thread_area *area = idle[from];
		if (area) {
			if (!stack_fill(area))
				return 0;
			if (from != best) {
				area->cpu = best;
				__atomic_store_n(&area->rebind, true, __ATOMIC_SEQ_CST);
			}
			idle[from] = area->next;
			return area;
		}
		if (!batch_create(page))
			return 0;
	}
	return 0;
}

void thread_run(struct thread_area *area, struct task *task, void (*function)(void *argument), void *argument)
{
	area->task = task;
	task->area = area;
	task->state = area_state(area);
	area->argument = argument;
	rseq_look(area);
	account_ready(task);
	turn_begin(area);
	__atomic_store_n(&area->start, function, __ATOMIC_RELEASE);
	event_signal(area->event, 1);
}

void thread_idle(void)
{
	struct thread_area *area = current_area();
	turn_end(area);
	area->task = 0;
	stack_trim(area);
	area->next = idle[area->cpu];
	idle[area->cpu] = area;
	personality_unlock();
	thread_restart_stack(area, thread_loop);
}

void thread_use_mm(struct mm *mm)
{
	struct thread_area *area = current_area();
	handle_t space = mm ? mm->space : 0;
	if (area->bound_space == space)
		return;
	guest_space(space);
	area->bound_space = space;
}

/* Only a thread itself may take another budget while it lives on. */
void thread_rebind(void)
{
	struct thread_area *area = current_area();
	if (!__atomic_exchange_n(&area->rebind, false, __ATOMIC_SEQ_CST))
		return;
	area->bound = area->cpu;
	thread_set(0, THREAD_SET_BUDGET, machine.budgets[area->bound]);
	rseq_look(area);
}

void thread_move(struct thread_area *area, uint32_t cpu)
{
	uint32_t from = area->cpu;
	area->cpu = cpu;
	if (area->task)
		area->task->migrations++;
	__atomic_store_n(&area->rebind, true, __ATOMIC_SEQ_CST);
	if (area == current_area()) {
		thread_rebind();
		account_moved();
	} else {
		rseq_look(area);
		guest_kick(area->thread);
	}
	turn_moved(area, from);
}

int thread_set_affinity(struct task *task, uint64_t mask)
{
	mask &= (1ull << machine.cpu_count) - 1;
	if (!mask)
		return -EINVAL;
	task->affinity = mask;
	struct thread_area *area = task->area;
	if (!area || (mask >> area->cpu & 1))
		return 0;
	thread_move(area, (uint32_t)__builtin_ctzll(mask));
	return 0;
}

/* ---- Vector state ---- */

void vector_save(void *area)
{
	if (machine.xsave_mask)
		vector_xsave(area, machine.xsave_mask);
	else
		vector_fxsave(area);
}

int64_t vector_load(const void *area)
{
	return machine.xsave_mask ? vector_xrstor(area, machine.xsave_mask) : vector_fxrstor(area);
}

/* The state a new program starts with (System V ABI: x87 control word 0x37f, MXCSR 0x1f80). */
void vector_init_area(void *area)
{
	memset(area, 0, machine.vector_bytes);
	*(uint16_t *)area = 0x37f;
	*(uint32_t *)((char *)area + 24) = 0x1f80;
	if (machine.xsave_mask)
		*(uint64_t *)((char *)area + 512) =
		    3; /* XSTATE_BV: x87 and SSE; the rest is in its initial state */
}

void vector_reset(void)
{
	if (!vector_initial) {
		void *area = pages_allocate((machine.vector_bytes + 4095) / 4096);
		if (!area)
			return;
		vector_init_area(area);
		vector_initial = area;
	}
	vector_load(vector_initial);
}

uint32_t thread_running_count(void)
{
	uint32_t count = 0;
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		struct task *task;
		list_for_each(task, &process->threads, thread_link) count += !task->sleeping;
	}
	return count;
}
