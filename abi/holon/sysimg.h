/* sysimg: the read-only system image. Files are page aligned, so that they are mapped in place, and every
 * block of file data has a digest, so that it is verified before its first use.
 *
 * Layout, little-endian: header (one page), node table, directory entries, names, digests, padding to a page;
 * then file data. Everything before `data_offset` is the metadata; its own digest, with the header's
 * metadata_digest field as zeroes, stands in the header and is what a signature over the image covers.
 *
 * Node 0 is the root directory. Entries of one directory are sorted by name (byte order) for binary search. A
 * reader trusts no field: offsets and counts are checked against the image's size, and directories only ever
 * name higher-numbered directories, so a walk ends.
 */
#pragma once

#include <stdint.h>

#define SYSIMG_MAGIC        0x474d495359534c48ull /* "HLSYSIMG" */
#define SYSIMG_VERSION      1
#define SYSIMG_BLOCK        4096u
#define SYSIMG_DIGEST_BYTES 32u /* BLAKE3 */
#define SYSIMG_NAME_MAX     255u

struct sysimg_header {
	uint64_t magic;
	uint32_t version;
	uint32_t node_count;
	uint64_t bytes;        /* of the whole image; a multiple of the block size */
	uint64_t nodes_offset; /* struct sysimg_node[node_count] */
	uint64_t entries_offset;
	uint64_t entry_count;
	uint64_t names_offset;
	uint64_t names_bytes;
	uint64_t digests_offset; /* SYSIMG_DIGEST_BYTES for each data block in order */
	uint64_t data_offset;    /* multiple of the block size */
	uint8_t metadata_digest[SYSIMG_DIGEST_BYTES];
};

struct sysimg_node {
	uint32_t mode; /* POSIX type and permission bits */
	uint32_t owner, group;
	uint32_t links;
	uint64_t size;   /* file: bytes; symlink: bytes of the target; directory: number of entries */
	uint64_t offset; /* file: of its data in the image, page aligned; symlink: in names; directory: first
	                    entry's index */
	uint64_t modified; /* seconds since 1970 */
	uint64_t device;   /* device nodes: major << 32 | minor */
};

struct sysimg_entry {
	uint32_t name_offset; /* in names */
	uint32_t name_bytes;  /* 1..SYSIMG_NAME_MAX, without a NUL */
	uint32_t node;
	uint32_t reserved;
};
