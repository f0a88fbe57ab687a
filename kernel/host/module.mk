# The generic kernel as a host library, with the simulated machine, for tests under sanitizers.
KERNEL_HOST_SOURCES := $(filter-out %_test.c %_fuzz.c kernel/bytes.c kernel/main.c kernel/boot/% kernel/test/% kernel/arch/%, \
	$(sort $(wildcard kernel/*.c kernel/*/*.c)))
KERNEL_HOST_CFLAGS  := -Ikernel/include -Ikernel/host -DKERNEL_DEBUG -fno-strict-aliasing

# NAME, SOURCE: a test of the kernel on the simulated machine.
kernel-test = $(call host-test,$(1),$(2) $(KERNEL_HOST_SOURCES),$(KERNEL_HOST_CFLAGS))

$(foreach test,$(wildcard kernel/mm/*_test.c kernel/cap/*_test.c kernel/unit/*_test.c kernel/host/*_test.c), \
	$(call kernel-test,kernel_$(basename $(notdir $(test))),$(test)))

$(call host-fuzz,kernel_calls_fuzz,kernel/host/calls_fuzz.c $(KERNEL_HOST_SOURCES),$(KERNEL_HOST_CFLAGS))

SOAK_TESTS += build/host/test/kernel_model_test
