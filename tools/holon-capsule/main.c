/* holon-capsule: makes and checks what lib/trust reads: key lists, certificates, revocations, capsules.
 *
 * Each command reads whole files, writes one, and ends with 0 (good), 1 (bad or impossible, with a sentence that says
 * what and why) or 3 (wrong command line). Keys are holon-crypto's files.
 */
#define _GNU_SOURCE
#include <crypto/sha3.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"
#include <trust/show.h>

struct given given;

static const struct {
	const char *name;
	const char **one;
	struct list *many;
} options[] = {
    {"-k", &given.key, NULL},
    {"-o", &given.out, NULL},
    {"--subject", &given.subject, NULL},
    {"--certificate", &given.certificate, &given.certificates},
    {"--name", &given.name, NULL},
    {"--version", &given.version, NULL},
    {"--payload", &given.payload, NULL},
    {"--root", &given.root, NULL},
    {"--keys", &given.keys, NULL},
    {"--revocations", &given.revocations, NULL},
    {"--command", &given.command, NULL},
    {"--passphrase-file", &given.passphrase_file, NULL},
    {"--from", &given.from, NULL},
    {"--until", &given.until, NULL},
    {"--time", &given.time, NULL},
    {"--memory", &given.memory, NULL},
    {"--capabilities", &given.capabilities, NULL},
    {"--cpu", &given.cpu, NULL},
    {"--epoch", &given.epoch, NULL},
    {"--least-epoch", &given.least_epoch, NULL},
    {"--build", &given.build, NULL},
    {"--node", &given.node, NULL},
    {"--validators", &given.validators, NULL},
    {"--rollback", &given.rollback, NULL},
    {"--flags", &given.flags, NULL},
    {"--part", NULL, &given.parts},
    {"--capsule-root", NULL, &given.roots},
    {"--key", NULL, &given.key_items},
    {"--revoke-key", NULL, &given.revoke},
    {"--space", NULL, &given.spaces},
    {"--ceiling", NULL, &given.ceiling},
    {"--require", NULL, &given.required},
    {"--optional", NULL, &given.optional},
    {"--endpoint", NULL, &given.endpoints},
};

_Noreturn void fail(int status, const char *format, ...)
{
	va_list list;

	fputs("holon-capsule: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(status);
}

const char *need(const char *value, const char *option)
{
	if (!value)
		fail(EXIT_USAGE, "%s is missing", option);
	return value;
}

/* ---- Files ---- */

struct bytes file_read(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct bytes bytes = {NULL, 0};
	struct stat stat;
	size_t room;

	if (!file || fstat(fileno(file), &stat))
		fail(EXIT_BAD, "cannot read %s: %s", path, strerror(errno));
	if (!S_ISREG(stat.st_mode) || stat.st_size > FILE_MAX)
		fail(EXIT_BAD, "%s is not a file of at most 1 GiB", path);
	room = (size_t)stat.st_size + 1;
	bytes.at = malloc(room);
	if (!bytes.at)
		fail(EXIT_BAD, "no memory for %s", path);
	bytes.count = fread(bytes.at, 1, room, file);
	if (ferror(file) || bytes.count == room)
		fail(EXIT_BAD, "cannot read %s whole", path);
	fclose(file);
	return bytes;
}

void file_write(const char *path, const struct bytes *parts, unsigned count)
{
	char *beside;
	int fd;

	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		fail(EXIT_BAD, "no memory");
	fd = mkstemp(beside);
	if (fd < 0)
		fail(EXIT_BAD, "cannot write beside %s: %s", path, strerror(errno));
	for (unsigned part = 0; part < count; part++)
		for (size_t done = 0; done < parts[part].count;) {
			ssize_t wrote = write(fd, parts[part].at + done, parts[part].count - done);

			if (wrote <= 0) {
				int error = errno;

				unlink(beside);
				fail(EXIT_BAD, "cannot write %s: %s", path, strerror(error));
			}
			done += (size_t)wrote;
		}
	if (fchmod(fd, 0644) || fsync(fd) || close(fd) || rename(beside, path)) {
		int error = errno;

		unlink(beside);
		fail(EXIT_BAD, "cannot write %s: %s", path, strerror(error));
	}
	free(beside);
}

uint64_t number(const char *text, const char *option)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-')
		fail(EXIT_USAGE, "%s: \"%s\" is not a number", option, text);
	return value;
}

