/* holon-verify: checks the quote that a machine's TPM gave while Holon started (the log of `holon-run --tpm DIR --nonce HEX`), and says
 * what it proves and what not.
 *
 * Ends with 0 (all that is claimed is proven), 1 (not, with one sentence) or 3 (wrong command line). The order of checks: the key is
 * one that signs quotes alone; its signature; the quote's form, nonce and PCRs; the values against the quote; the events against the
 * values; the policy against the root; the bundle under the root, and its manifest against the event. All that is read of a log has a
 * limit; unknown lines are passed over.
 */
#define _GNU_SOURCE
#include <bearssl.h>
#include <crypto/keyfile.h>
#include <crypto/sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../boot/loader/tpm.h"
#include "../../boot/loader/verify.h"

enum {
	EXIT_BAD = 1,
	EXIT_USAGE = 3,
	FIELD_MAX = 512,
	EVENTS_MAX = 64,
	PCRS = 24,
	FILE_MAX = 1 << 30,
	POINT = 64
};
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

static _Noreturn void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
static _Noreturn void fail(int status, const char *format, ...)
{
	va_list list;

	fputs("holon-verify: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(status);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The hexadecimal digits at TEXT up to a space or the end, into OUT; false where they are not whole bytes, or too many. */
static bool hex_read(const char *text, uint8_t *out, size_t room, size_t *count)
{
	for (*count = 0;; text += 2) {
		int high = digit(*text), low = high < 0 ? -1 : digit(text[1]);

		if (high < 0)
			break;
		if (*count == room || low < 0)
			return false;
		out[(*count)++] = (uint8_t)(high << 4 | low);
	}
	return *text == ' ' || *text == 0;
}

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

/* ---- The TPM's structures (TPM 2.0 Library, part 2) ---- */

struct reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static uint64_t take(struct reader *reader, unsigned bytes)
{
	uint64_t value = 0;

	if (reader->left < bytes)
		reader->bad = true;
	for (; bytes && !reader->bad; bytes--, reader->left--)
		value = value << 8 | *reader->at++;
	return value;
}

/* A sized field of exactly COUNT bytes, or of any size with COUNT 0 (its size to *SIZE). */
static const uint8_t *take_sized(struct reader *reader, size_t count, size_t *size)
{
	size_t length = (size_t)take(reader, 2);
	const uint8_t *found = reader->at;

	if (reader->bad || length > reader->left || (count && length != count)) {
		reader->bad = true;
		return NULL;
	}
	reader->at += length;
	reader->left -= length;
	if (size)
		*size = length;
	return found;
}

static void expect(struct reader *reader, unsigned bytes, uint64_t value)
{
	if (take(reader, bytes) != value)
		reader->bad = true;
}

/* The key's point; only the template that the loader asks for is taken: fixed to the TPM, restricted to what the TPM itself says. */
static void key_read(uint8_t point[POINT])
{
	struct reader reader = {told.key.at, told.key.count, false};
	const uint8_t *x, *y;

	expect(&reader, 2, 0x23);
	expect(&reader, 2, 0x0b);
	expect(&reader, 4, 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 16 | 1 << 18);
	expect(&reader, 2, 0);
	expect(&reader, 2, 0x10);
	expect(&reader, 2, 0x18);
	expect(&reader, 2, 0x0b);
	expect(&reader, 2, 3);
	expect(&reader, 2, 0x10);
	x = take_sized(&reader, 32, NULL);
	y = take_sized(&reader, 32, NULL);
	if (reader.bad || reader.left)
		fail(EXIT_BAD, "the key is not one that signs a TPM's own quotes alone");
	memcpy(point, x, 32);
	memcpy(point + 32, y, 32);
}

static void signature_check(const uint8_t point[POINT])
{
	struct reader reader = {told.signature.at, told.signature.count, false};
	uint8_t raw[POINT], encoded[POINT + 1] = {4}, digest[SHA256_SIZE];
	const uint8_t *r, *s;

	expect(&reader, 2, 0x18);
	expect(&reader, 2, 0x0b);
	r = take_sized(&reader, 32, NULL);
	s = take_sized(&reader, 32, NULL);
	if (reader.bad || reader.left)
		fail(EXIT_BAD, "the signature is malformed");
	memcpy(raw, r, 32);
	memcpy(raw + 32, s, 32);
	memcpy(encoded + 1, point, POINT);
	sha256_hash(digest, told.quote.at, told.quote.count);
	const br_ec_public_key key = {.curve = BR_EC_secp256r1, .q = encoded, .qlen = sizeof(encoded)};
	if (br_ecdsa_i31_vrfy_raw(br_ec_get_default(), digest, sizeof(digest), &key, raw, sizeof(raw)) != 1)
		fail(EXIT_BAD, "the signature over the quote is not good");
}

static void quote_check(const uint8_t *nonce, size_t nonce_count)
{
	struct reader reader = {told.quote.at, told.quote.count, false};
	uint8_t digest[SHA256_SIZE];
	const uint8_t *extra, *values;
	struct sha256 hash;
	size_t extra_count = 0;

	expect(&reader, 4, 0xff544347);
	expect(&reader, 2, 0x8018);
	take_sized(&reader, 0, NULL);
	extra = take_sized(&reader, 0, &extra_count);
	take(&reader, 8);
	take(&reader, 8);
	take(&reader, 1);
	take(&reader, 8);
	expect(&reader, 4, 1);
	expect(&reader, 2, 0x0b);
	expect(&reader, 1, 3);
	for (unsigned byte = 0; byte < 3; byte++)
		expect(&reader, 1, QUOTED >> 8 * byte & 255);
	values = take_sized(&reader, SHA256_SIZE, NULL);
	if (reader.bad || reader.left)
		fail(EXIT_BAD, "the quote is malformed, or over other PCRs");
	if (extra_count != nonce_count || memcmp(extra, nonce, nonce_count) != 0)
		fail(EXIT_BAD, "the quote answers another nonce: it may be an old one");
	if ((told.known & QUOTED) != QUOTED)
		fail(EXIT_BAD, "the log lacks values of PCRs");
	sha256_init(&hash);
	for (unsigned pcr = 0; pcr < PCRS; pcr++)
		if (QUOTED >> pcr & 1)
			sha256_update(&hash, told.values[pcr], TPM_DIGEST_SIZE);
	sha256_final(&hash, digest);
	if (memcmp(digest, values, sizeof(digest)) != 0)
		fail(EXIT_BAD, "the values of the PCRs are not those that were quoted");
}

/* Events make values: each is hashed onto what was before, beginning with zeros. */
static void events_check(void)
{
	static const unsigned own[] = {TPM_PCR_POLICY, TPM_PCR_MANIFEST, TPM_PCR_INPUT};

	for (unsigned i = 0; i < 3; i++) {
		uint8_t value[TPM_DIGEST_SIZE] = {0};
		for (unsigned event = 0; event < told.event_count; event++) {
			struct sha256 hash;
			if (told.events[event].pcr != own[i])
				continue;
			sha256_init(&hash);
			sha256_update(&hash, value, sizeof(value));
			sha256_update(&hash, told.events[event].digest, TPM_DIGEST_SIZE);
			sha256_final(&hash, value);
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

static uint8_t *file_read(const char *path, size_t *count)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || size > FILE_MAX)
		fail(EXIT_BAD, "cannot read %s: %m", path);
	rewind(file);
	bytes = malloc((size_t)size + 1);
	if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size)
		fail(EXIT_BAD, "cannot read %s whole", path);
	fclose(file);
	*count = (size_t)size;
	return bytes;
}

static void show(const struct verified *verified)
{
	uint8_t name[SHA256_SIZE];

	sha256_hash(name, told.key.at, told.key.count);
	printf("key           000b");
	for (unsigned i = 0; i < sizeof(name); i++)
		printf("%02x", name[i]);
	printf("\nbuild         %s (%s), rollback index %llu\n", verified->build,
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

int main(int count, char **arguments)
{
	static const char *log, *bundle_path, *root_path, *nonce_text, *key_name, *epoch = "1",
	                                                                          *rollback = "1";
	static const struct {
		const char *name, **value;
	} options[] = {{"--bundle", &bundle_path}, {"--root", &root_path}, {"--nonce", &nonce_text},
	               {"--key", &key_name},       {"--epoch", &epoch},    {"--rollback", &rollback}};
	uint8_t nonce[TPM_NONCE_MAX], point[POINT], name[SHA256_SIZE], wanted[2 + SHA256_SIZE];
	struct verify_policy policy = {0};
	struct verified verified;
	size_t nonce_count, size, root_size;
	const char *why;

	for (int i = 1; i < count; i++) {
		unsigned which = 0;
		while (which < 6 && strcmp(arguments[i], options[which].name) != 0)
			which++;
		if (which < 6 && i + 1 < count)
			*options[which].value = arguments[++i];
		else if (which == 6 && !log && arguments[i][0] != '-')
			log = arguments[i];
		else
			log = NULL, i = count;
	}
	if (!log || !bundle_path || !root_path || !nonce_text ||
	    !hex_read(nonce_text, nonce, sizeof(nonce), &nonce_count))
		fail(EXIT_USAGE, "usage: holon-verify LOG --bundle FILE --root PUBLIC-KEY --nonce HEX [--key "
		                 "NAME] [--epoch N] "
		                 "[--rollback N]\nLOG: of `holon-run --tpm DIR --nonce HEX --log LOG`. Epoch "
		                 "and rollback index: the loader's floors (1).");
	log_read(log);
	key_read(point);
	sha256_hash(name, told.key.at, told.key.count);
	if (key_name && (!hex_read(key_name, wanted, sizeof(wanted), &size) || size != sizeof(wanted) ||
	                 memcmp(wanted + 2, name, sizeof(name)) != 0))
		fail(EXIT_BAD, "the quote is by another key than %s", key_name);
	signature_check(point);
	quote_check(nonce, nonce_count);
	events_check();

	struct key root;
	uint8_t *root_file = file_read(root_path, &root_size), *bundle = file_read(bundle_path, &size);
	if (keyfile_decode(&root, root_file, root_size) ||
	    root.info->algorithm != KEY_SLHDSA + TRUST_ROOT_SET || root.kind != KEY_PUBLIC)
		fail(EXIT_BAD, "%s is no public root key", root_path);
	memcpy(policy.root, root.bytes, TRUST_ROOT_BYTES);
	policy.least_epoch = strtoull(epoch, NULL, 10);
	policy.least_rollback = strtoull(rollback, NULL, 10);
	event_is(TPM_PCR_POLICY, "policy", &policy, sizeof(policy),
	         "the loader has another root or other floors than this");
	why = bundle_verify((const void *)bundle, size, &policy, &verified);
	if (why)
		fail(EXIT_BAD, "%s is refused: %s%s%s", bundle_path, verified.part,
		     verified.part[0] ? ": " : "", why);
	const struct bundle_header *header = (const void *)bundle;
	for (uint32_t i = 0; i < header->entry_count; i++)
		if (strcmp(header->entries[i].name, BUNDLE_MANIFEST) == 0)
			event_is(TPM_PCR_MANIFEST, "manifest", bundle + header->entries[i].offset,
			         record_size(bundle + header->entries[i].offset, header->entries[i].size),
			         "the machine started another image than this");
	show(&verified);
	free(root_file);
	free(bundle);
	return fflush(stdout) ? EXIT_BAD : 0;
}
