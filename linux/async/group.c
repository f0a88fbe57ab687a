/* Groups of jobs and their threads: see async.h. */
#include "async.h"
#include "time/account.h"

#define BLOCKING_MAX 32u  /* threads of a group that may sleep in jobs */
#define WORKERS_MAX  512u /* of all groups: each has a stack */
#define IDLE_NS      (5 * NS_PER_SECOND)

struct async_worker {
	struct list link;
	struct task *task;
	struct async_group *group;
	struct async_job *job;
	bool first, idle;
};

struct async_group {
	struct task *owner;
	struct list jobs, again, blocking, workers;
	struct async_worker *first;
	uint32_t blocking_workers, idle_workers;
	bool owner_attends, ending;
	struct wait_queue gone;
	struct file *rings[ASYNC_RINGS];
};

static struct lock async_lock = LOCK_INIT(LOCK_ASYNC); /* every group's `again` */
static uint32_t worker_total;

struct async_group *async_group(void)
{
	struct task *task = current_task();
	if (task->async)
		return task->async;
	struct async_group *group = heap_allocate(sizeof(*group));
	if (!group)
		return 0;
	group->owner = task;
	list_init(&group->jobs);
	list_init(&group->again);
	list_init(&group->blocking);
	list_init(&group->workers);
	wait_queue_init(&group->gone);
	task->async = group;
	return group;
}

struct file **async_rings(struct async_group *group)
{
	return group->rings;
}

bool async_ending(const struct async_group *group)
{
	return group->ending;
}

/* ---- Threads ---- */

/* What the owner has at the moment, for the time of one job. */
static void borrow(struct task *task, const struct task *owner)
{
	task->files = files_reference(owner->files);
	task->fs = owner->fs;
	task->fs->references++;
	task->namespaces = namespaces_reference(owner->namespaces);
	task->credentials = owner->credentials;
	(void)namespace_reference(&task->credentials.user->common);
	task->no_new_privileges = owner->no_new_privileges;
}

static void give_back(struct task *task)
{
	files_let_go(task);
	files_release(task->files);
	fs_context_release(task->fs);
	namespaces_release(task->namespaces);
	namespace_release(&task->credentials.user->common);
	task->files = 0;
	task->fs = 0;
	task->namespaces = 0;
	signal_queue_flush(&task->pending, ~0ull);
	/* What ended a job's sleep does not end the next one's. */
	__atomic_store_n(&task->work, 0, __ATOMIC_SEQ_CST);
}

static _Noreturn void worker_gone(struct async_worker *worker)
{
	struct task *task = worker->task;
	struct async_group *group = worker->group;
	struct mm *mm = task->mm;
	list_remove(&worker->link);
	if (worker->first)
		group->first = 0;
	else
		group->blocking_workers--;
	worker_total--;
	task->mm = 0;
	thread_use_mm(0);
	mm_release(mm, false);
	account_gone(task);
	handlers_release(task->handlers);
	process_release(task->process);
	wake_all(&group->gone, 0);
	heap_free(worker);
	heap_free(task);
	thread_idle();
}

static void run_blocking(struct async_worker *worker, struct async_job *job)
{
	borrow(worker->task, worker->group->owner);
	worker->job = job;
	job->worker = worker;
	job->run(job, true); /* which clears job->worker, or job is gone */
	worker->job = 0;
	give_back(worker->task);
}

static struct async_job *take(struct list *jobs)
{
	if (list_empty(jobs))
		return 0;
	struct async_job *job = list_first(jobs, struct async_job, link);
	list_remove(&job->link);
	return job;
}

static struct async_job *take_again(struct async_group *group)
{
	lock_acquire(&async_lock);
	struct async_job *job = take(&group->again);
	lock_release(&async_lock);
	return job;
}

bool async_waits(struct async_group *group)
{
	lock_acquire(&async_lock);
	bool waits = !list_empty(&group->again);
	lock_release(&async_lock);
	return waits;
}

void async_run(struct async_group *group)
{
	struct async_job *job;
	for (uint32_t count = 1; (job = take_again(group)) != 0; count++) {
		job->run(job, false);
		if (count % 16 == 0) { /* others may want the lock */
			personality_unlock();
			personality_lock();
			if (current_task()->work & TASK_WORK_EXIT)
				break;
		}
	}
}

static void worker_main(void *argument)
{
	struct async_worker *worker = argument;
	struct async_group *group = worker->group;
	thread_use_mm(worker->task->mm);
	personality_lock();
	for (int slept = 0; !group->ending;) {
		struct async_job *job = worker->first ? take_again(group) : take(&group->blocking);
		if (!job && slept == -ETIMEDOUT && !worker->first)
			break;
		if (job && worker->first) {
			borrow(worker->task, group->owner);
			job->run(job, false);
			give_back(worker->task);
		} else if (job) {
			run_blocking(worker, job);
		}
		slept = 0;
		if (job) { /* others may want the lock */
			personality_unlock();
			personality_lock();
			continue;
		}
		worker->idle = !worker->first;
		group->idle_workers += worker->idle;
		slept = wait_sleep(worker->first ? DEADLINE_NEVER : clock_monotonic() + IDLE_NS);
		group->idle_workers -= worker->idle;
		worker->idle = false;
	}
	worker_gone(worker);
}

