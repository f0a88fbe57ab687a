/*
 * Certified states: what lets a late or new validator skip the past, and an epoch end. Every
 * checkpoint_commits commits, and at an epoch's last, each validator signs the state of the order together
 * with the application's root; a quorum of equal signatures makes it stable. An epoch goes on, ordering
 * nothing more, until its last state is stable; so whoever leaves it leaves a certificate behind that brings
 * everyone else along.
 */
#include "ledger/dag/core.h"

#include <stdlib.h>

static void checkpoint_drop(struct checkpoint *checkpoint)
{
	blob_release(checkpoint->state);
	blob_release(checkpoint->own);
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		blob_release(checkpoint->votes[i]);
	memset(checkpoint, 0, sizeof(*checkpoint));
}

void checkpoints_clear(struct dag *dag)
{
	for (unsigned i = 0; i < CHECKPOINTS; i++) {
		checkpoint_drop(&dag->checkpoints[i]);
		blob_release(dag->captured[i].order);
		dag->captured[i] = (struct captured){0};
	}
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++) {
		blob_release(dag->early[i]);
		dag->early[i] = NULL;
	}
}

static void capture(struct dag *dag, uint64_t index, struct blob *order)
{
	struct captured *oldest = &dag->captured[0];
	for (unsigned i = 1; i < CHECKPOINTS; i++)
		if (dag->captured[i].index < oldest->index)
			oldest = &dag->captured[i];
	for (unsigned i = 0; i < CHECKPOINTS; i++)
		if (dag->captured[i].index == index)
			oldest = &dag->captured[i];
	blob_release(oldest->order);
	*oldest = (struct captured){index, order};
}

void checkpoint_capture(struct dag *dag, const struct dag_commit *commit)
{
	if (commit->state)
		capture(dag, commit->index, blob_hold(commit->state));
}

static void make_stable(struct dag *dag, struct checkpoint *checkpoint)
{
	size_t signature_size = dag->config.signer.signature_size;
	unsigned count = set_size(checkpoint->good);
	struct blob *message =
	    blob_create(5 + (size_t)checkpoint->state->size + 2 + count * (2 + signature_size));
	uint8_t *at = message->data;
	*at = DAG_STATE;
	store_le32(at + 1, checkpoint->state->size - DAG_ROOT_SIZE);
	memcpy(at + 5, checkpoint->state->data, checkpoint->state->size);
	at += 5 + checkpoint->state->size;
	store_le16(at, (uint16_t)count);
	at += 2;
	for (uint64_t left = checkpoint->good; left; left &= left - 1, at += 2 + signature_size) {
		unsigned voter = (unsigned)__builtin_ctzll(left);
		store_le16(at, (uint16_t)voter);
		memcpy(at + 2, checkpoint->votes[voter]->data + WIRE_CHECKPOINT_HEAD, signature_size);
	}
	blob_release(dag->stable);
	dag->stable = message;
	dag->stable_index = checkpoint->index;
	if (dag->begun)
		dag_effect(dag, (struct dag_effect){.kind = DAG_STABLE,
		                                    .index = checkpoint->index,
		                                    .blob = blob_hold(message)});
}

/* Checks signatures only as far as a quorum needs them. */
static void settle(struct dag *dag, struct checkpoint *checkpoint)
{
	unsigned quorum = committee_quorum(dag->order.committee.size);
	uint64_t votes = 0;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		votes |= checkpoint->votes[i] && dag_is_member(dag, i) ? set_of(i) : 0;
	if (checkpoint->index <= dag->stable_index || set_size(votes & ~checkpoint->bad) < quorum)
		return;
	for (uint64_t left = votes & ~checkpoint->bad & ~checkpoint->good;
	     left && set_size(checkpoint->good) < quorum; left &= left - 1) {
		unsigned voter = (unsigned)__builtin_ctzll(left);
		struct dag_digest digest;
		wire_digest(DAG_CHECKPOINT, checkpoint->votes[voter]->data, WIRE_CHECKPOINT_SIGNED, &digest);
		if (dag_verify(dag, voter, DAG_CHECKPOINT, &digest,
		               checkpoint->votes[voter]->data + WIRE_CHECKPOINT_HEAD))
			checkpoint->good |= set_of(voter);
		else
			checkpoint->bad |= set_of(voter);
	}
	if (set_size(checkpoint->good) >= quorum)
		make_stable(dag, checkpoint);
}

