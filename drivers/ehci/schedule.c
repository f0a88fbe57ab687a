/* The schedules (EHCI, 3 and 4): every frame leads to the queues of interrupt endpoints whose turn it is; the queues of control and bulk
 * endpoints are a ring. A queue hangs in its schedule from the start of its endpoint on, idle where nothing is asked for. A transfer is a
 * chain of descriptors, each for up to five pages; where a device sends less, the rest of the chain is left out by the descriptors' other
 * link. See ehci.h. */
#include "ehci.h"

/* 3.1: links. */
#define LINK_END   1u
#define LINK_QUEUE 2u

struct transfer_descriptor { /* 3.5, and 64-bit: appendix B */
	uint32_t next, other, token, buffers[5], high[5], filler[3];
};
#define TOKEN_OUT       (0u << 8)
#define TOKEN_IN        (1u << 8)
#define TOKEN_SETUP     (2u << 8)
#define TOKEN_TRIES     (3u << 10)
#define TOKEN_TELL      (1u << 15)
#define TOKEN_TOGGLE    (1u << 31)
#define TOKEN_BYTES(n)  ((uint32_t)(n) << 16)
#define TOKEN_LEFT(t)   ((t) >> 16 & 0x7fff)
#define TOKEN_ACTIVE    (1u << 7)
#define TOKEN_HALTED    (1u << 6)
#define TOKEN_ERRORS    (7u << 3) /* of the buffer, of a device that says too much, of a packet */
#define TOKEN_TRIES_ANY (3u << 10)
#define TOKEN_PING      (1u << 0)
#define BUFFERS         5u

struct queue_head { /* 3.6 */
	uint32_t link, characteristics, capabilities, current;
	uint32_t next, other, token, buffers[5], high[5];
	uint32_t filler[15];
};
_Static_assert(sizeof(struct transfer_descriptor) == 64 && sizeof(struct queue_head) == 128,
               "aligned to 32 bytes, and in one page");
#define SPEED_AT       12
#define TOGGLE_OF_TD   (1u << 14) /* the first packet's toggle is the descriptor's */
#define RING_HEAD      (1u << 15)
#define PACKET_AT      16
#define CONTROL_SLOW   (1u << 27) /* a control endpoint that is not of high speed */
#define START_AT       0          /* microframes in which it begins, */
#define COMPLETE_AT    8          /* and in which what a hub did for it is fetched */
#define HUB_AT         16
#define HUB_PORT_AT    23
#define ONE_A_FRAME    (1u << 30)
#define SLOW_COMPLETES 0x1cu /* 4.12.2: two to four microframes after the start in the first */

#define ASYNC_HEAD    FRAME_LEVELS
#define HEADS         (FRAME_LEVELS + 1)
#define QUEUES        (HEADS + (DEVICES_MAX + 1) * ENDPOINTS)
#define QUEUES_A_PAGE (DRIVER_PAGE / sizeof(struct queue_head))
#define QUEUE_PAGES   ((QUEUES + QUEUES_A_PAGE - 1) / QUEUES_A_PAGE)
#define DESCRIPTORS   (DRIVER_PAGE / sizeof(struct transfer_descriptor))
#define IDLE          0u /* the first of an endpoint's: never active, what follows a transfer */
#define MICROFRAMES   8u
#define LOAD_MAX      6000u /* bytes of interrupt packets in a microframe (USB2, 5.7.4: 80 % of 7,500) */
#define PACKET_EXTRA  55u   /* bytes around those of a packet (USB2, 5.11.3) */
#define SET_ADDRESS   5u
_Static_assert(DESCRIPTORS > PIECES_MAX - 2, "hc_transfer_pages and one more fit");

struct hc_endpoint {
	struct transfer_descriptor *descriptors;
	uint32_t descriptors_address;
	uint32_t head; /* index of the queue that this one follows */
	bool linked;
	uint8_t starts; /* an interrupt endpoint's microframes, by bits */
	uint32_t load;
	uint32_t count, at; /* descriptors of the transfer; those that are done */
	uint32_t wanted[DESCRIPTORS];
};

static struct slot {
	uint8_t address;
	struct hc_endpoint endpoints[ENDPOINTS];
} slots[DEVICES_MAX + 1];

static struct {
	uint8_t *queues;
	uint64_t queue_pages[QUEUE_PAGES];
	uint32_t loads[MICROFRAMES];
	bool wide;
} schedule;

