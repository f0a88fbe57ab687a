/*
 * What the parts of holonfs share. Everything but contents and free-room bitmaps is an item in one B+-tree:
 * cache.c keeps its nodes and the bitmaps in memory, items.c is the tree, blocks.c the bitmaps and shared
 * blocks, inode.c inodes, quota.c quotas, directory.c names, names.c the operations on them, data.c contents,
 * extents.c where they lie, pack.c compression, xattr.c attributes, fs.c mounting and syncing, check.c the check.
 */
#ifndef HOLONFS_INTERNAL_H
#define HOLONFS_INTERNAL_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "holonfs.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures on disk are little-endian");

#define GROUP_BLOCKS     32768u /* one bitmap block's worth */
#define ITEM_MAX         1100u
#define INLINE_MAX       1024u /* bytes of contents, or of a piece of a longer value, kept in the tree */
#define TREE_HEIGHT_MAX  12u
#define OPERATION_BLOCKS 40u /* what one operation may need for the tree */

enum item_type {
	ITEM_INODE = 1,
	ITEM_ENTRY = 2,  /* offset: hash of the name */
	ITEM_XATTR = 3,  /* offset: hash of the name << 8 | piece */
	ITEM_INLINE = 4, /* offset: piece */
	ITEM_EXTENT = 5, /* offset: block of the file */
	ITEM_SHARED = 6, /* inode 0; offset: block of the store */
	ITEM_ORPHAN = 7, /* inode 0; offset: inode without a name */
	ITEM_QUOTA = 8,  /* inode 0; offset: the directory's inode */
	ITEM_ADOPT = 9,  /* inode 0; offset: a directory whose entries a new quota has to take in */
};
#define OFFSET_MASK ((UINT64_C(1) << 56) - 1)

struct key {
	uint64_t inode, rest; /* rest: type << 56 | offset */
};

struct super_disk {
	char magic[8];
	uint32_t version, height;
	uint8_t id[16], name_key[32];
	char label[32];
	uint64_t blocks, used, root, next_inode, inodes, shared;
	uint64_t features; /* FEATURE_*: 0 in version 1, not 0 in version 2 */
	uint64_t reserved[399];
};
#define FEATURE_LZ4      1u /* some contents are compressed */
#define FEATURE_ADOPTING 2u /* a quota has still to take in what was there before it */
#define FEATURES_KNOWN   (FEATURE_LZ4 | FEATURE_ADOPTING)

struct inode_disk {
	uint64_t size, blocks;
	int64_t accessed_ns, modified_ns, changed_ns, created_ns;
	uint64_t device, parent, quota;
	uint32_t mode, links, uid, gid, flags, reserved;
};
#define INODE_INLINE 0x10000u /* contents are in the tree; in `flags`, not shown to callers */
#define INODE_FLAGS  0xffffu

struct extent_disk {
	uint64_t block;
	uint32_t count, flags;
};
#define EXTENT_UNWRITTEN 1u
#define EXTENT_LZ4       2u /* compressed: the item is a whole struct extent */

#define PACK_BLOCKS 16u /* blocks of a file that are compressed together, at most */
#define PACK_MIN    4u  /* and at least */

struct extent {
	struct extent_disk disk; /* count: blocks of the file that it shows */
	/* Compressed ones alone: the bytes stored from disk.block on, the blocks that they unpack to, and which of
	 * those is shown first. */
	uint32_t bytes;
	uint16_t total, first;
};
_Static_assert(sizeof(struct extent) == 24, "a compressed extent's item has no padding");

struct shared_disk {
	uint32_t count, more; /* blocks; references beyond the first */
};

struct quota_disk {
	uint64_t block_limit, inode_limit, blocks, inodes;
};

struct slot {
	struct key key;
	union {
		uint64_t child; /* inner nodes */
		struct {
			uint16_t at, size; /* leaves: the item's bytes */
			uint32_t zero;
		};
	};
};

#define NODE_MAGIC 0x464e4f48u
struct node {
	uint32_t magic;
	uint16_t count;
	uint8_t level, zero;
	uint16_t heap, zero1; /* leaves: where the lowest item begins */
	uint32_t zero2;
	struct slot slots[];
};
#define NODE_HEADER 16u
#define INNER_SLOTS ((HOLONFS_BLOCK - NODE_HEADER) / sizeof(struct slot))

struct buffer {
	struct buffer *hash_next, *older, *newer;
	uint64_t block;
	bool dirty, checked; /* checked: its structure was judged */
	_Alignas(8) uint8_t bytes[HOLONFS_BLOCK];
};

struct use {
	struct use *next;
	uint64_t inode, count;
};
#define USE_BUCKETS 4096u

