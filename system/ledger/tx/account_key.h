/*
 * Which key speaks for an account, in the rule set `holon`.
 *
 * An account of Ethereum's kind is the hash of a secp256k1 key. A *hybrid account* is the hash of a hybrid key (Ed25519 with
 * ML-DSA-65), and its transactions have the type 0x51. Either kind can change its key: then the hash of the new hybrid key stands
 * in the storage of a system account, under the account's address, and no other key speaks for it from then on. So an account of
 * Ethereum's kind becomes a post-quantum one without changing its address.
 *
 * The key's hash is Keccak-256 of 0x51 and the public key; a hybrid account's first address is its last 20 bytes.
 */
#ifndef LEDGER_ACCOUNT_KEY_H
#define LEDGER_ACCOUNT_KEY_H

#include "crypto/hybrid_sign.h"
#include "state/state.h"
#include "tx/transaction.h"

/* Gas that the signature of a transaction of type 0x51 costs beside its other parts, and what changing a key costs. */
#define GAS_HYBRID_SIGNATURE UINT64_C(50000)
#define GAS_KEY_CHANGE       INT64_C(100000)

/* The data of a key change, a transaction to account_key_system: the new public key, and its signature,
 * made by account_key_prove(), under the context "Holon ledger v1: key change". */
#define KEY_CHANGE_SIZE (HYBRID_SIGN_PK_SIZE + HYBRID_SIGN_SIGNATURE_SIZE)

extern const struct address account_key_system;

void account_key_hash(struct hash32 *out, const uint8_t public_key[HYBRID_SIGN_PK_SIZE]);
void account_key_address(struct address *out, const uint8_t public_key[HYBRID_SIGN_PK_SIZE]);

/* The hash of the key that was put in place of the account's first; false when there is none. */
bool account_key_read(struct state *state, const struct address *account, struct hash32 *out);
/* Why the key that signed the transaction does not speak for its sender, or NULL. */
const char *account_key_check(struct state *state, const struct transaction *transaction,
                              const struct address *sender);

/* Signs and verifies what transaction_sign() and transaction_sender() do for the other types. */
bool account_key_sign(const struct hybrid_sign_key *key, const struct hash32 *signing_hash,
                      uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE]);
bool account_key_verify(const struct transaction *transaction);

/* Proves that whoever changes the account's key on the chain has the new one: into `data`. `before` is the hash of the key in
 * place, zero where there is none. */
bool account_key_prove(const struct hybrid_sign_key *key, uint64_t chain_id, const struct address *account,
                       const struct hash32 *before, uint8_t data[KEY_CHANGE_SIZE]);
/* Changes it. False when the data is no such proof. Within a transaction of the state. */
bool account_key_change(struct state *state, uint64_t chain_id, const struct address *account,
                        const uint8_t *data, size_t size);

#endif
