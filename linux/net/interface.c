/* netdevice(7): what SIOCGIF... tells of the sub-kernel's links. */
#include "inet.h"

int64_t interface_ioctl(uint32_t command, uint64_t argument)
{
	(void)command;
	(void)argument;
	return -ENOTTY;
}
