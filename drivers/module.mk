# Drivers: one folder a device or family of devices, a native program each; devmgr starts them (docs/add-a-driver.md).
DRIVER_LIBRARY := lib/driver/driver.c
BLOCK_SERVER   := $(DRIVER_LIBRARY) lib/block/block_server.c lib/block/block_ring.c
LINK_PORT      := $(DRIVER_LIBRARY) lib/link/link_port.c lib/link/link_ring.c
DRIVERS        := virtio-blk virtio-net virtio-rng virtio-input virtio-gpu virtio-console nvme ahci ide xhci ehci uhci e1000 rtl8139 hda ac97
DRIVER_CFLAGS  := -Ilib/block -Ilib/link -Ilib/sound
CD             := drivers/cd/cd.c lib/usb/scsi.c
SOUND_PORT     := $(DRIVER_LIBRARY) lib/sound/sound_port.c lib/sound/position.c

$(call native-program,drivers/virtio-net,drivers/virtio/net.c drivers/virtio/virtio.c $(LINK_PORT),$(DRIVER_CFLAGS))
$(call native-program,drivers/virtio-blk,drivers/virtio/blk.c drivers/virtio/virtio.c $(BLOCK_SERVER),$(DRIVER_CFLAGS))
$(call native-program,drivers/virtio-rng,drivers/virtio/rng.c drivers/virtio/virtio.c $(DRIVER_LIBRARY))
$(call native-program,drivers/virtio-input,drivers/virtio/input.c drivers/virtio/virtio.c lib/input/input_queue.c lib/input/evdev.c lib/input/keys.c $(DRIVER_LIBRARY))
$(call native-program,drivers/virtio-gpu,drivers/virtio/gpu.c drivers/virtio/virtio.c $(DRIVER_LIBRARY))
$(call native-program,drivers/virtio-console,drivers/virtio/console.c drivers/virtio/virtio.c $(DRIVER_LIBRARY))
$(call native-program,drivers/nvme,drivers/nvme/nvme.c $(BLOCK_SERVER),$(DRIVER_CFLAGS))
$(call native-program,drivers/ahci,drivers/ahci/ahci.c $(CD) $(BLOCK_SERVER),$(DRIVER_CFLAGS) -Idrivers)
$(call native-program,drivers/e1000,drivers/e1000/e1000.c $(LINK_PORT),$(DRIVER_CFLAGS))
$(call native-program,drivers/rtl8139,drivers/rtl8139/rtl8139.c $(LINK_PORT),$(DRIVER_CFLAGS))
$(call native-program,drivers/ide,drivers/ide/ide.c $(CD) $(BLOCK_SERVER),$(DRIVER_CFLAGS) -Idrivers)
$(call native-program,drivers/hda,drivers/hda/hda.c lib/sound/hda_codec.c $(SOUND_PORT),$(DRIVER_CFLAGS))
$(call native-program,drivers/ac97,drivers/ac97/ac97.c $(SOUND_PORT),$(DRIVER_CFLAGS))
# A USB host controller, and all that hangs on it.
USB            := $(addprefix drivers/usb/,main.c transfer.c bus.c storage.c hid.c) $(addprefix lib/usb/,descriptors.c scsi.c hid.c) lib/input/input_queue.c $(BLOCK_SERVER)
$(call native-program,drivers/xhci,$(addprefix drivers/xhci/,controller.c port.c slot.c) $(USB),$(DRIVER_CFLAGS))
$(call native-program,drivers/ehci,$(addprefix drivers/ehci/,controller.c schedule.c) drivers/usb/frames.c $(USB),$(DRIVER_CFLAGS))
$(call native-program,drivers/uhci,$(addprefix drivers/uhci/,controller.c schedule.c) drivers/usb/frames.c $(USB),$(DRIVER_CFLAGS))
# The TPM is no PCI function: the manifest gives it to a unit that is driver and service.
$(call native-program,drivers/tpm,drivers/tpm/tpm.c lib/tpm/tpm_port.c)
$(call host-test,cd,drivers/cd/cd_test.c $(CD),-DHOLON_FAKE_KERNEL -Ilib/holon -Ilib/block -Ilib -Idrivers -Ibuild/abi)
$(call host-fuzz,cd,drivers/cd/cd_fuzz.c $(CD),-DHOLON_FAKE_KERNEL -Ilib/holon -Ilib/block -Ilib -Idrivers -Ibuild/abi)
