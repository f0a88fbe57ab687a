/* See name.h. */
#include <text.h>
#include "../include/alloc.h"
#include "../include/task.h"
#include "handle.h"
#include "name.h"
#include "open.h"

#define HASH_SIZE   1024u
#define UNUSED_MAX  2048u
#define UNUSED_OVER 64u /* that closes while the common lock is shared may leave for later */

static struct dentry *table[HASH_SIZE];
static struct list unused = LIST_INIT(unused); /* oldest first */
static uint32_t unused_count;
static struct lock names_lock = LOCK_INIT(LOCK_NAMES);

struct vnode *vnode_create(struct filesystem *filesystem, uint32_t mode, size_t bytes)
{
	static uint64_t next_inode = 1ull << 32; /* above the numbers of the system image's nodes */
	struct vnode *vnode = heap_allocate(bytes);
	if (!vnode)
		return 0;
	vnode->references = 1;
	vnode->mode = mode;
	vnode->links = 1;
	vnode->inode = next_inode++;
	vnode->filesystem = filesystem;
	vnode->modified = vnode->accessed = vnode->changed = clock_realtime_timespec();
	list_init(&vnode->locks);
	list_init(&vnode->watches);
	return vnode;
}

void vnode_release(struct vnode *vnode)
{
	if (--vnode->references)
		return;
	if (vnode->ops->release)
		vnode->ops->release(vnode);
	xattr_free(vnode);
	acl_free(vnode);
	heap_free(vnode);
}

void vnode_set_attributes(struct vnode *vnode, const struct attributes *attributes, uint32_t mask)
{
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
}

/* ---- Dentries ---- */

static uint32_t name_hash(const struct dentry *parent, const char *name, uint32_t length)
{
	uint32_t hash = (uint32_t)((uintptr_t)parent >> 6) * 2654435761u;
	for (uint32_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)name[i]) * 16777619u;
	return hash;
}

static void hash_insert(struct dentry *dentry)
{
	dentry->hash = name_hash(dentry->parent, dentry->name, dentry->length);
	struct dentry **bucket = &table[dentry->hash % HASH_SIZE];
	dentry->hash_next = *bucket;
	*bucket = dentry;
	dentry->hashed = true;
}

static void hash_remove(struct dentry *dentry)
{
	struct dentry **at = &table[dentry->hash % HASH_SIZE];
	while (*at != dentry)
		at = &(*at)->hash_next;
	*at = dentry->hash_next;
	dentry->hashed = false;
}

/* Frees DENTRY; the parent that loses a reference by it, or 0. */
static struct dentry *dentry_free_one(struct dentry *dentry)
{
	struct dentry *parent = dentry->parent == dentry ? 0 : dentry->parent;
	if (dentry->hashed)
		hash_remove(dentry);
	else if (!dentry->vnode->links)
		inotify_vnode(dentry->vnode, IN_DELETE_SELF);
	vnode_release(dentry->vnode);
	if (dentry->name != dentry->small)
		heap_free(dentry->name);
	heap_free(dentry);
	return parent;
}

struct dentry *dentry_reference(struct dentry *dentry)
{
	if (!dentry->references++ && !list_empty(&dentry->unused)) {
		list_remove(&dentry->unused);
		unused_count--;
	}
	return dentry;
}

void dentry_release(struct dentry *dentry)
{
	/* Up a chain of parents that go with their last child: as long as a guest makes it. */
	for (;;) {
		while (dentry && !--dentry->references) {
			if (!dentry->hashed) {
				dentry = dentry_free_one(dentry);
				continue;
			}
			list_append(&unused, &dentry->unused);
			unused_count++;
			dentry = 0;
		}
		if (unused_count <= UNUSED_MAX)
			return;
		dentry = list_first(&unused, struct dentry, unused);
		list_remove(&dentry->unused);
		unused_count--;
		dentry = dentry_free_one(dentry);
	}
}

bool file_names_take(struct file *file, const struct path *path)
{
	struct vnode *vnode = path->dentry->vnode;
	bool writes = file_writable(file), fine = true;
	lock_acquire(&names_lock);
	if (writes)
		fine = vnode_write_begin(vnode);
	if (fine) {
		file->vnode = vnode_reference(vnode);
		file->path = *path;
		file_writes(file, writes);
		dentry_reference(path->dentry);
		path->mount->references++;
	}
	lock_release(&names_lock);
	return fine;
}

