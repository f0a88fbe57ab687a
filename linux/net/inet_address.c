/* struct sockaddr_in, sockaddr_in6 and sockaddr_ll to and from the stack's endpoints: see inet.h. */
#include "inet.h"

struct sockaddr_in {
	uint16_t family;
	uint8_t port[2], address[4], zero[8];
};

struct sockaddr_in6 {
	uint16_t family;
	uint8_t port[2], flow[4], address[16];
	uint32_t scope;
};
#define SOCKADDR_IN6_LEAST 24u /* RFC 2133 had no scope */

struct sockaddr_ll {
	uint16_t family;
	uint8_t protocol[2];
	int32_t interface;
	uint16_t hardware;
	uint8_t packet, address_bytes, address[8];
};
_Static_assert(sizeof(struct sockaddr_in) == 16 && sizeof(struct sockaddr_in6) == 28 &&
                   sizeof(struct sockaddr_ll) == 20,
               "netinet/in.h, linux/if_packet.h");

static uint16_t port_read(const uint8_t port[2])
{
	return (uint16_t)(port[0] << 8 | port[1]);
}

static void port_write(uint8_t to[2], uint16_t port)
{
	to[0] = (uint8_t)(port >> 8);
	to[1] = (uint8_t)port;
}

static int64_t read_ipv4(const struct socket_address *address, struct net_endpoint *endpoint)
{
	struct sockaddr_in in;
	if (address->length < sizeof(in))
		return -EINVAL;
	memcpy(&in, address->bytes, sizeof(in));
	endpoint->address = net_ipv4(in.address);
	endpoint->port = port_read(in.port);
	return 0;
}

static int64_t read_packet(const struct socket_address *address, struct net_endpoint *endpoint)
{
	struct sockaddr_ll ll;
	if (address->length < sizeof(ll))
		return -EINVAL;
	memcpy(&ll, address->bytes, sizeof(ll));
	if (ll.family != AF_PACKET)
		return -EINVAL;
	memcpy(endpoint->address.bytes, ll.address, sizeof(ll.address));
	endpoint->port = port_read(ll.protocol);
	endpoint->scope = (uint32_t)ll.interface;
	return 0;
}

int64_t inet_endpoint_read(const struct inet_socket *socket, const struct socket_address *address,
                           struct net_endpoint *endpoint)
{
	struct sockaddr_in6 in6 = {.scope = 0};
	memset(endpoint, 0, sizeof(*endpoint));
	if (socket->family == AF_PACKET)
		return read_packet(address, endpoint);
	if (address->length < sizeof(uint16_t))
		return -EINVAL;
	if (socket->family == AF_INET) {
		int64_t error = read_ipv4(address, endpoint);
		bool any = address->family == AF_UNSPEC &&
		           (endpoint->address.bytes[12] | endpoint->address.bytes[13] |
		            endpoint->address.bytes[14] | endpoint->address.bytes[15]) == 0;
		return error ? error : address->family == AF_INET || any ? 0 : -EAFNOSUPPORT;
	}
	if (address->family == AF_INET && socket->type != SOCK_STREAM)
		return read_ipv4(address, endpoint);
	if (address->length < SOCKADDR_IN6_LEAST)
		return -EINVAL;
	if (address->family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(&in6, address->bytes, address->length < sizeof(in6) ? address->length : sizeof(in6));
	memcpy(endpoint->address.bytes, in6.address, 16);
	endpoint->port = port_read(in6.port);
	endpoint->scope = in6.scope;
	return 0;
}

void inet_endpoint_tell(const struct inet_socket *socket, const struct net_endpoint *endpoint,
                        struct socket_address *address)
{
	if (socket->family == AF_INET) {
		struct sockaddr_in in = {.family = AF_INET};
		port_write(in.port, endpoint->port);
		memcpy(in.address, endpoint->address.bytes + 12, 4);
		memcpy(address->bytes, &in, sizeof(in));
		address->length = sizeof(in);
	} else if (socket->family == AF_INET6) {
		struct sockaddr_in6 in6 = {.family = AF_INET6, .scope = endpoint->scope};
		port_write(in6.port, endpoint->port);
		memcpy(in6.address, endpoint->address.bytes, 16);
		memcpy(address->bytes, &in6, sizeof(in6));
		address->length = sizeof(in6);
	} else {
		struct sockaddr_ll ll = {.family = AF_PACKET,
		                         .interface = (int32_t)endpoint->scope,
		                         .hardware = endpoint->scope == 1 ? ARPHRD_LOOPBACK : ARPHRD_ETHER,
		                         .packet = endpoint->address.bytes[8],
		                         .address_bytes = 6};
		memcpy(ll.address, endpoint->address.bytes, sizeof(ll.address));
		port_write(ll.protocol, endpoint->port);
		memcpy(address->bytes, &ll, sizeof(ll));
		address->length = sizeof(ll);
	}
}
