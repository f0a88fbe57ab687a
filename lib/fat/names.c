/* The calls on names and attributes. FAT keeps no owners, links or kinds of files but directories. */
#include "internal.h"

int fat_lookup(struct filesystem *fs, uint64_t directory, const char *name, struct file_attributes *found);
int fat_get(struct filesystem *fs, uint64_t number, struct file_attributes *found);
int fat_set(struct filesystem *fs, uint64_t number, uint32_t valid, const struct file_attributes *wanted,
            struct file_attributes *now);
int fat_create(struct filesystem *fs, uint64_t directory, const char *name, uint32_t mode, uint32_t uid,
               uint32_t gid, uint64_t device, const char *target, struct file_attributes *made);
int fat_unlink(struct filesystem *fs, uint64_t directory, const char *name, bool is_directory);
int fat_rename(struct filesystem *fs, uint64_t from_directory, const char *from, uint64_t to_directory,
               const char *to, uint32_t flags);
int fat_list(struct filesystem *fs, uint64_t directory, uint64_t cookie, struct filesystem_entry *entry);
int fat_parent(struct filesystem *fs, uint64_t directory, uint64_t *parent);

static struct found scratch_found; /* too large for a stack; one thread */

static int directory_get(struct fat *fs, uint64_t number, struct node **node)
{
	int result = node_get(fs, number, node);
	if (result < 0)
		return result;
	if (!((*node)->attributes & ATTRIBUTE_DIRECTORY))
		return FILE_E_NOT_DIRECTORY;
	return (*node)->removed ? FILE_E_NOT_FOUND : E_OK;
}

static int node_find(struct fat *fs, struct node *directory, const char *name, struct node **node)
{
	struct name wanted;
	int result = name_from_text(name, &wanted);
	if (result >= 0)
		result = fat_directory_find(fs, directory, &wanted, &scratch_found);
	else if (result == E_ARGUMENT)
		result = FILE_E_NOT_FOUND;
	if (result < 0)
		return result;
	return node_of_entry(fs, directory, scratch_found.position, scratch_found.first_slot,
	                     scratch_found.slots, scratch_found.entry, node);
}

int fat_lookup(struct filesystem *base, uint64_t number, const char *name, struct file_attributes *found)
{
	struct fat *fs = fat_of(base);
	struct node *directory, *node;
	int result = directory_get(fs, number, &directory);
	if (result >= 0)
		result = node_find(fs, directory, name, &node);
	if (result >= 0)
		node_attributes(fs, node, found);
	return result;
}

int fat_get(struct filesystem *base, uint64_t number, struct file_attributes *found)
{
	struct fat *fs = fat_of(base);
	struct node *node;
	int result = node_get(fs, number, &node);
	if (result >= 0)
		node_attributes(fs, node, found);
	return result;
}

int fat_set(struct filesystem *base, uint64_t number, uint32_t valid, const struct file_attributes *wanted,
            struct file_attributes *now)
{
	struct fat *fs = fat_of(base);
	struct node *node;
	int result = node_get(fs, number, &node);
	if (result >= 0)
		result = fat_begin(fs);
	if (result < 0)
		return result;
	if ((valid & FILE_SET_UID && wanted->uid != fs->fs.options.uid) ||
	    (valid & FILE_SET_GID && wanted->gid != fs->fs.options.gid))
		return E_RIGHTS;
	if (valid & FILE_SET_FLAGS && wanted->flags)
		return FILE_E_SUPPORT;
	if (valid & FILE_SET_SIZE)
		result = fat_resize(base, number, wanted->size);
	if (result < 0)
		return result;
	/* Of a mode there is one bit: whether a file may be written. */
	if (valid & FILE_SET_MODE && !(node->attributes & ATTRIBUTE_DIRECTORY))
		node->attributes = (uint8_t)(wanted->mode & 0222 ? node->attributes & ~ATTRIBUTE_READ_ONLY
		                                                 : node->attributes | ATTRIBUTE_READ_ONLY);
	if (valid & FILE_SET_ACCESSED)
		node->accessed_ns = wanted->accessed_ns;
	if (valid & FILE_SET_MODIFIED)
		node->modified_ns = wanted->modified_ns;
	result = node_store(fs, node);
	node_attributes(fs, node, now);
	return result;
}

