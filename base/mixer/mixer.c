/* The mixer: the machine's sound card for several at once (abi/mixer.interface).
 *
 * The card goes round its ring; the mixer keeps between MARGIN and AHEAD bytes before it, in whole periods. What was played is
 * silence again, so that a mixer that comes late is silent and repeats nothing. A second after the last sound the card
 * is stopped. While a driver is being restarted, what it had not played waits; where none lasts within LOST_NS, streams go on by the
 * clock, unheard, and the card is tried again after as long: programs never stand still.
 */
#include "card.h"
#include "foreign.h"
#include "mixer.interface.h"
#include "streams.h"
#include <text.h>
#include "device.interface.h"

#define BIT_DEVICES (1ull << 2) /* 0 and 1: the card has moved */
#define BIT_STREAMS (1ull << 3)
#define BIT_TIMER   (1ull << 4)
#define MARGIN      (3u * PERIOD_BYTES)
#define AHEAD       (8u * PERIOD_BYTES)
#define QUIET       (SOUND_RATE * SOUND_FRAME_BYTES) /* bytes of silence after which the card rests */
#define LOST_NS     2000000000ull
#define LASTS_NS    1000000000ull /* a card that has run so long is there again */
#define LOOK_NS     500000000ull
#define RETRY_NS    50000000ull
#define PERIOD_NS   10666666ull
#define CALL_NS     1000000000ull

struct client {
	handle_t ring_memory, event;
	struct foreign ring;
	uint64_t bits, number;
};

static struct mixer {
	struct thread_page *page;
	handle_t log, channel;
	struct card card;
	struct streams streams;
	struct client clients[STREAMS_MAX]; /* of the streams with the same index */
	uint64_t next_number;
	/* Bytes since the start, which the ring's first byte is BASE of. */
	uint64_t base, position, written, cleared, sounded;
	bool playing;        /* the card, or the clock in its place */
	uint64_t clock_from; /* ns: playing by the clock, since; 0: by the card */
	uint64_t lost_at;    /* ns: since when there is no card that lasts; 0: there is one */
	uint64_t started_at, again_at, retry_at;
	uint64_t captured; /* bytes of the card's ring that were handed out */
	bool watching;
} mixer;

#define LOG(...) log_print(mixer.log, mixer.page, __VA_ARGS__)

/* ---- Clients ---- */

static void stream_drop(unsigned index)
{
	struct client *client = &mixer.clients[index];

	foreign_unmap(&client->ring);
	cap_delete(client->ring_memory);
	cap_delete(client->event);
	*client = (struct client){0};
	mixer.streams.table[index].open = false;
}

/* Clients hear of what has moved; those that are dead, or have told what cannot be, go. */
static void streams_tell(void)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		struct stream_of *stream = &mixer.streams.table[i];
		if (!stream->open)
			continue;
		bool gone = stream->moved && event_signal(mixer.clients[i].event, mixer.clients[i].bits) < 0;
		stream->moved = false;
		if (gone || stream->wrong || mixer.clients[i].ring.lost)
			stream_drop(i);
	}
}

static bool captures(void)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++)
		if (mixer.streams.table[i].open && !mixer.streams.table[i].playing)
			return true;
	return false;
}

/* ---- Playing ---- */

static uint8_t *ring(void)
{
	return mixer.card.rings[SOUND_PLAY].samples;
}

/* Writes COUNT bytes to the place of byte AT in the ring; FROM 0: silence. */
static void ring_put(uint64_t at, const uint8_t *from, uint32_t count)
{
	while (count && ring()) {
		uint32_t place = (uint32_t)((at - mixer.base) % SOUND_RING_BYTES);
		uint32_t part = count < SOUND_RING_BYTES - place ? count : SOUND_RING_BYTES - place;
		if (from) {
			memcpy(ring() + place, from, part);
			from += part;
		} else {
			memset(ring() + place, 0, part);
		}
		at += part;
		count -= part;
	}
}

/* The card begins, with what was written and not played. */
static bool play_by_card(uint64_t now)
{
	static uint8_t kept[AHEAD + PERIOD_BYTES];
	uint64_t left = mixer.written > mixer.position ? mixer.written - mixer.position : 0;

	if (!mixer.card.rings[SOUND_PLAY].samples)
		left = 0;
	if (left > sizeof(kept))
		left = sizeof(kept);
	for (uint32_t i = 0; i < left; i++)
		kept[i] = ring()[(mixer.position + i - mixer.base) % SOUND_RING_BYTES];
	mixer.base = mixer.cleared = mixer.position;
	ring_put(mixer.base, 0, SOUND_RING_BYTES);
	ring_put(mixer.base, kept, (uint32_t)left);
	mixer.written = mixer.base + left;
	if (left < MARGIN)
		mixer.written = mixer.base + MARGIN;
	mixer.clock_from = 0;
	mixer.started_at = now;
	mixer.again_at = now + LOST_NS;
	mixer.playing = card_start(&mixer.card, SOUND_PLAY);
	return mixer.playing;
}

