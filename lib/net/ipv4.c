/* IPv4 (RFC 791, RFC 1122) and its ICMP (RFC 792). */
#include "internal.h"
#include <string.h>

enum { IPV4_HEADER_BYTES = 20, DONT_FRAGMENT = 0x4000, MORE_FRAGMENTS = 0x2000, OFFSET_MASK = 0x1fff };
enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_ECHO = 8,
	ICMP_TIME = 11,
	ICMP_PARAMETER = 12
};

struct ipv4_make {
	const struct ip_header *header;
	uint16_t identification;
	bool dont_fragment;
};

static void header_write(void *context, uint8_t *at, uint32_t offset, uint32_t bytes, bool more)
{
	const struct ipv4_make *make = (const struct ipv4_make *)context;
	const struct ip_header *header = make->header;

	at[0] = 0x45;
	at[1] = header->traffic_class;
	store16(at + 2, IPV4_HEADER_BYTES + bytes);
	store16(at + 4, make->identification);
	store16(at + 6,
	        offset / 8 | (more ? MORE_FRAGMENTS : 0u) | (make->dont_fragment ? DONT_FRAGMENT : 0u));
	at[8] = header->ttl ? header->ttl : 64;
	at[9] = header->protocol;
	store16(at + 10, 0);
	memcpy(at + 12, header->from.bytes + 12, 4);
	memcpy(at + 16, header->to.bytes + 12, 4);
	store16(at + 10, checksum_finish(checksum_add(0, at, IPV4_HEADER_BYTES)));
}

int ipv4_send(struct net *net, const struct ip_header *header, const struct path *path,
              struct net_piece *pieces, unsigned count, size_t total, const struct net_offload *offload)
{
	struct ipv4_make make = {header, 0, !header->may_fragment};
	struct net_offload inner;
	bool cut = offload && offload->segment_bytes;

	if (total + IPV4_HEADER_BYTES > 65535)
		return -NET_EMSGSIZE;
	/* RFC 6864: the identification matters where a packet can be fragmented. */
	if (header->may_fragment || cut)
		make.identification = (uint16_t)++net->identification;
	if (!cut && total + IPV4_HEADER_BYTES > path->mtu) {
		if (!header->may_fragment)
			return -NET_EMSGSIZE;
		return ip_send_fragments(net, path, ETHERTYPE_IPV4, pieces, count, total, IPV4_HEADER_BYTES,
		                         header_write, &make);
	}
	pieces[0].bytes = (const uint8_t *)pieces[0].bytes - IPV4_HEADER_BYTES;
	pieces[0].count += IPV4_HEADER_BYTES;
	header_write(&make, (uint8_t *)(uintptr_t)pieces[0].bytes, 0, (uint32_t)total, false);
	if (offload) {
		inner = *offload;
		inner.header_bytes = (uint16_t)(inner.header_bytes + IPV4_HEADER_BYTES);
		offload = &inner;
	}
	return neighbour_send(path->link, &path->hop, ETHERTYPE_IPV4, pieces, count, offload) ? 0
	                                                                                      : -NET_ENOBUFS;
}

/* To all hosts, or a group that somebody has joined there. */
static bool multicast_ours(const struct packet *packet)
{
	static const uint8_t all_hosts[4] = {224, 0, 0, 1};

	return memcmp(packet->to.bytes + 12, all_hosts, 4) == 0 ||
	       multicast_joined(packet->link->net, &packet->to, packet->link->number);
}

void ipv4_input(struct net_link *link, struct packet *packet)
{
	struct net *net = link->net;
	uint8_t *at = packet->data;
	uint32_t header, total;
	uint16_t offset;

	net->counts.ip_received++;
	header = packet->length >= IPV4_HEADER_BYTES ? (at[0] & 15u) * 4 : 0;
	if (header < IPV4_HEADER_BYTES || at[0] >> 4 != 4 || packet->length < header)
		goto bad;
	total = load16(at + 2);
	if (total < header || total > packet->length)
		goto bad;
	if (!packet->trusted && checksum_finish(checksum_add(0, at, header)) != 0)
		goto bad;
	packet->from = net_ipv4(at + 12);
	packet->to = net_ipv4(at + 16);
	packet->traffic_class = at[1];
	packet->ttl = at[8];
	/* No answer to, and no belief in, what claims to come from everybody or from us (RFC 1122, 3.2.1.3).
	 */
	if (address_multicast(&packet->from) || at[12] >= 240)
		goto bad;
	if (link->config.kind != NET_LINK_LOOPBACK && (at[12] == 127 || at[16] == 127))
		goto bad;
	if (!net_own_address(net, &packet->to)) {
		if (address_multicast(&packet->to) ? multicast_ours(packet)
		                                   : address_broadcast(net, &packet->to)) {
			packet->broadcast = true;
		} else if (address_multicast(&packet->to) || !link_awaits_address(link)) {
			packet_free(net, packet); /* not ours, and hosts do not forward */
			return;
		}
	}
	/* Source routes are not followed (RFC 6274, 3.13.2.3). */
	for (uint32_t option = IPV4_HEADER_BYTES; option < header && at[option];) {
		if (at[option] == 131 || at[option] == 137)
			goto bad;
		if (at[option] == 1) {
			option++;
			continue;
		}
		if (option + 1 >= header || at[option + 1] < 2)
			goto bad;
		option += at[option + 1];
	}
	packet->network = at;
	packet->network_bytes = total;
	packet->room += packet->length - total;
	packet->data += header;
	packet->length = total - header;
	offset = load16(at + 6);
	if (offset & (MORE_FRAGMENTS | OFFSET_MASK)) {
		net->counts.ip_fragments++;
		packet = fragment_input(net, packet, load16(at + 4), (uint32_t)(offset & OFFSET_MASK) * 8,
		                        offset & MORE_FRAGMENTS, at[9]);
		if (!packet)
			return;
		at = packet->network;
	}
	ip_deliver(net, packet, at[9]);
	return;
bad:
	net->counts.ip_bad++;
	packet_free(net, packet);
}

