/* See alsa_params.h. */
#include "alsa_params.h"

#include "pcm.h"
#include <text.h>

#define MILLION    1000000u
#define ROUNDS_MAX 200u
#define RANGE_BIT  8u
enum {
	INFO_MMAP = 1,
	INFO_MMAP_VALID = 2,
	INFO_INTERLEAVED = 0x100,
	INFO_BLOCKS = 0x10000,
	INFO_PAUSE = 0x80000
};

static const struct alsa_range most[ALSA_INTERVALS] = {
    [ALSA_SAMPLE_BITS] = {8, 32, ALSA_INTEGER},
    [ALSA_FRAME_BITS] = {8, 64, ALSA_INTEGER},
    [ALSA_CHANNELS] = {1, 2, ALSA_INTEGER},
    [ALSA_RATE] = {RESAMPLER_RATE_MIN, RESAMPLER_RATE_MAX, ALSA_INTEGER},
    [ALSA_PERIOD_TIME] = {ALSA_PERIOD_TIME_MIN, 10 * MILLION, 0},
    [ALSA_PERIOD_SIZE] = {32, ALSA_BUFFER_BYTES_MAX / 2, 0},
    [ALSA_PERIOD_BYTES] = {32, ALSA_BUFFER_BYTES_MAX / 2, 0},
    [ALSA_PERIODS] = {2, ALSA_PERIODS_MAX, ALSA_INTEGER},
    [ALSA_BUFFER_TIME] = {ALSA_BUFFER_TIME_MIN, 40 * MILLION, 0},
    [ALSA_BUFFER_SIZE] = {64, ALSA_BUFFER_BYTES_MAX, ALSA_INTEGER},
    [ALSA_BUFFER_BYTES] = {64, ALSA_BUFFER_BYTES_MAX, ALSA_INTEGER},
    [ALSA_TICK_TIME] = {0, UINT32_MAX, 0},
};

/* ---- Ranges ---- */

static bool is_empty(const struct alsa_range *range)
{
	return range->flags & ALSA_EMPTY || range->min > range->max ||
	       (range->min == range->max && range->flags & (ALSA_OPEN_MIN | ALSA_OPEN_MAX));
}

/* Whole numbers have no open ends. False: there is none. */
static bool close_ends(struct alsa_range *range)
{
	if (!(range->flags & ALSA_INTEGER))
		return true;
	if (range->flags & ALSA_OPEN_MIN) {
		if (range->min == UINT32_MAX)
			return false;
		range->min++;
	}
	if (range->flags & ALSA_OPEN_MAX) {
		if (!range->max)
			return false;
		range->max--;
	}
	range->flags &= ~(uint32_t)(ALSA_OPEN_MIN | ALSA_OPEN_MAX);
	return true;
}

static void set_flag(struct alsa_range *range, uint32_t flag, bool set)
{
	range->flags = set ? range->flags | flag : range->flags & ~flag;
}

/* RANGE becomes what it and BY have in common; *CHANGED is set where that is less. False: nothing. */
static bool intersect(struct alsa_range *range, const struct alsa_range *by, bool *changed)
{
	struct alsa_range before = *range;

	if (is_empty(range) || is_empty(by))
		return false;
	if (by->min > range->min || (by->min == range->min && by->flags & ALSA_OPEN_MIN)) {
		range->min = by->min;
		set_flag(range, ALSA_OPEN_MIN, by->flags & ALSA_OPEN_MIN);
	}
	if (by->max < range->max || (by->max == range->max && by->flags & ALSA_OPEN_MAX)) {
		range->max = by->max;
		set_flag(range, ALSA_OPEN_MAX, by->flags & ALSA_OPEN_MAX);
	}
	range->flags |= by->flags & ALSA_INTEGER;
	if (range->min == range->max && !(range->flags & (ALSA_OPEN_MIN | ALSA_OPEN_MAX)))
		range->flags |= ALSA_INTEGER;
	if (!close_ends(range) || is_empty(range))
		return false;
	*changed |= memcmp(&before, range, sizeof(before)) != 0;
	return true;
}

