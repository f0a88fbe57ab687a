/* holon-wallet: the commands. */
#include "num/arena.h"
#include "num/hex.h"
#include "tx/signature.h"
#include "tx/transaction.h"
#include "wallet/wallet.h"

#include "crypto/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
	const char *url;
	const char *directory;
	const char *wallet;
	const char *passphrase_file;
	uint32_t index;
	uint64_t gas;
	bool yes;
	const char *words[16]; /* what is no option */
	int count;
};

static int complain(const char *why)
{
	fprintf(stderr, "holon-wallet: %s\n", why);
	return 1;
}

static void wallet_path(const struct options *o, char out[512])
{
	snprintf(out, 512, "%s/%s.wallet", o->directory, o->wallet);
}

/* ---- making wallets ---- */
static int store(const struct options *o, const uint8_t *entropy, size_t size)
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

static int command_create(const struct options *o)
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

static int command_restore(const struct options *o)
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

/* ---- calldata: "name(type,...)" and static arguments ---- */
static bool put_argument(struct rlp_writer *out, const char *text)
{
	struct u256 word;
	uint8_t bytes[32];
	if (!strcmp(text, "true") || !strcmp(text, "false")) {
		word = u256_from(text[0] == 't');
	} else if (strncmp(text, "0x", 2) == 0) {
		if (!hex_to_u256(&word, text))
			return false;
	} else {
		const struct u256 ten = u256_from(10);
		word = U256_ZERO;
		for (const char *c = text; *c; c++) {
			if (*c < '0' || *c > '9')
				return false;
			const struct u256 digit = u256_from((uint64_t)(*c - '0'));
			u256_mul(&word, &word, &ten);
			u256_add(&word, &word, &digit);
		}
	}
	u256_store(bytes, &word);
	rlp_put_raw(out, bytes, 32);
	return text[0] != 0;
}

/* From words[first]: either 0x and bytes, or a signature and its arguments. */
static bool put_calldata(struct rlp_writer *out, const struct options *o, int first)
{
	if (first >= o->count)
		return true;
	const char *text = o->words[first];
	if (strncmp(text, "0x", 2) == 0) {
		uint8_t *bytes = checked_alloc(strlen(text) / 2 + 1);
		const long size = hex_decode(bytes, strlen(text) / 2, text);
		if (size > 0)
			rlp_put_raw(out, bytes, (size_t)size);
		free(bytes);
		return size >= 0 && first + 1 == o->count;
	}
	if (!strchr(text, '(') || strstr(text, "[]") || strstr(text, "string") || strstr(text, "bytes,") ||
	    strstr(text, "bytes)"))
		return false;
	uint8_t digest[32];
	keccak256(digest, text, strlen(text));
	rlp_put_raw(out, digest, 4);
	for (int i = first + 1; i < o->count; i++)
		if (!put_argument(out, o->words[i]))
			return false;
	return true;
}

/* ---- sending ---- */
static bool ask_quantity(const struct options *o, const char *method, json_t *params, uint64_t *out)
{
	json_t *answer = client_call(o->url, method, params);
	const bool good = json_is_string(answer) && hex_to_u64(out, json_string_value(answer));
	json_decref(answer);
	return good;
}

static int wait_for(const struct options *o, const char *hash)
{
	for (int i = 0; i < 300; i++) {
		json_t *receipt = client_call(o->url, "eth_getTransactionReceipt", json_pack("[s]", hash));
		if (!receipt)
			return 1;
		if (json_is_object(receipt)) {
			const char *contract = json_string_value(json_object_get(receipt, "contractAddress"));
			const char *status = json_string_value(json_object_get(receipt, "status"));
			const bool success = status && !strcmp(status, "0x1");
			printf("transaction %s\nblock %s\nstatus %s\n", hash,
			       json_string_value(json_object_get(receipt, "blockNumber")),
			       success ? "success" : "failed");
			if (contract)
				printf("contract %s\n", contract);
			json_decref(receipt);
			return success ? 0 : 1;
		}
		json_decref(receipt);
		usleep(200000);
	}
	return complain("the transaction got into no block within a minute");
}

