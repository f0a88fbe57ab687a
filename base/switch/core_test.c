/* The switch's core against a small world (core_world.h): two links, and a server outside that answers ARP, DHCP
 * and DNS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <holon/types.h>
#include "core_world.h"
#include "dhcp.h"
#include "text.h"

#define OWN    0x0a00020fu /* 10.0.2.15 */
#define ROUTER 0x0a000202u
#define SERVER 0x0a000203u /* of names */
#define FAR    0x5db8d822u

/* A frame of PROTOCOL with DATA bytes of payload; returns its length. */
static uint32_t make(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint8_t protocol,
                     uint32_t source, uint16_t from_port, uint32_t destination, uint16_t to_port,
                     uint8_t flags, uint32_t data)
{
	uint8_t *ip = frame + ETHERNET_BYTES, *inner = ip + IP_BYTES;
	uint32_t header = protocol == IP_TCP ? TCP_BYTES : UDP_BYTES;

	ethernet_make(frame, to, from, ETHER_IP);
	for (uint32_t i = 0; i < data; i++)
		inner[header + i] = (uint8_t)(i * 7 + 1);
	if (protocol == IP_UDP) {
		udp_make(ip, source, from_port, destination, to_port, data);
		return ETHERNET_BYTES + IP_BYTES + UDP_BYTES + data;
	}
	ip_make(ip, protocol, source, destination, header + data);
	memset(inner, 0, header);
	if (protocol == IP_TCP) {
		put16(inner, from_port);
		put16(inner + 2, to_port);
		put32(inner + 4, 1000);
		inner[12] = 5 << 4;
		inner[13] = flags;
		put16(inner + 16,
		      sum_end(sum_add(sum_add(IP_TCP + header + data, ip + 12, 8), inner, header + data)));
	} else {
		inner[0] = flags;
		put16(inner + 4, from_port);
		put16(inner + 2, sum_end(sum_add(0, inner, header + data)));
	}
	return ETHERNET_BYTES + IP_BYTES + header + data;
}

static uint32_t from_inside(uint8_t *frame, unsigned link, uint8_t protocol, uint16_t port, uint32_t to,
                            uint16_t to_port, uint8_t flags, uint32_t data)
{
	return make(frame, core.links[link].mac, inside_mac, protocol, core_link_address(&core.links[link]),
	            port, to, to_port, flags, data);
}

static void arp_answer(uint32_t address, const uint8_t mac[6])
{
	uint8_t frame[64] = {0}, *arp = frame + ETHERNET_BYTES;

	ethernet_make(frame, card, mac, ETHER_ARP);
	put16(arp, 1);
	put16(arp + 2, ETHER_IP);
	arp[4] = 6;
	arp[5] = 4;
	put16(arp + 6, 2);
	memcpy(arp + 8, mac, 6);
	put32(arp + 14, address);
	memcpy(arp + 18, card, 6);
	put32(arp + 24, OWN);
	give(CORE_OUTSIDE, frame, 42);
}

static void dhcp_answer(uint8_t type)
{
	uint8_t frame[700];
	struct dhcp_message message = {.operation = 2,
	                               .type = type,
	                               .transaction = core.transaction,
	                               .given = OWN,
	                               .server = ROUTER,
	                               .mask = 0xffffff00,
	                               .router = ROUTER,
	                               .lease = 3600,
	                               .name_servers = {SERVER}};

	memcpy(message.hardware, card, 6);
	uint32_t bytes = dhcp_write(frame + ETHERNET_BYTES + IP_BYTES + UDP_BYTES, &message);
	ethernet_make(frame, card, router_mac, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, ROUTER, 67, UINT32_MAX, 68, bytes);
	give(CORE_OUTSIDE, frame, ETHERNET_BYTES + IP_BYTES + UDP_BYTES + bytes);
}

