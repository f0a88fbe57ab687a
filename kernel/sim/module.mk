# The generic kernel as a host library, with the simulated machine, for tests under sanitizers.
KERNEL_HOST_SOURCES := $(filter-out %_test.c %_fuzz.c kernel/base/work_check.c kernel/main.c kernel/boot/% kernel/test/% kernel/arch/%, \
	$(sort $(wildcard kernel/*.c kernel/*/*.c))) build/abi/kernel/call_table.c
KERNEL_HOST_CFLAGS  := $(KERNEL_INCLUDES) -Ikernel/sim -include kernel/sim/point.h -DKERNEL_DEBUG -fno-strict-aliasing

# NAME, SOURCE: a test of the kernel on the simulated machine.
kernel-test = $(call host-test,$(1),$(2) $(KERNEL_HOST_SOURCES),$(KERNEL_HOST_CFLAGS))

$(foreach test,$(filter-out kernel/test/% kernel/arch/%,$(wildcard kernel/*/*_test.c)), \
	$(call kernel-test,kernel_$(basename $(notdir $(test))),$(test)))
$(call script-test,tests/spin/run,)

$(call host-fuzz,kernel_calls_fuzz,kernel/sim/calls_fuzz.c $(KERNEL_HOST_SOURCES),$(KERNEL_HOST_CFLAGS))

SOAK_TESTS += build/host/test/kernel_model_test
