/*
 * Commits on their way to the application: they leave in order, each when all its batches are here. A commit
 * carries the ticket of the log record that must be durable before anyone is told of it: then the
 * certificates it rests on survive with us, whoever else forgets them.
 */
#include "ledger/dag/core.h"

#include <stdlib.h>

#define MAX_OUTGOING 64 /* commits that may wait for batches before ordering pauses */

static void view_of(const struct dag *dag, const struct blob *header, struct header_view *view)
{
	(void)wire_header(header->data, header->size, dag->config.signer.signature_size, view);
}

void commits_advance(struct dag *dag)
{
	struct dag_commit *commit;
	while (!dag->ending_index && !dag->restoring && dag->outgoing < MAX_OUTGOING &&
	       (commit = order_commit(&dag->order, dag->store))) {
		struct header_view view;
		for (unsigned i = 0; i < commit->count; i++) {
			view_of(dag, commit->headers[i], &view);
			batches_ordered(dag, &view, commit->index);
		}
		if (commit->index % dag->config.checkpoint_commits == 0)
			commit->state = order_encode(&dag->order);
		struct outgoing *out = ledger_allocate(1, sizeof(*out));
		*out = (struct outgoing){.commit = commit, .ticket = dag->ticket};
		*dag->out_last = out;
		dag->out_last = &out->next;
		dag->outgoing++;
		dag->commit_us = dag->now_us;
		uint64_t old = dag->store->floor,
		         floor = dag->order.gc_round > DAG_RETAIN ? dag->order.gc_round - DAG_RETAIN : 0;
		if (floor > old) {
			slots_clear(dag, old + 1, floor);
			store_raise_floor(dag->store, floor);
		}
	}
	if (dag->begun && dag->recovered == UINT64_MAX && !dag->restoring && dag->outgoing < MAX_OUTGOING)
		dag->recovered = dag->ending_index ? dag->ending_index : dag->order.index;
}

static bool complete(struct dag *dag, const struct dag_commit *commit, unsigned *count)
{
	bool here = true;
	*count = 0;
	for (unsigned i = 0; i < commit->count; i++) {
		struct header_view view;
		view_of(dag, commit->headers[i], &view);
		*count += view.batch_count;
		for (unsigned j = 0; j < view.batch_count; j++) {
			struct batch *batch = batch_find(dag, view.batches + (size_t)j * WIRE_BATCH_ENTRY);
			here = here && batch && batch->blob;
		}
	}
	return here;
}

void commits_deliver(struct dag *dag)
{
	while (dag->begun && dag->out_first && !dag->restoring) {
		struct outgoing *out = dag->out_first;
		unsigned count;
		if (!complete(dag, out->commit, &count))
			return;
		struct dag_payloads *batches = ledger_allocate(count + 1, sizeof(*batches));
		count = 0;
		for (unsigned i = 0; i < out->commit->count; i++) {
			struct header_view view;
			view_of(dag, out->commit->headers[i], &view);
			for (unsigned j = 0; j < view.batch_count; j++) {
				struct batch *batch =
				    batch_find(dag, view.batches + (size_t)j * WIRE_BATCH_ENTRY);
				batch->delivered = true;
				batches[count++] = (struct dag_payloads){blob_hold(batch->blob), view.author};
			}
		}
		checkpoint_capture(dag, out->commit);
		dag->delivered = out->commit->index;
		dag_effect(dag, (struct dag_effect){.kind = DAG_COMMITTED,
		                                    .index = out->commit->index,
		                                    .ticket = out->ticket,
		                                    .commit = out->commit,
		                                    .batches = batches,
		                                    .batch_count = count});
		dag->out_first = out->next;
		if (!dag->out_first)
			dag->out_last = &dag->out_first;
		dag->outgoing--;
		free(out);
	}
}

void commits_clear(struct dag *dag)
{
	while (dag->out_first) {
		struct outgoing *out = dag->out_first;
		dag->out_first = out->next;
		commit_destroy(out->commit);
		free(out);
	}
	dag->out_last = &dag->out_first;
	dag->outgoing = 0;
}
