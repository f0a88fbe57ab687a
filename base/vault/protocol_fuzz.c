/* Fuzzes the service's side of abi/file.interface: clients that say anything at all, in any order, to sessions of a
 * small file system in memory; most of it is well formed, with names, nodes and numbers that are there. The kernel is stood
 * in for here: it bounds a message's bytes, stamps badges, and hands capabilities out. Store, memory and kernel may fail
 * once. After each input the sessions end, nothing that was reserved or used is left, and the file system is sound, unless it
 * has failed. */
#include <stdio.h>
#include "fuzz_input.h"
#include "holonfs/internal.h"
#include "vault.h"
#include "fuzz_windows.h"

#define BLOCKS 2048u
#include "holonfs/fuzz_image.h"

#define CALLS_MAX 400u
#define QUOTA     6u /* a directory with a quota */
#define MANY      80u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct service service;

static struct thread_page *page;
static unsigned kernel_fault; /* which of its calls fails */
static uint64_t used_blocks;  /* of the device */
static bool device_gone;

/* ---- The kernel, and what else the service stands on ---- */

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	if (second)
		*second = 0;
	if (fails(&kernel_fault))
		return E_ARGUMENT;
	return number == SYS_CAP_COPY ? 7 : E_OK;
}

int64_t service_now_ns(void)
{
	return 1000;
}

void service_touch(struct served *served)
{
	served->changed = true;
}

static bool has_failed(const struct served *served)
{
	(void)served;
	return device_gone;
}

uint64_t vault_device_bytes(const struct vault *vault)
{
	(void)vault;
	return (uint64_t)BLOCKS * HOLONFS_BLOCK;
}

void vdisk_get_info(const struct vdisk *disk, struct vdisk_info *info)
{
	(void)disk;
	*info = (struct vdisk_info){.used_blocks = used_blocks};
}

int vdisk_commit(struct vdisk *disk)
{
	(void)disk;
	return VDISK_OK;
}

/* ---- A file system in memory ---- */

static uint8_t base[BLOCKS][HOLONFS_BLOCK];

static void make_base(void)
{
	static uint8_t data[5 * HOLONFS_BLOCK] = {1};
	struct holonfs_attributes made;
	struct holonfs *fs;
	if (holonfs_format(&store, "fuzz", HOLONFS_FLAG_COMPRESS, 0, 0, fixed_random, service_now_ns) < 0 ||
	    holonfs_mount(&fs, &store, service_now_ns, 0) < 0)
		abort();
	if (holonfs_create(fs, HOLONFS_ROOT, "d", 0040755, 0, 0, 0, 0, &made) < 0 ||
	    holonfs_create(fs, made.inode, "f", 0100644, 0, 0, 0, 0, &made) < 0 ||
	    holonfs_write(fs, made.inode, 0, data, sizeof(data)) < 0 ||
	    holonfs_symlink(fs, HOLONFS_ROOT, "l", "target", 0, 0, &made) < 0 ||
	    holonfs_create(fs, HOLONFS_ROOT, "g", 0100644, 0, 0, 0, 0, &made) < 0 ||
	    holonfs_xattr_set(fs, made.inode, "user.x", data, 3000, 0) < 0 ||
	    holonfs_create(fs, HOLONFS_ROOT, "q", 0040755, 0, 0, 0, 0, &made) < 0 || made.inode != QUOTA ||
	    holonfs_set_quota(fs, QUOTA, 6, 3) < 0 ||
	    holonfs_create(fs, QUOTA, "f", 0100644, 0, 0, 0, 0, &made) < 0 ||
	    holonfs_write(fs, made.inode, 0, data, sizeof(data)) < 0)
		abort();
	for (unsigned i = 0; i < MANY; i++) {
		char name[8];
		snprintf(name, sizeof(name), "e%u", i);
		if (holonfs_create(fs, HOLONFS_ROOT, name, 0100644, 0, 0, 0, 0, &made) < 0)
			abort();
	}
	if (holonfs_unmount(fs) < 0)
		abort();
	memcpy(base, image, sizeof(base));
}

/* ---- Clients ---- */

#define NODES 16u

static uint64_t nodes[NODES];

