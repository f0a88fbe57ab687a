/* Decoding of consensus messages: every length is checked before it is used, and nothing is left over. */
#include "ledger/dag/wire.h"

#include "crypto/blake3.h"

void wire_batch_again(const uint8_t *in, size_t size, struct batch_view *out)
{
	out->author = load_le16(in + 1);
	out->worker = in[3];
	out->sequence = load_le64(in + 4);
	out->count = load_le32(in + 12);
	out->payloads = in + WIRE_BATCH_HEAD;
	out->payloads_size = size - WIRE_BATCH_HEAD;
}

bool wire_batch(const uint8_t *in, size_t size, struct batch_view *out)
{
	if (size < WIRE_BATCH_HEAD || size > DAG_MAX_BATCH_SIZE || in[0] != DAG_BATCH)
		return false;
	wire_batch_again(in, size, out);
	size_t at = WIRE_BATCH_HEAD;
	for (uint32_t i = 0; i < out->count; i++) {
		if (size - at < 4)
			return false;
		uint32_t length = load_le32(in + at);
		if (length == 0 || length > size - at - 4)
			return false;
		at += 4 + length;
	}
	return at == size && out->count && out->author < DAG_MAX_VALIDATORS;
}

const uint8_t *wire_payload(const struct batch_view *batch, const uint8_t **at, uint32_t *size)
{
	if (*at == batch->payloads + batch->payloads_size)
		return NULL;
	*size = load_le32(*at);
	const uint8_t *payload = *at + 4;
	*at = payload + *size;
	return payload;
}

bool wire_header(const uint8_t *in, size_t size, size_t signature_size, struct header_view *out)
{
	if (size < WIRE_HEADER_HEAD + signature_size || in[0] != DAG_HEADER || in[1] > DAG_UNCERTIFIED)
		return false;
	out->mode = in[1];
	out->author = load_le16(in + 2);
	out->epoch = load_le64(in + 4);
	out->round = load_le64(in + 12);
	out->time_ms = load_le64(in + 20);
	out->batch_count = load_le16(in + 28);
	out->strong_count = load_le16(in + 30);
	out->weak_count = load_le16(in + 32);
	if (out->author >= DAG_MAX_VALIDATORS || out->round == 0 || out->batch_count > DAG_MAX_BATCHES ||
	    out->strong_count > DAG_MAX_VALIDATORS || out->weak_count > DAG_MAX_WEAK ||
	    size != WIRE_HEADER_HEAD + (size_t)out->batch_count * WIRE_BATCH_ENTRY +
	                (size_t)out->strong_count * WIRE_STRONG_ENTRY +
	                (size_t)out->weak_count * WIRE_REF_ENTRY + signature_size)
		return false;
	out->batches = in + WIRE_HEADER_HEAD;
	out->strong = out->batches + (size_t)out->batch_count * WIRE_BATCH_ENTRY;
	out->weak = out->strong + (size_t)out->strong_count * WIRE_STRONG_ENTRY;
	out->signed_size = size - signature_size;
	out->signature = in + out->signed_size;
	out->strong_authors = 0;
	int last = -1;
	for (unsigned i = 0; i < out->strong_count; i++) {
		uint16_t author = load_le16(out->strong + (size_t)i * WIRE_STRONG_ENTRY);
		if (author >= DAG_MAX_VALIDATORS || author <= last)
			return false;
		last = author;
		out->strong_authors |= set_of(author);
	}
	uint64_t last_round = 0;
	for (unsigned i = 0; i < out->weak_count; i++) {
		struct dag_ref ref;
		wire_ref(out->weak + (size_t)i * WIRE_REF_ENTRY, &ref);
		if (ref.author >= DAG_MAX_VALIDATORS || ref.round == 0 || ref.round + 1 >= out->round ||
		    ref.round < last_round || (ref.round == last_round && i && ref.author <= last))
			return false;
		last_round = ref.round;
		last = ref.author;
	}
	for (unsigned i = 0; i < out->batch_count; i++)
		if (load_le32(out->batches + (size_t)i * WIRE_BATCH_ENTRY + DAG_DIGEST_SIZE) >
		    DAG_MAX_BATCH_SIZE)
			return false;
	return out->round == 1 ? !out->strong_count && !out->weak_count : out->strong_count > 0;
}

bool wire_votes(const uint8_t *in, size_t size, size_t signature_size, struct votes_view *out)
{
	if (size < WIRE_VOTES_HEAD + signature_size || in[0] != DAG_VOTES)
		return false;
	out->voter = load_le16(in + 1);
	out->epoch = load_le64(in + 3);
	out->count = load_le16(in + 11);
	if (out->voter >= DAG_MAX_VALIDATORS || !out->count || out->count > DAG_MAX_VOTES ||
	    size != WIRE_VOTES_HEAD + (size_t)out->count * WIRE_REF_ENTRY + signature_size)
		return false;
	out->entries = in + WIRE_VOTES_HEAD;
	out->signed_size = size - signature_size;
	out->signature = in + out->signed_size;
	for (unsigned i = 0; i < out->count; i++)
		if (load_le16(out->entries + (size_t)i * WIRE_REF_ENTRY + 8) >= DAG_MAX_VALIDATORS ||
		    load_le64(out->entries + (size_t)i * WIRE_REF_ENTRY) == 0)
			return false;
	return true;
}

