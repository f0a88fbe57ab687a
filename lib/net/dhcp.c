/* The DHCP client of a link (RFC 2131): an IPv4 address, its prefix, a router and name servers, kept by
 * renewal.
 *
 * One exchange a link: DISCOVER and REQUEST by broadcast, renewal by unicast at half the lease, by broadcast
 * at seven eighths. Answers count only with our transaction number and MAC, which are fresh each time, from a
 * server that told who it is. What the server says goes to the caller by a callback, for /etc/resolv.conf.
 */
#include "internal.h"
#include <string.h>

enum {
	DHCP_FIXED_BYTES = 240,
	DHCP_DISCOVER = 1,
	DHCP_OFFER = 2,
	DHCP_REQUEST = 3,
	DHCP_ACK = 5,
	DHCP_NAK = 6,
	DHCP_RELEASE = 7
};
enum dhcp_state { DHCP_OFF, DHCP_SELECTING, DHCP_REQUESTING, DHCP_BOUND, DHCP_RENEWING, DHCP_REBINDING };

struct dhcp {
	struct timer timer;
	struct net_link *link;
	uint8_t state, tries;
	uint32_t transaction;
	uint64_t started, renew_at, rebind_at, end_at;
	uint8_t server[4];
	struct net_lease lease;
	net_lease_changed *changed;
	void *context;
};

static struct net_address none(void)
{
	return address_any(true);
}

/* Writes a message of TYPE into AT, at least 320 bytes; returns its length. */
static size_t message_write(const struct dhcp *dhcp, uint8_t type, uint8_t *at)
{
	static const uint8_t cookie[4] = {99, 130, 83, 99}, wanted[] = {1, 3, 6, 15, 26, 51, 54, 58, 59};
	size_t count = DHCP_FIXED_BYTES;
	bool has = dhcp->state >= DHCP_BOUND;

	memset(at, 0, 320);
	at[0] = 1; /* BOOTREQUEST */
	at[1] = 1;
	at[2] = 6;
	store32(at + 4, dhcp->transaction);
	store16(at + 8, (uint32_t)((dhcp->link->net->now - dhcp->started) / SECOND));
	if (has)
		memcpy(at + 12, dhcp->lease.address.bytes + 12, 4);
	else
		store16(at + 10, 0x8000); /* answers by broadcast: we have no address yet */
	memcpy(at + 28, dhcp->link->config.mac, 6);
	memcpy(at + 236, cookie, 4);
	at[count++] = 53;
	at[count++] = 1;
	at[count++] = type;
	at[count++] = 61; /* who we are (RFC 2132, 9.14) */
	at[count++] = 7;
	at[count++] = 1;
	memcpy(at + count, dhcp->link->config.mac, 6);
	count += 6;
	if (type == DHCP_REQUEST && dhcp->state == DHCP_REQUESTING) {
		at[count++] = 50;
		at[count++] = 4;
		memcpy(at + count, dhcp->lease.address.bytes + 12, 4);
		count += 4;
		at[count++] = 54;
		at[count++] = 4;
		memcpy(at + count, dhcp->server, 4);
		count += 4;
	}
	if (type != DHCP_RELEASE) {
		at[count++] = 55;
		at[count++] = sizeof(wanted);
		memcpy(at + count, wanted, sizeof(wanted));
		count += sizeof(wanted);
	}
	at[count++] = 255;
	return count < 300 ? 300 : count; /* BOOTP's least (RFC 1542, 2.1) */
}

static void message_send(struct dhcp *dhcp, uint8_t type)
{
	struct net_link *link = dhcp->link;
	uint8_t space[HEADERS_MAX + 8 + 320], *at = space + HEADERS_MAX;
	static const uint8_t everybody[4] = {255, 255, 255, 255};
	bool unicast = dhcp->state == DHCP_RENEWING || type == DHCP_RELEASE;
	struct ip_header header = {.from = dhcp->state >= DHCP_BOUND ? dhcp->lease.address : none(),
	                           .to = net_ipv4(unicast ? dhcp->server : everybody),
	                           .protocol = PROTOCOL_UDP,
	                           .ttl = 64,
	                           .may_fragment = true};
	size_t total = 8 + message_write(dhcp, type, at + 8);
	struct path path = {link, header.to, link->config.mtu};
	struct net_piece pieces[3] = {{at, total}};
	uint16_t sum;

	store16(at, 68);
	store16(at + 2, 67);
	store16(at + 4, (uint32_t)total);
	store16(at + 6, 0);
	sum = checksum_finish(checksum_pieces(
	    checksum_pseudo(&header.from, &header.to, PROTOCOL_UDP, (uint32_t)total), pieces, 1));
	store16(at + 6, sum ? sum : 0xffff);
	if (unicast && !route_find(link->net, &header.to, 0, &path))
		return;
	(void)ipv4_send(link->net, &header, &path, pieces, 1, total, NULL); /* asked again when lost */
}

