/* TCP's socket calls. */
#include "tcp.h"
#include <string.h>

/* RFC 6528. */
uint32_t tcp_initial_sequence(struct net *net, const struct flow *flow)
{
	struct {
		struct net_address local, remote;
		uint32_t ports;
	} text = {flow->local, flow->remote, (uint32_t)flow->local_port << 16 | flow->remote_port};

	return (uint32_t)siphash(&net->sequence_key, &text, sizeof(text)) + (uint32_t)(net->now / 4000);
}

/* Clocks of different peers cannot be compared (RFC 7323, 7.1). */
uint32_t tcp_timestamp_offset(struct net *net, const struct flow *flow)
{
	struct {
		struct net_address local, remote;
	} text = {flow->local, flow->remote};

	return (uint32_t)siphash(&net->port_key, &text, sizeof(text));
}

static const struct socket_ops tcp_ops;

/* Everything of TCP but its socket, as a new connection has it; the rest of *TCP is zero. */
static void tcp_init(struct tcp *tcp, const struct tcp_profile *profile)
{
	tcp->receive_window_limit =
	    profile->profile == NET_PROFILE_LINUX ? profile->receive_size / 2 : profile->receive_size;
	tcp->state = TCP_CLOSED;
	tcp->scaling = tcp->sack = tcp->timestamps = true;
	tcp->receive_scale = profile->window_scale;
	tcp->reordering = 3;
	tcp->threshold = 0x7fffffff;
	tcp->window = profile->initial_window;
	tcp->rto = profile->rto_initial;
	tcp->keep_idle = 7200;
	tcp->keep_interval = 75;
	tcp->keep_count = profile->profile == NET_PROFILE_LINUX ? 9 : 8;
	tcp->keep_initial = 75;
	tcp->not_sent_low = 0xffffffff;
	tcp->linger2 = 60;
	net_list_init(&tcp->train);
	net_list_init(&tcp->order);
	net_list_init(&tcp->missing);
	net_list_init(&tcp->received);
	net_list_init(&tcp->reordered);
	tcp_timers_init(tcp);
}

struct tcp *tcp_allocate(struct net *net, int family)
{
	struct tcp *tcp = (struct tcp *)arena_allocate_zeroed(&net->arena, sizeof(*tcp));

	if (!tcp)
		return NULL;
	socket_init(net, &tcp->socket, family, TYPE_STREAM, PROTOCOL_TCP);
	tcp->socket.ops = &tcp_ops;
	tcp->socket.receive_size = net->profile->receive_size;
	tcp->socket.send_size = net->profile->send_size;
	tcp_init(tcp, net->profile);
	return tcp;
}

void tcp_free(struct tcp *tcp)
{
	struct net *net = tcp->socket.net;

	tcp_timers_stop(tcp);
	net_list_remove(&tcp->train);
	flow_remove(net, &tcp->socket.flow);
	socket_unbind(&tcp->socket);
	tcp_free_sent(tcp, tcp->ring_count);
	tcp_free_received(tcp);
	arena_free(&net->arena, tcp);
}

struct net_socket *tcp_create(struct net *net, int family, int *error)
{
	struct tcp *tcp = tcp_allocate(net, family);

	*error = tcp ? 0 : -NET_ENOMEM;
	return tcp ? &tcp->socket : NULL;
}

static void inherit_options(struct tcp *tcp, const struct tcp *from)
{
	tcp->receive_window_limit = from->receive_window_limit;
	tcp->keep_idle = from->keep_idle;
	tcp->keep_interval = from->keep_interval;
	tcp->keep_count = from->keep_count;
	tcp->user_timeout = from->user_timeout;
	tcp->user_mss = from->user_mss;
	tcp->cork = from->cork;
	tcp->linger2 = from->linger2;
	tcp->not_sent_low = from->not_sent_low;
	tcp->not_sent_low_set = from->not_sent_low_set;
	tcp->window_clamp = from->window_clamp;
	tcp->no_options = from->no_options;
}

