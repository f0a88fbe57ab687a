/* The file service in memory; see file_fake.h. Tables are small and searched from end to end. */
#include "file_fake.h"

#define TYPE_MASK      0170000u
#define TYPE_DIRECTORY 0040000u
#define TYPE_REGULAR   0100000u
#define TYPE_LINK      0120000u

static struct file_fake_node *find(struct file_fake *fake, uint64_t number)
{
	for (unsigned i = 0; number && i < FILE_FAKE_NODES; i++)
		if (fake->nodes[i].attributes.node == number)
			return &fake->nodes[i];
	return 0;
}

static bool is_type(const struct file_fake_node *node, uint32_t type)
{
	return (node->attributes.mode & TYPE_MASK) == type;
}

static void touch(struct file_fake *fake, struct file_fake_node *node, bool contents)
{
	node->attributes.changed_ns = ++fake->clock_ns;
	if (contents)
		node->attributes.modified_ns = fake->clock_ns;
	node->attributes.generation++;
}

static int64_t check_name(const char *name)
{
	size_t bytes = strnlen(name, FILE_NAME_MAX + 1);
	if (bytes > FILE_NAME_MAX)
		return FILE_E_NAME_TOO_LONG;
	if (!bytes || (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))))
		return E_ARGUMENT;
	for (size_t i = 0; i < bytes; i++)
		if (name[i] == '/')
			return E_ARGUMENT;
	return E_OK;
}

static struct file_fake_name *find_name(struct file_fake *fake, uint64_t directory, const char *text)
{
	for (unsigned i = 0; i < FILE_FAKE_NAMES; i++)
		if (fake->names[i].node && fake->names[i].directory == directory &&
		    !strcmp(fake->names[i].text, text))
			return &fake->names[i];
	return 0;
}

static bool is_empty(struct file_fake *fake, uint64_t directory)
{
	for (unsigned i = 0; i < FILE_FAKE_NAMES; i++)
		if (fake->names[i].node && fake->names[i].directory == directory)
			return false;
	return true;
}

/* The checks that every call on a name shares; *DIRECTORY is set. */
static int64_t begin(struct file_fake *fake, uint64_t number, const char *name, bool writes,
                     struct file_fake_node **directory)
{
	if (fake->failed)
		return FILE_E_IO;
	*directory = find(fake, number);
	if (!*directory)
		return FILE_E_STALE;
	if (name && !is_type(*directory, TYPE_DIRECTORY))
		return FILE_E_NOT_DIRECTORY;
	if (writes && fake->read_only)
		return FILE_E_READ_ONLY;
	return name ? check_name(name) : E_OK;
}

static void drop_if_unused(struct file_fake_node *node)
{
	if (!node->attributes.links && !node->uses)
		*node = (struct file_fake_node){0};
}

static int64_t give(struct file_fake *fake, const struct file_fake_node *node, const void **attributes,
                    uint32_t *bytes)
{
	memcpy(fake->reply, &node->attributes, sizeof(node->attributes));
	*attributes = fake->reply;
	*bytes = sizeof(node->attributes);
	return E_OK;
}

static int64_t fake_session(void *context, uint64_t badge, handle_t quota, handle_t changes, uint32_t flags,
                            int64_t now_ns, handle_t *session, uint64_t *root, const void **attributes,
                            uint32_t *bytes)
{
	struct file_fake *fake = context;
	(void)badge, (void)quota, (void)changes, (void)now_ns;
	if (fake->failed)
		return FILE_E_IO;
	if ((flags & FILE_SESSION_WRITE) && fake->read_only)
		return FILE_E_READ_ONLY;
	*session = 1;
	*root = FILE_FAKE_ROOT;
	return give(fake, find(fake, FILE_FAKE_ROOT), attributes, bytes);
}

static int64_t fake_lookup(void *context, uint64_t badge, uint64_t number, const char *name, uint64_t *found,
                           const void **attributes, uint32_t *bytes)
{
	struct file_fake *fake = context;
	struct file_fake_node *directory = 0;
	(void)badge;
	int64_t result = begin(fake, number, name, false, &directory);
	if (result < 0)
		return result;
	struct file_fake_name *entry = find_name(fake, number, name);
	if (!entry)
		return FILE_E_NOT_FOUND;
	struct file_fake_node *node = find(fake, entry->node);
	node->uses++;
	*found = entry->node;
	return give(fake, node, attributes, bytes);
}

