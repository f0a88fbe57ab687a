/* Sending and receiving through sockets of the internet, and asking whether that is possible: see inet.h. */
#include "inet.h"

/* Waits until CONDITION, an expression, with stack_lock held; the stack goes on meanwhile. */
#define stack_wait(socket, condition, deadline)                                                              \
	({                                                                                                   \
		stack_run();                                                                                 \
		int stack_result_ = wait_event_locked(&(socket)->wait, &stack_lock, condition, deadline);    \
		stack_again(socket->net);                                                                    \
		stack_result_;                                                                               \
	})
#define DATAGRAM_MAX 65535u
#define SEGMENTS_MAX 128u       /* of one message with UDP_SEGMENT */
#define LINGER_MAX   1000000u   /* seconds */
#define SHORT_NS     5000000ull /* between attempts while the arena has no room */

/* ---- Streams ---- */

/* Up to NET_PIECES_MAX pieces of what is left of IO. */
static unsigned pieces_of(const struct io *io, struct net_piece *pieces, unsigned most)
{
	uint64_t skip = io->done;
	unsigned count = 0;
	for (uint32_t i = 0; i < io->segment_count && count < most; i++) {
		if (io->segments[i].bytes > skip)
			pieces[count++] = (struct net_piece){(const void *)(io->segments[i].base + skip),
			                                     io->segments[i].bytes - skip};
		skip = 0;
	}
	return count;
}

static void io_advance(struct io *io, uint64_t bytes)
{
	io->remaining -= bytes;
	while (bytes) {
		uint64_t left = io->segments->bytes - io->done;
		if (bytes < left) {
			io->done += bytes;
			return;
		}
		bytes -= left;
		io->segments++;
		io->segment_count--;
		io->done = 0;
	}
}

#define PIECES_FEW 8u

/* The segments of an IO were checked to lie in the guest's half when it was made. */
static int64_t stream_send(struct inet_socket *socket, bool wait, struct io *io, uint32_t flags,
                           const struct net_endpoint *to)
{
	uint64_t deadline = socket_deadline(socket->send_timeout);
	uint32_t net_flags = flags & (MSG_MORE | MSG_FASTOPEN);
	int64_t total = 0;
	for (;;) {
		struct net_piece pieces[PIECES_FEW];
		unsigned count = pieces_of(io, pieces, PIECES_FEW);
		int64_t done = net_send(socket->socket, pieces, count, to, net_flags);
		if (done >= 0) {
			io_advance(io, (uint64_t)done);
			total += done;
			to = 0;
			if (!io->remaining)
				return total;
			continue;
		}
		if (done != -EAGAIN || !wait)
			return total ? total : done;
		/* What it takes may be memory of the arena, of which nobody tells. */
		bool ready = net_poll(socket->socket) & NET_WRITABLE;
		uint64_t until = ready ? clock_monotonic() + SHORT_NS : deadline;
		int result = stack_wait(
		    socket, !ready && (net_poll(socket->socket) & (NET_WRITABLE | NET_ERROR | NET_HANGUP)),
		    until);
		if (ready && result == -ETIMEDOUT && clock_monotonic() < deadline)
			result = 0;
		if (result)
			return total ? total : socket_wait_error(result, socket->send_timeout);
	}
}

/* Are NEED bytes there, or will no more come? */
static bool stream_readable(const struct inet_socket *socket, uint64_t need)
{
	uint32_t events = net_poll(socket->socket);
	if (events & (NET_ERROR | NET_HANGUP | NET_READ_HANGUP))
		return true;
	return (events & NET_READABLE) && (need <= 1 || net_readable_bytes(socket->socket) >= need);
}

