/* What one CPU wants of the others and may wait for.
 *
 * To forget translations (flush): it raises their `flush_wanted`, sends an IPI, and waits until `flush_done` has come as far.
 *
 * To have left whatever kernel path they were on, so that nobody has what was made unreachable before (quiesce): it takes a
 * ticket. A CPU notes the newest ticket wherever it is outside of all paths: when it has chosen what runs next, and when it
 * serves an IPI. So whoever looks again some time later need not wait, mostly; CPUs that have not been there by then are
 * sent an IPI.
 *
 * While a CPU waits it serves what others ask of it, so two never wait for each other: of a flush, which may come in the midst
 * of a path, flushes alone.
 *
 * Who removes translations notes, under the locks, which CPUs may hold them (space->active_cpus, read after
 * the entry was changed; a CPU sets its bit before it loads the tables). After the locks are released it
 * flushes here and asks those CPUs. One that has meanwhile left the space answers too: harmless.
 */
#include "memory.h"
#include "sched.h"
#include "space.h"

static uint64_t tickets;

static void ipi_others(uint32_t others)
{
	for (uint32_t i = 0; others >> i; i++)
		if (others >> i & 1)
			arch_ipi(cpus[i]);
}

void quiesce_serve(struct cpu *cpu)
{
	uint64_t newest = __atomic_load_n(&tickets, __ATOMIC_ACQUIRE);

	__atomic_store_n(&cpu->passed, newest, __ATOMIC_RELEASE);
}

uint64_t cpu_ticket(void)
{
	uint64_t ticket = __atomic_add_fetch(&tickets, 1, __ATOMIC_SEQ_CST);
	uint32_t idle = 0;

	quiesce_serve(cpu_self());
	for (uint32_t i = 0; i < cpu_count; i++)
		idle |= (uint32_t)(!__atomic_load_n(&cpus[i]->current, __ATOMIC_RELAXED)) << i;
	ipi_others(idle & ~(1u << cpu_self()->index)); /* nothing else might bring them here */
	return ticket;
}

void cpu_await(uint64_t ticket)
{
	uint32_t late = 0;

	quiesce_serve(cpu_self());
	for (uint32_t i = 0; i < cpu_count; i++)
		late |= (uint32_t)(cpus[i]->passed < ticket) << i;
	ipi_others(late);
	for (uint32_t i = 0; i < cpu_count; i++)
		while (__atomic_load_n(&cpus[i]->passed, __ATOMIC_ACQUIRE) < ticket) {
			cpu_serve(cpu_self());
			arch_pause();
		}
}

void flush_add(struct flush *flush, struct space *space, uint64_t address)
{
	flush->cpus |= __atomic_load_n(&space->active_cpus, __ATOMIC_SEQ_CST);
	if (flush->count < FLUSH_PAGES)
		flush->pages[flush->count] = address;
	flush->count++;
}

static bool loaded_is_dead(const struct space *space)
{
	return space && (space->object.dead || (space->native && space->native->object.dead));
}

void flush_serve(struct cpu *cpu)
{
	uint64_t wanted = __atomic_load_n(&cpu->flush_wanted, __ATOMIC_ACQUIRE);

	if (cpu->flush_done == wanted)
		return;
	if (loaded_is_dead(cpu->space_loaded))
		arch_space_load(0, false);
	arch_tlb_flush_all();
	__atomic_store_n(&cpu->flush_done, wanted, __ATOMIC_RELEASE);
}

void flush_all(struct flush *flush)
{
	struct cpu *self = cpu_self();
	uint32_t others = flush->cpus & ~(1u << self->index);
	uint64_t wanted[CPU_MAX];

	for (uint32_t i = 0; others >> i; i++)
		if (others >> i & 1)
			wanted[i] = __atomic_add_fetch(&cpus[i]->flush_wanted, 1, __ATOMIC_SEQ_CST);
	ipi_others(others);
	if (flush->cpus >> self->index & 1) {
		if (loaded_is_dead(self->space_loaded))
			arch_space_load(0, false);
		if (flush->count > FLUSH_PAGES)
			arch_tlb_flush_all();
		else
			for (uint32_t i = 0; i < flush->count; i++)
				arch_tlb_flush_page(flush->pages[i]);
	}
	for (uint32_t i = 0; others >> i; i++)
		while ((others >> i & 1) &&
		       __atomic_load_n(&cpus[i]->flush_done, __ATOMIC_ACQUIRE) < wanted[i]) {
			flush_serve(self);
			arch_pause();
		}
	if (flush->memory) {
		lock_take(&flush->memory->lock);
		flush->memory->unmapping.flushing--;
		lock_release(&flush->memory->lock);
	}
}
