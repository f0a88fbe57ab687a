/* The operations of io_uring(7): each is the system call of its kind, with arguments from an entry.
 *
 * `prepare` looks at the entry when it is submitted and copies what its arguments point to; `issue` makes the call. The
 * request's file is its descriptor REQUEST_FD; user_copy's callers find its copies as they would find guest memory
 * (include/user.h).
 */
#include "uring.h"
#include "../fs/io.h"
#include "../fs/open.h"
#include "../net/socket.h"

int64_t sys_fsync(int fd);
int64_t sys_fdatasync(int fd);
int64_t sys_sync_file_range(int fd, int64_t offset, int64_t bytes, uint32_t flags);
int64_t sys_sendmsg(int fd, uint64_t address, uint32_t flags);
int64_t sys_recvmsg(int fd, uint64_t address, uint32_t flags);
int64_t sys_sendto(int fd, uint64_t buffer, uint64_t bytes, uint32_t flags, uint64_t address,
                   int32_t address_bytes);
int64_t sys_recvfrom(int fd, uint64_t buffer, uint64_t bytes, uint32_t flags, uint64_t address,
                     uint64_t length);
int64_t sys_accept4(int fd, uint64_t address, uint64_t length, uint32_t flags);
int64_t sys_connect(int fd, uint64_t address, int32_t bytes);
int64_t sys_shutdown(int fd, int how);
int64_t sys_socket(int domain, int type, int protocol);
int64_t sys_fallocate(int fd, int mode, int64_t offset, int64_t bytes);
int64_t sys_openat(int directory, uint64_t path, uint32_t flags, uint32_t mode);
int64_t sys_openat2(int directory, uint64_t path, uint64_t how_address, uint64_t size);
int64_t sys_statx(int directory, uint64_t path, uint32_t flags, uint32_t mask, uint64_t out);
int64_t sys_fadvise64(int fd, int64_t offset, int64_t bytes, int advice);
int64_t sys_madvise(uint64_t start, uint64_t bytes, int advice);
int64_t sys_epoll_ctl(int epoll_fd, int operation, int fd, uint64_t address);
int64_t sys_splice(int in, uint64_t in_offset, int out, uint64_t out_offset, uint64_t bytes, uint32_t flags);
int64_t sys_tee(int in, int out, uint64_t bytes, uint32_t flags);
int64_t sys_renameat2(int from_directory, uint64_t from_path, int to_directory, uint64_t to_path,
                      uint32_t flags);
int64_t sys_unlinkat(int directory, uint64_t path, uint32_t flags);
int64_t sys_mkdirat(int directory, uint64_t path, uint32_t mode);
int64_t sys_symlinkat(uint64_t target_address, int directory, uint64_t path);
int64_t sys_linkat(int from_directory, uint64_t from_path, int to_directory, uint64_t to_path,
                   uint32_t flags);
int64_t sys_fsetxattr(int fd, uint64_t name, uint64_t value, uint64_t bytes, uint32_t flags);
int64_t sys_setxattr(uint64_t path, uint64_t name, uint64_t value, uint64_t bytes, uint32_t flags);
int64_t sys_fgetxattr(int fd, uint64_t name, uint64_t value, uint64_t bytes);
int64_t sys_getxattr(uint64_t path, uint64_t name, uint64_t value, uint64_t bytes);

#define XATTR_NAME_BYTES  256u
#define XATTR_VALUE_BYTES 65536u
#define CONTROL_BYTES     20480u /* net.core.optmem_max */
#define OPEN_HOW_BYTES    4096u
#define MULTISHOT_TURN    16u /* results of one turn */
#define ROUND             16u /* what lies in a request's memory is aligned so */

/* ---- Copies of arguments ---- */

/* Room for BYTES more in REQUEST's memory, whose address may change; *AT is where in it. */
static int memory_add(struct request *request, uint64_t bytes, uint64_t *at)
{
	uint64_t rounded = (bytes + ROUND - 1) & ~(uint64_t)(ROUND - 1);
	char *memory = heap_resize(request->memory, request->memory_bytes + rounded);
	if (!memory)
		return -ENOMEM;
	request->memory = memory;
	*at = request->memory_bytes;
	request->memory_bytes += (uint32_t)rounded;
	return 0;
}

static int memory_copy(struct request *request, uint64_t from, uint64_t bytes, uint64_t *at)
{
	int error = memory_add(request, bytes, at);
	return error ? error : copy_from_user(request->memory + *at, from, bytes);
}

/* A path or name of at most SIZE - 1 characters. */
static int memory_string(struct request *request, uint64_t from, uint32_t size, uint64_t *at)
{
	char text[PATH_MAX_BYTES];
	int64_t length = copy_string_from_user(text, from, size);
	if (length < 0)
		return (int)length;
	int error = memory_add(request, (uint64_t)length + 1, at);
	if (!error)
		memcpy(request->memory + *at, text, (size_t)length + 1);
	return error;
}

static uint64_t argument(const struct request *request, unsigned number)
{
	return (uint64_t)request->memory + request->arguments[number];
}

static int path_copy(struct request *request, uint64_t from, unsigned number)
{
	return memory_string(request, from, PATH_MAX_BYTES, &request->arguments[number]);
}

/* ---- Nothing, and what is refused ---- */

static int64_t nop_issue(struct request *request)
{
	(void)request;
	return 0;
}

