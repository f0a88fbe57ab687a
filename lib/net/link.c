/* Links: adding them, their addresses, frames in and out, loopback. */
#include "internal.h"
#include <string.h>

struct net_link *net_link_add(struct net *net, const struct net_link_config *config)
{
	struct net_link *link;

	if (net->link_count == LINKS_MAX || config->mtu < 576 || config->mtu > 65535)
		return NULL;
	link = (struct net_link *)arena_allocate_zeroed(&net->arena, sizeof(*link));
	if (!link)
		return NULL;
	link->net = net;
	link->config = *config;
	link->config.name[NET_LINK_NAME_BYTES - 1] = 0;
	link->up = true;
	net->links[net->link_count++] = link;
	link->number = net->link_count;
	if (config->kind == NET_LINK_ETHERNET && config->mtu >= 1280)
		nd_link_start(link);
	return link;
}

uint32_t net_link_number(const struct net_link *link)
{
	return link->number;
}

void net_link_set_up(struct net_link *link, bool up)
{
	if (link->up == up)
		return;
	link->up = up;
	neighbour_flush(link);
	if (up && link->config.kind == NET_LINK_ETHERNET && link->config.mtu >= 1280)
		nd_link_start(link);
}

static unsigned prefix_bits(const struct net_address *address, unsigned length)
{
	return net_is_ipv4(address) ? 96 + length : length;
}

/* ADDRESS itself, where link_own_address takes all of 127/8 for the loopback's. */
static struct link_address *exact_address(struct net_link *link, const struct net_address *address)
{
	for (unsigned index = 0; index < link->address_count; index++)
		if (address_equal(&link->addresses[index].address, address))
			return &link->addresses[index];
	return NULL;
}

int net_address_add(struct net_link *link, const struct net_address *address, unsigned length)
{
	struct link_address *own;
	int error;

	if (length > (net_is_ipv4(address) ? 32u : 128u) || address_multicast(address) ||
	    address_zero(address))
		return -NET_EINVAL;
	if (exact_address(link, address))
		return -NET_EEXIST;
	if (link->address_count == ADDRESSES_MAX)
		return -NET_ENOBUFS;
	error = route_add(link->net, address, prefix_bits(address, length), link, NULL, false, UINT64_MAX);
	if (error && error != -NET_EEXIST)
		return error;
	own = &link->addresses[link->address_count++];
	memset(own, 0, sizeof(*own));
	own->address = *address;
	own->length = (uint8_t)prefix_bits(address, length);
	own->preferred_until = own->valid_until = UINT64_MAX;
	own->link = link;
	own->state = ADDRESS_VALID;
	if (link->config.kind == NET_LINK_ETHERNET && !net_is_ipv4(address))
		nd_address_start(link, own);
	return 0;
}

int net_address_remove(struct net_link *link, const struct net_address *address)
{
	struct net *net = link->net;
	struct link_address *own = exact_address(link, address), *last;

	if (!own)
		return -NET_EADDRNOTAVAIL;
	route_remove(net, &own->address, own->length, link);
	timer_disarm(&net->timers, &own->timer);
	last = &link->addresses[--link->address_count];
	if (own != last) {
		uint64_t deadline = last->timer.deadline;
		bool armed = last->timer.armed;

		timer_disarm(&net->timers, &last->timer);
		*own = *last;
		if (armed)
			timer_arm(&net->timers, &own->timer, deadline);
	}
	return 0;
}

static bool link_transmit(struct net_link *link, const struct net_piece *pieces, unsigned count,
                          const struct net_offload *offload)
{
	size_t total = 0;
	bool sent;

	for (unsigned index = 0; index < count; index++)
		total += pieces[index].count;
	sent = link->up && link->config.transmit(link->config.context, pieces, count, offload);
	if (sent) {
		if (!net_list_empty(&link->net->raw_sockets))
			packet_tap_out(link, pieces, count);
		link->counts.sent_packets++;
		link->counts.sent_bytes += total;
	} else {
		link->counts.sent_dropped++;
	}
	return sent;
}

bool link_send(struct net_link *link, const uint8_t mac[6], uint16_t ethertype, struct net_piece *pieces,
               unsigned count, const struct net_offload *offload)
{
	uint8_t *header = (uint8_t *)(uintptr_t)pieces[0].bytes - ETHERNET_BYTES;
	struct net_offload framed;

	memcpy(header, mac, 6);
	memcpy(header + 6, link->config.mac, 6);
	store16(header + 12, ethertype);
	pieces[0].bytes = header;
	pieces[0].count += ETHERNET_BYTES;
	if (offload) {
		framed = *offload;
		framed.header_bytes = (uint16_t)(framed.header_bytes + ETHERNET_BYTES);
		offload = &framed;
	}
	return link_transmit(link, pieces, count, offload);
}

