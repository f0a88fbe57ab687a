/*
 * Our own headers: one a round, when a quorum of the round before is in the DAG and that round's leader, or a
 * timeout, allows it. There is nothing to say while nothing is to be ordered, so an idle network turns
 * slowly. A header leaves only once the log holds it: after a crash we know what we signed and never sign
 * another for that round.
 */
#include "ledger/dag/core.h"

/*
 * Whether an author has gone on to later rounds without a header of this one: who falls behind proposes above the highest quorum, and
 * nothing of the rounds between will come. An author's headers reach us in their order.
 */
static bool passed_over(const struct dag *dag, uint64_t round, unsigned author)
{
	const struct slot *slot = dag->slots[round % DAG_WINDOW][author];
	return dag->headed[author] > round && (!slot || !slot->candidates);
}

/* Whether nothing that may still come in `round` could help its leader, or the votes for the leader before. */
static bool leader_settled(const struct dag *dag, uint64_t round)
{
	int leader = order_leader(&dag->order, round);
	uint64_t present = store_present(dag->store, round);
	if (leader >= 0 && leader != (int)dag->config.self && !(present >> leader & 1) &&
	    !passed_over(dag, round, (unsigned)leader))
		return false;
	int before = round > 1 ? order_leader(&dag->order, round - 1) : -1;
	struct dag_vertex *vertex = before >= 0 ? store_slot(dag->store, round - 1, (unsigned)before) : NULL;
	if (!vertex)
		return true;
	/* Enough votes to commit it, or so many against that it cannot be. */
	unsigned in_favour = 0, total = 0, passed = 0,
	         enough = dag->config.mode == DAG_CERTIFIED ? committee_validity(dag->order.committee.size)
	                                                    : committee_quorum(dag->order.committee.size);
	for (uint64_t left = present; left; left &= left - 1, total++) {
		struct dag_digest named;
		in_favour += vertex_links(store_slot(dag->store, round, (unsigned)__builtin_ctzll(left)),
		                          (unsigned)before, &named) &&
		             digest_equal(&named, &vertex->ref.digest);
	}
	for (uint64_t left = dag->order.committee.members & ~present; left; left &= left - 1)
		passed += passed_over(dag, round, (unsigned)__builtin_ctzll(left));
	return in_favour >= enough || total - in_favour >= committee_quorum(dag->order.committee.size) ||
	       total + passed == dag->order.committee.size;
}

/* The round we may propose now or later: one above the highest with a quorum; 0 if we have proposed there. */
static uint64_t next_round(const struct dag *dag)
{
	uint64_t round = dag->quorum_round + 1;
	if (!dag_is_member(dag, dag->config.self) || !dag->begun || dag->restoring || dag->own_waiting ||
	    round <= dag->proposed_round || !store_covers(dag->store, round + 2))
		return 0;
	return round;
}

static uint64_t earliest(const struct dag *dag, uint64_t round)
{
	bool active = dag->own_unordered || round <= dag->active_round;
	uint64_t at = dag->proposed_us + (active ? dag->config.round_us : dag->config.idle_us);
	/* Those who lag catch up without waiting for leaders of rounds that are over. */
	if (round > dag->proposed_round + 1 || dag->quorum_round == 0 ||
	    leader_settled(dag, dag->quorum_round))
		return at;
	uint64_t timeout = dag->quorum_us + dag->config.leader_timeout_us;
	return at > timeout ? at : timeout;
}

uint64_t propose_deadline(const struct dag *dag)
{
	uint64_t round = next_round(dag);
	return round ? earliest(dag, round) : UINT64_MAX;
}

