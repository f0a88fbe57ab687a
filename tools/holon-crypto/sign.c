/*
 * sign and verify. hybrid-sign and ML-DSA read the message in pieces; Ed25519 and SLH-DSA need it twice over,
 * so it is read into memory, unless its digest is signed.
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#define PIECE (1 << 18)

/* A message on its way into a signature or its check. */
struct message {
	const char *path, *verb;
	bool quiet;
	const void *context;
	size_t context_size;
	const struct tool_hash *prehash; /* NULL: pure */
	uint8_t digest[PREHASH_MAX_DIGEST_SIZE];
};

static struct message message_of(const struct options *options, const struct key_algorithm_info *info,
                                 const char *verb)
{
	struct message message = {.path = options->count ? options->arguments[0] : NULL,
	                          .verb = verb,
	                          .quiet = options->quiet,
	                          .context = options->context,
	                          .context_size = options->context ? strlen(options->context) : 0};
	if (message.context_size > 255)
		fail_usage("the context has %zu bytes; 255 are allowed", message.context_size);
	if (info->algorithm == KEY_ED25519 && options->context)
		fail_usage("ed25519 has no contexts");
	if (options->prehash) {
		if (!key_takes_prehash(info))
			fail_usage("%s has no pre-hashed form", info->name);
		message.prehash = find_hash(options->prehash);
		if (message.prehash->prehash < 0)
			fail_usage("%s is not among the hash functions of pre-hashed signatures",
			           options->prehash);
	}
	return message;
}

static void digest_message(struct message *message)
{
	struct input input;
	input_open(&input, message->path, message->verb, message->quiet);
	hash_input(message->prehash, &input, message->digest, message->prehash->size);
	input_close(&input);
}

static void hybrid_message_read(struct message *message, const uint8_t *pk, struct hybrid_message *state)
{
	static uint8_t piece[PIECE];
	struct input input;
	size_t got;
	must(hybrid_message_start(state, pk, HYBRID_SIGN_PK_SIZE, message->context, message->context_size),
	     "the message");
	input_open(&input, message->path, message->verb, message->quiet);
	do {
		got = input_read(&input, piece, sizeof piece);
		hybrid_message_update(state, piece, got);
	} while (got == sizeof piece);
	input_close(&input);
}

static void mldsa_message_read(struct message *message, struct mldsa_mu *state, uint8_t mu[MLDSA_MU_SIZE])
{
	static uint8_t piece[PIECE];
	struct input input;
	size_t got;
	input_open(&input, message->path, message->verb, message->quiet);
	do {
		got = input_read(&input, piece, sizeof piece);
		mldsa_mu_update(state, piece, got);
	} while (got == sizeof piece);
	input_close(&input);
	mldsa_mu_finish(state, mu);
}

/* ---- sign ---- */

static enum crypto_status sign_hybrid(const struct key *key, struct message *message, const uint8_t *rnd,
                                      uint8_t *signature)
{
	struct hybrid_sign_key pair;
	struct hybrid_message state;
	must(hybrid_sign_keygen(&pair, key->bytes), "the key");
	hybrid_message_read(message, pair.pk, &state);
	enum crypto_status status = hybrid_message_sign(&state, &pair, rnd, signature);
	crypto_wipe(&pair, sizeof pair);
	return status;
}

static enum crypto_status sign_ed25519(const struct key *key, struct message *message, uint8_t *signature)
{
	uint8_t pk[ED25519_PK_SIZE], sk[ED25519_SK_SIZE];
	size_t size;
	uint8_t *data = read_all(message->path, message->verb, message->quiet, &size);
	ed25519_keygen(key->bytes, pk, sk);
	ed25519_sign(sk, data, size, signature);
	crypto_wipe(sk, sizeof sk);
	free(data);
	return CRYPTO_OK;
}

static enum crypto_status sign_mldsa(const struct key *key, struct message *message, const uint8_t *rnd,
                                     uint8_t *signature)
{
	enum mldsa_set set = key_mldsa_set(key->info->algorithm);
	uint8_t pk[MLDSA_MAX_PK_SIZE], sk[MLDSA_MAX_SK_SIZE], mu[MLDSA_MU_SIZE];
	size_t sk_size = mldsa_sk_size(set);
	enum crypto_status status;
	struct mldsa_mu state;
	must(mldsa_keygen(set, key->bytes, pk, sk), "the key");
	if (message->prehash) {
		digest_message(message);
		status = mldsa_sign_prehash(set, sk, sk_size, (enum prehash)message->prehash->prehash,
		                            message->digest, message->prehash->size, message->context,
		                            message->context_size, rnd, signature);
	} else {
		must(mldsa_mu_start_secret(&state, set, sk, sk_size, message->context, message->context_size),
		     "the message");
		mldsa_message_read(message, &state, mu);
		status = mldsa_sign_mu(set, sk, sk_size, mu, rnd, signature);
	}
	crypto_wipe(sk, sizeof sk);
	return status;
}

