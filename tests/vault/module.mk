# Vaults inside Holon, on disks of QEMU's.
build/tests/vault/attributes: tests/vault/attributes.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -D_GNU_SOURCE -O1 -static -o $@ $<
$(call script-test,tests/vault/vault_test.py,build/tests/vault/attributes $(LINUX_TESTS) $(SYSTEM),slow)
$(call script-test,tests/vault/power_test.py,build/host/bin/holon-vdisk build/host/bin/holonfs $(SYSTEM),slow)
SOAK_TESTS += tests/vault/power_soak
