/* Extended attributes (chapter "Extended Attributes"): some in the inode, behind its fields, the rest in one block, which
 * inodes may share. A change takes all of an inode's out, and packs them again. ACLs have a form of their own on the disk. */
#include "internal.h"

#include <stdlib.h>

#define XATTR_MAGIC  0xea020000u
#define BLOCK_HEADER 32u
#define ENTRY_BYTES  16u
#define ATTRIBUTES   512u
enum { XB_REFERENCES = 4, XB_BLOCKS = 8, XB_HASH = 0xc, XB_CHECKSUM = 0x10 };
enum { INDEX_ACL_ACCESS = 2, INDEX_ACL_DEFAULT = 3 };

static const struct {
	uint8_t index;
	bool whole; /* nothing comes behind it */
	const char *prefix;
} prefixes[] = {{1, false, "user."},
                {2, true, "system.posix_acl_access"},
                {3, true, "system.posix_acl_default"},
                {4, false, "trusted."},
                {6, false, "security."},
                {7, false, "system."}};
#define PREFIXES (sizeof(prefixes) / sizeof(*prefixes))

struct attribute {
	uint8_t index, name_bytes;
	uint32_t value_bytes;
	const uint8_t *name, *value;
};

/* All of an inode's: the bytes are in copies of their own. */
struct attributes {
	struct attribute list[ATTRIBUTES];
	unsigned count;
	uint8_t *inside, *block;
};

static uint32_t padded(uint32_t bytes)
{
	return (bytes + 3) & ~3u;
}

static uint32_t entry_bytes(const struct attribute *attribute)
{
	return padded(ENTRY_BYTES + attribute->name_bytes);
}

/* ---- Reading ---- */

/* Where those in the inode are; 0: it has no room for any. */
static uint32_t inside_start(const struct ext4 *fs, const struct inode *inode)
{
	uint32_t start = fs->inode_bytes > 128 ? 128u + get16(inode->raw + IN_EXTRA) : 0;
	return start && start + 4 + 4 < fs->inode_bytes ? start : 0;
}

/* The entries in DATA from FIRST on, whose values lie from BASE on, within BYTES. */
static int parse(struct ext4 *fs, const struct inode *inode, struct attributes *all, const uint8_t *data,
                 uint32_t first, uint32_t base, uint32_t bytes)
{
	for (uint32_t at = first; at + 4 <= bytes && get32(data + at);) {
		const uint8_t *entry = data + at;
		struct attribute attribute = {
		    .name_bytes = entry[0], .index = entry[1], .name = entry + ENTRY_BYTES};
		if (at + ENTRY_BYTES + attribute.name_bytes > bytes || all->count == ATTRIBUTES)
			break;
		uint32_t offset = get16(entry + 2);
		attribute.value_bytes = get32(entry + 8);
		if (get32(entry + 4) || attribute.value_bytes > bytes || offset > bytes - base ||
		    attribute.value_bytes > bytes - base - offset)
			return filesystem_damaged(&fs->fs, "ext4: the attributes of inode %u make no sense",
			                          (unsigned)inode->number);
		attribute.value = data + base + offset;
		all->list[all->count++] = attribute;
		at += entry_bytes(&attribute);
	}
	return E_OK;
}

static uint32_t block_checksum(const struct ext4 *fs, const struct buffer *block)
{
	const uint8_t zero[4] = {0};
	uint8_t number[8];
	put64(number, block->block);
	uint32_t crc = crc32c(crc32c(fs->seed, number, 8), block->data, XB_CHECKSUM);
	crc = crc32c(crc, zero, 4);
	return crc32c(crc, block->data + XB_CHECKSUM + 4, fs->block_bytes - XB_CHECKSUM - 4);
}

static int block_get(struct ext4 *fs, const struct inode *inode, struct buffer **block)
{
	uint64_t number = inode_acl(inode);
	*block = 0;
	if (!number)
		return E_OK;
	int result = blocks_valid(fs, number, 1)
	                 ? cache_get(&fs->cache, number, false, block)
	                 : filesystem_damaged(&fs->fs, "ext4: the attributes of inode %u lie out of the disk",
	                                      (unsigned)inode->number);
	if (result < 0)
		return result;
	const uint8_t *data = (*block)->data;
	if (get32(data) == XATTR_MAGIC && get32(data + XB_BLOCKS) == 1 &&
	    ((*block)->checked || !fs->checksums ||
	     get32(data + XB_CHECKSUM) == block_checksum(fs, *block))) {
		(*block)->checked = true;
		return E_OK;
	}
	buffer_release(*block);
	*block = 0;
	return filesystem_damaged(&fs->fs,
	                          "ext4: the attributes of inode %u make no sense, or fail their checksum",
	                          (unsigned)inode->number);
}

