/* What a stack tells of itself: see info.h. */
#include "info.h"
#include "tcp.h"
#include <string.h>

static uint8_t own_length(const struct net_address *address, unsigned bits)
{
	return (uint8_t)(net_is_ipv4(address) ? bits - 96 : bits);
}

bool net_link_info(const struct net *net, uint32_t index, struct net_link_info *info)
{
	const struct net_link *link = index < net->link_count ? net->links[index] : NULL;

	if (!link)
		return false;
	*info = (struct net_link_info){.number = link->number,
	                               .mtu = link->config.mtu,
	                               .kind = link->config.kind,
	                               .up = link->up,
	                               .address_count = link->address_count,
	                               .received_packets = link->counts.received_packets,
	                               .received_bytes = link->counts.received_bytes,
	                               .received_dropped = link->counts.received_dropped,
	                               .sent_packets = link->counts.sent_packets,
	                               .sent_bytes = link->counts.sent_bytes,
	                               .sent_dropped = link->counts.sent_dropped};
	memcpy(info->name, link->config.name, sizeof(info->name));
	memcpy(info->mac, link->config.mac, sizeof(info->mac));
	return true;
}

static uint64_t seconds_left(const struct net *net, uint64_t until)
{
	return until == UINT64_MAX ? UINT64_MAX : until > net->now ? (until - net->now) / SECOND : 0;
}

bool net_address_info(const struct net *net, uint32_t link, uint32_t index, struct net_address_info *info)
{
	const struct link_address *own;

	if (link >= net->link_count || index >= net->links[link]->address_count)
		return false;
	own = &net->links[link]->addresses[index];
	*info = (struct net_address_info){.address = own->address,
	                                  .length = own_length(&own->address, own->length),
	                                  .tentative = own->state == ADDRESS_TENTATIVE,
	                                  .duplicate = own->state == ADDRESS_DUPLICATE,
	                                  .automatic = own->automatic,
	                                  .preferred_seconds = seconds_left(net, own->preferred_until),
	                                  .valid_seconds = seconds_left(net, own->valid_until)};
	return true;
}

bool net_route_info(const struct net *net, uint32_t index, struct net_route_info *info)
{
	const struct route *route = index < net->route_count ? &net->routes[index] : NULL;

	if (!route)
		return false;
	*info = (struct net_route_info){.prefix = route->prefix,
	                                .gateway = route->gateway,
	                                .length = own_length(&route->prefix, route->length),
	                                .direct = route->direct,
	                                .automatic = route->automatic,
	                                .link = route->link->number};
	for (unsigned bit = route->length; bit < 128; bit++)
		info->prefix.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return true;
}

bool net_route_lookup(struct net *net, const struct net_address *to, uint32_t scope,
                      struct net_route_info *info, struct net_address *source)
{
	const struct net_address *from;
	struct path path;

	if (!route_find(net, to, scope, &path))
		return false;
	from = net_own_address(net, to) ? to : link_source(path.link, to);
	*info = (struct net_route_info){.prefix = *to,
	                                .gateway = path.hop,
	                                .direct = address_equal(to, &path.hop),
	                                .link = path.link->number};
	*source = from ? *from : address_any(net_is_ipv4(to));
	return true;
}

int net_route_remove(struct net *net, const struct net_address *prefix, unsigned length,
                     struct net_link *link)
{
	unsigned before = net->route_count;

	if (length > (net_is_ipv4(prefix) ? 32u : 128u))
		return -NET_EINVAL;
	route_remove(net, prefix, net_is_ipv4(prefix) ? 96 + length : length, link);
	return net->route_count < before ? 0 : -NET_ENOENT;
}

struct net_link *net_link_numbered(struct net *net, uint32_t number)
{
	return number && number <= net->link_count ? net->links[number - 1] : NULL;
}

/* ---- Sockets ---- */

enum { PHASE_BOUND, PHASE_FLOWS, PHASE_RAW, PHASE_END };

static void describe_tcp(struct tcp *tcp, struct net_socket_info *info)
{
	info->state = tcp->state;
	info->retransmissions = tcp->retries;
	if (tcp->state == TCP_LISTEN) {
		info->receive_queue = tcp->listener->queue_count;
		info->send_queue = tcp->listener->backlog;
	} else {
		info->receive_queue = tcp->readable;
		info->send_queue = tcp_unsent(&tcp->socket, true);
	}
}

