# holon-verify: checks what a machine says of itself: quotes of its start, and of what it runs.
VERIFY_SOURCES := $(addprefix tools/holon-verify/,main.c log.c running.c tpm_check.c) boot/loader/verify.c boot/loader/bundle.c lib/trust/quote.c
$(call crypto-program,holon-verify,$(VERIFY_SOURCES) $(TRUST_SOURCES),$(CRYPTO_LDLIBS))
$(call host-fuzz,tpm-check,tools/holon-verify/tpm_check_fuzz.c tools/holon-verify/tpm_check.c,,build/host/lib/libholon-crypto-sanitized.a $(CRYPTO_LDLIBS))
build/host/fuzz/tpm-check: build/host/lib/libholon-crypto-sanitized.a
$(call script-test,boot/test/tpm_test.py,build/host/bin/holon-verify $(BUNDLE) $(BOOT_OUT)/loader.iso $(BOOT_OUT)/test.bundle build/release/holon.iso,slow)