bool wire_certificate(const uint8_t *in, size_t size, struct certificate_view *out)
{
	if (size < 7 || in[0] != DAG_CERTIFICATE)
		return false;
	out->header_size = load_le32(in + 1);
	if (out->header_size > size - 7)
		return false;
	out->header = in + 5;
	size_t at = 5 + out->header_size;
	out->count = load_le16(in + at);
	at += 2;
	out->votes = in + at;
	out->votes_size = size - at;
	if (out->count > DAG_MAX_VALIDATORS)
		return false;
	for (unsigned i = 0; i < out->count; i++) {
		if (size - at < 4)
			return false;
		uint32_t length = load_le32(in + at);
		if (length > size - at - 4)
			return false;
		at += 4 + length;
	}
	return at == size;
}

bool wire_status(const uint8_t *in, size_t size, struct status_view *out)
{
	if (size < WIRE_STATUS_HEAD || in[0] != DAG_STATUS)
		return false;
	out->epoch = load_le64(in + 1);
	out->round = load_le64(in + 9);
	out->committed = load_le64(in + 17);
	out->gc_round = load_le64(in + 25);
	out->checkpoint = load_le64(in + 33);
	out->base = load_le64(in + 41);
	out->rounds = load_le16(in + 49);
	out->have = in + WIRE_STATUS_HEAD;
	return out->rounds <= WIRE_STATUS_ROUNDS && size == WIRE_STATUS_HEAD + (size_t)out->rounds * 8 &&
	       out->base < UINT64_MAX - DAG_WINDOW && out->round < UINT64_MAX - DAG_WINDOW;
}

unsigned wire_list(const uint8_t *in, size_t size, size_t entry_size)
{
	if (size < 3)
		return 0;
	unsigned count = load_le16(in + 1);
	return count <= DAG_MAX_REQUESTS && size == 3 + count * entry_size ? count : 0;
}

bool wire_checkpoint(const uint8_t *in, size_t size, size_t signature_size, struct checkpoint_view *out)
{
	if (size != WIRE_CHECKPOINT_HEAD + signature_size || in[0] != DAG_CHECKPOINT)
		return false;
	out->epoch = load_le64(in + 1);
	out->index = load_le64(in + 9);
	memcpy(&out->state, in + 17, DAG_DIGEST_SIZE);
	out->voter = load_le16(in + 49);
	out->signature = in + WIRE_CHECKPOINT_HEAD;
	return out->voter < DAG_MAX_VALIDATORS;
}

bool wire_state(const uint8_t *in, size_t size, size_t signature_size, struct state_view *out)
{
	if (size < 5 || in[0] != DAG_STATE)
		return false;
	out->order_size = load_le32(in + 1);
	if (out->order_size > size - 5 || size - 5 - out->order_size < 34)
		return false;
	out->order = in + 5;
	out->root = out->order + out->order_size;
	out->count = load_le16(out->root + 32);
	out->signatures = out->root + 34;
	return out->count <= DAG_MAX_VALIDATORS &&
	       size == 5 + out->order_size + 34 + (size_t)out->count * (2 + signature_size);
}

bool wire_evidence(const uint8_t *in, size_t size, const uint8_t *header[2], size_t header_size[2])
{
	if (size < 9 || in[0] != DAG_EVIDENCE)
		return false;
	header_size[0] = load_le32(in + 1);
	if (header_size[0] > size - 9)
		return false;
	header[0] = in + 5;
	header_size[1] = load_le32(header[0] + header_size[0]);
	header[1] = header[0] + header_size[0] + 4;
	return header_size[1] == size - 9 - header_size[0];
}

void wire_ref(const uint8_t *entry, struct dag_ref *out)
{
	out->round = load_le64(entry);
	out->author = load_le16(entry + 8);
	memcpy(&out->digest, entry + 10, DAG_DIGEST_SIZE);
}

void wire_strong(const uint8_t *entry, uint64_t round, struct dag_ref *out)
{
	out->round = round - 1;
	out->author = load_le16(entry);
	memcpy(&out->digest, entry + 2, DAG_DIGEST_SIZE);
}

void wire_put_ref(uint8_t *entry, const struct dag_ref *ref)
{
	store_le64(entry, ref->round);
	store_le16(entry + 8, ref->author);
	memcpy(entry + 10, &ref->digest, DAG_DIGEST_SIZE);
}

/* The key separates the kinds: no message's digest is that of another kind. */
void wire_digest(enum dag_message kind, const uint8_t *in, size_t size, struct dag_digest *out)
{
	uint8_t key[BLAKE3_KEY_SIZE] = "Holon ledger message v1";
	key[BLAKE3_KEY_SIZE - 1] = (uint8_t)kind;
	blake3_keyed_hash(out->bytes, key, in, size);
}
