/* Fragments through the switch's core, of both kinds: in order and not, and made to overlap what was judged. */
#include <stdio.h>
#include <string.h>
#include "core_world.h"
#include "text.h"

#define FAR   0x5db8d822u
#define DATA  4000u
#define PART  1480u
#define WHOLE (UDP_BYTES + DATA)
#define PARTS 3u

static const struct address far6 = {0x20010db800000000ull, 0x80};

/* A datagram of WHOLE bytes behind the header of IP, with its sum. */
static void datagram(uint8_t *inner, struct address from, uint16_t from_port, struct address to,
                     uint16_t to_port)
{
	uint8_t header[IP6_BYTES];
	uint32_t sum;

	put16(inner, from_port);
	put16(inner + 2, to_port);
	put16(inner + 4, WHOLE);
	put16(inner + 6, 0);
	for (uint32_t i = 0; i < DATA; i++)
		inner[UDP_BYTES + i] = (uint8_t)(i * 7 + i / 256);
	header_make(header, IP_UDP, from, to, WHOLE);
	sum = inner_sum(header, IP_UDP, inner, WHOLE);
	put16(inner + 6, sum ? (uint16_t)sum : 0xffff);
}

/* COUNT bytes at INNER + AT as a fragment; returns the frame's length. */
static uint32_t cut(uint8_t *frame, const uint8_t to_mac[6], const uint8_t from_mac[6], struct address from,
                    struct address to, uint32_t id, const uint8_t *inner, uint32_t at, uint32_t count,
                    bool more)
{
	bool six = !address_is4(from);
	uint8_t *ip = frame + ETHERNET_BYTES;
	uint32_t header;

	ethernet_make(frame, to_mac, from_mac, six ? ETHER_IP6 : ETHER_IP);
	header = header_make(ip, six ? IP_FRAGMENT : IP_UDP, from, to, count + (six ? FRAGMENT_BYTES : 0));
	if (six) {
		memset(ip + header, 0, FRAGMENT_BYTES);
		ip[header] = IP_UDP;
		put16(ip + header + 2, (uint16_t)(at | more));
		put32(ip + header + 4, id);
		header += FRAGMENT_BYTES;
	} else {
		put16(ip + 4, (uint16_t)id);
		put16(ip + 6, (uint16_t)(at / 8 | (more ? 0x2000u : 0)));
		put16(ip + 10, 0);
		put16(ip + 10, sum_end(sum_add(0, ip, IP_BYTES)));
	}
	memcpy(ip + header, inner + at, count);
	return ETHERNET_BYTES + header + count;
}

/* What came out, put together. */
static struct {
	uint8_t inner[WHOLE];
	uint32_t have, id;
	struct address from, to;
	bool sound;
} out;

static void take(const uint8_t *frame)
{
	uint8_t copy[2000];
	struct packet packet;

	memcpy(copy, frame, sizeof(copy) < CORE_WHOLE ? sizeof(copy) : CORE_WHOLE);
	if (!packet_read(&packet, copy + ETHERNET_BYTES, CORE_WHOLE - ETHERNET_BYTES,
	                 CORE_WHOLE - ETHERNET_BYTES) ||
	    !packet.fragment || packet.fragment_at + packet.inner_bytes > WHOLE) {
		out.sound = false;
		return;
	}
	out.sound &= !out.have || (out.id == packet.fragment_id && address_same(out.from, packet.source) &&
	                           address_same(out.to, packet.destination));
	out.id = packet.fragment_id;
	out.from = packet.source;
	out.to = packet.destination;
	memcpy(out.inner + packet.fragment_at, packet.inner, packet.inner_bytes);
	out.have += packet.inner_bytes;
}

/* Whether all has come out, as one datagram with its sum right, from and to those ports. */
static bool whole(uint16_t from_port, uint16_t to_port)
{
	uint8_t header[IP6_BYTES];

	if (out.have != WHOLE || !out.sound)
		return false;
	header_make(header, IP_UDP, out.from, out.to, WHOLE);
	return inner_sum(header, IP_UDP, out.inner, WHOLE) == 0 && get16(out.inner) == from_port &&
	       get16(out.inner + 2) == to_port && out.inner[UDP_BYTES + 300] == (uint8_t)(300 * 7 + 1);
}

