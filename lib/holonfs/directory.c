/*
 * Directories: an entry is an item under the hash of its name, keyed with the file system's own secret, so
 * that no one can make names collide. The item holds all names of that hash, one after the other: 8 bytes
 * inode, type, length, name.
 */
#include "crypto/blake3.h"
#include "internal.h"

struct entry_head {
	uint64_t inode;
	uint8_t type; /* mode >> 12 */
	uint8_t length;
} __attribute__((packed));

uint64_t name_hash(const struct holonfs *fs, const char *name)
{
	uint64_t digest[BLAKE3_SIZE / 8];
	blake3_keyed_hash((uint8_t *)digest, fs->super.name_key, name, strlen(name));
	return (digest[0] & (OFFSET_MASK >> 2)) | 1; /* leaves room for cookies, and is not 0 */
}

int entry_check_name(const char *name)
{
	size_t length = strnlen(name, HOLONFS_NAME_MAX + 1);
	if (length > HOLONFS_NAME_MAX)
		return -ENAMETOOLONG;
	if (!length || !strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/'))
		return -EINVAL;
	return 0;
}

/* The entry at *AT of an item's bytes; false at the end or where it makes no sense. */
static bool next_entry(const struct item *item, unsigned *at, struct entry_head *head, const char **name)
{
	if (*at + sizeof(*head) > item->size)
		return false;
	memcpy(head, (const uint8_t *)item->data + *at, sizeof(*head));
	if (!head->length || *at + sizeof(*head) + head->length > item->size)
		return false;
	*name = (const char *)item->data + *at + sizeof(*head);
	*at += (unsigned)sizeof(*head) + head->length;
	return true;
}

int entry_find(struct holonfs *fs, uint64_t directory, const char *name, uint64_t *inode)
{
	struct item item;
	struct entry_head head;
	const char *text;
	size_t length = strlen(name);
	int found = item_find(fs, make_key(directory, ITEM_ENTRY, name_hash(fs, name)), &item);
	if (found < 0)
		return found;
	for (unsigned at = 0; found && next_entry(&item, &at, &head, &text);)
		if (head.length == length && memcmp(text, name, length) == 0) {
			*inode = head.inode;
			return 0;
		}
	return -ENOENT;
}

int entry_add(struct holonfs *fs, uint64_t directory, const char *name, uint64_t inode, uint32_t mode)
{
	uint8_t bytes[ITEM_MAX];
	struct item item;
	struct key key = make_key(directory, ITEM_ENTRY, name_hash(fs, name));
	struct entry_head head = {inode, (uint8_t)(mode >> 12), (uint8_t)strlen(name)};
	unsigned size = 0;
	int found = item_find(fs, key, &item);
	if (found < 0)
		return found;
	if (found) {
		size = item.size;
		memcpy(bytes, item.data, size);
	}
	if (size + sizeof(head) + head.length > ITEM_MAX)
		return -ENOSPC;
	memcpy(bytes + size, &head, sizeof(head));
	memcpy(bytes + size + sizeof(head), name, head.length);
	return item_put(fs, key, bytes, size + (unsigned)sizeof(head) + head.length);
}

int entry_remove(struct holonfs *fs, uint64_t directory, const char *name)
{
	uint8_t bytes[ITEM_MAX];
	struct item item;
	struct entry_head head;
	const char *text;
	struct key key = make_key(directory, ITEM_ENTRY, name_hash(fs, name));
	size_t length = strlen(name);
	int found = item_find(fs, key, &item);
	if (found < 0)
		return found;
	for (unsigned at = 0, start = 0; found && next_entry(&item, &at, &head, &text); start = at) {
		if (head.length != length || memcmp(text, name, length) != 0)
			continue;
		unsigned size = item.size - (at - start);
		if (!size)
			return item_remove(fs, key) < 0 ? -EUCLEAN : 0;
		memcpy(bytes, item.data, start);
		memcpy(bytes + start, (const uint8_t *)item.data + at, item.size - at);
		return item_put(fs, key, bytes, size);
	}
	return -ENOENT;
}

int directory_is_empty(struct holonfs *fs, uint64_t directory)
{
	struct item item;
	int found = item_next(fs, make_key(directory, ITEM_ENTRY, 0), &item);
	return found < 0 ? found : !found || !key_is(item.key, directory, ITEM_ENTRY);
}

int holonfs_list(struct holonfs *fs, uint64_t directory, uint64_t cookie, struct holonfs_entry *entry)
{
	struct item item;
	unsigned skip = cookie & 3; /* entries of that hash that were given */
	uint64_t hash = cookie >> 2;
	TRY(inode_begin(fs, false));
	for (;;) {
		struct entry_head head;
		const char *text;
		unsigned index = 0;
		int found = item_next(fs, make_key(directory, ITEM_ENTRY, hash), &item);
		if (found <= 0 || !key_is(item.key, directory, ITEM_ENTRY))
			return found < 0 ? found : 0;
		if (key_offset(item.key) != hash)
			skip = 0;
		hash = key_offset(item.key);
		for (unsigned at = 0; next_entry(&item, &at, &head, &text); index++) {
			if (index < skip)
				continue;
			bool last = at >= item.size || index == 2;
			entry->inode = head.inode;
			entry->mode = (uint32_t)head.type << 12;
			entry->cookie = last ? (hash + 1) << 2 : hash << 2 | (index + 1);
			memcpy(entry->name, text, head.length);
			entry->name[head.length] = 0;
			return 1;
		}
		hash++;
		skip = 0;
	}
}

int holonfs_parent(struct holonfs *fs, uint64_t directory, uint64_t *parent)
{
	struct inode_disk inode;
	TRY(inode_begin(fs, false));
	TRY(inode_read(fs, directory, &inode));
	*parent = inode.parent;
	return 0;
}