uint64_t date(const char *text, const char *option)
{
	struct tm when = {0};
	const char *end = strptime(text, "%Y-%m-%d", &when);

	if (end && !*end)
		return (uint64_t)timegm(&when);
	return number(text, option);
}

/* ---- Keys ---- */

void key_load(struct key *key, const char *path, enum key_algorithm algorithm, bool secret)
{
	struct bytes file = file_read(path);
	enum crypto_status status = keyfile_decode(key, file.at, file.count);

	if (!status && key->kind == KEY_PROTECTED && secret) {
		struct bytes passphrase = file_read(need(given.passphrase_file, "--passphrase-file"));

		while (passphrase.count && passphrase.at[passphrase.count - 1] == '\n')
			passphrase.count--;
		status = keyfile_unlock(key, file.at, file.count, passphrase.at, passphrase.count, NULL);
		crypto_wipe(passphrase.at, passphrase.count);
		free(passphrase.at);
	}
	crypto_wipe(file.at, file.count);
	free(file.at);
	if (status)
		fail(EXIT_BAD, "%s: %s", path, crypto_status_text(status));
	if (key->info->algorithm != algorithm)
		fail(EXIT_BAD, "%s is a key of %s; wanted is one of %s", path, key->info->name,
		     key_algorithm_find(algorithm)->name);
	if (secret != (key->kind == KEY_SECRET))
		fail(EXIT_BAD, "%s is a %s key; wanted is a %s one", path, secret ? "public" : "secret",
		     secret ? "secret" : "public");
}

void hybrid_load(struct hybrid_sign_key *key, const char *path)
{
	struct key file;
	enum crypto_status status;

	key_load(&file, path, KEY_HYBRID_SIGN, true);
	status = hybrid_sign_keygen(key, file.bytes);
	crypto_wipe(&file, sizeof(file));
	if (status)
		fail(EXIT_BAD, "%s: %s", path, crypto_status_text(status));
}

static void random_fill(void *at, size_t count)
{
	if (getrandom(at, count, 0) != (ssize_t)count)
		fail(EXIT_BAD, "the system gives no random bytes: %s", strerror(errno));
}

static void hybrid_sign_record(const struct hybrid_sign_key *key, const uint8_t *record, size_t count,
                               const char *context, uint8_t *signature)
{
	uint8_t fresh[HYBRID_SIGN_RND_SIZE];
	enum crypto_status status;

	random_fill(fresh, sizeof(fresh));
	status = hybrid_sign(key, record, count, context, strlen(context), fresh, signature);
	if (status)
		fail(EXIT_BAD, "cannot sign: %s", crypto_status_text(status));
}

/* ---- Records ---- */

static uint8_t record[RECORD_BYTES_MAX];

static int text_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_list(struct record_writer *writer, uint16_t tag, struct list *list, bool always)
{
	if (!list->count && !always)
		return;
	qsort(list->items, list->count, sizeof(const char *), text_order);
	record_list_begin(writer, tag);
	for (unsigned index = 0; index < list->count; index++)
		record_list_add(writer, list->items[index], (uint16_t)strlen(list->items[index]));
	record_list_end(writer);
}

size_t record_done(struct record_writer *writer, enum record_kind kind, const struct record_rule *rules,
                   unsigned count)
{
	struct field fields[RECORD_FIELDS_MAX];
	enum record_error error;
	size_t size = record_end(writer, &error);

	/* What is written can be read again: values out of bounds are told here. */
	if (!error)
		error = record_read(writer->bytes, size, kind, rules, count, fields);
	if (error)
		fail(EXIT_BAD, "this cannot be written: %s", record_error_text(error));
	return size;
}

/* ---- Commands ---- */

static uint8_t hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (uint8_t)(c - 'a' + 10);
	fail(EXIT_USAGE, "'%c' is not a hexadecimal digit", c);
}

static int item_order(const void *a, const void *b)
{
	return memcmp(a, b, TRUST_KEY_ITEM_BYTES);
}

