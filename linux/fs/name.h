/* Directory entries and mounts (see linux/include/vnode.h for the picture).
 *
 * A dentry holds references to its parent and its vnode; children are found through one hash table. Dentries
 * nobody holds stay in the table, on a list from which the oldest are evicted. File systems whose names come
 * and go by themselves (proc) are not cached: FILESYSTEM_UNCACHED.
 */
#pragma once

#include "../include/namespace.h"
#include "../include/vnode.h"

#define NAME_MAX_BYTES 255u
#define PATH_MAX_BYTES 4096u
#define SYMLINKS_MAX   40u

/* BARE: what is no directory's has a name that stands for itself. */
enum filesystem_flags { FILESYSTEM_UNCACHED = 1, FILESYSTEM_READ_ONLY = 2, FILESYSTEM_BARE = 4 };

struct filesystem {
	const char *name; /* "ramfs", "proc", ... as in /proc/mounts */
	uint32_t flags;
	uint32_t references; /* mounts, and whoever keeps it without one */
	uint32_t passing;    /* those of them that end by themselves: filesystem_pass */
	uint64_t ending;     /* nobody but those has it, as the so manyth (filesystem_settle); or 0 */
	/* It is left to one passing reference and nothing is open: writes back and ends what would take long at `release`, with the
	 * common lock given up. 0: nothing does. */
	void (*settle)(struct filesystem *filesystem);
	/* The last reference has gone, and with it every open file. 0: it stays for ever. */
	void (*release)(struct filesystem *filesystem);
	/* Options of mount(2); NEW: at its first mount. 0 or an error, with nothing changed. */
	int (*configure)(struct filesystem *filesystem, char *options, bool new);
	/* The same as in /proc/mounts, each with a comma before it. */
	void (*options)(const struct filesystem *filesystem, struct proc_text *text);
	struct user_namespace *of_user; /* in which it was made, a reference; 0: the first */
	void *private;
	bool attributes; /* it keeps extended attributes, in its vnodes */
	/* Limits, 0: none; guarded by the common lock, held alone. */
	uint64_t bytes_max, bytes_used, nodes_max, nodes_used;
	uint64_t device; /* st_dev */
	int64_t magic;   /* statfs f_type */
	struct vnode *root;
	uint32_t writers; /* files that are open for writing: file_writes */
	/* Where extended attributes are kept elsewhere: enters all of VNODE, once; keeps or (VALUE 0) removes one. */
	int (*attributes_load)(struct vnode *vnode);
	int (*attribute_keep)(struct vnode *vnode, const char *name, const void *value, uint64_t bytes);
	void (*statistics)(const struct filesystem *filesystem, struct linux_statfs *statfs);
	/* Changes of names and attributes are made one at a time; 0: by the common lock alone. See change_begin. */
	void (*change)(struct filesystem *filesystem, bool begins);
};

/* A change of names or attributes in the file system of VNODE, which has a reference: between these the common lock may be given
 * up, but nobody else makes one. What was looked at before may be another's by now. */
static inline void change_begin(const struct vnode *vnode)
{
	if (vnode->filesystem && vnode->filesystem->change)
		vnode->filesystem->change(vnode->filesystem, true);
}

static inline void change_end(const struct vnode *vnode)
{
	if (vnode->filesystem && vnode->filesystem->change)
		vnode->filesystem->change(vnode->filesystem, false);
}

/* Drops a reference. */
void filesystem_release(struct filesystem *filesystem);
/* A reference of a call that is under way, such as sync(2), and its end. */
void filesystem_pass(struct filesystem *filesystem);
void filesystem_passed(struct filesystem *filesystem);
/* How many have begun to end. */
extern uint64_t filesystem_endings;
/* Sleeps until some passing reference of what is ending has gone; the caller has none. */
void filesystem_passed_wait(void);
/* With a passing reference: where nobody has it but for a while, waits until all others have passed, and settles it. */
void filesystem_settle(struct filesystem *filesystem);

struct dentry {
	uint32_t references;
	uint32_t hash;
	struct dentry *parent; /* a reference; itself for a root */
	struct vnode *vnode;   /* a reference; never 0 */
	struct dentry *hash_next;
	struct list unused; /* on the list of unused ones while references is 0 */
	uint32_t mounts;    /* how many mounts cover it: mount_on */
	uint32_t kept;      /* how often it was kept: dentry_keep */
	bool hashed;        /* reachable by name; false once unlinked */
	uint8_t length;
	char *name; /* small, or heap memory */
	char small[32];
};

