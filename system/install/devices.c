/* See devices.h. */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "../subkernel/libholon.h"

enum { SIGNED_MAX = RECORD_BYTES_MAX + TRUST_ROOT_SIGNATURE_BYTES };

static bool file_read(void *context, uint64_t sector, void *buffer, uint64_t count)
{
	const struct device *device = context;
	uint8_t *out = buffer;
	for (uint64_t done = 0, all = count * SECTOR; done < all;) {
		ssize_t got = pread(device->file, out + done, all - done, (off_t)(sector * SECTOR + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		done += (uint64_t)got;
	}
	return true;
}

static bool file_write(void *context, uint64_t sector, const void *buffer, uint64_t count)
{
	const struct device *device = context;
	const uint8_t *in = buffer;
	for (uint64_t done = 0, all = count * SECTOR; done < all;) {
		ssize_t put = pwrite(device->file, in + done, all - done, (off_t)(sector * SECTOR + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		done += (uint64_t)put;
	}
	return true;
}

static bool file_flush(void *context)
{
	const struct device *device = context;
	return fsync(device->file) == 0;
}

bool device_open(struct device *device, const char *name, bool write)
{
	const int length = snprintf(device->path, sizeof(device->path), "%s%s",
	                            strchr(name, '/') ? "" : "/dev/block/", name);
	if (length < 0 || (size_t)length >= sizeof(device->path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	device->file = open(device->path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	/* A file in the working directory has no '/' in its name either. */
	if (device->file < 0 && errno == ENOENT && !strchr(name, '/') && !write) {
		snprintf(device->path, sizeof(device->path), "%s", name);
		device->file = open(device->path, O_RDONLY | O_CLOEXEC);
	}
	const off_t end = device->file < 0 ? -1 : lseek(device->file, 0, SEEK_END);
	if (end < 0) {
		const int error = errno;
		device_close(device);
		errno = error;
		return false;
	}
	device->disk = (struct disk){device, (uint64_t)end / SECTOR, file_read, file_write, file_flush};
	return true;
}

void device_close(struct device *device)
{
	if (device->file >= 0)
		close(device->file);
	device->file = -1;
}

void device_scan(const struct device *device)
{
	(void)ioctl(device->file, BLKRRPART); /* else the next start finds them */
}

unsigned device_names(char names[DISKS_MAX][DISK_NAME_MAX])
{
	unsigned count = 0;
	char name[32];
	while (count < DISKS_MAX && holon_block_list(count, name) == 0)
		snprintf(names[count++], DISK_NAME_MAX, "%.*s", (int)sizeof(name), name);
	return count;
}

static const char *signed_read(enum holon_signed what, struct bytes *bytes)
{
	uint64_t time;
	bytes->at = malloc(SIGNED_MAX);
	const long got = bytes->at ? holon_signed(what, bytes->at, SIGNED_MAX, &time) : -1;
	if (got < 0)
		return !bytes->at        ? "there is not enough memory"
		       : errno == ENOSYS ? "this is not Holon"
		       : errno == EPERM  ? "this sub-kernel may not know what the system was started from"
		       : errno == ENOENT ? "this system started without signatures: it trusts nobody"
		                         : strerror(errno);
	bytes->count = (uint64_t)got;
	return 0;
}

const char *system_trusted(struct trusted *trusted, struct bytes *manifest)
{
	struct bytes keys = {0};
	struct key_list list;
	struct boot_manifest boot;
	const uint8_t *root;
	enum record_error detail;
	*manifest = (struct bytes){0};
	const char *why = signed_read(HOLON_SIGNED_MANIFEST, manifest);
	if (!why)
		why = signed_read(HOLON_SIGNED_KEYS, &keys);
	if (!why &&
	    (trust_capsule_keys(&list, &root, manifest->at, manifest->count, keys.at, keys.count, &detail) ||
	     trust_boot(&boot, &list, manifest->at, manifest->count, 0, &detail)))
		why = "the root that this system's loader trusts is not known to it";
	if (!why) {
		*trusted =
		    (struct trusted){.policy = {.least_epoch = list.epoch, .least_rollback = boot.rollback},
		                     .development = boot.flags & BOOT_DEVELOPMENT};
		memcpy(trusted->policy.root, root, TRUST_ROOT_BYTES);
	}
	free(keys.at);
	return why;
}
