/*
 * Opening: what stands between the sequence and the application. For each commit that holds envelopes every validator
 * releases its shares at once, in one message; f+1 fitting shares give the key, and the key proves the envelope. So opening
 * costs one message delay, and commits reach the application in order.
 *
 * Where no key is found (a malformed envelope, or shares that do not come) validators put what they know into the sequence:
 * responses (payload kind 0x72: the key, a share, or that there is none). From the responses of 2f+1 different validators everyone
 * draws the same verdict: the key that opens it, or invalid. Sans I/O and clock; the driver sends, submits and applies.
 */
#ifndef LEDGER_ENCRYPTED_OPENER_H
#define LEDGER_ENCRYPTED_OPENER_H

#include "ledger/dag/dag.h"
#include "ledger/encrypted/envelope.h"

#define RESPONSE_KIND     0x72
#define RESPONSE_SIZE     46   /* kind, index 8, ordinal 4, what 1, 32 bytes */
#define OPENER_SHARES     0x82 /* node message: kind, index 8, count 4, entries: ordinal 4, share 32 */
#define OPENER_WANT       0x83 /* node message: kind, index 8 */
#define OPENER_REMEMBERED 4096 /* commits whose shares are kept for those who come late */
#define OPENER_STUCK      10   /* patiences without a verdict after which a certified state is better */
#define OPENER_MAX_EARLY  256  /* share messages of one peer for commits that are not here yet */

struct opener;

struct opener_config {
	unsigned self;
	struct envelope_keys keys;
	uint8_t dk[MLKEM768_DK_SIZE];
	uint64_t patience_us; /* without a key before the slow path is taken */
};

/* One opened envelope of a commit, in order; `plain` NULL: invalid. */
struct opened {
	uint8_t *plain;
	uint32_t size;
	bool bundle; /* of several payloads, by envelope_bundle_next(); at least one */
};

/* What comes out: a message to all, or to one; a payload to be submitted; or the next commit, opened. */
enum opener_output_kind {
	OPENER_SEND,
	OPENER_SUBMIT,
	OPENER_READY,
};
struct opener_output {
	enum opener_output_kind kind;
	uint16_t peer;
	struct blob *blob;
	struct dag_effect effect; /* of OPENER_READY, passes to the driver */
	struct opened *opened;    /* opened_release() */
	unsigned opened_count;
};

struct opener *opener_create(const struct opener_config *config);
void opener_destroy(struct opener *opener);
/* From now on the commits are those of another epoch; none of the one before waits. */
void opener_epoch(struct opener *opener, uint64_t epoch, uint64_t members);
/* The next commit of the sequence; the effect passes. `special`: whether it has payloads of the node's own kinds. */
void opener_commit(struct opener *opener, const struct dag_effect *effect, bool special, uint64_t now_us);
/* The same of a commit that was executed before the start: nobody waits for it here, but our shares are there for who does. */
void opener_executed(struct opener *opener, const struct dag_effect *effect);
/* Whether the next commit has waited so long that the others, too, may have its shares no more. */
bool opener_stuck(const struct opener *opener, uint64_t now_us);
void opener_receive(struct opener *opener, unsigned peer, const struct blob *blob);
void opener_tick(struct opener *opener, uint64_t now_us);
/* Drops all commits that wait: the state was replaced. */
void opener_clear(struct opener *opener);
bool opener_next(struct opener *opener, struct opener_output *out);
unsigned opener_waiting(const struct opener *opener);
void opened_release(struct opened *opened, unsigned count);

#endif
