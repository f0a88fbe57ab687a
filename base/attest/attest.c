/* The attestation service: says what the machine runs (abi/attest.interface, lib/trust/quote.h).
 *
 * What it says it has from the steward, as the loader handed it over: the verified manifest, the command line in use, the modules. It
 * compares each module with the manifest by itself; what differs, or is not named there, came without a signature and is told with its
 * digest. Nothing that a sub-kernel sends gets into a quote but the nonce.
 *
 * The node's key is made at each start, of the entropy service's seed, the TPM's generator and a seed of the steward's, and stays here.
 * Where there is a TPM, the key's digest goes into a PCR before the manager lets anybody reach the TPM (ready()). A service that was
 * restarted has another key, which that PCR does not vouch for: its quotes come without the TPM, and say so. */
#include <crypto/blake3.h>
#include <crypto/keys.h>
#include <crypto/sha2.h>
#include <crypto/sha3.h>
#include <holon.h>
#include <holon/attest.h>
#include <holon/bundle.h>
#include <holon/sysimg.h>
#include <holon/tpm.h>
#include <stdlib.h>
#include <tpm/tpm_quote.h>
#include <trust/quote.h>
#include "attest.interface.h"
#include "entropy.interface.h"
#include "native_newlib.h"
#include "tpm.interface.h"

#define BADGE_GIVEN  (1ull << 63) /* of who may ask for quotes alone */
#define CALL_NS      1000000000ull
#define TPM_NS       120000000000ull
#define TPM_TRIES    5u /* its driver may be starting again */
#define FIRST_UNIT   "steward"
#define KEPT         4u /* quotes of which parts may still be asked for */
#define WINDOW_BYTES (1ull << 20)
#define NS           1000000000ull

_Static_assert((unsigned)QUOTE_TPM_FIELD_MAX == (unsigned)TPM_QUOTE_FIELD_MAX, "the TPM's fields fit");

struct kept {
	uint64_t badge; /* 0: none */
	uint8_t nonce[QUOTE_NONCE_MAX];
	uint32_t nonce_bytes;
	uint32_t total;
	uint8_t bytes[QUOTE_BYTES_MAX];
};

static struct service {
	struct thread_page *page;
	handle_t log, channel, tpm, entropy;
	const struct measured *measured;
	struct field manifest[BOOT_FIELDS]; /* as the loader verified it */
	uint8_t manifest_digest[SHA256_SIZE];
	uint8_t inputs[QUOTE_INPUTS_MAX][QUOTE_INPUT_BYTES];
	unsigned input_count;
	bool inputs_known;
	bool keyed, bound; /* the key is made; the TPM vouches for it */
	bool closed;       /* nobody can have the TPM vouch for another key any more */
	struct hybrid_sign_key key;
	uint64_t epoch_time; /* seconds since 1970 at the kernel's start; 0: unknown */
	uint64_t given;
	struct kept kept[KEPT];
	unsigned next_kept;
} service;

#define LOG(...) log_print(service.log, service.page, __VA_ARGS__)

/* ---- What runs ---- */

static handle_t module_at(uint32_t index, uint64_t *bytes)
{
	char name[24];

	text_format(name, sizeof(name), "module%u", index);
	*bytes = 0;
	return start_find(native_start, name, bytes);
}

/* Both digests of a module's BYTES; false where it cannot be read. */
static bool module_hash(handle_t memory, uint64_t bytes, uint8_t blake3[BLAKE3_SIZE],
                        uint8_t sha256[SHA256_SIZE])
{
	struct blake3 signed_hash;
	struct sha256 measured_hash;

	blake3_init(&signed_hash);
	sha256_init(&measured_hash);
	for (uint64_t at = 0; at < bytes; at += WINDOW_BYTES) {
		uint64_t count = bytes - at < WINDOW_BYTES ? bytes - at : WINDOW_BYTES;
		void *part = window_map(memory, at, count, MAP_READ);

		if (!part)
			return false;
		blake3_update(&signed_hash, part, count);
		sha256_update(&measured_hash, part, count);
		window_unmap(part, count);
	}
	blake3_final(&signed_hash, blake3, BLAKE3_SIZE);
	sha256_final(&measured_hash, sha256);
	return true;
}

