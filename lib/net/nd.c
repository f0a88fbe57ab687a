/* Neighbour discovery (RFC 4861), stateless autoconfiguration and duplicate address detection (RFC 4862). */
#include "internal.h"
#include <string.h>

enum { ND_ROUTER_SOLICIT = 133, ND_ROUTER_ADVERT = 134, ND_SOLICIT = 135, ND_ADVERT = 136 };
enum {
	OPTION_SOURCE_MAC = 1,
	OPTION_TARGET_MAC = 2,
	OPTION_PREFIX = 3,
	OPTION_MTU = 5,
	OPTION_ROUTE = 24,
	OPTION_NAME_SERVERS = 25
};
enum { ROUTER_MANAGED = 0x80, ROUTER_INFORMED = 0x40 };
enum { ADVERT_SOLICITED = 0x40, ADVERT_OVERRIDE = 0x20, PREFIX_ON_LINK = 0x80, PREFIX_AUTONOMOUS = 0x40 };
enum { DUPLICATE_PROBES = 1, ROUTER_SOLICITATIONS = 3 };

static const struct net_address all_nodes = {{0xff, 2, [15] = 1}}, all_routers = {{0xff, 2, [15] = 2}};

static struct net_address solicited_node(const struct net_address *target)
{
	struct net_address to = {{0xff, 2, [11] = 1, [12] = 0xff}};

	memcpy(to.bytes + 13, target->bytes + 13, 3);
	return to;
}

static void nd_send(struct net_link *link, const struct net_address *from, const struct net_address *to,
                    uint8_t type, uint32_t flags, const struct net_address *target, uint8_t option)
{
	struct ip_header header = {
	    .from = *from, .to = *to, .protocol = PROTOCOL_ICMPV6, .ttl = 255, .scope = link->number};
	uint8_t body[24];
	size_t count = 0;

	if (target) {
		memcpy(body, target, 16);
		count = 16;
	}
	if (option) {
		body[count] = option;
		body[count + 1] = 1;
		memcpy(body + count + 2, link->config.mac, 6);
		count += 8;
	}
	(void)icmpv6_send(link->net, &header, type, 0, flags << 24, body, count);
}

/* MAC: a unicast probe to who had it before. */
void nd_solicit(struct net_link *link, const struct net_address *target, const uint8_t *mac,
                const struct net_address *source)
{
	struct net_address to = mac ? *target : solicited_node(target);

	if (source)
		nd_send(link, source, &to, ND_SOLICIT, 0, target, OPTION_SOURCE_MAC);
}

/* ---- Our addresses ---- */

static void address_expire(struct net *net, struct timer *timer)
{
	struct link_address *own = NET_ITEM(timer, struct link_address, timer);
	static const struct net_address unspecified;

	if (own->state == ADDRESS_TENTATIVE) {
		struct net_address to = solicited_node(&own->address);

		if (own->probes < DUPLICATE_PROBES) {
			own->probes++;
			timer_arm(&net->timers, timer, net->now + SECOND);
			nd_send(own->link, &unspecified, &to, ND_SOLICIT, 0, &own->address, 0);
			return;
		}
		own->state = ADDRESS_VALID;
	}
	if (own->valid_until <= net->now) {
		struct net_address gone = own->address;

		(void)net_address_remove(own->link, &gone);
	} else if (own->valid_until != UINT64_MAX) {
		timer_arm(&net->timers, timer, own->valid_until);
	}
}

void nd_address_start(struct net_link *link, struct link_address *address)
{
	address->state = ADDRESS_TENTATIVE;
	address->timer.expire = address_expire;
	/* After a random part of a second (RFC 4862, 5.4.2). */
	timer_arm(&link->net->timers, &address->timer, link->net->now + net_random(link->net) % SECOND);
}

static void router_solicit(struct net *net, struct timer *timer)
{
	struct net_link *link = NET_ITEM(timer, struct net_link, timer);
	const struct net_address *source = link_source(link, &all_routers);

	if (!link->autoconfigure)
		return;
	if (source)
		nd_send(link, source, &all_routers, ND_ROUTER_SOLICIT, 0, NULL, OPTION_SOURCE_MAC);
	if (++link->solicitations < ROUTER_SOLICITATIONS + 2)
		timer_arm(&net->timers, timer, net->now + 4 * SECOND);
}

