/* Methods on the node and the network: ids, versions, prices (all 0: there is no token). */
#include "ledger/node/application.h"
#include "rpc/rpc_internal.h"
#include "trust/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static json_t *client_version(struct rpc_call *call)
{
	(void)call;
	return json_string("holon-ledger/v1.0.0/linux/c");
}

static json_t *sha3(struct rpc_call *call)
{
	const uint8_t *bytes;
	size_t size;
	struct hash32 hash;
	if (!rpc_param_bytes(call, 0, &bytes, &size))
		return NULL;
	keccak256(hash.bytes, bytes, size);
	return rpc_hash(&hash);
}

static json_t *net_version(struct rpc_call *call)
{
	char text[24];
	snprintf(text, sizeof text, "%llu",
	         (unsigned long long)chain_configuration(call->rpc->config.chain)->chain_id);
	return json_string(text);
}

static json_t *chain_id(struct rpc_call *call)
{
	return rpc_quantity(chain_configuration(call->rpc->config.chain)->chain_id);
}

static json_t *yes(struct rpc_call *call)
{
	(void)call;
	return json_true();
}

static json_t *no(struct rpc_call *call)
{
	(void)call;
	return json_false();
}

static json_t *zero(struct rpc_call *call)
{
	(void)call;
	return rpc_quantity(0);
}

static json_t *coinbase(struct rpc_call *call)
{
	return rpc_address(&call->view->head.coinbase);
}

/* Prices of the last blocks, all 0, and how full they were. */
static json_t *fee_history(struct rpc_call *call)
{
	uint64_t count;
	struct block_header newest;
	bool found;
	if (!rpc_param_quantity(call, 0, &count) || !rpc_param_block(call, 1, &newest, &found))
		return NULL;
	if (!found)
		return rpc_fail(call, RPC_FAILED, "unknown block");
	if (count > 1024)
		count = 1024;
	if (count > newest.number + 1)
		count = newest.number + 1;
	const json_t *percentiles = rpc_param(call, 2);
	const size_t rewards = json_is_array(percentiles) ? json_array_size(percentiles) : 0;
	if (rewards > 100)
		return rpc_fail(call, RPC_INVALID_PARAMS, "at most 100 percentiles");
	json_t *fees = json_array();
	json_t *blob_fees = json_array();
	json_t *ratios = json_array();
	json_t *blob_ratios = json_array();
	json_t *reward = json_array();
	for (uint64_t i = 0; i < count; i++) {
		struct block_header block;
		double ratio = 0;
		if (chain_view_block(call->view, newest.number + 1 - count + i, &block))
			ratio = (double)block.gas_used / (double)block.gas_limit;
		json_t *row = json_array();
		for (size_t k = 0; k < rewards; k++)
			json_array_append_new(row, rpc_quantity(0));
		json_array_append_new(reward, row);
		json_array_append_new(fees, rpc_quantity(0));
		json_array_append_new(blob_fees, rpc_quantity(0));
		json_array_append_new(ratios, json_real(ratio));
		json_array_append_new(blob_ratios, json_real(0));
	}
	json_array_append_new(fees, rpc_quantity(0));
	json_array_append_new(blob_fees, rpc_quantity(0));
	json_t *result = json_object();
	json_object_set_new(result, "oldestBlock", rpc_quantity(newest.number + 1 - count));
	json_object_set_new(result, "baseFeePerGas", fees);
	json_object_set_new(result, "gasUsedRatio", ratios);
	json_object_set_new(result, "baseFeePerBlobGas", blob_fees);
	json_object_set_new(result, "blobGasUsedRatio", blob_ratios);
	if (rewards)
		json_object_set_new(result, "reward", reward);
	else
		json_decref(reward);
	return result;
}

/* What an account may still use of its quota in the window under way. */
static json_t *quota(struct rpc_call *call)
{
	struct address address;
	const struct chain_config *config = chain_configuration(call->rpc->config.chain);
	if (!rpc_param_address(call, 0, &address))
		return NULL;
	json_t *result = json_object();
	if (!config->quota_gas) {
		json_object_set_new(result, "limit", json_null());
		json_object_set_new(result, "left", json_null());
		return result;
	}
	json_object_set_new(result, "limit", rpc_quantity(config->quota_gas));
	json_object_set_new(
	    result, "left",
	    rpc_quantity(chain_quota_left(config, &call->view->state, &address, call->view->head.timestamp)));
	json_object_set_new(result, "window", rpc_quantity(config->quota_window));
	return result;
}

/* ---- the transparency log ---- */
static bool has_log(struct rpc_call *call)
{
	if (call->rpc->config.node)
		return true;
	(void)rpc_fail(call, RPC_FAILED, "this node keeps no transparency log");
	return false;
}

static json_t *data_and_free(uint8_t *bytes, size_t size)
{
	json_t *value = rpc_data(bytes, size);
	free(bytes);
	return value;
}

