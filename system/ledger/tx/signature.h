/* secp256k1 signatures as Ethereum uses them, over libsecp256k1. */
#ifndef LEDGER_SIGNATURE_H
#define LEDGER_SIGNATURE_H

#include "num/types.h"

/* Address of who signed `digest`; false when r, s, y_parity give none. s may be anywhere below the group
 * order. */
bool signature_recover(struct address *out, const struct hash32 *digest, unsigned y_parity,
                       const struct u256 *r, const struct u256 *s);
/* Is s above half the group order (EIP-2)? */
bool signature_s_is_high(const struct u256 *s);
/* A deterministic signature (RFC 6979) with a low s. False when the key is not one. */
bool signature_sign(const struct hash32 *digest, const uint8_t key[32], unsigned *y_parity, struct u256 *r,
                    struct u256 *s);
bool signature_address(struct address *out, const uint8_t key[32]);

#endif
