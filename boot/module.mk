# The boot loader (BIOS stage and UEFI application), the bundle, the ISO image, and their tests.
BOOT_OUT := build/x86_64/boot
# Verification (verify.c, lib/trust, lib/crypto) is built by lib/trust/module.mk, faster and larger than the rest.
BOOT_LOADER := $(addprefix boot/loader/,acpi.c bundle.c elf.c entropy.c fwcfg.c handoff_check.c installed.c loader.c relocate.c say.c string.c tpm.c) \
	$(addprefix boot/arch/x86_64/,arch.c copy.c cpus.c kernel_tables.c machine.c paging.c serial.c speculation.c speculation_here.c tpm.c waiting.S) \
	$(addprefix boot/menu/,decoy.c decoy_screen.c memory_test.c menu.c terminal.c) lib/partition/partition.c lib/slots/installation.c lib/slots/slots.c

# The loader under the BIOS, 32-bit code in two flat binaries: a reader in low memory, and the loader at 1 MiB.
READER_SOURCES := boot/bios/entry.S boot/bios/reader.c boot/bios/disk.c boot/loader/string.c boot/arch/x86_64/copy.c
BIOS_SOURCES := boot/bios/loader.S boot/bios/bios.c boot/bios/input.c boot/bios/screen.c boot/loader/memory.c $(BOOT_LOADER)
BIOS_CFLAGS := $(CSTD) $(WARN) --target=i686-unknown-none-elf -march=i686 -mno-sse -mno-mmx -Oz -ffreestanding \
	-fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -mregparm=0 -Iabi -Ilib -Iboot/loader
$(call objects,x86_64/bios,$(READER_SOURCES) $(BIOS_SOURCES),$(BIOS_CFLAGS))

$(BOOT_OUT)/stage.elf: $(call object-names,x86_64/bios,$(READER_SOURCES)) boot/bios/stage.ld
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(LD) -m elf_i386 -T $(filter %.ld,$^) -o $@ $(filter %.o,$^)
%.bin: %.elf
	@llvm-objcopy -O binary $< $@

# The boot sector, for disks (512-byte sectors) and for CDs (2048).
$(call objects,x86_64/sector-disk,boot/bios/sector.S,--target=i686-unknown-none-elf -DSECTOR_SHIFT=9)
$(call objects,x86_64/sector-cd,boot/bios/sector.S,--target=i686-unknown-none-elf -DSECTOR_SHIFT=11)
$(BOOT_OUT)/sector-%.bin: build/x86_64/sector-%/boot/bios/sector.S.o
	@mkdir -p $(@D)
	@$(LD) -m elf_i386 --oformat=binary -Ttext=0x7c00 -e _start -o $@ $<

# The UEFI loader.
UEFI_SOURCES := boot/arch/x86_64/uefi_entry.S boot/arch/x86_64/firmware.c boot/uefi/disk.c boot/uefi/uefi.c boot/uefi/volumes.c boot/loader/memory.c $(BOOT_LOADER)
UEFI_CFLAGS := $(CSTD) $(WARN) --target=x86_64-unknown-windows -O2 -ffreestanding -fshort-wchar -mno-red-zone \
	-mno-stack-arg-probe -mno-sse -mno-mmx -fno-stack-protector -fno-asynchronous-unwind-tables -Iabi -Ilib -Iboot/loader
$(call objects,x86_64/uefi,$(UEFI_SOURCES),$(UEFI_CFLAGS))

# Keys and the loaders that trust them. Development keys are made at the first build; a release's are named by KEYS=DIR, or made
# likewise. Each loader has its root compiled in, so that none starts what the other kind's keys have signed.
KEYS ?= build/keys/release
build/keys/%/keys: | build/host/bin/holon-capsule build/host/bin/holon-crypto
	@echo "  KEYS    $(@D)"
	@tools/holon-sign create $(@D) --kind $*
ifneq ($(KEYS),build/keys/release)
$(KEYS)/keys:
	@echo "There are no keys in $(KEYS): 'tools/holon-sign create $(KEYS)' makes them." >&2; false
endif
# By which keys the release was made: with others all of it is made anew.
BOOT_STAMP_release := build/release/keys-path
$(BOOT_STAMP_release): $(call force-unless-same,$(KEYS),$(file <build/release/keys-path))
	@mkdir -p $(@D)
	@echo '$(KEYS)' > $@