static int64_t command_issue(struct request *request)
{
	(void)request;
	return -EOPNOTSUPP; /* no file here takes commands of its own */
}

/* ---- Reading and writing ---- */

static bool rw_vector(const struct request *request)
{
	return request->sqe.opcode == OP_READV || request->sqe.opcode == OP_WRITEV;
}

static int rw_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool fixed = sqe->opcode == OP_READ_FIXED || sqe->opcode == OP_WRITE_FIXED;
	bool select = sqe->flags & SQE_BUFFER_SELECT;
	request->no_wait = sqe->operation_flags & RWF_NOWAIT;
	if (fixed)
		return uring_buffer_holds(request->ring, sqe->buffer, sqe->address, sqe->length) ? 0
		                                                                                 : -EFAULT;
	if (!rw_vector(request) || (!select && !sqe->length))
		return 0;
	if (select && sqe->length != 1)
		return -EINVAL;
	struct linux_iovec none;
	int64_t error = iovec_from_user(&request->segments, sqe->address, sqe->length, &none, 0);
	request->segment_count = error ? 0 : sqe->length;
	if (error)
		request->segments = 0;
	return (int)error;
}

static int64_t rw_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	struct file *file = request->file;
	bool write = sqe->opcode == OP_WRITEV || sqe->opcode == OP_WRITE || sqe->opcode == OP_WRITE_FIXED;
	struct linux_iovec one;
	struct io io;
	uint64_t address = sqe->address, bytes = sqe->length;
	if (request->ring->flags & SETUP_IOPOLL)
		return -EOPNOTSUPP;
	if (sqe->operation_flags & ~(uint32_t)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND))
		return -EOPNOTSUPP;
	if (request->no_wait && !file->ops->socket)
		return -EOPNOTSUPP;
	if (sqe->flags & SQE_BUFFER_SELECT) {
		if (rw_vector(request))
			bytes = request->segments[0].bytes;
		int error = uring_borrow(request, &address, &bytes);
		if (error)
			return error;
	}
	if (rw_vector(request) && !(sqe->flags & SQE_BUFFER_SELECT)) {
		io_init_vector(&io, request->segments, request->segment_count);
		bytes = io.remaining;
	} else {
		bytes = bytes < IO_MAX ? bytes : IO_MAX;
		if (!user_range(address, bytes))
			return -EFAULT;
		io_init_user(&io, &one, address, bytes);
	}
	io.flags = io_flags_of(sqe->operation_flags);
	int64_t position = file->ops->seekable ? (int64_t)sqe->offset : 0;
	int64_t *at = file->ops->seekable && position == -1 ? &file->position : &position;
	if (position < -1)
		return -EINVAL;
	int64_t result =
	    write ? write_through(file, io.flags, do_write(file, &io, at)) : do_read(file, &io, at);
	request->failed = result != (int64_t)bytes;
	return result;
}

/* ---- Files ---- */

static int sync_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->address || sqe->buffer || sqe->index)
		return -EINVAL;
	return sqe->opcode == OP_FSYNC && (sqe->operation_flags & ~1u) ? -EINVAL : 0;
}

static int64_t sync_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->opcode == OP_SYNC_FILE_RANGE)
		return sys_sync_file_range(REQUEST_FD, (int64_t)sqe->offset, sqe->length,
		                           sqe->operation_flags);
	return sqe->operation_flags & 1 ? sys_fdatasync(REQUEST_FD) : sys_fsync(REQUEST_FD);
}

static int fallocate_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sqe->buffer || sqe->operation_flags || sqe->index ? -EINVAL : 0;
}

static int64_t fallocate_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sys_fallocate(REQUEST_FD, (int)sqe->length, (int64_t)sqe->offset, (int64_t)sqe->address);
}

static int advise_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool file = sqe->opcode == OP_FADVISE;
	return sqe->buffer || sqe->index || (file ? sqe->address != 0 : sqe->offset != 0) ? -EINVAL : 0;
}

static int64_t advise_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sqe->opcode == OP_FADVISE
	           ? sys_fadvise64(REQUEST_FD, (int64_t)sqe->offset, sqe->length, (int)sqe->operation_flags)
	           : sys_madvise(sqe->address, sqe->length, (int)sqe->operation_flags);
}

/* ---- Names ---- */

static int open_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->buffer || (sqe->flags & SQE_FIXED_FILE))
		return sqe->buffer ? -EINVAL : -EBADF;
	uint64_t flags = sqe->operation_flags;
	int error = 0;
	if (sqe->opcode == OP_OPENAT2) {
		if (sqe->length < 24)
			return -EINVAL;
		if (sqe->length > OPEN_HOW_BYTES)
			return -E2BIG;
		error = memory_copy(request, sqe->offset, sqe->length, &request->arguments[1]);
		if (!error)
			memcpy(&flags, request->memory + request->arguments[1], sizeof(flags));
	}
	if (!error && sqe->index && (flags & O_CLOEXEC))
		return -EINVAL;
	return error ? error : path_copy(request, sqe->address, 0);
}

static int64_t placed(struct request *request, int64_t fd)
{
	uint32_t index = request->sqe.index;
	if (fd < 0 || !index)
		return fd;
	struct file *file = file_take((int)fd);
	return file ? uring_file_place(request->ring, file, index) : -EBADF;
}

