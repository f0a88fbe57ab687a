/* What USB devices say, as they should and as they should not: descriptors, and the commands and answers of mass storage. The
 * descriptors are those of QEMU's USB disk and hub. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "descriptors.h"
#include "scsi.h"

static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok usb: %s\n" : "not ok usb: %s - see the check of this name\n", name);
	failures += !right;
}

static const uint8_t disk_device[18] = {18, 1, 0, 3, 0, 0, 0, 9, 0xf4, 0x46, 0x01, 0, 0x00, 0, 1, 2, 3, 1};
static const uint8_t disk_configuration[] = {
    9, 2, 44,   0, 1, 1, 6, 0xc0, 0,                 /* configuration */
    9, 4, 0,    0, 2, 8, 6, 0x50, 0,                 /* interface */
    7, 5, 0x81, 2, 0, 4, 0, 6,    0x30, 15, 0, 0, 0, /* in, and its companion */
    7, 5, 0x02, 2, 0, 4, 0, 6,    0x30, 15, 0, 0, 0, /* out */
};
static const uint8_t hub[9] = {9, 0x29, 8, 0x0a, 0, 1, 0, 0, 0xff};

/* A copy on the heap of just that size, so that a sanitizer sees a byte too much being read. */
static uint8_t *exact(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);

	if (bytes)
		memcpy(copy, data, bytes);
	return copy;
}

static bool configured(const uint8_t *data, size_t bytes, struct usb_configuration *is)
{
	uint8_t *copy = exact(data, bytes);
	bool right = usb_configuration_parse(copy, bytes, is);

	free(copy);
	return right;
}

static void test_device(void)
{
	struct usb_device is;
	struct usb_hub ports;
	uint8_t broken[18];

	check("a device is what its descriptor says",
	      usb_device_parse(disk_device, 18, &is) && is.version == 0x300 && is.vendor == 0x46f4 &&
	          is.product == 1 && is.packet_bytes == 9 && is.serial == 3 && is.configurations == 1);
	memcpy(broken, disk_device, 18);
	bool right = !usb_device_parse(disk_device, 17, &is);
	broken[0] = 17;
	right = right && !usb_device_parse(broken, 18, &is);
	broken[0] = 18;
	broken[1] = 2;
	right = right && !usb_device_parse(broken, 18, &is);
	broken[1] = 1;
	broken[17] = 0;
	check("one that is too short, another, or has no configuration is none",
	      right && !usb_device_parse(broken, 18, &is));
	check("a hub says its ports",
	      usb_hub_parse(hub, 9, &ports) && ports.ports == 8 && ports.power_on_ms == 2);
	memcpy(broken, hub, 9);
	broken[2] = 255;
	right = usb_hub_parse(broken, 9, &ports) && ports.ports == USB_HUB_PORTS_MAX;
	broken[2] = 0;
	check("of too many ports the first are taken, and one without is none",
	      right && !usb_hub_parse(broken, 9, &ports) && !usb_hub_parse(hub, 6, &ports));
}

