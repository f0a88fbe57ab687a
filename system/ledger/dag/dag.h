/*
 * The consensus core of one validator: a state machine without clock, I/O or threads. Messages, ticks and
 * completed writes go in; effects come out and are carried out by a driver (the node, or the simulator).
 * Given the same inputs it does the same, so every run of the simulator can be repeated.
 *
 * A driver: feeds dag_receive, dag_submit and dag_tick as things happen; then calls dag_flush once, and
 * carries out what dag_next_effect returns until that is NULL. It writes DAG_PERSIST effects to one log in
 * their order and reports by dag_persisted what survives a crash. At start it replays the log's records with
 * dag_replay, then calls dag_begin.
 *
 * Votes, and our own headers, leave only after the log holds them; commits come out only when the
 * certificates they rest on are durable here and all their batches are at hand.
 */
#ifndef LEDGER_DAG_DAG_H
#define LEDGER_DAG_DAG_H

#include "ledger/dag/order.h"

#define DAG_EVERYONE UINT16_MAX

/* Signatures by validator number; `purpose` separates headers, votes and checkpoints. */
struct dag_signer {
	void *context;
	size_t signature_size; /* the same for all; at most DAG_MAX_SIGNATURE_SIZE */
	void (*sign)(void *context, enum dag_message purpose, const struct dag_digest *digest,
	             uint8_t *signature);
	bool (*verify)(void *context, unsigned validator, enum dag_message purpose,
	               const struct dag_digest *digest, const uint8_t *signature);
};

struct dag_config {
	enum dag_mode mode;
	unsigned self;       /* our number; outside the committee we follow without a vote */
	uint64_t members;    /* of epoch 0 */
	uint64_t validators; /* all whose keys are known: may join in later epochs, and are peers now */
	struct dag_signer signer;
	uint64_t leader_timeout_us; /* how long a round waits for its leader once it has a quorum */
	uint64_t round_us;          /* shortest time between our headers */
	uint64_t vote_us;           /* longest wait of a vote for others that go under the same signature */
	uint64_t idle_us;           /* longest, when there is nothing to order */
	uint64_t sync_us;           /* between status messages while nothing advances; retries of requests */
	unsigned checkpoint_commits;
	uint64_t seed; /* secret; spreads hash tables */
};

enum dag_effect_kind {
	DAG_SEND,      /* `blob` to `peer`, or to all peers when that is DAG_EVERYONE; losing it is allowed */
	DAG_PERSIST,   /* append `record` with `blob` to the log; it has the number `ticket` */
	DAG_COMMITTED, /* the next commit: once the log is durable up to `ticket`, apply and report with
	                  dag_applied */
	DAG_PROVEN,    /* `blob` is a DAG_EVIDENCE message against `peer` */
	DAG_LOAD, /* `peer` wants the batch `digest`, which was released from memory: send it from the log */
	DAG_RESTORE, /* fetch from `peer` the application's state of commit `index` with `root`; then
	                dag_restored */
	DAG_STABLE,  /* `blob`, a DAG_STATE message, certifies commit `index`: make the application durable,
	                then dag_settled */
};

enum dag_record {
	RECORD_BATCH = 1, /* a batch */
	RECORD_HEADER,    /* a header of another's, about to be voted for or in the DAG */
	RECORD_PROPOSED,  /* our own header */
	RECORD_VOTED, /* a reference and an epoch 8: our vote. Of nobody: up to this round we vote no more */
	RECORD_VOTES, /* votes of anyone that certify something */
	RECORD_STATE, /* an order state, root 32: everything before it is settled */
	RECORD_ORDERED,  /* digest of a batch of ours that is ordered */
	RECORD_BOUNDARY, /* a DAG_STATE message that certifies an epoch's start */
};

/* A batch of a commit. */
struct dag_payloads {
	struct blob *blob;
	uint16_t author;
};

struct dag_effect {
	enum dag_effect_kind kind;
	uint16_t peer;
	enum dag_record record;
	uint64_t ticket, index;
	struct blob *blob;
	struct dag_digest digest; /* of the batch to load; the root to restore */
	struct dag_commit *commit;
	struct dag_payloads *batches; /* of the commit, in order */
	unsigned batch_count;
};

