/*
 * The signer: a process that opens the wallet, shows what it is to sign and signs it. It is a child of the program that talks to
 * the network, or a unit of its own that serves a socket (`holon-wallet signer`): then the other side has neither the file nor the
 * passphrase. A request is a kind, a length and content; the answer a length and content (length 0: refused). What is shown is
 * decoded from the very bytes that are signed.
 */
#include "wallet/wallet.h"

#include "num/hex.h"
#include "tx/account_key.h"
#include "tx/signature.h"

#include "crypto/blake3.h"
#include "crypto/util.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define MAX_REQUEST ((uint32_t)1 << 20)

/* Requests. Numbers are in the machine's order: both sides are one program on one machine. */
enum request_kind {
	ASK_ACCOUNT = 'A',     /* index 4, hybrid 1: chooses the account of what follows; its address */
	ASK_KEY_HASH = 'K',    /* generation 4: the hash of that hybrid key of the account */
	ASK_TRANSACTION = 'T', /* generation 4, unsigned transaction: the signed one */
	ASK_KEY_CHANGE =
	    'R', /* generation 4 of the new key, chain id 8, hash of the key in place 32: the change's data */
	ASK_MESSAGE = 'M', /* generation 4, text: its signature */
};

struct request {
	uint8_t kind;
	uint32_t size;
};

/* What the signer has: the seed of all keys, and the account that was chosen. */
struct keys {
	uint8_t seed[64];
	uint32_t index;
	bool hybrid; /* the account's first key is a hybrid one */
	bool yes;
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
	else if (address_equal(&t->to, &account_key_system))
		fprintf(stderr, "changes the account's key\n");
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

/* ---- keys ---- */
static bool secp_key(const struct keys *keys, uint8_t key[32])
{
	return wallet_derive(key, keys->seed, keys->index);
}

/* The hybrid keys of an account: generation 0 is a hybrid account's first key, later ones take the place of the one before. */
static bool hybrid_key(const struct keys *keys, uint32_t generation, struct hybrid_sign_key *key)
{
	static const char label[] = "Holon wallet v1: hybrid key";
	struct blake3 hash;
	uint8_t seed[HYBRID_SIGN_SEED_SIZE];
	const uint8_t kind = keys->hybrid;
	blake3_init_derive_key(&hash, label, sizeof label - 1);
	blake3_update(&hash, keys->seed, sizeof keys->seed);
	blake3_update(&hash, &kind, 1);
	blake3_update(&hash, &keys->index, sizeof keys->index);
	blake3_update(&hash, &generation, sizeof generation);
	blake3_final(&hash, seed, sizeof seed);
	const bool good = hybrid_sign_keygen(key, seed) == CRYPTO_OK;
	crypto_wipe(seed, sizeof seed);
	crypto_wipe(&hash, sizeof hash);
	return good;
}

/* Is it the secp256k1 key that signs in this generation? */
static bool is_classical(const struct keys *keys, uint32_t generation)
{
	return !keys->hybrid && generation == 0;
}

static bool account_address(const struct keys *keys, struct address *out)
{
	uint8_t key[32];
	struct hybrid_sign_key hybrid;
	bool good;
	if (keys->hybrid) {
		good = hybrid_key(keys, 0, &hybrid);
		account_key_address(out, hybrid.pk);
		crypto_wipe(&hybrid, sizeof hybrid);
	} else {
		good = secp_key(keys, key) && signature_address(out, key);
		crypto_wipe(key, sizeof key);
	}
	return good;
}

/* ---- what is signed ---- */
static bool sign_by(const struct keys *keys, uint32_t generation, struct transaction *t, uint8_t *signature)
{
	uint8_t key[32];
	struct hybrid_sign_key hybrid;
	bool good;
	if (is_classical(keys, generation)) {
		good = t->type != TRANSACTION_HYBRID && secp_key(keys, key) && transaction_sign(t, key);
		crypto_wipe(key, sizeof key);
		return good;
	}
	good = t->type == TRANSACTION_HYBRID && hybrid_key(keys, generation, &hybrid);
	if (good) {
		struct rlp_writer writer = {0};
		t->public_key = hybrid.pk;
		t->hybrid_signature = NULL;
		transaction_encode(&writer, t, true);
		keccak256(t->signing_hash.bytes, writer.bytes, writer.length);
		rlp_free(&writer);
		good = account_key_sign(&hybrid, &t->signing_hash, signature);
		memcpy(signature + HYBRID_SIGN_SIGNATURE_SIZE, hybrid.pk, HYBRID_SIGN_PK_SIZE);
		t->hybrid_signature = signature;
		t->public_key = signature + HYBRID_SIGN_SIGNATURE_SIZE;
	}
	crypto_wipe(&hybrid, sizeof hybrid);
	return good;
}

static bool sign_transaction(const struct keys *keys, uint32_t generation, const uint8_t *bytes, size_t size,
                             struct rlp_writer *out)
{
	struct arena arena = {0};
	struct transaction transaction;
	struct address own;
	const char *why = "";
	static uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE + HYBRID_SIGN_PK_SIZE];
	bool good = transaction_decode(&transaction, bytes, size, &arena, &why);
	if (good && transaction.type == TRANSACTION_HYBRID &&
	    (!account_address(keys, &own) || !address_equal(&own, &transaction.account))) {
		good = false;
		why = "it is for another account";
	}
	if (!good) {
		fprintf(stderr, "signer: refused, %s\n", why);
	} else {
		show_transaction(&transaction);
		good = confirm(keys->yes) && sign_by(keys, generation, &transaction, signature);
	}
	if (good)
		transaction_encode(out, &transaction, false);
	arena_deinit(&arena);
	return good;
}

