/* The timer heap against a plain array: order, disarming in any order, the leftist shape and its bound. */
#include <test.h>
#include "timer.h"

#define NODES 400u

static struct timer nodes[NODES];
static bool in_heap[NODES];

/* Number of nodes; checks order, ranks and parents. */
static unsigned check_shape(struct timer *node, struct timer *parent, bool *sound)
{
	uint32_t left, right;

	if (!node)
		return 0;
	left = node->left ? node->left->rank : 0;
	right = node->right ? node->right->rank : 0;
	*sound &= node->parent == parent && (!parent || parent->deadline <= node->deadline) &&
	          left >= right && node->rank == right + 1;
	return 1 + check_shape(node->left, node, sound) + check_shape(node->right, node, sound);
}

int main(void)
{
	struct timer *root = 0;
	bool sound = true, ordered = true, least = true, small = true;
	unsigned count = 0;
	uint64_t last = 0;

	srand(7);
	for (unsigned round = 0; round < 60000; round++) {
		unsigned index = (unsigned)rand() % NODES;
		uint64_t smallest = UINT64_MAX;

		if (in_heap[index]) {
			heap_remove(&root, &nodes[index]);
			count--;
		} else {
			nodes[index].deadline = (uint64_t)rand() % (round % 3 ? 1000 : 5);
			heap_insert(&root, &nodes[index]);
			count++;
		}
		in_heap[index] = !in_heap[index];
		if (round % 50)
			continue;
		sound &= check_shape(root, 0, &sound) == count;
		for (unsigned i = 0; i < NODES; i++)
			if (in_heap[i] && nodes[i].deadline < smallest)
				smallest = nodes[i].deadline;
		least &= root ? root->deadline == smallest : count == 0;
		small &= !root || root->rank <= 9; /* log2(401) */
	}
	TEST("the heap keeps its shape", sound);
	TEST("its first is the earliest", least);
	TEST("its right spine is logarithmic", small);
	while (root) {
		ordered &= root->deadline >= last;
		last = root->deadline;
		heap_remove(&root, root);
	}
	TEST("it gives timers in order", ordered);
	/* Deadlines in order make the longest left spine. */
	for (unsigned i = 0; i < NODES; i++) {
		nodes[i].deadline = NODES - i;
		heap_insert(&root, &nodes[i]);
	}
	for (unsigned i = 0; i < NODES; i += 2)
		heap_remove(&root, &nodes[i]);
	sound = true;
	sound &= check_shape(root, 0, &sound) == NODES / 2;
	TEST("a degenerate heap can be thinned out", sound);
	return test_failures != 0;
}