static struct checkpoint *checkpoint_find(struct dag *dag, uint64_t index)
{
	for (unsigned i = 0; i < CHECKPOINTS; i++)
		if (dag->checkpoints[i].index == index)
			return &dag->checkpoints[i];
	return NULL;
}

static void place(struct dag *dag, struct checkpoint *checkpoint, const struct checkpoint_view *view,
                  struct blob *blob)
{
	if (!digest_equal(&view->state, &checkpoint->digest)) {
		/* Somebody's state is another. If a quorum says so, it is ours that is wrong. */
		struct dag_digest digest;
		unsigned others = 0;
		wire_digest(DAG_CHECKPOINT, blob->data, WIRE_CHECKPOINT_SIGNED, &digest);
		if (!(checkpoint->bad >> view->voter & 1) &&
		    dag_verify(dag, view->voter, DAG_CHECKPOINT, &digest, view->signature))
			checkpoint->bad |= set_of(view->voter);
		others = set_size(checkpoint->bad & ~checkpoint->good);
		dag->diverged = dag->diverged || others >= committee_quorum(dag->order.committee.size);
		return;
	}
	if (checkpoint->votes[view->voter])
		return;
	checkpoint->votes[view->voter] = blob_hold(blob);
	settle(dag, checkpoint);
}

void receive_checkpoint(struct dag *dag, unsigned peer, struct blob *blob)
{
	struct checkpoint_view view;
	if (!wire_checkpoint(blob->data, blob->size, dag->config.signer.signature_size, &view) ||
	    (peer != view.voter && peer != dag->config.self)) {
		dag->refused++;
		return;
	}
	if (view.epoch != dag->order.committee.epoch || !dag_is_member(dag, view.voter) ||
	    view.index <= dag->stable_index)
		return;
	struct checkpoint *checkpoint = view.index ? checkpoint_find(dag, view.index) : NULL;
	if (checkpoint) {
		place(dag, checkpoint, &view, blob);
		return;
	}
	blob_release(dag->early[view.voter]);
	dag->early[view.voter] = blob_hold(blob);
}

void dag_applied(struct dag *dag, uint64_t index, const uint8_t root[32])
{
	if (index <= dag->applied && !(dag->ending_index == index && dag->applied == index))
		return;
	dag->applied = index;
	struct captured *captured = NULL;
	for (unsigned i = 0; i < CHECKPOINTS; i++)
		if (dag->captured[i].order && dag->captured[i].index == index)
			captured = &dag->captured[i];
	if (!captured || checkpoint_find(dag, index))
		return;
	struct checkpoint *checkpoint = &dag->checkpoints[0];
	for (unsigned i = 1; i < CHECKPOINTS; i++)
		if (dag->checkpoints[i].index < checkpoint->index)
			checkpoint = &dag->checkpoints[i];
	checkpoint_drop(checkpoint);
	checkpoint->index = index;
	checkpoint->state = blob_create((size_t)captured->order->size + DAG_ROOT_SIZE);
	memcpy(checkpoint->state->data, captured->order->data, captured->order->size);
	memcpy(checkpoint->state->data + captured->order->size, root, DAG_ROOT_SIZE);
	wire_digest(DAG_STATE, checkpoint->state->data, checkpoint->state->size, &checkpoint->digest);
	if (dag_is_member(dag, dag->config.self)) {
		struct blob *blob = blob_create(WIRE_CHECKPOINT_HEAD + dag->config.signer.signature_size);
		blob->data[0] = DAG_CHECKPOINT;
		store_le64(blob->data + 1, dag->order.committee.epoch);
		store_le64(blob->data + 9, index);
		memcpy(blob->data + 17, &checkpoint->digest, DAG_DIGEST_SIZE);
		store_le16(blob->data + 49, (uint16_t)dag->config.self);
		dag_sign(dag, DAG_CHECKPOINT, blob->data, WIRE_CHECKPOINT_SIGNED,
		         blob->data + WIRE_CHECKPOINT_HEAD);
		checkpoint->votes[dag->config.self] = blob_hold(blob);
		checkpoint->good |= set_of(dag->config.self);
		checkpoint->own = blob;
		dag_send(dag, DAG_EVERYONE, blob_hold(blob));
	}
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++) {
		struct checkpoint_view view;
		if (dag->early[i] &&
		    wire_checkpoint(dag->early[i]->data, dag->early[i]->size,
		                    dag->config.signer.signature_size, &view) &&
		    view.index == index)
			place(dag, checkpoint, &view, dag->early[i]);
	}
	settle(dag, checkpoint);
}

