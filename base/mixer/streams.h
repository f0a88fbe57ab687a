/* What is played and captured at once: adding the streams of abi/holon/mixer.h. No I/O, no allocation.
 *
 * A period is mixed when all that play have one, or when it is needed: who is late then is silent for it, and is waited for no more
 * until it has a period again. So a client is given all the time there is, and none holds up others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <holon/mixer.h>
#include <holon/sound.h>

#define STREAMS_MAX       64u
#define STREAMS_OF_CALLER 8u
#define PERIOD_BYTES      (MIXER_PERIOD * SOUND_FRAME_BYTES)

_Static_assert(PERIOD_BYTES == SOUND_PERIOD_BYTES, "the card's periods");

struct stream_of {
	bool open, playing; /* else it captures */
	bool begun, late;   /* frames have come; the last period was not whole */
	bool moved;         /* the client is to be told */
	bool wrong;         /* its position cannot be: to be dropped */
	uint64_t caller;
	uint64_t end; /* byte of the card behind the last that was of this stream */
	uint32_t server, heard;
	uint32_t volume[2];
	struct mixer_ring *ring;
	int16_t *samples;
};

struct streams {
	struct stream_of table[STREAMS_MAX];
};

/* The place of a new stream, or -1: there is none for CALLER. */
int streams_place(const struct streams *streams, uint64_t caller);
/* A stream at that place, on RING, which has MIXER_BYTES: from where the client is now. */
void streams_open(struct streams *streams, int place, uint64_t caller, bool playing, void *ring);
void stream_volume(struct stream_of *stream, uint32_t left, uint32_t right);
/* Whether some stream has something to play. */
bool streams_sound(const struct streams *streams);
/* Whether all that play have a period, and some do. */
bool streams_ready(struct streams *streams);
/* Mixes a period to TO, which the card plays from its byte AT on. False: it is silence. */
bool streams_mix(struct streams *streams, int16_t to[2 * MIXER_PERIOD], uint64_t at);
/* The card has played up to its byte AT. */
void streams_heard(struct streams *streams, uint64_t at);
/* What the card captured: COUNT frames, at most MIXER_PERIOD. */
void streams_captured(struct streams *streams, const int16_t *frames, uint32_t count);
