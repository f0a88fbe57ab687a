/*
 * Extended attributes, in pieces of 800 bytes: the first says name and size. A name's place is a hash of 45
 * bits with eight slots for names that collide. POSIX ACLs are attributes with two duties: a directory's
 * default ACL shapes what is made in it, and the mode and the access ACL follow each other (POSIX 1003.1e
 * draft 17, section 23; the encoding is Linux' posix_acl_xattr.h).
 */
#include "internal.h"

#define PIECE       800u
#define SLOTS       8u
#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

struct xattr_head {
	uint32_t total;
	uint8_t name_bytes, reserved[3];
};

static struct key piece_key(uint64_t inode, uint64_t place, uint64_t piece)
{
	return make_key(inode, ITEM_XATTR, place << 8 | piece);
}

static bool read_head(const struct item *item, struct xattr_head *head)
{
	if (item->size < sizeof(*head))
		return false;
	memcpy(head, item->data, sizeof(*head));
	return head->name_bytes && head->total <= HOLONFS_XATTR_MAX &&
	       item->size >= sizeof(*head) + head->name_bytes;
}

/* The place of NAME; 1 it is there, 0 not: then *PLACE is free for it. */
static int find_place(struct holonfs *fs, uint64_t inode, const char *name, uint64_t *place,
                      struct xattr_head *head)
{
	uint64_t base = name_hash(fs, name) & ((UINT64_C(1) << 45) - 1);
	size_t length = strlen(name);
	uint64_t room = UINT64_MAX;
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		struct item item;
		int found = item_find(fs, piece_key(inode, base * SLOTS + slot, 0), &item);
		if (found < 0)
			return found;
		if (!found) {
			if (room == UINT64_MAX)
				room = base * SLOTS + slot;
			continue;
		}
		if (!read_head(&item, head))
			return -EUCLEAN;
		if (head->name_bytes == length &&
		    memcmp((const uint8_t *)item.data + sizeof(*head), name, length) == 0) {
			*place = base * SLOTS + slot;
			return 1;
		}
	}
	*place = room;
	return room == UINT64_MAX ? -ENOSPC : 0;
}

static int check_name(const char *name)
{
	size_t length = strnlen(name, HOLONFS_NAME_MAX + 1);
	return length > HOLONFS_NAME_MAX ? -ERANGE : length ? 0 : -EINVAL;
}

static int64_t get(struct holonfs *fs, uint64_t inode, const char *name, uint8_t *value, size_t room)
{
	struct xattr_head head;
	uint64_t place;
	int found = find_place(fs, inode, name, &place, &head);
	if (found <= 0)
		return found < 0 && found != -ENOSPC ? found : -ENODATA;
	if (!room)
		return head.total;
	if (head.total > room)
		return -ERANGE;
	for (uint32_t at = 0; at < head.total; at += PIECE) {
		struct item item;
		uint32_t want = head.total - at < PIECE ? head.total - at : PIECE;
		unsigned skip = at ? 0 : (unsigned)sizeof(head) + head.name_bytes;
		found = item_find(fs, piece_key(inode, place, at / PIECE), &item);
		if (found <= 0 || item.size != skip + want)
			return found < 0 ? found : -EUCLEAN;
		memcpy(value + at, (const uint8_t *)item.data + skip, want);
	}
	return head.total;
}

int64_t holonfs_xattr_get(struct holonfs *fs, uint64_t inode, const char *name, void *value, size_t room)
{
	struct inode_disk disk;
	TRY(inode_begin(fs, false));
	TRY(inode_read(fs, inode, &disk));
	TRY(check_name(name));
	return get(fs, inode, name, value, room);
}

static int remove_place(struct holonfs *fs, uint64_t inode, uint64_t place, uint32_t total)
{
	for (uint32_t piece = 0; piece * PIECE < total || !piece; piece++)
		TRY(item_remove(fs, piece_key(inode, place, piece)));
	return 0;
}

