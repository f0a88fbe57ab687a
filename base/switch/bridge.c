/* Bridged links: stations of the network outside, with a MAC address of their own, whose frames pass as they are.
 *
 * What such a link sends comes from its station alone, and does not pretend to be the switch, the router, or a server of
 * addresses: another station would believe it. Between links nothing passes here either. What arrives for its station,
 * or for a group, is the link's. */
#include "core.h"

#include "text_inline.h"

#define ARP_BYTES    28u
#define DHCP_SERVER  67u
#define DHCP6_SERVER 547u
#define REDIRECT     137u

void bridge_station(const struct core_link *link, uint8_t mac[6])
{
	memcpy(mac, link->mac, 6);
	mac[5] ^= 1; /* the switch's own there with the last bit turned */
}

static bool pretends(const struct core *core, struct address address)
{
	return (core->bound && address_same(address, address4(core->address))) ||
	       (core->router && address_same(address, address4(core->router))) ||
	       (core->six.bound && address_same(address, core->six.address)) ||
	       (core->six.router.high && address_same(address, core->six.router));
}

static bool sound4(const struct core *core, const uint8_t *ip, uint32_t count)
{
	uint32_t header = count < IP_BYTES ? 0 : (ip[0] & 15u) * 4;

	if (header < IP_BYTES || ip[0] >> 4 != 4 || header > count ||
	    pretends(core, address4(get32(ip + 12))))
		return false;
	/* A later fragment cannot reach the ports: they lie in the first 8 bytes. */
	return ip[9] != IP_UDP || get16(ip + 6) & 0x1fff ||
	       (count >= header + UDP_BYTES && get16(ip + header) != DHCP_SERVER);
}

static bool sound6(const struct core *core, const uint8_t *ip, uint32_t count)
{
	const uint8_t *inner = ip + IP6_BYTES;
	uint8_t protocol;

	if (count < IP6_BYTES + FRAGMENT_BYTES || ip[0] >> 4 != 6 || pretends(core, address_get(ip + 8)))
		return false;
	protocol = ip[6];
	count -= IP6_BYTES;
	if (protocol == IP_FRAGMENT) {
		protocol = inner[0];
		if (protocol == IP_ICMP6) /* discovery could hide there */
			return false;
		if (get16(inner + 2) & ~7u)
			return protocol == IP_UDP || protocol == IP_TCP;
		inner += FRAGMENT_BYTES;
		count -= FRAGMENT_BYTES;
	}
	switch (protocol) {
	case IP_TCP:
		return true;
	case IP_UDP:
		return count >= UDP_BYTES && get16(inner) != DHCP6_SERVER;
	case IP_ICMP6:
		if (inner[0] == ICMP6_ADVERT)
			return count >= 24 && !pretends(core, address_get(inner + 8));
		return inner[0] != ICMP6_ROUTER_ADVERT && inner[0] != REDIRECT;
	default:
		return false;
	}
}

int bridge_out(const struct core *core, unsigned port, const uint8_t *head, uint32_t held)
{
	const uint8_t *at = head + ETHERNET_BYTES;
	uint32_t count = held - ETHERNET_BYTES;
	bool sound = false;
	uint8_t mac[6];

	bridge_station(&core->links[port], mac);
	if (!core->up || memcmp(head + 6, mac, 6) != 0)
		return CORE_NOWHERE;
	switch (get16(head + 12)) {
	case ETHER_ARP:
		sound = count >= ARP_BYTES && memcmp(at + 8, mac, 6) == 0 &&
		        !pretends(core, address4(get32(at + 14)));
		break;
	case ETHER_IP:
		sound = sound4(core, at, count);
		break;
	case ETHER_IP6:
		sound = sound6(core, at, count);
		break;
	}
	return sound ? (int)CORE_OUTSIDE : CORE_NOWHERE;
}

int bridge_in(struct core *core, const uint8_t *head, uint32_t total)
{
	for (unsigned i = 0; i < SWITCH_LINKS_MAX; i++) {
		const struct core_link *link = &core->links[i];
		uint8_t mac[6];

		if (!link->number || link->policy.mode != SWITCH_BRIDGE)
			continue;
		bridge_station(link, mac);
		if (head[0] & 1 && memcmp(head + 6, mac, 6) != 0) /* a group; not one's own frame come back */
			core->send(core->context, i, core->whole, total);
		else if (memcmp(head, mac, 6) == 0)
			return (int)i;
	}
	return CORE_NOWHERE;
}
