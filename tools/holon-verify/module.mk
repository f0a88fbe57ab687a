# holon-verify: checks a TPM's quote of what was started.
$(call crypto-program,holon-verify,tools/holon-verify/main.c boot/loader/verify.c boot/loader/bundle.c $(TRUST_SOURCES),$(CRYPTO_LDLIBS))
$(call script-test,boot/test/tpm_test.py,build/host/bin/holon-verify $(BUNDLE) $(BOOT_OUT)/loader.iso $(BOOT_OUT)/test.bundle build/release/holon.iso,slow)
