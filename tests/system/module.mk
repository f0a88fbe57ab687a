$(call script-test,tests/system/system_test.py,$(BUNDLE) build/x86_64/boot/loader.iso,alone slow)
$(call script-test,tests/system/console_test.py)
SOAK_TESTS += tests/system/soak_test.py
