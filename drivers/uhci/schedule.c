/* The schedule (UHCI, 1.2 and 3): every frame leads to the queues of interrupt endpoints whose turn it is, then to those of control and of
 * bulk endpoints. A queue hangs in the schedule from the start of its endpoint on. A transfer is a chain of packets on it;
 * long ones go on part by part, so that a page of them is enough for each endpoint. See uhci.h. */
#include "uhci.h"

/* 3.1 to 3.3: links. */
#define LINK_END   1u
#define LINK_QUEUE 2u
#define LINK_DEPTH 4u /* the next packet of this queue follows in the same frame */

struct transfer_descriptor { /* 3.2 */
	uint32_t link, status, token, buffer;
};
#define PACKET_LEFT    0x7ffu                      /* of the status: bytes that were moved, less one */
#define PACKET_ERRORS  (0x3fu << 17 & ~(1u << 19)) /* a device that has nothing yet (19) is none */
#define PACKET_STALLED (1u << 22)
#define PACKET_ACTIVE  (1u << 23)
#define PACKET_TELL    (1u << 24)
#define PACKET_LOW     (1u << 26)
#define PACKET_TRIES   (3u << 27)
#define PACKET_SHORT   (1u << 29) /* a short packet ends the transfer */
#define TOKEN_TOGGLE   19
#define TOKEN_BYTES(n) ((((uint32_t)(n)-1u) & 0x7ff) << 21)
enum packet { PACKET_IN = 0x69, PACKET_OUT = 0xe1, PACKET_SETUP = 0x2d }; /* USB2, 8.3.1 */

struct queue_head { /* 3.3 */
	uint32_t link, element, unused[2];
};

#define CONTROL_HEAD FRAME_LEVELS
#define BULK_HEAD    (FRAME_LEVELS + 1)
#define HEADS        (FRAME_LEVELS + 2)
#define PACKETS                                                                                              \
	128u /* at a time, of a bulk or interrupt endpoint: half of a page; those of the next part are in the other */

#define LOAD_MAX     1200u /* bytes of interrupt packets in a frame, which has 1,500 (USB2, 5.7.4: 90 %) */
#define PACKET_EXTRA 13u   /* bytes around those of a packet */
#define LOW_FACTOR   8u    /* a low speed byte takes that much longer */
#define SET_ADDRESS  5u

struct hc_endpoint {
	struct transfer_descriptor *packets;
	uint32_t packets_address;
	uint32_t head; /* index of the queue that this one follows */
	bool linked;
	uint32_t load;
	uint8_t toggle;
	uint32_t first, count, at;      /* packets of this part; those that are done */
	uint32_t piece, offset, pieces; /* what the next part begins with; how many there are */
	struct usb_piece list[PIECES_MAX];
};

static struct slot {
	uint8_t address;
	struct hc_endpoint endpoints[ENDPOINTS];
} slots[DEVICES_MAX + 1];

static struct {
	struct queue_head *queues; /* a page: the heads, then one for each endpoint */
	uint32_t queues_address;
	uint32_t loads[FRAME_LEVELS];
} schedule;
_Static_assert((HEADS + (DEVICES_MAX + 1) * ENDPOINTS) * sizeof(struct queue_head) <= DRIVER_PAGE, "a page");

