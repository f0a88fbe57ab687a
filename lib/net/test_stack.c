/* The simulated wire of test_stack.h. */
#include "test_stack.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t test_arena_bytes = 32 << 20;

uint64_t wire_random(struct test_wire *wire)
{
	/* splitmix64 */
	uint64_t z = wire->seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void random_fill(void *context, void *bytes, size_t count)
{
	for (size_t index = 0; index < count; index++)
		((uint8_t *)bytes)[index] = (uint8_t)wire_random((struct test_wire *)context);
}

static void frame_add(struct test_wire *wire, unsigned from, const struct net_piece *pieces, unsigned count,
                      uint64_t at)
{
	struct wire_frame *frame;
	size_t total = 0;

	if (wire->count == WIRE_MAX)
		return;
	for (unsigned index = 0; index < count; index++)
		total += pieces[index].count;
	frame = &wire->frames[wire->count++];
	frame->at = at;
	frame->to = !from;
	frame->count = total;
	frame->bytes = (uint8_t *)malloc(total ? total : 1);
	total = 0;
	for (unsigned index = 0; index < count; index++) {
		memcpy(frame->bytes + total, pieces[index].bytes, pieces[index].count);
		total += pieces[index].count;
	}
}

void frame_to(struct test_wire *wire, unsigned to, const struct net_piece *piece)
{
	frame_add(wire, !to, piece, 1, wire->now);
}

static bool transmit(void *context, const struct net_piece *pieces, unsigned count,
                     const struct net_offload *offload)
{
	struct test_host *host = (struct test_host *)context;
	struct test_wire *wire = host->wire;
	uint64_t at = wire->now;
	size_t total = 0;

	if (offload && offload->segment_bytes)
		abort(); /* this link offers no such thing */
	for (unsigned index = 0; index < count; index++)
		total += pieces[index].count;
	if (wire->watch) {
		uint8_t whole[2048];
		size_t filled = 0;

		for (unsigned index = 0; index < count && filled + pieces[index].count <= sizeof(whole);
		     index++) {
			memcpy(whole + filled, pieces[index].bytes, pieces[index].count);
			filled += pieces[index].count;
		}
		wire->watch(wire, host->side, whole, filled);
	}
	wire->sent++;
	if (wire->faults.rate) {
		if (wire->free_at[host->side] < at)
			wire->free_at[host->side] = at;
		if (wire->free_at[host->side] - at > 100 * MILLISECOND) { /* the router's queue is full */
			wire->lost++;
			return true;
		}
		wire->free_at[host->side] += total * MILLISECOND / wire->faults.rate;
		at = wire->free_at[host->side];
	}
	at += wire->faults.delay_ns;
	if (wire_random(wire) % 10000 < wire->faults.loss) {
		wire->lost++;
		return true;
	}
	if (wire_random(wire) % 10000 < wire->faults.reorder)
		at += wire->faults.delay_ns / 2 + wire_random(wire) % (wire->faults.delay_ns + 1000);
	frame_add(wire, host->side, pieces, count, at);
	if (wire_random(wire) % 10000 < wire->faults.duplicate)
		frame_add(wire, host->side, pieces, count, at + 1000);
	return true;
}

struct net_endpoint test_endpoint(unsigned side, bool ipv6, uint16_t port)
{
	uint8_t four[4] = {10, 0, 0, (uint8_t)(side + 1)};
	struct net_address six = {{0xfd, [15] = (uint8_t)(side + 1)}};

	return (struct net_endpoint){ipv6 ? six : net_ipv4(four), port, 0};
}

void wire_init(struct test_wire *wire, enum net_link_kind kind, enum net_profile profile, uint64_t seed)
{
	static const uint8_t local[4] = {127, 0, 0, 1};
	static const struct net_address local6 = {{[15] = 1}};
	struct net_address loop = net_ipv4(local);

	wire->faults = (struct wire_faults){0};
	wire->free_at[0] = wire->free_at[1] = wire->sent = wire->lost = wire->count = 0;
	wire->watch = NULL;
	wire->seed = seed;
	wire->now = 1000 * SECOND;
	for (unsigned side = 0; side < 2; side++) {
		struct test_host *host = &wire->host[side];
		struct net_config config = {.arena_bytes = test_arena_bytes,
		                            .random = random_fill,
		                            .random_context = wire,
		                            .profile = profile,
		                            .now_ns = wire->now};
		struct net_link_config link = {.name = "eth0",
		                               .kind = kind,
		                               .mac = {2, 0, 0, 0, 0, (uint8_t)side},
		                               .mtu = 1500,
		                               .transmit = transmit,
		                               .context = host};
		struct net_link_config lo = {.name = "lo", .kind = NET_LINK_LOOPBACK, .mtu = 65535};
		struct net_endpoint own4 = test_endpoint(side, false, 0), own6 = test_endpoint(side, true, 0);

		host->arena = aligned_alloc(4096, test_arena_bytes);
		config.arena = host->arena;
		host->wire = wire;
		host->side = side;
		host->net = net_create(&config);
		host->loopback = net_link_add(host->net, &lo);
		host->link = net_link_add(host->net, &link);
		if (!host->link || net_address_add(host->loopback, &loop, 8) ||
		    net_address_add(host->loopback, &local6, 128) ||
		    net_address_add(host->link, &own4.address, 24) ||
		    net_address_add(host->link, &own6.address, 64))
			abort();
	}
}

void wire_free(struct test_wire *wire)
{
	while (wire->count)
		free(wire->frames[--wire->count].bytes);
	free(wire->host[0].arena);
	free(wire->host[1].arena);
}

bool wire_step(struct test_wire *wire)
{
	uint64_t next[2], at;
	unsigned first = 0;

	next[0] = net_advance(wire->host[0].net, wire->now);
	next[1] = net_advance(wire->host[1].net, wire->now);
	at = next[0] < next[1] ? next[0] : next[1];
	for (unsigned index = 1; index < wire->count; index++)
		if (wire->frames[index].at < wire->frames[first].at)
			first = index;
	if (wire->count && wire->frames[first].at <= at) {
		struct wire_frame frame = wire->frames[first];

		/* In order among those of one time. */
		memmove(&wire->frames[first], &wire->frames[first + 1],
		        (wire->count - first - 1) * sizeof(frame));
		wire->count--;
		if (frame.at > wire->now)
			wire->now = frame.at;
		(void)net_advance(wire->host[frame.to].net, wire->now);
		net_input(wire->host[frame.to].link, frame.bytes, frame.count);
		free(frame.bytes);
		return true;
	}
	if (at == UINT64_MAX)
		return false;
	wire->now = at > wire->now ? at : wire->now;
	return true;
}

bool wire_run(struct test_wire *wire, uint64_t until)
{
	while (wire->now < until)
		if (!wire_step(wire))
			return false;
	return true;
}
