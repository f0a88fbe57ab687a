/*
 * The facts of one (subject, relation) in the order of their times: a balanced tree (AVL) by from_ns, then number, whose
 * links and sums lie in the facts themselves, so that copies share it as they share pages.
 */
#ifndef FLUX_SERIES_H
#define FLUX_SERIES_H

#include "facts.h"

/* Each gives the tree's new root; NONE is an empty tree. */
uint32_t series_add(struct vm *vm, struct facts *f, uint32_t root, uint32_t place);
uint32_t series_remove(struct vm *vm, struct facts *f, uint32_t root, uint32_t place);
/* After the end, the uses or the weight of a fact have changed. */
void series_changed(struct vm *vm, struct facts *f, uint32_t root, uint32_t place);
/* Of those that hold at a time: the one of the greatest weight, the first written among equals; or NONE. */
uint32_t series_heaviest(struct facts *f, uint32_t root, int64_t at);
/* Of those that hold now: the one that is remembered best, and how well; or NONE. */
uint32_t series_recall(struct facts *f, uint32_t root, int64_t now, double *score);
/* Those that end after `from` and begin until `to`, in the order of their beginnings: an array to be freed. */
uint32_t *series_during(struct facts *f, uint32_t root, int64_t from, int64_t to, uint32_t *count);

#endif
