/* Devices, as devmgr tells of them (abi/device.interface). */
#pragma once

#include <stdint.h>

enum device_kind {
	DEVICE_NONE = 0,   /* no driver serves it */
	DEVICE_BLOCK = 1,  /* abi/block.interface */
	DEVICE_LINK = 2,   /* abi/link.interface */
	DEVICE_RANDOM = 3, /* abi/random.interface */
	DEVICE_INPUT = 4,  /* abi/input.interface */
	DEVICE_SOUND = 5,  /* abi/sound.interface */
	DEVICE_SCREEN = 6, /* abi/screen.interface */
	DEVICE_SERIAL = 7, /* abi/serial.interface */
};

#define SERIAL_AT_ONCE   256u
#define SCREEN_SIDE_MAX  4096u
#define SCREEN_BYTES_MAX (8u << 20)

struct device_info {
	char name
	    [32]; /* "block@00:04.0", with "/1" for the second of one controller; NUL-ended, as all texts */
	char serial[32]; /* as the driver announced it */
	char driver[32]; /* its program; empty: none is known */
	uint32_t kind;
	uint16_t vendor, device;
	uint32_t class; /* class, subclass, programming interface: the PCI code */
	uint16_t segment;
	uint8_t bus, slot; /* slot: device << 3 | function */
	uint32_t restarts;
	uint32_t dma_confined; /* 1: an IOMMU holds it to what its driver mapped */
};

_Static_assert(sizeof(struct device_info) == 120, "device_info is fixed");
