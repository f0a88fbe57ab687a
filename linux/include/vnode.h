/* The tree of names: vnodes, directory entries, mounts, path walking (file side).
 *
 * A vnode is a file object of one file system; a dentry is a cached name of one (or the knowledge that there
 * is none); a mount places a file system's root on a dentry. All are reference counted; unused dentries stay
 * cached up to a limit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "file.h"
#include "linux_abi.h"
#include "list.h"

struct vnode;
struct filesystem;
struct xattr;
struct acl;

struct attributes {
	uint32_t mode; /* S_IF* and permissions */
	uint32_t uid, gid;
	uint64_t size;
	struct linux_timespec accessed, modified;
};
enum attribute_mask {
	ATTRIBUTE_MODE = 1,
	ATTRIBUTE_UID = 2,
	ATTRIBUTE_GID = 4,
	ATTRIBUTE_SIZE = 8,
	ATTRIBUTE_ATIME = 16,
	ATTRIBUTE_MTIME = 32
};

struct vnode_ops {
	/* The vnode of NAME in DIRECTORY with a reference, or -ENOENT... through *ERROR. */
	struct vnode *(*lookup)(struct vnode *directory, const char *name, uint32_t length, int *error);
	struct vnode *(*create)(struct vnode *directory, const char *name, uint32_t length, uint32_t mode,
	                        uint64_t device, int *error);
	int (*link)(struct vnode *directory, const char *name, uint32_t length, struct vnode *target);
	int (*unlink)(struct vnode *directory, const char *name, uint32_t length, struct vnode *target);
	int (*rename)(struct vnode *from, const char *from_name, uint32_t from_length, struct vnode *to,
	              const char *to_name, uint32_t to_length, uint32_t flags);
	struct vnode *(*symlink)(struct vnode *directory, const char *name, uint32_t length,
	                         const char *target, int *error);
	int64_t (*readlink)(struct vnode *link, char *text, uint32_t size);
	/* Magic links (/proc/self/exe, /proc/self/fd/N) lead straight to a path; 0 where readlink says where.
	 */
	int (*follow)(struct vnode *link, struct path *to);
	int (*setattr)(struct vnode *vnode, const struct attributes *attributes, uint32_t mask);
	void (*getattr)(struct vnode *vnode, struct linux_stat *stat);
	/* A new open file of it, with ops; FLAGS as for open. */
	int (*open)(struct vnode *vnode, struct file *file);
	void (*release)(struct vnode *vnode);
};

struct vnode {
	uint32_t references;
	uint32_t mode; /* S_IF* and permissions */
	uint32_t uid, gid;
	uint32_t links;
	uint64_t inode, device_number, size;
	struct linux_timespec accessed, modified, changed;
	struct linux_timespec born; /* all zero: not known */
	const struct vnode_ops *ops;
	const struct file_ops *file_ops;
	struct filesystem *filesystem;
	struct memory_object *object; /* regular files: the pages that read, write and mmap share */
	uint64_t object_offset;
	int32_t write_count;  /* > 0: open files that may write; < 0: programs that run: see fs/name.h */
	uint32_t maps;        /* areas that map it: guarded by the common lock, held alone */
	struct list locks;    /* record and flock locks */
	uint64_t lock_round;  /* lock_table's last look */
	struct list watches;  /* inotify */
	struct xattr *xattrs; /* fs/xattr.c */
	struct acl *acls[2];  /* fs/acl_files.c: the access list and the default one */
	bool acl_unknown;     /* they have not been fetched yet */
	uint8_t write_hint;   /* F_SET_RW_HINT: kept */
	void *private;
};

/* Drops a reference (fs/name.c). */
void vnode_release(struct vnode *vnode);

/* Root, working directory and file mode mask of a task; shared with CLONE_FS. */
struct fs_context {
	uint32_t references;
	uint32_t umask;
	struct path root, working;
};
struct fs_context *fs_context_create(void);
struct fs_context *fs_context_clone(const struct fs_context *fs);
void fs_context_release(struct fs_context *fs);

void path_reference(const struct path *path);
void path_release(struct path *path);

enum walk_flags {
	WALK_FOLLOW = 1,    /* follow a symbolic link in the last component */
	WALK_DIRECTORY = 2, /* the result must be a directory */
	WALK_PARENT = 4,    /* stop at the parent: the last component is returned by name */
	WALK_EMPTY = 8,     /* an empty path means the directory descriptor itself (AT_EMPTY_PATH) */
	WALK_NO_SYMLINKS = 16,
	WALK_BENEATH = 32,
	WALK_IN_ROOT = 64,
	WALK_NO_MAGIC = 128,
	WALK_NO_XDEV = 256, /* openat2 */
};
/* The same as far as the cache of names goes, without references: *RESULT is good while the common lock,
 * which may be shared, is not given up. -EALONE: it takes path_walk, with the lock held alone. */
int path_cached(int directory, const char *text, uint32_t flags, struct path *result)
    __attribute__((warn_unused_result));
/* Resolves TEXT relative to descriptor DIRECTORY (AT_FDCWD) of the current task: *RESULT with references, or
 * an error. */
int path_walk(int directory, const char *text, uint32_t flags, struct path *result)
    __attribute__((warn_unused_result));
