# The simulator, and the program that proves it able to find mistakes: the same sources with seeded bugs.
LEDGER_SIMULATE_SOURCES := $(addprefix system/ledger/simulate/,liars.c monitor.c network.c run.c validator.c)
LEDGER_SOURCES += $(LEDGER_SIMULATE_SOURCES) system/ledger/simulate/command.c
$(call host-program,ledger-controls,system/ledger/simulate/controls.c $(LEDGER_SIMULATE_SOURCES) $(LEDGER_DAG_SOURCES),-Isystem -D_GNU_SOURCE -DDAG_SEEDED_BUGS,$(CRYPTO_LIB) $(CRYPTO_LDLIBS))
build/host/bin/ledger-controls: $(CRYPTO_LIB)
TESTS += build/host/bin/ledger-controls
TESTS_slow += build/host/bin/ledger-controls
$(call script-test,system/ledger/simulate/simulate_test,build/host/bin/holon-ledger,slow)
SOAK_TESTS += system/ledger/simulate/simulate_test