/* Gives a part and takes what comes of it, also what the switch sends itself; returns where it went. */
static int offer(unsigned port, uint8_t *frame, uint32_t bytes)
{
	own.count = 0;
	int to = give(port, frame, bytes);

	if (own.count == 1 && own.bytes > 1000)
		take(own.frame);
	if (to != CORE_NOWHERE)
		take(frame);
	return to;
}

static void begin(void)
{
	memset(&out, 0, sizeof(out));
	out.sound = true;
}

static struct address inside(unsigned link, bool six)
{
	return six ? (struct address){core_link_prefix(&core.links[link]), 0x1234}
	           : address4(core_link_address(&core.links[link]));
}

/* One part of the datagram from LINK to the far one's TO_PORT, by number. */
static int part(unsigned link, bool six, uint16_t to_port, uint32_t id, unsigned number)
{
	static uint8_t inner[WHOLE];
	uint8_t frame[2000] = {0};
	struct address to = six ? far6 : address4(FAR);
	uint32_t at = number * PART, count = at + PART < WHOLE ? PART : WHOLE - at;

	datagram(inner, inside(link, six), 5000, to, to_port);
	return offer(link, frame,
	             cut(frame, core.links[link].mac, inside_mac, inside(link, six), to, id, inner, at, count,
	                 at + count < WHOLE));
}

static int answer_part(bool six, uint16_t to_port, unsigned number)
{
	static uint8_t inner[WHOLE];
	uint8_t frame[2000] = {0};
	struct address from = six ? far6 : address4(FAR), to = core_own(&core, six);
	uint32_t at = number * PART, count = at + PART < WHOLE ? PART : WHOLE - at;

	datagram(inner, from, 53, to, to_port);
	return offer(CORE_OUTSIDE, frame,
	             cut(frame, card, router_mac, from, to, 77, inner, at, count, at + count < WHOLE));
}

static unsigned under_way(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < FRAGMENTS_MAX; i++)
		count += core.fragments.packets[i].used;
	return count;
}

static void test_order(unsigned link, bool six)
{
	static const unsigned char orders[][PARTS] = {{0, 1, 2}, {0, 2, 1}, {2, 0, 1}, {1, 2, 0}, {2, 1, 0}};
	bool right = true;

	for (unsigned i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		begin();
		for (unsigned j = 0; j < PARTS; j++) {
			int to = part(link, six, 53, 100 + i, orders[i][j]);
			/* What waited goes out with the first part: two of them here, of which OFFER sees one. */
			if (j == 2 && i >= 3 && to == (int)CORE_OUTSIDE)
				right &= own.count == 2;
			else if (i < 3 && j == 2)
				right &= whole(5000, 53) && out.id != 100 + i;
		}
	}
	check(six ? "IPv6: parts go out in any order" : "parts go out in any order", right && !under_way());
	begin();
	for (unsigned j = 0; j < PARTS; j++)
		right &= answer_part(six, 5000, j) == (int)link;
	check("and answers come in",
	      right && whole(53, 5000) && address_same(out.to, inside(link, six)) && !under_way());
}

