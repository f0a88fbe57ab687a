# Tests with npm's clients, and the benchmark against anvil.
$(call script-test,system/ledger/clients/clients_test,build/host/bin/holon-ledger)
.PHONY: bench-evm
bench-evm: build/host/bin/holon-ledger ## Time the virtual machine against npm's anvil
	@system/ledger/clients/bench
