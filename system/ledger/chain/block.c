/* Encoding of headers, receipts and blooms. */
#include "chain/block.h"

#include "state/trie.h"

const struct hash32 block_empty_uncles = {{0x1d, 0xcc, 0x4d, 0xe8, 0xde, 0xc7, 0x5d, 0x7a, 0xab, 0x85, 0xb5,
                                           0x67, 0xb6, 0xcc, 0xd4, 0x1a, 0xd3, 0x12, 0x45, 0x1b, 0x94, 0x8a,
                                           0x74, 0x13, 0xf0, 0xa1, 0x42, 0xfd, 0x40, 0xd4, 0x93, 0x47}};
/* SHA-256 of nothing: EIP-7685's hash of an empty list of requests */
const struct hash32 block_empty_requests = {{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
                                             0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
                                             0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}};

void block_encode_header(struct rlp_writer *writer, struct block_header *h)
{
	static const uint8_t zeros[32];
	const size_t begun = writer->length;
	const size_t list = rlp_begin_list(writer);
	rlp_put_bytes(writer, h->parent.bytes, 32);
	rlp_put_bytes(writer, block_empty_uncles.bytes, 32);
	rlp_put_bytes(writer, h->coinbase.bytes, 20);
	rlp_put_bytes(writer, h->state_root.bytes, 32);
	rlp_put_bytes(writer, h->transactions_root.bytes, 32);
	rlp_put_bytes(writer, h->receipts_root.bytes, 32);
	rlp_put_bytes(writer, h->bloom, BLOOM_SIZE);
	rlp_put_u64(writer, 0); /* difficulty */
	rlp_put_u64(writer, h->number);
	rlp_put_u64(writer, h->gas_limit);
	rlp_put_u64(writer, h->gas_used);
	rlp_put_u64(writer, h->timestamp);
	rlp_put_bytes(writer, h->extra, h->extra_size);
	rlp_put_bytes(writer, h->random.bytes, 32);
	rlp_put_bytes(writer, zeros, 8); /* nonce */
	rlp_put_u256(writer, &h->base_fee);
	rlp_put_bytes(writer, trie_empty_root.bytes, 32); /* withdrawals */
	rlp_put_u64(writer, 0);                           /* blob gas used */
	rlp_put_u64(writer, 0);                           /* excess blob gas */
	rlp_put_bytes(writer, zeros, 32);                 /* parent beacon block root */
	rlp_put_bytes(writer, block_empty_requests.bytes, 32);
	rlp_end_list(writer, list);
	keccak256(h->hash.bytes, writer->bytes + begun, writer->length - begun);
}

void block_write(struct rlp_writer *writer, const struct block_header *h)
{
	const size_t list = rlp_begin_list(writer);
	rlp_put_bytes(writer, h->parent.bytes, 32);
	rlp_put_bytes(writer, h->coinbase.bytes, 20);
	rlp_put_bytes(writer, h->state_root.bytes, 32);
	rlp_put_bytes(writer, h->transactions_root.bytes, 32);
	rlp_put_bytes(writer, h->receipts_root.bytes, 32);
	rlp_put_bytes(writer, h->bloom, BLOOM_SIZE);
	rlp_put_u64(writer, h->number);
	rlp_put_u64(writer, h->gas_limit);
	rlp_put_u64(writer, h->gas_used);
	rlp_put_u64(writer, h->timestamp);
	rlp_put_bytes(writer, h->extra, h->extra_size);
	rlp_put_bytes(writer, h->random.bytes, 32);
	rlp_put_u256(writer, &h->base_fee);
	rlp_put_bytes(writer, h->hash.bytes, 32);
	rlp_put_u64(writer, h->transaction_count);
	rlp_put_u64(writer, h->size);
	rlp_put_u64(writer, h->commit_index);
	rlp_put_u64(writer, h->time_ms);
	rlp_end_list(writer, list);
}

