/* Opening by path, for system calls and for the personality itself; and the hooks of inotify. */
#pragma once

#include "../include/file.h"
#include "name.h"

/* A descriptor, or an error. WALK_FLAGS: those of openat2 (enum walk_flags). */
int64_t open_file(int directory, const char *text, uint32_t flags, uint32_t mode, uint32_t walk_flags);
/* Makes the file that the dangling symbolic link TEXT names. */
int path_create_through_link(int directory, const char *text, uint32_t mode, struct path *path,
                             bool *created);

/* inotify.c: tells the watches of a directory about NAME in it, or of a file and its directory about an event
 * of the file. */
void inotify_name(struct vnode *directory, uint32_t event, const char *name, bool is_directory);
void inotify_file(struct file *file, uint32_t event);
/* Does anybody watch FILE, or the directory it was opened in? */
static inline bool inotify_watched(const struct file *file)
{
	return file->vnode &&
	       (!list_empty(&file->vnode->watches) ||
	        (file->path.dentry && !list_empty(&file->path.dentry->parent->vnode->watches)));
}
/* Copies COUNT segments in and checks them; into FEW where they fit, else heap memory that the caller frees.
 */
int64_t iovec_from_user(struct linux_iovec **segments, uint64_t address, uint64_t count,
                        struct linux_iovec *few, uint32_t few_count);
void inotify_vnode(struct vnode *vnode, uint32_t event);
