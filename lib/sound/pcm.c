/* See pcm.h. */
#include "pcm.h"

#include <text.h>

#define FULL 0x800000 /* 1.0 of samples of 24 bits */

uint32_t pcm_sample_bytes(uint32_t format)
{
	return format == PCM_U8 ? 1 : format == PCM_S16 ? 2 : 4;
}

static int32_t held_to_24(int64_t value)
{
	return (int32_t)(value >= FULL ? FULL - 1 : value < -FULL ? -FULL : value);
}

/* IEEE 754, single, by its bits: 1.0 is FULL. */
static int32_t from_float(uint32_t bits)
{
	uint32_t exponent = bits >> 23 & 0xff;
	int64_t value = (bits & 0x7fffff) | 0x800000;

	if (exponent == 255 && bits & 0x7fffff)
		return 0; /* no number */
	value = exponent >= 127 ? FULL : 127 - exponent > 31 ? 0 : value >> (127 - exponent);
	return held_to_24(bits >> 31 ? -value : value);
}

static uint32_t to_float(int32_t sample)
{
	uint32_t value = sample < 0 ? 0u - (uint32_t)sample : (uint32_t)sample, exponent = 127;

	if (!value)
		return 0;
	while (!(value & FULL)) {
		value <<= 1;
		exponent--;
	}
	return (sample < 0 ? 1u << 31 : 0) | exponent << 23 | (value & 0x7fffff);
}

static int32_t sample_get(uint32_t format, const uint8_t *from)
{
	uint32_t word = 0;

	memcpy(&word, from, pcm_sample_bytes(format));
	switch (format) {
	case PCM_U8:
		return ((int32_t)word - 128) * (1 << 16);
	case PCM_S16:
		return (int16_t)word * (1 << 8);
	case PCM_S24:
		return (int32_t)(word << 8) / (1 << 8);
	case PCM_S32:
		return (int32_t)word >> 8;
	default:
		return from_float(word);
	}
}

static void sample_put(uint32_t format, uint8_t *to, int32_t sample)
{
	uint32_t word;

	switch (format) {
	case PCM_U8:
		word = (uint32_t)((sample >> 16) + 128);
		break;
	case PCM_S16:
		word = (uint32_t)(sample >> 8);
		break;
	case PCM_S24:
		word = (uint32_t)sample;
		break;
	case PCM_S32:
		word = (uint32_t)sample << 8;
		break;
	default:
		word = to_float(sample);
		break;
	}
	memcpy(to, &word, pcm_sample_bytes(format));
}

void pcm_begin(struct pcm *pcm)
{
	pcm->frame_bytes = pcm_sample_bytes(pcm->format) * pcm->channels;
	pcm->program = pcm->card = 0;
	resampler_init(&pcm->resampler, pcm->capture ? PCM_RATE : pcm->rate,
	               pcm->capture ? pcm->rate : PCM_RATE);
}

uint64_t pcm_move(const struct pcm *pcm, uint64_t place, uint64_t by)
{
	place += by;
	return place >= pcm->boundary ? place - pcm->boundary : place;
}

uint64_t pcm_held(const struct pcm *pcm)
{
	uint64_t to = pcm->capture ? pcm->card : pcm->program, from = pcm->capture ? pcm->program : pcm->card;

	return to >= from ? to - from : to + pcm->boundary - from;
}

static uint8_t *frame_at(const struct pcm *pcm, uint64_t place)
{
	return pcm->ring + place % pcm->buffer * pcm->frame_bytes;
}

static int16_t rounded(int32_t sample)
{
	int64_t value = ((int64_t)sample + (1 << 7)) >> 8;

	return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

uint32_t pcm_play(struct pcm *pcm, int16_t *to, uint32_t count, bool end)
{
	uint64_t held = pcm_held(pcm);
	uint32_t done = 0;
	int32_t frame[2];

	while (done < count) {
		if (resampler_wants(&pcm->resampler)) {
			if (!held && !end)
				break;
			frame[0] = frame[1] = 0;
			if (held) {
				const uint8_t *from = frame_at(pcm, pcm->card);
				frame[0] = sample_get(pcm->format, from);
				frame[1] = pcm->channels == 2
				               ? sample_get(pcm->format, from + pcm->frame_bytes / 2)
				               : frame[0];
				pcm->card = pcm_move(pcm, pcm->card, 1);
				held--;
			}
			resampler_put(&pcm->resampler, frame);
			continue;
		}
		resampler_take(&pcm->resampler, frame);
		to[2 * done] = rounded(frame[0]);
		to[2 * done++ + 1] = rounded(frame[1]);
	}
	return done;
}

uint32_t pcm_capture(struct pcm *pcm, const int16_t *from, uint32_t count)
{
	uint64_t held = pcm_held(pcm);
	uint32_t lost = 0;

	for (uint32_t i = 0; i < count; i++) {
		int32_t frame[2] = {from[2 * i] * (1 << 8), from[2 * i + 1] * (1 << 8)};
		resampler_put(&pcm->resampler, frame);
		while (!resampler_wants(&pcm->resampler)) {
			resampler_take(&pcm->resampler, frame);
			if (held == pcm->buffer) {
				lost++;
				continue;
			}
			uint8_t *to = frame_at(pcm, pcm->card);
			if (pcm->channels == 1)
				frame[0] = (frame[0] + frame[1]) / 2;
			for (unsigned side = 0; side < pcm->channels; side++)
				sample_put(pcm->format, to + side * pcm->frame_bytes / pcm->channels,
				           held_to_24(frame[side]));
			pcm->card = pcm_move(pcm, pcm->card, 1);
			held++;
		}
	}
	return lost;
}
