/* setsockopt(2) and getsockopt(2): socket(7). */
#include "unix.h"

enum { SOL_SOCKET = 1 };
enum {
	SO_DEBUG = 1,
	SO_REUSEADDR,
	SO_TYPE,
	SO_ERROR,
	SO_DONTROUTE,
	SO_BROADCAST,
	SO_SNDBUF,
	SO_RCVBUF,
	SO_KEEPALIVE,
	SO_OOBINLINE,
	SO_NO_CHECK,
	SO_PRIORITY,
	SO_LINGER,
	SO_REUSEPORT = 15,
	SO_PASSCRED,
	SO_PEERCRED,
	SO_RCVLOWAT,
	SO_SNDLOWAT,
	SO_RCVTIMEO,
	SO_SNDTIMEO,
	SO_ACCEPTCONN = 30,
	SO_SNDBUFFORCE = 32,
	SO_RCVBUFFORCE,
	SO_PASSSEC = 34,
	SO_PROTOCOL = 38,
	SO_DOMAIN
};
#define SEND_BUFFER_MIN    4608u /* what Linux makes of a smaller wish */
#define RECEIVE_BUFFER_MIN 2304u
#define BUFFER_WISH_MAX    212992u

static uint32_t buffer_size(uint32_t wish, uint32_t least)
{
	uint32_t bytes = (wish < BUFFER_WISH_MAX ? wish : BUFFER_WISH_MAX) * 2;
	return bytes > least ? bytes : least;
}

static int64_t set_timeout(uint64_t *timeout, uint64_t address, int32_t bytes)
{
	struct linux_timeval time;
	if (bytes < (int32_t)sizeof(time))
		return -EINVAL;
	if (copy_from_user(&time, address, sizeof(time)))
		return -EFAULT;
	if (time.tv_usec < 0 || time.tv_usec >= 1000000)
		return -EDOM;
	if (time.tv_sec < 0)
		*timeout = 0;
	else if ((!time.tv_sec && !time.tv_usec) || time.tv_sec > INT32_MAX)
		*timeout = UINT64_MAX;
	else
		*timeout = (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_usec * 1000;
	return 0;
}

SYSCALL_HANDLER(setsockopt, int fd, int level, int option, uint64_t address, int32_t bytes)
{
	struct file *file;
	int64_t error;
	struct unix_socket *socket = unix_of(fd, &file, &error);
	uint32_t value;
	if (!socket)
		return error;
	if (bytes < 0)
		return -EINVAL;
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (option == SO_RCVTIMEO || option == SO_SNDTIMEO)
		return set_timeout(option == SO_RCVTIMEO ? &socket->receive_timeout : &socket->send_timeout,
		                   address, bytes);
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

SYSCALL_HANDLER(getsockopt, int fd, int level, int option, uint64_t address, uint64_t length_address)
{
	struct file *file;
	int64_t error;
	struct unix_socket *socket = unix_of(fd, &file, &error);
	uint32_t room;
	uint32_t value[4] = {0};
	uint32_t bytes = 4;
	if (!socket)
		return error;
	if (get_user_u32(&room, length_address))
		return -EFAULT;
	if ((int32_t)room < 0)
		return -EINVAL;
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
			memcpy(value, &socket->peer_credentials, bytes);
		} else {
			value[1] = value[2] = UINT32_MAX;
		}
		break;
	case SO_RCVTIMEO:
	case SO_SNDTIMEO: {
		uint64_t timeout = option == SO_RCVTIMEO ? socket->receive_timeout : socket->send_timeout;
		struct linux_timeval time = {0, 0};
		if (timeout != UINT64_MAX)
			time = (struct linux_timeval){(int64_t)(timeout / NS_PER_SECOND),
			                              (int64_t)(timeout % NS_PER_SECOND / 1000)};
		bytes = sizeof(time);
		memcpy(value, &time, bytes);
		break;
	}
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
	if (bytes > room)
		bytes = room;
	if (copy_to_user(address, value, bytes))
		return -EFAULT;
	return put_user_u32(length_address, bytes);
}
