# Devices on the machine: systems of devmgr, drivers and one program that exercises them.
$(call native-program,test/block_check,tests/devices/block_check.c tests/devices/input_check.c lib/block/block_client.c lib/block/block_ring.c,-Ilib/block)
$(call native-program,test/rogue,tests/devices/rogue.c $(DRIVER_LIBRARY),)
$(call native-program,test/deaf,tests/devices/deaf.c $(DRIVER_LIBRARY),)
# In the place of one for cards: what shares a line with one that never answers (lines_test.py).
DEVICE_PARTS := build/x86_64/test/rogue build/x86_64/test/deaf $(foreach driver,$(DRIVERS),build/x86_64/drivers/$(driver))
build/x86_64/test/block.img: build/x86_64/test/block_check build/x86_64/base/devmgr $(DEVICE_PARTS) tests/devices/block.manifest \
		tools/mksysimg/mksysimg build/host/bin/blake3-blocks
	@tools/mksysimg/mksysimg --digest build/host/bin/blake3-blocks -o $@ --file tests/devices/block.manifest:etc/manifest \
		--file build/x86_64/test/block_check:native/check --file build/x86_64/test/rogue:native/edu --file build/x86_64/base/devmgr:native/devmgr \
		--file build/x86_64/test/deaf:native/e1000 \
		$(foreach driver,$(filter-out e1000,$(DRIVERS)),--file build/x86_64/drivers/$(driver):native/$(driver))
build/x86_64/test/block.bundle: build/x86_64/test/block.img build/x86_64/kernel/kernel.elf build/x86_64/base/steward.flat tools/mkbundle
	@tools/mkbundle $@ kernel=build/x86_64/kernel/kernel.elf steward=build/x86_64/base/steward.flat system=build/x86_64/test/block.img
$(call script-test,tests/devices/block_test.py,build/x86_64/test/block.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/iommu_test.py,build/x86_64/test/block.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/lines_test.py,build/x86_64/test/block.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/hostile_test.py,build/x86_64/test/block.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/stuck_test.py,build/x86_64/test/block.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/usb_test.py,build/x86_64/test/block.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/hotplug_test.py,build/x86_64/test/block.bundle build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/input_test.py,build/x86_64/test/block.bundle build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/sound_test.py,build/x86_64/sound.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/old_machine_test.py,build/holon.iso,slow)
$(call script-test,tests/devices/power_test.py,build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/dev_block_test.py,build/tests/devices/disk_aio_check build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/filesystems_test.py,build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/replay_test.py,build/host/test/filesystem-shell build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/cd_test.py,build/x86_64/test/block.bundle build/x86_64/boot/loader.iso,slow)
SOAK_TESTS += tests/devices/filesystems_soak tests/devices/replay_test.py tests/devices/block_test.py
# Ordinary static programs, as those of tests/linux.
build/tests/devices/evdev_check build/tests/devices/tpm_check build/tests/devices/disk_aio_check: build/tests/devices/%: tests/devices/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CSTD) $(WARN) -D_GNU_SOURCE -O1 -static -o $@ $<
$(call script-test,tests/devices/evdev_test.py,build/tests/devices/evdev_check build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/devices/tpm_test.py,build/tests/devices/tpm_check build/host/bin/holon-verify build/x86_64/boot/test.bundle build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
