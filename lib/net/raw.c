/* Sockets below transports: raw(7), ICMP echo ("ping") sockets, and packet(7) sockets on a link. */
#include "internal.h"
#include <string.h>

struct raw {
	struct net_socket socket; /* first; socket.node is in net->raw_sockets */
	struct net_list received;
	uint32_t charge;
	bool connected, ping;
	uint16_t ethertype;  /* packet sockets: of frames it wants; 3: all (ETH_P_ALL) */
	uint16_t identifier; /* ping sockets: of their echoes */
	uint32_t filter[8];  /* raw ICMP sockets: a bit for each type that is not wanted (RFC 3542, 3.2) */
};

enum { LEVEL_RAW = 255, LEVEL_ICMPV6 = 58, OPTION_FILTER = 1 };

enum { ETHERTYPE_ALL = 3 };

static const struct socket_ops raw_ops, packet_ops;

static struct raw *raw_of(struct net_socket *socket)
{
	return (struct raw *)socket;
}

struct net_socket *raw_create(struct net *net, int family, int type, int protocol, int *error)
{
	struct raw *raw = (struct raw *)arena_allocate_zeroed(&net->arena, sizeof(*raw));

	*error = raw ? 0 : -NET_ENOMEM;
	if (!raw)
		return NULL;
	socket_init(net, &raw->socket, family, type, family == FAMILY_PACKET ? 0 : protocol);
	raw->socket.ops = family == FAMILY_PACKET ? &packet_ops : &raw_ops;
	raw->ethertype = (uint16_t)(family == FAMILY_PACKET ? protocol : 0);
	raw->ping = type == TYPE_DATAGRAM && family != FAMILY_PACKET;
	if (raw->ping)
		raw->identifier = (uint16_t)net_random(net);
	net_list_init(&raw->received);
	net_list_append(&net->raw_sockets, &raw->socket.node);
	return &raw->socket;
}

/* A copy of [BYTES, + COUNT) of PACKET for RAW; the copy, or 0. */
static struct packet *raw_enqueue(struct raw *raw, const struct packet *packet, const uint8_t *bytes,
                                  size_t count)
{
	struct net *net = raw->socket.net;
	struct packet *copy = NULL;

	if (raw->charge + count <= raw->socket.receive_size)
		copy = packet_copy(net, packet, bytes, count);
	if (!copy)
		return NULL;
	raw->charge += copy->charge;
	net_list_append(&raw->received, &copy->node);
	socket_notify(&raw->socket, NET_READABLE);
	return copy;
}

/* The same behind RAW's filter. */
static void raw_offer(struct raw *raw, const struct packet *packet, const uint8_t *bytes, uint32_t count)
{
	if (raw->socket.filter)
		count = socket_filter(&raw->socket, packet, bytes, count);
	if (count || !raw->socket.filter)
		(void)raw_enqueue(raw, packet, bytes, count);
}

static bool raw_wants(const struct raw *raw, const struct packet *packet, uint8_t protocol)
{
	const struct net_socket *socket = &raw->socket;

	if (socket->family == FAMILY_PACKET || socket->protocol != protocol ||
	    (socket->family == FAMILY_IPV4) != net_is_ipv4(&packet->to))
		return false;
	if (socket->scope && socket->scope != packet->link->number)
		return false;
	if (!address_zero(&socket->flow.local) && !address_equal(&socket->flow.local, &packet->to))
		return false;
	if (raw->connected && !address_equal(&socket->flow.remote, &packet->from))
		return false;
	if (!raw->ping) {
		uint8_t type = packet->length ? packet->data[0] : 0;

		return (protocol != PROTOCOL_ICMP && protocol != PROTOCOL_ICMPV6) ||
		       !(raw->filter[type / 32] >> type % 32 & 1);
	}
	/* Only answers to its own echoes. */
	return packet->length >= 8 && packet->data[0] == (net_is_ipv4(&packet->to) ? 0 : 129) &&
	       load16(packet->data + 4) == raw->identifier;
}

