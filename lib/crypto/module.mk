# The cryptographic library. Every part of it adds its sources to these lists:
#   CRYPTO_SOURCES         portable C, built everywhere
#   CRYPTO_AVX2_SOURCES    x86_64 with AVX2 and BMI2; called only after crypto_cpu_features() said so
#   CRYPTO_SHANI_SOURCES   x86_64 with the SHA instructions; likewise
#   CRYPTO_AVX512_SOURCES  x86_64 with AVX-512 F and VL; likewise
# A build for x86_64 takes all of them, or defines CRYPTO_NO_VECTOR.
# Builds without vector registers (loader) define CRYPTO_NO_VECTOR and use CRYPTO_SOURCES alone, or its subset
# CRYPTO_LOADER_SOURCES, which is what image verification needs.
CRYPTO_AVX2_CFLAGS  := -mavx2 -mbmi -mbmi2
CRYPTO_SHANI_CFLAGS := -msse4.1 -mssse3 -msha
CRYPTO_AVX512_CFLAGS := $(CRYPTO_AVX2_CFLAGS) -mavx512f -mavx512vl
# Flags for single sources. clang's scheduler hoists loads of Keccak's lanes until they are all spilled again.
CRYPTO_CFLAGS_keccak.c      := -mllvm -enable-misched=false
CRYPTO_CFLAGS_keccak_bmi2.c := -mllvm -enable-misched=false
# At -O3 clang 14 unrolls SHA-512's rounds into spills.
CRYPTO_CFLAGS_sha2_blocks.c := -O2
CRYPTO_CFLAGS_sha2_avx2.c   := -O2

# ---- common, hashes, MAC and KDF, SLH-DSA ----
CRYPTO_SOURCES        := $(addprefix lib/crypto/,util.c cpu.c sha2.c sha2_blocks.c sha2_lanes.c keccak.c sha3.c shake_x4.c \
			 blake3.c hmac.c hkdf.c hash.c slhdsa_params.c slhdsa_hash.c slhdsa_wots.c slhdsa_verify.c \
			 slhdsa_tree.c slhdsa_sign.c)
CRYPTO_AVX2_SOURCES   := $(addprefix lib/crypto/,sha2_avx2.c sha2_lanes_avx2.c keccak_bmi2.c keccak_x4_avx2.c blake3_avx2.c)
CRYPTO_SHANI_SOURCES  := lib/crypto/sha2_x86.c
CRYPTO_AVX512_SOURCES := lib/crypto/keccak_avx512.c
CRYPTO_LOADER_SOURCES := $(addprefix lib/crypto/,util.c sha2.c sha2_blocks.c sha2_lanes.c keccak.c sha3.c blake3.c \
			 hash.c slhdsa_params.c slhdsa_hash.c slhdsa_wots.c slhdsa_verify.c)

# ---- ML-KEM and ML-DSA ----
CRYPTO_SOURCES        += $(addprefix lib/crypto/,mlkem.c mlkem_expand.c mlkem_poly.c mldsa_common.c mldsa_message.c \
                           mldsa_verify.c mldsa_sign.c mldsa_keygen.c mldsa_prepared.c mldsa_poly.c)
CRYPTO_AVX2_SOURCES   += $(addprefix lib/crypto/,mlkem_avx2.c mldsa_avx2.c)
CRYPTO_LOADER_SOURCES += $(addprefix lib/crypto/,mldsa_common.c mldsa_message.c mldsa_verify.c mldsa_poly.c \
                           shake_x4.c)

# ---- classical algorithms, combined forms, key files ----
# CRYPTO_WRAPPER_SOURCES need Debian's libraries at link time (CRYPTO_LDLIBS); they are part of the host's archives.
# The loader has ed25519_verify.c in place of ed25519.c; a program links one of the two.
CRYPTO_SOURCES         += $(addprefix lib/crypto/,hybrid_sign.c hybrid_verify.c hybrid_prepared.c hybrid_kem.c sealed_box.c shared_box.c \
                            key_table.c keys.c keyfile.c)