static void test_configuration(void)
{
	struct usb_configuration is;
	uint8_t data[USB_CONFIGURATION_MAX];
	const size_t bytes = sizeof(disk_configuration);

	bool right = configured(disk_configuration, bytes, &is) && is.interface_count == 1 && is.value == 1;
	const struct usb_endpoint *in = usb_endpoint_find(&is.interfaces[0], USB_BULK, true),
	                          *out = usb_endpoint_find(&is.interfaces[0], USB_BULK, false);
	check("a disk's configuration has its endpoints",
	      right && is.interfaces[0].class == USB_CLASS_STORAGE && in && in->number == 1 &&
	          in->packet_bytes == 1024 && in->burst == 15 && out && out->number == 2 &&
	          !usb_endpoint_find(&is.interfaces[0], USB_INTERRUPT, true));
	right = true;
	for (size_t cut = 0; cut < bytes; cut++)
		right = right && configured(disk_configuration, cut, &is) == (cut >= 18);
	check("cut anywhere, it has what came whole", right);
	memcpy(data, disk_configuration, bytes);
	data[2] = 0xff;
	data[3] = 0xff;
	right = configured(data, bytes, &is) && is.interfaces[0].endpoint_count == 2;
	data[2] = 25;
	data[3] = 0;
	check("a total length that lies changes nothing but what it cuts off",
	      right && configured(data, bytes, &is) && is.interfaces[0].endpoint_count == 1);
	memcpy(data, disk_configuration, bytes);
	data[18] = 0;
	right = configured(data, bytes, &is) && !is.interfaces[0].endpoint_count;
	data[18] = 1;
	right = right && configured(data, bytes, &is) && !is.interfaces[0].endpoint_count;
	data[18] = 255;
	check("a part without length, or longer than all, ends it",
	      right && configured(data, bytes, &is) && !is.interfaces[0].endpoint_count);
	memcpy(data, disk_configuration, bytes);
	data[9 + 9 + 2] = 0x80;
	right = configured(data, bytes, &is) && is.interfaces[0].endpoint_count == 1;
	memcpy(data, disk_configuration, bytes);
	data[9 + 9 + 4] = 0;
	data[9 + 9 + 5] = 0;
	right = right && configured(data, bytes, &is) && is.interfaces[0].endpoint_count == 1;
	memcpy(data, disk_configuration, bytes);
	data[9 + 9 + 13 + 2] = 0x81;
	check("an endpoint 0, one without packets, or one that is there twice is left out",
	      right && configured(data, bytes, &is) && is.interfaces[0].endpoint_count == 1);
	memcpy(data, disk_configuration, bytes);
	data[12] = 1; /* an alternate setting: its endpoints are not those of setting 0 */
	check("alternate settings do not count", !configured(data, bytes, &is));
}

static void test_limits(void)
{
	struct usb_configuration is;
	uint8_t data[USB_CONFIGURATION_MAX] = {9, 2, 0, 4, 1, 1};
	struct usb_endpoint endpoint = {.number = 1, .transfer = USB_BULK, .packet_bytes = 512};
	size_t at = 9;

	for (unsigned i = 0; i < 100; i++, at += 9)
		memcpy(data + at, (uint8_t[]){9, 4, (uint8_t)i, 0, 9, 8, 6, 0x50, 0}, 9);
	check("more interfaces than the limit are left out",
	      configured(data, sizeof(data), &is) && is.interface_count == USB_INTERFACES_MAX);
	memcpy(data + 9, (uint8_t[]){9, 4, 0, 0, 9, 8, 6, 0x50, 0}, 9);
	for (at = 18; at + 7 <= sizeof(data); at += 7)
		memcpy(data + at, (uint8_t[]){7, 5, (uint8_t)(1 + at % 15), 2, 64, 0, 0}, 7);
	check("so are more endpoints",
	      configured(data, sizeof(data), &is) && is.interfaces[0].endpoint_count == USB_ENDPOINTS_MAX);
	bool right = usb_endpoint_fits(&endpoint, SPEED_HIGH) && !usb_endpoint_fits(&endpoint, SPEED_FULL) &&
	             !usb_endpoint_fits(&endpoint, SPEED_SUPER) && !usb_endpoint_fits(&endpoint, SPEED_LOW);
	endpoint.packet_bytes = 64;
	right =
	    right && usb_endpoint_fits(&endpoint, SPEED_FULL) && !usb_endpoint_fits(&endpoint, SPEED_HIGH);
	endpoint.packet_bytes = 63;
	right = right && !usb_endpoint_fits(&endpoint, SPEED_FULL);
	endpoint.packet_bytes = 1024;
	right = right && usb_endpoint_fits(&endpoint, SPEED_SUPER);
	endpoint.transfer = USB_INTERRUPT;
	right =
	    right && usb_endpoint_fits(&endpoint, SPEED_HIGH) && !usb_endpoint_fits(&endpoint, SPEED_FULL);
	endpoint.packet_bytes = 8;
	right = right && usb_endpoint_fits(&endpoint, SPEED_LOW) && !usb_endpoint_fits(&endpoint, 0) &&
	        !usb_endpoint_fits(&endpoint, 5);
	endpoint.transfer = USB_ISOCHRONOUS;
	check("packets fit the device's speed", right && !usb_endpoint_fits(&endpoint, SPEED_HIGH));
}

