/* The quote of a running system (lib/trust/quote.h).
 *
 * The order of checks: form; nonce; the node's signature; the node's key, where one is asked for; of the TPM's part, where there is one
 * or one is asked for: key, signature, that it quotes this statement, values, and that the node's key is in its PCR; the loader's policy
 * against the root; the bundle under the root; the statement against the bundle; what came without a signature. */
#include <crypto/keys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tpm/tpm_quote.h>
#include <trust/quote.h>
#include "../../boot/loader/tpm.h"
#include "check.h"
#include "tpm_check.h"

enum { ORDERS_MAX = 6 }; /* inputs whose order in PCR 12 is looked for */

static struct {
	struct quote quote;
	bool tpm;
	uint8_t values[TPM_CHECK_PCRS][TPM_CHECK_DIGEST];
	uint32_t known;
} said;

static const struct field *field(enum quote_field which)
{
	return &said.quote.fields[which];
}

static bool field_is(enum quote_field which, const void *bytes, size_t count)
{
	return field(which)->bytes && field(which)->count == count &&
	       memcmp(field(which)->bytes, bytes, count) == 0;
}

/* Whether the PCR's value is the one that DIGEST alone makes. */
static bool pcr_is(unsigned pcr, const uint8_t digest[SHA256_SIZE])
{
	uint8_t value[SHA256_SIZE] = {0};

	pcr_extend(value, digest);
	return memcmp(value, said.values[pcr], sizeof(value)) == 0;
}

static void tpm_part_check(const struct asked *asked)
{
	const struct field *part = said.quote.tpm;
	uint8_t digest[SHA256_SIZE];
	struct field value;

	if (!said.tpm) {
		if (asked->key)
			fail(EXIT_BAD, "no TPM vouches for this quote, and one was asked for");
		return;
	}
	for (uint32_t at = 0; record_next(&part[TPM_QUOTE_VALUES], &at, &value);) {
		if (value.bytes[0] >= TPM_CHECK_PCRS)
			fail(EXIT_BAD, "it has a value of a PCR that there is not");
		memcpy(said.values[value.bytes[0]], value.bytes + 1, TPM_CHECK_DIGEST);
		said.known |= 1u << value.bytes[0];
	}
	sha256_hash(digest, said.quote.statement, said.quote.statement_count);
	const struct tpm_claim claim = {.key = part[TPM_QUOTE_KEY].bytes,
	                                .key_bytes = part[TPM_QUOTE_KEY].count,
	                                .quoted = part[TPM_QUOTE_QUOTED].bytes,
	                                .quoted_bytes = part[TPM_QUOTE_QUOTED].count,
	                                .signature = part[TPM_QUOTE_SIGNATURE].bytes,
	                                .signature_bytes = part[TPM_QUOTE_SIGNATURE].count,
	                                .nonce = digest,
	                                .nonce_bytes = sizeof(digest),
	                                .pcrs = TPM_QUOTE_PCRS,
	                                .known = said.known,
	                                .values = (const uint8_t(*)[TPM_CHECK_DIGEST])said.values};
	const char *wrong = tpm_claim_check(&claim);
	if (wrong)
		fail(EXIT_BAD, "the TPM's part: %s", wrong);
	tpm_name_check(asked, claim.key, claim.key_bytes);
	sha256_hash(digest, field(QUOTE_KEY)->bytes, field(QUOTE_KEY)->count);
	if (!pcr_is(TPM_QUOTE_KEY_PCR, digest))
		fail(EXIT_BAD, "the TPM does not vouch for the node's key: PCR %u has something else",
		     TPM_QUOTE_KEY_PCR);
}

static void node_check(const struct asked *asked)
{
	uint8_t id[KEY_ID_SIZE], wanted[KEY_ID_SIZE];
	size_t count;

	key_id(key_algorithm_find(KEY_HYBRID_SIGN), field(QUOTE_KEY)->bytes, id);
	if (asked->node && (!hex_read(asked->node, wanted, sizeof(wanted), &count) ||
	                    count != sizeof(wanted) || memcmp(wanted, id, sizeof(id)) != 0))
		fail(EXIT_BAD, "the quote is by another node's key than %s", asked->node);
	printf("node          ");
	hex_print(id, sizeof(id));
	putchar('\n');
}