/* PUBLIC-KEY-FILE:release|development|certifier|both:FROM:UNTIL */
static void key_item(const char *text, uint8_t item[TRUST_KEY_ITEM_BYTES])
{
	char *copy = strdup(text), *rest = copy, *path, *role, *from, *until;
	uint64_t times[2];
	struct key key;

	path = strsep(&rest, ":");
	role = strsep(&rest, ":");
	from = strsep(&rest, ":");
	until = rest;
	if (!copy || !role || !from || !until)
		fail(EXIT_USAGE,
		     "--key wants PUBLIC-KEY-FILE:release|development|certifier|both:FROM:UNTIL, not \"%s\"",
		     text);
	if (strcmp(role, "release") == 0)
		item[0] = ROLE_RELEASE;
	else if (strcmp(role, "development") == 0)
		item[0] = ROLE_DEVELOPMENT;
	else if (strcmp(role, "certifier") == 0)
		item[0] = ROLE_CERTIFIER;
	else if (strcmp(role, "both") == 0)
		item[0] = ROLE_RELEASE | ROLE_CERTIFIER;
	else
		fail(EXIT_USAGE, "--key: \"%s\" is no role (release, development, certifier, both)", role);
	times[0] = date(from, "--key");
	times[1] = date(until, "--key");
	for (unsigned which = 0; which < 2; which++)
		for (unsigned byte = 0; byte < 8; byte++)
			item[1 + which * 8 + byte] = (uint8_t)(times[which] >> (8 * byte));
	key_load(&key, path, KEY_HYBRID_SIGN, false);
	memcpy(item + 17, key.bytes, HYBRID_SIGN_PK_SIZE);
	free(copy);
}

static void run_keys(void)
{
	static uint8_t items[TRUST_KEYS_MAX][TRUST_KEY_ITEM_BYTES], signature[TRUST_ROOT_SIGNATURE_BYTES];
	uint8_t sk[SLHDSA_MAX_SK_SIZE], pk[SLHDSA_MAX_PK_SIZE], fresh[24];
	const char *out = need(given.out, "-o");
	struct record_writer writer;
	struct key root;
	size_t size;

	if (!given.key_items.count || given.key_items.count > TRUST_KEYS_MAX)
		fail(EXIT_USAGE, "--key is wanted 1 to %d times", TRUST_KEYS_MAX);
	for (unsigned index = 0; index < given.key_items.count; index++)
		key_item(given.key_items.items[index], items[index]);
	qsort(items, given.key_items.count, sizeof(items[0]), item_order);
	record_begin(&writer, record, sizeof(record), RECORD_KEY_LIST);
	record_put_number(&writer, KEYS_EPOCH + 1, number(need(given.epoch, "--epoch"), "--epoch"));
	record_list_begin(&writer, KEYS_KEYS + 1);
	for (unsigned index = 0; index < given.key_items.count; index++)
		record_list_add(&writer, items[index], TRUST_KEY_ITEM_BYTES);
	record_list_end(&writer);
	if (given.revoke.count) {
		qsort(given.revoke.items, given.revoke.count, sizeof(const char *), text_order);
		record_list_begin(&writer, KEYS_REVOKED + 1);
		for (unsigned index = 0; index < given.revoke.count; index++) {
			const char *text = given.revoke.items[index];
			uint8_t id[TRUST_ID_BYTES];

			if (strlen(text) != 2 * sizeof(id))
				fail(EXIT_USAGE, "--revoke-key wants a key's id, 64 hexadecimal digits");
			for (unsigned byte = 0; byte < sizeof(id); byte++)
				id[byte] =
				    (uint8_t)(hex_digit(text[2 * byte]) << 4 | hex_digit(text[2 * byte + 1]));
			record_list_add(&writer, id, sizeof(id));
		}
		record_list_end(&writer);
	}
	size = record_done(&writer, RECORD_KEY_LIST, key_list_rules, KEY_LIST_FIELDS);
	key_load(&root, need(given.key, "-k"), KEY_SLHDSA + TRUST_ROOT_SET, true);
	random_fill(fresh, sizeof(fresh));
	if (slhdsa_keygen(TRUST_ROOT_SET, root.bytes, pk, sk) ||
	    slhdsa_sign(TRUST_ROOT_SET, sk, slhdsa_sk_size(TRUST_ROOT_SET), record, size, trust_context_keys,
	                strlen(trust_context_keys), fresh, signature))
		fail(EXIT_BAD, "cannot sign with %s", given.key);
	crypto_wipe(&root, sizeof(root));
	crypto_wipe(sk, sizeof(sk));
	file_write(out, (struct bytes[]){{record, size}, {signature, sizeof(signature)}}, 2);
}

