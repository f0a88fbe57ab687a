/* holon-wallet: the commands. */
#include "num/arena.h"
#include "num/hex.h"
#include "tx/account_key.h"
#include "tx/signature.h"
#include "tx/transaction.h"
#include "wallet/wallet.h"

#include "crypto/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

int complain(const char *why)
{
	fprintf(stderr, "holon-wallet: %s\n", why);
	return 1;
}

void wallet_path(const struct wallet_options *o, char out[512])
{
	if (o->file)
		snprintf(out, 512, "%s", o->file);
	else
		snprintf(out, 512, "%s/%s.wallet", o->directory, o->wallet);
}

/* ---- making wallets ---- */
static int store(const struct wallet_options *o, const uint8_t *entropy, size_t size)
{
	char path[512];
	char passphrase[256];
	wallet_path(o, path);
	mkdir(o->directory, 0700);
	if (!read_passphrase(passphrase, sizeof passphrase, o->passphrase_file, "new passphrase"))
		return 1;
	const bool good = keystore_write(path, entropy, size, passphrase);
	crypto_wipe(passphrase, sizeof passphrase);
	return good ? 0 : 1;
}

static int command_create(const struct wallet_options *o)
{
	uint8_t entropy[16];
	char words[WALLET_WORDS_SIZE];
	if (getrandom(entropy, sizeof entropy, 0) != sizeof entropy)
		return complain("no randomness");
	const int status = store(o, entropy, sizeof entropy);
	if (status == 0) {
		words_from_entropy(words, entropy, sizeof entropy);
		printf("%s\n", words);
		fprintf(stderr,
		        "write these words down: they restore the wallet, and whoever has them has it\n");
	}
	crypto_wipe(entropy, sizeof entropy);
	crypto_wipe(words, sizeof words);
	return status;
}

static int command_restore(const struct wallet_options *o)
{
	uint8_t entropy[WALLET_ENTROPY_MAX];
	char words[512];
	size_t size;
	if (!fgets(words, sizeof words, stdin) || !words_to_entropy(words, entropy, &size))
		return complain("standard input must hold 12 to 24 words of BIP-39 with a right checksum");
	const int status = store(o, entropy, size);
	crypto_wipe(entropy, sizeof entropy);
	crypto_wipe(words, sizeof words);
	return status;
}

/* ---- accounts ---- */
bool open_account(const struct wallet_options *o, struct signer *signer, struct address *address)
{
	char path[512];
	wallet_path(o, path);
	if (!(o->signer ? signer_connect(signer, o->signer)
	                : signer_start(signer, path, o->passphrase_file, o->yes))) {
		(void)complain("cannot reach the signer");
		return false;
	}
	if (signer_account(signer, o->index, o->hybrid, address))
		return true;
	(void)complain("the signer gives no account");
	signer_stop(signer);
	return false;
}

static bool own_address(const struct wallet_options *o, char out[43])
{
	struct signer signer;
	struct address address;
	if (!open_account(o, &signer, &address))
		return false;
	signer_stop(&signer);
	hex_encode(out, address.bytes, 20);
	return true;
}

static int command_list(const struct wallet_options *o)
{
	struct signer signer;
	struct address address;
	char text[43];
	if (!open_account(o, &signer, &address))
		return 1;
	bool good = true;
	for (uint32_t index = 0; good && index < 5; index++) {
		good = signer_account(&signer, index, o->hybrid, &address);
		if (good)
			printf("%u %s\n", index, hex_encode(text, address.bytes, 20));
	}
	signer_stop(&signer);
	return good ? 0 : 1;
}

static int command_signer(const struct wallet_options *o)
{
	char path[512];
	if (o->count != 2)
		return complain("signer SOCKET");
	wallet_path(o, path);
	if (strncmp(o->words[1], "fd:", 3) == 0)
		return signer_serve_fd((int)strtol(o->words[1] + 3, NULL, 10), path, o->passphrase_file,
		                       o->yes);
	return signer_serve(o->words[1], path, o->passphrase_file, o->yes);
}

static int command_balance(const struct wallet_options *o)
{
	struct wallet_options call = *o;
	char address[43];
	if (o->count != 2)
		return complain("balance TOKEN");
	if (!own_address(o, address))
		return 1;
	call.words[2] = "balanceOf(address)";
	call.words[3] = address;
	call.count = 4;
	return command_call(&call);
}

static int command_sign(const struct wallet_options *o)
{
	struct signer signer;
	struct address address;
	struct hash32 placed;
	uint32_t generation = 0;
	size_t size;
	if (o->count != 2)
		return complain("sign MESSAGE");
	if (!open_account(o, &signer, &address))
		return 1;
	/* Without a node the account's first key signs. */
	if (!o->offline && !ask_generation(o, &signer, &address, &generation, &placed)) {
		signer_stop(&signer);
		return complain("--offline signs with the account's first key");
	}
	uint8_t *signature = signer_message(&signer, generation, o->words[1], &size);
	signer_stop(&signer);
	if (!signature)
		return complain("not signed");
	char *text = checked_alloc(2 * size + 3);
	printf("%s\n", hex_encode(text, signature, size));
	free(text);
	free(signature);
	return 0;
}

