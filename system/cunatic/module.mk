# Cunatic, the agent written in Flux, and the gate that it cannot reach.
include system/flux/sources.mk
CUNATIC_SOURCES := $(addprefix system/cunatic/,main.c gate.c judge.c sandbox.c versions.c hacks.c agent.c)
$(call host-program,cunatic,$(FLUX_CORE) $(CUNATIC_SOURCES),$(FLUX_CFLAGS),$(CRYPTO_LIB) $(CRYPTO_LDLIBS) $(FLUX_LDLIBS))
build/host/bin/cunatic: $(CRYPTO_LIB)
CUNATIC_TEXTS := $(addprefix system/cunatic/,agent.flux policy.flux duties.flux ask.flux)
$(call host-object-names,bin,$(FLUX_CFLAGS),system/cunatic/main.c system/cunatic/agent.c): $(CUNATIC_TEXTS)
$(call script-test,system/cunatic/cunatic_test,build/host/bin/cunatic)
SOAK_TESTS += system/cunatic/cunatic_test

# The same program as one file, for the system image.
build/guest/cunatic: build/host/bin/cunatic
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -fuse-ld=lld -static -s -Wl,--gc-sections -o $@ $(call host-object-names,bin,$(FLUX_CFLAGS),$(FLUX_CORE) $(CUNATIC_SOURCES)) \
		$(CRYPTO_LIB) $(CRYPTO_LDLIBS) $(FLUX_LDLIBS)