/* Whether the image in MEMORY has the root DIGEST, below which the system checks each page before it is used. */
static bool image_is(handle_t memory, uint64_t bytes, const uint8_t *digest)
{
	const struct sysimg_header *header =
	    bytes >= SYSIMG_BLOCK ? window_map(memory, 0, SYSIMG_BLOCK, MAP_READ) : NULL;
	bool same = header && header->magic == SYSIMG_MAGIC && header->bytes == bytes &&
	            memcmp(header->metadata_digest, digest, BOOT_PART_DIGEST_BYTES) == 0;

	if (header)
		window_unmap((void *)(uintptr_t)header, SYSIMG_BLOCK);
	return same;
}

/* The manifest's entry of the module NAME, padded with zeros. */
static bool part_find(const uint8_t name[BOOT_PART_NAME_BYTES], struct field *part)
{
	for (uint32_t at = 0; record_next(&service.manifest[BOOT_PARTS], &at, part);)
		if (memcmp(part->bytes, name, BOOT_PART_NAME_BYTES) == 0)
			return true;
	return false;
}

/* Puts the module among the inputs if it is not what was signed. */
static bool module_judge(const char *text, handle_t memory, uint64_t bytes)
{
	uint8_t name[BOOT_PART_NAME_BYTES] = {0}, blake3[BLAKE3_SIZE], sha256[SHA256_SIZE];
	struct field part;

	memcpy(name, text, strnlen(text, sizeof(name) - 1));
	bool named = part_find(name, &part);
	const uint8_t *size = named ? part.bytes + BOOT_PART_NAME_BYTES + 1 : NULL;
	if (named && part.bytes[BOOT_PART_NAME_BYTES] == BOOT_PART_IMAGE && load_le64(size) == bytes &&
	    image_is(memory, bytes, size + 8))
		return true;
	if (!module_hash(memory, bytes, blake3, sha256))
		return false;
	if (named && part.bytes[BOOT_PART_NAME_BYTES] == BOOT_PART_WHOLE && load_le64(size) == bytes &&
	    memcmp(blake3, size + 8, sizeof(blake3)) == 0)
		return true;
	uint8_t *input = service.inputs[service.input_count++];
	memcpy(input, name, sizeof(name));
	store_le64(input + sizeof(name), bytes);
	memcpy(input + sizeof(name) + 8, sha256, sizeof(sha256));
	return true;
}

static int input_compare(const void *one, const void *other)
{
	return memcmp(one, other, QUOTE_INPUT_BYTES);
}

/* All inputs, in the order in which a record has them. Once: modules do not change, but for the first unit's, which runs where the loader
 * put it. That one was the manifest's, or the TPM saw another: who replaces it could have it say anything here. */
static bool inputs_find(void)
{
	service.input_count = 0;
	for (uint32_t i = 0; i < service.measured->module_count && i < HANDOFF_MODULE_MAX; i++) {
		const char *name = service.measured->modules[i];
		uint64_t bytes;
		handle_t memory = module_at(i, &bytes);

		if (strcmp(name, BUNDLE_MANIFEST) != 0 && strcmp(name, BUNDLE_KEYS) != 0 &&
		    strcmp(name, FIRST_UNIT) != 0 && !module_judge(name, memory, bytes))
			return false;
	}
	qsort(service.inputs, service.input_count, QUOTE_INPUT_BYTES, input_compare);
	service.inputs_known = true;
	return true;
}

static const char *manifest_read(void)
{
	for (uint32_t i = 0; i < service.measured->module_count && i < HANDOFF_MODULE_MAX; i++) {
		uint64_t bytes;
		handle_t memory = module_at(i, &bytes);

		if (strcmp(service.measured->modules[i], BUNDLE_MANIFEST) != 0 || !memory)
			continue;
		const uint8_t *record = window_map(memory, 0, bytes, MAP_READ);
		size_t size = record ? record_size(record, bytes) : 0;
		if (!size ||
		    record_read(record, size, RECORD_BOOT, boot_rules, BOOT_FIELDS, service.manifest))
			return "the manifest cannot be read";
		sha256_hash(service.manifest_digest, record, size);
		return NULL;
	}
	return "the system started without a manifest";
}