static void describe_socket(struct net_socket *socket, struct net_socket_info *info)
{
	*info =
	    (struct net_socket_info){.family = socket->family,
	                             .type = socket->type,
	                             .protocol = socket->protocol,
	                             .state = socket->flow.kind == FLOW_UDP ? TCP_ESTABLISHED : TCP_CLOSED,
	                             .context = socket->context};
	info->local = (struct net_endpoint){socket->flow.local, socket->flow.local_port, socket->scope};
	info->remote = (struct net_endpoint){socket->flow.remote, socket->flow.remote_port, 0};
	if (socket->type == TYPE_STREAM)
		describe_tcp(tcp_of(socket), info);
	else if (socket->protocol == PROTOCOL_UDP)
		info->receive_queue = udp_readable(socket);
}

static void describe_flow(struct flow *flow, struct net_socket_info *info)
{
	if (flow->kind == FLOW_TCP || flow->kind == FLOW_UDP) {
		describe_socket((struct net_socket *)flow, info);
		return;
	}
	*info =
	    (struct net_socket_info){.family = net_is_ipv4(&flow->local) ? FAMILY_IPV4 : FAMILY_IPV6,
	                             .type = TYPE_STREAM,
	                             .protocol = PROTOCOL_TCP,
	                             .state = flow->kind == FLOW_REQUEST ? TCP_SYN_RECEIVED : TCP_TIME_WAIT,
	                             .local = {flow->local, flow->local_port, 0},
	                             .remote = {flow->remote, flow->remote_port, 0}};
}

/* The PLACEth of what stands in BUCKET of a phase, or NULL. */
static struct flow *flow_at(const struct net *net, uint32_t bucket, uint32_t place)
{
	struct flow *flow = net->flows[bucket];

	while (flow && place--)
		flow = flow->next;
	return flow;
}

static struct net_socket *bound_at(const struct net *net, uint32_t bucket, uint32_t place)
{
	struct net_socket *socket = net->bound[bucket];

	while (socket && place--)
		socket = socket->bound_next;
	return socket;
}

static struct net_socket *raw_at(const struct net *net, uint32_t place)
{
	const struct net_list *node = net->raw_sockets.next;

	while (node != &net->raw_sockets && place--)
		node = node->next;
	return node == &net->raw_sockets ? NULL : NET_ITEM(node, struct net_socket, node);
}

bool net_socket_info_next(struct net *net, struct net_cursor *cursor, struct net_socket_info *info)
{
	while (cursor->phase < PHASE_END) {
		uint32_t buckets = cursor->phase == PHASE_BOUND   ? BOUND_BUCKETS
		                   : cursor->phase == PHASE_FLOWS ? net->flow_buckets
		                                                  : 1;
		struct net_socket *socket = NULL;
		struct flow *flow = NULL;

		if (cursor->bucket >= buckets) {
			*cursor = (struct net_cursor){cursor->phase + 1, 0, 0};
			continue;
		}
		if (cursor->phase == PHASE_FLOWS)
			flow = flow_at(net, cursor->bucket, cursor->place++);
		else
			socket = cursor->phase == PHASE_BOUND ? bound_at(net, cursor->bucket, cursor->place++)
			                                      : raw_at(net, cursor->place++);
		if (!socket && !flow) {
			cursor->bucket++;
			cursor->place = 0;
			continue;
		}
		/* Connected ones come with the flows. */
		if (socket && socket->flow.kind != FLOW_NONE)
			continue;
		if (flow)
			describe_flow(flow, info);
		else
			describe_socket(socket, info);
		return true;
	}
	return false;
}

void net_statistics(const struct net *net, struct net_statistics *s)
{
	const struct net_counts *c = &net->counts;

	*s = (struct net_statistics){c->ip_received,
	                             c->ip_bad,
	                             c->ip_no_route,
	                             c->ip_fragments,
	                             c->ip_reassembled,
	                             c->ip_reassembly_failed,
	                             c->icmp_sent,
	                             c->icmp_received,
	                             c->udp_received,
	                             c->udp_sent,
	                             c->udp_no_port,
	                             c->udp_bad,
	                             c->udp_full,
	                             c->tcp_received,
	                             c->tcp_sent,
	                             c->tcp_bad,
	                             c->tcp_retransmitted,
	                             c->tcp_resets_sent,
	                             net->arena.ready * ARENA_UNIT,
	                             net->arena.used};
}
