/* Per-CPU timers: a leftist heap, see timer.h.
 *
 * rank(node) = 1 + rank(right), rank(0) = 0, rank(left) >= rank(right): the right spine of n nodes is at most
 * log2(n + 1) long. Merging walks right spines only; after a removal, ranks are mended upwards until one is
 * unchanged, and each step up with a change raises the rank, so that too is logarithmic.
 */
#include <holon/syscall.h>
#include "cpu.h"

static uint32_t rank_of(const struct timer *node)
{
	return node ? node->rank : 0;
}

/* Restores order of the children and rank of NODE; true if the rank changed. */
static bool mend(struct timer *node)
{
	uint32_t before = node->rank;

	if (rank_of(node->left) < rank_of(node->right)) {
		struct timer *left = node->left;

		node->left = node->right;
		node->right = left;
	}
	node->rank = rank_of(node->right) + 1;
	return node->rank != before;
}

/* Merges two heaps; the result's parent is the caller's to set. */
static struct timer *merge(struct timer *a, struct timer *b)
{
	struct timer *root = 0, *last = 0;

	while (a && b) {
		if (b->deadline < a->deadline) {
			struct timer *swap = a;

			a = b;
			b = swap;
		}
		a->parent = last;
		if (last)
			last->right = a;
		else
			root = a;
		last = a;
		a = a->right;
	}
	if (!a)
		a = b;
	if (!last)
		return a;
	last->right = a;
	if (a)
		a->parent = last;
	for (struct timer *node = last; node; node = node == root ? 0 : node->parent)
		mend(node);
	return root;
}

void heap_insert(struct timer **root, struct timer *node)
{
	node->left = node->right = 0;
	node->rank = 1;
	*root = merge(*root, node);
	(*root)->parent = 0;
}

void heap_remove(struct timer **root, struct timer *node)
{
	struct timer *parent = node->parent;
	struct timer *rest = merge(node->left, node->right);

	if (rest)
		rest->parent = parent;
	if (!parent)
		*root = rest;
	else if (parent->left == node)
		parent->left = rest;
	else
		parent->right = rest;
	while (parent && mend(parent))
		parent = parent->parent;
	node->left = node->right = node->parent = 0;
	node->rank = 0;
}

void timer_disarm(struct timer *timer)
{
	while (timer->armed) {
		struct cpu *cpu = timer->cpu;

		lock_take(&cpu->timer_lock);
		if (timer->armed && timer->cpu == cpu) {
			heap_remove(&cpu->timers, timer);
			timer->armed = false;
		}
		lock_release(&cpu->timer_lock);
	}
}

void timer_program(struct cpu *cpu, uint64_t deadline)
{
	if (deadline < cpu->programmed) {
		cpu->programmed = deadline;
		arch_timer_set(deadline);
	}
}

void timer_arm(struct timer *timer, uint64_t deadline, uint64_t mark)
{
	struct cpu *cpu = cpu_self();

	timer_disarm(timer);
	if (deadline == DEADLINE_NEVER)
		return;
	lock_take(&cpu->timer_lock);
	timer->deadline = deadline;
	timer->mark = mark;
	timer->cpu = cpu;
	heap_insert(&cpu->timers, timer);
	timer->armed = true;
	lock_release(&cpu->timer_lock);
	timer_program(cpu, deadline);
}
