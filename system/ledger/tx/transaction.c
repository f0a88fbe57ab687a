/* Transactions from bytes and to bytes. */
#include "tx/transaction.h"

#include "tx/account_key.h"
#include "tx/signature.h"

#include <stdlib.h>

static bool refuse(const char **why, const char *text)
{
	*why = text;
	return false;
}

static bool read_to(struct rlp_reader *fields, struct transaction *out)
{
	const uint8_t *bytes;
	size_t length;
	if (!rlp_read_bytes(fields, &bytes, &length) || (length != 0 && length != 20))
		return false;
	out->create = length == 0;
	if (length)
		memcpy(out->to.bytes, bytes, 20);
	return true;
}

/* How many items a list has; false when it is malformed. */
static bool count_items(struct rlp_reader list, size_t *count)
{
	const uint8_t *item;
	size_t length;
	bool is_list;
	for (*count = 0; !rlp_at_end(&list); ++*count)
		if (!rlp_read_raw(&list, &item, &length, &is_list))
			return false;
	return true;
}

static bool read_access_list(struct rlp_reader *fields, struct transaction *out, struct arena *arena)
{
	struct rlp_reader list;
	size_t count;
	if (!rlp_read_list(fields, &list) || !count_items(list, &count))
		return false;
	struct access_entry *entries = arena_alloc(arena, count * sizeof *entries);
	for (size_t i = 0; i < count; i++) {
		struct rlp_reader entry;
		struct rlp_reader keys;
		if (!rlp_read_list(&list, &entry) || !rlp_read_exact(&entry, entries[i].address.bytes, 20) ||
		    !rlp_read_list(&entry, &keys) || !rlp_at_end(&entry) ||
		    !count_items(keys, &entries[i].key_count))
			return false;
		struct u256 *words = arena_alloc(arena, entries[i].key_count * sizeof *words);
		for (size_t k = 0; k < entries[i].key_count; k++) {
			uint8_t bytes[32];
			if (!rlp_read_exact(&keys, bytes, 32))
				return false;
			u256_load(&words[k], bytes);
		}
		entries[i].keys = words;
		out->access_key_count += entries[i].key_count;
	}
	out->access_list = entries;
	out->access_count = count;
	return true;
}

static bool read_blob_hashes(struct rlp_reader *fields, struct transaction *out, struct arena *arena)
{
	struct rlp_reader list;
	if (!rlp_read_list(fields, &list) || !count_items(list, &out->blob_count))
		return false;
	struct hash32 *hashes = arena_alloc(arena, out->blob_count * sizeof *hashes);
	for (size_t i = 0; i < out->blob_count; i++)
		if (!rlp_read_exact(&list, hashes[i].bytes, 32))
			return false;
	out->blob_hashes = hashes;
	return true;
}

static bool read_authorizations(struct rlp_reader *fields, struct transaction *out, struct arena *arena)
{
	struct rlp_reader list;
	if (!rlp_read_list(fields, &list) || !count_items(list, &out->authorization_count))
		return false;
	struct authorization *entries = arena_alloc(arena, out->authorization_count * sizeof *entries);
	for (size_t i = 0; i < out->authorization_count; i++) {
		struct rlp_reader entry;
		uint64_t parity;
		if (!rlp_read_list(&list, &entry) || !rlp_read_u256(&entry, &entries[i].chain_id) ||
		    !rlp_read_exact(&entry, entries[i].address.bytes, 20) ||
		    !rlp_read_u64(&entry, &entries[i].nonce) || !rlp_read_u64(&entry, &parity) ||
		    parity > 255 || !rlp_read_u256(&entry, &entries[i].r) ||
		    !rlp_read_u256(&entry, &entries[i].s) || !rlp_at_end(&entry))
			return false;
		entries[i].y_parity = (uint8_t)parity;
	}
	out->authorizations = entries;
	return true;
}

static bool decode_legacy(struct transaction *out, struct rlp_reader *fields, const char **why)
{
	uint64_t v;
	if (!rlp_read_u64(fields, &out->nonce) || !rlp_read_u256(fields, &out->gas_price) ||
	    !rlp_read_u64(fields, &out->gas_limit) || !read_to(fields, out) ||
	    !rlp_read_u256(fields, &out->value) || !rlp_read_bytes(fields, &out->data, &out->data_size) ||
	    !rlp_read_u64(fields, &v) || !rlp_read_u256(fields, &out->r) || !rlp_read_u256(fields, &out->s))
		return refuse(why, "malformed legacy transaction");
	if (v == 27 || v == 28) {
		out->y_parity = (uint8_t)(v - 27);
	} else if (v >= 35) {
		out->has_chain_id = true;
		out->chain_id = (v - 35) / 2;
		out->y_parity = (uint8_t)((v - 35) & 1);
	} else {
		return refuse(why, "invalid v of a legacy signature");
	}
	return true;
}

/* Either nothing, as in a transaction that is yet to be signed, or all of it. */
static bool read_optional(struct rlp_reader *fields, const uint8_t **bytes, size_t size)
{
	size_t length;
	if (!rlp_read_bytes(fields, bytes, &length) || (length && length != size))
		return false;
	if (!length)
		*bytes = NULL;
	return true;
}