static int put(struct holonfs *fs, uint64_t inode, const char *name, const uint8_t *value, size_t size,
               int flags)
{
	struct xattr_head head;
	uint8_t first[sizeof(head) + HOLONFS_NAME_MAX + PIECE];
	uint64_t place;
	int found = find_place(fs, inode, name, &place, &head);
	if (found < 0)
		return found;
	if (found && (flags & 1))
		return -EEXIST;
	if (!found && (flags & 2))
		return -ENODATA;
	if (found)
		TRY(remove_place(fs, inode, place, head.total));
	size_t length = strlen(name);
	size_t part = size < PIECE ? size : PIECE;
	head = (struct xattr_head){.total = (uint32_t)size, .name_bytes = (uint8_t)length};
	memcpy(first, &head, sizeof(head));
	memcpy(first + sizeof(head), name, head.name_bytes);
	if (part)
		memcpy(first + sizeof(head) + length, value, part);
	TRY(item_put(fs, piece_key(inode, place, 0), first, (unsigned)(sizeof(head) + length + part)));
	for (size_t at = PIECE; at < size; at += PIECE)
		TRY(item_put(fs, piece_key(inode, place, at / PIECE), value + at,
		             (unsigned)(size - at < PIECE ? size - at : PIECE)));
	return 0;
}

static int drop(struct holonfs *fs, uint64_t inode, const char *name)
{
	struct xattr_head head;
	uint64_t place;
	int found = find_place(fs, inode, name, &place, &head);
	if (found <= 0)
		return found < 0 && found != -ENOSPC ? found : -ENODATA;
	return remove_place(fs, inode, place, head.total);
}

int64_t holonfs_xattr_list(struct holonfs *fs, uint64_t inode, char *names, size_t room)
{
	struct inode_disk disk;
	struct item item;
	struct key key = make_key(inode, ITEM_XATTR, 0);
	size_t size = 0;
	int found;
	TRY(inode_begin(fs, false));
	TRY(inode_read(fs, inode, &disk));
	while ((found = item_next(fs, key, &item)) > 0 && key_is(item.key, inode, ITEM_XATTR)) {
		struct xattr_head head;
		uint64_t place = key_offset(item.key) >> 8;
		if (!read_head(&item, &head))
			return -EUCLEAN;
		if (room && size + head.name_bytes + 1u > room)
			return -ERANGE;
		if (room) {
			memcpy(names + size, (const uint8_t *)item.data + sizeof(head), head.name_bytes);
			names[size + head.name_bytes] = 0;
		}
		size += head.name_bytes + 1u;
		key = piece_key(inode, place + 1, 0);
	}
	return found < 0 ? found : (int64_t)size;
}

int xattr_remove_all(struct holonfs *fs, uint64_t inode)
{
	struct item item;
	int found;
	while ((found = item_next(fs, make_key(inode, ITEM_XATTR, 0), &item)) > 0 &&
	       key_is(item.key, inode, ITEM_XATTR))
		TRY(item_remove(fs, item.key));
	return found < 0 ? found : 0;
}

/* ---- POSIX ACLs ---- */

enum { TAG_USER_OBJ = 1, TAG_USER = 2, TAG_GROUP_OBJ = 4, TAG_GROUP = 8, TAG_MASK = 16, TAG_OTHER = 32 };

struct acl_entry {
	uint16_t tag, permissions;
	uint32_t id;
};

#define ACL_ENTRIES 128u
struct acl {
	uint32_t version; /* 2 */
	struct acl_entry entries[ACL_ENTRIES];
};

static int acl_count(const struct acl *acl, size_t size)
{
	if (size < 4 || (size - 4) % sizeof(struct acl_entry) || acl->version != 2 ||
	    (size - 4) / sizeof(struct acl_entry) > ACL_ENTRIES)
		return -EINVAL;
	return (int)((size - 4) / sizeof(struct acl_entry));
}

static struct acl_entry *acl_find(struct acl *acl, int count, uint16_t tag)
{
	for (int i = 0; i < count; i++)
		if (acl->entries[i].tag == tag)
			return &acl->entries[i];
	return NULL;
}

/* The mode's nine bits say what the ACL allows owner, group class and others; CUT: the ACL is limited to MODE
 * first; else MODE is set from it. */
static int acl_and_mode(struct acl *acl, int count, uint32_t *mode, bool cut, bool set)
{
	struct acl_entry *owner = acl_find(acl, count, TAG_USER_OBJ);
	struct acl_entry *group = acl_find(acl, count, TAG_MASK);
	struct acl_entry *other = acl_find(acl, count, TAG_OTHER);
	if (!group)
		group = acl_find(acl, count, TAG_GROUP_OBJ);
	if (!owner || !group || !other)
		return -EINVAL;
	if (cut) {
		owner->permissions &= *mode >> 6 & 7;
		group->permissions &= *mode >> 3 & 7;
		other->permissions &= *mode & 7;
	}
	if (set) {
		owner->permissions = *mode >> 6 & 7;
		group->permissions = *mode >> 3 & 7;
		other->permissions = *mode & 7;
	}
	*mode = (*mode & ~0777u) | (uint32_t)(owner->permissions & 7) << 6 |
	        (uint32_t)(group->permissions & 7) << 3 | (other->permissions & 7);
	return 0;
}

