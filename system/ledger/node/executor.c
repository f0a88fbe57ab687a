/* The executor's queue and thread: commits become the application's form of them. */
#include "ledger/node/executor.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct job_list {
	struct job *jobs;
	unsigned first, count, room;
};

struct executor {
	struct snapshot_holder holder;
	int wake_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job_list todo, done;
	bool stop, failing;
	struct ledger_payload *payloads;
	size_t payload_room;
};

static void list_push(struct job_list *list, const struct job *job)
{
	if (list->count == list->room) {
		unsigned room = list->room ? 2 * list->room : 16;
		struct job *jobs = ledger_allocate(room, sizeof(*jobs));
		for (unsigned i = 0; i < list->count; i++)
			jobs[i] = list->jobs[(list->first + i) % list->room];
		free(list->jobs);
		list->jobs = jobs;
		list->first = 0;
		list->room = room;
	}
	list->jobs[(list->first + list->count++) % list->room] = *job;
}

static bool list_pop(struct job_list *list, struct job *job)
{
	if (!list->count)
		return false;
	*job = list->jobs[list->first];
	list->first = (list->first + 1) % list->room;
	list->count--;
	return true;
}

static bool reserved(uint8_t first)
{
	return first >= LEDGER_RESERVED_FIRST && first <= LEDGER_RESERVED_LAST;
}

static void take(struct executor *executor, size_t *count, const uint8_t *payload, uint32_t size,
                 unsigned author, bool encrypted)
{
	if (size && size <= LEDGER_MAX_PAYLOAD_SIZE && !reserved(payload[0]))
		executor->payloads[(*count)++] =
		    (struct ledger_payload){payload, size, (uint16_t)author, encrypted};
}

static void take_opened(struct executor *executor, size_t *count, const struct opened *opened,
                        unsigned author)
{
	const uint8_t *at = opened->plain, *payload;
	uint32_t size;
	if (opened->plain && !opened->bundle)
		take(executor, count, opened->plain, opened->size, author, true);
	else if (opened->plain)
		while ((payload = envelope_bundle_next(&at, opened->plain + opened->size, &size)))
			take(executor, count, payload, size, author, true);
}

/* The commit's payloads for the application: envelopes opened at their places, the node's own kinds left out. */
static size_t gather(struct executor *executor, const struct job *job)
{
	const struct dag_effect *effect = &job->effect;
	size_t total = 0, count = 0;
	unsigned envelopes = 0;
	for (unsigned i = 0; i < effect->batch_count; i++) {
		struct batch_view view;
		wire_batch_again(effect->batches[i].blob->data, effect->batches[i].blob->size, &view);
		total += view.count;
	}
	for (unsigned i = 0; i < job->opened_count; i++)
		if (job->opened[i].plain && job->opened[i].bundle)
			total += envelope_bundle_count(job->opened[i].plain, job->opened[i].size);
	if (total > executor->payload_room) {
		free(executor->payloads);
		executor->payloads = ledger_allocate(2 * total, sizeof(*executor->payloads));
		executor->payload_room = 2 * total;
	}
	for (unsigned i = 0; i < effect->batch_count; i++) {
		struct batch_view view;
		wire_batch_again(effect->batches[i].blob->data, effect->batches[i].blob->size, &view);
		const uint8_t *at = view.payloads, *payload;
		uint32_t size;
		while ((payload = wire_payload(&view, &at, &size))) {
			const unsigned author = effect->batches[i].author;
			if (payload[0] != ENVELOPE_KIND)
				take(executor, &count, payload, size, author, false);
			else if (envelopes < job->opened_count)
				take_opened(executor, &count, &job->opened[envelopes++], author);
		}
	}
	return count;
}

static bool stopping(struct executor *executor, bool failing)
{
	pthread_mutex_lock(&executor->lock);
	executor->failing = failing;
	bool stop = executor->stop;
	pthread_mutex_unlock(&executor->lock);
	return stop;
}

/* What is half installed when the disk fails must become whole: it is tried again, and at the next start. */
static void perform_restore(struct executor *executor, struct job *job)
{
	char kept[SNAPSHOT_NAME];
	enum snapshot_result result = SNAPSHOT_BAD;
	bool kept_whole = snapshot_keep(job->file, job->index, job->root, kept), torn = false;
	while (kept_whole) {
		result = snapshot_install(&executor->holder, kept, job->index, job->root);
		torn = torn || result == SNAPSHOT_TORN;
		if (!torn || result == SNAPSHOT_DONE)
			break;
		if (stopping(executor, true)) {
			job->good = false;
			return;
		}
		sleep(1);
	}
	(void)stopping(executor, false);
	job->good = result == SNAPSHOT_DONE;
	unlink(kept);
}