static bool change_key(const struct keys *keys, uint32_t generation, const uint8_t *content,
                       struct rlp_writer *out)
{
	struct hybrid_sign_key key;
	struct address account;
	struct hash32 before;
	struct hash32 after;
	uint64_t chain_id;
	char text[70];
	static uint8_t data[KEY_CHANGE_SIZE];
	memcpy(&chain_id, content, 8);
	memcpy(before.bytes, content + 8, 32);
	if (generation == 0 || !account_address(keys, &account) || !hybrid_key(keys, generation, &key))
		return false;
	account_key_hash(&after, key.pk);
	fprintf(stderr, "--- signer: a new key for an account ---\nchain  %llu\naccount %s\n",
	        (unsigned long long)chain_id, hex_encode(text, account.bytes, 20));
	fprintf(stderr, "key    %s, number %u; no other signs for the account from then on\n",
	        hex_encode(text, after.bytes, 32), generation);
	const bool good = confirm(keys->yes) && account_key_prove(&key, chain_id, &account, &before, data);
	crypto_wipe(&key, sizeof key);
	if (good)
		rlp_put_raw(out, data, sizeof data);
	return good;
}

void message_digest(struct hash32 *out, const char *message, size_t size)
{
	struct rlp_writer text = {0};
	char prefix[64];
	const int length = snprintf(prefix, sizeof prefix,
	                            "\x19"
	                            "Ethereum Signed Message:\n%zu",
	                            size);
	rlp_put_raw(&text, prefix, (size_t)length);
	rlp_put_raw(&text, message, size);
	keccak256(out->bytes, text.bytes, text.length);
	rlp_free(&text);
}

static bool sign_message(const struct keys *keys, uint32_t generation, const char *message, size_t size,
                         struct rlp_writer *out)
{
	struct hash32 digest;
	fprintf(stderr, "--- signer: a message of %zu bytes ---\n%.*s\n", size, (int)size, message);
	if (!confirm(keys->yes))
		return false;
	message_digest(&digest, message, size);
	if (is_classical(keys, generation)) {
		uint8_t key[32];
		uint8_t signature[MESSAGE_SIGNATURE_SIZE];
		unsigned parity;
		struct u256 r;
		struct u256 s;
		const bool good = secp_key(keys, key) && signature_sign(&digest, key, &parity, &r, &s);
		crypto_wipe(key, sizeof key);
		if (!good)
			return false;
		u256_store(signature, &r);
		u256_store(signature + 32, &s);
		signature[64] = (uint8_t)(27 + parity);
		rlp_put_raw(out, signature, sizeof signature);
		return true;
	}
	struct hybrid_sign_key hybrid;
	static uint8_t signature[MESSAGE_HYBRID_SIZE];
	bool good = hybrid_key(keys, generation, &hybrid);
	memcpy(signature, hybrid.pk, HYBRID_SIGN_PK_SIZE);
	good = good && hybrid_sign(&hybrid, digest.bytes, 32, MESSAGE_CONTEXT, strlen(MESSAGE_CONTEXT), NULL,
	                           signature + HYBRID_SIGN_PK_SIZE) == CRYPTO_OK;
	crypto_wipe(&hybrid, sizeof hybrid);
	if (good)
		rlp_put_raw(out, signature, sizeof signature);
	return good;
}

