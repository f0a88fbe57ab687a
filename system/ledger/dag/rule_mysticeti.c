/*
 * Mysticeti's commit rule (Babel et al., NDSS 2025, arXiv 2310.14821), over uncertified blocks: every round
 * has a leader, decided two rounds later. A block of the next round supports the leader's block it links to;
 * a block of the round after is a certificate for it if a quorum of that block's parents support it. direct
 * commit: a quorum of authors made certificates direct skip:   no block of the slot can have a certificate:
 * for each, a quorum of authors did not support it indirect:      the first later leader, three rounds on or
 * more, that is not skipped decides: if it is committed and its history holds a certificate, commit,
 * otherwise skip; if it is undecided, so is this one Leaders are committed in the order of rounds, up to the
 * first undecided one.
 */
#include "ledger/dag/order.h"

enum verdict {
	UNDECIDED,
	SKIP,
	COMMIT,
};

static bool supports(const struct dag_vertex *block, const struct dag_ref *leader)
{
	struct dag_digest named;
	return vertex_links(block, leader->author, &named) && digest_equal(&named, &leader->digest);
}

/* Authors with a block that supports the leader's block, and authors with one that does not. */
static void votes(const struct dag_store *store, const struct dag_ref *leader, uint64_t *in_favour,
                  uint64_t *against)
{
	*in_favour = *against = 0;
	for (uint64_t left = store_present(store, leader->round + 1); left; left &= left - 1) {
		unsigned author = (unsigned)__builtin_ctzll(left);
		for (struct dag_vertex *block = store_slot(store, leader->round + 1, author); block;
		     block = block->variant)
			*(supports(block, leader) ? in_favour : against) |= set_of(author);
	}
}

static bool certifies(const struct dag_order *order, const struct dag_store *store,
                      const struct dag_vertex *block, const struct dag_ref *leader)
{
	unsigned count = 0;
	for (unsigned i = 0; i < block->view.strong_count; i++) {
		struct dag_ref ref;
		wire_strong(block->view.strong + (size_t)i * WIRE_STRONG_ENTRY, block->ref.round, &ref);
		struct dag_vertex *parent = store_find(store, &ref);
		count += parent && supports(parent, leader);
	}
	return count >= committee_quorum(order->committee.size);
}

static bool skipped(const struct dag_order *order, const struct dag_store *store, uint64_t round,
                    unsigned author)
{
	unsigned quorum = committee_quorum(order->committee.size);
	uint64_t present = store_present(store, round + 1);
	if (set_size(present) < quorum)
		return false;
	/* Each block of the slot that somebody supports must be out of reach of a quorum. */
	for (uint64_t left = present; left; left &= left - 1)
		for (struct dag_vertex *block = store_slot(store, round + 1, (unsigned)__builtin_ctzll(left));
		     block; block = block->variant) {
			struct dag_ref leader = {.round = round, .author = (uint16_t)author};
			uint64_t in_favour, against;
			if (!vertex_links(block, author, &leader.digest))
				continue;
			votes(store, &leader, &in_favour, &against);
			if (set_size(against) < quorum)
				return false;
		}
	return true;
}

static enum verdict direct(const struct dag_order *order, const struct dag_store *store, uint64_t round,
                           struct dag_vertex **leader)
{
	unsigned author = (unsigned)order_leader(order, round),
	         quorum = committee_quorum(order->committee.size);
	for (struct dag_vertex *block = store_slot(store, round, author); block; block = block->variant) {
		uint64_t certified = 0;
		for (uint64_t left = store_present(store, round + 2); left; left &= left - 1) {
			unsigned other = (unsigned)__builtin_ctzll(left);
			for (struct dag_vertex *later = store_slot(store, round + 2, other); later;
			     later = later->variant)
				if (certifies(order, store, later, &block->ref))
					certified |= set_of(other);
		}
		if (set_size(certified) >= quorum) {
			*leader = block;
			return COMMIT;
		}
	}
	return skipped(order, store, round, author) ? SKIP : UNDECIDED;
}

/* The block of the slot that a certificate in the anchor's history vouches for, or NULL. */
static struct dag_vertex *certified_below(const struct dag_order *order, struct dag_store *store,
                                          uint64_t round, const struct dag_vertex *anchor)
{
	unsigned author = (unsigned)order_leader(order, round);
	for (struct dag_vertex *block = store_slot(store, round, author); block; block = block->variant)
		for (uint64_t left = store_present(store, round + 2); left; left &= left - 1)
			for (struct dag_vertex *later =
			         store_slot(store, round + 2, (unsigned)__builtin_ctzll(left));
			     later; later = later->variant)
				if (certifies(order, store, later, &block->ref) &&
				    store_reaches(store, anchor, later, false))
					return block;
	return NULL;
}

static struct dag_vertex *next(const struct dag_order *order, struct dag_store *store)
{
	struct dag_vertex *leaders[DAG_WINDOW] = {NULL};
	uint8_t verdicts[DAG_WINDOW];
	uint64_t first = order->leader_round + 1;
	if (store->top < first + 1)
		return NULL;
	for (uint64_t round = store->top; round >= first; round--) {
		enum verdict verdict = direct(order, store, round, &leaders[round % DAG_WINDOW]);
		for (uint64_t anchor = round + 3; verdict == UNDECIDED && anchor <= store->top; anchor++) {
			if (verdicts[anchor % DAG_WINDOW] == SKIP)
				continue;
			if (verdicts[anchor % DAG_WINDOW] == COMMIT) {
				leaders[round % DAG_WINDOW] =
				    certified_below(order, store, round, leaders[anchor % DAG_WINDOW]);
				verdict = leaders[round % DAG_WINDOW] ? COMMIT : SKIP;
			}
			break;
		}
		verdicts[round % DAG_WINDOW] = (uint8_t)verdict;
	}
	for (uint64_t round = first; round <= store->top && verdicts[round % DAG_WINDOW] != UNDECIDED;
	     round++)
		if (verdicts[round % DAG_WINDOW] == COMMIT)
			return leaders[round % DAG_WINDOW];
	return NULL;
}

const struct dag_rule dag_rule_mysticeti = {"mysticeti", next};
