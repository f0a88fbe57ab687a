/* A block device as plain calls that read and write bytes, for a program of one thread that waits for each: vaults and file
 * services. It has a queue of its own, whose data area everything is copied through, so that the device never touches other
 * memory of the program.
 *
 * A driver that dies is started again by devmgr, and block_client.h goes on. A device that is gone, or answers nothing for
 * a minute, stays failed: what may have been lost with its driver is not known any more. Calls may be made in the midst of a
 * caller's request: the bytes in the thread's page stay.
 */
#pragma once

#include "block_client.h"

#define BLOCK_DEVICE_UNIT 4096u /* the largest sector */

struct block_device {
	struct block_client client;
	uint64_t bytes;
	uint32_t transfer_bytes;
	bool read_only, has_discard, failed;
	bool bad_sectors_alone; /* the user's: a sector that cannot be read fails that call, not the device */
	bool reading;
};

/* Makes a queue on the device behind CHANNEL, which goes over in any case; PAGE is the thread's. 0 or a negative error of
 * abi/holon. */
int64_t block_device_open(struct block_device *device, handle_t channel, struct thread_page *page);
void block_device_close(struct block_device *device);

/* CONTEXT is the struct block_device; offsets and sizes are multiples of its sectors. 0, or -1: an error. Behind the end all
 * reads as zero, and nothing is written. */
int block_device_read(void *context, uint64_t offset, void *buffer, size_t bytes);
int block_device_write(void *context, uint64_t offset, const void *buffer, size_t bytes);
int block_device_flush(void *context);
/* Room that nobody needs: a device that cannot say so keeps it. */
int block_device_discard(void *context, uint64_t offset, uint64_t bytes);
