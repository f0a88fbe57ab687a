/* See packet.h. */
#include "packet.h"

#include "text.h"

#define FRAGMENT_BITS 0x3fffu /* more fragments, offset */
#define TTL           64

bool packet_read(struct packet *packet, uint8_t *ip, uint32_t held, uint32_t total)
{
	uint32_t header, need;

	if (held < IP_BYTES || total < held || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 15u) * 4;
	*packet = (struct packet){.ip = ip, .bytes = get16(ip + 2), .protocol = ip[9]};
	if (header < IP_BYTES || header > held || packet->bytes < header || packet->bytes > total ||
	    get16(ip + 6) & FRAGMENT_BITS || sum_end(sum_add(0, ip, header)) != 0)
		return false;
	packet->source = get32(ip + 12);
	packet->destination = get32(ip + 16);
	packet->inner = ip + header;
	packet->inner_bytes = packet->bytes - header;
	need = packet->protocol == IP_TCP ? TCP_BYTES : UDP_BYTES;
	if (packet->inner_bytes < need || held - header < need)
		return false;
	switch (packet->protocol) {
	case IP_TCP:
	case IP_UDP:
		packet->ports = true;
		packet->from = get16(packet->inner);
		packet->to = get16(packet->inner + 2);
		return packet->protocol == IP_TCP ? packet->inner[12] >> 4 >= 5
		                                  : get16(packet->inner + 4) >= UDP_BYTES &&
		                                        get16(packet->inner + 4) <= packet->inner_bytes;
	case IP_ICMP:
		packet->ports = packet->inner[0] == ICMP_ECHO || packet->inner[0] == ICMP_ECHO_REPLY;
		packet->error =
		    packet->inner[0] == ICMP_UNREACHABLE || packet->inner[0] == ICMP_TIME_EXCEEDED;
		packet->from = packet->to = get16(packet->inner + 4);
		return packet->ports || packet->error;
	default:
		return false;
	}
}

uint32_t sum_add(uint32_t sum, const uint8_t *bytes, uint32_t count)
{
	uint64_t wide = sum;

	for (; count >= 2; count -= 2, bytes += 2)
		wide += get16(bytes);
	if (count)
		wide += (uint32_t)*bytes << 8;
	while (wide >> 16)
		wide = (wide & 0xffff) + (wide >> 16);
	return (uint32_t)wide;
}

uint16_t sum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The sum at AT after a 16-bit word of what it covers changed. */
static void sum_change(uint8_t *at, uint16_t before, uint16_t after)
{
	put16(at, sum_end((uint32_t)(uint16_t)~get16(at) + (uint16_t)~before + after));
}

static void sum_change32(uint8_t *at, uint32_t before, uint32_t after)
{
	sum_change(at, (uint16_t)(before >> 16), (uint16_t)(after >> 16));
	sum_change(at, (uint16_t)before, (uint16_t)after);
}

/* Where the inner sum is, behind the IP header; 0: a UDP packet without one. */
static uint32_t inner_sum(const struct packet *packet)
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

static void set_address(struct packet *packet, uint32_t offset, uint32_t address, uint32_t port_offset,
                        uint16_t port)
{
	uint32_t before = get32(packet->ip + offset), at = inner_sum(packet);
	uint8_t *sum = packet->inner + at;

	put32(packet->ip + offset, address);
	sum_change32(packet->ip + 10, before, address);
	if (at && packet->protocol != IP_ICMP) /* whose sum has no pseudo header */
		sum_change32(sum, before, address);
	if (packet->protocol == IP_ICMP)
		port_offset = 4;
	if (packet->ports && at)
		sum_change(sum, get16(packet->inner + port_offset), port);
	if (packet->ports)
		put16(packet->inner + port_offset, port);
	if (packet->protocol == IP_UDP && at && !get16(sum))
		put16(sum, 0xffff);
}

void packet_set_source(struct packet *packet, uint32_t address, uint16_t port)
{
	set_address(packet, 12, address, 0, port);
	packet->source = address;
	packet->from = port;
}

void packet_set_destination(struct packet *packet, uint32_t address, uint16_t port)
{
	set_address(packet, 16, address, 2, port);
	packet->destination = address;
	packet->to = port;
}

bool packet_hop(struct packet *packet)
{
	uint16_t before = get16(packet->ip + 8);

	if (packet->ip[8] <= 1)
		return false;
	packet->ip[8]--;
	sum_change(packet->ip + 10, before, get16(packet->ip + 8));
	return true;
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

void udp_make(uint8_t *ip, uint32_t source, uint16_t from, uint32_t destination, uint16_t to,
              uint32_t data_bytes)
{
	uint8_t *udp = ip + IP_BYTES;
	uint32_t bytes = UDP_BYTES + data_bytes, sum = IP_UDP + bytes;
	uint16_t end;

	ip_make(ip, IP_UDP, source, destination, bytes);
	put16(udp, from);
	put16(udp + 2, to);
	put16(udp + 4, (uint16_t)bytes);
	put16(udp + 6, 0);
	end = sum_end(sum_add(sum_add(sum, ip + 12, 8), udp, bytes));
	put16(udp + 6, end ? end : 0xffff);
}

void ethernet_make(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type)
{
	memmove(frame, to, 6);
	memmove(frame + 6, from, 6);
	put16(frame + 12, type);
}