static uint8_t take_byte(void)
{
	uint8_t byte;
	take(&byte, 1);
	return byte;
}

/* Offsets, sizes and counts where something changes, more often than others. */
static uint64_t take_number(void)
{
	static const uint64_t special[] = {0,    1,    2,     100,      1024,          4096,
	                                   5000, 8192, 65536, 1u << 20, FILE_SIZE_MAX, UINT64_MAX};
	uint8_t kind = take_byte();
	uint64_t number = 0;
	if (kind < 180)
		return special[kind % (sizeof(special) / sizeof(*special))];
	take(&number, kind < 240 ? 2 : 8);
	return number;
}

/* The words of a call by what they mean: n node, o number, f flags, m mode, v what is set, w bytes within the buffer. */
static uint64_t take_word(char kind)
{
	static const uint64_t modes[] = {0100644, 0040755, 0020600, 0010600, 0120777};
	switch (kind) {
	case 'n':
		return nodes[take_byte() % NODES];
	case 'f':
		return take_byte() % 5u;
	case 'm':
		return modes[take_byte() % 5u];
	case 'v':
		return take_byte() * 2u;
	case 'w':
		return take_number() % 70000;
	default:
		return take_number();
	}
}

static uint32_t put(uint32_t at, const void *data, uint32_t bytes)
{
	(void)interface_put(page, &at, data, bytes);
	return at;
}

/* The items of a call: N a name, T a target, A attributes, X the name of an attribute. */
static uint32_t put_item(uint32_t at, char kind)
{
	static const char *const names[] = {"d", "f", "l", "g", "q", "n0", "n1", "n2", "n3", "", "..", "a/b"};
	static const char *const attributes[] = {"user.x", "user.y", "system.posix_acl_access", "", "user.z"};
	static char longest[FILE_SYMLINK_MAX + 2];
	struct file_attributes wanted = {.mode = take_byte(), .flags = take_byte()};
	uint8_t which = take_byte();
	memset(longest, 'x', sizeof(longest) - 1);
	const char *text = which == 255  ? longest + sizeof(longest) - 258
	                   : kind == 'T' ? longest + which * 16
	                   : kind == 'X' ? attributes[which % 5u]
	                                 : names[which % 12u];
	if (kind == 'A') {
		wanted.size = take_number();
		return put(at, &wanted, which == 255 ? 7 : sizeof(wanted));
	}
	return put(at, text, (uint32_t)strlen(text) + 1);
}

static const struct {
	const char *words, *items;
} shapes[] = {[FILE_END] = {"", ""},
              [FILE_LOOKUP] = {"n", "N"},
              [FILE_FORGET] = {"nf", ""},
              [FILE_ATTRIBUTES] = {"n", ""},
              [FILE_SET_ATTRIBUTES] = {"nv", "A"},
              [FILE_CREATE] = {"nmff", "N"},
              [FILE_LINK_SYMBOLIC] = {"nf", "NT"},
              [FILE_READ_LINK] = {"no", ""},
              [FILE_LINK] = {"nnf", "N"},
              [FILE_UNLINK] = {"nf", "N"},
              [FILE_RENAME] = {"nnf", "NN"},
              [FILE_LIST] = {"no", ""},
              [FILE_OPEN] = {"nf", ""},
              [FILE_RESERVE] = {"now", ""},
              [FILE_WRITTEN] = {"noo", ""},
              [FILE_APPEND] = {"no", ""},
              [FILE_RESIZE] = {"no", ""},
              [FILE_ALLOCATE] = {"nfow", ""},
              [FILE_SEEK] = {"nfo", ""},
              [FILE_SHARE] = {"nonow", ""},
              [FILE_XATTR_GET] = {"no", "X"},
              [FILE_XATTR_SET] = {"nfoo", "X"},
              [FILE_XATTR_LIST] = {"no", ""},
              [FILE_XATTR_REMOVE] = {"n", "X"},
              [FILE_SYNC] = {"nf", ""},
              [FILE_STATISTICS] = {"", ""},
              [FILE_CHANGES] = {"", ""},
              [FILE_TRANSFER] = {"o", ""},
              [FILE_READ] = {"noww", ""},
              [FILE_WRITE] = {"noww", ""},
              [FILE_LIST_ATTRIBUTES] = {"noo", ""}};
