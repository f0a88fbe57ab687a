/* See packet.h. */
#include "packet.h"

#include "text_inline.h"

#define FRAGMENT_BITS  0x3fffu /* more fragments, offset */
#define FRAGMENT_MORE  0x2000u
#define TTL            64
#define DISCOVERY_HOPS 255 /* shows that no router was on the way */

static bool read_header(struct packet *packet, uint8_t *ip, uint32_t held, uint32_t total)
{
	uint32_t header;

	if (held < IP_BYTES || total < held || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 15u) * 4;
	*packet = (struct packet){.ip = ip, .bytes = get16(ip + 2), .protocol = ip[9]};
	if (header < IP_BYTES || header > held || packet->bytes < header || packet->bytes > total ||
	    sum_end(sum_add(0, ip, header)) != 0 || packet->protocol == IP_ICMP6)
		return false;
	packet->fragment = get16(ip + 6) & FRAGMENT_BITS;
	packet->more = get16(ip + 6) & FRAGMENT_MORE;
	packet->fragment_at = (get16(ip + 6) & (FRAGMENT_BITS & ~FRAGMENT_MORE)) * 8;
	packet->fragment_id = get16(ip + 4);
	packet->source = address4(get32(ip + 12));
	packet->destination = address4(get32(ip + 16));
	packet->inner = ip + header;
	packet->inner_bytes = packet->bytes - header;
	return true;
}

static bool read_header6(struct packet *packet, uint8_t *ip, uint32_t held, uint32_t total)
{
	if (held < IP6_BYTES || total < held)
		return false;
	*packet = (struct packet){.ip = ip,
	                          .bytes = IP6_BYTES + get16(ip + 4),
	                          .protocol = ip[6],
	                          .six = true,
	                          .source = address_get(ip + 8),
	                          .destination = address_get(ip + 24),
	                          .inner = ip + IP6_BYTES,
	                          .inner_bytes = get16(ip + 4)};
	if (packet->protocol == IP_FRAGMENT) { /* RFC 8200, 4.5 */
		const uint8_t *part = packet->inner;
		if (held < IP6_BYTES + FRAGMENT_BYTES || packet->inner_bytes < FRAGMENT_BYTES)
			return false;
		packet->protocol = part[0];
		packet->fragment = true;
		packet->more = part[3] & 1;
		packet->fragment_at = get16(part + 2) & ~7u;
		packet->fragment_id = get32(part + 4);
		packet->inner += FRAGMENT_BYTES;
		packet->inner_bytes -= FRAGMENT_BYTES;
	}
	/* An IPv4 address is not for the wire of IPv6. */
	return packet->bytes <= total && packet->protocol != IP_ICMP && !address_is4(packet->source) &&
	       !address_is4(packet->destination);
}

static bool read_icmp6(struct packet *packet)
{
	uint8_t type = packet->inner[0];

	packet->echo = type == ICMP6_ECHO;
	packet->reply = type == ICMP6_ECHO_REPLY;
	packet->error = type && type <= ICMP6_ERROR_LAST;
	packet->discovery = type >= ICMP6_ROUTER_SOLICIT && type <= ICMP6_ADVERT;
	return packet->echo || packet->reply ||
	       ((packet->error || packet->discovery) && !packet->fragment); /* RFC 6980 */
}

bool packet_read(struct packet *packet, uint8_t *ip, uint32_t held, uint32_t total)
{
	uint32_t need, here;

	if (!held ||
	    !(ip[0] >> 4 == 6 ? read_header6(packet, ip, held, total) : read_header(packet, ip, held, total)))
		return false;
	packet->later = packet->fragment_at;
	if (packet->later)
		return true;
	here = held - (uint32_t)(packet->inner - ip);
	need = packet->protocol == IP_TCP ? TCP_BYTES : UDP_BYTES;
	if (packet->inner_bytes < need || here < need)
		return false;
	switch (packet->protocol) {
	case IP_TCP:
		packet->ports = packet->inner[12] >> 4 >= 5;
		break;
	case IP_UDP:
		packet->ports = get16(packet->inner + 4) >= UDP_BYTES &&
		                (packet->fragment || get16(packet->inner + 4) <= packet->inner_bytes) &&
		                (!packet->six || get16(packet->inner + 6));
		break;
	case IP_ICMP6:
		if (!read_icmp6(packet))
			return false;
		break;
	case IP_ICMP:
		packet->echo = packet->inner[0] == ICMP_ECHO;
		packet->reply = packet->inner[0] == ICMP_ECHO_REPLY;
		packet->error =
		    packet->inner[0] == ICMP_UNREACHABLE || packet->inner[0] == ICMP_TIME_EXCEEDED;
		break;
	default:
		return false;
	}
	if (packet->protocol == IP_TCP || packet->protocol == IP_UDP) {
		packet->from = get16(packet->inner);
		packet->to = get16(packet->inner + 2);
		return packet->ports;
	}
	packet->ports = packet->echo || packet->reply;
	packet->from = packet->to = get16(packet->inner + 4);
	return packet->ports || packet->error || packet->discovery;
}