/* One request; what it gives is in `out`, nothing when it is refused. */
static void answer(struct keys *keys, const struct request *request, const uint8_t *content,
                   struct rlp_writer *out)
{
	struct address address;
	struct hybrid_sign_key key;
	struct hash32 hash;
	uint32_t number;
	if (request->size < sizeof number)
		return;
	memcpy(&number, content, sizeof number);
	content += sizeof number;
	const uint32_t size = request->size - (uint32_t)sizeof number;
	switch ((enum request_kind)request->kind) {
	case ASK_ACCOUNT:
		if (size != 1)
			return;
		keys->index = number;
		keys->hybrid = content[0] != 0;
		if (account_address(keys, &address))
			rlp_put_raw(out, address.bytes, 20);
		return;
	case ASK_KEY_HASH:
		if (is_classical(keys, number) || !hybrid_key(keys, number, &key))
			return;
		account_key_hash(&hash, key.pk);
		crypto_wipe(&key, sizeof key);
		rlp_put_raw(out, hash.bytes, 32);
		return;
	case ASK_TRANSACTION:
		(void)sign_transaction(keys, number, content, size, out);
		return;
	case ASK_KEY_CHANGE:
		if (size == 40)
			(void)change_key(keys, number, content, out);
		return;
	case ASK_MESSAGE:
		(void)sign_message(keys, number, (const char *)content, size, out);
		return;
	}
}

static void serve(int socket, struct keys *keys)
{
	struct request request;
	while (read_all(socket, &request, sizeof request) && request.size <= MAX_REQUEST) {
		uint8_t *content = checked_alloc(request.size);
		struct rlp_writer out = {0};
		bool good = read_all(socket, content, request.size);
		if (good)
			answer(keys, &request, content, &out);
		const uint32_t size = (uint32_t)out.length;
		good = good && write_all(socket, &size, sizeof size) && write_all(socket, out.bytes, size);
		rlp_free(&out);
		free(content);
		if (!good)
			return;
	}
}

static bool open_keys(struct keys *keys, const char *path, const char *passphrase_file, bool yes)
{
	char passphrase[256];
	char words[WALLET_WORDS_SIZE];
	uint8_t entropy[WALLET_ENTROPY_MAX];
	size_t size;
	*keys = (struct keys){.yes = yes};
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	const bool good = read_passphrase(passphrase, sizeof passphrase, passphrase_file, "passphrase") &&
	                  keystore_read(path, entropy, &size, passphrase);
	if (good) {
		words_from_entropy(words, entropy, size);
		words_seed(keys->seed, words, "");
	}
	crypto_wipe(passphrase, sizeof passphrase);
	crypto_wipe(words, sizeof words);
	crypto_wipe(entropy, sizeof entropy);
	return good;
}

/* A program of its own, as `holon-wallet signer fd:N`: nothing of ours is in its memory, and nothing of its in ours. */
bool signer_start(struct signer *signer, const char *path, const char *passphrase_file, bool yes)
{
	int pair[2];
	char name[16];
	pid_t process;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	snprintf(name, sizeof name, "fd:%d", pair[1]);
	const char *arguments[10] = {"holon-wallet", "--file", path, "signer", name};
	unsigned count = 5;
	if (passphrase_file) {
		arguments[count++] = "--passphrase-file";
		arguments[count++] = passphrase_file;
	}
	if (yes)
		arguments[count++] = "--yes";
	const bool good =
	    fcntl(pair[1], F_SETFD, 0) == 0 && posix_spawn(&process, "/proc/self/exe", NULL, NULL,
	                                                   (char *const *)(uintptr_t)arguments, environ) == 0;
	close(pair[1]);
	if (!good)
		close(pair[0]);
	else
		*signer = (struct signer){pair[0], process};
	return good;
}

int signer_serve_fd(int fd, const char *path, const char *passphrase_file, bool yes)
{
	struct keys keys;
	const bool good = open_keys(&keys, path, passphrase_file, yes);
	if (good)
		serve(fd, &keys);
	crypto_wipe(&keys, sizeof keys);
	return good ? 0 : 1;
}

