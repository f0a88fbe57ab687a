/* Sockets: what all kinds share. Local ports, choosing addresses, options of the SOL_SOCKET, IP and IPv6
 * levels. */
#include "internal.h"
#include <string.h>

enum { PORT_FIRST = 32768, PORT_LAST = 60999 }; /* ip_local_port_range */

struct net_socket *net_socket_create(struct net *net, int family, int type, int protocol, int *error)
{
	if (family != FAMILY_IPV4 && family != FAMILY_IPV6 && family != FAMILY_PACKET) {
		*error = -NET_EAFNOSUPPORT;
		return NULL;
	}
	if (family == FAMILY_PACKET && (type == TYPE_RAW || type == TYPE_DATAGRAM))
		return raw_create(net, family, type, protocol, error);
	if (type == TYPE_STREAM && (protocol == 0 || protocol == PROTOCOL_TCP) && family != FAMILY_PACKET)
		return tcp_create(net, family, error);
	if (type == TYPE_DATAGRAM && (protocol == 0 || protocol == PROTOCOL_UDP) && family != FAMILY_PACKET)
		return udp_create(net, family, error);
	/* Ping sockets: datagrams of ICMP echo. */
	if (type == TYPE_DATAGRAM && protocol == (family == FAMILY_IPV4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6))
		return raw_create(net, family, type, protocol, error);
	if (type == TYPE_RAW && protocol > 0 && protocol < 256)
		return raw_create(net, family, type, protocol, error);
	*error = family != FAMILY_PACKET && (type == TYPE_STREAM || type == TYPE_DATAGRAM || type == TYPE_RAW)
	             ? -NET_EPROTONOSUPPORT
	             : -NET_ESOCKTNOSUPPORT;
	return NULL;
}

void socket_init(struct net *net, struct net_socket *socket, int family, int type, int protocol)
{
	static const struct net_address any4 = {{[10] = 255, [11] = 255}};

	socket->net = net;
	socket->family = (uint8_t)family;
	socket->type = (uint8_t)type;
	socket->protocol = (uint8_t)protocol;
	net_list_init(&socket->node);
	if (family == FAMILY_IPV4)
		socket->flow.local = socket->flow.remote = any4;
	socket->receive_size = socket->send_size = 212992;
	socket->multicast_ttl = 1;
	socket->multicast_loop = socket->multicast_all = true;
	socket->path_discovery = type == TYPE_STREAM ? 1 : 0; /* IP_PMTUDISC_WANT */
}

void net_socket_set_notify(struct net_socket *socket, net_notify *notify, void *context)
{
	socket->notify = notify;
	socket->context = context;
}

void net_socket_set_filter(struct net_socket *socket, net_filter *filter)
{
	socket->filter = filter;
}

uint32_t socket_filter(const struct net_socket *socket, const struct packet *packet, const uint8_t *bytes,
                       uint32_t count)
{
	const struct net_view view = {.bytes = bytes,
	                              .count = count,
	                              .network = packet->network,
	                              .network_count = packet->network ? packet->network_bytes : 0,
	                              .link = packet->link->number,
	                              .protocol = net_is_ipv4(&packet->to) ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6,
	                              .kind = !packet->broadcast               ? NET_PACKET_HOST
	                                      : address_multicast(&packet->to) ? NET_PACKET_MULTICAST
	                                                                       : NET_PACKET_BROADCAST,
	                              .loopback = packet->link->config.kind == NET_LINK_LOOPBACK};

	return min32(socket->filter(socket->context, &view), count);
}

int socket_take_error(struct net_socket *socket)
{
	int error = socket->error;

	socket->error = 0;
	return error;
}

/* ---- Local ports ---- */

static struct net_socket **bound_bucket(struct net *net, uint8_t protocol, uint16_t port)
{
	uint32_t name[2] = {protocol, port};

	return &net->bound[siphash(&net->flow_key, name, sizeof(name)) % BOUND_BUCKETS];
}

