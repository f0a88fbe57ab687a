/* Reads and writes of a disk that are under way at the device while who asked for them goes on: aio(7)'s.
 *
 * A disk has a second queue for them, with room of its own for each, made at the first need. The common lock is held alone for all of it.
 */
#pragma once

#include "../internal.h"

#define BLOCK_TRANSFERS      32u         /* of a disk at a time */
#define BLOCK_TRANSFER_BYTES (64u << 10) /* each */

struct block_transfers;

struct block_transfer {
	/* Called once, by a worker: the device is done with it, and block_transfer_finish is to be called. */
	void (*done)(struct block_transfer *transfer);
	struct block_transfers *queue;
	uint32_t slot;
	uint64_t bytes;
	bool write;
	int error;
};

/* Begins what IO asks for at POSITION of FILE. 0, or -EAGAIN: not in this way; what was read of IO is to be read again. */
int block_transfer_begin(struct file *file, struct io *io, int64_t position, bool write,
                         struct block_transfer *transfer);
/* Its result, bytes or an error; IO is the same memory as at its beginning, into which is read now. */
int64_t block_transfer_finish(struct block_transfer *transfer, struct io *io);

/* ---- Between block_device.c and block_transfer.c ---- */

/* The queue of a disk, DEVICE, which is taken over, with RINGS and DATA (BLOCK_TRANSFERS times BLOCK_TRANSFER_BYTES) mapped there. 0: it cannot be had. */
struct block_transfers *block_transfers_create(handle_t device, void *rings, void *data,
                                               const handle_t memory[2]);
/* SECTORS from SECTOR on, which are there, and are as many bytes as IO has. */
int block_transfers_begin(struct block_transfers *queue, struct io *io, uint64_t sector, uint32_t sectors,
                          struct block_transfer *transfer);
int block_error_of(uint32_t status);
