# The sub-kernel manager must not hang with a caller whose priority starves.
build/tests/lister: tests/inversion/lister.c abi/holon/guest_calls.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -D_GNU_SOURCE -Iabi -O1 -static -o $@ $<
$(call script-test,tests/inversion/run,build/tests/lister build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
