/* The socket calls: arguments of the user's to unix sockets and back. Other address families are not there:
 * EAFNOSUPPORT. */
#include "../fs/open.h"
#include "unix.h"

#define SEGMENTS_INLINE 8u
#define MESSAGES_MAX    1024u /* sendmmsg, recvmmsg: UIO_MAXIOV */
#define BACKLOG_MAX     4096u

enum { SOCK_CLOEXEC = O_CLOEXEC, SOCK_NONBLOCK = O_NONBLOCK };

struct user_message {
	uint64_t name;
	uint32_t name_bytes, pad1;
	uint64_t segments, segment_count, control, control_bytes;
	uint32_t flags, pad2;
};
_Static_assert(sizeof(struct user_message) == 56, "struct msghdr");
#define MULTI_BYTES 64u /* struct mmsghdr: a msghdr, msg_len, padding */

/* ---- Addresses ---- */

static int64_t address_read(struct unix_address *address, uint64_t from, int32_t bytes)
{
	memset(address, 0, sizeof(*address));
	if (bytes < 0 || (uint32_t)bytes > 128)
		return -EINVAL;
	uint8_t raw[128];
	if (bytes && copy_from_user(raw, from, (size_t)bytes))
		return -EFAULT;
	if (bytes < 2 || (uint32_t)bytes > 2 + UNIX_PATH_BYTES)
		return -EINVAL;
	memcpy(&address->family, raw, 2);
	if (address->family != AF_UNIX)
		return -EINVAL;
	address->length = (uint32_t)bytes;
	memcpy(address->path, raw + 2, (size_t)bytes - 2);
	return 0;
}

/* Writes NAME (0: unnamed) as accept, getsockname and recvfrom do; *LENGTH is read and written. */
static int64_t address_write(const struct unix_address *name, uint64_t to, uint64_t length_address)
{
	uint32_t room;
	uint16_t family = AF_UNIX;
	uint8_t raw[2 + UNIX_PATH_BYTES + 1];
	uint32_t length = name && name->length > 2 ? name->length : 2;
	if (get_user_u32(&room, length_address))
		return -EFAULT;
	if ((int32_t)room < 0)
		return -EINVAL;
	memcpy(raw, &family, 2);
	if (length > 2)
		memcpy(raw + 2, name->path, length - 2);
	if (copy_to_user(to, raw, length < room ? length : room))
		return -EFAULT;
	return put_user_u32(length_address, length);
}

/* ---- Making ---- */

