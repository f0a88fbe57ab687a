/* The hardware parameters of ALSA (struct snd_pcm_hw_params of the Linux API, include/uapi/sound/asound.h): which formats, rates and sizes
 * go together. A program hands over what it can do, and has it cut down to what the device can do as well: the intersection
 * of both under the relations between the parameters (docs "Writing an ALSA Driver", constraints). No I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum alsa_mask { ALSA_ACCESS, ALSA_FORMAT, ALSA_SUBFORMAT, ALSA_MASKS };
enum alsa_interval {
	ALSA_SAMPLE_BITS,
	ALSA_FRAME_BITS,
	ALSA_CHANNELS,
	ALSA_RATE,
	ALSA_PERIOD_TIME, /* microseconds */
	ALSA_PERIOD_SIZE, /* frames */
	ALSA_PERIOD_BYTES,
	ALSA_PERIODS,
	ALSA_BUFFER_TIME,
	ALSA_BUFFER_SIZE,
	ALSA_BUFFER_BYTES,
	ALSA_TICK_TIME,
	ALSA_INTERVALS
};
enum { ALSA_MMAP_INTERLEAVED = 0, ALSA_RW_INTERLEAVED = 3 };

struct alsa_bits {
	uint32_t words[8];
};

/* From MIN to MAX, without themselves where OPEN; INTEGER: whole numbers alone. */
struct alsa_range {
	uint32_t min, max;
	uint32_t flags; /* enum alsa_range_flag */
};
enum alsa_range_flag { ALSA_OPEN_MIN = 1, ALSA_OPEN_MAX = 2, ALSA_INTEGER = 4, ALSA_EMPTY = 8 };

struct alsa_params {
	uint32_t flags;
	struct alsa_bits masks[ALSA_MASKS];
	struct alsa_bits masks_reserved[5];
	struct alsa_range ranges[ALSA_INTERVALS];
	struct alsa_range ranges_reserved[9];
	uint32_t wanted, changed; /* bits of parameters: masks from 0 on, ranges from 8 on */
	uint32_t info, bits, rate_numerator, rate_denominator;
	uint64_t fifo_frames;
	uint8_t reserved[64];
};
_Static_assert(sizeof(struct alsa_params) == 608, "struct snd_pcm_hw_params");

#define ALSA_BUFFER_BYTES_MAX (256u << 10)
#define ALSA_BUFFER_TIME_MIN  42667u /* four of the mixer's periods, */
#define ALSA_PERIOD_TIME_MIN  10667u /* and one */
#define ALSA_PERIODS_MAX      1024u

/* Cuts PARAMS down to what can be. False: nothing is left. */
bool alsa_refine(struct alsa_params *params);
/* The same, and chooses one value of each. */
bool alsa_choose(struct alsa_params *params);
static inline uint32_t alsa_value(const struct alsa_params *params, enum alsa_interval which)
{
	return params->ranges[which].min;
}
/* The lowest bit of a mask; 256: none. */
uint32_t alsa_first(const struct alsa_params *params, enum alsa_mask which);
