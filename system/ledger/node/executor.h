/*
 * The executor: the thread on which the application runs. Jobs are done in order; each ends in a result,
 * which the main thread takes after the eventfd was written to.
 */
#ifndef LEDGER_NODE_EXECUTOR_H
#define LEDGER_NODE_EXECUTOR_H

#include "ledger/encrypted/opener.h"
#include "ledger/node/application.h"
#include "ledger/node/snapshot_file.h"

enum job_kind {
	JOB_APPLY,   /* `effect` is a DAG_COMMITTED */
	JOB_FLUSH,   /* make durable what was applied, for checkpoint `index` */
	JOB_RESTORE, /* replace the state by the snapshot `file` of `index` and `root` */
};

struct job {
	enum job_kind kind;
	uint64_t index;
	uint8_t root
	    [LEDGER_ROOT_SIZE]; /* of an APPLY's result: the application's; of a RESTORE: of the whole state */
	struct dag_effect effect;
	struct opened *opened; /* the effect's envelopes, opened, in order */
	unsigned opened_count;
	char file[320];
	bool head;                      /* JOB_APPLY: its root is to be signed */
	bool snapshot;                  /* JOB_APPLY: afterwards, write a snapshot to `file` */
	struct ordered_digests digests; /* of the snapshot: what the node itself keeps */
	struct blob *core;
	bool good; /* of the result */
};

struct executor;

struct executor *executor_create(const struct snapshot_holder *holder, int wake_fd);
void executor_push(struct executor *executor, const struct job *job);
/* The next result. False: none. The caller releases effect, opened and core of an APPLY. */
bool executor_result(struct executor *executor, struct job *result);
/* Jobs waiting; and whether the application fails at the moment. */
unsigned executor_waiting(struct executor *executor, bool *failing);
/* Ends after the job under way. */
void executor_destroy(struct executor *executor);

#endif