/* Trees of mounts: a mount in a tree is a child of the one that it covers a place of. Those of a namespace are one tree
 * whose top covers nothing. What is mounted below one that is shared comes below its peers, too, and below those that are
 * their slaves: mount_namespaces(7), mount_share.c. */
struct mount {
	uint32_t references;
	uint64_t id;
	struct filesystem *filesystem;     /* a reference */
	struct dentry *root;               /* a reference */
	struct path covered;               /* where it is mounted; references; empty for the first */
	struct mount_namespace *namespace; /* 0: in none; held by none */
	struct list link;                  /* the namespace's mounts, in order; else by itself */
	struct list covering;              /* in the hash of mount_on */
	struct list children, sibling;
	struct list peers;         /* a ring, with itself */
	uint64_t group;            /* of the peers; 0: not shared */
	struct mount *master;      /* a mount of the group that it is a slave of */
	struct list slaves, slave; /* those that are this one's; in the master's list */
	bool unbindable;
	bool read_only;
	uint32_t writers; /* files that are open for writing through it: file_writes */
	uint32_t
	    loose; /* of the top of a tree that is nowhere yet: how many mounts are in it. mount_files.c */
	uint32_t contexts; /* of its references, those of fsopen's and fspick's files */
	bool expires;      /* umount2 with MNT_EXPIRE has been here */
	bool locked;    /* it came with others that hide things from its user namespace: it stays with them */
	uint32_t flags; /* MS_* of it, but MS_RDONLY */
	uint32_t flags_kept; /* those, with MS_RDONLY, that its user namespace must not take away */
	char *source;        /* heap memory */
	struct mount *copy;  /* while a tree is copied */
};

struct mount_namespace {
	struct namespace common;
	struct list mounts; /* in order of their coming */
	struct mount *top;  /* a reference */
	uint32_t count;
};
extern struct mount_namespace mount_namespace_first;

/* mount(2) */
enum mount_flags {
	MS_RDONLY = 1,
	MS_NOSUID = 2,
	MS_NODEV = 4,
	MS_NOEXEC = 8,
	MS_REMOUNT = 32,
	MS_NOSYMFOLLOW = 256,
	MS_NOATIME = 1024,
	MS_NODIRATIME = 2048,
	MS_BIND = 4096,
	MS_MOVE = 8192,
	MS_REC = 16384,
	MS_SILENT = 1 << 15,
	MS_UNBINDABLE = 1 << 17,
	MS_PRIVATE = 1 << 18,
	MS_SLAVE = 1 << 19,
	MS_SHARED = 1 << 20,
	MS_RELATIME = 1 << 21,
	MS_STRICTATIME = 1 << 24,
	MS_PROPAGATION = MS_PRIVATE | MS_SHARED | MS_SLAVE | MS_UNBINDABLE,
	MS_KEPT =
	    MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW | MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME,
};

/* FILE is read: should its time of last access become *NOW (relatime, mount(8))? */
bool access_time_due(const struct file *file, struct linux_timespec *now);

struct vnode *vnode_create(struct filesystem *filesystem, uint32_t mode, size_t bytes);
void vnode_release(struct vnode *vnode);
/* What of mode, owner and times MASK names becomes as in ATTRIBUTES; the size is the file system's. */
void vnode_set_attributes(struct vnode *vnode, const struct attributes *attributes, uint32_t mask);
static inline struct vnode *vnode_reference(struct vnode *vnode)
{
	vnode->references++;
	return vnode;
}

/* ---- mount.c ---- */

/* Mounts FILESYSTEM on WHERE (0: as the first root); the new root with references into *ROOT where that is not 0. */
int mount_add(struct filesystem *filesystem, const struct path *where, const char *source, struct path *root);
/* A mount of FILESYSTEM from ROOT on, which is in no tree yet; 0: no memory. */
struct mount *mount_create(struct filesystem *filesystem, struct dentry *root, const char *source);
/* The same of all of it. */
struct mount *mount_whole(struct filesystem *filesystem, const char *source);
/* Another mount of the same as FROM, from ROOT on; not its children, nor its peers. */
struct mount *mount_copy(const struct mount *from, struct dentry *root);
/* A copy of TOP from ROOT on with all that is mounted below, but for what cannot be bound (BIND); 0 with *ERROR. Where
 * each mount of TOP's has gone its `copy` says, until mount_copy_end. */
