/* rtnetlink(7): links, addresses, routes and neighbours of the stack, told and changed. stack_lock is held. */
#include "interface.h"
#include "netlink.h"

enum {
	RTM_NEWLINK = 16,
	RTM_GETLINK = 18,
	RTM_SETLINK,
	RTM_NEWADDR,
	RTM_DELADDR,
	RTM_GETADDR,
	RTM_NEWROUTE = 24,
	RTM_DELROUTE,
	RTM_GETROUTE,
	RTM_NEWNEIGH = 28,
	RTM_GETNEIGH = 30,
	RTM_GETRULE = 34,
	RTM_GETQDISC = 38,
};
enum { NLM_F_MULTI = 2, NLM_F_DUMP = 0x300, NLM_F_REPLACE = 0x100 };
enum { IFLA_ADDRESS = 1, IFLA_BROADCAST, IFLA_IFNAME, IFLA_MTU, IFLA_QDISC = 6, IFLA_STATS };
enum { IFLA_TXQLEN = 13, IFLA_OPERSTATE = 16, IFLA_LINKMODE, IFLA_STATS64 = 23, IFLA_GROUP = 27 };
enum { IFLA_EXT_MASK = 29, IFLA_NUM_TX_QUEUES = 31, IFLA_NUM_RX_QUEUES, IFLA_CARRIER };
enum { IFA_ADDRESS = 1, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_CACHEINFO = 6, IFA_FLAGS = 8 };
enum { IFA_F_DADFAILED = 8, IFA_F_TENTATIVE = 0x40, IFA_F_PERMANENT = 0x80 };
enum { RTA_DST = 1, RTA_OIF = 4, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_TABLE = 15 };
enum { NDA_DST = 1, NDA_LLADDR };
enum { NUD_INCOMPLETE = 1, NUD_REACHABLE = 2, NUD_STALE = 4 };
enum { RTM_F_CLONED = 0x200 };
enum { TABLE_MAIN = 254, TABLE_LOCAL = 255 };
enum { PROTOCOL_KERNEL = 2, PROTOCOL_STATIC = 4, PROTOCOL_DHCP = 16 };
enum { SCOPE_UNIVERSE = 0, SCOPE_LINK = 253, SCOPE_HOST = 254 };
enum { TYPE_UNICAST = 1, TYPE_LOCAL = 2 };
enum { ATTRIBUTES_MAX = 36 };

struct link_body {
	uint8_t family, pad;
	uint16_t hardware;
	int32_t index;
	uint32_t flags, change;
};

struct address_body {
	uint8_t family, length, flags, scope;
	uint32_t index;
};

struct route_body {
	uint8_t family, to_length, from_length, tos, table, protocol, scope, type;
	uint32_t flags;
};

struct neighbour_body {
	uint8_t family, pad[3];
	int32_t index;
	uint16_t state;
	uint8_t flags, type;
};

/* Attributes of a request by number; `data` 0: not there. */
struct attribute {
	const uint8_t *data;
	uint32_t bytes;
};

static void attributes_read(const uint8_t *at, uint32_t bytes, struct attribute table[ATTRIBUTES_MAX])
{
	memset(table, 0, ATTRIBUTES_MAX * sizeof(*table));
	while (bytes >= 4) {
		uint16_t head[2];
		memcpy(head, at, sizeof(head));
		uint32_t whole = (head[0] + 3u) & ~3u;
		if (head[0] < 4 || head[0] > bytes)
			return;
		if ((head[1] & 0x3fff) < ATTRIBUTES_MAX)
			table[head[1] & 0x3fff] = (struct attribute){at + 4, head[0] - 4u};
		if (whole >= bytes)
			return;
		at += whole;
		bytes -= whole;
	}
}

static uint32_t attribute_u32(const struct attribute *attribute)
{
	uint32_t value = 0;
	if (attribute->data && attribute->bytes >= 4)
		memcpy(&value, attribute->data, 4);
	return value;
}

/* An address of FAMILY; false where there is none of the right size. */
static bool attribute_address(const struct attribute *attribute, uint8_t family, struct net_address *address)
{
	if (!attribute->data || attribute->bytes != (family == AF_INET ? 4u : 16u))
		return false;
	if (family == AF_INET)
		*address = net_ipv4(attribute->data);
	else
		memcpy(address->bytes, attribute->data, 16);
	return true;
}

