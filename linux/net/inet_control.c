/* Ancillary data of messages that are sent: what a program says of one datagram alone. ip(7), ipv6(7), udp(7). */
#include "inet.h"

#define HEADER_BYTES sizeof(struct control_header)
enum { IPV6_DONTFRAG = 62 };

static int64_t read_socket_level(const struct inet_socket *inet, int32_t type, uint64_t bytes)
{
	switch (type) {
	case SCM_RIGHTS:
	case SCM_CREDENTIALS:
		return 0; /* of unix sockets; nobody minds */
	case SO_MARK:     /* no rule and no route looks at marks */
		if (!net_capable(inet->net, CAP_NET_RAW) && !net_capable(inet->net, CAP_NET_ADMIN))
			return -EPERM;
		return bytes == 4 ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static int64_t read_ipv4(struct inet_ancillary *with, int32_t type, const uint8_t *data, uint64_t bytes)
{
	static const uint8_t any[4] = {0};
	int32_t number = 0;
	if (bytes >= 4)
		memcpy(&number, data, sizeof(number));
	switch (type) {
	case IP_TOS:
		if (bytes == 1)
			number = data[0];
		if ((bytes != 1 && bytes != 4) || number < 0 || number > 255)
			return -EINVAL;
		with->net.traffic_class = (int16_t)number;
		return 0;
	case IP_TTL:
		if (bytes != 4 || number < 1 || number > 255)
			return -EINVAL;
		with->net.ttl = (int16_t)number;
		return 0;
	case IP_PKTINFO: /* a link, the source address, and what came in with the datagram that this one answers */
		if (bytes != 12)
			return -EINVAL;
		if (number)
			with->net.link = (uint32_t)number;
		if (memcmp(data + 4, any, 4) != 0) {
			with->net.from = net_ipv4(data + 4);
			with->net.has_from = true;
		}
		return 0;
	default:
		return -EINVAL;
	}
}

static int64_t read_ipv6(struct inet_ancillary *with, int32_t type, const uint8_t *data, uint64_t bytes)
{
	static const uint8_t any[16] = {0};
	int32_t number = 0;
	if (bytes >= 4)
		memcpy(&number, data, sizeof(number));
	switch (type) {
	case IPV6_PKTINFO:
		if (bytes < 20)
			return -EINVAL;
		memcpy(&number, data + 16, sizeof(number));
		if (number)
			with->net.link = (uint32_t)number;
		if (memcmp(data, any, 16) != 0) {
			memcpy(with->net.from.bytes, data, 16);
			with->net.has_from = true;
		}
		return 0;
	case IPV6_HOPLIMIT:
	case IPV6_TCLASS:
		if (bytes != 4 || number < -1 || number > 255)
			return -EINVAL;
		*(type == IPV6_TCLASS ? &with->net.traffic_class : &with->net.ttl) = (int16_t)number;
		return 0;
	case IPV6_DONTFRAG: /* see linux/flags */
		return bytes == 4 && (number == 0 || number == 1) ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static int64_t read_one(const struct inet_socket *inet, struct inet_ancillary *with,
                        const struct control_header *header, const uint8_t *data)
{
	uint64_t bytes = header->length - HEADER_BYTES;
	if (header->level == SOL_SOCKET)
		return read_socket_level(inet, header->type, bytes);
	if (inet->type == SOCK_STREAM || inet->family == AF_PACKET)
		return 0;
	if (header->level == SOL_UDP && inet->type == SOCK_DGRAM) {
		if (header->type != UDP_SEGMENT || bytes != 2)
			return -EINVAL;
		memcpy(&with->segment, data, 2);
		return 0;
	}
	if (header->level == SOL_IP)
		return read_ipv4(with, header->type, data, bytes);
	return header->level == SOL_IPV6 && inet->family == AF_INET6
	           ? read_ipv6(with, header->type, data, bytes)
	           : 0;
}

int64_t inet_control_read(const struct inet_socket *inet, struct inet_ancillary *with, uint64_t address,
                          uint64_t bytes)
{
	*with = (struct inet_ancillary){
	    .net = {.ttl = -1, .traffic_class = -1},
	    .segment = inet->type == SOCK_DGRAM ? inet_kept(inet, SOL_UDP, UDP_SEGMENT) : 0};
	if (bytes > CONTROL_MAX)
		return -ENOBUFS;
	for (uint64_t at = 0; at + HEADER_BYTES <= bytes;) {
		struct control_header header;
		uint8_t data[32] = {0}; /* none of those read here is longer */
		if (copy_from_user(&header, address + at, sizeof(header)))
			return -EFAULT;
		if (header.length < HEADER_BYTES || header.length > bytes - at)
			return -EINVAL;
		uint64_t length = header.length - HEADER_BYTES;
		length = length < sizeof(data) ? length : sizeof(data);
		if (length && copy_from_user(data, address + at + HEADER_BYTES, length))
			return -EFAULT;
		int64_t error = read_one(inet, with, &header, data);
		if (error)
			return error;
		at += (header.length + 7) & ~7ull;
	}
	return 0;
}
