/* See fragments.h. */
#include "fragments.h"

#include "core.h"
#include "text_inline.h"

static struct fragment_key key_of(const struct packet *packet)
{
	return (struct fragment_key){.source = packet->source,
	                             .destination = packet->destination,
	                             .id = packet->fragment_id,
	                             .protocol = packet->six ? 0 : packet->protocol};
}

static bool key_same(const struct fragment_key *a, const struct fragment_key *b)
{
	return a->id == b->id && a->protocol == b->protocol && address_same(a->source, b->source) &&
	       address_same(a->destination, b->destination);
}

/* The places of PORT: COUNT from the index returned. */
static unsigned places(unsigned port, unsigned *count)
{
	*count = port == CORE_OUTSIDE ? FRAGMENTS_OUTSIDE : FRAGMENTS_LINK;
	return port * FRAGMENTS_LINK;
}

static unsigned early_places(unsigned port, unsigned *count)
{
	*count = port == CORE_OUTSIDE ? EARLY_OUTSIDE : EARLY_LINK;
	return port * EARLY_LINK;
}

static struct fragmented *find(struct core *core, unsigned port, const struct fragment_key *key)
{
	unsigned count, first = places(port, &count);

	for (unsigned i = first; i < first + count; i++) {
		struct fragmented *packet = &core->fragments.packets[i];
		if (packet->used && core->now - packet->begun_at > FRAGMENTS_LIVE)
			packet->used = false;
		if (packet->used && key_same(&packet->key, key))
			return packet;
	}
	return 0;
}

static struct fragmented *place(struct core *core, unsigned port)
{
	unsigned count, first = places(port, &count), oldest = first;

	for (unsigned i = first; i < first + count; i++) {
		struct fragmented *packet = &core->fragments.packets[i],
		                  *other = &core->fragments.packets[oldest];
		if (!packet->used)
			return packet;
		if (packet->begun_at < other->begun_at)
			oldest = i;
	}
	return &core->fragments.packets[oldest];
}

/* Whether PART is sound beside those that have come; it counts as come. */
static bool cover(struct fragmented *packet, const struct packet *part)
{
	const uint32_t end = part->fragment_at + part->inner_bytes;
	uint32_t unit = part->fragment_at / 8, units_end = part->more ? end / 8 : FRAGMENT_UNITS * 64;

	if (packet->dead || !part->inner_bytes || end > UINT16_MAX || (part->more && end % 8))
		packet->dead = true;
	/* A word at a time: a last part covers all behind it. */
	while (!packet->dead && unit < units_end) {
		uint32_t bits = 64 - unit % 64;
		bits = bits < units_end - unit ? bits : units_end - unit;
		uint64_t mask = (bits == 64 ? ~0ull : (1ull << bits) - 1) << unit % 64;
		if (packet->have[unit / 64] & mask)
			packet->dead = true;
		packet->have[unit / 64] |= mask;
		packet->units += bits;
		unit += bits;
	}
	return !packet->dead;
}

/* A later part of PACKET, with HEAD changed as the first one's was. */
static int pass(struct core *core, uint8_t *head, struct fragmented *packet, struct packet *part)
{
	uint16_t type = part->six ? ETHER_IP6 : ETHER_IP;
	uint8_t mac[6];

	if (!cover(packet, part))
		return CORE_NOWHERE;
	if (packet->units == FRAGMENT_UNITS * 64) /* all is here */
		packet->used = false;
	if (packet->to == CORE_OUTSIDE) {
		if (!core_there(core, part->six) || !outside_station(core, part->destination, mac) ||
		    !packet_hop(part))
			return CORE_NOWHERE;
		packet_set_source(part, core_own(core, part->six), 0);
		ethernet_make(head, mac, core->mac, type);
	} else {
		const struct core_link *link = &core->links[packet->to];
		if (!packet_hop(part))
			return CORE_NOWHERE;
		packet_set_destination(part, packet->inside, 0);
		ethernet_make(head, link->peer_mac, link->mac, type);
	}
	packet_set_id(part, packet->id);
	return packet->to;
}

static void keep(struct core *core, unsigned port, const uint8_t *head, uint32_t held, uint32_t total,
                 const struct fragment_key *key,
                 void (*fetch)(void *source, uint32_t offset, uint8_t *to, uint32_t count), void *source)
{
	unsigned count, first = early_places(port, &count);
	struct early_fragment *early = &core->fragments.early[first];

	if (total > EARLY_BYTES)
		return;
	for (unsigned i = first; i < first + count; i++) {
		struct early_fragment *other = &core->fragments.early[i];
		if (!other->bytes || (early->bytes && other->came_at < early->came_at))
			early = other;
	}
	early->bytes = total;
	early->key = *key;
	early->came_at = core->now;
	memcpy(early->frame, head, held);
	if (total > held)
		fetch(source, held, early->frame + held, total - held);
}

/* The parts of PACKET that have waited for its first one. */
static void release(struct core *core, unsigned port, struct fragmented *packet)
{
	unsigned count, first = early_places(port, &count);

	for (unsigned i = first; i < first + count && packet->used; i++) {
		struct early_fragment *early = &core->fragments.early[i];
		uint32_t bytes = early->bytes;
		struct packet part;

		if (!bytes || !key_same(&early->key, &packet->key))
			continue;
		early->bytes = 0;
		if (core->now - early->came_at > FRAGMENTS_LIVE ||
		    !packet_read(&part, early->frame + ETHERNET_BYTES, bytes - ETHERNET_BYTES,
		                 bytes - ETHERNET_BYTES))
			continue;
		int to = pass(core, early->frame, packet, &part);
		if (to != CORE_NOWHERE)
			core->send(core->context, (unsigned)to, early->frame, bytes);
	}
}

int fragment_way(struct core *core, unsigned port, uint8_t *head, uint32_t held, uint32_t total,
                 struct packet *packet, fragment_judge *judge,
                 void (*fetch)(void *source, uint32_t offset, uint8_t *to, uint32_t count), void *source)
{
	const struct fragment_key key = key_of(packet);
	struct fragmented *known = find(core, port, &key);
	int to;

	if (packet->later) {
		if (known)
			return pass(core, head, known, packet);
		keep(core, port, head, held, total, &key, fetch, source);
		return CORE_NOWHERE;
	}
	if (known) { /* a second beginning */
		known->dead = true;
		return CORE_NOWHERE;
	}
	to = judge(core, port, head, packet);
	if (to == CORE_NOWHERE)
		return to;
	known = place(core, port);
	*known = (struct fragmented){.used = true,
	                             .key = key,
	                             .to = (uint8_t)to,
	                             .inside = packet->destination,
	                             .id = key.id,
	                             .begun_at = core->now};
	if (!cover(known, packet))
		return CORE_NOWHERE;
	/* The links' numbers would meet at the switch's one address. */
	if (to == (int)CORE_OUTSIDE) {
		known->id = (uint32_t)core->random(core->context) & (packet->six ? UINT32_MAX : UINT16_MAX);
		packet_set_id(packet, known->id);
	}
	if (known->units == FRAGMENT_UNITS * 64) /* of one part, as IPv6 has them */
		known->used = false;
	release(core, port, known);
	return to;
}

void fragments_forget(struct core *core, unsigned port)
{
	unsigned count, first = early_places(port, &count);

	for (unsigned i = 0; i < count; i++)
		core->fragments.early[first + i].bytes = 0;
	first = places(port, &count);
	for (unsigned i = 0; i < FRAGMENTS_MAX; i++)
		if ((i >= first && i < first + count) || core->fragments.packets[i].to == port)
			core->fragments.packets[i].used = false;
}
