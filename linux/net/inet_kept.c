/* Options of sockets of the internet, below SOL_SOCKET, whose values are kept and checked as on Linux and change nothing here,
 * or whose effect is the personality's (inet_data.c): ip(7), ipv6(7), tcp(7), udp(7), packet(7). Which change nothing
 * stands in linux/flags/sockets.tbl.
 */
#include "inet.h"

enum kind {
	KEPT_BOOL,  /* any number: whether it is 0 */
	KEPT_BIT,   /* 0 or 1 */
	KEPT_SHORT, /* 0 to 65535 */
	KEPT_THREE, /* 0 to 2 */
	KEPT_NONE,  /* 0 or 1, and 0 is told */
};
enum {
	FOR_STREAMS = 1, /* other types do not know it */
	FOR_OTHERS = 2,  /* streams do not know it */
	STARTS_ON = 8,   /* 1 at first */
	PRIVILEGED = 16, /* 1 takes CAP_NET_RAW or CAP_NET_ADMIN */
	BEFORE = 32,     /* refused once a connection is there */
	INVALID = 64,    /* streams refuse it with EINVAL, and tell 0 */
};

static const struct kept {
	uint16_t level;
	uint8_t option, kind, flags;
} table[] = {
    {SOL_IP, 18, KEPT_BOOL, 0},                    /* IP_PASSSEC */
    {SOL_IP, 19, KEPT_BOOL, PRIVILEGED},           /* IP_TRANSPARENT */
    {SOL_IP, 20, KEPT_BOOL, 0},                    /* IP_RECVORIGDSTADDR */
    {SOL_IP, 23, KEPT_BOOL, 0},                    /* IP_CHECKSUM */
    {SOL_IP, 24, KEPT_BOOL, 0},                    /* IP_BIND_ADDRESS_NO_PORT */
    {SOL_IP, 25, KEPT_BOOL, INVALID},              /* IP_RECVFRAGSIZE */
    {SOL_IP, 26, KEPT_BIT, 0},                     /* IP_RECVERR_RFC4884 */
    {SOL_IPV6, 11, KEPT_BOOL, 0},                  /* IPV6_FLOWINFO */
    {SOL_IPV6, 30, KEPT_BOOL, 0},                  /* IPV6_ROUTER_ALERT_ISOLATE */
    {SOL_IPV6, 31, KEPT_BIT, 0},                   /* IPV6_RECVERR_RFC4884 */
    {SOL_IPV6, 33, KEPT_BOOL, 0},                  /* IPV6_FLOWINFO_SEND */
    {SOL_IPV6, 53, KEPT_BOOL, 0},                  /* IPV6_RECVHOPOPTS */
    {SOL_IPV6, 56, KEPT_BOOL, 0},                  /* IPV6_RECVRTHDR */
    {SOL_IPV6, 58, KEPT_BOOL, 0},                  /* IPV6_RECVDSTOPTS */
    {SOL_IPV6, 60, KEPT_BOOL, 0},                  /* IPV6_RECVPATHMTU */
    {SOL_IPV6, 62, KEPT_BOOL, 0},                  /* IPV6_DONTFRAG */
    {SOL_IPV6, 70, KEPT_BOOL, STARTS_ON},          /* IPV6_AUTOFLOWLABEL */
    {SOL_IPV6, 74, KEPT_BOOL, 0},                  /* IPV6_RECVORIGDSTADDR */
    {SOL_IPV6, 75, KEPT_BOOL, PRIVILEGED},         /* IPV6_TRANSPARENT */
    {SOL_IPV6, 77, KEPT_BOOL, 0},                  /* IPV6_RECVFRAGSIZE */
    {SOL_TCP, 16, KEPT_BIT, FOR_STREAMS},          /* TCP_THIN_LINEAR_TIMEOUTS */
    {SOL_TCP, 17, KEPT_NONE, FOR_STREAMS},         /* TCP_THIN_DUPACK */
    {SOL_TCP, 27, KEPT_THREE, FOR_STREAMS},        /* TCP_SAVE_SYN */
    {SOL_TCP, 34, KEPT_BIT, FOR_STREAMS | BEFORE}, /* TCP_FASTOPEN_NO_COOKIE */
    {SOL_TCP, TCP_INQ, KEPT_BIT, FOR_STREAMS},
    {SOL_UDP, 101, KEPT_BOOL, FOR_OTHERS}, /* UDP_NO_CHECK6_TX */
    {SOL_UDP, 102, KEPT_BOOL, FOR_OTHERS}, /* UDP_NO_CHECK6_RX */
    {SOL_UDP, UDP_CORK, KEPT_BOOL, FOR_OTHERS},
    {SOL_UDP, UDP_SEGMENT, KEPT_SHORT, FOR_OTHERS},
    {SOL_UDP, 104, KEPT_BOOL, FOR_OTHERS}, /* UDP_GRO */
    {SOL_PACKET, 9, KEPT_BOOL, 0},         /* PACKET_ORIGDEV */
    {SOL_PACKET, 20, KEPT_BOOL, 0},        /* PACKET_QDISC_BYPASS */
};
_Static_assert(sizeof(table) / sizeof(table[0]) == INET_KEPT, "a place for each");

