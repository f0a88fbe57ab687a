/* Directory entries and mounts (see linux/include/vnode.h for the picture).
 *
 * A dentry holds references to its parent and its vnode; children are found through one hash table. Dentries
 * nobody holds stay in the table, on a list from which the oldest are evicted. File systems whose names come
 * and go by themselves (proc) are not cached: FILESYSTEM_UNCACHED.
 */
#pragma once

#include "../include/vnode.h"

#define NAME_MAX_BYTES 255u
#define PATH_MAX_BYTES 4096u
#define SYMLINKS_MAX   40u

enum filesystem_flags { FILESYSTEM_UNCACHED = 1, FILESYSTEM_READ_ONLY = 2 };

struct filesystem {
	const char *name; /* "ramfs", "proc", ... as in /proc/mounts */
	uint32_t flags;
	uint64_t device; /* st_dev */
	int64_t magic;   /* statfs f_type */
	struct vnode *root;
};

struct dentry {
	uint32_t references;
	uint32_t hash;
	struct dentry *parent; /* a reference; itself for a root */
	struct vnode *vnode;   /* a reference; never 0 */
	struct dentry *hash_next;
	struct list unused;    /* on the list of unused ones while references is 0 */
	struct mount *mounted; /* what is mounted here, or 0 */
	bool hashed;           /* reachable by name; false once unlinked */
	uint8_t length;
	char *name; /* small, or heap memory */
	char small[32];
};

struct mount {
	uint32_t references;
	uint64_t id;
	struct filesystem *filesystem;
	struct dentry *root; /* a reference */
	struct path covered; /* where it is mounted; references; empty for the first */
	struct list link;    /* all mounts, in order */
	bool read_only;
	const char *source;
};

extern struct list mounts;

struct vnode *vnode_create(struct filesystem *filesystem, uint32_t mode, size_t bytes);
void vnode_release(struct vnode *vnode);
static inline struct vnode *vnode_reference(struct vnode *vnode)
{
	vnode->references++;
	return vnode;
}

/* Mounts FILESYSTEM on WHERE (0: as the first root, into *ROOT). */
int mount_add(struct filesystem *filesystem, const struct path *where, const char *source, struct path *root);
int mount_remove(struct path *root);

/* The child NAME of DIRECTORY with a reference, from the cache or the file system; 0 with *ERROR. Permission
 * is the caller's. */
struct dentry *dentry_lookup(struct dentry *directory, const char *name, uint32_t length, int *error);
/* Enters a newly made VNODE (the reference goes over) under its name; 0: out of memory. */
struct dentry *dentry_enter(struct dentry *directory, const char *name, uint32_t length, struct vnode *vnode);
/* Gives DENTRY, which is not in the tree, another name; false: out of memory. */
bool dentry_rename(struct dentry *dentry, const char *name, uint32_t length);
/* A dentry with no name in the tree, for files made without one. */
struct dentry *dentry_unnamed(struct vnode *vnode);
/* The name is gone (unlink, rmdir). */
void dentry_drop(struct dentry *dentry);
/* The name has moved (rename). Out of memory: it is dropped instead, and found again by lookup. */
void dentry_move(struct dentry *dentry, struct dentry *directory, const char *name, uint32_t length);
struct dentry *dentry_reference(struct dentry *dentry);
void dentry_release(struct dentry *dentry);

/* Text of PATH seen from the current task's root; "(unreachable)" and " (deleted)" as Linux has them. Returns
 * the start inside BUFFER (it is built from the end). */
char *path_text(const struct path *path, char *buffer, uint32_t size);

/* A file system of TYPE to mount: "tmpfs" a new one, "proc", "sysfs", "devpts" the one there is; 0: unknown.
 * (init.c) */
struct filesystem *filesystem_by_name(const char *type);

/* A walk that stops before the last component. */
struct parent_walk {
	struct path directory;
	char name[NAME_MAX_BYTES + 1];
	uint32_t length;
	bool trailing_slash;
};
/* Resolves all but the last component of TEXT. -EEXIST/-EBUSY style decisions on ".", ".." and "/" are the
 * caller's: name is then empty, "." or "..". */
int path_parent(int directory, const char *text, struct parent_walk *walk)
    __attribute__((warn_unused_result));
/* Makes TEXT, a node of MODE (with type; the file mode mask applies): *MADE is its vnode with a reference. 0,
 * -EEXIST, or why not. (directory.c) */
int name_make(const char *text, uint32_t mode, struct vnode **made) __attribute__((warn_unused_result));
/* Copies a path from the guest into BUFFER of PATH_MAX_BYTES: length or error (empty is -ENOENT unless
 * EMPTY). */
int64_t path_from_user(char *buffer, uint64_t address, bool empty);

/* May the current task do WANT (4 read, 2 write, 1 execute/search) with VNODE? 0 or -EACCES. */
int access_check(const struct vnode *vnode, uint32_t want);
/* ... as seen by its real ids (access(2)). */
int access_check_real(const struct vnode *vnode, uint32_t want);
