/* Sealed boxes. See sealed_box.h for the format. */
#include "sealed_box.h"
#include "hkdf.h"
#include "sha3.h"

#define PREFIX_SIZE  9
#define BOUND_SIZE   (PREFIX_SIZE + HYBRID_KEM_CT_SIZE) /* the header before the commitment */
#define SEALED_CHUNK (SEALED_BOX_CHUNK + SEALED_BOX_TAG_SIZE)

static const uint8_t prefix[PREFIX_SIZE] = {'H', 'o', 'l', 'o', 'n', 'B', 'o', 'x', 1};
static const char label[] = "Holon sealed box v1: X-Wing, HKDF-SHA512, ChaCha20-Poly1305, 65536";

/* Derives the box's key, and its commitment. */
static enum crypto_status derive(struct sealed_box *box, uint8_t commitment[SEALED_BOX_COMMIT_SIZE],
                                 const uint8_t shared[HYBRID_KEM_SHARED_SIZE], const uint8_t *header,
                                 const uint8_t *pk, const void *context, size_t context_size)
{
	uint8_t length[8], info[SHA3_256_SIZE], keys[AEAD_KEY_SIZE + SEALED_BOX_COMMIT_SIZE];
	struct sha3 hash;
	store_le64(length, context_size);
	sha3_256_init(&hash);
	sha3_update(&hash, header, BOUND_SIZE);
	sha3_update(&hash, pk, HYBRID_KEM_PK_SIZE);
	sha3_update(&hash, length, sizeof length);
	sha3_update(&hash, context, context_size);
	sha3_final(&hash, info);
	enum crypto_status status = hkdf(&hash_functions[PREHASH_SHA2_512], keys, sizeof keys, label,
	                                 sizeof label, shared, HYBRID_KEM_SHARED_SIZE, info, sizeof info);
	memcpy(box->key, keys, AEAD_KEY_SIZE);
	memcpy(commitment, keys + AEAD_KEY_SIZE, SEALED_BOX_COMMIT_SIZE);
	crypto_wipe(keys, sizeof keys);
	box->chunk = 0;
	box->open = true;
	return status;
}

static enum crypto_status stop(struct sealed_box *box, enum crypto_status status)
{
	crypto_wipe(box, sizeof *box);
	return status;
}

enum crypto_status sealed_box_seal_start(struct sealed_box *box, const uint8_t *pk, size_t pk_size,
                                         const void *context, size_t context_size,
                                         const uint8_t random[SEALED_BOX_RANDOM_SIZE],
                                         uint8_t header[SEALED_BOX_HEADER_SIZE])
{
	uint8_t shared[HYBRID_KEM_SHARED_SIZE];
	memcpy(header, prefix, PREFIX_SIZE);
	enum crypto_status status = hybrid_kem_encapsulate(pk, pk_size, random, header + PREFIX_SIZE, shared);
	if (status == CRYPTO_OK)
		status = derive(box, header + BOUND_SIZE, shared, header, pk, context, context_size);
	crypto_wipe(shared, sizeof shared);
	if (status == CRYPTO_OK)
		return CRYPTO_OK;
	crypto_wipe(header, SEALED_BOX_HEADER_SIZE);
	return stop(box, status);
}

enum crypto_status sealed_box_open_start(struct sealed_box *box, const struct hybrid_kem_key *key,
                                         const void *context, size_t context_size, const uint8_t *header,
                                         size_t header_size)
{
	uint8_t shared[HYBRID_KEM_SHARED_SIZE], commitment[SEALED_BOX_COMMIT_SIZE];
	if (header_size != SEALED_BOX_HEADER_SIZE)
		return stop(box, CRYPTO_BAD_LENGTH);
	if (memcmp(header, prefix, PREFIX_SIZE) != 0)
		return stop(box, CRYPTO_BAD_ENCODING);
	enum crypto_status status =
	    hybrid_kem_decapsulate(key, header + PREFIX_SIZE, HYBRID_KEM_CT_SIZE, shared);
	if (status == CRYPTO_OK)
		status = derive(box, commitment, shared, header, key->pk, context, context_size);
	crypto_wipe(shared, sizeof shared);
	if (status == CRYPTO_OK && !crypto_equal(commitment, header + BOUND_SIZE, SEALED_BOX_COMMIT_SIZE))
		status = CRYPTO_BAD_KEY;
	crypto_wipe(commitment, sizeof commitment);
	return status == CRYPTO_OK ? CRYPTO_OK : stop(box, status);
}

