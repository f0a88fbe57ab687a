/* The queue of errors of a socket (ip(7), IP_RECVERR): what ICMP messages and this host said of what it has sent, with what they
 * quote of it. A queue holds as much as the socket may hold of received data; what comes then is lost. */
#include "internal.h"
#include <string.h>

struct failure {
	struct failure *next; /* the newest one's: the oldest one */
	struct net_failure told;
	uint32_t bytes, total; /* TOTAL: of the newest one, what all hold */
	uint8_t quoted[];
};

static uint32_t charge_of(const struct failure *failure)
{
	return (uint32_t)sizeof(*failure) + failure->bytes;
}

static void append(struct net_socket *socket, const struct net_failure *told, const uint8_t *quoted,
                   uint32_t bytes)
{
	struct failure *newest = socket->failures, *failure = NULL;
	uint32_t total = (newest ? newest->total : 0) + (uint32_t)sizeof(*failure) + bytes;

	if (total <= socket->receive_size)
		failure = (struct failure *)arena_allocate(&socket->net->arena, sizeof(*failure) + bytes);
	if (!failure)
		return;
	failure->told = *told;
	failure->bytes = bytes;
	failure->total = total;
	if (bytes)
		memcpy(failure->quoted, quoted, bytes);
	failure->next = newest ? newest->next : failure;
	if (newest)
		newest->next = failure;
	socket->failures = failure;
}

/* The oldest one, which is the caller's; or 0. */
static struct failure *take(struct net_socket *socket)
{
	struct failure *newest = socket->failures, *oldest = newest ? newest->next : NULL;

	if (!oldest)
		return NULL;
	newest->total -= charge_of(oldest);
	newest->next = oldest->next;
	if (oldest == newest)
		socket->failures = NULL;
	return oldest;
}

void failure_report(struct net_socket *socket, const struct icmp_report *report, uint16_t port,
                    const uint8_t *quoted, uint32_t bytes)
{
	const struct packet *packet = report->packet;
	struct net_failure told = {.to = {report->to, port, 0},
	                           .from = report->from,
	                           .local = report->from,
	                           .error = (uint32_t)report->error,
	                           .info = report->info,
	                           .origin = net_is_ipv4(&report->to) ? NET_ORIGIN_ICMP : NET_ORIGIN_ICMPV6,
	                           .type = report->type,
	                           .code = report->code,
	                           .ttl = 64};

	if (!socket->receive_errors)
		return;
	if (packet) {
		told.from = packet->from;
		told.local = packet->to;
		told.ttl = packet->ttl;
		told.traffic_class = packet->traffic_class;
		told.link = packet->link->number;
		if (address_link_local(&report->to))
			told.to.scope = packet->link->number;
	}
	append(socket, &told, quoted, bytes);
}

void failure_too_long(struct net_socket *socket, const struct net_address *to, uint16_t port, uint32_t mtu)
{
	const struct net_failure told = {
	    .to = {*to, port, 0}, .error = NET_EMSGSIZE, .info = mtu, .origin = NET_ORIGIN_LOCAL};

	if (!socket->receive_errors)
		return;
	append(socket, &told, NULL, 0);
	socket_notify(socket, NET_ERROR);
}

void failures_drop(struct net_socket *socket)
{
	struct failure *failure;

	while ((failure = take(socket)))
		arena_free(&socket->net->arena, failure);
}

bool net_failure_waits(const struct net_socket *socket)
{
	return socket->failures;
}

int64_t net_receive_failure(struct net_socket *socket, void *buffer, size_t count, struct net_failure *told)
{
	struct failure *failure = take(socket);
	const struct net_failure *next;
	int64_t bytes;

	if (!failure)
		return -NET_EAGAIN;
	*told = failure->told;
	bytes = failure->bytes;
	memcpy(buffer, failure->quoted, count < failure->bytes ? count : failure->bytes);
	arena_free(&socket->net->arena, failure);
	/* As on Linux: SO_ERROR is the next one's, where an ICMP message brought that, and is over with the last one of those. */
	next = socket->failures ? &socket->failures->next->told : NULL;
	if (next && next->origin != NET_ORIGIN_LOCAL)
		socket->error = (uint16_t)next->error;
	else if (told->origin != NET_ORIGIN_LOCAL)
		socket->error = 0;
	return bytes;
}
