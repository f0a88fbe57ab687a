/* IPv6 (RFC 8200) and its ICMP (RFC 4443), without neighbour discovery (nd.c). */
#include "internal.h"
#include <string.h>

enum { IPV6_HEADER_BYTES = 40, FRAGMENT_HEADER_BYTES = 8, EXTENSIONS_MAX = 8 };
enum { NEXT_HOP_BY_HOP = 0, NEXT_ROUTING = 43, NEXT_DESTINATION = 60, NEXT_NONE = 59 };
enum {
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_TOO_BIG = 2,
	ICMPV6_TIME = 3,
	ICMPV6_PARAMETER = 4,
	ICMPV6_ECHO = 128,
	ICMPV6_ECHO_REPLY = 129,
	ICMPV6_ROUTER_SOLICIT = 133,
	ICMPV6_REDIRECT = 137
};

struct ipv6_make {
	const struct ip_header *header;
	uint8_t hop_limit;
	uint32_t identification;
};

static void header_write(const struct ipv6_make *make, uint8_t *at, uint8_t next, uint32_t bytes)
{
	const struct ip_header *header = make->header;

	store32(at, 6u << 28 | (uint32_t)header->traffic_class << 20);
	store16(at + 4, bytes);
	at[6] = next;
	at[7] = make->hop_limit;
	memcpy(at + 8, header->from.bytes, 16);
	memcpy(at + 24, header->to.bytes, 16);
}

static void fragment_write(void *context, uint8_t *at, uint32_t offset, uint32_t bytes, bool more)
{
	const struct ipv6_make *make = (const struct ipv6_make *)context;
	uint8_t *fragment = at + IPV6_HEADER_BYTES;

	header_write(make, at, PROTOCOL_FRAGMENT, bytes + FRAGMENT_HEADER_BYTES);
	fragment[0] = make->header->protocol;
	fragment[1] = 0;
	store16(fragment + 2, offset | (more ? 1u : 0u));
	store32(fragment + 4, make->identification);
}

int ipv6_send(struct net *net, const struct ip_header *header, const struct path *path,
              struct net_piece *pieces, unsigned count, size_t total, const struct net_offload *offload)
{
	uint8_t limit = path->link->hop_limit ? path->link->hop_limit : 64;
	struct ipv6_make make = {header, header->ttl ? header->ttl : limit, 0};
	struct net_offload inner;

	if (total > 65535)
		return -NET_EMSGSIZE;
	if (!(offload && offload->segment_bytes) && total + IPV6_HEADER_BYTES > path->mtu) {
		if (!header->may_fragment)
			return -NET_EMSGSIZE;
		make.identification = net_random(net); /* RFC 7739 */
		return ip_send_fragments(net, path, ETHERTYPE_IPV6, pieces, count, total,
		                         IPV6_HEADER_BYTES + FRAGMENT_HEADER_BYTES, fragment_write, &make);
	}
	pieces[0].bytes = (const uint8_t *)pieces[0].bytes - IPV6_HEADER_BYTES;
	pieces[0].count += IPV6_HEADER_BYTES;
	header_write(&make, (uint8_t *)(uintptr_t)pieces[0].bytes, header->protocol, (uint32_t)total);
	if (offload) {
		inner = *offload;
		inner.header_bytes = (uint16_t)(inner.header_bytes + IPV6_HEADER_BYTES);
		offload = &inner;
	}
	return neighbour_send(path->link, &path->hop, ETHERTYPE_IPV6, pieces, count, offload) ? 0
	                                                                                      : -NET_ENOBUFS;
}

/* Whether a multicast packet to TO is for this host: all nodes, a solicited-node address of ours, or a group that somebody has joined
 * there. */
