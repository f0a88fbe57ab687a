/*
 * From DAG to sequence. The order's state says what was committed last, which slots were ordered, and who
 * leads; a commit rule finds the next leader to commit; the order then flattens that leader's history, oldest
 * round first, authors ascending, skipping what was ordered before and what lies DAG_GC_DEPTH or more rounds
 * below the leader. All of it is a function of the DAG alone, so every honest validator makes the same
 * sequence. The state has one encoding, which checkpoints sign.
 *
 * Where this differs from the papers: ordered slots are remembered exactly (a bit each) instead of by the
 * highest round an author was committed at, so that no certified vertex above the horizon is lost; old
 * vertices are picked up by weak links.
 */
#ifndef LEDGER_DAG_ORDER_H
#define LEDGER_DAG_ORDER_H

#include "ledger/dag/store.h"

/* Every so many commits the leaders' table is made anew from who voted for committed leaders. */
#define ORDER_PERIOD  30
#define ORDER_LEADERS 8 /* committed leaders remembered, to count votes for them */

struct dag_order {
	enum dag_mode mode;
	struct dag_committee committee;
	uint64_t index;        /* of the last commit, over all epochs */
	uint64_t leader_round; /* of the last committed leader in this epoch; 0 at first */
	uint64_t gc_round;
	uint64_t time_ms;
	struct dag_digest digest; /* of the sequence so far */
	struct dag_ref leaders[ORDER_LEADERS];
	unsigned commits_in_period;
	uint32_t scores[DAG_MAX_VALIDATORS];
	uint8_t table[DAG_MAX_VALIDATORS]; /* who leads, by turns; committee.size entries */
	uint64_t ordered[DAG_WINDOW];      /* authors ordered, for rounds above gc_round */
};

/* The next leader to commit, or NULL while none can be. Reads the state, changes nothing but walk marks. */
struct dag_rule {
	const char *name;
	struct dag_vertex *(*next)(const struct dag_order *order, struct dag_store *store);
};
extern const struct dag_rule dag_rule_bullshark, dag_rule_mysticeti;
const struct dag_rule *dag_rule_of(enum dag_mode mode);

/* An epoch's start, after the commit `index` of the epoch before. */
void order_start(struct dag_order *order, enum dag_mode mode, uint64_t epoch, uint64_t members,
                 uint64_t index, uint64_t time_ms, const struct dag_digest *digest);

/* The leader of the round; -1 if the round has none (odd rounds in certified mode, round 0). */
int order_leader(const struct dag_order *order, uint64_t round);
/* Whether the slot is ordered, or too old to be. */
bool order_done(const struct dag_order *order, uint64_t round, unsigned author);

/* What one leader brought: its vertices in order, as headers that stay valid when the DAG forgets them. */
struct dag_commit {
	uint64_t index, epoch, round, time_ms;
	uint16_t leader;
	struct dag_digest digest;
	unsigned count;
	struct blob **headers; /* references held */
	struct blob *state;    /* the order's encoding after this commit if it is a checkpoint, else NULL */
};
/* Commits what the rule finds next; NULL if nothing. */
struct dag_commit *order_commit(struct dag_order *order, struct dag_store *store);
void commit_destroy(struct dag_commit *commit);

/* The state's one encoding, and back; decoding refuses what encoding cannot make. */
struct blob *order_encode(const struct dag_order *order);
bool order_decode(const uint8_t *in, size_t size, struct dag_order *out);

#endif