/* Does the hybrid key speak for the address: is it its first, or the one in place? */
static bool speaks_for(const struct wallet_options *o, const uint8_t *public_key,
                       const struct address *wanted)
{
	struct address first;
	struct hash32 own;
	struct hash32 placed;
	char text[43];
	account_key_address(&first, public_key);
	account_key_hash(&own, public_key);
	if (o->offline)
		return address_equal(&first, wanted);
	json_t *answer =
	    client_call(o->url, "holon_accountKey", json_pack("[s]", hex_encode(text, wanted->bytes, 20)));
	const char *key = json_string_value(answer);
	const bool good = key ? hex_decode(placed.bytes, 32, key) == 32 && hash32_equal(&placed, &own)
	                      : json_is_null(answer) && address_equal(&first, wanted);
	json_decref(answer);
	return good;
}

static int command_verify(const struct wallet_options *o)
{
	struct address wanted;
	struct address found;
	struct hash32 digest;
	struct u256 r;
	struct u256 s;
	static uint8_t signature[MESSAGE_HYBRID_SIZE];
	if (o->count != 4 || hex_decode(wanted.bytes, 20, o->words[1]) != 20)
		return complain("verify ADDRESS SIGNATURE MESSAGE");
	const long size = hex_decode(signature, sizeof signature, o->words[2]);
	bool good = false;
	message_digest(&digest, o->words[3], strlen(o->words[3]));
	if (size == MESSAGE_SIGNATURE_SIZE) {
		u256_load(&r, signature);
		u256_load(&s, signature + 32);
		good = signature[64] >= 27 && !signature_s_is_high(&s) &&
		       signature_recover(&found, &digest, signature[64] - 27U, &r, &s) &&
		       address_equal(&found, &wanted);
	} else if (size == MESSAGE_HYBRID_SIZE) {
		good = hybrid_verify(signature, HYBRID_SIGN_PK_SIZE, digest.bytes, 32, MESSAGE_CONTEXT,
		                     strlen(MESSAGE_CONTEXT), signature + HYBRID_SIGN_PK_SIZE,
		                     HYBRID_SIGN_SIGNATURE_SIZE) == CRYPTO_OK &&
		       speaks_for(o, signature, &wanted);
	}
	printf(good ? "valid\n" : "NOT valid\n");
	return good ? 0 : 1;
}

static const struct {
	const char *name;
	const char *form;
	int (*run)(const struct wallet_options *o);
} commands[] = {
    {"create", "create                       make a wallet and print its twelve words", command_create},
    {"restore", "restore                      make a wallet of the words on standard input", command_restore},
    {"list", "list                         its first five addresses", command_list},
    {"balance", "balance TOKEN                what balanceOf says of the address", command_balance},
    {"send", "send TO [0xDATA | 'f(t,...)' ARGUMENT...]", command_send},
    {"call", "call TO [0xDATA | 'f(t,...)' ARGUMENT...]", command_call},
    {"deploy", "deploy FILE                  creation code in hexadecimal", command_deploy},
    {"rotate", "rotate                       put the account's next key, a hybrid one, in place",
     command_rotate},
    {"sign", "sign MESSAGE", command_sign},
    {"verify", "verify ADDRESS SIGNATURE MESSAGE", command_verify},
    {"signer", "signer SOCKET                the part that has the keys, as a unit of its own",
     command_signer},
};

static int usage(void)
{
	fprintf(stderr, "usage: holon-wallet [OPTION...] COMMAND\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(stderr, "  %s\n", commands[i].form);
	fprintf(stderr,
	        "options: --wallet NAME (default), --dir D (~/.holon-wallet), --index N (0),\n"
	        "  --hybrid (accounts of hybrid keys), --url U (http://127.0.0.1:8545), --signer SOCKET,\n"
	        "  --offline (sign and verify ask no node), --gas N, --passphrase-file F, --yes (the signer "
	        "does not ask)\n");
	return 2;
}

int main(int count, char **arguments)
{
	char home[400];
	struct wallet_options o = {.url = "http://127.0.0.1:8545", .wallet = "default"};
	snprintf(home, sizeof home, "%s/.holon-wallet", getenv("HOME") ? getenv("HOME") : ".");
	o.directory = home;
	for (int i = 1; i < count; i++) {
		const char *word = arguments[i];
		if (!strcmp(word, "--yes")) {
			o.yes = true;
		} else if (!strcmp(word, "--hybrid")) {
			o.hybrid = true;
		} else if (!strcmp(word, "--offline")) {
			o.offline = true;
		} else if (strncmp(word, "--", 2) != 0) {
			if (o.count == 16)
				return usage();
			o.words[o.count++] = word;
		} else if (i + 1 == count) {
			return usage();
		} else {
			const char *value = arguments[++i];
			if (!strcmp(word, "--url"))
				o.url = value;
			else if (!strcmp(word, "--dir"))
				o.directory = value;
			else if (!strcmp(word, "--wallet") && !strchr(value, '/'))
				o.wallet = value;
			else if (!strcmp(word, "--file"))
				o.file = value;
			else if (!strcmp(word, "--signer"))
				o.signer = value;
			else if (!strcmp(word, "--passphrase-file"))
				o.passphrase_file = value;
			else if (!strcmp(word, "--index"))
				o.index = (uint32_t)strtoul(value, NULL, 10);
			else if (!strcmp(word, "--gas"))
				o.gas = strtoull(value, NULL, 10);
			else
				return usage();
		}
	}
	for (size_t i = 0; o.count && i < sizeof commands / sizeof commands[0]; i++)
		if (!strcmp(commands[i].name, o.words[0]))
			return commands[i].run(&o);
	return usage();
}
