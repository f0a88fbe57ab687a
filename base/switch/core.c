/* Links, policies and the way of a packet; see core.h. */
#include "core.h"

#include <holon/types.h>
#include "text.h"

#define INSIDE_BASE 0x64400000u /* 100.64.0.0/10 */
#define INSIDE_MASK 0xffc00000u
#define DEPTH_MAX   64u

uint32_t core_link_address(const struct core_link *link)
{
	return INSIDE_BASE + (uint32_t)link->number * 4 + 2;
}

int core_link_find(const struct core *core, uint64_t number)
{
	for (int i = 0; number && i < (int)SWITCH_LINKS_MAX; i++)
		if (core->links[i].number == number)
			return i;
	return -1;
}

void core_init(struct core *core)
{
	uint64_t key[2] = {core->random(core->context), core->random(core->context)};

	flows_init(&core->flows, key);
}

/* ---- Links ---- */

static bool policy_sound(const struct switch_policy *policy)
{
	if (policy->mode > SWITCH_ONLY || policy->allowed_count > SWITCH_ALLOWED_MAX)
		return false;
	for (unsigned i = 0; i < policy->allowed_count; i++)
		if (!memchr(policy->allowed[i].host, 0, sizeof(policy->allowed[i].host)))
			return false;
	return true;
}

int64_t core_link_make(struct core *core, uint64_t number, uint64_t parent, const char *name,
                       const struct switch_policy *policy)
{
	int place = 0, above = parent ? core_link_find(core, parent) : 0;

	if (!policy_sound(policy) || number >= CORE_NUMBERS)
		return E_ARGUMENT;
	if (above < 0)
		return E_NOT_FOUND;
	if (number && core_link_find(core, number) >= 0)
		return E_EXISTS;
	if (policy->mode == SWITCH_BRIDGE)
		return E_SUPPORT;
	while (place < (int)SWITCH_LINKS_MAX && core->links[place].number)
		place++;
	if (place == (int)SWITCH_LINKS_MAX || (parent && core->links[above].depth >= DEPTH_MAX))
		return E_BUSY;
	/* Numbers are drawn, so that after a restart a new one does not meet one that is yet to come back. */
	while (!number || core_link_find(core, number) >= 0)
		number = core->random(core->context) % CORE_NUMBERS;
	struct core_link *link = &core->links[place];

	*link = (struct core_link){.number = number,
	                           .parent = parent,
	                           .policy = *policy,
	                           .depth = parent ? core->links[above].depth + 1 : 0};
	text_copy(link->name, sizeof(link->name), name);
	uint64_t mac = core->random(core->context);
	for (unsigned i = 0; i < 6; i++)
		link->mac[i] = (uint8_t)(mac >> 8 * i);
	link->mac[0] = (uint8_t)((link->mac[0] & ~3u) | 2); /* one station, locally administered */
	return place;
}

/* Tells the other end of a TCP connection that it is over. */
static void reset_outside(struct core *core, const struct flow *flow)
{
	uint8_t *frame = core->reply, *ip = frame + ETHERNET_BYTES, *tcp = ip + IP_BYTES;
	uint8_t mac[6];

	if (flow->protocol != IP_TCP || !core->bound || !outside_station(core, flow->remote, mac))
		return;
	ethernet_make(frame, mac, core->mac, ETHER_IP);
	ip_make(ip, IP_TCP, core->address, flow->remote, TCP_BYTES);
	memset(tcp, 0, TCP_BYTES);
	put16(tcp, flow->outside_port);
	put16(tcp + 2, flow->remote_port);
	put32(tcp + 4, flow->next_out);
	tcp[12] = 5 << 4;
	tcp[13] = TCP_RST;
	put16(tcp + 16, sum_end(sum_add(sum_add(IP_TCP + TCP_BYTES, ip + 12, 8), tcp, TCP_BYTES)));
	core->send(core->context, CORE_OUTSIDE, frame, ETHERNET_BYTES + IP_BYTES + TCP_BYTES);
}

