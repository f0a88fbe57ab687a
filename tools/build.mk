# Build macros, for the module.mk of every folder.
#
#   $(call host-program,NAME,SOURCES[,CFLAGS[,LDLIBS]])    build/host/bin/NAME, optimised, for the build machine
#   $(call host-test,NAME,SOURCES[,CFLAGS[,LDLIBS]])       build/host/test/NAME with ASan and UBSan; run by `make test`
#   $(call host-fuzz,NAME,SOURCES[,CFLAGS[,LDLIBS]])       build/host/fuzz/NAME with libFuzzer; run by tools/fuzz
#   $(call fuzz-seeds,NAME)                                build/host/fuzz/NAME.seeds: inputs that it begins with; see tools/fuzz-seeds
#   $(call script-test,PATH,PREREQUISITES[,MARKS])         a script that is a test program; run by `make test`. Mark: `slow`
#                                                          (over 20 s; begins early)
#   $(call objects,CONFIG,SOURCES,CFLAGS)                  rules for build/CONFIG/SOURCE.o; see $(call object-names,...)
#   $(call object-names,CONFIG,SOURCES)                    the names of those objects
#   $(call host-object-names,KIND,CFLAGS,SOURCES)          the same for a host program's (KIND bin, test or fuzz)
#
# Host programs of one kind share the objects of sources that they compile with the same flags.
#
# What must exist before `make test` runs is added to ALL; what `make run` needs, to SYSTEM. Test programs print
# "ok NAME" or "not ok NAME - why" (see tools/run-tests).
CC      := clang
LD      := ld.lld
AR      := llvm-ar
WARN    := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes
CSTD    := -std=gnu11
HOST_CFLAGS     := $(CSTD) $(WARN) -O2 -g -Iabi -Ibuild/abi -Ilib
SANITIZE_CFLAGS := $(CSTD) $(WARN) -O1 -g -Iabi -Ibuild/abi -Ilib -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

ALL        :=
SYSTEM     :=
TESTS      :=
SOAK       :=
SOAK_TESTS :=
TESTS_slow :=
DOCS       :=
# Headers to be made before whatever may include them: abi/module.mk, which is read first, names them.
GENERATED  :=

object-names = $(patsubst %,build/$(1)/%.o,$(2))

# Rebuilds what depends on it if the two texts differ: $(call force-unless-same,TEXT,TEXT)
force-unless-same = $(if $(subst x$(strip $(1))x,,x$(strip $(2))x),FORCE)

# CONFIG, SOURCE, FLAGS. Flags are kept beside the object, once it is made, so that a change of flags rebuilds and lint can
# read them. Comparing them is make's own work here: a process for each object would cost half a minute.
define object-rule
build/$(1)/$(2).o: $(2) $(call force-unless-same,$(2) $(3),$(file <build/$(1)/$(2).o.flags)) | $(GENERATED)
	@mkdir -p $$(@D)
	@echo "  CC      $$<"
	@$$(CC) $(3) -MMD -MP -c $$< -o $$@ && echo '$(strip $(2) $(3))' > $$@.flags
build/$(1)/$(2).d: ;
-include build/$(1)/$(2).d
endef
objects = $(foreach source,$(2),$(if $(SEEN_$(1)/$(source)),,$(eval SEEN_$(1)/$(source) := seen)$(eval $(call object-rule,$(1),$(source),$(3)))))

# KIND, CFLAGS: where the objects of those flags are, by the flags' own text.
space := $() $()
host-config = host/$(1)/o/$(or $(subst $(space),,$(subst /,_,$(strip $(2)))),plain)
host-object-names = $(call object-names,$(call host-config,$(1),$(2)),$(3))

# KIND, NAME, SOURCES, BASE CFLAGS, CFLAGS, LDLIBS
define host-link
build/host/$(1)/$(2): $(call host-object-names,$(1),$(5),$(3))
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$$(CC) -fuse-ld=lld $(4) $(5) -o $$@ $$(filter %.o,$$^) $(6)
ALL += build/host/$(1)/$(2)
endef
host-build = $(call objects,$(call host-config,$(1),$(5)),$(3),$(4) $(5))$(eval $(call host-link,$(1),$(2),$(3),$(4),$(5),$(6)))

host-program = $(call host-build,bin,$(1),$(2),$(HOST_CFLAGS),$(3),$(4))
host-test    = $(call host-build,test,$(1),$(2),$(SANITIZE_CFLAGS),$(3),$(4))$(eval TESTS += build/host/test/$(1))
host-fuzz    = $(call host-build,fuzz,$(1),$(2),$(SANITIZE_CFLAGS) -fsanitize=fuzzer,$(3),$(4))
# For programs that have __wrap_malloc and __wrap_calloc, which let memory run out.
FUZZ_FAULTS  := -Wl,--wrap=calloc,--wrap=malloc
define seeds-rule
build/host/fuzz/$(1).seeds: tools/fuzz-seeds
	@$$< $$@ && touch $$@
ALL += build/host/fuzz/$(1).seeds
endef
fuzz-seeds   = $(eval $(call seeds-rule,$(1)))
script-test  = $(eval TESTS += $(1))$(eval ALL += $(2))$(foreach mark,$(3),$(eval TESTS_$(mark) += $(1)))

.PHONY: FORCE
FORCE:
