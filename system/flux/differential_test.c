/*
 * Random programs, each run by the machine, by the machine with a collection at every allocation, and by the plain
 * evaluator: output, outcome and error message must be the same. Some are also traced and replayed, and formatted and run
 * again. In soak: a million programs, and a hundred thousand with sanitizers. `differential_test SEED` shows one; `FROM
 * COUNT REPLAYED` runs those, `traces DIRECTORY COUNT` writes traces of programs with events.
 */
#include "generate.h"
#include "options.h"
#include "commands.h"

#include <stdlib.h>
#include <unistd.h>

struct outcome {
	char *output;
	size_t length;
	bool compiled, ok;
	char error[600];
};

#if __has_feature(address_sanitizer)
#define SOAK_PROGRAMS 100000
#else
#define SOAK_PROGRAMS 1000000
#endif
#define OUTPUT_MAX (8u << 20) /* bytes that a program may print; one that prints more is stopped */

/* Where a program prints to. */
struct output {
	struct vm *vm;
	struct text text;
};

static ssize_t take(void *cookie, const char *bytes, size_t size)
{
	struct output *o = cookie;
	if (o->text.length < OUTPUT_MAX)
		text_put(&o->text, bytes, size);
	else if (o->vm)
		o->vm->interrupted = true;
	return (ssize_t)size;
}

enum way { WAY_VM, WAY_STRESS, WAY_WALK };

static void run(const char *text, size_t length, enum way way, struct outcome *o)
{
	struct run_options options = {.seed = 5, .fuel = 400000, .memory = 64u << 20};
	options.stress = way == WAY_STRESS;
	options.walk = way == WAY_WALK;
	memset(o, 0, sizeof(*o));
	struct output output = {0};
	FILE *out = fopencookie(&output, "w", (cookie_io_functions_t){.write = take});
	struct source *source = source_new("random", text, length);
	if (!out || !source)
		abort();
	struct vm *vm = run_prepare(source, &options, out);
	if (vm) {
		output.vm = vm;
		o->compiled = true;
		o->ok = run_to_end(vm);
		if (!o->ok && is_type(vm->error, T_ERROR))
			snprintf(o->error, sizeof(o->error), "%s",
			         string_bytes(vm, ((struct flux_error *)as_object(vm->error))->message));
		if (vm->stopping) /* limits are counted in each way by itself */
			snprintf(o->error, sizeof(o->error), "limit");
		fflush(out);
		output.vm = NULL;
		run_finish(vm);
	}
	fclose(out);
	text_put(&output.text, "", 1);
	o->output = output.text.bytes;
	o->length = output.text.length;
}

/*
 * Runs that are stopped are counted, not passed over. What runs out of steps must have printed the beginning of what the
 * other way prints; what runs out of memory or nests too deep does so elsewhere in each way, and may catch it.
 */
static struct {
	unsigned long steps, room;
} stopped;

static bool is_stopped(const struct outcome *o)
{
	return !strcmp(o->error, "limit");
}

static bool lacks_room(const struct outcome *o)
{
	return strstr(o->error, "memory") || strstr(o->error, "deep");
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	size_t least = (a->length < b->length ? a->length : b->length) - 1; /* each ends with a zero byte */
	if (lacks_room(a) || lacks_room(b)) {
		stopped.room++;
		return a->compiled == b->compiled;
	}
	if (is_stopped(a) || is_stopped(b)) {
		stopped.steps++;
		return a->compiled == b->compiled && !memcmp(a->output, b->output, least);
	}
	return a->compiled == b->compiled && a->ok == b->ok && a->length == b->length &&
	       !memcmp(a->output, b->output, a->length) && !strcmp(a->error, b->error);
}

static bool one(uint64_t seed, bool events, unsigned *compiled)
{
	struct text text = {0};
	struct outcome vm, other;
	bool ok = true;
	generate_program(&text, seed, events);
	run(text.bytes, text.length, WAY_VM, &vm);
	*compiled += vm.compiled;
	static const char *const names[] = {"", "with a collection at every allocation",
	                                    "by the plain evaluator"};
	for (enum way way = WAY_STRESS; way <= WAY_WALK && ok; way++) {
		run(text.bytes, text.length, way, &other);
		if (!same(&vm, &other)) {
			ok = false;
			printf(
			    "not ok differential %llu %d - %s\n--- machine (%s)\n%s--- other (%s)\n%s---\n",
			    (unsigned long long)seed, events, names[way], vm.error, vm.output, other.error,
			    other.output);
		}
		free(other.output);
	}
	if (ok && vm.compiled && seed % 4 == 0) {
		struct source *source = source_new("random", text.bytes, text.length);
		char *formatted = source ? format_source(source) : NULL;
		if (formatted) {
			run(formatted, strlen(formatted), WAY_VM, &other);
			if (!same(&vm, &other)) {
				ok = false;
				printf("not ok differential %llu %d - after formatting\n--- before "
				       "(%s)\n%s--- after (%s)\n%s---\n",
				       (unsigned long long)seed, events, vm.error, vm.output, other.error,
				       other.output);
			}
			free(other.output);
		}
		free(formatted);
		source_free(source);
	}
	free(vm.output);
	free(text.bytes);
	return ok;
}