static int64_t fake_forget(void *context, uint64_t badge, uint64_t number, uint64_t count)
{
	struct file_fake_node *node = find(context, number);
	(void)badge;
	if (!node)
		return FILE_E_STALE;
	node->uses -= count < node->uses ? count : node->uses;
	drop_if_unused(node);
	return E_OK;
}

static int64_t fake_attributes(void *context, uint64_t badge, uint64_t number, const void **attributes,
                               uint32_t *bytes)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, false, &node);
	return result < 0 ? result : give(context, node, attributes, bytes);
}

static int64_t set_size(struct file_fake *fake, struct file_fake_node *node, uint64_t size)
{
	if (!is_type(node, TYPE_REGULAR))
		return is_type(node, TYPE_DIRECTORY) ? FILE_E_IS_DIRECTORY : E_ARGUMENT;
	if (size > FILE_SIZE_MAX)
		return FILE_E_TOO_BIG;
	if (size > FILE_FAKE_CONTENTS)
		return FILE_E_NO_SPACE;
	if (size < node->attributes.size)
		memset(node->contents + size, 0, node->attributes.size - size);
	node->attributes.size = size;
	touch(fake, node, true);
	return E_OK;
}

static int64_t fake_set_attributes(void *context, uint64_t badge, uint64_t number, uint32_t valid,
                                   const void *wanted, uint32_t wanted_bytes, const void **attributes,
                                   uint32_t *bytes)
{
	struct file_fake *fake = context;
	struct file_fake_node *node = 0;
	struct file_attributes new;
	(void)badge;
	int64_t result = begin(fake, number, 0, true, &node);
	if (result < 0)
		return result;
	if (wanted_bytes != sizeof(new))
		return E_ARGUMENT;
	memcpy(&new, wanted, sizeof(new));
	if (valid & FILE_SET_SIZE)
		result = set_size(fake, node, new.size);
	if (result < 0)
		return result;
	struct file_attributes *old = &node->attributes;
	if (valid & FILE_SET_MODE)
		old->mode = (old->mode & TYPE_MASK) | (new.mode & ~TYPE_MASK);
	old->uid = valid & FILE_SET_UID ? new.uid : old->uid;
	old->gid = valid & FILE_SET_GID ? new.gid : old->gid;
	old->flags = valid & FILE_SET_FLAGS ? new.flags : old->flags;
	touch(fake, node, false);
	if (valid & (FILE_SET_ACCESSED | FILE_SET_ACCESSED_NOW))
		old->accessed_ns = valid & FILE_SET_ACCESSED ? new.accessed_ns : fake->clock_ns;
	if (valid & (FILE_SET_MODIFIED | FILE_SET_MODIFIED_NOW))
		old->modified_ns = valid & FILE_SET_MODIFIED ? new.modified_ns : fake->clock_ns;
	return give(fake, node, attributes, bytes);
}

/* A new node under NAME; the result is the node or 0 with *RESULT set. */
static struct file_fake_node *make(struct file_fake *fake, uint64_t number, uint32_t mode, uint64_t owner,
                                   const char *name, int64_t *result)
{
	struct file_fake_node *directory = 0;
	struct file_fake_node *node = 0;
	struct file_fake_name *entry = 0;
	*result = begin(fake, number, name, true, &directory);
	if (*result < 0)
		return 0;
	*result = find_name(fake, number, name) ? FILE_E_EXISTS : FILE_E_NO_SPACE;
	if (*result == FILE_E_EXISTS)
		return 0;
	for (unsigned i = FILE_FAKE_NODES; i-- > 0;)
		node = fake->nodes[i].attributes.node ? node : &fake->nodes[i];
	for (unsigned i = FILE_FAKE_NAMES; i-- > 0;)
		entry = fake->names[i].node ? entry : &fake->names[i];
	if (!node || !entry)
		return 0;
	node->attributes = (struct file_attributes){.node = ++fake->next_node,
	                                            .mode = mode,
	                                            .links = (mode & TYPE_MASK) == TYPE_DIRECTORY ? 2 : 1,
	                                            .uid = (uint32_t)owner,
	                                            .gid = (uint32_t)(owner >> 32)};
	node->uses = 1;
	*entry = (struct file_fake_name){.directory = number, .node = node->attributes.node};
	memcpy(entry->text, name, strnlen(name, FILE_NAME_MAX));
	touch(fake, node, true);
	node->attributes.created_ns = node->attributes.accessed_ns = fake->clock_ns;
	touch(fake, directory, true);
	directory->attributes.links += (mode & TYPE_MASK) == TYPE_DIRECTORY;
	*result = E_OK;
	return node;
}