static void run_certify(void)
{
	const char *out = need(given.out, "-o");
	uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE], id[TRUST_ID_BYTES];
	struct hybrid_sign_key certifier;
	struct record_writer writer;
	struct key subject;
	size_t size;

	key_load(&subject, need(given.subject, "--subject"), KEY_HYBRID_SIGN, false);
	hybrid_load(&certifier, need(given.key, "-k"));
	key_id(key_algorithm_find(KEY_HYBRID_SIGN), certifier.pk, id);
	if (!given.spaces.count)
		fail(EXIT_USAGE,
		     "--space is missing: a certificate without a name space is good for nothing");
	record_begin(&writer, record, sizeof(record), RECORD_CERTIFICATE);
	record_put(&writer, CERT_NAME + 1, need(given.name, "--name"), (uint32_t)strlen(given.name));
	record_put(&writer, CERT_SUBJECT + 1, subject.bytes, HYBRID_SIGN_PK_SIZE);
	record_put(&writer, CERT_ISSUER + 1, id, sizeof(id));
	put_list(&writer, CERT_SPACES + 1, &given.spaces, true);
	put_list(&writer, CERT_CEILING + 1, &given.ceiling, true);
	record_put_number(&writer, CERT_FROM + 1, date(need(given.from, "--from"), "--from"));
	record_put_number(&writer, CERT_UNTIL + 1, date(need(given.until, "--until"), "--until"));
	record_put_number(&writer, CERT_EPOCH + 1, given.epoch ? number(given.epoch, "--epoch") : 1);
	size = record_done(&writer, RECORD_CERTIFICATE, certificate_rules, CERTIFICATE_FIELDS);
	hybrid_sign_record(&certifier, record, size, trust_context_certificate, signature);
	crypto_wipe(&certifier, sizeof(certifier));
	file_write(out, (struct bytes[]){{record, size}, {signature, sizeof(signature)}}, 2);
}

static int hash_order(const void *a, const void *b)
{
	return memcmp(a, b, TRUST_HASH_BYTES);
}

static void run_revoke(void)
{
	const char *out = need(given.out, "-o");
	static uint8_t hashes[LIST_MAX][TRUST_HASH_BYTES];
	uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE], id[TRUST_ID_BYTES];
	struct hybrid_sign_key certifier;
	struct record_writer writer;
	size_t size;

	hybrid_load(&certifier, need(given.key, "-k"));
	key_id(key_algorithm_find(KEY_HYBRID_SIGN), certifier.pk, id);
	for (unsigned index = 0; index < given.certificates.count; index++) {
		struct bytes file = file_read(given.certificates.items[index]);

		size = record_size(file.at, file.count);
		if (!size)
			fail(EXIT_BAD, "%s is not a certificate", given.certificates.items[index]);
		sha3_256_hash(hashes[index], file.at, size);
		free(file.at);
	}
	qsort(hashes, given.certificates.count, sizeof(hashes[0]), hash_order);
	record_begin(&writer, record, sizeof(record), RECORD_REVOCATIONS);
	record_put(&writer, REVOKE_ISSUER + 1, id, sizeof(id));
	record_put_number(&writer, REVOKE_EPOCH + 1, number(need(given.epoch, "--epoch"), "--epoch"));
	record_put_number(&writer, REVOKE_LEAST_EPOCH + 1,
	                  given.least_epoch ? number(given.least_epoch, "--least-epoch") : 0);
	record_list_begin(&writer, REVOKE_IDS + 1);
	for (unsigned index = 0; index < given.certificates.count; index++)
		record_list_add(&writer, hashes[index], TRUST_HASH_BYTES);
	record_list_end(&writer);
	size = record_done(&writer, RECORD_REVOCATIONS, revocation_rules, REVOCATION_FIELDS);
	hybrid_sign_record(&certifier, record, size, trust_context_revocations, signature);
	crypto_wipe(&certifier, sizeof(certifier));
	file_write(out, (struct bytes[]){{record, size}, {signature, sizeof(signature)}}, 2);
}