struct net_socket *socket_bound_first(struct net *net, uint8_t protocol, uint16_t port)
{
	return *bound_bucket(net, protocol, port);
}

/* Whether SOCKET, which wants PORT, and OTHER, which has it, cannot both have it. */
static bool conflicts(const struct net_socket *socket, const struct net_socket *other)
{
	const struct net_address *a = &socket->flow.local, *b = &other->flow.local;
	bool zero_a = address_zero(a), zero_b = address_zero(b);

	if (socket->scope && other->scope && socket->scope != other->scope)
		return false;
	/* Families meet only through an IPv6 socket that also takes IPv4. */
	if (net_is_ipv4(a) != net_is_ipv4(b)) {
		const struct net_socket *six = net_is_ipv4(a) ? other : socket;

		if (six->only_ipv6 || !address_zero(&six->flow.local))
			return false;
	} else if (!zero_a && !zero_b && !address_equal(a, b)) {
		return false;
	}
	if (socket->reuse_port && other->reuse_port)
		return false;
	/* Of two that take datagrams the one that bound last gets them. */
	return !(socket->reuse_address && other->reuse_address &&
	         (other->type != TYPE_STREAM || !other->ops->listening(other)));
}

static bool port_free(struct net_socket *socket, uint16_t port)
{
	for (struct net_socket *other = *bound_bucket(socket->net, socket->protocol, port); other;
	     other = other->bound_next)
		if (other->protocol == socket->protocol && other->flow.local_port == port &&
		    conflicts(socket, other))
			return false;
	return true;
}

bool socket_may_listen(const struct net_socket *socket)
{
	for (struct net_socket *other = *bound_bucket(socket->net, socket->protocol, socket->flow.local_port);
	     other; other = other->bound_next)
		if (other != socket && other->protocol == socket->protocol &&
		    other->flow.local_port == socket->flow.local_port && other->ops->listening(other) &&
		    conflicts(socket, other))
			return false;
	return true;
}

int socket_bind_port(struct net_socket *socket, uint16_t port)
{
	struct net *net = socket->net;
	struct net_socket **bucket;

	if (!port) {
		/* RFC 6056, 3.3.3: from a hash of where it goes, then on by a counter. */
		struct flow name = {.local = socket->flow.local,
		                    .remote = socket->flow.remote,
		                    .remote_port = socket->flow.remote_port};
		uint32_t offset = (uint32_t)siphash(&net->port_key, &name, sizeof(name)),
		         first = socket->port_low > PORT_FIRST ? socket->port_low : PORT_FIRST,
		         last = socket->port_high && socket->port_high < PORT_LAST ? socket->port_high
		                                                                   : PORT_LAST,
		         range;

		if (first > last) {
			first = PORT_FIRST;
			last = PORT_LAST;
		}
		range = last - first + 1;

		for (uint32_t tries = 0; tries < range && !port; tries++) {
			uint16_t candidate = (uint16_t)(first + (offset + net->port_counter++) % range);

			if (port_free(socket, candidate))
				port = candidate;
		}
		if (!port)
			return -NET_EADDRINUSE;
	} else if (!port_free(socket, port)) {
		return -NET_EADDRINUSE;
	}
	socket->flow.local_port = port;
	bucket = bound_bucket(net, socket->protocol, port);
	socket->bound_next = *bucket;
	*bucket = socket;
	socket->bound = true;
	return 0;
}

void socket_unbind(struct net_socket *socket)
{
	struct net_socket **at;

	if (!socket->bound)
		return;
	at = bound_bucket(socket->net, socket->protocol, socket->flow.local_port);
	while (*at != socket)
		at = &(*at)->bound_next;
	*at = socket->bound_next;
	socket->bound = false;
}

