/* Options of unix sockets: socket(7). */
#include "unix.h"

#define SEND_BUFFER_MIN    4608u /* what Linux makes of a smaller wish */
#define RECEIVE_BUFFER_MIN 2304u
#define BUFFER_WISH_MAX    212992u
enum { SO_MEMINFO = 55, BUFFER_LOCK_SEND = 1, BUFFER_LOCK_RECEIVE = 2 };

static uint32_t buffer_size(uint32_t wish, uint32_t least)
{
	uint32_t bytes = (wish < BUFFER_WISH_MAX ? wish : BUFFER_WISH_MAX) * 2;
	return bytes > least ? bytes : least;
}

int64_t unix_set_option(struct file *file, int level, int option, uint64_t address, int32_t bytes)
{
	struct unix_socket *socket = file->private;
	uint32_t value;
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	switch (option) {
	case SO_RCVTIMEO:
	case SO_RCVTIMEO_NEW:
		return socket_set_timeout(&socket->receive_timeout, address, bytes);
	case SO_SNDTIMEO:
	case SO_SNDTIMEO_NEW:
		return socket_set_timeout(&socket->send_timeout, address, bytes);
	case SO_PASSCRED:
	case SO_REUSEPORT:
	case SO_SNDBUF:
	case SO_RCVBUF:
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		break;
	default:
		return socket_options_set(&socket->options, net_current(), option, address, bytes);
	}
	if (bytes < 4)
		return -EINVAL;
	if (get_user_u32(&value, address))
		return -EFAULT;
	if ((option == SO_SNDBUFFORCE || option == SO_RCVBUFFORCE) && !capable(CAP_NET_ADMIN))
		return -EPERM;
	switch (option) {
	case SO_PASSCRED:
		socket->pass_credentials = value;
		return 0;
	case SO_REUSEPORT:
		return value ? -EOPNOTSUPP : 0;
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		socket->send_buffer = buffer_size(value, SEND_BUFFER_MIN);
		socket->options.buffer_locks |= BUFFER_LOCK_SEND;
		if (socket->peer && socket->peer->ring.capacity < socket->send_buffer)
			socket->peer->ring.capacity = socket->send_buffer;
		return 0;
	default:
		socket->receive_buffer = buffer_size(value, RECEIVE_BUFFER_MIN);
		socket->options.buffer_locks |= BUFFER_LOCK_RECEIVE;
		return 0;
	}
}

/* SO_PEERGROUPS. */
static int64_t get_groups(const struct unix_socket *socket, uint64_t address, uint32_t *room)
{
	const struct unix_groups *peer = &socket->peer_groups;
	uint32_t seen[32], bytes = peer->count * (uint32_t)sizeof(seen[0]), had = *room;
	if (!socket->peer_credentials.pid)
		return -ENODATA;
	*room = bytes;
	if (had < bytes)
		return -ERANGE;
	for (uint32_t i = 0; i < peer->count; i++)
		seen[i] = gid_seen(peer->groups[i]);
	return copy_to_user(address, seen, bytes);
}

int64_t unix_get_option(struct file *file, int level, int option, uint64_t address, uint32_t *room)
{
	struct unix_socket *socket = file->private;
	uint32_t value[9] = {0};
	uint32_t bytes = 4;
	int64_t error;
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	switch (option) {
	case SO_TYPE:
		value[0] = (uint32_t)socket->type;
		break;
	case SO_ERROR:
		value[0] = (uint32_t)socket->error;
		socket->error = 0;
		break;
	case SO_SNDBUF:
		value[0] = socket->send_buffer;
		break;
	case SO_RCVBUF:
		value[0] = socket->receive_buffer;
		break;
	case SO_MEMINFO:
		bytes = sizeof(value);
		value[1] = socket->receive_buffer;
		value[3] = socket->send_buffer;
		break;
	case SO_PASSCRED:
		value[0] = socket->pass_credentials;
		break;
	case SO_ACCEPTCONN:
		value[0] = socket->listening;
		break;
	case SO_DOMAIN:
		value[0] = AF_UNIX;
		break;
	case SO_PROTOCOL:
		break;
	case SO_PEERCRED:
		bytes = sizeof(socket->peer_credentials);
		if (socket->connected && socket->peer_credentials.pid) {
			const struct unix_credentials seen = unix_seen(&socket->peer_credentials);
			memcpy(value, &seen, bytes);
		} else {
			value[1] = value[2] = UINT32_MAX;
		}
		break;
	case SO_ATTACH_FILTER: /* SO_GET_FILTER */
		return socket_filter_tell(socket->options.filter, address, room);
	case SO_PEERGROUPS:
		return get_groups(socket, address, room);
	case SO_RCVTIMEO:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO:
	case SO_SNDTIMEO_NEW:
		bytes = 16;
		socket_get_timeout(option == SO_RCVTIMEO || option == SO_RCVTIMEO_NEW
		                       ? socket->receive_timeout
		                       : socket->send_timeout,
		                   value);
		break;
	default:
		bytes = *room;
		error = socket_options_get(&socket->options, net_current(), option, value, &bytes);
		if (error)
			return error;
		break;
	}
	if (bytes < *room)
		*room = bytes;
	return copy_to_user(address, value, *room);
}