BOOT_KEYS_development := build/keys/development
BOOT_KEYS_release := $(KEYS)
BOOT_PLACE_development := $(BOOT_OUT)
BOOT_PLACE_release := build/release/boot
define boot-loaders
build/gen/boot/$(1)/policy.c: $(BOOT_KEYS_$(1))/keys $(BOOT_KEYS_$(1))/list.json $(BOOT_STAMP_$(1)) tools/holon-sign
	@tools/holon-sign source $(BOOT_KEYS_$(1)) -o $$@ && touch $$@
$(BOOT_KEYS_$(1))/list.json: $(BOOT_KEYS_$(1))/keys ;
$(call objects,x86_64/bios,build/gen/boot/$(1)/policy.c,$(BIOS_CFLAGS) -I. -Ilib)
$(call objects,x86_64/uefi,build/gen/boot/$(1)/policy.c,$(UEFI_CFLAGS) -I. -Ilib)
$(BOOT_PLACE_$(1))/bios-loader.elf: $(call object-names,x86_64/bios,$(BIOS_SOURCES) build/gen/boot/$(1)/policy.c) \
		build/x86_64/bios/trust.a boot/bios/loader.ld
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$(LD) -m elf_i386 --gc-sections -T $$(filter %.ld,$$^) -o $$@ $$(filter %.o %.a,$$^)
$(BOOT_PLACE_$(1))/bootx64.efi: $(call object-names,x86_64/uefi,$(UEFI_SOURCES) build/gen/boot/$(1)/policy.c) build/x86_64/uefi/trust.a
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@lld-link /nologo /subsystem:efi_application /entry:efi_main /nodefaultlib /opt:ref /timestamp:1767225600 /out:$$@ $$^
$(BOOT_KEYS_$(1))/secure-boot.crt: | $(BOOT_KEYS_$(1))/keys
	@tools/holon-sign secure-boot $(BOOT_KEYS_$(1))
$(BOOT_PLACE_$(1))/signed.efi: $(BOOT_PLACE_$(1))/bootx64.efi $(BOOT_KEYS_$(1))/secure-boot.crt $(BOOT_STAMP_$(1))
	@tools/holon-sign secure-boot $(BOOT_KEYS_$(1)) --efi $$< -o $$@
endef
$(foreach kind,development release,$(eval $(call boot-loaders,$(kind))))
# What packs a bundle signs it.
tools/mkbundle: | build/host/bin/holon-capsule build/keys/development/keys

# Media: the loader alone (holon-run gives it the bundle), and holon.iso with everything.
boot-parts = $(addprefix $(BOOT_OUT)/,stage.bin sector-disk.bin sector-cd.bin) $(addprefix $(1)/,bios-loader.bin signed.efi) $(2)/secure-boot.crt boot/uefi/README.TXT
mkiso = tools/mkiso --stage $(BOOT_OUT)/stage.bin --bios-loader $(1)/bios-loader.bin --sector-disk $(BOOT_OUT)/sector-disk.bin \
	--sector-cd $(BOOT_OUT)/sector-cd.bin --efi $(1)/signed.efi --certificate $(2)/secure-boot.cer --readme boot/uefi/README.TXT
BOOT_PARTS := $(call boot-parts,$(BOOT_OUT),$(BOOT_KEYS_development))
MKISO = $(call mkiso,$(BOOT_OUT),$(BOOT_KEYS_development))
$(BOOT_OUT)/loader.iso: $(BOOT_PARTS) tools/mkiso
	@echo "  ISO     $@"
	@$(MKISO) $@

# The loader's test kernel.
LOADER_TEST_SOURCES := boot/test/entry.S boot/test/kernel.c boot/loader/handoff_check.c boot/loader/string.c boot/arch/x86_64/copy.c
LOADER_TEST_CFLAGS := $(CSTD) $(WARN) --target=x86_64-unknown-none-elf -O2 -ffreestanding -fno-pic -mcmodel=kernel \
	-mno-sse -mno-mmx -mno-red-zone -fno-stack-protector -fno-asynchronous-unwind-tables -Iabi
$(call objects,x86_64/loader-test,$(LOADER_TEST_SOURCES),$(LOADER_TEST_CFLAGS))
$(BOOT_OUT)/test-kernel.elf: $(call object-names,x86_64/loader-test,$(LOADER_TEST_SOURCES)) boot/test/kernel.ld tools/relocations
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(LD) -z max-page-size=4096 -T boot/test/kernel.ld --emit-relocs -o $@.first $(filter %.o,$^)
	@tools/relocations $@.first > $@.S
	@$(CC) -target x86_64-unknown-none-elf -c -o $@.o $@.S
	@$(LD) -z max-page-size=4096 -T boot/test/kernel.ld -o $@ $(filter %.o,$^) $@.o
	@rm -f $@.first