/* The row of an option of INET's, or -1. */
static int row_of(const struct inet_socket *inet, int level, int option)
{
	bool stream = inet->type == SOCK_STREAM, packet = inet->family == AF_PACKET;
	for (int i = 0; i < (int)INET_KEPT; i++) {
		const struct kept *row = &table[i];
		if (row->level != level || row->option != option)
			continue;
		bool fits = level == SOL_PACKET ? packet
		            : packet            ? false
		            : level == SOL_IPV6 ? inet->family == AF_INET6
		            : level == SOL_UDP  ? inet->type == SOCK_DGRAM
		                                : true;
		return fits && !(row->flags & (stream ? FOR_OTHERS : FOR_STREAMS)) ? i : -1;
	}
	return -1;
}

void inet_kept_init(struct inet_socket *inet)
{
	for (unsigned i = 0; i < INET_KEPT; i++)
		inet->kept[i] = table[i].flags & STARTS_ON ? 1 : 0;
}

uint16_t inet_kept(const struct inet_socket *inet, int level, int option)
{
	int row = row_of(inet, level, option);
	return row < 0 ? 0 : inet->kept[row];
}

static bool value_valid(enum kind kind, int32_t value)
{
	switch (kind) {
	case KEPT_BOOL:
		return true;
	case KEPT_BIT:
	case KEPT_NONE:
		return value == 0 || value == 1;
	case KEPT_SHORT:
		return value >= 0 && value <= 65535;
	case KEPT_THREE:
		return value >= 0 && value <= 2;
	}
	return false;
}

int64_t inet_kept_set(struct inet_socket *inet, int level, int option, const uint8_t *bytes, int32_t count)
{
	int row = row_of(inet, level, option);
	int32_t value = 0;
	if (row < 0)
		return -ENOPROTOOPT;
	uint8_t flags = table[row].flags;
	if (count >= 4)
		memcpy(&value, bytes, sizeof(value));
	else if (level == SOL_IP && count)
		value = bytes[0]; /* ip(7): a byte will do */
	else
		return -EINVAL;
	if ((flags & INVALID) && inet->type == SOCK_STREAM)
		return -EINVAL;
	if ((flags & PRIVILEGED) && value && !net_capable(inet->net, CAP_NET_RAW) &&
	    !net_capable(inet->net, CAP_NET_ADMIN))
		return -EPERM;
	if (!value_valid(table[row].kind, value))
		return -EINVAL;
	if (flags & BEFORE) {
		lock_acquire(&stack_lock);
		uint8_t state = inet_tcp_state(inet);
		lock_release(&stack_lock);
		if (state != TCP_STATE_CLOSED && state != TCP_STATE_LISTENS)
			return -EINVAL;
	}
	if (table[row].kind != KEPT_NONE)
		inet->kept[row] = table[row].kind == KEPT_BOOL ? value != 0 : (uint16_t)value;
	return 0;
}

int64_t inet_kept_get(const struct inet_socket *inet, int level, int option, uint32_t *value)
{
	int row = row_of(inet, level, option);
	if (row < 0)
		return -ENOPROTOOPT;
	*value = inet->kept[row];
	return 0;
}