CRYPTO_WRAPPER_SOURCES := $(addprefix lib/crypto/,ed25519.c x25519.c aead.c argon2id.c)
CRYPTO_LOADER_SOURCES  += $(addprefix lib/crypto/,hybrid_verify.c ed25519_verify.c key_table.c)
CRYPTO_LDLIBS          := -lsodium -lbearssl -largon2

# ---- libraries: optimised, and with sanitizers for the tests ----
CRYPTO_LIB           := build/host/lib/libholon-crypto.a
CRYPTO_SANITIZED_LIB := build/host/lib/libholon-crypto-sanitized.a

# CONFIG, SOURCES, FLAGS
crypto-objects = $(foreach source,$(2),$(call objects,$(1),$(source),$(3) $(CRYPTO_CFLAGS_$(notdir $(source)))))

# ARCHIVE, CFLAGS
define crypto-library
$(call crypto-objects,$(1:build/%.a=%.d),$(CRYPTO_SOURCES) $(CRYPTO_WRAPPER_SOURCES),$(2))
$(call crypto-objects,$(1:build/%.a=%.d),$(CRYPTO_AVX2_SOURCES),$(2) $(CRYPTO_AVX2_CFLAGS))
$(call crypto-objects,$(1:build/%.a=%.d),$(CRYPTO_SHANI_SOURCES),$(2) $(CRYPTO_SHANI_CFLAGS))
$(call crypto-objects,$(1:build/%.a=%.d),$(CRYPTO_AVX512_SOURCES),$(2) $(CRYPTO_AVX512_CFLAGS))
$(eval $(1): $(call object-names,$(1:build/%.a=%.d),$(CRYPTO_SOURCES) $(CRYPTO_WRAPPER_SOURCES) $(CRYPTO_AVX2_SOURCES) $(CRYPTO_SHANI_SOURCES) $(CRYPTO_AVX512_SOURCES))
	@mkdir -p $$(@D)
	@echo "  AR      $$@"
	@rm -f $$@ && $$(AR) rcs $$@ $$(filter %.o,$$^))
endef
$(call crypto-library,$(CRYPTO_LIB),$(HOST_CFLAGS) -O3)
$(call crypto-library,$(CRYPTO_SANITIZED_LIB),$(SANITIZE_CFLAGS) -fsanitize=integer)
ALL += $(CRYPTO_LIB)

# NAME, SOURCES[, LDLIBS]: a test with sanitizers, linked with the sanitized library.
crypto-test = $(call host-test,$(1),$(2),,$(CRYPTO_SANITIZED_LIB) $(3))$(eval build/host/test/$(1): $(CRYPTO_SANITIZED_LIB))
# NAME, SOURCES[, LDLIBS]: an optimised program, linked with the library.
crypto-program = $(call host-program,$(1),$(2),,$(CRYPTO_LIB) $(3))$(eval build/host/bin/$(1): $(CRYPTO_LIB))

# ---- tests and benchmarks: common, hashes, MAC and KDF, SLH-DSA ----
$(call crypto-test,crypto_hash_test,lib/crypto/hash_test.c)
$(call crypto-test,crypto_blake3_test,lib/crypto/blake3_test.c)
$(call crypto-test,crypto_hmac_test,lib/crypto/hmac_test.c)
$(call crypto-test,slhdsa_test,lib/crypto/slhdsa_test.c)
# How much stack each operation takes, in the optimised build; every part adds its rows.
$(call crypto-program,crypto-stack-test,lib/crypto/stack_test.c,$(CRYPTO_LDLIBS))
TESTS += build/host/bin/crypto-stack-test

# Every part of the library adds its table of rows to bench.h and bench.c, and its source here.
CRYPTO_BENCH_SOURCES := $(addprefix lib/crypto/,bench.c bench_hash.c bench_slhdsa.c)

