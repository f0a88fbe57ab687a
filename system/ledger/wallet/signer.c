/*
 * The signer: a child process that opens the wallet, shows what it is to sign and signs it. Its parent, which talks to
 * the network, sends a kind, a length and content over a socket pair and gets a length and content back (length 0:
 * refused). The child decodes what it shows from the very bytes it signs.
 */
#include "wallet/wallet.h"

#include "num/hex.h"
#include "tx/signature.h"
#include "tx/transaction.h"

#include "crypto/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define MAX_REQUEST ((uint32_t)1 << 20)

struct request {
	uint8_t kind; /* 'A', 'T' or 'M' */
	uint32_t size;
};

static bool read_all(int fd, void *out, size_t size)
{
	for (uint8_t *next = out; size;) {
		const ssize_t got = read(fd, next, size);
		if (got <= 0)
			return false;
		next += got;
		size -= (size_t)got;
	}
	return true;
}

static bool write_all(int fd, const void *bytes, size_t size)
{
	for (const uint8_t *next = bytes; size;) {
		const ssize_t put = write(fd, next, size);
		if (put <= 0)
			return false;
		next += put;
		size -= (size_t)put;
	}
	return true;
}

bool read_passphrase(char *out, size_t size, const char *file, const char *prompt)
{
	struct termios before;
	FILE *in = fopen(file ? file : "/dev/tty", file ? "r" : "r+");
	if (!in) {
		fprintf(stderr, "holon-wallet: cannot ask for a passphrase: %m; use --passphrase-file\n");
		return false;
	}
	const bool hide = !file && tcgetattr(fileno(in), &before) == 0;
	if (hide) {
		struct termios quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(fileno(in), TCSAFLUSH, &quiet);
		fprintf(in, "%s: ", prompt);
		fflush(in);
	}
	const bool good = fgets(out, (int)size, in) != NULL;
	if (hide) {
		tcsetattr(fileno(in), TCSAFLUSH, &before);
		fprintf(in, "\n");
	}
	fclose(in);
	if (good)
		out[strcspn(out, "\n")] = 0;
	return good;
}

static bool confirm(bool yes)
{
	char line[16] = "";
	if (yes)
		return true;
	FILE *terminal = fopen("/dev/tty", "r+");
	if (!terminal) {
		fprintf(stderr, "holon-wallet: no terminal to ask on; use --yes\n");
		return false;
	}
	fprintf(terminal, "sign it? [y/N] ");
	fflush(terminal);
	const bool got = fgets(line, sizeof line, terminal) != NULL;
	fclose(terminal);
	return got && (line[0] == 'y' || line[0] == 'Y');
}

static void show_transaction(const struct transaction *t)
{
	char text[80];
	static const uint8_t transfer[4] = {0xa9, 0x05, 0x9c, 0xbb};
	fprintf(stderr, "--- signer: a transaction ---\nchain  %llu\nnonce  %llu\ngas    %llu\n",
	        (unsigned long long)t->chain_id, (unsigned long long)t->nonce,
	        (unsigned long long)t->gas_limit);
	if (t->create)
		fprintf(stderr, "makes a contract of %zu bytes of code\n", t->data_size);
	else
		fprintf(stderr, "to     %s\n", hex_encode(text, t->to.bytes, 20));
	if (!u256_is_zero(&t->value))
		fprintf(stderr, "value  %s\n", hex_from_u256(text, &t->value));
	if (!t->create && t->data_size == 68 && memcmp(t->data, transfer, 4) == 0) {
		struct u256 amount;
		u256_load(&amount, t->data + 36);
		fprintf(stderr, "token  transfer to %s", hex_encode(text, t->data + 16, 20));
		fprintf(stderr, " of %s units\n", hex_from_u256(text, &amount));
	} else if (!t->create && t->data_size) {
		fprintf(stderr, "data   %zu bytes, function %s\n", t->data_size,
		        hex_encode(text, t->data, t->data_size < 4 ? t->data_size : 4));
	}
}

static bool sign_transaction(const uint8_t key[32], uint8_t *bytes, size_t size, bool yes,
                             struct rlp_writer *out)
{
	struct arena arena = {0};
	struct transaction transaction;
	const char *why = "";
	bool good = transaction_decode(&transaction, bytes, size, &arena, &why);
	if (!good) {
		fprintf(stderr, "signer: refused, %s\n", why);
	} else {
		show_transaction(&transaction);
		good = confirm(yes) && transaction_sign(&transaction, key);
	}
	if (good)
		transaction_encode(out, &transaction, false);
	arena_deinit(&arena);
	return good;
}

