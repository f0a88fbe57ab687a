/* Neighbours: link addresses of hosts on the same link, by ARP (RFC 826) or neighbour discovery (RFC 4861,
 * 7).
 *
 * One table for all links. An entry that is asked for keeps a few packets; when the table is full the entry
 * used longest ago goes, so a flood of strangers costs re-asking and no more. Only an answer to a question of
 * ours, or a packet from a host that asks for us, makes or changes an entry.
 */
#include "info.h"
#include "internal.h"
#include <string.h>

enum { WAITING_MAX = 8, TRIES_MAX = 3, NEIGHBOUR_BUCKETS = 256 };
enum neighbour_state {
	NEIGHBOUR_FREE,
	NEIGHBOUR_ASKED,
	NEIGHBOUR_REACHABLE,
	NEIGHBOUR_STALE,
	NEIGHBOUR_PROBED
};
#define REACHABLE_TIME (30 * SECOND)
#define RETRY_TIME     SECOND

struct neighbour {
	struct net_address address;
	struct net_link *link;
	struct neighbour *next; /* bucket */
	struct net_list recent; /* least recently used first */
	uint8_t mac[6];
	uint8_t state, tries;
	struct timer timer;
	struct net_list waiting;
	unsigned waiting_count;
	struct net_address source; /* with which we asked */
};

struct neighbour_table {
	struct neighbour *buckets[NEIGHBOUR_BUCKETS];
	struct net_list recent; /* all entries in use */
	unsigned count;
};

bool neighbours_init(struct net *net)
{
	net->neighbours =
	    (struct neighbour_table *)arena_allocate_zeroed(&net->arena, sizeof(*net->neighbours));
	if (!net->neighbours)
		return false;
	net_list_init(&net->neighbours->recent);
	return true;
}

static struct neighbour **bucket_of(struct net_link *link, const struct net_address *address)
{
	uint64_t hash = siphash(&link->net->flow_key, address, sizeof(*address)) + link->number;

	return &link->net->neighbours->buckets[hash % NEIGHBOUR_BUCKETS];
}

static struct neighbour *neighbour_find(struct net_link *link, const struct net_address *address)
{
	struct neighbour_table *table = link->net->neighbours;
	struct neighbour *entry;

	if (!net_list_empty(&table->recent)) {
		entry = NET_ITEM(table->recent.previous, struct neighbour, recent);
		if (entry->link == link && address_equal(&entry->address, address))
			return entry;
	}
	entry = *bucket_of(link, address);
	while (entry && !(entry->link == link && address_equal(&entry->address, address)))
		entry = entry->next;
	if (entry) {
		net_list_remove(&entry->recent);
		net_list_append(&table->recent, &entry->recent);
	}
	return entry;
}

static void waiting_drop(struct net *net, struct neighbour *entry)
{
	struct net_list *node;

	while ((node = net_list_pop(&entry->waiting)))
		packet_free(net, NET_ITEM(node, struct packet, node));
	entry->waiting_count = 0;
}

static void neighbour_remove(struct net *net, struct neighbour *entry)
{
	struct neighbour **at = bucket_of(entry->link, &entry->address);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	waiting_drop(net, entry);
	timer_disarm(&net->timers, &entry->timer);
	net_list_remove(&entry->recent);
	net->neighbours->count--;
	arena_free(&net->arena, entry);
}

static void neighbour_expire(struct net *net, struct timer *timer);

static struct neighbour *neighbour_make(struct net_link *link, const struct net_address *address)
{
	struct net *net = link->net;
	struct neighbour_table *table = net->neighbours;
	struct neighbour *entry, **bucket = bucket_of(link, address);

