# The whole system on many machines.
$(call script-test,tests/boot/matrix_test.py,$(BUNDLE) $(BOOT_OUT)/loader.iso build/holon.iso,slow)
SOAK_TESTS += tests/boot/matrix_test.py
