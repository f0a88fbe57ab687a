/* Checking a boot bundle (abi/holon/bundle.h). */
#pragma once

#include <stdint.h>

#include <holon/bundle.h>

/* Checks a header against the bundle's real size in bytes (as the medium reports it; may be larger than the
 * bundle). Returns NULL when every entry may be used, else a sentence saying what is wrong. */
const char *bundle_check(const struct bundle_header *header, uint64_t available);
/* The entry of that name, or NULL. The header has passed bundle_check. */
const struct bundle_entry *bundle_find(const struct bundle_header *header, const char *name);
