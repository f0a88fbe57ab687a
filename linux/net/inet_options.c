/* Options of sockets of the internet, and the ancillary data some of them ask for. What is not said here is
 * lib/net's (option.c, tcp_option.c). */
#include "inet.h"

#define OPTION_BYTES_MAX 256u
enum { SCM_TIMESTAMPING = 37, SCM_TIMESTAMPING_NEW = 65 };
enum { SCM_TIMESTAMP_NEW = 63, SCM_TIMESTAMPNS_NEW = 64 };
enum { STAMPING_RX_SOFTWARE = 1 << 3, STAMPING_SOFTWARE = 1 << 4 };
enum { IP_RECVERR = 11, IPV6_RECVERR = 25 };
enum { IP_RECVTTL = 12, IP_RECVTOS = 13 };
enum { IPV6_RECVPKTINFO = 49, IPV6_RECVHOPLIMIT = 51, IPV6_RECVTCLASS = 66 };

#define BUFFER_WISH_MAX     212992u  /* /proc/sys/net/core/wmem_max and rmem_max */
#define RECEIVE_LOW_TCP_MAX 3145728u /* half of what the third number of tcp_rmem allows */

/* Options of SOL_SOCKET that are the family's: -ENOPROTOOPT for others. */
static int64_t own_set(struct inet_socket *inet, int option, uint64_t address, int32_t bytes)
{
	switch (option) {
	case SO_RCVTIMEO:
	case SO_RCVTIMEO_NEW:
		return socket_set_timeout(&inet->receive_timeout, address, bytes);
	case SO_SNDTIMEO:
	case SO_SNDTIMEO_NEW:
		return socket_set_timeout(&inet->send_timeout, address, bytes);
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		return capable(CAP_NET_ADMIN) ? -ENOPROTOOPT : -EPERM;
	default:
		return -ENOPROTOOPT;
	}
}

uint32_t inet_filter(void *context, const struct net_view *view)
{
	const struct inet_socket *inet = context;
	struct bpf_packet packet = {.bytes = view->bytes,
	                            .network = view->network,
	                            .link = view->frame,
	                            .count = view->count,
	                            .network_count = view->network_count,
	                            .link_count = view->frame_count,
	                            .interface = view->link,
	                            .protocol = view->protocol,
	                            .hardware = view->loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER,
	                            .kind = view->kind};
	return socket_filter_run(inet->options.filter, &packet);
}

static int64_t shared_set(struct inet_socket *inet, int option, uint64_t address, int32_t bytes)
{
	int64_t error = socket_options_set(&inet->options, inet->net, option, address, bytes);
	if (!error && option == SO_RCVLOWAT && inet->type == SOCK_STREAM &&
	    inet->options.receive_low > RECEIVE_LOW_TCP_MAX)
		inet->options.receive_low = RECEIVE_LOW_TCP_MAX;
	if (!error && option == SO_ATTACH_FILTER) {
		lock_acquire(&stack_lock);
		net_socket_set_filter(inet->socket, inet_filter);
		lock_release(&stack_lock);
	}
	return error;
}

int64_t inet_set_option(struct file *file, int level, int option, uint64_t address, int32_t bytes)
{
	struct inet_socket *inet = file->private;
	uint8_t value[OPTION_BYTES_MAX];
	int64_t error = level == SOL_SOCKET ? own_set(inet, option, address, bytes) : -ENOPROTOOPT;
	if (error != -ENOPROTOOPT)
		return error;
	if (bytes > (int32_t)sizeof(value))
		bytes = sizeof(value); /* no option is longer; Linux reads no more than it knows either */
	if (bytes && copy_from_user(value, address, (size_t)bytes))
		return -EFAULT;
	if (level == SOL_SOCKET && (option == SO_SNDBUF || option == SO_RCVBUF) && bytes >= 4) {
		uint32_t wish;
		memcpy(&wish, value, sizeof(wish));
		wish = wish < BUFFER_WISH_MAX ? wish : BUFFER_WISH_MAX;
		memcpy(value, &wish, sizeof(wish));
	}
	stack_begin(inet->net);
	error = net_set_option(inet->socket, level, option, value, (size_t)bytes);
	stack_end();
	if (error == -ENOPROTOOPT && level == SOL_SOCKET)
		error = shared_set(inet, option, address, bytes);
	if (error == -ENOPROTOOPT)
		error = inet_kept_set(inet, level, option, value, bytes);
	if (!error && level == SOL_UDP && option == UDP_CORK && !inet_kept(inet, SOL_UDP, UDP_CORK)) {
		stack_begin(inet->net);
		(void)inet_cork_push(inet); /* nobody is told */
		stack_end();
	}
	return error;
}