static void test_strings(void)
{
	static const uint8_t said[] = {14, 3, 'a', 0, 0xe9, 0, '"', 0, 'b', 0x20, '7', 0, ' ', 0};
	uint8_t lies[] = {255, 3, 'x', 0, 'y'};
	char text[8];

	check("a string's characters are printable ASCII, without spaces at its end",
	      usb_string_parse(said, sizeof(said), text, sizeof(text)) && strcmp(text, "a-\"-7") == 0);
	check("it ends with the room",
	      usb_string_parse(said, sizeof(said), text, 3) && strcmp(text, "a-") == 0);
	uint8_t *copy = exact(lies, sizeof(lies));
	check("and with what was received, whatever its length says",
	      usb_string_parse(copy, sizeof(lies), text, sizeof(text)) && strcmp(text, "x") == 0);
	free(copy);
	check("another descriptor, or no room, is no string",
	      !usb_string_parse(disk_device, 18, text, 8) && !usb_string_parse(said, 1, text, 8) &&
	          !usb_string_parse(said, sizeof(said), text, 0));
}

static void test_commands(void)
{
	static const uint8_t read_10[31] = {'U', 'S', 'B',  'C', 4, 3, 2, 1, 0, 0x10, 0, 0, 0x80,
	                                    0,   10,  0x28, 0,   0, 1, 2, 3, 0, 0,    8, 0};
	uint8_t wrapper[BOT_COMMAND_BYTES];
	struct scsi_command command = scsi_transfer(false, 0x10203, 8);

	bot_command(wrapper, 0x01020304, 4096, true, &command);
	check("a read is wrapped as the standard says", memcmp(wrapper, read_10, 31) == 0);
	command = scsi_transfer(true, UINT32_MAX, 1);
	bool right = command.length == 16 && command.bytes[0] == SCSI_WRITE_16 && command.bytes[6] == 0xff &&
	             command.bytes[5] == 0 && command.bytes[13] == 1;
	command = scsi_transfer(true, UINT32_MAX - 65535u, 65535);
	check("a sector of more than 32 bits takes the long command",
	      right && command.length == 10 && command.bytes[0] == SCSI_WRITE_10 &&
	          command.bytes[7] == 0xff && command.bytes[8] == 0xff);
	command = scsi_capacity(true);
	right = command.length == 16 && command.bytes[0] == 0x9e && command.bytes[1] == 0x10 &&
	        command.bytes[13] == 32;
	command = scsi_simple(SCSI_REQUEST_SENSE, 18);
	right = right && command.length == 6 && command.bytes[4] == 18;
	command = scsi_simple(SCSI_SYNCHRONIZE_CACHE_10, 0);
	check("other commands have their lengths", right && command.length == 10 && command.bytes[0] == 0x35);
}

static void test_status(void)
{
	uint8_t status[13] = {'U', 'S', 'B', 'S', 4, 3, 2, 1};
	const uint32_t tag = 0x01020304;
	uint32_t moved;

	check("a good status moved all",
	      bot_status_parse(status, 13, tag, 512, &moved) == BOT_GOOD && moved == 512);
	status[8] = 12;
	bool right = bot_status_parse(status, 13, tag, 512, &moved) == BOT_GOOD && moved == 500;
	check("but for its residue",
	      right && bot_status_parse(status, 13, tag, 12, &moved) == BOT_GOOD && !moved);
	check("a residue of more than was asked for is broken",
	      bot_status_parse(status, 13, tag, 11, &moved) == BOT_BROKEN && !moved);
	right = bot_status_parse(status, 12, tag, 512, &moved) == BOT_BROKEN &&
	        bot_status_parse(status, 0, tag, 512, &moved) == BOT_BROKEN &&
	        bot_status_parse(status, 13, tag + 1, 512, &moved) == BOT_BROKEN;
	status[12] = 1;
	right = right && bot_status_parse(status, 13, tag, 512, &moved) == BOT_FAILED && !moved;
	status[12] = 2;
	right = right && bot_status_parse(status, 13, tag, 512, &moved) == BOT_BROKEN;
	status[12] = 0;
	status[3] = 'C';
	check("a short one, one of another command, a phase error or garbage is broken; a failure is one",
	      right && bot_status_parse(status, 13, tag, 512, &moved) == BOT_BROKEN);
}