bool raw_input(struct net *net, const struct packet *packet, uint8_t protocol)
{
	bool any = false;

	for (struct net_list *node = net->raw_sockets.next; node != &net->raw_sockets; node = node->next) {
		struct raw *raw = raw_of(NET_ITEM(node, struct net_socket, node));

		if (!raw_wants(raw, packet, protocol))
			continue;
		any = true;
		/* raw(7): IPv4 with its header, IPv6 without. */
		if (raw->socket.family == FAMILY_IPV4 && !raw->ping)
			raw_offer(raw, packet, packet->network, packet->network_bytes);
		else
			raw_offer(raw, packet, packet->data, packet->length);
	}
	return any;
}

/* Of a packet of RAW's? A ping socket's has its identifier. */
static bool raw_sent(const struct raw *raw, const struct icmp_report *report, uint8_t protocol)
{
	const struct net_socket *socket = &raw->socket;

	if (socket->family == FAMILY_PACKET || socket->protocol != protocol ||
	    (socket->family == FAMILY_IPV4) != net_is_ipv4(&report->to) ||
	    (!address_zero(&socket->flow.local) && !address_equal(&socket->flow.local, &report->from)) ||
	    (raw->connected && !address_equal(&socket->flow.remote, &report->to)))
		return false;
	return !raw->ping || (report->quoted[0] == (socket->family == FAMILY_IPV4 ? 8 : 128) &&
	                      load16(report->quoted + 4) == raw->identifier);
}

void raw_icmp(struct net *net, const struct icmp_report *report, uint8_t protocol)
{
	for (struct net_list *node = net->raw_sockets.next; node != &net->raw_sockets; node = node->next) {
		struct raw *raw = raw_of(NET_ITEM(node, struct net_socket, node));
		struct net_socket *socket = &raw->socket;
		bool whole = socket->header_included && !raw->ping;

		if (!raw_sent(raw, report, protocol) ||
		    !(socket->receive_errors || (raw->connected && (report->hard || report->mtu))))
			continue;
		failure_report(socket, report, 0, whole ? report->quoted_ip : report->quoted,
		               whole ? report->quoted_ip_bytes : report->quoted_bytes);
		socket->error = report->error;
		socket_notify(socket, NET_ERROR | NET_READABLE | NET_WRITABLE);
	}
}

/* Where a frame came from or goes, as packet sockets are told: in place of an address, the MAC of who sent it, and behind
 * the eight bytes that has at most, the kind. */
static struct net_address tap_sender(const uint8_t *mac, enum net_packet_kind kind)
{
	struct net_address sender = {{0}};

	if (mac)
		memcpy(sender.bytes, mac, 6);
	sender.bytes[8] = (uint8_t)kind;
	return sender;
}

static enum net_packet_kind frame_kind(const struct net_link *link, const uint8_t *frame, bool out)
{
	static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};

	if (out)
		return NET_PACKET_OUTGOING;
	if (link->config.kind != NET_LINK_ETHERNET || memcmp(frame, link->config.mac, 6) == 0)
		return NET_PACKET_HOST;
	if (memcmp(frame, everybody, 6) == 0)
		return NET_PACKET_BROADCAST;
	return frame[0] & 1 ? NET_PACKET_MULTICAST : NET_PACKET_OTHER;
}

/* VIEW's frame for RAW, with its header or without. */
static void tap_offer(struct raw *raw, const struct packet *packet, const struct net_view *whole)
{
	struct net_view view = *whole;
	struct packet *copy;
	uint32_t take;

	view.bytes = raw->socket.type == TYPE_RAW ? whole->frame : whole->network;
	view.count = raw->socket.type == TYPE_RAW ? whole->frame_count : whole->network_count;
	take = raw->socket.filter ? min32(raw->socket.filter(raw->socket.context, &view), view.count)
	                          : view.count;
	copy = take || !raw->socket.filter ? raw_enqueue(raw, packet, view.bytes, take) : NULL;
	if (copy) {
		copy->from =
		    tap_sender(packet->link->config.kind == NET_LINK_ETHERNET ? whole->frame + 6 : NULL,
		               (enum net_packet_kind)whole->kind);
		copy->protocol = whole->protocol;
	}
}

