# Native programs: static freestanding ELFs on lib/holon.
#   $(call native-program,NAME,SOURCES[,CFLAGS])   build/x86_64/NAME, and NAME.debug with symbols
# Native code uses no vector registers unless its CFLAGS say otherwise. Interface headers are generated first.
# The first unit starts from a flat image (abi/holon/first.h): build/x86_64/NAME.flat.
NATIVE_CFLAGS := --target=x86_64-unknown-none-elf $(CSTD) $(WARN) -O2 -g -ffreestanding -fpie -fvisibility=hidden \
	-mgeneral-regs-only -mno-red-zone -fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections \
	-Iabi -Ilib/holon -Ilib/holon/arch/x86_64 -Ilib -Ibuild/abi
INTERFACES := $(patsubst abi/%.interface,build/abi/%.interface.h,$(filter-out abi/substrate.interface,$(wildcard abi/*.interface)))

# NAME, SOURCES
define native-link
build/x86_64/$(1): $(call object-names,x86_64/native/$(1).o.d,$(2)) build/x86_64/libholon.a lib/holon/native.ld
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$(LD) -nostdlib -pie --no-dynamic-linker --pack-dyn-relocs=relr -z norelro -z noexecstack -z max-page-size=4096 --gc-sections -T lib/holon/native.ld -o $$@.debug \
		$$(filter %.o,$$^) build/x86_64/libholon.a
	@llvm-strip -o $$@ $$@.debug
$(call object-names,x86_64/native/$(1).o.d,$(2)): | $(INTERFACES)
ALL += build/x86_64/$(1)
endef
native-program = $(call objects,x86_64/native/$(1).o.d,$(2),$(NATIVE_CFLAGS) $(3))$(eval $(call native-link,$(1),$(2)))

build/x86_64/%.flat: build/x86_64/%
	@llvm-objcopy -O binary --set-section-flags .bss=alloc,load,contents $< $@

# The same on newlib (lib/newlib/native_newlib.h): $(call native-newlib-program,NAME,SOURCES[,CFLAGS[,ARCHIVES]]). Vector registers and
# floating point are in use. ARCHIVES are linked before newlib.
NEWLIB := build/x86_64/newlib
NEWLIB_CFLAGS := $(filter-out -mgeneral-regs-only,$(NATIVE_CFLAGS)) -D_REENTRANT -D__DYNAMIC_REENT__ -Wno-unused-function \
	-isystem $(NEWLIB)/include -Ilib/newlib
define native-newlib-link
build/x86_64/$(1): $(call object-names,x86_64/newlib/$(1).o.d,$(2) lib/newlib/glue.c) build/x86_64/libholon.a lib/holon/native.ld
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$(LD) --no-relax -nostdlib -pie --no-dynamic-linker --pack-dyn-relocs=relr -z norelro -z noexecstack -z max-page-size=4096 --gc-sections -T lib/holon/native.ld -o $$@.debug \
		$(call object-names,x86_64/newlib/$(1).o.d,$(2) lib/newlib/glue.c) $(3) $(NEWLIB)/lib/libc.a build/x86_64/libholon.a $(NEWLIB)/lib/libm.a $(NEWLIB)/lib/libc.a
	@llvm-strip -o $$@ $$@.debug
$(call object-names,x86_64/newlib/$(1).o.d,$(2) lib/newlib/glue.c): | $(INTERFACES) $(NEWLIB)/stamp
ALL += build/x86_64/$(1)
endef
native-newlib-program = $(call objects,x86_64/newlib/$(1).o.d,$(2) lib/newlib/glue.c,$(NEWLIB_CFLAGS) $(3))$(eval $(call native-newlib-link,$(1),$(2),$(4)))
