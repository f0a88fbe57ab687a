/*
 * What hangs on a USB host controller: hubs, disks of USB mass storage, keyboards and pointers, for every kind of controller. A driver is these
 * files and one controller's (drivers/xhci, drivers/ehci, drivers/uhci), which is what this header calls the host controller (hc_*). Source:
 * Universal Serial Bus Specification 2.0 ("USB2").
 *
 *   main.c      the loop, and what is done at the start
 *   transfer.c  requests to endpoint 0, endpoints that begin anew
 *   bus.c       ports, hubs and devices: found, asked what they are, let go
 *   storage.c   disks: Bulk-Only Transport, SCSI, and the requests of clients
 *   hid.c       keyboards, mice and tablets, and who reads what they tell
 *   frames.c    what EHCI and UHCI have in common, of the host controller's part
 *
 * One thread. What a transfer came to is noted at its endpoint and acted upon by who waits for it, or at the next round of
 * `poll`: nothing is done in the midst of something else. Devices, and what they say, are hostile (lib/usb): they reach
 * the pages that were mapped for the controller, and the worst they can do is to be let go. A controller that does not answer
 * ends the driver; the next one resets it.
 */
#pragma once

#include "block/block_server.h"

#include <text.h>
#include "usb/descriptors.h"

#define DEVICES_MAX 32u
#define PORTS_MAX   32u
#define DEPTH_MAX   5u    /* hubs between a device and the controller */
#define PIECES_MAX  65u   /* of a transfer: 64 pages, the first of which may be cut */
#define ENDPOINTS   3u    /* of a device that are used: 0, in, out */
#define CONTROL_MAX 1024u /* bytes that a request to endpoint 0 moves */

enum endpoint_use { ENDPOINT_CONTROL, ENDPOINT_IN, ENDPOINT_OUT };
enum transfer_result { TRANSFER_DONE, TRANSFER_STALLED, TRANSFER_FAILED };

struct endpoint {
	bool used;
	struct usb_endpoint is; /* of endpoint 0 only how long packets are */
	bool waited;            /* a transfer is under way, or what it came to was not taken yet */
	bool done;
	enum transfer_result result;
	bool quiet;            /* of the next transfer nothing is told where it goes well: another follows */
	uint32_t bytes, moved; /* asked for; at most moved, as the controller saw it */
};

struct storage;

struct device {
	bool used, gone; /* gone: it is to be let go */
	uint8_t index;   /* 1 to DEVICES_MAX */
	uint8_t speed;
	uint8_t port;          /* of the controller, from 1 on */
	uint32_t route, depth; /* as xHCI has it (8.9 of USB 3.2): four bits a hub */
	struct device *parent; /* the hub; 0: the controller */
	uint8_t parent_port;
	struct device *translator; /* the hub that speaks to it at high speed for its own */
	uint8_t translator_port;
	uint64_t until; /* ns: what is done with it ends then; 0: not limited */
	struct endpoint endpoints[ENDPOINTS];
	uint8_t *buffer; /* a page for what it answers */
	uint64_t buffer_address;
	unsigned hub_ports; /* 0: no hub */
	bool changed;       /* hub: its ports are to be looked at */
	uint32_t failed;    /* hub: ports whose devices could not be used, by bits */
	struct storage *storage;
};

struct usb {
	struct driver driver;
	struct block_server server;
	uint32_t ports_changed, ports_failed;   /* the controller's, by bits */
	bool rested;                            /* what is plugged in has been so for a while */
	struct device devices[DEVICES_MAX + 1]; /* 0 is none */
};
extern __attribute__((visibility("hidden"))) struct usb usb;

/* ---- The host controller ---- */

extern const char hc_name[];
extern const uint32_t hc_transfer_pages; /* of one request to a disk, below PIECES_MAX */
extern const bool
    hc_in_order; /* transfers of a device begin in the order in which they were asked for, also on one endpoint */

/* A run of memory as the controller sees it; in one page. */
struct usb_piece {
	uint64_t address;
	uint32_t bytes;
};

/* Resets it, and has it run; all its ports have changed. One that is not usable ends the driver. */
void hc_start(void);
/* Notes what transfers came to, and which ports have changed (usb.ports_changed). */
void hc_events(void);
/* DEVICE, which was just reset and has the address 0, gets its own; packets of its endpoint 0 are as its speed has them at least, or
 * already as the controller found. False: the controller cannot have it; it has forgotten it. */
bool hc_device_start(struct device *device);
/* Packets to its endpoint 0 are as that says by now. */
bool hc_device_packets(struct device *device);
/* Its endpoints IN and OUT, where they are used, and the ports of a hub are as DEVICE says. */
bool hc_device_configure(struct device *device);
/* The controller reaches nothing of it any more. */
void hc_device_end(struct device *device);
/* A request to endpoint 0, with the 8 bytes SETUP and BYTES in DEVICE's buffer (USB2, 9.3). */
void hc_control(struct device *device, uint64_t setup, uint32_t bytes);
/* COUNT pieces to or from ENDPOINT, on which nothing is under way but what is quiet; all but the last are multiples of its packets. It ends where the
 * device sends less. */
void hc_transfer(struct device *device, struct endpoint *endpoint, const struct usb_piece *pieces,
                 unsigned count);
/* The controller reaches no memory of what was under way on ENDPOINT. */
void hc_stop(struct device *device, struct endpoint *endpoint);
/* ENDPOINT, which was stopped, runs again; the next packet is the first of its kind (USB2, 8.6). */
bool hc_resume(struct device *device, struct endpoint *endpoint);
/* Whether something is plugged into PORT, from 1 on; CHANGED: and whether it is another since this was asked last. */
bool hc_port(uint32_t port, bool *changed);
/* Resets what is there. False: it is not there, or does not work. */
bool hc_port_reset(uint32_t port, uint8_t *speed);

/* ---- transfer.c ---- */

/* A request to endpoint 0 with BYTES of data in DEVICE's buffer (USB2, 9.3). How many were moved, or -1. */
int32_t control_request(struct device *device, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                        uint16_t bytes);
/* What is asked for at endpoint IN or OUT: BYTES at OFFSET of DEVICE's page. */
void endpoint_ask(struct device *device, struct endpoint *endpoint, uint32_t offset, uint32_t bytes);
/* What it came to was taken. */
static inline void endpoint_taken(struct endpoint *endpoint)
{
	endpoint->waited = endpoint->done = false;
}
/* The controller leaves ENDPOINT's memory alone. */
void endpoint_stop(struct device *device, struct endpoint *endpoint);
/* ENDPOINT runs again, whatever it was doing; both sides begin anew. */
bool endpoint_restart(struct device *device, struct endpoint *endpoint);
/* The same for one that was stopped. */
bool endpoint_resume(struct device *device, struct endpoint *endpoint);
/* NS from now, or when what is done with DEVICE ends. */
uint64_t device_deadline(const struct device *device, uint64_t ns);

/* ---- bus.c ---- */

/* Ports and hubs that have changed are looked at, and what is new is made to work. True: something was done. */
bool bus_poll(void);
/* DEVICE is set to CONFIGURATION, and uses the endpoints IN and OUT (0: none). */
bool bus_configure(struct device *device, const struct usb_configuration *configuration,
                   const struct usb_endpoint *in, const struct usb_endpoint *out);

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
