/*
 * Records. The nonce is the record's counter, which never starts anew; keys move on by a one-way chain after
 * SECURE_REKEY_RECORDS records or SECURE_REKEY_US, and a record names its key's generation, so that both
 * sides move together and old keys can be forgotten. stream:   length 3 bytes (with tag), generation 1,
 * ciphertext, tag datagram: type 1, generation 4, counter 8, ciphertext, tag The head is authenticated with
 * the record; in a stream the counter is implied.
 */
#include "crypto/aead.h"
#include "crypto/blake3.h"
#include "secure/internal.h"

#define DATAGRAM_RECORD 6

static void next_keys(struct secure_direction *direction)
{
	uint8_t out[64];
	blake3_derive_key(out, sizeof(out), "Holon secure channel v1: next keys", 34, direction->chain, 32);
	memcpy(direction->key, out, 32);
	memcpy(direction->chain, out + 32, 32);
	crypto_wipe(out, sizeof(out));
	direction->records = 0;
}

void secure_direction_start(struct secure_direction *direction, const uint8_t secret[32])
{
	memset(direction, 0, sizeof(*direction));
	memcpy(direction->chain, secret, 32);
	next_keys(direction);
}

static void advance(struct secure_direction *direction, uint64_t now_us)
{
	next_keys(direction);
	direction->generation++;
	direction->since_us = now_us;
}

static void nonce_of(uint64_t counter, uint8_t nonce[12])
{
	memset(nonce, 0, 12);
	store_le64(nonce, counter);
}

enum secure_status secure_seal(struct secure_channel *channel, uint64_t now_us, const uint8_t *in,
                               size_t size, uint8_t *out, size_t *out_size)
{
	struct secure_direction *direction = &channel->send;
	uint8_t nonce[12];
	if (size > SECURE_MAX_RECORD)
		return SECURE_BAD;
	if (direction->counter == UINT64_MAX || direction->generation == UINT32_MAX)
		return SECURE_SPENT;
	if (direction->records >= SECURE_REKEY_RECORDS ||
	    (now_us > direction->since_us && now_us - direction->since_us >= SECURE_REKEY_US))
		advance(direction, now_us);
	size_t head;
	if (channel->mode == SECURE_STREAM) {
		head = SECURE_STREAM_HEAD;
		store_le32(out, (uint32_t)(size + AEAD_TAG_SIZE) | direction->generation << 24);
	} else {
		head = SECURE_DATAGRAM_HEAD;
		out[0] = DATAGRAM_RECORD;
		store_le32(out + 1, direction->generation);
		store_le64(out + 5, direction->counter);
	}
	nonce_of(direction->counter, nonce);
	if (aead_encrypt(AEAD_AES_256_GCM, direction->key, nonce, sizeof(nonce), out, head, in, size,
	                 out + head, out + head + size) != CRYPTO_OK)
		return SECURE_BAD;
	direction->counter++;
	direction->records++;
	*out_size = head + size + AEAD_TAG_SIZE;
	return SECURE_OK;
}

static bool open_with(const struct secure_direction *direction, uint64_t counter, uint8_t *record,
                      size_t head, size_t size)
{
	uint8_t nonce[12];
	nonce_of(counter, nonce);
	return aead_decrypt(AEAD_AES_256_GCM, direction->key, nonce, sizeof(nonce), record, head,
	                    record + head, size, record + head + size, record + head) == CRYPTO_OK;
}

static enum secure_status open_stream(struct secure_channel *channel, uint64_t now_us, uint8_t *in,
                                      size_t size, size_t *used, uint8_t **plain, size_t *plain_size)
{
	struct secure_direction *direction = &channel->receive;
	if (size < SECURE_STREAM_HEAD)
		return SECURE_MORE;
	uint32_t head = load_le32(in);
	size_t length = head & 0xffffff;
	if (length < AEAD_TAG_SIZE || length > SECURE_MAX_RECORD + AEAD_TAG_SIZE)
		return SECURE_BAD;
	if (size < SECURE_STREAM_HEAD + length)
		return SECURE_MORE;
	if (direction->counter == UINT64_MAX)
		return SECURE_SPENT;
	if (head >> 24 == ((direction->generation + 1) & 255))
		advance(direction, now_us);
	else if (head >> 24 != (direction->generation & 255) || direction->records >= SECURE_REKEY_RECORDS)
		return SECURE_BAD;
	if (!open_with(direction, direction->counter, in, SECURE_STREAM_HEAD, length - AEAD_TAG_SIZE))
		return SECURE_BAD;
	direction->counter++;
	direction->records++;
	*used = SECURE_STREAM_HEAD + length;
	*plain = in + SECURE_STREAM_HEAD;
	*plain_size = length - AEAD_TAG_SIZE;
	return SECURE_OK;
}