static void image_is(const struct image *image)
{
	const struct verified *verified = &image->verified;
	struct field fields[BOOT_FIELDS];
	uint8_t digest[SHA256_SIZE];
	bool development = said.quote.flags & QUOTE_DEVELOPMENT;

	sha256_hash(digest, image->manifest, image->manifest_count);
	if (!field_is(QUOTE_MANIFEST, digest, sizeof(digest)))
		fail(EXIT_BAD, "the machine runs another image than this");
	if (said.tpm && !pcr_is(TPM_PCR_MANIFEST, digest))
		fail(EXIT_BAD, "the machine started another image than it says: PCR %d has another manifest",
		     TPM_PCR_MANIFEST);
	if (record_read(image->manifest, image->manifest_count, RECORD_BOOT, boot_rules, BOOT_FIELDS,
	                fields) ||
	    !field_is(QUOTE_PARTS, fields[BOOT_PARTS].bytes, fields[BOOT_PARTS].count) ||
	    !field_is(QUOTE_BUILD, verified->build, strlen(verified->build)) ||
	    !field_is(QUOTE_SIGNER, verified->signer, sizeof(verified->signer)) ||
	    record_number(field(QUOTE_ROLLBACK)) != verified->rollback ||
	    record_number(field(QUOTE_EPOCH)) != verified->epoch || development != verified->development)
		fail(EXIT_BAD, "what it says of its image is not what the image's manifest says");
	if (!development && field(QUOTE_INPUTS)->bytes)
		fail(EXIT_BAD, "a release runs something that came without a signature");
}

/* Whether VALUE, and the inputs whose bits are in LEFT in some order, make PCR 12. */
static bool inputs_make(const uint8_t value[SHA256_SIZE], const struct field *inputs, unsigned count,
                        unsigned left)
{
	if (!left)
		return memcmp(value, said.values[TPM_PCR_INPUT], SHA256_SIZE) == 0;
	for (unsigned i = 0; i < count; i++) {
		uint8_t next[SHA256_SIZE];

		if (!(left >> i & 1))
			continue;
		memcpy(next, value, sizeof(next));
		pcr_extend(next, inputs[i].bytes + QUOTE_INPUT_NAME_BYTES + 8);
		if (inputs_make(next, inputs, count, left & ~(1u << i)))
			return true;
	}
	return false;
}

/* The loader measures the command line first, and what came without a signature in the order in which it came. */
static void inputs_check(void)
{
	struct field inputs[ORDERS_MAX], input;
	uint8_t value[SHA256_SIZE] = {0}, digest[SHA256_SIZE];
	unsigned count = 0;

	for (uint32_t at = 0; record_next(field(QUOTE_INPUTS), &at, &input);) {
		if (count == ORDERS_MAX)
			fail(EXIT_BAD, "more than %d things came without a signature", ORDERS_MAX);
		inputs[count++] = input;
	}
	sha256_hash(digest, field(QUOTE_POLICY)->bytes ? field(QUOTE_POLICY)->bytes : (const uint8_t *)"",
	            field(QUOTE_POLICY)->count);
	pcr_extend(value, digest);
	if (!inputs_make(value, inputs, count, (1u << count) - 1))
		fail(EXIT_BAD,
		     "the command line, or what came without a signature, is not what the TPM saw in PCR %d",
		     TPM_PCR_INPUT);
}

