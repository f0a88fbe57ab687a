/* The switch's own place outside: its address by DHCP, and its neighbours, by ARP (RFC 826) those of IPv4. */
#include "core.h"
#include "dhcp.h"
#include "text.h"

#define ARP_BYTES     28u
#define STATION_LIVES 300u /* seconds without hearing of it */
#define STATION_ASKS  1u
#define SILENT_MOST   8u  /* stations of one port that have not answered yet */
#define ASKED_MOST    64u /* new ones for one link, a second */
#define LEASE_LEAST   60u
#define LEASE_MOST    864000u
#define RETRY_MOST    16u

static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};

/* ---- Neighbours ---- */

static void arp_send(struct core *core, uint16_t operation, const uint8_t to[6], uint32_t address, bool asks)
{
	uint8_t *frame = core->reply, *arp = frame + ETHERNET_BYTES;

	ethernet_make(frame, to, core->mac, ETHER_ARP);
	memset(arp, 0, ARP_BYTES);
	put16(arp, 1);
	put16(arp + 2, ETHER_IP);
	arp[4] = 6;
	arp[5] = 4;
	put16(arp + 6, operation);
	memcpy(arp + 8, core->mac, 6);
	put32(arp + 14, core->address);
	if (!asks)
		memcpy(arp + 18, to, 6);
	put32(arp + 24, address);
	core->send(core->context, CORE_OUTSIDE, frame, ETHERNET_BYTES + ARP_BYTES);
}

static bool station_free(struct address address)
{
	return !address.high && !address.low;
}

static int station_find(const struct core *core, struct address address)
{
	for (int i = 0; i < (int)CORE_STATIONS; i++)
		if (address_same(core->stations[i].address, address))
			return i;
	return -1;
}

/* A router's place is kept. */
static bool station_kept(const struct core *core, unsigned index)
{
	return address_same(core->stations[index].address, address4(core->router)) ||
	       address_same(core->stations[index].address, core->six.router);
}

static bool station_silent(const struct core *core, unsigned index)
{
	return !station_free(core->stations[index].address) && !core->stations[index].known &&
	       !station_kept(core, index);
}

/* One that never answered, of those that PORT asked for, at random; -1: there is none. */
static int silent_choose(struct core *core, unsigned port)
{
	unsigned seen = 0;
	int chosen = -1;

	for (unsigned i = 0; i < CORE_STATIONS; i++)
		if (station_silent(core, i) && core->stations[i].asker == port &&
		    core->random(core->context) % ++seen == 0)
			chosen = (int)i;
	return chosen;
}

/* The port that asked for most of those that never answered, and how many; -1: there are none. */
static int greediest(const struct core *core, unsigned port, unsigned *mine)
{
	unsigned counts[CORE_PORTS] = {0};
	int most = -1;

	for (unsigned i = 0; i < CORE_STATIONS; i++)
		if (station_silent(core, i))
			counts[core->stations[i].asker]++;
	for (unsigned i = 0; i < CORE_PORTS; i++)
		if (counts[i] && (most < 0 || counts[i] > counts[most]))
			most = (int)i;
	*mine = counts[port];
	return most;
}

/* A place for a station that PORT asks for. Who sends to many that do not exist drives out nobody who does, and harms
 * himself alone: one port's silent stations have a share of the table, in which they replace one another at random; in
 * a full table those of the port that has most of them go, then the station unheard of longest. */
static int station_choose(struct core *core, unsigned port)
{
	unsigned mine;
	int most = greediest(core, port, &mine), oldest = -1;

	if (mine >= SILENT_MOST)
		return silent_choose(core, port);
	for (int i = 0; i < (int)CORE_STATIONS; i++) {
		if (station_free(core->stations[i].address))
			return i;
		if (core->stations[i].known && !station_kept(core, (unsigned)i) &&
		    (oldest < 0 || core->stations[i].seen_at < core->stations[oldest].seen_at))
			oldest = i;
	}
	return most >= 0 ? silent_choose(core, (unsigned)most) : oldest;
}

static int station_place(struct core *core, unsigned port, struct address address)
{
	int place = station_choose(core, port);

	memset(&core->stations[place], 0, sizeof(core->stations[place]));
	core->stations[place].address = address;
	core->stations[place].asker = (uint8_t)port;
	core->stations[place].seen_at = core->now;
	return place;
}

/* The neighbour on the way to ADDRESS; 0: there is no way. */
static struct address next_hop(const struct core *core, struct address address)
{
	const struct core_six *six = &core->six;
	uint32_t four = (uint32_t)address.low;

