/* See ramfs.h: nodes and directories. */
#include <sysimg/sysimg.h>
#include "../internal.h"
#include "errand.h"
#include "ramfs_data.h"

#define BUCKETS_FIRST 8u

static const struct vnode_ops ramfs_vnode_ops;
static const struct file_ops ramfs_directory_ops;

/* The parent directory a directory node was made in, for getdents' "..". Kept by number only. */
struct ram_node *ram_node_create(struct filesystem *filesystem, uint32_t mode)
{
	struct ram_node *node = 0;
	if (!filesystem->nodes_max || filesystem->nodes_used < filesystem->nodes_max)
		node = (struct ram_node *)vnode_create(filesystem, mode, sizeof(*node));
	if (!node)
		return 0;
	struct credentials *credentials = current_task() ? &current_task()->credentials : 0;
	node->vnode.uid = credentials ? credentials->fsuid : 0;
	node->vnode.gid = credentials ? credentials->fsgid : 0;
	lock_init(&node->lock, LOCK_OBJECT);
	list_init(&node->doomed);
	filesystem->nodes_used++;
	node->vnode.ops = &ramfs_vnode_ops;
	node->vnode.file_ops = S_ISDIR(mode) ? &ramfs_directory_ops : &ramfs_file_ops;
	node->lower_directory = node->image_directory = -1;
	node->next_sequence = 3;
	list_init(&node->entries);
	list_init(&node->dirty);
	list_init(&node->loaded);
	if (S_ISDIR(mode))
		node->vnode.links = 2;
	return node;
}

static uint32_t hash_name(const char *name, uint32_t length)
{
	uint32_t hash = 2166136261u;
	for (uint32_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)name[i]) * 16777619u;
	return hash;
}

struct ram_entry *ram_entry_find(struct ram_node *directory, const char *name, uint32_t length)
{
	if (!directory->bucket_count)
		return 0;
	uint32_t hash = hash_name(name, length);
	struct ram_entry *entry = directory->buckets[hash % directory->bucket_count];
	while (entry &&
	       (entry->hash != hash || entry->length != length || memcmp(entry->name, name, length) != 0))
		entry = entry->hash_next;
	return entry;
}

static bool buckets_grow(struct ram_node *directory)
{
	uint32_t count = directory->bucket_count ? directory->bucket_count * 4 : BUCKETS_FIRST;
	struct ram_entry **buckets = heap_allocate(count * sizeof(void *));
	if (!buckets)
		return false;
	struct ram_entry *entry;
	list_for_each(entry, &directory->entries, link)
	{
		entry->hash_next = buckets[entry->hash % count];
		buckets[entry->hash % count] = entry;
	}
	heap_free(directory->buckets);
	directory->buckets = buckets;
	directory->bucket_count = count;
	return true;
}

void ram_entry_name(struct ram_node *directory, struct ram_entry *entry, struct ram_node *node)
{
	entry->node = node;
	node->parent = directory;
	node->entry = entry;
}

/* An entry that entry_put can enter in DIRECTORY without failing; 0: no memory. heap_free lets it go. */
static struct ram_entry *entry_prepare(struct ram_node *directory, const char *name, uint32_t length)
{
	if (directory->entry_count >= directory->bucket_count * 2 && !buckets_grow(directory) &&
	    !directory->bucket_count)
		return 0;
	struct ram_entry *entry = heap_allocate(sizeof(*entry) + length + 1);
	if (!entry)
		return 0;
	memcpy(entry->name, name, length);
	entry->length = (uint8_t)length;
	entry->hash = hash_name(name, length);
	return entry;
}

/* Enters it, with NODE (a reference that goes over) or the image's node LOWER. */
static void entry_put(struct ram_node *directory, struct ram_entry *entry, struct ram_node *node,
                      int64_t lower)
{
	entry->node = node;
	entry->lower = lower;
	entry->sequence = directory->next_sequence++;
	struct ram_entry **bucket = &directory->buckets[entry->hash % directory->bucket_count];
	entry->hash_next = *bucket;
	*bucket = entry;
	list_append(&directory->entries, &entry->link);
	directory->entry_count++;
	if (node)
		ram_entry_name(directory, entry, node);
}

