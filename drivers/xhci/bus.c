/* The bus: ports of the controller and of hubs are looked at when they have changed; a device is reset, addressed, asked what it is,
 * and configured (xHCI, 4.3; USB2, 9.1.2), or, with all below it, let go. A device that fails is left alone until something else is
 * plugged in. Hubs of USB 3 are left alone. See xhci.h. */
#include "xhci.h"

/* xHCI, 5.4.8: PORTSC. */
#define PORTSC(port)        (0x400u + ((port)-1u) * 0x10u)
#define PORT_CONNECTED      1u
#define PORT_ENABLED        2u
#define PORT_RESET          (1u << 4)
#define PORT_KEPT           0x0e00c200u /* what a write leaves as it is: power, indicator, what wakes */
#define PORT_CHANGES        0x00fe0000u
#define PORT_CONNECT_CHANGE (1u << 17)
#define PORT_RESET_CHANGE   (1u << 21)

/* USB2, 9.4 and 11.24. */
enum request {
	GET_STATUS = 0,
	CLEAR_FEATURE = 1,
	SET_FEATURE = 3,
	GET_DESCRIPTOR = 6,
	SET_CONFIGURATION = 9
};
enum request_type {
	FROM_DEVICE = 0x80,
	TO_DEVICE = 0x00,
	FROM_HUB = 0xa0,
	FROM_HUB_PORT = 0xa3,
	TO_HUB_PORT = 0x23
};
enum feature { FEATURE_RESET = 4, FEATURE_POWER = 8, FEATURE_CHANGES = 16, FEATURE_RESET_CHANGE = 20 };
#define HUB_LOW          (1u << 9)
#define HUB_HIGH         (1u << 10)
#define HUB_RESET_CHANGE (1u << 4)
#define HUB_CHANGES      5u
#define ENGLISH          0x0409u

#define REST_US      100000u /* USB2, 7.1.7.3: after something was plugged in */
#define RECOVERY_US  10000u  /* 7.1.7.5: after a reset; more than 9.2.6.3 wants after an address */
#define RESET_TRIES  50u
#define RESET_TRY_US 20000u
#define ATTACH_NS    20000000000ull /* for all of a new device: meanwhile nothing else is done */
#define HUB_DATA     2048u          /* in the hub's page: what its interrupt endpoint says */

static uint32_t *input(unsigned index)
{
	return (uint32_t *)(void *)(xhci.input + (size_t)index * xhci.context_bytes);
}

static struct device *device_at(const struct device *parent, uint32_t port)
{
	for (unsigned slot = 1; slot <= SLOTS_MAX; slot++) {
		struct device *device = &xhci.devices[slot];
		if (device->used && device->parent == parent && device->parent_port == port)
			return device;
	}
	return 0;
}

/* ---- Configuring ---- */

/* xHCI, 6.2.3.6: the exponent of a period in 125 us. */
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

static void endpoint_context(struct endpoint *endpoint, uint32_t type, uint32_t interval, uint32_t burst,
                             uint32_t average)
{
	endpoint->context[0] = interval << 16;
	endpoint->context[1] = 3u << 1 | type << 3 | burst << 8 | (uint32_t)endpoint->packet_bytes << 16;
	endpoint->context[2] = (uint32_t)endpoint->ring.address | TRB_CYCLE;
	endpoint->context[3] = (uint32_t)(endpoint->ring.address >> 32);
	endpoint->context[4] = average | (interval ? (uint32_t)endpoint->packet_bytes << 16 : 0);
}

/* False: no device of this speed has such an endpoint. */
static bool endpoint_add(struct device *device, enum endpoint_use use, const struct usb_endpoint *wanted)
{
	struct endpoint *endpoint = &device->endpoints[use];

	if (!wanted)
		return true;
	if (!usb_endpoint_fits(wanted, device->speed))
		return false;
	endpoint->place = wanted->number * 2u + wanted->in;
	endpoint->number = (uint8_t)(wanted->number | (wanted->in ? 0x80 : 0));
	endpoint->packet_bytes = wanted->packet_bytes;
	ring_reset(&endpoint->ring);
	/* 6.2.3, type: 2, 3 out and 6, 7 in, bulk and interrupt. */
	endpoint_context(endpoint, wanted->transfer + (wanted->in ? 4u : 0u), interval_of(device, wanted),
	                 device->speed == SPEED_SUPER ? wanted->burst : 0,
	                 wanted->transfer == USB_BULK ? 3072 : wanted->packet_bytes);
	return true;
}

