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

/*@ predicate interface_good(struct usb_interface *interface) = interface->endpoint_count <= USB_ENDPOINTS_MAX;
    predicate configuration_good(struct usb_configuration *configuration) =
      configuration->interface_count <= USB_INTERFACES_MAX &&
      \forall integer i; 0 <= i < configuration->interface_count ==> interface_good(&configuration->interfaces[i]);
*/

/* Each: false when BYTES at DATA are no such descriptor. */
/*@ requires \valid_read(data + (0 .. bytes - 1)) && \valid(device) && \separated(device, data + (0 .. bytes - 1));
    assigns *device;
    ensures \result ==> 0 < device->configurations;
*/
bool usb_device_parse(const uint8_t *data, size_t bytes, struct usb_device *device);
/*@ requires \valid_read(data + (0 .. bytes - 1)) && \valid(configuration) && \separated(configuration, data + (0 .. bytes - 1));
    assigns *configuration;
    ensures \result ==> 0 < configuration->interface_count && configuration_good(configuration);
*/
bool usb_configuration_parse(const uint8_t *data, size_t bytes, struct usb_configuration *configuration);
/*@ requires \valid_read(data + (0 .. bytes - 1)) && \valid(hub) && \separated(hub, data + (0 .. bytes - 1));
    assigns *hub;
    ensures \result ==> 0 < hub->ports <= USB_HUB_PORTS_MAX;
*/
bool usb_hub_parse(const uint8_t *data, size_t bytes, struct usb_hub *hub);
/* The printable ASCII characters of a string descriptor, others as "-", NUL-ended in ROOM bytes. */
/*@ requires \valid_read(data + (0 .. bytes - 1)) && \valid(text + (0 .. room - 1)) && \separated(text + (0 .. room - 1), data + (0 .. bytes - 1));
    assigns text[0 .. room - 1];
    ensures 0 < room ==> \exists integer n; 0 <= n < room && text[n] == 0;
*/
bool usb_string_parse(const uint8_t *data, size_t bytes, char *text, size_t room);
/* The endpoint of INTERFACE with that kind and direction; 0: none. */
/*@ requires \valid_read(interface) && interface_good(interface);
    assigns \nothing;
    ensures \result == \null || \valid_read(\result) && \result->transfer == transfer;
*/
const struct usb_endpoint *usb_endpoint_find(const struct usb_interface *interface, uint8_t transfer,
                                             bool in);
/* Whether a device of SPEED can have a bulk or interrupt endpoint with such packets: USB2, 5.7.3 and 5.8.3; Universal
 * Serial Bus 3.2, 9.6.6. */
/*@ requires \valid_read(endpoint);
    assigns \nothing;
*/
bool usb_endpoint_fits(const struct usb_endpoint *endpoint, enum usb_speed speed);