static void tap(struct net_link *link, const struct packet *packet, bool out)
{
	struct net *net = link->net;
	bool loopback = link->config.kind == NET_LINK_LOOPBACK;
	uint32_t header = link->config.kind == NET_LINK_IP ? 0 : ETHERNET_BYTES;
	uint8_t *frame = packet->data - (loopback ? header : 0);
	struct net_view view = {.frame = frame,
	                        .frame_count = packet->length + (loopback ? header : 0),
	                        .link = link->number,
	                        .loopback = loopback};

	if (view.frame_count < header)
		return;
	if (loopback) { /* as on Linux: two addresses of zeros, and the type */
		memset(frame, 0, ETHERNET_BYTES);
		store16(frame + 12, packet->protocol);
	}
	view.network = frame + header;
	view.network_count = view.frame_count - header;
	view.protocol = header ? load16(frame + 12) : packet->protocol;
	view.kind = (uint8_t)frame_kind(link, frame, out);
	for (struct net_list *node = net->raw_sockets.next; node != &net->raw_sockets; node = node->next) {
		struct raw *raw = raw_of(NET_ITEM(node, struct net_socket, node));

		if (raw->socket.family == FAMILY_PACKET && &raw->socket != net->sending &&
		    (!raw->socket.scope || raw->socket.scope == link->number) &&
		    (raw->ethertype == ETHERTYPE_ALL || (raw->ethertype == view.protocol && !out)))
			tap_offer(raw, packet, &view);
	}
}

void packet_tap(struct net_link *link, const struct packet *packet)
{
	tap(link, packet, false);
}

void packet_tap_out(struct net_link *link, const struct net_piece *pieces, unsigned count)
{
	struct net *net = link->net;
	bool wanted = false;
	struct packet *packet;

	for (struct net_list *node = net->raw_sockets.next; node != &net->raw_sockets && !wanted;
	     node = node->next) {
		const struct raw *raw = raw_of(NET_ITEM(node, struct net_socket, node));

		wanted = raw->socket.family == FAMILY_PACKET && raw->ethertype == ETHERTYPE_ALL;
	}
	packet = wanted ? packet_gather(net, 0, pieces, count) : NULL;
	if (!packet)
		return;
	packet->link = link;
	tap(link, packet, true);
	packet_free(net, packet);
}

/* ---- Calls ---- */

static int raw_connect(struct net_socket *socket, const struct net_endpoint *remote)
{
	if (!remote) {
		raw_of(socket)->connected = false;
		return 0;
	}
	if (net_is_ipv4(&remote->address) != (socket->family == FAMILY_IPV4))
		return -NET_EAFNOSUPPORT;
	socket->flow.remote = remote->address;
	raw_of(socket)->connected = !address_zero(&remote->address);
	return 0;
}

/* bind(2) of a packet socket: PORT is the Ethertype, SCOPE the link. */
static int packet_bind(struct net_socket *socket, const struct net_endpoint *local)
{
	if (local->scope > socket->net->link_count)
		return -NET_ENODEV;
	socket->scope = local->scope;
	if (local->port)
		raw_of(socket)->ethertype = local->port;
	return 0;
}

/* A whole IPv4 packet of the user's (IP_HDRINCL): source, length, identification and checksum are filled in.
 */
static int raw_send_whole(struct net *net, struct packet *packet, const struct path *path)
{
	uint8_t *at = packet->data;
	uint32_t header = packet->length >= 20 ? (at[0] & 15u) * 4 : 0;
	struct net_piece pieces[2];

	if (header < 20 || header > packet->length)
		return -NET_EINVAL;
	if (packet->length > path->mtu)
		return -NET_EMSGSIZE;
	store16(at + 2, packet->length);
	if (!load32(at + 12)) {
		const struct net_address to = net_ipv4(at + 16), *source = link_source(path->link, &to);

		if (source)
			memcpy(at + 12, source->bytes + 12, 4);
	}
	if (!load16(at + 4))
		store16(at + 4, ++net->identification);
	store16(at + 10, 0);
	store16(at + 10, checksum_finish(checksum_add(0, at, header)));
	pieces[0] = (struct net_piece){at, packet->length};
	return neighbour_send(path->link, &path->hop, ETHERTYPE_IPV4, pieces, 1, NULL) ? 0 : -NET_ENOBUFS;
}

