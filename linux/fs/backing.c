/* See backing.h: sessions, and what is in the service already. */
#include <sysimg/sysimg.h>
#include "backing_calls.h"
#include "errand.h"
#include "ramfs_data.h"

#define TABLE_FIRST 256u

static struct list backings = LIST_INIT(backings);

static int attributes_take(struct file_attributes *to, const void *data, uint32_t bytes)
{
	return reply_attributes(to, data, bytes) ? 0 : -EIO;
}

int backing_lookup(struct backing *backing, uint64_t directory, const char *name,
                   struct file_attributes *found)
{
	const void *data = 0;
	uint32_t bytes = 0;
	uint64_t node = 0;
	int error = SERVICE(backing, lookup, directory, name, &node, &data, &bytes);
	return error ? error : attributes_take(found, data, bytes);
}

/* Linux' device numbers are of another form than the service's. */
static uint64_t device_from_service(uint64_t device)
{
	uint64_t major = device >> 32;
	uint64_t minor = device & UINT32_MAX;
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffull) << 12 | (major & ~0xfffull) << 32;
}

struct linux_timespec backing_time(int64_t ns)
{
	int64_t seconds = ns / 1000000000 - (ns % 1000000000 < 0);
	return (struct linux_timespec){seconds, ns - seconds * 1000000000};
}

/* ---- One change at a time ---- */

bool backing_change_try(struct backing *backing)
{
	if (backing->changer != current_area()) {
		if (!lock_try(&backing->change_lock))
			return false;
		backing->changer = current_area();
	}
	backing->change_depth++;
	return true;
}

/* Others may let go of more meanwhile, which is theirs. */
static void forgets_give(struct backing *backing)
{
	for (unsigned left = FORGETS_MAX; left && backing->forget_count; left--) {
		struct forgotten each = backing->forgets[--backing->forget_count];
		if (backing->session)
			(void)CHANGE(backing, forget, each.upper, each.uses);
	}
}

void backing_change(struct backing *backing)
{
	if (!backing)
		return;
	if (!backing_change_try(backing)) {
		enum common_mode before = common_give();
		lock_acquire(&backing->change_lock);
		common_take(before);
		backing->changer = current_area();
		backing->change_depth = 1;
	}
	if (backing->change_depth == 1 && !backing->still)
		forgets_give(backing);
}

void backing_change_end(struct backing *backing)
{
	if (!backing)
		return;
	if (backing->change_depth == 1 && !backing->still) /* others may need what these have */
		forgets_give(backing);
	if (--backing->change_depth)
		return;
	backing->changer = 0;
	lock_release(&backing->change_lock);
}

void backing_still(struct backing *backing)
{
	backing->still++;
}

void backing_still_end(struct backing *backing)
{
	backing->still--;
}

enum common_mode change_give(const struct backing *backing)
{
	bool may = backing->changer == current_area() && !backing->still && !backing->shared;
	return may ? common_give() : COMMON_NOT;
}

/* ---- Nodes by their upper number ---- */

static struct ram_node **table_slot(const struct backing *backing, uint64_t upper)
{
	return &backing->table[(upper * 0x9e3779b97f4a7c15ull >> 40) & (backing->table_size - 1)];
}

static int table_add(struct backing *backing, struct ram_node *node)
{
	if (backing->table_count >= backing->table_size * 2) {
		struct backing larger = {.table_size =
		                             backing->table_size ? backing->table_size * 4 : TABLE_FIRST};
		larger.table = heap_allocate(larger.table_size * sizeof(void *));
		if (larger.table) {
			for (uint32_t i = 0; i < backing->table_size; i++) {
				while (backing->table[i]) {
					struct ram_node *each = backing->table[i];
					backing->table[i] = each->table_next;
					struct ram_node **slot = table_slot(&larger, each->upper);
					each->table_next = *slot;
					*slot = each;
				}
			}
			heap_free(backing->table);
			backing->table = larger.table;
			backing->table_size = larger.table_size;
		} else if (!backing->table_size) {
			return -ENOMEM;
		}
	}
	struct ram_node **slot = table_slot(backing, node->upper);
	node->table_next = *slot;
	*slot = node;
	backing->table_count++;
	return 0;
}

static struct ram_node *table_find(const struct backing *backing, uint64_t upper)
{
	struct ram_node *node = backing->table_size ? *table_slot(backing, upper) : 0;
	while (node && node->upper != upper)
		node = node->table_next;
	return node;
}

