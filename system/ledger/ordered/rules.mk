# What the node itself keeps of the sequence: votes on the next validators, the transparency log.
LEDGER_SOURCES += $(addprefix system/ledger/ordered/,ordered.c transparency_log.c) $(TRANSPARENCY_SOURCES) lib/trust/record.c
LEDGER_TESTS += ledger_transparency_test:system/ledger/ordered/transparency_log_test.c
