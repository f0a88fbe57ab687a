/* What the stack's links look like to programs: netdevice(7), /proc/net, /sys/class/net. */
#pragma once

#include <net/info.h>
#include "stack.h"

/* IFF_* of a link. */
uint32_t interface_flags(const struct net_link_info *info);
/* The number of the interface of that name in NET, 0: there is none; and the other way round. */
#define INTERFACE_NAME_BYTES 16u
uint32_t interface_index(struct net_namespace *net, const char name[INTERFACE_NAME_BYTES]);
bool interface_name(struct net_namespace *net, uint32_t number, char name[INTERFACE_NAME_BYTES]);
/* SIOCGIF... and SIOCSIF...: -ENOTTY for others. */
int64_t interface_ioctl(struct net_namespace *net, uint32_t command, uint64_t argument);
