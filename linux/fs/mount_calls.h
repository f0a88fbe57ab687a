/* What the calls that change mounts share: those by path (mount_calls.c) and those by descriptor (mount_files.c). The common lock
 * is held alone.
 */
#pragma once

#include "name.h"

#define MOUNT_OPTIONS_MAX 4096u

/* Is MOUNT one of the namespace that the current task may change? */
static inline bool mount_own(const struct mount *mount)
{
	return mount->namespace == mount_namespace_current();
}
/* What FLAGS, MS_*, say of one mount. */
void mount_set_flags(struct mount *mount, uint64_t flags);
/* Would FLAGS take away what another user has laid down for MOUNT? */
bool mount_flags_locked(const struct mount *mount, uint64_t flags);
/* Would the current task's mount namespace hold itself, if the tree TOP were put into it? */
bool mount_holds_itself(struct mount *top);
/* What FROM names as a tree of its own, in no namespace; RECURSIVE: with what is mounted below it. 0 with *ERROR. */
struct mount *mount_copy_bound(const struct path *from, bool recursive, int *error);
/* FROM's mount goes from its place to WHERE. */
int mount_move(const struct path *from, const struct path *where);
/* WHERE's mount becomes as FLAGS say, and its file system, without MS_BIND, as OPTIONS do, which are changed. */
int mount_remount(const struct path *where, uint64_t flags, char *options);
/* The same of MOUNT, wherever it is. */
int mount_reconfigure(struct mount *mount, uint64_t flags, char *options);
/* A file system of TYPE, as SOURCE, FLAGS and OPTIONS (which are changed) have it and as the current task may mount it, with a
 * reference. */
int mount_filesystem(const char *type, const char *source, uint64_t flags, char *options,
                     struct filesystem **made);
