/* The operations of io_uring(7): each is the system call of its kind, with arguments from an entry.
 *
 * `prepare` looks at the entry when it is submitted and copies what its arguments point to; `issue` makes the call. The
 * request's file is its descriptor REQUEST_FD; user_copy's callers find its copies as they would find guest memory
 * (include/user.h). Those on names and on sockets are in names.c and sockets.c.
 */
#include "operations.h"
#include "../fs/io.h"
#include "../fs/open.h"

int64_t sys_fsync(int fd);
int64_t sys_fdatasync(int fd);
int64_t sys_sync_file_range(int fd, int64_t offset, int64_t bytes, uint32_t flags);
int64_t sys_fallocate(int fd, int mode, int64_t offset, int64_t bytes);
int64_t sys_fadvise64(int fd, int64_t offset, int64_t bytes, int advice);
int64_t sys_madvise(uint64_t start, uint64_t bytes, int advice);
int64_t sys_epoll_ctl(int epoll_fd, int operation, int fd, uint64_t address);
int64_t sys_splice(int in, uint64_t in_offset, int out, uint64_t out_offset, uint64_t bytes, uint32_t flags);
int64_t sys_tee(int in, int out, uint64_t bytes, uint32_t flags);

#define ROUND 16u /* what lies in a request's memory is aligned so */

/* ---- Copies of arguments ---- */

int request_memory_add(struct request *request, uint64_t bytes, uint64_t *at)
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

int request_memory_copy(struct request *request, uint64_t from, uint64_t bytes, uint64_t *at)
{
	int error = request_memory_add(request, bytes, at);
	return error ? error : copy_from_user(request->memory + *at, from, bytes);
}

uint64_t argument_of(const struct request *request, unsigned number)
{
	return (uint64_t)request->memory + request->arguments[number];
}

int64_t request_placed(struct request *request, int64_t fd)
{
	uint32_t index = request->sqe.index;
	if (fd < 0 || !index)
		return fd;
	struct file *file = file_take((int)fd);
	return file ? uring_file_place(request->ring, file, index) : -EBADF;
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
	int wrong = sqe->priority ? io_priority_check(sqe->priority) : 0;
	if (wrong)
		return wrong;
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
	return request_memory_copy(request, sqe->address, sizeof(struct linux_epoll_event),
	                           &request->arguments[0]);
}

static int64_t epoll_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sys_epoll_ctl(sqe->fd, (int)sqe->length, (int)sqe->offset,
	                     sqe->length == EPOLL_CTL_DEL ? 0 : argument_of(request, 0));
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
	int error = request_memory_add(request, 16, &at);
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
		result = sys_splice(
		    REQUEST_SECOND_FD, sqe->address == UINT64_MAX ? 0 : argument_of(request, 0), REQUEST_FD,
		    sqe->offset == UINT64_MAX ? 0 : argument_of(request, 0) + 8, sqe->length, flags);
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
    [OP_SOCKET] = {.prepare = new_socket_prepare, .issue = new_socket_issue},
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