static void lease_drop(struct dhcp *dhcp)
{
	static const struct net_lease nothing;
	struct net_address any = none();

	if (dhcp->state < DHCP_BOUND)
		return;
	(void)net_address_remove(dhcp->link, &dhcp->lease.address); /* gone already: as well */
	route_remove(dhcp->link->net, &any, 96, dhcp->link);
	dhcp->lease = nothing;
	if (dhcp->changed)
		dhcp->changed(dhcp->context, dhcp->link, &dhcp->lease);
}

/* 4, 8, 16, 32, 64 seconds, each a second more or less (RFC 2131, 4.1). */
static uint64_t retry_delay(struct dhcp *dhcp)
{
	uint64_t delay = 4 * SECOND << (dhcp->tries < 4 ? dhcp->tries : 4);

	dhcp->tries++;
	return delay - SECOND + net_random(dhcp->link->net) % (2 * SECOND);
}

static void discover(struct dhcp *dhcp)
{
	struct net *net = dhcp->link->net;

	if (dhcp->state != DHCP_SELECTING) {
		dhcp->started = net->now;
		dhcp->tries = 0;
	}
	dhcp->state = DHCP_SELECTING;
	dhcp->link->awaits_address = true;
	dhcp->transaction = net_random(net);
	timer_arm(&net->timers, &dhcp->timer, net->now + retry_delay(dhcp));
	message_send(dhcp, DHCP_DISCOVER);
}

static void dhcp_expire(struct net *net, struct timer *timer)
{
	struct dhcp *dhcp = NET_ITEM(timer, struct dhcp, timer);
	uint64_t limit, wait;

	switch (dhcp->state) {
	case DHCP_REQUESTING:
		if (dhcp->tries < 4) {
			timer_arm(&net->timers, timer, net->now + retry_delay(dhcp));
			message_send(dhcp, DHCP_REQUEST);
			return;
		}
		discover(dhcp);
		return;
	case DHCP_BOUND:
		dhcp->transaction = net_random(net);
		dhcp->state = DHCP_RENEWING;
		dhcp->link->awaits_address = true;
		dhcp->started = net->now;
		break;
	case DHCP_RENEWING:
		if (net->now >= dhcp->rebind_at)
			dhcp->state = DHCP_REBINDING;
		break;
	case DHCP_REBINDING:
		if (net->now >= dhcp->end_at) {
			lease_drop(dhcp);
			dhcp->state = DHCP_OFF;
			discover(dhcp);
			return;
		}
		break;
	default:
		discover(dhcp);
		return;
	}
	/* Half of what is left, at least a minute (RFC 2131, 4.4.5). */
	limit = dhcp->state == DHCP_RENEWING ? dhcp->rebind_at : dhcp->end_at;
	wait = limit > net->now ? (limit - net->now) / 2 : 0;
	if (wait < 60 * SECOND)
		wait = 60 * SECOND;
	if (limit > net->now && wait > limit - net->now)
		wait = limit - net->now;
	timer_arm(&net->timers, timer, net->now + wait);
	message_send(dhcp, DHCP_REQUEST);
}

/* ---- Answers ---- */

struct answer {
	uint8_t type;
	bool has_server, has_mask;
	uint8_t server[4];
	uint32_t mask, lease, renew, rebind;
	struct net_lease said;
};

/* Reads the options [AT, + COUNT); false: malformed. */
static bool options_read(const uint8_t *at, size_t count, struct answer *answer)
{
	while (count && *at != 255) {
		uint8_t kind = at[0], bytes;

		if (kind == 0) {
			at++;
			count--;
			continue;
		}
		if (count < 2 || count < 2u + at[1])
			return false;
		bytes = at[1];
		at += 2;
		if (kind == 53 && bytes == 1) {
			answer->type = at[0];
		} else if (kind == 54 && bytes == 4) {
			answer->has_server = true;
			memcpy(answer->server, at, 4);
		} else if (kind == 1 && bytes == 4) {
			answer->has_mask = true;
			answer->mask = load32(at);
		} else if (kind == 3 && bytes >= 4) {
			answer->said.router = net_ipv4(at);
			answer->said.has_router = true;
		} else if (kind == 6) {
			for (unsigned index = 0;
			     index + 4 <= bytes && answer->said.name_server_count < NET_NAME_SERVERS_MAX;
			     index += 4)
				answer->said.name_servers[answer->said.name_server_count++] =
				    net_ipv4(at + index);
		} else if (kind == 15 && bytes < sizeof(answer->said.domain)) {
			memcpy(answer->said.domain, at, bytes);
			answer->said.domain[bytes] = 0;
		} else if (kind == 51 && bytes == 4) {
			answer->lease = load32(at);
		} else if (kind == 58 && bytes == 4) {
			answer->renew = load32(at);
		} else if (kind == 59 && bytes == 4) {
			answer->rebind = load32(at);
		}
		at += bytes;
		count -= 2u + bytes;
	}
	return true;
}

static bool domain_good(const char *name)
{
	for (; *name; name++)
		if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
		      (*name >= '0' && *name <= '9') || *name == '-' || *name == '.'))
			return false;
	return true;
}

