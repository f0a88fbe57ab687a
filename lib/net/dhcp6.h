/* The DHCPv6 client (RFC 8415): one address (IA_NA) or information alone, and name servers (RFC 3646).
 *
 * It stands apart from the rest of lib/net and has no input, output, memory or clock of its own, so that the switch
 * uses it too: its owner tells it the time in milliseconds, gives it the messages that arrived at port 546 of the
 * link-local address, and sends what it makes to port 547 of ff02::1:2 from there. Servers are never written to
 * directly: RFC 8415, 18.2, leaves that to the client, whatever they offer.
 *
 * Who hears its questions on the link can answer them, as with DHCP for IPv4. What such a one can reach is bounded:
 * twenty messages at once and one a second are sent, whatever is answered; T1 is at least 10 s; lists and identifiers
 * have the limits below, and a message that breaks its own lengths is dropped as a whole.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DHCP6_NAME_SERVERS 3u
#define DHCP6_DUID_MAX     130u /* RFC 8415, 11.1 */
#define DHCP6_SENT_MAX     256u
#define DHCP6_CLIENT_PORT  546u
#define DHCP6_SERVER_PORT  547u
#define DHCP6_NEVER        UINT64_MAX

/* What a router's flags ask of a host (RFC 4861, 4.2): O information, M an address (and information with it). */
enum dhcp6_want { DHCP6_NOTHING, DHCP6_INFORMATION, DHCP6_ADDRESS };

struct dhcp6_lease {
	bool bound; /* ADDRESS is there, until VALID_UNTIL */
	uint8_t address[16];
	uint64_t preferred_until, valid_until; /* ms; DHCP6_NEVER */
	uint32_t name_server_count;
	uint8_t name_servers[DHCP6_NAME_SERVERS][16];
};

struct dhcp6_server {
	uint32_t bytes; /* 0: none */
	uint8_t identifier[DHCP6_DUID_MAX];
};

struct dhcp6 {
	/* Set by dhcp6_init. */
	void (*send)(void *context, const uint8_t *message, uint32_t bytes); /* it may be lost */
	uint32_t (*random)(void *context);
	void (*changed)(void *context); /* what LEASE says; not called from within dhcp6_init */
	void *context;
	uint8_t mac[6];

	struct dhcp6_lease lease;

	/* The client's own. */
	uint8_t state, want;
	uint32_t transaction, tries, wait;
	uint64_t began_at, due_at, renew_at, rebind_at;
	uint32_t solicit_most, inform_most; /* ms, as a server says */
	struct dhcp6_server server;         /* of the exchange under way and of the lease */
	uint8_t preference;                 /* of the best offer so far */
	uint8_t offered[16];
	uint32_t credit; /* messages that may be sent now */
	uint64_t credit_at;
};

/* MAC makes the identifier (DUID-LL, RFC 8415, 11.4). */
void dhcp6_init(struct dhcp6 *client, const uint8_t mac[6],
                void (*send)(void *context, const uint8_t *message, uint32_t bytes),
                uint32_t (*random)(void *context), void (*changed)(void *context), void *context);
/* Begins, if it is not what was wanted before. A lease there is stays until its end, also if nothing is wanted. */
void dhcp6_want(struct dhcp6 *client, enum dhcp6_want want, uint64_t now);
/* Does what is due; returns when to call again, DHCP6_NEVER: not before something else happens. */
uint64_t dhcp6_advance(struct dhcp6 *client, uint64_t now);
/* When dhcp6_advance has something to do. */
uint64_t dhcp6_due(const struct dhcp6 *client);
/* A message that arrived; its owner has looked at its sum. */
void dhcp6_input(struct dhcp6 *client, const uint8_t *message, uint32_t bytes, uint64_t now);
/* The link was down and is up again, perhaps elsewhere: asks whether the address still fits (Confirm), or begins. */
void dhcp6_rejoin(struct dhcp6 *client, uint64_t now);
/* Somebody else has the address: it is given up, the server told, another asked for. */
void dhcp6_decline(struct dhcp6 *client, uint64_t now);
/* Gives the address back; nothing is wanted any more. */
void dhcp6_release(struct dhcp6 *client, uint64_t now);