/* The clock takes the card's place for a while. */
static void play_by_clock(uint64_t now)
{
	mixer.clock_from = now;
	mixer.again_at = now + LOST_NS;
	mixer.base = mixer.cleared = mixer.written = mixer.position;
	mixer.playing = true;
}

static void play_begin(uint64_t now)
{
	bool given_up = mixer.lost_at && now >= mixer.lost_at + LOST_NS;

	if (now < mixer.retry_at)
		return;
	mixer.sounded = mixer.position;
	if ((!given_up || now >= mixer.again_at) && play_by_card(now))
		return;
	if (!mixer.lost_at)
		mixer.lost_at = now;
	if (given_up)
		play_by_clock(now);
	else
		mixer.retry_at = now + RETRY_NS;
}

/* Where the card, or the clock, is; never back. */
static void position_take(uint64_t now)
{
	const struct sound_head *head = mixer.card.rings[SOUND_PLAY].head;
	uint64_t at = mixer.clock_from ? (now - mixer.clock_from) / PERIOD_NS * PERIOD_BYTES
	              : head           ? head->position
	                               : 0;

	at = mixer.base + at / SOUND_FRAME_BYTES * SOUND_FRAME_BYTES;
	if (at <= mixer.position)
		return;
	mixer.position = at;
	uint64_t from = mixer.cleared;
	if (at - from > SOUND_RING_BYTES)
		from = at - SOUND_RING_BYTES;
	ring_put(from, 0, (uint32_t)(at - from));
	mixer.cleared = at;
}

static void play_work(uint64_t now)
{
	static int16_t period[2 * MIXER_PERIOD];

	if (!mixer.playing) {
		if (streams_sound(&mixer.streams))
			play_begin(now);
		return;
	}
	position_take(now);
	if (!mixer.clock_from && now >= mixer.started_at + LASTS_NS)
		mixer.lost_at = 0;
	if (mixer.clock_from && now >= mixer.again_at) {
		mixer.playing = false;
		play_begin(now);
		return;
	}
	if (mixer.position >= mixer.written) /* too late: what stands there is silence */
		mixer.written = mixer.position + MARGIN;
	while (mixer.written - mixer.position < AHEAD &&
	       (mixer.written - mixer.position < MARGIN || streams_ready(&mixer.streams))) {
		if (streams_mix(&mixer.streams, period, mixer.written))
			mixer.sounded = mixer.written;
		ring_put(mixer.written, (const uint8_t *)period, PERIOD_BYTES);
		mixer.written += PERIOD_BYTES;
	}
	streams_heard(&mixer.streams, mixer.position);
	if (mixer.position > mixer.sounded + QUIET) {
		card_stop(&mixer.card, SOUND_PLAY);
		mixer.playing = false;
		mixer.clock_from = mixer.retry_at = 0;
		mixer.written = mixer.position;
	}
}

/* ---- Capturing ---- */

static void capture_work(void)
{
	const struct card_ring *from = &mixer.card.rings[SOUND_CAPTURE];

	if (!captures()) {
		card_stop(&mixer.card, SOUND_CAPTURE);
		return;
	}
	if (!from->running) {
		mixer.captured = 0;
		if (clock_ns() >= mixer.retry_at && !card_start(&mixer.card, SOUND_CAPTURE))
			mixer.retry_at = clock_ns() + RETRY_NS;
		return;
	}
	uint64_t at = from->head->position / SOUND_FRAME_BYTES * SOUND_FRAME_BYTES;
	if (at > mixer.captured + SOUND_RING_BYTES) /* too late for what lies before */
		mixer.captured = at - SOUND_RING_BYTES / 2;
	while (mixer.captured < at) {
		uint32_t place = (uint32_t)(mixer.captured % SOUND_RING_BYTES);
		uint64_t part = at - mixer.captured < PERIOD_BYTES ? at - mixer.captured : PERIOD_BYTES;
		if (part > SOUND_RING_BYTES - place)
			part = SOUND_RING_BYTES - place;
		streams_captured(&mixer.streams, (const int16_t *)(const void *)(from->samples + place),
		                 (uint32_t)(part / SOUND_FRAME_BYTES));
		mixer.captured += part;
	}
}

/* ---- The service ---- */

static void watch(void)
{
	int64_t event = cap_copy(mixer.card.event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 0);

	mixer.watching = event >= 0 && device_watch(mixer.card.devices, mixer.page, (handle_t)event,
	                                            BIT_DEVICES, 0, clock_ns() + CALL_NS) >= 0;
	if (event >= 0 && !mixer.watching)
		cap_delete((handle_t)event);
}

/* After whatever has come. */
static void work(uint64_t bits)
{
	if (!mixer.watching)
		watch();
	if (bits & (BIT_DEVICES | BIT_TIMER) && !card_check(&mixer.card)) {
		LOG("mixer: the card's driver is another\n");
		mixer.playing = mixer.playing && mixer.clock_from;
		mixer.watching = false; /* so may devmgr be */
		mixer.retry_at = 0;
		if (!mixer.lost_at)
			mixer.lost_at = clock_ns();
	}
	play_work(clock_ns());
	capture_work();
	streams_tell();
	uint64_t now = clock_ns();
	if (mixer.clock_from && mixer.playing)
		event_timer(mixer.card.event, now + PERIOD_NS, BIT_TIMER);
	else if (mixer.playing || mixer.card.rings[SOUND_CAPTURE].running)
		event_timer(mixer.card.event, now + LOOK_NS, BIT_TIMER);
	else if (streams_sound(&mixer.streams) || captures())
		event_timer(mixer.card.event, now + RETRY_NS, BIT_TIMER);
}

