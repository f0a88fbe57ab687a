/* The bus: ports of the controller and of hubs are looked at when they have changed; a device is reset, addressed, asked what it is,
 * and configured (USB2, 9.1.2), or, with all below it, let go. A device that fails is left alone until something else is
 * plugged in. Hubs of USB 3 are left alone. See usb.h. */
#include "usb.h"

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
#define HUB_CONNECTED    1u
#define HUB_ENABLED      2u
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

static struct device *device_at(const struct device *parent, uint32_t port)
{
	for (unsigned index = 1; index <= DEVICES_MAX; index++) {
		struct device *device = &usb.devices[index];
		if (device->used && device->parent == parent && device->parent_port == port)
			return device;
	}
	return 0;
}

/* ---- Configuring ---- */

/* False: no device of this speed has such an endpoint. */
static bool endpoint_add(struct device *device, enum endpoint_use use, const struct usb_endpoint *wanted)
{
	if (wanted && !usb_endpoint_fits(wanted, device->speed))
		return false;
	device->endpoints[use] = (struct endpoint){.used = wanted};
	if (wanted)
		device->endpoints[use].is = *wanted;
	return true;
}

bool bus_configure(struct device *device, const struct usb_configuration *configuration,
                   const struct usb_endpoint *in, const struct usb_endpoint *out)
{
	return endpoint_add(device, ENDPOINT_IN, in) && endpoint_add(device, ENDPOINT_OUT, out) &&
	       hc_device_configure(device) &&
	       control_request(device, TO_DEVICE, SET_CONFIGURATION, configuration->value, 0, 0) >= 0;
}

/* ---- Hubs ---- */

static void hub_listen(struct device *hub)
{
	struct endpoint *endpoint = &hub->endpoints[ENDPOINT_IN];

	if (endpoint->used && !endpoint->waited)
		endpoint_ask(hub, endpoint, HUB_DATA, endpoint->is.packet_bytes);
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
	driver_pause(&usb.driver, hub.power_on_ms * 1000 + REST_US);
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

	driver_pause(&usb.driver, REST_US);
	if (control_request(hub, TO_HUB_PORT, SET_FEATURE, FEATURE_RESET, (uint16_t)port, 0) < 0)
		return false;
	for (unsigned tries = 0; tries < RESET_TRIES; tries++) {
		driver_pause(&usb.driver, RESET_TRY_US);
		if (!hub_port(hub, port, &status, &changes))
			return false;
		if (!(changes & HUB_RESET_CHANGE))
			continue;
		*speed = status & HUB_LOW ? SPEED_LOW : status & HUB_HIGH ? SPEED_HIGH : SPEED_FULL;
		return status & HUB_CONNECTED && status & HUB_ENABLED;
	}
	return false;
}

/* ---- Devices ---- */

static void device_release(struct device *device)
{
	/* The controller forgets its rings before clients have their memory back. */
	hc_device_end(device);
	storage_detach(device);
	hid_detach(device);
	device->used = false;
}

/* Devices that are gone, and what is below them. True: there was one. */
static bool release_gone(void)
{
	bool any = false;

	for (unsigned depth = 0; depth <= DEPTH_MAX; depth++)
		for (unsigned index = 1; index <= DEVICES_MAX; index++) {
			struct device *device = &usb.devices[index];
			device->gone |= device->used && device->parent && device->parent->gone;
		}
	for (unsigned index = 1; index <= DEVICES_MAX; index++) {
		struct device *device = &usb.devices[index];
		if (!device->used || !device->gone)
			continue;
		any = true;
		if (device->parent)
			device->parent->failed |= 1u << device->parent_port;
		else
			usb.ports_failed |= 1u << (device->port - 1);
		device_release(device);
	}
	return any;
}

