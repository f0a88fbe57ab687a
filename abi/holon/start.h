/* What a native program finds at its start: RDI points to a struct start_info in a read-only page of its own
 * space.
 *
 * The first unit gets struct handoff (handoff.h) instead. Capabilities are found by name; a program asks
 * for what its manifest entry or its creator gave it and for nothing else.
 */
#pragma once

#include "types.h"

#define START_MAGIC          0x545241545321ull
#define START_VERSION        2
#define START_CAPS_MAX       48
#define START_ARGUMENTS_SIZE 1024

struct start_capability {
	char name[24];   /* "console", "image", "budget0", ...; NUL terminated, "" ends the list */
	handle_t handle; /* in this unit's table */
	uint64_t value;  /* what goes with it: a memory object's bytes, a budget's CPU, else 0 */
};

struct start_info {
	uint64_t magic;
	uint32_t version;
	uint32_t size;                /* sizeof(struct start_info) */
	handle_t unit, space, thread; /* the program's own */
	uint64_t cpu_count;
	uint64_t free_base; /* native addresses from here to NATIVE_END are unused */
	/* Random numbers of this unit's alone, by which it places what it maps, and the units that it starts; all 0: its creator had none,
	 * and it lies where it was linked. No seed for keys. */
	uint64_t places[4];
	struct start_capability caps[START_CAPS_MAX];
	char arguments[START_ARGUMENTS_SIZE]; /* words, each NUL terminated; an empty word ends them */
};
_Static_assert(sizeof(struct start_info) <= 4096, "start info is one page");