static void test_outside(void)
{
	world_begin();
	check("the card's address is asked for",
	      own.port == CORE_OUTSIDE && get16(own.frame + 36) == 67 && sums_right(own.frame));
	dhcp_answer(DHCP_ACK);
	check("an answer to nothing is ignored", !core.bound);
	dhcp_answer(DHCP_OFFER);
	dhcp_answer(DHCP_ACK);
	check("and is had",
	      core.bound && core.address == OWN && core.router == ROUTER && core.name_servers[0] == SERVER);
	arp_answer(0x0a000263, router_mac);
	uint8_t mac[6];
	check("nobody is learned that was not asked for", !outside_station(&core, address4(0x0a000263), mac));
	arp_answer(ROUTER, router_mac);
	arp_answer(SERVER, router_mac);
	check("the router is known",
	      outside_station(&core, address4(FAR), mac) && memcmp(mac, router_mac, 6) == 0);
}

static void test_nat(unsigned link)
{
	uint8_t frame[2000];
	uint32_t inside = core_link_address(&core.links[link]);
	uint32_t bytes = from_inside(frame, link, IP_TCP, 5000, FAR, 80, TCP_SYN, 0);
	int to = give(link, frame, bytes);
	const uint8_t *ip = frame + ETHERNET_BYTES;

	check("a connection goes outside, translated",
	      to == (int)CORE_OUTSIDE && get32(ip + 12) == OWN && get16(ip + 20) == 5000 && ip[8] == 63 &&
	          sums_right(frame) && memcmp(frame, router_mac, 6) == 0 && memcmp(frame + 6, card, 6) == 0);
	bytes = make(frame, card, router_mac, IP_TCP, FAR, 80, OWN, 5000, TCP_SYN | TCP_ACK, 100);
	to = give(CORE_OUTSIDE, frame, bytes);
	check("its answer comes in, translated back", to == (int)link && get32(ip + 16) == inside &&
	                                                  get16(ip + 22) == 5000 && sums_right(frame) &&
	                                                  memcmp(frame, inside_mac, 6) == 0);
	own.count = 0;
	bytes = make(frame, card, router_mac, IP_TCP, FAR, 81, OWN, 5000, TCP_ACK, 0);
	check("another port's does not, and is reset", give(CORE_OUTSIDE, frame, bytes) == CORE_NOWHERE &&
	                                                   own.count == 1 && own.frame[47] == TCP_RST &&
	                                                   sums_right(own.frame));
	bytes = from_inside(frame, link, IP_UDP, 40000, FAR, 123, 0, 47);
	check("odd datagrams are translated right",
	      give(link, frame, bytes) == (int)CORE_OUTSIDE && sums_right(frame));
	bytes = from_inside(frame, link, IP_ICMP, 77, FAR, 0, ICMP_ECHO, 56);
	check("echoes too", give(link, frame, bytes) == (int)CORE_OUTSIDE && sums_right(frame));
	bytes = make(frame, card, router_mac, IP_ICMP, FAR, 77, OWN, 0, ICMP_ECHO_REPLY, 56);
	check("and their answers", give(CORE_OUTSIDE, frame, bytes) == (int)link && sums_right(frame));
}

