/* Commands to a TPM 2.0, for the other files of this folder: one is built in the buffer of struct tpm, numbers with the highest byte
 * first, and its answer is taken apart by a reader that never leaves it (TPM 2.0 Library 1.59, parts 2 and 3). */
#pragma once

#include "tpm_call.h"

enum {
	NO_SESSIONS = 0x8001,
	SESSIONS = 0x8002,
	OWNER = 0x40000001,
	NULL_HANDLE = 0x40000007,
	PASSWORD = 0x40000009,
	ENDORSEMENT = 0x4000000b
};
enum { CREATE_PRIMARY = 0x131, FLUSH = 0x165, PCR_READ = 0x17e };
enum { ALG_SHA256 = 0xb, ALG_NULL = 0x10, ALG_ECDSA = 0x18, ALG_ECC = 0x23, CURVE_P256 = 3 };
enum { TPM_DIGEST = 32 };
/* TPMA_OBJECT */
enum {
	FIXED_TPM = 1 << 1,
	FIXED_PARENT = 1 << 4,
	SENSITIVE_DATA_ORIGIN = 1 << 5,
	USER_WITH_AUTH = 1 << 6,
	ADMIN_WITH_POLICY = 1 << 7,
	NO_LOCKOUT = 1 << 10,
	RESTRICTED = 1 << 16,
	DECRYPT = 1 << 17,
	SIGN = 1 << 18
};

void tpm_begin(struct tpm *tpm, unsigned tag, uint32_t code);
void tpm_put(struct tpm *tpm, uint32_t value, unsigned bytes);
void tpm_put_bytes(struct tpm *tpm, const void *bytes, size_t count);
void tpm_put_sized(struct tpm *tpm, const void *bytes, size_t count);
/* The authorization area with one entry: by a password, or by a session that is over with this command. */
void tpm_put_authorization(struct tpm *tpm, uint32_t handle, const uint8_t *key);
/* The whole of TPM2_CreatePrimary for a key on P-256 of HIERARCHY's seed, without authorization, policy, data and PCRs. USE: the COUNT words
 * of its symmetric algorithm and its scheme (TPM 2.0 part 2, 12.2.3.6). */
void tpm_put_primary(struct tpm *tpm, uint32_t hierarchy, uint32_t attributes, const uint16_t *use,
                     unsigned count);
/* The PCRs of MASK, of the bank of SHA-256. */
void tpm_put_selection(struct tpm *tpm, uint32_t mask);

struct tpm_reader {
	const uint8_t *at;
	size_t left;
	bool good; /* nothing was missing yet */
};
uint32_t tpm_get(struct tpm_reader *reader, unsigned bytes);
/* A sized field of at most MOST bytes: where it is, and *COUNT. */
const uint8_t *tpm_get_sized(struct tpm_reader *reader, size_t most, size_t *count);
/* A sized field of SIZE bytes, to TO. */
enum tpm_status tpm_take(struct tpm_reader *reader, void *to, size_t size);

/* Sends the command; its answer's parameters are for READER, and *HANDLE, where one is asked for, is what it made. */
enum tpm_status tpm_send(struct tpm *tpm, uint32_t *handle, struct tpm_reader *reader);
void tpm_flush(struct tpm *tpm, uint32_t handle);

/* The PCR's value. TPM_MISSING: there is no bank of SHA-256. */
enum tpm_status tpm_pcr_read(struct tpm *tpm, unsigned pcr, uint8_t value[TPM_DIGEST]);
