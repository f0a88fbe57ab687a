# Vaults inside Holon, on disks of QEMU's.
$(call script-test,tests/vault/vault_test.py,$(LINUX_TESTS) $(SYSTEM),slow)
$(call script-test,tests/vault/power_test.py,build/host/bin/holon-vdisk build/host/bin/holonfs $(SYSTEM),slow)
SOAK_TESTS += tests/vault/power_soak
