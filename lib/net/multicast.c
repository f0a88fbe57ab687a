/* Memberships of multicast groups (RFC 1112, RFC 3493): which sockets have joined which groups on which links. A group is taken from a
 * link as long as somebody has joined it there, and what goes out to it comes back to this host then. Routers and switches are told
 * nothing: neither IGMP nor MLD is spoken, so that on lines with snooping switches groups arrive only while others are members.
 */
#include "internal.h"
#include <string.h>

enum {
	IP_ADD_MEMBERSHIP = 35,
	IP_DROP_MEMBERSHIP = 36,
	IPV6_JOIN_GROUP = 20,
	IPV6_LEAVE_GROUP = 21,
	MCAST_JOIN_GROUP = 42,
	MCAST_LEAVE_GROUP = 45
};
enum { MEMBERSHIPS_MAX = 20, MEMBERSHIPS6_MAX = 256 }; /* of a socket; igmp_max_memberships */
enum { MEMBERSHIPS_ALL = 1024 }; /* of all, which every packet to a group looks through */

struct membership {
	struct net_list node;
	const struct net_socket *socket;
	struct net_address group;
	uint32_t link;
};

static struct membership *next_of(const struct net *net, const struct net_list *node)
{
	return node->next == &net->memberships ? NULL : NET_ITEM(node->next, struct membership, node);
}

/* SOCKET's, or with 0 anybody's, membership of GROUP on link number LINK. */
static struct membership *find(const struct net *net, const struct net_socket *socket,
                               const struct net_address *group, uint32_t link)
{
	for (struct membership *at = next_of(net, &net->memberships); at; at = next_of(net, &at->node))
		if (at->link == link && (!socket || at->socket == socket) && address_equal(&at->group, group))
			return at;
	return NULL;
}

bool multicast_joined(const struct net *net, const struct net_address *group, uint32_t link)
{
	return find(net, NULL, group, link) != NULL;
}

bool multicast_wanted(const struct net_socket *socket, const struct net_address *group, uint32_t link)
{
	return socket->multicast_all || (socket->member && find(socket->net, socket, group, link) != NULL);
}

bool multicast_stays(const struct net_address *to, uint8_t ttl)
{
	/* RFC 1112, 6.1; RFC 4291, 2.7: interface-local scope. */
	return address_multicast(to) && (!ttl || (!net_is_ipv4(to) && (to->bytes[1] & 15) <= 1));
}

static int join(struct net_socket *socket, const struct net_address *group, uint32_t link)
{
	struct net *net = socket->net;
	const bool four = net_is_ipv4(group);
	struct membership *membership;
	unsigned count = 0, all = 0;

	for (const struct membership *at = next_of(net, &net->memberships); at;
	     at = next_of(net, &at->node), all++) {
		if (at->socket != socket || net_is_ipv4(&at->group) != four)
			continue;
		if (at->link == link && address_equal(&at->group, group))
			return -NET_EADDRINUSE;
		count++;
	}
	if (count >= (four ? MEMBERSHIPS_MAX : MEMBERSHIPS6_MAX))
		return four ? -NET_ENOBUFS : -NET_ENOMEM;
	membership = all < MEMBERSHIPS_ALL
	                 ? (struct membership *)arena_allocate_zeroed(&net->arena, sizeof(*membership))
	                 : NULL;
	if (!membership)
		return -NET_ENOBUFS;
	membership->socket = socket;
	membership->group = *group;
	membership->link = link;
	net_list_append(&net->memberships, &membership->node);
	socket->member = true;
	return 0;
}

static void leave(struct net *net, struct membership *membership)
{
	net_list_remove(&membership->node);
	arena_free(&net->arena, membership);
}

void multicast_leave_all(struct net_socket *socket)
{
	struct net *net = socket->net;
	struct membership *next;

	if (!socket->member)
		return;
	for (struct membership *at = next_of(net, &net->memberships); at; at = next) {
		next = next_of(net, &at->node);
		if (at->socket == socket)
			leave(net, at);
	}
	socket->member = false;
}

