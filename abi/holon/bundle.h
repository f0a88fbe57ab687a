/* The boot bundle: the kernel and the modules in one file, as the loader reads it.
 *
 * A header, then entries, then page-aligned file contents in entry order. All little-endian. The loader
 * refuses a bundle with a wrong magic or version, an entry outside the file, unaligned or overlapping
 * contents, or two entries of one name. That checks form, not authenticity: a bundle carries no digest of its
 * own.
 */
#pragma once

#include <stdint.h>

#define BUNDLE_MAGIC     0x454c444e55424c48ull /* "HLBUNDLE" */
#define BUNDLE_VERSION   1
#define BUNDLE_ENTRY_MAX 16

struct bundle_entry {
	char name[32];   /* "kernel", "steward", "system", "cmdline" (default command line), ... */
	uint64_t offset; /* from the start of the bundle; multiple of 4096 */
	uint64_t size;   /* bytes */
};

struct bundle_header {
	uint64_t magic;
	uint32_t version;
	uint32_t entry_count;
	uint64_t size; /* of the whole bundle, bytes; multiple of 4096 */
	uint64_t reserved;
	struct bundle_entry entries[BUNDLE_ENTRY_MAX];
};
