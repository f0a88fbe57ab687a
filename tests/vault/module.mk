# Vaults inside Holon, on disks of QEMU's.
VAULT_PROGRAMS := $(addprefix build/tests/vault/,attributes durable exercise links race room slow)
$(VAULT_PROGRAMS): build/tests/vault/%: tests/vault/%.c tests/linux/check.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -D_GNU_SOURCE -O1 -static -o $@ $< -lpthread
$(call script-test,tests/vault/vault_test.py,$(VAULT_PROGRAMS) $(LINUX_TESTS) $(SYSTEM),slow)
$(call script-test,tests/vault/power_test.py,build/host/bin/holon-vdisk build/host/bin/holonfs $(SYSTEM),slow)
SOAK_TESTS += tests/vault/power_soak
$(call script-test,tests/vault/programs_test.py,build/host/bin/holon-vdisk build/host/bin/holonfs $(SYSTEM),slow)
SOAK_TESTS += tests/vault/programs_test.py
$(call script-test,tests/vault/suites_test.py,build/host/bin/holonfs $(SYSTEM),slow)
SOAK_TESTS += tests/vault/suites_test.py
