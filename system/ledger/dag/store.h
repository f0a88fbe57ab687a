/*
 * The DAG itself: the vertices of a window of rounds, causally complete. A vertex enters only after all that
 * it refers to above the floor, so that a walk along links never meets a gap. In certified mode a slot
 * (round, author) holds one vertex; in uncertified mode an equivocating author's slot may hold several
 * variants.
 */
#ifndef LEDGER_DAG_STORE_H
#define LEDGER_DAG_STORE_H

#include "ledger/dag/wire.h"

/* Variants of one slot that are kept (uncertified mode); what quorums refer to beyond them cannot be
 * followed. */
#define STORE_MAX_VARIANTS DAG_MAX_VALIDATORS

struct dag_vertex {
	struct dag_ref ref;
	struct header_view view; /* into `header` */
	struct blob *header;
	struct blob **votes; /* the messages that certify it, distinct; NULL in uncertified mode */
	unsigned vote_count;
	bool referenced; /* some vertex links to it */
	uint64_t mark;   /* of the walk that met it last */
	struct dag_vertex *variant;
};

struct dag_store {
	uint64_t floor; /* rounds up to this are gone */
	uint64_t top;   /* the highest round with a vertex; floor if there is none */
	uint64_t marks;
	uint64_t present[DAG_WINDOW]; /* authors that have a vertex */
	struct dag_vertex *slots[DAG_WINDOW][DAG_MAX_VALIDATORS];
};

struct dag_store *store_create(uint64_t floor);
void store_destroy(struct dag_store *store);

/* Whether the window covers the round: above the floor and below its end. */
bool store_covers(const struct dag_store *store, uint64_t round);
/* Authors with a vertex in the round; none outside the window. */
uint64_t store_present(const struct dag_store *store, uint64_t round);
/* The first variant of the slot, or NULL. */
struct dag_vertex *store_slot(const struct dag_store *store, uint64_t round, unsigned author);
struct dag_vertex *store_find(const struct dag_store *store, const struct dag_ref *ref);
/* Whether the vertex links strongly to the slot (round - 1, author); writes the digest it names if so. */
bool vertex_links(const struct dag_vertex *vertex, unsigned author, struct dag_digest *digest);

/*
 * Inserts; the store takes the references to `header` and `votes`. The caller has checked that the round is
 * covered, that all links are present (store_missing), and that the slot has no such vertex.
 */
struct dag_vertex *store_insert(struct dag_store *store, const struct dag_ref *ref, struct blob *header,
                                size_t signature_size, struct blob **votes, unsigned vote_count);

/* Writes up to `limit` references of the header that are above the floor and not in the store; returns how
 * many. */
unsigned store_missing(const struct dag_store *store, const struct header_view *header, struct dag_ref *out,
                       unsigned limit);

/* Whether the causal history of `from` holds `to`, by strong links alone or by all. */
bool store_reaches(struct dag_store *store, const struct dag_vertex *from, const struct dag_vertex *to,
                   bool strong_only);

/* Forgets rounds up to `floor`. */
void store_raise_floor(struct dag_store *store, uint64_t floor);

#endif
