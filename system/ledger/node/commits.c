/*
 * The core's effects, carried out; and the way of a commit: durable here, then into what the node itself keeps of the sequence,
 * then opened, then executed, then reported back to the core with the root of the whole state.
 */
#include "ledger/node/node_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- what a checkpoint's root is made of ---- */

static bool is_checkpoint(const struct ledger_node *node, uint64_t index)
{
	uint64_t members;
	return index % CHECKPOINT == 0 || ordered_ends(node->ordered, index, &members);
}

static struct checkpoint_parts *parts_find(struct ledger_node *node, uint64_t index)
{
	for (unsigned i = 0; i < PARTS; i++)
		if (node->parts[i].index == index)
			return &node->parts[i];
	return NULL;
}

/* Notes them as of the commit just taken; the application's root comes later. */
static void parts_note(struct ledger_node *node, uint64_t index)
{
	struct checkpoint_parts *oldest = &node->parts[0];
	for (unsigned i = 1; i < PARTS; i++)
		if (node->parts[i].index < oldest->index)
			oldest = &node->parts[i];
	blob_release(oldest->core);
	*oldest = (struct checkpoint_parts){.index = index, .core = ordered_encode(node->ordered)};
	ordered_digests(node->ordered, index, &oldest->digests);
}

/* The root of the whole state after commit `index`. */
static void state_root(struct ledger_node *node, uint64_t index, const uint8_t *application_root,
                       uint8_t *root)
{
	struct ordered_digests digests;
	struct checkpoint_parts *parts = index ? parts_find(node, index) : NULL;
	if (parts)
		memcpy(parts->application_root, application_root, LEDGER_ROOT_SIZE);
	ordered_digests(node->ordered, index, &digests);
	ordered_state_root(&digests, application_root, root);
}

/* ---- commits ---- */

/* What the opener says: shares to the others, responses into the sequence, opened commits to the executor. */
static void outputs_take(struct ledger_node *node)
{
	struct opener_output output;
	while (opener_next(node->opener, &output)) {
		if (output.kind == OPENER_SEND) {
			for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
				if ((output.peer == DAG_EVERYONE || output.peer == i) &&
				    node->network.peers[i].known && i != node->self)
					transport_send(node->transport, i, LANE_CONSENSUS, output.blob);
			blob_release(output.blob);
			continue;
		}
		if (output.kind == OPENER_SUBMIT) {
			(void)inject(node, output.blob->data, output.blob->size);
			blob_release(output.blob);
			continue;
		}
		struct job job = {.kind = JOB_APPLY,
		                  .index = output.effect.index,
		                  .effect = output.effect,
		                  .opened = output.opened,
		                  .opened_count = output.opened_count,
		                  .head = head_due(node->heads, output.effect.commit->time_ms)};
		const struct checkpoint_parts *parts = parts_find(node, job.index);
		if (parts && node->application->snapshot &&
		    (node->now_us < node->snapshot_until_us || job.index % CHECKPOINT)) {
			job.snapshot = true;
			job.digests = parts->digests;
			job.core = blob_hold(parts->core);
			snapshot_name(node, job.index, job.file);
		}
		executor_push(node->executor, &job);
	}
}

/* Who decides now. A commit of a new epoch comes only after all before it were applied. */
void epoch_follow(struct ledger_node *node)
{
	struct dag_figures figures;
	dag_get_figures(node->dag, &figures);
	if (node->members && figures.epoch == node->epoch)
		return;
	pthread_mutex_lock(&node->lock);
	node->epoch = figures.epoch;
	node->members = figures.member_set;
	pthread_mutex_unlock(&node->lock);
	opener_epoch(node->opener, node->epoch, node->members);
}

void commits_drop(struct ledger_node *node)
{
	effect_queue_drop(&node->waiting);
}

/* Whether the commit has payloads of the node's own kinds: most have none, and one look at each payload is enough to know. */
static bool is_special(const struct dag_effect *effect)
{
	for (unsigned i = 0; i < effect->batch_count; i++) {
		struct batch_view view;
		const struct blob *blob = effect->batches[i].blob;
		wire_batch_again(blob->data, blob->size, &view);
		const uint8_t *at = view.payloads, *payload;
		uint32_t size;
		while ((payload = wire_payload(&view, &at, &size)))
			if (payload[0] >= LEDGER_RESERVED_FIRST && payload[0] <= LEDGER_RESERVED_LAST)
				return true;
	}
	return false;
}

/* The next commit: into what the node keeps, and on to the opener. False: it must wait. */
static bool commit_forward(struct ledger_node *node, struct dag_effect *effect)
{
	uint64_t members;
	bool special = is_special(effect);
	epoch_follow(node);
	node->ordered_failing = !ordered_commit(node->ordered, effect, special, node->members);
	if (node->ordered_failing)
		return false;
	if (ordered_ends(node->ordered, effect->index, &members))
		dag_end_epoch(node->dag, effect->commit, members);
	if (is_checkpoint(node, effect->index))
		parts_note(node, effect->index);
	if (effect->index > node->applied.index) {
		opener_commit(node->opener, effect, special, node->now_us);
		return true;
	}
	if (special)
		opener_executed(node->opener, effect);
	if (effect->index == node->applied.index)
		dag_applied(node->dag, effect->index, node->applied.root);
	dag_effect_release(effect);
	return true;
}