bool file_names_give(struct file *file)
{
	struct vnode *vnode = file->vnode;
	struct dentry *dentry = file->path.dentry;
	struct mount *mount = file->path.mount;
	if (!vnode || !dentry || !mount)
		return false;
	lock_acquire(&names_lock);
	bool plain = vnode->references > 1 && mount->references > 1 &&
	             (dentry->references > 1 || (dentry->hashed && unused_count < UNUSED_MAX + UNUSED_OVER));
	if (plain) {
		vnode->write_count -= file->write_share;
		file_writes(file, 0);
		vnode->references--;
		mount->references--;
		if (!--dentry->references) {
			list_append(&unused, &dentry->unused);
			unused_count++;
		}
	}
	lock_release(&names_lock);
	return plain;
}

static void dentry_free(struct dentry *dentry)
{
	struct dentry *parent = dentry_free_one(dentry);
	if (parent)
		dentry_release(parent);
}

/* Gives DENTRY the name NAME; false: out of memory, it keeps the old one. */
bool dentry_rename(struct dentry *dentry, const char *name, uint32_t length)
{
	char *text = length < sizeof(dentry->small) ? dentry->small : heap_allocate(length + 1);
	if (!text)
		return false;
	if (dentry->name && dentry->name != dentry->small)
		heap_free(dentry->name);
	memcpy(text, name, length);
	text[length] = 0;
	dentry->name = text;
	dentry->length = (uint8_t)length;
	return true;
}

struct dentry *dentry_create(struct dentry *parent, const char *name, uint32_t length, struct vnode *vnode)
{
	struct dentry *dentry = heap_allocate(sizeof(*dentry));
	if (!dentry || !dentry_rename(dentry, name, length)) {
		heap_free(dentry);
		return 0;
	}
	dentry->references = 1;
	dentry->vnode = vnode;
	list_init(&dentry->unused);
	dentry->parent = parent ? dentry_reference(parent) : dentry;
	return dentry;
}

struct dentry *dentry_enter(struct dentry *directory, const char *name, uint32_t length, struct vnode *vnode)
{
	struct dentry *dentry = dentry_create(directory, name, length, vnode);
	if (!dentry)
		vnode_release(vnode);
	else if (!(vnode->filesystem->flags & FILESYSTEM_UNCACHED))
		hash_insert(dentry);
	return dentry;
}

struct dentry *dentry_unnamed(struct vnode *vnode)
{
	return dentry_create(0, "", 0, vnode);
}

static struct dentry *dentry_cached(const struct dentry *directory, const char *name, uint32_t length)
{
	uint32_t hash = name_hash(directory, name, length);
	for (struct dentry *dentry = table[hash % HASH_SIZE]; dentry; dentry = dentry->hash_next)
		if (dentry->hash == hash && dentry->parent == directory && dentry->length == length &&
		    memcmp(dentry->name, name, length) == 0)
			return dentry;
	return 0;
}

struct dentry *dentry_lookup(struct dentry *directory, const char *name, uint32_t length, int *error)
{
	struct dentry *cached = dentry_cached(directory, name, length);
	if (cached)
		return dentry_reference(cached);
	struct vnode *vnode = directory->vnode;
	if (!vnode->ops->lookup) {
		*error = -ENOTDIR;
		return 0;
	}
	if (length > NAME_MAX_BYTES) {
		*error = -ENAMETOOLONG;
		return 0;
	}
	struct vnode *child = vnode->ops->lookup(vnode, name, length, error);
	if (!child)
		return 0;
	struct dentry *dentry = dentry_enter(directory, name, length, child);
	if (!dentry)
		*error = -ENOMEM;
	return dentry;
}

struct dentry *dentry_by_inode(const struct filesystem *filesystem, uint64_t inode)
{
	for (unsigned i = 0; i < HASH_SIZE; i++) {
		for (struct dentry *dentry = table[i]; dentry; dentry = dentry->hash_next) {
			struct dentry *top = dentry->parent; /* a root is in no table */
			if (dentry->vnode->inode == inode && dentry->vnode->filesystem == filesystem)
				return dentry_reference(dentry);
			if (top->parent == top && top->vnode->inode == inode &&
			    top->vnode->filesystem == filesystem)
				return dentry_reference(top);
		}
	}
	return 0;
}

