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

/* Checks the header and every table's bounds and every node; VERIFY also checks the metadata's digest.
 * Returns 0, or a text that says what is wrong. The bytes must stay mapped and unchanged. */
const char *sysimg_open(struct sysimg *image, const void *bytes, uint64_t size, bool verify);
/* The node NAME (LENGTH bytes) in directory DIRECTORY, or -1. */
int64_t sysimg_lookup(const struct sysimg *image, uint32_t directory, const char *name, size_t length);
/* The node at PATH ("a/b/c", from the root; symlinks are not followed), or -1. */
int64_t sysimg_path(const struct sysimg *image, const char *path);
/* The nth entry of DIRECTORY: its node, with *NAME and *LENGTH; -1 past the end. */
int64_t sysimg_entry(const struct sysimg *image, uint32_t directory, uint64_t index, const char **name,
                     size_t *length);
/* True when all blocks of file NODE match their digests. */
bool sysimg_verify(const struct sysimg *image, uint32_t node);
