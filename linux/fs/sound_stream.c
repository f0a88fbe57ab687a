/* See sound.h. */
#include "sound.h"

#include "mixer.interface.h"

#define CALL_NS      NS_PER_SECOND
#define CHECK_NS     (NS_PER_SECOND / 2)
#define FAILURES_MAX 40u /* of opening it, a check apart */
#define BIT          1ull

static bool make_memory(struct sound_stream *stream)
{
	if (!stream->ring)
		stream->ring = sound_memory(MIXER_BYTES, &stream->memory);
	stream->samples = stream->ring ? (int16_t *)(void *)((char *)stream->ring + MIXER_HEAD_BYTES) : 0;
	return stream->ring;
}

/* The elements are of what is played (sound_control.c). */
static uint32_t loud(bool capture, unsigned side)
{
	return capture ? MIXER_VOLUME_ONE : sound.muted ? 0 : sound.volume[side];
}

/* Opens the stream (again): what the mixer has not taken is still in the ring. */
static int64_t sound_stream_open(struct sound_stream *stream, bool capture)
{
	if (!make_memory(stream))
		return E_QUOTA_MEMORY;
	stream->ring->client = capture ? stream->own : stream->ring->server;
	stream->ring->lost = 0;
	int64_t memory =
	    cap_copy(stream->memory->handle, RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0);
	int64_t event = cap_copy(sound.event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, BIT);
	uint32_t left = loud(capture, 0), right = loud(capture, 1);
	personality_unlock();
	int64_t result =
	    memory < 0 || event < 0
	        ? E_QUOTA_CAPS
	        : mixer_open(sound.mixer, current_page(), capture ? SOUND_CAPTURE : SOUND_PLAY,
	                     (handle_t)memory, (handle_t)event, BIT, left, right, &stream->number,
	                     &stream->signal_bits, &stream->signal, clock_ns() + CALL_NS);
	personality_lock();
	if (result < 0) { /* what went over is gone already */
		if (memory >= 0)
			cap_delete((handle_t)memory);
		if (event >= 0)
			cap_delete((handle_t)event);
		return result;
	}
	stream->open = true;
	if (capture)
		stream->own = stream->ring->server;
	else
		__atomic_store_n(&stream->ring->client, stream->own, __ATOMIC_RELEASE);
	event_signal(stream->signal, stream->signal_bits);
	return E_OK;
}

static void forget(struct sound_stream *stream)
{
	if (stream->signal)
		cap_delete(stream->signal);
	stream->signal = 0;
	stream->open = false;
}

bool sound_stream_care(struct pcm_file *file, uint64_t now)
{
	struct sound_stream *stream = &file->stream;
	int64_t result = E_OK;
	if (stream->open && stream->stale) {
		uint32_t left = loud(file->pcm.capture, 0), right = loud(file->pcm.capture, 1);
		stream->stale = false;
		personality_unlock();
		result = mixer_volume(sound.mixer, current_page(), stream->number, left, right,
		                      clock_ns() + CALL_NS);
		personality_lock();
	} else if (stream->open && now >= stream->check_at) {
		stream->check_at = now + CHECK_NS;
		personality_unlock();
		result = mixer_check(sound.mixer, current_page(), stream->number, clock_ns() + CALL_NS);
		personality_lock();
	}
	if (result == E_NOT_FOUND || result == E_PEER)
		forget(stream);
	if (stream->open || (stream->failures && now < stream->check_at))
		return true;
	stream->check_at = now + CHECK_NS;
	if (sound_stream_open(stream, file->pcm.capture) >= 0) {
		stream->failures = 0;
		return true;
	}
	return ++stream->failures < FAILURES_MAX;
}

void sound_stream_close(struct sound_stream *stream)
{
	if (stream->open) {
		personality_unlock();
		(void)(mixer_close(sound.mixer, current_page(), stream->number, clock_ns() + CALL_NS) < 0);
		personality_lock();
	}
	forget(stream);
	if (stream->ring)
		memory_object_unmap(stream->ring, MIXER_BYTES);
	if (stream->memory)
		memory_object_release(stream->memory);
	*stream = (struct sound_stream){0};
}

uint32_t sound_stream_waiting(const struct sound_stream *stream)
{
	uint32_t count = __atomic_load_n(&stream->ring->server, __ATOMIC_ACQUIRE) - stream->own;
	return count <= MIXER_FRAMES ? count : 0;
}

uint32_t sound_stream_room(const struct sound_stream *stream)
{
	uint32_t held = stream->own - __atomic_load_n(&stream->ring->server, __ATOMIC_ACQUIRE);
	return held <= MIXER_FRAMES ? MIXER_FRAMES - held : 0;
}

void sound_stream_advance(struct sound_stream *stream, uint32_t frames)
{
	stream->own += frames;
	__atomic_store_n(&stream->ring->client, stream->own, __ATOMIC_RELEASE);
	if (frames && stream->ring->hungry)
		event_signal(stream->signal, stream->signal_bits);
}
