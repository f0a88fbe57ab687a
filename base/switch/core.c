/* The way of a packet; see core.h. */
#include "core.h"

#include <holon/types.h>
#include "text_inline.h"

void core_init(struct core *core)
{
	uint64_t key[2] = {core->random(core->context), core->random(core->context)};

	flows_init(&core->flows, key);
}

/* ---- The switch's own address ---- */

bool core_there(const struct core *core, bool six)
{
	return six ? core->six.bound : core->bound;
}

struct address core_own(const struct core *core, bool six)
{
	return six ? core->six.address : address4(core->address);
}

/* A reset from the switch's own address. */
static void send_reset(struct core *core, const uint8_t mac[6], struct address to, uint16_t from_port,
                       uint16_t to_port, uint32_t sequence, uint32_t acknowledged, uint8_t flags)
{
	bool six = !address_is4(to);
	uint8_t *frame = core->reply, *ip = frame + ETHERNET_BYTES;
	uint32_t header = header_make(ip, IP_TCP, core_own(core, six), to, TCP_BYTES);
	uint8_t *tcp = ip + header;

	ethernet_make(frame, mac, core->mac, six ? ETHER_IP6 : ETHER_IP);
	memset(tcp, 0, TCP_BYTES);
	put16(tcp, from_port);
	put16(tcp + 2, to_port);
	put32(tcp + 4, sequence);
	put32(tcp + 8, acknowledged);
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	put16(tcp + 16, inner_sum(ip, IP_TCP, tcp, TCP_BYTES));
	core->send(core->context, CORE_OUTSIDE, frame, ETHERNET_BYTES + header + TCP_BYTES);
}

void core_reset(struct core *core, const struct flow *flow)
{
	uint8_t mac[6];

	if (flow->protocol == IP_TCP && core_there(core, !address_is4(flow->remote)) &&
	    outside_station(core, flow->remote, mac))
		send_reset(core, mac, flow->remote, flow->outside_port, flow->remote_port, flow->next_out, 0,
		           TCP_RST);
}

/* ---- The way of a packet ---- */

bool core_special(struct address address)
{
	uint32_t four = (uint32_t)address.low;

	if (address_is4(address))
		return four >> 24 == 0 || four >> 24 == 127 || four >> 28 >= 14 ||
		       (four & INSIDE_MASK) == INSIDE_BASE;
	return !address.high || address.high >> 56 == 0xff || address.high >> 54 == LINK_LOCAL >> 54 ||
	       address.high >> 24 == INSIDE_SIX >> 24;
}

static void flow_seen(struct core *core, struct flow *flow, const struct packet *packet, bool outgoing)
{
	flow->used_at = core->now;
	flow->answered |= !outgoing;
	if (packet->protocol != IP_TCP)
		return;
	uint8_t flags = packet->inner[13];
	flow->closing |= (flags & (TCP_FIN | TCP_RST)) != 0;
	if (outgoing)
		flow->next_out = get32(packet->inner + 4) +
		                 (packet->inner_bytes - (packet->inner[12] >> 4) * 4u) +
		                 (flags & TCP_SYN ? 1 : 0) + (flags & TCP_FIN ? 1 : 0);
}

static int to_outside(struct core *core, unsigned port, uint8_t *head, struct packet *packet)
{
	const struct core_link *link = &core->links[port];
	const bool echo = packet->echo || packet->reply;
	struct flow like = {.inside = packet->source,
	                    .remote = packet->destination,
	                    .inside_port = packet->from,
	                    .remote_port = echo ? 0 : packet->to,
	                    .protocol = packet->protocol,
	                    .link = (uint8_t)port};
	struct flow *flow;
	uint8_t mac[6];

	if (!packet->ports || core_special(packet->destination) ||
	    (packet->protocol == IP_TCP && packet->inner_bytes < (packet->inner[12] >> 4) * 4u))
		return CORE_NOWHERE;
	if (packet->six && !outside_route(core, packet->destination)) {
		inside_unreachable(core, port, packet, INSIDE_NO_ROUTE);
		return CORE_NOWHERE;
	}
	if (!core_there(core, packet->six) || address_same(packet->destination, core_own(core, packet->six)))
		return CORE_NOWHERE;
	flow = flow_inside(&core->flows, &like);
	if (!flow) {
		if (!core_may_send(core, link, packet)) {
			inside_unreachable(core, port, packet, INSIDE_PROHIBITED);
			return CORE_NOWHERE;
		}
		if (packet->reply)
			return CORE_NOWHERE;
		flow = flow_make(&core->flows, &like, core_port_promised, core);
	}
	if (!flow || !outside_station_for(core, port, packet->destination, mac))
		return CORE_NOWHERE;
	if (!packet_hop(packet)) {
		inside_unreachable(core, port, packet, INSIDE_EXPIRED);
		return CORE_NOWHERE;
	}
	flow_seen(core, flow, packet, true);
	packet_set_source(packet, core_own(core, packet->six), flow->outside_port);
	ethernet_make(head, mac, core->mac, packet->six ? ETHER_IP6 : ETHER_IP);
	return CORE_OUTSIDE;
}