/* The first eight bytes say how long packets to endpoint 0 are (USB2, 5.5.3). */
static bool device_packets(struct device *device)
{
	struct endpoint *control = &device->endpoints[ENDPOINT_CONTROL];
	uint8_t bytes;

	if (control_request(device, FROM_DEVICE, GET_DESCRIPTOR, USB_DEVICE << 8, 0, 8) != 8)
		return false;
	bytes = device->buffer[7];
	if (device->speed != SPEED_FULL || bytes == control->is.packet_bytes)
		return true;
	if (bytes != 16 && bytes != 32 && bytes != 64)
		return false;
	control->is.packet_bytes = bytes;
	return hc_device_packets(device);
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
	DRIVER_LOG(&usb.driver, "%s: port %u, route %x: device %04x:%04x, class %u\n", hc_name, device->port,
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

static struct device *device_free(void)
{
	for (uint8_t index = 1; index <= DEVICES_MAX; index++) {
		struct device *device = &usb.devices[index];
		uint8_t *buffer = device->buffer;
		uint64_t address = device->buffer_address;

		if (device->used || (!buffer && !(buffer = driver_pages(&usb.driver, 1, &address))))
			continue;
		*device = (struct device){.index = index, .buffer = buffer, .buffer_address = address};
		return device;
	}
	return 0;
}

/* A device that was reset at PORT of PARENT (0: of the controller). False: it cannot be used. */
static bool device_new(struct device *parent, uint32_t port, uint8_t speed)
{
	struct device *device = speed < SPEED_FULL ? 0 : device_free();

	if (!device)
		return false;
	device->used = true;
	device->speed = speed > SPEED_SUPER ? SPEED_SUPER : speed;
	device->port = (uint8_t)(parent ? parent->port : port);
	device->parent = parent;
	device->parent_port = (uint8_t)port;
	device->until = clock_ns() + ATTACH_NS;
	device->endpoints[ENDPOINT_CONTROL] =
	    (struct endpoint){.used = true,
	                      .is.packet_bytes = device->speed == SPEED_SUPER  ? 512
	                                         : device->speed == SPEED_HIGH ? 64
	                                                                       : 8};
	if (parent) {
		device->depth = parent->depth + 1;
		device->route = parent->route | port << (4 * parent->depth);
		if (speed != SPEED_HIGH && parent->speed == SPEED_HIGH) {
			device->translator = parent;
			device->translator_port = (uint8_t)port;
		} else {
			device->translator = parent->translator;
			device->translator_port = parent->translator_port;
		}
	}
	driver_pause(&usb.driver, RECOVERY_US);
	if (!hc_device_start(device)) {
		device->used = false;
		return false;
	}
	driver_pause(&usb.driver, RECOVERY_US);
	if (device_packets(device) && device_use(device)) {
		device->until = 0;
		return true;
	}
	DRIVER_LOG(&usb.driver, "%s: port %u, route %x: no device that can be used\n", hc_name, device->port,
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
	if (!(status & HUB_CONNECTED) || changes & HUB_CONNECTED) {
		if (device) {
			device->gone = true;
			release_gone();
			device = 0;
		}
		hub->failed &= ~(1u << port);
	}
	return status & HUB_CONNECTED && !device && !(hub->failed >> port & 1);
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

static void port_look(uint32_t port)
{
	bool changed, there = hc_port(port, &changed);
	struct device *device = device_at(0, port);
	uint32_t bit = 1u << (port - 1);
	uint8_t speed;

	if (!there || changed) {
		if (device) {
			device->gone = true;
			release_gone();
			device = 0;
		}
		usb.ports_failed &= ~bit;
	}
	if (!there || device || usb.ports_failed & bit)
		return;
	if (!usb.rested)
		driver_pause(&usb.driver, REST_US);
	if (!hc_port_reset(port, &speed) || !device_new(0, port, speed))
		usb.ports_failed |= bit;
}

bool bus_poll(void)
{
	if (release_gone())
		return true;
	for (uint32_t port = 1; port <= PORTS_MAX; port++) {
		if (!(usb.ports_changed >> (port - 1) & 1))
			continue;
		usb.ports_changed &= ~(1u << (port - 1));
		port_look(port);
		return true;
	}
	for (unsigned index = 1; index <= DEVICES_MAX; index++) {
		struct device *hub = &usb.devices[index];
		struct endpoint *endpoint = &hub->endpoints[ENDPOINT_IN];

		if (!hub->used || !hub->hub_ports)
			continue;
		if (endpoint->done && endpoint->waited) {
			endpoint_taken(endpoint);
			hub->changed = true;
			if (endpoint->result != TRANSFER_DONE && !endpoint_restart(hub, endpoint))
				hub->gone = true;
		}
		if (!hub->changed)
			continue;
		hub_look(hub);
		return true;
	}
	return false;
}
