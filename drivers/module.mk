# Drivers: one folder a device or family of devices, a native program each; devmgr starts them (docs/add-a-driver.md).
DRIVER_LIBRARY := lib/driver/driver.c
BLOCK_SERVER   := $(DRIVER_LIBRARY) lib/block/block_server.c lib/block/block_ring.c
DRIVERS        := virtio-blk
DRIVER_CFLAGS  := -Ilib/block

$(call native-program,drivers/virtio-blk,drivers/virtio/blk.c drivers/virtio/virtio.c $(BLOCK_SERVER),$(DRIVER_CFLAGS))
