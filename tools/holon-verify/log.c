/* The quote that a machine's TPM gave while Holon started: the log of `holon-run --tpm DIR --nonce HEX`.
 *
 * The order of checks: the key is one that signs quotes alone; its signature; the quote's form, nonce and PCRs; the values against the
 * quote; the events against the values; the policy against the root; the bundle under the root, and its manifest against the event. All
 * that is read of a log has a limit; unknown lines are passed over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../boot/loader/tpm.h"
#include "check.h"
#include "tpm_check.h"

enum { FIELD_MAX = 512, EVENTS_MAX = 64, PCRS = 24 };
enum { QUOTED = 255 | 1 << TPM_PCR_POLICY | 1 << TPM_PCR_MANIFEST | 1 << TPM_PCR_INPUT };

struct bytes {
	uint8_t at[FIELD_MAX];
	size_t count;
};
struct event {
	unsigned pcr;
	uint8_t digest[TPM_DIGEST_SIZE];
	char what[64];
};
static struct {
	struct bytes key, quote, signature;
	struct event events[EVENTS_MAX];
	unsigned event_count;
	uint8_t values[PCRS][TPM_DIGEST_SIZE];
	unsigned known; /* PCRs with a value: a bit each */
} told;

/* A line "TPM: …" of the log, without its end. */
static void line_read(const char *line)
{
	static const struct {
		const char *word;
		struct bytes *field;
	} fields[] = {{"key ", &told.key}, {"quote ", &told.quote}, {"signature ", &told.signature}};
	uint8_t digest[TPM_DIGEST_SIZE];
	unsigned pcr;
	int length = 0;
	size_t count;

	for (unsigned i = 0; i < 3; i++) {
		struct bytes found = {.count = 0};

		if (strncmp(line, fields[i].word, strlen(fields[i].word)) != 0)
			continue;
		if (!hex_read(line + strlen(fields[i].word), found.at, FIELD_MAX, &found.count))
			fail(EXIT_BAD, "the log's %sis damaged", fields[i].word);
		/* Under UEFI the firmware's console may be the same port: then each line stands twice. */
		if (fields[i].field->count && (found.count != fields[i].field->count ||
		                               memcmp(found.at, fields[i].field->at, found.count) != 0))
			fail(EXIT_BAD, "the log has two answers");
		*fields[i].field = found;
	}
	if (sscanf(line, "PCR %2u %n", &pcr, &length) != 1 || !length || pcr >= PCRS)
		return;
	if (!hex_read(line + length, digest, sizeof(digest), &count) || count != sizeof(digest))
		fail(EXIT_BAD, "the log's line of PCR %u is damaged", pcr);
	line += (size_t)length + 2 * sizeof(digest);
	if (strcmp(line, " is its value") == 0) {
		memcpy(told.values[pcr], digest, sizeof(digest));
		told.known |= 1u << pcr;
		return;
	}
	/* Here, too, a line that stands twice is one. */
	struct event *last = told.event_count ? &told.events[told.event_count - 1] : NULL;
	if (last && last->pcr == pcr && memcmp(last->digest, digest, sizeof(digest)) == 0 &&
	    strcmp(last->what, *line == ' ' ? line + 1 : line) == 0)
		return;
	if (told.event_count == EVENTS_MAX)
		fail(EXIT_BAD, "the log has over %d events", EVENTS_MAX);
	struct event *event = &told.events[told.event_count++];
	event->pcr = pcr;
	memcpy(event->digest, digest, sizeof(digest));
	snprintf(event->what, sizeof(event->what), "%s", *line == ' ' ? line + 1 : line);
}

static void log_read(const char *path)
{
	char line[2 * FIELD_MAX + 64];
	FILE *file = fopen(path, "rb");

	if (!file)
		fail(EXIT_BAD, "cannot read %s: %m", path);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\r\n")] = 0;
		if (strncmp(line, "TPM: ", 5) == 0)
			line_read(line + 5);
	}
	fclose(file);
	if (!told.key.count || !told.quote.count || !told.signature.count)
		fail(EXIT_BAD, "%s holds no quote: the machine has no TPM, or was given no nonce", path);
}

