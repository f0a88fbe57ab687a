/* Fuzzes what USB devices say: the first byte chooses who reads the rest. What was accepted keeps to its limits. */
#include <stdlib.h>
#include <string.h>
#include "descriptors.h"
#include "scsi.h"

static void must(bool right)
{
	if (!right)
		abort();
}

static void is_text(const char *text, size_t room)
{
	size_t length = strnlen(text, room);

	must(length < room);
	for (size_t i = 0; i < length; i++)
		must(text[i] >= 0x20 && text[i] < 0x7f);
}

static void configuration(const uint8_t *data, size_t size)
{
	struct usb_configuration is;

	if (!usb_configuration_parse(data, size, &is))
		return;
	must(is.value && is.interface_count && is.interface_count <= USB_INTERFACES_MAX);
	for (unsigned i = 0; i < is.interface_count; i++) {
		const struct usb_interface *interface = &is.interfaces[i];
		uint32_t places = 0;
		must(interface->endpoint_count <= USB_ENDPOINTS_MAX);
		for (unsigned k = 0; k < interface->endpoint_count; k++) {
			const struct usb_endpoint *endpoint = &interface->endpoints[k];
			uint32_t place = 1u << (endpoint->number * 2u + endpoint->in);
			must(endpoint->number >= 1 && endpoint->number <= 15 && endpoint->packet_bytes >= 1 &&
			     endpoint->packet_bytes <= 1024 && endpoint->burst <= 15 &&
			     endpoint->transfer <= USB_INTERRUPT && !(places & place));
			places |= place;
			for (unsigned speed = 0; speed < 6; speed++)
				if (usb_endpoint_fits(endpoint, speed))
					must(endpoint->transfer >= USB_BULK);
		}
		for (uint8_t transfer = 0; transfer < 4; transfer++) {
			const struct usb_endpoint *in = usb_endpoint_find(interface, transfer, true);
			must(!in || (in->in && in->transfer == transfer));
		}
	}
}

static void device(const uint8_t *data, size_t size)
{
	struct usb_device is;
	struct usb_hub hub;
	char text[32];

	if (usb_device_parse(data, size, &is))
		must(is.configurations);
	if (usb_hub_parse(data, size, &hub))
		must(hub.ports >= 1 && hub.ports <= USB_HUB_PORTS_MAX && hub.power_on_ms <= 510);
	size_t room = size ? data[size - 1] % sizeof(text) : 0;
	if (usb_string_parse(data, size, text, room))
		is_text(text, room);
}

static void scsi(const uint8_t *data, size_t size)
{
	struct scsi_sense sense;
	uint64_t sectors;
	uint32_t bytes, wanted, moved = 77;
	bool removable;
	char model[48];

	for (unsigned wide = 0; wide < 2; wide++)
		if (scsi_capacity_parse(data, size, wide, &sectors, &bytes))
			must(sectors && bytes >= 512 && bytes <= 4096 && !(bytes & (bytes - 1)) &&
			     sectors <= UINT64_MAX / bytes);
	if (scsi_inquiry_parse(data, size, SCSI_DISK, &removable, model, sizeof(model)))
		is_text(model, sizeof(model));
	if (scsi_sense_parse(data, size, &sense))
		must(sense.key <= 15);
	(void)scsi_protected(data, size);
	if (size < 4)
		return;
	memcpy(&wanted, data, 4);
	enum bot_status status = bot_status_parse(data + 4, size - 4, wanted, wanted, &moved);
	must(moved <= wanted && (status == BOT_GOOD || !moved));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t signature[4] = {'U', 'S', 'B', 'S'};
	uint8_t status[4 + BOT_STATUS_BYTES];

	if (!size)
		return 0;
	switch (data[0] % 4) {
	case 0:
		configuration(data + 1, size - 1);
		break;
	case 1:
		device(data + 1, size - 1);
		break;
	case 2:
		scsi(data + 1, size - 1);
		break;
	default: /* a status that is taken for the command's, with any residue and end */
		if (size < 10)
			break;
		memcpy(status, data + 1, 4);
		memcpy(status + 4, signature, sizeof(signature));
		memcpy(status + 8, data + 1, 4);
		memcpy(status + 12, data + 5, 5);
		scsi(status, sizeof(status));
	}
	return 0;
}
