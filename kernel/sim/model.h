/* The reference model of capabilities, units and memory contents: what the system calls should do, written
 * without any of the kernel's structures, cost or slices. Used by the exploration and by random walks
 * (model_test.c).
 *
 * Two units act: the root (0) and one child of it (1), which comes and goes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <holon/syscall.h>

#define MODEL_CAPS    64
#define MODEL_OBJECTS 32
#define MODEL_PAGES   2
#define MODEL_GONE    2 /* unit: an earlier child */

struct model_cap {
	bool alive;
	unsigned unit, object;
	int parent; /* -1: none */
	uint16_t rights;
	uint64_t badge;
	handle_t handle;
};

struct model_object {
	bool alive;
	unsigned owner;
	enum object_type type;
	uint64_t page[MODEL_PAGES];
};

struct model {
	struct model_cap caps[MODEL_CAPS];
	unsigned cap_count;
	struct model_object objects[MODEL_OBJECTS];
	unsigned object_count;
	bool child;
};

/* The LAST-th youngest (0: youngest) live capability of UNIT to an object of TYPE (OBJECT_NONE: any); -1
 * none. */
int model_find(const struct model *model, unsigned unit, enum object_type type, unsigned last);
int model_object_new(struct model *model, unsigned owner, enum object_type type);
int model_cap_new(struct model *model, unsigned unit, int object, uint16_t rights, uint64_t badge, int parent,
                  handle_t handle);
void model_delete(struct model *model, int cap);
void model_revoke(struct model *model, int cap);
void model_child_dies(struct model *model);