static void put_address(struct netlink_answer *answer, uint16_t type, const struct net_address *address)
{
	bool ipv4 = net_is_ipv4(address);
	netlink_attribute(answer, type, address->bytes + (ipv4 ? 12 : 0), ipv4 ? 4 : 16);
}

static uint8_t family_of(const struct net_address *address)
{
	return net_is_ipv4(address) ? AF_INET : AF_INET6;
}

/* ---- Links ---- */

uint32_t interface_flags(const struct net_link_info *info)
{
	enum { UP = 1, BROADCAST = 2, LOOPBACK = 8, RUNNING = 0x40, MULTICAST = 0x1000, LOWER_UP = 0x10000 };
	return (info->up ? UP | RUNNING | LOWER_UP : 0u) |
	       (info->kind == NET_LINK_LOOPBACK ? LOOPBACK : BROADCAST | MULTICAST);
}

static void put_statistics(struct netlink_answer *answer, const struct net_link_info *info)
{
	uint64_t wide[24] = {
	    info->received_packets, info->sent_packets, info->received_bytes, info->sent_bytes, 0, 0,
	    info->received_dropped, info->sent_dropped};
	uint32_t narrow[24];
	for (unsigned i = 0; i < 24; i++)
		narrow[i] = (uint32_t)wide[i];
	netlink_attribute(answer, IFLA_STATS64, wide, sizeof(wide));
	netlink_attribute(answer, IFLA_STATS, narrow, sizeof(narrow));
}

static void put_link(struct netlink_answer *answer, const struct net_link_info *info)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255}, none[6];
	bool loopback = info->kind == NET_LINK_LOOPBACK;
	struct link_body *body = netlink_message(answer, RTM_NEWLINK, sizeof(*body), 600);
	uint8_t state = loopback ? 0 : info->up ? 6 : 2, mode = 0, carrier = info->up;
	if (!body)
		return;
	body->hardware = loopback ? 772 : 1;
	body->index = (int32_t)info->number;
	body->flags = interface_flags(info);
	netlink_attribute(answer, IFLA_IFNAME, info->name, (uint32_t)strlen(info->name) + 1);
	netlink_u32(answer, IFLA_TXQLEN, 1000);
	netlink_attribute(answer, IFLA_OPERSTATE, &state, 1);
	netlink_attribute(answer, IFLA_LINKMODE, &mode, 1);
	netlink_u32(answer, IFLA_MTU, info->mtu);
	netlink_u32(answer, IFLA_GROUP, 0);
	netlink_u32(answer, IFLA_NUM_TX_QUEUES, 1);
	netlink_u32(answer, IFLA_NUM_RX_QUEUES, 1);
	netlink_attribute(answer, IFLA_CARRIER, &carrier, 1);
	netlink_attribute(answer, IFLA_QDISC, "noqueue", 8);
	netlink_attribute(answer, IFLA_ADDRESS, info->mac, 6);
	netlink_attribute(answer, IFLA_BROADCAST, loopback ? none : all, 6);
	put_statistics(answer, info);
}

/* The link that a request names, by index or by name, as its index in the table of links; -1: all, -2: none. */
static int find_link(int32_t number, const struct attribute *name)
{
	struct net_link_info info;
	if (!number && !name->data)
		return -1;
	for (uint32_t i = 0; net_link_info(stack_get(), i, &info); i++) {
		if (number ? info.number == (uint32_t)number
		           : name->bytes <= sizeof(info.name) &&
		                 strnlen((const char *)name->data, name->bytes) == strlen(info.name) &&
		                 memcmp(name->data, info.name, strlen(info.name)) == 0)
			return (int)i;
	}
	return -2;
}

static int64_t get_links(struct netlink_answer *answer, bool dump, const uint8_t *at, uint32_t bytes)
{
	struct attribute attributes[ATTRIBUTES_MAX];
	struct link_body body = {0};
	struct net_link_info info;
	if (bytes >= sizeof(body)) {
		memcpy(&body, at, sizeof(body));
		attributes_read(at + sizeof(body), bytes - (uint32_t)sizeof(body), attributes);
	} else {
		memset(attributes, 0, sizeof(attributes));
	}
	if (!dump) {
		int index = find_link(body.index, &attributes[IFLA_IFNAME]);
		if (index < 0)
			return index == -1 ? -EINVAL : -ENODEV;
		net_link_info(stack_get(), (uint32_t)index, &info);
		put_link(answer, &info);
		return 0;
	}
	for (uint32_t i = 0; net_link_info(stack_get(), i, &info); i++)
		put_link(answer, &info);
	return -NETLINK_DUMPED;
}

