# Regression programs of the Linux ABI: ordinary static programs, run by the build machine's Linux and by Holon.
LINUX_TESTS := $(patsubst tests/linux/%.c,build/tests/linux/%,$(wildcard tests/linux/*_test.c))
build/tests/linux/%: tests/linux/%.c tests/linux/check.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -Wno-unused-result -O1 -static -o $@ $< -lpthread
$(call script-test,tests/linux/run,$(LINUX_TESTS) $(SYSTEM),slow)

$(call script-test,tests/linux/exhaustion,build/tests/linux/exhaust $(SYSTEM),slow)

# The debug build of the personality in a bundle of its own, and attacks on it: a minute, ten in `make soak`.
DEBUG_BUNDLE := build/x86_64/debug.bundle
build/x86_64/debug.img: $(SYSTEM_IMAGE) build/x86_64/linux/linux-debug
	@echo "  IMAGE   $@"
	@tools/mksysimg/mksysimg --digest build/host/bin/blake3-blocks -o $@ --file image/manifest:etc/manifest \
		$(foreach part,$(patsubst linux=%,linux=build/x86_64/linux/linux-debug,$(NATIVE_PARTS)),--file $(lastword $(subst =, ,$(part))):native/$(firstword $(subst =, ,$(part)))) \
		--tree build/root/minimal:linux --file build/guest/subkernel:linux/usr/bin/subkernel --file build/guest/vault:linux/usr/bin/vault
$(DEBUG_BUNDLE): build/x86_64/debug.img $(BUNDLE)
	@echo "  BUNDLE  $@"
	@tools/mkbundle $@ $(filter-out system=%,$(BUNDLE_PARTS)) system=$<
$(call script-test,tests/linux/attack,$(DEBUG_BUNDLE) build/tests/linux/attack,slow)
SOAK_TESTS += tests/linux/attack_soak tests/linux/userfault_soak

# The same commands on both kernels, with busybox' applets and with Debian's own programs.
# root-bundle NAME: build/x86_64/NAME.bundle, whose sub-kernel has the root tree build/root/NAME.
define root-bundle
build/x86_64/$(1).img: build/root/$(1).stamp $$(SYSTEM_IMAGE)
	@echo "  IMAGE   $$@"
	@tools/mksysimg/mksysimg --digest build/host/bin/blake3-blocks -o $$@ --file image/manifest:etc/manifest \
		$$(foreach part,$$(NATIVE_PARTS),--file $$(lastword $$(subst =, ,$$(part))):native/$$(firstword $$(subst =, ,$$(part)))) \
		--tree build/root/$(1):linux --file build/guest/subkernel:linux/usr/bin/subkernel --file build/guest/vault:linux/usr/bin/vault
build/x86_64/$(1).bundle: build/x86_64/$(1).img $$(BUNDLE)
	@echo "  BUNDLE  $$@"
	@tools/mkbundle $$@ $$(filter-out system=%,$$(BUNDLE_PARTS)) system=$$<
endef
DEBIAN_BUNDLE := build/x86_64/debian.bundle
$(eval $(call root-bundle,debian))
$(call script-test,tests/linux/compare,$(SYSTEM) $(DEBIAN_BUNDLE) build/tests/linux/flags/try $(addprefix build/linux/,init vmlinuz minimal.cpio debian.cpio),slow)

# The program that tries each flag of linux/flags: the comparison runs it on both.
build/gen/linux/flags.c: linux/flags.py $(wildcard linux/flags/*.tbl)
	@mkdir -p $(@D)
	@linux/flags.py program linux/flags > $@.new && mv $@.new $@
build/tests/linux/flags/try: build/gen/linux/flags.c tests/linux/flags/try.c tests/linux/flags/try.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -Wno-unused-result -O1 -static -Itests/linux/flags -o $@ $(filter %.c,$^)

# Network programs of Debian's on a sub-kernel's stack; the same on Linux.
# Debian's players, for tests/devices/sound_test.py.
$(eval $(call root-bundle,sound))
NETWORK_BUNDLE := build/x86_64/network.bundle
$(eval $(call root-bundle,network))
$(call script-test,tests/linux/network_compare,$(SYSTEM) $(NETWORK_BUNDLE) $(addprefix build/linux/,init vmlinuz network.cpio),slow)
$(call script-test,tests/linux/inet_hostile,$(DEBUG_BUNDLE) build/tests/linux/inet_attack build/tests/linux/inet_test,slow)
$(call script-test,tests/linux/outside_test.py,$(SYSTEM) $(NETWORK_BUNDLE) $(addprefix build/linux/,init vmlinuz network.cpio),slow)

# Debian's gdb and strace, and LeakSanitizer.
TRACE_BUNDLE := build/x86_64/trace.bundle
$(eval $(call root-bundle,trace))
build/tests/linux/trace/leak: tests/linux/trace/leak.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -g -O1 -fsanitize=leak -o $@ $<
build/tests/linux/trace/subject: tests/linux/trace/subject.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -g -O0 -fno-pie -no-pie -o $@ $< -lpthread
$(call script-test,tests/linux/debuggers,$(TRACE_BUNDLE) build/tests/linux/trace/leak build/tests/linux/trace/subject,slow)
# Sandboxes of Debian's, on both systems.
$(call script-test,tests/linux/sandboxes,$(TRACE_BUNDLE) $(addprefix build/linux/,init vmlinuz trace.cpio),slow)
# Hostile tracers and tracees, on the debug build of the personality.
build/tests/linux/trace/hostile: tests/linux/trace/hostile.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -Wno-unused-result -O1 -static -o $@ $< -lpthread
$(call script-test,tests/linux/trace_attack,$(DEBUG_BUNDLE) build/tests/linux/trace/hostile,slow)
