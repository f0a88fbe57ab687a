/* See tpm_seal.h. A command is built in one buffer, numbers with the highest byte first, and an answer is taken apart by a reader that
 * never leaves it. What is loaded into the TPM is flushed again on every way out: it has room for three objects or so. */
#include "tpm_seal.h"
#include <string.h>
#include "crypto/util.h"

enum {
	NO_SESSIONS = 0x8001,
	SESSIONS = 0x8002,
	OWNER = 0x40000001,
	NULL_HANDLE = 0x40000007,
	PASSWORD = 0x40000009
};
enum {
	NV_UNDEFINE = 0x122,
	NV_DEFINE = 0x12a,
	CREATE_PRIMARY = 0x131,
	NV_WRITE = 0x137,
	NV_READ = 0x14e,
	CREATE = 0x153,
	LOAD = 0x157,
	UNSEAL = 0x15e,
	FLUSH = 0x165,
	START_SESSION = 0x176,
	PCR_READ = 0x17e,
	POLICY_PCR = 0x17f,
	POLICY_GET_DIGEST = 0x189
};
enum {
	ALG_KEYEDHASH = 0x8,
	ALG_SHA256 = 0xb,
	ALG_NULL = 0x10,
	ALG_ECC = 0x23,
	ALG_AES = 0x6,
	ALG_CFB = 0x43,
	CURVE_P256 = 3
};
enum { SESSION_POLICY = 1, SESSION_TRIAL = 3 };
/* TPMA_OBJECT: a storage key; and a sealed object, which its policy alone opens. */
enum {
	FIXED_TPM = 1 << 1,
	FIXED_PARENT = 1 << 4,
	SENSITIVE_DATA_ORIGIN = 1 << 5,
	USER_WITH_AUTH = 1 << 6,
	ADMIN_WITH_POLICY = 1 << 7,
	NO_LOCKOUT = 1 << 10,
	RESTRICTED = 1 << 16,
	DECRYPT = 1 << 17,
	PARENT_ATTRIBUTES =
	    FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | RESTRICTED | DECRYPT,
	SEALED_ATTRIBUTES = FIXED_TPM | FIXED_PARENT | ADMIN_WITH_POLICY | NO_LOCKOUT
};
/* TPMA_NV: read and written by its own authorization, no dictionary lockout. */
enum { NOTE_ATTRIBUTES = 1 << 2 | 1 << 18 | 1 << 25 };
enum { HEADER = 10, DIGEST = 32, NONCE = 16, VERSION = 1, SEALED_HEAD = 4, TRIES = 200 };

/* ---- Commands ---- */

static void put(struct tpm *tpm, uint32_t value, unsigned bytes)
{
	while (bytes--)
		tpm->command[tpm->length++] = (uint8_t)(value >> 8 * bytes);
}

static void put_bytes(struct tpm *tpm, const void *bytes, size_t count)
{
	if (count)
		memcpy(tpm->command + tpm->length, bytes, count);
	tpm->length += count;
}

static void put_sized(struct tpm *tpm, const void *bytes, size_t count)
{
	put(tpm, (uint32_t)count, 2);
	put_bytes(tpm, bytes, count);
}

static void begin(struct tpm *tpm, unsigned tag, uint32_t code)
{
	tpm->length = 0;
	put(tpm, tag, 2);
	put(tpm, 0, 4); /* the size, known at last */
	put(tpm, code, 4);
}

/* The authorization area with one entry: by a password, or by a session that is over with this command. */
static void put_authorization(struct tpm *tpm, uint32_t handle, const uint8_t *key)
{
	size_t size = key ? TPM_KEY_SIZE : 0;
	put(tpm, (uint32_t)(9 + size), 4);
	put(tpm, handle, 4);
	put(tpm, 0, 2);
	put(tpm, 0, 1);
	put_sized(tpm, key, size);
}

static void put_selection(struct tpm *tpm, uint32_t mask)
{
	put(tpm, 1, 4);
	put(tpm, ALG_SHA256, 2);
	put(tpm, 3, 1);
	for (unsigned byte = 0; byte < 3; byte++)
		put(tpm, mask >> 8 * byte & 255, 1);
}

