/* See ramfs.h: nodes and directories. */
#include <sysimg/sysimg.h>
#include "../internal.h"
#include "ramfs_data.h"

#define BUCKETS_FIRST 8u

struct ram_entry {
	struct ram_entry *hash_next;
	struct list link; /* in order */
	int64_t sequence; /* getdents offset: ascending, from 3 on (1 and 2 are "." and "..") */
	uint32_t hash;
	struct ram_node *node; /* 0 while it is only in the image */
	int64_t lower;         /* node of the image, while node is 0 */
	uint8_t length;
	char name[];
};

static const struct vnode_ops ramfs_vnode_ops;
static const struct file_ops ramfs_directory_ops;

/* The parent directory a directory node was made in, for getdents' "..". Kept by number only. */
static struct ram_node *node_create(struct filesystem *filesystem, uint32_t mode)
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
	node->lower_directory = -1;
	node->next_sequence = 3;
	list_init(&node->entries);
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

static struct ram_entry *entry_find(struct ram_node *directory, const char *name, uint32_t length)
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

/* Enters NODE (a reference that goes over) or the image's node LOWER. */
static struct ram_entry *entry_add(struct ram_node *directory, const char *name, uint32_t length,
                                   struct ram_node *node, int64_t lower)
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
	entry->node = node;
	entry->lower = lower;
	entry->sequence = directory->next_sequence++;
	struct ram_entry **bucket = &directory->buckets[entry->hash % directory->bucket_count];
	entry->hash_next = *bucket;
	*bucket = entry;
	list_append(&directory->entries, &entry->link);
	directory->entry_count++;
	return entry;
}

static void entry_remove(struct ram_node *directory, struct ram_entry *entry)
{
	struct ram_entry **at = &directory->buckets[entry->hash % directory->bucket_count];
	while (*at != entry)
		at = &(*at)->hash_next;
	*at = entry->hash_next;
	list_remove(&entry->link);
	directory->entry_count--;
	heap_free(entry);
}

/* ---- The image below ---- */

/* Enters the names of the image's directory below DIRECTORY, once. */
static int lower_enter(struct ram_node *directory)
{
	if (directory->lower_directory < 0)
		return 0;
	const struct sysimg *image = image_get();
	uint32_t lower = (uint32_t)directory->lower_directory;
	const char *name;
	size_t length;
	int64_t node;
	directory->lower_directory = -1;
	for (uint64_t i = 0; (node = sysimg_entry(image, lower, i, &name, &length)) >= 0; i++)
		if (!entry_add(directory, name, (uint32_t)length, 0, node))
			return -ENOMEM;
	return 0;
}

/* The ramfs node of an entry, made from the image at its first use. */
static struct ram_node *entry_node(struct ram_node *directory, struct ram_entry *entry)
{
	if (entry->node)
		return entry->node;
	const struct sysimg *image = image_get();
	const struct sysimg_node *lower = &image->nodes[entry->lower];
	struct ram_node *node = node_create(directory->vnode.filesystem, lower->mode);
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
	entry->node = node;
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
	*error = lower_enter(directory);
	if (*error)
		return 0;
	struct ram_entry *entry = entry_find(directory, name, length);
	if (!entry) {
		*error = -ENOENT;
		return 0;
	}
	struct ram_node *node = entry_node(directory, entry);
	if (!node) {
		*error = -ENOMEM;
		return 0;
	}
	return vnode_reference(&node->vnode);
}

