# A running node: log, connections, executor, local networks, and the subcommands about them.
LEDGER_SOURCES += $(addprefix system/ledger/node/,applications.c archive_commands.c bench.c commands.c executor.c local.c log.c network.c node.c transport.c) \
  $(SECURE_SOURCES)
LEDGER_LDLIBS  += -lpthread
$(call script-test,system/ledger/node/fault_test.py,build/host/bin/holon-ledger,slow)
SOAK_TESTS += system/ledger/node/fault_test.py
.PHONY: bench-ledger
bench-ledger: build/host/bin/holon-ledger ## Measure consensus: networks of processes on this machine (LEDGER_BENCH_DIR=/dev/shm leaves the disk out)
	@system/ledger/node/bench_rows
