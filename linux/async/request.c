/* The life of a request of io_uring(7): from its entry through its chain, its waiting, to its completion. */
#include "uring.h"

#define TRIES_MAX 8u /* in a row, before a thread sleeps in the call */

static uint32_t requests; /* of all rings */

static void request_run(struct async_job *job, bool sleep);
static bool request_job_cancel(struct async_job *job);

static struct request *request_of(struct async_job *job)
{
	return container_of(job, struct request, job);
}

struct credentials *credentials_hold(const struct credentials *credentials)
{
	struct credentials *copy = heap_allocate(sizeof(*copy));
	if (!copy)
		return 0;
	*copy = *credentials;
	(void)namespace_reference(&copy->user->common);
	return copy;
}

void credentials_drop(struct credentials *credentials)
{
	if (credentials)
		namespace_release(&credentials->user->common);
	heap_free(credentials);
}

/* ---- Waiting for a file ---- */

static bool request_wake(struct wait_entry *entry, uint32_t events)
{
	struct request *request = container_of(entry, struct request_hook, entry)->request;
	if (!events || (events & request->poll_events))
		async_again(&request->job);
	return false;
}

static void request_hook(struct poll_table *table, struct wait_queue *queue)
{
	struct request *request = container_of(table, struct request, table);
	if (request->poll_count == REQUEST_POLLS_MAX) {
		request->poll_failed = true;
		return;
	}
	struct request_hook *hook = &request->polls[request->poll_count++];
	hook->request = request;
	hook->entry = (struct wait_entry){.wake = request_wake};
	list_append(&queue->entries, &hook->entry.link);
}

uint32_t request_arm(struct request *request, uint32_t events)
{
	struct file *file = request->file;
	request->poll_events = events | POLLERR | POLLHUP;
	request->poll_failed = false;
	request->table.add = request_hook;
	request->state = REQUEST_POLLS;
	uint32_t there = file->ops->poll ? file->ops->poll(file, &request->table)
	                                 : POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return there & request->poll_events;
}

void request_disarm(struct request *request)
{
	while (request->poll_count)
		list_remove(&request->polls[--request->poll_count].entry.link);
}

/* REQUEST would have slept. */
static void request_wait(struct request *request)
{
	const struct operation *operation = &uring_operations[request->sqe.opcode];
	if (!request->credentials)
		request->credentials = credentials_hold(&current_task()->credentials);
	request->was_async = true;
	if (!request->credentials || !async_ready(request->job.group)) {
		request_complete(request, -EAGAIN, 0);
	} else if (operation->polls && request->file->ops->poll && request->tries < TRIES_MAX) {
		uint32_t there = request_arm(request, operation->polls);
		if (request->poll_failed) {
			request_disarm(request);
			request->tries = TRIES_MAX;
		} else {
			request->tries = there ? request->tries + 1 : 0;
		}
		if (there || request->poll_failed)
			async_again(&request->job);
	} else {
		request->state = REQUEST_BLOCKS;
		if (!async_block(&request->job))
			request_complete(request, -EAGAIN, 0);
	}
}

/* ---- Running ---- */

static int64_t request_call(struct request *request, bool sleep)
{
	struct task *task = current_task();
	struct credentials own = task->credentials;
	if (request->credentials)
		task->credentials = *request->credentials;
	task->request_file = request->file;
	task->request_memory = request->memory;
	task->request_bytes = request->memory_bytes;
	task->no_sleep = !sleep;
	task->would_sleep = false;
	int64_t result = uring_operations[request->sqe.opcode].issue(request);
	task->no_sleep = false;
	task->request_file = 0;
	task->request_memory = 0;
	task->request_bytes = 0;
	task->credentials = own;
	files_let_go(task);
	return result;
}