/* xHCI, 4.6.6: those of the device's endpoints, by bits of their places. */
static bool endpoints_configure(struct device *device, uint32_t drop, uint32_t add)
{
	uint32_t last = 1;

	memset(xhci.input, 0, DRIVER_PAGE);
	for (unsigned use = ENDPOINT_IN; use < ENDPOINTS; use++) {
		const struct endpoint *endpoint = &device->endpoints[use];

		last = endpoint->place > last ? endpoint->place : last;
		if (add >> endpoint->place & 1)
			memcpy(input(endpoint->place + 1), endpoint->context, sizeof(endpoint->context));
	}
	input(0)[0] = drop;
	input(0)[1] = 1u | add;
	memcpy(input(1), device->context, 16); /* the slot's, as it is */
	input(1)[0] = (input(1)[0] & ~(31u << 27)) | last << 27 | (device->hub_ports ? 1u << 26 : 0);
	input(1)[1] = (input(1)[1] & 0xffffff) | device->hub_ports << 24;
	input(1)[3] = 0;
	return controller_command(xhci.input_address, TRB_TYPE(TRB_CONFIGURE_ENDPOINT) |
	                                                  (uint32_t)device->slot << 24) == CODE_SUCCESS;
}

bool bus_configure(struct device *device, const struct usb_configuration *configuration,
                   const struct usb_endpoint *in, const struct usb_endpoint *out)
{
	return endpoint_add(device, ENDPOINT_IN, in) && endpoint_add(device, ENDPOINT_OUT, out) &&
	       endpoints_configure(device, 0,
	                           (in ? 1u << device->endpoints[ENDPOINT_IN].place : 0) |
	                               (out ? 1u << device->endpoints[ENDPOINT_OUT].place : 0)) &&
	       control_request(device, TO_DEVICE, SET_CONFIGURATION, configuration->value, 0, 0) >= 0;
}

bool bus_renew(struct device *device, const struct endpoint *endpoint)
{
	return endpoints_configure(device, 1u << endpoint->place, 1u << endpoint->place);
}

/* ---- Hubs ---- */

static void hub_listen(struct device *hub)
{
	struct endpoint *endpoint = &hub->endpoints[ENDPOINT_IN];

	if (endpoint->place && !endpoint->waited)
		endpoint_wait(hub, endpoint,
		              ring_put(&endpoint->ring, hub->buffer_address + HUB_DATA,
		                       endpoint->packet_bytes, TRB_TYPE(TRB_NORMAL) | TRB_INTERRUPT));
}

static bool hub_attach(struct device *device, const struct usb_configuration *configuration)
{
	struct usb_hub hub;
	const struct usb_endpoint *in = usb_endpoint_find(&configuration->interfaces[0], USB_INTERRUPT, true);
	int32_t bytes = control_request(device, FROM_HUB, GET_DESCRIPTOR, USB_HUB << 8, 0, 16);

	if (!in || device->depth == DEPTH_MAX || device->speed == SPEED_SUPER || bytes < 0 ||
	    !usb_hub_parse(device->buffer, (size_t)bytes, &hub))
		return false;
	device->hub_ports = hub.ports;
	if (!bus_configure(device, configuration, in, 0)) {
		device->hub_ports = 0;
		return false;
	}
	for (unsigned port = 1; port <= hub.ports; port++)
		control_request(device, TO_HUB_PORT, SET_FEATURE, FEATURE_POWER, (uint16_t)port, 0);
	driver_pause(&xhci.driver, hub.power_on_ms * 1000 + REST_US);
	device->changed = true;
	return true;
}

/* What a port says of itself: false, if it says nothing. */
static bool hub_port(struct device *hub, unsigned port, uint32_t *status, uint32_t *changes)
{
	if (control_request(hub, FROM_HUB_PORT, GET_STATUS, 0, (uint16_t)port, 4) != 4)
		return false;
	*status = hub->buffer[0] | (uint32_t)hub->buffer[1] << 8;
	*changes = hub->buffer[2] | (uint32_t)hub->buffer[3] << 8;
	for (unsigned bit = 0; bit < HUB_CHANGES; bit++)
		if (*changes >> bit & 1)
			control_request(hub, TO_HUB_PORT, CLEAR_FEATURE, (uint16_t)(FEATURE_CHANGES + bit),
			                (uint16_t)port, 0);
	return true;
}

