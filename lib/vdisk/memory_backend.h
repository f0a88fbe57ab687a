/* A device in memory for tests: it can fail, and be damaged. */
#ifndef VDISK_MEMORY_BACKEND_H
#define VDISK_MEMORY_BACKEND_H

#include <stdlib.h>
#include <string.h>
#include "vdisk.h"

struct memory_device {
	uint8_t *bytes;
	uint64_t size, used; /* of the array; written so far */
	bool failed;
	uint64_t written, flushes, discarded;
};

static inline int memory_read(void *context, uint64_t offset, void *buffer, size_t bytes)
{
	struct memory_device *device = context;
	if (device->failed)
		return -1;
	size_t have = offset < device->used ? (size_t)(device->used - offset) : 0;
	if (have > bytes)
		have = bytes;
	if (have)
		memcpy(buffer, device->bytes + offset, have);
	memset((uint8_t *)buffer + have, 0, bytes - have);
	return 0;
}

static inline int memory_write(void *context, uint64_t offset, const void *buffer, size_t bytes)
{
	struct memory_device *device = context;
	if (device->failed || offset > device->size || bytes > device->size - offset)
		return -1;
	if (offset + bytes > device->used)
		device->used = offset + bytes;
	memcpy(device->bytes + offset, buffer, bytes);
	device->written += bytes;
	return 0;
}

static inline int memory_flush(void *context)
{
	struct memory_device *device = context;
	device->flushes++;
	return device->failed ? -1 : 0;
}

static inline int memory_erase(void *context, uint64_t offset, uint64_t bytes)
{
	struct memory_device *device = context;
	if (offset < device->used)
		memset(device->bytes + offset, 0,
		       bytes < device->used - offset ? bytes : device->used - offset);
	device->discarded += bytes;
	return 0;
}

/* LIMITED: the container knows the size; else it believes that the device grows. */
static inline struct vdisk_backend memory_backend(struct memory_device *device, uint64_t size, bool limited)
{
	*device = (struct memory_device){.bytes = calloc(1, size), .size = size};
	return (struct vdisk_backend){.context = device,
	                              .read = memory_read,
	                              .write = memory_write,
	                              .flush = memory_flush,
	                              .discard = memory_erase,
	                              .limit = limited ? size : 0};
}

#endif
