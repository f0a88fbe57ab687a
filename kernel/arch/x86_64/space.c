/* Page tables of spaces. All four-level; the lower half is the space's own, the upper the kernel's, copied at
 * creation and never changed after boot.
 *
 * A native space has one root; only its window entry is ever used, and its next table is made at once, so
 * that guest spaces can share it by copying the entry. A guest space has two roots with the same entries but
 * for the window.
 */
#include <bytes.h>
#include <log.h>
#include <unit.h>
#include "x86.h"

#define WINDOW_SLOT          (NATIVE_BASE >> 39)
#define USER_SLOTS           256u
#define TABLE_FLAGS          (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED)
#define SLOT(address, level) ((address) >> (12 + 9 * ((level)-1)) & 511)

uint64_t kernel_root;

static uint64_t *table_of(uint64_t entry)
{
	return frame_map(entry & PTE_ADDRESS);
}

static uint64_t root_create(struct unit *owner)
{
	uint64_t root = unit_frame(owner, true);

	if (root)
		memcpy((uint64_t *)frame_map(root) + USER_SLOTS,
		       (uint64_t *)frame_map(kernel_root) + USER_SLOTS, PAGE_SIZE_BYTES / 2);
	return root;
}

bool arch_space_init(struct space *space)
{
	struct unit *owner = space->object.owner;
	uint64_t *window, table;

	space->native_root = root_create(owner);
	if (!space->native_root)
		return false;
	window = (uint64_t *)frame_map(space->native_root) + WINDOW_SLOT;
	if (space->kind == SPACE_GUEST) {
		*window = ((uint64_t *)frame_map(space->native->native_root))[WINDOW_SLOT];
		space->guest_root = root_create(owner);
		return space->guest_root;
	}
	table = unit_frame(owner, true);
	if (table)
		*window = table | TABLE_FLAGS;
	return table;
}

/* The first used entry from INDEX on, or 512; how many were looked at is added to *WORK. */
static unsigned entry_next(const uint64_t *table, unsigned index, unsigned *work)
{
	unsigned next = table_next(table, index);

	*work += next - index;
	return next;
}

#define TABLE_WORK  80u  /* of going down to a table and freeing it, as entries passed over are counted */
#define TABLES_WORK 100u /* after which a slice looks through no other table */

/* Goes down from the root by the first used entries behind torn_address to a table that is a lowest one or empty, and frees that,
 * as often as a slice's work allows: every call may have to do it. After each table that is looked through it is freed, or
 * torn_address stands at what was found there, so that it can leave. So a slice passes over at most TABLES_WORK + 511 entries and frees
 * two tables, or one and the roots. A guest space's window is its native space's. */
bool arch_space_deinit_slice(struct space *space)
{
	uint64_t *root = frame_map(space->native_root);

	if (space->kind == SPACE_GUEST)
		root[WINDOW_SLOT] = 0;
	for (unsigned work = 0; work < TABLES_WORK; work += TABLE_WORK) {
		uint64_t *table = root, *place = 0;

		for (unsigned level = 4; level > 1; level--) {
			unsigned from = SLOT(space->torn_address, level);
			unsigned index = entry_next(table, from, &work);

			if (index >= (level == 4 ? USER_SLOTS : 512))
				break;
			if (index != from)
				space->torn_address = (space->torn_address & -(1ull << (12 + 9 * level))) |
				                      (uint64_t)index << (12 + 9 * (level - 1));
			if (work >= TABLES_WORK)
				return false;
			place = &table[index];
			table = table_of(*place);
		}
		if (!place) {
			unit_frame_free(space->object.owner, space->native_root);
			if (space->guest_root)
				unit_frame_free(space->object.owner, space->guest_root);
			space->native_root = space->guest_root = 0;
			return true;
		}
		unit_frame_free(space->object.owner, *place & PTE_ADDRESS);
		*place = 0;
	}
	return false;
}

uint64_t *arch_space_leaf(struct space *space, uint64_t address, bool make)
{
	uint64_t *table = frame_map(space->native_root);

	for (unsigned level = 4; level > 1; level--) {
		uint64_t slot = SLOT(address, level);
		uint64_t entry = __atomic_load_n(&table[slot], __ATOMIC_ACQUIRE);

		if (!entry) {
			if (!make)
				return 0;
			uint64_t frame = unit_frame(space->object.owner, true);

			if (!frame)
				return 0;
			entry = frame | TABLE_FLAGS;
			if (level == 4 && space->guest_root)
				((uint64_t *)frame_map(space->guest_root))[slot] = entry;
			__atomic_store_n(&table[slot], entry, __ATOMIC_RELEASE);
		}
		table = table_of(entry);
	}
	return table;
}

uint64_t arch_space_next(struct space *space, uint64_t address, uint64_t end)
{
	for (unsigned step = 0; address < end && step < SPACE_NEXT_STEPS; step++) {
		uint64_t *table = frame_map(space->native_root);
		unsigned level = 4;

		for (; level > 1; level--) {
			uint64_t entry = __atomic_load_n(&table[SLOT(address, level)], __ATOMIC_ACQUIRE);

			if (!entry)
				break;
			table = table_of(entry);
		}
		if (level == 1)
			return address;
		uint64_t bytes = 1ull << (12 + 9 * (level - 1));

		address = (address & -bytes) + bytes;
	}
	return address < end ? address : end;
}

void paging_load(struct cpu *cpu, uint64_t root)
{
	if (cpu->arch.cr3 == root)
		return;
	cpu->arch.cr3 = root;
	cr3_write(root);
}

void arch_space_load(struct space *space, bool guest)
{
	struct cpu *cpu = cpu_self();
	struct space *old = cpu->space_loaded;
	uint32_t bit = 1u << cpu->index;

	if (space && space->object.dead)
		space = 0;
	if (space == old) {
		if (space)
			paging_load(cpu, guest ? space->guest_root : space->native_root);
		return;
	}
	/* Whoever takes a page away looks at the bits after changing the tables: set before loading, clear
	 * after. */
	struct space *native = space ? space->native : 0;
	struct space *old_native = old ? old->native : 0;

	if (space)
		__atomic_fetch_or(&space->active_cpus, bit, __ATOMIC_SEQ_CST);
	if (native && native != old && native != old_native)
		__atomic_fetch_or(&native->active_cpus, bit, __ATOMIC_SEQ_CST);
	cpu->space_loaded = space;
	if (space)
		paging_load(cpu, guest ? space->guest_root : space->native_root);
	else
		paging_load(cpu, kernel_root);
	if (old && old != native)
		__atomic_fetch_and(&old->active_cpus, ~bit, __ATOMIC_SEQ_CST);
	if (old_native && old_native != space && old_native != native)
		__atomic_fetch_and(&old_native->active_cpus, ~bit, __ATOMIC_SEQ_CST);
}

void arch_tlb_flush_page(uint64_t address)
{
	__asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

void arch_tlb_flush_all(void)
{
	cr3_write(cr3_read());
}