#define SHAPES (sizeof(shapes) / sizeof(*shapes))

static int64_t send(struct message *message, uint32_t bytes, unsigned caps)
{
	for (unsigned i = 0; i < MESSAGE_CAPS_MAX; i++)
		page->caps[i] = i < caps ? 20 + i : 0;
	message->info = INFO_MAKE(bytes, caps);
	file_serve(&session_operations, 0, message, page);
	if (INFO_BYTES(message->info) > MESSAGE_BYTES_MAX || INFO_CAPS(message->info) > MESSAGE_CAPS_MAX)
		abort();
	return (int64_t)message->words[0];
}

static uint64_t take_badge(void)
{
	uint8_t which = take_byte();
	return which < 250 ? file_service.sessions[which % 3u].badge : take_number();
}

/* A message that is not made of anything. */
static void call_badly(void)
{
	struct message message = {.badge = take_badge()};
	message.words[0] = (uint64_t)FILE_VERSION << 32 | take_byte() % 34u;
	for (unsigned i = 1; i < MESSAGE_WORDS; i++)
		message.words[i] = take_number();
	uint32_t bytes = (uint32_t)take_byte() * 16 % (MESSAGE_BYTES_MAX + 1);
	take(page->bytes, bytes);
	(void)(send(&message, bytes, take_byte() % (MESSAGE_CAPS_MAX + 1u)) < 0);
}

/* An attribute in pieces, some of which may not follow the one before. */
static void set_attribute(uint64_t badge)
{
	static const uint8_t value[3000];
	struct message message = {.badge = badge};
	uint64_t node = take_word('n');
	uint64_t total = take_word('w');
	uint64_t flags = take_word('f');
	uint8_t gap = take_byte();
	uint8_t name = take_byte();
	for (uint64_t at = 0; at < total && at < 12000; at += sizeof(value)) {
		static const char *const names[] = {"user.x", "user.new", "user.z",
		                                    "system.posix_acl_default"};
		const char *text = names[name % 4u];
		uint32_t bytes = put(0, text, (uint32_t)strlen(text) + 1);
		bytes =
		    put(bytes, value, (uint32_t)(total - at < sizeof(value) ? total - at : sizeof(value)));
		message.words[0] = (uint64_t)FILE_VERSION << 32 | FILE_XATTR_SET;
		message.words[1] = node;
		message.words[2] = flags;
		message.words[3] = at + (gap == 1 && at);
		message.words[4] = total;
		if (send(&message, bytes, 0) < 0)
			break;
	}
}

static void call(void)
{
	uint8_t number = take_byte() % SHAPES;
	struct message message = {.badge = take_badge()};
	uint32_t bytes = 0;
	if (number == FILE_END && take_byte() % 8u)
		return;
	if (number == FILE_XATTR_SET) {
		set_attribute(message.badge);
		return;
	}
	message.words[0] = (uint64_t)FILE_VERSION << 32 | number;
	if (!shapes[number].words)
		return;
	for (unsigned i = 0; shapes[number].words[i]; i++)
		message.words[1 + i] = take_word(shapes[number].words[i]);
	for (const char *item = shapes[number].items; *item; item++)
		bytes = put_item(bytes, *item);
	int64_t result = send(&message, bytes, 0);
	bool gives = number == FILE_LOOKUP || number == FILE_CREATE || number == FILE_LINK_SYMBOLIC;
	if (result >= 0 && gives)
		nodes[1 + take_byte() % (NODES - 1)] = message.words[1];
}

/* A session through a mount, as the kernel would bring it. */
static void open_session(unsigned mount, uint64_t flags)
{
	struct message message = {.badge = service.mounts[mount].badge, .info = INFO_MAKE(0, 2)};
	message.words[0] = (uint64_t)FILE_VERSION << 32 | FILE_SESSION;
	message.words[1] = flags;
	page->caps[0] = 20;
	page->caps[1] = 21;
	file_serve(&mount_operations, 0, &message, page);
}

