# The native runtime, as an archive, and the macro for native programs:
#   $(call native-program,NAME,SOURCES[,CFLAGS])   build/x86_64/NAME, a static freestanding ELF on lib/holon
# Native code uses no vector registers unless its CFLAGS say otherwise.
NATIVE_CFLAGS := --target=x86_64-unknown-none-elf $(CSTD) $(WARN) -O2 -g -ffreestanding -fpie -fvisibility=hidden \
	-mgeneral-regs-only -mno-red-zone -fno-stack-protector -fno-asynchronous-unwind-tables -Iabi -Ilib/holon -Ilib -Ibuild/abi
HOLON_SOURCES := $(filter-out %_test.c,$(wildcard lib/holon/*.c)) $(wildcard lib/holon/*.S)
HOLON_OBJECTS := $(call object-names,x86_64/native,$(HOLON_SOURCES))
$(call objects,x86_64/native,$(HOLON_SOURCES),$(NATIVE_CFLAGS))

build/x86_64/libholon.a: $(HOLON_OBJECTS)
	@rm -f $@ && $(AR) rcs $@ $^

# NAME, SOURCES, CFLAGS
define native-link
build/x86_64/$(1): $(call object-names,x86_64/native/$(1).o.d,$(2)) build/x86_64/libholon.a lib/holon/native.ld
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$(LD) -nostdlib -static -z noexecstack -z max-page-size=4096 --gc-sections -T lib/holon/native.ld -o $$@.debug \
		$$(filter %.o,$$^) build/x86_64/libholon.a
	@llvm-strip -o $$@ $$@.debug
ALL += build/x86_64/$(1)
endef
native-program = $(call objects,x86_64/native/$(1).o.d,$(2),$(NATIVE_CFLAGS) $(3))$(eval $(call native-link,$(1),$(2)))
