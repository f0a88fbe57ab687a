/*
 * Batches: the payload itself, spread by its author ahead of the headers that name it. A batch is kept from
 * its arrival until the rounds that may name it are forgotten; what one author can make us keep unordered is
 * bounded in number and bytes. A header gets our vote only when its batches are here and in the log before
 * it.
 */
#include "ledger/dag/core.h"

#include <stdlib.h>

static struct batch **bucket(const struct dag *dag, const uint8_t *digest)
{
	uint64_t key;
	memcpy(&key, digest, sizeof(key));
	return &dag->table[key * dag->table_factor >> (64 - dag->table_bits)];
}

struct batch *batch_find(const struct dag *dag, const uint8_t *digest)
{
	struct batch *batch = *bucket(dag, digest);
	while (batch && memcmp(&batch->digest, digest, DAG_DIGEST_SIZE) != 0)
		batch = batch->chain;
	return batch;
}

static void table_grow(struct dag *dag)
{
	struct batch **old = dag->table;
	size_t size = (size_t)1 << dag->table_bits++;
	dag->table = ledger_allocate(2 * size, sizeof(struct batch *));
	for (size_t i = 0; i < size; i++)
		while (old[i]) {
			struct batch *batch = old[i], **place = bucket(dag, batch->digest.bytes);
			old[i] = batch->chain;
			batch->chain = *place;
			*place = batch;
		}
	free(old);
}

static struct batch *batch_add(struct dag *dag, const uint8_t *digest, unsigned author)
{
	if (dag->batch_total++ >> dag->table_bits)
		table_grow(dag);
	struct batch *batch = ledger_allocate(1, sizeof(*batch)), **place = bucket(dag, digest);
	memcpy(&batch->digest, digest, DAG_DIGEST_SIZE);
	batch->author = (uint16_t)author;
	batch->chain = *place;
	*place = batch;
	return batch;
}

static void own_add(struct dag *dag, struct batch *batch)
{
	batch->own = true;
	batch->next = NULL;
	*dag->own_last = batch;
	dag->own_last = &batch->next;
	dag->own_unordered++;
}

static void own_remove(struct dag *dag, struct batch *batch)
{
	struct batch **link = &dag->own_first;
	while (*link && *link != batch)
		link = &(*link)->next;
	if (!*link)
		return;
	*link = batch->next;
	if (dag->own_last == &batch->next)
		dag->own_last = link;
	dag->own_unordered--;
	batch->own = false;
}

static void batch_take(struct dag *dag, struct batch *batch, struct blob *blob, uint64_t ticket)
{
	batch->blob = blob_hold(blob);
	batch->size = blob->size;
	batch->ticket = ticket ? ticket : dag_log(dag, RECORD_BATCH, blob);
	dag->batch_bytes += blob->size;
	if (!batch->ordered) {
		dag->author_bytes[batch->author] += blob->size;
		dag->author_batches[batch->author]++;
	}
}

void receive_batch(struct dag *dag, unsigned peer, struct blob *blob, uint64_t ticket)
{
	struct batch_view view;
	struct dag_digest digest;
	if (!wire_batch(blob->data, blob->size, &view)) {
		dag->refused++;
		return;
	}
	bool trusted = ticket != 0;
	wire_digest(DAG_BATCH, blob->data, blob->size, &digest);
	struct batch *batch = batch_find(dag, digest.bytes);
	if (batch && batch->ticket)
		return;
	uint64_t round = dag->store->top > dag->order.gc_round ? dag->store->top : dag->order.gc_round;
	if (batch) {
		if (batch->author !=
		    view.author) /* wanted under another name: the header that names it lies */
			return;
		dag->batches_wanted--;
		slots_dirty(dag, batch->last_round);
	} else if (!trusted && (view.author != peer || dag->author_bytes[peer] > DAG_MAX_AUTHOR_BATCH_BYTES ||
	                        dag->author_batches[peer] >= DAG_MAX_AUTHOR_BATCHES)) {
		dag->refused++;
		return;
	} else {
		batch = batch_add(dag, digest.bytes, view.author);
	}
	if (round > batch->last_round)
		batch->last_round = round;
	batch_take(dag, batch, blob, ticket);
	if (view.author == dag->config.self && !batch->ordered && !batch->own)
		own_add(dag, batch);
	if (round + 8 > dag->active_round)
		dag->active_round = round + 8;
}

