/* The switch's own place outside with IPv6: its addresses, its router and its neighbours (RFC 4861, RFC 4862).
 *
 * It takes one address from the first prefix of 64 bits that a router announces, and that router as its way; another
 * prefix only when the first one is past its time. Where there is none a DHCPv6 server may give one (outside6_lease.c).
 * Both addresses are used once nobody has answered for a second.
 * Who is on the network outside can announce what he likes, as with DHCP: links are held to their policies all the
 * same. */
#include "core.h"
#include "text.h"

#define PROBE_WAIT     2u /* ticks of a second: one at least is over */
#define CONFLICTS_MOST 5u
#define RETRY_FIRST    4u
#define RETRY_MOST     3600u /* RFC 7559 */
#define EXPIRY_LEAST   7200u /* RFC 4862, 5.5.3 e */
#define PREFIX_BYTES   32u
#define TELL_AGAIN     600u

enum advert_flag { ADVERT_OVERRIDE = 0x20, ADVERT_SOLICITED = 0x40 };
enum router_flag { ROUTER_MANAGED = 0x80, ROUTER_INFORMED = 0x40 };
enum prefix_flag { PREFIX_AUTONOMOUS = 0x40, PREFIX_ON_LINK = 0x80 };

static const struct address nobody, all_nodes = {0xff02000000000000ull, 1},
                                    all_routers = {0xff02000000000000ull, 2};

bool outside6_local(const struct core *core, struct address address)
{
	return core->six.linked && address.high == LINK_LOCAL && address.low == core->six.identifier;
}

static struct address link_local(const struct core *core)
{
	return (struct address){LINK_LOCAL, core->six.identifier};
}

static uint32_t until(const struct core *core, uint32_t seconds)
{
	return seconds >= UINT32_MAX - core->now ? UINT32_MAX : core->now + seconds;
}

/* ---- What is sent ---- */

/* TARGET: not in a router solicitation. The link address goes along, but not from NOBODY. */
static void discovery_send(struct core *core, uint8_t type, uint8_t flags, const uint8_t mac[6],
                           struct address from, struct address to, const struct address *target)
{
	uint8_t *frame = core->reply, *ip = frame + ETHERNET_BYTES, *icmp = ip + IP6_BYTES;
	uint32_t bytes = 8;
	uint8_t group[6];

	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[4] = flags;
	if (target) {
		address_put(icmp + bytes, *target);
		bytes += 16;
	}
	if (!address_same(from, nobody)) {
		icmp[bytes] = type == ICMP6_ADVERT ? DISCOVERY_TARGET : DISCOVERY_SOURCE;
		icmp[bytes + 1] = 1;
		memcpy(icmp + bytes + 2, core->mac, 6);
		bytes += 8;
	}
	group_mac(to, group);
	ethernet_make(frame, mac ? mac : group, core->mac, ETHER_IP6);
	bytes = discovery_make(ip, from, to, bytes);
	core->send(core->context, CORE_OUTSIDE, frame, ETHERNET_BYTES + bytes);
}

void outside6_probe(struct core *core, struct address own)
{
	discovery_send(core, ICMP6_SOLICIT, 0, 0, nobody, solicited_group(own), &own);
}

struct address outside6_source(const struct core *core, struct address to)
{
	if (to.high == LINK_LOCAL)
		return core->six.linked ? link_local(core) : nobody;
	return core->six.bound ? core->six.address : nobody;
}

void outside6_ask(struct core *core, struct address station)
{
	struct address from = outside6_source(core, station);

	if (!address_same(from, nobody))
		discovery_send(core, ICMP6_SOLICIT, 0, 0, from, solicited_group(station), &station);
}

static void ask_routers(struct core *core)
{
	core->six.asked_at = core->now;
	core->six.tries++;
	discovery_send(core, ICMP6_ROUTER_SOLICIT, 0, 0, core->six.linked ? link_local(core) : nobody,
	               all_routers, 0);
}

/* ---- Addresses ---- */

