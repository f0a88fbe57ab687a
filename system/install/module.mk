# The installer: a Linux program, and the loader's own verification in it.
INSTALL_CORE := $(addprefix system/install/,medium.c write.c esp.c update.c) lib/partition/gpt.c lib/partition/partition.c lib/slots/slots.c boot/loader/bundle.c $(LOADER_TRUST_SOURCES)
INSTALL_CFLAGS := $(CSTD) $(WARN) -O2 -Iabi -Ilib -Ibuild/abi -D_GNU_SOURCE -DCRYPTO_NO_VECTOR -ffunction-sections -fdata-sections
INSTALL_SOURCES := system/install/main.c system/install/devices.c $(INSTALL_CORE) lib/crypto/cpu.c
$(call crypto-objects,guest/holon-install.d,$(INSTALL_SOURCES),$(INSTALL_CFLAGS))
$(call object-names,guest/holon-install.d,$(INSTALL_SOURCES)): | $(INTERFACES)
build/guest/holon-install: $(call object-names,guest/holon-install.d,$(INSTALL_SOURCES))
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -fuse-ld=lld -static -s -Wl,--gc-sections -o $@ $^
ALL += build/guest/holon-install