static void end_one(struct core *core, unsigned index)
{
	struct core_link *link = &core->links[index];
	struct flow *flow;

	while ((flow = flow_of_link(&core->flows, (uint8_t)index))) {
		reset_outside(core, flow);
		flow_end(&core->flows, flow);
	}
	for (unsigned i = 0; i < CORE_FORWARDS; i++)
		if (core->forwards[i].link == link->number)
			core->forwards[i].used = false;
	for (unsigned i = 0; i < CORE_PEERS; i++)
		if (core->peers[i].client == link->number || core->peers[i].server == link->number)
			core->peers[i].client = core->peers[i].server = 0;
	names_forget(core, index);
	*link = (struct core_link){0};
}

int64_t core_link_end(struct core *core, uint64_t number)
{
	int index = core_link_find(core, number);
	bool more = true;

	if (index < 0)
		return E_NOT_FOUND;
	end_one(core, (unsigned)index);
	/* And all whose parents are gone. */
	while (more) {
		more = false;
		for (unsigned i = 0; i < SWITCH_LINKS_MAX; i++) {
			struct core_link *link = &core->links[i];
			if (!link->number || !link->parent || core_link_find(core, link->parent) >= 0)
				continue;
			end_one(core, i);
			more = true;
		}
	}
	return E_OK;
}

static bool port_promised(void *context, uint8_t protocol, uint16_t port)
{
	const struct core *core = context;

	for (unsigned i = 0; i < CORE_FORWARDS; i++)
		if (core->forwards[i].used && core->forwards[i].protocol == protocol &&
		    core->forwards[i].outer == port)
			return true;
	for (unsigned i = 0; i < CORE_QUERIES && protocol == IP_UDP; i++)
		if (core->queries[i].used && core->queries[i].port == port)
			return true;
	return false;
}

int64_t core_forward(struct core *core, uint64_t number, uint8_t protocol, uint16_t outer, uint16_t inner)
{
	unsigned place = 0;

	if (core_link_find(core, number) < 0)
		return E_NOT_FOUND;
	if ((protocol != IP_TCP && protocol != IP_UDP) || !outer || !inner)
		return E_ARGUMENT;
	if (port_promised(core, protocol, outer))
		return E_EXISTS;
	while (place < CORE_FORWARDS && core->forwards[place].used)
		place++;
	if (place == CORE_FORWARDS)
		return E_BUSY;
	core->forwards[place].used = true;
	core->forwards[place].protocol = protocol;
	core->forwards[place].outer = outer;
	core->forwards[place].inner = inner;
	core->forwards[place].link = number;
	return E_OK;
}

int64_t core_connect(struct core *core, uint64_t number, uint64_t other, uint16_t port, const char *service)
{
	unsigned place = CORE_PEERS;

	if (core_link_find(core, number) < 0 || core_link_find(core, other) < 0)
		return E_NOT_FOUND;
	if (number == other || !port || !service[0])
		return E_ARGUMENT;
	for (unsigned i = 0; i < CORE_PEERS; i++) {
		if (core->peers[i].client == number && core->peers[i].server == other &&
		    core->peers[i].port == port)
			return E_OK;
		if (!core->peers[i].client && place == CORE_PEERS)
			place = i;
	}
	if (place == CORE_PEERS)
		return E_BUSY;
	if (!text_copy(core->peers[place].service, sizeof(core->peers[place].service), service))
		return E_ARGUMENT;
	core->peers[place].client = number;
	core->peers[place].server = other;
	core->peers[place].port = port;
	return E_OK;
}

uint32_t core_service(const struct core *core, const struct core_link *link, const char *service)
{
	for (unsigned i = 0; i < CORE_PEERS; i++) {
		int server;

		if (core->peers[i].client != link->number || strcmp(core->peers[i].service, service) != 0)
			continue;
		server = core_link_find(core, core->peers[i].server);
		if (server >= 0)
			return core_link_address(&core->links[server]);
	}
	return 0;
}

/* Whether PACKET may go from one link to another: a segment to a port that the sender may connect to, or one back from
 * it that opens nothing. No state is kept: a server can send a client segments of no connection, which its stack
 * refuses. */
