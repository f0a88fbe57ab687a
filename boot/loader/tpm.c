/* Commands to the TPM: see tpm.h. A command is built in one buffer, big-endian; an answer is read within its own bounds. A TPM
 * that fails a command is told in the log, and the boot goes on: what is measured shows that by itself. */
#include "tpm.h"

#include <crypto/sha2.h>

#include "loader.h"

enum { NO_SESSIONS = 0x8001, SESSIONS = 0x8002, OWNER = 0x40000001, PASSWORD = 0x40000009, SHA256 = 0x000b };
enum {
	NV_DEFINE = 0x12a,
	CREATE_PRIMARY = 0x131,
	NV_WRITE = 0x137,
	NV_WRITE_LOCK = 0x138,
	STARTUP = 0x144,
	NV_READ = 0x14e,
	QUOTE = 0x158,
	FLUSH = 0x165,
	GET_RANDOM = 0x17b,
	PCR_READ = 0x17e,
	PCR_EXTEND = 0x182
};
/* TPMA_NV: written and read by the owner, read by anybody, lockable until a restart, no dictionary lockout. */
enum { FLOOR_ATTRIBUTES = 1 << 1 | 1 << 14 | 1 << 17 | 1 << 18 | 1 << 25, FLOOR_BYTES = 8 };
enum { FLOOR_RELEASE = 0x01804c48, FLOOR_DEVELOPMENT = 0x01804c49 };
enum { RETRY = 0x922, YIELDED = 0x908, TESTING = 0x90a, RETRIES = 1000 };
enum { HEADER = 10, SUCCESS = 0, HEX_MAX = 240, ENDORSEMENT = 0x4000000b };
enum {
	OWN_PCRS = 1 << TPM_PCR_POLICY | 1 << TPM_PCR_MANIFEST | 1 << TPM_PCR_INPUT,
	QUOTED_PCRS = OWN_PCRS | 255 /* and the firmware's own */
};

static bool present;
static uint8_t command[TPM_BUFFER_SIZE], answer[TPM_BUFFER_SIZE];
static size_t length;

static void put(uint32_t value, unsigned bytes)
{
	while (bytes--)
		command[length++] = (uint8_t)(value >> 8 * bytes);
}

static void put_bytes(const void *bytes, size_t count)
{
	memcpy(command + length, bytes, count);
	length += count;
}

static void begin(unsigned tag, uint32_t code)
{
	length = 0;
	put(tag, 2);
	put(0, 4); /* the size, known at last */
	put(code, 4);
}

/* The authorization area with one empty password. */
static void put_password(void)
{
	put(9, 4);
	put(PASSWORD, 4);
	put(0, 2);
	put(0, 1);
	put(0, 2);
}

bool tpm_answer_check(const uint8_t *bytes, size_t size, bool sessions, const uint8_t **parameters,
                      size_t *count)
{
	if (size < HEADER || size > TPM_BUFFER_SIZE || load_be32(bytes + 2) != size ||
	    load_be32(bytes + 6) != SUCCESS)
		return false;
	*parameters = bytes + HEADER;
	*count = size - HEADER;
	if (!sessions)
		return true;
	if (*count < 4 || load_be32(*parameters) > *count - 4)
		return false;
	*count = load_be32(*parameters);
	*parameters += 4;
	return true;
}

static bool call(bool sessions, const uint8_t **parameters, size_t *count)
{
	const uint8_t *unused;
	size_t unused_count;
	store_be32(command + 2, (uint32_t)length);
	size_t size = 0;
	for (unsigned tries = 0; tries < RETRIES; tries++) {
		size = tpm_device_call(command, length, answer);
		uint32_t code = size < HEADER ? 0 : load_be32(answer + 6);
		if (code != RETRY && code != YIELDED && code != TESTING)
			break;
	}
	return tpm_answer_check(answer, size, sessions, parameters ? parameters : &unused,
	                        count ? count : &unused_count);
}

bool tpm_present(void)
{
	return present;
}

