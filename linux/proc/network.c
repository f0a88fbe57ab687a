/* /proc/net and /sys/class/net: what the stack tells of itself, as proc(5) and Linux' Documentation/ABI have it.
 * Without a stack (nobody has opened a socket of it yet, and there is no link) the files begin one: programs
 * expect the loopback. */
#include "network.h"
#include "../internal.h"
#include "../net/inet.h"
#include "../net/link.h"

/* An address as the kernel prints it: 32-bit words in the machine's order. */
static void print_address(char *to, const struct net_address *address, bool ipv6)
{
	unsigned at = ipv6 ? 0 : 12;
	for (; at < 16; at += 4, to += 8) {
		uint32_t word;
		memcpy(&word, address->bytes + at, 4);
		text_format(to, 9, "%08X", word);
	}
}

static uint64_t socket_number(const struct net_socket_info *info)
{
	const struct inet_socket *socket = info->context;
	return socket ? socket->number : 0;
}

/* Whose network SUBJECT's process sees. */
static struct net_namespace *net_of(const struct proc_subject *subject)
{
	return subject->task ? net_of_task(subject->task) : net_current();
}

static void text_sockets(struct proc_text *text, const struct proc_subject *subject, uint8_t type,
                         uint8_t protocol, bool ipv6)
{
	struct net_namespace *net = net_of(subject);
	struct net_cursor cursor = {0};
	struct net_socket_info info;
	unsigned number = 0;
	if (type == SOCK_STREAM)
		proc_print(text,
		           "  sl  local_address                         %s   st tx_queue rx_queue tr "
		           "tm->when retrnsmt   uid  timeout inode\n",
		           ipv6 ? "remote_address                       " : "rem_address");
	else
		proc_print(text, "   sl  local_address                         rem_address   st tx_queue "
		                 "rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n");
	if (!stack_start(net))
		return;
	stack_begin(net);
	while (net_socket_info_next(stack_get(), &cursor, &info)) {
		char local[40], remote[40];
		if (info.type != type || (info.family == AF_INET6) != ipv6 ||
		    (type != SOCK_RAW && info.protocol != protocol) ||
		    (protocol && info.protocol != protocol))
			continue;
		print_address(local, &info.local.address, ipv6);
		print_address(remote, &info.remote.address, ipv6);
		proc_print(text, "%4u: %s:%04X %s:%04X %02X %08X:%08X %02X:%08X %08X %5u %8d %lu %d %d\n",
		           number++, local, type == SOCK_RAW ? info.protocol : info.local.port, remote,
		           info.remote.port, info.state, info.send_queue, info.receive_queue, 0, 0,
		           info.retransmissions, 0, 0, socket_number(&info), 1, 0);
	}
	stack_end();
}

void text_net_tcp(struct proc_text *text, const struct proc_subject *subject)
{
	text_sockets(text, subject, SOCK_STREAM, 6, false);
}

void text_net_tcp6(struct proc_text *text, const struct proc_subject *subject)
{
	text_sockets(text, subject, SOCK_STREAM, 6, true);
}

void text_net_udp(struct proc_text *text, const struct proc_subject *subject)
{
	text_sockets(text, subject, SOCK_DGRAM, 17, false);
}

void text_net_udp6(struct proc_text *text, const struct proc_subject *subject)
{
	text_sockets(text, subject, SOCK_DGRAM, 17, true);
}

void text_net_raw(struct proc_text *text, const struct proc_subject *subject)
{
	text_sockets(text, subject, SOCK_RAW, 0, false);
}

void text_net_raw6(struct proc_text *text, const struct proc_subject *subject)
{
	text_sockets(text, subject, SOCK_RAW, 0, true);
}

void text_net_icmp(struct proc_text *text, const struct proc_subject *subject)
{
	text_sockets(text, subject, SOCK_DGRAM, 1, false);
}

void text_net_dev(struct proc_text *text, const struct proc_subject *subject)
{
	struct net_namespace *net = net_of(subject);
	struct net_link_info info;
	proc_print(text, "Inter-|   Receive                                                |  Transmit\n"
	                 " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "
	                 "errs drop fifo colls carrier compressed\n");
	if (!stack_start(net))
		return;
	stack_begin(net);
	for (uint32_t i = 0; net_link_info(stack_get(), i, &info); i++)
		proc_print(
		    text,
		    "%6s: %7lu %7lu    0 %4lu    0     0          0         0 %8lu %7lu    0 %4lu    0 "
		    "    0       0          0\n",
		    info.name, info.received_bytes, info.received_packets, info.received_dropped,
		    info.sent_bytes, info.sent_packets, info.sent_dropped);
	stack_end();
}

