/* See virtio.h. Section numbers are of VIRTIO 1.1. */
#include "virtio.h"

#include <text.h>

/* Capabilities, 4.1.4. */
#define PCI_STATUS        0x04 /* upper half */
#define PCI_CAPABILITIES  0x34
#define CAPABILITY_VENDOR 0x09
#define CAPABILITIES_MAX  48
enum cfg_type { CFG_COMMON = 1, CFG_NOTIFY = 2, CFG_INTERRUPT = 3, CFG_DEVICE = 4 };

/* struct virtio_pci_common_cfg, 4.1.4.3. */
enum common_field {
	DEVICE_FEATURE_SELECT = 0x00,
	DEVICE_FEATURE = 0x04,
	DRIVER_FEATURE_SELECT = 0x08,
	DRIVER_FEATURE = 0x0c,
	MSIX_CONFIG = 0x10,
	DEVICE_STATUS = 0x14,
	CONFIG_GENERATION = 0x15,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_MSIX_VECTOR = 0x1a,
	QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESCRIPTORS = 0x20,
	QUEUE_DRIVER = 0x28,
	QUEUE_DEVICE = 0x30,
	COMMON_BYTES = 0x38,
};
enum status { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 }; /* 2.1 */
enum descriptor_flag { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2 };
#define USED_NO_NOTIFY 1
#define USED_OFFSET    1024u /* of the used ring in the page that holds both rings */
_Static_assert(6 + 2 * VIRTQUEUE_SIZE_MAX <= USED_OFFSET &&
                   USED_OFFSET + 6 + 8 * VIRTQUEUE_SIZE_MAX <= DRIVER_PAGE,
               "both rings fit into a page");
#define RESET_TRIES 1000u

static uint8_t read8(volatile uint8_t *at)
{
	return *at;
}
static uint16_t read16(volatile uint8_t *at)
{
	return *(volatile uint16_t *)at;
}
static uint32_t read32(volatile uint8_t *at)
{
	return *(volatile uint32_t *)at;
}
static void write16(volatile uint8_t *at, uint16_t value)
{
	*(volatile uint16_t *)at = value;
}
static void write32(volatile uint8_t *at, uint32_t value)
{
	*(volatile uint32_t *)at = value;
}

/* A 64-bit register is written as two halves (4.1.3.1). */
static void write64(volatile uint8_t *at, uint64_t value)
{
	write32(at, (uint32_t)value);
	write32(at + 4, (uint32_t)(value >> 32));
}

/* The region that the capability at AT describes: where it is, and its bytes. */
static void find_region(struct virtio *virtio, uint32_t at, uint32_t head)
{
	struct driver *driver = virtio->driver;
	uint32_t place = driver_config(driver, at + 4);
	uint32_t offset = driver_config(driver, at + 8);
	uint32_t bytes = driver_config(driver, at + 12);
	unsigned type = head >> 24;
	unsigned bar = place & 0xff;

	if (bar >= DRIVER_BARS || !driver_bar_holds(&driver->bars[bar], offset, bytes))
		return;
	volatile uint8_t *region = driver_register(&driver->bars[bar], offset);
	/* The first one of each type is the device's preferred (4.1.4.1). */
	if (type == CFG_COMMON && !virtio->common && bytes >= COMMON_BYTES) {
		virtio->common = region;
	} else if (type == CFG_NOTIFY && !virtio->notify) {
		virtio->notify = region;
		virtio->notify_bytes = bytes;
		virtio->notify_multiplier = driver_config(driver, at + 16);
	} else if (type == CFG_INTERRUPT && !virtio->interrupt && bytes) {
		virtio->interrupt = region;
	} else if (type == CFG_DEVICE && !virtio->config) {
		virtio->config = region;
		virtio->config_bytes = bytes;
	}
}

static bool find_regions(struct virtio *virtio)
{
	struct driver *driver = virtio->driver;

	if (!(driver_config(driver, PCI_STATUS) >> 16 & 0x10))
		return false;
	uint32_t at = driver_config(driver, PCI_CAPABILITIES) & 0xfc;
	for (unsigned i = 0; i < CAPABILITIES_MAX && at >= 0x40; i++) {
		uint32_t head = driver_config(driver, at);
		if ((head & 0xff) == CAPABILITY_VENDOR)
			find_region(virtio, at, head);
		at = head >> 8 & 0xfc;
	}
	return virtio->common && virtio->notify && virtio->interrupt;
}