struct ram_entry *ram_entry_add(struct ram_node *directory, const char *name, uint32_t length,
                                struct ram_node *node, int64_t lower)
{
	struct ram_entry *entry = entry_prepare(directory, name, length);
	if (entry)
		entry_put(directory, entry, node, lower);
	return entry;
}

void ram_entry_remove(struct ram_node *directory, struct ram_entry *entry)
{
	struct ram_entry **at = &directory->buckets[entry->hash % directory->bucket_count];
	while (*at != entry)
		at = &(*at)->hash_next;
	*at = entry->hash_next;
	list_remove(&entry->link);
	directory->entry_count--;
	if (entry->node && entry->node->entry == entry) {
		entry->node->entry = 0;
		entry->node->parent = 0;
	}
	heap_free(entry);
}

/* ---- The image and the service below ---- */

static int image_enter(struct ram_node *directory)
{
	const struct sysimg *image = image_get();
	const char *name;
	size_t length;
	int64_t node;
	for (uint64_t i = 0;
	     (node = sysimg_entry(image, (uint32_t)directory->lower_directory, i, &name, &length)) >= 0;
	     i++) {
		if (directory->upper && ram_entry_find(directory, name, (uint32_t)length))
			continue; /* the service's hides it */
		if (!ram_entry_add(directory, name, (uint32_t)length, 0, node))
			return -ENOMEM;
	}
	return 0;
}

/* Enters the names of what is below DIRECTORY, once. */
static int lower_enter(struct ram_node *directory)
{
	struct ram_entry *entry;
	struct ram_entry *next;
	if (ram_shared(directory) || (directory->lower_directory < 0 && !directory->unlisted))
		return 0;
	if (directory->unlisted && !directory->listing && errand_names(directory))
		return -EERRAND;
	int error = directory->unlisted ? backing_list(directory) : 0;
	if (!error && directory->lower_directory >= 0)
		error = image_enter(directory);
	if (!error) {
		if (directory->unlisted)
			backing_listed(directory);
		directory->unlisted = false;
		directory->lower_directory = -1;
		return 0;
	}
	list_for_each_safe(entry, next, &directory->entries, link) ram_entry_remove(directory, entry);
	return error;
}

/* The ramfs node of an entry, made from what is below at its first use. */
static struct ram_node *entry_node(struct ram_node *directory, struct ram_entry *entry, int *error)
{
	if (entry->node)
		return entry->node;
	if (entry->upper) {
		struct ram_node *kept = backing_node(directory, entry, error);
		if (kept)
			ram_entry_name(directory, entry, kept);
		return kept;
	}
	*error = -ENOMEM;
	const struct sysimg *image = image_get();
	const struct sysimg_node *lower = &image->nodes[entry->lower];
	struct ram_node *node = ram_node_create(directory->vnode.filesystem, lower->mode);
	if (!node)
		return 0;
	node->vnode.uid = lower->owner;
	node->vnode.gid = lower->group;
	node->vnode.inode = (uint64_t)entry->lower + 1;
	node->vnode.accessed = node->vnode.modified = node->vnode.changed =
	    (struct linux_timespec){(int64_t)lower->modified, 0};
	if (S_ISDIR(lower->mode)) {
		node->vnode.links = lower->links;
		node->lower_directory = entry->lower;
		node->image_directory = ram_backing(node) ? entry->lower : -1;
	} else if (S_ISLNK(lower->mode)) {
		node->target = heap_allocate(lower->size + 1);
		if (!node->target) {
			directory->vnode.filesystem->nodes_used--;
			heap_free(node);
			return 0;
		}
		memcpy(node->target, image->names + lower->offset, lower->size);
		node->vnode.size = lower->size;
	} else if (S_ISREG(lower->mode)) {
		node->vnode.size = lower->size;
		if (lower->size) {
			node->data.lower = image->bytes + lower->offset;
			node->data.lower_offset = lower->offset;
			node->data.lower_node = (uint32_t)entry->lower;
		}
	} else {
		node->vnode.device_number = lower->device;
	}
	ram_entry_name(directory, entry, node);
	return node;
}

/* ---- Operations on nodes ---- */