/* To another link, if one of the two is connected with the other: nothing is translated. */
static int to_link(struct core *core, unsigned port, uint8_t *head, struct packet *packet)
{
	int other = core_link_at(core, packet->destination);

	if (other < 0 || packet->fragment ||
	    !core_may_pass(core, core->links[port].number, core->links[other].number, packet))
		return CORE_NOWHERE;
	if (!packet_hop(packet)) {
		inside_unreachable(core, port, packet, INSIDE_EXPIRED);
		return CORE_NOWHERE;
	}
	ethernet_make(head, core->links[other].peer_mac, core->links[other].mac,
	              packet->six ? ETHER_IP6 : ETHER_IP);
	return other;
}

/* The whole frame, where the switch answers itself. False: it is longer than any such. */
static bool fetch_whole(struct core *core, const uint8_t *head, uint32_t held, uint32_t total,
                        core_fetch *fetch, void *source)
{
	if (total > CORE_WHOLE)
		return false;
	memcpy(core->whole, head, held);
	if (total > held)
		fetch(source, held, core->whole + held, total - held);
	return true;
}

/* The whole frame, read again where nothing changes it any more: core->whole. */
static bool read_whole(struct core *core, const uint8_t *head, uint32_t held, uint32_t total,
                       core_fetch *fetch, void *source, struct packet *packet)
{
	return fetch_whole(core, head, held, total, fetch, source) &&
	       packet_read(packet, core->whole + ETHERNET_BYTES, total - ETHERNET_BYTES,
	                   total - ETHERNET_BYTES);
}

/* A packet of the kind that the frame says. */
static bool read_frame(struct packet *packet, uint8_t *head, uint32_t held, uint32_t total)
{
	uint16_t type = get16(head + 12);

	return (type == ETHER_IP || type == ETHER_IP6) &&
	       packet_read(packet, head + ETHERNET_BYTES, held - ETHERNET_BYTES, total - ETHERNET_BYTES) &&
	       packet->six == (type == ETHER_IP6);
}

static int from_link(struct core *core, unsigned port, uint8_t *head, uint32_t held, uint32_t total,
                     core_fetch *fetch, void *source)
{
	struct core_link *link = &core->links[port];
	const struct address own = address4(core_link_address(link));
	const struct address gateway = {own.high, own.low - 1}, everybody = address4(UINT32_MAX);
	struct packet packet;

	if (head[6] & 1) /* no station sends from a group's address */
		return CORE_NOWHERE;
	if (link->policy.mode == SWITCH_BRIDGE)
		return bridge_out(core, port, head, held);
	memcpy(link->peer_mac, head + 6, 6);
	if (get16(head + 12) == ETHER_ARP && fetch_whole(core, head, held, total, fetch, source)) {
		inside_arp(core, port, total);
		return CORE_NOWHERE;
	}
	if (!read_frame(&packet, head, held, total))
		return CORE_NOWHERE;
	if (packet.six) {
		if (inside6_here(link, packet.destination)) {
			if (!packet.fragment && read_whole(core, head, held, total, fetch, source, &packet))
				inside6_local(core, port, &packet);
			return CORE_NOWHERE;
		}
		if (packet.source.high != core_link_prefix(link))
			return CORE_NOWHERE;
		if (packet.destination.high >> 24 == INSIDE_SIX >> 24)
			return to_link(core, port, head, &packet);
		return packet.fragment
		           ? fragment_way(core, port, head, held, total, &packet, to_outside, fetch, source)
		           : to_outside(core, port, head, &packet);
	}
	bool asks = packet.protocol == IP_UDP && packet.to == 67 &&
	            address_same(packet.source, address4(0)) && address_same(packet.destination, everybody);
	if (!address_same(packet.source, own) && !asks)
		return CORE_NOWHERE;
	if (asks || address_same(packet.destination, gateway) ||
	    address_same(packet.destination, everybody)) {
		if (!packet.fragment && read_whole(core, head, held, total, fetch, source, &packet))
			inside_local(core, port, &packet);
		return CORE_NOWHERE;
	}
	if (((uint32_t)packet.destination.low & INSIDE_MASK) == INSIDE_BASE)
		return to_link(core, port, head, &packet);
	return packet.fragment
	           ? fragment_way(core, port, head, held, total, &packet, to_outside, fetch, source)
	           : to_outside(core, port, head, &packet);
}

/* ---- From outside ---- */