static int64_t set_link(const uint8_t *at, uint32_t bytes)
{
	struct attribute attributes[ATTRIBUTES_MAX];
	struct link_body body;
	struct net_link_info info;
	if (bytes < sizeof(body))
		return -EINVAL;
	memcpy(&body, at, sizeof(body));
	attributes_read(at + sizeof(body), bytes - (uint32_t)sizeof(body), attributes);
	int index = find_link(body.index, &attributes[IFLA_IFNAME]);
	if (index < 0)
		return index == -1 ? -EOPNOTSUPP : -ENODEV; /* none is made here */
	net_link_info(stack_get(), (uint32_t)index, &info);
	if ((body.change & 1) || (body.flags & 1))
		stack_set_up(net_link_numbered(stack_get(), info.number), body.flags & 1);
	return 0;
}

/* ---- Addresses ---- */

static uint8_t scope_of(const struct net_address *address)
{
	const uint8_t *b = address->bytes;
	if (net_is_ipv4(address))
		return b[12] == 127 ? SCOPE_HOST : SCOPE_UNIVERSE;
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
		return SCOPE_LINK;
	uint8_t any = 0;
	for (unsigned i = 0; i < 15; i++)
		any |= b[i];
	return !any && b[15] == 1 ? SCOPE_HOST : SCOPE_UNIVERSE;
}

static uint32_t lifetime(uint64_t seconds)
{
	return seconds >= UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}

static void put_own_address(struct netlink_answer *answer, const struct net_link_info *link,
                            const struct net_address_info *info)
{
	struct address_body *body = netlink_message(answer, RTM_NEWADDR, sizeof(*body), 160);
	bool ipv4 = net_is_ipv4(&info->address);
	uint32_t flags = (info->valid_seconds == UINT64_MAX ? IFA_F_PERMANENT : 0u) |
	                 (info->tentative ? IFA_F_TENTATIVE : 0u) | (info->duplicate ? IFA_F_DADFAILED : 0u);
	uint32_t cache[4] = {lifetime(info->preferred_seconds), lifetime(info->valid_seconds), 0, 0};
	if (!body)
		return;
	body->family = family_of(&info->address);
	body->length = info->length;
	body->flags = (uint8_t)flags;
	body->scope = scope_of(&info->address);
	body->index = link->number;
	put_address(answer, IFA_ADDRESS, &info->address);
	if (ipv4) {
		put_address(answer, IFA_LOCAL, &info->address);
		if (link->kind != NET_LINK_LOOPBACK && info->length < 31) {
			struct net_address broadcast = info->address;
			for (unsigned bit = info->length; bit < 32; bit++)
				broadcast.bytes[12 + bit / 8] |= (uint8_t)(0x80 >> bit % 8);
			put_address(answer, IFA_BROADCAST, &broadcast);
		}
		netlink_attribute(answer, IFA_LABEL, link->name, (uint32_t)strlen(link->name) + 1);
	}
	netlink_u32(answer, IFA_FLAGS, flags);
	netlink_attribute(answer, IFA_CACHEINFO, cache, sizeof(cache));
}

static int64_t get_addresses(struct netlink_answer *answer, uint8_t family, uint32_t number)
{
	struct net_link_info link;
	struct net_address_info info;
	for (uint32_t i = 0; net_link_info(stack_get(), i, &link); i++) {
		for (uint32_t at = 0; net_address_info(stack_get(), i, at, &info); at++)
			if ((!family || family == family_of(&info.address)) &&
			    (!number || number == link.number))
				put_own_address(answer, &link, &info);
	}
	return -NETLINK_DUMPED;
}

