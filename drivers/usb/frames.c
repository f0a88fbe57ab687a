/* Schedules by frames. See frames.h. */
#include "frames.h"

#define FRAME_US   1000u
#define STOP_TRIES 50u

uint8_t *frames_pages(unsigned count, uint64_t *addresses)
{
	uint8_t *pages = driver_pages(&usb.driver, count, addresses);

	for (unsigned i = 0; i < count && pages; i++)
		if (addresses[i] >> 32)
			driver_fail(&usb.driver,
			            "its memory lies above 4 GiB, where the controller's lists cannot be");
	return pages;
}

uint32_t frames_level(uint32_t frame)
{
	uint32_t level = frame ? (uint32_t)__builtin_ctz(frame) + 1 : FRAME_LEVELS;

	return level < FRAME_LEVELS ? level : 0;
}

void frames_pass(uint32_t (*now)(void), uint32_t mask, uint32_t enough)
{
	uint32_t before = now();

	for (unsigned tries = 0; tries < STOP_TRIES; tries++) {
		driver_pause(&usb.driver, FRAME_US);
		if (((now() - before) & mask) >= enough)
			return;
	}
	driver_fail(&usb.driver, "the controller does not go from frame to frame");
}

void frames_events(void (*look)(struct device *device, struct endpoint *endpoint))
{
	for (unsigned index = 1; index <= DEVICES_MAX; index++)
		for (unsigned use = 0; use < ENDPOINTS && usb.devices[index].used; use++) {
			struct endpoint *endpoint = &usb.devices[index].endpoints[use];
			if (endpoint->waited && !endpoint->done)
				look(&usb.devices[index], endpoint);
		}
}

void frames_end(struct endpoint *endpoint, enum transfer_result result)
{
	endpoint->result = result;
	endpoint->done = true;
}

bool hc_device_configure(struct device *device)
{
	for (unsigned use = ENDPOINT_IN; use < ENDPOINTS; use++)
		if (device->endpoints[use].used && !schedule_endpoint_start(device, &device->endpoints[use]))
			return false;
	return true;
}

void hc_device_end(struct device *device)
{
	for (unsigned use = 0; use < ENDPOINTS; use++)
		schedule_endpoint_end(device, &device->endpoints[use]);
}
