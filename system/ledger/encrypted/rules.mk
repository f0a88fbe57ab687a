# The encrypted mempool: envelopes, and what opens them after their order is final.
LEDGER_SOURCES += $(addprefix system/ledger/encrypted/,envelope.c opener.c)
LEDGER_TESTS   += ledger_encrypted_test:system/ledger/encrypted/encrypted_test.c
LEDGER_FUZZERS += ledger_envelope:system/ledger/encrypted/envelope_fuzz.c
