/* The chain of trust: what it accepts, every order of what it refuses, and flips of every class of byte. */
#include "boot.h"
#include "trust.h"
#include <crypto/sha3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned failures;

static void check(bool good, const char *name, const char *why)
{
	if (good) {
		printf("ok trust: %s\n", name);
	} else {
		printf("not ok trust: %s - %s\n", name, why);
		failures++;
	}
}

enum { NOW = 1000, FROM = 500, UNTIL = 2000 };

static uint8_t root_pk[SLHDSA_MAX_PK_SIZE], root_sk[SLHDSA_MAX_SK_SIZE];
static struct hybrid_sign_key certifier, releaser, signer;
static uint8_t certifier_id[TRUST_ID_BYTES];

/* What the files of a test differ in. */
struct recipe {
	const char *name, *required, *optional, *space;
	uint64_t key_until, cert_from, cert_until, cert_epoch, list_epoch;
	const struct hybrid_sign_key *issuer, *capsule_signer;
	bool revoke_certifier;
};

static const struct recipe good_recipe = {.name = "org.example.editor",
                                          .required = "files",
                                          .optional = "network",
                                          .space = "org.example",
                                          .key_until = UNTIL,
                                          .cert_from = FROM,
                                          .cert_until = UNTIL,
                                          .cert_epoch = 5,
                                          .list_epoch = 3,
                                          .issuer = &certifier,
                                          .capsule_signer = &signer};

static uint8_t list_file[RECORD_BYTES_MAX + TRUST_ROOT_SIGNATURE_BYTES], capsule_file[RECORD_BYTES_MAX];
static size_t list_size, list_record, capsule_size;
static size_t part[6]; /* where manifest, signature, certificate, its signature, payload begin, and the end */

static void seed_key(struct hybrid_sign_key *key, uint8_t with)
{
	uint8_t seed[HYBRID_SIGN_SEED_SIZE];

	memset(seed, with, sizeof(seed));
	if (hybrid_sign_keygen(key, seed))
		abort();
}

static void list_make(const struct recipe *recipe)
{
	uint8_t items[2][TRUST_KEY_ITEM_BYTES] = {{ROLE_RELEASE}, {ROLE_CERTIFIER}};
	struct record_writer writer;
	enum record_error error;

	for (unsigned which = 0; which < 2; which++) {
		for (unsigned byte = 0; byte < 8; byte++) {
			items[which][1 + byte] = (uint8_t)((uint64_t)FROM >> (8 * byte));
			items[which][9 + byte] = (uint8_t)(recipe->key_until >> (8 * byte));
		}
		memcpy(items[which] + 17, which ? certifier.pk : releaser.pk, HYBRID_SIGN_PK_SIZE);
	}
	record_begin(&writer, list_file, RECORD_BYTES_MAX, RECORD_KEY_LIST);
	record_put_number(&writer, KEYS_EPOCH + 1, recipe->list_epoch);
	record_list_begin(&writer, KEYS_KEYS + 1);
	record_list_add(&writer, items[0], TRUST_KEY_ITEM_BYTES);
	record_list_add(&writer, items[1], TRUST_KEY_ITEM_BYTES);
	record_list_end(&writer);
	if (recipe->revoke_certifier) {
		record_list_begin(&writer, KEYS_REVOKED + 1);
		record_list_add(&writer, certifier_id, TRUST_ID_BYTES);
		record_list_end(&writer);
	}
	list_record = record_end(&writer, &error);
	if (error ||
	    slhdsa_sign(TRUST_ROOT_SET, root_sk, slhdsa_sk_size(TRUST_ROOT_SET), list_file, list_record,
	                trust_context_keys, strlen(trust_context_keys), NULL, list_file + list_record))
		abort();
	list_size = list_record + TRUST_ROOT_SIGNATURE_BYTES;
}

static void sign_behind(const struct hybrid_sign_key *key, size_t start, size_t size, const char *context)
{
	if (hybrid_sign(key, capsule_file + start, size, context, strlen(context), NULL,
	                capsule_file + start + size))
		abort();
}

static void list_of(struct record_writer *writer, uint16_t tag, const char *a, const char *b)
{
	record_list_begin(writer, tag);
	record_list_add(writer, a, (uint16_t)strlen(a));
	if (b)
		record_list_add(writer, b, (uint16_t)strlen(b));
	record_list_end(writer);
}

