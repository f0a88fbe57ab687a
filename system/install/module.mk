# The installer: a Linux program, and the loader's own verification in it.
INSTALL_CORE := $(addprefix system/install/,medium.c write.c esp.c update.c) lib/partition/gpt.c lib/partition/partition.c lib/slots/installation.c lib/slots/slots.c boot/loader/bundle.c $(LOADER_TRUST_SOURCES)
INSTALL_CFLAGS := $(CSTD) $(WARN) -O2 -Iabi -Ilib -Ibuild/abi -D_GNU_SOURCE -DCRYPTO_NO_VECTOR -ffunction-sections -fdata-sections
INSTALL_SOURCES := system/install/main.c system/install/devices.c $(INSTALL_CORE) lib/crypto/cpu.c
$(call crypto-objects,guest/holon-install.d,$(INSTALL_SOURCES),$(INSTALL_CFLAGS))
$(call object-names,guest/holon-install.d,$(INSTALL_SOURCES)): | $(INTERFACES)
build/guest/holon-install: $(call object-names,guest/holon-install.d,$(INSTALL_SOURCES))
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -fuse-ld=lld -static -s -Wl,--gc-sections -o $@ $^
ALL += build/guest/holon-install
# Power cuts at its writes, and the loader's choice after them, under sanitizers.
CUT_SOURCES := system/install/cut_test.c boot/loader/installed.c $(INSTALL_CORE) lib/crypto/cpu.c
$(call crypto-objects,host/install,$(CUT_SOURCES),$(SANITIZE_CFLAGS) -O2 -D_GNU_SOURCE -DCRYPTO_NO_VECTOR)
$(call objects,host/install,build/gen/boot/development/policy.c,$(SANITIZE_CFLAGS) -I.)
build/host/install/cut_test: $(call object-names,host/install,$(CUT_SOURCES) build/gen/boot/development/policy.c)
	@echo "  LD      $@"
	@$(CC) -fuse-ld=lld $(SANITIZE_CFLAGS) -o $@ $^
# The same kernel as the test medium's, as another build of it.
$(BOOT_OUT)/next.bundle: $(BOOT_OUT)/test-kernel.elf tools/mkbundle
	@HOLON_BUILD="Holon, the next build" tools/mkbundle $@ kernel=$< system=$<
$(call script-test,system/install/cut_test,build/host/install/cut_test $(BOOT_OUT)/test.iso $(BOOT_OUT)/next.bundle)
SOAK_TESTS += system/install/cut_test
$(call script-test,system/install/install_test.py,build/holon.iso build/release/holon.iso $(BOOT_OUT)/test.bundle,slow)
SOAK_TESTS += system/install/install_test.py
