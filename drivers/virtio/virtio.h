/* Virtio devices on PCI, as the drivers of this folder use them: finding the registers, negotiating features,
 * and split virtqueues. Source: Virtual I/O Device (VIRTIO) Version 1.1, OASIS 2019: 2.6 split virtqueues, 3.1
 * initialisation, 4.1 PCI. Devices that also speak the older interface are used through the modern one.
 *
 * What the device says is checked: an index beyond the queue, a descriptor that is not under way or more bytes
 * than there was room for end the driver (driver_fail), which resets the device.
 */
#pragma once

#include "driver/driver.h"

#define VIRTQUEUE_SIZE_MAX 256u

enum virtio_feature_bit {
	VIRTIO_VERSION_1 = 32,       /* 6 */
	VIRTIO_ACCESS_PLATFORM = 33, /* DMA goes through an IOMMU where there is one */
};
#define VIRTIO_FEATURE(bit) (1ull << (bit))

struct virtio {
	struct driver *driver;
	volatile uint8_t *common, *notify, *interrupt, *config; /* config: 0 where the device has none */
	uint64_t notify_bytes, config_bytes;
	uint32_t notify_multiplier;
	uint64_t features;
};

struct virtq_descriptor {
	uint64_t address;
	uint32_t bytes;
	uint16_t flags, next;
};

/* Where a queue's driver-side state is: rings in two pages shared with the device. */
struct virtqueue {
	struct virtio *virtio;
	uint16_t index, size;
	uint16_t free_head, free_count;
	uint16_t available, used_seen;
	uint16_t kicked; /* available when the device was last told */
	uint64_t pages[2];
	uint8_t *memory; /* of both pages: kept when the queue is made again after a reset */
	struct virtq_descriptor *descriptors;
	volatile uint16_t *available_ring; /* flags, index, ring */
	volatile uint8_t *used_ring;       /* flags, index, ring of { u32 id, u32 bytes } */
	volatile uint16_t *notify;
	uint16_t next[VIRTQUEUE_SIZE_MAX];  /* the chains, where the device cannot change them */
	uint16_t count[VIRTQUEUE_SIZE_MAX]; /* of the chain that begins here and is under way; 0: none does */
	uint32_t room[VIRTQUEUE_SIZE_MAX];  /* bytes the device may write into that chain */
	void *token[VIRTQUEUE_SIZE_MAX];
};

struct virtio_piece {
	uint64_t address;
	uint32_t bytes;
};

/* Resets the device and takes those of FEATURES that it offers (VIRTIO->features); VERSION_1 is needed. False:
 * not such a device, or it refuses, which the log says. */
bool virtio_init(struct virtio *virtio, struct driver *driver, uint64_t features);
/* Makes queue INDEX, zeroed the first time, else as it was before the last virtio_init, with at most SIZE entries. False: there is none. */
bool virtqueue_init(struct virtqueue *queue, struct virtio *virtio, uint16_t index, uint16_t size);
/* All queues are made: the device may go on. */
void virtio_start(struct virtio *virtio);
/* For line interrupts: reads the device's interrupt status, which takes it back. */
void virtio_acknowledge(struct virtio *virtio);
/* A field of the device's own configuration, little-endian, of 1, 2, 4 or 8 bytes; 0 beyond its end. */
uint64_t virtio_config(const struct virtio *virtio, uint32_t offset, unsigned bytes);
/* Writes such a field, of 1 or 4 bytes; beyond its end, nothing. */
void virtio_config_put(struct virtio *virtio, uint32_t offset, uint32_t value, unsigned bytes);

/* Puts a chain: first OUT pieces that the device reads, then IN that it writes. TOKEN comes back with it. False:
 * no room. */
bool virtqueue_add(struct virtqueue *queue, const struct virtio_piece *pieces, unsigned out, unsigned in,
                   void *token);
/* Tells the device of what was added, if it wants to know. */
void virtqueue_kick(struct virtqueue *queue);
/* The next chain that the device has done with: its token, and the bytes written; 0: none. */
void *virtqueue_used(struct virtqueue *queue, uint32_t *bytes);
