/* Keyboards, mice and tablets (Device Class Definition for Human Interface Devices 1.11, "HID"): one report after the other is asked for,
 * read by lib/usb, and what it tells is kept for the one client that watches (abi/input.interface). All devices of the controller are one
 * source. See usb.h. */
#include "usb.h"

#include "host.interface.h"
#include "input.interface.h"
#include "usb/hid.h"

#define CALL_NS        10000000000ull
#define HIDS_MAX       16u
#define EVENTS_MAX     256u /* kept; a power of two */
#define ERRORS_MAX     16u  /* of a device, one after the other */
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

static struct {
	struct input_event events[EVENTS_MAX];
	uint32_t put, taken;
	bool lost, announced;
	handle_t watcher; /* 0: nobody */
	uint64_t bits;
	bool told; /* since it read all */
} queue = {.lost = true};

/* ---- The client ---- */

static void keep(void *context, const struct input_event *event)
{
	(void)context;
	if (queue.put - queue.taken == EVENTS_MAX) { /* nobody reads */
		queue.taken = queue.put;
		queue.lost = true;
	}
	queue.events[queue.put++ % EVENTS_MAX] = *event;
}

static void tell_watcher(void)
{
	if (!queue.watcher || queue.told || (queue.put == queue.taken && !queue.lost))
		return;
	queue.told = true;
	if (event_signal(queue.watcher, queue.bits) >= 0)
		return;
	cap_delete(queue.watcher); /* it is gone */
	queue.watcher = 0;
}

static int64_t serve_watch(void *context, uint64_t badge, handle_t event, uint64_t bits)
{
	(void)context;
	(void)badge;
	if (!bits)
		return E_ARGUMENT;
	if (queue.watcher)
		cap_delete(queue.watcher);
	queue.watcher = event;
	queue.bits = bits;
	queue.told = false;
	tell_watcher();
	return E_OK;
}

static int64_t serve_read(void *context, uint64_t badge, const void **events, uint32_t *bytes)
{
	static struct input_event answer[INPUT_AT_ONCE];
	unsigned count = 0;

	(void)context;
	(void)badge;
	if (queue.lost)
		answer[count++] = (struct input_event){.type = INPUT_LOST};
	queue.lost = false;
	while (count < INPUT_AT_ONCE && queue.taken != queue.put)
		answer[count++] = queue.events[queue.taken++ % EVENTS_MAX];
	queue.told = queue.taken != queue.put;
	*events = answer;
	*bytes = count * sizeof(*answer);
	return E_OK;
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
	if (!queue.announced && host_announce(usb.driver.host, usb.driver.page, DEVICE_INPUT, INPUT_NUMBER,
	                                      "", clock_ns() + CALL_NS) < 0)
		return false;
	queue.announced = true;
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
	tell_watcher();
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
	tell_watcher();
}