bool backing_use(struct backing *backing, uint64_t upper)
{
	struct ram_node *node = table_find(backing, upper);
	if (node)
		node->uses++;
	return node;
}

void backing_forget(struct ram_node *node)
{
	struct backing *backing = ram_backing(node);
	backing_data_gone(node);
	heap_free(node->listing);
	node->listing = 0;
	if (!node->upper)
		return;
	struct ram_node **at = table_slot(backing, node->upper);
	while (*at && *at != node)
		at = &(*at)->table_next;
	if (*at) {
		*at = node->table_next;
		backing->table_count--;
	}
	backing->forgotten++;
	if (backing->session && backing->forget_count < FORGETS_MAX) {
		backing->forgets[backing->forget_count++] = (struct forgotten){node->upper, node->uses};
		if (backing->changer != current_area())
			backing_worker_wake();
	} else if (backing->session) {
		(void)SERVICE(backing, forget, node->upper, node->uses);
	}
	node->upper = 0;
}

void backing_forget_all(struct backing *backing)
{
	backing_still(backing);
	forgets_give(backing);
	backing_still_end(backing);
}

void backing_forget_beside(struct backing *backing)
{
	if (!backing->forget_count)
		return;
	backing_change(backing);
	backing_change_end(backing);
}

int backing_take_upper(struct ram_node *node, uint64_t upper)
{
	node->upper = upper;
	node->uses = 1;
	int error = table_add(ram_backing(node), node);
	if (error)
		node->upper = 0;
	return error;
}

/* ---- The image below ---- */

/* The image's node that NAME shows in DIRECTORY where nothing of the service hides it; -1: none. */
int64_t backing_image_child(const struct ram_node *directory, const char *name)
{
	const struct sysimg *image = image_get();
	if (directory->image_directory < 0)
		return -1;
	return sysimg_lookup(image, (uint32_t)directory->image_directory, name, strlen(name));
}

static bool is_image_directory(int64_t node)
{
	return node >= 0 && S_ISDIR(image_get()->nodes[node].mode);
}

uint64_t backing_inode_of(const struct ram_node *directory, const char *name, uint64_t upper)
{
	int64_t lower = backing_image_child(directory, name);
	if (lower >= 0)
		return (uint64_t)lower + 1;
	return ram_backing(directory)->work ? upper + UPPER_INODE : upper;
}

uint64_t backing_inode(struct ram_node *directory, const struct ram_entry *entry)
{
	return backing_inode_of(directory, entry->name, entry->upper);
}

/* ---- Listing and looking up ---- */

static int is_whiteout(struct ram_node *directory, const char *name, bool *whiteout)
{
	struct backing *backing = ram_backing(directory);
	struct file_attributes found;
	int error = backing_lookup(backing, directory->upper, name, &found);
	if (error)
		return error;
	*whiteout = found.device == 0;
	return SERVICE(backing, forget, found.node, 1);
}

/* One of the service's names. */
static int enter(struct ram_node *directory, const struct file_entry *entry, const char *name)
{
	bool hidden = false;
	if (directory->upper == ram_backing(directory)->work)
		return 0;
	if (ram_backing(directory)->shared && backing_seen(directory, name, entry->name_bytes, entry->node))
		return 0;
	struct ram_entry *made = ram_entry_add(directory, name, entry->name_bytes, 0, -1);
	if (!made)
		return -ENOMEM;
	made->upper = entry->node;
	made->cookie = entry->cookie;
	made->mode = entry->mode;
	if (ram_backing(directory)->work && S_ISCHR(entry->mode)) {
		int error = is_whiteout(directory, made->name, &hidden);
		if (error)
			return error;
	}
	made->hidden = hidden;
	return 0;
}

static int enter_all(struct ram_node *directory, const void *entries, uint32_t bytes)
{
	int error = 0;
	for (uint32_t at = 0; !error && at < bytes;) {
		struct file_entry entry;
		char name[FILE_NAME_MAX + 1];
		error =
		    reply_entry(entries, bytes, &at, &entry, name) ? enter(directory, &entry, name) : -EIO;
	}
	return error;
}

bool backing_listing_keep(struct backing *backing, uint64_t upper, struct listing *listing)
{
	struct ram_node *directory = table_find(backing, upper);
	if (!directory || !directory->unlisted || directory->listing)
		return false;
	directory->listing = listing;
	return true;
}

