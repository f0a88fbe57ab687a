/* The TCP/IP stack of a sub-kernel, as a library: links, addresses, sockets.
 *
 * One `struct net` is a whole stack with its own arena, clock, links, routes and sockets. It does no input or
 * output and knows no clock: whoever embeds it hands it frames (net_input), says what time it is
 * (net_advance), is called to transmit, and is told by each socket's notify callback when that socket's
 * readiness changes. Nothing in it blocks; a call that would have to wait answers -NET_EAGAIN. It has no lock
 * of its own: the caller holds one lock for each stack around every call, and callbacks run inside that lock
 * and must not call back into the stack.
 *
 * Memory comes from the arena alone, which is given once. When it is used up, packets are dropped and calls
 * answer -NET_ENOBUFS or -NET_ENOMEM; nothing else changes. Error numbers are Linux' (error.h), since its
 * users are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"

struct net;
struct net_link;
struct net_socket;

/* ---- Addresses ---- */

/* An IPv6 address, or an IPv4 address in its mapped form ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), in network
 * order. */
struct net_address {
	uint8_t bytes[16];
};

/* PORT in host order. SCOPE: the link of a link-local address (its number), else 0. */
struct net_endpoint {
	struct net_address address;
	uint16_t port;
	uint32_t scope;
};

static inline bool net_is_ipv4(const struct net_address *address)
{
	const uint8_t *b = address->bytes;
	uint64_t first;

	__builtin_memcpy(&first, b, 8);
	return first == 0 && (b[8] | b[9]) == 0 && (b[10] & b[11]) == 255;
}

/* ADDRESS in network order, as it stands in a packet. */
struct net_address net_ipv4(const uint8_t address[4]);

/* ---- Stacks ---- */

/* How TCP looks and behaves where standards leave a choice; see tcp_profile.c. */
enum net_profile { NET_PROFILE_LINUX, NET_PROFILE_FREEBSD };

struct net_config {
	void *arena; /* memory for all that the stack will ever hold; 4,096-byte aligned */
	size_t arena_bytes;
	/* Or 0: called before a part of the arena is touched for the first time, and makes [AT, AT + BYTES),
	 * whole pages, zeroed memory. False: there is none now; it is asked again. */
	bool (*grow)(void *context, void *at, size_t bytes);
	void *grow_context;
	/* Copies between the stack and memory of net_send's and net_receive's caller on streams; false when
	 * that cannot be accessed (-NET_EFAULT). 0: memcpy. */
	bool (*copy)(void *to, const void *from, size_t count);
	/* Fills BYTES with unpredictable bytes; never fails. Used at start and for keys; not for each packet.
	 */
	void (*random)(void *context, void *bytes, size_t count);
	void *random_context;
	enum net_profile profile;
	uint64_t now_ns; /* any monotonic clock */
};

/* A stack inside config->arena, or 0 when that is too small (under 64 KiB). */
struct net *net_create(const struct net_config *config);
/* Runs what is due at NOW_NS (monotonic, ns; an earlier time than before counts as the same). Returns when it
 * wants to be called next, UINT64_MAX for never. */
uint64_t net_advance(struct net *net, uint64_t now_ns);

/* ---- Links ---- */

enum net_link_kind { NET_LINK_ETHERNET, NET_LINK_IP, NET_LINK_LOOPBACK };

enum { NET_LINK_NAME_BYTES = 16, NET_PIECES_MAX = 68 };

struct net_piece {
	const void *bytes;
	size_t count;
};

/* What the device is left to do with an outgoing packet. */
struct net_offload {
	uint32_t segment_bytes; /* TCP payload bytes of each segment to cut it into; 0: send as it is */
	uint16_t header_bytes;  /* up to and with the TCP header */
};

struct net_link_config {
	char name[NET_LINK_NAME_BYTES];
	enum net_link_kind kind;
	uint8_t mac[6];
	uint32_t mtu;         /* bytes of IP packet, 576 (IPv6: 1,280) to 65,535 */
	uint32_t segment_max; /* bytes of IP packet when the device cuts TCP segments; 0: it cannot */
	/* Takes a frame (NET_LINK_IP: a packet) made of PIECES in order, and copies what it keeps. Returns
	 * false when there is no room; the frame is then dropped and counted. Not used for loopback. */
	bool (*transmit)(void *context, const struct net_piece *pieces, unsigned count,
	                 const struct net_offload *offload);
	/* With it, net_input keeps the frames it is given instead of copying them, and gives each back by
	 * this when done with it; 0: it copies. */
	void (*release)(void *context, void *frame);
	void *context;
};

