/*
 * What the fuzzers of the compiler and the verifier found, each as a check: run under sanitizers, where a leak or a
 * read out of bounds is a failure too.
 */
#include "options.h"
#include "runtime.h"

#include <stdlib.h>

static unsigned failed;

static void check(bool ok, const char *name)
{
	failed += !ok;
	printf(ok ? "ok flux verify: %s\n" : "not ok flux verify: %s - see the source\n", name);
}

static struct vm *prepare(const char *text)
{
	struct run_options options = {.seed = 1, .fuel = 1000, .memory = 16u << 20};
	struct source *source = source_new("test", text, strlen(text));
	struct vm *vm = source ? run_prepare(source, &options, stdout) : NULL;
	if (!vm)
		abort();
	return vm;
}

/* The nth instruction with this operation. */
static struct ins *find(struct vm *vm, enum opcode op, unsigned n)
{
	struct proto *p = vm->program->functions[0];
	for (uint32_t at = 0; at < p->count; at++)
		if (p->code[at].op == op && !n--)
			return &p->code[at];
	abort();
}

static void shared_cache(void)
{
	struct vm *vm = prepare("function main() { let s = \"a-b\"; s.split(\"-\"); s.trim(); }");
	check(!program_verify(vm->program), "methods with a cache each are accepted");
	find(vm, OP_CALLM, 1)->d = find(vm, OP_CALLM, 0)->d;
	const char *wrong = program_verify(vm->program);
	check(wrong && strstr(wrong, "cache"), "a cache of two instructions is refused");
	run_finish(vm);
}

static void method_of_collapse(void)
{
	struct vm *vm = prepare("function main() { let d = dist {1: 1}; collapse(d, mean); }");
	struct proto *p = vm->program->functions[0];
	for (uint32_t at = 0; at < p->count; at++)
		if (p->code[at].op == OP_LOADK && is_string(p->constants[p->code[at].b])) {
			p->code[at].op = OP_LOADI;
			p->code[at].jump = 3;
		}
	check(!program_verify(vm->program), "a collapse by a number passes the verifier");
	check(program_start(vm) && !scheduler_run(vm) && is_type(vm->error, T_ERROR),
	      "and is an error when it runs");
	run_finish(vm);
}

static bool compiles(const char *text, size_t length, const char *message)
{
	struct source *source = source_new("test", text, length);
	if (!source)
		abort();
	struct program *program = program_build(NULL, source, false);
	bool ok = program_ok(program);
	if (!ok && message)
		ok = !strstr(source->diagnostics[0].message, message);
	program_free(program);
	return ok;
}

static void names(void)
{
	bool ok = true;
	for (unsigned i = 0; i < native_count; i++) {
		bool found = native_find(natives[i].name, strlen(natives[i].name)) == (int)i;
		if (!found)
			printf("the built-in '%s' stands twice in the table\n", natives[i].name);
		ok = ok && found;
	}
	check(ok && native_count > 150, "each built-in has a name of its own");
}

int main(void)
{
	static const char twice[] = "intention a { execute: { print(1); } execute: { print(2); } }";
	static const char zero[] = "function main() { print(1); } # a\0b\n";
	shared_cache();
	method_of_collapse();
	names();
	check(!compiles(twice, sizeof(twice) - 1, "given twice"), "a clause given twice is an error");
	check(!compiles(zero, sizeof(zero) - 1, "zero byte"), "a zero byte in a comment is an error");
	return failed ? 1 : 0;
}
