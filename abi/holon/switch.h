/* What the switch is told of a link, and tells of it (abi/switch.interface). */
#pragma once

#include <stdint.h>
#include "link.h"

#define SWITCH_LINKS_MAX   64u
#define SWITCH_ALLOWED_MAX 16u

enum switch_mode {
	SWITCH_NONE = 0,   /* the switch alone: an address, and no name service */
	SWITCH_NAT = 1,    /* everything outside, translated */
	SWITCH_BRIDGE = 2, /* a station of the outside network, with its own MAC address there */
	SWITCH_ONLY = 3,   /* translated, to the ALLOWED alone, which the switch resolves; no name service */
};

/* A destination outside. HOST: a name, or an address of IPv4 or IPv6 in digits. */
struct switch_allowed {
	char host[92];    /* NUL-ended */
	uint16_t port;    /* 0: all of them */
	uint8_t protocol; /* 6 TCP, 17 UDP, 0 both */
	uint8_t reserved;
};

struct switch_policy {
	uint32_t mode; /* enum switch_mode */
	uint32_t allowed_count;
	struct switch_allowed allowed[SWITCH_ALLOWED_MAX];
};

struct switch_link_info {
	uint64_t number, parent;
	char name[32];
	uint32_t mode;
	uint8_t mac[6];
	uint8_t address[4]; /* IPv4 given to it; 0.0.0.0 where it is bridged */
	uint16_t open;      /* its stack is connected */
	struct link_counters counters;
};

_Static_assert(sizeof(struct switch_allowed) == 96, "switch_allowed is fixed");
_Static_assert(sizeof(struct switch_policy) == 1544, "switch_policy is fixed");
