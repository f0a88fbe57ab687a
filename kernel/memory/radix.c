/* The radix tree of a memory object: nodes of 512 entries, a frame each, charged to the object's owner.
 *
 * The height follows from the number of pages and only grows. Interior entries are addresses of nodes in the
 * direct map. A lowest node counts its entries in its struct frame (radix_count) and is freed with the last
 * of them; the others when the object ends.
 */
#include "bytes.h"
#include "calls.h"
#include "memory.h"
#include "unit.h"

#define NODE_BITS   9
#define NODE_MASK   511u
#define NODES_MAX   2u   /* that are made, and zeroed, in a slice */
#define FREE_PASSED 128u /* entries, after which a slice that frees looks through no other node */

static inline uint64_t *node_place(uint64_t node, uint64_t page, uint32_t level)
{
	return (uint64_t *)node + (page >> (NODE_BITS * (level - 1)) & NODE_MASK);
}

static uint64_t node_create(struct unit *owner)
{
	physical_t frame = unit_frame(owner, true);

	return frame ? (uint64_t)frame_map(frame) : 0;
}

static void node_free(struct unit *owner, uint64_t node)
{
	frame_of(frame_unmap((void *)node))->counts = 0;
	unit_frame_free(owner, frame_unmap((void *)node));
}

uint32_t radix_height(uint64_t pages)
{
	uint32_t height = 0;

	/*@ loop invariant height <= 4;
	    loop invariant height > 0 ==> pages > 1 << (9 * (height - 1));
	    loop assigns height;
	    loop variant 4 - height;
	*/
	while (height * NODE_BITS < 36 && pages > 1ull << (height * NODE_BITS))
		height++;
	return height;
}

int64_t radix_grow(struct memory *memory, uint64_t pages)
{
	uint32_t height = radix_height(pages), made = 0;

	while (memory->height < height) {
		if (memory->root) {
			uint64_t node = made++ < NODES_MAX ? node_create(memory->object.owner) : 0;

			if (!node)
				return made > NODES_MAX ? CALL_RESTART : E_QUOTA_MEMORY;
			*(uint64_t *)node = memory->root;
			if (!memory->height)
				frame_of(frame_unmap((void *)node))->references = 1;
			memory->root = node;
		}
		memory->height++;
	}
	return E_OK;
}

uint64_t *radix_find(struct memory *memory, uint64_t page)
{
	uint64_t *place = &memory->root;

	for (uint32_t level = memory->height; level; level--) {
		if (!*place)
			return 0;
		place = node_place(*place, page, level);
	}
	return place;
}

uint64_t *radix_make(struct memory *memory, uint64_t page, int64_t *status)
{
	uint64_t *place = &memory->root;
	uint32_t made = 0;

	for (uint32_t level = memory->height; level; level--) {
		if (!*place && made++ < NODES_MAX)
			*place = node_create(memory->object.owner);
		if (!*place) {
			*status = made > NODES_MAX ? CALL_RESTART : E_QUOTA_MEMORY;
			return 0;
		}
		place = node_place(*place, page, level);
	}
	return place;
}

uint64_t radix_next(struct memory *memory, uint64_t page, uint64_t end)
{
	for (bool passed = false; page < end; passed = true) {
		uint64_t node = memory->root, parent = 0;
		uint32_t level = memory->height;

		while (level > 1 && node) {
			parent = node;
			node = *node_place(node, page, level);
			level--;
		}
		if (node)
			return page;
		if (!parent) /* the whole tree is empty */
			return end;
		if (passed) /* one search through a node a slice */
			return page;
		/* Nothing below this entry of PARENT: go to its next one that is used, or past it. */
		uint32_t shift = NODE_BITS * level;
		uint64_t index = table_next((const uint64_t *)parent, page >> shift & NODE_MASK);
		page = (page >> (shift + NODE_BITS) << (shift + NODE_BITS)) + (index << shift);
	}
	return end;
}

uint64_t radix_used(struct memory *memory, uint64_t page, uint64_t end)
{
	const uint64_t *place = radix_find(memory, page);

	if (!place)
		return end;
	for (; end - page >= 4 && !(place[0] | place[1] | place[2] | place[3]); place += 4)
		page += 4;
	for (; page < end && !*place; place++)
		page++;
	return page;
}

void radix_drop_leaf(struct memory *memory, uint64_t page)
{
	uint64_t *place = &memory->root;

	for (uint32_t level = memory->height; level > 1 && *place; level--)
		place = node_place(*place, page, level);
	if (memory->height && *place) {
		node_free(memory->object.owner, *place);
		*place = 0;
	}
}

bool radix_free_slice(struct memory *memory)
{
	uint64_t *place = &memory->root;
	unsigned passed = 0;

	if (!memory->height || !memory->root)
		return true;
	for (uint32_t level = memory->height; level > 1; level--) {
		uint32_t shift = NODE_BITS * (level - 1);
		unsigned from = memory->torn_page >> shift & NODE_MASK;
		unsigned index = table_next((const uint64_t *)*place, from);

		if (index == 512)
			break;
		if (index != from)
			memory->torn_page =
			    (memory->torn_page & -(1ull << (shift + NODE_BITS))) | (uint64_t)index << shift;
		passed += index - from;
		if (passed >= FREE_PASSED)
			return false;
		place = (uint64_t *)*place + index;
	}
	node_free(memory->object.owner, *place);
	*place = 0;
	return !memory->root;
}
