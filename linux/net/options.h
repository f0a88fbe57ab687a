/* Options of SOL_SOCKET that sockets of all families keep alike: socket(7). A family looks first at those that do
 * something of its own, and asks here for the rest. Which of them do nothing but be read back stands in
 * linux/flags/sockets.tbl (`kept`).
 */
#pragma once

#include "filter.h"
#include "stack.h"

enum socket_stamp { STAMP_NONE, STAMP_TIMEVAL, STAMP_TIMESPEC };

struct socket_options {
	uint32_t flags; /* a bit for each row of the table in options.c */
	uint32_t priority, mark, interface, receive_low, busy_poll, buffer_locks;
	int32_t incoming_cpu;
	uint32_t linger_seconds;
	uint64_t pacing_rate, cookie;
	uint32_t stamping;  /* SO_TIMESTAMPING: SOF_TIMESTAMPING_* */
	uint8_t stamp;      /* enum socket_stamp: tell when messages came */
	bool stamp_new;     /* asked for by the names with 64-bit times */
	uint8_t rehash;     /* SO_TXREHASH */
	uint8_t send_clock; /* SO_TXTIME */
	uint32_t send_clock_flags;
	bool filter_locked;
	struct socket_filter *filter; /* a reference, or 0: see filter.h */
};

void socket_options_init(struct socket_options *options);
/* Those of a connection that LISTENER's socket accepts. */
void socket_options_inherit(struct socket_options *options, const struct socket_options *listener);
void socket_options_deinit(struct socket_options *options);
/* setsockopt(2) of a socket in NET: -ENOPROTOOPT for what is not kept here. */
int64_t socket_options_set(struct socket_options *options, struct net_namespace *net, int option,
                           uint64_t address, int32_t bytes);
#define SOCKET_VALUE_BYTES 16u
/* getsockopt(2): VALUE has SOCKET_VALUE_BYTES; *BYTES is the program's room, and then the length of the answer. */
int64_t socket_options_get(struct socket_options *options, struct net_namespace *net, int option, void *value,
                           uint32_t *bytes);
