# Tests of scheduling and messages on the simulated machine (kernel/host).
$(foreach test,$(wildcard kernel/sched/*_test.c kernel/ipc/*_test.c kernel/boot/*_test.c), \
	$(call kernel-test,kernel_$(basename $(notdir $(test))),$(test) kernel/boot/elf.c))
$(call script-test,tests/spin/run,)