struct holonfs {
	struct store store;
	holonfs_clock clock;
	struct super_disk super;
	bool super_dirty;
	int failed;    /* errno, negative */
	bool changing; /* the operation under way has changed something */
	struct buffer **buffers;
	size_t bucket_count, buffer_count, dirty_count, buffer_limit;
	struct buffer *oldest, *newest;
	struct use *uses[USE_BUCKETS];
	uint64_t cursor, node_cursor; /* where to look for room */
	uint8_t *scratch;             /* a block */
	struct packer *packer;        /* pack.c */
	bool adopting;                /* quota.c */
	/* Groups with free blocks that the store had no room to discard. */
	uint64_t undiscarded_first, undiscarded_end;
};

#define TRY(expression)                                                                                      \
	do {                                                                                                 \
		int try_status = (int)(expression);                                                          \
		if (try_status < 0)                                                                          \
			return try_status;                                                                   \
	} while (0)

static inline struct key make_key(uint64_t inode, enum item_type type, uint64_t offset)
{
	return (struct key){inode, (uint64_t)type << 56 | (offset & OFFSET_MASK)};
}

static inline uint64_t key_offset(struct key key)
{
	return key.rest & OFFSET_MASK;
}

static inline int key_compare(struct key a, struct key b)
{
	if (a.inode != b.inode)
		return a.inode < b.inode ? -1 : 1;
	return (a.rest > b.rest) - (a.rest < b.rest);
}

static inline bool key_is(struct key key, uint64_t inode, enum item_type type)
{
	return key.inode == inode && key.rest >> 56 == (uint64_t)type;
}

static inline void super_change(struct holonfs *fs)
{
	fs->super_dirty = fs->changing = true;
}

/* ---- cache.c ---- */
int cache_get(struct holonfs *fs, uint64_t block, struct buffer **buffer);
int cache_new(struct holonfs *fs, uint64_t block, struct buffer **buffer); /* zeroed, dirty */
void cache_dirty(struct holonfs *fs, struct buffer *buffer);
void cache_drop(struct holonfs *fs, uint64_t block); /* the block is free now */
int cache_write(struct holonfs *fs);
int cache_trim(struct holonfs *fs);
void cache_free(struct holonfs *fs);

/* ---- items.c ---- */
/* An item where it lies: valid until the tree changes. */
struct item {
	struct key key;
	const void *data;
	unsigned size;
};
/* The item at KEY; 1 found, 0 not. */
int item_find(struct holonfs *fs, struct key key, struct item *item);
/* The first item at or behind KEY (NEXT), or the last at or before it. 1 found, 0 none. */
int item_next(struct holonfs *fs, struct key key, struct item *item);
int item_previous(struct holonfs *fs, struct key key, struct item *item);
/* Inserts or replaces. */
int item_put(struct holonfs *fs, struct key key, const void *data, unsigned size);
/* 1 removed, 0 there was none. */
int item_remove(struct holonfs *fs, struct key key);
bool node_is_sane(const struct node *node, unsigned level);

/* ---- blocks.c ---- */
uint64_t blocks_free_count(const struct holonfs *fs);
/* Up to WANTED blocks in a row, near GOAL if possible. */
int blocks_allocate(struct holonfs *fs, uint64_t goal, uint64_t wanted, uint64_t *block, uint64_t *count);
/* Gives references up; blocks without any are free. */
int blocks_release(struct holonfs *fs, uint64_t block, uint64_t count);
/* One reference more. */
int blocks_share(struct holonfs *fs, uint64_t block, uint64_t count);
/* Whether BLOCK is shared, and for how many blocks from it on (at most COUNT) that answer holds. */
int blocks_are_shared(struct holonfs *fs, uint64_t block, uint64_t count, bool *shared, uint64_t *same);
bool blocks_are_data(const struct holonfs *fs, uint64_t block,
                     uint64_t count);                  /* a range where contents may be */
int blocks_check(struct holonfs *fs, uint64_t blocks); /* -ENOSPC early */
int blocks_discard_again(struct holonfs *fs); /* some of what could not be discarded; -ENOSPC: still not */

/* ---- inode.c ---- */
int inode_read(struct holonfs *fs, uint64_t number, struct inode_disk *inode);
int inode_write(struct holonfs *fs, uint64_t number, const struct inode_disk *inode);
int inode_begin(struct holonfs *fs, bool writes);
int inode_begin_with(struct holonfs *fs, uint64_t blocks);
void inode_attributes(uint64_t number, const struct inode_disk *inode, struct holonfs_attributes *attributes);
/* Deletes an inode without names, its contents and attributes, unless it is in use. */
int inode_delete_if_unused(struct holonfs *fs, uint64_t number);
int inode_delete(struct holonfs *fs, uint64_t number);
bool inode_in_use(const struct holonfs *fs, uint64_t number);

