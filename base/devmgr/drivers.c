/* Which driver a device gets: by maker and number, or by class. */
#include "devmgr.h"

#define VIRTIO 0x1af4

#define VIRTIO_DRIVER(path, number, bytes)                                                                   \
	{                                                                                                    \
		.program = (path), .vendor = VIRTIO, .device_first = (number), .device_last = (number),      \
		.memory = (bytes), .caps = 192, .vectors = 1                                                 \
	}

static const struct driver_entry drivers[] = {
    /* VIRTIO 1.1, 4.1.2: 0x1040 + type; those that also speak the old interface have numbers below. */
    VIRTIO_DRIVER("native/virtio-net", 0x1041, 3 << 20),
    VIRTIO_DRIVER("native/virtio-net", 0x1000, 3 << 20),
    VIRTIO_DRIVER("native/virtio-blk", 0x1042, 3 << 20),
    VIRTIO_DRIVER("native/virtio-blk", 0x1001, 3 << 20),
    VIRTIO_DRIVER("native/virtio-rng", 0x1044, 2 << 20),
    VIRTIO_DRIVER("native/virtio-rng", 0x1005, 2 << 20),
    VIRTIO_DRIVER("native/virtio-console", 0x1043, 2 << 20),
    VIRTIO_DRIVER("native/virtio-console", 0x1003, 2 << 20),
    VIRTIO_DRIVER("native/virtio-input", 0x1052, 2 << 20),
    /* Not virtio-vga, which is a VGA as well: the loader has found its framebuffer, and that stays the screen. */
    {.program = "native/virtio-gpu",
     .vendor = VIRTIO,
     .device_first = 0x1050,
     .device_last = 0x1050,
     .class = 0x038000,
     .class_mask = 0xffff00,
     .memory = 2 << 20,
     .caps = 96,
     .vectors = 1},
    /* Intel 82540EM, 82545EM, 82574L. */
    {.program = "native/e1000",
     .vendor = 0x8086,
     .device_first = 0x100e,
     .device_last = 0x100f,
     .memory = 3 << 20,
     .caps = 192,
     .vectors = 1},
    {.program = "native/e1000",
     .vendor = 0x8086,
     .device_first = 0x10d3,
     .device_last = 0x10d3,
     .memory = 3 << 20,
     .caps = 192,
     .vectors = 1},
    {.program = "native/rtl8139",
     .vendor = 0x10ec,
     .device_first = 0x8139,
     .device_last = 0x8139,
     .memory = 3 << 20,
     .caps = 192,
     .vectors = 1},
    /* QEMU's teaching device: only test images have a driver, which abuses it (tests/devices/rogue.c). */
    {.program = "native/edu",
     .vendor = 0x1234,
     .device_first = 0x11e8,
     .device_last = 0x11e8,
     .memory = 2 << 20,
     .caps = 96,
     .vectors = 1},
    /* By class: PCI Code and ID Assignment Specification. */
    {.program = "native/ide",
     .class = 0x010180,
     .class_mask = 0xffff85,
     .memory = 3 << 20,
     .caps = 192,
     .vectors = 2},
    {.program = "native/ahci",
     .class = 0x010601,
     .class_mask = 0xffffff,
     .memory = 4 << 20,
     .caps = 192,
     .vectors = 1},
    {.program = "native/xhci",
     .class = 0x0c0330,
     .class_mask = 0xffffff,
     .memory = 4 << 20,
     .caps = 192,
     .vectors = 1},
    {.program = "native/ehci",
     .class = CLASS_EHCI,
     .class_mask = 0xffffff,
     .memory = 4 << 20,
     .caps = 192,
     .vectors = 1},
    {.program = "native/uhci",
     .class = CLASS_UHCI,
     .class_mask = 0xffffff,
     .memory = 4 << 20,
     .caps = 192,
     .vectors = 1},
    {.program = "native/hda",
     .class = 0x040300,
     .class_mask = 0xffffff,
     .memory = 2 << 20,
     .caps = 96,
     .vectors = 1},
    /* Intel's ICH, and what is made alike. */
    {.program = "native/ac97",
     .vendor = 0x8086,
     .device_last = 0xffff,
     .class = 0x040100,
     .class_mask = 0xffffff,
     .memory = 2 << 20,
     .caps = 96,
     .vectors = 1},
    {.program = "native/nvme",
     .class = 0x010802,
     .class_mask = 0xffffff,
     .memory = 4 << 20,
     .caps = 256,
     .vectors = VECTORS_MAX}, /* a queue pair each */
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