	if (table->count >= NEIGHBOURS_MAX)
		neighbour_remove(net, NET_ITEM(table->recent.next, struct neighbour, recent));
	entry = (struct neighbour *)arena_allocate_zeroed(&net->arena, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->address = *address;
	entry->link = link;
	entry->timer.expire = neighbour_expire;
	net_list_init(&entry->waiting);
	entry->next = *bucket;
	*bucket = entry;
	net_list_append(&table->recent, &entry->recent);
	table->count++;
	return entry;
}

void neighbour_flush(struct net_link *link)
{
	struct neighbour_table *table = link->net->neighbours;

	for (struct net_list *node = table->recent.next, *next; node != &table->recent; node = next) {
		struct neighbour *entry = NET_ITEM(node, struct neighbour, recent);

		next = node->next;
		if (entry->link == link)
			neighbour_remove(link->net, entry);
	}
}

/* ---- Asking ---- */

static void arp_send(struct net_link *link, uint16_t operation, const uint8_t to[6],
                     const struct net_address *sender, const uint8_t target_mac[6],
                     const struct net_address *target)
{
	uint8_t frame[ETHERNET_BYTES + 28], *arp = frame + ETHERNET_BYTES;
	struct net_piece piece = {arp, 28};

	store16(arp, 1); /* Ethernet */
	store16(arp + 2, ETHERTYPE_IPV4);
	arp[4] = 6;
	arp[5] = 4;
	store16(arp + 6, operation);
	memcpy(arp + 8, link->config.mac, 6);
	memcpy(arp + 14, sender->bytes + 12, 4);
	memcpy(arp + 18, target_mac, 6);
	memcpy(arp + 24, target->bytes + 12, 4);
	link_send(link, to, ETHERTYPE_ARP, &piece, 1, NULL);
}

static void neighbour_ask(struct neighbour *entry)
{
	static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255}, nobody[6];
	bool probe = entry->state == NEIGHBOUR_PROBED;
	const struct net_address *source = link_source(entry->link, &entry->address);
	static const struct net_address none = {{[10] = 255, [11] = 255}};

	entry->tries++;
	timer_arm(&entry->link->net->timers, &entry->timer, entry->link->net->now + RETRY_TIME);
	if (net_is_ipv4(&entry->address))
		arp_send(entry->link, 1, probe ? entry->mac : everybody, source ? source : &none, nobody,
		         &entry->address);
	else
		nd_solicit(entry->link, &entry->address, probe ? entry->mac : NULL, source);
}

static void neighbour_expire(struct net *net, struct timer *timer)
{
	struct neighbour *entry = NET_ITEM(timer, struct neighbour, timer);

	if (entry->state == NEIGHBOUR_REACHABLE) {
		entry->state = NEIGHBOUR_STALE;
	} else if (entry->tries < TRIES_MAX) {
		neighbour_ask(entry);
	} else {
		/* Nobody answers: those who wait are told. */
		struct net_list *node;

		while ((node = net_list_pop(&entry->waiting))) {
			struct packet *packet = NET_ITEM(node, struct packet, node);

			icmp_local_unreachable(net, packet->data, packet->length);
			packet_free(net, packet);
		}
		entry->waiting_count = 0;
		neighbour_remove(net, entry);
	}
}

static void multicast_mac(const struct net_address *address, uint8_t mac[6])
{
	static const uint8_t ipv4[3] = {1, 0, 0x5e}, ipv6[2] = {0x33, 0x33};

	if (net_is_ipv4(address)) {
		memcpy(mac, ipv4, 3); /* RFC 1112, 6.4 */
		memcpy(mac + 3, address->bytes + 13, 3);
		mac[3] &= 0x7f;
	} else {
		memcpy(mac, ipv6, 2); /* RFC 2464, 7 */
		memcpy(mac + 2, address->bytes + 12, 4);
	}
}

bool neighbour_send(struct net_link *link, const struct net_address *hop, uint16_t ethertype,
                    struct net_piece *pieces, unsigned count, const struct net_offload *offload)
{
	struct net *net = link->net;
	struct neighbour *entry;
	struct packet *packet;
	uint8_t mac[6];

