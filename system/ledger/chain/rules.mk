# The chain: store, blocks, execution of commits.
LEDGER_SOURCES += $(addprefix system/ledger/chain/,store.c block.c pool.c chain.c view.c snapshot.c)
LEDGER_LDLIBS  += -llmdb