static void attributes_free(struct attributes *all)
{
	if (!all)
		return;
	free(all->inside);
	free(all->block);
	free(all);
}

static int load(struct ext4 *fs, const struct inode *inode, struct attributes **out)
{
	struct attributes *all = calloc(1, sizeof(*all));
	struct buffer *block;
	uint32_t start = inside_start(fs, inode);
	*out = all;
	if (!all)
		return FILESYSTEM_E_NO_MEMORY;
	int result = block_get(fs, inode, &block);
	if (result < 0)
		return result;
	all->inside = malloc(fs->inode_bytes);
	all->block = malloc(fs->block_bytes);
	if (!all->inside || !all->block)
		result = FILESYSTEM_E_NO_MEMORY;
	if (result >= 0 && start && get32(inode->raw + start) == XATTR_MAGIC) {
		memcpy(all->inside, inode->raw + start, fs->inode_bytes - start);
		result = parse(fs, inode, all, all->inside, 4, 4, fs->inode_bytes - start);
	}
	if (result >= 0 && block) {
		memcpy(all->block, block->data, fs->block_bytes);
		result = parse(fs, inode, all, all->block, BLOCK_HEADER, 0, fs->block_bytes);
	}
	buffer_release(block);
	return result;
}

/* ---- Names ---- */

static int name_split(const char *name, uint8_t *index, const char **rest)
{
	for (unsigned i = 0; i < PREFIXES; i++) {
		size_t length = strlen(prefixes[i].prefix);
		if (strncmp(name, prefixes[i].prefix, length) != 0 || prefixes[i].whole != !name[length])
			continue;
		*index = prefixes[i].index;
		*rest = name + length;
		return E_OK;
	}
	return FILE_E_SUPPORT;
}

static struct attribute *attribute_find(struct attributes *all, uint8_t index, const char *name)
{
	size_t length = strlen(name);
	for (unsigned i = 0; i < all->count; i++)
		if (all->list[i].index == index && all->list[i].name_bytes == length &&
		    memcmp(all->list[i].name, name, length) == 0)
			return &all->list[i];
	return 0;
}

/* ---- ACLs ---- */

static bool acl_has_id(uint16_t tag)
{
	return tag == 2 || tag == 8;
}

/* From the disk's form (version 1, an id where one is needed) to that of the attribute (version 2). The size, or an
 * error. */
static int64_t acl_from_disk(const uint8_t *from, uint32_t bytes, uint8_t *to, size_t room)
{
	size_t size = 4;
	if (bytes < 4 || get32(from) != 1)
		return FILE_E_IO;
	for (uint32_t at = 4; at < bytes; size += 8) {
		if (at + 4 > bytes)
			return FILE_E_IO;
		bool has_id = acl_has_id(get16(from + at));
		if (at + (has_id ? 8 : 4) > bytes)
			return FILE_E_IO;
		if (size + 8 <= room) {
			memcpy(to + size, from + at, 4);
			put32(to + size + 4, has_id ? get32(from + at + 4) : UINT32_MAX);
		}
		at += has_id ? 8 : 4;
	}
	if (room >= 4)
		put32(to, 2);
	return (int64_t)size;
}

/* The other way; at most BYTES at TO. */
static int64_t acl_to_disk(const uint8_t *from, size_t bytes, uint8_t *to)
{
	uint32_t size = 4;
	if (bytes < 4 || bytes % 8 != 4 || get32(from) != 2)
		return E_ARGUMENT;
	put32(to, 1);
	for (size_t at = 4; at < bytes; at += 8) {
		memcpy(to + size, from + at, 4);
		size += 4;
		if (acl_has_id(get16(from + at))) {
			put32(to + size, get32(from + at + 4));
			size += 4;
		}
	}
	return size;
}

/* ---- Writing ---- */

static uint32_t entry_hash(const struct attribute *attribute)
{
	uint32_t hash = 0;
	for (unsigned i = 0; i < attribute->name_bytes; i++)
		hash = hash << 5 ^ hash >> 27 ^ attribute->name[i];
	for (uint32_t at = 0; at < attribute->value_bytes; at += 4) {
		uint32_t left = attribute->value_bytes - at;
		uint8_t word[4] = {0};
		memcpy(word, attribute->value + at, left < 4 ? left : 4);
		hash = hash << 16 ^ hash >> 16 ^ get32(word);
	}
	return hash;
}