static void capsule_make(const struct recipe *recipe)
{
	static const uint8_t payload[300] = "the payload";
	uint8_t hash[TRUST_HASH_BYTES], issuer_id[TRUST_ID_BYTES];
	struct record_writer writer;
	enum record_error error;
	size_t size;

	sha3_256_hash(hash, payload, sizeof(payload));
	key_id(key_algorithm_find(KEY_HYBRID_SIGN), recipe->issuer->pk, issuer_id);
	record_begin(&writer, capsule_file, sizeof(capsule_file), RECORD_CAPSULE);
	record_put(&writer, CAPSULE_NAME + 1, recipe->name, (uint32_t)strlen(recipe->name));
	record_put(&writer, CAPSULE_VERSION + 1, "1.0", 3);
	record_put(&writer, CAPSULE_PAYLOAD_HASH + 1, hash, sizeof(hash));
	record_put_number(&writer, CAPSULE_PAYLOAD_BYTES + 1, sizeof(payload));
	list_of(&writer, CAPSULE_REQUIRED + 1, recipe->required, NULL);
	list_of(&writer, CAPSULE_OPTIONAL + 1, recipe->optional, NULL);
	record_put_number(&writer, CAPSULE_MEMORY + 1, 1 << 20);
	record_put_number(&writer, CAPSULE_CAPABILITIES + 1, 100);
	record_put_number(&writer, CAPSULE_CPU + 1, 500);
	size = record_end(&writer, &error);
	if (error)
		abort();
	sign_behind(recipe->capsule_signer, 0, size, trust_context_capsule);
	part[0] = 0;
	part[1] = size;
	part[2] = size + HYBRID_SIGN_SIGNATURE_SIZE;
	record_begin(&writer, capsule_file + part[2], sizeof(capsule_file) - part[2], RECORD_CERTIFICATE);
	record_put(&writer, CERT_NAME + 1, "An Example", 10);
	record_put(&writer, CERT_SUBJECT + 1, signer.pk, HYBRID_SIGN_PK_SIZE);
	record_put(&writer, CERT_ISSUER + 1, issuer_id, sizeof(issuer_id));
	list_of(&writer, CERT_SPACES + 1, recipe->space, NULL);
	list_of(&writer, CERT_CEILING + 1, "files", "network");
	record_put_number(&writer, CERT_FROM + 1, recipe->cert_from);
	record_put_number(&writer, CERT_UNTIL + 1, recipe->cert_until);
	record_put_number(&writer, CERT_EPOCH + 1, recipe->cert_epoch);
	size = record_end(&writer, &error);
	if (error)
		abort();
	sign_behind(recipe->issuer, part[2], size, trust_context_certificate);
	part[3] = part[2] + size;
	part[4] = part[3] + HYBRID_SIGN_SIGNATURE_SIZE;
	memcpy(capsule_file + part[4], payload, sizeof(payload));
	part[5] = capsule_size = part[4] + sizeof(payload);
}

static enum trust_error verify(const struct revocations *revocations)
{
	struct key_list list;
	struct capsule capsule;
	enum trust_error error = trust_key_list(&list, list_file, list_size, root_pk, 0, NULL);

	return error
	           ? error
	           : trust_capsule(&capsule, capsule_file, capsule_size, &list, revocations, NOW, NULL, NULL);
}

static void try_recipe(const struct recipe *recipe, enum trust_error expected, const char *name)
{
	char why[128];
	enum trust_error error;

	list_make(recipe);
	capsule_make(recipe);
	error = verify(NULL);
	snprintf(why, sizeof(why), "the answer is: %s", trust_error_text(error));
	check(error == expected, name, why);
}

