/* Fuzzes the service's side of abi/file.interface: a client that says anything at all, in any order, to sessions of a
 * small file system in memory. The kernel is stood in for here: it bounds a message's bytes, stamps badges, and hands
 * capabilities out. After each input the sessions end, nothing that was reserved or used is left, and the file system
 * is sound. */
#include <stdio.h>
#include "fuzz_input.h"
#include "vault.h"

#define BLOCKS 2048u
#include "holonfs/fuzz_image.h"

#define CALLS_MAX 400u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct service service;

static struct thread_page *page;
static unsigned windows;

/* ---- The kernel, and what else the service stands on ---- */

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	if (second)
		*second = 0;
	return number == SYS_CAP_COPY ? 7 : E_OK;
}

void *window_allocate(uint64_t bytes, handle_t *memory)
{
	*memory = 9;
	windows++;
	return calloc(1, bytes);
}

void window_unmap(void *address, uint64_t bytes)
{
	(void)bytes;
	windows--;
	free(address);
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
	return false;
}

uint64_t vault_device_bytes(const struct vault *vault)
{
	(void)vault;
	return (uint64_t)BLOCKS * HOLONFS_BLOCK;
}

void vdisk_get_info(const struct vdisk *disk, struct vdisk_info *info)
{
	(void)disk;
	*info = (struct vdisk_info){.used_blocks = 10};
}

int vdisk_commit(struct vdisk *disk)
{
	(void)disk;
	return VDISK_OK;
}

/* ---- A file system in memory ---- */

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
	    holonfs_xattr_set(fs, made.inode, "user.x", data, 3000, 0) < 0 || holonfs_unmount(fs) < 0)
		abort();
	memcpy(base, image, sizeof(base));
}

/* ---- Clients ---- */

/* A word of a message: small numbers, which are nodes and offsets that are there, more often than others. */
static uint64_t take_word(void)
{
	uint8_t kind;
	uint64_t word = 0;
	take(&kind, 1);
	if (kind < 200)
		return kind % 20;
	if (kind < 230) {
		take(&word, 2);
		return word * 16;
	}
	take(&word, 8);
	return word;
}

/* One message to a session (or, badly, to none): the number of the call, its words, its bytes. */
static void call(void)
{
	struct message message = {0};
	uint8_t head[4];
	take(head, sizeof(head));
	message.words[0] = (uint64_t)FILE_VERSION << 32 | head[0] % 34u;
	for (unsigned i = 1; i < MESSAGE_WORDS; i++)
		message.words[i] = take_word();
	const struct session *session = &file_service.sessions[head[1] % 3u];
	message.badge = head[1] < 250 ? session->badge : take_word();
	uint32_t bytes = (uint32_t)head[2] * 16 % (MESSAGE_BYTES_MAX + 1);
	take(page->bytes, bytes);
	unsigned caps = head[3] % (MESSAGE_CAPS_MAX + 1u);
	for (unsigned i = 0; i < MESSAGE_CAPS_MAX; i++)
		page->caps[i] = i < caps ? 20 + i : 0;
	message.info = INFO_MAKE(bytes, caps);
	file_serve(&session_operations, 0, &message, page);
	if (INFO_BYTES(message.info) > MESSAGE_BYTES_MAX || INFO_CAPS(message.info) > MESSAGE_CAPS_MAX)
		abort();
}

/* A session through the mount, as the kernel would bring it. */
static void open_session(uint32_t flags)
{
	struct message message = {.badge = service.mounts[0].badge, .info = INFO_MAKE(0, 2)};
	message.words[0] = (uint64_t)FILE_VERSION << 32 | FILE_SESSION;
	message.words[1] = flags;
	page->caps[0] = 20;
	page->caps[1] = 21;
	file_serve(&mount_operations, 0, &message, page);
}

static void check_end(struct vault *vault)
{
	struct holonfs_report report = {.unpack = true};
	sessions_clean(&vault->served, true);
	if (vault->served.sessions || vault->served.reserved || windows)
		abort();
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
	memcpy(image, base, sizeof(image));
	input = data;
	left = size;
	page = calloc(1, sizeof(*page)); /* of its own, so that what is behind it is seen */
	service.page = page;
	file_service.next_number = 1;
	file_service.touch = service_touch;
	file_service.has_failed = has_failed;
	service.mounts[0] =
	    (struct mount){.vault = vault, .inode = HOLONFS_ROOT, .badge = BADGE(BADGE_MOUNT, 1, 0)};
	*vault = (struct vault){.name = "v", .leg_count = 1};
	if (holonfs_mount(&vault->fs, &store, service_now_ns, 0) < 0)
		abort();
	vault_serve_begin(vault);
	open_session(FILE_SESSION_READ | FILE_SESSION_WRITE | FILE_SESSION_SHARED);
	open_session(FILE_SESSION_READ | FILE_SESSION_WRITE | FILE_SESSION_SHARED);
	for (unsigned i = 0; i < CALLS_MAX && left; i++)
		call();
	check_end(vault);
	if (holonfs_unmount(vault->fs) < 0)
		abort();
	free(page);
	return 0;
}
