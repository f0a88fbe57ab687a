/* The quote of a running system: what it says of itself for a nonce of somebody's, and who says so.
 *
 *   statement (a record) || hybrid signature by the node's key || the TPM's part (a record), where the statement says that there is one
 *
 * The node's key is made at each start, inside the service that quotes (base/attest), and never leaves it. By itself the signature says
 * that who holds that key said so. Where there is a TPM, its part binds the two: the TPM quotes the SHA-256 of the statement's record
 * as its nonce, over PCRs in one of which the service has put the SHA-256 of the node's key before any program could reach the TPM.
 *
 * Reading has limits and allocates nothing; fields point into the bytes that were read. tools/holon-verify says what is proven. */
#pragma once

#include "boot.h"

enum {
	QUOTE_NONCE_LEAST = 8,
	QUOTE_NONCE_MAX = 64,
	QUOTE_POLICY_MAX = 1023,
	QUOTE_INPUT_NAME_BYTES = 32, /* padded with zeros */
	QUOTE_INPUT_BYTES = QUOTE_INPUT_NAME_BYTES + 8 + 32,
	QUOTE_INPUTS_MAX = 16,
	QUOTE_TPM_FIELD_MAX = 256,
	QUOTE_VALUE_BYTES = 1 + 32, /* a PCR's number and value */
	QUOTE_BYTES_MAX = 12288
};

enum quote_flag {
	QUOTE_DEVELOPMENT = 1, /* what came without a signature counts */
	QUOTE_UEFI = 2,        /* else a BIOS, under which nothing vouches for the loader */
	QUOTE_TPM = 4,         /* the TPM's part follows */
	QUOTE_FLAGS_ALL = 7
};

/* Indices into the fields; tags are these plus one. */
enum quote_field {
	QUOTE_NONCE,
	QUOTE_TIME,     /* seconds since 1970 by the machine's clock, 0: it has none */
	QUOTE_UPTIME,   /* seconds since the kernel's start */
	QUOTE_BUILD,    /* what the image says it is */
	QUOTE_FLAGS,    /* enum quote_flag */
	QUOTE_ROLLBACK, /* the image's rollback index */
	QUOTE_EPOCH,    /* the key list's */
	QUOTE_SIGNER,   /* id of the key that signed the manifest */
	QUOTE_MANIFEST, /* SHA-256 of the manifest's record: what PCR 9 has */
	QUOTE_PARTS,    /* as in the manifest: kernel, first unit, image root, signed command line, … */
	QUOTE_POLICY,   /* the command line in use; there where it is not empty */
	QUOTE_INPUTS,   /* modules that are not what the manifest names: name, size, SHA-256 */
	QUOTE_KEY,      /* the node's public key */
	QUOTE_FIELDS
};
/* Of the TPM's part. */
enum tpm_quote_field {
	TPM_QUOTE_KEY,
	TPM_QUOTE_QUOTED,
	TPM_QUOTE_SIGNATURE,
	TPM_QUOTE_VALUES,
	TPM_QUOTE_FIELDS
};

extern const struct record_rule quote_rules[QUOTE_FIELDS], tpm_quote_rules[TPM_QUOTE_FIELDS];
extern const char trust_context_quote[];

struct quote {
	struct field fields[QUOTE_FIELDS], tpm[TPM_QUOTE_FIELDS];
	const uint8_t *statement, *signature;
	size_t statement_count;
	uint64_t flags;
};

/* Finds the parts of the quote [BYTES, + COUNT) and reads its records; verifies nothing. */
enum trust_error quote_read(struct quote *quote, const uint8_t *bytes, size_t count,
                            enum record_error *detail);
/* Whether the key that the statement names has signed it. */
enum trust_error quote_signature(const struct quote *quote);
