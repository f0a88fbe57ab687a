/* encapsulate, decapsulate, agree, seal, open. */
#include "tool.h"

#include <string.h>

#include "crypto/sealed_box.h"

/* Shared secrets are written like secret keys: mode 0600, never over another file unasked. */
static void write_shared(struct output *output, uint8_t shared[32])
{
	output_write(output, shared, 32);
	crypto_wipe(shared, 32);
	output_commit(output);
}

void run_encapsulate(const struct options *options)
{
	struct key key;
	struct output ct_output, shared_output;
	uint8_t random[HYBRID_KEM_RANDOM_SIZE], ct[MLKEM_MAX_CT_SIZE], shared[32];
	load_public(&key, need(options->key, "-k PUBLIC"), KEY_ENCAPSULATES);
	output_open_pair(&ct_output, need(options->out, "-o CIPHERTEXT"), false, &shared_output,
	                 need(options->shared_out, "--shared SECRET"), true, options->force);
	random_bytes(random, sizeof random);
	if (key.info->algorithm == KEY_HYBRID_KEM)
		must(hybrid_kem_encapsulate(key.bytes, key.info->public_size, random, ct, shared),
		     "encapsulation");
	else
		must(mlkem_encapsulate(key_mlkem_set(key.info->algorithm), key.bytes, key.info->public_size,
		                       random, ct, shared),
		     "encapsulation");
	crypto_wipe(random, sizeof random);
	output_write(&ct_output, ct, key.info->output_size);
	output_commit(&ct_output);
	write_shared(&shared_output, shared);
}

static void mlkem_shared(const struct key *key, const uint8_t *ct, size_t size, uint8_t shared[32])
{
	enum mlkem_set set = key_mlkem_set(key->info->algorithm);
	uint8_t ek[MLKEM_MAX_EK_SIZE], dk[MLKEM_MAX_DK_SIZE];
	must(mlkem_keygen(set, key->bytes, key->bytes + MLKEM_SEED_SIZE, ek, dk), "the key");
	enum crypto_status status = mlkem_decapsulate(set, dk, mlkem_dk_size(set), ct, size, shared);
	crypto_wipe(dk, sizeof dk);
	must(status, "decapsulation");
}

static void hybrid_shared(const struct key *key, const uint8_t *ct, size_t size, uint8_t shared[32])
{
	struct hybrid_kem_key pair;
	must(hybrid_kem_keygen(&pair, key->bytes), "the key");
	enum crypto_status status = hybrid_kem_decapsulate(&pair, ct, size, shared);
	crypto_wipe(&pair, sizeof pair);
	must(status, "decapsulation");
}

void run_decapsulate(const struct options *options)
{
	struct key key;
	struct output output;
	uint8_t ct[MLKEM_MAX_CT_SIZE], shared[32];
	const char *path = options->count ? options->arguments[0] : NULL;
	load_secret(&key, need(options->key, "-k SECRET"), KEY_ENCAPSULATES, options);
	output_open(&output, need(options->shared_out, "--shared SECRET"), true, options->force);
	size_t size = read_small(path, ct, sizeof ct, "a ciphertext");
	if (size != key.info->output_size)
		fail("%s: %zu bytes; a ciphertext of %s has %u", input_name(path), size, key.info->name,
		     key.info->output_size);
	if (key.info->algorithm == KEY_HYBRID_KEM)
		hybrid_shared(&key, ct, size, shared);
	else
		mlkem_shared(&key, ct, size, shared);
	crypto_wipe(&key, sizeof key);
	write_shared(&output, shared);
}

void run_agree(const struct options *options)
{
	struct key key, peer;
	struct output output;
	uint8_t shared[X25519_SIZE];
	load_secret(&key, need(options->key, "-k SECRET"), KEY_AGREES, options);
	load_public(&peer, need(options->peer, "--peer PUBLIC"), KEY_AGREES);
	output_open(&output, need(options->shared_out, "--shared SECRET"), true, options->force);
	enum crypto_status status = x25519(shared, key.bytes, peer.bytes);
	crypto_wipe(&key, sizeof key);
	if (status)
		fail("%s: a key of small order, with which everybody agrees on zero",
		     input_name(options->peer));
	write_shared(&output, shared);
}

