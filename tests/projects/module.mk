# Other projects' own tests, on Linux and on Holon: a sample here, all in `make soak`.
$(call script-test,tests/projects/sample,$(DEBIAN_BUNDLE) $(addprefix build/linux/,init vmlinuz debian.cpio),slow)
$(call script-test,tests/projects/run_test.py)
SOAK_TESTS += tests/projects/all