	if (address_is4(address)) {
		uint32_t hop = (four & core->mask) == (core->address & core->mask) ? four : core->router;
		return core->bound && hop ? address4(hop) : (struct address){0};
	}
	if (address.high == LINK_LOCAL)
		return six->linked ? address : (struct address){0};
	if (!six->bound)
		return (struct address){0};
	if (address.high == six->neighbours && core->now < six->neighbours_until)
		return address;
	return core->now < six->router_until ? six->router : (struct address){0};
}

bool outside_route(const struct core *core, struct address address)
{
	return !station_free(next_hop(core, address));
}

bool outside_station(struct core *core, struct address address, uint8_t mac[6])
{
	return outside_station_for(core, CORE_OUTSIDE, address, mac);
}

bool outside_station_for(struct core *core, unsigned port, struct address address, uint8_t mac[6])
{
	struct address hop = next_hop(core, address);
	int at = station_free(hop) ? -1 : station_find(core, hop);

	if (station_free(hop))
		return false;
	if (at < 0 && port != CORE_OUTSIDE && core->links[port].asked++ >= ASKED_MOST)
		return false;
	if (at < 0)
		at = station_place(core, port, hop);
	bool known = core->stations[at].known && core->now - core->stations[at].seen_at < STATION_LIVES;
	bool stale = core->now - core->stations[at].seen_at > STATION_LIVES / 2;
	if ((!known || stale) && core->now - core->stations[at].asked_at >= STATION_ASKS) {
		core->stations[at].asked_at = core->now;
		if (address_is4(hop))
			arp_send(core, 1, everybody, (uint32_t)hop.low, true);
		else
			outside6_ask(core, hop);
	}
	if (known)
		memcpy(mac, core->stations[at].mac, 6);
	return known;
}

void outside_forget(struct core *core, bool six)
{
	for (unsigned i = 0; i < CORE_STATIONS; i++)
		if (address_is4(core->stations[i].address) != six)
			memset(&core->stations[i], 0, sizeof(core->stations[i]));
}

/* Only stations that were asked for are learned: nobody can fill the table. */
void outside_learn(struct core *core, struct address station, const uint8_t mac[6])
{
	int at = station_find(core, station);

	if (at < 0 || mac[0] & 1)
		return;
	memcpy(core->stations[at].mac, mac, 6);
	core->stations[at].known = true;
	core->stations[at].seen_at = core->now;
}

int outside_arp(struct core *core, uint32_t bytes)
{
	const uint8_t *arp = core->whole + ETHERNET_BYTES;

	if (bytes < ETHERNET_BYTES + ARP_BYTES || get16(arp) != 1 || get16(arp + 2) != ETHER_IP ||
	    arp[4] != 6 || arp[5] != 4 || !core->bound)
		return CORE_NOWHERE;
	uint32_t sender = get32(arp + 14);
	uint16_t operation = get16(arp + 6);
	if (sender && sender != core->address && (operation == 2 || get32(arp + 24) == core->address))
		outside_learn(core, address4(sender), arp + 8);
	if (operation == 1 && get32(arp + 24) == core->address && !(arp[8] & 1)) {
		uint8_t to[6];
		memcpy(to, arp + 8, 6);
		arp_send(core, 2, to, sender, false);
	}
	return CORE_NOWHERE;
}

uint8_t *outside_data(struct core *core, struct address to)
{
	return core->reply + ETHERNET_BYTES + (address_is4(to) ? IP_BYTES : IP6_BYTES) + UDP_BYTES;
}

void outside_send_udp(struct core *core, struct address to, uint16_t from_port, uint16_t to_port,
                      uint32_t data_bytes)
{
	const bool six = !address_is4(to);
	uint8_t *frame = core->reply, mac[6];

	/* The data is in place: arp_send must not use the buffer now. */
	struct address hop = next_hop(core, to);
	int at = station_free(hop) ? -1 : station_find(core, hop);
	if (at < 0 || !core->stations[at].known) {
		outside_station(core, to, mac);
		return;
	}
	ethernet_make(frame, core->stations[at].mac, core->mac, six ? ETHER_IP6 : ETHER_IP);
	uint32_t bytes =
	    datagram_make(frame + ETHERNET_BYTES, six ? outside6_source(core, to) : address4(core->address),
	                  from_port, to, to_port, data_bytes);
	if (bytes <= core->mtu)
		core->send(core->context, CORE_OUTSIDE, frame, ETHERNET_BYTES + bytes);
}