/* A segment that belongs to nothing here gets the answer that RFC 9293, 3.10.7.1, gives it. */
static void refuse_segment(struct core *core, const uint8_t *head, const struct packet *packet)
{
	uint8_t flags = packet->inner[13];
	uint32_t after = get32(packet->inner + 4) + (packet->inner_bytes - (packet->inner[12] >> 4) * 4u) +
	                 (flags & TCP_SYN ? 1 : 0) + (flags & TCP_FIN ? 1 : 0);

	if (flags & TCP_RST || core->told_unreachable++ > 100)
		return;
	if (flags & TCP_ACK)
		send_reset(core, head + 6, packet->source, packet->to, packet->from, get32(packet->inner + 8),
		           0, TCP_RST);
	else
		send_reset(core, head + 6, packet->source, packet->to, packet->from, 0, after,
		           TCP_RST | TCP_ACK);
}

/* A new connection that a forward is for. */
static struct flow *flow_forwarded(struct core *core, const struct packet *packet)
{
	for (unsigned i = 0; i < CORE_FORWARDS; i++) {
		struct address inside;
		int link;

		if (!core->forwards[i].used || core->forwards[i].protocol != packet->protocol ||
		    core->forwards[i].outer != packet->to)
			continue;
		link = core_link_find(core, core->forwards[i].link);
		if (link < 0)
			return 0;
		inside = packet->six ? core_link_six(&core->links[link])
		                     : address4(core_link_address(&core->links[link]));
		if (!inside.high && packet->six)
			return 0;
		struct flow like = {.inside = inside,
		                    .remote = packet->source,
		                    .inside_port = core->forwards[i].inner,
		                    .outside_port = packet->to,
		                    .remote_port = packet->from,
		                    .protocol = packet->protocol,
		                    .link = (uint8_t)link};
		return flow_make(&core->flows, &like, core_port_promised, core);
	}
	return 0;
}

/* The packet that an ICMP error is about, cut short: what is read of it is 8 bytes behind its header. False: it was
 * not sent from here. */
static bool error_about(const struct core *core, const struct packet *outer, struct packet *about)
{
	uint8_t *ip = outer->inner + ICMP_BYTES;
	uint32_t bytes = outer->inner_bytes - ICMP_BYTES, header = outer->six ? IP6_BYTES : IP_BYTES;

	if (outer->inner_bytes < ICMP_BYTES + header + 8 || ip[0] >> 4 != (outer->six ? 6 : 4))
		return false;
	if (!outer->six)
		header = (ip[0] & 15u) * 4;
	if (header < IP_BYTES || bytes < header + 8)
		return false;
	*about = (struct packet){.ip = ip,
	                         .inner = ip + header,
	                         .six = outer->six,
	                         .protocol = outer->six ? ip[6] : ip[9],
	                         .source = outer->six ? address_get(ip + 8) : address4(get32(ip + 12)),
	                         .destination = outer->six ? address_get(ip + 24) : address4(get32(ip + 16))};
	about->ports = about->protocol == IP_TCP || about->protocol == IP_UDP;
	about->echo = about->protocol == (outer->six ? IP_ICMP6 : IP_ICMP);
	return (about->ports || about->echo) && address_same(about->source, core_own(core, outer->six));
}

/* An ICMP error about a packet that was translated here: the packet in it is translated back. OUTER is in
 * core->whole. */
static void error_back(struct core *core, struct packet *outer)
{
	struct packet about;
	struct flow *flow;

	if (!error_about(core, outer, &about))
		return;
	uint8_t *port = about.inner + (about.echo ? 4 : 0);
	flow = flow_outside(&core->flows, about.protocol, get16(port), about.destination,
	                    about.echo ? 0 : get16(about.inner + 2));
	if (!flow)
		return;
	put16(port, flow->inside_port);
	if (outer->six) {
		address_put(about.ip + 8, flow->inside);
	} else {
		put32(about.ip + 12, (uint32_t)flow->inside.low);
		put16(about.ip + 10, 0);
		put16(about.ip + 10, sum_end(sum_add(0, about.ip, (uint32_t)(about.inner - about.ip))));
	}
	packet_set_destination(outer, flow->inside, 0);
	put16(outer->inner + 2, 0);
	put16(outer->inner + 2, inner_sum(outer->ip, outer->protocol, outer->inner, outer->inner_bytes));
	(void)packet_hop(outer);
	const struct core_link *link = &core->links[flow->link];
	ethernet_make(core->whole, link->peer_mac, link->mac, outer->six ? ETHER_IP6 : ETHER_IP);
	core->send(core->context, flow->link, core->whole, ETHERNET_BYTES + outer->bytes);
}

/* What is for the switch itself: leases, answers to its questions, routers and neighbours, and errors, which it
 * translates as a whole. False: it is not. */
