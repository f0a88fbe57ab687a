# Included by lib/crypto/module.mk, whose lists it needs.
# The library without a C library and without vector registers: the loader's share linked and measured, all portable
# sources compiled for every target there is, and the classical algorithms linked as a native unit does.
CRYPTO_BARE_CFLAGS := $(CSTD) $(WARN) -Iabi -Ilib -ffreestanding -fno-stack-protector -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables -DCRYPTO_NO_VECTOR
CRYPTO_PORTABLE_SOURCES := $(sort $(CRYPTO_SOURCES) $(CRYPTO_LOADER_SOURCES))
CRYPTO_BARE_OUT := build/crypto-bare

# NAME, SOURCES, FLAGS: compiled, not linked.
define crypto-bare-compile
$(call objects,crypto-bare/$(1),$(2),$(CRYPTO_BARE_CFLAGS) $(3))
$(eval $(CRYPTO_BARE_OUT)/$(1).stamp: $(call object-names,crypto-bare/$(1),$(2))
	@mkdir -p $$(@D)
	@touch $$@)
endef
$(call crypto-bare-compile,aarch64,$(CRYPTO_PORTABLE_SOURCES),--target=aarch64-none-elf -Os)
$(call crypto-bare-compile,uefi,$(CRYPTO_PORTABLE_SOURCES),--target=x86_64-unknown-windows -Os -mno-stack-arg-probe -mno-red-zone -mgeneral-regs-only)
$(call crypto-bare-compile,i686,$(sort $(CRYPTO_LOADER_SOURCES)),--target=i686-unknown-none-elf -march=i686 -Oz -mno-sse -mno-mmx -fno-pic)

# The loader's share, linked for the size and run for the truth.
CRYPTO_SHARE_SOURCES := $(sort $(CRYPTO_LOADER_SOURCES)) $(addprefix lib/crypto/freestanding/,bare.c loader_share.c)
define crypto-share
$(call objects,crypto-bare/x86_64-$(1),$(CRYPTO_SHARE_SOURCES),$(CRYPTO_BARE_CFLAGS) --target=x86_64-unknown-none-elf -mgeneral-regs-only -mno-red-zone -$(1))
$(eval $(CRYPTO_BARE_OUT)/loader_share-$(1): $(call object-names,crypto-bare/x86_64-$(1),$(CRYPTO_SHARE_SOURCES))
	@echo "  LD      $$@"
	@$$(LD) -static --gc-sections -o $$@ $$(filter %.o,$$^))
endef
$(call crypto-share,O2)
$(call crypto-share,Os)

# The UEFI form of the same, without the test's program around it.
$(CRYPTO_BARE_OUT)/loader_share.efi: $(call object-names,crypto-bare/uefi,$(sort $(CRYPTO_LOADER_SOURCES))) \
		$(call object-names,crypto-bare/uefi,lib/crypto/freestanding/uefi_link.c)
	@echo "  LD      $@"
	@lld-link /nologo /subsystem:efi_application /entry:efi_main /nodefaultlib /opt:ref /out:$@ $^
$(call objects,crypto-bare/uefi,lib/crypto/freestanding/uefi_link.c,$(CRYPTO_BARE_CFLAGS) --target=x86_64-unknown-windows -Os -mno-stack-arg-probe -mno-red-zone -mgeneral-regs-only)

# A native unit's view: vector registers in user space, Debian's static archives in the order that unit_support.c asks for.
CRYPTO_UNIT_SOURCES := $(sort $(CRYPTO_SOURCES) $(CRYPTO_WRAPPER_SOURCES)) lib/crypto/unit_support.c \
	$(addprefix lib/crypto/freestanding/,bare.c unit_program.c)
$(call objects,crypto-bare/unit,$(CRYPTO_UNIT_SOURCES),$(CRYPTO_BARE_CFLAGS) --target=x86_64-linux-gnu -O2)
$(CRYPTO_BARE_OUT)/unit_program: $(call object-names,crypto-bare/unit,$(CRYPTO_UNIT_SOURCES))
	@echo "  LD      $@"
	@$(CC) -fuse-ld=lld -nostdlib -static -Wl,--gc-sections -o $@ $(filter %.o,$^) -largon2 -lsodium -lbearssl

CRYPTO_BARE_ALL := $(addprefix $(CRYPTO_BARE_OUT)/,aarch64.stamp uefi.stamp i686.stamp loader_share-O2 loader_share-Os \
	loader_share.efi unit_program)
$(call script-test,lib/crypto/freestanding/freestanding_test.py,$(CRYPTO_BARE_ALL) build/host/bin/holon-crypto)