/* A sum of words of 16 or 32 bits: as 65,536 is one modulo 65,535, both give the same. */
static uint32_t sum_fold(uint64_t wide)
{
	wide = (wide & UINT32_MAX) + (wide >> 32);
	wide = (wide & 0xffff) + (wide >> 16);
	wide = (wide & 0xffff) + (wide >> 16);
	return (uint32_t)((wide & 0xffff) + (wide >> 16));
}

uint32_t sum_add(uint32_t sum, const uint8_t *bytes, uint32_t count)
{
	uint64_t wide = sum;

	for (; count >= 4; count -= 4, bytes += 4)
		wide += get32(bytes);
	if (count >= 2) {
		wide += get16(bytes);
		bytes += 2;
	}
	if (count & 1)
		wide += (uint32_t)*bytes << 8;
	return sum_fold(wide);
}

uint16_t sum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The sum at AT after what it covers changed: CHANGE is what came in, and the complement of what went (RFC 1624). */
static void sum_change(uint8_t *at, uint64_t change)
{
	put16(at, (uint16_t)~sum_fold((uint16_t)~get16(at) + change));
}

/* Where the inner sum is, behind the IP header; 0: a UDP packet without one. */
static uint32_t sum_offset(const struct packet *packet)
{
	switch (packet->protocol) {
	case IP_TCP:
		return 16;
	case IP_UDP:
		return get16(packet->inner + 6) ? 6 : 0;
	default:
		return 2;
	}
}

static void set_address(struct packet *packet, bool source, struct address address, uint16_t port)
{
	uint32_t at = packet->later ? 0 : sum_offset(packet), port_offset = source ? 0 : 2;
	uint8_t *field = packet->ip + (packet->six ? source ? 8 : 24 : source ? 12 : 16);
	uint8_t *sum = packet->inner + at;
	uint64_t change;

	if (packet->six) {
		change = (uint64_t)(uint32_t)~get32(field) + (uint32_t)~get32(field + 4) +
		         (uint32_t)~get32(field + 8) + (uint32_t)~get32(field + 12);
		address_put(field, address);
		change += (address.high >> 32) + (uint32_t)address.high + (address.low >> 32) +
		          (uint32_t)address.low;
	} else {
		change = (uint64_t)(uint32_t)~get32(field) + (uint32_t)address.low;
		put32(field, (uint32_t)address.low);
		sum_change(packet->ip + 10, change);
	}
	if (packet->protocol == IP_ICMP) /* whose sum has no pseudo header */
		change = 0;
	if (packet->protocol == IP_ICMP || packet->protocol == IP_ICMP6)
		port_offset = 4;
	if (packet->ports) {
		change += (uint16_t)~get16(packet->inner + port_offset) + (uint32_t)port;
		put16(packet->inner + port_offset, port);
	}
	if (at)
		sum_change(sum, change);
	if (packet->protocol == IP_UDP && at && !get16(sum))
		put16(sum, 0xffff);
}

void packet_set_source(struct packet *packet, struct address address, uint16_t port)
{
	set_address(packet, true, address, port);
	packet->source = address;
	packet->from = port;
}

void packet_set_destination(struct packet *packet, struct address address, uint16_t port)
{
	set_address(packet, false, address, port);
	packet->destination = address;
	packet->to = port;
}

void packet_set_id(struct packet *packet, uint32_t id)
{
	uint16_t before = get16(packet->ip + 4);

	packet->fragment_id = id;
	if (packet->six) {
		put32(packet->ip + IP6_BYTES + 4, id);
		return;
	}
	put16(packet->ip + 4, (uint16_t)id);
	sum_change(packet->ip + 10, (uint64_t)(uint16_t)~before + (uint16_t)id);
}

bool packet_hop(struct packet *packet)
{
	uint8_t *hops = packet->ip + (packet->six ? 7 : 8), *sum = packet->ip + 10;

	if (*hops <= 1)
		return false;
	--*hops;
	if (!packet->six) { /* RFC 1141: a word less by 256 */
		uint32_t more = get16(sum) + 0x100u;
		put16(sum, (uint16_t)(more + (more >= 0xffff)));
	}
	return true;
}

