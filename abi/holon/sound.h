/* What a sound card's driver and the mixer share (abi/sound.interface). A direction is a ring of samples, which the card reads or writes
 * itself, and goes round it until it is stopped: the mixer keeps ahead of it. Both memory objects are the mixer's.
 *
 * The head is a page where the driver tells how far the card is. The driver has judged that: it never goes back, nor faster than
 * samples can be.
 */
#pragma once

#include <stdint.h>

#define SOUND_RATE         48000u /* frames a second: two samples of 16 bits, signed, left and right */
#define SOUND_FRAME_BYTES  4u
#define SOUND_PERIOD_BYTES 2048u /* after each of which the driver tells: 10.7 ms */
#define SOUND_PERIODS      32u
#define SOUND_RING_BYTES   (SOUND_PERIODS * SOUND_PERIOD_BYTES)

enum sound_direction { SOUND_PLAY = 0, SOUND_CAPTURE = 1, SOUND_DIRECTIONS = 2 };

struct sound_head {
	volatile uint64_t position; /* bytes that went through since start(), a multiple of a frame's */
	volatile uint64_t jumps;    /* times that the card told a position that cannot be */
};

struct sound_description {
	uint32_t directions; /* a bit each, 1 << enum sound_direction */
	uint32_t reserved;
	char name[32]; /* NUL-ended, for people */
};

_Static_assert(sizeof(struct sound_description) == 40, "sound_description is fixed");
