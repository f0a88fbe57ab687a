/* The side of a block driver that its clients see: abi/block.interface with its queues and ranges, so that a
 * driver only moves sectors. Native, on lib/driver.
 *
 * Each device number (a disk; a port or a name space) has a description and takes requests that were checked:
 * inside the range that the client holds, inside its data object, aligned. The driver starts them and says
 * when they are done, in any order.
 *
 * Queues are served by lanes. The first is the driver's first thread, which alone answers calls, opens and ends queues; a
 * backend that can do things side by side has further ones, a thread on a CPU each. A queue is one lane's from its opening to
 * its end, with all its requests, so that lanes share nothing that is written.
 */
#pragma once

#include "driver/driver.h"
#include "block_ring.h"
#include "foreign.h"

#define BLOCK_DEVICES    8
#define BLOCK_QUEUES     16
#define BLOCK_RANGES     64 /* kept by devmgr over restarts */
#define BLOCK_LANES      8
#define BLOCK_IOS        256  /* requests under way, all clients of a lane together */
#define BLOCK_DATA_PAGES 4096 /* of one queue: 16 MiB */

#define BLOCK_STUCK_SWEEPS 15u /* 30 s */
#define BLOCK_LOST_SWEEPS  20u /* 40 s: one request, whatever becomes of others */

struct block_queue;
struct block_lane;

/* A request under way. */
struct block_io {
	struct block_queue *queue; /* 0: free */
	uint32_t
	    since; /* the sweep before which the device got it, 0: it has not, or is done; the first thread reads it */
	uint64_t tag;
	uint64_t sector; /* of the device */
	uint64_t data_offset;
	uint32_t sectors;
	uint8_t device;
	uint8_t operation; /* enum block_operation */
	bool force;        /* write: durable when done; only where the device has BLOCK_HAS_FORCE */
	bool flush_after;  /* the server's own */
	void *driver;      /* whatever the driver keeps here */
	struct block_io *next;
};

/* Each of these is called with the lane's context, by its thread, but for serve, which has the first one's. */
struct block_backend {
	/* Starts IO. False: no room; the server asks again after something was completed. */
	bool (*start)(void *context, struct block_io *io);
	/* After a batch of starts: tells the device. May be 0. */
	void (*kick)(void *context);
	/* Takes what the device has completed: block_server_complete for each. */
	void (*poll)(void *context);
	/* A device that has completed nothing of what it was given for BLOCK_STUCK_SWEEPS times two seconds is stuck, and so is one that does not
	 * complete one request for BLOCK_LOST_SWEEPS; the driver gives up, whatever its others do. False: the backend has limits of its own. */
	bool watched;
	/* The first thread, before a client is told what device NUMBER is: looks whether its medium is another one. May be 0. */
	void (*look)(void *context, unsigned number);
	/* Answers calls to what else the device is: numbers from BLOCK_DEVICES on. May be 0. */
	void (*serve)(void *context, struct message *message);
};

/* The first thread alone moves a queue on from FREE, OPEN and ENDED, its lane alone from CLOSING. */
enum block_queue_state { BLOCK_QUEUE_FREE, BLOCK_QUEUE_OPEN, BLOCK_QUEUE_CLOSING, BLOCK_QUEUE_ENDED };

struct block_queue {
	uint32_t state;          /* enum block_queue_state, and the lane's number above */
	struct block_lane *lane; /* which alone touches what it has to do with while it is open or closing */
	handle_t completed;
	uint64_t number; /* 0: free */
	uint64_t badge;
	uint64_t bits; /* of the driver's event */
	struct foreign rings;
	struct block_ring ring;
	handle_t rings_memory, data_memory;
	uint64_t data_pages;
	uint64_t *addresses; /* of the data's pages */
	uint64_t mappings[BLOCK_DATA_PAGES / DRIVER_MAP_PAGES];
	struct foreign data; /* mapped only for drivers that move bytes themselves */
	uint32_t under_way;
	bool signal;
	bool gone; /* another medium is in the device since */
};

struct block_range_kept {
	uint64_t first, count;
	uint32_t device, flags; /* BLOCK_RANGE_READ_ONLY */
	bool used;
};

/* Whether a device moves. */
struct block_watch {
	uint32_t under_way;         /* what the backend has taken and not completed */
	uint32_t completed;         /* ever */
	uint32_t completed_seen;    /* by the last sweep, */
	unsigned completed_nothing; /* and how many sweeps have seen no more */
};

struct block_lane {
	struct block_server *server;
	void *context; /* the backend's */
	handle_t event;
	struct block_io ios[BLOCK_IOS];
	struct block_io *free_ios;
	struct block_io *waiting, *waiting_last; /* refused by the backend, in order */
	unsigned next_queue;
	struct block_watch watched[BLOCK_DEVICES];
};

struct block_server {
	struct driver *driver;
	const struct block_backend *backend;
	bool map_data;                                   /* the driver wants block_queue.data */
	struct block_description devices[BLOCK_DEVICES]; /* sector_bytes 0: none */
	struct block_queue queues[BLOCK_QUEUES];
	uint32_t queues_used; /* all from here on were never opened */
	struct block_range_kept ranges[BLOCK_RANGES];
	struct block_lane lanes[BLOCK_LANES];
	unsigned lane_count;
	uint64_t last_number;
	uint32_t sweeps; /* from 1 on */
	bool sweeping;
};

void block_server_init(struct block_server *server, struct driver *driver,
                       const struct block_backend *backend, void *context);
/* One more lane, on CPU, with the backend's CONTEXT, which IRQ wakes; before the server runs. False: it cannot be had. */
bool block_server_lane(struct block_server *server, uint32_t cpu, void *context, handle_t irq);
/* Device NUMBER (below BLOCK_DEVICES) is there, or has changed; the first time it is announced under SERIAL. */
void block_server_device(struct block_server *server, unsigned number,
                         const struct block_description *description);
/* Another medium, or none (no sectors), is in device NUMBER, of a backend with one lane: queues that are open end with the old one. */
void block_server_replaced(struct block_server *server, unsigned number,
                           const struct block_description *description);
/* IO, which the backend has taken, has come back to it undone and waits there, or is given to the device once more: each time it has the whole
 * of BLOCK_LOST_SWEEPS. */
void block_server_at_device(struct block_io *io, bool there);
/* IO is done. */
void block_server_complete(struct block_server *server, struct block_io *io, enum block_status status);
/* Where byte OFFSET of IO's data is for the device, and how many bytes from there on are contiguous, at most
 * LIMIT. */
uint64_t block_server_address(const struct block_io *io, uint64_t offset, uint64_t limit,
                              uint64_t *contiguous);
/* Answers clients' calls, and after each signal polls the backend, takes new requests and tells clients: for ever. */
_Noreturn void block_server_run(struct block_server *server);
