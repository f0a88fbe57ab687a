/* Commands that send transactions: calldata, asking the node, signing, waiting; and the change of an account's key. */
#include "num/arena.h"
#include "num/hex.h"
#include "tx/account_key.h"
#include "tx/transaction.h"
#include "wallet/wallet.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_GENERATIONS 1000

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
static bool put_calldata(struct rlp_writer *out, const struct wallet_options *o, int first)
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
static bool ask_quantity(const struct wallet_options *o, const char *method, json_t *params, uint64_t *out)
{
	json_t *answer = client_call(o->url, method, params);
	const bool good = json_is_string(answer) && hex_to_u64(out, json_string_value(answer));
	json_decref(answer);
	return good;
}

static int wait_for(const struct wallet_options *o, const char *hash)
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

bool ask_generation(const struct wallet_options *o, struct signer *signer, const struct address *address,
                    uint32_t *generation, struct hash32 *placed)
{
	char text[43];
	json_t *answer =
	    client_call(o->url, "holon_accountKey", json_pack("[s]", hex_encode(text, address->bytes, 20)));
	*generation = 0;
	*placed = (struct hash32){{0}};
	if (!answer)
		return false;
	bool found = json_is_null(answer);
	if (!found && hex_decode(placed->bytes, 32, json_string_value(answer)) == 32)
		while (!found && ++*generation < MAX_GENERATIONS) {
			struct hash32 own;
			if (!signer_key_hash(signer, *generation, &own))
				break;
			found = hash32_equal(&own, placed);
		}
	json_decref(answer);
	if (!found)
		fprintf(stderr, "holon-wallet: the account's key on the chain is not one of this wallet\n");
	return found;
}

/* Fills in what the node knows, has it signed and sends it. */
static int send_transaction(const struct wallet_options *o, struct signer *signer,
                            const struct address *sender, uint32_t generation, struct transaction *t)
{
	char from[43];
	char target[43];
	int status = 1;
	if (o->hybrid || generation) {
		t->type = TRANSACTION_HYBRID;
		t->account = *sender;
	}
	if (!ask_quantity(o, "eth_getTransactionCount",
	                  json_pack("[s, s]", hex_encode(from, sender->bytes, 20), "pending"), &t->nonce))
		return 1;
	char *text = checked_alloc(2 * t->data_size + 3);
	json_t *call = json_pack("{s:s, s:s}", "from", from, "data", hex_encode(text, t->data, t->data_size));
	if (!t->create)
		json_object_set_new(call, "to", json_string(hex_encode(target, t->to.bytes, 20)));
	if (t->type == TRANSACTION_HYBRID)
		json_object_set_new(call, "type", json_string("0x51"));
	free(text);
	t->gas_limit = o->gas;
	if (t->gas_limit || ask_quantity(o, "eth_estimateGas", json_pack("[O]", call), &t->gas_limit)) {
		struct rlp_writer writer = {0};
		size_t signed_size;
		transaction_encode(&writer, t, false);
		uint8_t *bytes =
		    signer_transaction(signer, generation, writer.bytes, writer.length, &signed_size);
		rlp_free(&writer);
		if (bytes) {
			text = checked_alloc(2 * signed_size + 3);
			json_t *hash = client_call(o->url, "eth_sendRawTransaction",
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
	return status;
}

static int send(const struct wallet_options *o, bool create, const struct address *to, const uint8_t *data,
                size_t size)
{
	struct signer signer;
	struct address sender;
	struct hash32 placed;
	uint32_t generation;
	struct transaction t = {.type = TRANSACTION_DYNAMIC_FEE,
	                        .has_chain_id = true,
	                        .create = create,
	                        .data = data,
	                        .data_size = size};
	if (to)
		t.to = *to;
	if (!open_account(o, &signer, &sender))
		return 1;
	const int status = ask_quantity(o, "eth_chainId", json_array(), &t.chain_id) &&
	                           ask_generation(o, &signer, &sender, &generation, &placed)
	                       ? send_transaction(o, &signer, &sender, generation, &t)
	                       : 1;
	signer_stop(&signer);
	return status;
}

int command_rotate(const struct wallet_options *o)
{
	struct signer signer;
	struct address sender;
	struct hash32 placed;
	uint32_t generation;
	size_t size = 0;
	int status = 1;
	struct transaction t = {
	    .type = TRANSACTION_DYNAMIC_FEE, .has_chain_id = true, .to = account_key_system};
	if (o->count != 1)
		return complain("rotate");
	if (!open_account(o, &signer, &sender))
		return 1;
	if (ask_quantity(o, "eth_chainId", json_array(), &t.chain_id) &&
	    ask_generation(o, &signer, &sender, &generation, &placed)) {
		uint8_t *data = signer_key_change(&signer, generation + 1, t.chain_id, &placed, &size);
		t.data = data;
		t.data_size = size;
		status =
		    data ? send_transaction(o, &signer, &sender, generation, &t) : complain("not signed");
		free(data);
	}
	signer_stop(&signer);
	return status;
}

int command_send(const struct wallet_options *o)
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

int command_deploy(const struct wallet_options *o)
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

int command_call(const struct wallet_options *o)
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