bool tpm_init(void)
{
	if (!tpm_device_init())
		return false;
	/* Firmware has started it, or this does; then the answer is an error, which does not matter. */
	begin(NO_SESSIONS, STARTUP);
	put(0, 2);
	(void)call(false, NULL, NULL);
	uint8_t digest[TPM_DIGEST_SIZE];
	const uint8_t *at;
	size_t count;
	begin(NO_SESSIONS, PCR_READ);
	put(1, 4);
	put(SHA256, 2);
	put(3, 1);
	put(0x010000, 3);
	/* A count, the selection, a list of one digest. */
	present = call(false, &at, &count) && count >= 4 + 10 + 4 + 2 + sizeof(digest);
	if (!present)
		say("The TPM does not answer as one of version 2.0 with SHA-256; going on without it.");
	return present;
}

static const char *hex(const uint8_t *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	static char text[2 * HEX_MAX + 1];
	if (count > HEX_MAX)
		count = HEX_MAX;
	for (size_t i = 0; i < count; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * count] = 0;
	return text;
}

static void say_digest(const char *what, unsigned pcr, const uint8_t *digest)
{
	say("TPM: PCR %u %s %s", pcr, hex(digest, TPM_DIGEST_SIZE), what);
}

static void say_hex(const char *what, const uint8_t *bytes, size_t count)
{
	say("TPM: %s %s", what, hex(bytes, count));
}

void tpm_measure(unsigned pcr, const char *what, const void *data, size_t size)
{
	uint8_t digest[TPM_DIGEST_SIZE];
	if (!present)
		return;
	sha256_hash(digest, data, size);
	begin(SESSIONS, PCR_EXTEND);
	put(pcr, 4);
	put_password();
	put(1, 4);
	put(SHA256, 2);
	put_bytes(digest, sizeof(digest));
	if (call(true, NULL, NULL))
		say_digest(what, pcr, digest);
	else
		say("The TPM refuses to measure %s.", what);
}

uint32_t tpm_random(void *bytes, uint32_t wanted)
{
	const uint8_t *at;
	size_t count;
	if (!present)
		return 0;
	begin(NO_SESSIONS, GET_RANDOM);
	put(wanted, 2);
	if (!call(false, &at, &count) || count < 2 || at[0] || at[1] > wanted || at[1] > count - 2)
		return 0;
	uint32_t given = at[1];
	memcpy(bytes, at + 2, given);
	return given;
}

static uint32_t floor_index(bool development)
{
	return development ? FLOOR_DEVELOPMENT : FLOOR_RELEASE;
}

uint64_t tpm_floor(bool development)
{
	const uint8_t *at;
	size_t count;
	if (!present)
		return 0;
	begin(SESSIONS, NV_READ);
	put(floor_index(development), 4);
	put(floor_index(development), 4);
	put_password();
	put(FLOOR_BYTES, 2);
	put(0, 2);
	if (!call(true, &at, &count) || count < 2 + FLOOR_BYTES || at[0] || at[1] != FLOOR_BYTES)
		return 0;
	return load_be64(at + 2);
}

static bool floor_define(uint32_t index)
{
	begin(SESSIONS, NV_DEFINE);
	put(OWNER, 4);
	put_password();
	put(0, 2);                 /* its own authorization: empty */
	put(4 + 2 + 4 + 2 + 2, 2); /* TPM2B_NV_PUBLIC */
	put(index, 4);
	put(SHA256, 2);
	put(FLOOR_ATTRIBUTES, 4);
	put(0, 2);
	put(FLOOR_BYTES, 2);
	return call(true, NULL, NULL);
}

static bool floor_write(uint32_t index, uint64_t value)
{
	begin(SESSIONS, NV_WRITE);
	put(OWNER, 4);
	put(index, 4);
	put_password();
	put(FLOOR_BYTES, 2);
	put((uint32_t)(value >> 32), 4);
	put((uint32_t)value, 4);
	put(0, 2);
	return call(true, NULL, NULL);
}

