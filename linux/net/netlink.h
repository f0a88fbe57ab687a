/* Messages of netlink(7): building answers. */
#pragma once

#include "stack.h"

struct netlink_header {
	uint32_t bytes;
	uint16_t type, flags;
	uint32_t sequence, port;
};

/* Datagrams being made: each holds whole messages, as many as fit. */
struct netlink_answer {
	struct net_namespace *net; /* whose state it is about */
	struct list datagrams;     /* struct netlink_datagram */
	uint32_t sequence, port;
	uint16_t flags; /* of each message */
	bool failed;    /* memory ran short */
};

/* Begins a message of TYPE with BYTES of body, zeroed, and room for ATTRIBUTES bytes of attributes: the body,
 * or 0. */
void *netlink_message(struct netlink_answer *answer, uint16_t type, uint32_t bytes, uint32_t attributes);
/* Adds an attribute to the message begun last. */
void netlink_attribute(struct netlink_answer *answer, uint16_t type, const void *data, uint32_t bytes);
static inline void netlink_u32(struct netlink_answer *answer, uint16_t type, uint32_t value)
{
	netlink_attribute(answer, type, &value, sizeof(value));
}

/* sock_diag.c: the same for sock_diag(7). */
int64_t sock_diag(struct netlink_answer *answer, const struct netlink_header *message, const uint8_t *body,
                  uint32_t bytes);
/* route_netlink.c: answers MESSAGE, whose header is checked, with its BODY of BYTES. 0: answered (or, for
 * requests that change something, done); -NETLINK_DUMPED: all of a table was told; else an error. */
#define NETLINK_DUMPED 1000
int64_t route_netlink(struct netlink_answer *answer, const struct netlink_header *message,
                      const uint8_t *body, uint32_t bytes);