void checkpoint_resend(struct dag *dag, unsigned peer)
{
	for (unsigned i = 0; i < CHECKPOINTS; i++)
		if (dag->checkpoints[i].own &&
		    dag->checkpoints[i].index + 2 * dag->config.checkpoint_commits > dag->applied)
			dag_send(dag, peer, blob_hold(dag->checkpoints[i].own));
}

void dag_end_epoch(struct dag *dag, const struct dag_commit *commit, uint64_t members)
{
	if (dag->ending_index || commit->epoch != dag->order.committee.epoch || !members)
		return;
	dag->ending_index = commit->index;
	/* What was ordered beyond it is not executed. */
	if (dag->recovered != UINT64_MAX && dag->recovered > commit->index)
		dag->recovered = commit->index;
	dag->next_epoch = ledger_allocate(1, sizeof(*dag->next_epoch));
	order_start(dag->next_epoch, dag->config.mode, commit->epoch + 1, members, commit->index,
	            commit->time_ms, &commit->digest);
	commits_clear(dag);
	batches_reopen(dag, commit->index);
	capture(dag, commit->index, order_encode(dag->next_epoch));
}

static void log_state(struct dag *dag, const uint8_t *state, size_t size)
{
	struct blob *record = blob_copy(state, size);
	struct dag_order order;
	if (order_decode(state, size - DAG_ROOT_SIZE, &order)) {
		dag->settled_gc = order.gc_round;
		batches_log_ordered(dag, order.index);
	}
	dag->settled_ticket = dag_log(dag, RECORD_STATE, record);
	blob_release(record);
	/* Records of votes in the rounds up to the floor may be gone from the log; that there were any may not. */
	if (dag->vote_floor > dag->settled_gc) {
		struct dag_ref floor = {.round = dag->vote_floor, .author = VOTED_NOBODY};
		(void)dag_log_voted(dag, &floor);
	}
}

static void keep_boundary(struct dag *dag, uint64_t epoch, struct blob *message)
{
	if (boundary_message(dag, epoch))
		return;
	if (dag->boundary_count == BOUNDARIES) {
		blob_release(dag->boundaries[0].message);
		memmove(dag->boundaries, dag->boundaries + 1, (BOUNDARIES - 1) * sizeof(dag->boundaries[0]));
		dag->boundary_count--;
	}
	dag->boundaries[dag->boundary_count++] = (struct boundary){epoch, blob_hold(message)};
	dag_log(dag, RECORD_BOUNDARY, message);
}

struct blob *boundary_message(struct dag *dag, uint64_t epoch)
{
	for (unsigned i = 0; i < dag->boundary_count; i++)
		if (dag->boundaries[i].epoch == epoch)
			return dag->boundaries[i].message;
	return NULL;
}

