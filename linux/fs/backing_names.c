/* See backing.h: changes of names and attributes, and copies of what is only in the image.
 *
 * Over the image everything is made so that a crash at any moment shows the state before or the one after:
 * what takes several steps is made in "work" and renamed into place by one.
 */
#include <sysimg/sysimg.h>
#include "backing_calls.h"
#include "ramfs_data.h"

#define DEPTH_MAX  4096u
#define TARGET_MAX 2048u /* bytes of a target that goes in a message, beside a name */

static uint64_t owner_of(const struct ram_node *node)
{
	return node->vnode.uid | (uint64_t)node->vnode.gid << 32;
}

/* Linux' device numbers are of another form than the service's. */
static uint64_t device_to_service(uint64_t device)
{
	uint64_t major = (device >> 8 & 0xfff) | (device >> 32 & ~0xfffull);
	uint64_t minor = (device & 0xff) | (device >> 12 & ~0xffull & UINT32_MAX);
	return major << 32 | minor;
}

static int64_t to_ns(const struct linux_timespec *time)
{
	return time->tv_sec * 1000000000 + time->tv_nsec;
}

/* ---- Making things exist in the service ---- */

static void temporary_name(struct backing *backing, char name[32])
{
	text_format(name, 32, "%lu", backing->temporary++);
}

/* A target that a message has no room for goes by way of the buffer. */
static int service_link_long(struct backing *backing, uint64_t directory, const char *name,
                             const struct ram_node *node, uint64_t *upper)
{
	const void *data = 0;
	uint32_t bytes = 0;
	backing_buffer_take(backing);
	if (user_copy(backing->buffer, node->target, strlen(node->target) + 1)) {
		lock_release(&backing->buffer_lock);
		return -EIO;
	}
	handle_t session = backing->session;
	enum common_mode before = change_give(backing);
	int64_t result = file_link_symbolic(session, current_page(), directory, owner_of(node), name, "",
	                                    upper, &data, &bytes, DEADLINE_NEVER);
	lock_release(&backing->buffer_lock);
	common_take(before);
	return linux_error_of_service(result);
}

/* Makes NODE under NAME in DIRECTORY of the service: *UPPER is a use of it. */
static int service_make(struct backing *backing, uint64_t directory, const char *name,
                        const struct ram_node *node, uint64_t *upper)
{
	const void *data = 0;
	uint32_t bytes = 0;
	if (S_ISLNK(node->vnode.mode) && strlen(node->target) > TARGET_MAX)
		return service_link_long(backing, directory, name, node, upper);
	if (S_ISLNK(node->vnode.mode))
		return CHANGE(backing, link_symbolic, directory, owner_of(node), name, node->target, upper,
		              &data, &bytes);
	return CHANGE(backing, service_create, directory, node->vnode.mode, owner_of(node),
	              device_to_service(node->vnode.device_number), name, upper, &data, &bytes);
}

static int service_set(struct backing *backing, uint64_t upper, uint32_t valid,
                       const struct file_attributes *wanted)
{
	const void *data = 0;
	uint32_t bytes = 0;
	return CHANGE(backing, set_attributes, upper, valid, wanted, sizeof(*wanted), &data, &bytes);
}

static int service_set_times(struct backing *backing, const struct ram_node *node, uint64_t upper)
{
	struct file_attributes wanted = {.accessed_ns = to_ns(&node->vnode.accessed),
	                                 .modified_ns = to_ns(&node->vnode.modified)};
	return service_set(backing, upper, FILE_SET_ACCESSED | FILE_SET_MODIFIED, &wanted);
}

static int service_set_opaque(struct backing *backing, uint64_t upper)
{
	const struct file_attributes wanted = {.flags = FILE_FLAG_OPAQUE};
	return service_set(backing, upper, FILE_SET_FLAGS, &wanted);
}

/* The service gives what is made in a directory with a default access control list lists and a mode by that: UPPER, made
 * in DIRECTORY, gets NODE's mode and no lists. */
static int service_unlist(struct ram_node *directory, uint64_t upper, const struct ram_node *node)
{
	struct backing *backing = ram_backing(directory);
	int error = acl_load(&directory->vnode);
	if (error || !directory->vnode.acls[ACL_DEFAULT])
		return error;
	for (int kind = 0; kind < ACL_KINDS; kind++) {
		error = CHANGE(backing, xattr_remove, upper, acl_names[kind]);
		if (error && error != -ENOENT && error != -ENODATA)
			return error;
	}
	const struct file_attributes wanted = {.mode = node->vnode.mode & 07777};
	return service_set(backing, upper, FILE_SET_MODE, &wanted);
}