	if (link->config.kind == NET_LINK_LOOPBACK)
		return loopback_send(link, ethertype, pieces, count);
	if (link->config.kind == NET_LINK_IP)
		return link_send_ip(link, pieces, count, offload);
	if (address_multicast(hop)) {
		multicast_mac(hop, mac);
		return link_send(link, mac, ethertype, pieces, count, offload);
	}
	if (address_broadcast(net, hop)) {
		memset(mac, 255, 6);
		return link_send(link, mac, ethertype, pieces, count, offload);
	}
	entry = neighbour_find(link, hop);
	if (entry && entry->state != NEIGHBOUR_ASKED) {
		if (entry->state == NEIGHBOUR_STALE) {
			/* Used again: asked soon, by unicast, while what is known serves (RFC 4861, 7.3.2).
			 */
			entry->state = NEIGHBOUR_PROBED;
			entry->tries = 0;
			timer_arm(&net->timers, &entry->timer, net->now + 5 * SECOND);
		}
		return link_send(link, entry->mac, ethertype, pieces, count, offload);
	}
	if (!entry) {
		entry = neighbour_make(link, hop);
		if (!entry)
			return false;
		entry->state = NEIGHBOUR_ASKED;
		neighbour_ask(entry);
	}
	if (offload) /* it will be sent again, cut */
		return true;
	packet = packet_gather(net, HEADERS_MAX, pieces, count);
	if (!packet)
		return false;
	packet->protocol = ethertype;
	if (entry->waiting_count == WAITING_MAX) /* the oldest goes (RFC 4861, 7.2.2) */
		packet_free(net, NET_ITEM(net_list_pop(&entry->waiting), struct packet, node));
	else
		entry->waiting_count++;
	net_list_append(&entry->waiting, &packet->node);
	return true;
}

/* ---- Learning ---- */

void neighbour_learn(struct net_link *link, const struct net_address *hop, const uint8_t mac[6],
                     bool override, bool create, bool reachable)
{
	struct net *net = link->net;
	struct neighbour *entry = neighbour_find(link, hop);
	struct net_list *node;

	if (mac[0] & 1)
		return;
	if (!entry) {
		entry = create ? neighbour_make(link, hop) : NULL;
		if (!entry)
			return;
		entry->state = NEIGHBOUR_ASKED;
	} else if (entry->state != NEIGHBOUR_ASKED && memcmp(entry->mac, mac, 6) != 0 && !override) {
		return;
	}
	if (entry->state == NEIGHBOUR_ASKED || memcmp(entry->mac, mac, 6) != 0 || reachable) {
		entry->state = reachable ? NEIGHBOUR_REACHABLE : NEIGHBOUR_STALE;
		if (reachable)
			timer_arm(&net->timers, &entry->timer, net->now + REACHABLE_TIME);
		else
			timer_disarm(&net->timers, &entry->timer);
	}
	memcpy(entry->mac, mac, 6);
	while ((node = net_list_pop(&entry->waiting))) {
		struct packet *packet = NET_ITEM(node, struct packet, node);
		struct net_piece piece = {packet->data, packet->length};

		link_send(link, entry->mac, packet->protocol, &piece, 1, NULL);
		packet_free(net, packet);
	}
	entry->waiting_count = 0;
}

void arp_input(struct net_link *link, struct packet *packet)
{
	const uint8_t *arp = packet->data;
	struct net_address sender, target;
	uint8_t mac[6];
	uint16_t operation;
	bool for_us;

	if (packet->length < 28 || load16(arp) != 1 || load16(arp + 2) != ETHERTYPE_IPV4 || arp[4] != 6 ||
	    arp[5] != 4) {
		packet_free(link->net, packet);
		return;
	}
	operation = load16(arp + 6);
	memcpy(mac, arp + 8, 6);
	sender = net_ipv4(arp + 14);
	target = net_ipv4(arp + 24);
	packet_free(link->net, packet);
	if (address_multicast(&sender) || address_broadcast(link->net, &sender) ||
	    link_own_address(link, &sender))
		return;
	for_us = link_own_address(link, &target) != NULL;
	/* RFC 826: merge what is known; make an entry only for who talks to us. */
	if (!address_zero(&sender))
		neighbour_learn(link, &sender, mac, true, for_us && operation == 1, operation == 2 && for_us);
	if (operation == 1 && for_us)
		arp_send(link, 2, mac, &target, mac, &sender);
}

bool net_neighbour_info(const struct net *net, uint32_t index, struct net_neighbour_info *info)
{
	const struct net_list *recent = &net->neighbours->recent, *node = recent->next;
	const struct neighbour *entry;

	while (node != recent && index--)
		node = node->next;
	if (node == recent)
		return false;
	entry = NET_ITEM(node, struct neighbour, recent);
	*info = (struct net_neighbour_info){.address = entry->address,
	                                    .link = entry->link->number,
	                                    .asked = entry->state == NEIGHBOUR_ASKED,
	                                    .stale = entry->state == NEIGHBOUR_STALE};
	memcpy(info->mac, entry->mac, sizeof(info->mac));
	return true;
}