void tcp_inherit(struct tcp *tcp, const struct tcp *listener)
{
	struct net_socket *to = &tcp->socket;
	const struct net_socket *from = &listener->socket;

	to->ttl = from->ttl;
	to->traffic_class = from->traffic_class;
	to->scope = from->scope;
	to->keep_alive = from->keep_alive;
	to->linger = from->linger;
	to->linger_seconds = from->linger_seconds;
	to->no_delay = from->no_delay;
	to->reuse_address = from->reuse_address;
	to->reuse_port = from->reuse_port;
	to->path_discovery = from->path_discovery;
	to->least_ttl = from->least_ttl;
	to->receive_size = from->receive_size;
	to->send_size = from->send_size;
	to->receive_size_set = from->receive_size_set;
	to->send_size_set = from->send_size_set;
	inherit_options(tcp, listener);
}

/* ---- Opening ---- */

static int tcp_open(struct tcp *tcp)
{
	struct net_socket *socket = &tcp->socket;
	struct net *net = socket->net;

	if (tcp->no_options)
		tcp->scaling = tcp->sack = tcp->timestamps = false;
	if (!tcp->scaling)
		tcp->receive_scale = 0;
	tcp->send_initial = tcp_initial_sequence(net, &socket->flow);
	tcp->send_unacknowledged = tcp->send_next = tcp->send_initial;
	tcp->write_sequence = tcp->small_sent = tcp->send_initial + 1;
	for (uint32_t index = 0; index < tcp->ring_count; index++) { /* written before, for fast open */
		segment_at(tcp, index)->sequence = tcp->write_sequence;
		tcp->write_sequence += segment_at(tcp, index)->length;
	}
	tcp->timestamp_offset = tcp_timestamp_offset(net, &socket->flow);
	tcp->first_unanswered = net->now;
	tcp_set_state(tcp, TCP_SYN_SENT);
	flow_insert(net, &socket->flow, FLOW_TCP);
	tcp_send_syn(tcp);
	return -NET_EINPROGRESS;
}

/* A connection attempt has failed: as Linux, the socket may try again, with its options. */
static void tcp_renew(struct tcp *tcp)
{
	struct tcp old = *tcp;

	tcp_free_received(tcp);
	net_list_remove(&tcp->train);
	memset(tcp, 0, sizeof(*tcp));
	tcp->socket = old.socket;
	net_list_init(&tcp->socket.node);
	tcp_init(tcp, old.socket.net->profile);
	inherit_options(tcp, &old);
	tcp->syn_count = old.syn_count;
	tcp->socket.flow.remote_port = 0;
	if (!old.socket.address_set)
		tcp->socket.flow.local = address_any(old.socket.family == FAMILY_IPV4);
}

/* Whether a connection attempt may begin: 0 or -NET_E*. */
static int connect_check(struct tcp *tcp, const struct net_endpoint *remote)
{
	struct net_socket *socket = &tcp->socket;
	int error;

	switch (tcp->state) {
	case TCP_CLOSED:
		break;
	case TCP_SYN_SENT:
	case TCP_SYN_RECEIVED:
		return -NET_EALREADY;
	default:
		return -NET_EISCONN;
	}
	if (tcp->send_initial) { /* the attempt before failed: its error once, then a new try */
		error = socket_take_error(socket);
		if (error)
			return -error;
		if (tcp->established || socket->net->profile->profile != NET_PROFILE_LINUX)
			return -NET_ECONNABORTED;
		tcp_renew(tcp);
	}
	if (address_multicast(&remote->address) || address_broadcast(socket->net, &remote->address))
		return -NET_ENETUNREACH;
	return 0;
}

