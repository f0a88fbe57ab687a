/* Devices as the controller knows them: slots and their contexts (xHCI, 4.3 to 4.8 and 6.2), and transfers of their endpoints (4.11). See
 * xhci.h. */
#include "xhci.h"

#define STATE_RUNS   1u
#define STATE_HALTED 2u

static uint32_t *input(unsigned index)
{
	return (uint32_t *)(void *)(xhci.input + (size_t)index * xhci.context_bytes);
}

static struct slot *slot_of(const struct device *device)
{
	return &xhci.slots[device->index];
}

static struct hc_endpoint *endpoint_of(const struct device *device, const struct endpoint *endpoint)
{
	return &slot_of(device)->endpoints[endpoint - device->endpoints];
}

static uint8_t command(const struct device *device, enum trb_type type)
{
	return controller_command(xhci.input_address,
	                          TRB_TYPE(type) | (uint32_t)slot_of(device)->number << 24);
}

/* ---- Contexts ---- */

/* 6.2.3.6: the exponent of a period in 125 us. */
static uint32_t interval_of(const struct device *device, const struct usb_endpoint *endpoint)
{
	uint32_t exponent = 3;

	if (endpoint->transfer != USB_INTERRUPT)
		return 0;
	if (device->speed >= SPEED_HIGH)
		return !endpoint->interval ? 0 : endpoint->interval > 16 ? 15 : endpoint->interval - 1u;
	while (exponent < 10 && 2u << (exponent - 3) <= endpoint->interval)
		exponent++;
	return exponent;
}

static void context_set(struct hc_endpoint *endpoint, uint32_t type, uint32_t interval, uint32_t burst,
                        uint32_t packet_bytes, uint32_t average)
{
	endpoint->context[0] = interval << 16;
	endpoint->context[1] = 3u << 1 | type << 3 | burst << 8 | packet_bytes << 16;
	endpoint->context[2] = (uint32_t)endpoint->ring.address | TRB_CYCLE;
	endpoint->context[3] = (uint32_t)(endpoint->ring.address >> 32);
	endpoint->context[4] = average | (interval ? packet_bytes << 16 : 0);
}

static void control_context_set(const struct device *device)
{
	struct hc_endpoint *control = &slot_of(device)->endpoints[ENDPOINT_CONTROL];

	context_set(control, 4, 0, 0, device->endpoints[ENDPOINT_CONTROL].is.packet_bytes, 8);
	memcpy(input(2), control->context, sizeof(control->context));
}

/* 4.6.6: those of the device's endpoints, by bits of their places. */
static bool endpoints_configure(struct device *device, uint32_t drop, uint32_t add)
{
	const struct slot *slot = slot_of(device);
	uint32_t last = 1;

	memset(xhci.input, 0, DRIVER_PAGE);
	for (unsigned use = ENDPOINT_IN; use < ENDPOINTS; use++) {
		const struct hc_endpoint *endpoint = &slot->endpoints[use];

		last = endpoint->place > last ? endpoint->place : last;
		if (add >> endpoint->place & 1)
			memcpy(input(endpoint->place + 1), endpoint->context, sizeof(endpoint->context));
	}
	input(0)[0] = drop;
	input(0)[1] = 1u | add;
	memcpy(input(1), slot->context, 16); /* the slot's, as it is */
	input(1)[0] = (input(1)[0] & ~(31u << 27)) | last << 27 | (device->hub_ports ? 1u << 26 : 0);
	input(1)[1] = (input(1)[1] & 0xffffff) | device->hub_ports << 24;
	input(1)[3] = 0;
	return command(device, TRB_CONFIGURE_ENDPOINT) == CODE_SUCCESS;
}

bool hc_device_configure(struct device *device)
{
	uint32_t add = 0;

	for (unsigned use = ENDPOINT_IN; use < ENDPOINTS; use++) {
		const struct usb_endpoint *is = &device->endpoints[use].is;
		struct hc_endpoint *endpoint = &slot_of(device)->endpoints[use];

		endpoint->place = device->endpoints[use].used ? is->number * 2u + is->in : 0;
		if (!endpoint->place)
			continue;
		add |= 1u << endpoint->place;
		ring_reset(&endpoint->ring);
		/* 6.2.3, type: 2, 3 out and 6, 7 in, bulk and interrupt. */
		context_set(endpoint, is->transfer + (is->in ? 4u : 0u), interval_of(device, is),
		            device->speed == SPEED_SUPER ? is->burst : 0, is->packet_bytes,
		            is->transfer == USB_BULK ? 3072 : is->packet_bytes);
	}
	return endpoints_configure(device, 0, add);
}

/* ---- Devices ---- */

