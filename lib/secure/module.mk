# The secure channel: portable, sans I/O; programs add SECURE_SOURCES and link the cryptographic library.
SECURE_SOURCES := lib/secure/handshake.c lib/secure/record.c
$(call crypto-test,secure_test,lib/secure/secure_test.c $(SECURE_SOURCES),$(CRYPTO_LDLIBS))
$(call host-fuzz,secure_channel,lib/secure/secure_fuzz.c $(SECURE_SOURCES),,$(CRYPTO_SANITIZED_LIB) $(CRYPTO_LDLIBS))
build/host/fuzz/secure_channel: $(CRYPTO_SANITIZED_LIB)
