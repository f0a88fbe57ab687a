# The chain of trust: records, key lists, certificates, capsules.
TRUST_SOURCES := lib/trust/record.c lib/trust/trust.c lib/trust/boot.c
$(call crypto-program,trust-test,lib/trust/trust_test.c $(TRUST_SOURCES),$(CRYPTO_LDLIBS))
TESTS += build/host/bin/trust-test
$(call crypto-test,trust-quote,lib/trust/quote_test.c lib/trust/quote.c $(TRUST_SOURCES),$(CRYPTO_LDLIBS))
$(call host-fuzz,trust,lib/trust/trust_fuzz.c lib/trust/quote.c $(TRUST_SOURCES),,build/host/lib/libholon-crypto-sanitized.a $(CRYPTO_LDLIBS))
build/host/fuzz/trust: build/host/lib/libholon-crypto-sanitized.a
# The transparency log's proofs: for programs, not for the loaders.
TRANSPARENCY_SOURCES := lib/trust/transparency.c
$(call host-fuzz,transparency,lib/trust/transparency_fuzz.c $(TRANSPARENCY_SOURCES) lib/trust/record.c,,build/host/lib/libholon-crypto-sanitized.a $(CRYPTO_LDLIBS))
build/host/fuzz/transparency: build/host/lib/libholon-crypto-sanitized.a

# Verification as the loaders have it: the one source for a host and for both firmwares. Speed before size.
LOADER_TRUST_SOURCES := boot/loader/verify.c lib/sysimg/sysimg.c $(TRUST_SOURCES) $(CRYPTO_LOADER_SOURCES)
LOADER_TRUST_CFLAGS := -DCRYPTO_NO_VECTOR -ffunction-sections -fdata-sections
define loader-trust
$(call crypto-objects,x86_64/$(1)-trust,$(LOADER_TRUST_SOURCES),$(2) $(LOADER_TRUST_CFLAGS))
build/x86_64/$(1)/trust.a: $(call object-names,x86_64/$(1)-trust,$(LOADER_TRUST_SOURCES))
	@mkdir -p $$(@D)
	@rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(eval $(call loader-trust,bios,$(BIOS_CFLAGS:-Oz=-O2)))
$(eval $(call loader-trust,uefi,$(UEFI_CFLAGS)))
# The same sources under sanitizers, before flipped bits.
FLIP_SOURCES := boot/loader/flip_test.c boot/loader/bundle.c lib/crypto/cpu.c $(LOADER_TRUST_SOURCES)
FLIP_CFLAGS := $(SANITIZE_CFLAGS) -O2 -DCRYPTO_NO_VECTOR
$(call crypto-objects,host/flip,$(FLIP_SOURCES),$(FLIP_CFLAGS))
build/host/flip/flip_test: $(call object-names,host/flip,$(FLIP_SOURCES))
	@echo "  LD      $@"
	@$(CC) -fuse-ld=lld $(FLIP_CFLAGS) -o $@ $^
$(call script-test,boot/test/flip_test,build/host/flip/flip_test $(BUNDLE),slow)
SOAK_TESTS += boot/test/flip_test
$(call host-fuzz,tpm_fuzz,boot/loader/tpm_fuzz.c boot/loader/tpm.c lib/crypto/util.c lib/crypto/cpu.c lib/crypto/sha2.c lib/crypto/sha2_blocks.c,-DCRYPTO_NO_VECTOR)
# What a capsule runs with.
PLAN_SOURCES := lib/trust/plan.c lib/trust/endpoint.c lib/trust/record.c
$(call host-test,trust-plan,lib/trust/plan_test.c $(PLAN_SOURCES))
$(call host-fuzz,trust-plan,lib/trust/plan_fuzz.c $(PLAN_SOURCES) lib/trust/trust.c lib/trust/boot.c,,build/host/lib/libholon-crypto-sanitized.a $(CRYPTO_LDLIBS))
build/host/fuzz/trust-plan: build/host/lib/libholon-crypto-sanitized.a