/* ---- The TPM ---- */

static size_t tpm_ask(void *context, const uint8_t *command, size_t count, uint8_t *answer, size_t room)
{
	const void *said;
	uint32_t bytes;

	(void)context;
	if (tpm_command(service.tpm, service.page, command, (uint32_t)count, &said, &bytes,
	                clock_ns() + TPM_NS) < 0 ||
	    bytes > room)
		return 0;
	memcpy(answer, said, bytes);
	return bytes;
}

static struct tpm tpm = {.call = tpm_ask};

static bool tpm_is_there(void)
{
	return service.tpm && tpm_present(service.tpm, service.page, clock_ns() + CALL_NS) >= 0;
}

/* ---- The node's key ---- */

/* Makes the key of what there is: 256 bits by the entropy service, or by the TPM, must be in it. */
static bool key_make(bool with_tpm)
{
	struct {
		uint8_t steward[SEED_BYTES], tpm[TPM_QUOTE_DIGEST];
		uint64_t entropy[4];
	} sources = {0};
	uint8_t seed[SHA3_256_SIZE];
	bool good = false;

	if (service.keyed)
		return true;
	(void)seed_read(native_start, sources.steward);
	for (unsigned tries = 0; with_tpm && !good && tries < TPM_TRIES; tries++)
		good = tpm_quote_random(&tpm, sources.tpm) == TPM_OK;
	good |= service.entropy &&
	        entropy_seed(service.entropy, service.page, &sources.entropy[0], &sources.entropy[1],
	                     &sources.entropy[2], &sources.entropy[3], clock_ns() + CALL_NS) >= 0;
	if (good) {
		sha3_256_hash(seed, (const uint8_t *)&sources, sizeof(sources));
		service.keyed = hybrid_sign_keygen(&service.key, seed) == CRYPTO_OK;
	}
	crypto_wipe(&sources, sizeof(sources));
	crypto_wipe(seed, sizeof(seed));
	if (service.keyed) {
		uint8_t id[KEY_ID_SIZE];
		char text[2 * KEY_ID_SIZE + 1];

		key_id(key_algorithm_find(KEY_HYBRID_SIGN), service.key.pk, id);
		for (unsigned i = 0; i < KEY_ID_SIZE; i++)
			text_format(text + 2 * i, 3, "%02x", id[i]);
		LOG("the node's key of this start is %s\n", text);
	}
	return service.keyed;
}

static void key_bind(void)
{
	uint8_t digest[SHA256_SIZE];
	enum tpm_status status = TPM_FAILED;

	if (service.closed || !tpm_is_there() || !key_make(true))
		return;
	sha256_hash(digest, service.key.pk, sizeof(service.key.pk));
	for (unsigned tries = 0; status == TPM_FAILED && tries < TPM_TRIES; tries++)
		status = tpm_quote_bind(&tpm, digest);
	service.bound = status == TPM_OK;
	service.closed = service.bound || status == TPM_REFUSED || status == TPM_MISSING;
	if (!service.bound)
		LOG("the TPM does not vouch for the node's key: quotes come without it\n");
}

/* ---- Quotes ---- */