static void put(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static struct queue_head *queue_at(uint32_t index)
{
	return (struct queue_head *)(void *)(schedule.queues + index / QUEUES_A_PAGE * DRIVER_PAGE +
	                                     index % QUEUES_A_PAGE * sizeof(struct queue_head));
}

static uint32_t queue_link(uint32_t index)
{
	return (uint32_t)(schedule.queue_pages[index / QUEUES_A_PAGE] +
	                  index % QUEUES_A_PAGE * sizeof(struct queue_head)) |
	       LINK_QUEUE;
}

static uint32_t queue_index(const struct device *device, const struct endpoint *endpoint)
{
	return HEADS + device->index * ENDPOINTS + (uint32_t)(endpoint - device->endpoints);
}

static struct hc_endpoint *endpoint_of(const struct device *device, const struct endpoint *endpoint)
{
	return &slots[device->index].endpoints[endpoint - device->endpoints];
}

bool schedule_init(bool wide, uint32_t *frames, uint32_t *queues)
{
	uint64_t address;
	uint32_t *list = (uint32_t *)(void *)frames_pages(1, &address);

	schedule.wide = wide;
	schedule.queues = frames_pages(QUEUE_PAGES, schedule.queue_pages);
	if (!list || !schedule.queues)
		return false;
	*frames = (uint32_t)address;
	*queues = queue_link(ASYNC_HEAD) & ~LINK_QUEUE;
	/* Queues with nothing in them, which hold the others: of the periods, and the first of the ring (4.8). */
	for (uint32_t i = 0; i < HEADS; i++) {
		struct queue_head *head = queue_at(i);
		head->link = i == ASYNC_HEAD ? queue_link(ASYNC_HEAD) : i ? queue_link(0) : LINK_END;
		head->characteristics = (SPEED_HIGH - 1u) << SPEED_AT | (i == ASYNC_HEAD ? RING_HEAD : 0);
		head->capabilities = ONE_A_FRAME | (i == ASYNC_HEAD ? 0 : 1u << START_AT);
		head->next = head->other = LINK_END;
		head->token = TOKEN_HALTED;
	}
	for (uint32_t i = 0; i < FRAMES; i++)
		list[i] = queue_link(frames_level(i));
	return true;
}

/* ---- Queues ---- */

static void queue_insert(const struct device *device, const struct endpoint *endpoint)
{
	/* As the controller numbers speeds. */
	static const uint32_t speeds[] = {[SPEED_FULL] = 0, [SPEED_LOW] = 1, [SPEED_HIGH] = 2};
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	uint32_t index = queue_index(device, endpoint);
	bool control = endpoint == &device->endpoints[ENDPOINT_CONTROL], high = device->speed == SPEED_HIGH;
	struct queue_head *queue = queue_at(index), *before = queue_at(own->head);

	*queue = (struct queue_head){.link = before->link,
	                             .characteristics =
	                                 slots[device->index].address | (uint32_t)endpoint->is.number << 8 |
	                                 speeds[device->speed] << SPEED_AT | (control ? TOGGLE_OF_TD : 0) |
	                                 (uint32_t)endpoint->is.packet_bytes << PACKET_AT |
	                                 (control && !high ? CONTROL_SLOW : 0),
	                             .capabilities = ONE_A_FRAME | (uint32_t)own->starts << START_AT,
	                             .next = LINK_END,
	                             .other = LINK_END};
	if (!high)
		queue->capabilities |= (own->starts ? SLOW_COMPLETES << COMPLETE_AT : 0) |
		                       (uint32_t)slots[device->translator->index].address << HUB_AT |
		                       (uint32_t)device->translator_port << HUB_PORT_AT;
	put(&before->link, queue_link(index));
	own->linked = true;
}

static uint32_t microframe(void)
{
	return ehci_get(FRINDEX);
}

/* Takes the queue out, which the controller so forgets. */
static void queue_remove(const struct device *device, const struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	uint32_t index = queue_index(device, endpoint), link = queue_link(index);

	if (!own->linked)
		return;
	for (uint32_t i = 0; i < QUEUES; i++)
		if (queue_at(i)->link == link && i != index)
			put(&queue_at(i)->link, queue_at(index)->link);
	own->linked = false;
	if (own->head == ASYNC_HEAD)
		ehci_async_advance();
	else
		frames_pass(microframe, EHCI_MICROFRAMES, 2 * MICROFRAMES);
	own->count = own->at = 0;
}

static bool endpoint_memory(struct hc_endpoint *own)
{
	uint64_t address;

	if (own->descriptors)
		return true;
	own->descriptors = (struct transfer_descriptor *)(void *)frames_pages(1, &address);
	own->descriptors_address = (uint32_t)address;
	return own->descriptors;
}

/* The microframes of an interrupt endpoint: every 2^n-th, from the least loaded on. False: there is no time left. */
static bool endpoint_place(const struct device *device, const struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	bool high = device->speed == SPEED_HIGH;
	/* USB2, 9.6.6: of high speed 2^(interval - 1) microframes, else frames. */
	uint32_t interval = endpoint->is.interval ? endpoint->is.interval : 1, level = 0, first = 0;
	uint32_t microframes = high && interval < 4 ? 1u << (interval - 1) : MICROFRAMES;
	uint32_t frames = !high ? interval : interval < 4 ? 1 : 1u << ((interval < 16 ? interval : 16) - 4);

	own->load = 0;
	own->starts = 0;
	own->head = ASYNC_HEAD;
	if (endpoint->is.transfer != USB_INTERRUPT)
		return true;
	while (level + 1 < FRAME_LEVELS && 2u << level <= frames)
		level++;
	/* What a hub does at lower speed begins in the first microframe. */
	for (uint32_t i = 1; i < microframes && high; i++)
		first = schedule.loads[i] < schedule.loads[first] ? i : first;
	uint32_t load = endpoint->is.packet_bytes + PACKET_EXTRA;
	for (uint32_t i = first; i < MICROFRAMES; i += microframes)
		if (schedule.loads[i] + load > LOAD_MAX)
			return false;
	for (uint32_t i = first; i < MICROFRAMES; i += microframes) {
		schedule.loads[i] += load;
		own->starts |= (uint8_t)(1u << i);
	}
	own->load = load;
	own->head = level;
	return true;
}

bool schedule_endpoint_start(struct device *device, struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);

	if (!endpoint_memory(own) || !endpoint_place(device, endpoint))
		return false;
	own->descriptors[IDLE] = (struct transfer_descriptor){.next = LINK_END, .other = LINK_END};
	own->count = own->at = 0;
	queue_insert(device, endpoint);
	return true;
}