static bool hub_port_reset(struct device *hub, unsigned port, uint8_t *speed)
{
	uint32_t status, changes;

	driver_pause(&xhci.driver, REST_US);
	if (control_request(hub, TO_HUB_PORT, SET_FEATURE, FEATURE_RESET, (uint16_t)port, 0) < 0)
		return false;
	for (unsigned tries = 0; tries < RESET_TRIES; tries++) {
		driver_pause(&xhci.driver, RESET_TRY_US);
		if (!hub_port(hub, port, &status, &changes))
			return false;
		if (!(changes & HUB_RESET_CHANGE))
			continue;
		*speed = status & HUB_LOW ? SPEED_LOW : status & HUB_HIGH ? SPEED_HIGH : SPEED_FULL;
		return status & PORT_CONNECTED && status & PORT_ENABLED;
	}
	return false;
}

/* ---- Devices ---- */

static void device_release(struct device *device)
{
	/* The controller forgets its rings before clients have their memory back. */
	controller_command(0, TRB_TYPE(TRB_DISABLE_SLOT) | (uint32_t)device->slot << 24);
	storage_detach(device);
	hid_detach(device);
	xhci.contexts[device->slot] = 0;
	device->used = false;
}

/* Devices that are gone, and what is below them. True: there was one. */
static bool release_gone(void)
{
	bool any = false;

	for (unsigned depth = 0; depth <= DEPTH_MAX; depth++)
		for (unsigned slot = 1; slot <= SLOTS_MAX; slot++) {
			struct device *device = &xhci.devices[slot];
			device->gone |= device->used && device->parent && device->parent->gone;
		}
	for (unsigned slot = 1; slot <= SLOTS_MAX; slot++) {
		struct device *device = &xhci.devices[slot];
		if (!device->used || !device->gone)
			continue;
		any = true;
		if (device->parent)
			device->parent->failed |= 1u << device->parent_port;
		else
			xhci.ports_failed |= 1u << (device->port - 1);
		device_release(device);
	}
	return any;
}

static bool device_memory(struct device *device)
{
	uint64_t addresses[2 + ENDPOINTS];
	uint8_t *pages;

	if (device->context)
		return true;
	pages = driver_pages(&xhci.driver, 2 + ENDPOINTS, addresses);
	if (!pages)
		return false;
	device->context = pages;
	device->context_address = addresses[0];
	device->buffer = pages + DRIVER_PAGE;
	device->buffer_address = addresses[1];
	for (unsigned i = 0; i < ENDPOINTS; i++)
		device->endpoints[i].ring =
		    (struct ring){.trbs = (struct trb *)(void *)(pages + (2 + i) * DRIVER_PAGE),
		                  .address = addresses[2 + i]};
	return true;
}

/* xHCI, 4.3.3 and 4.3.4. */
static bool device_address(struct device *device)
{
	struct endpoint *control = &device->endpoints[ENDPOINT_CONTROL];

	memset(device->context, 0, DRIVER_PAGE);
	memset(xhci.input, 0, DRIVER_PAGE);
	for (unsigned i = 0; i < ENDPOINTS; i++) {
		struct ring ring = device->endpoints[i].ring;
		ring_reset(&ring);
		device->endpoints[i] = (struct endpoint){.ring = ring};
	}
	control->place = 1;
	control->packet_bytes = device->speed == SPEED_SUPER ? 512 : device->speed == SPEED_HIGH ? 64 : 8;
	xhci.contexts[device->slot] = device->context_address;
	input(0)[1] = 3;
	input(1)[0] = device->route | (uint32_t)device->speed << 20 | 1u << 27;
	input(1)[1] = (uint32_t)device->port << 16;
	if (device->translator)
		input(1)[2] = device->translator->slot | (uint32_t)device->translator_port << 8;
	endpoint_context(control, 4, 0, 0, 8);
	memcpy(input(2), control->context, sizeof(control->context));
	if (controller_command(xhci.input_address,
	                       TRB_TYPE(TRB_ADDRESS_DEVICE) | (uint32_t)device->slot << 24) != CODE_SUCCESS)
		return false;
	driver_pause(&xhci.driver, RECOVERY_US);
	return true;
}