static void test_errors(unsigned link)
{
	uint8_t frame[2000] = {0}, *ip = frame + ETHERNET_BYTES, *icmp = ip + IP_BYTES,
	        *about = icmp + ICMP_BYTES;

	/* "Time exceeded" about the connection of test_nat. */
	ethernet_make(frame, card, router_mac, ETHER_IP);
	icmp[0] = ICMP_TIME_EXCEEDED;
	ip_make(about, IP_TCP, OWN, FAR, 20);
	put16(about + IP_BYTES, 5000);
	put16(about + IP_BYTES + 2, 80);
	put16(icmp + 2, sum_end(sum_add(0, icmp, 36)));
	ip_make(ip, IP_ICMP, ROUTER, OWN, 36);
	own.count = 0;
	give(CORE_OUTSIDE, frame, ETHERNET_BYTES + IP_BYTES + 36);
	uint32_t inside = core_link_address(&core.links[link]);
	check("an error about a connection reaches its link, translated inside and out",
	      own.count == 1 && own.port == link && sums_right(own.frame) &&
	          get32(own.frame + 30) == inside && get32(own.frame + 42 + 12) == inside &&
	          sum_end(sum_add(0, own.frame + 42, 20)) == 0);
	own.count = 0;
	put16(about + IP_BYTES, 5001);
	put16(icmp + 2, 0);
	put16(icmp + 2, sum_end(sum_add(0, icmp, 36)));
	give(CORE_OUTSIDE, frame, ETHERNET_BYTES + IP_BYTES + 36);
	check("one about none goes nowhere", own.count == 0);
	uint32_t bytes = from_inside(frame, link, IP_UDP, 40000, FAR, 33434, 0, 20);
	ip[8] = 1;
	put16(ip + 10, 0);
	put16(ip + 10, sum_end(sum_add(0, ip, IP_BYTES)));
	check("the switch is a hop", give(link, frame, bytes) == CORE_NOWHERE && own.count == 1 &&
	                                 own.port == link && own.frame[34] == ICMP_TIME_EXCEEDED &&
	                                 sums_right(own.frame));
}

/* Whether a segment from link FROM, port FROM_PORT, reaches port TO_PORT of link TO. */
static bool passes(unsigned from, uint16_t from_port, unsigned to, uint16_t to_port, uint8_t flags)
{
	uint8_t frame[2000];
	uint32_t bytes = from_inside(frame, from, IP_TCP, from_port, core_link_address(&core.links[to]),
	                             to_port, flags, 0);

	int where = give(from, frame, bytes);
	return where == (int)to && sums_right(frame) &&
	       get32(frame + 26) == core_link_address(&core.links[from]);
}

