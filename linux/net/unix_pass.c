/* Descriptors and credentials in flight: see unix.h.
 *
 * A socket may be sent through itself, or two through one another, and then be closed: only messages hold it.
 * Whenever a socket's file is left with no reference but from messages, a worker looks at the sockets in
 * flight. A candidate is one of which that is true. References from the queues of candidates do not count; a
 * candidate with others left can be received by somebody, and so can all that its queue leads to. The queues
 * of the rest are thrown away, which frees them. The work is linear in the sockets in flight and the messages
 * in their queues.
 */
#include "unix.h"
#include "../async/uring.h"

#define HEADER_BYTES  sizeof(struct control_header)
#define ALIGNED(size) (((size) + 7) & ~7ull)

static uint64_t files_in_flight;
static struct list flying = LIST_INIT(flying); /* sockets in flight */
static struct task *collector;                 /* the worker; 0 before the first socket is sent */

static struct unix_socket *socket_of(const struct file *file)
{
	return file->ops == &unix_ops ? file->private : 0;
}

void unix_control_in_flight(const struct unix_control *control, bool begin)
{
	uint32_t change = begin ? 1 : -1u;
	for (uint32_t i = 0; i < control->file_count; i++) {
		struct unix_socket *socket = socket_of(control->files[i]);
		if (!socket)
			continue;
		socket->in_flight += change;
		if (!socket->in_flight)
			list_remove(&socket->flight_link);
		else if (begin && socket->in_flight == 1)
			list_append(&flying, &socket->flight_link);
	}
	files_in_flight += begin ? control->file_count : -(uint64_t)control->file_count;
}

void unix_control_release(struct unix_control *control)
{
	struct file **files = control->files;
	uint32_t count = control->file_count;
	control->files = 0;
	control->file_count = 0;
	for (uint32_t i = 0; i < count; i++)
		file_release(files[i]);
	heap_free(files);
}

bool unix_control_clone(struct unix_control *to, const struct unix_control *from)
{
	*to = *from;
	if (!from->file_count)
		return true;
	to->files = heap_allocate(from->file_count * sizeof(void *));
	if (!to->files) {
		to->file_count = 0;
		return false;
	}
	for (uint32_t i = 0; i < from->file_count; i++)
		to->files[i] = file_reference(from->files[i]);
	return true;
}

/* Releasing a file may close a socket, whose messages are then freed: they wait here for the outermost call,
 * so that the stack does not grow with the length of the chain. */
void unix_message_free(struct unix_message *message)
{
	static struct list garbage = LIST_INIT(garbage);
	static bool busy;
	list_append(&garbage, &message->link);
	if (busy)
		return;
	busy = true;
	while (!list_empty(&garbage)) {
		struct unix_message *next = list_first(&garbage, struct unix_message, link);
		list_remove(&next->link);
		unix_control_in_flight(&next->control, false);
		unix_control_release(&next->control);
		heap_free(next->address);
		heap_free(next);
	}
	busy = false;
}

/* Calls VISIT for every candidate that a message in SOCKET's queue holds. */
static void visit_queue(const struct unix_socket *socket,
                        void (*visit)(struct unix_socket *held, void *argument), void *argument)
{
	const struct unix_message *message;
	list_for_each(message, &socket->messages, link)
	{
		for (uint32_t i = 0; i < message->control.file_count; i++) {
			struct unix_socket *held = socket_of(message->control.files[i]);
			if (held && held->candidate)
				visit(held, argument);
		}
	}
}

/* ... in its queue, and in those of the sockets that wait to be accepted from it. */
static void visit_held(const struct unix_socket *socket,
                       void (*visit)(struct unix_socket *held, void *argument), void *argument)
{
	const struct unix_socket *waiting;
	visit_queue(socket, visit, argument);
	list_for_each(waiting, &socket->backlog, backlog_link) visit_queue(waiting, visit, argument);
}

static void held_inside(struct unix_socket *held, void *argument)
{
	(void)argument;
	held->outside--;
}

static void reach(struct unix_socket *held, void *argument)
{
	struct list *reached = argument;
	held->candidate = false;
	list_remove(&held->flight_link);
	list_append(reached, &held->flight_link);
}

