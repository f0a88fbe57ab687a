/* Bridged links through the switch's core: what passes, and what would make another station believe a lie. */
#include <holon/types.h>
#include <stdio.h>
#include <string.h>
#include "core_world.h"
#include "text.h"

#define SELF 0x0a000210u /* the bridged one's */
#define FAR  0x5db8d822u

static const struct address self6 = {0xfec0ull << 48, 9}, far6 = {0x20010db800000000ull, 1};
static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};
static unsigned bridged;
static uint8_t station[6];

/* Sends BYTES from the bridged link as if from MAC; whether they leave as they were. */
static bool leaves(uint8_t *frame, uint32_t bytes, const uint8_t *mac)
{
	uint8_t before[CORE_HEAD];

	memcpy(frame + 6, mac, 6);
	memcpy(before, frame, CORE_HEAD);
	return give(bridged, frame, bytes) == (int)CORE_OUTSIDE && memcmp(before, frame, CORE_HEAD) == 0;
}

static bool datagram(uint32_t from, uint16_t port)
{
	uint8_t frame[200] = {0};

	ethernet_make(frame, router_mac, station, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, from, port, FAR, 53, 20);
	return leaves(frame, ETHERNET_BYTES + IP_BYTES + UDP_BYTES + 20, station);
}

static bool datagram6(struct address from, uint8_t protocol, const uint8_t *inner, uint32_t count)
{
	uint8_t frame[200] = {0};

	ethernet_make(frame, router_mac, station, ETHER_IP6);
	ip6_make(frame + ETHERNET_BYTES, protocol, from, far6, count, 255);
	memcpy(frame + ETHERNET_BYTES + IP6_BYTES, inner, count);
	return leaves(frame, ETHERNET_BYTES + IP6_BYTES + count, station);
}

static bool arp(uint32_t sender, const uint8_t *mac)
{
	uint8_t frame[200] = {0}, *at = frame + ETHERNET_BYTES;

	ethernet_make(frame, everybody, station, ETHER_ARP);
	memcpy(at + 8, mac, 6);
	put32(at + 14, sender);
	return leaves(frame, ETHERNET_BYTES + 28, station);
}

static void test_grant(void)
{
	const struct switch_policy policy = {.mode = SWITCH_BRIDGE};
	unsigned first = (unsigned)link_new(SWITCH_NAT, 0, 0, 0),
	         only = (unsigned)link_new(SWITCH_ONLY, 0, 0, 0);
	unsigned second = (unsigned)link_new(SWITCH_NAT, 0, 0, core.links[first].number);

	check("only who holds the whole network can bridge, and only below itself",
	      core_link_make(&core, 0, 0, "a", &policy) == E_RIGHTS &&
	          core_link_make(&core, 0, core.links[only].number, "a", &policy) == E_RIGHTS &&
	          core_link_make(&core, 0, core.links[second].number, "a", &policy) == E_RIGHTS);
	int64_t made = core_link_make(&core, 0, core.links[first].number, "a", &policy);
	check("it can", made >= 0);
	bridged = (unsigned)made;
	bridge_station(&core.links[bridged], station);
	check("a bridged link bridges no further, and has no services of the switch",
	      core_link_make(&core, 0, core.links[bridged].number, "a", &policy) == E_RIGHTS &&
	          core_forward(&core, core.links[bridged].number, IP_TCP, 80, 80) == E_SUPPORT &&
	          core_connect(&core, core.links[bridged].number, core.links[first].number, 80, "a") ==
	              E_SUPPORT);
}