static int send(const struct options *o, bool create, const struct address *to, const uint8_t *data,
                size_t size)
{
	char path[512];
	char from[43];
	struct signer signer;
	struct address sender;
	struct transaction t = {.type = TRANSACTION_DYNAMIC_FEE,
	                        .has_chain_id = true,
	                        .create = create,
	                        .data = data,
	                        .data_size = size};
	if (to)
		t.to = *to;
	wallet_path(o, path);
	if (!signer_start(&signer, path, o->passphrase_file, o->index, o->yes))
		return complain("cannot start the signer");
	int status = 1;
	if (signer_address(&signer, &sender) && ask_quantity(o, "eth_chainId", json_array(), &t.chain_id) &&
	    ask_quantity(o, "eth_getTransactionCount",
	                 json_pack("[s, s]", hex_encode(from, sender.bytes, 20), "pending"), &t.nonce)) {
		char *text = checked_alloc(2 * size + 3);
		char target[43];
		json_t *call = json_pack("{s:s, s:s}", "from", from, "data", hex_encode(text, data, size));
		if (to)
			json_object_set_new(call, "to", json_string(hex_encode(target, to->bytes, 20)));
		free(text);
		t.gas_limit = o->gas;
		if (t.gas_limit || ask_quantity(o, "eth_estimateGas", json_pack("[O]", call), &t.gas_limit)) {
			struct rlp_writer writer = {0};
			size_t signed_size;
			transaction_encode(&writer, &t, false);
			uint8_t *bytes =
			    signer_transaction(&signer, writer.bytes, writer.length, &signed_size);
			rlp_free(&writer);
			if (bytes) {
				text = checked_alloc(2 * signed_size + 3);
				json_t *hash =
				    client_call(o->url, "eth_sendRawTransaction",
				                json_pack("[s]", hex_encode(text, bytes, signed_size)));
				free(text);
				if (json_is_string(hash))
					status = wait_for(o, json_string_value(hash));
				json_decref(hash);
				free(bytes);
			} else {
				(void)complain("not signed");
			}
		}
		json_decref(call);
	}
	signer_stop(&signer);
	return status;
}

static int command_send(const struct options *o)
{
	struct address to;
	struct rlp_writer data = {0};
	if (o->count < 2 || hex_decode(to.bytes, 20, o->words[1]) != 20 || !put_calldata(&data, o, 2)) {
		rlp_free(&data);
		return complain("send TO [0xDATA | 'name(type,...)' ARGUMENT...], static types alone");
	}
	const int status = send(o, false, &to, data.bytes, data.length);
	rlp_free(&data);
	return status;
}

static int command_deploy(const struct options *o)
{
	FILE *file = o->count == 2 ? fopen(o->words[1], "r") : NULL;
	static char text[4 * 49152];
	if (!file || !fgets(text + 2, sizeof text - 2, file)) {
		if (file)
			fclose(file);
		return complain("deploy FILE, which holds creation code in hexadecimal");
	}
	fclose(file);
	char *code = text + 2;
	code[strcspn(code, "\r\n")] = 0;
	if (strncmp(code, "0x", 2) != 0) {
		code = text;
		memcpy(code, "0x", 2);
	}
	uint8_t *bytes = checked_alloc(sizeof text / 2);
	const long size = hex_decode(bytes, sizeof text / 2, code);
	const int status =
	    size > 0 ? send(o, true, NULL, bytes, (size_t)size) : complain("that file is not hexadecimal");
	free(bytes);
	return status;
}

static int command_call(const struct options *o)
{
	struct rlp_writer data = {0};
	if (o->count < 2 || !put_calldata(&data, o, 2)) {
		rlp_free(&data);
		return complain("call TO [0xDATA | 'name(type,...)' ARGUMENT...], static types alone");
	}
	char *text = checked_alloc(2 * data.length + 3);
	json_t *answer = client_call(o->url, "eth_call",
	                             json_pack("[{s:s, s:s}, s]", "to", o->words[1], "data",
	                                       hex_encode(text, data.bytes, data.length), "latest"));
	free(text);
	rlp_free(&data);
	if (!json_is_string(answer))
		return 1;
	printf("%s\n", json_string_value(answer));
	json_decref(answer);
	return 0;
}

