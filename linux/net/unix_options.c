/* Options of unix sockets: socket(7). */
#include "unix.h"

#define SEND_BUFFER_MIN    4608u /* what Linux makes of a smaller wish */
#define RECEIVE_BUFFER_MIN 2304u
#define BUFFER_WISH_MAX    212992u

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
	if (option == SO_RCVTIMEO || option == SO_SNDTIMEO)
		return socket_set_timeout(
		    option == SO_RCVTIMEO ? &socket->receive_timeout : &socket->send_timeout, address, bytes);
	if (bytes < 4)
		return -EINVAL;
	if (get_user_u32(&value, address))
		return -EFAULT;
	switch (option) {
	case SO_PASSCRED:
		socket->pass_credentials = value;
		return 0;
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		if (!capable(CAP_NET_ADMIN))
			return -EPERM;
		break;
	}
	switch (option) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		socket->send_buffer = buffer_size(value, SEND_BUFFER_MIN);
		if (socket->peer && socket->peer->ring.capacity < socket->send_buffer)
			socket->peer->ring.capacity = socket->send_buffer;
		return 0;
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		socket->receive_buffer = buffer_size(value, RECEIVE_BUFFER_MIN);
		return 0;
	case SO_DEBUG:
	case SO_REUSEADDR:
	case SO_DONTROUTE:
	case SO_BROADCAST:
	case SO_KEEPALIVE:
	case SO_OOBINLINE:
	case SO_NO_CHECK:
	case SO_PRIORITY:
	case SO_REUSEPORT:
	case SO_RCVLOWAT:
	case SO_PASSSEC:
		return 0; /* of no effect on unix sockets */
	case SO_LINGER:
		return bytes < 8 ? -EINVAL : 0;
	default:
		return -ENOPROTOOPT;
	}
}

int64_t unix_get_option(struct file *file, int level, int option, uint64_t address, uint32_t *room)
{
	struct unix_socket *socket = file->private;
	uint32_t value[4] = {0};
	uint32_t bytes = 4;
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
	case SO_PASSCRED:
		value[0] = socket->pass_credentials;
		break;
	case SO_ACCEPTCONN:
		value[0] = socket->listening;
		break;
	case SO_DOMAIN:
		value[0] = AF_UNIX;
		break;
	case SO_RCVLOWAT:
	case SO_SNDLOWAT:
		value[0] = 1;
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
	case SO_RCVTIMEO:
	case SO_SNDTIMEO:
		bytes = sizeof(value);
		socket_get_timeout(option == SO_RCVTIMEO ? socket->receive_timeout : socket->send_timeout,
		                   value);
		break;
	case SO_LINGER:
		bytes = 8;
		break;
	case SO_DEBUG:
	case SO_REUSEADDR:
	case SO_DONTROUTE:
	case SO_BROADCAST:
	case SO_KEEPALIVE:
	case SO_OOBINLINE:
	case SO_NO_CHECK:
	case SO_PRIORITY:
	case SO_REUSEPORT:
	case SO_PASSSEC:
	case SO_PROTOCOL:
		break;
	default:
		return -ENOPROTOOPT;
	}
	if (bytes < *room)
		*room = bytes;
	return copy_to_user(address, value, *room);
}