int backing_remove(struct backing *backing, uint64_t directory, const char *name, bool is_directory)
{
	return CHANGE(backing, unlink, directory, is_directory ? FILE_UNLINK_DIRECTORY : 0, name);
}

/* Removes all in the service's directory UPPER, which shows nothing: whiteouts alone are in it. */
int backing_empty(struct backing *backing, uint64_t upper)
{
	for (;;) {
		uint64_t next;
		uint64_t parent;
		const void *data = 0;
		uint32_t bytes = 0;
		uint32_t at = 0;
		struct file_entry entry;
		char name[FILE_NAME_MAX + 1];
		int error = SERVICE(backing, list, upper, 0ull, &next, &parent, &data, &bytes);
		if (error || !bytes)
			return error;
		if (!reply_entry(data, bytes, &at, &entry, name) || S_ISDIR(entry.mode))
			return -EIO;
		error = backing_remove(backing, upper, name, false);
		if (error)
			return error;
	}
}

/* Puts what is under TEMPORARY in "work" where NAME of DIRECTORY is; a whiteout there goes. */
static int work_place(struct backing *backing, const char *temporary, uint64_t directory, const char *name,
                      bool is_directory)
{
	int error = CHANGE(backing, rename, backing->work, directory,
	                   is_directory ? FILE_RENAME_EXCHANGE : 0u, temporary, name);
	if (!error && is_directory) /* the whiteout is in "work" now */
		error = backing_remove(backing, backing->work, temporary, false);
	return error;
}

static int directories_make(struct ram_node *directory)
{
	for (unsigned depth = 0; !directory->upper; depth++) {
		struct ram_node *top = directory;
		uint64_t upper = 0;
		if (depth >= DEPTH_MAX)
			return -ELOOP;
		while (top->parent && !top->parent->upper)
			top = top->parent;
		if (!top->parent || !top->entry)
			return -ESTALE;
		struct backing *backing = ram_backing(top);
		int error = service_make(backing, top->parent->upper, top->entry->name, top, &upper);
		if (!error)
			error = service_unlist(top->parent, upper, top);
		if (!error)
			error = service_set_times(backing, top, upper);
		if (!error)
			error = backing_take_upper(top, upper);
		if (error)
			return error;
		/* Nothing of the service is in it, so its listing stays what it is. */
	}
	return 0;
}

/* A chain of directories that are only in the image, from the top. With the common lock kept, as all that goes by a node being
 * only in the image: writes that are no changes copy such nodes, too. */
static int directories_up(struct ram_node *directory)
{
	struct backing *backing = ram_backing(directory);
	backing_still(backing);
	int error = directories_make(directory);
	backing_still_end(backing);
	return error;
}

/* Copies the contents of NODE, which are here or in the image, into UPPER. */
static int contents_up(struct ram_node *node, uint64_t upper)
{
	struct backing *backing = ram_backing(node);
	int error = 0;
	backing_protect(node);
	const uint8_t *bytes = ram_data_read(node, &error);
	for (uint64_t at = 0; !error && at < node->vnode.size;) {
		uint64_t part =
		    node->vnode.size - at < FILE_TRANSFER_MAX ? node->vnode.size - at : FILE_TRANSFER_MAX;
		uint64_t done = 0;
		error = backing_credit_spend(backing, upper, at, part);
		if (error)
			break;
		lock_acquire(&backing->buffer_lock);
		error = user_copy(backing->buffer, bytes + at, part) ? -EIO : 0;
		if (!error)
			error = SERVICE(backing, write, upper, at, part, 0ull, &done);
		lock_release(&backing->buffer_lock);
		if (done < part)
			backing->credit += (part - done) / FILE_BLOCK * FILE_BLOCK;
		if (!error && !done)
			error = -ENOSPC;
		at += done;
	}
	return error;
}

