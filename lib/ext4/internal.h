/*
 * ext4, inside. Sources: the Linux kernel's documentation "ext4 Data Structures and Algorithms" (superblock, group
 * descriptors, inodes, extents, directories with hash trees, extended attributes, the journal), which each file
 * names by chapter.
 *
 *   super.c        mounting: what is understood, what is refused; unmounting
 *   journal.c      replay of what the last user left
 *   transaction.c  the running transaction and its commit
 *   group.c        group descriptors and bitmaps
 *   allocate.c     blocks and inodes given out and taken back
 *   inode.c        inodes: attributes, life, orphans
 *   extent.c       which blocks a file has: extent trees; block maps of ext2 are read only
 *   data.c         contents
 *   directory.c    entries; hash.c, htree.c: their index
 *   names.c        the calls on names
 *   xattr.c        extended attributes
 *
 * Every change of metadata is made in cached blocks that belong to the running transaction (transaction_add). A
 * call is cut into steps that each leave the file system whole; a step begins with transaction_room, which
 * commits when the journal could not take the step as well.
 */
#pragma once

#include "filesystem/bytes.h"
#include "filesystem/cache.h"
#include "filesystem/uses.h"

#define EXT4_ROOT        2u
#define EXT4_BLOCK_MAX   4096u
#define STEP_BLOCKS      56u   /* metadata blocks that one step changes, at most */
#define FREED_MAX        1024u /* ranges freed in one transaction */
#define TREE_DEPTH_MAX   5u
#define EXTENT_BLOCKS    32768u /* that one extent has, at most */
#define UNWRITTEN_BLOCKS 32767u
#define LOGICAL_MAX      0xfffffffeu /* blocks of a file */

enum {
	COMPAT_HAS_JOURNAL = 4,
	COMPAT_EXT_ATTR = 8,
	COMPAT_DIR_INDEX = 0x20,
	COMPAT_SPARSE_SUPER2 = 0x200,
	COMPAT_FAST_COMMIT = 0x400,
	COMPAT_ORPHAN_FILE = 0x1000
};
enum {
	INCOMPAT_FILETYPE = 2,
	INCOMPAT_RECOVER = 4,
	INCOMPAT_JOURNAL_DEV = 8,
	INCOMPAT_META_BG = 0x10,
	INCOMPAT_EXTENTS = 0x40,
	INCOMPAT_64BIT = 0x80,
	INCOMPAT_FLEX_BG = 0x200,
	INCOMPAT_CSUM_SEED = 0x2000,
	INCOMPAT_LARGEDIR = 0x4000
};
enum {
	RO_SPARSE_SUPER = 1,
	RO_LARGE_FILE = 2,
	RO_HUGE_FILE = 8,
	RO_GDT_CSUM = 0x10,
	RO_DIR_NLINK = 0x20,
	RO_EXTRA_ISIZE = 0x40,
	RO_METADATA_CSUM = 0x400,
	RO_ORPHAN_PRESENT = 0x10000
};
enum {
	INODE_IMMUTABLE = 0x10,
	INODE_APPEND = 0x20,
	INODE_INDEX = 0x1000,
	INODE_HUGE = 0x40000,
	INODE_EXTENTS = 0x80000,
	INODE_EA = 0x200000,
	INODE_INLINE = 0x10000000
};
enum {
	MODE_TYPE = 0170000,
	MODE_FIFO = 0010000,
	MODE_CHARACTER = 0020000,
	MODE_DIRECTORY = 0040000,
	MODE_BLOCK = 0060000,
	MODE_FILE = 0100000,
	MODE_SYMLINK = 0120000,
	MODE_SOCKET = 0140000
};