static int64_t stream_receive(struct inet_socket *socket, bool wait, struct io *io, uint32_t flags)
{
	uint64_t deadline = socket_deadline(socket->receive_timeout);
	uint32_t net_flags = flags & (MSG_PEEK | MSG_TRUNC);
	int64_t total = 0;
	uint64_t peeked = 0; /* MSG_PEEK | MSG_WAITALL: as much is there at least */
	while (io->remaining) {
		if ((flags & MSG_PEEK) && (flags & MSG_WAITALL) && wait)
			peeked = io->remaining;
		bool enough = peeked && net_readable_bytes(socket->socket) < peeked &&
		              !(net_poll(socket->socket) & (NET_ERROR | NET_HANGUP | NET_READ_HANGUP));
		int64_t done = -EAGAIN;
		if (!enough) {
			if (io->done == io->segments->bytes) {
				io->segments++;
				io->segment_count--;
				io->done = 0;
				continue;
			}
			done = net_receive(socket->socket, (void *)(io->segments->base + io->done),
			                   io->segments->bytes - io->done, net_flags, 0);
		}
		if (done > 0) {
			io_advance(io, (uint64_t)done);
			total += done;
			if (flags & MSG_PEEK)
				return total; /* a second look would see the same */
			continue;
		}
		const uint64_t low = socket->options.receive_low;
		if (done == 0 || (total && !(flags & MSG_WAITALL) && (uint64_t)total >= low))
			return total;
		if (done != -EAGAIN || !wait)
			return total ? total : done;
		uint64_t need = low > (uint64_t)total ? low - (uint64_t)total : 1;
		need = need < io->remaining ? need : io->remaining;
		int result = stack_wait(
		    socket,
		    peeked ? net_readable_bytes(socket->socket) >= peeked ||
		                 (net_poll(socket->socket) & (NET_ERROR | NET_HANGUP | NET_READ_HANGUP))
		           : stream_readable(socket, need),
		    deadline);
		if (result)
			return total ? total : socket_wait_error(result, socket->receive_timeout);
	}
	return total;
}

/* ---- Datagrams ---- */

/* Sends [DATA, + BYTES), which nobody changes: one datagram, or as many as UDP_SEGMENT makes of it. */
static int64_t datagrams_send(struct inet_socket *socket, const uint8_t *data, uint64_t bytes,
                              const struct net_endpoint *to, const struct inet_ancillary *with)
{
	uint64_t segment = with->segment, at = 0;
	if (!segment || segment >= bytes)
		segment = bytes;
	if (bytes > segment * SEGMENTS_MAX)
		return -EINVAL;
	do {
		struct net_piece piece = {data + at, bytes - at < segment ? bytes - at : segment};
		int64_t error = net_send_with(socket->socket, &piece, 1, to, 0, &with->net);
		if (error < 0)
			return at ? (int64_t)at : error;
		at += piece.count;
	} while (at < bytes);
	return (int64_t)bytes;
}

void inet_cork_drop(struct inet_socket *socket)
{
	if (socket->cork)
		heap_free(socket->cork->data);
	heap_free(socket->cork);
	socket->cork = 0;
}

int64_t inet_cork_push(struct inet_socket *socket)
{
	struct inet_cork *cork = socket->cork;
	if (!cork)
		return 0;
	int64_t result =
	    datagrams_send(socket, cork->data, cork->bytes, cork->named ? &cork->to : 0, &cork->with);
	inet_cork_drop(socket);
	return result;
}

/* [DATA, + BYTES) is the next part of the datagram that is put together; the first one says where it goes. */
static int64_t cork_add(struct inet_socket *socket, const uint8_t *data, uint32_t bytes,
                        const struct net_endpoint *to, const struct inet_ancillary *with)
{
	struct inet_cork *cork = socket->cork;
	if (!cork) {
		cork = socket->cork = heap_allocate(sizeof(*cork));
		if (!cork)
			return -ENOBUFS;
		cork->with = *with;
		cork->named = to;
		if (to)
			cork->to = *to;
	}
	uint32_t whole = cork->bytes + bytes;
	if (whole > DATAGRAM_MAX)
		return -EMSGSIZE;
	if (whole > cork->room || !cork->data) {
		uint32_t room = whole < 512 ? 512 : whole < DATAGRAM_MAX / 2 ? whole * 2 : DATAGRAM_MAX;
		uint8_t *more = heap_allocate(room);
		if (!more)
			return -ENOBUFS;
		if (cork->data)
			memcpy(more, cork->data, cork->bytes);
		heap_free(cork->data);
		cork->data = more;
		cork->room = room;
	}
	memcpy(cork->data + cork->bytes, data, bytes);
	cork->bytes = whole;
	return 0;
}

