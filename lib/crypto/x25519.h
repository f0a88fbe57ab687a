/* X25519 (RFC 7748), by libsodium. */
#ifndef CRYPTO_X25519_H
#define CRYPTO_X25519_H

#include "util.h"

#define X25519_SIZE 32

/* The public key of the secret key `sk`: any 32 random bytes. */
void x25519_public(uint8_t pk[X25519_SIZE], const uint8_t sk[X25519_SIZE]);

/*
 * Writes X25519(sk, peer), exactly as the RFC defines it for every `peer`. CRYPTO_BAD_KEY: `peer` has small
 * order, so that the secret is all zeros and known to everybody; protocols that do not bind both public keys
 * into their keys must stop then.
 */
enum crypto_status x25519(uint8_t shared[X25519_SIZE], const uint8_t sk[X25519_SIZE],
                          const uint8_t peer[X25519_SIZE]) CRYPTO_MUST_CHECK;

#endif
