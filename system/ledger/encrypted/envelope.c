/* Making and opening envelopes; Shamir's sharing over GF(2^8) with the polynomial of AES, on all 32 bytes at once. */
#include "ledger/encrypted/envelope.h"

#include <stdlib.h>

#include "crypto/blake3.h"
#include "ledger/dag/blob.h"

#define SHARE_MASK (MLKEM768_CT_SIZE)
#define SHARE_HASH (MLKEM768_CT_SIZE + 32)

/* 32 field elements side by side, as four words. */
struct vector {
	uint64_t words[4];
};

static struct vector vector_load(const uint8_t *from)
{
	struct vector vector;
	memcpy(&vector, from, sizeof(vector));
	return vector;
}

static struct vector vector_add(struct vector a, struct vector b)
{
	for (unsigned i = 0; i < 4; i++)
		a.words[i] ^= b.words[i];
	return a;
}

/* Times a scalar that is public: the loop may depend on it. */
static struct vector vector_scale(struct vector vector, uint8_t scalar)
{
	struct vector sum = {{0}};
	for (; scalar; scalar >>= 1) {
		for (unsigned i = 0; i < 4; i++) {
			if (scalar & 1)
				sum.words[i] ^= vector.words[i];
			uint64_t high = vector.words[i] >> 7 & 0x0101010101010101ull;
			vector.words[i] = (vector.words[i] & 0x7f7f7f7f7f7f7f7full) << 1 ^ high * 0x1b;
		}
	}
	return sum;
}

static uint8_t field_multiply(uint8_t a, uint8_t b)
{
	uint8_t sum = 0;
	for (; b; b >>= 1) {
		sum ^= b & 1 ? a : 0;
		a = (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1b : 0));
	}
	return sum;
}

static uint8_t field_invert(uint8_t a)
{
	/* a^254 */
	uint8_t result = 1, power = a;
	for (unsigned bit = 1; bit < 8; bit++) {
		power = field_multiply(power, power);
		result = field_multiply(result, power);
	}
	return result;
}

static void derive(uint8_t *out, size_t size, const char *label, const uint8_t key[32], const void *more,
                   size_t more_size)
{
	struct blake3 hash;
	blake3_init_derive_key(&hash, label, strlen(label));
	blake3_update(&hash, key, 32);
	if (more_size)
		blake3_update(&hash, more, more_size);
	blake3_final(&hash, out, size);
	crypto_wipe(&hash, sizeof(hash));
}

/* The point of validator i is i + 1: never zero, which is the secret's. */
static void share_of(const uint8_t key[ENVELOPE_KEY], const uint8_t *coefficients, unsigned threshold,
                     unsigned validator, uint8_t share[ENVELOPE_KEY])
{
	struct vector sum = {{0}};
	for (unsigned i = threshold - 1; i > 0; i--)
		sum = vector_scale(vector_add(sum, vector_load(coefficients + (size_t)(i - 1) * 32)),
		                   (uint8_t)(validator + 1));
	sum = vector_add(sum, vector_load(key));
	memcpy(share, &sum, sizeof(sum));
}

static void share_hash(const uint8_t *commitment, unsigned validator, const uint8_t share[ENVELOPE_KEY],
                       uint8_t out[32])
{
	uint8_t more[33];
	memcpy(more, commitment, 32);
	more[32] = (uint8_t)validator;
	derive(out, 32, "Holon ledger envelope v1: share", share, more, sizeof(more));
}

size_t envelope_size(unsigned members, size_t plain_size)
{
	return ENVELOPE_HEAD + (size_t)members * ENVELOPE_ENTRY + plain_size + AEAD_TAG_SIZE;
}

