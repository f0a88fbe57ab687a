/* Boot manifests: signing one over the parts of a bundle, and checking a whole bundle as the loader does. */
#define _GNU_SOURCE
#include <crypto/blake3.h>
#include <holon/bundle.h>
#include <holon/sysimg.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../boot/loader/verify.h"
#include "tool.h"

static void part_put(const char *text, uint8_t item[BOOT_PART_BYTES])
{
	const char *path = strchr(text, '=');
	size_t length = path ? (size_t)(path - text) : 0;
	const struct sysimg_header *header;
	struct bytes file;

	if (!length || length >= BOOT_PART_NAME_BYTES)
		fail(EXIT_USAGE, "--part wants NAME=FILE with a name of 1 to 31 bytes, not \"%s\"", text);
	file = file_read(path + 1);
	header = (const void *)file.at;
	memset(item, 0, BOOT_PART_BYTES);
	memcpy(item, text, length);
	store_le64(item + BOOT_PART_NAME_BYTES + 1, file.count);
	if (file.count >= SYSIMG_BLOCK && header->magic == SYSIMG_MAGIC && header->bytes == file.count) {
		item[BOOT_PART_NAME_BYTES] = BOOT_PART_IMAGE;
		memcpy(item + BOOT_PART_NAME_BYTES + 9, header->metadata_digest, BOOT_PART_DIGEST_BYTES);
	} else {
		blake3_hash(item + BOOT_PART_NAME_BYTES + 9, file.at, file.count);
	}
	free(file.at);
}

static int part_order(const void *a, const void *b)
{
	return memcmp(a, b, BOOT_PART_BYTES);
}

static int root_order(const void *a, const void *b)
{
	return memcmp(a, b, TRUST_ROOT_BYTES);
}

void run_boot(void)
{
	static uint8_t record[RECORD_BYTES_MAX], parts[BOOT_PARTS_MAX][BOOT_PART_BYTES],
	    roots[BOOT_ROOTS_MAX][TRUST_ROOT_BYTES];
	uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE], id[TRUST_ID_BYTES];
	struct hybrid_sign_key signer;
	struct record_writer writer;
	struct key root;
	uint64_t flags = 0;
	size_t size;

	if (given.flags && strcmp(given.flags, "development") != 0)
		fail(EXIT_USAGE, "--flags knows \"development\" alone");
	if (given.flags)
		flags = BOOT_DEVELOPMENT;
	if (!given.parts.count || given.parts.count > BOOT_PARTS_MAX)
		fail(EXIT_USAGE, "--part is wanted 1 to %d times", BOOT_PARTS_MAX);
	if (given.roots.count > BOOT_ROOTS_MAX)
		fail(EXIT_USAGE, "--capsule-root is wanted at most %d times", BOOT_ROOTS_MAX);
	for (unsigned index = 0; index < given.parts.count; index++)
		part_put(given.parts.items[index], parts[index]);
	qsort(parts, given.parts.count, sizeof(parts[0]), part_order);
	for (unsigned index = 0; index < given.roots.count; index++) {
		key_load(&root, given.roots.items[index], KEY_SLHDSA + TRUST_ROOT_SET, false);
		memcpy(roots[index], root.bytes, TRUST_ROOT_BYTES);
	}
	qsort(roots, given.roots.count, sizeof(roots[0]), root_order);
	hybrid_load(&signer, need(given.key, "-k"));
	key_id(key_algorithm_find(KEY_HYBRID_SIGN), signer.pk, id);
	record_begin(&writer, record, sizeof(record), RECORD_BOOT);
	record_put(&writer, BOOT_BUILD + 1, need(given.build, "--build"), (uint32_t)strlen(given.build));
	record_put_number(&writer, BOOT_FLAGS + 1, flags);
	record_put_number(&writer, BOOT_ROLLBACK + 1,
	                  number(need(given.rollback, "--rollback"), "--rollback"));
	record_put_number(&writer, BOOT_TIME + 1, date(need(given.time, "--time"), "--time"));
	record_put(&writer, BOOT_SIGNER + 1, id, sizeof(id));
	record_list_begin(&writer, BOOT_PARTS + 1);
	for (unsigned index = 0; index < given.parts.count; index++)
		record_list_add(&writer, parts[index], BOOT_PART_BYTES);
	record_list_end(&writer);
	if (given.roots.count) {
		record_list_begin(&writer, BOOT_CAPSULE_ROOTS + 1);
		for (unsigned index = 0; index < given.roots.count; index++)
			record_list_add(&writer, roots[index], TRUST_ROOT_BYTES);
		record_list_end(&writer);
	}
	size = record_done(&writer, RECORD_BOOT, boot_rules, BOOT_FIELDS);
	/* The deterministic variant, so that equal inputs make equal images. */
	if (hybrid_sign(&signer, record, size, trust_context_boot, strlen(trust_context_boot), NULL,
	                signature))
		fail(EXIT_BAD, "cannot sign with %s", given.key);
	crypto_wipe(&signer, sizeof(signer));
	file_write(need(given.out, "-o"), (struct bytes[]){{record, size}, {signature, sizeof(signature)}},
	           2);
}

void run_verify_boot(void)
{
	struct bytes file = file_read(need(given.file, "the bundle's file"));
	struct verify_policy policy = {.least_epoch = given.epoch ? number(given.epoch, "--epoch") : 0,
	                               .least_rollback =
	                                   given.rollback ? number(given.rollback, "--rollback") : 0};
	struct verified verified;
	struct key root;
	const char *why;

	key_load(&root, need(given.root, "--root"), KEY_SLHDSA + TRUST_ROOT_SET, false);
	memcpy(policy.root, root.bytes, TRUST_ROOT_BYTES);
	why = bundle_verify((const void *)file.at, file.count, &policy, &verified);
	if (why)
		fail(EXIT_BAD, "%s is refused: %s%s%s", given.file, verified.part,
		     verified.part[0] ? ": " : "", why);
	printf("build         %s\n", verified.build);
	printf("kind          %s\n", verified.development ? "development" : "release");
	printf("rollback      index %" PRIu64 ", key list's epoch %" PRIu64 "\n", verified.rollback,
	       verified.epoch);
	puts("verified      the root, the key list, the manifest, and every part; of a system image its root "
	     "alone");
	free(file.at);
}
