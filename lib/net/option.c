/* Socket options of the levels SOL_SOCKET, IPPROTO_IP and IPPROTO_IPV6: socket(7), ip(7), ipv6(7). One table
 * says which are plain fields; the rest stand in the two functions. */
#include "internal.h"
#include "tcp.h"
#include <string.h>

/* Options that are one number in struct net_socket. */
static const struct field {
	uint8_t level, name;
	uint16_t offset;
	uint8_t bytes; /* of the field: 1 or 4 */
	int32_t least, most;
	int32_t dflt; /* what -1 sets, where that is allowed; INT32_MIN: it is not */
} fields[] = {
#define FIELD(level, name, member, least, most, dflt)                                                        \
	{                                                                                                    \
		level, name, offsetof(struct net_socket, member), sizeof(((struct net_socket *)0)->member),  \
		    least, most, dflt                                                                        \
	}
#define FLAG(level, name, member) FIELD(level, name, member, INT32_MIN, INT32_MAX, INT32_MIN)
    FLAG(LEVEL_SOCKET, 2, reuse_address),
    FLAG(LEVEL_SOCKET, 6, broadcast),
    FLAG(LEVEL_SOCKET, 10, out_of_band_inline),
    FLAG(LEVEL_SOCKET, 15, reuse_port),
    FIELD(LEVEL_IP, 1, traffic_class, INT32_MIN, INT32_MAX - 1, INT32_MIN), /* its lowest byte counts */
    FIELD(LEVEL_IP, 2, ttl, 1, 255, 0),
    FLAG(LEVEL_IP, 3, header_included),
    FLAG(LEVEL_IP, 6, receive_options),
    FLAG(LEVEL_IP, 7, receive_options),
    FLAG(LEVEL_IP, 8, packet_information),
    FIELD(LEVEL_IP, 10, path_discovery, 0, 5, INT32_MIN),
    FLAG(LEVEL_IP, 11, receive_errors),
    FLAG(LEVEL_IP, 12, receive_ttl),
    FLAG(LEVEL_IP, 13, receive_class),
    FLAG(LEVEL_IP, 15, free_bind),
    FIELD(LEVEL_IP, 21, least_ttl, 0, 255, INT32_MIN),
    FIELD(LEVEL_IP, 33, multicast_ttl, 0, 255, 1),
    FLAG(LEVEL_IP, 34, multicast_loop),
    FIELD(LEVEL_IP, 49, multicast_all, 0, 1, INT32_MIN),
    FIELD(LEVEL_IPV6, 16, ttl, 0, 255, 0),
    FIELD(LEVEL_IPV6, 18, multicast_ttl, 0, 255, 1),
    FIELD(LEVEL_IPV6, 19, multicast_loop, 0, 1, INT32_MIN),
    FIELD(LEVEL_IPV6, 23, path_discovery, 0, 5, INT32_MIN),
    FLAG(LEVEL_IPV6, 25, receive_errors),
    FLAG(LEVEL_IPV6, 29, multicast_all),
    FLAG(LEVEL_IPV6, 49, packet_information),
    FLAG(LEVEL_IPV6, 51, receive_ttl),
    FLAG(LEVEL_IPV6, 66, receive_class),
    FIELD(LEVEL_IPV6, 67, traffic_class, 0, 255, 0),
    FIELD(LEVEL_IPV6, 73, least_ttl, 0, 255, INT32_MIN),
    FLAG(LEVEL_IPV6, 78, free_bind),
#undef FLAG
#undef FIELD
};

enum {
	SO_TYPE = 3,
	SO_ERROR = 4,
	SO_SNDBUF = 7,
	SO_RCVBUF = 8,
	SO_KEEPALIVE = 9,
	SO_LINGER = 13,
	SO_BINDTODEVICE = 25,
	SO_ACCEPTCONN = 30,
	SO_SNDBUFFORCE = 32,
	SO_RCVBUFFORCE = 33,
	SO_PROTOCOL = 38,
	SO_DOMAIN = 39,
	SO_MEMINFO = 55,
	SO_BINDTOIFINDEX = 62,
	SO_BUF_LOCK = 72
};
enum { BUFFER_LOCK_SEND = 1, BUFFER_LOCK_RECEIVE = 2 };
enum {
	IP_HDRINCL = 3,
	IP_PKTOPTIONS = 9,
	IP_MTU = 14,
	IP_NODEFRAG = 22,
	IP_MULTICAST_IF = 32,
	IP_MULTICAST_TTL = 33,
	IP_UNICAST_IF = 50,
	IP_LOCAL_PORT_RANGE = 51,
	IP_PROTOCOL = 52
};
enum {
	IPV6_MULTICAST_IF = 17,
	IPV6_MULTICAST_HOPS = 18,
	IPV6_MTU = 24,
	IPV6_V6ONLY = 26,
	IPV6_UNICAST_IF = 76
};

