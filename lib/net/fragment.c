/* Reassembly of IPv4 and IPv6 packets (RFC 815's task; RFC 5722: overlaps end the packet).
 *
 * At most 64 packets are under reassembly and their parts hold at most an eighth of the arena; the oldest
 * goes when there is no room. A packet has at most 64 fragments in order of offset, so that none can make the
 * walk long, and 30 seconds (RFC 8200, 4.5: 60 at most) to be whole.
 */
#include "internal.h"
#include <string.h>

enum { REASSEMBLIES_MAX = 64, FRAGMENTS_MAX = 64 };
#define REASSEMBLY_TIME (30 * SECOND)

struct reassembly {
	struct net_address from, to;
	uint32_t identification;
	uint8_t protocol;
	uint32_t total; /* bytes, once the last fragment is there; else 0 */
	uint32_t have, charge;
	unsigned count;
	struct net_list parts; /* packets by offset, which stands in sequence */
	struct net_list age;
	struct timer timer;
};

struct reassembly_table {
	struct net_list age; /* oldest first */
	unsigned count;
	uint32_t charge;
};

bool fragments_init(struct net *net)
{
	net->reassemblies =
	    (struct reassembly_table *)arena_allocate_zeroed(&net->arena, sizeof(*net->reassemblies));
	if (net->reassemblies)
		net_list_init(&net->reassemblies->age);
	return net->reassemblies != NULL;
}

static void reassembly_end(struct net *net, struct reassembly *whole)
{
	struct net_list *node;

	while ((node = net_list_pop(&whole->parts)))
		packet_free(net, NET_ITEM(node, struct packet, node));
	timer_disarm(&net->timers, &whole->timer);
	net_list_remove(&whole->age);
	net->reassemblies->charge -= whole->charge;
	net->reassemblies->count--;
	arena_free(&net->arena, whole);
}

static void reassembly_expire(struct net *net, struct timer *timer)
{
	net->counts.ip_reassembly_failed++;
	reassembly_end(net, NET_ITEM(timer, struct reassembly, timer));
}

static struct reassembly *reassembly_find(struct net *net, const struct packet *packet,
                                          uint32_t identification, uint8_t protocol)
{
	struct reassembly_table *table = net->reassemblies;
	struct reassembly *whole;

	for (struct net_list *node = table->age.next; node != &table->age; node = node->next) {
		whole = NET_ITEM(node, struct reassembly, age);
		if (whole->identification == identification && whole->protocol == protocol &&
		    address_equal(&whole->from, &packet->from) && address_equal(&whole->to, &packet->to))
			return whole;
	}
	while (table->count >= REASSEMBLIES_MAX || table->charge > net->arena.units * ARENA_UNIT / 8) {
		net->counts.ip_reassembly_failed++;
		reassembly_end(net, NET_ITEM(table->age.next, struct reassembly, age));
	}
	whole = (struct reassembly *)arena_allocate_zeroed(&net->arena, sizeof(*whole));
	if (!whole)
		return NULL;
	whole->from = packet->from;
	whole->to = packet->to;
	whole->identification = identification;
	whole->protocol = protocol;
	net_list_init(&whole->parts);
	net_list_append(&table->age, &whole->age);
	table->count++;
	whole->timer.expire = reassembly_expire;
	timer_arm(&net->timers, &whole->timer, net->now + REASSEMBLY_TIME);
	return whole;
}

/* All parts are there: one packet of them, with the network header of the first. */
static struct packet *reassembly_join(struct net *net, struct reassembly *whole)
{
	struct packet *first = NET_ITEM(whole->parts.next, struct packet, node), *joined;
	uint32_t header = (uint32_t)(first->data - first->network);

	joined = packet_allocate(net, header, whole->total);
	if (joined) {
		uint8_t *bytes = joined->data;
		uint32_t charge = joined->charge, room = joined->room;

		memcpy(bytes - header, first->network, header);
		for (struct net_list *node = whole->parts.next; node != &whole->parts; node = node->next) {
			const struct packet *part = NET_ITEM(node, struct packet, node);

			memcpy(bytes + part->sequence, part->data, part->length);
		}
		joined->link = first->link;
		joined->from = first->from;
		joined->to = first->to;
		joined->ttl = first->ttl;
		joined->traffic_class = first->traffic_class;
		joined->broadcast = first->broadcast;
		joined->network = bytes - header;
		joined->network_bytes = header + whole->total;
		joined->length = whole->total;
		joined->charge = charge;
		joined->room = room - whole->total;
		net->counts.ip_reassembled++;
	}
	reassembly_end(net, whole);
	return joined;
}

struct packet *fragment_input(struct net *net, struct packet *packet, uint32_t identification,
                              uint32_t offset, bool more, uint8_t protocol)
{
	uint32_t end = offset + packet->length;
	struct reassembly *whole;
	struct net_list *place;

	/* RFC 8200, 4.5; RFC 791: all but the last are multiples of eight bytes, and the whole fits 65,535.
	 */
	if (!packet->length || (more && packet->length % 8) || end > 65535 - 40) {
		net->counts.ip_bad++;
		packet_free(net, packet);
		return NULL;
	}
	whole = reassembly_find(net, packet, identification, protocol);
	if (!whole) {
		packet_free(net, packet);
		return NULL;
	}
	for (place = whole->parts.previous; place != &whole->parts; place = place->previous)
		if (NET_ITEM(place, struct packet, node)->sequence <= offset)
			break;
	if (place != &whole->parts) {
		const struct packet *before = NET_ITEM(place, struct packet, node);

		if (before->sequence == offset && before->length == packet->length) { /* a repetition */
			packet_free(net, packet);
			return NULL;
		}
		if (before->sequence + before->length > offset)
			goto overlap;
	}
	if (place->next != &whole->parts && NET_ITEM(place->next, struct packet, node)->sequence < end)
		goto overlap;
	if (whole->count == FRAGMENTS_MAX || (whole->total && (end > whole->total || !more)) ||
	    (!more && place != whole->parts.previous))
		goto overlap;
	packet->sequence = offset;
	net_list_insert_after(place, &packet->node);
	whole->count++;
	whole->have += packet->length;
	whole->charge += packet->charge;
	net->reassemblies->charge += packet->charge;
	if (!more)
		whole->total = end;
	return whole->total && whole->have == whole->total ? reassembly_join(net, whole) : NULL;
overlap:
	net->counts.ip_reassembly_failed++;
	packet_free(net, packet);
	reassembly_end(net, whole);
	return NULL;
}
