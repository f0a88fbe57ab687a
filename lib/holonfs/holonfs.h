/*
 * holonfs: a POSIX file system over a store of blocks with atomic commits. docs/holonfs.md has the format.
 *
 * The library keeps names, attributes and contents; permissions, locks and caches of contents are its
 * caller's. Everything changed since the last holonfs_sync() becomes durable by the next as one step, because
 * the store's flush is one: there is no journal here, and nothing is written twice. Functions return 0 or
 * more, or a negative errno. After the store failed (EIO) everything fails: what was synced is safe.
 *
 * Objects are named by inode numbers, which are never used again. A caller that holds on to one tells so by
 * holonfs_use(): then the object outlives its last name. One thread at a time.
 */
#ifndef HOLONFS_H
#define HOLONFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLONFS_BLOCK       4096u
#define HOLONFS_NAME_MAX    255u
#define HOLONFS_SYMLINK_MAX 4095u
#define HOLONFS_XATTR_MAX   65536u
#define HOLONFS_LINKS_MAX   65000u
#define HOLONFS_SIZE_MAX    (UINT64_C(16) << 40)
#define HOLONFS_ROOT        1u

/* In the attributes' flags; other flags are kept and mean nothing here. New files inherit it of their directory. */
#define HOLONFS_FLAG_COMPRESS 4u /* what is written from now on is compressed where that helps */

/* Blocks of HOLONFS_BLOCK bytes. Results: 0 or a negative errno. Blocks never written or discarded read as
 * zeroes. */
struct store {
	void *context;
	uint64_t blocks;
	bool read_only;
	int (*read)(void *context, uint64_t block, uint64_t count, void *buffer);
	int (*write)(void *context, uint64_t block, uint64_t count, const void *buffer);
	int (*discard)(void *context, uint64_t block, uint64_t count);
	int (*flush)(void *context);       /* all before is durable, as one step */
	int (*commit)(void *context);      /* likewise, and what was discarded is gone for good */
	bool (*is_pressed)(void *context); /* much waits for a commit: one would be good soon */
	void (*give_up)(void *context);    /* what was written since is never committed; may be NULL */
};

struct holonfs;

struct holonfs_attributes {
	uint64_t inode, size, blocks; /* blocks of HOLONFS_BLOCK */
	int64_t accessed_ns, modified_ns, changed_ns, created_ns;
	uint64_t device; /* major << 32 | minor */
	uint32_t mode, links, uid, gid, flags;
};

enum holonfs_set {
	HOLONFS_SET_MODE = 1,
	HOLONFS_SET_UID = 2,
	HOLONFS_SET_GID = 4,
	HOLONFS_SET_SIZE = 8,
	HOLONFS_SET_ACCESSED = 16,
	HOLONFS_SET_MODIFIED = 32,
	HOLONFS_SET_CHANGED = 64,
	HOLONFS_SET_FLAGS = 128,
};

struct holonfs_statistics {
	uint8_t id[16];
	uint64_t blocks, blocks_free, inodes;
	uint64_t unwritten; /* blocks that the next sync writes; contents are written at once */
	char label[32];
};

typedef int (*holonfs_random)(void *buffer, size_t bytes);
typedef int64_t (*holonfs_clock)(void);

/* An empty file system on the store, whose root directory has FLAGS and belongs to UID and GID. */
int holonfs_format(const struct store *store, const char *label, uint32_t flags, uint32_t uid, uint32_t gid,
                   holonfs_random random, holonfs_clock clock);
/* Mounts: reads one block, and deletes files that were open without a name when power went. The store is
 * copied. */
int holonfs_mount(struct holonfs **fs, const struct store *store, holonfs_clock clock, size_t cache_bytes);
/* Syncs and frees. */
int holonfs_unmount(struct holonfs *fs);
/* Frees without a sync. */
void holonfs_abandon(struct holonfs *fs);
int holonfs_sync(struct holonfs *fs);
/* To be called between operations: writes back when much has piled up, and goes on with what holonfs_continue()
 * does. */
int holonfs_relieve(struct holonfs *fs);
/* Grows to the store's new number of blocks. */
int holonfs_grow(struct holonfs *fs, uint64_t blocks);
void holonfs_get_statistics(const struct holonfs *fs, struct holonfs_statistics *statistics);

int holonfs_use(struct holonfs *fs, uint64_t inode);
int holonfs_forget(struct holonfs *fs, uint64_t inode, uint64_t count);

int holonfs_lookup(struct holonfs *fs, uint64_t directory, const char *name,
                   struct holonfs_attributes *found);
int holonfs_get(struct holonfs *fs, uint64_t inode, struct holonfs_attributes *attributes);
int holonfs_set(struct holonfs *fs, uint64_t inode, uint32_t valid, const struct holonfs_attributes *wanted,
                struct holonfs_attributes *attributes);
/* MODE has the type; the group and the set-group bit of a directory are inherited as POSIX wants, and so are
 * default ACLs. */
int holonfs_create(struct holonfs *fs, uint64_t directory, const char *name, uint32_t mode, uint32_t umask,
                   uint32_t uid, uint32_t gid, uint64_t device, struct holonfs_attributes *made);
