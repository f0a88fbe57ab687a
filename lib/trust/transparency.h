/* The transparency log: what was published for Holon (releases, which are boot manifests; key lists, certificates, revocations), in an order that nobody can
 * change afterwards. The ledger's validators keep it (system/ledger/ordered); here is what its readers need: the hashes of its
 * Merkle tree (RFC 9162, section 2), and the check of a proof that an entry is in it.
 *
 * A proof leads from the entry to signatures: the entry's path to the tree's root; the root is part of the ledger's state; a
 * quorum of validators signed that state. The verifier knows the validators of the first epoch, from the ledger's file `network`;
 * each later set was signed by a quorum of the one before, and the proof brings those signatures along.
 *
 *   "HolonLogProof1", index 8, size 8, hashes of the path 1, path 32 each, core 32, application root 32,
 *   boundaries 2, each: bytes 4, state message; bytes 4, state message
 *
 * Numbers are little-endian. That an entry is in the log says that it was published, and when at the latest; whether it is good is
 * for trust.h to say.
 */
#pragma once

#include <crypto/hybrid_sign.h>
#include "trust.h"

enum {
	TRANSPARENCY_HASH_BYTES = 32,
	TRANSPARENCY_ENTRY_MAX = RECORD_BYTES_MAX + TRUST_ROOT_SIGNATURE_BYTES,
	TRANSPARENCY_PROOF_MAX = 4 << 20,
	TRANSPARENCY_PATH_MAX = 64,
	TRANSPARENCY_WITNESSES_MAX = 64,
};

/* Whether the bytes can be an entry: one record of a kind that is published, and a signature behind it. */
bool transparency_entry(const uint8_t *bytes, size_t count);

void transparency_leaf(uint8_t out[TRANSPARENCY_HASH_BYTES], const uint8_t *entry, size_t count);
void transparency_node(uint8_t out[TRANSPARENCY_HASH_BYTES], const uint8_t left[TRANSPARENCY_HASH_BYTES],
                       const uint8_t right[TRANSPARENCY_HASH_BYTES]);
/* The root of a tree of SIZE leaves from leaf INDEX and its path of COUNT hashes. False: no such tree has such a path. */
bool transparency_root(uint8_t out[TRANSPARENCY_HASH_BYTES], const uint8_t leaf[TRANSPARENCY_HASH_BYTES],
                       uint64_t index, uint64_t size, const uint8_t (*path)[TRANSPARENCY_HASH_BYTES],
                       unsigned count);
/* The root of the ledger's state, which validators sign: of the application's root and what the ledger itself keeps. */
void transparency_state_root(uint8_t out[32], const uint8_t application_root[32], const uint8_t core[32],
                             uint64_t log_size, const uint8_t log_root[TRANSPARENCY_HASH_BYTES]);

/* Who may sign: validator I is in MEMBERS by bit I (of the first epoch), and has a key. */
struct transparency_witnesses {
	uint64_t members;
	bool known[TRANSPARENCY_WITNESSES_MAX];
	uint8_t keys[TRANSPARENCY_WITNESSES_MAX][HYBRID_SIGN_PK_SIZE];
};
/* Reads the text of a file `network`. */
bool transparency_witnesses(struct transparency_witnesses *witnesses, const char *text, size_t count);

/* Follows one change of the validators: MESSAGE starts the epoch after *EPOCH, and a quorum of *MEMBERS signed it; both then are
 * those of the new one. TRUST_FORM or TRUST_ISSUER otherwise. */
enum trust_error transparency_follow(const uint8_t *message, size_t count,
                                     const struct transparency_witnesses *witnesses, uint64_t *epoch,
                                     uint64_t *members);

struct transparency_figures {
	uint64_t index, size, epoch, commit;
};
/* Verifies that ENTRY is in the log. TRUST_FORM, TRUST_ISSUER (no quorum of validators signed) or TRUST_SIGNATURE (the path does
 * not lead to what they signed). */
enum trust_error transparency_verify(const uint8_t *proof, size_t proof_count, const uint8_t *entry,
                                     size_t entry_count, const struct transparency_witnesses *witnesses,
                                     struct transparency_figures *figures);
