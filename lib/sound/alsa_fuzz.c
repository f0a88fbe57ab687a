/* Fuzzes the hardware parameters of programs: what is left of the ranges is no more than was asked for, and what is chosen is one value each
 * that fit together. */
#include <stdbool.h>
#include <stdlib.h>
#include "alsa_params.h"
#include "fuzz_input.h"
#include "pcm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct alsa_params params, first;
	uint8_t kind;

	input = data;
	left = bytes;
	take(&kind, 1);
	memset(&params, 0xff, sizeof(params));
	for (unsigned i = 0; i < ALSA_INTERVALS; i++)
		params.ranges[i] = (struct alsa_range){.max = UINT32_MAX};
	if (kind & 1) {
		take(&params, sizeof(params));
	} else {
		for (unsigned i = 0; i < ALSA_INTERVALS; i++) {
			uint16_t low, wide;
			uint8_t flags;
			take(&flags, 1);
			if (!(flags & 0x80))
				continue;
			take(&low, 2);
			take(&wide, 2);
			params.ranges[i] =
			    (struct alsa_range){.min = low, .max = (uint32_t)low + wide, .flags = flags & 7};
		}
	}
	first = params;
	if (!alsa_refine(&params))
		return 0;
	for (unsigned i = 0; i < ALSA_INTERVALS; i++)
		if (params.ranges[i].min < first.ranges[i].min ||
		    params.ranges[i].max > first.ranges[i].max || params.ranges[i].min > params.ranges[i].max)
			abort();
	if (!alsa_choose(&params))
		return 0;
	uint32_t format = alsa_first(&params, ALSA_FORMAT), channels = alsa_value(&params, ALSA_CHANNELS),
	         rate = alsa_value(&params, ALSA_RATE), buffer = alsa_value(&params, ALSA_BUFFER_SIZE),
	         frame = alsa_value(&params, ALSA_FRAME_BITS) / 8;
	if (!(PCM_FORMATS >> format & 1) || channels < 1 || channels > 2 || rate < RESAMPLER_RATE_MIN ||
	    rate > RESAMPLER_RATE_MAX || !buffer || frame != channels * pcm_sample_bytes(format) ||
	    (uint64_t)buffer * frame > ALSA_BUFFER_BYTES_MAX ||
	    params.ranges[ALSA_BUFFER_SIZE].max != buffer || !alsa_value(&params, ALSA_PERIOD_SIZE) ||
	    alsa_value(&params, ALSA_PERIOD_SIZE) > buffer)
		abort();
	return 0;
}