void dentry_drop(struct dentry *dentry)
{
	if (dentry->hashed)
		hash_remove(dentry);
	if (!dentry->references && !list_empty(&dentry->unused)) {
		list_remove(&dentry->unused);
		unused_count--;
		dentry_free(dentry);
	}
}

static bool uncached(const struct dentry *dentry)
{
	return dentry->vnode->filesystem->flags & FILESYSTEM_UNCACHED;
}

/* A name counts for itself and for those above it, so that it can be found. */
static void keep(struct dentry *dentry, uint32_t times)
{
	for (; dentry->parent != dentry; dentry = dentry->parent) {
		dentry->kept += times;
		/* Of two with one name, made by two lookups before either was kept, the first stays the one that is found. */
		if (!dentry->hashed && !dentry_cached(dentry->parent, dentry->name, dentry->length))
			hash_insert(dentry);
		if (!uncached(dentry))
			return;
	}
}

static void let_go(struct dentry *dentry, uint32_t times)
{
	for (; dentry->parent != dentry; dentry = dentry->parent) {
		dentry->kept -= times;
		if (!uncached(dentry))
			return;
		if (!dentry->kept)
			dentry_drop(dentry);
	}
}

void dentry_keep(struct dentry *dentry)
{
	keep(dentry, 1);
}

void dentry_let_go(struct dentry *dentry)
{
	let_go(dentry, 1);
}

void dentry_move(struct dentry *dentry, struct dentry *directory, const char *name, uint32_t length)
{
	if (dentry->hashed)
		hash_remove(dentry);
	if (!dentry_rename(dentry, name, length))
		return;
	/* What is kept below it counts for those above it now, and no more for those that were. */
	struct dentry *old = dentry->parent;
	uint32_t kept = uncached(dentry) ? dentry->kept : 0;
	dentry->parent = dentry_reference(directory);
	if (kept) {
		keep(directory, kept);
		let_go(old, kept);
	}
	if (old != dentry)
		dentry_release(old);
	if (!uncached(dentry) || dentry->kept)
		hash_insert(dentry);
}

void dentry_purge(const struct filesystem *filesystem)
{
	struct list kept;
	list_init(&kept);
	while (!list_empty(&unused)) {
		struct dentry *dentry = list_first(&unused, struct dentry, unused);
		list_remove(&dentry->unused);
		if (dentry->vnode->filesystem != filesystem) {
			list_append(&kept, &dentry->unused);
			continue;
		}
		/* A parent that nobody else holds comes to the list's end by this. */
		unused_count--;
		dentry_free(dentry);
	}
	while (!list_empty(&kept)) {
		struct list *node = kept.next;
		list_remove(node);
		list_append(&unused, node);
	}
}

/* ---- Paths ---- */

void path_reference(const struct path *path)
{
	if (path->mount)
		path->mount->references++;
	if (path->dentry)
		dentry_reference(path->dentry);
}

void path_release(struct path *path)
{
	if (path->dentry)
		dentry_release(path->dentry);
	if (path->mount)
		mount_release(path->mount);
	*path = (struct path){0};
}

static bool path_same(const struct path *a, const struct path *b)
{
	return a->mount == b->mount && a->dentry == b->dentry;
}

/* To the parent directory, not above ROOT. */
static void walk_up(struct path *path, const struct path *root)
{
	while (!path_same(path, root)) {
		struct path up;
		if (path->dentry != path->mount->root) {
			up = (struct path){path->mount, path->dentry->parent};
			path_reference(&up);
			path_release(path);
			*path = up;
			cross_mounts(path);
			return;
		}
		if (!path->mount->covered.dentry)
			return;
		up = path->mount->covered;
		path_reference(&up);
		path_release(path);
		*path = up;
	}
}

/* A text that is being walked; symbolic links put their target before the rest. */
struct walk {
	const char *text; /* the caller's, or `owned` once a link was followed */
	char *owned;
	uint32_t at;
	unsigned links;
	uint32_t flags;
	struct path root;
};

