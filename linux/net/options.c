/* See options.h. */
#include "options.h"
#include "interface.h"

enum {
	SO_BSDCOMPAT = 14,
	SO_TIMESTAMPING = 37,
	SO_RXQ_OVFL = 40,
	SO_WIFI_STATUS = 41,
	SO_NOFCS = 43,
	SO_LOCK_FILTER,
	SO_SELECT_ERR_QUEUE = 45,
	SO_BUSY_POLL = 46,
	SO_MAX_PACING_RATE = 47,
	SO_BPF_EXTENSIONS = 48,
	SO_INCOMING_CPU = 49,
	SO_ATTACH_BPF,
	SO_ATTACH_REUSEPORT_CBPF,
	SO_ATTACH_REUSEPORT_EBPF,
	SO_CNX_ADVICE,
	SO_INCOMING_NAPI_ID = 56,
	SO_COOKIE = 57,
	SO_TXTIME = 61,
	SO_BINDTOIFINDEX = 62,
	SO_TIMESTAMP_NEW = 63,
	SO_TIMESTAMPNS_NEW = 64,
	SO_TIMESTAMPING_NEW = 65,
	SO_DETACH_REUSEPORT_BPF = 68,
	SO_PREFER_BUSY_POLL,
	SO_BUSY_POLL_BUDGET = 70,
	SO_NETNS_COOKIE = 71,
	SO_BUF_LOCK = 72,
	SO_RESERVE_MEM = 73,
	SO_TXREHASH = 74,
	SO_RCVMARK = 75
};
enum {
	STAMPING_TX_SOFTWARE = 1 << 1,
	STAMPING_TX_SCHED = 1 << 8,
	STAMPING_TX_ACK = 1 << 9,
	STAMPING_OPT_TSONLY = 1 << 11,
	STAMPING_OPT_STATS = 1 << 12,
	STAMPING_BIND_PHC = 1 << 15,
	STAMPING_KNOWN = (1 << 16) - 1
};
#define SEND_CLOCK_FLAGS    3u /* SOF_TXTIME_* */
#define REHASH_DEFAULT      255u
#define BUSY_BUDGET_DEFAULT 8 /* packets a poll; more needs CAP_NET_ADMIN */
#define BPF_EXTENSIONS      64u

/* Options that are one bit, and what it takes to set it: a capability, and the error of those who lack it. */
static const struct flag {
	uint8_t option, capability, error;
} flags[] = {
    {SO_DEBUG, CAP_NET_ADMIN, EACCES},
    {SO_REUSEADDR, 0, 0},
    {SO_DONTROUTE, 0, 0},
    {SO_BROADCAST, 0, 0},
    {SO_KEEPALIVE, 0, 0},
    {SO_OOBINLINE, 0, 0},
    {SO_NO_CHECK, 0, 0},
    {SO_LINGER, 0, 0}, /* see set_linger */
    {SO_PASSCRED, 0, 0},
    {SO_PASSSEC, 0, 0},
    {SO_RXQ_OVFL, 0, 0},
    {SO_WIFI_STATUS, 0, 0},
    {SO_NOFCS, 0, 0},
    {SO_SELECT_ERR_QUEUE, 0, 0},
    {SO_PREFER_BUSY_POLL, CAP_NET_ADMIN, EPERM},
    {SO_RCVMARK, CAP_NET_ADMIN, EPERM},
};

static const struct flag *flag_of(int option)
{
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].option == option)
			return &flags[i];
	return 0;
}

static uint32_t flag_bit(const struct flag *flag)
{
	return 1u << (flag - flags);
}

static void put_flag(struct socket_options *options, int option, bool on)
{
	uint32_t bit = flag_bit(flag_of(option));
	options->flags = on ? options->flags | bit : options->flags & ~bit;
}

void socket_options_init(struct socket_options *options)
{
	*options = (struct socket_options){
	    .receive_low = 1, .incoming_cpu = -1, .pacing_rate = UINT64_MAX, .rehash = REHASH_DEFAULT};
}

void socket_options_inherit(struct socket_options *options, const struct socket_options *listener)
{
	*options = *listener;
	options->cookie = 0;
	(void)socket_filter_reference(options->filter);
}

void socket_options_deinit(struct socket_options *options)
{
	socket_filter_release(options->filter);
	options->filter = 0;
}

/* ---- Setting ---- */