/* MORE: another part of the same datagram comes. */
static int64_t datagram_send(struct inet_socket *socket, struct io *io, bool more,
                             const struct net_endpoint *to, const struct inet_ancillary *with)
{
	uint64_t bytes = io->remaining;
	if (bytes > STACK_BOUNCE_BYTES)
		return -EMSGSIZE;
	/* Into memory that nobody changes between the checks and the sending. */
	int64_t taken = bytes ? io_take(io, stack_bounce, bytes) : 0;
	if (taken < 0 || (uint64_t)taken < bytes)
		return -EFAULT;
	if (!more && !socket->cork)
		return datagrams_send(socket, stack_bounce, bytes, to, with);
	int64_t error = cork_add(socket, stack_bounce, (uint32_t)bytes, to, with);
	if (error)
		inet_cork_drop(socket);
	else if (!more)
		error = inet_cork_push(socket);
	return error < 0 ? error : (int64_t)bytes;
}

static int64_t datagram_receive(struct inet_socket *socket, bool wait, struct io *io, uint32_t flags,
                                struct net_receipt *receipt)
{
	uint64_t deadline = socket_deadline(socket->receive_timeout);
	size_t room = io->remaining < STACK_BOUNCE_BYTES ? io->remaining : STACK_BOUNCE_BYTES;
	int64_t whole;
	while ((whole = net_receive(socket->socket, stack_bounce, room, (flags & MSG_PEEK) | MSG_TRUNC,
	                            receipt)) == -EAGAIN) {
		if (!wait)
			return -EAGAIN;
		int result = stack_wait(
		    socket, net_poll(socket->socket) & (NET_READABLE | NET_ERROR | NET_READ_HANGUP),
		    deadline);
		if (result)
			return socket_wait_error(result, socket->receive_timeout);
	}
	if (whole <= 0)
		return whole;
	size_t part = (uint64_t)whole < room ? (size_t)whole : room;
	int64_t done = part ? io_put(io, stack_bounce, part) : 0;
	if (done < 0 || (size_t)done < part)
		return -EFAULT;
	return flags & MSG_TRUNC ? whole : done;
}

/* ---- Both ---- */

int64_t inet_send(struct file *file, struct socket_message *message, uint32_t flags)
{
	struct inet_socket *socket = file->private;
	struct net_endpoint to;
	bool named = message->address.length && (socket->type != SOCK_STREAM || (flags & MSG_FASTOPEN));
	int64_t result = named ? inet_endpoint_read(socket, &message->address, &to) : 0;
	if (!result && (flags & MSG_OOB))
		result = -EOPNOTSUPP;
	struct inet_ancillary with;
	if (!result)
		result = inet_control_read(socket, &with, message->control, message->control_bytes);
	if (result)
		return result;
	if ((flags & MSG_PROBE) && socket->type == SOCK_DGRAM && socket->family != AF_PACKET)
		return (int64_t)message->io.remaining; /* nothing is to be sent */
	bool more =
	    socket->family != AF_PACKET &&
	    ((flags & MSG_MORE) || (socket->type == SOCK_DGRAM && inet_kept(socket, SOL_UDP, UDP_CORK)));
	stack_begin(socket->net);
	uint8_t state = socket->type == SOCK_STREAM && (flags & MSG_FASTOPEN) ? inet_tcp_state(socket) : 0;
	if (state && state != TCP_STATE_CLOSED && state != TCP_STATE_SYN_SENT)
		result = -EISCONN;
	else if (socket->type == SOCK_STREAM)
		result = stream_send(socket, socket_waits(file, flags), &message->io, flags, named ? &to : 0);
	else
		result = datagram_send(socket, &message->io, more, named ? &to : 0, &with);
	stack_end();
	return result == -EPIPE ? socket_broken(socket->type == SOCK_STREAM ? flags : MSG_NOSIGNAL) : result;
}

