/* Tests of room: a vault on a small device, real but for the device's own memory, which clients fill with nothing but names, links,
 * attributes and reserved room. They are refused early: all can be synced and removed, and nothing is lost. */
#include <stdio.h>
#include "vault.h"
#include "vdisk/file_backend.h"
#include "vdisk/memory_backend.h"

#define DEVICE (24u << 20)

struct service service;

static struct memory_device device;
static struct vdisk_backend leg;
static struct vault *const vault = &service.vaults[0];
static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok vault room: %s\n" : "not ok vault room: %s - see the check of this name\n", name);
	failures += !right;
}

int64_t service_now_ns(void)
{
	return 1000;
}

uint64_t vault_device_bytes(const struct vault *of)
{
	(void)of;
	return DEVICE;
}

/* ---- The kernel, of which sessions would have need ---- */

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)second;
	return E_SUPPORT;
}

void *window_allocate(uint64_t bytes, handle_t *memory)
{
	(void)bytes, (void)memory;
	return 0;
}

void window_unmap(void *address, uint64_t bytes)
{
	(void)address, (void)bytes;
}

/* ---- A vault ---- */

static bool open_vault(bool create)
{
	static const struct vdisk_credentials none;
	struct vdisk_create wanted = {.blocks = 1u << 20, .factors = {VDISK_FACTOR_OPEN}};
	struct vdisk_config config = {
	    .legs = &leg, .leg_count = 1, .random = host_random, .cache_bytes = 1u << 20};
	int status = create ? vdisk_create(&vault->disk, &config, &wanted, &none)
	                    : vdisk_open(&vault->disk, &config, &none);
	if (status < 0)
		return false;
	struct store store = store_vdisk(vault->disk);
	if (create && holonfs_format(&store, "room", 0, 0, 0, host_random, service_now_ns) < 0)
		return false;
	if (holonfs_mount(&vault->fs, &store, service_now_ns, FILE_CACHE) < 0)
		return false;
	vault_serve_begin(vault);
	return true;
}

static bool close_vault(void)
{
	bool good = holonfs_unmount(vault->fs) == 0 && vdisk_commit(vault->disk) == VDISK_OK;
	return vdisk_close(vault->disk) == VDISK_OK && good;
}

static bool is_sound(void)
{
	struct holonfs_report report = {0};
	return holonfs_check(vault->fs, false, &report) == 0 && !report.damaged && !report.different;
}

/* What makes the tree larger without asking for room, the NUMBERth time. */
static int grow_by_name(struct filesystem *fs, unsigned number)
{
	struct file_attributes made;
	char name[FILE_NAME_MAX + 1];
	snprintf(name, sizeof(name), "%0200u", number);
	return fs->operations->create(fs, HOLONFS_ROOT, name, 0100644, 0, 0, 0, 0, &made);
}

static int grow_by_link(struct filesystem *fs, unsigned number)
{
	struct file_attributes file;
	char name[FILE_NAME_MAX + 1];
	snprintf(name, sizeof(name), "%0200u", number);
	int status = fs->operations->lookup(fs, HOLONFS_ROOT, "first", &file);
	return status < 0 ? status : fs->operations->link(fs, file.node, HOLONFS_ROOT, name, &file);
}

static int grow_by_target(struct filesystem *fs, unsigned number)
{
	static char target[4000];
	struct file_attributes made;
	char name[16];
	memset(target, 't', sizeof(target) - 1);
	snprintf(name, sizeof(name), "%u", number);
	return fs->operations->create(fs, HOLONFS_ROOT, name, 0120777, 0, 0, 0, target, &made);
}

static int grow_by_attribute(struct filesystem *fs, unsigned number)
{
	static const uint8_t value[60000];
	struct file_attributes file;
	char name[32];
	int status = fs->operations->lookup(fs, HOLONFS_ROOT, "first", &file);
	snprintf(name, sizeof(name), "user.%u", number);
	return status < 0 ? status : fs->operations->xattr_set(fs, file.node, name, value, sizeof(value), 0);
}