static int64_t change_address(bool add, const uint8_t *at, uint32_t bytes)
{
	struct attribute attributes[ATTRIBUTES_MAX];
	struct address_body body;
	struct net_address address;
	if (bytes < sizeof(body))
		return -EINVAL;
	memcpy(&body, at, sizeof(body));
	attributes_read(at + sizeof(body), bytes - (uint32_t)sizeof(body), attributes);
	struct net_link *link = net_link_numbered(stack_get(), body.index);
	if (!link)
		return -ENODEV;
	if (!attribute_address(&attributes[IFA_LOCAL], body.family, &address) &&
	    !attribute_address(&attributes[IFA_ADDRESS], body.family, &address))
		return -EINVAL;
	return add ? net_address_add(link, &address, body.length) : net_address_remove(link, &address);
}

/* ---- Routes ---- */

static void put_origin(struct route_body *body, const struct net_route_info *info, bool local)
{
	body->flags = 0;
	body->table = local ? TABLE_LOCAL : TABLE_MAIN;
	body->protocol = info->automatic && !info->direct ? PROTOCOL_DHCP
	                 : info->direct                   ? PROTOCOL_KERNEL
	                                                  : PROTOCOL_STATIC;
	body->scope = body->family == AF_INET6 || !info->direct ? SCOPE_UNIVERSE
	              : local                                   ? SCOPE_HOST
	                                                        : SCOPE_LINK;
}

static void put_route(struct netlink_answer *answer, const struct net_route_info *info, bool local,
                      const struct net_address *source)
{
	struct route_body *body = netlink_message(answer, RTM_NEWROUTE, sizeof(*body), 120);
	if (!body)
		return;
	body->family = family_of(&info->prefix);
	body->to_length = info->length;
	body->type = local ? TYPE_LOCAL : TYPE_UNICAST;
	body->table = TABLE_MAIN;
	body->flags = RTM_F_CLONED;
	/* Of a route that was asked for alone Linux says less. */
	if (answer->flags & NLM_F_MULTI)
		put_origin(body, info, local);
	netlink_u32(answer, RTA_TABLE, body->table);
	if (info->length)
		put_address(answer, RTA_DST, &info->prefix);
	if (!info->direct)
		put_address(answer, RTA_GATEWAY, &info->gateway);
	netlink_u32(answer, RTA_OIF, info->link);
	if (source)
		put_address(answer, RTA_PREFSRC, source);
	if (family_of(&info->prefix) == AF_INET6)
		netlink_u32(answer, RTA_PRIORITY, info->direct ? 256 : 1024);
}

/* Whether Linux would have the route in its table of local addresses. */
static bool is_local(const struct net_route_info *info)
{
	return info->link == net_link_number(stack_loopback()) && net_is_ipv4(&info->prefix);
}

static int64_t get_route(struct netlink_answer *answer, bool dump, const uint8_t *at, uint32_t bytes)
{
	struct attribute attributes[ATTRIBUTES_MAX];
	struct route_body body = {0};
	struct net_route_info info;
	struct net_address to, source;
	if (bytes >= sizeof(body)) {
		memcpy(&body, at, sizeof(body));
		attributes_read(at + sizeof(body), bytes - (uint32_t)sizeof(body), attributes);
	} else {
		if (bytes)
			body.family = at[0];
		memset(attributes, 0, sizeof(attributes));
	}
	if (!dump) {
		if (!attribute_address(&attributes[RTA_DST], body.family, &to))
			return -EINVAL;
		if (!net_route_lookup(stack_get(), &to, attribute_u32(&attributes[RTA_OIF]), &info, &source))
			return -ENETUNREACH;
		info.length = body.family == AF_INET ? 32 : 128;
		put_route(answer, &info, is_local(&info), &source);
		return 0;
	}
	for (uint32_t i = 0; net_route_info(stack_get(), i, &info); i++) {
		bool has_source = info.direct && net_is_ipv4(&info.prefix) &&
		                  net_route_lookup(stack_get(), &info.prefix, info.link,
		                                   &(struct net_route_info){0}, &source);
		if (!body.family || body.family == family_of(&info.prefix))
			put_route(answer, &info, is_local(&info), has_source ? &source : 0);
	}
	return -NETLINK_DUMPED;
}

