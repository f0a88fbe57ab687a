/* Open files and descriptor tables (file side).
 *
 * A struct file is an open file description: what dup and fork share. It is reference counted; the last
 * file_release calls ops->release. Missing operations mean the error that Linux gives: EINVAL for read, write
 * and mmap, ESPIPE for seek and positioned I/O, ENOTTY for ioctl, always ready for poll.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "linux_abi.h"
#include "list.h"
#include "user.h"
#include "wait.h"

struct file;
struct vnode;
struct dentry;
struct mount;
struct memory_object;
struct task;
struct socket_ops;
struct proc_text;

/* A place in the tree of names: a name as seen through one mount. Both hold a reference. */
struct path {
	struct mount *mount;
	struct dentry *dentry;
};

/* Called for every entry; false when the buffer is full (the entry was not taken). OFFSET is where to go on
 * after it. */
struct dirent_sink {
	bool (*entry)(struct dirent_sink *sink, const char *name, uint32_t length, uint64_t inode,
	              uint8_t type, int64_t offset);
};

/* What an mmap of a file gets: the file fills object, offset and valid_bytes. */
struct mmap_request {
	uint64_t offset;              /* in: of the file, page aligned */
	uint64_t bytes;               /* in: page multiple */
	bool shared, write, execute;  /* in: write = a shared mapping that is, or may become, writable */
	struct memory_object *object; /* out: a reference to it */
	uint64_t object_offset;       /* out: page aligned */
};

#define EALONE 600 /* seen by no guest */

/* All are called with the common lock held alone, but see `parallel`; those that wait give it up for the
 * sleep. */
struct file_ops {
	/* Stream or positioned at *POSITION (advanced by the operation); the bytes moved, or an error. */
	int64_t (*read)(struct file *file, struct io *io, int64_t *position);
	int64_t (*write)(struct file *file, struct io *io, int64_t *position);
	int64_t (*seek)(struct file *file, int64_t offset, int whence);
	int64_t (*ioctl)(struct file *file, uint32_t command, uint64_t argument);
	uint32_t (*poll)(struct file *file, struct poll_table *table);
	int64_t (*mmap)(struct file *file, struct mmap_request *request);
	/* The page at OFFSET is about to be written through a shared mapping: 1, all pages of the mapping may be; 0, this
	 * one, until mm_file_clean; or an error, and the fault is a bus error. Also called with the common lock shared:
	 * then -EALONE, with nothing done, where that does not do. Without it all pages may be written. */
	int (*page_write)(struct file *file, uint64_t offset);
	/* What mmap needs of the contents comes here as far as it can; gives the common lock up for it, which may be shared.
	 * 0, or -EINTR: the task ends. */
	int (*fetch)(struct file *file);
	/* What a write of BYTES at POSITION needs of others comes here as far as it can; the same. */
	void (*write_fetch)(struct file *file, int64_t position, uint64_t bytes);
	int64_t (*getdents)(struct file *file, struct dirent_sink *sink);
	int64_t (*sync)(struct file *file, bool data_only);
	int64_t (*truncate)(struct file *file, int64_t bytes);
	int64_t (*fallocate)(struct file *file, int mode, int64_t offset, int64_t bytes);
	/* close(2) is about to give the last reference up, and may wait here. */
	void (*linger)(struct file *file);
	/* Called on every close of a descriptor (POSIX record locks), before release. */
	void (*flush)(struct file *file);
	void (*release)(struct file *file);
	/* A reference has gone, and others are left. */
	void (*dropped)(struct file *file);
	/* Sockets: how they answer the socket calls (net/socket.h). */
	const struct socket_ops *socket;
	/* The text of /proc/N/fd links for files without a path, such as "pipe:[17]". */
	void (*describe)(struct file *file, char *text, uint32_t size);
	/* Lines of /proc/N/fdinfo of its own kind. */
	void (*info)(struct file *file, struct proc_text *text);
	bool seekable; /* positioned I/O allowed */
	/* read and write may be called while the common lock is shared, too: they take the file's own, and
	 * answer -EALONE, with nothing done, where that does not do. */
	bool parallel;
};

struct file {
	uint32_t references;
	uint32_t flags;      /* O_* status flags and access mode; not O_CLOEXEC */
	int32_t write_share; /* its part of vnode->write_count: 1, -1 or 0 */
	const struct file_ops *ops;
	struct vnode
	    *vnode; /* a reference; 0 for files outside the tree (pipes, sockets, epoll: see stat in ops) */
	struct path path; /* both 0 where there is none */
	int64_t position;
	void *private;
	struct lock position_lock; /* LOCK_POSITION: guards `position` where several tasks share the file */
	struct list epoll_items;   /* epoll registrations of this description */
	int32_t owner;             /* F_SETOWN: process (> 0) or group (< 0) for SIGIO, and its signal */
	int32_t owner_signal;
	bool owner_thread; /* it is one thread */
	bool unwatched;    /* nobody is told of what is done through it: fanotify(7)'s own descriptors */
};

static inline bool file_readable(const struct file *file)
{
	return (file->flags & O_ACCMODE) != O_WRONLY && !(file->flags & O_PATH);
}
static inline bool file_writable(const struct file *file)
{
	return (file->flags & O_ACCMODE) != O_RDONLY && !(file->flags & O_PATH);
}

