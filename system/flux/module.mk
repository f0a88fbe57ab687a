# Flux: the language's compiler, machine and tools.
include system/flux/sources.mk
# In one file: it starts with a quarter of the instructions that binding shared libraries takes, and runs on Holon as it is.
$(call host-program,flux,$(FLUX_CORE) $(FLUX_TOOLS) system/flux/entry.c,$(FLUX_CFLAGS),-static-pie $(FLUX_LDLIBS))
$(call script-test,system/flux/conformance/run,build/host/bin/flux)
$(call script-test,system/flux/examples/measured_test,build/host/bin/flux)
$(call script-test,system/flux/pauses_test,build/host/bin/flux,slow)
$(call script-test,system/flux/tools_test,build/host/bin/flux,slow)
$(call script-test,system/flux/holon_test,build/host/bin/flux build/host/test/flux_differential_test $(SYSTEM),slow)
$(call script-test,system/flux/reference_test,build/host/bin/flux)
# Tests run with sanitizers; recursion of the tree walker needs more stack than they leave.
FLUX_TEST_CFLAGS := -D_GNU_SOURCE -fno-strict-aliasing
$(call host-test,flux_differential_test,$(FLUX_CORE) $(addprefix system/flux/,generate.c differential_test.c command_fmt.c),$(FLUX_TEST_CFLAGS),$(FLUX_LDLIBS))
$(call host-test,flux_mosaic_test,$(FLUX_CORE) system/flux/mosaic_test.c,$(FLUX_TEST_CFLAGS),$(FLUX_LDLIBS))
$(call host-test,flux_verify_test,$(FLUX_CORE) system/flux/verify_test.c,$(FLUX_TEST_CFLAGS),$(FLUX_LDLIBS))
$(call host-fuzz,flux_parser,$(FLUX_CORE) $(addprefix system/flux/,parser_fuzz.c command_fmt.c),$(FLUX_TEST_CFLAGS),$(FLUX_LDLIBS))
$(call host-fuzz,flux_verifier,$(FLUX_CORE) system/flux/verifier_fuzz.c system/flux/generate.c,$(FLUX_TEST_CFLAGS),$(FLUX_LDLIBS))
$(call host-fuzz,flux_trace,$(FLUX_CORE) system/flux/trace_fuzz.c,$(FLUX_TEST_CFLAGS),$(FLUX_LDLIBS))
# The same with the objects that flux is made of, without sanitizers: fast enough for a million programs.
$(call host-program,flux_differential,$(FLUX_CORE) $(addprefix system/flux/,generate.c differential_test.c command_fmt.c),$(FLUX_CFLAGS),$(FLUX_LDLIBS))
SOAK_TESTS += build/host/bin/flux_differential build/host/test/flux_differential_test system/flux/fuzz_soak
.PHONY: bench-flux
bench-flux: build/host/bin/flux ## Time Flux against Lua 5.4 and Python 3
	@bench/flux/run
	@bench/flux/pauses/run
	@d=$$(mktemp -d) && $< run bench/flux/mosaic.flux --clock --write $$d --memory 4096; s=$$?; rm -rf $$d; exit $$s
.PHONY: measure-flux
measure-flux: build/host/bin/flux ## Print what planner, mosaic and bandit gain
	@system/flux/examples/measured_test table
