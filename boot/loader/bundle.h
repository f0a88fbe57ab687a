/* Checking a boot bundle (abi/holon/bundle.h). */
#pragma once

#include <stdint.h>

#include <holon/bundle.h>

/*@ predicate placed(struct bundle_header *header, integer count) =
      \forall integer i; 0 <= i < count ==>
        header->entries[i].name[0] != 0 && header->entries[i].name[BUNDLE_NAME_MAX - 1] == 0 &&
        header->entries[i].offset % 4096 == 0 && 4096 <= header->entries[i].offset &&
        header->entries[i].offset + header->entries[i].size <= header->size &&
        (\forall integer j; 0 <= j < i ==>
          header->entries[j].offset + header->entries[j].size <= header->entries[i].offset);
    predicate bundle_good(struct bundle_header *header) =
      header->entry_count <= BUNDLE_ENTRY_MAX && header->size % 4096 == 0 && placed(header, header->entry_count);
*/

/* Checks a header against the bundle's real size in bytes (as the medium reports it; may be larger than the
 * bundle). Returns NULL when every entry may be used, else a sentence saying what is wrong. */
/*@ requires available >= sizeof(struct bundle_header) ==> \valid_read(header);
    assigns \nothing;
    ensures \result == \null ==> header->entry_count <= BUNDLE_ENTRY_MAX;
    ensures \result == \null ==> header->size % 4096 == 0 && header->size <= available;
    ensures \result == \null ==> placed(header, header->entry_count);
*/
const char *bundle_check(const struct bundle_header *header, uint64_t available);
/* The entry of that name, or NULL. The header has passed bundle_check. */
/*@ requires \valid_read(header) && bundle_good(header) && is_text(name);
    assigns \nothing;
    ensures \result == \null ||
      (\exists integer i; 0 <= i < header->entry_count && \result == &header->entries[i]);
*/
const struct bundle_entry *bundle_find(const struct bundle_header *header, const char *name);