static void touch(struct ram_node *node)
{
	node->vnode.modified = node->vnode.changed = clock_realtime_timespec();
}

static struct vnode *ramfs_lookup(struct vnode *vnode, const char *name, uint32_t length, int *error)
{
	struct ram_node *directory = ram_node(vnode);
	*error = ram_shared(directory) ? backing_refresh(directory, name, length) : lower_enter(directory);
	if (*error)
		return 0;
	struct ram_entry *entry = ram_entry_find(directory, name, length);
	if (!entry) {
		*error = -ENOENT;
		return 0;
	}
	struct ram_node *node = entry_node(directory, entry, error);
	return node ? vnode_reference(&node->vnode) : 0;
}

/* TARGET, of a symbolic link, goes over. */
static struct ram_node *make(struct ram_node *directory, const char *name, uint32_t length, uint32_t mode,
                             uint64_t device, char *target, int *error)
{
	*error = lower_enter(directory);
	if (*error)
		return 0;
	if (ram_entry_find(directory, name, length)) {
		*error = -EEXIST;
		return 0;
	}
	struct ram_node *node = pressure_allowance(sizeof(*node) + sizeof(struct ram_entry) + length)
	                            ? ram_node_create(directory->vnode.filesystem, mode)
	                            : 0;
	struct ram_entry *entry = node ? entry_prepare(directory, name, length) : 0;
	if (!entry) {
		if (node)
			directory->vnode.filesystem->nodes_used--;
		heap_free(node);
		*error = -ENOSPC;
		return 0;
	}
	if (directory->vnode.mode & S_ISGID) {
		node->vnode.gid = directory->vnode.gid;
		if (S_ISDIR(mode))
			node->vnode.mode |= S_ISGID;
	}
	node->vnode.born = node->vnode.changed;
	node->vnode.device_number = device;
	node->target = target;
	node->vnode.size = target ? strlen(target) : 0;
	*error = acl_inherit(&directory->vnode, &node->vnode);
	if (!*error && ram_backing(node)) {
		*error = backing_make(directory, entry->name, node);
		node->attributes_loaded = true; /* it has what it inherits */
		if (!*error && (*error = acl_keep(&node->vnode)) != 0)
			(void)backing_unlink(directory, entry->name, node);
	}
	if (*error) {
		node->target = 0;
		heap_free(entry);
		vnode_release(&node->vnode);
		return 0;
	}
	entry_put(directory, entry, node, -1);
	if (S_ISDIR(mode))
		directory->vnode.links++;
	touch(directory);
	return node;
}

static struct vnode *ramfs_create_node(struct vnode *vnode, const char *name, uint32_t length, uint32_t mode,
                                       uint64_t device, int *error)
{
	struct ram_node *node = make(ram_node(vnode), name, length, mode, device, 0, error);
	return node ? vnode_reference(&node->vnode) : 0;
}

static struct vnode *ramfs_symlink(struct vnode *vnode, const char *name, uint32_t length, const char *target,
                                   int *error)
{
	char *copy = heap_string(target);
	if (!copy) {
		*error = -ENOSPC;
		return 0;
	}
	struct ram_node *node = make(ram_node(vnode), name, length, S_IFLNK | 0777, 0, copy, error);
	if (!node) {
		heap_free(copy);
		return 0;
	}
	return vnode_reference(&node->vnode);
}

static int ramfs_link(struct vnode *vnode, const char *name, uint32_t length, struct vnode *target)
{
	struct ram_node *directory = ram_node(vnode);
	int error = lower_enter(directory);
	if (error)
		return error;
	if (ram_entry_find(directory, name, length))
		return -EEXIST;
	struct ram_entry *entry = entry_prepare(directory, name, length);
	if (!entry)
		return -ENOSPC;
	error = ram_backing(directory) ? backing_link(directory, entry->name, ram_node(target)) : 0;
	if (error) {
		heap_free(entry);
		return error;
	}
	entry_put(directory, entry, ram_node(target), -1);
	vnode_reference(target);
	target->links++;
	target->changed = clock_realtime_timespec();
	touch(directory);
	return 0;
}

