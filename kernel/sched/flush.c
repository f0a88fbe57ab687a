/* Making all CPUs forget translations.
 *
 * Who removes translations notes, under the locks, which CPUs may hold them (space->active_cpus, read after
 * the entry was changed; a CPU sets its bit before it loads the tables). After the locks are released it
 * flushes here, asks those CPUs by raising their `wanted` counter and an IPI, and waits until each has
 * flushed at least once since. While waiting it serves what others ask of it, so two CPUs never wait for each
 * other. A CPU that has meanwhile left the space answers too: harmless.
 */
#include "cpu.h"
#include "memory.h"
#include "space.h"

static struct {
	volatile uint64_t wanted, done;
} counters[CPU_MAX];

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
	uint64_t wanted = __atomic_load_n(&counters[cpu->index].wanted, __ATOMIC_ACQUIRE);

	if (counters[cpu->index].done == wanted)
		return;
	if (loaded_is_dead(cpu->space_loaded))
		arch_space_load(0, false);
	arch_tlb_flush_all();
	__atomic_store_n(&counters[cpu->index].done, wanted, __ATOMIC_RELEASE);
}

void flush_all(struct flush *flush)
{
	struct cpu *self;
	uint32_t others;
	uint64_t tickets[CPU_MAX];

	self = cpu_self();
	others = flush->cpus & ~(1u << self->index);
	for (uint32_t i = 0; others >> i; i++)
		if (others >> i & 1) {
			tickets[i] = __atomic_add_fetch(&counters[i].wanted, 1, __ATOMIC_SEQ_CST);
			arch_ipi(cpus[i]);
		}
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
		       __atomic_load_n(&counters[i].done, __ATOMIC_ACQUIRE) < tickets[i]) {
			flush_serve(self);
			arch_pause();
		}
	if (flush->memory) {
		lock_take(&flush->memory->lock);
		flush->memory->unmapping.flushing--;
		lock_release(&flush->memory->lock);
	}
}
