# holon-crypto: the command-line tool of lib/crypto.
$(call crypto-program,holon-crypto,$(addprefix tools/holon-crypto/,main.c files.c passphrase.c keys.c sign.c kem.c \
	hash.c speed.c selftest.c),$(CRYPTO_LDLIBS))
$(call script-test,tools/holon-crypto/cli_test.py,build/host/bin/holon-crypto)
SOAK_TESTS += tools/holon-crypto/cli_test.py
$(call script-test,tools/holon-crypto/docs_test,build/host/bin/holon-crypto)
