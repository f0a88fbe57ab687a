/* The whole machine checked: every object by its own checker, then what only shows in the sum: frames,
 * charges, TLBs. */
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "log.h"
#include "machine.h"
#include "pin.h"

struct tally {
	uint32_t references, payer_references;
	struct unit *payer;
	bool pinned; /* for a device, and found */
};

static struct tally *tallies; /* by frame number */
static uint64_t tally_count;
static struct {
	uint64_t used; /* bytes found for the unit at hand */
	struct unit *unit;
} sum;

static void count_entry(struct memory *memory, uint64_t page, uint64_t entry)
{
	struct tally *tally = &tallies[ENTRY_FRAME(entry) >> 12];

	(void)page;
	tally->references++;
	if (entry & ENTRY_PAID) {
		sum.used += PAGE_SIZE_BYTES;
	} else if (!(entry & ENTRY_FREE)) {
		check(!tally->payer || tally->payer == memory->object.owner);
		if (!tally->payer)
			sum.used += PAGE_SIZE_BYTES;
		tally->payer = memory->object.owner;
		tally->payer_references++;
	}
}

static uint64_t count_tables(const uint64_t *table, unsigned level, const struct space *space)
{
	uint64_t count = 1;

	for (unsigned i = 0; level > 1 && i < 512; i++)
		if (table[i] && !(level == 4 && i == (NATIVE_BASE >> 39) && space->kind == SPACE_GUEST))
			count += count_tables(frame_map(table[i] & ~0xfffull), level - 1, space);
	return count;
}

/* What the unit at hand pays for because a thread of it has pinned it. */
static void count_pin(const void *page)
{
	const struct frame *frame = page ? frame_of(frame_unmap(page)) : 0;

	if (frame && (frame->payer != sum.unit || !frame->references))
		sum.used += PAGE_SIZE_BYTES;
}

static void check_object(struct object *object)
{
	uint64_t nodes = 0, mappings = 0;

	cap_check(object);
	if (object->life >= OBJECT_TORN)
		return;
	if (object->type == OBJECT_MEMORY) {
		memory_check((struct memory *)object, count_entry, &nodes);
		sum.used += nodes * PAGE_SIZE_BYTES;
	} else if (object->type == OBJECT_THREAD) {
		const struct thread *thread = (const struct thread *)object;

		count_pin(thread->page);
		count_pin(thread->guest);
	} else if (object->type == OBJECT_SPACE) {
		struct space *space = (struct space *)object;

		space_check(space, &mappings);
		if (space->native_root)
			sum.used += count_tables(frame_map(space->native_root), 4, space) * PAGE_SIZE_BYTES;
		if (space->guest_root)
			sum.used += PAGE_SIZE_BYTES;
	}
}

static void check_objects(const struct list *list)
{
	for (const struct list *node = list->next; node != list; node = node->next)
		check_object(container_of(node, struct object, owned));
}

/* What UNIT pays for because devices may write to it. */
static void count_device_pins(struct unit *unit)
{
	for (const struct list *node = unit->pins.next; node != &unit->pins; node = node->next) {
		const struct pin *pin = container_of(node, const struct pin, payer_node);

		check(pin->payer == unit && pin->passed <= pin->count && pin->count <= PIN_PAGES_MAX);
		for (uint32_t i = 0; i < pin->count; i++) {
			const struct frame *frame = frame_of(pin->frames[i]);
			struct tally *tally = &tallies[pin->frames[i] >> 12];

			check(frame->pins >= FRAME_DEVICE && frame->own_pins && frame->references <= 1);
			check(frame->payer == (i < pin->passed ? unit->parent : unit));
			if (!frame->references && frame->payer == unit && !tally->pinned)
				sum.used += PAGE_SIZE_BYTES;
			tally->pinned = true;
		}
	}
}

static void check_unit(struct unit *unit)
{
	unit_check(unit);
	if (unit->directory)
		table_check(unit);
	sum.unit = unit;
	sum.used = unit->memory_children + (unit->slab_count + unit->cap_pages) * PAGE_SIZE_BYTES;
	if (unit->directory)
		sum.used += PAGE_SIZE_BYTES;
	check_objects(&unit->objects);
	for (uint32_t cpu = 0; cpu < CPU_MAX; cpu++)
		check_objects(&unit->reapers[cpu].doomed);
	check_objects(&unit->torn);
	check_objects(&unit->graveyard);
	check_objects(&unit->buried[0]);
	check_objects(&unit->buried[1]);
	count_device_pins(unit);
	if (sum.used != unit->memory_used)
		panic("unit %s: %lu bytes charged, %lu found", unit->name, unit->memory_used, sum.used);
	for (struct list *node = unit->children.next; node != &unit->children; node = node->next)
		check_unit(container_of(node, struct unit, sibling));
}

static void check_tlb(struct cpu *cpu)
{
	for (unsigned i = 0; i < HOST_TLB_SIZE; i++) {
		const struct host_tlb *tlb = &cpu->arch.tlb[i];
		uint64_t *leaf, entry;

		if (!tlb->entry)
			continue;
		check(tlb->space->object.life < OBJECT_TORN);
		leaf = arch_space_leaf(tlb->space, tlb->page, false);
		entry = leaf ? leaf[tlb->page >> 12 & 511] : 0;
		if ((entry & ~0xfffull) != (tlb->entry & ~0xfffull) || (tlb->entry & 7 & ~entry))
			panic("CPU %u still holds %lx for %lx, the tables say %lx", cpu->index, tlb->entry,
			      tlb->page, entry);
	}
}

void machine_check(void)
{
	uint64_t count = frame_total_bytes() / PAGE_SIZE_BYTES + 1024;

	if (!tallies) {
		tally_count = count;
		tallies = calloc(count, sizeof(*tallies));
	}
	memset(tallies, 0, tally_count * sizeof(*tallies));
	check_unit(&root_unit);
	for (uint64_t i = 0; i < tally_count; i++) {
		const struct frame *frame = frame_of(i << 12);
		const struct tally *tally = &tallies[i];
		/* The kernel itself holds a boot module's frames. */
		uint32_t own = i << 12 >= host_module_base &&
		               i << 12 < host_module_base + HOST_MODULE_PAGES * PAGE_SIZE_BYTES;

		if (!tally->references && !own)
			continue;
		if (frame->references != tally->references + own ||
		    frame->payer_references != tally->payer_references ||
		    (tally->payer && frame->payer != tally->payer))
			panic("frame %lx: %u references counted, %u found", i << 12, frame->references,
			      tally->references + own);
	}
	for (unsigned i = 0; i < cpu_count; i++)
		check_tlb(cpus[i]);
}
