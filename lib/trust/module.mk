# The chain of trust: records, key lists, certificates, capsules.
TRUST_SOURCES := lib/trust/record.c lib/trust/trust.c
$(call crypto-program,trust-test,lib/trust/trust_test.c $(TRUST_SOURCES),$(CRYPTO_LDLIBS))
TESTS += build/host/bin/trust-test
$(call host-fuzz,trust,lib/trust/trust_fuzz.c $(TRUST_SOURCES),,build/host/lib/libholon-crypto-sanitized.a $(CRYPTO_LDLIBS))
build/host/fuzz/trust: build/host/lib/libholon-crypto-sanitized.a
