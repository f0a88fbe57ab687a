/* See block_device.h. */
#include "block_device.h"

#include <string.h>

#define DATA_BYTES (1u << 20)
#define ASK_NS     1000000000ull  /* without a completion: is the queue still there? */
#define GIVE_UP_NS 60000000000ull /* without a completion at all */

int64_t block_device_open(struct block_device *device, handle_t channel, struct thread_page *page)
{
	*device = (struct block_device){0};
	int64_t result = block_client_open(&device->client, channel, page, DATA_BYTES);
	const struct block_description *description = &device->client.description;
	if (result >= 0 &&
	    (description->sector_bytes < 512 || description->sector_bytes > BLOCK_DEVICE_UNIT ||
	     (description->sector_bytes & (description->sector_bytes - 1)) ||
	     description->transfer_bytes < BLOCK_DEVICE_UNIT ||
	     description->data_alignment > BLOCK_DEVICE_UNIT ||
	     description->sectors > (UINT64_C(1) << 62) / description->sector_bytes))
		result = E_SUPPORT;
	if (result < 0) {
		device->failed = true;
		block_device_close(device);
		return result;
	}
	device->transfer_bytes =
	    description->transfer_bytes < DATA_BYTES ? description->transfer_bytes & ~4095u : DATA_BYTES;
	device->bytes = description->sectors * description->sector_bytes;
	device->read_only = description->flags & BLOCK_IS_READ_ONLY;
	device->has_discard = description->flags & BLOCK_HAS_DISCARD;
	return E_OK;
}

void block_device_close(struct block_device *device)
{
	block_client_close(&device->client);
	*device = (struct block_device){.failed = true};
}

/* May be called in the midst of a caller's request, whose bytes in the thread page stay. */
static int64_t check(struct block_device *device)
{
	static uint8_t kept[MESSAGE_BYTES_MAX];
	memcpy(kept, device->client.page->bytes, sizeof(kept));
	int64_t result = block_client_check(&device->client);
	memcpy(device->client.page->bytes, kept, sizeof(kept));
	return result;
}

/* Takes all completions. False: one failed, or the device is gone. */
static bool complete(struct block_device *device)
{
	uint64_t waited = clock_ns();
	bool good = true;
	while (device->client.under_way) {
		struct block_completion completion;
		uint64_t bits;
		if (block_client_poll(&device->client, &completion)) {
			waited = clock_ns();
			if (completion.status == BLOCK_DONE)
				continue;
			good = false;
			device->failed |= completion.status != BLOCK_NO_SPACE &&
			                  completion.status != BLOCK_UNSUPPORTED &&
			                  !(device->reading && device->bad_sectors_alone &&
			                    completion.status == BLOCK_MEDIUM);
			continue;
		}
		if (event_wait(device->client.completed, clock_ns() + ASK_NS, &bits) != E_TIMEOUT)
			continue;
		int64_t result = clock_ns() - waited > GIVE_UP_NS ? E_PEER : check(device);
		if (result < 0 && result != E_TIMEOUT) {
			device->failed = true;
			return false;
		}
	}
	return good;
}

static bool submit(struct block_device *device, uint64_t tag, enum block_operation operation, uint64_t offset,
                   uint64_t data_offset, uint64_t bytes)
{
	const uint32_t sector = device->client.description.sector_bytes;
	const struct block_request request = {.tag = tag,
	                                      .sector = offset / sector,
	                                      .data_offset = data_offset,
	                                      .sectors = (uint32_t)(bytes / sector),
	                                      .operation = (uint8_t)operation};
	return block_client_submit(&device->client, &request);
}

/* BYTES of the data area to or from OFFSET of the device. */
static bool move(struct block_device *device, enum block_operation operation, uint64_t offset, uint64_t bytes)
{
	uint32_t count = 0;
	device->reading = operation == BLOCK_READ;
	for (uint64_t at = 0; at < bytes; count++) {
		uint64_t part = bytes - at < device->transfer_bytes ? bytes - at : device->transfer_bytes;
		if (count == BLOCK_CLIENT_ENTRIES) {
			if (!complete(device))
				return false;
			count = 0;
		}
		if (!submit(device, count, operation, offset + at, at, part))
			return false;
		at += part;
	}
	return complete(device);
}

int block_device_read(void *context, uint64_t offset, void *buffer, size_t bytes)
{
	struct block_device *device = context;
	uint8_t *to = buffer;
	while (bytes && !device->failed) {
		size_t part = bytes < DATA_BYTES ? bytes : DATA_BYTES;
		size_t there = offset >= device->bytes         ? 0
		               : part < device->bytes - offset ? part
		                                               : (size_t)(device->bytes - offset);
		if (there && !move(device, BLOCK_READ, offset, there))
			return -1;
		memcpy(to, device->client.data, there);
		memset(to + there, 0, part - there);
		offset += part;
		to += part;
		bytes -= part;
	}
	return device->failed ? -1 : 0;
}

int block_device_write(void *context, uint64_t offset, const void *buffer, size_t bytes)
{
	struct block_device *device = context;
	const uint8_t *from = buffer;
	if (device->read_only || offset > device->bytes || bytes > device->bytes - offset)
		return -1;
	while (bytes && !device->failed) {
		size_t part = bytes < DATA_BYTES ? bytes : DATA_BYTES;
		memcpy(device->client.data, from, part);
		if (!move(device, BLOCK_WRITE, offset, part))
			return -1;
		offset += part;
		from += part;
		bytes -= part;
	}
	return device->failed ? -1 : 0;
}

int block_device_flush(void *context)
{
	struct block_device *device = context;
	return !device->failed && submit(device, 0, BLOCK_FLUSH, 0, 0, 0) && complete(device) ? 0 : -1;
}

/* Room that nobody needs: a device that cannot say so keeps it. */
int block_device_discard(void *context, uint64_t offset, uint64_t bytes)
{
	struct block_device *device = context;
	const uint64_t most = (uint64_t)(1u << 30);
	while (device->has_discard && bytes && !device->failed) {
		uint64_t part = bytes < most ? bytes : most;
		if (!submit(device, 0, BLOCK_DISCARD, offset, 0, part))
			return -1;
		device->has_discard = complete(device);
		offset += part;
		bytes -= part;
	}
	return device->failed ? -1 : 0;
}