static void test_answers(void)
{
	uint8_t capacity[32] = {0, 1, 0xff, 0xff, 0, 0, 2, 0}, wide[32] = {[4] = 1, [10] = 0x10};
	uint8_t inquiry[36] = {0, 0x80}, sense[18] = {0x70, 0, 0x26, [12] = 0x3a, [13] = 2};
	struct scsi_sense is;
	uint64_t sectors;
	uint32_t bytes;
	bool removable;
	char model[48];

	bool right = scsi_capacity_parse(capacity, 8, false, &sectors, &bytes) && sectors == 0x20000 &&
	             bytes == 512 && !scsi_capacity_parse(capacity, 7, false, &sectors, &bytes);
	check("a capacity", right && scsi_capacity_parse(wide, 32, true, &sectors, &bytes) &&
	                        sectors == 0x1000001 && bytes == 4096 &&
	                        !scsi_capacity_parse(wide, 8, true, &sectors, &bytes));
	memset(capacity, 0xff, 4);
	right = scsi_capacity_parse(capacity, 8, false, &sectors, &bytes) && sectors == 1ull << 32;
	memset(wide, 0xff, 8);
	right = right && !scsi_capacity_parse(wide, 32, true, &sectors, &bytes);
	wide[0] = 0x7f;
	check("one that needs the long command, and one that cannot be",
	      right && !scsi_capacity_parse(wide, 32, true, &sectors, &bytes));
	right = true;
	for (unsigned i = 0; i < 3; i++) {
		static const uint16_t sizes[] = {0, 256, 513};
		capacity[6] = (uint8_t)(sizes[i] >> 8);
		capacity[7] = (uint8_t)sizes[i];
		right = right && !scsi_capacity_parse(capacity, 8, false, &sectors, &bytes);
	}
	capacity[5] = 1;
	check("sectors are 512 to 4096 bytes, a power of two",
	      right && !scsi_capacity_parse(capacity, 8, false, &sectors, &bytes));
	static const char maker[] = "QEMU    QEMU HARDDRIVE  ";
	for (unsigned i = 0; i < 24; i++)
		inquiry[8 + i] = (uint8_t)maker[i];
	inquiry[20] = 0x1b;
	right = scsi_inquiry_parse(inquiry, 36, SCSI_DISK, &removable, model, sizeof(model)) && removable &&
	        strcmp(model, "QEMU QEMU-HARDDRIVE") == 0;
	right = right && scsi_inquiry_parse(inquiry, 36, SCSI_DISK, &removable, model, 6) &&
	        strcmp(model, "QEMU") == 0;
	check("a disk says who made it",
	      right && !scsi_inquiry_parse(inquiry, 35, SCSI_DISK, &removable, model, 48));
	inquiry[0] = 5;
	right = !scsi_inquiry_parse(inquiry, 36, SCSI_DISK, &removable, model, 48);
	inquiry[0] = 0x20;
	check("what is no disk, or not there, is none",
	      right && !scsi_inquiry_parse(inquiry, 36, SCSI_DISK, &removable, model, 48));
	right = scsi_sense_parse(sense, 18, &is) && is.key == 6 && is.code == 0x3a && is.qualifier == 2;
	sense[0] = 0x72;
	check("sense of the fixed format is read",
	      right && !scsi_sense_parse(sense, 18, &is) && !scsi_sense_parse(sense, 13, &is));
	check("protection of writes is seen", scsi_protected((uint8_t[]){3, 0, 0x80, 0}, 4) &&
	                                          !scsi_protected((uint8_t[]){3, 0, 0x7f, 0}, 4) &&
	                                          !scsi_protected((uint8_t[]){3, 0, 0x80, 0}, 3));
}

int main(void)
{
	test_device();
	test_configuration();
	test_limits();
	test_strings();
	test_commands();
	test_status();
	test_answers();
	return failures != 0;
}
