/* Fuzzes what strangers put into the sequence and peers send to the opener: envelopes, responses, shares. */
#include <stdlib.h>

#include "ledger/encrypted/opener.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t kem[DAG_MAX_VALIDATORS][MLKEM768_EK_SIZE];
static struct opener_config config;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	uint8_t d[32] = {1}, z[32] = {2};
	for (unsigned i = 0; i < 4 && !ready; i++) {
		d[1] = (uint8_t)i;
		if (mlkem_keygen(MLKEM_768, d, z, kem[i], config.dk) != CRYPTO_OK)
			abort();
	}
	ready = true;
	config.self = 3;
	config.keys = (struct envelope_keys){0, 15, (const uint8_t(*)[MLKEM768_EK_SIZE])kem};
	config.patience_us = 1;
	if (size < 8)
		return 0;
	/* One batch of up to three payloads, then messages of a peer. */
	size_t parts[4], total = 0;
	const uint8_t *at = data + 8;
	size -= 8;
	for (unsigned i = 0; i < 3; i++) {
		parts[i] = load_le16(data + (size_t)2 * i) % (size / 3 + 1);
		total += parts[i];
	}
	uint32_t count = 0;
	struct blob *batch = blob_create(WIRE_BATCH_HEAD + total + 12);
	uint8_t *out = batch->data + WIRE_BATCH_HEAD;
	memset(batch->data, 0, WIRE_BATCH_HEAD);
	batch->data[0] = DAG_BATCH;
	for (unsigned i = 0; i < 3; i++) {
		if (!parts[i])
			continue;
		store_le32(out, (uint32_t)parts[i]);
		memcpy(out + 4, at, parts[i]);
		out += 4 + parts[i];
		at += parts[i];
		size -= parts[i];
		count++;
	}
	store_le32(batch->data + 12, count);
	batch->size = (uint32_t)(out - batch->data);
	struct opener *opener = opener_create(&config);
	for (uint64_t index = 1; index <= 2; index++) {
		struct dag_effect effect = {.kind = DAG_COMMITTED, .index = index, .batch_count = 1};
		effect.batches = ledger_allocate(1, sizeof(*effect.batches));
		effect.batches[0] = (struct dag_payloads){blob_hold(batch), (uint16_t)index};
		opener_commit(opener, &effect, true, index);
		struct blob *message = blob_copy(at, size);
		if (size > 0) {
			message->data[0] = data[6] & 1 ? OPENER_SHARES : OPENER_WANT;
			opener_receive(opener, data[7] % 70, message);
		}
		blob_release(message);
		opener_tick(opener, 100 * index);
	}
	blob_release(batch);
	opener_destroy(opener);
	return 0;
}