enum crypto_status envelope_seal(const struct envelope_keys *keys, const uint8_t key[ENVELOPE_KEY],
                                 enum envelope_form form, const uint8_t *plain, size_t plain_size,
                                 uint8_t *out)
{
	static const uint8_t nonce[12];
	uint8_t coefficients[DAG_MAX_VALIDATORS * 32], secret[32], head_hash[32];
	unsigned size = set_size(keys->members), threshold = size ? committee_validity(size) : 0;
	if (!plain_size || plain_size > ENVELOPE_MAX_PLAIN || !size)
		return CRYPTO_BAD_LENGTH;
	out[0] = ENVELOPE_KIND;
	out[1] = (uint8_t)form;
	store_le64(out + 2, keys->epoch);
	store_le64(out + 10, keys->members);
	store_le32(out + 18, (uint32_t)plain_size);
	derive(out + 22, 32, "Holon ledger envelope v1: commitment", key, out, 22);
	blake3_hash(head_hash, out, ENVELOPE_HEAD);
	derive(coefficients, (size_t)threshold * 32, "Holon ledger envelope v1: polynomial", key, head_hash,
	       32);
	uint8_t *entry = out + ENVELOPE_HEAD;
	enum crypto_status status = CRYPTO_OK;
	for (uint64_t left = keys->members; left && status == CRYPTO_OK;
	     left &= left - 1, entry += ENVELOPE_ENTRY) {
		unsigned validator = (unsigned)__builtin_ctzll(left);
		uint8_t more[33], message[32], shared[32], mask[32], share[32];
		memcpy(more, head_hash, 32);
		more[32] = (uint8_t)validator;
		derive(message, 32, "Holon ledger envelope v1: encapsulation", key, more, sizeof(more));
		status = mlkem_encapsulate(MLKEM_768, keys->kem[validator], MLKEM768_EK_SIZE, message, entry,
		                           shared);
		derive(mask, 32, "Holon ledger envelope v1: mask", shared, more, sizeof(more));
		share_of(key, coefficients, threshold, validator, share);
		for (unsigned i = 0; i < 32; i++)
			entry[SHARE_MASK + i] = share[i] ^ mask[i];
		share_hash(out + 22, validator, share, entry + SHARE_HASH);
		crypto_wipe(shared, sizeof(shared));
		crypto_wipe(mask, sizeof(mask));
		crypto_wipe(share, sizeof(share));
		crypto_wipe(message, sizeof(message));
	}
	/* All that stands before is associated data; the commitment binds the key, which AES-GCM alone would not. */
	derive(secret, 32, "Holon ledger envelope v1: payload", key, head_hash, 32);
	if (status == CRYPTO_OK)
		status = aead_encrypt(AEAD_AES_256_GCM, secret, nonce, sizeof(nonce), out,
		                      (size_t)(entry - out), plain, plain_size, entry, entry + plain_size);
	crypto_wipe(secret, sizeof(secret));
	crypto_wipe(coefficients, sizeof(coefficients));
	return status;
}

bool envelope_decode(const uint8_t *in, size_t size, uint64_t epoch, uint64_t members,
                     struct envelope_view *out)
{
	if (size < ENVELOPE_HEAD || in[0] != ENVELOPE_KIND ||
	    (in[1] != ENVELOPE_ONE && in[1] != ENVELOPE_BUNDLE))
		return false;
	out->form = in[1];
	out->epoch = load_le64(in + 2);
	out->members = load_le64(in + 10);
	out->size = load_le32(in + 18);
	out->commitment = in + 22;
	out->entries = in + ENVELOPE_HEAD;
	if (out->epoch != epoch || out->members != members || !out->size || out->size > ENVELOPE_MAX_PLAIN ||
	    size != envelope_size(set_size(members), out->size))
		return false;
	out->ciphertext = out->entries + (size_t)set_size(members) * ENVELOPE_ENTRY;
	return true;
}

const uint8_t *envelope_bundle_next(const uint8_t **at, const uint8_t *end, uint32_t *size)
{
	if (end - *at < 5)
		return NULL;
	const uint8_t *payload = *at + 4;
	*size = load_le32(*at);
	if (!*size || *size > (size_t)(end - payload))
		return NULL;
	*at = payload + *size;
	return payload;
}