static bool socket_address(struct sockaddr_un *out, const char *socket_path)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(socket_path) >= sizeof out->sun_path) {
		fprintf(stderr, "holon-wallet: the socket's name is too long: %s\n", socket_path);
		return false;
	}
	memcpy(out->sun_path, socket_path, strlen(socket_path) + 1);
	return true;
}

bool signer_connect(struct signer *signer, const char *socket_path)
{
	struct sockaddr_un address;
	if (!socket_address(&address, socket_path))
		return false;
	*signer = (struct signer){.socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	if (signer->socket >= 0 && connect(signer->socket, (struct sockaddr *)&address, sizeof address) == 0)
		return true;
	fprintf(stderr, "holon-wallet: no signer answers at %s: %m\n", socket_path);
	return false;
}

int signer_serve(const char *socket_path, const char *path, const char *passphrase_file, bool yes)
{
	struct sockaddr_un address;
	struct keys keys;
	if (!socket_address(&address, socket_path) || !open_keys(&keys, path, passphrase_file, yes))
		return 1;
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(socket_path);
	const mode_t mask = umask(0077);
	const bool good =
	    fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0;
	umask(mask);
	if (!good)
		fprintf(stderr, "holon-wallet: cannot listen at %s: %m\n", socket_path);
	/* One client at a time: there is one person to ask. */
	for (int client; good && (client = accept(fd, NULL, NULL)) >= 0; close(client))
		serve(client, &keys);
	crypto_wipe(&keys, sizeof keys);
	return 1;
}

void signer_stop(struct signer *signer)
{
	close(signer->socket);
	if (signer->process)
		waitpid(signer->process, NULL, 0);
}

/* ---- the other side ---- */
static uint8_t *ask(struct signer *signer, enum request_kind kind, uint32_t number, const void *content,
                    size_t size, size_t *answer_size)
{
	const struct request request = {(uint8_t)kind, (uint32_t)(size + sizeof number)};
	uint32_t length;
	if (size > MAX_REQUEST - sizeof number || !write_all(signer->socket, &request, sizeof request) ||
	    !write_all(signer->socket, &number, sizeof number) || !write_all(signer->socket, content, size) ||
	    !read_all(signer->socket, &length, sizeof length) || length == 0 || length > 2 * MAX_REQUEST)
		return NULL;
	uint8_t *answer = checked_alloc(length);
	if (!read_all(signer->socket, answer, length)) {
		free(answer);
		return NULL;
	}
	*answer_size = length;
	return answer;
}

static bool ask_fixed(struct signer *signer, enum request_kind kind, uint32_t number, const void *content,
                      size_t size, uint8_t *out, size_t wanted)
{
	size_t got = 0;
	uint8_t *answer = ask(signer, kind, number, content, size, &got);
	const bool good = answer && got == wanted;
	if (good)
		memcpy(out, answer, wanted);
	free(answer);
	return good;
}

bool signer_account(struct signer *signer, uint32_t index, bool hybrid, struct address *out)
{
	const uint8_t kind = hybrid;
	return ask_fixed(signer, ASK_ACCOUNT, index, &kind, 1, out->bytes, 20);
}

bool signer_key_hash(struct signer *signer, uint32_t generation, struct hash32 *out)
{
	return ask_fixed(signer, ASK_KEY_HASH, generation, "", 0, out->bytes, 32);
}

uint8_t *signer_transaction(struct signer *signer, uint32_t generation, const uint8_t *unsigned_bytes,
                            size_t size, size_t *signed_size)
{
	return ask(signer, ASK_TRANSACTION, generation, unsigned_bytes, size, signed_size);
}

uint8_t *signer_key_change(struct signer *signer, uint32_t generation, uint64_t chain_id,
                           const struct hash32 *before, size_t *size)
{
	uint8_t content[40];
	memcpy(content, &chain_id, 8);
	memcpy(content + 8, before->bytes, 32);
	return ask(signer, ASK_KEY_CHANGE, generation, content, sizeof content, size);
}

uint8_t *signer_message(struct signer *signer, uint32_t generation, const char *message, size_t *size)
{
	return ask(signer, ASK_MESSAGE, generation, message, strlen(message), size);
}
