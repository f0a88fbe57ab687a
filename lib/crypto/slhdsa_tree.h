/* Building Merkle trees for signing: roots and authentication paths. */
#ifndef CRYPTO_SLHDSA_TREE_H
#define CRYPTO_SLHDSA_TREE_H

#include "slhdsa_internal.h"

#define TREE_BLOCK_HEIGHT 6 /* leaves are made 64 at a time */
#define TREE_NO_TARGET    UINT32_MAX

/* The secret side of a signer. */
struct slhdsa_secret {
	struct slhdsa_hasher hasher;
	uint8_t sk_seed[SLHDSA_MAX_N];
};

/*
 * Makes the tree of one FORS instance (number `tree` of the key pair in `address`, which has tree and key
 * pair set): its root, and the secret value and authentication path of leaf `target`, (1 + a) n bytes of
 * signature.
 */
void slhdsa_fors_tree(const struct slhdsa_secret *secret, const struct slhdsa_address *address, unsigned tree,
                      uint32_t target, uint8_t *signature, uint8_t root[SLHDSA_MAX_N]);

/*
 * Makes one XMSS tree of the hypertree (`address` has layer and tree set): its root and, unless `target` is
 * TREE_NO_TARGET, the signature of `message` (n bytes) with leaf `target`, (len + h') n bytes. `message` and
 * `root` may be the same memory.
 */
void slhdsa_xmss_tree(const struct slhdsa_secret *secret, const struct slhdsa_address *address,
                      uint32_t target, const uint8_t *message, uint8_t *signature,
                      uint8_t root[SLHDSA_MAX_N]);

#endif
