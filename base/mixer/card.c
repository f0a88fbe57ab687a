/* See card.h. */
#include "card.h"

#include <holon/device.h>
#include <text.h>
#include "device.interface.h"
#include "sound.interface.h"

#define CALL_NS     500000000ull
#define DEVICES_MAX 64u

static uint64_t soon(void)
{
	return clock_ns() + CALL_NS;
}

static void forget_channel(struct card *card)
{
	cap_delete(card->channel);
	card->channel = 0;
}

/* Nothing runs, as RESULT of a call says: the driver is another, or there is none. After a restart of devmgr the channel leads nowhere,
 * too. */
static void forget(struct card *card, int64_t result)
{
	for (unsigned i = 0; i < SOUND_DIRECTIONS; i++)
		card->rings[i].running = card->rings[i].opened = false;
	if (card->channel && result != E_PEER && result != E_NOT_FOUND && result != E_TIMEOUT)
		forget_channel(card);
}

static bool describe(struct card *card)
{
	struct sound_description description;
	const void *data;
	uint32_t bytes;

	if (sound_describe(card->channel, card->page, &data, &bytes, soon()) < 0 ||
	    bytes != sizeof(description))
		return false;
	memcpy(&description, data, sizeof(description));
	card->directions = description.directions;
	return true;
}

bool card_find(struct card *card)
{
	struct device_info info;
	const void *data;
	uint32_t bytes;
	uint64_t changes;

	if (card->channel)
		return true;
	for (uint32_t i = 0; i < DEVICES_MAX; i++) {
		if (device_list(card->devices, card->page, i, &changes, &data, &bytes, soon()) < 0)
			return false;
		if (bytes != sizeof(info))
			continue;
		memcpy(&info, data, sizeof(info));
		info.name[sizeof(info.name) - 1] = 0;
		if (info.kind != DEVICE_SOUND ||
		    device_open(card->devices, card->page, info.name, &card->channel, soon()) < 0)
			continue;
		if (describe(card))
			return true;
		forget_channel(card);
	}
	return false;
}

static bool make_memory(struct card_ring *ring)
{
	if (!ring->head)
		ring->head = window_allocate(PAGE_SIZE_BYTES, &ring->head_memory);
	if (!ring->samples)
		ring->samples = window_allocate(SOUND_RING_BYTES, &ring->samples_memory);
	return ring->head && ring->samples;
}

static int64_t open_ring(struct card *card, enum sound_direction direction)
{
	const uint32_t memory = RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE;
	const struct card_ring *ring = &card->rings[direction];
	int64_t head = cap_copy(ring->head_memory, memory, 0);
	int64_t samples = cap_copy(ring->samples_memory, memory, 0);
	int64_t moved = cap_copy(card->event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 1ull << direction);
	int64_t result = head < 0 || samples < 0 || moved < 0
	                     ? E_QUOTA_CAPS
	                     : sound_open(card->channel, card->page, direction, (handle_t)head,
	                                  (handle_t)samples, (handle_t)moved, soon());

	if (result >= 0)
		return result;
	const int64_t copies[] = {head, samples, moved}; /* what went over is gone already */
	for (unsigned i = 0; i < 3; i++)
		if (copies[i] >= 0)
			cap_delete((handle_t)copies[i]);
	return result;
}

bool card_start(struct card *card, enum sound_direction direction)
{
	struct card_ring *ring = &card->rings[direction];
	int64_t result = E_OK;

	if (!make_memory(ring) || !card_find(card) || !(card->directions >> direction & 1))
		return false;
	ring->head->position = 0;
	if (!ring->opened)
		result = open_ring(card, direction);
	ring->opened = result >= 0;
	if (ring->opened)
		result = sound_start(card->channel, card->page, direction, soon());
	ring->running = result >= 0;
	if (result < 0)
		forget(card, result);
	return ring->running;
}

void card_stop(struct card *card, enum sound_direction direction)
{
	int64_t result =
	    card->rings[direction].running ? sound_stop(card->channel, card->page, direction, soon()) : E_OK;

	if (result < 0)
		forget(card, result);
	card->rings[direction].running = false;
}

bool card_check(struct card *card)
{
	for (unsigned i = 0; i < SOUND_DIRECTIONS; i++) {
		int64_t result =
		    card->rings[i].running ? sound_check(card->channel, card->page, i, soon()) : E_OK;
		if (result >= 0)
			continue;
		forget(card, result);
		return false;
	}
	return true;
}
