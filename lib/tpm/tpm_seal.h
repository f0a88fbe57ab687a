/* What a TPM 2.0 keeps for a program: secrets that it unseals only while the machine is in the state in which they were sealed, and
 * notes, a few bytes each, that nobody can put back. Portable: commands go out by a function of the caller's, so that the host's tests
 * and fuzzer run the same code.
 *
 * Sources: TPM 2.0 Library 1.59, part 2 (structures) and part 3 (commands: CreatePrimary, Create, Load, Unseal, StartAuthSession,
 * PolicyPCR, PolicyGetDigest, PCR_Read, NV_DefineSpace, NV_Read, NV_Write, NV_UndefineSpace).
 *
 * The TPM is outside data: what it answers is read within its own bounds, and nothing of it is believed that was not asked for. It is
 * trusted for what it keeps; whoever listens between it and the processor sees the secret.
 *
 * The owner's authorization is taken to be empty, as it is on a machine that was never given one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tpm_call.h"

#define TPM_SECRET_SIZE 32u
#define TPM_SEALED_MAX  480u
#define TPM_NOTE_MAX    32u

/* The state: firmware, its options' code, what it starts, Secure Boot's policy, and what Holon's loader measures (docs/boot.md). */
#define TPM_STATE_PCRS (1u << 0 | 1u << 2 | 1u << 4 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 12)
#define TPM_IMAGE_PCR  9u

/* SECRET for the state of now, into SEALED: *BYTES of it. What was sealed is unsealed once, to see that it can be. */
enum tpm_status tpm_seal(struct tpm *tpm, const uint8_t secret[TPM_SECRET_SIZE],
                         uint8_t sealed[TPM_SEALED_MAX], size_t *bytes);
enum tpm_status tpm_unseal(struct tpm *tpm, const uint8_t *sealed, size_t bytes,
                           uint8_t secret[TPM_SECRET_SIZE]);

/* A note at INDEX (01800000h to 01BFFFFFh are the owner's), which is read and written by who has KEY. Making it replaces what was
 * there; the owner can remove it, and cannot make it again as it was without the key. */
enum tpm_status tpm_note_make(struct tpm *tpm, uint32_t index, const uint8_t key[TPM_KEY_SIZE],
                              const void *bytes, size_t count);
enum tpm_status tpm_note_write(struct tpm *tpm, uint32_t index, const uint8_t key[TPM_KEY_SIZE],
                               const void *bytes, size_t count);
enum tpm_status tpm_note_read(struct tpm *tpm, uint32_t index, const uint8_t key[TPM_KEY_SIZE], void *bytes,
                              size_t count);
enum tpm_status tpm_note_remove(struct tpm *tpm, uint32_t index);