static int64_t open_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	int64_t fd = sqe->opcode == OP_OPENAT
	                 ? sys_openat(sqe->fd, argument(request, 0), sqe->operation_flags, sqe->length)
	                 : sys_openat2(sqe->fd, argument(request, 0), argument(request, 1), sqe->length);
	return placed(request, fd);
}

static int close_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->offset || sqe->address || sqe->length || sqe->operation_flags || sqe->buffer)
		return -EINVAL;
	if (sqe->flags & SQE_FIXED_FILE)
		return -EBADF;
	return sqe->index && sqe->fd ? -EINVAL : 0;
}

static int64_t close_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->index)
		return uring_file_remove(request->ring, sqe->index - 1);
	struct file *file = sqe->fd < 0 ? 0 : file_get(sqe->fd);
	bool ring = file && file->ops == &uring_ops;
	if (file)
		file_release(file);
	return !file || ring ? -EBADF : sys_close(sqe->fd);
}

static int statx_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->buffer || sqe->index)
		return -EINVAL;
	return sqe->flags & SQE_FIXED_FILE ? -EBADF : path_copy(request, sqe->address, 0);
}

static int64_t statx_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sys_statx(sqe->fd, argument(request, 0), sqe->operation_flags, sqe->length, sqe->offset);
}

/* RENAMEAT, LINKAT: two paths, the second's directory in `length`; SYMLINKAT: two, the first a text. */
static int two_names_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool text = sqe->opcode == OP_SYMLINKAT;
	if (sqe->buffer || sqe->index || (text && (sqe->length || sqe->operation_flags)))
		return -EINVAL;
	if (sqe->flags & SQE_FIXED_FILE)
		return -EBADF;
	int error = path_copy(request, sqe->address, 0);
	return error ? error : path_copy(request, sqe->offset, 1);
}

static int64_t two_names_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	uint64_t first = argument(request, 0), second = argument(request, 1);
	if (sqe->opcode == OP_SYMLINKAT)
		return sys_symlinkat(first, sqe->fd, second);
	return sqe->opcode == OP_RENAMEAT
	           ? sys_renameat2(sqe->fd, first, (int)sqe->length, second, sqe->operation_flags)
	           : sys_linkat(sqe->fd, first, (int)sqe->length, second, sqe->operation_flags);
}

static int one_name_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool unlink = sqe->opcode == OP_UNLINKAT;
	if (sqe->offset || sqe->buffer || sqe->index || (unlink ? sqe->length : sqe->operation_flags))
		return -EINVAL;
	if (sqe->flags & SQE_FIXED_FILE)
		return -EBADF;
	if (unlink && (sqe->operation_flags & ~(uint32_t)AT_REMOVEDIR))
		return -EINVAL;
	return path_copy(request, sqe->address, 0);
}

static int64_t one_name_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sqe->opcode == OP_UNLINKAT ? sys_unlinkat(sqe->fd, argument(request, 0), sqe->operation_flags)
	                                  : sys_mkdirat(sqe->fd, argument(request, 0), sqe->length);
}

/* The name at `address`, the value at `offset`, the path at `address3`. */
static int xattr_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool set = sqe->opcode == OP_FSETXATTR || sqe->opcode == OP_SETXATTR;
	bool path = sqe->opcode == OP_SETXATTR || sqe->opcode == OP_GETXATTR;
	if (path && (sqe->flags & SQE_FIXED_FILE))
		return -EBADF;
	if (!set && sqe->operation_flags)
		return -EINVAL;
	int error = memory_string(request, sqe->address, XATTR_NAME_BYTES, &request->arguments[0]);
	if (error)
		return error == -ENAMETOOLONG ? -ERANGE : error;
	if (path && (error = path_copy(request, sqe->address3, 1)) != 0)
		return error;
	if (set && sqe->length > XATTR_VALUE_BYTES)
		return -E2BIG;
	return set && sqe->length ? memory_copy(request, sqe->offset, sqe->length, &request->arguments[2])
	                          : 0;
}

static int64_t xattr_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	uint64_t name = argument(request, 0), path = argument(request, 1);
	uint64_t value = sqe->length ? argument(request, 2) : 0;
	switch (sqe->opcode) {
	case OP_FSETXATTR:
		return sys_fsetxattr(REQUEST_FD, name, value, sqe->length, sqe->operation_flags);
	case OP_SETXATTR:
		return sys_setxattr(path, name, value, sqe->length, sqe->operation_flags);
	case OP_FGETXATTR:
		return sys_fgetxattr(REQUEST_FD, name, sqe->offset, sqe->length);
	default:
		return sys_getxattr(path, name, sqe->offset, sqe->length);
	}
}

/* ---- Polling ---- */

enum { POLL_MULTI = 1, POLL_UPDATE_EVENTS = 2, POLL_UPDATE_DATA = 4, POLL_LEVEL = 8 };

static int poll_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->buffer || sqe->offset || sqe->address ||
	    (sqe->length & ~(uint32_t)(POLL_MULTI | POLL_LEVEL)))
		return -EINVAL;
	request->multishot = sqe->length & POLL_MULTI;
	return request->multishot && (sqe->flags & SQE_SKIP_SUCCESS) ? -EINVAL : 0;
}

