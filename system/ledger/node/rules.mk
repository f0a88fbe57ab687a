# A running node: log, connections, executor, local networks, and the subcommands about them.
LEDGER_SOURCES += $(addprefix system/ledger/node/,applications.c archive_commands.c bench.c commands.c executor.c commits.c intake.c local.c log.c network.c node.c operator_commands.c proofs.c snapshots.c transport.c) \
  $(SECURE_SOURCES)
LEDGER_LDLIBS  += -lpthread
$(call script-test,system/ledger/node/fault_test.py,build/host/bin/holon-ledger,slow)
$(call script-test,system/ledger/node/epoch_test.py,$(addprefix build/host/bin/,holon-ledger holon-wallet holon-capsule holon-crypto),slow)
SOAK_TESTS += system/ledger/node/fault_test.py
.PHONY: bench-ledger
bench-ledger: build/host/bin/holon-ledger ## Measure consensus: networks of processes on this machine (LEDGER_BENCH_DIR=/dev/shm leaves the disk out)
	@system/ledger/node/bench_rows