unsigned envelope_bundle_count(const uint8_t *plain, size_t plain_size)
{
	const uint8_t *at = plain, *end = plain + plain_size;
	uint32_t size;
	unsigned count = 0;
	while (envelope_bundle_next(&at, end, &size))
		count++;
	return at == end && count <= ENVELOPE_MAX_BUNDLE ? count : 0;
}

static const uint8_t *entry_of(const struct envelope_view *view, unsigned validator)
{
	if (validator >= DAG_MAX_VALIDATORS || !(view->members >> validator & 1))
		return NULL;
	return view->entries + (size_t)set_size(view->members & (set_of(validator) - 1)) * ENVELOPE_ENTRY;
}

bool envelope_share(const struct envelope_view *view, const uint8_t *in, unsigned validator,
                    const uint8_t dk[MLKEM768_DK_SIZE], uint8_t share[ENVELOPE_KEY])
{
	const uint8_t *entry = entry_of(view, validator);
	uint8_t more[33], shared[32], mask[32];
	if (!entry ||
	    mlkem_decapsulate(MLKEM_768, dk, MLKEM768_DK_SIZE, entry, MLKEM768_CT_SIZE, shared) != CRYPTO_OK)
		return false;
	blake3_hash(more, in, ENVELOPE_HEAD);
	more[32] = (uint8_t)validator;
	derive(mask, 32, "Holon ledger envelope v1: mask", shared, more, sizeof(more));
	for (unsigned i = 0; i < 32; i++)
		share[i] = entry[SHARE_MASK + i] ^ mask[i];
	crypto_wipe(shared, sizeof(shared));
	crypto_wipe(mask, sizeof(mask));
	return envelope_share_fits(view, validator, share);
}

bool envelope_share_fits(const struct envelope_view *view, unsigned validator,
                         const uint8_t share[ENVELOPE_KEY])
{
	const uint8_t *entry = entry_of(view, validator);
	uint8_t hash[32];
	if (!entry)
		return false;
	share_hash(view->commitment, validator, share, hash);
	return !memcmp(hash, entry + SHARE_HASH, 32);
}

void envelope_combine(const uint8_t (*shares)[ENVELOPE_KEY], const uint8_t *validators, unsigned count,
                      uint8_t key[ENVELOPE_KEY])
{
	struct vector sum = {{0}};
	for (unsigned i = 0; i < count; i++) {
		/* Lagrange's factor at zero: the product of x_j / (x_j - x_i). */
		uint8_t factor = 1;
		for (unsigned j = 0; j < count; j++) {
			uint8_t point = (uint8_t)(validators[j] + 1), own = (uint8_t)(validators[i] + 1);
			if (j != i)
				factor =
				    field_multiply(factor, field_multiply(point, field_invert(point ^ own)));
		}
		sum = vector_add(sum, vector_scale(vector_load(shares[i]), factor));
	}
	memcpy(key, &sum, sizeof(sum));
}

bool envelope_open(const struct envelope_view *view, const uint8_t *in, size_t size,
                   const struct envelope_keys *keys, const uint8_t key[ENVELOPE_KEY], uint8_t *plain)
{
	static const uint8_t nonce[12];
	uint8_t check[32], secret[32];
	/* The commitment first: most wrong keys end here. */
	derive(check, 32, "Holon ledger envelope v1: commitment", key, in, 22);
	if (memcmp(check, view->commitment, 32) != 0)
		return false;
	blake3_hash(check, in, ENVELOPE_HEAD);
	derive(secret, 32, "Holon ledger envelope v1: payload", key, check, 32);
	if (aead_decrypt(AEAD_AES_256_GCM, secret, nonce, sizeof(nonce), in, (size_t)(view->ciphertext - in),
	                 view->ciphertext, view->size, view->ciphertext + view->size, plain) != CRYPTO_OK)
		return false;
	uint8_t *again = ledger_allocate(1, size);
	bool same = envelope_seal(keys, key, view->form, plain, view->size, again) == CRYPTO_OK &&
	            !memcmp(again, in, size);
	free(again);
	return same;
}