/* Events make values: each is hashed onto what was before, beginning with zeros. */
static void events_check(void)
{
	static const unsigned own[] = {TPM_PCR_POLICY, TPM_PCR_MANIFEST, TPM_PCR_INPUT};

	for (unsigned i = 0; i < 3; i++) {
		uint8_t value[TPM_DIGEST_SIZE] = {0};
		for (unsigned event = 0; event < told.event_count; event++) {
			if (told.events[event].pcr == own[i])
				pcr_extend(value, told.events[event].digest);
		}
		if (memcmp(value, told.values[own[i]], sizeof(value)) != 0)
			fail(EXIT_BAD,
			     "the events of PCR %u do not make its value: some are missing or changed",
			     own[i]);
	}
}

/* The one event of that PCR and name, which must be the digest of BYTES. */
static void event_is(unsigned pcr, const char *what, const void *bytes, size_t count, const char *wrong)
{
	uint8_t digest[SHA256_SIZE];
	unsigned found = 0;

	sha256_hash(digest, bytes, count);
	for (unsigned event = 0; event < told.event_count; event++) {
		if (told.events[event].pcr != pcr)
			continue;
		if (found++ || strcmp(told.events[event].what, what) != 0 ||
		    memcmp(told.events[event].digest, digest, sizeof(digest)) != 0)
			fail(EXIT_BAD, "%s", wrong);
	}
	if (!found)
		fail(EXIT_BAD, "%s", wrong);
}

static void show(const struct verified *verified)
{
	printf("build         %s (%s), rollback index %llu\n", verified->build,
	       verified->development ? "development" : "release", (unsigned long long)verified->rollback);
	for (unsigned event = 0; event < told.event_count; event++)
		if (told.events[event].pcr == TPM_PCR_INPUT)
			printf("unsigned      %s\n", told.events[event].what);
	puts("proven        a TPM with this key saw, after this nonce was chosen, a loader with this root "
	     "measure this manifest:\n"
	     "              by it kernel, first unit, image and signed words; and the unsigned inputs above, "
	     "by their digests.\n"
	     "not proven    that the TPM is a real one (compare the key with the one you know of this "
	     "machine); that the loader\n"
	     "              itself is Holon's (under UEFI its digest is in PCR 4; under a BIOS nothing "
	     "measures it); what the\n"
	     "              system did since; that nobody reads its memory.");
	if (verified->development)
		puts("              This is a development image: its unsigned inputs may replace any part of "
		     "it.");
}

static void claim_check(const struct asked *asked)
{
	const struct tpm_claim claim = {.key = told.key.at,
	                                .key_bytes = told.key.count,
	                                .quoted = told.quote.at,
	                                .quoted_bytes = told.quote.count,
	                                .signature = told.signature.at,
	                                .signature_bytes = told.signature.count,
	                                .nonce = asked->nonce,
	                                .nonce_bytes = asked->nonce_count,
	                                .pcrs = QUOTED,
	                                .known = told.known,
	                                .values = (const uint8_t(*)[TPM_CHECK_DIGEST])told.values};
	const char *wrong = tpm_claim_check(&claim);

	if (wrong)
		fail(EXIT_BAD, "%s", wrong);
}

void log_check(const struct asked *asked)
{
	struct image image;

	if (asked->node)
		fail(EXIT_BAD,
		     "the log of a start has no key of a node: --node is for quotes of running systems");
	log_read(asked->path);
	claim_check(asked);
	events_check();
	image_root(&image, asked);
	event_is(TPM_PCR_POLICY, "policy", &image.policy, sizeof(image.policy),
	         "the loader has another root or other floors than this");
	image_verify(&image, asked);
	event_is(TPM_PCR_MANIFEST, "manifest", image.manifest, image.manifest_count,
	         "the machine started another image than this");
	tpm_name_check(asked, told.key.at, told.key.count);
	show(&image.verified);
	free(image.bytes);
}
