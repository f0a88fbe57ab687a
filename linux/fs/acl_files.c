/* Access control lists of files: acl(5), and the attributes system.posix_acl_access and system.posix_acl_default by which
 * programs read and set them (xattr(7)).
 *
 * A vnode has its lists in memory, and a file service keeps them as attributes. What a service has is fetched when
 * somebody asks whose answer depends on it: not the owner, nor who may do it in any case (acl_unknown until then). The mode
 * and the access list follow each other: the group's bits are the list's mask.
 */
#include "../internal.h"
#include "acl.h"
#include "name.h"
#include "open.h"

const char *const acl_names[ACL_KINDS] = {"system.posix_acl_access", "system.posix_acl_default"};

int acl_kind(const char *name)
{
	for (int kind = 0; kind < ACL_KINDS; kind++)
		if (strcmp(name, acl_names[kind]) == 0)
			return kind;
	return -1;
}

void acl_free(struct vnode *vnode)
{
	for (int kind = 0; kind < ACL_KINDS; kind++) {
		heap_free(vnode->acls[kind]);
		vnode->acls[kind] = 0;
	}
}

static struct acl *copy_of(const struct acl *acl)
{
	struct acl *copy = heap_allocate(acl_size(acl));
	if (copy)
		memcpy(copy, acl, acl_size(acl));
	return copy;
}

int acl_load(struct vnode *vnode)
{
	if (!vnode->acl_unknown)
		return 0;
	if (!vnode->filesystem->attributes_load) {
		vnode->acl_unknown = false;
		return 0;
	}
	return common_mode() == COMMON_SHARED ? -EALONE : vnode->filesystem->attributes_load(vnode);
}

int acl_enter(struct vnode *vnode, const char *name, const void *value, uint64_t bytes)
{
	union acl_buffer list;
	int kind = acl_kind(name);
	if (kind < 0)
		return 0; /* nothing that this personality knows */
	if (acl_read(&list, value, bytes) || (list.acl.count && !acl_valid(&list.acl)))
		return -EIO;
	struct acl *copy = list.acl.count ? copy_of(&list.acl) : 0;
	if (list.acl.count && !copy)
		return -ENOMEM;
	heap_free(vnode->acls[kind]);
	vnode->acls[kind] = copy;
	return 0;
}

/* The file system keeps VNODE's list of KIND, or that there is none. */
static int keep(struct vnode *vnode, int kind)
{
	uint8_t value[ACL_BYTES_MAX];
	const struct acl *acl = vnode->acls[kind];
	if (!vnode->filesystem->attribute_keep)
		return 0;
	uint32_t bytes = acl ? acl_write(acl, value) : 0;
	return vnode->filesystem->attribute_keep(vnode, acl_names[kind], acl ? value : 0, bytes);
}

int acl_keep(struct vnode *vnode)
{
	int error = 0;
	for (int kind = 0; kind < ACL_KINDS && !error; kind++)
		if (vnode->acls[kind])
			error = keep(vnode, kind);
	return error;
}

/* ---- New files, other modes ---- */

uint32_t mode_of_new(struct vnode *directory, uint32_t mode)
{
	/* Where the lists cannot be had, making the file fails, by acl_inherit. */
	return !acl_load(directory) && directory->acls[ACL_DEFAULT] ? mode
	                                                            : mode & ~current_task()->fs->umask;
}

int acl_inherit(struct vnode *directory, struct vnode *made)
{
	int error = acl_load(directory);
	const struct acl *inherited = directory->acls[ACL_DEFAULT];
	if (error || !inherited || S_ISLNK(made->mode))
		return error;
	struct acl *access = copy_of(inherited);
	struct acl *again = S_ISDIR(made->mode) ? copy_of(inherited) : 0;
	if (!access || (S_ISDIR(made->mode) && !again)) {
		heap_free(access);
		heap_free(again);
		return -ENOSPC;
	}
	if (!acl_inherited(access, &made->mode)) {
		heap_free(access);
		access = 0;
	}
	made->acls[ACL_ACCESS] = access;
	made->acls[ACL_DEFAULT] = again;
	return 0;
}

int acl_follow_mode(struct vnode *vnode)
{
	if (!vnode->acls[ACL_ACCESS])
		return 0;
	acl_change_mode(vnode->acls[ACL_ACCESS], vnode->mode);
	return keep(vnode, ACL_ACCESS);
}

/* ---- Access ---- */

static bool is_member(const struct acl_subject *subject, uint32_t gid)
{
	return subject->gid == gid || in_groups(&current_task()->credentials, gid);
}

