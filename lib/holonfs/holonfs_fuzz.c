/*
 * Fuzzes what holonfs reads: a valid file system in memory, below which no checksum is (as a store that lies), with patches from
 * the input laid over it. Then it is mounted and all operations of the library are made on it, as the input says, while the store
 * or memory may fail once; it is checked and repaired. Nothing may crash, hang, or touch memory that is not its own.
 *
 * Where there were no patches, the file system must be sound to the end: after every failure, either it takes nothing more,
 * or the operation that failed has changed nothing that the check can find.
 *
 * The input: which base, what fails and at which call, how many patches; the patches, of bytes and of items; the operations.
 */
#include <stdio.h>
#include "fuzz_input.h"
#include "internal.h"

#define BLOCKS 512u
#include "fuzz_image.h"

#define OPERATIONS_MAX 80u
#define NODES          16u
#define DATA_BYTES     (20u * HOLONFS_BLOCK)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small: many kinds of things. Tall: a tree of three levels, whose nodes are joined when its attributes go. Full: little room is left. */
enum { SMALL, TALL, FULL, BASES };
static uint8_t bases[BASES][BLOCKS][HOLONFS_BLOCK];

static struct holonfs *fs;
static uint64_t nodes[NODES];
static uint8_t buffer[DATA_BYTES];
static uint8_t noise[DATA_BYTES];

static int64_t fixed_clock(void)
{
	return 1;
}

/* ---- What is valid ---- */

struct acl_bytes {
	uint32_t version;
	struct {
		uint16_t tag, permissions;
		uint32_t id;
	} entries[4];
};

static void must(int64_t status)
{
	if (status < 0)
		abort();
}

static void make_small(void)
{
	static const struct acl_bytes acl = {2, {{1, 7, 0}, {4, 5, 0}, {16, 7, 0}, {32, 5, 0}}};
	struct holonfs_attributes made;
	char name[40];
	for (unsigned i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "a-name-that-takes-some-room-%u", i);
		must(holonfs_create(fs, HOLONFS_ROOT, name, i % 4 ? 0100644 : 0040755, 0, 0, 0, 0, &made));
		if (i % 4)
			must(holonfs_write(fs, made.inode, i * 100, buffer, i * 50));
		must(holonfs_xattr_set(fs, made.inode, "user.a", buffer, i * 10, 0));
	}
	/* A quota that has yet to count most of it. */
	must(holonfs_set_quota(fs, HOLONFS_ROOT, 1000, 1000));
	if (holonfs_continue(fs) <= 0)
		abort();
	/* Two runs that are compressed, one of them in two pieces; a file that shares blocks; a hole, and reserved room. */
	must(holonfs_create(fs, HOLONFS_ROOT, "n0", 0100644, 0, 0, 0, 0, &made));
	must(holonfs_write(fs, made.inode, 0, buffer, sizeof(buffer)));
	must(holonfs_write(fs, made.inode, 5000, "middle", 6));
	uint64_t packed = made.inode;
	must(holonfs_create(fs, HOLONFS_ROOT, "n1", 0100644, 0, 0, 0, 0, &made));
	must(holonfs_write(fs, made.inode, 0, noise, sizeof(noise)));
	must(holonfs_allocate(fs, made.inode, 3, 3 * HOLONFS_BLOCK, 2 * HOLONFS_BLOCK));
	must(holonfs_allocate(fs, made.inode, 0, 30 * HOLONFS_BLOCK, 4 * HOLONFS_BLOCK));
	uint64_t plain = made.inode;
	must(holonfs_create(fs, HOLONFS_ROOT, "n2", 0100644, 0, 0, 0, 0, &made));
	must(holonfs_share(fs, plain, 0, made.inode, 0, 0));
	must(holonfs_share(fs, packed, 0, made.inode, 64 * HOLONFS_BLOCK, 0));
	must(holonfs_link(fs, made.inode, HOLONFS_ROOT, "n3", &made));
	must(holonfs_symlink(fs, HOLONFS_ROOT, "link", "target", 0, 0, &made));
	must(holonfs_create(fs, HOLONFS_ROOT, "d", 0042755, 0, 0, 0, 0, &made));
	must(holonfs_xattr_set(fs, made.inode, "system.posix_acl_default", &acl, sizeof(acl), 0));
	must(holonfs_create(fs, made.inode, "n4", 0100644, 0, 0, 0, 0, &made));
	must(holonfs_create_unnamed(fs, HOLONFS_ROOT, 0100600, 0, 0, 0, &made));
	/* Directories with a file and a directory each. */
	char child[4] = "n8";
	for (child[1] = '5'; child[1] <= '8'; child[1]++) {
		must(holonfs_create(fs, HOLONFS_ROOT, child, 0040755, 0, 0, 0, 0, &made));
		uint64_t directory = made.inode;
		must(holonfs_create(fs, directory, "n0", 0100644, 0, 0, 0, 0, &made));
		must(holonfs_create(fs, directory, "n5", 0040755, 0, 0, 0, 0, &made));
	}
}