static void test_out(void)
{
	uint8_t frame[200] = {0}, udp[16] = {0, 9, 0, 9, 0, 16}, advert[32] = {ICMP6_ADVERT}, icmp[32] = {0};
	uint8_t part[16] = {IP_UDP, 0, 0, 1, 0, 0, 0, 1, 0, 9, 0, 9};

	check("frames of its station leave as they are", datagram(SELF, 53) && arp(SELF, station));
	check("also before it has an address", datagram(0, 68) && arp(0, station));
	check("and with IPv6", datagram6(self6, IP_UDP, udp, 16) && datagram6(self6, IP_TCP, icmp, 32) &&
	                           datagram6(self6, IP_FRAGMENT, part, 16));
	ethernet_make(frame, router_mac, station, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, SELF, 5, FAR, 53, 20);
	check("another's MAC address", !leaves(frame, 62, inside_mac) && !leaves(frame, 62, card));
	check("the switch's and the router's addresses",
	      !datagram(OWN, 53) && !datagram(ROUTER, 53) && !arp(OWN, station) && !arp(ROUTER, station) &&
	          !datagram6(router6, IP_UDP, udp, 16) && !datagram6(core.six.address, IP_UDP, udp, 16));
	check("ARP of another station", !arp(SELF, inside_mac));
	check("a server of addresses", !datagram(SELF, 67));
	put16(udp, 547);
	check("also of IPv6", !datagram6(self6, IP_UDP, udp, 16));
	icmp[0] = ICMP6_ROUTER_ADVERT;
	check("a router", !datagram6(self6, IP_ICMP6, icmp, 32));
	icmp[0] = 137;
	check("a redirection", !datagram6(self6, IP_ICMP6, icmp, 32));
	address_put(advert + 8, self6);
	check("it says where itself is", datagram6(self6, IP_ICMP6, advert, 32));
	address_put(advert + 8, router6);
	check("and not where the router is", !datagram6(self6, IP_ICMP6, advert, 32));
	part[0] = IP_ICMP6;
	check("discovery in fragments", !datagram6(self6, IP_FRAGMENT, part, 16));
	part[0] = IP_UDP;
	put16(part + 8, 547);
	check("a server in fragments", !datagram6(self6, IP_FRAGMENT, part, 16));
	check("other headers of IPv6", !datagram6(self6, 0, icmp, 32));
	memset(frame + 12, 0x88, 2);
	check("other kinds of frames", !leaves(frame, 62, station));
	ethernet_make(frame, router_mac, station, ETHER_IP);
	check("frames cut short", !leaves(frame, 15, station) && !leaves(frame, 34 + 7, station));
}

/* As after a restart of the switch: its manager makes the link again, whose sub-kernel has the address that it was told. */
static void test_again(void)
{
	const struct switch_policy policy = {.mode = SWITCH_BRIDGE};
	const uint64_t number = core.links[bridged].number, parent = core.links[bridged].parent;
	uint8_t again[6], another[6];

	core_link_end(&core, number);
	bridged = (unsigned)core_link_make(&core, number, parent, "a", &policy);
	bridge_station(&core.links[bridged], again);
	check("a link that is made again is the station that it was", memcmp(again, station, 6) == 0);
	int64_t other = core_link_make(&core, 0, parent, "a", &policy);
	bridge_station(&core.links[other], another);
	check("another one of its name is not", memcmp(another, station, 6) != 0);
	core_link_end(&core, core.links[other].number);
}

static void test_in(void)
{
	uint8_t frame[200] = {0}, other[6] = {2, 5, 5, 5, 5, 5};

	ethernet_make(frame, station, router_mac, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, FAR, 53, SELF, 5, 20);
	check("what is for its station comes in", give(CORE_OUTSIDE, frame, 62) == (int)bridged);
	memcpy(frame, other, 6);
	check("another station's frames do not", give(CORE_OUTSIDE, frame, 62) == CORE_NOWHERE);
	own.count = 0;
	memcpy(frame, everybody, 6);
	give(CORE_OUTSIDE, frame, 62);
	check("a group's do",
	      own.count == 1 && own.port == bridged && own.bytes == 62 && memcmp(own.frame, frame, 62) == 0);
	own.count = 0;
	memcpy(frame + 6, station, 6);
	give(CORE_OUTSIDE, frame, 62);
	check("but not its own come back", own.count == 0);
	core_link_end(&core, core.links[bridged].number);
	memcpy(frame, station, 6);
	check("nothing comes in after its end", give(CORE_OUTSIDE, frame, 62) == CORE_NOWHERE);
}

int main(void)
{
	world_connected();
	test_grant();
	test_out();
	test_again();
	test_in();
	return failures != 0;
}
