/*
 * The driver of xHCI controllers, and of what hangs on them: hubs, disks of USB mass storage, keyboards and pointers. Sources: eXtensible Host
 * Controller Interface for USB, revision 1.2 ("xHCI"); Universal Serial Bus Specification 2.0 ("USB2").
 *
 *   controller.c  registers, rings, commands, events; its start
 *   transfer.c    transfers of a device's endpoints
 *   bus.c         ports, hubs and devices: found, addressed, let go
 *   storage.c     disks: Bulk-Only Transport, SCSI, and the requests of clients
 *   hid.c         keyboards, mice and tablets, and who reads what they tell
 *
 * One thread. An event is noted where it belongs (a command, an endpoint) and acted upon by who waits for it, or at the next round of
 * `poll`: nothing is done in the midst of something else. A completion is believed only for what is under way. Devices, and
 * what they say, are hostile (lib/usb): they reach the pages that were mapped for the controller, and the worst they
 * can do is to be let go. A controller that does not answer ends the driver; the next one resets it.
 */
#pragma once

#include "block/block_server.h"

#include <text.h>
#include "usb/descriptors.h"

#define SLOTS_MAX      32u
#define PORTS_MAX      32u
#define DEPTH_MAX      5u /* hubs between a device and the controller: a route has five places */
#define RING_TRBS      256u
#define TRANSFER_PAGES 64u /* of a request: what one transfer descriptor moves, and one page more */
#define ENDPOINTS      3u  /* of a device that are used: 0, in, out */

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

enum endpoint_use { ENDPOINT_CONTROL, ENDPOINT_IN, ENDPOINT_OUT };

struct endpoint {
	struct ring ring;
	uint32_t place; /* Device Context Index: 0: not in use */
	uint8_t number; /* as in a request to it: with the direction */
	uint16_t packet_bytes;
	uint32_t context[5]; /* as the controller was given it (xHCI, 6.2.3) */
	uint64_t waited;     /* address of the TRB whose completion is waited for; 0: none */
	uint64_t first;      /* of the transfer that it ends */
	bool done;
	uint8_t code;  /* how it was done: enum completion */
	uint32_t left; /* bytes that this TRB did not move, */
	uint32_t cut;  /* and what a TRB before it did not: there, the device sent less */
};

struct storage;

struct device {
	bool used, gone; /* gone: it is to be let go */
	uint8_t slot, speed;
	uint8_t port;          /* of the controller, from 1 on */
	uint32_t route, depth; /* xHCI, 8.9 of USB 3.2: four bits a hub */
	struct device *parent; /* the hub; 0: the controller */
	uint8_t parent_port;
	struct device *translator; /* the hub that speaks to it at high speed for its own */
	uint8_t translator_port;
	uint64_t until; /* ns: what is done with it ends then; 0: not limited */
	struct endpoint endpoints[ENDPOINTS];
	uint8_t *context; /* the controller's own, a page */
	uint64_t context_address;
	uint8_t *buffer; /* a page for what it answers */
	uint64_t buffer_address;
	unsigned hub_ports; /* 0: no hub */
	bool changed;       /* hub: its ports are to be looked at */
	uint32_t failed;    /* hub: ports whose devices could not be used, by bits */
	struct storage *storage;
};

struct xhci {
	struct driver driver;
	struct block_server server;
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
	uint32_t ports_changed, ports_failed; /* bits */
	bool rested;                          /* what is plugged in has been so for a while */
	struct device devices[SLOTS_MAX + 1]; /* by slot; 0 is none */
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

void controller_init(void);
uint32_t register_get(volatile uint8_t *at, uint32_t offset);
void register_put(volatile uint8_t *at, uint32_t offset, uint32_t value);
/* Takes all events that are there. */
void controller_events(void);
/* One command from beginning to end; its code. CONTROL: type and slot. */
uint8_t controller_command(uint64_t parameter, uint32_t control);
void ring_reset(struct ring *ring);
/* The next COUNT TRBs, at most half of a ring, follow each other: a transfer that a link cuts in two would have to be cut between
 * whole bursts (4.11.7.1). */
void ring_reserve(struct ring *ring, uint32_t count);
/* Puts one TRB; its address. CONTROL without the cycle bit. */
uint64_t ring_put(struct ring *ring, uint64_t parameter, uint32_t status, uint32_t control);
void controller_ring(uint8_t slot, uint32_t place); /* a doorbell */

/* ---- transfer.c ---- */

/* A request to endpoint 0 with BYTES of data in DEVICE's buffer (USB2, 9.3). How many were moved, or -1. */
int32_t control_request(struct device *device, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                        uint16_t bytes);
/* What is put on ENDPOINT's ring from now on ends with the TRB at ADDRESS. */
void endpoint_wait(struct device *device, struct endpoint *endpoint, uint64_t address);
/* The same of a transfer from the TRB at FIRST on, which also ends where the device sends less. */
void endpoint_wait_from(struct device *device, struct endpoint *endpoint, uint64_t first, uint64_t address);
/* The controller leaves ENDPOINT's ring, and the memory that it leads to, alone; the ring is empty. */
void endpoint_stop(struct device *device, struct endpoint *endpoint);
/* The ring is empty, and ENDPOINT runs again, whatever it was doing; both sides begin anew. */
bool endpoint_restart(struct device *device, struct endpoint *endpoint);
/* The same for one that has halted, or was stopped. */
bool endpoint_resume(struct device *device, struct endpoint *endpoint);
/* NS from now, or when what is done with DEVICE ends. */
uint64_t device_deadline(const struct device *device, uint64_t ns);

/* ---- bus.c ---- */

/* Ports and hubs that have changed are looked at, and what is new is made to work. True: something was done. */
bool bus_poll(void);
/* DEVICE is set to CONFIGURATION, and uses the endpoints IN and OUT (0: none). */
bool bus_configure(struct device *device, const struct usb_configuration *configuration,
                   const struct usb_endpoint *in, const struct usb_endpoint *out);
/* The controller forgets what ENDPOINT, which is stopped, was doing. */
bool bus_renew(struct device *device, const struct endpoint *endpoint);

/* ---- hid.c ---- */

#define INPUT_NUMBER                                                                                         \
	BLOCK_DEVICES /* of what devmgr knows of this device: all keyboards and pointers together */

/* Sets DEVICE to CONFIGURATION, of which INTERFACE tells what people do. False: nothing that is known. */
bool hid_attach(struct device *device, const struct usb_configuration *configuration,
                const struct usb_interface *interface);
void hid_detach(struct device *device);
/* Takes the reports that are there. */
void hid_poll(void);
/* For the block server: a call of abi/input.interface. */
void hid_serve(void *context, struct message *message);

/* ---- storage.c ---- */

void storage_init(void);
/* DEVICE has INTERFACE, of mass storage. False: it is none that can be used. */
bool storage_attach(struct device *device, const struct usb_interface *interface, const char *serial);
/* Whether disks that there were before this driver have not been found yet. */
bool storage_missing(void);
/* DEVICE is gone, and the controller has forgotten it. */
void storage_detach(struct device *device);
/* For the block server. */
bool storage_start(void *context, struct block_io *io);
void storage_poll(void *context);