static void make_tall(void)
{
	static uint8_t value[HOLONFS_XATTR_MAX];
	struct holonfs_attributes made;
	char name[4] = "n0";
	for (unsigned i = 0; i < 9; i++) {
		name[1] = (char)('0' + i);
		must(holonfs_create(fs, HOLONFS_ROOT, name, 0100644, 0, 0, 0, 0, &made));
		must(holonfs_xattr_set(fs, made.inode, "user.a", value, sizeof(value), 0));
	}
	if (fs->super.height < 3)
		abort();
}

static void make_full(void)
{
	struct holonfs_attributes made;
	char name[4] = "n0";
	for (unsigned i = 0; i < 6; i++) {
		name[1] = (char)('0' + i);
		must(holonfs_create(fs, HOLONFS_ROOT, name, 0100644, 0, 0, 0, 0, &made));
		must(holonfs_allocate(fs, made.inode, 0, 0,
		                      (blocks_free_count(fs) - 60) / (6 - i) * HOLONFS_BLOCK));
	}
}

static void make_bases(void)
{
	static void (*const make[BASES])(void) = {make_small, make_tall, make_full};
	struct store small = store;
	small.blocks = BLOCKS - 64; /* so that it can grow */
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * i * 2654435761u >> 13);
	for (unsigned i = 0; i < BASES; i++) {
		must(holonfs_format(&small, "fuzz", i == SMALL ? HOLONFS_FLAG_COMPRESS : 0, 0, 0,
		                    fixed_random, fixed_clock));
		must(holonfs_mount(&fs, &store, fixed_clock, 0));
		make[i]();
		must(holonfs_unmount(fs));
		memcpy(bases[i], image, sizeof(image));
	}
}

/* ---- Operations ---- */

static uint8_t take_byte(void)
{
	uint8_t byte;
	take(&byte, 1);
	return byte;
}

static uint64_t take_node(void)
{
	return nodes[take_byte() % NODES];
}

/* Offsets and sizes where something changes, more often than others. */
static uint64_t take_number(void)
{
	static const uint64_t special[] = {0,
	                                   1,
	                                   100,
	                                   1000,
	                                   1024,
	                                   1025,
	                                   4095,
	                                   4096,
	                                   5000,
	                                   8192,
	                                   12288,
	                                   16384,
	                                   65536,
	                                   65540,
	                                   131072,
	                                   262144,
	                                   1u << 30,
	                                   HOLONFS_SIZE_MAX - 1,
	                                   HOLONFS_SIZE_MAX,
	                                   UINT64_MAX};
	uint8_t kind = take_byte();
	uint64_t number = 0;
	if (kind < 160)
		return special[kind % (sizeof(special) / sizeof(*special))];
	take(&number, kind < 240 ? 2 : 8);
	return kind < 200 ? number % 32 * HOLONFS_BLOCK : number;
}

static const char *take_name(void)
{
	static char names[3][300];
	static unsigned next;
	char *name = names[next++ % 3];
	uint8_t kind = take_byte();
	if (kind < 160)
		snprintf(name, sizeof(names[0]), "n%u", kind % 16u);
	else if (kind < 200)
		snprintf(name, sizeof(names[0]), "a-name-that-takes-some-room-%u", kind % 60u);
	else
		snprintf(name, sizeof(names[0]), "%s",
		         (const char *[]){"d", "link", "", ".", "a/b", "-"}[kind % 6u]);
	if (kind >= 250)
		memset(name, 'x', kind == 250 ? 255 : 256);
	return name;
}

static const char *take_attribute(void)
{
	return (const char *[]){"user.a",
	                        "user.b",
	                        "user.c",
	                        "system.posix_acl_access",
	                        "system.posix_acl_default",
	                        ""}[take_byte() % 6u];
}

