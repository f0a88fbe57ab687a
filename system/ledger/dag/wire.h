/*
 * The messages of consensus as bytes. Numbers are little-endian. Decoders take exactly what encoders make,
 * refuse everything else, allocate nothing and return views into the message.
 *
 *   batch        type 1, author 2, worker 1, sequence 8, count 4, payloads: count times (size 4, bytes)
 *   header       type 2, mode 1, author 2, epoch 8, round 8, time_ms 8, batches 2, strong 2, weak 2,
 *                batches: digest 32, size 4; strong: author 2, digest 32 (round before, authors ascending);
 *                weak: round 8, author 2, digest 32; signature
 *   votes        type 3, voter 2, epoch 8, count 2, entries: round 8, author 2, digest 32; signature
 *   certificate  type 4, header length 4, header, votes 2, each: length 4, votes message
 *   status       type 5, epoch 8, round 8, committed 8, gc round 8, checkpoint 8, base 8, rounds 2, each: bit
 * mask 8 request      type 6, count 2, entries: round 8, author 2, digest 32 fetch        type 7, count 2,
 * digests of batches checkpoint   type 8, epoch 8, index 8, digest of the state 32, voter 2, signature state
 * want   type 9, index 8: asks for a certified state above this commit state        type 10, state length 4,
 * order state, root 32, count 2, each: voter 2, signature evidence     type 11, header length 4, header,
 * header length 4, header
 *
 * The digest of a header is the hash of all before its signature, and a signature is over the digest; so
 * there is one digest a header, whatever its signature.
 */
#ifndef LEDGER_DAG_WIRE_H
#define LEDGER_DAG_WIRE_H

#include "crypto/util.h"
#include "ledger/dag/blob.h"
#include "ledger/dag/types.h"

enum dag_message {
	DAG_BATCH = 1,
	DAG_HEADER,
	DAG_VOTES,
	DAG_CERTIFICATE,
	DAG_STATUS,
	DAG_REQUEST,
	DAG_FETCH,
	DAG_CHECKPOINT,
	DAG_STATE_WANT,
	DAG_STATE,
	DAG_EVIDENCE,
};

#define WIRE_BATCH_HEAD        16
#define WIRE_HEADER_HEAD       34
#define WIRE_BATCH_ENTRY       36
#define WIRE_STRONG_ENTRY      34
#define WIRE_REF_ENTRY         42
#define WIRE_VOTES_HEAD        13
#define WIRE_STATUS_HEAD       51
#define WIRE_CHECKPOINT_HEAD   51
#define WIRE_STATUS_ROUNDS     64 /* at most */
#define WIRE_CHECKPOINT_SIGNED 49 /* bytes of a checkpoint that are signed: the same for all voters */

/* Views point into the message they were decoded from. */
struct batch_view {
	uint16_t author;
	uint8_t worker;
	uint64_t sequence;
	uint32_t count;
	const uint8_t *payloads; /* (size 4, bytes) times count */
	size_t payloads_size;
};

struct header_view {
	enum dag_mode mode;
	uint16_t author;
	uint64_t epoch, round, time_ms;
	unsigned batch_count, strong_count, weak_count;
	const uint8_t *batches, *strong, *weak, *signature;
	uint64_t strong_authors; /* bit mask */
	size_t signed_size;      /* bytes before the signature */
};

struct votes_view {
	uint16_t voter;
	uint64_t epoch;
	unsigned count;
	const uint8_t *entries, *signature;
	size_t signed_size;
};

struct certificate_view {
	const uint8_t *header;
	size_t header_size;
	unsigned count;
	const uint8_t *votes; /* (length 4, message) times count */
	size_t votes_size;
};

struct status_view {
	uint64_t epoch, round, committed, gc_round, checkpoint, base;
	unsigned rounds;
	const uint8_t *have;
};

struct checkpoint_view {
	uint64_t epoch, index;
	struct dag_digest state;
	uint16_t voter;
	const uint8_t *signature;
};

struct state_view {
	const uint8_t *order;
	size_t order_size;
	const uint8_t *root; /* 32 bytes */
	unsigned count;
	const uint8_t *signatures; /* (voter 2, signature) times count */
};

bool wire_batch(const uint8_t *in, size_t size, struct batch_view *out);
/* The view of a batch that was decoded before, without walking it again. */
void wire_batch_again(const uint8_t *in, size_t size, struct batch_view *out);
/* The next payload of a decoded batch; `at` starts at batch_view.payloads. NULL at the end. */
const uint8_t *wire_payload(const struct batch_view *batch, const uint8_t **at, uint32_t *size);
bool wire_header(const uint8_t *in, size_t size, size_t signature_size, struct header_view *out);
bool wire_votes(const uint8_t *in, size_t size, size_t signature_size, struct votes_view *out);
bool wire_certificate(const uint8_t *in, size_t size, struct certificate_view *out);
bool wire_status(const uint8_t *in, size_t size, struct status_view *out);
/* Requests and fetches: the number of entries behind byte 3; 0 if malformed. */
unsigned wire_list(const uint8_t *in, size_t size, size_t entry_size);
bool wire_checkpoint(const uint8_t *in, size_t size, size_t signature_size, struct checkpoint_view *out);
bool wire_state(const uint8_t *in, size_t size, size_t signature_size, struct state_view *out);
bool wire_evidence(const uint8_t *in, size_t size, const uint8_t *header[2], size_t header_size[2]);

/* One entry of WIRE_REF_ENTRY bytes, and of WIRE_STRONG_ENTRY bytes in a header of `round`. */
void wire_ref(const uint8_t *entry, struct dag_ref *out);
void wire_strong(const uint8_t *entry, uint64_t round, struct dag_ref *out);
void wire_put_ref(uint8_t *entry, const struct dag_ref *ref);

/* The digests that are signed and referred to: BLAKE3, keyed by the kind of message. */
void wire_digest(enum dag_message kind, const uint8_t *in, size_t size, struct dag_digest *out);

#endif
