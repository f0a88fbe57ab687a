/* The sub-kernel's link to the network: see link.c. */
#pragma once

#include "stack.h"

/* Whether it has one. */
bool link_granted(void);
/* Opens it, in the background. The common lock is held alone. */
void link_start(void);
/* Sleeps until DHCP has given an address, or DEADLINE; at once where there is no link. */
void link_wait_configured(uint64_t deadline);
/* What DHCP gave (all zero: nothing yet), and the name servers known by IPv6; returns how many. */
unsigned link_lease(struct net_lease *lease, struct net_address six[NET_NAME_SERVERS_MAX]);

/* For stack.c, under stack_lock: takes in what has arrived, a bounded part a turn (true: there may be more); tells the server of what
 * was sent. */
bool link_run(void);
void link_flush(void);
