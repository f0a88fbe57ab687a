/* UDP (RFC 768, RFC 1122 4.1) and its sockets. */
#include "internal.h"
#include <string.h>

enum { UDP_HEADER_BYTES = 8 };

struct udp {
	struct net_socket socket; /* first */
	struct net_list received;
	uint32_t charge;
	bool connected, read_closed, write_closed;
};

static const struct socket_ops udp_ops;

static struct udp *udp_of(struct net_socket *socket)
{
	return (struct udp *)socket;
}

struct net_socket *udp_create(struct net *net, int family, int *error)
{
	struct udp *udp = (struct udp *)arena_allocate_zeroed(&net->arena, sizeof(*udp));

	*error = udp ? 0 : -NET_ENOMEM;
	if (!udp)
		return NULL;
	socket_init(net, &udp->socket, family, TYPE_DATAGRAM, PROTOCOL_UDP);
	udp->socket.ops = &udp_ops;
	net_list_init(&udp->received);
	return &udp->socket;
}

/* ---- Input ---- */

static void udp_enqueue(struct udp *udp, struct packet *packet)
{
	struct net *net = udp->socket.net;

	if (udp->socket.filter) {
		uint32_t whole = packet->length + UDP_HEADER_BYTES,
		         take = socket_filter(&udp->socket, packet, packet->data - UDP_HEADER_BYTES, whole);

		if (!take) {
			packet_free(net, packet);
			return;
		}
		take = max32(take, UDP_HEADER_BYTES);
		packet->room += whole - take;
		packet->length = take - UDP_HEADER_BYTES;
	}
	if (udp->read_closed || udp->charge + packet->charge > udp->socket.receive_size) {
		net->counts.udp_full++;
		packet_free(net, packet);
		return;
	}
	udp->charge += packet->charge;
	net_list_append(&udp->received, &packet->node);
	socket_notify(&udp->socket, NET_READABLE);
}

/* A copy to each socket that is bound to its port and takes its address. */
static void udp_multicast(struct net *net, struct packet *packet, uint16_t port)
{
	for (struct net_socket *socket = socket_bound_first(net, PROTOCOL_UDP, port); socket;
	     socket = socket->bound_next) {
		struct packet *copy;

		if (socket->protocol != PROTOCOL_UDP || socket->flow.local_port != port ||
		    (socket->scope && socket->scope != packet->link->number))
			continue;
		if (!address_zero(&socket->flow.local) && !address_equal(&socket->flow.local, &packet->to))
			continue;
		if (net_is_ipv4(&packet->to) ? socket->only_ipv6 : socket->family == FAMILY_IPV4)
			continue;
		if (address_multicast(&packet->to) &&
		    !multicast_wanted(socket, &packet->to, packet->link->number))
			continue;
		if (udp_of(socket)->connected && (!address_equal(&socket->flow.remote, &packet->from) ||
		                                  socket->flow.remote_port != packet->from_port))
			continue;
		copy = packet_copy(net, packet, packet->data - UDP_HEADER_BYTES,
		                   packet->length + UDP_HEADER_BYTES);
		if (copy) {
			copy->data += UDP_HEADER_BYTES;
			copy->length -= UDP_HEADER_BYTES;
			udp_enqueue(udp_of(socket), copy);
		}
	}
	packet_free(net, packet);
}

void udp_input(struct net *net, struct packet *packet)
{
	const uint8_t *at = packet->data;
	struct net_socket *socket;
	struct flow *flow;
	uint32_t bytes;
	uint16_t port;

	net->counts.udp_received++;
	bytes = packet->length >= UDP_HEADER_BYTES ? load16(at + 4) : 0;
	if (bytes < UDP_HEADER_BYTES || bytes > packet->length)
		goto bad;
	/* Without a checksum only in IPv4 (RFC 8200, 8.1). */
	if (load16(at + 6)) {
		uint32_t sum = checksum_pseudo(&packet->from, &packet->to, PROTOCOL_UDP, bytes);

		if (!packet->trusted && checksum_finish(checksum_add(sum, at, bytes)) != 0)
			goto bad;
	} else if (!net_is_ipv4(&packet->from)) {
		goto bad;
	}
	packet->from_port = load16(at);
	port = load16(at + 2);
	packet->data += UDP_HEADER_BYTES;
	packet->room += packet->length - bytes;
	packet->length = bytes - UDP_HEADER_BYTES;
	if (packet->link->dhcp6 && port == 546 && !net_is_ipv4(&packet->to)) {
		dhcp6_link_input(packet->link, packet);
		packet_free(net, packet);
		return;
	}
	if (packet->link->awaits_address && port == 68) {
		dhcp_input(packet->link, packet);
		packet_free(net, packet);
		return;
	}
	if (packet->broadcast) {
		udp_multicast(net, packet, port);
		return;
	}
	flow = flow_find(net, true, &packet->to, port, &packet->from, packet->from_port);
	socket = flow ? (struct net_socket *)flow
	              : socket_find_bound(net, PROTOCOL_UDP, &packet->to, port, packet->link->number,
	                                  siphash(&net->flow_key, &packet->from, sizeof(packet->from)) +
	                                      packet->from_port);
	if (socket) {
		udp_enqueue(udp_of(socket), packet);
		return;
	}
	net->counts.udp_no_port++;
	icmp_send_error(net, packet, ICMP_PORT_UNREACHABLE);
	packet_free(net, packet);
	return;
bad:
	net->counts.udp_bad++;
	packet_free(net, packet);
}