static int walk_start(int directory, const char *text, struct walk *walk, struct path *start)
{
	struct fs_context *fs = current_task()->fs;
	size_t length = strnlen(text, PATH_MAX_BYTES);
	if (length == PATH_MAX_BYTES)
		return -ENAMETOOLONG;
	*start = fs->working;
	walk->root = fs->root;
	if (directory != AT_FDCWD && (text[0] != '/' || (walk->flags & WALK_IN_ROOT))) {
		struct file *file = file_of_any(directory);
		if (!file)
			return -EBADF;
		if (!file->path.dentry)
			return -ENOTDIR;
		*start = file->path;
	}
	if (walk->flags & (WALK_BENEATH | WALK_IN_ROOT))
		walk->root = *start;
	if (text[0] == '/') {
		if (walk->flags & WALK_BENEATH)
			return -EXDEV;
		*start = walk->root;
	}
	walk->text = text;
	path_reference(start);
	return 0;
}

/* Follows LINK (a dentry of *AT's directory): its text goes before what is left to walk, or a magic link's
 * path replaces *AT. */
static int walk_link(struct walk *walk, struct path *at, struct dentry *link)
{
	struct vnode *vnode = link->vnode;
	if (++walk->links > SYMLINKS_MAX || (walk->flags & WALK_NO_SYMLINKS) ||
	    (at->mount && (at->mount->flags & MS_NOSYMFOLLOW)))
		return -ELOOP;
	if (vnode->ops->follow) {
		struct path to;
		if (walk->flags & (WALK_NO_MAGIC | WALK_BENEATH | WALK_IN_ROOT))
			return -ELOOP;
		int result = vnode->ops->follow(vnode, &to);
		if (result == 0) {
			path_release(at);
			*at = to;
		}
		return result;
	}
	char *target = heap_allocate(PATH_MAX_BYTES);
	if (!target)
		return -ENOMEM;
	int64_t length = vnode->ops->readlink(vnode, target, PATH_MAX_BYTES - 1);
	size_t rest = strlen(walk->text + walk->at);
	int result = 0;
	if (length <= 0) {
		result = length ? (int)length : -ENOENT;
	} else if ((size_t)length + rest + 1 >= PATH_MAX_BYTES) {
		result = -ENAMETOOLONG;
	} else {
		memcpy(target + length, walk->text + walk->at, rest + 1);
		heap_free(walk->owned);
		walk->text = walk->owned = target;
		walk->at = 0;
		if (target[0] != '/')
			return 0;
		if (walk->flags & WALK_BENEATH)
			return -EXDEV;
		path_release(at);
		*at = walk->root;
		path_reference(at);
		return 0;
	}
	heap_free(target);
	return result;
}

/* Walks all components (or all but the last: PARENT, whose name is copied there). *AT is a referenced path
 * throughout, also on failure. */
static int walk_run(struct walk *walk, struct path *at, struct parent_walk *parent)
{
	for (;;) {
		while (walk->text[walk->at] == '/')
			walk->at++;
		const char *name = walk->text + walk->at;
		uint32_t length = 0;
		while (name[length] && name[length] != '/')
			length++;
		if (!length)
			return 0;
		uint32_t after = length;
		while (name[after] == '/')
			after++;
		bool last = !name[after];
		bool slash = after != length;
		struct vnode *directory = at->dentry->vnode;
		if (!S_ISDIR(directory->mode))
			return -ENOTDIR;
		int error = access_check(directory, 1);
		if (error)
			return error;
		if (last && parent) {
			if (length > NAME_MAX_BYTES)
				return -ENAMETOOLONG;
			memcpy(parent->name, name, length);
			parent->name[length] = 0;
			parent->length = length;
			parent->trailing_slash = slash;
			return 0;
		}
		walk->at += length;
		if (length == 1 && name[0] == '.')
			continue;
		if (length == 2 && name[0] == '.' && name[1] == '.') {
			if ((walk->flags & WALK_BENEATH) && path_same(at, &walk->root))
				return -EXDEV;
			walk_up(at, &walk->root);
			continue;
		}
		struct dentry *child = dentry_lookup(at->dentry, name, length, &error);
		if (!child)
			return error;
		if (S_ISLNK(child->vnode->mode) && (!last || slash || (walk->flags & WALK_FOLLOW))) {
			error = walk_link(walk, at, child);
			dentry_release(child);
			if (error)
				return error;
			continue;
		}
		struct path next = {at->mount, child};
		at->mount->references++;
		path_release(at);
		*at = next;
		if (at->dentry->mounts && mount_on(at)) {
			if (walk->flags & WALK_NO_XDEV)
				return -EXDEV;
			cross_mounts(at);
		}
		if (last && slash && !S_ISDIR(at->dentry->vnode->mode))
			return -ENOTDIR;
	}
}

