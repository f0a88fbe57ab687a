/* The switch's core with IPv6: a router outside that announces a prefix, links with policies, and who lies to it. */
#include <stdio.h>
#include <string.h>
#include "core_world.h"
#include "dhcp.h"
#include "text.h"

#define ICMP_AT (ETHERNET_BYTES + IP6_BYTES)

static const struct address router = {LINK_LOCAL, 2}, far = {0x20010db800000000ull, 0x80},
                            all_nodes = {0xff02000000000000ull, 1};
static const uint64_t prefix = 0xfec0ull << 48;

/* A frame of PROTOCOL; FLAGS: of TCP, or the type of ICMP. Returns its length. */
static uint32_t make(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint8_t protocol,
                     struct address source, uint16_t from_port, struct address destination, uint16_t to_port,
                     uint8_t flags, uint32_t data)
{
	uint8_t *ip = frame + ETHERNET_BYTES, *inner = ip + IP6_BYTES;
	uint32_t header = protocol == IP_TCP ? TCP_BYTES : UDP_BYTES, sum_at = 2;

	ethernet_make(frame, to, from, ETHER_IP6);
	ip6_make(ip, protocol, source, destination, header + data, 64);
	memset(inner, 0, header);
	for (uint32_t i = 0; i < data; i++)
		inner[header + i] = (uint8_t)(i * 7 + 1);
	if (protocol == IP_ICMP6) {
		inner[0] = flags;
		put16(inner + 4, from_port);
	} else {
		put16(inner, from_port);
		put16(inner + 2, to_port);
		sum_at = 6;
		put16(inner + 4, (uint16_t)(UDP_BYTES + data));
	}
	if (protocol == IP_TCP) {
		put32(inner + 4, 1000);
		inner[12] = 5 << 4;
		inner[13] = flags;
		sum_at = 16;
	}
	put16(inner + sum_at, inner_sum(ip, protocol, inner, header + data));
	return ETHERNET_BYTES + IP6_BYTES + header + data;
}

static struct address inside(unsigned link)
{
	return (struct address){core_link_prefix(&core.links[link]), 0x1234};
}

static int send6(unsigned link, uint8_t *frame, uint8_t protocol, uint16_t port, struct address to,
                 uint16_t to_port, uint8_t flags, uint32_t data)
{
	uint32_t bytes = make(frame, core.links[link].mac, inside_mac, protocol, inside(link), port, to,
	                      to_port, flags, data);

	return give(link, frame, bytes);
}

/* A message of discovery whose first 8 bytes but for its sum, and those behind them, are BODY. */
static uint32_t discovery(uint8_t *frame, const uint8_t from_mac[6], struct address from, struct address to,
                          const uint8_t *body, uint32_t bytes)
{
	ethernet_make(frame, card, from_mac, ETHER_IP6);
	memcpy(frame + ICMP_AT, body, bytes);
	return ETHERNET_BYTES + discovery_make(frame + ETHERNET_BYTES, from, to, bytes);
}

/* The router announces PREFIX; returns the frame's length. */
static uint32_t advert(uint8_t *frame, uint64_t high, uint32_t valid, uint32_t preferred, uint16_t lifetime)
{
	uint8_t body[56] = {ICMP6_ROUTER_ADVERT, [4] = 64};

	put16(body + 6, lifetime);
	body[16] = DISCOVERY_SOURCE;
	body[17] = 1;
	memcpy(body + 18, router_mac, 6);
	body[24] = DISCOVERY_PREFIX;
	body[25] = 4;
	body[26] = 64;
	body[27] = 0xc0;
	put32(body + 28, valid);
	put32(body + 32, preferred);
	put64(body + 40, high);
	return discovery(frame, router_mac, router, all_nodes, body, sizeof(body));
}

/* Who has TARGET, or with ADVERT: it is at MAC. */
static uint32_t neighbour(uint8_t *frame, uint8_t type, const uint8_t mac[6], struct address from,
                          struct address to, struct address target)
{
	uint8_t body[32] = {type};

	address_put(body + 8, target);
	body[24] = type == ICMP6_ADVERT ? DISCOVERY_TARGET : DISCOVERY_SOURCE;
	body[25] = 1;
	memcpy(body + 26, mac, 6);
	return discovery(frame, mac, from, to, body, from.high ? 32 : 24);
}

static void hear(uint8_t *frame, uint32_t bytes)
{
	own.count = 0;
	if (give(CORE_OUTSIDE, frame, bytes) != CORE_NOWHERE)
		check("what the card's network tells goes to no link", false);
}

static void ticks(unsigned count)
{
	while (count--)
		core_tick(&core, core.now + 1);
}