static int64_t poll_issue(struct request *request)
{
	if (!async_ready(request->job.group))
		return -EAGAIN;
	uint32_t there = request_arm(request, request->sqe.operation_flags);
	if (request->poll_failed)
		return -ENOMEM;
	if (there && !request->multishot)
		return there;
	if (there)
		uring_post(request->ring, request->sqe.user_data, there, CQE_MORE, false);
	request->was_async = true;
	return REQUEST_GOES_ON;
}

void poll_run(struct request *request)
{
	struct file *file = request->file;
	uint32_t there = file->ops->poll ? file->ops->poll(file, 0) & request->poll_events : 0;
	if (there && request->multishot)
		uring_post(request->ring, request->sqe.user_data, there, CQE_MORE, true);
	else if (there)
		request_complete(request, there, 0);
}

static int poll_remove_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	const uint32_t updates = POLL_UPDATE_EVENTS | POLL_UPDATE_DATA;
	if (sqe->buffer || sqe->index || (sqe->length & ~(updates | POLL_MULTI)) || sqe->length == POLL_MULTI)
		return -EINVAL;
	if (!(sqe->length & POLL_UPDATE_DATA) && sqe->offset)
		return -EINVAL;
	return !(sqe->length & POLL_UPDATE_EVENTS) && sqe->operation_flags ? -EINVAL : 0;
}

static int64_t poll_remove_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	struct request *other;
	list_for_each(other, &request->ring->requests, link)
	{
		if (other->sqe.opcode != OP_POLL_ADD || other->state != REQUEST_POLLS ||
		    other->sqe.user_data != sqe->address)
			continue;
		if (!(sqe->length & (POLL_UPDATE_EVENTS | POLL_UPDATE_DATA)))
			return request_cancel(other, -ECANCELED);
		if (sqe->length & POLL_UPDATE_EVENTS) {
			other->sqe.operation_flags = sqe->operation_flags;
			other->multishot = sqe->length & POLL_MULTI;
		}
		if (sqe->length & POLL_UPDATE_DATA)
			other->sqe.user_data = sqe->offset;
		request_disarm(other);
		if (request_arm(other, other->sqe.operation_flags))
			poll_run(other);
		return 0;
	}
	return -ENOENT;
}

/* ---- Cancelling ---- */

static int cancel_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	uint32_t flags = sqe->operation_flags;
	if (sqe->offset || sqe->index || (flags & ~(uint32_t)CANCEL_FLAGS) ||
	    (sqe->flags & SQE_BUFFER_SELECT))
		return -EINVAL;
	if ((flags & (CANCEL_FD | CANCEL_ANY)) == (CANCEL_FD | CANCEL_ANY))
		return -EINVAL;
	return 0;
}

static int64_t cancel_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	struct uring_cancel wanted = {.user_data = sqe->address, .flags = sqe->operation_flags};
	struct file *file = 0;
	if (wanted.flags & CANCEL_FD) {
		bool fixed = (sqe->flags & SQE_FIXED_FILE) || (wanted.flags & CANCEL_FD_FIXED);
		file = uring_file(request->ring, (uint32_t)sqe->fd, fixed);
		if (!file)
			return -EBADF;
		wanted.file = file;
	}
	int64_t result = uring_cancel(request->ring, &wanted, request);
	if (file)
		file_release(file);
	return result;
}

/* ---- Sockets ---- */

enum { SEND_POLL_FIRST = 1, RECEIVE_MULTI = 2, SEND_FIXED_BUFFER = 4 };
enum { ACCEPT_MULTI = 1 };

static bool message_operation(uint8_t opcode)
{
	return opcode == OP_SENDMSG || opcode == OP_RECVMSG || opcode == OP_SENDMSG_ZC;
}

/* A message's header, its vector and, of one to be sent, its address and control bytes; the header points to the copies.
 * Of one to be received the rest stays where it is. */
static int message_copy(struct request *request, bool send)
{
	struct user_message message;
	uint64_t at[4] = {0};
	if (copy_from_user(&message, request->sqe.address, sizeof(message)))
		return -EFAULT;
	if (message.segment_count > 1024)
		return -EMSGSIZE;
	if ((request->sqe.flags & SQE_BUFFER_SELECT) && message.segment_count != 1)
		return -EINVAL;
	if (send && message.control && message.control_bytes > CONTROL_BYTES)
		return -ENOBUFS;
	bool name = send && message.name && message.name_bytes;
	if (name && message.name_bytes > SOCKET_ADDRESS_BYTES)
		return -EINVAL;
	bool control = send && message.control && message.control_bytes;
	int error = memory_add(request, sizeof(message), &at[0]);
	if (!error)
		error = memory_copy(request, message.segments, message.segment_count * 16, &at[1]);
	if (!error && name)
		error = memory_copy(request, message.name, message.name_bytes, &at[2]);
	if (!error && control)
		error = memory_copy(request, message.control, message.control_bytes, &at[3]);
	if (error)
		return error;
	message.segments = (uint64_t)request->memory + at[1];
	if (name)
		message.name = (uint64_t)request->memory + at[2];
	if (control)
		message.control = (uint64_t)request->memory + at[3];
	memcpy(request->memory + at[0], &message, sizeof(message));
	request->arguments[0] = at[0];
	request->arguments[1] = at[1];
	return 0;
}

