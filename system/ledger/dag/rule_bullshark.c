/*
 * Bullshark's commit rule for partial synchrony (Spiegelman et al., CCS 2022; the partially synchronous
 * version of arXiv 2209.05633), over certified vertices. Even rounds have a leader. A leader is committed
 * directly when f+1 vertices of the next round link to it: then every later leader's history holds it, since
 * that has a quorum of the next round. From a directly committed leader the walk goes back over the leaders
 * since the last commit and commits those on its strong path, oldest first. This returns the oldest alone:
 * the commit may change the leaders' table, and the rest is judged under the new one.
 */
#include "ledger/dag/dag.h"

static bool supported(const struct dag_order *order, const struct dag_store *store,
                      const struct dag_vertex *leader)
{
	unsigned support = 0;
	struct dag_digest named;
	for (uint64_t left = store_present(store, leader->ref.round + 1); left; left &= left - 1) {
		const struct dag_vertex *vertex =
		    store_slot(store, leader->ref.round + 1, (unsigned)__builtin_ctzll(left));
		support += vertex_links(vertex, leader->ref.author, &named) &&
		           digest_equal(&named, &leader->ref.digest);
	}
	return support >= (DAG_BUG(BUG_DIRECT_COMMIT) ? 1 : committee_validity(order->committee.size));
}

static struct dag_vertex *next(const struct dag_order *order, struct dag_store *store)
{
	uint64_t first = order->leader_round + 2;
	for (uint64_t round = first; round < store->top; round += 2) {
		struct dag_vertex *leader = store_slot(store, round, (unsigned)order_leader(order, round));
		if (!leader || !supported(order, store, leader))
			continue;
		for (uint64_t older = round - 2; older >= first; older -= 2) {
			struct dag_vertex *other =
			    store_slot(store, older, (unsigned)order_leader(order, older));
			if (other && store_reaches(store, leader, other, true))
				leader = other;
		}
		return leader;
	}
	return NULL;
}

const struct dag_rule dag_rule_bullshark = {"bullshark", next};