/* ---- Answers ---- */

struct reader {
	const uint8_t *at;
	size_t left;
	bool good; /* nothing was missing yet */
};

static uint32_t get(struct reader *reader, unsigned bytes)
{
	uint32_t value = 0;
	if (reader->left < bytes)
		reader->good = false;
	for (unsigned i = 0; reader->good && i < bytes; i++)
		value = value << 8 | reader->at[i];
	if (reader->good) {
		reader->at += bytes;
		reader->left -= bytes;
	}
	return value;
}

/* A sized field of at most MOST bytes: where it is, and *COUNT. */
static const uint8_t *get_sized(struct reader *reader, size_t most, size_t *count)
{
	const uint8_t *found;
	*count = get(reader, 2);
	if (*count > most || *count > reader->left)
		reader->good = false;
	if (!reader->good) {
		*count = 0;
		return reader->at;
	}
	found = reader->at;
	reader->at += *count;
	reader->left -= *count;
	return found;
}

/* A sized field of SIZE bytes, to TO. */
static enum tpm_status take(struct reader *reader, void *to, size_t size)
{
	size_t count;
	const uint8_t *found = get_sized(reader, size, &count);
	if (count != size)
		return TPM_FAILED;
	memcpy(to, found, size);
	return TPM_OK;
}

/* TPM_RC: what the TPM says of a command, formats 0 and 1 (part 2, 6.6). */
static enum tpm_status status_of(uint32_t code)
{
	if (code & 0x80)
		code &= 0xbf; /* without the number of the handle, session or parameter */
	switch (code) {
	case 0x8b: /* HANDLE: no such index */
		return TPM_MISSING;
	case 0x8e:  /* AUTH_FAIL */
	case 0x9d:  /* POLICY_FAIL */
	case 0x9f:  /* INTEGRITY: another TPM's, or changed */
	case 0xa2:  /* BAD_AUTH */
	case 0x128: /* PCR_CHANGED */
	case 0x12f: /* AUTH_UNAVAILABLE */
	case 0x149: /* NV_AUTHORIZATION */
	case 0x14a: /* NV_UNINITIALIZED: made, and never written */
		return TPM_REFUSED;
	case 0x14b: /* NV_SPACE */
	case 0x902: /* OBJECT_MEMORY */
	case 0x903: /* SESSION_MEMORY */
	case 0x905: /* SESSION_HANDLES */
		return TPM_FULL;
	default:
		return TPM_FAILED;
	}
}

/* Sends the command; its answer's parameters are for READER, and *HANDLE, where one is asked for, is what it made. */
static enum tpm_status send(struct tpm *tpm, uint32_t *handle, struct reader *reader)
{
	struct reader unused;
	uint32_t code = 0;
	size_t size = 0;
	bool sessions = tpm->command[1] == (SESSIONS & 255);
	if (!reader)
		reader = &unused;
	store_be32(tpm->command + 2, (uint32_t)tpm->length);
	for (unsigned tries = 0; tries < TRIES; tries++) {
		size = tpm->call(tpm->context, tpm->command, tpm->length, tpm->answer, sizeof(tpm->answer));
		if (size < HEADER || size > sizeof(tpm->answer) || load_be32(tpm->answer + 2) != size)
			return TPM_FAILED;
		code = load_be32(tpm->answer + 6);
		if (code != 0x922 && code != 0x908 && code != 0x90a) /* RETRY, YIELDED, TESTING */
			break;
	}
	if (code)
		return status_of(code);
	*reader = (struct reader){.at = tpm->answer + HEADER, .left = size - HEADER, .good = true};
	if (handle)
		*handle = get(reader, 4);
	if (sessions) {
		size_t bytes = get(reader, 4);
		if (bytes > reader->left)
			reader->good = false;
		else
			reader->left = bytes;
	}
	return reader->good ? TPM_OK : TPM_FAILED;
}

static void flush(struct tpm *tpm, uint32_t handle)
{
	begin(tpm, NO_SESSIONS, FLUSH);
	put(tpm, handle, 4);
	(void)send(tpm, NULL, NULL);
}

/* ---- Sealing ---- */