static int listing_enter(struct ram_node *directory)
{
	struct listing *listing = directory->listing;
	directory->listing = 0;
	int error = enter_all(directory, listing->entries, listing->bytes);
	heap_free(listing);
	return error;
}

int backing_list(struct ram_node *directory)
{
	struct backing *backing = ram_backing(directory);
	if (directory->listing)
		return listing_enter(directory);
	uint8_t *copy = heap_allocate(MESSAGE_BYTES_MAX);
	uint64_t cookie = 0;
	int error = copy ? 0 : -ENOMEM;
	while (!error) {
		uint64_t parent;
		const void *data = 0;
		uint32_t bytes = 0;
		error = SERVICE(backing, list, directory->upper, cookie, &cookie, &parent, &data, &bytes);
		if (error || !bytes)
			break;
		memcpy(copy, data, bytes); /* the page is used by other calls */
		error = enter_all(directory, copy, bytes);
	}
	heap_free(copy);
	return error;
}

void backing_listed(struct ram_node *directory)
{
	struct ram_entry *entry;
	struct ram_entry *next;
	list_for_each_safe(entry, next, &directory->entries, link)
	{
		if (entry->hidden)
			ram_entry_remove(directory, entry);
	}
}

static int target_take(struct ram_node *node)
{
	struct backing *backing = ram_backing(node);
	uint64_t size = node->vnode.size;
	if (size > FILE_SYMLINK_MAX)
		return -EIO;
	node->target = heap_allocate(size + 1);
	if (!node->target)
		return -ENOMEM;
	for (uint32_t at = 0; at < size;) {
		const void *data = 0;
		uint32_t bytes = 0;
		int error = SERVICE(backing, read_link, node->upper, at, &data, &bytes);
		if (error || !bytes)
			return error ? error : -EIO;
		if (bytes > size - at)
			bytes = (uint32_t)size - at;
		memcpy(node->target + at, data, bytes);
		at += bytes;
	}
	return 0;
}

static int attributes_set(struct ram_node *node, const struct file_attributes *found)
{
	struct vnode *vnode = &node->vnode;
	vnode->uid = found->uid;
	vnode->gid = found->gid;
	vnode->links = found->links;
	vnode->accessed = backing_time(found->accessed_ns);
	vnode->modified = backing_time(found->modified_ns);
	vnode->changed = backing_time(found->changed_ns);
	vnode->device_number = device_from_service(found->device);
	vnode->acl_unknown = true;
	int error = backing_take_upper(node, found->node);
	if (error || S_ISDIR(vnode->mode)) {
		node->unlisted = true;
		return error;
	}
	if (S_ISREG(vnode->mode) || S_ISLNK(vnode->mode))
		vnode->size = found->size;
	node->data.kept = found->bytes_used;
	return S_ISLNK(vnode->mode) ? target_take(node) : S_ISREG(vnode->mode) ? backing_data_init(node) : 0;
}

/* A reference to the node that ENTRY stands for, of which FOUND and a use have come. */
static struct ram_node *node_of(struct ram_node *directory, const struct ram_entry *entry,
                                const struct file_attributes *found, int *error)
{
	struct ram_node *node = table_find(ram_backing(directory), found->node);
	*error = 0;
	if (node) {
		node->uses++;
		vnode_reference(&node->vnode);
		return node;
	}
	node = ram_node_create(directory->vnode.filesystem, found->mode);
	if (!node) {
		*error = -ENOMEM;
		return 0;
	}
	node->vnode.inode = backing_inode_of(directory, entry->name, found->node);
	if (S_ISDIR(found->mode)) {
		int64_t lower =
		    found->flags & FILE_FLAG_OPAQUE ? -1 : backing_image_child(directory, entry->name);
		node->image_directory = node->lower_directory = is_image_directory(lower) ? lower : -1;
	}
	*error = attributes_set(node, found);
	if (*error) {
		vnode_release(&node->vnode);
		return 0;
	}
	return node;
}

struct ram_node *backing_node(struct ram_node *directory, struct ram_entry *entry, int *error)
{
	struct file_attributes found;
	if (errand_take(directory, entry, &found))
		*error = 0;
	else if (errand_entry(directory, entry))
		*error = -EERRAND;
	else
		*error = backing_lookup(ram_backing(directory), directory->upper, entry->name, &found);
	return *error ? 0 : node_of(directory, entry, &found, error);
}

