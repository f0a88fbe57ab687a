/* Life of sockets of the internet, and what they answer to the socket calls but for data and options: see
 * inet.h. */
#include "inet.h"
#include "../fs/open.h"

#define PORT_PRIVILEGED 1024u /* below it CAP_NET_BIND_SERVICE is wanted */
enum { OPTION_TCP_INFO = 11 };

static uint32_t wake_events(uint32_t events)
{
	return (events & NET_READABLE ? POLLIN | POLLRDNORM : 0) |
	       (events & NET_WRITABLE ? POLLOUT | POLLWRNORM : 0) | (events & NET_ERROR ? POLLERR : 0) |
	       (events & NET_HANGUP ? POLLHUP : 0) | (events & NET_READ_HANGUP ? POLLRDHUP | POLLIN : 0);
}

static void inet_notify(void *context, struct net_socket *socket, uint32_t events)
{
	struct inet_socket *inet = context;
	(void)socket;
	wake_all(&inet->wait, wake_events(events));
}

/* SOCKET, of NET, goes over, whatever happens. LISTENER: what accepted it, or 0. FLAGS: SOCK_CLOEXEC,
 * SOCK_NONBLOCK. */
static int64_t inet_install(struct net_namespace *net, struct net_socket *socket,
                            const struct inet_socket *listener, int family, int type, uint32_t flags)
{
	static uint64_t number = 1ull << 20;
	struct inet_socket *inet = heap_allocate(sizeof(*inet));
	struct file *file = inet ? file_create(&inet_ops, O_RDWR | (flags & O_NONBLOCK), inet) : 0;
	if (!file) {
		heap_free(inet);
		stack_begin(net);
		net_close(socket);
		stack_end();
		return -ENOMEM;
	}
	inet->socket = socket;
	inet->net = net;
	(void)namespace_reference(&net->common);
	inet->family = (uint16_t)family;
	inet->type = (uint8_t)type;
	inet->number = ++number;
	inet->receive_timeout = inet->send_timeout = UINT64_MAX;
	inet_kept_init(inet);
	if (listener)
		memcpy(inet->kept, listener->kept, sizeof(inet->kept));
	if (listener)
		socket_options_inherit(&inet->options, &listener->options);
	else
		socket_options_init(&inet->options);
	wait_queue_init(&inet->wait);
	lock_acquire(&stack_lock);
	net_socket_set_notify(socket, inet_notify, inet);
	if (inet->options.filter)
		net_socket_set_filter(socket, inet_filter);
	lock_release(&stack_lock);
	return file_give(file, flags & O_CLOEXEC);
}

int64_t inet_socket_create(int family, int type, int protocol)
{
	int kind = type & SOCK_TYPE_MASK, error = 0;
	if (protocol < 0 || (family != AF_PACKET && protocol > 255))
		return -EINVAL;
	struct net_namespace *net = net_current();
	if ((kind == SOCK_RAW || family == AF_PACKET) && !net_capable(net, CAP_NET_RAW))
		return -EPERM;
	if (!stack_start(net))
		return -ENOMEM;
	if (family == AF_PACKET) /* given in network order */
		protocol = (protocol & 255) << 8 | (protocol >> 8 & 255);
	stack_begin(net);
	struct net_socket *socket = net_socket_create(stack_get(), family, kind, protocol, &error);
	stack_end();
	return socket ? inet_install(net, socket, 0, family, kind, (uint32_t)type) : error;
}

static void inet_release(struct file *file)
{
	struct inet_socket *inet = file->private;
	stack_begin(inet->net);
	net_socket_set_notify(inet->socket, 0, 0);
	net_socket_set_filter(inet->socket, 0);
	inet_cork_drop(inet);
	net_close(inet->socket);
	stack_end();
	socket_options_deinit(&inet->options);
	namespace_release(&inet->net->common);
	heap_free(inet);
}

