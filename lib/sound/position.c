/* See position.h. */
#include "position.h"

#define SLACK_NS 60000000ull /* a card fetches ahead, and an interrupt may come late */
#define SECOND   1000000000ull

void sound_position_start(struct sound_position *position, uint32_t ring_bytes, uint32_t bytes_a_second,
                          uint64_t now)
{
	*position =
	    (struct sound_position){.ring_bytes = ring_bytes, .bytes_a_second = bytes_a_second, .since = now};
}

bool sound_position_take(struct sound_position *position, uint32_t at, uint64_t now)
{
	uint64_t passed = now > position->since ? now - position->since : 0;
	uint32_t step = (at - (uint32_t)position->total) & (position->ring_bytes - 1);

	if (at >= position->ring_bytes) {
		position->jumps++;
		return false;
	}
	if (!step)
		return false;
	if (passed > SECOND) /* more rounds than can be told: the place alone counts */
		passed = SECOND;
	/* A step longer than time allows is a step back, or none at all. */
	if (step > (passed + passed / 4 + SLACK_NS) * position->bytes_a_second / SECOND) {
		position->jumps++;
		return false;
	}
	position->total += step;
	position->since = now;
	return true;
}
