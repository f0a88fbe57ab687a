/* A TPM 2.0, where the machine has one: measurements, and the rollback floor that outlives the medium.
 *
 * Sources: TCG PC Client Platform TPM Profile 1.05 (registers of the FIFO and CRB interfaces); TPM 2.0 Library, parts 2 and 3
 * (structures, commands). What the loader measures, SHA-256 bank:
 *
 *   PCR 8   the loader's policy: root key and floors (struct verify_policy as compiled in)
 *   PCR 9   the manifest's record: by it kernel, first unit, image root, signed command line
 *   PCR 12  the command line in use; of a development image, each module that came without a signature
 *
 * The floor is an NV index of 8 bytes, of the owner, written by the loader alone: it locks the index until the next start. An
 * image below the floor is refused. Release and development images have one each. A machine's owner may clear it with the TPM.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TPM_PCR_POLICY = 8, TPM_PCR_MANIFEST = 9, TPM_PCR_INPUT = 12 };
enum { TPM_BUFFER_SIZE = 1024, TPM_DIGEST_SIZE = 32, TPM_NONCE_MAX = 32 };

/* Looks for a TPM that answers. */
bool tpm_init(void);
bool tpm_present(void);
/* Extends the PCR by the SHA-256 of DATA and writes the event, WHAT and digest, to the log. */
void tpm_measure(unsigned pcr, const char *what, const void *data, size_t size);
/* The floor; 0 where none was ever set. */
uint64_t tpm_floor(bool development);
/* Raises the floor to INDEX, if it is lower, and locks it until the machine starts again. */
void tpm_floor_raise(bool development, uint64_t index);
/* Up to COUNT bytes of its random generator, at most 32; how many it gave. */
uint32_t tpm_random(void *bytes, uint32_t count);
/* Logs the PCRs above. */
void tpm_report(void);
/* Logs a quote over PCRs 0 to 9 and 12 for NONCE, at most TPM_NONCE_MAX bytes, with its key and the values: what holon-verify reads. */
void tpm_quote(const uint8_t *nonce, size_t nonce_size);

/* --- Between commands and device --- */

/* The answer to the COUNT bytes of COMMAND into ANSWER (TPM_BUFFER_SIZE); its size, or 0. */
size_t tpm_device_call(const uint8_t *command, size_t count, uint8_t *answer);
bool tpm_device_init(void);
/* Whether the SIZE bytes of ANSWER are a whole answer that says success; its parameters begin at *PARAMETERS. */
bool tpm_answer_check(const uint8_t *answer, size_t size, bool sessions, const uint8_t **parameters,
                      size_t *count);