/* The first entry from AT on whose node is not here; 0: none. */
static struct ram_entry *without_node(struct ram_node *directory, struct list *at)
{
	while (at != &directory->entries && container_of(at, struct ram_entry, link)->node)
		at = at->next;
	return at == &directory->entries ? 0 : container_of(at, struct ram_entry, link);
}

void backing_nodes(struct backing *backing, uint64_t upper, const char *name, struct file_attributes *found,
                   uint32_t count)
{
	struct ram_node *directory = table_find(backing, upper);
	struct ram_entry *first = directory ? ram_entry_find(directory, name, (uint32_t)strlen(name)) : 0;
	struct ram_entry *entry = first ? without_node(directory, &first->link) : 0;
	/* The service has them in the same order, and among them what is not wanted or is here under another name. */
	for (uint32_t i = 0; i < count; i++) {
		int error = 0;
		struct ram_node *node = 0;
		if (entry && entry->upper == found[i].node && !S_ISLNK(found[i].mode))
			node = node_of(directory, entry, &found[i], &error);
		if (node) {
			ram_entry_name(directory, entry, node);
			entry = without_node(directory, entry->link.next);
		} else if (!error && !backing_use(backing, found[i].node)) {
			(void)SERVICE(backing, forget, found[i].node, 1ull);
		}
	}
}

void backing_statistics(const struct backing *backing, struct linux_statfs *statfs)
{
	struct file_statistics found;
	const void *data = 0;
	uint32_t bytes = 0;
	handle_t session = backing->session;
	enum common_mode before = common_give();
	bool good = file_statistics(session, current_page(), &data, &bytes, DEADLINE_NEVER) >= 0 &&
	            bytes == sizeof(found);
	if (good)
		memcpy(&found, data, sizeof(found));
	common_take(before);
	if (!good)
		return;
	statfs->f_bsize = statfs->f_frsize = (int64_t)found.block_bytes;
	statfs->f_blocks = (int64_t)found.blocks;
	statfs->f_bfree = statfs->f_bavail = (int64_t)found.blocks_free;
	statfs->f_files = (int64_t)found.nodes;
	statfs->f_ffree = found.nodes_free == UINT64_MAX ? INT64_MAX : (int64_t)found.nodes_free;
}

/* ---- Sessions ---- */

/* The directory NAME of the mount's root, made where it is missing. */
static int part(struct backing *backing, uint64_t root, const char *name, uint64_t *upper)
{
	struct file_attributes found;
	const void *data = 0;
	uint32_t bytes = 0;
	int error = backing_lookup(backing, root, name, &found);
	if (error == -ENOENT && !backing->read_only)
		return SERVICE(backing, service_create, root, S_IFDIR | 0755u, 0ull, 0ull, name, upper, &data,
		               &bytes);
	if (error)
		return error;
	*upper = found.node;
	return S_ISDIR(found.mode) ? 0 : -ENOTDIR;
}

/* Removes what a crash left in "work". */
static int work_clean(struct backing *backing)
{
	for (;;) {
		uint64_t next;
		uint64_t parent;
		const void *data = 0;
		uint32_t bytes = 0;
		uint32_t at = 0;
		struct file_entry entry;
		struct file_attributes found;
		char name[FILE_NAME_MAX + 1];
		int error = SERVICE(backing, list, backing->work, 0ull, &next, &parent, &data, &bytes);
		if (error || !bytes)
			return error;
		if (!reply_entry(data, bytes, &at, &entry, name))
			return -EIO;
		bool is_directory = S_ISDIR(entry.mode);
		if (is_directory) {
			error = backing_lookup(backing, backing->work, name, &found);
			if (!error)
				error = backing_empty(backing, found.node);
			if (!error)
				error = SERVICE(backing, forget, found.node, 1ull);
		}
		if (!error)
			error = backing_remove(backing, backing->work, name, is_directory);
		if (error)
			return error;
	}
}