static int transfer_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool send = sqe->opcode == OP_SEND || sqe->opcode == OP_SENDMSG || sqe->opcode == OP_SEND_ZC ||
	            sqe->opcode == OP_SENDMSG_ZC;
	bool copies = sqe->opcode == OP_SEND_ZC || sqe->opcode == OP_SENDMSG_ZC;
	uint16_t known = SEND_POLL_FIRST | (sqe->opcode == OP_RECV ? RECEIVE_MULTI : 0) |
	                 (sqe->opcode == OP_SEND_ZC ? SEND_FIXED_BUFFER : 0);
	if ((sqe->priority & ~known) || (!copies && (sqe->index || sqe->offset)))
		return -EINVAL;
	if (copies && (sqe->flags & SQE_SKIP_SUCCESS))
		return -EINVAL;
	request->multishot = !send && (sqe->priority & RECEIVE_MULTI);
	if (request->multishot &&
	    (!(sqe->flags & SQE_BUFFER_SELECT) || sqe->length || (sqe->operation_flags & MSG_WAITALL)))
		return -EINVAL;
	if ((sqe->priority & SEND_FIXED_BUFFER) &&
	    !uring_buffer_holds(request->ring, sqe->buffer, sqe->address, sqe->length))
		return -EFAULT;
	request->no_wait = sqe->operation_flags & MSG_DONTWAIT;
	if (sqe->opcode == OP_SEND_ZC && sqe->offset) { /* an address, whose length is addr_len */
		uint32_t bytes = sqe->index & 0xffff;
		return bytes > SOCKET_ADDRESS_BYTES
		           ? -EINVAL
		           : memory_copy(request, sqe->offset, bytes, &request->arguments[0]);
	}
	return message_operation(sqe->opcode) ? message_copy(request, send) : 0;
}

/* What recvmsg has written into its copy of the header, into the guest's. */
static int64_t message_tell(const struct request *request, int64_t result)
{
	struct user_message message;
	uint64_t to = request->sqe.address;
	memcpy(&message, request->memory + request->arguments[0], sizeof(message));
	if (put_user_u32(to + offsetof(struct user_message, name_bytes), message.name_bytes) ||
	    put_user_u64(to + offsetof(struct user_message, control_bytes), message.control_bytes) ||
	    put_user_u32(to + offsetof(struct user_message, flags), message.flags))
		return -EFAULT;
	return result;
}

/* The buffer that REQUEST sends or receives: its own, or one that is lent. */
static int transfer_buffer(struct request *request, uint64_t *address, uint64_t *bytes)
{
	const struct uring_sqe *sqe = &request->sqe;
	*address = sqe->address + request->done;
	*bytes = sqe->length - request->done;
	if (!(sqe->flags & SQE_BUFFER_SELECT))
		return 0;
	struct linux_iovec *vector = (void *)(request->memory + request->arguments[1]);
	bool message = sqe->opcode == OP_RECVMSG;
	if (message) {
		const struct user_message *header = (void *)(request->memory + request->arguments[0]);
		*bytes = header->segment_count ? vector->bytes : 0;
	}
	int error = uring_borrow(request, address, bytes);
	if (!error && message)
		*vector = (struct linux_iovec){*address, *bytes};
	return error;
}

static int64_t transfer_call(struct request *request, uint64_t address, uint64_t bytes)
{
	const struct uring_sqe *sqe = &request->sqe;
	uint32_t flags = sqe->operation_flags | MSG_NOSIGNAL;
	int64_t result;
	switch (sqe->opcode) {
	case OP_SENDMSG:
	case OP_SENDMSG_ZC:
		return sys_sendmsg(REQUEST_FD, argument(request, 0), flags);
	case OP_RECVMSG:
		result = sys_recvmsg(REQUEST_FD, argument(request, 0), flags);
		return result < 0 ? result : message_tell(request, result);
	case OP_SEND:
		return sys_sendto(REQUEST_FD, address, bytes, flags, 0, 0);
	case OP_SEND_ZC:
		return sys_sendto(REQUEST_FD, address, bytes, flags, sqe->offset ? argument(request, 0) : 0,
		                  (int32_t)(sqe->index & 0xffff));
	default:
		return sys_recvfrom(REQUEST_FD, address, bytes, flags, 0, 0);
	}
}

/* Sends what is copied, so that the buffer is the guest's again at once: the completion, and the notification. */
static int64_t transfer_copied(struct request *request, int64_t result)
{
	uring_post(request->ring, request->sqe.user_data, result, CQE_MORE, request->was_async);
	if (result < 0)
		request->failed = true;
	request->notifies = true;
	return 0;
}

static int64_t transfer_once(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool all = (sqe->operation_flags & MSG_WAITALL) && !message_operation(sqe->opcode);
	uint64_t address, bytes;
	int error = transfer_buffer(request, &address, &bytes);
	if (error)
		return request->done ? (int64_t)request->done : error;
	int64_t result = transfer_call(request, address, bytes);
	if (result <= 0 && result != -EAGAIN && sqe->opcode != OP_SENDMSG)
		uring_give_back(request);
	if (all && result > 0) {
		request->done += (uint64_t)result;
		if (request->done < sqe->length && current_task()->no_sleep && !request->no_wait)
			return -EAGAIN;
		result = (int64_t)request->done;
	} else if (request->done && result <= 0 && !(result == -EAGAIN && !request->no_wait)) {
		result = (int64_t)request->done;
	}
	if (result < 0 || (all && (uint64_t)result < sqe->length))
		request->failed = result != -EAGAIN;
	return result;
}

