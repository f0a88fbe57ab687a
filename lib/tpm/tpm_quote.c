/* See tpm_quote.h. */
#include "tpm_quote.h"
#include <string.h>
#include "crypto/sha2.h"
#include "tpm_command.h"

enum { QUOTE = 0x158, GET_RANDOM = 0x17b, PCR_EXTEND = 0x182 };
enum {
	KEY_ATTRIBUTES = FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | RESTRICTED | SIGN
};

static enum tpm_status field_take(struct tpm_reader *reader, struct tpm_field *field)
{
	const uint8_t *found = tpm_get_sized(reader, sizeof(field->at), &field->bytes);
	memcpy(field->at, found, field->bytes);
	return reader->good && field->bytes ? TPM_OK : TPM_FAILED;
}

static enum tpm_status key_make(struct tpm *tpm, uint32_t *key, struct tpm_field *public)
{
	const uint16_t use[] = {ALG_NULL, ALG_ECDSA, ALG_SHA256}; /* it signs, and encrypts nothing */
	struct tpm_reader reader;
	tpm_put_primary(tpm, ENDORSEMENT, KEY_ATTRIBUTES, use, 3);
	enum tpm_status status = tpm_send(tpm, key, &reader);
	if (status != TPM_OK)
		return status;
	status = field_take(&reader, public);
	if (status != TPM_OK)
		tpm_flush(tpm, *key);
	return status;
}

static enum tpm_status quote_take(struct tpm *tpm, uint32_t key, const uint8_t *nonce,
                                  struct tpm_quote *quote)
{
	struct tpm_reader reader;
	tpm_begin(tpm, SESSIONS, QUOTE);
	tpm_put(tpm, key, 4);
	tpm_put_authorization(tpm, PASSWORD, NULL);
	tpm_put_sized(tpm, nonce, TPM_QUOTE_NONCE);
	tpm_put(tpm, ALG_NULL, 2); /* the key's own scheme */
	tpm_put_selection(tpm, TPM_QUOTE_PCRS);
	enum tpm_status status = tpm_send(tpm, NULL, &reader);
	if (status == TPM_OK)
		status = field_take(&reader, &quote->quoted);
	if (status != TPM_OK)
		return status;
	/* The rest is the signature, which has no size before it. */
	if (!reader.left || reader.left > sizeof(quote->signature.at))
		return TPM_FAILED;
	quote->signature.bytes = reader.left;
	memcpy(quote->signature.at, reader.at, reader.left);
	return TPM_OK;
}

enum tpm_status tpm_quote_make(struct tpm *tpm, const uint8_t nonce[TPM_QUOTE_NONCE], struct tpm_quote *quote)
{
	uint32_t key;
	memset(quote, 0, sizeof(*quote));
	enum tpm_status status = key_make(tpm, &key, &quote->key);
	if (status != TPM_OK)
		return status;
	for (unsigned pcr = 0; pcr < TPM_QUOTE_PCR_COUNT && status == TPM_OK; pcr++)
		if (TPM_QUOTE_PCRS >> pcr & 1)
			status = tpm_pcr_read(tpm, pcr, quote->values[pcr]);
	if (status == TPM_OK)
		status = quote_take(tpm, key, nonce, quote);
	tpm_flush(tpm, key);
	return status;
}

enum tpm_status tpm_quote_bind(struct tpm *tpm, const uint8_t digest[TPM_QUOTE_DIGEST])
{
	uint8_t value[TPM_DIGEST], wanted[TPM_DIGEST] = {0};
	static const uint8_t never[TPM_DIGEST];
	struct sha256 hash;
	sha256_init(&hash);
	sha256_update(&hash, never, sizeof(never));
	sha256_update(&hash, digest, TPM_DIGEST);
	sha256_final(&hash, wanted);
	enum tpm_status status = tpm_pcr_read(tpm, TPM_QUOTE_KEY_PCR, value);
	if (status != TPM_OK)
		return status;
	if (memcmp(value, never, TPM_DIGEST) == 0) {
		tpm_begin(tpm, SESSIONS, PCR_EXTEND);
		tpm_put(tpm, TPM_QUOTE_KEY_PCR, 4);
		tpm_put_authorization(tpm, PASSWORD, NULL);
		tpm_put(tpm, 1, 4);
		tpm_put(tpm, ALG_SHA256, 2);
		tpm_put_bytes(tpm, digest, TPM_DIGEST);
		(void)tpm_send(tpm, NULL, NULL); /* what it says is read back */
		status = tpm_pcr_read(tpm, TPM_QUOTE_KEY_PCR, value);
	}
	if (status != TPM_OK)
		return status;
	if (memcmp(value, never, TPM_DIGEST) == 0)
		return TPM_FAILED;
	return memcmp(value, wanted, TPM_DIGEST) == 0 ? TPM_OK : TPM_REFUSED;
}

enum tpm_status tpm_quote_random(struct tpm *tpm, uint8_t bytes[TPM_QUOTE_DIGEST])
{
	struct tpm_reader reader;
	tpm_begin(tpm, NO_SESSIONS, GET_RANDOM);
	tpm_put(tpm, TPM_QUOTE_DIGEST, 2);
	enum tpm_status status = tpm_send(tpm, NULL, &reader);
	return status == TPM_OK ? tpm_take(&reader, bytes, TPM_QUOTE_DIGEST) : status;
}
