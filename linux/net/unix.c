/* Life and names of unix sockets: see unix.h. */
#include "unix.h"
#include "../fs/errand.h"
#include "../fs/open.h"
#include "interface.h"

#define ABSTRACT_BUCKETS 64u

static struct list abstract[ABSTRACT_BUCKETS];

struct unix_credentials unix_current(void)
{
	const struct task *task = current_task();
	return (struct unix_credentials){task->process->pid, task->credentials.euid, task->credentials.egid};
}

void unix_own(struct unix_socket *socket)
{
	const struct credentials *mine = &current_task()->credentials;
	_Static_assert(sizeof(mine->groups) == sizeof(socket->own_groups.groups), "all of them");
	socket->own = unix_current();
	socket->own_groups.count = mine->group_count;
	memcpy(socket->own_groups.groups, mine->groups, sizeof(mine->groups));
}

struct unix_credentials unix_seen(const struct unix_credentials *credentials)
{
	return (struct unix_credentials){pid_seen(credentials->pid), uid_seen(credentials->uid),
	                                 gid_seen(credentials->gid)};
}

struct unix_socket *unix_create(int type)
{
	static uint64_t number = 100;
	struct unix_socket *socket = heap_allocate(sizeof(*socket));
	if (!socket)
		return 0;
	socket->references = 1;
	socket->type = type;
	socket->number = ++number;
	socket->net = net_current()->common.inode;
	socket->ring.capacity = UNIX_BUFFER_BYTES;
	socket->send_buffer = socket->receive_buffer = UNIX_BUFFER_BYTES;
	socket->receive_timeout = socket->send_timeout = UINT64_MAX;
	socket_options_init(&socket->options);
	struct list *lists[] = {&socket->followers,  &socket->follower_link, &socket->abstract_link,
	                        &socket->messages,   &socket->backlog,       &socket->backlog_link,
	                        &socket->flight_link};
	for (unsigned i = 0; i < sizeof(lists) / sizeof(void *); i++)
		list_init(lists[i]);
	wait_queue_init(&socket->read_wait);
	wait_queue_init(&socket->write_wait);
	wait_queue_init(&socket->room_wait);
	return socket;
}

void unix_release(struct unix_socket *socket)
{
	if (--socket->references)
		return;
	socket_options_deinit(&socket->options);
	heap_free(socket);
}

void unix_set_peer(struct unix_socket *socket, struct unix_socket *peer)
{
	struct unix_socket *old = socket->peer;
	list_remove(&socket->follower_link);
	socket->peer = peer ? unix_reference(peer) : 0;
	if (peer)
		list_append(&peer->followers, &socket->follower_link);
	if (old)
		unix_release(old);
}

/* Nobody can use SOCKET any more: its name, its peers and what it has received go. */
static void unix_close(struct unix_socket *socket)
{
	bool unread = ring_held(&socket->ring) || (socket->message_count && socket->type != SOCK_DGRAM);
	struct unix_socket *peer = socket->peer;
	socket->closed = true;
	socket->shutdown = SHUTDOWN_BOTH;
	list_remove(&socket->abstract_link);
	if (socket->vnode) {
		socket->vnode->private = 0;
		vnode_release(socket->vnode);
		socket->vnode = 0;
	}
	if (peer && socket->type != SOCK_DGRAM) {
		peer->shutdown = SHUTDOWN_BOTH;
		if (unread || !socket->file)
			peer->error = ECONNRESET;
		wake_all(&peer->read_wait, 0);
		wake_all(&peer->write_wait, 0);
	}
	socket->file = 0;
	while (!list_empty(&socket->backlog)) {
		struct unix_socket *waiting = list_first(&socket->backlog, struct unix_socket, backlog_link);
		list_remove(&waiting->backlog_link);
		unix_close(waiting);
		unix_release(waiting);
	}
	while (!list_empty(&socket->messages)) {
		struct unix_message *message = list_first(&socket->messages, struct unix_message, link);
		list_remove(&message->link);
		unix_message_free(message);
	}
	socket->message_count = 0;
	ring_free(&socket->ring);
	socket->ring.tail = socket->ring.head;
	unix_wake_writers(socket);
	unix_set_peer(socket, 0);
	/* Sockets connected to this one find it closed at their next use. */
}

static void unix_file_release(struct file *file)
{
	struct unix_socket *socket = file->private;
	unix_close(socket);
	unix_release(socket);
}

static void unix_describe(struct file *file, char *text, uint32_t size)
{
	const struct unix_socket *socket = file->private;
	text_format(text, size, "socket:[%lu]", socket->number);
}

static int64_t unix_read(struct file *file, struct io *io, int64_t *position)
{
	(void)position;
	return unix_receive(file->private, !(file->flags & O_NONBLOCK), io, 0, 0);
}

static int64_t unix_write(struct file *file, struct io *io, int64_t *position)
{
	(void)position;
	struct unix_control control = {.credentials = unix_current()};
	return unix_send(file->private, !(file->flags & O_NONBLOCK), io, 0, &control, 0);
}