/* Its flags as programs are told them: what was opened by a name has O_LARGEFILE, pipes and sockets have not. */
static inline uint32_t file_flags_told(const struct file *file)
{
	return file->flags | (file->path.dentry && !(file->flags & O_PATH) ? O_LARGEFILE : 0);
}

struct file *file_create(const struct file_ops *ops, uint32_t flags, void *private)
    __attribute__((warn_unused_result));
static inline struct file *file_reference(struct file *file)
{
	__atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED);
	return file;
}
void file_release(struct file *file);

/* The vnode of FILE; what is outside the tree (sockets, eventfds) gets one at the first question, of which there is
 * one for all that have no kind of their own. 0: out of memory. The common lock is held alone. */
struct vnode *file_vnode(struct file *file);
/* A vnode in no tree: opening it answers ENXIO. MODE with type. */
struct vnode *vnode_outside(uint32_t mode, uint64_t inode);
struct attributes;
int outside_setattr(struct vnode *vnode, const struct attributes *attributes, uint32_t mask);

/* ---- Descriptor tables ---- */

struct files {
	uint32_t references; /* tasks that share it (CLONE_FILES) */
	uint32_t capacity;
	struct file **slots;     /* 0 = free */
	uint64_t *close_on_exec; /* bitmaps of capacity bits */
	uint64_t *used;
	uint32_t lowest_free; /* no free descriptor is below it */
};

struct files *files_create(void);
struct files *files_clone(const struct files *files);
struct files *files_reference(struct files *files);
/* Drops a reference; the last one closes everything. */
void files_release(struct files *files);
/* Closes the descriptors marked close-on-exec. FILES is not shared. */
void files_exec(struct files *files);
/* The open file of descriptor FD of the current task, or 0. It stays open until the system call in progress
 * ends, whoever closes the descriptor meanwhile: where another task shares the table, the dispatcher holds a
 * reference that it drops behind the call (files_let_go). For calls that name a few descriptors; those that
 * take lists of them use file_get. */
struct file *file_of(int fd);
/* file_of is 0 for descriptors opened with O_PATH, which name a place and nothing else; this is for the few
 * calls that take them (open(2)). */
struct file *file_of_any(int fd);
/* Descriptors that stand for the files of the request for which the current task makes a call (async/): no guest can have
 * them. */
enum { REQUEST_FD = -1000, REQUEST_SECOND_FD = -1001 };
/* The same with a reference of the caller's. */
struct file *file_get(int fd) __attribute__((warn_unused_result));
/* The dispatcher's end of a call: drops the references that file_of took for TASK, the current one. */
void files_let_go(struct task *task);
/* Puts FILE (the reference goes over) into the lowest free descriptor >= MINIMUM; -EMFILE with the reference
 * kept. */
int64_t file_install(struct file *file, int minimum, bool close_on_exec) __attribute__((warn_unused_result));
/* Makes FILE (the reference goes over) the descriptor FD and closes what was that; or an error with the reference kept. */
int64_t file_install_at(struct file *file, int fd, bool close_on_exec) __attribute__((warn_unused_result));
/* The lowest free descriptor for FILE, whose reference goes over even when there is none (-EMFILE). */
int64_t file_give(struct file *file, bool close_on_exec);
/* F_SETOWN and F_GETOWN: a process, or a group as a negative number. */
int64_t file_set_owner(struct file *file, int32_t owner);
int32_t file_owner(const struct file *file);
/* The way back: FD is free, its reference is the caller's, and nothing of what close(2) means for the file happens. 0: there is
 * none. The common lock is held alone. */
struct file *file_take(int fd) __attribute__((warn_unused_result));

/* ---- What the process side needs of the file side ---- */

/* Opens PATH for execution (regular, executable by the current task); a reference. *ERROR on 0. While the file
 * is open, nobody can open it for writing (ETXTBSY), or until file_allow_writing. The common lock is held alone; BESIDE: it is
 * given up while a file service is asked what PATH is. */
struct file *file_open_exec(int directory, const char *path, int flags, bool beside, int *error);
void file_allow_writing(struct file *file);
/* May pages of FILE be executed where its mount says noexec? */
bool file_may_run(const struct file *file);
/* The capabilities that FILE brings to whoever runs it (capabilities(7), "File capabilities"); false: none. */
bool file_capabilities(const struct file *file, uint64_t *permitted, uint64_t *inheritable, bool *effective);
/* Do set-user-ID bits and capabilities of FILE count when it is run? */
bool file_grants_privileges(const struct file *file);
/* Reads BYTES at OFFSET into the personality's memory; bytes read or an error. */
int64_t file_read_kernel(struct file *file, void *to, size_t bytes, uint64_t offset)
    __attribute__((warn_unused_result));
/* Absolute path of FILE for AT_EXECFN, comm and /proc; writes at most SIZE bytes with the NUL. */
void file_path(const struct file *file, char *text, uint32_t size);
/* Descriptors 0, 1 and 2 and the controlling terminal of the first process; root and working directory. */
int files_init_first(struct task *task);
/* The same for a program that is started from outside later: the root is the first process's. */
int files_init_entered(struct task *task);
/* Descriptors 0, 1 and 2 of the current task, on CONSOLE; and standard input empty. */
struct console;
int files_standard(struct console *console);
void files_no_input(void);