/* Puts one in, whose entry is at *AT and whose value ends at *END; false: there is no room. */
static bool pack(uint8_t *data, uint32_t base, uint32_t *at, uint32_t *end, const struct attribute *attribute)
{
	uint32_t value = padded(attribute->value_bytes), entry = entry_bytes(attribute);
	if (*at + entry + 4 + value > *end)
		return false;
	*end -= value;
	memset(data + *at, 0, entry);
	memset(data + *end, 0, value);
	data[*at] = attribute->name_bytes;
	data[*at + 1] = attribute->index;
	put16(data + *at + 2, attribute->value_bytes ? (uint16_t)(*end - base) : 0);
	put32(data + *at + 8, attribute->value_bytes);
	put32(data + *at + 12, entry_hash(attribute));
	memcpy(data + *at + ENTRY_BYTES, attribute->name, attribute->name_bytes);
	memcpy(data + *end, attribute->value, attribute->value_bytes);
	*at += entry;
	return true;
}

/* The block of INODE becomes its own, or there is none any more. */
static int block_release(struct ext4 *fs, struct inode *inode)
{
	struct buffer *block;
	int result = block_get(fs, inode, &block);
	if (result < 0 || !block)
		return result;
	uint32_t references = get32(block->data + XB_REFERENCES);
	uint64_t number = block->block;
	if (references > 1) {
		put32(block->data + XB_REFERENCES, references - 1);
		if (fs->checksums)
			put32(block->data + XB_CHECKSUM, block_checksum(fs, block));
		transaction_add(fs, block);
		buffer_release(block);
	} else {
		buffer_release(block);
		result = blocks_free(fs, number, 1, true);
	}
	inode_set_acl(inode, 0);
	inode_add_blocks(fs, inode, -1);
	inode_changed(fs, inode);
	return result;
}

int xattr_free(struct ext4 *fs, struct inode *inode)
{
	return block_release(fs, inode);
}

static int by_name(const void *a, const void *b)
{
	const struct attribute *left = a;
	const struct attribute *right = b;
	if (left->index != right->index)
		return left->index < right->index ? -1 : 1;
	if (left->name_bytes != right->name_bytes)
		return left->name_bytes < right->name_bytes ? -1 : 1;
	return memcmp(left->name, right->name, left->name_bytes);
}

/* The block's contents, DATA, in a block that INODE has alone. */
static int block_store(struct ext4 *fs, struct inode *inode, const uint8_t *data)
{
	struct buffer *block;
	int result = block_get(fs, inode, &block);
	if (result < 0)
		return result;
	if (block && get32(block->data + XB_REFERENCES) != 1) {
		buffer_release(block);
		block = 0;
		result = block_release(fs, inode);
	}
	if (result >= 0 && !block) {
		struct range got;
		result = blocks_allocate(fs, extent_goal(fs, inode, 0), 1, &got);
		if (result >= 0)
			result = cache_get(&fs->cache, got.first, true, &block);
		if (result < 0)
			return result;
		inode_set_acl(inode, got.first);
		inode_add_blocks(fs, inode, 1);
	}
	if (result < 0)
		return result;
	memcpy(block->data, data, fs->block_bytes);
	if (fs->checksums)
		put32(block->data + XB_CHECKSUM, block_checksum(fs, block));
	block->checked = true;
	transaction_add(fs, block);
	buffer_release(block);
	return E_OK;
}

static int store(struct ext4 *fs, struct inode *inode, struct attributes *all)
{
	uint32_t start = inside_start(fs, inode);
	uint32_t inside_end = start ? fs->inode_bytes - start : 0, inside_at = 4;
	uint32_t block_end = fs->block_bytes, block_at = BLOCK_HEADER, hash = 0;
	uint8_t *inside = calloc(1, fs->inode_bytes), *data = calloc(1, fs->block_bytes);
	int result = inside && data ? E_OK : FILESYSTEM_E_NO_MEMORY;
	bool hashed = true;
	records_sort(all->list, all->count, sizeof(*all->list), by_name);
	for (unsigned i = 0; i < all->count && result >= 0; i++) {
		uint32_t last = block_at;
		if (start && pack(inside, 4, &inside_at, &inside_end, &all->list[i]))
			continue;
		if (!pack(data, 0, &block_at, &block_end, &all->list[i])) {
			result = FILE_E_NO_SPACE;
			break;
		}
		uint32_t each = get32(data + last + 12);
		hashed &= each != 0;
		hash = hash << 16 ^ hash >> 16 ^ each;
	}
	if (result >= 0 && block_at > BLOCK_HEADER) {
		put32(data, XATTR_MAGIC);
		put32(data + XB_REFERENCES, 1);
		put32(data + XB_BLOCKS, 1);
		put32(data + XB_HASH, hashed ? hash : 0);
		result = block_store(fs, inode, data);
	} else if (result >= 0) {
		result = block_release(fs, inode);
	}
	if (result >= 0 && start) {
		if (inside_at > 4)
			put32(inside, XATTR_MAGIC);
		memcpy(inode->raw + start, inside, fs->inode_bytes - start);
	}
	if (result >= 0) {
		inode_stamp(fs, inode, false);
		inode_changed(fs, inode);
	}
	free(inside);
	free(data);
	return result;
}