/* What a person or a test wants to see. */
struct dag_figures {
	uint64_t epoch, round, committed, applied, gc_round, stable, leader_round;
	uint64_t recovered; /* the last commit that the log led to at the start; UINT64_MAX: not known yet */
	uint64_t batches_waiting; /* our own, not yet ordered */
	uint64_t batch_bytes;     /* held in memory */
	uint64_t verified, signed_count, equivocations, refused;
	unsigned members, quorum;
	uint64_t member_set;
	bool member, restoring,
	    diverged; /* diverged: a quorum certified another state than this application has */
};

struct dag;

struct dag *dag_create(const struct dag_config *config);
void dag_destroy(struct dag *dag);

/*
 * Start: replay the last RECORD_STATE of the log first, then all its records oldest first (trusted: the log
 * is ours and checksummed), then begin. `applied` is the last commit that the application holds: commits up
 * to it come out again, for the driver to skip.
 */
void dag_replay(struct dag *dag, enum dag_record record, const uint8_t *data, size_t size, uint64_t ticket);
void dag_begin(struct dag *dag, uint64_t now_us, uint64_t unix_ms, uint64_t applied);

/* Inputs. `blob` is borrowed; whoever keeps it takes a reference. */
void dag_tick(struct dag *dag, uint64_t now_us, uint64_t unix_ms);
void dag_receive(struct dag *dag, unsigned peer, struct blob *blob);
/* One of our own batches (wire.h). False: the queue is full, or it is no batch of ours. */
bool dag_submit(struct dag *dag, struct blob *batch);
/* The log is durable up to and including `ticket`. */
void dag_persisted(struct dag *dag, uint64_t ticket);
/* The application holds the commit. */
void dag_applied(struct dag *dag, uint64_t index, const uint8_t root[32]);
/*
 * To be called before dag_applied of the same commit: the epoch ends with it, and `members` vote in the next.
 * The driver drops commits of this epoch beyond it, and so does the core.
 */
void dag_end_epoch(struct dag *dag, const struct dag_commit *commit, uint64_t members);
/* The application cannot execute what is ordered: asks somebody for a certified state beyond it. At most every `sync_us`. */
void dag_want_state(struct dag *dag);
void dag_restored(struct dag *dag, uint64_t index, bool good);
/* The application's state of the stable commit `index` (DAG_STABLE) is durable: the log may begin there. */
void dag_settled(struct dag *dag, uint64_t index);

/* The end of a group of inputs: what can be proposed, voted and committed comes out. */
void dag_flush(struct dag *dag);
/* The next effect, or NULL. It is valid until the next call of any function; its references pass to the
 * driver. */
struct dag_effect *dag_next_effect(struct dag *dag);
void dag_effect_release(struct dag_effect *effect);

/* The oldest log record that is still needed: older ones may be deleted. */
uint64_t dag_oldest_ticket(const struct dag *dag);
/* When dag_tick should be called next, at the latest. */
uint64_t dag_deadline(const struct dag *dag);
void dag_get_figures(const struct dag *dag, struct dag_figures *out);

/*
 * Seeded mistakes, one a bit, that the simulator must catch; compiled in only where DAG_SEEDED_BUGS is
 * defined, in a program of its own.
 */
#ifdef DAG_SEEDED_BUGS
extern unsigned dag_bug;
#define DAG_BUG(number) (dag_bug == (number))
#else
#define DAG_BUG(number) false
#endif
enum dag_bug {
	BUG_NONE,
	BUG_QUORUM,            /* a certificate from f+1 votes */
	BUG_VOTE_EARLY,        /* a vote leaves before it is durable */
	BUG_PARENTS,           /* parents are not checked before a vote */
	BUG_VOTE_TWICE,        /* a second header of one author and round gets a vote */
	BUG_BATCH_UNSEEN,      /* a vote without having the batches */
	BUG_SIGNATURE,         /* votes' signatures are not checked */
	BUG_DIRECT_COMMIT,     /* a leader is committed with one link instead of f+1 */
	BUG_TIME,              /* a commit has the time its leader claims, not the median */
	BUG_GC_LOCAL,          /* the horizon of ordering is our own round, not the leader's */
	BUG_STATE_UNCHECKED,   /* a catch-up state is taken from one peer's word */
	BUG_PROPOSE_FORGOTTEN, /* our own header leaves before it is durable */
	BUG_NO_REPROPOSAL,     /* payload lost to garbage collection is forgotten */
	BUGS
};

#endif
