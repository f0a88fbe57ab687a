/* What the switch decides, apart from how frames get in and out: who may send what to whom, and what is changed
 * on the way. Portable, so that it is tested and fuzzed on a host.
 *
 * Each link is a network of four addresses in 100.64.0.0/10 (RFC 6598): NUMBER * 4 + 1 is the switch there, + 2
 * the sub-kernel. With IPv6 it is a /64 below fd48:6f6c:6e00::/40 (RFC 4193), announced by the switch as its
 * router fe80::1; the sub-kernel's addresses there are of its own choice. What it sends is translated to the one
 * address that the switch has outside, of each kind (NAT), if the policies of the link and of all its parents allow
 * it. From outside nothing comes in but answers and what a forward was made for. Between links nothing
 * passes but TCP connections to a port that core_connect names. A bridged link has none of this: it is a
 * station of the network outside (bridge.c).
 * Anything that is not understood is dropped: other headers of IPv6 than that of fragments, other protocols.
 *
 * core_frame judges the beginning of a frame, which lies in the switch's own memory, changes it there and says
 * where it goes; the rest is copied as it is. What the switch answers itself goes out through core->send.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <holon/switch.h>
#include "dns.h"
#include "flows.h"
#include "fragments.h"
#include "net/dhcp6.h"
#include "packet.h"

#define CORE_HEAD         128u /* bytes of a frame that are judged */
#define CORE_WHOLE        1600u
#define CORE_OUTSIDE      SWITCH_LINKS_MAX /* the port that leads outside */
#define CORE_PORTS        (SWITCH_LINKS_MAX + 1)
#define CORE_NOWHERE      (-1)
#define CORE_FORWARDS     64u
#define CORE_QUERIES      256u
#define CORE_PEERS        64u /* links that may connect to another's port */
#define CORE_STATIONS     64u /* outside, whose MAC address is known */
#define CORE_ADDRESSES    8u  /* of one name of a policy */
#define CORE_NAME_SERVERS 3u  /* of each source */
#define CORE_NUMBERS      (1u << 20)

struct core_name {
	struct address addresses[CORE_ADDRESSES];
	unsigned count;
	uint32_t ask_at; /* seconds */
};

struct core_link {
	uint64_t number; /* 0: free; below CORE_NUMBERS */
	uint64_t parent;
	char name[32];
	struct switch_policy policy;
	struct core_name names[SWITCH_ALLOWED_MAX][2]; /* IPv4, IPv6 */
	uint8_t mac[6], peer_mac[6]; /* the switch's there; the sub-kernel's, as it sent last */
	uint32_t depth;
	uint64_t refused; /* frames sent by it that went nowhere */
	uint32_t asked;   /* stations outside for it, this second */
};

struct core_query {
	bool used, own, six; /* own: for a policy, of link and NAME; six: its IPv6 addresses */
	uint8_t link, name;
	uint16_t port, id;      /* outside */
	uint16_t from, from_id; /* the sub-kernel's */
	struct address server;
	uint32_t hash; /* of the question */
	uint32_t asked_at;
	bool late; /* the server was given up for it */
};

/* The switch's place outside with IPv6 (RFC 4861, 4862): an address from the prefix that a router announces, with
 * an identifier that is drawn anew when the card comes; or, where there is no such prefix and the router says so, one
 * that a DHCPv6 server gives. */
struct core_six {
	uint64_t identifier;
	bool linked, bound;           /* the link-local address, and ADDRESS, belong to nobody else */
	struct address address;       /* 0: there is no prefix */
	bool leased;                  /* it is a server's */
	uint64_t neighbours;          /* the prefix of those who are on the link, 0: nobody; */
	uint32_t neighbours_until;    /* seconds */
	uint32_t linked_at, bound_at; /* when it was asked who has them, seconds */
	uint32_t preferred_until, expires_at;
	struct address router;
	uint32_t router_until;
	uint32_t asked_at, told_at; /* routers outside, links inside */
	unsigned tries, conflicts;
	bool managed, informed; /* the router's flags: servers have addresses, or other knowledge */
	struct dhcp6 dhcp;
	struct {
		struct address address;
		uint32_t until;            /* seconds */
	} name_servers[CORE_NAME_SERVERS]; /* the router's (RFC 8106); the server's are in DHCP */
};

