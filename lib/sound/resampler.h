/* From one rate to another: band-limited interpolation (J. O. Smith, "Digital Audio Resampling", 1984-2020) with the kernel that
 * make-kernel computes. Samples are integers of 24 bits, two channels; no floating point, since the personality has none.
 *
 * Between 8 and 192 kHz a sine within 0.8 of half the lower rate comes out with all errors together at least 85 dB below it, and what is above
 * that half is 95 dB lower (pcm_test.c measures it). The same rates pass samples unchanged.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RESAMPLER_RATE_MIN 8000u
#define RESAMPLER_RATE_MAX 192000u
#define KERNEL_ZEROS       24
#define KERNEL_STEPS       256
#define KERNEL_BITS        22
#define RESAMPLER_HELD     2048u /* a power of two; more than 2 * KERNEL_ZEROS * 192 / 8 */

struct resampler {
	uint32_t in, out; /* frames a second */
	uint32_t phase;   /* the next output stands phase / out behind input frame AT */
	uint32_t at, put; /* frames, modulo 2^32 */
	uint32_t reach;   /* frames on each side that an output is made from */
	uint64_t step;    /* of the kernel from one input to the next, 20 bits after the point */
	int32_t held[RESAMPLER_HELD][2];
};

void resampler_init(struct resampler *resampler, uint32_t in, uint32_t out);
/* Whether a frame must be put before the next can be taken. */
static inline bool resampler_wants(const struct resampler *resampler)
{
	return (int32_t)(resampler->put - resampler->at) <= (int32_t)resampler->reach;
}
void resampler_put(struct resampler *resampler, const int32_t frame[2]);
void resampler_take(struct resampler *resampler, int32_t frame[2]);

extern const int32_t resampler_kernel[KERNEL_ZEROS * KERNEL_STEPS + 2] __attribute__((visibility("hidden")));
