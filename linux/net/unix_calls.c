/* What unix sockets answer to the socket calls: see socket.h and unix.h. */
#include "unix.h"
#include "../fs/errand.h"
#include "../fs/open.h"

#define BACKLOG_MAX 4096u

/* ---- Addresses ---- */

static int64_t name_read(struct unix_address *name, const struct socket_address *address)
{
	memset(name, 0, sizeof(*name));
	if (address->length < 2 || address->length > 2 + UNIX_PATH_BYTES || address->family != AF_UNIX)
		return -EINVAL;
	name->family = AF_UNIX;
	name->length = address->length;
	memcpy(name->path, address->bytes + 2, address->length - 2);
	return 0;
}

/* NAME 0 or without length: unnamed. */
static void name_tell(const struct unix_address *name, struct socket_address *address)
{
	address->length = name && name->length > 2 ? name->length : 2;
	address->family = AF_UNIX;
	if (address->length > 2)
		memcpy(address->bytes + 2, name->path, address->length - 2);
}

/* ---- Making ---- */

static int64_t check_type(int type, int protocol)
{
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	switch (type & SOCK_TYPE_MASK) {
	case SOCK_STREAM:
	case SOCK_SEQPACKET:
		return type & SOCK_TYPE_MASK;
	case SOCK_DGRAM:
	case SOCK_RAW:
		return SOCK_DGRAM;
	default:
		return -ESOCKTNOSUPPORT;
	}
}

int64_t unix_socket_create(int type, int protocol)
{
	int64_t kind = check_type(type, protocol);
	if (kind < 0)
		return kind;
	struct unix_socket *socket = unix_create((int)kind);
	return socket ? unix_install(socket, (uint32_t)type) : -ENOMEM;
}

static void connect_pair(struct unix_socket *a, struct unix_socket *b)
{
	unix_set_peer(a, b);
	unix_set_peer(b, a);
	a->connected = b->connected = true;
	a->peer_credentials = b->own;
	b->peer_credentials = a->own;
	a->peer_groups = b->own_groups;
	b->peer_groups = a->own_groups;
}

int64_t unix_socket_pair(int type, int protocol, uint64_t address)
{
	int64_t kind = check_type(type, protocol);
	if (kind < 0)
		return kind;
	struct unix_socket *a = unix_create((int)kind);
	struct unix_socket *b = a ? unix_create((int)kind) : 0;
	if (!b) {
		if (a)
			unix_release(a);
		return -ENOMEM;
	}
	unix_own(a);
	unix_own(b);
	connect_pair(a, b);
	int64_t first = unix_install(a, (uint32_t)type);
	if (first < 0) {
		unix_set_peer(b, 0);
		unix_release(b);
		return first;
	}
	int64_t second = unix_install(b, (uint32_t)type);
	int32_t user[2] = {(int32_t)first, (int32_t)second};
	if (second >= 0 && copy_to_user(address, user, sizeof(user)) == 0)
		return 0;
	sys_close((int)first);
	if (second < 0)
		return second;
	sys_close((int)second);
	return -EFAULT;
}

static int64_t call_bind(struct file *file, struct socket_address *address)
{
	struct unix_address name;
	int64_t error = name_read(&name, address);
	return error ? error : unix_bind(file->private, &name);
}