/* MSG_ERRQUEUE: what the socket is told of a failure, with what that quotes of the datagram. */
static int64_t failure_receive(struct inet_socket *socket, struct socket_message *message)
{
	struct io *io = &message->io;
	struct net_failure failure;
	size_t room = io->remaining < STACK_BOUNCE_BYTES ? io->remaining : STACK_BOUNCE_BYTES;
	stack_begin(socket->net);
	int64_t whole = net_receive_failure(socket->socket, stack_bounce, room, &failure), done = 0;
	size_t part = whole < 0 || (uint64_t)whole > room ? room : (size_t)whole;
	if (whole > 0 && part)
		done = io_put(io, stack_bounce, part);
	stack_end();
	if (whole < 0)
		return whole;
	if (done < 0 || (whole && (size_t)done < part))
		return -EFAULT;
	message->flags = MSG_ERRQUEUE | ((uint64_t)whole > room ? MSG_TRUNC : 0u);
	inet_endpoint_tell(socket, &failure.to, &message->address);
	int64_t error = inet_control_failure(socket, &failure, message);
	return error ? error : done;
}

int64_t inet_receive(struct file *file, struct socket_message *message, uint32_t flags)
{
	struct inet_socket *socket = file->private;
	struct net_receipt receipt = {.flags = 0};
	int64_t result;
	if ((flags & MSG_OOB) && (socket->type != SOCK_DGRAM || socket->family == AF_PACKET))
		return -EINVAL; /* there is no urgent data */
	if (flags & MSG_ERRQUEUE)
		return failure_receive(socket, message);
	stack_begin(socket->net);
	if (socket->type == SOCK_STREAM)
		result = stream_receive(socket, socket_waits(file, flags), &message->io, flags);
	else
		result = datagram_receive(socket, socket_waits(file, flags), &message->io, flags, &receipt);
	stack_end();
	if (result < 0)
		return result;
	if (socket->type == SOCK_STREAM) {
		int64_t failed = inet_control_stream(socket, message);
		return failed ? failed : result;
	}
	message->flags = receipt.flags & NET_MSG_TRUNC ? MSG_TRUNC : 0;
	inet_endpoint_tell(socket, &receipt.from, &message->address);
	int64_t error = inet_control_write(socket, &receipt, message);
	return error ? error : result;
}

/* Is something of what was sent not acknowledged, the end of the stream included? */
static bool unfinished(const struct inet_socket *socket)
{
	uint8_t state = inet_tcp_state(socket);
	return state == TCP_STATE_FIN_WAIT1 || state == TCP_STATE_CLOSING || state == TCP_STATE_LAST_ACK;
}

void inet_linger(struct file *file)
{
	struct inet_socket *socket = file->private;
	uint32_t linger[2] = {0};
	size_t bytes = sizeof(linger);
	if (socket->type != SOCK_STREAM)
		return;
	stack_begin(socket->net);
	uint8_t state = inet_tcp_state(socket);
	bool open = state == TCP_STATE_ESTABLISHED || state == TCP_STATE_CLOSE_WAIT || unfinished(socket);
	/* With unread bytes net_close resets the connection, whatever is under way. */
	if (open && net_get_option(socket->socket, SOL_SOCKET, SO_LINGER, linger, &bytes) == 0 && linger[0] &&
	    linger[1] && !net_readable_bytes(socket->socket)) {
		uint64_t seconds = linger[1] < LINGER_MAX ? linger[1] : LINGER_MAX;
		(void)net_shutdown(socket->socket, NET_SHUTDOWN_WRITE);
		(void)stack_wait(socket, !unfinished(socket), clock_monotonic() + seconds * NS_PER_SECOND);
	}
	stack_end();
}

/* Linux' bits of enum net_events. */
static uint32_t poll_events(uint32_t events)
{
	return (events & NET_READABLE ? POLLIN | POLLRDNORM : 0) |
	       (events & NET_WRITABLE ? POLLOUT | POLLWRNORM : 0) | (events & NET_ERROR ? POLLERR : 0) |
	       (events & NET_HANGUP ? POLLHUP : 0) | (events & NET_READ_HANGUP ? POLLRDHUP : 0);
}

uint32_t inet_poll(struct file *file, struct poll_table *table)
{
	struct inet_socket *socket = file->private;
	lock_acquire(&stack_lock);
	poll_wait(table, &socket->wait);
	uint32_t events =
	    net_poll(socket->socket) | (net_failure_waits(socket->socket) ? (uint32_t)NET_ERROR : 0);
	if (socket->type == SOCK_STREAM && (events & NET_READABLE) && socket->options.receive_low > 1 &&
	    !stream_readable(socket, socket->options.receive_low))
		events &= ~(uint32_t)NET_READABLE;
	lock_release(&stack_lock);
	return poll_events(events);
}
