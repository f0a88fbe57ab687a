/*
 * The crypto oracle: the library behind a line protocol, so that other implementations and vector files in
 * any language can be held against it.
 *
 * A request is one line, "OP ARG ARG ...": arguments are hexadecimal bytes ("-" for none), numbers are their
 * little-endian bytes. The answer is one line: "ok FIELD ..." with hexadecimal fields, or "error NAME" with
 * the name of the status code ("BAD_SIGNATURE"), or "usage WHY" when the request itself is malformed. Answers
 * come in the order of the requests; nothing else is printed. "limit MASK" restricts the processor features
 * (crypto_cpu_limit) from then on; a pre-hash function is its number in enum prehash.
 */
#ifndef CRYPTO_ORACLE_H
#define CRYPTO_ORACLE_H

#include "crypto/util.h"

#define ORACLE_MAX_ARGUMENTS 8

struct oracle_bytes {
	uint8_t *data; /* exactly `length` bytes on the heap, so that the address sanitizer sees overreads */
	size_t length;
};

struct oracle_call {
	const char *name;    /* the operation's, without the variant */
	const char *variant; /* what follows the operation's name after a colon ("sha2:256"), or "" */
	size_t count;
	struct oracle_bytes argument[ORACLE_MAX_ARGUMENTS];
};

/* One operation: takes exactly `arguments` arguments, adds its results with oracle_reply. */
struct oracle_operation {
	const char *name;
	size_t arguments;
	enum crypto_status (*run)(const struct oracle_call *call);
};

/* Each table ends with a NULL name. */
extern const struct oracle_operation oracle_hash_operations[];
extern const struct oracle_operation oracle_mlkem_mldsa_operations[];
extern const struct oracle_operation oracle_slhdsa_operations[];
extern const struct oracle_operation oracle_classical_operations[];
extern const struct oracle_operation oracle_combined_operations[];

/* Adds one field to the answer. Dropped when the operation fails. */
void oracle_reply(const void *data, size_t length);

/* The number in argument `index` (at most 8 little-endian bytes). */
uint64_t oracle_number(const struct oracle_call *call, size_t index);

/* `length` zeroed bytes on the heap, freed when the call is answered. */
uint8_t *oracle_scratch(size_t length);

/* CRYPTO_OK when argument `index` has `length` bytes, for interfaces that take fixed-size arrays. */
enum crypto_status oracle_expect(const struct oracle_call *call, size_t index,
                                 size_t length) CRYPTO_MUST_CHECK;

/* The same for an argument that may be absent: `out` is NULL when it is empty. */
enum crypto_status oracle_optional(const struct oracle_call *call, size_t index, size_t length,
                                   const uint8_t **out) CRYPTO_MUST_CHECK;

#endif
