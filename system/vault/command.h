/* The vault command: what its parts share.
 *
 *   vault.c   options, keys that people give, making, opening, closing, mounting
 *   care.c    what is done to a vault as a whole: snapshots, scrubs, mirrors, key slots, new keys, growth, quotas
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "../subkernel/libholon.h"
#include <holon/vault.h>

enum { GOOD = 0, REPAIRED = 1, DAMAGED = 2, WRONG = 3 };

struct options {
	const char *key_file, *size, *snapshot, *label, *nodes;
	int passphrase_fd, words_fd;
	long slot;
	bool read_only, force, erase, yes, words, compress, alone, goes_on, machine, passphrase, anchor,
	    unanchored;
	char **arguments;
	int count;
	char **command; /* behind "--" */
};

/* ---- vault.c ---- */

_Noreturn void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What errno means for what was done to WHAT. */
_Noreturn void fail_errno(const char *what);
void put(char *to, size_t size, const char *text, const char *what);
uint64_t parse_size(const char *text);
/* What a person gives, into CREDENTIALS and named by REQUEST; TWICE where it is new. */
extern uint8_t credentials[VAULT_CREDENTIALS_MAX];
void take_credentials(struct holon_vault *request, const struct options *options, bool twice);
void arguments_are(const struct options *options, int least, int most);
void confirm(const struct options *options, const char *what);
int run_simple(const struct options *options, enum holon_vault_operation operation, bool snapshot);

/* ---- care.c ---- */

int run_snapshot(const struct options *options);
int run_scrub(const struct options *options);
int run_mirror(const struct options *options);
int run_grow(const struct options *options);
int run_key(const struct options *options);
int run_rekey(const struct options *options);
int run_quota(const struct options *options);
/* Takes the other legs of the vault that OPENED names, which DEVICE is one of, on whatever devices there are. */
void find_legs(const struct holon_vault *opened, const char *device);
