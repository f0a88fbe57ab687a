/*
 * What consensus and execution know of each other. Consensus orders byte strings ("payloads") into commits;
 * an application executes the commits in order. Consensus never looks into a payload whose first byte is
 * outside 0x70..0x7f; those sixteen values are the node's own (encrypted payloads, opening responses, changes
 * of the validator set) and never reach the application: an encrypted payload reaches it opened, at its
 * ordered place.
 *
 * An application is deterministic: the same commits give the same roots on every validator. It may use
 * nothing but the commit: no clock, no randomness, no order of arrival.
 *
 * Threads: apply, applied, root, snapshots and restore are called by one thread, the node's executor, one
 * call at a time. `check` is called by any thread and must be safe beside apply. `start` and `stop` are
 * called by the main thread. The ledger_node functions at the end may be called by any thread, but not from
 * within `apply`.
 */
#ifndef LEDGER_NODE_APPLICATION_H
#define LEDGER_NODE_APPLICATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_ROOT_SIZE        32
#define LEDGER_DIGEST_SIZE      32
#define LEDGER_MAX_PAYLOAD_SIZE (128u << 10) /* bytes of one payload, encrypted form included */
#define LEDGER_RESERVED_FIRST   0x70         /* payloads beginning with these bytes are the node's */
#define LEDGER_RESERVED_LAST    0x7f

struct ledger_node;

/* One ordered payload. Points into the commit's memory, valid during apply alone. */
struct ledger_payload {
	const uint8_t *data;
	uint32_t size;   /* 1 to LEDGER_MAX_PAYLOAD_SIZE */
	uint16_t author; /* index in the commit's committee of the validator that proposed it */
	bool encrypted;  /* it was ordered under encryption and opened afterwards */
};

/*
 * One commit: what a leader's certificate brought into the sequence. `index` counts from 1 without gaps, over
 * all epochs. Many commits hold no payload; an application may leave them without a block, but must count
 * them applied. `time_ms` is Unix time: the median of the times claimed by the leader's parents, raised to
 * the previous commit's where it is below (so it never falls, and f liars cannot move it outside the honest
 * range). `digest` commits to the whole prefix and may serve as public randomness; the leader can bias it by
 * withholding.
 */
struct ledger_commit {
	uint64_t index;
	uint64_t epoch;
	uint64_t round; /* the leader's */
	uint64_t time_ms;
	uint16_t leader;                    /* index in the committee */
	uint8_t digest[LEDGER_DIGEST_SIZE]; /* hash of the previous commit's digest and of this commit's
	                                       headers */
	const struct ledger_payload *payloads;
	size_t payload_count;
	bool
	    head; /* its root is signed for clients: what is asked about it should be answered from just this state */
};

/* The answer to apply. */
struct ledger_applied {
	uint64_t index;
	uint8_t root[LEDGER_ROOT_SIZE]; /* of the whole state after the commit; validators compare it at
	                                   checkpoints */
};

/* Receives snapshot bytes; returns false to stop. */
typedef bool (*ledger_chunk_sink)(void *context, const uint8_t *data, size_t size);

/* The functions get the object that `open` made. Those marked optional may be NULL. */
struct ledger_application {
	const char *name; /* as given to --application */

	/*
	 * Opens or creates the state in `directory` (which exists and is the application's own). `options`
	 * are the words after --application-option, each KEY=VALUE. NULL after printing why to stderr.
	 */
	void *(*open)(const char *directory, const char *const *options, size_t option_count);
	void (*close)(void *application);

	/*
	 * Executes the commit whose index is one above the last applied. Everything of it becomes durable at
	 * once or not at all, no later than the next `flush`. A payload may come twice (its author may have lost
	 * track of it, or lie): refuse repeats by rules of your own, such as nonces. A payload that is invalid is skipped by the
	 * application's own rules; it is never an error. False only when the machine fails (disk full, I/O
	 * error): the node then stops voting, says so in its status and retries.
	 */
	bool (*apply)(void *application, const struct ledger_commit *commit, struct ledger_applied *applied);

	/* The last commit whose effects will survive a crash now. Index 0 and the empty state's root at
	 * first. */
	bool (*applied)(void *application, struct ledger_applied *applied);