static int64_t check_type(int domain, int type, int protocol)
{
	if (domain < 0 || domain > 45)
		return -EAFNOSUPPORT;
	if (type & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (domain != AF_UNIX)
		return -EAFNOSUPPORT;
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

SYSCALL_HANDLER(socket, int domain, int type, int protocol)
{
	int64_t kind = check_type(domain, type, protocol);
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
}

SYSCALL_HANDLER(socketpair, int domain, int type, int protocol, uint64_t address)
{
	int64_t kind = check_type(domain, type, protocol);
	if (kind < 0)
		return kind;
	struct unix_socket *a = unix_create((int)kind);
	struct unix_socket *b = a ? unix_create((int)kind) : 0;
	if (!b) {
		if (a)
			unix_release(a);
		return -ENOMEM;
	}
	a->own = b->own = unix_current();
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

SYSCALL_HANDLER(bind, int fd, uint64_t address, int32_t bytes)
{
	struct file *file;
	struct unix_address name;
	int64_t error;
	struct unix_socket *socket = unix_of(fd, &file, &error);
	if (!socket || (error = address_read(&name, address, bytes)) != 0)
		return error;
	return unix_bind(socket, &name);
}

SYSCALL_HANDLER(listen, int fd, int backlog)
{
	struct file *file;
	int64_t error;
	struct unix_socket *socket = unix_of(fd, &file, &error);
	if (!socket)
		return error;
	if (socket->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (!socket->address.length || socket->connected)
		return -EINVAL;
	socket->listening = true;
	socket->backlog_max = (uint32_t)backlog > BACKLOG_MAX ? BACKLOG_MAX : (uint32_t)backlog;
	socket->own = unix_current();
	wake_all(&socket->room_wait, 0);
	return 0;
}

/* ---- Connecting ---- */

static int64_t connect_datagram(struct unix_socket *socket, const struct unix_address *name)
{
	int error;
	struct unix_socket *to = unix_find(name, socket->type, &error);
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
	uint64_t deadline = unix_deadline(socket->send_timeout);
	for (;;) {
		int found;
		struct unix_socket *listener = unix_find(name, socket->type, &found);
		*error = found;
		if (!listener)
			return 0;
		*error = listener->listening && !(listener->shutdown & SHUTDOWN_READ) ? 0 : -ECONNREFUSED;
		if (!*error && listener->backlog_count <= listener->backlog_max)
			return listener;
		if (!*error && !wait)
			*error = -EAGAIN;
		if (!*error)
			*error =
			    unix_wait_error(wait_event(&listener->room_wait,
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
	server->pass_credentials = listener->pass_credentials;
	socket->own = unix_current();
	connect_pair(socket, server);
	list_append(&listener->backlog, &server->backlog_link);
	listener->backlog_count++;
	wake_all(&listener->read_wait, POLLIN | POLLRDNORM);
	wake_all(&socket->write_wait, 0);
	unix_release(listener);
	return 0;
}

SYSCALL_HANDLER(connect, int fd, uint64_t address, int32_t bytes)
{
	struct file *file;
	struct unix_address name;
	int64_t error;
	struct unix_socket *socket = unix_of(fd, &file, &error);
	uint16_t family;
	if (!socket)
		return error;
	if (bytes >= 2 && socket->type == SOCK_DGRAM && copy_from_user(&family, address, 2) == 0 &&
	    family == 0) {
		unix_set_peer(socket, 0); /* AF_UNSPEC: no peer any more */
		socket->connected = false;
		return 0;
	}
	error = address_read(&name, address, bytes);
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
	return connect_stream(socket, &name, !(file->flags & O_NONBLOCK));
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
		                        unix_deadline(socket->receive_timeout));
		if (result)
			return unix_wait_error(result, socket->receive_timeout);
	}
	*accepted = list_first(&socket->backlog, struct unix_socket, backlog_link);
	list_remove(&(*accepted)->backlog_link);
	socket->backlog_count--;
	wake_all(&socket->room_wait, 0);
	return 0;
}

SYSCALL_HANDLER(accept4, int fd, uint64_t address, uint64_t length, uint32_t flags)
{
	struct file *file;
	int64_t error;
	struct unix_socket *socket = unix_of(fd, &file, &error);
	struct unix_socket *accepted = 0;
	if (flags & ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (!socket)
		return error;
	if (socket->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	error = accept_one(socket, !(file->flags & O_NONBLOCK), &accepted);
	if (error || !accepted)
		return error;
	const struct unix_socket *peer = accepted->peer;
	struct unix_address name = peer ? peer->address : (struct unix_address){0};
	int64_t result = unix_install(accepted, flags);
	if (result >= 0 && address && (error = address_write(&name, address, length)) != 0) {
		sys_close((int)result);
		return error;
	}
	return result;
}

SYSCALL_HANDLER(accept, int fd, uint64_t address, uint64_t length)
{
	return sys_accept4(fd, address, length, 0);
}

SYSCALL_HANDLER(getsockname, int fd, uint64_t address, uint64_t length)
{
	struct file *file;
	int64_t error;
	struct unix_socket *socket = unix_of(fd, &file, &error);
	return socket ? address_write(&socket->address, address, length) : error;
}

SYSCALL_HANDLER(getpeername, int fd, uint64_t address, uint64_t length)
{
	struct file *file;
	int64_t error;
	struct unix_socket *socket = unix_of(fd, &file, &error);
	if (!socket)
		return error;
	return socket->peer ? address_write(&socket->peer->address, address, length) : -ENOTCONN;
}

SYSCALL_HANDLER(shutdown, int fd, int how)
{
	struct file *file;
	int64_t error;
	struct unix_socket *socket = unix_of(fd, &file, &error);
	if (!socket)
		return error;
	if (how < 0 || how > 2)
		return -EINVAL;
	uint32_t what = (uint32_t)how + 1; /* SHUT_RD, SHUT_WR, SHUT_RDWR */
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

static int64_t send_one(struct file *file, const struct user_message *message, uint32_t flags)
{
	struct linux_iovec few[SEGMENTS_INLINE];
	struct linux_iovec *segments;
	struct unix_address name;
	struct unix_control control = {.credentials = unix_current()};
	struct io io;
	int64_t result;
	if (message->name && message->name_bytes &&
	    (result = address_read(&name, message->name, (int32_t)message->name_bytes)) != 0)
		return result;
	if (message->segment_count > MESSAGES_MAX)
		return -EMSGSIZE;
	result = iovec_from_user(&segments, message->segments, message->segment_count, few, SEGMENTS_INLINE);
	if (result)
		return result;
	if (message->control_bytes)
		result = unix_control_read(&control, message->control, message->control_bytes);
	if (!result) {
		io_init_vector(&io, segments, (uint32_t)message->segment_count);
		result = unix_send(file->private, !(file->flags & O_NONBLOCK), &io, flags, &control,
		                   message->name && message->name_bytes ? &name : 0);
		unix_control_release(&control);
	}
	if (segments != few)
		heap_free(segments);
	return result;
}

/* As recvmsg: MESSAGE's lengths and flags are set. */
static int64_t receive_one(struct file *file, struct user_message *message, uint32_t flags)
{
	struct linux_iovec few[SEGMENTS_INLINE];
	struct linux_iovec *segments;
	struct unix_receipt receipt = {.flags = 0};
	struct unix_socket *socket = file->private;
	struct io io;
	if (message->segment_count > MESSAGES_MAX)
		return -EMSGSIZE;
	int64_t result =
	    iovec_from_user(&segments, message->segments, message->segment_count, few, SEGMENTS_INLINE);
	if (result)
		return result;
	io_init_vector(&io, segments, (uint32_t)message->segment_count);
	result = unix_receive(socket, !(file->flags & O_NONBLOCK), &io, flags, &receipt);
	if (segments != few)
		heap_free(segments);
	if (result >= 0) {
		uint32_t length = receipt.address.length > 2 ? receipt.address.length : 0;
		int64_t used =
		    unix_control_write(socket, &receipt, message->control, message->control_bytes, flags);
		if (used < 0) {
			result = used;
		} else {
			uint32_t room = message->name_bytes;
			receipt.address.family = AF_UNIX;
			if (message->name && length &&
			    copy_to_user(message->name, &receipt.address.family,
			                 length < room ? length : room))
				result = -EFAULT;
			message->name_bytes = message->name ? length : 0;
			message->control_bytes = (uint64_t)used;
			message->flags = receipt.flags | (flags & MSG_CMSG_CLOEXEC);
		}
	}
	unix_control_release(&receipt.control);
	return result;
}

/* The file of the open socket behind FD. */
static struct file *socket_file(int fd, int64_t *error)
{
	struct file *file;
	return unix_of(fd, &file, error) ? file : 0;
}

SYSCALL_HANDLER(sendmsg, int fd, uint64_t address, uint32_t flags)
{
	struct user_message message;
	int64_t result;
	struct file *file = socket_file(fd, &result);
	if (!file)
		return result;
	result = copy_from_user(&message, address, sizeof(message));
	if (!result)
		result = send_one(file, &message, flags);
	return result;
}

SYSCALL_HANDLER(recvmsg, int fd, uint64_t address, uint32_t flags)
{
	struct user_message message;
	int64_t result;
	struct file *file = socket_file(fd, &result);
	if (!file)
		return result;
	result = copy_from_user(&message, address, sizeof(message));
	if (!result)
		result = receive_one(file, &message, flags);
	if (result >= 0 && copy_to_user(address, &message, sizeof(message)))
		result = -EFAULT;
	return result;
}

SYSCALL_HANDLER(sendto, int fd, uint64_t buffer, uint64_t bytes, uint32_t flags, uint64_t address,
                int32_t address_bytes)
{
	struct unix_address name;
	struct linux_iovec one;
	struct io io;
	int64_t result;
	struct unix_control control = {.credentials = unix_current()};
	struct file *file = socket_file(fd, &result);
	if (!file)
		return result;
	if (!user_range(buffer, bytes))
		result = -EFAULT;
	else
		result = address ? address_read(&name, address, address_bytes) : 0;
	if (!result) {
		io_init_user(&io, &one, buffer, bytes);
		result = unix_send(file->private, !(file->flags & O_NONBLOCK), &io, flags, &control,
		                   address ? &name : 0);
	}
	return result;
}

SYSCALL_HANDLER(recvfrom, int fd, uint64_t buffer, uint64_t bytes, uint32_t flags, uint64_t address,
                uint64_t length)
{
	struct linux_iovec one;
	struct io io;
	struct unix_receipt receipt = {.flags = 0};
	int64_t result;
	struct file *file = socket_file(fd, &result);
	if (!file)
		return result;
	if (!user_range(buffer, bytes)) {
		result = -EFAULT;
	} else {
		io_init_user(&io, &one, buffer, bytes);
		result = unix_receive(file->private, !(file->flags & O_NONBLOCK), &io, flags,
		                      address ? &receipt : 0);
	}
	unix_control_release(&receipt.control);
	if (result >= 0 && address && receipt.address.length > 2) {
		int64_t error = address_write(&receipt.address, address, length);
		result = error ? error : result;
	} else if (result >= 0 && address && put_user_u32(length, 0)) {
		result = -EFAULT;
	}
	return result;
}

SYSCALL_HANDLER(sendmmsg, int fd, uint64_t address, uint32_t count, uint32_t flags)
{
	int64_t result;
	struct file *file = socket_file(fd, &result);
	uint32_t done = 0;
	if (!file)
		return result;
	for (result = 0; done < count && done < MESSAGES_MAX; done++) {
		struct user_message message;
		uint64_t at = address + (uint64_t)done * MULTI_BYTES;
		result = copy_from_user(&message, at, sizeof(message));
		if (!result)
			result = send_one(file, &message, flags);
		if (result >= 0 && put_user_u32(at + sizeof(message), (uint32_t)result))
			result = -EFAULT;
		if (result < 0)
			break;
	}
	return done ? done : result < 0 ? result : 0;
}

SYSCALL_HANDLER(recvmmsg, int fd, uint64_t address, uint32_t count, uint32_t flags, uint64_t timeout)
{
	uint64_t ns = UINT64_MAX;
	int64_t result = timeout ? get_user_timespec(timeout, &ns) : 0;
	if (result)
		return result;
	struct file *file = socket_file(fd, &result);
	uint64_t deadline = unix_deadline(ns);
	uint32_t done = 0;
	if (!file)
		return result;
	for (result = 0; done < count && done < MESSAGES_MAX; done++) {
		struct user_message message;
		uint64_t at = address + (uint64_t)done * MULTI_BYTES;
		result = copy_from_user(&message, at, sizeof(message));
		if (!result)
			result = receive_one(file, &message, flags & ~(uint32_t)MSG_WAITFORONE);
		if (result >= 0 && (copy_to_user(at, &message, sizeof(message)) ||
		                    put_user_u32(at + sizeof(message), (uint32_t)result)))
			result = -EFAULT;
		if (result < 0)
			break;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		/* As on Linux the time-out is looked at after each message only. */
		if (deadline != DEADLINE_NEVER && clock_monotonic() >= deadline) {
			done++;
			break;
		}
	}
	return done ? done : result < 0 ? result : 0;
}
