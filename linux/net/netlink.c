/* Netlink sockets of the families NETLINK_ROUTE and NETLINK_SOCK_DIAG: netlink(7). A request is answered while it is sent; answers wait
 * in the socket to be read. Groups may be joined, and nothing is announced to them. */
#include "netlink.h"
#include "options.h"

#define REQUEST_BYTES_MAX 8192u
#define DATAGRAM_BYTES    3584u /* readers have 4 KiB at least */
#define DATAGRAMS_MAX     1024u /* that wait in one socket */
enum { NETLINK_ROUTE = 0, NETLINK_SOCK_DIAG = 4 };
enum { NLMSG_NOOP = 1, NLMSG_ERROR = 2, NLMSG_DONE = 3, TYPE_FIRST = 16 };
enum { NLM_F_REQUEST = 1, NLM_F_MULTI = 2, NLM_F_ACK = 4 };
enum {
	NETLINK_ADD_MEMBERSHIP = 1,
	NETLINK_DROP_MEMBERSHIP,
	NETLINK_PKTINFO,
	NETLINK_NO_ENOBUFS = 5,
	NETLINK_LISTEN_ALL_NSID = 8,
	NETLINK_LIST_MEMBERSHIPS,
	NETLINK_CAP_ACK,
	NETLINK_GET_STRICT_CHK = 12
};
enum { NLM_F_CAPPED = 0x100 };
enum { GROUPS_LEAST = 32, ROUTE_GROUPS = 36 /* RTNLGRP_MAX */ };

struct netlink_datagram {
	struct list link;
	uint32_t bytes;
	uint32_t message; /* where the last one begins */
	uint8_t data[DATAGRAM_BYTES];
};

struct sockaddr_netlink {
	uint16_t family, pad;
	uint32_t port, groups;
};

struct netlink_socket {
	struct net_namespace *net; /* a reference */
	struct list datagrams;
	uint32_t count;
	struct wait_queue wait;
	uint32_t port;
	bool has_groups;
	uint64_t groups;
	uint32_t flags; /* options of SOL_NETLINK, a bit each */
	struct socket_options options;
	uint64_t receive_timeout;
	uint64_t number;
	uint8_t type, protocol;
	bool overrun;
};

static const struct file_ops netlink_ops;

/* ---- Answers ---- */

static struct netlink_datagram *last_of(const struct netlink_answer *answer)
{
	return container_of(answer->datagrams.previous, struct netlink_datagram, link);
}

void *netlink_message(struct netlink_answer *answer, uint16_t type, uint32_t bytes, uint32_t attributes)
{
	uint32_t need = sizeof(struct netlink_header) + ((bytes + 3) & ~3u) + attributes;
	struct netlink_datagram *last = list_empty(&answer->datagrams) ? 0 : last_of(answer);
	if (answer->failed || need > DATAGRAM_BYTES)
		return 0;
	if (!last || last->bytes + need > DATAGRAM_BYTES) {
		last = heap_allocate(sizeof(*last));
		if (!last) {
			answer->failed = true;
			return 0;
		}
		list_append(&answer->datagrams, &last->link);
	}
	struct netlink_header header = {.bytes = sizeof(header) + bytes,
	                                .type = type,
	                                .flags = answer->flags,
	                                .sequence = answer->sequence,
	                                .port = answer->port};
	last->message = last->bytes;
	memcpy(last->data + last->message, &header, sizeof(header));
	memset(last->data + last->message + sizeof(header), 0, (bytes + 3) & ~3u);
	last->bytes += sizeof(header) + ((bytes + 3) & ~3u);
	return last->data + last->message + sizeof(header);
}

void netlink_attribute(struct netlink_answer *answer, uint16_t type, const void *data, uint32_t bytes)
{
	struct netlink_datagram *last = list_empty(&answer->datagrams) ? 0 : last_of(answer);
	uint16_t head[2] = {(uint16_t)(4 + bytes), type};
	uint32_t whole = (4 + bytes + 3) & ~3u;
	if (answer->failed || !last || last->bytes + whole > DATAGRAM_BYTES)
		return;
	memcpy(last->data + last->bytes, head, sizeof(head));
	memcpy(last->data + last->bytes + 4, data, bytes);
	memset(last->data + last->bytes + 4 + bytes, 0, whole - 4 - bytes);
	last->bytes += whole;
	uint32_t length = last->bytes - last->message;
	memcpy(last->data + last->message, &length, sizeof(length));
}

