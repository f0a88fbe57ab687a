# Cunatic, the agent written in Flux, and the gate that it cannot reach.
include system/flux/sources.mk
CUNATIC_SOURCES := $(addprefix system/cunatic/,main.c gate.c judge.c sandbox.c versions.c hacks.c agent.c)
$(call host-program,cunatic,$(FLUX_CORE) $(CUNATIC_SOURCES) system/cunatic/entry.c,$(FLUX_CFLAGS),-static-pie $(CRYPTO_LIB) $(CRYPTO_LDLIBS) $(FLUX_LDLIBS))
build/host/bin/cunatic: $(CRYPTO_LIB)
CUNATIC_TEXTS := $(addprefix system/cunatic/,agent.flux policy.flux duties.flux ask.flux)
$(call host-object-names,bin,$(FLUX_CFLAGS),system/cunatic/main.c system/cunatic/agent.c): $(CUNATIC_TEXTS)
$(call script-test,system/cunatic/cunatic_test,build/host/bin/cunatic)
SOAK_TESTS += system/cunatic/cunatic_test

# Both programs in one file, for the system image.
FLUX_BOTH := $(FLUX_CORE) $(FLUX_TOOLS) $(CUNATIC_SOURCES) system/cunatic/entry_both.c
$(call objects,$(call host-config,bin,$(FLUX_CFLAGS)),system/cunatic/entry_both.c,$(HOST_CFLAGS) $(FLUX_CFLAGS))
build/guest/flux: $(call host-object-names,bin,$(FLUX_CFLAGS),$(FLUX_BOTH)) $(CRYPTO_LIB)
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -fuse-ld=lld -static-pie -s -Wl,--gc-sections -o $@ $^ $(CRYPTO_LDLIBS) $(FLUX_LDLIBS)
ALL += build/guest/flux
