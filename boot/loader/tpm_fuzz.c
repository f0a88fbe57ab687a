/* Fuzzes what the loader reads of a TPM's answers: every command gets the next piece of the input as its answer, under sanitizers. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loader.h"
#include "tpm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *next;
static size_t left;

void say(const char *format, ...)
{
	(void)format;
}

bool tpm_device_init(void)
{
	return true;
}

/* Two bytes say how long the answer is; its own size field is made right but for every eighth, so that what lies behind is reached. */
size_t tpm_device_call(const uint8_t *command, size_t count, uint8_t *answer)
{
	if (count < 10 || count > TPM_BUFFER_SIZE || command[0] != 0x80)
		abort();
	if (left < 2)
		return 0;
	size_t size = (size_t)(next[0] | next[1] << 8) % (TPM_BUFFER_SIZE + 1);
	bool honest = next[1] >> 5;
	next += 2;
	left -= 2;
	if (size > left)
		size = left;
	memcpy(answer, next, size);
	next += size;
	left -= size;
	if (honest && size >= 10) {
		memset(answer + 2, 0, 8);
		answer[4] = (uint8_t)(size >> 8);
		answer[5] = (uint8_t)size;
	}
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nonce[TPM_NONCE_MAX];
	uint8_t random[32];

	next = data;
	left = size;
	if (!tpm_init())
		return 0;
	tpm_measure(TPM_PCR_MANIFEST, "manifest", data, size);
	uint64_t floor = tpm_floor(false);
	tpm_floor_raise(true, floor + 1);
	if (tpm_random(random, sizeof(random)) > sizeof(random))
		abort();
	tpm_quote(nonce, sizeof(nonce));
	tpm_report();
	return 0;
}