static void request_issue(struct request *request, bool sleep)
{
	const struct operation *operation = &uring_operations[request->sqe.opcode];
	struct uring *ring = request->ring;
	if (async_ending(request->job.group) || ring->closing) {
		request_complete(request, -ECANCELED, 0);
		return;
	}
	if (operation->file && !request->file)
		request->file =
		    uring_file(ring, (uint32_t)request->sqe.fd, request->sqe.flags & SQE_FIXED_FILE);
	if (operation->file && !request->file) {
		request_complete(request, -EBADF, 0);
		return;
	}
	if (request->next && request->next->sqe.opcode == OP_LINK_TIMEOUT) {
		struct request *limit = request->next;
		request->next = limit->next;
		limit->next = 0;
		request->limit = limit;
		limit->limits = request;
		timeout_arm(limit);
	}
	bool first = !request->was_async && (request->sqe.flags & SQE_ASYNC);
	if (!sleep && !request->no_wait && (operation->sleeps || (first && operation->polls))) {
		request_wait(request);
		return;
	}
	request->state = sleep ? REQUEST_BLOCKS : REQUEST_RUNS;
	int64_t result = request_call(request, sleep);
	request->job.worker = 0;
	if (result == REQUEST_GOES_ON)
		return;
	/* O_NONBLOCK is for other callers: where a file can be waited for, it is. */
	bool waits = current_task()->would_sleep || (operation->polls && request->file->ops->poll);
	if (result == -EAGAIN && !sleep && waits && !request->no_wait) {
		uring_give_back(request);
		request_wait(request);
		return;
	}
	if (result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
	    result == -ERESTART_RESTARTBLOCK)
		result = -EINTR;
	request_complete(request, result, 0);
}

static void request_run(struct async_job *job, bool sleep)
{
	struct request *request = request_of(job);
	switch (request->state) {
	case REQUEST_NEW:
	case REQUEST_BLOCKS:
		request_issue(request, sleep);
		return;
	case REQUEST_POLLS:
		if (request->sqe.opcode == OP_POLL_ADD) {
			poll_run(request);
			return;
		}
		request_disarm(request);
		request_issue(request, false);
		return;
	case REQUEST_TIMES:
		timeout_run(request);
		return;
	default:
		return;
	}
}

bool request_soon(struct request *request)
{
	request->state = REQUEST_NEW;
	return async_soon(&request->job);
}

/* ---- The end ---- */

static void request_free(struct request *request)
{
	struct uring *ring = request->ring;
	request_disarm(request);
	timer_cancel(&request->timer);
	async_remove(&request->job);
	list_remove(&request->link);
	list_remove(&request->deferred_link);
	list_remove(&request->counting_link);
	requests--;
	if (request->counted)
		ring->active--;
	if (request->file)
		file_release(request->file);
	credentials_drop(request->credentials);
	heap_free(request->lent);
	heap_free(request->segments);
	heap_free(request->memory);
	heap_free(request);
	uring_release(ring);
}

/* REQUEST is done, with what is after it in its chain cut off. QUIET: no completion. */
static void request_end(struct request *request, int64_t result, uint32_t flags, bool quiet)
{
	struct uring *ring = request->ring;
	struct request *limit = request->limit;
	if (request->has_buffer)
		flags |= CQE_BUFFER | (uint32_t)request->buffer_id << CQE_BUFFER_SHIFT;
	if (request->notifies)
		flags |= CQE_NOTIFICATION;
	if (request->limits) /* a LINK_TIMEOUT that fired or was cancelled */
		request->limits->limit = 0;
	if (!quiet)
		uring_post(ring, request->sqe.user_data, result, flags, request->was_async);
	if (request->sqe.opcode != OP_TIMEOUT)
		ring->completions++;
	request_free(request);
	if (limit) {
		limit->limits = 0;
		request_end(limit, -ECANCELED, 0, false);
	}
}

static void chain_fail(struct request *request, bool quiet)
{
	while (request) {
		struct request *next = request->next;
		request->next = 0;
		request_end(request, request->failed ? request->result : -ECANCELED, 0, quiet);
		request = next;
	}
}

void request_complete(struct request *request, int64_t result, uint32_t flags)
{
	struct uring *ring = request->ring;
	struct request *next = request->next;
	bool skip = request->sqe.flags & SQE_SKIP_SUCCESS;
	bool failed = request->failed || (result < 0 && !request->expected);
	bool broken = failed && !(request->sqe.flags & SQE_HARDLINK);
	request->next = 0;
	uring_reference(ring);
	request_end(request, result, flags, skip && !failed);
	if (next && (broken || !request_soon(next)))
		chain_fail(next, skip && broken);
	if (!ring->flushing) {
		ring->flushing = true;
		timeouts_flush(ring);
		request_run_deferred(ring);
		ring->flushing = false;
	}
	uring_release(ring);
}