/* Text of the machine's, in which nothing reaches the terminal that is no plain text. */
static void text_print(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		putchar(bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?');
	putchar('\n');
}

static void part_show(const char *name, const char *title)
{
	char padded[BOOT_PART_NAME_BYTES] = {0};
	struct field part;

	memcpy(padded, name, strlen(name));
	for (uint32_t at = 0; record_next(field(QUOTE_PARTS), &at, &part);) {
		if (memcmp(part.bytes, padded, sizeof(padded)) != 0)
			continue;
		printf("%-14s", title);
		hex_print(part.bytes + BOOT_PART_BYTES - BOOT_PART_DIGEST_BYTES, BOOT_PART_DIGEST_BYTES);
		putchar('\n');
	}
}

static void facts_show(const struct image *image)
{
	uint64_t time_said = record_number(field(QUOTE_TIME)), up = record_number(field(QUOTE_UPTIME));
	const struct bundle_entry *words = image_entry(image, "cmdline");
	const uint8_t *signed_words = words ? image->bytes + words->offset : (const uint8_t *)"";
	size_t signed_bytes = words ? words->size : 0;
	struct field input;
	char when[32] = "no clock";
	time_t seconds = (time_t)time_said;
	struct tm parts;

	if (time_said && time_said < UINT32_MAX && gmtime_r(&seconds, &parts))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &parts);
	printf("build         %s (%s), rollback index %llu, key list %llu\n", image->verified.build,
	       image->verified.development ? "development" : "release",
	       (unsigned long long)image->verified.rollback, (unsigned long long)image->verified.epoch);
	printf("said          at %s by its clock, %llu seconds after its start\n", when,
	       (unsigned long long)up);
	printf("loader        %s\n", said.quote.flags & QUOTE_UEFI ? "UEFI" : "BIOS: nothing vouches for it");
	if (said.tpm && said.quote.flags & QUOTE_UEFI) {
		printf("PCR 4         ");
		hex_print(said.values[4], TPM_CHECK_DIGEST);
		puts(" (by the firmware: what it started, the loader)");
	}
	part_show("kernel", "kernel");
	part_show("steward", "first unit");
	part_show("system", "image root");
	printf("words         ");
	text_print(field(QUOTE_POLICY)->bytes, field(QUOTE_POLICY)->count);
	/* The line in the bundle may end with a newline, which the loader leaves out. */
	while (signed_bytes && signed_words[signed_bytes - 1] <= ' ')
		signed_bytes--;
	if (field(QUOTE_POLICY)->count != signed_bytes ||
	    (signed_bytes && !field_is(QUOTE_POLICY, signed_words, signed_bytes))) {
		printf("signed words  ");
		text_print(signed_words, signed_bytes);
	}
	for (uint32_t at = 0; record_next(field(QUOTE_INPUTS), &at, &input);) {
		printf("unsigned      ");
		hex_print(input.bytes + QUOTE_INPUT_NAME_BYTES + 8, SHA256_SIZE);
		putchar(' ');
		text_print(input.bytes, strnlen((const char *)input.bytes, QUOTE_INPUT_NAME_BYTES));
	}
}

static void worth_show(const struct image *image)
{
	if (said.tpm)
		puts(
		    "proven        a TPM with this key saw a loader with this root measure this manifest and "
		    "these "
		    "words, then this\n"
		    "              node's key, before any program could reach the TPM; and it and the node's "
		    "key "
		    "signed all of\n"
		    "              the above after this nonce was chosen.\n"
		    "not proven    that the TPM is a real one (compare the key with the one you know of this "
		    "machine); that the loader\n"
		    "              itself is Holon's (under UEFI its digest is in PCR 4; under a BIOS "
		    "nothing "
		    "measures it); that\n"
		    "              nobody reads its memory or broke into the attestation service; the time, "
		    "which "
		    "is the machine's.");
	else
		puts(
		    "proven        who holds this node's key said all of the above after this nonce was "
		    "chosen, and "
		    "the root vouches for\n"
		    "              that image.\n"
		    "not proven    that it is true. No TPM stands behind it: whoever makes a key can say the "
		    "same. "
		    "It is worth as much\n"
		    "              as your reason to hold this key for the machine's (Holon makes one at "
		    "each start, "
		    "says its name in\n"
		    "              the log and gives it to nobody); and then that the loader is Holon's, "
		    "that nobody "
		    "reads its memory\n"
		    "              or broke into the attestation service, and the time, are still unproven.");
	if (image->verified.development)
		puts("              This is a development image: its unsigned inputs may replace any part of "
		     "it.");
}

void running_check(const struct asked *asked, const uint8_t *bytes, size_t count)
{
	enum record_error detail;
	struct image image;
	uint8_t digest[SHA256_SIZE];

	if (quote_read(&said.quote, bytes, count, &detail))
		fail(EXIT_BAD, "the quote is malformed: %s", record_error_text(detail));
	said.tpm = said.quote.flags & QUOTE_TPM;
	if (!field_is(QUOTE_NONCE, asked->nonce, asked->nonce_count))
		fail(EXIT_BAD, "the quote answers another nonce: it may be an old one");
	if (quote_signature(&said.quote))
		fail(EXIT_BAD, "the node's signature is not good");
	node_check(asked);
	tpm_part_check(asked);
	image_root(&image, asked);
	sha256_hash(digest, &image.policy, sizeof(image.policy));
	if (said.tpm && !pcr_is(TPM_PCR_POLICY, digest))
		fail(EXIT_BAD, "the loader has another root or other floors than this");
	image_verify(&image, asked);
	image_is(&image);
	if (said.tpm)
		inputs_check();
	facts_show(&image);
	worth_show(&image);
	free(image.bytes);
}