static void set_status(struct virtio *virtio, uint8_t bits)
{
	virtio->common[DEVICE_STATUS] = (uint8_t)(read8(virtio->common + DEVICE_STATUS) | bits);
}

static uint64_t offered(struct virtio *virtio)
{
	write32(virtio->common + DEVICE_FEATURE_SELECT, 0);
	uint64_t low = read32(virtio->common + DEVICE_FEATURE);
	write32(virtio->common + DEVICE_FEATURE_SELECT, 1);
	return low | (uint64_t)read32(virtio->common + DEVICE_FEATURE) << 32;
}

bool virtio_init(struct virtio *virtio, struct driver *driver, uint64_t features)
{
	*virtio = (struct virtio){.driver = driver};
	if (!find_regions(virtio)) {
		DRIVER_LOG(driver, "virtio: the device has no modern interface\n");
		return false;
	}
	virtio->common[DEVICE_STATUS] = 0;
	for (unsigned tries = 0; read8(virtio->common + DEVICE_STATUS); tries++) {
		if (tries == RESET_TRIES) {
			DRIVER_LOG(driver, "virtio: the device does not come out of its reset\n");
			return false;
		}
		driver_pause(driver, 100);
	}
	if (!driver_started(driver))
		return false;
	set_status(virtio, ACKNOWLEDGE);
	set_status(virtio, DRIVER);
	uint64_t there = offered(virtio);
	virtio->features =
	    there & (features | VIRTIO_FEATURE(VIRTIO_VERSION_1) | VIRTIO_FEATURE(VIRTIO_ACCESS_PLATFORM));
	write32(virtio->common + DRIVER_FEATURE_SELECT, 0);
	write32(virtio->common + DRIVER_FEATURE, (uint32_t)virtio->features);
	write32(virtio->common + DRIVER_FEATURE_SELECT, 1);
	write32(virtio->common + DRIVER_FEATURE, (uint32_t)(virtio->features >> 32));
	set_status(virtio, FEATURES_OK);
	if (!(virtio->features & VIRTIO_FEATURE(VIRTIO_VERSION_1)) ||
	    !(read8(virtio->common + DEVICE_STATUS) & FEATURES_OK)) {
		DRIVER_LOG(driver, "virtio: the device does not take the features %lx of %lx\n",
		           virtio->features, there);
		return false;
	}
	write16(virtio->common + MSIX_CONFIG, driver->irq_level ? 0xffff : 0);
	return true;
}

bool virtqueue_init(struct virtqueue *queue, struct virtio *virtio, uint16_t index, uint16_t size)
{
	struct virtqueue before = *queue;

	*queue = (struct virtqueue){.virtio = virtio, .index = index, .memory = before.memory};
	memcpy(queue->pages, before.pages, sizeof(queue->pages));
	write16(virtio->common + QUEUE_SELECT, index);
	uint16_t most = read16(virtio->common + QUEUE_SIZE);
	while (size > most || size > VIRTQUEUE_SIZE_MAX)
		size /= 2;
	if (!queue->memory && size)
		queue->memory = driver_pages(virtio->driver, 2, queue->pages);
	uint8_t *pages = queue->memory;
	if (!pages || !size)
		return false;
	memset(pages, 0, 2ul * DRIVER_PAGE);
	queue->size = queue->free_count = size;
	for (uint16_t i = 0; i < size; i++)
		queue->next[i] = (uint16_t)(i + 1);
	queue->descriptors = (struct virtq_descriptor *)pages;
	queue->available_ring = (uint16_t *)(pages + DRIVER_PAGE);
	queue->used_ring = pages + DRIVER_PAGE + USED_OFFSET;
	write16(virtio->common + QUEUE_SIZE, size);
	write16(virtio->common + QUEUE_MSIX_VECTOR, virtio->driver->irq_level ? 0xffff : 0);
	write64(virtio->common + QUEUE_DESCRIPTORS, queue->pages[0]);
	write64(virtio->common + QUEUE_DRIVER, queue->pages[1]);
	write64(virtio->common + QUEUE_DEVICE, queue->pages[1] + USED_OFFSET);
	uint64_t offset = (uint64_t)read16(virtio->common + QUEUE_NOTIFY_OFF) * virtio->notify_multiplier;
	if (virtio->notify_bytes < 2 || offset > virtio->notify_bytes - 2)
		return false;
	queue->notify = (volatile uint16_t *)(virtio->notify + offset);
	write16(virtio->common + QUEUE_ENABLE, 1);
	return true;
}