static void perform(struct executor *executor, struct job *job)
{
	const struct ledger_application *application = executor->holder.application;
	job->good = true;
	if (job->kind == JOB_RESTORE) {
		perform_restore(executor, job);
		return;
	}
	struct dag_commit *commit = job->effect.commit;
	struct ledger_applied applied = {.index = job->index};
	struct ledger_commit what = {.index = job->index};
	if (job->kind == JOB_APPLY) {
		what = (struct ledger_commit){.index = commit->index,
		                              .epoch = commit->epoch,
		                              .round = commit->round,
		                              .time_ms = commit->time_ms,
		                              .leader = commit->leader,
		                              .head = job->head};
		memcpy(what.digest, &commit->digest, LEDGER_DIGEST_SIZE);
		what.payload_count = gather(executor, job);
		what.payloads = executor->payloads;
	}
	/* A machine that fails (disk full) is waited for: nothing may be skipped. */
	while (!(job->kind == JOB_APPLY ? application->apply(executor->holder.state, &what, &applied)
	                                : application->flush(executor->holder.state))) {
		if (stopping(executor, true)) {
			job->good = false;
			return;
		}
		sleep(1);
	}
	(void)stopping(executor, false);
	memcpy(job->root, applied.root, LEDGER_ROOT_SIZE);
	if (job->kind == JOB_APPLY && job->snapshot) {
		struct snapshot_parts parts = {.core = job->core, .digests = job->digests};
		memcpy(parts.application_root, job->root, LEDGER_ROOT_SIZE);
		(void)snapshot_write(&executor->holder, job->file, &parts);
	}
}

static void *work(void *context)
{
	struct executor *executor = context;
	pthread_mutex_lock(&executor->lock);
	while (!executor->stop) {
		struct job job;
		if (!list_pop(&executor->todo, &job)) {
			pthread_cond_wait(&executor->more, &executor->lock);
			continue;
		}
		pthread_mutex_unlock(&executor->lock);
		perform(executor, &job);
		uint64_t one = 1;
		pthread_mutex_lock(&executor->lock);
		list_push(&executor->done, &job);
		(void)!write(executor->wake_fd, &one, sizeof(one));
	}
	pthread_mutex_unlock(&executor->lock);
	return NULL;
}

struct executor *executor_create(const struct snapshot_holder *holder, int wake_fd)
{
	struct executor *executor = ledger_allocate(1, sizeof(*executor));
	executor->holder = *holder;
	executor->wake_fd = wake_fd;
	pthread_mutex_init(&executor->lock, NULL);
	pthread_cond_init(&executor->more, NULL);
	if (pthread_create(&executor->thread, NULL, work, executor)) {
		fprintf(stderr, "holon-ledger: cannot start the executor's thread\n");
		free(executor);
		return NULL;
	}
	return executor;
}

void executor_push(struct executor *executor, const struct job *job)
{
	pthread_mutex_lock(&executor->lock);
	list_push(&executor->todo, job);
	pthread_cond_signal(&executor->more);
	pthread_mutex_unlock(&executor->lock);
}

bool executor_result(struct executor *executor, struct job *result)
{
	pthread_mutex_lock(&executor->lock);
	bool some = list_pop(&executor->done, result);
	pthread_mutex_unlock(&executor->lock);
	return some;
}

unsigned executor_waiting(struct executor *executor, bool *failing)
{
	pthread_mutex_lock(&executor->lock);
	unsigned waiting = executor->todo.count;
	*failing = executor->failing;
	pthread_mutex_unlock(&executor->lock);
	return waiting;
}

void executor_destroy(struct executor *executor)
{
	struct job job;
	pthread_mutex_lock(&executor->lock);
	executor->stop = true;
	pthread_cond_signal(&executor->more);
	pthread_mutex_unlock(&executor->lock);
	pthread_join(executor->thread, NULL);
	while (list_pop(&executor->todo, &job) || list_pop(&executor->done, &job))
		if (job.kind == JOB_APPLY) {
			blob_release(job.core);
			dag_effect_release(&job.effect);
			opened_release(job.opened, job.opened_count);
		}
	free(executor->todo.jobs);
	free(executor->done.jobs);
	free(executor->payloads);
	free(executor);
}
