/* fanotify(7): groups are told of what happens to inodes, in mounts and in file systems that they have marked, and may be asked for
 * permission first. The events of inotify are fanotify's, too, by the same numbers: event/inotify.c passes on what it is told.
 * The common lock is held alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct filesystem;
struct mount;
struct path;
struct vnode;

enum fanotify_mask {
	FAN_OPEN_EXEC = 0x1000,
	FAN_Q_OVERFLOW = 0x4000,
	FAN_OPEN_PERM = 0x10000,
	FAN_ACCESS_PERM = 0x20000,
	FAN_OPEN_EXEC_PERM = 0x40000,
	FAN_EVENT_ON_CHILD = 0x08000000,
	FAN_ONDIR = 0x40000000,
};

/* Marks of all groups: while there are none, nobody asks further. */
extern uint32_t fanotify_mark_count;

/* EVENT, one of enum inotify_event_mask or above, came to VNODE, by PATH (0: by none that is known). */
void fanotify_event(uint32_t event, struct vnode *vnode, const struct path *path);
/* Of NAME in DIRECTORY. */
void fanotify_name(uint32_t event, struct vnode *directory, const char *name, bool is_directory);
/* Asks whoever wants to be asked about PATH, and waits for the answers: 0, -EPERM, or -EINTR (killed). */
int fanotify_permit(uint32_t event, const struct path *path);
/* These go, and their marks. */
void fanotify_mount_gone(const struct mount *mount);
void fanotify_filesystem_gone(const struct filesystem *filesystem);
