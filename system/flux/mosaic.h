/* A mosaic as its own files see it: mosaic.c, mosaic_methods.c. */
#ifndef FLUX_MOSAIC_H
#define FLUX_MOSAIC_H

#include "facts.h"

struct mosaic {
	struct object object;
	struct facts *facts;
	struct string *name;
	struct keeper *keeper; /* of one that lasts, or NULL */
};

struct cursor {
	struct object object;
	struct mosaic *mosaic;
	value key;
};

/* Who is told of changes: NULL if nobody is, as on a branch, whose changes are written when they are merged. */
struct keeper *mosaic_keeper(struct vm *vm, struct mosaic *m);
/* The collector's barrier: after a value was stored in a fact. */
void mosaic_keep_value(struct vm *vm, struct mosaic *m, value v);
/* Adds a fact; its place. At the limit another is forgotten for it. The keeper is not told. */
uint32_t mosaic_add(struct vm *vm, struct mosaic *m, const struct fact *fact);

#endif