static int64_t fake_create(void *context, uint64_t badge, uint64_t number, uint32_t mode, uint64_t owner,
                           uint64_t device, const char *name, uint64_t *made, const void **attributes,
                           uint32_t *bytes)
{
	int64_t result;
	(void)badge;
	struct file_fake_node *node = make(context, number, mode, owner, name, &result);
	if (!node)
		return result;
	node->attributes.device = device;
	*made = node->attributes.node;
	return give(context, node, attributes, bytes);
}

static int64_t fake_link_symbolic(void *context, uint64_t badge, uint64_t number, uint64_t owner,
                                  const char *name, const char *target, uint64_t *made,
                                  const void **attributes, uint32_t *bytes)
{
	int64_t result;
	size_t length = strnlen(target, FILE_SYMLINK_MAX + 1);
	(void)badge;
	if (!length || length > FILE_SYMLINK_MAX)
		return length ? FILE_E_NAME_TOO_LONG : E_ARGUMENT;
	struct file_fake_node *node = make(context, number, TYPE_LINK | 0777, owner, name, &result);
	if (!node)
		return result;
	memcpy(node->contents, target, length);
	node->attributes.size = length;
	*made = node->attributes.node;
	return give(context, node, attributes, bytes);
}

static int64_t fake_read_link(void *context, uint64_t badge, uint64_t number, uint32_t offset,
                              const void **target, uint32_t *bytes)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, false, &node);
	if (result < 0)
		return result;
	if (!is_type(node, TYPE_LINK))
		return E_ARGUMENT;
	uint64_t rest = offset < node->attributes.size ? node->attributes.size - offset : 0;
	*target = node->contents + (rest ? offset : 0);
	*bytes = (uint32_t)(rest < MESSAGE_BYTES_MAX - 16 ? rest : MESSAGE_BYTES_MAX - 16);
	return E_OK;
}

static int64_t fake_link(void *context, uint64_t badge, uint64_t number, uint64_t into, uint32_t flags,
                         const char *name, const void **attributes, uint32_t *bytes)
{
	struct file_fake *fake = context;
	struct file_fake_node *directory = 0;
	struct file_fake_node *node = find(fake, number);
	(void)badge;
	int64_t result = begin(fake, into, name, true, &directory);
	if (result < 0)
		return result;
	if (!node || (!node->attributes.links && !(flags & FILE_LINK_UNNAMED)))
		return FILE_E_STALE;
	if (is_type(node, TYPE_DIRECTORY))
		return FILE_E_IS_DIRECTORY;
	if (find_name(fake, into, name))
		return FILE_E_EXISTS;
	for (unsigned i = 0; i < FILE_FAKE_NAMES; i++)
		if (!fake->names[i].node) {
			fake->names[i] = (struct file_fake_name){.directory = into, .node = number};
			memcpy(fake->names[i].text, name, strnlen(name, FILE_NAME_MAX));
			node->attributes.links++;
			touch(fake, node, false);
			touch(fake, directory, true);
			return give(fake, node, attributes, bytes);
		}
	return FILE_E_NO_SPACE;
}

static void remove_name(struct file_fake *fake, struct file_fake_name *entry)
{
	struct file_fake_node *node = find(fake, entry->node);
	struct file_fake_node *directory = find(fake, entry->directory);
	bool is_directory = is_type(node, TYPE_DIRECTORY);
	node->attributes.links -= is_directory ? 2 : 1;
	directory->attributes.links -= is_directory;
	touch(fake, node, false);
	touch(fake, directory, true);
	*entry = (struct file_fake_name){0};
	drop_if_unused(node);
}

