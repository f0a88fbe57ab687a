# The latency measurement: a first unit that measures kernel paths under deterministic instruction counting.
LATENCY_OUT := build/x86_64/bench
$(call native-program,bench/latency.elf,$(addprefix bench/latency/,latency.c paths.c stretches.c calls.c measure.S),-Ilib/holon)
# KERNEL (a folder of build/x86_64): the bundle that measures it.
define latency-bundle
$(LATENCY_OUT)/latency-$(1).bundle: build/x86_64/$(1)/kernel.elf $(LATENCY_OUT)/latency.elf.flat tools/mkbundle
	@tools/mkbundle $$@ kernel=$$< steward=$(LATENCY_OUT)/latency.elf.flat system=$(LATENCY_OUT)/latency.elf
endef
$(foreach kernel,kernel kernel-timed kernel-debug kernel-mutant,$(eval $(call latency-bundle,$(kernel))))
LATENCY_BUNDLES := $(patsubst %,$(LATENCY_OUT)/latency-%.bundle,kernel kernel-timed kernel-debug kernel-mutant)

latency: $(LATENCY_BUNDLES) build/x86_64/boot/loader.iso ## Measure every kernel path in guest instructions, with worst cases
	@bench/latency/run
$(call script-test,bench/latency/check,$(LATENCY_BUNDLES),slow)
