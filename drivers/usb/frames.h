/* What the host controllers EHCI and UHCI have in common: memory below 4 GiB, and a schedule by frames in which the queue of an endpoint hangs
 * from its start on. */
#pragma once

#include "usb.h"

#define FRAMES       1024u
#define FRAME_LEVELS 6u /* of periods: 1 to 32 frames */

/* COUNT pages below 4 GiB, zeroed; 0: none. */
uint8_t *frames_pages(unsigned count, uint64_t *addresses);
/* The level whose queues FRAME leads to. A frame has one of the longer periods at most: 2^level frames from one to the next. */
uint32_t frames_level(uint32_t frame);
/* What NOW says, of which the bits MASK count on, has grown by ENOUGH: the controller has nothing of before in its hands. */
void frames_pass(uint32_t (*now)(void), uint32_t mask, uint32_t enough);
/* Calls LOOK for every endpoint on which a transfer is under way. */
void frames_events(void (*look)(struct device *device, struct endpoint *endpoint));
/* The transfer on ENDPOINT came to RESULT. */
void frames_end(struct endpoint *endpoint, enum transfer_result result);

/* ---- The controller's schedule.c ---- */

/* ENDPOINT gets its memory and its place. False: there is none. */
bool schedule_endpoint_start(struct device *device, struct endpoint *endpoint);
/* Also for one that was not started. */
void schedule_endpoint_end(struct device *device, struct endpoint *endpoint);
