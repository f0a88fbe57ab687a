/* Transfers: requests to endpoint 0, and endpoints that begin anew after an error. See xhci.h. */
#include "xhci.h"

#define REQUEST_NS   5000000000ull /* USB2, 9.2.6.1: no request takes longer */
#define CLEAR        1u            /* USB2, 9.4.1, of the feature ENDPOINT_HALT: 0 */
#define TO_ENDPOINT  0x02u
#define STATE_RUNS   1u
#define STATE_HALTED 2u

uint64_t device_deadline(const struct device *device, uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	return device->until && device->until < end ? device->until : end;
}

void endpoint_wait(struct device *device, struct endpoint *endpoint, uint64_t address)
{
	endpoint_wait_from(device, endpoint, address, address);
}

void endpoint_wait_from(struct device *device, struct endpoint *endpoint, uint64_t first, uint64_t address)
{
	endpoint->first = first;
	endpoint->waited = address;
	endpoint->done = false;
	endpoint->left = endpoint->cut = 0;
	controller_ring(device->slot, endpoint->place);
}

static uint32_t which(const struct device *device, const struct endpoint *endpoint)
{
	return (uint32_t)device->slot << 24 | endpoint->place << 16;
}

/* xHCI, 4.6.8 and 4.6.9. */
void endpoint_stop(struct device *device, struct endpoint *endpoint)
{
	const uint32_t *context =
	    (const uint32_t *)(void *)(device->context + (size_t)endpoint->place * xhci.context_bytes);
	uint32_t state = __atomic_load_n(context, __ATOMIC_ACQUIRE) & 7;

	endpoint->waited = 0;
	endpoint->done = false;
	/* One that halts just now cannot be stopped any more. */
	if (state == STATE_RUNS &&
	    controller_command(0, TRB_TYPE(TRB_STOP_ENDPOINT) | which(device, endpoint)) != CODE_SUCCESS)
		state = STATE_HALTED;
	if (state == STATE_HALTED)
		controller_command(0, TRB_TYPE(TRB_RESET_ENDPOINT) | which(device, endpoint));
	ring_reset(&endpoint->ring);
}

/* A control transfer brings its own toggle; the others' are renewed on both sides, or packets would be taken for repeated
 * ones (xHCI, 4.6.8; USB2, 9.4.5). */
bool endpoint_resume(struct device *device, struct endpoint *endpoint)
{
	if (!endpoint->number)
		return controller_command(endpoint->ring.address | TRB_CYCLE,
		                          TRB_TYPE(TRB_SET_DEQUEUE) | which(device, endpoint)) ==
		       CODE_SUCCESS;
	return bus_renew(device, endpoint) &&
	       control_request(device, TO_ENDPOINT, CLEAR, 0, endpoint->number, 0) >= 0;
}

bool endpoint_restart(struct device *device, struct endpoint *endpoint)
{
	endpoint_stop(device, endpoint);
	return endpoint_resume(device, endpoint);
}

/* xHCI, 4.11.2.2. */
int32_t control_request(struct device *device, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                        uint16_t bytes)
{
	struct endpoint *endpoint = &device->endpoints[ENDPOINT_CONTROL];
	uint64_t setup = type | (uint64_t)request << 8 | (uint64_t)value << 16 | (uint64_t)index << 32 |
	                 (uint64_t)bytes << 48;
	uint64_t end = device_deadline(device, REQUEST_NS);
	bool in = type & 0x80;

	if (device->gone)
		return -1;
	ring_put(&endpoint->ring, setup, 8,
	         TRB_TYPE(TRB_SETUP) | TRB_IMMEDIATE | (bytes ? in ? 3u << 16 : 2u << 16 : 0));
	if (bytes)
		ring_put(&endpoint->ring, device->buffer_address, bytes,
		         TRB_TYPE(TRB_DATA) | (in ? 1u << 16 : 0) | TRB_SHORT);
	endpoint_wait(device, endpoint,
	              ring_put(&endpoint->ring, 0, 0,
	                       TRB_TYPE(TRB_STATUS) | TRB_INTERRUPT | (in && bytes ? 0 : 1u << 16)));
	controller_events();
	while (!endpoint->done && clock_ns() < end) {
		driver_pause(&xhci.driver, 50);
		controller_events();
	}
	endpoint->waited = 0;
	if (endpoint->done && endpoint->code == CODE_SUCCESS)
		return endpoint->cut <= bytes ? (int32_t)(bytes - endpoint->cut) : -1;
	if (!endpoint_restart(device, endpoint))
		device->gone = true;
	return -1;
}