void virtio_start(struct virtio *virtio)
{
	set_status(virtio, DRIVER_OK);
}

void virtio_acknowledge(struct virtio *virtio)
{
	if (virtio->driver->irq_level)
		(void)read8(virtio->interrupt);
}

uint64_t virtio_config(const struct virtio *virtio, uint32_t offset, unsigned bytes)
{
	uint64_t value = 0;
	uint8_t before, after = 0;

	if (!virtio->config || bytes > virtio->config_bytes || offset > virtio->config_bytes - bytes)
		return 0;
	for (unsigned tries = 0; tries < 100; tries++) { /* 2.4.1: until it did not change meanwhile */
		before = read8(virtio->common + CONFIG_GENERATION);
		volatile uint8_t *at = virtio->config + offset;
		value = bytes == 1   ? read8(at)
		        : bytes == 2 ? read16(at)
		        : bytes == 4 ? read32(at)
		                     : read32(at) | (uint64_t)read32(at + 4) << 32;
		after = read8(virtio->common + CONFIG_GENERATION);
		if (before == after)
			break;
	}
	return value;
}

void virtio_config_put(struct virtio *virtio, uint32_t offset, uint32_t value, unsigned bytes)
{
	if (!virtio->config || bytes > virtio->config_bytes || offset > virtio->config_bytes - bytes)
		return;
	if (bytes == 4)
		write32(virtio->config + offset, value);
	else
		virtio->config[offset] = (uint8_t)value;
}

bool virtqueue_add(struct virtqueue *queue, const struct virtio_piece *pieces, unsigned out, unsigned in,
                   void *token)
{
	unsigned count = out + in;
	uint16_t head = queue->free_head, at = head;
	uint32_t room = 0;

	if (!count || count > queue->free_count)
		return false;
	for (unsigned i = 0; i < count; i++) {
		struct virtq_descriptor *descriptor = &queue->descriptors[at];
		descriptor->address = pieces[i].address;
		descriptor->bytes = pieces[i].bytes;
		descriptor->next = queue->next[at];
		descriptor->flags =
		    (uint16_t)((i + 1 < count ? DESCRIPTOR_NEXT : 0) | (i >= out ? DESCRIPTOR_WRITE : 0));
		room += i >= out ? pieces[i].bytes : 0;
		at = queue->next[at];
	}
	queue->free_head = at;
	queue->free_count = (uint16_t)(queue->free_count - count);
	queue->count[head] = (uint16_t)count;
	queue->room[head] = room;
	queue->token[head] = token;
	queue->available_ring[2 + queue->available % queue->size] = head;
	queue->available++;
	/* The entry before the index (2.6.13.3). */
	__atomic_store_n(&queue->available_ring[1], queue->available, __ATOMIC_RELEASE);
	return true;
}

void virtqueue_kick(struct virtqueue *queue)
{
	if (queue->kicked == queue->available)
		return;
	queue->kicked = queue->available;
	/* The index before the device's wish (2.6.13.4.1). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(*(volatile uint16_t *)queue->used_ring & USED_NO_NOTIFY))
		*queue->notify = queue->index;
}

void *virtqueue_used(struct virtqueue *queue, uint32_t *bytes)
{
	uint16_t index = __atomic_load_n((volatile uint16_t *)(queue->used_ring + 2), __ATOMIC_ACQUIRE);

	if (index == queue->used_seen)
		return 0;
	volatile uint32_t *entry =
	    (volatile uint32_t *)(queue->used_ring + 4) + 2 * (queue->used_seen % queue->size);
	uint32_t head = entry[0];
	*bytes = entry[1];
	if ((uint16_t)(index - queue->used_seen) > queue->size || head >= queue->size ||
	    !queue->count[head] || *bytes > queue->room[head])
		driver_fail(queue->virtio->driver, "the device completes what it was not given");
	queue->used_seen++;
	/* The chain goes back in front of the free ones. */
	uint16_t last = (uint16_t)head;
	for (uint16_t i = 1; i < queue->count[head]; i++)
		last = queue->next[last];
	queue->next[last] = queue->free_head;
	queue->free_head = (uint16_t)head;
	queue->free_count = (uint16_t)(queue->free_count + queue->count[head]);
	queue->count[head] = 0;
	return queue->token[head];
}
