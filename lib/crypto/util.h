/*
 * What every part of the library shares: the error codes, wiping and comparing of secrets, byte order.
 *
 * The library is portable C11, freestanding (it needs memcpy, memmove, memset and memcmp at link time, which
 * compilers demand anyway), allocates nothing and keeps no state between calls. Functions that can fail
 * return enum crypto_status; on failure every output is zeroed. Lengths are in bytes unless a name says
 * otherwise.
 */
#ifndef CRYPTO_UTIL_H
#define CRYPTO_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);
int memcmp(const void *a, const void *b, size_t length);

/* Results. Zero is success; every error is negative. */
enum crypto_status {
	CRYPTO_OK = 0,
	CRYPTO_BAD_ARGUMENT =
	    -1, /* a parameter outside its documented range (unknown algorithm, context too long) */
	CRYPTO_BAD_LENGTH = -2,    /* a key, ciphertext, signature or buffer has the wrong length */
	CRYPTO_BAD_ENCODING = -3,  /* bytes that no correct encoder produces */
	CRYPTO_BAD_SIGNATURE = -4, /* well-formed, but not a valid signature of this message under this key */
	CRYPTO_BAD_KEY = -5,       /* a key that fails its checks */
	CRYPTO_BAD_CIPHERTEXT = -6, /* authentication of a ciphertext failed */
	CRYPTO_BAD_PASSPHRASE = -7, /* the passphrase does not open this key */
	CRYPTO_UNSUPPORTED = -8,    /* known, but not available in this build or at this size */
	CRYPTO_NO_MEMORY = -9,      /* the caller's working memory is too small */
	CRYPTO_INTERNAL = -10,      /* a check of the library on itself failed; no output was made */
};

/* The result must be looked at. */
#define CRYPTO_MUST_CHECK __attribute__((warn_unused_result))

/*
 * Marks a function whose unsigned arithmetic wraps on purpose (hash rounds, modular reductions), so that
 * -fsanitize=integer still finds the places where it does not.
 */
#if defined(__clang__)
#define CRYPTO_WRAPS __attribute__((no_sanitize("unsigned-integer-overflow", "unsigned-shift-base")))
#else
#define CRYPTO_WRAPS
#endif

#define CRYPTO_INLINE static inline __attribute__((always_inline, unused))

/* A short name for `code`, e.g. "bad signature"; never NULL. */
const char *crypto_status_text(enum crypto_status code);

/* Overwrites `length` bytes with zeros; the compiler cannot leave it out. */
void crypto_wipe(void *memory, size_t length);

/* Whether two secrets of `length` bytes are equal. Time depends only on `length`. */
bool crypto_equal(const void *a, const void *b, size_t length) CRYPTO_MUST_CHECK;

/*
 * Marks bytes that were derived from secrets and may be public from here on (a signature, the verdict of a
 * rejection loop). Does nothing but under the constant-time check (CRYPTO_CT_CHECK), where valgrind treats
 * secrets as undefined memory. Every use has a comment that says why it leaks nothing.
 */
#ifdef CRYPTO_CT_CHECK
void crypto_declassify(const void *memory, size_t length);
#else
CRYPTO_INLINE void crypto_declassify(const void *memory, size_t length)
{
	(void)memory;
	(void)length;
}
#endif

/* Hides a value from the optimiser, so that it cannot turn mask arithmetic back into a branch. */
CRYPTO_INLINE uint32_t crypto_barrier32(uint32_t value)
{
	__asm__("" : "+r"(value));
	return value;
}

CRYPTO_INLINE uint64_t crypto_barrier64(uint64_t value)
{
#if UINTPTR_MAX > UINT32_MAX
	__asm__("" : "+r"(value));
#else
	__asm__("" : "+m"(value));
#endif
	return value;
}

/* Unaligned loads and stores in a fixed byte order. */
CRYPTO_INLINE uint16_t load_le16(const void *from)
{
	const uint8_t *p = from;
	return (uint16_t)(p[0] | p[1] << 8);
}

CRYPTO_INLINE uint32_t load_le32(const void *from)
{
	const uint8_t *p = from;
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

CRYPTO_INLINE uint64_t load_le64(const void *from)
{
	const uint8_t *p = from;
	return (uint64_t)load_le32(p) | (uint64_t)load_le32(p + 4) << 32;
}

CRYPTO_INLINE uint32_t load_be32(const void *from)
{
	const uint8_t *p = from;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

CRYPTO_INLINE uint64_t load_be64(const void *from)
{
	const uint8_t *p = from;
	return (uint64_t)load_be32(p) << 32 | (uint64_t)load_be32(p + 4);
}

CRYPTO_INLINE void store_le16(void *to, uint16_t value)
{
	uint8_t *p = to;
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

CRYPTO_INLINE void store_le32(void *to, uint32_t value)
{
	uint8_t *p = to;
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
	p[2] = (uint8_t)(value >> 16);
	p[3] = (uint8_t)(value >> 24);
}

CRYPTO_INLINE void store_le64(void *to, uint64_t value)
{
	uint8_t *p = to;
	store_le32(p, (uint32_t)value);
	store_le32(p + 4, (uint32_t)(value >> 32));
}

CRYPTO_INLINE void store_be32(void *to, uint32_t value)
{
	uint8_t *p = to;
	p[0] = (uint8_t)(value >> 24);
	p[1] = (uint8_t)(value >> 16);
	p[2] = (uint8_t)(value >> 8);
	p[3] = (uint8_t)value;
}

CRYPTO_INLINE void store_be64(void *to, uint64_t value)
{
	uint8_t *p = to;
	store_be32(p, (uint32_t)(value >> 32));
	store_be32(p + 4, (uint32_t)value);
}

#endif
