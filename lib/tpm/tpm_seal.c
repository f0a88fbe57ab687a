/* See tpm_seal.h. What is loaded into the TPM is flushed again on every way out: it has room for three objects or so. */
#include "tpm_seal.h"
#include <string.h>
#include "crypto/util.h"
#include "tpm_command.h"

enum {
	NV_UNDEFINE = 0x122,
	NV_DEFINE = 0x12a,
	NV_WRITE = 0x137,
	NV_READ = 0x14e,
	CREATE = 0x153,
	LOAD = 0x157,
	UNSEAL = 0x15e,
	START_SESSION = 0x176,
	POLICY_PCR = 0x17f,
	POLICY_GET_DIGEST = 0x189
};
enum { ALG_KEYEDHASH = 0x8, ALG_AES = 0x6, ALG_CFB = 0x43 };
enum { SESSION_POLICY = 1, SESSION_TRIAL = 3 };
/* A storage key; and a sealed object, which its policy alone opens. */
enum {
	PARENT_ATTRIBUTES =
	    FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | RESTRICTED | DECRYPT,
	SEALED_ATTRIBUTES = FIXED_TPM | FIXED_PARENT | ADMIN_WITH_POLICY | NO_LOCKOUT
};
/* TPMA_NV: read and written by its own authorization, no dictionary lockout. */
enum { NOTE_ATTRIBUTES = 1 << 2 | 1 << 18 | 1 << 25 };
enum { NONCE = 16, VERSION = 1, SEALED_HEAD = 4 };

/* ---- Sealing ---- */

/* The storage key that everything is sealed under: made from the owner's seed, the same each time and on no other TPM. */
static enum tpm_status parent_make(struct tpm *tpm, uint32_t *parent)
{
	const uint16_t use[] = {ALG_AES, 128, ALG_CFB, ALG_NULL}; /* it encrypts, and signs nothing */
	tpm_put_primary(tpm, OWNER, PARENT_ATTRIBUTES, use, 4);
	return tpm_send(tpm, parent, NULL);
}

/* A session whose policy is the present values of the PCRs in MASK; a trial only computes it. */
static enum tpm_status policy_start(struct tpm *tpm, unsigned kind, uint32_t mask, uint32_t *session)
{
	uint8_t nonce[NONCE];
	if (tpm->random(nonce, sizeof(nonce)) < 0)
		return TPM_FAILED;
	tpm_begin(tpm, NO_SESSIONS, START_SESSION);
	tpm_put(tpm, NULL_HANDLE, 4);
	tpm_put(tpm, NULL_HANDLE, 4);
	tpm_put_sized(tpm, nonce, sizeof(nonce));
	tpm_put(tpm, 0, 2); /* no salt */
	tpm_put(tpm, kind, 1);
	tpm_put(tpm, ALG_NULL, 2);
	tpm_put(tpm, ALG_SHA256, 2);
	enum tpm_status status = tpm_send(tpm, session, NULL);
	if (status != TPM_OK)
		return status;
	tpm_begin(tpm, NO_SESSIONS, POLICY_PCR);
	tpm_put(tpm, *session, 4);
	tpm_put(tpm, 0, 2); /* the values of now */
	tpm_put_selection(tpm, mask);
	status = tpm_send(tpm, NULL, NULL);
	if (status != TPM_OK)
		tpm_flush(tpm, *session);
	return status;
}

static enum tpm_status policy_digest(struct tpm *tpm, uint32_t mask, uint8_t digest[TPM_DIGEST])
{
	struct tpm_reader reader;
	uint32_t session;
	enum tpm_status status = policy_start(tpm, SESSION_TRIAL, mask, &session);
	if (status != TPM_OK)
		return status;
	tpm_begin(tpm, NO_SESSIONS, POLICY_GET_DIGEST);
	tpm_put(tpm, session, 4);
	status = tpm_send(tpm, NULL, &reader);
	if (status == TPM_OK)
		status = tpm_take(&reader, digest, TPM_DIGEST);
	tpm_flush(tpm, session);
	return status;
}

/* Whether the loader has measured an image: else the state says nothing of what runs. */
static enum tpm_status image_is_measured(struct tpm *tpm)
{
	static const uint8_t never[TPM_DIGEST];
	uint8_t value[TPM_DIGEST];
	enum tpm_status status = tpm_pcr_read(tpm, TPM_IMAGE_PCR, value);
	if (status != TPM_OK)
		return status == TPM_MISSING ? TPM_UNMEASURED : status; /* it has no bank of SHA-256 */
	return memcmp(value, never, TPM_DIGEST) == 0 ? TPM_UNMEASURED : TPM_OK;
}

