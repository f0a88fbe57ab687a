# Vaults inside Holon, on disks of QEMU's.
$(call script-test,tests/vault/vault_test.py,$(LINUX_TESTS) $(SYSTEM),slow)
