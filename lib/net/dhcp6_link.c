/* The DHCPv6 client (dhcp6.c) on a link of the stack: begun when a router says that servers have addresses or other
 * knowledge (RFC 4861, 4.2). What it gives is an address like others, and name servers for net_name_servers. */
#include "internal.h"
#include "dhcp6.h"
#include <string.h>

struct dhcp6_link {
	struct dhcp6 client;
	struct timer timer;
	struct net_link *link;
	bool has;
	struct net_address address; /* HAS: the link has it from the server */
};

static uint64_t now_ms(const struct net_link *link)
{
	return link->net->now / 1000000;
}

/* Sets the timer to what the client waits for. */
static void wait_again(struct dhcp6_link *own)
{
	struct net *net = own->link->net;
	uint64_t due = dhcp6_due(&own->client);

	if (due >= UINT64_MAX / 1000000)
		timer_disarm(&net->timers, &own->timer);
	else
		timer_arm(&net->timers, &own->timer, due * 1000000 > net->now ? due * 1000000 : net->now);
}

static void client_send(void *context, const uint8_t *message, uint32_t bytes)
{
	static const struct net_address servers = {{0xff, 2, [13] = 1, [15] = 2}};
	struct dhcp6_link *own = (struct dhcp6_link *)context;
	struct net_link *link = own->link;
	const struct net_address *source = link_source(link, &servers);
	uint8_t space[HEADERS_MAX + 8 + DHCP6_SENT_MAX], *at = space + HEADERS_MAX;
	struct net_piece pieces[3] = {{at, 8 + bytes}};
	struct path path = {link, servers, link->config.mtu};
	uint16_t sum;

	if (!source || !address_link_local(source))
		return;
	struct ip_header header = {
	    .from = *source, .to = servers, .protocol = PROTOCOL_UDP, .ttl = 1, .scope = link->number};
	store16(at, DHCP6_CLIENT_PORT);
	store16(at + 2, DHCP6_SERVER_PORT);
	store16(at + 4, 8 + bytes);
	store16(at + 6, 0);
	memcpy(at + 8, message, bytes);
	sum = checksum_finish(
	    checksum_pieces(checksum_pseudo(&header.from, &header.to, PROTOCOL_UDP, 8 + bytes), pieces, 1));
	store16(at + 6, sum ? sum : 0xffff);
	(void)ipv6_send(link->net, &header, &path, pieces, 1, 8 + bytes, NULL); /* asked again when lost */
}

static uint32_t client_random(void *context)
{
	return net_random(((struct dhcp6_link *)context)->link->net);
}

static void client_changed(void *context)
{
	struct dhcp6_link *own = (struct dhcp6_link *)context;
	const struct dhcp6_lease *lease = &own->client.lease;
	struct net_address address;
	struct link_address *had;

	memcpy(address.bytes, lease->address, 16);
	if (own->has && (!lease->bound || !address_equal(&own->address, &address))) {
		(void)net_address_remove(own->link, &own->address); /* gone already: as well */
		own->has = false;
	}
	if (!lease->bound)
		return;
	/* Who else is on the link the router tells, not the server: a prefix of its own length. */
	if (!own->has && net_address_add(own->link, &address, 128) == 0) {
		own->has = true;
		own->address = address;
	}
	had = own->has ? link_own_address(own->link, &address) : NULL;
	if (had)
		had->preferred_until = lease->preferred_until >= UINT64_MAX / 1000000
		                           ? UINT64_MAX
		                           : lease->preferred_until * 1000000;
}

static void client_expire(struct net *net, struct timer *timer)
{
	struct dhcp6_link *own = NET_ITEM(timer, struct dhcp6_link, timer);

	(void)net;
	(void)dhcp6_advance(&own->client, now_ms(own->link));
	wait_again(own);
}

void dhcp6_link_want(struct net_link *link, bool managed, bool informed)
{
	struct dhcp6_link *own = link->dhcp6;
	enum dhcp6_want want = managed ? DHCP6_ADDRESS : informed ? DHCP6_INFORMATION : DHCP6_NOTHING;

	if (want == DHCP6_NOTHING)
		return;
	if (!own) {
		own = (struct dhcp6_link *)arena_allocate_zeroed(&link->net->arena, sizeof(*own));
		if (!own)
			return; /* the router speaks again */
		own->link = link;
		own->timer.expire = client_expire;
		dhcp6_init(&own->client, link->config.mac, client_send, client_random, client_changed, own);
		link->dhcp6 = own;
	}
	if (want > own->client.want) /* of several routers the one that says most counts */
		dhcp6_want(&own->client, want, now_ms(link));
	wait_again(own);
}

void dhcp6_link_rejoin(struct net_link *link)
{
	if (!link->dhcp6)
		return;
	dhcp6_rejoin(&link->dhcp6->client, now_ms(link));
	wait_again(link->dhcp6);
}

void dhcp6_link_duplicate(struct net_link *link, const struct net_address *address)
{
	struct dhcp6_link *own = link->dhcp6;

	if (!own || !own->has || !address_equal(&own->address, address))
		return;
	dhcp6_decline(&own->client, now_ms(link));
	wait_again(own);
}

void dhcp6_link_input(struct net_link *link, const struct packet *packet)
{
	if (!address_link_local(&packet->to) || net_is_ipv4(&packet->to))
		return;
	dhcp6_input(&link->dhcp6->client, packet->data, packet->length, now_ms(link));
	wait_again(link->dhcp6);
}

void net_dhcp6_stop(struct net_link *link)
{
	struct dhcp6_link *own = link->dhcp6;

	if (!own)
		return;
	dhcp6_release(&own->client, now_ms(link));
	timer_disarm(&link->net->timers, &own->timer);
	link->dhcp6 = NULL;
	arena_free(&link->net->arena, own);
}

unsigned net_name_servers(struct net_link *link, struct net_address servers[NET_NAME_SERVERS_MAX])
{
	unsigned count = 0;

	for (unsigned index = 0; index < NET_NAME_SERVERS_MAX; index++)
		if (link->name_servers[index].valid_until > link->net->now)
			servers[count++] = link->name_servers[index].address;
	for (unsigned index = 0; link->dhcp6 && index < link->dhcp6->client.lease.name_server_count &&
	                         count < NET_NAME_SERVERS_MAX;
	     index++)
		memcpy(servers[count++].bytes, link->dhcp6->client.lease.name_servers[index], 16);
	return count;
}
