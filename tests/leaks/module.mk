# Nothing may be lost by processes and sub-kernels that come and go.
build/tests/leaks: tests/leaks/leaks.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -O1 -static -o $@ $<
$(call script-test,tests/leaks/run,build/tests/leaks build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
SOAK_TESTS += tests/leaks/run