static void test_recipes(void)
{
	struct recipe recipe = good_recipe;
	struct key_list list;

	try_recipe(&recipe, TRUST_OK, "a good capsule is accepted");
	check(trust_key_list(&list, list_file, list_size, root_pk, 4, NULL) == TRUST_ROLLBACK,
	      "a key list older than one seen before is refused", "it is taken");
	recipe.key_until = NOW;
	try_recipe(&recipe, TRUST_KEY_TIME, "a certifier's key past its time");
	recipe = good_recipe;
	recipe.revoke_certifier = true;
	try_recipe(&recipe, TRUST_ISSUER, "a certifier's key that the root revoked");
	recipe = good_recipe;
	recipe.issuer = &releaser;
	try_recipe(&recipe, TRUST_ISSUER, "a release key certifies nobody");
	recipe.issuer = &signer;
	try_recipe(&recipe, TRUST_ISSUER, "nobody certifies himself");
	recipe = good_recipe;
	recipe.cert_until = NOW;
	try_recipe(&recipe, TRUST_CERT_TIME, "a certificate past its time");
	recipe.cert_until = UNTIL;
	recipe.cert_from = NOW + 1;
	try_recipe(&recipe, TRUST_CERT_TIME, "a certificate before its time");
	recipe = good_recipe;
	recipe.name = "org.examples.editor";
	try_recipe(&recipe, TRUST_NAME, "a name that only looks like the signer's");
	recipe.name = "org.example.Editor";
	try_recipe(&recipe, TRUST_NAME, "a name with a capital letter");
	recipe = good_recipe;
	recipe.required = "kernel";
	try_recipe(&recipe, TRUST_CEILING, "a required capability above the ceiling");
	recipe.required = "files";
	recipe.optional = "kernel";
	try_recipe(&recipe, TRUST_CEILING, "an optional capability above the ceiling");
	recipe = good_recipe;
	recipe.capsule_signer = &certifier;
	try_recipe(&recipe, TRUST_CAPSULE_SIGNATURE,
	           "a capsule signed by another than its certificate names");
}

static void test_revocations(void)
{
	uint8_t file[RECORD_BYTES_MAX], hash[TRUST_HASH_BYTES];
	struct revocations revocations;
	struct record_writer writer;
	enum record_error error;
	struct key_list list;
	size_t size;

	list_make(&good_recipe);
	capsule_make(&good_recipe);
	sha3_256_hash(hash, capsule_file + part[2], part[3] - part[2]);
	for (unsigned named = 0; named < 2; named++) {
		record_begin(&writer, file, sizeof(file), RECORD_REVOCATIONS);
		record_put(&writer, REVOKE_ISSUER + 1, certifier_id, sizeof(certifier_id));
		record_put_number(&writer, REVOKE_EPOCH + 1, 7);
		record_put_number(&writer, REVOKE_LEAST_EPOCH + 1, named ? 0 : 6);
		record_list_begin(&writer, REVOKE_IDS + 1);
		if (named)
			record_list_add(&writer, hash, sizeof(hash));
		record_list_end(&writer);
		size = record_end(&writer, &error);
		if (error ||
		    hybrid_sign(&certifier, file, size, trust_context_revocations,
		                strlen(trust_context_revocations), NULL, file + size) ||
		    trust_key_list(&list, list_file, list_size, root_pk, 0, NULL))
			abort();
		check(trust_revocations(&revocations, &list, file, size + HYBRID_SIGN_SIGNATURE_SIZE, NOW, 0,
		                        NULL) == TRUST_OK,
		      "revocations of a certifier are read", "they are not");
		check(verify(&revocations) == (named ? TRUST_REVOKED : TRUST_CERT_EPOCH),
		      named ? "a certificate revoked by name"
		            : "a certificate of an epoch that was withdrawn",
		      "it is accepted");
		check(trust_revocations(&revocations, &list, file, size + HYBRID_SIGN_SIGNATURE_SIZE, NOW, 8,
		                        NULL) == TRUST_ROLLBACK,
		      "revocations older than those seen before", "they are taken");
	}
	check(hybrid_sign(&signer, file, size, trust_context_revocations, strlen(trust_context_revocations),
	                  NULL, file + size) == CRYPTO_OK &&
	          trust_revocations(&revocations, &list, file, size + HYBRID_SIGN_SIGNATURE_SIZE, NOW, 0,
	                            NULL) == TRUST_SIGNATURE,
	      "revocations signed by another than they say", "they are taken");
}