static const struct field *field_of(int level, int name)
{
	for (unsigned index = 0; index < sizeof(fields) / sizeof(fields[0]); index++)
		if (fields[index].level == level && fields[index].name == name)
			return &fields[index];
	return NULL;
}

static int field_set(struct net_socket *socket, const struct field *field, int32_t number)
{
	uint8_t *at = (uint8_t *)socket + field->offset;
	bool flag = field->least == INT32_MIN && field->most == INT32_MAX && field->bytes == 1;

	if (flag) {
		number = number != 0;
	} else if (number == -1 && field->dflt != INT32_MIN) {
		number = field->dflt;
	} else if (number < field->least || number > field->most) {
		return -NET_EINVAL;
	}
	if (field->bytes == 1) {
		/* TCP sets the ECN bits by itself. */
		if (at == &socket->traffic_class && socket->type == TYPE_STREAM)
			number &= ~ECN_MASK;
		*at = (uint8_t)number;
	} else {
		memcpy(at, &number, 4);
	}
	return 0;
}

static uint32_t buffer_size(const struct net_socket *socket, int32_t number, uint32_t least)
{
	/* Linux doubles what is asked for, for its own records (socket(7)). */
	bool doubled = socket->net->profile->profile == NET_PROFILE_LINUX;
	uint32_t most = (uint32_t)(socket->net->arena.units * ARENA_UNIT / 8),
	         wanted = number < 0 ? 0 : (uint32_t)number;

	if (wanted > 0x3fffffff)
		wanted = 0x3fffffff;
	return min32(max32(doubled ? wanted * 2 : wanted, least), most);
}

static int socket_level_set(struct net_socket *socket, int name, const void *value, size_t count,
                            int32_t number)
{
	switch (name) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		socket->send_size = buffer_size(socket, number, 4608);
		socket->send_size_set = true;
		return 0;
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		socket->receive_size = buffer_size(socket, number, 2304);
		socket->receive_size_set = true;
		if (socket->type == TYPE_STREAM)
			tcp_receive_size_changed(tcp_of(socket));
		return 0;
	case SO_KEEPALIVE:
		socket->keep_alive = number != 0;
		if (socket->type == TYPE_STREAM && socket->flow.kind == FLOW_TCP)
			tcp_arm_idle(tcp_of(socket));
		return 0;
	case SO_LINGER:
		if (count < 8)
			return -NET_EINVAL;
		memcpy(&socket->linger_seconds, (const uint8_t *)value + 4, 4);
		socket->linger = number != 0;
		return 0;
	case SO_BUF_LOCK: /* whether buffers keep their sizes: a bit each */
		if (number & ~(BUFFER_LOCK_SEND | BUFFER_LOCK_RECEIVE))
			return -NET_EINVAL;
		socket->send_size_set = number & BUFFER_LOCK_SEND;
		socket->receive_size_set = number & BUFFER_LOCK_RECEIVE;
		return 0;
	case SO_BINDTOIFINDEX:
		if (number < 0)
			return -NET_EINVAL;
		socket->scope = (uint32_t)number; /* one that is not there has nothing to send by */
		return 0;
	case SO_BINDTODEVICE:
		for (unsigned index = 0; index < socket->net->link_count; index++) {
			const struct net_link *link = socket->net->links[index];
			size_t length = strlen(link->config.name);

			if (count >= length && memcmp(value, link->config.name, length) == 0 &&
			    (count == length || !((const char *)value)[length])) {
				socket->scope = link->number;
				return 0;
			}
		}
		if (count && *(const char *)value)
			return -NET_ENODEV;
		socket->scope = 0;
		return 0;
	default:
		return -NET_ENOPROTOOPT;
	}
}

/* What streams do not know of these levels, and others but raw sockets do not: 0, or an error. */
static int misplaced(const struct net_socket *socket, int level, int name)
{
	bool stream = socket->type == TYPE_STREAM;

	if (level == LEVEL_IP && (name == IP_HDRINCL || name == IP_NODEFRAG) && socket->type != TYPE_RAW)
		return -NET_ENOPROTOOPT;
	if (stream && level == LEVEL_IP && (name == IP_MULTICAST_TTL || name == IP_MULTICAST_IF))
		return -NET_EINVAL;
	if (stream && level == LEVEL_IPV6 && (name == IPV6_MULTICAST_HOPS || name == IPV6_MULTICAST_IF))
		return -NET_ENOPROTOOPT;
	return 0;
}

