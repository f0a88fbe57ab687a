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

/* The header of a box for one key: version 1, which every version of this program opens. */
static size_t seal_for_key(struct sealed_box *box, const struct options *options, uint8_t *header)
{
	struct key key;
	uint8_t random[SEALED_BOX_RANDOM_SIZE];
	load_public(&key, options->key, KEY_ENCAPSULATES);
	need_hybrid_kem(&key, options->key);
	random_bytes(random, sizeof random);
	must(sealed_box_seal_start(box, key.bytes, key.info->public_size, options->context,
	                           context_size(options), random, header),
	     "sealing");
	crypto_wipe(random, sizeof random);
	return SEALED_BOX_HEADER_SIZE;
}

static size_t seal_for_keys(struct sealed_box *box, const struct options *options, uint8_t *header)
{
	static struct key keys[SHARED_BOX_OPENERS_MAX];
	const uint8_t *public[SHARED_BOX_OPENERS_MAX];
	uint8_t random[SHARED_BOX_SECRET_SIZE + SHARED_BOX_OPENERS_MAX * SEALED_BOX_RANDOM_SIZE];
	size_t size;
	for (size_t i = 0; i < options->key_count; i++) {
		load_public(&keys[i], options->keys[i], KEY_ENCAPSULATES);
		need_hybrid_kem(&keys[i], options->keys[i]);
		public[i] = keys[i].bytes;
	}
	random_bytes(random, sizeof random);
	must(shared_box_seal_keys(box, public, options->key_count, options->context, context_size(options),
	                          random, header, &size),
	     "sealing");
	crypto_wipe(random, sizeof random);
	return size;
}

static size_t seal_for_passphrase(struct sealed_box *box, const struct options *options, uint8_t *header)
{
	char passphrase[MAX_PASSPHRASE];
	uint8_t random[SHARED_BOX_SECRET_SIZE + SHARED_BOX_SALT_SIZE];
	struct argon2id_cost cost = cost_of(options);
	size_t size;
	if (options->key_count)
		fail_usage(
		    "a box is sealed for keys or for a passphrase, not for both: it would be as safe as the "
		    "passphrase");
	size_t length = read_passphrase(options, "the box", true, passphrase);
	random_bytes(random, sizeof random);
	enum crypto_status status = shared_box_seal_passphrase(
	    box, &cost, passphrase, length, options->context, context_size(options), random, header, &size);
	crypto_wipe(passphrase, sizeof passphrase);
	crypto_wipe(random, sizeof random);
	must(status, "sealing");
	return size;
}

void run_seal(const struct options *options)
{
	struct input input;
	struct output output;
	struct sealed_box box;
	static uint8_t header[SHARED_BOX_HEADER_MAX];
	size_t header_size;
	bool passphrase = options->passphrase || options->passphrase_file;
	if (!passphrase && (options->memory_mib || options->passes))
		fail_usage("--memory and --passes are the cost of a passphrase, and there is none");
	if (passphrase)
		header_size = seal_for_passphrase(&box, options, header);
	else if (options->key_count > 1)
		header_size = seal_for_keys(&box, options, header);
	else
		header_size =
		    (need(options->key, "-k PUBLIC or --passphrase"), seal_for_key(&box, options, header));
	input_open(&input, options->count ? options->arguments[0] : NULL, "sealing", options->quiet);
	output_open(&output, options->out, false, options->force);
	output_write(&output, header, header_size);
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

/* Why a box's header does not open. */
_Noreturn static void fail_header(const struct input *input, const struct options *options,
                                  enum crypto_status status)
{
	switch (status) {
	case CRYPTO_BAD_LENGTH:
		fail("%s: not a sealed box, or cut off in its header", input->name);
	case CRYPTO_BAD_ENCODING:
		fail("%s: not a sealed box of a version that this program knows", input->name);
	case CRYPTO_BAD_PASSPHRASE:
		fail("%s: the passphrase does not open it, or it was sealed with another context, or its "
		     "header is "
		     "damaged",
		     input->name);
	case CRYPTO_BAD_ARGUMENT:
		fail("%s: asks for a passphrase cost beyond what is allowed (1 GiB, 16 lanes, 4 GiB of "
		     "passes)",
		     input->name);
	case CRYPTO_BAD_KEY:
		fail("%s: sealed for another key than %s or with another context, or its header is damaged",
		     input->name, input_name(options->key));
	default:
		fail("%s: %s", input->name, crypto_status_text(status));
	}
}

static enum crypto_status open_with_key(struct sealed_box *box, const struct options *options,
                                        const struct input *input, const uint8_t *header, size_t size,
                                        bool shared)
{
	struct key key;
	struct hybrid_kem_key pair;
	if (!options->key)
		fail_usage("%s: sealed for a key: -k SECRET is missing", input->name);
	load_secret(&key, options->key, KEY_ENCAPSULATES, options);
	need_hybrid_kem(&key, options->key);
	must(hybrid_kem_keygen(&pair, key.bytes), "the key");
	crypto_wipe(&key, sizeof key);
	enum crypto_status status =
	    shared ? shared_box_open_key(box, &pair, options->context, context_size(options), header, size)
	           : sealed_box_open_start(box, &pair, options->context, context_size(options), header, size);
	crypto_wipe(&pair, sizeof pair);
	return status;
}

static enum crypto_status open_with_passphrase(struct sealed_box *box, const struct options *options,
                                               const struct input *input, const uint8_t *header, size_t size)
{
	char passphrase[MAX_PASSPHRASE];
	if (options->key)
		fail_usage("%s: sealed with a passphrase, for no key: leave out -k", input->name);
	size_t length = read_passphrase(options, input->name, false, passphrase);
	enum crypto_status status = shared_box_open_passphrase(box, passphrase, length, options->context,
	                                                       context_size(options), header, size);
	crypto_wipe(passphrase, sizeof passphrase);
	return status;
}

/* Reads the header of a box of any version, and opens it. */
static void open_header(struct sealed_box *box, struct input *input, const struct options *options)
{
	static uint8_t header[SHARED_BOX_HEADER_MAX];
	size_t size = input_read(input, header, SHARED_BOX_FIXED_SIZE);
	size_t wanted = size == SHARED_BOX_FIXED_SIZE ? shared_box_header_size(header) : 0;
	bool shared = wanted != 0;
	enum crypto_status status;
	if (!shared)
		wanted = SEALED_BOX_HEADER_SIZE;
	if (size == SHARED_BOX_FIXED_SIZE)
		size += input_read(input, header + size, wanted - size);
	if (shared && shared_box_kind(header) == SHARED_BOX_PASSPHRASE)
		status = open_with_passphrase(box, options, input, header, size);
	else
		status = open_with_key(box, options, input, header, size, shared);
	if (status)
		fail_header(input, options, status);
}

void run_open(const struct options *options)
{
	struct input input;
	struct output output;
	struct sealed_box box;
	enum crypto_status status;
	size_t size;
	input_open(&input, options->count ? options->arguments[0] : NULL, "opening", options->quiet);
	open_header(&box, &input, options);
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