/* The number of the link that NUMBER or OWN, an address of it, names; of none: the way to GROUP. 0: there is none. */
static uint32_t link_of(struct net *net, uint32_t number, const struct net_address *own,
                        const struct net_address *group)
{
	struct path path;

	if (number)
		return number <= net->link_count ? number : 0;
	if (!address_zero(own)) {
		for (unsigned index = 0; index < net->link_count; index++)
			if (link_own_address(net->links[index], own))
				return net->links[index]->number;
		return 0;
	}
	return route_find(net, group, 0, &path) ? path.link->number : 0;
}

/* What the three forms say: struct ip_mreq or ip_mreqn, ipv6_mreq, group_req. False: too short, or of another family. */
static bool request_read(int level, int name, const uint8_t *value, size_t count, struct net_address *group,
                         struct net_address *own, uint32_t *number)
{
	const bool four = level == LEVEL_IP;

	*number = 0;
	*own = address_any(four);
	if (name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP) {
		uint16_t family;

		if (count < 136)
			return false;
		memcpy(number, value, 4);
		memcpy(&family, value + 8, 2);
		if (family != (four ? FAMILY_IPV4 : FAMILY_IPV6))
			return false;
		if (four)
			*group = net_ipv4(value + 12);
		else
			memcpy(group->bytes, value + 16, 16);
		return true;
	}
	if (count < (four ? 8u : 20u))
		return false;
	if (!four) {
		memcpy(group->bytes, value, 16);
		memcpy(number, value + 16, 4);
		return true;
	}
	*group = net_ipv4(value);
	*own = net_ipv4(value + 4);
	if (count >= 12)
		memcpy(number, value + 8, 4);
	return true;
}

int multicast_set_option(struct net_socket *socket, int level, int name, const void *value, size_t count)
{
	struct net *net = socket->net;
	const bool four = level == LEVEL_IP;
	const bool any = name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP;
	const bool joins = name == MCAST_JOIN_GROUP || name == (four ? IP_ADD_MEMBERSHIP : IPV6_JOIN_GROUP);
	struct net_address group, own;
	struct membership *membership;
	uint32_t number, link;

	if (!any && !joins && name != (four ? IP_DROP_MEMBERSHIP : IPV6_LEAVE_GROUP))
		return -NET_ENOPROTOOPT;
	if ((!four && level != LEVEL_IPV6) || socket->family == FAMILY_PACKET ||
	    (!four && socket->family != FAMILY_IPV6))
		return -NET_ENOPROTOOPT;
	if (four && !any && socket->type == TYPE_STREAM)
		return -NET_EPROTO;
	if (!request_read(level, name, (const uint8_t *)value, count, &group, &own, &number))
		return -NET_EINVAL;
	if (!four && !any && socket->type == TYPE_STREAM)
		return -NET_EPROTO;
	if (joins && (!address_multicast(&group) || net_is_ipv4(&group) != four))
		return -NET_EINVAL;
	link = link_of(net, number, &own, &group);
	if (joins)
		return link ? join(socket, &group, link) : -NET_ENODEV;
	if (!link)
		return -NET_ENODEV;
	membership = find(net, socket, &group, link);
	if (!membership)
		return -NET_EADDRNOTAVAIL;
	leave(net, membership);
	return 0;
}

void multicast_loop(struct net *net, const struct ip_header *header, const struct path *path,
                    const struct net_piece *pieces, unsigned count, size_t total)
{
	struct net_piece copy[NET_PIECES_MAX];
	struct net_link *loopback = NULL;
	unsigned before = net->loopback_count;
	struct path own = *path;

	for (unsigned index = 0; index < net->link_count && !loopback; index++)
		if (net->links[index]->config.kind == NET_LINK_LOOPBACK)
			loopback = net->links[index];
	if (!loopback || count > NET_PIECES_MAX)
		return;
	memcpy(copy, pieces, count * sizeof(copy[0]));
	own.link = loopback;
	own.mtu = 65535;
	if (net_is_ipv4(&header->to))
		(void)ipv4_send(net, header, &own, copy, count, total, NULL);
	else
		(void)ipv6_send(net, header, &own, copy, count, total, NULL);
	if (net->loopback_count > before)
		NET_ITEM(net->loopback.previous, struct packet, node)->looped = path->link;
}
