/*
 * Headers: what happens in one slot (round, author) until a vertex enters the DAG. We vote for at most one
 * header a slot, after all it refers to is in our DAG, its batches are here, and header and vote are in the
 * log. A header becomes a vertex when a quorum stands behind it: its author by the signature on it, others by
 * votes (votes.c).
 */
#include "ledger/dag/core.h"

#include <stdlib.h>

static void candidate_destroy(struct candidate *candidate)
{
	for (unsigned i = 0; candidate->proof && i < DAG_MAX_VALIDATORS; i++)
		vote_box_release(candidate->proof[i]);
	free(candidate->proof);
	blob_release(candidate->blob);
	free(candidate);
}

static void slot_drop_cells(struct slot *slot)
{
	for (unsigned i = 0; slot->cells && i < DAG_MAX_VALIDATORS; i++)
		vote_box_release(slot->cells[i].box);
	free(slot->cells);
	slot->cells = NULL;
}

struct slot *slot_get(struct dag *dag, uint64_t round, unsigned author)
{
	struct slot **slot = &dag->slots[round % DAG_WINDOW][author];
	if (!*slot)
		*slot = ledger_allocate(1, sizeof(**slot));
	return *slot;
}

static void slot_clear(struct dag *dag, uint64_t round, unsigned author)
{
	struct slot *slot = dag->slots[round % DAG_WINDOW][author];
	if (!slot)
		return;
	while (slot->candidates) {
		struct candidate *candidate = slot->candidates;
		slot->candidates = candidate->next;
		candidate_destroy(candidate);
	}
	slot_drop_cells(slot);
	free(slot);
	dag->slots[round % DAG_WINDOW][author] = NULL;
}

void slots_clear(struct dag *dag, uint64_t from_round, uint64_t to_round)
{
	for (uint64_t round = from_round; round <= to_round; round++)
		for (unsigned author = 0; author < DAG_MAX_VALIDATORS; author++)
			slot_clear(dag, round, author);
	for (uint64_t round = from_round; round <= to_round; round++)
		dag->round_tickets[round % DAG_WINDOW] = 0;
}

void slots_forget(struct dag *dag, uint64_t from_round, uint64_t to_round)
{
	for (uint64_t round = from_round; round <= to_round; round++)
		for (unsigned author = 0; author < DAG_MAX_VALIDATORS; author++) {
			struct slot *slot = dag->slots[round % DAG_WINDOW][author];
			if (!slot)
				continue;
			struct slot kept = {
			    .voted = slot->voted, .has_voted = slot->has_voted, .proven = slot->proven};
			slot_clear(dag, round, author);
			if (kept.has_voted)
				*slot_get(dag, round, author) = kept;
		}
}

void slots_dirty(struct dag *dag, uint64_t round)
{
	if (!dag->dirty_low || round < dag->dirty_low)
		dag->dirty_low = round;
	if (round > dag->dirty_high)
		dag->dirty_high = round;
}

struct candidate *slot_candidate(struct slot *slot, const struct dag_digest *digest)
{
	struct candidate *candidate = slot->candidates;
	while (candidate && !digest_equal(&candidate->ref.digest, digest))
		candidate = candidate->next;
	return candidate;
}

static void slot_remove(struct slot *slot, struct candidate *candidate)
{
	struct candidate **link = &slot->candidates;
	while (*link != candidate)
		link = &(*link)->next;
	*link = candidate->next;
	candidate_destroy(candidate);
}

/* Both headers are signed by their author: that is the proof. */
static void report_equivocation(struct dag *dag, struct slot *slot, const struct blob *one,
                                const struct blob *other, unsigned author)
{
	if (slot->proven)
		return;
	slot->proven = true;
	dag->equivocations++;
	struct blob *proof = blob_create(9 + (size_t)one->size + other->size);
	proof->data[0] = DAG_EVIDENCE;
	store_le32(proof->data + 1, one->size);
	memcpy(proof->data + 5, one->data, one->size);
	store_le32(proof->data + 5 + one->size, other->size);
	memcpy(proof->data + 9 + one->size, other->data, other->size);
	if (dag->begun)
		dag_effect(dag,
		           (struct dag_effect){.kind = DAG_PROVEN, .peer = (uint16_t)author, .blob = proof});
	else
		blob_release(proof);
}

/* Rules that need no other message. */
bool header_fits(const struct dag *dag, const struct header_view *view, bool trusted)
{
	uint64_t front = dag->quorum_round > dag->proposed_round ? dag->quorum_round : dag->proposed_round;
	if (front < dag->store->top)
		front = dag->store->top;
	return view->epoch == dag->order.committee.epoch && view->mode == dag->config.mode &&
	       dag_is_member(dag, view->author) && store_covers(dag->store, view->round) &&
	       (trusted || view->round <= front + DAG_AHEAD) &&
	       !(view->strong_authors & ~dag->order.committee.members) &&
	       (view->round == 1 || DAG_BUG(BUG_PARENTS) || view->strong_count >= dag_quorum(dag));
}

