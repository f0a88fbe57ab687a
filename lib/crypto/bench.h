/* The library's side of `make bench-crypto`: tables of operations to time. A part of the library adds its own
 * table. */
#ifndef CRYPTO_BENCH_H
#define CRYPTO_BENCH_H

#include "crypto/util.h"

/* One operation. `setup` may be NULL; it runs once before each timing. `run` fails by calling bench_fail().
 */
struct bench_row {
	const char *name; /* as in bench_openssl.mjs */
	size_t bytes;     /* processed in one run; 0 where a rate means nothing */
	void (*setup)(unsigned variant);
	void (*run)(unsigned variant);
	unsigned variant; /* handed to both */
};

_Noreturn void bench_fail(const char *what);
#define bench_must(status) ((status) == CRYPTO_OK ? (void)0 : bench_fail(#status))

/* Ended by a row without a name. */
extern const struct bench_row bench_hash_rows[];
extern const struct bench_row bench_slhdsa_rows[];
extern const struct bench_row bench_mlkem_mldsa_rows[];

#endif