void dag_settled(struct dag *dag, uint64_t index)
{
	if (!dag->stable || index != dag->stable_index)
		return;
	log_state(dag, dag->stable->data + 5, load_le32(dag->stable->data + 1) + (size_t)DAG_ROOT_SIZE);
	if (index == dag->ending_index && dag->next_epoch) {
		struct dag_order next = *dag->next_epoch;
		keep_boundary(dag, next.committee.epoch, dag->stable);
		dag_enter_epoch(dag, &next);
	}
}

void state_want(struct dag *dag, unsigned peer)
{
	if (dag->restoring || (dag->asked_us && dag->now_us - dag->asked_us < dag->config.sync_us))
		return;
	dag->asked_us = dag->now_us;
	struct blob *blob = blob_create(17);
	blob->data[0] = DAG_STATE_WANT;
	store_le64(blob->data + 1, dag->delivered > dag->applied ? dag->applied : dag->delivered);
	store_le64(blob->data + 9, dag->trust_epoch);
	dag_send(dag, peer, blob);
}

void dag_want_state(struct dag *dag)
{
	state_want(dag, dag_some_peer(dag, dag->config.self));
}

void receive_state_want(struct dag *dag, unsigned peer, struct blob *blob)
{
	if (blob->size != 17) {
		dag->refused++;
		return;
	}
	if (dag->wanted_us[peer] && dag->now_us - dag->wanted_us[peer] < dag->config.sync_us / 4)
		return;
	dag->wanted_us[peer] = dag->now_us;
	uint64_t index = load_le64(blob->data + 1), epoch = load_le64(blob->data + 9);
	struct blob *message = NULL;
	if (epoch < dag->order.committee.epoch)
		message = boundary_message(dag, epoch + 1);
	else if (dag->stable && dag->stable_index > index)
		message = dag->stable;
	if (message)
		dag_send(dag, peer, blob_hold(message));
}

/* Whether a quorum of the committee we trust signed this state. */
static bool state_signed(struct dag *dag, const struct state_view *view, uint64_t epoch, uint64_t index)
{
	uint8_t signed_part[WIRE_CHECKPOINT_SIGNED] = {DAG_CHECKPOINT};
	struct dag_digest digest;
	uint64_t good = 0;
	size_t signature_size = dag->config.signer.signature_size;
	unsigned quorum = committee_quorum(set_size(dag->trust_members));
	if (DAG_BUG(BUG_STATE_UNCHECKED))
		return true;
	store_le64(signed_part + 1, epoch);
	store_le64(signed_part + 9, index);
	wire_digest(DAG_STATE, view->order, view->order_size + DAG_ROOT_SIZE, &digest);
	memcpy(signed_part + 17, &digest, DAG_DIGEST_SIZE);
	wire_digest(DAG_CHECKPOINT, signed_part, sizeof(signed_part), &digest);
	for (unsigned i = 0; i < view->count && set_size(good) < quorum; i++) {
		const uint8_t *entry = view->signatures + (size_t)i * (2 + signature_size);
		uint16_t voter = load_le16(entry);
		if (voter >= DAG_MAX_VALIDATORS || !(dag->trust_members >> voter & 1) || (good >> voter & 1))
			continue;
		if (!dag_verify(dag, voter, DAG_CHECKPOINT, &digest, entry + 2))
			return false;
		good |= set_of(voter);
	}
	return set_size(good) >= quorum;
}

/* Goes on from a state that is certified and that the application has. */
static void state_take(struct dag *dag, const struct dag_order *order, struct blob *message)
{
	dag_enter_epoch(dag, order);
	blob_release(dag->stable);
	dag->stable = blob_hold(message);
	dag->stable_index = order->index;
	log_state(dag, message->data + 5, load_le32(message->data + 1) + (size_t)DAG_ROOT_SIZE);
}

/*
 * Which states are of use: those above what the application holds, with a snapshot; and the very one that it
 * holds, when our log lags behind it. A snapshot's state is durable before the log says so, and a crash may
 * fall between the two: then the log's DAG need not lead to where the application is, and only this state
 * does. One below it is never taken: the certificates of what was told to the application are not ours to
 * forget. But whoever lacks an epoch's start learns from it who votes next.
 */
