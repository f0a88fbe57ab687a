# The kernel: build/x86_64/kernel/kernel.elf (with debug information), kernel.map (its symbols by address).
KERNEL_OUT     := build/x86_64/kernel
# The kernel's folders, from the top floor down: no folder calls one above it.
KERNEL_FOLDERS := call guest device thread unit memory ipc arch sched object quota base
KERNEL_INCLUDES := $(addprefix -Ikernel/,$(KERNEL_FOLDERS))
# Two more kernels from the same sources: `debug` checks its invariants and counts its work (base/work_check.c), `timed` times it, for
# `make latency`.
# Handlers of one kind have one form, whether or not each of them uses all of its parameters.
KERNEL_CFLAGS  := -target x86_64-unknown-none-elf $(CSTD) $(WARN) -Wno-unused-parameter -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -mretpoline -mretpoline-external-thunk -O2 -g -fno-strict-aliasing -fno-asynchronous-unwind-tables -fomit-frame-pointer \
	-fstack-protector-strong -mstack-protector-guard=global -ffunction-sections \
	-Iabi -Ibuild/abi $(KERNEL_INCLUDES) -Ikernel/arch/x86_64
KERNEL_ALL     := $(filter-out %_test.c %_fuzz.c kernel/sim/% kernel/test/% %/offsets.c, \
	$(sort $(wildcard kernel/*.c kernel/*/*.c kernel/arch/x86_64/*.c kernel/arch/x86_64/*.S))) \
	build/abi/kernel/call_table.c
KERNEL_SOURCES := $(filter-out %_check.c %_check.S,$(KERNEL_ALL))
KERNEL_OBJECTS := $(call object-names,x86_64/kernel/o,$(KERNEL_SOURCES))
KERNEL_LDFLAGS := -T kernel/arch/x86_64/link.ld -nostdlib -z max-page-size=4096 --gc-sections --build-id=none -static
KERNEL_TIMED_WRAPS := $(addprefix --wrap=,sched_choose kernel_syscall kernel_page_fault kernel_exception kernel_interrupt_timer \
	kernel_interrupt_ipi kernel_interrupt_irq frame_zero_one preemption_pending sys_system_control)
KERNEL_DEBUG_WRAPS := $(KERNEL_TIMED_WRAPS) $(addprefix --wrap=,lock_wait cpu_await flush_all thread_await_cpu memcpy memset)
# What runs before GS names the CPU cannot count, nor can what counts and checks: none of it has a loop on a path of the kernel.
KERNEL_UNCOUNTED   := $(addprefix kernel/arch/x86_64/,boot.c cpu.c smp.c) $(filter %_check.c,$(KERNEL_ALL))
KERNEL_COUNT       := -fsanitize-coverage=trace-pc,no-prune -fno-unroll-loops

# VARIANT (empty, or with its hyphen before it), CFLAGS, OBJECTS, LINKER FLAGS. Linked three times: the first link gives the addresses that
# the second one's symbol table tells, the second the places that the loader relocates, which the third has in a part that is not loaded.
define kernel-build
$(KERNEL_OUT)$(1)/o/kernel/arch/x86_64/entry.S.o $(KERNEL_OUT)$(1)/o/kernel/arch/x86_64/work_check.S.o: $(KERNEL_OUT)$(1)/kernel-offsets.h

$(KERNEL_OUT)$(1)/kernel-offsets.h: kernel/arch/x86_64/offsets.c $(wildcard kernel/*/*.h kernel/arch/x86_64/*.h abi/holon/*.h) kernel/module.mk | $(GENERATED)
	@mkdir -p $$(@D)
	@echo "  GEN     $$@"
	@$$(CC) $(KERNEL_CFLAGS) $(2) -S -o $$(@:.h=.s) $$<
	@sed -n 's/^[[:space:]]*#define/#define/p' $$(@:.h=.s) > $$@

$(KERNEL_OUT)$(1)/kernel.elf: $(3) kernel/arch/x86_64/link.ld tools/ksyms tools/relocations kernel/module.mk
	@echo "  LD      $$@"
	@tools/ksyms > $$(@D)/ksyms-none.S
	@$$(CC) -target x86_64-unknown-none-elf -c -o $$(@D)/ksyms-none.o $$(@D)/ksyms-none.S
	@$$(LD) $(KERNEL_LDFLAGS) $(4) -o $$(@D)/kernel.first.elf $$(filter %.o,$$^) $$(@D)/ksyms-none.o
	@llvm-nm -n $$(@D)/kernel.first.elf > $$(@D)/kernel.map
	@tools/ksyms $$(@D)/kernel.map > $$(@D)/ksyms.S
	@$$(CC) -target x86_64-unknown-none-elf -c -o $$(@D)/ksyms.o $$(@D)/ksyms.S
	@$$(LD) $(KERNEL_LDFLAGS) $(4) --emit-relocs -o $$(@D)/kernel.second.elf $$(filter %.o,$$^) $$(@D)/ksyms.o
	@tools/relocations $$(@D)/kernel.second.elf > $$(@D)/relocations.S
	@$$(CC) -target x86_64-unknown-none-elf -c -o $$(@D)/relocations.o $$(@D)/relocations.S
	@$$(LD) $(KERNEL_LDFLAGS) $(4) -o $$@ $$(filter %.o,$$^) $$(@D)/ksyms.o $$(@D)/relocations.o
	@rm -f $$(@D)/kernel.first.elf $$(@D)/kernel.second.elf
endef
$(call objects,x86_64/kernel/o,$(KERNEL_SOURCES),$(KERNEL_CFLAGS) -I$(KERNEL_OUT))
$(call objects,x86_64/kernel-timed/o,$(KERNEL_SOURCES) kernel/base/work_check.c,$(KERNEL_CFLAGS) -DKERNEL_TIMED -I$(KERNEL_OUT)-timed)
$(call objects,x86_64/kernel-debug/o,$(filter-out $(KERNEL_UNCOUNTED),$(KERNEL_ALL)),$(KERNEL_CFLAGS) -DKERNEL_DEBUG $(KERNEL_COUNT) -I$(KERNEL_OUT)-debug)
$(call objects,x86_64/kernel-debug/o,$(KERNEL_UNCOUNTED),$(KERNEL_CFLAGS) -DKERNEL_DEBUG -Dmemcpy=__real_memcpy -Dmemset=__real_memset -I$(KERNEL_OUT)-debug)
$(eval $(call kernel-build,,,$(KERNEL_OBJECTS),))
$(eval $(call kernel-build,-timed,-DKERNEL_TIMED,$(call object-names,x86_64/kernel-timed/o,$(KERNEL_SOURCES) kernel/base/work_check.c),$(KERNEL_TIMED_WRAPS)))
$(eval $(call kernel-build,-debug,-DKERNEL_DEBUG,$(call object-names,x86_64/kernel-debug/o,$(KERNEL_ALL)),$(KERNEL_DEBUG_WRAPS)))
# One in which a file's loops are not counted: `make latency` must notice.
KERNEL_MUTATED := kernel/memory/radix.c
$(call objects,x86_64/kernel-mutant/o,$(KERNEL_MUTATED),$(KERNEL_CFLAGS) -DKERNEL_DEBUG -I$(KERNEL_OUT)-debug)
$(eval $(call kernel-build,-mutant,-DKERNEL_DEBUG,$(call object-names,x86_64/kernel-debug/o,$(filter-out $(KERNEL_MUTATED),$(KERNEL_ALL))) \
	$(call object-names,x86_64/kernel-mutant/o,$(KERNEL_MUTATED)),$(KERNEL_DEBUG_WRAPS)))

ALL    += $(KERNEL_OUT)/kernel.elf
SYSTEM += $(KERNEL_OUT)/kernel.elf

# The first unit that tests the kernel on the machine, and the bundle it boots in.
$(call native-program,kernel/test/first.elf,$(wildcard kernel/test/*_test.c))
kernel-bundle = tools/mkbundle $@ kernel=$(1)/kernel.elf steward=$(KERNEL_OUT)/test/first.elf.flat system=$(KERNEL_OUT)/test/first.elf
$(KERNEL_OUT)/test/kernel-test.bundle: $(KERNEL_OUT)/kernel.elf $(KERNEL_OUT)/test/first.elf.flat tools/mkbundle
	@$(call kernel-bundle,$(KERNEL_OUT))
$(KERNEL_OUT)/test/kernel-test-debug.bundle: $(KERNEL_OUT)-debug/kernel.elf $(KERNEL_OUT)/test/first.elf.flat tools/mkbundle
	@$(call kernel-bundle,$(KERNEL_OUT)-debug)
$(call script-test,kernel/test/boot_test,$(addprefix $(KERNEL_OUT)/test/,kernel-test.bundle kernel-test-debug.bundle),slow)
SOAK_TESTS += kernel/test/boot_test