/* An error says what REQUEST of BYTES it is about: all of it, or (CAPPED, and where none happened) its header. */
static void answer_error(struct netlink_answer *answer, const uint8_t *request, uint32_t bytes, bool capped,
                         int64_t error)
{
	int32_t number = (int32_t)error;
	if (!error || capped || bytes > DATAGRAM_BYTES - sizeof(struct netlink_header) - 4) {
		bytes = sizeof(struct netlink_header);
		capped = true;
	}
	answer->flags = capped ? NLM_F_CAPPED : 0;
	uint8_t *body = netlink_message(answer, NLMSG_ERROR, 4 + bytes, 0);
	if (body) {
		memcpy(body, &number, sizeof(number));
		memcpy(body + 4, request, bytes);
	}
}

/* ---- Sockets ---- */

int64_t netlink_socket_create(int type, int protocol)
{
	static uint64_t number = 1ull << 21;
	int kind = type & SOCK_TYPE_MASK;
	if (kind != SOCK_RAW && kind != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != NETLINK_ROUTE && protocol != NETLINK_SOCK_DIAG)
		return -EPROTONOSUPPORT;
	struct net_namespace *net = net_current();
	if (!stack_start(net))
		return -ENOMEM;
	struct netlink_socket *socket = heap_allocate(sizeof(*socket));
	struct file *file =
	    socket ? file_create(&netlink_ops, O_RDWR | ((uint32_t)type & O_NONBLOCK), socket) : 0;
	if (!file) {
		heap_free(socket);
		return -ENOMEM;
	}
	socket->net = net;
	(void)namespace_reference(&net->common);
	list_init(&socket->datagrams);
	wait_queue_init(&socket->wait);
	socket->type = (uint8_t)kind;
	socket->protocol = (uint8_t)protocol;
	socket->number = ++number;
	socket->receive_timeout = UINT64_MAX;
	socket_options_init(&socket->options);
	return file_give(file, (uint32_t)type & O_CLOEXEC);
}

static void datagrams_free(struct list *datagrams)
{
	while (!list_empty(datagrams)) {
		struct netlink_datagram *first = list_first(datagrams, struct netlink_datagram, link);
		list_remove(&first->link);
		heap_free(first);
	}
}

static void netlink_release(struct file *file)
{
	struct netlink_socket *socket = file->private;
	datagrams_free(&socket->datagrams);
	socket_options_deinit(&socket->options);
	namespace_release(&socket->net->common);
	heap_free(socket);
}

static void netlink_describe(struct file *file, char *text, uint32_t size)
{
	const struct netlink_socket *socket = file->private;
	text_format(text, size, "socket:[%lu]", socket->number);
}

/* A port that no other socket is told: the process's number for its first, others count down. */
static void bind_any(struct netlink_socket *socket)
{
	static uint32_t next = 0xfffff000u;
	static int32_t last_process;
	int32_t process = current_task()->process->number;
	socket->port = process != last_process ? (uint32_t)process : --next;
	last_process = process;
}

static int64_t netlink_bind(struct file *file, struct socket_address *address)
{
	struct netlink_socket *socket = file->private;
	struct sockaddr_netlink name;
	if (address->length < sizeof(name) || address->family != AF_NETLINK)
		return -EINVAL;
	memcpy(&name, address->bytes, sizeof(name));
	if (socket->port && name.port && name.port != socket->port)
		return -EINVAL;
	socket->groups = name.groups;
	socket->has_groups |= name.groups != 0;
	if (name.port)
		socket->port = name.port;
	else if (!socket->port)
		bind_any(socket);
	return 0;
}

