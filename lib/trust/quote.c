/* Quotes of running systems: see quote.h. */
#include "quote.h"

const struct record_rule quote_rules[QUOTE_FIELDS] = {
    [QUOTE_NONCE] = {1, FORM_BYTES, false, QUOTE_NONCE_LEAST, QUOTE_NONCE_MAX},
    [QUOTE_TIME] = {2, FORM_NUMBER, false, 0, 0},
    [QUOTE_UPTIME] = {3, FORM_NUMBER, false, 0, 0},
    [QUOTE_BUILD] = {4, FORM_TEXT, false, 1, BOOT_BUILD_MAX},
    [QUOTE_FLAGS] = {5, FORM_NUMBER, false, 0, 0},
    [QUOTE_ROLLBACK] = {6, FORM_NUMBER, false, 0, 0},
    [QUOTE_EPOCH] = {7, FORM_NUMBER, false, 0, 0},
    [QUOTE_SIGNER] = {8, FORM_BYTES, false, TRUST_ID_BYTES, TRUST_ID_BYTES},
    [QUOTE_MANIFEST] = {9, FORM_BYTES, false, 32, 32},
    [QUOTE_PARTS] = {10, FORM_ITEMS, false, BOOT_PART_BYTES, BOOT_PARTS_MAX},
    [QUOTE_POLICY] = {11, FORM_BYTES, true, 1, QUOTE_POLICY_MAX},
    [QUOTE_INPUTS] = {12, FORM_ITEMS, true, QUOTE_INPUT_BYTES, QUOTE_INPUTS_MAX},
    [QUOTE_KEY] = {13, FORM_BYTES, false, HYBRID_SIGN_PK_SIZE, HYBRID_SIGN_PK_SIZE},
};
const struct record_rule tpm_quote_rules[TPM_QUOTE_FIELDS] = {
    [TPM_QUOTE_KEY] = {1, FORM_BYTES, false, 1, QUOTE_TPM_FIELD_MAX},
    [TPM_QUOTE_QUOTED] = {2, FORM_BYTES, false, 1, QUOTE_TPM_FIELD_MAX},
    [TPM_QUOTE_SIGNATURE] = {3, FORM_BYTES, false, 1, QUOTE_TPM_FIELD_MAX},
    [TPM_QUOTE_VALUES] = {4, FORM_ITEMS, false, QUOTE_VALUE_BYTES, 24},
};
const char trust_context_quote[] = "Holon quote of a running system";

/* Where the statement says so, a second record; nothing else behind the signature. */
static enum record_error rest_read(struct quote *quote, const uint8_t *bytes, size_t count)
{
	if (!(quote->flags & QUOTE_TPM))
		return count ? RECORD_SHORT : RECORD_OK;
	return record_read(bytes, count, RECORD_TPM_QUOTE, tpm_quote_rules, TPM_QUOTE_FIELDS, quote->tpm);
}

enum trust_error quote_read(struct quote *quote, const uint8_t *bytes, size_t count,
                            enum record_error *detail)
{
	size_t size = record_size(bytes, count);
	enum record_error fault = RECORD_SHORT;

	*quote = (struct quote){.statement = bytes, .statement_count = size, .signature = bytes + size};
	if (size && count <= QUOTE_BYTES_MAX && count - size >= HYBRID_SIGN_SIGNATURE_SIZE)
		fault = record_read(bytes, size, RECORD_QUOTE, quote_rules, QUOTE_FIELDS, quote->fields);
	if (!fault)
		quote->flags = record_number(&quote->fields[QUOTE_FLAGS]);
	if (!fault && quote->flags & ~(uint64_t)QUOTE_FLAGS_ALL)
		fault = RECORD_VALUE;
	if (!fault) {
		size += HYBRID_SIGN_SIGNATURE_SIZE;
		fault = rest_read(quote, bytes + size, count - size);
	}
	if (detail)
		*detail = fault;
	return fault ? TRUST_FORM : TRUST_OK;
}

enum trust_error quote_signature(const struct quote *quote)
{
	const struct field *key = &quote->fields[QUOTE_KEY];

	return hybrid_verify(key->bytes, key->count, quote->statement, quote->statement_count,
	                     trust_context_quote, sizeof(trust_context_quote) - 1, quote->signature,
	                     HYBRID_SIGN_SIGNATURE_SIZE) == CRYPTO_OK
	           ? TRUST_OK
	           : TRUST_SIGNATURE;
}