static struct task *worker_task(const struct task *owner)
{
	struct task *task = heap_allocate(sizeof(*task));
	if (!task)
		return 0;
	task->process = process_reference(owner->process);
	task->tid = owner->tid;
	task->number = owner->number;
	task->mm = mm_reference(owner->mm);
	task->handlers = owner->handlers;
	task->handlers->references++;
	task->blocked = ~0ull;
	task->affinity = owner->affinity;
	task->syscall_number = -1;
	task->start_ns = clock_monotonic();
	signal_queue_init(&task->pending);
	list_init(&task->futex_link);
	list_init(&task->tracees);
	list_init(&task->thread_link);
	text_copy(task->name, sizeof(task->name), "iou-wrk");
	return task;
}

static struct async_worker *worker_start(struct async_group *group, bool first)
{
	struct task *owner = group->owner;
	if (group->ending || worker_total >= WORKERS_MAX || worker_total >= pressure_task_limit())
		return 0;
	struct async_worker *worker = heap_allocate(sizeof(*worker));
	struct task *task = worker ? worker_task(owner) : 0;
	struct thread_area *area =
	    task ? thread_take(current_page(), owner->affinity, current_area()->cpu) : 0;
	if (!area) {
		if (task) {
			mm_release(task->mm, false);
			handlers_release(task->handlers);
			process_release(task->process);
		}
		heap_free(task);
		heap_free(worker);
		return 0;
	}
	worker->task = task;
	worker->group = group;
	worker->first = first;
	list_append(&group->workers, &worker->link);
	worker_total++;
	if (first)
		group->first = worker;
	else
		group->blocking_workers++;
	thread_run(area, task, worker_main, worker);
	return worker;
}

bool async_ready(struct async_group *group)
{
	return group->first || worker_start(group, true);
}

/* ---- Jobs ---- */

void async_add(struct async_group *group, struct async_job *job)
{
	job->group = group;
	list_init(&job->link);
	list_append(&group->jobs, &job->group_link);
}

void async_remove(struct async_job *job)
{
	lock_acquire(&async_lock);
	list_remove(&job->link);
	lock_release(&async_lock);
	list_remove(&job->group_link);
	if (job->group->ending)
		wake_all(&job->group->gone, 0);
}

void async_again(struct async_job *job)
{
	struct async_group *group = job->group;
	lock_acquire(&async_lock);
	if (list_empty(&job->link))
		list_append(&group->again, &job->link);
	lock_release(&async_lock);
	if (group->owner_attends || group->ending)
		(void)task_wake(group->owner);
	else if (group->first)
		(void)task_wake(group->first->task);
}

bool async_soon(struct async_job *job)
{
	if (!job->group->owner_attends && !async_ready(job->group))
		return false;
	async_again(job);
	return true;
}

bool async_block(struct async_job *job)
{
	struct async_group *group = job->group;
	struct async_worker *worker;
	/* Who has been woken is idle until it runs: each job that waits takes one of them. */
	uint32_t waiting = 0;
	const struct async_job *other;
	list_for_each(other, &group->blocking, link)
	{
		if (++waiting >= group->idle_workers)
			break;
	}
	if (waiting >= group->idle_workers && group->blocking_workers < BLOCKING_MAX &&
	    !worker_start(group, false) && !group->blocking_workers)
		return false;
	list_append(&group->blocking, &job->link);
	list_for_each(worker, &group->workers, link)
	{
		if (worker->idle && task_wake(worker->task))
			break;
	}
	return true;
}

void async_stop(struct async_job *job)
{
	lock_acquire(&async_lock);
	list_remove(&job->link);
	lock_release(&async_lock);
	if (job->worker)
		task_kick(job->worker->task, TASK_WORK_EXIT);
}

void async_attend(struct async_group *group)
{
	group->owner_attends = true;
}

void async_leave(struct async_group *group)
{
	async_run(group);
	group->owner_attends = false;
}

/* True when one was cancelled: the list may be another one now. */
static bool cancel_one(struct async_group *group)
{
	struct async_job *job;
	list_for_each(job, &group->jobs, group_link) if (!job->worker && job->cancel(job)) return true;
	return false;
}

void async_task_end(void)
{
	struct task *task = current_task();
	struct async_group *group = task->async;
	if (!group)
		return;
	group->ending = true;
	struct wait_entry entry;
	wait_begin(&entry, &group->gone);
	for (;;) {
		const struct async_worker *worker;
		while (cancel_one(group))
			;
		list_for_each(worker, &group->workers, link) task_kick(worker->task, TASK_WORK_EXIT);
		if (list_empty(&group->jobs) && list_empty(&group->workers))
			break;
		wait_sleep_always();
	}
	wait_end(&entry);
	task->async = 0;
	for (uint32_t i = 0; i < ASYNC_RINGS; i++)
		if (group->rings[i])
			file_release(group->rings[i]);
	heap_free(group);
}
