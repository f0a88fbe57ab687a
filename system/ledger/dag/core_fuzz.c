/*
 * Fuzzes a whole core with messages from a hostile peer: the input is a sequence of (length 2, bytes)
 * messages, each delivered to a validator of four that holds all but one peer's good will. It must neither
 * crash nor leak, whatever comes. Signatures are a byte that the fuzzer can guess, so that what lies behind
 * them is reached.
 */
#include <stdlib.h>

#include "ledger/dag/dag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sign(void *context, enum dag_message purpose, const struct dag_digest *digest, uint8_t *signature)
{
	(void)context;
	(void)purpose;
	(void)digest;
	memset(signature, 0x5a, 16);
}

static bool verify(void *context, unsigned validator, enum dag_message purpose,
                   const struct dag_digest *digest, const uint8_t *signature)
{
	(void)context;
	(void)validator;
	(void)purpose;
	(void)digest;
	return signature[0] == 0x5a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dag_config config = {.self = 0,
	                            .members = 15,
	                            .validators = 15,
	                            .signer = {NULL, 16, sign, verify},
	                            .leader_timeout_us = 1000,
	                            .round_us = 100,
	                            .idle_us = 1000,
	                            .sync_us = 1000,
	                            .checkpoint_commits = 2,
	                            .seed = 7};
	if (!size)
		return 0;
	config.mode = data[0] & 1;
	struct dag *dag = dag_create(&config);
	uint64_t now = 1000;
	dag_begin(dag, now, 1, 0);
	for (size_t at = 1; size - at > 2;) {
		size_t length = load_le16(data + at) & 2047;
		unsigned peer = data[at + 1] >> 6;
		at += 2;
		if (length > size - at)
			length = size - at;
		struct blob *blob = blob_copy(data + at, length);
		at += length;
		dag_receive(dag, peer, blob);
		blob_release(blob);
		now += 500;
		dag_tick(dag, now, now);
		dag_flush(dag);
		for (struct dag_effect *effect; (effect = dag_next_effect(dag));) {
			struct dag_effect mine = *effect;
			static const uint8_t root[DAG_ROOT_SIZE];
			if (mine.kind == DAG_PERSIST)
				dag_persisted(dag, mine.ticket);
			else if (mine.kind == DAG_COMMITTED)
				dag_applied(dag, mine.index, root);
			else if (mine.kind == DAG_STABLE)
				dag_settled(dag, mine.index);
			else if (mine.kind == DAG_RESTORE)
				dag_restored(dag, mine.index, mine.index & 1);
			dag_effect_release(&mine);
		}
	}
	dag_destroy(dag);
	return 0;
}
