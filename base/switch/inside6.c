/* What the switch answers on a link with IPv6: it is the router there, fe80::1, and announces the link's prefix, from
 * which the sub-kernel makes its addresses itself (RFC 4862). It is a way outside while the switch has one. */
#include "core.h"
#include "text.h"

#define ROUTER_LIVES     1800u
#define PREFIX_VALID     86400u
#define PREFIX_PREFERRED 14400u
#define MTU_LEAST        1280u
#define ADVERT_FLAGS     0xe0u /* from a router, asked for, in place of what was known */
#define PREFIX_FLAGS     0xc0u /* neighbours; addresses may be made from it */

static const struct address all_nodes = {0xff02000000000000ull, 1};

struct address inside6_gateway(void)
{
	return (struct address){LINK_LOCAL, 1};
}

static bool is_gateway(const struct core_link *link, struct address address)
{
	return address.low == 1 && (address.high == LINK_LOCAL || address.high == core_link_prefix(link));
}

bool inside6_here(const struct core_link *link, struct address address)
{
	return address.high >> 56 == 0xff || address.high >> 54 == LINK_LOCAL >> 54 ||
	       is_gateway(link, address);
}

/* Sends what lies behind the headers in core->reply to the link. */
static void answer(struct core *core, unsigned port, const uint8_t mac[6], struct address from,
                   struct address to, uint32_t bytes)
{
	uint8_t *frame = core->reply;

	ethernet_make(frame, mac, core->links[port].mac, ETHER_IP6);
	bytes = discovery_make(frame + ETHERNET_BYTES, from, to, bytes);
	core->send(core->context, port, frame, ETHERNET_BYTES + bytes);
}

void inside6_announce(struct core *core, unsigned port)
{
	const struct core_link *link = &core->links[port];
	uint8_t *at = core->reply + ETHERNET_BYTES + IP6_BYTES, mac[6];

	if (link->policy.mode == SWITCH_BRIDGE)
		return;
	memset(at, 0, 16 + 8 + 8 + 32 + 16);
	at[0] = ICMP6_ROUTER_ADVERT;
	at[4] = 64; /* hops */
	put16(at + 6, core->six.bound && link->policy.mode != SWITCH_NONE ? ROUTER_LIVES : 0);
	at += 16;
	at[0] = DISCOVERY_SOURCE;
	at[1] = 1;
	memcpy(at + 2, link->mac, 6);
	at += 8;
	at[0] = DISCOVERY_MTU;
	at[1] = 1;
	put32(at + 4, core->mtu < MTU_LEAST ? MTU_LEAST : core->mtu);
	at += 8;
	at[0] = DISCOVERY_PREFIX;
	at[1] = 4;
	at[2] = 64;
	at[3] = PREFIX_FLAGS;
	put32(at + 4, PREFIX_VALID);
	put32(at + 8, PREFIX_PREFERRED);
	put64(at + 16, core_link_prefix(link));
	at += 32;
	at[0] = DISCOVERY_ROUTE; /* to the other links, also where there is no way outside */
	at[1] = 2;
	at[2] = 40;
	put32(at + 4, UINT32_MAX);
	put64(at + 8, INSIDE_SIX);
	group_mac(all_nodes, mac);
	answer(core, port, mac, inside6_gateway(), all_nodes, 16 + 8 + 8 + 32 + 16);
}

static void solicited(struct core *core, unsigned port, const struct packet *packet)
{
	const struct core_link *link = &core->links[port];
	struct address target = address_get(packet->inner + 8);
	uint8_t *at = core->reply + ETHERNET_BYTES + IP6_BYTES;

	if (!packet->source.high || !is_gateway(link, target))
		return;
	memset(at, 0, 32);
	at[0] = ICMP6_ADVERT;
	at[4] = ADVERT_FLAGS;
	address_put(at + 8, target);
	at[24] = DISCOVERY_TARGET;
	at[25] = 1;
	memcpy(at + 26, link->mac, 6);
	answer(core, port, link->peer_mac, target, packet->source, 32);
}

/* PACKET is in core->whole; its source is the link's own in any case. */
void inside6_local(struct core *core, unsigned port, struct packet *packet)
{
	const struct core_link *link = &core->links[port];
	bool nobody = !packet->source.high && !packet->source.low;

	if (!nobody && packet->source.high != LINK_LOCAL && packet->source.high != core_link_prefix(link))
		return;
	if (packet->discovery) {
		if (packet->inner[0] == ICMP6_ROUTER_SOLICIT && discovery_sound(packet, 8))
			inside6_announce(core, port);
		else if (packet->inner[0] == ICMP6_SOLICIT && discovery_sound(packet, 24))
			solicited(core, port, packet);
	} else if (!nobody && is_gateway(link, packet->destination)) {
		if (packet->echo)
			inside_echo(core, port, packet);
		else
			inside_unreachable(core, port, packet, INSIDE_PORT);
	}
}