static int64_t change_route(bool add, uint16_t flags, const uint8_t *at, uint32_t bytes)
{
	struct attribute attributes[ATTRIBUTES_MAX];
	struct route_body body;
	struct net_address to, gateway, source;
	struct net_route_info way;
	if (bytes < sizeof(body))
		return -EINVAL;
	memcpy(&body, at, sizeof(body));
	attributes_read(at + sizeof(body), bytes - (uint32_t)sizeof(body), attributes);
	if (body.family != AF_INET && body.family != AF_INET6)
		return -EAFNOSUPPORT;
	if (!attribute_address(&attributes[RTA_DST], body.family, &to)) {
		if (body.to_length)
			return -EINVAL;
		memset(&to, 0, sizeof(to));
		if (body.family == AF_INET)
			to = net_ipv4((const uint8_t[4]){0});
	}
	bool by_gateway = attribute_address(&attributes[RTA_GATEWAY], body.family, &gateway);
	uint32_t number = attribute_u32(&attributes[RTA_OIF]);
	if (!number && by_gateway && net_route_lookup(stack_get(), &gateway, 0, &way, &source))
		number = way.link;
	struct net_link *link = net_link_numbered(stack_get(), number);
	if (!add && !link) {
		for (uint32_t i = 0; !link && net_route_info(stack_get(), i, &way); i++)
			if (memcmp(&way.prefix, &to, sizeof(to)) == 0 && way.length == body.to_length)
				link = net_link_numbered(stack_get(), way.link);
		return link ? net_route_remove(stack_get(), &to, body.to_length, link) : -ESRCH;
	}
	if (!link)
		return number ? -ENODEV : -ENETUNREACH;
	if (add && (flags & NLM_F_REPLACE))
		(void)net_route_remove(stack_get(), &to, body.to_length, link); /* there may be none */
	if (add)
		return net_route_add(stack_get(), &to, body.to_length, link, by_gateway ? &gateway : 0);
	return net_route_remove(stack_get(), &to, body.to_length, link) ? -ESRCH : 0;
}

/* ---- Neighbours ---- */

static int64_t get_neighbours(struct netlink_answer *answer, uint8_t family)
{
	struct net_neighbour_info info;
	for (uint32_t i = 0; net_neighbour_info(stack_get(), i, &info); i++) {
		if (family && family != family_of(&info.address))
			continue;
		struct neighbour_body *body = netlink_message(answer, RTM_NEWNEIGH, sizeof(*body), 40);
		if (!body)
			break;
		body->family = family_of(&info.address);
		body->index = (int32_t)info.link;
		body->state = info.asked ? NUD_INCOMPLETE : info.stale ? NUD_STALE : NUD_REACHABLE;
		body->type = TYPE_UNICAST;
		put_address(answer, NDA_DST, &info.address);
		if (!info.asked)
			netlink_attribute(answer, NDA_LLADDR, info.mac, 6);
	}
	return -NETLINK_DUMPED;
}

int64_t route_netlink(struct netlink_answer *answer, const struct netlink_header *message,
                      const uint8_t *body, uint32_t bytes)
{
	uint8_t family = bytes ? body[0] : 0;
	bool get = message->type % 4 == 2;
	bool dump = get && (message->flags & NLM_F_DUMP);
	uint32_t number = 0;
	if (!get && !net_capable(answer->net, CAP_NET_ADMIN))
		return -EPERM;
	answer->flags = dump ? NLM_F_MULTI : 0;
	if (message->type == RTM_GETADDR && bytes >= sizeof(struct address_body))
		memcpy(&number, body + 4, sizeof(number));
	switch (message->type) {
	case RTM_GETLINK:
		return get_links(answer, dump, body, bytes);
	case RTM_NEWLINK:
	case RTM_SETLINK:
		return set_link(body, bytes);
	case RTM_GETADDR:
		return get_addresses(answer, family, number);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return change_address(message->type == RTM_NEWADDR, body, bytes);
	case RTM_GETROUTE:
		return get_route(answer, dump, body, bytes);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return change_route(message->type == RTM_NEWROUTE, message->flags, body, bytes);
	case RTM_GETNEIGH:
		return get_neighbours(answer, family);
	case RTM_GETRULE:
	case RTM_GETQDISC:
		return dump ? -NETLINK_DUMPED : -EOPNOTSUPP; /* there are none */
	default:
		return -EOPNOTSUPP;
	}
}