/* Offsets in the superblock, */
enum {
	SB_INODES = 0,
	SB_BLOCKS = 4,
	SB_FREE_BLOCKS = 0xc,
	SB_FREE_INODES = 0x10,
	SB_FIRST_BLOCK = 0x14,
	SB_LOG_BLOCK = 0x18,
	SB_LOG_CLUSTER = 0x1c,
	SB_BLOCKS_PER_GROUP = 0x20,
	SB_INODES_PER_GROUP = 0x28,
	SB_MTIME = 0x2c,
	SB_WTIME = 0x30,
	SB_MAGIC = 0x38,
	SB_STATE = 0x3a,
	SB_REVISION = 0x4c,
	SB_FIRST_INODE = 0x54,
	SB_INODE_SIZE = 0x58,
	SB_COMPAT = 0x5c,
	SB_INCOMPAT = 0x60,
	SB_RO_COMPAT = 0x64,
	SB_UUID = 0x68,
	SB_RESERVED_GDT = 0xce,
	SB_JOURNAL_INODE = 0xe0,
	SB_LAST_ORPHAN = 0xe8,
	SB_HASH_SEED = 0xec,
	SB_HASH_VERSION = 0xfc,
	SB_DESC_SIZE = 0xfe,
	SB_FIRST_META_BG = 0x104,
	SB_BLOCKS_HI = 0x150,
	SB_FREE_BLOCKS_HI = 0x158,
	SB_WANT_EXTRA = 0x15e,
	SB_FLAGS = 0x160,
	SB_CHECKSUM_TYPE = 0x175,
	SB_BACKUP_GROUPS = 0x24c,
	SB_CHECKSUM_SEED = 0x270,
	SB_ORPHAN_FILE = 0x280,
	SB_CHECKSUM = 0x3fc
};
/* in an inode, */
enum {
	IN_MODE = 0,
	IN_UID = 2,
	IN_SIZE = 4,
	IN_ATIME = 8,
	IN_CTIME = 0xc,
	IN_MTIME = 0x10,
	IN_DTIME = 0x14,
	IN_GID = 0x18,
	IN_LINKS = 0x1a,
	IN_BLOCKS = 0x1c,
	IN_FLAGS = 0x20,
	IN_BLOCK = 0x28,
	IN_GENERATION = 0x64,
	IN_ACL = 0x68,
	IN_SIZE_HI = 0x6c,
	IN_BLOCKS_HI = 0x74,
	IN_ACL_HI = 0x76,
	IN_UID_HI = 0x78,
	IN_GID_HI = 0x7a,
	IN_CHECKSUM = 0x7c,
	IN_EXTRA = 0x80,
	IN_CHECKSUM_HI = 0x82,
	IN_CTIME_EXTRA = 0x84,
	IN_MTIME_EXTRA = 0x88,
	IN_ATIME_EXTRA = 0x8c,
	IN_CRTIME = 0x90,
	IN_CRTIME_EXTRA = 0x94
};
/* and in a group descriptor. */
enum {
	GD_BLOCK_BITMAP = 0,
	GD_INODE_BITMAP = 4,
	GD_INODE_TABLE = 8,
	GD_FREE_BLOCKS = 0xc,
	GD_FREE_INODES = 0xe,
	GD_DIRECTORIES = 0x10,
	GD_FLAGS = 0x12,
	GD_BLOCK_CSUM = 0x18,
	GD_INODE_CSUM = 0x1a,
	GD_UNUSED = 0x1c,
	GD_CHECKSUM = 0x1e,
	GD_HI = 0x20,
	GD_FREE_BLOCKS_HI = 0x2c,
	GD_FREE_INODES_HI = 0x2e,
	GD_DIRECTORIES_HI = 0x30,
	GD_UNUSED_HI = 0x32,
	GD_BLOCK_CSUM_HI = 0x38,
	GD_INODE_CSUM_HI = 0x3a
};
enum { GROUP_INODE_UNINIT = 1, GROUP_BLOCK_UNINIT = 2, GROUP_INODE_ZEROED = 4 };

struct range {
	uint64_t first, count;
};

/* A run of a file: LOGICAL to LOGICAL + COUNT - 1. */
struct extent {
	uint32_t logical, count; /* count 0: none */
	uint64_t physical;
	bool unwritten; /* reads as zeroes */
};

struct journal {
	bool present;
	struct range *map; /* physical ranges, in order */
	size_t map_count;
	uint32_t length;      /* blocks that transactions may use, from `first` on */
	uint32_t first, head; /* where the next transaction goes */
	uint32_t used;        /* blocks between the tail and the head */
	uint32_t sequence;
	uint32_t incompat, seed;
	bool checksum_v3, checksum_v2, checksum_v1, wide;
	bool clean; /* the journal's superblock says that nothing is to be replayed */
	uint8_t super[1024];
};

