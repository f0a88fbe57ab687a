/*
 * Votes and certificates. A vote message covers all slots that became votable together, so one signature is
 * made and checked for many votes; signatures are checked only when they can complete a quorum. A certificate
 * that comes whole is judged by itself.
 */
#include "ledger/dag/core.h"

#include <stdlib.h>

void vote_box_release(struct vote_box *box)
{
	if (box && --box->references == 0) {
		blob_release(box->blob);
		free(box);
	}
}

/* The voter's vote for the candidate, if there is one that is not known to be bad. */
struct vote_box *slot_vote(const struct slot *slot, const struct candidate *candidate, unsigned voter)
{
	struct vote_cell *cell = slot->cells ? &slot->cells[voter] : NULL;
	return cell && cell->box && cell->box->state != BOX_BAD && voter != candidate->ref.author &&
	               digest_equal(&cell->digest, &candidate->ref.digest)
	           ? cell->box
	           : NULL;
}

/* A quorum for the candidate? Unchecked signatures are checked, only as many as are needed. */
bool slot_certified(struct dag *dag, struct slot *slot, const struct candidate *candidate)
{
	unsigned need = dag_quorum(dag) - 1, good = 0, possible = 0;
	if (candidate->proof)
		return true;
	if (!slot->cells)
		return need == 0;
	for (unsigned pass = 0; pass < 2; pass++)
		for (uint64_t left = dag->order.committee.members; left; left &= left - 1) {
			unsigned voter = (unsigned)__builtin_ctzll(left);
			struct vote_cell *cell = &slot->cells[voter];
			if (!cell->box || voter == candidate->ref.author || cell->box->state == BOX_BAD ||
			    !digest_equal(&cell->digest, &candidate->ref.digest))
				continue;
			if (pass == 0) {
				possible++;
				good += cell->box->state == BOX_GOOD;
				continue;
			}
			if (good >= need || possible < need)
				return good >= need;
			if (cell->box->state != BOX_UNCHECKED)
				continue;
			struct dag_digest digest;
			wire_digest(DAG_VOTES, cell->box->blob->data, cell->box->view.signed_size, &digest);
			bool fine = DAG_BUG(BUG_SIGNATURE) ||
			            dag_verify(dag, voter, DAG_VOTES, &digest, cell->box->view.signature);
			cell->box->state = fine ? BOX_GOOD : BOX_BAD;
			if (fine) {
				good++;
			} else {
				possible--;
				vote_box_release(cell->box);
				cell->box = NULL;
			}
		}
	return good >= need;
}

/* Puts a vote into its slot. A voter's first vote counts; a checked one replaces one that is not. */
static void place_vote(struct dag *dag, struct vote_box *box, const struct dag_ref *ref)
{
	if (!store_covers(dag->store, ref->round) || ref->round > dag->store->top + DAG_AHEAD ||
	    !dag_is_member(dag, ref->author) || store_find(dag->store, ref))
		return;
	struct slot *slot = slot_get(dag, ref->round, ref->author);
	if (store_slot(dag->store, ref->round, ref->author))
		return;
	if (!slot->cells)
		slot->cells = ledger_allocate(DAG_MAX_VALIDATORS, sizeof(*slot->cells));
	struct vote_cell *cell = &slot->cells[box->view.voter];
	if (cell->box && (cell->box->state == BOX_GOOD || box->state != BOX_GOOD))
		return;
	vote_box_release(cell->box);
	cell->box = box;
	cell->digest = ref->digest;
	box->references++;
	slots_dirty(dag, ref->round);
	if (slot_candidate(slot, &ref->digest))
		return;
	unsigned same = 0;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		same += slot->cells[i].box && digest_equal(&slot->cells[i].digest, &ref->digest);
	if (same + 1 >= committee_quorum(dag->order.committee.size))
		want(dag, ref, box->view.voter);
}