static int64_t raw_send(struct net_socket *socket, const struct net_piece *from, unsigned count,
                        const struct net_endpoint *to, uint32_t flags)
{
	struct raw *raw = raw_of(socket);
	struct net *net = socket->net;
	struct net_address remote = to ? to->address : socket->flow.remote;
	struct ip_header header = {.from = socket->flow.local,
	                           .to = remote,
	                           .protocol = socket->protocol,
	                           .ttl = address_multicast(&remote) ? socket->multicast_ttl : socket->ttl,
	                           .traffic_class = socket->traffic_class,
	                           .loop = socket->multicast_loop,
	                           .stays = multicast_stays(&remote, socket->multicast_ttl),
	                           .may_fragment = socket->path_discovery != 2,
	                           .scope = to && to->scope ? to->scope : socket_scope(socket, &remote)};
	struct packet *packet;
	struct net_piece pieces[4];
	struct path path;
	int64_t length;
	int error;

	(void)flags;
	if (!to && !raw->connected)
		return -NET_EDESTADDRREQ;
	if (net_is_ipv4(&remote) != (socket->family == FAMILY_IPV4))
		return -NET_EAFNOSUPPORT;
	if (address_broadcast(net, &remote) && !socket->broadcast)
		return -NET_EACCES;
	if (!route_find(net, &remote, header.scope, &path))
		return route_error(net, &remote);
	packet = packet_gather(net, HEADERS_MAX, from, count);
	if (!packet)
		return -NET_EMSGSIZE;
	length = packet->length;
	if (socket->header_included && socket->family == FAMILY_IPV4) {
		error = raw_send_whole(net, packet, &path);
		packet_free(net, packet);
		if (error == -NET_EMSGSIZE)
			failure_too_long(socket, &remote, 0, path.mtu);
		return error ? error : length;
	}
	if (address_zero(&header.from) || net_is_ipv4(&header.from) != net_is_ipv4(&remote)) {
		const struct net_address *source =
		    net_own_address(net, &remote) ? &remote : link_source(path.link, &remote);

		if (source)
			header.from = *source;
	}
	if (raw->ping) {
		uint8_t echo = net_is_ipv4(&remote) ? 8 : 128;

		if (length < 8 || packet->data[0] != echo || packet->data[1]) {
			packet_free(net, packet);
			return -NET_EINVAL;
		}
		store16(packet->data + 4, raw->identifier);
		store16(packet->data + 2, 0);
		if (net_is_ipv4(&remote))
			store16(packet->data + 2,
			        checksum_finish(checksum_add(0, packet->data, packet->length)));
	}
	/* ICMPv6 checksums are the kernel's (RFC 3542, 3.1). */
	if (socket->protocol == PROTOCOL_ICMPV6 && socket->family == FAMILY_IPV6 && length >= 4) {
		uint32_t sum = checksum_pseudo(&header.from, &header.to, PROTOCOL_ICMPV6, packet->length);

		store16(packet->data + 2, 0);
		store16(packet->data + 2, checksum_finish(checksum_add(sum, packet->data, packet->length)));
	}
	pieces[0] = (struct net_piece){packet->data, packet->length};
	error = ip_send(net, &header, pieces, 1, packet->length, NULL);
	packet_free(net, packet);
	if (error == -NET_EMSGSIZE)
		failure_too_long(socket, &remote, 0, path.mtu);
	return error && error != -NET_ENOBUFS ? error : length;
}

/* A frame for the loopback, which with SOCK_RAW has a header. */
static bool packet_send_own(const struct net_socket *socket, struct net_link *link, uint16_t ethertype,
                            struct net_piece piece)
{
	if (socket->type == TYPE_RAW) {
		const uint8_t *frame = piece.bytes;

		if (piece.count < ETHERNET_BYTES)
			return false;
		ethertype = load16(frame + 12);
		piece = (struct net_piece){frame + ETHERNET_BYTES, piece.count - ETHERNET_BYTES};
	}
	return loopback_send(link, ethertype, &piece, 1);
}