struct net_socket *socket_find_bound(struct net *net, uint8_t protocol, const struct net_address *local,
                                     uint16_t port, uint32_t scope, uint64_t hash)
{
	struct net_socket *best = NULL;
	unsigned best_rank = 0;
	uint64_t alike = 0;

	for (struct net_socket *socket = *bound_bucket(net, protocol, port); socket;
	     socket = socket->bound_next) {
		const struct net_address *own = &socket->flow.local;
		unsigned rank = 1;

		if (socket->protocol != protocol || socket->flow.local_port != port ||
		    socket->flow.kind != FLOW_NONE || !socket->ops->listening(socket) ||
		    (socket->scope && socket->scope != scope))
			continue;
		if (!address_zero(own)) {
			if (!address_equal(own, local))
				continue;
			rank += 4;
		} else if (net_is_ipv4(own) != net_is_ipv4(local)) {
			if (net_is_ipv4(own) || socket->only_ipv6)
				continue;
		} else {
			rank += 1;
		}
		if (socket->scope)
			rank += 2;
		if (rank > best_rank) {
			best = socket;
			best_rank = rank;
			alike = 1;
		} else if (rank == best_rank && hash % ++alike == 0) {
			best = socket; /* SO_REUSEPORT: one of them by the sender's hash */
		}
	}
	return best;
}

int net_bind(struct net_socket *socket, const struct net_endpoint *local)
{
	struct net *net = socket->net;
	struct net_address old = socket->flow.local;
	bool any = address_zero(&local->address);
	int error;

	if (socket->family == FAMILY_PACKET)
		return socket->ops->connect(socket, local);
	if (socket->bound || socket->flow.kind != FLOW_NONE)
		return -NET_EINVAL;
	if (net_is_ipv4(&local->address) != (socket->family == FAMILY_IPV4) &&
	    (socket->family == FAMILY_IPV4 || socket->only_ipv6))
		return -NET_EAFNOSUPPORT;
	if (!any && !net_own_address(net, &local->address) && !address_multicast(&local->address) &&
	    !(socket->type != TYPE_STREAM && address_broadcast(net, &local->address)) && !socket->free_bind)
		return -NET_EADDRNOTAVAIL;
	if (address_multicast(&local->address) && socket->type == TYPE_STREAM)
		return -NET_EADDRNOTAVAIL;
	if (address_link_local(&local->address) && !net_is_ipv4(&local->address) &&
	    !address_multicast(&local->address)) {
		if (!local->scope && !socket->scope)
			return -NET_EINVAL;
		if (local->scope)
			socket->scope = local->scope;
	}
	socket->flow.local = local->address;
	if (!socket->ops->listening) {
		socket->address_set = !any;
		return 0;
	}
	error = socket_bind_port(socket, local->port);
	if (error)
		socket->flow.local = old;
	else
		socket->address_set = !any;
	return error;
}

int socket_prepare(struct net_socket *socket, const struct net_endpoint *remote, struct path *path)
{
	struct net *net = socket->net;
	struct net_address to = remote->address;
	uint32_t scope = remote->scope ? remote->scope : socket->scope;
	bool port = socket->bound;

	if (net_is_ipv4(&to) != (socket->family == FAMILY_IPV4) &&
	    (socket->family == FAMILY_IPV4 || socket->only_ipv6))
		return socket->family == FAMILY_IPV4 ? -NET_EAFNOSUPPORT : -NET_ENETUNREACH;
	if (address_zero(&to)) /* "this host" (RFC 1122, 3.2.1.3), as Linux has it */
		to = address_own_loopback(net_is_ipv4(&to));
	if (address_link_local(&to) && !net_is_ipv4(&to) && !scope)
		return -NET_EINVAL;
	if (!route_find(net, &to, scope, path))
		return route_error(net, &to);
	if (address_zero(&socket->flow.local) || net_is_ipv4(&socket->flow.local) != net_is_ipv4(&to)) {
		const struct net_address *source =
		    net_own_address(net, &to) ? &to : link_source(path->link, &to);

		if (!source)
			return -NET_EADDRNOTAVAIL;
		socket->flow.local = *source;
	}
	socket->flow.remote = to;
	socket->flow.remote_port = remote->port;
	if (address_link_local(&to))
		socket->scope = scope;
	return port ? 0 : socket_bind_port(socket, 0);
}

/* ---- Calls ---- */

