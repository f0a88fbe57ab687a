/* Wiping, constant-time comparison and the names of the error codes. */
#include "util.h"

void crypto_wipe(void *memory, size_t length)
{
	memset(memory, 0, length);
	/* The memory counts as read here, so the stores above stay. */
	__asm__ volatile("" : : "r"(memory) : "memory");
}

bool crypto_equal(const void *a, const void *b, size_t length)
{
	const uint8_t *p = a, *q = b;
	uint32_t difference = 0;
	for (size_t i = 0; i < length; i++)
		difference |= (uint32_t)(p[i] ^ q[i]);
	/* The sum reaches bit 32 exactly when the difference is not 0. */
	difference = crypto_barrier32(difference);
	return (1 & ((uint64_t)difference + 0xffffffffu) >> 32) == 0;
}

const char *crypto_status_text(enum crypto_status code)
{
	switch (code) {
	case CRYPTO_OK:
		return "success";
	case CRYPTO_BAD_ARGUMENT:
		return "bad argument";
	case CRYPTO_BAD_LENGTH:
		return "wrong length";
	case CRYPTO_BAD_ENCODING:
		return "bad encoding";
	case CRYPTO_BAD_SIGNATURE:
		return "bad signature";
	case CRYPTO_BAD_KEY:
		return "bad key";
	case CRYPTO_BAD_CIPHERTEXT:
		return "bad ciphertext";
	case CRYPTO_BAD_PASSPHRASE:
		return "wrong passphrase";
	case CRYPTO_UNSUPPORTED:
		return "not supported";
	case CRYPTO_NO_MEMORY:
		return "working memory too small";
	case CRYPTO_INTERNAL:
		return "internal check failed";
	}
	return "unknown status";
}
