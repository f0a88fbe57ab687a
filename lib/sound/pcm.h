/* A ring of samples as a program has it, and the mixer's frames (abi/holon/mixer.h) made from it, or it from them: formats, channels and
 * rates. Positions run modulo BOUNDARY, as those of ALSA do. No I/O, no allocation; a program may change its ring at any time.
 */
#pragma once

#include "resampler.h"

/* As ALSA numbers them; all little endian. */
enum pcm_format { PCM_U8 = 1, PCM_S16 = 2, PCM_S24 = 6, PCM_S32 = 10, PCM_FLOAT = 14 };
#define PCM_FORMATS (1u << PCM_U8 | 1u << PCM_S16 | 1u << PCM_S24 | 1u << PCM_S32 | 1u << PCM_FLOAT)
#define PCM_RATE    48000u /* the mixer's */

struct pcm {
	uint32_t format, rate, channels; /* of PCM_FORMATS; RESAMPLER_RATE_*; 1 or 2 */
	uint32_t frame_bytes;
	uint32_t buffer; /* frames of the ring */
	uint64_t boundary;
	uint64_t program, card; /* how far each is */
	bool capture;
	uint8_t *ring;
	struct resampler resampler;
};

uint32_t pcm_sample_bytes(uint32_t format);
/* Makes PCM begin: what is described above is set but for FRAME_BYTES, the positions and the resampler. */
void pcm_begin(struct pcm *pcm);
/* How many frames the program has put and the card not taken (or the other way, capturing). */
uint64_t pcm_held(const struct pcm *pcm);
/* Makes up to COUNT frames for the mixer, out of what is held; how many. END: nothing comes any more, so that silence follows. */
uint32_t pcm_play(struct pcm *pcm, int16_t *to, uint32_t count, bool end);
/* Puts COUNT frames of the mixer's into the ring; how many of the program's frames had no room and are lost. */
uint32_t pcm_capture(struct pcm *pcm, const int16_t *from, uint32_t count);
/* A place BY frames further. */
uint64_t pcm_move(const struct pcm *pcm, uint64_t place, uint64_t by);