static int grow_by_pieces(struct filesystem *fs, unsigned number)
{
	struct file_attributes file;
	int status = fs->operations->lookup(fs, HOLONFS_ROOT, "first", &file);
	uint64_t at = (uint64_t)number * 2 * FILE_BLOCK;
	return status < 0 ? status
	                  : fs->operations->allocate(fs, file.node, FILE_ALLOCATE_RESERVE, at, FILE_BLOCK);
}

/* Everything is removed again, while there is little room. */
static bool remove_all(void)
{
	static struct filesystem_entry entry;
	struct filesystem *fs = &vault->filesystem;
	while (fs->operations->list(fs, HOLONFS_ROOT, 0, &entry) == 1)
		if (fs->operations->unlink(fs, HOLONFS_ROOT, entry.name, false) < 0 ||
		    fs->operations->relieve(fs) < 0)
			return false;
	return true;
}

static void test(const char *name, int (*grow)(struct filesystem *fs, unsigned number), unsigned contents)
{
	static const uint8_t data[1u << 16];
	struct filesystem *fs = &vault->filesystem;
	struct file_attributes made = {0};
	char text[100];
	uint64_t room = 1;
	int status = E_OK;
	unsigned number = 0;
	free(device.bytes);
	leg = memory_backend(&device, DEVICE, true);
	bool good = open_vault(true) &&
	            fs->operations->create(fs, HOLONFS_ROOT, "first", 0100644, 0, 0, 0, 0, &made) == E_OK;
	for (unsigned i = 0; good && i < contents; i++) {
		good = fs->operations->room(fs, made.node, &room) == E_OK;
		if (room < sizeof(data))
			break;
		good = good &&
		       fs->operations->write(fs, made.node, (uint64_t)i * sizeof(data), data, sizeof(data)) ==
		           (int64_t)sizeof(data) &&
		       fs->operations->relieve(fs) == E_OK;
	}
	while (good && status >= 0 && number < 200000) {
		status = grow(fs, number++);
		good = fs->operations->relieve(fs) >= 0;
	}
	snprintf(text, sizeof(text), "%s are refused when there is little room", name);
	check(text,
	      good && (status == FILE_E_NO_SPACE || (status == FILE_E_LINKS && number > 1000)) && number > 1);
	snprintf(text, sizeof(text), "what is there can still be renamed behind %s", name);
	good = good &&
	       fs->operations->rename(fs, HOLONFS_ROOT, "first", HOLONFS_ROOT, "moved",
	                              FILE_RENAME_WHITEOUT) == E_OK &&
	       fs->operations->relieve(fs) == E_OK;
	check(text, good);
	snprintf(text, sizeof(text), "what %s took is synced, closed and opened again", name);
	check(text, good && is_sound() && fs->operations->sync(fs, 0, false) == E_OK && close_vault() &&
	                open_vault(false) && is_sound());
	snprintf(text, sizeof(text), "and %s are removed, and made again", name);
	good = good && remove_all() && is_sound() && fs->operations->sync(fs, 0, false) == E_OK &&
	       vdisk_commit(vault->disk) == VDISK_OK;
	check(text,
	      good && fs->operations->create(fs, HOLONFS_ROOT, "first", 0100644, 0, 0, 0, 0, &made) == E_OK &&
	          grow(fs, 0) == E_OK && close_vault());
}

int main(int count, char **words)
{
	(void)count, (void)words;
	test("names", grow_by_name, 0);
	test("names behind contents", grow_by_name, 10000);
	test("links", grow_by_link, 10000);
	test("symbolic links", grow_by_target, 10000);
	test("attributes", grow_by_attribute, 10000);
	test("pieces of files", grow_by_pieces, 10000);
	free(device.bytes);
	return failures != 0;
}
