/* Texts of /proc/net and the directory /sys/class/net: see network.c. */
#pragma once

#include "proc.h"

typedef void proc_text_function(struct proc_text *text, const struct proc_subject *subject);
proc_text_function text_net_tcp, text_net_tcp6, text_net_udp, text_net_udp6, text_net_raw, text_net_raw6,
    text_net_icmp, text_net_dev, text_net_route, text_net_ipv6_route, text_net_if_inet6, text_net_arp,
    text_net_snmp, text_net_sockstat, text_net_pnp;

/* With a link, and without one. */
extern const struct proc_entry sys_class_net[], sys_class_net_alone[];
