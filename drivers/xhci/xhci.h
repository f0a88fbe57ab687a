/*
 * The host controller xHCI for drivers/usb. Source: eXtensible Host Controller Interface for USB, revision 1.2 ("xHCI").
 *
 *   controller.c  registers, rings, commands, events; its start
 *   port.c        its ports
 *   slot.c        devices and their endpoints, as the controller knows them
 *
 * A completion is believed only for what is under way.
 */
#pragma once

#include "../usb/usb.h"

#define RING_TRBS 256u

struct trb { /* xHCI, 4.11 */
	uint64_t parameter;
	uint32_t status, control;
};
_Static_assert(sizeof(struct trb) == 16, "xHCI, 6.4");

/* A ring of one page that the driver fills, and the controller empties (xHCI, 4.9.2). */
struct ring {
	struct trb *trbs;
	uint64_t address;
	uint32_t put;
	uint32_t cycle;
};

/* What the controller knows of an endpoint. */
struct hc_endpoint {
	struct ring ring;
	uint32_t place;      /* Device Context Index: 0: not in use */
	uint32_t context[5]; /* as the controller was given it (xHCI, 6.2.3) */
	uint64_t first,
	    last; /* addresses of the transfer's TRBs of which the first and the last are told; 0: none is under way */
	uint32_t left; /* bytes that the last did not move, */
	uint32_t cut;  /* and what a TRB before it did not: there, the device sent less */
};

/* And of a device; by the device's index. */
struct slot {
	uint8_t number; /* 0: none */
	struct hc_endpoint endpoints[ENDPOINTS];
	uint8_t *context; /* the controller's own, a page */
	uint64_t context_address;
};

struct xhci {
	volatile uint8_t *capability, *operational, *runtime, *doorbells;
	uint32_t port_count, slot_count, context_bytes;
	struct ring commands;
	struct trb *events;
	uint64_t events_address;
	uint32_t event_at, event_cycle;
	uint64_t *contexts; /* addresses of the devices' contexts */
	uint8_t *input;     /* what a command says of a device */
	uint64_t input_address;
	uint64_t command_waited;
	bool command_done;
	uint8_t command_code, command_slot;
	struct slot slots[DEVICES_MAX + 1];
	uint8_t owners[DEVICES_MAX + 1]; /* indices of the devices, by the numbers of slots; 0: none */
};
extern __attribute__((visibility("hidden"))) struct xhci xhci;

/* xHCI, 6.4.6 */
enum trb_type {
	TRB_NORMAL = 1,
	TRB_SETUP = 2,
	TRB_DATA = 3,
	TRB_STATUS = 4,
	TRB_LINK = 6,
	TRB_ENABLE_SLOT = 9,
	TRB_DISABLE_SLOT = 10,
	TRB_ADDRESS_DEVICE = 11,
	TRB_CONFIGURE_ENDPOINT = 12,
	TRB_EVALUATE_CONTEXT = 13,
	TRB_RESET_ENDPOINT = 14,
	TRB_STOP_ENDPOINT = 15,
	TRB_SET_DEQUEUE = 16,
	TRB_TRANSFER_EVENT = 32,
	TRB_COMMAND_EVENT = 33,
	TRB_PORT_EVENT = 34
};
/* 6.4.5 */
enum completion { CODE_SUCCESS = 1, CODE_STALL = 6, CODE_SHORT = 13, CODE_STOPPED = 26 };
#define TRB_TYPE(type) ((uint32_t)(type) << 10)
#define TRB_CYCLE      1u
#define TRB_TOGGLE     (1u << 1) /* of a link: the cycle bit changes */
#define TRB_SHORT      (1u << 2) /* interrupt when the device sent less */
#define TRB_CHAIN      (1u << 4)
#define TRB_INTERRUPT  (1u << 5) /* on completion */
#define TRB_IMMEDIATE  (1u << 6)

/* ---- controller.c ---- */

/* One command from beginning to end; its code. CONTROL: type and slot. */
uint8_t controller_command(uint64_t parameter, uint32_t control);
void ring_reset(struct ring *ring);
/* The next COUNT TRBs, at most half of a ring, follow each other: a transfer that a link cuts in two would have to be cut between
 * whole bursts (4.11.7.1). */
void ring_reserve(struct ring *ring, uint32_t count);
/* Puts one TRB; its address. CONTROL without the cycle bit. */
uint64_t ring_put(struct ring *ring, uint64_t parameter, uint32_t status, uint32_t control);
void controller_ring(uint8_t slot, uint32_t place); /* a doorbell */

/* ---- slot.c ---- */

void slot_event(const struct trb *event); /* of a transfer */
