# The ledger: build/host/bin/holon-ledger. Each part is a folder whose rules.mk adds to the lists below; this file
# reads them all first and links last, so a rules.mk may use the lists' names but not their final values.
#   LEDGER_SOURCES   C sources of the program, subcommands included (a subcommand is one line of main.c's table)
#   LEDGER_LDLIBS    libraries of Debian
#   LEDGER_CFLAGS    flags for all of them; a flag for one source is LEDGER_CFLAGS_path/to/source.c
#   LEDGER_ARCHIVES  archives made by the build, linked before LEDGER_LDLIBS
#   LEDGER_LIB       all sources but main.c, optimised: for benchmarks and tools
#   LEDGER_SANITIZED_LIB, LEDGER_FUZZ_LIB   the same with sanitizers, and with sanitizers and coverage
#   LEDGER_TESTS, LEDGER_FUZZERS, LEDGER_PROGRAMS   entries NAME:SOURCE[:SOURCE]... : a test linked with the sanitized
#                    library, a fuzzer linked with the one that reports coverage, an optimised program
LEDGER_SOURCES  := $(addprefix system/ledger/,version.c)
LEDGER_CFLAGS   := -Isystem -D_GNU_SOURCE
LEDGER_LDLIBS   :=
LEDGER_ARCHIVES :=

LEDGER_LIB           := build/host/lib/libholon-ledger.a
LEDGER_SANITIZED_LIB := build/host/lib/libholon-ledger-sanitized.a
LEDGER_FUZZ_LIB      := build/host/lib/libholon-ledger-fuzz.a

LEDGER_TESTS    :=
LEDGER_FUZZERS  :=
LEDGER_PROGRAMS :=

include $(sort $(wildcard system/ledger/*/rules.mk))

# CONFIG, FLAGS: rules for the objects of all sources
ledger-objects = $(foreach source,$(LEDGER_SOURCES),$(call objects,$(1),$(source),$(2) $(LEDGER_CFLAGS) $(LEDGER_CFLAGS_$(source))))
# ARCHIVE, FLAGS
define ledger-library
$(call ledger-objects,$(1:build/%.a=%.d),$(2))
$(eval $(1): $(call object-names,$(1:build/%.a=%.d),$(LEDGER_SOURCES))
	@mkdir -p $$(@D)
	@echo "  AR      $$@"
	@rm -f $$@ && $$(AR) rcs $$@ $$(filter %.o,$$^))
endef
$(call ledger-library,$(LEDGER_LIB),$(HOST_CFLAGS) -O3)
$(call ledger-library,$(LEDGER_SANITIZED_LIB),$(SANITIZE_CFLAGS))
$(call ledger-library,$(LEDGER_FUZZ_LIB),$(SANITIZE_CFLAGS) -fsanitize=fuzzer-no-link)

# NAME:SOURCE[:SOURCE]... of the lists above
ledger-words = $(subst :, ,$(1))
ledger-name  = $(firstword $(call ledger-words,$(1)))
ledger-files = $(wordlist 2,99,$(call ledger-words,$(1)))
# KIND, ENTRY, ARCHIVE: which archive the program KIND/NAME needs besides its own objects
ledger-needs = $(eval build/host/$(1)/$(call ledger-name,$(2)): $(3) $(LEDGER_ARCHIVES))

$(call host-program,holon-ledger,system/ledger/main.c,$(LEDGER_CFLAGS),$(LEDGER_LIB) $(LEDGER_ARCHIVES) $(CRYPTO_LIB) $(CRYPTO_LDLIBS) $(LEDGER_LDLIBS))
$(call ledger-needs,bin,holon-ledger,$(LEDGER_LIB) $(CRYPTO_LIB))
$(foreach entry,$(LEDGER_PROGRAMS),$(call host-program,$(call ledger-name,$(entry)),$(call ledger-files,$(entry)),$(LEDGER_CFLAGS),$(LEDGER_LIB) $(LEDGER_ARCHIVES) $(CRYPTO_LIB) $(CRYPTO_LDLIBS) $(LEDGER_LDLIBS))$(call ledger-needs,bin,$(entry),$(LEDGER_LIB) $(CRYPTO_LIB)))
$(foreach entry,$(LEDGER_TESTS),$(call host-test,$(call ledger-name,$(entry)),$(call ledger-files,$(entry)),$(LEDGER_CFLAGS),$(LEDGER_SANITIZED_LIB) $(LEDGER_ARCHIVES) $(CRYPTO_SANITIZED_LIB) $(CRYPTO_LDLIBS) $(LEDGER_LDLIBS))$(call ledger-needs,test,$(entry),$(LEDGER_SANITIZED_LIB) $(CRYPTO_SANITIZED_LIB)))
$(foreach entry,$(LEDGER_FUZZERS),$(call host-fuzz,$(call ledger-name,$(entry)),$(call ledger-files,$(entry)),$(LEDGER_CFLAGS),$(LEDGER_FUZZ_LIB) $(LEDGER_ARCHIVES) $(CRYPTO_SANITIZED_LIB) $(CRYPTO_LDLIBS) $(LEDGER_LDLIBS))$(call ledger-needs,fuzz,$(entry),$(LEDGER_FUZZ_LIB) $(CRYPTO_SANITIZED_LIB)))