	/* Makes all that was applied durable. False: as apply. */
	bool (*flush)(void *application);

	/*
	 * Admission, before a local payload enters a batch: true to take it. On refusal it writes a reason of
	 * up to `why_size` bytes with its NUL. Optional: NULL takes all.
	 */
	bool (*check)(void *application, const uint8_t *payload, size_t size, char *why, size_t why_size);

	/*
	 * Snapshots for validators that come late. `snapshot` streams the state after the last applied
	 * commit; concatenated, the chunks are what `restore` takes. `restore` replaces the whole state by a
	 * snapshot of the commit `expected->index`, and returns false, leaving the old state or an empty one,
	 * unless the root it computes from the content itself is `expected->root`: a snapshot comes from one
	 * peer that may lie.
	 */
	bool (*snapshot)(void *application, ledger_chunk_sink sink, void *context);
	bool (*restore)(void *application, const char *file, const struct ledger_applied *expected);

	/*
	 * Starts and ends what the application serves to the outside, for example JSON-RPC in threads of its
	 * own on 127.0.0.1:`rpc_port` (0: none). Optional. `start` false after printing why.
	 */
	bool (*start)(void *application, struct ledger_node *node, unsigned rpc_port);
	void (*stop)(void *application);
};

/* All applications; node/applications.c has the table, a line each. NULL if there is none of that name. */
const struct ledger_application *ledger_application_find(const char *name);

/* ---- what the node offers its application ---- */

enum ledger_submit_status {
	LEDGER_SUBMITTED = 0,  /* in a batch to be proposed; final only once applied */
	LEDGER_SUBMIT_REFUSED, /* size or first byte out of range, or `check` refused it */
	LEDGER_SUBMIT_BUSY,    /* the queue is full: try later */
	LEDGER_SUBMIT_STOPPED, /* the node is stopping, or is no validator and knows no peer that is */
};

/*
 * Hands a payload (copied) to consensus. With `encrypt` it is encrypted for the validators of the current
 * epoch first and opened only after its place is final.
 */
enum ledger_submit_status ledger_node_submit(struct ledger_node *node, const uint8_t *payload, size_t size,
                                             bool encrypt);

/* Takes an envelope that somebody else encrypted (encrypted/envelope.h). Refused when it is not one for the validators of now. What is
 * in it is not known until it is opened. */
enum ledger_submit_status ledger_node_submit_envelope(struct ledger_node *node, const uint8_t *envelope,
                                                      size_t size);
/* How the validators of now follow from those of epoch 0: signed states, each behind its size in four bytes (trust/transparency.h),
 * from malloc(). */
uint8_t *ledger_node_epochs(struct ledger_node *node, size_t *size);

/* The newest head that a quorum of the validators of now says it has (node/head.h): its certificate, from malloc(), and the commit's index.
 * NULL: none at the moment. */
uint8_t *ledger_node_head(struct ledger_node *node, uint64_t *index, size_t *size);

/* The transparency log (trust/transparency.h). A proof that the entry with this leaf hash is in it, from malloc(); NULL, and why. */
uint8_t *ledger_node_log_proof(struct ledger_node *node, const uint8_t leaf[LEDGER_DIGEST_SIZE], size_t *size,
                               const char **why);
/* An entry, from malloc(); NULL when there is none. */
uint8_t *ledger_node_log_entry(struct ledger_node *node, uint64_t index, size_t *size);
uint64_t ledger_node_log_size(struct ledger_node *node);
/* The newest entry of a kind (enum record_kind) below index `before`, and its index. NULL: there is none. */
uint8_t *ledger_node_log_newest(struct ledger_node *node, uint8_t kind, uint64_t before, uint64_t *index,
                                size_t *size);

/* A copy of the node's figures. */
struct ledger_node_status {
	uint64_t epoch, round, committed, applied; /* committed and applied are commit indices */
	uint64_t pending_payloads;                 /* local ones not yet ordered */
	unsigned validators, quorum, peers;        /* peers: connected now */
	bool syncing;                              /* behind the others' certified checkpoint */
	bool validator;                            /* has a vote in this epoch */
	bool starting; /* has not executed yet all that it had ordered before it ended */
};
void ledger_node_get_status(struct ledger_node *node, struct ledger_node_status *status);

#endif
