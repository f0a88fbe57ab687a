# The comparison with Linux: one static program, run by both systems in the same machine. Holon's copy is also part of the
# system image of the benchmark's bundle, because nested sub-kernels see that image only.
BENCH_SOURCES := $(addprefix bench/linux/,bench.c calls.c processes.c network.c programs.c)
build/bench/bench: $(BENCH_SOURCES) bench/linux/bench.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CSTD) $(WARN) -O2 -static -o $@ $(BENCH_SOURCES) -lpthread

build/bench/bench.bundle: build/bench/bench build/x86_64/holon.bundle
	@echo "  BUNDLE  $@"
	@tools/mksysimg/mksysimg --digest build/host/bin/blake3-blocks -o build/bench/system.img --file image/manifest:etc/manifest \
		$(foreach part,$(NATIVE_PARTS),--file $(lastword $(subst =, ,$(part))):native/$(firstword $(subst =, ,$(part)))) \
		--tree build/root/$(HOLON_ROOT):linux --file build/guest/subkernel:linux/usr/bin/subkernel \
		--file build/bench/bench:linux/usr/bin/holon-bench
	@tools/mkbundle $@ kernel=build/x86_64/kernel/kernel.elf steward=build/x86_64/base/steward.flat system=build/bench/system.img

bench: build/bench/bench.bundle build/x86_64/boot/loader.iso build/linux/init build/linux/vmlinuz build/linux/minimal.cpio ## Compare with Linux: the same program on both (bench/run --help)
	@bench/run --write
$(call script-test,bench/check,build/bench/bench.bundle build/x86_64/boot/loader.iso,slow)