/* IP_MULTICAST_IF: an address of the link's own, or a struct ip_mreq or ip_mreqn with it or with its number. */
static int multicast_link_set(struct net_socket *socket, const uint8_t *value, size_t count)
{
	struct net *net = socket->net;
	struct net_address address;
	uint32_t number = 0;

	if (count < 4)
		return -NET_EINVAL;
	address = net_ipv4(count >= 8 ? value + 4 : value);
	if (count >= 12)
		memcpy(&number, value + 8, 4);
	for (unsigned index = 0; index < net->link_count && !number && !address_zero(&address); index++)
		if (link_own_address(net->links[index], &address))
			number = net->links[index]->number;
	if (number > net->link_count || (!number && !address_zero(&address)))
		return -NET_EADDRNOTAVAIL;
	socket->multicast_link = (uint8_t)number;
	memcpy(socket->multicast_address, address.bytes + 12, 4);
	return 0;
}

/* Options that choose links and ports; -NET_ENOPROTOOPT: it is none of them. */
static int choice_set(struct net_socket *socket, int level, int name, const void *value, size_t count,
                      int32_t number)
{
	uint32_t unicast = __builtin_bswap32((uint32_t)number); /* in network order */
	uint16_t low = (uint16_t)number, high = (uint16_t)((uint32_t)number >> 16);

	if (level == LEVEL_IP && name == IP_MULTICAST_IF)
		return multicast_link_set(socket, (const uint8_t *)value, count);
	if (level == LEVEL_IPV6 && name == IPV6_MULTICAST_IF) {
		if (count < 4)
			return -NET_EINVAL;
		if ((uint32_t)number > socket->net->link_count)
			return -NET_ENODEV;
		socket->multicast_link = (uint8_t)number;
		return 0;
	}
	if ((level == LEVEL_IP && name == IP_UNICAST_IF) ||
	    (level == LEVEL_IPV6 && name == IPV6_UNICAST_IF)) {
		if (count != 4)
			return -NET_EINVAL;
		if (unicast > socket->net->link_count)
			return -NET_EADDRNOTAVAIL;
		socket->unicast_link = (uint8_t)unicast;
		return 0;
	}
	if (level == LEVEL_IP && name == IP_LOCAL_PORT_RANGE) {
		if (count != 4 || (low && high && low > high))
			return -NET_EINVAL;
		socket->port_low = low;
		socket->port_high = high;
		return 0;
	}
	return -NET_ENOPROTOOPT;
}

static int choice_get(const struct net_socket *socket, int level, int name, uint32_t *number)
{
	if (level == LEVEL_IP && name == IP_MULTICAST_IF)
		memcpy(number, socket->multicast_address, 4);
	else if (level == LEVEL_IPV6 && name == IPV6_MULTICAST_IF)
		*number = socket->multicast_link;
	else if ((level == LEVEL_IP && name == IP_UNICAST_IF) ||
	         (level == LEVEL_IPV6 && name == IPV6_UNICAST_IF))
		*number = __builtin_bswap32(socket->unicast_link);
	else if (level == LEVEL_IP && name == IP_LOCAL_PORT_RANGE)
		*number = socket->port_low | (uint32_t)socket->port_high << 16;
	else if (level == LEVEL_IP && name == IP_NODEFRAG)
		*number = 0;
	else if (level == LEVEL_IP && name == IP_PROTOCOL)
		*number = socket->type == TYPE_RAW ? socket->protocol : socket->flow.local_port;
	else
		return -NET_ENOPROTOOPT;
	return 0;
}

int net_set_option(struct net_socket *socket, int level, int name, const void *value, size_t count)
{
	const struct field *field = field_of(level, name);
	int32_t number = 0;
	int result = misplaced(socket, level, name);

	if (result)
		return result;

	if (count >= 4)
		memcpy(&number, value, 4);
	else if (count >= 1 && level == LEVEL_IP)
		number = *(const uint8_t *)value; /* ip(7): a byte will do */
	else if (!(level == LEVEL_SOCKET && name == SO_BINDTODEVICE) && !field && level != LEVEL_SOCKET)
		number = 0;
	if (field) {
		if (!count || (count < 4 && level != LEVEL_IP))
			return -NET_EINVAL;
		result = field_set(socket, field, number);
		if (!socket->receive_errors)
			failures_drop(socket);
		return result;
	}
	if (level == LEVEL_SOCKET) {
		if (count < 4 && name != SO_BINDTODEVICE)
			return -NET_EINVAL;
		return socket_level_set(socket, name, value, count, number);
	}
	result = multicast_set_option(socket, level, name, value, count);
	if (result != -NET_ENOPROTOOPT)
		return result;
	result = choice_set(socket, level, name, value, count, number);
	if (result != -NET_ENOPROTOOPT)
		return result;
	if (level == LEVEL_IPV6 && name == IPV6_V6ONLY) {
		if (count < 4 || socket->bound)
			return -NET_EINVAL;
		socket->only_ipv6 = number != 0;
		return 0;
	}
	if (socket->ops->set_option)
		return socket->ops->set_option(socket, level, name, value, count);
	return -NET_ENOPROTOOPT;
}

