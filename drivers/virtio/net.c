/* The driver of virtio network devices. Source: VIRTIO 1.1, 5.1. One queue each way, no offloads.
 *
 * A buffer that receives begins with the device's header, so that a frame takes one descriptor; it lies two bytes
 * in, which aligns the IP header. Frames sent have a common header of zeroes in front.
 */
#include "link/link_port.h"
#include "virtio.h"

#include <text.h>

enum feature { MTU = 3, MAC = 5, STATUS = 16 };
enum config { CONFIG_MAC = 0, CONFIG_STATUS = 6, CONFIG_MTU = 10 };
#define STATUS_UP    1u
#define HEADER_BYTES 12u /* with VERSION_1: num_buffers is always there */
#define SKIP         2u
#define PIECES_MAX   (LINK_PIECES_MAX + 1)
#define STOP_TRIES   10000u

static struct net {
	struct driver driver;
	struct virtio virtio;
	struct virtqueue receive, transmit;
	struct link_port port;
	uint64_t header; /* address of HEADER_BYTES zeroes */
	uint32_t receiving;
	/* Entries of each frame under way, in their order: only the oldest that are done are given back. */
	struct sent {
		uint16_t entries;
		bool done;
	} sent[VIRTQUEUE_SIZE_MAX];
	uint32_t sent_first, sent_count;
	struct link_frame frame;
} net;

static void fill(void)
{
	uint32_t buffer;

	while (net.receive.free_count && link_server_empty(&net.port.server, &buffer)) {
		struct virtio_piece piece = {link_port_address(&net.port, buffer * LINK_BUFFER_BYTES + SKIP),
		                             LINK_BUFFER_BYTES - SKIP};
		virtqueue_add(&net.receive, &piece, 0, 1, (void *)(uintptr_t)(buffer + 1));
		net.receiving++;
	}
	virtqueue_kick(&net.receive);
}

static void take_received(void)
{
	uint32_t bytes;
	void *token;

	while ((token = virtqueue_used(&net.receive, &bytes))) {
		uint32_t buffer = (uint32_t)(uintptr_t)token - 1;
		struct link_entry entry = {.offset = buffer * LINK_BUFFER_BYTES + SKIP + HEADER_BYTES};

		net.receiving--;
		if (bytes > HEADER_BYTES) {
			entry.bytes = (uint16_t)(bytes - HEADER_BYTES);
			net.port.counters.arrived_frames++;
			net.port.counters.arrived_bytes += entry.bytes;
		} else {
			net.port.counters.errors++;
		}
		link_server_put(&net.port.server, &entry, &net.port.signal);
	}
}

static void take_sent(void)
{
	uint32_t bytes, entries = 0;
	void *token;

	while ((token = virtqueue_used(&net.transmit, &bytes)))
		((struct sent *)token)->done = true;
	while (net.sent_count && net.sent[net.sent_first].done) {
		entries += net.sent[net.sent_first].entries;
		net.sent_first = (net.sent_first + 1) % VIRTQUEUE_SIZE_MAX;
		net.sent_count--;
	}
	link_server_done(&net.port.server, entries, &net.port.signal);
}

/* One frame of the client's; false: there is none, or no room. */
static bool send_frame(void)
{
	struct virtio_piece pieces[PIECES_MAX];

	if (net.transmit.free_count < PIECES_MAX || net.sent_count == VIRTQUEUE_SIZE_MAX ||
	    !link_port_take(&net.port, &net.frame))
		return false;
	struct sent *sent = &net.sent[(net.sent_first + net.sent_count++) % VIRTQUEUE_SIZE_MAX];
	*sent = (struct sent){.entries = (uint16_t)net.frame.entries, .done = !net.frame.count};
	if (sent->done)
		return true;
	pieces[0] = (struct virtio_piece){net.header, HEADER_BYTES};
	for (uint32_t i = 0; i < net.frame.count; i++) {
		const struct link_entry *piece = &net.frame.pieces[i];
		pieces[i + 1] =
		    (struct virtio_piece){link_port_address(&net.port, piece->offset), piece->bytes};
	}
	virtqueue_add(&net.transmit, pieces, net.frame.count + 1, 0, sent);
	return true;
}

static void start(void *context)
{
	(void)context;
	fill();
}

static void init_device(void);

/* Buffers are in the device's hands until it is reset. */
static void stop(void *context)
{
	(void)context;
	init_device();
}

static void message(void *context, struct message *message)
{
	(void)context;
	link_port_message(&net.port, message);
}

static void work(void *context, uint64_t bits)
{
	(void)context;
	virtio_acknowledge(&net.virtio);
	if (net.virtio.features & VIRTIO_FEATURE(STATUS))
		link_port_set_up(&net.port, virtio_config(&net.virtio, CONFIG_STATUS, 2) & STATUS_UP);
	if (link_port_open(&net.port)) {
		take_received();
		take_sent();
		fill();
		while (send_frame())
			;
		virtqueue_kick(&net.transmit);
		take_sent();
	}
	link_port_finish(&net.port, bits);
}

/* From whatever state it is in to running, with empty queues. The queues' pages are made once. */
static void init_device(void)
{
	const uint64_t features = VIRTIO_FEATURE(MTU) | VIRTIO_FEATURE(MAC) | VIRTIO_FEATURE(STATUS);

	if (!virtio_init(&net.virtio, &net.driver, features) ||
	    !virtqueue_init(&net.receive, &net.virtio, 0, VIRTQUEUE_SIZE_MAX) ||
	    !virtqueue_init(&net.transmit, &net.virtio, 1, VIRTQUEUE_SIZE_MAX))
		driver_fail(&net.driver, "the device is not usable");
	net.receiving = net.sent_first = net.sent_count = 0;
	virtio_start(&net.virtio);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	struct link_description description = {.mtu = 1500, .name = "virtio network device"};

	if (!driver_init(&net.driver, info, page))
		return 1;
	init_device();
	if (!driver_pages(&net.driver, 1, &net.header))
		driver_fail(&net.driver, "no memory");
	if (net.virtio.features & VIRTIO_FEATURE(MTU)) {
		uint64_t mtu = virtio_config(&net.virtio, CONFIG_MTU, 2);
		if (mtu >= 576 && mtu <= LINK_BUFFER_BYTES - SKIP - HEADER_BYTES - LINK_FRAME_MIN)
			description.mtu = (uint16_t)mtu;
	}
	for (unsigned i = 0; i < 6; i++)
		description.mac[i] = net.virtio.features & VIRTIO_FEATURE(MAC)
		                         ? (uint8_t)virtio_config(&net.virtio, CONFIG_MAC + i, 1)
		                         : (uint8_t)(i ? clock_ns() >> i : 2);
	link_port_init(&net.port, &net.driver, &description, start, stop, 0);
	link_port_set_up(&net.port, !(net.virtio.features & VIRTIO_FEATURE(STATUS)) ||
	                                virtio_config(&net.virtio, CONFIG_STATUS, 2) & STATUS_UP);
	link_port_announce(&net.port, "");
	driver_run(&net.driver, 0, message, work);
}