static enum crypto_status sign_slhdsa(const struct key *key, struct message *message, const uint8_t *rnd,
                                      uint8_t *signature)
{
	enum slhdsa_set set = key_slhdsa_set(key->info->algorithm);
	uint8_t pk[SLHDSA_MAX_PK_SIZE], sk[SLHDSA_MAX_SK_SIZE];
	size_t sk_size = slhdsa_sk_size(set);
	enum crypto_status status;
	must(slhdsa_keygen(set, key->bytes, pk, sk), "the key");
	if (message->prehash) {
		digest_message(message);
		status = slhdsa_sign_prehash(set, sk, sk_size, (enum prehash)message->prehash->prehash,
		                             message->digest, message->prehash->size, message->context,
		                             message->context_size, rnd, signature);
	} else {
		size_t size;
		uint8_t *data = read_all(message->path, message->verb, message->quiet, &size);
		status = slhdsa_sign(set, sk, sk_size, data, size, message->context, message->context_size,
		                     rnd, signature);
		free(data);
	}
	crypto_wipe(sk, sizeof sk);
	return status;
}

/* FILE.sig, where sign puts a signature and verify looks for it. */
static const char *default_signature(const char *message)
{
	static char name[4096];
	if (strlen(message) + 5 > sizeof name)
		fail("%s: the name is too long", message);
	snprintf(name, sizeof name, "%s.sig", message);
	return name;
}

void run_sign(const struct options *options)
{
	static uint8_t file[SIGFILE_HEADER_SIZE + SLHDSA_MAX_SIGNATURE_SIZE];
	const char *out = options->out;
	uint8_t rnd[32], *signature = file + SIGFILE_HEADER_SIZE, id[KEY_ID_SIZE];
	struct output output;
	struct key key;
	load_secret(&key, need(options->key, "-k SECRET"), KEY_SIGNS, options);
	struct message message = message_of(options, key.info, "signing");
	if (!out && message.path && strcmp(message.path, "-") != 0)
		out = default_signature(message.path);
	output_open(&output, out, false, options->force);
	random_bytes(rnd, sizeof rnd);
	const uint8_t *hedge = options->deterministic ? NULL : rnd;
	enum crypto_status status;
	if (key.info->algorithm == KEY_HYBRID_SIGN)
		status = sign_hybrid(&key, &message, hedge, signature);
	else if (key.info->algorithm == KEY_ED25519)
		status = sign_ed25519(&key, &message, signature);
	else if (key.info->algorithm < KEY_SLHDSA)
		status = sign_mldsa(&key, &message, hedge, signature);
	else
		status = sign_slhdsa(&key, &message, hedge, signature);
	must(status, "signing");
	id_of_key(&key, id);
	crypto_wipe(key.bytes, sizeof key.bytes);
	sigfile_encode_header(key.info, message.prehash ? message.prehash->prehash : SIGFILE_PURE, id, file);
	size_t skip = options->raw ? SIGFILE_HEADER_SIZE : 0;
	output_write(&output, file + skip, SIGFILE_HEADER_SIZE + key.info->output_size - skip);
	output_commit(&output);
}

/* ---- verify ---- */

static enum crypto_status verify_ed25519(const struct key *key, struct message *message,
                                         const uint8_t *signature)
{
	size_t size;
	uint8_t *data = read_all(message->path, message->verb, message->quiet, &size);
	enum crypto_status status = ed25519_verify(key->bytes, data, size, signature);
	free(data);
	return status;
}

static enum crypto_status verify_mldsa(const struct key *key, struct message *message,
                                       const uint8_t *signature)
{
	enum mldsa_set set = key_mldsa_set(key->info->algorithm);
	size_t pk_size = key->info->public_size, size = key->info->output_size;
	uint8_t mu[MLDSA_MU_SIZE];
	struct mldsa_mu state;
	if (message->prehash) {
		digest_message(message);
		return mldsa_verify_prehash(set, key->bytes, pk_size, (enum prehash)message->prehash->prehash,
		                            message->digest, message->prehash->size, message->context,
		                            message->context_size, signature, size);
	}
	must(mldsa_mu_start_public(&state, set, key->bytes, pk_size, message->context, message->context_size),
	     "the message");
	mldsa_message_read(message, &state, mu);
	return mldsa_verify_mu(set, key->bytes, pk_size, mu, signature, size);
}

