/* Keyboards that drivers tell of (abi/input.interface): all that devmgr lists, found again when a driver starts anew. What their keys
 * are is said in the scan codes of keyboard.h, so that every keyboard is the same to the console; a key that is held repeats.
 * Whatever else they tell goes on as it came.
 */
#pragma once

#include <holon.h>
#include <holon/input.h>

#define INPUTS_MAX 8u

struct inputs {
	handle_t devices, event; /* devmgr; the console's event, which gets: */
	uint64_t input_bit, devices_bit, timer_bit;
	struct thread_page *page;
	struct {
		handle_t channel; /* 0: free */
		char name[32];
	} list[INPUTS_MAX];
	bool wanted;                               /* else keyboards and pointers are left alone */
	uint16_t held;                             /* the key that repeats; 0: none */
	uint64_t repeat_at, look_at, wake_at;      /* wake_at: 0: never */
	void (*take)(void *context, uint8_t code); /* a scan code */
	void (*tell)(void *context, const struct input_event *event);  /* all that comes */
	void (*found)(void *context, uint32_t kind, const char *name); /* there is a device of another kind */
	void (*looked)(void *context);                                 /* all devices were looked at */
	void *context;
};

/* What was prepared in INPUTS (devices, event, bits, page, take) begins. */
void inputs_start(struct inputs *inputs);
/* Whether a screen is there, or will be when its driver has started. */
bool inputs_screen_comes(struct inputs *inputs);
/* Looks for devices soon. */
void inputs_look_soon(struct inputs *inputs);
/* The console's event has its timer's bit at AT, which inputs_work takes no heed of. */
void inputs_wake(struct inputs *inputs, uint64_t at);
/* After a signal of BITS. */
void inputs_work(struct inputs *inputs, uint64_t bits);
