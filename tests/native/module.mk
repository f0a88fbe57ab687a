$(call native-program,tests/native/defects.elf,tests/native/defects.c)
NATIVE_OUT := build/x86_64/tests/native
$(NATIVE_OUT)/defects.bundle $(NATIVE_OUT)/defects-debug.bundle: $(NATIVE_OUT)/defects%bundle: $(KERNEL_OUT)/kernel.elf $(KERNEL_OUT)-debug/kernel.elf $(NATIVE_OUT)/defects.elf.flat tools/mkbundle
	@tools/mkbundle $@ kernel=$(KERNEL_OUT)$(if $(findstring debug,$@),-debug)/kernel.elf steward=$(NATIVE_OUT)/defects.elf.flat system=$(NATIVE_OUT)/defects.elf
$(call script-test,tests/native/run,$(NATIVE_OUT)/defects.bundle $(NATIVE_OUT)/defects-debug.bundle)