uint16_t inner_sum(const uint8_t *ip, uint8_t protocol, const uint8_t *inner, uint32_t bytes)
{
	uint32_t sum = 0;

	if (ip[0] >> 4 == 6)
		sum = sum_add(protocol + bytes, ip + 8, 32);
	else if (protocol != IP_ICMP)
		sum = sum_add(protocol + bytes, ip + 12, 8);
	return sum_end(sum_add(sum, inner, bytes));
}

void ip_make(uint8_t *ip, uint8_t protocol, uint32_t source, uint32_t destination, uint32_t inner_bytes)
{
	memset(ip, 0, IP_BYTES);
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(IP_BYTES + inner_bytes));
	ip[8] = TTL;
	ip[9] = protocol;
	put32(ip + 12, source);
	put32(ip + 16, destination);
	put16(ip + 10, sum_end(sum_add(0, ip, IP_BYTES)));
}

void ip6_make(uint8_t *ip, uint8_t protocol, struct address source, struct address destination,
              uint32_t inner_bytes, uint8_t hops)
{
	put32(ip, 6u << 28);
	put16(ip + 4, (uint16_t)inner_bytes);
	ip[6] = protocol;
	ip[7] = hops;
	address_put(ip + 8, source);
	address_put(ip + 24, destination);
}

uint32_t header_make(uint8_t *ip, uint8_t protocol, struct address source, struct address destination,
                     uint32_t inner_bytes)
{
	if (!address_is4(source)) {
		ip6_make(ip, protocol, source, destination, inner_bytes, TTL);
		return IP6_BYTES;
	}
	ip_make(ip, protocol, (uint32_t)source.low, (uint32_t)destination.low, inner_bytes);
	return IP_BYTES;
}

uint32_t datagram_make(uint8_t *ip, struct address source, uint16_t from, struct address destination,
                       uint16_t to, uint32_t data_bytes)
{
	uint32_t bytes = UDP_BYTES + data_bytes, header = header_make(ip, IP_UDP, source, destination, bytes);
	uint8_t *udp = ip + header;
	uint16_t end;

	put16(udp, from);
	put16(udp + 2, to);
	put16(udp + 4, (uint16_t)bytes);
	put16(udp + 6, 0);
	end = inner_sum(ip, IP_UDP, udp, bytes);
	put16(udp + 6, end ? end : 0xffff);
	return header + bytes;
}

void udp_make(uint8_t *ip, uint32_t source, uint16_t from, uint32_t destination, uint16_t to,
              uint32_t data_bytes)
{
	(void)datagram_make(ip, address4(source), from, address4(destination), to, data_bytes);
}

uint32_t discovery_make(uint8_t *ip, struct address source, struct address destination, uint32_t bytes)
{
	uint8_t *icmp = ip + IP6_BYTES;

	ip6_make(ip, IP_ICMP6, source, destination, bytes, DISCOVERY_HOPS);
	put16(icmp + 2, 0);
	put16(icmp + 2, inner_sum(ip, IP_ICMP6, icmp, bytes));
	return IP6_BYTES + bytes;
}

bool discovery_sound(const struct packet *packet, uint32_t least)
{
	return packet->ip[7] == DISCOVERY_HOPS && packet->inner[1] == 0 && packet->inner_bytes >= least &&
	       inner_sum(packet->ip, IP_ICMP6, packet->inner, packet->inner_bytes) == 0;
}

const uint8_t *discovery_mac(const uint8_t *at, uint32_t count, enum discovery_option kind, bool *sound)
{
	const uint8_t *mac = 0;

	while (count >= 8 && at[1] && count >= at[1] * 8u) {
		uint32_t bytes = at[1] * 8u;
		if (at[0] == kind && bytes == 8)
			mac = at + 2;
		at += bytes;
		count -= bytes;
	}
	*sound = count == 0;
	return mac;
}

struct address solicited_group(struct address address)
{
	return (struct address){0xff02000000000000ull, 0x1ff000000ull | (address.low & 0xffffff)};
}

void group_mac(struct address group, uint8_t mac[6])
{
	put16(mac, 0x3333); /* RFC 2464, 7 */
	put32(mac + 2, (uint32_t)group.low);
}

void ethernet_make(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type)
{
	memmove(frame, to, 6);
	memmove(frame + 6, from, 6);
	put16(frame + 12, type);
}
