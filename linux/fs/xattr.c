/* Extended attributes: setxattr(2), getxattr(2), listxattr(2), removexattr(2), with the rules of xattr(7): "user." as the
 * file's permissions say, on files and directories alone; "trusted." for CAP_SYS_ADMIN; "security." read by all; "system."
 * are those of access control lists (acl_files.c). File capabilities (security.capability) count at exec: capabilities(7).
 */
#include "../internal.h"
#include "errand.h"
#include "name.h"
#include "open.h"

#define NAME_BYTES_MAX  255u
#define VALUE_BYTES_MAX 65536u
#define TOTAL_BYTES_MAX (128u << 10) /* of one file, names and values */

struct xattr {
	struct xattr *next;
	uint32_t bytes;
	uint8_t name_bytes;
	char *name; /* behind the value */
	uint8_t value[];
};

void xattr_free(struct vnode *vnode)
{
	for (struct xattr *next; vnode->xattrs; vnode->xattrs = next) {
		next = vnode->xattrs->next;
		heap_free(vnode->xattrs);
	}
}

static struct xattr **find(struct vnode *vnode, const char *name)
{
	struct xattr **at = &vnode->xattrs;
	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

static bool in_space(const char *name, const char *space)
{
	return strncmp(name, space, strlen(space)) == 0;
}

/* May the task read or (WRITE) change NAME of VNODE? */
static int may(struct vnode *vnode, const char *name, bool write)
{
	if (!vnode->filesystem || !vnode->filesystem->attributes)
		return -EOPNOTSUPP;
	if (in_space(name, "user.")) {
		if (!S_ISREG(vnode->mode) && !S_ISDIR(vnode->mode))
			return write ? -EPERM : -ENODATA;
		if (write && S_ISDIR(vnode->mode) && (vnode->mode & S_ISVTX) && !owns(vnode))
			return -EPERM;
		return access_check(vnode, write ? 2 : 4);
	}
	if (in_space(name, "trusted."))
		return capable(CAP_SYS_ADMIN) ? 0 : write ? -EPERM : -ENODATA;
	if (!in_space(name, "security."))
		return -EOPNOTSUPP;
	if (!write)
		return 0;
	if (strcmp(name, "security.capability") == 0)
		return capable(CAP_SETFCAP) ? 0 : -EPERM;
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

static int name_from_user(char name[NAME_BYTES_MAX + 1], uint64_t address)
{
	int64_t length = copy_string_from_user(name, address, NAME_BYTES_MAX + 1);
	if (length == -ENAMETOOLONG || length == 0)
		return -ERANGE;
	if (length < 0)
		return (int)length;
	const char *dot = strchr(name, '.');
	return dot && !dot[1] &&
	               (in_space(name, "user.") || in_space(name, "trusted.") || in_space(name, "security."))
	           ? -EINVAL
	           : 0;
}

/* ---- One attribute of a vnode ---- */

static int load(struct vnode *vnode);

/* struct vfs_cap_data, of version 2 (20 bytes) or 3 (24, with the user who is root in its name space). */
struct file_caps {
	uint32_t magic, permitted_low, inheritable_low, permitted_high, inheritable_high;
};
enum { CAPS_EFFECTIVE = 1 };
#define CAPS_REVISION 0xff000000u
#define CAPS_VERSION2 0x02000000u
#define CAPS_VERSION3 0x03000000u

static bool caps_valid(const void *value, uint64_t bytes)
{
	uint32_t magic;
	if (bytes != 20 && bytes != 24)
		return false;
	memcpy(&magic, value, sizeof(magic));
	return !(magic & ~(CAPS_REVISION | CAPS_EFFECTIVE)) &&
	       (magic & CAPS_REVISION) == (bytes == 20 ? CAPS_VERSION2 : CAPS_VERSION3);
}

bool file_capabilities(const struct file *file, uint64_t *permitted, uint64_t *inheritable, bool *effective)
{
	if (load(file->vnode))
		return false;
	const struct xattr *found = file->vnode->xattrs ? *find(file->vnode, "security.capability") : 0;
	struct file_caps caps;
	if (!found || !caps_valid(found->value, found->bytes))
		return false;
	memcpy(&caps, found->value, sizeof(caps));
	*permitted = (caps.permitted_low | (uint64_t)caps.permitted_high << 32) & CAP_ALL;
	*inheritable = (caps.inheritable_low | (uint64_t)caps.inheritable_high << 32) & CAP_ALL;
	*effective = caps.magic & CAPS_EFFECTIVE;
	return true;
}

static uint64_t total_bytes(const struct vnode *vnode)
{
	uint64_t sum = 0;
	for (const struct xattr *at = vnode->xattrs; at; at = at->next)
		sum += at->bytes + at->name_bytes + 1u;
	return sum;
}

int xattr_enter(struct vnode *vnode, const char *name, const void *value, uint64_t bytes)
{
	uint32_t length = (uint32_t)strlen(name);
	if (!length || length > NAME_BYTES_MAX || *find(vnode, name) ||
	    total_bytes(vnode) + bytes + length + 1 > TOTAL_BYTES_MAX)
		return -EIO;
	struct xattr *made = heap_allocate(sizeof(*made) + bytes + length + 1);
	if (!made)
		return -ENOMEM;
	memcpy(made->value, value, bytes);
	made->bytes = (uint32_t)bytes;
	made->name_bytes = (uint8_t)length;
	made->name = (char *)made->value + bytes;
	memcpy(made->name, name, length);
	made->next = vnode->xattrs;
	vnode->xattrs = made;
	return 0;
}

/* What the file system keeps elsewhere is here from now on. */
static int load(struct vnode *vnode)
{
	return vnode->filesystem && vnode->filesystem->attributes_load
	           ? vnode->filesystem->attributes_load(vnode)
	           : 0;
}

static int keep(struct vnode *vnode, const char *name, const void *value, uint64_t bytes)
{
	return vnode->filesystem->attribute_keep
	           ? vnode->filesystem->attribute_keep(vnode, name, value, bytes)
	           : 0;
}

int xattr_keep_all(struct vnode *vnode)
{
	int error = acl_keep(vnode);
	for (const struct xattr *at = vnode->xattrs; at && !error; at = at->next)
		error = keep(vnode, at->name, at->value, at->bytes);
	return error;
}

enum { XATTR_CREATE = 1, XATTR_REPLACE = 2 };

static int64_t set(struct vnode *vnode, const struct path *path, const char *name, uint64_t value,
                   uint64_t bytes, uint32_t flags)
{
	if (path->mount && path->mount->read_only)
		return -EROFS;
	int error = may(vnode, name, true);
	if (error)
		return error;
	uint32_t length = (uint32_t)strlen(name);
	struct xattr **at = find(vnode, name);
	if ((flags & XATTR_CREATE) && *at)
		return -EEXIST;
	if ((flags & XATTR_REPLACE) && !*at)
		return -ENODATA;
	if (total_bytes(vnode) - (*at ? (*at)->bytes : 0) + bytes + length + 1 > TOTAL_BYTES_MAX ||
	    !pressure_allowance(bytes + length))
		return -ENOSPC;
	struct xattr *made = heap_allocate(sizeof(*made) + bytes + length + 1);
	if (!made)
		return -ENOSPC;
	if (bytes && copy_from_user(made->value, value, bytes)) {
		heap_free(made);
		return -EFAULT;
	}
	if (strcmp(name, "security.capability") == 0 && !caps_valid(made->value, bytes)) {
		heap_free(made);
		return -EINVAL;
	}
	made->bytes = (uint32_t)bytes;
	made->name_bytes = (uint8_t)length;
	made->name = (char *)made->value + bytes;
	memcpy(made->name, name, length);
	error = keep(vnode, name, made->value, bytes);
	if (error) {
		heap_free(made);
		return error;
	}
	/* The place is what it was: whoever changes the list makes a change, too. */
	struct xattr *old = *at;
	made->next = old ? old->next : 0;
	*at = made;
	heap_free(old);
	vnode->changed = clock_realtime_timespec();
	if (path->dentry)
		inotify_path(path, IN_ATTRIB);
	return 0;
}

static int64_t get(struct vnode *vnode, const char *name, uint64_t value, uint64_t bytes)
{
	int error = may(vnode, name, false);
	if (error)
		return error;
	const struct xattr *found = *find(vnode, name);
	if (!found)
		return -ENODATA;
	if (!bytes)
		return found->bytes;
	if (bytes < found->bytes)
		return -ERANGE;
	return copy_to_user(value, found->value, found->bytes) ? -EFAULT : (int64_t)found->bytes;
}

static int64_t list(struct vnode *vnode, uint64_t to, uint64_t room)
{
	uint64_t total = 0;
	for (int kind = 0; kind < ACL_KINDS; kind++) {
		uint32_t bytes = (uint32_t)strlen(acl_names[kind]) + 1;
		if (!vnode->acls[kind])
			continue;
		if (room && total + bytes > room)
			return -ERANGE;
		if (room && copy_to_user(to + total, acl_names[kind], bytes))
			return -EFAULT;
		total += bytes;
	}
	for (const struct xattr *at = vnode->xattrs; at; at = at->next) {
		uint32_t bytes = at->name_bytes + 1u;
		if (in_space(at->name, "trusted.") && !capable(CAP_SYS_ADMIN))
			continue;
		if (room && total + bytes > room)
			return -ERANGE;
		if (room && copy_to_user(to + total, at->name, bytes))
			return -EFAULT;
		total += bytes;
	}
	return (int64_t)total;
}

static int64_t remove(struct vnode *vnode, const struct path *path, const char *name)
{
	if (path->mount && path->mount->read_only)
		return -EROFS;
	int error = may(vnode, name, true);
	if (error)
		return error;
	struct xattr **at = find(vnode, name), *found = *at;
	if (!found)
		return -ENODATA;
	error = keep(vnode, name, 0, 0);
	if (error)
		return error;
	*at = found->next;
	heap_free(found);
	vnode->changed = clock_realtime_timespec();
	if (path->dentry)
		inotify_path(path, IN_ATTRIB);
	return 0;
}

/* ---- The calls: by path, by path without following, by descriptor ---- */

struct call {
	enum { SET, GET, LIST, REMOVE } what;
	uint64_t name, value, bytes;
	uint32_t flags;
};

static int64_t run_acl(const struct call *call, struct vnode *vnode, const struct path *path, int kind)
{
	if (call->what == GET)
		return acl_get(vnode, kind, call->value, call->bytes);
	if (path->mount && path->mount->read_only)
		return -EROFS;
	int error = acl_set(vnode, kind, call->value, call->what == SET ? call->bytes : 0);
	if (!error && path->dentry)
		inotify_path(path, IN_ATTRIB);
	return error;
}

static int64_t run_in(const struct call *call, struct vnode *vnode, const struct path *path)
{
	char name[NAME_BYTES_MAX + 1];
	int loaded = load(vnode);
	if (loaded)
		return loaded;
	if (call->what == LIST)
		return list(vnode, call->value, call->bytes);
	if (call->what == SET && (call->flags & ~3u))
		return -EINVAL;
	int error = name_from_user(name, call->name);
	if (error)
		return error;
	if (call->what == SET && call->bytes > VALUE_BYTES_MAX)
		return -E2BIG;
	int kind = acl_kind(name);
	if (kind >= 0)
		return run_acl(call, vnode, path, kind);
	switch (call->what) {
	case SET:
		return set(vnode, path, name, call->value, call->bytes, call->flags);
	case GET:
		return get(vnode, name, call->value, call->bytes);
	default:
		return remove(vnode, path, name);
	}
}

static int64_t run(const struct call *call, struct vnode *vnode, const struct path *path)
{
	change_begin(vnode);
	int64_t result = run_in(call, vnode, path);
	change_end(vnode);
	return result;
}

static int64_t by_path(const struct call *call, uint64_t path_address, uint32_t flags)
{
	struct path path;
	int64_t error = with_errands(path_at(AT_FDCWD, path_address, flags, &path));
	if (error)
		return error;
	error = run(call, path.dentry->vnode, &path);
	path_release(&path);
	return error;
}

static int64_t by_file(const struct call *call, int fd)
{
	struct file *file = file_of(fd);
	struct vnode *vnode = file ? file_vnode(file) : 0;
	if (!vnode)
		return file ? -ENOMEM : -EBADF;
	return run(call, vnode, &file->path);
}

SYSCALL_HANDLER(setxattr, uint64_t path, uint64_t name, uint64_t value, uint64_t bytes, uint32_t flags)
{
	return by_path(&(struct call){SET, name, value, bytes, flags}, path, 0);
}

SYSCALL_HANDLER(lsetxattr, uint64_t path, uint64_t name, uint64_t value, uint64_t bytes, uint32_t flags)
{
	return by_path(&(struct call){SET, name, value, bytes, flags}, path, AT_SYMLINK_NOFOLLOW);
}

SYSCALL_HANDLER(fsetxattr, int fd, uint64_t name, uint64_t value, uint64_t bytes, uint32_t flags)
{
	return by_file(&(struct call){SET, name, value, bytes, flags}, fd);
}

SYSCALL_HANDLER(getxattr, uint64_t path, uint64_t name, uint64_t value, uint64_t bytes)
{
	return by_path(&(struct call){GET, name, value, bytes, 0}, path, 0);
}

SYSCALL_HANDLER(lgetxattr, uint64_t path, uint64_t name, uint64_t value, uint64_t bytes)
{
	return by_path(&(struct call){GET, name, value, bytes, 0}, path, AT_SYMLINK_NOFOLLOW);
}

SYSCALL_HANDLER(fgetxattr, int fd, uint64_t name, uint64_t value, uint64_t bytes)
{
	return by_file(&(struct call){GET, name, value, bytes, 0}, fd);
}

SYSCALL_HANDLER(listxattr, uint64_t path, uint64_t to, uint64_t bytes)
{
	return by_path(&(struct call){LIST, 0, to, bytes, 0}, path, 0);
}

SYSCALL_HANDLER(llistxattr, uint64_t path, uint64_t to, uint64_t bytes)
{
	return by_path(&(struct call){LIST, 0, to, bytes, 0}, path, AT_SYMLINK_NOFOLLOW);
}

SYSCALL_HANDLER(flistxattr, int fd, uint64_t to, uint64_t bytes)
{
	return by_file(&(struct call){LIST, 0, to, bytes, 0}, fd);
}

SYSCALL_HANDLER(removexattr, uint64_t path, uint64_t name)
{
	return by_path(&(struct call){REMOVE, name, 0, 0, 0}, path, 0);
}

SYSCALL_HANDLER(lremovexattr, uint64_t path, uint64_t name)
{
	return by_path(&(struct call){REMOVE, name, 0, 0, 0}, path, AT_SYMLINK_NOFOLLOW);
}

SYSCALL_HANDLER(fremovexattr, int fd, uint64_t name)
{
	return by_file(&(struct call){REMOVE, name, 0, 0, 0}, fd);
}