/* TO: SCOPE is the link, PORT the Ethertype of SOCK_DGRAM, ADDRESS begins with the MAC. */
static int64_t packet_send(struct net_socket *socket, const struct net_piece *from, unsigned count,
                           const struct net_endpoint *to, uint32_t flags)
{
	struct net *net = socket->net;
	uint32_t number = to && to->scope ? to->scope : socket->scope;
	struct net_link *link = number && number <= net->link_count ? net->links[number - 1] : NULL;
	struct packet *packet;
	struct net_piece piece;
	int64_t length;
	bool sent;

	(void)flags;
	if (!link)
		return -NET_ENXIO;
	packet = packet_gather(net, HEADERS_MAX, from, count);
	if (!packet || packet->length > link->config.mtu + ETHERNET_BYTES) {
		packet_free(net, packet);
		return -NET_EMSGSIZE;
	}
	length = packet->length;
	piece = (struct net_piece){packet->data, packet->length};
	net->sending = socket;
	if (socket->type == TYPE_DATAGRAM && link->config.kind == NET_LINK_ETHERNET)
		sent = link_send(link, to ? to->address.bytes : link->config.mac,
		                 to ? to->port : raw_of(socket)->ethertype, &piece, 1, NULL);
	else if (link->config.kind == NET_LINK_LOOPBACK)
		sent = packet_send_own(socket, link, to ? to->port : ETHERTYPE_IPV4, piece);
	else
		sent = link_send_ip(link, &piece, 1, NULL);
	net->sending = NULL;
	packet_free(net, packet);
	return sent ? length : -NET_ENOBUFS;
}

static int64_t raw_receive(struct net_socket *socket, void *buffer, size_t count, uint32_t flags,
                           struct net_receipt *receipt)
{
	struct raw *raw = raw_of(socket);
	struct packet *packet;

	if (socket->error)
		return -socket_take_error(socket);
	if (net_list_empty(&raw->received))
		return -NET_EAGAIN;
	packet = NET_ITEM(raw->received.next, struct packet, node);
	return packet_receive(socket->net, packet, &raw->charge,
	                      (struct net_endpoint){packet->from, packet->protocol, packet->link->number},
	                      buffer, count, flags, receipt);
}

static int raw_shutdown(struct net_socket *socket, int how)
{
	(void)how;
	return raw_of(socket)->connected ? 0 : -NET_ENOTCONN;
}

static void raw_close(struct net_socket *socket)
{
	struct raw *raw = raw_of(socket);
	struct net_list *node;

	net_list_remove(&socket->node);
	while ((node = net_list_pop(&raw->received)))
		packet_free(socket->net, NET_ITEM(node, struct packet, node));
	arena_free(&socket->net->arena, raw);
}

static uint32_t raw_poll(const struct net_socket *socket)
{
	const struct raw *raw = (const struct raw *)socket;

	return NET_WRITABLE | (net_list_empty(&raw->received) ? 0u : NET_READABLE) |
	       (socket->error ? NET_ERROR : 0u);
}

/* ICMP_FILTER of raw(7), for the first 32 types, and ICMP6_FILTER. */
static bool is_filter(const struct net_socket *socket, int level, int name, size_t *bytes)
{
	bool six = socket->protocol == PROTOCOL_ICMPV6;

	*bytes = six ? 32 : 4;
	return socket->type == TYPE_RAW && name == OPTION_FILTER &&
	       ((six && level == LEVEL_ICMPV6) || (socket->protocol == PROTOCOL_ICMP && level == LEVEL_RAW));
}

static int raw_set_option(struct net_socket *socket, int level, int name, const void *value, size_t count)
{
	size_t bytes;

	if (!is_filter(socket, level, name, &bytes))
		return -NET_ENOPROTOOPT;
	memcpy(raw_of(socket)->filter, value, count < bytes ? count : bytes);
	return 0;
}

static int raw_get_option(struct net_socket *socket, int level, int name, void *value, size_t *count)
{
	size_t bytes;

	if (!is_filter(socket, level, name, &bytes))
		return -NET_ENOPROTOOPT;
	if (*count > bytes)
		*count = bytes;
	memcpy(value, raw_of(socket)->filter, *count);
	return 0;
}

static const struct socket_ops raw_ops = {
    .set_option = raw_set_option,
    .get_option = raw_get_option,
    .connect = raw_connect,
    .send = raw_send,
    .receive = raw_receive,
    .shutdown = raw_shutdown,
    .close = raw_close,
    .poll = raw_poll,
};

static const struct socket_ops packet_ops = {
    .connect = packet_bind,
    .send = packet_send,
    .receive = raw_receive,
    .shutdown = raw_shutdown,
    .close = raw_close,
    .poll = raw_poll,
};