/* The storage key that everything is sealed under: made from the owner's seed, the same each time and on no other TPM. */
static enum tpm_status parent_make(struct tpm *tpm, uint32_t *parent)
{
	begin(tpm, SESSIONS, CREATE_PRIMARY);
	put(tpm, OWNER, 4);
	put_authorization(tpm, PASSWORD, NULL);
	put(tpm, 4, 2); /* no authorization and no data */
	put(tpm, 0, 4);
	put(tpm, 26, 2); /* TPMT_PUBLIC */
	put(tpm, ALG_ECC, 2);
	put(tpm, ALG_SHA256, 2);
	put(tpm, PARENT_ATTRIBUTES, 4);
	put(tpm, 0, 2); /* no policy */
	put(tpm, ALG_AES, 2);
	put(tpm, 128, 2);
	put(tpm, ALG_CFB, 2);
	put(tpm, ALG_NULL, 2); /* scheme */
	put(tpm, CURVE_P256, 2);
	put(tpm, ALG_NULL, 2); /* derivation */
	put(tpm, 0, 4);        /* no point is given */
	put(tpm, 0, 2);        /* nothing from outside */
	put(tpm, 0, 4);        /* no PCRs of its making */
	return send(tpm, parent, NULL);
}

/* A session whose policy is the present values of the PCRs in MASK; a trial only computes it. */
static enum tpm_status policy_start(struct tpm *tpm, unsigned kind, uint32_t mask, uint32_t *session)
{
	uint8_t nonce[NONCE];
	if (tpm->random(nonce, sizeof(nonce)) < 0)
		return TPM_FAILED;
	begin(tpm, NO_SESSIONS, START_SESSION);
	put(tpm, NULL_HANDLE, 4);
	put(tpm, NULL_HANDLE, 4);
	put_sized(tpm, nonce, sizeof(nonce));
	put(tpm, 0, 2); /* no salt */
	put(tpm, kind, 1);
	put(tpm, ALG_NULL, 2);
	put(tpm, ALG_SHA256, 2);
	enum tpm_status status = send(tpm, session, NULL);
	if (status != TPM_OK)
		return status;
	begin(tpm, NO_SESSIONS, POLICY_PCR);
	put(tpm, *session, 4);
	put(tpm, 0, 2); /* the values of now */
	put_selection(tpm, mask);
	status = send(tpm, NULL, NULL);
	if (status != TPM_OK)
		flush(tpm, *session);
	return status;
}

static enum tpm_status policy_digest(struct tpm *tpm, uint32_t mask, uint8_t digest[DIGEST])
{
	struct reader reader;
	uint32_t session;
	enum tpm_status status = policy_start(tpm, SESSION_TRIAL, mask, &session);
	if (status != TPM_OK)
		return status;
	begin(tpm, NO_SESSIONS, POLICY_GET_DIGEST);
	put(tpm, session, 4);
	status = send(tpm, NULL, &reader);
	if (status == TPM_OK)
		status = take(&reader, digest, DIGEST);
	flush(tpm, session);
	return status;
}

/* Whether the loader has measured an image: else the state says nothing of what runs. */
static enum tpm_status image_is_measured(struct tpm *tpm)
{
	static const uint8_t never[DIGEST];
	uint8_t value[DIGEST];
	struct reader reader;
	begin(tpm, NO_SESSIONS, PCR_READ);
	put_selection(tpm, 1u << TPM_IMAGE_PCR);
	enum tpm_status status = send(tpm, NULL, &reader);
	if (status != TPM_OK)
		return status;
	/* A count of updates, the selection, a list of one digest. */
	(void)get(&reader, 4);
	bool one = get(&reader, 4) == 1;
	(void)get(&reader, 4);
	(void)get(&reader, 2);
	one = get(&reader, 4) == 1 && one;
	if (!one || take(&reader, value, DIGEST) != TPM_OK)
		return TPM_UNMEASURED; /* it has no bank of SHA-256, too */
	return memcmp(value, never, DIGEST) == 0 ? TPM_UNMEASURED : TPM_OK;
}