void udp_icmp(struct net *net, const struct icmp_report *report)
{
	struct flow *flow =
	    flow_find(net, true, &report->from, report->from_port, &report->to, report->to_port);
	struct net_socket *socket = (struct net_socket *)flow;

	if (report->mtu)
		path_learn(net, &report->to, report->mtu);
	if (!socket)
		socket = socket_find_bound(net, PROTOCOL_UDP, &report->from, report->from_port,
		                           report->packet ? report->packet->link->number : 0, 0);
	/* Only a connected socket is told (RFC 1122, 4.1.3.3, as everybody does it), or one that asked for it. */
	if (!socket || !(socket->receive_errors || (flow && (report->hard || report->mtu))))
		return;
	failure_report(socket, report, report->to_port, report->quoted + UDP_HEADER_BYTES,
	               report->quoted_bytes - UDP_HEADER_BYTES);
	socket->error = report->error;
	socket_notify(socket, NET_ERROR | NET_READABLE | NET_WRITABLE);
}

/* ---- Calls ---- */

static int udp_connect(struct net_socket *socket, const struct net_endpoint *remote)
{
	struct udp *udp = udp_of(socket);
	struct path path;
	int error;

	flow_remove(socket->net, &socket->flow);
	if (udp->connected && !socket->address_set)
		socket->flow.local = socket->flow.remote = address_any(socket->family == FAMILY_IPV4);
	udp->connected = false;
	socket->flow.remote_port = 0;
	if (!remote)
		return 0;
	if (address_broadcast(socket->net, &remote->address) && !socket->broadcast)
		return -NET_EACCES;
	error = socket_prepare(socket, remote, &path);
	if (error)
		return error;
	udp->connected = true;
	flow_insert(socket->net, &socket->flow, FLOW_UDP);
	return 0;
}

static int64_t udp_send(struct net_socket *socket, const struct net_piece *from, unsigned count,
                        const struct net_endpoint *to, uint32_t flags)
{
	struct udp *udp = udp_of(socket);
	struct net *net = socket->net;
	struct net_address local = socket->flow.local, remote = to ? to->address : socket->flow.remote;
	uint16_t port = to ? to->port : socket->flow.remote_port;
	uint32_t scope = to && to->scope ? to->scope : socket_scope(socket, &remote);
	uint8_t space[HEADERS_MAX + UDP_HEADER_BYTES], *at = space + HEADERS_MAX;
	struct net_piece pieces[NET_PIECES_MAX];
	struct ip_header header = {.protocol = PROTOCOL_UDP,
	                           .traffic_class = socket->traffic_class,
	                           .scope = scope,
	                           .loop = socket->multicast_loop,
	                           .stays = multicast_stays(&remote, socket->multicast_ttl),
	                           .may_fragment =
	                               socket->path_discovery == 0 || socket->path_discovery == 1};
	size_t total = UDP_HEADER_BYTES;
	struct path path;
	uint16_t sum;
	int error;

	(void)flags;
	if (udp->write_closed)
		return -NET_EPIPE;
	if (socket->error)
		return -socket_take_error(socket);
	if (!to && !udp->connected)
		return -NET_EDESTADDRREQ;
	if (!port)
		return -NET_EINVAL;
	if (net_is_ipv4(&remote) != (socket->family == FAMILY_IPV4) &&
	    (socket->family == FAMILY_IPV4 || socket->only_ipv6))
		return socket->family == FAMILY_IPV4 ? -NET_EAFNOSUPPORT : -NET_ENETUNREACH;
	if (count > NET_PIECES_MAX - 2)
		return -NET_EINVAL;
	if (address_zero(&remote))
		remote = address_own_loopback(net_is_ipv4(&remote));
	if (address_broadcast(net, &remote) && !socket->broadcast)
		return -NET_EACCES;
	for (unsigned index = 0; index < count; index++) {
		pieces[index + 1] = from[index];
		total += from[index].count;
	}
	if (total > 65535u + UDP_HEADER_BYTES)
		return -NET_EMSGSIZE;
	if (!socket->bound) {
		error = socket_bind_port(socket, 0);
		if (error)
			return error;
	}
	if (!route_find(net, &remote, scope, &path))
		return route_error(net, &remote);
	if (total > (net_is_ipv4(&remote) ? 65535u - 20 : 65535u)) {
		failure_too_long(socket, &remote, socket->flow.remote_port, path.mtu);
		return -NET_EMSGSIZE;
	}
	if (address_zero(&local) || net_is_ipv4(&local) != net_is_ipv4(&remote) ||
	    address_multicast(&local)) {
		const struct net_address *source =
		    net_own_address(net, &remote) ? &remote : link_source(path.link, &remote);

		if (!source)
			return -NET_EADDRNOTAVAIL;
		local = *source;
	}
	header.from = local;
	header.to = remote;
	header.ttl = address_multicast(&remote) ? socket->multicast_ttl : socket->ttl;
	store16(at, socket->flow.local_port);
	store16(at + 2, port);
	store16(at + 4, (uint32_t)total);
	store16(at + 6, 0);
	pieces[0] = (struct net_piece){at, UDP_HEADER_BYTES};
	sum = checksum_finish(checksum_pieces(checksum_pseudo(&local, &remote, PROTOCOL_UDP, (uint32_t)total),
	                                      pieces, count + 1));
	store16(at + 6, sum ? sum : 0xffff);
	net->counts.udp_sent++;
	error = ip_send(net, &header, pieces, count + 1, total, NULL);
	if (error == -NET_EMSGSIZE)
		failure_too_long(socket, &remote, socket->flow.remote_port, path.mtu);
	if (error == -NET_ENOBUFS) /* lost on the way out: Linux does not tell either */
		error = 0;
	return error ? error : (int64_t)(total - UDP_HEADER_BYTES);
}

