# The two slots of an installed disk.
SLOTS_CRYPTO := lib/crypto/blake3.c lib/crypto/util.c lib/crypto/cpu.c
$(call host-test,slots,lib/slots/slots_test.c lib/slots/slots.c $(SLOTS_CRYPTO),-DCRYPTO_NO_VECTOR)
$(call host-fuzz,slots,lib/slots/slots_fuzz.c lib/slots/slots.c $(SLOTS_CRYPTO),-DCRYPTO_NO_VECTOR)
