# The machine without its tools: what a program that embeds it links.
FLUX_CORE := $(addprefix system/flux/,source.c lexer.c parser.c parse_expression.c resolve.c compile.c compile_expression.c \
	verify.c dump.c print.c heap.c gc.c object.c string.c vm.c interpret.c operations.c natives.c natives_core.c \
	natives_list.c natives_text.c natives_math.c natives_time.c json.c regex.c dist.c mosaic.c facts.c keep.c timeline.c \
	scheduler.c intention.c natives_intention.c paradox.c events.c capability.c files.c process.c net.c subkernels.c trace.c run.c walk.c transfer.c agents.c)
FLUX_CFLAGS := -D_GNU_SOURCE -O3 -fno-strict-aliasing
FLUX_LDLIBS := -lpcre2-8 -lm
