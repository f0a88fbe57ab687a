/* The driver of virtio consoles: the first port, as a line (abi/serial.interface). Source: VIRTIO 1.2, 5.3; without MULTIPORT, so that
 * there is no other port. A buffer that received goes back to the device only when a client has read it: the other end waits until then. */
#include "host.interface.h"
#include "serial.interface.h"
#include "virtio.h"

#include <text.h>

#define CALL_NS      10000000000ull
#define BUFFERS      16u /* each way, of: */
#define BUFFER_BYTES 256u
_Static_assert(BUFFERS *BUFFER_BYTES <= DRIVER_PAGE && SERIAL_AT_ONCE <= BUFFER_BYTES, "a page each way");
enum queue { RECEIVE, TRANSMIT, QUEUES };

static struct console {
	struct driver driver;
	struct virtio virtio;
	struct virtqueue queues[QUEUES];
	uint8_t *memory[QUEUES];
	uint64_t addresses[QUEUES];
	/* What was received and not read, in its order. */
	struct {
		uint8_t *at;
		uint32_t bytes;
	} received[BUFFERS];
	uint32_t first, count;
	uint8_t *free[BUFFERS]; /* of those that transmit */
	unsigned free_count;
	bool refused; /* a write was not taken whole */
	handle_t watcher;
	uint64_t bits;
} console;

static void submit(enum queue queue, uint8_t *buffer, uint32_t bytes)
{
	struct virtio_piece piece = {console.addresses[queue] + (uint64_t)(buffer - console.memory[queue]),
	                             bytes};

	if (!virtqueue_add(&console.queues[queue], &piece, queue == TRANSMIT, queue == RECEIVE, buffer))
		driver_fail(&console.driver, "its queue is full");
	virtqueue_kick(&console.queues[queue]);
}

/* ---- The client ---- */

static void tell(void)
{
	if (!console.watcher || event_signal(console.watcher, console.bits) >= 0)
		return;
	cap_delete(console.watcher); /* it is gone */
	console.watcher = 0;
}

static int64_t serve_watch(void *context, uint64_t badge, handle_t event, uint64_t bits)
{
	(void)context;
	(void)badge;
	if (!bits)
		return E_ARGUMENT;
	if (console.watcher)
		cap_delete(console.watcher);
	console.watcher = event;
	console.bits = bits;
	if (console.count)
		tell();
	return E_OK;
}

static int64_t serve_read(void *context, uint64_t badge, const void **data, uint32_t *bytes)
{
	static uint8_t answer[BUFFER_BYTES];

	(void)context;
	(void)badge;
	*data = answer;
	*bytes = 0;
	if (!console.count)
		return E_OK;
	uint8_t *buffer = console.received[console.first].at;
	*bytes = console.received[console.first].bytes;
	memcpy(answer, buffer, *bytes);
	console.first = (console.first + 1) % BUFFERS;
	console.count--;
	submit(RECEIVE, buffer, BUFFER_BYTES);
	return E_OK;
}

static void sent_take(void)
{
	uint8_t *buffer;
	uint32_t bytes;

	while ((buffer = virtqueue_used(&console.queues[TRANSMIT], &bytes)))
		console.free[console.free_count++] = buffer;
}

static int64_t serve_write(void *context, uint64_t badge, const void *data, uint32_t bytes, uint32_t *taken)
{
	(void)context;
	(void)badge;
	*taken = 0;
	sent_take();
	while (*taken < bytes && console.free_count) {
		uint8_t *buffer = console.free[--console.free_count];
		uint32_t part = bytes - *taken < BUFFER_BYTES ? bytes - *taken : BUFFER_BYTES;
		memcpy(buffer, (const uint8_t *)data + *taken, part);
		submit(TRANSMIT, buffer, part);
		*taken += part;
	}
	console.refused = *taken < bytes;
	return E_OK;
}

static void message(void *context, struct message *message)
{
	static const struct serial_operations operations = {
	    .watch = serve_watch, .read = serve_read, .write = serve_write};

	serial_serve(&operations, context, message, console.driver.page);
}

/* ---- The device ---- */

static void work(void *context, uint64_t bits)
{
	uint8_t *buffer;
	uint32_t bytes;
	bool news = false;

	(void)context;
	(void)bits;
	virtio_acknowledge(&console.virtio);
	while ((buffer = virtqueue_used(&console.queues[RECEIVE], &bytes))) {
		uint32_t last = (console.first + console.count) % BUFFERS;
		if (!bytes)
			driver_fail(&console.driver, "the device brings nothing");
		console.received[last].at = buffer;
		console.received[last].bytes = bytes;
		console.count++;
		news = true;
	}
	sent_take();
	if (news || (console.refused && console.free_count))
		tell();
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	if (!driver_init(&console.driver, info, page) || !virtio_init(&console.virtio, &console.driver, 0))
		return 1;
	for (unsigned i = 0; i < QUEUES; i++) {
		console.memory[i] = driver_pages(&console.driver, 1, &console.addresses[i]);
		if (!console.memory[i] ||
		    !virtqueue_init(&console.queues[i], &console.virtio, (uint16_t)i, BUFFERS) ||
		    console.queues[i].size < BUFFERS)
			driver_fail(&console.driver, "the device is not usable");
	}
	virtio_start(&console.virtio);
	for (unsigned i = 0; i < BUFFERS; i++) {
		console.free[console.free_count++] = console.memory[TRANSMIT] + (size_t)i * BUFFER_BYTES;
		submit(RECEIVE, console.memory[RECEIVE] + (size_t)i * BUFFER_BYTES, BUFFER_BYTES);
	}
	if (host_announce(console.driver.host, page, DEVICE_SERIAL, 0, "", clock_ns() + CALL_NS) < 0)
		driver_fail(&console.driver, "the device could not be announced");
	driver_run(&console.driver, 0, message, work);
}