void schedule_endpoint_end(struct device *device, struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);

	queue_remove(device, endpoint);
	for (uint32_t i = 0; i < MICROFRAMES; i++)
		schedule.loads[i] -= own->starts >> i & 1 ? own->load : 0;
	own->load = 0;
	own->starts = 0;
}

/* ---- Devices ---- */

/* Endpoint 0 begins anew, as DEVICE is by now. */
static void control_renew(struct device *device)
{
	queue_remove(device, &device->endpoints[ENDPOINT_CONTROL]);
	queue_insert(device, &device->endpoints[ENDPOINT_CONTROL]);
}

bool hc_device_start(struct device *device)
{
	slots[device->index].address = 0;
	if (device->speed > SPEED_HIGH || (device->speed != SPEED_HIGH && !device->translator) ||
	    !schedule_endpoint_start(device, &device->endpoints[ENDPOINT_CONTROL]))
		return false;
	if (control_request(device, 0, SET_ADDRESS, device->index, 0, 0) >= 0) {
		slots[device->index].address = device->index;
		control_renew(device);
		return true;
	}
	hc_device_end(device);
	return false;
}

bool hc_device_packets(struct device *device)
{
	control_renew(device);
	return true;
}

/* ---- Transfers ---- */

static uint32_t descriptor_link(const struct hc_endpoint *own, uint32_t index)
{
	return own->descriptors_address + index * (uint32_t)sizeof(struct transfer_descriptor);
}

/* The INDEXth of a transfer, from 1 on, without data yet; the one behind it follows. */
static struct transfer_descriptor *descriptor_set(struct hc_endpoint *own, uint32_t index, uint32_t token)
{
	struct transfer_descriptor *descriptor = &own->descriptors[index];

	*descriptor = (struct transfer_descriptor){.next = descriptor_link(own, index + 1),
	                                           .other = descriptor_link(own, IDLE),
	                                           .token = token | TOKEN_ACTIVE | TOKEN_TRIES};
	own->wanted[index] = 0;
	return descriptor;
}