/* ---- accounts ---- */
static bool own_address(const struct options *o, char out[43])
{
	char path[512];
	struct signer signer;
	struct address address;
	wallet_path(o, path);
	if (!signer_start(&signer, path, o->passphrase_file, o->index, o->yes))
		return false;
	const bool good = signer_address(&signer, &address);
	signer_stop(&signer);
	if (good)
		hex_encode(out, address.bytes, 20);
	return good;
}

static int command_list(const struct options *o)
{
	struct options each = *o;
	char address[43];
	for (each.index = 0; each.index < 5; each.index++) {
		if (!own_address(&each, address))
			return 1;
		printf("%u %s\n", each.index, address);
	}
	return 0;
}

static int command_balance(const struct options *o)
{
	struct options call = *o;
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

static int command_sign(const struct options *o)
{
	char path[512];
	char text[133];
	uint8_t signature[65];
	struct signer signer;
	if (o->count != 2)
		return complain("sign MESSAGE");
	wallet_path(o, path);
	if (!signer_start(&signer, path, o->passphrase_file, o->index, o->yes))
		return complain("cannot start the signer");
	const bool good = signer_message(&signer, o->words[1], signature);
	signer_stop(&signer);
	if (!good)
		return complain("not signed");
	printf("%s\n", hex_encode(text, signature, 65));
	return 0;
}

static int command_verify(const struct options *o)
{
	struct address wanted;
	struct address found;
	uint8_t signature[65];
	struct hash32 digest;
	struct u256 r;
	struct u256 s;
	if (o->count != 4 || hex_decode(wanted.bytes, 20, o->words[1]) != 20 ||
	    hex_decode(signature, 65, o->words[2]) != 65)
		return complain("verify ADDRESS SIGNATURE MESSAGE");
	char *text;
	const int length = asprintf(&text,
	                            "\x19"
	                            "Ethereum Signed Message:\n%zu%s",
	                            strlen(o->words[3]), o->words[3]);
	if (length < 0)
		return complain("out of memory");
	keccak256(digest.bytes, text, (size_t)length);
	free(text);
	u256_load(&r, signature);
	u256_load(&s, signature + 32);
	const bool good = signature[64] >= 27 && !signature_s_is_high(&s) &&
	                  signature_recover(&found, &digest, signature[64] - 27U, &r, &s) &&
	                  address_equal(&found, &wanted);
	printf(good ? "valid\n" : "NOT valid\n");
	return good ? 0 : 1;
}

static const struct {
	const char *name;
	const char *form;
	int (*run)(const struct options *o);
} commands[] = {
    {"create", "create                       make a wallet and print its twelve words", command_create},
    {"restore", "restore                      make a wallet of the words on standard input", command_restore},
    {"list", "list                         its first five addresses", command_list},
    {"balance", "balance TOKEN                what balanceOf says of the address", command_balance},
    {"send", "send TO [0xDATA | 'f(t,...)' ARGUMENT...]", command_send},
    {"call", "call TO [0xDATA | 'f(t,...)' ARGUMENT...]", command_call},
    {"deploy", "deploy FILE                  creation code in hexadecimal", command_deploy},
    {"sign", "sign MESSAGE", command_sign},
    {"verify", "verify ADDRESS SIGNATURE MESSAGE", command_verify},
};

static int usage(void)
{
	fprintf(stderr, "usage: holon-wallet [OPTION...] COMMAND\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(stderr, "  %s\n", commands[i].form);
	fprintf(stderr,
	        "options: --wallet NAME (default), --dir D (~/.holon-wallet), --index N (0), --url U\n"
	        "  (http://127.0.0.1:8545), --gas N, --passphrase-file F, --yes (the signer does not ask)\n");
	return 2;
}

int main(int count, char **arguments)
{
	char home[400];
	struct options o = {.url = "http://127.0.0.1:8545", .wallet = "default"};
	snprintf(home, sizeof home, "%s/.holon-wallet", getenv("HOME") ? getenv("HOME") : ".");
	o.directory = home;
	for (int i = 1; i < count; i++) {
		const char *word = arguments[i];
		if (!strcmp(word, "--yes")) {
			o.yes = true;
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
