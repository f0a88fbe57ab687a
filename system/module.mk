# System programs. The sub-kernel manager is a native unit.
$(call native-program,system/subkernel,system/subkernel/manager.c system/subkernel/network.c system/subkernel/realtime.c lib/sysimg/sysimg.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR)
# The subkernel command is an ordinary Linux program, linked statically.
GUEST_CFLAGS := $(CSTD) $(WARN) -O2 -Iabi
build/guest/subkernel: system/subkernel/subkernel.c system/subkernel/libholon.h abi/holon/blueprint.h abi/holon/switch.h abi/holon/link.h abi/holon/guest_calls.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(GUEST_CFLAGS) -D_GNU_SOURCE -static -s -o $@ $<
ALL += build/guest/subkernel
