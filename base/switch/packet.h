/* Frames as the switch judges them: fields in its own memory, sums, changes of addresses. Sources: RFC 791, 792,
 * 768, 9293, 826, 1071 and 1624 (sums). Portable. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ETHERNET_BYTES 14u
#define IP_BYTES       20u
#define UDP_BYTES      8u
#define TCP_BYTES      20u
#define ICMP_BYTES     8u

enum ether_type { ETHER_IP = 0x0800, ETHER_ARP = 0x0806 };
enum ip_protocol { IP_ICMP = 1, IP_TCP = 6, IP_UDP = 17 };
enum tcp_flag { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };
enum icmp_type { ICMP_ECHO_REPLY = 0, ICMP_UNREACHABLE = 3, ICMP_ECHO = 8, ICMP_TIME_EXCEEDED = 11 };

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}
static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}
static inline void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}
static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

/* An IPv4 packet whose header, and that of TCP, UDP or ICMP, lie in the switch's memory. */
struct packet {
	uint8_t *ip, *inner; /* INNER: behind the IP header */
	uint32_t bytes;      /* IP header and all behind it: the packet's own length */
	uint32_t inner_bytes;
	uint32_t source, destination;
	uint8_t protocol;
	bool ports;        /* TCP, UDP or an ICMP echo, with */
	uint16_t from, to; /* ports; both the identifier of an echo */
	bool error;        /* an ICMP error */
};

/* Reads the packet at IP, of which HELD bytes are here and TOTAL in all. False: no sound IPv4 packet, a
 * fragment, or its inner header is not here: nothing that the switch would pass on. */
bool packet_read(struct packet *packet, uint8_t *ip, uint32_t held, uint32_t total);

/* The Internet sum of BYTES, on top of SUM; finished by sum_end. */
uint32_t sum_add(uint32_t sum, const uint8_t *bytes, uint32_t count);
uint16_t sum_end(uint32_t sum);
/* New source or destination, with the IP and inner sums brought along (RFC 1624). */
void packet_set_source(struct packet *packet, uint32_t address, uint16_t port);
void packet_set_destination(struct packet *packet, uint32_t address, uint16_t port);
/* One hop less; false: it was the last. */
bool packet_hop(struct packet *packet);
/* Fills in an IP header of PROTOCOL and INNER_BYTES behind it, with its sum. */
void ip_make(uint8_t *ip, uint8_t protocol, uint32_t source, uint32_t destination, uint32_t inner_bytes);
/* A UDP header, with its sum, before DATA_BYTES bytes that are in place already. */
void udp_make(uint8_t *ip, uint32_t source, uint16_t from, uint32_t destination, uint16_t to,
              uint32_t data_bytes);
void ethernet_make(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type);