static int64_t udp_receive(struct net_socket *socket, void *buffer, size_t count, uint32_t flags,
                           struct net_receipt *receipt)
{
	struct udp *udp = udp_of(socket);
	struct packet *packet;

	if (socket->error)
		return -socket_take_error(socket);
	if (net_list_empty(&udp->received))
		return udp->read_closed ? 0 : -NET_EAGAIN;
	packet = NET_ITEM(udp->received.next, struct packet, node);
	return packet_receive(
	    socket->net, packet, &udp->charge,
	    (struct net_endpoint){packet->from, packet->from_port,
	                          address_link_local(&packet->from) ? packet->link->number : 0},
	    buffer, count, flags, receipt);
}

static int udp_shutdown(struct net_socket *socket, int how)
{
	struct udp *udp = udp_of(socket);

	if (!udp->connected)
		return -NET_ENOTCONN;
	if (how != NET_SHUTDOWN_WRITE)
		udp->read_closed = true;
	if (how != NET_SHUTDOWN_READ)
		udp->write_closed = true;
	socket_notify(socket, NET_READABLE | NET_WRITABLE | NET_READ_HANGUP);
	return 0;
}

static void udp_close(struct net_socket *socket)
{
	struct udp *udp = udp_of(socket);
	struct net_list *node;

	flow_remove(socket->net, &socket->flow);
	socket_unbind(socket);
	while ((node = net_list_pop(&udp->received)))
		packet_free(socket->net, NET_ITEM(node, struct packet, node));
	arena_free(&socket->net->arena, udp);
}

static uint32_t udp_poll(const struct net_socket *socket)
{
	const struct udp *udp = (const struct udp *)socket;
	uint32_t events = NET_WRITABLE;

	if (socket->error)
		events |= NET_ERROR;
	if (!net_list_empty(&udp->received))
		events |= NET_READABLE;
	if (udp->read_closed)
		events |= NET_READABLE | NET_READ_HANGUP | (udp->write_closed ? NET_HANGUP : 0u);
	return events;
}

uint32_t udp_readable(const struct net_socket *socket)
{
	const struct udp *udp = (const struct udp *)socket;

	if (socket->protocol != PROTOCOL_UDP || net_list_empty(&udp->received))
		return 0;
	return NET_ITEM(udp->received.next, struct packet, node)->length;
}

static bool udp_listening(const struct net_socket *socket)
{
	return !((const struct udp *)socket)->connected;
}

static const struct socket_ops udp_ops = {
    .connect = udp_connect,
    .send = udp_send,
    .receive = udp_receive,
    .shutdown = udp_shutdown,
    .close = udp_close,
    .poll = udp_poll,
    .listening = udp_listening,
};