/* Makes NODE, a file, whole: under NAME in DIRECTORY, by way of "work" where there is one. */
static int file_up(struct ram_node *node, struct ram_node *directory, const char *name, bool with_data)
{
	struct backing *backing = ram_backing(node);
	char temporary[32];
	uint64_t upper = 0;
	uint64_t place = backing->work ? backing->work : directory->upper;
	temporary_name(backing, temporary);
	const char *first = backing->work ? temporary : name;
	int error = service_make(backing, place, first, node, &upper);
	if (error)
		return error;
	if (place == directory->upper)
		error = service_unlist(directory, upper, node);
	if (!error && S_ISREG(node->vnode.mode) && with_data) {
		error = contents_up(node, upper);
		node->data.kept = node->vnode.size; /* as long as the service says nothing else */
	}
	if (!error)
		error = service_set_times(backing, node, upper);
	if (!error)
		error = backing_take_upper(node, upper);
	if (!error)
		error = xattr_keep_all(&node->vnode);
	if (!error && backing->work) {
		error = work_place(backing, temporary, directory->upper, name, false);
	}
	if (error) {
		if (node->upper)
			backing_forget(node);
		(void)backing_remove(backing, place, first, false);
	}
	return error;
}

int backing_copy_up(struct ram_node *node, bool with_data)
{
	struct backing *backing = ram_backing(node);
	if (node->upper || !node->parent)
		return 0;
	if (backing->read_only)
		return -EROFS;
	backing_still(backing); /* what is copied stays what it is */
	int error = directories_up(S_ISDIR(node->vnode.mode) ? node : node->parent);
	if (!error && !S_ISDIR(node->vnode.mode))
		error = file_up(node, node->parent, node->entry->name, with_data);
	backing_still_end(backing);
	return error;
}

/* ---- Changes of names ---- */

int backing_make(struct ram_node *directory, const char *name, struct ram_node *node)
{
	struct backing *backing = ram_backing(directory);
	bool is_directory = S_ISDIR(node->vnode.mode);
	uint64_t upper = 0;
	if (backing->work && S_ISCHR(node->vnode.mode) && !node->vnode.device_number)
		return -EPERM; /* it would be a whiteout */
	int error = directories_up(directory);
	if (error)
		return error;
	if (backing_image_child(directory, name) < 0) {
		error = service_make(backing, directory->upper, name, node, &upper);
		if (!error && (error = backing_take_upper(node, upper)) != 0)
			(void)backing_remove(backing, directory->upper, name, is_directory);
		if (!error)
			node->vnode.inode = backing_inode_of(directory, name, upper);
		return error;
	}
	/* The image has the name, and it was removed: a whiteout is there. */
	char temporary[32];
	temporary_name(backing, temporary);
	error = service_make(backing, backing->work, temporary, node, &upper);
	if (error)
		return error;
	if (is_directory)
		error = service_set_opaque(backing, upper);
	if (!error)
		error = backing_take_upper(node, upper);
	if (!error)
		error = work_place(backing, temporary, directory->upper, name, is_directory);
	if (error)
		(void)backing_remove(backing, backing->work, temporary, is_directory);
	else
		node->vnode.inode = upper + UPPER_INODE;
	return error;
}

int backing_link(struct ram_node *directory, const char *name, struct ram_node *node)
{
	struct backing *backing = ram_backing(directory);
	const void *data = 0;
	uint32_t bytes = 0;
	char temporary[32];
	int error = backing_copy_up(node, true);
	if (!error)
		error = directories_up(directory);
	if (error)
		return error;
	if (!node->upper) { /* it never had a name */
		backing_still(backing);
		error = file_up(node, directory, name, true);
		backing_still_end(backing);
		return error;
	}
	if (backing_image_child(directory, name) < 0)
		return CHANGE(backing, link, node->upper, directory->upper, FILE_LINK_UNNAMED, name, &data,
		              &bytes);
	temporary_name(backing, temporary);
	error =
	    CHANGE(backing, link, node->upper, backing->work, FILE_LINK_UNNAMED, temporary, &data, &bytes);
	if (!error && (error = work_place(backing, temporary, directory->upper, name, false)) != 0)
		(void)backing_remove(backing, backing->work, temporary, false);
	return error;
}

int backing_unlink(struct ram_node *directory, const char *name, struct ram_node *node)
{
	struct backing *backing = ram_backing(directory);
	bool is_directory = S_ISDIR(node->vnode.mode);
	bool covers = backing_image_child(directory, name) >= 0;
	const void *data = 0;
	uint32_t bytes = 0;
	uint64_t made = 0;
	char temporary[32];
	int error = directories_up(directory);
	if (error)
		return error;
	if (!node->upper) {
		error = SERVICE(backing, service_create, directory->upper, S_IFCHR, 0ull, 0ull, name, &made,
		                &data, &bytes);
		return error ? error : SERVICE(backing, forget, made, 1ull);
	}
	/* What is written to it from here on is nobody's: it keeps its pages, and fetches what is missing. */
	if (!covers)
		return backing_remove(backing, directory->upper, name, is_directory);
	temporary_name(backing, temporary);
	error =
	    CHANGE(backing, rename, directory->upper, backing->work, FILE_RENAME_WHITEOUT, name, temporary);
	if (error)
		return error;
	/* The name is gone; what is left in "work" goes at the next mount where this fails. */
	if (is_directory && backing_empty(backing, node->upper))
		return 0;
	(void)backing_remove(backing, backing->work, temporary, is_directory);
	return 0;
}

