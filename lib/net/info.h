/* What a stack tells of itself: links, addresses, routes, neighbours, sockets, counters. For showing; indexes
 * count from 0 and false is the end. Under the stack's lock, as everything of net.h. */
#pragma once

#include "net.h"

struct net_link_info {
	uint32_t number, mtu;
	char name[NET_LINK_NAME_BYTES];
	enum net_link_kind kind;
	uint8_t mac[6];
	bool up;
	unsigned address_count;
	uint64_t received_packets, received_bytes, received_dropped;
	uint64_t sent_packets, sent_bytes, sent_dropped;
};
bool net_link_info(const struct net *net, uint32_t index, struct net_link_info *info);

struct net_address_info {
	struct net_address address;
	uint8_t length;                            /* bits of the prefix in its own family */
	bool tentative, duplicate, automatic;      /* automatic: by SLAAC or DHCP */
	uint64_t preferred_seconds, valid_seconds; /* left; UINT64_MAX: for ever */
};
/* The INDEXth address of the link with index LINK. */
bool net_address_info(const struct net *net, uint32_t link, uint32_t index, struct net_address_info *info);

struct net_route_info {
	struct net_address prefix, gateway;
	uint8_t length; /* bits in its own family */
	bool direct, automatic;
	uint32_t link; /* number */
};
bool net_route_info(const struct net *net, uint32_t index, struct net_route_info *info);
/* The way to TO over the link numbered SCOPE (0: any): LINK, GATEWAY and DIRECT of *INFO, and the source address
 * that packets would have. False: there is none. */
bool net_route_lookup(struct net *net, const struct net_address *to, uint32_t scope,
                      struct net_route_info *info, struct net_address *source);
int net_route_remove(struct net *net, const struct net_address *prefix, unsigned length,
                     struct net_link *link);
/* The link numbered NUMBER, or 0. */
struct net_link *net_link_numbered(struct net *net, uint32_t number);

struct net_neighbour_info {
	struct net_address address;
	uint32_t link;
	uint8_t mac[6];
	bool asked, stale; /* not known yet; known, and not confirmed lately */
};
bool net_neighbour_info(const struct net *net, uint32_t index, struct net_neighbour_info *info);

struct net_socket_info {
	uint8_t family, type, protocol;
	uint8_t state; /* enum tcp_state; others: 7, connected ones 1 */
	struct net_endpoint local, remote;
	uint32_t receive_queue,
	    send_queue; /* bytes; listeners: connections waiting, and the most there may be */
	void *context;  /* of its notify; 0: no user */
	uint32_t retransmissions;
};
/* Where a walk over all sockets stands; begins zeroed. Sockets that come or go meanwhile may be missed or
 * seen twice; nothing else. */
struct net_cursor {
	uint32_t phase, bucket, place;
};
bool net_socket_info_next(struct net *net, struct net_cursor *cursor, struct net_socket_info *info);

/* Counters by the names of RFC 1213, as /proc/net/snmp has them. */
struct net_statistics {
	uint64_t ip_received, ip_bad, ip_no_route, ip_fragments, ip_reassembled, ip_reassembly_failed;
	uint64_t icmp_sent, icmp_received;
	uint64_t udp_received, udp_sent, udp_no_port, udp_bad, udp_full;
	uint64_t tcp_received, tcp_sent, tcp_bad, tcp_retransmitted, tcp_resets_sent;
	uint64_t arena_bytes, arena_used;
};
void net_statistics(const struct net *net, struct net_statistics *statistics);