static int64_t own_get(const struct inet_socket *inet, int option, uint32_t value[4], size_t *bytes)
{
	switch (option) {
	case SO_RCVTIMEO:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO:
	case SO_SNDTIMEO_NEW:
		*bytes = 16;
		socket_get_timeout(option == SO_RCVTIMEO || option == SO_RCVTIMEO_NEW ? inet->receive_timeout
		                                                                      : inet->send_timeout,
		                   value);
		return 0;
	case SO_PEERCRED:
		*bytes = 12;
		value[0] = 0;
		value[1] = value[2] = UINT32_MAX;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int64_t inet_get_option(struct file *file, int level, int option, uint64_t address, uint32_t *room)
{
	struct inet_socket *inet = file->private;
	union {
		uint8_t bytes[OPTION_BYTES_MAX];
		uint32_t words[4];
	} value;
	size_t bytes = 0;
	if (level == SOL_SOCKET && option == SO_ATTACH_FILTER) /* SO_GET_FILTER */
		return socket_filter_tell(inet->options.filter, address, room);
	int64_t error = level == SOL_SOCKET ? own_get(inet, option, value.words, &bytes) : -ENOPROTOOPT;
	if (error == -ENOPROTOOPT) {
		bytes = *room < sizeof(value) ? *room : sizeof(value);
		stack_begin(inet->net);
		error = net_get_option(inet->socket, level, option, value.bytes, &bytes);
		stack_end();
	}
	if (error == -ENOPROTOOPT && level == SOL_SOCKET) {
		uint32_t length = *room;
		error = socket_options_get(&inet->options, inet->net, option, value.bytes, &length);
		bytes = length;
	}
	if (error == -ENOPROTOOPT) {
		error = inet_kept_get(inet, level, option, value.words);
		bytes = 4;
	}
	if (error)
		return error;
	if (bytes < *room)
		*room = (uint32_t)bytes;
	return copy_to_user(address, value.bytes, *room);
}

/* ---- Ancillary data ---- */

struct control {
	struct socket_message *message;
	uint64_t room, used;
	bool failed;
};

static void control_put(struct control *control, int32_t level, int32_t type, const void *data,
                        uint32_t bytes)
{
	const struct control_header header = {sizeof(header) + bytes, level, type};
	uint64_t whole = (sizeof(header) + bytes + 7) & ~7ull, at = control->message->control + control->used;
	if (header.length > control->room - control->used) {
		control->message->flags |= MSG_CTRUNC;
		return;
	}
	if (copy_to_user(at, &header, sizeof(header)) || copy_to_user(at + sizeof(header), data, bytes))
		control->failed = true;
	control->used = control->used + whole < control->room ? control->used + whole : control->room;
}

static bool wants(const struct inet_socket *inet, int level, int option)
{
	uint32_t value = 0;
	size_t bytes = sizeof(value);
	return net_get_option(inet->socket, level, option, &value, &bytes) == 0 && value;
}

static void control_ipv4(struct control *control, const struct inet_socket *inet,
                         const struct net_receipt *receipt)
{
	uint32_t number = receipt->ttl;
	if (wants(inet, SOL_IP, IP_PKTINFO)) {
		struct {
			uint32_t interface;
			uint8_t local[4], to[4];
		} information = {.interface = receipt->link};
		memcpy(information.local, receipt->to.bytes + 12, 4);
		memcpy(information.to, receipt->to.bytes + 12, 4);
		control_put(control, SOL_IP, IP_PKTINFO, &information, sizeof(information));
	}
	if (wants(inet, SOL_IP, IP_RECVTTL))
		control_put(control, SOL_IP, IP_TTL, &number, sizeof(number));
	if (wants(inet, SOL_IP, IP_RECVTOS))
		control_put(control, SOL_IP, IP_TOS, &receipt->traffic_class, 1);
}

static void control_ipv6(struct control *control, const struct inet_socket *inet,
                         const struct net_receipt *receipt)
{
	uint32_t number = receipt->ttl;
	if (wants(inet, SOL_IPV6, IPV6_RECVPKTINFO)) {
		struct {
			uint8_t to[16];
			uint32_t interface;
		} information = {.interface = receipt->link};
		memcpy(information.to, receipt->to.bytes, 16);
		control_put(control, SOL_IPV6, IPV6_PKTINFO, &information, sizeof(information));
	}
	if (wants(inet, SOL_IPV6, IPV6_RECVHOPLIMIT))
		control_put(control, SOL_IPV6, IPV6_HOPLIMIT, &number, sizeof(number));
	number = receipt->traffic_class;
	if (wants(inet, SOL_IPV6, IPV6_RECVTCLASS))
		control_put(control, SOL_IPV6, IPV6_TCLASS, &number, sizeof(number));
}

/* The time is that of reading, not of arrival. */
static void control_stamps(struct control *control, const struct socket_options *options)
{
	uint64_t now = clock_realtime();
	struct linux_timespec stamps[3] = {timespec_of(now)};
	if (options->stamp == STAMP_TIMEVAL) {
		struct linux_timeval coarse = timeval_of(now);
		control_put(control, SOL_SOCKET, options->stamp_new ? SCM_TIMESTAMP_NEW : SO_TIMESTAMP,
		            &coarse, sizeof(coarse));
	} else if (options->stamp == STAMP_TIMESPEC) {
		control_put(control, SOL_SOCKET, options->stamp_new ? SCM_TIMESTAMPNS_NEW : SO_TIMESTAMPNS,
		            stamps, sizeof(stamps[0]));
	}
	if ((options->stamping & STAMPING_RX_SOFTWARE) && (options->stamping & STAMPING_SOFTWARE))
		control_put(control, SOL_SOCKET, options->stamp_new ? SCM_TIMESTAMPING_NEW : SCM_TIMESTAMPING,
		            stamps, sizeof(stamps));
}

int64_t inet_control_stream(const struct inet_socket *inet, struct socket_message *message)
{
	struct control control = {.message = message, .room = message->control_bytes};
	message->control_bytes = 0;
	if (!control.room || !inet_kept(inet, SOL_TCP, TCP_INQ))
		return 0;
	lock_acquire(&stack_lock);
	uint32_t left = net_readable_bytes(inet->socket);
	lock_release(&stack_lock);
	control_put(&control, SOL_TCP, TCP_INQ, &left, sizeof(left));
	message->control_bytes = control.used;
	return control.failed ? -EFAULT : 0;
}

int64_t inet_control_write(const struct inet_socket *inet, const struct net_receipt *receipt,
                           struct socket_message *message)
{
	struct control control = {.message = message, .room = message->control_bytes};
	message->control_bytes = 0;
	if (!control.room)
		return 0;
	control_stamps(&control, &inet->options);
	lock_acquire(&stack_lock);
	if (net_is_ipv4(&receipt->from.address))
		control_ipv4(&control, inet, receipt);
	if (inet->family == AF_INET6)
		control_ipv6(&control, inet, receipt);
	lock_release(&stack_lock);
	message->control_bytes = control.used;
	return control.failed ? -EFAULT : 0;
}

int64_t inet_control_failure(const struct inet_socket *inet, const struct net_failure *failure,
                             struct socket_message *message)
{
	struct control control = {.message = message, .room = message->control_bytes};
	struct {
		uint32_t error;
		uint8_t origin, type, code, pad;
		uint32_t info, data;
		uint8_t from[28]; /* struct sockaddr_in or sockaddr_in6 */
	} told = {failure->error, failure->origin, failure->type, failure->code, 0, failure->info, 0, {0}};
	const struct net_receipt receipt = {.from = {failure->from, 0, 0},
	                                    .to = failure->local,
	                                    .link = failure->link,
	                                    .ttl = failure->ttl,
	                                    .traffic_class = failure->traffic_class};
	bool six = inet->family == AF_INET6;
	message->control_bytes = 0;
	if (!control.room)
		return 0;
	control_stamps(&control, &inet->options);
	if (failure->origin != NET_ORIGIN_LOCAL) {
		struct socket_address from;
		const struct net_endpoint end = {failure->from, 0,
		                                 six && failure->from.bytes[0] == 0xfe ? failure->link : 0};
		inet_endpoint_tell(inet, &end, &from);
		memcpy(told.from, from.bytes,
		       from.length < sizeof(told.from) ? from.length : sizeof(told.from));
		lock_acquire(&stack_lock);
		if (net_is_ipv4(&failure->from))
			control_ipv4(&control, inet, &receipt);
		else
			control_ipv6(&control, inet, &receipt);
		lock_release(&stack_lock);
	}
	control_put(&control, six ? SOL_IPV6 : SOL_IP, six ? IPV6_RECVERR : IP_RECVERR, &told, six ? 44 : 32);
	message->control_bytes = control.used;
	return control.failed ? -EFAULT : 0;
}