static void test_outside(void)
{
	uint8_t frame[2000], mac[6];
	const struct address nobody = {0};
	uint64_t drawn;

	world_begin();
	drawn = core.six.identifier;
	uint32_t bytes =
	    neighbour(frame, ICMP6_SOLICIT, router_mac, nobody, solicited_group((struct address){0, drawn}),
	              (struct address){LINK_LOCAL, drawn});
	hear(frame, bytes);
	check("an address that another tries too is not taken",
	      core.six.identifier != drawn && !core.six.linked);
	bytes = advert(frame, prefix, 86400, 14400, 1800);
	frame[ETHERNET_BYTES + 7] = 254;
	hear(frame, bytes);
	check("an announcement from behind a router is ignored", !core.six.address.high);
	bytes = advert(frame, prefix, 86400, 14400, 1800);
	frame[ICMP_AT + 17] = 0; /* an option without length */
	put16(frame + ICMP_AT + 2, 0);
	put16(frame + ICMP_AT + 2, inner_sum(frame + 14, IP_ICMP6, frame + ICMP_AT, bytes - ICMP_AT));
	hear(frame, bytes);
	check("one with broken options too", !core.six.address.high);
	bytes = advert(frame, prefix, 86400, 14400, 1800);
	frame[bytes - 1] ^= 1;
	hear(frame, bytes);
	check("one with a wrong sum too", !core.six.address.high);
	hear(frame, advert(frame, core_link_prefix(&(struct core_link){.number = 7}), 86400, 14400, 1800));
	check("one of a link's prefix too", !core.six.address.high && !core.six.bound);
	hear(frame, advert(frame, prefix, 86400, 14400, 1800));
	check("from a router's prefix an address is made, and asked for",
	      core.six.address.high == prefix && !core.six.bound && own.port == CORE_OUTSIDE &&
	          own.frame[ICMP_AT] == ICMP6_SOLICIT && sums_right(own.frame) &&
	          address_same(address_get(own.frame + ICMP_AT + 8), core.six.address));
	ticks(2);
	check("and had when nobody answers", core.six.bound && core.six.linked);
	check("the router is asked for", !outside_station(&core, far, mac) || core.six.router.low == 2);
	hear(frame, neighbour(frame, ICMP6_ADVERT, router_mac, router, core.six.address, router));
	check("and known", outside_station(&core, far, mac) && memcmp(mac, router_mac, 6) == 0);
	hear(frame, neighbour(frame, ICMP6_ADVERT, router_mac, router, core.six.address,
	                      (struct address){prefix, 77}));
	check("nobody is learned that was not asked for",
	      !outside_station(&core, (struct address){prefix, 77}, mac));
	hear(frame, neighbour(frame, ICMP6_SOLICIT, router_mac, router, solicited_group(core.six.address),
	                      core.six.address));
	check("who asks for the switch is answered", own.count == 1 && own.frame[ICMP_AT] == ICMP6_ADVERT &&
	                                                 sums_right(own.frame) &&
	                                                 memcmp(own.frame + ICMP_AT + 26, card, 6) == 0);
	hear(frame, advert(frame, prefix, 1, 1, 1800));
	check("nobody ends its address at once", core.six.expires_at >= core.now + 7200);
	hear(frame, advert(frame, prefix + 1, 86400, 86400, 1800));
	check("nor puts another in its place", core.six.address.high == prefix);
	core_outside(&core, true, card, 1500);
	check("it stays when the card's driver begins anew",
	      core.six.bound && core.six.address.high == prefix);
}

static void test_inside(unsigned link)
{
	uint8_t frame[2000];
	const struct address own_local = {LINK_LOCAL, 5}, gateway = {LINK_LOCAL, 1};
	uint8_t solicit[16] = {ICMP6_ROUTER_SOLICIT, [8] = DISCOVERY_SOURCE, 1, 2, 9, 9, 9, 9, 9};
	uint32_t bytes =
	    discovery(frame, inside_mac, own_local, (struct address){all_nodes.high, 2}, solicit, 16);

	own.count = 0;
	give(link, frame, bytes);
	check("a link is told of its prefix and its router",
	      own.count == 1 && own.port == link && own.frame[ICMP_AT] == ICMP6_ROUTER_ADVERT &&
	          sums_right(own.frame) && get16(own.frame + ICMP_AT + 6) == 1800 &&
	          get64(own.frame + ICMP_AT + 48) == core_link_prefix(&core.links[link]) &&
	          own.frame[ICMP_AT + 64] == DISCOVERY_ROUTE && own.frame[ICMP_AT + 66] == 40 &&
	          get64(own.frame + ICMP_AT + 72) == INSIDE_SIX);
	own.count = 0;
	give(link, frame,
	     neighbour(frame, ICMP6_SOLICIT, inside_mac, own_local, solicited_group(gateway), gateway));
	check("who is found by its link", own.count == 1 && own.port == link && sums_right(own.frame) &&
	                                      own.frame[ICMP_AT] == ICMP6_ADVERT &&
	                                      memcmp(own.frame + ICMP_AT + 26, core.links[link].mac, 6) == 0);
	struct dhcp_message lease = {
	    .operation = 1, .type = DHCP_REQUEST, .wanted = core_link_address(&core.links[link])};
	memcpy(lease.hardware, inside_mac, 6);
	bytes = dhcp_write(frame + 42, &lease);
	ethernet_make(frame, (const uint8_t[]){255, 255, 255, 255, 255, 255}, inside_mac, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, 0, 68, UINT32_MAX, 67, bytes);
	own.count = 0;
	give(link, frame, 42 + bytes);
	check("also when it gets its lease, without a question",
	      own.count == 2 && own.port == link && own.frame[ICMP_AT] == ICMP6_ROUTER_ADVERT);
	own.count = 0;
	give(link, frame, neighbour(frame, ICMP6_SOLICIT, inside_mac, own_local, solicited_group(far), far));
	check("nobody else is", own.count == 0);
	send6(link, frame, IP_ICMP6, 7, gateway, 0, ICMP6_ECHO, 1200);
	check("it answers echoes", own.count == 1 && own.port == link && sums_right(own.frame) &&
	                               own.frame[ICMP_AT] == ICMP6_ECHO_REPLY &&
	                               address_same(address_get(own.frame + 14 + 24), inside(link)));
	own.count = 0;
	send6(link, frame, IP_UDP, 7, gateway, 9, 0, 12);
	check("and says that a port is not there", own.count == 1 && own.frame[ICMP_AT] == 1 &&
	                                               own.frame[ICMP_AT + 1] == 4 && sums_right(own.frame));
}