static void collect(void)
{
	struct unix_socket *socket, *next;
	struct list reached = LIST_INIT(reached), garbage = LIST_INIT(garbage), done = LIST_INIT(done);
	list_for_each(socket, &flying, flight_link)
	{
		socket->candidate = socket->file && socket->in_flight == socket->file->references;
		socket->outside = socket->in_flight;
	}
	list_for_each(socket, &flying, flight_link)
	{
		if (socket->candidate)
			visit_held(socket, held_inside, 0);
	}
	list_for_each_safe(socket, next, &flying, flight_link)
	{
		if (socket->candidate && socket->outside)
			reach(socket, &reached);
	}
	while (!list_empty(&reached)) {
		socket = list_first(&reached, struct unix_socket, flight_link);
		list_remove(&socket->flight_link);
		list_append(&done, &socket->flight_link);
		visit_held(socket, reach, &reached);
	}
	while (!list_empty(&done)) {
		struct list *node = done.next;
		list_remove(node);
		list_append(&flying, node);
	}
	/* The messages of candidates are gathered first: freeing them takes sockets off the list. */
	list_for_each(socket, &flying, flight_link)
	{
		if (!socket->candidate)
			continue;
		while (!list_empty(&socket->messages)) {
			struct list *node = socket->messages.next;
			list_remove(node);
			list_append(&garbage, node);
		}
		socket->message_count = 0;
	}
	while (!list_empty(&garbage)) {
		struct unix_message *message = list_first(&garbage, struct unix_message, link);
		list_remove(&message->link);
		unix_message_free(message);
	}
}

static void collector_main(void *argument)
{
	(void)argument;
	for (;;) {
		collect();
		worker_wait(DEADLINE_NEVER);
	}
}

void unix_file_dropped(struct file *file)
{
	const struct unix_socket *socket = file->private;
	if (socket->in_flight && socket->in_flight == file->references && collector)
		event_signal(worker_event(collector), 1);
}

/* ---- To and from the user ---- */

static int64_t read_files(struct unix_control *control, const uint8_t *data, uint64_t bytes)
{
	const struct task *task = current_task();
	uint32_t count = (uint32_t)(bytes / 4);
	if (control->file_count + count > UNIX_FILES_MAX)
		return -EINVAL;
	if (files_in_flight + count > task->process->limits[RLIMIT_NOFILE].current &&
	    !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN))
		return -ETOOMANYREFS;
	if (!count)
		return 0;
	if (!collector && !(collector = worker_create("unix sockets", collector_main, 0)))
		return -ENOMEM;
	struct file **files = heap_resize(control->files, (control->file_count + count) * sizeof(void *));
	if (!files)
		return -ENOMEM;
	control->files = files;
	for (uint32_t i = 0; i < count; i++) {
		int32_t fd;
		memcpy(&fd, data + (size_t)i * 4, 4);
		struct file *file = file_get(fd);
		if (!file)
			return -EBADF;
		control->files[control->file_count++] = file;
		if (file->ops ==
		    &uring_ops) /* it may hold sockets: nobody would see that only they hold it */
			return -EINVAL;
	}
	return 0;
}

static int64_t read_credentials(struct unix_control *control, const uint8_t *data, uint64_t bytes)
{
	const struct credentials *own = &current_task()->credentials;
	struct unix_credentials wanted;
	if (bytes != sizeof(wanted))
		return -EINVAL;
	memcpy(&wanted, data, sizeof(wanted));
	wanted.uid = uid_named(wanted.uid);
	wanted.gid = gid_named(wanted.gid);
	if (wanted.uid == ID_NONE || wanted.gid == ID_NONE)
		return -EINVAL;
	bool uid_fits = wanted.uid == own->uid || wanted.uid == own->euid || wanted.uid == own->suid;
	bool gid_fits = wanted.gid == own->gid || wanted.gid == own->egid || wanted.gid == own->sgid;
	if ((wanted.pid != current_task()->process->number &&
	     !capable_in(pid_namespace_current()->common.owner, CAP_SYS_ADMIN)) ||
	    (!uid_fits && !capable_own(CAP_SETUID)) || (!gid_fits && !capable_own(CAP_SETGID)))
		return -EPERM;
	if (!process_find(wanted.pid))
		return -ESRCH;
	wanted.pid = pid_named(wanted.pid);
	control->credentials = wanted;
	return 0;
}