static int64_t serve_describe(void *context, uint64_t badge, uint32_t *directions)
{
	(void)context;
	(void)badge;
	if (!card_find(&mixer.card))
		return E_NOT_FOUND;
	*directions = mixer.card.directions;
	return E_OK;
}

static int64_t serve_give(void *context, uint64_t badge, uint64_t caller, handle_t *service)
{
	(void)context;
	if (badge & MIXER_BADGE_GIVEN || !caller || caller & MIXER_BADGE_GIVEN)
		return E_RIGHTS;
	if (!card_find(&mixer.card))
		return E_NOT_FOUND;
	int64_t copy =
	    cap_copy(mixer.channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, MIXER_BADGE_GIVEN | caller);
	if (copy < 0)
		return copy;
	*service = (handle_t)copy;
	return E_OK;
}

static int64_t serve_open(void *context, uint64_t badge, uint32_t direction, handle_t memory, handle_t event,
                          uint64_t bits, uint32_t left, uint32_t right, uint64_t *number,
                          uint64_t *signal_bits, handle_t *signal)
{
	struct memory_info info;

	(void)context;
	if (direction >= SOUND_DIRECTIONS || !bits || memory_info(mixer.page, memory, &info) < 0 ||
	    info.bytes < MIXER_BYTES)
		return E_ARGUMENT;
	int place = streams_place(&mixer.streams, badge);
	int64_t copy = place < 0
	                   ? E_QUOTA_CAPS
	                   : cap_copy(mixer.card.event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, BIT_STREAMS);
	if (copy < 0)
		return copy;
	struct client *client = &mixer.clients[place];
	if (!foreign_map(&client->ring, memory, MIXER_BYTES)) {
		cap_delete((handle_t)copy);
		return E_QUOTA_MEMORY;
	}
	streams_open(&mixer.streams, place, badge, direction == SOUND_PLAY, client->ring.at);
	stream_volume(&mixer.streams.table[place], left, right);
	client->ring_memory = memory;
	client->event = event;
	client->bits = bits;
	*number = client->number = ++mixer.next_number;
	*signal_bits = BIT_STREAMS;
	*signal = (handle_t)copy;
	event_signal(mixer.card.event, BIT_STREAMS);
	return E_OK;
}

static int find(uint64_t badge, uint64_t number)
{
	for (unsigned i = 0; number && i < STREAMS_MAX; i++)
		if (mixer.streams.table[i].open && mixer.clients[i].number == number &&
		    mixer.streams.table[i].caller == badge)
			return (int)i;
	return -1;
}

static int64_t serve_close(void *context, uint64_t badge, uint64_t number)
{
	int index = find(badge, number);

	(void)context;
	if (index < 0)
		return E_NOT_FOUND;
	stream_drop((unsigned)index);
	event_signal(mixer.card.event, BIT_STREAMS); /* the card may rest */
	return E_OK;
}

static int64_t serve_check(void *context, uint64_t badge, uint64_t number)
{
	(void)context;
	return find(badge, number) < 0 ? E_NOT_FOUND : E_OK;
}

static int64_t serve_volume(void *context, uint64_t badge, uint64_t number, uint32_t left, uint32_t right)
{
	int index = find(badge, number);

	(void)context;
	if (index < 0)
		return E_NOT_FOUND;
	stream_volume(&mixer.streams.table[index], left, right);
	return E_OK;
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct mixer_operations operations = {.describe = serve_describe,
	                                                   .give = serve_give,
	                                                   .open = serve_open,
	                                                   .close = serve_close,
	                                                   .check = serve_check,
	                                                   .volume = serve_volume};
	struct message message = {0};

	mixer.page = mixer.card.page = page;
	mixer.log = start_find(info, "log", 0);
	mixer.channel = start_find(info, "mixer", 0);
	mixer.card.devices = start_find(info, "device", 0);
	foreign_init(info->space, page);
	int64_t event = event_create();
	if (event < 0 || event_bind((handle_t)event, info->thread) < 0) {
		LOG("mixer: cannot make its event\n");
		return 1;
	}
	mixer.card.event = (handle_t)event;
	int64_t result = channel_receive(mixer.channel, &message, DEADLINE_NEVER);
	while (result >= 0) {
		if (message.info & INFO_EVENT) {
			work(message.words[0]);
			result = channel_receive(mixer.channel, &message, DEADLINE_NEVER);
			continue;
		}
		mixer_serve(&operations, 0, &message, page);
		result = channel_reply_receive(mixer.channel, &message, DEADLINE_NEVER);
	}
	LOG("mixer: %s\n", error_text(result));
	return 1;
}
