/* The tree of areas against a plain sorted array: order, balance, holes and places, for random and for chosen
 * addresses. */
#include "mm/area_tree.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE  4096ull
#define COUNT 600u
#define SPAN  4096u /* pages in which the areas lie */

static struct area *model[COUNT];
static unsigned model_count, failures;
static uint64_t seed = 0x1234567;

static uint32_t random_below(uint32_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed % limit);
}

static void check(bool good, const char *name, unsigned step)
{
	if (good)
		return;
	failures++;
	printf("not ok %s - at step %u\n", name, step);
}

/* Height and order of the tree; what each node says of its subtree. */
static bool tree_good(const struct area *area, unsigned *index)
{
	if (!area)
		return true;
	unsigned first = *index;
	if (!tree_good(area->left, index) || *index >= model_count || model[*index] != area)
		return false;
	(*index)++;
	if (!tree_good(area->right, index))
		return false;
	uint32_t left = area->left ? area->left->height : 0, right = area->right ? area->right->height : 0;
	uint64_t hole = 0;
	for (unsigned i = first + 1; i < *index; i++)
		if (model[i]->start - model[i - 1]->end > hole)
			hole = model[i]->start - model[i - 1]->end;
	return area->height == 1 + (left > right ? left : right) && left <= right + 1 && right <= left + 1 &&
	       area->first == model[first]->start && area->last == model[*index - 1]->end &&
	       area->hole == hole;
}

static uint64_t model_place(uint64_t bytes, uint64_t floor, uint64_t top)
{
	for (uint64_t at = top - bytes; at >= floor && at <= top; at -= PAGE) {
		bool free = true;
		for (unsigned i = 0; i < model_count; i++)
			free &= model[i]->end <= at || model[i]->start >= at + bytes;
		if (free)
			return at;
		if (!at)
			break;
	}
	return 0;
}

static void model_insert(struct area *area)
{
	unsigned at = model_count++;
	while (at && model[at - 1]->start > area->start) {
		model[at] = model[at - 1];
		at--;
	}
	model[at] = area;
}

static void step(struct area **root, unsigned number)
{
	uint64_t start = (1 + random_below(SPAN)) * PAGE, end = start + (1 + random_below(4)) * PAGE;
	struct area *above = area_tree_find(*root, start);
	struct area *expected = 0;
	for (unsigned i = model_count; i--;)
		if (model[i]->end > start)
			expected = model[i];
	check(above == expected, "find gives the area at or above an address", number);
	struct area *before = area_tree_before(*root, start);
	expected = 0;
	for (unsigned i = 0; i < model_count; i++)
		if (model[i]->start < start)
			expected = model[i];
	check(before == expected, "before gives the area below an address", number);
	if (above && above->start < end) {
		if (random_below(2)) {
			area_tree_remove(root, above);
			unsigned at = 0;
			while (model[at] != above)
				at++;
			for (model_count--; at < model_count; at++)
				model[at] = model[at + 1];
			free(above);
		} else if (above->end - above->start > PAGE) {
			above->end -= PAGE;
			area_tree_update(root, above);
		}
	} else if (model_count < COUNT) {
		struct area *area = calloc(1, sizeof(*area));
		area->start = start;
		area->end = end;
		area_tree_insert(root, area);
		model_insert(area);
	}
	unsigned index = 0;
	check(tree_good(*root, &index) && index == model_count, "the tree is in order and in balance",
	      number);
	if (number % 8)
		return;
	uint64_t bytes = (1 + random_below(40)) * PAGE, floor = random_below(SPAN / 2) * PAGE;
	uint64_t top = floor + random_below(SPAN) * PAGE;
	if (top - floor >= bytes && floor)
		check(area_tree_place(*root, bytes, floor, top) == model_place(bytes, floor, top),
		      "the highest place is found", number);
}

int main(void)
{
	struct area *root = 0, *area;
	for (unsigned i = 0; i < 20000; i++)
		step(&root, i);
	unsigned taken = 0;
	while ((area = area_tree_take(&root)) != 0) {
		free(area);
		taken++;
	}
	check(taken == model_count, "taking the tree apart gives every area once", taken);
	/* Ascending addresses, 65,530 of them: what a guest can ask for at most. */
	static struct area many[65530];
	for (unsigned i = 0; i < 65530; i++) {
		many[i].start = (i + 1ull) * 2 * PAGE;
		many[i].end = many[i].start + PAGE;
		area_tree_insert(&root, &many[i]);
	}
	check(root->height <= 24, "ascending areas make no list", root->height);
	check(area_tree_place(root, 2 * PAGE, PAGE, 65531ull * 2 * PAGE) == 0, "holes too small are no place",
	      0);
	for (unsigned i = 0; i < 65530; i++)
		area_tree_remove(&root, &many[i]);
	check(!root, "all areas are gone", 0);
	if (!failures)
		printf("ok areas: order, balance, holes, places\n");
	return failures != 0;
}
