/* What hybrid_sign.c and hybrid_verify.c share: the labels, and the ends of the digest. See hybrid_sign.h. */
#ifndef CRYPTO_HYBRID_INTERNAL_H
#define CRYPTO_HYBRID_INTERNAL_H

#include "hybrid_sign.h"

/* What the Ed25519 half signs: its label, then T. */
#define HYBRID_ED25519_LABEL      "Holon hybrid v1 Ed25519"
#define HYBRID_ED25519_LABEL_SIZE sizeof(HYBRID_ED25519_LABEL) /* with the zero at its end */
#define HYBRID_ED25519_INPUT_SIZE (HYBRID_ED25519_LABEL_SIZE + SHA3_512_SIZE)

/* The ML-DSA context of the other half. */
#define HYBRID_MLDSA_LABEL      "Holon hybrid v1 ML-DSA-65"
#define HYBRID_MLDSA_LABEL_SIZE (sizeof(HYBRID_MLDSA_LABEL) - 1)

/* Begins T: the label and the public key. */
void hybrid_hash_start(struct sha3 *hash, const uint8_t pk[HYBRID_SIGN_PK_SIZE]);

/* Ends the message: writes the Ed25519 label and T, and wipes the object. T alone begins at the label's size.
 */
void hybrid_message_finish(struct hybrid_message *message, uint8_t input[HYBRID_ED25519_INPUT_SIZE]);

#endif
