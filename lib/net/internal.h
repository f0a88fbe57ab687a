/* What the parts of the stack share: the stack itself, links, packets, flows and sockets.
 *
 * Layers, from below: arena, timer, packet; link and neighbour; ip (ipv4, ipv6, fragments, icmp, route); udp,
 * raw, tcp; socket. A layer calls those below; upwards it goes by the tables named here (transport_input) and
 * by the socket's operations.
 */
#pragma once

#include "arena.h"
#include "net.h"
#include "timer.h"

#define MILLISECOND 1000000ull
#define SECOND      1000000000ull

enum {
	LINKS_MAX = 16,
	ADDRESSES_MAX = 8,                      /* for each link */
	ADDRESSES_TOLD_MAX = ADDRESSES_MAX / 2, /* of prefixes of routers, which keep nobody else out; */
	ROUTES_MAX = 64,
	ROUTES_TOLD_MAX = ROUTES_MAX / 2, /* the same of ways by IPv6 */
	NEIGHBOURS_MAX = 512,
	LOOPBACK_MAX = 256,
	PATHS_MAX = 256, /* destinations whose path MTU is known to be less than the link's */
	BOUND_BUCKETS = 1024,
	HEADERS_MAX = 128, /* Ethernet, IP and TCP headers together */
};

enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_FRAGMENT = 44, PROTOCOL_ICMPV6 = 58 };
enum { FAMILY_IPV4 = 2, FAMILY_IPV6 = 10, FAMILY_PACKET = 17 };
enum { LEVEL_IP = 0, LEVEL_SOCKET = 1, LEVEL_IPV6 = 41 }; /* of socket options */
enum { TYPE_STREAM = 1, TYPE_DATAGRAM = 2, TYPE_RAW = 3 };
enum { ETHERTYPE_IPV4 = 0x0800, ETHERTYPE_ARP = 0x0806, ETHERTYPE_IPV6 = 0x86dd };
enum { ECN_MASK = 3, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3 };

/* ---- Bytes ---- */

