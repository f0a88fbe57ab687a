/*
 * Getting what was missed. While nothing advances, and now and then anyway, everyone tells everyone which
 * slots of the current rounds it has; whoever has more sends it. Headers that somebody's links name are asked
 * for by name. Answers are limited per peer in size and rate, so that a peer cannot make us talk without end.
 */
#include "ledger/dag/core.h"

#define ANSWER_BYTES (512u << 10) /* of one answer to a status */

void want(struct dag *dag, const struct dag_ref *ref, unsigned from)
{
	for (unsigned i = 0; i < dag->want_count; i++)
		if (digest_equal(&dag->wants[i].ref.digest, &ref->digest))
			return;
	if (dag->want_count == MAX_WANTS || !dag->begun)
		return;
	dag->wants[dag->want_count++] = (struct want){
	    .ref = *ref, .from = (uint16_t)from, .retry_us = dag->now_us + dag->config.sync_us / 8};
}

void unwant(struct dag *dag, const struct dag_ref *ref)
{
	for (unsigned i = 0; i < dag->want_count; i++)
		if (digest_equal(&dag->wants[i].ref.digest, &ref->digest)) {
			dag->wants[i] = dag->wants[--dag->want_count];
			return;
		}
}

bool is_wanted(const struct dag *dag, const struct dag_ref *ref)
{
	for (unsigned i = 0; i < dag->want_count; i++)
		if (digest_equal(&dag->wants[i].ref.digest, &ref->digest))
			return true;
	return false;
}

static void request(struct dag *dag, unsigned peer, const struct dag_ref *refs, unsigned count)
{
	struct blob *blob = blob_create(3 + (size_t)count * WIRE_REF_ENTRY);
	blob->data[0] = DAG_REQUEST;
	store_le16(blob->data + 1, (uint16_t)count);
	for (unsigned i = 0; i < count; i++)
		wire_put_ref(blob->data + 3 + (size_t)i * WIRE_REF_ENTRY, &refs[i]);
	dag_send(dag, peer, blob);
}

void wants_retry(struct dag *dag)
{
	struct dag_ref refs[DAG_MAX_REQUESTS];
	unsigned count = 0, peer = 0;
	for (unsigned i = 0; i < dag->want_count; i++) {
		struct want *wanted = &dag->wants[i];
		/* What nobody answers for may not exist; if it is still needed, it is wanted anew at the next
		 * full look. */
		if (wanted->ref.round <= dag->store->floor || store_find(dag->store, &wanted->ref) ||
		    wanted->tries == MAX_WANT_TRIES) {
			dag->wants[i--] = dag->wants[--dag->want_count];
			continue;
		}
		if (dag->now_us < wanted->retry_us)
			continue;
		/* First whoever named it, then its author, then anyone. */
		unsigned to = wanted->tries == 0   ? wanted->from
		              : wanted->tries == 1 ? wanted->ref.author
		                                   : DAG_EVERYONE;
		if (to == DAG_EVERYONE || to == dag->config.self)
			to = dag_some_peer(dag, dag->config.self);
		if (count && (to != peer || count == DAG_MAX_REQUESTS)) {
			request(dag, peer, refs, count);
			count = 0;
		}
		peer = to;
		refs[count++] = wanted->ref;
		wanted->tries++;
		wanted->retry_us = dag->now_us + dag->config.sync_us / 2;
	}
	if (count)
		request(dag, peer, refs, count);
}

static struct blob *vertex_message(const struct dag *dag, struct dag_vertex *vertex)
{
	return dag->config.mode == DAG_CERTIFIED ? certificate_message(vertex) : blob_hold(vertex->header);
}

void receive_request(struct dag *dag, unsigned peer, struct blob *blob)
{
	unsigned count = wire_list(blob->data, blob->size, WIRE_REF_ENTRY);
	size_t sent = 0;
	for (unsigned i = 0; i < count && sent < ANSWER_BYTES; i++) {
		struct dag_ref ref;
		wire_ref(blob->data + 3 + (size_t)i * WIRE_REF_ENTRY, &ref);
		if (ref.author >= DAG_MAX_VALIDATORS || !store_covers(dag->store, ref.round))
			continue;
		struct dag_vertex *vertex = store_find(dag->store, &ref);
		struct slot *slot = dag->slots[ref.round % DAG_WINDOW][ref.author];
		struct candidate *candidate = slot ? slot_candidate(slot, &ref.digest) : NULL;
		struct blob *answer = vertex      ? vertex_message(dag, vertex)
		                      : candidate ? blob_hold(candidate->blob)
		                                  : NULL;
		if (answer) {
			sent += answer->size;
			dag_send(dag, peer, answer);
		}
	}
}

/* Sends the peer what it lacks of the rounds it named: vertices, and where there is none yet, what may make
 * one. */
