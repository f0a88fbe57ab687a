/* Transfers: requests to endpoint 0, and endpoints that begin anew after an error. See usb.h. */
#include "usb.h"

#define REQUEST_NS  5000000000ull /* USB2, 9.2.6.1: no request takes longer */
#define CLEAR       1u            /* USB2, 9.4.1, of the feature ENDPOINT_HALT: 0 */
#define TO_ENDPOINT 0x02u

uint64_t device_deadline(const struct device *device, uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	return device->until && device->until < end ? device->until : end;
}

void endpoint_ask(struct device *device, struct endpoint *endpoint, uint32_t offset, uint32_t bytes)
{
	hc_transfer(device, endpoint, &(struct usb_piece){device->buffer_address + offset, bytes}, 1);
}

void endpoint_stop(struct device *device, struct endpoint *endpoint)
{
	endpoint_taken(endpoint);
	hc_stop(device, endpoint);
}

/* A control transfer brings its own toggle; the others' are renewed on both sides, or packets would be taken for repeated
 * ones (USB2, 9.4.5). */
bool endpoint_resume(struct device *device, struct endpoint *endpoint)
{
	uint8_t number = (uint8_t)(endpoint->is.number | (endpoint->is.in ? 0x80 : 0));

	return hc_resume(device, endpoint) &&
	       (!endpoint->is.number || control_request(device, TO_ENDPOINT, CLEAR, 0, number, 0) >= 0);
}

bool endpoint_restart(struct device *device, struct endpoint *endpoint)
{
	endpoint_stop(device, endpoint);
	return endpoint_resume(device, endpoint);
}

int32_t control_request(struct device *device, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                        uint16_t bytes)
{
	struct endpoint *endpoint = &device->endpoints[ENDPOINT_CONTROL];
	uint64_t setup = type | (uint64_t)request << 8 | (uint64_t)value << 16 | (uint64_t)index << 32 |
	                 (uint64_t)bytes << 48;
	uint64_t end = device_deadline(device, REQUEST_NS);

	if (device->gone || bytes > CONTROL_MAX)
		return -1;
	hc_control(device, setup, bytes);
	hc_events();
	while (!endpoint->done && clock_ns() < end) {
		driver_pause(&usb.driver, 50);
		hc_events();
	}
	bool good = endpoint->done && endpoint->result == TRANSFER_DONE;
	endpoint_taken(endpoint);
	if (good)
		return (int32_t)endpoint->moved;
	if (!endpoint_restart(device, endpoint))
		device->gone = true;
	return -1;
}