void receive_votes(struct dag *dag, unsigned peer, struct blob *blob, bool trusted)
{
	struct votes_view view;
	if (dag->config.mode != DAG_CERTIFIED ||
	    !wire_votes(blob->data, blob->size, dag->config.signer.signature_size, &view)) {
		dag->refused++;
		return;
	}
	if (view.epoch != dag->order.committee.epoch || !dag_is_member(dag, view.voter))
		return;
	struct vote_box *box = ledger_allocate(1, sizeof(*box));
	*box = (struct vote_box){
	    .references = 1, .blob = blob_hold(blob), .view = view, .logged = trusted && !dag->begun};
	if (trusted) {
		box->state = BOX_GOOD;
	} else if (peer != view.voter) {
		/* Passed on by another: only checked votes may take the voter's place. */
		struct dag_digest digest;
		wire_digest(DAG_VOTES, blob->data, view.signed_size, &digest);
		box->state =
		    DAG_BUG(BUG_SIGNATURE) || dag_verify(dag, view.voter, DAG_VOTES, &digest, view.signature)
		        ? BOX_GOOD
		        : BOX_BAD;
	}
	for (unsigned i = 0; box->state != BOX_BAD && i < view.count; i++) {
		struct dag_ref ref;
		wire_ref(view.entries + (size_t)i * WIRE_REF_ENTRY, &ref);
		place_vote(dag, box, &ref);
	}
	vote_box_release(box);
}

/* The vote in `in` for the candidate, checked unless the slot's own copy was; NULL if it is none. */
static struct vote_box *certificate_vote(struct dag *dag, const struct slot *slot,
                                         const struct candidate *candidate, const uint8_t *in, size_t size)
{
	struct votes_view view;
	bool names = false;
	if (!wire_votes(in, size, dag->config.signer.signature_size, &view) ||
	    view.epoch != dag->order.committee.epoch || !dag_is_member(dag, view.voter) ||
	    view.voter == candidate->ref.author || candidate->proof[view.voter])
		return NULL;
	for (unsigned i = 0; i < view.count && !names; i++) {
		struct dag_ref ref;
		wire_ref(view.entries + (size_t)i * WIRE_REF_ENTRY, &ref);
		names = ref.round == candidate->ref.round && ref.author == candidate->ref.author &&
		        digest_equal(&ref.digest, &candidate->ref.digest);
	}
	if (!names)
		return NULL;
	struct vote_box *known = slot_vote(slot, candidate, view.voter);
	if (known && known->state == BOX_GOOD) {
		known->references++;
		return known;
	}
	struct dag_digest digest;
	wire_digest(DAG_VOTES, in, view.signed_size, &digest);
	if (!DAG_BUG(BUG_SIGNATURE) && !dag_verify(dag, view.voter, DAG_VOTES, &digest, view.signature))
		return NULL;
	struct vote_box *box = ledger_allocate(1, sizeof(*box));
	*box = (struct vote_box){.references = 1, .blob = blob_copy(in, size), .state = BOX_GOOD};
	(void)wire_votes(box->blob->data, size, dag->config.signer.signature_size, &box->view);
	return box;
}

/*
 * A whole certificate is judged by itself: a voter may have told us one thing and others another, and what a
 * quorum certified stands whatever liars told us.
 */
void receive_certificate(struct dag *dag, unsigned peer, struct blob *blob)
{
	struct certificate_view view;
	struct header_view header;
	if (dag->config.mode != DAG_CERTIFIED || !wire_certificate(blob->data, blob->size, &view) ||
	    !wire_header(view.header, view.header_size, dag->config.signer.signature_size, &header)) {
		dag->refused++;
		return;
	}
	if (!header_fits(dag, &header, false))
		return;
	struct dag_ref ref = {.round = header.round, .author = header.author};
	wire_digest(DAG_HEADER, view.header, header.signed_size, &ref.digest);
	if (store_slot(dag->store, ref.round, ref.author))
		return;
	struct slot *slot = slot_get(dag, ref.round, ref.author);
	if (!slot_candidate(slot, &ref.digest)) {
		struct blob *part = blob_copy(view.header, view.header_size);
		want(dag, &ref, peer);
		receive_header(dag, peer, part, false);
		unwant(dag, &ref);
		blob_release(part);
	}
	struct candidate *candidate = slot_candidate(slot, &ref.digest);
	if (!candidate || candidate->proof)
		return;
	candidate->proof = ledger_allocate(DAG_MAX_VALIDATORS, sizeof(struct vote_box *));
	const uint8_t *at = view.votes;
	unsigned count = 0;
	for (unsigned i = 0; i < view.count && count + 1 < dag_quorum(dag); i++) {
		uint32_t length = load_le32(at);
		struct vote_box *box = certificate_vote(dag, slot, candidate, at + 4, length);
		if (box) {
			candidate->proof[box->view.voter] = box;
			count++;
		}
		at += 4 + length;
	}
	if (count + 1 < dag_quorum(dag)) {
		for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
			vote_box_release(candidate->proof[i]);
		free(candidate->proof);
		candidate->proof = NULL;
		dag->refused++;
		return;
	}
	slots_dirty(dag, ref.round);
}