static int session_begin(struct backing *backing, handle_t mount, bool image)
{
	struct thread_page *page = current_page();
	const void *data = 0;
	uint32_t bytes = 0;
	uint64_t root;
	int64_t changes = event_create();
	backing->changes = changes < 0 ? 0 : (handle_t)changes;
	int64_t told =
	    changes < 0 ? changes : cap_copy(backing->changes, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 0);
	int64_t quota =
	    changes < 0 ? changes : cap_copy(backing->changes, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 0);
	int64_t result = quota < 0 ? quota : told;
	if (result >= 0)
		result = file_session(
		    mount, page, (handle_t)quota, (handle_t)told,
		    FILE_SESSION_READ | (backing->read_only ? 0 : (uint32_t)FILE_SESSION_WRITE) |
		        (backing->shared ? (uint32_t)FILE_SESSION_SHARED : 0),
		    (int64_t)clock_realtime(), &backing->session, &root, &data, &bytes, DEADLINE_NEVER);
	if (result < 0) {
		backing->session = 0;
		if (quota >= 0)
			cap_delete((handle_t)quota);
		if (told >= 0)
			cap_delete((handle_t)told);
		return linux_error_of_service(result);
	}
	int error = SERVICE(backing, transfer, (uint64_t)FILE_TRANSFER_MAX, &backing->buffer_memory);
	if (error)
		return error;
	uint64_t window = window_take(FILE_TRANSFER_MAX, 4096);
	if (!window || space_map(machine.space, window, backing->buffer_memory, 0, FILE_TRANSFER_MAX,
	                         MAP_READ | MAP_WRITE) < 0)
		return -ENOMEM;
	backing->buffer = (uint8_t *)window;
	backing->root = root;
	if (!image)
		return 0;
	error = part(backing, root, "root", &backing->root);
	if (!error)
		error = part(backing, root, "work", &backing->work);
	if (!error && !backing->read_only)
		error = work_clean(backing);
	return error;
}

static struct backing *create(handle_t mount, bool read_only, bool image, bool shared, int *error)
{
	struct backing *backing = heap_allocate(sizeof(*backing));
	*error = -ENOMEM;
	if (backing) {
		list_init(&backing->link);
		lock_init(&backing->buffer_lock, LOCK_BUFFER);
		lock_init(&backing->change_lock, LOCK_CHANGE);
		list_init(&backing->dirty);
		list_init(&backing->loaded);
		backing->read_only = read_only;
		backing->shared = shared;
		uint64_t total;
		uint64_t used;
		linux_memory(&total, &used);
		backing->loaded_max = total / 4;
		*error = session_begin(backing, mount, image);
	}
	cap_delete(mount);
	if (*error && backing) {
		backing_destroy(backing);
		return 0;
	}
	if (backing) {
		list_append(&backings, &backing->link);
		(void)backing_worker_start(); /* without it there is fsync */
	}
	return backing;
}

struct backing *backing_create(handle_t mount, bool read_only, bool image, int *error)
{
	return create(mount, read_only, image, false, error);
}

struct backing *backing_create_shared(handle_t mount, bool read_only, int *error)
{
	return create(mount, read_only, false, true, error);
}

void backing_end(struct backing *backing)
{
	if (!backing->session)
		return;
	(void)SERVICE(backing, end);
	cap_delete(backing->session);
	backing->session = 0;
}

void backing_destroy(struct backing *backing)
{
	backing_end(backing);
	if (backing->buffer) {
		space_unmap(machine.space, (uint64_t)backing->buffer, FILE_TRANSFER_MAX);
		window_put((uint64_t)backing->buffer, FILE_TRANSFER_MAX);
	}
	if (backing->buffer_memory)
		cap_delete(backing->buffer_memory);
	heap_free(backing->spare);
	if (backing->changes)
		cap_delete(backing->changes);
	if (backing->service.number)
		service_finish(&backing->service);
	list_remove(&backing->link);
	heap_free(backing->table);
	heap_free(backing);
}

int backing_root(struct backing *backing, struct ram_node *node)
{
	struct file_attributes found;
	const void *data = 0;
	uint32_t bytes = 0;
	int error = SERVICE(backing, attributes, backing->root, &data, &bytes);
	if (!error)
		error = attributes_take(&found, data, bytes);
	if (!error && !S_ISDIR(found.mode))
		error = -ENOTDIR;
	if (error)
		return error;
	node->vnode.mode = found.mode;
	node->vnode.inode = backing->work ? found.node + UPPER_INODE : found.node;
	return attributes_set(node, &found);
}

struct backing *backing_next(struct backing *after)
{
	struct list *next = after ? after->link.next : backings.next;
	return next == &backings ? 0 : container_of(next, struct backing, link);
}