/* Runs the program with this seed and writes its trace; *output, freed by the caller, is NULL if it does not compile. */
static bool record(uint64_t seed, const char *path, char **output, size_t *length)
{
	struct text text = {0};
	struct run_options options = {.seed = seed, .fuel = 400000, .trace_path = path};
	generate_program(&text, seed, true);
	struct source *source = source_new("random", text.bytes, text.length);
	FILE *out = open_memstream(output, length);
	struct vm *vm = source && out ? run_prepare(source, &options, out) : NULL;
	bool ok = out != NULL;
	if (vm) {
		ok = trace_begin(vm, &options);
		int status = run_program(vm);
		ok = trace_end(vm, status) && ok;
		run_finish(vm);
	}
	if (out)
		fclose(out);
	if (!vm) {
		free(*output);
		*output = NULL;
	}
	free(text.bytes);
	return ok;
}

/* Recorded and replayed: status 0 from the replay, and the same output. */
static bool replays(uint64_t seed, const char *path)
{
	char *first = NULL, *second = NULL;
	size_t first_length, second_length;
	bool ok = record(seed, path, &first, &first_length);
	if (first) {
		FILE *again = open_memstream(&second, &second_length);
		ok = ok && again && trace_replay(path, again) == 0;
		fclose(again);
		ok = ok && first_length == second_length && !memcmp(first, second, first_length);
	}
	free(first);
	free(second);
	if (!ok)
		printf("not ok replay %llu - the trace gives another run\n", (unsigned long long)seed);
	return ok;
}

/* So many traces, for replays on another system. */
static int write_traces(const char *directory, unsigned long count)
{
	for (unsigned long made = 0, seed = 1; made < count; seed++) {
		char path[1024], *output = NULL;
		size_t length;
		snprintf(path, sizeof(path), "%s/%lu", directory, seed);
		if (!record(seed, path, &output, &length)) {
			printf("not ok traces - cannot write %s\n", path);
			return 1;
		}
		made += output != NULL;
		free(output);
	}
	return 0;
}

int main(int argc, char **argv)
{
	bool soak = getenv("HOLON_SOAK") != NULL;
	unsigned long from = 0, count = soak ? SOAK_PROGRAMS : 1500, replayed = soak ? 1000 : 60, failed = 0;
	unsigned compiled = 0;
	char path[] = "/tmp/flux-trace-XXXXXX";
	if (argc == 4 && !strcmp(argv[1], "traces")) {
		return write_traces(argv[2], strtoul(argv[3], NULL, 10));
	} else if (argc == 4) {
		from = strtoul(argv[1], NULL, 10);
		count = strtoul(argv[2], NULL, 10);
		replayed = strtoul(argv[3], NULL, 10);
	} else if (argc > 1) {
		struct text text = {0};
		generate_program(&text, strtoull(argv[1], NULL, 10), argc > 2 && *argv[2] == '1');
		fputs(text.bytes, stdout);
		free(text.bytes);
		return 0;
	}
	/* Warnings of the compiler and reports of errors are not what is looked at. */
	if (!getenv("FLUX_SHOW") && !freopen("/dev/null", "w", stderr))
		return 1;
	for (unsigned long i = 0; i < count; i++) {
		failed += !one(from + i, (from + i) % 3 == 0, &compiled);
		if (count > 1500 && (i + 1) % 50000 == 0) {
			printf("%lu programs, %lu differ\n", i + 1, failed);
			fflush(stdout);
		}
	}
	if (failed)
		printf("not ok differential - %lu of %lu differ\n", failed, count);
	else
		printf("ok differential: %lu programs, %u compiled; of their comparisons %lu with a run "
		       "stopped by its "
		       "limit of steps, %lu by memory or depth\n",
		       count, compiled, stopped.steps, stopped.room);
	if (compiled < count / 2)
		printf("not ok differential size - only %u programs compile\n", compiled);
	failed += compiled < count / 2;
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	unsigned long wrong = 0;
	for (unsigned long i = 0; i < replayed; i++)
		wrong += !replays((from + i) * 7 + 1, path);
	unlink(path);
	if (!wrong)
		printf("ok replay: %lu programs with events and timelines repeat exactly\n", replayed);
	return failed || wrong ? 1 : 0;
}