static bool slot_memory(struct slot *slot)
{
	uint64_t addresses[1 + ENDPOINTS];
	uint8_t *pages;

	if (slot->context)
		return true;
	pages = driver_pages(&usb.driver, 1 + ENDPOINTS, addresses);
	if (!pages)
		return false;
	slot->context = pages;
	slot->context_address = addresses[0];
	for (unsigned i = 0; i < ENDPOINTS; i++)
		slot->endpoints[i].ring =
		    (struct ring){.trbs = (struct trb *)(void *)(pages + (1 + i) * DRIVER_PAGE),
		                  .address = addresses[1 + i]};
	return true;
}

/* 4.3.2. */
static bool slot_enable(struct device *device)
{
	if (controller_command(0, TRB_TYPE(TRB_ENABLE_SLOT)) != CODE_SUCCESS)
		return false;
	uint8_t number = xhci.command_slot;
	if (!number || (number <= xhci.slot_count && xhci.owners[number]))
		driver_fail(&usb.driver, "the controller gives a slot that is in use");
	if (number > xhci.slot_count) { /* QEMU does not mind how many were asked for */
		controller_command(0, TRB_TYPE(TRB_DISABLE_SLOT) | (uint32_t)number << 24);
		return false;
	}
	slot_of(device)->number = number;
	xhci.owners[number] = device->index;
	return true;
}

/* 4.3.3 and 4.3.4. */
bool hc_device_start(struct device *device)
{
	struct slot *slot = slot_of(device);

	if (!slot_memory(slot) || !slot_enable(device))
		return false;
	memset(slot->context, 0, DRIVER_PAGE);
	memset(xhci.input, 0, DRIVER_PAGE);
	for (unsigned i = 0; i < ENDPOINTS; i++) {
		struct ring ring = slot->endpoints[i].ring;
		ring_reset(&ring);
		slot->endpoints[i] = (struct hc_endpoint){.ring = ring};
	}
	slot->endpoints[ENDPOINT_CONTROL].place = 1;
	xhci.contexts[slot->number] = slot->context_address;
	input(0)[1] = 3;
	input(1)[0] = device->route | (uint32_t)device->speed << 20 | 1u << 27;
	input(1)[1] = (uint32_t)device->port << 16;
	if (device->translator)
		input(1)[2] = slot_of(device->translator)->number | (uint32_t)device->translator_port << 8;
	control_context_set(device);
	if (command(device, TRB_ADDRESS_DEVICE) == CODE_SUCCESS)
		return true;
	hc_device_end(device);
	return false;
}

/* 4.6.7. */
bool hc_device_packets(struct device *device)
{
	memset(xhci.input, 0, DRIVER_PAGE);
	input(0)[1] = 2;
	control_context_set(device);
	return command(device, TRB_EVALUATE_CONTEXT) == CODE_SUCCESS;
}

void hc_device_end(struct device *device)
{
	struct slot *slot = slot_of(device);

	controller_command(0, TRB_TYPE(TRB_DISABLE_SLOT) | (uint32_t)slot->number << 24);
	xhci.contexts[slot->number] = 0;
	xhci.owners[slot->number] = 0;
	slot->number = 0;
}

/* ---- Transfers ---- */

/* What is on the ring from FIRST on ends with the TRB at LAST. */
static void begin(struct device *device, struct endpoint *endpoint, uint64_t first, uint64_t last)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);

	own->first = first;
	own->last = last;
	own->left = own->cut = 0;
	endpoint->waited = true;
	endpoint->done = false;
	controller_ring(slot_of(device)->number, own->place);
}

/* 4.11.2.2. */
void hc_control(struct device *device, uint64_t setup, uint32_t bytes)
{
	struct endpoint *endpoint = &device->endpoints[ENDPOINT_CONTROL];
	struct ring *ring = &endpoint_of(device, endpoint)->ring;
	bool in = setup & 0x80;

	endpoint->bytes = bytes;
	ring_put(ring, setup, 8,
	         TRB_TYPE(TRB_SETUP) | TRB_IMMEDIATE | (bytes ? in ? 3u << 16 : 2u << 16 : 0));
	if (bytes)
		ring_put(ring, device->buffer_address, bytes,
		         TRB_TYPE(TRB_DATA) | (in ? 1u << 16 : 0) | TRB_SHORT);
	uint64_t last =
	    ring_put(ring, 0, 0, TRB_TYPE(TRB_STATUS) | TRB_INTERRUPT | (in && bytes ? 0 : 1u << 16));
	begin(device, endpoint, last, last);
}