/* A link-local address from the MAC (RFC 2464, 4), and a search for routers. */
void nd_link_start(struct net_link *link)
{
	struct net_address address = {{0xfe, 0x80}};
	const uint8_t *mac = link->config.mac;

	memcpy(address.bytes + 8, mac, 3);
	address.bytes[8] ^= 2;
	address.bytes[11] = 0xff;
	address.bytes[12] = 0xfe;
	memcpy(address.bytes + 13, mac + 3, 3);
	(void)net_address_add(link, &address, 64); /* there already when the link comes up again */
	dhcp6_link_rejoin(link);
	link->autoconfigure = true;
	link->solicitations = 0;
	link->timer.expire = router_solicit;
	timer_arm(&link->net->timers, &link->timer,
	          link->net->now + 2 * SECOND + net_random(link->net) % SECOND);
}

/* ---- Input ---- */

/* The options' link address of KIND, or 0; *GOOD is false when the options are malformed. */
static const uint8_t *option_mac(const uint8_t *at, uint32_t count, uint8_t kind, bool *good)
{
	const uint8_t *mac = NULL;

	while (count >= 8 && at[1] && count >= at[1] * 8u) {
		if (at[0] == kind && at[1] == 1)
			mac = at + 2;
		count -= at[1] * 8u;
		at += at[1] * 8u;
	}
	*good = count == 0;
	return mac;
}

static void solicit_input(struct net_link *link, const struct packet *packet)
{
	struct net_address target, to = packet->from;
	struct link_address *own;
	bool good, unspecified = address_zero(&packet->from);
	const uint8_t *mac;

	if (packet->length < 24)
		return;
	memcpy(&target, packet->data + 8, 16);
	mac = option_mac(packet->data + 24, packet->length - 24, OPTION_SOURCE_MAC, &good);
	own = address_multicast(&target) ? NULL : link_own_address(link, &target);
	if (!good || !own || (unspecified && (mac || !address_multicast(&packet->to))))
		return;
	if (own->state != ADDRESS_VALID) {
		if (unspecified) { /* somebody else tries the same (RFC 4862, 5.4.3) */
			own->state = ADDRESS_DUPLICATE;
			dhcp6_link_duplicate(link, &target);
		}
		return;
	}
	if (unspecified)
		to = all_nodes;
	else if (mac)
		neighbour_learn(link, &packet->from, mac, true, true, false);
	nd_send(link, &own->address, &to, ND_ADVERT, ADVERT_OVERRIDE | (unspecified ? 0u : ADVERT_SOLICITED),
	        &own->address, OPTION_TARGET_MAC);
}

static void advert_input(struct net_link *link, const struct packet *packet)
{
	struct net_address target;
	struct link_address *own;
	const uint8_t *mac;
	uint8_t flags = packet->data[4];
	bool good;

	if (packet->length < 24)
		return;
	memcpy(&target, packet->data + 8, 16);
	mac = option_mac(packet->data + 24, packet->length - 24, OPTION_TARGET_MAC, &good);
	if (!good || address_multicast(&target) ||
	    (address_multicast(&packet->to) && (flags & ADVERT_SOLICITED)))
		return;
	own = link_own_address(link, &target);
	if (own) {
		if (own->state == ADDRESS_TENTATIVE) {
			own->state = ADDRESS_DUPLICATE;
			dhcp6_link_duplicate(link, &target);
		}
	} else if (mac) {
		neighbour_learn(link, &target, mac, flags & ADVERT_OVERRIDE, false, flags & ADVERT_SOLICITED);
	}
}

static uint64_t lifetime(struct net *net, uint32_t seconds)
{
	return seconds == 0xffffffff ? UINT64_MAX : net->now + seconds * SECOND;
}

/* Whether PREFIX can be a network's: those that begin with 64 zeros hold no hosts, but IPv4's addresses as they stand
 * here, whose way no router of IPv6 tells. */
static bool prefix_good(const struct net_address *prefix)
{
	static const uint8_t nothing[8];

	return memcmp(prefix->bytes, nothing, 8) != 0 && !address_link_local(prefix) &&
	       !address_multicast(prefix);
}