struct ext4 {
	struct filesystem fs; /* first */
	struct cache cache;
	struct buffer *super_buffer;
	uint8_t *super;
	uint32_t block_bytes, inode_bytes, desc_bytes, blocks_per_group, inodes_per_group, groups,
	    first_block, inodes, first_inode;
	uint64_t blocks, free_blocks, free_inodes;
	uint32_t compat, incompat, ro_compat;
	uint32_t seed; /* of checksums */
	bool checksums, group_checksums;
	bool writing; /* the superblock says that it is in use */
	struct journal journal;
	uint32_t held; /* blocks of the running transaction */
	bool changed;  /* something is not durable */
	bool counts_changed;
	struct range freed[FREED_MAX]; /* in the running transaction: not given out before its commit */
	size_t freed_count;
	uint64_t *revoked; /* of metadata blocks freed in it */
	size_t revoked_count, revoked_room;
	struct node_uses uses;
	uint32_t last_group;   /* where the last inode of a directory went */
	uint64_t next_block;   /* where the next allocation without a better place begins */
	uint64_t pending_free; /* blocks of orphans found at mount that could not be given back */
	uint8_t *scratch;      /* a block, for data in part */
};

static inline struct ext4 *ext4_of(struct filesystem *fs)
{
	return (struct ext4 *)fs;
}

/* ---- hash.c ---- */

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);
uint16_t crc16(uint16_t crc, const void *data, size_t bytes);
/* The hash of a name by VERSION (as in a directory's index). False: not one of the known. */
bool name_hash(const uint8_t seed[16], unsigned version, const char *name, size_t bytes, uint32_t *hash);

/* ---- super.c ---- */

void super_checksum(struct ext4 *fs);
/* The first change: says in the superblock that it is in use. */
int super_begin_writing(struct ext4 *fs);

/* ---- journal.c, transaction.c ---- */

int journal_open(struct ext4 *fs);
void journal_close(struct ext4 *fs);
/* The disk's block of the journal's block INDEX; 0: none. */
uint64_t journal_block(const struct journal *journal, uint32_t index);
uint32_t journal_checksum(const struct journal *journal, const uint8_t *block, uint32_t bytes,
                          uint32_t field);
int journal_write_super(struct ext4 *fs, uint32_t start, uint32_t sequence);
uint32_t journal_tag_bytes(const struct journal *journal);

/* The beginning of a step: E_OK where it may change STEP_BLOCKS blocks. Commits what is there if it must. */
int transaction_room(struct ext4 *fs);
/* BUFFER was changed. */
void transaction_add(struct ext4 *fs, struct buffer *buffer);
/* BLOCK of metadata is freed: a replay shall not write it. */
int transaction_revoke(struct ext4 *fs, uint64_t block);
/* Makes everything durable. */
int transaction_commit(struct ext4 *fs);
/* ... and in its place, so that the journal is empty. */
int transaction_checkpoint(struct ext4 *fs);

/* ---- group.c ---- */

struct group {
	struct buffer *buffer;
	uint8_t *raw;
	uint32_t number;
};
int group_get(struct ext4 *fs, uint32_t number, struct group *group);
void group_put(struct group *group);
void group_changed(struct ext4 *fs, struct group *group);
uint64_t group_block(const struct ext4 *fs, const struct group *group,
                     unsigned field); /* GD_*: bitmaps, table */
uint32_t group_count(const struct ext4 *fs, const struct group *group, unsigned field, unsigned high);
void group_set_count(const struct ext4 *fs, struct group *group, unsigned field, unsigned high,
                     uint32_t count);
uint64_t group_first(const struct ext4 *fs, uint32_t number);
uint32_t group_blocks(const struct ext4 *fs, uint32_t number);
bool group_has_super(const struct ext4 *fs, uint32_t number);
/* The bitmap of GROUP's blocks, or (INODES) inodes; made where it is not yet on the disk. */
int bitmap_get(struct ext4 *fs, struct group *group, bool inodes, struct buffer **bitmap);
void bitmap_changed(struct ext4 *fs, struct group *group, bool inodes, struct buffer *bitmap);
int groups_count(struct ext4 *fs); /* sums what is free */