void receive_state(struct dag *dag, unsigned peer, struct blob *blob, bool trusted)
{
	struct state_view view;
	struct dag_order order;
	if (!wire_state(blob->data, blob->size, dag->config.signer.signature_size, &view) ||
	    !order_decode(view.order, view.order_size, &order) || order.mode != dag->config.mode) {
		dag->refused++;
		return;
	}
	/* A state without a leader is the start of an epoch, signed by the one before. */
	bool boundary = order.leader_round == 0;
	uint64_t epoch = order.committee.epoch - boundary;
	if (trusted) {
		if (boundary && order.committee.epoch > dag->trust_epoch) {
			dag->trust_epoch = order.committee.epoch;
			dag->trust_members = order.committee.members;
		}
		if (boundary)
			keep_boundary(dag, order.committee.epoch, blob);
		return;
	}
	/* The others left the epoch whose last commit we have, too, before its state was stable here. */
	struct checkpoint *ours =
	    boundary && order.index == dag->ending_index ? checkpoint_find(dag, order.index) : NULL;
	/* One that was checked before, when its snapshot could not be had: it may come again from a better peer. */
	struct blob *known = boundary ? boundary_message(dag, order.committee.epoch) : NULL;
	bool again = known && load_le32(known->data + 1) == view.order_size &&
	             known->size > 5 + view.order_size + DAG_ROOT_SIZE &&
	             !memcmp(known->data + 5, view.order, view.order_size + DAG_ROOT_SIZE);
	bool lagging = order.index == dag->applied && dag->delivered < order.index;
	bool useful = order.index > dag->applied || lagging;
	if (dag->restoring || (epoch != dag->trust_epoch && !again) ||
	    (!useful && !ours && !(boundary && !known)) || order.index <= dag->stable_index ||
	    (boundary && order.committee.epoch == 0))
		return;
	if (!again && !state_signed(dag, &view, epoch, order.index)) {
		dag->refused++;
		return;
	}
	if (ours) {
		if (ours->state->size != view.order_size + DAG_ROOT_SIZE ||
		    memcmp(ours->state->data, view.order, ours->state->size) != 0) {
			dag->diverged = true;
			return;
		}
		blob_release(dag->stable);
		dag->stable = blob_hold(blob);
		dag->stable_index = order.index;
		dag_effect(dag, (struct dag_effect){
		                    .kind = DAG_STABLE, .index = order.index, .blob = blob_hold(blob)});
		return;
	}
	if (boundary && !again) {
		dag->trust_epoch = order.committee.epoch;
		dag->trust_members = order.committee.members;
		keep_boundary(dag, order.committee.epoch, blob);
	}
	if (lagging)
		state_take(dag, &order, blob);
	if (lagging || !useful)
		return;
	dag->restoring = order.index;
	dag->restore_until_us = dag->now_us + 40 * dag->config.sync_us;
	dag->restore_order = ledger_allocate(1, sizeof(order));
	*dag->restore_order = order;
	dag->restore_message = blob_hold(blob);
	struct dag_effect effect = {.kind = DAG_RESTORE, .peer = (uint16_t)peer, .index = order.index};
	memcpy(&effect.digest, view.root, DAG_ROOT_SIZE);
	dag_effect(dag, effect);
}

void dag_restored(struct dag *dag, uint64_t index, bool good)
{
	if (!dag->restoring || dag->restoring != index)
		return;
	struct dag_order *order = dag->restore_order;
	struct blob *message = dag->restore_message;
	dag->restoring = 0;
	dag->restore_order = NULL;
	dag->restore_message = NULL;
	dag->asked_us = 0;
	if (good) {
		state_take(dag, order, message);
		dag->applied = index;
	} else if (order->committee.epoch == dag->order.committee.epoch) {
		dag->commit_us = dag->now_us;
	}
	free(order);
	blob_release(message);
}