static enum crypto_status verify_slhdsa(const struct key *key, struct message *message,
                                        const uint8_t *signature)
{
	enum slhdsa_set set = key_slhdsa_set(key->info->algorithm);
	size_t pk_size = key->info->public_size, signature_size = key->info->output_size, size;
	if (message->prehash) {
		digest_message(message);
		return slhdsa_verify_prehash(set, key->bytes, pk_size,
		                             (enum prehash)message->prehash->prehash, message->digest,
		                             message->prehash->size, message->context, message->context_size,
		                             signature, signature_size);
	}
	uint8_t *data = read_all(message->path, message->verb, message->quiet, &size);
	enum crypto_status status = slhdsa_verify(set, key->bytes, pk_size, data, size, message->context,
	                                          message->context_size, signature, signature_size);
	free(data);
	return status;
}

/* Checks that the signature file fits key and options; points at the signature itself. */
static const uint8_t *read_signature(const struct options *options, const struct key *key,
                                     const struct message *message, uint8_t *file, size_t room)
{
	const char *name = input_name(options->signature);
	size_t size = read_small(options->signature, file, room, "a signature file");
	if (options->raw) {
		if (size != key->info->output_size)
			fail("%s: %zu bytes; a signature of %s has %u", name, size, key->info->name,
			     key->info->output_size);
		return file;
	}
	struct signature_file signature;
	switch (sigfile_decode(&signature, file, size)) {
	case CRYPTO_OK:
		break;
	case CRYPTO_BAD_LENGTH:
		fail("%s: a signature file that is cut off or has bytes after its end", name);
	case CRYPTO_UNSUPPORTED:
		fail("%s: a signature file of a version or algorithm that this program does not know", name);
	default:
		fail("%s: not a Holon signature file (--raw reads a bare signature)", name);
	}
	if (signature.info != key->info)
		fail("%s: a signature of %s, but %s is a key of %s", name, signature.info->name,
		     input_name(options->key), key->info->name);
	uint8_t id[KEY_ID_SIZE];
	id_of_key(key, id);
	if (memcmp(id, signature.key_id, sizeof id) != 0)
		fail("%s: made with another key than %s", name, input_name(options->key));
	int form = message->prehash ? message->prehash->prehash : SIGFILE_PURE;
	if (signature.form != form)
		fail("%s: %s", name,
		     signature.form == SIGFILE_PURE ? "signs the message itself, not a digest (no --prehash)"
		                                    : "signs a digest; give the same --prehash to verify it");
	return signature.signature;
}

void run_verify(const struct options *given)
{
	struct options found = *given, *options = &found;
	static uint8_t file[SIGFILE_HEADER_SIZE + SLHDSA_MAX_SIGNATURE_SIZE];
	struct key key;
	load_public(&key, need(options->key, "-k PUBLIC"), KEY_SIGNS);
	struct message message = message_of(options, key.info, "verifying");
	if (!options->signature && message.path && strcmp(message.path, "-") != 0)
		options->signature = default_signature(message.path);
	need(options->signature, "-s SIGNATURE");
	const uint8_t *signature = read_signature(options, &key, &message, file, sizeof file);
	enum crypto_status status;
	if (key.info->algorithm == KEY_HYBRID_SIGN) {
		struct hybrid_message state;
		hybrid_message_read(&message, key.bytes, &state);
		status = hybrid_message_verify(&state, signature, HYBRID_SIGN_SIGNATURE_SIZE);
	} else if (key.info->algorithm == KEY_ED25519) {
		status = verify_ed25519(&key, &message, signature);
	} else if (key.info->algorithm < KEY_SLHDSA) {
		status = verify_mldsa(&key, &message, signature);
	} else {
		status = verify_slhdsa(&key, &message, signature);
	}
	if (status)
		fail("%s: NOT a valid signature of %s under %s%s", input_name(options->signature),
		     input_name(message.path), input_name(options->key),
		     options->context ? " and this context" : "");
	if (!options->quiet)
		printf("%s: valid signature of %s\n", input_name(options->signature),
		       input_name(message.path));
}
