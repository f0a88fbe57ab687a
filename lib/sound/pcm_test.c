/* Formats, rates and channels: what goes through unchanged, and how good the resampler is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pcm.h"
#include "position.h"

#define FRAMES 4096u
static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok sound: %s\n" : "not ok sound: %s - see the check of this name\n", name);
	failures += !right;
}

static struct pcm *begin(uint32_t format, uint32_t rate, uint32_t channels, bool capture)
{
	struct pcm *pcm = calloc(1, sizeof(*pcm));

	pcm->format = format;
	pcm->rate = rate;
	pcm->channels = channels;
	pcm->buffer = FRAMES;
	pcm->boundary = (uint64_t)FRAMES << 20;
	pcm->capture = capture;
	pcm->ring = calloc(FRAMES, pcm_sample_bytes(format) * (size_t)channels);
	pcm_begin(pcm);
	return pcm;
}

static void end(struct pcm *pcm)
{
	free(pcm->ring);
	free(pcm);
}

/* Samples of 16 bits in some format. */
static void put16(const struct pcm *pcm, uint32_t index, int16_t value)
{
	uint8_t *at = pcm->ring + (size_t)index * pcm_sample_bytes(pcm->format);
	int32_t wide;
	float real;

	switch (pcm->format) {
	case PCM_U8:
		*at = (uint8_t)((value >> 8) + 128);
		break;
	case PCM_S16:
		memcpy(at, &value, 2);
		break;
	case PCM_S24:
		wide = value * 256;
		memcpy(at, &wide, 4);
		break;
	case PCM_S32:
		wide = value * 65536;
		memcpy(at, &wide, 4);
		break;
	default:
		real = (float)value / 32768;
		memcpy(at, &real, 4);
		break;
	}
}

/* The mixer's rate: every sample comes out as it went in, both ways, whatever the format. */
static bool unchanged(uint32_t format, uint32_t channels)
{
	struct pcm *pcm = begin(format, PCM_RATE, channels, false),
	           *back = begin(format, PCM_RATE, channels, true);
	int16_t out[2 * 1000];
	bool right = true;

	for (uint32_t i = 0; i < 1000 * channels; i++)
		put16(pcm, i, (int16_t)((int)(i * 7919 % 65536) - 32768));
	pcm->program = 1000;
	right = pcm_play(pcm, out, 300, false) == 300 && pcm_held(pcm) == 700 &&
	        pcm_play(pcm, out + 600, 1000, false) == 700 && !pcm_held(pcm);
	for (uint32_t i = 0; i < 1000; i++)
		for (uint32_t side = 0; side < 2; side++) {
			int16_t value =
			    (int16_t)((int)((i * channels + (channels == 2 ? side : 0)) * 7919 % 65536) -
			              32768);
			right = right &&
			        out[2 * i + side] == (format == PCM_U8 ? (int16_t)(value & ~255) : value);
		}
	right = right && pcm_capture(back, out, 1000) == 0 && pcm_held(back) == 1000 &&
	        memcmp(back->ring, pcm->ring, 1000 * (size_t)pcm->frame_bytes) == 0;
	end(pcm);
	end(back);
	return right;
}

/* How far, in dB, all that is not the sine of FREQUENCY is below it, in COUNT samples. */
static double distance(const double *samples, unsigned count, double frequency, double rate, double *level)
{
	double s = 0, c = 0, ss = 0, cc = 0, sc = 0, error = 0;

	for (unsigned i = 0; i < count; i++) {
		double x = sin(2 * M_PI * frequency * i / rate), y = cos(2 * M_PI * frequency * i / rate);
		s += samples[i] * x;
		c += samples[i] * y;
		ss += x * x;
		cc += y * y;
		sc += x * y;
	}
	double d = ss * cc - sc * sc, a = (s * cc - c * sc) / d, b = (c * ss - s * sc) / d;
	for (unsigned i = 0; i < count; i++) {
		double e = samples[i] - a * sin(2 * M_PI * frequency * i / rate) -
		           b * cos(2 * M_PI * frequency * i / rate);
		error += e * e;
	}
	*level = sqrt(a * a + b * b);
	return 10 * log10((a * a + b * b) / 2 / (error / count + 1e-30));
}

/* A sine of AT, in parts of half the lower rate, from one rate to another, at 24 bits. */
static double through(uint32_t in, uint32_t out, double at, double *level)
{
	static double samples[8192];
	struct resampler *resampler = calloc(1, sizeof(*resampler));
	double frequency = at * (in < out ? in : out) / 2;
	unsigned skip = 2000, count = 0, put = 0;

	resampler_init(resampler, in, out);
	while (count < skip + 8192) {
		int32_t frame[2];
		if (resampler_wants(resampler)) {
			frame[0] = frame[1] =
			    (int32_t)lrint(4000000 * sin(2 * M_PI * frequency * put++ / in));
			resampler_put(resampler, frame);
			continue;
		}
		resampler_take(resampler, frame);
		if (count >= skip)
			samples[count - skip] = frame[0];
		count++;
	}
	free(resampler);
	double far = distance(samples, 8192, frequency, out, level);
	*level = 20 * log10(*level / 4000000 + 1e-12);
	return far;
}