/* BYTES at ADDRESS are moved behind what DESCRIPTOR (the INDEXth) moves, in its BUFFERth page. */
static void descriptor_add(struct hc_endpoint *own, uint32_t index, uint32_t buffer, uint64_t address,
                           uint32_t bytes)
{
	struct transfer_descriptor *descriptor = &own->descriptors[index];

	descriptor->buffers[buffer] = (uint32_t)address;
	descriptor->high[buffer] = (uint32_t)(address >> 32);
	descriptor->token += TOKEN_BYTES(bytes);
	own->wanted[index] += bytes;
}

/* COUNT descriptors that were set go on their way. */
static void transfer_begin(const struct device *device, struct endpoint *endpoint, uint32_t count)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	struct queue_head *queue = queue_at(queue_index(device, endpoint));

	own->descriptors[count].next = descriptor_link(own, IDLE);
	own->descriptors[count].token |= TOKEN_TELL;
	own->count = count;
	own->at = 0;
	endpoint->waited = true;
	endpoint->done = false;
	/* The queue is idle: the controller looks at these two, the other link first (4.10.2). */
	put(&queue->other, LINK_END);
	put(&queue->next, descriptor_link(own, 1));
}

void hc_control(struct device *device, uint64_t setup, uint32_t bytes)
{
	struct endpoint *endpoint = &device->endpoints[ENDPOINT_CONTROL];
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	uint32_t count = 1;
	bool in = setup & 0x80;

	/* The 8 bytes are behind those that are moved. */
	memcpy(device->buffer + DRIVER_PAGE - sizeof(setup), &setup, sizeof(setup));
	descriptor_set(own, count, TOKEN_SETUP);
	descriptor_add(own, count++, 0, device->buffer_address + DRIVER_PAGE - sizeof(setup), sizeof(setup));
	if (bytes) {
		/* Less than asked for is followed by the status as well. */
		descriptor_set(own, count, (in ? TOKEN_IN : TOKEN_OUT) | TOKEN_TOGGLE)->other =
		    descriptor_link(own, count + 1);
		descriptor_add(own, count++, 0, device->buffer_address, bytes);
	}
	descriptor_set(own, count, (bytes && in ? TOKEN_OUT : TOKEN_IN) | TOKEN_TOGGLE);
	endpoint->bytes = bytes;
	endpoint->moved = 0;
	transfer_begin(device, endpoint, count);
}

void hc_transfer(struct device *device, struct endpoint *endpoint, const struct usb_piece *pieces,
                 unsigned count)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	uint32_t index = 0, buffers = BUFFERS;
	uint64_t before = 1; /* where the piece before ended */

	endpoint->bytes = endpoint->moved = 0;
	for (unsigned i = 0; i < count; i++) {
		if (index + 1 == DESCRIPTORS || (pieces[i].address >> 32 && !schedule.wide)) {
			/* A client's memory that the controller cannot reach. */
			endpoint->waited = endpoint->done = true;
			endpoint->result = TRANSFER_FAILED;
			return;
		}
		/* Pages follow one another in a descriptor where each is used to its end, and from its beginning. */
		if (buffers == BUFFERS || before % DRIVER_PAGE || pieces[i].address % DRIVER_PAGE) {
			descriptor_set(own, ++index, endpoint->is.in ? TOKEN_IN : TOKEN_OUT);
			buffers = 0;
		}
		descriptor_add(own, index, buffers++, pieces[i].address, pieces[i].bytes);
		before = pieces[i].address + pieces[i].bytes;
		endpoint->bytes += pieces[i].bytes;
	}
	transfer_begin(device, endpoint, index);
}

/* Takes the descriptors that are done. */
static void endpoint_events(struct device *device, struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	bool control = endpoint == &device->endpoints[ENDPOINT_CONTROL];

	while (own->at < own->count) {
		uint32_t index = own->at + 1;
		uint32_t token = __atomic_load_n(&own->descriptors[index].token, __ATOMIC_ACQUIRE);
		uint32_t left = TOKEN_LEFT(token);

		if (token & TOKEN_ACTIVE)
			return;
		if (token & TOKEN_HALTED || left > own->wanted[index]) {
			bool stalled =
			    token & TOKEN_HALTED && !(token & TOKEN_ERRORS) && token & TOKEN_TRIES_ANY;
			frames_end(endpoint, stalled ? TRANSFER_STALLED : TRANSFER_FAILED);
			return;
		}
		own->at++;
		endpoint->moved += control && index == 1 ? 0 : own->wanted[index] - left;
		if (left && !control)
			break;
	}
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
	queue_insert(device, endpoint);
	return true;
}
