# Tests with npm's clients, and the benchmark against anvil.
$(call script-test,system/ledger/clients/clients_test,build/host/bin/holon-ledger)
$(call script-test,system/ledger/clients/hardhat_test,build/host/bin/holon-ledger,slow)
$(call script-test,system/ledger/clients/gateway_test,build/host/bin/holon-ledger,slow)
$(call script-test,system/ledger/clients/keep_test,build/host/bin/holon-ledger,slow)
$(call script-test,system/ledger/clients/differential_test,build/host/bin/holon-ledger,slow)
SOAK_TESTS += system/ledger/clients/differential_test
LEDGER_PROGRAMS += ledger-transfers:system/ledger/clients/transfers_bench.c
.PHONY: bench-evm
bench-evm: build/host/bin/holon-ledger build/host/bin/ledger-transfers ## Time the virtual machine against npm's anvil
	@system/ledger/clients/bench