/* SECRET under PARENT, for POLICY. */
static enum tpm_status create(struct tpm *tpm, uint32_t parent, const uint8_t policy[DIGEST],
                              const uint8_t secret[TPM_SECRET_SIZE], uint8_t *sealed, size_t *bytes)
{
	struct reader reader;
	size_t private_size;
	size_t public_size;
	begin(tpm, SESSIONS, CREATE);
	put(tpm, parent, 4);
	put_authorization(tpm, PASSWORD, NULL);
	put(tpm, 4 + TPM_SECRET_SIZE, 2);
	put(tpm, 0, 2);
	put_sized(tpm, secret, TPM_SECRET_SIZE);
	put(tpm, 14 + DIGEST, 2); /* TPMT_PUBLIC */
	put(tpm, ALG_KEYEDHASH, 2);
	put(tpm, ALG_SHA256, 2);
	put(tpm, SEALED_ATTRIBUTES, 4);
	put_sized(tpm, policy, DIGEST);
	put(tpm, ALG_NULL, 2);
	put(tpm, 0, 2);
	put(tpm, 0, 2); /* nothing from outside */
	put(tpm, 0, 4); /* no PCRs of its making */
	enum tpm_status status = send(tpm, NULL, &reader);
	if (status != TPM_OK)
		return status;
	const uint8_t *pair = reader.at; /* TPM2B_PRIVATE and TPM2B_PUBLIC, as Load takes them */
	(void)get_sized(&reader, TPM_SEALED_MAX, &private_size);
	(void)get_sized(&reader, TPM_SEALED_MAX, &public_size);
	size_t size = (size_t)(reader.at - pair);
	if (!private_size || !public_size || SEALED_HEAD + size > TPM_SEALED_MAX)
		return TPM_FAILED;
	store_be32(sealed, (uint32_t)VERSION << 24 | TPM_STATE_PCRS);
	memcpy(sealed + SEALED_HEAD, pair, size);
	*bytes = SEALED_HEAD + size;
	return TPM_OK;
}

static enum tpm_status unseal_loaded(struct tpm *tpm, uint32_t object, uint32_t mask,
                                     uint8_t secret[TPM_SECRET_SIZE])
{
	struct reader reader;
	uint32_t session;
	enum tpm_status status = policy_start(tpm, SESSION_POLICY, mask, &session);
	if (status != TPM_OK)
		return status;
	begin(tpm, SESSIONS, UNSEAL);
	put(tpm, object, 4);
	put_authorization(tpm, session, NULL);
	status = send(tpm, NULL, &reader);
	if (status != TPM_OK) {
		flush(tpm, session);
		return status;
	}
	return take(&reader, secret, TPM_SECRET_SIZE);
}

static enum tpm_status unseal_under(struct tpm *tpm, uint32_t parent, const uint8_t *sealed, size_t bytes,
                                    uint8_t secret[TPM_SECRET_SIZE])
{
	struct reader reader = {.at = sealed, .left = bytes, .good = true};
	uint32_t object;
	size_t size;
	uint32_t head = get(&reader, 4);
	(void)get_sized(&reader, TPM_SEALED_MAX, &size);
	(void)get_sized(&reader, TPM_SEALED_MAX, &size);
	if (!reader.good || reader.left || head >> 24 != VERSION)
		return TPM_REFUSED;
	begin(tpm, SESSIONS, LOAD);
	put(tpm, parent, 4);
	put_authorization(tpm, PASSWORD, NULL);
	put_bytes(tpm, sealed + SEALED_HEAD, bytes - SEALED_HEAD);
	enum tpm_status status = send(tpm, &object, NULL);
	/* Whatever it says of what came from a disk: it is not what this TPM sealed. */
	if (status != TPM_OK)
		return status == TPM_FULL ? status : TPM_REFUSED;
	status = unseal_loaded(tpm, object, head & 0xffffff, secret);
	flush(tpm, object);
	return status;
}

