/* See tar.h. The archive is outside data: sizes and names are checked, and names are walked like any guest's
 * path. */
#include "../internal.h"
#include "name.h"
#include "ramfs.h"
#include "tar.h"

#define BLOCK 512u

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], modified[12], checksum[8], type, link[100],
	    magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "tar header");

static bool octal(const char *text, size_t size, uint64_t *value)
{
	*value = 0;
	size_t i = 0;
	while (i < size && text[i] == ' ')
		i++;
	for (; i < size && text[i] && text[i] != ' '; i++) {
		if (text[i] < '0' || text[i] > '7' || *value >> 60)
			return false;
		*value = *value * 8 + (uint64_t)(text[i] - '0');
	}
	return true;
}

static bool checksum_good(const struct header *header)
{
	const uint8_t *bytes = (const uint8_t *)header;
	uint64_t want;
	uint64_t sum = 0;
	for (size_t i = 0; i < BLOCK; i++) {
		bool inside = i >= offsetof(struct header, checksum) && i < offsetof(struct header, type);
		sum += inside ? ' ' : bytes[i];
	}
	return octal(header->checksum, sizeof(header->checksum), &want) && want == sum;
}

static void copy_field(char *to, const char *from, size_t size)
{
	size_t length = strnlen(from, size);
	memcpy(to, from, length);
	to[length] = 0;
}

/* Makes the directories that lead to PATH. */
static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		struct parent_walk parent;
		*slash = 0;
		if (slash[1] && path_parent(AT_FDCWD, path, &parent) == 0) {
			int error;
			struct dentry *there =
			    dentry_lookup(parent.directory.dentry, parent.name, parent.length, &error);
			if (!there && parent.length) {
				struct vnode *directory = parent.directory.dentry->vnode;
				struct vnode *made = directory->ops->create(
				    directory, parent.name, parent.length, S_IFDIR | 0755, 0, &error);
				there = made ? dentry_enter(parent.directory.dentry, parent.name,
				                            parent.length, made)
				             : 0;
			}
			if (there)
				dentry_release(there);
			path_release(&parent.directory);
		}
		*slash = '/';
	}
}

static bool write_file(struct vnode *vnode, const uint8_t *data, uint64_t size)
{
	struct file file = {.vnode = vnode, .flags = O_WRONLY, .ops = &ramfs_file_ops};
	struct linux_iovec one;
	struct io io;
	int64_t position = 0;
	io_init_kernel(&io, &one, (void *)(uintptr_t)data, size);
	while (io.remaining)
		if (ramfs_file_ops.write(&file, &io, &position) <= 0)
			return false;
	return true;
}

static const char *unpack_one(const struct header *header, char *path, const char *link, const uint8_t *data,
                              uint64_t size)
{
	struct parent_walk parent;
	uint64_t mode;
	if (!octal(header->mode, sizeof(header->mode), &mode))
		return "a mode is malformed";
	if (!path[0])
		return 0;
	make_parents(path);
	if (path_parent(AT_FDCWD, path, &parent))
		return "a name leads nowhere";
	struct vnode *directory = parent.directory.dentry->vnode;
	const char *wrong = 0;
	int error = 0;
	struct vnode *made = 0;
	if (!parent.length || parent.name[0] == 0 || strcmp(parent.name, ".") == 0 ||
	    strcmp(parent.name, "..") == 0 || !directory->ops->create) {
		path_release(&parent.directory);
		return 0;
	}
	struct dentry *old = dentry_lookup(parent.directory.dentry, parent.name, parent.length, &error);
	bool wants_directory = header->type == '5';
	if (old && !(wants_directory && S_ISDIR(old->vnode->mode))) {
		if (directory->ops->unlink(directory, parent.name, parent.length, old->vnode) == 0)
			dentry_drop(old);
		else
			wrong = "a name is taken by a directory";
	}
	if (old && wants_directory && S_ISDIR(old->vnode->mode)) {
		old->vnode->mode = S_IFDIR | (uint32_t)(mode & 07777);
	} else if (!wrong) {
		struct path target;
		switch (header->type) {
		case '0':
		case 0:
			made = directory->ops->create(directory, parent.name, parent.length,
			                              S_IFREG | (uint32_t)(mode & 07777), 0, &error);
			if (made && !write_file(made, data, size))
				wrong = "there is not enough memory for them";
			break;
		case '5':
			made = directory->ops->create(directory, parent.name, parent.length,
			                              S_IFDIR | (uint32_t)(mode & 07777), 0, &error);
			break;
		case '2':
			made = directory->ops->symlink(directory, parent.name, parent.length, link, &error);
			break;
		case '1':
			if (path_walk(AT_FDCWD, link, 0, &target))
				wrong = "a link leads nowhere";
			else {
				if (S_ISDIR(target.dentry->vnode->mode) ||
				    directory->ops->link(directory, parent.name, parent.length,
				                         target.dentry->vnode))
					wrong = "a link cannot be made";
				path_release(&target);
			}
			break;
		default:
			wrong = "one is neither file, directory nor link";
		}
		if (!made && !wrong && header->type != '1')
			wrong = "one cannot be made";
		if (made)
			vnode_release(made);
	}
	if (old)
		dentry_release(old);
	path_release(&parent.directory);
	return wrong;
}

const char *tar_unpack(const void *archive, uint64_t bytes)
{
	const uint8_t *at = archive;
	static char path[PATH_MAX_BYTES];
	static char link[PATH_MAX_BYTES];
	bool long_path = false;
	bool long_link = false;
	for (uint64_t done = 0; bytes - done >= BLOCK;) {
		const struct header *header = (const struct header *)(at + done);
		uint64_t size;
		if (!header->name[0])
			return 0;
		if (!checksum_good(header) || !octal(header->size, sizeof(header->size), &size))
			return "the archive is damaged";
		done += BLOCK;
		if (size > bytes - done)
			return "the archive is cut short";
		const uint8_t *data = at + done;
		done += (size + BLOCK - 1) & ~(uint64_t)(BLOCK - 1);
		if (done > bytes)
			done = bytes;
		if (header->type == 'L' || header->type == 'K') {
			if (size >= PATH_MAX_BYTES)
				return "a name is too long";
			copy_field(header->type == 'L' ? path : link, (const char *)data, size);
			*(header->type == 'L' ? &long_path : &long_link) = true;
			continue;
		}
		if (!long_path) {
			size_t prefix = memcmp(header->magic, "ustar", 6) == 0
			                    ? strnlen(header->prefix, sizeof(header->prefix))
			                    : 0;
			memcpy(path, header->prefix, prefix);
			if (prefix)
				path[prefix++] = '/';
			copy_field(path + prefix, header->name, sizeof(header->name));
		}
		if (!long_link)
			copy_field(link, header->link, sizeof(header->link));
		long_path = long_link = false;
		/* Hard links name a member of the archive: from the root too. */
		const char *wrong = unpack_one(header, path, link, data, size);
		if (wrong) {
			linux_log("linux: %s\n", path);
			return wrong;
		}
	}
	return 0;
}