static bool multicast_ours(const struct net_link *link, const struct net_address *to)
{
	static const uint8_t solicited[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
	static const uint8_t all_nodes[15] = {0xff, 2};

	if (memcmp(to->bytes, all_nodes, 15) == 0 && to->bytes[15] == 1)
		return true;
	if (multicast_joined(link->net, to, link->number))
		return true;
	if (memcmp(to->bytes, solicited, 13) != 0)
		return false;
	for (unsigned index = 0; index < link->address_count; index++)
		if (memcmp(link->addresses[index].address.bytes + 13, to->bytes + 13, 3) == 0)
			return true;
	return false;
}

/* Whether the options [AT, + COUNT) can be passed over (RFC 8200, 4.2). */
static bool options_pass(const uint8_t *at, uint32_t count)
{
	while (count) {
		if (*at == 0) {
			at++;
			count--;
			continue;
		}
		if (count < 2 || count < 2u + at[1] || (*at != 1 && *at >> 6 != 0 && *at != 5))
			return false;
		count -= 2u + at[1];
		at += 2u + at[1];
	}
	return true;
}

void ipv6_input(struct net_link *link, struct packet *packet)
{
	struct net *net = link->net;
	uint8_t *at = packet->data, next;
	uint32_t total;
	bool first = true;

	net->counts.ip_received++;
	if (packet->length < IPV6_HEADER_BYTES || at[0] >> 4 != 6)
		goto bad;
	total = load16(at + 4);
	if (total > packet->length - IPV6_HEADER_BYTES)
		goto bad;
	memcpy(packet->from.bytes, at + 8, 16);
	memcpy(packet->to.bytes, at + 24, 16);
	packet->traffic_class = (uint8_t)(load16(at) >> 4);
	packet->ttl = at[7];
	/* Mapped addresses never travel (RFC 4942, 2.2); multicast and loopback never send. */
	if (address_multicast(&packet->from) || net_is_ipv4(&packet->from) || net_is_ipv4(&packet->to))
		goto bad;
	if (link->config.kind != NET_LINK_LOOPBACK &&
	    (address_loopback(&packet->from) || address_loopback(&packet->to)))
		goto bad;
	if (address_multicast(&packet->to)) {
		packet->broadcast = true;
		if (!multicast_ours(packet->link, &packet->to)) {
			packet_free(net, packet);
			return;
		}
	} else if (!net_own_address(net, &packet->to)) {
		packet_free(net, packet);
		return;
	}
	packet->network = at;
	packet->network_bytes = IPV6_HEADER_BYTES + total;
	packet->room += packet->length - IPV6_HEADER_BYTES - total;
	packet->data += IPV6_HEADER_BYTES;
	packet->length = total;
	next = at[6];
	for (unsigned count = 0; count < EXTENSIONS_MAX; count++, first = false) {
		uint32_t bytes;

		if (next == PROTOCOL_FRAGMENT) {
			uint16_t offset;

			if (packet->length < FRAGMENT_HEADER_BYTES)
				goto bad;
			at = packet->data;
			next = at[0];
			offset = load16(at + 2);
			packet->data += FRAGMENT_HEADER_BYTES;
			packet->length -= FRAGMENT_HEADER_BYTES;
			if (!(offset & 0xfff9))
				continue; /* an atomic fragment (RFC 6946) */
			net->counts.ip_fragments++;
			packet =
			    fragment_input(net, packet, load32(at + 4), offset & 0xfff8u, offset & 1, next);
			if (!packet)
				return;
			continue;
		}
		if (next == NEXT_NONE) {
			packet_free(net, packet);
			return;
		}
		if (next != NEXT_DESTINATION && next != NEXT_ROUTING && !(next == NEXT_HOP_BY_HOP && first)) {
			ip_deliver(net, packet, next);
			return;
		}
		if (packet->length < 8)
			goto bad;
		bytes = packet->data[1] * 8u + 8;
		if (bytes > packet->length)
			goto bad;
		/* A routing header with segments left would have us forward (RFC 5095). */
		if (next == NEXT_ROUTING ? packet->data[3] != 0 : !options_pass(packet->data + 2, bytes - 2))
			goto bad;
		next = packet->data[0];
		packet->data += bytes;
		packet->length -= bytes;
	}
bad:
	net->counts.ip_bad++;
	packet_free(net, packet);
}

/* ---- ICMPv6 ---- */

int icmpv6_send(struct net *net, const struct ip_header *header, uint8_t type, uint8_t code, uint32_t rest,
                const uint8_t *body, size_t count)
{
	uint8_t space[HEADERS_MAX + 8], *at = space + HEADERS_MAX;
	struct net_piece pieces[4] = {{at, 8}, {body, count}};
	uint32_t sum = checksum_pseudo(&header->from, &header->to, PROTOCOL_ICMPV6, (uint32_t)(8 + count));

	at[0] = type;
	at[1] = code;
	store16(at + 2, 0);
	store32(at + 4, rest);
	store16(at + 2, checksum_finish(checksum_pieces(sum, pieces, 2)));
	net->counts.icmp_sent++;
	return ip_send(net, header, pieces, 2, 8 + count, NULL);
}

void icmpv6_send_error(struct net *net, const struct packet *packet, enum icmp_reason reason)
{
	struct ip_header header = {.from = packet->to,
	                           .to = packet->from,
	                           .protocol = PROTOCOL_ICMPV6,
	                           .scope = packet->link->number};
	size_t quoted = packet->network_bytes;

	if (quoted > 1280 - IPV6_HEADER_BYTES - 8) /* RFC 4443, 2.4 c */
		quoted = 1280 - IPV6_HEADER_BYTES - 8;
	if (reason == ICMP_PORT_UNREACHABLE)
		(void)icmpv6_send(net, &header, ICMPV6_UNREACHABLE, 4, 0, packet->network, quoted);
	else
		(void)icmpv6_send(net, &header, ICMPV6_PARAMETER, 1, 6, packet->network, quoted);
}

static void icmpv6_error(struct net *net, const struct packet *packet)
{
	static const struct {
		uint8_t error;
		bool hard;
	} kinds[7] = {{NET_ENETUNREACH, false},  {NET_EACCES, true},       {NET_EHOSTUNREACH, false},
	              {NET_EHOSTUNREACH, false}, {NET_ECONNREFUSED, true}, {NET_EACCES, true},
	              {NET_EACCES, true}};
	const uint8_t *icmp = packet->data, *quoted = icmp + 8;
	uint32_t left = packet->length - 8, at = IPV6_HEADER_BYTES;
	struct icmp_report report = {0};
	uint8_t next;

	if (left < IPV6_HEADER_BYTES + 8 || quoted[0] >> 4 != 6)
		return;
	memcpy(report.from.bytes, quoted + 8, 16);
	memcpy(report.to.bytes, quoted + 24, 16);
	if (!net_own_address(net, &report.from))
		return;
	report.packet = packet;
	report.type = icmp[0];
	report.code = icmp[1];
	report.info = load32(icmp + 4);
	report.quoted_ip = quoted;
	report.quoted_ip_bytes = left;
	next = quoted[6];
	for (unsigned count = 0;
	     count < EXTENSIONS_MAX && (next == NEXT_HOP_BY_HOP || next == NEXT_DESTINATION ||
	                                next == NEXT_ROUTING || next == PROTOCOL_FRAGMENT);
	     count++) {
		if (left < at + 8 || (next == PROTOCOL_FRAGMENT && (load16(quoted + at + 2) & 0xfff8)))
			return;
		next = quoted[at];
		at += next == PROTOCOL_FRAGMENT ? 8 : quoted[at + 1] * 8u + 8;
		if (at > left)
			return;
	}
	switch (icmp[0]) {
	case ICMPV6_UNREACHABLE:
		if (icmp[1] >= 7)
			return;
		report.error = kinds[icmp[1]].error;
		report.hard = kinds[icmp[1]].hard;
		break;
	case ICMPV6_TOO_BIG:
		report.error = NET_EMSGSIZE;
		report.mtu = max32(load32(icmp + 4), 1280);
		break;
	case ICMPV6_TIME:
		report.error = NET_EHOSTUNREACH;
		report.expired = icmp[1] == 0;
		break;
	case ICMPV6_PARAMETER:
		report.error = NET_EPROTONOSUPPORT;
		report.hard = icmp[1] == 1;
		break;
	default:
		return;
	}
	icmp_report_transport(net, &report, next, quoted + at, left - at);
}

void icmpv6_input(struct net *net, struct packet *packet)
{
	const uint8_t *icmp = packet->data;
	uint32_t sum = checksum_pseudo(&packet->from, &packet->to, PROTOCOL_ICMPV6, packet->length);

	net->counts.icmp_received++;
	if (packet->length < 8 || checksum_finish(checksum_add(sum, icmp, packet->length)) != 0) {
		net->counts.ip_bad++;
	} else if (icmp[0] == ICMPV6_ECHO) {
		struct ip_header header = {.from = packet->to,
		                           .to = packet->from,
		                           .protocol = PROTOCOL_ICMPV6,
		                           .may_fragment = true,
		                           .scope = packet->link->number};

		if (address_multicast(&packet->to)) {
			const struct net_address *source = link_source(packet->link, &packet->from);

			if (source)
				header.from = *source;
		}
		if (!address_multicast(&header.from) && icmp_allowed(net))
			(void)icmpv6_send(net, &header, ICMPV6_ECHO_REPLY, 0, load32(icmp + 4), icmp + 8,
			                  packet->length - 8);
	} else if (icmp[0] >= ICMPV6_ROUTER_SOLICIT && icmp[0] <= ICMPV6_REDIRECT) {
		nd_input(packet->link, packet);
	} else if (icmp[0] < 128) {
		icmpv6_error(net, packet);
	}
	packet_free(net, packet);
}