int net_connect(struct net_socket *socket, const struct net_endpoint *remote)
{
	return socket->ops->connect(socket, remote);
}

int net_listen(struct net_socket *socket, int backlog)
{
	return socket->type == TYPE_STREAM ? tcp_listen(socket, backlog) : -NET_EOPNOTSUPP;
}

struct net_socket *net_accept(struct net_socket *socket, int *error)
{
	if (socket->type == TYPE_STREAM)
		return tcp_accept(socket, error);
	*error = -NET_EOPNOTSUPP;
	return NULL;
}

int64_t net_send(struct net_socket *socket, const struct net_piece *pieces, unsigned count,
                 const struct net_endpoint *to, uint32_t flags)
{
	return socket->ops->send(socket, pieces, count, to, flags);
}

int64_t net_send_with(struct net_socket *socket, const struct net_piece *pieces, unsigned count,
                      const struct net_endpoint *to, uint32_t flags, const struct net_ancillary *with)
{
	/* The socket is as the datagram wants it while that is made. */
	const struct net_address local = socket->flow.local;
	const uint32_t scope = socket->scope;
	const uint8_t ttl = socket->ttl, multicast_ttl = socket->multicast_ttl, class = socket->traffic_class;
	int64_t result;

	if (with->link > socket->net->link_count)
		return -NET_ENODEV;
	if (with->has_from && !net_own_address(socket->net, &with->from) && !socket->free_bind)
		return net_is_ipv4(&with->from) ? -NET_ENETUNREACH : -NET_EINVAL; /* as Linux */
	if (!socket->bound && socket->ops->listening) { /* by its own address, not by this datagram's */
		int error = socket_bind_port(socket, 0);

		if (error)
			return error;
	}
	if (with->has_from)
		socket->flow.local = with->from;
	if (with->link)
		socket->scope = with->link;
	if (with->ttl >= 0)
		socket->ttl = socket->multicast_ttl = (uint8_t)with->ttl;
	if (with->traffic_class >= 0)
		socket->traffic_class = (uint8_t)with->traffic_class;
	result = net_send(socket, pieces, count, to, flags);
	socket->flow.local = local;
	socket->scope = scope;
	socket->ttl = ttl;
	socket->multicast_ttl = multicast_ttl;
	socket->traffic_class = class;
	return result;
}

int64_t net_receive(struct net_socket *socket, void *buffer, size_t count, uint32_t flags,
                    struct net_receipt *receipt)
{
	return socket->ops->receive(socket, buffer, count, flags, receipt);
}

int net_shutdown(struct net_socket *socket, int how)
{
	if (how < NET_SHUTDOWN_READ || how > NET_SHUTDOWN_BOTH)
		return -NET_EINVAL;
	return socket->ops->shutdown(socket, how);
}

void net_close(struct net_socket *socket)
{
	socket->receive_errors = false; /* a connection that goes on has nobody to tell */
	failures_drop(socket);
	multicast_leave_all(socket);
	socket->ops->close(socket);
}

uint32_t net_poll(const struct net_socket *socket)
{
	return socket->ops->poll(socket);
}

int net_local_endpoint(const struct net_socket *socket, struct net_endpoint *endpoint)
{
	*endpoint = (struct net_endpoint){socket->flow.local, socket->flow.local_port, socket->scope};
	return 0;
}

int net_remote_endpoint(const struct net_socket *socket, struct net_endpoint *endpoint)
{
	if (!socket->flow.remote_port)
		return -NET_ENOTCONN;
	*endpoint = (struct net_endpoint){socket->flow.remote, socket->flow.remote_port, socket->scope};
	return 0;
}

uint32_t net_readable_bytes(const struct net_socket *socket)
{
	if (socket->type == TYPE_STREAM)
		return tcp_readable(socket);
	return udp_readable(socket);
}

uint32_t net_unsent_bytes(const struct net_socket *socket, bool unacknowledged)
{
	return socket->type == TYPE_STREAM ? tcp_unsent(socket, unacknowledged) : 0;
}
