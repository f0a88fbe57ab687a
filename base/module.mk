# Base services: one folder a service.
NATIVE_BLAKE3 := lib/crypto/util.c lib/crypto/cpu.c lib/crypto/blake3.c
$(call native-program,base/vfs,base/vfs/vfs.c lib/sysimg/sysimg.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR)

# Entropy: the pool is portable.
$(call native-program,base/entropy,base/entropy/entropy.c base/entropy/pool.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR)
$(call host-test,entropy-pool,base/entropy/pool_test.c base/entropy/pool.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR -Ilib/holon -Ibase/entropy)

# Sound: adding streams is portable.
$(call native-program,base/mixer,base/mixer/mixer.c base/mixer/card.c base/mixer/streams.c)

# The screen's font is one file of Debian's console-setup-linux.
CONSOLE_FONT := build/gen/base/console/font.c
CONSOLE_SOURCES := $(filter-out %_test.c %_fuzz.c,$(wildcard base/console/*.c)) $(CONSOLE_FONT)
build/gen/base/console/font.psf.gz: tools/debs
	@mkdir -p $(@D)
	@tools/debs --file console-setup-linux '/usr/share/consolefonts/Uni2-Terminus16.psf.gz' $@
	@touch $@
$(CONSOLE_FONT): build/gen/base/console/font.psf.gz base/console/make-font
	@echo "  FONT    $@"
	@base/console/make-font $< $@
$(call native-program,base/console,$(CONSOLE_SOURCES) lib/input/input_queue.c,-Ibase/console)

# The machine's steward, and that of a native tree.
STEWARD_COMMON := base/steward/supervise.c lib/manifest/manifest.c lib/sysimg/sysimg.c $(NATIVE_BLAKE3)
$(call native-program,base/steward,base/steward/steward.c base/steward/pins.c base/steward/trial.c $(STEWARD_COMMON),-DCRYPTO_NO_VECTOR -fdirect-access-external-data)
$(call native-program,base/tree,base/steward/tree.c $(STEWARD_COMMON),-DCRYPTO_NO_VECTOR -fdirect-access-external-data)
# The switch: what decides is portable, and tested on the host.
SWITCH_CORE := $(addprefix base/switch/,core.c links.c outside.c outside6.c outside6_lease.c inside.c inside6.c names.c flows.c fragments.c bridge.c dns.c dhcp.c packet.c address.c) lib/net/dhcp6.c
$(call native-program,base/switch,$(SWITCH_CORE) $(addprefix base/switch/,switch.c port.c uplink.c) lib/link/link_ring.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR -Ilib/net/freestanding)

# Devices: ACPI and PCI parsers also run on the host.
$(call native-program,base/devmgr,$(filter-out %_test.c %_fuzz.c,$(wildcard base/devmgr/*.c)) lib/sysimg/sysimg.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR)

# The screen, the keyboard and their terminal, on the machine.
$(call script-test,base/console/screen_test.py,build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
$(call script-test,base/console/line_test.py,build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
CONSOLE_PORTABLE := $(addprefix base/console/,terminal.c control_sequence.c grid.c screen.c keyboard.c control.c mouse.c) $(CONSOLE_FONT)
$(call host-test,console-terminal,base/console/terminal_test.c $(CONSOLE_PORTABLE),-Ilib/holon -Ibase/console)
$(call host-fuzz,console-terminal,base/console/terminal_fuzz.c $(CONSOLE_PORTABLE),-Ilib/holon -Ibase/console)
# Services that are killed while the system runs.
$(call script-test,base/steward/supervision_test.py,build/x86_64/holon.bundle build/x86_64/boot/loader.iso)
$(call host-test,manifest,lib/manifest/manifest_test.c lib/manifest/manifest.c,-Ilib/holon)
$(call host-fuzz,manifest,lib/manifest/manifest_fuzz.c lib/manifest/manifest.c,-Ilib/holon)
$(call script-test,base/switch/switch_test.py,build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
SOAK_TESTS += base/switch/switch_test.py
$(call host-test,switch-core,base/switch/core_test.c base/switch/core_world.c $(SWITCH_CORE),-Ilib/holon -Ibase/switch)
$(call host-test,switch-bridge,base/switch/bridge_test.c base/switch/core_world.c $(SWITCH_CORE),-Ilib/holon -Ibase/switch)
$(call host-test,switch-fragments,base/switch/fragments_test.c base/switch/core_world.c $(SWITCH_CORE),-Ilib/holon -Ibase/switch)
$(call host-test,switch-core6,base/switch/core6_test.c base/switch/core_world.c $(SWITCH_CORE),-Ilib/holon -Ibase/switch)
$(call host-test,switch-lease,base/switch/lease_test.c base/switch/core_world.c $(SWITCH_CORE),-Ilib/holon -Ibase/switch)
$(call host-fuzz,switch-core,base/switch/core_fuzz.c $(SWITCH_CORE),-Ilib/holon -Ibase/switch)
$(call host-test,devmgr-tables,base/devmgr/tables_test.c base/devmgr/acpi.c base/devmgr/pci.c,-Ilib/holon)
$(call host-test,devmgr-slot,base/devmgr/slot_test.c base/devmgr/slot.c base/devmgr/pci.c,-Ilib/holon)
$(call host-test,devmgr-hotplug,base/devmgr/hotplug_test.c base/devmgr/hotplug.c base/devmgr/slot.c base/devmgr/pci.c,-DHOLON_FAKE_KERNEL -Ilib/holon -Ilib -Ibuild/abi)
$(call host-fuzz,devmgr-tables,base/devmgr/tables_fuzz.c base/devmgr/acpi.c base/devmgr/pci.c base/devmgr/slot.c,-Ilib/holon)
$(call host-test,mixer-streams,base/mixer/streams_test.c base/mixer/streams.c,-Ilib/holon -Ibase/mixer)
# A system whose confirmation asks no disk, and ends well no earlier than 30 seconds after the machine's start.
build/x86_64/test/trial.bundle: build/x86_64/holon.bundle image/manifest base/module.mk
	@mkdir -p $(@D)
	@sed 's/command holon-install confirm .*/command late/' image/manifest > $@.manifest
	@printf '#!/bin/sh\nsleep 2\nread up rest </proc/uptime\n[ "$${up%%%%.*}" -ge 30 ]\n' > $@.late && chmod +x $@.late
	@tools/mksysimg/mksysimg --digest build/host/bin/blake3-blocks -o $@.img --file $@.manifest:etc/manifest --file $@.late:linux/usr/bin/late \
		$(foreach part,$(NATIVE_PARTS),--file $(lastword $(subst =, ,$(part))):native/$(firstword $(subst =, ,$(part)))) \
		--tree build/root/minimal:linux \
		$(foreach part,$(GUEST_PARTS),--file $(lastword $(subst =, ,$(part))):linux/$(firstword $(subst =, ,$(part))))
	@tools/mkbundle $@ $(filter-out system=%,$(BUNDLE_PARTS)) system=$@.img
$(call script-test,base/steward/trial_test.py,build/x86_64/test/trial.bundle build/x86_64/holon.bundle build/x86_64/boot/loader.iso,slow)
