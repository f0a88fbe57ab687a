/* File handles: name_to_handle_at(2), open_by_handle_at(2), and what fanotify(7) tells files by. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "name.h"

/* What stands in struct file_handle's f_handle; its type. */
struct file_handle_bytes {
	uint64_t inode;
};
enum { HANDLE_TYPE = 1 };

static inline struct file_handle_bytes handle_of(const struct vnode *vnode)
{
	return (struct file_handle_bytes){vnode->inode};
}
/* Has VNODE's file system names by which a handle leads back to it? */
static inline bool handle_can(const struct vnode *vnode)
{
	return vnode->filesystem && !(vnode->filesystem->flags & (FILESYSTEM_UNCACHED | FILESYSTEM_BARE));
}
/* The name in FILESYSTEM of INODE with a reference, of those that are cached; 0: there is none. (name.c) */
struct dentry *dentry_by_inode(const struct filesystem *filesystem, uint64_t inode);
