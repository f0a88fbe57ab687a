/* Keyboards, mice and tablets (Device Class Definition for Human Interface Devices 1.11, "HID"): one report after the other is asked for,
 * read by lib/usb, and what it tells is kept for the one client that watches (abi/input.interface). All devices of the controller are one
 * source. See usb.h. */
#include "usb.h"

#include "host.interface.h"
#include "input/input_queue.h"
#include "input.interface.h"
#include "usb/hid.h"

#define CALL_NS        10000000000ull
#define HIDS_MAX       16u
#define ERRORS_MAX     16u /* of a device, one after the other */
#define REPORT_AT      2048u
#define FROM_INTERFACE 0x81u
#define TO_CLASS       0x21u /* of an interface */
#define GET_DESCRIPTOR 6u
#define SET_IDLE       10u /* HID, 7.2.4 */
#define SET_PROTOCOL   11u /* 7.2.6 */
#define REPORTS        1u
#define BOOT           1u

static struct {
	struct hid hid;
	struct device *device; /* 0: free */
	unsigned errors;
} hids[HIDS_MAX];

static struct input_queue queue;
static bool announced;

/* ---- The client ---- */

static void keep(void *context, const struct input_event *event)
{
	(void)context;
	input_queue_put(&queue, event);
}

static int64_t serve_watch(void *context, uint64_t badge, handle_t event, uint64_t bits)
{
	(void)context;
	(void)badge;
	return input_queue_watch(&queue, event, bits);
}

static int64_t serve_read(void *context, uint64_t badge, const void **events, uint32_t *bytes)
{
	(void)context;
	(void)badge;
	return input_queue_read(&queue, events, bytes);
}

void hid_serve(void *context, struct message *message)
{
	static const struct input_operations operations = {.watch = serve_watch, .read = serve_read};

	input_serve(&operations, context, message, usb.driver.page);
}

/* ---- Devices ---- */

/* The next report. One that is shorter than asked for is as good. */
static void ask(struct device *device)
{
	struct endpoint *endpoint = &device->endpoints[ENDPOINT_IN];

	endpoint_ask(device, endpoint, REPORT_AT, endpoint->is.packet_bytes);
}

bool hid_attach(struct device *device, const struct usb_configuration *configuration,
                const struct usb_interface *interface)
{
	const struct usb_endpoint *in = usb_endpoint_find(interface, USB_INTERRUPT, true);
	unsigned place = 0;

	while (place < HIDS_MAX && hids[place].device)
		place++;
	if (!in || place == HIDS_MAX || in->packet_bytes > HID_REPORT_BYTES || !interface->report_bytes ||
	    interface->report_bytes > HID_DESCRIPTOR_MAX || !bus_configure(device, configuration, in, 0))
		return false;
	int32_t bytes = control_request(device, FROM_INTERFACE, GET_DESCRIPTOR, USB_HID_REPORT << 8,
	                                interface->number, interface->report_bytes);
	if (bytes <= 0 || !hid_describe(&hids[place].hid, device->buffer, (size_t)bytes))
		return false;
	/* What a device does not know it may refuse; without the first, some tell the same again and again. */
	control_request(device, TO_CLASS, SET_IDLE, 0, interface->number, 0);
	if (interface->subclass == BOOT)
		control_request(device, TO_CLASS, SET_PROTOCOL, REPORTS, interface->number, 0);
	if (device->gone)
		return false;
	if (!announced && host_announce(usb.driver.host, usb.driver.page, DEVICE_INPUT, INPUT_NUMBER, "",
	                                clock_ns() + CALL_NS) < 0)
		return false;
	announced = true;
	hids[place].device = device;
	hids[place].errors = 0;
	ask(device);
	return true;
}

void hid_detach(struct device *device)
{
	for (unsigned i = 0; i < HIDS_MAX; i++)
		if (hids[i].device == device) {
			hid_release(&hids[i].hid, keep, 0);
			hids[i].device = 0;
		}
	input_queue_tell(&queue);
}

void hid_poll(void)
{
	for (unsigned i = 0; i < HIDS_MAX; i++) {
		struct device *device = hids[i].device;
		struct endpoint *endpoint = device ? &device->endpoints[ENDPOINT_IN] : 0;

		if (!device || device->gone || !endpoint->waited || !endpoint->done)
			continue;
		endpoint_taken(endpoint);
		if (endpoint->result == TRANSFER_DONE) {
			hids[i].errors = 0;
			hid_report(&hids[i].hid, device->buffer + REPORT_AT, endpoint->moved, keep, 0);
		} else if (++hids[i].errors > ERRORS_MAX || !endpoint_restart(device, endpoint)) {
			device->gone = true;
			continue;
		}
		ask(device);
	}
	input_queue_tell(&queue);
}
