/*
 * Transactions: legacy, the typed ones of EIP-2930, EIP-1559, EIP-4844 and EIP-7702, and Holon's own type 0x51, whose sender is a
 * hybrid key (account_key.h); as bytes, their hashes, and whose signature they carry.
 *
 * Type 0x51 is rlp([chain id, nonce, max priority fee, max fee, gas limit, to, value, data, access list, account, public key,
 * signature]); what is signed is Keccak-256 of the same without the signature. Every decoder takes only the canonical form.
 */
#ifndef LEDGER_TRANSACTION_H
#define LEDGER_TRANSACTION_H

#include "num/arena.h"
#include "num/types.h"
#include "rlp/rlp.h"

/* Limits of what is decoded, beside the size of the bytes themselves. */
#define TRANSACTION_MAX_SIZE                                                                                 \
	((size_t)4 << 20) /* more than a block pays for; what comes from outside is limited further */

enum transaction_type {
	TRANSACTION_LEGACY = 0,
	TRANSACTION_ACCESS_LIST = 1, /* EIP-2930 */
	TRANSACTION_DYNAMIC_FEE = 2, /* EIP-1559 */
	TRANSACTION_BLOB = 3,        /* EIP-4844 */
	TRANSACTION_SET_CODE = 4,    /* EIP-7702 */
	TRANSACTION_HYBRID = 0x51,
};

struct access_entry {
	struct address address;
	const struct u256 *keys;
	size_t key_count;
};

struct authorization {
	struct u256 chain_id;
	struct address address;
	uint64_t nonce;
	uint8_t y_parity;
	struct u256 r;
	struct u256 s;
};

struct transaction {
	enum transaction_type type;
	bool has_chain_id; /* a legacy transaction may be without (EIP-155) */
	uint64_t chain_id;
	uint64_t nonce;
	struct u256 gas_price; /* legacy, access list */
	struct u256 max_priority_fee;
	struct u256 max_fee; /* equal to gas_price where there is one */
	uint64_t gas_limit;
	bool create;
	struct address to;
	struct u256 value;
	const uint8_t *data;
	size_t data_size;
	const struct access_entry *access_list;
	size_t access_count;
	size_t access_key_count; /* of all entries */
	struct u256 max_blob_fee;
	const struct hash32 *blob_hashes;
	size_t blob_count;
	const struct authorization *authorizations;
	size_t authorization_count;
	uint8_t y_parity;
	struct u256 r;
	struct u256 s;
	struct address account;          /* hybrid: the sender */
	const uint8_t *public_key;       /* hybrid: HYBRID_SIGN_PK_SIZE bytes; NULL where there is none yet */
	const uint8_t *hybrid_signature; /* HYBRID_SIGN_SIGNATURE_SIZE bytes; NULL while unsigned */
	struct hash32 signing_hash;
	struct hash32 hash;
};

/*
 * Decodes a transaction as it travels (EIP-2718). `data` points into `bytes`; lists are in the arena. On
 * failure returns false and says why.
 */
bool transaction_decode(struct transaction *out, const uint8_t *bytes, size_t size, struct arena *arena,
                        const char **why);
/* Encodes it, with its signature or as the bytes that are signed. */
void transaction_encode(struct rlp_writer *writer, const struct transaction *transaction, bool for_signing);

/* The sender, from the signature; false when it is not valid (s in the upper half included: EIP-2). */
bool transaction_sender(const struct transaction *transaction, struct address *out);
/* The signer of an authorization; false when it is not valid. */
bool authorization_signer(const struct authorization *authorization, struct address *out);

/* Signs with a secp256k1 key: fills in y_parity, r, s and hash. False when the key is not one. Not for type 0x51. */
bool transaction_sign(struct transaction *transaction, const uint8_t key[32]);

#endif