static void prefix_input(struct net_link *link, const uint8_t *option)
{
	struct net *net = link->net;
	struct net_address prefix, address;
	uint32_t valid = load32(option + 4), preferred = load32(option + 8);
	struct link_address *own;
	unsigned automatic = 0;

	memcpy(&prefix, option + 16, 16);
	if (option[2] > 128 || preferred > valid || !prefix_good(&prefix))
		return;
	if (option[3] & PREFIX_ON_LINK)
		(void)route_add(net, &prefix, option[2], link, NULL, true,
		                lifetime(net, valid)); /* full: as without */
	if (!(option[3] & PREFIX_AUTONOMOUS) || option[2] != 64)
		return;
	/* The interface identifier of the link-local address. */
	address = prefix;
	for (unsigned index = 0; index < link->address_count; index++) {
		automatic += link->addresses[index].automatic;
		if (address_link_local(&link->addresses[index].address) &&
		    !net_is_ipv4(&link->addresses[index].address))
			memcpy(address.bytes + 8, link->addresses[index].address.bytes + 8, 8);
	}
	own = link_own_address(link, &address);
	if (!own) {
		if (!valid || automatic >= ADDRESSES_TOLD_MAX || net_address_add(link, &address, 64) != 0)
			return;
		own = link_own_address(link, &address);
		own->automatic = true;
	} else if (!own->automatic) {
		return;
	} else if (valid < 7200 && own->valid_until > net->now + 7200 * SECOND) {
		valid = 7200; /* RFC 4862, 5.5.3 e: nobody ends an address at once */
	}
	own->preferred_until = lifetime(net, preferred);
	own->valid_until = lifetime(net, valid);
	if (own->state == ADDRESS_VALID && own->valid_until != UINT64_MAX)
		timer_arm(&net->timers, &own->timer, own->valid_until);
}

/* A network that ROUTER is the way to, though perhaps not to all others (RFC 4191, 2.3). */
static void route_input(struct net_link *link, const struct net_address *router, const uint8_t *option,
                        uint32_t bytes)
{
	struct net_address prefix = {{0}};
	uint8_t length = option[2];

	if (length > 128 || bytes > 24 || (bytes - 8) * 8 < length)
		return;
	memcpy(prefix.bytes, option + 8, (length + 7u) / 8);
	if (length && !prefix_good(&prefix))
		return;
	(void)route_add(link->net, &prefix, length, link, router, true,
	                lifetime(link->net, load32(option + 4))); /* full: as without */
}

/* Name servers (RFC 8106, 5.1): those that are known stay to their end, as long as there is no place for others. */
static void name_servers_input(struct net_link *link, const uint8_t *option, uint32_t bytes)
{
	const uint64_t now = link->net->now;

	for (uint32_t at = 8; at + 16 <= bytes; at += 16) {
		struct net_address server;
		unsigned place = NET_NAME_SERVERS_MAX;

		memcpy(&server, option + at, 16);
		if (address_multicast(&server) || address_zero(&server) || net_is_ipv4(&server))
			continue;
		for (unsigned index = 0; index < NET_NAME_SERVERS_MAX; index++)
			if (address_equal(&link->name_servers[index].address, &server) ||
			    (place == NET_NAME_SERVERS_MAX && link->name_servers[index].valid_until <= now))
				place = index;
		if (place == NET_NAME_SERVERS_MAX)
			continue;
		link->name_servers[place].address = server;
		link->name_servers[place].valid_until = lifetime(link->net, load32(option + 4));
	}
}

static void router_input(struct net_link *link, const struct packet *packet)
{
	static const struct net_address any;
	const uint8_t *at = packet->data + 16, *mac;
	uint32_t count;
	bool good;

	if (packet->length < 16 || !address_link_local(&packet->from) || !link->autoconfigure)
		return;
	count = packet->length - 16;
	mac = option_mac(at, count, OPTION_SOURCE_MAC, &good);
	if (!good)
		return;
	if (mac)
		neighbour_learn(link, &packet->from, mac, true, true, false);
	if (packet->data[4])
		link->hop_limit = packet->data[4];
	(void)route_add(link->net, &any, 0, link, &packet->from, true,
	                lifetime(link->net, load16(packet->data + 6)));
	while (count >= 8) {
		uint32_t bytes = at[1] * 8u;

		if (at[0] == OPTION_PREFIX && bytes == 32)
			prefix_input(link, at);
		else if (at[0] == OPTION_ROUTE)
			route_input(link, &packet->from, at, bytes);
		else if (at[0] == OPTION_NAME_SERVERS)
			name_servers_input(link, at, bytes);
		at += bytes;
		count -= bytes;
	}
	dhcp6_link_want(link, packet->data[5] & ROUTER_MANAGED, packet->data[5] & ROUTER_INFORMED);
	link->solicitations = ROUTER_SOLICITATIONS + 2;
	timer_disarm(&link->net->timers, &link->timer);
}

void nd_input(struct net_link *link, const struct packet *packet)
{
	/* RFC 4861, 6.1 and 7.1: a hop limit of 255 shows that it comes from this link. */
	if (packet->ttl != 255 || packet->data[1] != 0 || link->config.kind != NET_LINK_ETHERNET)
		return;
	switch (packet->data[0]) {
	case ND_ROUTER_ADVERT:
		router_input(link, packet);
		break;
	case ND_SOLICIT:
		solicit_input(link, packet);
		break;
	case ND_ADVERT:
		advert_input(link, packet);
		break;
	default: /* redirects are not followed */
		break;
	}
}