void hc_transfer(struct device *device, struct endpoint *endpoint, const struct usb_piece *pieces,
                 unsigned count)
{
	struct ring *ring = &endpoint_of(device, endpoint)->ring;
	uint32_t packet = endpoint->is.packet_bytes, bytes = 0, at = 0;
	uint64_t first = 0, last = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += pieces[i].bytes;
	ring_reserve(ring, count);
	for (unsigned i = 0; i < count; i++) {
		at += pieces[i].bytes;
		/* 4.11.2.4: packets that are left behind this piece. */
		uint32_t left = at < bytes ? (bytes + packet - 1) / packet - at / packet : 0;
		last = ring_put(ring, pieces[i].address, pieces[i].bytes | (left < 31 ? left : 31) << 17,
		                TRB_TYPE(TRB_NORMAL) | TRB_SHORT |
		                    (at < bytes        ? TRB_CHAIN
		                     : endpoint->quiet ? 0
		                                       : TRB_INTERRUPT));
		first = first ? first : last;
	}
	endpoint->bytes = bytes;
	endpoint->quiet = false;
	begin(device, endpoint, first, last);
}

static void ended(struct endpoint *endpoint, struct hc_endpoint *own, uint8_t code)
{
	uint32_t left = own->cut ? own->cut : own->left; /* at least */

	endpoint->result = code == CODE_STALL ? TRANSFER_STALLED : TRANSFER_FAILED;
	endpoint->moved = 0;
	if ((code == CODE_SUCCESS || code == CODE_SHORT) && left <= endpoint->bytes) {
		endpoint->result = TRANSFER_DONE;
		endpoint->moved = endpoint->bytes - left;
	}
	endpoint->done = true;
}

void slot_event(const struct trb *event)
{
	uint32_t number = event->control >> 24, place = event->control >> 16 & 31;
	uint8_t code = (uint8_t)(event->status >> 24);

	if (!number || number > DEVICES_MAX || !xhci.owners[number] || !place)
		return;
	struct device *device = &usb.devices[xhci.owners[number]];
	for (unsigned i = 0; i < ENDPOINTS; i++) {
		struct endpoint *endpoint = &device->endpoints[i];
		struct hc_endpoint *own = endpoint_of(device, endpoint);

		if (own->place != place || !endpoint->waited || endpoint->done)
			continue;
		if (event->parameter - own->ring.address >= RING_TRBS * sizeof(struct trb) ||
		    (code >= CODE_STOPPED && code < CODE_STOPPED + 3))
			continue; /* not of this ring; or it was stopped by this driver */
		/* What goes well ends with the last TRB; what fails may name any of them. */
		if ((code == CODE_SUCCESS || code == CODE_SHORT) && event->parameter != own->last) {
			if (code == CODE_SHORT)
				own->cut = event->status & 0xffffff;
			if (code != CODE_SHORT || event->parameter < own->first ||
			    event->parameter > own->last)
				continue;
		} else if (code == CODE_SHORT) {
			own->left = event->status & 0xffffff;
		}
		ended(endpoint, own, code);
	}
}

static uint32_t which(const struct device *device, const struct endpoint *endpoint)
{
	return (uint32_t)slot_of(device)->number << 24 | endpoint_of(device, endpoint)->place << 16;
}

/* 4.6.8 and 4.6.9. */
void hc_stop(struct device *device, struct endpoint *endpoint)
{
	struct hc_endpoint *own = endpoint_of(device, endpoint);
	const uint32_t *context =
	    (const uint32_t *)(void *)(slot_of(device)->context + (size_t)own->place * xhci.context_bytes);
	uint32_t state = __atomic_load_n(context, __ATOMIC_ACQUIRE) & 7;

	/* One that halts just now cannot be stopped any more. */
	if (state == STATE_RUNS &&
	    controller_command(0, TRB_TYPE(TRB_STOP_ENDPOINT) | which(device, endpoint)) != CODE_SUCCESS)
		state = STATE_HALTED;
	if (state == STATE_HALTED)
		controller_command(0, TRB_TYPE(TRB_RESET_ENDPOINT) | which(device, endpoint));
	ring_reset(&own->ring);
}

/* The controller forgets what the endpoint was doing, with its toggle: for endpoint 0, where that is not allowed, only where it
 * was (4.6.8, 4.6.10). */
bool hc_resume(struct device *device, struct endpoint *endpoint)
{
	const struct hc_endpoint *own = endpoint_of(device, endpoint);

	if (endpoint == &device->endpoints[ENDPOINT_CONTROL])
		return controller_command(own->ring.address | TRB_CYCLE,
		                          TRB_TYPE(TRB_SET_DEQUEUE) | which(device, endpoint)) ==
		       CODE_SUCCESS;
	return endpoints_configure(device, 1u << own->place, 1u << own->place);
}