static int create(struct fat *fs, struct node *directory, const struct name *name, bool is_directory,
                  struct node **made)
{
	uint8_t entry[SLOT_BYTES] = {0};
	int64_t now = fs->fs.options.now_ns();
	struct node node = {.attributes = is_directory ? ATTRIBUTE_DIRECTORY : ATTRIBUTE_ARCHIVE,
	                    .created_ns = now,
	                    .modified_ns = now,
	                    .accessed_ns = now};
	int result = E_OK;
	if (is_directory) {
		result = cluster_allocate(fs, 0, &node.start);
		if (result >= 0)
			result = fat_directory_make(fs, directory, node.start);
	}
	if (result < 0)
		return result;
	entry_fill(fs, entry, &node);
	result = fat_directory_add(fs, directory, name, entry, &scratch_found);
	if (result < 0)
		return chain_free_later(fs, 0, node.start) < 0 ? FILE_E_IO : result;
	directory->modified_ns = now;
	result = node_store(fs, directory);
	if (result < 0)
		return result;
	return node_of_entry(fs, directory, scratch_found.position, scratch_found.first_slot,
	                     scratch_found.slots, scratch_found.entry, made);
}

int fat_create(struct filesystem *base, uint64_t number, const char *text, uint32_t mode, uint32_t uid,
               uint32_t gid, uint64_t device, const char *target, struct file_attributes *made)
{
	struct fat *fs = fat_of(base);
	struct node *directory, *node = 0;
	struct name name;
	bool is_directory = (mode & 0170000) == 0040000;
	(void)uid, (void)gid, (void)device;
	if (target || (!is_directory && (mode & 0170000) != 0100000))
		return E_RIGHTS; /* as Linux answers */
	int result = directory_get(fs, number, &directory);
	if (result >= 0)
		result = name_from_text(text, &name);
	if (result >= 0)
		result = fat_directory_find(fs, directory, &name, &scratch_found);
	if (result != FILE_E_NOT_FOUND)
		return result < 0 ? result : FILE_E_EXISTS;
	result = fat_begin(fs);
	if (result < 0)
		return result;
	result = create(fs, directory, &name, is_directory, &node);
	if (result == FILE_E_NO_SPACE && fs->freed_count && fat_sync(base, 0, false) >= 0) {
		fs->changed = true;
		result = create(fs, directory, &name, is_directory, &node);
	}
	if (result < 0)
		return result;
	if (!is_directory && !(mode & 0222)) {
		node->attributes |= ATTRIBUTE_READ_ONLY;
		result = node_store(fs, node);
	}
	node_attributes(fs, node, made);
	return result;
}

/* NODE has lost its name: its clusters go when its last user goes. */
static void name_lost(struct fat *fs, struct node *node)
{
	node_reference(fs, node);
	node->removed = true;
	node_move(fs, node, 0);
	node_release(fs, node);
}

static int removable(struct fat *fs, struct node *node, bool is_directory)
{
	bool directory = node->attributes & ATTRIBUTE_DIRECTORY;
	if (directory != is_directory)
		return directory ? FILE_E_IS_DIRECTORY : FILE_E_NOT_DIRECTORY;
	if (!directory)
		return E_OK;
	int empty = fat_directory_is_empty(fs, node);
	return empty < 0 ? empty : empty ? E_OK : FILE_E_NOT_EMPTY;
}

int fat_unlink(struct filesystem *base, uint64_t number, const char *name, bool is_directory)
{
	struct fat *fs = fat_of(base);
	struct node *directory, *node;
	int result = directory_get(fs, number, &directory);
	if (result >= 0)
		result = node_find(fs, directory, name, &node);
	if (result >= 0)
		result = removable(fs, node, is_directory);
	if (result >= 0)
		result = fat_begin(fs);
	if (result >= 0)
		result = fat_directory_remove(fs, directory, node->first_slot, node->slots);
	if (result < 0)
		return result;
	name_lost(fs, node);
	directory->modified_ns = fs->fs.options.now_ns();
	return node_store(fs, directory);
}

/* ---- Renaming ---- */

static bool is_above(const struct node *what, const struct node *node)
{
	while (node && node != what)
		node = node->parent;
	return node != 0;
}

/* NODE stands in TO now, at MADE. */
static void reparent(struct fat *fs, struct node *node, struct node *to, uint64_t position,
                     uint32_t first_slot, uint32_t slots)
{
	struct node *before = node->parent;
	node_move(fs, node, position);
	node->first_slot = first_slot;
	node->slots = slots;
	if (before != to) {
		node_reference(fs, to);
		node->parent = to;
		node_release(fs, before);
	}
}

/* Whether the SLOTS slots from FIRST_SLOT on of DIRECTORY, and POSITION, are in one sector. */
static bool in_one_sector(struct fat *fs, struct node *directory, uint32_t first_slot, uint32_t slots,
                          uint64_t position)
{
	const uint32_t per_sector = fs->sector_bytes / SLOT_BYTES;
	uint64_t first;
	uint64_t last;
	return slot_position(fs, directory, first_slot, &first) >= 0 &&
	       slot_position(fs, directory, first_slot + slots - 1, &last) >= 0 &&
	       first / per_sector == position / per_sector && last / per_sector == position / per_sector;
}

/* Where all entries that change are in one sector, that is one write. Else the new name is durable before the old
 * one goes, and that at once: a crash just between leaves both. */