static int socket_level_get(struct net_socket *socket, int name, void *value, size_t *count, uint32_t *number)
{
	switch (name) {
	case SO_TYPE:
		*number = socket->type;
		return 0;
	case SO_ERROR:
		*number = (uint32_t)socket_take_error(socket);
		return 0;
	case SO_SNDBUF:
		*number = socket->send_size;
		return 0;
	case SO_RCVBUF:
		*number = socket->receive_size;
		return 0;
	case SO_KEEPALIVE:
		*number = socket->keep_alive;
		return 0;
	case SO_LINGER: {
		uint32_t linger[2] = {socket->linger, socket->linger_seconds};

		if (*count > sizeof(linger))
			*count = sizeof(linger);
		memcpy(value, linger, *count);
		return 1;
	}
	case SO_BINDTODEVICE: {
		const char *device = "";
		size_t length = 0;

		if (socket->scope > socket->net->link_count)
			return -NET_ENODEV;
		if (socket->scope) {
			device = socket->net->links[socket->scope - 1]->config.name;
			length = strlen(device) + 1;
		}
		if (*count < length)
			return -NET_EINVAL;
		memcpy(value, device, length);
		*count = length;
		return 1;
	}
	case SO_BINDTOIFINDEX:
		*number = socket->scope;
		return 0;
	case SO_BUF_LOCK:
		*number = (socket->send_size_set ? BUFFER_LOCK_SEND : 0) |
		          (socket->receive_size_set ? BUFFER_LOCK_RECEIVE : 0);
		return 0;
	case SO_ACCEPTCONN:
		*number = socket->type == TYPE_STREAM && socket->ops->listening(socket);
		return 0;
	case SO_PROTOCOL:
		*number = socket->protocol;
		return 0;
	case SO_DOMAIN:
		*number = socket->family;
		return 0;
	case SO_MEMINFO: {
		uint32_t info[9] = {[1] = socket->receive_size, [3] = socket->send_size};

		if (socket->type == TYPE_STREAM) {
			info[0] = tcp_of(socket)->receive_charge;
			info[5] = tcp_of(socket)->send_charge;
		}
		if (*count > sizeof(info))
			*count = sizeof(info);
		memcpy(value, info, *count);
		return 1;
	}
	default:
		return -NET_ENOPROTOOPT;
	}
}

int net_get_option(struct net_socket *socket, int level, int name, void *value, size_t *count)
{
	const struct field *field = field_of(level, name);
	uint32_t number = 0;
	int result = 0;

	if (field) {
		const uint8_t *at = (const uint8_t *)socket + field->offset;

		if (field->bytes == 1)
			number = *at;
		else
			memcpy(&number, at, 4);
		if (at == &socket->ttl && !number)
			number = 64;
	} else if (level == LEVEL_SOCKET) {
		result = socket_level_get(socket, name, value, count, &number);
	} else if (level == LEVEL_IPV6 && name == IPV6_V6ONLY) {
		number = socket->only_ipv6;
	} else if ((level == LEVEL_IP && name == IP_MTU) || (level == LEVEL_IPV6 && name == IPV6_MTU)) {
		struct path path;

		if (!socket->flow.remote_port ||
		    !route_find(socket->net, &socket->flow.remote, socket->scope, &path))
			return -NET_ENOTCONN;
		number = path.mtu;
	} else if (choice_get(socket, level, name, &number) == 0) {
		result = 0;
	} else if (level == LEVEL_IP && name == IP_PKTOPTIONS && socket->type == TYPE_STREAM) {
		*count = 0; /* no stream keeps what came with its first segment */
		return 0;
	} else if (socket->ops->get_option) {
		return socket->ops->get_option(socket, level, name, value, count);
	} else {
		return -NET_ENOPROTOOPT;
	}
	if (result)
		return result < 0 ? result : 0;
	if (*count > sizeof(number))
		*count = sizeof(number);
	memcpy(value, &number, *count);
	return 0;
}