static int64_t read_acl(struct holonfs *fs, uint64_t inode, const char *name, struct acl *acl, int *count)
{
	int64_t size = get(fs, inode, name, (uint8_t *)acl, sizeof(*acl));
	*count = size > 0 ? acl_count(acl, (size_t)size) : 0;
	return size == -ENODATA ? 0 : *count < 0 ? -EUCLEAN : size;
}

int xattr_inherit(struct holonfs *fs, uint64_t directory, uint64_t made, uint32_t umask, uint32_t *mode)
{
	struct acl acl;
	int count;
	int64_t size = read_acl(fs, directory, ACL_DEFAULT, &acl, &count);
	if (size <= 0) {
		*mode &= ~(umask & 0777);
		return (int)size;
	}
	if ((*mode & 0170000) == 0040000)
		TRY(put(fs, made, ACL_DEFAULT, (const uint8_t *)&acl, (size_t)size, 0));
	TRY(acl_and_mode(&acl, count, mode, true, false));
	return count > 3 ? put(fs, made, ACL_ACCESS, (const uint8_t *)&acl, (size_t)size, 0) : 0;
}

int xattr_follow_mode(struct holonfs *fs, uint64_t inode, uint32_t mode)
{
	struct acl acl;
	int count;
	int64_t size = read_acl(fs, inode, ACL_ACCESS, &acl, &count);
	if (size <= 0)
		return (int)size;
	TRY(acl_and_mode(&acl, count, &mode, false, true));
	return put(fs, inode, ACL_ACCESS, (const uint8_t *)&acl, (size_t)size, 0);
}

/* An access ACL that says no more than a mode is the mode, and not kept. */
static int set_acl(struct holonfs *fs, uint64_t number, struct inode_disk *inode, bool access,
                   const void *value, size_t size)
{
	struct acl acl;
	uint32_t mode = inode->mode;
	if (size > sizeof(acl))
		return -E2BIG;
	memcpy(&acl, value, size);
	int count = acl_count(&acl, size);
	if (count < 0)
		return count;
	if (!access && (inode->mode & 0170000) != 0040000)
		return -EACCES;
	if (!count) {
		int status = drop(fs, number, access ? ACL_ACCESS : ACL_DEFAULT);
		return status == -ENODATA ? 0 : status;
	}
	TRY(acl_and_mode(&acl, count, &mode, false, false));
	if (!access)
		return put(fs, number, ACL_DEFAULT, value, size, 0);
	inode->mode = mode;
	if (count > 3)
		return put(fs, number, ACL_ACCESS, value, size, 0);
	int status = drop(fs, number, ACL_ACCESS);
	return status == -ENODATA ? 0 : status;
}

int holonfs_xattr_set(struct holonfs *fs, uint64_t number, const char *name, const void *value, size_t size,
                      int flags)
{
	struct inode_disk inode;
	TRY(inode_begin_with(fs, size / HOLONFS_BLOCK * 4));
	TRY(inode_read(fs, number, &inode));
	TRY(check_name(name));
	if (size > HOLONFS_XATTR_MAX)
		return -E2BIG;
	bool access = !strcmp(name, ACL_ACCESS);
	if (access || !strcmp(name, ACL_DEFAULT))
		TRY(set_acl(fs, number, &inode, access, value, size));
	else
		TRY(put(fs, number, name, value, size, flags));
	inode.changed_ns = fs->clock();
	return inode_write(fs, number, &inode);
}

int holonfs_xattr_remove(struct holonfs *fs, uint64_t number, const char *name)
{
	struct inode_disk inode;
	int status = inode_begin(fs, true);
	if (status < 0 && status != -ENOSPC)
		return status;
	TRY(inode_read(fs, number, &inode));
	TRY(check_name(name));
	TRY(drop(fs, number, name));
	inode.changed_ns = fs->clock();
	return inode_write(fs, number, &inode);
}
