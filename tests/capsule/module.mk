# Capsules inside Holon, made on the host.
$(call script-test,tests/capsule/capsule_test.py,build/host/bin/holon-capsule build/host/bin/holon-crypto $(SYSTEM),slow)
