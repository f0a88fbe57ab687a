/* The socket calls: arguments of the user's to the address families and back. See socket.h. */
#include "socket.h"
#include "../fs/open.h"
#include "../mm/userfault.h"

#define SEGMENTS_INLINE 8u
#define MESSAGES_MAX    1024u /* sendmmsg, recvmmsg: UIO_MAXIOV */
#define FAMILIES        46    /* AF_MAX */
#define SEND_MAX        0x7ffff000ull
#define MULTI_BYTES     64u /* struct mmsghdr: a msghdr, msg_len, padding */

struct file *socket_file(int fd, int64_t *error)
{
	struct file *file = file_of(fd);
	*error = file && !(file->flags & O_PATH) ? -ENOTSOCK : -EBADF;
	return file && file->ops->socket ? file : 0;
}

uint64_t socket_deadline(uint64_t timeout)
{
	return timeout == UINT64_MAX ? DEADLINE_NEVER : clock_monotonic() + timeout;
}

int64_t socket_wait_error(int result, uint64_t timeout)
{
	if (result == -ETIMEDOUT)
		return -EAGAIN;
	return result == -ERESTARTSYS && timeout != UINT64_MAX ? -EINTR : result;
}

int64_t socket_broken(uint32_t flags)
{
	if (!(flags & MSG_NOSIGNAL)) {
		enum common_mode mode = common_alone();
		signal_send_task(current_task(), SIGPIPE, 0);
		common_back(mode);
	}
	return -EPIPE;
}

/* ---- Addresses ---- */

static int64_t address_read(struct socket_address *address, uint64_t from, int32_t bytes)
{
	memset(address, 0, sizeof(*address));
	if (bytes < 0 || (uint32_t)bytes > SOCKET_ADDRESS_BYTES)
		return -EINVAL;
	if (bytes && copy_from_user(address->bytes, from, (size_t)bytes))
		return -EFAULT;
	address->length = (uint32_t)bytes;
	return 0;
}

/* Writes ADDRESS as accept, getsockname and recvfrom do; the length at LENGTH_ADDRESS is read and written. */
static int64_t address_write(const struct socket_address *address, uint64_t to, uint64_t length_address)
{
	uint32_t room;
	if (get_user_u32(&room, length_address))
		return -EFAULT;
	if ((int32_t)room < 0)
		return -EINVAL;
	if (copy_to_user(to, address->bytes, address->length < room ? address->length : room))
		return -EFAULT;
	return put_user_u32(length_address, address->length);
}

/* ---- Making ---- */

static int64_t check_family(int domain, int type)
{
	if (domain < 0 || domain >= FAMILIES)
		return -EAFNOSUPPORT;
	return type & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK) ? -EINVAL : 0;
}

SYSCALL_HANDLER(socket, int domain, int type, int protocol)
{
	int64_t error = check_family(domain, type);
	if (error)
		return error;
	switch (domain) {
	case AF_UNIX:
		return unix_socket_create(type, protocol);
	case AF_INET:
	case AF_INET6:
	case AF_PACKET:
		return inet_socket_create(domain, type, protocol);
	case AF_NETLINK:
		return netlink_socket_create(type, protocol);
	default:
		return -EAFNOSUPPORT;
	}
}

SYSCALL_HANDLER(socketpair, int domain, int type, int protocol, uint64_t address)
{
	int64_t error = check_family(domain, type);
	if (error)
		return error;
	if (domain == AF_UNIX)
		return unix_socket_pair(type, protocol, address);
	if (domain == AF_INET || domain == AF_INET6)
		return -EOPNOTSUPP;
	if (domain != AF_NETLINK && domain != AF_PACKET)
		return -EAFNOSUPPORT;
	int kind = type & SOCK_TYPE_MASK; /* what they have has no pairs */
	return kind == SOCK_RAW || kind == SOCK_DGRAM ? -EOPNOTSUPP : -ESOCKTNOSUPPORT;
}

SYSCALL_HANDLER(bind, int fd, uint64_t address, int32_t bytes)
{
	struct socket_address name;
	int64_t error;
	struct file *file = socket_file(fd, &error);
	if (!file || (error = address_read(&name, address, bytes)) != 0)
		return error;
	return file->ops->socket->bind(file, &name);
}

SYSCALL_HANDLER(listen, int fd, int backlog)
{
	int64_t error;
	struct file *file = socket_file(fd, &error);
	return file ? file->ops->socket->listen(file, backlog) : error;
}

SYSCALL_HANDLER(connect, int fd, uint64_t address, int32_t bytes)
{
	struct socket_address name;
	int64_t error;
	struct file *file = socket_file(fd, &error);
	if (!file || (error = address_read(&name, address, bytes)) != 0)
		return error;
	return file->ops->socket->connect(file, &name);
}