/* Draws an identifier, which is none of those that RFC 5453 keeps, and asks whether somebody has it. */
static void identify(struct core *core)
{
	struct core_six *six = &core->six;

	six->identifier = (core->random(core->context) & ~(2ull << 56)) | 1;
	six->linked = false;
	six->linked_at = core->now;
	outside6_probe(core, link_local(core));
	if (six->leased)
		return;
	six->bound = false;
	six->address.low = six->identifier;
	six->bound_at = core->now;
	if (six->address.high)
		outside6_probe(core, six->address);
}

void outside6_begin(struct core *core)
{
	struct core_six *six = &core->six;

	/* An address stays, as that of IPv4: a driver that was restarted comes back to the same network. */
	if (core->up && six->bound) {
		six->tries = 0;
		ask_routers(core);
		dhcp6_rejoin(&six->dhcp, core->now * 1000ull);
		return;
	}
	*six = (struct core_six){0};
	outside_forget(core, true);
	outside6_lease_begin(core);
	if (!core->up)
		return;
	identify(core);
	ask_routers(core);
}

/* Tells all links whether there is a way outside. */
static void tell_links(struct core *core)
{
	core->six.told_at = core->now;
	for (unsigned i = 0; i < SWITCH_LINKS_MAX; i++)
		if (core->links[i].number)
			inside6_announce(core, i);
}

void outside6_tick(struct core *core)
{
	struct core_six *six = &core->six;
	uint32_t wait = six->tries < 10 ? RETRY_FIRST << six->tries : RETRY_MOST;
	bool told = six->bound;

	if (!core->up || six->conflicts > CONFLICTS_MOST)
		return;
	if (!six->linked && core->now - six->linked_at >= PROBE_WAIT)
		six->linked = true;
	if (six->address.high && core->now >= six->expires_at) {
		six->address.high = 0;
		six->bound = six->leased = false;
		six->tries = 0;
	}
	outside6_lease_tick(core);
	if (six->address.high && !six->bound && core->now - six->bound_at >= PROBE_WAIT)
		six->bound = true;
	if ((!six->address.high || core->now >= six->router_until) &&
	    core->now - six->asked_at >= (wait > RETRY_MOST ? RETRY_MOST : wait))
		ask_routers(core);
	if (six->bound && core->now < six->router_until) {
		uint8_t mac[6];
		outside_station(core, six->router, mac); /* so that it is known when it is needed */
	}
	if (six->bound != told || (six->bound && core->now - six->told_at >= TELL_AGAIN))
		tell_links(core);
}

/* ---- What arrives ---- */

/* Whether TARGET is an address of the switch's that it has, or only tries (*TENTATIVE). */
static bool own_address(const struct core *core, struct address target, bool *tentative)
{
	const struct core_six *six = &core->six;

	if (address_same(target, link_local(core))) {
		*tentative = !six->linked;
		return true;
	}
	*tentative = !six->bound;
	return six->address.high && address_same(target, six->address);
}

/* TARGET, which the switch tries, is another's. */
static void conflict(struct core *core, struct address target)
{
	if (++core->six.conflicts <= CONFLICTS_MOST) {
		if (core->six.leased && address_same(target, core->six.address))
			outside6_lease_conflict(core);
		else
			identify(core);
		return;
	}
	core->six.linked = core->six.bound = false; /* until the card comes again */
}

static void solicited(struct core *core, const struct packet *packet)
{
	struct address target = address_get(packet->inner + 8), from = packet->source;
	bool unspecified = address_same(from, nobody), tentative, sound;
	const uint8_t *mac =
	    discovery_mac(packet->inner + 24, packet->inner_bytes - 24, DISCOVERY_SOURCE, &sound);
	uint8_t to[6];

	if (!sound || (unspecified && mac) || !own_address(core, target, &tentative))
		return;
	if (tentative) {
		if (unspecified) /* somebody else tries the same */
			conflict(core, target);
		return;
	}
	if (mac)
		outside_learn(core, from, mac);
	memcpy(to, mac ? mac : core->whole + 6, 6);
	discovery_send(core, ICMP6_ADVERT, ADVERT_OVERRIDE | (unspecified ? 0 : ADVERT_SOLICITED),
	               unspecified ? 0 : to, target, unspecified ? all_nodes : from, &target);
}