int request_cancel(struct request *request, int result)
{
	switch (request->state) {
	case REQUEST_LINKED:
	case REQUEST_RUNS:
		return request->state == REQUEST_RUNS ? -EALREADY : -ENOENT;
	case REQUEST_TIMES:
		if (request->sqe.opcode == OP_LINK_TIMEOUT)
			return -ENOENT;
		break;
	default:
		break;
	}
	async_stop(&request->job);
	if (request->job.worker)
		return -EALREADY;
	request_complete(request, result, 0);
	return 0;
}

static bool request_job_cancel(struct async_job *job)
{
	return request_cancel(request_of(job), -ECANCELED) == 0;
}

void uring_cancel_all(struct uring *ring)
{
	struct request *request;
	bool again;
	do {
		again = false;
		list_for_each(request, &ring->requests, link)
		{
			if (request->job.worker) {
				async_stop(&request->job);
			} else if (request_cancel(request, -ECANCELED) == 0) {
				again = true;
				break;
			}
		}
	} while (again);
}

static bool cancel_matches(const struct request *request, const struct uring_cancel *wanted)
{
	if (wanted->flags & CANCEL_ANY)
		return true;
	if (wanted->flags & CANCEL_FD)
		return request->file == wanted->file;
	return request->sqe.user_data == wanted->user_data;
}

int64_t uring_cancel(struct uring *ring, const struct uring_cancel *wanted, const struct request *self)
{
	bool all = wanted->flags & (CANCEL_ALL | CANCEL_ANY);
	int64_t count = 0;
	struct request *request;
	bool again;
	do {
		again = false;
		list_for_each(request, &ring->requests, link)
		{
			if (request == self || request->state == REQUEST_LINKED ||
			    request->state == REQUEST_DEFERRED || !cancel_matches(request, wanted))
				continue;
			/* A thread is stopped once; all others are gone from the list then. */
			bool stopped = request->job.worker && request->failed;
			if (stopped && all)
				continue;
			request->failed |= request->job.worker != 0;
			int error = request_cancel(request, -ECANCELED);
			if (!all && error != -ENOENT)
				return error;
			if (error == -ENOENT || (all && error == -EALREADY && !request->job.worker))
				continue;
			count++;
			again = true;
			break;
		}
	} while (again);
	return all ? count : -ENOENT;
}

/* ---- From entries to requests ---- */

struct chain {
	struct request *head, *last;
};

static void chain_count(struct request *request)
{
	for (; request; request = request->next) {
		request->counted = true;
		request->ring->active++;
	}
}

static void chain_start(struct request *head)
{
	struct uring *ring = head->ring;
	if (!list_empty(&ring->deferred) || ((head->sqe.flags & SQE_DRAIN) && ring->active)) {
		head->state = REQUEST_DEFERRED;
		list_append(&ring->deferred, &head->deferred_link);
		return;
	}
	chain_count(head);
	if (!head->failed) {
		request_issue(head, false);
		return;
	}
	head->sqe.flags &= (uint8_t)~SQE_HARDLINK;
	request_complete(head, head->result, 0);
}

void request_run_deferred(struct uring *ring)
{
	while (!list_empty(&ring->deferred)) {
		struct request *head = list_first(&ring->deferred, struct request, deferred_link);
		if ((head->sqe.flags & SQE_DRAIN) && ring->active)
			return;
		list_remove(&head->deferred_link);
		chain_count(head);
		head->was_async = true;
		if (head->failed || !request_soon(head)) {
			head->sqe.flags &= (uint8_t)~SQE_HARDLINK;
			request_complete(head, head->failed ? head->result : -EAGAIN, 0);
		}
	}
}

static int check_flags(struct uring *ring, const struct uring_sqe *sqe)
{
	const struct operation *operation = &uring_operations[sqe->opcode];
	if (sqe->flags & ~SQE_FLAGS)
		return -EINVAL;
	if ((sqe->flags & SQE_BUFFER_SELECT) && !operation->buffer_select)
		return -EOPNOTSUPP;
	if (sqe->flags & SQE_SKIP_SUCCESS)
		ring->skips = true;
	if ((sqe->flags & SQE_DRAIN) && ring->skips)
		return -EOPNOTSUPP;
	if (ring->restricted && (!(ring->operations_allowed >> sqe->opcode & 1) ||
	                         (sqe->flags & ring->sqe_flags_required) != ring->sqe_flags_required ||
	                         (sqe->flags & ~(ring->sqe_flags_allowed | ring->sqe_flags_required))))
		return -EACCES;
	return 0;
}