static int64_t may_remove(struct file_fake *fake, const struct file_fake_name *entry, bool directory)
{
	if (!entry)
		return FILE_E_NOT_FOUND;
	if (is_type(find(fake, entry->node), TYPE_DIRECTORY) != directory)
		return directory ? FILE_E_NOT_DIRECTORY : FILE_E_IS_DIRECTORY;
	return directory && !is_empty(fake, entry->node) ? FILE_E_NOT_EMPTY : E_OK;
}

static int64_t fake_unlink(void *context, uint64_t badge, uint64_t number, uint32_t flags, const char *name)
{
	struct file_fake *fake = context;
	struct file_fake_node *directory = 0;
	(void)badge;
	int64_t result = begin(fake, number, name, true, &directory);
	if (result < 0)
		return result;
	struct file_fake_name *entry = find_name(fake, number, name);
	result = may_remove(fake, entry, flags & FILE_UNLINK_DIRECTORY);
	if (result == E_OK)
		remove_name(fake, entry);
	return result;
}

/* Whether NODE is DIRECTORY or above it. */
static bool is_above(struct file_fake *fake, uint64_t node, uint64_t directory)
{
	for (unsigned depth = 0; directory && depth < FILE_FAKE_NODES; depth++) {
		if (directory == node)
			return true;
		uint64_t up = 0;
		for (unsigned i = 0; i < FILE_FAKE_NAMES; i++)
			up = fake->names[i].node == directory ? fake->names[i].directory : up;
		directory = up;
	}
	return false;
}

static int64_t fake_rename(void *context, uint64_t badge, uint64_t from_number, uint64_t to_number,
                           uint32_t flags, const char *from_name, const char *to_name)
{
	struct file_fake *fake = context;
	struct file_fake_node *from_directory = 0;
	struct file_fake_node *to_directory = 0;
	(void)badge;
	int64_t result = begin(fake, from_number, from_name, true, &from_directory);
	if (result == E_OK)
		result = begin(fake, to_number, to_name, true, &to_directory);
	if (result < 0)
		return result;
	if (!from_directory || !to_directory)
		return FILE_E_STALE;
	if (flags & ~(uint32_t)(FILE_RENAME_EXCLUSIVE | FILE_RENAME_EXCHANGE))
		return FILE_E_SUPPORT;
	struct file_fake_name *from = find_name(fake, from_number, from_name);
	struct file_fake_name *to = find_name(fake, to_number, to_name);
	if (!from || (!to && (flags & FILE_RENAME_EXCHANGE)))
		return FILE_E_NOT_FOUND;
	if (to && (flags & FILE_RENAME_EXCLUSIVE))
		return FILE_E_EXISTS;
	struct file_fake_node *moved = find(fake, from->node);
	struct file_fake_node *replaced = to ? find(fake, to->node) : 0;
	if (!moved || (to && !replaced))
		return FILE_E_IO;
	bool is_directory = is_type(moved, TYPE_DIRECTORY);
	if (is_directory && is_above(fake, from->node, to_number))
		return E_ARGUMENT;
	if (to && to->node == from->node)
		return E_OK;
	if (flags & FILE_RENAME_EXCHANGE) {
		bool other = is_type(replaced, TYPE_DIRECTORY);
		if (other && is_above(fake, to->node, from_number))
			return E_ARGUMENT;
		uint64_t node = from->node;
		from->node = to->node;
		to->node = node;
		from_directory->attributes.links += (uint32_t)other - is_directory;
		to_directory->attributes.links += (uint32_t)is_directory - other;
	} else {
		if (to) {
			result = may_remove(fake, to, is_directory);
			if (result < 0)
				return result;
			remove_name(fake, to);
		}
		from->directory = to_number;
		memset(from->text, 0, sizeof(from->text));
		memcpy(from->text, to_name, strnlen(to_name, FILE_NAME_MAX));
		from_directory->attributes.links -= is_directory;
		to_directory->attributes.links += is_directory;
	}
	touch(fake, from_directory, true);
	touch(fake, to_directory, true);
	return E_OK;
}