struct core {
	/* Set before core_init. SEND copies the frame; RANDOM gives unpredictable numbers. */
	void (*send)(void *context, unsigned port, const uint8_t *frame, uint32_t bytes);
	uint64_t (*random)(void *context);
	void *context;

	uint32_t now; /* seconds */
	struct core_link links[SWITCH_LINKS_MAX];
	struct {
		uint64_t client, server; /* numbers; 0: free */
		uint16_t port;
		char service[24];
	} peers[CORE_PEERS];
	struct {
		bool used;
		uint8_t protocol;
		uint16_t outer, inner;
		uint64_t link; /* number */
	} forwards[CORE_FORWARDS];
	struct core_query queries[CORE_QUERIES];
	unsigned next_query;
	unsigned server_at;       /* of the name servers, the one that is asked */
	uint32_t server_heard_at; /* when it answered last */
	struct flows flows;
	struct fragments fragments;

	/* Outside. */
	bool up, bound;
	uint8_t mac[6];
	uint16_t mtu;
	uint32_t address, mask, router, server, name_servers[3];
	uint32_t transaction, asked_at, renew_at, expires_at;
	unsigned tries;
	bool requesting;
	uint32_t offered, offering;
	struct core_six six;
	struct {
		struct address address; /* 0: free */
		uint8_t mac[6];
		bool known;
		uint8_t asker; /* the port it was asked for first */
		uint32_t seen_at, asked_at;
	} stations[CORE_STATIONS];
	uint32_t told_unreachable; /* ICMP errors sent this second */
	uint8_t whole[CORE_WHOLE]; /* a frame that the switch reads itself */
	uint8_t reply[CORE_WHOLE];
};

/* Copies bytes [offset, offset + count) of the frame at hand to TO. core_frame calls it once, but for a group's frame from
 * outside, where each of those who read it judges what he read. */
typedef void core_fetch(void *source, uint32_t offset, uint8_t *to, uint32_t count);

void core_init(struct core *core);
/* The card outside is there, with this address, or has gone. */
void core_outside(struct core *core, bool up, const uint8_t mac[6], uint16_t mtu);
/* Each second or so; NOW in seconds, from 1 on. */
void core_tick(struct core *core, uint32_t now);
/* Judges a frame of TOTAL bytes from PORT, whose first HELD bytes are in HEAD. Returns the port it goes to, with
 * HEAD changed, or CORE_NOWHERE. */
int core_frame(struct core *core, unsigned port, uint8_t *head, uint32_t held, uint32_t total,
               core_fetch *fetch, void *source);

/* Links: the index, or an error of enum holon_error. NUMBER 0: chosen here. */
int64_t core_link_make(struct core *core, uint64_t number, uint64_t parent, const char *name,
                       const struct switch_policy *policy);
int64_t core_link_end(struct core *core, uint64_t number);
int core_link_find(const struct core *core, uint64_t number); /* index, or -1 */
uint32_t core_link_address(const struct core_link *link);
uint64_t core_link_prefix(const struct core_link *link); /* the first half of its IPv6 addresses */
int64_t core_forward(struct core *core, uint64_t number, uint8_t protocol, uint16_t outer, uint16_t inner);
int64_t core_connect(struct core *core, uint64_t number, uint64_t other, uint16_t port, const char *service);
/* The link with the SERVICE that LINK is connected with; 0: it is with none of that name. */
const struct core_link *core_service(const struct core *core, const struct core_link *link,
                                     const char *service);
/* The link that ADDRESS belongs to, or -1. */
int core_link_at(const struct core *core, struct address address);
/* Its sub-kernel's address of IPv6 that is made from its MAC address (RFC 4291, appendix A), as Holon's stack does; 0
 * while it has sent nothing. It may have others. */
struct address core_link_six(const struct core_link *link);

/* ---- Between the parts of the core ---- */

#define INSIDE_BASE 0x64400000u /* 100.64.0.0/10 */
#define INSIDE_MASK 0xffc00000u
#define INSIDE_SIX  0xfd486f6c6e000000ull /* fd48:6f6c:6e00::/40 */
#define LINK_LOCAL  0xfe80000000000000ull /* the first half of such addresses */

/* Addresses that are nobody's outside: this network, loopback, groups, the links'. */
bool core_special(struct address address);
/* Whether the switch has an address outside, and which; SIX: of IPv6. */
bool core_there(const struct core *core, bool six);
struct address core_own(const struct core *core, bool six);
/* Tells the other end of a TCP connection that it is over. */
void core_reset(struct core *core, const struct flow *flow);