bool dag_submit(struct dag *dag, struct blob *blob)
{
	struct batch_view view;
	struct dag_digest digest;
	if (!wire_batch(blob->data, blob->size, &view) || view.author != dag->config.self ||
	    dag->own_unordered >= DAG_MAX_AUTHOR_BATCHES / 2 ||
	    dag->author_bytes[view.author] + blob->size > DAG_MAX_AUTHOR_BATCH_BYTES / 2)
		return false;
	wire_digest(DAG_BATCH, blob->data, blob->size, &digest);
	if (batch_find(dag, digest.bytes))
		return false;
	struct batch *batch = batch_add(dag, digest.bytes, view.author);
	batch->last_round = dag->store->top;
	batch_take(dag, batch, blob, 0);
	own_add(dag, batch);
	dag_send(dag, DAG_EVERYONE, blob_hold(blob));
	return true;
}

bool batches_present(struct dag *dag, const struct header_view *header)
{
	bool present = true;
	for (unsigned i = 0; i < header->batch_count; i++) {
		const uint8_t *entry = header->batches + (size_t)i * WIRE_BATCH_ENTRY;
		struct batch *batch = batch_find(dag, entry);
		if (!batch) {
			batch = batch_add(dag, entry, header->author);
			batch->retry_us = dag->now_us + dag->config.sync_us / 8;
			dag->batches_wanted++;
		}
		if (header->round > batch->last_round)
			batch->last_round = header->round;
		present = present && batch->ticket && batch->author == header->author;
	}
	return present;
}

static void batch_settle(struct dag *dag, struct batch *batch, uint64_t commit)
{
	if (batch->ordered)
		return;
	batch->ordered = true;
	batch->commit = commit;
	if (batch->ticket) {
		dag->author_bytes[batch->author] -= batch->size;
		dag->author_batches[batch->author]--;
	}
	if (batch->own)
		own_remove(dag, batch);
}

/* Before the log may begin at the state of `index`: which of our batches are ordered up to there. */
void batches_log_ordered(struct dag *dag, uint64_t index)
{
	for (size_t i = 0; i >> dag->table_bits == 0; i++)
		for (struct batch *batch = dag->table[i]; batch; batch = batch->chain) {
			if (batch->author != dag->config.self || !batch->ordered || batch->commit > index ||
			    batch->logged || !batch->ticket)
				continue;
			struct blob *record = blob_create(DAG_DIGEST_SIZE + 8);
			memcpy(record->data, &batch->digest, DAG_DIGEST_SIZE);
			store_le64(record->data + DAG_DIGEST_SIZE, batch->commit);
			dag_log(dag, RECORD_ORDERED, record);
			blob_release(record);
			batch->logged = true;
		}
}

/* It was ordered before the state that the log begins with; what came after it is ordered again by itself. */
void batch_replay_ordered(struct dag *dag, const uint8_t *digest, uint64_t commit)
{
	struct batch *batch = batch_find(dag, digest);
	if (batch && batch->ticket && commit <= dag->replay_index)
		batch_settle(dag, batch, commit);
}

void batches_reopen(struct dag *dag, uint64_t index)
{
	for (size_t i = 0; i >> dag->table_bits == 0; i++)
		for (struct batch *batch = dag->table[i]; batch; batch = batch->chain) {
			if (!batch->ordered || batch->commit <= index)
				continue;
			batch->ordered = batch->delivered = false;
			batch->commit = 0;
			if (!batch->ticket)
				continue;
			dag->author_bytes[batch->author] += batch->size;
			dag->author_batches[batch->author]++;
			if (batch->author == dag->config.self) {
				batch->proposed = 0;
				own_add(dag, batch);
			}
		}
}

void batches_ordered(struct dag *dag, const struct header_view *header, uint64_t commit)
{
	(void)batches_present(dag, header);
	for (unsigned i = 0; i < header->batch_count; i++)
		batch_settle(dag, batch_find(dag, header->batches + (size_t)i * WIRE_BATCH_ENTRY), commit);
}

void batches_requeue(struct dag *dag)
{
	uint64_t round = dag->store->top;
	for (struct batch *batch = dag->own_first; batch; batch = batch->next)
		if (dag->own_unordered && round + 8 > dag->active_round)
			dag->active_round = round + 8;
}

void batches_forget_proposals(struct dag *dag)
{
	for (struct batch *batch = dag->own_first; batch; batch = batch->next) {
		batch->proposed = 0;
		batch->last_round = dag->order.leader_round;
	}
	/* Rounds count anew: nothing that is kept may look older or newer than it is. */
	for (size_t i = 0; i >> dag->table_bits == 0; i++)
		for (struct batch *batch = dag->table[i]; batch; batch = batch->chain)
			batch->last_round = dag->order.leader_round;
	dag->swept_round = dag->order.leader_round;
}

/* What was carried by headers of ours that lie below the horizon without having been ordered waits again. */
void reclaim_payload(struct dag *dag)
{
	if (DAG_BUG(BUG_NO_REPROPOSAL))
		return;
	for (struct batch *batch = dag->own_first; batch; batch = batch->next)
		if (batch->proposed && batch->proposed <= dag->order.gc_round) {
			batch->proposed = 0;
			batch->last_round = dag->store->top;
			/* Others may have forgotten it. */
			if (batch->blob)
				dag_send(dag, DAG_EVERYONE, blob_hold(batch->blob));
		}
}

