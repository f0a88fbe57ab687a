/* Fuzzes the readers of records, key lists, certificates, revocations and capsules, and of quotes: what they accept has the form it
 * must have, and comes out the same when written again. */
#include "quote.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrite(const uint8_t *data, size_t size, enum record_kind kind, const struct record_rule *rules,
                    unsigned count)
{
	static uint8_t again[RECORD_BYTES_MAX];
	struct field fields[RECORD_FIELDS_MAX], item;
	struct record_writer writer;
	enum record_error error;

	if (record_read(data, size, kind, rules, count, fields))
		return;
	record_begin(&writer, again, sizeof(again), kind);
	for (unsigned rule = 0; rule < count; rule++) {
		if (!fields[rule].bytes)
			continue;
		if (rules[rule].form == FORM_NUMBER) {
			record_put_number(&writer, rules[rule].tag, record_number(&fields[rule]));
		} else if (rules[rule].form == FORM_LIST || rules[rule].form == FORM_ITEMS) {
			record_list_begin(&writer, rules[rule].tag);
			for (uint32_t at = 0; record_next(&fields[rule], &at, &item);)
				record_list_add(&writer, item.bytes, (uint16_t)item.count);
			record_list_end(&writer);
		} else {
			record_put(&writer, rules[rule].tag, fields[rule].bytes, fields[rule].count);
		}
	}
	if (record_end(&writer, &error) != size || error || memcmp(again, data, size) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum record_error detail;
	struct capsule capsule;
	struct quote quote;

	rewrite(data, size, RECORD_KEY_LIST, key_list_rules, KEY_LIST_FIELDS);
	rewrite(data, size, RECORD_CERTIFICATE, certificate_rules, CERTIFICATE_FIELDS);
	rewrite(data, size, RECORD_CAPSULE, capsule_rules, CAPSULE_FIELDS);
	rewrite(data, size, RECORD_BOOT, boot_rules, BOOT_FIELDS);
	rewrite(data, size, RECORD_REVOCATIONS, revocation_rules, REVOCATION_FIELDS);
	rewrite(data, size, RECORD_QUOTE, quote_rules, QUOTE_FIELDS);
	rewrite(data, size, RECORD_TPM_QUOTE, tpm_quote_rules, TPM_QUOTE_FIELDS);
	if (quote_read(&quote, data, size, &detail) == TRUST_OK && quote_signature(&quote) == TRUST_OK)
		abort(); /* nobody signs here */
	if (trust_capsule_read(&capsule, data, size, &detail) == TRUST_OK)
		if (capsule.payload + capsule.payload_count != data + size)
			abort();
	return 0;
}
