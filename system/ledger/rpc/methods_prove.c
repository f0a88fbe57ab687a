/* What gateways check answers by (rpc/gateway_proof.h): a state that validators signed, and proofs of accounts in it. */
#include "chain/pins.h"
#include "ledger/node/application.h"
#include "rpc/rpc_internal.h"

#include <stdlib.h>

struct output {
	json_t *accounts, *slots;
};

static void add_node(void *context, size_t account, long slot, const uint8_t *node, size_t size)
{
	const struct output *output = context;
	json_array_append_new(slot < 0 ? json_array_get(output->accounts, account)
	                               : json_array_get(output->slots, (size_t)slot),
	                      rpc_data(node, size));
}

static json_t *arrays(size_t count)
{
	json_t *out = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(out, json_array());
	return out;
}

static void prove(struct chain_pin *pin, const struct address *addresses, size_t count,
                  const struct u256 *slots, size_t slot_count, json_t *result)
{
	struct output output = {arrays(count), arrays(slot_count)};
	struct block_header block = *chain_pin_block(pin);
	struct rlp_writer header = {0};
	block_encode_header(&header, &block);
	chain_pin_prove(pin, addresses, count, slots, slot_count, add_node, &output);
	json_object_set_new(result, "header", rpc_data(header.bytes, header.length));
	json_object_set_new(result, "accounts", output.accounts);
	json_object_set_new(result, "slots", output.slots);
	rlp_free(&header);
}

static bool read_addresses(struct rpc_call *call, struct address *out, size_t *count)
{
	const json_t *list = rpc_param(call, 1);
	*count = json_array_size(list);
	for (size_t i = 0; i < *count && *count <= RPC_MAX_PROVEN; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		if (!text || hex_decode(out[i].bytes, 20, text) != 20)
			*count = 0;
	}
	if (*count && *count <= RPC_MAX_PROVEN)
		return true;
	(void)rpc_fail(call, RPC_INVALID_PARAMS, "parameter 1 must be an array of 1 to %d addresses",
	               RPC_MAX_PROVEN);
	return false;
}

static bool read_slots(struct rpc_call *call, struct u256 *out, size_t *count)
{
	const json_t *list = rpc_param(call, 2);
	bool good = !list || (json_is_array(list) && json_array_size(list) <= RPC_MAX_PROVEN);
	*count = good ? json_array_size(list) : 0;
	for (size_t i = 0; i < *count && good; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		good = text && hex_to_u256(&out[i], text);
	}
	if (!good)
		(void)rpc_fail(call, RPC_INVALID_PARAMS, "parameter 2 must be an array of at most %d slots",
		               RPC_MAX_PROVEN);
	return good;
}

/*
 * holon_prove(commit, [address …], [slot of the first address …]): the newest state that a quorum says it has, with the certificate
 * unless `commit` is that state's, and the nodes that lead from its block's state root to the accounts and slots. Without `header`:
 * there is none at the moment. `latest` is the last block here: whoever wants to see it proven asks until `header` is of it.
 */
static json_t *prove_accounts(struct rpc_call *call)
{
	struct address addresses[RPC_MAX_PROVEN];
	struct u256 slots[RPC_MAX_PROVEN];
	uint64_t known, index = 0;
	size_t count, slot_count, size;
	if (!call->rpc->config.node)
		return rpc_fail(call, RPC_FAILED, "there are no validators who sign states here");
	if (!rpc_param_quantity(call, 0, &known) || !read_addresses(call, addresses, &count) ||
	    !read_slots(call, slots, &slot_count))
		return NULL;
	uint8_t *certificate = ledger_node_head(call->rpc->config.node, &index, &size);
	/* Asked for in any case: that keeps the next ones. */
	struct chain_pin *pin = chain_pin_hold(call->rpc->config.chain, certificate ? index : 0);
	json_t *result = json_object();
	json_object_set_new(result, "latest", rpc_quantity(call->view->head.number));
	if (pin && certificate && index != known)
		json_object_set_new(result, "head", rpc_data(certificate, size));
	if (pin) {
		prove(pin, addresses, count, slots, slot_count, result);
		chain_pin_release(call->rpc->config.chain, pin);
	}
	free(certificate);
	return result;
}

const struct rpc_method_entry rpc_prove_methods[] = {{"holon_prove", prove_accounts}, {NULL, NULL}};
