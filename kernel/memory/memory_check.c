/* Invariants of memory objects: see check.h. */
#include "check.h"
#include "log.h"

static uint64_t check_node(struct memory *memory, uint64_t node, uint32_t level, uint64_t page,
                           void (*entry)(struct memory *memory, uint64_t page, uint64_t entry),
                           uint64_t *nodes)
{
	uint64_t resident = 0;

	if (!node)
		return 0;
	if (!level) {
		struct frame *frame = frame_of(ENTRY_FRAME(node));

		check(page < memory->pages || memory->object.dead);
		check(frame->references >= 1);
		check(frame->references >= frame->payer_references);
		check((node & (ENTRY_PAID | ENTRY_FREE)) != (ENTRY_PAID | ENTRY_FREE));
		if (!(node & (ENTRY_PAID | ENTRY_FREE)))
			check(frame->payer == memory->object.owner && frame->payer_references);
		check(!frame->pins || frame->references == 1);
		if (entry)
			entry(memory, page, node);
		return 1;
	}
	++*nodes;
	if (level == 1) {
		uint32_t count = 0;

		for (uint32_t i = 0; i < 512; i++)
			count += ((uint64_t *)node)[i] != 0;
		check(memory->object.dead || count == radix_count(memory, (uint64_t *)node, 0));
	}
	for (uint32_t i = 0; i < 512; i++)
		resident += check_node(memory, ((uint64_t *)node)[i], level - 1,
		                       page + ((uint64_t)i << (9 * (level - 1))), entry, nodes);
	return resident;
}

void memory_check(struct memory *memory, void (*entry)(struct memory *memory, uint64_t page, uint64_t entry),
                  uint64_t *nodes)
{
	uint32_t count = 0;

	if (memory_has_frames(memory)) {
		check(memory->height >= radix_height(memory->pages));
		check(check_node(memory, memory->root, memory->height, 0, entry, nodes) == memory->resident);
	} else {
		check(!memory->root && !memory->resident);
	}
	for (struct list *node = memory->mappings.next; node != &memory->mappings; node = node->next) {
		struct mapping *mapping = container_of(node, struct mapping, memory_node);

		check(mapping->memory == memory);
		check(mapping_find(mapping->space, mapping->start) == mapping);
		count++;
	}
	check(count == memory->mapping_count);
	check(memory->object.references >= count);
}
