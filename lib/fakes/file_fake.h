/*
 * A file service in memory, for tests of its clients: struct file_operations over a fixed table of nodes and
 * names. It keeps the contract of abi/file.interface for names, attributes, contents, sizes, extended
 * attributes and changes; it has no pager: the memory capability of a node is FILE_FAKE_MEMORY + the node's
 * number, and file_fake_contents() gives the bytes behind it.
 */
#ifndef FILE_FAKE_H
#define FILE_FAKE_H

#include "holon.h"
#include "file.interface.h"
#include "holon/file.h"

#define FILE_FAKE_NODES    64u
#define FILE_FAKE_NAMES    128u
#define FILE_FAKE_CONTENTS 65536u /* bytes a file may have; beyond is FILE_E_NO_SPACE */
#define FILE_FAKE_XATTRS   4u     /* per node, of at most 256 bytes */
#define FILE_FAKE_MEMORY   0x10000u
#define FILE_FAKE_ROOT     1u

struct file_fake_xattr {
	char name[FILE_NAME_MAX + 1];
	uint8_t value[256];
	uint32_t bytes, expected;
};

struct file_fake_node {
	struct file_attributes attributes; /* node 0: free */
	uint64_t uses;
	uint8_t contents[FILE_FAKE_CONTENTS]; /* or a symbolic link's target */
	struct file_fake_xattr xattrs[FILE_FAKE_XATTRS];
};

struct file_fake_name {
	uint64_t directory, node; /* node 0: free */
	char text[FILE_NAME_MAX + 1];
};

struct file_fake {
	struct file_fake_node nodes[FILE_FAKE_NODES];
	struct file_fake_name names[FILE_FAKE_NAMES];
	uint64_t next_node;
	int64_t clock_ns;
	uint64_t syncs;
	bool read_only, failed; /* failed: every call is FILE_E_IO, as with a device that is gone */
	uint8_t reply[MESSAGE_BYTES_MAX];
};

extern const struct file_operations file_fake_operations;

/* An empty mount whose root directory is node FILE_FAKE_ROOT. */
void file_fake_init(struct file_fake *fake);

/* What the memory object MEMORY shows: FILE_FAKE_CONTENTS bytes, or 0 for no such object. */
uint8_t *file_fake_contents(struct file_fake *fake, handle_t memory);

#endif