/* ---- allocate.c ---- */

/* 1 to WANTED blocks in a row, near GOAL. */
int blocks_allocate(struct ext4 *fs, uint64_t goal, uint32_t wanted, struct range *got);
/* Frees; of metadata where METADATA. At most EXTENT_BLOCKS. */
int blocks_free(struct ext4 *fs, uint64_t first, uint32_t count, bool metadata);
bool blocks_valid(const struct ext4 *fs, uint64_t first, uint64_t count);
int inode_allocate(struct ext4 *fs, uint32_t directory, bool is_directory, uint32_t *number);
int inode_free(struct ext4 *fs, uint32_t number, bool is_directory);

/* ---- inode.c ---- */

struct inode {
	struct buffer *buffer;
	uint8_t *raw;
	uint32_t number, seed;
};
/* An inode that is in use (links, or open); FILE_E_STALE if it is not. */
int inode_get(struct ext4 *fs, uint64_t number, struct inode *inode);
/* Any, checked or (FRESH) about to be made. */
int inode_load(struct ext4 *fs, uint64_t number, bool fresh, struct inode *inode);
void inode_put(struct inode *inode);
void inode_changed(struct ext4 *fs, struct inode *inode);
uint32_t inode_mode(const struct inode *inode);
uint64_t inode_size(const struct inode *inode);
void inode_set_size(struct ext4 *fs, struct inode *inode, uint64_t size);
uint64_t inode_acl(const struct inode *inode);
void inode_set_acl(struct inode *inode, uint64_t block);
/* Adds (or takes) BLOCKS to what the inode says that it has. */
void inode_add_blocks(struct ext4 *fs, struct inode *inode, int64_t blocks);
void inode_stamp(struct ext4 *fs, struct inode *inode,
                 bool modified); /* changed, and perhaps modified, now */
void inode_set_time(struct ext4 *fs, struct inode *inode, unsigned field, unsigned extra, int64_t ns);
void inode_attributes(struct ext4 *fs, const struct inode *inode, struct file_attributes *to);
bool inode_has_extra(const struct ext4 *fs, const struct inode *inode, unsigned end);
/* INODE has lost its last name: goes, at once or when its last user goes. */
int inode_drop(struct ext4 *fs, struct inode *inode);
int orphan_add(struct ext4 *fs, struct inode *inode);
int orphan_remove(struct ext4 *fs, struct inode *inode);
/* What the last user left half done. */
int orphans_finish(struct ext4 *fs);
uint64_t use_count(const struct ext4 *fs, uint32_t inode);
int ext4_use(struct filesystem *fs, uint64_t node);
void ext4_forget(struct filesystem *fs, uint64_t node);

/* ---- extent.c ---- */

void extents_init(struct inode *inode);
/* The extent that has LOGICAL, cut to begin there, or the first behind it; count 0: none. */
int extent_find(struct ext4 *fs, const struct inode *inode, uint32_t logical, struct extent *found);
/* Enters NEW, where nothing is. */
int extent_insert(struct ext4 *fs, struct inode *inode, const struct extent *new);
/* Frees the blocks of [FIRST, END) as far as one step goes. 1: there may be more. END beyond 32 bits: all behind FIRST. */
int extent_remove(struct ext4 *fs, struct inode *inode, uint32_t first, uint64_t end);
/* The unwritten EXTENT is written now: in whole or in part of what the tree has. */
int extent_convert(struct ext4 *fs, struct inode *inode, const struct extent *extent);
/* Where a new block for LOGICAL had best be. */
uint64_t extent_goal(struct ext4 *fs, const struct inode *inode, uint32_t logical);

/* ---- data.c ---- */