static const char *name_of(uint32_t number, struct net_link_info *info)
{
	for (uint32_t i = 0; net_link_info(stack_get(), i, info); i++)
		if (info->number == number)
			return info->name;
	return "?";
}

void text_net_route(struct proc_text *text, const struct proc_subject *subject)
{
	struct net_namespace *net = net_of(subject);
	struct net_route_info info;
	struct net_link_info link;
	proc_print(text,
	           "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n");
	if (!stack_start(net))
		return;
	stack_begin(net);
	for (uint32_t i = 0; net_route_info(stack_get(), i, &info); i++) {
		uint32_t to, gateway, mask = 0;
		const char *name = name_of(info.link, &link);
		if (!net_is_ipv4(&info.prefix) || link.kind == NET_LINK_LOOPBACK)
			continue;
		memcpy(&to, info.prefix.bytes + 12, 4);
		memcpy(&gateway, info.gateway.bytes + 12, 4);
		for (unsigned bit = 0; bit < info.length; bit++)
			((uint8_t *)&mask)[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		proc_print(text, "%s\t%08X\t%08X\t%04X\t0\t0\t0\t%08X\t0\t0\t0\n", name, to,
		           info.direct ? 0 : gateway, info.direct ? 1 : 3, mask);
	}
	stack_end();
}

static void print_bytes(struct proc_text *text, const struct net_address *address)
{
	for (unsigned i = 0; i < 16; i++)
		proc_print(text, "%02x", address->bytes[i]);
}

void text_net_ipv6_route(struct proc_text *text, const struct proc_subject *subject)
{
	struct net_namespace *net = net_of(subject);
	static const struct net_address none;
	struct net_route_info info;
	struct net_link_info link;
	if (!stack_start(net))
		return;
	stack_begin(net);
	for (uint32_t i = 0; net_route_info(stack_get(), i, &info); i++) {
		if (net_is_ipv4(&info.prefix))
			continue;
		print_bytes(text, &info.prefix);
		proc_print(text, " %02x ", info.length);
		print_bytes(text, &none);
		proc_print(text, " 00 ");
		print_bytes(text, info.direct ? &none : &info.gateway);
		proc_print(text, " %08x %08x %08x %08x %8s\n", 256, 1, 0, info.direct ? 1 : 3,
		           name_of(info.link, &link));
	}
	stack_end();
}

void text_net_if_inet6(struct proc_text *text, const struct proc_subject *subject)
{
	struct net_namespace *net = net_of(subject);
	struct net_link_info link;
	struct net_address_info info;
	if (!stack_start(net))
		return;
	stack_begin(net);
	for (uint32_t i = 0; net_link_info(stack_get(), i, &link); i++) {
		for (uint32_t at = 0; net_address_info(stack_get(), i, at, &info); at++) {
			bool local = info.address.bytes[0] == 0xfe && (info.address.bytes[1] & 0xc0) == 0x80;
			if (net_is_ipv4(&info.address))
				continue;
			print_bytes(text, &info.address);
			proc_print(text, " %02x %02x %02x %02x %8s\n", link.number, info.length,
			           link.kind == NET_LINK_LOOPBACK ? 0x10
			           : local                        ? 0x20
			                                          : 0,
			           info.tentative ? 0x40 : 0x80, link.name);
		}
	}
	stack_end();
}

void text_net_arp(struct proc_text *text, const struct proc_subject *subject)
{
	struct net_namespace *net = net_of(subject);
	struct net_neighbour_info info;
	struct net_link_info link;
	proc_print(text, "IP address       HW type     Flags       HW address            Mask     Device\n");
	if (!stack_start(net))
		return;
	stack_begin(net);
	for (uint32_t i = 0; net_neighbour_info(stack_get(), i, &info); i++) {
		const uint8_t *a = info.address.bytes + 12, *m = info.mac;
		char address[20];
		if (!net_is_ipv4(&info.address))
			continue;
		text_format(address, sizeof(address), "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
		proc_print(text,
		           "%-16s 0x1         0x%x         %02x:%02x:%02x:%02x:%02x:%02x     *        %s\n",
		           address, info.asked ? 0 : 2, m[0], m[1], m[2], m[3], m[4], m[5],
		           name_of(info.link, &link));
	}
	stack_end();
}

void text_net_snmp(struct proc_text *text, const struct proc_subject *subject)
{
	struct net_namespace *net = net_of(subject);
	struct net_statistics s;
	struct net_cursor cursor = {0};
	struct net_socket_info info;
	unsigned established = 0;
	if (!stack_start(net))
		return;
	stack_begin(net);
	net_statistics(stack_get(), &s);
	while (net_socket_info_next(stack_get(), &cursor, &info))
		established += info.type == SOCK_STREAM && (info.state == 1 || info.state == 8);
	stack_end();
	proc_print(text, "Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams "
	                 "InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes "
	                 "ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates\n");
	proc_print(text, "Ip: 2 64 %lu %lu 0 0 0 0 %lu %lu 0 %lu 0 %lu %lu %lu 0 0 0\n", s.ip_received,
	           s.ip_bad, s.ip_received - s.ip_bad, s.tcp_sent + s.udp_sent + s.icmp_sent, s.ip_no_route,
	           s.ip_fragments, s.ip_reassembled, s.ip_reassembly_failed);
	proc_print(text, "Icmp: InMsgs InErrors OutMsgs OutErrors\nIcmp: %lu 0 %lu 0\n", s.icmp_received,
	           s.icmp_sent);
	proc_print(text, "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails "
	                 "EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n");
	proc_print(text, "Tcp: 1 200 120000 -1 0 0 0 0 %u %lu %lu %lu %lu %lu 0\n", established,
	           s.tcp_received, s.tcp_sent, s.tcp_retransmitted, s.tcp_bad, s.tcp_resets_sent);
	proc_print(text, "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors "
	                 "InCsumErrors IgnoredMulti MemErrors\n");
	proc_print(text, "Udp: %lu %lu %lu %lu %lu 0 0 0 0\n", s.udp_received, s.udp_no_port, s.udp_bad,
	           s.udp_sent, s.udp_full);
}

void text_net_sockstat(struct proc_text *text, const struct proc_subject *subject)
{
	struct net_namespace *net = net_of(subject);
	struct net_statistics s;
	struct net_cursor cursor = {0};
	struct net_socket_info info;
	unsigned tcp = 0, waiting = 0, udp = 0, raw = 0;
	if (!stack_start(net))
		return;
	stack_begin(net);
	net_statistics(stack_get(), &s);
	while (net_socket_info_next(stack_get(), &cursor, &info)) {
		tcp += info.type == SOCK_STREAM && info.state != 6;
		waiting += info.type == SOCK_STREAM && info.state == 6;
		udp += info.protocol == 17;
		raw += info.type == SOCK_RAW;
	}
	stack_end();
	proc_print(text,
	           "sockets: used %u\nTCP: inuse %u orphan 0 tw %u alloc %u mem %lu\nUDP: inuse %u mem 0\n"
	           "UDPLITE: inuse 0\nRAW: inuse %u\nFRAG: inuse 0 memory 0\n",
	           tcp + udp + raw, tcp, waiting, tcp, s.arena_used / 4096, udp, raw);
}

/* Name servers and domain by DHCP and from routers, as Linux' own start-up configuration tells them; /etc/resolv.conf leads here. */
void text_net_pnp(struct proc_text *text, const struct proc_subject *subject)
{
	struct net_address six[NET_NAME_SERVERS_MAX];
	struct net_lease lease;
	unsigned count;
	(void)subject;
	if (!link_granted())
		return;
	count = link_lease(&lease, six);
	if (lease.domain[0])
		proc_print(text, "domain %s\n", lease.domain);
	for (unsigned i = 0; i < lease.name_server_count; i++) {
		const uint8_t *a = lease.name_servers[i].bytes + 12;
		proc_print(text, "nameserver %u.%u.%u.%u\n", a[0], a[1], a[2], a[3]);
	}
	for (unsigned i = 0; i < count; i++) {
		proc_print(text, "nameserver ");
		for (unsigned j = 0; j < 16; j += 2)
			proc_print(text, j ? ":%x" : "%x",
			           (unsigned)six[i].bytes[j] << 8 | six[i].bytes[j + 1]);
		proc_print(text, six[i].bytes[0] == 0xfe ? "%%eth0\n" : "\n");
	}
}

/* ---- /sys/class/net: "lo" and "eth0" ---- */

static bool link_of(unsigned index, struct net_link_info *info)
{
	struct net_namespace *net = net_current();
	if (!stack_start(net))
		return false;
	lock_acquire(&stack_lock);
	bool found = net_link_info(net->stack, index, info);
	lock_release(&stack_lock);
	return found;
}

static void sys_value(struct proc_text *text, unsigned index, const char *what)
{
	struct net_link_info info;
	if (!link_of(index, &info))
		return;
	if (strcmp(what, "address") == 0)
		proc_print(text, "%02x:%02x:%02x:%02x:%02x:%02x\n", info.mac[0], info.mac[1], info.mac[2],
		           info.mac[3], info.mac[4], info.mac[5]);
	else if (strcmp(what, "operstate") == 0)
		proc_print(text, "%s\n",
		           info.kind == NET_LINK_LOOPBACK ? "unknown"
		           : info.up                      ? "up"
		                                          : "down");
	else if (strcmp(what, "flags") == 0)
		proc_print(text, "0x%x\n", interface_flags(&info) & 0xffbf); /* without IFF_RUNNING */
	else
		proc_print(text, "%lu\n",
		           strcmp(what, "mtu") == 0          ? info.mtu
		           : strcmp(what, "ifindex") == 0    ? info.number
		           : strcmp(what, "type") == 0       ? info.kind == NET_LINK_LOOPBACK ? 772ul : 1ul
		           : strcmp(what, "carrier") == 0    ? (uint64_t)info.up
		           : strcmp(what, "rx_bytes") == 0   ? info.received_bytes
		           : strcmp(what, "tx_bytes") == 0   ? info.sent_bytes
		           : strcmp(what, "rx_packets") == 0 ? info.received_packets
		           : strcmp(what, "tx_packets") == 0 ? info.sent_packets
		           : strcmp(what, "rx_dropped") == 0 ? info.received_dropped
		           : strcmp(what, "tx_dropped") == 0 ? info.sent_dropped
		                                             : 1000ul);
}

#define VALUE(index, what)                                                                                   \
	static void sys_##what##_##index(struct proc_text *text, const struct proc_subject *subject)         \
	{                                                                                                    \
		(void)subject;                                                                               \
		sys_value(text, index, #what);                                                               \
	}
#define VALUES(index)                                                                                        \
	VALUE(index, address)                                                                                \
	VALUE(index, operstate)                                                                              \
	VALUE(index, flags)                                                                                  \
	VALUE(index, mtu)                                                                                    \
	VALUE(index, ifindex)                                                                                \
	VALUE(index, type)                                                                                   \
	VALUE(index, carrier)                                                                                \
	VALUE(index, tx_queue_len)                                                                           \
	VALUE(index, rx_bytes)                                                                               \
	VALUE(index, tx_bytes)                                                                               \
	VALUE(index, rx_packets)                                                                             \
	VALUE(index, tx_packets)                                                                             \
	VALUE(index, rx_dropped)                                                                             \
	VALUE(index, tx_dropped)
VALUES(0)
VALUES(1)

#define TEXT(index, what)                                                                                    \
	{                                                                                                    \
		.name = #what, .mode = S_IFREG | 0444, .text = sys_##what##_##index                          \
	}
#define LINK_ENTRIES(index)                                                                                  \
	static const struct proc_entry statistics_##index[] = {TEXT(index, rx_bytes),                        \
	                                                       TEXT(index, tx_bytes),                        \
	                                                       TEXT(index, rx_packets),                      \
	                                                       TEXT(index, tx_packets),                      \
	                                                       TEXT(index, rx_dropped),                      \
	                                                       TEXT(index, tx_dropped),                      \
	                                                       {0}};                                         \
	static const struct proc_entry link_##index[] = {                                                    \
	    TEXT(index, address),                                                                            \
	    TEXT(index, operstate),                                                                          \
	    TEXT(index, flags),                                                                              \
	    TEXT(index, mtu),                                                                                \
	    TEXT(index, ifindex),                                                                            \
	    TEXT(index, type),                                                                               \
	    TEXT(index, carrier),                                                                            \
	    TEXT(index, tx_queue_len),                                                                       \
	    {.name = "statistics", .mode = S_IFDIR | 0555, .children = statistics_##index},                  \
	    {0}};
LINK_ENTRIES(0)
LINK_ENTRIES(1)

const struct proc_entry sys_class_net[] = {{.name = "lo", .mode = S_IFDIR | 0555, .children = link_0},
                                           {.name = "eth0", .mode = S_IFDIR | 0555, .children = link_1},
                                           {0}};
const struct proc_entry sys_class_net_alone[] = {{.name = "lo", .mode = S_IFDIR | 0555, .children = link_0},
                                                 {0}};
