# The native runtime, as an archive that every native program links (tools/native.mk).
HOLON_SOURCES := $(filter-out %_test.c,$(wildcard lib/holon/*.c)) $(wildcard lib/holon/*.S)
HOLON_OBJECTS := $(call object-names,x86_64/native,$(HOLON_SOURCES))
$(call objects,x86_64/native,$(HOLON_SOURCES),$(NATIVE_CFLAGS))

build/x86_64/libholon.a: $(HOLON_OBJECTS)
	@rm -f $@ && $(AR) rcs $@ $^
