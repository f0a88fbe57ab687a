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
	const struct ledger_application *application;
	void *state;
	struct ordered *ordered;
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

static bool file_sink(void *context, const uint8_t *data, size_t size)
{
	return fwrite(data, 1, size, context) == size;
}

/*
 * A snapshot's file: the application's, then what the node keeps itself: the log's entries, the core, and a trailer of fixed size from
 * which the rest is found: digests (core 32, log size 8, log bytes 8, log root 32), application's root 32, core's size 4, magic 8.
 */
#define TRAILER 124
static const char trailer_magic[8] = {'H', 'S', 'n', 'a', 'p', 'e', 'n', '1'};

static bool trailer_write(struct executor *executor, const struct job *job, FILE *out)
{
	uint8_t trailer[TRAILER];
	memcpy(trailer, job->digests.core, 32);
	store_le64(trailer + 32, job->digests.log_size);
	store_le64(trailer + 40, job->digests.log_bytes);
	memcpy(trailer + 48, job->digests.log_root, 32);
	memcpy(trailer + 80, job->root, LEDGER_ROOT_SIZE);
	store_le32(trailer + 112, job->core->size);
	memcpy(trailer + 116, trailer_magic, 8);
	return transparency_log_copy(ordered_log(executor->ordered), job->digests.log_bytes, out) &&
	       fwrite(job->core->data, 1, job->core->size, out) == job->core->size &&
	       fwrite(trailer, 1, TRAILER, out) == TRAILER;
}

static void snapshot(struct executor *executor, const struct job *job)
{
	FILE *out = fopen(job->file, "w");
	bool good = out && executor->application->snapshot(executor->state, file_sink, out) &&
	            trailer_write(executor, job, out);
	if (out && fclose(out))
		good = false;
	if (!good)
		unlink(job->file);
}

/* What the node keeps, from a snapshot that may be anything; and the application's root, which together with it must give the
 * root that was signed. NULL: it does not. */
static struct ordered_fresh *trailer_read(struct executor *executor, const struct job *job, FILE *in,
                                          uint8_t *application_root)
{
	uint8_t trailer[TRAILER], root[LEDGER_ROOT_SIZE], core[8192];
	struct ordered_digests digests;
	struct ordered_fresh *fresh = NULL;
	if (fseek(in, 0, SEEK_END) || ftell(in) < TRAILER || fseek(in, -TRAILER, SEEK_END) ||
	    fread(trailer, 1, TRAILER, in) != TRAILER || memcmp(trailer + 116, trailer_magic, 8) != 0)
		return NULL;
	uint64_t whole = (uint64_t)ftell(in) - TRAILER;
	memcpy(digests.core, trailer, 32);
	digests.log_size = load_le64(trailer + 32);
	digests.log_bytes = load_le64(trailer + 40);
	memcpy(digests.log_root, trailer + 48, 32);
	memcpy(application_root, trailer + 80, LEDGER_ROOT_SIZE);
	uint32_t core_size = load_le32(trailer + 112);
	ordered_state_root(&digests, application_root, root);
	if (memcmp(root, job->root, sizeof(root)) != 0 || core_size > sizeof(core) || core_size > whole ||
	    digests.log_bytes > whole - core_size)
		return NULL;
	if (!fseek(in, (long)(whole - core_size), SEEK_SET) && fread(core, 1, core_size, in) == core_size &&
	    !fseek(in, (long)(whole - core_size - digests.log_bytes), SEEK_SET))
		fresh = ordered_prepare(executor->ordered, core, core_size, in, &digests);
	return fresh;
}

static bool restore(struct executor *executor, const struct job *job)
{
	struct ledger_applied expected = {.index = job->index};
	FILE *in = fopen(job->file, "r");
	struct ordered_fresh *fresh = in ? trailer_read(executor, job, in, expected.root) : NULL;
	if (in)
		fclose(in);
	if (!fresh)
		return false;
	bool good = executor->application->restore(executor->state, job->file, &expected);
	return ordered_adopt(executor->ordered, fresh, good ? job->index : 0) && good;
}

static void perform(struct executor *executor, struct job *job)
{
	const struct ledger_application *application = executor->application;
	job->good = true;
	if (job->kind == JOB_RESTORE) {
		job->good = restore(executor, job);
		unlink(job->file);
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
		                              .leader = commit->leader};
		memcpy(what.digest, &commit->digest, LEDGER_DIGEST_SIZE);
		what.payload_count = gather(executor, job);
		what.payloads = executor->payloads;
	}
	/* A machine that fails (disk full) is waited for: nothing may be skipped. */
	while (!(job->kind == JOB_APPLY ? application->apply(executor->state, &what, &applied)
	                                : application->flush(executor->state))) {
		if (stopping(executor, true)) {
			job->good = false;
			return;
		}
		sleep(1);
	}
	(void)stopping(executor, false);
	memcpy(job->root, applied.root, LEDGER_ROOT_SIZE);
	if (job->kind == JOB_APPLY && job->snapshot)
		snapshot(executor, job);
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

struct executor *executor_create(const struct ledger_application *application, void *state,
                                 struct ordered *ordered, int wake_fd)
{
	struct executor *executor = ledger_allocate(1, sizeof(*executor));
	executor->application = application;
	executor->state = state;
	executor->ordered = ordered;
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