bool acl_allows(const struct vnode *vnode, uint32_t want, uint32_t uid, uint32_t gid)
{
	const struct acl_subject subject = {
	    .uid = uid, .owner = vnode->uid, .group = vnode->gid, .member = is_member, .gid = gid};
	return acl_permits(vnode->acls[ACL_ACCESS], &subject, want);
}

/* ---- The attributes ---- */

/* The ids in ACL are the guest's, and become those of the first user namespace; false: it named one that is nobody. */
static bool ids_in(struct acl *acl)
{
	for (uint32_t i = 0; i < acl->count; i++) {
		struct acl_entry *entry = &acl->entries[i];
		if (entry->tag != ACL_USER && entry->tag != ACL_GROUP)
			continue;
		entry->id = entry->tag == ACL_USER ? uid_named(entry->id) : gid_named(entry->id);
		if (entry->id == ID_NONE)
			return false;
	}
	return true;
}

static void ids_out(struct acl *acl)
{
	const struct user_namespace *user = user_namespace_current();
	for (uint32_t i = 0; i < acl->count; i++) {
		struct acl_entry *entry = &acl->entries[i];
		entry->id = id_up(user, entry->tag == ACL_USER ? &user->uids : &user->gids, entry->id);
	}
}

int64_t acl_get(struct vnode *vnode, int kind, uint64_t value, uint64_t room)
{
	union acl_buffer list;
	uint8_t bytes[ACL_BYTES_MAX];
	const struct acl *acl = vnode->acls[kind];
	if (!vnode->filesystem || !vnode->filesystem->attributes || S_ISLNK(vnode->mode))
		return -EOPNOTSUPP;
	if (!acl)
		return -ENODATA;
	memcpy(&list, acl, acl_size(acl));
	ids_out(&list.acl);
	uint32_t length = acl_write(&list.acl, bytes);
	if (!room)
		return length;
	if (room < length)
		return -ERANGE;
	return copy_to_user(value, bytes, length) ? -EFAULT : (int64_t)length;
}

/* ACL (0: none), which goes over, becomes VNODE's. The mode follows, and in it the set-group-ID bit as with chmod(2). */
static int become(struct vnode *vnode, int kind, struct acl *acl)
{
	struct attributes attributes = {.mode = vnode->mode};
	struct acl *old = vnode->acls[kind];
	uint32_t bits;
	int error = 0;
	if (kind == ACL_ACCESS) {
		if (!in_group(vnode->gid) && !capable_over(vnode, CAP_FSETID))
			attributes.mode &= ~(uint32_t)S_ISGID;
		bool is_mode = acl && acl_mode(acl, &bits);
		if (acl)
			attributes.mode = (attributes.mode & ~0777u) | bits;
		if (is_mode) {
			heap_free(acl);
			acl = 0;
		}
	}
	vnode->acls[kind] = acl;
	/* The bits of a mode with a list are others than of one without: while a file service is asked, nobody has more than both. */
	uint32_t before = vnode->mode;
	if (kind == ACL_ACCESS)
		vnode->mode &= attributes.mode | ~0777u;
	if (acl || old)
		error = keep(vnode, kind);
	if (!error && kind == ACL_ACCESS)
		error = vnode->ops->setattr(vnode, &attributes, ATTRIBUTE_MODE);
	if (error) {
		vnode->acls[kind] = old;
		vnode->mode |= before & 0777;
		heap_free(acl);
		return error;
	}
	heap_free(old);
	vnode->changed = clock_realtime_timespec();
	return 0;
}

int acl_set(struct vnode *vnode, int kind, uint64_t value, uint64_t bytes)
{
	union acl_buffer list;
	uint8_t copy[ACL_BYTES_MAX];
	if (!vnode->filesystem || !vnode->filesystem->attributes)
		return -EOPNOTSUPP;
	if (bytes > sizeof(copy))
		return -ENOSPC;
	if (bytes && copy_from_user(copy, value, bytes))
		return -EFAULT;
	int error = acl_read(&list, copy, bytes);
	if (error || !ids_in(&list.acl))
		return error ? error : -EINVAL;
	if (S_ISLNK(vnode->mode) || !vnode->ops->setattr)
		return -EOPNOTSUPP;
	if (kind == ACL_DEFAULT && !S_ISDIR(vnode->mode))
		return list.acl.count ? -EACCES : 0;
	if (!owns(vnode))
		return -EPERM;
	if (!list.acl.count)
		return become(vnode, kind, 0);
	if (!acl_valid(&list.acl))
		return -EINVAL;
	struct acl *acl = pressure_allowance(acl_size(&list.acl)) ? copy_of(&list.acl) : 0;
	return acl ? become(vnode, kind, acl) : -ENOSPC;
}