bool link_send_ip(struct net_link *link, struct net_piece *pieces, unsigned count,
                  const struct net_offload *offload)
{
	return link_transmit(link, pieces, count, offload);
}

/* ---- Input ---- */

static void packet_dispatch(struct net_link *link, struct packet *packet)
{
	switch (packet->protocol) {
	case ETHERTYPE_IPV4:
		ipv4_input(link, packet);
		return;
	case ETHERTYPE_IPV6:
		ipv6_input(link, packet);
		return;
	case ETHERTYPE_ARP:
		arp_input(link, packet);
		return;
	default:
		packet_free(link->net, packet);
	}
}

/* The Ethernet header is read; false: not for us. */
static bool ethernet_header(struct net_link *link, struct packet *packet)
{
	const uint8_t *header = packet->data;

	if (packet->length < ETHERNET_BYTES)
		return false;
	if (header[0] & 1)
		packet->broadcast = true;
	else if (load32(header) != load32(link->config.mac) ||
	         load16(header + 4) != load16(link->config.mac + 4))
		return false;
	packet->protocol = load16(header + 12);
	packet->data += ETHERNET_BYTES;
	packet->length -= ETHERNET_BYTES;
	return true;
}

void net_input(struct net_link *link, void *frame, size_t count)
{
	net_input_as(link, frame, count, 0);
}

void net_input_as(struct net_link *link, void *frame, size_t count, unsigned flags)
{
	struct net *net = link->net;
	bool keep = link->config.release != NULL && !(flags & NET_INPUT_COPY);
	struct packet *packet = NULL;

	if (link->up && count > 0 && count <= 65535 + ETHERNET_BYTES)
		packet = packet_allocate(net, 2, keep ? 0 : count);
	if (!packet) {
		link->counts.received_dropped++;
		if (keep)
			link->config.release(link->config.context, frame);
		return;
	}
	link->counts.received_packets++;
	link->counts.received_bytes += count;
	packet->link = link;
	packet->length = (uint32_t)count;
	packet->trusted = flags & NET_INPUT_CHECKED;
	if (keep) {
		packet->foreign = frame;
		packet->data = (uint8_t *)frame;
		packet->room = 0;
		packet->charge += 2048;
	} else {
		memcpy(packet->data, frame, count);
		packet->room -= (uint32_t)count;
	}
	if (!net_list_empty(&net->raw_sockets))
		packet_tap(link, packet);
	if (link->config.kind == NET_LINK_IP)
		packet->protocol = packet->data[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
	else if (!ethernet_header(link, packet)) {
		packet_free(net, packet);
		return;
	}
	packet_dispatch(link, packet);
}

/* ---- Loopback ---- */

/* Loopback packets wait in a queue until the call that sent them is over, so that nothing recurses. */
bool loopback_send(struct net_link *link, uint16_t ethertype, const struct net_piece *pieces, unsigned count)
{
	struct net *net = link->net;
	bool room = link->up && net->loopback_count < LOOPBACK_MAX;
	struct packet *packet = room ? packet_gather(net, 2 + ETHERNET_BYTES, pieces, count) : NULL;

	if (!packet) {
		link->counts.sent_dropped++;
		return false;
	}
	packet->link = link;
	packet->protocol = ethertype;
	packet->trusted = true;
	link->counts.sent_packets++;
	link->counts.sent_bytes += packet->length;
	net_list_append(&net->loopback, &packet->node);
	net->loopback_count++;
	if (!net->loopback_timer.armed)
		timer_arm(&net->timers, &net->loopback_timer, net->now);
	return true;
}

/* Runs from net_advance. What these packets cause to be sent is queued behind them; a bounded part a turn. */
void loopback_run(struct net *net, struct timer *timer)
{
	bool outer = net->train;

	net_train_begin(net);
	for (unsigned left = LOOPBACK_MAX; left && !net_list_empty(&net->loopback); left--) {
		struct packet *packet = NET_ITEM(net_list_pop(&net->loopback), struct packet, node);
		struct net_link *link = packet->link;

		net->loopback_count--;
		link->counts.received_packets++;
		link->counts.received_bytes += packet->length;
		if (!net_list_empty(&net->raw_sockets))
			packet_tap(link, packet);
		if (packet->looped)
			packet->link = packet->looped;
		packet_dispatch(link, packet);
	}
	if (!outer)
		net_train_end(net);
	if (!net_list_empty(&net->loopback))
		timer_arm(&net->timers, timer, net->now);
}