static int directory_empty(struct ram_node *node)
{
	int error = ram_shared(node) ? backing_refresh_all(node) : lower_enter(node);
	return error ? error : node->entry_count ? -ENOTEMPTY : 0;
}

void ram_entry_detach(struct ram_node *directory, struct ram_entry *entry)
{
	struct ram_node *node = entry->node;
	ram_entry_remove(directory, entry);
	touch(directory);
	if (!node)
		return;
	if (S_ISDIR(node->vnode.mode)) {
		directory->vnode.links--;
		node->vnode.links = 0;
	} else {
		node->vnode.links--;
	}
	node->vnode.changed = directory->vnode.changed;
	vnode_release(&node->vnode);
}

static int ramfs_unlink(struct vnode *vnode, const char *name, uint32_t length, struct vnode *target)
{
	struct ram_node *directory = ram_node(vnode);
	struct ram_entry *entry = ram_entry_find(directory, name, length);
	if (!entry || &entry->node->vnode != target)
		return -ENOENT;
	int error = S_ISDIR(target->mode) ? directory_empty(ram_node(target)) : 0;
	if (!error && ram_backing(directory))
		error = backing_unlink(directory, entry->name, entry->node);
	if (error)
		return error;
	ram_entry_detach(directory, entry);
	return 0;
}

enum { RENAME_NOREPLACE = 1, RENAME_EXCHANGE = 2 };

static int ramfs_rename(struct vnode *from, const char *from_name, uint32_t from_length, struct vnode *to,
                        const char *to_name, uint32_t to_length, uint32_t flags)
{
	struct ram_node *source = ram_node(from);
	struct ram_node *target = ram_node(to);
	int error = lower_enter(target);
	if (error)
		return error;
	struct ram_entry *old = ram_entry_find(source, from_name, from_length);
	struct ram_entry *over = ram_entry_find(target, to_name, to_length);
	if (!old || !entry_node(source, old, &error))
		return old ? error : -ENOENT;
	struct ram_node *node = old->node;
	bool directory = S_ISDIR(node->vnode.mode);
	if (over && !entry_node(target, over, &error))
		return error;
	if (flags & RENAME_EXCHANGE) {
		if (!over)
			return -ENOENT;
		error = ram_backing(node) && over->node != node
		            ? backing_rename(source, old->name, target, over->name, node, over->node, flags)
		            : 0;
		if (error)
			return error;
		struct ram_node *other = over->node;
		ram_entry_name(source, old, other);
		ram_entry_name(target, over, node);
		if (directory != S_ISDIR(old->node->vnode.mode)) {
			source->vnode.links += directory ? -1u : 1u;
			target->vnode.links += directory ? 1u : -1u;
		}
		touch(source);
		touch(target);
		return 0;
	}
	if (over) {
		if (flags & RENAME_NOREPLACE)
			return -EEXIST;
		if (over->node == node)
			return 0;
		if (S_ISDIR(over->node->vnode.mode) != directory)
			return directory ? -ENOTDIR : -EISDIR;
		error = directory ? directory_empty(over->node) : 0;
		if (error)
			return error;
	}
	struct ram_entry *place = over ? over : entry_prepare(target, to_name, to_length);
	if (!place)
		return -ENOSPC;
	if (ram_backing(node)) {
		error = backing_rename(source, old->name, target, place->name, node, over ? over->node : 0,
		                       flags);
		if (error) {
			if (!over)
				heap_free(place);
			return error;
		}
	}
	/* Nothing fails from here on. */
	if (!over) {
		entry_put(target, place, node, -1);
	} else {
		struct ram_node *replaced = over->node;
		ram_entry_name(target, over, node);
		replaced->parent = 0;
		replaced->entry = 0;
		replaced->vnode.links -= S_ISDIR(replaced->vnode.mode) ? replaced->vnode.links : 1;
		replaced->vnode.changed = clock_realtime_timespec();
		if (directory)
			target->vnode.links--;
		vnode_release(&replaced->vnode);
	}
	if (directory) {
		source->vnode.links--;
		target->vnode.links++;
	}
	ram_entry_remove(source, old);
	touch(source);
	touch(target);
	node->vnode.changed = target->vnode.changed;
	return 0;
}

