/* AES-256-GCM of blocks, where the processor has AES, carry-less multiplication and AVX: half the instructions of libsodium's,
 * since eight blocks share a reduction. The keys, nonces and results are the standard's (NIST SP 800-38D), so that either opens what the other sealed. Time
 * and memory accesses depend on lengths alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GCM_BYTES_MAX (1u << 16) /* that one call seals or opens */

/* Whether this processor can; the others are called only then. */
bool gcm_is_available(void);

/* BYTES (a multiple of 16, at most GCM_BYTES_MAX) of IN to OUT, which may be the same. DATA is authenticated with it, and is 32 bytes. */
void gcm_seal(const uint8_t key[32], const uint8_t nonce[12], const uint8_t data[32], const void *in,
              size_t bytes, void *out, uint8_t tag[16]);

/* False: it is not what was sealed, and OUT is zeroes. Each byte of IN is read once, so that what is authenticated is what comes out. */
__attribute__((warn_unused_result)) bool gcm_open(const uint8_t key[32], const uint8_t nonce[12],
                                                  const uint8_t data[32], const void *in, size_t bytes,
                                                  const uint8_t tag[16], void *out);