struct blob *votes_message(struct dag *dag, const struct dag_ref *refs, unsigned count)
{
	size_t signed_size = WIRE_VOTES_HEAD + (size_t)count * WIRE_REF_ENTRY;
	struct blob *blob = blob_create(signed_size + dag->config.signer.signature_size);
	blob->data[0] = DAG_VOTES;
	store_le16(blob->data + 1, (uint16_t)dag->config.self);
	store_le64(blob->data + 3, dag->order.committee.epoch);
	store_le16(blob->data + 11, (uint16_t)count);
	for (unsigned i = 0; i < count; i++)
		wire_put_ref(blob->data + WIRE_VOTES_HEAD + (size_t)i * WIRE_REF_ENTRY, &refs[i]);
	dag_sign(dag, DAG_VOTES, blob->data, signed_size, blob->data + signed_size);
	return blob;
}

/* Whether nothing more can join the votes that wait: all members' headers of their newest round have their vote, and all are durable. */
static bool votes_whole(const struct dag *dag)
{
	const struct pending_vote *newest = &dag->votes[0];
	for (unsigned i = 0; i < dag->vote_count; i++) {
		if (dag->votes[i].ticket > dag->durable)
			return false;
		newest = dag->votes[i].ref.round > newest->ref.round ? &dag->votes[i] : newest;
	}
	for (uint64_t left = dag->order.committee.members & ~set_of(dag->config.self); left;
	     left &= left - 1) {
		const struct slot *slot = dag->slots[newest->ref.round % DAG_WINDOW][__builtin_ctzll(left)];
		if (!slot || !slot->has_voted)
			return false;
	}
	return true;
}

uint64_t votes_deadline(const struct dag *dag)
{
	return dag->votes_us ? dag->votes_us + dag->config.vote_us : UINT64_MAX;
}

/*
 * Sends the votes that are durable, all under one signature as far as they fit. Headers of a round come within a short time: a signature
 * for each would cost more than that time, so votes wait for each other, but no longer than `vote_us`.
 */
void votes_flush(struct dag *dag)
{
	struct dag_ref refs[DAG_MAX_VOTES];
	unsigned sent = 0;
	if (!dag->votes_us && dag->vote_count && dag->votes[0].ticket <= dag->durable)
		dag->votes_us = dag->now_us;
	if (dag->votes_us && dag->now_us < votes_deadline(dag) && !votes_whole(dag))
		return;
	dag->votes_us = 0;
	while (sent < dag->vote_count) {
		unsigned count = 0;
		for (; sent < dag->vote_count && count < DAG_MAX_VOTES &&
		       (dag->votes[sent].ticket <= dag->durable || DAG_BUG(BUG_VOTE_EARLY));
		     sent++)
			refs[count++] = dag->votes[sent].ref;
		if (!count)
			break;
		struct blob *blob = votes_message(dag, refs, count);
		receive_votes(dag, dag->config.self, blob, true);
		dag_send(dag, DAG_EVERYONE, blob);
	}
	dag->vote_count -= sent;
	if (sent && dag->vote_count)
		memmove(dag->votes, dag->votes + sent, dag->vote_count * sizeof(*dag->votes));
}

struct blob *certificate_message(const struct dag_vertex *vertex)
{
	size_t size = 7 + (size_t)vertex->header->size;
	for (unsigned i = 0; i < vertex->vote_count; i++)
		size += 4 + (size_t)vertex->votes[i]->size;
	struct blob *blob = blob_create(size);
	uint8_t *at = blob->data;
	*at = DAG_CERTIFICATE;
	store_le32(at + 1, vertex->header->size);
	memcpy(at + 5, vertex->header->data, vertex->header->size);
	at += 5 + vertex->header->size;
	store_le16(at, (uint16_t)vertex->vote_count);
	at += 2;
	for (unsigned i = 0; i < vertex->vote_count; i++) {
		store_le32(at, vertex->votes[i]->size);
		memcpy(at + 4, vertex->votes[i]->data, vertex->votes[i]->size);
		at += 4 + vertex->votes[i]->size;
	}
	return blob;
}