static bool decode_typed(struct transaction *out, struct rlp_reader *fields, struct arena *arena,
                         const char **why)
{
	uint64_t parity;
	out->has_chain_id = true;
	if (!rlp_read_u64(fields, &out->chain_id) || !rlp_read_u64(fields, &out->nonce))
		return refuse(why, "malformed transaction");
	if (out->type == TRANSACTION_ACCESS_LIST) {
		if (!rlp_read_u256(fields, &out->gas_price))
			return refuse(why, "malformed gas price");
	} else if (!rlp_read_u256(fields, &out->max_priority_fee) || !rlp_read_u256(fields, &out->max_fee)) {
		return refuse(why, "malformed fees");
	}
	if (!rlp_read_u64(fields, &out->gas_limit) || !read_to(fields, out) ||
	    !rlp_read_u256(fields, &out->value) || !rlp_read_bytes(fields, &out->data, &out->data_size))
		return refuse(why, "malformed gas limit, recipient, value or data");
	if (!read_access_list(fields, out, arena))
		return refuse(why, "malformed access list");
	if (out->type == TRANSACTION_BLOB &&
	    (!rlp_read_u256(fields, &out->max_blob_fee) || !read_blob_hashes(fields, out, arena)))
		return refuse(why, "malformed blob fields");
	if (out->type == TRANSACTION_SET_CODE && !read_authorizations(fields, out, arena))
		return refuse(why, "malformed authorization list");
	if (out->type == TRANSACTION_HYBRID)
		return (rlp_read_exact(fields, out->account.bytes, 20) &&
		        read_optional(fields, &out->public_key, HYBRID_SIGN_PK_SIZE) &&
		        read_optional(fields, &out->hybrid_signature, HYBRID_SIGN_SIGNATURE_SIZE)) ||
		       refuse(why, "malformed account, key or signature");
	if (out->type >= TRANSACTION_BLOB && out->create)
		return refuse(why, "blob and set-code transactions cannot create contracts");
	if (!rlp_read_u64(fields, &parity) || parity > 1 || !rlp_read_u256(fields, &out->r) ||
	    !rlp_read_u256(fields, &out->s))
		return refuse(why, "malformed signature");
	out->y_parity = (uint8_t)parity;
	return true;
}

bool transaction_decode(struct transaction *out, const uint8_t *bytes, size_t size, struct arena *arena,
                        const char **why)
{
	*out = (struct transaction){0};
	if (size == 0 || size > TRANSACTION_MAX_SIZE)
		return refuse(why, size ? "transaction too large" : "empty transaction");
	struct rlp_reader reader = rlp_reader(bytes, size);
	if (bytes[0] < 0x80) {
		if ((bytes[0] < TRANSACTION_ACCESS_LIST || bytes[0] > TRANSACTION_SET_CODE) &&
		    bytes[0] != TRANSACTION_HYBRID)
			return refuse(why, "transaction type not supported");
		out->type = (enum transaction_type)bytes[0];
		reader.next++;
	}
	struct rlp_reader fields;
	if (!rlp_read_list(&reader, &fields) || !rlp_at_end(&reader))
		return refuse(why, "transaction is not one RLP list");
	if (out->type == TRANSACTION_LEGACY ? !decode_legacy(out, &fields, why)
	                                    : !decode_typed(out, &fields, arena, why))
		return false;
	if (!rlp_at_end(&fields))
		return refuse(why, "transaction has too many fields");
	if (out->type <= TRANSACTION_ACCESS_LIST)
		out->max_fee = out->max_priority_fee = out->gas_price;
	keccak256(out->hash.bytes, bytes, size);
	struct rlp_writer writer = {0};
	transaction_encode(&writer, out, true);
	keccak256(out->signing_hash.bytes, writer.bytes, writer.length);
	rlp_free(&writer);
	return true;
}

static void put_access_list(struct rlp_writer *writer, const struct transaction *t)
{
	const size_t list = rlp_begin_list(writer);
	for (size_t i = 0; i < t->access_count; i++) {
		const size_t entry = rlp_begin_list(writer);
		rlp_put_bytes(writer, t->access_list[i].address.bytes, 20);
		const size_t keys = rlp_begin_list(writer);
		for (size_t k = 0; k < t->access_list[i].key_count; k++) {
			uint8_t bytes[32];
			u256_store(bytes, &t->access_list[i].keys[k]);
			rlp_put_bytes(writer, bytes, 32);
		}
		rlp_end_list(writer, keys);
		rlp_end_list(writer, entry);
	}
	rlp_end_list(writer, list);
}