# ---- tests and benchmarks: ML-KEM and ML-DSA ----
CRYPTO_BENCH_SOURCES += lib/crypto/bench_mlkem_mldsa.c
$(call crypto-test,crypto_mlkem_test,lib/crypto/mlkem_test.c,$(CRYPTO_LDLIBS))
$(call crypto-test,crypto_mldsa_test,lib/crypto/mldsa_test.c,$(CRYPTO_LDLIBS))

# The fuzzer compares plain C with AVX2, so its library has both, with coverage.
CRYPTO_FUZZ_LIB := build/host/lib/libholon-crypto-fuzz.a
$(call crypto-library,$(CRYPTO_FUZZ_LIB),$(SANITIZE_CFLAGS) -fsanitize=integer -fsanitize=fuzzer-no-link)
$(call host-fuzz,crypto_mlkem_mldsa,lib/crypto/mlkem_mldsa_fuzz.c,,$(CRYPTO_FUZZ_LIB))
build/host/fuzz/crypto_mlkem_mldsa: $(CRYPTO_FUZZ_LIB)
$(call script-test,lib/crypto/mlkem_mldsa_fuzz_test,build/host/fuzz/crypto_mlkem_mldsa,slow)
SOAK_TESTS += lib/crypto/mlkem_mldsa_fuzz_test

# The library with crypto_declassify() at work, for the constant-time check under valgrind (which reads DWARF 4).
CRYPTO_CT_LIB := build/host/lib/libholon-crypto-ct.a
$(call crypto-library,$(CRYPTO_CT_LIB),$(HOST_CFLAGS) -O3 -gdwarf-4 -DCRYPTO_CT_CHECK)
$(call host-program,ct_check,lib/crypto/ct_check.c,-gdwarf-4 -DCRYPTO_CT_CHECK,$(CRYPTO_CT_LIB) $(CRYPTO_LDLIBS))
build/host/bin/ct_check: $(CRYPTO_CT_LIB)
$(call script-test,lib/crypto/ct_test.py,build/host/bin/ct_check,slow)
# Statistics need long runs on a quiet machine: only in soak.
$(call crypto-program,crypto_timing_test,lib/crypto/timing_test.c,-lm)
SOAK_TESTS += build/host/bin/crypto_timing_test

# ---- tests, tool: classical algorithms, combined forms, key files ----
$(call crypto-test,classical_test,lib/crypto/classical_test.c,$(CRYPTO_LDLIBS))
$(call crypto-test,combined_test,lib/crypto/combined_test.c,$(CRYPTO_LDLIBS))
$(call crypto-test,keyfile_test,lib/crypto/keyfile_test.c,$(CRYPTO_LDLIBS))
# The fuzzer is built from the sources, so that they report coverage; in plain C, as what decodes is.
$(call host-fuzz,crypto_decoders,lib/crypto/decoders_fuzz.c $(sort $(CRYPTO_SOURCES) $(CRYPTO_WRAPPER_SOURCES)),-DCRYPTO_NO_VECTOR,$(CRYPTO_LDLIBS))
$(call script-test,lib/crypto/fuzz_test,build/host/fuzz/crypto_decoders build/host/bin/holon-crypto,slow)
$(call crypto-program,crypto-oracle,$(addprefix lib/crypto/oracle/,main.c hashes.c mlkem_mldsa.c slhdsa.c classical.c combined.c),$(CRYPTO_LDLIBS))
$(call script-test,lib/crypto/vectors_test.py,build/host/bin/crypto-oracle,slow)
$(call script-test,lib/crypto/cross_test,build/host/bin/crypto-oracle)
SOAK_TESTS += lib/crypto/fuzz_test lib/crypto/cross_test
include lib/crypto/freestanding/rules.mk

# ---- benchmark, after every part has named its rows ----
$(call crypto-program,crypto-bench,$(CRYPTO_BENCH_SOURCES),$(CRYPTO_LDLIBS))
.PHONY: bench-crypto
bench-crypto: build/host/bin/crypto-bench ## Time the cryptographic library against OpenSSL 3.5 (T=word restricts the rows)
	@node=$$(tools/node26) && "$$node" lib/crypto/bench_openssl.mjs $(if $(T),'$(T)')
