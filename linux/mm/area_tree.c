/* See area_tree.h. */
#include "mm/area_tree.h"

static uint32_t height_of(const struct area *area)
{
	return area ? area->height : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What AREA knows of its subtree, from its children. */
static void refresh(struct area *area)
{
	const struct area *left = area->left, *right = area->right;
	area->height = 1 + (uint32_t)larger(height_of(left), height_of(right));
	area->first = left ? left->first : area->start;
	area->last = right ? right->last : area->end;
	area->hole = 0;
	if (left)
		area->hole = larger(left->hole, area->start - left->last);
	if (right)
		area->hole = larger(area->hole, larger(right->hole, right->first - area->end));
}

static void rotate_right(struct area **link)
{
	struct area *top = *link, *left = top->left;
	top->left = left->right;
	left->right = top;
	*link = left;
	refresh(top);
	refresh(left);
}

static void rotate_left(struct area **link)
{
	struct area *top = *link, *right = top->right;
	top->right = right->left;
	right->left = top;
	*link = right;
	refresh(top);
	refresh(right);
}

static void balance(struct area **link)
{
	struct area *area = *link;
	uint32_t left = height_of(area->left), right = height_of(area->right);
	if (left > right + 1) {
		if (height_of(area->left->left) < height_of(area->left->right))
			rotate_left(&area->left);
		rotate_right(link);
	} else if (right > left + 1) {
		if (height_of(area->right->right) < height_of(area->right->left))
			rotate_right(&area->right);
		rotate_left(link);
	} else {
		refresh(area);
	}
}

/* The links from ROOT to the one that points to AREA, or would: their number. */
static unsigned path_to(struct area **root, const struct area *area, struct area **path[AREA_TREE_HEIGHT])
{
	unsigned depth = 0;
	struct area **link = root;
	path[depth++] = link;
	while (*link && *link != area) {
		link = area->start < (*link)->start ? &(*link)->left : &(*link)->right;
		path[depth++] = link;
	}
	return depth;
}

void area_tree_insert(struct area **root, struct area *area)
{
	struct area **path[AREA_TREE_HEIGHT];
	unsigned depth = path_to(root, area, path);
	area->left = area->right = 0;
	*path[--depth] = area;
	refresh(area);
	while (depth)
		balance(path[--depth]);
}

void area_tree_remove(struct area **root, struct area *area)
{
	struct area **path[AREA_TREE_HEIGHT];
	unsigned depth = path_to(root, area, path);
	struct area **link = path[depth - 1];
	if (!area->left || !area->right) {
		*link = area->left ? area->left : area->right;
		depth--;
	} else {
		/* The next higher area takes this one's place. */
		unsigned at = depth;
		struct area **next = &area->right;
		path[depth++] = next;
		while ((*next)->left) {
			next = &(*next)->left;
			path[depth++] = next;
		}
		struct area *successor = *next;
		*next = successor->right;
		successor->left = area->left;
		successor->right = area->right;
		*link = successor;
		path[at] = &successor->right;
		depth--;
	}
	while (depth)
		balance(path[--depth]);
}

void area_tree_update(struct area **root, struct area *area)
{
	struct area **path[AREA_TREE_HEIGHT];
	unsigned depth = path_to(root, area, path);
	while (depth)
		refresh(*path[--depth]);
}

struct area *area_tree_find(struct area *root, uint64_t address)
{
	struct area *found = 0;
	while (root) {
		if (address < root->end) {
			found = root;
			root = root->left;
		} else {
			root = root->right;
		}
	}
	return found;
}

struct area *area_tree_before(struct area *root, uint64_t address)
{
	struct area *found = 0;
	while (root) {
		if (root->start < address) {
			found = root;
			root = root->right;
		} else {
			root = root->left;
		}
	}
	return found;
}

uint64_t area_tree_place(struct area *root, uint64_t bytes, uint64_t floor, uint64_t top)
{
	struct {
		struct area *area;
		uint64_t low; /* where the area before its subtree ends */
	} stack[AREA_TREE_HEIGHT];
	unsigned depth = 0;
	uint64_t low = floor;
	if (top < floor || top - floor < bytes)
		return 0;
	if (!root || (root->last <= top && top - larger(root->last, floor) >= bytes))
		return top - bytes;
	/* From the highest area down; subtrees without a hole that is large enough are left out. */
	for (struct area *area = root;;) {
		while (area) {
			struct area *right = area->right;
			stack[depth].area = area;
			stack[depth++].low = low;
			low = area->end;
			area =
			    area->end < top && right && (right->hole >= bytes || right->first - low >= bytes)
			        ? right
			        : 0;
		}
		if (!depth)
			return 0;
		area = stack[--depth].area;
		low = stack[depth].low;
		uint64_t from = larger(area->left ? area->left->last : low, floor);
		uint64_t to = area->start < top ? area->start : top;
		if (to > from && to - from >= bytes)
			return to - bytes;
		struct area *left = area->left;
		area = left && left->last > floor &&
		               (left->hole >= bytes || (left->first > low && left->first - low >= bytes))
		           ? left
		           : 0;
	}
}

struct area *area_tree_take(struct area **root)
{
	/* Turned to the right until the top has no left child: every area is turned at most once. */
	while (*root && (*root)->left) {
		struct area *top = *root, *left = top->left;
		top->left = left->right;
		left->right = top;
		*root = left;
	}
	struct area *area = *root;
	if (area)
		*root = area->right;
	return area;
}
