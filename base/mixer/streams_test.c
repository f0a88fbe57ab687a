/* Adding streams: sums that are clipped, volumes, clients that are late, lie or are too many. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "streams.h"

static int failures;
static struct streams streams;
static int16_t out[2 * MIXER_PERIOD];

static void check(const char *name, bool right)
{
	printf(right ? "ok mixer: %s\n" : "not ok mixer: %s - see the check of this name\n", name);
	failures += !right;
}

static struct stream_of *opened(uint64_t caller, bool playing)
{
	int place = streams_place(&streams, caller);

	if (place < 0)
		return 0;
	streams_open(&streams, place, caller, playing, calloc(1, MIXER_BYTES));
	stream_volume(&streams.table[place], MIXER_VOLUME_ONE, MIXER_VOLUME_ONE);
	return &streams.table[place];
}

static void closed_all(void)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++)
		if (streams.table[i].open)
			free(streams.table[i].ring);
	memset(&streams, 0, sizeof(streams));
}

static void put(struct stream_of *stream, uint32_t count, int16_t left, int16_t right)
{
	for (uint32_t i = 0; i < count; i++) {
		int16_t *frame = &stream->samples[2 * ((stream->ring->client + i) % MIXER_FRAMES)];
		frame[0] = left;
		frame[1] = right;
	}
	stream->ring->client += count;
}

static bool all(int16_t left, int16_t right, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		if (out[2 * i] != left || out[2 * i + 1] != right)
			return false;
	return true;
}

static void sums(void)
{
	struct stream_of *a = opened(1, true), *b = opened(2, true), *c = opened(3, true);

	check("nothing is silence",
	      !streams_ready(&streams) && !streams_mix(&streams, out, 0) && all(0, 0, 0, MIXER_PERIOD));
	put(a, 1024, 1000, -32768);
	put(b, 1024, 234, -1);
	put(c, 1024, -4, -1);
	stream_volume(c, MIXER_VOLUME_ONE / 2, 0);
	check("all are ready", streams_ready(&streams));
	check("a sum, each as loud as it is to be, clipped",
	      streams_mix(&streams, out, 0) && all(1232, -32768, 0, MIXER_PERIOD) && a->ring->server == 512);
	put(a, 512, 30000, 30000);
	put(b, 512, 30000, -30000);
	put(c, 512, 0, 0);
	streams_mix(&streams, out, 2048);
	streams_mix(&streams, out, 4096);
	check("clipped above", all(32767, 0, 0, MIXER_PERIOD));
	streams_heard(&streams, 2048);
	check("what was heard", a->ring->heard == 512 && b->ring->server == 1536);
	streams_heard(&streams, 1000000);
	check("and all of it", a->ring->heard == 1536);
	closed_all();
}

static void late(void)
{
	struct stream_of *a = opened(1, true), *b = opened(2, true);

	put(a, 2048, 7, 7);
	put(b, 100, 1, 1);
	check("one that is late is waited for", !streams_ready(&streams));
	streams_mix(&streams, out, 0);
	check("until the period is needed: it is silent then",
	      all(8, 8, 0, 100) && all(7, 7, 100, MIXER_PERIOD) && b->ring->missed == 412 && b->ring->hungry);
	check("and holds up nobody", streams_ready(&streams));
	put(b, 600, 1, 1);
	check("when it has a period again it counts again",
	      streams_ready(&streams) && streams_mix(&streams, out, 2048) && all(8, 8, 0, MIXER_PERIOD));
	b->ring->ends = 1;
	check("one that ends is not waited for", streams_ready(&streams));
	streams_mix(&streams, out, 4096);
	check("nor missed", all(8, 8, 0, 88) && all(7, 7, 88, MIXER_PERIOD) && b->ring->missed == 412);
	a->ring->client = a->server + MIXER_FRAMES + 1;
	check("a place that cannot be is told", !streams_ready(&streams) && a->wrong);
	closed_all();
}

static void many(void)
{
	unsigned own = 0, others = 0;

	while (own < 100 && opened(1, true))
		own++;
	for (uint64_t caller = 2; others < 100 && opened(caller, others % 2); caller++)
		others++;
	check("a caller has so many streams, and all together",
	      own == STREAMS_OF_CALLER && others == STREAMS_MAX - STREAMS_OF_CALLER);
	closed_all();
}

static void capturing(void)
{
	struct stream_of *a = opened(1, false), *b = opened(2, false);
	int16_t frames[2 * MIXER_PERIOD];

	for (unsigned i = 0; i < 2 * MIXER_PERIOD; i++)
		frames[i] = (int16_t)i;
	for (unsigned i = 0; i < 20; i++) {
		streams_captured(&streams, frames, MIXER_PERIOD);
		b->ring->client = b->ring->server; /* this one reads */
	}
	check("who does not read loses, and the others do not",
	      a->ring->server == MIXER_FRAMES && a->ring->lost == 2048 && b->ring->server == 10240 &&
	          !b->ring->lost);
	check("what was captured",
	      memcmp(b->samples, frames, sizeof(frames)) == 0 && a->samples[2 * MIXER_FRAMES - 1] == 1023);
	a->ring->client = a->server + 1;
	streams_captured(&streams, frames, MIXER_PERIOD);
	check("a place before what was put is told", a->wrong && !b->wrong);
	closed_all();
}

int main(void)
{
	sums();
	late();
	many();
	capturing();
	return failures ? 1 : 0;
}
