/*
 * What USB devices say of themselves: descriptors of devices, configurations, strings and hubs. Sources: Universal Serial Bus
 * Specification 2.0 ("USB2"), 9.6 and 11.23.2. A device is hostile: every length is checked against what was received,
 * and what does not fit a limit below is left out. No I/O, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USB_CONFIGURATION_MAX                                                                                \
	1024u /* bytes of a configuration with all that belongs to it that are asked for */
#define USB_INTERFACES_MAX 8u
#define USB_ENDPOINTS_MAX  4u /* of an interface; others are left out */
#define USB_HUB_PORTS_MAX  15u

enum usb_descriptor {
	USB_DEVICE = 1,
	USB_CONFIGURATION = 2,
	USB_STRING = 3,
	USB_INTERFACE = 4,
	USB_ENDPOINT = 5,
	USB_HID = 0x21,
	USB_HID_REPORT = 0x22,
	USB_HUB = 0x29,
	USB_SS_COMPANION = 0x30
};
enum usb_class { USB_CLASS_HID = 3, USB_CLASS_STORAGE = 8, USB_CLASS_HUB = 9 };
enum usb_transfer { USB_CONTROL = 0, USB_ISOCHRONOUS = 1, USB_BULK = 2, USB_INTERRUPT = 3 };
enum usb_speed {
	SPEED_FULL = 1,
	SPEED_LOW = 2,
	SPEED_HIGH = 3,
	SPEED_SUPER = 4
}; /* as xHCI numbers them: 7.2.2.1.1 */

struct usb_device {
	uint16_t version, vendor, product;
	uint8_t class, subclass, protocol;
	uint8_t packet_bytes; /* of endpoint 0, as it stands: on USB 3 the exponent */
	uint8_t serial;       /* number of a string; 0: none */
	uint8_t configurations;
};

struct usb_endpoint {
	uint8_t number; /* 1 to 15 */
	bool in;
	uint8_t transfer; /* enum usb_transfer */
	uint8_t interval;
	uint8_t burst;         /* USB 3: packets at once, less one */
	uint16_t packet_bytes; /* 1 to 1024 */
};

struct usb_interface {
	uint8_t number, class, subclass, protocol;
	uint16_t report_bytes; /* HID: of its report descriptor */
	unsigned endpoint_count;
	struct usb_endpoint endpoints[USB_ENDPOINTS_MAX];
};

struct usb_configuration {
	uint8_t value;
	unsigned interface_count;
	struct usb_interface interfaces[USB_INTERFACES_MAX]; /* alternate setting 0 of each */
};

struct usb_hub {
	unsigned ports;       /* 1 to USB_HUB_PORTS_MAX */
	unsigned power_on_ms; /* until a port's power is good */
};

/* Each: false when BYTES at DATA are no such descriptor. */
bool usb_device_parse(const uint8_t *data, size_t bytes, struct usb_device *device);
bool usb_configuration_parse(const uint8_t *data, size_t bytes, struct usb_configuration *configuration);
bool usb_hub_parse(const uint8_t *data, size_t bytes, struct usb_hub *hub);
/* The printable ASCII characters of a string descriptor, others as "-", NUL-ended in ROOM bytes. */
bool usb_string_parse(const uint8_t *data, size_t bytes, char *text, size_t room);
/* The endpoint of INTERFACE with that kind and direction; 0: none. */
const struct usb_endpoint *usb_endpoint_find(const struct usb_interface *interface, uint8_t transfer,
                                             bool in);
/* Whether a device of SPEED can have a bulk or interrupt endpoint with such packets: USB2, 5.7.3 and 5.8.3; Universal
 * Serial Bus 3.2, 9.6.6. */
bool usb_endpoint_fits(const struct usb_endpoint *endpoint, enum usb_speed speed);