$(BOOT_OUT)/test.bundle: $(BOOT_OUT)/test-kernel.elf tools/mkbundle
	@tools/mkbundle $@ kernel=$< system=$<
$(BOOT_OUT)/test.iso: $(BOOT_PARTS) $(BOOT_OUT)/test.bundle tools/mkiso
	@echo "  ISO     $@"
	@$(MKISO) --bundle $(BOOT_OUT)/test.bundle $@

# The bundle: what the loader reads. Parts are NAME=FILE; each file is made by its own folder's rules.
BUNDLE := build/x86_64/holon.bundle
BUNDLE_PARTS := kernel=build/x86_64/kernel/kernel.elf steward=build/x86_64/base/steward.flat system=build/x86_64/system.img
$(BUNDLE): $(foreach part,$(BUNDLE_PARTS),$(lastword $(subst =, ,$(part)))) tools/mkbundle
	@echo "  BUNDLE  $@"
	@tools/mkbundle $@ $(BUNDLE_PARTS)
# With DECOY=1, or DECOY=FILE, a medium's loader shows the menu of that configuration, which is a signed part like the others.
DECOY ?=
DECOY_FILE := $(if $(DECOY),$(if $(filter 1,$(DECOY)),image/decoy,$(DECOY)))
DECOY_PART := $(if $(DECOY_FILE),decoy=$(DECOY_FILE))
DECOY_STAMP := build/x86_64/decoy-path
$(DECOY_STAMP): $(call force-unless-same,$(DECOY_FILE),$(file <build/x86_64/decoy-path))
	@mkdir -p $(@D)
	@echo '$(DECOY_FILE)' > $@
$(call host-program,decoy-check,boot/menu/decoy_check.c boot/menu/decoy.c)
build/x86_64/decoy-checked: build/host/bin/decoy-check $(DECOY_STAMP) $(DECOY_FILE)
	@$(if $(DECOY_FILE),$< $(DECOY_FILE))
	@touch $@
build/x86_64/iso.bundle: $(BUNDLE) build/x86_64/decoy-checked
	@$(if $(DECOY_FILE),tools/mkbundle $@ $(BUNDLE_PARTS) $(DECOY_PART),cp $(BUNDLE) $@)
build/holon.iso: $(BOOT_PARTS) build/x86_64/iso.bundle tools/mkiso
	@echo "  ISO     $@"
	@$(MKISO) --bundle build/x86_64/iso.bundle $@

# The release: the same system, signed by release keys, with a loader that trusts these alone.
build/release/holon.bundle: $(foreach part,$(BUNDLE_PARTS),$(lastword $(subst =, ,$(part)))) tools/mkbundle image/release-words $(KEYS)/keys $(BOOT_STAMP_release) build/x86_64/decoy-checked
	@mkdir -p $(@D)
	@echo "  BUNDLE  $@"
	@tools/mkbundle --keys $(KEYS) $@ $(BUNDLE_PARTS) cmdline=image/release-words $(DECOY_PART)
build/release/holon.iso: $(call boot-parts,build/release/boot,$(KEYS)) build/release/holon.bundle build/licences/packages tools/mkiso
	@echo "  ISO     $@"
	@$(call mkiso,build/release/boot,$(KEYS)) --licences build/licences --bundle build/release/holon.bundle $@
.PHONY: release
release: build/release/holon.iso ## Build build/release/holon.iso: signed, without development overrides (KEYS=DIR: by these keys)

SOAK_TESTS += tools/verify-build
.PHONY: verify-build
verify-build: ## Build the release twice, in two folders, and compare (KEYS=DIR: by these keys)
	@KEYS=$(if $(filter command line environment,$(origin KEYS)),$(KEYS)) CC="$(CC)" tools/verify-build

.PHONY: bench-verify
bench-verify: $(BUNDLE) $(BOOT_OUT)/loader.iso ## What verification costs at boot, under BIOS and UEFI
	@boot/test/verify_cost.py

iso: build/holon.iso ## Build build/holon.iso: boots from CD or USB stick, under BIOS and UEFI (DECOY=1: behind a decoy menu)
debug: $(BUNDLE) $(BOOT_OUT)/loader.iso ## Boot stopped at power-on, with gdb on the kernel
	@tools/debug