/* Results one after the other, each in a lent buffer, until the file has no more. */
static int64_t transfer_many(struct request *request)
{
	for (uint32_t count = 0; count < MULTISHOT_TURN; count++) {
		int64_t result = transfer_once(request);
		if (result <= 0)
			return result;
		uring_post(request->ring, request->sqe.user_data, result,
		           CQE_MORE | CQE_BUFFER | (uint32_t)request->buffer_id << CQE_BUFFER_SHIFT,
		           request->was_async);
		request->has_buffer = false;
		heap_free(request->lent);
		request->lent = 0;
	}
	return request_soon(request) ? REQUEST_GOES_ON : -EAGAIN;
}

static int64_t transfer_issue(struct request *request)
{
	bool copies = request->sqe.opcode == OP_SEND_ZC || request->sqe.opcode == OP_SENDMSG_ZC;
	if (!request->file->ops->socket)
		return -ENOTSOCK;
	/* It is tried only when its socket is ready. */
	if ((request->sqe.priority & SEND_POLL_FIRST) && !request->was_async) {
		current_task()->would_sleep = true;
		return -EAGAIN;
	}
	int64_t result = request->multishot ? transfer_many(request) : transfer_once(request);
	if (copies && result != -EAGAIN)
		return transfer_copied(request, result);
	return result;
}

static int accept_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->length || sqe->buffer || (sqe->priority & ~ACCEPT_MULTI))
		return -EINVAL;
	if (sqe->index && (sqe->operation_flags & SOCK_CLOEXEC))
		return -EINVAL;
	request->multishot = sqe->priority & ACCEPT_MULTI;
	return request->multishot && sqe->index && sqe->index != FILE_INDEX_ALLOCATE ? -EINVAL : 0;
}

static int64_t accept_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	for (uint32_t count = 0; count < MULTISHOT_TURN; count++) {
		int64_t fd =
		    placed(request, sys_accept4(REQUEST_FD, sqe->address, sqe->offset, sqe->operation_flags));
		if (fd < 0 || !request->multishot)
			return fd;
		uring_post(request->ring, sqe->user_data, fd, CQE_MORE, request->was_async);
	}
	return request_soon(request) ? REQUEST_GOES_ON : -EAGAIN;
}

static int connect_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->length || sqe->buffer || sqe->operation_flags || sqe->index)
		return -EINVAL;
	if (sqe->offset > SOCKET_ADDRESS_BYTES)
		return -EINVAL;
	return memory_copy(request, sqe->address, sqe->offset, &request->arguments[0]);
}

static int64_t connect_issue(struct request *request)
{
	struct task *task = current_task();
	int64_t result = sys_connect(REQUEST_FD, argument(request, 0), (int32_t)request->sqe.offset);
	/* As for O_NONBLOCK elsewhere: it is waited for. */
	return task->no_sleep && (result == -EINPROGRESS || result == -EALREADY) ? -EAGAIN : result;
}

static int shutdown_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sqe->offset || sqe->address || sqe->operation_flags || sqe->buffer || sqe->index ? -EINVAL : 0;
}

static int64_t shutdown_issue(struct request *request)
{
	return sys_shutdown(REQUEST_FD, (int)request->sqe.length);
}

static int socket_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->address || sqe->operation_flags || sqe->buffer)
		return -EINVAL;
	return sqe->index && (sqe->offset & SOCK_CLOEXEC) ? -EINVAL : 0;
}

static int64_t socket_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return placed(request, sys_socket(sqe->fd, (int)sqe->offset, (int)sqe->length));
}

/* ---- Others ---- */

static int epoll_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->buffer || sqe->index)
		return -EINVAL;
	if (sqe->flags & SQE_FIXED_FILE)
		return -EBADF;
	if (sqe->length == EPOLL_CTL_DEL)
		return 0;
	return memory_copy(request, sqe->address, sizeof(struct linux_epoll_event), &request->arguments[0]);
}

static int64_t epoll_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sys_epoll_ctl(sqe->fd, (int)sqe->length, (int)sqe->offset,
	                     sqe->length == EPOLL_CTL_DEL ? 0 : argument(request, 0));
}

#define SPLICE_FIXED_IN (1u << 31)

static int splice_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	uint64_t at;
	if (sqe->operation_flags & ~(SPLICE_FIXED_IN | 15))
		return -EINVAL;
	if (sqe->opcode == OP_TEE)
		return sqe->address || sqe->offset ? -EINVAL : 0;
	/* The two offsets, where the call reads them. */
	int error = memory_add(request, 16, &at);
	if (error)
		return error;
	memcpy(request->memory + at, &sqe->address, 8);
	memcpy(request->memory + at + 8, &sqe->offset, 8);
	request->arguments[0] = at;
	return 0;
}

static int64_t splice_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	struct task *task = current_task();
	struct file *in = uring_file(request->ring, sqe->index, sqe->operation_flags & SPLICE_FIXED_IN);
	uint32_t flags = sqe->operation_flags & ~SPLICE_FIXED_IN;
	int64_t result = -EBADF;
	if (!in)
		return -EBADF;
	task->request_second = in;
	if (sqe->opcode == OP_TEE)
		result = sys_tee(REQUEST_SECOND_FD, REQUEST_FD, sqe->length, flags);
	else
		result = sys_splice(REQUEST_SECOND_FD, sqe->address == UINT64_MAX ? 0 : argument(request, 0),
		                    REQUEST_FD, sqe->offset == UINT64_MAX ? 0 : argument(request, 0) + 8,
		                    sqe->length, flags);
	task->request_second = 0;
	file_release(in);
	request->failed = result != (int64_t)sqe->length;
	return result;
}

