/* The RLP reader and writer. */
#include "rlp/rlp.h"

#include "num/arena.h"

#include <stdlib.h>

/* The item at reader->next: where its content is. False when malformed or not canonical. */
static bool parse(const struct rlp_reader *reader, const uint8_t **content, size_t *length, bool *is_list)
{
	const uint8_t *at = reader->next;
	const size_t left = (size_t)(reader->end - at);
	if (left == 0)
		return false;
	const uint8_t first = *at;
	*is_list = first >= 0xc0;
	if (first < 0x80) {
		*content = at;
		*length = 1;
		return true;
	}
	const unsigned kind = first - (*is_list ? 0xc0 : 0x80);
	if (kind < 56) {
		if (kind > left - 1)
			return false;
		*content = at + 1;
		*length = kind;
		return *is_list || kind != 1 || at[1] >= 0x80;
	}
	const unsigned size = kind - 55;
	if (size > left - 1 || at[1] == 0)
		return false;
	uint64_t count = 0;
	for (unsigned i = 0; i < size; i++)
		count = count << 8 | at[1 + i];
	if (count < 56 || count > left - 1 - size)
		return false;
	*content = at + 1 + size;
	*length = count;
	return true;
}

bool rlp_read_bytes(struct rlp_reader *reader, const uint8_t **bytes, size_t *length)
{
	bool is_list;
	if (!parse(reader, bytes, length, &is_list) || is_list)
		return false;
	reader->next = *bytes + *length;
	return true;
}

bool rlp_read_list(struct rlp_reader *reader, struct rlp_reader *content)
{
	const uint8_t *bytes;
	size_t length;
	bool is_list;
	if (!parse(reader, &bytes, &length, &is_list) || !is_list)
		return false;
	*content = rlp_reader(bytes, length);
	reader->next = bytes + length;
	return true;
}

bool rlp_read_raw(struct rlp_reader *reader, const uint8_t **item, size_t *length, bool *is_list)
{
	const uint8_t *bytes;
	size_t content;
	if (!parse(reader, &bytes, &content, is_list))
		return false;
	*item = reader->next;
	*length = (size_t)(bytes - reader->next) + content;
	reader->next = bytes + content;
	return true;
}

bool rlp_read_exact(struct rlp_reader *reader, uint8_t *out, size_t length)
{
	struct rlp_reader copy = *reader;
	const uint8_t *bytes;
	size_t found;
	if (!rlp_read_bytes(&copy, &bytes, &found) || found != length)
		return false;
	memcpy(out, bytes, length);
	*reader = copy;
	return true;
}

bool rlp_read_u256(struct rlp_reader *reader, struct u256 *out)
{
	struct rlp_reader copy = *reader;
	const uint8_t *bytes;
	size_t length;
	if (!rlp_read_bytes(&copy, &bytes, &length) || length > 32 || (length && bytes[0] == 0))
		return false;
	u256_load_short(out, bytes, length);
	*reader = copy;
	return true;
}

bool rlp_read_u64(struct rlp_reader *reader, uint64_t *out)
{
	struct rlp_reader copy = *reader;
	struct u256 value;
	if (!rlp_read_u256(&copy, &value) || !u256_fits64(&value))
		return false;
	*out = value.w[0];
	*reader = copy;
	return true;
}

static uint8_t *reserve(struct rlp_writer *writer, size_t more)
{
	if (writer->room - writer->length < more) {
		size_t room = writer->room ? writer->room * 2 : 256;
		while (room - writer->length < more)
			room *= 2;
		writer->bytes = checked_realloc(writer->bytes, room);
		writer->room = room;
	}
	return writer->bytes + writer->length;
}

void rlp_free(struct rlp_writer *writer)
{
	free(writer->bytes);
	*writer = (struct rlp_writer){0};
}

void rlp_put_raw(struct rlp_writer *writer, const void *bytes, size_t length)
{
	if (length == 0)
		return;
	memcpy(reserve(writer, length), bytes, length);
	writer->length += length;
}

unsigned rlp_header(uint8_t out[9], size_t length, bool is_list)
{
	const uint8_t base = is_list ? 0xc0 : 0x80;
	if (length < 56) {
		out[0] = (uint8_t)(base + length);
		return 1;
	}
	const unsigned size = 8 - (unsigned)__builtin_clzll(length) / 8;
	out[0] = (uint8_t)(base + 55 + size);
	for (unsigned i = 0; i < size; i++)
		out[1 + i] = (uint8_t)(length >> 8 * (size - 1 - i));
	return 1 + size;
}

void rlp_put_bytes(struct rlp_writer *writer, const void *bytes, size_t length)
{
	const uint8_t *content = bytes;
	if (length != 1 || content[0] >= 0x80) {
		uint8_t header[9];
		rlp_put_raw(writer, header, rlp_header(header, length, false));
	}
	rlp_put_raw(writer, content, length);
}

void rlp_put_u256(struct rlp_writer *writer, const struct u256 *value)
{
	uint8_t bytes[32];
	u256_store(bytes, value);
	const size_t length = (u256_bits(value) + 7) / 8;
	rlp_put_bytes(writer, bytes + 32 - length, length);
}

void rlp_put_u64(struct rlp_writer *writer, uint64_t value)
{
	const struct u256 wide = u256_from(value);
	rlp_put_u256(writer, &wide);
}

size_t rlp_begin_list(struct rlp_writer *writer)
{
	return writer->length;
}

void rlp_end_list(struct rlp_writer *writer, size_t begun)
{
	uint8_t header[9];
	const size_t length = writer->length - begun;
	const unsigned size = rlp_header(header, length, true);
	reserve(writer, size);
	if (length)
		memmove(writer->bytes + begun + size, writer->bytes + begun, length);
	memcpy(writer->bytes + begun, header, size);
	writer->length += size;
}
