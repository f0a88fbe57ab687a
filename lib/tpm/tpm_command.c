/* See tpm_command.h. */
#include "tpm_command.h"
#include <string.h>
#include "crypto/util.h"

enum { HEADER = 10, TRIES = 200 };

/* ---- Commands ---- */

void tpm_put(struct tpm *tpm, uint32_t value, unsigned bytes)
{
	while (bytes--)
		tpm->command[tpm->length++] = (uint8_t)(value >> 8 * bytes);
}

void tpm_put_bytes(struct tpm *tpm, const void *bytes, size_t count)
{
	if (count)
		memcpy(tpm->command + tpm->length, bytes, count);
	tpm->length += count;
}

void tpm_put_sized(struct tpm *tpm, const void *bytes, size_t count)
{
	tpm_put(tpm, (uint32_t)count, 2);
	tpm_put_bytes(tpm, bytes, count);
}

void tpm_begin(struct tpm *tpm, unsigned tag, uint32_t code)
{
	tpm->length = 0;
	tpm_put(tpm, tag, 2);
	tpm_put(tpm, 0, 4); /* the size, known at last */
	tpm_put(tpm, code, 4);
}

/* The authorization area with one entry: by a password, or by a session that is over with this command. */
void tpm_put_authorization(struct tpm *tpm, uint32_t handle, const uint8_t *key)
{
	size_t size = key ? TPM_KEY_SIZE : 0;
	tpm_put(tpm, (uint32_t)(9 + size), 4);
	tpm_put(tpm, handle, 4);
	tpm_put(tpm, 0, 2);
	tpm_put(tpm, 0, 1);
	tpm_put_sized(tpm, key, size);
}

void tpm_put_primary(struct tpm *tpm, uint32_t hierarchy, uint32_t attributes, const uint16_t *use,
                     unsigned count)
{
	tpm_begin(tpm, SESSIONS, CREATE_PRIMARY);
	tpm_put(tpm, hierarchy, 4);
	tpm_put_authorization(tpm, PASSWORD, NULL);
	tpm_put(tpm, 4, 2); /* no authorization and no data */
	tpm_put(tpm, 0, 4);
	tpm_put(tpm, 18 + 2 * count, 2); /* TPMT_PUBLIC */
	tpm_put(tpm, ALG_ECC, 2);
	tpm_put(tpm, ALG_SHA256, 2);
	tpm_put(tpm, attributes, 4);
	tpm_put(tpm, 0, 2); /* no policy */
	for (unsigned i = 0; i < count; i++)
		tpm_put(tpm, use[i], 2);
	tpm_put(tpm, CURVE_P256, 2);
	tpm_put(tpm, ALG_NULL, 2); /* derivation */
	tpm_put(tpm, 0, 4);        /* no point is given */
	tpm_put(tpm, 0, 2);        /* nothing from outside */
	tpm_put(tpm, 0, 4);        /* no PCRs of its making */
}

void tpm_put_selection(struct tpm *tpm, uint32_t mask)
{
	tpm_put(tpm, 1, 4);
	tpm_put(tpm, ALG_SHA256, 2);
	tpm_put(tpm, 3, 1);
	for (unsigned byte = 0; byte < 3; byte++)
		tpm_put(tpm, mask >> 8 * byte & 255, 1);
}

/* ---- Answers ---- */

uint32_t tpm_get(struct tpm_reader *reader, unsigned bytes)
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
const uint8_t *tpm_get_sized(struct tpm_reader *reader, size_t most, size_t *count)
{
	const uint8_t *found;
	*count = tpm_get(reader, 2);
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
enum tpm_status tpm_take(struct tpm_reader *reader, void *to, size_t size)
{
	size_t count;
	const uint8_t *found = tpm_get_sized(reader, size, &count);
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
enum tpm_status tpm_send(struct tpm *tpm, uint32_t *handle, struct tpm_reader *reader)
{
	struct tpm_reader unused;
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
	*reader = (struct tpm_reader){.at = tpm->answer + HEADER, .left = size - HEADER, .good = true};
	if (handle)
		*handle = tpm_get(reader, 4);
	if (sessions) {
		size_t bytes = tpm_get(reader, 4);
		if (bytes > reader->left)
			reader->good = false;
		else
			reader->left = bytes;
	}
	return reader->good ? TPM_OK : TPM_FAILED;
}

void tpm_flush(struct tpm *tpm, uint32_t handle)
{
	tpm_begin(tpm, NO_SESSIONS, FLUSH);
	tpm_put(tpm, handle, 4);
	(void)tpm_send(tpm, NULL, NULL);
}

enum tpm_status tpm_pcr_read(struct tpm *tpm, unsigned pcr, uint8_t value[TPM_DIGEST])
{
	struct tpm_reader reader;
	tpm_begin(tpm, NO_SESSIONS, PCR_READ);
	tpm_put_selection(tpm, 1u << pcr);
	enum tpm_status status = tpm_send(tpm, NULL, &reader);
	if (status != TPM_OK)
		return status;
	/* A count of updates, the selection, a list of one digest. */
	(void)tpm_get(&reader, 4);
	bool one = tpm_get(&reader, 4) == 1;
	(void)tpm_get(&reader, 4);
	(void)tpm_get(&reader, 2);
	one = tpm_get(&reader, 4) == 1 && one;
	return one && tpm_take(&reader, value, TPM_DIGEST) == TPM_OK ? TPM_OK : TPM_MISSING;
}

void tpm_wipe(struct tpm *tpm)
{
	crypto_wipe(tpm->command, sizeof(tpm->command));
	crypto_wipe(tpm->answer, sizeof(tpm->answer));
}
