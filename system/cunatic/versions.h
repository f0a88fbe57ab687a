/*
 * The versions of a policy: an append-only file. Each record holds the source, a reason and the hash of the record before
 * it, and is signed by the gate's key (lib/crypto: Ed25519 and ML-DSA-65, both must verify).
 *
 *   "VERSION number kind length\n" + parent hash in hex + "\n" + reason + "\n" + source + "\n" + signature in hex + "\n"
 */
#ifndef CUNATIC_VERSIONS_H
#define CUNATIC_VERSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "crypto/hybrid_sign.h"

#define VERSION_HASH 32

struct versions {
	FILE *file;
	struct hybrid_sign_key key; /* the secret half stays in the gate's process */
	uint8_t last[VERSION_HASH]; /* hash of the last record */
	uint64_t count;
};

/* Makes a new file with a new key; the public key goes to PATH.pub. */
bool versions_create(struct versions *versions, const char *path);
/* kind: "initial", "commit", "rollback", "hack". */
bool versions_append(struct versions *versions, const char *kind, const char *reason, const char *source,
                     size_t length);
void versions_close(struct versions *versions);
/* Reads the whole file again: the chain and every signature. The number of records, or -1 and why. */
long versions_verify(const char *path, const uint8_t *public_key, char *why, size_t size);

#endif