/* Addresses, ports and segment size of a connection about to be opened. */
static int connect_prepare(struct tcp *tcp, const struct net_endpoint *remote)
{
	struct net_socket *socket = &tcp->socket;
	struct path path;
	int error = connect_check(tcp, remote);

	if (!error)
		error = socket_prepare(socket, remote, &path);
	if (error)
		return error;
	if (flow_find(socket->net, false, &socket->flow.local, socket->flow.local_port, &socket->flow.remote,
	              socket->flow.remote_port))
		return -NET_EADDRNOTAVAIL;
	tcp_set_mss(tcp, path.link->config.mtu);
	return 0;
}

static int tcp_connect(struct net_socket *socket, const struct net_endpoint *remote)
{
	int error = connect_prepare(tcp_of(socket), remote);

	return error ? error : tcp_open(tcp_of(socket));
}

int tcp_listen(struct net_socket *socket, int backlog)
{
	struct tcp *tcp = tcp_of(socket);
	uint32_t limit = backlog < 0 || backlog > 4096 ? 4096u : (uint32_t)backlog;
	int error;

	if (tcp->state == TCP_LISTEN) {
		tcp->listener->backlog = limit;
		return 0;
	}
	if (tcp->state != TCP_CLOSED || tcp->send_initial)
		return -NET_EINVAL;
	if (!socket->bound) {
		error = socket_bind_port(socket, 0);
		if (error)
			return error;
	}
	if (!socket_may_listen(socket))
		return -NET_EADDRINUSE;
	tcp->listener =
	    (struct tcp_listener *)arena_allocate_zeroed(&socket->net->arena, sizeof(*tcp->listener));
	if (!tcp->listener)
		return -NET_ENOMEM;
	net_list_init(&tcp->listener->requests);
	net_list_init(&tcp->listener->queue);
	tcp->listener->backlog = limit;
	tcp->write_closed = false;
	tcp_set_state(tcp, TCP_LISTEN);
	return 0;
}

struct net_socket *tcp_accept(struct net_socket *socket, int *error)
{
	struct tcp *listener = tcp_of(socket), *tcp;
	struct net_list *node;

	*error = 0;
	if (listener->state != TCP_LISTEN) {
		*error = -NET_EINVAL;
		return NULL;
	}
	node = net_list_pop(&listener->listener->queue);
	if (!node) {
		*error = -NET_EAGAIN;
		return NULL;
	}
	listener->listener->queue_count--;
	tcp = tcp_of(NET_ITEM(node, struct net_socket, node));
	tcp->parent = NULL;
	if (tcp->state == TCP_CLOSED)
		tcp->fin_received = true;
	return &tcp->socket;
}

/* ---- Data ---- */

static size_t queue_pieces(struct tcp *tcp, const struct net_piece *pieces, unsigned count, size_t *asked,
                           bool *fault)
{
	uint32_t room = tcp_send_room(tcp);
	size_t done = 0;

	for (unsigned index = 0; index < count; index++) {
		size_t part = pieces[index].count < room ? pieces[index].count : room, taken;

		*asked += pieces[index].count;
		taken = tcp_queue(tcp, pieces[index].bytes, part, fault);
		done += taken;
		room -= (uint32_t)taken;
		if (taken < pieces[index].count)
			break;
	}
	return done;
}

/* Connects to TO, with the data in the SYN if the server gave a cookie. */
static int64_t fast_open_send(struct tcp *tcp, const struct net_piece *pieces, unsigned count,
                              const struct net_endpoint *to)
{
	size_t asked = 0, done;
	bool fault = false;
	int error = connect_prepare(tcp, to);

	if (error)
		return error;
	tcp->fast_open = true;
	done = queue_pieces(tcp, pieces, count, &asked, &fault);
	tcp_push(tcp);
	error = tcp_open(tcp);
	if (error != -NET_EINPROGRESS)
		return error;
	return done ? (int64_t)done : -NET_EINPROGRESS;
}

