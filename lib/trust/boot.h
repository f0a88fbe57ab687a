/* The boot manifest: what a medium may start, signed.
 *
 * A bundle (abi/holon/bundle.h) carries two entries besides its parts: "keys", the key list under the root's
 * signature, and "manifest", a record of kind RECORD_BOOT under the hybrid signature of one key of that list. The record
 * names every other part with its size and digest, so a part cannot be left out, added, exchanged or taken from another
 * bundle. A system image is named by the digest in its header (abi/holon/sysimg.h), below which every page has its own: the
 * loader need not read it.
 *
 * trust_boot checks in one order and tells the first fault: form; flags; the signer in the key list, with the role that the
 * development flag asks for, not revoked; the signer's time, against the time that the manifest itself names, since nothing
 * that boots has a clock it may trust; the signature; the rollback index. trust_boot_part checks one part.
 */
#pragma once

#include "trust.h"

enum boot_flag { BOOT_DEVELOPMENT = 1 }; /* what comes without a signature (fw_cfg) counts too */

/* Indices into the fields; tags are these plus one. */
enum boot_field {
	BOOT_BUILD, /* what the image is, for people */
	BOOT_FLAGS,
	BOOT_ROLLBACK, /* index: an image with a lower one than was seen before is refused */
	BOOT_TIME,     /* seconds since 1970, of the signature */
	BOOT_SIGNER,   /* id of the key */
	BOOT_PARTS,
	BOOT_CAPSULE_ROOTS, /* root keys whose chains may sign capsules */
	BOOT_FIELDS
};
enum boot_part_kind {
	BOOT_PART_WHOLE = 0, /* BLAKE3 of all its bytes */
	BOOT_PART_IMAGE = 1, /* a system image: the digest in its header */
};
enum {
	BOOT_PART_NAME_BYTES = 32, /* padded with zeros */
	BOOT_PART_DIGEST_BYTES = 32,
	BOOT_PART_BYTES =
	    BOOT_PART_NAME_BYTES + 1 + 8 + BOOT_PART_DIGEST_BYTES, /* name, kind, size, digest */
	BOOT_PARTS_MAX = 14,
	BOOT_ROOTS_MAX = 4,
	BOOT_BUILD_MAX = 96,
};

extern const struct record_rule boot_rules[BOOT_FIELDS];
extern const char trust_context_boot[];

struct boot_manifest {
	struct field fields[BOOT_FIELDS]; /* point into the bytes it was read from */
	uint64_t flags, rollback, time;
};

/* Reads and verifies the signed manifest [BYTES, + COUNT). LEAST_ROLLBACK: of the last image seen, or 0. */
enum trust_error trust_boot(struct boot_manifest *manifest, const struct key_list *list, const uint8_t *bytes,
                            size_t count, uint64_t least_rollback, enum record_error *detail);

/* The part with that name (NUL-terminated, below 32 bytes), of which [BYTES, + COUNT) is to be the content. TRUST_NAME: the
 * manifest does not name it. */
enum trust_error trust_boot_part(const struct boot_manifest *manifest, const char *name, const uint8_t *bytes,
                                 uint64_t count);
/* Reads the signed key list [KEYS, + KEYS_COUNT) under one of the roots that the boot manifest [MANIFEST, + MANIFEST_COUNT) names
 * for capsules; *ROOT is that root, in the manifest. The manifest is one that the loader has verified; here only its form is checked. TRUST_ISSUER:
 * no root of the manifest signed the list. */
enum trust_error trust_capsule_keys(struct key_list *list, const uint8_t **root, const uint8_t *manifest,
                                    size_t manifest_count, const uint8_t *keys, size_t keys_count,
                                    enum record_error *detail);
unsigned trust_boot_parts(const struct boot_manifest *manifest); /* how many it names */
