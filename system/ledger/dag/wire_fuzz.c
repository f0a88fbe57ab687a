/* Fuzzes every decoder of consensus messages: what is accepted lies inside the input, and encodes what was
 * read. */
#include <stdlib.h>

#include "ledger/dag/order.h"

#define SIGNATURE 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static uint8_t touched;

/* Reads every byte, so that a view out of bounds is found. */
static void touch(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		touched ^= bytes[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct batch_view batch;
	if (wire_batch(data, size, &batch)) {
		const uint8_t *at = batch.payloads, *payload;
		uint32_t count = 0, length;
		while ((payload = wire_payload(&batch, &at, &length))) {
			touch(payload, length);
			count++;
		}
		require(count == batch.count);
	}
	struct header_view header;
	if (wire_header(data, size, SIGNATURE, &header)) {
		touch(header.signature, SIGNATURE);
		require(set_size(header.strong_authors) == header.strong_count);
		for (unsigned i = 0; i < header.weak_count; i++) {
			struct dag_ref ref;
			wire_ref(header.weak + (size_t)i * WIRE_REF_ENTRY, &ref);
			require(ref.round + 1 < header.round);
		}
		for (unsigned i = 0; i < header.strong_count; i++) {
			struct dag_ref ref;
			wire_strong(header.strong + (size_t)i * WIRE_STRONG_ENTRY, header.round, &ref);
			require(ref.author < DAG_MAX_VALIDATORS);
		}
		touch(header.batches, (size_t)header.batch_count * WIRE_BATCH_ENTRY);
	}
	struct votes_view votes;
	if (wire_votes(data, size, SIGNATURE, &votes)) {
		touch(votes.entries, (size_t)votes.count * WIRE_REF_ENTRY);
		touch(votes.signature, SIGNATURE);
	}
	struct certificate_view certificate;
	if (wire_certificate(data, size, &certificate)) {
		const uint8_t *at = certificate.votes;
		touch(certificate.header, certificate.header_size);
		for (unsigned i = 0; i < certificate.count; i++) {
			uint32_t length = load_le32(at);
			touch(at + 4, length);
			at += 4 + length;
		}
		require(at == data + size);
	}
	struct status_view status;
	if (wire_status(data, size, &status))
		touch(status.have, (size_t)status.rounds * 8);
	touch(data, 3 + (size_t)wire_list(data, size, WIRE_REF_ENTRY) * WIRE_REF_ENTRY > size ? 0 : size);
	require(wire_list(data, size, DAG_DIGEST_SIZE) <= DAG_MAX_REQUESTS);
	struct checkpoint_view checkpoint;
	if (wire_checkpoint(data, size, SIGNATURE, &checkpoint))
		touch(checkpoint.signature, SIGNATURE);
	struct state_view state;
	if (wire_state(data, size, SIGNATURE, &state)) {
		touch(state.order, state.order_size + DAG_ROOT_SIZE + 2);
		touch(state.signatures, (size_t)state.count * (2 + SIGNATURE));
	}
	const uint8_t *headers[2];
	size_t sizes[2];
	if (wire_evidence(data, size, headers, sizes)) {
		touch(headers[0], sizes[0]);
		touch(headers[1], sizes[1]);
	}
	struct dag_order order;
	if (order_decode(data, size, &order)) {
		struct blob *again = order_encode(&order);
		require(again->size == size && !memcmp(again->data, data, size));
		blob_release(again);
	}
	return 0;
}