static void inet_describe(struct file *file, char *text, uint32_t size)
{
	const struct inet_socket *inet = file->private;
	text_format(text, size, "socket:[%lu]", inet->number);
}

static int64_t inet_read(struct file *file, struct io *io, int64_t *position)
{
	struct socket_message message = {.io = *io};
	(void)position;
	int64_t result = io->remaining ? inet_receive(file, &message, 0) : 0;
	*io = message.io;
	return result;
}

static int64_t inet_write(struct file *file, struct io *io, int64_t *position)
{
	struct socket_message message = {.io = *io};
	(void)position;
	int64_t result = inet_send(file, &message, 0);
	*io = message.io;
	return result;
}

static int64_t inet_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	enum { FIONREAD = 0x541b, SIOCOUTQ = 0x5411, SIOCATMARK = 0x8905, SIOCOUTQNSD = 0x894b };
	const struct inet_socket *inet = file->private;
	uint32_t value;
	if (inet->type != SOCK_STREAM && (command == SIOCATMARK || command == SIOCOUTQNSD))
		return interface_ioctl(inet->net, command, argument);
	stack_begin(inet->net);
	bool listens = inet->type == SOCK_STREAM && inet_tcp_state(inet) == TCP_STATE_LISTENS;
	uint32_t readable = net_readable_bytes(inet->socket);
	uint32_t unsent = net_unsent_bytes(inet->socket, command == SIOCOUTQ);
	stack_end();
	switch (command) {
	case FIONREAD:
		if (listens)
			return -EINVAL;
		value = readable;
		break;
	case SIOCOUTQ:
	case SIOCOUTQNSD:
		if (listens)
			return -EINVAL;
		value = unsent;
		break;
	case SIOCATMARK:
		value = 0;
		break;
	default:
		return interface_ioctl(inet->net, command, argument);
	}
	return put_user_u32(argument, value);
}

const struct file_ops inet_ops = {
    .read = inet_read,
    .write = inet_write,
    .parallel = true,
    .poll = inet_poll,
    .ioctl = inet_ioctl,
    .linger = inet_linger,
    .release = inet_release,
    .describe = inet_describe,
    .socket = &inet_socket_ops,
};

uint8_t inet_tcp_state(const struct inet_socket *inet)
{
	uint8_t state = TCP_STATE_CLOSED;
	size_t bytes = sizeof(state);
	return net_get_option(inet->socket, SOL_TCP, OPTION_TCP_INFO, &state, &bytes) == 0 ? state
	                                                                                   : TCP_STATE_CLOSED;
}

static int64_t inet_bind(struct file *file, struct socket_address *address)
{
	struct inet_socket *inet = file->private;
	struct net_endpoint local;
	int64_t error = inet_endpoint_read(inet, address, &local);
	if (error)
		return error;
	if (inet->family != AF_PACKET && inet->type != SOCK_RAW && local.port &&
	    local.port < PORT_PRIVILEGED && !net_capable(inet->net, CAP_NET_BIND_SERVICE))
		return -EACCES;
	stack_begin(inet->net);
	error = net_bind(inet->socket, &local);
	stack_end();
	return error;
}

static int64_t inet_listen(struct file *file, int backlog)
{
	struct inet_socket *inet = file->private;
	if (inet->type != SOCK_STREAM || inet->family == AF_PACKET)
		return -EOPNOTSUPP;
	stack_begin(inet->net);
	int64_t error = net_listen(inet->socket, backlog);
	stack_end();
	return error;
}

/* ---- Connecting ---- */

