/*
 * What the node itself keeps of the sequence, beside the application: the validators' votes on who votes in the next epoch, and the
 * transparency log. A function of the ordered payloads alone, like the application: each validator has the same, and the root that
 * validators sign at checkpoints covers it (transparency_state_root).
 *
 * Payloads, all of which come from a validator's own operator (the socket `submit`): they are attributed to the author of the batch.
 *
 *   0x73 VOTE   epoch 8, members 8: once a quorum of the epoch's validators has voted for one same set, the epoch ends with that commit
 *               and this set votes in the next. A validator's later vote replaces its earlier one; votes end with their epoch.
 *   0x74 ENTRY  a signed record: the next entry of the log (trust/transparency.h)
 *
 * Durable before the commit is executed: so what is kept here is never behind the application. One thread, but for the log.
 */
#ifndef LEDGER_ORDERED_H
#define LEDGER_ORDERED_H

#include <stdio.h>

#include "ledger/dag/dag.h"
#include "ledger/ordered/transparency_log.h"

#define ORDERED_VOTE      0x73
#define ORDERED_VOTE_SIZE 17
#define ORDERED_ENTRY     0x74

struct ordered;

/* What a commit's state root covers of this. */
struct ordered_digests {
	uint8_t core[32];
	uint64_t log_size, log_bytes;
	uint8_t log_root[LOG_HASH];
};

/* Opens or creates it in the node's folder. `known`: validators that may be voted for. NULL with a message. */
struct ordered *ordered_open(const char *directory, uint64_t known);
void ordered_close(struct ordered *ordered);

/* Takes the next commit, decided by `members`; one that was taken before changes nothing. False when the disk fails: nothing was
 * taken, and it is to be tried again. `special`: whether it has payloads of the node's own kinds. */
bool ordered_commit(struct ordered *ordered, const struct dag_effect *effect, bool special, uint64_t members);
/* Whether the epoch ends with this commit, and who votes in the next. */
bool ordered_ends(const struct ordered *ordered, uint64_t index, uint64_t *members);
/* Whether the commit lies beyond the end of its epoch: it does not count. */
bool ordered_drops(const struct ordered *ordered, const struct dag_commit *commit);
/* As of commit `index`, which must be among the newest. */
void ordered_digests(const struct ordered *ordered, uint64_t index, struct ordered_digests *out);
void ordered_state_root(const struct ordered_digests *digests, const uint8_t application_root[32],
                        uint8_t root[32]);

/* All as of the last commit taken, for a snapshot: the core's encoding, and with it the first `log_bytes` of the log. */
struct blob *ordered_encode(const struct ordered *ordered);
struct transparency_log *ordered_log(struct ordered *ordered);
/*
 * Replacing all by a snapshot's. First what it would be is made beside: a core, and the `digests->log_bytes` bytes of `in`; NULL when
 * they are not what `digests` says. Then it takes the place of what is, as of commit `index`, or is dropped (index 0).
 */
struct ordered_fresh;
struct ordered_fresh *ordered_prepare(struct ordered *ordered, const uint8_t *core, size_t core_size,
                                      FILE *in, const struct ordered_digests *digests);
bool ordered_adopt(struct ordered *ordered, struct ordered_fresh *fresh, uint64_t index);

#endif