/* FILTER, which goes over, takes the place of the socket's. */
static void put_filter(struct socket_options *options, struct socket_filter *filter)
{
	lock_acquire(&stack_lock);
	struct socket_filter *old = options->filter;
	options->filter = filter;
	lock_release(&stack_lock);
	socket_filter_release(old);
}

static int64_t set_filter(struct socket_options *options, uint64_t address, int32_t bytes)
{
	struct socket_filter *filter;
	if (options->filter_locked)
		return -EPERM;
	int64_t error = socket_filter_make(address, bytes, &filter);
	if (!error)
		put_filter(options, filter);
	return error;
}

/* There are no programs of extended BPF to attach: no descriptor is one. */
static int64_t set_extended(uint32_t fd, int32_t bytes)
{
	return bytes != 4 ? -EINVAL : file_of((int)fd) ? -EINVAL : -EBADF;
}

static int64_t set_flag(struct socket_options *options, const struct flag *flag, bool on)
{
	bool may = flag->option == SO_RCVMARK ? capable(CAP_NET_RAW) || capable(CAP_NET_ADMIN)
	                                      : !flag->capability || !on || capable(flag->capability);
	if (!may)
		return -(int64_t)flag->error;
	put_flag(options, flag->option, on);
	return 0;
}

static int64_t set_linger(struct socket_options *options, uint32_t on, uint64_t address, int32_t bytes)
{
	uint32_t seconds;
	if (bytes < 8)
		return -EINVAL;
	if (get_user_u32(&seconds, address + 4))
		return -EFAULT;
	if (on)
		options->linger_seconds = seconds;
	put_flag(options, SO_LINGER, on);
	return 0;
}

/* SO_TIMESTAMPING. Nobody is told when what he sent went out: who asks for that is refused. */
static int64_t set_stamping(struct socket_options *options, uint32_t value, bool is_new)
{
	if (value & ~(uint32_t)STAMPING_KNOWN ||
	    ((value & STAMPING_OPT_STATS) && !(value & STAMPING_OPT_TSONLY)) ||
	    (value & (STAMPING_TX_SOFTWARE | STAMPING_TX_SCHED | STAMPING_TX_ACK)))
		return -EINVAL;
	if (value & STAMPING_BIND_PHC)
		return -EOPNOTSUPP; /* there is no clock in a card */
	options->stamping = value;
	options->stamp_new = is_new && value;
	return 0;
}

static int64_t set_pacing(struct socket_options *options, uint32_t value, uint64_t address, int32_t bytes)
{
	uint64_t rate = value == UINT32_MAX ? UINT64_MAX : value;
	if (bytes >= 8 && copy_from_user(&rate, address, sizeof(rate)))
		return -EFAULT;
	options->pacing_rate = rate;
	return 0;
}

static int64_t set_send_clock(struct socket_options *options, uint32_t clock, uint64_t address, int32_t bytes)
{
	uint32_t asked;
	if (bytes != 8)
		return -EINVAL;
	if (get_user_u32(&asked, address + 4))
		return -EFAULT;
	if (asked & ~SEND_CLOCK_FLAGS)
		return -EINVAL;
	if (clock != CLOCK_MONOTONIC && !capable(CAP_NET_ADMIN))
		return -EPERM;
	options->send_clock = (uint8_t)clock;
	options->send_clock_flags = asked;
	return 0;
}

static int64_t set_interface(struct socket_options *options, const struct net_namespace *net, uint32_t index)
{
	if (options->interface && !net_capable(net, CAP_NET_RAW))
		return -EPERM;
	if ((int32_t)index < 0)
		return -EINVAL;
	options->interface = index;
	return 0;
}

/* SO_BINDTODEVICE: the name of an interface, or nothing. */
static int64_t set_device(struct socket_options *options, struct net_namespace *net, uint64_t address,
                          int32_t bytes)
{
	char name[INTERFACE_NAME_BYTES] = "";
	uint32_t length = bytes < (int32_t)sizeof(name) ? (uint32_t)bytes : sizeof(name) - 1;
	if (length && copy_from_user(name, address, length))
		return -EFAULT;
	uint32_t index = name[0] ? interface_index(net, name) : 0;
	return name[0] && !index ? -ENODEV : set_interface(options, net, index);
}

