/* Reader of system images (format: abi/holon/sysimg.h). Portable and freestanding; works in place on mapped
 * bytes and trusts none of them. Lookups are O(log n) in a directory's size and allocate nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <holon/sysimg.h>

struct sysimg {
	const uint8_t *bytes;
	const struct sysimg_header *header;
	const struct sysimg_node *nodes;
	const struct sysimg_entry *entries;
	const char *names;
};

/*@ predicate header_good(struct sysimg_header *header) =
      0 < header->node_count && header->bytes % SYSIMG_BLOCK == 0 && SYSIMG_BLOCK <= header->data_offset <= header->bytes &&
      header->nodes_offset + header->node_count * sizeof(struct sysimg_node) <= header->data_offset &&
      header->entries_offset + header->entry_count * sizeof(struct sysimg_entry) <= header->data_offset &&
      header->names_offset + header->names_bytes <= header->data_offset &&
      header->digests_offset + (header->bytes - header->data_offset) / SYSIMG_BLOCK * SYSIMG_DIGEST_BYTES <= header->data_offset;
    predicate image_good(struct sysimg *image) =
      \valid_read(image) && \valid_read(image->header) && header_good(image->header) &&
      \valid_read(image->nodes + (0 .. image->header->node_count - 1)) &&
      \valid_read(image->entries + (0 .. image->header->entry_count - 1)) &&
      \valid_read(image->names + (0 .. image->header->names_bytes - 1));
    predicate is_kind(struct sysimg_node *node, integer kind) = (node->mode & 0170000) == kind;
    predicate entry_good(struct sysimg *image, struct sysimg_entry *entry) =
      0 < entry->name_bytes <= SYSIMG_NAME_MAX && entry->node < image->header->node_count &&
      entry->name_offset + entry->name_bytes <= image->header->names_bytes;
    predicate file_good(struct sysimg_header *header, struct sysimg_node *file) =
      file->size == 0 ||
      (file->offset % SYSIMG_BLOCK == 0 && header->data_offset <= file->offset && file->offset + file->size <= header->bytes);
    predicate directory_good(struct sysimg *image, struct sysimg_node *directory) =
      directory->offset + directory->size <= image->header->entry_count &&
      \forall integer i; directory->offset <= i < directory->offset + directory->size ==> entry_good(image, &image->entries[i]);
    predicate node_good(struct sysimg *image, integer i) =
      (is_kind(&image->nodes[i], 0100000) ==> file_good(image->header, &image->nodes[i])) &&
      (is_kind(&image->nodes[i], 0120000) ==>
        image->nodes[i].offset + image->nodes[i].size <= image->header->names_bytes) &&
      (is_kind(&image->nodes[i], 0040000) ==> directory_good(image, &image->nodes[i]));
    predicate nodes_good(struct sysimg *image) =
      is_kind(&image->nodes[0], 0040000) && \forall integer i; 0 <= i < image->header->node_count ==> node_good(image, i);
*/

/* Checks the header and every table's bounds and every node; VERIFY also checks the metadata's digest.
 * Returns 0, or a text that says what is wrong. The bytes must stay mapped and unchanged. */
const char *sysimg_open(struct sysimg *image, const void *bytes, uint64_t size, bool verify);
/* The node NAME (LENGTH bytes) in directory DIRECTORY, or -1. */
/*@ requires image_good(image) && nodes_good(image) && directory < image->header->node_count && \valid_read(name + (0 .. length - 1));
    assigns \nothing;
    ensures -1 <= \result < image->header->node_count;
*/
int64_t sysimg_lookup(const struct sysimg *image, uint32_t directory, const char *name, size_t length);
/* The node at PATH ("a/b/c", from the root; symlinks are not followed), or -1. */
/*@ requires image_good(image) && nodes_good(image) && is_text(path);
    assigns \nothing;
    ensures -1 <= \result < image->header->node_count;
*/
int64_t sysimg_path(const struct sysimg *image, const char *path);
/* The nth entry of DIRECTORY: its node, with *NAME and *LENGTH; -1 past the end. */
/*@ requires image_good(image) && nodes_good(image) && directory < image->header->node_count && \valid(name) && \valid(length) && \separated(name, image);
    assigns *name, *length;
    ensures -1 <= \result < image->header->node_count;
    ensures 0 <= \result ==> 0 < *length <= SYSIMG_NAME_MAX && \valid_read(*name + (0 .. *length - 1));
*/
int64_t sysimg_entry(const struct sysimg *image, uint32_t directory, uint64_t index, const char **name,
                     size_t *length);
/* True when all blocks of file NODE match their digests. */
/*@ requires image_good(image) && nodes_good(image) && node < image->header->node_count &&
      \valid_read(image->bytes + (0 .. image->header->bytes - 1));
    assigns \nothing;
*/
bool sysimg_verify(const struct sysimg *image, uint32_t node);
