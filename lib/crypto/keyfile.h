/*
 * Key files and signature files: versioned, canonical, checked.
 *
 * Key file:       "HolonKey" || version 1 || kind || algorithm (2 bytes) || [protection] || key || check
 *   kind          1 public, 2 secret, 3 secret under a passphrase
 *   protection    kind 3 only: Argon2id memory in KiB, passes, lanes (4 bytes each) || salt (16) || nonce
 * (24) key           kinds 1 and 2: the stored form of keys.h; kind 3: its XChaCha20-Poly1305 ciphertext and
 * tag under the key that Argon2id derives, with all bytes before it as associated data check         SHA3-256
 * of all bytes before it: tells damage from a wrong passphrase; no protection against forgers, who can
 * compute it Signature file: "HolonSig" || version 1 || form || algorithm (2 bytes) || key id (32) ||
 * signature form          0 pure, 1 + enum prehash for a pre-hashed message
 *
 * Numbers are little-endian. Every length follows from the algorithm and the kind, and decoding accepts
 * nothing but what encoding makes: a key has one public and one secret file, and a file says one thing.
 * Contexts are not in signature files: the verifier must know them.
 */
#ifndef CRYPTO_KEYFILE_H
#define CRYPTO_KEYFILE_H

#include "aead.h"
#include "argon2id.h"
#include "keys.h"

enum key_kind {
	KEY_PUBLIC = 1,
	KEY_SECRET = 2,
	KEY_PROTECTED = 3,
};

#define KEYFILE_SALT_SIZE       16
#define KEYFILE_NONCE_SIZE      24
#define KEYFILE_HEADER_SIZE     12
#define KEYFILE_PROTECTION_SIZE (12 + KEYFILE_SALT_SIZE + KEYFILE_NONCE_SIZE)
#define KEYFILE_CHECK_SIZE      32
#define KEYFILE_MAX_SIZE        (KEYFILE_HEADER_SIZE + KEY_MAX_SIZE + KEYFILE_CHECK_SIZE)

/*
 * Bounds on the cost a file may ask for, so that a hostile one cannot take the machine: 1 GiB, 16 lanes, and
 * memory times passes of 4 GiB (some ten seconds).
 */
#define KEYFILE_MAX_MEMORY_KIB (1u << 20)
#define KEYFILE_MAX_LANES      16
#define KEYFILE_MAX_WORK_KIB   (1u << 22)

/* A key as it is stored. Wiped by its owner when secret. */
struct key {
	const struct key_algorithm_info *info;
	enum key_kind kind;
	uint8_t bytes[KEY_MAX_SIZE]; /* info->public_size or info->secret_size of them; none when protected */
};

/* How a protected file is made or was made. */
struct key_protection {
	struct argon2id_cost cost;
	uint8_t salt[KEYFILE_SALT_SIZE];
	uint8_t nonce[KEYFILE_NONCE_SIZE];
};

/* Writes a public or secret key's file. CRYPTO_BAD_ARGUMENT: another kind; CRYPTO_BAD_KEY: it fails its
 * check. */
enum crypto_status keyfile_encode(const struct key *key, uint8_t out[KEYFILE_MAX_SIZE],
                                  size_t *size) CRYPTO_MUST_CHECK;

/*
 * Writes a secret key's file under a passphrase. `protection` has a fresh random salt and nonce.
 * CRYPTO_BAD_ARGUMENT: a cost out of bounds; CRYPTO_NO_MEMORY.
 */
enum crypto_status keyfile_encode_protected(const struct key *key, const struct key_protection *protection,
                                            const void *passphrase, size_t passphrase_size,
                                            uint8_t out[KEYFILE_MAX_SIZE], size_t *size) CRYPTO_MUST_CHECK;

/*
 * Reads a file of any kind; of a protected one everything but the key. CRYPTO_BAD_ENCODING: not a key file,
 * or a damaged one; CRYPTO_UNSUPPORTED: another version, or an unknown algorithm; CRYPTO_BAD_LENGTH: cut off
 * or too long; CRYPTO_BAD_KEY: not a key of its algorithm; CRYPTO_BAD_ARGUMENT: a cost out of bounds.
 */
enum crypto_status keyfile_decode(struct key *key, const uint8_t *in, size_t size) CRYPTO_MUST_CHECK;

/*
 * Reads a protected file's secret key, and its parameters into `protection` unless that is NULL. Errors as
 * above; CRYPTO_BAD_PASSPHRASE; CRYPTO_BAD_ARGUMENT for a file without a passphrase.
 */
enum crypto_status keyfile_unlock(struct key *key, const uint8_t *in, size_t size, const void *passphrase,
                                  size_t passphrase_size,
                                  struct key_protection *protection) CRYPTO_MUST_CHECK;

/*
 * The key that a passphrase stands for. CRYPTO_BAD_ARGUMENT: a cost out of the bounds above; CRYPTO_NO_MEMORY.
 */
enum crypto_status passphrase_key(uint8_t out[AEAD_KEY_SIZE], const struct argon2id_cost *cost,
                                  const uint8_t salt[KEYFILE_SALT_SIZE], const void *passphrase,
                                  size_t passphrase_size) CRYPTO_MUST_CHECK;

#define SIGFILE_HEADER_SIZE (12 + KEY_ID_SIZE)
#define SIGFILE_PURE        (-1)

/* A signature file, read. `signature` points into the input and has info->output_size bytes. */
struct signature_file {
	const struct key_algorithm_info *info;
	int form; /* SIGFILE_PURE or an enum prehash */
	uint8_t key_id[KEY_ID_SIZE];
	const uint8_t *signature;
};

/* Writes everything that precedes the signature. */
void sigfile_encode_header(const struct key_algorithm_info *info, int form, const uint8_t key_id[KEY_ID_SIZE],
                           uint8_t out[SIGFILE_HEADER_SIZE]);

/* CRYPTO_BAD_ENCODING, CRYPTO_UNSUPPORTED, CRYPTO_BAD_LENGTH: as for key files. Says nothing of validity. */
enum crypto_status sigfile_decode(struct signature_file *file, const uint8_t *in,
                                  size_t size) CRYPTO_MUST_CHECK;

#endif