/* ---- ICMP ---- */

static void icmp_send(struct net *net, const struct net_address *from, const struct net_address *to,
                      uint8_t type, uint8_t code, uint32_t rest, const uint8_t *body, size_t count)
{
	uint8_t space[HEADERS_MAX + 8], *at = space + HEADERS_MAX;
	struct net_piece pieces[4] = {{at, 8}, {body, count}};
	struct ip_header header = {.from = *from, .to = *to, .protocol = PROTOCOL_ICMP, .may_fragment = true};

	at[0] = type;
	at[1] = code;
	store16(at + 2, 0);
	store32(at + 4, rest);
	store16(at + 2, checksum_finish(checksum_pieces(0, pieces, 2)));
	net->counts.icmp_sent++;
	(void)ip_send(net, &header, pieces, 2, 8 + count, NULL); /* as good as lost on the way */
}

void icmp_send_error(struct net *net, const struct packet *packet, enum icmp_reason reason)
{
	size_t quoted = packet->network_bytes;

	/* RFC 1122, 3.2.2: never about a broadcast, nor to one. */
	if (packet->broadcast || address_zero(&packet->from) || !packet->network || !icmp_allowed(net))
		return;
	if (!net_is_ipv4(&packet->from)) {
		icmpv6_send_error(net, packet, reason);
		return;
	}
	if (quoted > 548)
		quoted = 548; /* as much as fits 576 bytes (RFC 1812, 4.3.2.3) */
	icmp_send(net, &packet->to, &packet->from, ICMP_UNREACHABLE, reason == ICMP_PORT_UNREACHABLE ? 3 : 2,
	          0, packet->network, quoted);
}

/* Next lower common MTU for routers that do not tell one (RFC 1191, 7.1). */
static uint32_t plateau(uint32_t bytes)
{
	static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 576};

	for (unsigned index = 0; index < sizeof(plateaus) / sizeof(plateaus[0]); index++)
		if (plateaus[index] < bytes)
			return plateaus[index];
	return 576;
}

static void icmp_error(struct net *net, const struct packet *packet)
{
	static const struct {
		uint8_t error;
		bool hard;
	} kinds[16] = {
	    {NET_ENETUNREACH, false},  {NET_EHOSTUNREACH, false}, {NET_ENOPROTOOPT, true},
	    {NET_ECONNREFUSED, true},  {NET_EMSGSIZE, false},     {NET_EOPNOTSUPP, false},
	    {NET_ENETUNREACH, true},   {NET_EHOSTDOWN, true},     {NET_ENETUNREACH, true},
	    {NET_ENETUNREACH, true},   {NET_EHOSTUNREACH, true},  {NET_ENETUNREACH, false},
	    {NET_EHOSTUNREACH, false}, {NET_EHOSTUNREACH, true},  {NET_EHOSTUNREACH, true},
	    {NET_EHOSTUNREACH, true},
	};
	const uint8_t *icmp = packet->data, *quoted = icmp + 8;
	uint32_t left = packet->length - 8, header;
	struct icmp_report report = {0};

	if (left < IPV4_HEADER_BYTES || quoted[0] >> 4 != 4)
		return;
	header = (quoted[0] & 15u) * 4;
	if (header < IPV4_HEADER_BYTES || left < header + 8 || (load16(quoted + 6) & OFFSET_MASK))
		return;
	report.from = net_ipv4(quoted + 12);
	report.to = net_ipv4(quoted + 16);
	if (!net_own_address(net, &report.from))
		return;
	report.packet = packet;
	report.type = icmp[0];
	report.code = icmp[1];
	report.quoted_ip = quoted;
	report.quoted_ip_bytes = left;
	switch (icmp[0]) {
	case ICMP_UNREACHABLE:
		if (icmp[1] >= 16)
			return;
		report.error = kinds[icmp[1]].error;
		report.hard = kinds[icmp[1]].hard;
		if (icmp[1] == 4) {
			report.mtu = report.info = load16(icmp + 6);
			if (!report.mtu)
				report.mtu = plateau(load16(quoted + 2));
			report.mtu =
			    max32(report.mtu, 552); /* as Linux' min_pmtu: no attacker makes us send crumbs */
		}
		break;
	case ICMP_TIME:
		report.error = NET_EHOSTUNREACH;
		report.expired = icmp[1] == 0;
		break;
	case ICMP_PARAMETER:
		report.error = NET_EPROTONOSUPPORT;
		report.hard = true;
		report.info = icmp[4];
		break;
	default: /* source quench: ignored (RFC 6633); redirect: not followed */
		return;
	}
	icmp_report_transport(net, &report, quoted[9], quoted + header, left - header);
}

void icmp_input(struct net *net, struct packet *packet)
{
	const uint8_t *icmp = packet->data;

	net->counts.icmp_received++;
	if (packet->length < 8 || checksum_finish(checksum_add(0, icmp, packet->length)) != 0) {
		net->counts.ip_bad++;
	} else if (icmp[0] == ICMP_ECHO) {
		/* Not to broadcasts (smurf). */
		if (!packet->broadcast && icmp_allowed(net))
			icmp_send(net, &packet->to, &packet->from, ICMP_ECHO_REPLY, 0, load32(icmp + 4),
			          icmp + 8, packet->length - 8);
	} else {
		icmp_error(net, packet);
	}
	packet_free(net, packet);
}