static void test_nat(unsigned link)
{
	uint8_t frame[2000];
	const struct address self = core.six.address;
	const uint8_t *ip = frame + ETHERNET_BYTES;
	int to = send6(link, frame, IP_TCP, 5000, far, 80, TCP_SYN, 0);

	check("a connection goes outside, translated",
	      to == (int)CORE_OUTSIDE && address_same(address_get(ip + 8), self) && get16(ip + 40) == 5000 &&
	          ip[7] == 63 && sums_right(frame) && memcmp(frame, router_mac, 6) == 0);
	uint32_t bytes = make(frame, card, router_mac, IP_TCP, far, 80, self, 5000, TCP_SYN | TCP_ACK, 101);
	to = give(CORE_OUTSIDE, frame, bytes);
	check("its answer comes in, translated back",
	      to == (int)link && address_same(address_get(ip + 24), inside(link)) && sums_right(frame) &&
	          memcmp(frame, inside_mac, 6) == 0);
	own.count = 0;
	bytes = make(frame, card, router_mac, IP_TCP, far, 81, self, 5000, TCP_ACK, 0);
	check("another port's does not, and is reset",
	      give(CORE_OUTSIDE, frame, bytes) == CORE_NOWHERE && own.count == 1 &&
	          own.frame[ICMP_AT + 13] == TCP_RST && sums_right(own.frame));
	to = send6(link, frame, IP_UDP, 40000, far, 123, 0, 47);
	check("odd datagrams are translated right", to == (int)CORE_OUTSIDE && sums_right(frame));
	to = send6(link, frame, IP_ICMP6, 77, far, 0, ICMP6_ECHO, 56);
	check("echoes too", to == (int)CORE_OUTSIDE && sums_right(frame));
	bytes = make(frame, card, router_mac, IP_ICMP6, far, 77, self, 0, ICMP6_ECHO_REPLY, 56);
	check("and their answers", give(CORE_OUTSIDE, frame, bytes) == (int)link && sums_right(frame));
	bytes = make(frame, core.links[link].mac, inside_mac, IP_TCP,
	             (struct address){inside(link).high, 0x99}, 5000, far, 80, TCP_SYN, 0);
	check("another address of the link has a flow of its own",
	      give(link, frame, bytes) == (int)CORE_OUTSIDE && get16(ip + 40) != 5000 && sums_right(frame));
	/* An error about the connection above. */
	ethernet_make(frame, card, router_mac, ETHER_IP6);
	uint8_t *icmp = frame + ICMP_AT, *about = icmp + ICMP_BYTES;
	memset(icmp, 0, 8);
	icmp[0] = 2; /* packet too big */
	put32(icmp + 4, 1280);
	ip6_make(about, IP_TCP, self, far, 1400, 60);
	put16(about + IP6_BYTES, 5000);
	put16(about + IP6_BYTES + 2, 80);
	ip6_make(frame + ETHERNET_BYTES, IP_ICMP6, far, self, 56, 60);
	put16(icmp + 2, inner_sum(frame + ETHERNET_BYTES, IP_ICMP6, icmp, 56));
	own.count = 0;
	give(CORE_OUTSIDE, frame, ICMP_AT + 56);
	check("an error about it reaches its link, translated inside and out",
	      own.count == 1 && own.port == link && sums_right(own.frame) &&
	          address_same(address_get(own.frame + 14 + 24), inside(link)) &&
	          address_same(address_get(own.frame + ICMP_AT + 8 + 8), inside(link)) &&
	          get32(own.frame + ICMP_AT + 4) == 1280);
	own.count = 0;
	put16(about + IP6_BYTES, 5999);
	give(CORE_OUTSIDE, frame, ICMP_AT + 56);
	check("one about none goes nowhere", own.count == 0);
}