static int64_t tcp_send(struct net_socket *socket, const struct net_piece *pieces, unsigned count,
                        const struct net_endpoint *to, uint32_t flags)
{
	struct tcp *tcp = tcp_of(socket);
	size_t done, asked = 0;
	bool fault = false;
	int unconnected = socket->net->profile->profile == NET_PROFILE_LINUX ? -NET_EPIPE : -NET_ENOTCONN;

	if (socket->error)
		return -socket_take_error(socket);
	if (to && tcp->state == TCP_CLOSED && !tcp->send_initial &&
	    ((flags & NET_MSG_FAST_OPEN) ||
	     (tcp->fast_open && socket->net->profile->profile == NET_PROFILE_FREEBSD)))
		return fast_open_send(tcp, pieces, count, to);
	if (tcp->write_closed || tcp->fin_queued)
		return tcp->state == TCP_CLOSED && !tcp->send_initial ? unconnected : -NET_EPIPE;
	if (tcp->state == TCP_CLOSED || tcp->state == TCP_LISTEN)
		return tcp->send_initial ? -NET_EPIPE : unconnected;
	if (tcp->state == TCP_SYN_SENT || tcp->state == TCP_SYN_RECEIVED)
		return -NET_EAGAIN;
	tcp->more = flags & NET_MSG_MORE;
	done = queue_pieces(tcp, pieces, count, &asked, &fault);
	if (!done && asked)
		return fault ? -NET_EFAULT : -NET_EAGAIN;
	if (done < asked)
		tcp->more = false;
	if (!tcp->more)
		tcp_push(tcp);
	tcp_output(tcp);
	tcp->more = false;
	/* An answer acknowledges what it answers; no need for more at once. */
	if (tcp->quick_acks && socket->net->now - tcp->last_received < 40 * MILLISECOND)
		tcp->quick_acks = 0;
	return (int64_t)done;
}

static int64_t tcp_receive(struct net_socket *socket, void *buffer, size_t count, uint32_t flags,
                           struct net_receipt *receipt)
{
	struct tcp *tcp = tcp_of(socket);
	int64_t done;

	(void)receipt;
	if (tcp->state == TCP_LISTEN ||
	    (tcp->state == TCP_CLOSED && !tcp->send_initial && !tcp->fin_received))
		return -NET_ENOTCONN;
	done = tcp_read(tcp, buffer, count, flags & NET_MSG_PEEK, flags & NET_MSG_TRUNC);
	if (done || !count)
		return done;
	if (socket->error)
		return -socket_take_error(socket);
	if (tcp->fin_received || tcp->read_closed || tcp->state == TCP_CLOSED)
		return 0;
	return -NET_EAGAIN;
}

/* ---- Closing ---- */

/* The user will write no more: a FIN behind what is queued. */
static void close_write(struct tcp *tcp)
{
	switch (tcp->state) {
	case TCP_ESTABLISHED:
		tcp_set_state(tcp, TCP_FIN_WAIT_1);
		break;
	case TCP_CLOSE_WAIT:
		tcp_set_state(tcp, TCP_LAST_ACK);
		break;
	default:
		return;
	}
	tcp->write_closed = true;
	tcp->cork = tcp->more = false;
	if (!tcp_queue_fin(tcp)) {
		tcp_send_reset(tcp);
		tcp_done(tcp, NET_ENOBUFS);
		return;
	}
	tcp_output(tcp);
}

static int tcp_shutdown(struct net_socket *socket, int how)
{
	struct tcp *tcp = tcp_of(socket);

	if (tcp->state == TCP_LISTEN) {
		if (how == NET_SHUTDOWN_WRITE)
			return 0;
		tcp_listener_end(tcp);
		tcp_set_state(tcp, TCP_CLOSED);
		socket_notify(socket, NET_READABLE | NET_HANGUP);
		return 0;
	}
	if (tcp->state == TCP_CLOSED)
		return -NET_ENOTCONN;
	if (tcp->state == TCP_SYN_SENT) {
		if (how == NET_SHUTDOWN_READ)
			return -NET_ENOTCONN;
		tcp_done(tcp, 0);
		return 0;
	}
	if (how != NET_SHUTDOWN_WRITE) {
		tcp->read_closed = true;
		socket_notify(socket, NET_READABLE | NET_READ_HANGUP);
	}
	if (how != NET_SHUTDOWN_READ)
		close_write(tcp);
	return 0;
}

