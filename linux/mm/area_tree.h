/* The tree of an address space's areas: an AVL tree by start address, without recursion.
 *
 * A guest chooses the addresses, so that the balance must not depend on luck: the height is at most
 * 1.44 log2(n + 2). Each node also knows the largest hole within its subtree, so that a place for a new
 * mapping is found in O(log n) however the space is cut up. Areas do not overlap. The caller holds what
 * guards the tree.
 */
#pragma once

#include "../include/mm.h"

#define AREA_TREE_HEIGHT 48u /* of any tree that fits in memory */

void area_tree_insert(struct area **root, struct area *area);
/* AREA is in the tree. */
void area_tree_remove(struct area **root, struct area *area);
/* AREA's start or end has changed; its place among the others has not. */
void area_tree_update(struct area **root, struct area *area);
/* The area that contains ADDRESS, or the first above it; 0 when there is none. */
struct area *area_tree_find(struct area *root, uint64_t address);
/* The area with the highest start below ADDRESS; 0 when there is none. */
struct area *area_tree_before(struct area *root, uint64_t address);
/* The highest place for BYTES between FLOOR and TOP where no area is; 0 when there is none. */
uint64_t area_tree_place(struct area *root, uint64_t bytes, uint64_t floor, uint64_t top);
/* Takes the whole tree apart, area by area in no particular order: the next, or 0 at the end. */
struct area *area_tree_take(struct area **root);
