# Debian's package manager inside, in a root by package name.
$(call script-test,tests/packages/packages_test.py,$(BUNDLE) $(BOOT_OUT)/loader.iso build/x86_64/image-parts,slow)
SOAK_TESTS += tests/packages/packages_test.py
