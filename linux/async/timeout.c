/* Time-outs of io_uring(7): TIMEOUT, LINK_TIMEOUT, and their removal and change. */
#include "uring.h"

enum {
	TIMEOUT_ABSOLUTE = 1,
	TIMEOUT_UPDATE = 2,
	TIMEOUT_BOOTTIME = 4,
	TIMEOUT_REALTIME = 8,
	TIMEOUT_LINK_UPDATE = 16,
	TIMEOUT_ETIME_SUCCESS = 32,
	TIMEOUT_CLOCKS = TIMEOUT_BOOTTIME | TIMEOUT_REALTIME,
	TIMEOUT_UPDATES = TIMEOUT_UPDATE | TIMEOUT_LINK_UPDATE,
};

static void timeout_expire(struct timer *timer)
{
	async_again(&container_of(timer, struct request, timer)->job);
}

static void timeout_start(struct request *request, uint32_t flags)
{
	int32_t clock = flags & TIMEOUT_REALTIME   ? CLOCK_REALTIME
	                : flags & TIMEOUT_BOOTTIME ? CLOCK_BOOTTIME
	                                           : CLOCK_MONOTONIC;
	uint64_t deadline = clock_monotonic() + request->time;
	if (flags & TIMEOUT_ABSOLUTE)
		(void)clock_deadline(clock, request->time, &deadline);
	request->timer.expire = timeout_expire;
	request->state = REQUEST_TIMES;
	timer_set(&request->timer, deadline);
}

int timeout_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	const uint32_t known = TIMEOUT_ABSOLUTE | TIMEOUT_CLOCKS | TIMEOUT_ETIME_SUCCESS;
	bool link = sqe->opcode == OP_LINK_TIMEOUT;
	if (sqe->buffer || sqe->length != 1 || sqe->index || (sqe->offset && link))
		return -EINVAL;
	if ((sqe->operation_flags & ~known) || (sqe->operation_flags & TIMEOUT_CLOCKS) == TIMEOUT_CLOCKS)
		return -EINVAL;
	request->expected = sqe->operation_flags & TIMEOUT_ETIME_SUCCESS;
	return sqe->address ? get_user_timespec(sqe->address, &request->time) : -EFAULT;
}

void timeout_arm(struct request *request)
{
	(void)async_ready(request->job.group);
	timeout_start(request, request->sqe.operation_flags);
}

int64_t timeout_issue(struct request *request)
{
	struct uring *ring = request->ring;
	if (!async_ready(request->job.group))
		return -EAGAIN;
	request->was_async = true;
	if (request->sqe.offset) {
		request->target = ring->completions + (uint32_t)request->sqe.offset;
		list_append(&ring->counting, &request->counting_link);
	}
	timeout_start(request, request->sqe.operation_flags);
	return REQUEST_GOES_ON;
}

void timeout_run(struct request *request)
{
	struct request *limited = request->limits;
	int64_t result = -ETIME;
	if (limited) {
		limited->limit = 0;
		request->limits = 0;
		int error = request_cancel(limited, -ECANCELED);
		result = error ? error : -ETIME;
	}
	request->was_async = true;
	request_complete(request, result, 0);
}

void timeouts_flush(struct uring *ring)
{
	struct request *request, *next;
	bool again;
	do {
		again = false;
		list_for_each_safe(request, next, &ring->counting, counting_link)
		{
			if ((int32_t)(ring->completions - request->target) < 0)
				continue;
			request_complete(request, 0, 0); /* which may end others in the list */
			again = true;
			break;
		}
	} while (again);
}

int timeout_remove_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	uint32_t flags = sqe->operation_flags;
	if (sqe->buffer || sqe->length || sqe->index)
		return -EINVAL;
	if (!(flags & TIMEOUT_UPDATES))
		return flags ? -EINVAL : 0;
	if ((flags & TIMEOUT_CLOCKS) == TIMEOUT_CLOCKS ||
	    (flags & ~(uint32_t)(TIMEOUT_UPDATES | TIMEOUT_ABSOLUTE | TIMEOUT_CLOCKS)))
		return -EINVAL;
	return sqe->offset ? get_user_timespec(sqe->offset, &request->time) : -EFAULT;
}

int64_t timeout_remove_issue(struct request *request)
{
	uint32_t flags = request->sqe.operation_flags;
	uint8_t opcode = flags & TIMEOUT_LINK_UPDATE ? OP_LINK_TIMEOUT : OP_TIMEOUT;
	struct request *other;
	list_for_each(other, &request->ring->requests, link)
	{
		if (other->sqe.opcode != opcode || other->state != REQUEST_TIMES ||
		    other->sqe.user_data != request->sqe.address)
			continue;
		if (!(flags & TIMEOUT_UPDATES))
			return request_cancel(other, -ECANCELED);
		async_stop(&other->job);
		timer_cancel(&other->timer);
		list_remove(&other->counting_link);
		other->time = request->time;
		timeout_start(other, flags);
		return 0;
	}
	return -ENOENT;
}