static int64_t ramfs_readlink(struct vnode *vnode, char *text, uint32_t size)
{
	uint32_t length = vnode->size < size ? (uint32_t)vnode->size : size;
	memcpy(text, ram_node(vnode)->target, length);
	return length;
}

static int ramfs_setattr(struct vnode *vnode, const struct attributes *attributes, uint32_t mask)
{
	int loaded = mask & ATTRIBUTE_MODE ? acl_load(vnode) : 0;
	if (loaded)
		return loaded;
	if (ram_backing(ram_node(vnode)) && mask & ~(uint32_t)ATTRIBUTE_SIZE) {
		int error = backing_set(ram_node(vnode), attributes, mask);
		if (error)
			return error;
	}
	if (mask & ATTRIBUTE_SIZE) {
		int error = ramfs_resize(vnode, attributes->size);
		if (error)
			return error;
	}
	vnode_set_attributes(vnode, attributes, mask);
	return mask & ATTRIBUTE_MODE ? acl_follow_mode(vnode) : 0;
}

int ramfs_resize(struct vnode *vnode, uint64_t size)
{
	struct backing *backing = ram_backing(ram_node(vnode));
	backing_change(backing);
	int error = ram_data_resize(ram_node(vnode), size);
	if (!error)
		touch(ram_node(vnode));
	backing_change_end(backing);
	return error;
}

static int ramfs_open(struct vnode *vnode, struct file *file)
{
	if (S_ISCHR(vnode->mode) || S_ISBLK(vnode->mode))
		return device_open(vnode, file);
	if (S_ISFIFO(vnode->mode))
		return fifo_open(vnode, file);
	if (S_ISSOCK(vnode->mode))
		return -ENXIO;
	file->ops = vnode->file_ops;
	return 0;
}

static void ramfs_release(struct vnode *vnode)
{
	struct ram_node *node = ram_node(vnode);
	struct ram_entry *entry;
	struct ram_entry *next;
	list_for_each_safe(entry, next, &node->entries, link)
	{
		if (entry->node)
			vnode_release(&entry->node->vnode);
		heap_free(entry);
	}
	heap_free(node->buckets);
	heap_free(node->target);
	if (ram_backing(node))
		backing_forget(node);
	ram_data_free(node);
	vnode->filesystem->nodes_used--;
}

static const struct vnode_ops ramfs_vnode_ops = {
    .lookup = ramfs_lookup,
    .create = ramfs_create_node,
    .link = ramfs_link,
    .unlink = ramfs_unlink,
    .rename = ramfs_rename,
    .symlink = ramfs_symlink,
    .readlink = ramfs_readlink,
    .setattr = ramfs_setattr,
    .open = ramfs_open,
    .release = ramfs_release,
};

/* ---- Open directories ---- */

static int64_t ramfs_getdents(struct file *file, struct dirent_sink *sink)
{
	struct ram_node *node = ram_node(file->vnode);
	struct linux_timespec now;
	int64_t error =
	    ram_shared(node) && file->position < 1 ? backing_refresh_all(node) : lower_enter(node);
	if (error)
		return error;
	if (node->vnode.links == 0)
		return -ENOENT;
	if (access_time_due(file, &now))
		node->vnode.accessed = now;
	if (file->position < 1) {
		if (!sink->entry(sink, ".", 1, node->vnode.inode, DT_DIR, 1))
			return 0;
		file->position = 1;
	}
	if (file->position < 2) {
		struct dentry *dentry = file->path.dentry;
		uint64_t inode = dentry ? dentry->parent->vnode->inode : node->vnode.inode;
		if (!sink->entry(sink, "..", 2, inode, DT_DIR, 2))
			return 0;
		file->position = 2;
	}
	struct ram_entry *entry;
	list_for_each(entry, &node->entries, link)
	{
		if (entry->sequence < file->position)
			continue;
		uint32_t mode = entry->node    ? entry->node->vnode.mode
		                : entry->upper ? entry->mode
		                               : image_get()->nodes[entry->lower].mode;
		uint64_t inode = entry->node    ? entry->node->vnode.inode
		                 : entry->upper ? backing_inode(node, entry)
		                                : (uint64_t)entry->lower + 1;
		if (!sink->entry(sink, entry->name, entry->length, inode, (uint8_t)((mode & S_IFMT) >> 12),
		                 entry->sequence + 1))
			return 0;
		file->position = entry->sequence + 1;
	}
	return 0;
}

