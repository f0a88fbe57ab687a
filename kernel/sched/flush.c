/* What one CPU asks of the others and waits for: to forget translations (flush), or to have left whatever
 * kernel path they were on (quiesce). It raises their `wanted` counter, sends an IPI, and waits until `done`
 * has come as far. While it waits it serves what others ask of it, so two CPUs never wait for each other: of a
 * flush, which may come in the midst of a path, flushes alone.
 *
 * Who removes translations notes, under the locks, which CPUs may hold them (space->active_cpus, read after
 * the entry was changed; a CPU sets its bit before it loads the tables). After the locks are released it
 * flushes here and asks those CPUs. One that has meanwhile left the space answers too: harmless.
 */
#include "memory.h"
#include "sched.h"
#include "space.h"

/* TICKETS: for await. */
static void ask(enum cpu_asked what, uint32_t others, uint64_t tickets[CPU_MAX])
{
	for (uint32_t i = 0; others >> i; i++)
		if (others >> i & 1) {
			tickets[i] = __atomic_add_fetch(&cpus[i]->asked[what].wanted, 1, __ATOMIC_SEQ_CST);
			arch_ipi(cpus[i]);
		}
}

static void await(enum cpu_asked what, uint32_t others, const uint64_t tickets[CPU_MAX],
                  void (*serve)(struct cpu *cpu))
{
	for (uint32_t i = 0; others >> i; i++)
		while ((others >> i & 1) &&
		       __atomic_load_n(&cpus[i]->asked[what].done, __ATOMIC_SEQ_CST) < tickets[i]) {
			serve(cpu_self());
			arch_pause();
		}
}

void quiesce_serve(struct cpu *cpu)
{
	uint64_t wanted = __atomic_load_n(&cpu->asked[ASKED_QUIESCE].wanted, __ATOMIC_SEQ_CST);

	__atomic_store_n(&cpu->asked[ASKED_QUIESCE].done, wanted, __ATOMIC_SEQ_CST);
}

void cpu_quiesce(void)
{
	uint32_t others = ((1u << cpu_count) - 1) & ~(1u << cpu_self()->index);
	uint64_t tickets[CPU_MAX];

	ask(ASKED_QUIESCE, others, tickets);
	await(ASKED_QUIESCE, others, tickets, cpu_serve);
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
	uint64_t wanted = __atomic_load_n(&cpu->asked[ASKED_FLUSH].wanted, __ATOMIC_ACQUIRE);

	if (cpu->asked[ASKED_FLUSH].done == wanted)
		return;
	if (loaded_is_dead(cpu->space_loaded))
		arch_space_load(0, false);
	arch_tlb_flush_all();
	__atomic_store_n(&cpu->asked[ASKED_FLUSH].done, wanted, __ATOMIC_RELEASE);
}

void flush_all(struct flush *flush)
{
	struct cpu *self = cpu_self();
	uint32_t others = flush->cpus & ~(1u << self->index);
	uint64_t tickets[CPU_MAX];

	ask(ASKED_FLUSH, others, tickets);
	if (flush->cpus >> self->index & 1) {
		if (loaded_is_dead(self->space_loaded))
			arch_space_load(0, false);
		if (flush->count > FLUSH_PAGES)
			arch_tlb_flush_all();
		else
			for (uint32_t i = 0; i < flush->count; i++)
				arch_tlb_flush_page(flush->pages[i]);
	}
	await(ASKED_FLUSH, others, tickets, flush_serve);
	if (flush->memory) {
		lock_take(&flush->memory->lock);
		flush->memory->unmapping.flushing--;
		lock_release(&flush->memory->lock);
	}
}
