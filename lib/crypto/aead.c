/*
 * AEAD by libsodium (ChaCha20) and BearSSL (AES-GCM).
 *
 * AES-GCM is BearSSL's because it is the faster of the two with AES instructions and the only one that also
 * runs, in constant time, without them; libsodium refuses such machines.
 */
#include "aead.h"

#include <bearssl.h>
#include <sodium/crypto_aead_chacha20poly1305.h>
#include <sodium/crypto_aead_xchacha20poly1305.h>
#if __STDC_HOSTED__
#include <sodium/core.h>

/*
 * Lets libsodium choose its vector code, before main() and so without races: ChaCha20 is three times as fast.
 * Native units, which are compiled as freestanding, stay with the portable code.
 */
__attribute__((constructor)) static void choose_vector_code(void)
{
	/* Its only failures leave the portable code in place. */
	(void)(sodium_init() < 0);
}
#endif

/* The strictest of the three: 2^32 - 1 counter blocks of 16 bytes in GCM, less one for the tag. */
#define MAX_PLAINTEXT (((uint64_t)1 << 36) - 64)

size_t aead_nonce_size(enum aead algorithm)
{
	switch (algorithm) {
	case AEAD_CHACHA20_POLY1305:
	case AEAD_AES_256_GCM:
		return 12;
	case AEAD_XCHACHA20_POLY1305:
		return 24;
	}
	return 0;
}

static enum crypto_status check(enum aead algorithm, size_t nonce_size, size_t size)
{
	size_t expected = aead_nonce_size(algorithm);
	if (expected == 0)
		return CRYPTO_BAD_ARGUMENT;
	/* SP 800-38D section 8.2 wants 12 bytes and allows any other number but none. */
	bool fits = algorithm == AEAD_AES_256_GCM ? nonce_size > 0 : nonce_size == expected;
	return fits && size <= MAX_PLAINTEXT ? CRYPTO_OK : CRYPTO_BAD_LENGTH;
}

struct gcm {
	union {
		br_aes_x86ni_ctr_keys x86ni;
		br_aes_ct64_ctr_keys ct64;
	} keys;
	br_gcm_context context;
};

/*
 * Both getters answer NULL where the processor lacks the instructions. They ask it with CPUID each time, which costs
 * tens of microseconds in a virtual machine; so the answers are kept. Threads may race: they write the same.
 */
static const br_block_ctr_class *aes_class(void)
{
	static const br_block_ctr_class *_Atomic kept;
	const br_block_ctr_class *class = __c11_atomic_load(&kept, __ATOMIC_RELAXED);
	if (!class) {
		class = br_aes_x86ni_ctr_get_vtable();
		class = class ? class : &br_aes_ct64_ctr_vtable;
		__c11_atomic_store(&kept, class, __ATOMIC_RELAXED);
	}
	return class;
}

static br_ghash ghash_function(void)
{
	static _Atomic(br_ghash) kept;
	br_ghash function = __c11_atomic_load(&kept, __ATOMIC_RELAXED);
	if (!function) {
		function = br_ghash_pclmul_get();
		function = function ? function : br_ghash_ctmul64;
		__c11_atomic_store(&kept, function, __ATOMIC_RELAXED);
	}
	return function;
}

static void gcm_start(struct gcm *gcm, const uint8_t *key, const uint8_t *nonce, size_t nonce_size,
                      const void *data, size_t data_size)
{
	const br_block_ctr_class *aes = aes_class();
	br_ghash ghash = ghash_function();
	const br_block_ctr_class **keys = (const br_block_ctr_class **)&gcm->keys;
	aes->init(keys, key, AEAD_KEY_SIZE);
	br_gcm_init(&gcm->context, keys, ghash);
	br_gcm_reset(&gcm->context, nonce, nonce_size);
	br_gcm_aad_inject(&gcm->context, data, data_size);
	br_gcm_flip(&gcm->context);
}

/* BearSSL works in place. */
static void copy(uint8_t *out, const uint8_t *in, size_t size)
{
	if (size && out != in)
		memmove(out, in, size);
}

static void gcm_encrypt(const uint8_t *key, const uint8_t *nonce, size_t nonce_size, const void *data,
                        size_t data_size, const uint8_t *in, size_t size, uint8_t *out, uint8_t *tag)
{
	struct gcm gcm;
	gcm_start(&gcm, key, nonce, nonce_size, data, data_size);
	copy(out, in, size);
	br_gcm_run(&gcm.context, 1, out, size);
	br_gcm_get_tag(&gcm.context, tag);
	crypto_wipe(&gcm, sizeof gcm);
}

static bool gcm_decrypt(const uint8_t *key, const uint8_t *nonce, size_t nonce_size, const void *data,
                        size_t data_size, const uint8_t *in, size_t size, const uint8_t *tag, uint8_t *out)
{
	struct gcm gcm;
	gcm_start(&gcm, key, nonce, nonce_size, data, data_size);
	copy(out, in, size);
	br_gcm_run(&gcm.context, 0, out, size);
	bool good = br_gcm_check_tag(&gcm.context, tag) == 1;
	crypto_wipe(&gcm, sizeof gcm);
	return good;
}

enum crypto_status aead_encrypt(enum aead algorithm, const uint8_t key[AEAD_KEY_SIZE], const uint8_t *nonce,
                                size_t nonce_size, const void *data, size_t data_size, const uint8_t *in,
                                size_t size, uint8_t *out, uint8_t tag[AEAD_TAG_SIZE])
{
	enum crypto_status status = check(algorithm, nonce_size, size);
	if (status) {
		crypto_wipe(tag, AEAD_TAG_SIZE);
		crypto_wipe(out, size);
		return status;
	}
	uint8_t nowhere[1]; /* libsodium wants some address even for nothing */
	out = out ? out : nowhere;
	if (algorithm == AEAD_AES_256_GCM)
		gcm_encrypt(key, nonce, nonce_size, data, data_size, in, size, out, tag);
	else if (algorithm == AEAD_CHACHA20_POLY1305)
		crypto_aead_chacha20poly1305_ietf_encrypt_detached(out, tag, NULL, in, size, data, data_size,
		                                                   NULL, nonce, key);
	else
		crypto_aead_xchacha20poly1305_ietf_encrypt_detached(out, tag, NULL, in, size, data, data_size,
		                                                    NULL, nonce, key);
	return CRYPTO_OK;
}

enum crypto_status aead_decrypt(enum aead algorithm, const uint8_t key[AEAD_KEY_SIZE], const uint8_t *nonce,
                                size_t nonce_size, const void *data, size_t data_size, const uint8_t *in,
                                size_t size, const uint8_t tag[AEAD_TAG_SIZE], uint8_t *out)
{
	enum crypto_status status = check(algorithm, nonce_size, size);
	bool good;
	if (status) {
		crypto_wipe(out, size);
		return status;
	}
	uint8_t nowhere[1];
	in = in ? in : nowhere;
	out = out ? out : nowhere;
	if (algorithm == AEAD_AES_256_GCM)
		good = gcm_decrypt(key, nonce, nonce_size, data, data_size, in, size, tag, out);
	else if (algorithm == AEAD_CHACHA20_POLY1305)
		good = crypto_aead_chacha20poly1305_ietf_decrypt_detached(out, NULL, in, size, tag, data,
		                                                          data_size, nonce, key) == 0;
	else
		good = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(out, NULL, in, size, tag, data,
		                                                           data_size, nonce, key) == 0;
	if (!good)
		crypto_wipe(out, size);
	return good ? CRYPTO_OK : CRYPTO_BAD_CIPHERTEXT;
}
