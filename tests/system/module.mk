$(call script-test,tests/system/system_test.py,$(BUNDLE) build/x86_64/boot/loader.iso)
SOAK_TESTS += tests/system/soak_test.py
