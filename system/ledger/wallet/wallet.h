/*
 * holon-wallet's parts: words and keys (BIP-39, BIP-32, BIP-44), the encrypted file, the signer process, and a client of
 * JSON-RPC. Only the signer process ever has a secret in memory.
 */
#ifndef LEDGER_WALLET_H
#define LEDGER_WALLET_H

#include "num/types.h"

#include <jansson.h>

#define WALLET_ENTROPY_MAX 32

/* ---- words (mnemonic.c) ---- */
/* 12 words for 16 bytes, 24 for 32. `out` has room for 24 words of at most 8 letters, blanks and a terminator. */
#define WALLET_WORDS_SIZE 220
void words_from_entropy(char out[WALLET_WORDS_SIZE], const uint8_t *entropy, size_t size);
/* Entropy and its size from 12, 15, 18, 21 or 24 words; false when a word is unknown or the checksum wrong. */
bool words_to_entropy(const char *words, uint8_t entropy[WALLET_ENTROPY_MAX], size_t *size);
/* The seed of the words and an optional passphrase. */
void words_seed(uint8_t seed[64], const char *words, const char *passphrase);
/* The secret key at m/44'/60'/0'/0/index. */
bool wallet_derive(uint8_t key[32], const uint8_t seed[64], uint32_t index);

/* ---- the file (keystore.c): entropy under a passphrase, Argon2id and XChaCha20-Poly1305 ---- */
bool keystore_write(const char *path, const uint8_t *entropy, size_t size, const char *passphrase);
bool keystore_read(const char *path, uint8_t entropy[WALLET_ENTROPY_MAX], size_t *size,
                   const char *passphrase);

/* ---- the signer: a process of its own (signer.c) ---- */
struct signer {
	int socket;
	int process;
};
/*
 * Starts the signer for a wallet's file. It asks for the passphrase (or reads the first line of `passphrase_file`), shows
 * each thing to sign on the terminal and asks, unless `yes`.
 */
bool signer_start(struct signer *signer, const char *path, const char *passphrase_file, uint32_t index,
                  bool yes);
void signer_stop(struct signer *signer);
bool signer_address(struct signer *signer, struct address *out);
/* `unsigned_bytes` is a transaction with an empty signature; the signed bytes, from malloc(), or NULL when refused. */
uint8_t *signer_transaction(struct signer *signer, const uint8_t *unsigned_bytes, size_t size,
                            size_t *signed_size);
/* EIP-191 */
bool signer_message(struct signer *signer, const char *message, uint8_t signature[65]);
/* Asks on the terminal; false when there is none. Also for the creation of wallets. */
bool read_passphrase(char *out, size_t size, const char *file, const char *prompt);

/* ---- JSON-RPC (client.c): http only. NULL after printing why ---- */
json_t *client_call(const char *url, const char *method, json_t *params);

#endif