int64_t unix_control_read(struct unix_control *control, uint64_t address, uint64_t bytes)
{
	if (bytes > CONTROL_MAX)
		return -ENOBUFS;
	if (bytes < HEADER_BYTES)
		return 0;
	uint8_t *buffer = heap_allocate(bytes);
	if (!buffer)
		return -ENOBUFS;
	int64_t error = copy_from_user(buffer, address, bytes);
	uint64_t at = 0;
	while (!error && at + HEADER_BYTES <= bytes) {
		struct control_header header;
		memcpy(&header, buffer + at, HEADER_BYTES);
		if (header.length < HEADER_BYTES || header.length > bytes - at) {
			error = -EINVAL;
			break;
		}
		const uint8_t *data = buffer + at + HEADER_BYTES;
		uint64_t length = header.length - HEADER_BYTES;
		at += ALIGNED(header.length);
		if (header.level != SOL_SOCKET)
			continue;
		if (header.type == SCM_RIGHTS)
			error = read_files(control, data, length);
		else if (header.type == SCM_CREDENTIALS)
			error = read_credentials(control, data, length);
		else
			error = -EINVAL;
	}
	heap_free(buffer);
	if (error)
		unix_control_release(control);
	return error;
}

/* Where control messages are written. */
struct control_out {
	uint64_t address, room, used;
	bool cut;
};

static int64_t put_header(struct control_out *out, int type, uint64_t length)
{
	struct control_header header = {HEADER_BYTES + length, SOL_SOCKET, type};
	int64_t error = copy_to_user(out->address + out->used, &header, HEADER_BYTES);
	uint64_t space = HEADER_BYTES + ALIGNED(length);
	out->used += space < out->room - out->used ? space : out->room - out->used;
	return error;
}

/* Installs the files of CONTROL as far as the buffer and the table allow. */
static int64_t put_files(struct control_out *out, const struct unix_control *control, bool close_on_exec)
{
	uint64_t room = out->room - out->used;
	uint64_t most = room > HEADER_BYTES ? (room - HEADER_BYTES) / 4 : 0;
	uint64_t at = out->address + out->used + HEADER_BYTES;
	uint32_t done = 0;
	while (done < control->file_count && done < most) {
		int64_t fd = file_install(file_reference(control->files[done]), 0, close_on_exec);
		if (fd < 0) {
			file_release(control->files[done]);
			break;
		}
		if (put_user_u32(at + (uint64_t)done * 4, (uint32_t)fd)) {
			sys_close((int)fd);
			break;
		}
		done++;
	}
	if (done < control->file_count)
		out->cut = true;
	return done ? put_header(out, SCM_RIGHTS, (uint64_t)done * 4) : 0;
}

int64_t unix_control_write(struct unix_socket *socket, struct unix_receipt *receipt, uint64_t address,
                           uint64_t bytes, uint32_t flags)
{
	struct control_out out = {.address = address, .room = address ? bytes : 0};
	const struct unix_credentials seen = unix_seen(&receipt->control.credentials), *credentials = &seen;
	int64_t error = 0;
	if (socket->pass_credentials && receipt->has_control) {
		if (out.room < HEADER_BYTES + sizeof(*credentials)) {
			out.cut = true;
		} else {
			error = copy_to_user(address + HEADER_BYTES, credentials, sizeof(*credentials));
			if (!error)
				error = put_header(&out, SCM_CREDENTIALS, sizeof(*credentials));
		}
	}
	if (!error && receipt->control.file_count)
		error = put_files(&out, &receipt->control, flags & MSG_CMSG_CLOEXEC);
	if (out.cut)
		receipt->flags |= MSG_CTRUNC;
	return error ? error : (int64_t)out.used;
}
