/* A TPM that answers anything, and sealed bytes from a disk that say anything: every call ends, and nothing that was not asked for is
 * taken. The first byte chooses the call; then each answer is a byte that says how well it is formed, and what follows. */
#include <stdlib.h>
#include <string.h>
#include "crypto/util.h"
#include "tpm_quote.h"
#include "tpm_seal.h"

#define CALLS_MAX 64u

static const uint8_t *bytes;
static size_t left;
static unsigned calls;

static uint8_t next(void)
{
	return left ? left--, *bytes++ : 0;
}

static size_t call(void *context, const uint8_t *command, size_t count, uint8_t *answer, size_t room)
{
	(void)context;
	if (count < 10 || load_be32(command + 2) != count || room != TPM_BUFFER || ++calls > CALLS_MAX)
		return 0;
	uint8_t form = next();
	size_t size = 10u + next() + (form & 4 ? 256u * (next() & 7) : 0u);
	if (size > room)
		size = room;
	memset(answer, 0, size);
	for (size_t i = 10; i < size; i++)
		answer[i] = next();
	answer[0] = 0x80;
	store_be32(answer + 2, (uint32_t)(form & 1 ? next() : size));
	store_be32(answer + 6, form & 2 ? (uint32_t)next() << 8 | next() : 0);
	/* Parameters behind their size, as most answers with sessions have it. */
	if (form & 8 && size >= 14)
		store_be32(answer + 10, (uint32_t)size - 14);
	if (form & 16 && size >= 18)
		store_be32(answer + 14, (uint32_t)size - 18);
	return form & 32 ? next() : size;
}

static int draw(void *buffer, size_t count)
{
	memset(buffer, 7, count);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tpm tpm = {.call = call, .random = draw};
	static struct tpm_quote quote;
	static const uint8_t secret[TPM_SECRET_SIZE] = {1};
	uint8_t *sealed = malloc(TPM_SEALED_MAX);
	uint8_t *found = malloc(TPM_NOTE_MAX);
	size_t count = 0;
	bytes = data;
	left = size;
	calls = 0;
	if (!sealed || !found)
		abort();
	switch (next() & 7) {
	case 0:
		(void)tpm_seal(&tpm, secret, sealed, &count);
		if (count > TPM_SEALED_MAX)
			abort();
		break;
	case 1:
		count = (size_t)next() << 1;
		for (size_t i = 0; i < count && i < TPM_SEALED_MAX; i++)
			sealed[i] = next();
		(void)tpm_unseal(&tpm, sealed, count < TPM_SEALED_MAX ? count : TPM_SEALED_MAX, found);
		break;
	case 2:
		memset(sealed, 0, TPM_SEALED_MAX);
		sealed[0] = 1; /* well formed: what the answers say of it */
		sealed[5] = 100;
		sealed[107] = 50;
		(void)tpm_unseal(&tpm, sealed, 158, found);
		break;
	case 3:
		(void)tpm_note_read(&tpm, 0x01900000, secret, found, TPM_NOTE_MAX);
		break;
	case 4:
		(void)tpm_note_write(&tpm, 0x01900000, secret, found, TPM_NOTE_MAX);
		break;
	case 5:
		(void)tpm_quote_make(&tpm, secret, &quote);
		if (quote.key.bytes > TPM_QUOTE_FIELD_MAX || quote.quoted.bytes > TPM_QUOTE_FIELD_MAX ||
		    quote.signature.bytes > TPM_QUOTE_FIELD_MAX)
			abort();
		break;
	case 6:
		(void)tpm_quote_random(&tpm, found);
		(void)tpm_quote_bind(&tpm, secret);
		break;
	default:
		(void)tpm_note_make(&tpm, 0x01900000, secret, secret, TPM_NOTE_MAX);
	}
	free(sealed);
	free(found);
	return 0;
}