/* COUNT flips of single bits within [FIRST, LAST) of FILE. */
static void flips(const char *name, uint8_t *file, size_t first, size_t last, unsigned count)
{
	uint64_t seed = first * 31 + 7;
	unsigned accepted = 0;
	char text[128], why[64];

	for (unsigned flip = 0; flip < count; flip++) {
		size_t bit;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		bit = first * 8 + (seed >> 20) % ((last - first) * 8);
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		accepted += verify(NULL) == TRUST_OK;
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	snprintf(text, sizeof(text), "%u flipped bits in %s are all refused", count, name);
	snprintf(why, sizeof(why), "%u were accepted", accepted);
	check(accepted == 0 && verify(NULL) == TRUST_OK, text, why);
}

static void test_flips(void)
{
	unsigned count = getenv("HOLON_SOAK") ? 10000 : 300;

	list_make(&good_recipe);
	capsule_make(&good_recipe);
	flips("the manifest", capsule_file, part[0], part[1], count);
	flips("the capsule's signature", capsule_file, part[1], part[2], count);
	flips("the certificate", capsule_file, part[2], part[3], count);
	flips("the certificate's signature", capsule_file, part[3], part[4], count);
	flips("the payload", capsule_file, part[4], part[5], count);
	flips("the key list", list_file, 0, list_record, count);
	flips("the root's signature", list_file, list_record, list_size, count);
	for (size_t cut = 1; cut < capsule_size; cut += 97) {
		capsule_size -= cut;
		if (verify(NULL) == TRUST_OK)
			check(false, "a capsule cut short is refused", "it is accepted");
		capsule_size += cut;
	}
	check(verify(NULL) == TRUST_OK, "a capsule cut short is refused, whole it is good",
	      "the whole one is refused");
}

static void test_records(void)
{
	static const struct record_rule rules[3] = {
	    {1, FORM_NUMBER, false, 0, 0}, {4, FORM_TEXT, true, 1, 4}, {9, FORM_LIST, true, 0, 2}};
	uint8_t bytes[256];
	struct field fields[3];
	struct record_writer writer;
	enum record_error error;
	size_t size;

	record_begin(&writer, bytes, sizeof(bytes), RECORD_CAPSULE);
	record_put_number(&writer, 1, 0x1122334455667788ull);
	list_of(&writer, 9, "a", "b");
	size = record_end(&writer, &error);
	check(!error && record_read(bytes, size, RECORD_CAPSULE, rules, 3, fields) == RECORD_OK &&
	          record_number(&fields[0]) == 0x1122334455667788ull && !fields[1].bytes && fields[2].bytes,
	      "a record comes back as it was written", "it does not");
	check(record_read(bytes, size, RECORD_CERTIFICATE, rules, 3, fields) == RECORD_FOREIGN,
	      "another kind is refused", "it is taken");
	check(record_read(bytes, size - 1, RECORD_CAPSULE, rules, 3, fields) == RECORD_SHORT,
	      "a byte too few is refused", "it is taken");
	record_begin(&writer, bytes, sizeof(bytes), RECORD_CAPSULE);
	record_put(&writer, 4, "text", 4);
	record_put_number(&writer, 1, 1);
	size = record_end(&writer, &error);
	check(record_read(bytes, size, RECORD_CAPSULE, rules, 3, fields) == RECORD_MISSING,
	      "fields out of order are refused", "they are taken");
	record_begin(&writer, bytes, sizeof(bytes), RECORD_CAPSULE);
	record_put_number(&writer, 1, 1);
	record_put_number(&writer, 1, 1);
	size = record_end(&writer, &error);
	check(record_read(bytes, size, RECORD_CAPSULE, rules, 3, fields) == RECORD_FIELD,
	      "a field twice is refused", "it is taken");
	record_begin(&writer, bytes, sizeof(bytes), RECORD_CAPSULE);
	record_put_number(&writer, 1, 1);
	list_of(&writer, 9, "b", "a");
	size = record_end(&writer, &error);
	check(record_read(bytes, size, RECORD_CAPSULE, rules, 3, fields) == RECORD_VALUE,
	      "a list out of order is refused", "it is taken");
	record_begin(&writer, bytes, 20, RECORD_CAPSULE);
	record_put_number(&writer, 1, 1);
	check(record_end(&writer, &error) == 0 && error == RECORD_TOO_LARGE,
	      "a record that does not fit is told", "it is written");
}

/* A boot manifest with ROOTS for capsules; its signature is the loader's business. */
static size_t boot_make(uint8_t *bytes, size_t room, const uint8_t *const *roots)
{
	static const uint8_t unused[TRUST_ID_BYTES], part_item[BOOT_PART_BYTES] = {'x'};
	struct record_writer writer;
	enum record_error error;

	record_begin(&writer, bytes, room, RECORD_BOOT);
	record_put(&writer, BOOT_BUILD + 1, "a test", 6);
	record_put_number(&writer, BOOT_FLAGS + 1, 0);
	record_put_number(&writer, BOOT_ROLLBACK + 1, 1);
	record_put_number(&writer, BOOT_TIME + 1, NOW);
	record_put(&writer, BOOT_SIGNER + 1, unused, sizeof(unused));
	record_list_begin(&writer, BOOT_PARTS + 1);
	record_list_add(&writer, part_item, sizeof(part_item));
	record_list_end(&writer);
	if (*roots) {
		record_list_begin(&writer, BOOT_CAPSULE_ROOTS + 1);
		for (; *roots; roots++)
			record_list_add(&writer, *roots, TRUST_ROOT_BYTES);
		record_list_end(&writer);
	}
	return record_end(&writer, &error);
}

static enum trust_error keys_by(const uint8_t *const *roots, const uint8_t **root, size_t cut)
{
	static uint8_t manifest[4096];
	size_t size = boot_make(manifest, sizeof(manifest), roots);
	struct key_list list;

	return trust_capsule_keys(&list, root, manifest, size - cut, list_file, list_size, NULL);
}

static void test_capsule_roots(void)
{
	static const uint8_t other[TRUST_ROOT_BYTES], last[TRUST_ROOT_BYTES] = {255, 255};
	struct recipe recipe = good_recipe;
	struct key_list list;
	struct capsule capsule;
	const uint8_t *root = NULL;

	list_make(&recipe);
	check(keys_by((const uint8_t *const[]){other, root_pk, last, NULL}, &root, 0) == TRUST_OK && root &&
	          memcmp(root, root_pk, TRUST_ROOT_BYTES) == 0,
	      "a key list under one of the manifest's roots", "it is refused, or the root is another");
	check(keys_by((const uint8_t *const[]){other, last, NULL}, &root, 0) == TRUST_ISSUER,
	      "one under none of them", "it is taken");
	check(keys_by((const uint8_t *const[]){NULL}, &root, 0) == TRUST_ISSUER, "a manifest without roots",
	      "it is taken");
	check(keys_by((const uint8_t *const[]){root_pk, NULL}, &root, 1) == TRUST_FORM,
	      "a manifest that is cut", "it is taken");
	list_file[list_record - 1] ^= 1;
	check(keys_by((const uint8_t *const[]){root_pk, NULL}, &root, 0) == TRUST_ISSUER,
	      "a changed key list", "it is taken");

	recipe.cert_until = UNTIL + 500;
	list_make(&recipe);
	capsule_make(&recipe);
	check(trust_key_list(&list, list_file, list_size, root_pk, 0, NULL) == TRUST_OK &&
	          trust_capsule(&capsule, capsule_file, capsule_size, &list, NULL, NOW, NULL, NULL) ==
	              TRUST_OK &&
	          trust_capsule_until(&capsule, &list) == UNTIL,
	      "a capsule ends with the certifier's key", "it ends at another time");
	recipe.cert_until = UNTIL - 500;
	capsule_make(&recipe);
	check(trust_capsule(&capsule, capsule_file, capsule_size, &list, NULL, NOW, NULL, NULL) == TRUST_OK &&
	          trust_capsule_until(&capsule, &list) == UNTIL - 500,
	      "or with its certificate", "it ends at another time");
}

int main(void)
{
	uint8_t seed[SLHDSA_MAX_SEED_SIZE];

	memset(seed, 9, sizeof(seed));
	if (slhdsa_keygen(TRUST_ROOT_SET, seed, root_pk, root_sk))
		abort();
	seed_key(&certifier, 1);
	seed_key(&releaser, 2);
	seed_key(&signer, 3);
	key_id(key_algorithm_find(KEY_HYBRID_SIGN), certifier.pk, certifier_id);
	test_records();
	test_recipes();
	test_capsule_roots();
	test_revocations();
	test_flips();
	return failures != 0;
}
