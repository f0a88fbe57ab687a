/* The driver of virtio input devices: keyboards, mice, tablets. Source: VIRTIO 1.2, 5.8. The device fills the buffers of its event
 * queue, one event each; what they say is copied before it is judged (lib/input/evdev.h), and kept for the one client that watches
 * (abi/input.interface). Lamps, which the status queue is for, are left alone. */
#include "host.interface.h"
#include "input.interface.h"
#include "input/evdev.h"
#include "input/input_queue.h"
#include "virtio.h"

#include <text.h>

#define CALL_NS    10000000000ull
#define EVENTS     64u /* buffers of the event queue */
#define QUEUE_MAIN 0

/* struct virtio_input_config, 5.8.4. */
enum config { SELECT = 0, SUBSELECT = 1, SIZE = 2, UNION = 8 };
enum select { PLACE_INFORMATION = 0x12 };
enum place_information { LOW = 0, HIGH = 4, PLACE_BYTES = 8 }; /* what is read of it */

/* struct virtio_input_event, 5.8.6. */
struct event {
	uint16_t type, code;
	int32_t value;
};
_Static_assert(sizeof(struct event) == 8 && EVENTS * sizeof(struct event) <= DRIVER_PAGE,
               "events fit into a page");

static struct input {
	struct driver driver;
	struct virtio virtio;
	struct virtqueue queue;
	struct evdev evdev;
	struct input_queue kept;
	struct event *events; /* the device writes here */
	uint64_t address;
} input;

static void give(struct event *event)
{
	struct virtio_piece piece = {input.address + (uint64_t)((uint8_t *)event - (uint8_t *)input.events),
	                             sizeof(*event)};

	if (!virtqueue_add(&input.queue, &piece, 0, 1, event))
		driver_fail(&input.driver, "its queue is full");
}

/* All that is there; the buffers go back only then, so that this ends whatever the device does. */
static void take(void)
{
	struct event *done[EVENTS + 1];
	struct input_event made;
	unsigned count = 0;
	uint32_t bytes;

	while ((done[count] = virtqueue_used(&input.queue, &bytes))) {
		struct event told = *(volatile struct event *)done[count++];
		if (bytes == sizeof(told) &&
		    evdev_take(&input.evdev, told.type, told.code, told.value, &made))
			input_queue_put(&input.kept, &made);
	}
	for (unsigned i = 0; i < count; i++)
		give(done[i]);
	virtqueue_kick(&input.queue);
	input_queue_tell(&input.kept);
}

/* The ranges of places, where the device tells of any. */
static void places_read(void)
{
	for (uint8_t axis = 0; axis < EVDEV_PLACES; axis++) {
		virtio_config_put(&input.virtio, SELECT, PLACE_INFORMATION, 1);
		virtio_config_put(&input.virtio, SUBSELECT, axis, 1);
		if (virtio_config(&input.virtio, SIZE, 1) < PLACE_BYTES)
			continue;
		evdev_range(&input.evdev, axis, (int32_t)virtio_config(&input.virtio, UNION + LOW, 4),
		            (int32_t)virtio_config(&input.virtio, UNION + HIGH, 4));
	}
}

static int64_t serve_watch(void *context, uint64_t badge, handle_t event, uint64_t bits)
{
	(void)context;
	(void)badge;
	return input_queue_watch(&input.kept, event, bits);
}

static int64_t serve_read(void *context, uint64_t badge, const void **events, uint32_t *bytes)
{
	(void)context;
	(void)badge;
	return input_queue_read(&input.kept, events, bytes);
}

static void message(void *context, struct message *message)
{
	static const struct input_operations operations = {.watch = serve_watch, .read = serve_read};

	input_serve(&operations, context, message, input.driver.page);
}

static void work(void *context, uint64_t bits)
{
	(void)context;
	(void)bits;
	virtio_acknowledge(&input.virtio);
	take();
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	if (!driver_init(&input.driver, info, page) || !virtio_init(&input.virtio, &input.driver, 0))
		return 1;
	input.events = driver_pages(&input.driver, 1, &input.address);
	if (!input.events || !virtqueue_init(&input.queue, &input.virtio, QUEUE_MAIN, EVENTS))
		driver_fail(&input.driver, "the device is not usable");
	evdev_init(&input.evdev);
	places_read();
	for (unsigned i = 0; i < EVENTS && input.queue.free_count; i++)
		give(&input.events[i]);
	virtio_start(&input.virtio);
	virtqueue_kick(&input.queue);
	if (host_announce(input.driver.host, page, DEVICE_INPUT, 0, "", clock_ns() + CALL_NS) < 0)
		driver_fail(&input.driver, "the device could not be announced");
	driver_run(&input.driver, 0, message, work);
}
