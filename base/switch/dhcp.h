/* DHCP for IPv4, both sides as far as the switch needs them: it gives each link one address, and asks for its own
 * outside. Sources: RFC 2131, RFC 2132. Portable. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DHCP_BYTES_MAX 576u
#define DHCP_SERVERS   3u

enum dhcp_type {
	DHCP_DISCOVER = 1,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
	DHCP_INFORM
};

struct dhcp_message {
	uint8_t operation; /* 1 from a client, 2 from a server */
	uint8_t type;      /* enum dhcp_type; 0: none */
	uint8_t hardware[6];
	uint32_t transaction;
	uint32_t given;                      /* yiaddr, or the client's own */
	uint32_t wanted;                     /* option 50 */
	uint32_t server;                     /* option 54 */
	uint32_t mask, router, lease, renew; /* seconds; 0: not there */
	uint32_t name_servers[DHCP_SERVERS];
	uint16_t mtu;
	bool broadcast;
};

/* False: no DHCP message for Ethernet. */
bool dhcp_read(const uint8_t *bytes, uint32_t count, struct dhcp_message *message);
/* Writes MESSAGE with those of its options that are not 0; returns its bytes. TO holds DHCP_BYTES_MAX. */
uint32_t dhcp_write(uint8_t *to, const struct dhcp_message *message);