/* One component of a walk within the cache; PATH has no references. */
static int cached_step(struct path *path, const char *name, uint32_t length, bool last, uint32_t flags)
{
	const struct path *root = &current_task()->fs->root;
	if (!S_ISDIR(path->dentry->vnode->mode))
		return -ENOTDIR;
	int error = access_check(path->dentry->vnode, 1);
	if (error || (length == 1 && name[0] == '.'))
		return error;
	if (length == 2 && name[0] == '.' && name[1] == '.') {
		if (path_same(path, root))
			return 0;
		if (path->dentry == path->mount->root)
			return -EALONE;
		path->dentry = path->dentry->parent;
	} else {
		struct dentry *child = dentry_cached(path->dentry, name, length);
		if (!child || (S_ISLNK(child->vnode->mode) && (!last || (flags & WALK_FOLLOW))))
			return -EALONE;
		path->dentry = child;
	}
	for (struct mount *on; path->dentry->mounts && (on = mount_on(path)) != 0;)
		*path = (struct path){on, on->root};
	return 0;
}

int path_cached(int directory, const char *text, uint32_t flags, struct path *result)
{
	const struct fs_context *fs = current_task()->fs;
	*result = text[0] == '/' ? fs->root : fs->working;
	if (!text[0] || (flags & ~(uint32_t)(WALK_FOLLOW | WALK_EMPTY)))
		return -EALONE;
	if (text[0] != '/' && directory != AT_FDCWD) {
		const struct file *file = file_of_any(directory);
		if (!file || !file->path.dentry)
			return file ? -ENOTDIR : -EBADF;
		*result = file->path;
	}
	if (!result->mount)
		return -EALONE;
	for (uint32_t at = 0, length;; at += length) {
		while (text[at] == '/')
			at++;
		for (length = 0; text[at + length] && text[at + length] != '/'; length++)
			;
		if (!length)
			break;
		/* A slash behind the last name asks for a directory: path_walk knows the rules. */
		uint32_t next = at + length;
		while (text[next] == '/')
			next++;
		bool last = !text[next];
		if (last && next != at + length)
			return -EALONE;
		int error = cached_step(result, text + at, length, last, flags);
		if (error)
			return error;
	}
	return 0;
}

int path_walk(int directory, const char *text, uint32_t flags, struct path *result)
{
	struct walk walk = {.flags = flags};
	struct path at;
	if (!text[0]) {
		if (!(flags & WALK_EMPTY))
			return -ENOENT;
		struct file *file = directory == AT_FDCWD ? 0 : file_of_any(directory);
		if (directory != AT_FDCWD && !file)
			return -EBADF;
		*result = file ? file->path : current_task()->fs->working;
		if (!result->dentry)
			return -ENOENT;
		path_reference(result);
		return 0;
	}
	int error = walk_start(directory, text, &walk, &at);
	if (error)
		return error;
	error = walk_run(&walk, &at, 0);
	heap_free(walk.owned);
	if (!error && (flags & WALK_DIRECTORY) && !S_ISDIR(at.dentry->vnode->mode))
		error = -ENOTDIR;
	if (error)
		path_release(&at);
	else
		*result = at;
	return error;
}

int path_parent(int directory, const char *text, struct parent_walk *parent)
{
	struct walk walk = {.flags = WALK_FOLLOW};
	if (!text[0])
		return -ENOENT;
	parent->length = 0;
	parent->name[0] = 0;
	parent->trailing_slash = false;
	int error = walk_start(directory, text, &walk, &parent->directory);
	if (error)
		return error;
	error = walk_run(&walk, &parent->directory, parent);
	heap_free(walk.owned);
	if (error)
		path_release(&parent->directory);
	return error;
}

