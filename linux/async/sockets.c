/* Operations of io_uring(7) on sockets: sending, receiving, accepting, connecting. */
#include "operations.h"
#include "../net/socket.h"

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

#define CONTROL_BYTES  20480u /* net.core.optmem_max */
#define MULTISHOT_TURN 16u    /* results of one turn */

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
	int error = request_memory_add(request, sizeof(message), &at[0]);
	if (!error)
		error = request_memory_copy(request, message.segments, message.segment_count * 16, &at[1]);
	if (!error && name)
		error = request_memory_copy(request, message.name, message.name_bytes, &at[2]);
	if (!error && control)
		error = request_memory_copy(request, message.control, message.control_bytes, &at[3]);
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

int transfer_prepare(struct request *request)
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
		           : request_memory_copy(request, sqe->offset, bytes, &request->arguments[0]);
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
		return sys_sendmsg(REQUEST_FD, argument_of(request, 0), flags);
	case OP_RECVMSG:
		result = sys_recvmsg(REQUEST_FD, argument_of(request, 0), flags);
		return result < 0 ? result : message_tell(request, result);
	case OP_SEND:
		return sys_sendto(REQUEST_FD, address, bytes, flags, 0, 0);
	case OP_SEND_ZC:
		return sys_sendto(REQUEST_FD, address, bytes, flags,
		                  sqe->offset ? argument_of(request, 0) : 0, (int32_t)(sqe->index & 0xffff));
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

int64_t transfer_issue(struct request *request)
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

int accept_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->length || sqe->buffer || (sqe->priority & ~ACCEPT_MULTI))
		return -EINVAL;
	if (sqe->index && (sqe->operation_flags & SOCK_CLOEXEC))
		return -EINVAL;
	request->multishot = sqe->priority & ACCEPT_MULTI;
	return request->multishot && sqe->index && sqe->index != FILE_INDEX_ALLOCATE ? -EINVAL : 0;
}

int64_t accept_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	for (uint32_t count = 0; count < MULTISHOT_TURN; count++) {
		int64_t fd = request_placed(
		    request, sys_accept4(REQUEST_FD, sqe->address, sqe->offset, sqe->operation_flags));
		if (fd < 0 || !request->multishot)
			return fd;
		uring_post(request->ring, sqe->user_data, fd, CQE_MORE, request->was_async);
	}
	return request_soon(request) ? REQUEST_GOES_ON : -EAGAIN;
}

int connect_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->length || sqe->buffer || sqe->operation_flags || sqe->index)
		return -EINVAL;
	if (sqe->offset > SOCKET_ADDRESS_BYTES)
		return -EINVAL;
	return request_memory_copy(request, sqe->address, sqe->offset, &request->arguments[0]);
}

int64_t connect_issue(struct request *request)
{
	struct task *task = current_task();
	int64_t result = sys_connect(REQUEST_FD, argument_of(request, 0), (int32_t)request->sqe.offset);
	/* As for O_NONBLOCK elsewhere: it is waited for. */
	return task->no_sleep && (result == -EINPROGRESS || result == -EALREADY) ? -EAGAIN : result;
}

int shutdown_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sqe->offset || sqe->address || sqe->operation_flags || sqe->buffer || sqe->index ? -EINVAL : 0;
}

int64_t shutdown_issue(struct request *request)
{
	return sys_shutdown(REQUEST_FD, (int)request->sqe.length);
}

int new_socket_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->address || sqe->operation_flags || sqe->buffer)
		return -EINVAL;
	return sqe->index && (sqe->offset & SOCK_CLOEXEC) ? -EINVAL : 0;
}

int64_t new_socket_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return request_placed(request, sys_socket(sqe->fd, (int)sqe->offset, (int)sqe->length));
}