static inline uint16_t load16(const void *at)
{
	const uint8_t *b = (const uint8_t *)at;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t load32(const void *at)
{
	const uint8_t *b = (const uint8_t *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline uint64_t load64(const void *at)
{
	return (uint64_t)load32(at) << 32 | load32((const uint8_t *)at + 4);
}

static inline void store16(void *at, uint32_t value)
{
	uint8_t *b = (uint8_t *)at;

	b[0] = (uint8_t)(value >> 8);
	b[1] = (uint8_t)value;
}

static inline void store32(void *at, uint32_t value)
{
	store16(at, value >> 16);
	store16((uint8_t *)at + 2, value);
}

static inline uint32_t min32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t max32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* ---- Packets ---- */

/* A packet that came in, or waits to go out. BYTES follow the structure, or stand in memory of the link. */
struct packet {
	struct net_list node;
	uint8_t *data; /* what is left of it: headers are cut off as they are read */
	uint32_t length;
	uint32_t room;           /* bytes behind data + length that belong to it */
	uint32_t charge;         /* bytes of memory it holds */
	uint32_t sequence;       /* TCP: of its first byte */
	struct net_link *link;   /* it came in on */
	struct net_link *looped; /* 0, or where it went out to a group that somebody here has joined */
	void *foreign;           /* given back to the link at the end, or 0 */
	struct net_address from, to;
	uint16_t from_port, to_port;
	uint16_t protocol; /* Ethertype */
	uint8_t ttl, traffic_class;
	bool trusted;           /* it never left this machine: no checksum needs to be looked at */
	bool broadcast;         /* to a broadcast or multicast address, or such a link address */
	bool fin;               /* TCP: the stream ends behind it */
	uint8_t *network;       /* the IP header, for ICMP errors */
	uint32_t network_bytes; /* from there on */
	uint8_t bytes[];
};

/* A packet with room for BYTES, data at HEADROOM of it and length 0; 0 when memory is short. */
struct packet *packet_allocate(struct net *net, size_t headroom, size_t bytes);
/* The same with all of PIECES in it, 65,535 bytes at most; longer ones: 0 too. */
struct packet *packet_gather(struct net *net, size_t headroom, const struct net_piece *pieces,
                             unsigned count);
void packet_free(struct net *net, struct packet *packet);
/* A packet of its own with [BYTES, + COUNT) and what is known of PACKET; 0 when memory is short. */
struct packet *packet_copy(struct net *net, const struct packet *packet, const uint8_t *bytes, size_t count);
/* PACKET, which waits at a socket and is in *CHARGE, goes to a program, which is told that it came from FROM: as the
 * receive of struct socket_ops. */
int64_t packet_receive(struct net *net, struct packet *packet, uint32_t *charge, struct net_endpoint from,
                       void *buffer, size_t count, uint32_t flags, struct net_receipt *receipt);

/* ---- Checksums (RFC 1071) ---- */

/* Adds BYTES to SUM; only the last of several parts may have an odd count. */
uint32_t checksum_add(uint32_t sum, const void *bytes, size_t count);
/* The same for PIECES in order, odd counts anywhere. */
uint32_t checksum_pieces(uint32_t sum, const struct net_piece *pieces, unsigned count);
uint16_t checksum_finish(uint32_t sum);
/* The pseudo header of RFC 9293, 3.1, or RFC 8200, 8.1. */
uint32_t checksum_pseudo(const struct net_address *from, const struct net_address *to, uint32_t protocol,
                         uint32_t bytes);

/* ---- Hashes and random numbers ---- */

struct key {
	uint64_t k0, k1;
};
/* SipHash-2-4 (Aumasson, Bernstein 2012). */
uint64_t siphash(const struct key *key, const void *bytes, size_t count);
uint32_t net_random(struct net *net);

/* ---- Links ---- */

enum address_state { ADDRESS_TENTATIVE, ADDRESS_VALID, ADDRESS_DUPLICATE };

struct link_address {
	struct net_address address;
	uint8_t length;
	uint8_t state;
	uint8_t probes;                        /* duplicate address detection: sent so far */
	bool automatic;                        /* by stateless autoconfiguration */
	uint64_t preferred_until, valid_until; /* ns; UINT64_MAX: for ever */
	struct timer timer;
	struct net_link *link;
};

struct link_counts {
	uint64_t received_packets, received_bytes, received_dropped;
	uint64_t sent_packets, sent_bytes, sent_dropped;
};

struct net_link {
	struct net *net;
	struct net_link_config config;
	uint32_t number;
	bool up;
	bool autoconfigure; /* listen to router advertisements */
	uint8_t hop_limit;  /* of IPv6 packets, from router advertisements; 0: default */
	uint8_t solicitations;
	bool awaits_address; /* DHCP is under way */
	struct dhcp *dhcp;
	struct dhcp6_link *dhcp6; /* 0: no router has asked for it */
	struct timer timer;       /* router solicitations */
	struct {
		struct net_address address;
		uint64_t valid_until;
	} name_servers[NET_NAME_SERVERS_MAX]; /* of routers */
	unsigned address_count;
	struct link_address addresses[ADDRESSES_MAX];
	struct link_counts counts;
};

/* Sends an Ethernet frame of type ETHERTYPE to MAC made of PIECES, whose first has ETHERNET_BYTES in front of
 * it. */
bool link_send(struct net_link *link, const uint8_t mac[6], uint16_t ethertype, struct net_piece *pieces,
               unsigned count, const struct net_offload *offload);
bool link_send_ip(struct net_link *link, struct net_piece *pieces, unsigned count,
                  const struct net_offload *offload);
bool loopback_send(struct net_link *link, uint16_t ethertype, const struct net_piece *pieces, unsigned count);
void loopback_run(struct net *net, struct timer *timer);
/* Gives packet sockets a frame that comes in on LINK. One of the loopback has room for a header of ETHERNET_BYTES in
 * front of it. */
void packet_tap(struct net_link *link, const struct packet *packet);
/* The same of one of COUNT PIECES that went out of LINK. */
void packet_tap_out(struct net_link *link, const struct net_piece *pieces, unsigned count);
/* Whether LINK waits for an IPv4 address, so that unicasts to unknown addresses are looked at (RFC
 * 2131, 4.1). */
bool link_awaits_address(const struct net_link *link);
struct link_address *link_own_address(struct net_link *link, const struct net_address *address);
/* A good source address on LINK for packets to TO, or 0 (RFC 6724, simplified: scope, then longest prefix).
 */
const struct net_address *link_source(struct net_link *link, const struct net_address *to);
/* Whether ADDRESS is one of this stack's own, on whatever link. */
bool net_own_address(struct net *net, const struct net_address *address);
/* As two words: this stands on the way of every packet. */
static inline bool address_equal(const struct net_address *a, const struct net_address *b)
{
	uint64_t x[2], y[2];

	__builtin_memcpy(x, a, sizeof(x));
	__builtin_memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}
bool address_zero(const struct net_address *address); /* :: or ::ffff:0.0.0.0 */
struct net_address address_any(bool ipv4);
/* 127.0.0.1 or ::1. */
struct net_address address_own_loopback(bool ipv4);
bool address_multicast(const struct net_address *address);
bool address_link_local(const struct net_address *address);
bool address_matches(const struct net_address *address, const struct net_address *prefix, unsigned length);
bool address_broadcast(struct net *net, const struct net_address *address); /* IPv4, limited or of a subnet */
bool address_loopback(const struct net_address *address);

enum { ETHERNET_BYTES = 14 };

/* ---- Neighbours (RFC 826, RFC 4861) ---- */

/* Sends PIECES to the next hop HOP on LINK, now or once its link address is known. A copy is queued for that.
 */
bool neighbour_send(struct net_link *link, const struct net_address *hop, uint16_t ethertype,
                    struct net_piece *pieces, unsigned count, const struct net_offload *offload);
/* HOP has link address MAC. OVERRIDE: also when another was known. CREATE: also when nobody asked. */
void neighbour_learn(struct net_link *link, const struct net_address *hop, const uint8_t mac[6],
                     bool override, bool create, bool reachable);
void neighbour_flush(struct net_link *link);
bool neighbours_init(struct net *net);
void arp_input(struct net_link *link, struct packet *packet);
void nd_input(struct net_link *link, const struct packet *packet);
void nd_solicit(struct net_link *link, const struct net_address *target, const uint8_t *mac,
                const struct net_address *source);
void nd_link_start(struct net_link *link);
void nd_address_start(struct net_link *link, struct link_address *address);

/* ---- IP ---- */

struct route {
	struct net_address prefix, gateway;
	struct net_link *link;
	uint8_t length; /* bits of the 128 */
	bool direct;
	bool automatic;
	uint64_t valid_until;
};

/* Where packets to an address go. */
struct path {
	struct net_link *link;
	struct net_address hop;
	uint32_t mtu;
};

/* False: no route. SCOPE: link number or 0. */
bool route_find(struct net *net, const struct net_address *to, uint32_t scope, struct path *path);
/* What a call is told where route_find found none. */
int route_error(struct net *net, const struct net_address *to);
/* AUTOMATIC: a router or server tells of it and, again, how long it lasts: VALID_UNTIL that is over ends it. */
int route_add(struct net *net, const struct net_address *prefix, unsigned bits, struct net_link *link,
              const struct net_address *gateway, bool automatic, uint64_t valid_until);
void route_remove(struct net *net, const struct net_address *prefix, unsigned bits, struct net_link *link);
/* A router said that packets to TO may have at most MTU bytes. */
void path_learn(struct net *net, const struct net_address *to, uint32_t mtu);
uint32_t path_mtu(struct net *net, const struct net_address *to, uint32_t link_mtu);

struct ip_header {
	struct net_address from, to; /* from all zero: choose */
	uint8_t protocol, ttl /* 0: default */, traffic_class;
	bool may_fragment; /* IPv4: without DF; IPv6: by this host */
	uint32_t scope;    /* link number, or 0 */
	bool loop;         /* to a group: members here get it, too */
	bool stays;        /* ... and nobody else (multicast_stays) */
};

/* Sends an IP packet whose payload is PIECES (pieces[0] has HEADERS_MAX bytes of room in front of it; the
 * array has room for one more piece). TOTAL bytes. OFFLOAD or 0. 0, -NET_EMSGSIZE, -NET_ENETUNREACH,
 * -NET_ENOBUFS. */
int ip_send(struct net *net, const struct ip_header *header, struct net_piece *pieces, unsigned count,
            size_t total, const struct net_offload *offload);
void ipv4_input(struct net_link *link, struct packet *packet);
void ipv6_input(struct net_link *link, struct packet *packet);
int ipv4_send(struct net *net, const struct ip_header *header, const struct path *path,
              struct net_piece *pieces, unsigned count, size_t total, const struct net_offload *offload);
int ipv6_send(struct net *net, const struct ip_header *header, const struct path *path,
              struct net_piece *pieces, unsigned count, size_t total, const struct net_offload *offload);
/* Writes the header, of the size told, of a fragment of BYTES at OFFSET. */
typedef void fragment_header(void *context, uint8_t *at, uint32_t offset, uint32_t bytes, bool more);
int ip_send_fragments(struct net *net, const struct path *path, uint16_t ethertype,
                      const struct net_piece *pieces, unsigned count, size_t total, size_t header_bytes,
                      fragment_header *make, void *context);
/* Hands PACKET, whose data begins with the transport header, to PROTOCOL; takes it over. */
void ip_deliver(struct net *net, struct packet *packet, uint8_t protocol);
/* The two unreachables a host sends, of whichever IP. */
enum icmp_reason { ICMP_PORT_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE };
bool icmp_allowed(struct net *net);
int icmpv6_send(struct net *net, const struct ip_header *header, uint8_t type, uint8_t code, uint32_t rest,
                const uint8_t *body, size_t count);
void icmpv6_send_error(struct net *net, const struct packet *packet, enum icmp_reason reason);
void icmp_send_error(struct net *net, const struct packet *packet, enum icmp_reason reason);
/* The IP packet PACKET of COUNT bytes, of our own, reached no neighbour: its transport is told. */
void icmp_local_unreachable(struct net *net, uint8_t *packet, size_t count);
void icmp_input(struct net *net, struct packet *packet);
void icmpv6_input(struct net *net, struct packet *packet);

/* A fragment; PACKET's data is the fragmentable part. Takes it over; returns the whole packet when it is
 * complete. */
struct packet *fragment_input(struct net *net, struct packet *packet, uint32_t identification,
                              uint32_t offset, bool more, uint8_t protocol);
bool fragments_init(struct net *net);

/* What an ICMP error says to the transport whose header, at least 8 bytes, it quotes. */
struct icmp_report {
	struct net_address from, to; /* of the quoted packet: from is ours */
	uint16_t from_port, to_port;
	int error;         /* what a socket call gives for it: NET_E* */
	bool hard;         /* of the kind that ends a connection attempt */
	bool expired;      /* time exceeded on the way */
	uint32_t mtu;      /* packet too big: the new MTU; else 0 */
	uint32_t sequence; /* TCP */
	/* The message itself; PACKET 0: of this host's own. */
	const struct packet *packet;
	uint8_t type, code;
	uint32_t info;
	const uint8_t *quoted, *quoted_ip; /* the transport header, the IP header */
	uint32_t quoted_bytes, quoted_ip_bytes;
};
void icmp_report_transport(struct net *net, struct icmp_report *report, uint8_t protocol,
                           const uint8_t *header, size_t count);
void tcp_icmp(struct net *net, const struct icmp_report *report);
void udp_icmp(struct net *net, const struct icmp_report *report);
void raw_icmp(struct net *net, const struct icmp_report *report, uint8_t protocol);

/* ---- Flows: connected endpoints, found by both ends ---- */

enum flow_kind { FLOW_NONE, FLOW_TCP, FLOW_REQUEST, FLOW_TIME_WAIT, FLOW_UDP };

struct flow {
	struct flow *next;
	struct net_address local, remote;
	uint16_t local_port, remote_port;
	uint8_t kind;
};

void flow_insert(struct net *net, struct flow *flow, enum flow_kind kind);
void flow_remove(struct net *net, struct flow *flow);
/* Of protocol UDP when UDP, else TCP. */
struct flow *flow_find(struct net *net, bool udp, const struct net_address *local, uint16_t local_port,
                       const struct net_address *remote, uint16_t remote_port);

/* ---- Sockets ---- */

struct failure;
struct socket_ops {
	int (*connect)(struct net_socket *socket, const struct net_endpoint *remote);
	int64_t (*send)(struct net_socket *socket, const struct net_piece *pieces, unsigned count,
	                const struct net_endpoint *to, uint32_t flags);
	int64_t (*receive)(struct net_socket *socket, void *buffer, size_t count, uint32_t flags,
	                   struct net_receipt *receipt);
	int (*shutdown)(struct net_socket *socket, int how);
	void (*close)(struct net_socket *socket);
	uint32_t (*poll)(const struct net_socket *socket);
	/* Whether packets for its local port that belong to no flow go to it; 0 for sockets without ports. */
	bool (*listening)(const struct net_socket *socket);
	int (*set_option)(struct net_socket *socket, int level, int name, const void *value, size_t count);
	int (*get_option)(struct net_socket *socket, int level, int name, void *value, size_t *count);
};

struct net_socket {
	struct flow flow; /* first: a flow is its socket */
	struct net *net;
	const struct socket_ops *ops;
	struct net_socket *bound_next; /* bucket of its local port */
	struct net_list node;          /* all raw sockets; a listener's queue */
	net_notify *notify;
	net_filter *filter; /* or 0 */
	void *context;
	uint8_t family, type, protocol;
	bool bound : 1;       /* in the table of local ports */
	bool address_set : 1; /* bind(2) named an address */
	bool receive_size_set : 1, send_size_set : 1;
	bool member : 1;    /* of multicast groups: multicast.c */
	bool multicast_all; /* of groups that others have joined it takes datagrams, too */
	bool reuse_address, reuse_port, broadcast, keep_alive, only_ipv6, linger, header_included,
	    out_of_band_inline;
	bool receive_ttl, receive_class, receive_errors, receive_options, packet_information;
	bool no_delay, free_bind, multicast_loop;
	uint8_t multicast_link,
	    unicast_link; /* datagrams go out there, where nothing else says where; 0: any */
	uint8_t ttl, multicast_ttl, traffic_class;
	uint32_t linger_seconds;
	uint8_t least_ttl;            /* of streams: packets with less are dropped (RFC 5082) */
	uint8_t path_discovery;       /* IP_MTU_DISCOVER: IP_PMTUDISC_* */
	uint8_t multicast_address[4]; /* what IP_MULTICAST_IF was given */
	uint16_t port_low, port_high; /* local ports are chosen from there to there; 0: no limit of its own */
	uint16_t error;               /* SO_ERROR, positive */
	uint32_t scope;               /* link it is bound to */
	struct failure *failures;     /* the newest one of IP_RECVERR, or 0: failure.c */
	uint32_t receive_size, send_size; /* SO_RCVBUF, SO_SNDBUF */
};

static inline void socket_notify(struct net_socket *socket, uint32_t events)
{
	if (socket->notify)
		socket->notify(socket->context, socket, events);
}

/* Sets what is common; the caller sets ops. */
void socket_init(struct net *net, struct net_socket *socket, int family, int type, int protocol);
/* Takes a local port (0: any, RFC 6056 algorithm 3) for SOCKET at its local address. 0 or -NET_EADDRINUSE. */
int socket_bind_port(struct net_socket *socket, uint16_t port);
void socket_unbind(struct net_socket *socket);
/* Whether no other listener has SOCKET's port. */
bool socket_may_listen(const struct net_socket *socket);
/* Chooses the local address and port for a socket about to be connected. */
int socket_prepare(struct net_socket *socket, const struct net_endpoint *remote, struct path *path);
/* The socket bound to LOCAL:PORT that serves a packet from REMOTE best; TCP: listeners only. HASH spreads
 * over sockets that share the port. */
struct net_socket *socket_find_bound(struct net *net, uint8_t protocol, const struct net_address *local,
                                     uint16_t port, uint32_t scope, uint64_t hash);
/* First of the bucket of PORT, on by bound_next; others may stand in it too. */
struct net_socket *socket_bound_first(struct net *net, uint8_t protocol, uint16_t port);
int socket_take_error(struct net_socket *socket);
/* SOCKET is told of REPORT where it wants that: of what went to PORT there, whose contents are QUOTED. */
void failure_report(struct net_socket *socket, const struct icmp_report *report, uint16_t port,
                    const uint8_t *quoted, uint32_t bytes);
/* ... that a datagram was longer than the path's MTU. */
void failure_too_long(struct net_socket *socket, const struct net_address *to, uint16_t port, uint32_t mtu);
void failures_drop(struct net_socket *socket);
/* Has any socket joined GROUP on link number LINK? */
bool multicast_joined(const struct net *net, const struct net_address *group, uint32_t link);
/* Does SOCKET, whose port it is, take what came there to GROUP? */
bool multicast_wanted(const struct net_socket *socket, const struct net_address *group, uint32_t link);
void multicast_leave_all(struct net_socket *socket);
/* Does what goes to group TO with TTL not leave this host? */
bool multicast_stays(const struct net_address *to, uint8_t ttl);
int multicast_set_option(struct net_socket *socket, int level, int name, const void *value, size_t count);
/* Gives this host what goes out by PATH to a group. */
void multicast_loop(struct net *net, const struct ip_header *header, const struct path *path,
                    const struct net_piece *pieces, unsigned count, size_t total);
/* The link that datagrams of SOCKET to REMOTE go out of, unless the message says one; 0: the route's. */
static inline uint32_t socket_scope(const struct net_socket *socket, const struct net_address *remote)
{
	return socket->scope               ? socket->scope
	       : address_multicast(remote) ? socket->multicast_link
	                                   : socket->unicast_link;
}
/* How many of [BYTES, + COUNT) of PACKET the socket's filter leaves, which is there; 0: none of it. */
uint32_t socket_filter(const struct net_socket *socket, const struct packet *packet, const uint8_t *bytes,
                       uint32_t count);

const struct tcp_profile *tcp_profile_find(enum net_profile profile);
struct net_socket *tcp_create(struct net *net, int family, int *error);
struct net_socket *udp_create(struct net *net, int family, int *error);
struct net_socket *raw_create(struct net *net, int family, int type, int protocol, int *error);
int tcp_listen(struct net_socket *socket, int backlog);
struct net_socket *tcp_accept(struct net_socket *socket, int *error);
void tcp_input(struct net *net, struct packet *packet);
void udp_input(struct net *net, struct packet *packet);
/* Gives raw sockets their copies. True when one took it. */
bool raw_input(struct net *net, const struct packet *packet, uint8_t protocol);
uint32_t tcp_readable(const struct net_socket *socket);
uint32_t udp_readable(const struct net_socket *socket);
uint32_t tcp_unsent(const struct net_socket *socket, bool unacknowledged);

/* ---- DHCP (dhcp.c) ---- */

/* A packet for the client's port of LINK. */
void dhcp_input(struct net_link *link, const struct packet *packet);

/* ---- DHCPv6 (dhcp6_link.c) ---- */

/* A router says that there are servers, with addresses (MANAGED) or other knowledge (INFORMED). */
void dhcp6_link_want(struct net_link *link, bool managed, bool informed);
void dhcp6_link_rejoin(struct net_link *link); /* it is up again */
/* ADDRESS, which LINK tried, is another's. */
void dhcp6_link_duplicate(struct net_link *link, const struct net_address *address);
/* A packet for the client's port of LINK, which has a client. */
void dhcp6_link_input(struct net_link *link, const struct packet *packet);

/* ---- The stack ---- */

struct dhcp;
struct dhcp6_link;
struct neighbour_table;
struct reassembly_table;
struct tcp_profile;

enum { FAST_OPEN_MAX = 64 };
struct fast_open_entry {
	struct net_address server;
	uint8_t bytes; /* 0: no cookie */
	uint8_t cookie[16];
	uint16_t mss;
	uint64_t disabled_until;
};

struct net_counts {
	uint64_t ip_received, ip_bad, ip_no_route, ip_fragments, ip_reassembled, ip_reassembly_failed;
	uint64_t icmp_sent, icmp_received, icmp_limited;
	uint64_t udp_received, udp_sent, udp_no_port, udp_bad, udp_full;
	uint64_t tcp_received, tcp_sent, tcp_bad, tcp_retransmitted, tcp_resets_sent, tcp_cookies_sent,
	    tcp_cookies_taken, tcp_cookies_bad, tcp_listen_full, tcp_challenges, tcp_timeouts;
};

struct net {
	struct arena arena;
	struct timers timers;
	uint64_t now;
	const struct tcp_profile *profile;
	bool (*copy)(void *to, const void *from, size_t count);
	void (*random)(void *context, void *bytes, size_t count);
	void *random_context;
	uint32_t random_pool[64];
	unsigned random_left;
	struct key flow_key, sequence_key, port_key, cookie_key;
	unsigned link_count, route_count;
	struct net_link *links[LINKS_MAX];
	struct route routes[ROUTES_MAX];
	struct path_entry {
		struct net_address to;
		uint32_t mtu;
		uint64_t until;
	} * paths;
	uint64_t paths_until; /* the last of them is forgotten then */
	struct fast_open_entry *fast_open;
	struct flow **flows;
	uint32_t flow_buckets;  /* a power of two */
	struct flow *flow_last; /* found last, or 0 */
	struct net_socket **bound;
	struct net_list raw_sockets, memberships;
	const struct net_socket *sending; /* a packet socket that is not given what it sends */
	struct neighbour_table *neighbours;
	struct reassembly_table *reassemblies;
	struct net_list loopback; /* packets on their way */
	unsigned loopback_count;
	bool train;                /* net_train_begin */
	struct net_list train_due; /* connections that send at its end */
	struct timer loopback_timer;
	uint32_t identification;
	uint32_t port_counter;
	uint64_t icmp_tokens_at; /* rate limit: when the bucket was full last */
	unsigned icmp_tokens;
	uint64_t challenge_at; /* RFC 5961, 7 */
	unsigned challenges;
	uint32_t time_wait_count, request_count;
	struct net_list time_waits; /* oldest first */
	struct net_counts counts;
};
