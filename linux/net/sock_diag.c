/* sock_diag(7): all sockets of the internet, for ss(8). stack_lock is held. */
#include "inet.h"
#include "netlink.h"

enum { SOCK_DIAG_BY_FAMILY = 20, NLM_F_MULTI = 2, NLM_F_DUMP = 0x300 };
#define ANSWERS_MAX 16384u /* sockets told in one answer */

struct diag_identity {
	uint8_t from_port[2], to_port[2], from[16], to[16];
	uint32_t interface, cookie[2];
};

struct diag_request {
	uint8_t family, protocol, extensions, pad;
	uint32_t states;
	struct diag_identity identity;
};

struct diag_answer {
	uint8_t family, state, timer, retransmissions;
	struct diag_identity identity;
	uint32_t expires, receive_queue, send_queue, uid, inode;
};
_Static_assert(sizeof(struct diag_request) == 56 && sizeof(struct diag_answer) == 72, "linux/inet_diag.h");

static void put_address(uint8_t to[16], const struct net_address *address, uint8_t family)
{
	memcpy(to, address->bytes + (family == AF_INET ? 12 : 0), family == AF_INET ? 4 : 16);
}

static bool put_socket(struct netlink_answer *answer, const struct net_socket_info *info)
{
	const struct inet_socket *socket = info->context;
	struct diag_answer *body = netlink_message(answer, SOCK_DIAG_BY_FAMILY, sizeof(*body), 0);
	if (!body)
		return false;
	body->family = info->family;
	body->state = info->state;
	body->retransmissions = (uint8_t)info->retransmissions;
	body->identity.from_port[0] = (uint8_t)(info->local.port >> 8);
	body->identity.from_port[1] = (uint8_t)info->local.port;
	body->identity.to_port[0] = (uint8_t)(info->remote.port >> 8);
	body->identity.to_port[1] = (uint8_t)info->remote.port;
	put_address(body->identity.from, &info->local.address, info->family);
	put_address(body->identity.to, &info->remote.address, info->family);
	body->identity.interface = info->local.scope;
	body->receive_queue = info->receive_queue;
	body->send_queue = info->send_queue;
	body->inode = socket ? (uint32_t)socket->number : 0;
	return true;
}

int64_t sock_diag(struct netlink_answer *answer, const struct netlink_header *message, const uint8_t *body,
                  uint32_t bytes)
{
	struct diag_request request;
	struct net_cursor cursor = {0};
	struct net_socket_info info;
	if (message->type != SOCK_DIAG_BY_FAMILY || bytes < sizeof(request))
		return -EINVAL;
	memcpy(&request, body, sizeof(request));
	if (request.family != AF_INET && request.family != AF_INET6)
		return -ENOENT; /* as a kernel without that module */
	if (!(message->flags & NLM_F_DUMP))
		return -EOPNOTSUPP;
	answer->flags = NLM_F_MULTI;
	for (uint32_t told = 0; told < ANSWERS_MAX && net_socket_info_next(stack_get(), &cursor, &info);) {
		if (info.family != request.family || info.protocol != request.protocol ||
		    !(request.states >> info.state & 1))
			continue;
		if (!put_socket(answer, &info))
			return -ENOBUFS;
		told++;
	}
	return -NETLINK_DUMPED;
}
