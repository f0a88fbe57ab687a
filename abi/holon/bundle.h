/* The boot bundle: the kernel and the modules in one file, as the loader reads it.
 *
 * A header, then entries, then page-aligned file contents in entry order. All little-endian. The loader
 * refuses a bundle with a wrong magic or version, an entry outside the file, unaligned or overlapping
 * contents, or two entries of one name. Two entries are not parts but vouch for them: "keys" (the key list and
 * the root's signature) and "manifest" (the boot manifest and its signature), both of lib/trust/boot.h.
 */
#pragma once

#include <stdint.h>

#define BUNDLE_MAGIC     0x454c444e55424c48ull /* "HLBUNDLE" */
#define BUNDLE_VERSION   1
#define BUNDLE_ENTRY_MAX 16
#define BUNDLE_NAME_MAX  32
#define BUNDLE_KEYS      "keys"
#define BUNDLE_MANIFEST  "manifest"
#define BUNDLE_DECOY     "decoy" /* boot/menu/decoy.h; its presence alone keeps the loader silent */

struct bundle_entry {
	char name[BUNDLE_NAME_MAX]; /* "kernel", "steward", "system", "cmdline" (default command line), ... */
	uint64_t offset;            /* from the start of the bundle; multiple of 4096 */
	uint64_t size;              /* bytes */
};

struct bundle_header {
	uint64_t magic;
	uint32_t version;
	uint32_t entry_count;
	uint64_t size; /* of the whole bundle, bytes; multiple of 4096 */
	uint64_t reserved;
	struct bundle_entry entries[BUNDLE_ENTRY_MAX];
};
