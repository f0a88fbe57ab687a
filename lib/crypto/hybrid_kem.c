/* X-Wing. See hybrid_kem.h. */
#include "hybrid_kem.h"
#include "sha3.h"

static const uint8_t label[6] = {'\\', '.', '/', '/', '^', '\\'};

enum crypto_status hybrid_kem_keygen(struct hybrid_kem_key *key, const uint8_t seed[HYBRID_KEM_SEED_SIZE])
{
	uint8_t expanded[2 * MLKEM_SEED_SIZE + X25519_SIZE];
	shake256_hash(expanded, sizeof expanded, seed, HYBRID_KEM_SEED_SIZE);
	memcpy(key->x25519_sk, expanded + 2 * MLKEM_SEED_SIZE, X25519_SIZE);
	x25519_public(key->pk + MLKEM768_EK_SIZE, key->x25519_sk);
	enum crypto_status status =
	    mlkem_keygen(MLKEM_768, expanded, expanded + MLKEM_SEED_SIZE, key->pk, key->mlkem_dk);
	crypto_wipe(expanded, sizeof expanded);
	if (status)
		crypto_wipe(key, sizeof *key);
	return status;
}

static void combine(uint8_t shared[HYBRID_KEM_SHARED_SIZE], const uint8_t mlkem_shared[MLKEM_SHARED_SIZE],
                    const uint8_t x25519_shared[X25519_SIZE], const uint8_t x25519_ct[X25519_SIZE],
                    const uint8_t x25519_pk[X25519_SIZE])
{
	struct sha3 hash;
	sha3_256_init(&hash);
	sha3_update(&hash, mlkem_shared, MLKEM_SHARED_SIZE);
	sha3_update(&hash, x25519_shared, X25519_SIZE);
	sha3_update(&hash, x25519_ct, X25519_SIZE);
	sha3_update(&hash, x25519_pk, X25519_SIZE);
	sha3_update(&hash, label, sizeof label);
	sha3_final(&hash, shared);
}

/*
 * X25519 with a point of small order is defined to be zero, and the definition of X-Wing has no check: the
 * combiner binds both points, and ML-KEM's secret keeps the result unknown.
 */
static void x25519_any(uint8_t shared[X25519_SIZE], const uint8_t sk[X25519_SIZE],
                       const uint8_t peer[X25519_SIZE])
{
	if (x25519(shared, sk, peer) != CRYPTO_OK)
		memset(shared, 0, X25519_SIZE);
}

enum crypto_status hybrid_kem_encapsulate(const uint8_t *pk, size_t pk_size,
                                          const uint8_t random[HYBRID_KEM_RANDOM_SIZE],
                                          uint8_t ct[HYBRID_KEM_CT_SIZE],
                                          uint8_t shared[HYBRID_KEM_SHARED_SIZE])
{
	uint8_t mlkem_shared[MLKEM_SHARED_SIZE], x25519_shared[X25519_SIZE];
	enum crypto_status status = CRYPTO_BAD_LENGTH;
	if (pk_size == HYBRID_KEM_PK_SIZE)
		status = mlkem_encapsulate(MLKEM_768, pk, MLKEM768_EK_SIZE, random, ct, mlkem_shared);
	if (status) {
		crypto_wipe(ct, HYBRID_KEM_CT_SIZE);
		crypto_wipe(shared, HYBRID_KEM_SHARED_SIZE);
		return status;
	}
	const uint8_t *x25519_pk = pk + MLKEM768_EK_SIZE;
	uint8_t *x25519_ct = ct + MLKEM768_CT_SIZE;
	x25519_public(x25519_ct, random + MLKEM_SEED_SIZE);
	x25519_any(x25519_shared, random + MLKEM_SEED_SIZE, x25519_pk);
	combine(shared, mlkem_shared, x25519_shared, x25519_ct, x25519_pk);
	crypto_wipe(mlkem_shared, sizeof mlkem_shared);
	crypto_wipe(x25519_shared, sizeof x25519_shared);
	return CRYPTO_OK;
}

enum crypto_status hybrid_kem_decapsulate(const struct hybrid_kem_key *key, const uint8_t *ct, size_t ct_size,
                                          uint8_t shared[HYBRID_KEM_SHARED_SIZE])
{
	uint8_t mlkem_shared[MLKEM_SHARED_SIZE], x25519_shared[X25519_SIZE];
	enum crypto_status status = CRYPTO_BAD_LENGTH;
	if (ct_size == HYBRID_KEM_CT_SIZE)
		status = mlkem_decapsulate(MLKEM_768, key->mlkem_dk, sizeof key->mlkem_dk, ct,
		                           MLKEM768_CT_SIZE, mlkem_shared);
	if (status) {
		crypto_wipe(shared, HYBRID_KEM_SHARED_SIZE);
		return status;
	}
	x25519_any(x25519_shared, key->x25519_sk, ct + MLKEM768_CT_SIZE);
	combine(shared, mlkem_shared, x25519_shared, ct + MLKEM768_CT_SIZE, key->pk + MLKEM768_EK_SIZE);
	crypto_wipe(mlkem_shared, sizeof mlkem_shared);
	crypto_wipe(x25519_shared, sizeof x25519_shared);
	return CRYPTO_OK;
}
