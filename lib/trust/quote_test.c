/* Quotes of running systems: what is written is read, its signature is good, and nothing that was changed, cut off or exchanged is. */
#include "quote.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
static struct hybrid_sign_key node, other;

static void check(const char *name, bool good)
{
	printf("%s quote: %s%s\n", good ? "ok" : "not ok", name, good ? "" : " - it is not so");
	failures += !good;
}

/* A statement for NONCE with FLAGS by KEY, signed by SIGNER, into BYTES: its size. */
static size_t statement(uint8_t bytes[QUOTE_BYTES_MAX], const char *nonce, uint64_t flags,
                        const struct hybrid_sign_key *key, const struct hybrid_sign_key *signer)
{
	static const uint8_t zeros[BOOT_PART_BYTES], name[QUOTE_INPUT_BYTES] = "command";
	struct record_writer writer;
	enum record_error error;

	record_begin(&writer, bytes, QUOTE_BYTES_MAX, RECORD_QUOTE);
	record_put(&writer, QUOTE_NONCE + 1, nonce, (uint32_t)strlen(nonce));
	record_put_number(&writer, QUOTE_TIME + 1, 1800000000);
	record_put_number(&writer, QUOTE_UPTIME + 1, 60);
	record_put(&writer, QUOTE_BUILD + 1, "Holon", 5);
	record_put_number(&writer, QUOTE_FLAGS + 1, flags);
	record_put_number(&writer, QUOTE_ROLLBACK + 1, 1);
	record_put_number(&writer, QUOTE_EPOCH + 1, 2);
	record_put(&writer, QUOTE_SIGNER + 1, zeros, TRUST_ID_BYTES);
	record_put(&writer, QUOTE_MANIFEST + 1, zeros, 32);
	record_list_begin(&writer, QUOTE_PARTS + 1);
	record_list_add(&writer, zeros, BOOT_PART_BYTES);
	record_list_end(&writer);
	record_put(&writer, QUOTE_POLICY + 1, "log=com2", 8);
	record_list_begin(&writer, QUOTE_INPUTS + 1);
	record_list_add(&writer, name, QUOTE_INPUT_BYTES);
	record_list_end(&writer);
	record_put(&writer, QUOTE_KEY + 1, key->pk, sizeof(key->pk));
	size_t size = record_end(&writer, &error);
	if (!size || hybrid_sign(signer, bytes, size, trust_context_quote, strlen(trust_context_quote), NULL,
	                         bytes + size))
		abort();
	return size + HYBRID_SIGN_SIGNATURE_SIZE;
}

static size_t tpm_part(uint8_t *bytes, size_t room)
{
	static const uint8_t value[QUOTE_VALUE_BYTES];
	struct record_writer writer;
	enum record_error error;

	record_begin(&writer, bytes, room, RECORD_TPM_QUOTE);
	record_put(&writer, TPM_QUOTE_KEY + 1, "key", 3);
	record_put(&writer, TPM_QUOTE_QUOTED + 1, "quoted", 6);
	record_put(&writer, TPM_QUOTE_SIGNATURE + 1, "signature", 9);
	record_list_begin(&writer, TPM_QUOTE_VALUES + 1);
	record_list_add(&writer, value, sizeof(value));
	record_list_end(&writer);
	return record_end(&writer, &error);
}

/* Whether an exact copy of the bytes is a quote with a good signature. */
static bool good(const uint8_t *bytes, size_t count)
{
	uint8_t *copy = malloc(count + !count);
	struct quote quote;

	if (!copy)
		abort();
	memcpy(copy, bytes, count);
	bool is = quote_read(&quote, copy, count, NULL) == TRUST_OK && quote_signature(&quote) == TRUST_OK;
	free(copy);
	return is;
}

static void test_plain(void)
{
	static uint8_t bytes[QUOTE_BYTES_MAX];
	size_t count = statement(bytes, "a nonce of mine", QUOTE_UEFI, &node, &node);
	struct quote quote;

	check("a quote is read, and its signature is good", good(bytes, count));
	check("its nonce and its words are the ones that were written",
	      quote_read(&quote, bytes, count, NULL) == TRUST_OK && quote.flags == QUOTE_UEFI &&
	          quote.fields[QUOTE_NONCE].count == 15 &&
	          memcmp(quote.fields[QUOTE_NONCE].bytes, "a nonce of mine", 15) == 0 &&
	          quote.fields[QUOTE_POLICY].count == 8);
	unsigned taken = 0;
	for (size_t i = 0; i < count; i++)
		taken += good(bytes, i);
	check("none that is cut off anywhere is taken", !taken);
	for (size_t i = 0; i < count; i += i < 512 ? 1 : 13) {
		bytes[i] ^= (uint8_t)(1u << i % 8);
		taken += good(bytes, count);
		bytes[i] ^= (uint8_t)(1u << i % 8);
	}
	check("none with a flipped bit is taken", !taken && good(bytes, count));
	check("nothing may stand behind it", !good(bytes, count + 1));
}

static void test_exchanged(void)
{
	static uint8_t bytes[QUOTE_BYTES_MAX], more[QUOTE_BYTES_MAX];
	size_t count = statement(bytes, "a nonce of mine", 0, &node, &node);
	size_t record = count - HYBRID_SIGN_SIGNATURE_SIZE;

	statement(more, "another's nonce", 0, &node, &node);
	memcpy(bytes + record, more + record, HYBRID_SIGN_SIGNATURE_SIZE);
	check("the signature of another statement is not taken", !good(bytes, count));
	check("nor is that of another key than the statement names",
	      !good(bytes, statement(bytes, "a nonce of mine", 0, &node, &other)));
	if (hybrid_sign(&node, bytes, record, trust_context_boot, strlen(trust_context_boot), NULL,
	                bytes + record))
		abort();
	check("nor is one for something else", !good(bytes, count));
	check("a nonce that is too short is refused",
	      !good(bytes, statement(bytes, "seven b", 0, &node, &node)));
	check("a flag that there is not is refused",
	      !good(bytes, statement(bytes, "a nonce of mine", QUOTE_FLAGS_ALL + 1, &node, &node)));
}

static void test_tpm(void)
{
	static uint8_t bytes[QUOTE_BYTES_MAX];
	size_t count = statement(bytes, "a nonce of mine", QUOTE_TPM, &node, &node);
	size_t more = tpm_part(bytes + count, sizeof(bytes) - count);
	struct quote quote;

	check("a quote with a TPM's part is read",
	      good(bytes, count + more) && quote_read(&quote, bytes, count + more, NULL) == TRUST_OK &&
	          quote.tpm[TPM_QUOTE_QUOTED].count == 6);
	check("its TPM's part cannot be left out", !good(bytes, count));
	unsigned taken = 0;
	for (size_t i = count; i < count + more; i++)
		taken += good(bytes, i);
	check("nor cut off", !taken);
	count = statement(bytes, "a nonce of mine", 0, &node, &node);
	more = tpm_part(bytes + count, sizeof(bytes) - count);
	check("nor put behind a statement that has none", !good(bytes, count + more));
}

int main(void)
{
	static const uint8_t seeds[2][HYBRID_SIGN_SEED_SIZE] = {{1}, {2}};

	if (hybrid_sign_keygen(&node, seeds[0]) || hybrid_sign_keygen(&other, seeds[1]))
		abort();
	test_plain();
	test_exchanged();
	test_tpm();
	return failures != 0;
}
