/*
 * The classical algorithms linked as a native unit links them: Debian's static libraries, unit_support.c and
 * no glibc. Run, it checks an answer of each and exits with 0, or with the number of the first that is wrong.
 */
#include "bare.h"

#include "crypto/aead.h"
#include "crypto/argon2id.h"
#include "crypto/hybrid_kem.h"
#include "crypto/hybrid_sign.h"

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void free(void *memory);
size_t strlen(const char *text);
int strncmp(const char *a, const char *b, size_t length);

/* Stands for newlib's. */
static uint8_t heap[4 << 20] __attribute__((aligned(64)));
static size_t heap_used;

void *malloc(size_t size)
{
	size_t start = heap_used;
	size = (size + 63) & ~(size_t)63;
	if (size > sizeof heap - start)
		return NULL;
	heap_used += size;
	return heap + start;
}

void *calloc(size_t count, size_t size)
{
	return malloc(count * size);
}

void free(void *memory)
{
	(void)memory;
}

size_t strlen(const char *text)
{
	size_t length = 0;
	while (text[length])
		length++;
	return length;
}

int strncmp(const char *a, const char *b, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (a[i] != b[i] || !a[i])
			return (unsigned char)a[i] - (unsigned char)b[i];
	return 0;
}

int bare_main(void)
{
	static struct hybrid_sign_key sign_key;
	static struct hybrid_kem_key kem_key;
	static uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE], ct[HYBRID_KEM_CT_SIZE];
	static const enum aead aeads[] = {AEAD_CHACHA20_POLY1305, AEAD_XCHACHA20_POLY1305, AEAD_AES_256_GCM};
	static const uint64_t tags[] = {0x8c50ebe22e5de37d, 0x038b064dfdc199fc, 0x7c166b3bf542cfeb};
	uint8_t seed[64] = {1}, shared[32], same[32], out[100], tag[AEAD_TAG_SIZE], text[100] = {2};
	bare_thread_pointer();

	/* RFC 8032, test 1 */
	uint8_t ed_seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
	                       0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
	                       0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
	uint8_t pk[ED25519_PK_SIZE], sk[ED25519_SK_SIZE];
	ed25519_keygen(ed_seed, pk, sk);
	ed25519_sign(sk, NULL, 0, signature);
	if (load_be64(signature) != 0xe5564300c360ac72 || ed25519_verify(pk, NULL, 0, signature))
		return 1;
	if (hybrid_sign_keygen(&sign_key, seed) || hybrid_sign(&sign_key, "m", 1, NULL, 0, NULL, signature) ||
	    hybrid_verify(sign_key.pk, sizeof sign_key.pk, "m", 1, NULL, 0, signature, sizeof signature))
		return 2;
	if (hybrid_kem_keygen(&kem_key, seed) ||
	    hybrid_kem_encapsulate(kem_key.pk, sizeof kem_key.pk, seed, ct, shared) ||
	    hybrid_kem_decapsulate(&kem_key, ct, sizeof ct, same) || memcmp(shared, same, 32) != 0)
		return 3;
	for (int i = 0; i < 3; i++) {
		if (aead_encrypt(aeads[i], seed, seed, aead_nonce_size(aeads[i]), "d", 1, text, 100, out,
		                 tag) ||
		    load_be64(tag) != tags[i] ||
		    aead_decrypt(aeads[i], seed, seed, aead_nonce_size(aeads[i]), "d", 1, out, 100, tag,
		                 out) ||
		    memcmp(out, text, 100) != 0)
			return 4 + i;
	}
	/* RFC 9106 section 5.3 */
	uint8_t passphrase[32], salt[16], secret[8], data[12];
	memset(passphrase, 1, sizeof passphrase);
	memset(salt, 2, sizeof salt);
	memset(secret, 3, sizeof secret);
	memset(data, 4, sizeof data);
	struct argon2id_cost cost = {.memory_kib = 32, .passes = 3, .lanes = 4};
	if (argon2id(out, 32, &cost, passphrase, 32, salt, 16, secret, 8, data, 12) ||
	    load_be64(out) != 0x0d640df58d78766c)
		return 7;
	return 0;
}