static int64_t netlink_connect(struct file *file, const struct socket_address *address)
{
	struct netlink_socket *socket = file->private;
	if (address->length < sizeof(struct sockaddr_netlink) || address->family != AF_NETLINK)
		return -EINVAL;
	if (!socket->port)
		bind_any(socket);
	return 0;
}

static int64_t netlink_listen(struct file *file, int backlog)
{
	(void)file;
	(void)backlog;
	return -EOPNOTSUPP;
}

static int64_t netlink_accept(struct file *file, uint32_t flags, struct socket_address *peer)
{
	(void)file;
	(void)flags;
	(void)peer;
	return -EOPNOTSUPP;
}

static void name_tell(struct socket_address *address, uint32_t port, uint32_t groups)
{
	struct sockaddr_netlink name = {.family = AF_NETLINK, .port = port, .groups = groups};
	memcpy(address->bytes, &name, sizeof(name));
	address->length = sizeof(name);
}

static int64_t netlink_name(struct file *file, bool peer, struct socket_address *address)
{
	const struct netlink_socket *socket = file->private;
	name_tell(address, peer ? 0 : socket->port, peer ? 0 : (uint32_t)socket->groups);
	return 0;
}

static int64_t netlink_shutdown(struct file *file, uint32_t what)
{
	(void)file;
	(void)what;
	return -EOPNOTSUPP;
}

/* The bit of a flag of SOL_NETLINK; 0: it is none. */
static uint32_t flag_bit(int option)
{
	bool known = (option >= NETLINK_PKTINFO && option <= NETLINK_NO_ENOBUFS) ||
	             (option >= NETLINK_CAP_ACK && option <= NETLINK_GET_STRICT_CHK);
	return known ? 1u << option : 0;
}

/* DATAGRAM, which is in no list, waits to be read, where SOCKET's filter takes it and there is room. */
static void deliver(struct netlink_socket *socket, struct netlink_datagram *datagram)
{
	uint32_t take = socket_filter_message(socket->options.filter, datagram->data, datagram->bytes);
	datagram->bytes = take < datagram->bytes ? take : datagram->bytes;
	if (take && socket->count < DATAGRAMS_MAX) {
		list_append(&socket->datagrams, &datagram->link);
		socket->count++;
		return;
	}
	socket->overrun |= take != 0;
	heap_free(datagram);
}

/* Answers the request at REQUEST, whose header says BYTES. */
static void answer_request(struct netlink_socket *socket, const uint8_t *request, uint32_t bytes)
{
	struct netlink_header header;
	memcpy(&header, request, sizeof(header));
	struct netlink_answer answer = {
	    .net = socket->net, .sequence = header.sequence, .port = socket->port};
	list_init(&answer.datagrams);
	if (!(header.flags & NLM_F_REQUEST) || header.type < TYPE_FIRST)
		return; /* acknowledgements, and what is nothing */
	stack_begin(socket->net);
	int64_t (*answerer)(struct netlink_answer *, const struct netlink_header *, const uint8_t *,
	                    uint32_t) = socket->protocol == NETLINK_ROUTE ? route_netlink : sock_diag;
	int64_t result =
	    answerer(&answer, &header, request + sizeof(header), bytes - (uint32_t)sizeof(header));
	stack_end();
	if (result == -NETLINK_DUMPED) {
		answer.flags = NLM_F_MULTI;
		(void)netlink_message(&answer, NLMSG_DONE, 4, 0);
	} else if (result < 0 || (header.flags & NLM_F_ACK)) {
		answer_error(&answer, request, bytes, socket->flags & flag_bit(NETLINK_CAP_ACK), result);
	}
	while (!list_empty(&answer.datagrams)) {
		struct netlink_datagram *first = list_first(&answer.datagrams, struct netlink_datagram, link);
		list_remove(&first->link);
		deliver(socket, first);
	}
	socket->overrun |= answer.failed;
	wake_all(&socket->wait, POLLIN | POLLRDNORM);
}