struct mount *mount_copy_tree(struct mount *top, struct dentry *root, bool bind, int *error);
void mount_copy_end(struct mount *top);
/* The next of TOP's tree behind AT, parents first; 0 at the end. */
struct mount *mount_next(struct mount *at, const struct mount *top);
/* Lets go a tree that is in no namespace. */
void mount_drop_tree(struct mount *top);
/* Puts the tree TOP, which is in no namespace, on WHERE, or on its peers, too: -ENOSPC, -ENOMEM, with TOP the caller's
 * still. */
int mount_attach_tree(struct mount *top, const struct path *where);
/* Takes the tree TOP out of its place. */
void mount_detach_tree(struct mount *top);
/* The same for the places where it came to by propagation. */
void mount_detach_shared(struct mount *top);
/* MOUNT, in no place, goes on WHERE, or there becomes the top of a namespace (0); and away from it. */
void mount_place(struct mount *mount, const struct path *where);
void mount_displace(struct mount *mount);
/* MOUNT is the namespace's from here on; and no more. */
void mount_enter(struct mount *mount, struct mount_namespace *namespace);
void mount_leave(struct mount *mount);
/* Is something mounted on DENTRY in the current task's namespace? */
bool mount_on_own(const struct dentry *dentry);
/* DENTRY's name goes, and with it what is mounted there, in other namespaces. */
void mount_let_name_go(struct dentry *dentry);
/* Is the current task's root another than its namespace's? */
bool mount_is_chrooted(void);
/* Are DENTRY and ROOT one, or is it below? */
bool dentry_below(const struct dentry *dentry, const struct dentry *root);
void mounts_changed(void);
struct mount_namespace *mount_namespace_current(void);
/* May the current task change its namespace's mounts? */
bool mount_permitted(void);

/* mount_share.c: MOUNT becomes what MS_SHARED and its like (TYPE) say. */
void mount_set_propagation(struct mount *mount, uint64_t type);
/* COPY, new, becomes a peer of FROM's where that is shared, and a slave of whom it is one. */
void mount_share_as(struct mount *copy, struct mount *from);
/* MOUNT goes: its slaves become its peers', or its master's. */
void mount_unshare(struct mount *mount);
/* TOP's tree comes into a namespace of another user's: it stays together, and its flags. */
void mount_lock_tree(struct mount *top);
/* Copies of TOP for all places that WHERE's mount propagates to, put there; *ERROR, with nothing done. */
int mount_propagate(struct mount *top, const struct path *where);
/* The next mount that a change of FROM's is told to, behind AT (FROM at first); 0 at the end. */
struct mount *mount_propagation_next(struct mount *at, struct mount *from);

/* What is mounted on PATH, or 0. */
struct mount *mount_on(const struct path *path);
/* Down through whatever is mounted on PATH. */
void cross_mounts(struct path *path);
void mount_release(struct mount *mount);
/* Changes with every mount(2) and umount(2); who polls /proc/mounts waits here. */
extern uint64_t mounts_generation;
extern struct wait_queue mounts_wait;

/* The child NAME of DIRECTORY with a reference, from the cache or the file system; 0 with *ERROR. Permission
 * is the caller's. */
struct dentry *dentry_lookup(struct dentry *directory, const char *name, uint32_t length, int *error);
/* Enters a newly made VNODE (the reference goes over) under its name; 0: out of memory. */
struct dentry *dentry_enter(struct dentry *directory, const char *name, uint32_t length, struct vnode *vnode);
/* Gives DENTRY, which is not in the tree, another name; false: out of memory. */
bool dentry_rename(struct dentry *dentry, const char *name, uint32_t length);
struct dentry *dentry_create(struct dentry *parent, const char *name, uint32_t length, struct vnode *vnode);
/* Forgets the unused names of FILESYSTEM, which goes. */
void dentry_purge(const struct filesystem *filesystem);
/* Enters a name of a file system whose names are not cached, and those above it: something is mounted on it. And once more, when
 * it is not any more. */
void dentry_keep(struct dentry *dentry);
void dentry_let_go(struct dentry *dentry);
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

