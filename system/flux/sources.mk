# The machine without its tools: what a program that embeds it links.
FLUX_CORE := $(addprefix system/flux/,source.c lexer.c parser.c parse_declaration.c parse_expression.c parse_literal.c resolve.c resolve_names.c resolve_code.c compile.c compile_function.c compile_expression.c compile_control.c \
	verify.c dump.c print.c heap.c gc.c object.c string.c value.c vm.c interpret.c operations.c operations_object.c operations_call.c natives.c natives_core.c \
	natives_list.c natives_sort.c natives_text.c natives_math.c natives_time.c json.c regex.c dist.c mosaic.c mosaic_methods.c facts.c series.c keep.c timeline.c timeline_contents.c timeline_merge.c \
	scheduler.c intention.c natives_intention.c paradox.c events.c capability.c files.c process.c net.c subkernels.c trace.c run.c walk.c walk_expression.c transfer.c agents.c)
FLUX_CFLAGS := -D_GNU_SOURCE -O3 -fno-strict-aliasing
FLUX_LDLIBS := -lpcre2-8 -lm
# The tools: the commands of flux.
FLUX_TOOLS := $(addprefix system/flux/,main.c command_run.c command_fmt.c command_repl.c command_doc.c command_lsp.c debug.c)