static void answer(struct dag *dag, unsigned peer, const struct status_view *status)
{
	struct dag_ref votes[DAG_MAX_VOTES];
	unsigned vote_count = 0;
	size_t sent = 0;
	uint64_t top = dag->store->top > dag->proposed_round ? dag->store->top : dag->proposed_round;
	for (uint64_t round = status->base; round <= top && sent < ANSWER_BYTES; round++) {
		if (!store_covers(dag->store, round))
			continue;
		uint64_t have = round - status->base < status->rounds
		                    ? load_le64(status->have + (size_t)(round - status->base) * 8)
		                    : 0;
		for (uint64_t left = dag->order.committee.members & ~have; left && sent < ANSWER_BYTES;
		     left &= left - 1) {
			unsigned author = (unsigned)__builtin_ctzll(left);
			struct dag_vertex *vertex = store_slot(dag->store, round, author);
			struct slot *slot = dag->slots[round % DAG_WINDOW][author];
			struct blob *message = NULL;
			if (vertex)
				message = vertex_message(dag, vertex);
			else if (slot && slot->candidates && author == dag->config.self)
				message = blob_hold(slot->candidates->blob);
			if (message) {
				sent += message->size;
				dag_send(dag, peer, message);
			}
			bool durable = true;
			struct dag_ref ref = {.round = round, .author = (uint16_t)author};
			if (!slot || !slot->has_voted || vertex || vote_count == DAG_MAX_VOTES)
				continue;
			ref.digest = slot->voted;
			for (unsigned i = 0; i < dag->vote_count; i++)
				durable = durable && !digest_equal(&dag->votes[i].ref.digest, &ref.digest);
			if (durable)
				votes[vote_count++] = ref;
		}
	}
	if (vote_count && dag_is_member(dag, dag->config.self))
		dag_send(dag, peer, votes_message(dag, votes, vote_count));
}

void receive_status(struct dag *dag, unsigned peer, struct blob *blob)
{
	struct status_view status;
	if (!wire_status(blob->data, blob->size, &status)) {
		dag->refused++;
		return;
	}
	uint64_t epoch = dag->order.committee.epoch;
	if (status.epoch > epoch ||
	    (status.epoch == epoch && status.gc_round >= dag->quorum_round && status.gc_round)) {
		state_want(dag, peer);
		return;
	}
	bool stuck = dag->now_us - dag->commit_us > 4 * (dag->config.sync_us + dag->config.idle_us);
	if (status.epoch == epoch && status.committed > dag->order.index &&
	    status.gc_round > dag->order.gc_round && stuck)
		state_want(dag, peer);
	if (dag->now_us - dag->answered_us[peer] < dag->config.sync_us / 4 && dag->answered_us[peer])
		return;
	dag->answered_us[peer] = dag->now_us;
	if (status.epoch < epoch) {
		struct blob *message = boundary_message(dag, status.epoch + 1);
		if (message)
			dag_send(dag, peer, blob_hold(message));
		return;
	}
	if (status.checkpoint < dag->stable_index || dag->stable_index < dag->applied)
		checkpoint_resend(dag, peer);
	answer(dag, peer, &status);
}

static void status_send(struct dag *dag)
{
	uint64_t base = dag->order.gc_round + 1;
	if (dag->quorum_round > base + WIRE_STATUS_ROUNDS / 2)
		base = dag->quorum_round - WIRE_STATUS_ROUNDS / 2;
	unsigned rounds = dag->store->top >= base ? (unsigned)(dag->store->top - base + 1) : 0;
	if (rounds > WIRE_STATUS_ROUNDS)
		rounds = WIRE_STATUS_ROUNDS;
	struct blob *blob = blob_create(WIRE_STATUS_HEAD + (size_t)rounds * 8);
	uint64_t numbers[6] = {dag->order.committee.epoch, dag->quorum_round, dag->order.index,
	                       dag->store->floor,          dag->stable_index, base};
	blob->data[0] = DAG_STATUS;
	for (unsigned i = 0; i < 6; i++)
		store_le64(blob->data + 1 + (size_t)i * 8, numbers[i]);
	store_le16(blob->data + 49, (uint16_t)rounds);
	for (unsigned i = 0; i < rounds; i++)
		store_le64(blob->data + WIRE_STATUS_HEAD + (size_t)i * 8,
		           store_present(dag->store, base + i));
	dag_send(dag, DAG_EVERYONE, blob);
}

void status_tick(struct dag *dag)
{
	uint64_t mark = dag->quorum_round + dag->order.index + (dag->order.committee.epoch << 40);
	if (mark != dag->progress_mark) {
		dag->progress_mark = mark;
		dag->progress_us = dag->now_us;
	}
	if (dag->restoring && dag->now_us > dag->restore_until_us)
		dag_restored(dag, dag->restoring, false);
	bool stuck = dag->now_us - dag->progress_us >= dag->config.sync_us + dag->config.idle_us;
	if (dag->now_us < dag->status_us || (!stuck && dag->now_us < dag->heartbeat_us))
		return;
	dag->status_us = dag->now_us + dag->config.sync_us;
	dag->heartbeat_us = dag->now_us + 8 * dag->config.sync_us;
	dag->weak_waiters = false;
	slots_dirty(dag, dag->store->floor + 1);
	slots_dirty(dag, dag->store->top + DAG_AHEAD);
	status_send(dag);
}
