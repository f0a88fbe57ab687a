/* Stacks for tests: two hosts on one simulated wire with delay, loss, reordering and duplication from a seed,
 * and a clock that jumps from event to event. */
#pragma once

#include "internal.h"

enum { WIRE_MAX = 8192 };

extern size_t test_arena_bytes; /* of each host's arena, set before wire_init */

struct wire_faults {
	uint32_t loss, reorder, duplicate; /* of 10,000 */
	uint64_t delay_ns;
	uint32_t rate; /* bytes a ms; 0: endless */
};

struct test_host {
	struct net *net;
	struct net_link *link, *loopback;
	void *arena;
	struct test_wire *wire;
	unsigned side;
};

struct test_wire {
	struct test_host host[2];
	struct wire_faults faults;
	uint64_t now, seed;
	uint64_t free_at[2]; /* when the line of each direction is free */
	struct wire_frame {
		uint64_t at;
		unsigned to;
		size_t count;
		uint8_t *bytes;
	} frames[WIRE_MAX];
	unsigned count;
	uint64_t sent, lost;
	void (*watch)(struct test_wire *wire, unsigned from, const uint8_t *frame, size_t count);
};

/* Hosts 10.0.0.1 and 10.0.0.2 (fd00::1, fd00::2) on a link of KIND. */
void wire_init(struct test_wire *wire, enum net_link_kind kind, enum net_profile profile, uint64_t seed);
void wire_free(struct test_wire *wire);
uint64_t wire_random(struct test_wire *wire);
/* Runs until UNTIL (ns since the start), or until nothing is left to happen; false then. */
bool wire_run(struct test_wire *wire, uint64_t until);
/* One event: the next frame or timer. False: nothing is left. */
bool wire_step(struct test_wire *wire);
/* PIECE arrives at host TO now. */
void frame_to(struct test_wire *wire, unsigned to, const struct net_piece *piece);
struct net_endpoint test_endpoint(unsigned side, bool ipv6, uint16_t port);