static void fetch(struct dag *dag, unsigned peer, const struct dag_digest *digests, unsigned count)
{
	struct blob *blob = blob_create(3 + (size_t)count * DAG_DIGEST_SIZE);
	blob->data[0] = DAG_FETCH;
	store_le16(blob->data + 1, (uint16_t)count);
	memcpy(blob->data + 3, digests, (size_t)count * DAG_DIGEST_SIZE);
	dag_send(dag, peer, blob);
}

void batches_retry_now(struct dag *dag)
{
	dag->batches_retry_us = 0;
	for (size_t i = 0; i >> dag->table_bits == 0; i++)
		for (struct batch *batch = dag->table[i]; batch; batch = batch->chain)
			batch->retry_us = 0;
}

/* Asks for what is wanted: its author first, then anyone. */
void batches_retry(struct dag *dag)
{
	if (!dag->batches_wanted || dag->now_us < dag->batches_retry_us)
		return;
	dag->batches_retry_us = dag->now_us + dag->config.sync_us / 8;
	struct dag_digest digests[DAG_MAX_REQUESTS];
	unsigned count = 0, peer = 0;
	for (size_t i = 0; i >> dag->table_bits == 0; i++)
		for (struct batch *batch = dag->table[i]; batch; batch = batch->chain) {
			if (batch->ticket || dag->now_us < batch->retry_us)
				continue;
			unsigned to = batch->tries % 4 == 0 && batch->author != dag->config.self
			                  ? batch->author
			                  : dag_some_peer(dag, dag->config.self);
			if (count && (to != peer || count == DAG_MAX_REQUESTS)) {
				fetch(dag, peer, digests, count);
				count = 0;
			}
			peer = to;
			digests[count++] = batch->digest;
			batch->tries++;
			batch->retry_us = dag->now_us + dag->config.sync_us / 2;
		}
	if (count)
		fetch(dag, peer, digests, count);
}

void receive_fetch(struct dag *dag, unsigned peer, struct blob *blob)
{
	unsigned count = wire_list(blob->data, blob->size, DAG_DIGEST_SIZE);
	for (unsigned i = 0; i < count; i++) {
		struct batch *batch = batch_find(dag, blob->data + 3 + (size_t)i * DAG_DIGEST_SIZE);
		if (!batch || !batch->ticket)
			continue;
		if (batch->blob)
			dag_send(dag, peer, blob_hold(batch->blob));
		else if (dag->begun)
			dag_effect(dag, (struct dag_effect){.kind = DAG_LOAD,
			                                    .peer = (uint16_t)peer,
			                                    .ticket = batch->ticket,
			                                    .digest = batch->digest});
	}
}

/* Forgets batches whose rounds are gone, and lets go of the bytes of delivered ones when they are many. */
void batches_sweep(struct dag *dag)
{
	if (dag->order.leader_round < dag->swept_round + 10)
		return;
	dag->swept_round = dag->order.leader_round;
	uint64_t floor = dag->store->floor;
	for (size_t i = 0; i >> dag->table_bits == 0; i++)
		for (struct batch **link = &dag->table[i], *batch; (batch = *link);) {
			bool needed =
			    batch->own || (batch->ordered && !batch->delivered) || batch->last_round > floor;
			if (batch->blob && batch->delivered && dag->batch_bytes > DAG_KEEP_BATCH_BYTES &&
			    batch->last_round + 12 < dag->order.leader_round) {
				dag->batch_bytes -= batch->size;
				blob_release(batch->blob);
				batch->blob = NULL;
			}
			if (needed) {
				link = &batch->chain;
				continue;
			}
			if (!batch->ticket)
				dag->batches_wanted--;
			batch_settle(dag, batch, 0);
			if (batch->blob)
				dag->batch_bytes -= batch->size;
			blob_release(batch->blob);
			*link = batch->chain;
			dag->batch_total--;
			free(batch);
		}
}

uint64_t batches_oldest_ticket(const struct dag *dag)
{
	uint64_t oldest = dag->durable + 1;
	for (size_t i = 0; i >> dag->table_bits == 0; i++)
		for (const struct batch *batch = dag->table[i]; batch; batch = batch->chain)
			if (batch->ticket && batch->ticket < oldest)
				oldest = batch->ticket;
	return oldest;
}

void batches_destroy(struct dag *dag)
{
	for (size_t i = 0; i >> dag->table_bits == 0; i++)
		while (dag->table[i]) {
			struct batch *batch = dag->table[i];
			dag->table[i] = batch->chain;
			blob_release(batch->blob);
			free(batch);
		}
	free(dag->table);
}
