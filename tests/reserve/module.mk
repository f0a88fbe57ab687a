# The services' reserve: what is derived of it, and a system whose services are kept busy.
RESERVE_OUT := build/x86_64/tests/reserve
$(call native-program,tests/reserve/load,tests/reserve/load.c lib/sysimg/sysimg.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR)
$(RESERVE_OUT)/fits.manifest $(RESERVE_OUT)/more.manifest &: tests/reserve/reserve_test.py tests/reserve/bound.py image/manifest
	@mkdir -p $(RESERVE_OUT)
	@tests/reserve/reserve_test.py --manifests $(RESERVE_OUT)
# Two files as large as each other, of no zero pages.
$(RESERVE_OUT)/file:
	@mkdir -p $(@D)
	@yes "to verify" | head -c 2097152 > $@
$(RESERVE_OUT)/%.bundle: $(RESERVE_OUT)/%.manifest $(RESERVE_OUT)/load $(RESERVE_OUT)/file build/x86_64/base/vfs build/x86_64/kernel/kernel.elf \
		build/x86_64/base/steward.flat tools/mksysimg/mksysimg tools/mkbundle build/host/bin/blake3-blocks
	@tools/mksysimg/mksysimg --digest build/host/bin/blake3-blocks -o $(@:bundle=img) --file $<:etc/manifest --file $(RESERVE_OUT)/load:native/load \
		--file build/x86_64/base/vfs:native/vfs --file $(RESERVE_OUT)/file:one --file $(RESERVE_OUT)/file:two
	@tools/mkbundle $@ kernel=build/x86_64/kernel/kernel.elf steward=build/x86_64/base/steward.flat system=$(@:bundle=img)
$(call script-test,tests/reserve/bound.py,)
$(call script-test,tests/reserve/reserve_test.py,$(RESERVE_OUT)/fits.bundle $(RESERVE_OUT)/more.bundle build/x86_64/boot/loader.iso)