static bool outside_local(struct core *core, const uint8_t *head, uint32_t held, uint32_t total,
                          core_fetch *fetch, void *source, const struct packet *packet)
{
	bool here =
	    core_there(core, packet->six) && address_same(packet->destination, core_own(core, packet->six));
	bool lease = !packet->six && packet->protocol == IP_UDP && packet->to == 68 && packet->from == 67;
	bool local = packet->six && outside6_local(core, packet->destination);
	bool lease6 = local && packet->protocol == IP_UDP && packet->to == DHCP6_CLIENT_PORT;
	bool name = (here || local) && packet->protocol == IP_UDP && packet->from == 53;
	struct packet whole;

	if (!lease && !lease6 && !name && !packet->discovery && !(packet->error && here))
		return false;
	if (!read_whole(core, head, held, total, fetch, source, &whole))
		return !name;
	if (whole.discovery) {
		outside6_discovery(core, &whole);
	} else if (whole.error) {
		error_back(core, &whole);
	} else if (lease6) {
		outside6_lease_input(core, &whole);
	} else if (lease) {
		outside_dhcp(core, whole.inner + UDP_BYTES, get16(whole.inner + 4) - UDP_BYTES);
	} else {
		return names_answer(core, &whole);
	}
	return true;
}

/* From outside to the link that it is for. */
static int to_inside(struct core *core, unsigned port, uint8_t *head, struct packet *packet)
{
	struct flow *flow;

	(void)port;
	if (!packet->ports || packet->echo ||
	    (packet->protocol == IP_TCP && packet->inner_bytes < (packet->inner[12] >> 4) * 4u))
		return CORE_NOWHERE;
	flow = flow_outside(&core->flows, packet->protocol, packet->to, packet->source,
	                    packet->reply ? 0 : packet->from);
	if (!flow && !packet->reply &&
	    (packet->protocol == IP_UDP || (packet->inner[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN))
		flow = flow_forwarded(core, packet);
	if (!flow) {
		if (packet->protocol == IP_TCP)
			refuse_segment(core, head, packet);
		return CORE_NOWHERE;
	}
	if (!packet_hop(packet))
		return CORE_NOWHERE;
	flow_seen(core, flow, packet, false);
	packet_set_destination(packet, flow->inside, flow->inside_port);
	const struct core_link *link = &core->links[flow->link];
	ethernet_make(head, link->peer_mac, link->mac, packet->six ? ETHER_IP6 : ETHER_IP);
	return flow->link;
}

static int from_outside(struct core *core, uint8_t *head, uint32_t held, uint32_t total, core_fetch *fetch,
                        void *source)
{
	struct packet packet;
	const bool group = head[0] & 1;

	/* A card that serves bridged links takes others' frames too. */
	if (!mac_same(head, core->mac)) {
		int to = group && !fetch_whole(core, head, held, total, fetch, source)
		             ? CORE_NOWHERE
		             : bridge_in(core, head, total);
		if (!group || to != CORE_NOWHERE)
			return to;
	}
	if (get16(head + 12) == ETHER_ARP)
		return fetch_whole(core, head, held, total, fetch, source) ? outside_arp(core, total)
		                                                           : CORE_NOWHERE;
	if (!read_frame(&packet, head, held, total) ||
	    (!packet.fragment && outside_local(core, head, held, total, fetch, source, &packet)) ||
	    !core_there(core, packet.six) || !address_same(packet.destination, core_own(core, packet.six)))
		return CORE_NOWHERE;
	return packet.fragment
	           ? fragment_way(core, CORE_OUTSIDE, head, held, total, &packet, to_inside, fetch, source)
	           : to_inside(core, CORE_OUTSIDE, head, &packet);
}

int core_frame(struct core *core, unsigned port, uint8_t *head, uint32_t held, uint32_t total,
               core_fetch *fetch, void *source)
{
	int to;

	if (held < ETHERNET_BYTES || total < held || (total > held && held < CORE_HEAD))
		return CORE_NOWHERE;
	if (port == CORE_OUTSIDE)
		return from_outside(core, head, held, total, fetch, source);
	if (!core->links[port].number)
		return CORE_NOWHERE;
	to = from_link(core, port, head, held, total, fetch, source);
	core->links[port].refused +=
	    to == CORE_NOWHERE && (get16(head + 12) == ETHER_IP || get16(head + 12) == ETHER_IP6);
	return to;
}

void core_tick(struct core *core, uint32_t now)
{
	core->now = now;
	core->told_unreachable = 0;
	for (unsigned i = 0; i < SWITCH_LINKS_MAX; i++)
		core->links[i].asked = 0;
	flows_age(&core->flows, now);
	outside_tick(core);
	outside6_tick(core);
	names_tick(core);
}
