/* See tpm_check.h. */
#include "tpm_check.h"
#include <bearssl.h>
#include <crypto/sha2.h>
#include <string.h>

enum { POINT = 64 };

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

/* The key's point; only the template that Holon asks for is taken: fixed to the TPM, restricted to what the TPM itself says. */
static bool key_read(const struct tpm_claim *claim, uint8_t point[POINT])
{
	struct reader reader = {claim->key, claim->key_bytes, false};
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
		return false;
	memcpy(point, x, 32);
	memcpy(point + 32, y, 32);
	return true;
}

static const char *signature_check(const struct tpm_claim *claim, const uint8_t point[POINT])
{
	struct reader reader = {claim->signature, claim->signature_bytes, false};
	uint8_t raw[POINT], encoded[POINT + 1] = {4}, digest[SHA256_SIZE];
	const uint8_t *r, *s;

	expect(&reader, 2, 0x18);
	expect(&reader, 2, 0x0b);
	r = take_sized(&reader, 32, NULL);
	s = take_sized(&reader, 32, NULL);
	if (reader.bad || reader.left)
		return "the signature is malformed";
	memcpy(raw, r, 32);
	memcpy(raw + 32, s, 32);
	memcpy(encoded + 1, point, POINT);
	sha256_hash(digest, claim->quoted, claim->quoted_bytes);
	const br_ec_public_key key = {.curve = BR_EC_secp256r1, .q = encoded, .qlen = sizeof(encoded)};
	if (br_ecdsa_i31_vrfy_raw(br_ec_get_default(), digest, sizeof(digest), &key, raw, sizeof(raw)) != 1)
		return "the signature over the quote is not good";
	return NULL;
}

static const char *quoted_check(const struct tpm_claim *claim)
{
	struct reader reader = {claim->quoted, claim->quoted_bytes, false};
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
		expect(&reader, 1, claim->pcrs >> 8 * byte & 255);
	values = take_sized(&reader, SHA256_SIZE, NULL);
	if (reader.bad || reader.left)
		return "the quote is malformed, or over other PCRs";
	if (extra_count != claim->nonce_bytes || memcmp(extra, claim->nonce, extra_count) != 0)
		return "the quote answers another nonce: it may be an old one";
	if ((claim->known & claim->pcrs) != claim->pcrs)
		return "values of PCRs are missing";
	sha256_init(&hash);
	for (unsigned pcr = 0; pcr < TPM_CHECK_PCRS; pcr++)
		if (claim->pcrs >> pcr & 1)
			sha256_update(&hash, claim->values[pcr], TPM_CHECK_DIGEST);
	sha256_final(&hash, digest);
	return memcmp(digest, values, sizeof(digest)) == 0
	           ? NULL
	           : "the values of the PCRs are not those that were quoted";
}

const char *tpm_claim_check(const struct tpm_claim *claim)
{
	uint8_t point[POINT];

	if (!key_read(claim, point))
		return "the TPM's key is not one that signs a TPM's own quotes alone";
	const char *wrong = signature_check(claim, point);
	return wrong ? wrong : quoted_check(claim);
}
