# Holon's one build: non-recursive. Each folder that builds something has a module.mk, which says what
# it builds through the macros of tools/build.mk; everything made goes under build/.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
# One job more than processors: some wait for the network.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell echo $$(($$(nproc) + 1)))
endif
.SUFFIXES:
.DELETE_ON_ERROR:

# First install, then build: what is missing is installed before make does anything else, since make rebuilds what it includes
# and then starts anew. Only goals that need no package do without.
ifneq ($(filter-out help setup loc clean,$(or $(MAKECMDGOALS),$(.DEFAULT_GOAL))),)
include build/setup.stamp
endif
build/setup.stamp: tools/setup tools/packages.txt
	@tools/setup
	@mkdir -p $(@D) && touch $@

include tools/build.mk tools/native.mk
include $(sort $(wildcard */module.mk */*/module.mk */*/*/module.mk))

.PHONY: help run test soak bench latency iso debug format lint loc docs setup clean all

help: ## List every target
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(filter Makefile %.mk,$(MAKEFILE_LIST)) | sort -u

setup: ## Install the Debian packages that building and testing need
	@tools/setup

all: $(ALL) ## Build everything

run: $(SYSTEM) ## Build and boot Holon to a shell (serial console, or a window where there is a display)
	@tools/run

test: all ## Run all tests (T=word runs those whose name contains the word)
	@tools/run-tests $(if $(T),--filter '$(T)') --slow '$(TESTS_slow)' $(TESTS)

soak: all $(SOAK) ## Long tests: fuzzing, random system calls, repeated boots
	@tools/run-tests --soak $(if $(T),--filter '$(T)') $(SOAK_TESTS)

format: ## Format the C sources
	@git ls-files '*.c' '*.h' | xargs -r clang-format -i

lint: ## Check formatting and run the static checks
	@tools/lint

docs: $(DOCS) ## Make the generated pages (build/docs)

loc: build/x86_64/kernel/kernel.elf ## Count the kernel's lines; fails above the limit
	@tools/loc

clean: ## Remove everything that was built
	rm -rf build
