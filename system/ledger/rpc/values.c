/* Parameters from JSON and values to JSON. */
#include "rpc/rpc_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

json_t *rpc_fail(struct rpc_call *call, enum rpc_error_code code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(call->why, sizeof call->why, format, arguments);
	va_end(arguments);
	call->code = code;
	return NULL;
}

json_t *rpc_param(const struct rpc_call *call, size_t i)
{
	json_t *value = call->params ? json_array_get(call->params, i) : NULL;
	return json_is_null(value) ? NULL : value;
}

uint8_t *rpc_bytes(const char *text, size_t most, struct arena *arena, size_t *size)
{
	const size_t room = text ? strlen(text) / 2 : 0;
	*size = 0;
	if (!text || room > most)
		return NULL;
	uint8_t *bytes = arena_alloc(arena, room + 1);
	const long length = hex_decode(bytes, room, text);
	if (length < 0)
		return NULL;
	*size = (size_t)length;
	return bytes;
}

bool rpc_is_last(const char *tag)
{
	return !strcmp(tag, "latest") || !strcmp(tag, "pending") || !strcmp(tag, "safe") ||
	       !strcmp(tag, "finalized");
}

bool rpc_param_address(struct rpc_call *call, size_t i, struct address *out)
{
	const char *text = json_string_value(rpc_param(call, i));
	if (text && hex_decode(out->bytes, 20, text) == 20)
		return true;
	(void)rpc_fail(call, RPC_INVALID_PARAMS, "parameter %zu must be an address", i);
	return false;
}

bool rpc_param_hash(struct rpc_call *call, size_t i, struct hash32 *out)
{
	const char *text = json_string_value(rpc_param(call, i));
	if (text && hex_decode(out->bytes, 32, text) == 32)
		return true;
	(void)rpc_fail(call, RPC_INVALID_PARAMS, "parameter %zu must be a hash of 32 bytes", i);
	return false;
}

bool rpc_param_quantity(struct rpc_call *call, size_t i, uint64_t *out)
{
	json_t *value = rpc_param(call, i);
	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*out = (uint64_t)json_integer_value(value);
		return true;
	}
	if (json_is_string(value) && hex_to_u64(out, json_string_value(value)))
		return true;
	(void)rpc_fail(call, RPC_INVALID_PARAMS, "parameter %zu must be a quantity", i);
	return false;
}

bool rpc_param_bytes(struct rpc_call *call, size_t i, const uint8_t **bytes, size_t *size)
{
	*bytes = rpc_bytes(json_string_value(rpc_param(call, i)), SIZE_MAX, &call->view->arena, size);
	if (*bytes)
		return true;
	(void)rpc_fail(call, RPC_INVALID_PARAMS, "parameter %zu must be bytes in hexadecimal", i);
	return false;
}

static bool block_by_text(struct rpc_call *call, const char *text, struct block_header *out, bool *found)
{
	uint64_t number;
	uint8_t bytes[32];
	if (rpc_is_last(text)) {
		*out = call->view->head;
		*found = true;
		return true;
	}
	if (hex_decode(bytes, 32, text) == 32) {
		struct hash32 hash;
		memcpy(hash.bytes, bytes, 32);
		*found = chain_view_block_number(call->view, &hash, &number) &&
		         chain_view_block(call->view, number, out);
		return true;
	}
	if (!strcmp(text, "earliest"))
		number = 0;
	else if (!hex_to_u64(&number, text))
		return false;
	*found = chain_view_block(call->view, number, out);
	return true;
}

bool rpc_param_block(struct rpc_call *call, size_t i, struct block_header *out, bool *found)
{
	json_t *value = rpc_param(call, i);
	const char *text = "latest";
	if (json_is_object(value)) {
		text = json_string_value(json_object_get(value, "blockHash"));
		if (!text)
			text = json_string_value(json_object_get(value, "blockNumber"));
	} else if (value) {
		text = json_string_value(value);
	}
	if (text && block_by_text(call, text, out, found))
		return true;
	(void)rpc_fail(call, RPC_INVALID_PARAMS, "parameter %zu must be a block: a number, a hash or a tag",
	               i);
	return false;
}

bool rpc_param_state(struct rpc_call *call, size_t i, struct block_header *out)
{
	bool found;
	if (!rpc_param_block(call, i, out, &found))
		return false;
	if (!found) {
		(void)rpc_fail(call, RPC_FAILED, "header not found");
		return false;
	}
	if (!chain_view_at(call->view, out->number)) {
		(void)rpc_fail(call, RPC_FAILED, "the state of block %llu is not kept: the oldest is %llu",
		               (unsigned long long)out->number,
		               (unsigned long long)chain_view_oldest(call->view));
		return false;
	}
	return true;
}

bool rpc_parse_number(const char *text, uint64_t *out)
{
	char *end;
	*out = strtoull(text, &end, 0);
	return *text && !*end;
}

json_t *rpc_quantity(uint64_t value)
{
	char text[19];
	return json_string(hex_from_u64(text, value));
}

json_t *rpc_word(const struct u256 *value)
{
	char text[67];
	return json_string(hex_from_u256(text, value));
}

json_t *rpc_data(const uint8_t *bytes, size_t size)
{
	char *text = checked_alloc(2 * size + 3);
	json_t *value = json_string_nocheck(hex_encode(text, bytes, size));
	free(text);
	return value;
}

json_t *rpc_hash(const struct hash32 *hash)
{
	return rpc_data(hash->bytes, 32);
}

json_t *rpc_address(const struct address *address)
{
	return rpc_data(address->bytes, 20);
}
