/* Frames as the switch judges them: fields in its own memory, sums, changes of addresses. Sources: RFC 791, 792,
 * 768, 9293, 826, 8200 and 4443 (IPv6), 1071 and 1624 (sums). Portable. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ETHERNET_BYTES 14u
#define IP_BYTES       20u
#define IP6_BYTES      40u
#define FRAGMENT_BYTES 8u /* IPv6's header of fragments */
#define UDP_BYTES      8u
#define TCP_BYTES      20u
#define ICMP_BYTES     8u

enum ether_type { ETHER_IP = 0x0800, ETHER_ARP = 0x0806, ETHER_IP6 = 0x86dd };
enum ip_protocol { IP_ICMP = 1, IP_TCP = 6, IP_UDP = 17, IP_FRAGMENT = 44, IP_ICMP6 = 58 };
enum tcp_flag { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };
enum icmp_type { ICMP_ECHO_REPLY = 0, ICMP_UNREACHABLE = 3, ICMP_ECHO = 8, ICMP_TIME_EXCEEDED = 11 };
enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_ERROR_LAST = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_ROUTER_SOLICIT = 133,
	ICMP6_ROUTER_ADVERT = 134,
	ICMP6_SOLICIT = 135,
	ICMP6_ADVERT = 136,
};

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

static inline bool mac_same(const uint8_t a[6], const uint8_t b[6])
{
	return get32(a) == get32(b) && get16(a + 4) == get16(b + 4);
}

static inline uint64_t get64(const uint8_t *at)
{
	return (uint64_t)get32(at) << 32 | get32(at + 4);
}
static inline void put64(uint8_t *at, uint64_t value)
{
	put32(at, (uint32_t)(value >> 32));
	put32(at + 4, (uint32_t)value);
}

/* An address of either kind, as a number; IPv4's stand in their mapped form (RFC 4291, 2.5.5.2). */
struct address {
	uint64_t high, low;
};
static inline struct address address4(uint32_t address)
{
	return (struct address){0, 0xffff00000000ull | address};
}
static inline bool address_is4(struct address address)
{
	return !address.high && address.low >> 32 == 0xffff;
}
static inline bool address_same(struct address a, struct address b)
{
	return a.high == b.high && a.low == b.low;
}
static inline struct address address_get(const uint8_t *at)
{
	return (struct address){get64(at), get64(at + 8)};
}
static inline void address_put(uint8_t *at, struct address address)
{
	put64(at, address.high);
	put64(at + 8, address.low);
}
/* Reads an address of either kind in digits (RFC 4291, 2.2; no zone). False: TEXT is none, but perhaps a name. */
bool address_parse(const char *text, struct address *address);

/* A packet whose IP header, and that of TCP, UDP or ICMP, lie in the switch's memory. */
struct packet {
	uint8_t *ip, *inner; /* INNER: behind the IP header */
	uint32_t bytes;      /* IP header and all behind it: the packet's own length */
	uint32_t inner_bytes;
	struct address source, destination;
	uint8_t protocol;
	bool six;          /* IPv6 */
	bool ports;        /* TCP, UDP or an ICMP echo, with */
	uint16_t from, to; /* ports; both the identifier of an echo */
	bool echo, reply;  /* an ICMP echo, or the answer to one */
	bool error;        /* an ICMP error */
	bool discovery;    /* routers and neighbours of IPv6 (RFC 4861) */
	/* A part of a packet; LATER: not its first, so that INNER is no header and nothing above but the addresses and, with
	 * IPv4, the protocol is known. */
	bool fragment, later, more;
	uint32_t fragment_at, fragment_id; /* FRAGMENT_AT: in bytes */
};

/* Reads the packet at IP, of which HELD bytes are here and TOTAL in all. False: no sound packet, one with other
 * headers of IPv6, or its inner header is not here: nothing that the switch would pass on. */
bool packet_read(struct packet *packet, uint8_t *ip, uint32_t held, uint32_t total);

/* The Internet sum of BYTES, on top of SUM; finished by sum_end. */
uint32_t sum_add(uint32_t sum, const uint8_t *bytes, uint32_t count);
uint16_t sum_end(uint32_t sum);
/* The sum of what lies behind an IP header, of which it says PROTOCOL and BYTES, with the pseudo header of TCP,
 * UDP and ICMPv6; 0 if the sum in it is right. */
uint16_t inner_sum(const uint8_t *ip, uint8_t protocol, const uint8_t *inner, uint32_t bytes);
/* New source or destination of the same kind, with the IP and inner sums brought along (RFC 1624). */
void packet_set_source(struct packet *packet, struct address address, uint16_t port);
void packet_set_destination(struct packet *packet, struct address address, uint16_t port);
/* Another identification of a fragment. */
void packet_set_id(struct packet *packet, uint32_t id);
/* One hop less; false: it was the last. */
bool packet_hop(struct packet *packet);
/* Fills in an IPv4 header of PROTOCOL and INNER_BYTES behind it, with its sum. */
void ip_make(uint8_t *ip, uint8_t protocol, uint32_t source, uint32_t destination, uint32_t inner_bytes);
/* The same of IPv6. */
void ip6_make(uint8_t *ip, uint8_t protocol, struct address source, struct address destination,
              uint32_t inner_bytes, uint8_t hops);
/* And of the kind of both addresses; returns the header's bytes. */
uint32_t header_make(uint8_t *ip, uint8_t protocol, struct address source, struct address destination,
                     uint32_t inner_bytes);
/* An IP and a UDP header, with its sum, before DATA_BYTES bytes that are in place already; returns the packet's bytes. */
uint32_t datagram_make(uint8_t *ip, struct address source, uint16_t from, struct address destination,
                       uint16_t to, uint32_t data_bytes);
/* The same of IPv4. */
void udp_make(uint8_t *ip, uint32_t source, uint16_t from, uint32_t destination, uint16_t to,
              uint32_t data_bytes);
/* A message of neighbour discovery of BYTES bytes, in place already but for its sum: its header, and the sum.
 * Returns the packet's bytes. */
uint32_t discovery_make(uint8_t *ip, struct address source, struct address destination, uint32_t bytes);
/* Whether PACKET, all of which is here, is sound discovery (RFC 4861, 6.1 and 7.1): from this link, with its sum. */
bool discovery_sound(const struct packet *packet, uint32_t least);
/* The link address in the options at AT, COUNT bytes, of KIND (DISCOVERY_...); 0: it is not there, or *SOUND is false
 * and they are malformed. */
enum discovery_option {
	DISCOVERY_SOURCE = 1,
	DISCOVERY_TARGET = 2,
	DISCOVERY_PREFIX = 3,
	DISCOVERY_MTU = 5,
	DISCOVERY_ROUTE = 24,        /* RFC 4191, 2.3 */
	DISCOVERY_NAME_SERVERS = 25, /* RFC 8106, 5.1 */
};
const uint8_t *discovery_mac(const uint8_t *at, uint32_t count, enum discovery_option kind, bool *sound);
/* The group of those whose addresses end as ADDRESS (RFC 4291, 2.7.1), and the MAC address of a group. */
struct address solicited_group(struct address address);
void group_mac(struct address group, uint8_t mac[6]);
void ethernet_make(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type);