static int64_t fake_list(void *context, uint64_t badge, uint64_t number, uint64_t cookie, uint64_t *next,
                         uint64_t *parent, const void **entries, uint32_t *bytes)
{
	struct file_fake *fake = context;
	struct file_fake_node *directory = 0;
	uint32_t at = 0;
	(void)badge;
	int64_t result = begin(fake, number, 0, false, &directory);
	if (result < 0)
		return result;
	if (!is_type(directory, TYPE_DIRECTORY))
		return FILE_E_NOT_DIRECTORY;
	*parent = FILE_FAKE_ROOT;
	for (unsigned i = 0; i < FILE_FAKE_NAMES; i++)
		*parent = fake->names[i].node == number ? fake->names[i].directory : *parent;
	*next = cookie;
	for (uint64_t i = cookie; i < FILE_FAKE_NAMES; i++) {
		const struct file_fake_name *name = &fake->names[i];
		if (!name->node || name->directory != number)
			continue;
		size_t length = strnlen(name->text, FILE_NAME_MAX);
		struct file_entry entry = {.node = name->node,
		                           .cookie = i + 1,
		                           .mode = find(fake, name->node)->attributes.mode & TYPE_MASK,
		                           .name_bytes = (uint16_t)length,
		                           .entry_bytes = (uint16_t)((sizeof(entry) + length + 7) & ~7ul)};
		if (at + entry.entry_bytes > MESSAGE_BYTES_MAX - 16)
			break;
		memset(fake->reply + at, 0, entry.entry_bytes);
		memcpy(fake->reply + at, &entry, sizeof(entry));
		memcpy(fake->reply + at + sizeof(entry), name->text, length);
		at += entry.entry_bytes;
		*next = i + 1;
	}
	*entries = fake->reply;
	*bytes = at;
	return E_OK;
}

static int64_t fake_open(void *context, uint64_t badge, uint64_t number, uint32_t flags, handle_t *memory,
                         uint64_t *size)
{
	struct file_fake *fake = context;
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(fake, number, 0, flags & (FILE_OPEN_WRITE | FILE_OPEN_TRUNCATE), &node);
	if (result == E_OK && !is_type(node, TYPE_REGULAR))
		result = is_type(node, TYPE_DIRECTORY) ? FILE_E_IS_DIRECTORY : E_ARGUMENT;
	if (result == E_OK && (flags & FILE_OPEN_TRUNCATE))
		result = set_size(fake, node, 0);
	if (result < 0)
		return result;
	node->uses++;
	*memory = FILE_FAKE_MEMORY + number;
	*size = node->attributes.size;
	return E_OK;
}

static int64_t fake_reserve(void *context, uint64_t badge, uint64_t number, uint64_t offset, uint64_t count,
                            uint64_t *granted)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, true, &node);
	if (result < 0)
		return result;
	if (!count || count > FILE_RESERVE_MAX)
		return E_ARGUMENT;
	if (offset >= FILE_FAKE_CONTENTS)
		return FILE_E_NO_SPACE;
	*granted = count < FILE_FAKE_CONTENTS - offset ? count : FILE_FAKE_CONTENTS - offset;
	return E_OK;
}

static int64_t fake_written(void *context, uint64_t badge, uint64_t number, uint64_t offset, uint64_t count,
                            uint64_t *size)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, true, &node);
	if (result < 0)
		return result;
	if (offset > FILE_FAKE_CONTENTS || count > FILE_FAKE_CONTENTS - offset)
		return FILE_E_NO_SPACE;
	if (node->attributes.size < offset + count)
		node->attributes.size = offset + count;
	touch(context, node, true);
	*size = node->attributes.size;
	return E_OK;
}

static int64_t fake_append(void *context, uint64_t badge, uint64_t number, uint64_t count, uint64_t *offset)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, true, &node);
	if (result < 0)
		return result;
	if (count > FILE_FAKE_CONTENTS - node->attributes.size)
		return FILE_E_NO_SPACE;
	*offset = node->attributes.size;
	return set_size(context, node, *offset + count);
}

static int64_t fake_resize(void *context, uint64_t badge, uint64_t number, uint64_t size)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, true, &node);
	return result < 0 ? result : set_size(context, node, size);
}

