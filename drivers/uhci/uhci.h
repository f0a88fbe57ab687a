/*
 * The host controller UHCI for drivers/usb. Source: Universal Host Controller Interface Design Guide, revision 1.1 ("UHCI").
 *
 *   controller.c  registers, ports, its start
 *   schedule.c    frames, queues, and the transfers on them
 *
 * The controller has addresses of 32 bits. It reads registers of 16 bits through I/O ports; ports that change do not interrupt, so they are
 * looked at four times a second.
 */
#pragma once

#include "../usb/frames.h"

/* A register of 16 bits. */
uint16_t uhci_get(uint32_t at);
void uhci_put(uint32_t at, uint16_t value);

enum uhci_register {
	USBCMD = 0x00,
	USBSTS = 0x02,
	USBINTR = 0x04,
	FRNUM = 0x06,
	FRBASEADD = 0x08, /* 32 bits */
	PORTSC = 0x10     /* of port 1 */
};
#define UHCI_FRAMES 0x7ffu /* of FRNUM */

/* ---- schedule.c ---- */

/* Its memory; the address of the list of frames. False: no memory. */
bool schedule_init(uint32_t *frames);
/* Notes what transfers came to, and has long ones go on. */
void schedule_events(void);
