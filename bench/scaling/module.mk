# How calls of one sub-kernel scale with processors: `build/bench/scaling WORKERS MILLISECONDS [ROW]`, run by hand on both systems
# (tools/holon-run --add build/bench/scaling:/scaling [--linux] --cpus N -- /scaling N 400).
build/bench/scaling: bench/scaling/scaling.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CSTD) $(WARN) -O2 -static -o $@ $<
ALL += build/bench/scaling
bench-scaling: build/bench/scaling $(BUNDLE) build/x86_64/boot/loader.iso ## Measure how calls scale with processors, beside Linux
	@bench/scaling/run
.PHONY: bench-scaling
