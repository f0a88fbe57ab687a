/* The core's inside, shared by its files: what is known of each slot, batch, wish and checkpoint. */
#ifndef LEDGER_DAG_CORE_H
#define LEDGER_DAG_CORE_H

#include "ledger/dag/dag.h"

/* One votes message; held by every slot it votes in. */
struct vote_box {
	unsigned references;
	struct blob *blob;
	struct votes_view view;
	enum {
		BOX_UNCHECKED,
		BOX_GOOD,
		BOX_BAD,
	} state;
	bool logged;
};

/* Author of a RECORD_VOTED that tells the floor of votes. */
#define VOTED_NOBODY UINT16_MAX

struct vote_cell {
	struct vote_box *box;
	struct dag_digest digest;
};

/* A header that is not in the DAG yet. Its signature is good. */
struct candidate {
	struct candidate *next;
	struct dag_ref ref;
	struct blob *blob;
	struct header_view view;
	uint16_t from;
	bool logged, linked; /* linked: all it refers to is in the DAG */
	struct vote_box *
	    *proof;  /* a certificate that came whole: votes of a quorum less the author, checked */
	bool wanted; /* somebody's link names it: taken although the slot has another (uncertified mode) */
};

#define SLOT_MAX_CANDIDATES 3

struct slot {
	struct candidate *candidates;
	struct vote_cell *cells; /* by voter; NULL until the first vote and after certification */
	struct dag_digest voted;
	bool has_voted, proven; /* proven: equivocation was reported */
};

/* A batch we have, or want. */
struct batch {
	struct batch *chain; /* of the hash table */
	struct dag_digest digest;
	struct blob *blob;   /* NULL: wanted, or released after it was applied */
	uint64_t last_round; /* of arrival, or of the last header naming it */
	uint64_t ticket;     /* of its log record; 0 until it is here */
	uint64_t retry_us;
	uint32_t size;
	uint16_t author;
	uint16_t tries;
	bool own, ordered, delivered, logged; /* logged: as ordered */
	uint64_t commit;                      /* that ordered it */
	uint64_t proposed;                    /* own: the round of the header that carries it; 0: waiting */
	struct batch *next;                   /* own, not ordered */
};

struct want {
	struct dag_ref ref;
	uint64_t retry_us;
	uint16_t from;
	uint16_t tries;
};
#define MAX_WANTS      1024
#define MAX_WANT_TRIES 8

struct pending_vote {
	struct dag_ref ref;
	uint64_t ticket;
};

/* A commit on its way out: first its batches, then its turn. */
struct outgoing {
	struct outgoing *next;
	struct dag_commit *commit;
	uint64_t ticket;
};

/* Checkpoint votes for one index. */
#define CHECKPOINTS 8
struct checkpoint {
	uint64_t index;     /* 0: unused */
	struct blob *state; /* order state and root, as we have them */
	struct blob *own;   /* our message */
	struct dag_digest digest;
	struct blob *votes[DAG_MAX_VALIDATORS]; /* messages for the same digest */
	uint64_t good, bad;                     /* whose signatures were checked, and how */
};

/* An order state on its way to being applied. */
struct captured {
	uint64_t index;
	struct blob *order;
};

struct boundary {
	uint64_t epoch; /* that it starts */
	struct blob *message;
};
#define BOUNDARIES 64

struct dag {
	struct dag_config config;
	struct dag_store *store;
	struct dag_order order;
	struct slot *slots[DAG_WINDOW][DAG_MAX_VALIDATORS];

	uint64_t now_us, unix_ms;
	bool begun;
	uint64_t replay_index; /* the commit that the log begins after */
	uint64_t recovered;    /* the commit that it leads to; UINT64_MAX until that is known */

	/* rounds */
	uint64_t proposed_round;  /* of our last header */
	uint64_t proposed_us;     /* when */
	uint64_t own_ticket;      /* its log record */
	struct blob *own_waiting; /* our last header, until it is durable */
	uint64_t quorum_round;    /* the highest with a quorum of vertices */
	uint64_t quorum_us;
	uint64_t active_round;          /* there is payload to order as long as rounds are below this */
	uint64_t dirty_low, dirty_high; /* rounds whose candidates must be looked at again */
	bool weak_waiters;
	uint64_t candidate_top;              /* no candidate lies above */
	uint64_t headed[DAG_MAX_VALIDATORS]; /* the highest round of each author's headers in this epoch */