static int64_t ramfs_directory_seek(struct file *file, int64_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->position;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (offset < 0)
		return -EINVAL;
	return file->position = offset;
}

static int64_t ramfs_directory_read(struct file *file, struct io *io, int64_t *position)
{
	(void)file;
	(void)io;
	(void)position;
	return -EISDIR;
}

static int64_t ramfs_directory_sync(struct file *file, bool data_only)
{
	struct ram_node *node = ram_node(file->vnode);
	return ram_backing(node) ? backing_sync(node, data_only) : 0;
}

static const struct file_ops ramfs_directory_ops = {
    .sync = ramfs_directory_sync,
    .read = ramfs_directory_read,
    .seekable = true,
    .getdents = ramfs_getdents,
    .seek = ramfs_directory_seek,
};

/* ---- Making file systems and nodes from inside ---- */

struct filesystem *ramfs_create(const char *name, uint32_t mode)
{
	static uint64_t next_device = 0x10;
	struct ram_filesystem *made = heap_allocate(sizeof(*made));
	if (!made)
		return 0;
	struct filesystem *filesystem = &made->filesystem;
	filesystem->name = name;
	filesystem->attributes = true;
	filesystem->magic = TMPFS_MAGIC;
	filesystem->device = next_device++;
	struct ram_node *root = ram_node_create(filesystem, S_IFDIR | mode);
	if (!root) {
		heap_free(filesystem);
		return 0;
	}
	root->vnode.born = root->vnode.changed;
	filesystem->root = &root->vnode;
	return filesystem;
}

/* Ends all directories and files of FILESYSTEM; nothing of it is open, and no name is cached. Directories are
 * worked off from a list: how deep they are is the guest's choice. One may be under two names, where a
 * service says so. */
static void tree_destroy(struct filesystem *filesystem)
{
	struct list directories;
	list_init(&directories);
	list_append(&directories, &ram_node(filesystem->root)->doomed);
	while (!list_empty(&directories)) {
		struct ram_node *node = list_first(&directories, struct ram_node, doomed);
		list_remove(&node->doomed);
		while (!list_empty(&node->entries)) {
			struct ram_entry *entry = list_first(&node->entries, struct ram_entry, link);
			struct ram_node *child = entry->node;
			list_remove(&entry->link);
			heap_free(entry);
			if (child && S_ISDIR(child->vnode.mode) && list_empty(&child->doomed))
				list_append(&directories, &child->doomed);
			else if (child)
				vnode_release(&child->vnode);
		}
		vnode_release(&node->vnode);
	}
}

static void ramfs_destroy(struct filesystem *filesystem)
{
	tree_destroy(filesystem);
	heap_free(filesystem);
}

struct filesystem *ramfs_create_tmpfs(void)
{
	struct filesystem *filesystem = ramfs_create("tmpfs", 01777);
	if (filesystem) {
		filesystem->release = ramfs_destroy;
		filesystem->configure = ramfs_configure;
		filesystem->options = ramfs_options;
	}
	return filesystem;
}

static void backed_release(struct filesystem *filesystem)
{
	struct backing *backing = ((struct ram_filesystem *)filesystem)->backing;
	backing_sync_last(backing);
	backing_end(backing);
	tree_destroy(filesystem);
	backing_destroy(backing);
	heap_free(filesystem);
}

static void backed_settle(struct filesystem *filesystem)
{
	backing_settle(((struct ram_filesystem *)filesystem)->backing);
}

static void backed_statistics(const struct filesystem *filesystem, struct linux_statfs *statfs)
{
	struct backing *backing = ((const struct ram_filesystem *)filesystem)->backing;
	backing_forget_beside(backing);
	backing_statistics(backing, statfs);
}

static void backed_change(struct filesystem *filesystem, bool begins)
{
	struct backing *backing = ((struct ram_filesystem *)filesystem)->backing;
	if (begins)
		backing_change(backing);
	else
		backing_change_end(backing);
}