int64_t path_from_user(char *buffer, uint64_t address, bool empty)
{
	int64_t length = copy_string_from_user(buffer, address, PATH_MAX_BYTES);
	return length == 0 && !empty ? -ENOENT : length;
}

static char *path_text_from(const struct path *path, const struct path *root, bool *reached, char *buffer,
                            uint32_t size)
{
	static const char deleted[] = " (deleted)";
	const struct dentry *dentry = path->dentry;
	const struct mount *mount = path->mount;
	char *at = buffer + size - 1;
	*at = 0;
	*reached = false;
	if (mount && !mount->covered.dentry && (mount->filesystem->flags & FILESYSTEM_BARE)) {
		at -= dentry->length;
		memcpy(at, dentry->name, dentry->length);
		return at;
	}
	if (!dentry->hashed && !(mount && dentry == mount->root) &&
	    !(mount && mount->filesystem->flags & FILESYSTEM_UNCACHED)) {
		at -= sizeof(deleted) - 1;
		memcpy(at, deleted, sizeof(deleted) - 1);
	}
	for (;;) {
		if (mount == root->mount && dentry == root->dentry) {
			*reached = true;
			break;
		}
		if (mount && dentry == mount->root) {
			if (!mount->covered.dentry)
				break;
			dentry = mount->covered.dentry;
			mount = mount->covered.mount;
			continue;
		}
		if (at - buffer < dentry->length + 1)
			break;
		at -= dentry->length;
		memcpy(at, dentry->name, dentry->length);
		*--at = '/';
		if (dentry->parent == dentry)
			break;
		dentry = dentry->parent;
	}
	if (!*at || *at == ' ')
		*--at = '/';
	return at;
}

char *path_text(const struct path *path, char *buffer, uint32_t size)
{
	bool reached;
	return path_text_from(path, &current_task()->fs->root, &reached, buffer, size);
}

char *path_text_below(const struct path *path, const struct path *root, char *buffer, uint32_t size)
{
	bool reached;
	char *text = path_text_from(path, root, &reached, buffer, size);
	return reached ? text : 0;
}

/* ---- Permission ---- */

bool in_groups(const struct credentials *credentials, uint32_t gid)
{
	for (uint32_t i = 0; i < credentials->group_count; i++)
		if (credentials->groups[i] == gid)
			return true;
	return false;
}

bool in_group(uint32_t gid)
{
	const struct credentials *credentials = &current_task()->credentials;
	return credentials->fsgid == gid || in_groups(credentials, gid);
}

bool owns(const struct vnode *vnode)
{
	return current_task()->credentials.fsuid == vnode->uid || capable_over(vnode, CAP_FOWNER);
}

uint32_t privilege_bits_lost(const struct vnode *vnode)
{
	if (S_ISDIR(vnode->mode) || !(vnode->mode & (S_ISUID | S_ISGID)))
		return 0;
	/* Without execution for the group the bit means something else, and goes only with the right to it. */
	bool group = (vnode->mode & 010) || !(in_group(vnode->gid) || capable_over(vnode, CAP_FSETID));
	return vnode->mode & (S_ISUID | (group ? S_ISGID : 0u));
}

/* Capabilities of a user namespace are over what belongs to it. */
static bool ids_mapped(const struct vnode *vnode)
{
	const struct user_namespace *user = user_namespace_current();
	return user == &user_namespace_first || (id_up(user, &user->uids, vnode->uid) != ID_NONE &&
	                                         id_up(user, &user->gids, vnode->gid) != ID_NONE);
}

/* capabilities(7): CAP_DAC_READ_SEARCH reads files and searches directories; CAP_DAC_OVERRIDE does all but run
 * what nobody may run. CAPABILITIES is the set that counts. */
static bool capabilities_give(const struct vnode *vnode, uint32_t want, uint64_t capabilities)
{
	if (!capabilities || !ids_mapped(vnode))
		return false;
	bool reads = S_ISDIR(vnode->mode) ? !(want & 2) : want == 4;
	if (reads && (capabilities >> CAP_DAC_READ_SEARCH & 1))
		return true;
	if (!(capabilities >> CAP_DAC_OVERRIDE & 1))
		return false;
	return !(want & 1) || S_ISDIR(vnode->mode) || (vnode->mode & 0111);
}