static const uint8_t *take_contents(void)
{
	return take_byte() & 1 ? noise : buffer;
}

static void remember(int status, uint64_t node)
{
	if (status >= 0)
		nodes[1 + take_byte() % (NODES - 1)] = node;
}

static void list(uint64_t directory)
{
	struct holonfs_entry entry = {0};
	for (unsigned i = 0; i < 20 && holonfs_list(fs, directory, entry.cookie, &entry) > 0; i++)
		nodes[1 + i % (NODES - 1)] = entry.inode;
}

/* The root, and what is in it under short names. */
static void begin_nodes(void)
{
	struct holonfs_attributes found;
	char name[4] = "n0";
	list(HOLONFS_ROOT);
	nodes[0] = HOLONFS_ROOT;
	for (unsigned i = 0; i < 10; i++) {
		name[1] = (char)('0' + i);
		if (holonfs_lookup(fs, HOLONFS_ROOT, name, &found) == 0)
			nodes[1 + i] = found.inode;
	}
}

static void set_attribute(uint64_t node, const char *name)
{
	uint64_t size = take_number() % (HOLONFS_XATTR_MAX + 2);
	uint8_t flags = take_byte();
	struct acl_bytes acl = {2, {{1, 7, 0}, {4, 5, 0}, {16, 7, 0}, {32, 5, 0}}};
	if (flags & 4) {
		acl.entries[flags >> 5 & 3].tag = take_byte();
		(void)(holonfs_xattr_set(fs, node, name, &acl,
		                         flags & 8    ? 28
		                         : flags & 16 ? 4
		                                      : sizeof(acl),
		                         flags & 3) < 0);
	} else {
		(void)(holonfs_xattr_set(fs, node, name, noise, size, flags & 3) < 0);
	}
}

static void look(uint64_t node)
{
	static char names[300];
	struct holonfs_attributes attributes;
	struct holonfs_statistics statistics;
	uint64_t parent;
	uint64_t limits[2];
	uint64_t used[2];
	(void)(holonfs_get(fs, node, &attributes) < 0);
	(void)(holonfs_parent(fs, node, &parent) < 0);
	(void)(holonfs_get_quota(fs, node, limits, used) < 0);
	(void)(holonfs_read_link(fs, node, names, take_byte()) < 0);
	(void)(holonfs_xattr_list(fs, node, names, take_byte()) < 0);
	(void)(holonfs_xattr_get(fs, node, take_attribute(), buffer,
	                         take_number() % (HOLONFS_XATTR_MAX + 1)) < 0);
	holonfs_get_statistics(fs, &statistics);
	memset(buffer, 0, sizeof(buffer));
}

static void change_attributes(uint64_t node)
{
	struct holonfs_attributes wanted = {
	    .mode = take_byte(), .uid = take_byte(), .flags = take_byte(), .size = 0};
	uint32_t valid = take_byte();
	if (valid & HOLONFS_SET_SIZE)
		wanted.size = take_number();
	(void)(holonfs_set(fs, node, valid, &wanted, &wanted) < 0);
}

/* Unmounts, or lets go of it as a crash would after a sync; and mounts again. */
static bool again(bool sync, bool read_only)
{
	struct store same = store;
	same.read_only = read_only;
	(void)(holonfs_sync(fs) < 0);
	bool failed = fs->failed;
	if (sync)
		(void)(holonfs_unmount(fs) < 0);
	else
		holonfs_abandon(fs);
	fs = NULL;
	return !failed && holonfs_mount(&fs, &same, fixed_clock, 1) == 0;
}

static void set_fault(uint8_t kind, uint8_t when)
{
	unsigned *const counters[] = {&fault.read, &fault.write, &fault.discard, &fault.flush, &memory_fault};
	fault.status = kind & 64 ? -ENOSPC : -EIO;
	if (kind % 8u < 5)
		*counters[kind % 8u] = 1u + when;
}