bool block_read(struct block_header *out, const uint8_t *bytes, size_t size)
{
	struct rlp_reader reader = rlp_reader(bytes, size);
	struct rlp_reader f;
	const uint8_t *extra;
	uint64_t count;
	*out = (struct block_header){0};
	if (!rlp_read_list(&reader, &f) || !rlp_read_exact(&f, out->parent.bytes, 32) ||
	    !rlp_read_exact(&f, out->coinbase.bytes, 20) || !rlp_read_exact(&f, out->state_root.bytes, 32) ||
	    !rlp_read_exact(&f, out->transactions_root.bytes, 32) ||
	    !rlp_read_exact(&f, out->receipts_root.bytes, 32) ||
	    !rlp_read_exact(&f, out->bloom, BLOOM_SIZE) || !rlp_read_u64(&f, &out->number) ||
	    !rlp_read_u64(&f, &out->gas_limit) || !rlp_read_u64(&f, &out->gas_used) ||
	    !rlp_read_u64(&f, &out->timestamp) || !rlp_read_bytes(&f, &extra, &out->extra_size) ||
	    out->extra_size > sizeof out->extra || !rlp_read_exact(&f, out->random.bytes, 32) ||
	    !rlp_read_u256(&f, &out->base_fee) || !rlp_read_exact(&f, out->hash.bytes, 32) ||
	    !rlp_read_u64(&f, &count) || !rlp_read_u64(&f, &out->size) ||
	    !rlp_read_u64(&f, &out->commit_index) || !rlp_read_u64(&f, &out->time_ms) || count > UINT32_MAX)
		return false;
	memcpy(out->extra, extra, out->extra_size);
	out->transaction_count = (uint32_t)count;
	return true;
}

/* ---- bloom filters: yellow paper, equation 30 ---- */
static void bloom_bits(unsigned bits[3], const uint8_t *data, size_t size)
{
	uint8_t digest[32];
	keccak256(digest, data, size);
	for (int i = 0; i < 3; i++)
		bits[i] = ((unsigned)digest[2 * i] << 8 | digest[2 * i + 1]) & 2047;
}

void bloom_add(uint8_t bloom[BLOOM_SIZE], const uint8_t *data, size_t size)
{
	unsigned bits[3];
	bloom_bits(bits, data, size);
	for (int i = 0; i < 3; i++)
		bloom[BLOOM_SIZE - 1 - bits[i] / 8] |= (uint8_t)(1 << bits[i] % 8);
}

bool bloom_may_have(const uint8_t bloom[BLOOM_SIZE], const uint8_t *data, size_t size)
{
	unsigned bits[3];
	bloom_bits(bits, data, size);
	for (int i = 0; i < 3; i++)
		if (!(bloom[BLOOM_SIZE - 1 - bits[i] / 8] >> bits[i] % 8 & 1))
			return false;
	return true;
}

void bloom_add_logs(uint8_t bloom[BLOOM_SIZE], const struct log *logs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bloom_add(bloom, logs[i].address.bytes, 20);
		for (unsigned t = 0; t < logs[i].topic_count; t++) {
			uint8_t topic[32];
			u256_store(topic, &logs[i].topics[t]);
			bloom_add(bloom, topic, 32);
		}
	}
}

/* ---- receipts ---- */
static void put_logs(struct rlp_writer *writer, const struct log *logs, size_t count)
{
	const size_t list = rlp_begin_list(writer);
	for (size_t i = 0; i < count; i++) {
		const size_t entry = rlp_begin_list(writer);
		rlp_put_bytes(writer, logs[i].address.bytes, 20);
		const size_t topics = rlp_begin_list(writer);
		for (unsigned t = 0; t < logs[i].topic_count; t++) {
			uint8_t topic[32];
			u256_store(topic, &logs[i].topics[t]);
			rlp_put_bytes(writer, topic, 32);
		}
		rlp_end_list(writer, topics);
		rlp_put_bytes(writer, logs[i].data, logs[i].data_size);
		rlp_end_list(writer, entry);
	}
	rlp_end_list(writer, list);
}

