# Base services: one folder a service.
NATIVE_BLAKE3 := lib/crypto/util.c lib/crypto/cpu.c lib/crypto/blake3.c
$(call native-program,base/vfs,base/vfs/vfs.c lib/sysimg/sysimg.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR)
$(call native-program,base/console,$(wildcard base/console/*.c))
$(call native-program,base/steward,$(wildcard base/steward/*.c) lib/sysimg/sysimg.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR)
