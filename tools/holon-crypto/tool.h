/*
 * holon-crypto: what its commands share. Every function that can fail says what went wrong with which input
 * on stderr and ends the program (status 1; 2 for a wrong command line): a command that returns has
 * succeeded.
 */
#ifndef HOLON_CRYPTO_TOOL_H
#define HOLON_CRYPTO_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "crypto/keyfile.h"
#include "crypto/shared_box.h"

/* The command line, after its options were read. */
struct options {
	const char *key;                          /* -k, the first */
	const char *keys[SHARED_BOX_OPENERS_MAX]; /* seal: all of them */
	size_t key_count;
	const char *out;             /* -o */
	const char *public_out;      /* -p */
	const char *signature;       /* -s */
	const char *shared_out;      /* --shared */
	const char *peer;            /* --peer */
	const char *context;         /* -c */
	const char *prehash;         /* --prehash */
	const char *passphrase_file; /* --passphrase-file */
	uint32_t memory_mib;         /* --memory, 0 if not given */
	uint32_t passes;             /* --passes, 0 if not given */
	uint64_t length;             /* --length, 0 if not given */
	bool passphrase;             /* --passphrase: ask on the terminal */
	bool deterministic, raw, force, quiet, text;
	char **arguments; /* what is not an option */
	int count;
};

struct command {
	const char *name;
	const char *synopsis;
	const char *summary;
	void (*run)(const struct options *options);
	int least, most;     /* number of arguments */
	const char *allowed; /* the letters of the options it knows (main.c) */
};

void run_keygen(const struct options *options);
void run_public(const struct options *options);
void run_inspect(const struct options *options);
void run_sign(const struct options *options);
void run_verify(const struct options *options);
void run_encapsulate(const struct options *options);
void run_decapsulate(const struct options *options);
void run_agree(const struct options *options);
void run_seal(const struct options *options);
void run_open(const struct options *options);
void run_hash(const struct options *options);
void run_speed(const struct options *options);
void run_selftest(const struct options *options);

/* ---- messages (main.c) ---- */

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The option's value; without it, a usage error that names it. */
const char *need(const char *value, const char *option);
/* For calls that only fail when the machine or the library is broken. */
void must(enum crypto_status status, const char *what);

/* ---- input and output (files.c) ---- */

/* "-" or NULL: standard input, output. How a file is called in messages: */
const char *input_name(const char *path);

struct input {
	const char *name;
	int fd;
	uint64_t size; /* of a regular file, else 0 */
	uint64_t done;
	const char *verb; /* for the progress line, e.g. "sealing" */
	bool progress, shown;
	uint64_t last_shown_ns;
};

/* Opens `path`; progress is shown on stderr when that is a terminal, unless `quiet`. */
void input_open(struct input *input, const char *path, const char *verb, bool quiet);
/* Fills `buffer` as far as the input goes; fewer bytes than `room` mean its end. */
size_t input_read(struct input *input, void *buffer, size_t room);
void input_close(struct input *input);

/* Reads a whole small file; longer than `most` bytes is an error that says what was expected. */
size_t read_small(const char *path, void *buffer, size_t most, const char *what);
/* Reads a whole input of any length into memory; the caller frees it. */
uint8_t *read_all(const char *path, const char *verb, bool quiet, size_t *size);

/*
 * Output appears under its name only when complete: it is written to an unnamed (or temporary) file beside
 * it, which output_commit() puts in place. Ending the program in any way before that leaves nothing. Existing
 * files are refused unless `force`. Pipes and devices are written directly.
 */
struct output {
	const char *path, *name;
	char *temporary; /* a name of its own, removed when the program ends early; NULL while the file is
	                    unnamed */
	int fd;
	bool direct, force, secret;
};

void output_open(struct output *output, const char *path, bool secret, bool force);
/* Two at once, so that a name in the way of one leaves nothing of the other, and neither takes the other's
 * place.
 */
void output_open_pair(struct output *first, const char *first_path, bool first_secret, struct output *second,
                      const char *second_path, bool second_secret, bool force);
void output_write(struct output *output, const void *data, size_t size);
void output_commit(struct output *output);
/* All of it at once. */
void write_file(const char *path, const void *data, size_t size, bool secret, bool force);

/* Fresh random bytes of the kernel. */
void random_bytes(void *out, size_t size);

/* ---- keys (keys.c) ---- */

/* Reads a key file and demands a public or secret key for `use`; asks for the passphrase of a protected one.
 */
void load_public(struct key *key, const char *path, enum key_use use);
void load_secret(struct key *key, const char *path, enum key_use use, const struct options *options);
/* Reads a key file in either form into FILE; its size. */
size_t read_key_file(const char *path, uint8_t file[KEYFILE_MAX_SIZE]);
/* The cost of a new passphrase, by the options. */
struct argon2id_cost cost_of(const struct options *options);
/* The id of a key, secret or public. */
void id_of_key(const struct key *key, uint8_t id[KEY_ID_SIZE]);
void print_hex(FILE *out, const uint8_t *bytes, size_t size);

/* ---- keys as text (text.c) ---- */

#define TEXT_MAX (KEYFILE_MAX_SIZE / 3 * 4 + KEYFILE_MAX_SIZE / 48 + 200)
/* Writes a key file as text; its length. */
size_t text_encode(const uint8_t *file, size_t size, char out[TEXT_MAX]);
/* Whether TEXT holds the beginning of a key in this form; then OUT has the file it stands for, *SIZE 0 if it is damaged. */
bool text_decode(const char *text, size_t length, uint8_t *out, size_t room, size_t *size);

/* ---- passphrases (passphrase.c) ---- */

#define MAX_PASSPHRASE 1024
/* Reads the passphrase for `path` from --passphrase-file or the terminal; `twice` asks again to be sure. */
size_t read_passphrase(const struct options *options, const char *path, bool twice, char out[MAX_PASSPHRASE]);

/* ---- hash functions (hash.c) ---- */

struct hasher;
struct tool_hash {
	const char *name;
	int prehash;     /* enum prehash, or -1 */
	size_t size;     /* of the digest */
	bool extendable; /* any length of output */
};
extern const struct tool_hash tool_hashes[];
extern const size_t tool_hash_count;
/* A usage error when there is none of that name. */
const struct tool_hash *find_hash(const char *name);
/* Hashes an input to its end into `out`. */
void hash_input(const struct tool_hash *function, struct input *input, uint8_t *out, size_t size);

#endif