enum tpm_status tpm_seal(struct tpm *tpm, const uint8_t secret[TPM_SECRET_SIZE],
                         uint8_t sealed[TPM_SEALED_MAX], size_t *bytes)
{
	uint8_t again[TPM_SECRET_SIZE] = {0};
	uint8_t policy[DIGEST];
	uint32_t parent;
	*bytes = 0;
	enum tpm_status status = image_is_measured(tpm);
	if (status == TPM_OK)
		status = policy_digest(tpm, TPM_STATE_PCRS, policy);
	if (status == TPM_OK)
		status = parent_make(tpm, &parent);
	if (status != TPM_OK)
		return status;
	status = create(tpm, parent, policy, secret, sealed, bytes);
	if (status == TPM_OK)
		status = unseal_under(tpm, parent, sealed, *bytes, again);
	if (status == TPM_OK && !crypto_equal(again, secret, sizeof(again)))
		status = TPM_FAILED;
	flush(tpm, parent);
	crypto_wipe(again, sizeof(again));
	tpm_wipe(tpm);
	return status;
}

enum tpm_status tpm_unseal(struct tpm *tpm, const uint8_t *sealed, size_t bytes,
                           uint8_t secret[TPM_SECRET_SIZE])
{
	uint32_t parent;
	if (bytes > TPM_SEALED_MAX)
		return TPM_REFUSED;
	enum tpm_status status = parent_make(tpm, &parent);
	if (status != TPM_OK)
		return status;
	status = unseal_under(tpm, parent, sealed, bytes, secret);
	flush(tpm, parent);
	tpm_wipe(tpm);
	return status;
}

/* ---- Notes ---- */

enum tpm_status tpm_note_remove(struct tpm *tpm, uint32_t index)
{
	begin(tpm, SESSIONS, NV_UNDEFINE);
	put(tpm, OWNER, 4);
	put(tpm, index, 4);
	put_authorization(tpm, PASSWORD, NULL);
	return send(tpm, NULL, NULL);
}

enum tpm_status tpm_note_write(struct tpm *tpm, uint32_t index, const uint8_t key[TPM_KEY_SIZE],
                               const void *bytes, size_t count)
{
	if (count > TPM_NOTE_MAX)
		return TPM_FAILED;
	begin(tpm, SESSIONS, NV_WRITE);
	put(tpm, index, 4);
	put(tpm, index, 4);
	put_authorization(tpm, PASSWORD, key);
	put_sized(tpm, bytes, count);
	put(tpm, 0, 2);
	enum tpm_status status = send(tpm, NULL, NULL);
	tpm_wipe(tpm);
	return status;
}

enum tpm_status tpm_note_make(struct tpm *tpm, uint32_t index, const uint8_t key[TPM_KEY_SIZE],
                              const void *bytes, size_t count)
{
	if (count > TPM_NOTE_MAX)
		return TPM_FAILED;
	enum tpm_status status = tpm_note_remove(tpm, index);
	if (status != TPM_OK && status != TPM_MISSING)
		return status;
	begin(tpm, SESSIONS, NV_DEFINE);
	put(tpm, OWNER, 4);
	put_authorization(tpm, PASSWORD, NULL);
	put_sized(tpm, key, TPM_KEY_SIZE);
	put(tpm, 14, 2); /* TPMS_NV_PUBLIC */
	put(tpm, index, 4);
	put(tpm, ALG_SHA256, 2);
	put(tpm, NOTE_ATTRIBUTES, 4);
	put(tpm, 0, 2); /* no policy */
	put(tpm, (uint32_t)count, 2);
	status = send(tpm, NULL, NULL);
	if (status == TPM_OK)
		return tpm_note_write(tpm, index, key, bytes, count);
	tpm_wipe(tpm);
	return status;
}

enum tpm_status tpm_note_read(struct tpm *tpm, uint32_t index, const uint8_t key[TPM_KEY_SIZE], void *bytes,
                              size_t count)
{
	struct reader reader;
	begin(tpm, SESSIONS, NV_READ);
	put(tpm, index, 4);
	put(tpm, index, 4);
	put_authorization(tpm, PASSWORD, key);
	put(tpm, (uint32_t)count, 2);
	put(tpm, 0, 2);
	enum tpm_status status = send(tpm, NULL, &reader);
	if (status == TPM_OK)
		status = take(&reader, bytes, count);
	tpm_wipe(tpm);
	return status;
}

void tpm_wipe(struct tpm *tpm)
{
	crypto_wipe(tpm->command, sizeof(tpm->command));
	crypto_wipe(tpm->answer, sizeof(tpm->answer));
}