static int move(struct fat *fs, struct node *from, struct node *to, const struct name *name,
                struct node *node, struct node *over)
{
	uint32_t old_first = node->first_slot;
	uint32_t old_slots = node->slots;
	int result;
	node->renames = (node->renames + 1) & 3;
	if (over) {
		uint64_t position = over->position;
		uint32_t first = over->first_slot;
		uint32_t slots = over->slots;
		name_lost(fs, over);
		reparent(fs, node, to, position, first, slots);
		result = node_store(fs, node);
	} else {
		uint8_t entry[SLOT_BYTES] = {0};
		entry_fill(fs, entry, node);
		result = fat_directory_add(fs, to, name, entry, &scratch_found);
		if (result < 0)
			return result;
		reparent(fs, node, to, scratch_found.position, scratch_found.first_slot, scratch_found.slots);
	}
	bool one_write = in_one_sector(fs, from, old_first, old_slots, node->position) &&
	                 (over || in_one_sector(fs, to, node->first_slot, node->slots, node->position));
	if (result >= 0 && !one_write) {
		result = fat_sync(&fs->fs, 0, false);
		fs->changed = true;
	}
	if (result >= 0)
		result = fat_directory_remove(fs, from, old_first, old_slots);
	if (result >= 0 && from != to && node->attributes & ATTRIBUTE_DIRECTORY)
		result = fat_directory_set_parent(fs, node, to);
	return result >= 0 && !one_write ? fat_sync(&fs->fs, 0, false) : result;
}

static int rename_in(struct fat *fs, struct node *from, const char *from_text, struct node *to,
                     const char *to_text, uint32_t flags)
{
	struct node *node, *over = 0;
	struct name name;
	int result = name_from_text(to_text, &name);
	if (result >= 0)
		result = node_find(fs, from, from_text, &node);
	if (result < 0)
		return result;
	node_reference(fs, node);
	result = node_find(fs, to, to_text, &over);
	if (result < 0)
		over = 0;
	result = result == FILE_E_NOT_FOUND ? E_OK : result;
	if (over && over == node) /* only the case of its letters changes, if anything */
		over = 0;
	if (over)
		node_reference(fs, over);
	if (result >= 0 && over && flags & FILE_RENAME_EXCLUSIVE)
		result = FILE_E_EXISTS;
	if (result >= 0 && over)
		result = removable(fs, over, node->attributes & ATTRIBUTE_DIRECTORY);
	if (result >= 0 && node->attributes & ATTRIBUTE_DIRECTORY && is_above(node, to))
		result = E_ARGUMENT;
	if (result >= 0)
		result = fat_begin(fs);
	if (result >= 0)
		result = move(fs, from, to, &name, node, over);
	if (over)
		node_release(fs, over);
	node_release(fs, node);
	return result;
}

int fat_rename(struct filesystem *base, uint64_t from_number, const char *from_text, uint64_t to_number,
               const char *to_text, uint32_t flags)
{
	struct fat *fs = fat_of(base);
	struct node *from, *to;
	if (flags & (FILE_RENAME_WHITEOUT | FILE_RENAME_EXCHANGE))
		return FILE_E_SUPPORT;
	int result = directory_get(fs, from_number, &from);
	if (result >= 0)
		result = directory_get(fs, to_number, &to);
	if (result < 0)
		return result;
	node_reference(fs, from);
	node_reference(fs, to);
	result = rename_in(fs, from, from_text, to, to_text, flags);
	node_release(fs, from);
	node_release(fs, to);
	return result;
}

/* ---- Listing ---- */

/* Cookies are slots, plus one. */
int fat_list(struct filesystem *base, uint64_t number, uint64_t cookie, struct filesystem_entry *entry)
{
	struct fat *fs = fat_of(base);
	struct node *directory;
	int result = directory_get(fs, number, &directory);
	if (result < 0)
		return result;
	if (cookie > DIRECTORY_SLOTS)
		return 0;
	result = fat_directory_next(fs, directory, cookie ? (uint32_t)cookie - 1 : 0, &scratch_found);
	if (result <= 0)
		return result;
	entry->node = node_number(fs, scratch_found.position);
	entry->cookie = (uint64_t)scratch_found.next_slot + 1;
	entry->mode = scratch_found.entry[EN_ATTRIBUTES] & ATTRIBUTE_DIRECTORY ? 0040000 : 0100000;
	name_to_text(&scratch_found.name, entry->name);
	return 1;
}

int fat_parent(struct filesystem *base, uint64_t number, uint64_t *parent)
{
	struct fat *fs = fat_of(base);
	struct node *node;
	int result = node_get(fs, number, &node);
	if (result >= 0)
		*parent = node->parent ? node->parent->number : FAT_ROOT;
	return result;
}