/* What is wrong with REQUEST, or 0. */
static int request_check(struct request *request, const struct chain *chain)
{
	struct uring *ring = request->ring;
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->opcode >= OP_COUNT) {
		request->sqe.opcode = OP_NOP;
		return -EINVAL;
	}
	const struct operation *operation = &uring_operations[sqe->opcode];
	int error = check_flags(ring, sqe);
	if (error)
		return error;
	if ((sqe->priority && !operation->priority) || ((ring->flags & SETUP_IOPOLL) && !operation->iopoll))
		return -EINVAL;
	if (sqe->personality) {
		const struct credentials *other =
		    sqe->personality <= PERSONALITIES_MAX ? ring->personalities[sqe->personality - 1] : 0;
		request->credentials = other ? credentials_hold(other) : 0;
		if (!request->credentials)
			return other ? -ENOMEM : -EINVAL;
	}
	if (sqe->opcode == OP_LINK_TIMEOUT && (!chain->last || chain->last->sqe.opcode == OP_LINK_TIMEOUT))
		return -EINVAL;
	if (!operation->issue)
		return -EINVAL;
	return operation->prepare ? operation->prepare(request) : 0;
}

/* As many as fit in a sixteenth of the sub-kernel's memory. */
static bool request_allowed(void)
{
	static uint64_t most;
	uint64_t total, used;
	if (!most) {
		linux_memory(&total, &used);
		most = total / 16 / sizeof(struct request);
	}
	return requests < most;
}

static struct request *request_create(struct uring *ring, struct async_group *group)
{
	struct request *request = request_allowed() ? heap_allocate(sizeof(*request)) : 0;
	if (!request)
		return 0;
	request->ring = ring;
	request->job.run = request_run;
	request->job.cancel = request_job_cancel;
	list_init(&request->deferred_link);
	list_init(&request->counting_link);
	requests++;
	list_append(&ring->requests, &request->link);
	async_add(group, &request->job);
	uring_reference(ring);
	return request;
}

/* A drain in the middle of a chain is one before it, and one before the next. */
static void drain_marks(struct request *request, struct chain *chain)
{
	struct uring *ring = request->ring;
	if (!chain->head && ring->drain_next) {
		request->sqe.flags |= SQE_DRAIN;
		ring->drain_next = false;
	}
	if (chain->head && (request->sqe.flags & SQE_DRAIN)) {
		chain->head->sqe.flags |= SQE_DRAIN;
		ring->drain_next = true;
	}
}

/* True where the submission ends here. */
static bool submit_one(struct request *request, struct chain *chain)
{
	int error = request_check(request, chain);
	bool links = request->sqe.flags & (SQE_LINK | SQE_HARDLINK);
	drain_marks(request, chain);
	if (error) {
		request->failed = true;
		request->result = error;
		if (chain->head && !chain->head->failed) {
			chain->head->failed = true;
			chain->head->result = -ECANCELED;
		}
	}
	if (chain->head)
		chain->last->next = request;
	else
		chain->head = request;
	chain->last = request;
	if (links)
		return false;
	struct request *head = chain->head;
	*chain = (struct chain){0};
	chain_start(head);
	return error != 0;
}

int64_t uring_submit(struct uring *ring, uint32_t count)
{
	struct chain chain = {0};
	struct async_group *group = async_group();
	const bool all = ring->flags & SETUP_SUBMIT_ALL;
	uint32_t done = 0;
	bool stop = false;
	if (count > ring->sq_entries)
		count = ring->sq_entries;
	while (done < count && !stop) {
		struct uring_sqe sqe;
		struct request *request = request_create(ring, group);
		if (!request && !done)
			return -EAGAIN;
		if (!request)
			break;
		if (!uring_next(ring, &sqe)) {
			request_free(request);
			break;
		}
		request->sqe = sqe;
		done++;
		stop = submit_one(request, &chain) && !all;
		if (done % 16 == 0) { /* others may want the lock */
			personality_unlock();
			personality_lock();
			stop |= current_task()->work & TASK_WORK_EXIT;
		}
	}
	if (chain.head)
		chain_start(chain.head);
	return done;
}