static void tcp_close(struct net_socket *socket)
{
	struct tcp *tcp = tcp_of(socket);
	bool unread = tcp->readable > 0;

	socket->notify = NULL;
	tcp->detached = tcp->read_closed = true;
	switch (tcp->state) {
	case TCP_LISTEN:
		tcp_listener_end(tcp);
		tcp_free(tcp);
		return;
	case TCP_CLOSED:
	case TCP_TIME_WAIT:
		tcp_free(tcp);
		return;
	case TCP_SYN_SENT:
		tcp_done(tcp, 0);
		return;
	default:
		break;
	}
	tcp_free_received(tcp);
	if ((socket->linger && !socket->linger_seconds) || (unread && socket->net->profile->reset_unread)) {
		tcp_send_reset(tcp);
		tcp_done(tcp, 0);
		return;
	}
	switch (tcp->state) {
	case TCP_SYN_RECEIVED:
		tcp_send_reset(tcp);
		tcp_done(tcp, 0);
		return;
	case TCP_FIN_WAIT_2:
		(void)tcp_enter_time_wait(tcp, TCP_FIN_WAIT_2);
		return;
	default:
		/* Keep-alive watches over what is left to do, however the user had it. */
		close_write(tcp);
	}
}

static uint32_t tcp_poll(const struct net_socket *socket)
{
	const struct tcp *tcp = (const struct tcp *)socket;
	uint32_t events = socket->error ? NET_ERROR : 0;
	bool read_over = tcp->fin_received || tcp->read_closed;

	if (tcp->state == TCP_LISTEN)
		return events | (net_list_empty(&tcp->listener->queue) ? 0u : NET_READABLE);
	if (tcp->state == TCP_CLOSED || tcp->state == TCP_TIME_WAIT || (read_over && tcp->write_closed))
		events |= NET_HANGUP;
	if (read_over)
		events |= NET_READABLE | NET_READ_HANGUP;
	if (tcp->state == TCP_SYN_SENT || tcp->state == TCP_SYN_RECEIVED)
		return events;
	if (tcp->readable)
		events |= NET_READABLE;
	if (tcp->write_closed || tcp->state == TCP_CLOSED ||
	    (tcp_send_room(tcp) * 3 >= tcp_send_limit(tcp) &&
	     tcp->write_sequence - tcp->send_next < max32(tcp->not_sent_low, 1)))
		events |= NET_WRITABLE;
	return events;
}

uint32_t tcp_readable(const struct net_socket *socket)
{
	return ((const struct tcp *)socket)->readable;
}

uint32_t tcp_unsent(const struct net_socket *socket, bool unacknowledged)
{
	const struct tcp *tcp = (const struct tcp *)socket;
	uint32_t next = tcp->send_next;

	if (tcp->state == TCP_CLOSED || tcp->state == TCP_LISTEN || tcp->state == TCP_SYN_SENT)
		return 0;
	if (after(next, tcp->write_sequence)) /* a FIN was sent */
		next = tcp->write_sequence;
	return tcp->write_sequence - (unacknowledged ? tcp->send_unacknowledged : next);
}

static bool tcp_listening(const struct net_socket *socket)
{
	return ((const struct tcp *)socket)->state == TCP_LISTEN;
}

void tcp_receive_size_changed(struct tcp *tcp)
{
	bool doubled = tcp->socket.net->profile->profile == NET_PROFILE_LINUX;

	tcp->receive_window_limit = doubled ? tcp->socket.receive_size / 2 : tcp->socket.receive_size;
}

static const struct socket_ops tcp_ops = {
    .connect = tcp_connect,
    .send = tcp_send,
    .receive = tcp_receive,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
    .poll = tcp_poll,
    .listening = tcp_listening,
    .set_option = tcp_set_option,
    .get_option = tcp_get_option,
};