static size_t context_size(const struct options *options)
{
	return options->context ? strlen(options->context) : 0;
}

static void need_hybrid_kem(const struct key *key, const char *path)
{
	if (key->info->algorithm != KEY_HYBRID_KEM)
		fail("%s: a key of %s; boxes are sealed for keys of hybrid-kem", input_name(path),
		     key->info->name);
}

/* One chunk is read ahead: the last is the one that the input ends with. */
static uint8_t chunks[2][SEALED_BOX_CHUNK + SEALED_BOX_TAG_SIZE],
    result[SEALED_BOX_CHUNK + SEALED_BOX_TAG_SIZE];

void run_seal(const struct options *options)
{
	struct key key;
	struct input input;
	struct output output;
	struct sealed_box box;
	uint8_t random[SEALED_BOX_RANDOM_SIZE], header[SEALED_BOX_HEADER_SIZE];
	load_public(&key, need(options->key, "-k PUBLIC"), KEY_ENCAPSULATES);
	need_hybrid_kem(&key, options->key);
	input_open(&input, options->count ? options->arguments[0] : NULL, "sealing", options->quiet);
	output_open(&output, options->out, false, options->force);
	random_bytes(random, sizeof random);
	must(sealed_box_seal_start(&box, key.bytes, key.info->public_size, options->context,
	                           context_size(options), random, header),
	     "sealing");
	crypto_wipe(random, sizeof random);
	output_write(&output, header, sizeof header);
	int current = 0;
	size_t size = input_read(&input, chunks[current], SEALED_BOX_CHUNK);
	while (box.open) {
		size_t ahead =
		    size == SEALED_BOX_CHUNK ? input_read(&input, chunks[!current], SEALED_BOX_CHUNK) : 0;
		must(sealed_box_seal_chunk(&box, chunks[current], size, ahead == 0, result), "sealing");
		output_write(&output, result, size + SEALED_BOX_TAG_SIZE);
		current = !current;
		size = ahead;
	}
	crypto_wipe(chunks, sizeof chunks);
	input_close(&input);
	output_commit(&output);
}

void run_open(const struct options *options)
{
	struct key key;
	struct input input;
	struct output output;
	struct sealed_box box;
	struct hybrid_kem_key pair;
	uint8_t header[SEALED_BOX_HEADER_SIZE];
	load_secret(&key, need(options->key, "-k SECRET"), KEY_ENCAPSULATES, options);
	need_hybrid_kem(&key, options->key);
	input_open(&input, options->count ? options->arguments[0] : NULL, "opening", options->quiet);
	must(hybrid_kem_keygen(&pair, key.bytes), "the key");
	crypto_wipe(&key, sizeof key);
	size_t size = input_read(&input, header, sizeof header);
	enum crypto_status status =
	    sealed_box_open_start(&box, &pair, options->context, context_size(options), header, size);
	crypto_wipe(&pair, sizeof pair);
	if (status == CRYPTO_BAD_LENGTH)
		fail("%s: not a sealed box, or cut off in its header", input.name);
	if (status == CRYPTO_BAD_ENCODING)
		fail("%s: not a sealed box of a version that this program knows", input.name);
	if (status)
		fail("%s: sealed for another key than %s or with another context, or its header is damaged",
		     input.name, input_name(options->key));
	/* The decrypted file is for its owner's eyes until they say otherwise. */
	output_open(&output, options->out, true, options->force);
	int current = 0;
	uint64_t at = 0;
	size_t full = sizeof chunks[0];
	size = input_read(&input, chunks[current], full);
	while (box.open) {
		size_t ahead = size == full ? input_read(&input, chunks[!current], full) : 0;
		status = sealed_box_open_chunk(&box, chunks[current], size, ahead == 0, result);
		if (status)
			fail("%s: damaged or cut off in the 64 KiB after byte %llu of its content",
			     input.name, (unsigned long long)at);
		output_write(&output, result, size - SEALED_BOX_TAG_SIZE);
		at += size - SEALED_BOX_TAG_SIZE;
		current = !current;
		size = ahead;
	}
	crypto_wipe(result, sizeof result);
	input_close(&input);
	output_commit(&output);
}
