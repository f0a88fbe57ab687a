/* keygen, public, inspect; reading keys for the other commands. */
#include "tool.h"

#include <string.h>

void print_hex(FILE *out, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		fprintf(out, "%02x", bytes[i]);
}

/* Why a key file could not be read, as a whole sentence. */
_Noreturn static void fail_key(const char *path, enum crypto_status status)
{
	const char *name = input_name(path);
	switch (status) {
	case CRYPTO_BAD_ENCODING:
		fail("%s: not a Holon key file, or a damaged one", name);
	case CRYPTO_BAD_LENGTH:
		fail("%s: a key file that is cut off or has bytes after its end", name);
	case CRYPTO_UNSUPPORTED:
		fail("%s: a key file of a version or algorithm that this program does not know", name);
	case CRYPTO_BAD_KEY:
		fail("%s: the file is whole, but what it holds is no valid key of its algorithm", name);
	case CRYPTO_BAD_ARGUMENT:
		fail("%s: asks for a passphrase cost beyond what is allowed (1 GiB, 16 lanes, 4 GiB of "
		     "passes)",
		     name);
	case CRYPTO_BAD_PASSPHRASE:
		fail("%s: the passphrase does not open it", name);
	default:
		fail("%s: %s", name, crypto_status_text(status));
	}
}

static void check_use(const struct key *key, const char *path, enum key_use use)
{
	static const char *const uses[] = {"sign", "encapsulate", "agree on a secret"};
	if (key->info->use != use)
		fail("%s: a key of %s, which cannot %s", input_name(path), key->info->name, uses[use]);
}

/* A pasted text may stand among other lines: this much of them. */
#define TEXT_ROOM (1 << 16)

size_t read_key_file(const char *path, uint8_t file[KEYFILE_MAX_SIZE])
{
	static char text[TEXT_ROOM];
	size_t length = read_small(path, text, sizeof text, "a key file"), size = length;
	if (!text_decode(text, length, file, KEYFILE_MAX_SIZE, &size)) {
		if (length > KEYFILE_MAX_SIZE)
			fail("%s: not a key file: longer than the %d bytes one can have", input_name(path),
			     KEYFILE_MAX_SIZE);
		memcpy(file, text, length);
	} else if (!size) {
		crypto_wipe(text, sizeof text);
		fail("%s: a key as text that is damaged or not whole", input_name(path));
	}
	crypto_wipe(text, sizeof text);
	return size;
}

void load_public(struct key *key, const char *path, enum key_use use)
{
	uint8_t file[KEYFILE_MAX_SIZE];
	size_t size = read_key_file(path, file);
	enum crypto_status status = keyfile_decode(key, file, size);
	crypto_wipe(file, sizeof file);
	if (status)
		fail_key(path, status);
	if (key->kind != KEY_PUBLIC) {
		crypto_wipe(key, sizeof *key);
		fail("%s: a secret key, where the public one is needed (make it with 'holon-crypto public')",
		     input_name(path));
	}
	check_use(key, path, use);
}

static void load_any_secret(struct key *key, const char *path, const struct options *options)
{
	uint8_t file[KEYFILE_MAX_SIZE];
	size_t size = read_key_file(path, file);
	enum crypto_status status = keyfile_decode(key, file, size);
	if (status == CRYPTO_OK && key->kind == KEY_PUBLIC)
		fail("%s: a public key, where the secret one is needed", input_name(path));
	if (status == CRYPTO_OK && key->kind == KEY_PROTECTED) {
		char passphrase[MAX_PASSPHRASE];
		size_t length = read_passphrase(options, input_name(path), false, passphrase);
		status = keyfile_unlock(key, file, size, passphrase, length, NULL);
		crypto_wipe(passphrase, sizeof passphrase);
	}
	crypto_wipe(file, sizeof file);
	if (status)
		fail_key(path, status);
}

void load_secret(struct key *key, const char *path, enum key_use use, const struct options *options)
{
	load_any_secret(key, path, options);
	check_use(key, path, use);
}

static void public_of(const struct key *secret, struct key *public)
{
	*public = (struct key){.info = secret->info, .kind = KEY_PUBLIC};
	must(key_public_from_secret(secret->info, secret->bytes, public->bytes), "the public key");
}

void id_of_key(const struct key *key, uint8_t id[KEY_ID_SIZE])
{
	struct key public = *key;
	if (key->kind == KEY_SECRET)
		public_of(key, &public);
	key_id(public.info, public.bytes, id);
	crypto_wipe(&public, sizeof public);
}

struct argon2id_cost cost_of(const struct options *options)
{
	struct argon2id_cost cost = argon2id_default_cost;
	if (options->memory_mib)
		cost.memory_kib = options->memory_mib << 10;
	if (options->passes)
		cost.passes = options->passes;
	if ((uint64_t)cost.memory_kib * cost.passes > KEYFILE_MAX_WORK_KIB)
		fail_usage("--memory times --passes may be at most %u MiB", KEYFILE_MAX_WORK_KIB >> 10);
	return cost;
}

