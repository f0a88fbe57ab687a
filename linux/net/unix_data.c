/* Sending and receiving through unix sockets: see unix.h. */
#include "unix.h"

static bool same_credentials(const struct unix_credentials *a, const struct unix_credentials *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

void unix_wake_writers(struct unix_socket *socket)
{
	struct unix_socket *follower;
	wake_all(&socket->room_wait, 0);
	list_for_each(follower, &socket->followers, follower_link)
	    wake_all(&follower->write_wait, POLLOUT | POLLWRNORM | POLLWRBAND);
}

/* ---- Streams ---- */

static bool stream_broken(const struct unix_socket *socket)
{
	return socket->closed || (socket->shutdown & SHUTDOWN_WRITE) || !socket->peer ||
	       socket->peer->closed || (socket->peer->shutdown & SHUTDOWN_READ);
}

/* Room of PEER's ring for a sender whose send buffer is LIMIT. */
static uint32_t stream_free(struct unix_socket *peer, uint32_t limit, uint64_t bytes)
{
	uint64_t held = ring_held(&peer->ring);
	if (held >= limit)
		return 0;
	uint64_t most = limit - held < bytes ? limit - held : bytes;
	uint32_t room = ring_room(&peer->ring, most);
	return room < most ? room : (uint32_t)most;
}

static int64_t stream_send(struct unix_socket *socket, bool wait, struct io *io, uint32_t flags,
                           struct unix_control *control)
{
	int64_t total = 0;
	if (!socket->peer && !socket->connected)
		return -ENOTCONN;
	uint64_t deadline = socket_deadline(socket->send_timeout);
	if (stream_broken(socket))
		return socket_broken(flags);
	while (io->remaining) {
		if (stream_broken(socket))
			return total ? total : socket_broken(flags);
		struct unix_socket *peer = socket->peer;
		uint32_t room = stream_free(peer, socket->send_buffer, io->remaining);
		if (!room) {
			if (!ring_held(&peer->ring))
				return total ? total : -ENOMEM;
			if (!wait)
				return total ? total : -EAGAIN;
			unix_reference(peer);
			int result = wait_event(&peer->room_wait,
			                        stream_broken(socket) ||
			                            stream_free(peer, socket->send_buffer, 1) != 0,
			                        deadline);
			unix_release(peer);
			if (result)
				return total ? total : socket_wait_error(result, socket->send_timeout);
			continue;
		}
		struct unix_message *mark = 0;
		if (!total &&
		    (control->file_count || !same_credentials(&control->credentials, &peer->last_sender))) {
			mark = heap_allocate(sizeof(*mark));
			if (!mark)
				return -ENOMEM;
		}
		uint64_t start = peer->ring.head;
		int64_t done = ring_take(&peer->ring, io, room);
		if (done <= 0) {
			heap_free(mark);
			return total ? total : done;
		}
		if (mark) {
			mark->control = *control;
			mark->start = start;
			mark->end = peer->ring.head;
			peer->last_sender = control->credentials;
			unix_control_in_flight(&mark->control, true);
			list_append(&peer->messages, &mark->link);
			control->files = 0;
			control->file_count = 0;
		}
		total += done;
		wake_all(&peer->read_wait, POLLIN | POLLRDNORM | POLLRDBAND);
	}
	return total;
}

/* The mark at or before byte AT, if it is not consumed yet. */
static struct unix_message *mark_at(const struct unix_socket *socket, uint64_t at)
{
	if (list_empty(&socket->messages))
		return 0;
	struct unix_message *mark = list_first(&socket->messages, struct unix_message, link);
	return mark->start <= at ? mark : 0;
}

/* How far one read may go from the tail: not past descriptors, nor past other credentials where they count.
 */
static uint64_t stream_limit(const struct unix_socket *socket, const struct unix_message *at)
{
	const struct unix_message *mark;
	uint64_t limit = socket->ring.head;
	if (at && at->control.file_count && at->end < limit)
		limit = at->end;
	list_for_each(mark, &socket->messages, link)
	{
		if (mark->start > socket->ring.tail && mark != at &&
		    (mark->control.file_count || socket->pass_credentials)) {
			limit = mark->start < limit ? mark->start : limit;
			break;
		}
	}
	return limit - socket->ring.tail;
}

/* Takes or copies the mark's control into RECEIPT (0: drops it). */
static int64_t mark_deliver(struct unix_socket *socket, struct unix_message *mark, bool peek,
                            struct unix_receipt *receipt)
{
	if (peek) {
		if (receipt && mark->control.file_count && !receipt->control.file_count &&
		    !unix_control_clone(&receipt->control, &mark->control))
			return -ENOMEM;
		if (receipt)
			receipt->control.credentials = mark->control.credentials;
		return 0;
	}
	list_remove(&mark->link);
	socket->sender = mark->control.credentials;
	if (receipt && !receipt->control.file_count) {
		unix_control_in_flight(&mark->control, false);
		receipt->control = mark->control;
		mark->control.files = 0;
		mark->control.file_count = 0;
	}
	unix_message_free(mark);
	return 0;
}

static int64_t stream_receive(struct unix_socket *socket, bool wait, struct io *io, uint32_t flags,
                              struct unix_receipt *receipt)
{
	bool peek = flags & MSG_PEEK;
	int64_t total = 0;
	if (!socket->connected)
		return -EINVAL;
	uint64_t deadline = socket_deadline(socket->receive_timeout);
	const uint64_t low = socket->options.receive_low;
	while (io->remaining) {
		if (!ring_held(&socket->ring) || (peek && (uint64_t)total == ring_held(&socket->ring))) {
			if (total && (peek || (!(flags & MSG_WAITALL) && (uint64_t)total >= low)))
				break;
			if (socket->error && !total) {
				int64_t error = -socket->error;
				socket->error = 0;
				return error;
			}
			if (socket->shutdown & SHUTDOWN_READ)
				break;
			if (!wait)
				return total ? total : -EAGAIN;
			int result = wait_event(
			    &socket->read_wait,
			    ring_held(&socket->ring) || (socket->shutdown & SHUTDOWN_READ), deadline);
			if (result)
				return total ? total : socket_wait_error(result, socket->receive_timeout);
			continue;
		}
		struct unix_message *mark = mark_at(socket, socket->ring.tail);
		bool files = mark && mark->control.file_count;
		if (total && mark && (files || socket->pass_credentials))
			break;
		uint64_t limit = stream_limit(socket, mark);
		if (mark) {
			int64_t error = mark_deliver(socket, mark, peek, receipt);
			if (error)
				return total ? total : error;
		} else if (receipt && !total) {
			receipt->control.credentials = socket->sender;
		}
		if (receipt)
			receipt->has_control = true;
		int64_t done = ring_put(&socket->ring, io, limit, 0, peek);
		if (done <= 0)
			return total ? total : done;
		total += done;
		if (!peek) {
			/* Marks without descriptors that were read over are done with. */
			while ((mark = mark_at(socket, socket->ring.tail - 1)) != 0)
				mark_deliver(socket, mark, false, 0);
			unix_wake_writers(socket);
		}
		if (files || peek)
			break;
	}
	if (receipt && socket->peer)
		receipt->address = socket->peer->address;
	return total;
}

/* ---- Packets ---- */

static bool packet_room(const struct unix_socket *socket, const struct unix_socket *to, uint64_t bytes)
{
	if (!to->message_count)
		return true;
	if (to->peer != socket && socket->type == SOCK_DGRAM && to->message_count > UNIX_QUEUE_MAX)
		return false;
	return to->packet_bytes + bytes <= socket->send_buffer;
}

/* The receiver of a packet, with a reference; 0 with *ERROR. */
static struct unix_socket *packet_target(struct unix_socket *socket, const struct unix_address *address,
                                         uint32_t flags, int64_t *error)
{
	int found;
	struct unix_socket *to;
	*error = 0;
	if (socket->type == SOCK_SEQPACKET) {
		if (!socket->connected) {
			*error = -ENOTCONN;
			return 0;
		}
		if (stream_broken(socket)) {
			*error = socket_broken(flags);
			return 0;
		}
		return unix_reference(socket->peer);
	}
	if (socket->shutdown & SHUTDOWN_WRITE) {
		*error = socket_broken(flags);
		return 0;
	}
	if (address) {
		to = unix_find(address, socket->type, &found);
		*error = to ? 0 : found;
	} else {
		to = socket->peer ? unix_reference(socket->peer) : 0;
		*error = to ? 0 : -ENOTCONN;
	}
	if (to && to->closed) {
		unix_release(to);
		if (!address)
			unix_set_peer(socket, 0);
		*error = -ECONNREFUSED;
		return 0;
	}
	if (to && to->peer && to->peer != socket) {
		unix_release(to);
		*error = -EPERM; /* it takes packets from its own peer only */
		return 0;
	}
	if (to && (to->shutdown & SHUTDOWN_READ)) {
		unix_release(to);
		*error = socket_broken(flags);
		return 0;
	}
	return to;
}

static int64_t packet_send(struct unix_socket *socket, bool wait, struct io *io, uint32_t flags,
                           struct unix_control *control, const struct unix_address *address)
{
	uint64_t bytes = io->remaining;
	int64_t error;
	if (bytes > socket->send_buffer - 32)
		return -EMSGSIZE;
	struct unix_socket *to = packet_target(socket, address, flags, &error);
	if (!to)
		return error;
	uint64_t deadline = socket_deadline(socket->send_timeout);
	while (!packet_room(socket, to, bytes)) {
		int result = !wait ? -EAGAIN
		                   : wait_event(&to->room_wait,
		                                to->closed || (to->shutdown & SHUTDOWN_READ) ||
		                                    (socket->shutdown & SHUTDOWN_WRITE) ||
		                                    packet_room(socket, to, bytes),
		                                deadline);
		unix_release(to);
		if (result)
			return socket_wait_error(result, socket->send_timeout);
		to = packet_target(socket, address, flags, &error);
		if (!to)
			return error;
	}
	struct unix_message *message = heap_allocate(sizeof(*message) + bytes);
	bool named = socket->address.length;
	if (message && named)
		message->address = heap_allocate(sizeof(*message->address));
	int64_t done = !message || (named && !message->address) ? -ENOBUFS
	               : bytes                                  ? io_take(io, message->data, bytes)
	                                                        : 0;
	if (done >= 0 && (uint64_t)done < bytes)
		done = -EFAULT;
	if (done < 0) {
		if (message)
			heap_free(message->address);
		heap_free(message);
		unix_release(to);
		return done;
	}
	uint32_t take = socket_filter_message(to->options.filter, message->data, (uint32_t)bytes);
	if (!take) { /* nobody is told */
		heap_free(message->address);
		heap_free(message);
		unix_release(to);
		return done;
	}
	if (named)
		*message->address = socket->address;
	bytes = take < bytes ? take : bytes;
	message->bytes = (uint32_t)bytes;
	message->control = *control;
	unix_control_in_flight(&message->control, true);
	control->files = 0;
	control->file_count = 0;
	list_append(&to->messages, &message->link);
	to->message_count++;
	to->packet_bytes += bytes + sizeof(*message);
	wake_all(&to->read_wait, POLLIN | POLLRDNORM | POLLRDBAND);
	unix_release(to);
	return done;
}

static int64_t packet_receive(struct unix_socket *socket, bool wait, struct io *io, uint32_t flags,
                              struct unix_receipt *receipt)
{
	uint64_t deadline = socket_deadline(socket->receive_timeout);
	if (socket->type == SOCK_SEQPACKET && !socket->connected)
		return -ENOTCONN;
	while (!socket->message_count) {
		if (socket->error) {
			int64_t error = -socket->error;
			socket->error = 0;
			return error;
		}
		if (socket->shutdown & SHUTDOWN_READ)
			return 0;
		if (!wait)
			return -EAGAIN;
		int result =
		    wait_event(&socket->read_wait,
		               socket->message_count || (socket->shutdown & SHUTDOWN_READ), deadline);
		if (result)
			return socket_wait_error(result, socket->receive_timeout);
	}
	struct unix_message *message = list_first(&socket->messages, struct unix_message, link);
	uint64_t count = message->bytes < io->remaining ? message->bytes : io->remaining;
	int64_t done = count ? io_put(io, message->data, count) : 0;
	if (done < 0)
		return done;
	if (receipt) {
		receipt->has_control = true;
		receipt->control.credentials = message->control.credentials;
		if ((uint64_t)done < message->bytes)
			receipt->flags |= MSG_TRUNC;
		if (message->address)
			receipt->address = *message->address;
		if ((flags & MSG_PEEK) && !unix_control_clone(&receipt->control, &message->control))
			return -ENOMEM;
	}
	if (flags & MSG_TRUNC)
		done = message->bytes;
	if (flags & MSG_PEEK)
		return done;
	list_remove(&message->link);
	socket->message_count--;
	socket->packet_bytes -= message->bytes + sizeof(*message);
	if (receipt) {
		unix_control_in_flight(&message->control, false);
		receipt->control = message->control;
		message->control.files = 0;
		message->control.file_count = 0;
	}
	unix_message_free(message);
	unix_wake_writers(socket);
	return done;
}

/* ---- Both ---- */

int64_t unix_send(struct unix_socket *socket, bool wait, struct io *io, uint32_t flags,
                  struct unix_control *control, const struct unix_address *to)
{
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (socket->error) {
		int64_t error = -socket->error;
		socket->error = 0;
		return error == -ECONNRESET && socket->type != SOCK_DGRAM ? socket_broken(flags) : error;
	}
	if (to && socket->type == SOCK_STREAM)
		return socket->connected ? -EISCONN : -EOPNOTSUPP;
	if (flags & MSG_DONTWAIT)
		wait = false;
	return socket->type == SOCK_STREAM ? stream_send(socket, wait, io, flags, control)
	                                   : packet_send(socket, wait, io, flags, control, to);
}

int64_t unix_receive(struct unix_socket *socket, bool wait, struct io *io, uint32_t flags,
                     struct unix_receipt *receipt)
{
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (flags & MSG_DONTWAIT)
		wait = false;
	return socket->type == SOCK_STREAM ? stream_receive(socket, wait, io, flags, receipt)
	                                   : packet_receive(socket, wait, io, flags, receipt);
}

uint64_t unix_readable_bytes(const struct unix_socket *socket)
{
	if (socket->type == SOCK_STREAM)
		return ring_held(&socket->ring);
	uint64_t sum = 0;
	const struct unix_message *message;
	list_for_each(message, &socket->messages, link)
	{
		sum += message->bytes;
		if (socket->type == SOCK_DGRAM)
			break;
	}
	return sum;
}

uint32_t unix_poll(struct file *file, struct poll_table *table)
{
	struct unix_socket *socket = file->private;
	uint32_t events = 0;
	poll_wait(table, &socket->read_wait);
	poll_wait(table, &socket->write_wait);
	if (socket->error)
		events |= POLLERR;
	if (socket->shutdown == SHUTDOWN_BOTH)
		events |= POLLHUP;
	if (socket->shutdown & SHUTDOWN_READ)
		events |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (socket->listening)
		return events | (socket->backlog_count ? POLLIN | POLLRDNORM : 0);
	if (ring_held(&socket->ring) || socket->message_count)
		events |= POLLIN | POLLRDNORM;
	if (socket->type != SOCK_DGRAM && !socket->connected)
		return events | POLLHUP | POLLOUT | POLLWRNORM | POLLWRBAND;
	const struct unix_socket *peer = socket->peer;
	uint64_t held = !peer ? 0 : ring_held(&peer->ring) + peer->packet_bytes;
	if (held * 4 <= socket->send_buffer &&
	    (!peer || socket->type != SOCK_DGRAM || packet_room(socket, peer, 0)))
		events |= POLLOUT | POLLWRNORM | POLLWRBAND;
	return events;
}