static void lease_take(struct dhcp *dhcp, struct answer *answer)
{
	struct net_link *link = dhcp->link;
	struct net *net = link->net;
	struct net_address any = none();
	unsigned length = 0;
	uint64_t seconds = answer->lease ? answer->lease : 3600, renew, rebind;

	if (seconds < 60)
		seconds = 60;
	while (length < 32 && (answer->mask & (0x80000000u >> length)))
		length++;
	if (!answer->has_mask)
		length = 24;
	renew = answer->renew && answer->renew < seconds ? answer->renew : seconds / 2;
	rebind = answer->rebind && answer->rebind < seconds && answer->rebind > renew ? answer->rebind
	                                                                              : seconds * 7 / 8;
	if (!domain_good(answer->said.domain))
		answer->said.domain[0] = 0;
	if (dhcp->state >= DHCP_BOUND && !address_equal(&dhcp->lease.address, &answer->said.address))
		lease_drop(dhcp);
	answer->said.length = (uint8_t)length;
	if (!link_own_address(link, &answer->said.address) &&
	    net_address_add(link, &answer->said.address, length) != 0) {
		dhcp->state = DHCP_OFF;
		discover(dhcp);
		return;
	}
	if (answer->said.has_router) {
		route_remove(net, &any, 96, link);
		(void)route_add(net, &any, 96, link, &answer->said.router, true,
		                UINT64_MAX); /* full: no way out, and seen so */
	}
	dhcp->state = DHCP_BOUND;
	dhcp->tries = 0;
	link->awaits_address = false;
	dhcp->rebind_at = net->now + rebind * SECOND;
	dhcp->end_at = net->now + seconds * SECOND;
	timer_arm(&net->timers, &dhcp->timer, net->now + renew * SECOND);
	if (memcmp(&dhcp->lease, &answer->said, sizeof(dhcp->lease)) != 0) {
		dhcp->lease = answer->said;
		if (dhcp->changed)
			dhcp->changed(dhcp->context, link, &dhcp->lease);
	}
}

void dhcp_input(struct net_link *link, const struct packet *packet)
{
	static const uint8_t cookie[4] = {99, 130, 83, 99};
	const uint8_t *at = packet->data;
	struct dhcp *dhcp = link->dhcp;
	struct answer answer;

	memset(&answer, 0, sizeof(answer)); /* it is compared as bytes later */
	if (!dhcp || packet->length < DHCP_FIXED_BYTES || at[0] != 2 || load32(at + 4) != dhcp->transaction ||
	    memcmp(at + 28, link->config.mac, 6) != 0 || memcmp(at + 236, cookie, 4) != 0)
		return;
	if (!options_read(at + DHCP_FIXED_BYTES, packet->length - DHCP_FIXED_BYTES, &answer) ||
	    !answer.has_server)
		return;
	answer.said.address = net_ipv4(at + 16);
	if (answer.type == DHCP_NAK && dhcp->state >= DHCP_REQUESTING && dhcp->state != DHCP_BOUND) {
		lease_drop(dhcp);
		dhcp->state = DHCP_OFF;
		discover(dhcp);
		return;
	}
	if (address_zero(&answer.said.address) || address_multicast(&answer.said.address) || at[16] == 127)
		return;
	if (answer.type == DHCP_OFFER && dhcp->state == DHCP_SELECTING) {
		memcpy(dhcp->server, answer.server, 4);
		dhcp->lease.address = answer.said.address;
		dhcp->state = DHCP_REQUESTING;
		dhcp->tries = 0;
		timer_arm(&link->net->timers, &dhcp->timer, link->net->now + retry_delay(dhcp));
		message_send(dhcp, DHCP_REQUEST);
	} else if (answer.type == DHCP_ACK &&
	           (dhcp->state == DHCP_REQUESTING || dhcp->state >= DHCP_RENEWING)) {
		memcpy(dhcp->server, answer.server, 4);
		lease_take(dhcp, &answer);
	}
}

int net_dhcp_start(struct net_link *link, net_lease_changed *changed, void *context)
{
	struct dhcp *dhcp = link->dhcp;

	if (link->config.kind != NET_LINK_ETHERNET)
		return -NET_EINVAL;
	if (!dhcp) {
		dhcp = (struct dhcp *)arena_allocate_zeroed(&link->net->arena, sizeof(*dhcp));
		if (!dhcp)
			return -NET_ENOMEM;
		dhcp->link = link;
		dhcp->timer.expire = dhcp_expire;
		link->dhcp = dhcp;
	}
	dhcp->changed = changed;
	dhcp->context = context;
	lease_drop(dhcp);
	dhcp->state = DHCP_OFF;
	discover(dhcp);
	return 0;
}

void net_dhcp_stop(struct net_link *link)
{
	struct dhcp *dhcp = link->dhcp;

	if (!dhcp)
		return;
	if (dhcp->state >= DHCP_BOUND)
		message_send(dhcp, DHCP_RELEASE);
	lease_drop(dhcp);
	timer_disarm(&link->net->timers, &dhcp->timer);
	link->awaits_address = false;
	link->dhcp = NULL;
	arena_free(&link->net->arena, dhcp);
}