void receive_header(struct dag *dag, unsigned peer, struct blob *blob, bool trusted)
{
	struct header_view view;
	if (!wire_header(blob->data, blob->size, dag->config.signer.signature_size, &view)) {
		dag->refused++;
		return;
	}
	if (!header_fits(dag, &view, trusted))
		return;
	struct dag_ref ref = {.round = view.round, .author = view.author};
	wire_digest(DAG_HEADER, blob->data, view.signed_size, &ref.digest);
	struct slot *slot = slot_get(dag, ref.round, ref.author);
	struct dag_vertex *vertex = store_slot(dag->store, ref.round, ref.author);
	if (slot_candidate(slot, &ref.digest) || store_find(dag->store, &ref))
		return;
	bool wanted = trusted || is_wanted(dag, &ref);
	unsigned known = 0;
	for (struct candidate *other = slot->candidates; other; other = other->next)
		known++;
	/* What is certified stands, and beyond a few variants only what somebody refers to is of use. */
	if ((dag->config.mode == DAG_CERTIFIED && vertex && slot->proven) ||
	    (known >= SLOT_MAX_CANDIDATES && !wanted) ||
	    (dag->config.mode == DAG_UNCERTIFIED && (vertex || known) && slot->proven && !wanted))
		return;
	if (!trusted && !dag_verify(dag, ref.author, DAG_HEADER, &ref.digest, view.signature))
		return;
	if (ref.round > dag->headed[ref.author])
		dag->headed[ref.author] = ref.round;
	/* A header of ours that our log does not know: never another one for that round. */
	if (ref.author == dag->config.self && ref.round > dag->proposed_round)
		dag->proposed_round = ref.round;
	if (vertex || slot->candidates)
		report_equivocation(dag, slot, vertex ? vertex->header : slot->candidates->blob, blob,
		                    ref.author);
	if (dag->config.mode == DAG_CERTIFIED && vertex)
		return;
	if (dag->config.mode == DAG_UNCERTIFIED && (vertex || known) && !wanted)
		return;
	if (known >= SLOT_MAX_CANDIDATES) {
		struct candidate *last = slot->candidates;
		while (last->next)
			last = last->next;
		slot_remove(slot, last);
	}
	unwant(dag, &ref);
	struct candidate *candidate = ledger_allocate(1, sizeof(*candidate)), **end = &slot->candidates;
	*candidate = (struct candidate){.ref = ref,
	                                .blob = blob_hold(blob),
	                                .view = view,
	                                .from = (uint16_t)peer,
	                                .logged = trusted,
	                                .wanted = wanted};
	while (*end)
		end = &(*end)->next;
	*end = candidate;
	if (ref.round > dag->candidate_top)
		dag->candidate_top = ref.round;
	if (!dag->begun)
		dag_log_round(dag, ref.round, dag->ticket);
	if (view.batch_count && view.round + 8 > dag->active_round)
		dag->active_round = view.round + 8;
	slots_dirty(dag, ref.round);
}

static void candidate_log(struct dag *dag, struct candidate *candidate)
{
	if (candidate->logged)
		return;
	candidate->logged = true;
	dag_log_round(dag, candidate->ref.round, dag_log(dag, RECORD_HEADER, candidate->blob));
}

static void vote(struct dag *dag, struct slot *slot, struct candidate *candidate)
{
	candidate_log(dag, candidate);
	slot->has_voted = true;
	slot->voted = candidate->ref.digest;
	uint64_t ticket = dag_log_voted(dag, &candidate->ref);
	dag_log_round(dag, candidate->ref.round, ticket);
	if (dag->vote_count == dag->vote_room) {
		unsigned room = dag->vote_room ? 2 * dag->vote_room : 64;
		struct pending_vote *votes = ledger_allocate(room, sizeof(*votes));
		if (dag->vote_count)
			memcpy(votes, dag->votes, dag->vote_count * sizeof(*votes));
		free(dag->votes);
		dag->votes = votes;
		dag->vote_room = room;
	}
	dag->votes[dag->vote_count++] = (struct pending_vote){candidate->ref, ticket};
}

void replay_voted(struct dag *dag, const struct dag_ref *ref)
{
	if (!store_covers(dag->store, ref->round))
		return;
	struct slot *slot = slot_get(dag, ref->round, ref->author);
	slot->has_voted = true;
	slot->voted = ref->digest;
}

static void note_quorum(struct dag *dag, uint64_t round)
{
	if (round > dag->quorum_round && set_size(store_present(dag->store, round)) >= dag_quorum(dag)) {
		dag->quorum_round = round;
		dag->quorum_us = dag->now_us;
	}
}

