/* The boot manifest: see boot.h. */
#include "boot.h"
#include <crypto/blake3.h>
#include <holon/sysimg.h>

size_t strlen(const char *text); /* the loader has one, and no libc's headers */

const struct record_rule boot_rules[BOOT_FIELDS] = {
    [BOOT_BUILD] = {1, FORM_TEXT, false, 1, BOOT_BUILD_MAX},
    [BOOT_FLAGS] = {2, FORM_NUMBER, false, 0, 0},
    [BOOT_ROLLBACK] = {3, FORM_NUMBER, false, 0, 0},
    [BOOT_TIME] = {4, FORM_NUMBER, false, 0, 0},
    [BOOT_SIGNER] = {5, FORM_BYTES, false, TRUST_ID_BYTES, TRUST_ID_BYTES},
    [BOOT_PARTS] = {6, FORM_ITEMS, false, BOOT_PART_BYTES, BOOT_PARTS_MAX},
    [BOOT_CAPSULE_ROOTS] = {7, FORM_ITEMS, true, TRUST_ROOT_BYTES, BOOT_ROOTS_MAX},
};

const char trust_context_boot[] = "Holon boot manifest";

enum trust_error trust_boot(struct boot_manifest *manifest, const struct key_list *list, const uint8_t *bytes,
                            size_t count, uint64_t least_rollback, enum record_error *detail)
{
	size_t record = record_size(bytes, count);
	enum record_error fault = RECORD_SHORT;
	enum trust_error error;

	if (record && count - record == HYBRID_SIGN_SIGNATURE_SIZE)
		fault = record_read(bytes, record, RECORD_BOOT, boot_rules, BOOT_FIELDS, manifest->fields);
	if (!fault && record_number(&manifest->fields[BOOT_FLAGS]) & ~(uint64_t)BOOT_DEVELOPMENT)
		fault = RECORD_VALUE;
	if (detail)
		*detail = fault;
	if (fault)
		return TRUST_FORM;
	manifest->flags = record_number(&manifest->fields[BOOT_FLAGS]);
	manifest->rollback = record_number(&manifest->fields[BOOT_ROLLBACK]);
	manifest->time = record_number(&manifest->fields[BOOT_TIME]);
	error = trust_signed_by(list, manifest->fields[BOOT_SIGNER].bytes,
	                        manifest->flags & BOOT_DEVELOPMENT ? ROLE_DEVELOPMENT : ROLE_RELEASE,
	                        manifest->time, bytes, record, trust_context_boot, bytes + record);
	if (error)
		return error;
	return manifest->rollback < least_rollback ? TRUST_ROLLBACK : TRUST_OK;
}

static bool image_matches(const uint8_t *bytes, uint64_t count, const uint8_t *digest)
{
	const struct sysimg_header *header = (const struct sysimg_header *)(const void *)bytes;

	return count >= SYSIMG_BLOCK && header->magic == SYSIMG_MAGIC && header->bytes == count &&
	       memcmp(header->metadata_digest, digest, BOOT_PART_DIGEST_BYTES) == 0;
}

enum trust_error trust_boot_part(const struct boot_manifest *manifest, const char *name, const uint8_t *bytes,
                                 uint64_t count)
{
	uint8_t wanted[BOOT_PART_NAME_BYTES] = {0}, digest[BLAKE3_SIZE];
	size_t length = strlen(name);
	struct field item;

	if (length >= sizeof(wanted))
		return TRUST_NAME;
	memcpy(wanted, name, length);
	for (uint32_t at = 0; record_next(&manifest->fields[BOOT_PARTS], &at, &item);) {
		struct field size = {item.bytes + BOOT_PART_NAME_BYTES + 1, 8};
		const uint8_t *signed_digest = size.bytes + 8;

		if (memcmp(item.bytes, wanted, sizeof(wanted)) != 0)
			continue;
		if (record_number(&size) != count)
			return TRUST_PAYLOAD;
		if (item.bytes[BOOT_PART_NAME_BYTES] == BOOT_PART_IMAGE)
			return image_matches(bytes, count, signed_digest) ? TRUST_OK : TRUST_PAYLOAD;
		if (item.bytes[BOOT_PART_NAME_BYTES] != BOOT_PART_WHOLE)
			return TRUST_FORM;
		blake3_hash(digest, bytes, (size_t)count);
		return memcmp(digest, signed_digest, sizeof(digest)) == 0 ? TRUST_OK : TRUST_PAYLOAD;
	}
	return TRUST_NAME;
}

enum trust_error trust_capsule_keys(struct key_list *list, const uint8_t **root, const uint8_t *manifest,
                                    size_t manifest_count, const uint8_t *keys, size_t keys_count,
                                    enum record_error *detail)
{
	struct field fields[BOOT_FIELDS], item;
	size_t record = record_size(manifest, manifest_count);
	enum record_error fault = RECORD_SHORT;

	if (record)
		fault = record_read(manifest, record, RECORD_BOOT, boot_rules, BOOT_FIELDS, fields);
	if (detail)
		*detail = fault;
	if (fault)
		return TRUST_FORM;
	for (uint32_t at = 0; record_next(&fields[BOOT_CAPSULE_ROOTS], &at, &item);) {
		enum trust_error error = trust_key_list(list, keys, keys_count, item.bytes, 0, detail);

		*root = item.bytes;
		if (error != TRUST_SIGNATURE)
			return error;
	}
	return TRUST_ISSUER;
}

unsigned trust_boot_parts(const struct boot_manifest *manifest)
{
	return manifest->fields[BOOT_PARTS].count / (BOOT_PART_BYTES + 2);
}