/* Commits whose certificates are durable are opened and go to the executor. Those beyond the end of an epoch are dropped: the
 * next epoch orders their payload again. */
void commits_forward(struct ledger_node *node, uint64_t durable)
{
	const struct dag_effect *first;
	while ((first = effect_queue_first(&node->waiting)) && first->ticket <= durable && !node->restoring) {
		struct dag_effect effect = *first;
		if (ordered_drops(node->ordered, effect.commit))
			dag_effect_release(&effect);
		else if (!commit_forward(node, &effect))
			break;
		effect_queue_take(&node->waiting);
	}
	opener_tick(node->opener, node->now_us);
	if (opener_stuck(node->opener, node->now_us))
		dag_want_state(node->dag);
	outputs_take(node);
}

static void applied_take(struct ledger_node *node, struct job *job)
{
	for (unsigned i = 0; i < job->effect.batch_count; i++)
		node->payloads_ordered += load_le32(job->effect.batches[i].blob->data + 12);
	node->applied.index = job->index;
	state_root(node, job->index, job->root, node->applied.root);
	dag_applied(node->dag, job->index, node->applied.root);
	if (job->head)
		head_executed(node, job->effect.commit, job->root);
	if (job->snapshot)
		node->snapshot_made = job->index;
}

static void restored_take(struct ledger_node *node, const struct job *job)
{
	if (job->good) {
		node->applied.index = job->index;
		memcpy(node->applied.root, job->root, LEDGER_ROOT_SIZE);
		opener_clear(node->opener);
		commits_drop(node);
	}
	dag_restored(node->dag, job->index, job->good);
	node->restoring = 0;
}

void results_take(struct ledger_node *node)
{
	struct job job;
	while (executor_result(node->executor, &job)) {
		switch (job.kind) {
		case JOB_APPLY:
			if (job.good)
				applied_take(node, &job);
			blob_release(job.core);
			dag_effect_release(&job.effect);
			opened_release(job.opened, job.opened_count);
			break;
		case JOB_FLUSH:
			if (job.good)
				dag_settled(node->dag, job.index);
			break;
		case JOB_RESTORE:
			restored_take(node, &job);
			break;
		}
		epoch_follow(node);
	}
}

static void send_effect(struct ledger_node *node, struct dag_effect *effect)
{
	unsigned lane = effect->blob->data[0] == DAG_BATCH ? LANE_BATCHES : LANE_CONSENSUS;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		if ((effect->peer == DAG_EVERYONE || effect->peer == i) && node->network.peers[i].known &&
		    i != node->self)
			transport_send(node->transport, i, lane, effect->blob);
}

static void stable(struct ledger_node *node, struct dag_effect *effect)
{
	struct job job = {.kind = JOB_FLUSH, .index = effect->index};
	executor_push(node->executor, &job);
	log_forget(node->log, dag_oldest_ticket(node->dag));
	witness_take(node, effect->index, effect->blob);
	if (node->snapshot_made != effect->index)
		return;
	if (node->served_message) {
		char name[320];
		snapshot_name(node, node->served, name);
		unlink(name);
		blob_release(node->served_message);
	}
	node->served = effect->index;
	node->served_message = blob_hold(effect->blob);
}

static void evidence_record(struct ledger_node *node, const struct dag_effect *effect)
{
	char name[320];
	snprintf(name, sizeof(name), "%s/evidence-%u-%lu", node->options.directory, effect->peer,
	         node->proven++ % 1000);
	FILE *out = fopen(name, "w");
	if (!out)
		return;
	(void)!fwrite(effect->blob->data, effect->blob->size, 1, out);
	fclose(out);
	fprintf(stderr, "holon-ledger: validator %u signed two headers of one round; the proof is %s\n",
	        effect->peer, name);
}

void carry_out(struct ledger_node *node)
{
	struct dag_effect *effect;
	dag_flush(node->dag);
	while ((effect = dag_next_effect(node->dag))) {
		struct dag_effect mine = *effect;
		struct blob *blob;
		switch (mine.kind) {
		case DAG_SEND:
			send_effect(node, &mine);
			break;
		case DAG_PERSIST:
			if (mine.record == RECORD_BOUNDARY)
				boundary_keep(node, mine.blob);
			log_append(node->log, mine.record, mine.blob, mine.ticket);
			continue; /* the reference went along */
		case DAG_COMMITTED:
			effect_queue_push(&node->waiting, &mine);
			continue;
		case DAG_PROVEN:
			evidence_record(node, &mine);
			break;
		case DAG_LOAD:
			if ((blob = log_read(node->log, mine.ticket)))
				transport_send(node->transport, mine.peer, LANE_BATCHES, blob);
			blob_release(blob);
			break;
		case DAG_RESTORE:
			restore_begin(node, &mine);
			break;
		case DAG_STABLE:
			stable(node, &mine);
			break;
		}
		dag_effect_release(&mine);
	}
	log_kick(node->log);
}