static int64_t fake_allocate(void *context, uint64_t badge, uint64_t number, uint32_t mode, uint64_t offset,
                             uint64_t count)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, true, &node);
	if (result < 0)
		return result;
	if (!count || offset > FILE_SIZE_MAX || count > FILE_SIZE_MAX - offset)
		return count ? FILE_E_TOO_BIG : E_ARGUMENT;
	uint64_t end = offset + count;
	if (mode == (FILE_ALLOCATE_PUNCH | FILE_ALLOCATE_KEEP_SIZE)) {
		uint64_t last = end < node->attributes.size ? end : node->attributes.size;
		if (offset < last)
			memset(node->contents + offset, 0, last - offset);
		touch(context, node, true);
		return E_OK;
	}
	if (mode & ~(uint32_t)FILE_ALLOCATE_KEEP_SIZE)
		return FILE_E_SUPPORT;
	if (end > FILE_FAKE_CONTENTS)
		return FILE_E_NO_SPACE;
	return mode || end <= node->attributes.size ? E_OK : set_size(context, node, end);
}

static int64_t fake_seek(void *context, uint64_t badge, uint64_t number, uint32_t what, uint64_t offset,
                         uint64_t *found)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, false, &node);
	if (result < 0)
		return result;
	if (offset >= node->attributes.size)
		return E_NOT_FOUND;
	*found = what == FILE_SEEK_HOLE ? node->attributes.size : offset; /* all is data */
	return what == FILE_SEEK_HOLE || what == FILE_SEEK_DATA ? E_OK : E_ARGUMENT;
}

static int64_t fake_share(void *context, uint64_t badge, uint64_t from, uint64_t from_offset, uint64_t to,
                          uint64_t to_offset, uint64_t count, uint64_t *done)
{
	(void)context, (void)badge, (void)from, (void)from_offset, (void)to, (void)to_offset, (void)count;
	(void)done;
	return FILE_E_SUPPORT;
}

static struct file_fake_xattr *find_xattr(struct file_fake_node *node, const char *name)
{
	for (unsigned i = 0; i < FILE_FAKE_XATTRS; i++)
		if (!strcmp(node->xattrs[i].name, name))
			return &node->xattrs[i];
	return 0;
}

static int64_t fake_xattr_get(void *context, uint64_t badge, uint64_t number, uint32_t offset,
                              const char *name, uint64_t *total, const void **value, uint32_t *bytes)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, false, &node);
	if (result < 0)
		return result;
	struct file_fake_xattr *xattr = name[0] ? find_xattr(node, name) : 0;
	if (!xattr || xattr->bytes < xattr->expected)
		return FILE_E_NO_ATTRIBUTE;
	*total = xattr->bytes;
	*value = xattr->value + (offset < xattr->bytes ? offset : 0);
	*bytes = offset < xattr->bytes ? xattr->bytes - offset : 0;
	return E_OK;
}

static int64_t fake_xattr_set(void *context, uint64_t badge, uint64_t number, uint32_t flags, uint32_t offset,
                              uint32_t total, const char *name, const void *value, uint32_t bytes)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, true, &node);
	if (result < 0)
		return result;
	size_t length = strnlen(name, FILE_NAME_MAX + 1);
	if (!length || length > FILE_NAME_MAX)
		return length ? FILE_E_NAME_TOO_LONG : E_ARGUMENT;
	struct file_fake_xattr *xattr = find_xattr(node, name);
	if (offset == 0 && (flags & FILE_XATTR_CREATE) && xattr)
		return FILE_E_EXISTS;
	if ((flags & FILE_XATTR_REPLACE) && !xattr)
		return FILE_E_NO_ATTRIBUTE;
	if (!xattr)
		xattr = find_xattr(node, "");
	if (!xattr || total > sizeof(xattr->value))
		return FILE_E_NO_SPACE;
	if (offset > total || bytes > total - offset || (offset && offset != xattr->bytes))
		return E_ARGUMENT;
	memcpy(xattr->name, name, length + 1);
	memcpy(xattr->value + offset, value, bytes);
	xattr->bytes = offset + bytes;
	xattr->expected = total;
	touch(context, node, false);
	return E_OK;
}