/* A file without a name (O_TMPFILE); holonfs_link() may give it one. */
int holonfs_create_unnamed(struct holonfs *fs, uint64_t directory, uint32_t mode, uint32_t umask,
                           uint32_t uid, uint32_t gid, struct holonfs_attributes *made);
int holonfs_symlink(struct holonfs *fs, uint64_t directory, const char *name, const char *target,
                    uint32_t uid, uint32_t gid, struct holonfs_attributes *made);
int holonfs_read_link(struct holonfs *fs, uint64_t inode, char *target, size_t room);
int holonfs_link(struct holonfs *fs, uint64_t inode, uint64_t directory, const char *name,
                 struct holonfs_attributes *attributes);
int holonfs_unlink(struct holonfs *fs, uint64_t directory, const char *name);
int holonfs_rmdir(struct holonfs *fs, uint64_t directory, const char *name);

#define HOLONFS_RENAME_EXCLUSIVE 1u
#define HOLONFS_RENAME_EXCHANGE  2u
#define HOLONFS_RENAME_WHITEOUT  4u
int holonfs_rename(struct holonfs *fs, uint64_t from_directory, const char *from, uint64_t to_directory,
                   const char *to, uint32_t flags);

struct holonfs_entry {
	uint64_t inode, cookie; /* cookie: to go on behind this entry */
	uint32_t mode;          /* type alone */
	char name[HOLONFS_NAME_MAX + 1];
};
/* The entry behind COOKIE (0: the first). 1: found, 0: the end. *PARENT is "..". */
int holonfs_list(struct holonfs *fs, uint64_t directory, uint64_t cookie, struct holonfs_entry *entry);
int holonfs_parent(struct holonfs *fs, uint64_t directory, uint64_t *parent);

/* Bytes read; fewer only at the end. */
int64_t holonfs_read(struct holonfs *fs, uint64_t inode, uint64_t offset, void *buffer, size_t size);
int64_t holonfs_write(struct holonfs *fs, uint64_t inode, uint64_t offset, const void *buffer, size_t size);
int holonfs_truncate(struct holonfs *fs, uint64_t inode, uint64_t size);

enum holonfs_allocate {
	HOLONFS_ALLOCATE_KEEP_SIZE = 1,
	HOLONFS_ALLOCATE_PUNCH = 2,
	HOLONFS_ALLOCATE_COLLAPSE = 8,
	HOLONFS_ALLOCATE_ZERO = 16,
	HOLONFS_ALLOCATE_INSERT = 32,
};
int holonfs_allocate(struct holonfs *fs, uint64_t inode, uint32_t mode, uint64_t offset, uint64_t size);
/* Where data or a hole begins at or behind OFFSET; -ENXIO. */
int64_t holonfs_seek(struct holonfs *fs, uint64_t inode, uint64_t offset, bool hole);
/* TO's range shares FROM's blocks, copied on write. Offsets are multiples of HOLONFS_BLOCK; SIZE too unless
 * it ends FROM. */
int64_t holonfs_share(struct holonfs *fs, uint64_t from, uint64_t from_offset, uint64_t to,
                      uint64_t to_offset, uint64_t size);

int64_t holonfs_xattr_get(struct holonfs *fs, uint64_t inode, const char *name, void *value, size_t room);
/* FLAGS: 1 only a new one, 2 only one that exists. */
int holonfs_xattr_set(struct holonfs *fs, uint64_t inode, const char *name, const void *value, size_t size,
                      int flags);
/* Names, each ended by NUL; the whole size with ROOM 0. */
int64_t holonfs_xattr_list(struct holonfs *fs, uint64_t inode, char *names, size_t room);
int holonfs_xattr_remove(struct holonfs *fs, uint64_t inode, const char *name);

/* A limit for a directory and all below it (0: none). What is there already is taken in step by step, by
 * holonfs_continue() or, a step each time, by holonfs_relieve(), also after a crash; it may exceed the limit, and
 * then nothing more can be added. -EBUSY below another quota. */
int holonfs_set_quota(struct holonfs *fs, uint64_t directory, uint64_t blocks, uint64_t inodes);
/* One step of such work. 1: there is more, 0: there is none. */
int holonfs_continue(struct holonfs *fs);
/* Of the quota that INODE is charged to. 1, or 0 where there is none. */
int holonfs_get_quota(struct holonfs *fs, uint64_t inode, uint64_t limits[2], uint64_t used[2]);

struct holonfs_report {
	uint64_t inodes, directories, extents, nodes;
	uint64_t packed_blocks,
	    stored_blocks;  /* of compressed contents: as files have them, as they are stored */
	bool unpack;        /* asked for: unpack compressed contents */
	uint64_t damaged;   /* what cannot be read or makes no sense */
	uint64_t different; /* counts that are wrong: links, free room, orphans */
	uint64_t repaired;
	void *context;
	void (*finding)(void *context, const char *text);
	void (*progress)(void *context, uint64_t done, uint64_t total); /* may be NULL, as FINDING */
};
/* Checks everything but contents (report->unpack: that compressed ones unpack, too). REPAIR sets counts right and never removes anything that can be reached. */
int holonfs_check(struct holonfs *fs, bool repair, struct holonfs_report *report);

#endif
