/* Opening by path, for system calls and for the personality itself; and the hooks of inotify. */
#pragma once

#include "../event/fanotify.h"
#include "../include/file.h"
#include "name.h"

/* A descriptor, or an error. WALK_FLAGS: those of openat2 (enum walk_flags). */
int64_t open_file(int directory, const char *text, uint32_t flags, uint32_t mode, uint32_t walk_flags);
/* The same for PATH, at which something is; it must be allowed. */
int64_t open_at(const struct path *path, uint32_t flags);
/* A new open file for PATH, without asking or telling anybody; 0 with *ERROR. */
struct file *open_path(const struct path *path, uint32_t flags, int *error);
/* Removes a name that leads to no directory, as unlink(2). */
int path_unlink(const char *text);
/* A core file for the current task, a new one in place of what had the name. 0 with *ERROR. */
struct file *file_open_core(const char *text, int *error);

/* ---- inotify(7), event/inotify.c ---- */

enum inotify_event_mask {
	IN_ACCESS = 1,
	IN_MODIFY = 2,
	IN_ATTRIB = 4,
	IN_CLOSE_WRITE = 8,
	IN_CLOSE_NOWRITE = 0x10,
	IN_OPEN = 0x20,
	IN_MOVED_FROM = 0x40,
	IN_MOVED_TO = 0x80,
	IN_CREATE = 0x100,
	IN_DELETE = 0x200,
	IN_DELETE_SELF = 0x400,
	IN_MOVE_SELF = 0x800,
	IN_UNMOUNT = 0x2000,
};

/* Tells the watches of a directory about NAME in it; COOKIE joins the two events of a rename (else 0). */
void inotify_name(struct vnode *directory, uint32_t event, const char *name, bool is_directory,
                  uint32_t cookie);
/* The watches of VNODE itself. IN_DELETE_SELF ends them. */
void inotify_vnode(struct vnode *vnode, uint32_t event);
/* FILESYSTEM goes, and with it the watches of what is in it. */
void inotify_filesystem_gone(const struct filesystem *filesystem);
/* The watches of what PATH leads to, and of the directory it is in. */
void inotify_path(const struct path *path, uint32_t event);
/* The same for an open file, whose name may have gone meanwhile. */
void inotify_file(struct file *file, uint32_t event);
uint32_t inotify_cookie(void);
/* Does anybody watch FILE, or the directory it was opened in? */
static inline bool inotify_watched(const struct file *file)
{
	return file->vnode && !file->unwatched &&
	       (fanotify_mark_count || !list_empty(&file->vnode->watches) ||
	        (file->path.dentry && !list_empty(&file->path.dentry->parent->vnode->watches)));
}

/* Whoever wants to be asked allows that FILE is read: fanotify_permit. (io.c) */
int read_permitted(const struct file *file);
/* While the common lock is shared: FILE is opened at PATH, a regular file's; false: it may not be written now
 * (ETXTBSY). */
bool file_names_take(struct file *file, const struct path *path);
/* The end of what FILE has taken, or false, with nothing done, where something would end with it. */
bool file_names_give(struct file *file);

/* Copies COUNT segments in and checks them; into FEW where they fit, else heap memory that the caller frees.
 */
int64_t iovec_from_user(struct linux_iovec **segments, uint64_t address, uint64_t count,
                        struct linux_iovec *few, uint32_t few_count);
