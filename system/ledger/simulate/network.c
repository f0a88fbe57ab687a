/* The simulated world outside the validators: events in virtual time, chance, signatures, and a network that loses, delays, doubles and
 * cuts. */
#include "ledger/simulate/simulate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t sim_random(struct sim *sim)
{
	uint64_t z = sim->random += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint64_t sim_below(struct sim *sim, uint64_t limit)
{
	return limit ? sim_random(sim) % limit : 0;
}

bool sim_chance(struct sim *sim, unsigned in_1024)
{
	return sim_below(sim, 1024) < in_1024;
}

void sim_violation(struct sim *sim, const char *format, ...)
{
	if (sim->violation[0])
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(sim->violation, sizeof(sim->violation), format, arguments);
	va_end(arguments);
}

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_schedule(struct sim *sim, struct sim_event event)
{
	if (sim->heap_count == sim->heap_room) {
		unsigned room = sim->heap_room ? 2 * sim->heap_room : 1024;
		struct sim_event *heap = ledger_allocate(room, sizeof(*heap));
		if (sim->heap_count)
			memcpy(heap, sim->heap, sim->heap_count * sizeof(*heap));
		free(sim->heap);
		sim->heap = heap;
		sim->heap_room = room;
	}
	event.order = sim->order++;
	unsigned at = sim->heap_count++;
	for (; at && earlier(&event, &sim->heap[(at - 1) / 2]); at = (at - 1) / 2)
		sim->heap[at] = sim->heap[(at - 1) / 2];
	sim->heap[at] = event;
}

bool sim_next_event(struct sim *sim, struct sim_event *out)
{
	if (!sim->heap_count)
		return false;
	*out = sim->heap[0];
	struct sim_event last = sim->heap[--sim->heap_count];
	unsigned at = 0;
	for (;;) {
		unsigned child = 2 * at + 1;
		if (child >= sim->heap_count)
			break;
		if (child + 1 < sim->heap_count && earlier(&sim->heap[child + 1], &sim->heap[child]))
			child++;
		if (!earlier(&sim->heap[child], &last))
			break;
		sim->heap[at] = sim->heap[child];
		at = child;
	}
	sim->heap[at] = last;
	return true;
}

/* ---- signatures: a keyed hash that only the owner of the secret can make ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * 0xff51afd7ed558ccdull;
	a = (a ^ a >> 33) * 0xc4ceb9fe1a85ec53ull;
	return a ^ a >> 29;
}

void sim_sign(struct sim *sim, unsigned validator, enum dag_message purpose, const struct dag_digest *digest,
              uint8_t *signature)
{
	uint64_t words[4], one = sim->secrets[validator] + purpose, two = ~sim->secrets[validator];
	memcpy(words, digest, sizeof(words));
	for (unsigned i = 0; i < 4; i++) {
		one = mix(one, words[i]);
		two = mix(two, words[i] + i);
	}
	memcpy(signature, &one, 8);
	memcpy(signature + 8, &two, 8);
}

/* ---- network ---- */

bool sim_troubled(const struct sim *sim)
{
	return sim->now < sim->troubles_until;
}

static void transmit_one(struct sim *sim, unsigned from, unsigned to, struct blob *blob)
{
	struct sim_node *node = &sim->nodes[from];
	bool reachable = sim->side[from] >> to & 1;
	if (from == to || to >= sim->count || !reachable || (sim_troubled(sim) && sim_chance(sim, sim->loss)))
		return;
	uint64_t delay = 500 + sim_below(sim, sim_troubled(sim) ? sim->jitter_us : 4000);
	if (sim_troubled(sim) && sim_chance(sim, 40))
		delay += sim_below(sim, sim->slowest_us);
	if (node->lies & LIE_SLOW)
		delay += 20000 + sim_below(sim, 60000);
	sim_schedule(sim, (struct sim_event){.at = sim->now + delay,
	                                     .kind = SIM_MESSAGE,
	                                     .node = (uint16_t)to,
	                                     .from = (uint16_t)from,
	                                     .blob = blob_hold(blob)});
	if (sim_troubled(sim) && sim_chance(sim, 8)) /* twice */
		sim_schedule(sim, (struct sim_event){.at = sim->now + delay + sim_below(sim, 50000),
		                                     .kind = SIM_MESSAGE,
		                                     .node = (uint16_t)to,
		                                     .from = (uint16_t)from,
		                                     .blob = blob_hold(blob)});
}

void sim_transmit(struct sim *sim, unsigned from, unsigned to, struct blob *blob)
{
	if (blob->size && blob->data[0] == DAG_VOTES)
		monitor_vote(sim, blob);
	if (to != DAG_EVERYONE) {
		transmit_one(sim, from, to, blob);
		return;
	}
	for (unsigned i = 0; i < sim->count; i++)
		transmit_one(sim, from, i, blob);
}

void sim_partition(struct sim *sim)
{
	uint64_t all = sim->count == 64 ? ~0ull : set_of(sim->count) - 1, group = 0;
	bool whole = !sim_troubled(sim) || sim_chance(sim, 400);
	for (unsigned i = 0; i < sim->count; i++)
		group |= sim_chance(sim, 512) ? set_of(i) : 0;
	for (unsigned i = 0; i < sim->count; i++)
		sim->side[i] = whole ? all : group >> i & 1 ? group : all & ~group;
	/* Some cuts go one way only. */
	if (!whole && sim_chance(sim, 200))
		sim->side[sim_below(sim, sim->count)] = all;
	if (sim_troubled(sim))
		sim_schedule(sim, (struct sim_event){.at = sim->now + 50000 + sim_below(sim, SECOND),
		                                     .kind = SIM_PARTITION});
}
