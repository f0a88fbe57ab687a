# The chain: store, blocks, execution of commits.
LEDGER_SOURCES += $(addprefix system/ledger/chain/,store.c block.c pool.c chain.c view.c snapshot.c parallel.c past.c pins.c archive.c)
LEDGER_LDLIBS  += -llmdb
LEDGER_TESTS += ledger_numbers_test:system/ledger/evm/numbers_test.c ledger_trie_test:system/ledger/state/trie_test.c ledger_chain_test:system/ledger/chain/chain_test.c
