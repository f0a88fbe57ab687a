/* What a TPM 2.0 says of the machine's state: a quote of its PCRs, signed by a key that signs a TPM's own words alone, for a nonce.
 * The key is the one of the loader's quotes (boot/loader/tpm.h): made from the endorsement seed, so always the same on one TPM.
 *
 * Sources: TPM 2.0 Library 1.59, part 2 (TPMS_ATTEST, TPMT_PUBLIC, TPMT_SIGNATURE) and part 3 (CreatePrimary, Quote, PCR_Extend,
 * PCR_Read, GetRandom). */
#pragma once

#include "tpm_call.h"

enum { TPM_QUOTE_FIELD_MAX = 256, TPM_QUOTE_PCR_COUNT = 14, TPM_QUOTE_NONCE = 32, TPM_QUOTE_DIGEST = 32 };
/* In which the system puts the key that it signs its own statements with, before any program may use the TPM. */
#define TPM_QUOTE_KEY_PCR 13u
/* The firmware's, the loader's (boot/loader/tpm.h), and that. */
#define TPM_QUOTE_PCRS (255u | 1u << 8 | 1u << 9 | 1u << 12 | 1u << TPM_QUOTE_KEY_PCR)

struct tpm_field {
	uint8_t at[TPM_QUOTE_FIELD_MAX];
	size_t bytes;
};
struct tpm_quote {
	struct tpm_field key, quoted, signature;               /* TPMT_PUBLIC, TPMS_ATTEST, TPMT_SIGNATURE */
	uint8_t values[TPM_QUOTE_PCR_COUNT][TPM_QUOTE_DIGEST]; /* of the PCRs in TPM_QUOTE_PCRS */
};

enum tpm_status tpm_quote_make(struct tpm *tpm, const uint8_t nonce[TPM_QUOTE_NONCE],
                               struct tpm_quote *quote);

/* Puts DIGEST into TPM_QUOTE_KEY_PCR, if nothing is there yet. TPM_REFUSED: something else is, so that nothing can vouch for DIGEST
 * before the machine starts anew. */
enum tpm_status tpm_quote_bind(struct tpm *tpm, const uint8_t digest[TPM_QUOTE_DIGEST]);

/* 32 bytes of its generator. */
enum tpm_status tpm_quote_random(struct tpm *tpm, uint8_t bytes[TPM_QUOTE_DIGEST]);
