$(call script-test,tests/system/system_test.py,$(BUNDLE) build/x86_64/boot/loader.iso,slow)
$(call script-test,tests/system/console_test.py)
$(call script-test,tests/system/keys_test.py,$(BUNDLE) build/x86_64/boot/loader.iso,slow)
SOAK_TESTS += tests/system/soak_test.py
$(call script-test,tests/system/profiles_test.py,$(BUNDLE) build/x86_64/boot/loader.iso build/x86_64/system/holdings,slow)
