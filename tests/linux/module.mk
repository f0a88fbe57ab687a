# Regression programs of the Linux ABI: ordinary static programs, run by the build machine's Linux and by Holon.
LINUX_TESTS := $(patsubst tests/linux/%.c,build/tests/linux/%,$(wildcard tests/linux/*_test.c))
build/tests/linux/%: tests/linux/%.c tests/linux/check.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -Wno-unused-result -O1 -static -o $@ $< -lpthread
$(call script-test,tests/linux/run,$(LINUX_TESTS) $(SYSTEM))