/* links.c. Whether LINK and all that it nests in may send PACKET outside, or, without one, anything; what cannot be told is not allowed. */
bool core_may_send(const struct core *core, const struct core_link *link, const struct packet *packet);
/* Whether PACKET may go from one link to another, by their numbers. */
bool core_may_pass(const struct core *core, uint64_t from, uint64_t to, const struct packet *packet);
/* Whether a port outside is a forward's, or waits for the answer of a name server. CONTEXT: the core. */
bool core_port_promised(void *context, uint8_t protocol, uint16_t port);

/* outside.c: the card's own address, its neighbours, answers to own questions. */
void outside_tick(struct core *core);
int outside_arp(struct core *core, uint32_t bytes);
/* The MAC address of the next hop to ADDRESS. False: there is none, or it is asked for, for the switch itself, or for
 * PORT. */
bool outside_station(struct core *core, struct address address, uint8_t mac[6]);
bool outside_station_for(struct core *core, unsigned port, struct address address, uint8_t mac[6]);
bool outside_route(const struct core *core, struct address address); /* there is a next hop */
/* STATION, if it was asked for, is at MAC. */
void outside_learn(struct core *core, struct address station, const uint8_t mac[6]);
void outside_forget(struct core *core, bool six); /* all stations of a kind */
void outside_dhcp(struct core *core, const uint8_t *data, uint32_t bytes);
/* Where the data of a datagram to TO is put, and sends it; it is lost while the station is not known. */
uint8_t *outside_data(struct core *core, struct address to);
void outside_send_udp(struct core *core, struct address to, uint16_t from_port, uint16_t to_port,
                      uint32_t data_bytes);
/* outside6.c: the same of IPv6. */
void outside6_begin(struct core *core); /* the card has come, or gone */
void outside6_tick(struct core *core);
void outside6_ask(struct core *core, struct address station);            /* who is there? */
void outside6_discovery(struct core *core, const struct packet *packet); /* PACKET is in core->whole */
/* The switch's address for packets to TO; 0: it has none yet. And whether ADDRESS is its link-local one. */
struct address outside6_source(const struct core *core, struct address to);
bool outside6_local(const struct core *core, struct address address);
void outside6_probe(struct core *core, struct address own); /* has somebody this address? */
/* outside6_lease.c: what servers and routers tell of addresses and name servers. */
void outside6_lease_begin(struct core *core);
void outside6_lease_tick(struct core *core);
void outside6_lease_input(struct core *core, const struct packet *packet); /* PACKET is in core->whole */
void outside6_lease_conflict(struct core *core);
void outside6_name_servers(struct core *core, const uint8_t *option, uint32_t bytes);
/* inside.c: what the switch answers to a link. */
enum inside_error { INSIDE_PROHIBITED, INSIDE_PORT, INSIDE_NO_ROUTE, INSIDE_EXPIRED };
void inside_local(struct core *core, unsigned port, struct packet *packet);
void inside_arp(struct core *core, unsigned port, uint32_t bytes);
void inside_echo(struct core *core, unsigned port, struct packet *packet);
void inside_unreachable(struct core *core, unsigned port, const struct packet *packet,
                        enum inside_error error);
/* inside6.c */
struct address inside6_gateway(void);
bool inside6_here(const struct core_link *link, struct address address); /* the switch's, or a group's */
void inside6_local(struct core *core, unsigned port, struct packet *packet);
void inside6_announce(struct core *core, unsigned port);
/* bridge.c. The MAC address of a link's station. */
void bridge_station(const struct core_link *link, uint8_t mac[6]);
/* Where a frame of a bridged link goes, as it is. */
int bridge_out(const struct core *core, unsigned port, const uint8_t *head, uint32_t held);
/* The bridged link whose station a frame from outside is for; one for a group, all of which is in core->whole, is sent
 * to all of them. */
int bridge_in(struct core *core, const uint8_t *head, uint32_t total);
/* names.c */
void names_tick(struct core *core);
void names_question(struct core *core, unsigned port, const struct packet *packet);
bool names_answer(struct core *core, const struct packet *packet); /* it was one, to a question asked here */
bool names_allowed(const struct core_link *link, uint8_t protocol, struct address address, uint16_t port);
void names_forget(struct core *core, unsigned link);