static int lend_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool remove = sqe->opcode == OP_REMOVE_BUFFERS;
	uint64_t end;
	if (sqe->operation_flags || sqe->index)
		return -EINVAL;
	if (!sqe->fd || (uint32_t)sqe->fd > UINT16_MAX)
		return remove ? -EINVAL : -E2BIG;
	if (remove)
		return sqe->address || sqe->length || sqe->offset ? -EINVAL : 0;
	if (__builtin_add_overflow(sqe->address, (uint64_t)sqe->length * (uint32_t)sqe->fd, &end))
		return -EOVERFLOW;
	if (!user_range(sqe->address, end - sqe->address))
		return -EFAULT;
	if (sqe->offset > UINT16_MAX)
		return -E2BIG;
	return sqe->offset + (uint32_t)sqe->fd > UINT16_MAX ? -EINVAL : 0;
}

static int64_t lend_issue(struct request *request)
{
	return request->sqe.opcode == OP_PROVIDE_BUFFERS ? uring_lend(request->ring, &request->sqe)
	                                                 : uring_unlend(request->ring, &request->sqe);
}

static int update_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if ((sqe->flags & (SQE_FIXED_FILE | SQE_BUFFER_SELECT)) || sqe->operation_flags || sqe->index)
		return -EINVAL;
	return sqe->length && sqe->address ? 0 : -EINVAL;
}

/* FILE_INDEX_ALLOCATE: each file goes where there is room, and its place is told in place of its descriptor. */
static int64_t files_place(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	int64_t error = 0;
	uint32_t done = 0;
	for (; done < sqe->length; done++) {
		uint32_t fd;
		error = get_user_u32(&fd, sqe->address + done * 4ull);
		if (error)
			break;
		struct file *file = uring_file(request->ring, fd, false);
		error = file ? uring_file_place(request->ring, file, FILE_INDEX_ALLOCATE) : -EBADF;
		if (error >= 0 && put_user_u32(sqe->address + done * 4ull, (uint32_t)error)) {
			(void)uring_file_remove(request->ring, (uint32_t)error);
			error = -EFAULT;
		}
		if (error < 0)
			break;
	}
	return done ? done : error;
}

static int64_t update_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return (uint32_t)sqe->offset == FILE_INDEX_ALLOCATE
	           ? files_place(request)
	           : uring_files_update(request->ring, (uint32_t)sqe->offset, sqe->address, 0, sqe->length);
}

enum { MESSAGE_DATA, MESSAGE_FILE };
enum { MESSAGE_CQE_SKIP = 1 };

static int message_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sqe->buffer || sqe->personality || (sqe->operation_flags & ~(uint32_t)MESSAGE_CQE_SKIP)
	           ? -EINVAL
	           : 0;
}

static int64_t message_file(struct request *request, struct uring *to)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (to == request->ring)
		return -EINVAL;
	struct file *file = uring_file(request->ring, (uint32_t)sqe->address3, true);
	if (!file)
		return -EBADF;
	int64_t result = uring_file_place(to, file, sqe->index);
	if (result >= 0 && !(sqe->operation_flags & MESSAGE_CQE_SKIP))
		uring_post(to, sqe->offset, sqe->length, 0, true);
	return result;
}

static int64_t message_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (request->file->ops != &uring_ops)
		return -EBADFD;
	struct uring *to = request->file->private;
	if (to->flags & SETUP_DISABLED)
		return -EBADFD;
	if (sqe->address == MESSAGE_FILE)
		return message_file(request, to);
	if (sqe->address != MESSAGE_DATA || sqe->address3 || sqe->index)
		return -EINVAL;
	uring_post(to, sqe->offset, sqe->length, 0, true);
	return 0;
}

/* ---- The table ---- */

#define READS  (POLLIN | POLLRDNORM)
#define WRITES (POLLOUT | POLLWRNORM)