static bool size_allowed(const struct sealed_box *box, size_t size, bool last)
{
	if (!last)
		return size == SEALED_BOX_CHUNK;
	return size <= SEALED_BOX_CHUNK && (size > 0 || box->chunk == 0);
}

static void next_nonce(struct sealed_box *box, bool last, uint8_t nonce[12])
{
	memset(nonce, 0, 3);
	nonce[3] = last;
	store_le64(nonce + 4, box->chunk++);
}

enum crypto_status sealed_box_seal_chunk(struct sealed_box *box, const uint8_t *in, size_t size, bool last,
                                         uint8_t *out)
{
	uint8_t nonce[12];
	if (!box->open || !size_allowed(box, size, last)) {
		crypto_wipe(out, size + SEALED_BOX_TAG_SIZE);
		return stop(box, CRYPTO_BAD_ARGUMENT);
	}
	next_nonce(box, last, nonce);
	enum crypto_status status = aead_encrypt(AEAD_CHACHA20_POLY1305, box->key, nonce, sizeof nonce, NULL,
	                                         0, in, size, out, out + size);
	return status || last ? stop(box, status) : CRYPTO_OK;
}

enum crypto_status sealed_box_open_chunk(struct sealed_box *box, const uint8_t *in, size_t size, bool last,
                                         uint8_t *out)
{
	uint8_t nonce[12], tag[SEALED_BOX_TAG_SIZE];
	if (size < SEALED_BOX_TAG_SIZE)
		return stop(box, CRYPTO_BAD_LENGTH);
	size_t plain = size - SEALED_BOX_TAG_SIZE;
	if (!box->open || !size_allowed(box, plain, last)) {
		enum crypto_status why = box->open ? CRYPTO_BAD_LENGTH : CRYPTO_BAD_ARGUMENT;
		crypto_wipe(out, plain);
		return stop(box, why);
	}
	next_nonce(box, last, nonce);
	memcpy(tag, in + plain, sizeof tag);
	enum crypto_status status =
	    aead_decrypt(AEAD_CHACHA20_POLY1305, box->key, nonce, sizeof nonce, NULL, 0, in, plain, tag, out);
	return status || last ? stop(box, status) : CRYPTO_OK;
}

size_t sealed_box_size(size_t size)
{
	size_t chunks = size ? (size - 1) / SEALED_BOX_CHUNK + 1 : 1;
	size_t overhead = SEALED_BOX_HEADER_SIZE + chunks * SEALED_BOX_TAG_SIZE;
	return size <= SIZE_MAX - overhead ? size + overhead : 0;
}

enum crypto_status sealed_box_seal(const uint8_t *pk, size_t pk_size, const void *context,
                                   size_t context_size, const uint8_t random[SEALED_BOX_RANDOM_SIZE],
                                   const uint8_t *in, size_t size, uint8_t *out)
{
	struct sealed_box box;
	enum crypto_status status =
	    sealed_box_seal_start(&box, pk, pk_size, context, context_size, random, out);
	uint8_t *to = out + SEALED_BOX_HEADER_SIZE;
	for (size_t at = 0; status == CRYPTO_OK && box.open; at += SEALED_BOX_CHUNK, to += SEALED_CHUNK) {
		size_t left = size - at;
		bool last = left <= SEALED_BOX_CHUNK;
		status = sealed_box_seal_chunk(&box, size ? in + at : in, last ? left : SEALED_BOX_CHUNK,
		                               last, to);
	}
	if (status)
		crypto_wipe(out, sealed_box_size(size));
	return status;
}

enum crypto_status sealed_box_open(const struct hybrid_kem_key *key, const void *context, size_t context_size,
                                   const uint8_t *in, size_t size, uint8_t *out, size_t *out_size)
{
	struct sealed_box box;
	enum crypto_status status = CRYPTO_BAD_LENGTH;
	*out_size = 0;
	if (size >= SEALED_BOX_HEADER_SIZE)
		status = sealed_box_open_start(&box, key, context, context_size, in, SEALED_BOX_HEADER_SIZE);
	size_t at = SEALED_BOX_HEADER_SIZE, opened = 0;
	while (status == CRYPTO_OK && box.open) {
		size_t left = size - at;
		bool last = left <= SEALED_CHUNK;
		size_t piece = last ? left : SEALED_CHUNK;
		status = sealed_box_open_chunk(&box, in + at, piece, last, out + opened);
		if (status == CRYPTO_OK)
			opened += piece - SEALED_BOX_TAG_SIZE;
		at += piece;
	}
	if (status)
		crypto_wipe(out, size);
	else
		*out_size = opened;
	return status;
}
