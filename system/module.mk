# System programs. The sub-kernel manager is a native unit.
$(call native-program,system/subkernel,system/subkernel/manager.c lib/sysimg/sysimg.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR)
