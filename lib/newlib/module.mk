# Debian's newlib for native programs, built once.
$(NEWLIB)/stamp: lib/newlib/build-newlib
	@echo "  NEWLIB  $(@D) (about two minutes, once)"
	@lib/newlib/build-newlib $(@D)
	@touch $@
$(call native-newlib-program,test/newlib,lib/newlib/newlib_test.c)
build/x86_64/test/newlib.img: build/x86_64/test/newlib lib/newlib/test.manifest tools/mksysimg/mksysimg build/host/bin/blake3-blocks
	@tools/mksysimg/mksysimg --digest build/host/bin/blake3-blocks -o $@ --file lib/newlib/test.manifest:etc/manifest \
		--file build/x86_64/test/newlib:native/newlib
build/x86_64/test/newlib.bundle: build/x86_64/test/newlib.img build/x86_64/kernel/kernel.elf build/x86_64/base/steward.flat tools/mkbundle
	@tools/mkbundle $@ kernel=build/x86_64/kernel/kernel.elf steward=build/x86_64/base/steward.flat system=build/x86_64/test/newlib.img
$(call script-test,lib/newlib/newlib_test.py,build/x86_64/test/newlib.bundle)
