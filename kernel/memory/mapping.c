/* The tree of a space's mappings: a treap by start address (Aragon and Seidel, "Randomized search trees",
 * 1989).
 *
 * Mappings do not overlap, so a mapping may shrink or grow in place as long as it stays between its
 * neighbours. Priorities come from a generator that no program sees, begun with how long the boot took to the
 * nanosecond, so no sequence of calls makes the tree deep.
 */
#include "arch.h"
#include "log.h"
#include "space.h"

static uint32_t random_priority(void)
{
	static uint64_t state;
	uint64_t step = state ? 0x9e3779b97f4a7c15ull : arch_clock_ns();
	uint64_t x = __atomic_add_fetch(&state, step, __ATOMIC_RELAXED);
	/* splitmix64's finaliser (Steele, Lea and Flood 2014). */
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return (uint32_t)(x >> 32);
}

struct mapping *mapping_after(struct space *space, uint64_t address)
{
	struct mapping *node = space->root, *found = 0;

	while (node) {
		if (node->end > address) {
			found = node;
			node = node->left;
		} else {
			node = node->right;
		}
	}
	return found;
}

struct mapping *mapping_find(struct space *space, uint64_t address)
{
	struct mapping *node = space->recent;

	if (node && address >= node->start && address < node->end)
		return node;
	node = space->root;
	while (node && (address < node->start || address >= node->end))
		node = address < node->start ? node->left : node->right;
	if (node)
		space->recent = node;
	return node;
}

void mapping_insert(struct space *space, struct mapping *mapping)
{
	struct mapping **link = &space->root, *rest;
	struct mapping **left = &mapping->left, **right = &mapping->right;

	mapping->priority = random_priority();
	while (*link && (*link)->priority >= mapping->priority)
		link = mapping->start < (*link)->start ? &(*link)->left : &(*link)->right;
	/* Split what hangs here around the new node. */
	rest = *link;
	*link = mapping;
	while (rest) {
		if (rest->start < mapping->start) {
			*left = rest;
			left = &rest->right;
			rest = rest->right;
		} else {
			*right = rest;
			right = &rest->left;
			rest = rest->left;
		}
	}
	*left = *right = 0;
	space->mapping_count++;
}

void mapping_remove(struct space *space, struct mapping *mapping)
{
	struct mapping **link = &space->root, *left = mapping->left, *right = mapping->right;

	while (*link != mapping) {
		check_debug(*link != 0);
		link = mapping->start < (*link)->start ? &(*link)->left : &(*link)->right;
	}
	while (left && right) {
		if (left->priority > right->priority) {
			*link = left;
			link = &left->right;
			left = left->right;
		} else {
			*link = right;
			link = &right->left;
			right = right->left;
		}
	}
	*link = left ? left : right;
	space->mapping_count--;
	if (space->recent == mapping)
		space->recent = 0;
}
