#include "socket.h"
int64_t netlink_socket_create(int type, int protocol)
{
	(void)type;
	(void)protocol;
	return -EAFNOSUPPORT;
}
