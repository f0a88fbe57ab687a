/*
 * Heads: what answers about the state are checked against by those who have no vote (rpc/gateway_proof.h). Of each quarter of a
 * second, by the commits' own time, the first commit is a head; a validator that has executed it signs its index, time and
 * application's root, and sends that to all nodes. f+1 such signatures have an honest one among them, and what an honest validator
 * executed is final: so they are enough to believe the root. Nothing is decided by heads, and nothing waits for them.
 *
 *   statement: 0x84, epoch 8, index 8, time in ms 8, root 32          message: statement, signature
 *   certificate: statement, count 1, each: validator 1, signature     numbers are little-endian
 */
#ifndef LEDGER_NODE_HEAD_H
#define LEDGER_NODE_HEAD_H

#include "ledger/node/node.h"

#define HEAD_MESSAGE   0x84 /* a node message: the others are 0x80 to 0x83 */
#define HEAD_MS        250
#define HEAD_STATEMENT 57
#define HEAD_SIZE      (HEAD_STATEMENT + HYBRID_SIGN_SIGNATURE_SIZE)
#define HEAD_CERTIFICATE                                                                                     \
	(HEAD_STATEMENT + 1 + DAG_MAX_VALIDATORS * (1 + HYBRID_SIGN_SIGNATURE_SIZE)) /* at most */
#define HEAD_CONTEXT "Holon ledger v1: head"

struct head {
	uint64_t epoch, index, time_ms;
	uint8_t root[LEDGER_ROOT_SIZE];
};

void head_encode(uint8_t out[HEAD_STATEMENT], const struct head *head);
/* False: no certificate by its form. */
bool head_decode(struct head *head, const uint8_t *certificate, size_t size);
/* Whether f+1 of the epoch's `members` signed it: the caller says who decides in head->epoch. Signatures that are wrong count for
 * nothing. */
bool head_signed(const uint8_t *certificate, size_t size, const struct network *network, uint64_t members);

#endif