/* False: it cannot be mounted any more. */
static bool operate(void)
{
	struct holonfs_attributes made;
	int status;
	uint8_t kind = take_byte() % 30u;
	uint64_t node = take_node();
	switch (kind) {
	case 0:
		status = holonfs_lookup(fs, node, take_name(), &made);
		remember(status, made.inode);
		break;
	case 1: {
		static const uint32_t modes[] = {0100644, 0042755, 0040755, 0020600, 0100644, 0040700};
		uint32_t mode = modes[take_byte() % 6u];
		status = holonfs_create(fs, node, take_name(), mode, 022, 0, 0, 0, &made);
		remember(status, made.inode);
		break;
	}
	case 2:
		status = holonfs_create_unnamed(fs, node, 0600, 022, 0, 0, &made);
		remember(status, made.inode);
		break;
	case 3: {
		static char target[HOLONFS_SYMLINK_MAX + 2];
		uint64_t length = take_number() % (HOLONFS_SYMLINK_MAX + 2);
		memset(target, 'x', length);
		target[length] = 0;
		status = holonfs_symlink(fs, node, take_name(), target, 0, 0, &made);
		remember(status, made.inode);
		break;
	}
	case 4:
		look(node);
		break;
	case 5:
		(void)(holonfs_link(fs, node, take_node(), take_name(), &made) < 0);
		break;
	case 6:
		(void)(holonfs_unlink(fs, node, take_name()) < 0);
		break;
	case 7:
		(void)(holonfs_rmdir(fs, node, take_name()) < 0);
		break;
	case 8:
	case 9: {
		const char *from = take_name();
		(void)(holonfs_rename(fs, node, from, take_node(), take_name(),
		                      (uint32_t[]){0, 0, 1, 2, 2, 4, 4, 3, 8}[take_byte() % 9u]) < 0);
		break;
	}
	case 10:
		list(node);
		break;
	case 11: {
		uint64_t at = take_number();
		(void)(holonfs_read(fs, node, at, buffer, take_number() % (DATA_BYTES + 1)) < 0);
		memset(buffer, 0, sizeof(buffer));
		break;
	}
	case 12:
	case 13:
	case 14: {
		uint64_t at = take_number();
		const uint8_t *contents = take_contents();
		(void)(holonfs_write(fs, node, at, contents, take_number() % (DATA_BYTES + 1)) < 0);
		break;
	}
	case 15:
		(void)(holonfs_truncate(fs, node, take_number()) < 0);
		break;
	case 16:
	case 17: {
		uint64_t at = take_number();
		uint64_t bytes = take_number();
		(void)(holonfs_allocate(fs, node, (uint32_t[]){0, 1, 3, 8, 16, 17, 32, 64}[take_byte() % 8u],
		                        at, bytes) < 0);
		break;
	}
	case 18: {
		uint64_t at = take_number();
		(void)(holonfs_seek(fs, node, at, take_byte() & 1) < 0);
		break;
	}
	case 19:
	case 20: {
		uint64_t at = take_number();
		uint64_t to = take_node();
		uint64_t to_at = take_number();
		(void)(holonfs_share(fs, node, at, to, to_at, take_number()) < 0);
		break;
	}
	case 21:
		set_attribute(node, take_attribute());
		break;
	case 22:
		(void)(holonfs_xattr_remove(fs, node, take_attribute()) < 0);
		break;
	case 23:
		change_attributes(node);
		break;
	case 24:
		if (take_byte() & 1)
			(void)(holonfs_use(fs, node) < 0);
		else
			(void)(holonfs_forget(fs, node, 1) < 0);
		break;
	case 25: {
		uint64_t blocks = take_number();
		(void)(holonfs_set_quota(fs, node, blocks, take_byte()) < 0);
		(void)(holonfs_continue(fs) < 0);
		break;
	}
	case 26: {
		uint64_t blocks = fs->super.blocks + take_byte() % 16u;
		(void)(holonfs_grow(fs, blocks < BLOCKS ? blocks : 1) < 0);
		break;
	}
	case 27: {
		uint8_t how = take_byte();
		return again(how & 1, how % 16u == 2);
	}
	case 28:
	case 29: { /* with nothing in the cache, soon something fails */
		uint8_t what = take_byte();
		if (!again(true, false))
			return false;
		set_fault(what, take_byte() % 16u);
		return true;
	}
	}
	(void)(holonfs_relieve(fs) < 0);
	return true;
}

/* ---- What is not valid ---- */

static void alter_node(void)
{
	struct buffer *root;
	if (fs->super.height < 2 || cache_get(fs, fs->super.root, &root) < 0)
		return;
	struct node *node = (struct node *)(void *)root->bytes;
	struct slot *slot = &node->slots[take_byte() % node->count];
	if (take_byte() & 1)
		slot->child = take_number() % (2 * BLOCKS);
	else
		slot->key = make_key(take_byte() % 32u, take_byte() % 11u, take_number());
	cache_dirty(fs, root);
}