/* Parts that would put another header in place of that which was judged, or lie where none can be. */
static void test_hostile(unsigned only, bool six)
{
	static const struct {
		const char *name;
		uint32_t at, count;
		bool more;
	} bad[] = {
	    {"a part over the first", 8, 1480, true},  {"a second first part", 0, 1480, true},
	    {"a part over its end", 1472, 1480, true}, {"an empty part", 1480, 0, true},
	    {"a part of odd length", 1480, 13, true},  {"a part beyond all packets", 65528, 800, false}};
	static uint8_t inner[70000];
	uint8_t frame[2000];
	struct address to = six ? far6 : address4(FAR), from = inside(only, six);

	check("a first part is judged by its port",
	      part(only, six, 53, 1, 0) == (int)CORE_OUTSIDE && part(only, six, 54, 2, 0) == CORE_NOWHERE);
	check("and the others with it",
	      part(only, six, 54, 2, 1) == CORE_NOWHERE && part(only, six, 53, 1, 1) == (int)CORE_OUTSIDE);
	datagram(inner, from, 5000, to, 53);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bool right = part(only, six, 53, 10 + i, 0) == (int)CORE_OUTSIDE;

		uint32_t bytes = cut(frame, core.links[only].mac, inside_mac, from, to, 10 + i, inner,
		                     bad[i].at, bad[i].count, bad[i].more);
		right &= give(only, frame, bytes) == CORE_NOWHERE;
		check(bad[i].name, right && part(only, six, 53, 10 + i, 2) == CORE_NOWHERE);
	}
	bool right = part(only, six, 53, 30, 0) == (int)CORE_OUTSIDE &&
	             part(only, six, 53, 30, 2) == (int)CORE_OUTSIDE;
	uint32_t bytes = cut(frame, core.links[only].mac, inside_mac, from, to, 30, inner, 4800, 800, false);
	check("a part behind the last", right && give(only, frame, bytes) == CORE_NOWHERE);
	bytes = cut(frame, core.links[only].mac, inside_mac, from, to, 40, inner, 0, 0, true);
	check("a first part without its header", give(only, frame, bytes) == CORE_NOWHERE);
	bytes =
	    cut(frame, core.links[only].mac, inside_mac, from,
	        six ? (struct address){LINK_LOCAL, 1} : address4(core_link_address(&core.links[only]) - 1),
	        41, inner, 0, 1480, true);
	own.count = 0;
	check("parts for the switch itself", give(only, frame, bytes) == CORE_NOWHERE && !own.count);
	bytes = cut(frame, core.links[only].mac, inside_mac, six ? far6 : address4(FAR), to, 42, inner, 0,
	            1480, true);
	check("parts from another's address", give(only, frame, bytes) == CORE_NOWHERE);
	check("from outside, parts of nothing",
	      answer_part(six, 4999, 0) == CORE_NOWHERE && answer_part(six, 4999, 1) == CORE_NOWHERE);
}

static void test_limits(unsigned link)
{
	for (unsigned i = 0; i < 1000; i++) {
		part(link, false, 53, 5000 + i, i % PARTS);
		(void)answer_part(false, 5000, i % 2);
	}
	unsigned early = 0, mine = 0;
	for (unsigned i = 0; i < EARLY_MAX; i++)
		early += core.fragments.early[i].bytes != 0;
	for (unsigned i = 0; i < FRAGMENTS_LINK; i++)
		mine += core.fragments.packets[link * FRAGMENTS_LINK + i].used;
	check("a link that sends beginnings alone has its own places",
	      mine == FRAGMENTS_LINK && early <= EARLY_LINK + EARLY_OUTSIDE &&
	          under_way() <= FRAGMENTS_LINK + 1 + FRAGMENTS_LINK);
	check("what is old is nothing's part", part(link, false, 53, 9000, 0) == (int)CORE_OUTSIDE);
	core_tick(&core, core.now + FRAGMENTS_LIVE + 1);
	check("after its time", part(link, false, 53, 9000, 1) == CORE_NOWHERE);
	core_link_end(&core, core.links[link].number);
	bool left = false;
	for (unsigned i = 0; i < FRAGMENTS_MAX; i++)
		left |= core.fragments.packets[i].used && core.fragments.packets[i].to == link;
	for (unsigned i = 0; i < FRAGMENTS_LINK; i++)
		left |= core.fragments.packets[link * FRAGMENTS_LINK + i].used;
	check("nothing is left of an ended link's", !left);
}

int main(void)
{
	const struct switch_allowed allowed[2] = {{.host = "93.184.216.34", .port = 53},
	                                          {.host = "2001:db8::80", .port = 53}};
	uint8_t mac[6];

	world_connected();
	outside_station(&core, address4(ROUTER), mac);
	outside_learn(&core, address4(ROUTER), router_mac);
	outside_station(&core, far6, mac);
	outside_learn(&core, router6, router_mac);
	unsigned link = (unsigned)link_new(SWITCH_NAT, 0, 0, 0),
	         only = (unsigned)link_new(SWITCH_ONLY, allowed, 2, 0);
	test_order(link, false);
	test_order(link, true);
	test_hostile(only, false);
	test_hostile(only, true);
	test_limits(link);
	return failures != 0;
}
