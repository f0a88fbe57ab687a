# The native runtime, as an archive that every native program links (tools/native.mk).
HOLON_SOURCES := $(filter-out %_test.c %_fuzz.c,$(wildcard lib/holon/*.c)) $(wildcard lib/holon/*.S)
HOLON_OBJECTS := $(call object-names,x86_64/native,$(HOLON_SOURCES))
$(call objects,x86_64/native,$(HOLON_SOURCES),$(NATIVE_CFLAGS))

$(HOLON_OBJECTS): | $(INTERFACES)
build/x86_64/libholon.a: $(HOLON_OBJECTS)
	@rm -f $@ && $(AR) rcs $@ $^

# Host tests run the portable parts against a fake kernel.
HOLON_HOST_CFLAGS := -DHOLON_FAKE_KERNEL -Ilib/holon -Ibuild/abi
$(call host-test,holon-runtime,lib/holon/runtime_test.c lib/holon/format.c lib/holon/stream.c,$(HOLON_HOST_CFLAGS))
$(call host-object-names,test,$(HOLON_HOST_CFLAGS),lib/holon/runtime_test.c): | $(INTERFACES)
$(call host-test,native-elf-test,lib/holon/elf_test.c lib/holon/elf.c,-Ilib/holon)
$(call host-fuzz,native-elf,lib/holon/elf_fuzz.c lib/holon/elf.c,-Ilib/holon)
$(call host-test,holon-generator,lib/holon/generator_test.c lib/holon/generator.c,$(HOLON_HOST_CFLAGS))
$(call host-object-names,test,$(HOLON_HOST_CFLAGS),lib/holon/generator.c): | $(INTERFACES)