/* Adds a link, up. 0 when the arena or the table (16 links) is full. */
struct net_link *net_link_add(struct net *net, const struct net_link_config *config);
/* Takes a frame of COUNT bytes that arrived (NET_LINK_IP: a packet). See release. */
void net_input(struct net_link *link, void *frame, size_t count);
/* The same with FLAGS. */
enum net_input_flags {
	NET_INPUT_CHECKED = 1, /* its TCP or UDP checksum is known to be good */
	NET_INPUT_COPY = 2,    /* it is not kept, although the link has a release function */
};
void net_input_as(struct net_link *link, void *frame, size_t count, unsigned flags);
/* Around frames that are handed in one after the other, a train: what a connection sends for those that came in order,
 * an acknowledgement above all, goes once at the train's end instead of for every second of them. A segment out of order, one that
 * ends a connection and every 64 KiB are answered at once. */
void net_train_begin(struct net *net);
void net_train_end(struct net *net);
void net_link_set_up(struct net_link *link, bool up);
uint32_t net_link_number(const struct net_link *link); /* from 1; its index for SO_BINDTODEVICE and scopes */
/* Gives LINK an address with a prefix of LENGTH bits (IPv4: 0 to 32; IPv6: 0 to 128) and the route to that
 * prefix. IPv6 addresses on Ethernet pass duplicate address detection first (RFC 4862). 0, or -NET_E*. */
int net_address_add(struct net_link *link, const struct net_address *address, unsigned length);
int net_address_remove(struct net_link *link, const struct net_address *address);
/* A route to PREFIX/LENGTH over LINK, by GATEWAY or direct (0). LENGTH as above. 0, or -NET_E*. */
int net_route_add(struct net *net, const struct net_address *prefix, unsigned length, struct net_link *link,
                  const struct net_address *gateway);

/* What a DHCP server gave (RFC 2132). All zero: nothing, or no more. */
enum { NET_NAME_SERVERS_MAX = 4, NET_DOMAIN_BYTES = 128 };
struct net_lease {
	struct net_address address, router;
	uint8_t length; /* bits of the IPv4 prefix */
	bool has_router;
	uint8_t name_server_count;
	struct net_address name_servers[NET_NAME_SERVERS_MAX];
	char domain[NET_DOMAIN_BYTES]; /* letters, digits, '-' and '.' only */
};
typedef void net_lease_changed(void *context, struct net_link *link, const struct net_lease *lease);
/* Asks for an IPv4 address on LINK (Ethernet) until it has one, and keeps it; the address and default route
 * are set by themselves, CHANGED (or 0) is told. Again: from the beginning. 0, or -NET_E*. */
int net_dhcp_start(struct net_link *link, net_lease_changed *changed, void *context);
/* Gives the address back. */
void net_dhcp_stop(struct net_link *link);
/* Gives back the address of a DHCPv6 server, which is asked by itself when a router says so; it is not asked again
 * until one does. */
void net_dhcp6_stop(struct net_link *link);
/* The name servers that routers (RFC 8106) and DHCPv6 servers have told of; returns how many. */
unsigned net_name_servers(struct net_link *link, struct net_address servers[NET_NAME_SERVERS_MAX]);

/* ---- Sockets ---- */

enum net_events {
	NET_READABLE = 1,
	NET_WRITABLE = 4,
	NET_ERROR = 8,
	NET_HANGUP = 0x10,
	NET_READ_HANGUP = 0x2000
};

/* Called when a socket may have become ready for EVENTS (edges; check with net_poll). */
typedef void net_notify(void *context, struct net_socket *socket, uint32_t events);

/* FAMILY, TYPE, PROTOCOL: Linux' numbers (AF_INET 2, AF_INET6 10; SOCK_STREAM 1, SOCK_DGRAM 2, SOCK_RAW 3). 0
 * and *ERROR (-NET_E*) when that is not supported or memory is short. */
struct net_socket *net_socket_create(struct net *net, int family, int type, int protocol, int *error);
void net_socket_set_notify(struct net_socket *socket, net_notify *notify, void *context);
/* A packet that came in for a socket, as its filter sees it: from where the socket's own headers begin, and from the
 * network's and the link's on (count 0: not known). */
struct net_view {
	const uint8_t *bytes, *network, *frame;
	uint32_t count, network_count, frame_count;
	uint32_t link;     /* number */
	uint16_t protocol; /* Ethertype */
	uint8_t kind;      /* enum net_packet_kind */
	bool loopback;
};
enum net_packet_kind {
	NET_PACKET_HOST,
	NET_PACKET_BROADCAST,
	NET_PACKET_MULTICAST,
	NET_PACKET_OTHER,
	NET_PACKET_OUTGOING
};
/* How many of a packet's bytes the socket takes; 0: not the packet. Of UDP and TCP the headers stay. */
typedef uint32_t net_filter(void *context, const struct net_view *view);
/* FILTER, with the notification's context, is asked about each packet from now on; 0: all are taken. A connection that is
 * accepted has no filter. */