/* Signs the manifest RECORD of SIZE bytes and writes the capsule. */
static void capsule_write(const uint8_t *manifest, size_t size, struct bytes payload)
{
	const char *out = need(given.out, "-o");
	struct bytes certificate = file_read(need(given.certificate, "--certificate"));
	struct field fields[CERTIFICATE_FIELDS];
	uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE];
	size_t certificate_size = record_size(certificate.at, certificate.count);
	struct hybrid_sign_key signer;

	if (!certificate_size || certificate.count - certificate_size != HYBRID_SIGN_SIGNATURE_SIZE ||
	    record_read(certificate.at, certificate_size, RECORD_CERTIFICATE, certificate_rules,
	                CERTIFICATE_FIELDS, fields))
		fail(EXIT_BAD, "%s is not a certificate", given.certificate);
	hybrid_load(&signer, need(given.key, "-k"));
	if (memcmp(signer.pk, fields[CERT_SUBJECT].bytes, HYBRID_SIGN_PK_SIZE) != 0)
		fail(EXIT_BAD, "the certificate %s is for another key than %s", given.certificate, given.key);
	hybrid_sign_record(&signer, manifest, size, trust_context_capsule, signature);
	crypto_wipe(&signer, sizeof(signer));
	file_write(
	    out,
	    (struct bytes[]){
	        {(uint8_t *)(uintptr_t)manifest, size}, {signature, sizeof(signature)}, certificate, payload},
	    4);
	free(certificate.at);
}

static void run_build(void)
{
	struct bytes payload = file_read(need(given.payload, "--payload"));
	uint8_t hash[TRUST_HASH_BYTES];
	struct record_writer writer;
	struct field name;
	size_t size;

	name = (struct field){(const uint8_t *)need(given.name, "--name"), (uint32_t)strlen(given.name)};
	if (!trust_name_good(&name))
		fail(EXIT_USAGE, "--name: \"%s\" is no name (parts of a-z, 0-9 and '-', divided by dots)",
		     given.name);
	sha3_256_hash(hash, payload.at, payload.count);
	record_begin(&writer, record, sizeof(record), RECORD_CAPSULE);
	record_put(&writer, CAPSULE_NAME + 1, name.bytes, name.count);
	record_put(&writer, CAPSULE_VERSION + 1, need(given.version, "--version"),
	           (uint32_t)strlen(given.version));
	record_put(&writer, CAPSULE_PAYLOAD_HASH + 1, hash, sizeof(hash));
	record_put_number(&writer, CAPSULE_PAYLOAD_BYTES + 1, payload.count);
	put_list(&writer, CAPSULE_REQUIRED + 1, &given.required, false);
	put_list(&writer, CAPSULE_OPTIONAL + 1, &given.optional, false);
	put_list(&writer, CAPSULE_ENDPOINTS + 1, &given.endpoints, false);
	record_put_number(&writer, CAPSULE_MEMORY + 1,
	                  given.memory ? number(given.memory, "--memory") : 64 << 20);
	record_put_number(&writer, CAPSULE_CAPABILITIES + 1,
	                  given.capabilities ? number(given.capabilities, "--capabilities") : 1024);
	record_put_number(&writer, CAPSULE_CPU + 1, given.cpu ? number(given.cpu, "--cpu") : 1000);
	if (given.command)
		record_put(&writer, CAPSULE_COMMAND + 1, given.command, (uint32_t)strlen(given.command));
	size = record_done(&writer, RECORD_CAPSULE, capsule_rules, CAPSULE_FIELDS);
	if (given.key)
		capsule_write(record, size, payload);
	else /* a draft, for `sign` */
		file_write(need(given.out, "-o"), (struct bytes[]){{record, size}, payload}, 2);
	free(payload.at);
}

