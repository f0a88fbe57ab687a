/* Which driver a device gets: by maker and number, or by class. */
#include "devmgr.h"

#define VIRTIO 0x1af4

static const struct driver_entry drivers[] = {
    /* VIRTIO 1.1, 4.1.2: 0x1040 + type; those that also speak the old interface have numbers below. */
    {.program = "native/virtio-blk",
     .vendor = VIRTIO,
     .device_first = 0x1042,
     .device_last = 0x1042,
     .memory = 3 << 20,
     .caps = 192,
     .vectors = 1},
    {.program = "native/virtio-blk",
     .vendor = VIRTIO,
     .device_first = 0x1001,
     .device_last = 0x1001,
     .memory = 3 << 20,
     .caps = 192,
     .vectors = 1},
};

const struct driver_entry *driver_find(const struct pci_function *function)
{
	for (unsigned i = 0; i < sizeof(drivers) / sizeof(*drivers); i++) {
		const struct driver_entry *driver = &drivers[i];

		if (driver->vendor &&
		    (function->vendor != driver->vendor || function->device < driver->device_first ||
		     function->device > driver->device_last))
			continue;
		if ((function->class & driver->class_mask) == driver->class)
			return driver;
	}
	return 0;
}
