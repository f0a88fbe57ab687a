# Transactions.
LEDGER_SOURCES += $(addprefix system/ledger/tx/,transaction.c account_key.c signature.c apply.c evm_test.c) $(addprefix system/ledger/state/,trie.c trie_hash.c trie_proof.c world.c)
LEDGER_LDLIBS  += -lsecp256k1 -ljansson -lzstd
$(call script-test,system/ledger/tx/vectors_test,build/host/bin/holon-ledger)
LEDGER_FUZZERS += ledger_decoders:system/ledger/tx/decoders_fuzz.c
LEDGER_TESTS += ledger_vectors_sanitized_test:system/ledger/tx/vectors_sanitized_test.c
SOAK_TESTS += build/host/test/ledger_vectors_sanitized_test