static void test_refused(unsigned link, unsigned other)
{
	uint8_t frame[2000];
	uint32_t bytes = from_inside(frame, link, IP_UDP, 1, FAR, 2, 0, 10);

	put32(frame + 26, core_link_address(&core.links[other]));
	put16(frame + 24, 0);
	put16(frame + 24, sum_end(sum_add(0, frame + 14, 20)));
	check("another's address as the sender's", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = from_inside(frame, link, IP_UDP, 1, core_link_address(&core.links[other]), 2, 0, 10);
	check("another link", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = from_inside(frame, link, IP_UDP, 1, 0xe0000001, 2, 0, 10);
	check("groups", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = from_inside(frame, link, IP_UDP, 1, OWN, 2, 0, 10);
	check("the switch's own address outside", give(link, frame, bytes) == CORE_NOWHERE);
	bytes = make(frame, card, router_mac, IP_TCP, FAR, 1234, OWN, 22, TCP_SYN, 0);
	check("connections from outside", give(CORE_OUTSIDE, frame, bytes) == CORE_NOWHERE);
	core_forward(&core, core.links[link].number, IP_TCP, 22, 2022);
	bytes = make(frame, card, router_mac, IP_TCP, FAR, 1234, OWN, 22, TCP_SYN, 0);
	check("but what a forward is for", give(CORE_OUTSIDE, frame, bytes) == (int)link &&
	                                       get16(frame + 36) == 2022 && sums_right(frame));
	bytes = from_inside(frame, link, IP_TCP, 2022, FAR, 1234, TCP_SYN | TCP_ACK, 0);
	check("whose answers go out from the forward's port",
	      give(link, frame, bytes) == (int)CORE_OUTSIDE && get16(frame + 34) == 22 && sums_right(frame));
	check("a port is forwarded once",
	      core_forward(&core, core.links[other].number, IP_TCP, 22, 1) == E_EXISTS);
}

/* A question for NAME from LINK; the answer's bytes are in own. */
static void question(unsigned link, const char *name)
{
	uint8_t frame[700], data[DNS_BYTES_MAX];
	uint32_t bytes = dns_ask(data, 0x1234, name, DNS_A);

	memcpy(frame + 42, data, bytes);
	ethernet_make(frame, core.links[link].mac, inside_mac, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, core_link_address(&core.links[link]), 3333,
	         core_link_address(&core.links[link]) - 1, 53, bytes);
	own.count = 0;
	give(link, frame, 42 + bytes);
}

/* The server's answer to the question in own, with ADDRESS. */
static void name_answer(uint32_t address)
{
	uint8_t frame[700];
	struct dns_question asked;
	uint32_t bytes = own.bytes - 42;
	uint16_t port = get16(own.frame + 34);

	memcpy(frame + 42, own.frame + 42, bytes);
	if (!dns_question(frame + 42, bytes, &asked))
		return;
	bytes = dns_answer(frame + 42, asked.end, DNS_A, &(struct address){0, address4(address).low}, 1, 0);
	ethernet_make(frame, card, router_mac, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, SERVER, 53, OWN, port, bytes);
	own.count = 0;
	give(CORE_OUTSIDE, frame, 42 + bytes);
}

/* One link may connect to a port of another. */
static void test_connected(void)
{
	const unsigned client = (unsigned)link_new(SWITCH_ONLY, 0, 0, 0),
	               server = (unsigned)link_new(SWITCH_ONLY, 0, 0, 0);
	const uint64_t a = core.links[client].number, b = core.links[server].number;
	uint8_t frame[2000];

	check("links that are not connected", !passes(client, 5000, server, 8545, TCP_SYN));
	check("a service needs a port, a name and two links",
	      core_connect(&core, a, b, 0, "ledger") == E_ARGUMENT &&
	          core_connect(&core, a, b, 8545, "") == E_ARGUMENT &&
	          core_connect(&core, a, a, 8545, "ledger") == E_ARGUMENT &&
	          core_connect(&core, a, b, 8545, "a name that is longer than a name may be") == E_ARGUMENT &&
	          core_connect(&core, a, CORE_NUMBERS - 1, 8545, "ledger") == E_NOT_FOUND);
	check("a link is connected with a service", core_connect(&core, a, b, 8545, "ledger") == E_OK &&
	                                                core_connect(&core, a, b, 8545, "ledger") == E_OK);
	check("which it reaches untranslated at that port",
	      passes(client, 5000, server, 8545, TCP_SYN) && passes(client, 5000, server, 8545, TCP_ACK));
	check("and at no other",
	      !passes(client, 5000, server, 8546, TCP_SYN) && !passes(client, 8545, server, 22, TCP_ACK));
	check("the service answers", passes(server, 8545, client, 5000, TCP_SYN | TCP_ACK) &&
	                                 passes(server, 8545, client, 5000, TCP_ACK) &&
	                                 passes(server, 8545, client, 5000, TCP_RST));
	check("and opens nothing", !passes(server, 8545, client, 22, TCP_SYN) &&
	                               !passes(server, 8545, client, 22, TCP_SYN | TCP_FIN) &&
	                               !passes(server, 6000, client, 22, TCP_SYN) &&
	                               !passes(server, 6000, client, 5000, TCP_ACK));
	uint32_t bytes =
	    from_inside(frame, client, IP_UDP, 1, core_link_address(&core.links[server]), 8545, 0, 10);
	check("nor datagrams", give(client, frame, bytes) == CORE_NOWHERE);
	check("its name is known to who is connected alone",
	      core_service(&core, &core.links[client], "ledger") == &core.links[server] &&
	          !core_service(&core, &core.links[client], "ledge") &&
	          !core_service(&core, &core.links[server], "ledger"));
	question(client, "ledger");
	check("and answered to it",
	      own.count == 1 && own.port == client && get16(own.frame + 48) == 1 &&
	          get32(own.frame + own.bytes - 4) == core_link_address(&core.links[server]));
	question(server, "ledger");
	check("not to others", own.count == 1 && own.port == server && (own.frame[45] & 15) == 3);
	unsigned taken = 0;
	for (unsigned port = 1; port <= CORE_PEERS; port++)
		taken += core_connect(&core, a, b, (uint16_t)port, "other") == E_OK;
	check("connections have a limit", taken == CORE_PEERS - 1);
	core_link_end(&core, b);
	check("they end with a link", !core_service(&core, &core.links[client], "ledger"));
	core_link_make(&core, b, 0, "again", &(struct switch_policy){.mode = SWITCH_ONLY});
	check("and do not come back with it", !passes(client, 5000, server, 8545, TCP_ACK));
	core_link_end(&core, a);
	core_link_end(&core, b);
}

static void test_policies(unsigned nat)
{
	uint8_t frame[2000];
	const struct switch_allowed allowed[2] = {{.host = "Mirror.Example", .port = 80, .protocol = IP_TCP},
	                                          {.host = "93.184.216.35", .port = 0}};
	int none = link_new(SWITCH_NONE, 0, 0, 0), only = link_new(SWITCH_ONLY, allowed, 2, 0);

	question(nat, "some.name");
	check("a question goes out under another number", own.count == 1 && own.port == CORE_OUTSIDE &&
	                                                      get16(own.frame + 42) != 0x1234 &&
	                                                      sums_right(own.frame));
	name_answer(FAR);
	check("its answer comes back", own.count == 1 && own.port == nat && get16(own.frame + 42) == 0x1234 &&
	                                   get16(own.frame + 36) == 3333 && sums_right(own.frame));
	question((unsigned)none, "some.name");
	check("a link without the outside asks nothing",
	      own.count == 1 && own.port == (unsigned)none && (own.frame[45] & 15) == 5);
	uint32_t bytes = from_inside(frame, (unsigned)none, IP_TCP, 1, FAR, 80, TCP_SYN, 0);
	check("and sends nothing", give((unsigned)none, frame, bytes) == CORE_NOWHERE);
	bytes = from_inside(frame, (unsigned)only, IP_TCP, 9, FAR, 80, TCP_SYN, 0);
	check("a listed name that is not resolved is not allowed",
	      give((unsigned)only, frame, bytes) == CORE_NOWHERE);
	own.count = 0;
	core_tick(&core, core.now + 1);
	check("the switch asks for it", own.count == 1 && own.port == CORE_OUTSIDE);
	name_answer(FAR);
	bytes = from_inside(frame, (unsigned)only, IP_TCP, 9, FAR, 80, TCP_SYN, 0);
	check("then it is allowed", give((unsigned)only, frame, bytes) == (int)CORE_OUTSIDE);
	bytes = from_inside(frame, (unsigned)only, IP_TCP, 9, FAR, 443, TCP_SYN, 0);
	bool right = give((unsigned)only, frame, bytes) == CORE_NOWHERE;
	bytes = from_inside(frame, (unsigned)only, IP_UDP, 9, FAR, 80, 0, 5);
	right = right && give((unsigned)only, frame, bytes) == CORE_NOWHERE;
	bytes = from_inside(frame, (unsigned)only, IP_ICMP, 9, FAR, 0, ICMP_ECHO, 5);
	check("its other ports and protocols are not",
	      right && give((unsigned)only, frame, bytes) == CORE_NOWHERE);
	bytes = from_inside(frame, (unsigned)only, IP_UDP, 9, FAR + 1, 99, 0, 5);
	check("a listed address is", give((unsigned)only, frame, bytes) == (int)CORE_OUTSIDE);
	question((unsigned)only, "mirror.example");
	check("its name is answered from here",
	      own.count == 1 && own.port == (unsigned)only && get16(own.frame + 48) == 1);
	question((unsigned)only, "secret.attacker.example");
	check("and no other name leaves",
	      own.count == 1 && own.port == (unsigned)only && (own.frame[45] & 15) == 3);
	int nested = link_new(SWITCH_NAT, 0, 0, core.links[only].number);
	bytes = from_inside(frame, (unsigned)nested, IP_TCP, 9, FAR, 443, TCP_SYN, 0);
	right = give((unsigned)nested, frame, bytes) == CORE_NOWHERE;
	bytes = from_inside(frame, (unsigned)nested, IP_TCP, 9, FAR, 80, TCP_SYN, 0);
	check("a nested link is held to its parent's policy",
	      right && give((unsigned)nested, frame, bytes) == (int)CORE_OUTSIDE);
	uint64_t number = core.links[only].number;
	own.count = 0;
	core_link_end(&core, number);
	check("it ends with its parent, whose connections are reset",
	      core.links[nested].number == 0 && own.count >= 2 && own.frame[47] == TCP_RST &&
	          sums_right(own.frame));
	check("what is malformed is no policy",
	      core_link_make(&core, 0, 0, "x", &(struct switch_policy){.mode = 9}) == E_ARGUMENT &&
	          core_link_make(&core, 5, 77, "x", &(struct switch_policy){0}) == E_NOT_FOUND);
}

static void test_dhcp(unsigned link)
{
	uint8_t frame[700];
	struct dhcp_message message = {
	    .operation = 1, .type = DHCP_DISCOVER, .transaction = 99, .broadcast = true};

	memcpy(message.hardware, inside_mac, 6);
	uint32_t bytes = dhcp_write(frame + 42, &message);
	ethernet_make(frame, (const uint8_t[]){255, 255, 255, 255, 255, 255}, inside_mac, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, 0, 68, UINT32_MAX, 67, bytes);
	give(link, frame, 42 + bytes);
	struct dhcp_message answer;
	check("a link is offered its address",
	      own.port == link && dhcp_read(own.frame + 42, own.bytes - 42, &answer) &&
	          answer.type == DHCP_OFFER && answer.given == core_link_address(&core.links[link]) &&
	          answer.mask == 0xfffffffc && answer.transaction == 99);
}

static void test_limits(unsigned link)
{
	uint8_t frame[200], mac[6];
	unsigned passed = 0;

	for (unsigned i = 0; i < 4 * CORE_STATIONS; i++) {
		uint32_t bytes = from_inside(frame, link, IP_UDP, 7, OWN + 1 + i % 200, 53, 0, 1);
		(void)give(link, frame, bytes);
	}
	check("who asks for neighbours that are not there drives out none that is",
	      outside_station(&core, address4(SERVER), mac) && memcmp(mac, router_mac, 6) == 0 &&
	          outside_station(&core, address4(FAR), mac));
	for (unsigned i = 0; i < 3 * FLOWS_MAX; i++) {
		if (i % 1000 == 0)
			core_tick(&core, core.now + 1);
		uint32_t bytes =
		    from_inside(frame, link, IP_UDP, (uint16_t)(1024 + i % 60000), FAR + i / 60000, 53, 0, 1);
		passed += give(link, frame, bytes) == (int)CORE_OUTSIDE;
	}
	check("a link that opens flows without end has its part of the table",
	      core.flows.link_count[link] <= FLOWS_PER_LINK && core.flows.count <= FLOWS_MAX &&
	          passed >= FLOWS_PER_LINK);
	core_link_end(&core, core.links[link].number);
	check("which it gives back at its end", core.flows.link_count[link] == 0);
	for (unsigned i = 0; i < 100; i++)
		core_tick(&core, core.now + 8000);
	check("and flows end by themselves", core.flows.count == 0);
}

int main(void)
{
	test_outside();
	int first = link_new(SWITCH_NAT, 0, 0, 0), second = link_new(SWITCH_NAT, 0, 0, 0);
	test_dhcp((unsigned)first);
	test_nat((unsigned)first);
	test_errors((unsigned)first);
	test_refused((unsigned)first, (unsigned)second);
	test_connected();
	test_policies((unsigned)second);
	test_limits((unsigned)first);
	return failures != 0;
}