static void encode_secret(const struct key *key, const struct options *options, uint8_t *file, size_t *size)
{
	if (!options->passphrase && !options->passphrase_file) {
		if (options->memory_mib || options->passes)
			fail_usage("--memory and --passes are the cost of a passphrase, and there is none");
		must(keyfile_encode(key, file, size), "the key file");
		return;
	}
	struct key_protection protection = {.cost = cost_of(options)};
	char passphrase[MAX_PASSPHRASE];
	size_t length = read_passphrase(options, options->out, true, passphrase);
	random_bytes(protection.salt, sizeof protection.salt);
	random_bytes(protection.nonce, sizeof protection.nonce);
	enum crypto_status status =
	    keyfile_encode_protected(key, &protection, passphrase, length, file, size);
	crypto_wipe(passphrase, sizeof passphrase);
	must(status, "the protected key file");
}

/* Writes a key file, as text where that is wanted. */
static void write_key(struct output *output, const uint8_t *file, size_t size, bool text)
{
	static char line[TEXT_MAX];
	if (text)
		output_write(output, line, text_encode(file, size, line));
	else
		output_write(output, file, size);
	crypto_wipe(line, sizeof line);
}

void run_keygen(const struct options *options)
{
	const char *name = options->arguments[0];
	const struct key_algorithm_info *info = key_algorithm_find_name(name, strlen(name));
	struct key secret = {.info = info, .kind = KEY_SECRET}, public;
	struct output secret_output, public_output;
	uint8_t file[KEYFILE_MAX_SIZE];
	size_t size;
	if (!info)
		fail_usage("there is no algorithm '%s'", name);
	const char *path = need(options->out, "-o SECRET");
	if (options->public_out)
		output_open_pair(&secret_output, path, true, &public_output, options->public_out, false,
		                 options->force);
	else
		output_open(&secret_output, path, true, options->force);
	random_bytes(secret.bytes, info->secret_size);
	key_normalize_secret(info, secret.bytes);
	public_of(&secret, &public);
	encode_secret(&secret, options, file, &size);
	write_key(&secret_output, file, size, options->text);
	crypto_wipe(file, sizeof file);
	crypto_wipe(&secret, sizeof secret);
	if (options->public_out) {
		must(keyfile_encode(&public, file, &size), "the public key file");
		write_key(&public_output, file, size, options->text);
	}
	/* The secret key first: a public key whose secret one is lost would only lead people to use it. */
	output_commit(&secret_output);
	if (options->public_out)
		output_commit(&public_output);
}

void run_public(const struct options *options)
{
	struct key secret, public;
	uint8_t file[KEYFILE_MAX_SIZE];
	size_t size;
	load_any_secret(&secret, need(options->key, "-k SECRET"), options);
	public_of(&secret, &public);
	crypto_wipe(&secret, sizeof secret);
	must(keyfile_encode(&public, file, &size), "the public key file");
	struct output output;
	/* Text may go to a terminal. */
	output_open(&output, options->text && !options->out ? "-" : options->out, false, options->force);
	write_key(&output, file, size, options->text);
	output_commit(&output);
}

static bool inspect_signature(const char *path, const uint8_t *data, size_t size)
{
	struct signature_file file;
	if (sigfile_decode(&file, data, size))
		return false;
	printf("%s: signature of %s, ", input_name(path), file.info->name);
	if (file.form == SIGFILE_PURE)
		printf("pure");
	for (size_t i = 0; i < tool_hash_count; i++)
		if (file.form != SIGFILE_PURE && tool_hashes[i].prehash == file.form)
			printf("of the %s digest", tool_hashes[i].name);
	printf(", %u bytes, by the key ", file.info->output_size);
	print_hex(stdout, file.key_id, sizeof file.key_id);
	printf("\n");
	return true;
}

void run_inspect(const struct options *options)
{
	static uint8_t data[1 << 17];
	for (int i = 0; i < options->count; i++) {
		const char *path = options->arguments[i];
		struct key key;
		size_t size = read_small(path, data, sizeof data, "a key file or signature file");
		if (inspect_signature(path, data, size))
			continue;
		static uint8_t binary[KEYFILE_MAX_SIZE];
		size_t decoded;
		if (text_decode((const char *)data, size, binary, sizeof binary, &decoded)) {
			memcpy(data, binary, decoded);
			size = decoded;
			crypto_wipe(binary, sizeof binary);
		}
		enum crypto_status status = keyfile_decode(&key, data, size);
		if (status == CRYPTO_BAD_ENCODING)
			fail("%s: neither a Holon key file nor a signature file, or damaged",
			     input_name(path));
		if (status)
			fail_key(path, status);
		if (key.kind == KEY_PROTECTED) {
			const uint8_t *cost = data + KEYFILE_HEADER_SIZE;
			printf("%s: secret key of %s under a passphrase (Argon2id, %u MiB, %u passes, %u "
			       "lanes)\n",
			       input_name(path), key.info->name, load_le32(cost) >> 10, load_le32(cost + 4),
			       load_le32(cost + 8));
			continue;
		}
		uint8_t id[KEY_ID_SIZE];
		id_of_key(&key, id);
		printf("%s: %s key of %s, id ", input_name(path),
		       key.kind == KEY_PUBLIC ? "public" : "secret", key.info->name);
		print_hex(stdout, id, sizeof id);
		printf("\n");
		crypto_wipe(&key, sizeof key);
	}
	crypto_wipe(data, sizeof data);
}