static bool may_pass(const struct core *core, uint64_t from, uint64_t to, const struct packet *packet)
{
	if (packet->protocol != IP_TCP)
		return false;
	bool opens = (packet->inner[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	for (unsigned i = 0; i < CORE_PEERS; i++) {
		if (core->peers[i].client == from && core->peers[i].server == to &&
		    core->peers[i].port == packet->to)
			return true;
		if (core->peers[i].client == to && core->peers[i].server == from &&
		    core->peers[i].port == packet->from && !opens)
			return true;
	}
	return false;
}

/* ---- The way of a packet ---- */

/* Whether LINK and all that it nests in may send there. What cannot be told is not allowed. */
static bool may_send(const struct core *core, const struct core_link *link, const struct packet *packet)
{
	for (unsigned depth = 0; depth <= DEPTH_MAX; depth++) {
		int above;

		if (link->policy.mode != SWITCH_NAT &&
		    (link->policy.mode != SWITCH_ONLY ||
		     !names_allowed(link, packet->protocol, packet->destination, packet->to)))
			return false;
		if (!link->parent)
			return true;
		above = core_link_find(core, link->parent);
		if (above < 0)
			return false;
		link = &core->links[above];
	}
	return false;
}

/* Addresses that are nobody's outside: this network, loopback, groups, broadcast. */
static bool address_special(uint32_t address)
{
	return address >> 24 == 0 || address >> 24 == 127 || address >> 28 >= 14;
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
	struct flow *flow;
	uint8_t mac[6];

	if (!core->bound || packet->error || address_special(packet->destination) ||
	    packet->destination == core->address ||
	    (packet->protocol == IP_TCP && packet->inner_bytes < (packet->inner[12] >> 4) * 4u))
		return CORE_NOWHERE;
	flow = flow_inside(&core->flows, (uint8_t)port, packet->protocol, packet->from, packet->destination,
	                   packet->protocol == IP_ICMP ? 0 : packet->to);
	if (!flow) {
		struct flow like = {.inside = packet->source,
		                    .remote = packet->destination,
		                    .inside_port = packet->from,
		                    .remote_port = packet->protocol == IP_ICMP ? 0 : packet->to,
		                    .protocol = packet->protocol,
		                    .link = (uint8_t)port};
		if (!may_send(core, link, packet)) {
			inside_unreachable(core, port, packet, ICMP_UNREACHABLE,
			                   13); /* prohibited: RFC 1812 */
			return CORE_NOWHERE;
		}
		if (packet->protocol == IP_ICMP && packet->inner[0] != ICMP_ECHO)
			return CORE_NOWHERE;
		flow = flow_make(&core->flows, &like, port_promised, core);
	}
	if (!flow || !outside_station(core, packet->destination, mac))
		return CORE_NOWHERE;
	if (!packet_hop(packet)) {
		inside_unreachable(core, port, packet, ICMP_TIME_EXCEEDED, 0);
		return CORE_NOWHERE;
	}
	flow_seen(core, flow, packet, true);
	packet_set_source(packet, core->address, flow->outside_port);
	ethernet_make(head, mac, core->mac, ETHER_IP);
	return CORE_OUTSIDE;
}

/* To another link, if one of the two is connected with the other: nothing is translated. */
static int to_link(struct core *core, unsigned port, uint8_t *head, struct packet *packet)
{
	uint32_t offset = packet->destination - INSIDE_BASE;
	int other = core_link_find(core, offset / 4);

	if (other < 0 || offset % 4 != 2 ||
	    !may_pass(core, core->links[port].number, core->links[other].number, packet))
		return CORE_NOWHERE;
	if (!packet_hop(packet)) {
		inside_unreachable(core, port, packet, ICMP_TIME_EXCEEDED, 0);
		return CORE_NOWHERE;
	}
	ethernet_make(head, core->links[other].peer_mac, core->links[other].mac, ETHER_IP);
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

static int from_link(struct core *core, unsigned port, uint8_t *head, uint32_t held, uint32_t total,
                     core_fetch *fetch, void *source)
{
	struct core_link *link = &core->links[port];
	struct packet packet;
	uint32_t gateway = core_link_address(link) - 1;
	bool here;

	if (head[6] & 1) /* no station sends from a group's address */
		return CORE_NOWHERE;
	memcpy(link->peer_mac, head + 6, 6);
	if (get16(head + 12) == ETHER_ARP && fetch_whole(core, head, held, total, fetch, source)) {
		inside_arp(core, port, total);
		return CORE_NOWHERE;
	}
	if (get16(head + 12) != ETHER_IP ||
	    !packet_read(&packet, head + ETHERNET_BYTES, held - ETHERNET_BYTES, total - ETHERNET_BYTES))
		return CORE_NOWHERE;
	bool asks = packet.protocol == IP_UDP && packet.to == 67 && !packet.source &&
	            packet.destination == UINT32_MAX;
	if (packet.source != core_link_address(link) && !asks)
		return CORE_NOWHERE;
	here = asks || packet.destination == gateway || packet.destination == UINT32_MAX;
	if (here) {
		if (fetch_whole(core, head, held, total, fetch, source) &&
		    packet_read(&packet, core->whole + ETHERNET_BYTES, total - ETHERNET_BYTES,
		                total - ETHERNET_BYTES))
			inside_local(core, port, &packet);
		return CORE_NOWHERE;
	}
	if ((packet.destination & INSIDE_MASK) == INSIDE_BASE)
		return to_link(core, port, head, &packet);
	return to_outside(core, port, head, &packet);
}

/* ---- From outside ---- */

/* A segment that belongs to nothing here gets the answer that RFC 9293, 3.10.7.1, gives it. */
static void refuse_segment(struct core *core, const uint8_t *head, const struct packet *packet)
{
	uint8_t *frame = core->reply, *ip = frame + ETHERNET_BYTES, *tcp = ip + IP_BYTES;
	uint8_t flags = packet->inner[13];

	if (flags & TCP_RST || core->told_unreachable++ > 100)
		return;
	ethernet_make(frame, head + 6, core->mac, ETHER_IP);
	ip_make(ip, IP_TCP, core->address, packet->source, TCP_BYTES);
	memset(tcp, 0, TCP_BYTES);
	put16(tcp, packet->to);
	put16(tcp + 2, packet->from);
	if (flags & TCP_ACK)
		put32(tcp + 4, get32(packet->inner + 8));
	else
		put32(tcp + 8, get32(packet->inner + 4) +
		                   (packet->inner_bytes - (packet->inner[12] >> 4) * 4u) +
		                   (flags & TCP_SYN ? 1 : 0) + (flags & TCP_FIN ? 1 : 0));
	tcp[12] = 5 << 4;
	tcp[13] = flags & TCP_ACK ? TCP_RST : TCP_RST | TCP_ACK;
	put16(tcp + 16, sum_end(sum_add(sum_add(IP_TCP + TCP_BYTES, ip + 12, 8), tcp, TCP_BYTES)));
	core->send(core->context, CORE_OUTSIDE, frame, ETHERNET_BYTES + IP_BYTES + TCP_BYTES);
}

/* A new connection that a forward is for. */
static struct flow *flow_forwarded(struct core *core, const struct packet *packet)
{
	for (unsigned i = 0; i < CORE_FORWARDS; i++) {
		int link;

		if (!core->forwards[i].used || core->forwards[i].protocol != packet->protocol ||
		    core->forwards[i].outer != packet->to)
			continue;
		link = core_link_find(core, core->forwards[i].link);
		if (link < 0)
			return 0;
		struct flow like = {.inside = core_link_address(&core->links[link]),
		                    .remote = packet->source,
		                    .inside_port = core->forwards[i].inner,
		                    .outside_port = packet->to,
		                    .remote_port = packet->from,
		                    .protocol = packet->protocol,
		                    .link = (uint8_t)link};
		return flow_make(&core->flows, &like, port_promised, core);
	}
	return 0;
}

/* An ICMP error about a packet that was translated here: the packet in it is translated back. Its bytes are in
 * core->whole. */
static int error_back(struct core *core, uint8_t *head, uint32_t held, uint32_t total)
{
	struct packet outer, about;
	uint8_t *ip = core->whole + ETHERNET_BYTES;

	if (!packet_read(&outer, ip, total - ETHERNET_BYTES, total - ETHERNET_BYTES) ||
	    outer.inner_bytes < ICMP_BYTES + IP_BYTES + ICMP_BYTES)
		return CORE_NOWHERE;
	/* The packet inside is cut short: what is read of it is 8 bytes behind its header. */
	uint8_t *inside = outer.inner + ICMP_BYTES;
	uint32_t header = (inside[0] & 15u) * 4;
	if (inside[0] >> 4 != 4 || header < IP_BYTES || outer.inner_bytes < ICMP_BYTES + header + 8)
		return CORE_NOWHERE;
	about = (struct packet){.ip = inside,
	                        .inner = inside + header,
	                        .protocol = inside[9],
	                        .ports = true,
	                        .destination = get32(inside + 16)};
	bool icmp = about.protocol == IP_ICMP;
	if ((about.protocol != IP_TCP && about.protocol != IP_UDP && !icmp) ||
	    get32(inside + 12) != core->address)
		return CORE_NOWHERE;
	struct flow *flow = flow_outside(&core->flows, about.protocol, get16(about.inner + (icmp ? 4 : 0)),
	                                 about.destination, icmp ? 0 : get16(about.inner + 2));
	if (!flow)
		return CORE_NOWHERE;
	put32(inside + 12, flow->inside);
	put16(inside + 10, 0);
	put16(inside + 10, sum_end(sum_add(0, inside, header)));
	put16(about.inner + (icmp ? 4 : 0), flow->inside_port);
	put16(outer.inner + 2, 0);
	put16(outer.inner + 2, sum_end(sum_add(0, outer.inner, outer.inner_bytes)));
	packet_set_destination(&outer, flow->inside, 0);
	(void)packet_hop(&outer);
	const struct core_link *link = &core->links[flow->link];
	ethernet_make(core->whole, link->peer_mac, link->mac, ETHER_IP);
	core->send(core->context, flow->link, core->whole, ETHERNET_BYTES + outer.bytes);
	(void)head;
	(void)held;
	return CORE_NOWHERE;
}

static int from_outside(struct core *core, uint8_t *head, uint32_t held, uint32_t total, core_fetch *fetch,
                        void *source)
{
	struct packet packet;
	struct flow *flow;

	if (get16(head + 12) == ETHER_ARP)
		return fetch_whole(core, head, held, total, fetch, source) ? outside_arp(core, total)
		                                                           : CORE_NOWHERE;
	if (get16(head + 12) != ETHER_IP ||
	    !packet_read(&packet, head + ETHERNET_BYTES, held - ETHERNET_BYTES, total - ETHERNET_BYTES))
		return CORE_NOWHERE;
	bool own = packet.protocol == IP_UDP && ((packet.to == 68 && packet.from == 67) || packet.from == 53);
	if (!core->bound || packet.destination != core->address)
		own = own && packet.to == 68;
	if ((own || packet.error) && fetch_whole(core, head, held, total, fetch, source)) {
		struct packet whole;
		if (packet.error && core->bound && packet.destination == core->address)
			return error_back(core, head, held, total);
		if (own && packet_read(&whole, core->whole + ETHERNET_BYTES, total - ETHERNET_BYTES,
		                       total - ETHERNET_BYTES)) {
			uint32_t bytes = get16(whole.inner + 4) - UDP_BYTES;
			if (whole.to == 68) {
				outside_dhcp(core, whole.inner + UDP_BYTES, bytes);
				return CORE_NOWHERE;
			}
			if (names_answer(core, &whole))
				return CORE_NOWHERE;
		}
	}
	if (!core->bound || packet.destination != core->address || !packet.ports)
		return CORE_NOWHERE;
	bool icmp = packet.protocol == IP_ICMP;
	if (icmp && packet.inner[0] != ICMP_ECHO_REPLY)
		return CORE_NOWHERE;
	if (packet.protocol == IP_TCP && packet.inner_bytes < (packet.inner[12] >> 4) * 4u)
		return CORE_NOWHERE;
	flow = flow_outside(&core->flows, packet.protocol, packet.to, packet.source, icmp ? 0 : packet.from);
	if (!flow && !icmp &&
	    (packet.protocol == IP_UDP || (packet.inner[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN))
		flow = flow_forwarded(core, &packet);
	if (!flow) {
		if (packet.protocol == IP_TCP)
			refuse_segment(core, head, &packet);
		return CORE_NOWHERE;
	}
	if (!packet_hop(&packet))
		return CORE_NOWHERE;
	flow_seen(core, flow, &packet, false);
	packet_set_destination(&packet, flow->inside, flow->inside_port);
	const struct core_link *link = &core->links[flow->link];
	ethernet_make(head, link->peer_mac, link->mac, ETHER_IP);
	return flow->link;
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
	core->links[port].refused += to == CORE_NOWHERE && get16(head + 12) == ETHER_IP;
	return to;
}

void core_tick(struct core *core, uint32_t now)
{
	core->now = now;
	core->told_unreachable = 0;
	flows_age(&core->flows, now);
	outside_tick(core);
	names_tick(core);
}
