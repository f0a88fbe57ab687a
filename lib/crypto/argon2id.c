/* Argon2id by libargon2. The library's own checks of its parameters are repeated here for clear errors. */
#include "argon2id.h"

#include <argon2.h>

const struct argon2id_cost argon2id_default_cost = {.memory_kib = 65536, .passes = 3, .lanes = 1};

enum crypto_status argon2id(uint8_t *out, size_t out_size, const struct argon2id_cost *cost,
                            const void *passphrase, size_t passphrase_size, const uint8_t *salt,
                            size_t salt_size, const void *secret, size_t secret_size, const void *data,
                            size_t data_size)
{
	enum crypto_status status = CRYPTO_OK;
	if (cost->lanes < 1 || cost->lanes > ARGON2_MAX_LANES || cost->passes < 1 ||
	    cost->memory_kib < 8 * (uint64_t)cost->lanes)
		status = CRYPTO_BAD_ARGUMENT;
	else if (salt_size < ARGON2ID_MIN_SALT_SIZE || out_size < ARGON2ID_MIN_OUT_SIZE ||
	         (out_size | salt_size | passphrase_size | secret_size | data_size) > UINT32_MAX)
		status = CRYPTO_BAD_LENGTH;
	if (status) {
		crypto_wipe(out, out_size);
		return status;
	}
	/* libargon2 takes pointers to non-const, but writes to its inputs only when a flag asks it to. */
	argon2_context context = {
	    .out = out,
	    .outlen = (uint32_t)out_size,
	    .pwd = (uint8_t *)passphrase,
	    .pwdlen = (uint32_t)passphrase_size,
	    .salt = (uint8_t *)salt,
	    .saltlen = (uint32_t)salt_size,
	    .secret = (uint8_t *)secret,
	    .secretlen = (uint32_t)secret_size,
	    .ad = (uint8_t *)data,
	    .adlen = (uint32_t)data_size,
	    .t_cost = cost->passes,
	    .m_cost = cost->memory_kib,
	    .lanes = cost->lanes,
	    .threads = 1,
	    .version = ARGON2_VERSION_13,
	    .flags = ARGON2_DEFAULT_FLAGS,
	};
	int result = argon2id_ctx(&context);
	if (result == ARGON2_OK)
		return CRYPTO_OK;
	crypto_wipe(out, out_size);
	return result == ARGON2_MEMORY_ALLOCATION_ERROR ? CRYPTO_NO_MEMORY : CRYPTO_INTERNAL;
}