/* SECRET under PARENT, for POLICY. */
static enum tpm_status create(struct tpm *tpm, uint32_t parent, const uint8_t policy[TPM_DIGEST],
                              const uint8_t secret[TPM_SECRET_SIZE], uint8_t *sealed, size_t *bytes)
{
	struct tpm_reader reader;
	size_t private_size;
	size_t public_size;
	tpm_begin(tpm, SESSIONS, CREATE);
	tpm_put(tpm, parent, 4);
	tpm_put_authorization(tpm, PASSWORD, NULL);
	tpm_put(tpm, 4 + TPM_SECRET_SIZE, 2);
	tpm_put(tpm, 0, 2);
	tpm_put_sized(tpm, secret, TPM_SECRET_SIZE);
	tpm_put(tpm, 14 + TPM_DIGEST, 2); /* TPMT_PUBLIC */
	tpm_put(tpm, ALG_KEYEDHASH, 2);
	tpm_put(tpm, ALG_SHA256, 2);
	tpm_put(tpm, SEALED_ATTRIBUTES, 4);
	tpm_put_sized(tpm, policy, TPM_DIGEST);
	tpm_put(tpm, ALG_NULL, 2);
	tpm_put(tpm, 0, 2);
	tpm_put(tpm, 0, 2); /* nothing from outside */
	tpm_put(tpm, 0, 4); /* no PCRs of its making */
	enum tpm_status status = tpm_send(tpm, NULL, &reader);
	if (status != TPM_OK)
		return status;
	const uint8_t *pair = reader.at; /* TPM2B_PRIVATE and TPM2B_PUBLIC, as Load takes them */
	(void)tpm_get_sized(&reader, TPM_SEALED_MAX, &private_size);
	(void)tpm_get_sized(&reader, TPM_SEALED_MAX, &public_size);
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
	struct tpm_reader reader;
	uint32_t session;
	enum tpm_status status = policy_start(tpm, SESSION_POLICY, mask, &session);
	if (status != TPM_OK)
		return status;
	tpm_begin(tpm, SESSIONS, UNSEAL);
	tpm_put(tpm, object, 4);
	tpm_put_authorization(tpm, session, NULL);
	status = tpm_send(tpm, NULL, &reader);
	if (status != TPM_OK) {
		tpm_flush(tpm, session);
		return status;
	}
	return tpm_take(&reader, secret, TPM_SECRET_SIZE);
}

static enum tpm_status unseal_under(struct tpm *tpm, uint32_t parent, const uint8_t *sealed, size_t bytes,
                                    uint8_t secret[TPM_SECRET_SIZE])
{
	struct tpm_reader reader = {.at = sealed, .left = bytes, .good = true};
	uint32_t object;
	size_t size;
	uint32_t head = tpm_get(&reader, 4);
	(void)tpm_get_sized(&reader, TPM_SEALED_MAX, &size);
	(void)tpm_get_sized(&reader, TPM_SEALED_MAX, &size);
	if (!reader.good || reader.left || head >> 24 != VERSION)
		return TPM_REFUSED;
	tpm_begin(tpm, SESSIONS, LOAD);
	tpm_put(tpm, parent, 4);
	tpm_put_authorization(tpm, PASSWORD, NULL);
	tpm_put_bytes(tpm, sealed + SEALED_HEAD, bytes - SEALED_HEAD);
	enum tpm_status status = tpm_send(tpm, &object, NULL);
	/* Whatever it says of what came from a disk: it is not what this TPM sealed. */
	if (status != TPM_OK)
		return status == TPM_FULL ? status : TPM_REFUSED;
	status = unseal_loaded(tpm, object, head & 0xffffff, secret);
	tpm_flush(tpm, object);
	return status;
}

enum tpm_status tpm_seal(struct tpm *tpm, const uint8_t secret[TPM_SECRET_SIZE],
                         uint8_t sealed[TPM_SEALED_MAX], size_t *bytes)
{
	uint8_t again[TPM_SECRET_SIZE] = {0};
	uint8_t policy[TPM_DIGEST];
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
	tpm_flush(tpm, parent);
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
	tpm_flush(tpm, parent);
	tpm_wipe(tpm);
	return status;
}

/* ---- Notes ---- */

enum tpm_status tpm_note_remove(struct tpm *tpm, uint32_t index)
{
	tpm_begin(tpm, SESSIONS, NV_UNDEFINE);
	tpm_put(tpm, OWNER, 4);
	tpm_put(tpm, index, 4);
	tpm_put_authorization(tpm, PASSWORD, NULL);
	return tpm_send(tpm, NULL, NULL);
}

enum tpm_status tpm_note_write(struct tpm *tpm, uint32_t index, const uint8_t key[TPM_KEY_SIZE],
                               const void *bytes, size_t count)
{
	if (count > TPM_NOTE_MAX)
		return TPM_FAILED;
	tpm_begin(tpm, SESSIONS, NV_WRITE);
	tpm_put(tpm, index, 4);
	tpm_put(tpm, index, 4);
	tpm_put_authorization(tpm, PASSWORD, key);
	tpm_put_sized(tpm, bytes, count);
	tpm_put(tpm, 0, 2);
	enum tpm_status status = tpm_send(tpm, NULL, NULL);
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
	tpm_begin(tpm, SESSIONS, NV_DEFINE);
	tpm_put(tpm, OWNER, 4);
	tpm_put_authorization(tpm, PASSWORD, NULL);
	tpm_put_sized(tpm, key, TPM_KEY_SIZE);
	tpm_put(tpm, 14, 2); /* TPMS_NV_PUBLIC */
	tpm_put(tpm, index, 4);
	tpm_put(tpm, ALG_SHA256, 2);
	tpm_put(tpm, NOTE_ATTRIBUTES, 4);
	tpm_put(tpm, 0, 2); /* no policy */
	tpm_put(tpm, (uint32_t)count, 2);
	status = tpm_send(tpm, NULL, NULL);
	if (status == TPM_OK)
		return tpm_note_write(tpm, index, key, bytes, count);
	tpm_wipe(tpm);
	return status;
}

enum tpm_status tpm_note_read(struct tpm *tpm, uint32_t index, const uint8_t key[TPM_KEY_SIZE], void *bytes,
                              size_t count)
{
	struct tpm_reader reader;
	tpm_begin(tpm, SESSIONS, NV_READ);
	tpm_put(tpm, index, 4);
	tpm_put(tpm, index, 4);
	tpm_put_authorization(tpm, PASSWORD, key);
	tpm_put(tpm, (uint32_t)count, 2);
	tpm_put(tpm, 0, 2);
	enum tpm_status status = tpm_send(tpm, NULL, &reader);
	if (status == TPM_OK)
		status = tpm_take(&reader, bytes, count);
	tpm_wipe(tpm);
	return status;
}
