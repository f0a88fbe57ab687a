/* How far a sound card is in a ring that it goes round for ever. Cards tell a place in the ring, some of them wrongly: what is taken from
 * that never goes back and never faster than time does. No I/O. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sound_position {
	uint32_t ring_bytes, bytes_a_second; /* the ring: a power of two */
	uint64_t total;                      /* bytes since the start */
	uint64_t since;                      /* ns: the last step */
	uint64_t jumps;                      /* places that cannot be */
};

void sound_position_start(struct sound_position *position, uint32_t ring_bytes, uint32_t bytes_a_second,
                          uint64_t now);
/* The card says that it is AT, bytes from the ring's first, at the time NOW (ns). False: it is where it was. */
bool sound_position_take(struct sound_position *position, uint32_t at, uint64_t now);
