# Memory and disks after a session.
$(call script-test,tests/zero-state/zero_state_test.py,$(SYSTEM) build/release/holon.iso,slow)
