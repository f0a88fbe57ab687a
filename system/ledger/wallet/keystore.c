/*
 * The wallet's file: "HolonWallet1", salt (16), nonce (24), length of the entropy (1), its ciphertext, tag (16). The
 * key is Argon2id's of the passphrase at the library's default cost; all before the ciphertext is authenticated.
 */
#include "wallet/wallet.h"

#include "crypto/aead.h"
#include "crypto/argon2id.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#define MAGIC_SIZE 12
#define SALT_SIZE  16
#define NONCE_SIZE 24
#define HEAD_SIZE  (MAGIC_SIZE + SALT_SIZE + NONCE_SIZE + 1)

static const uint8_t magic[12] = {'H', 'o', 'l', 'o', 'n', 'W', 'a', 'l', 'l', 'e', 't', '1'};

static bool derive(uint8_t key[32], const char *passphrase, const uint8_t *salt)
{
	return argon2id(key, 32, &argon2id_default_cost, passphrase, strlen(passphrase), salt, SALT_SIZE,
	                NULL, 0, NULL, 0) == CRYPTO_OK;
}

bool keystore_write(const char *path, const uint8_t *entropy, size_t size, const char *passphrase)
{
	uint8_t file[HEAD_SIZE + WALLET_ENTROPY_MAX + AEAD_TAG_SIZE];
	uint8_t key[32];
	uint8_t *salt = file + MAGIC_SIZE;
	uint8_t *nonce = salt + SALT_SIZE;
	memcpy(file, magic, MAGIC_SIZE);
	file[HEAD_SIZE - 1] = (uint8_t)size;
	if (getrandom(salt, SALT_SIZE + NONCE_SIZE, 0) != SALT_SIZE + NONCE_SIZE ||
	    !derive(key, passphrase, salt) ||
	    aead_encrypt(AEAD_XCHACHA20_POLY1305, key, nonce, NONCE_SIZE, file, HEAD_SIZE, entropy, size,
	                 file + HEAD_SIZE, file + HEAD_SIZE + size) != CRYPTO_OK)
		return false;
	crypto_wipe(key, sizeof key);
	const size_t total = HEAD_SIZE + size + AEAD_TAG_SIZE;
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		fprintf(stderr, "holon-wallet: cannot create %s: %m\n", path);
		return false;
	}
	const bool good = write(fd, file, total) == (ssize_t)total && fsync(fd) == 0;
	if (close(fd) != 0 || !good) {
		fprintf(stderr, "holon-wallet: cannot write %s: %m\n", path);
		unlink(path);
		return false;
	}
	return true;
}

bool keystore_read(const char *path, uint8_t entropy[WALLET_ENTROPY_MAX], size_t *size,
                   const char *passphrase)
{
	uint8_t file[HEAD_SIZE + WALLET_ENTROPY_MAX + AEAD_TAG_SIZE + 1];
	uint8_t key[32];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "holon-wallet: cannot open %s: %m\n", path);
		return false;
	}
	const ssize_t got = read(fd, file, sizeof file);
	close(fd);
	*size = got > HEAD_SIZE ? file[HEAD_SIZE - 1] : 0;
	if (*size < 16 || *size > WALLET_ENTROPY_MAX || got != (ssize_t)(HEAD_SIZE + *size + AEAD_TAG_SIZE) ||
	    memcmp(file, magic, MAGIC_SIZE) != 0) {
		fprintf(stderr, "holon-wallet: %s is not a wallet\n", path);
		return false;
	}
	const bool good =
	    derive(key, passphrase, file + MAGIC_SIZE) &&
	    aead_decrypt(AEAD_XCHACHA20_POLY1305, key, file + MAGIC_SIZE + SALT_SIZE, NONCE_SIZE, file,
	                 HEAD_SIZE, file + HEAD_SIZE, *size, file + HEAD_SIZE + *size, entropy) == CRYPTO_OK;
	crypto_wipe(key, sizeof key);
	if (!good)
		fprintf(stderr, "holon-wallet: wrong passphrase, or %s is damaged\n", path);
	return good;
}
