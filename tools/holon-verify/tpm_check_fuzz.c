/* A TPM's key, quote and signature that say anything. The first bytes say how long each is; half of the inputs have a form that is nearly
 * right, so that what lies behind is reached. Nothing is good: nobody signs here. */
#include "tpm_check.h"
#include <stdlib.h>
#include <string.h>

enum { FIELD_MAX = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

/* A copy of exactly that size, so that a read behind it is found. */
static uint8_t *part(struct input *input, const uint8_t *head, size_t head_bytes, size_t *count)
{
	size_t length = input->left ? *input->at : 0;
	bool near = length & 1;

	if (input->left)
		input->at++, input->left--;
	if (length > input->left)
		length = input->left;
	*count = length + (near ? head_bytes : 0);
	uint8_t *copy = malloc(*count + !*count);
	if (!copy)
		abort();
	memcpy(copy, head, near ? head_bytes : 0);
	memcpy(copy + (near ? head_bytes : 0), input->at, length);
	input->at += length;
	input->left -= length;
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key_head[] = {0,    0x23, 0,    0x0b, 0,    5, 0, 0x72, 0,    0, 0,
	                                   0x10, 0,    0x18, 0,    0x0b, 0, 3, 0,    0x10, 0, 32};
	static const uint8_t quoted_head[] = {0xff, 'T', 'C', 'G', 0x80, 0x18};
	static const uint8_t signature_head[] = {0, 0x18, 0, 0x0b, 0, 32};
	static const uint8_t values[TPM_CHECK_PCRS][TPM_CHECK_DIGEST];
	struct input input = {data, size};
	struct tpm_claim claim = {
	    .nonce = key_head, .nonce_bytes = 8, .pcrs = 0x33ff, .known = 0x33ff, .values = values};
	uint8_t *key = part(&input, key_head, sizeof(key_head), &claim.key_bytes);
	uint8_t *quoted = part(&input, quoted_head, sizeof(quoted_head), &claim.quoted_bytes);
	uint8_t *signature = part(&input, signature_head, sizeof(signature_head), &claim.signature_bytes);

	claim.key = key;
	claim.quoted = quoted;
	claim.signature = signature;
	if (!tpm_claim_check(&claim))
		abort();
	free(key);
	free(quoted);
	free(signature);
	return 0;
}