static json_t *log_proof(struct rpc_call *call)
{
	struct hash32 leaf;
	size_t size;
	const char *why = "";
	if (!has_log(call) || !rpc_param_hash(call, 0, &leaf))
		return NULL;
	uint8_t *proof = ledger_node_log_proof(call->rpc->config.node, leaf.bytes, &size, &why);
	return proof ? data_and_free(proof, size) : rpc_fail(call, RPC_NOT_FOUND, "%s", why);
}

static json_t *log_entry(struct rpc_call *call)
{
	uint64_t index;
	size_t size;
	if (!has_log(call) || !rpc_param_quantity(call, 0, &index))
		return NULL;
	uint8_t *entry = ledger_node_log_entry(call->rpc->config.node, index, &size);
	return entry ? data_and_free(entry, size) : json_null();
}

/* The newest entry of a kind, or the newest before an index: how a verifier finds the revocations of now. */
static json_t *log_newest(struct rpc_call *call)
{
	static const struct {
		const char *name;
		enum record_kind kind;
	} kinds[] = {{"keys", RECORD_KEY_LIST},
	             {"certificate", RECORD_CERTIFICATE},
	             {"revocations", RECORD_REVOCATIONS},
	             {"release", RECORD_BOOT}};
	const char *name = json_string_value(rpc_param(call, 0));
	uint64_t before = UINT64_MAX, index;
	size_t size, i = 0;
	if (!has_log(call) || (rpc_param(call, 1) && !rpc_param_quantity(call, 1, &before)))
		return NULL;
	while (i < sizeof kinds / sizeof kinds[0] && (!name || strcmp(kinds[i].name, name) != 0))
		i++;
	if (i == sizeof kinds / sizeof kinds[0])
		return rpc_fail(call, RPC_INVALID_PARAMS,
		                "parameter 0 must be keys, certificate, revocations or release");
	uint8_t *entry =
	    ledger_node_log_newest(call->rpc->config.node, (uint8_t)kinds[i].kind, before, &index, &size);
	if (!entry)
		return json_null();
	json_t *result = json_object();
	json_object_set_new(result, "index", rpc_quantity(index));
	json_object_set_new(result, "entry", data_and_free(entry, size));
	return result;
}

static json_t *log_size(struct rpc_call *call)
{
	return has_log(call) ? rpc_quantity(ledger_node_log_size(call->rpc->config.node)) : NULL;
}

/* ---- for gateways ---- */
static json_t *epochs(struct rpc_call *call)
{
	size_t size;
	if (!has_log(call))
		return NULL;
	uint8_t *chain = ledger_node_epochs(call->rpc->config.node, &size);
	return data_and_free(chain, size);
}

/* What an envelope holds cannot be checked before it is ordered: their rate is limited instead. */
static bool envelope_allowed(struct rpc *rpc)
{
	const time_t now = time(NULL);
	pthread_mutex_lock(&rpc->lock);
	if (rpc->envelope_second != now)
		rpc->envelopes = 0;
	rpc->envelope_second = now;
	const bool allowed = rpc->envelopes < RPC_MAX_ENVELOPES;
	rpc->envelopes += allowed;
	pthread_mutex_unlock(&rpc->lock);
	return allowed;
}

static json_t *send_envelope(struct rpc_call *call)
{
	const uint8_t *envelope;
	size_t size;
	if (!has_log(call) || !rpc_param_bytes(call, 0, &envelope, &size))
		return NULL;
	if (!envelope_allowed(call->rpc))
		return rpc_fail(call, RPC_LIMIT, "too many envelopes this second: try again later");
	switch (ledger_node_submit_envelope(call->rpc->config.node, envelope, size)) {
	case LEDGER_SUBMITTED:
		return json_true();
	case LEDGER_SUBMIT_REFUSED:
		return rpc_fail(call, RPC_FAILED, "this is no envelope for the validators of now");
	case LEDGER_SUBMIT_BUSY:
	case LEDGER_SUBMIT_STOPPED:
		break;
	}
	return rpc_fail(call, RPC_LIMIT, "the node takes none now: try again later");
}

const struct rpc_method_entry rpc_node_methods[] = {{"eth_syncing", no},
                                                    {"eth_feeHistory", fee_history},
                                                    {"holon_quota", quota},
                                                    {"holon_logProof", log_proof},
                                                    {"holon_logEntry", log_entry},
                                                    {"holon_logSize", log_size},
                                                    {"holon_logNewest", log_newest},
                                                    {NULL, NULL}};

/* These do not look at the state. */
const struct rpc_method_entry rpc_any_time_methods[] = {{"web3_clientVersion", client_version},
                                                        {"web3_sha3", sha3},
                                                        {"net_version", net_version},
                                                        {"net_listening", yes},
                                                        {"net_peerCount", zero},
                                                        {"eth_chainId", chain_id},
                                                        {"eth_mining", no},
                                                        {"eth_hashrate", zero},
                                                        {"eth_coinbase", coinbase},
                                                        {"eth_gasPrice", zero},
                                                        {"eth_maxPriorityFeePerGas", zero},
                                                        {"eth_blobBaseFee", zero},
                                                        {"holon_epochs", epochs},
                                                        {"holon_sendEnvelope", send_envelope},
                                                        {NULL, NULL}};