static int64_t call_listen(struct file *file, int backlog)
{
	struct unix_socket *socket = file->private;
	if (socket->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (!socket->address.length || socket->connected)
		return -EINVAL;
	socket->listening = true;
	socket->backlog_max = (uint32_t)backlog > BACKLOG_MAX ? BACKLOG_MAX : (uint32_t)backlog;
	unix_own(socket);
	wake_all(&socket->room_wait, 0);
	return 0;
}

/* ---- Connecting ---- */

/* unix_find with the common lock, held alone, given up while a file service is asked for the name. */
static struct unix_socket *find_beside(const struct unix_address *name, int type, int64_t *error)
{
	struct unix_socket *socket = 0;
	int found = 0;
	*error = with_errands((socket = unix_find(name, type, &found), (int64_t)(socket ? 0 : found)));
	return socket;
}

static int64_t connect_datagram(struct unix_socket *socket, const struct unix_address *name)
{
	int64_t error;
	struct unix_socket *to = find_beside(name, socket->type, &error);
	if (!to)
		return error;
	if (to->peer && to->peer != socket) {
		unix_release(to);
		return -EPERM;
	}
	unix_set_peer(socket, to);
	socket->connected = true;
	unix_release(to);
	wake_all(&socket->write_wait, 0);
	return 0;
}

/* Waits for a place in the backlog of the listener NAME; the listener with a reference, or 0. */
static struct unix_socket *find_listener(const struct unix_socket *socket, const struct unix_address *name,
                                         bool wait, int64_t *error)
{
	uint64_t deadline = socket_deadline(socket->send_timeout);
	for (;;) {
		struct unix_socket *listener = find_beside(name, socket->type, error);
		if (!listener)
			return 0;
		*error = listener->listening && !(listener->shutdown & SHUTDOWN_READ) ? 0 : -ECONNREFUSED;
		if (!*error && listener->backlog_count <= listener->backlog_max)
			return listener;
		if (!*error && !wait)
			*error = -EAGAIN;
		if (!*error)
			*error =
			    socket_wait_error(wait_event(&listener->room_wait,
			                                 listener->closed || listener->shutdown ||
			                                     listener->backlog_count <= listener->backlog_max,
			                                 deadline),
			                      socket->send_timeout);
		unix_release(listener);
		if (*error)
			return 0;
	}
}

static int64_t connect_stream(struct unix_socket *socket, const struct unix_address *name, bool wait)
{
	int64_t error;
	struct unix_socket *listener = find_listener(socket, name, wait, &error);
	if (!listener)
		return error;
	/* It may have changed while this task slept. */
	error = socket->connected ? -EISCONN : socket->listening ? -EINVAL : 0;
	struct unix_socket *server = error ? 0 : unix_create(socket->type);
	if (!server) {
		unix_release(listener);
		return error ? error : -ENOMEM;
	}
	server->address = listener->address;
	server->own = listener->own;
	server->own_groups = listener->own_groups;
	server->pass_credentials = listener->pass_credentials;
	unix_own(socket);
	connect_pair(socket, server);
	list_append(&listener->backlog, &server->backlog_link);
	listener->backlog_count++;
	wake_all(&listener->read_wait, POLLIN | POLLRDNORM);
	wake_all(&socket->write_wait, 0);
	unix_release(listener);
	return 0;
}

static int64_t call_connect(struct file *file, const struct socket_address *address)
{
	struct unix_socket *socket = file->private;
	struct unix_address name;
	if (address->length >= 2 && socket->type == SOCK_DGRAM && address->family == AF_UNSPEC) {
		unix_set_peer(socket, 0);
		socket->connected = false;
		return 0;
	}
	int64_t error = name_read(&name, address);
	if (!error && name.length == 2)
		error = -EINVAL;
	if (error)
		return error;
	if (socket->type == SOCK_DGRAM)
		return connect_datagram(socket, &name);
	if (socket->connected)
		return -EISCONN;
	if (socket->listening)
		return -EINVAL;
	return connect_stream(socket, &name, socket_waits(file, 0));
}

static int64_t accept_one(struct unix_socket *socket, bool wait, struct unix_socket **accepted)
{
	if (!socket->listening)
		return -EINVAL;
	while (list_empty(&socket->backlog)) {
		if (socket->shutdown & SHUTDOWN_READ)
			return -EINVAL;
		if (!wait)
			return -EAGAIN;
		int result = wait_event(&socket->read_wait,
		                        !list_empty(&socket->backlog) || (socket->shutdown & SHUTDOWN_READ),
		                        socket_deadline(socket->receive_timeout));
		if (result)
			return socket_wait_error(result, socket->receive_timeout);
	}
	*accepted = list_first(&socket->backlog, struct unix_socket, backlog_link);
	list_remove(&(*accepted)->backlog_link);
	socket->backlog_count--;
	wake_all(&socket->room_wait, 0);
	return 0;
}

static int64_t call_accept(struct file *file, uint32_t flags, struct socket_address *address)
{
	struct unix_socket *socket = file->private;
	struct unix_socket *accepted = 0;
	if (socket->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	int64_t error = accept_one(socket, socket_waits(file, 0), &accepted);
	if (error || !accepted)
		return error;
	name_tell(accepted->peer ? &accepted->peer->address : 0, address);
	return unix_install(accepted, flags);
}

static int64_t call_name(struct file *file, bool peer, struct socket_address *address)
{
	const struct unix_socket *socket = file->private;
	if (peer && !socket->peer)
		return -ENOTCONN;
	name_tell(peer ? &socket->peer->address : &socket->address, address);
	return 0;
}

static int64_t call_shutdown(struct file *file, uint32_t what)
{
	struct unix_socket *socket = file->private;
	struct unix_socket *peer = socket->peer;
	socket->shutdown |= what;
	if (peer && socket->type != SOCK_DGRAM) {
		peer->shutdown |= (what & SHUTDOWN_READ ? SHUTDOWN_WRITE : 0u) |
		                  (what & SHUTDOWN_WRITE ? SHUTDOWN_READ : 0u);
		wake_all(&peer->read_wait, 0);
		wake_all(&peer->write_wait, 0);
		wake_all(&peer->room_wait, 0);
	}
	wake_all(&socket->read_wait, 0);
	wake_all(&socket->write_wait, 0);
	wake_all(&socket->room_wait, 0);
	return 0;
}

/* ---- Messages ---- */

static int64_t call_send(struct file *file, struct socket_message *message, uint32_t flags)
{
	struct unix_address name;
	struct unix_control control = {.credentials = unix_current()};
	bool named = message->address.length;
	int64_t result = named ? name_read(&name, &message->address) : 0;
	if (!result && message->control_bytes)
		result = unix_control_read(&control, message->control, message->control_bytes);
	if (!result)
		result = unix_send(file->private, socket_waits(file, flags), &message->io, flags, &control,
		                   named ? &name : 0);
	unix_control_release(&control);
	return result;
}

static int64_t call_receive(struct file *file, struct socket_message *message, uint32_t flags)
{
	struct unix_socket *socket = file->private;
	struct unix_receipt receipt = {.flags = 0};
	int64_t result = unix_receive(socket, socket_waits(file, flags), &message->io, flags, &receipt);
	if (result >= 0) {
		int64_t used =
		    unix_control_write(socket, &receipt, message->control, message->control_bytes, flags);
		if (used < 0) {
			result = used;
		} else {
			if (receipt.address.length > 2)
				name_tell(&receipt.address, &message->address);
			message->control_bytes = (uint64_t)used;
			message->flags = receipt.flags;
		}
	}
	unix_control_release(&receipt.control);
	return result;
}

const struct socket_ops unix_socket_ops = {
    .bind = call_bind,
    .connect = call_connect,
    .listen = call_listen,
    .accept = call_accept,
    .name = call_name,
    .shutdown = call_shutdown,
    .send = call_send,
    .receive = call_receive,
    .set_option = unix_set_option,
    .get_option = unix_get_option,
};
