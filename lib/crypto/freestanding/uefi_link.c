/* An entry point that keeps the loader's share in a UEFI image, so that linking it proves that it links. */
#include "crypto/blake3.h"
#include "crypto/hybrid_sign.h"
#include "crypto/slhdsa.h"

const void *efi_main(void);

/* UEFI images bring their own memory functions; the linker must not find others. */
__attribute__((no_builtin)) void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}

__attribute__((no_builtin)) void *memset(void *to, int byte, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)to)[i] = (uint8_t)byte;
	return to;
}

__attribute__((no_builtin)) int memcmp(const void *a, const void *b, size_t length)
{
	const uint8_t *left = a, *right = b;
	for (size_t i = 0; i < length; i++)
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	return 0;
}

const void *efi_main(void)
{
	static const void *volatile const kept[] = {
	    (const void *)hybrid_verify, (const void *)slhdsa_verify,        (const void *)blake3_hash,
	    (const void *)shake256_hash, (const void *)hybrid_message_start,
	};
	return kept[0];
}