const struct operation uring_operations[OP_COUNT] = {
    [OP_NOP] = {.issue = nop_issue, .iopoll = true},
    [OP_READV] = {.prepare = rw_prepare,
                  .issue = rw_issue,
                  .polls = READS,
                  .file = true,
                  .buffer_select = true,
                  .priority = true,
                  .iopoll = true},
    [OP_READ] = {.prepare = rw_prepare,
                 .issue = rw_issue,
                 .polls = READS,
                 .file = true,
                 .buffer_select = true,
                 .priority = true,
                 .iopoll = true},
    [OP_READ_FIXED] = {.prepare = rw_prepare,
                       .issue = rw_issue,
                       .polls = READS,
                       .file = true,
                       .priority = true,
                       .iopoll = true},
    [OP_WRITEV] = {.prepare = rw_prepare,
                   .issue = rw_issue,
                   .polls = WRITES,
                   .file = true,
                   .priority = true,
                   .iopoll = true},
    [OP_WRITE] = {.prepare = rw_prepare,
                  .issue = rw_issue,
                  .polls = WRITES,
                  .file = true,
                  .priority = true,
                  .iopoll = true},
    [OP_WRITE_FIXED] = {.prepare = rw_prepare,
                        .issue = rw_issue,
                        .polls = WRITES,
                        .file = true,
                        .priority = true,
                        .iopoll = true},
    [OP_FSYNC] = {.prepare = sync_prepare, .issue = sync_issue, .file = true},
    [OP_SYNC_FILE_RANGE] = {.prepare = sync_prepare, .issue = sync_issue, .file = true},
    [OP_POLL_ADD] = {.prepare = poll_prepare, .issue = poll_issue, .file = true},
    [OP_POLL_REMOVE] = {.prepare = poll_remove_prepare, .issue = poll_remove_issue},
    [OP_SENDMSG] = {.prepare = transfer_prepare,
                    .issue = transfer_issue,
                    .polls = WRITES,
                    .file = true,
                    .priority = true},
    [OP_SENDMSG_ZC] = {.prepare = transfer_prepare,
                       .issue = transfer_issue,
                       .polls = WRITES,
                       .file = true,
                       .priority = true},
    [OP_SEND] = {.prepare = transfer_prepare,
                 .issue = transfer_issue,
                 .polls = WRITES,
                 .file = true,
                 .priority = true},
    [OP_SEND_ZC] = {.prepare = transfer_prepare,
                    .issue = transfer_issue,
                    .polls = WRITES,
                    .file = true,
                    .priority = true},
    [OP_RECVMSG] = {.prepare = transfer_prepare,
                    .issue = transfer_issue,
                    .polls = READS,
                    .file = true,
                    .buffer_select = true,
                    .priority = true},
    [OP_RECV] = {.prepare = transfer_prepare,
                 .issue = transfer_issue,
                 .polls = READS,
                 .file = true,
                 .buffer_select = true,
                 .priority = true},
    [OP_ACCEPT] =
        {.prepare = accept_prepare, .issue = accept_issue, .polls = READS, .file = true, .priority = true},
    [OP_CONNECT] = {.prepare = connect_prepare, .issue = connect_issue, .polls = WRITES, .file = true},
    [OP_SHUTDOWN] = {.prepare = shutdown_prepare, .issue = shutdown_issue, .file = true},
    [OP_SOCKET] = {.prepare = socket_prepare, .issue = socket_issue},
    [OP_TIMEOUT] = {.prepare = timeout_prepare, .issue = timeout_issue, .iopoll = true},
    [OP_LINK_TIMEOUT] = {.prepare = timeout_prepare, .issue = nop_issue, .iopoll = true},
    [OP_TIMEOUT_REMOVE] = {.prepare = timeout_remove_prepare, .issue = timeout_remove_issue, .iopoll = true},
    [OP_ASYNC_CANCEL] = {.prepare = cancel_prepare, .issue = cancel_issue, .iopoll = true},
    [OP_FALLOCATE] = {.prepare = fallocate_prepare, .issue = fallocate_issue, .file = true},
    [OP_FADVISE] = {.prepare = advise_prepare, .issue = advise_issue, .file = true},
    [OP_MADVISE] = {.prepare = advise_prepare, .issue = advise_issue},
    [OP_OPENAT] = {.prepare = open_prepare, .issue = open_issue},
    [OP_OPENAT2] = {.prepare = open_prepare, .issue = open_issue},
    [OP_CLOSE] = {.prepare = close_prepare, .issue = close_issue},
    [OP_STATX] = {.prepare = statx_prepare, .issue = statx_issue},
    [OP_RENAMEAT] = {.prepare = two_names_prepare, .issue = two_names_issue},
    [OP_LINKAT] = {.prepare = two_names_prepare, .issue = two_names_issue},
    [OP_SYMLINKAT] = {.prepare = two_names_prepare, .issue = two_names_issue},
    [OP_UNLINKAT] = {.prepare = one_name_prepare, .issue = one_name_issue},
    [OP_MKDIRAT] = {.prepare = one_name_prepare, .issue = one_name_issue},
    [OP_FSETXATTR] = {.prepare = xattr_prepare, .issue = xattr_issue, .file = true},
    [OP_SETXATTR] = {.prepare = xattr_prepare, .issue = xattr_issue},
    [OP_FGETXATTR] = {.prepare = xattr_prepare, .issue = xattr_issue, .file = true},
    [OP_GETXATTR] = {.prepare = xattr_prepare, .issue = xattr_issue},
    [OP_EPOLL_CTL] = {.prepare = epoll_prepare, .issue = epoll_issue},
    [OP_SPLICE] = {.prepare = splice_prepare, .issue = splice_issue, .file = true, .sleeps = true},
    [OP_TEE] = {.prepare = splice_prepare, .issue = splice_issue, .file = true, .sleeps = true},
    [OP_PROVIDE_BUFFERS] = {.prepare = lend_prepare, .issue = lend_issue, .iopoll = true},
    [OP_REMOVE_BUFFERS] = {.prepare = lend_prepare, .issue = lend_issue, .iopoll = true},
    [OP_FILES_UPDATE] = {.prepare = update_prepare, .issue = update_issue, .iopoll = true},
    [OP_MSG_RING] = {.prepare = message_prepare, .issue = message_issue, .file = true, .iopoll = true},
    [OP_URING_CMD] = {.issue = command_issue, .file = true, .iopoll = true},
};