static void test_refused(unsigned link, unsigned other)
{
	uint8_t frame[2000];
	static const struct address not_outside[] = {{0, 1},
	                                             {0, 0xffff08080808ull},
	                                             {LINK_LOCAL, 2},
	                                             {LINK_LOCAL | 0x3full << 48, 2},
	                                             {0xff0e000000000000ull, 1}};
	bool right = true;

	for (unsigned i = 0; i < sizeof(not_outside) / sizeof(not_outside[0]); i++)
		right &= send6(link, frame, IP_UDP, 1, not_outside[i], 2, 0, 8) == CORE_NOWHERE;
	check("addresses that are nobody's outside", right);
	check("another link", send6(link, frame, IP_UDP, 1, inside(other), 2, 0, 8) == CORE_NOWHERE);
	check("the switch's own address outside",
	      send6(link, frame, IP_UDP, 1, core.six.address, 2, 0, 8) == CORE_NOWHERE);
	uint32_t bytes =
	    make(frame, core.links[link].mac, inside_mac, IP_UDP, inside(other), 1, far, 2, 0, 8);
	check("another's address as the sender's", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = make(frame, core.links[link].mac, inside_mac, IP_UDP, (struct address){LINK_LOCAL, 5}, 1, far,
	             2, 0, 8);
	check("a link-local sender", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = make(frame, core.links[link].mac, inside_mac, IP_UDP, inside(link), 1, far, 2, 0, 8);
	frame[12] = 8;
	frame[13] = 0;
	check("IPv6 in a frame of IPv4", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = make(frame, core.links[link].mac, inside_mac, IP_UDP, inside(link), 1, far, 2, 0, 8);
	frame[ETHERNET_BYTES + 6] = 0; /* hop-by-hop options */
	check("other headers", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = make(frame, core.links[link].mac, inside_mac, IP_UDP, inside(link), 1, far, 2, 0, 8);
	put16(frame + ICMP_AT + 6, 0);
	check("datagrams without a sum", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = make(frame, core.links[link].mac, inside_mac, IP_UDP, inside(link), 1, far, 2, 0, 8);
	put16(frame + ETHERNET_BYTES + 4, 17);
	check("longer than their frame", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = make(frame, card, router_mac, IP_TCP, far, 1234, core.six.address, 22, TCP_SYN, 0);
	check("connections from outside", give(CORE_OUTSIDE, frame, bytes) == CORE_NOWHERE);
	bytes = neighbour(frame, ICMP6_SOLICIT, inside_mac, inside(link), far, far);
	check("discovery that would leave", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = make(frame, core.links[link].mac, inside_mac, IP_TCP, inside(link), 1, far, 80, TCP_SYN, 0);
	frame[ETHERNET_BYTES + 7] = 1;
	own.count = 0;
	check("the switch is a hop", give(link, frame, bytes) == CORE_NOWHERE && own.count == 1 &&
	                                 own.frame[ICMP_AT] == ICMP6_TIME_EXCEEDED && sums_right(own.frame));
}

/* The address that Holon's stack makes from inside_mac. */
static struct address made(unsigned link)
{
	return (struct address){core_link_prefix(&core.links[link]), 0x000909fffe090909ull};
}

static void test_forward(unsigned link)
{
	uint8_t frame[2000];
	const struct address self = core.six.address;

	core_forward(&core, core.links[link].number, IP_TCP, 22, 2022);
	uint32_t bytes = make(frame, card, router_mac, IP_TCP, far, 1234, self, 22, TCP_SYN, 0);
	check("what a forward is for comes in, to the address that the sub-kernel made",
	      give(CORE_OUTSIDE, frame, bytes) == (int)link && sums_right(frame) &&
	          get16(frame + ICMP_AT + 2) == 2022 && address_same(address_get(frame + 38), made(link)) &&
	          memcmp(frame, inside_mac, 6) == 0);
	bytes = make(frame, core.links[link].mac, inside_mac, IP_TCP, made(link), 2022, far, 1234,
	             TCP_SYN | TCP_ACK, 0);
	check("whose answers go out from the forward's port",
	      give(link, frame, bytes) == (int)CORE_OUTSIDE && sums_right(frame) &&
	          get16(frame + ICMP_AT) == 22 && address_same(address_get(frame + 22), self));
	unsigned silent = (unsigned)link_new(SWITCH_NAT, 0, 0, 0);
	core_forward(&core, core.links[silent].number, IP_TCP, 23, 2023);
	bytes = make(frame, card, router_mac, IP_TCP, far, 1234, self, 23, TCP_SYN, 0);
	own.count = 0;
	check("but not to who has sent nothing yet, where it is reset",
	      give(CORE_OUTSIDE, frame, bytes) == CORE_NOWHERE && own.count == 1 &&
	          (own.frame[ICMP_AT + 13] & TCP_RST));
	core_link_end(&core, core.links[silent].number);
}

/* LINK asks the switch for the IPv6 addresses of NAME. */
static void ask(unsigned link, const char *name)
{
	uint8_t frame[2000];
	uint32_t bytes = dns_ask(frame + 42, 5, name, DNS_AAAA);

	ethernet_make(frame, core.links[link].mac, inside_mac, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, core_link_address(&core.links[link]), 3333,
	         core_link_address(&core.links[link]) - 1, 53, bytes);
	own.count = 0;
	give(link, frame, 42 + bytes);
}

/* LINK was given ADDRESS, and nothing else. */
static bool is_answered(unsigned link, struct address address)
{
	return own.count == 1 && own.port == link && get16(own.frame + 48) == 1 &&
	       address_same(address_get(own.frame + own.bytes - 16), address) && sums_right(own.frame);
}

static bool passes(unsigned from, uint16_t port, unsigned to, uint16_t to_port, uint8_t flags)
{
	uint8_t frame[2000];
	uint32_t bytes = make(frame, core.links[from].mac, inside_mac, IP_TCP, made(from), port, made(to),
	                      to_port, flags, 0);

	return give(from, frame, bytes) == (int)to && sums_right(frame) &&
	       memcmp(frame, core.links[to].peer_mac, 6) == 0 && frame[ETHERNET_BYTES + 7] == 63 &&
	       address_same(address_get(frame + 22), made(from)) &&
	       address_same(address_get(frame + 38), made(to));
}

/* One link may connect to a port of another. */
static void test_connected(unsigned client, unsigned server)
{
	uint8_t frame[2000];
	const uint64_t a = core.links[client].number, b = core.links[server].number;
	const struct address gateway = {LINK_LOCAL, 1};

	send6(server, frame, IP_UDP, 7, gateway, 9, 0, 12); /* its MAC address is known then */
	check("links that are not connected", !passes(client, 5000, server, 8545, TCP_SYN));
	(void)core_connect(&core, a, b, 8545, "ledger");
	check("those that are, untranslated at that port",
	      passes(client, 5000, server, 8545, TCP_SYN) &&
	          passes(server, 8545, client, 5000, TCP_SYN | TCP_ACK));
	check("at no other, nor to open anything back", !passes(client, 5000, server, 8546, TCP_SYN) &&
	                                                    !passes(server, 8545, client, 22, TCP_SYN) &&
	                                                    !passes(server, 6000, client, 5000, TCP_ACK));
	uint32_t bytes =
	    make(frame, core.links[client].mac, inside_mac, IP_TCP, made(client), 5000,
	         (struct address){core_link_prefix(&core.links[server]) | 1, 7}, 8545, TCP_SYN, 0);
	check("nor at a prefix that is nobody's", give(client, frame, bytes) == CORE_NOWHERE);
	ask(client, "ledger");
	check("the service's name is answered", is_answered(client, made(server)));
}

/* LINK sends to addresses that nobody has, as fast as it can; OTHER speaks to a new neighbour. */
static void test_flood(unsigned link, unsigned other)
{
	uint8_t frame[2000], mac[6];
	const struct address neighbour6 = {prefix, 0x4242};
	unsigned asked = 0;

	core.six.neighbours = prefix;
	core.six.neighbours_until = UINT32_MAX;
	own.count = 0;
	for (unsigned i = 0; i < 1000; i++) {
		if (i == 500) {
			asked = own.count;
			(void)send6(other, frame, IP_UDP, 7, neighbour6, 9, 0, 12);
			asked = own.count - asked;
		}
		(void)send6(link, frame, IP_UDP, 7, (struct address){prefix, 0x100000 + i}, 9, 0, 12);
	}
	check("a flood of new addresses is asked for with measure", asked == 1 && own.count < 70);
	hear(frame, neighbour(frame, ICMP6_ADVERT, router_mac, neighbour6, core.six.address, neighbour6));
	check("and starves no other link's new neighbour",
	      send6(other, frame, IP_UDP, 7, neighbour6, 9, 0, 12) == (int)CORE_OUTSIDE);
	ticks(1);
	(void)send6(link, frame, IP_UDP, 7, (struct address){prefix, 0x4343}, 9, 0, 12);
	const struct address its = {prefix, 0x4343};
	hear(frame, neighbour(frame, ICMP6_ADVERT, router_mac, its, core.six.address, its));
	check("nor its own, a second later",
	      send6(link, frame, IP_UDP, 7, its, 9, 0, 12) == (int)CORE_OUTSIDE);
	/* All of the table's places, by several links. */
	unsigned links[12];
	for (unsigned i = 0; i < 12; i++) {
		links[i] = (unsigned)link_new(SWITCH_NAT, 0, 0, 0);
		for (unsigned j = 0; j < 60; j++)
			(void)send6(links[i], frame, IP_UDP, 7, (struct address){prefix, i << 20 | j}, 9, 0,
			            12);
	}
	check("nor is the router driven out, nor who is known to",
	      outside_station(&core, router, mac) && outside_station(&core, neighbour6, mac));
	for (unsigned i = 0; i < 12; i++)
		core_link_end(&core, core.links[links[i]].number);
	core.six.neighbours_until = 0;
}

static void test_policies(void)
{
	uint8_t frame[2000], mac[6];
	const struct switch_allowed allowed[2] = {{.host = "mirror.example", .port = 80, .protocol = IP_TCP},
	                                          {.host = "2001:db8::99", .port = 443}};
	unsigned none = (unsigned)link_new(SWITCH_NONE, 0, 0, 0);
	unsigned only = (unsigned)link_new(SWITCH_ONLY, allowed, 2, 0);
	unsigned nested = (unsigned)link_new(SWITCH_NAT, 0, 0, core.links[only].number);
	const struct address listed = {far.high, 0x99}, resolved = {far.high, 0x77};

	own.count = 0;
	inside6_announce(&core, none);
	check("a link without the outside has no router there",
	      own.count == 1 && get16(own.frame + ICMP_AT + 6) == 0);
	check("and sends nothing", send6(none, frame, IP_TCP, 1, far, 80, TCP_SYN, 0) == CORE_NOWHERE &&
	                               own.frame[ICMP_AT] == ICMP6_UNREACHABLE &&
	                               own.frame[ICMP_AT + 1] == 1);
	check("a listed address is allowed, at its port alone",
	      send6(only, frame, IP_TCP, 1, listed, 443, TCP_SYN, 0) == (int)CORE_OUTSIDE &&
	          send6(only, frame, IP_TCP, 1, listed, 80, TCP_SYN, 0) == CORE_NOWHERE &&
	          send6(only, frame, IP_TCP, 1, far, 443, TCP_SYN, 0) == CORE_NOWHERE &&
	          send6(only, frame, IP_ICMP6, 1, listed, 0, ICMP6_ECHO, 8) == CORE_NOWHERE);
	check("also for who nests in it",
	      send6(nested, frame, IP_TCP, 1, listed, 443, TCP_SYN, 0) == (int)CORE_OUTSIDE &&
	          send6(nested, frame, IP_TCP, 1, far, 443, TCP_SYN, 0) == CORE_NOWHERE);
	check("a name that is not resolved is not allowed",
	      send6(only, frame, IP_TCP, 9, resolved, 80, TCP_SYN, 0) == CORE_NOWHERE);
	/* The switch asks for both kinds; the last question is that for IPv6. */
	core.bound = true;
	core.address = 0x0a00020f;
	core.mask = 0xffffff00;
	core.expires_at = core.renew_at = UINT32_MAX;
	core.router = core.name_servers[0] = 0x0a000203;
	outside_station(&core, address4(core.router), mac);
	outside_learn(&core, address4(core.router), router_mac);
	ticks(1);
	struct dns_question question = {0};
	uint32_t bytes = own.bytes - 42;
	memcpy(frame + 42, own.frame + 42, bytes);
	check("both kinds of its addresses are asked for",
	      own.port == CORE_OUTSIDE && get16(own.frame + 12) == ETHER_IP &&
	          dns_question(frame + 42, bytes, &question) && question.type == DNS_AAAA);
	const struct address answers[4] = {resolved, {0, 0xffff0a000203ull}, {0, 1}, inside(only)};
	bytes = dns_answer(frame + 42, question.end, DNS_AAAA, answers, 4, 0);
	uint16_t port = get16(own.frame + 34);
	ethernet_make(frame, card, router_mac, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, core.router, 53, core.address, port, bytes);
	give(CORE_OUTSIDE, frame, 42 + bytes);
	check("then it is allowed",
	      send6(only, frame, IP_TCP, 9, resolved, 80, TCP_SYN, 0) == (int)CORE_OUTSIDE);
	check("what a name server says of the inside is not believed",
	      core.links[only].names[0][1].count == 1);
	ask(only, "mirror.example");
	check("its name is answered from here", is_answered(only, resolved));
	own.count = 0;
	core_link_end(&core, core.links[only].number);
	check("its connections are reset at its end",
	      own.count >= 2 && sums_right(own.frame) && own.frame[ICMP_AT + 13] == TCP_RST &&
	          address_same(address_get(own.frame + 22), core.six.address));
}

static void test_lost(unsigned link)
{
	uint8_t frame[2000];

	hear(frame, advert(frame, prefix, 86400, 14400, 0));
	own.count = 0;
	check("without a router there is no way",
	      send6(link, frame, IP_TCP, 99, far, 80, TCP_SYN, 0) == CORE_NOWHERE && own.count == 1 &&
	          own.frame[ICMP_AT] == ICMP6_UNREACHABLE && own.frame[ICMP_AT + 1] == 0);
	core.six.expires_at = core.now + 1;
	core.bound = false;
	core.up = true;
	own.count = 0;
	ticks(2);
	check("links are told of the end of an address", !core.six.bound && own.count > 0);
	own.count = 0;
	for (unsigned i = 0; i < 6; i++) {
		uint32_t bytes = neighbour(frame, ICMP6_ADVERT, router_mac, router, all_nodes,
		                           (struct address){LINK_LOCAL, core.six.identifier});
		core.six.linked = false;
		give(CORE_OUTSIDE, frame, bytes);
	}
	hear(frame, advert(frame, prefix, 86400, 14400, 1800));
	ticks(5);
	check("who takes every address away leaves the switch without, for good", !core.six.bound);
}

static void test_digits(void)
{
	static const char *const wrong[] = {"",
	                                    "1.2.3",
	                                    "1.2.3.4.5",
	                                    "256.1.1.1",
	                                    ":",
	                                    ":1",
	                                    "1:",
	                                    "1:2",
	                                    ":::",
	                                    "1::2::3",
	                                    "g::",
	                                    "12345::",
	                                    "1:2:3:4:5:6:7:8:9",
	                                    "1:2:3:4:5:6:7::8:9",
	                                    "::1%eth0",
	                                    "a.b",
	                                    "::1.2.3",
	                                    "1::2 ",
	                                    "1:2:3:4:5:6:7:1.2.3.4"};
	struct address address;
	bool right = address_parse("10.0.2.2", &address) && address_same(address, address4(0x0a000202)) &&
	             address_parse("::", &address) && !address.high && !address.low &&
	             address_parse("fe80::1", &address) && address.high == LINK_LOCAL && address.low == 1 &&
	             address_parse("1:2:3:4:5:6:7:8", &address) && address.high == 0x0001000200030004ull &&
	             address.low == 0x0005000600070008ull && address_parse("2001:DB8::", &address) &&
	             address.high == far.high && !address.low && address_parse("::ffff:1.2.3.4", &address) &&
	             address_same(address, address4(0x01020304));

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (address_parse(wrong[i], &address)) {
			printf("# %s is taken for an address\n", wrong[i]);
			right = false;
		}
	check("addresses in digits are read", right);
}

/* A router that announces no prefix to make addresses from, with FLAGS, and two name servers. */
static uint32_t managed(uint8_t *frame, uint8_t flags)
{
	uint8_t body[96] = {ICMP6_ROUTER_ADVERT, [4] = 64, [5] = flags};
	uint32_t bytes = 16;

	put16(body + 6, 1800);
	body[bytes] = DISCOVERY_PREFIX;
	body[bytes + 1] = 4;
	body[bytes + 2] = 64;
	body[bytes + 3] = 0x80;
	put32(body + bytes + 4, 86400);
	put32(body + bytes + 8, 14400);
	put64(body + bytes + 16, prefix);
	bytes += 32;
	body[bytes] = DISCOVERY_NAME_SERVERS;
	body[bytes + 1] = 5;
	put32(body + bytes + 4, 600);
	address_put(body + bytes + 8, inside(0)); /* a link's, which is believed of nobody */
	address_put(body + bytes + 24, (struct address){prefix, 0x53});
	bytes += 40;
	return discovery(frame, router_mac, router, all_nodes, body, bytes);
}

#define DATA_AT (ICMP_AT + UDP_BYTES)

/* Whether the switch sent a DHCPv6 message of TYPE last. */
static bool dhcp_sent(uint8_t type)
{
	const uint8_t *ip = own.frame + ETHERNET_BYTES;

	return own.port == CORE_OUTSIDE && get16(own.frame + 12) == ETHER_IP6 && ip[6] == IP_UDP &&
	       get16(ip + 42) == DHCP6_SERVER_PORT && own.frame[DATA_AT] == type && sums_right(own.frame) &&
	       own.frame[0] == 0x33 && get32(own.frame + 2) == 0x10002 && ip[8] == 0xfe;
}

/* Lets time pass until it does (another question of the same second can be the last). */
static bool dhcp_sends(uint8_t type)
{
	unsigned count = 0;

	do
		ticks(1);
	while (!dhcp_sent(type) && ++count < 40);
	return dhcp_sent(type);
}

/* An answer of TYPE to what was sent last: an address that ends in LOW. Returns the frame's length. */
static uint32_t dhcp_answer(uint8_t *frame, uint8_t type, uint8_t low)
{
	static const uint8_t server[] = {0, 2, 0, 2, 9, 9, 0, 7, 0, 1, 255};
	uint8_t *at = frame + DATA_AT;

	memcpy(at, own.frame + DATA_AT, 4 + 14); /* its number, and the client's identifier */
	at[0] = type;
	memcpy(at + 18, server, sizeof(server));
	at += 18 + sizeof(server);
	memset(at, 0, 4 + 12 + 4 + 24);
	put16(at, 3);
	put16(at + 2, 40);
	put32(at + 4, 1);
	put16(at + 16, 5);
	put16(at + 18, 24);
	put64(at + 20, prefix);
	at[35] = low;
	put32(at + 36, 1000);
	put32(at + 40, 2000);
	ethernet_make(frame, card, router_mac, ETHER_IP6);
	return ETHERNET_BYTES + datagram_make(frame + ETHERNET_BYTES, router, DHCP6_SERVER_PORT,
	                                      (struct address){LINK_LOCAL, core.six.identifier},
	                                      DHCP6_CLIENT_PORT, 18 + sizeof(server) + 44);
}

static void test_lease(void)
{
	uint8_t frame[2000], body[32] = {ICMP6_ADVERT};

	world_begin();
	ticks(3);
	hear(frame, managed(frame, 0));
	ticks(5);
	check("servers are not asked for what the router does not say they have",
	      !core.six.address.high && !dhcp_sent(1) && !dhcp_sent(11));
	hear(frame, managed(frame, 0x40));
	check("they are for information", dhcp_sends(11));
	hear(frame, managed(frame, 0x80));
	check("or an address", dhcp_sends(1));
	uint32_t bytes = dhcp_answer(frame, 2, 5);
	frame[ETHERNET_BYTES + 39] ^= 1; /* to another */
	give(CORE_OUTSIDE, frame, bytes);
	frame[ETHERNET_BYTES + 39] ^= 1;
	frame[bytes - 1] ^= 1;
	give(CORE_OUTSIDE, frame, bytes);
	check("answers to others and broken ones are none", dhcp_sent(1));
	frame[bytes - 1] ^= 1;
	hear(frame, bytes);
	check("one that is offered is asked for", dhcp_sent(3));
	hear(frame, dhcp_answer(frame, 7, 5));
	check("and tried", core.six.leased && core.six.address.low == 5 && !core.six.bound &&
	                       own.frame[ICMP_AT] == ICMP6_SOLICIT);
	address_put(body + 8, core.six.address);
	body[24] = DISCOVERY_TARGET;
	body[25] = 1;
	memcpy(body + 26, router_mac, 6);
	uint64_t identifier = core.six.identifier;
	hear(frame, discovery(frame, router_mac, core.six.address, all_nodes, body, sizeof(body)));
	check("one that is another's is declined",
	      dhcp_sent(9) && !core.six.address.high && core.six.identifier == identifier);
	hear(frame, dhcp_answer(frame, 7, 5));
	(void)dhcp_sends(1);
	hear(frame, dhcp_answer(frame, 2, 6));
	hear(frame, dhcp_answer(frame, 7, 6));
	ticks(2);
	check("and another had", core.six.bound && core.six.address.low == 6 && core.six.linked);
	hear(frame, advert(frame, prefix, 86400, 14400, 1800));
	check("which stays when the prefix is announced", core.six.leased && core.six.address.low == 6);
}

/* The answer to a question of a link's, asked with the first name server silent. */
static void test_name_server(void)
{
	uint8_t frame[2000], mac[6];
	unsigned link = (unsigned)link_new(SWITCH_NAT, 0, 0, 0);
	const struct address server = {prefix, 0x53};

	core.bound = true;
	core.address = OWN;
	core.mask = 0xffffff00;
	core.expires_at = core.renew_at = UINT32_MAX;
	core.router = core.name_servers[0] = ROUTER;
	outside_station(&core, address4(ROUTER), mac);
	outside_learn(&core, address4(ROUTER), router_mac);
	outside_station(&core, server, mac);
	outside_learn(&core, server, router_mac);
	bool four = false, six = false, none = false;
	for (unsigned i = 0; i < 6 && !six; i++) {
		ask(link, "a.b");
		six = own.count && get16(own.frame + 12) == ETHER_IP6;
		four |= own.count && !six;
		none |= !own.count;
		if (!six)
			ticks(1);
	}
	check("a name server that is silent is left for another, by IPv6",
	      four && six && !none && sums_right(own.frame) && get16(own.frame + ICMP_AT + 2) == 53 &&
	          address_same(address_get(own.frame + 14 + 24), server));
	struct dns_question question;
	uint32_t bytes = own.bytes - DATA_AT;
	uint16_t port = get16(own.frame + ICMP_AT);
	memcpy(frame + DATA_AT, own.frame + DATA_AT, bytes);
	bool asked = dns_question(frame + DATA_AT, bytes, &question);
	bytes = dns_answer(frame + DATA_AT, question.end, DNS_AAAA, &far, 1, 0);
	ethernet_make(frame, card, router_mac, ETHER_IP6);
	bytes =
	    ETHERNET_BYTES + datagram_make(frame + ETHERNET_BYTES, server, 53, core.six.address, port, bytes);
	own.count = 0;
	frame[bytes - 1] ^= 1;
	give(CORE_OUTSIDE, frame, bytes);
	check("an answer with a wrong sum is none", asked && !own.count);
	frame[bytes - 1] ^= 1;
	give(CORE_OUTSIDE, frame, bytes);
	check("whose answer the link gets", own.count == 1 && own.port == link && sums_right(own.frame) &&
	                                        get16(own.frame + 12) == ETHER_IP &&
	                                        get16(own.frame + 42) == 5);
	ticks(5);
	unsigned at = core.server_at;
	ticks(10);
	check("one that is asked nothing is not left", core.server_at == at);
}

int main(void)
{
	test_digits();
	test_outside();
	unsigned first = (unsigned)link_new(SWITCH_NAT, 0, 0, 0);
	unsigned second = (unsigned)link_new(SWITCH_NAT, 0, 0, 0);
	test_inside(first);
	test_nat(first);
	test_refused(first, second);
	test_forward(first);
	test_connected(first, second);
	test_flood(first, second);
	test_policies();
	test_lost(first);
	test_lease();
	test_name_server();
	return failures != 0;
}