/* Changes an item of the tree that is there: its size, its bytes or its place; or joins it with what is at another. */
static void alter_item(void)
{
	uint8_t bytes[ITEM_MAX] = {0};
	struct item item;
	uint8_t how = take_byte() % 8u;
	uint64_t first = take_byte() % 8u ? take_node() : 0;
	struct key from = make_key(first, take_byte() % 11u, take_number());
	struct key to = make_key(take_byte() % 4u ? first : take_node(), from.rest >> 56, take_number());
	if (item_next(fs, from, &item) <= 0)
		return;
	unsigned size = item.size;
	memcpy(bytes, item.data, size);
	from = item.key;
	switch (how) {
	case 0:
		(void)(item_remove(fs, from) < 0);
		return;
	case 1:
		size = take_byte() < 128 ? size - (size != 0) : (unsigned)(take_number() % (ITEM_MAX + 1));
		break;
	case 2:
	case 3: {
		unsigned at = size ? take_byte() % size : 0;
		take(bytes + at, ITEM_MAX - at < 4 ? 1 : 4);
		break;
	}
	case 4:
		from = to;
		break;
	case 5: /* several names under one hash, or one under another's */
		from = make_key(first, ITEM_ENTRY, name_hash(fs, take_name()));
		if (item_find(fs, from, &item) > 0 && size + item.size <= ITEM_MAX) {
			memcpy(bytes + size, item.data, item.size);
			size += item.size;
		}
		break;
	case 6:
		from.rest = (from.rest & OFFSET_MASK) | (uint64_t)(take_byte() % 12u) << 56;
		break;
	case 7:
		fs->super.features = take_byte() % 8u;
		fs->super.version = 2;
		fs->super_dirty = true;
		return;
	}
	(void)(item_put(fs, from, bytes, size) < 0);
}

/* ---- One input ---- */

/* Patches of bytes: block (2 bytes), offset (2 bytes), length, bytes. */
static void patch(unsigned count)
{
	for (; count && left; count--) {
		uint8_t head[5];
		take(head, sizeof(head));
		unsigned block = (head[0] | head[1] << 8) % BLOCKS;
		unsigned at = (head[2] | head[3] << 8) % HOLONFS_BLOCK;
		unsigned length = head[4] % 32u;
		take(&image[block][at], length < HOLONFS_BLOCK - at ? length : HOLONFS_BLOCK - at);
		touched[block] = true;
	}
}

static void finding(void *context, const char *text)
{
	if (*(bool *)context)
		fprintf(stderr, "unsound: %s\n", text);
}

static void check(bool sound)
{
	struct holonfs_report report = {.unpack = true, .context = &sound, .finding = finding};
	int status = holonfs_check(fs, false, &report);
	if (sound && (status < 0 || report.damaged || report.different))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	if (!made)
		make_bases();
	made = true;
	input = data;
	left = size;
	uint8_t head[4];
	take(head, sizeof(head));
	image_reset(bases[head[0] % 4u % BASES]);
	unsigned patches = head[3] % 8u < 4 ? 0 : head[3] % 8u - 3u;
	patch(patches);
	if (head[0] & 128)
		set_fault(head[1], head[2]);
	if (holonfs_mount(&fs, &store, fixed_clock, 1) < 0)
		return 0;
	begin_nodes();
	unsigned alterations = head[3] / 8u % 8u < 4 ? 0 : head[3] / 8u % 8u - 3u;
	for (unsigned i = 0; i < alterations; i++)
		if (take_byte() % 8u)
			alter_item();
		else
			alter_node();
	patches += alterations;
	if (alterations && !again(true, false)) {
		if (fs)
			holonfs_abandon(fs);
		return 0;
	}
	if (patches)
		check(false);
	for (unsigned i = 0; i < OPERATIONS_MAX && left && fs; i++)
		if (!operate())
			break;
	memset(&fault, 0, sizeof(fault));
	memory_fault = 0;
	if (!fs)
		return 0;
	if (!fs->failed)
		check(!patches);
	struct holonfs_report report = {0};
	if (patches)
		(void)(holonfs_check(fs, true, &report) < 0);
	(void)(holonfs_unmount(fs) < 0);
	return 0;
}