static bool window_has(const struct secure_channel *channel, uint64_t counter)
{
	if (!channel->any || counter > channel->highest)
		return false;
	if (channel->highest - counter >= SECURE_WINDOW)
		return true;
	return channel->window[counter / 64 % (SECURE_WINDOW / 64)] >> (counter % 64) & 1;
}

static void window_add(struct secure_channel *channel, uint64_t counter)
{
	if (!channel->any || counter > channel->highest) {
		/* What the window moves over is clear: at most all of it. */
		uint64_t from = channel->any ? channel->highest + 1 : 0;
		if (!channel->any || counter - from >= SECURE_WINDOW)
			memset(channel->window, 0, sizeof(channel->window));
		else
			for (uint64_t i = from; i <= counter; i++)
				channel->window[i / 64 % (SECURE_WINDOW / 64)] &= ~((uint64_t)1 << (i % 64));
		channel->highest = counter;
		channel->any = true;
	}
	channel->window[counter / 64 % (SECURE_WINDOW / 64)] |= (uint64_t)1 << (counter % 64);
}

static enum secure_status open_datagram(struct secure_channel *channel, uint64_t now_us, uint8_t *in,
                                        size_t size, uint8_t **plain, size_t *plain_size)
{
	if (size < SECURE_DATAGRAM_COST || size > SECURE_MAX_RECORD + SECURE_DATAGRAM_COST ||
	    in[0] != DATAGRAM_RECORD)
		return SECURE_BAD;
	uint32_t generation = load_le32(in + 1);
	uint64_t counter = load_le64(in + 5);
	size_t length = size - SECURE_DATAGRAM_COST;
	if (counter == UINT64_MAX)
		return SECURE_BAD;
	if (window_has(channel, counter))
		return SECURE_REPLAY;
	struct secure_direction *direction = &channel->receive;
	if (generation == direction->generation) {
		if (!open_with(direction, counter, in, SECURE_DATAGRAM_HEAD, length))
			return SECURE_BAD;
	} else if (generation == direction->generation + 1) {
		/* The next keys count only once a record proves them. */
		struct secure_direction next = *direction;
		advance(&next, now_us);
		bool good = open_with(&next, counter, in, SECURE_DATAGRAM_HEAD, length);
		if (good) {
			channel->older = *direction;
			channel->has_older = true;
			*direction = next;
		}
		crypto_wipe(&next, sizeof(next));
		if (!good)
			return SECURE_BAD;
	} else if (channel->has_older && generation == channel->older.generation) {
		if (!open_with(&channel->older, counter, in, SECURE_DATAGRAM_HEAD, length))
			return SECURE_BAD;
	} else {
		return SECURE_BAD;
	}
	window_add(channel, counter);
	*plain = in + SECURE_DATAGRAM_HEAD;
	*plain_size = length;
	return SECURE_OK;
}

enum secure_status secure_open(struct secure_channel *channel, uint64_t now_us, uint8_t *in, size_t size,
                               size_t *used, uint8_t **plain, size_t *plain_size)
{
	*used = 0;
	*plain = NULL;
	*plain_size = 0;
	if (channel->mode == SECURE_STREAM)
		return open_stream(channel, now_us, in, size, used, plain, plain_size);
	*used = size;
	return open_datagram(channel, now_us, in, size, plain, plain_size);
}

void secure_export(const struct secure_channel *channel, const char *label, uint8_t *out, size_t size)
{
	size_t length = 0;
	while (label[length])
		length++;
	struct blake3 hash;
	blake3_init_keyed(&hash, channel->exporter);
	blake3_update(&hash, label, length);
	blake3_final(&hash, out, size);
	crypto_wipe(&hash, sizeof(hash));
}

void secure_channel_wipe(struct secure_channel *channel)
{
	crypto_wipe(channel, sizeof(*channel));
}
