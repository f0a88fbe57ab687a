/* The driver of a host controller as a whole: its loop, and what it finds at its start. See usb.h. */
#include "usb.h"

#define REST_US    100000u
#define MISSING_NS 1000000000ull
#define ROUNDS_MAX (PORTS_MAX + 4 * DEVICES_MAX) /* more than it takes to find all that is plugged in */

struct usb usb;

static void poll(void *context)
{
	hc_events();
	storage_poll(context);
	hid_poll();
	/* One thing at a time: clients do not wait for all that is plugged in. */
	if (bus_poll())
		event_signal(usb.driver.event, DRIVER_AGAIN_BIT);
}

/* What is plugged in is there before the first client asks, and disks that there were before this driver, if they still are. Whatever a
 * device does, the others are served in the end. */
static void find_all(void)
{
	uint64_t end = clock_ns() + MISSING_NS;
	unsigned rounds = 0;

	/* Devices on a USB 3 port are there some time after its reset; USB 2 wants 100 ms of rest (USB2, 7.1.7.3). */
	driver_pause(&usb.driver, REST_US);
	hc_events();
	usb.rested = true;
	do {
		while (rounds < ROUNDS_MAX && bus_poll())
			rounds++;
		if (!storage_missing())
			break;
		driver_pause(&usb.driver, 10000);
		hc_events();
	} while (clock_ns() < end);
	usb.rested = false;
	event_signal(usb.driver.event, DRIVER_AGAIN_BIT);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct block_backend backend = {
	    .start = storage_start, .poll = poll, .serve = hid_serve};

	if (!driver_init(&usb.driver, info, page))
		return 1;
	hc_start();
	block_server_init(&usb.server, &usb.driver, &backend, 0);
	storage_init();
	find_all();
	block_server_run(&usb.server);
}
