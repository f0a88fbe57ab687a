# Interfaces: abi/NAME.interface becomes build/abi/NAME.interface.h (included by native code as "NAME.interface.h").
build/abi/%.interface.h: abi/%.interface tools/interface
	@mkdir -p $(@D)
	@tools/interface $< $@
ALL += $(INTERFACES)

GENERATED += $(addprefix build/abi/,holon/syscall_numbers.h holon/syscall_numbers.inc holon/calls.h kernel/calls.h kernel/alphabet.h kernel/work_table.h)
# The substrate's own calls: abi/substrate.interface becomes what tools/substrate lists.
substrate-file = $(eval $(1): abi/substrate.interface tools/substrate; @mkdir -p $$(@D) && tools/substrate $(2) abi/substrate.interface $$@)
$(call substrate-file,build/abi/holon/syscall_numbers.h,numbers)
$(call substrate-file,build/abi/holon/syscall_numbers.inc,assembly)
$(call substrate-file,build/abi/holon/calls.h,stubs)
$(call substrate-file,build/abi/kernel/calls.h,prototypes)
$(call substrate-file,build/abi/kernel/call_table.c,dispatch)
$(call substrate-file,build/abi/kernel/alphabet.h,alphabet)
$(call substrate-file,build/abi/kernel/work_table.h,work)
$(call substrate-file,build/docs/substrate-abi.md,page)
DOCS += build/docs/substrate-abi.md
ALL  += build/docs/substrate-abi.md