void receipt_encode(struct rlp_writer *writer, const struct receipt *receipt)
{
	uint8_t bloom[BLOOM_SIZE] = {0};
	bloom_add_logs(bloom, receipt->logs, receipt->log_count);
	if (receipt->type)
		rlp_put_raw(writer, &receipt->type, 1);
	const size_t list = rlp_begin_list(writer);
	rlp_put_u64(writer, receipt->success);
	rlp_put_u64(writer, receipt->cumulative_gas);
	rlp_put_bytes(writer, bloom, BLOOM_SIZE);
	put_logs(writer, receipt->logs, receipt->log_count);
	rlp_end_list(writer, list);
}

void receipt_write(struct rlp_writer *writer, const struct receipt *receipt)
{
	const size_t list = rlp_begin_list(writer);
	rlp_put_bytes(writer, receipt->transaction, receipt->transaction_size);
	rlp_put_bytes(writer, receipt->sender.bytes, 20);
	rlp_put_u64(writer, receipt->type);
	rlp_put_u64(writer, receipt->success);
	rlp_put_bytes(writer, receipt->contract.bytes, receipt->created ? 20 : 0);
	rlp_put_u64(writer, receipt->gas_used);
	rlp_put_u64(writer, receipt->cumulative_gas);
	rlp_put_u64(writer, receipt->first_log);
	put_logs(writer, receipt->logs, receipt->log_count);
	rlp_end_list(writer, list);
}

static bool read_log(struct rlp_reader *list, struct log *log)
{
	struct rlp_reader entry;
	struct rlp_reader topics;
	if (!rlp_read_list(list, &entry) || !rlp_read_exact(&entry, log->address.bytes, 20) ||
	    !rlp_read_list(&entry, &topics) || !rlp_read_bytes(&entry, &log->data, &log->data_size))
		return false;
	while (!rlp_at_end(&topics)) {
		uint8_t topic[32];
		if (log->topic_count == 4 || !rlp_read_exact(&topics, topic, 32))
			return false;
		u256_load(&log->topics[log->topic_count++], topic);
	}
	return true;
}

bool receipt_read(struct receipt *out, const uint8_t *bytes, size_t size, struct arena *arena)
{
	struct rlp_reader reader = rlp_reader(bytes, size);
	struct rlp_reader f;
	struct rlp_reader logs;
	const uint8_t *contract;
	size_t length;
	uint64_t type;
	uint64_t success;
	*out = (struct receipt){0};
	if (!rlp_read_list(&reader, &f) || !rlp_read_bytes(&f, &out->transaction, &out->transaction_size) ||
	    !rlp_read_exact(&f, out->sender.bytes, 20) || !rlp_read_u64(&f, &type) ||
	    !rlp_read_u64(&f, &success) || !rlp_read_bytes(&f, &contract, &length) ||
	    !rlp_read_u64(&f, &out->gas_used) || !rlp_read_u64(&f, &out->cumulative_gas) ||
	    !rlp_read_u64(&f, &out->first_log) || !rlp_read_list(&f, &logs))
		return false;
	out->type = (uint8_t)type;
	out->success = success;
	out->created = length == 20;
	if (out->created)
		memcpy(out->contract.bytes, contract, 20);
	struct rlp_reader counting = logs;
	const uint8_t *item;
	bool is_list;
	while (!rlp_at_end(&counting)) {
		if (!rlp_read_raw(&counting, &item, &length, &is_list))
			return false;
		out->log_count++;
	}
	out->logs = arena_alloc(arena, out->log_count * sizeof *out->logs);
	for (size_t i = 0; i < out->log_count; i++)
		if (!read_log(&logs, &out->logs[i]))
			return false;
	return true;
}

void ordered_root(struct hash32 *out, const struct ordered_items *items, size_t count)
{
	struct trie trie;
	trie_init(&trie, NULL, NULL);
	for (size_t i = 0; i < count; i++) {
		struct rlp_writer key = {0};
		rlp_put_u64(&key, i);
		trie_put(&trie, key.bytes, key.length, items[i].bytes, items[i].size);
		rlp_free(&key);
	}
	trie_root(&trie, out);
	trie_deinit(&trie);
}