int64_t ext4_read(struct filesystem *fs, uint64_t node, uint64_t offset, void *buffer, size_t bytes);
int64_t ext4_write(struct filesystem *fs, uint64_t node, uint64_t offset, const void *buffer, size_t bytes);
int ext4_resize(struct filesystem *fs, uint64_t node, uint64_t size);
int ext4_allocate(struct filesystem *fs, uint64_t node, uint32_t mode, uint64_t offset, uint64_t bytes);
int64_t ext4_seek(struct filesystem *fs, uint64_t node, uint64_t offset, bool hole);
/* Cuts INODE to SIZE, by as many steps as it takes. */
int data_truncate(struct ext4 *fs, struct inode *inode, uint64_t size);

/* ---- directory.c, htree.c ---- */

struct place {
	struct buffer *buffer;     /* the block, held */
	uint32_t logical;          /* of the directory */
	uint32_t offset, previous; /* of the entry, and of the one before it; the same: it is the first */
	uint32_t inode;
	uint8_t type;
};
/* Block LOGICAL of DIRECTORY, checked; LEAF: entries are in it. A hole is FILE_E_NOT_FOUND. */
int directory_block(struct ext4 *fs, const struct inode *directory, uint32_t logical, bool leaf,
                    struct buffer **block);
/* A new block at the directory's end. */
/* An index block was changed. */
void index_changed(struct ext4 *fs, const struct inode *directory, uint32_t logical, struct buffer *block);
int directory_append(struct ext4 *fs, struct inode *directory, uint32_t *logical, struct buffer **block);
uint32_t directory_room(const struct ext4 *fs); /* bytes of a block that entries may use */
void directory_changed(struct ext4 *fs, const struct inode *directory, struct buffer *block); /* of a leaf */
int directory_find(struct ext4 *fs, const struct inode *directory, const char *name, struct place *place);
int directory_add(struct ext4 *fs, struct inode *directory, const char *name, uint32_t inode, uint32_t mode);
void directory_remove(struct ext4 *fs, const struct inode *directory, struct place *place);
/* The entry at PLACE shows another inode. */
void directory_replace(struct ext4 *fs, const struct inode *directory, struct place *place, uint32_t inode,
                       uint32_t mode);
int directory_make(struct ext4 *fs, struct inode *directory, uint32_t parent);
int directory_is_empty(struct ext4 *fs, const struct inode *directory); /* 1: it is */
int directory_list(struct ext4 *fs, const struct inode *directory, uint64_t cookie,
                   struct filesystem_entry *entry);
int directory_find_in(struct ext4 *fs, struct buffer *block, const char *name, size_t length,
                      struct place *place);
/* Enters a name into BLOCK. FILE_E_NO_SPACE: no room in it. */
int directory_enter(struct ext4 *fs, const struct inode *directory, struct buffer *block, const char *name,
                    size_t length, uint32_t inode, uint8_t type);
uint32_t entry_length(const struct ext4 *fs, const uint8_t *entry); /* of the name */
uint8_t type_of_mode(uint32_t mode);
uint32_t mode_of_type(uint8_t type);

/* The leaf in which NAME is to be found, by DIRECTORY's index, and whether the next may have it too (a collision). */
int htree_find(struct ext4 *fs, const struct inode *directory, const char *name, size_t length,
               struct place *place);
int htree_add(struct ext4 *fs, struct inode *directory, const char *name, size_t length, uint32_t inode,
              uint8_t type);
/* Gives DIRECTORY, whose one block is full, an index. */
int htree_make(struct ext4 *fs, struct inode *directory);

/* ---- names.c, xattr.c ---- */

extern const struct filesystem_operations ext4_operations;
int64_t ext4_xattr_get(struct filesystem *fs, uint64_t node, const char *name, void *value, size_t room);
int ext4_xattr_set(struct filesystem *fs, uint64_t node, const char *name, const void *value, size_t bytes,
                   uint32_t flags);
int64_t ext4_xattr_list(struct filesystem *fs, uint64_t node, char *names, size_t room);
int ext4_xattr_remove(struct filesystem *fs, uint64_t node, const char *name);
/* The block of attributes goes with its inode. */
int xattr_free(struct ext4 *fs, struct inode *inode);
int ext4_sync(struct filesystem *fs, uint64_t node, bool data_only);
int ext4_unmount(struct filesystem *fs);