static void put(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static uint32_t queue_index(const struct device *device, const struct endpoint *endpoint)
{
	return HEADS + device->index * ENDPOINTS + (uint32_t)(endpoint - device->endpoints);
}

static uint32_t queue_link(uint32_t index)
{
	return (schedule.queues_address + index * (uint32_t)sizeof(struct queue_head)) | LINK_QUEUE;
}

static struct hc_endpoint *endpoint_of(const struct device *device, const struct endpoint *endpoint)
{
	return &slots[device->index].endpoints[endpoint - device->endpoints];
}

bool schedule_init(uint32_t *frames)
{
	uint64_t addresses[2];
	uint8_t *pages = frames_pages(2, addresses);

	if (!pages)
		return false;
	*frames = (uint32_t)addresses[0];
	schedule.queues = (struct queue_head *)(void *)(pages + DRIVER_PAGE);
	schedule.queues_address = (uint32_t)addresses[1];
	for (uint32_t i = 0; i < HEADS; i++) {
		uint32_t next = i < FRAME_LEVELS ? (i ? 0 : CONTROL_HEAD) : BULK_HEAD;
		schedule.queues[i].link = i == BULK_HEAD ? LINK_END : queue_link(next);
		schedule.queues[i].element = LINK_END;
	}
	for (uint32_t i = 0; i < FRAMES; i++)
		((uint32_t *)(void *)pages)[i] = queue_link(frames_level(i));
	return true;
}

/* ---- Queues ---- */

static void queue_insert(const struct device *device, const struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	uint32_t index = queue_index(device, endpoint);

	schedule.queues[index].element = LINK_END;
	schedule.queues[index].link = schedule.queues[own->head].link;
	put(&schedule.queues[own->head].link, queue_link(index));
	own->linked = true;
}

static uint32_t frame(void)
{
	return uhci_get(FRNUM);
}

/* Takes the queue out, which the controller so forgets. */
static void queue_remove(const struct device *device, const struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	uint32_t index = queue_index(device, endpoint), link = queue_link(index);

	if (!own->linked)
		return;
	for (uint32_t i = 0; i < HEADS + (DEVICES_MAX + 1) * ENDPOINTS; i++)
		if (schedule.queues[i].link == link && i != index)
			put(&schedule.queues[i].link, schedule.queues[index].link);
	own->linked = false;
	frames_pass(frame, UHCI_FRAMES, 2);
	schedule.queues[index].link = LINK_END;
	schedule.queues[index].element = LINK_END;
	own->count = own->at = 0;
}

static bool endpoint_memory(struct hc_endpoint *own)
{
	uint64_t address;

	if (own->packets)
		return true;
	own->packets = (struct transfer_descriptor *)(void *)frames_pages(1, &address);
	own->packets_address = (uint32_t)address;
	return own->packets;
}

/* The queue that ENDPOINT's follows. False: there is no time left in a frame. */
static bool endpoint_place(const struct device *device, const struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	uint32_t load = endpoint->is.packet_bytes + PACKET_EXTRA, level = 0, others = 0;

	own->load = 0;
	own->head = endpoint->is.transfer == USB_BULK ? BULK_HEAD : CONTROL_HEAD;
	if (endpoint->is.transfer != USB_INTERRUPT)
		return true;
	while (level + 1 < FRAME_LEVELS && 2u << level <= endpoint->is.interval)
		level++;
	/* Every frame has the first level's, and another's. */
	for (uint32_t i = 1; i < FRAME_LEVELS && !level; i++)
		others = schedule.loads[i] > others ? schedule.loads[i] : others;
	load *= device->speed == SPEED_LOW ? LOW_FACTOR : 1;
	if (schedule.loads[0] + (level ? schedule.loads[level] : others) + load > LOAD_MAX)
		return false;
	schedule.loads[level] += load;
	own->load = load;
	own->head = level;
	return true;
}

bool schedule_endpoint_start(struct device *device, struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);

	if (!endpoint_memory(own) || !endpoint_place(device, endpoint))
		return false;
	own->toggle = 0;
	own->count = own->at = 0;
	queue_insert(device, endpoint);
	return true;
}

void schedule_endpoint_end(struct device *device, struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);

	queue_remove(device, endpoint);
	if (own->load)
		schedule.loads[own->head] -= own->load;
	own->load = 0;
}

/* ---- Devices ---- */

bool hc_device_start(struct device *device)
{
	slots[device->index].address = 0;
	if (!schedule_endpoint_start(device, &device->endpoints[ENDPOINT_CONTROL]))
		return false;
	if (device->speed <= SPEED_LOW && control_request(device, 0, SET_ADDRESS, device->index, 0, 0) >= 0) {
		slots[device->index].address = device->index;
		return true;
	}
	hc_device_end(device);
	return false;
}

bool hc_device_packets(struct device *device)
{
	(void)device;
	return true; /* each request says it */
}

/* ---- Transfers ---- */

static void packet_set(const struct device *device, const struct endpoint *endpoint, uint32_t index,
                       enum packet kind, uint32_t toggle, uint64_t buffer, uint32_t bytes)
{
	const struct hc_endpoint *own = endpoint_of(device, endpoint);

	index += own->first;
	own->packets[index] = (struct transfer_descriptor){
	    .link = (own->packets_address + (index + 1) * (uint32_t)sizeof(*own->packets)) | LINK_DEPTH,
	    .status = PACKET_ACTIVE | PACKET_TRIES | (device->speed == SPEED_LOW ? PACKET_LOW : 0) |
	              (kind == PACKET_IN ? PACKET_SHORT : 0),
	    .token = (uint32_t)kind | (uint32_t)slots[device->index].address << 8 |
	             (uint32_t)endpoint->is.number << 15 | toggle << TOKEN_TOGGLE | TOKEN_BYTES(bytes),
	    .buffer = (uint32_t)buffer};
}

/* COUNT packets that were set go on their way. */
static void packets_begin(const struct device *device, const struct endpoint *endpoint, uint32_t count)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);

	own->packets[own->first + count - 1].link = LINK_END;
	own->packets[own->first + count - 1].status |= PACKET_TELL;
	own->count = count;
	own->at = 0;
	put(&schedule.queues[queue_index(device, endpoint)].element,
	    own->packets_address + own->first * (uint32_t)sizeof(*own->packets));
}

