/* The machine's keyboards and pointers as one source of abi/input.interface, for a program that may read them beside the terminal
 * (console.interface, input): those of the PS/2 controller, whose bytes it reads, and those that drivers tell of. A key that repeats is
 * pressed once. */
#pragma once

#include <holon.h>
#include "input/input_queue.h"
#include "keyboard.h"
#include "mouse.h"

#define SOURCE_BADGE (1ull << 32) /* of the capability to it: above those of units */

struct source {
	struct input_queue queue;
	struct mouse mouse;
	struct keyboard_prefix prefix;
	uint64_t pressed[4]; /* keys, by number */
};

void source_event(struct source *source, const struct input_event *event);
/* A byte of the PS/2 keyboard; of its mouse, with packets of BYTES. */
void source_scan_code(struct source *source, uint8_t code);
void source_mouse_byte(struct source *source, uint8_t byte, unsigned bytes);
/* Answers MESSAGE, which came by the capability with SOURCE_BADGE. */
void source_serve(struct source *source, struct message *message, struct thread_page *page);
/* CHANNEL is the console's; *GIVEN: such a capability. */
int64_t source_give(handle_t channel, handle_t *given);