void tpm_floor_raise(bool development, uint64_t value)
{
	uint32_t index = floor_index(development);
	if (!present)
		return;
	if (tpm_floor(development) < value && !floor_write(index, value) &&
	    !(floor_define(index) && floor_write(index, value)))
		say("The TPM keeps no rollback floor: its owner has a password, or it is full.");
	begin(SESSIONS, NV_WRITE_LOCK);
	put(OWNER, 4);
	put(index, 4);
	put_password();
	(void)call(true, NULL, NULL);
}

static void put_selection(unsigned mask)
{
	put(1, 4);
	put(SHA256, 2);
	put(3, 1);
	for (unsigned byte = 0; byte < 3; byte++)
		put(mask >> 8 * byte & 255, 1);
}

static void report_values(unsigned mask)
{
	const uint8_t *at;
	size_t count;
	for (unsigned pcr = 0; pcr < 24; pcr++) {
		if (!(mask >> pcr & 1))
			continue;
		begin(NO_SESSIONS, PCR_READ);
		put_selection(1u << pcr);
		if (call(false, &at, &count) && count >= 20 + TPM_DIGEST_SIZE)
			say_digest("is its value", pcr, at + 20);
	}
}

void tpm_report(void)
{
	if (present)
		report_values(OWN_PCRS);
}

/* A sized field at *AT of COUNT bytes; where it begins, and *AT and *COUNT move behind it. */
static const uint8_t *sized(const uint8_t **at, size_t *count, size_t *size)
{
	const uint8_t *found = *at + 2;
	if (*count < 2 || (*size = (size_t)(*at)[0] << 8 | (*at)[1]) > *count - 2)
		return NULL;
	*at += 2 + *size;
	*count -= 2 + *size;
	return found;
}

/* The attestation key: made from the TPM's endorsement seed, so the same at each start, and good for signing quotes alone. */
static uint32_t key_create(void)
{
	enum { ECC = 0x23, NULL_ALGORITHM = 0x10, ECDSA = 0x18, P256 = 3 };
	enum { KEY_ATTRIBUTES = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 16 | 1 << 18 };
	const uint8_t *at;
	size_t count, size;
	begin(SESSIONS, CREATE_PRIMARY);
	put(ENDORSEMENT, 4);
	put_password();
	put(4, 2); /* no secret of its own */
	put(0, 4);
	put(2 + 2 + 4 + 2 + 2 + 4 + 2 + 2 + 4, 2);
	put(ECC, 2);
	put(SHA256, 2);
	put(KEY_ATTRIBUTES, 4);
	put(0, 2);
	put(NULL_ALGORITHM, 2);
	put(ECDSA, 2);
	put(SHA256, 2);
	put(P256, 2);
	put(NULL_ALGORITHM, 2);
	put(0, 4);
	put(0, 2);
	put(0, 4);
	if (!call(false, &at, &count) || count < 8)
		return 0;
	uint32_t handle = load_be32(at);
	at += 8; /* behind it the size of the parameters */
	count -= 8;
	const uint8_t *public = sized(&at, &count, &size);
	if (!public)
		return 0;
	say_hex("key", public, size);
	return handle;
}

void tpm_quote(const uint8_t *nonce, size_t nonce_size)
{
	const uint8_t *at;
	size_t count, size;
	uint32_t handle = present ? key_create() : 0;
	if (!handle) {
		say("No quote: there is no TPM, or it makes no key.");
		return;
	}
	report_values(QUOTED_PCRS);
	begin(SESSIONS, QUOTE);
	put(handle, 4);
	put_password();
	put((uint32_t)nonce_size, 2);
	put_bytes(nonce, nonce_size);
	put(0x10, 2); /* the key's own scheme */
	put_selection(QUOTED_PCRS);
	const uint8_t *quoted = call(true, &at, &count) ? sized(&at, &count, &size) : NULL;
	if (quoted) {
		say_hex("quote", quoted, size);
		say_hex("signature", at, count);
	} else {
		say("The TPM gives no quote: error %x.", load_be32(answer + 6));
	}
	begin(NO_SESSIONS, FLUSH);
	put(handle, 4);
	(void)call(false, NULL, NULL);
}