/* The same from ROOT on; 0: there is no way there. */
char *path_text_below(const struct path *path, const struct path *root, char *buffer, uint32_t size);

/* A file system of TYPE to mount: "tmpfs" a new one, "proc", "sysfs", "devpts" the one there is; 0: unknown.
 * (init.c) */
struct filesystem *filesystem_by_name(const char *type);
bool filesystem_known(const char *type);

/* acl_files.c: access control lists. KIND is enum acl_kinds, and the attribute's name acl_names[KIND]; -1: none of these. */
enum acl_kinds { ACL_ACCESS, ACL_DEFAULT, ACL_KINDS };
extern const char *const acl_names[ACL_KINDS];
int acl_kind(const char *name);
void acl_free(struct vnode *vnode);
/* VNODE's lists are here from now on; -EALONE: it takes the common lock held alone. */
int acl_load(struct vnode *vnode);
/* For file systems that keep them: enters what is kept under NAME; another name is passed over. */
int acl_enter(struct vnode *vnode, const char *name, const void *value, uint64_t bytes);
/* The file system keeps those that VNODE has. */
int acl_keep(struct vnode *vnode);
/* What is left of MODE, of a file that is about to be made in DIRECTORY: all where that has a default list, for
 * acl_inherit, which gives MADE its lists and mode; else what the file mode mask leaves. */
uint32_t mode_of_new(struct vnode *directory, uint32_t mode);
int acl_inherit(struct vnode *directory, struct vnode *made);
/* VNODE has a new mode: its access list, as far as there is one, follows. */
int acl_follow_mode(struct vnode *vnode);
/* VNODE has an access list: does it give WANT to who is not the owner? */
bool acl_allows(const struct vnode *vnode, uint32_t want, uint32_t uid, uint32_t gid);
/* The attribute's value to the guest, or its length (ROOM 0); from the guest, where no BYTES take the list away. */
int64_t acl_get(struct vnode *vnode, int kind, uint64_t value, uint64_t room);
int acl_set(struct vnode *vnode, int kind, uint64_t value, uint64_t bytes);

/* xattr.c: VNODE goes, and its extended attributes. */
void xattr_free(struct vnode *vnode);
/* The file system, which has just made VNODE, keeps all that it has, access control lists too. */
int xattr_keep_all(struct vnode *vnode);
/* For file systems that keep them: enters NAME, which VNODE has not, with its value. */
int xattr_enter(struct vnode *vnode, const char *name, const void *value, uint64_t bytes);

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

/* The path at the user's PATH_ADDRESS from DIRECTORY on, as AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH in FLAGS
 * say: *PATH with references. (stat.c) */
int64_t path_at(int directory, uint64_t path_address, uint32_t flags, struct path *path);
/* Is GID one of the supplementary groups? */
bool in_groups(const struct credentials *credentials, uint32_t gid);
/* Is the current task in group GID, for access to files? */
bool in_group(uint32_t gid);
/* Does it own VNODE, or may it act as if (CAP_FOWNER)? */
bool owns(const struct vnode *vnode);
/* Set-user-ID and set-group-ID bits that a change of VNODE by the current task takes away (0: none). */
uint32_t privilege_bits_lost(const struct vnode *vnode);
/* May a regular file of SIZE bytes become END bytes long? 0; -EFBIG, and SIGXFSZ where it is RLIMIT_FSIZE that
 * says no: setrlimit(2). The common lock is held alone. */
int size_allowed(uint64_t size, uint64_t end);
/* A file that is run cannot be written and the other way round (ETXTBSY): vnode->write_count counts open files
 * that may write, or below 0 the programs that run. False: it is the other's. */
bool vnode_write_begin(struct vnode *vnode);
/* FILE's part of its vnode's write_count is SHARE from now on: 1, -1 or 0. Nothing becomes read-only under who writes to it. */
void file_writes(struct file *file, int32_t share);
bool vnode_run_begin(struct vnode *vnode);

/* May the current task do WANT (4 read, 2 write, 1 execute/search) with VNODE? 0, -EACCES, what kept its access control list
 * from being looked at, or, where the common lock is shared, -EALONE. */
int access_check(struct vnode *vnode, uint32_t want);
/* ... as seen by its real ids (access(2)). */
int access_check_real(struct vnode *vnode, uint32_t want);
