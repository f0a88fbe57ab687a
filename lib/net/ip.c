/* What IPv4 and IPv6 share: sending by route, handing packets up, and telling transports of errors. */
#include "internal.h"
#include <string.h>

int ip_send(struct net *net, const struct ip_header *header, struct net_piece *pieces, unsigned count,
            size_t total, const struct net_offload *offload)
{
	struct ip_header filled = *header;
	struct path path;

	if (!route_find(net, &header->to, header->scope, &path)) {
		net->counts.ip_no_route++;
		return -NET_ENETUNREACH;
	}
	if (address_zero(&filled.from)) {
		const struct net_address *source = link_source(path.link, &filled.to);

		if (source)
			filled.from = *source;
		else if (!address_multicast(&filled.to) && !address_broadcast(net, &filled.to))
			return -NET_EADDRNOTAVAIL;
	}
	if (header->loop && address_multicast(&filled.to) && path.link->config.kind != NET_LINK_LOOPBACK &&
	    multicast_joined(net, &filled.to, path.link->number))
		multicast_loop(net, &filled, &path, pieces, count, total);
	if (header->stays && path.link->config.kind != NET_LINK_LOOPBACK)
		return 0;
	if (net_is_ipv4(&filled.to))
		return ipv4_send(net, &filled, &path, pieces, count, total, offload);
	return ipv6_send(net, &filled, &path, pieces, count, total, offload);
}

void ip_deliver(struct net *net, struct packet *packet, uint8_t protocol)
{
	bool raw = !net_list_empty(&net->raw_sockets) && raw_input(net, packet, protocol);

	switch (protocol) {
	case PROTOCOL_TCP:
		tcp_input(net, packet);
		return;
	case PROTOCOL_UDP:
		udp_input(net, packet);
		return;
	case PROTOCOL_ICMP:
		if (net_is_ipv4(&packet->to)) {
			icmp_input(net, packet);
			return;
		}
		break;
	case PROTOCOL_ICMPV6:
		if (!net_is_ipv4(&packet->to)) {
			icmpv6_input(net, packet);
			return;
		}
		break;
	default:
		break;
	}
	if (!raw)
		icmp_send_error(net, packet, ICMP_PROTOCOL_UNREACHABLE);
	packet_free(net, packet);
}

/* Sends the IP packet of up to 65,535 bytes in PIECES as fragments of the MTU; MAKE writes the header of
 * each. */
int ip_send_fragments(struct net *net, const struct path *path, uint16_t ethertype,
                      const struct net_piece *pieces, unsigned count, size_t total, size_t header_bytes,
                      fragment_header *make, void *context)
{
	size_t most = (path->mtu - header_bytes) & ~(size_t)7, done = 0, skip = 0;
	unsigned piece = 0;

	while (done < total) {
		size_t part = total - done < most ? total - done : most, filled = 0;
		struct packet *packet = packet_allocate(net, HEADERS_MAX, part);
		struct net_piece out;
		bool sent;

		if (!packet)
			return -NET_ENOBUFS;
		while (filled < part) {
			size_t take = pieces[piece].count - skip;

			if (take > part - filled)
				take = part - filled;
			memcpy(packet->data + filled, (const uint8_t *)pieces[piece].bytes + skip, take);
			filled += take;
			skip += take;
			if (skip == pieces[piece].count) {
				piece = piece + 1 < count ? piece + 1 : piece;
				skip = 0;
			}
		}
		make(context, packet->data - header_bytes, (uint32_t)done, (uint32_t)part,
		     done + part < total);
		out = (struct net_piece){packet->data - header_bytes, header_bytes + part};
		sent = neighbour_send(path->link, &path->hop, ethertype, &out, 1, NULL);
		packet_free(net, packet);
		if (!sent)
			return -NET_ENOBUFS;
		done += part;
	}
	return 0;
}

/* ---- Errors ---- */

/* REPORT has addresses, error and MTU; the quoted transport header fills the rest. */
void icmp_report_transport(struct net *net, struct icmp_report *report, uint8_t protocol,
                           const uint8_t *header, size_t count)
{
	if (count < 8)
		return;
	report->from_port = load16(header);
	report->to_port = load16(header + 2);
	report->sequence = load32(header + 4);
	report->quoted = header;
	report->quoted_bytes = (uint32_t)count;
	if (!net_list_empty(&net->raw_sockets))
		raw_icmp(net, report, protocol);
	if (protocol == PROTOCOL_TCP)
		tcp_icmp(net, report);
	else if (protocol == PROTOCOL_UDP)
		udp_icmp(net, report);
}

void icmp_local_unreachable(struct net *net, uint8_t *packet, size_t count)
{
	struct icmp_report report = {.error = NET_EHOSTUNREACH,
	                             .type = 3, /* host unreachable */
	                             .code = 1,
	                             .quoted_ip = packet,
	                             .quoted_ip_bytes = (uint32_t)count};

	if (count >= 20 && packet[0] >> 4 == 4) {
		size_t header = (packet[0] & 15u) * 4;

		report.from = net_ipv4(packet + 12);
		report.to = net_ipv4(packet + 16);
		if (header <= count && (load16(packet + 6) & 0x1fff) == 0)
			icmp_report_transport(net, &report, packet[9], packet + header, count - header);
	} else if (count >= 40) {
		report.type = 1; /* address unreachable */
		report.code = 3;
		memcpy(report.from.bytes, packet + 8, 16);
		memcpy(report.to.bytes, packet + 24, 16);
		icmp_report_transport(net, &report, packet[6], packet + 40, count - 40);
	}
}

/* At most 50 errors at once and 1,000 a second (RFC 1812, 4.3.2.8; RFC 4443, 2.4 f). */
bool icmp_allowed(struct net *net)
{
	uint64_t gained = (net->now - net->icmp_tokens_at) / MILLISECOND;

	if (gained) {
		net->icmp_tokens = gained >= 50 || net->icmp_tokens + gained >= 50
		                       ? 50
		                       : net->icmp_tokens + (unsigned)gained;
		net->icmp_tokens_at = net->now;
	}
	if (!net->icmp_tokens) {
		net->counts.icmp_limited++;
		return false;
	}
	net->icmp_tokens--;
	return true;
}