SYSCALL_HANDLER(accept4, int fd, uint64_t address, uint64_t length, uint32_t flags)
{
	struct socket_address peer;
	int64_t error;
	if (flags & ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	struct file *file = socket_file(fd, &error);
	if (!file)
		return error;
	int64_t result = file->ops->socket->accept(file, flags, &peer);
	if (result >= 0 && address && (error = address_write(&peer, address, length)) != 0) {
		sys_close((int)result);
		return error;
	}
	return result;
}

SYSCALL_HANDLER(accept, int fd, uint64_t address, uint64_t length)
{
	return sys_accept4(fd, address, length, 0);
}

static int64_t tell_name(int fd, bool peer, uint64_t address, uint64_t length)
{
	struct socket_address name;
	int64_t error;
	struct file *file = socket_file(fd, &error);
	if (!file || (error = file->ops->socket->name(file, peer, &name)) != 0)
		return error;
	return address_write(&name, address, length);
}

SYSCALL_HANDLER(getsockname, int fd, uint64_t address, uint64_t length)
{
	return tell_name(fd, false, address, length);
}

SYSCALL_HANDLER(getpeername, int fd, uint64_t address, uint64_t length)
{
	return tell_name(fd, true, address, length);
}

SYSCALL_HANDLER(shutdown, int fd, int how)
{
	int64_t error;
	struct file *file = socket_file(fd, &error);
	if (!file)
		return error;
	if (how < 0 || how > 2)
		return -EINVAL;
	return file->ops->socket->shutdown(file, (uint32_t)how + 1); /* SHUT_RD, SHUT_WR, SHUT_RDWR */
}

/* ---- Options ---- */

int64_t socket_set_timeout(uint64_t *timeout, uint64_t address, int32_t bytes)
{
	struct linux_timeval time;
	if (bytes < (int32_t)sizeof(time))
		return -EINVAL;
	if (copy_from_user(&time, address, sizeof(time)))
		return -EFAULT;
	if (time.tv_usec < 0 || time.tv_usec >= 1000000)
		return -EDOM;
	if (time.tv_sec < 0)
		*timeout = 0;
	else if ((!time.tv_sec && !time.tv_usec) || time.tv_sec > INT32_MAX)
		*timeout = UINT64_MAX;
	else
		*timeout = (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_usec * 1000;
	return 0;
}

void socket_get_timeout(uint64_t timeout, void *value)
{
	struct linux_timeval time = {0, 0};
	if (timeout != UINT64_MAX)
		time = (struct linux_timeval){(int64_t)(timeout / NS_PER_SECOND),
		                              (int64_t)(timeout % NS_PER_SECOND / 1000)};
	memcpy(value, &time, sizeof(time));
}

SYSCALL_HANDLER(setsockopt, int fd, int level, int option, uint64_t address, int32_t bytes)
{
	int64_t error;
	struct file *file = socket_file(fd, &error);
	if (!file)
		return error;
	return bytes < 0 ? -EINVAL : file->ops->socket->set_option(file, level, option, address, bytes);
}

SYSCALL_HANDLER(getsockopt, int fd, int level, int option, uint64_t address, uint64_t length_address)
{
	uint32_t bytes;
	int64_t error;
	struct file *file = socket_file(fd, &error);
	if (!file)
		return error;
	if (get_user_u32(&bytes, length_address))
		return -EFAULT;
	if ((int32_t)bytes < 0)
		return -EINVAL;
	if (level == SOL_SOCKET && option == SO_PEERNAME) {
		struct socket_address name;
		if (file->ops->socket->name(file, true, &name))
			return -ENOTCONN;
		return name.length < bytes ? -EINVAL : copy_to_user(address, name.bytes, bytes);
	}
	error = file->ops->socket->get_option(file, level, option, address, &bytes);
	if (error && error != -ERANGE) /* that one tells what room it takes */
		return error;
	return put_user_u32(length_address, bytes) ? -EFAULT : error;
}

/* ---- Messages ---- */

static int64_t transfer_once(struct file *file, struct socket_message *message, uint32_t flags, bool send)
{
	const struct socket_ops *ops = file->ops->socket;
	return send ? ops->send(file, message, flags) : ops->receive(file, message, flags);
}

/* Sends or receives one message. Where the common lock is shared, families that cannot have that get it
 * alone, and so does a transfer that lacked a page: see transfer_shared in fs/io.c. */
static int64_t transfer(struct file *file, struct socket_message *message, uint32_t flags, bool send)
{
	struct task *task = current_task();
	if (userfault_meets(&message->io, !send))
		return -EFAULT;
	if (common_mode() == COMMON_ALONE)
		return transfer_once(file, message, flags, send);
	int64_t result = -EALONE;
	task->pressed = false;
	if (file->ops->socket->parallel)
		result = transfer_once(file, message, flags, send);
	if (result == -EALONE || (result == -EFAULT && task->pressed)) {
		enum common_mode mode = common_alone();
		result = transfer_once(file, message, flags, send);
		common_back(mode);
	}
	return result;
}

static int64_t send_one(struct file *file, const struct user_message *message, uint32_t flags)
{
	struct linux_iovec few[SEGMENTS_INLINE];
	struct linux_iovec *segments;
	struct socket_message out = {.control = message->control, .control_bytes = message->control_bytes};
	int64_t result;
	if (message->name && message->name_bytes &&
	    (result = address_read(&out.address, message->name, (int32_t)message->name_bytes)) != 0)
		return result;
	if (message->segment_count > MESSAGES_MAX)
		return -EMSGSIZE;
	result = iovec_from_user(&segments, message->segments, message->segment_count, few, SEGMENTS_INLINE);
	if (result)
		return result;
	io_init_vector(&out.io, segments, (uint32_t)message->segment_count);
	result = transfer(file, &out, flags, true);
	if (segments != few)
		heap_free(segments);
	return result;
}

/* As recvmsg: MESSAGE's lengths and flags are set. */
static int64_t receive_one(struct file *file, struct user_message *message, uint32_t flags)
{
	struct linux_iovec few[SEGMENTS_INLINE];
	struct linux_iovec *segments;
	struct socket_message in = {.control = message->control, .control_bytes = message->control_bytes};
	if (message->segment_count > MESSAGES_MAX)
		return -EMSGSIZE;
	int64_t result =
	    iovec_from_user(&segments, message->segments, message->segment_count, few, SEGMENTS_INLINE);
	if (result)
		return result;
	io_init_vector(&in.io, segments, (uint32_t)message->segment_count);
	result = transfer(file, &in, flags, false);
	if (segments != few)
		heap_free(segments);
	if (result < 0)
		return result;
	uint32_t length = in.address.length;
	if (message->name && length &&
	    copy_to_user(message->name, in.address.bytes,
	                 length < message->name_bytes ? length : message->name_bytes))
		return -EFAULT;
	message->name_bytes = message->name ? length : 0;
	message->control_bytes = in.control_bytes;
	message->flags = in.flags | (flags & MSG_CMSG_CLOEXEC);
	return result;
}

SYSCALL_HANDLER(sendmsg, int fd, uint64_t address, uint32_t flags)
{
	struct user_message message;
	int64_t error;
	struct file *file = socket_file(fd, &error);
	if (!file)
		return error;
	if (copy_from_user(&message, address, sizeof(message)))
		return -EFAULT;
	return send_one(file, &message, flags);
}

SYSCALL_HANDLER(recvmsg, int fd, uint64_t address, uint32_t flags)
{
	struct user_message message;
	int64_t error;
	struct file *file = socket_file(fd, &error);
	if (!file)
		return error;
	if (copy_from_user(&message, address, sizeof(message)))
		return -EFAULT;
	int64_t result = receive_one(file, &message, flags);
	if (result >= 0 && copy_to_user(address, &message, sizeof(message)))
		return -EFAULT;
	return result;
}

SYSCALL_HANDLER(sendto, int fd, uint64_t buffer, uint64_t bytes, uint32_t flags, uint64_t address,
                int32_t address_bytes)
{
	struct linux_iovec one;
	struct socket_message message = {.control = 0};
	int64_t error;
	struct file *file = socket_file(fd, &error);
	if (!file)
		return error;
	if (bytes > SEND_MAX)
		bytes = SEND_MAX;
	if (!user_range(buffer, bytes))
		return -EFAULT;
	if (address && (error = address_read(&message.address, address, address_bytes)) != 0)
		return error;
	if (address && !address_bytes)
		return -EINVAL;
	io_init_user(&message.io, &one, buffer, bytes);
	return transfer(file, &message, flags, true);
}

SYSCALL_HANDLER(recvfrom, int fd, uint64_t buffer, uint64_t bytes, uint32_t flags, uint64_t address,
                uint64_t length)
{
	struct linux_iovec one;
	struct socket_message message = {.control = 0};
	int64_t result;
	struct file *file = socket_file(fd, &result);
	if (!file)
		return result;
	if (bytes > SEND_MAX)
		bytes = SEND_MAX;
	if (!user_range(buffer, bytes))
		return -EFAULT;
	io_init_user(&message.io, &one, buffer, bytes);
	result = transfer(file, &message, flags, false);
	if (result < 0 || !address)
		return result;
	int64_t error = message.address.length ? address_write(&message.address, address, length)
	                                       : put_user_u32(length, 0);
	return error ? error : result;
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
	uint64_t deadline = socket_deadline(ns);
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