SYSTEM += $(BUNDLE) $(BOOT_OUT)/loader.iso
ALL += $(BUNDLE) build/holon.iso $(BOOT_OUT)/loader.iso $(BOOT_OUT)/test.iso

# Tests on the build machine.
BOOT_HOST := $(addprefix boot/loader/,bundle.c elf.c handoff_check.c memory.c relocate.c)
$(call host-test,loader_test,boot/loader/loader_test.c boot/arch/x86_64/paging.c boot/arch/x86_64/kernel_tables.c $(BOOT_HOST))
$(call host-fuzz,loader_fuzz,boot/loader/loader_fuzz.c boot/loader/acpi.c $(BOOT_HOST))
$(call host-test,decoy_test,boot/menu/decoy_test.c boot/menu/decoy.c boot/menu/memory_test.c)
$(call host-fuzz,menu_fuzz,$(addprefix boot/menu/,menu_fuzz.c decoy.c decoy_screen.c memory_test.c menu.c terminal.c) boot/loader/say.c \
	boot/loader/bundle.c lib/sysimg/sysimg.c,,build/host/lib/libholon-crypto-sanitized.a)
build/host/fuzz/menu_fuzz: build/host/lib/libholon-crypto-sanitized.a
build/host/fuzz/menu_fuzz.seeds: image/decoy
	@mkdir -p $@
	@(printf '\000'; cat image/decoy; printf '\000c ls\nmenu\n\033e\030') > $@/decoy
	@(printf '\003no image\000'; printf '\033[B\033[B\n') > $@/own
	@touch $@
ALL += build/host/fuzz/menu_fuzz.seeds
$(call host-test,speculation_test,boot/arch/x86_64/speculation_test.c boot/arch/x86_64/speculation.c)
$(call host-test,acpi,boot/loader/acpi_test.c boot/loader/acpi.c)
# Seeds: one input for each kind of thing, its number before it.
build/host/fuzz/loader_fuzz.seeds: $(BOOT_OUT)/test.bundle $(BOOT_OUT)/test-kernel.elf
	@mkdir -p $@
	@(printf '\000'; head -c 20000 $(BOOT_OUT)/test.bundle) > $@/bundle
	@(printf '\001'; cat $(BOOT_OUT)/test-kernel.elf) > $@/elf
	@touch $@
ALL += build/host/fuzz/loader_fuzz.seeds
# A kernel that is linked elsewhere, and the one that the loader moved there, are the same.
$(call host-program,relocate_check,boot/test/relocate_check.c boot/loader/elf.c boot/loader/relocate.c,-Iboot/loader)
$(BOOT_OUT)/moved-%.elf: build/x86_64/%/kernel.elf
	@mkdir -p $(@D)
	@sed 's/0xffffffff80000000/0xffffffffa5b43000/; s/0xffff800000000000/0xffffe4c2c0000000/' kernel/arch/x86_64/link.ld > $@.ld
	@$(LD) $(subst kernel/arch/x86_64/link.ld,$@.ld,$(KERNEL_LDFLAGS)) $(if $(filter kernel-debug,$*),$(KERNEL_DEBUG_WRAPS)) -o $@ \
		$(call object-names,x86_64/$*/o,$(if $(filter kernel-debug,$*),$(KERNEL_ALL),$(KERNEL_SOURCES))) build/x86_64/$*/ksyms.o
$(call script-test,boot/test/relocate_test,build/host/bin/relocate_check $(BOOT_OUT)/moved-kernel.elf $(BOOT_OUT)/moved-kernel-debug.elf)
$(call script-test,boot/test/boot_test.py,$(BOOT_OUT)/loader.iso $(BOOT_OUT)/test.iso,slow)
SOAK_TESTS += boot/test/boot_test.py
ALL += $(BOOT_OUT)/test.bundle build/host/bin/holon-crypto
SOAK_TESTS += boot/test/menu_test.py
$(call script-test,boot/test/trust_test.py,$(BUNDLE) $(BOOT_OUT)/loader.iso $(BOOT_OUT)/test.bundle build/release/holon.iso,slow)
SOAK_TESTS += boot/test/trust_test.py
$(call script-test,boot/test/secure_boot_test.py,$(BOOT_PARTS) $(BOOT_OUT)/test.bundle build/release/holon.iso,slow)
SOAK_TESTS += boot/test/secure_boot_test.py
$(call script-test,boot/test/entropy_test.py,$(BUNDLE) $(BOOT_OUT)/loader.iso,slow)
SOAK_TESTS += boot/test/entropy_test.py