/* ---- The address ---- */

static void dhcp_send(struct core *core, uint8_t type)
{
	uint8_t *frame = core->reply, *ip = frame + ETHERNET_BYTES;
	struct dhcp_message message = {
	    .operation = 1, .type = type, .transaction = core->transaction, .broadcast = !core->bound};

	memcpy(message.hardware, core->mac, 6);
	if (core->bound) {
		message.given = core->address;
	} else if (type == DHCP_REQUEST) {
		message.wanted = core->offered;
		message.server = core->offering;
	}
	uint32_t bytes = dhcp_write(ip + IP_BYTES + UDP_BYTES, &message);
	ethernet_make(frame, everybody, core->mac, ETHER_IP);
	udp_make(ip, core->bound ? core->address : 0, 68, UINT32_MAX, 67, bytes);
	core->send(core->context, CORE_OUTSIDE, frame, ETHERNET_BYTES + IP_BYTES + UDP_BYTES + bytes);
	core->asked_at = core->now;
	core->tries++;
}

static void begin(struct core *core)
{
	core->bound = core->requesting = false;
	core->address = core->router = 0;
	core->tries = 0;
	core->transaction = (uint32_t)core->random(core->context);
	outside_forget(core, false);
}

void core_outside(struct core *core, bool up, const uint8_t mac[6], uint16_t mtu)
{
	core->up = up;
	core->mtu = mtu;
	if (up)
		memcpy(core->mac, mac, 6);
	/* An address stays: a driver that was restarted comes back to the same network. It is asked for again. */
	if (up && core->bound)
		core->renew_at = core->now;
	else
		begin(core);
	outside6_begin(core);
	if (up && !core->bound)
		dhcp_send(core, DHCP_DISCOVER);
}

static bool lease_sound(const struct dhcp_message *message)
{
	uint32_t hosts = ~message->mask;

	return message->given && message->mask && !(hosts & (hosts + 1)) && message->given >> 28 < 14 &&
	       message->given >> 24 != 127 && message->given >> 24 != 0;
}

void outside_dhcp(struct core *core, const uint8_t *data, uint32_t bytes)
{
	struct dhcp_message message;
	uint8_t mac[6];

	if (!core->up || !dhcp_read(data, bytes, &message) || message.operation != 2 ||
	    message.transaction != core->transaction || memcmp(message.hardware, core->mac, 6) != 0)
		return;
	if (message.type == DHCP_OFFER && !core->bound && !core->requesting && lease_sound(&message)) {
		core->offered = message.given;
		core->offering = message.server;
		core->requesting = true;
		core->tries = 0;
		dhcp_send(core, DHCP_REQUEST);
	} else if (message.type == DHCP_NAK) {
		begin(core);
	} else if (message.type == DHCP_ACK && (core->requesting || core->bound) && lease_sound(&message)) {
		uint32_t lease = message.lease < LEASE_LEAST  ? LEASE_LEAST
		                 : message.lease > LEASE_MOST ? LEASE_MOST
		                                              : message.lease;
		if (core->bound && core->address != message.given) {
			begin(core);
			return;
		}
		core->bound = true;
		core->requesting = false;
		core->tries = 0;
		core->address = message.given;
		core->mask = message.mask;
		core->router = message.router;
		core->server = message.server;
		memcpy(core->name_servers, message.name_servers, sizeof(core->name_servers));
		core->renew_at = core->now + lease / 2;
		core->expires_at = core->now + lease;
		if (core->router)
			outside_station(core, address4(core->router), mac);
		for (unsigned i = 0; i < 3; i++)
			if (core->name_servers[i])
				outside_station(core, address4(core->name_servers[i]), mac);
	}
}

void outside_tick(struct core *core)
{
	uint32_t wait = core->tries < 5 ? 1u << core->tries : RETRY_MOST;
	uint8_t mac[6];

	if (!core->up)
		return;
	if (core->bound && core->now >= core->expires_at)
		begin(core);
	if (core->bound) {
		if (core->router)
			outside_station(core, address4(core->router),
			                mac); /* so that it is known when it is needed */
		if (core->now >= core->renew_at && core->now - core->asked_at >= wait)
			dhcp_send(core, DHCP_REQUEST);
		return;
	}
	if (core->now - core->asked_at < wait && core->tries)
		return;
	if (core->requesting && core->tries > 3)
		begin(core);
	dhcp_send(core, core->requesting ? DHCP_REQUEST : DHCP_DISCOVER);
}