static void run_sign(void)
{
	struct bytes draft = file_read(need(given.file, "the draft's file"));
	size_t size = record_size(draft.at, draft.count);
	struct field fields[CAPSULE_FIELDS];
	uint8_t hash[TRUST_HASH_BYTES];
	struct bytes payload;

	if (!size || record_read(draft.at, size, RECORD_CAPSULE, capsule_rules, CAPSULE_FIELDS, fields))
		fail(EXIT_BAD, "%s is not a draft of a capsule", given.file);
	payload = (struct bytes){draft.at + size, draft.count - size};
	sha3_256_hash(hash, payload.at, payload.count);
	if (payload.count != record_number(&fields[CAPSULE_PAYLOAD_BYTES]) ||
	    memcmp(hash, fields[CAPSULE_PAYLOAD_HASH].bytes, sizeof(hash)) != 0)
		fail(EXIT_BAD, "%s: the payload is not the one that the manifest names", given.file);
	capsule_write(draft.at, size, payload);
	free(draft.at);
}

/* ---- Checking ---- */

static void run_inspect(void)
{
	struct bytes file = file_read(need(given.file, "the capsule's file"));
	enum record_error detail = RECORD_OK;
	struct capsule capsule;

	if (trust_capsule_read(&capsule, file.at, file.count, &detail))
		fail(EXIT_BAD, "%s is no capsule: %s", given.file, record_error_text(detail));
	trust_capsule_show(&capsule);
	puts("nothing of this was verified: holon-capsule verify does that");
	free(file.at);
}

enum { LISTS_MAX = 64 };

/* With --node: of the newest revocations in the transparency log, those of the latest epoch that a certifier of LIST signed take
 * the place of those that were given, if these are older. Their bytes stay in *BYTES. */
static bool newer_revocations(struct revocations *revocations, struct bytes *bytes, bool *newer, bool known,
                              const struct key_list *list, uint64_t now)
{
	uint64_t before = UINT64_MAX;

	/* Who may publish can put a list there that nobody whom the root trusts has signed: it is passed over. */
	for (unsigned index = 0; given.node && index < LISTS_MAX; index++) {
		struct bytes found = log_revocations(&before);
		struct revocations other;

		if (!found.at)
			break;
		if (trust_revocations(&other, list, found.at, found.count, now, 0, NULL) ||
		    (known && other.epoch <= revocations->epoch)) {
			free(found.at);
			continue;
		}
		free(bytes->at);
		*bytes = found;
		*revocations = other;
		known = *newer = true;
	}
	if (*newer)
		printf("%-13s the revocations are those of epoch %" PRIu64 " in the log\n", "log",
		       revocations->epoch);
	return known;
}

static void run_verify(void)
{
	struct bytes file = file_read(need(given.file, "the capsule's file")),
	             keys = file_read(need(given.keys, "--keys"));
	struct bytes revoked = {NULL, 0};
	uint64_t now = given.time ? date(given.time, "--time") : (uint64_t)time(NULL);
	struct revocations revocations;
	enum record_error detail = RECORD_OK;
	struct field wrong = {NULL, 0};
	struct capsule capsule;
	enum trust_error error;
	struct key_list list;
	struct key root;

	key_load(&root, need(given.root, "--root"), KEY_SLHDSA + TRUST_ROOT_SET, false);
	error = trust_key_list(&list, keys.at, keys.count, root.bytes, 0, &detail);
	if (error)
		fail(EXIT_BAD, "the key list %s is refused: %s%s%s", given.keys, trust_error_text(error),
		     error == TRUST_FORM ? ": " : "", error == TRUST_FORM ? record_error_text(detail) : "");
	if (given.revocations) {
		revoked = file_read(given.revocations);
		error = trust_revocations(&revocations, &list, revoked.at, revoked.count, now, 0, &detail);
		if (error)
			fail(EXIT_BAD, "the revocations %s are refused: %s", given.revocations,
			     trust_error_text(error));
	}
	bool newer = false;
	bool revocable = newer_revocations(&revocations, &revoked, &newer, given.revocations, &list, now);
	error = trust_capsule(&capsule, file.at, file.count, &list, revocable ? &revocations : NULL, now,
	                      &detail, &wrong);
	if (error) {
		char why[TRUST_REFUSAL_MAX];

		trust_refusal(why, sizeof(why), error, detail, &wrong);
		fail(EXIT_BAD, "%s is refused: %s", given.file, why);
	}
	trust_capsule_show(&capsule);
	/* The certificate and its signature stand together in the file. */
	log_check("the certificate", capsule.certificate_bytes,
	          capsule.certificate_count + HYBRID_SIGN_SIGNATURE_SIZE);
	/* One that was found in the log a moment ago may be younger than the last signed state. */
	if (given.revocations && !newer)
		log_check("the list of revocations", revoked.at, revoked.count);
	printf(
	    "verified      the root, the key list, the signer's certificate, the capsule and its payload%s\n",
	    revocable ? "" : "; no revocations were given");
	free(file.at);
	free(keys.at);
	free(revoked.at);
}

