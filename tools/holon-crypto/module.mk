# holon-crypto: the command-line tool of lib/crypto.
$(call crypto-program,holon-crypto,$(addprefix tools/holon-crypto/,main.c files.c passphrase.c keys.c sign.c kem.c \
	hash.c speed.c selftest.c),$(CRYPTO_LDLIBS))
