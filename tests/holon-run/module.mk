# holon-run on both systems.
$(call script-test,tests/holon-run/holon_run_test.py,$(BUNDLE) $(BOOT_OUT)/loader.iso build/linux/init build/linux/vmlinuz build/linux/minimal.cpio)
$(call script-test,tests/holon-run/volume_test.py,$(BUNDLE) $(BOOT_OUT)/loader.iso build/guest/volumes build/x86_64/image-parts build/linux/init build/linux/vmlinuz build/linux/minimal.cpio,slow)