static void statement_write(struct record_writer *writer, const uint8_t *nonce, uint32_t nonce_bytes)
{
	const struct measured *measured = service.measured;
	uint64_t up = clock_ns() / NS;
	uint64_t flags = (measured->trust.flags & HANDOFF_TRUST_DEVELOPMENT ? QUOTE_DEVELOPMENT : 0u) |
	                 (measured->firmware == HANDOFF_FIRMWARE_UEFI ? QUOTE_UEFI : 0u) |
	                 (service.bound ? QUOTE_TPM : 0u);
	uint32_t words = (uint32_t)strnlen(measured->command_line, QUOTE_POLICY_MAX);
	struct field part;

	record_put(writer, QUOTE_NONCE + 1, nonce, nonce_bytes);
	record_put_number(writer, QUOTE_TIME + 1, service.epoch_time ? service.epoch_time + up : 0);
	record_put_number(writer, QUOTE_UPTIME + 1, up);
	record_put(writer, QUOTE_BUILD + 1, service.manifest[BOOT_BUILD].bytes,
	           service.manifest[BOOT_BUILD].count);
	record_put_number(writer, QUOTE_FLAGS + 1, flags);
	record_put_number(writer, QUOTE_ROLLBACK + 1, measured->trust.rollback);
	record_put_number(writer, QUOTE_EPOCH + 1, measured->trust.epoch);
	record_put(writer, QUOTE_SIGNER + 1, measured->trust.signer, TRUST_ID_BYTES);
	record_put(writer, QUOTE_MANIFEST + 1, service.manifest_digest, SHA256_SIZE);
	record_list_begin(writer, QUOTE_PARTS + 1);
	for (uint32_t at = 0; record_next(&service.manifest[BOOT_PARTS], &at, &part);)
		record_list_add(writer, part.bytes, (uint16_t)part.count);
	record_list_end(writer);
	if (words)
		record_put(writer, QUOTE_POLICY + 1, measured->command_line, words);
	if (service.input_count) {
		record_list_begin(writer, QUOTE_INPUTS + 1);
		for (unsigned i = 0; i < service.input_count; i++)
			record_list_add(writer, service.inputs[i], QUOTE_INPUT_BYTES);
		record_list_end(writer);
	}
	record_put(writer, QUOTE_KEY + 1, service.key.pk, sizeof(service.key.pk));
}

/* The TPM's part for the statement of SIZE bytes at STATEMENT, into the ROOM bytes at TO: its size, or 0. */
static size_t tpm_part_write(const uint8_t *statement, size_t size, uint8_t *to, size_t room)
{
	static struct tpm_quote quoted;
	uint8_t digest[SHA256_SIZE], value[QUOTE_VALUE_BYTES];
	enum tpm_status status = TPM_FAILED;
	enum record_error error;
	struct record_writer writer;

	sha256_hash(digest, statement, size);
	for (unsigned tries = 0; status != TPM_OK && tries < TPM_TRIES; tries++)
		status = tpm_quote_make(&tpm, digest, &quoted);
	if (status != TPM_OK)
		return 0;
	record_begin(&writer, to, room, RECORD_TPM_QUOTE);
	record_put(&writer, TPM_QUOTE_KEY + 1, quoted.key.at, (uint32_t)quoted.key.bytes);
	record_put(&writer, TPM_QUOTE_QUOTED + 1, quoted.quoted.at, (uint32_t)quoted.quoted.bytes);
	record_put(&writer, TPM_QUOTE_SIGNATURE + 1, quoted.signature.at, (uint32_t)quoted.signature.bytes);
	record_list_begin(&writer, TPM_QUOTE_VALUES + 1);
	for (unsigned pcr = 0; pcr < TPM_QUOTE_PCR_COUNT; pcr++) {
		if (!(TPM_QUOTE_PCRS >> pcr & 1))
			continue;
		value[0] = (uint8_t)pcr;
		memcpy(value + 1, quoted.values[pcr], TPM_QUOTE_DIGEST);
		record_list_add(&writer, value, sizeof(value));
	}
	record_list_end(&writer);
	return record_end(&writer, &error);
}

static int64_t quote_write(struct kept *kept)
{
	enum record_error error;
	struct record_writer writer;

	record_begin(&writer, kept->bytes, sizeof(kept->bytes), RECORD_QUOTE);
	statement_write(&writer, kept->nonce, kept->nonce_bytes);
	size_t size = record_end(&writer, &error);
	if (!size || sizeof(kept->bytes) - size < HYBRID_SIGN_SIGNATURE_SIZE)
		return E_QUOTA_MEMORY;
	size_t total = size + HYBRID_SIGN_SIGNATURE_SIZE;
	if (hybrid_sign(&service.key, kept->bytes, size, trust_context_quote, strlen(trust_context_quote),
	                NULL, kept->bytes + size) != CRYPTO_OK)
		return E_FAULT;
	if (service.bound) {
		size_t more =
		    tpm_part_write(kept->bytes, size, kept->bytes + total, sizeof(kept->bytes) - total);
		if (!more)
			return E_TIMEOUT;
		total += more;
	}
	kept->total = (uint32_t)total;
	return E_OK;
}

