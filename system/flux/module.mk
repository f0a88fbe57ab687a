# Flux: the language's compiler, machine and tools.
include system/flux/sources.mk
FLUX_TOOLS := $(addprefix system/flux/,main.c command_run.c command_fmt.c command_repl.c command_doc.c command_lsp.c debug.c)
$(call host-program,flux,$(FLUX_CORE) $(FLUX_TOOLS),$(FLUX_CFLAGS),$(FLUX_LDLIBS))
$(call script-test,system/flux/conformance/run,build/host/bin/flux)