static int64_t set_number(struct socket_options *options, const struct net_namespace *net, int option,
                          uint32_t value)
{
	int32_t number = (int32_t)value;
	switch (option) {
	case SO_PRIORITY:
		if (value > 6 && !net_capable(net, CAP_NET_RAW) && !net_capable(net, CAP_NET_ADMIN))
			return -EPERM;
		options->priority = value;
		return 0;
	case SO_MARK:
		if (!net_capable(net, CAP_NET_RAW) && !net_capable(net, CAP_NET_ADMIN))
			return -EPERM;
		options->mark = value;
		return 0;
	case SO_RCVLOWAT:
		options->receive_low = !value ? 1 : number < 0 ? INT32_MAX : value;
		return 0;
	case SO_INCOMING_CPU:
		options->incoming_cpu = number;
		return 0;
	case SO_BUSY_POLL:
		if (number > (int32_t)options->busy_poll && !capable(CAP_NET_ADMIN))
			return -EPERM;
		if (number < 0)
			return -EINVAL;
		options->busy_poll = value;
		return 0;
	case SO_BUSY_POLL_BUDGET:
		if (number > BUSY_BUDGET_DEFAULT && !capable(CAP_NET_ADMIN))
			return -EPERM;
		return number < 0 || number > 65535 ? -EINVAL : 0;
	case SO_BUF_LOCK:
		if (value & ~3u)
			return -EINVAL;
		options->buffer_locks = value;
		return 0;
	case SO_RESERVE_MEM: /* no group of processes is charged for what sockets hold */
		return number < 0 ? -EINVAL : -EOPNOTSUPP;
	case SO_TXREHASH:
		if (number < -1 || number > 1)
			return -EINVAL;
		options->rehash = number < 0 ? 1 : (uint8_t)number;
		return 0;
	case SO_CNX_ADVICE:
	case SO_BSDCOMPAT:
		return 0;
	case SO_BINDTOIFINDEX:
		return set_interface(options, net, value);
	default:
		return -ENOPROTOOPT;
	}
}

int64_t socket_options_set(struct socket_options *options, struct net_namespace *net, int option,
                           uint64_t address, int32_t bytes)
{
	const struct flag *flag = flag_of(option);
	uint32_t value;
	if (option == SO_BINDTODEVICE)
		return set_device(options, net, address, bytes);
	if (bytes < 4)
		return -EINVAL;
	if (get_user_u32(&value, address))
		return -EFAULT;
	switch (option) {
	case SO_LINGER:
		return set_linger(options, value, address, bytes);
	case SO_TIMESTAMP:
	case SO_TIMESTAMPNS:
	case SO_TIMESTAMP_NEW:
	case SO_TIMESTAMPNS_NEW:
		options->stamp_new = value && (option == SO_TIMESTAMP_NEW || option == SO_TIMESTAMPNS_NEW);
		options->stamp = !value                                                 ? STAMP_NONE
		                 : option == SO_TIMESTAMP || option == SO_TIMESTAMP_NEW ? STAMP_TIMEVAL
		                                                                        : STAMP_TIMESPEC;
		return 0;
	case SO_TIMESTAMPING:
	case SO_TIMESTAMPING_NEW:
		return set_stamping(options, value, option == SO_TIMESTAMPING_NEW);
	case SO_MAX_PACING_RATE:
		return set_pacing(options, value, address, bytes);
	case SO_TXTIME:
		return set_send_clock(options, value, address, bytes);
	case SO_ATTACH_FILTER:
		return set_filter(options, address, bytes);
	case SO_DETACH_FILTER:
		if (options->filter_locked || !options->filter)
			return options->filter_locked ? -EPERM : -ENOENT;
		put_filter(options, 0);
		return 0;
	case SO_LOCK_FILTER:
		if (options->filter_locked && !value)
			return -EPERM;
		options->filter_locked = value;
		return 0;
	case SO_ATTACH_BPF:
	case SO_ATTACH_REUSEPORT_EBPF:
		return set_extended(value, bytes);
	case SO_ATTACH_REUSEPORT_CBPF: /* nothing but a hash chooses among the sockets of a port */
		return bytes != 16 ? -EINVAL : -ENOPROTOOPT;
	case SO_DETACH_REUSEPORT_BPF:
		return -EINVAL;
	}
	return flag ? set_flag(options, flag, value) : set_number(options, net, option, value);
}

/* ---- Telling ---- */

