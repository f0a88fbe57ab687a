/* The flows that the switch translates: a table of limited size, found from both sides. RFC 4787, 5382 and 5508
 * say how translators behave; ports are kept where they are free. Portable.
 *
 * Hashes are keyed, so that nobody can fill one chain. A full table gives up the flow of the same link that was
 * idle longest among a few, else refuses; no link may hold more than its part. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "packet.h"

#define FLOWS_MAX      8192u
#define FLOWS_PER_LINK 4096u
#define FLOW_CHAINS    8192u

struct flow {
	struct address inside, remote;
	uint16_t inside_port, outside_port, remote_port;
	uint8_t protocol;
	uint8_t link;
	bool used, answered, closing; /* answered: something came back; closing: a FIN or RST was seen */
	uint32_t used_at;             /* seconds */
	uint32_t next_out;            /* TCP: the sequence number after the last byte sent outside */
	uint32_t next_inside, next_outside,
	    next_link; /* chains of the two hashes, and the link's list: index + 1 */
	uint32_t previous_link;
};

struct flows {
	uint64_t key[2];
	uint32_t now; /* seconds */
	uint32_t count, next_port, sweep;
	uint32_t free; /* index + 1, by next_link */
	uint32_t by_inside[FLOW_CHAINS], by_outside[FLOW_CHAINS];
	uint32_t links[64]; /* the newest flow of each link */
	uint32_t link_count[64];
	struct flow flows[FLOWS_MAX];
};

void flows_init(struct flows *flows, const uint64_t key[2]);
/* By what a sub-kernel sends: LIKE's link, protocol, addresses, inside and remote port. 0: there is none. */
struct flow *flow_inside(struct flows *flows, const struct flow *like);
/* By what arrives from outside. */
struct flow *flow_outside(struct flows *flows, uint8_t protocol, uint16_t outside_port, struct address remote,
                          uint16_t remote_port);
/* A new flow. OUTSIDE_PORT 0: one that is free, INSIDE_PORT itself if it is. 0: no room. TAKEN says whether a
 * port is promised to somebody else. */
struct flow *flow_make(struct flows *flows, const struct flow *like,
                       bool (*taken)(void *context, uint8_t protocol, uint16_t port), void *context);
void flow_end(struct flows *flows, struct flow *flow);
/* The next flow of LINK, for its end; 0: it has none. */
struct flow *flow_of_link(struct flows *flows, uint8_t link);
/* Ends flows that were idle too long, a part of the table a call; NOW in seconds. */
void flows_age(struct flows *flows, uint32_t now);