static const struct {
	const char *name, *synopsis;
	void (*run)(void);
} commands[] = {
    {"keys",
     "-k ROOT --epoch N --key PUBLIC:release|development|certifier|both:FROM:UNTIL … [--revoke-key ID …] -o "
     "FILE",
     run_keys},
    {"certify",
     "-k CERTIFIER --subject PUBLIC --name NAME --space SPACE … [--ceiling CAPABILITY …] --from DATE\n"
     "          --until DATE [--epoch N] -o FILE",
     run_certify},
    {"revoke", "-k CERTIFIER --epoch N [--least-epoch N] [--certificate FILE …] -o FILE", run_revoke},
    {"build",
     "--name NAME --version V --payload FILE [--require CAPABILITY …] [--optional CAPABILITY …]\n"
     "          [--endpoint NAME …] [--memory BYTES] [--capabilities N] [--cpu THOUSANDTHS] [--command "
     "TEXT]\n"
     "          [-k SIGNER --certificate FILE] -o FILE      without -k a draft, for sign",
     run_build},
    {"sign", "DRAFT -k SIGNER --certificate FILE -o FILE", run_sign},
    {"boot",
     "-k RELEASE --build TEXT --rollback N --time DATE [--flags development] --part NAME=FILE …\n"
     "          [--capsule-root PUBLIC …] -o FILE            signs a boot manifest (docs/boot.md)",
     run_boot},
    {"verify-boot", "BUNDLE --root PUBLIC [--epoch N] [--rollback N]", run_verify_boot},
    {"inspect", "FILE", run_inspect},
    {"verify",
     "FILE --root PUBLIC --keys FILE [--revocations FILE] [--time DATE]\n"
     "          [--node http://HOST:PORT --validators NETWORK]      also asks the transparency log",
     run_verify},
    {"logged",
     "FILE --node http://HOST:PORT --validators NETWORK    is this signed record (key list, certificate,\n"
     "          revocations, boot manifest) in the transparency log?",
     run_logged},
};

static void usage(FILE *to)
{
	fputs("Makes and checks signed capsules. Dates: YYYY-MM-DD or seconds since 1970. Secret keys under "
	      "a passphrase:\n"
	      "--passphrase-file FILE.\n\n",
	      to);
	for (unsigned index = 0; index < sizeof(commands) / sizeof(commands[0]); index++)
		fprintf(to, "  %-12s%s\n", commands[index].name, commands[index].synopsis);
}

static bool option_read(int argc, char **argv, int *index)
{
	for (unsigned which = 0; which < sizeof(options) / sizeof(options[0]); which++) {
		if (strcmp(argv[*index], options[which].name) != 0)
			continue;
		if (++*index == argc)
			fail(EXIT_USAGE, "%s wants a value", options[which].name);
		if (options[which].one) {
			if (*options[which].one && !options[which].many)
				fail(EXIT_USAGE, "%s is given twice", options[which].name);
			*options[which].one = argv[*index];
		}
		if (options[which].many) {
			if (options[which].many->count == LIST_MAX)
				fail(EXIT_USAGE, "%s is given over %d times", options[which].name, LIST_MAX);
			options[which].many->items[options[which].many->count++] = argv[*index];
		}
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return 0;
	}
	for (unsigned command = 0; command < sizeof(commands) / sizeof(commands[0]); command++) {
		if (strcmp(argv[1], commands[command].name) != 0)
			continue;
		for (int index = 2; index < argc; index++) {
			if (option_read(argc, argv, &index))
				continue;
			if (argv[index][0] == '-' || given.file)
				fail(EXIT_USAGE, "%s: \"%s\" is one too many, or unknown", argv[1],
				     argv[index]);
			given.file = argv[index];
		}
		commands[command].run();
		return fflush(stdout) ? EXIT_BAD : 0;
	}
	fail(EXIT_USAGE, "there is no command \"%s\"; --help lists them", argv[1]);
}
