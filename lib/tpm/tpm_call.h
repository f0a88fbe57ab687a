/* How a program reaches a TPM 2.0: by a function of its own, so that the host's tests and fuzzers run the same code against swtpm and
 * against answers that say anything. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TPM_KEY_SIZE 32u
#define TPM_BUFFER   2048u

enum tpm_status {
	TPM_OK = 0,
	TPM_FAILED = -1,     /* it does not answer, or not as it should */
	TPM_REFUSED = -2,    /* another state, another TPM, another key */
	TPM_MISSING = -3,    /* there is no such note */
	TPM_FULL = -4,       /* it has no room */
	TPM_UNMEASURED = -5, /* nobody has measured the image: there is no state to seal to */
};

struct tpm {
	void *context;
	/* The answer to COMMAND into ANSWER, which has ROOM: its size, or 0. */
	size_t (*call)(void *context, const uint8_t *command, size_t count, uint8_t *answer, size_t room);
	int (*random)(void *buffer, size_t bytes); /* negative: there is none */
	uint8_t command[TPM_BUFFER], answer[TPM_BUFFER];
	size_t length; /* of the command */
};

/* Forgets what went over it. */
void tpm_wipe(struct tpm *tpm);
