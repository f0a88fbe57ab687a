/* A stream of sound between a client and the mixer (abi/mixer.interface): a page that says how far both are, and MIXER_FRAMES frames
 * behind it, 48 kHz, 16 bits, left and right, round which both go. All of it is the client's.
 *
 * A position counts frames modulo 2^32; the frame is at position % MIXER_FRAMES. Each side owns its position, and believes no more of the
 * other's than can be. Whoever plays puts and the mixer takes, whoever captures takes and the mixer puts.
 */
#pragma once

#include <stdint.h>

#define MIXER_FRAMES      8192u /* 171 ms; a power of two */
#define MIXER_PERIOD      512u  /* frames that are taken or put at once */
#define MIXER_HEAD_BYTES  4096u
#define MIXER_BYTES       (MIXER_HEAD_BYTES + MIXER_FRAMES * 4u)
#define MIXER_BADGE_GIVEN (1ull << 40) /* of those that give() made, beside the caller's number */
#define MIXER_VOLUME_ONE  256u         /* as loud as it was put; the most there is */

struct mixer_ring {
	volatile uint32_t client; /* the client's position */
	volatile uint32_t ends;   /* the client's: not 0: nothing comes behind what is there */
	uint32_t reserved0[14];
	volatile uint32_t server; /* the mixer's position, */
	volatile uint32_t heard;  /* and how far the card is */
	volatile uint32_t missed; /* frames of silence in the midst of it: the client was late */
	volatile uint32_t lost;   /* captured, and there was no room */
	volatile uint32_t hungry; /* the mixer waits: signal it when there is more */
	uint32_t reserved1[11];
};

_Static_assert(sizeof(struct mixer_ring) == 128, "mixer_ring is fixed");
