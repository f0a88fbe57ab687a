# The first command of all: install, then build. In `make soak` on bare systems.
$(call script-test,tests/setup/setup_test,)
SOAK_TESTS += tests/setup/bare_test