/* ---- The calls ---- */

int64_t ext4_xattr_get(struct filesystem *base, uint64_t node, const char *name, void *value, size_t room)
{
	struct ext4 *fs = ext4_of(base);
	struct attributes *all = 0;
	struct inode inode;
	uint8_t index;
	const char *rest;
	int64_t result = name_split(name, &index, &rest);
	if (result < 0)
		return FILE_E_NO_ATTRIBUTE;
	result = inode_get(fs, node, &inode);
	if (result < 0)
		return result;
	result = load(fs, &inode, &all);
	if (result >= 0) {
		const struct attribute *found = attribute_find(all, index, rest);
		result = found ? (int64_t)found->value_bytes : FILE_E_NO_ATTRIBUTE;
		if (found && (index == INDEX_ACL_ACCESS || index == INDEX_ACL_DEFAULT))
			result = acl_from_disk(found->value, found->value_bytes, value, room);
		else if (found && room >= found->value_bytes)
			memcpy(value, found->value, found->value_bytes);
	}
	attributes_free(all);
	inode_put(&inode);
	return result;
}

static int change(struct ext4 *fs, uint64_t node, const char *name, const uint8_t *value, size_t bytes,
                  uint32_t flags)
{
	struct attributes *all = 0;
	struct inode inode;
	uint8_t index, *acl = 0;
	const char *rest;
	int result = name_split(name, &index, &rest);
	if (result < 0)
		return result;
	if (bytes > fs->block_bytes)
		return FILE_E_NO_SPACE;
	if (value && (index == INDEX_ACL_ACCESS || index == INDEX_ACL_DEFAULT)) {
		acl = malloc(bytes + 8);
		int64_t size = acl ? acl_to_disk(value, bytes, acl) : FILESYSTEM_E_NO_MEMORY;
		if (size < 0) {
			free(acl);
			return (int)size;
		}
		value = acl;
		bytes = (size_t)size;
	}
	result = transaction_room(fs);
	if (result >= 0)
		result = inode_get(fs, node, &inode);
	if (result < 0) {
		free(acl);
		return result;
	}
	result = load(fs, &inode, &all);
	if (result >= 0) {
		struct attribute *found = attribute_find(all, index, rest);
		if (!found && (!value || flags & FILE_XATTR_REPLACE))
			result = FILE_E_NO_ATTRIBUTE;
		else if (found && value && flags & FILE_XATTR_CREATE)
			result = FILE_E_EXISTS;
		else if (!found && all->count == ATTRIBUTES)
			result = FILE_E_NO_SPACE;
		else if (!value)
			*found = all->list[--all->count];
		else
			*(found ? found : &all->list[all->count++]) =
			    (struct attribute){.index = index,
			                       .name_bytes = (uint8_t)strlen(rest),
			                       .value_bytes = (uint32_t)bytes,
			                       .name = (const uint8_t *)rest,
			                       .value = value};
	}
	if (result >= 0)
		result = store(fs, &inode, all);
	attributes_free(all);
	free(acl);
	inode_put(&inode);
	return result;
}

int ext4_xattr_set(struct filesystem *base, uint64_t node, const char *name, const void *value, size_t bytes,
                   uint32_t flags)
{
	return change(ext4_of(base), node, name, value, bytes, flags);
}

int ext4_xattr_remove(struct filesystem *base, uint64_t node, const char *name)
{
	return change(ext4_of(base), node, name, 0, 0, 0);
}

int64_t ext4_xattr_list(struct filesystem *base, uint64_t node, char *names, size_t room)
{
	struct ext4 *fs = ext4_of(base);
	struct attributes *all = 0;
	struct inode inode;
	size_t at = 0;
	int64_t result = inode_get(fs, node, &inode);
	if (result < 0)
		return result;
	result = load(fs, &inode, &all);
	for (unsigned i = 0; result >= 0 && i < all->count; i++) {
		const struct attribute *each = &all->list[i];
		for (unsigned k = 0; k < PREFIXES; k++) {
			size_t length = strlen(prefixes[k].prefix);
			if (prefixes[k].index != each->index || memchr(each->name, 0, each->name_bytes) ||
			    length + each->name_bytes > FILE_NAME_MAX)
				continue;
			if (at + length + each->name_bytes + 1 <= room) {
				memcpy(names + at, prefixes[k].prefix, length);
				memcpy(names + at + length, each->name, each->name_bytes);
				names[at + length + each->name_bytes] = 0;
			}
			at += length + each->name_bytes + 1;
		}
	}
	attributes_free(all);
	inode_put(&inode);
	return result < 0 ? result : (int64_t)at;
}