static int64_t fake_xattr_list(void *context, uint64_t badge, uint64_t number, uint64_t cookie,
                               uint64_t *next, const void **names, uint32_t *bytes)
{
	struct file_fake *fake = context;
	struct file_fake_node *node = 0;
	uint32_t at = 0;
	(void)badge;
	int64_t result = begin(fake, number, 0, false, &node);
	if (result < 0)
		return result;
	for (uint64_t i = cookie; i < FILE_FAKE_XATTRS; i++)
		if (node->xattrs[i].name[0]) {
			size_t length = strnlen(node->xattrs[i].name, FILE_NAME_MAX) + 1;
			memcpy(fake->reply + at, node->xattrs[i].name, length);
			at += (uint32_t)length;
		}
	*next = FILE_FAKE_XATTRS;
	*names = fake->reply;
	*bytes = at;
	return E_OK;
}

static int64_t fake_xattr_remove(void *context, uint64_t badge, uint64_t number, const char *name)
{
	struct file_fake_node *node = 0;
	(void)badge;
	int64_t result = begin(context, number, 0, true, &node);
	if (result < 0)
		return result;
	struct file_fake_xattr *xattr = name[0] ? find_xattr(node, name) : 0;
	if (!xattr)
		return FILE_E_NO_ATTRIBUTE;
	*xattr = (struct file_fake_xattr){0};
	touch(context, node, false);
	return E_OK;
}

static int64_t fake_sync(void *context, uint64_t badge, uint64_t number, uint32_t flags)
{
	struct file_fake *fake = context;
	(void)badge, (void)flags;
	if (fake->failed)
		return FILE_E_IO;
	if (number && !find(fake, number))
		return FILE_E_STALE;
	fake->syncs++;
	return E_OK;
}

static int64_t fake_statistics(void *context, uint64_t badge, const void **statistics, uint32_t *bytes)
{
	struct file_fake *fake = context;
	struct file_statistics result = {.block_bytes = FILE_BLOCK,
	                                 .blocks = FILE_FAKE_NODES * FILE_FAKE_CONTENTS / FILE_BLOCK,
	                                 .nodes = FILE_FAKE_NODES,
	                                 .name_max = FILE_NAME_MAX,
	                                 .flags = fake->read_only ? FILE_STATISTICS_READ_ONLY : 0};
	(void)badge;
	for (unsigned i = 0; i < FILE_FAKE_NODES; i++)
		result.nodes_free += !fake->nodes[i].attributes.node;
	result.blocks_free = result.nodes_free * (FILE_FAKE_CONTENTS / FILE_BLOCK);
	memcpy(fake->reply, &result, sizeof(result));
	*statistics = fake->reply;
	*bytes = sizeof(result);
	return fake->failed ? FILE_E_IO : E_OK;
}

static int64_t fake_changes(void *context, uint64_t badge, const void **change, uint32_t *bytes)
{
	(void)context, (void)badge, (void)change, (void)bytes;
	return E_NOT_FOUND; /* there is one client */
}

const struct file_operations file_fake_operations = {
    .session = fake_session,
    .lookup = fake_lookup,
    .forget = fake_forget,
    .attributes = fake_attributes,
    .set_attributes = fake_set_attributes,
    .create = fake_create,
    .link_symbolic = fake_link_symbolic,
    .read_link = fake_read_link,
    .link = fake_link,
    .unlink = fake_unlink,
    .rename = fake_rename,
    .list = fake_list,
    .open = fake_open,
    .reserve = fake_reserve,
    .written = fake_written,
    .append = fake_append,
    .resize = fake_resize,
    .allocate = fake_allocate,
    .seek = fake_seek,
    .share = fake_share,
    .xattr_get = fake_xattr_get,
    .xattr_set = fake_xattr_set,
    .xattr_list = fake_xattr_list,
    .xattr_remove = fake_xattr_remove,
    .sync = fake_sync,
    .statistics = fake_statistics,
    .changes = fake_changes,
};

void file_fake_init(struct file_fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->next_node = FILE_FAKE_ROOT;
	fake->nodes[0].attributes =
	    (struct file_attributes){.node = FILE_FAKE_ROOT, .mode = TYPE_DIRECTORY | 0755, .links = 2};
	fake->nodes[0].uses = 1;
}

uint8_t *file_fake_contents(struct file_fake *fake, handle_t memory)
{
	struct file_fake_node *node = memory < FILE_FAKE_MEMORY ? 0 : find(fake, memory - FILE_FAKE_MEMORY);
	return node && is_type(node, TYPE_REGULAR) ? node->contents : 0;
}