/* Makes the candidate a vertex, with the votes that certify it. */
static void insert(struct dag *dag, struct slot *slot, struct candidate *candidate)
{
	struct blob **votes = NULL;
	unsigned count = 0;
	struct dag_ref ref = candidate->ref;
	candidate_log(dag, candidate);
	if (dag->config.mode == DAG_CERTIFIED) {
		votes = ledger_allocate(DAG_MAX_VALIDATORS, sizeof(struct blob *));
		for (unsigned i = 0; i < DAG_MAX_VALIDATORS && count + 1 < dag_quorum(dag); i++) {
			struct vote_box *box =
			    candidate->proof ? candidate->proof[i] : slot_vote(slot, candidate, i);
			if (!box || box->state != BOX_GOOD)
				continue;
			if (!box->logged)
				dag_log_round(dag, ref.round, dag_log(dag, RECORD_VOTES, box->blob));
			box->logged = true;
			votes[count++] = blob_hold(box->blob);
		}
	}
	store_insert(dag->store, &ref, blob_hold(candidate->blob), dag->config.signer.signature_size, votes,
	             count);
	unwant(dag, &ref);
	if (dag->config.mode == DAG_CERTIFIED) {
		while (slot->candidates)
			slot_remove(slot, slot->candidates);
		slot_drop_cells(slot);
	} else {
		slot_remove(slot, candidate);
	}
	note_quorum(dag, ref.round);
	slots_dirty(dag, ref.round + 1);
	if (dag->weak_waiters)
		for (uint64_t round = ref.round + 2; round <= dag->store->top + DAG_AHEAD; round++)
			slots_dirty(dag, round);
}

/* Whether all links are in the DAG; asks for those that are not. */
static bool links_present(struct dag *dag, struct candidate *candidate)
{
	struct dag_ref missing[DAG_MAX_VALIDATORS + DAG_MAX_WEAK];
	if (candidate->linked)
		return true;
	unsigned count =
	    store_missing(dag->store, &candidate->view, missing, DAG_MAX_VALIDATORS + DAG_MAX_WEAK);
	for (unsigned i = 0; i < count; i++) {
		if (missing[i].round + 1 != candidate->ref.round)
			dag->weak_waiters = true;
		struct slot *slot = dag->slots[missing[i].round % DAG_WINDOW][missing[i].author];
		/* What is here already and only waits needs no request yet, unless its votes do not come. */
		if (dag->config.mode == DAG_UNCERTIFIED && slot && slot_candidate(slot, &missing[i].digest))
			continue;
		want(dag, &missing[i], candidate->from);
	}
	candidate->linked = count == 0;
	return candidate->linked;
}

/* One step for one candidate; true if the slot changed and must be looked at again. */
static bool candidate_progress(struct dag *dag, struct slot *slot, struct candidate *candidate)
{
	bool links = links_present(dag, candidate);
	if (dag->config.mode == DAG_UNCERTIFIED) {
		if (!links || !batches_present(dag, &candidate->view))
			return false;
		if (candidate->ref.author == dag->config.self &&
		    candidate->ref.round == dag->proposed_round && dag->own_waiting)
			return false;
		insert(dag, slot, candidate);
		return true;
	}
	bool may_vote = !slot->has_voted ||
	                (DAG_BUG(BUG_VOTE_TWICE) && !digest_equal(&slot->voted, &candidate->ref.digest));
	if ((links || DAG_BUG(BUG_PARENTS)) && may_vote && dag->begun &&
	    candidate->ref.author != dag->config.self && dag_is_member(dag, dag->config.self) &&
	    candidate->ref.round > dag->order.gc_round && candidate->ref.round > dag->vote_floor &&
	    (batches_present(dag, &candidate->view) || DAG_BUG(BUG_BATCH_UNSEEN)))
		vote(dag, slot, candidate);
	if ((links || DAG_BUG(BUG_PARENTS)) && slot_certified(dag, slot, candidate)) {
		insert(dag, slot, candidate);
		return true;
	}
	return false;
}

void slots_progress(struct dag *dag)
{
	while (dag->dirty_low) {
		uint64_t low = dag->dirty_low, high = dag->dirty_high;
		if (low <= dag->store->floor)
			low = dag->store->floor + 1;
		if (high > dag->store->floor + DAG_WINDOW - 1)
			high = dag->store->floor + DAG_WINDOW - 1;
		if (high > dag->candidate_top)
			high = dag->candidate_top;
		dag->dirty_low = dag->dirty_high = 0;
		for (uint64_t round = low; round <= high; round++)
			for (uint64_t left = dag->order.committee.members; left; left &= left - 1) {
				struct slot *slot = dag->slots[round % DAG_WINDOW][__builtin_ctzll(left)];
				struct candidate *candidate = slot ? slot->candidates : NULL;
				while (candidate) {
					if (candidate_progress(dag, slot, candidate))
						candidate = slot->candidates;
					else
						candidate = candidate->next;
				}
			}
	}
}