/* The quote that BADGE asked for last, if it is of that nonce and still there. */
static struct kept *kept_find(uint64_t badge, const void *nonce, uint32_t nonce_bytes)
{
	for (unsigned i = 0; i < KEPT; i++) {
		struct kept *kept = &service.kept[i];

		if (kept->badge == badge && kept->nonce_bytes == nonce_bytes &&
		    memcmp(kept->nonce, nonce, nonce_bytes) == 0)
			return kept;
	}
	return NULL;
}

static int64_t quote_new(uint64_t badge, const uint8_t *nonce, uint32_t nonce_bytes, struct kept **made)
{
	struct kept *kept = kept_find(badge, nonce, nonce_bytes);

	if (!key_make(service.bound))
		return E_BUSY;
	if (!service.inputs_known && !inputs_find())
		return E_QUOTA_MEMORY;
	if (!kept) {
		kept = &service.kept[service.next_kept];
		service.next_kept = (service.next_kept + 1) % KEPT;
	}
	kept->badge = 0;
	memcpy(kept->nonce, nonce, nonce_bytes);
	kept->nonce_bytes = nonce_bytes;
	int64_t result = quote_write(kept);
	if (result >= 0) {
		kept->badge = badge;
		*made = kept;
	}
	return result;
}

static int64_t serve_quote(void *context, uint64_t badge, const void *asked, uint32_t nonce_bytes,
                           uint32_t offset, uint32_t *total, const void **part, uint32_t *part_bytes)
{
	uint8_t nonce[QUOTE_NONCE_MAX];

	(void)context;
	if (nonce_bytes < QUOTE_NONCE_LEAST || nonce_bytes > QUOTE_NONCE_MAX)
		return E_ARGUMENT;
	memcpy(nonce, asked, nonce_bytes); /* it is in the page, which calls to others use */
	struct kept *kept = kept_find(badge, nonce, nonce_bytes);
	if (!offset) {
		int64_t result = quote_new(badge, nonce, nonce_bytes, &kept);
		if (result < 0)
			return result;
	}
	if (!kept)
		return E_STATE;
	if (offset >= kept->total)
		return E_ARGUMENT;
	*total = kept->total;
	*part = kept->bytes + offset;
	*part_bytes = kept->total - offset < ATTEST_PART ? kept->total - offset : ATTEST_PART;
	return E_OK;
}

static int64_t serve_give(void *context, uint64_t badge, uint64_t time, handle_t *given)
{
	uint64_t up = clock_ns() / NS;

	(void)context;
	if (badge & BADGE_GIVEN)
		return E_RIGHTS;
	int64_t copy =
	    cap_copy(service.channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, BADGE_GIVEN | ++service.given);
	if (copy < 0)
		return copy;
	service.epoch_time = time > up ? time - up : 0;
	*given = (handle_t)copy;
	return E_OK;
}

static int64_t serve_ready(void *context, uint64_t badge)
{
	(void)context;
	if (badge & BADGE_GIVEN)
		return E_RIGHTS;
	key_bind();
	/* Also where the TPM does not answer now: its driver may be starting again, and nothing is in the PCR yet. */
	return service.closed ? E_OK : E_BUSY;
}

int main(int argument_count, char **arguments)
{
	static const struct attest_operations operations = {
	    .give = serve_give, .ready = serve_ready, .quote = serve_quote};
	struct message message = {0};
	handle_t measured = start_find(native_start, "measured", 0);

	(void)argument_count;
	(void)arguments;
	service.page = native_page();
	service.log = start_find(native_start, "log", 0);
	service.channel = start_find(native_start, "attest", 0);
	service.tpm = start_find(native_start, "tpm", 0);
	service.entropy = start_find(native_start, "entropy", 0);
	service.measured = measured ? window_map(measured, 0, sizeof(struct measured), MAP_READ) : NULL;
	const char *wrong = service.measured ? manifest_read() : "it was not told what was started";
	if (wrong) {
		LOG("%s\n", wrong);
		return 1;
	}
	key_bind();
	int64_t result = channel_receive(service.channel, &message, DEADLINE_NEVER);
	while (result >= 0) {
		attest_serve(&operations, 0, &message, service.page);
		result = channel_reply_receive(service.channel, &message, DEADLINE_NEVER);
	}
	LOG("%s\n", error_text(result));
	return 1;
}
