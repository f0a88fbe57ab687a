/* flux run, replay, check, test, dump, explain. */
#include "commands.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int run_with(const char *file, struct run_options *options)
{
	struct source *source = source_load(file);
	if (!source)
		return 2;
	struct vm *vm = run_prepare(source, options, stdout);
	if (!vm)
		return 1;
	vm->heap.parts = true;
	int status = 2;
	bool as_it_comes = options->live && options->input_path && !strcmp(options->input_path, "-");
	if (as_it_comes)
		events_read_input(vm);
	if ((!options->input_path || as_it_comes || scheduler_load_input(vm, options->input_path)) &&
	    (!options->trace_path || trace_begin(vm, options))) {
		watch_interrupts(vm);
		status = run_program(vm);
		watch_interrupts(NULL);
		if (!trace_end(vm, status))
			status = 2;
	}
	run_finish(vm);
	return status;
}

int command_run(int argc, char **argv)
{
	struct run_options options;
	const char *file;
	return parse_run_options(argc, argv, &options, &file) ? run_with(file, &options) : 2;
}

int command_explain(int argc, char **argv)
{
	struct run_options options;
	const char *file;
	if (!parse_run_options(argc, argv, &options, &file))
		return 2;
	options.explain = true;
	return run_with(file, &options);
}

int command_replay(int argc, char **argv)
{
	if (argc != 1) {
		fputs("usage: flux replay TRACE\n", stderr);
		return 2;
	}
	return trace_replay(argv[0], stdout);
}

int command_check(int argc, char **argv)
{
	int status = 0;
	if (!argc) {
		fputs("usage: flux check FILE...\n", stderr);
		return 2;
	}
	for (int i = 0; i < argc; i++) {
		struct source *source = source_load(argv[i]);
		if (!source)
			return 2;
		struct program *program = program_build(NULL, source, false);
		source_print(program->source, stderr, true, isatty(2) && !getenv("NO_COLOR"));
		unsigned errors = 0;
		for (const struct source *s = program->source; s; s = s->next)
			errors += s->error_count;
		if (errors) {
			fprintf(stderr, "%s: %u error%s\n", argv[i], errors, errors == 1 ? "" : "s");
			status = 1;
		}
		program_free(program);
	}
	return status;
}

int command_dump(int argc, char **argv)
{
	struct run_options options;
	const char *file;
	if (!parse_run_options(argc, argv, &options, &file))
		return 2;
	struct source *source = source_load(file);
	if (!source)
		return 2;
	struct vm *vm = run_prepare(source, &options, stdout);
	if (!vm)
		return 1;
	program_dump(vm, vm->program, stdout);
	run_finish(vm);
	return 0;
}

/* ---- tests ---- */
struct totals {
	unsigned passed, failed;
};

static bool check_file(const char *path)
{
	size_t length = strlen(path);
	return length > 5 && !strcmp(path + length - 5, ".flux");
}

/* What a file beside the program says it prints; NULL if there is none. Freed by the caller. */
static char *expected_output(const char *path, size_t *length)
{
	char name[2048];
	int n = snprintf(name, sizeof(name), "%.*s.expected", (int)(strlen(path) - 5), path);
	if (n < 0 || (size_t)n >= sizeof(name))
		return NULL;
	FILE *f = fopen(name, "rb");
	if (!f)
		return NULL;
	size_t capacity = 0;
	char *text = NULL;
	*length = 0;
	do {
		if (capacity - *length < 4096) {
			capacity = capacity ? capacity * 2 : 8192;
			text = realloc(text, capacity);
			if (!text)
				abort();
		}
		*length += fread(text + *length, 1, 4096, f);
	} while (!feof(f) && !ferror(f));
	fclose(f);
	return text;
}

static void run_tests_of(const char *path, struct totals *totals)
{
	struct run_options options = {.fuel = 50000000};
	struct source *source = source_load(path);
	struct vm *vm = source ? run_prepare(source, &options, stdout) : NULL;
	if (!vm) {
		printf("not ok %s - it has errors\n", path);
		totals->failed++;
		return;
	}
	size_t expected_length = 0;
	char *expected = expected_output(path, &expected_length);
	if (expected) {
		char *got = NULL;
		size_t got_length = 0;
		FILE *out = open_memstream(&got, &got_length);
		if (!out)
			abort();
		vm->out = out;
		if (!run_to_end(vm) && is_type(vm->error, T_ERROR))
			fprintf(out, "runtime error: %s\n",
			        string_bytes(vm, ((struct flux_error *)as_object(vm->error))->message));
		fclose(out);
		bool same = got_length == expected_length && !memcmp(got, expected, got_length);
		printf(same ? "ok %s\n" : "not ok %s - the output differs from what is expected\n", path);
		if (!same)
			printf("--- expected\n%.*s--- got\n%.*s---\n", (int)expected_length, expected,
			       (int)got_length, got);
		totals->passed += same;
		totals->failed += !same;
		free(got);
		free(expected);
		run_finish(vm);
		return;
	}
	if (!vm->program->test_count) {
		run_finish(vm);
		return;
	}
	bool started = program_start(vm);
	for (uint32_t i = 0; i < vm->program->test_count; i++) {
		struct proto *test = vm->program->tests[i];
		bool ok = started && vm_call_proto(vm, test, NULL, 0) != V_RAISE;
		fflush(stdout);
		if (ok) {
			printf("ok %s: %s\n", path, test->name);
			totals->passed++;
			continue;
		}
		struct flux_error *e =
		    is_type(vm->error, T_ERROR) ? (struct flux_error *)as_object(vm->error) : NULL;
		printf("not ok %s: %s - %s\n", path, test->name, e ? string_bytes(vm, e->message) : "?");
		if (e && e->trace)
			printf("%s\n", string_bytes(vm, e->trace));
		totals->failed++;
		if (vm->stopping) { /* out of fuel: the others get their own */
			vm->stopping = false;
			vm_set_fuel(vm, options.fuel);
		}
		vm->task->frame_count = 0;
	}
	run_finish(vm);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void test_path(const char *path, struct totals *totals, unsigned depth)
{
	struct stat st;
	struct dirent **entries;
	if (stat(path, &st) != 0) {
		printf("not ok %s - %s\n", path, strerror(errno));
		totals->failed++;
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		run_tests_of(path, totals);
		return;
	}
	int count = scandir(path, &entries, NULL, by_name);
	for (int i = 0; i < count; i++) {
		char name[2048];
		int n = snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && n > 0 && (size_t)n < sizeof(name)) {
			if (stat(name, &st) == 0 && S_ISDIR(st.st_mode) && depth < 32)
				test_path(name, totals, depth + 1);
			else if (check_file(name))
				run_tests_of(name, totals);
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

int command_test(int argc, char **argv)
{
	struct totals totals = {0};
	if (!argc) {
		fputs("usage: flux test PATH...\n", stderr);
		return 2;
	}
	for (int i = 0; i < argc; i++)
		test_path(argv[i], &totals, 0);
	printf("%u passed, %u failed\n", totals.passed, totals.failed);
	return totals.failed || !totals.passed ? 1 : 0;
}