static int64_t netlink_send(struct file *file, struct socket_message *message, uint32_t flags)
{
	struct netlink_socket *socket = file->private;
	uint64_t bytes = message->io.remaining;
	struct sockaddr_netlink to;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (message->address.length) {
		if (message->address.length < sizeof(to) || message->address.family != AF_NETLINK)
			return -EINVAL;
		memcpy(&to, message->address.bytes, sizeof(to));
		if (to.port)
			return -ECONNREFUSED; /* only the kernel's end is there */
	}
	if (bytes > REQUEST_BYTES_MAX)
		return -EMSGSIZE;
	if (!socket->port)
		bind_any(socket);
	uint8_t *request = heap_allocate(REQUEST_BYTES_MAX);
	if (!request)
		return -ENOBUFS;
	int64_t done = bytes ? io_take(&message->io, request, bytes) : 0;
	if (done >= 0 && (uint64_t)done < bytes)
		done = -EFAULT;
	for (uint64_t at = 0; done >= 0 && at + sizeof(struct netlink_header) <= bytes;) {
		uint32_t length;
		memcpy(&length, request + at, sizeof(length));
		if (length < sizeof(struct netlink_header) || length > bytes - at)
			break;
		answer_request(socket, request + at, length);
		at += (length + 3ull) & ~3ull;
	}
	heap_free(request);
	return done;
}

static int64_t netlink_receive(struct file *file, struct socket_message *message, uint32_t flags)
{
	struct netlink_socket *socket = file->private;
	uint64_t deadline = socket_deadline(socket->receive_timeout);
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (socket->overrun) {
		socket->overrun = false;
		return -ENOBUFS;
	}
	while (!socket->count) {
		if (!socket_waits(file, flags))
			return -EAGAIN;
		int result = wait_event(&socket->wait, socket->count, deadline);
		if (result)
			return socket_wait_error(result, socket->receive_timeout);
	}
	struct netlink_datagram *first = list_first(&socket->datagrams, struct netlink_datagram, link);
	uint64_t part = first->bytes < message->io.remaining ? first->bytes : message->io.remaining;
	int64_t done = part ? io_put(&message->io, first->data, part) : 0;
	if (done < 0)
		return done;
	message->flags = part < first->bytes ? MSG_TRUNC : 0;
	message->control_bytes = 0;
	name_tell(&message->address, 0, 0);
	if (flags & MSG_TRUNC)
		done = first->bytes;
	if (!(flags & MSG_PEEK)) {
		list_remove(&first->link);
		heap_free(first);
		socket->count--;
	}
	return done;
}

static int64_t join(struct netlink_socket *socket, bool leave, uint32_t group)
{
	uint32_t most = socket->protocol == NETLINK_ROUTE ? ROUTE_GROUPS : GROUPS_LEAST;
	if (!group || group > most)
		return -EINVAL;
	uint64_t bit = 1ull << (group - 1);
	socket->has_groups = true;
	socket->groups = leave ? socket->groups & ~bit : socket->groups | bit;
	return 0;
}

static int64_t set_netlink(struct netlink_socket *socket, int option, uint64_t address, int32_t bytes)
{
	uint32_t value = 0, bit = flag_bit(option);
	if (bytes >= 4 && get_user_u32(&value, address))
		return -EFAULT;
	switch (option) {
	case NETLINK_ADD_MEMBERSHIP:
	case NETLINK_DROP_MEMBERSHIP:
		return join(socket, option == NETLINK_DROP_MEMBERSHIP, value);
	case NETLINK_LISTEN_ALL_NSID: /* nothing is announced in other namespaces either */
		return net_capable(socket->net, CAP_NET_BROADCAST) ? 0 : -EPERM;
	}
	if (!bit)
		return -ENOPROTOOPT;
	socket->flags = value ? socket->flags | bit : socket->flags & ~bit;
	return 0;
}

