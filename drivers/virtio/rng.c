/* The driver of virtio entropy devices. Source: VIRTIO 1.1, 5.4. A buffer is filled ahead of what is asked for, so that no
 * client ever waits for the device. */
#include "random.interface.h"
#include "virtio.h"

#include <holon/device.h>
#include <text.h>
#include "host.interface.h"

#define BUFFER_BYTES 256u
#define ASK_MAX      64u
#define CALL_NS      1000000000ull

static struct rng {
	struct driver driver;
	struct virtio virtio;
	struct virtqueue queue;
	uint8_t *buffer; /* the device writes here, */
	uint64_t address;
	bool asked;
	uint8_t ready[BUFFER_BYTES]; /* and it is copied here, so that what was given out cannot change */
	uint32_t count;
} rng;

static void ask(void)
{
	struct virtio_piece piece = {rng.address, BUFFER_BYTES};
	if (rng.asked)
		return;
	if (!virtqueue_add(&rng.queue, &piece, 0, 1, &rng))
		driver_fail(&rng.driver, "its queue is full");
	rng.asked = true;
	virtqueue_kick(&rng.queue);
}

static void take(void)
{
	uint32_t bytes;
	if (!virtqueue_used(&rng.queue, &bytes))
		return;
	rng.asked = false;
	rng.count = bytes < BUFFER_BYTES ? bytes : BUFFER_BYTES;
	memcpy(rng.ready, rng.buffer, rng.count);
	memset(rng.buffer, 0, BUFFER_BYTES);
}

static int64_t serve_bytes(void *context, uint64_t badge, uint32_t count, const void **data, uint32_t *bytes)
{
	static uint8_t given[ASK_MAX];
	(void)context;
	(void)badge;
	if (!count || count > ASK_MAX)
		return E_ARGUMENT;
	if (rng.count < count) {
		ask();
		return E_BUSY;
	}
	rng.count -= count;
	memcpy(given, rng.ready + rng.count, count);
	memset(rng.ready + rng.count, 0, count);
	*data = given;
	*bytes = count;
	return E_OK;
}

static void message(void *context, struct message *message)
{
	static const struct random_operations operations = {.bytes = serve_bytes};
	(void)context;
	random_serve(&operations, 0, message, rng.driver.page);
}

static void work(void *context, uint64_t bits)
{
	(void)context;
	(void)bits;
	virtio_acknowledge(&rng.virtio);
	take();
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	if (!driver_init(&rng.driver, info, page) || !virtio_init(&rng.virtio, &rng.driver, 0))
		return 1;
	rng.buffer = driver_pages(&rng.driver, 1, &rng.address);
	if (!rng.buffer || !virtqueue_init(&rng.queue, &rng.virtio, 0, 8))
		driver_fail(&rng.driver, "the device is not usable");
	virtio_start(&rng.virtio);
	ask();
	if (host_announce(rng.driver.host, page, DEVICE_RANDOM, 0, "", clock_ns() + CALL_NS) < 0)
		DRIVER_LOG(&rng.driver, "virtio-rng: the device could not be announced\n");
	driver_run(&rng.driver, 0, message, work);
}