/* The first eight bytes say how long packets to endpoint 0 are (USB2, 5.5.3). */
static bool device_packets(struct device *device)
{
	struct endpoint *control = &device->endpoints[ENDPOINT_CONTROL];
	uint8_t bytes;

	if (control_request(device, FROM_DEVICE, GET_DESCRIPTOR, USB_DEVICE << 8, 0, 8) != 8)
		return false;
	bytes = device->buffer[7];
	if (device->speed != SPEED_FULL || bytes == control->packet_bytes)
		return true;
	if (bytes != 16 && bytes != 32 && bytes != 64)
		return false;
	control->packet_bytes = bytes;
	memset(xhci.input, 0, DRIVER_PAGE);
	input(0)[1] = 2;
	endpoint_context(control, 4, 0, 0, 8);
	memcpy(input(2), control->context, sizeof(control->context));
	return controller_command(xhci.input_address, TRB_TYPE(TRB_EVALUATE_CONTEXT) |
	                                                  (uint32_t)device->slot << 24) == CODE_SUCCESS;
}

/* What it is, and whether something can be done with it. */
static bool device_use(struct device *device)
{
	struct usb_device is;
	struct usb_configuration configuration;
	char serial[32] = "";
	int32_t bytes = control_request(device, FROM_DEVICE, GET_DESCRIPTOR, USB_DEVICE << 8, 0, 18);

	if (bytes < 0 || !usb_device_parse(device->buffer, (size_t)bytes, &is))
		return false;
	if (is.serial) {
		bytes = control_request(device, FROM_DEVICE, GET_DESCRIPTOR,
		                        (uint16_t)(USB_STRING << 8 | is.serial), ENGLISH, 255);
		if (bytes > 0)
			(void)usb_string_parse(device->buffer, (size_t)bytes, serial, sizeof(serial));
	}
	bytes = control_request(device, FROM_DEVICE, GET_DESCRIPTOR, USB_CONFIGURATION << 8, 0,
	                        USB_CONFIGURATION_MAX);
	if (bytes < 0 || !usb_configuration_parse(device->buffer, (size_t)bytes, &configuration))
		return false;
	DRIVER_LOG(&xhci.driver, "xhci: port %u, route %x: device %04x:%04x, class %u\n", device->port,
	           (unsigned)device->route, is.vendor, is.product, is.class);
	if (is.class == USB_CLASS_HUB)
		return hub_attach(device, &configuration);
	for (unsigned i = 0; i < configuration.interface_count; i++) {
		const struct usb_interface *interface = &configuration.interfaces[i];
		const struct usb_endpoint *in = usb_endpoint_find(interface, USB_BULK, true),
		                          *out = usb_endpoint_find(interface, USB_BULK, false);
		/* USB Mass Storage Class Overview 1.4: SCSI by Bulk-Only Transport. */
		if (interface->class == USB_CLASS_STORAGE && interface->subclass == 6 &&
		    interface->protocol == 0x50 && in && out)
			return bus_configure(device, &configuration, in, out) &&
			       storage_attach(device, interface, serial);
		if (interface->class == USB_CLASS_HID)
			return hid_attach(device, &configuration, interface);
	}
	return false;
}

/* A device that was reset at PORT of PARENT (0: of the controller). False: it cannot be used. */
static bool device_new(struct device *parent, uint32_t port, uint8_t speed)
{
	if (speed < SPEED_FULL || controller_command(0, TRB_TYPE(TRB_ENABLE_SLOT)) != CODE_SUCCESS)
		return false;
	uint8_t slot = xhci.command_slot;
	if (!slot || (slot <= xhci.slot_count && xhci.devices[slot].used))
		driver_fail(&xhci.driver, "the controller gives a slot that is in use");
	if (slot > xhci.slot_count) { /* QEMU does not mind how many were asked for */
		controller_command(0, TRB_TYPE(TRB_DISABLE_SLOT) | (uint32_t)slot << 24);
		return false;
	}
	struct device *device = &xhci.devices[slot];
	struct device fresh = {.used = true,
	                       .slot = slot,
	                       .speed = speed > SPEED_SUPER ? SPEED_SUPER : speed,
	                       .port = (uint8_t)(parent ? parent->port : port),
	                       .parent = parent,
	                       .parent_port = (uint8_t)port,
	                       .until = clock_ns() + ATTACH_NS,
	                       .context = device->context,
	                       .context_address = device->context_address,
	                       .buffer = device->buffer,
	                       .buffer_address = device->buffer_address};
	memcpy(fresh.endpoints, device->endpoints, sizeof(fresh.endpoints));
	if (parent) {
		fresh.depth = parent->depth + 1;
		fresh.route = parent->route | port << (4 * parent->depth);
		if (speed != SPEED_HIGH && parent->speed == SPEED_HIGH) {
			fresh.translator = parent;
			fresh.translator_port = (uint8_t)port;
		} else {
			fresh.translator = parent->translator;
			fresh.translator_port = parent->translator_port;
		}
	}
	*device = fresh;
	driver_pause(&xhci.driver, RECOVERY_US);
	if (device_memory(device) && device_address(device) && device_packets(device) && device_use(device)) {
		device->until = 0;
		return true;
	}
	DRIVER_LOG(&xhci.driver, "xhci: port %u, route %x: no device that can be used\n", device->port,
	           (unsigned)device->route);
	device_release(device);
	return false;
}