static bool sign_message(const uint8_t key[32], const uint8_t *message, size_t size, bool yes,
                         struct rlp_writer *out)
{
	struct rlp_writer text = {0};
	struct hash32 digest;
	unsigned parity;
	struct u256 r;
	struct u256 s;
	char prefix[64];
	uint8_t signature[65];
	fprintf(stderr, "--- signer: a message of %zu bytes ---\n%.*s\n", size, (int)size,
	        (const char *)message);
	if (!confirm(yes))
		return false;
	const int length = snprintf(prefix, sizeof prefix,
	                            "\x19"
	                            "Ethereum Signed Message:\n%zu",
	                            size);
	rlp_put_raw(&text, prefix, (size_t)length);
	rlp_put_raw(&text, message, size);
	keccak256(digest.bytes, text.bytes, text.length);
	rlp_free(&text);
	if (!signature_sign(&digest, key, &parity, &r, &s))
		return false;
	u256_store(signature, &r);
	u256_store(signature + 32, &s);
	signature[64] = (uint8_t)(27 + parity);
	rlp_put_raw(out, signature, sizeof signature);
	return true;
}

static void serve(int socket, const uint8_t key[32], bool yes)
{
	struct request request;
	while (read_all(socket, &request, sizeof request) && request.size <= MAX_REQUEST) {
		uint8_t *content = checked_alloc(request.size);
		struct rlp_writer out = {0};
		struct address address;
		bool good = read_all(socket, content, request.size);
		if (good && request.kind == 'A' && signature_address(&address, key))
			rlp_put_raw(&out, address.bytes, 20);
		else if (good && request.kind == 'T')
			(void)sign_transaction(key, content, request.size, yes, &out);
		else if (good && request.kind == 'M')
			(void)sign_message(key, content, request.size, yes, &out);
		const uint32_t size = (uint32_t)out.length;
		good = good && write_all(socket, &size, sizeof size) && write_all(socket, out.bytes, size);
		rlp_free(&out);
		free(content);
		if (!good)
			return;
	}
}

static int run_signer(int socket, const char *path, const char *passphrase_file, uint32_t index, bool yes)
{
	char passphrase[256];
	char words[WALLET_WORDS_SIZE];
	uint8_t entropy[WALLET_ENTROPY_MAX];
	uint8_t seed[64];
	uint8_t key[32];
	size_t size;
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!read_passphrase(passphrase, sizeof passphrase, passphrase_file, "passphrase") ||
	    !keystore_read(path, entropy, &size, passphrase))
		return 1;
	words_from_entropy(words, entropy, size);
	words_seed(seed, words, "");
	const bool good = wallet_derive(key, seed, index);
	crypto_wipe(passphrase, sizeof passphrase);
	crypto_wipe(words, sizeof words);
	crypto_wipe(entropy, sizeof entropy);
	crypto_wipe(seed, sizeof seed);
	if (good)
		serve(socket, key, yes);
	crypto_wipe(key, sizeof key);
	return good ? 0 : 1;
}

bool signer_start(struct signer *signer, const char *path, const char *passphrase_file, uint32_t index,
                  bool yes)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	const int process = fork();
	if (process < 0)
		return false;
	if (process == 0) {
		close(pair[0]);
		_exit(run_signer(pair[1], path, passphrase_file, index, yes));
	}
	close(pair[1]);
	*signer = (struct signer){pair[0], process};
	return true;
}

void signer_stop(struct signer *signer)
{
	close(signer->socket);
	waitpid(signer->process, NULL, 0);
}

static uint8_t *ask(struct signer *signer, uint8_t kind, const void *content, size_t size,
                    size_t *answer_size)
{
	const struct request request = {kind, (uint32_t)size};
	uint32_t length;
	if (size > MAX_REQUEST || !write_all(signer->socket, &request, sizeof request) ||
	    !write_all(signer->socket, content, size) || !read_all(signer->socket, &length, sizeof length) ||
	    length == 0 || length > MAX_REQUEST)
		return NULL;
	uint8_t *answer = checked_alloc(length);
	if (!read_all(signer->socket, answer, length)) {
		free(answer);
		return NULL;
	}
	*answer_size = length;
	return answer;
}

bool signer_address(struct signer *signer, struct address *out)
{
	size_t size = 0;
	uint8_t *answer = ask(signer, 'A', "", 0, &size);
	const bool good = answer && size == 20;
	if (good)
		memcpy(out->bytes, answer, 20);
	free(answer);
	return good;
}

uint8_t *signer_transaction(struct signer *signer, const uint8_t *unsigned_bytes, size_t size,
                            size_t *signed_size)
{
	return ask(signer, 'T', unsigned_bytes, size, signed_size);
}

bool signer_message(struct signer *signer, const char *message, uint8_t signature[65])
{
	size_t size = 0;
	uint8_t *answer = ask(signer, 'M', message, strlen(message), &size);
	const bool good = answer && size == 65;
	if (good)
		memcpy(signature, answer, 65);
	free(answer);
	return good;
}