static int64_t get_netlink(const struct netlink_socket *socket, int option, uint64_t address, uint32_t *room)
{
	uint32_t bit = flag_bit(option);
	if (option == NETLINK_LIST_MEMBERSHIPS) {
		uint32_t most = socket->protocol == NETLINK_ROUTE ? ROUTE_GROUPS : GROUPS_LEAST;
		uint32_t whole = socket->has_groups ? (most + 31) / 32 * 4 : 0;
		uint32_t part = (*room < whole ? *room : whole) & ~3u;
		*room = whole;
		return copy_to_user(address, &socket->groups, part);
	}
	if (!bit)
		return -ENOPROTOOPT;
	if (*room < 4)
		return -EINVAL;
	uint32_t value = !!(socket->flags & bit);
	*room = sizeof(value);
	return copy_to_user(address, &value, sizeof(value));
}

static int64_t netlink_set_option(struct file *file, int level, int option, uint64_t address, int32_t bytes)
{
	struct netlink_socket *socket = file->private;
	if (level == SOL_NETLINK)
		return set_netlink(socket, option, address, bytes);
	if (level != SOL_SOCKET)
		return -ENOPROTOOPT;
	switch (option) {
	case SO_RCVTIMEO:
	case SO_RCVTIMEO_NEW:
		return socket_set_timeout(&socket->receive_timeout, address, bytes);
	case SO_SNDTIMEO:
	case SO_SNDTIMEO_NEW:
	case SO_SNDBUF:
	case SO_RCVBUF:
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		return 0; /* the queue has a limit of its own */
	default:
		return socket_options_set(&socket->options, socket->net, option, address, bytes);
	}
}

static int64_t netlink_get_option(struct file *file, int level, int option, uint64_t address, uint32_t *room)
{
	struct netlink_socket *socket = file->private;
	uint32_t value[SOCKET_VALUE_BYTES / 4] = {0}, bytes = 4;
	int64_t error;
	if (level == SOL_NETLINK)
		return get_netlink(socket, option, address, room);
	if (level != SOL_SOCKET)
		return -ENOPROTOOPT;
	switch (option) {
	case SO_TYPE:
		value[0] = socket->type;
		break;
	case SO_DOMAIN:
		value[0] = AF_NETLINK;
		break;
	case SO_SNDBUF:
	case SO_RCVBUF:
		value[0] = 212992;
		break;
	case SO_PROTOCOL:
		value[0] = socket->protocol;
		break;
	case SO_ERROR:
	case SO_ACCEPTCONN:
		break;
	case SO_ATTACH_FILTER: /* SO_GET_FILTER */
		return socket_filter_tell(socket->options.filter, address, room);
	default:
		bytes = *room;
		error = socket_options_get(&socket->options, socket->net, option, value, &bytes);
		if (error)
			return error;
		break;
	}
	if (bytes < *room)
		*room = bytes;
	return copy_to_user(address, value, *room);
}

static int64_t netlink_read(struct file *file, struct io *io, int64_t *position)
{
	struct socket_message message = {.io = *io};
	(void)position;
	int64_t result = netlink_receive(file, &message, 0);
	*io = message.io;
	return result;
}

static int64_t netlink_write(struct file *file, struct io *io, int64_t *position)
{
	struct socket_message message = {.io = *io};
	(void)position;
	int64_t result = netlink_send(file, &message, 0);
	*io = message.io;
	return result;
}

static uint32_t netlink_poll(struct file *file, struct poll_table *table)
{
	struct netlink_socket *socket = file->private;
	poll_wait(table, &socket->wait);
	return POLLOUT | POLLWRNORM | (socket->count ? POLLIN | POLLRDNORM : 0) |
	       (socket->overrun ? POLLERR : 0);
}

static const struct socket_ops netlink_socket_ops = {
    .bind = netlink_bind,
    .connect = netlink_connect,
    .listen = netlink_listen,
    .accept = netlink_accept,
    .name = netlink_name,
    .shutdown = netlink_shutdown,
    .send = netlink_send,
    .receive = netlink_receive,
    .set_option = netlink_set_option,
    .get_option = netlink_get_option,
};

static const struct file_ops netlink_ops = {
    .read = netlink_read,
    .write = netlink_write,
    .poll = netlink_poll,
    .release = netlink_release,
    .describe = netlink_describe,
    .socket = &netlink_socket_ops,
};