/* Makes one have many nodes, or give them back. */
static void use_many(uint64_t badge, bool forget)
{
	char name[8];
	for (unsigned i = 0; i < MANY; i++) {
		struct message message = {.badge = badge};
		message.words[0] = (uint64_t)FILE_VERSION << 32 | (forget ? FILE_FORGET : FILE_LOOKUP);
		message.words[1] = forget ? QUOTA + 2 + i : HOLONFS_ROOT;
		message.words[2] = 1;
		snprintf(name, sizeof(name), "e%u", i);
		(void)(send(&message, put(0, name, (uint32_t)strlen(name) + 1), 0) < 0);
	}
}

static void act(struct vault *vault)
{
	uint8_t kind = take_byte();
	if (kind < 217)
		call();
	else if (kind < 220)
		use_many(take_badge(), kind & 1);
	else if (kind < 228)
		call_badly();
	else if (kind < 236)
		open_session(take_byte() % 5u, take_byte() % 9u);
	else if (kind < 238)
		sessions_clean(&vault->served, false);
	else if (kind < 244)
		used_blocks = take_byte() & 1 ? 10 : BLOCKS - take_byte();
	else if (kind < 246)
		device_gone = take_byte() & 1;
	else if (kind < 248)
		kernel_fault = take_byte() % 16u;
	else {
		unsigned *const counters[] = {&fault.read, &fault.write, &fault.discard, &fault.flush,
		                              &memory_fault};
		fault.status = kind & 1 ? -ENOSPC : -EIO;
		*counters[take_byte() % 5u] = 1u + take_byte();
	}
}

static void finding(void *context, const char *text)
{
	(void)context;
	fprintf(stderr, "unsound: %s\n", text);
}

static void check_end(struct vault *vault)
{
	struct holonfs_report report = {.unpack = true, .finding = finding};
	memset(&fault, 0, sizeof(fault));
	memory_fault = 0;
	kernel_fault = 0;
	sessions_clean(&vault->served, true);
	if (vault->served.sessions || vault->served.reserved || windows)
		abort();
	if (vault->fs->failed)
		return;
	if (holonfs_check(vault->fs, false, &report) < 0 || report.damaged || report.different)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	struct vault *vault = &service.vaults[0];
	if (!made)
		make_base();
	made = true;
	image_reset(base);
	input = data;
	left = size;
	page = calloc(1, sizeof(*page)); /* of its own, so that what is behind it is seen */
	service.page = page;
	file_service.next_number = 1;
	file_service.touch = service_touch;
	file_service.has_failed = has_failed;
	static const uint64_t roots[] = {HOLONFS_ROOT, HOLONFS_ROOT + 1, HOLONFS_ROOT, QUOTA, HOLONFS_ROOT};
	for (unsigned i = 0; i < 5; i++)
		service.mounts[i] = (struct mount){.vault = i < 4 ? vault : NULL,
		                                   .inode = roots[i],
		                                   .badge = BADGE(BADGE_MOUNT, 1 + i, i),
		                                   .read_only = i == 2};
	used_blocks = 10;
	device_gone = false;
	for (unsigned i = 0; i < NODES; i++)
		nodes[i] = HOLONFS_ROOT + i % 8u;
	*vault = (struct vault){.name = "v", .leg_count = 1};
	if (holonfs_mount(&vault->fs, &store, service_now_ns, 0) < 0)
		abort();
	vault_serve_begin(vault);
	open_session(0, FILE_SESSION_READ | FILE_SESSION_WRITE | FILE_SESSION_SHARED);
	open_session(0, FILE_SESSION_READ | FILE_SESSION_WRITE | FILE_SESSION_SHARED);
	open_session(2 + take_byte() % 2u, FILE_SESSION_READ | FILE_SESSION_SHARED);
	/* What is there is known to the first. */
	struct file_attributes found;
	for (unsigned i = 1; i < 8; i++)
		if (vault->filesystem.operations->get(&vault->filesystem, HOLONFS_ROOT + i, &found) >= 0)
			(void)(session_use(&file_service.sessions[0], HOLONFS_ROOT + i) < 0);
	for (unsigned i = 0; i < CALLS_MAX && left; i++)
		act(vault);
	check_end(vault);
	if (vault->fs->failed)
		holonfs_abandon(vault->fs);
	else if (holonfs_unmount(vault->fs) < 0)
		abort();
	free(page);
	return 0;
}