void net_socket_set_filter(struct net_socket *socket, net_filter *filter);
int net_bind(struct net_socket *socket, const struct net_endpoint *local);
/* -NET_EINPROGRESS for TCP once the SYN is on its way. REMOTE NULL disconnects a datagram socket. */
int net_connect(struct net_socket *socket, const struct net_endpoint *remote);
int net_listen(struct net_socket *socket, int backlog);
/* The next established connection; 0 and *ERROR. */
struct net_socket *net_accept(struct net_socket *socket, int *error);
/* Bytes taken (fewer than asked when the buffer fills), or -NET_E*. TO: destination of a datagram, else 0.
 * FLAGS: NET_MSG_MORE; NET_MSG_FAST_OPEN: connects to TO, with data in the SYN where the server allowed that
 * before. */
int64_t net_send(struct net_socket *socket, const struct net_piece *pieces, unsigned count,
                 const struct net_endpoint *to, uint32_t flags);
enum net_message_flags {
	NET_MSG_PEEK = 2,
	NET_MSG_TRUNC = 0x20,
	NET_MSG_MORE = 0x8000,
	NET_MSG_FAST_OPEN = 0x20000000
};
/* What a program says of one datagram alone. TTL and TRAFFIC_CLASS: -1, the socket's; LINK: 0, the route's. */
struct net_ancillary {
	int16_t ttl, traffic_class;
	uint32_t link;
	bool has_from;
	struct net_address from;
};
/* net_send of a datagram, WITH what is said of it. */
int64_t net_send_with(struct net_socket *socket, const struct net_piece *pieces, unsigned count,
                      const struct net_endpoint *to, uint32_t flags, const struct net_ancillary *with);
struct net_receipt {
	struct net_endpoint from; /* datagrams: the sender */
	struct net_address to;    /* datagrams: the address it was sent to */
	uint32_t flags;           /* NET_MSG_TRUNC: the datagram was longer */
	uint32_t link;            /* datagrams: number of the link it came in on */
	uint8_t ttl, traffic_class;
};
/* Bytes received, 0 at the end of a stream, or -NET_E*. With NET_MSG_TRUNC a datagram's whole length is
 * returned. RECEIPT may be 0. */
int64_t net_receive(struct net_socket *socket, void *buffer, size_t count, uint32_t flags,
                    struct net_receipt *receipt);
/* What an ICMP message, or this host, said of what a socket has sent (ip(7), IP_RECVERR). */
enum net_origin { NET_ORIGIN_LOCAL = 1, NET_ORIGIN_ICMP = 2, NET_ORIGIN_ICMPV6 = 3 };
struct net_failure {
	struct net_endpoint to;         /* where that went */
	struct net_address from, local; /* who said it to which address; LOCAL: unset */
	uint32_t error, info;           /* NET_E*; the message's further number: an MTU */
	uint8_t origin, type, code;
	uint8_t ttl, traffic_class; /* of the message */
	uint32_t link;              /* number; 0: none */
};
/* The oldest one of a socket that asked for them, with what it quotes of the packet: its whole length, whatever of it fits COUNT, or
 * -NET_EAGAIN. */
int64_t net_receive_failure(struct net_socket *socket, void *buffer, size_t count,
                            struct net_failure *failure);
/* Is there one? It is no NET_ERROR of net_poll: neither sending nor receiving ends by it. */
bool net_failure_waits(const struct net_socket *socket);
enum { NET_SHUTDOWN_READ = 0, NET_SHUTDOWN_WRITE = 1, NET_SHUTDOWN_BOTH = 2 };
int net_shutdown(struct net_socket *socket, int how);
/* Gives the socket up; the connection ends by itself (RFC 9293, 3.6). The pointer is dead afterwards. */
void net_close(struct net_socket *socket);
uint32_t net_poll(const struct net_socket *socket); /* enum net_events */
int net_local_endpoint(const struct net_socket *socket, struct net_endpoint *endpoint);
int net_remote_endpoint(const struct net_socket *socket, struct net_endpoint *endpoint);
/* LEVEL and NAME: Linux' numbers. 0 or -NET_E*; *COUNT as for getsockopt(2). Which there are stands in
 * option.c. */
int net_set_option(struct net_socket *socket, int level, int name, const void *value, size_t count);
int net_get_option(struct net_socket *socket, int level, int name, void *value, size_t *count);
uint32_t net_readable_bytes(const struct net_socket *socket);                    /* FIONREAD */
uint32_t net_unsent_bytes(const struct net_socket *socket, bool unacknowledged); /* SIOCOUTQNSD, SIOCOUTQ */