void hc_control(struct device *device, uint64_t setup, uint32_t bytes)
{
	struct endpoint *endpoint = &device->endpoints[ENDPOINT_CONTROL];
	const uint32_t packet = endpoint->is.packet_bytes;
	uint32_t count = 0, part;
	bool in = setup & 0x80;

	/* The 8 bytes are behind those that are moved. */
	memcpy(device->buffer + DRIVER_PAGE - sizeof(setup), &setup, sizeof(setup));
	packet_set(device, endpoint, count++, PACKET_SETUP, 0,
	           device->buffer_address + DRIVER_PAGE - sizeof(setup), sizeof(setup));
	for (uint32_t at = 0; at < bytes; at += part, count++) {
		part = bytes - at < packet ? bytes - at : packet;
		packet_set(device, endpoint, count, in ? PACKET_IN : PACKET_OUT, count & 1,
		           device->buffer_address + at, part);
	}
	packet_set(device, endpoint, count++, bytes && in ? PACKET_OUT : PACKET_IN, 1, 0, 0);
	endpoint->bytes = bytes;
	endpoint->moved = 0;
	endpoint->waited = true;
	endpoint->done = false;
	packets_begin(device, endpoint, count);
}

/* The next part of what ENDPOINT moves: as many packets as there is room for. */
static void part_begin(const struct device *device, const struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	uint32_t count = 0;

	/* The queue may still lead to the packet that ended the part before, which the controller looks at. */
	own->first ^= PACKETS;
	while (own->piece < own->pieces && count < PACKETS) {
		const struct usb_piece *piece = &own->list[own->piece];
		uint32_t left = piece->bytes - own->offset;
		uint32_t bytes = left < endpoint->is.packet_bytes ? left : endpoint->is.packet_bytes;

		packet_set(device, endpoint, count, endpoint->is.in ? PACKET_IN : PACKET_OUT,
		           (own->toggle + count) & 1, piece->address + own->offset, bytes);
		count++;
		own->offset += bytes;
		if (own->offset == piece->bytes) {
			own->offset = 0;
			own->piece++;
		}
	}
	packets_begin(device, endpoint, count);
}

void hc_transfer(struct device *device, struct endpoint *endpoint, const struct usb_piece *pieces,
                 unsigned count)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);

	endpoint->bytes = endpoint->moved = 0;
	endpoint->waited = true;
	endpoint->done = false;
	for (unsigned i = 0; i < count; i++) {
		own->list[i] = pieces[i];
		endpoint->bytes += pieces[i].bytes;
		if (pieces[i].address >> 32) { /* a client's memory that the controller cannot reach */
			endpoint->result = TRANSFER_FAILED;
			endpoint->done = true;
			return;
		}
	}
	own->piece = own->offset = 0;
	own->pieces = count;
	part_begin(device, endpoint);
}

/* A request to endpoint 0 that moved less than it could goes on with its last packet. */
static void status_begin(const struct device *device, const struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);

	own->at = own->count - 1;
	put(&schedule.queues[queue_index(device, endpoint)].element,
	    own->packets_address + own->at * (uint32_t)sizeof(*own->packets));
}

/* Takes the packets that are done. */
static void endpoint_events(struct device *device, struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	bool control = endpoint == &device->endpoints[ENDPOINT_CONTROL];

	while (own->at < own->count) {
		const struct transfer_descriptor *packet = &own->packets[own->first + own->at];
		uint32_t status = __atomic_load_n(&packet->status, __ATOMIC_ACQUIRE),
		         wanted = ((packet->token >> 21) + 1) & 0x7ff, moved = (status + 1) & PACKET_LEFT;

		if (status & PACKET_ACTIVE)
			return;
		if (status & PACKET_ERRORS || moved > wanted) {
			bool stalled = status & PACKET_STALLED && !(status & PACKET_ERRORS & ~PACKET_STALLED);
			frames_end(endpoint, stalled ? TRANSFER_STALLED : TRANSFER_FAILED);
			return;
		}
		own->at++;
		own->toggle ^= 1;
		endpoint->moved += control && own->at == 1 ? 0 : moved;
		if (moved == wanted)
			continue;
		if (!control || own->at == own->count) {
			frames_end(endpoint, TRANSFER_DONE);
			return;
		}
		status_begin(device, endpoint);
	}
	if (!control && own->piece < own->pieces)
		part_begin(device, endpoint);
	else
		frames_end(endpoint, TRANSFER_DONE);
}

void schedule_events(void)
{
	frames_events(endpoint_events);
}

void hc_stop(struct device *device, struct endpoint *endpoint)
{
	queue_remove(device, endpoint);
}

bool hc_resume(struct device *device, struct endpoint *endpoint)
{
	endpoint_of(device, endpoint)->toggle = 0;
	queue_insert(device, endpoint);
	return true;
}
