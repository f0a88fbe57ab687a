# The comparison with Linux: one static program, run by both systems in the same machine.
BENCH_SOURCES := $(addprefix bench/linux/,bench.c calls.c processes.c programs.c)
build/bench/bench: $(BENCH_SOURCES) bench/linux/bench.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CSTD) $(WARN) -O2 -static -o $@ $(BENCH_SOURCES) -lpthread
