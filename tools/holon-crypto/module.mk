# holon-crypto: the command-line tool of lib/crypto. Its tests run a second build, with sanitizers.
HOLON_CRYPTO_SOURCES := $(addprefix tools/holon-crypto/,main.c files.c passphrase.c keys.c text.c sign.c kem.c hash.c speed.c selftest.c)
$(call crypto-program,holon-crypto,$(HOLON_CRYPTO_SOURCES),$(CRYPTO_LDLIBS))
$(call host-build,sanitized,holon-crypto,$(HOLON_CRYPTO_SOURCES),$(SANITIZE_CFLAGS),,$(CRYPTO_SANITIZED_LIB) $(CRYPTO_LDLIBS))
build/host/sanitized/holon-crypto: $(CRYPTO_SANITIZED_LIB)
$(call script-test,tools/holon-crypto/cli_test.py,build/host/bin/holon-crypto build/host/sanitized/holon-crypto,slow)
$(call script-test,tools/holon-crypto/docs_test,build/host/bin/holon-crypto)
SOAK_TESTS += tools/holon-crypto/cli_test.py