static void resampled(void)
{
	static const uint32_t rates[] = {8000, 11025, 16000, 22050, 32000, 44100, 88200, 96000, 192000};
	double worst = 1000, slope = 0, leak = -1000, level;

	for (unsigned i = 0; i < sizeof(rates) / sizeof(*rates); i++)
		for (unsigned capture = 0; capture < 2; capture++) {
			uint32_t in = capture ? 48000 : rates[i], out = capture ? rates[i] : 48000;
			for (unsigned part = 5; part <= 80; part += 15) {
				double far = through(in, out, part / 100.0, &level);
				worst = fmin(worst, far);
				slope = fmax(slope, fabs(level));
			}
			if (in > out) { /* above what the lower rate can carry */
				through(in, out, 1.06, &level);
				leak = fmax(leak, level);
			}
		}
	printf("resampler: errors %.1f dB below a sine, level within %.2f dB, aliases at %.1f dB\n", worst,
	       slope, leak);
	check("resampled sines are clean to 85 dB, from 8 to 192 kHz", worst > 85);
	check("and as loud as before", slope < 0.1);
	check("what the lower rate cannot carry is 95 dB lower", leak < -95);
}

static void limits(void)
{
	struct pcm *pcm = begin(PCM_FLOAT, PCM_RATE, 2, false);
	const float hostile[8] = {2.0f, -3.0f, NAN, INFINITY, -INFINITY, 1e-40f, 1.0f, -1.0f};
	static const int16_t expected[8] = {32767, -32768, 0, 32767, -32768, 0, 32767, -32768};
	int16_t out[8];

	memcpy(pcm->ring, hostile, sizeof(hostile));
	pcm->program = 4;
	check("real numbers that are none, or too large",
	      pcm_play(pcm, out, 4, false) == 4 && memcmp(out, expected, sizeof(out)) == 0);
	end(pcm);
	pcm = begin(PCM_S16, 44100, 2, true);
	int16_t silence[2 * 512] = {0};
	uint32_t lost = 0;
	for (unsigned i = 0; i < 20; i++)
		lost += pcm_capture(pcm, silence, 512);
	check("capturing into a full ring loses, and counts",
	      pcm_held(pcm) == FRAMES && lost > 5000 && lost < 5400);
	end(pcm);
	pcm = begin(PCM_S16, 44100, 1, false);
	pcm->program = 441;
	int16_t frames[2 * 600];
	uint32_t made = pcm_play(pcm, frames, 600, false), tail = pcm_play(pcm, frames, 26, true);
	check("an end gives what the filter still holds", made < 480 && made > 440 && tail == 26);
	pcm->program = pcm->boundary - 1; /* further than there can be: no more than the ring is ever read */
	check("a place that cannot be reads the ring alone", pcm_play(pcm, frames, 600, false) == 600);
	end(pcm);
}

static void positions(void)
{
	struct sound_position position;
	uint64_t now = 1000000000;

	sound_position_start(&position, 65536, 192000, now);
	bool right = !sound_position_take(&position, 0, now);
	for (unsigned i = 1; i <= 100; i++) {
		now += 10666667;
		right = right && sound_position_take(&position, i * 2048 % 65536, now) &&
		        position.total == i * 2048ull;
	}
	check("a card that goes round its ring", right && !position.jumps);
	uint64_t total = position.total;
	right = !sound_position_take(&position, (uint32_t)((total - 64) % 65536), now + 1000) &&
	        !sound_position_take(&position, (uint32_t)((total + 40000) % 65536), now + 1000) &&
	        !sound_position_take(&position, 65536, now + 1000) &&
	        !sound_position_take(&position, UINT32_MAX, now + 1000);
	check("steps back, jumps and places outside the ring are not believed",
	      right && position.jumps == 4 && position.total == total);
	check("after which it goes on",
	      sound_position_take(&position, (uint32_t)((total + 4096) % 65536), now + 21333333) &&
	          position.total == total + 4096);
	check("and after a long sleep where it is then",
	      sound_position_take(&position, (uint32_t)((total + 30000) % 65536), now + 5000000000) &&
	          position.total == total + 30000);
}

int main(void)
{
	static const uint32_t formats[] = {PCM_U8, PCM_S16, PCM_S24, PCM_S32, PCM_FLOAT};

	for (unsigned i = 0; i < 5; i++)
		for (uint32_t channels = 1; channels <= 2; channels++) {
			char name[64];
			snprintf(name, sizeof(name), "format %u, %u channels: unchanged at 48 kHz",
			         formats[i], channels);
			check(name, unchanged(formats[i], channels));
		}
	resampled();
	limits();
	positions();
	return failures ? 1 : 0;
}
