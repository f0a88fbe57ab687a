/* What a TPM signed (TPM 2.0 Library, part 2): taken apart within its bounds, and checked. Outside data; fuzzed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TPM_CHECK_PCRS = 24, TPM_CHECK_DIGEST = 32 };

struct tpm_claim {
	const uint8_t *key, *quoted, *signature; /* TPMT_PUBLIC, TPMS_ATTEST, TPMT_SIGNATURE */
	size_t key_bytes, quoted_bytes, signature_bytes;
	const uint8_t *nonce; /* which the quote must answer */
	size_t nonce_bytes;
	uint32_t pcrs;  /* over which it must be */
	uint32_t known; /* those of them that VALUES has: a bit each */
	const uint8_t (*values)[TPM_CHECK_DIGEST];
};

/* Whether the key is one that signs a TPM's own words alone, signed the quote, and the quote is over those values for that nonce: NULL,
 * or what is wrong, the first of that order. */
const char *tpm_claim_check(const struct tpm_claim *claim);
