# A running node: log, connections, executor, local networks, and the subcommands about them.
LEDGER_SOURCES += $(addprefix system/ledger/node/,applications.c archive_commands.c bench.c commands.c executor.c commits.c head.c heads.c intake.c local.c log.c network.c node.c operator_commands.c proofs.c snapshot_file.c snapshots.c transport.c) \
  $(SECURE_SOURCES)
LEDGER_LDLIBS  += -lpthread
LEDGER_FUZZERS += ledger_snapshot:system/ledger/node/snapshot_fuzz.c
LEDGER_TESTS   += ledger_snapshot_file_test:system/ledger/node/snapshot_file_test.c ledger_head_test:system/ledger/node/head_test.c
$(call script-test,system/ledger/node/fault_test.py,build/host/bin/holon-ledger,slow)
$(call script-test,system/ledger/node/epoch_test.py,$(addprefix build/host/bin/,holon-ledger holon-wallet holon-capsule holon-crypto),slow)
$(call script-test,system/ledger/node/start_test.py,build/host/bin/holon-ledger build/host/bin/holon-wallet,slow)
$(call script-test,system/ledger/node/acknowledged_test.py,build/host/bin/holon-ledger build/host/bin/holon-wallet build/host/lib/clock_shim.so,slow)
build/host/lib/clock_shim.so: system/ledger/node/clock_shim.c
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) $(HOST_CFLAGS) -D_GNU_SOURCE -fPIC -shared -o $@ $<
SOAK_TESTS += system/ledger/node/fault_test.py system/ledger/node/acknowledged_test.py system/ledger/node/epoch_test.py
$(call script-test,system/ledger/node/resident_test.py,$(addprefix build/host/bin/,holon-ledger holon-capsule holon-crypto) $(BUNDLE),slow)
$(call script-test,system/ledger/node/image_test.py,build/x86_64/ledger.bundle $(BOOT_OUT)/loader.iso,slow)
$(call script-test,system/ledger/node/inside_test,build/host/bin/holon-ledger build/host/bin/holon-wallet $(BUNDLE),slow)
.PHONY: bench-ledger
bench-ledger: build/host/bin/holon-ledger ## Measure consensus: networks of processes on this machine (LEDGER_BENCH_DIR=/dev/shm leaves the disk out)
	@system/ledger/node/bench_rows