static unsigned weak_links(const struct dag *dag, uint64_t round, struct dag_ref *out)
{
	unsigned count = 0;
	uint64_t from = dag->order.gc_round + 4;
	for (uint64_t old = from; old + 2 <= round && count < DAG_MAX_WEAK; old++)
		for (uint64_t left = store_present(dag->store, old); left && count < DAG_MAX_WEAK;
		     left &= left - 1) {
			struct dag_vertex *vertex =
			    store_slot(dag->store, old, (unsigned)__builtin_ctzll(left));
			if (!vertex->referenced && !order_done(&dag->order, old, vertex->ref.author) &&
			    old + 1 < round)
				out[count++] = vertex->ref;
		}
	return count;
}

void propose(struct dag *dag)
{
	uint64_t round = next_round(dag);
	if (!round || dag->now_us < earliest(dag, round))
		return;
	struct dag_ref weak[DAG_MAX_WEAK];
	struct batch *batches[DAG_MAX_BATCHES];
	unsigned batch_count = 0, weak_count = weak_links(dag, round, weak);
	for (struct batch *batch = dag->own_first; batch && batch_count < DAG_MAX_BATCHES;
	     batch = batch->next)
		if (!batch->proposed)
			batches[batch_count++] = batch;
	uint64_t parents = round > 1 ? store_present(dag->store, round - 1) : 0;
	if (round == 1)
		weak_count = 0;
	size_t signed_size = WIRE_HEADER_HEAD + (size_t)batch_count * WIRE_BATCH_ENTRY +
	                     (size_t)set_size(parents) * WIRE_STRONG_ENTRY +
	                     (size_t)weak_count * WIRE_REF_ENTRY;
	struct blob *blob = blob_create(signed_size + dag->config.signer.signature_size);
	uint8_t *at = blob->data;
	at[0] = DAG_HEADER;
	at[1] = (uint8_t)dag->config.mode;
	store_le16(at + 2, (uint16_t)dag->config.self);
	store_le64(at + 4, dag->order.committee.epoch);
	store_le64(at + 12, round);
	store_le64(at + 20, dag->unix_ms);
	store_le16(at + 28, (uint16_t)batch_count);
	store_le16(at + 30, (uint16_t)set_size(parents));
	store_le16(at + 32, (uint16_t)weak_count);
	at += WIRE_HEADER_HEAD;
	for (unsigned i = 0; i < batch_count; i++, at += WIRE_BATCH_ENTRY) {
		memcpy(at, &batches[i]->digest, DAG_DIGEST_SIZE);
		store_le32(at + DAG_DIGEST_SIZE, batches[i]->size);
		batches[i]->proposed = round;
		batches[i]->last_round = round;
	}
	for (uint64_t left = parents; left; left &= left - 1, at += WIRE_STRONG_ENTRY) {
		unsigned author = (unsigned)__builtin_ctzll(left);
		struct dag_vertex *parent = store_slot(dag->store, round - 1, author);
		store_le16(at, (uint16_t)author);
		memcpy(at + 2, &parent->ref.digest, DAG_DIGEST_SIZE);
		parent->referenced = true;
	}
	for (unsigned i = 0; i < weak_count; i++, at += WIRE_REF_ENTRY) {
		wire_put_ref(at, &weak[i]);
		store_find(dag->store, &weak[i])->referenced = true;
	}
	dag_sign(dag, DAG_HEADER, blob->data, signed_size, blob->data + signed_size);
	dag->proposed_round = round;
	dag->proposed_us = dag->now_us;
	dag->own_waiting = blob;
	dag->own_ticket = dag_log(dag, RECORD_PROPOSED, blob);
	dag_log_round(dag, round, dag->own_ticket);
	if (batch_count && round + 8 > dag->active_round)
		dag->active_round = round + 8;
}

void proposed_durable(struct dag *dag)
{
	if (!dag->own_waiting || (dag->own_ticket > dag->durable && !DAG_BUG(BUG_PROPOSE_FORGOTTEN)))
		return;
	struct blob *blob = dag->own_waiting;
	dag->own_waiting = NULL;
	receive_header(dag, dag->config.self, blob, true);
	dag_send(dag, DAG_EVERYONE, blob);
}
