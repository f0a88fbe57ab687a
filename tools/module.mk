# Root trees of Debian packages (image/packages.txt).
build/root/%.stamp: image/packages.txt tools/debs
	@tools/debs $*
$(call script-test,tools/fuzz,,slow)
SOAK_TESTS += tools/fuzz tools/fuzz-storage
$(call script-test,tools/format-check,)

# What is outside the arch folders compiles for AArch64, with its arch folders' headers; nothing is linked. Most of it is checked
# as often as it changes: make all and make test build it.
aarch64-flags = $(filter-out -mretpoline -mretpoline-external-thunk -mno-red-zone -mcmodel=kernel -mno-sse -mno-mmx -mno-stack-arg-probe, \
	$(subst arch/x86_64,arch/aarch64,$(patsubst -O%,-O0,$(subst x86_64-unknown,aarch64-unknown,$(1)))))
# CONFIG, SOURCES, FLAGS FOR X86
aarch64-check = $(call objects,aarch64/$(1),$(call aarch64-sources,$(2)),$(call aarch64-flags,$(3)))$(eval AARCH64_OBJECTS += $(call object-names,aarch64/$(1),$(call aarch64-sources,$(2))))
aarch64-sources = $(foreach source,$(filter %.c,$(2)$(1)),$(if $(findstring /arch/,$(source)),,$(source)))
AARCH64_OBJECTS :=
$(call aarch64-check,kernel,$(KERNEL_SOURCES),$(KERNEL_CFLAGS))
$(call aarch64-check,linux,$(LINUX_SOURCES),$(NATIVE_CFLAGS) $(LINUX_CFLAGS))
$(call aarch64-check,holon,$(HOLON_SOURCES),$(NATIVE_CFLAGS))
$(call aarch64-check,boot,$(UEFI_SOURCES),$(UEFI_CFLAGS))
$(AARCH64_OBJECTS): | $(INTERFACES) $(KERNEL_OBJECTS)
build/aarch64/check.stamp: $(AARCH64_OBJECTS) $(CRYPTO_BARE_OUT)/aarch64.stamp
	@touch $@
ALL += build/aarch64/check.stamp
.PHONY: check-aarch64
check-aarch64: build/aarch64/check.stamp ## Compile what is outside the arch folders of kernel, linux, lib and boot for AArch64
	@echo "ok check-aarch64: $(words $(AARCH64_OBJECTS)) sources compile"
