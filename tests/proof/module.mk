.PHONY: proof
proof: build/abi/kernel/call_table.c ## Prove memory safety and contracts of the pure cores (Frama-C)
	@tests/proof/prove

SOAK_TESTS += tests/proof/prove
