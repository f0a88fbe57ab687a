/*
 * Fuzzes the compiler: any bytes through lexer, parser, resolver, compiler, verifier and formatter. What compiles must
 * pass the verifier, and what the formatter prints must parse again. Imports find nothing.
 */
#include "commands.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct source *no_file(const char *path)
{
	(void)path;
	return NULL;
}

static void compile(const char *text, size_t size, bool with_machine)
{
	struct source *source = source_new("fuzz", text, size);
	if (!source)
		return;
	struct vm *vm = with_machine ? vm_create(32u << 20, 1) : NULL;
	struct program *program = program_build(vm, source, size & 1);
	if (program_ok(program)) {
		const char *wrong = program_verify(program);
		if (wrong) {
			fprintf(stderr, "the compiler made wrong code: %s\n", wrong);
			abort();
		}
	}
	if (vm)
		vm_destroy(vm);
	program_free(program);
}

/* Layout may need a level more than the text had: only that error is allowed. */
static void format(const char *text, size_t size)
{
	struct source *source = source_new("fuzz", text, size);
	char *formatted = source ? format_source(source) : NULL;
	if (formatted) {
		struct source *again = source_new("formatted", formatted, strlen(formatted));
		if (again && !source_parse(again) && !strstr(again->diagnostics[0].message, "levels deep")) {
			fprintf(stderr, "formatted, it does not parse: %s\n%s\n",
			        again->diagnostics[0].message, formatted);
			abort();
		}
		source_free(again);
	}
	free(formatted);
	source_free(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	source_provider = no_file;
	compile((const char *)data, size, false);
	compile((const char *)data, size, true);
	format((const char *)data, size);
	return 0;
}