/* As connect(2) on Linux: an attempt that a signal interrupted goes on, and the next call waits for it. */
static int64_t connect_stream(struct inet_socket *inet, bool wait, const struct net_endpoint *remote)
{
	if (!inet->connecting) {
		int64_t error = net_connect(inet->socket, remote);
		if (error != -EINPROGRESS)
			return error;
		inet->connecting = true;
		if (!wait)
			return error;
	} else if (!wait && !net_poll(inet->socket)) {
		return -EALREADY;
	}
	stack_run();
	int result = wait_event_locked(&inet->wait, &stack_lock, net_poll(inet->socket),
	                               socket_deadline(inet->send_timeout));
	stack_again(inet->net);
	if (result == -ETIMEDOUT)
		return -EINPROGRESS;
	if (result)
		return socket_wait_error(result, inet->send_timeout);
	inet->connecting = false;
	int error = 0;
	size_t bytes = sizeof(error);
	(void)net_get_option(inet->socket, SOL_SOCKET, SO_ERROR, &error, &bytes);
	if (error)
		return -error;
	return inet_tcp_state(inet) == TCP_STATE_CLOSED ? -ECONNABORTED : 0;
}

static int64_t inet_connect(struct file *file, const struct socket_address *address)
{
	struct inet_socket *inet = file->private;
	struct net_endpoint remote;
	int64_t error;
	if (address->length < sizeof(uint16_t))
		return -EINVAL;
	if (inet->family == AF_PACKET)
		return -EOPNOTSUPP;
	const bool disconnects = address->family == AF_UNSPEC && inet->type != SOCK_STREAM;
	if (!disconnects) {
		error = inet_endpoint_read(inet, address, &remote);
		if (error)
			return error;
	}
	stack_begin(inet->net);
	error = inet->type == SOCK_STREAM ? connect_stream(inet, socket_waits(file, 0), &remote)
	                                  : net_connect(inet->socket, disconnects ? 0 : &remote);
	stack_end();
	return error;
}

static int64_t inet_accept(struct file *file, uint32_t flags, struct socket_address *address)
{
	struct inet_socket *inet = file->private;
	struct net_endpoint peer;
	struct net_socket *socket;
	uint64_t deadline = socket_deadline(inet->receive_timeout);
	int error, result = 0;
	if (inet->type != SOCK_STREAM)
		return -EOPNOTSUPP;
	stack_begin(inet->net);
	while (!(socket = net_accept(inet->socket, &error)) && error == -EAGAIN && socket_waits(file, 0)) {
		stack_run();
		result = wait_event_locked(&inet->wait, &stack_lock, net_poll(inet->socket), deadline);
		stack_again(inet->net);
		if (result)
			break;
	}
	if (socket && net_remote_endpoint(socket, &peer))
		memset(&peer, 0, sizeof(peer));
	stack_end();
	if (!socket)
		return result ? socket_wait_error(result, inet->receive_timeout) : error;
	inet_endpoint_tell(inet, &peer, address);
	return inet_install(inet->net, socket, inet, inet->family, inet->type, flags);
}

static int64_t inet_name(struct file *file, bool peer, struct socket_address *address)
{
	struct inet_socket *inet = file->private;
	struct net_endpoint endpoint;
	stack_begin(inet->net);
	int64_t error;
	uint8_t state = inet->type == SOCK_STREAM ? inet_tcp_state(inet) : 0;
	if (peer && (state == TCP_STATE_CLOSED || state == TCP_STATE_SYN_SENT))
		error = -ENOTCONN;
	else
		error = peer ? net_remote_endpoint(inet->socket, &endpoint)
		             : net_local_endpoint(inet->socket, &endpoint);
	stack_end();
	if (!error)
		inet_endpoint_tell(inet, &endpoint, address);
	return error;
}

static int64_t inet_shutdown(struct file *file, uint32_t what)
{
	struct inet_socket *inet = file->private;
	stack_begin(inet->net);
	int64_t error = net_shutdown(inet->socket, (int)what - 1);
	stack_end();
	return error;
}

const struct socket_ops inet_socket_ops = {
    .bind = inet_bind,
    .connect = inet_connect,
    .listen = inet_listen,
    .accept = inet_accept,
    .name = inet_name,
    .shutdown = inet_shutdown,
    .send = inet_send,
    .receive = inet_receive,
    .set_option = inet_set_option,
    .get_option = inet_get_option,
    .parallel = true,
};
