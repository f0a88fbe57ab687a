# The consensus core: a state machine without clock, I/O or threads.
LEDGER_DAG_SOURCES := $(addprefix system/ledger/dag/,batches.c blob.c checkpoint.c commits.c core.c effect_queue.c order.c propose.c \
			rule_bullshark.c rule_mysticeti.c slots.c store.c sync.c votes.c wire.c)
LEDGER_SOURCES += $(LEDGER_DAG_SOURCES)
LEDGER_FUZZERS += ledger_wire:system/ledger/dag/wire_fuzz.c ledger_core:system/ledger/dag/core_fuzz.c
LEDGER_TESTS   += ledger_rules_test:system/ledger/dag/rules_test.c ledger_restart_test:system/ledger/dag/restart_test.c
