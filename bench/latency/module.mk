# The latency measurement: a first unit that measures kernel paths under deterministic instruction counting.
LATENCY_OUT := build/x86_64/bench
$(call native-program,bench/latency.elf,$(addprefix bench/latency/,latency.c paths.c stretches.c measure.S),-Ilib/holon)
$(LATENCY_OUT)/latency.bundle: build/x86_64/kernel/kernel.elf $(LATENCY_OUT)/latency.elf.flat tools/mkbundle
	@tools/mkbundle $@ kernel=$< steward=$(LATENCY_OUT)/latency.elf.flat system=$(LATENCY_OUT)/latency.elf

latency: $(LATENCY_OUT)/latency.bundle build/x86_64/boot/loader.iso ## Measure every kernel path in guest instructions, with worst cases
	@bench/latency/run
$(call script-test,bench/latency/check,$(LATENCY_OUT)/latency.bundle,slow)
