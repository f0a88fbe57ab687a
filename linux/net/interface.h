/* What the stack's links look like to programs: netdevice(7), /proc/net, /sys/class/net. */
#pragma once

#include <net/info.h>
#include "stack.h"

/* IFF_* of a link. */
uint32_t interface_flags(const struct net_link_info *info);
/* SIOCGIF... and SIOCSIF...: -ENOTTY for others. */
int64_t interface_ioctl(struct net_namespace *net, uint32_t command, uint64_t argument);
