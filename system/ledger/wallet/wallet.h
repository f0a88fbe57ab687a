/*
 * holon-wallet's parts: words and keys (BIP-39, BIP-32, BIP-44), the encrypted file, the signer process. Only the signer process ever has a secret in memory.
 */
#ifndef LEDGER_WALLET_H
#define LEDGER_WALLET_H

#include "num/types.h"

#include "crypto/hybrid_sign.h"

#include "rpc/client.h"

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
	int process; /* a child of ours; 0: somebody else's */
};
/*
 * Starts the signer for a wallet's file. It asks for the passphrase (or reads the first line of `passphrase_file`), shows
 * each thing to sign on the terminal and asks, unless `yes`.
 */
bool signer_start(struct signer *signer, const char *path, const char *passphrase_file, bool yes);
/* One that runs by itself, at this socket. */
bool signer_connect(struct signer *signer, const char *socket_path);
/* Runs it so, until it is killed. The exit status. */
int signer_serve(const char *socket_path, const char *path, const char *passphrase_file, bool yes);
/* The same for one client, which started it. */
int signer_serve_fd(int fd, const char *path, const char *passphrase_file, bool yes);
void signer_stop(struct signer *signer);

/*
 * Chooses an account for the requests that follow: number `index` of those whose first key is a secp256k1 one (BIP-44), or a hybrid
 * one. Its address.
 *
 * An account's keys have generations. 0 is the first; the higher ones are hybrid keys that were put in its place
 * (tx/account_key.h).
 */
bool signer_account(struct signer *signer, uint32_t index, bool hybrid, struct address *out);
/* False for generation 0 of a secp256k1 account. */
bool signer_key_hash(struct signer *signer, uint32_t generation, struct hash32 *out);
/* `unsigned_bytes` is a transaction with an empty signature; the signed bytes, from malloc(), or NULL when refused. */
uint8_t *signer_transaction(struct signer *signer, uint32_t generation, const uint8_t *unsigned_bytes,
                            size_t size, size_t *signed_size);
/* The data of the transaction that puts key `generation` in place; from malloc(), or NULL when refused. */
uint8_t *signer_key_change(struct signer *signer, uint32_t generation, uint64_t chain_id,
                           const struct hash32 *before, size_t *size);

/* A message's signature: EIP-191's r, s, v; or a hybrid public key and its signature of the same digest. */
#define MESSAGE_SIGNATURE_SIZE 65
#define MESSAGE_HYBRID_SIZE    (HYBRID_SIGN_PK_SIZE + HYBRID_SIGN_SIGNATURE_SIZE)
#define MESSAGE_CONTEXT        "Holon ledger v1: message"
void message_digest(struct hash32 *out, const char *message, size_t size);
uint8_t *signer_message(struct signer *signer, uint32_t generation, const char *message, size_t *size);
/* Asks on the terminal; false when there is none. Also for the creation of wallets. */
bool read_passphrase(char *out, size_t size, const char *file, const char *prompt);

/* ---- commands of more than a few lines (send.c); exit statuses ---- */
struct wallet_options {
	const char *url;
	const char *directory;
	const char *wallet;
	const char *file;   /* the wallet's; NULL: by directory and name */
	const char *signer; /* the socket of one that runs by itself; NULL: a child */
	const char *passphrase_file;
	uint32_t index;
	bool hybrid;
	bool offline;
	uint64_t gas;
	bool yes;
	const char *words[16]; /* what is no option */
	int count;
};
int complain(const char *why);
void wallet_path(const struct wallet_options *o, char out[512]);
/* The signer, with the account of the options chosen; `address` is its. */
bool open_account(const struct wallet_options *o, struct signer *signer, struct address *address);
/* Which generation of its keys the chain has for the account, and the hash it has in place (zero: none). */
bool ask_generation(const struct wallet_options *o, struct signer *signer, const struct address *address,
                    uint32_t *generation, struct hash32 *placed);
int command_send(const struct wallet_options *o);
int command_deploy(const struct wallet_options *o);
int command_call(const struct wallet_options *o);
int command_rotate(const struct wallet_options *o);

#endif
