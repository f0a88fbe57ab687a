/* What is known outside by IPv6 beside the routers' prefixes: an address by DHCPv6 where the router says so and
 * announces no prefix to make one from, and name servers, of the router (RFC 8106) or of a DHCPv6 server. */
#include "core.h"
#include "text.h"

static const struct address all_servers = {0xff02000000000000ull, 0x10002};

static uint64_t milliseconds(const struct core *core)
{
	return core->now * 1000ull;
}

static uint32_t seconds(uint64_t milliseconds)
{
	return milliseconds / 1000 >= UINT32_MAX ? UINT32_MAX : (uint32_t)(milliseconds / 1000);
}

static void send(void *context, const uint8_t *message, uint32_t bytes)
{
	struct core *core = context;
	uint8_t *frame = core->reply, *ip = frame + ETHERNET_BYTES, mac[6];

	memcpy(ip + IP6_BYTES + UDP_BYTES, message, bytes);
	group_mac(all_servers, mac);
	ethernet_make(frame, mac, core->mac, ETHER_IP6);
	bytes = datagram_make(ip, (struct address){LINK_LOCAL, core->six.identifier}, DHCP6_CLIENT_PORT,
	                      all_servers, DHCP6_SERVER_PORT, bytes);
	core->send(core->context, CORE_OUTSIDE, frame, ETHERNET_BYTES + bytes);
}

static uint32_t random(void *context)
{
	struct core *core = context;

	return (uint32_t)core->random(core->context);
}

static void changed(void *context)
{
	struct core *core = context;
	struct core_six *six = &core->six;
	const struct dhcp6_lease *lease = &six->dhcp.lease;
	struct address address = address_get(lease->address);

	if (!lease->bound) {
		if (six->leased)
			six->address.high = 0;
		six->bound &= !six->leased;
		six->leased = false;
		return;
	}
	if (core_special(address) || (six->address.high && !six->leased))
		return;
	if (!address_same(address, six->address)) {
		six->address = address;
		six->leased = true;
		six->bound = false;
		six->bound_at = core->now;
		outside6_probe(core, address);
	}
	six->preferred_until = seconds(lease->preferred_until);
	six->expires_at = seconds(lease->valid_until);
}

void outside6_lease_begin(struct core *core)
{
	dhcp6_init(&core->six.dhcp, core->mac, send, random, changed, core);
}

void outside6_lease_tick(struct core *core)
{
	struct core_six *six = &core->six;
	bool made = six->address.high && !six->leased;

	if (!six->linked) /* servers answer to that address */
		return;
	dhcp6_want(&six->dhcp,
	           six->managed && !made           ? DHCP6_ADDRESS
	           : six->managed || six->informed ? DHCP6_INFORMATION
	                                           : DHCP6_NOTHING,
	           milliseconds(core));
	(void)dhcp6_advance(&six->dhcp, milliseconds(core));
}

void outside6_lease_input(struct core *core, const struct packet *packet)
{
	uint32_t bytes = get16(packet->inner + 4);

	if (core->up && !inner_sum(packet->ip, IP_UDP, packet->inner, bytes))
		dhcp6_input(&core->six.dhcp, packet->inner + UDP_BYTES, bytes - UDP_BYTES,
		            milliseconds(core));
}

void outside6_lease_conflict(struct core *core)
{
	dhcp6_decline(&core->six.dhcp, milliseconds(core));
}

void outside6_name_servers(struct core *core, const uint8_t *option, uint32_t bytes)
{
	struct core_six *six = &core->six;
	uint32_t lives = get32(option + 4);
	uint32_t until = lives >= UINT32_MAX - core->now ? UINT32_MAX : core->now + lives;

	for (uint32_t at = 8; at + 16 <= bytes; at += 16) {
		struct address server = address_get(option + at);
		unsigned place = CORE_NAME_SERVERS;

		if (server.high != LINK_LOCAL && core_special(server))
			continue;
		for (unsigned i = 0; i < CORE_NAME_SERVERS; i++)
			if (address_same(six->name_servers[i].address, server) ||
			    (place == CORE_NAME_SERVERS && core->now >= six->name_servers[i].until))
				place = i;
		if (place == CORE_NAME_SERVERS) /* those that are known stay to their end */
			continue;
		six->name_servers[place].address = server;
		six->name_servers[place].until = until;
	}
}
