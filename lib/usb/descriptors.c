/* See descriptors.h. Numbers are little-endian (USB2, 8.1). */
#include "descriptors.h"

#include <text.h>

/*@ requires \valid_read(at + (0 .. 1));
    assigns \nothing;
    ensures \result == at[0] + 256 * at[1];
*/
static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] + at[1] * 256);
}

/* 9.6.1 */
bool usb_device_parse(const uint8_t *data, size_t bytes, struct usb_device *device)
{
	if (bytes < 18 || data[0] < 18 || data[1] != USB_DEVICE)
		return false;
	*device = (struct usb_device){.version = get16(data + 2),
	                              .class = data[4],
	                              .subclass = data[5],
	                              .protocol = data[6],
	                              .packet_bytes = data[7],
	                              .vendor = get16(data + 8),
	                              .product = get16(data + 10),
	                              .serial = data[16],
	                              .configurations = data[17]};
	return device->configurations != 0;
}

/* 9.6.6. An endpoint that cannot be is left out. */
/*@ requires \valid(interface) && interface_good(interface) && \valid_read(data + (0 .. 6));
    assigns *interface;
    ensures interface_good(interface);
    ensures \result == \null || \exists integer i; 0 <= i < interface->endpoint_count && \result == &interface->endpoints[i];
*/
static struct usb_endpoint *endpoint_add(struct usb_interface *interface, const uint8_t *data)
{
	struct usb_endpoint endpoint = {.number = data[2] & 15,
	                                .in = data[2] & 0x80,
	                                .transfer = data[3] & 3,
	                                .packet_bytes = get16(data + 4) & 0x7ff,
	                                .interval = data[6]};
	if (!endpoint.number || !endpoint.packet_bytes || endpoint.packet_bytes > 1024 ||
	    interface->endpoint_count == USB_ENDPOINTS_MAX)
		return 0;
	/*@ loop invariant i <= interface->endpoint_count;
	    loop assigns i;
	    loop variant interface->endpoint_count - i;
	*/
	for (unsigned i = 0; i < interface->endpoint_count; i++)
		if (interface->endpoints[i].number == endpoint.number &&
		    interface->endpoints[i].in == endpoint.in)
			return 0;
	interface->endpoints[interface->endpoint_count] = endpoint;
	return &interface->endpoints[interface->endpoint_count++];
}

/* 9.6.3: the configuration, and behind it each interface with its endpoints. */
bool usb_configuration_parse(const uint8_t *data, size_t bytes, struct usb_configuration *configuration)
{
	struct usb_interface *interface = 0;
	struct usb_endpoint *endpoint = 0;

	if (bytes < 9 || data[0] < 9 || data[1] != USB_CONFIGURATION || get16(data + 2) < 9)
		return false;
	if (get16(data + 2) < bytes)
		bytes = get16(data + 2);
	*configuration = (struct usb_configuration){.value = data[5]};
	size_t at = data[0];
	/*@ loop invariant 9 <= at && configuration_good(configuration);
	    loop invariant interface == \null || \exists integer i; 0 <= i < configuration->interface_count &&
	      interface == &configuration->interfaces[i];
	    loop invariant endpoint == \null || \exists integer i, k; 0 <= i < configuration->interface_count &&
	      0 <= k < configuration->interfaces[i].endpoint_count && endpoint == &configuration->interfaces[i].endpoints[k];
	    loop assigns at, interface, endpoint, *configuration;
	    loop variant bytes - at;
	*/
	while (at < bytes && bytes - at >= 2) {
		const uint8_t *part = data + at;
		if (part[0] < 2 || part[0] > bytes - at)
			break;
		at += part[0];
		switch (part[1]) {
		case USB_INTERFACE:
			endpoint = 0;
			interface = 0;
			if (part[0] < 9 || part[3] || configuration->interface_count == USB_INTERFACES_MAX)
				break; /* with what belongs to it */
			interface = &configuration->interfaces[configuration->interface_count++];
			*interface = (struct usb_interface){
			    .number = part[2], .class = part[5], .subclass = part[6], .protocol = part[7]};
			break;
		case USB_ENDPOINT:
			endpoint = interface && part[0] >= 7 ? endpoint_add(interface, part) : 0;
			break;
		case USB_HID: /* Device Class Definition for HID 1.11, 6.2.1: the first that it names is its reports' */
			if (interface && part[0] >= 9 && part[6] == USB_HID_REPORT)
				interface->report_bytes = get16(part + 7);
			break;
		case USB_SS_COMPANION: /* Universal Serial Bus 3.2, 9.6.7 */
			if (endpoint && part[0] >= 6)
				endpoint->burst = part[2] > 15 ? 15 : part[2];
			break;
		default:
			break;
		}
	}
	return configuration->value && configuration->interface_count;
}

/* 11.23.2.1 */
bool usb_hub_parse(const uint8_t *data, size_t bytes, struct usb_hub *hub)
{
	if (bytes < 7 || data[0] < 7 || data[1] != USB_HUB || !data[2])
		return false;
	hub->ports = data[2] > USB_HUB_PORTS_MAX ? USB_HUB_PORTS_MAX : data[2];
	hub->power_on_ms = data[5] * 2u;
	return true;
}

/* 9.6.7: UTF-16 */
bool usb_string_parse(const uint8_t *data, size_t bytes, char *text, size_t room)
{
	size_t length = 0;

	if (!room)
		return false;
	text[0] = 0;
	if (bytes < 2 || data[0] < 2 || data[1] != USB_STRING)
		return false;
	if (data[0] < bytes)
		bytes = data[0];
	/*@ loop invariant 2 <= at && length < room;
	    loop assigns at, length, text[0 .. room - 1];
	    loop variant room - length;
	*/
	for (size_t at = 2; at < bytes && bytes - at >= 2 && length + 1 < room; at += 2) {
		uint16_t unit = get16(data + at);
		text[length++] = (char)(unit >= 0x20 && unit < 0x7f ? unit : '-');
	}
	/*@ loop invariant length < room;
	    loop assigns length;
	    loop variant length;
	*/
	while (length && text[length - 1] == ' ')
		length--;
	text[length] = 0;
	return true;
}

const struct usb_endpoint *usb_endpoint_find(const struct usb_interface *interface, uint8_t transfer, bool in)
{
	/*@ loop invariant i <= interface->endpoint_count;
	    loop assigns i;
	    loop variant interface->endpoint_count - i;
	*/
	for (unsigned i = 0; i < interface->endpoint_count; i++)
		if (interface->endpoints[i].transfer == transfer && interface->endpoints[i].in == in)
			return &interface->endpoints[i];
	return 0;
}

bool usb_endpoint_fits(const struct usb_endpoint *endpoint, enum usb_speed speed)
{
	static const uint16_t
	    bulk_most[] = {[SPEED_FULL] = 64, [SPEED_HIGH] = 512, [SPEED_SUPER] = 1024},
	    interrupt_most[] = {
	        [SPEED_LOW] = 8, [SPEED_FULL] = 64, [SPEED_HIGH] = 1024, [SPEED_SUPER] = 1024};
	uint16_t bytes = endpoint->packet_bytes;

	if (speed < SPEED_FULL || speed > SPEED_SUPER || !bytes)
		return false;
	if (endpoint->transfer == USB_INTERRUPT)
		return bytes <= interrupt_most[speed];
	if (endpoint->transfer != USB_BULK || speed == SPEED_LOW)
		return false;
	if (speed == SPEED_FULL)
		return bytes <= bulk_most[speed] && bytes >= 8 && !(bytes & (bytes - 1));
	return bytes == bulk_most[speed];
}
