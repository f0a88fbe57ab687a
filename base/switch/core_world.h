/* The small world that the tests of the core have in common: what it sends, and a reference that computes all sums
 * anew. */
#pragma once

#include "core.h"

/* What was sent by the switch itself, last. */
struct core_own {
	unsigned port, count;
	uint32_t bytes;
	uint8_t frame[CORE_WHOLE];
};
extern struct core_own own;
extern struct core core;
extern int failures;
extern const uint8_t card[6], router_mac[6], inside_mac[6];
extern const struct address router6;

#define OWN    0x0a00020fu
#define ROUTER 0x0a000202u

void check(const char *name, bool right);
/* Begins anew, with a card that is there. */
void world_begin(void);
/* The same, with addresses (OWN for IPv4) and routers outside, for good. */
void world_connected(void);
/* Gives FRAME to the core as the native part does, and leaves in it what goes on. */
int give(unsigned port, uint8_t *frame, uint32_t bytes);
bool sums_right(const uint8_t *frame);
int link_new(uint32_t mode, const struct switch_allowed *allowed, unsigned count, uint64_t parent);