static uint32_t at_most(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* A * B / K */
static struct alsa_range product(const struct alsa_range *a, const struct alsa_range *b, uint32_t k)
{
	uint64_t low = (uint64_t)a->min * b->min, high = (uint64_t)a->max * b->max;
	struct alsa_range range = {.min = at_most(low / k), .max = at_most(high / k + (high % k != 0))};

	set_flag(&range, ALSA_OPEN_MIN, low % k || (a->flags | b->flags) & ALSA_OPEN_MIN);
	set_flag(&range, ALSA_OPEN_MAX,
	         range.max != UINT32_MAX && (high % k || (a->flags | b->flags) & ALSA_OPEN_MAX));
	return range;
}

/* A * K / B */
static struct alsa_range quotient(const struct alsa_range *a, uint32_t k, const struct alsa_range *b)
{
	uint64_t low = (uint64_t)a->min * k, high = (uint64_t)a->max * k;
	struct alsa_range range = {.max = UINT32_MAX};

	if (b->max) {
		range.min = at_most(low / b->max);
		set_flag(&range, ALSA_OPEN_MIN,
		         low % b->max || a->flags & ALSA_OPEN_MIN || b->flags & ALSA_OPEN_MAX);
	}
	if (b->min) {
		range.max = at_most(high / b->min + (high % b->min != 0));
		set_flag(&range, ALSA_OPEN_MAX,
		         range.max != UINT32_MAX &&
		             (high % b->min || a->flags & ALSA_OPEN_MAX || b->flags & ALSA_OPEN_MIN));
	}
	return range;
}

/* ---- Relations ---- */

/* TO = A * B / K, or A * K / B. */
struct relation {
	uint8_t to, a, b;
	bool divides;
	uint32_t k;
};

static const struct relation relations[] = {
    {ALSA_FRAME_BITS, ALSA_SAMPLE_BITS, ALSA_CHANNELS, false, 1},
    {ALSA_SAMPLE_BITS, ALSA_FRAME_BITS, ALSA_CHANNELS, true, 1},
    {ALSA_CHANNELS, ALSA_FRAME_BITS, ALSA_SAMPLE_BITS, true, 1},
    {ALSA_PERIOD_SIZE, ALSA_PERIOD_TIME, ALSA_RATE, false, MILLION},
    {ALSA_PERIOD_TIME, ALSA_PERIOD_SIZE, ALSA_RATE, true, MILLION},
    {ALSA_RATE, ALSA_PERIOD_SIZE, ALSA_PERIOD_TIME, true, MILLION},
    {ALSA_PERIOD_BYTES, ALSA_PERIOD_SIZE, ALSA_FRAME_BITS, false, 8},
    {ALSA_PERIOD_SIZE, ALSA_PERIOD_BYTES, ALSA_FRAME_BITS, true, 8},
    {ALSA_FRAME_BITS, ALSA_PERIOD_BYTES, ALSA_PERIOD_SIZE, true, 8},
    {ALSA_BUFFER_SIZE, ALSA_BUFFER_TIME, ALSA_RATE, false, MILLION},
    {ALSA_BUFFER_TIME, ALSA_BUFFER_SIZE, ALSA_RATE, true, MILLION},
    {ALSA_RATE, ALSA_BUFFER_SIZE, ALSA_BUFFER_TIME, true, MILLION},
    {ALSA_BUFFER_BYTES, ALSA_BUFFER_SIZE, ALSA_FRAME_BITS, false, 8},
    {ALSA_BUFFER_SIZE, ALSA_BUFFER_BYTES, ALSA_FRAME_BITS, true, 8},
    {ALSA_FRAME_BITS, ALSA_BUFFER_BYTES, ALSA_BUFFER_SIZE, true, 8},
    {ALSA_PERIODS, ALSA_BUFFER_SIZE, ALSA_PERIOD_SIZE, true, 1},
    {ALSA_BUFFER_SIZE, ALSA_PERIOD_SIZE, ALSA_PERIODS, false, 1},
    {ALSA_PERIOD_SIZE, ALSA_BUFFER_SIZE, ALSA_PERIODS, true, 1},
};

static bool range_cut(struct alsa_params *params, unsigned which, const struct alsa_range *by, bool *any)
{
	bool changed = false;

	if (!intersect(&params->ranges[which], by, &changed))
		return false;
	if (changed)
		params->changed |= 1u << (RANGE_BIT + which);
	*any |= changed;
	return true;
}

static bool mask_cut(struct alsa_params *params, unsigned which, uint32_t by, bool *any)
{
	struct alsa_bits *mask = &params->masks[which];
	bool changed = mask->words[0] & ~by;

	mask->words[0] &= by;
	for (unsigned i = 1; i < 8; i++) {
		changed |= mask->words[i] != 0;
		mask->words[i] = 0;
	}
	if (changed)
		params->changed |= 1u << which;
	*any |= changed;
	return mask->words[0];
}

/* Formats and the bits of a sample. */
static bool formats_cut(struct alsa_params *params, bool *any)
{
	struct alsa_range bits = {.min = UINT32_MAX};
	const struct alsa_range *range = &params->ranges[ALSA_SAMPLE_BITS];
	uint32_t good = 0;

	for (uint32_t format = 0; format < 32; format++) {
		uint32_t own = 8 * pcm_sample_bytes(format);
		if (!(params->masks[ALSA_FORMAT].words[0] & PCM_FORMATS & 1u << format) || own < range->min ||
		    own > range->max)
			continue;
		good |= 1u << format;
		bits.min = own < bits.min ? own : bits.min;
		bits.max = own > bits.max ? own : bits.max;
	}
	return mask_cut(params, ALSA_FORMAT, good, any) && range_cut(params, ALSA_SAMPLE_BITS, &bits, any);
}

static bool relations_cut(struct alsa_params *params, bool *any)
{
	for (unsigned i = 0; i < sizeof(relations) / sizeof(*relations); i++) {
		const struct relation *relation = &relations[i];
		const struct alsa_range *a = &params->ranges[relation->a], *b = &params->ranges[relation->b];
		struct alsa_range by =
		    relation->divides ? quotient(a, relation->k, b) : product(a, b, relation->k);
		if (!range_cut(params, relation->to, &by, any))
			return false;
	}
	return true;
}

static void describe(struct alsa_params *params)
{
	const struct alsa_range *rate = &params->ranges[ALSA_RATE], *bits = &params->ranges[ALSA_SAMPLE_BITS];

	params->info = INFO_MMAP | INFO_MMAP_VALID | INFO_INTERLEAVED | INFO_BLOCKS | INFO_PAUSE;
	params->fifo_frames = 0;
	params->bits = bits->min == bits->max ? bits->min : 0;
	params->rate_numerator = rate->min == rate->max ? rate->min : 0;
	params->rate_denominator = rate->min == rate->max;
}

bool alsa_refine(struct alsa_params *params)
{
	bool any = true;

	params->changed = 0;
	if (!mask_cut(params, ALSA_ACCESS, 1u << ALSA_MMAP_INTERLEAVED | 1u << ALSA_RW_INTERLEAVED, &any) ||
	    !mask_cut(params, ALSA_FORMAT, PCM_FORMATS, &any) || !mask_cut(params, ALSA_SUBFORMAT, 1, &any))
		return false;
	for (unsigned i = 0; i < ALSA_INTERVALS; i++)
		if (!range_cut(params, i, &most[i], &any))
			return false;
	/* Ranges of real numbers could come closer to each other for ever. */
	for (unsigned rounds = 0; any && rounds < ROUNDS_MAX; rounds++) {
		any = false;
		if (!formats_cut(params, &any) || !relations_cut(params, &any))
			return false;
	}
	describe(params);
	return true;
}

uint32_t alsa_first(const struct alsa_params *params, enum alsa_mask which)
{
	for (uint32_t i = 0; i < 256; i++)
		if (params->masks[which].words[i / 32] >> i % 32 & 1)
			return i;
	return 256;
}

/* Leaves the lowest, or the highest, of a range. */
static void leave_one(struct alsa_range *range, bool highest)
{
	if (highest) {
		range->min = range->max - (range->flags & ALSA_OPEN_MAX ? 1 : 0);
		set_flag(range, ALSA_OPEN_MIN, range->flags & ALSA_OPEN_MAX);
	} else {
		range->max = range->min + (range->flags & ALSA_OPEN_MIN ? 1 : 0);
		set_flag(range, ALSA_OPEN_MAX, range->flags & ALSA_OPEN_MIN);
	}
}

bool alsa_choose(struct alsa_params *params)
{
	static const struct {
		uint8_t which;
		bool highest;
	} order[] = {{ALSA_CHANNELS, false},
	             {ALSA_RATE, false},
	             {ALSA_PERIOD_TIME, false},
	             {ALSA_BUFFER_SIZE, true},
	             {ALSA_TICK_TIME, false}};

	if (!alsa_refine(params))
		return false;
	for (unsigned i = 0; i < ALSA_MASKS; i++) {
		params->masks[i].words[0] = 1u << alsa_first(params, i);
		if (!alsa_refine(params))
			return false;
	}
	for (unsigned i = 0; i < sizeof(order) / sizeof(*order); i++) {
		leave_one(&params->ranges[order[i].which], order[i].highest);
		if (!alsa_refine(params))
			return false;
	}
	return true;
}