static void advertised(struct core *core, const struct packet *packet)
{
	struct address target = address_get(packet->inner + 8);
	bool tentative, sound;
	const uint8_t *mac =
	    discovery_mac(packet->inner + 24, packet->inner_bytes - 24, DISCOVERY_TARGET, &sound);

	if (!sound)
		return;
	if (own_address(core, target, &tentative)) {
		if (tentative)
			conflict(core, target);
		return;
	}
	outside_learn(core, target, mac ? mac : core->whole + 6);
}

static void prefix(struct core *core, const uint8_t *option)
{
	struct core_six *six = &core->six;
	struct address address = address_get(option + 16);
	uint32_t valid = get32(option + 4), preferred = get32(option + 8);

	address.low = six->identifier;
	if (option[2] != 64 || preferred > valid || core_special(address))
		return;
	if (option[3] & PREFIX_ON_LINK &&
	    (core->now >= six->neighbours_until || six->neighbours != six->address.high ||
	     address.high == six->neighbours)) {
		six->neighbours = address.high;
		six->neighbours_until = until(core, valid);
	}
	if (!(option[3] & PREFIX_AUTONOMOUS))
		return;
	if (six->address.high == address.high && !six->leased) {
		/* Nobody ends an address at once. */
		if (valid < EXPIRY_LEAST && six->expires_at > until(core, EXPIRY_LEAST))
			valid = EXPIRY_LEAST;
		else if (valid < EXPIRY_LEAST && until(core, valid) < six->expires_at)
			return;
	} else if (!preferred || (six->address.high && core->now < six->preferred_until)) {
		return;
	} else {
		six->address = address;
		six->bound = six->leased = false;
		six->bound_at = core->now;
		outside6_probe(core, address);
	}
	six->preferred_until = until(core, preferred);
	six->expires_at = until(core, valid);
}

static void router_heard(struct core *core, const struct packet *packet)
{
	struct core_six *six = &core->six;
	const uint8_t *at = packet->inner + 16;
	uint32_t count = packet->inner_bytes - 16, lifetime = get16(packet->inner + 6);
	bool sound;
	const uint8_t *mac = discovery_mac(at, count, DISCOVERY_SOURCE, &sound);

	if (!sound || packet->source.high != LINK_LOCAL)
		return;
	bool own = address_same(packet->source, six->router) || core->now >= six->router_until;
	if (own) {
		six->router = packet->source;
		six->managed = packet->inner[5] & ROUTER_MANAGED;
		six->informed = packet->inner[5] & ROUTER_INFORMED;
		six->router_until = lifetime ? until(core, lifetime) : core->now;
		six->tries = lifetime ? 0 : six->tries;
	}
	if (mac)
		outside_learn(core, packet->source, mac);
	while (count >= 8) {
		uint32_t bytes = at[1] * 8u;
		if (at[0] == DISCOVERY_PREFIX && bytes == PREFIX_BYTES)
			prefix(core, at);
		else if (at[0] == DISCOVERY_NAME_SERVERS && own)
			outside6_name_servers(core, at, bytes);
		at += bytes;
		count -= bytes;
	}
}

void outside6_discovery(struct core *core, const struct packet *packet)
{
	uint8_t type = packet->inner[0];

	if (!core->up || core->six.conflicts > CONFLICTS_MOST)
		return;
	if (type == ICMP6_ROUTER_ADVERT && discovery_sound(packet, 16))
		router_heard(core, packet);
	else if (type == ICMP6_SOLICIT && discovery_sound(packet, 24))
		solicited(core, packet);
	else if (type == ICMP6_ADVERT && discovery_sound(packet, 24))
		advertised(core, packet);
}