enum { RENAME_NOREPLACE = 1, RENAME_EXCHANGE = 2 };

/* NODE can be renamed as one: no directory through which the image shows. */
static int movable(struct ram_node *node)
{
	if (S_ISDIR(node->vnode.mode))
		return node->image_directory >= 0 ? -EXDEV : 0;
	int error = backing_copy_up(node, true);
	return error ? error : S_ISREG(node->vnode.mode) ? backing_write_back(node) : 0;
}

/* At its new place nothing of the image may show through NODE, a directory. */
static int keep_opaque(struct ram_node *node, const struct ram_node *directory, const char *name)
{
	if (!S_ISDIR(node->vnode.mode) || backing_image_child(directory, name) < 0)
		return 0;
	return service_set_opaque(ram_backing(node), node->upper);
}

int backing_rename(struct ram_node *source, const char *from, struct ram_node *target, const char *to,
                   struct ram_node *node, struct ram_node *over, uint32_t flags)
{
	struct backing *backing = ram_backing(source);
	bool is_directory = S_ISDIR(node->vnode.mode);
	bool covers_from = backing_image_child(source, from) >= 0;
	int error = movable(node);
	if (!error)
		error = directories_up(source);
	if (!error)
		error = directories_up(target);
	if (!error && flags & RENAME_EXCHANGE)
		error = movable(over);
	if (!error)
		error = keep_opaque(node, target, to);
	if (!error && flags & RENAME_EXCHANGE)
		error = keep_opaque(over, source, from);
	if (error)
		return error;
	if (flags & RENAME_EXCHANGE)
		return CHANGE(backing, rename, source->upper, target->upper, FILE_RENAME_EXCHANGE, from, to);
	if (!over && backing_image_child(target, to) >= 0 && is_directory) {
		/* A whiteout is there, and changes places with it. */
		error = CHANGE(backing, rename, source->upper, target->upper, FILE_RENAME_EXCHANGE, from, to);
		if (!error && !covers_from)
			error = backing_remove(backing, source->upper, from, false);
		return error;
	}
	if (over && is_directory && over->upper && backing->work) {
		if (over->image_directory >= 0)
			error = service_set_opaque(backing, over->upper);
		if (!error)
			error = backing_empty(backing, over->upper);
		if (error)
			return error;
	}
	uint32_t how = covers_from ? FILE_RENAME_WHITEOUT : 0u;
	if (over && !over->upper)
		return SERVICE(backing, rename, source->upper, target->upper, how, from, to);
	return CHANGE(backing, rename, source->upper, target->upper, how, from, to);
}

int backing_set(struct ram_node *node, const struct attributes *attributes, uint32_t mask)
{
	struct file_attributes wanted = {.mode = attributes->mode & 07777,
	                                 .uid = attributes->uid,
	                                 .gid = attributes->gid,
	                                 .accessed_ns = to_ns(&attributes->accessed),
	                                 .modified_ns = to_ns(&attributes->modified)};
	static const struct {
		uint32_t mask, valid;
	} masks[] = {{ATTRIBUTE_MODE, FILE_SET_MODE},
	             {ATTRIBUTE_UID, FILE_SET_UID},
	             {ATTRIBUTE_GID, FILE_SET_GID},
	             {ATTRIBUTE_ATIME, FILE_SET_ACCESSED},
	             {ATTRIBUTE_MTIME, FILE_SET_MODIFIED}};
	uint32_t valid = 0;
	for (unsigned i = 0; i < sizeof(masks) / sizeof(*masks); i++)
		if (mask & masks[i].mask)
			valid |= masks[i].valid;
	int error = backing_copy_up(node, true);
	if (error || !valid || !node->upper)
		return error;
	if (mask & ATTRIBUTE_MTIME && S_ISREG(node->vnode.mode)) {
		error = backing_write_back(node); /* which would set another time */
		if (error)
			return error;
	}
	return service_set(ram_backing(node), node->upper, valid, &wanted);
}