static int access_as(struct vnode *vnode, uint32_t want, uint32_t uid, uint32_t gid, uint64_t capabilities)
{
	bool owner = uid == vnode->uid;
	uint32_t bits = vnode->mode & 7;
	if (owner)
		bits = vnode->mode >> 6 & 7;
	else if (gid == vnode->gid || in_groups(&current_task()->credentials, vnode->gid))
		bits = vnode->mode >> 3 & 7;
	/* Without permissions for the group an access list says no more than the mode: acl(5). */
	if (!owner && (vnode->mode & 070) && (vnode->acl_unknown || vnode->acls[ACL_ACCESS])) {
		if (capabilities_give(vnode, want, capabilities))
			return 0;
		int error = acl_load(vnode);
		if (error)
			return error;
		if (vnode->acls[ACL_ACCESS])
			return acl_allows(vnode, want, uid, gid) ? 0 : -EACCES;
	}
	return !(want & ~bits) || capabilities_give(vnode, want, capabilities) ? 0 : -EACCES;
}

int access_check(struct vnode *vnode, uint32_t want)
{
	const struct credentials *credentials = &current_task()->credentials;
	return access_as(vnode, want, credentials->fsuid, credentials->fsgid, credentials->cap_effective);
}

int access_check_real(struct vnode *vnode, uint32_t want)
{
	const struct credentials *credentials = &current_task()->credentials;
	uint64_t capabilities = credentials->cap_effective;
	if (!(credentials->securebits & SECBIT_NO_SETUID_FIXUP))
		capabilities = uid_seen(credentials->uid) ? 0 : credentials->cap_permitted;
	return access_as(vnode, want, credentials->uid, credentials->gid, capabilities);
}

static bool time_after(const struct linux_timespec *a, const struct linux_timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

bool access_time_due(const struct file *file, struct linux_timespec *now)
{
	const struct vnode *vnode = file->vnode;
	const struct mount *mount = file->path.mount;
	if ((file->flags & O_NOATIME) || (mount && (mount->read_only || (mount->flags & MS_NOATIME))) ||
	    (mount && (mount->flags & MS_NODIRATIME) && S_ISDIR(vnode->mode)))
		return false;
	*now = clock_realtime_timespec();
	if (mount && (mount->flags & MS_STRICTATIME))
		return true;
	/* Once after a change, and once a day. */
	return !time_after(&vnode->accessed, &vnode->modified) ||
	       !time_after(&vnode->accessed, &vnode->changed) ||
	       now->tv_sec >= vnode->accessed.tv_sec + 24 * 60 * 60;
}

bool vnode_write_begin(struct vnode *vnode)
{
	if (vnode->write_count < 0)
		return false;
	vnode->write_count++;
	return true;
}

void file_writes(struct file *file, int32_t share)
{
	uint32_t more = (uint32_t)(share > 0) - (uint32_t)(file->write_share > 0);
	if (file->vnode->filesystem)
		__atomic_fetch_add(&file->vnode->filesystem->writers, more, __ATOMIC_RELAXED);
	if (file->path.mount)
		__atomic_fetch_add(&file->path.mount->writers, more, __ATOMIC_RELAXED);
	file->write_share = share;
}

bool vnode_run_begin(struct vnode *vnode)
{
	if (vnode->write_count > 0)
		return false;
	vnode->write_count--;
	return true;
}

/* ---- Root, working directory, mask ---- */

struct fs_context *fs_context_create(void)
{
	struct fs_context *fs = heap_allocate(sizeof(*fs));
	if (fs) {
		fs->references = 1;
		fs->umask = 022;
	}
	return fs;
}

struct fs_context *fs_context_clone(const struct fs_context *fs)
{
	struct fs_context *copy = fs_context_create();
	if (!copy)
		return 0;
	copy->umask = fs->umask;
	copy->root = fs->root;
	copy->working = fs->working;
	path_reference(&copy->root);
	path_reference(&copy->working);
	return copy;
}

void fs_context_release(struct fs_context *fs)
{
	if (--fs->references)
		return;
	path_release(&fs->root);
	path_release(&fs->working);
	heap_free(fs);
}
