/* Routes by longest prefix, and the path MTUs that routers told. */
#include "internal.h"
#include <string.h>

/* As on Linux a loopback that is down is without its addresses of IPv6; those of IPv4 stay, and packets to them are lost. */
static bool address_asleep(struct net_link *loopback, const struct net_address *to)
{
	return !loopback->up && !net_is_ipv4(to) && link_own_address(loopback, to);
}

int route_error(struct net *net, const struct net_address *to)
{
	for (unsigned index = 0; index < net->link_count; index++)
		if (net->links[index]->config.kind == NET_LINK_LOOPBACK &&
		    address_asleep(net->links[index], to))
			return -NET_EADDRNOTAVAIL;
	return -NET_ENETUNREACH;
}

bool route_find(struct net *net, const struct net_address *to, uint32_t scope, struct path *path)
{
	const struct route *best = NULL;

	if (net_own_address(net, to)) {
		for (unsigned index = 0; index < net->link_count; index++)
			if (net->links[index]->config.kind == NET_LINK_LOOPBACK) {
				if (address_asleep(net->links[index], to))
					return false;
				path->link = net->links[index];
				path->hop = *to;
				path->mtu = path->link->config.mtu;
				return true;
			}
	}
	if (scope && scope <= net->link_count && (address_link_local(to) || address_multicast(to))) {
		path->link = net->links[scope - 1];
		path->hop = *to;
		path->mtu = path->link->config.mtu;
		return true;
	}
	/* The table is sorted by length, longest first. */
	for (unsigned index = 0; index < net->route_count && !best; index++) {
		const struct route *route = &net->routes[index];

		/* A way for all of IPv6 is none for IPv4, whose addresses stand among those of IPv6. */
		if ((!scope || scope == route->link->number) && route->link->up &&
		    route->valid_until > net->now && net_is_ipv4(to) == net_is_ipv4(&route->prefix) &&
		    address_matches(to, &route->prefix, route->length))
			best = route;
	}
	if (!best) {
		/* Multicast and broadcast need no route: the first real link takes them. */
		if (!address_multicast(to) && !address_broadcast(net, to))
			return false;
		for (unsigned index = 0; index < net->link_count; index++) {
			struct net_link *link = net->links[index];

			if (link->config.kind != NET_LINK_LOOPBACK && link->up &&
			    (!scope || scope == link->number)) {
				path->link = link;
				path->hop = *to;
				path->mtu = link->config.mtu;
				return true;
			}
		}
		return false;
	}
	path->link = best->link;
	path->hop = best->direct ? *to : best->gateway;
	path->mtu = path_mtu(net, to, best->link->config.mtu);
	return true;
}

/* Forgets the routes whose time is over; how many of the others routers of IPv6 have told. */
static unsigned routes_age(struct net *net)
{
	unsigned kept = 0, told = 0;

	for (unsigned index = 0; index < net->route_count; index++) {
		const struct route *route = &net->routes[index];

		if (route->valid_until <= net->now)
			continue;
		told += route->automatic && !net_is_ipv4(&route->prefix);
		net->routes[kept++] = *route;
	}
	net->route_count = kept;
	return told;
}

int route_add(struct net *net, const struct net_address *prefix, unsigned bits, struct net_link *link,
              const struct net_address *gateway, bool automatic, uint64_t valid_until)
{
	unsigned told = routes_age(net), place = net->route_count;

	for (unsigned index = 0; index < net->route_count; index++) {
		struct route *route = &net->routes[index];

		if (route->length == bits && route->link == link &&
		    address_matches(prefix, &route->prefix, bits) && route->direct == !gateway &&
		    (!gateway || address_equal(&route->gateway, gateway))) {
			if (!automatic)
				return -NET_EEXIST;
			if (route->automatic) /* others are nobody's on the link to end */
				route->valid_until = valid_until;
			(void)routes_age(net);
			return 0;
		}
	}
	if (valid_until <= net->now)
		return 0;
	if (net->route_count == ROUTES_MAX || (automatic && !net_is_ipv4(prefix) && told >= ROUTES_TOLD_MAX))
		return -NET_ENOBUFS;
	while (place && net->routes[place - 1].length < bits) {
		net->routes[place] = net->routes[place - 1];
		place--;
	}
	net->routes[place] = (struct route){.prefix = *prefix,
	                                    .link = link,
	                                    .length = (uint8_t)bits,
	                                    .direct = !gateway,
	                                    .automatic = automatic,
	                                    .valid_until = valid_until};
	if (gateway)
		net->routes[place].gateway = *gateway;
	net->route_count++;
	return 0;
}

void route_remove(struct net *net, const struct net_address *prefix, unsigned bits, struct net_link *link)
{
	for (unsigned index = 0; index < net->route_count; index++) {
		struct route *route = &net->routes[index];

		if (route->length == bits && route->link == link &&
		    address_matches(prefix, &route->prefix, bits)) {
			memmove(route, route + 1, (net->route_count - index - 1) * sizeof(*route));
			net->route_count--;
			return;
		}
	}
}

int net_route_add(struct net *net, const struct net_address *prefix, unsigned length, struct net_link *link,
                  const struct net_address *gateway)
{
	if (length > (net_is_ipv4(prefix) ? 32u : 128u) ||
	    (gateway && net_is_ipv4(gateway) != net_is_ipv4(prefix)))
		return -NET_EINVAL;
	return route_add(net, prefix, net_is_ipv4(prefix) ? 96 + length : length, link, gateway, false,
	                 UINT64_MAX);
}

/* ---- Path MTU (RFC 1191, RFC 8201) ---- */

/* A direct-mapped cache: whoever makes us forget an entry only costs one more ICMP message. */
static struct path_entry *path_entry(struct net *net, const struct net_address *to)
{
	return &net->paths[siphash(&net->flow_key, to, sizeof(*to)) % PATHS_MAX];
}

void path_learn(struct net *net, const struct net_address *to, uint32_t mtu)
{
	struct path_entry *entry = path_entry(net, to);

	*entry = (struct path_entry){*to, mtu, net->now + 600 * SECOND};
	net->paths_until = entry->until;
}

uint32_t path_mtu(struct net *net, const struct net_address *to, uint32_t link_mtu)
{
	const struct path_entry *entry;

	if (net->paths_until <= net->now)
		return link_mtu;
	entry = path_entry(net, to);
	if (entry->until > net->now && entry->mtu < link_mtu && address_equal(&entry->to, to))
		return entry->mtu;
	return link_mtu;
}
