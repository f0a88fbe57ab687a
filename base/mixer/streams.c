/* See streams.h. */
#include "streams.h"

#include <text.h>

int streams_place(const struct streams *streams, uint64_t caller)
{
	int free = -1;
	unsigned own = 0;

	for (unsigned i = STREAMS_MAX; i-- > 0;) {
		if (!streams->table[i].open)
			free = (int)i;
		else if (streams->table[i].caller == caller)
			own++;
	}
	return own < STREAMS_OF_CALLER ? free : -1;
}

void streams_open(struct streams *streams, int place, uint64_t caller, bool playing, void *ring)
{
	struct stream_of *stream = &streams->table[place];

	*stream = (struct stream_of){.open = true,
	                             .playing = playing,
	                             .caller = caller,
	                             .ring = ring,
	                             .samples = (int16_t *)(void *)((char *)ring + MIXER_HEAD_BYTES)};
	stream->server = stream->heard = stream->ring->client;
	stream->ring->server = stream->ring->heard = stream->server;
	stream->ring->hungry = 1;
}

static uint32_t limit(uint32_t volume)
{
	return volume < MIXER_VOLUME_ONE ? volume : MIXER_VOLUME_ONE;
}

void stream_volume(struct stream_of *stream, uint32_t left, uint32_t right)
{
	stream->volume[0] = limit(left);
	stream->volume[1] = limit(right);
}

/* Frames that STREAM has to play. */
static uint32_t available(struct stream_of *stream)
{
	uint32_t count = __atomic_load_n(&stream->ring->client, __ATOMIC_ACQUIRE) - stream->server;

	if (count > MIXER_FRAMES) {
		stream->wrong = true;
		return 0;
	}
	stream->begun |= count != 0;
	return count;
}

bool streams_sound(const struct streams *streams)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		const struct stream_of *stream = &streams->table[i];
		if (stream->open && stream->playing && stream->ring->client != stream->server)
			return true;
	}
	return false;
}

bool streams_ready(struct streams *streams)
{
	bool some = false;

	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		struct stream_of *stream = &streams->table[i];
		if (!stream->open || !stream->playing)
			continue;
		uint32_t count = available(stream);
		if (count >= MIXER_PERIOD)
			stream->late = false;
		else if (stream->begun && !stream->late && !stream->ring->ends)
			return false;
		some |= count != 0;
	}
	return some;
}

static void add(struct stream_of *stream, int32_t sum[2 * MIXER_PERIOD], uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const int16_t *frame = &stream->samples[2 * ((stream->server + i) % MIXER_FRAMES)];
		sum[2 * i] += frame[0] * (int32_t)stream->volume[0] / (int32_t)MIXER_VOLUME_ONE;
		sum[2 * i + 1] += frame[1] * (int32_t)stream->volume[1] / (int32_t)MIXER_VOLUME_ONE;
	}
}

static int16_t clip(int32_t sum)
{
	return (int16_t)(sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum);
}

bool streams_mix(struct streams *streams, int16_t to[2 * MIXER_PERIOD], uint64_t at)
{
	static int32_t sum[2 * MIXER_PERIOD];
	bool any = false;

	memset(sum, 0, sizeof(sum));
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		struct stream_of *stream = &streams->table[i];
		if (!stream->open || !stream->playing)
			continue;
		uint32_t count = available(stream), part = count < MIXER_PERIOD ? count : MIXER_PERIOD;
		bool ends = stream->ring->ends;
		add(stream, sum, part);
		if (part < MIXER_PERIOD && stream->begun && !ends) {
			stream->late = true;
			stream->ring->missed += MIXER_PERIOD - part;
		}
		if (part < MIXER_PERIOD && ends)
			stream->begun = false;
		stream->ring->hungry = part < MIXER_PERIOD || count - part < MIXER_PERIOD;
		if (!part)
			continue;
		any = stream->moved = true;
		stream->end = at + (uint64_t)part * SOUND_FRAME_BYTES;
		stream->server += part;
		__atomic_store_n(&stream->ring->server, stream->server, __ATOMIC_RELEASE);
	}
	for (unsigned i = 0; i < 2 * MIXER_PERIOD; i++)
		to[i] = clip(sum[i]);
	return any;
}

void streams_heard(struct streams *streams, uint64_t at)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		struct stream_of *stream = &streams->table[i];
		if (!stream->open || !stream->playing || stream->heard == stream->server)
			continue;
		uint64_t left = stream->end > at ? (stream->end - at) / SOUND_FRAME_BYTES : 0;
		uint32_t waiting = stream->server - stream->heard;
		if (left >= waiting)
			continue; /* never back */
		stream->heard = stream->server - (uint32_t)left;
		stream->ring->heard = stream->heard;
		stream->moved = true;
	}
}

static void capture(struct stream_of *stream, const int16_t *frames, uint32_t count)
{
	uint32_t held = stream->server - __atomic_load_n(&stream->ring->client, __ATOMIC_ACQUIRE);

	if (held > MIXER_FRAMES) {
		stream->wrong = true;
		return;
	}
	uint32_t room = MIXER_FRAMES - held, part = count < room ? count : room;
	for (uint32_t i = 0; i < part; i++)
		for (unsigned side = 0; side < 2; side++)
			stream->samples[2 * ((stream->server + i) % MIXER_FRAMES) + side] =
			    (int16_t)(frames[2 * i + side] * (int32_t)stream->volume[side] /
			              (int32_t)MIXER_VOLUME_ONE);
	stream->ring->lost += count - part;
	stream->server += part;
	stream->heard = stream->server;
	__atomic_store_n(&stream->ring->server, stream->server, __ATOMIC_RELEASE);
	stream->moved = true;
}

void streams_captured(struct streams *streams, const int16_t *frames, uint32_t count)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++)
		if (streams->table[i].open && !streams->table[i].playing)
			capture(&streams->table[i], frames, count);
}
