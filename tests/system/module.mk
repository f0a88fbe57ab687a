# An ordinary static program that makes Holon's reserved calls.
build/tests/system/withdraw_check: tests/system/withdraw_check.c system/subkernel/libholon.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CSTD) $(WARN) -D_GNU_SOURCE -Iabi -Isystem/subkernel -O1 -static -o $@ $< -lpthread
$(call script-test,tests/system/system_test.py,$(BUNDLE) build/x86_64/boot/loader.iso build/tests/system/withdraw_check,slow)
$(call script-test,tests/system/console_test.py)
$(call script-test,tests/system/keys_test.py,$(BUNDLE) build/x86_64/boot/loader.iso,slow)
SOAK_TESTS += tests/system/soak_test.py
$(call script-test,tests/system/profiles_test.py,$(BUNDLE) build/x86_64/boot/loader.iso build/x86_64/system/holdings,slow)
$(call script-test,tests/system/switches_test.py,build/x86_64/kernel/kernel.elf build/x86_64/holon.bundle build/x86_64/boot/loader.iso)
