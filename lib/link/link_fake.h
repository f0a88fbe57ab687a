/* A wire between two links in memory, for tests of whoever is a link's client: what one end sends arrives at
 * the other. It plays the server at both ends, copies like the switch, and can lose frames. */
#pragma once

#include "link_ring.h"

struct link_fake_end {
	struct link_server server;
	uint8_t *data; /* the client's data object */
};

/* Carries all frames that END has sent over to OTHER; of those with a number n where n % LOSE == 0 none (0: all
 * arrive). Pieces stay as they are cut. Returns how many frames arrived; *WAKE, *WAKE_OTHER: signal the client
 * there. */
uint32_t link_fake_carry(struct link_fake_end *end, struct link_fake_end *other, uint32_t lose, bool *wake,
                         bool *wake_other);