	/* What we voted for up to this round of the epoch is forgotten: we vote there no more. In the log, too, as long as
	 * the state there begins below it. */
	uint64_t vote_floor;
	/* votes not yet durable, or durable and not yet sent */
	struct pending_vote *votes;
	unsigned vote_count, vote_room;
	uint64_t votes_us; /* when the first of them became durable; 0: none is */

	/* batches */
	struct batch **table;
	unsigned table_bits, batch_total;
	uint64_t table_factor;
	uint64_t author_bytes[DAG_MAX_VALIDATORS];
	unsigned author_batches[DAG_MAX_VALIDATORS];
	struct batch *own_first, **own_last; /* not ordered yet, oldest first */
	unsigned own_unordered;
	unsigned batches_wanted;
	uint64_t batch_bytes;
	uint64_t swept_round, batches_retry_us;

	struct want wants[MAX_WANTS];
	unsigned want_count;

	/* commits */
	struct outgoing *out_first, **out_last;
	uint64_t delivered; /* index handed to the driver */
	uint64_t applied;
	unsigned outgoing;
	struct captured captured[CHECKPOINTS];

	/* checkpoints */
	struct checkpoint checkpoints[CHECKPOINTS];
	struct blob *early[DAG_MAX_VALIDATORS]; /* the last message of each voter that we had no state for */
	uint64_t stable_index;
	bool diverged;         /* a quorum signed another state than ours */
	struct blob *stable;   /* DAG_STATE message */
	uint64_t ending_index; /* the epoch's last commit, once known; 0 otherwise */
	struct dag_order *next_epoch;
	struct boundary boundaries[BOUNDARIES];
	unsigned boundary_count;
	uint64_t trust_epoch, trust_members; /* the newest committee known for certain */
	uint64_t restoring;                  /* index being restored; 0: none */
	uint64_t asked_us;                   /* when we last asked for a state */
	struct dag_order *restore_order;
	struct blob *restore_message;
	uint64_t restore_until_us;

	/* peers and sync */
	uint64_t status_us, heartbeat_us, progress_us, progress_mark, commit_us;
	uint64_t answered_us[DAG_MAX_VALIDATORS]; /* last answer to a status */
	uint64_t wanted_us[DAG_MAX_VALIDATORS];   /* last answer to a state want */
	uint64_t random;

	/* what the log must keep: the first record of each round, and the last state */
	uint64_t round_tickets[DAG_WINDOW];
	uint64_t settled_gc, settled_ticket;

	/* effects */
	struct dag_effect *effects, current;
	unsigned effect_first, effect_count, effect_room;
	uint64_t ticket, durable;

	uint64_t verified, signed_count, equivocations, refused;
};

/* core.c */
bool dag_is_member(const struct dag *dag, unsigned validator);
unsigned dag_quorum(const struct dag *dag);
void dag_effect(struct dag *dag, struct dag_effect effect);
/* Sends; the reference passes. */
void dag_send(struct dag *dag, unsigned peer, struct blob *blob);
/* Logs; the blob is held. Returns the ticket. */
uint64_t dag_log(struct dag *dag, enum dag_record record, struct blob *blob);
/* Notes that the record `ticket` belongs to the round. */
void dag_log_round(struct dag *dag, uint64_t round, uint64_t ticket);
void dag_sign(struct dag *dag, enum dag_message purpose, const uint8_t *data, size_t size,
              uint8_t *signature);
bool dag_verify(struct dag *dag, unsigned validator, enum dag_message purpose,
                const struct dag_digest *digest, const uint8_t *signature);
/* A peer other than `not`, by turns. */
unsigned dag_some_peer(struct dag *dag, unsigned not );
void dag_enter_epoch(struct dag *dag, const struct dag_order *order);

/* Logs a reference and the current epoch. */
uint64_t dag_log_voted(struct dag *dag, const struct dag_ref *ref);