static int64_t unix_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	enum { SIOCINQ = 0x541b, SIOCOUTQ = 0x5411 };
	const struct unix_socket *socket = file->private;
	if (command == SIOCINQ && socket->listening)
		return -EINVAL;
	if (command == SIOCINQ)
		return put_user_u32(argument, (uint32_t)unix_readable_bytes(socket));
	if (command == SIOCOUTQ)
		return put_user_u32(argument, socket->peer ? (uint32_t)(ring_held(&socket->peer->ring) +
		                                                        socket->peer->packet_bytes)
		                                           : 0);
	return interface_ioctl(net_current(), command, argument);
}

const struct file_ops unix_ops = {
    .read = unix_read,
    .write = unix_write,
    .poll = unix_poll,
    .ioctl = unix_ioctl,
    .release = unix_file_release,
    .dropped = unix_file_dropped,
    .socket = &unix_socket_ops,
    .describe = unix_describe,
};

int64_t unix_install(struct unix_socket *socket, uint32_t flags)
{
	struct file *file = file_create(&unix_ops, O_RDWR | (flags & O_NONBLOCK), socket);
	if (!file) {
		unix_close(socket);
		unix_release(socket);
		return -ENOMEM;
	}
	socket->file = file;
	return file_give(file, flags & O_CLOEXEC);
}

/* ---- Names ---- */

static struct list *abstract_bucket(const struct unix_address *address)
{
	uint32_t hash = address->length;
	for (uint32_t i = 0; i < address->length - 2; i++)
		hash = (hash ^ (uint8_t)address->path[i]) * 16777619u;
	struct list *bucket = &abstract[hash % ABSTRACT_BUCKETS];
	if (!bucket->next)
		list_init(bucket);
	return bucket;
}

static struct unix_socket *abstract_find(const struct unix_address *address, int type)
{
	const uint64_t net = net_current()->common.inode;
	struct unix_socket *socket;
	list_for_each(socket, abstract_bucket(address), abstract_link)
	{
		if (socket->type == type && socket->net == net && socket->address.length == address->length &&
		    memcmp(socket->address.path, address->path, address->length - 2) == 0)
			return socket;
	}
	return 0;
}

struct unix_socket *unix_find(const struct unix_address *address, int type, int *error)
{
	struct unix_socket *socket;
	struct path path;
	if (!address->path[0]) {
		socket = abstract_find(address, type);
		*error = -ECONNREFUSED;
		return socket ? unix_reference(socket) : 0;
	}
	*error = path_walk(AT_FDCWD, address->path, WALK_FOLLOW, &path);
	if (*error)
		return 0;
	struct vnode *vnode = path.dentry->vnode;
	*error = access_check(vnode, 2);
	if (!*error && path.mount->read_only)
		*error = -EROFS;
	socket = *error == 0 && S_ISSOCK(vnode->mode) ? vnode->private : 0;
	if (!*error && !socket)
		*error = -ECONNREFUSED;
	else if (socket && socket->type != type)
		*error = -EPROTOTYPE;
	if (socket && *error == 0)
		unix_reference(socket);
	path_release(&path);
	return *error ? 0 : socket;
}

/* An abstract name of five hexadecimal digits that nobody has: autobind of unix(7). */
static int64_t unix_bind_any(struct unix_socket *socket)
{
	static uint32_t next;
	for (uint32_t tries = 0; tries < 1u << 20; tries++) {
		char digits[8];
		struct unix_address address = {.length = 2 + 6, .family = AF_UNIX};
		text_format(digits, sizeof(digits), "%05x", ++next & 0xfffff);
		memcpy(address.path + 1, digits, 5);
		if (abstract_find(&address, socket->type))
			continue;
		socket->address = address;
		list_append(abstract_bucket(&address), &socket->abstract_link);
		return 0;
	}
	return -ENOSPC;
}

int64_t unix_bind(struct unix_socket *socket, struct unix_address *address)
{
	if (address->length == 2)
		return socket->address.length ? 0 : unix_bind_any(socket);
	if (socket->address.length)
		return -EINVAL;
	if (!address->path[0]) {
		if (abstract_find(address, socket->type))
			return -EADDRINUSE;
		socket->address = *address;
		list_append(abstract_bucket(address), &socket->abstract_link);
		return 0;
	}
	struct vnode *vnode;
	int error = (int)with_errands(name_make(address->path, S_IFSOCK | 0777, &vnode));
	if (error)
		return error == -EEXIST ? -EADDRINUSE : error;
	/* A file service may have been waited for: somebody else may have bound it. */
	if (socket->address.length) {
		vnode_release(vnode);
		(void)path_unlink(address->path);
		return -EINVAL;
	}
	/* A path's name is told with its NUL. */
	address->length = 2 + (uint32_t)strlen(address->path) + 1;
	socket->address = *address;
	socket->vnode = vnode;
	vnode->private = socket;
	return 0;
}