/* Options of eight bytes. */
static int64_t get_long(struct socket_options *options, const struct net_namespace *net, int option,
                        uint64_t *value, uint32_t *bytes)
{
	static uint64_t cookies;
	uint32_t room = *bytes;
	*bytes = 8;
	switch (option) {
	case SO_COOKIE:
		if (!options->cookie)
			options->cookie = ++cookies;
		*value = options->cookie;
		return room < 8 ? -EINVAL : 0;
	case SO_NETNS_COOKIE:
		*value = net == &net_namespace_first ? 1 : net->common.inode;
		return room < 8 ? -EINVAL : 0;
	case SO_MAX_PACING_RATE:
		*value = options->pacing_rate;
		if (room >= 8)
			return 0;
		*bytes = 4;
		*value = *value > UINT32_MAX ? UINT32_MAX : *value;
		return 0;
	case SO_LINGER:
		*value = (uint64_t)options->linger_seconds << 32 |
		         !!(options->flags & flag_bit(flag_of(SO_LINGER)));
		return 0;
	case SO_TIMESTAMPING:
	case SO_TIMESTAMPING_NEW:
		*value = options->stamping;
		return 0;
	case SO_TXTIME:
		*value = (uint64_t)options->send_clock_flags << 32 | options->send_clock;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int64_t get_device(const struct socket_options *options, struct net_namespace *net, void *value,
                          uint32_t *bytes)
{
	char name[INTERFACE_NAME_BYTES] = "";
	if (options->interface && !interface_name(net, options->interface, name))
		return -ENODEV;
	uint32_t length = options->interface ? (uint32_t)strlen(name) + 1 : 0;
	if (options->interface && *bytes < sizeof(name))
		return -EINVAL;
	memcpy(value, name, length);
	*bytes = length;
	return 0;
}

static bool stamps(const struct socket_options *options, enum socket_stamp stamp, bool is_new)
{
	return options->stamp == stamp && options->stamp_new == is_new;
}

static int64_t get_number(const struct socket_options *options, int option, uint32_t *value)
{
	switch (option) {
	case SO_PRIORITY:
		*value = options->priority;
		return 0;
	case SO_MARK:
		*value = options->mark;
		return 0;
	case SO_RCVLOWAT:
		*value = options->receive_low;
		return 0;
	case SO_SNDLOWAT:
		*value = 1;
		return 0;
	case SO_INCOMING_CPU:
		*value = (uint32_t)options->incoming_cpu;
		return 0;
	case SO_BUSY_POLL:
		*value = options->busy_poll;
		return 0;
	case SO_LOCK_FILTER:
		*value = options->filter_locked;
		return 0;
	case SO_BUF_LOCK:
		*value = options->buffer_locks;
		return 0;
	case SO_TXREHASH:
		*value = options->rehash;
		return 0;
	case SO_BPF_EXTENSIONS:
		*value = BPF_EXTENSIONS;
		return 0;
	case SO_BINDTOIFINDEX:
		*value = options->interface;
		return 0;
	case SO_TIMESTAMP:
		*value = stamps(options, STAMP_TIMEVAL, false);
		return 0;
	case SO_TIMESTAMP_NEW:
		*value = stamps(options, STAMP_TIMEVAL, true);
		return 0;
	case SO_TIMESTAMPNS:
		*value = stamps(options, STAMP_TIMESPEC, false);
		return 0;
	case SO_TIMESTAMPNS_NEW:
		*value = stamps(options, STAMP_TIMESPEC, true);
		return 0;
	case SO_BSDCOMPAT:
	case SO_REUSEPORT:
	case SO_RESERVE_MEM:
	case SO_INCOMING_NAPI_ID: /* nothing of a card's queues is known to a sub-kernel */
		*value = 0;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int64_t socket_options_get(struct socket_options *options, struct net_namespace *net, int option, void *value,
                           uint32_t *bytes)
{
	uint32_t room = *bytes;
	const struct flag *flag = flag_of(option);
	if (option == SO_BINDTODEVICE)
		return get_device(options, net, value, bytes);
	int64_t error = get_long(options, net, option, value, bytes);
	if (error != -ENOPROTOOPT)
		return error;
	*bytes = 4;
	if (option == SO_PEERGROUPS) {
		*bytes = room;
		return -ENODATA;
	}
	if (flag) {
		*(uint32_t *)value = !!(options->flags & flag_bit(flag));
		return 0;
	}
	return get_number(options, option, value);
}
