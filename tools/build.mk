# Build macros, for the module.mk of every folder.
#
#   $(call host-program,NAME,SOURCES[,CFLAGS[,LDLIBS]])    build/host/bin/NAME, optimised, for the build machine
#   $(call host-test,NAME,SOURCES[,CFLAGS[,LDLIBS]])       build/host/test/NAME with ASan and UBSan; run by `make test`
#   $(call host-fuzz,NAME,SOURCES[,CFLAGS[,LDLIBS]])       build/host/fuzz/NAME with libFuzzer; run by tools/fuzz
#   $(call script-test,PATH,PREREQUISITES)                 a script that is a test program; run by `make test`
#   $(call objects,CONFIG,SOURCES,CFLAGS)                  rules for build/CONFIG/SOURCE.o; see $(call object-names,...)
#   $(call object-names,CONFIG,SOURCES)                    the names of those objects
#
# What must exist before `make test` runs is added to ALL; what `make run` needs, to SYSTEM. Test programs print
# "ok NAME" or "not ok NAME - why" (see tools/run-tests).
CC      := clang
LD      := ld.lld
AR      := llvm-ar
WARN    := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes
CSTD    := -std=gnu11
HOST_CFLAGS     := $(CSTD) $(WARN) -O2 -g -Iabi -Ilib
SANITIZE_CFLAGS := $(CSTD) $(WARN) -O1 -g -Iabi -Ilib -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

ALL        :=
SYSTEM     :=
TESTS      :=
SOAK       :=
SOAK_TESTS :=

object-names = $(patsubst %,build/$(1)/%.o,$(2))

# CONFIG, SOURCE, FLAGS. Flags are kept beside the object, so that a change of flags rebuilds and lint can read them.
define object-rule
build/$(1)/$(2).o: $(2) build/$(1)/$(2).o.flags
	@mkdir -p $$(@D)
	@echo "  CC      $$<"
	@$$(CC) $(3) -MMD -MP -c $$< -o $$@
build/$(1)/$(2).o.flags: FORCE
	@mkdir -p $$(@D)
	@echo '$(2) $(3)' | cmp -s - $$@ || echo '$(2) $(3)' > $$@
-include build/$(1)/$(2).d
endef
objects = $(foreach source,$(2),$(if $(filter $(1)/$(source),$(SEEN)),,$(eval SEEN += $(1)/$(source))$(eval $(call object-rule,$(1),$(source),$(3)))))

# KIND, NAME, SOURCES, CFLAGS, LDLIBS
define host-link
build/host/$(1)/$(2): $(call object-names,host/$(1)/$(2).o.d,$(3))
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$$(CC) $(4) -o $$@ $$(filter %.o,$$^) $(5)
ALL += build/host/$(1)/$(2)
endef
host-build = $(call objects,host/$(1)/$(2).o.d,$(3),$(4))$(eval $(call host-link,$(1),$(2),$(3),$(4),$(5)))

host-program = $(call host-build,bin,$(1),$(2),$(HOST_CFLAGS) $(3),$(4))
host-test    = $(call host-build,test,$(1),$(2),$(SANITIZE_CFLAGS) $(3),$(4))$(eval TESTS += build/host/test/$(1))
host-fuzz    = $(call host-build,fuzz,$(1),$(2),$(SANITIZE_CFLAGS) -fsanitize=fuzzer $(3),$(4))
script-test  = $(eval TESTS += $(1))$(eval ALL += $(2))

.PHONY: FORCE
FORCE:
