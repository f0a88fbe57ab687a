# holon-capsule: makes and checks key lists, certificates and capsules (lib/trust).
$(call crypto-program,holon-capsule,tools/holon-capsule/main.c tools/holon-capsule/boot.c tools/holon-capsule/log.c boot/loader/verify.c boot/loader/bundle.c $(TRUST_SOURCES) lib/trust/show.c $(TRANSPARENCY_SOURCES),$(CRYPTO_LDLIBS))
tools: build/host/bin/holon-capsule
$(call script-test,tools/holon-capsule/cli_test.py,build/host/bin/holon-capsule build/host/bin/holon-crypto)