static struct ram_node *make(struct ram_node *directory, const char *name, uint32_t length, uint32_t mode,
                             int *error)
{
	*error = lower_enter(directory);
	if (*error)
		return 0;
	if (entry_find(directory, name, length)) {
		*error = -EEXIST;
		return 0;
	}
	struct ram_node *node = pressure_allowance(sizeof(*node) + sizeof(struct ram_entry) + length)
	                            ? node_create(directory->vnode.filesystem, mode)
	                            : 0;
	if (!node || !entry_add(directory, name, length, node, -1)) {
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
	if (S_ISDIR(mode))
		directory->vnode.links++;
	touch(directory);
	return node;
}

static struct vnode *ramfs_create_node(struct vnode *vnode, const char *name, uint32_t length, uint32_t mode,
                                       uint64_t device, int *error)
{
	struct ram_node *node = make(ram_node(vnode), name, length, mode, error);
	if (!node)
		return 0;
	node->vnode.device_number = device;
	return vnode_reference(&node->vnode);
}

static struct vnode *ramfs_symlink(struct vnode *vnode, const char *name, uint32_t length, const char *target,
                                   int *error)
{
	char *copy = heap_string(target);
	if (!copy) {
		*error = -ENOSPC;
		return 0;
	}
	struct ram_node *node = make(ram_node(vnode), name, length, S_IFLNK | 0777, error);
	if (!node) {
		heap_free(copy);
		return 0;
	}
	node->target = copy;
	node->vnode.size = strlen(copy);
	return vnode_reference(&node->vnode);
}

static int ramfs_link(struct vnode *vnode, const char *name, uint32_t length, struct vnode *target)
{
	struct ram_node *directory = ram_node(vnode);
	int error = lower_enter(directory);
	if (error)
		return error;
	if (entry_find(directory, name, length))
		return -EEXIST;
	if (!entry_add(directory, name, length, ram_node(target), -1))
		return -ENOSPC;
	vnode_reference(target);
	target->links++;
	target->changed = clock_realtime_timespec();
	touch(directory);
	return 0;
}

static int directory_empty(struct ram_node *node)
{
	int error = lower_enter(node);
	return error ? error : node->entry_count ? -ENOTEMPTY : 0;
}

/* Takes ENTRY's node out of DIRECTORY: one link less. */
static void detach(struct ram_node *directory, struct ram_entry *entry)
{
	struct ram_node *node = entry->node;
	entry_remove(directory, entry);
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
	struct ram_entry *entry = entry_find(directory, name, length);
	if (!entry || &entry->node->vnode != target)
		return -ENOENT;
	if (S_ISDIR(target->mode)) {
		int error = directory_empty(ram_node(target));
		if (error)
			return error;
	}
	detach(directory, entry);
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
	struct ram_entry *old = entry_find(source, from_name, from_length);
	struct ram_entry *over = entry_find(target, to_name, to_length);
	if (!old || !entry_node(source, old))
		return old ? -ENOMEM : -ENOENT;
	struct ram_node *node = old->node;
	bool directory = S_ISDIR(node->vnode.mode);
	if (over && !entry_node(target, over))
		return -ENOMEM;
	if (flags & RENAME_EXCHANGE) {
		if (!over)
			return -ENOENT;
		old->node = over->node;
		over->node = node;
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
	if (!over && !entry_add(target, to_name, to_length, node, -1))
		return -ENOSPC;
	/* Nothing fails from here on. */
	if (over) {
		struct ram_node *replaced = over->node;
		over->node = node;
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
	entry_remove(source, old);
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
	if (mask & ATTRIBUTE_SIZE) {
		int error = ramfs_resize(vnode, attributes->size);
		if (error)
			return error;
	}
	if (mask & ATTRIBUTE_MODE)
		vnode->mode = (vnode->mode & S_IFMT) | (attributes->mode & 07777);
	if (mask & ATTRIBUTE_UID)
		vnode->uid = attributes->uid;
	if (mask & ATTRIBUTE_GID)
		vnode->gid = attributes->gid;
	if (mask & ATTRIBUTE_ATIME)
		vnode->accessed = attributes->accessed;
	if (mask & ATTRIBUTE_MTIME)
		vnode->modified = attributes->modified;
	vnode->changed = clock_realtime_timespec();
	return 0;
}

int ramfs_resize(struct vnode *vnode, uint64_t size)
{
	int error = ram_data_resize(ram_node(vnode), size);
	if (!error)
		touch(ram_node(vnode));
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
	int64_t error = lower_enter(node);
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
		uint32_t mode = entry->node ? entry->node->vnode.mode : image_get()->nodes[entry->lower].mode;
		uint64_t inode = entry->node ? entry->node->vnode.inode : (uint64_t)entry->lower + 1;
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
	(void)file;
	(void)data_only;
	return 0;
}

static const struct file_ops ramfs_directory_ops = {
    .read = ramfs_directory_read,
    .sync = ramfs_directory_sync,
    .seekable = true,
    .getdents = ramfs_getdents,
    .seek = ramfs_directory_seek,
};

/* ---- Making file systems and nodes from inside ---- */

struct filesystem *ramfs_create(const char *name, uint32_t mode)
{
	static uint64_t next_device = 0x10;
	struct filesystem *filesystem = heap_allocate(sizeof(*filesystem));
	if (!filesystem)
		return 0;
	filesystem->name = name;
	filesystem->magic = 0x01021994; /* TMPFS_MAGIC */
	filesystem->device = next_device++;
	struct ram_node *root = node_create(filesystem, S_IFDIR | mode);
	if (!root) {
		heap_free(filesystem);
		return 0;
	}
	filesystem->root = &root->vnode;
	return filesystem;
}

/* Ends all directories and files of FILESYSTEM; nothing of it is open, and no name is cached. Directories are
 * worked off from a list: how deep they are is the guest's choice. */
static void ramfs_destroy(struct filesystem *filesystem)
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
			if (child && S_ISDIR(child->vnode.mode))
				list_append(&directories, &child->doomed);
			else if (child)
				vnode_release(&child->vnode);
		}
		vnode_release(&node->vnode);
	}
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

struct filesystem *ramfs_create_root(void)
{
	struct filesystem *filesystem = ramfs_create("rootfs", 0755);
	if (filesystem)
		ram_node(filesystem->root)->lower_directory = sysimg_path(image_get(), "linux");
	return filesystem;
}

struct vnode *ramfs_file(struct filesystem *filesystem, uint32_t mode)
{
	struct ram_node *node = node_create(filesystem, S_IFREG | (mode & 07777));
	if (!node)
		return 0;
	node->vnode.links = 0;
	return &node->vnode;
}

struct vnode *ramfs_make(struct vnode *directory, const char *name, uint32_t mode, uint64_t device)
{
	int error;
	return ramfs_create_node(directory, name, (uint32_t)strlen(name), mode, device, &error);
}
