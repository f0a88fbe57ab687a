# The kernel: build/x86_64/kernel/kernel.elf (with debug information), kernel.map (its symbols by address).
KERNEL_OUT     := build/x86_64/kernel
# The kernel's folders, from the top floor down: no folder calls one above it.
KERNEL_FOLDERS := call guest device ipc thread unit memory sched object quota arch base
KERNEL_INCLUDES := $(addprefix -Ikernel/,$(KERNEL_FOLDERS))
KERNEL_CFLAGS  := -target x86_64-unknown-none-elf $(CSTD) $(WARN) -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -O2 -g -fno-strict-aliasing -fno-asynchronous-unwind-tables -fomit-frame-pointer \
	-fstack-protector-strong -mstack-protector-guard=global -ffunction-sections \
	-Iabi -Ibuild/abi $(KERNEL_INCLUDES) -Ikernel/arch/x86_64 -I$(KERNEL_OUT) $(if $(KERNEL_DEBUG),-DKERNEL_DEBUG)
KERNEL_SOURCES := $(filter-out %_test.c %_fuzz.c $(if $(KERNEL_DEBUG),,%_check.c) kernel/sim/% kernel/test/% %/offsets.c, \
	$(sort $(wildcard kernel/*.c kernel/*/*.c kernel/arch/x86_64/*.c kernel/arch/x86_64/*.S))) \
	build/abi/kernel/call_table.c
KERNEL_OBJECTS := $(call object-names,x86_64/kernel/o,$(KERNEL_SOURCES))
$(call objects,x86_64/kernel/o,$(KERNEL_SOURCES),$(KERNEL_CFLAGS))
KERNEL_LDFLAGS := -T kernel/arch/x86_64/link.ld -nostdlib -z max-page-size=4096 --gc-sections --build-id=none -static

$(KERNEL_OUT)/o/kernel/arch/x86_64/entry.S.o: $(KERNEL_OUT)/kernel-offsets.h

$(KERNEL_OUT)/kernel-offsets.h: kernel/arch/x86_64/offsets.c $(wildcard kernel/*/*.h kernel/arch/x86_64/*.h abi/holon/*.h) kernel/module.mk | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  GEN     $@"
	@$(CC) $(KERNEL_CFLAGS) -S -o $(@:.h=.s) $<
	@sed -n 's/^[[:space:]]*#define/#define/p' $(@:.h=.s) > $@

# Linked twice: the first link gives the addresses that the second one's symbol table tells.
$(KERNEL_OUT)/kernel.elf: $(KERNEL_OBJECTS) kernel/arch/x86_64/link.ld tools/ksyms
	@echo "  LD      $@"
	@tools/ksyms > $(KERNEL_OUT)/ksyms-none.S
	@$(CC) -target x86_64-unknown-none-elf -c -o $(KERNEL_OUT)/ksyms-none.o $(KERNEL_OUT)/ksyms-none.S
	@$(LD) $(KERNEL_LDFLAGS) -o $(KERNEL_OUT)/kernel.first.elf $(KERNEL_OBJECTS) $(KERNEL_OUT)/ksyms-none.o
	@llvm-nm -n $(KERNEL_OUT)/kernel.first.elf > $(KERNEL_OUT)/kernel.map
	@tools/ksyms $(KERNEL_OUT)/kernel.map > $(KERNEL_OUT)/ksyms.S
	@$(CC) -target x86_64-unknown-none-elf -c -o $(KERNEL_OUT)/ksyms.o $(KERNEL_OUT)/ksyms.S
	@$(LD) $(KERNEL_LDFLAGS) -o $@ $(KERNEL_OBJECTS) $(KERNEL_OUT)/ksyms.o
	@rm -f $(KERNEL_OUT)/kernel.first.elf

ALL    += $(KERNEL_OUT)/kernel.elf
SYSTEM += $(KERNEL_OUT)/kernel.elf

# The first unit that tests the kernel on the machine, and the bundle it boots in.
$(call native-program,kernel/test/first.elf,$(wildcard kernel/test/*_test.c))
$(KERNEL_OUT)/test/kernel-test.bundle: $(KERNEL_OUT)/kernel.elf $(KERNEL_OUT)/test/first.elf.flat tools/mkbundle
	@tools/mkbundle $@ kernel=$(KERNEL_OUT)/kernel.elf steward=$(KERNEL_OUT)/test/first.elf.flat system=$(KERNEL_OUT)/test/first.elf
$(call script-test,kernel/test/boot_test,$(KERNEL_OUT)/test/kernel-test.bundle,alone)
SOAK_TESTS += kernel/test/boot_test
