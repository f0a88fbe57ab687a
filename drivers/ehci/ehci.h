/*
 * The host controller EHCI for drivers/usb. Source: Enhanced Host Controller Interface Specification for Universal Serial Bus 1.0 ("EHCI").
 *
 *   controller.c  registers, ports, its start
 *   schedule.c    frames, queues, and the transfers on them
 *
 * Devices of high speed are its own; at a root port others are left to the companion controllers, which have the same ports (4.2). All of
 * its own memory lies below 4 GiB; a client's may lie anywhere where the controller has addresses of 64 bits.
 */
#pragma once

#include "../usb/frames.h"

/* Operational registers, 2.3. */
enum ehci_register {
	USBCMD = 0x00,
	USBSTS = 0x04,
	USBINTR = 0x08,
	FRINDEX = 0x0c, /* microframes */
	CTRLDSSEGMENT = 0x10,
	PERIODICLISTBASE = 0x14,
	ASYNCLISTADDR = 0x18,
	CONFIGFLAG = 0x40,
	PORTSC = 0x44 /* of port 1 */
};
#define EHCI_MICROFRAMES 0x3fffu /* of FRINDEX */

uint32_t ehci_get(uint32_t at);
void ehci_put(uint32_t at, uint32_t value);
/* The controller reaches no queue any more that was taken out of the asynchronous schedule (4.8.2). */
void ehci_async_advance(void);

/* ---- schedule.c ---- */

/* Its memory; the addresses of the list of frames and of the asynchronous schedule's first queue. WIDE: the controller has addresses of 64
 * bits. False: no memory. */
bool schedule_init(bool wide, uint32_t *frames, uint32_t *queues);
/* Notes what transfers came to. */
void schedule_events(void);