/* ---- Changes ---- */

/* What was at PORT of HUB, if that has changed, is let go. True: something is there that is not known yet. */
static bool hub_port_look(struct device *hub, unsigned port)
{
	uint32_t status, changes;

	if (!hub_port(hub, port, &status, &changes))
		return false;
	struct device *device = device_at(hub, port);
	if (!(status & PORT_CONNECTED) || changes & PORT_CONNECTED) {
		if (device) {
			device->gone = true;
			release_gone();
			device = 0;
		}
		hub->failed &= ~(1u << port);
	}
	return status & PORT_CONNECTED && !device && !(hub->failed >> port & 1);
}

/* At most one new device at a time: clients wait meanwhile. */
static void hub_look(struct device *hub)
{
	hub->changed = false;
	hub->until = clock_ns() + ATTACH_NS;
	for (unsigned port = 1; port <= hub->hub_ports && !hub->gone && !hub->changed; port++) {
		uint8_t speed;

		if (!hub_port_look(hub, port))
			continue;
		if (!hub_port_reset(hub, port, &speed) || !device_new(hub, port, speed))
			hub->failed |= 1u << port;
		hub->changed = true;
	}
	hub->until = 0;
	if (!hub->changed && !hub->gone)
		hub_listen(hub);
}

static bool port_reset(uint32_t port, uint8_t *speed)
{
	uint32_t status = register_get(xhci.operational, PORTSC(port));

	if (!xhci.rested)
		driver_pause(&xhci.driver, REST_US);
	/* A port of USB 3 trains by itself (xHCI, 4.19.1.2). */
	if (!(status & PORT_ENABLED)) {
		register_put(xhci.operational, PORTSC(port), (status & PORT_KEPT) | PORT_RESET);
		for (unsigned tries = 0; tries < RESET_TRIES; tries++) {
			driver_pause(&xhci.driver, RESET_TRY_US);
			status = register_get(xhci.operational, PORTSC(port));
			if (status & PORT_RESET_CHANGE)
				break;
		}
		register_put(xhci.operational, PORTSC(port), (status & PORT_KEPT) | PORT_RESET_CHANGE);
		status = register_get(xhci.operational, PORTSC(port));
	}
	*speed = status >> 10 & 15;
	return status & PORT_CONNECTED && status & PORT_ENABLED;
}

static void port_look(uint32_t port)
{
	uint32_t status = register_get(xhci.operational, PORTSC(port));
	struct device *device = device_at(0, port);
	uint32_t bit = 1u << (port - 1);
	uint8_t speed;

	register_put(xhci.operational, PORTSC(port), (status & PORT_KEPT) | (status & PORT_CHANGES));
	if (!(status & PORT_CONNECTED) || status & PORT_CONNECT_CHANGE) {
		if (device) {
			device->gone = true;
			release_gone();
			device = 0;
		}
		xhci.ports_failed &= ~bit;
	}
	if (!(status & PORT_CONNECTED) || device || xhci.ports_failed & bit)
		return;
	if (!port_reset(port, &speed) || !device_new(0, port, speed))
		xhci.ports_failed |= bit;
}

bool bus_poll(void)
{
	if (release_gone())
		return true;
	for (uint32_t port = 1; port <= xhci.port_count; port++) {
		if (!(xhci.ports_changed >> (port - 1) & 1))
			continue;
		xhci.ports_changed &= ~(1u << (port - 1));
		port_look(port);
		return true;
	}
	for (unsigned slot = 1; slot <= SLOTS_MAX; slot++) {
		struct device *hub = &xhci.devices[slot];
		struct endpoint *endpoint = &hub->endpoints[ENDPOINT_IN];

		if (!hub->used || !hub->hub_ports)
			continue;
		if (endpoint->done && endpoint->waited) {
			bool good = endpoint->code == CODE_SUCCESS || endpoint->code == CODE_SHORT;
			endpoint->waited = 0;
			hub->changed = true;
			if (!good && !endpoint_restart(hub, endpoint))
				hub->gone = true;
		}
		if (!hub->changed)
			continue;
		hub_look(hub);
		return true;
	}
	return false;
}