static int backed_attributes_load(struct vnode *vnode)
{
	return backing_attributes_load(ram_node(vnode));
}

static int backed_attribute_keep(struct vnode *vnode, const char *name, const void *value, uint64_t bytes)
{
	return backing_attribute_keep(ram_node(vnode), name, value, bytes);
}

static struct filesystem *create_on(struct backing *backing, bool read_only, bool image, int *error)
{
	struct filesystem *filesystem = backing ? ramfs_create("vault", 0755) : 0;
	if (!filesystem) {
		if (backing) {
			backing_destroy(backing);
			*error = -ENOMEM;
		}
		return 0;
	}
	struct ram_node *root = ram_node(filesystem->root);
	((struct ram_filesystem *)filesystem)->backing = backing;
	backing->filesystem = filesystem;
	filesystem->magic = 0x484f4c46; /* "HOLF" */
	filesystem->flags = read_only ? FILESYSTEM_READ_ONLY : 0;
	filesystem->release = backed_release;
	filesystem->settle = backed_settle;
	filesystem->statistics = backed_statistics;
	filesystem->change = backed_change;
	filesystem->attributes_load = backed_attributes_load;
	filesystem->attribute_keep = backed_attribute_keep;
	*error = backing_root(backing, root);
	if (image)
		root->lower_directory = root->image_directory = image_root();
	if (*error) {
		backed_release(filesystem);
		return 0;
	}
	return filesystem;
}

struct filesystem *ramfs_create_backed(handle_t mount, bool read_only, bool image, int *error)
{
	return create_on(backing_create(mount, read_only, image, error), read_only, image, error);
}

struct filesystem *ramfs_create_shared(handle_t mount, bool read_only, int *error)
{
	struct filesystem *filesystem =
	    create_on(backing_create_shared(mount, read_only, error), read_only, false, error);
	if (!filesystem)
		return 0;
	filesystem->name = "portal";
	filesystem->flags |= FILESYSTEM_UNCACHED;
	filesystem->attributes = false;
	filesystem->attributes_load = 0;
	filesystem->attribute_keep = 0;
	return filesystem;
}

struct filesystem *ramfs_create_on_device(struct vnode *vnode, const char *type, const char *options,
                                          bool read_only, int *error)
{
	struct started_service service = {0};
	handle_t device = 0;
	handle_t mount = 0;
	int64_t magic = 0;
	const char *name = files_type(type, &magic);
	*error = block_device_give_node(vnode, &device);
	if (!*error)
		*error = files_mount_device(device, type, options, read_only, &service, &mount);
	if (*error)
		return 0;
	struct filesystem *filesystem = ramfs_create_backed(mount, read_only, false, error);
	if (!filesystem) {
		service_kill(&service);
		return 0;
	}
	((struct ram_filesystem *)filesystem)->backing->service = service;
	filesystem->name = name;
	filesystem->magic = magic;
	return filesystem;
}

struct filesystem *ramfs_create_root(handle_t volume, int *error)
{
	if (volume) {
		int64_t again = cap_copy(volume, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0);
		struct filesystem *backed = ramfs_create_backed(volume, false, true, error);
		if (!backed && *error == -EROFS && again >= 0)
			return ramfs_create_backed((handle_t)again, true, true, error);
		if (again >= 0)
			cap_delete((handle_t)again);
		return backed;
	}
	struct filesystem *filesystem = ramfs_create("rootfs", 0755);
	*error = filesystem ? 0 : -ENOMEM;
	if (filesystem)
		ram_node(filesystem->root)->lower_directory = image_root();
	return filesystem;
}

struct vnode *ramfs_file(struct filesystem *filesystem, uint32_t mode)
{
	struct ram_node *node = ram_node_create(filesystem, S_IFREG | (mode & 07777));
	if (!node)
		return 0;
	node->vnode.links = 0;
	node->vnode.born = node->vnode.changed;
	return &node->vnode;
}

struct vnode *ramfs_make(struct vnode *directory, const char *name, uint32_t mode, uint64_t device)
{
	int error;
	return ramfs_create_node(directory, name, (uint32_t)strlen(name), mode, device, &error);
}
