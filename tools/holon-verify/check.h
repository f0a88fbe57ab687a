/* What the files of holon-verify share. */
#pragma once

#include <crypto/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../../boot/loader/verify.h"

enum { EXIT_BAD = 1, EXIT_USAGE = 3, NONCE_BYTES_MAX = 64 };

/* What is asked for. */
struct asked {
	const char *path, *bundle, *root, *key, *node; /* KEY, NODE: NULL: whichever */
	uint8_t nonce[NONCE_BYTES_MAX];
	size_t nonce_count;
	uint64_t epoch, rollback; /* the loader's floors */
};

_Noreturn void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The hexadecimal digits at TEXT up to a space or the end, into OUT; false where they are not whole bytes, or too many. */
bool hex_read(const char *text, uint8_t *out, size_t room, size_t *count);
void hex_print(const uint8_t *bytes, size_t count);
uint8_t *file_read(const char *path, size_t *count);
/* A PCR's value after one more DIGEST. */
void pcr_extend(uint8_t value[SHA256_SIZE], const uint8_t digest[SHA256_SIZE]);
/* Fails where the TPM's public key KEY does not have the name that was ASKED for; prints it. */
void tpm_name_check(const struct asked *asked, const uint8_t *key, size_t count);

/* The image that the machine is to have started, and the policy of its loader. */
struct image {
	uint8_t *bytes;
	size_t size;
	struct verify_policy policy;
	struct verified verified;
	const uint8_t *manifest; /* its record */
	size_t manifest_count;
};
void image_root(struct image *image, const struct asked *asked);
/* Verifies the bundle under that root. */
void image_verify(struct image *image, const struct asked *asked);
/* The bundle's entry NAME, or NULL. */
const struct bundle_entry *image_entry(const struct image *image, const char *name);

/* The log of a start with a nonce (log.c), the quote of a running system (running.c): both say what is proven, or fail. */
void log_check(const struct asked *asked);
void running_check(const struct asked *asked, const uint8_t *bytes, size_t count);