/* ---- quota.c ---- */
#define ADOPT_STEP 8u /* entries that one step takes in */
/* Charges (or gives back) blocks and inodes to the quota of INODE. */
int quota_charge(struct holonfs *fs, const struct inode_disk *inode, int64_t blocks, int64_t inodes);
/* The quota of DIRECTORY (0: none) takes INODE in, unless one has it; the caller writes INODE. */
int quota_adopt(struct holonfs *fs, uint64_t directory, uint64_t number, struct inode_disk *inode);

/* ---- directory.c ---- */
int entry_find(struct holonfs *fs, uint64_t directory, const char *name, uint64_t *inode);
int entry_add(struct holonfs *fs, uint64_t directory, const char *name, uint64_t inode, uint32_t mode);
int entry_remove(struct holonfs *fs, uint64_t directory, const char *name);
int entry_check_name(const char *name);
int directory_is_empty(struct holonfs *fs, uint64_t directory); /* 1 or 0 */
uint64_t name_hash(const struct holonfs *fs, const char *name);

/* ---- xattr.c ---- */
int xattr_remove_all(struct holonfs *fs, uint64_t inode);
/* Applies a directory's default ACL to a new inode: MODE loses bits, and the new object gets its ACLs. */
int xattr_inherit(struct holonfs *fs, uint64_t directory, uint64_t made, uint32_t umask, uint32_t *mode);
/* After chmod: the access ACL follows the mode. */
int xattr_follow_mode(struct holonfs *fs, uint64_t inode, uint32_t mode);

/* ---- fs.c ---- */
/* The store took only a part of a change, for STATUS: nothing is committed any more. Returns STATUS. */
int fs_fail(struct holonfs *fs, int status);
/* A node or bitmap cannot be had, for STATUS: that ends the file system where an operation is done in part. Returns STATUS. */
int fs_interrupt(struct holonfs *fs, int status);
/* Features come into use or are given up: what does not know them does not mount this any more. */
void features_change(struct holonfs *fs, uint64_t set, uint64_t clear);

/* ---- extents.c ---- */
struct map {
	uint64_t block, count; /* block 0: a hole */
	bool unwritten, packed;
	struct extent extent; /* what is mapped, as an extent of its own */
};
/* An extent from its item, judged. -EUCLEAN, or -EPROTONOSUPPORT for a kind that is not known. */
int extent_load(const struct holonfs *fs, const struct item *item, struct extent *extent);
uint64_t extent_stored(const struct extent *extent); /* blocks of the store */
/* Puts an extent into a hole, joined with the one before where it goes on there. */
int extent_put(struct holonfs *fs, uint64_t number, uint64_t at, const struct extent *extent);
/* What is at block AT of the file, and for how many blocks (at most MOST) that goes on. */
int map_at(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t most, struct map *map);
int extents_read(struct holonfs *fs, uint64_t number, uint64_t at, uint64_t count, uint8_t *data);
/* Writes whole blocks, compressed where the file wants that and it helps. */
int extents_write(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at, uint64_t count,
                  const uint8_t *data);
/* Compresses the PACK_BLOCKS blocks from AT on, if all of them were written. */
int extents_pack(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at);
int extents_remove(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at,
                   uint64_t count);
/* Reserves holes from AT to END. */
int extents_reserve(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t at, uint64_t end);
/* Moves the extents at or behind FROM by DISTANCE blocks, up from the last on, down from the first on. */
int extents_shift(struct holonfs *fs, uint64_t number, uint64_t from, int64_t distance);
/* Cuts the extent that covers block AT in two there. */
int extents_split(struct holonfs *fs, uint64_t number, uint64_t at);
/* TO at TO_AT shares what FROM has at FROM_AT, for *COUNT blocks or as many as are in one piece. */
int extents_share(struct holonfs *fs, uint64_t from, uint64_t from_at, uint64_t to, struct inode_disk *inode,
                  uint64_t to_at, uint64_t *count);

/* ---- pack.c ---- */
/* Compresses BLOCKS blocks of DATA: *BYTES at *STORED, zeroes behind up to a whole block; 0: not worth it. */
int pack_seal(struct holonfs *fs, const uint8_t *data, uint64_t blocks, const uint8_t **stored,
              uint32_t *bytes);
/* The blocks that a compressed extent shows. */
int pack_open(struct holonfs *fs, const struct extent *extent, uint8_t *data);
/* Room for PACK_BLOCKS blocks, the caller's until its operation ends. */
int pack_cluster(struct holonfs *fs, uint8_t **data);
void pack_forget(struct holonfs *fs, uint64_t block, uint64_t count); /* the blocks are free now */
void pack_free(struct holonfs *fs);

/* ---- data.c ---- */
int data_cut(struct holonfs *fs, uint64_t number, struct inode_disk *inode, uint64_t size);

#endif
