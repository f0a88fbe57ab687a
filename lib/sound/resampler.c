/* See resampler.h. */
#include "resampler.h"

#include <text.h>

#define POINT 20

void resampler_init(struct resampler *resampler, uint32_t in, uint32_t out)
{
	memset(resampler, 0, sizeof(*resampler));
	resampler->in = in;
	resampler->out = out;
	uint32_t lower = in < out ? in : out;
	resampler->step = ((uint64_t)KERNEL_STEPS << POINT) * lower / in;
	resampler->reach = in == out ? 0 : (uint32_t)(((uint64_t)KERNEL_ZEROS * in + lower - 1) / lower);
}

void resampler_put(struct resampler *resampler, const int32_t frame[2])
{
	int32_t *held = resampler->held[resampler->put++ % RESAMPLER_HELD];

	held[0] = frame[0];
	held[1] = frame[1];
}

static int32_t kernel_at(uint64_t place)
{
	uint32_t index = (uint32_t)(place >> POINT);
	int64_t part = (int64_t)(place & ((1u << POINT) - 1));
	int64_t first = resampler_kernel[index], second = resampler_kernel[index + 1];

	return (int32_t)(first + (((second - first) * part) >> POINT));
}

static void add(const struct resampler *resampler, uint32_t frame, uint64_t place, int64_t sum[2])
{
	int64_t factor = kernel_at(place);
	const int32_t *held = resampler->held[frame % RESAMPLER_HELD];

	sum[0] += factor * held[0];
	sum[1] += factor * held[1];
}

void resampler_take(struct resampler *resampler, int32_t frame[2])
{
	const uint64_t end = (uint64_t)KERNEL_ZEROS * KERNEL_STEPS << POINT;
	uint64_t behind = resampler->step * resampler->phase / resampler->out;
	int64_t sum[2] = {0, 0};

	if (resampler->in == resampler->out) {
		memcpy(frame, resampler->held[resampler->at++ % RESAMPLER_HELD], 2 * sizeof(*frame));
		return;
	}
	uint32_t before = resampler->at, after = resampler->at + 1;
	for (uint64_t place = behind; place < end; place += resampler->step)
		add(resampler, before--, place, sum);
	for (uint64_t place = resampler->step - behind; place < end; place += resampler->step)
		add(resampler, after++, place, sum);
	/* A kernel that is stretched sums up to as many times more. */
	for (unsigned i = 0; i < 2; i++)
		frame[i] = (int32_t)((sum[i] >> (KERNEL_BITS - 8)) *
		                         (int64_t)(resampler->step >> (POINT - 8)) / (KERNEL_STEPS << 8) >>
		                     8);
	resampler->phase += resampler->in;
	resampler->at += resampler->phase / resampler->out;
	resampler->phase %= resampler->out;
}
