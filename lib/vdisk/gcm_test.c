/* AES-256-GCM of gcm.c beside libsodium's: each opens what the other sealed, and nothing else. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "gcm.h"

#define ROUNDS  3000u
#define SMALL   40u
#define LARGEST (GCM_BYTES_MAX / 16)

static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok gcm: %s\n" : "not ok gcm: %s - see the check of this name\n", name);
	failures += !right;
}

struct message {
	uint8_t key[32], nonce[12], data[32], tag[16];
	uint8_t plain[GCM_BYTES_MAX], sealed[GCM_BYTES_MAX];
	size_t bytes;
};

static void draw(struct message *message, uint32_t blocks)
{
	randombytes_buf(message->key, sizeof(message->key));
	randombytes_buf(message->nonce, sizeof(message->nonce));
	randombytes_buf(message->data, sizeof(message->data));
	message->bytes = 16 * (size_t)blocks;
	randombytes_buf(message->plain, message->bytes);
	crypto_aead_aes256gcm_encrypt_detached(message->sealed, message->tag, NULL, message->plain,
	                                       message->bytes, message->data, sizeof(message->data), NULL,
	                                       message->nonce, message->key);
}

static bool opens(const struct message *message, uint8_t *out)
{
	return gcm_open(message->key, message->nonce, message->data, message->sealed, message->bytes,
	                message->tag, out);
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i])
			return false;
	return true;
}

int main(void)
{
	static struct message message;
	static uint8_t out[GCM_BYTES_MAX];
	uint8_t tag[16];
	bool same = true;
	bool opened = true;
	bool in_place = true;
	bool refused = true;
	if (sodium_init() < 0 || !gcm_is_available() || !crypto_aead_aes256gcm_is_available()) {
		printf("ok gcm: this processor has not the instructions: left out\n");
		return 0;
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* Every small length, and now and then a large one. */
		draw(&message, i % 50 ? i % SMALL : randombytes_uniform(LARGEST) + 1);
		gcm_seal(message.key, message.nonce, message.data, message.plain, message.bytes, out, tag);
		same = same && memcmp(out, message.sealed, message.bytes) == 0 &&
		       memcmp(tag, message.tag, sizeof(tag)) == 0;
		memset(out, 1, sizeof(out));
		opened = opened && opens(&message, out) && memcmp(out, message.plain, message.bytes) == 0;
		memcpy(out, message.plain, message.bytes);
		gcm_seal(message.key, message.nonce, message.data, out, message.bytes, out, tag);
		in_place = in_place && memcmp(out, message.sealed, message.bytes) == 0;
		in_place = in_place &&
		           gcm_open(message.key, message.nonce, message.data, out, message.bytes, tag, out) &&
		           memcmp(out, message.plain, message.bytes) == 0;
		/* One bit of anything. */
		uint8_t *const parts[] = {message.tag, message.data, message.nonce, message.key,
		                          message.sealed};
		const size_t sizes[] = {16, 32, 12, 32, message.bytes};
		unsigned which = i % (message.bytes ? 5 : 4);
		parts[which][randombytes_uniform((uint32_t)sizes[which])] ^=
		    (uint8_t)(1u << randombytes_uniform(8));
		memset(out, 1, sizeof(out));
		refused = refused && !opens(&message, out) && is_zero(out, message.bytes);
	}
	check("seals as libsodium does", same);
	check("opens what libsodium sealed", opened);
	check("in place", in_place);
	check("refuses a changed bit of anything, and gives zeroes", refused);
	return failures != 0;
}