/* slots.c: headers */
struct slot *slot_get(struct dag *dag, uint64_t round, unsigned author);
void slots_clear(struct dag *dag, uint64_t from_round, uint64_t to_round);
/* The same, but what we voted for in them stays known, and its log records needed. */
void slots_forget(struct dag *dag, uint64_t from_round, uint64_t to_round);
void slots_dirty(struct dag *dag, uint64_t round);
void slots_progress(struct dag *dag);
struct candidate *slot_candidate(struct slot *slot, const struct dag_digest *digest);
/* `trusted`: from our own log. */
void receive_header(struct dag *dag, unsigned peer, struct blob *blob, bool trusted);
/* Rules of a header that need no other message. */
bool header_fits(const struct dag *dag, const struct header_view *view, bool trusted);
void replay_voted(struct dag *dag, const struct dag_ref *ref);

/* votes.c: votes, certificates */
void vote_box_release(struct vote_box *box);
/* The voter's vote for the candidate, if there is one that is not known to be bad. */
struct vote_box *slot_vote(const struct slot *slot, const struct candidate *candidate, unsigned voter);
/* A quorum for the candidate? Unchecked signatures are checked, only as many as are needed. */
bool slot_certified(struct dag *dag, struct slot *slot, const struct candidate *candidate);
void receive_votes(struct dag *dag, unsigned peer, struct blob *blob, bool trusted);
void receive_certificate(struct dag *dag, unsigned peer, struct blob *blob);
void votes_flush(struct dag *dag);
/* When votes that wait must leave. */
uint64_t votes_deadline(const struct dag *dag);
/* A votes message of ours for these, signed. */
struct blob *votes_message(struct dag *dag, const struct dag_ref *refs, unsigned count);
struct blob *certificate_message(const struct dag_vertex *vertex);

/* propose.c */
void propose(struct dag *dag);
uint64_t propose_deadline(const struct dag *dag);
void proposed_durable(struct dag *dag);
/* Takes back payload of our headers that can no longer be ordered. */
void reclaim_payload(struct dag *dag);

/* batches.c */
struct batch *batch_find(const struct dag *dag, const uint8_t *digest);
void receive_batch(struct dag *dag, unsigned peer, struct blob *blob, uint64_t ticket);
/* Whether all batches of the header are here; asks for those that are not. */
bool batches_present(struct dag *dag, const struct header_view *header);
void batches_retry(struct dag *dag);
void batches_sweep(struct dag *dag);
void batches_forget_proposals(struct dag *dag);
void receive_fetch(struct dag *dag, unsigned peer, struct blob *blob);
void batches_destroy(struct dag *dag);
/* After a replay: what our headers in the log carry is proposed, the rest waits. */
void batches_requeue(struct dag *dag);
void batches_log_ordered(struct dag *dag, uint64_t index);
void batch_replay_ordered(struct dag *dag, const uint8_t *digest, uint64_t commit);
void batches_retry_now(struct dag *dag);
uint64_t batches_oldest_ticket(const struct dag *dag);
void batches_ordered(struct dag *dag, const struct header_view *header, uint64_t commit);
/* The epoch ended before the commits after `index`: what they ordered is not ordered. */
void batches_reopen(struct dag *dag, uint64_t index);

/* sync.c */
void want(struct dag *dag, const struct dag_ref *ref, unsigned from);
void unwant(struct dag *dag, const struct dag_ref *ref);
void wants_retry(struct dag *dag);
bool is_wanted(const struct dag *dag, const struct dag_ref *ref);
void receive_request(struct dag *dag, unsigned peer, struct blob *blob);
void receive_status(struct dag *dag, unsigned peer, struct blob *blob);
void status_tick(struct dag *dag);

/* commits.c */
void commits_advance(struct dag *dag);
void commits_deliver(struct dag *dag);
void commits_clear(struct dag *dag);

/* checkpoint.c */
void receive_checkpoint(struct dag *dag, unsigned peer, struct blob *blob);
void receive_state_want(struct dag *dag, unsigned peer, struct blob *blob);
void receive_state(struct dag *dag, unsigned peer, struct blob *blob, bool trusted);
void checkpoint_resend(struct dag *dag, unsigned peer);
void state_want(struct dag *dag, unsigned peer);
void checkpoints_clear(struct dag *dag);
struct blob *boundary_message(struct dag *dag, uint64_t epoch);
void checkpoint_capture(struct dag *dag, const struct dag_commit *commit);

#endif
