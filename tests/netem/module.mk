# The relay that makes a network worse.
$(call script-test,tests/netem/netem_test.py,)