static void put_authorizations(struct rlp_writer *writer, const struct transaction *t)
{
	const size_t list = rlp_begin_list(writer);
	for (size_t i = 0; i < t->authorization_count; i++) {
		const struct authorization *a = &t->authorizations[i];
		const size_t entry = rlp_begin_list(writer);
		rlp_put_u256(writer, &a->chain_id);
		rlp_put_bytes(writer, a->address.bytes, 20);
		rlp_put_u64(writer, a->nonce);
		rlp_put_u64(writer, a->y_parity);
		rlp_put_u256(writer, &a->r);
		rlp_put_u256(writer, &a->s);
		rlp_end_list(writer, entry);
	}
	rlp_end_list(writer, list);
}

static void put_hybrid(struct rlp_writer *writer, const struct transaction *t, bool for_signing)
{
	rlp_put_bytes(writer, t->account.bytes, 20);
	rlp_put_bytes(writer, t->public_key, t->public_key ? HYBRID_SIGN_PK_SIZE : 0);
	if (!for_signing)
		rlp_put_bytes(writer, t->hybrid_signature,
		              t->hybrid_signature ? HYBRID_SIGN_SIGNATURE_SIZE : 0);
}

static void put_common(struct rlp_writer *writer, const struct transaction *t)
{
	rlp_put_u64(writer, t->gas_limit);
	rlp_put_bytes(writer, t->to.bytes, t->create ? 0 : 20);
	rlp_put_u256(writer, &t->value);
	rlp_put_bytes(writer, t->data, t->data_size);
}

void transaction_encode(struct rlp_writer *writer, const struct transaction *t, bool for_signing)
{
	if (t->type != TRANSACTION_LEGACY) {
		const uint8_t type = (uint8_t)t->type;
		rlp_put_raw(writer, &type, 1);
	}
	const size_t list = rlp_begin_list(writer);
	if (t->type != TRANSACTION_LEGACY)
		rlp_put_u64(writer, t->chain_id);
	rlp_put_u64(writer, t->nonce);
	if (t->type <= TRANSACTION_ACCESS_LIST) {
		rlp_put_u256(writer, &t->gas_price);
	} else {
		rlp_put_u256(writer, &t->max_priority_fee);
		rlp_put_u256(writer, &t->max_fee);
	}
	put_common(writer, t);
	if (t->type != TRANSACTION_LEGACY)
		put_access_list(writer, t);
	if (t->type == TRANSACTION_BLOB) {
		rlp_put_u256(writer, &t->max_blob_fee);
		const size_t hashes = rlp_begin_list(writer);
		for (size_t i = 0; i < t->blob_count; i++)
			rlp_put_bytes(writer, t->blob_hashes[i].bytes, 32);
		rlp_end_list(writer, hashes);
	}
	if (t->type == TRANSACTION_SET_CODE)
		put_authorizations(writer, t);
	if (t->type == TRANSACTION_HYBRID) {
		put_hybrid(writer, t, for_signing);
		rlp_end_list(writer, list);
		return;
	}
	if (t->type == TRANSACTION_LEGACY) {
		if (!for_signing) {
			rlp_put_u64(writer,
			            t->has_chain_id ? 35 + t->chain_id * 2 + t->y_parity : 27U + t->y_parity);
		} else if (t->has_chain_id) {
			rlp_put_u64(writer, t->chain_id);
			rlp_put_u64(writer, 0);
			rlp_put_u64(writer, 0);
		}
	} else if (!for_signing) {
		rlp_put_u64(writer, t->y_parity);
	}
	if (!for_signing) {
		rlp_put_u256(writer, &t->r);
		rlp_put_u256(writer, &t->s);
	}
	rlp_end_list(writer, list);
}

bool transaction_sender(const struct transaction *t, struct address *out)
{
	if (t->type == TRANSACTION_HYBRID) {
		*out = t->account;
		return account_key_verify(t);
	}
	return !signature_s_is_high(&t->s) &&
	       signature_recover(out, &t->signing_hash, t->y_parity, &t->r, &t->s);
}

bool authorization_signer(const struct authorization *a, struct address *out)
{
	if (a->y_parity > 1 || signature_s_is_high(&a->s))
		return false;
	struct rlp_writer writer = {0};
	const uint8_t magic = 0x05;
	rlp_put_raw(&writer, &magic, 1);
	const size_t list = rlp_begin_list(&writer);
	rlp_put_u256(&writer, &a->chain_id);
	rlp_put_bytes(&writer, a->address.bytes, 20);
	rlp_put_u64(&writer, a->nonce);
	rlp_end_list(&writer, list);
	struct hash32 digest;
	keccak256(digest.bytes, writer.bytes, writer.length);
	rlp_free(&writer);
	return signature_recover(out, &digest, a->y_parity, &a->r, &a->s);
}

bool transaction_sign(struct transaction *t, const uint8_t key[32])
{
	struct rlp_writer writer = {0};
	transaction_encode(&writer, t, true);
	keccak256(t->signing_hash.bytes, writer.bytes, writer.length);
	unsigned parity;
	const bool good = signature_sign(&t->signing_hash, key, &parity, &t->r, &t->s);
	if (good) {
		t->y_parity = (uint8_t)parity;
		writer.length = 0;
		transaction_encode(&writer, t, false);
		keccak256(t->hash.bytes, writer.bytes, writer.length);
	}
	rlp_free(&writer);
	return good;
}
